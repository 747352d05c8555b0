"""Labels of the kind that a loss expects: those of another loss are refused, for with them a run learns something else, or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import as_numbers
from autograd_core.errors import OperandError

__all__ = ["check_plus_or_minus", "check_yes_or_no"]

_ROUNDING = 1e-6  # of soft targets that a network in float32 gave


def check_plus_or_minus(name: str, labels: np.ndarray) -> None:
    """Refuse plain labels other than −1 and +1.

    Raises:
        OperandError: With the labels that were received.
    """
    if labels.dtype.kind in "fiub" and not np.isin(labels, (-1.0, 1.0)).all():
        raise OperandError(f"{name}: received labels {np.unique(labels).tolist()[:5]}, expected −1 and +1; use 2·y − 1 for labels 0 and 1.")


def check_yes_or_no(name: str, target: Any) -> None:
    """Refuse plain targets outside of 0 … 1, such as labels −1 and +1: with them the loss has no least value, and sinks for ever.

    Raises:
        OperandError: With the range that was received.
    """
    first = target
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    labels = as_numbers(target, name, "target") if isinstance(first, (int, float, np.ndarray, np.generic)) else np.empty(0)
    if labels.dtype.kind not in "fiub" or not labels.size:
        return                                 # Values or tensors: numbers that may change
    low, high = labels.min(), labels.max()
    if low < -_ROUNDING or high > 1.0 + _ROUNDING:
        raise OperandError(
            f"{name}: received targets from {low:g} to {high:g}, expected probabilities: 0 for no, 1 for yes, or between; "
            + ("use (y + 1) / 2 for labels −1 and +1." if low < 0.0 else "for class numbers use cross_entropy, with one output for each class.")
        )
