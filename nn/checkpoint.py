"""Checkpoints: all that a training run needs to go on, bit for bit, in a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .files import FileError, parsed, read_arrays, write_arrays
from .history import History
from .training import Training

__all__ = ["load_checkpoint", "save_checkpoint"]


def _generators(training: Training) -> Iterator[tuple[str, np.random.Generator]]:
    """Every random generator of a run: that of the batches, and those of modules such as dropout, each once."""
    yield "fit", training.rng
    for path, module in training.model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, np.random.Generator):
                yield f"{path}.{name}", value


def save_checkpoint(path: str | Path, training: Training) -> Path:
    """Write all that a run needs to go on bit for bit: model, optimiser, schedule, generators, early stopping, history."""
    run, arrays = _snapshot(training)
    return write_arrays(path, arrays, {"checkpoint": json.dumps(run, default=_plain)})


def _plain(x: Any) -> Any:
    """NumPy's numbers and arrays (in the state of a generator) for JSON."""
    return x.tolist()


def load_checkpoint(path: str | Path, training: Training) -> None:
    """Bring a run to the point where a checkpoint was written; if the file does not fit, everything stays as it was."""
    arrays, header = read_arrays(path)
    if "checkpoint" not in header:
        raise FileError(f"{path}: this is not a checkpoint (perhaps a model: use load); nothing was changed.")
    run = parsed(header["checkpoint"], path, "the state of the run")
    before = _snapshot(training)
    try:
        _apply(run, arrays, training)
    except BaseException as error:
        _apply(*before, training)
        if not isinstance(error, Exception):   # an interrupt
            raise
        raise FileError(f"{path}: the checkpoint does not fit this run ({error}); nothing was changed.") from error


def _snapshot(training: Training) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The run as it is, in the form of a checkpoint."""
    state = training.optimizer.state_dict()
    arrays = {f"model/{k}": v for k, v in training.model.state_dict().items()}
    for g, slots in enumerate(state["state"]):
        for s, slot in enumerate(slots):
            arrays.update({f"optimizer/{g}/{s}/{k}": v for k, v in slot.items()})
    stopping = training.stopping
    if stopping is not None and stopping.weights is not None:
        arrays.update({f"best/{k}": v for k, v in stopping.weights.items()})
    return {
        "epoch": training.epoch, "stopped": training.stopped,
        "optimizer": {"kind": type(training.optimizer).__name__, "steps": state["steps"], "groups": state["groups"]},
        "slots": [len(slots) for slots in state["state"]],
        "schedule": None if training.schedule is None else training.schedule.state_dict(),
        "stopping": None if stopping is None else {"best": stopping.best, "best_epoch": stopping.best_epoch, "waited": stopping.waited},
        "generators": {n: g.bit_generator.state for n, g in _generators(training)},
        "history": training.history.to_dict(),
    }, arrays  # fmt: skip


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _shapes(arrays: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """The shape of each array."""
    return {name: array.shape for name, array in arrays.items()}


def _apply(run: dict[str, Any], arrays: dict[str, np.ndarray], training: Training) -> None:
    """Take over the state of a run."""
    kind = type(training.optimizer).__name__
    if run["optimizer"]["kind"] != kind:
        raise FileError(f"it was written with {run['optimizer']['kind']}, this run has {kind}")
    for name, mine in (("schedule", training.schedule), ("stopping", training.stopping)):
        if (run[name] is None) != (mine is None):
            raise FileError(f"one of the two runs has {name}, the other does not")
    generators = dict(_generators(training))
    if set(generators) != set(run["generators"]):
        raise FileError("its random generators are different ones")
    best = _part(arrays, "best/")
    if best and _shapes(best) != _shapes(_part(arrays, "model/")):
        raise FileError("its best weights are not those of the model")
    history = History.from_dict(run["history"])
    training.model.load_state_dict(_part(arrays, "model/"))
    state = [[_part(arrays, f"optimizer/{g}/{s}/") for s in range(n)] for g, n in enumerate(run["slots"])]
    training.optimizer.load_state_dict({"steps": run["optimizer"]["steps"], "groups": run["optimizer"]["groups"], "state": state})
    if training.schedule is not None:
        training.schedule.load_state_dict(run["schedule"])
    if training.stopping is not None:
        training.stopping.best = float(run["stopping"]["best"])
        training.stopping.best_epoch = run["stopping"]["best_epoch"]
        training.stopping.waited = int(run["stopping"]["waited"])
        training.stopping.weights = best or None
    for name, generator in generators.items():
        generator.bit_generator.state = run["generators"][name]
    training.history, training.epoch, training.stopped = history, int(run["epoch"]), bool(run["stopped"])
