"""The structural entries of the rule book: operations that reduce, change shape, join or choose.

Each rule is a pull-back, `rule(m, g, out, *operands, **params)`: what the incoming gradient g, which has the shape of
the result, becomes for one operand. Broadcasting is never undone in a rule; the backward loop does that, in one place.
An entry that is linear in each operand says so, and forward mode applies the operation itself to the tangents.
"""

from __future__ import annotations

import math
import operator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from .op import Op

__all__ = ["along", "kept_shape", "sum_to"]

Shape = tuple[int, ...]


# ------------------------------------------------------------------------------------------------ helpers
def kept_shape(shape: Shape, axis: Any) -> Shape:
    """The shape that a reduction over `axis` leaves with `keepdims=True`.

    >>> kept_shape((2, 3, 4), -1), kept_shape((2, 3), None)
    ((2, 3, 1), (1, 1))
    """
    if axis is None:
        return (1,) * len(shape)
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))} if shape else set()
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def along(axis: int, key: Any) -> tuple[Any, ...]:
    """The index that applies `key` along one axis, counted from the front.

    >>> np.arange(6).reshape(2, 3)[along(1, [0, 0])]
    array([[0, 0],
           [3, 3]])
    """
    return (slice(None),) * axis + (key,)


@lru_cache(maxsize=64)
def _ones(n: int, dtype: Any) -> np.ndarray | None:
    """A row of ones to add up n rows with, which starts quicker than the reduction; None where that gains nothing."""
    return np.ones(n, dtype) if n <= 4096 and dtype.char in "fd" else None


def sum_to(x: Any, *, shape: Shape) -> Any:
    """Sum an array down to `shape`: the adjoint of broadcasting from `shape`; a ValueError where that could not be.

    >>> sum_to(np.ones((2, 3)), shape=(3,))
    array([2., 2., 2.])
    """
    x = x if x.__class__ is ndarray else np.asarray(x)
    full = x.shape
    if full[1:] == shape and len(full) == 2:   # a bias: the usual case
        ones = _ones(full[0], x.dtype)
        return np.add.reduce(x, axis=0) if ones is None else ones.dot(x)
    lead = len(full) - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and i + lead >= 0 and x.shape[i + lead] != 1)
    if axes:
        x = x.sum(axis=axes, keepdims=True)
    if lead < 0 or x.shape[lead:] != shape:
        raise ValueError(f"an array of shape {x.shape} is not a broadcast of shape {shape}")
    return x.reshape(shape) if lead else x


def _broadcast(x: Any, shape: Shape) -> Any:
    """A read-only view; a few equal numbers are quicker written out."""
    x = np.asarray(x)
    if x.size == 1 and math.prod(shape) <= 2048 and x.ndim <= len(shape):
        return np.full(shape, x.reshape(()), x.dtype)
    return np.broadcast_to(x, shape)


def _count(m: Any, x: Any, out: Any) -> float:
    return float(math.prod(m.shape(x)) / max(math.prod(m.shape(out)), 1))


def _spread(m: Any, g: Any, x: Any, axis: Any) -> Any:
    """A reduced array, back in the shape of x."""
    shape = m.shape(x)
    return m.broadcast_to(m.reshape(g, shape=kept_shape(shape, axis)), shape=shape)


def _finite(m: Any, out: Any) -> Any:
    """`out` with 0 in place of infinities, so that subtracting it does not give inf − inf."""
    return m.where(abs(out) == math.inf, 0.0, out)


# --------------------------------------------------------------------------------- shapes and broadcasting
Op(name="sum_to", symbol="Σ", array=sum_to, linear=True, doc="Sum down to a shape; undoes broadcasting.",
   vjp=(lambda m, g, out, x, *, shape: m.broadcast_to(g, shape=m.shape(x)),),
   samples=lambda rng: [((rng.normal(size=s),), {"shape": t}) for s, t in (((2, 3), (3,)), ((2, 3), (2, 1)), ((2,), ()))])
Op(name="broadcast_to", symbol="⤢", array=lambda x, *, shape: _broadcast(x, shape), linear=True,
   doc="Repeat along new axes and axes of length 1, as NumPy broadcasts.",
   vjp=(lambda m, g, out, x, *, shape: m.sum_to(g, shape=m.shape(x)),),
   samples=lambda rng: [((rng.normal(size=s),), {"shape": t}) for s, t in (((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2,)))])
