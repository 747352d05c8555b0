"""More of NumPy's ways to arrange elements, every one made of those in `shaping` and `indexing`: no entry of its own, so no rule either."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import routines
from .arguments import as_numbers, truth
from .errors import OperandError, ShapeError
from .indexing import concatenate, flip, getitem, split, stack, take, take_along_axis, where
from .node import Node
from .operands import data_of, floating, refuse_mask, unwrapped
from .registry import NUMPY, answers, axis_of, integer, integers, ndim_of, record_op, shape_of
from .shaping import atleast_1d, atleast_2d, broadcast_to, moveaxis, ravel, reshape, swapaxes
from .structural import along

__all__: list[str] = []


# ------------------------------------------------------------------------------------------------- making
@answers(np.array)
def array(x: Any, dtype: Any = None, *, copy: bool | None = True, ndmin: int = 0) -> Any:
    """Nested lists of numbers, `Value`s and `Tensor`s as one `Tensor`, as np.array makes an array of numbers.

    NumPy by itself would make an object array of such a list, which its arithmetic accepts and `np.linalg` does not; with `like=`, as in
    `np.array([[a, 0.0], [b, a]], like=a)`, it calls this function. Without a node in the lists the result is a plain array.

    Raises:
        ShapeError: The rows have different lengths.

    Example:
        >>> from autograd_core import grad
        >>> grad(lambda a: (array([[a, 1.0], [1.0, a]]) @ np.array([1.0, 2.0])).sum())(3.0)
        3.0
    """
    out: Any = _joined(x)
    ndmin, copy = integer(ndmin, "array", "ndmin"), None if copy is None else truth(copy, "array", "copy")
    if isinstance(out, Node):
        out = reshape(out, (1,) * (ndmin - ndim_of(out)) + shape_of(out)) if ndmin > ndim_of(out) or not out.is_array else out
        return out.astype(dtype) if dtype is not None else out if not copy or out is not x else record_op("identity", out)
    return np.array(_reals(out, "array"), dtype=dtype, copy=copy, ndmin=ndmin)


@answers(np.asarray, np.asanyarray)
def asarray(x: Any, dtype: Any = None, *, copy: bool | None = None) -> Any:
    """As `array`, but a `Tensor` is returned as it is."""
    return array(x, dtype, copy=copy)


def _reals(x: Any, who: str, kinds: str = "biuf") -> np.ndarray:
    """Plain numbers as an array whose dtype is of one of these kinds; OperandError for any other."""
    refuse_mask(x, who)
    plain = unwrapped(data_of(x), who)
    if plain.dtype.kind not in kinds and plain.size:
        raise OperandError(f"{who}: received dtype {plain.dtype}, expected {'real numbers' if 'f' in kinds else 'integers'}.")
    return plain if plain.dtype.kind in kinds else plain.astype(int)


def _joined(x: Any) -> Any:
    """Nodes in nested lists stacked, level by level."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        x = x.tolist()
    if not isinstance(x, (list, tuple)):
        return x
    parts = [_joined(part) for part in x]
    if any(isinstance(part, Node) for part in parts):
        return stack(parts)
    return unwrapped(parts, "array")


