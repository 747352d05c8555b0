"""Training at array speed: the loss of a batch is recorded once, lifted, and replayed for every batch after it.

`fit` does this by itself where it is safe: where nothing in the model or the loss asks Python for a decision that depends on the
numbers, draws at random, or keeps count, since a replay does what was done in the recording. While a run is lifted, the optimiser works
on the program's flat vector of parameters; the parameters themselves get their data and gradients back after every epoch.

What the user has written, a penalty, a loss or a module, is put to the test: a program must give what is computed anew at other
parameters. Before every epoch it is compared again, and of all else it is seen to that it is still there (see `nn.ingredients`).

What is common to all models is here; how a batch is recorded, and how numbers come in and go out, is told in `nn.lifted_values` and
`nn.lifted_tensors`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from autograd_core import Tensor, Value, lift, no_grad

from .clipping import clip_grad_norm_
from .inference import number_of
from .ingredients import Ingredients, shadowed
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
from .optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from .optimizer import Optimizer
from .slots import Array, Slot, State, TensorSlot, Update, ValuesSlot, advance_some, counted_apart
from .training import Training

__all__ = ["SAFE_LOSSES", "LiftedStep", "all_count", "equal_losses", "replayable"]

SAFE_LOSSES = (mse_loss, squared_error, l1_loss, huber_loss, hinge_loss, binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy)
"""The losses that decide nothing by the numbers but whether they are valid."""

_ELEMENTWISE = (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta)
"""The optimisers whose update of a number depends on nothing but that number's own gradients."""


class _Part:
    """A part of the program's vector as a slot of the optimiser: it stands in for one of the slots, or for neighbours that go in step."""

    def __init__(self, step: LiftedStep, start: int, members: Sequence[Slot]) -> None:
        """`start` is where the part begins in the vector."""
        self.step, self.members = step, members
        self.sizes = [math.prod(slot.shape) for slot in members]
        self.cells = slice(start, start + sum(self.sizes))
        self.joined = len(members) > 1
        self.shape = (sum(self.sizes),) if self.joined else members[0].shape
        self.state: State = _joined(members) if self.joined else members[0].state
        values = [p for slot in members if isinstance(slot, ValuesSlot) for p in slot.parameters]
        self.reached_ones = np.array([id(p) not in step.unreached for p in values]) if step.unreached else np.full(self.shape, True)
        self.all_reached = bool(self.reached_ones.all())

    def check(self) -> None:
        """The program's gradient is as long as its vector."""

    def reached(self) -> bool:
        """The program gives every parameter its gradient."""
        return True

    def advance(self, update: Update, group: dict[str, Any]) -> None:
        """Update all numbers of the part."""
        theta = self.step.program.theta
        if theta.grad is None:
            return
        data, gradient = theta.data[self.cells].reshape(self.shape), theta.grad[self.cells].reshape(self.shape)
        if not self.all_reached or counted_apart(self.state):
            advance_some(update, data, gradient, self.state, group, self.reached_ones)
        else:
            update(data, gradient, self.state, group)

    def give_back(self) -> None:
        """Give the running averages back to the slots that they belong to."""
        if not self.joined:
            return
        start = 0
        for slot, size in zip(self.members, self.sizes, strict=True):
            cells = slice(start, start + size)
            slot.state = {
                name: np.array(array) if name == "step" else array[cells].reshape(slot.shape).copy()
                for name, array in self.state.items() if name != "work"
            }  # fmt: skip
            start += size


def _kept(slot: Slot) -> dict[str, Any]:
    """What a slot keeps from step to step: the shape of each average, and the number of updates."""
    return {name: int(array) if name == "step" else array.shape for name, array in slot.state.items() if name != "work"}


def _in_step(slots: Sequence[Slot]) -> bool:
    """Whether slots have been updated equally often, and have averages of the same names."""
    if any(counted_apart(slot.state) for slot in slots):
        return False
    kept = [_kept(slot) for slot in slots]
    return all(k.keys() == kept[0].keys() and k.get("step") == kept[0].get("step") for k in kept)


def _joined(slots: Sequence[Slot]) -> State:
    """The running averages of several slots as those of one."""
    return {
        name: np.array(slots[0].state[name]) if name == "step" else np.concatenate([slot.state[name] for slot in slots], axis=None)
        for name in _kept(slots[0])
    }


