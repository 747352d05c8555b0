"""The losses that are operations of their own: one node, exact at the ends, declared in the rule book as a user would.

A loss whose derivative is simpler than the sum of its parts gets an entry: softmax(z) − target for the cross-entropy, σ(z) − target for its
binary kin.
"""

from __future__ import annotations

import math
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy import ascontiguousarray, divide, exp, log, maximum

from autograd_core import TABLE, Interval, Op

__all__ = ["BCE", "BCE_LOGITS", "CROSS_ENTROPY", "CROSS_ENTROPY_OF_CLASSES"]


def _operation(name: str, **entry: Any) -> Op:
    """An operation of this module; declared once, even if the module is loaded again."""
    return TABLE[name] if name in TABLE else Op(name=name, **entry)


def _log(p: float) -> float:
    return max(math.log(p), -100.0) if p > 0.0 else -100.0 if p == 0.0 else math.nan


_LEAST = float(np.float32(1e-12))  # torch's: its constant is a float32 whatever the dtype

BCE = _operation(
    "bce", doc="−t·ln p − (1 − t)·ln(1 − p), with logarithms held above −100.", text="BCE({0}, {1})",
    scalar=lambda p, t: -(t * _log(p) + (1.0 - t) * _log(1.0 - p)),
    array=lambda p, t: -(t * _bounded_log(p) + (1.0 - t) * _bounded_log(1.0 - p)),
    domain=(Interval(0.0, 1.0, avoid=(0.0, 1.0)), Interval(0.0, 1.0)),
    d=(lambda m, out, p, t: (p - t) / m.maximum(p * (1.0 - p), _LEAST),
       lambda m, out, p, t: m.maximum(m.log(1.0 - p), -100.0) - m.maximum(m.log(p), -100.0)),
)  # fmt: skip


def _bounded_log(p: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), -100.0)


_softplus: Any = TABLE["softplus"].scalar


def _logits_array(z: Any, t: Any, *, pos_weight: Any = 1.0) -> Any:
    if np.iscomplexobj(t) or np.iscomplexobj(z):
        raise TypeError("scores and targets are real numbers")
    tail = np.log1p(np.exp(-np.abs(z)))
    with np.errstate(invalid="ignore"):        # 0 · ∞ is 0 here: a label with the share 0 costs nothing
        yes = np.where(t == 0.0, 0.0, pos_weight * t * (np.maximum(-z, 0.0) + tail))
        no = np.where(t == 1.0, 0.0, (1.0 - t) * (np.maximum(z, 0.0) + tail))
    return (yes + no).astype(np.result_type(z if isinstance(z, np.ndarray) else t, np.float16))


BCE_LOGITS = _operation(
    "bce_with_logits", doc="Binary cross-entropy of the probability σ(z); exact at ±1000 and ±∞.", text="BCE(σ({0}), {1})",
    scalar=lambda z, t, *, pos_weight=1.0: (pos_weight * t * _softplus(-z) if t != 0.0 else 0.0)
    + ((1.0 - t) * _softplus(z) if t != 1.0 else 0.0),
    array=_logits_array, domain=(Interval(), Interval(0.0, 1.0)),
    d=(lambda m, out, z, t, *, pos_weight=1.0: m.sigmoid(z) * (1.0 + (pos_weight - 1.0) * t) - pos_weight * t,
       lambda m, out, z, t, *, pos_weight=1.0: pos_weight * m.softplus(-z) - m.softplus(z)),
)  # fmt: skip


def _log_softmax(z: Any) -> Any:
    top = np.max(z, axis=-1, keepdims=True)
    shifted = z - np.where(np.isfinite(top), top, 0.0)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def _cross_entropy_array(z: Any, targets: Any) -> Any:
    logs = _log_softmax(z)
    if np.isneginf(logs).any():                # a masked class with target 0 costs nothing
        with np.errstate(invalid="ignore"):
            return -np.sum(np.where(targets == 0.0, 0.0, targets * logs), axis=-1)
    return -np.einsum("...c,...c->...", targets, logs)


CROSS_ENTROPY = _operation(
    "cross_entropy", doc="−Σ tᵢ·ln softmax(z)ᵢ along the last axis; its derivative is softmax(z)·Σt − t.", text="CE({0}, {1})",
    array=_cross_entropy_array,
    vjp=(lambda m, g, out, z, t: m.reshape(g, shape=(*m.shape(g), 1)) * (
            m.softmax(z, axis=-1) * m.named("Σt", lambda: m.sum(t, axis=-1, keepdims=True)) - t),
         lambda m, g, out, z, t: -m.reshape(g, shape=(*m.shape(g), 1)) * m.log_softmax(z, axis=-1)),
    samples=lambda rng: [((rng.normal(size=(3, 4)), rng.uniform(size=(3, 4))), {}), ((rng.normal(size=4), rng.uniform(size=4)), {})],
)  # fmt: skip


@lru_cache(maxsize=16)
def _ones(n: int, dtype: Any) -> Any:
    return np.ones(n, dtype)


@lru_cache(maxsize=16)
def _starts(n: int, classes: int) -> Any:
    """Where the rows of a matrix begin in its memory."""
    return np.arange(0, n * classes, classes)


def _largest(z: Any) -> Any:
    """The largest along the last axis of a matrix, as a column; a few columns are quicker compared with one another."""
    classes = z.shape[-1]
    if classes > 16:
        return maximum.reduce(z, axis=-1, keepdims=True)
    return (reduce(maximum, z.T) if 0 < classes < 4 else maximum.reduce(ascontiguousarray(z.T), axis=0))[:, None]


def _truth(z: Any, labels: Any) -> Any:
    """A 1 at the class of each row, else 0."""
    n, classes = z.shape
    truth = np.zeros(z.size, z.dtype)
    truth[_starts(n, classes) + labels] = 1.0
    return truth.reshape(z.shape)


def _mean_of_classes(z: Any, *, labels: Any, saved: Any = None) -> Any:
    n, classes = z.shape
    shifted = z - _largest(z)
    powers = exp(shifted)
    totals = powers.dot(_ones(classes, z.dtype))
    at_labels = _starts(n, classes) + labels
    if saved is not None:
        saved["error"] = z, powers, totals, at_labels
    each = log(totals) - shifted.take(at_labels)
    return each.dot(_ones(n, z.dtype)) / n


def _error(m: Any, z: Any, labels: Any, saved: Any) -> Any:
    """softmax(z) − 1_y: from what the kernel computed along the way, if these are the scores that it saw."""
    seen, powers, totals, at_labels = (saved or {}).get("error", (None, None, None, None))
    if seen is not z:                          # nodes, whose derivative may be taken again, or other scores
        return m.softmax(z, axis=-1) - m.named("1_y", lambda: _truth(m.data(z), labels))
    error = divide(powers, totals[:, None], order="C")
    error.ravel()[at_labels] -= 1.0
    return error


CROSS_ENTROPY_OF_CLASSES = _operation(
    "cross_entropy_of_classes", doc="The mean of −ln softmax(z)_y over samples with class numbers y; its derivative is (softmax(z) − 1_y) / n.",
    text="CE({0}, y)", array=_mean_of_classes, fits=True,
    vjp=(lambda m, g, out, z, *, labels, saved=None: _error(m, z, labels, saved) * (g / len(labels)),),
    samples=lambda rng: [((rng.normal(size=(3, 4)),), {"labels": np.array([0, 3, 1])}),
                         ((rng.normal(size=(3, 20)),), {"labels": np.array([0, 19, 1]), "saved": {}})],
)  # fmt: skip