Op(name="reshape", array=lambda x, *, shape: np.asarray(x).reshape(shape), linear=True,
   doc="The same elements in another shape; one side may be −1.",
   vjp=(lambda m, g, out, x, *, shape: m.reshape(g, shape=m.shape(x)),),
   samples=lambda rng: [((rng.normal(size=s),), {"shape": t}) for s, t in (((2, 3), (3, 2)), ((6,), (2, -1)), ((1,), ()))])
Op(name="transpose", symbol="T", text="{0}ᵀ", latex="{0}^{{T}}", array=lambda x, *, axes=None: np.asarray(x).transpose(axes), linear=True,
   doc="The axes in another order; reversed where `axes` is None.",
   vjp=(lambda m, g, out, x, *, axes=None: m.transpose(
       g, axes=None if axes is None else tuple(np.argsort([a % m.ndim(x) for a in axes]).tolist())),),
   samples=lambda rng: [((rng.normal(size=(2, 3, 4)),), {"axes": axes}) for axes in (None, (1, 2, 0), (0, -1, 1))])


# ---------------------------------------------------------------------------------------------- reductions
def _reductions(rng: Any) -> list[Any]:
    cases: Any = (((2, 3), {}), ((2, 3), {"axis": 0}), ((2, 3), {"axis": -1, "keepdims": True}), ((2, 3, 2), {"axis": (0, -1)}),
             ((4,), {"axis": 0}), ((), {}), ((1, 3), {"axis": 1}))
    return [((rng.permutation(math.prod(s)).reshape(s) / 3.0 - 0.9 + rng.uniform(0, 0.1, s),), dict(p)) for s, p in cases]


def _extremum(m: Any, g: Any, out: Any, x: Any, axis: Any) -> Any:
    best = _spread(m, out, x, axis)
    taken = (x == best) | (x != x)
    share = m.named("ties", lambda: np.sum(m.data(taken), axis=axis, keepdims=True))
    return m.where(taken, _spread(m, g, x, axis) / share, 0.0)


def _prod_of_others(m: Any, x: Any, axis: int) -> Any:
    """For each element the product of all the others along an axis: right with zeros, since nothing is divided."""
    before = m.cumprod(_shifted(m, x, axis), axis=axis)
    flipped = _flip(m, x, axis)
    return before * _flip(m, m.cumprod(_shifted(m, flipped, axis), axis=axis), axis)


def _flip(m: Any, x: Any, axis: int) -> Any:
    return m.index(x, key=along(axis % m.ndim(x), slice(None, None, -1)))


def _shifted(m: Any, x: Any, axis: int) -> Any:
    """x moved one place along an axis, with a 1 in front."""
    shape = list(m.shape(x))
    shape[axis] = 1
    return m.concatenate(np.ones(shape), m.index(x, key=along(axis % len(shape), slice(None, -1))), axis=axis)


def _divides(m: Any, out: Any) -> bool:
    """Whether products divided by a factor are those of the others: not with a zero in them, nor where they over- or underflowed.

    Below the smallest normal number digits are lost one by one, and a division would not bring them back.
    """
    size = np.abs(m.data(out))
    return bool(np.all((size >= np.finfo(size.dtype).tiny) & np.isfinite(size)))


def _pull_prod(m: Any, g: Any, out: Any, x: Any, axis: Any) -> Any:
    if _divides(m, out):
        return _spread(m, g * out, x, axis) / x
    ndim, shape = m.ndim(x), m.shape(x)
    axes = tuple(range(ndim)) if axis is None or not ndim else tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    rest = tuple(i for i in range(ndim) if i not in axes)
    front = m.transpose(x, axes=rest + axes)   # the reduced axes, joined into one at the end
    joined = m.reshape(front, shape=(*(shape[i] for i in rest), math.prod(shape[i] for i in axes)))
    others = m.reshape(_prod_of_others(m, joined, len(rest)), shape=m.shape(front))
    return _spread(m, g, x, axis) * m.transpose(others, axes=tuple(np.argsort(rest + axes).tolist()))


