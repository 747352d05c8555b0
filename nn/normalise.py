"""Normalisation: `BatchNorm1d` and `BatchNorm2d` over the batch, `LayerNorm` over the features of each sample."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

import autograd_core as ag
from autograd_core import Tensor
from autograd_core.arguments import Count, DType, checked
from autograd_core.errors import OperandError, ShapeError

from .layers import shape_of
from .module import Module
from .optimizer import bounded

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


def _moments(x: Tensor, axes: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The mean μ over axes, x − μ, and the variance, which is the mean of (x − μ)²."""
    mean = x.mean(axis=axes, keepdims=True)
    centred = x - mean
    return mean, centred, ag.square(centred).mean(axis=axes, keepdims=True)


class BatchNorm1d(Module):
    """γ·(x − μ) / √(σ² + ε) + β per feature, with μ, σ² of the batch in training and running averages in `eval()`.

    Inputs have shape (n, features) or (n, features, length). Ioffe & Szegedy (2015); torch's names, defaults and updates.

    Example:
        >>> norm = BatchNorm1d(2)
        >>> out = norm(np.array([[1.0, 10.0], [3.0, 30.0]]))
        >>> np.round(out.data, 3).tolist(), norm.running_mean.tolist()
        ([[-1.0, -1.0], [1.0, 1.0]], [0.2, 2.0])
    """

    buffers = ("running_mean", "running_var", "num_batches_tracked")
    shapes: ClassVar[dict[int, str]] = {2: "(n, {0})", 3: "(n, {0}, length)"}
    """The shapes of inputs, by their number of axes."""

    @checked
    def __init__(self, features: Count, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, dtype: DType = np.float64) -> None:
        """γ = 1, β = 0; `momentum` is the share of the newest batch in the running averages."""
        features = int(features)
        self.weight = Tensor(np.ones(features), dtype=dtype, label="γ") if affine else None
        self.bias = Tensor(np.zeros(features), dtype=dtype, label="β") if affine else None
        self.running_mean: Any = np.zeros(features, dtype=dtype)
        self.running_var: Any = np.ones(features, dtype=dtype)
        self.num_batches_tracked: Any = np.array(0)
        self.features = features
        self.eps = float(bounded(f"{type(self).__name__}: eps", eps))
        self.momentum = float(bounded(f"{type(self).__name__}: momentum", momentum, 0.0, 1.0))

    def forward(self, x: Any) -> Any:
        """The batch, each feature with mean 0 and variance 1, then scaled and shifted."""
        shape, who = shape_of(x), type(self).__name__
        if len(shape) not in self.shapes or shape[1] != self.features:
            raise ShapeError(f"{who}: received shape {shape}, expected {' or '.join(self.shapes.values()).format(self.features)}.")
        axes: Any = 0 if len(shape) == 2 else (0, *range(2, len(shape)))
        side = (self.features,) + (1,) * (len(shape) - 2)
        x = x if isinstance(x, Tensor) else Tensor(x, requires_grad=False)
        if self.training:
            count = x.size // self.features
            if count < 2:
                raise ShapeError(
                    f"{who}: received {count} value per feature in training, expected at least 2; use eval() for single samples, "
                    "and fit(drop_last=True) where the last batch is one."
                )
            mean, centred, var = _moments(x, axes)
            self._follow(mean.data.reshape(-1), var.data.reshape(-1) * (count / (count - 1)))
        else:
            centred, var = x - self.running_mean.reshape(side), self.running_var.reshape(side)
        out = centred / ag.sqrt(var + self.eps)
        if self.weight is None or self.bias is None:
            return out
        weight, bias = (self.weight, self.bias) if len(shape) == 2 else (self.weight.reshape(side), self.bias.reshape(side))
        return out * weight + bias

    def _follow(self, mean: np.ndarray, var: np.ndarray) -> None:
        """Move the running averages a step towards the batch."""
        kind = self.running_mean.dtype         # a batch of float64 leaves averages of float32 what they are
        self.running_mean = ((1.0 - self.momentum) * self.running_mean + self.momentum * mean).astype(kind)
        self.running_var = ((1.0 - self.momentum) * self.running_var + self.momentum * var).astype(kind)
        self.num_batches_tracked = self.num_batches_tracked + 1

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {
            "features": self.features, "eps": self.eps, "momentum": self.momentum, "affine": self.weight is not None,
            "dtype": self.running_mean.dtype.name,
        }  # fmt: skip

    def extra_repr(self) -> str:
        """The number of features."""
        return str(self.features)


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` of images: each channel of inputs of shape (n, features, height, width), with μ, σ² over batch and places.

    Example:
        >>> norm = BatchNorm2d(1)
        >>> norm(np.array([[[[1.0, 3.0]]]])).data.round(3).tolist(), norm.running_mean.tolist()
        ([[[[-1.0, 1.0]]]], [0.2])
    """

    shapes: ClassVar[dict[int, str]] = {4: "(n, {0}, height, width)"}


class LayerNorm(Module):
    """γ·(x − μ) / √(σ² + ε) + β with μ, σ² over the last axes of each sample (Ba, Kiros & Hinton 2016).

    Example:
        >>> np.round(LayerNorm(2)(np.array([[1.0, 3.0]])).data, 3).tolist()
        [[-1.0, 1.0]]
    """

    @checked
    def __init__(self, shape: int | tuple[int, ...], *, eps: float = 1e-5, dtype: DType = np.float64) -> None:
        """`shape` is that of the last axes."""
        self.shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
        if not self.shape or min(self.shape) < 1:
            raise OperandError(f"LayerNorm: received shape {shape!r}, expected the lengths of the last axes.")
        self.eps = float(bounded("LayerNorm: eps", eps))
        self.weight = Tensor(np.ones(self.shape), dtype=dtype, label="γ")
        self.bias = Tensor(np.zeros(self.shape), dtype=dtype, label="β")

    def forward(self, x: Any) -> Any:
        """Each sample, with mean 0 and variance 1, then scaled and shifted."""
        given = shape_of(x)
        if given[-len(self.shape) :] != self.shape:
            raise ShapeError(f"LayerNorm: received shape {given}, expected the last axes to be {self.shape}.")
        axes = tuple(range(-len(self.shape), 0))
        x = x if isinstance(x, Tensor) else Tensor(x, requires_grad=False)
        _, centred, var = _moments(x, axes)
        out = centred / ag.sqrt(var + self.eps)
        return out * self.weight + self.bias

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"shape": list(self.shape), "eps": self.eps, "dtype": self.weight.dtype.name}

    def extra_repr(self) -> str:
        """The shape, and the number of features in it."""
        return f"{self.shape[0] if len(self.shape) == 1 else self.shape}" + (f" = {math.prod(self.shape)}" if len(self.shape) > 1 else "")
