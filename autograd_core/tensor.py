"""`Tensor`: a NumPy array that remembers how it was computed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from . import indexing, linear_algebra, numerics, routines, shaping
from ._methods import ArrayMethods
from .arguments import as_numbers, plain_numbers, text, truth, unexpected
from .backward import backpropagate, one_step
from .elsewhere import METHODS
from .errors import GraphError, ItemAssignmentError, NotScalarError, OperandError, ShapeError
from .leaving import taken_out
from .modes import recording, tracing
from .node import Node
from .op import INSTALLERS, TABLE, Op
from .operands import as_array, compared, data_of
from .protocols import array_function, array_ufunc
from .questions import Questions
from .record import apply, give_method
from .recorders import binary, in_place, ternary, unary, write
from .walk import OVERWRITTEN
from .warn import warned

__all__ = ["Tensor", "linear"]


class Tensor(Node, ArrayMethods, Questions):
    """A NumPy array in a graph.

    Args:
        data: A number, nested lists, or an array; it is copied. Integers become float64, floats keep their dtype.
        requires_grad: Whether gradients flow into it; False makes a constant.
        dtype: A floating dtype.
        label: A name for pictures and messages.

    Attributes:
        data: The array. Assigning is noticed by a graph recorded before; writing into it only under `detect_anomaly()`.
        grad: ∂root/∂self, an array of the same shape and dtype; None before anything has flowed.

    Example:
        >>> W = Tensor([[1.0, 2.0], [3.0, 4.0]], label="W")
        >>> (W @ np.array([1.0, -1.0])).sum().backward()
        >>> W.grad
        array([[ 1., -1.],
               [ 1., -1.]])
    """

    __slots__ = ("_age", "requires_grad")
    _FRESH: ClassVar[None] = None
    _UNREACHED: ClassVar[None] = None
    is_array: ClassVar[bool] = True
    requires_grad: bool
    _age: int                                  # when a result was made; of a leaf that the user made, 0 if it was made to get gradients, else 1

    def __init__(self, data: Any, *, requires_grad: bool = True, dtype: Any = None, label: str = "") -> None:
        """A leaf. Raises DTypeError for what cannot hold a gradient, ShapeError for a ragged list."""
        if isinstance(data, Node):
            raise OperandError(f"Tensor: received a {type(data).__name__}, expected numbers; take its .data, or use it as it is.")
        self._value: np.ndarray = np.array(as_array(data, "Tensor", dtype), subok=False)
        self.op = self.grad = self._params = self._scope = None
        self._mark = 0
        self.requires_grad = requires_grad if requires_grad.__class__ is bool else truth(requires_grad, "Tensor", "requires_grad")
        self._age = 0 if self.requires_grad else 1
        self.label = label if label.__class__ is str else text(label if label is not None else "", "Tensor", "label")

    @classmethod
    def _of(cls, data: np.ndarray) -> Tensor:
        """A leaf around an array that needs neither check nor copy."""
        self = _new(cls)
        self._value, self.label, self._mark, self.requires_grad = data, "", 0, False
        self.op = self.grad = self._params = self._scope = None
        return self

    # ------------------------------------------------------------------------------------------- the array
    @property
    def data(self) -> np.ndarray:
        """The array itself, not a copy."""
        return self._value

    @data.setter
    def data(self, data: Any) -> None:
        if data is self._value and self.op is None:  # `t.data -= step`: see below
            self._value = data.view()
            return
        if isinstance(data, Node):
            data = plain_numbers(data, "Tensor.data", data.__class__.__name__, "use it in the place of the parameter, as functional_call does with a model's")
        array = as_array(data_of(data), "Tensor.data")
        if array.shape != self._value.shape:
            raise OperandError(f"Tensor.data: received shape {array.shape}, expected {self._value.shape}; make a new Tensor for another shape.")
        if self.op is not None:                # no longer the result of an operation: `backward` must notice
            self._x = (OVERWRITTEN,) * len(self._x)
        array = array.astype(self._value.dtype, copy=False)
        # `t.data -= step` assigns the array that it has written into: a new view makes that visible to `backward` too.
        self._value = array.view() if array is self._value else array

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements."""
        return self._value.dtype

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return shaping.transpose(self)  # type: ignore[no-any-return]

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return shaping.matrix_transpose(self)  # type: ignore[no-any-return]

    def numpy(self) -> np.ndarray:
        """The array, out of the graph (shared, not copied)."""
        return self._value

    def detach(self) -> Tensor:
        """The same array as a constant: shared, so writing into one is seen by the other (and by recorded graphs)."""
        return Tensor._of(self._value)

    def item(self) -> float:
        """The one element as a Python float."""
        if self._value.size != 1:
            raise NotScalarError(f"item: received a tensor of shape {self.shape}, expected one element; index it, or reduce it first.")
        return float(self._value.item())

    def tolist(self) -> Any:
        """The elements as nested lists of floats."""
        return self._value.tolist()

    def copy(self) -> Tensor:
        """A copy that gradients flow through."""
        return apply(TABLE["identity"], (self,))  # type: ignore[no-any-return]

    def backward(self, gradient: Any = None, **theirs: Any) -> None:
        """Fill `.grad` of everything below: leaves accumulate, inner nodes hold the gradients of this pass.

        Args:
            gradient: ∂L/∂self of the same shape; may be left out where self has one element.
            theirs: Must be empty; for PyTorch's `retain_graph=` and `create_graph=` the error says what is written here.

        Raises:
            NotScalarError: several elements and no gradient.
            ShapeError: a gradient of another shape.
            GraphError: nothing differentiable went into self.
            StaleDataError: the `.data` of a node below was assigned after it had been used.
        """
        if theirs:
            raise unexpected("backward", theirs)
        backpropagate(self, gradient)

    _backward = one_step

    # ------------------------------------------------------------------------------------ Python's protocols
    def __repr__(self) -> str:
        """The array, the operation that made it, and the label."""
        body = np.array2string(self._value, separator=", ", prefix="Tensor(")
        dtype = "" if self._value.dtype == np.float64 else f", dtype={self._value.dtype}"
        constant = "" if self.requires_grad else ", requires_grad=False"
        label = f", label={self.label!r}" if self.label else ""
        op = f", op={self.op.name}" if self.op is not None else ""
        return f"Tensor({body}{dtype}{constant}{label}{op})"

    def __format__(self, spec: str) -> str:
        """One element in a format; without a format, the repr."""
        return format(self.item(), spec) if spec else repr(self)

    def __float__(self) -> float:
        """The one element, out of the graph."""
        if self.requires_grad:
            taken_out("Tensor")
        if self._value.size != 1:
            raise NotScalarError(f"float: received a tensor of shape {self.shape}, expected one element; index it, or reduce it first.")
        return float(self._value.reshape(()))

    def __int__(self) -> int:
        """The integer part of the one element."""
        return int(float(self))

    def __bool__(self) -> bool:
        """Whether the one element is not zero."""
        if self._value.size != 1:
            raise NotScalarError(f"the truth value of a tensor of shape {self.shape} is ambiguous; use np.any or np.all of a comparison.")
        return bool(self._value.reshape(()) != 0.0)

    def __len__(self) -> int:
        """The length of the first axis."""
        if self._value.ndim == 0:
            raise OperandError("len: received a tensor without axes, which has no length, expected at least one axis.")
        return len(self._value)

    def __contains__(self, x: Any) -> bool:
        """Whether an element equals x."""
        plain = as_numbers(x, "in", "x")
        try:
            return bool(np.any(self._value == plain))
        except ValueError:
            raise ShapeError(f"in: received an array of shape {plain.shape}, expected one that broadcasts to {self.shape}.") from None

    def __iter__(self) -> Iterator[Tensor]:
        """The parts along the first axis."""
        if self._value.ndim == 0:
            raise OperandError("iter: received a tensor without axes, which cannot be iterated over; use .item().")
        return (self[i] for i in range(len(self._value)))

    def __getitem__(self, key: Any) -> Tensor:
        """Every kind of NumPy index; indices that occur twice accumulate in the gradient."""
        return indexing.getitem(self, key)  # type: ignore[no-any-return]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write elements of a leaf, or of a result of `no_grad()`, under `no_grad()`; refused where a graph needs the old ones."""
        if self.op is not None or recording() or (self.requires_grad and self._is_computed):
            raise ItemAssignmentError(
                "a Tensor cannot be written into, since the graph needs the old elements; make a new one with where, concatenate or stack, "
                "write into a leaf under no_grad(), or take the plain numbers, t.numpy().copy(), and write into them."
            )
        write(self, indexing.key_of(key), value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The plain array of a constant; refused where a gradient would be lost.

        Inside a transform, where float() refuses too, a tensor without axes may stand in an array of nodes, as a `Value`
        may: `jacobian(lambda t: np.array([t[0] * t[1], t[0]]))`.
        """
        if self.requires_grad:
            if tracing() and not self.shape and dtype in (None, object):
                held = np.empty((), dtype=object)
                held[()] = self
                return held
            raise GraphError(
                "converting a differentiable Tensor to a plain array would drop its graph in silence; use t.numpy() or t.detach() if that "
                "is meant (for a plot, say), np.stack, np.concatenate or autograd_core.array to join tensors, or a function of NumPy that "
                "has a rule."
            )
        return np.array(self._value, dtype=dtype, copy=copy)

    # Comparisons give plain arrays of booleans; hashing is by identity, so that sets and dicts of tensors work.
    def __lt__(self, other: Any) -> Any:
        return compared(operator.lt, self._value, other)

    def __le__(self, other: Any) -> Any:
        return compared(operator.le, self._value, other)

    def __gt__(self, other: Any) -> Any:
        return compared(operator.gt, self._value, other)

    def __ge__(self, other: Any) -> Any:
        return compared(operator.ge, self._value, other)

    def __eq__(self, other: object) -> Any:
        return compared(operator.eq, self._value, other)

    def __ne__(self, other: object) -> Any:
        return compared(operator.ne, self._value, other)

    __hash__ = object.__hash__

    def __pos__(self) -> Tensor:
        """The tensor itself."""
        return self

    __array_ufunc__ = array_ufunc
    __array_function__ = array_function

    # --------------------------------------------------------------------------- methods with free arguments
    def reshape(self, *shape: Any, order: str = "C") -> Tensor:
        """The same elements in another shape: `t.reshape(2, 3)` or `t.reshape((2, 3))`."""
        return shaping.reshape(self, shape[0] if len(shape) == 1 else shape, order)  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order; reversed without arguments. Warns where a matrix stays as it is: `swapaxes(0, 1)` exchanges two axes."""
        if self._value.ndim == 2 and all(axis.__class__ is int for axis in axes) and axes in _AS_IT_IS:
            warned(f"transpose{axes} of a matrix leaves it as it is: the axes are in their new order, as in NumPy; x.T transposes, swapaxes{axes} exchanges.")
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return shaping.transpose(self, order)  # type: ignore[no-any-return]

    def flatten(self, order: str = "C") -> Tensor:
        """All elements along one axis."""
        if isinstance(order, int):
            raise OperandError(f"flatten: received {order}, expected 'C', 'F', 'A' or 'K'; x.reshape(*x.shape[:{order}], -1) keeps the first axes.")
        return shaping.ravel(self, order)  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------- methods from the table
_new: Callable[[type[Tensor]], Tensor] = object.__new__
_AS_IT_IS = {(0, 1), (-2, -1), (0, -1), (-2, 1)}

_ROUTINES = [
    "sum", "mean", "var", "std", "prod", "max", "min", "logsumexp", "cumsum", "cumprod", "softmax", "log_softmax", "norm",
    "dot", "inner", "outer", "trace", "diagonal", "ravel", "swapaxes", "squeeze", "repeat", "take", "clip", "round",
]  # fmt: skip
for _name in _ROUTINES:
    setattr(Tensor, _name, next(getattr(module, _name) for module in (routines, linear_algebra, shaping, indexing, numerics) if hasattr(module, _name)))


_RESERVED = (frozenset(dir(Tensor)) | {"where", "weighted_sum"}) - METHODS.keys()


def _install(op: Op) -> None:
    """Give `Tensor` the method, or the operator, of an entry."""
    if op.elementwise or op.dunder:
        give_method(Tensor, op, unary, binary, _RESERVED)
    if op.elementwise and op.dunder and op.arity == 2:
        setattr(Tensor, f"__i{op.dunder}__", in_place(op))


Node.ARRAY = Tensor
for _op in TABLE.values():
    _install(_op)
INSTALLERS.append(_install)

linear: Callable[[Any, Any, Any], Any] = ternary(TABLE["linear"])
linear.__module__ = __name__
linear.__doc__ = """x @ Wᵀ + b in one node: a layer before its activation; `weight` has the shape (nout, nin), as in torch.

Args:
    x: Of shape (…, nin).
    weight: W, of shape (nout, nin).
    bias: b, of shape (nout,).

Raises:
    ShapeError: shapes that do not fit.

Example:
    >>> linear(np.ones((4, 2)), Tensor([[1.0, 2.0]]), Tensor([0.5])).tolist()
    [[3.5], [3.5], [3.5], [3.5]]
"""
