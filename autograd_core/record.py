"""Recording: an operation applied to operands of any kind becomes a node, or stays a plain result.

`apply` is the one general way in. It looks at the operands once: any array or `Tensor` among them makes a `Tensor`, else
any `Value` makes a `Value`, else the result is a plain number or array. The methods of `Value` and `Tensor` take
short cuts for the ordinary cases and come here for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import op as _op
from .algebra import NUMBERS
from .anomaly import check_forward, origin
from .arguments import shown
from .errors import (
    AutogradError,
    AxisError,
    DTypeError,
    IndexingError,
    LinAlgError,
    MissingRuleError,
    OperandError,
    ShapeError,
)
from .modes import WATCHED, anomaly_detected, recording
from .node import Node
from .op import TABLE, Op

__all__ = ["KERNEL_ERRORS", "apply", "as_array", "as_float", "floating", "joined", "record_tensor", "record_value", "refused", "translated", "unwrapped"]

KERNEL_ERRORS = (ValueError, TypeError, IndexError, ArithmeticError, AttributeError)
"""What NumPy raises at operands that do not fit; `translated` says it in our words."""


def as_float(x: Any, who: str) -> float:
    """A number as a Python float; a clear error for anything else."""
    if isinstance(x, float):
        return float(x)
    if isinstance(x, (str, bytes, complex, np.complexfloating, Node)) or not (
        hasattr(x, "__float__") or hasattr(x, "__index__")
    ):
        hint = "; take its .data" if isinstance(x, Node) else "; Tensor takes lists" if isinstance(x, (list, tuple)) else ""
        raise OperandError(f"{who}: received {x!r} of type {type(x).__name__}, expected a real number{hint}.")
    if np.ndim(x) != 0:
        raise OperandError(f"{who}: received an array of shape {np.shape(x)}, expected one number; use Tensor for arrays.")
    try:
        return float(x)
    except (TypeError, ValueError, OverflowError) as error:
        raise OperandError(f"{who}: received {shown(x)}, expected a real number ({error}).") from error


def unwrapped(x: Any, who: str) -> np.ndarray:
    """Anything array-like as a plain array."""
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:   # a list that is ragged, or of things that are no numbers
        raise ShapeError(f"{who}: received {x!r:.60}, a ragged list or one of other things than numbers, expected rows of one length.") from error


def floating(dtype: Any, who: str) -> np.dtype[Any]:
    """A dtype that can hold a gradient."""
    try:
        target = np.dtype(dtype) if isinstance(dtype, (str, type, np.dtype)) else None
    except TypeError:
        target = None
    if target is None:
        raise DTypeError(f"{who}: received dtype={shown(dtype)}, expected a floating dtype such as np.float64.")
    if target.kind != "f":
        raise DTypeError(
            f"{who}: dtype {target} cannot hold a gradient, expected a floating dtype; use float64 or float32, or keep "
            "integers in a plain array (a plain array in an expression is a constant)."
        )
    return target


def as_array(x: Any, who: str, dtype: Any = None) -> np.ndarray:
    """Data for a tensor: floats keep their dtype, integers and booleans become float64, in native byte order."""
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError(f"{who}: received a masked array, whose mask would be lost; fill it first with .filled(value).")
    array = unwrapped(x, who)
    if array.dtype.kind in "biu" and dtype is None:
        return array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        what = "an array of Python objects" if array.dtype.kind == "O" else f"dtype {array.dtype}"
        hint = "; np.stack joins Values and Tensors" if array.dtype.kind == "O" and any(isinstance(x, Node) for x in array.flat) else ""
        raise DTypeError(f"{who}: received {what}, expected real numbers{hint}.")
    if dtype is not None:
        return array.astype(floating(dtype, who), copy=False)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def translated(op: Op, operands: tuple[Any, ...], params: dict[str, Any], error: Exception) -> Exception:
    """NumPy's error as one of ours, with the operation, what it received, and what NumPy expected."""
    if isinstance(error, AutogradError):
        return error
    shapes = ", ".join(f"{np.shape(data_of(x))}" + _odd_dtype(data_of(x)) for x in operands)
    options = "".join(f", {key}={value!r}" for key, value in params.items() if key != "key")
    received = f"{op.name}: received operands of shape {shapes}{options}"
    if isinstance(error, np.exceptions.AxisError):
        ndim = np.ndim(data_of(operands[0]))
        expected = f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis, since there is none"
        return AxisError(f"{received}; expected {expected}: {error}.")
    return _our_kind(error)(f"{received}; {_expectation(op, operands)}: {str(error).rstrip()}.")


