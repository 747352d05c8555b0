"""The elementwise entries of the rule book, one operation a row.

Each rule is `rule(m, out, *operands)` and reads like the formula in a textbook. Where a function has a kink, the rule
states the convention: relu'(0) = 0, |x|'(0) = 0, sign' = step' = 0, a tie in max or min shares the gradient evenly.

Sources: Abramowitz & Stegun, *Handbook of Mathematical Functions*, chapters 4, 6 and 7 for the derivatives; Goodfellow,
Bengio & Courville, *Deep Learning*, chapter 6 for the activations.
"""

from __future__ import annotations

import math
import operator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import maximum, ndarray

from . import ieee
from .ieee import quiet
from .op import NONZERO, POSITIVE, REAL, Interval, Op

__all__: list[str] = []

UNIT = Interval(-0.95, 0.95)
KINK = Interval(avoid=(0.0,))
LN2, LN10, PI = math.log(2.0), math.log(10.0), math.pi
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


def _power_slope(m: Any, x: Any, y: Any) -> Any:
    """y·x^(y − 1), and 0 where y is 0, whatever x is: for a plain exponent without a look at x."""
    if isinstance(y, (float, int)):
        return y * m.power(x, y - 1.0) if y != 0.0 else 0.0
    slope = y * m.power(x, y - 1.0)
    return m.where((y == 0.0) & (slope != slope), 0.0, slope)


def _difference(x: Any, y: Any) -> Any:
    return x - y


def _whole_quotient(x: Any, y: Any) -> Any:
    """0 where x is a multiple of y: there the quotient jumps."""
    return np.sin(PI * np.divide(x, y))


_MANY = 2**18


@lru_cache(maxsize=2)
def _zero_line(kind: str) -> Any:
    line = np.zeros(_MANY, kind)
    line.flags.writeable = False
    return line


@lru_cache(maxsize=256)
def _zero_array(shape: tuple[int, ...], kind: str) -> Any:
    return _zero_line(kind)[: math.prod(shape)].reshape(shape)


def _relu(x: Any) -> Any:
    """max(0, x). NumPy vectorises the maximum of two arrays, but not that of an array and a number."""
    if x.__class__ is ndarray and x.size <= _MANY:
        kind = x.dtype.char
        if kind in "df":
            return maximum(x, _zero_array(x.shape, kind))
    return maximum(x, 0.0)


# ---------------------------------------------------------------------------------------------- arithmetic
Op(name="add", dunder="add", symbol="+", latex="{0} + {1}", scalar=operator.add, array=np.add,
   domain=(REAL, REAL), doc="x + y.",
   d=(lambda m, out, x, y: 1.0,
      lambda m, out, x, y: 1.0))
Op(name="sub", dunder="sub", symbol="−", latex="{0} - {1}", scalar=operator.sub, array=np.subtract,
   domain=(REAL, REAL), doc="x − y.",
   d=(lambda m, out, x, y: 1.0,
      lambda m, out, x, y: -1.0))
Op(name="mul", dunder="mul", symbol="×", latex=r"{0}\,{1}", scalar=operator.mul, array=np.multiply, linear=True,
   domain=(REAL, REAL), doc="x · y.",
   d=(lambda m, out, x, y: y,
      lambda m, out, x, y: x))
Op(name="div", dunder="truediv", symbol="÷", latex=r"\frac{{{0}}}{{{1}}}", scalar=ieee.div, array=np.divide,
   domain=(REAL, Interval(0.3, 4.0)), doc="x / y; x / 0 is ±inf or nan.",
   d=(lambda m, out, x, y: 1.0 / y,
      lambda m, out, x, y: -out / y))
Op(name="power", dunder="pow", symbol="^", latex="{0}^{{{1}}}", scalar=ieee.power, array=operator.pow,
   domain=(POSITIVE, REAL), numpy=(np.power, np.float_power),
   doc="xʸ; nan for a negative x and a fractional y. x⁰ has derivative 0, and ∂/∂y at x = 0 is 0 for y ≥ 0.",
   d=(lambda m, out, x, y: _power_slope(m, x, y),
      lambda m, out, x, y: m.where((x == 0.0) & (y >= 0.0), 0.0, out * m.log(x))))
