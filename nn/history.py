"""What a training run leaves behind (`History`), when it ends early (`EarlyStopping`), and the metrics it reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from autograd_core.arguments import Numbers, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError, StructureError

from .module import Module

__all__ = ["METRICS", "EarlyStopping", "History", "accuracy", "metrics_of", "r2_score"]

Metric = Callable[[np.ndarray, np.ndarray], float]


def _arrays(prediction: Any, target: Any, who: str) -> tuple[np.ndarray, np.ndarray]:
    p, t = as_numbers(prediction, who, "prediction"), as_numbers(target, who, "target")
    if not p.ndim or not t.ndim:
        raise ShapeError(f"{who}: received predictions of shape {p.shape} and targets of shape {t.shape}, expected an array of each.")
    if not len(p) or len(p) != len(t):
        raise ShapeError(f"{who}: received {len(p)} predictions and {len(t)} targets, expected as many of each, and at least one.")
    return p, t


@checked
def accuracy(prediction: Numbers, target: Numbers, *, threshold: float | None = None) -> float:
    """The share of samples whose class is right.

    Predictions of shape (n, classes) are scores; the class is the largest. One number per sample is compared with `threshold`:
    0 where the labels are −1 and +1, else ½.

    >>> accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0]), accuracy([0.3, -2.0], [1, -1])
    (0.5, 1.0)
    """
    p, t = _arrays(prediction, target, "accuracy")
    if p.ndim == 2 and p.shape[1] > 1 and t.shape == p.shape and np.isin(t, (0, 1)).all() and (t.sum(axis=1) == 1).all():
        t = t.argmax(axis=1)
    if p.ndim == 2 and p.shape[1] > 1 and t.ndim == 1:
        return float(np.mean(p.argmax(axis=1) == t))
    t, p = t.reshape(len(t), -1), p.reshape(len(p), -1)
    if p.shape != t.shape:
        raise ShapeError(f"accuracy: received predictions of shape {p.shape} and targets of shape {t.shape}, expected one class per sample.")
    signed = bool((t < 0).any())
    cut = (0.0 if signed else 0.5) if threshold is None else threshold
    return float(np.mean((p > cut) == (t > (0.0 if signed else 0.5))))


@checked
def r2_score(prediction: Numbers, target: Numbers) -> float:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)²: 1 is perfect, 0 no better than the mean.

    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    1.0
    """
    p, t = _arrays(prediction, target, "r2")
    if p.size != t.size:
        raise ShapeError(f"r2: received predictions of shape {p.shape} and targets of shape {t.shape}, expected the same shape.")
    p = p.reshape(t.shape)
    spread = float(np.sum((t - t.mean(axis=0)) ** 2))
    return 1.0 - float(np.sum((t - p) ** 2)) / spread if spread else math.nan


METRICS: dict[str, Metric] = {"accuracy": accuracy, "r2": r2_score}


@checked
def metrics_of(metrics: str | Callable[..., Any] | Iterable[Any], threshold: float | None) -> dict[str, Metric]:
    """Metrics by name: a name, functions, a list of either, or a dictionary."""
    if isinstance(metrics, dict):
        if not all(map(callable, metrics.values())):
            raise OperandError(f"metrics: received {metrics!r:.60}, expected functions metric(prediction, target) by name.")
        return dict(metrics)
    found: dict[str, Metric] = {}
    for m in [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics):
        if callable(m):
            found[getattr(m, "__name__", "metric")] = m
        elif not isinstance(m, str):
            raise OperandError(f"metrics: received {m!r:.60}, expected a function metric(prediction, target) or one of {', '.join(METRICS)}.")
        elif m == "accuracy":
            found[m] = lambda p, t: accuracy(p, t, threshold=threshold)
        elif m in METRICS:
            found[m] = METRICS[m]
        else:
            raise OperandError(f"metrics: received {m!r}, expected a function metric(prediction, target) or one of {', '.join(METRICS)}.")
    return found


class History:
    """The numbers of a training run, one per epoch, by name: "loss", "val_loss", each metric, "lr", "seconds".

    Attributes:
        stopped: Why it ended: "finished", "early stopping", "interrupted", "callback", or "the loss is not finite".
        lifted: The kind of program that replayed a scalar model's steps; empty where it ran one number at a time.
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
        """The smallest number of a loss, the largest of a metric."""
        return (min if "loss" in name else max)(self[name])

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and texts, ready for JSON."""
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
        """For notebooks: the loss curves; a display hook never raises."""
        found = {"text/plain": repr(self)}
        try:
            if len(self):
                from autograd_core.viz import image

                from .live_page import curves

                found["image/svg+xml"] = picture = curves(self.columns)
                found["text/html"] = image(picture, "Loss curves")
        except Exception:
            found.pop("image/svg+xml", None)
        return found

    def __repr__(self) -> str:
        """The newest numbers."""
        numbers = ", ".join(f"{name}={column[-1]:.4g}" for name, column in self.columns.items() if name != "seconds")
        return f"History({len(self)} epochs, {self.stopped or 'running'}: {numbers})"


class EarlyStopping:
    """Ends training when a number has not improved for `patience` epochs, and brings the best weights back.

    Args:
        patience: How many epochs without improvement are borne.
        min_delta: What counts as an improvement.
        monitor: The column to watch; "val_loss", or "loss" where there is no validation set.
        restore_best: Whether the model gets the weights of its best epoch back.

    Example:
        >>> stopping = EarlyStopping(patience=2)
        >>> [stopping.seen(value, Module(), epoch) for epoch, value in enumerate([1.0, 0.5, 0.6, 0.7], 1)]
        [False, False, False, True]
    """

    @checked
    def __init__(self, patience: int = 10, *, min_delta: float = 0.0, monitor: str | None = None, restore_best: bool = True) -> None:
        """Nothing seen yet."""
        if not isinstance(patience, int) or patience < 1:
            raise OperandError(f"EarlyStopping: received patience={patience!r}, expected a number of epochs of at least 1.")
        self.patience, self.min_delta, self.monitor, self.restore_best = patience, float(min_delta), monitor, restore_best
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
