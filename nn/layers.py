"""The tensor stack: `Linear`, `Sequential`, `Flatten`, `Dropout`, `Embedding`, with torch's names and layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_core import Tensor, Value, linear, record_innermost
from autograd_core.arguments import Count, DType, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError

from .init import Generator, linear_default, resolve, rng_of
from .module import Module

__all__ = ["Dropout", "Embedding", "Flatten", "Linear", "Sequential", "shape_of"]


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor, an array, or nested lists."""
    return x.shape if isinstance(x, (Tensor, np.ndarray)) else as_numbers(x, "a layer", "x").shape


class Linear(Module):
    """x @ Wᵀ + b, with `weight` of shape (nout, nin) and `bias` of shape (nout,), as in torch.

    Args:
        nin: The length of the last axis of the input.
        nout: The length of the last axis of the output.
        bias: Whether there is a bias.
        dtype: float64 or float32.
        init: The name of an initialiser of `nn.init`, or a function; torch's default ±1/√nin where it is None.
        rng: A generator or a seed.

    Raises:
        ShapeError: the last axis of the input is not `nin` long.

    Example:
        >>> layer = Linear(3, 2, rng=0)
        >>> layer(np.ones((5, 3))).shape
        (5, 2)
    """

    @checked
    def __init__(
        self, nin: Count, nout: Count, *, bias: bool = True, dtype: DType = np.float64,
        init: str | Callable[..., np.ndarray] | None = None, rng: Generator = None,
    ) -> None:  # fmt: skip
        """Random weights, and a bias from ±1/√nin as torch has it (0 where an `init` is given)."""
        shape = (nout, nin)
        rng = rng_of(rng)
        self.weight = Tensor((linear_default if init is None else resolve(init))(shape, rng=rng), dtype=dtype, label="weight")
        start = rng.uniform(-1.0, 1.0, nout) / np.sqrt(nin) if init is None else np.zeros(nout)
        self.bias = Tensor(start, dtype=dtype, label="bias") if bias else None

    def forward(self, x: Any) -> Tensor:
        """x @ Wᵀ + b along the last axis."""
        try:
            return x @ self.weight.T if self.bias is None else linear(x, self.weight, self.bias)  # type: ignore[no-any-return]
        except (ShapeError, OperandError) as error:
            shape, nin = shape_of(x), self.weight.shape[1]
            if not shape or shape[-1] != nin:
                raise ShapeError(f"Linear: received shape {shape}, expected (…, {nin}), with {nin} numbers along the last axis.") from error
            raise

    __call__ = record_innermost

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"nin": self.weight.shape[1], "nout": self.weight.shape[0], "bias": self.bias is not None, "dtype": self.weight.dtype.name}

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}" + ("" if self.bias is not None else ", bias=False")