def refused(who: str, arguments: tuple[Any, ...], error: Exception) -> Exception:
    """The same for a function that is made of several operations."""
    if isinstance(error, AutogradError):
        return error
    received = ", ".join(shown(data_of(x)) for x in arguments)
    return _our_kind(error)(f"{who}: received {received}; expected what NumPy expects there: {error}.")


def _our_kind(error: Exception) -> type[AutogradError]:
    return (
        IndexingError if isinstance(error, IndexError)
        else LinAlgError if isinstance(error, np.linalg.LinAlgError)
        else OperandError if isinstance(error, TypeError)
        else ShapeError
    )  # fmt: skip


def _odd_dtype(x: Any) -> str:
    dtype = getattr(x, "dtype", None)
    return f" and dtype {dtype}" if dtype is not None and dtype.kind not in "biuf" else ""


def _expectation(op: Op, operands: tuple[Any, ...]) -> str:
    if any(getattr(data_of(x), "dtype", np.dtype(float)).kind not in "biuf" for x in operands):
        return "expected operands of real numbers"
    if op.name == "matmul":
        return "expected the last axis of the first to be as long as the last but one of the second (transpose or reshape one)"
    if op.name == "index":
        return "expected an index within the shape"
    if op.elementwise and op.arity != 1:
        return "expected shapes that broadcast: axes, from the last, of equal length or of length 1 (reshape one of them)"
    return "expected what NumPy expects there"


def data_of(x: Any) -> Any:
    """The plain data behind an operand."""
    return x._value if isinstance(x, Node) else x


def apply(op: Op, operands: tuple[Any, ...], params: dict[str, Any] | None = None) -> Any:
    """An operation on numbers, arrays, `Value`s and `Tensor`s."""
    params = params or {}
    if op.arity is not None and len(operands) != op.arity:
        operands, params = _bind(op, operands, params)
    if not WATCHED:
        out = _tensors_only(op, operands, params)
        if out is not None:
            return out
    scalar, array, objects = False, not op.elementwise, False
    for x in operands:
        if isinstance(x, Node):
            if x.is_array:
                array = True
            else:
                scalar = True
        elif isinstance(x, (np.ndarray, list, tuple, np.generic)):
            x = unwrapped(x, op.name)
            array = array or not scalar_like(operands)
            objects = objects or x.dtype == object
        elif not isinstance(x, (int, float)):
            _refuse(op, x)
    if objects and op.elementwise and not any(isinstance(x, Node) and x.is_array for x in operands):
        try:
            return np.frompyfunc(lambda *xs: apply(op, xs, params), len(operands), 1)(
                *(np.array(x, dtype=object) if isinstance(x, Node) else x for x in operands)
            )
        except KERNEL_ERRORS as error:
            raise translated(op, operands, params, error) from error
    if objects:                                # arrays and lists of nodes: joined into one Tensor
        operands, array = tuple(joined(x) for x in operands), True
    if array:
        return record_tensor(op, operands, params)
    if scalar:
        return record_value(op, operands, params)
    try:
        return getattr(NUMBERS, op.name)(*map(_plain, operands), **params)
    except KERNEL_ERRORS as error:
        raise translated(op, operands, params, error) from error


_new = object.__new__


