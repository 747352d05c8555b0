"""Short ways to record an operation on `Tensor`s, one for each number of operands; anything unusual goes to `apply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from .arguments import as_numbers
from .errors import ShapeError
from .modes import WATCHED, recording
from .node import Node
from .op import Op
from .operands import KERNEL_ERRORS, OPERANDS, data_of, give_way, refused, translated
from .record import apply, made, record_tensor

__all__ = ["binary", "in_place", "ternary", "unary", "write"]

_OPERANDS = (*OPERANDS, list, tuple)


def unary(op: Op) -> Callable[..., Any]:
    """The method of an operation with one operand."""
    kernel = op.array

    def method(self: Any) -> Any:
        if WATCHED or not self.requires_grad:
            return record_tensor(op, (self,), {})
        x = self._value
        try:
            data = kernel(x)
        except KERNEL_ERRORS as error:
            raise translated(op, (self,), {}, error) from error
        return made(op, data if data.__class__ is ndarray else np.asarray(data), (self,), (x,))

    return method


def binary(op: Op, general: Callable[..., Any] = apply) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The method of an operation with two operands, and the reflected one; `general` handles the unusual cases."""
    tensor, kernel = Node.ARRAY, op.array

    def record(operands: tuple[Any, ...], nodes: tuple[Any, ...], x: Any, y: Any) -> Any:
        try:
            data = kernel(x, y)
        except KERNEL_ERRORS as error:
            raise translated(op, operands, {}, error) from error
        if data.__class__ is not ndarray:
            data = np.asarray(data)
        dtype = data.dtype
        if dtype.kind != "f" or (x.__class__ is ndarray and x.dtype is not dtype) or (y.__class__ is ndarray and y.dtype is not dtype):
            return (apply if dtype.kind == "O" else record_tensor)(op, operands, {})
        return made(op, data, nodes, (x, y))

    def method(self: Any, other: Any) -> Any:
        kind = other.__class__
        if WATCHED or not self.requires_grad:
            pass
        elif kind is tensor:
            return record((self, other), (self, other), self._value, other._value)
        elif kind is float or kind is ndarray or kind is int:
            return record((self, other), (self, None), self._value, other)
        if isinstance(other, _OPERANDS):
            return general(op, (self, other))
        return give_way(op, other, False)

    def reflected(self: Any, other: Any) -> Any:
        kind = other.__class__
        if (kind is float or kind is int) and self.requires_grad and not WATCHED:
            return record((other, self), (None, self), other, self._value)
        if isinstance(other, _OPERANDS):
            return apply(op, (other, self))
        return give_way(op, other, True)

    return method, reflected


def in_place(op: Op) -> Callable[..., Any]:
    """The in-place operator, as in `p -= step`: it gives a new node, except under `no_grad()`, where it writes into a leaf."""
    return binary(op, _written)[0]


def _written(op: Op, operands: tuple[Any, ...]) -> Any:
    """The result, written into the first operand where that is a leaf to be updated."""
    leaf: Any = operands[0]
    out = apply(op, operands)
    if recording() or not leaf.requires_grad or leaf.op is not None or leaf._is_computed:
        return out
    if out._value.shape != leaf._value.shape:
        raise ShapeError(f"{op.name}: received shape {np.shape(data_of(operands[1]))} to update a leaf of shape {leaf._value.shape} with, expected the same.")
    write(leaf, ..., out)
    return leaf


def write(leaf: Any, key: Any, value: Any) -> None:
    """`leaf[key] = value` in its array; a graph recorded before notices. Raises ShapeError or IndexingError where they do not fit."""
    numbers = value._value if isinstance(value, Node) else as_numbers(value, "item assignment", "value")
    data = leaf._value if leaf._value.flags.writeable else leaf._value.copy()
    try:
        data[key] = numbers
    except (ValueError, IndexError, TypeError) as error:
        raise refused("item assignment", (data, numbers), error) from error
    leaf.data = data


def ternary(op: Op) -> Callable[..., Any]:
    """The function of a structural operation on an input (a tensor or an array), a weight and a bias (both tensors)."""
    tensor, kernel = Node.ARRAY, op.array

    def function(x: Any, y: Any, z: Any) -> Any:
        kind = x.__class__
        if WATCHED or y.__class__ is not tensor or z.__class__ is not tensor or not y.requires_grad:
            return apply(op, (x, y, z))
        if kind is tensor:
            node, value = x, x._value
        elif kind is ndarray:
            node, value = None, x
        else:
            return apply(op, (x, y, z))
        b, c = y._value, z._value
        try:
            data = kernel(value, b, c)
        except KERNEL_ERRORS as error:
            raise translated(op, (x, y, z), {}, error) from error
        if data.dtype.kind != "f":
            return apply(op, (x, y, z))
        return made(op, data, (node, y, z), (value, b, c))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function
