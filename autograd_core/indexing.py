"""Choosing and joining elements under NumPy's names: what is an index, a concatenation or a choice between two arrays."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import MissingRuleError, OperandError, ShapeError
from .node import Node
from .op import TABLE
from .operands import data_of, refuse_mask, unwrapped
from .registry import (
    NUMPY,
    answers,
    axes_of,
    axis_of,
    in_dtype_of,
    integer,
    integers,
    ndim_of,
    record_op,
    shape_of,
)
from .shaping import atleast_1d, atleast_2d, copy, moveaxis, ravel, reshape
from .structural import along

__all__: list[str] = []


@answers()
def getitem(x: Any, key: Any) -> Any:
    """x[key] for every kind of NumPy index."""
    return record_op("index", x, key=key_of(key))


def key_of(key: Any) -> Any:
    """A NumPy index as it can be kept."""
    return tuple(_index(k) for k in key) if isinstance(key, tuple) else _index(key)


def _index(k: Any) -> Any:
    """One part of it: what may change later is copied, and a Tensor gives its data as integers or booleans."""
    if isinstance(k, Node):
        raise OperandError("indexing: received a differentiable index, expected integers or booleans; take its .data and convert it.")
    if isinstance(k, list):
        return np.array(unwrapped(k, "indexing")) if k else np.array(k, dtype=int)
    return np.array(k) if isinstance(k, np.ndarray) else k


@answers(np.take)
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at integer indices along an axis."""
    places = unwrapped(indices, "take")
    if places.dtype.kind == "b" or not places.size:        # booleans are the numbers 0 and 1 here; as an index they would select
        places = places.astype(int)
    if axis is None:
        return getitem(ravel(x), (places,))
    return getitem(x, along(axis_of(axis, ndim_of(x), "take"), places))


@answers(np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each place along an axis the element that `indices` names, as given by argsort; the other axes broadcast. None flattens x first."""
    if axis is None:
        return take_along_axis(ravel(x), indices, 0)
    at, where_to = axis_of(axis, ndim_of(x), "take_along_axis"), unwrapped(data_of(indices), "take_along_axis")
    if where_to.dtype.kind not in "iu" or where_to.ndim != ndim_of(x):
        raise ShapeError(f"take_along_axis: received indices of shape {where_to.shape} and dtype {where_to.dtype}, expected integers with {ndim_of(x)} axes.")
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape_of(x))])
    grid[at] = where_to
    return getitem(x, tuple(grid))


@answers(np.flip)
def flip(x: Any, axis: Any = None) -> Any:
    """Reversed along the given axes, or all."""
    n = ndim_of(x)
    axes = axes_of(axis, n, "flip")
    return getitem(x, tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(n)))


@answers(np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Shifted around along axes; what leaves at one end enters at the other."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), shape_of(x))
    shifts, axes = integers(shift, "roll", "shift"), integers(axis, "roll", "axis")
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ShapeError(f"roll: received {len(shifts)} shifts for {len(axes)} axes, expected as many of each.")
    for by, at in zip(shifts * (len(axes) if len(shifts) == 1 else 1), axes * (len(shifts) if len(axes) == 1 else 1), strict=True):
        at = axis_of(at, ndim_of(x), "roll")
        x = getitem(x, along(at, np.roll(np.arange(shape_of(x)[at]), by)))
    return x


@answers(np.repeat)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element repeated in place; a number of times, or a number for each."""
    if axis is None:
        return repeat(ravel(x), repeats, 0)
    at = axis_of(axis, ndim_of(x), "repeat")
    counts, length = integers(repeats, "repeat", "repeats"), shape_of(x)[at]
    if any(count < 0 for count in counts) or len(counts) not in (1, length):
        raise ShapeError(f"repeat: received repeats={repeats!r:.60} for {length} elements, expected a count of 0 or more, or one for each.")
    return getitem(x, along(at, np.repeat(np.arange(length), counts)))


@answers(np.pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
    """A border around an array: "constant", or what np.pad's "edge", "reflect", "symmetric" and "wrap" copy."""
    n = ndim_of(x)
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - n, 0)) for i in range(n)]
        pad_width = [(w, w) if np.ndim(w) == 0 else w for w in pad_width]
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (n, 2))
    except (TypeError, ValueError):
        widths = np.array(0.5)
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ShapeError(f"pad: received pad_width={pad_width!r:.60} for {n} axes, expected a width of 0 or more, a pair, or a pair for each axis.")
    widths = widths.tolist()
    if np.ndim(constant_values) != 0:
        raise MissingRuleError(f"pad: constant_values={constant_values!r} has no rule here; give one number.")
    if mode == "constant":
        shape = tuple(s + a + b for s, (a, b) in zip(shape_of(x), widths, strict=True))
        inside = tuple(slice(a, a + s) for s, (a, _) in zip(shape_of(x), widths, strict=True))
        out = record_op("scatter", x, key=inside, shape=shape)
        if constant_values == 0.0:
            return out
        border = in_dtype_of(x, np.full(shape, float(constant_values)))
        border[inside] = 0.0
        return out + border
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise MissingRuleError(f"pad: mode={mode!r} has no rule here; use constant, edge, reflect, symmetric or wrap.")
    indices = [np.pad(np.arange(s), w, mode=mode) for s, w in zip(shape_of(x), widths, strict=True)]  # type: ignore[call-overload]
    return getitem(x, np.ix_(*indices))