def _pull_cumprod(m: Any, g: Any, out: Any, x: Any, axis: int) -> Any:
    if _divides(m, out):
        return _flip(m, m.cumsum(_flip(m, g * out, axis), axis=axis), axis) / x
    ndim, length = m.ndim(x), m.shape(x)[axis]

    def at(a: Any, i: int) -> Any:
        return m.index(a, key=along(axis % ndim, slice(i, i + 1)))

    parts: list[Any] = []
    carried: Any = None                        # with out_i = out_{i−1}·x_i: h_i = g_i + x_{i+1}·h_{i+1}
    for i in reversed(range(length)):
        carried = at(g, i) if carried is None else at(g, i) + at(x, i + 1) * carried
        parts.append(carried * at(out, i - 1) if i else carried)
    return m.concatenate(*reversed(parts), axis=axis)


def _centred(m: Any, x: Any, axis: Any) -> Any:
    return x - _spread(m, m.mean(x, axis=axis, keepdims=True), x, axis)


def _unless_zero(m: Any, out: Any, x: Any, axis: Any, pulled: Any) -> Any:
    """A gradient, and 0 of every order where the result is 0."""
    return m.where(m.data(_spread(m, out, x, axis)) == 0.0, 0.0, pulled)


def _degrees(m: Any, x: Any, out: Any, ddof: float) -> float:
    return max(_count(m, x, out) - ddof, 0.0) or math.nan


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    """np.mean, without its overhead where there is something to divide by."""
    x = np.asarray(x)
    total: Any = np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]
    if not total.size or not x.size or x.dtype == np.float16:
        return np.mean(x, axis=axis, keepdims=keepdims)
    return total / (x.size // total.size)


Op(name="sum", symbol="Σ", array=lambda x, *, axis=None, keepdims=False: np.add.reduce(np.asarray(x), axis=axis, keepdims=keepdims),
   linear=True, doc="The sum over `axis`, or over all elements.", samples=_reductions,
   vjp=(lambda m, g, out, x, *, axis=None, keepdims=False: _spread(m, g, x, axis),))
Op(name="mean", array=lambda x, *, axis=None, keepdims=False: _mean(x, axis, keepdims), linear=True,
   doc="The arithmetic mean over `axis`.", samples=_reductions,
   vjp=(lambda m, g, out, x, *, axis=None, keepdims=False: _spread(m, g / _count(m, x, out), x, axis),))
Op(name="var", array=lambda x, *, axis=None, ddof=0, keepdims=False: np.var(x, axis=axis, ddof=ddof, keepdims=keepdims),
   doc="The variance, Σ(x − x̄)² / (n − ddof).", samples=lambda rng: _reductions(rng)[:5],
   vjp=(lambda m, g, out, x, *, axis=None, ddof=0, keepdims=False:
        _spread(m, g * (2.0 / _degrees(m, x, out, ddof)), x, axis) * _centred(m, x, axis),))
Op(name="std", array=lambda x, *, axis=None, ddof=0, keepdims=False: np.std(x, axis=axis, ddof=ddof, keepdims=keepdims),
   doc="The standard deviation; its derivative at a constant is 0.", samples=lambda rng: _reductions(rng)[:5],
   vjp=(lambda m, g, out, x, *, axis=None, ddof=0, keepdims=False:
        _unless_zero(m, out, x, axis, _centred(m, x, axis) * _spread(
            m, g / (_degrees(m, x, out, ddof) * m.where(out == 0.0, 1.0, out)), x, axis)),))
Op(name="prod", symbol="Π", array=lambda x, *, axis=None, keepdims=False: np.prod(x, axis=axis, keepdims=keepdims),
   doc="The product over `axis`; right with one zero and with several.", samples=_reductions,
   vjp=(lambda m, g, out, x, *, axis=None, keepdims=False: _pull_prod(m, g, out, x, axis),))
Op(name="max", array=lambda x, *, axis=None, keepdims=False: np.max(x, axis=axis, keepdims=keepdims), selects=True,
   doc="The largest element; ties share the gradient evenly.", samples=_reductions,
   vjp=(lambda m, g, out, x, *, axis=None, keepdims=False: _extremum(m, g, out, x, axis),))
Op(name="min", array=lambda x, *, axis=None, keepdims=False: np.min(x, axis=axis, keepdims=keepdims), selects=True,
   doc="The smallest element; ties share the gradient evenly.", samples=_reductions,
   vjp=(lambda m, g, out, x, *, axis=None, keepdims=False: _extremum(m, g, out, x, axis),))
Op(name="logsumexp", array=lambda x, *, axis=None, keepdims=False: _logsumexp(x, axis, keepdims),
   doc="ln Σ eˣ, with no overflow; −inf masks nothing but itself.", samples=_reductions,
   vjp=(lambda m, g, out, x, *, axis=None, keepdims=False:
        _spread(m, g, x, axis) * m.exp(x - _spread(m, _finite(m, out), x, axis)),))
Op(name="norm", symbol="‖·‖", text="‖{0}‖", latex=r"\left\lVert{0}\right\rVert", numpy=(),
   array=lambda x, *, axis=None, keepdims=False: np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims)),
   doc="The Euclidean norm √Σx²; its derivative at 0 is 0.", samples=_reductions,
   vjp=(lambda m, g, out, x, *, axis=None, keepdims=False:
        _unless_zero(m, out, x, axis, _spread(m, g / m.where(out == 0.0, 1.0, out), x, axis) * x),))