Op(name="mod", dunder="mod", symbol="mod", text="{0} mod {1}", latex=r"{0} \bmod {1}", scalar=quiet(operator.mod, np.mod),
   array=np.mod, domain=(REAL, Interval(0.5, 2.0)), kinks=_whole_quotient,
   doc="The remainder of x / y, with the sign of y; nan for y = 0. The derivative is that between the jumps.",
   d=(lambda m, out, x, y: 1.0,
      lambda m, out, x, y: -m.floor_divide(x, y)))
Op(name="fmod", latex=r"\operatorname{{fmod}}\left({0}, {1}\right)", scalar=quiet(math.fmod, np.fmod), array=np.fmod,
   domain=(REAL, Interval(0.5, 2.0)), kinks=_whole_quotient,
   doc="The remainder of x / y, with the sign of x; nan for y = 0. The derivative is that between the jumps.",
   d=(lambda m, out, x, y: 1.0,
      lambda m, out, x, y: -m.rint((x - out) / y)))     # trunc(x / y), whose quotient may round up to the next integer
Op(name="floor_divide", dunder="floordiv", symbol="⌊÷⌋", text="⌊{0} / {1}⌋", latex=r"\left\lfloor \frac{{{0}}}{{{1}}} \right\rfloor",
   scalar=quiet(operator.floordiv, np.floor_divide), array=np.floor_divide, selects=True, domain=(REAL, Interval(0.5, 2.0)),
   kinks=_whole_quotient, doc="The largest integer not above x / y; its derivative is 0.",
   d=(lambda m, out, x, y: 0.0,
      lambda m, out, x, y: 0.0))
Op(name="neg", dunder="neg", symbol="−", latex="-{0}", scalar=operator.neg, array=np.negative, linear=True,
   domain=(REAL,), doc="−x.", d=(lambda m, out, x: -1.0,))
Op(name="identity", symbol="=", text="{0}", latex="{0}", scalar=lambda x: x, array=np.copy, linear=True,
   domain=(REAL,), doc="x itself: another name for the same number.", d=(lambda m, out, x: 1.0,))
Op(name="abs", dunder="abs", symbol="|·|", text="|{0}|", latex=r"\left|{0}\right|", scalar=abs, array=np.absolute,
   domain=(KINK,), doc="|x|; its derivative at 0 is 0.", d=(lambda m, out, x: m.sign(x),))
Op(name="sign", selects=True, scalar=lambda x: x if x != x else (x > 0.0) - (x < 0.0) + 0.0, array=np.sign, domain=(KINK,),
   doc="−1, 0 or 1; its derivative is 0.", d=(lambda m, out, x: 0.0,))
Op(name="reciprocal", text="1/{0}", latex=r"\frac{{1}}{{{0}}}", scalar=lambda x: ieee.div(1.0, x), array=np.reciprocal,
   domain=(Interval(0.3, 4.0),), doc="1 / x.", d=(lambda m, out, x: -out * out,))
Op(name="square", symbol="²", text="{0}²", latex="{0}^{{2}}", scalar=lambda x: x * x, array=np.square, domain=(REAL,),
   doc="x².", d=(lambda m, out, x: 2.0 * x,))
Op(name="sqrt", symbol="√", text="√{0}", latex=r"\sqrt{{{0}}}", scalar=quiet(math.sqrt, np.sqrt), array=np.sqrt,
   domain=(POSITIVE,), doc="√x; nan for x < 0, infinite derivative at 0.", d=(lambda m, out, x: 0.5 / out,))
Op(name="cbrt", symbol="∛", text="∛{0}", latex=r"\sqrt[3]{{{0}}}", scalar=quiet(math.cbrt, np.cbrt), array=np.cbrt,
   domain=(NONZERO,), doc="The real cube root of x.", d=(lambda m, out, x: 1.0 / (3.0 * out * out),))
Op(name="hypot", latex=r"\sqrt{{{0}^2 + {1}^2}}", scalar=quiet(math.hypot, np.hypot), array=np.hypot,
   domain=(POSITIVE, REAL), doc="√(x² + y²); its derivative at the origin is 0.",
   d=(lambda m, out, x, y: m.where(out == 0.0, 0.0, x / m.where(out == 0.0, 1.0, out)),
      lambda m, out, x, y: m.where(out == 0.0, 0.0, y / m.where(out == 0.0, 1.0, out))))

