"""What a training run leaves behind (`History`), and when it ends early (`EarlyStopping`)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_core.arguments import Count, checked
from autograd_core.errors import StructureError

from .module import Module
from .optimizer import bounded

__all__ = ["EarlyStopping", "History", "cell_of_notebook"]


def cell_of_notebook() -> int | None:
    """The number of the notebook's cell that is running, if there is one."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "execution_count", None)


class History:
    """The numbers of a training run, one per epoch, by name: "loss", "val_loss", each metric, "lr", "seconds".

    Attributes:
        stopped: Why it ended: "finished", "early stopping", "interrupted", "callback", or "the loss is not finite".
        lifted: The kind of program that replayed the steps of the last epoch; empty where each of them was recorded.
        best_epoch: The epoch (from 1) whose weights the model has, where early stopping has restored them.

    Example:
        >>> history = History()
        >>> history.append({"loss": 0.5}); history.append({"loss": 0.25})
        >>> history["loss"], history.last("loss"), len(history)
        ([0.5, 0.25], 0.25, 2)
    """

    def __init__(self) -> None:
        """Empty."""
        self.columns: dict[str, list[float]] = {}
        self.stopped = ""
        self.best_epoch: int | None = None
        self.lifted = ""
        self._cell: int | None = None          # of the notebook, in which the run was drawn live

    @checked
    def append(self, row: dict[str, float]) -> None:
        """The numbers of one more epoch."""
        n = len(self)
        for name, value in row.items():
            column = self.columns.setdefault(name, [math.nan] * n)
            column.append(float(value))
        for column in self.columns.values():
            column.extend([math.nan] * (n + 1 - len(column)))

    def __len__(self) -> int:
        """The number of epochs."""
        return max(map(len, self.columns.values()), default=0)

    def __getitem__(self, name: str) -> list[float]:
        """A column; the loss of no epochs is an empty one."""
        if name == "loss" and not self.columns:
            return []
        if name not in self.columns:
            raise KeyError(f"history has no {name!r}; it has {', '.join(self.columns) or 'nothing yet'}.")
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a column of that name."""
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        """The names of the columns."""
        return iter(self.columns)

    @checked
    def last(self, name: str) -> float:
        """The newest number of a column."""
        return self[name][-1]

    @checked
    def best(self, name: str = "val_loss") -> float:
        """The smallest number of a loss, the largest of a metric; nan, for epochs without one, does not count."""
        return (min if "loss" in name else max)((v for v in self[name] if v == v), default=math.nan)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings, ready for JSON."""
        return {"columns": {k: list(v) for k, v in self.columns.items()}, "stopped": self.stopped, "best_epoch": self.best_epoch}

    @classmethod
    @checked
    def from_dict(cls, data: dict[str, Any]) -> History:
        """From what `to_dict` gave."""
        if not {"columns", "stopped", "best_epoch"} <= set(data):
            raise StructureError(f"History.from_dict: received {sorted(map(str, data))}, expected what to_dict gave: columns, stopped, best_epoch.")
        history = cls()
        history.columns = {str(k): [float(x) for x in v] for k, v in data["columns"].items()}
        history.stopped, history.best_epoch = str(data["stopped"]), data["best_epoch"]
        return history

    def plot(self, **options: Any) -> Any:
        """Loss curves with the generalisation gap, and the metrics; see `nn.plot.loss_curves`."""
        from .plot import loss_curves

        return loss_curves(self, **options)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """For notebooks: the loss curves, unless they stand just above; a display hook never raises."""
        found = {"text/plain": repr(self)}
        try:
            if len(self) and (self._cell is None or self._cell != cell_of_notebook()):
                from autograd_core.viz import image

                from .live_page import curves

                found["image/svg+xml"] = picture = curves(self.columns)
                found["text/html"] = image(picture, "Loss curves")
        except Exception:
            found.pop("image/svg+xml", None)
        return found

    def __repr__(self) -> str:
        """The newest numbers."""
        from autograd_core.viz import clean

        numbers = ", ".join(f"{name if name.isprintable() else clean(name)}={column[-1]:.4g}" for name, column in self.columns.items() if name != "seconds")
        return f"History({len(self)} epochs, {self.stopped or 'running'}: {numbers})"


class EarlyStopping:
    """Ends training when a number has not improved for `patience` epochs, and brings the best weights back.

    Args:
        patience: How many epochs without improvement are tolerated.
        min_delta: What counts as an improvement.
        monitor: The column to watch; "val_loss", or "loss" where there is no validation set.
        restore_best: Whether the model gets the weights of its best epoch back.

    Example:
        >>> stopping = EarlyStopping(patience=2)
        >>> [stopping.seen(value, Module(), epoch) for epoch, value in enumerate([1.0, 0.5, 0.6, 0.7], 1)]
        [False, False, False, True]
    """

    @checked
    def __init__(self, patience: Count = 10, *, min_delta: float = 0.0, monitor: str | None = None, restore_best: bool = True) -> None:
        """Nothing seen yet."""
        self.patience, self.monitor, self.restore_best = patience, monitor, restore_best
        self.min_delta = float(bounded("EarlyStopping: min_delta", min_delta))
        self.reset()

    def reset(self) -> None:
        """Forget what was seen, as at the start of a run."""
        self.best: float = math.inf
        self.best_epoch: int | None = None
        self.waited = 0
        self.weights: dict[str, np.ndarray] | None = None

    @checked
    def seen(self, value: float, model: Module, epoch: int, *, larger_is_better: bool = False) -> bool:
        """Note the number of an epoch; True when it is time to stop."""
        cost = -value if larger_is_better else value
        if cost < self.best - self.min_delta:
            weights = model.state_dict() if self.restore_best else None    # first: an interrupt leaves epoch and weights that agree
            self.weights, self.best, self.best_epoch, self.waited = weights, cost, epoch, 0
            return False
        self.waited += 1
        return self.waited >= self.patience

    @checked
    def restore(self, model: Module) -> None:
        """Give the model its best weights back."""
        if self.restore_best and self.weights is not None:
            model.load_state_dict(self.weights)
