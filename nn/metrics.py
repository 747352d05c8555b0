"""The metrics that a run reports besides its loss: `accuracy`, `r2_score`, and functions of your own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd_core import sigmoid
from autograd_core.arguments import Numbers, as_numbers, checked, shown
from autograd_core.errors import OperandError, ShapeError
from autograd_core.warn import warned

__all__ = ["METRICS", "Metric", "accuracy", "are_logits", "metrics_of", "r2_score"]

Metric = Callable[[np.ndarray, np.ndarray], float]


def _arrays(prediction: Any, target: Any, who: str) -> tuple[np.ndarray, np.ndarray]:
    p, t = as_numbers(prediction, who, "prediction"), as_numbers(target, who, "target")
    if not p.ndim or not t.ndim:
        raise ShapeError(f"{who}: received predictions of shape {p.shape} and targets of shape {t.shape}, expected an array of each.")
    if not len(p) or len(p) != len(t):
        raise ShapeError(f"{who}: received {len(p)} predictions and {len(t)} targets, expected as many of each, and at least one.")
    return p, t


def are_logits(scores: np.ndarray, labels: np.ndarray) -> bool:
    """Whether scores z of samples with labels 0 and 1 are logits, whose class changes at 0, rather than estimates of the labels, with ½.

    Estimates of the labels are closer to them, in the mean square, than a constant ½ is; scores that are farther away are logits. Closer
    ones may be logits too, of a network that has hardly begun to learn. But training makes the mean right first (the gradient at the bias
    of the output is estimate minus label): the mean of the labels is that of σ(z) for logits, and that of z for estimates. Scores that all
    lie from 0 to 1 are not logits.

    >>> are_logits(np.array([-3.0, 4.0]), np.array([0, 1])), are_logits(np.array([-0.1, 1.2]), np.array([0, 1]))
    (True, False)
    """
    z, t = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
    if not np.isfinite(z).all() or ((z >= 0) & (z <= 1)).all():
        return False
    with np.errstate(over="ignore"):
        far = np.mean((z - t) ** 2) > 0.25
    return bool(far or abs(np.mean(sigmoid(z)) - np.mean(t)) <= abs(np.mean(z) - np.mean(t)))


@checked
def accuracy(prediction: Numbers, target: Numbers, *, threshold: float | None = None) -> float:
    """The share of samples whose class is right.

    Predictions of shape (n, classes) are scores; the class is the largest. One number per sample, or per label where a sample may have
    several, is compared with `threshold`: 0 where the labels are −1 and +1, else ½. Logits change their class at 0: for them give
    `threshold=0` (a warning says so where they look like it). In `fit` and `evaluate` the loss says what they are.

    >>> accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0]), accuracy([0.3, -2.0], [1, -1])
    (0.5, 1.0)
    """
    if threshold is None:
        p, t = _arrays(prediction, target, "accuracy")
        if p.size == t.size and p.dtype.kind == "f" and np.isin(t, (0, 1)).all() and are_logits(p.ravel(), t.ravel()) and not _one_of_many(p, t):
            warned(
                f"accuracy: received predictions from {p.min():.3g} to {p.max():.3g} for labels 0 and 1, and compares them with ½; "
                "if they are scores (logits), give threshold=0."
            )
    return _share_right(prediction, target, threshold)


def _one_of_many(p: np.ndarray, t: np.ndarray) -> bool:
    """Whether each row of the targets has a single 1: a class in place of its number."""
    return p.ndim == 2 and p.shape[1] > 1 and t.shape == p.shape and bool(np.isin(t, (0, 1)).all() and (t.sum(axis=1) == 1).all())


def _share_right(prediction: Any, target: Any, threshold: float | None) -> float:
    """The share of samples, or of labels, whose class is right; nan is never right."""
    p, t = _arrays(prediction, target, "accuracy")
    p = p.astype(float)
    if _one_of_many(p, t):
        t = t.argmax(axis=1)
    if p.ndim == 2 and p.shape[1] > 1 and t.ndim == 1:
        return float(np.mean((p.argmax(axis=1) == t) & ~np.isnan(p).any(axis=1)))
    t, p = t.reshape(len(t), -1), p.reshape(len(p), -1)
    if p.shape != t.shape:
        raise ShapeError(f"accuracy: received predictions of shape {p.shape} and targets of shape {t.shape}, expected one class per sample.")
    signed = bool((t < 0).any())
    cut = (0.0 if signed else 0.5) if threshold is None else threshold
    return float(np.mean(((p > cut) == (t > (0.0 if signed else 0.5))) & ~np.isnan(p)))


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


def metrics_of(metrics: Any, threshold: float | None) -> dict[str, Metric]:
    """Metrics by name: a name, functions, a list or a dictionary of either; None is none of them."""
    if metrics is None:
        return {}
    if getattr(metrics, "shape", None) == () or not (isinstance(metrics, Iterable) or callable(metrics)):
        raise OperandError(f"metrics: received {shown(metrics)}, expected a name, a function, a list or a dictionary of them.")
    if isinstance(metrics, dict):
        if not all(isinstance(name, str) and (callable(m) or isinstance(m, str)) for name, m in metrics.items()):
            raise OperandError(f"metrics: received {metrics!r:.60}, expected functions metric(prediction, target), or one of {', '.join(METRICS)}, by name.")
        pairs = [(name, _named(m, threshold)[1]) for name, m in metrics.items()]
    else:
        given = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
        pairs = [_named(m, threshold) for m in given]
    found: dict[str, Metric] = {}
    for name, metric in pairs:
        if name in _TAKEN or name.startswith("val_"):
            raise OperandError(f"metrics: received one named {name!r}, which is a column of its own beside them, expected another name.")
        if name in found:
            raise OperandError(f"metrics: received two named {name!r}, expected a name for each, as in metrics={{'first': …, 'second': …}}.")
        found[name] = _giving_a_number(name, metric)
    return found


def _giving_a_number(name: str, metric: Metric) -> Metric:
    """The metric, with its result checked to be one number."""

    def measured(prediction: np.ndarray, target: np.ndarray) -> float:
        number = as_numbers(metric(prediction, target), "metrics", f"{name}(prediction, target)")
        if number.size != 1:
            raise ShapeError(f"metrics: {name} gave an array of shape {number.shape}, expected one number.")
        return float(number.reshape(()))

    return measured


def _named(m: Any, threshold: float | None) -> tuple[str, Metric]:
    """A metric with its name."""
    if callable(m):
        return getattr(m, "__name__", "metric"), m
    if not isinstance(m, str) or m not in METRICS:
        raise OperandError(f"metrics: received {m!r:.60}, expected a function metric(prediction, target) or one of {', '.join(METRICS)}.")
    return m, (lambda p, t: _share_right(p, t, threshold)) if m == "accuracy" else METRICS[m]