# -------------------------------------------------------------------------------- exponentials and logarithms
Op(name="exp", latex="e^{{{0}}}", scalar=quiet(math.exp, np.exp), array=np.exp, domain=(REAL,), doc="eˣ.",
   d=(lambda m, out, x: out,))
Op(name="exp2", text="2^{0}", latex="2^{{{0}}}", scalar=quiet(lambda x: math.pow(2.0, x), np.exp2), array=np.exp2,
   domain=(REAL,), doc="2ˣ.", d=(lambda m, out, x: LN2 * out,))
Op(name="expm1", scalar=quiet(math.expm1, np.expm1), array=np.expm1, domain=(REAL,), doc="eˣ − 1, exact near 0.",
   d=(lambda m, out, x: m.exp(x),))
Op(name="log", symbol="ln", latex=r"\ln\left({0}\right)", scalar=quiet(math.log, np.log), array=np.log,
   domain=(POSITIVE,), doc="The natural logarithm; −inf at 0, nan below.", d=(lambda m, out, x: 1.0 / x,))
Op(name="log2", scalar=quiet(math.log2, np.log2), array=np.log2, domain=(POSITIVE,), doc="The logarithm to base 2.",
   d=(lambda m, out, x: 1.0 / (LN2 * x),))
Op(name="log10", scalar=quiet(math.log10, np.log10), array=np.log10, domain=(POSITIVE,),
   doc="The logarithm to base 10.", d=(lambda m, out, x: 1.0 / (LN10 * x),))
Op(name="log1p", latex=r"\ln\left(1 + {0}\right)", scalar=quiet(math.log1p, np.log1p), array=np.log1p,
   domain=(Interval(-0.9, 4.0),), doc="ln(1 + x), exact near 0.", d=(lambda m, out, x: 1.0 / (1.0 + x),))
Op(name="logaddexp", latex=r"\ln\left(e^{{{0}}} + e^{{{1}}}\right)", array=np.logaddexp, domain=(REAL, REAL),
   doc="ln(eˣ + eʸ), with no overflow.",
   d=(lambda m, out, x, y: m.sigmoid(m.gap(x, y)),
      lambda m, out, x, y: m.sigmoid(m.gap(y, x))))
Op(name="gap", text="{0} − {1}", latex="{0} - {1}", array=lambda x, y: np.subtract(x, y, where=x != y, out=_zeros(x, y)),
   scalar=lambda x, y: 0.0 if x == y else x - y, domain=(REAL, REAL),
   doc="x − y, and 0 where x = y even if both are infinite.",
   d=(lambda m, out, x, y: 1.0,
      lambda m, out, x, y: -1.0))

# ------------------------------------------------------------------------------------------- trigonometry
Op(name="sin", latex=r"\sin\left({0}\right)", scalar=quiet(math.sin, np.sin), array=np.sin, domain=(REAL,),
   doc="The sine of x radians.", d=(lambda m, out, x: m.cos(x),))
Op(name="cos", latex=r"\cos\left({0}\right)", scalar=quiet(math.cos, np.cos), array=np.cos, domain=(REAL,),
   doc="The cosine of x radians.", d=(lambda m, out, x: -m.sin(x),))
Op(name="tan", latex=r"\tan\left({0}\right)", scalar=quiet(math.tan, np.tan), array=np.tan,
   domain=(Interval(-1.3, 1.3),), doc="The tangent of x radians.", d=(lambda m, out, x: 1.0 + m.square(out),))
Op(name="arcsin", latex=r"\arcsin\left({0}\right)", scalar=quiet(math.asin, np.arcsin), array=np.arcsin,
   domain=(UNIT,), doc="The angle in [−π/2, π/2] whose sine is x.",
   d=(lambda m, out, x: 1.0 / m.sqrt((1.0 - x) * (1.0 + x)),))
Op(name="arccos", latex=r"\arccos\left({0}\right)", scalar=quiet(math.acos, np.arccos), array=np.arccos,
   domain=(UNIT,), doc="The angle in [0, π] whose cosine is x.",
   d=(lambda m, out, x: -1.0 / m.sqrt((1.0 - x) * (1.0 + x)),))
Op(name="arctan", latex=r"\arctan\left({0}\right)", scalar=math.atan, array=np.arctan, domain=(REAL,),
   doc="The angle in (−π/2, π/2) whose tangent is x.", d=(lambda m, out, x: 1.0 / (1.0 + m.square(x)),))
