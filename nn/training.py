"""`Training`: a run in progress, as `fit`, its callbacks and its checkpoints see it."""

from __future__ import annotations

import numpy as np

from .history import EarlyStopping, History
from .module import Module
from .optimizer import Optimizer
from .schedules import Schedule

__all__ = ["Training"]


class Training:
    """A run in progress, as callbacks see it; `stop()` ends it.

    Attributes:
        model, optimizer, schedule, stopping, rng: What the run works with; schedule and stopping may be None.
        history: The numbers so far.
        epoch: The number of epochs that are over.
        stopped: Whether the run ends here.
    """

    def __init__(
        self, model: Module, optimizer: Optimizer, schedule: Schedule | None, stopping: EarlyStopping | None, rng: np.random.Generator
    ) -> None:
        """At epoch 0."""
        self.model, self.optimizer, self.schedule, self.stopping, self.rng = model, optimizer, schedule, stopping, rng
        self.history = History()
        self.epoch = 0
        self.stopped = False

    def stop(self) -> None:
        """End the run after this epoch."""
        self.stopped = True
