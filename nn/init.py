"""Initialisers: arrays of random weights, each from an explicit random generator.

A layer's weights have shape (out, in, …). The scale keeps the variance of activations, and of gradients, about the same
from layer to layer: Glorot & Bengio (2010) for tanh and sigmoid, He et al. (2015) for ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from autograd_core.arguments import checked
from autograd_core.errors import OperandError, ShapeError

__all__ = [
    "GAINS",
    "Generator",
    "Shape",
    "constant",
    "fans",
    "kaiming_normal",
    "kaiming_uniform",
    "linear_default",
    "normal",
    "orthogonal",
    "resolve",
    "rng_of",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Shape = Annotated[int, 0] | tuple[Annotated[int, 0], ...]
Generator = np.random.Generator | int | None

GAINS: dict[str, float] = {
    "linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "leaky_relu": math.sqrt(2.0 / 1.0001),
}  # fmt: skip
"""By how much an activation shrinks its input: the factor that makes up for it (torch's `calculate_gain`)."""


def rng_of(rng: Any) -> np.random.Generator:
    """A generator from a generator, a seed, or None (fresh from the operating system)."""
    seed = isinstance(rng, (int, np.integer)) and not isinstance(rng, (bool, np.timedelta64)) and rng >= 0
    if rng is None or seed or isinstance(rng, np.random.Generator):
        return np.random.default_rng(rng)
    raise OperandError(
        f"rng: received {rng!r} of type {type(rng).__name__}, expected np.random.default_rng(seed), a seed (an integer of at least 0), or None."
    )


@checked
def fans(shape: Shape) -> tuple[int, int]:
    """(fan in, fan out): how many numbers go into one output, and how many outputs one input goes to.

    >>> fans((10, 64)), fans((8, 3, 5, 5))
    ((64, 10), (75, 200))
    """
    if isinstance(shape, (int, np.integer)) or len(shape) < 2:
        raise ShapeError(f"fans: received shape {shape}, expected at least (out, in).")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _uniform(who: str, rng: Any, low: float, high: float, shape: Shape) -> np.ndarray:
    if not low <= high < math.inf or math.isinf(high - low):
        raise OperandError(f"{who}: received bounds from {low} to {high}, expected finite numbers, the smaller one first.")
    return rng_of(rng).uniform(low, high, shape)


def _normal(who: str, rng: Any, mean: float, std: float, shape: Shape) -> np.ndarray:
    if not 0.0 <= std < math.inf:
        raise OperandError(f"{who}: received a standard deviation of {std}, expected a finite number of at least 0.")
    return rng_of(rng).normal(mean, std, shape)


@checked
def zeros(shape: Shape, *, rng: Generator = None) -> np.ndarray:
    """All zeros; only for biases, since equal neurons stay equal.

    >>> zeros((2,))
    array([0., 0.])
    """
    return np.zeros(shape)


@checked
def constant(shape: Shape, value: float = 0.0, *, rng: Generator = None) -> np.ndarray:
    """All the same number.

    >>> constant((2,), 0.5)
    array([0.5, 0.5])
    """
    return np.full(shape, float(value))


@checked
def uniform(shape: Shape, low: float = -1.0, high: float = 1.0, *, rng: Generator = None) -> np.ndarray:
    """Uniform in [low, high).

    >>> w = uniform((100,), 2.0, 3.0, rng=0)
    >>> bool((w >= 2.0).all() and (w < 3.0).all())
    True
    """
    return _uniform("uniform", rng, low, high, shape)


@checked
def normal(shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: Generator = None) -> np.ndarray:
    """Normal with a mean and a standard deviation.

    >>> round(float(normal((10000,), 2.0, 0.5, rng=0).std()), 2)
    0.5
    """
    return _normal("normal", rng, mean, std, shape)


@checked
def xavier_uniform(shape: Shape, gain: float = 1.0, *, rng: Generator = None) -> np.ndarray:
    """Uniform in ±gain·√(6 / (fan in + fan out)): for tanh and sigmoid (Glorot & Bengio 2010).

    >>> bool(np.abs(xavier_uniform((2, 4), rng=0)).max() <= 1.0)
    True
    """
    bound = gain * math.sqrt(6.0 / max(sum(fans(shape)), 1))
    return _uniform("xavier_uniform", rng, -bound, bound, shape)


@checked
def xavier_normal(shape: Shape, gain: float = 1.0, *, rng: Generator = None) -> np.ndarray:
    """Normal with the standard deviation gain·√(2 / (fan in + fan out)).

    >>> round(float(xavier_normal((100, 100), rng=0).std()), 2)
    0.1
    """
    return _normal("xavier_normal", rng, 0.0, gain * math.sqrt(2.0 / max(sum(fans(shape)), 1)), shape)


@checked
def kaiming_uniform(shape: Shape, gain: float = math.sqrt(2.0), *, rng: Generator = None) -> np.ndarray:
    """Uniform in ±gain·√(3 / fan in): for ReLU (He et al. 2015), whose gain is √2.

    >>> bool(np.abs(kaiming_uniform((2, 6), rng=0)).max() <= 1.0)
    True
    """
    bound = gain * math.sqrt(3.0 / max(fans(shape)[0], 1))
    return _uniform("kaiming_uniform", rng, -bound, bound, shape)


@checked
def kaiming_normal(shape: Shape, gain: float = math.sqrt(2.0), *, rng: Generator = None) -> np.ndarray:
    """Normal with the standard deviation gain / √(fan in).

    >>> round(float(kaiming_normal((100, 200), rng=0).std()), 2)
    0.1
    """
    return _normal("kaiming_normal", rng, 0.0, gain / math.sqrt(max(fans(shape)[0], 1)), shape)


@checked
def linear_default(shape: Shape, *, rng: Generator = None) -> np.ndarray:
    """Uniform in ±1/√(fan in): what torch's `Linear` starts from.

    >>> bool(np.abs(linear_default((3, 4), rng=0)).max() <= 0.5)
    True
    """
    return kaiming_uniform(shape, math.sqrt(1.0 / 3.0), rng=rng)


@checked
def orthogonal(shape: Shape, gain: float = 1.0, *, rng: Generator = None) -> np.ndarray:
    """A matrix with orthonormal rows (or columns), times a gain: for recurrent layers (Saxe et al. 2014).

    >>> q = orthogonal((2, 5), rng=0)
    >>> bool(np.allclose(q @ q.T, np.eye(2)))
    True
    """
    if isinstance(shape, (int, np.integer)) or not shape:
        raise ShapeError(f"orthogonal: received shape {shape}, expected at least one axis.")
    rows, columns = shape[0], math.prod(shape[1:])
    square = rng_of(rng).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(square)
    q = q * np.sign(np.diag(r))
    return gain * np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)


_BY_NAME: dict[str, Callable[..., np.ndarray]] = {
    f.__name__: f
    for f in (zeros, uniform, normal, xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal, linear_default, orthogonal)
}


@checked
def resolve(init: str | Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """An initialiser by its name, or the function itself.

    >>> resolve("zeros")((2,))
    array([0., 0.])
    """
    if callable(init):
        return init
    if init not in _BY_NAME:
        raise OperandError(f"init: received {init!r}, expected a function init(shape, rng=…) or one of {', '.join(sorted(_BY_NAME))}.")
    return _BY_NAME[init]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Raise an AttributeError that says how torch's initialisers are written here."""
        from .elsewhere import of_an_initialiser

        raise of_an_initialiser(name, __all__)
