"""Training a scalar model at array speed: the loss of a batch is recorded once, lifted, and replayed for every batch after it.

`fit` does this by itself where it is safe: where nothing in the model or the loss asks Python for a decision that depends on the
numbers, since a replay takes the branches of the recording. What was written by the user, such as a penalty, is put to the test: the
program must give the loss that is computed anew at other parameters and inputs, and the penalty is compared before every epoch. While
a run is lifted, the optimiser works on the program's flat vector of parameters; the `Value`s get their data and gradients back after
every epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import Value, lift, no_grad, weighted_sum
from autograd_core.errors import AutogradError

from .activations import ACTIVATIONS
from .clipping import clip_grad_norm_
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    squared_error,
)
from .module import Module
from .neuron import MLP, Layer, Neuron
from .optimizer import Optimizer
from .slots import Slot, State, Update

__all__ = ["LiftedStep", "liftable", "lifted_step"]

_SAFE = (mse_loss, squared_error, l1_loss, huber_loss, hinge_loss, binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy)


def liftable(model: Module, loss: Callable[..., Any], steps: float) -> bool:
    """Whether a run may be lifted without asking: known modules, a known loss, and enough steps to be worth it."""
    modules = list(model.modules())
    known = all(type(m) in (MLP, Layer, Neuron) for m in modules)
    neurons = [m for m in modules if isinstance(m, Neuron)]
    return known and loss in _SAFE and steps > 3 and all(n.by_name and n.activation in ACTIVATIONS and n.activation != "prelu" for n in neurons)


class _PartSlot:
    """A slot of an optimiser that stands for a part of the program's vector."""

    def __init__(self, step: LiftedStep, cells: slice, state: State) -> None:
        self.step, self.cells, self.state = step, cells, state

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.cells.stop - self.cells.start,)

    def check(self) -> None:
        """The program's gradient is as long as its vector."""

    def reached(self) -> bool:
        """The program gives every parameter its gradient."""
        return True

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
        self._penalty: Any = None              # the penalty alone, as a program
        trained = {id(p) for p in self.parameters}
        self._untrained: list[Value] = [p for p in model.parameters() if id(p) not in trained]
        self._held = [p.data for p in self._untrained]   # constants of the programs

    # ------------------------------------------------------------------------------------------- around an epoch
    def still_holds(self) -> bool:
        """Whether the penalty is still the function of the parameters that was recorded: a strength that is changed is seen here.

        Where parameters have changed that are not trained, everything is to be recorded anew.
        """
        held = [p.data for p in self._untrained]
        if held != self._held:
            self.programs, self.program, self._penalty, self._held = {}, None, None, held
        if self.penalty is None:
            return True
        if self._penalty is None:
            value = self.penalty(self.model)
            if not isinstance(value, Value) or not value.parents:  # it depends on no parameter
                return False
            self._penalty = lift(value, params=self.parameters)
        self._penalty.theta.data[:] = [p.data for p in self.parameters]
        with no_grad():
            return _equal(self._penalty(), self.penalty(self.model))

    def agrees(self, x: np.ndarray, y: np.ndarray, *, whole: bool) -> bool:
        """Whether the programs give what is computed anew where the parameters, and samples, are others than those recorded.

        They do not where Python took a decision by the numbers, or where a number left the graph (`.data`, `float`). With `whole`
        the loss of a batch is put to the test, here with the last samples, else the penalty alone.
        """
        own = [p.data for p in self.parameters]
        drawn = np.random.default_rng(0).normal(size=len(own))
        flat, goals = x.reshape(len(x), -1), self._targets(y)
        samples = ((flat, goals), (flat[::-1], goals[::-1]), (-flat, np.roll(goals, 1, axis=0)))
        try:
            for other in (own, [-v for v in own], drawn, 0.01 * drawn, 5.0 * drawn):
                for p, number in zip(self.parameters, other, strict=True):
                    p.data = float(number)
                if not self.still_holds() or (whole and not all(self._same(other, *these) for these in samples)):
                    return False
        except Exception:                      # what a loss of the user's own raises at numbers that it was not made for
            return False
        finally:
            for p, number in zip(self.parameters, own, strict=True):
                p.data = number
            self.program.theta.data[:] = own
        return True

    def _same(self, theta: Any, x: np.ndarray, targets: np.ndarray) -> bool:
        with no_grad(), np.errstate(all="ignore"):
            computed = self._loss(x, targets)[0]
            self.program.theta.data[:] = theta
            self.program.inputs = np.concatenate([x.ravel(), targets.ravel()])
            return _equal(self.program(), computed)

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
        value, leaves = self._loss(x, targets)
        return lift(value, params=self.parameters, inputs=leaves)

    def _loss(self, x: np.ndarray, targets: np.ndarray) -> tuple[Any, list[Value]]:
        """(the loss of a batch, number by number; its inputs)."""
        rows = [[Value(v) for v in row] for row in x.tolist()]
        goals: Any = [[Value(v) for v in row] for row in targets.tolist()] if targets.ndim == 2 else [Value(v) for v in targets.tolist()]
        outputs = [self.model(row) for row in rows]
        value = _cross_entropy(outputs, goals) if self.loss is cross_entropy else self.loss(outputs, goals)
        if self.penalty is not None:
            value = value + self.penalty(self.model)
        return value, [v for row in rows for v in row] + [v for row in goals for v in (row if isinstance(row, list) else [row])]


def _equal(replayed: Any, computed: Any) -> bool:
    """Whether two losses are one number, to rounding; where both are no number they are alike."""
    number = float(computed.data) if isinstance(computed, Value) else float(computed)
    return bool(np.isclose(float(replayed), number, rtol=1e-6, atol=1e-12, equal_nan=True))


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
    model: Module, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, optimizer: Optimizer, x: np.ndarray, y: np.ndarray, size: int
) -> LiftedStep | None:
    """A lifted step that has recorded its first batch, or None where that does not work: also where a replay would not be the same."""
    step = LiftedStep(model, loss, penalty, optimizer)
    known = liftable(model, loss, math.inf)
    try:
        step(x[:size], y[:size])
        if not (known and penalty is None) and not step.agrees(x[-size:], y[-size:], whole=not known):
            return None
    except (AutogradError, NotImplementedError, MemoryError):
        return None
    finally:
        optimizer._slots = step._own
    return step
