"""An epoch of `fit`: all samples gone through once, in batches.

    for each batch: prediction → loss → backward → (clip) → step

A tensor model computes a batch at a time and a scalar model a number at a time; where a model can be lifted, a program takes the
place of prediction, loss and backward (see `nn.lifted`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import shown
from autograd_core.errors import OperandError
from autograd_core.modes import anomaly_detected
from autograd_core.warn import warned

from .clipping import clip_grad_norm_
from .data import batches
from .inference import as_plain, forward, is_scalar, number_of, predict, target_for
from .lifted import LiftedStep
from .lifted_tensors import liftable_tensors, lifted_tensors
from .lifted_values import liftable_values, lifted_values
from .losses import LOSSES
from .metrics import Metric
from .module import Module
from .training import Training

__all__ = ["Epoch"]

Array = np.ndarray

_MATTERS = 50                                  # steps of a tensor model from which on it pays to record one for good


class Epoch:
    """One pass over the samples, as often as it is called.

    Attributes:
        batches: The number of batches of a pass.
        program: What replays the steps, or None.
    """

    def __init__(
        self, training: Training, x: Array, y: Array, *, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None,
        metrics: dict[str, Metric], batch_size: int | None, drop_last: bool, clip_norm: float | None, lift: bool | None, epochs: int, resumable: bool = False,
    ) -> None:  # fmt: skip
        """The arguments of `fit`, made sure of."""
        self.training, self.x, self.y = training, x, y
        self.loss, self.penalty, self.metrics, self.clip_norm, self.epochs = loss, penalty, metrics, clip_norm, epochs
        self.size, self.shuffle, self.drop_last = min(batch_size or len(x), len(x)), batch_size is not None, drop_last
        self.batches = len(x) // self.size if drop_last else math.ceil(len(x) / self.size)
        self.scalar = is_scalar(training.model)
        self.lift = lift
        self.program: LiftedStep | None = None
        self._tried = False
        if lift or (self.scalar and (resumable or epochs * (len(x) // self.size) > 3)):   # all parts of a resumed run are lifted, or none is
            self.program = self._lifted()
        self._unseen = self.loss not in LOSSES.values()  # a loss of the user's, of which no batch has been computed
        self._measured: list[tuple[Array, Array]] = []  # (predictions, targets) of the pass

    def _lifted(self) -> LiftedStep | None:
        """The steps of the model as a program, where that is wanted and works."""
        model, x, y, asked = self.training.model, self.x, self.y, bool(self.lift)
        self._tried = True
        if self.lift is False or (not asked and anomaly_detected()):     # which looks at every node: a program has none
            return None
        if not asked and not (liftable_values if self.scalar else liftable_tensors)(model, self.loss):
            return None
        if self.loss in LOSSES.values():       # raises at targets that do not fit; a replay would not look at them
            one, many = predict(model, x[:1]), max(self.size, 1024)
            for start in range(0, len(y), many):
                part = y[start : start + many]
                prediction = np.zeros((len(part), *one.shape[1:]), one.dtype)
                self.loss(prediction, target_for(part, prediction))
        made = lifted_values if self.scalar else lifted_tensors
        step = made(model, self.loss, self.penalty, self.training.optimizer, x, y, self.size, asked=asked)
        if step is None and asked:
            raise OperandError(
                "fit: lift=True, but the loss of a batch could not be lifted, or decides by the numbers (`if` of a Value, `.data`), draws at random "
                "or keeps running statistics, which a replay cannot; lift=None or False trains the model as it stands."
            )
        self.training.history.lifted = "" if step is None else step.kind
        return step

    # ------------------------------------------------------------------------------------------------ a pass
    def __call__(self, bar: Any) -> dict[str, float]:
        """The loss, as the mean over the samples while they are trained on, and the metrics.

        Metrics are those of the predictions that were trained on; of a lifted scalar model, those of the predictions after the pass.
        """
        before = self.training.epoch * self.batches      # counted from the very first, so that a resumed run does as one in a piece
        if not self.scalar and not self._tried and before >= _MATTERS:
            self.program = self._lifted()
        if self.program is not None and not self.program.still_holds():
            self.program, self.training.history.lifted = None, ""  # the function is another than was recorded: on, as it stands
        if self.program is None:
            loss = self._pass(self._computed, bar)
        else:
            self.program.begin()
            try:
                loss = self._pass(self._replayed, bar)
            finally:
                self.program.end()
            if self.metrics and self.scalar:
                prediction = predict(self.training.model, self.x)
                self._measured = [(prediction, target_for(self.y, prediction))]
        row = {"loss": loss} | {name: self._measure(metric) for name, metric in self.metrics.items()}
        self._measured = []
        return row

    def _pass(self, step: Callable[[Array, Array], float], bar: Any) -> float:
        """A step for every batch; the mean of their losses, each sample counting alike."""
        training, total, count = self.training, 0.0, 0
        for x, y in batches(self.x, self.y, self.size, rng=training.rng, shuffle=self.shuffle, drop_last=self.drop_last):
            loss = step(x, y)
            training.optimizer.step()
            total, count = total + loss * len(x), count + len(x)
            if bar is not None:
                lifted = "" if self.program is None else f", lifted ({self.program.kind})"
                bar.set_description_str(f"epoch {training.epoch + 1}/{self.epochs}{lifted}", refresh=False)
                bar.set_postfix_str(f"loss {loss:.4f}, lr {training.optimizer.lr:.2g}", refresh=False)
                bar.update()
        return total / count

    def _computed(self, x: Array, y: Array) -> float:
        """The loss of a batch; its gradient is left in the parameters."""
        training = self.training
        training.optimizer.zero_grad()
        prediction = forward(training.model, x, self.scalar)
        plain = as_plain(prediction)
        target = target_for(y, plain)
        loss = self.loss(prediction, target)
        if self.penalty is not None:
            loss = loss + self.penalty(training.model)
        if not isinstance(loss, (Value, Tensor)):
            raise OperandError(f"fit: the loss function gave {shown(loss)}, expected one number, as a Value or a Tensor; the mean over a batch, say.")
        if self._unseen:
            self._unseen = False
            _warn_if_broadcast(loss, plain.shape, target.shape)
        loss.backward()
        if self.clip_norm is not None:
            clip_grad_norm_(training.optimizer.parameters, self.clip_norm)
        if self.metrics:
            self._measured.append((plain, target))
        return number_of(loss)

    def _replayed(self, x: Array, y: Array) -> float:
        """The loss of a batch; its gradient is left in the program."""
        program: Any = self.program
        loss: float = program(x, y)
        if self.clip_norm is not None:
            program.clip(self.clip_norm)
        if self.metrics and not self.scalar:
            prediction = program.prediction()
            self._measured.append((prediction, target_for(y, prediction)))
        return loss

    def _measure(self, metric: Metric) -> float:
        predictions, targets = zip(*self._measured, strict=True)
        return float(metric(np.concatenate(predictions), np.concatenate(targets)))


def _warn_if_broadcast(loss: Value | Tensor, predictions: tuple[int, ...], targets: tuple[int, ...]) -> None:
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