@answers(np.diagonal)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices that two axes span, along a last axis."""
    n = ndim_of(x)
    if n < 2:
        raise ShapeError(f"diagonal: received shape {shape_of(x)}, expected at least two axes.")
    i, j = axis_of(axis1, n, "diagonal"), axis_of(axis2, n, "diagonal")
    moved = moveaxis(x, (i, j), (-2, -1))
    rows, columns = np.nonzero(np.eye(shape_of(moved)[-2], shape_of(moved)[-1], k=integer(offset, "diagonal", "offset")))
    return getitem(moved, (Ellipsis, rows, columns))


@answers(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if ndim_of(x) == 2:
        return diagonal(x, k)
    if ndim_of(x) != 1:
        raise ShapeError(f"diag: received shape {shape_of(x)}, expected a vector or a matrix.")
    n, k = shape_of(x)[0], integer(k, "diag", "k")
    rows = np.arange(n) + builtins.max(-k, 0)
    return record_op("scatter", x, key=(rows, rows + k), shape=(n + abs(k), n + abs(k)))


def _triangle(x: Any, k: int) -> np.ndarray:
    if ndim_of(x) < 2:
        raise ShapeError(f"tril, triu: received shape {shape_of(x)}, expected at least two axes.")
    return np.tri(shape_of(x)[-2], shape_of(x)[-1], k=integer(k, "tril, triu", "k")).astype(bool)


@answers(np.tril)
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle, zeros above."""
    return record_op("where", _triangle(x, k), x, 0.0)


@answers(np.triu)
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle, zeros below."""
    return record_op("where", ~_triangle(x, integer(k, "triu", "k") - 1), x, 0.0)


@answers(np.concatenate, np.concat)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an axis they have; flattened first where `axis` is None."""
    if axis is None:
        return concatenate([ravel(a) for a in arrays], 0)
    return record_op("concatenate", *arrays, axis=integer(axis, "concatenate", "axis"))


@answers(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    if len({shape_of(a) for a in arrays}) != 1:
        raise ShapeError(f"stack: received shapes {[shape_of(a) for a in arrays]}, expected at least one array and all of one shape.")
    return record_op("stack", *arrays, axis=integer(axis, "stack", "axis"))


@answers(np.vstack)
def vstack(arrays: Sequence[Any]) -> Any:
    """Rows, or matrices, on top of each other."""
    return concatenate([atleast_2d(a) for a in arrays], 0)


@answers(np.hstack)
def hstack(arrays: Sequence[Any]) -> Any:
    """Vectors end to end, or matrices side by side."""
    parts = [atleast_1d(a) for a in arrays]
    return concatenate(parts, 0 if ndim_of(parts[0]) == 1 else 1)


@answers(np.column_stack)
def column_stack(arrays: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix."""
    return concatenate([reshape(a, (-1, 1)) if ndim_of(a) < 2 else a for a in arrays], 1)


@answers(np.array_split)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts along an axis: a number of parts as equal as can be, or split at the given places."""
    at = axis_of(axis, ndim_of(x), "split")
    places, length = integers(indices_or_sections, "split", "indices_or_sections"), shape_of(x)[at]
    if np.ndim(indices_or_sections):
        edges = [0, *places, length]
    elif places[0] < 1:
        raise ShapeError(f"split: received {places[0]} parts, expected at least 1.")
    else:
        edges = np.cumsum([0, *map(len, np.array_split(np.arange(length), places[0]))]).tolist()
    return [getitem(x, along(at, slice(start, stop))) for start, stop in itertools.pairwise(edges)]


@answers(np.split)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Equal parts along an axis, or parts split at the given places."""
    length = shape_of(x)[axis_of(axis, ndim_of(x), "split")]
    parts = integers(indices_or_sections, "split", "indices_or_sections")
    if np.ndim(indices_or_sections) == 0 and parts[0] > 0 and length % parts[0]:
        raise ShapeError(f"split: an axis of length {length} does not divide into {indices_or_sections} equal parts; see array_split.")
    return list(array_split(x, indices_or_sections, axis))


@answers()
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; the branch that is not taken contributes exactly 0 to a gradient."""
    held = data_of(condition)
    return record_op("where", held if isinstance(held, bool) else _as_booleans(held), x, y)


def _where(condition: Any, x: Any = np._NoValue, y: Any = np._NoValue) -> Any:
    """The same as NumPy has it: of a condition alone, where it holds."""
    if (x is np._NoValue) is not (y is np._NoValue):
        raise OperandError("where: received x without y, expected both, or neither for the places where the condition holds.")
    if x is not np._NoValue:
        return where(condition, x, y)
    if not ndim_of(condition):
        raise ShapeError("where: received one number, expected an array of conditions; np.atleast_1d makes one of it.")
    return np.nonzero(data_of(condition))


NUMPY[np.where] = _where


def _as_booleans(condition: Any) -> Any:
    refuse_mask(condition, "where")
    array = unwrapped(condition, "where")
    if array.dtype.kind not in "biufO":
        raise OperandError(f"where: received a condition of dtype {array.dtype}, expected booleans.")
    return array.astype(bool)[()]


@answers(np.clip)
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """x held between two bounds, one, or none; the derivative is 1 at the bounds. Bounds that are differentiable get gradients too."""
    low, high = a_min if a_min is not None else min, a_max if a_max is not None else max
    if low is None and high is None:
        return copy(x)
    if isinstance(low, Node) or isinstance(high, Node):
        x = x if low is None else TABLE["maximum"](x, low)
        return x if high is None else TABLE["minimum"](x, high)
    return record_op("clip", x, **({} if low is None else {"min": low}), **({} if high is None else {"max": high}))