Op(name="arctan2", scalar=math.atan2, array=np.arctan2, domain=(POSITIVE, NONZERO),
   doc="The angle of the point (y, x): the first operand is the ordinate.",
   d=(lambda m, out, y, x: x / (m.square(x) + m.square(y)),
      lambda m, out, y, x: -y / (m.square(x) + m.square(y))))
Op(name="sinc", latex=r"\operatorname{{sinc}}\left({0}\right)", array=np.sinc, domain=(REAL,),
   scalar=lambda x: 1.0 if x == 0.0 else quiet(math.sin, np.sin)(PI * x) / (PI * x),
   doc="sin(πx) / (πx), and 1 at 0.", d=(lambda m, out, x: _sinc_slope(m, out, x),))

Op(name="deg2rad", scalar=math.radians, array=np.deg2rad, domain=(REAL,), doc="Degrees as radians, πx / 180.",
   numpy=(np.deg2rad, np.radians), d=(lambda m, out, x: PI / 180.0,))

# ----------------------------------------------------------------------------------------------- hyperbolic
Op(name="sinh", latex=r"\sinh\left({0}\right)", scalar=quiet(math.sinh, np.sinh), array=np.sinh, domain=(REAL,),
   doc="(eˣ − e⁻ˣ) / 2.", d=(lambda m, out, x: m.cosh(x),))
Op(name="cosh", latex=r"\cosh\left({0}\right)", scalar=quiet(math.cosh, np.cosh), array=np.cosh, domain=(REAL,),
   doc="(eˣ + e⁻ˣ) / 2.", d=(lambda m, out, x: m.sinh(x),))
Op(name="tanh", latex=r"\tanh\left({0}\right)", scalar=math.tanh, array=np.tanh, domain=(REAL,),
   doc="The hyperbolic tangent, an activation in (−1, 1).", d=(lambda m, out, x: 1.0 - m.square(out),))
Op(name="arcsinh", scalar=math.asinh, array=np.arcsinh, domain=(REAL,), doc="The inverse of sinh.",
   d=(lambda m, out, x: 1.0 / m.hypot(1.0, x),))
Op(name="arccosh", scalar=quiet(math.acosh, np.arccosh), array=np.arccosh, domain=(Interval(1.1, 4.0),),
   doc="The inverse of cosh on [1, ∞).", d=(lambda m, out, x: 1.0 / (m.sqrt(x - 1.0) * m.sqrt(x + 1.0)),))
Op(name="arctanh", scalar=quiet(math.atanh, np.arctanh), array=np.arctanh, domain=(UNIT,),
   doc="The inverse of tanh on (−1, 1).", d=(lambda m, out, x: 1.0 / ((1.0 - x) * (1.0 + x)),))

# ------------------------------------------------------------------------------------ choosing between branches
Op(name="maximum", selects=True, latex=r"\max\left({0}, {1}\right)", array=np.maximum, domain=(REAL, REAL),
   scalar=lambda x, y: x if x > y or x != x else y, kinks=_difference,
   doc="The larger of x and y; a tie shares the gradient evenly.",
   d=(lambda m, out, x, y: m.where(x > y, 1.0, m.where(x == y, 0.5, 0.0)),
      lambda m, out, x, y: m.where(y > x, 1.0, m.where(x == y, 0.5, 0.0))))
Op(name="minimum", selects=True, latex=r"\min\left({0}, {1}\right)", array=np.minimum, domain=(REAL, REAL),
   scalar=lambda x, y: x if x < y or x != x else y, kinks=_difference,
   doc="The smaller of x and y; a tie shares the gradient evenly.",
   d=(lambda m, out, x, y: m.where(x < y, 1.0, m.where(x == y, 0.5, 0.0)),
      lambda m, out, x, y: m.where(y < x, 1.0, m.where(x == y, 0.5, 0.0))))
Op(name="where", selects=True, array=np.where, scalar=lambda condition, x, y: x if condition else y,
   doc="x where the condition holds, else y; the branch that is not taken contributes exactly 0.",
   domain=(Interval(0.0, 1.0, avoid=(0.0, 1.0)), REAL, REAL),
   d=(None,
      lambda m, out, condition, x, y: m.where(condition, 1.0, 0.0),
      lambda m, out, condition, x, y: m.where(condition, 0.0, 1.0)))
