"""Gradient clipping: all gradients scaled, or each held between bounds, so that one bad batch cannot throw a model far away.

Source: Pascanu, Mikolov & Bengio (2013).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import checked
from autograd_core.errors import OperandError

from .optimizer import bounded
from .slots import settle

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def _gradients(params: Any) -> list[Any]:
    """The parameters that a gradient has reached."""
    try:
        given = [params] if isinstance(params, (Value, Tensor)) else list(params)
    except TypeError:                          # not iterable
        given = [params]
    if not all(isinstance(p, (Value, Tensor)) for p in given):
        raise OperandError(f"clip_grad: received {type(params).__name__} as params, expected parameters such as model.parameters().")
    chosen = [p for p in given if p._flowed]
    for p in chosen:
        settle(p, "clip_grad")
    return chosen


def _norm(arrays: list[np.ndarray], p: float) -> float:
    """(Σ|g|ᵖ)^(1/p) over arrays."""
    if p == 2.0:
        return math.sqrt(sum(float(a @ a) for a in arrays))
    return float(sum(float(np.sum(np.abs(a) ** p)) for a in arrays) ** (1.0 / p))


@checked
def clip_grad_norm_(params: Any, max_norm: float, norm_type: float = 2.0) -> float:
    """Scale all gradients down so that their joint norm is at most `max_norm`; returns the norm before.

    `norm_type` is the p of the norm (Σ|g|ᵖ)^(1/p), which may be inf.

    >>> x, y = Value(3.0), Value(4.0)
    >>> (x * x / 2 + y * y / 2).backward()
    >>> clip_grad_norm_([x, y], 1.0), round(x.grad, 3)
    (5.0, 0.6)
    """
    max_norm = float(bounded("clip_grad_norm_: max_norm", max_norm))
    if not norm_type > 0.0:
        raise OperandError(f"clip_grad_norm_: received norm_type={norm_type!r}, expected a positive number, or inf.")
    chosen = _gradients(params)
    arrays = [np.asarray(p.grad, dtype=float).ravel() for p in chosen]
    largest = float(np.max([np.abs(a).max(initial=0.0) for a in arrays], initial=0.0))
    with np.errstate(over="ignore"):           # an overflow shows as an infinite norm
        total = largest if norm_type == math.inf else _norm(arrays, norm_type)
    if math.isinf(total) and math.isfinite(largest):
        total = largest * _norm([a / largest for a in arrays], norm_type)
    factor = max_norm / (total + 1e-6)
    if not factor >= 1.0:                      # nan spreads to all, as in torch
        with np.errstate(invalid="ignore"):    # inf / inf is nan; the norm that is returned tells of it
            for p in chosen:
                p.grad = p.grad * factor
    return total


@checked
def clip_grad_value_(params: Any, clip_value: float) -> None:
    """Hold every gradient between −clip_value and +clip_value.

    >>> x, y = Value(3.0), Value(0.5)
    >>> (x * x - y).backward()
    >>> clip_grad_value_([x, y], 2.0)
    >>> x.grad, y.grad
    (2.0, -1.0)
    """
    clip_value = float(bounded("clip_grad_value_: clip_value", clip_value))
    for p in _gradients(params):
        p.grad = np.clip(p.grad, -clip_value, clip_value) if isinstance(p, Tensor) else min(max(p.grad, -clip_value), clip_value)
