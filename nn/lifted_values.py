"""Lifted steps of a scalar model: what it computes number by number is found to be a few matrix products (see `autograd_core.lift`).

What was written by the user, such as a penalty, is put to the test: the program must give the loss that is computed anew at other
parameters and inputs, and the penalty is compared before every epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import Value, lift, no_grad, weighted_sum

from .activations import ACTIVATIONS
from .lifted import SAFE_LOSSES, LiftedStep, equal_losses, verified
from .losses import binary_cross_entropy, cross_entropy
from .module import Module
from .neuron import MLP, Layer, Neuron
from .optimizer import Optimizer
from .slots import Array

__all__ = ["LiftedValues", "liftable_values", "lifted_values"]


class LiftedValues(LiftedStep):
    """The steps of a model whose parameters are `Value`s."""

    def __init__(self, model: Module, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, optimizer: Optimizer) -> None:
        """Nothing is recorded before the first batch."""
        super().__init__(model, loss, penalty, optimizer)
        trained = {id(p) for p in self.parameters}
        self._untrained: list[Value] = [p for p in model.parameters() if id(p) not in trained]
        self._held = [p.data for p in self._untrained]   # constants of the programs

    def gather(self, theta: Array) -> None:
        """Write the parameters into a vector."""
        theta[:] = [p.data for p in self.parameters]

    def scatter(self, theta: Array, gradient: Array | None) -> None:
        """Give the parameters their data, and their gradients, out of vectors."""
        for p, number in zip(self.parameters, theta.tolist(), strict=True):
            p.data = number
        if gradient is not None:
            for p, number in zip(self.parameters, gradient.tolist(), strict=True):
                p.grad = number

    # ------------------------------------------------------------------------------------------- is it the same?
    def still_holds(self) -> bool:
        """Whether the penalty does; where parameters have changed that are not trained, everything is to be recorded anew."""
        held = [p.data for p in self._untrained]
        if held != self._held:
            self.programs, self.program, self._penalty, self._held = {}, None, None, held
        return self.penalty_holds()

    def agrees(self, x: Array, y: Array, *, whole: bool) -> bool:
        """Whether the programs give what is computed anew where the parameters, and samples, are others than those recorded.

        They do not where Python took a decision by the numbers, or where a number left the graph (`.data`, `float`). With `whole`
        the loss of a batch is put to the test, here with the last samples, else the penalty alone.
        """
        own = np.array([p.data for p in self.parameters])
        drawn = np.random.default_rng(0).normal(size=len(own))
        flat, goals = x.reshape(len(x), -1), self._targets(y)
        samples = ((flat, goals), (flat[::-1], goals[::-1]), (-flat, np.roll(goals, 1, axis=0)))
        others = [numbers.tolist() for numbers in (own, -own, drawn, 0.01 * drawn, 5.0 * drawn)]
        return self.holds_at(others, lambda: self.still_holds() and (not whole or all(self._same(*these) for these in samples)))

    def _same(self, x: Array, targets: Array) -> bool:
        with no_grad(), np.errstate(all="ignore"):
            computed = self._loss(x, targets)[0]
            self.gather(self.program.theta.data)
            self.program.inputs = np.concatenate([x.ravel(), targets.ravel()])
            return equal_losses(self.program(), computed)

    # ------------------------------------------------------------------------------------------------- a batch
    def record(self, x: Array, y: Array) -> Any:
        """The program of the loss of a batch."""
        value, leaves = self._loss(x.reshape(len(x), -1), self._targets(y))
        return lift(value, params=self.parameters, inputs=leaves)

    def feed(self, x: Array, y: Array) -> None:
        """Write a batch into the program."""
        self.program.inputs = np.concatenate([x.ravel(), self._targets(y).ravel()])

    def _targets(self, y: Array) -> Array:
        """Targets as floats; classes as rows with a single 1."""
        if self.loss is cross_entropy:
            return np.asarray(np.eye(self.model.sizes[-1])[y])  # type: ignore[attr-defined]
        return y.astype(float).reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y.astype(float)

    def _loss(self, x: Array, targets: Array) -> tuple[Any, list[Value]]:
        """(the loss of a batch, number by number; its inputs)."""
        rows = [[Value(v) for v in row] for row in x.tolist()]
        goals: Any = [[Value(v) for v in row] for row in targets.tolist()] if targets.ndim == 2 else [Value(v) for v in targets.tolist()]
        outputs = [self.model(row) for row in rows]
        value = _cross_entropy(outputs, goals) if self.loss is cross_entropy else self.loss(outputs, goals)
        if self.penalty is not None:
            value = value + self.penalty(self.model)
        return value, [v for row in rows for v in row] + [v for row in goals for v in (row if isinstance(row, list) else [row])]


def _cross_entropy(outputs: list[list[Any]], goals: list[list[Any]]) -> Any:
    """The mean of ln Σ e^z − Σ t·z, with no decision that depends on the numbers."""
    losses = []
    for scores, goal in zip(outputs, goals, strict=True):
        total = scores[0]
        for z in scores[1:]:
            total = ag.logaddexp(total, z)  # type: ignore[attr-defined, unused-ignore]
        losses.append(total - weighted_sum(goal, scores, 0.0))
    return weighted_sum([1.0 / len(losses)] * len(losses), losses, 0.0)


def liftable_values(model: Module, loss: Callable[..., Any]) -> bool:
    """Whether a run may be lifted without asking: nothing in the model and the loss decides by the numbers."""
    modules = list(model.modules())
    neurons = [m for m in modules if isinstance(m, Neuron)]
    named = all(n.by_name and n.activation in ACTIVATIONS and n.activation != "prelu" for n in neurons)
    if not named or loss not in SAFE_LOSSES or any(type(m) not in (MLP, Layer, Neuron) for m in modules):
        return False
    return loss is not binary_cross_entropy or neurons[-1].activation == "sigmoid"   # others may leave [0, 1], which is to be told


def lifted_values(
    model: Module, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, optimizer: Optimizer, x: Array, y: Array, size: int,
    *, asked: bool,
) -> LiftedStep | None:  # fmt: skip
    """The steps of a scalar model, with the first batch recorded; None where that does not work, or a replay is not the same.

    `x` and `y` are all samples and targets, `size` is the number in a batch. `asked` says whether somebody has asked for it, for a model or
    a loss of the user's own.
    """
    known = not asked or liftable_values(model, loss)
    step = LiftedValues(model, loss, penalty, optimizer)
    untested = known and penalty is None
    return verified(step, x[:size], y[:size], lambda: untested or step.agrees(x[-size:], y[-size:], whole=not known))
