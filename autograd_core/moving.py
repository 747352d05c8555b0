"""Functions that only move elements, under NumPy's names: NumPy moves their positions, and one index moves the elements.

`np.insert`, `np.resize`, sliding windows and their kin do not look at numbers. Applied to the positions 0, 1, 2, … of the elements, NumPy's own
function says which element goes where, and the gradient goes back the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import as_numbers
from .errors import OperandError, ShapeError
from .indexing import concatenate, diag, getitem, stack, where
from .node import Node
from .operands import data_of
from .registry import answers, axis_of, in_dtype_of, integers, ndim_of, record_op, shape_of
from .shaping import moveaxis, ravel, reshape

__all__ = ["RUNNING"]


def _moved(move: Callable[..., Any], *arrays: Any) -> Any:
    """The elements of arrays, moved to where NumPy's function moves their positions; constants take the dtype of the nodes among them."""
    known = next((x for x in arrays if isinstance(x, Node)), arrays[0])
    arrays = tuple(x if isinstance(x, Node) else in_dtype_of(known, as_numbers(x, "an array", "numbers")) for x in arrays)
    places, start = [], 0
    for x in arrays:
        size = int(np.prod(shape_of(x)))
        places.append(np.arange(start, start + size).reshape(shape_of(x)))
        start += size
    flat = ravel(arrays[0]) if len(arrays) == 1 else concatenate([ravel(x) for x in arrays])
    return getitem(flat, (np.array(move(*places)),))


@answers(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False) -> Any:
    """The windows of a length along an axis (or of a shape), along new last axes: np.lib.stride_tricks.sliding_window_view.

    They are copies here, of as many elements as they have.
    """
    sides = integers(window_shape, "sliding_window_view", "window_shape")
    along = None if axis is None else integers(axis, "sliding_window_view", "axis")
    return _moved(lambda at: np.lib.stride_tricks.sliding_window_view(at, sides, along), x)


@answers(np.resize)
def resize(x: Any, new_shape: Any) -> Any:
    """Another shape, filled with the elements again and again."""
    if not np.prod(shape_of(x)):
        raise ShapeError(f"resize: received shape {shape_of(x)}, expected an element at least to fill the new shape with.")
    sides = integers(new_shape, "resize", "new_shape")
    return _moved(lambda at: np.resize(at, sides), x)


@answers(np.insert)
def insert(x: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """x with values before the given places along an axis; flattened first where `axis` is None."""
    if isinstance(obj, Node):
        raise OperandError("insert: received a node as the places, expected integers; take its .data and convert it.")
    return _moved(lambda at, new: np.insert(at, obj, new, axis), x, values)


@answers(np.choose)
def choose(a: Any, choices: Sequence[Any], *, mode: str = "raise") -> Any:
    """For each element of a, which is the number of an array in `choices`, the element of that array at the same position."""
    numbers = np.asarray(data_of(a))
    if numbers.dtype.kind not in "iub":
        raise OperandError(f"choose: received numbers of dtype {numbers.dtype}, expected integers.")
    return _moved(lambda *at: np.choose(numbers, at, mode=mode), *choices)  # type: ignore[call-overload]


@answers(np.diagflat)
def diagflat(x: Any, k: int = 0) -> Any:
    """The flattened array as a diagonal."""
    return diag(ravel(x), k)


def _running(name: str, extremum: np.ufunc) -> Callable[..., Any]:
    def accumulate(x: Any, axis: int = 0) -> Any:
        at, data = axis_of(axis, ndim_of(x), name), np.asarray(data_of(x))
        best = extremum.accumulate(data, at)
        counted = np.arange(data.shape[at]).reshape(tuple(-1 if i == at else 1 for i in range(data.ndim)))
        new = np.ones(data.shape, bool)        # where an element is further out than all before it
        first, rest = ((slice(None),) * at + (part,) for part in (slice(1, None), slice(None, -1)))
        new[first] = (best[first] != best[rest]) & ~np.isnan(best[rest])
        key: list[Any] = list(np.ogrid[tuple(map(slice, data.shape))])
        key[at] = np.maximum.accumulate(np.where(new, counted, 0), at)
        return getitem(x, tuple(key))

    accumulate.__name__ = accumulate.__qualname__ = name
    return accumulate


RUNNING: dict[Any, Callable[..., Any]] = {
    np.maximum: _running("maximum.accumulate", np.maximum), np.minimum: _running("minimum.accumulate", np.minimum),
}  # fmt: skip
"""np.maximum.accumulate and np.minimum.accumulate: the extreme element so far; among equal ones the first gets the gradient."""


@answers(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Each function (or number) on the elements for which its condition holds: the last condition that holds counts, and 0 stands where none does.

    If there is one function more than there are conditions, it is applied to all other elements.
    """
    shape = shape_of(x)
    conditions = np.asarray(data_of(condlist))
    if conditions.ndim == len(shape) or (conditions.ndim == 1 and shape == ()):
        conditions = conditions[None] if conditions.shape == shape else conditions
    masks = [np.broadcast_to(as_numbers(c, "piecewise", "condlist").astype(bool), shape) for c in conditions]
    functions = list(funclist)
    if len(functions) == len(masks) + 1:
        masks.append(~np.any(masks, axis=0))
    if len(functions) != len(masks):
        raise ShapeError(f"piecewise: received {len(masks)} conditions and {len(functions)} functions, expected as many, or one function more.")
    out: Any = where(np.zeros(shape, bool), x, 0.0)
    taken = np.zeros(shape, bool)
    for mask, function in zip(reversed(masks), reversed(functions), strict=True):
        chosen = mask & ~taken
        taken = taken | mask
        if not chosen.any():
            continue
        if not callable(function):
            out = where(chosen, function, out)
            continue
        part = function(getitem(x, chosen), *args, **kw)
        places = np.nonzero(chosen) if shape else (np.zeros(1, int),)
        spread = record_op("scatter", record_op("broadcast_to", part, shape=(int(chosen.sum()),)), key=places, shape=shape or (1,))
        out = where(chosen, reshape(spread, shape), out)
    return out


@answers(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of vectors, applied to every vector along an axis; its result takes the place of that axis."""
    at = axis_of(axis, ndim_of(arr), "apply_along_axis")
    front = moveaxis(arr, at, -1)
    around = shape_of(front)[:-1]
    if not np.prod(around):
        raise ShapeError(f"apply_along_axis: received shape {shape_of(arr)}, expected a vector at least along axis {axis}.")
    results = [func1d(getitem(front, index), *args, **kwargs) for index in np.ndindex(*around)]
    joined = stack(results)
    inside = shape_of(joined)[1:]
    out = reshape(joined, (*around, *inside))
    for k in range(len(inside)):
        out = moveaxis(out, len(around) + k, at + k)
    return out
