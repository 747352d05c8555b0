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
from autograd_core.arguments import Count, Numbers, checked, plain_numbers
from autograd_core.errors import OperandError
from autograd_core.modes import snapshot
from autograd_core.progress import bar_of
from autograd_core.warn import warned

from .checkpoint import save_checkpoint
from .epochs import Epoch
from .history import EarlyStopping, History
from .inference import number_of, predict, target_for, threshold_of
from .init import Generator, rng_of
from .losses import loss_of
from .metrics import Metric, metrics_of
from .module import Module
from .optimizer import Optimizer
from .schedules import ReduceLROnPlateau, Schedule
from .setting_up import Held, check_arguments, check_monitor, go_on_from, held_out, new_training, picture_of
from .training import Training

__all__ = ["Training", "fit"]

_FAR = 1e6                                     # a loss that has grown by this is on its way to infinity


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
        epochs: The number of passes over all samples (with `resume`, counted from the start of the first run).
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
        lift: Whether the steps are recorded once and replayed at array speed (see `nn.lifted`). None does so where nothing in model,
            loss and penalty makes Python decide by the numbers: a scalar model in a run of some steps or with checkpoints, a tensor
            model after its first fifty steps unless its arrays are so large that nothing is gained. True does so at once, for models
            and functions of your own too, and raises where a replay would not be the same. Changes that a callback makes are noticed
            before the next epoch: the steps are then recorded anew, or no longer replayed. `history.lifted` says which kind of program
            ran last. For a lifted scalar model the metrics of the training set are those after the epoch, not those during it.
        live: Draw loss and decision boundary while the model learns: True in a notebook or a window, or a file to be rewritten.
            In a notebook, and in a file such as "run.html", what remains is a page with a slider over the epochs.

    Example:
        >>> from nn import MLP
        >>> from nn.data import logic
        >>> history = fit(MLP(2, [4, 1], rng=1), *logic("xor"), lr=0.1, epochs=60, rng=0)
        >>> history.last("loss") < 0.05
        True
    """
    instead = "write the steps of training out, with functional_call"
    x, y = plain_numbers(x, "fit", "x", instead), plain_numbers(y, "fit", "y", instead)
    followers = list(callbacks)
    check_arguments(model, x, y, clip_norm, followers, checkpoint)
    generator, function = rng_of(rng), loss_of(loss)
    x, y, held = held_out(model, function, x, y, validation, generator)
    if drop_last and batch_size is not None and batch_size > len(x):
        raise OperandError(f"fit: drop_last=True leaves no batch of {batch_size} among {len(x)} samples, expected a smaller batch_size.")
    measures = metrics_of(metrics, threshold_of(function))
    training = new_training(model, optimizer, lr, schedule, early_stopping, generator)
    if training.stopping is not None:
        seen = ["loss", *measures]
        check_monitor(training.stopping.monitor, [*seen, *([] if held is None else [f"val_{name}" for name in seen]), "lr", "seconds"])
    picture = picture_of(live, x, y, threshold_of(function))
    followers += [] if picture is None else [picture]
    go_on_from(training, checkpoint, resume)
    history = training.history
    if not training.stopped:                   # by the run that is resumed
        history.stopped = "finished"
    modes = [(module, module.training) for module in model.modules()]
    restore_modes, errors, epoch, bar, over = snapshot(), np.geterr(), None, None, False
    lost: list[tuple[int, float]] = []         # (epoch, loss) where that of the samples held out was not finite
    try:
        model.train()
        with np.errstate(all="ignore"):        # a loss that overflows is reported below, once
            epoch = Epoch(
                training, x, y, loss=function, penalty=penalty, metrics=measures, batch_size=batch_size, drop_last=bool(drop_last),
                clip_norm=None if clip_norm is None else float(clip_norm), lift=lift, epochs=epochs, resumable=checkpoint is not None or training.epoch > 0,
            )  # fmt: skip
        bar = bar_of(progress, epochs * epoch.batches, unit="step", initial=training.epoch * epoch.batches)
        while training.epoch < epochs and not training.stopped:
            over = False
            row = _next_epoch(training, epoch, bar, held)
            if not math.isfinite(row.get("val_loss", 0.0)):
                lost.append((training.epoch, row["val_loss"]))
            over = _judge(training, row)
            _tell(training, followers if over else [])
            if checkpoint is not None and (training.epoch % checkpoint_every == 0 or training.epoch == epochs or training.stopped):
                save_checkpoint(checkpoint, training)
    except KeyboardInterrupt:
        _interrupted(history)
        restore_modes()                        # it may have come on the way out of a no_grad(), or of an errstate()
        np.seterr(**errors)
        if epoch is not None and epoch.program is not None:
            epoch.program.end()                # again, in case it was this that was interrupted
        if over and checkpoint is not None:    # by a callback, or while it was written: what has been learnt is not to be lost
            save_checkpoint(checkpoint, training)
    except BaseException:                      # a model that could not be trained is left in the mode it was in
        for module, mode in modes:
            module.training = mode
        if bar is not None:
            bar.close()
        raise
    try:
        if bar is not None:
            bar.close()
        _finish(training, picture, lost)
    except KeyboardInterrupt:                  # again, so that the model has its best weights, or its last ones, and not a mixture
        _interrupted(history)
        _finish(training, None, lost)
    return history


def _interrupted(history: History) -> None:
    """Note that the run was interrupted, unless it had come to its end before."""
    if history.stopped == "finished":
        history.stopped = "interrupted"


def _next_epoch(training: Training, epoch: Epoch, bar: Any, held: Held) -> dict[str, float]:
    """Train on every batch, validate, note the numbers in the history, adapt the learning rate; returns the numbers."""
    started = time.perf_counter()
    with np.errstate(all="ignore"):            # a loss that overflows is reported by _judge, once
        row = epoch(bar)
        row |= _validate(training.model, epoch.loss, epoch.metrics, held)
    row |= {"lr": training.optimizer.lr, "seconds": time.perf_counter() - started}
    training.epoch += 1
    training.history.append(row)
    _adapt(training.schedule, row)
    return row


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
    """Decide after an epoch whether the run goes on; returns whether the callbacks are to be called."""
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


def _finish(training: Training, picture: Any, lost: list[tuple[int, float]]) -> None:
    """The model as it is to be used: in evaluation mode, with its best weights where early stopping kept them."""
    model, stopping = training.model, training.stopping
    model.eval()
    if stopping is not None and stopping.best_epoch is not None:
        stopping.restore(model)
        training.history.best_epoch = stopping.best_epoch if stopping.restore_best else None
    losses = training.history["loss"] if len(training.history) else []
    if losses and math.isfinite(losses[-1]) and losses[-1] > _FAR * max(losses[0], 1.0):
        warned(f"fit: the loss has grown from {losses[0]:.3g} to {losses[-1]:.3g}; a smaller learning rate, clip_norm= or scaled inputs may help.")
    if lost and math.isfinite(losses[-1]):
        warned(f"fit: the loss of the samples held out is {lost[0][1]} in epoch {lost[0][0]}; are their inputs scaled as the others are?")
    if picture is not None:
        picture.finish(training)