class LiftedStep:
    """Forward and backward of a batch by a program; one program for each shape of batch."""

    kinds: tuple[type, ...] = ()               # classes of modules that compute nothing but what their attributes say
    tolerance = 1e-6, 1e-12                    # relative and absolute, within which two losses are equal

    def __init__(self, training: Training, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, *, known: bool) -> None:
        """Nothing is recorded yet. `known` says that all modules are of these kinds, and the loss is ours."""
        self.model, self.loss, self.penalty, self.optimizer, self.known = training.model, loss, penalty, training.optimizer, known
        self._penalty: Any = None              # the penalty alone, as a program
        self.parameters: list[Any] = [p for p in self.optimizer.parameters if p.requires_grad]
        self._frozen: list[Any] = [p for p in self.optimizer.parameters if not p.requires_grad]
        self.programs: dict[int, Any] = {}     # by the number of samples
        self.program: Any = None
        self.unreached: set[int] = set()       # ids of the parameters that have no part in the loss, which an optimiser leaves alone
        self._own = self.optimizer._slots
        self._ingredients = Ingredients(training, self.kinds)

    # ------------------------------------------------------------------------------------------ what differs
    def record(self, x: Array, y: Array) -> Any:
        """The program of the loss of a batch."""
        raise NotImplementedError

    def feed(self, x: Array, y: Array) -> None:
        """Write a batch into the present program."""
        raise NotImplementedError

    def gather(self, theta: Array) -> None:
        """Write the parameters into a vector."""
        raise NotImplementedError

    def scatter(self, theta: Array, gradient: Array | None) -> None:
        """Give the parameters their data, and their gradients, out of vectors."""
        raise NotImplementedError

    def loss_holds(self) -> bool:
        """Whether the loss of some samples, computed anew, is that of a program."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------ is it the same?
    def still_holds(self) -> bool:
        """Whether a recording made now would be the same: it depends on the same objects, and code other than ours gives the same loss."""
        return self._ingredients.same() and self.penalty_holds() and (self.known or self.loss_holds())

    def penalty_holds(self) -> bool:
        """Whether the penalty is still the function of the parameters that was recorded: a strength that is changed is seen here."""
        if self.penalty is None:
            return True
        if self._penalty is None:
            value = self.penalty(self.model)
            if not isinstance(value, (Value, Tensor)) or not value.parents:  # it depends on no parameter
                return False
            self._penalty = lift(value, params=self.parameters)
        self.gather(self._penalty.theta.data)
        with no_grad():
            return equal_losses(self._penalty(), self.penalty(self.model), self.tolerance)

    def holds_at(self, others: Iterable[Sequence[Any]], holds: Callable[[], bool]) -> bool:
        """Whether `holds()` is true with each of these other values of the parameters, which get their own back afterwards."""
        own = [p.data for p in self.parameters]
        try:
            try:
                for other in others:
                    self._put(other)
                    if not holds():
                        return False
                return True
            finally:
                self._put(own)
                self.gather(self.program.theta.data)
        except KeyboardInterrupt:              # again, in case it was this that was interrupted
            self._put(own)
            raise
        except Exception:                      # a loss of the user's own may raise at numbers that it was not made for
            return False

    def _put(self, arrays: Sequence[Any]) -> None:
        """Give the parameters other data."""
        for p, data in zip(self.parameters, arrays, strict=True):
            p.data = data

    # ------------------------------------------------------------------------------------------ around an epoch
    def prepare(self, x: Array, y: Array, sizes: Sequence[int]) -> None:
        """Record a program for batches of each size, with the first samples, at the present parameters; the first size is that of most."""
        for size in reversed(sizes):
            self.program = self.programs[size] = self.record(x[:size], y[:size])

    def begin(self) -> None:
        """Take the parameters, and the place of the optimiser's slots."""
        self.gather(self.program.theta.data)
        for p in self._frozen:
            p.grad = p._UNREACHED
        self._take_over()

    def end(self) -> None:
        """Give data and gradients back to the parameters, and the optimiser its slots; does nothing the second time."""
        if self.optimizer._slots is self._own:
            return
        self.scatter(self.program.theta.data, self.program.theta.grad)
        for parts in self.optimizer._slots:
            for part in parts:
                part.give_back()  # type: ignore[attr-defined]
        self.optimizer._slots = self._own

    def _take_over(self) -> None:
        """Put parts of the vector in place of the optimiser's slots: one part for all slots of a group that go in step, and none for frozen ones."""
        start, taken = 0, []
        for all_slots in self._own:
            slots = [slot for slot in all_slots if not isinstance(slot, TensorSlot) or slot.parameter.requires_grad]
            together = len(slots) > 1 and type(self.optimizer) in _ELEMENTWISE and _in_step(slots)
            group: list[Slot] = []
            for members in [slots] if together else [[slot] for slot in slots]:
                part = _Part(self, start, members)
                start = part.cells.stop
                group.append(part)
            taken.append(group)
        self.optimizer._slots = taken

    # ------------------------------------------------------------------------------------------------- a batch
    def __call__(self, x: Array, y: Array) -> float:
        """The loss of a batch; its gradient is left in the program."""
        program = self.programs[len(x)]
        if program is not self.program:
            program.theta.data[:] = self.program.theta.data
            self.program = program
        self.feed(x, y)
        value = program()
        program.backward()
        return float(value)

    def clip(self, norm: float) -> None:
        """Hold the norm of the gradient below a bound."""
        clip_grad_norm_([self.program.theta], norm)


def equal_losses(replayed: Any, computed: Any, tolerance: tuple[float, float]) -> bool:
    """Whether two losses are equal up to rounding (relative, absolute); nan equals nan."""
    both = float(replayed), number_of(computed)
    return math.isclose(*both, rel_tol=tolerance[0], abs_tol=tolerance[1]) or all(map(math.isnan, both))


def replayable(optimizer: Optimizer) -> bool:
    """Whether an optimiser steps as ours do, so that a vector may take the place of its parameters.

    One of the user's own may compute an update in its own way. One that has a `step` of its own may look at the parameters after it, to
    project them, say.
    """
    kind = type(optimizer)
    return kind.step is Optimizer.step and kind.zero_grad is Optimizer.zero_grad and not shadowed(optimizer)


def all_count(y: Array, scores: tuple[int, ...]) -> bool:
    """Whether the targets of a cross-entropy are shares, or class numbers without those that are to be ignored."""
    return y.dtype.kind == "f" if y.shape == scores else float(np.min(y)) >= 0.0
