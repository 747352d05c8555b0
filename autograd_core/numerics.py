"""More of NumPy's numerical functions, composed from entries: statistics, differences, interpolation, polynomials, products.

The derivatives are those of the entries that they are made of. Where data decides (which element is the median, between
which knots a point lies), the decision is taken on the plain data and the graph records what follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import routines
from .arguments import as_numbers, truth
from .errors import MissingRuleError, OperandError, ShapeError
from .indexing import concatenate, diagonal, flip, getitem, pad, where
from .linear_algebra import matmul
from .node import Node
from .op import TABLE
from .operands import data_of
from .registry import answers, axes_of, axis_of, in_dtype_of, integer, ndim_of, record_op, shape_of
from .routines import diff
from .shaping import matrix_transpose, moveaxis, ravel, reshape
from .structural import along

__all__ = ["SCIPY"]

LN2 = math.log(2.0)


# ------------------------------------------------------------------------------------------------ elementwise
@answers(np.rad2deg, np.degrees)
def rad2deg(x: Any) -> Any:
    """Radians as degrees, 180x / π."""
    return record_op("mul", x, 180.0 / math.pi)


@answers(np.logaddexp2)
def logaddexp2(x: Any, y: Any) -> Any:
    """log₂(2ˣ + 2ʸ), with no overflow."""
    return record_op("logaddexp", record_op("mul", x, LN2), record_op("mul", y, LN2)) / LN2


@answers(np.fmax)
def fmax(x: Any, y: Any) -> Any:
    """The larger of x and y; a nan counts as missing."""
    return where(np.isnan(data_of(x)), y, where(np.isnan(data_of(y)), x, record_op("maximum", x, y)))


@answers(np.fmin)
def fmin(x: Any, y: Any) -> Any:
    """The smaller of x and y; a nan counts as missing."""
    return where(np.isnan(data_of(x)), y, where(np.isnan(data_of(y)), x, record_op("minimum", x, y)))


@answers(np.copysign)
def copysign(x: Any, y: Any) -> Any:
    """|x| with the sign of y."""
    return record_op("abs", x) * in_dtype_of(x, np.copysign(1.0, data_of(y)))


@answers(np.heaviside)
def heaviside(x: Any, y: Any) -> Any:
    """0 for x < 0, y at 0, 1 for x > 0; its derivative by x is 0."""
    return where(data_of(x) == 0.0, y, record_op("step", x))


@answers(np.divmod)
def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """(⌊x / y⌋, the remainder)."""
    return record_op("floor_divide", x, y), record_op("mod", x, y)


@answers(np.round, np.around)
def round(x: Any, decimals: int = 0) -> Any:
    """Rounded to a number of decimals; its derivative is 0."""
    decimals = integer(decimals, "round", "decimals")
    return record_op("rint", x) if decimals == 0 else record_op("rint", x * 10.0**decimals) / 10.0**decimals


@answers(np.fix)
def fix(x: Any) -> Any:
    """x without its fractional part; its derivative is 0."""
    return record_op("trunc", x)


@answers(np.real, np.real_if_close, np.conjugate)
def real(x: Any) -> Any:
    """The real part: all of x, since nothing here is complex."""
    return record_op("identity", x)


@answers(np.imag)
def imag(x: Any) -> Any:
    """The imaginary part: 0, since nothing here is complex."""
    return where(True, 0.0, x)


@answers(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """x with numbers in place of nan and infinities, which get the derivative 0."""
    data = np.asarray(data_of(x))
    limits = np.finfo(data.dtype)
    x = where(np.isnan(data), nan, x)
    x = where(data == np.inf, float(limits.max) if posinf is None else posinf, x)
    return where(data == -np.inf, float(limits.min) if neginf is None else neginf, x)


# ----------------------------------------------------------------------- SciPy's special functions, by their names
def _log_expit(x: Any) -> Any:
    return record_op("neg", record_op("softplus", record_op("neg", x)))


def _logit(x: Any) -> Any:
    return record_op("log", x) - record_op("log1p", record_op("neg", x))


def _ndtr(x: Any) -> Any:
    return 0.5 * record_op("erfc", record_op("mul", x, -math.sqrt(0.5)))


def _xlogy(x: Any, y: Any) -> Any:
    base = np.asarray(data_of(y))
    nothing = np.equal(data_of(x), 0.0) & ((base <= 0.0) | (base == np.inf))
    return where(nothing, 0.0, x * record_op("log", where(nothing, 1.0, y)))


def _xlog1py(x: Any, y: Any) -> Any:
    return _xlogy(x, 1.0 + y)


def _entr(x: Any) -> Any:
    return where(np.less(data_of(x), 0.0), -np.inf, record_op("neg", _xlogy(x, x)))


def _exp10(x: Any) -> Any:
    return record_op("power", 10.0, x)


SCIPY: dict[str, Callable[..., Any]] = {
    **{name: TABLE[name] for name in ("cbrt", "exp2", "expm1", "log1p")}, "entr": _entr, "exp10": _exp10, "xlog1py": _xlog1py,
    "erf": TABLE["erf"], "erfc": TABLE["erfc"], "expit": TABLE["sigmoid"], "log_expit": _log_expit, "logit": _logit, "ndtr": _ndtr,
    "softplus": TABLE["softplus"], "xlogy": _xlogy,
}  # fmt: skip
"""Name of a ufunc of `scipy.special` → what answers for it; SciPy itself need not be there."""


# ------------------------------------------------------------------------------------------------ statistics
def _without_nan(reduction: Any, fill: float, *functions: Any) -> Any:
    """A reduction that ignores nan: `fill`, which does not change the result, takes its place."""

    def reduce(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return reduction(where(np.isnan(data_of(x)), fill, x), axis, keepdims=keepdims)

    reduce.__name__ = reduce.__qualname__ = f"nan{reduction.__name__}"
    reduce.__doc__ = f"{TABLE[reduction.__name__].doc} A nan counts as missing."
    return answers(*functions)(reduce)


nansum = _without_nan(routines.sum, 0.0, np.nansum)
nanprod = _without_nan(routines.prod, 1.0, np.nanprod)
nanmax = _without_nan(routines.max, -np.inf, np.nanmax)
nanmin = _without_nan(routines.min, np.inf, np.nanmin)


@answers(np.nanmean)
def nanmean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The mean of what is not nan."""
    missing = np.isnan(data_of(x))
    return routines.sum(where(missing, 0.0, x), axis, keepdims=keepdims) / in_dtype_of(x, np.sum(~missing, axis=axis, keepdims=keepdims))


