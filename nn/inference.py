"""Looking at a model without training it: `predict` and `evaluate`, for scalar and tensor models alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core import Tensor, Value, no_grad
from autograd_core.arguments import Count, Numbers, checked, plain_numbers
from autograd_core.errors import ShapeError

from .data import batches
from .losses import loss_of
from .metrics import metrics_of
from .module import Module
from .neuron import MLP

__all__ = ["as_plain", "evaluate", "forward", "is_scalar", "number_of", "predict", "target_for", "threshold_of"]


def is_scalar(model: Module) -> bool:
    """Whether a model computes on `Value`s, one sample at a time."""
    parameters = model.parameters()
    return bool(parameters) and all(isinstance(p, Value) for p in parameters)


def forward(model: Module, x: np.ndarray, scalar: bool) -> Any:
    """Predictions for a batch: a Tensor, or a list with the Values of each sample."""
    return [model(row) for row in x.reshape(len(x), -1).tolist()] if scalar else model(x)


def as_plain(prediction: Any) -> np.ndarray:
    """Predictions as an array, out of the graph."""
    if isinstance(prediction, list):
        return np.array([[v.data for v in row] if isinstance(row, list) else getattr(row, "data", row) for row in prediction])
    return np.asarray(prediction.data if isinstance(prediction, Tensor) else prediction)


@checked
def predict(model: Module, x: Numbers, *, batch_size: Count = 1024) -> np.ndarray:
    """The model's output for every sample, as a plain array, in evaluation mode.

    Raises:
        GraphError: Inside a transform x has a gradient; there the model itself is to be called.

    >>> from nn import Linear
    >>> predict(Linear(2, 3, rng=0), np.zeros((5, 2))).shape
    (5, 3)
    """
    x, scalar = plain_numbers(x, "predict", "x", "call the model itself"), is_scalar(model)
    if not x.ndim or not len(x):
        raise ShapeError(f"predict: received x of shape {x.shape}, expected at least one sample along the first axis.")
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with no_grad():
            if type(model) is MLP and model.by_name and x.ndim == 2 and x.shape[1] == model.nin:
                return model.on_arrays(x.astype(float))
            parts = [as_plain(forward(model, part, scalar)) for part, _ in batches(x, x, batch_size, shuffle=False)]
    finally:
        for module, mode in modes:
            module.training = mode
    return np.concatenate(parts)


@checked
def evaluate(model: Module, x: Numbers, y: Numbers, *, loss: Any = "mse", metrics: Any = ()) -> dict[str, float]:
    """The loss, and the metrics, over a set of samples, in evaluation mode: {"loss": …, "accuracy": …}.

    >>> from nn import Linear
    >>> evaluate(Linear(2, 1, init="zeros"), np.ones((4, 2)), np.full((4, 1), 3.0))
    {'loss': 9.0}
    """
    function = loss_of(loss)
    prediction = predict(model, x)
    target = target_for(y, prediction)
    found = {"loss": number_of(function(prediction, target))}
    for name, metric in metrics_of(metrics, threshold_of(function)).items():
        found[name] = float(metric(prediction, target))
    return found


def number_of(loss: Any) -> float:
    """A loss as a float."""
    return float(loss.data if isinstance(loss, Value) else loss.item() if isinstance(loss, Tensor) else np.asarray(loss))


def target_for(y: Any, prediction: np.ndarray) -> np.ndarray:
    """Targets of shape (n, 1) for a model with one Value per sample are of shape (n,)."""
    y = np.asarray(y)
    return np.asarray(y.reshape(len(y)) if prediction.ndim == 1 and y.shape == (len(prediction), 1) else y)


def threshold_of(loss: Callable[..., Any]) -> float | None:
    """Where a single score changes its class, if the loss says so."""
    return 0.0 if getattr(loss, "__name__", "") in ("binary_cross_entropy_with_logits", "hinge_loss") else None
