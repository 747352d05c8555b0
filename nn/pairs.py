"""Predictions and targets as the losses take them: of one shape, as lists of `Value`s or as arrays; and how many losses are reduced to one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core import Tensor, Value, weighted_sum
from autograd_core.arguments import Numbers, as_numbers
from autograd_core.errors import OperandError, ShapeError
from autograd_core.modes import tracing
from autograd_core.warn import warned

__all__ = ["check_reduction", "elements", "elementwise", "on_values", "paired", "plain", "reduced", "shape_of", "warn_if_broadcast", "weights_for"]


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, a tensor, or nested lists of Values."""
    if isinstance(x, (Tensor, np.ndarray)):
        return x.shape
    if isinstance(x, (list, tuple)):
        inner = {shape_of(item) for item in x}
        if len(inner) > 1:
            raise ShapeError(f"received a ragged list, whose items have shapes {sorted(inner)}; expected items of one shape.")
        return (len(x), *(inner.pop() if inner else ()))
    return ()


def elements(x: Any) -> list[Any]:
    """The elements of nested lists, tensors or arrays, in order."""
    if isinstance(x, (list, tuple)):
        return [v for item in x for v in elements(item)]
    return x.ravel().tolist() if isinstance(x, np.ndarray) else [x]


def on_values(x: Any) -> bool:
    """Whether x is a Value, or lists of them, rather than an array."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, Value) or (isinstance(x, (float, int)) and not isinstance(x, bool))


def paired(name: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """Prediction and target, of one shape: two lists for a scalar model, else arrays or tensors."""
    if isinstance(target, (Value, Tensor)) or (on_values(target) and on_values(prediction)):
        given = shape_of(target)
    else:
        target = as_numbers(target, name, "target")
        given = target.shape
    if not isinstance(prediction, (Tensor, Value)):
        as_numbers(prediction, name, "prediction")
    expected = shape_of(prediction)
    if given != expected:
        raise ShapeError(
            f"{name}: received predictions of shape {expected} and targets of shape {given}, expected the same shape; "
            "reshape one of them (targets are not broadcast)."
        )
    if on_values(prediction):
        return elements(prediction), elements(target)
    if isinstance(target, np.ndarray):
        if target.dtype.kind not in "fiub":
            raise OperandError(f"{name}: received targets of dtype {target.dtype}, expected numbers.")
        dtype = prediction.dtype if isinstance(prediction, (Tensor, np.ndarray)) else np.float64
        target = target.astype(dtype if np.dtype(dtype).kind == "f" else np.float64, copy=False)
    return prediction, target


def check_reduction(name: str, reduction: str) -> None:
    """Refuse anything but "mean", "sum" and "none"."""
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise OperandError(f"{name}: received reduction={reduction!r}, expected 'mean', 'sum' or 'none'.")


def reduced(losses: Any, reduction: str, total: float | None = None) -> Any:
    """The mean or the sum of losses, in a list or a tensor; or all of them. A mean is over their `total`, or else their number."""
    if reduction == "none":
        return losses
    if reduction == "mean" and total is not None:
        return reduced(losses, "sum") / total
    if isinstance(losses, list):
        if len(losses) == 1:
            return losses[0]
        share = 1.0 if reduction == "sum" else 1.0 / len(losses) if losses else math.nan
        return weighted_sum([share] * len(losses), losses, 0.0 if losses or reduction == "sum" else math.nan)
    return losses.mean() if reduction == "mean" else losses.sum()


def elementwise(
    name: str, formula: Callable[[Any, Any], Any], prediction: Any, target: Any, reduction: str, weight: Numbers | None = None,
    *, by_weight: bool = False,
) -> Any:
    """A loss that looks at one prediction and one target at a time. With `by_weight` its mean is over the sum of the weights."""
    check_reduction(name, reduction)
    if hasattr(type(prediction), "__array__") and not isinstance(prediction, (Tensor, Value, np.ndarray, np.generic)):
        prediction = as_numbers(prediction, name, "prediction")  # a column of pandas, say
    shape = shape_of(prediction)
    prediction, target = paired(name, prediction, target)
    weights = None if weight is None else weights_for(name, weight, shape)
    total = float(weights.sum()) if by_weight and weights is not None else None
    if isinstance(prediction, list):
        losses: Any = [formula(p, t) for p, t in zip(prediction, target, strict=True)]
        if weights is not None:
            losses = [loss * w for loss, w in zip(losses, weights.ravel().tolist(), strict=True)]
        return losses[0] if reduction == "none" and not shape else reduced(losses, reduction, total)
    losses = formula(prediction, target)
    return reduced(losses if weights is None else losses * weights.astype(losses.dtype), reduction, total)


def plain(x: Any, name: str, argument: str) -> np.ndarray:
    """An argument of a loss that is a constant, as numbers; inside a transform a differentiable one is refused, whose gradient would be lost."""
    array = as_numbers(x, name, argument)
    if array.dtype == object or (tracing() and isinstance(x, (Tensor, Value)) and x.requires_grad):
        raise OperandError(
            f"{name}: received a {argument} that is differentiable, expected plain numbers, for no gradient flows through it; multiply the "
            "losses of reduction='none' by it, or hand over its .data."
        )
    return array.astype(float)


def weights_for(name: str, weight: Any, shape: tuple[int, ...], argument: str = "weight") -> np.ndarray:
    """What each element counts, broadcast to the shape of the predictions."""
    array = plain(weight, name, argument)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ShapeError(f"{name}: received {argument} of shape {array.shape}, expected a shape that broadcasts to {shape}, that of the predictions.") from None


def warn_if_broadcast(loss: Value | Tensor, predictions: tuple[int, ...], targets: tuple[int, ...]) -> None:
    """Warn where a loss of the user's compares every prediction with every target: (n, 1) − (n,) is (n, n), without a word."""
    n = predictions[0] if predictions else 0
    if n < 2 or {predictions, targets} != {(n, 1), (n,)}:
        return
    waiting: list[Any] = [loss]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if np.shape(node.data) == (n, n) and {(n, 1), (n,)} <= {np.shape(parent.data) for parent in node.parents}:
            warned(
                f"fit: the loss function brings predictions of shape {predictions} and targets of shape {targets} together to shape {(n, n)}, every "
                "prediction with every target; give y the shape of the predictions, y[:, None]."
            )
            return
        waiting.extend(node.parents)
