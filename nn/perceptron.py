"""Rosenblatt's perceptron: a neuron with a step, trained by rules that are older than gradients.

Sources: Rosenblatt (1958) for the perceptron rule; Widrow & Hoff (1960) for the delta rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np

from autograd_core import Value, weighted_sum
from autograd_core.arguments import Count, Numbers, checked
from autograd_core.errors import ShapeError
from autograd_core.warn import warned

from .init import Generator, rng_of
from .module import Entry, Module
from .neuron import inputs_of, weight_entries

__all__ = ["Perceptron"]


class Perceptron(Module):
    """Rosenblatt's perceptron: ŷ = step(w·x + b), trained by rules of its own rather than by gradients.

    `fit` goes through the samples and applies Rosenblatt's rule w += η (y − ŷ) x at each mistake; `fit_delta` minimises
    ½(y − w·x − b)² by the delta rule w += η (y − z) x (Widrow & Hoff 1960), whether or not the sample is right.

    Args:
        nin: The number of inputs.
        rng: A generator or a seed for the first weights; zeros where it is None.

    Example:
        >>> p = Perceptron(2)
        >>> p.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]).converged
        True
        >>> p.predict([[1, 1], [0, 1]])
        array([1, 0])
    """

    @checked
    def __init__(self, nin: Count, *, rng: Generator = None) -> None:
        """Zero weights, or small random ones where there is an `rng`."""
        start = [0.0] * int(nin) if rng is None else rng_of(rng).uniform(-0.1, 0.1, nin).tolist()
        self.w = [Value(w, label=f"w{i}") for i, w in enumerate(start, start=1)]
        self.b = Value(0.0, label="b")
        self.mistakes: list[int] = []
        self.converged = False

    def forward(self, x: Any) -> Any:
        """step(Σ wᵢxᵢ + b): 1 or 0."""
        return weighted_sum(self.w, inputs_of(x, len(self.w), "Perceptron"), self.b).step()

    def entries(self) -> Iterator[Entry]:
        """`weight` of shape (1, nin) and `bias` of shape (1,), as for a neuron."""
        return weight_entries([self])

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"nin": len(self.w)}

    @checked
    def predict(self, x: Numbers) -> np.ndarray:
        """0 or 1 for each row."""
        return (self.scores(x) > 0.0).astype(int)

    @checked
    def scores(self, x: Numbers) -> np.ndarray:
        """z = w·x + b for each row: what the step compares with 0."""
        rows, _ = self._checked(x, None)
        return np.asarray(rows @ np.array([w.data for w in self.w]) + self.b.data)

    @checked
    def fit(self, x: Numbers, y: Numbers, *, lr: float = 1.0, epochs: Annotated[int, 0] = 100) -> Perceptron:
        """Rosenblatt's rule, sample by sample, until an epoch goes by without a mistake; returns self.

        Afterwards `mistakes` holds their number for each epoch. If every epoch had some (no line separates XOR), `converged` is False,
        and a `RuntimeWarning` says so, except after a single epoch, which is taken for one step of a longer training.
        """
        return self._train(x, y, lr, epochs, delta=False)

    @checked
    def fit_delta(self, x: Numbers, y: Numbers, *, lr: float = 0.1, epochs: Annotated[int, 0] = 100) -> Perceptron:
        """The delta rule, w += η (y − z) x with z before the step and targets taken as ±1; stops when all are right."""
        return self._train(x, y, lr, epochs, delta=True)

    def _checked(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        rows = np.asarray(x, dtype=float)
        if rows.ndim != 2 or rows.shape[1] != len(self.w):
            hint = "; for one number a sample take x.reshape(-1, 1)" if rows.ndim == 1 and len(self.w) == 1 else ""
            raise ShapeError(f"Perceptron: received inputs of shape {rows.shape}, expected (samples, {len(self.w)}){hint}.")
        if y is None:
            return rows, rows
        targets = np.asarray(y, dtype=float)
        if targets.shape != (len(rows),) or not np.isin(targets, (0.0, 1.0)).all():
            labels = np.unique(targets).tolist()[:5]
            hint = "; use (y + 1) / 2 for labels −1 and +1" if set(labels) <= {-1.0, 1.0} else "; take y.ravel()" if targets.shape == (len(rows), 1) else ""
            raise ShapeError(f"Perceptron: received targets {labels} of shape {targets.shape}, expected {len(rows)} zeros and ones{hint}.")
        return rows, targets

    def _train(self, x: Any, y: Any, lr: float, epochs: int, *, delta: bool) -> Perceptron:
        rows, targets = self._checked(x, y)
        w, b = np.array([v.data for v in self.w]), self.b.data
        self.mistakes, self.converged = [], False
        for _ in range(epochs):
            wrong = 0
            for row, target in zip(rows, targets, strict=True):
                z = float(w @ row) + b
                error = target - float(z > 0.0)
                wrong += error != 0.0
                move = lr * ((2.0 * target - 1.0 - z) if delta else error)
                w, b = w + move * row, b + move
            if delta:                          # every sample has moved the line: count with the line as it is now
                wrong = int(np.sum((rows @ w + b > 0.0) != (targets == 1.0)))
            self.mistakes.append(int(wrong))
            if not wrong:
                self.converged = True
                break
        for value, number in zip([*self.w, self.b], [*w.tolist(), float(b)], strict=True):
            value.data = number
        if not self.converged and epochs != 1:
            warned(
                f"Perceptron: not converged after {epochs} epochs ({self.mistakes[-1] if self.mistakes else '?'} mistakes in the last); the classes may not be "
                "separable by a line (XOR is not): use an MLP, or more epochs."
            )
        return self

    def extra_repr(self) -> str:
        """The number of inputs."""
        return str(len(self.w))
