"""Learning-rate schedules with torch's names: `StepLR`, `MultiStepLR`, `ExponentialLR`, `CosineAnnealingLR`, `LambdaLR`, `ReduceLROnPlateau`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import numpy as np

from autograd_core.arguments import Count, Numbers, as_numbers, checked
from autograd_core.errors import OperandError, StructureError

from .elsewhere import OF_SCHEDULES, Answers
from .optimizer import Optimizer, bounded

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LambdaLR", "MultiStepLR", "ReduceLROnPlateau", "Schedule", "StepLR"]


def _alike(value: Any, now: Any) -> bool:
    """Whether a part of a state is of the kind that it has in this schedule: a count, a number, or as many numbers."""
    if isinstance(now, list):
        return isinstance(value, (list, tuple)) and len(value) == len(now) and all(map(_alike, value, now))
    counted = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return (counted and value >= 0) if isinstance(now, int) else counted or isinstance(value, (float, np.floating))


class Schedule(Answers):
    """The base: after each epoch `step()` sets the rate of every group to `rate(its initial rate, the epoch)`.

    The initial rates are those from before the first schedule of the optimiser (`optimizer.initial_lrs`), for all its schedules, as in torch.
    Where something else has set a rate since, the schedule goes on from there: several schedules of one optimiser, stepped one after the
    other, multiply, and a rate that was halved by hand stays halved. (`LambdaLR` sets its own rate whatever was there.)

    To go on with a run, make optimiser and schedule as at its start, and load the states of both, in either order; torch's
    `last_epoch` is part of the state.

    Example:
        >>> from nn import SGD, Linear
        >>> schedule = StepLR(SGD(Linear(1, 1).parameters(), lr=0.8), 2, 0.5)
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [0.8, 0.8, 0.4, 0.4, 0.2]
    """

    _absolute: ClassVar[bool] = True           # whether rates are computed from the initial ones, and not only from the present ones

    @checked
    def __init__(self, optimizer: Optimizer) -> None:
        """Remember the initial rates, and set those of epoch 0."""
        self.optimizer = optimizer
        self.base_lrs: list[float] = list((self._absolute and optimizer.initial_lrs) or self.get_last_lr())
        self.epoch = 0
        self._planned = self.base_lrs
        self._go_on()
        if self._absolute:
            optimizer.initial_lrs = list(self.base_lrs)

    @checked
    def rate(self, base: float, epoch: int) -> float:
        """The rate of a group whose initial rate was `base`."""
        raise NotImplementedError

    def _rates(self) -> list[float]:
        return [self.rate(base, self.epoch) for base in self.base_lrs]

    def _following(self, lr: float, base: float, planned: float) -> float:  # noqa: ARG002
        """The rate of this epoch after a rate `lr` that something else has set, where `planned` would have been the next."""
        return planned

    def _write(self, rates: list[float]) -> None:
        """Write the rates into the groups, after all of them have been checked."""
        rates = [bounded(f"{type(self).__name__}: the rate of epoch {self.epoch}", rate) for rate in rates]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def _go_on(self) -> None:
        """Set the rates of this epoch, going on from the present ones where something else has set them."""
        planned = self._rates()
        found = zip(planned, self.get_last_lr(), self._planned, self.base_lrs, strict=True)
        self._write([rate if lr == before else self._following(lr, base, rate) for rate, lr, before, base in found])
        self._planned = planned

    def step(self, metric: float | None = None) -> None:  # noqa: ARG002
        """An epoch has gone by; `metric` is for schedules that look at the loss."""
        self.epoch += 1
        try:
            self._go_on()
        except BaseException:                  # a function of the user's: no rate has been changed
            self.epoch -= 1
            raise

    def get_last_lr(self) -> list[float]:
        """The rates as they are."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on, as plain numbers."""
        return {"epoch": self.epoch, "base_lrs": list(self.base_lrs), "lrs": self.get_last_lr()}

    @checked
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        now = self.state_dict()
        if set(state) != set(now) or not all(_alike(value, now[name]) for name, value in state.items()):
            raise StructureError(
                f"{type(self).__name__}.load_state_dict: received the state of another schedule, expected what state_dict() of an "
                "equivalent one gave."
            )
        try:
            self._take(state)
        except BaseException:                  # a function of the user's, or an interrupt
            self._take(now)
            raise

    def _take(self, state: dict[str, Any]) -> None:
        vars(self).update({name: value for name, value in state.items() if name != "lrs"})
        self._planned = self._rates()
        self._write(list(state["lrs"]))
        if self._absolute:
            self.optimizer.initial_lrs = list(self.base_lrs)