# ------------------------------------------------------------------------------------------- along one axis
def _along_axis(rng: Any) -> list[Any]:
    return [((rng.permutation(math.prod(s)).reshape(s) / 3.0 + 0.1,), {"axis": axis})
            for s, axis in (((4,), 0), ((2, 3), 0), ((2, 3), -1), ((1, 3), 0))]


def _permutation(order: Any, axis: int) -> tuple[Any, ...]:
    """The index that takes `order` along an axis."""
    grid: list[Any] = list(np.ogrid[tuple(map(slice, order.shape))])
    grid[axis] = order
    return tuple(grid)


def _one(axis: Any) -> int:
    """An axis as an integer; flattening, where `axis` is None, is the business of the function around the operation."""
    return operator.index(axis)


def _as_floats(x: Any) -> Any:
    """Integers and booleans as float64, for kernels that need −∞."""
    return x.astype(np.float64) if x.__class__ is ndarray and x.dtype.kind in "biu" else x


def _softmax(x: Any, axis: int) -> Any:
    x = _as_floats(x)
    e = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf))
    return np.divide(e, np.add.reduce(e, axis=axis, keepdims=True), out=e) if e.__class__ is ndarray else e / e.sum()


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    x = _as_floats(x)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0).astype(top.dtype)
    with np.errstate(divide="ignore"):
        out = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else np.reshape(out, np.sum(x, axis=axis).shape)


Op(name="cumsum", array=lambda x, *, axis: np.cumsum(x, axis=_one(axis)), linear=True, doc="Running sums along an axis.",
   samples=_along_axis, vjp=(lambda m, g, out, x, *, axis: _flip(m, m.cumsum(_flip(m, g, axis), axis=axis), axis),))
Op(name="cumprod", array=lambda x, *, axis: np.cumprod(x, axis=_one(axis)), samples=_along_axis,
   doc="Running products along an axis; right with zeros.",
   vjp=(lambda m, g, out, x, *, axis: _pull_cumprod(m, g, out, x, axis),))
Op(name="sort", array=lambda x, *, axis=-1: np.sort(x, axis=_one(axis), kind="stable"), samples=_along_axis,
   doc="In ascending order along an axis; the gradient goes back to where each element came from.",
   vjp=(lambda m, g, out, x, *, axis=-1: m.index(g, key=m.named("order", lambda: _permutation(
       np.argsort(np.argsort(m.data(x), axis=axis, kind="stable"), axis=axis), axis))),))
Op(name="softmax", array=lambda x, *, axis=-1: _softmax(x, axis), samples=_along_axis,
   doc="eˣ / Σeˣ along an axis: probabilities; exact at ±1000.",
   vjp=(lambda m, g, out, x, *, axis=-1: (g - m.sum(g * out, axis=axis, keepdims=True)) * out,))
Op(name="log_softmax", array=lambda x, *, axis=-1: x - _logsumexp(x, axis, True), samples=_along_axis,
   doc="ln softmax(x) along an axis; exact at ±1000.",
   vjp=(lambda m, g, out, x, *, axis=-1: g - m.exp(out) * m.sum(g, axis=axis, keepdims=True),))


