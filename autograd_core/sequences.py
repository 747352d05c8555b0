"""Grids, polynomials, running sums and statistics that ignore nan, under NumPy's names, composed from entries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arguments import truth
from .decompositions import lstsq, svdvals
from .errors import LinAlgError, MissingRuleError, OperandError, ShapeError
from .indexing import concatenate, getitem, where
from .linear_algebra import einsum, inv, norm, solve
from .node import Node
from .numerics import linspace
from .operands import data_of
from .registry import NUMPY, answers, axis_of, in_dtype_of, integer, integers, ndim_of, record_op, shape_of
from .routines import cumprod, cumsum
from .shaping import moveaxis, reshape

__all__: list[str] = []

_sum = NUMPY[np.sum]


# ------------------------------------------------------------------------------------------------ elementwise
@answers(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """(the fractional part, the integer part)."""
    before = record_op("trunc", x)
    return x - before, before


@answers(np.ldexp)
def ldexp(x: Any, i: Any) -> Any:
    """x · 2ⁱ, for integers i."""
    if isinstance(i, Node):
        raise OperandError("ldexp: received a node as the exponent, expected integers; x * np.exp2(i) has a derivative by i.")
    return record_op("mul", x, in_dtype_of(x, np.ldexp(1.0, i)))


@answers(np.unwrap)
def unwrap(p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2.0 * math.pi) -> Any:
    """Angles without jumps: multiples of the period are added, whose derivative is 0."""
    data = np.asarray(data_of(p))
    axis_of(axis, data.ndim, "unwrap")
    return p + in_dtype_of(p, np.unwrap(data, discont, axis, period=period) - data)


# --------------------------------------------------------------------------------------------------- products
def _matvec(x: Any, y: Any) -> Any:
    """Matrices times vectors, over the leading axes."""
    return einsum("...ij,...j->...i", x, y)


def _vecmat(x: Any, y: Any) -> Any:
    """Vectors times matrices, over the leading axes."""
    return einsum("...i,...ij->...j", x, y)


for _name, _product in (("matvec", _matvec), ("vecmat", _vecmat)):        # since NumPy 2.2
    if hasattr(np, _name):
        NUMPY[getattr(np, _name)] = _product


@answers(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x with tensordot(a, x, x.ndim) = b."""
    if axes is not None:
        a = moveaxis(a, integers(axes, "tensorsolve", "axes"), tuple(range(-len(integers(axes, "tensorsolve", "axes")), 0)))
    left, right = shape_of(a)[: ndim_of(b)], shape_of(a)[ndim_of(b) :]
    if left != shape_of(b) or math.prod(left) != math.prod(right):
        raise LinAlgError(f"tensorsolve: received shapes {shape_of(a)} and {shape_of(b)}, expected the second at the start of the first, then as many.")
    n = math.prod(left)
    return reshape(solve(reshape(a, (n, n)), reshape(b, (n,))), right)


