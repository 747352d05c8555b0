"""The metrics that a run reports beside its loss: `accuracy`, `r2_score`, and functions of your own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd_core.arguments import Numbers, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError

__all__ = ["METRICS", "Metric", "accuracy", "metrics_of", "r2_score"]

Metric = Callable[[np.ndarray, np.ndarray], float]


def _arrays(prediction: Any, target: Any, who: str) -> tuple[np.ndarray, np.ndarray]:
    p, t = as_numbers(prediction, who, "prediction"), as_numbers(target, who, "target")
    if not p.ndim or not t.ndim:
        raise ShapeError(f"{who}: received predictions of shape {p.shape} and targets of shape {t.shape}, expected an array of each.")
    if not len(p) or len(p) != len(t):
        raise ShapeError(f"{who}: received {len(p)} predictions and {len(t)} targets, expected as many of each, and at least one.")
    return p, t


@checked
def accuracy(prediction: Numbers, target: Numbers, *, threshold: float | None = None) -> float:
    """The share of samples whose class is right.

    Predictions of shape (n, classes) are scores; the class is the largest. One number per sample is compared with `threshold`:
    0 where the labels are −1 and +1, else ½.

    >>> accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0]), accuracy([0.3, -2.0], [1, -1])
    (0.5, 1.0)
    """
    p, t = _arrays(prediction, target, "accuracy")
    if p.ndim == 2 and p.shape[1] > 1 and t.shape == p.shape and np.isin(t, (0, 1)).all() and (t.sum(axis=1) == 1).all():
        t = t.argmax(axis=1)
    if p.ndim == 2 and p.shape[1] > 1 and t.ndim == 1:
        return float(np.mean(p.argmax(axis=1) == t))
    t, p = t.reshape(len(t), -1), p.reshape(len(p), -1)
    if p.shape != t.shape:
        raise ShapeError(f"accuracy: received predictions of shape {p.shape} and targets of shape {t.shape}, expected one class per sample.")
    signed = bool((t < 0).any())
    cut = (0.0 if signed else 0.5) if threshold is None else threshold
    return float(np.mean((p > cut) == (t > (0.0 if signed else 0.5))))


@checked
def r2_score(prediction: Numbers, target: Numbers) -> float:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)²: 1 is perfect, 0 no better than the mean.

    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    1.0
    """
    p, t = _arrays(prediction, target, "r2")
    if p.size != t.size:
        raise ShapeError(f"r2: received predictions of shape {p.shape} and targets of shape {t.shape}, expected the same shape.")
    p, t = p.reshape(t.shape).astype(float), t.astype(float)
    spread = float(np.sum((t - t.mean(axis=0)) ** 2))
    return 1.0 - float(np.sum((t - p) ** 2)) / spread if spread else math.nan


METRICS: dict[str, Metric] = {"accuracy": accuracy, "r2": r2_score}
_TAKEN = ("loss", "lr", "seconds")


@checked
def metrics_of(metrics: str | Callable[..., Any] | Iterable[Any], threshold: float | None) -> dict[str, Metric]:
    """Metrics by name: a name, functions, a list of either, or a dictionary."""
    if isinstance(metrics, dict):
        if not all(isinstance(name, str) and callable(m) for name, m in metrics.items()):
            raise OperandError(f"metrics: received {metrics!r:.60}, expected functions metric(prediction, target) by name.")
        pairs = list(metrics.items())
    else:
        given = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
        pairs = [_named(m, threshold) for m in given]
    found: dict[str, Metric] = {}
    for name, metric in pairs:
        if name in _TAKEN or name.startswith("val_"):
            raise OperandError(f"metrics: received one named {name!r}, which is a column of its own beside them, expected another name.")
        if name in found:
            raise OperandError(f"metrics: received two named {name!r}, expected a name for each, as in metrics={{'first': …, 'second': …}}.")
        found[name] = metric
    return found


def _named(m: Any, threshold: float | None) -> tuple[str, Metric]:
    """A metric with its name."""
    if callable(m):
        return getattr(m, "__name__", "metric"), m
    if not isinstance(m, str) or m not in METRICS:
        raise OperandError(f"metrics: received {m!r:.60}, expected a function metric(prediction, target) or one of {', '.join(METRICS)}.")
    return m, (lambda p, t: accuracy(p, t, threshold=threshold)) if m == "accuracy" else METRICS[m]