class Sequential(Module):
    """Modules one after the other; its state has the names of `torch.nn.Sequential` ("0.weight", "0.bias", "2.weight").

    Example:
        >>> from nn import ReLU
        >>> model = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 3, rng=1))
        >>> list(model.state_dict()), model(np.zeros((2, 4))).shape
        (['0.weight', '0.bias', '2.weight', '2.bias'], (2, 3))
    """

    def __init__(self, *modules: Any) -> None:
        """The modules, in order; a plain function of a tensor may stand among them."""
        self.modules_in_order = [_part(i, module) for i, module in enumerate(modules)]

    def forward(self, x: Any) -> Any:
        """Each module on the output of the one before."""
        for module in self.modules_in_order:
            x = module(x)
        return x

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules by their places."""
        return ((str(i), m) for i, m in enumerate(self.modules_in_order) if isinstance(m, Module))

    def _shown_parts(self) -> list[tuple[str, str]]:
        """The modules, and the functions between them by their names."""
        return [
            (str(i), repr(m) if isinstance(m, Module) else str(getattr(m, "__name__", None) or getattr(m, "name", None) or repr(m)))
            for i, m in enumerate(self.modules_in_order)
        ]

    def __iter__(self) -> Iterator[Any]:
        """The modules in order."""
        return iter(self.modules_in_order)

    def __len__(self) -> int:
        """The number of modules."""
        return len(self.modules_in_order)

    def __setitem__(self, key: int, module: Any) -> None:
        """Put another module in a place, as a new last layer for another task; an optimiser that was made before does not know its parameters."""
        self.modules_in_order[key] = _part(key, module)

    def __getitem__(self, key: int | slice) -> Any:
        """A module, or a `Sequential` of some (sharing their parameters)."""
        return Sequential(*self.modules_in_order[key]) if isinstance(key, slice) else self.modules_in_order[key]


def _part(place: int, module: Any) -> Any:
    """A part of a sequence, checked to be a module or a function."""
    if not callable(module) or isinstance(module, type):
        hint = "; make one with brackets, as in ReLU()" if isinstance(module, type) else ""
        hint = "; without the brackets of a list, or as Sequential(*modules)" if isinstance(module, (list, tuple)) else hint
        raise OperandError(f"Sequential: place {place} received {module!r}, expected a module or a function{hint}.")
    return module


class Flatten(Module):
    """All axes after the first joined into one: (batch, …) becomes (batch, features).

    Example:
        >>> Flatten()(np.zeros((5, 3, 8, 8))).shape
        (5, 192)
    """

    @checked
    def __init__(self) -> None:
        """No arguments: the batch is always the first axis."""

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {}

    def forward(self, x: Any) -> Any:
        """The same elements."""
        shape = shape_of(x)
        if len(shape) < 2:
            raise ShapeError(f"Flatten: received shape {shape}, expected (batch, …) with at least two axes.")
        return (x if isinstance(x, Tensor) else as_numbers(x, "Flatten", "x")).reshape((shape[0], int(np.prod(shape[1:]))))


class Dropout(Module):
    """In training each element is 0 with probability p, and the others are divided by 1 − p; in `eval()` nothing is changed.

    The scaling keeps the mean of every unit, so that evaluation needs no correction (inverted dropout; Srivastava et al. 2014).

    Example:
        >>> drop = Dropout(0.5, rng=0)
        >>> drop(Tensor(np.ones(6))).data
        array([2., 0., 0., 0., 2., 2.])
        >>> drop.eval()(Tensor(np.ones(2))).data
        array([1., 1.])
    """

    @checked
    def __init__(self, p: float = 0.5, *, rng: Generator = None) -> None:
        """`p` is the probability of being dropped."""
        if not 0.0 <= p <= 1.0:
            raise OperandError(f"Dropout: received p={p!r}, expected a probability from 0 to 1.")
        self.p = float(p)
        self.rng = rng_of(rng)

    def forward(self, x: Any) -> Any:
        """x, thinned out in training."""
        x = x if isinstance(x, (Tensor, Value)) else as_numbers(x, "Dropout", "x")
        if not self.training or self.p == 0.0:
            return x
        dtype = x.dtype if isinstance(x, (Tensor, np.ndarray)) and x.dtype.kind == "f" else np.float64
        return x * self._mask(shape_of(x), dtype)

    def _mask(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """What a batch is multiplied with, drawn anew: 0 where an element is dropped, else 1 / (1 − p)."""
        kept = self.rng.random(shape) >= self.p
        return (kept / (1.0 - self.p) if self.p < 1.0 else kept * 0.0).astype(dtype)

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"p": self.p}

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p:g}"


class Embedding(Module):
    """A table of vectors, looked up by integers: indices of any shape give vectors along a new last axis.

    Example:
        >>> table = Embedding(10, 4, rng=0)
        >>> table([[1, 2, 1]]).shape
        (1, 3, 4)
    """

    @checked
    def __init__(self, count: Count, width: Count, *, dtype: DType = np.float64, rng: Generator = None) -> None:
        """`count` vectors of `width` numbers from the standard normal."""
        self.weight = Tensor(rng_of(rng).normal(size=(count, width)), dtype=dtype, label="weight")

    def forward(self, indices: Any) -> Tensor:
        """The vectors at integer indices; an index that occurs twice gets both gradients."""
        at = as_numbers(indices, "Embedding", "indices")
        if at.dtype.kind not in "iu":
            raise OperandError(f"Embedding: received indices of dtype {at.dtype}, expected integers.")
        if at.size and (at.min() < 0 or at.max() >= self.weight.shape[0]):
            raise OperandError(f"Embedding: received indices from {at.min()} to {at.max()}, expected 0 to {self.weight.shape[0] - 1}.")
        return self.weight[at]

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"count": self.weight.shape[0], "width": self.weight.shape[1], "dtype": self.weight.dtype.name}

    def extra_repr(self) -> str:
        """The size of the table."""
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"
