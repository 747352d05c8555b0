"""The structural operations under NumPy's names and signatures, for numbers, arrays, `Value`s and `Tensor`s.

Many need no entry of their own: `swapaxes` is a transpose, `stack` a concatenation, `diag` an index, so their
derivatives are those of the entries they are made of. Each function also answers for its NumPy namesake (`NUMPY`), so
that `np.stack([t, a])` comes here.
"""

from __future__ import annotations

import builtins
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import AxisError, MissingRuleError, OperandError, ShapeError
from .node import Node
from .op import TABLE
from .record import NODE_DATA, apply

__all__ = ["NUMPY", "answers"]

NUMPY: dict[Any, Callable[..., Any]] = {}
"""NumPy function → the function here that answers for it."""


def answers(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function for the NumPy functions it answers for, and export it."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for theirs in functions:
            NUMPY[theirs] = function
        __all__.append(function.__name__)
        return function

    return register


def _shape(x: Any) -> tuple[int, ...]:
    return np.shape(NODE_DATA(x))


def _ndim(x: Any) -> int:
    return len(_shape(x))


def _axis(axis: Any, ndim: int, who: str) -> int:
    """An axis counted from the front; a clear error where there is none such."""
    try:
        at = operator.index(axis)
    except TypeError:
        raise OperandError(f"{who}: received axis={axis!r}, expected an integer.") from None
    if not -ndim <= at < ndim:
        expected = f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis, since there is none"
        raise AxisError(f"{who}: received axis={axis} for {ndim} axes, expected {expected}.")
    return at % ndim


def _axes(axis: Any, who: str) -> Any:
    """An axis, a tuple of them, or None; as Python integers."""
    try:
        return tuple(map(operator.index, axis)) if isinstance(axis, (tuple, list)) else None if axis is None else operator.index(axis)
    except TypeError:
        raise OperandError(f"{who}: received axis={axis!r}, expected an integer, a tuple of integers or None.") from None


def _record(name: str, *operands: Any, **params: Any) -> Any:
    return apply(TABLE[name], operands, params)


# ---------------------------------------------------------------------------------------------- reductions
def _reduction(name: str, *functions: Any, **defaults: Any) -> None:
    ddof = "ddof" in defaults

    def reduce(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return _record(name, x, **({"axis": _axes(axis, name)} if axis is not None else {}), **({"keepdims": True} if keepdims else {}))

    def reduce_with_ddof(x: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None, keepdims: bool = False) -> Any:
        return _record(name, x, axis=_axes(axis, name), ddof=ddof if correction is None else correction, keepdims=keepdims)

    function: Any = reduce_with_ddof if ddof else reduce
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{TABLE[name].doc} `axis` is an int, a tuple or None for all, as in NumPy."
    globals()[name] = answers(*functions)(function)


_reduction("sum", np.sum)
_reduction("mean", np.mean)
_reduction("prod", np.prod)
_reduction("max", np.max, np.amax)
_reduction("min", np.min, np.amin)
_reduction("var", np.var, ddof=0)
_reduction("std", np.std, ddof=0)
_reduction("logsumexp")


@answers(np.average)
def average(x: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """The mean, or Σwx / Σw with weights of the shape of x (or of its one axis)."""
    if weights is None:
        return mean(x, axis, keepdims=keepdims)  # type: ignore[name-defined]  # noqa: F821
    if _shape(weights) != _shape(x) and isinstance(axis, int):
        weights = reshape(weights, tuple(-1 if i == axis % _ndim(x) else 1 for i in range(_ndim(x))))
    total = sum(x * weights, axis, keepdims=keepdims)  # type: ignore[call-overload]
    return total / sum(weights * np.ones(_shape(x)), axis, keepdims=keepdims)  # type: ignore[call-overload]


@answers(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, *, keepdims: bool = False) -> Any:
    """`np.linalg.norm`: the Euclidean norm, and those of order 1, p, ±inf and "fro"; norm'(0) = 0.

    The spectral and nuclear norms of a matrix need singular values and have no rule.
    """
    axis, matrix = _axes(axis, "norm"), False
    ndim = _ndim(x)
    if ord is not None:
        if axis is None and ndim > 2:
            raise ShapeError(f"norm: received {ndim} axes and ord={ord!r}; expected a vector or a matrix, or give axis=.")
        matrix = (isinstance(axis, tuple) and len(axis) == 2) or (axis is None and ndim == 2)
    if isinstance(axis, tuple) and len(axis) not in (1, 2):
        raise ShapeError(f"norm: received axis={axis}, expected one axis or two.")
    if ord is None or ord == "fro" or (ord == 2 and not matrix):
        return _record("norm", x, axis=axis, keepdims=keepdims)
    size = TABLE["abs"](x)
    if matrix:
        first, second = axis if axis is not None else (0, 1)
        if ord not in (1, -1, np.inf, -np.inf):
            raise MissingRuleError(f"norm: ord={ord!r} of a matrix has no derivative rule here; use 'fro', ±1 or ±inf.")
        along, across = (first, second) if abs(ord) == 1 else (second, first)
        best = NUMPY[np.max if ord > 0 else np.min]
        out = best(NUMPY[np.sum](size, along, keepdims=True), across, keepdims=True)
        return out if keepdims else squeeze(out, (first % ndim, second % ndim))
    if ord in (np.inf, -np.inf):
        return NUMPY[np.max if ord > 0 else np.min](size, axis, keepdims=keepdims)
    if ord == 1:
        return NUMPY[np.sum](size, axis, keepdims=keepdims)
    if not isinstance(ord, (int, float)) or ord == 0:
        raise MissingRuleError(f"norm: ord={ord!r} has no derivative rule here; use a number other than 0, ±inf or 'fro'.")
    powers = where(NODE_DATA(size) == 0.0, 0.0, where(NODE_DATA(size) == 0.0, 1.0, size) ** float(ord))
    total = NUMPY[np.sum](powers, axis, keepdims=keepdims)
    nothing = NODE_DATA(total) == 0.0          # the root has no derivative at 0: norm'(0) = 0
    return where(nothing, 0.0, where(nothing, 1.0, total) ** (1.0 / ord))


@answers(np.cumsum)
def cumsum(x: Any, axis: int | None = None) -> Any:
    """Running sums along an axis; of the flattened array where `axis` is None."""
    return _record("cumsum", *((ravel(x),) if axis is None else (x,)), axis=axis or 0)


@answers(np.cumprod)
def cumprod(x: Any, axis: int | None = None) -> Any:
    """Running products along an axis; of the flattened array where `axis` is None."""
    return _record("cumprod", *((ravel(x),) if axis is None else (x,)), axis=axis or 0)


@answers(np.sort)
def sort(x: Any, axis: int | None = -1) -> Any:
    """A sorted copy along an axis."""
    return _record("sort", ravel(x), axis=0) if axis is None else _record("sort", x, axis=axis)


@answers()
def softmax(x: Any, axis: int = -1) -> Any:
    """eˣ / Σeˣ along an axis: probabilities, exact at ±1000."""
    return _record("softmax", x, axis=axis)


@answers()
def log_softmax(x: Any, axis: int = -1) -> Any:
    """ln softmax(x) along an axis, exact at ±1000."""
    return _record("log_softmax", x, axis=axis)


@answers(np.diff)
def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours along an axis, n times."""
    at = _axis(axis, _ndim(x), "diff")
    for _ in range(n):
        x = getitem(x, (slice(None),) * at + (slice(1, None),)) - getitem(x, (slice(None),) * at + (slice(None, -1),))
    return x


# ------------------------------------------------------------------------------------------------- products
@answers(np.matmul)
def matmul(x: Any, y: Any) -> Any:
    """The matrix product `x @ y`."""
    return _record("matmul", x, y)


@answers(np.dot)
def dot(x: Any, y: Any) -> Any:
    """`np.dot`: a product of numbers, of vectors or of matrices; sums over the last axis of x and the last but one of y."""
    if _ndim(x) == 0 or _ndim(y) == 0:
        return _record("mul", x, y)
    if _ndim(y) <= 2:
        return _record("matmul", x, y)
    return tensordot(x, y, axes=((-1,), (-2,)))


@answers(np.inner)
def inner(x: Any, y: Any) -> Any:
    """Sums of products over the last axes."""
    if _ndim(x) == 0 or _ndim(y) == 0:
        return _record("mul", x, y)
    return tensordot(x, y, axes=((-1,), (-1,)))


@answers(np.outer)
def outer(x: Any, y: Any) -> Any:
    """All products xᵢ·yⱼ of two vectors (flattened if need be)."""
    return _record("mul", reshape(x, (-1, 1)), reshape(y, (1, -1)))


@answers(np.tensordot)
def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Sums of products over the given axes of x and y."""
    nx, ny = _ndim(x), _ndim(y)
    if isinstance(axes, int):
        left, right = list(range(nx - axes, nx)), list(range(axes))
    else:
        left, right = ([a] if isinstance(a, int) else list(a) for a in axes)
    if len(left) != len(right):
        raise ShapeError(f"tensordot: received {len(left)} axes of the first and {len(right)} of the second, expected as many of each.")
    left, right = [_axis(a, nx, "tensordot") for a in left], [_axis(a, ny, "tensordot") for a in right]
    for a, b in zip(left, right, strict=True):
        if _shape(x)[a] != _shape(y)[b]:
            raise ShapeError(f"tensordot: axis {a} of shape {_shape(x)} and axis {b} of shape {_shape(y)} differ in length.")
    keep_x, keep_y = [i for i in range(nx) if i not in left], [i for i in range(ny) if i not in right]
    inside = math.prod(_shape(x)[i] for i in left)
    rows = reshape(transpose(x, keep_x + left), (math.prod(_shape(x)[i] for i in keep_x), inside))
    columns = reshape(transpose(y, right + keep_y), (inside, math.prod(_shape(y)[i] for i in keep_y)))
    return reshape(_record("matmul", rows, columns), tuple(_shape(x)[i] for i in keep_x) + tuple(_shape(y)[i] for i in keep_y))


@answers(np.kron)
def kron(x: Any, y: Any) -> Any:
    """The Kronecker product of two matrices (or vectors)."""
    n = builtins.max(_ndim(x), _ndim(y))
    xs, ys = (1,) * (n - _ndim(x)) + _shape(x), (1,) * (n - _ndim(y)) + _shape(y)
    wide = reshape(x, tuple(v for a in xs for v in (a, 1))) * reshape(y, tuple(v for b in ys for v in (1, b)))
    return reshape(wide, tuple(a * b for a, b in zip(xs, ys, strict=True)))


@answers(np.einsum)
def einsum(subscripts: Any, *operands: Any, optimize: Any = None) -> Any:
    """Einstein summation, `einsum("ij,jk->ik", x, y)`, with "..." for the axes that broadcast."""
    if not isinstance(subscripts, str):
        raise OperandError("einsum: expected the subscripts as a text such as 'ij,jk->ik', followed by the operands.")
    text = subscripts.replace(" ", "")
    terms = text.split("->")[0].split(",")
    if len(terms) != len(operands):
        raise ShapeError(f"einsum: {subscripts!r} names {len(terms)} operands, received {len(operands)}.")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in text]
    hidden = [_ndim(x) - len(t) + 3 if "..." in t else 0 for t, x in zip(terms, operands, strict=True)]
    dots = "".join(spare[: builtins.max(hidden, default=0)])
    terms = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, hidden, strict=True)]
    joined = "".join(terms)
    if "->" in text:
        result = text.split("->")[1].replace("...", dots)
    else:
        result = dots + "".join(sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1))
    for t, x in zip(terms, operands, strict=True):
        if len(t) != _ndim(x):
            raise ShapeError(f"einsum: {subscripts!r} gives {len(t)} labels to an operand of shape {_shape(x)}.")
    return _record("einsum", *operands, subscripts=f"{','.join(terms)}->{result}")