# --------------------------------------------------------------------------------------- indexing and joining
def _scatter(x: Any, *, key: Any, shape: Shape) -> Any:
    x = np.asarray(x)
    out = np.zeros(shape, x.dtype)
    kind = key.dtype.kind if key.__class__ is ndarray else ""
    if _is_basic(key) or kind == "b":
        out[key] = x                           # no element occurs twice
    elif kind in ("i", "u") and x.size > key.size > 64:     # rows: NumPy adds numbers several times as quickly
        width = math.prod(shape[1:])
        places = key.astype(np.intp).reshape(-1, 1) % shape[0] * width + np.arange(width)
        np.add.at(out.reshape(-1), places.reshape(-1), x.reshape(-1))
    else:
        np.add.at(out, key, x)                 # an index that occurs twice adds up
    return out


def _add_at(buffer: Any, g: Any, *, key: Any) -> None:
    if _is_basic(key):
        buffer[key] += g
    else:
        buffer += _scatter(g, key=key, shape=buffer.shape)


def _is_basic(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return all(p is None or p is Ellipsis or (isinstance(p, (int, slice, np.integer)) and not isinstance(p, bool)) for p in parts)


def _index_samples(rng: Any) -> list[Any]:
    keys = (1, -1, slice(1, None), (slice(None), 1), (Ellipsis, None, 0), ([0, 2, 0],), ([0, 1], [1, 1]), (slice(None), [1, 1]),
            np.arange(12).reshape(3, 4) % 2 == 0, (slice(None, None, -2), slice(None, None, 2)), (None, 1, [0, 0]))
    return [((rng.normal(size=(3, 4)),), {"key": key}) for key in keys]


Op(name="index", symbol="[ ]", array=lambda x, *, key: np.asarray(x)[key], linear=True, samples=_index_samples,
   doc="x[key] for every kind of NumPy index; an index that occurs twice accumulates.",
   vjp=(lambda m, g, out, x, *, key: m.scatter(g, key=key, shape=m.shape(x)),), adds=_add_at)
Op(name="scatter", array=_scatter, linear=True, doc="Zeros of a shape, with x added at an index: the adjoint of indexing.",
   vjp=(lambda m, g, out, x, *, key, shape: m.index(g, key=key),),
   samples=lambda rng: [((x[params["key"]],), {**params, "shape": x.shape}) for (x,), params in _index_samples(rng)])


def _split_back(m: Any, g: Any, out: Any, *operands: Any, axis: int) -> tuple[Any, ...]:
    start, pulled = 0, []
    for x in operands:
        length = m.shape(x)[axis]
        pulled.append(m.index(g, key=along(axis % m.ndim(g), slice(start, start + length))))
        start += length
    return tuple(pulled)


Op(name="concatenate", variadic=True, array=lambda *x, axis: np.concatenate(x, axis=_one(axis)), vjp=(_split_back,),
   doc="Join arrays along an axis they have.",
   samples=lambda rng: [((rng.normal(size=(2, 3)), rng.normal(size=(2, 1)), rng.normal(size=(2, 0))), {"axis": axis})
                        for axis in (1, -1)])


def _stack(*x: Any, axis: int) -> Any:
    numbers = bool(x) and all(v.__class__ is float for v in x)
    return np.array(x) if numbers and axis in (0, -1) else np.stack(x, axis=_one(axis))


def _parts(m: Any, g: Any, axis: int, n: int) -> tuple[Any, ...]:
    at = axis % m.ndim(g)
    return tuple(m.index(g, key=along(at, i)) for i in range(n))


Op(name="stack", variadic=True, array=_stack, doc="Join arrays of one shape, or numbers, along a new axis.",
   vjp=(lambda m, g, out, *x, axis: _parts(m, g, axis, len(x)),),
   samples=lambda rng: [(tuple(rng.normal(size=s) for _ in range(n)), {"axis": axis})
                        for s, n, axis in (((2, 3), 2, 1), ((2,), 3, -1), ((), 4, 0), ((0, 2), 2, 0))])


Op(name="cast", symbol="dtype", array=lambda x, *, dtype: np.asarray(x).astype(dtype), doc="x in another floating dtype.", linear=True,
   vjp=(lambda m, g, out, x, *, dtype: g,), samples=lambda rng: [((rng.normal(size=3),), {"dtype": np.float64})])
