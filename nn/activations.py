"""Activation functions, on numbers, arrays, `Value`s and `Tensor`s alike, and as modules; each with what a course says about it.

`ACTIVATIONS` is the table: formula, derivative, range, where the function is used, and its fault. The docstrings of the
functions and of the modules are made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import TABLE, Tensor, Value, record_innermost
from autograd_core.arguments import Count, DType, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError

from .module import Module

__all__ = [
    "ACTIVATIONS", "ELU", "GELU", "Activation", "Identity", "LeakyReLU", "PReLU", "ReLU", "SiLU", "Sigmoid", "Softmax",
    "Softplus", "Step", "Tanh", "activation_of", "elu", "gelu", "identity", "leaky_relu", "linear", "prelu", "relu",
    "sigmoid", "silu", "softmax", "softplus", "step", "swish", "tanh",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One activation function, with what there is to know about it."""

    name: str
    function: Callable[..., Any]
    formula: str
    derivative: str
    range: str
    use: str
    fault: str

    def __str__(self) -> str:
        """The facts, a line each."""
        return (
            f"{self.formula}\n\n"
            f"Derivative: {self.derivative}.\nRange: {self.range}.\nUsed: {self.use}.\nFault: {self.fault}."
        )


ACTIVATIONS: dict[str, Activation] = {}


def _declare(name: str, *facts: str) -> Callable[..., Any]:
    """The function of one row: the method of a `Value` or `Tensor`, or the engine's function for numbers and arrays."""
    general = getattr(ag, name)

    def function(x: Any, **params: Any) -> Any:
        return getattr(x, name)(**params) if isinstance(x, (Value, Tensor)) else general(x, **params)

    return _enter(name, function, *facts)


def _enter(name: str, function: Callable[..., Any], *facts: str) -> Callable[..., Any]:
    row = Activation(name=name, function=function, **dict(zip(("formula", "derivative", "range", "use", "fault"), facts, strict=True)))
    ACTIVATIONS[name] = row
    function.__name__ = function.__qualname__ = name
    function.__doc__ = str(row)
    return function


step = _declare(
    "step", "step(x) = 1 for x > 0, else 0 (Heaviside)", "0 everywhere (undefined at 0, taken as 0)", "{0, 1}",
    "Rosenblatt's perceptron", "no gradient at all, so gradient descent cannot train through it",
)  # fmt: skip
identity = _enter(
    "identity", lambda x: x, "linear(x) = x", "1", "(−∞, ∞)", "the output of a regression, and logits",
    "layers of it collapse into one linear map",
)  # fmt: skip
linear = identity
sigmoid = _declare(
    "sigmoid", "σ(x) = 1 / (1 + e⁻ˣ)", "σ(x)·(1 − σ(x)), at most ¼", "(0, 1)",
    "a probability at the output, and the gates of an LSTM",
    "its gradient vanishes where it saturates (|x| > 5), and it is not zero-centred",
)  # fmt: skip
tanh = _declare(
    "tanh", "tanh(x) = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)", "1 − tanh²(x), at most 1", "(−1, 1)",
    "hidden layers of small networks, and recurrent ones; zero-centred", "its gradient vanishes where it saturates (|x| > 3)",
)  # fmt: skip
relu = _declare(
    "relu", "relu(x) = max(0, x)", "1 for x > 0, else 0 (0 at the kink)", "[0, ∞)", "the usual choice in hidden layers; cheap, does not saturate for x > 0",
    "dying units: one whose input is always negative gets no gradient and never comes back; not zero-centred",
)  # fmt: skip
leaky_relu = _declare(
    "leaky_relu", "leaky_relu(x) = x for x > 0, else slope·x, with slope = 0.01", "1 for x > 0, else slope (slope at the kink)", "(−∞, ∞)",
    "in place of ReLU where units die", "the slope is one more number to choose",
)  # fmt: skip
elu = _declare(
    "elu", "elu(x) = x for x > 0, else α·(eˣ − 1), with α = 1", "1 for x > 0, else α·eˣ (α at the kink)", "(−α, ∞)",
    "hidden layers; means nearer to 0 than with ReLU", "an exponential, and it saturates for very negative x",
)  # fmt: skip
softplus = _declare(
    "softplus", "softplus(x) = ln(1 + eˣ)", "σ(x)", "(0, ∞)", "a smooth ReLU; positive outputs such as a scale",
    "more expensive than ReLU, and not zero-centred",
)  # fmt: skip
silu = _declare(
    "silu", "silu(x) = x·σ(x), also called swish", "σ(x) + x·σ(x)·(1 − σ(x))", "[−0.278…, ∞)",
    "deep networks; smooth, and not monotonic", "more expensive than ReLU",
)  # fmt: skip
swish = silu
gelu = _declare(
    "gelu", "gelu(x) = x·Φ(x), with Φ the distribution function of the standard normal", "Φ(x) + x·φ(x), with φ the density",
    "[−0.170…, ∞)", "transformers", "more expensive than ReLU",
)  # fmt: skip


def _prelu(x: Any, slope: Any) -> Any:
    return TABLE["where"](ag.step(x), x, slope * x)  # with a node as its condition: a lifted program decides anew


prelu = _enter(
    "prelu", _prelu, "prelu(x, a) = x for x > 0, else a·x, with a learnt slope a",
    "by x: 1 for x > 0, else a; by a: 0 for x > 0, else x", "(−∞, ∞)", "as leaky ReLU, with the slope found by training",
    "may overfit where data are few; weight decay pulls the slope to 0",
)  # fmt: skip


