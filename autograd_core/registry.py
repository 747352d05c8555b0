"""Which function answers for which of NumPy's, and how the arguments of NumPy's signatures are read.

The functions themselves are in `shaping`, `indexing`, `arranging`, `routines`, `linear_algebra`, `decompositions`, `numerics`, `moving` and `sequences`;
`protocols` looks them up here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import AxisError, LinAlgError, OperandError, ShapeError
from .node import Node
from .op import TABLE
from .operands import data_of, floating, unwrapped
from .record import apply

__all__ = [
    "NUMPY", "answers", "axes_of", "axis_argument", "axis_of", "cast", "in_dtype_of", "integer", "integers", "matrix", "ndim_of", "record_op",
    "shape_of", "square_matrix",
]  # fmt: skip

NUMPY: dict[Any, Callable[..., Any]] = {}
"""NumPy function → the function here that answers for it."""


def answers(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function for the NumPy functions it answers for, and export it."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for theirs in functions:
            NUMPY[theirs] = function
        function.__globals__["__all__"].append(function.__name__)
        return function

    return register


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a number, a nested list, an array or a node."""
    if isinstance(x, Node):
        return x._value.shape if x.is_array else ()
    return () if x.__class__ is float else unwrapped(x, "an array").shape


def ndim_of(x: Any) -> int:
    """The number of axes."""
    return len(shape_of(x))


def in_dtype_of(x: Any, constants: Any) -> Any:
    """Constants of a formula as floats of the dtype of x: in float64 they would widen a float32 result."""
    dtype = getattr(data_of(x), "dtype", np.dtype(np.float64))
    return np.asarray(constants, dtype if dtype.kind == "f" else np.float64)


def cast(x: Any, dtype: Any, who: str) -> Any:
    """x in the floating dtype that dtype= asks for; a number has no dtype and takes that of the other operands."""
    kind = floating(dtype, who)
    return record_op("cast", x, dtype=kind) if isinstance(x, Node) else x if isinstance(x, (float, int)) else np.asarray(x, kind)


def axis_of(axis: Any, ndim: int, who: str) -> int:
    """The axis, counted from the front; an AxisError if there is none of that number."""
    try:
        at = operator.index(axis)
    except TypeError:
        raise OperandError(f"{who}: received axis={axis!r}, expected an integer.") from None
    if not -ndim <= at < ndim:
        expected = f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis, since there is none"
        raise AxisError(f"{who}: received axis={axis} for {ndim} axes, expected {expected}.")
    return at % ndim


def axes_of(axis: Any, ndim: int, who: str) -> tuple[int, ...]:
    """The axes that an argument stands for, counted from the front: one, several, or all of them for None; each once."""
    if axis is None:
        return tuple(range(ndim))
    found = tuple(axis_of(a, ndim, who) for a in integers(axis, who, "axis"))
    if len(set(found)) < len(found):
        raise ShapeError(f"{who}: received axis={axis}, expected each axis once.")
    return found


def axis_argument(axis: Any, who: str) -> Any:
    """The argument `axis` of an entry, in Python integers: None, one, or a tuple of them."""
    try:
        return tuple(map(operator.index, axis)) if isinstance(axis, (tuple, list)) else None if axis is None else operator.index(axis)
    except TypeError:
        raise OperandError(f"{who}: received axis={axis!r}, expected an integer, a tuple of integers or None.") from None


def integer(x: Any, who: str, name: str) -> int:
    """The argument as a Python integer; an OperandError if it is anything else."""
    found = integers(x, who, name)
    if np.ndim(x):
        raise OperandError(f"{who}: received {name}={x!r:.60}, expected an integer.")
    return found[0]


def integers(x: Any, who: str, name: str) -> tuple[int, ...]:
    """The argument, one integer or several, as a tuple of Python integers of at most 64 bits."""
    if x.__class__ is int and -(2**63) <= x < 2**63:
        return (x,)
    try:
        found = tuple(map(operator.index, x)) if x.__class__ is tuple or np.ndim(x) else (operator.index(x),)
    except (TypeError, ValueError):
        found = None
    if found is None or not all(-(2**63) <= n < 2**63 for n in found):
        raise OperandError(f"{who}: received {name}={x!r:.60}, expected an integer or a tuple of integers.")
    return found


def square_matrix(x: Any, who: str) -> Any:
    """x, if it is a square matrix or a stack of them; a LinAlgError for anything else, which broadcasting might make square."""
    shape = shape_of(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise LinAlgError(f"{who}: received shape {shape}, expected a square matrix, or a stack of them along the first axes.")
    return x


def matrix(x: Any, who: str) -> Any:
    """x, if it is a matrix or a stack of them; a LinAlgError for anything else."""
    if ndim_of(x) < 2:
        raise LinAlgError(f"{who}: received shape {shape_of(x)}, expected a matrix, or a stack of them along the first axes.")
    return x


def record_op(name: str, *operands: Any, **params: Any) -> Any:
    """The entry of that name, applied."""
    return apply(TABLE[name], operands, params)
