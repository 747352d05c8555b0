"""Shapes under NumPy's names, for numbers, arrays, `Value`s and `Tensor`s.

Few functions need an entry of their own: `swapaxes` is a transpose, `squeeze` a reshape, so their derivatives are those of the
entries they are made of. Each also answers for its NumPy namesake, so that `np.squeeze(t)` comes here.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .errors import AxisError, MissingRuleError, OperandError, ShapeError
from .operands import data_of, unwrapped
from .registry import answers, axes_of, axis_of, integers, ndim_of, record_op, shape_of

__all__: list[str] = []


@answers(np.reshape)
def reshape(x: Any, shape: Any, order: str = "C") -> Any:
    """The same elements in another shape; one side may be −1. With order "F" the first axis runs fastest, "A" is the order of the memory."""
    sides = integers(shape, "reshape", "shape")
    if not _first_axis_fastest(x, order, "reshape"):
        return record_op("reshape", x, shape=sides)
    return record_op("transpose", record_op("reshape", record_op("transpose", x), shape=sides[::-1]))


def _first_axis_fastest(x: Any, order: str, who: str) -> bool:
    """Whether an order, resolved for x, means that the first axis runs fastest (as in Fortran)."""
    if order not in ("C", "F", "A", "K"):
        raise OperandError(f"{who}: received order={order!r:.60}, expected 'C', 'F', 'A' or 'K'.")
    if order in ("C", "F"):
        return order == "F"
    flags = unwrapped(data_of(x), who).flags
    if order == "K" and not (flags.c_contiguous or flags.f_contiguous):
        raise MissingRuleError(f"{who}: order='K' of an array with gaps in its memory has no rule here; use 'C' or 'F'.")
    return bool(flags.f_contiguous and not flags.c_contiguous)


@answers(np.ravel)
def ravel(x: Any, order: str = "C") -> Any:
    """All elements along one axis; orders as in reshape, and "K", that of the memory."""
    return reshape(x, (-1,), order)


@answers(np.transpose, np.permute_dims)
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order; reversed where `axes` is None."""
    if axes is None:
        return record_op("transpose", x)
    order = integers(axes, "transpose", "axes")
    try:
        return record_op("transpose", x, axes=order)
    except AxisError:
        raise
    except ShapeError as error:
        exchange = f"; swapaxes{order} exchanges two" if len(order) == 2 < ndim_of(x) else ""
        raise ShapeError(f"transpose: received axes={order} for shape {shape_of(x)}, expected each axis once, in the new order{exchange}.") from error


@answers(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


@answers(np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    axes = list(range(ndim_of(x)))
    i, j = axis_of(axis1, len(axes), "swapaxes"), axis_of(axis2, len(axes), "swapaxes")
    axes[i], axes[j] = axes[j], axes[i]
    return transpose(x, axes)


@answers(np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places, the rest in order."""
    n = ndim_of(x)
    froms = [axis_of(a, n, "moveaxis") for a in integers(source, "moveaxis", "source")]
    tos = [axis_of(a, n, "moveaxis") for a in integers(destination, "moveaxis", "destination")]
    if len(froms) != len(tos) or len(set(froms)) != len(froms) or len(set(tos)) != len(tos):
        raise ShapeError(f"moveaxis: received source={source} and destination={destination}, expected as many distinct axes of each.")
    order = [i for i in range(n) if i not in froms]
    for to, start in sorted(zip(tos, froms, strict=True)):
        order.insert(to, start)
    return transpose(x, order)


@answers(np.squeeze)
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without axes of length 1 (all of them, or those given)."""
    shape = shape_of(x)
    if axis is None:
        return reshape(x, tuple(n for n in shape if n != 1))
    drop = axes_of(axis, len(shape), "squeeze")
    if any(shape[a] != 1 for a in drop):
        raise ShapeError(f"squeeze: received axis={axis} for shape {shape}, expected axes of length 1.")
    return reshape(x, tuple(n for i, n in enumerate(shape) if i not in drop))


@answers(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Any:
    """With new axes of length 1 at the given places of the result."""
    ndim = ndim_of(x) + len(integers(axis, "expand_dims", "axis"))
    new = axes_of(axis, ndim, "expand_dims")
    old = iter(shape_of(x))
    return reshape(x, tuple(1 if i in new else next(old) for i in range(ndim)))


@answers(np.copy)
def copy(x: Any) -> Any:
    """The same elements in a node of their own."""
    return record_op("identity", x)


@answers()
def atleast_1d(x: Any) -> Any:
    """At least one axis."""
    return reshape(x, (1,)) if ndim_of(x) == 0 else x


@answers()
def atleast_2d(x: Any) -> Any:
    """At least two axes."""
    return reshape(x, (1,) * (2 - ndim_of(x)) + shape_of(x)) if ndim_of(x) < 2 else x


@answers(np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeated to a shape, as NumPy broadcasts."""
    return record_op("broadcast_to", x, shape=integers(shape, "broadcast_to", "shape"))


@answers(np.tile)
def tile(x: Any, reps: Any) -> Any:
    """Copies side by side, `reps` times along each axis."""
    times = integers(reps, "tile", "reps")
    if any(r < 0 for r in times):
        raise ShapeError(f"tile: received reps={reps}, expected counts of 0 or more.")
    n = builtins.max(len(times), ndim_of(x))
    shape = (1,) * (n - ndim_of(x)) + shape_of(x)
    times = (1,) * (n - len(times)) + times
    wide = reshape(x, tuple(v for s in shape for v in (1, s)))
    wide = broadcast_to(wide, tuple(v for r, s in zip(times, shape, strict=True) for v in (r, s)))
    return reshape(wide, tuple(r * s for r, s in zip(times, shape, strict=True)))