def _softmax(x: Any, axis: int = -1, **theirs: Any) -> Any:
    if isinstance(x, (list, tuple)) and any(isinstance(v, Value) for v in x):
        top = max(float(v.data) if isinstance(v, Value) else float(v) for v in x)
        exponentials = [ag.exp(v - top) for v in x]
        total = sum(exponentials[1:], start=exponentials[0])
        return [e / total for e in exponentials]
    return ag.softmax(x, axis, **theirs)  # type: ignore[attr-defined, unused-ignore]


softmax = _enter(
    "softmax", _softmax, "softmax(x)ᵢ = e^xᵢ / Σⱼ e^xⱼ, along an axis (or over a list of Values)", "∂softmaxᵢ/∂xⱼ = softmaxᵢ·(δᵢⱼ − softmaxⱼ)",
    "(0, 1), and the sum is 1", "probabilities of classes at the output", "saturates where one input is far ahead; train with cross_entropy on logits",
)  # fmt: skip


@checked
def activation_of(activation: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An activation by its name, or the function itself.

    >>> activation_of("relu")(-2.0)
    0.0
    """
    if callable(activation):
        return activation
    name = {"linear": "identity", "swish": "silu", "none": "identity"}.get(activation, activation)
    if name not in ACTIVATIONS or name in ("prelu", "softmax"):
        names = ", ".join(sorted(set(ACTIVATIONS) - {"prelu", "softmax"}))
        raise OperandError(f"activation: received {activation!r}, expected a function of one argument or one of {names}.")
    return ACTIVATIONS[name].function


# ------------------------------------------------------------------------------------------------ as modules
class _Elementwise(Module):
    """A function of each element as a module."""

    name = ""

    def __init_subclass__(cls, **options: Any) -> None:
        """The docstring of a module is that of its function."""
        super().__init_subclass__(**options)
        cls.__doc__ = f"{cls.__doc__ or cls.__name__}\n\n{ACTIVATIONS[cls.name]}"

    @checked
    def __init__(self) -> None:
        """No arguments."""

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {}

    def forward(self, x: Any) -> Any:
        """The function, of each element."""
        if x.__class__ is Tensor and self.name != "identity":
            return getattr(x, self.name)()
        return ACTIVATIONS[self.name].function(x)

    __call__ = record_innermost


class Step(_Elementwise):
    """The function `step` as a module."""

    name = "step"


class Identity(_Elementwise):
    """The function `identity` as a module."""

    name = "identity"


class Sigmoid(_Elementwise):
    """The function `sigmoid` as a module."""

    name = "sigmoid"


class Tanh(_Elementwise):
    """The function `tanh` as a module."""

    name = "tanh"


class ReLU(_Elementwise):
    """The function `relu` as a module."""

    name = "relu"


class SiLU(_Elementwise):
    """The function `silu` as a module."""

    name = "silu"


class GELU(_Elementwise):
    """The function `gelu` as a module."""

    name = "gelu"


class Softplus(_Elementwise):
    """The function `softplus` as a module."""

    name = "softplus"


class LeakyReLU(_Elementwise):
    """The function `leaky_relu` as a module."""

    name = "leaky_relu"

    @checked
    def __init__(self, slope: float = 0.01) -> None:
        """`slope` is the derivative for x ≤ 0 (torch's `negative_slope`)."""
        self.slope = float(slope)

    def forward(self, x: Any) -> Any:
        """The function, of each element."""
        return leaky_relu(x, slope=self.slope)

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"slope": self.slope}

    def extra_repr(self) -> str:
        """The slope."""
        return f"{self.slope:g}"


class ELU(_Elementwise):
    """The function `elu` as a module."""

    name = "elu"

    @checked
    def __init__(self, alpha: float = 1.0) -> None:
        """`alpha` is how far below 0 the function goes."""
        self.alpha = float(alpha)

    def forward(self, x: Any) -> Any:
        """The function, of each element."""
        return elu(x, alpha=self.alpha)

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"alpha": self.alpha}

    def extra_repr(self) -> str:
        """The parameter α."""
        return f"{self.alpha:g}"


class PReLU(_Elementwise):
    """The function `prelu` as a module."""

    name = "prelu"

    @checked
    def __init__(self, count: Count = 1, init: float = 0.25, *, dtype: DType = np.float64) -> None:
        """One slope for all (`count` 1), or one for each channel along axis 1."""
        self.weight = Tensor(np.full(count, float(init)), dtype=dtype, label="a")

    def forward(self, x: Any) -> Any:
        """The function, of each element."""
        x = x if isinstance(x, (Tensor, Value)) else as_numbers(x, "PReLU", "x")
        count, shape = self.weight.size, np.shape(x.data if isinstance(x, Tensor) else x)
        if count == 1:
            return prelu(x, self.weight if shape else self.weight.reshape(()))
        if len(shape) < 2 or shape[1] != count:
            raise ShapeError(f"PReLU: received shape {shape}, expected axis 1 of length {count}, the number of slopes.")
        return prelu(x, self.weight.reshape((count,) + (1,) * (len(shape) - 2)))

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"count": self.weight.size, "dtype": self.weight.dtype.name}

    def extra_repr(self) -> str:
        """The number of slopes."""
        return str(self.weight.size)


class Softmax(_Elementwise):
    """The function `softmax` as a module."""

    name = "softmax"

    @checked
    def __init__(self, axis: int = -1) -> None:
        """`axis` is the one that sums to 1 (torch's `dim`)."""
        self.axis = int(axis)

    def forward(self, x: Any) -> Any:
        """Probabilities along the axis."""
        return softmax(x, self.axis)

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"axis": self.axis}

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"
