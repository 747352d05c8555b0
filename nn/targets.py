"""Labels and predictions of the kind that a loss expects.

Labels of another loss are refused, for with them a run learns something else, or nothing. Predictions that went through a softmax
or a sigmoid twice are numbers like any other, and a loss of them falls; so there is a warning.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import as_numbers
from autograd_core.errors import OperandError
from autograd_core.warn import warned

__all__ = ["check_plus_or_minus", "check_shares", "check_yes_or_no", "warn_if_squashed"]

_ROUNDING = 1e-6  # of soft targets that a network in float32 gave


def check_plus_or_minus(name: str, labels: np.ndarray) -> None:
    """Refuse plain labels other than −1 and +1.

    Raises:
        OperandError: With the labels that were received.
    """
    if labels.dtype.kind in "fiub" and not np.isin(labels, (-1.0, 1.0)).all():
        raise OperandError(f"{name}: received labels {np.unique(labels).tolist()[:5]}, expected −1 and +1; use 2·y − 1 for labels 0 and 1.")


def check_yes_or_no(name: str, target: Any) -> None:
    """Refuse plain targets outside of 0 … 1, such as labels −1 and +1: with them the loss has no minimum, and falls for ever.

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


def warn_if_squashed(name: str, prediction: Any, squashed: str, advice: str) -> None:
    """Warn where a prediction is the result of the operation `squashed`, which the loss does not expect."""
    while isinstance(prediction, (list, tuple)) and prediction:
        prediction = prediction[0]
    if isinstance(prediction, (Tensor, Value)) and prediction.op is not None and prediction.op.name == squashed:
        warned(f"{name}: received the result of {squashed}; {advice}.")


def check_shares(name: str, target: np.ndarray, axis: int) -> None:
    """Warn at targets of zeros and ones of which a sample has several, or none: labels that do not exclude each other."""
    sums = target.sum(axis=axis)
    if (sums != 1.0).any() and ((target == 0.0) | (target == 1.0)).all():
        warned(
            f"{name}: received targets with {sums.min():g} to {sums.max():g} ones for a sample, expected probabilities, which add up to 1; for "
            "labels that may come together use binary_cross_entropy_with_logits."
        )
