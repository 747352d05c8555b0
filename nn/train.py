"""`fit`: the training loop, the same for scalar models (on `Value`) and tensor models.

    for each epoch: train on every batch → validate → note → adapt the learning rate → stop? → checkpoint

What is done to a batch is in `epochs`. Ctrl-C ends a run cleanly. With the same seed the numbers are the same, bit for bit, and
so are those of a run that was resumed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from autograd_core import Tensor, no_grad
from autograd_core.arguments import Count, Numbers, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError
from autograd_core.modes import snapshot
from autograd_core.progress import bar_of
from autograd_core.warn import warned

from .activations import Step
from .checkpoint import load_checkpoint, save_checkpoint
from .data import train_test_split
from .epochs import Epoch
from .files import safetensors_library
from .history import EarlyStopping, History
from .inference import number_of, predict, target_for, threshold_of
from .init import Generator, rng_of
from .layers import Sequential
from .losses import loss_of
from .metrics import Metric, metrics_of
from .module import Module
from .neuron import Neuron
from .optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from .optimizer import Optimizer
from .perceptron import Perceptron
from .schedules import ReduceLROnPlateau, Schedule
from .training import Training

__all__ = ["OPTIMIZERS", "Training", "fit", "optimizer_of"]

Held = tuple[np.ndarray, np.ndarray] | None
"""(x, y) of the samples that are not trained on."""

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "adagrad": Adagrad, "adadelta": Adadelta}
_FAR = 1e6                                     # a loss that has grown by this is on its way to infinity
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


@checked
def fit(
    model: Module,
    x: Numbers,
    y: Numbers,
    *,
    loss: str | Callable[..., Any] = "mse",
    optimizer: str | Optimizer = "adam",
    lr: float | None = None,
    epochs: Annotated[int, 0] = 100,
    batch_size: Count | None = None,
    drop_last: bool = False,
    validation: tuple[Any, Any] | float | None = None,
    metrics: Any = (),
    penalty: Callable[[Module], Any] | None = None,
    schedule: Schedule | Callable[[Optimizer], Schedule] | None = None,
    early_stopping: EarlyStopping | int | None = None,
    clip_norm: float | None = None,
    callbacks: Iterable[Callable[[Training], Any]] = (),
    rng: Generator = None,
    progress: bool | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: Count = 1,
    resume: str | Path | bool | None = None,
    lift: bool | None = None,
    live: bool | str | Path = False,
) -> History:
    """Train a model, and return what happened.

    Args:
        model: A scalar model (parameters are `Value`s; called once per sample) or a tensor model (called once per batch).
        x: Samples along the first axis.
        y: As many targets.
        loss: A name ("mse", "hinge", "cross_entropy", "bce_with_logits", …) or a function loss(prediction, target).
        optimizer: A name ("sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta") or an optimiser.
        lr: The learning rate; a default that suits the optimiser where it is None.
        epochs: How often all samples are gone through (with `resume`, counted from the very first).
        batch_size: None for batch gradient descent, 1 for stochastic, anything between for mini-batches.
        drop_last: Leave out the last batch of an epoch where it is smaller than the others.
        validation: (x, y) that is not trained on, or a share of the samples to be split off.
        metrics: "accuracy", "r2", functions of (prediction, target), a list or a dictionary of them.
        penalty: A function of the model that is added to the loss, such as `lambda m: l2_penalty(m, 1e-3)`.
        schedule: A schedule, or a function that makes one for the optimiser.
        early_stopping: An `EarlyStopping`, or its patience.
        clip_norm: The joint norm of all gradients is held below this.
        callbacks: Functions of the `Training`, called after each epoch.
        rng: A generator or a seed, for the order of the samples and the split.
        progress: A progress bar; None shows one where tqdm is installed and the output is a terminal.
        checkpoint: A file to which model, optimiser, schedule, generators and history are written after epochs.
        checkpoint_every: How many epochs lie between two checkpoints.
        resume: A checkpoint to go on from; True takes that of `checkpoint` if it exists.
        lift: Whether the steps are recorded once and replayed at array speed (see `nn.lifted`); None does so where nothing in model,
            loss and penalty decides by the numbers: a scalar model in a run of some steps or with checkpoints, a tensor model after its
            first fifty steps unless its arrays are so large that it gains nothing. True does so at once and for models and functions of
            your own, too, and raises where a replay would not be the same. What a callback changes is seen before the next epoch: the
            steps are recorded anew, or else not replayed any more; `history.lifted` says which kind of program ran last. Metrics of the
            training set are, for a lifted scalar model, those after the epoch, instead of while it was trained on.
        live: Draw loss and decision boundary while the model learns: True in a notebook or a window, or a file to be rewritten.
            In a notebook, and in a file such as "run.html", a page remains in which the epochs can be gone through.

    Example:
        >>> from nn import MLP
        >>> from nn.data import logic
        >>> history = fit(MLP(2, [4, 1], rng=1), *logic("xor"), lr=0.1, epochs=60, rng=0)
        >>> history.last("loss") < 0.05
        True
    """
    x, y = as_numbers(x, "fit", "x"), as_numbers(y, "fit", "y")
    followers = list(callbacks)
    _check(model, x, y, clip_norm, followers, checkpoint)
    generator, function = rng_of(rng), loss_of(loss)
    x, y, held = _held_out(model, function, x, y, validation, generator)
    if drop_last and batch_size is not None and batch_size > len(x):
        raise OperandError(f"fit: drop_last=True leaves no batch of {batch_size} among {len(x)} samples, expected a smaller batch_size.")
    measures = metrics_of(metrics, threshold_of(function))
    training = _begun(model, optimizer, lr, schedule, early_stopping, generator)
    if training.stopping is not None:
        seen = ["loss", *measures]
        _check_monitor(training.stopping.monitor, [*seen, *([] if held is None else [f"val_{name}" for name in seen]), "lr", "seconds"])
    picture = _live(live, x, y, threshold_of(function))
    followers += [] if picture is None else [picture]
    _resume(training, checkpoint, resume)
    history = training.history
    if not training.stopped:                   # by the run that is resumed
        history.stopped = "finished"
    modes = [(module, module.training) for module in model.modules()]
    restore_modes, errors, epoch, bar, over = snapshot(), np.geterr(), None, None, False
    try:
        model.train()
        epoch = Epoch(
            training, x, y, loss=function, penalty=penalty, metrics=measures, batch_size=batch_size, drop_last=bool(drop_last),
            clip_norm=None if clip_norm is None else float(clip_norm), lift=lift, epochs=epochs, resumable=checkpoint is not None or training.epoch > 0,
        )  # fmt: skip
        bar = bar_of(progress, epochs * epoch.batches, unit="step", initial=training.epoch * epoch.batches)
        while training.epoch < epochs and not training.stopped:
            started, over = time.perf_counter(), False
            with np.errstate(all="ignore"):    # a loss that overflows is reported below, once
                row = epoch(bar)
            row |= _validate(model, function, measures, held)
            row |= {"lr": training.optimizer.lr, "seconds": time.perf_counter() - started}
            training.epoch += 1
            history.append(row)
            _adapt(training.schedule, row)
            over = _judge(training, row)
            _tell(training, followers if over else [])
            if checkpoint is not None and (training.epoch % checkpoint_every == 0 or training.epoch == epochs or training.stopped):
                save_checkpoint(checkpoint, training)
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        restore_modes()                        # it may have come on the way out of a no_grad(), or of an errstate()
        np.seterr(**errors)
        if epoch is not None and epoch.program is not None:
            epoch.program.end()                # once more, if it was that which was interrupted
        if over and checkpoint is not None:    # by a callback, or while it was written: what has been learnt is not to be lost
            save_checkpoint(checkpoint, training)
    except BaseException:                      # a model that could not be trained is left in the mode it was in
        for module, mode in modes:
            module.training = mode
        raise
    finally:
        if bar is not None:
            bar.close()
    try:
        _finish(training, picture)
    except KeyboardInterrupt:                  # once more, so that the model has its best weights, or its last ones, and no mixture
        history.stopped = "interrupted"
        _finish(training, None)
    return history


# ------------------------------------------------------------------------------------------------ before the loop
def _check(model: Module, x: np.ndarray, y: np.ndarray, clip_norm: float | None, callbacks: list[Any], checkpoint: Any) -> None:
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
        safetensors_library()                  # missing, it is told now and not after hours
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


def _held_out(
    model: Module, loss: Callable[..., Any], x: np.ndarray, y: np.ndarray, validation: Any, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Held]:
    """(x, y, what validates): the samples to train on, and those that were given, or split off, to validate with."""
    if validation is None:
        return x, y, None
    if not isinstance(validation, (tuple, list)):
        x, x_held, y, y_held = train_test_split(x, y, test=float(validation), rng=rng)
        return x, y, (x_held, y_held)
    x_held, y_held = as_numbers(validation[0], "fit", "validation[0]"), as_numbers(validation[1], "fit", "validation[1]")
    if not x_held.ndim or not y_held.ndim or len(x_held) != len(y_held) or not len(x_held):
        raise ShapeError(f"fit: received validation of shapes {x_held.shape} and {y_held.shape}, expected as many samples of each, and at least one.")
    _check_samples("validation[0]", x_held, "validation[1]", y_held)
    prediction = predict(model, x_held[:1])
    loss(prediction, target_for(y_held[:1], prediction))  # raises before anything is changed
    return x, y, (x_held, y_held)


def _begun(
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
    """The schedule of a run, which has the optimiser of that run."""
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


def _check_monitor(monitor: str | None, columns: list[str]) -> None:
    """What early stopping watches is there, and is told now and not after an epoch."""
    if monitor is not None and monitor not in columns:
        raise OperandError(f"early stopping: there is no {monitor!r} to watch; there are {', '.join(columns)}.")


def _live(live: bool | str | Path, x: np.ndarray, y: np.ndarray, threshold: float | None) -> Any:
    """The callback that draws the run, or None."""
    path: Any = None if _is_switch(live) else live
    if path is None and not live:
        return None
    from .live import follower

    return follower(x, y, path=path, threshold=threshold)


def _is_switch(x: Any) -> bool:
    """Whether an argument that may be a file is True or False instead."""
    return isinstance(x, (int, np.integer, np.bool_))


def _resume(training: Training, checkpoint: str | Path | None, resume: str | Path | bool | None) -> None:
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


# ------------------------------------------------------------------------------------------------ in the loop, and after it
def _validate(model: Module, loss: Callable[..., Any], measures: dict[str, Metric], held: Held) -> dict[str, float]:
    """Loss and metrics of the samples that are not trained on, if there are any."""
    if held is None:
        return {}
    prediction = predict(model, held[0])
    target = target_for(held[1], prediction)
    with no_grad():
        found = {"val_loss": number_of(loss(Tensor(prediction, requires_grad=False), target))}
    return found | {f"val_{name}": float(metric(prediction, target)) for name, metric in measures.items()}


def _adapt(schedule: Schedule | None, row: dict[str, float]) -> None:
    """The learning rate of the next epoch."""
    if schedule is not None:
        schedule.step(row.get("val_loss", row["loss"]) if isinstance(schedule, ReduceLROnPlateau) else None)


def _judge(training: Training, row: dict[str, float]) -> bool:
    """Whether to go on after an epoch; the answer is whether there is anything to tell the callbacks."""
    history, stopping = training.history, training.stopping
    if not math.isfinite(row["loss"]):
        history.stopped, training.stopped = "the loss is not finite", True
        warned(
            f"fit: the loss is {row['loss']} in epoch {training.epoch}; a smaller learning rate, clip_norm= or scaled inputs "
            "may help, and detect_anomaly() finds where it begins."
        )
        return False
    if stopping is not None:
        monitor = stopping.monitor or ("val_loss" if "val_loss" in row else "loss")
        if stopping.seen(row[monitor], training.model, training.epoch, larger_is_better="loss" not in monitor):
            history.stopped, training.stopped = "early stopping", True
    return True


def _tell(training: Training, followers: list[Callable[[Training], Any]]) -> None:
    """The callbacks after an epoch, which may end the run."""
    for follow in followers:
        follow(training)
    if training.stopped and training.history.stopped == "finished":
        training.history.stopped = "callback"


def _finish(training: Training, picture: Any) -> None:
    """The model as it is to be used: in evaluation mode, with its best weights where early stopping kept them."""
    model, stopping = training.model, training.stopping
    model.eval()
    if stopping is not None and stopping.best_epoch is not None:
        stopping.restore(model)
        training.history.best_epoch = stopping.best_epoch if stopping.restore_best else None
    losses = training.history["loss"] if len(training.history) else []
    if losses and math.isfinite(losses[-1]) and losses[-1] > _FAR * max(losses[0], 1.0):
        warned(f"fit: the loss has grown from {losses[0]:.3g} to {losses[-1]:.3g}; a smaller learning rate, clip_norm= or scaled inputs may help.")
    if picture is not None:
        picture.finish(training)
