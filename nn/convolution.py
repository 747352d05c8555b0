"""`Conv2d`, `MaxPool2d` and `AvgPool2d`: every window of an image laid out as a column (im2col), then one matrix product.

`windows` cuts the windows out, and its adjoint `fold` adds every window back to where it came from. Both are entries of the rule
book, each the other's derivative, so convolution has derivatives of any order. The axes within a window come before those that
count the windows, so that both run along the rows of the image, in the order of memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from autograd_core import TABLE, Op, Tensor
from autograd_core.arguments import Count, DType, checked
from autograd_core.errors import OperandError, ShapeError

from .init import Generator, linear_default, resolve, rng_of
from .layers import shape_of
from .module import Module

__all__ = ["AvgPool2d", "Conv2d", "MaxPool2d"]

Pair = tuple[int, int]


def _windows(x: Any, *, size: Pair, stride: Pair) -> Any:
    """(…, h, w) as (…, size[0], size[1], rows, columns)."""
    view = np.lib.stride_tricks.sliding_window_view(x, size, axis=(-2, -1))[..., :: stride[0], :: stride[1], :, :]
    return np.ascontiguousarray(view.swapaxes(-4, -2).swapaxes(-3, -1))


def _fold(g: Any, *, shape: tuple[int, ...], size: Pair, stride: Pair) -> Any:
    """Every window added back to its place in an image of the given shape."""
    out = np.zeros(shape, g.dtype)
    rows, columns = g.shape[-2:]
    for i in range(size[0]):
        for j in range(size[1]):
            out[..., i : i + stride[0] * rows : stride[0], j : j + stride[1] * columns : stride[1]] += g[..., i, j, :, :]
    return out


def _samples(rng: Any) -> list[Any]:
    return [((rng.normal(size=(2, 1, 4, 5)),), {"size": s, "stride": t}) for s, t in (((2, 2), (1, 1)), ((2, 3), (2, 1)))]


def _fold_samples(rng: Any) -> list[Any]:
    return [
        ((rng.normal(size=_windows(x, **p).shape),), {"shape": x.shape, **p}) for (x,), p in _samples(rng)
    ]


if "windows" not in TABLE:
    Op(name="windows", array=_windows, linear=True, samples=_samples, doc="Every window of an image, cut out along two new axes.",
       vjp=(lambda m, g, out, x, *, size, stride: m.fold(g, shape=m.shape(x), size=size, stride=stride),))  # fmt: skip
    Op(name="fold", array=_fold, linear=True, samples=_fold_samples, doc="Windows added back to where they came from.",
       vjp=(lambda m, g, out, x, *, shape, size, stride: m.windows(g, size=size, stride=stride),))  # fmt: skip
_WINDOWS = TABLE["windows"]


def _pair(n: int | Pair, what: str, least: int = 1) -> Pair:
    pair = (n, n) if isinstance(n, (int, np.integer)) else tuple(n)
    if min(pair) < least:
        raise OperandError(f"{what}: received {n!r}, expected an integer of at least {least}, or two of them (height, width).")
    return int(pair[0]), int(pair[1])


def _padded(x: Any, padding: Pair, fill: float = 0.0) -> Any:
    if padding == (0, 0):
        return x
    return np.pad(x, (*[(0, 0)] * (x.ndim - 2), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)


def _image(x: Any, channels: int | None, size: Pair, padding: Pair, who: str) -> Any:
    """A batch of images, or one image, as a tensor, after its shape has been checked."""
    shape = shape_of(x)
    if len(shape) not in (3, 4) or (channels is not None and shape[-3] != channels):
        one = f"({'channels' if channels is None else channels}, height, width)"
        raise ShapeError(f"{who}: received shape {shape}, expected (n, {one[1:]} or, for one image, {one}.")
    if shape[-2] + 2 * padding[0] < size[0] or shape[-1] + 2 * padding[1] < size[1]:
        raise ShapeError(f"{who}: images of {shape[-2]} × {shape[-1]} with padding {padding} are smaller than the window {size}.")
    return x if isinstance(x, Tensor) else Tensor(x, requires_grad=False)


class Conv2d(Module):
    """Cross-correlation of images (n, channels, height, width), or of one (channels, height, width), with `nout` kernels, as torch's `Conv2d`.

    Args:
        nin: The channels of the input.
        nout: The channels of the output.
        size: The size of the kernels, one number or (height, width).
        stride: How far the window moves.
        padding: The border of zeros.
        bias: Whether there is a bias.
        dtype: The dtype of weights and bias.
        init: An initialiser, or its name; None is torch's default, uniform within ±1/√(nin·height·width).
        rng: A generator or a seed.

    Example:
        >>> Conv2d(1, 4, 3, padding=1, rng=0)(np.zeros((2, 1, 8, 8))).shape
        (2, 4, 8, 8)
    """

    @checked
    def __init__(
        self, nin: Count, nout: Count, size: int | Pair, *, stride: int | Pair = 1, padding: int | Pair = 0, bias: bool = True,
        dtype: DType = np.float64, init: str | Callable[..., np.ndarray] | None = None, rng: Generator = None,
    ) -> None:  # fmt: skip
        """Random kernels of shape (nout, nin, height, width); the bias is drawn from the same range by default, and 0 where an `init` is given."""
        self.size, self.stride = _pair(size, "Conv2d: size"), _pair(stride, "Conv2d: stride")
        self.padding = _pair(padding, "Conv2d: padding", 0)
        shape = (nout, nin, *self.size)
        rng = rng_of(rng)
        self.weight = Tensor((linear_default if init is None else resolve(init))(shape, rng=rng), dtype=dtype, label="weight")
        start = rng.uniform(-1.0, 1.0, nout) / math.sqrt(math.prod(shape[1:])) if init is None else np.zeros(nout)
        self.bias = Tensor(start, dtype=dtype, label="bias") if bias else None

    def forward(self, x: Any) -> Tensor:
        """Images of shape (n, nout, rows, columns), or one of (nout, rows, columns)."""
        nout, nin = self.weight.shape[:2]
        x = _padded(_image(x, nin, self.size, self.padding, "Conv2d"), self.padding)
        windows = _WINDOWS(x, size=self.size, stride=self.stride)
        batch, places = windows.shape[:-5], windows.shape[-2:]
        out = self.weight.reshape(nout, -1) @ windows.reshape(*batch, math.prod(windows.shape[-5:-2]), math.prod(places))
        if self.bias is not None:
            out = out + self.bias.reshape(nout, 1)
        return out.reshape(*batch, nout, *places)  # type: ignore[no-any-return]

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        nout, nin = self.weight.shape[:2]
        return {
            "nin": nin, "nout": nout, "size": list(self.size), "stride": list(self.stride), "padding": list(self.padding),
            "bias": self.bias is not None, "dtype": self.weight.dtype.name,
        }  # fmt: skip

    def extra_repr(self) -> str:
        """Channels in and out, and the window; stride and padding where they are not the defaults."""
        extra = (f", stride={self.stride}" if self.stride != (1, 1) else "") + (f", padding={self.padding}" if self.padding != (0, 0) else "")
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}, {self.size}{extra}"


class _Pool2d(Module):
    """Base of the pooling layers: one number from every window of each channel."""

    border: ClassVar[float]

    @checked
    def __init__(self, size: int | Pair, *, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        """The windows: their size, the step from one to the next (None: their size, so that they tile the image), and the border."""
        who = type(self).__name__
        self.size = _pair(size, f"{who}: size")
        self.stride = self.size if stride is None else _pair(stride, f"{who}: stride")
        self.padding = _pair(padding, f"{who}: padding", 0)
        if 2 * self.padding[0] > self.size[0] or 2 * self.padding[1] > self.size[1]:
            raise OperandError(
                f"{who}: received padding={padding!r}, expected at most half of the window {self.size}, as in torch: each window is to lie over the image."
            )

    def _windows(self, x: Any) -> Any:
        """Every window, its elements along the axes −4 and −3."""
        x = _image(x, None, self.size, self.padding, type(self).__name__)
        return _WINDOWS(_padded(x, self.padding, self.border), size=self.size, stride=self.stride)

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"size": list(self.size), "stride": list(self.stride), "padding": list(self.padding)}

    def extra_repr(self) -> str:
        """The window."""
        return str(self.size[0] if self.size[0] == self.size[1] else self.size)


class MaxPool2d(_Pool2d):
    """The largest number in every window of each channel; windows do not overlap unless `stride` is smaller than they are.

    Example:
        >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    border = -math.inf

    def forward(self, x: Any) -> Tensor:
        """Images of shape (n, channels, rows, columns), or one of (channels, rows, columns)."""
        return self._windows(x).max(axis=(-4, -3))  # type: ignore[no-any-return]


class AvgPool2d(_Pool2d):
    """The mean of every window of each channel; the zeros of the border count, as in torch.

    Example:
        >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    border = 0.0

    def forward(self, x: Any) -> Tensor:
        """Images of shape (n, channels, rows, columns), or one of (channels, rows, columns)."""
        return self._windows(x).mean(axis=(-4, -3))  # type: ignore[no-any-return]
