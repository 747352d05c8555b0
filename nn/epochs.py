"""An epoch of `fit`: one pass over all samples, in batches.

    for each batch: prediction → loss → backward → (clip) → step

A tensor model computes a batch at a time and a scalar model a number at a time; where a model can be lifted, a program takes the
place of prediction, loss and backward (see `nn.lifted`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import shown
from autograd_core.errors import AutogradError, OperandError
from autograd_core.modes import anomaly_detected

from .clipping import clip_grad_norm_
from .data import batches
from .inference import as_plain, forward, is_scalar, number_of, predict, target_for
from .lifted import LiftedStep, replayable
from .lifted_tensors import liftable_tensors, lifted_tensors
from .lifted_values import liftable_values, lifted_values
from .losses import LOSSES
from .metrics import Metric
from .module import Module
from .pairs import warn_if_broadcast
from .training import Training

__all__ = ["Epoch"]

Array = np.ndarray

_PAYS = {True: 4, False: 50}                   # scalar model or not: the number of steps from which a recording pays


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
        """The arguments of `fit`, already checked; records the steps at once where they are to be lifted from the start."""
        self.training, self.x, self.y = training, x, y
        self.loss, self.penalty, self.metrics, self.clip_norm, self.epochs = loss, penalty, metrics, clip_norm, epochs
        self.size, self.shuffle, self.drop_last = min(batch_size or len(x), len(x)), batch_size is not None, drop_last
        self.sizes = [self.size] if drop_last or not len(x) % self.size else [self.size, len(x) % self.size]
        self.batches = len(x) // self.size if drop_last else math.ceil(len(x) / self.size)
        self.scalar = is_scalar(training.model)
        self.lift = lift
        self.program: LiftedStep | None = None
        self._steps = 0                        # that the program has replayed
        self._unseen = self.loss not in LOSSES.values()  # a loss of the user's, of which no batch has been computed
        self._measured: list[tuple[Array, Array]] = []  # (predictions, targets) of the pass
        # A scalar model is lifted at the start or not at all, so that all parts of a resumed run are, or none is.
        soon = bool(lift) or (self.scalar and (resumable or epochs * (len(x) // self.size) >= _PAYS[True]))
        self._tried = soon or self.scalar
        failure = self._lift() if soon else None
        if lift and self.program is None:
            raise OperandError(
                "fit: lift=True, but the loss of a batch could not be lifted, or decides by the numbers (`if` of a Value, `.data`), draws at random "
                "or keeps running statistics, which a replay cannot; lift=None or False trains the model as it stands."
            ) from failure

    def _lift(self) -> Exception | None:
        """Record the steps of the model as a program, where that is wanted and possible; returns the exception where it is not."""
        training, asked = self.training, bool(self.lift)
        self._tried, self._steps = True, 0
        liftable, lifted = (liftable_values, lifted_values) if self.scalar else (liftable_tensors, partial(lifted_tensors, asked=asked))
        if self.lift is False or self._watched() or not replayable(training.optimizer) or not (asked or liftable(training.model, self.loss)):
            return None
        self._check_targets()
        try:
            self.program = lifted(training, self.loss, self.penalty, self.x, self.y, self.sizes)
        except Exception as error:
            if not asked and not isinstance(error, (AutogradError, NotImplementedError, MemoryError)):
                raise
            return error                       # perhaps of a model or a loss of the user's own that does not work on the nodes of a recording
        if self.program is not None:
            self._unseen, training.history.lifted = False, self.program.program.kind
        return None

    def _watched(self) -> bool:
        """Whether anomalies are looked for, at every node: a program has none."""
        return not self.lift and anomaly_detected()

    def _check_targets(self) -> None:
        """Raise for targets that a built-in loss refuses: a replay does not check them."""
        self._targets = self.y.copy()
        if self.loss not in LOSSES.values():
            return
        one, many = predict(self.training.model, self.x[: self.size]), max(self.size, 1024)
        for start in range(0, len(self.y), many):
            part = self.y[start : start + many]
            prediction = np.zeros((len(part), *one.shape[1:]), one.dtype)
            self.loss(prediction, target_for(part, prediction))

    def _program_now(self) -> LiftedStep | None:
        """The program that replays the steps of the next pass, if any: recorded anew if the model or the targets have changed."""
        if self.program is None:
            before = self.training.epoch * self.batches  # counted from the very first, so that a resumed run does as one in a piece
            if not self._tried and before >= _PAYS[False]:
                self._lift()
        elif self._watched() or not self.program.still_holds() or not np.array_equal(self.y, self._targets):
            worth = self.lift or self._steps >= _PAYS[self.scalar]
            self.program, self.training.history.lifted = None, ""
            if worth:
                self._lift()
        return self.program

    # ------------------------------------------------------------------------------------------------ a pass
    def __call__(self, bar: Any) -> dict[str, float]:
        """The loss, as the mean over the samples while they are trained on, and the metrics.

        Metrics are those of the predictions that were trained on; of a lifted scalar model, those of the predictions after the pass.
        """
        program = self._program_now()
        if program is None:
            loss = self._pass(self._computed, bar)
        else:
            self._steps += self.batches
            program.begin()
            try:
                loss = self._pass(self._replayed, bar)
            finally:
                program.end()
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
                lifted = "" if self.program is None else f", lifted ({self.training.history.lifted})"
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
            warn_if_broadcast(loss, plain.shape, target.shape)
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
