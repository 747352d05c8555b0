"""`Value`: a Python float that remembers how it was computed.

The methods are made from the table, one short function per operation: it computes the float, makes a node, and stores
the operands and their floats in slots. A node is one object, with no closure, set or tuple besides: most of the time
of a scalar graph goes into making objects and into the garbage collector walking them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._methods import ScalarMethods
from .algebra import NUMBERS
from .arguments import shown, text, unexpected
from .backward import backpropagate, one_step
from .elsewhere import METHODS
from .errors import OperandError, ShapeError
from .leaving import taken_out
from .modes import WATCHED, recording
from .node import UNREACHED, Node
from .op import INSTALLERS, TABLE, Op
from .operands import OPERANDS, as_float, compared, give_way
from .protocols import array_function, array_ufunc
from .record import apply, give_method
from .walk import OVERWRITTEN
from .warn import warned

__all__ = ["Value", "weighted_sum"]


class Value(Node, ScalarMethods):
    """A Python float in a graph.

    Args:
        data: A real number.
        label: A name for pictures and messages.

    Attributes:
        data: The number. Assign to leaves only; a graph recorded before notices at `backward()`.
        grad: ∂root/∂self after `root.backward()`; 0.0 before anything has flowed. Leaves add up until zeroed.
        op: The operation that made it, None for a leaf.
        parents: The operands in order, repeats kept.

    Example:
        >>> x, w, b = Value(-1.0, label="x"), Value(2.0, label="w"), Value(0.5, label="b")
        >>> y = (w * x + b).tanh()
        >>> y.backward()
        >>> round(y.data, 4), round(w.grad, 4)
        (-0.9051, -0.1807)
    """

    __slots__ = ()
    _FRESH: ClassVar[float] = 0.0
    _UNREACHED: ClassVar[float] = UNREACHED
    requires_grad: ClassVar[bool] = True  # type: ignore[misc]
    shape: ClassVar[tuple[int, ...]] = ()      # for functions written for arrays
    ndim: ClassVar[int] = 0
    size: ClassVar[int] = 1

    def __init__(self, data: Any, *, label: str = "") -> None:
        """A leaf. Raises OperandError if `data` is not a real number."""
        self._value: float = data if data.__class__ is float else as_float(data, "Value")
        self.op = self._params = self._scope = None
        self.grad = UNREACHED
        self._mark = 0
        self.label = label if label.__class__ is str else text(label if label is not None else "", "Value", "label")

    @classmethod
    def _of(cls, data: float) -> Value:
        """A leaf from a float that needs no checking."""
        self = _new(cls)
        self._value, self.grad, self.label, self._mark = float(data), UNREACHED, "", 0
        self.op = self._params = self._scope = None
        return self

    @property
    def data(self) -> float:
        """The number."""
        return self._value

    @data.setter
    def data(self, data: Any) -> None:
        number = data if data.__class__ is float else as_float(data, "Value.data")
        if self.op is not None:                # no longer the result of an operation: `backward` must notice
            self._x = (OVERWRITTEN,) * len(self._x) if self._x.__class__ is tuple else OVERWRITTEN
            self._y = None if self._y is None else OVERWRITTEN
        self._value = number

    def backward(self, **theirs: Any) -> None:
        """Fill `.grad` of everything below: leaves accumulate, inner nodes hold the gradients of this pass.

        Raises:
            StaleDataError: the `.data` of a node below was assigned after it had been used.
        """
        if theirs:
            raise unexpected("backward", theirs)
        backpropagate(self)

    _backward = one_step

    def item(self) -> float:
        """The number, as `Tensor.item()`."""
        return self._value

    def __repr__(self) -> str:
        """The number and its gradient."""
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self._value!r}, grad={self.grad!r}{label})"

    def __format__(self, spec: str) -> str:
        """The number in a format; without a format, the repr."""
        return format(self._value, spec) if spec else repr(self)

    def __float__(self) -> float:
        """The number, out of the graph."""
        taken_out("Value")
        return self._value

    def __int__(self) -> int:
        """The integer part, out of the graph."""
        return int(float(self))

    def __bool__(self) -> bool:
        """Whether the number is not zero."""
        return self._value != 0.0

    # Comparisons look at the numbers; hashing is by identity, so that sets and dicts of nodes work.
    def __lt__(self, other: Any) -> Any:
        return _compare(operator.lt, self._value, other)

    def __le__(self, other: Any) -> Any:
        return _compare(operator.le, self._value, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(operator.gt, self._value, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(operator.ge, self._value, other)

    def __eq__(self, other: object) -> Any:
        return _compare(operator.eq, self._value, other)

    def __ne__(self, other: object) -> Any:
        return _compare(operator.ne, self._value, other)

    __hash__ = object.__hash__

    def conjugate(self) -> Value:
        """The value itself: NumPy asks for it when it takes the variance of an array of `Value`s."""
        return self

    def __pos__(self) -> Value:
        """The value itself."""
        return self

    __array_ufunc__ = array_ufunc
    __array_function__ = array_function


def _compare(compare: Callable[[Any, Any], Any], x: float, other: Any) -> Any:
    if other.__class__ is float:
        return compare(x, other)
    if isinstance(other, OPERANDS):
        return compared(compare, x, other)
    return NotImplemented


# --------------------------------------------------------------------------------- methods from the table
# The making of a node is written out in each of these: a function for it would be called once for every node there is.
_new: Callable[[type[Value]], Value] = object.__new__


def _unary(op: Op) -> Callable[..., Any]:
    kernel = getattr(NUMBERS, op.name)

    def method(self: Value) -> Any:
        if WATCHED:
            return apply(op, (self,))
        x = self._value
        out = _new(Value)
        out._value = kernel(x)
        out.op = op
        out._a = self
        out._b = None
        out._x = x
        out._y = None
        out._mark = 0
        out.grad = UNREACHED
        out.label = ""
        out._params = out._scope = None
        return out

    return method


def _binary(op: Op, general: Callable[..., Any] = apply) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The method of an operation with two operands, and the reflected one; `general` handles the unusual cases of the first."""
    kernel = getattr(NUMBERS, op.name)

    def method(self: Value, other: Any) -> Any:
        kind = other.__class__
        if kind is Value:
            y = other._value
        elif kind is float:
            y, other = other, None
        elif kind is int:
            try:
                y, other = float(other), None
            except OverflowError:
                return give_way(op, other, False)
        elif isinstance(other, OPERANDS):
            return general(op, (self, other))
        else:
            return give_way(op, other, False)
        if WATCHED:
            return general(op, (self, y if other is None else other))
        x = self._value
        out = _new(Value)
        out._value = kernel(x, y)
        out.op = op
        out._a = self
        out._b = other
        out._x = x
        out._y = y
        out._mark = 0
        out.grad = UNREACHED
        out.label = ""
        out._params = out._scope = None
        return out

    def reflected(self: Value, other: Any) -> Any:
        if other.__class__ is int:
            try:
                other = float(other)
            except OverflowError:
                return give_way(op, other, True)
        elif other.__class__ is not float or WATCHED:
            if not isinstance(other, OPERANDS):
                return give_way(op, other, True)
            return apply(op, (other, self))
        if WATCHED:
            return apply(op, (other, self))
        y = self._value
        out = _new(Value)
        out._value = kernel(other, y)
        out.op = op
        out._a = None
        out._b = self
        out._x = other
        out._y = y
        out._mark = 0
        out.grad = UNREACHED
        out.label = ""
        out._params = out._scope = None
        return out

    return method, reflected


