"""Lifted steps of a scalar model: what it computes number by number is found to be a few matrix products (see `autograd_core.lift`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import Value, lift, no_grad, weighted_sum

from .activations import ACTIVATIONS
from .inference import predict, target_for
from .ingredients import shadowed
from .lifted import SAFE_LOSSES, LiftedStep, all_count, equal_losses
from .losses import binary_cross_entropy, cross_entropy
from .module import Module
from .neuron import MLP, Layer, Neuron
from .slots import Array, forget_gradients
from .training import Training

__all__ = ["LiftedValues", "liftable_values", "lifted_values"]

_FEW = 2                                       # samples with which a loss of the user's is compared before every epoch


class LiftedValues(LiftedStep):
    """The steps of a model whose parameters are `Value`s."""

    kinds = (MLP, Layer, Neuron)

    def __init__(
        self, training: Training, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, x: Array, y: Array, *, known: bool
    ) -> None:
        """Nothing is recorded before the first batch; `x` and `y` are a few samples to compare with."""
        super().__init__(training, loss, penalty, known=known)
        self.sample = x, y
        self.scores = predict(self.model, x).shape[1:]
        self._few: Any = None                  # the loss of the few, as a program

    def gather(self, theta: Array) -> None:
        """Write the parameters into a vector."""
        theta[:] = [p._value for p in self.parameters]

    def scatter(self, theta: Array, gradient: Array | None) -> None:
        """Give the parameters their data, and their gradients, out of vectors."""
        for p, number in zip(self.parameters, theta.tolist(), strict=True):
            p._value = number
        if gradient is not None:
            for p, number in zip(self.parameters, gradient.tolist(), strict=True):
                p.grad = p._UNREACHED if id(p) in self.unreached else number

    # ------------------------------------------------------------------------------------------- is it the same?
    def loss_holds(self) -> bool:
        """Whether the loss of the few samples is that of their program."""
        x, y = self.sample
        if self._few is None:
            self._few = self.record(x, y)
        return self._same(self._few, x, y)

    def look_for_unreached(self) -> None:
        """Find the parameters that have no part in the loss: a program gives them the gradient 0, a step without a program none at all."""
        before = [p.grad for p in self.parameters]
        try:
            forget_gradients(self.parameters, True, "fit")
            self._loss(*self.sample)[0].backward()
            self.unreached = {id(p) for p in self.parameters if not p._flowed}
        finally:
            for p, gradient in zip(self.parameters, before, strict=True):
                p.grad = gradient

    def agrees(self, x: Array, y: Array) -> bool:
        """Whether the programs give what is computed anew where the parameters, and samples, are others than those recorded.

        They do not where Python took a decision by the numbers, or where a number left the graph (`.data`, `float`). Where modules and
        loss are known, the penalty alone is put to the test, else the loss of a batch, here with the last samples.
        """
        own = np.array([p.data for p in self.parameters])
        drawn = np.random.default_rng(0).normal(size=len(own))
        samples = ((x, y), (x[::-1], y[::-1]), (-x, np.roll(y, 1, axis=0)))
        others = [numbers.tolist() for numbers in (own, -own, drawn, 0.01 * drawn, 5.0 * drawn)]

        def holds() -> bool:
            return self.penalty_holds() and (self.known or (self.loss_holds() and all(self._same(self.program, *these) for these in samples)))

        return self.holds_at(others, holds)

    def _same(self, program: Any, x: Array, y: Array) -> bool:
        with no_grad(), np.errstate(all="ignore"):
            computed = self._loss(x, y)[0]
            self.gather(program.theta.data)
            program.inputs = self._numbers(x, y)
            return equal_losses(program(), computed, self.tolerance)

    # ------------------------------------------------------------------------------------------------- a batch
    def record(self, x: Array, y: Array) -> Any:
        """The program of the loss of a batch."""
        value, leaves = self._loss(x, y)
        return lift(value, params=self.parameters, inputs=leaves)

    def feed(self, x: Array, y: Array) -> None:
        """Write a batch into the program."""
        self.program.inputs = self._numbers(x, y)

    def _numbers(self, x: Array, y: Array) -> Array:
        """Samples and targets one after the other."""
        return np.concatenate([x.ravel(), self._targets(y).ravel()])

    def _targets(self, y: Array) -> Array:
        """Targets as floats; classes as rows with a single 1."""
        if self.loss is cross_entropy and y.ndim == 1:
            return np.asarray(np.eye(*self.scores)[y.astype(int)])
        return target_for(y, np.zeros((len(y), *self.scores))).astype(float)

    def _loss(self, x: Array, y: Array) -> tuple[Any, list[Value]]:
        """(the loss of a batch, number by number; its inputs)."""
        targets = self._targets(y)
        rows = [[Value(v) for v in row] for row in x.reshape(len(x), -1).tolist()]
        goals: Any = [[Value(v) for v in row] for row in targets.tolist()] if targets.ndim == 2 else [Value(v) for v in targets.tolist()]
        outputs = [self.model(row) for row in rows]
        value = _cross_entropy(outputs, goals, shares=y.ndim == 2) if self.loss is cross_entropy else self.loss(outputs, goals)
        if self.penalty is not None:
            value = value + self.penalty(self.model)
        return value, [v for row in rows for v in row] + [v for row in goals for v in (row if isinstance(row, list) else [row])]


def _cross_entropy(outputs: list[list[Any]], goals: list[list[Any]], *, shares: bool) -> Any:
    """The mean of Σt·ln Σ e^z − Σ t·z, with no decision that depends on the numbers; Σt is 1 where no shares are given."""
    losses = []
    for scores, goal in zip(outputs, goals, strict=True):
        total = scores[0]
        for z in scores[1:]:
            total = ag.logaddexp(total, z)  # type: ignore[attr-defined, unused-ignore]
        if shares:
            total = total * weighted_sum([1.0] * len(goal), goal, 0.0)
        losses.append(total - weighted_sum(goal, scores, 0.0))
    return weighted_sum([1.0 / len(losses)] * len(losses), losses, 0.0)


def liftable_values(model: Module, loss: Callable[..., Any]) -> bool:
    """Whether a run may be lifted without asking: nothing in the model and the loss decides by the numbers."""
    modules = list(model.modules())
    if loss not in SAFE_LOSSES or any(type(m) not in LiftedValues.kinds or shadowed(m) for m in modules):
        return False
    neurons: list[Any] = [m for m in modules if isinstance(m, Neuron)]
    if not all(n.by_name and n.activation in ACTIVATIONS and n.activation != "prelu" for n in neurons):
        return False
    return loss is not binary_cross_entropy or neurons[-1].activation == "sigmoid"   # others may leave [0, 1], which must raise


def lifted_values(
    training: Training, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, x: Array, y: Array, sizes: Sequence[int]
) -> LiftedStep | None:
    """The steps of a scalar model, with batches of the given sizes recorded; None where a replay is not the same.

    `x` and `y` are all samples and targets.
    """
    step = LiftedValues(training, loss, penalty, x[:_FEW], y[:_FEW], known=liftable_values(training.model, loss))
    if loss is cross_entropy and not all_count(y, (len(y), *step.scores)):
        return None
    step.prepare(x, y, sizes)
    if not (step.known and penalty is None) and not step.agrees(x[-sizes[0] :], y[-sizes[0] :]):
        return None
    step.look_for_unreached()
    return step