@answers(np.full_like)
def full_like(x: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """A plain array of the shape and dtype of x that holds a number throughout; of a node, a Tensor that holds it."""
    if isinstance(fill_value, Node):
        sides = shape_of(x) if shape is None else integers(shape, "full_like", "shape")
        kind = floating(data_of(x).dtype if dtype is None and isinstance(x, Node) and x.is_array else dtype or np.float64, "full_like")
        return record_op("cast", record_op("broadcast_to", fill_value, shape=sides), dtype=kind)
    return np.full_like(data_of(x), as_numbers(fill_value, "full_like", "fill_value"), dtype=dtype, shape=shape)


# ------------------------------------------------------------------------------------------------ turning
@answers(np.flipud)
def flipud(x: Any) -> Any:
    """Upside down: reversed along the first axis."""
    return flip(x, 0)


@answers(np.fliplr)
def fliplr(x: Any) -> Any:
    """Left to right: reversed along the second axis."""
    return flip(x, 1)


@answers(np.rot90)
def rot90(x: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Rotated k times by 90 degrees in the plane of two axes, from the first towards the second."""
    first, second = (axis_of(a, ndim_of(x), "rot90") for a in axes)
    if first == second:
        raise ShapeError(f"rot90: received axes={axes}, expected two different ones.")
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(flip(x, first), second)
    return swapaxes(flip(x, second), first, second) if turns == 1 else flip(swapaxes(x, first, second), second)


@answers(np.rollaxis)
def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """An axis moved to stand before the one at `start`."""
    ndim = ndim_of(x)
    at, to = axis_of(axis, ndim, "rollaxis"), ndim if start == ndim else axis_of(start, ndim, "rollaxis")
    return moveaxis(x, at, to - (at < to))


@answers()
def atleast_3d(x: Any) -> Any:
    """At least three axes: a vector becomes (1, n, 1), a matrix (m, n, 1)."""
    shape = shape_of(x)
    return reshape(x, {0: (1, 1, 1), 1: (1, *shape, 1)}.get(len(shape), (*shape, 1))) if len(shape) < 3 else x


def _of_each(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of one array as NumPy has it: for several arrays it returns a tuple."""
    return lambda *arrays: function(arrays[0]) if len(arrays) == 1 else tuple(map(function, arrays))


NUMPY.update({np.atleast_1d: _of_each(atleast_1d), np.atleast_2d: _of_each(atleast_2d), np.atleast_3d: _of_each(atleast_3d)})


# --------------------------------------------------------------------------------------- joining and cutting
@answers(np.append)
def append(x: Any, values: Any, axis: int | None = None) -> Any:
    """x with values after it along an axis; both flattened first where `axis` is None."""
    return concatenate([x, values], axis)


@answers(np.dstack)
def dstack(arrays: Sequence[Any]) -> Any:
    """Joined along a third axis."""
    return concatenate([atleast_3d(a) for a in arrays], 2)


@answers(np.block)
def block(arrays: Any) -> Any:
    """A matrix of matrices, from nested lists: the innermost lists are joined along the last axis, and so on outwards."""

    def depth_of(part: Any) -> int:
        if not isinstance(part, list):
            return 0
        depths = {depth_of(p) for p in part}
        if len(depths) != 1:
            raise ShapeError("block: received lists nested to different depths or an empty list, expected one depth throughout.")
        return 1 + depths.pop()

    depth = depth_of(arrays)

    def leaves(part: Any) -> list[Any]:
        return [leaf for p in part for leaf in leaves(p)] if isinstance(part, list) else [part]

    ndim = builtins.max(depth, *map(ndim_of, leaves(arrays)))

    def join(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return concatenate([join(p, level - 1) for p in part], -level)
        return reshape(part, (1,) * (ndim - ndim_of(part)) + shape_of(part))

    return join(arrays, depth)


@answers(np.vsplit)
def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Equal parts, or parts split at the given places, along the first axis."""
    if ndim_of(x) < 2:
        raise ShapeError(f"vsplit: received shape {shape_of(x)}, expected at least two axes.")
    return split(x, indices_or_sections, 0)  # type: ignore[no-any-return]


@answers(np.hsplit)
def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """The same along the second axis (of a vector along its one)."""
    return split(x, indices_or_sections, 0 if ndim_of(x) == 1 else 1)  # type: ignore[no-any-return]


@answers(np.dsplit)
def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """The same along the third axis."""
    return split(x, indices_or_sections, 2)  # type: ignore[no-any-return]


@answers(*filter(None, [getattr(np, "unstack", None)]))
def unstack(x: Any, *, axis: int = 0) -> tuple[Any, ...]:
    """The parts along an axis: the inverse of stack."""
    front = moveaxis(x, axis, 0)
    return tuple(getitem(front, i) for i in range(shape_of(front)[0]))


@answers(np.delete)
def delete(x: Any, obj: Any, axis: int | None = None) -> Any:
    """Without the elements at the given places along an axis; flattened first where `axis` is None."""
    if axis is None:
        return delete(ravel(x), obj, 0)
    at = axis_of(axis, ndim_of(x), "delete")
    if isinstance(obj, Node):
        raise OperandError("delete: received a node as the places, expected integers or booleans; take its .data and convert it.")
    return getitem(x, along(at, np.delete(np.arange(shape_of(x)[at]), obj)))


# ---------------------------------------------------------------------------------------------- broadcasting
@answers(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """All of one shape, as NumPy broadcasts."""
    for a in arrays:
        as_numbers(a, "broadcast_arrays", "an array")
    shape = np.broadcast_shapes(*map(shape_of, arrays))
    return tuple(broadcast_to(a, shape) for a in arrays)


@answers(np.meshgrid)
def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """The coordinates of a grid from those along its sides."""
    if indexing not in ("xy", "ij"):
        raise OperandError(f"meshgrid: received indexing={indexing!r}, expected 'xy' or 'ij'.")
    for x in xi:
        as_numbers(x, "meshgrid", "coordinates")
    n = len(xi)
    place = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    open_grid = [reshape(x, tuple(-1 if i == at else 1 for i in range(n))) for x, at in zip(xi, place, strict=True)]
    return tuple(open_grid) if sparse else broadcast_arrays(*open_grid)


# -------------------------------------------------------------------------------------------------- choosing
@answers(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0.0) -> Any:
    """For each element the choice whose condition is the first to hold there."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ShapeError(f"select: received {len(condlist)} conditions and {len(choicelist)} choices, expected as many of each, and one at least.")
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = where(condition, choice, out)
    return out


@answers(np.compress)
def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    """The parts along an axis for which a condition holds."""
    if axis is None:
        return compress(condition, ravel(x), 0)
    return getitem(x, along(axis_of(axis, ndim_of(x), "compress"), np.flatnonzero(data_of(condition))))


@answers(np.extract)
def extract(condition: Any, x: Any) -> Any:
    """The elements for which a condition holds."""
    return compress(np.ravel(data_of(condition)), x)


@answers(np.partition)
def partition(x: Any, kth: Any, axis: int | None = -1) -> Any:
    """The kth smallest in its place, smaller ones before and larger ones after it."""
    if axis is None:
        return partition(ravel(x), kth, 0)
    return take_along_axis(x, np.argpartition(data_of(x), kth, axis=axis), axis)


# ------------------------------------------------------------------------------------------------- counting
@answers(np.unique)
def unique(
    x: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: int | None = None, *, equal_nan: bool = True
) -> Any:
    """The distinct elements (or parts along an axis), ascending; among equal ones the first is taken, and gets the gradient."""
    plain: Any = np.unique
    _, index, *rest = plain(data_of(x), True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    out = (take(x, index, axis), *([index] if return_index else []), *rest)
    return out if len(out) > 1 else out[0]


@answers(np.bincount)
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, 2, … occurs in x; with weights, the sum of the weights where it occurs."""
    numbers = _reals(x, "bincount", "biu")
    counts = np.bincount(numbers, None if isinstance(weights, Node) else weights, integer(minlength, "bincount", "minlength"))
    if not isinstance(weights, Node):
        return counts
    if shape_of(weights) != numbers.shape:
        raise ShapeError(f"bincount: received numbers of shape {numbers.shape} and weights of shape {shape_of(weights)}, expected a weight for each.")
    return record_op("scatter", weights, key=(numbers.astype(int),), shape=counts.shape)


@answers(np.histogram)
def histogram(x: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None) -> tuple[Any, Any]:
    """How many elements lie in each bin, or the sum of their weights, which may be differentiable; and the edges of the bins."""
    x, bins = _reals(x, "histogram"), bins if isinstance(bins, str) else _reals(bins, "histogram")
    x = x.astype(np.uint8) if x.dtype.kind == "b" else x
    if not isinstance(weights, Node):
        return np.histogram(x, bins, range, density, weights)
    if shape_of(weights) != shape_of(x):
        raise ShapeError(f"histogram: received shape {shape_of(x)} and weights of shape {shape_of(weights)}, expected a weight for each element.")
    edges, flat = np.histogram_bin_edges(x, bins, range), np.ravel(x)
    place = np.where(flat == edges[-1], len(edges) - 2, np.searchsorted(edges, flat, side="right") - 1)
    inside = np.flatnonzero((place >= 0) & (place < len(edges) - 1))
    sums = bincount(place[inside], getitem(ravel(weights), inside), len(edges) - 1)
    return (sums / (routines.sum(sums) * np.diff(edges)) if density else sums), edges


@answers(*filter(None, [getattr(np, "astype", None)]))
def astype(x: Any, dtype: Any, *, copy: bool = True) -> Any:
    """In another dtype; see `Tensor.astype`."""
    return array(x, dtype, copy=copy)