def _no_update(op: Op, operands: tuple[Any, ...]) -> Any:
    """The result as a new node, as with numbers; warns where an update in place, as a `Tensor` has it, is probably what was meant."""
    leaf = operands[0]
    if leaf.op is None and leaf._flowed and not recording():
        warned("p -= step makes a new Value, as with numbers, and leaves the parameter as it is, also under no_grad(); p.data -= step updates it.")
    return apply(op, operands)


_RESERVED = (frozenset(dir(Value)) | {"where", "weighted_sum"}) - METHODS.keys()


def _install(op: Op) -> None:
    """Give `Value` the method, or the operator, of an elementwise entry."""
    if op.elementwise:
        give_method(Value, op, _unary, _binary, _RESERVED)


def weighted_sum(weights: Sequence[Any], inputs: Sequence[Any], bias: Any = 0.0) -> Any:
    """Σ wᵢ·xᵢ + b as one node: what a neuron computes before its activation.

    Weights, inputs and bias are `Value`s or numbers, and as many weights as inputs.

    >>> w, x = [Value(2.0), Value(-1.0)], [3.0, 4.0]
    >>> y = weighted_sum(w, x, 0.5)
    >>> y.backward()
    >>> y.data, [v.grad for v in w]
    (2.5, [3.0, 4.0])
    """
    try:
        n, m = len(weights), len(inputs)
    except TypeError:
        raise OperandError(f"weighted_sum: received {shown(weights)} and {shown(inputs)}, expected two lists of Values or numbers.") from None
    if m != n:
        raise ShapeError(f"weighted_sum: received {n} weights and {len(inputs)} inputs, expected as many of each.")
    nodes = (*weights, *inputs, bias)
    if not WATCHED:
        try:
            if n and inputs[0].__class__ is float:            # a sample as it comes: no exception is needed to find out
                values = (*[w._value for w in weights], *inputs, bias._value)
                nodes = (*weights, *(None,) * n, bias)
            else:
                values = tuple([x._value for x in nodes])
        except (AttributeError, TypeError, KeyError):  # plain numbers among them, or something else
            values = tuple([x._value if x.__class__ is Value else float(x) if x.__class__ is int and abs(x) < 2**1000 else x for x in nodes])
            nodes = tuple([x if x.__class__ is Value else None for x in nodes])
            for node in nodes:
                if node is not None:
                    break
            else:
                return apply(_WEIGHTED_SUM, values)
        try:
            data = sum(map(operator.mul, values, values[n:-1]), values[-1])   # map ends with the shorter one
        except (TypeError, OverflowError):
            data = None
        if data.__class__ is float:            # anything else is an array or no number: the general way knows
            out = _new(Value)
            out._value = data
            out.op = _WEIGHTED_SUM
            out._a = nodes
            out._x = values
            out._b = out._y = None
            out._mark = 0
            out.grad = UNREACHED
            out.label = ""
            out._params = out._scope = None
            return out
    return apply(_WEIGHTED_SUM, (*weights, *inputs, bias))


_WEIGHTED_SUM = TABLE["weighted_sum"]
Node.SCALAR = Value
for _op in TABLE.values():
    _install(_op)
INSTALLERS.append(_install)
Value.__isub__ = _binary(TABLE["sub"], _no_update)[0]  # type: ignore[method-assign]