Op(name="clip", selects=True, array=lambda x, *, min=-math.inf, max=math.inf: np.clip(x, min, max),
   scalar=lambda x, *, min=-math.inf, max=math.inf: max if x > max or (min > max and x == x) else min if x < min else x, domain=(REAL,),
   numpy=(), doc="x held between `min` and `max`; the derivative is 1 at the bounds.",
   d=(lambda m, out, x, *, min=-math.inf, max=math.inf: m.mask((x >= min) & (x <= max), x),))
Op(name="step", selects=True, array=lambda x: np.asarray(np.where(x != x, x, np.greater(x, 0.0)), np.asarray(x).dtype),
   scalar=lambda x: x if x != x else 1.0 if x > 0.0 else 0.0, domain=(KINK,),
   doc="The Heaviside step: 1 for x > 0, else 0; its derivative is 0.", d=(lambda m, out, x: 0.0,))
for _name, _array, _doc in (
    ("floor", np.floor, "The largest integer not above x; its derivative is 0."),
    ("ceil", np.ceil, "The smallest integer not below x; its derivative is 0."),
    ("rint", np.rint, "The nearest integer, halves to even; its derivative is 0."),
    ("trunc", np.trunc, "x without its fractional part; its derivative is 0."),
):
    Op(name=_name, selects=True, array=_array, doc=_doc, domain=(Interval(0.1, 0.4),), d=(lambda m, out, x: 0.0,))

# ------------------------------------------------------------------------------------------------ activations
Op(name="sigmoid", symbol="σ", text="σ({0})", latex=r"\sigma\left({0}\right)", scalar=ieee.sigmoid,
   array=lambda x: _sigmoid(x), domain=(REAL,), doc="1 / (1 + e⁻ˣ), an activation in (0, 1); exact at ±1000.",
   d=(lambda m, out, x: out * (1.0 - out),))
Op(name="relu", selects=True, symbol="ReLU", latex=r"\max\left(0, {0}\right)", array=_relu,
   scalar=lambda x: 0.0 if x <= 0.0 else x, domain=(KINK,), doc="max(0, x); its derivative at 0 is 0.",
   d=(lambda m, out, x: m.mask(x > 0.0, x),))
Op(name="leaky_relu", symbol="leaky ReLU", domain=(KINK,),
   scalar=lambda x, *, slope=0.01: slope * x if x <= 0.0 else x,
   array=lambda x, *, slope=0.01: _leaky_relu(x, slope),
   doc="x for x > 0, else slope · x; at 0 it takes the left side.",
   d=(lambda m, out, x, *, slope=0.01: m.where(x > 0.0, 1.0, slope),))
Op(name="elu", symbol="ELU", domain=(KINK,),
   scalar=lambda x, *, alpha=1.0: alpha * math.expm1(x) if x <= 0.0 else x,
   array=lambda x, *, alpha=1.0: np.where(x <= 0.0, alpha * np.expm1(np.minimum(x, 0.0)), x),
   doc="x for x > 0, else α(eˣ − 1); at 0 it takes the left side.",
   d=(lambda m, out, x, *, alpha=1.0: m.where(x > 0.0, 1.0, alpha * m.exp(m.minimum(x, 0.0))),))
Op(name="softplus", latex=r"\ln\left(1 + e^{{{0}}}\right)", scalar=ieee.softplus,
   array=lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), domain=(REAL,),
   doc="ln(1 + eˣ), a smooth ReLU; exact at ±1000.", d=(lambda m, out, x: m.sigmoid(x),))
Op(name="silu", symbol="SiLU", text="silu({0})", latex=r"{0}\,\sigma\left({0}\right)",
   scalar=lambda x: x * ieee.sigmoid(x) if x != -math.inf else 0.0,
   array=lambda x: np.where(np.isneginf(x), 0.0, x).astype(np.asarray(x).dtype) * _sigmoid(x), domain=(REAL,),
   doc="x · σ(x), also called swish.", d=(lambda m, out, x: m.sigmoid(x) + out * (1.0 - m.sigmoid(x)),))
Op(name="erf", latex=r"\operatorname{{erf}}\left({0}\right)", scalar=math.erf, array=lambda x: _erf(x), domain=(REAL,),
   doc="The error function 2/√π ∫₀ˣ e^(−t²) dt.",
   d=(lambda m, out, x: TWO_OVER_SQRT_PI * m.exp(-m.square(x)),))
