"""`fit`: the training loop, the same for scalar models (on `Value`) and tensor models.

    for each epoch: for each batch: prediction → loss → backward → (clip) → step

Around it: an explicit `rng`, validation, metrics, early stopping, schedules, checkpoints, a progress bar. Ctrl-C ends it
cleanly. With the same seed the numbers are the same, bit for bit, and so are those of a run that was resumed.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad
from autograd_core.arguments import Count, Numbers, as_numbers, checked
from autograd_core.errors import MissingExtraError, OperandError, ShapeError
from autograd_core.modes import snapshot

from .clipping import clip_grad_norm_
from .data import batches, train_test_split
from .history import EarlyStopping, History, metrics_of
from .inference import as_plain, forward, is_scalar, number_of, predict, target_for, threshold_of
from .init import Generator, rng_of
from .lifted import LiftedStep, liftable, lifted_step
from .losses import loss_of
from .module import Module
from .optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from .schedules import ReduceLROnPlateau, Schedule

__all__ = ["OPTIMIZERS", "Training", "fit", "optimizer_of"]

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "adagrad": Adagrad}
_DEFAULT_LR = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.01, "adagrad": 0.1}


def optimizer_of(optimizer: str | Optimizer, model: Module, lr: float | None) -> Optimizer:
    """An optimiser by its name, or the object itself."""
    if isinstance(optimizer, Optimizer):
        if lr is not None:
            optimizer.lr = lr
        return optimizer
    if optimizer not in OPTIMIZERS:
        raise OperandError(f"optimizer: received {optimizer!r}, expected an optimiser or one of {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[optimizer](model.parameters(), lr=_DEFAULT_LR[optimizer] if lr is None else lr)


class Training:
    """A run in progress, as callbacks see it: model, optimizer, schedule, history, epoch (from 1), batch size; `stop()` ends it."""

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


@checked
def fit(
    model: Module,
    x: Numbers,
    y: Numbers,
    *,
    loss: str | Callable[..., Any] = "mse",
    optimizer: str | Optimizer = "adam",
    lr: float | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
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
        optimizer: A name ("sgd", "adam", "adamw", "rmsprop", "adagrad") or an optimiser.
        lr: The learning rate; a default that suits the optimiser where it is None.
        epochs: How often all samples are gone through (with `resume`, counted from the very first).
        batch_size: None for batch gradient descent, 1 for stochastic, anything between for mini-batches.
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
        lift: Whether the steps of a scalar model are recorded once and replayed at array speed (see `nn.lifted`); None does
            so where nothing in model and loss decides by the numbers. `history.lifted` says which kind of program ran. Metrics
            of the training set are then those after the epoch, instead of while it was trained on.
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
    _check(model, x, y, epochs, batch_size, clip_norm, followers, checkpoint)
    generator, function = rng_of(rng), loss_of(loss)
    held: tuple[np.ndarray, np.ndarray] | None = None
    if isinstance(validation, (tuple, list)):
        held = as_numbers(validation[0], "fit", "validation[0]"), as_numbers(validation[1], "fit", "validation[1]")
        if not held[0].ndim or not held[1].ndim or len(held[0]) != len(held[1]) or not len(held[0]):
            raise ShapeError(f"fit: received validation of shapes {held[0].shape} and {held[1].shape}, expected as many samples of each, and at least one.")
        function(predict(model, held[0][:1]), target_for(held[1][:1], predict(model, held[0][:1])))  # raises before anything is changed
    elif validation is not None:
        x, x_held, y, y_held = train_test_split(x, y, test=float(validation), rng=generator)
        held = (x_held, y_held)
    clip_norm = None if clip_norm is None else float(clip_norm)
    resume = bool(resume) if isinstance(resume, (int, np.integer, np.bool_)) else resume
    live = bool(live) if isinstance(live, (int, np.integer, np.bool_)) else live
    chosen = optimizer_of(optimizer, model, lr)
    if not {id(p) for p in model.parameters()} & {id(p) for p in chosen.parameters}:
        raise OperandError(f"fit: received {type(chosen).__name__} with none of the model's parameters, expected one made of model.parameters().")
    plan = schedule if schedule is None or isinstance(schedule, Schedule) else schedule(chosen)
    stopping = early_stopping if early_stopping is None or isinstance(early_stopping, EarlyStopping) else EarlyStopping(early_stopping)
    measures = metrics_of(metrics, threshold_of(function))
    picture = _live(live, x, y, threshold_of(function))
    training = Training(model, chosen, plan, stopping, generator)
    if stopping is not None:
        stopping.reset()
    _resume(training, checkpoint, resume)
    modes = [(module, module.training) for module in model.modules()]
    step = _step_of(model, function, penalty)
    per_epoch = math.ceil(len(x) / (batch_size or len(x)))
    followers += [picture] if picture is not None else []
    history = training.history
    if not training.stopped:                   # by the run that is resumed
        history.stopped = "finished"
    fast = bar = None
    restore_modes = snapshot()
    try:
        model.train()
        fast = _lifted(lift, model, function, penalty, chosen, x, y, batch_size, epochs)
        history.lifted = "" if fast is None else fast.kind
        bar = _bar(progress, epochs * per_epoch, training.epoch * per_epoch)
        while training.epoch < epochs and not training.stopped:
            started = time.perf_counter()
            with np.errstate(all="ignore"):    # a loss that overflows is reported below, once
                row = _epoch(training, step, fast, x, y, batch_size, clip_norm, measures, bar, epochs)
            if held is not None:
                for name, value in _validate(model, function, measures, held).items():
                    row[f"val_{name}"] = value
            row["lr"] = chosen.lr
            row["seconds"] = time.perf_counter() - started
            training.epoch += 1
            history.append(row)
            if plan is not None:
                watched = row.get("val_loss", row["loss"])
                plan.step(watched if isinstance(plan, ReduceLROnPlateau) else None)
            _judge(training, row, followers)
            if checkpoint is not None and (training.epoch % checkpoint_every == 0 or training.epoch == epochs or training.stopped):
                from .io import save_checkpoint

                save_checkpoint(checkpoint, training)
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        restore_modes()                        # it may have come on the way out of a no_grad()
        if fast is not None:
            fast.end()                         # once more, if it was that which was interrupted
    except BaseException:                      # a model that could not be trained is left in the mode it was in
        for module, mode in modes:
            module.training = mode
        raise
    finally:
        if bar is not None:
            bar.close()
    model.eval()
    if stopping is not None and stopping.best_epoch is not None:
        stopping.restore(model)
        history.best_epoch = stopping.best_epoch if stopping.restore_best else None
    if picture is not None:
        picture.finish(training)
    return history


def _check(
    model: Any, x: np.ndarray, y: np.ndarray, epochs: Any, batch_size: Any, clip_norm: Any, callbacks: list[Any], checkpoint: Any
) -> None:  # fmt: skip
    """Everything that can be wrong with the arguments, before anything is changed."""
    if not isinstance(model, Module):
        raise OperandError(f"fit: received {type(model).__name__} as model, expected a Module such as MLP(2, [16, 1]).")
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or not len(x):
        raise ShapeError(f"fit: received x of shape {x.shape} and y of shape {y.shape}, expected as many samples of each, and at least one.")
    if x.dtype.kind not in "fiub" or y.dtype.kind not in "fiub":
        raise OperandError(f"fit: received x of dtype {x.dtype} and y of dtype {y.dtype}, expected numbers.")
    if (x.dtype.kind == "f" and not np.isfinite(x).all()) or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        raise OperandError("fit: x or y has nan or inf among its numbers, expected finite ones; remove or replace those samples first (np.isfinite finds them).")
    if not isinstance(epochs, (int, np.integer)) or isinstance(epochs, bool) or epochs < 0:
        raise OperandError(f"fit: received epochs={epochs!r}, expected a number of at least 0.")
    if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size < 1):
        raise OperandError(f"fit: received batch_size={batch_size!r}, expected None (all samples), or a number of at least 1.")
    if clip_norm is not None and not clip_norm > 0.0:
        raise OperandError(f"fit: received clip_norm={clip_norm!r}, expected a positive number.")
    if not model.parameters():
        raise OperandError(f"fit: {type(model).__name__} has no parameters to train.")
    if not all(map(callable, callbacks)):
        raise OperandError(f"fit: received callbacks={callbacks!r:.60}, expected functions of the Training.")
    if checkpoint is not None:
        if not Path(checkpoint).name or Path(checkpoint).is_dir():
            raise OperandError(f"fit: received checkpoint={str(checkpoint)!r}, expected the name of a file.")
        from .io import safetensors_library

        safetensors_library()                  # missing, it is told now and not after hours


def _lifted(
    lift: bool | None, model: Module, loss: Any, penalty: Any, optimizer: Optimizer, x: np.ndarray, y: np.ndarray, batch_size: int | None, epochs: int
) -> LiftedStep | None:
    """The steps of a scalar model as a program, where that is wanted and works."""
    size = min(batch_size or len(x), len(x))
    if lift is False or not is_scalar(model) or not (lift or liftable(model, loss, epochs * (len(x) // size))):
        return None
    targets = target_for(y, predict(model, x))
    loss(predict(model, x), targets)           # raises at targets that do not fit; a replay would not look at them
    step = lifted_step(model, loss, penalty, optimizer, x[:size], targets[:size])
    if step is None and lift:
        raise OperandError("fit: lift=True, but the loss of a batch could not be lifted; lift=None or False trains it one number at a time.")
    return step


def _live(live: bool | str | Path, x: np.ndarray, y: np.ndarray, threshold: float | None) -> Any:
    """The callback that draws the run, or None."""
    if live is False:
        return None
    from .live import follower

    return follower(x, y, path=None if live is True else live, threshold=threshold)


Step = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]


def _step_of(model: Module, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None) -> Step:
    """Forward and backward of a batch: (loss, predictions); gradients are left in the parameters."""
    scalar = is_scalar(model)

    def step(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        prediction = forward(model, x, scalar)
        plain = as_plain(prediction)
        value = loss(prediction, target_for(y, plain))
        if penalty is not None:
            value = value + penalty(model)
        value.backward()
        return number_of(value), plain

    return step


def _epoch(
    training: Training, step: Step, fast: Any, x: np.ndarray, y: np.ndarray, batch_size: int | None, clip_norm: float | None,
    measures: dict[str, Any], bar: Any, epochs: int,
) -> dict[str, float]:  # fmt: skip
    """One pass over the samples; the loss is the mean over them while they are trained on."""
    if fast is not None:
        fast.begin()
        try:
            total = _run(training, fast, x, y, batch_size, clip_norm, None, bar, epochs)
        finally:
            fast.end()
        row = {"loss": total / len(x)}
        prediction = predict(training.model, x) if measures else x
        return row | {name: float(metric(prediction, target_for(y, prediction))) for name, metric in measures.items()}
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    total = _run(training, step, x, y, batch_size, clip_norm, kept if measures else None, bar, epochs)
    row = {"loss": total / len(x)}
    for name, metric in measures.items():
        row[name] = float(metric(np.concatenate([p for p, _ in kept]), np.concatenate([t for _, t in kept])))
    return row


def _run(
    training: Training, step: Any, x: np.ndarray, y: np.ndarray, batch_size: int | None, clip_norm: float | None, kept: Any, bar: Any,
    epochs: int,
) -> float:  # fmt: skip
    """The batches of an epoch; the sum of the losses of the samples."""
    total, optimizer, lifted = 0.0, training.optimizer, isinstance(step, LiftedStep)
    for part, target in batches(x, y, batch_size, rng=training.rng, shuffle=batch_size is not None):
        if lifted:
            value = step(part, target)
            if clip_norm is not None:
                step.clip(clip_norm)
        else:
            optimizer.zero_grad()
            value, prediction = step(part, target)
            if clip_norm is not None:
                clip_grad_norm_(optimizer.parameters, clip_norm)
            if kept is not None:
                kept.append((prediction, target_for(target, prediction)))
        optimizer.step()
        total += value * len(part)
        if bar is not None:
            bar.set_description_str(f"epoch {training.epoch + 1}/{epochs}", refresh=False)
            bar.set_postfix_str(f"loss {value:.4f}, lr {optimizer.lr:.2g}", refresh=False)
            bar.update()
    return total


def _validate(model: Module, loss: Callable[..., Any], measures: dict[str, Any], held: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    prediction = predict(model, held[0])
    target = target_for(held[1], prediction)
    with no_grad():
        found = {"loss": number_of(loss(Tensor(prediction, requires_grad=False), target))}
    for name, metric in measures.items():
        found[name] = float(metric(prediction, target))
    return found


def _judge(training: Training, row: dict[str, float], followers: list[Callable[[Training], Any]]) -> None:
    """Whether to go on after an epoch."""
    history, stopping = training.history, training.stopping
    if not math.isfinite(row["loss"]):
        history.stopped, training.stopped = "the loss is not finite", True
        warnings.warn(
            f"fit: the loss is {row['loss']} in epoch {training.epoch}; a smaller learning rate, clip_norm= or scaled inputs "
            "may help, and detect_anomaly() finds where it begins.", RuntimeWarning, stacklevel=4,
        )  # fmt: skip
        return
    if stopping is not None:
        monitor = stopping.monitor or ("val_loss" if "val_loss" in row else "loss")
        if monitor not in row:
            raise OperandError(f"early stopping: there is no {monitor!r} to watch; there are {', '.join(row)}.")
        if stopping.seen(row[monitor], training.model, training.epoch, larger_is_better="loss" not in monitor):
            history.stopped, training.stopped = "early stopping", True
    for follow in followers:
        follow(training)
    if training.stopped and history.stopped == "finished":
        history.stopped = "callback"


def _resume(training: Training, checkpoint: str | Path | None, resume: str | Path | bool | None) -> None:
    """Go on from a checkpoint, if one is asked for and, with True, if there is one."""
    if resume is None or resume is False:
        return
    source = checkpoint if resume is True else resume
    if source is None:
        raise OperandError("fit: resume=True needs checkpoint=, the file to go on from.")
    if resume is True and not Path(source).exists():
        return
    from .io import load_checkpoint

    load_checkpoint(source, training)


def _bar(progress: bool | None, total: int, initial: int) -> Any:
    """A tqdm bar, or None."""
    if progress is False or (progress is None and not (sys.stderr.isatty() or "ipykernel" in sys.modules)):
        return None
    try:
        if "ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.auto import tqdm
        else:
            from tqdm import tqdm
    except ImportError as error:
        if progress is None:
            return None
        raise MissingExtraError("progress=True needs tqdm, which is not installed; pip install 'autograd-core[demo]'") from error

    class Bar(tqdm):  # type: ignore[misc]
        """Without the thread that watches over slow bars: this one is told of every step."""

        monitor_interval = 0

    return Bar(total=total, initial=initial, unit="step", leave=progress is True, dynamic_ncols=True)
