"""Python floats that follow IEEE 754 as NumPy does: `log(0)` is -inf, `1/0` is inf, nothing raises.

`math` raises where IEEE has an answer. `quiet` runs the fast `math` function and only where that raises asks
NumPy, so the ordinary case costs one Python call and no check.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["as_numpy", "div", "power", "quiet", "sigmoid", "softplus"]


def as_numpy(function: Callable[..., Any], /, *operands: float, **params: Any) -> float:
    """The float that a NumPy function gives, without its warnings.

    >>> as_numpy(np.log, 0.0)
    -inf
    """
    with np.errstate(all="ignore"):
        return float(function(*map(np.float64, operands), **params))


def quiet(fast: Callable[..., float], array: Callable[..., Any]) -> Callable[..., float]:
    """`fast`, with the answer of `array` wherever `fast` raises.

    >>> quiet(math.exp, np.exp)(1000.0)
    inf
    """

    def kernel(*operands: float) -> float:
        try:
            return fast(*operands)
        except (ArithmeticError, ValueError):
            return as_numpy(array, *operands)

    return kernel


def div(x: float, y: float) -> float:
    """x / y, where x / 0 is ±inf or nan."""
    try:
        return x / y
    except ZeroDivisionError:
        return as_numpy(np.divide, x, y)


def power(x: float, y: float) -> float:
    """x ** y, where (-2) ** 0.5 is nan rather than complex, and overflow is inf."""
    try:
        return math.pow(x, y)
    except (ArithmeticError, ValueError):
        return as_numpy(np.power, x, y)


def sigmoid(x: float) -> float:
    """1 / (1 + e⁻ˣ), with no overflow on either side."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def softplus(x: float) -> float:
    """ln(1 + eˣ) = max(x, 0) + ln(1 + e^-|x|), with no overflow."""
    return (x if x > 0.0 else 0.0) + math.log1p(math.exp(-abs(x)))