@answers(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of a tensor whose first `ind` axes are the rows of a matrix and whose others are its columns."""
    rows, columns = shape_of(a)[: integer(ind, "tensorinv", "ind")], shape_of(a)[ind:]
    if ind <= 0 or math.prod(rows) != math.prod(columns):
        raise LinAlgError(f"tensorinv: received shape {shape_of(a)} with ind={ind}, expected as many elements before as after it.")
    return reshape(inv(reshape(a, (math.prod(rows), -1))), (*columns, *rows))


@answers(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The condition number ‖x‖ · ‖x⁻¹‖ in a norm; None and 2 give the largest over the smallest singular value, −2 the reverse."""
    if p in (None, 2, -2):
        values = svdvals(x)
        large, small = getitem(values, (..., 0)), getitem(values, (..., -1))
        with np.errstate(all="ignore"):        # of a singular matrix it is inf, which NumPy gives without a warning
            return small / large if p == -2 else large / small
    return norm(x, p, axis=(-2, -1)) * norm(inv(x), p, axis=(-2, -1))


# ------------------------------------------------------------------------------------- running sums, and nan
def _cumulative(name: str, running: Any, start: float) -> None:
    def cumulative(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Any:
        if axis is None and ndim_of(x) != 1:
            raise ShapeError(f"{name}: received shape {shape_of(x)} and no axis, expected one axis or axis=.")
        at = axis_of(0 if axis is None else axis, ndim_of(x), name)
        out = running(x, at)
        if not truth(include_initial, name, "include_initial"):
            return out
        first = in_dtype_of(x, np.full(tuple(1 if i == at else n for i, n in enumerate(shape_of(x))), start))
        return concatenate([first, out], at)

    cumulative.__name__ = cumulative.__qualname__ = name
    cumulative.__doc__ = f"{(running.__doc__ or '').split(';')[0]}, with a {start:g} before them where `include_initial` is True."
    globals()[name] = answers(*filter(None, [getattr(np, name, None)]))(cumulative)      # since NumPy 2.1


_cumulative("cumulative_sum", cumsum, 0.0)
_cumulative("cumulative_prod", cumprod, 1.0)


@answers(np.nancumsum)
def nancumsum(x: Any, axis: int | None = None) -> Any:
    """Running sums; a nan counts as 0."""
    return cumsum(where(np.isnan(data_of(x)), 0.0, x), axis)


@answers(np.nancumprod)
def nancumprod(x: Any, axis: int | None = None) -> Any:
    """Running products; a nan counts as 1."""
    return cumprod(where(np.isnan(data_of(x)), 1.0, x), axis)


@answers(np.nanvar)
def nanvar(x: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """The variance of what is not nan."""
    gone = np.isnan(data_of(x))
    count = np.sum(~gone, axis=axis, keepdims=True)
    mean = _sum(where(gone, 0.0, x), axis, keepdims=True) / in_dtype_of(x, count)
    squares = _sum(where(gone, 0.0, x - mean) ** 2, axis, keepdims=keepdims)
    degrees = np.sum(~gone, axis=axis, keepdims=keepdims) - ddof
    return squares / in_dtype_of(x, np.where(degrees > 0, degrees, np.nan))


@answers(np.nanstd)
def nanstd(x: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """The standard deviation of what is not nan; its derivative is 0 where that is 0, as that of std."""
    variance = nanvar(x, axis, ddof=ddof, keepdims=keepdims)
    flat = np.equal(data_of(variance), 0.0)
    return where(flat, 0.0, record_op("sqrt", where(flat, 1.0, variance)))


# ------------------------------------------------------------------------------------- grids and polynomials
@answers(np.logspace)
def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, *, axis: int = 0) -> Any:
    """The base raised to evenly spaced exponents from start to stop."""
    return record_op("power", base, linspace(start, stop, num, endpoint, axis=axis))


@answers(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, axis: int = 0) -> Any:
    """Numbers from start to stop, which have the same sign, with a constant ratio between neighbours."""
    first, last = np.asarray(data_of(start)), np.asarray(data_of(stop))
    if np.any(first * last <= 0.0):
        raise OperandError("geomspace: received ends of different signs or a 0, expected both of one sign.")
    sign = np.sign(first)
    logs = linspace(record_op("log", start * sign), record_op("log", stop * sign), num, endpoint, axis=0)
    return moveaxis(record_op("exp", logs) * in_dtype_of(logs, sign), 0, axis)


@answers(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of a vector as columns, the highest first."""
    if ndim_of(x) != 1:
        raise ShapeError(f"vander: received shape {shape_of(x)}, expected a vector.")
    count = shape_of(x)[0] if N is None else integer(N, "vander", "N")
    powers = in_dtype_of(x, np.arange(count) if truth(increasing, "vander", "increasing") else np.arange(count)[::-1])
    return record_op("power", reshape(x, (-1, 1)), powers)


@answers(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """The coefficients, highest power first, of the polynomial of degree `deg` that fits y at x best (least squares, weighted by w²)."""
    if full or cov:
        raise MissingRuleError("polyfit: full= and cov= have no rule here; np.linalg.lstsq of np.vander(x, deg + 1) gives what they are made of.")
    if integer(deg, "polyfit", "deg") < 0 or ndim_of(x) != 1 or shape_of(y)[:1] != shape_of(x):
        raise ShapeError(
            f"polyfit: received x of shape {shape_of(x)}, y of shape {shape_of(y)} and deg={deg}, expected a vector, as many rows of y, and a degree from 0 on."
        )
    powers = vander(x, deg + 1)
    if w is not None:
        if shape_of(w) != shape_of(x):
            raise ShapeError(f"polyfit: received weights of shape {shape_of(w)}, expected {shape_of(x)}, as many as points.")
        powers = powers * reshape(w, (-1, 1))
        y = y * (reshape(w, (-1,) + (1,) * (ndim_of(y) - 1)))
    sizes = np.sqrt(np.sum(np.square(data_of(powers)), axis=0))
    scale = in_dtype_of(x, np.where(sizes == 0.0, 1.0, sizes))                # brings the columns to one size
    found = lstsq(powers / scale, y, len(data_of(x)) * np.finfo(np.float64).eps if rcond is None else rcond)[0]
    return found / reshape(scale, (-1,) + (1,) * (ndim_of(y) - 1))