Schedule._answer(OF_SCHEDULES)


class StepLR(Schedule):
    """η · γ^⌊epoch / step_size⌋: down by a factor every few epochs.

    Example:
        >>> from nn import SGD, Linear
        >>> schedule = StepLR(SGD(Linear(1, 1).parameters(), lr=0.8), 10, 0.5)
        >>> for epoch in range(25):
        ...     schedule.step()
        >>> [round(lr, 4) for lr in schedule.get_last_lr()]
        [0.2]
    """

    @checked
    def __init__(self, optimizer: Optimizer, step_size: Count, gamma: float = 0.1) -> None:
        """`step_size` epochs between the steps."""
        self.step_size, self.gamma = step_size, float(bounded("StepLR: gamma", gamma))
        super().__init__(optimizer)

    @checked
    def rate(self, base: float, epoch: int) -> float:
        """The rate of an epoch."""
        return base * self.gamma ** (epoch // self.step_size)

    def _following(self, lr: float, base: float, planned: float) -> float:  # noqa: ARG002
        return lr if self.epoch % self.step_size or not self.epoch else lr * self.gamma


class MultiStepLR(Schedule):
    """η · γ^(how many milestones have been reached): down by a factor at epochs of your choice; one that is listed twice counts twice.

    Example:
        >>> from nn import SGD, Linear
        >>> schedule = MultiStepLR(SGD(Linear(1, 1).parameters(), lr=0.8), [2, 3], 0.5)
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [0.8, 0.8, 0.4, 0.2, 0.2]
    """

    @checked
    def __init__(self, optimizer: Optimizer, milestones: list[int] | tuple[int, ...], gamma: float = 0.1) -> None:
        """`milestones` are the epochs of the steps."""
        self.milestones = sorted(int(bounded("MultiStepLR: milestones", m)) for m in milestones)
        self.gamma = float(bounded("MultiStepLR: gamma", gamma))
        super().__init__(optimizer)

    @checked
    def rate(self, base: float, epoch: int) -> float:
        """The rate of an epoch."""
        return base * self.gamma ** sum(m <= epoch for m in self.milestones)

    def _following(self, lr: float, base: float, planned: float) -> float:  # noqa: ARG002
        return lr * self.gamma ** self.milestones.count(self.epoch)


class ExponentialLR(Schedule):
    """η · γ^epoch: down by a factor every epoch.

    Example:
        >>> from nn import SGD, Linear
        >>> schedule = ExponentialLR(SGD(Linear(1, 1).parameters(), lr=0.8), 0.5)
        >>> for epoch in range(3):
        ...     schedule.step()
        >>> [round(lr, 4) for lr in schedule.get_last_lr()]
        [0.1]
    """

    @checked
    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        """`gamma` is the factor from epoch to epoch."""
        self.gamma = float(bounded("ExponentialLR: gamma", gamma))
        super().__init__(optimizer)

    @checked
    def rate(self, base: float, epoch: int) -> float:
        """The rate of an epoch."""
        return base * self.gamma**epoch

    def _following(self, lr: float, base: float, planned: float) -> float:  # noqa: ARG002
        return lr * self.gamma if self.epoch else lr


class CosineAnnealingLR(Schedule):
    """η_min + ½(η − η_min)(1 + cos(π·epoch / T_max)): from η down to η_min along half a cosine (Loshchilov & Hutter 2017).

    Example:
        >>> from nn import SGD, Linear
        >>> schedule = CosineAnnealingLR(SGD(Linear(1, 1).parameters(), lr=0.8), 10)
        >>> for epoch in range(5):
        ...     schedule.step()
        >>> [round(lr, 4) for lr in schedule.get_last_lr()]
        [0.4]
    """

    @checked
    def __init__(self, optimizer: Optimizer, T_max: Count, eta_min: float = 0.0) -> None:
        """`T_max` epochs from the initial rate to `eta_min`."""
        self.T_max, self.eta_min = T_max, float(bounded("CosineAnnealingLR: eta_min", eta_min))
        super().__init__(optimizer)

    @checked
    def rate(self, base: float, epoch: int) -> float:
        """The rate of an epoch."""
        return self.eta_min + 0.5 * (base - self.eta_min) * (1.0 + math.cos(math.pi * epoch / self.T_max))

    def _following(self, lr: float, base: float, planned: float) -> float:  # noqa: ARG002
        if not self.epoch:
            return lr
        before, now = (1.0 + math.cos(math.pi * epoch / self.T_max) for epoch in (self.epoch - 1, self.epoch))
        if (self.epoch - 1) % (2 * self.T_max) == self.T_max:      # up again, from where the cosine was 0
            return lr + 0.5 * (base - self.eta_min) * now
        return self.eta_min + (lr - self.eta_min) * now / before


class LambdaLR(Schedule):
    """η · f(epoch) for a function of your own (or one for each group).

    Example:
        >>> from nn import SGD, Linear
        >>> schedule = LambdaLR(SGD(Linear(1, 1).parameters(), lr=0.8), lambda epoch: 1.0 / (1.0 + epoch))
        >>> for epoch in range(3):
        ...     schedule.step()
        >>> [round(lr, 4) for lr in schedule.get_last_lr()]
        [0.2]
    """

    @checked
    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Callable[[int], float]]) -> None:
        """`lr_lambda(epoch)` is the factor on the initial rate."""
        count = len(optimizer.param_groups)
        self._factors = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * count
        if len(self._factors) != count or not all(map(callable, self._factors)):
            raise OperandError(f"LambdaLR: expected a function of the epoch, or {count} of them, one for each group.")
        super().__init__(optimizer)

    @checked
    def rate(self, base: float, epoch: int) -> float:
        """The rate of an epoch, of the first group."""
        return base * float(self._factors[0](epoch))

    def _rates(self) -> list[float]:
        return [base * float(factor(self.epoch)) for base, factor in zip(self.base_lrs, self._factors, strict=True)]


