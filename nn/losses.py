"""Losses, on `Value`s and `Tensor`s from one definition, with torch's meaning of `reduction`.

`reduction` is "mean" (over the elements), "sum", or "none". Predictions are a `Tensor`, or a `Value`, or a (nested) list of `Value`s
as a scalar model gives for many samples. Shapes must agree exactly: a target of shape (n,) for predictions of shape
(n, 1) would broadcast to (n, n) without a word, so it raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

import autograd_core as ag
from autograd_core import Tensor, Value, weighted_sum
from autograd_core.arguments import Numbers, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError

from .activations import relu
from .loss_rules import BCE, BCE_LOGITS, CROSS_ENTROPY, CROSS_ENTROPY_OF_CLASSES
from .module import Module
from .pairs import check_reduction, elements, elementwise, on_values, plain, reduced, shape_of, weights_for
from .targets import check_plus_or_minus, check_shares, check_yes_or_no, warn_if_squashed

__all__ = [
    "LOSSES", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "hinge_loss", "huber_loss", "l1_loss",
    "l2_penalty", "loss_of", "mse_loss", "nll_loss", "squared_error",
]  # fmt: skip

Loss = Callable[..., Any]
_SOFTMAX = ag.TABLE["softmax"]
_SCORES = "it expects scores and takes the {0} itself: leave the {0} out{1}"


# --------------------------------------------------------------------------------------------- the losses
@checked
def mse_loss(prediction: Any, target: Any, *, reduction: str = "mean", weight: Numbers | None = None) -> Any:
    """Mean squared error: (ŷ − y)². With a `weight` the mean is Σ w·(ŷ − y)² / Σ w, as in torch.

    >>> mse_loss(Tensor([1.0, 2.0]), [0.0, 4.0]).item()
    2.5
    """
    return elementwise("mse_loss", lambda p, t: ag.square(p - t), prediction, target, reduction, weight, by_weight=True)


@checked
def squared_error(prediction: Any, target: Any, *, reduction: str = "mean", weight: Numbers | None = None) -> Any:
    """The lectures' ½(ŷ − y)², whose derivative by ŷ is the error ŷ − y; half of `mse_loss`, also with a `weight`.

    >>> squared_error(Value(3.0), 1.0).data
    2.0
    """
    return elementwise("squared_error", lambda p, t: 0.5 * ag.square(p - t), prediction, target, reduction, weight, by_weight=True)


@checked
def l1_loss(prediction: Any, target: Any, *, reduction: str = "mean", weight: Numbers | None = None) -> Any:
    """Mean absolute error |ŷ − y|: less affected by outliers than the square. With a `weight` the mean is Σ w·|ŷ − y| / Σ w.

    >>> l1_loss(Tensor([1.0, 2.0]), [0.0, 4.0]).item()
    1.5
    """
    return elementwise("l1_loss", lambda p, t: ag.abs(p - t), prediction, target, reduction, weight, by_weight=True)


@checked
def huber_loss(prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean", weight: Numbers | None = None) -> Any:
    """½d² where |d| = |ŷ − y| ≤ δ, else δ(|d| − ½δ): a square near 0 and a line further out.

    With a `weight` the mean is over the number of elements, not of weights, as in torch.

    >>> huber_loss(Tensor([0.5, 4.0]), [0.0, 0.0], reduction="none").tolist()
    [0.125, 3.5]
    """
    if not delta > 0:
        raise OperandError(f"huber_loss: received delta={delta!r}, expected a positive number.")

    def formula(p: Any, t: Any) -> Any:
        difference = p - t
        held = ag.clip(difference, -delta, delta)  # without a branch, which a lifted program would replay as it was recorded
        return held * (difference - 0.5 * held)

    return elementwise("huber_loss", formula, prediction, target, reduction, weight)


@checked
def hinge_loss(prediction: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """max(0, margin − y·s) for a score s and a label y of −1 or +1: no cost once a sample is right by the margin.

    >>> hinge_loss(Tensor([0.5, -2.0]), [1, -1]).item()
    0.25
    """
    check_plus_or_minus("hinge_loss", np.asarray(elements(target)) if on_values(target) else np.asarray(target))
    return elementwise("hinge_loss", lambda s, y: relu(margin - y * s), prediction, target, reduction)


@checked
def binary_cross_entropy(prediction: Any, target: Any, *, reduction: str = "mean", weight: Numbers | None = None) -> Any:
    """−y·ln p − (1 − y)·ln(1 − p) for probabilities p; logarithms are held above −100, as in torch.

    >>> round(binary_cross_entropy(Tensor([0.9, 0.2]), [1, 0]).item(), 4)
    0.1643
    """
    values = [float(v.data) if isinstance(v, Value) else v for v in elements(prediction)] if on_values(prediction) else prediction
    p = as_numbers(values, "binary_cross_entropy", "prediction")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise OperandError(
            f"binary_cross_entropy: received predictions from {np.min(p):g} to {np.max(p):g}, expected probabilities from 0 to 1; "
            "use binary_cross_entropy_with_logits for scores."
        )
    check_yes_or_no("binary_cross_entropy", target)
    return elementwise("binary_cross_entropy", BCE, prediction, target, reduction, weight)


@checked
def binary_cross_entropy_with_logits(
    prediction: Any, target: Any, *, reduction: str = "mean", weight: Numbers | None = None, pos_weight: Numbers | None = None
) -> Any:
    """Binary cross-entropy of σ(z), from the score z itself: exact however large |z| is.

    Targets may be several independent yes-or-no labels (multi-label); `pos_weight` is the weight of a yes, one number or one for each label.

    >>> binary_cross_entropy_with_logits(Tensor([1000.0, -1000.0]), [1, 1]).item()
    500.0
    """
    warn_if_squashed("binary_cross_entropy_with_logits", prediction, "sigmoid", _SCORES.format("sigmoid", ", or use binary_cross_entropy"))
    check_yes_or_no("binary_cross_entropy_with_logits", target)
    formula: Any = BCE_LOGITS
    if pos_weight is not None and np.ndim(pos_weight) == 0:
        count = float(plain(pos_weight, "binary_cross_entropy_with_logits", "pos_weight"))
        formula = lambda z, t: BCE_LOGITS(z, t, pos_weight=count)
    elif pos_weight is not None:
        counts = weights_for("binary_cross_entropy_with_logits", pos_weight, shape_of(prediction), "pos_weight")
        each = iter(counts.ravel().tolist() if on_values(prediction) else [counts])    # a Value at a time, or the tensor as a whole
        formula = lambda z, t: BCE_LOGITS(z, t, pos_weight=next(each))
    return elementwise("binary_cross_entropy_with_logits", formula, prediction, target, reduction, weight)


def _classes(name: str, shape: tuple[int, ...], target: Any, ignore_index: int) -> np.ndarray:
    """Integer targets, checked against the number of classes; classes lie along axis 1 (or 0, of one sample)."""
    classes = shape[1] if len(shape) > 1 else shape[0]
    labels = as_numbers(target, name, "target")
    expected = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
    if labels.dtype.kind == "f" and labels.shape == expected and (labels == np.round(labels)).all():
        labels = labels.astype(int)
    if labels.dtype.kind not in "iu" or labels.shape != expected:
        hint = "; take y.ravel()" if labels.shape == (*expected, 1) else "; take y.astype(int)" if labels.shape == expected and labels.dtype.kind == "b" else ""
        raise ShapeError(
            f"{name}: received targets of dtype {labels.dtype} and shape {labels.shape}, expected class numbers of shape {expected}, "
            f"integers from 0 to {classes - 1}, for scores of shape {shape}{hint}."
        )
    known = labels[labels != ignore_index]
    if known.size and (known.min() < 0 or known.max() >= classes):
        hint = "; one score is a yes or a no: use binary_cross_entropy_with_logits, or two outputs" if classes == 1 else ""
        raise OperandError(
            f"{name}: received class numbers from {known.min()} to {known.max()}, expected 0 to {classes - 1} "
            f"(or ignore_index={ignore_index}){hint}."
        )
    return labels


def _target_matrix(labels: np.ndarray, classes: int, weight: Any, ignore_index: int, smoothing: float, dtype: Any) -> tuple[np.ndarray, Any]:
    """(weights of ln p for each sample and class along the last axis, the total weight of the samples)."""
    weights = np.ones(classes) if weight is None else plain(weight, "cross_entropy", "weight")
    if weights.shape != (classes,):
        raise ShapeError(f"cross_entropy: received weight of shape {weights.shape}, expected one number for each of {classes} classes.")
    ignored = labels == ignore_index
    safe = np.where(ignored, 0, labels)
    share = np.where(ignored, 0.0, weights[safe])
    if smoothing:
        matrix = np.where(ignored[..., None], 0.0, smoothing / classes * weights)
    else:
        matrix = np.zeros((*labels.shape, classes))
    rows = matrix.reshape(-1, classes)
    rows[np.arange(len(rows)), safe.ravel()] += (1.0 - smoothing) * share.ravel()
    return matrix.astype(dtype, copy=False), float(share.sum())


def cross_entropy(
    prediction: Any, target: Any, *, weight: Numbers | None = None, ignore_index: int = -100, label_smoothing: float = 0.0, reduction: str = "mean"
) -> Any:
    """−ln softmax(z)_y for scores (logits) z of shape (n, classes) and class numbers y of shape (n,).

    Args:
        prediction: Scores, with the classes along axis 1 (axis 0 for one sample); or lists of Values.
        target: Class numbers, or probabilities of the shape of the prediction (a Tensor of them gets a gradient).
        weight: One number for each class; the mean is then over the weights.
        ignore_index: Samples with this class number do not count.
        label_smoothing: Share ε of the target that is spread evenly over all classes.
        reduction: "mean", "sum" or "none".

    Example:
        >>> round(cross_entropy(Tensor([[2.0, 1.0, 0.0]]), [0]).item(), 6)
        0.407606
    """
    if prediction.__class__ is not Tensor or prediction.op is _SOFTMAX:
        warn_if_squashed("cross_entropy", prediction, "softmax", _SCORES.format("softmax", ""))
    learnt = isinstance(target, Tensor) and target.requires_grad and not on_values(prediction)  # probabilities
    if weight is None and not learnt and prediction.__class__ is Tensor and reduction == "mean" and label_smoothing == 0.0:
        numbers = target if target.__class__ is ndarray else as_numbers(target, "cross_entropy", "target")
        labels = _plain_classes(numbers, prediction.shape, ignore_index)
        if labels is not None:                 # one node, and no more work than by hand
            return CROSS_ENTROPY_OF_CLASSES(prediction, labels=labels, saved={})
    _check_cross_entropy(prediction, ignore_index, label_smoothing, reduction)
    shape = shape_of(prediction)
    many = len(shape) > 1
    classes = shape[1] if many else shape[0]
    dtype = prediction.dtype if isinstance(prediction, (Tensor, np.ndarray)) else np.float64
    given = target if learnt else as_numbers(target, "cross_entropy", "target")
    simple = True                              # whether all samples have the weight 1 in a mean
    if given.shape == shape and given.dtype.kind == "f":
        matrix, total = _target_shares(given, weight, label_smoothing, dtype)
    elif learnt:
        raise ShapeError(
            f"cross_entropy: received a target of shape {given.shape}, expected probabilities of the shape {shape} of the scores, or "
            "class numbers as plain integers."
        )
    else:
        labels = _classes("cross_entropy", shape, target, ignore_index)
        matrix, total = _target_matrix(labels, classes, weight, ignore_index, label_smoothing, dtype)
        simple = weight is None and total == labels.size
        if not simple and not on_values(prediction):
            prediction = _without_ignored(prediction, labels == ignore_index)
    if on_values(prediction):
        rows = zip(prediction if many else [prediction], matrix.reshape(-1, classes).tolist(), strict=True)
        return _reduced_values([_value_cross_entropy(z, t) for z, t in rows], total, reduction, many=many)
    losses = CROSS_ENTROPY(prediction if len(shape) <= 2 else np.moveaxis(prediction, 1, -1), matrix)
    if reduction != "mean":
        return reduced(losses, reduction)
    if simple:
        return losses.mean()
    return losses.sum() * (1.0 / total) if total else losses.sum() * 0.0 + math.nan     # the mean of nothing is nan, with no gradient


def _target_shares(given: Any, weight: Any, smoothing: float, dtype: Any) -> tuple[Any, float]:
    """(weights of ln p for each sample and class along the last axis, the number of samples), of targets that are probabilities."""
    many = given.ndim > 1
    if not isinstance(given, Tensor):
        check_shares("cross_entropy", given, 1 if many else 0)
    matrix = given * (1.0 - smoothing) + smoothing / given.shape[1 if many else 0]
    matrix = np.moveaxis(matrix, 1, -1) if many else matrix
    if weight is not None:
        matrix = matrix * weights_for("cross_entropy", weight, matrix.shape)
    return matrix.astype(dtype), float(np.prod(matrix.shape[:-1]))


def _reduced_values(losses: list[Any], total: float, reduction: str, *, many: bool) -> Any:
    """Losses of a scalar model, reduced; a mean is over the `total` weight of the samples, and `many` says whether there is an axis of them."""
    if reduction != "mean":
        return reduced(losses, reduction) if many else losses[0]
    if len(losses) == 1 and total == 1.0:
        return losses[0]
    return weighted_sum([1.0 / total if total else 0.0] * len(losses), losses, 0.0 if total else math.nan)


def _without_ignored(prediction: Any, ignored: np.ndarray) -> Any:
    """Scores with 0 in the samples that do not count: scores that are all -inf would give nan."""
    data = prediction.data if isinstance(prediction, Tensor) else prediction
    if not ignored.any() or np.isfinite(data).all():
        return prediction
    return ag.where(np.expand_dims(ignored, 1 if data.ndim > 1 else 0), 0.0, prediction)


def _plain_classes(labels: np.ndarray, shape: tuple[int, ...], ignore_index: int) -> np.ndarray | None:
    """The labels, if they are class numbers that all count, one for each row of scores; else None."""
    if len(shape) != 2 or labels.shape != shape[:1] or not labels.size:
        return None
    if ignore_index.__class__ is not int or 0 <= ignore_index < shape[1]:
        return None
    if labels.dtype != np.int64:
        if labels.dtype.kind not in "iu":
            return None
        labels = labels.astype(np.int64)
    return labels if np.maximum.reduce(labels.view(np.uint64)) < shape[1] else None     # as unsigned, negative ones are large


def _check_cross_entropy(prediction: Any, ignore_index: Any, label_smoothing: Any, reduction: Any) -> None:
    """Check the arguments other than the targets."""
    check_reduction("cross_entropy", reduction)
    if not isinstance(ignore_index, (int, np.integer)) or isinstance(ignore_index, bool):
        raise OperandError(f"cross_entropy: received ignore_index={ignore_index!r}, expected a class number.")
    if not isinstance(prediction, (Tensor, Value)):
        as_numbers(prediction, "cross_entropy", "prediction")
    if not isinstance(label_smoothing, (float, int, np.floating)) or not 0.0 <= label_smoothing <= 1.0:
        raise OperandError(f"cross_entropy: received label_smoothing={label_smoothing!r}, expected a share from 0 to 1.")
    if not shape_of(prediction):
        raise ShapeError(
            "cross_entropy: received one score, expected one for each class along axis 1; for two classes and one score use "
            "binary_cross_entropy_with_logits."
        )


def _value_cross_entropy(scores: Any, targets: list[float]) -> Any:
    """Σ tᵢ·(ln Σ e^z − zᵢ) of one sample, with Values."""
    top = max(float(z.data) if isinstance(z, Value) else float(z) for z in scores)
    whole = sum(targets)
    shift = 0.0 if abs(top) == math.inf else top
    shifted = [z - shift for z in scores]
    log_sum = ag.log(weighted_sum([1.0] * len(shifted), [ag.exp(z) for z in shifted], 0.0))
    taken = [(-t, z) for t, z in zip(targets, shifted, strict=True) if t != 0.0]
    return weighted_sum([whole, *(t for t, _ in taken)], [log_sum, *(z for _, z in taken)], 0.0)


@checked
def nll_loss(prediction: Any, target: Any, *, weight: Numbers | None = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """−ln p_y for logarithms of probabilities of shape (n, classes), as `log_softmax` gives, and class numbers.

    >>> nll_loss(Tensor([[-0.5, -1.0], [-2.0, -0.25]]), [0, 1]).item()
    0.375
    """
    check_reduction("nll_loss", reduction)
    if on_values(prediction):
        raise OperandError("nll_loss: received Values, expected a Tensor; cross_entropy takes lists of Values.")
    warn_if_squashed("nll_loss", prediction, "softmax", "it expects logarithms of probabilities: use log_softmax, or cross_entropy of the scores")
    shape = shape_of(prediction)
    if not isinstance(prediction, (Tensor, np.ndarray)) or not shape:
        raise OperandError(f"nll_loss: received prediction={prediction!r:.60}, expected logarithms of probabilities of shape (n, classes).")
    if prediction.__class__ is not Tensor:
        as_numbers(prediction, "nll_loss", "prediction")
    labels = _classes("nll_loss", shape, target, ignore_index)
    many = len(shape) > 1
    matrix, total = _target_matrix(labels, shape[1] if many else shape[0], weight, ignore_index, 0.0, np.float64)
    if many:
        matrix = np.moveaxis(matrix, -1, 1)
    losses = -(ag.where(matrix == 0.0, 0.0, prediction) * matrix.astype(prediction.dtype)).sum(axis=1 if many else 0)
    if reduction == "mean":
        return losses.sum() * (1.0 / total if total else math.nan)
    return reduced(losses, reduction)


# ------------------------------------------------------------------------------------------- regularisation
@checked
def l2_penalty(model: Module, strength: float, *, half: bool = False, biases: bool = False) -> Any:
    """The penalty λ‖W‖²_F over the weights of a model; ½λ‖W‖²_F with `half`, whose gradient is λW.

    Args:
        model: A scalar or a tensor model.
        strength: λ.
        half: Whether there is a factor of ½, as in the second of the lectures' two forms.
        biases: Whether biases count too; by default only weights do (parameters whose name does not begin with b).

    Example:
        >>> from nn import Linear
        >>> layer = Linear(2, 1, rng=0)
        >>> penalty = l2_penalty(layer, 0.1, half=True)
        >>> penalty.backward()
        >>> bool(np.allclose(layer.weight.grad, 0.1 * layer.weight.data)), layer.bias.grad is None
        (True, True)
    """
    factor = 0.5 * strength if half else float(strength)
    chosen = [p for name, p in model.named_parameters() if p.requires_grad and (biases or not name.rsplit(".", 1)[-1].startswith("b"))]
    if not chosen:
        return 0.0
    if all(isinstance(p, Value) for p in chosen):
        return factor * weighted_sum(chosen, chosen, 0.0)
    total: Any = None
    for p in chosen:
        square = ag.square(p) if isinstance(p, Value) else ag.square(p).sum()
        total = square if total is None else total + square
    return factor * total


LOSSES: dict[str, Loss] = {
    "mse": mse_loss, "squared_error": squared_error, "l1": l1_loss, "huber": huber_loss, "hinge": hinge_loss, "bce": binary_cross_entropy,
    "bce_with_logits": binary_cross_entropy_with_logits, "nll": nll_loss, "cross_entropy": cross_entropy,
}  # fmt: skip
"""Losses by the short names that `fit` takes."""


@checked
def loss_of(loss: str | Loss) -> Loss:
    """A loss by its name ("mse", "cross_entropy", …, or the function's own), or the function itself."""
    if callable(loss):
        return loss
    named = {**LOSSES, **{f.__name__: f for f in LOSSES.values()}}
    if loss not in named:
        raise OperandError(f"loss: received {loss!r}, expected a function loss(prediction, target) or one of {', '.join(LOSSES)}.")
    return named[loss]
