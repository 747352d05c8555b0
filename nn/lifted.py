"""Training a scalar model at array speed: the loss of a batch is recorded once, lifted, and replayed for every batch after it.

`fit` does this by itself where it is safe: where nothing in the model or the loss asks Python for a decision that depends on the
numbers, since a replay takes the branches of the recording. While a run is lifted, the optimiser works on the
program's flat vector of parameters; the `Value`s get their data and gradients back after every epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import Value, lift, weighted_sum
from autograd_core.errors import AutogradError

from .activations import ACTIVATIONS
from .clipping import clip_grad_norm_
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    l1_loss,
    mse_loss,
    squared_error,
)
from .module import Module
from .neuron import MLP, Layer, Neuron
from .optimizer import Optimizer
from .slots import Slot, State, Update

__all__ = ["LiftedStep", "liftable"]

_SAFE = (mse_loss, squared_error, l1_loss, hinge_loss, binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy)


def liftable(model: Module, loss: Callable[..., Any], steps: float) -> bool:
    """Whether a run may be lifted without asking: known modules, a known loss, and enough steps to be worth it."""
    modules = list(model.modules())
    known = all(type(m) in (MLP, Layer, Neuron) for m in modules)
    neurons = [m for m in modules if isinstance(m, Neuron)]
    return known and loss in _SAFE and steps > 3 and all(n.activation in ACTIVATIONS and n.activation != "prelu" for n in neurons)


class _PartSlot:
    """A slot of an optimiser that stands for a part of the program's vector."""

    def __init__(self, step: LiftedStep, cells: slice, state: State) -> None:
        self.step, self.cells, self.state = step, cells, state

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.cells.stop - self.cells.start,)

    def advance(self, update: Update, group: dict[str, Any]) -> None:
        theta = self.step.program.theta
        if theta.grad is not None:
            update(theta.data[self.cells], theta.grad[self.cells], self.state, group)


class LiftedStep:
    """Forward and backward of a batch by a program; one program for each shape of batch."""

    def __init__(self, model: Module, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, optimizer: Optimizer) -> None:
        """Nothing is recorded before the first batch."""
        self.model, self.loss, self.penalty, self.optimizer = model, loss, penalty, optimizer
        self.parameters: list[Value] = optimizer.parameters
        self.programs: dict[Any, Any] = {}
        self.program: Any = None
        self.kind = ""
        self._own = optimizer._slots

    # ------------------------------------------------------------------------------------------- around an epoch
    def begin(self) -> None:
        """Take the parameters from the Values, and the place of the optimiser's slots."""
        if self.program is not None:
            self.program.theta.data[:] = [p.data for p in self.parameters]
            self._take_over()

    def end(self) -> None:
        """Give data and gradients back to the Values, and the optimiser its slots; nothing if that is done."""
        if self.program is None or self.optimizer._slots is self._own:
            return
        for p, number in zip(self.parameters, self.program.theta.data.tolist(), strict=True):
            p.data = number
        if self.program.theta.grad is not None:
            for p, number in zip(self.parameters, self.program.theta.grad.tolist(), strict=True):
                p.grad = number
        self.optimizer._slots = self._own

    def _take_over(self) -> None:
        start, taken = 0, []
        for slots in self._own:
            group: list[Slot] = []
            for slot in slots:
                count = slot.shape[0]
                group.append(_PartSlot(self, slice(start, start + count), slot.state))
                start += count
            taken.append(group)
        self.optimizer._slots = taken

    # ------------------------------------------------------------------------------------------------- a batch
    def __call__(self, x: np.ndarray, y: np.ndarray) -> float:
        """The loss of a batch; its gradient is left in the program."""
        targets = self._targets(y)
        key = (x.shape, targets.shape)
        program = self.programs.get(key)
        if program is None:
            if self.program is not None:
                self.end()
            program = self.programs[key] = self._record(x.reshape(len(x), -1), targets)
            self.program, self.kind = program, program.kind
            self._take_over()
        elif program is not self.program:
            program.theta.data[:] = self.program.theta.data
            self.program = program
        program.inputs = np.concatenate([x.ravel(), targets.ravel()])
        value = program()
        program.backward()
        return float(value)

    def clip(self, norm: float) -> None:
        """Hold the norm of the gradient below a bound."""
        clip_grad_norm_([self.program.theta], norm)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """Targets as floats; classes as rows with a single 1."""
        if self.loss is cross_entropy:
            return np.asarray(np.eye(self.model.sizes[-1])[y])  # type: ignore[attr-defined]
        return y.astype(float).reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y.astype(float)

    def _record(self, x: np.ndarray, targets: np.ndarray) -> Any:
        rows = [[Value(v) for v in row] for row in x.tolist()]
        goals: Any = [[Value(v) for v in row] for row in targets.tolist()] if targets.ndim == 2 else [Value(v) for v in targets.tolist()]
        outputs = [self.model(row) for row in rows]
        value = _cross_entropy(outputs, goals) if self.loss is cross_entropy else self.loss(outputs, goals)
        if self.penalty is not None:
            value = value + self.penalty(self.model)
        leaves = [v for row in rows for v in row] + [v for row in goals for v in (row if isinstance(row, list) else [row])]
        return lift(value, params=self.parameters, inputs=leaves)


def _cross_entropy(outputs: list[list[Any]], goals: list[list[Any]]) -> Any:
    """The mean of ln Σ e^z − Σ t·z, with no decision that depends on the numbers."""
    losses = []
    for scores, goal in zip(outputs, goals, strict=True):
        total = scores[0]
        for z in scores[1:]:
            total = ag.logaddexp(total, z)  # type: ignore[attr-defined, unused-ignore]
        losses.append(total - weighted_sum(goal, scores, 0.0))
    return weighted_sum([1.0 / len(losses)] * len(losses), losses, 0.0)


def lifted_step(
    model: Module, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, optimizer: Optimizer, x: np.ndarray, y: np.ndarray
) -> LiftedStep | None:
    """A lifted step that has recorded its first batch, or None where that does not work."""
    step = LiftedStep(model, loss, penalty, optimizer)
    try:
        step(x, y)
    except (AutogradError, NotImplementedError, MemoryError):
        optimizer._slots = step._own
        return None
    optimizer._slots = step._own
    return step