class ReduceLROnPlateau(Schedule):
    """Down by a factor when the validation loss has not fallen, or with `mode` "max" a score not risen, for more than `patience` epochs.

    Example:
        >>> from nn import SGD, Linear
        >>> schedule = ReduceLROnPlateau(SGD(Linear(1, 1).parameters(), lr=0.8), 0.5, patience=1)
        >>> for epoch in range(4):
        ...     schedule.step(2.5)
        >>> [round(lr, 4) for lr in schedule.get_last_lr()]
        [0.4]
    """

    _absolute: ClassVar[bool] = False

    @checked
    def __init__(
        self, optimizer: Optimizer, factor: float = 0.1, patience: Annotated[int, 0] = 10, threshold: float = 1e-4, min_lr: float = 0.0,
        *, mode: str = "min",
    ) -> None:  # fmt: skip
        """`threshold` is the relative improvement that counts."""
        if mode not in ("min", "max"):
            raise OperandError(f"ReduceLROnPlateau: received mode={mode!r}, expected 'min' for a loss or 'max' for a score.")
        if not 0.0 < factor < 1.0:
            raise OperandError(f"ReduceLROnPlateau: received factor={factor!r}, expected a number between 0 and 1.")
        self.factor, self.patience, self.threshold = float(factor), int(patience), float(threshold)
        self.min_lr = float(bounded("ReduceLROnPlateau: min_lr", min_lr))
        self.mode = mode
        self.best, self.bad, self.reductions = math.inf if mode == "min" else -math.inf, 0, 0
        self._reduced = False
        super().__init__(optimizer)

    @checked
    def rate(self, base: float, epoch: int) -> float:  # noqa: ARG002
        """The rate after the reductions so far."""
        return max(base * self.factor**self.reductions, min(self.min_lr, base))

    def _following(self, lr: float, base: float, planned: float) -> float:  # noqa: ARG002
        return max(lr * self.factor, min(self.min_lr, lr)) if self._reduced else lr

    @checked
    def step(self, metric: Numbers | None = None) -> None:
        """An epoch has gone by, with this loss or score: a number, or a `Value` or `Tensor` of one element."""
        if metric is None:
            raise OperandError("ReduceLROnPlateau.step: received no loss, expected step(loss).")
        metric = as_numbers(metric, "ReduceLROnPlateau.step", "metric")
        if metric.size != 1:
            raise OperandError(f"ReduceLROnPlateau.step: received an array of shape {metric.shape}, expected one number.")
        metric = float(metric.reshape(()))
        if metric < self.best * (1.0 - self.threshold) if self.mode == "min" else metric > self.best * (1.0 + self.threshold):
            self.best, self.bad = float(metric), 0
        else:
            self.bad += 1
        self._reduced = self.bad > self.patience
        if self._reduced:
            self.reductions, self.bad = self.reductions + 1, 0
        super().step()

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on."""
        return {**super().state_dict(), "best": self.best, "bad": self.bad, "reductions": self.reductions}