def _tensors_only(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """The ordinary case of a `Tensor`, with nothing in the way: tensors, plain arrays and floats. None for any other."""
    tensor = Node.ARRAY
    nodes: list[Any] = []
    values: list[Any] = []
    differentiable = False
    for x in operands:
        kind = x.__class__
        if kind is tensor:
            differentiable = differentiable or x.requires_grad
            nodes.append(x)
            values.append(x._value)
        elif kind is np.ndarray or kind is float:
            nodes.append(None)
            values.append(x)
        else:
            return None
    if not differentiable:
        return None
    try:
        data = op.array(*values, **params) if params else op.array(*values)
    except KERNEL_ERRORS as error:
        raise translated(op, operands, params, error) from error
    if data.__class__ is not np.ndarray:
        data = np.asarray(data)
    if data.dtype.kind != "f":
        return None
    if op.d and any(v.__class__ is np.ndarray and v.dtype is not data.dtype for v in values):
        _promote(op, nodes, values, data.dtype)
    out = _new(tensor)
    out._value = data
    out.op = op
    out._a = tuple(nodes)
    out._x = tuple(values)
    out._params = params or None
    out.label = ""
    out.requires_grad = True
    out._mark = 0
    out.grad = out._scope = None
    return out


def _promote(op: Op, nodes: list[Any], values: list[Any], dtype: Any) -> None:
    """Give the rule every operand in the dtype of the result: integers would wrap round in it, halves lose digits."""
    for i, (node, value) in enumerate(zip(nodes, values, strict=True)):
        if value.__class__ is not np.ndarray or value.dtype == dtype or (not op.variadic and op.d[i] is None):
            continue
        if node is None:
            values[i] = value.astype(dtype)
        else:
            nodes[i] = apply(TABLE["cast"], (node,), {"dtype": dtype})
            values[i] = nodes[i]._value


def joined(x: Any) -> Any:
    """An array or nested list of `Value`s as a `Tensor`; anything else as it is."""
    if isinstance(x, Node) or np.asarray(x).dtype != object:
        return x
    items = np.asarray(x)
    flat = [apply(TABLE["reshape"], (v,), {"shape": (1,)}) if isinstance(v, Node) else np.array([as_float(v, "a list of Values")]) for v in items.ravel()]
    return apply(TABLE["reshape"], (apply(TABLE["concatenate"], tuple(flat), {"axis": 0}),), {"shape": items.shape})


def scalar_like(operands: tuple[Any, ...]) -> bool:
    """Whether all operands are single numbers and a `Value` is among them: NumPy's scalars then count as floats."""
    return any(isinstance(x, Node) for x in operands) and all(
        not x.is_array if isinstance(x, Node) else not isinstance(x, (np.ndarray, list, tuple)) for x in operands
    )


def _plain(x: Any) -> Any:
    return float(x) if isinstance(x, int) and not isinstance(x, bool) else x


def _bind(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Operands beyond the arity are parameters given by position, as in `leaky_relu(x, 0.2)`."""
    arity, names = op.arity or 0, list(getattr(op.array, "__kwdefaults__", None) or {})
    extra = operands[arity:]
    if len(operands) < arity or len(extra) > len(names):
        raise OperandError(f"{op.name}: received {len(operands)} operands, expected {arity}.")
    return operands[:arity], {**dict(zip(names, extra, strict=False)), **params}


def _refuse(op: Op, x: Any) -> None:
    raise OperandError(
        f"{op.name}: received {x!r} of type {type(x).__name__}, expected a number, an array, a Value or a Tensor."
    )


def record_value(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """An operation on `Value`s and numbers: a `Value`, or a constant one under `no_grad()`."""
    values = tuple(
        x._value if isinstance(x, Node) else x if isinstance(x, (bool, np.bool_)) and None in op.d else as_float(x, op.name)
        for x in operands
    )
    try:
        data = getattr(NUMBERS, op.name)(*values, **params)
    except KERNEL_ERRORS as error:
        raise translated(op, operands, params, error) from error
    out = Node.SCALAR._of(data if data.__class__ is float else float(data))
    if WATCHED and not recording():
        watch(out, values, op)
        return out
    nodes = tuple(x if isinstance(x, Node) else None for x in operands)
    out.op = op
    if len(values) <= 2 and not params and not op.variadic:
        out._a, out._x = nodes[0], values[0]
        out._b, out._y = (nodes[1], values[1]) if len(values) == 2 else (None, None)
    else:
        out._a, out._x, out._b, out._y = nodes, values, None, None
        if params:
            out._params = params
    if WATCHED:
        watch(out, values, op)
    return out


def record_tensor(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """An operation with an array among its operands: a `Tensor` if anything differentiable went in, else an array."""
    nodes: list[Any] = []
    values: list[Any] = []
    differentiable = known = False
    for x in operands:
        if isinstance(x, Node):
            known = True
            differentiable = differentiable or x.requires_grad
            nodes.append(x)
            values.append(x._value)
        else:
            nodes.append(None)
            values.append(x if x.__class__ in _PLAIN else _constant(op, x))
    try:
        data = op.array(*values, **params)
    except KERNEL_ERRORS as error:
        raise translated(op, operands, params, error) from error
    if not known:
        return data
    out = Node.ARRAY._of(_floating(op, np.asarray(data), values))
    out.requires_grad = False
    if differentiable and (not WATCHED or recording()):
        if op.d:
            _promote(op, nodes, values, out._value.dtype)
        out.requires_grad = True
        out.op, out._a, out._x = op, tuple(nodes), tuple(values)
        if params:
            out._params = params
    if WATCHED:
        watch(out, values, op)
    return out


_PLAIN = frozenset({float, int, bool, np.ndarray})


def _constant(op: Op, x: Any) -> Any:
    """A constant operand as a plain array: a subclass such as np.matrix would multiply in its own way."""
    if isinstance(x, np.ma.MaskedArray):
        raise OperandError(f"{op.name}: received a masked array, whose mask would be lost; fill it first with .filled(value).")
    return unwrapped(x, op.name)


def _floating(op: Op, data: Any, values: list[Any]) -> Any:
    if data.dtype.kind in "biu":
        return data.astype(np.float64)
    if data.dtype.kind != "f":
        received = ", ".join(str(np.asarray(v).dtype) for v in values)
        raise DTypeError(f"{op.name}: received operands of dtype {received}, expected real numbers.")
    return data


def watch(node: Any, values: Any, op: Op) -> None:
    """Under `detect_anomaly()`: remember the user's line, and raise at a nan or inf."""
    if anomaly_detected():
        node._origin = origin(values, node._value)
        check_forward(node, values, op)


def missing(function: Any, detail: str = "") -> MissingRuleError:
    """The error for a NumPy function without a rule: what it is and how to add one."""
    name = getattr(function, "__name__", str(function))
    module = "np.linalg." if "linalg" in str(getattr(function, "__module__", "")) else "np." if hasattr(np, name) else ""
    return MissingRuleError(
        f"{module}{name}{detail} has no derivative rule here, and the graph is never dropped silently; write it with "
        f"functions that have one, declare it with autograd_core.Op(name={name!r}, …), or pass plain arrays "
        "(tensor.detach(), tensor.numpy(), value.data) if no gradient is needed."
    )


def give_method(
    cls: type, op: Op, unary: Callable[[Op], Any], binary: Callable[[Op], tuple[Any, Any]], reserved: frozenset[str]
) -> None:
    """Give a class of nodes the method, and the operator, of an entry; a name that the class has already keeps its meaning."""
    reflected = None
    if getattr(op.array, "__kwdefaults__", None) or op.variadic or op.arity not in (1, 2):
        method: Any = lambda self, *operands, **params: apply(op, (self, *operands), params)
    elif op.arity == 1:
        method = unary(op)
    else:
        method, reflected = binary(op)
    method.__name__ = op.name
    method.__doc__ = op.doc
    if op.dunder:
        setattr(cls, f"__{op.dunder}__", method)
        if reflected is not None:
            setattr(cls, f"__r{op.dunder}__", reflected)
    if op.name not in reserved:
        if reflected is not None:              # an operator may leave the answer to the other operand, a method may not
            method = lambda self, other: apply(op, (self, other))
            method.__name__, method.__doc__ = op.name, op.doc
        setattr(cls, op.name, method)


_op._applier.append(apply)
