"""What `fit` makes of its arguments: objects in place of names and numbers, all of them checked before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autograd_core.arguments import as_numbers
from autograd_core.errors import OperandError, ShapeError
from autograd_core.warn import warned

from .activations import Step
from .checkpoint import load_checkpoint
from .data import train_test_split
from .files import FileError, safetensors_library
from .history import EarlyStopping
from .inference import predict, target_for
from .layers import Sequential
from .module import Module
from .neuron import Neuron
from .optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from .optimizer import Optimizer
from .perceptron import Perceptron
from .schedules import ReduceLROnPlateau, Schedule
from .training import Training

__all__ = ["OPTIMIZERS", "Held", "check_arguments", "check_monitor", "go_on_from", "held_out", "new_training", "optimizer_of", "picture_of"]

Held = tuple[np.ndarray, np.ndarray] | None
"""(x, y) of the samples that are not trained on."""

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "adagrad": Adagrad, "adadelta": Adadelta}
_DEFAULT_LR = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.01, "adagrad": 0.1, "adadelta": 1.0}


def optimizer_of(optimizer: str | Optimizer, model: Module, lr: float | None) -> Optimizer:
    """An optimiser by its name, or the object itself."""
    if isinstance(optimizer, Optimizer):
        if lr is not None:
            optimizer.lr = lr
        return optimizer
    if optimizer not in OPTIMIZERS:
        raise OperandError(f"optimizer: received {optimizer!r}, expected an optimiser or one of {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[optimizer](model.parameters(), lr=_DEFAULT_LR[optimizer] if lr is None else lr)


def check_arguments(model: Module, x: np.ndarray, y: np.ndarray, clip_norm: float | None, callbacks: list[Any], checkpoint: Any) -> None:
    """Everything that can be wrong with the arguments, before anything is changed."""
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or not len(x):
        raise ShapeError(f"fit: received x of shape {x.shape} and y of shape {y.shape}, expected as many samples of each, and at least one.")
    _check_samples("x", x, "y", y)
    if clip_norm is not None and not clip_norm > 0.0:
        raise OperandError(f"fit: received clip_norm={clip_norm!r}, expected a positive number.")
    if not any(p.requires_grad for p in model.parameters()):
        raise OperandError(f"fit: {type(model).__name__} has no parameters to train; a parameter is a Value or a Tensor in an attribute of a module.")
    if not all(map(callable, callbacks)):
        raise OperandError(f"fit: received callbacks={callbacks!r:.60}, expected functions of the Training.")
    if checkpoint is not None:
        if not Path(checkpoint).name or Path(checkpoint).is_dir():
            raise OperandError(f"fit: received checkpoint={str(checkpoint)!r}, expected the name of a file.")
        safetensors_library()                  # if it is missing, say so now and not after hours
        try:
            Path(checkpoint).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"fit: received checkpoint={str(checkpoint)!r}, whose folder is not there and cannot be made ({error.strerror}).") from error
    if flat := _step_in_the_way(model):
        warned(
            f"fit: {flat} stands behind parameters, and its derivative is 0 everywhere: no gradient reaches them, and they do not learn; "
            "take sigmoid or tanh in its place, or for a single neuron Perceptron.fit."
        )


def _step_in_the_way(model: Module) -> str:
    """The step through which the gradient of some parameter would have to come, if there is one."""
    for path, module in model.named_modules():
        what = f"the step of {path or 'the model'}"
        if isinstance(module, Perceptron) or (isinstance(module, Neuron) and module.activation == "step" and module.by_name):
            return what
        if isinstance(module, Sequential):
            trained = False
            for i, part in enumerate(module):
                if isinstance(part, Step) and trained:
                    return f"the Step at {path + '.' if path else ''}{i}"
                trained = trained or (isinstance(part, Module) and any(p.requires_grad for p in part.parameters()))
    return ""


def _check_samples(x_name: str, x: np.ndarray, y_name: str, y: np.ndarray) -> None:
    """Refuse samples with anything but finite numbers."""
    if x.dtype.kind not in "fiub" or y.dtype.kind not in "fiub":
        raise OperandError(f"fit: received {x_name} of dtype {x.dtype} and {y_name} of dtype {y.dtype}, expected numbers.")
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise OperandError(
            f"fit: {x_name} or {y_name} has nan or inf among its numbers, expected finite ones; remove or replace those samples first "
            "(np.isfinite finds them)."
        )


def held_out(
    model: Module, loss: Callable[..., Any], x: np.ndarray, y: np.ndarray, validation: Any, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Held]:
    """(x, y, held): the samples to train on, and those given or split off for validation."""
    if validation is None:
        return x, y, None
    if not isinstance(validation, (tuple, list)):
        x, x_held, y, y_held = train_test_split(x, y, test=float(validation), rng=rng)
        return x, y, (x_held, y_held)
    x_held, y_held = as_numbers(validation[0], "fit", "validation[0]"), as_numbers(validation[1], "fit", "validation[1]")
    if not x_held.ndim or not y_held.ndim or len(x_held) != len(y_held) or not len(x_held):
        raise ShapeError(f"fit: received validation of shapes {x_held.shape} and {y_held.shape}, expected as many samples of each, and at least one.")
    _check_samples("validation[0]", x_held, "validation[1]", y_held)
    with np.errstate(all="ignore"):
        prediction = predict(model, x_held[:1])
        loss(prediction, target_for(y_held[:1], prediction))  # raises before anything is changed
    return x, y, (x_held, y_held)


def new_training(
    model: Module, optimizer: str | Optimizer, lr: float | None, schedule: Schedule | Callable[[Optimizer], Schedule] | None,
    early_stopping: EarlyStopping | int | None, rng: np.random.Generator,
) -> Training:  # fmt: skip
    """A run at epoch 0, with objects in place of names, functions and numbers."""
    given = isinstance(optimizer, Optimizer)
    chosen = optimizer_of(optimizer, model, None if given else lr)
    if not {id(p) for p in model.parameters()} & {id(p) for p in chosen.parameters}:
        raise OperandError(f"fit: received {type(chosen).__name__} with none of the model's parameters, expected one made of model.parameters().")
    rates, first = [group["lr"] for group in chosen.param_groups], chosen.initial_lrs
    try:
        if given and lr is not None:
            chosen.lr = lr
        plan = _plan(schedule, chosen, lr)
    except BaseException:                      # an optimiser of the user's keeps its rates
        for group, rate in zip(chosen.param_groups, rates, strict=True):
            group["lr"] = rate
        chosen.initial_lrs = first
        raise
    stopping = early_stopping if early_stopping is None or isinstance(early_stopping, EarlyStopping) else EarlyStopping(early_stopping)
    if stopping is not None:
        stopping.reset()
    return Training(model, chosen, plan, stopping, rng)


def _plan(schedule: Schedule | Callable[[Optimizer], Schedule] | None, optimizer: Optimizer, lr: float | None) -> Schedule | None:
    """The schedule of a run, checked to belong to the optimiser of the run."""
    if schedule is None:
        return None
    plan = schedule if isinstance(schedule, Schedule) else schedule(optimizer)
    if not isinstance(plan, Schedule):
        raise OperandError(
            f"fit: the function given as schedule made a {type(plan).__name__}, expected a Schedule, as in lambda optimizer: StepLR(optimizer, 10)."
        )
    if isinstance(plan, ReduceLROnPlateau) and plan.mode == "max":
        raise OperandError("fit: received a ReduceLROnPlateau with mode='max', expected mode='min': what it is told after each epoch is a loss.")
    if plan.optimizer is not optimizer:
        raise OperandError(
            f"fit: received a {type(plan).__name__} that sets the rates of another optimiser, expected one of the optimiser of this run, as in "
            "schedule=lambda optimizer: StepLR(optimizer, 10)."
        )
    if plan is schedule and lr is not None and any(base != lr for base in plan.base_lrs):
        raise OperandError(
            f"fit: received lr={lr!r} and a {type(plan).__name__} that begins at {plan.base_lrs[0]!r}, expected one of the two; a function as in "
            "schedule=lambda optimizer: StepLR(optimizer, 10) begins at lr."
        )
    return plan


def check_monitor(monitor: str | None, columns: list[str]) -> None:
    """Raise, now and not after an epoch, if there is no column of the name that early stopping is to watch."""
    if monitor is not None and monitor not in columns:
        raise OperandError(f"early stopping: there is no {monitor!r} to watch; there are {', '.join(columns)}.")


def picture_of(live: bool | str | Path, x: np.ndarray, y: np.ndarray, threshold: float | None) -> Any:
    """The callback that draws the run, or None."""
    path: Any = None if _is_switch(live) else live
    if path is None and not live:
        return None
    from .live import follower

    return follower(x, y, path=path, threshold=threshold)


def _is_switch(x: Any) -> bool:
    """Whether an argument that may be a file is True or False instead."""
    return isinstance(x, (int, np.integer, np.bool_))


def go_on_from(training: Training, checkpoint: str | Path | None, resume: str | Path | bool | None) -> None:
    """Go on from a checkpoint, if one is asked for and, with True, if there is one."""
    switch = _is_switch(resume)
    if resume is None or (switch and not resume):
        return
    source: Any = checkpoint if switch else resume
    if source is None:
        raise OperandError("fit: resume=True needs checkpoint=, the file to go on from.")
    if switch and not Path(source).exists():
        return
    load_checkpoint(source, training)