@answers(np.trace)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal."""
    return NUMPY[np.sum](diagonal(x, offset, axis1, axis2), -1)


# ------------------------------------------------------------------------------------------------- shapes
@answers(np.reshape)
def reshape(x: Any, shape: Any, order: str = "C") -> Any:
    """The same elements in another shape; one side may be −1."""
    if order != "C":
        raise MissingRuleError(f"reshape: order={order!r} has no rule here; transpose first.")
    return _record("reshape", x, shape=(int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape))


@answers(np.ravel)
def ravel(x: Any) -> Any:
    """All elements along one axis."""
    return reshape(x, (-1,))


@answers(np.transpose, np.permute_dims)
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order; reversed where `axes` is None."""
    return _record("transpose", x, **({} if axes is None else {"axes": tuple(int(a) for a in axes)}))


@answers(np.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


@answers(np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    axes = list(range(_ndim(x)))
    i, j = _axis(axis1, len(axes), "swapaxes"), _axis(axis2, len(axes), "swapaxes")
    axes[i], axes[j] = axes[j], axes[i]
    return transpose(x, axes)


@answers(np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places, the rest in order."""
    n = _ndim(x)
    froms = [_axis(a, n, "moveaxis") for a in ([source] if isinstance(source, int) else source)]
    tos = [_axis(a, n, "moveaxis") for a in ([destination] if isinstance(destination, int) else destination)]
    if len(froms) != len(tos) or len(set(froms)) != len(froms) or len(set(tos)) != len(tos):
        raise ShapeError(f"moveaxis: received source {source} and destination {destination}, expected as many distinct axes of each.")
    order = [i for i in range(n) if i not in froms]
    for to, start in sorted(zip(tos, froms, strict=True)):
        order.insert(to, start)
    return transpose(x, order)


@answers(np.squeeze)
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without axes of length 1 (all of them, or those given)."""
    shape = _shape(x)
    if axis is None:
        return reshape(x, tuple(n for n in shape if n != 1))
    drop = {_axis(a, len(shape), "squeeze") for a in ((axis,) if isinstance(axis, int) else axis)}
    if any(shape[a] != 1 for a in drop):
        raise ShapeError(f"squeeze: received axis={axis} for shape {shape}, expected axes of length 1.")
    return reshape(x, tuple(n for i, n in enumerate(shape) if i not in drop))


@answers(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Any:
    """With new axes of length 1 at the given places of the result."""
    places = (axis,) if isinstance(axis, int) else tuple(axis)
    ndim = _ndim(x) + len(places)
    new = {_axis(a, ndim, "expand_dims") for a in places}
    if len(new) != len(places):
        raise ShapeError(f"expand_dims: received axis={axis}, expected distinct axes.")
    old = iter(_shape(x))
    return reshape(x, tuple(1 if i in new else next(old) for i in range(ndim)))


@answers(np.copy)
def copy(x: Any) -> Any:
    """The same elements in a node of their own."""
    return _record("identity", x)


@answers(np.atleast_1d)
def atleast_1d(x: Any) -> Any:
    """At least one axis."""
    return reshape(x, (1,)) if _ndim(x) == 0 else x


@answers(np.atleast_2d)
def atleast_2d(x: Any) -> Any:
    """At least two axes."""
    return reshape(x, (1,) * (2 - _ndim(x)) + _shape(x)) if _ndim(x) < 2 else x


@answers(np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeated to a shape, as NumPy broadcasts."""
    return _record("broadcast_to", x, shape=(int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape))


@answers(np.flip)
def flip(x: Any, axis: Any = None) -> Any:
    """Reversed along the given axes, or all."""
    n = _ndim(x)
    axes = set(range(n)) if axis is None else {_axis(a, n, "flip") for a in ((axis,) if isinstance(axis, int) else axis)}
    return getitem(x, tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(n)))


@answers(np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Shifted around along axes; what leaves at one end enters at the other."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), _shape(x))
    shifts, axes = np.broadcast_arrays(np.atleast_1d(shift), np.atleast_1d(axis))
    for by, at in zip(shifts.tolist(), axes.tolist(), strict=True):
        at = _axis(at, _ndim(x), "roll")
        x = getitem(x, (slice(None),) * at + (np.roll(np.arange(_shape(x)[at]), by),))
    return x


@answers(np.tile)
def tile(x: Any, reps: Any) -> Any:
    """Copies side by side, `reps` times along each axis."""
    times = (int(reps),) if np.ndim(reps) == 0 else tuple(int(r) for r in reps)
    n = builtins.max(len(times), _ndim(x))
    shape = (1,) * (n - _ndim(x)) + _shape(x)
    times = (1,) * (n - len(times)) + times
    wide = reshape(x, tuple(v for s in shape for v in (1, s)))
    wide = broadcast_to(wide, tuple(v for r, s in zip(times, shape, strict=True) for v in (r, s)))
    return reshape(wide, tuple(r * s for r, s in zip(times, shape, strict=True)))


@answers(np.repeat)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element repeated in place; a number of times, or a number for each."""
    if axis is None:
        return repeat(ravel(x), repeats, 0)
    at = _axis(axis, _ndim(x), "repeat")
    if np.any(np.asarray(repeats) < 0):
        raise ShapeError(f"repeat: received repeats={repeats}, expected counts of 0 or more.")
    return getitem(x, (slice(None),) * at + (np.repeat(np.arange(_shape(x)[at]), repeats),))


@answers(np.pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
    """A border around an array: "constant", or what np.pad's "edge", "reflect", "symmetric" and "wrap" copy."""
    n = _ndim(x)
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - n, 0)) for i in range(n)]
        pad_width = [(w, w) if np.ndim(w) == 0 else w for w in pad_width]
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (n, 2)).tolist()
    if np.ndim(constant_values) != 0:
        raise MissingRuleError(f"pad: constant_values={constant_values!r} has no rule here; give one number.")
    if mode == "constant":
        shape = tuple(s + a + b for s, (a, b) in zip(_shape(x), widths, strict=True))
        inside = tuple(slice(a, a + s) for s, (a, _) in zip(_shape(x), widths, strict=True))
        out = _record("scatter", x, key=inside, shape=shape)
        if constant_values == 0.0:
            return out
        border = np.full(shape, float(constant_values))
        border[inside] = 0.0
        return out + border
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise MissingRuleError(f"pad: mode={mode!r} has no rule here; use constant, edge, reflect, symmetric or wrap.")
    indices = [np.pad(np.arange(s), w, mode=mode) for s, w in zip(_shape(x), widths, strict=True)]  # type: ignore[call-overload]
    return getitem(x, np.ix_(*indices))


# ------------------------------------------------------------------------------------- indexing and joining
@answers()
def getitem(x: Any, key: Any) -> Any:
    """x[key] for every kind of NumPy index."""
    if isinstance(key, tuple):
        key = tuple(_index(k) for k in key)
    else:
        key = _index(key)
    return _record("index", x, key=key)


def _index(k: Any) -> Any:
    """An index as it can be kept: what may change later is copied, and a Tensor gives its data as integers or booleans."""
    if isinstance(k, Node):
        raise OperandError("indexing: received a differentiable index, expected integers or booleans; take its .data and convert it.")
    return np.array(k) if isinstance(k, (list, np.ndarray)) and not (isinstance(k, list) and not k) else (
        np.array(k, dtype=int) if isinstance(k, list) else k)  # fmt: skip


@answers(np.take)
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at integer indices along an axis."""
    if axis is None:
        return getitem(ravel(x), (np.asarray(indices),))
    return getitem(x, (slice(None),) * _axis(axis, _ndim(x), "take") + (np.asarray(indices),))


@answers(np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Any:
    """For each place along an axis the element that `indices` names, as given by argsort."""
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in np.shape(indices))])
    grid[_axis(axis, _ndim(x), "take_along_axis")] = np.asarray(indices)
    return getitem(x, tuple(grid))


@answers(np.diagonal)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices that two axes span, along a last axis."""
    n = _ndim(x)
    if n < 2:
        raise ShapeError(f"diagonal: received shape {_shape(x)}, expected at least two axes.")
    i, j = _axis(axis1, n, "diagonal"), _axis(axis2, n, "diagonal")
    moved = moveaxis(x, (i, j), (-2, -1))
    rows, columns = np.nonzero(np.eye(_shape(moved)[-2], _shape(moved)[-1], k=offset))
    return getitem(moved, (Ellipsis, rows, columns))


@answers(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if _ndim(x) == 2:
        return diagonal(x, k)
    if _ndim(x) != 1:
        raise ShapeError(f"diag: received shape {_shape(x)}, expected a vector or a matrix.")
    n = _shape(x)[0]
    rows = np.arange(n) + builtins.max(-k, 0)
    return _record("scatter", x, key=(rows, rows + k), shape=(n + abs(k), n + abs(k)))


def _triangle(x: Any, k: int) -> np.ndarray:
    if _ndim(x) < 2:
        raise ShapeError(f"tril, triu: received shape {_shape(x)}, expected at least two axes.")
    return np.tri(_shape(x)[-2], _shape(x)[-1], k=k).astype(bool)


@answers(np.tril)
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle, zeros above."""
    return _record("where", _triangle(x, k), x, 0.0)


@answers(np.triu)
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle, zeros below."""
    return _record("where", ~_triangle(x, k - 1), x, 0.0)


@answers(np.concatenate, np.concat)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an axis they have; flattened first where `axis` is None."""
    parts = list(arrays)
    if not parts:
        raise ShapeError("concatenate: received no arrays, expected at least one.")
    if axis is None:
        return concatenate([ravel(p) for p in parts], 0)
    return _record("concatenate", *parts, axis=int(axis))


@answers(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    parts = list(arrays)
    if len({_shape(p) for p in parts}) != 1:
        raise ShapeError(f"stack: received shapes {[_shape(p) for p in parts]}, expected at least one array and all of one shape.")
    return concatenate([expand_dims(p, axis) for p in parts], axis)


@answers(np.vstack)
def vstack(arrays: Sequence[Any]) -> Any:
    """Rows, or matrices, on top of each other."""
    return concatenate([atleast_2d(a) for a in arrays], 0)


@answers(np.hstack)
def hstack(arrays: Sequence[Any]) -> Any:
    """Vectors end to end, or matrices side by side."""
    parts = [atleast_1d(a) for a in arrays]
    return concatenate(parts, 0 if parts and _ndim(parts[0]) == 1 else 1)


@answers(np.column_stack)
def column_stack(arrays: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix."""
    return concatenate([reshape(a, (-1, 1)) if _ndim(a) < 2 else a for a in arrays], 1)


@answers(np.array_split)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts along an axis: a number of parts as equal as can be, or split at the given places."""
    at = _axis(axis, _ndim(x), "split")
    places = np.array_split(np.arange(_shape(x)[at]), indices_or_sections)
    starts = np.cumsum([0, *(len(p) for p in places)]).tolist()
    if np.ndim(indices_or_sections):
        edges = [0, *list(indices_or_sections), _shape(x)[at]]
        return [getitem(x, (slice(None),) * at + (slice(a, b),)) for a, b in itertools.pairwise(edges)]
    return [getitem(x, (slice(None),) * at + (slice(a, b),)) for a, b in itertools.pairwise(starts)]


@answers(np.split)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Equal parts along an axis, or parts split at the given places."""
    if np.ndim(indices_or_sections) == 0 and _shape(x)[_axis(axis, _ndim(x), "split")] % int(indices_or_sections):
        raise ShapeError(f"split: an axis of length {_shape(x)[axis]} does not divide into {indices_or_sections} equal parts; see array_split.")
    return list(array_split(x, indices_or_sections, axis))


@answers(np.where)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; the branch that is not taken contributes exactly 0 to a gradient."""
    held = NODE_DATA(condition)
    return _record("where", held if np.ndim(held) == 0 and isinstance(held, bool) else np.asarray(held).astype(bool)[()], x, y)


@answers(np.clip)
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """x held between two bounds; the derivative is 1 at the bounds. Bounds that are differentiable get gradients too."""
    low, high = a_min if a_min is not None else min, a_max if a_max is not None else max
    if low is None and high is None:
        raise OperandError("clip: received no bounds, expected min, max or both.")
    if isinstance(low, Node) or isinstance(high, Node):
        x = x if low is None else TABLE["maximum"](x, low)
        return x if high is None else TABLE["minimum"](x, high)
    return _record("clip", x, **({} if low is None else {"min": low}), **({} if high is None else {"max": high}))


# ------------------------------------------------------------------------------------------ linear algebra
class SlogdetResult(NamedTuple):
    """The sign and the logarithm of the absolute value of a determinant."""

    sign: Any
    logabsdet: Any


@answers(np.linalg.slogdet)
def slogdet(x: Any) -> SlogdetResult:
    """(sign, ln |det|); the sign is a constant."""
    return SlogdetResult(np.linalg.slogdet(NODE_DATA(x))[0], _record("logabsdet", x))


@answers(np.linalg.inv)
def inv(x: Any) -> Any:
    """The inverse of a square matrix."""
    return _record("inv", x)


@answers(np.linalg.det)
def det(x: Any) -> Any:
    """The determinant of a square matrix."""
    return _record("det", x)


@answers(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """The x with a @ x = b."""
    return _record("solve", a, b)


@answers(np.linalg.cholesky)
def cholesky(x: Any, *, upper: bool = False) -> Any:
    """The lower triangular L with L @ Lᵀ = x, or its transpose."""
    lower = _record("cholesky", x)
    return swapaxes(lower, -1, -2) if upper else lower