Op(name="erfc", latex=r"\operatorname{{erfc}}\left({0}\right)", scalar=math.erfc, array=lambda x: _erf(x, "erfc"),
   domain=(REAL,), doc="1 − erf(x), exact where that cancels.",
   d=(lambda m, out, x: -TWO_OVER_SQRT_PI * m.exp(-m.square(x)),))
Op(name="gelu", symbol="GELU", latex=r"{0}\,\Phi\left({0}\right)", domain=(REAL,),
   scalar=lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2.0)) if x != -math.inf else 0.0,
   array=lambda x: 0.5 * np.where(np.isneginf(x), 0.0, x).astype(np.asarray(x).dtype) * _erf(-x / math.sqrt(2.0), "erfc"),
   doc="x · Φ(x), with Φ the distribution function of the standard normal.",
   d=(lambda m, out, x: 0.5 * m.erfc(-x / math.sqrt(2.0))
      + x * m.exp(-0.5 * m.square(x)) / math.sqrt(2.0 * PI),))

# ---------------------------------------------------------------------------------- the weighted sum of a neuron
Op(name="weighted_sum", symbol="Σ", text="Σ wᵢxᵢ + b", latex=r"\sum_i w_i x_i + b", variadic=True,
   scalar=lambda *v: _weighted_sum(v), array=lambda *v: _weighted_sum(v), numpy=(),
   doc="Σ wᵢ·xᵢ + b in one node; operands w₁ … wₙ, x₁ … xₙ, b.",
   d=(lambda m, out, *v: (*v[len(v) // 2 : -1], *v[: len(v) // 2], 1.0),))


# ------------------------------------------------------------- kernels that take more than a line to be exact
def _weighted_sum(v: tuple[Any, ...]) -> Any:
    half = len(v) // 2
    return sum(map(operator.mul, v, v[half:-1]), v[-1])   # map ends with the shorter one


def _zeros(x: Any, y: Any) -> Any:
    return np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.maximum(e, np.greater_equal(x, 0.0)) / (1.0 + e)      # e where x is negative, else 1: quicker than `where`


def _leaky_relu(x: Any, slope: float) -> Any:
    if isinstance(slope, float) and 1e-6 < slope <= 1.0:   # the usual case is quicker so (less would be 0 as a half, and 0 · ∞ nan)
        return np.maximum(x, slope * x)
    return np.where(x <= 0.0, slope * x, x)


def _erf(x: Any, name: str = "erf") -> Any:
    """SciPy's where it is installed, else the C library's element by element; both are right to the last place."""
    if name not in _kernels:
        try:
            from scipy import special  # type: ignore[import-untyped, import-not-found, unused-ignore]

            _kernels[name] = getattr(special, name)
        except ImportError:
            _kernels[name] = np.vectorize(getattr(math, name), otypes=[np.float64])
    return np.asarray(_kernels[name](x), dtype=np.result_type(x, np.float16))


_kernels: dict[str, Any] = {}


def _sinc_slope(m: Any, out: Any, x: Any) -> Any:
    """(cos πx − sinc x) / x, which cancels near 0: there, eight terms of the Taylor series."""
    near = m.abs(x) < 0.1
    series: Any = 0.0
    for k in range(8, 0, -1):
        series = series * m.square(x) + 2 * k * (-1.0) ** k * PI ** (2 * k) / math.factorial(2 * k + 1)
    far = m.where(near, 1.0, x)
    return m.where(near, series * x, (m.cos(PI * far) - m.sinc(far)) / far)


def _strong(g: Any, local: Any) -> Any:
    return np.where(np.equal(g, 0.0), 0.0, np.multiply(g, local))


Op(name="strong_mul", selects=True, symbol="×", latex=r"{0}\,{1}", numpy=(), domain=(REAL, REAL), array=_strong,
   scalar=lambda g, local: 0.0 if g == 0.0 else g * local,
   doc="g · local, and 0 where g is 0 even if the other is inf or nan: the product of a branch that was not taken.",
   d=(lambda m, out, g, local: m.where((g != 0.0) | (abs(local) < math.inf), local, 0.0),
      lambda m, out, g, local: g))