@answers(np.ptp)
def ptp(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The largest element minus the smallest."""
    return routines.max(x, axis, keepdims=keepdims) - routines.min(x, axis, keepdims=keepdims)


@answers(np.quantile)
def quantile(x: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """The value below which a fraction q of the elements lies, interpolated linearly between neighbours; several q give a first axis.

    With respect to q the derivative is the slope between the neighbours; at an element itself, the slope to its right.
    """
    keepdims = truth(keepdims, "quantile", "keepdims")
    if method != "linear":
        raise MissingRuleError(f"quantile: method={method!r} has no rule here; use 'linear'.")
    share = as_numbers(q, "quantile", "q").astype(np.float64)
    if np.any((share < 0.0) | (share > 1.0)):
        raise OperandError(f"quantile: received q={q!r}, expected shares from 0 to 1.")
    ndim = ndim_of(x)
    axes = axes_of(axis, ndim, "quantile")
    rest = [i for i in range(ndim) if i not in axes]
    front = record_op("transpose", x, axes=(*axes, *rest)) if ndim else reshape(x, (1,))
    kept = tuple(shape_of(x)[i] for i in rest)
    ordered = record_op("sort", reshape(front, (math.prod(shape_of(x)[i] for i in axes), *kept)), axis=0)
    if not shape_of(ordered)[0]:
        raise ShapeError(f"quantile: received shape {shape_of(x)} and axis={axis}, expected an element at least along the axes to go over.")
    place = share * (shape_of(ordered)[0] - 1)
    below = np.floor(place).astype(int)
    moves = isinstance(q, Node)
    between = q * float(shape_of(ordered)[0] - 1) - below if moves else place - below
    weight = reshape(between, share.shape + (1,) * len(kept))
    low, high = getitem(ordered, below), getitem(ordered, np.minimum(below + 1, shape_of(ordered)[0] - 1))
    out = where(np.isnan(data_of(getitem(ordered, -1))), np.nan, low + (high - low) * (weight if moves else in_dtype_of(low, weight)))
    return reshape(out, share.shape + tuple(1 if i in axes else n for i, n in enumerate(shape_of(x)))) if keepdims else out


@answers(np.percentile)
def percentile(x: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """The value below which q per cent of the elements lie; see quantile."""
    numbers = as_numbers(q, "percentile", "q")
    moves = isinstance(q, Node)
    return quantile(x, q / 100.0 if moves else numbers.astype(np.float64) / 100.0, axis, method=method, keepdims=keepdims)


@answers(np.median)
def median(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """The element in the middle, or the mean of the two in the middle; nan for no elements, as their mean is."""
    if any(shape_of(x)[a] == 0 for a in axes_of(axis, ndim_of(x), "median")):
        return routines.mean(x, axis, keepdims=keepdims)
    return quantile(x, 0.5, axis, keepdims=keepdims)


@answers(np.cov)
def cov(x: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    """The covariance matrix of variables that stand in the rows (or columns) of x, and of y."""
    if max(ndim_of(x), ndim_of(y)) > 2:
        raise ShapeError(f"cov: received shapes {shape_of(x)} and {shape_of(y)}, expected at most two axes.")
    rows, more = (reshape(a, (1, -1)) if ndim_of(a) < 2 else a for a in (x, () if y is None else y))
    if not rowvar:                             # NumPy turns a first matrix of one row, and not a second
        rows = matrix_transpose(rows) if ndim_of(x) == 2 else rows
        more = matrix_transpose(more) if shape_of(more)[0] != 1 else more
    both = rows if y is None else concatenate([rows, more], 0)
    centred = both - routines.mean(both, 1, keepdims=True)
    degrees = shape_of(both)[1] - (integer(ddof, "cov", "ddof") if ddof is not None else 0 if bias else 1)
    out = matmul(centred, matrix_transpose(centred)) / float(max(degrees, 0))
    return reshape(out, tuple(n for n in shape_of(out) if n != 1))


@answers(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """The correlation matrix of variables: covariances divided by the standard deviations."""
    c = cov(x, y, rowvar)
    if ndim_of(c) == 0:
        return c / c
    spread = record_op("sqrt", diagonal(c))
    return c / (reshape(spread, (-1, 1)) * reshape(spread, (1, -1)))


# ------------------------------------------------------------------------------ differences and interpolation
@answers(np.ediff1d)
def ediff1d(x: Any) -> Any:
    """Differences of neighbours of the flattened array."""
    return diff(ravel(x))


@answers(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Derivatives from samples along each axis, by central differences; `varargs` are spacings or coordinates."""
    ndim = ndim_of(f)
    axes = axes_of(axis, ndim, "gradient")
    spacings = list(varargs) if len(varargs) == len(axes) else [varargs[0] if varargs else 1.0] * len(axes)
    if len(varargs) not in (0, 1, len(axes)):
        raise ShapeError(f"gradient: received {len(varargs)} spacings for {len(axes)} axes, expected one for all, or one each.")
    found = [_gradient_along(f, h, at, edge_order) for at, h in zip(axes, spacings, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _gradient_along(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    n, ndim = shape_of(f)[axis], ndim_of(f)
    if edge_order not in (1, 2) or n <= edge_order:
        raise ShapeError(f"gradient: received {n} samples with edge_order={edge_order}, expected order 1 or 2 and more samples than that.")
    spacing = spacing if isinstance(spacing, Node) else as_numbers(spacing, "gradient", "varargs")
    if ndim_of(spacing) > 1 or shape_of(spacing) not in ((), (n,)):
        raise ShapeError(f"gradient: received coordinates of shape {shape_of(spacing)} for an axis of length {n}, expected as many, or one distance.")
    h: Any = diff(spacing) if ndim_of(spacing) else record_op("broadcast_to", spacing, shape=(n - 1,))
    h = h if isinstance(h, Node) else in_dtype_of(f, h)

    def part(start: int, stop: int | None) -> Any:
        return getitem(f, along(axis, slice(start, stop)))

    def edge(outer: Any, middle: Any, inner: Any, a: Any, b: Any) -> Any:
        if edge_order == 1:
            return (middle - outer) / a
        return outer * (-(2.0 * a + b) / (a * (a + b))) + middle * ((a + b) / (a * b)) - inner * (a / (b * (a + b)))

    a, b = (reshape(side, (-1,) + (1,) * (ndim - axis - 1)) for side in (h[:-1], h[1:]))
    centre = (
        part(2, None) * (a / (b * (a + b))) + part(1, n - 1) * ((b - a) / (a * b)) - part(0, n - 2) * (b / (a * (a + b)))
    )
    first = edge(part(0, 1), part(1, 2), part(2, 3), h[0], h[min(1, n - 2)])
    last = edge(part(n - 1, n), part(n - 2, n - 1), part(n - 3, n - 2), -h[-1], -h[max(-2, 1 - n)])
    return concatenate([first, centre, last], axis)


@answers(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral of samples by the trapezoidal rule."""
    at = axis_of(axis, ndim_of(y), "trapezoid")
    width = dx
    if x is not None:
        width = diff(x, axis=axis if ndim_of(x) > 1 else -1)
        if ndim_of(x) == 1:
            width = reshape(width, (-1,) + (1,) * (ndim_of(y) - at - 1))
    heights = getitem(y, along(at, slice(1, None))) + getitem(y, along(at, slice(None, -1)))
    return routines.sum(heights * width, at) / 2.0


@answers(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None) -> Any:
    """Piecewise linear interpolation through the points (xp, fp), at x; constant beyond the ends. xp must be increasing."""
    if period is not None:
        raise MissingRuleError("interp: period= has no rule here; reduce x with np.mod first.")
    points, knots = np.asarray(data_of(x)), np.asarray(data_of(xp))
    if knots.ndim != 1 or shape_of(fp) != knots.shape or len(knots) < 2:
        raise ShapeError(f"interp: received xp of shape {knots.shape} and fp of shape {shape_of(fp)}, expected vectors of one length, 2 or more.")
    i = np.clip(np.searchsorted(knots, points, side="right") - 1, 0, len(knots) - 2)
    x0, y0 = getitem(xp, i), getitem(fp, i)
    slope = (getitem(fp, i + 1) - y0) / (getitem(xp, i + 1) - x0)
    inside = y0 + slope * (x - x0)
    inside = where(points < knots[0], getitem(fp, 0) if left is None else left, inside)
    return where(points > knots[-1], getitem(fp, -1) if right is None else right, inside)


@answers(np.linspace)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, axis: int = 0) -> Any:
    """Evenly spaced numbers from start to stop, which may be arrays."""
    ndim = max(ndim_of(start), ndim_of(stop))
    share = np.reshape(np.linspace(0.0, 1.0, num, endpoint=endpoint), (-1,) + (1,) * ndim)
    share = in_dtype_of(start if isinstance(start, Node) else stop, share)
    return moveaxis(start * (1.0 - share) + stop * share, 0, axis)


# ------------------------------------------------------------------------------------- polynomials and filters
@answers(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """p₀xⁿ⁻¹ + … + pₙ₋₁, by Horner's rule."""
    out: Any = 0.0 if shape_of(p)[0] else record_op("mul", x, 0.0)
    for i in range(shape_of(p)[0]):
        out = out * x + getitem(p, i)
    return out


def _windows(x: Any, width: int) -> Any:
    """Every run of `width` neighbours, one a row."""
    return getitem(x, np.arange(shape_of(x)[0] - width + 1)[:, None] + np.arange(width))


@answers(np.convolve)
def convolve(x: Any, v: Any, mode: str = "full") -> Any:
    """Σⱼ xₖ₋ⱼ·vⱼ of two vectors: at every overlap ("full"), as many as the longer vector has elements ("same"), or complete overlaps ("valid")."""
    long, short = (x, v) if shape_of(x) >= shape_of(v) else (v, x)
    if ndim_of(x) != 1 or ndim_of(v) != 1 or not shape_of(short)[0]:
        raise ShapeError(f"convolve: received shapes {shape_of(x)} and {shape_of(v)}, expected two vectors, none of them empty.")
    n = shape_of(short)[0]
    borders = {"full": (n - 1, n - 1), "same": (n // 2, (n - 1) // 2), "valid": (0, 0)}
    if mode not in borders:
        raise OperandError(f"convolve: received mode={mode!r}, expected 'full', 'same' or 'valid'.")
    return matmul(_windows(pad(long, borders[mode]), n), flip(short))


@answers(np.correlate)
def correlate(x: Any, v: Any, mode: str = "valid") -> Any:
    """Σⱼ xₖ₊ⱼ·vⱼ of two vectors; modes as in convolve."""
    if shape_of(x) < shape_of(v):              # NumPy exchanges them, and turns the result round
        return flip(convolve(v, flip(x), mode))
    return convolve(x, flip(v), mode)
