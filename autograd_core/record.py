"""Recording: an operation applied to operands of any kind becomes a node, or stays a plain result.

`apply` is the one general way in. It looks at the operands once: any array or `Tensor` among them makes a `Tensor`, else
any `Value` makes a `Value`, else the result is a plain number or array. The methods of `Value` and `Tensor` take
short cuts for the ordinary cases and come here for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from .algebra import on_floats
from .anomaly import check_forward, origin
from .errors import DTypeError, OperandError
from .modes import WATCHED, anomaly_detected, recording
from .node import Node, age
from .op import APPLY, TABLE, Op
from .operands import KERNEL_ERRORS, as_float, no_operand, refuse_mask, translated, unwrapped

__all__ = ["apply", "give_method", "joined", "made", "record_tensor", "record_value"]


def apply(op: Op, operands: tuple[Any, ...], params: dict[str, Any] | None = None) -> Any:
    """An operation on numbers, arrays, `Value`s and `Tensor`s."""
    params = params or {}
    if params and op.array.__class__ is np.ufunc:      # `where=` would leave memory as it was found
        raise OperandError(f"{op.name}: received the option {next(iter(params))}=, expected operands alone.")
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
            raise no_operand(op, x)
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
        return on_floats(op)(*map(_plain, operands), **params)
    except KERNEL_ERRORS as error:
        raise translated(op, operands, params, error) from error


_new = object.__new__


def _tensors_only(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """The ordinary case of a `Tensor`, with nothing in the way: tensors, plain arrays and numbers. None for any other."""
    tensor = Node.ARRAY
    nodes: Any = []
    values: list[Any] = []
    differentiable = False
    for x in operands:
        kind = x.__class__
        if kind is tensor:
            differentiable = differentiable or x.requires_grad
            nodes.append(x)
            values.append(x._value)
        elif kind is ndarray or kind is float or kind is int:
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
    if data.__class__ is not ndarray:
        data = _as_array(op, data, params)
    dtype = data.dtype
    if dtype.kind != "f":
        return None
    if op.d:
        for v in values:
            if v.__class__ is ndarray and v.dtype is not dtype:
                _promote(op, nodes, values, dtype)
                break
    return made(op, data, tuple(nodes), tuple(values), params or None)


def made(op: Op, data: Any, nodes: tuple[Any, ...], values: tuple[Any, ...], params: dict[str, Any] | None = None) -> Any:
    """The `Tensor` of a result, by setting its slots one by one: a third of what a constructor would cost."""
    out = _new(Node.ARRAY)
    out._value = data
    out.op = op
    out._a = nodes
    out._x = values
    out._params = params
    out.label = ""
    out.requires_grad = True
    out._mark = 0
    out._age = age()
    out.grad = out._scope = None
    return out


def _promote(op: Op, nodes: list[Any], values: list[Any], dtype: Any) -> None:
    """Give the rule every operand in the dtype of the result: integers would wrap round in it, halves lose digits."""
    for i, (node, value) in enumerate(zip(nodes, values, strict=True)):
        if value.__class__ is not ndarray or value.dtype == dtype or (not op.variadic and op.d[i] is None):
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
    flat = tuple(v if isinstance(v, Node) else as_float(v, "a list of Values") for v in items.ravel())
    out = apply(TABLE["stack"], flat, {"axis": 0})
    return out if items.ndim == 1 else apply(TABLE["reshape"], (out,), {"shape": items.shape})


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


def record_value(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """An operation on `Value`s and numbers: a `Value`, or a constant one under `no_grad()`."""
    values = tuple(
        x._value if isinstance(x, Node) else bool(x) if isinstance(x, (bool, np.bool_)) and None in op.d else as_float(x, op.name)
        for x in operands
    )
    try:
        data = on_floats(op)(*values, **params)
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
    data = _floating(op, _as_array(op, data, params), values)
    if differentiable and (not WATCHED or recording()):
        if op.d:
            _promote(op, nodes, values, data.dtype)
        out = made(op, data, tuple(nodes), tuple(values), params or None)
    else:
        out = Node.ARRAY._of(data)
    if WATCHED:
        watch(out, values, op)
    return out


_PLAIN = frozenset({float, int, bool, np.ndarray})


def _constant(op: Op, x: Any) -> Any:
    """A constant operand as a plain array: a subclass such as np.matrix would multiply in its own way."""
    refuse_mask(x, op.name)
    return unwrapped(x, op.name)


def _as_array(op: Op, data: Any, params: dict[str, Any]) -> Any:
    """The result of a kernel as an array; a node can only have come in by an option."""
    if isinstance(data, Node) and data.requires_grad:
        given = ", ".join(f"{name}=" for name, option in params.items() if isinstance(option, Node))
        raise OperandError(
            f"{op.name}: received a {type(data).__name__} for {given or 'an option'}, expected a number: options have no derivative. "
            "Pass its .data if it is a constant, and write the function with operations that take it as an operand if it is not."
        )
    return np.asarray(data)


def _floating(op: Op, data: Any, values: list[Any]) -> Any:
    if data.dtype.kind in "biu":
        return data.astype(np.float64)
    if data.dtype.kind != "f":
        if all(np.asarray(v).dtype.kind in "biuf" for v in values):
            raise DTypeError(f"{op.name}: the kernel gave dtype {data.dtype} for real operands, expected real numbers.")
        received = ", ".join(str(np.asarray(v).dtype) for v in values)
        raise DTypeError(f"{op.name}: received operands of dtype {received}, expected real numbers.")
    return data


def watch(node: Any, values: Any, op: Op) -> None:
    """Under `detect_anomaly()`: remember the user's line, and raise at a nan or inf."""
    if anomaly_detected():
        node._origin = origin(values, node._value)
        check_forward(node, values, op)


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


APPLY.append(apply)
