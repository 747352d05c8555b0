"""Files: models and checkpoints as safetensors, written so that a crash at any moment leaves the old file or the new one.

A file holds arrays under the names of `state_dict` (those of the equal `torch.nn.Sequential`, so torch reads it, and its files are
read here) and a JSON text that describes the model. Nothing in a file is ever executed: there is no pickle, and
a description can only name the modules of this package. A file is checked in full before anything is changed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_core import Tensor
from autograd_core.arguments import checked
from autograd_core.errors import AutogradError, MissingExtraError, OperandError

from .history import History
from .module import Module

if TYPE_CHECKING:
    from .train import Training

__all__ = ["FileError", "build", "describe", "load", "load_checkpoint", "put_in_place", "save", "save_checkpoint", "write_atomically"]

_FORMAT = "autograd-core-1"
_MOST_PARAMETERS = 10**9
_PATIENCE = 2.0 if os.name == "nt" else 0.0
"""Seconds."""


class FileError(AutogradError, ValueError):
    """A file is damaged, is not what it should be, or does not fit the model."""


def safetensors_library() -> Any:
    """safetensors, or an error that names the extra."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError('files need safetensors, which is not installed; pip install "autograd-core[demo]"') from error
    return safetensors


# ------------------------------------------------------------------------------------- descriptions of models
def describe(model: Module) -> dict[str, Any]:
    """A model's structure as plain data: {"kind": "Linear", "nin": 2, …}.

    >>> from nn import Linear
    >>> describe(Linear(2, 3, rng=0))
    {'kind': 'Linear', 'nin': 2, 'nout': 3, 'bias': True, 'dtype': 'float64'}
    """
    description = _described(model, "", {})
    owners: dict[int, Module] = {}
    for module in model.modules():
        for parameter in vars(module).values():
            if isinstance(parameter, Tensor) and owners.setdefault(id(parameter), module) is not module:
                raise OperandError("save: two modules share one parameter, which a file cannot describe; its state can be saved all the same.")
    return description


def _described(model: Module, place: str, places: dict[int, str]) -> dict[str, Any]:
    """The description of a module at a place such as "2.0"; of one that is met again, the place where it was met first."""
    from . import Sequential

    if id(model) in places:
        return {"kind": _AGAIN, "place": places[id(model)]}
    places[id(model)] = place
    kind = type(model).__name__
    if _kinds().get(kind) is not type(model):
        raise OperandError(f"save: {kind} is a class of your own, which a file cannot describe; its state can be saved all the same.")
    if isinstance(model, Sequential):
        if not all(isinstance(m, Module) for m in model):
            raise OperandError("save: a plain function among the modules cannot be written to a file; use an activation module, or subclass Module.")
        return {"kind": kind, "modules": [_described(m, f"{place}.{i}" if place else str(i), places) for i, m in enumerate(model)]}
    return {"kind": kind, **model.config()}


_AGAIN, _MOST_PLACES = "again", 100_000
"""The kind of a module that stands in a second place; how many places there may be in all."""


def _kinds() -> dict[str, Any]:
    """The modules that a description may name."""
    import nn

    found = {name: getattr(nn, name) for name in nn.__all__ if name != "plot"}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, Module) and kind is not Module}


def build(description: Any, *, limit: int = _MOST_PARAMETERS) -> Module:
    """A model from its description; at most `limit` parameters, so that a hostile file cannot ask for all memory."""
    return _built(description, limit, "", {})[0]


def _built(description: Any, limit: int, place: str, places: dict[str, tuple[Module, int]]) -> tuple[Module, int]:
    """The module at a place, and how many places it has in it; noted in `places`."""
    if not isinstance(description, dict) or not isinstance(description.get("kind"), str):
        raise FileError(f"the description of the model is damaged: received {str(description)[:60]!r}.")
    settings = {k: v for k, v in description.items() if k != "kind"}
    if description["kind"] == _AGAIN:
        known = places.get(settings["place"]) if isinstance(settings.get("place"), str) else None
        if known is None:
            raise FileError(f"the description of the model is damaged: there is no module at {settings.get('place')!r:.60} to stand in a second place.")
        return known
    kind = _kinds().get(description["kind"])
    if kind is None:
        raise FileError(f"the file names a module {description['kind']!r:.60} that this package does not have.")
    if description["kind"] == "Sequential":
        parts = settings.get("modules")
        if not isinstance(parts, list):
            raise FileError("the description of a Sequential in the file is damaged: it has no list of modules.")
        try:
            inside = [_built(part, limit, f"{place}.{i}" if place else str(i), places) for i, part in enumerate(parts)]
        except RecursionError:
            raise FileError("the description of the model is damaged: Sequentials are nested too deep.") from None
        count = 1 + sum(n for _, n in inside)
        if count > _MOST_PLACES:               # a few lines that double, and double again
            raise FileError(f"the description of the model is damaged: it has more than {_MOST_PLACES:,} places for modules.")
        places[place] = kind(*[module for module, _ in inside]), count
    else:
        places[place] = _made(kind, description["kind"], settings, limit), 1
    return places[place]


def _made(kind: Any, name: str, settings: dict[str, Any], limit: int) -> Module:
    """A module of a kind with its settings, which a file may have made up."""
    numbers = [n for v in settings.values() for n in (v if isinstance(v, list) else [v]) if isinstance(n, int) and not isinstance(n, bool)]
    sizes = [max(abs(n), 1) for n in numbers]
    size = sum(a * b for a, b in itertools.pairwise(sizes)) if "nouts" in settings else math.prod(sizes[:4])
    if size > max(limit, 1) * 16:
        raise FileError(f"the file describes a {name} of about {size:.1e} parameters, but holds {limit}.")
    try:
        return kind(**{k: tuple(v) if isinstance(v, list) and k not in ("nouts", "activation") else v for k, v in settings.items()})  # type: ignore[no-any-return]
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"the description of a {name} in the file is damaged: {error}") from error


# ------------------------------------------------------------------------------------------ reading and writing
def write_atomically(path: str | Path, data: bytes) -> Path:
    """Write a file so that there is always a whole one: to a temporary name, flushed to the disk, then renamed."""
    target = Path(path)
    if not target.name or target.is_dir():
        raise FileError(f"{str(path)!r}: received a directory, expected the name of a file to write.")
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        put_in_place(Path(name), target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):     # the file is there; not every file system can flush a folder
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    return target


def put_in_place(part: Path, target: Path) -> None:
    """Give a whole file its name, in place of the one before.

    On Windows that fails while another program (a virus scanner, an indexer, a reader) has one of the two open; such programs are soon
    done, so it is tried for a while before it is an error.
    """
    waited, pause = 0.0, 0.01
    while True:
        try:
            part.replace(target)
        except PermissionError:
            if waited >= _PATIENCE:
                raise
            time.sleep(pause)
            waited, pause = waited + pause, 2 * pause
        else:
            return


def _write(path: str | Path, arrays: dict[str, np.ndarray], header: dict[str, str]) -> Path:
    tensors = {name: np.ascontiguousarray(array) if np.ndim(array) else np.array(array) for name, array in arrays.items()}
    return write_atomically(path, safetensors_library().numpy.save(tensors, metadata=header))


def _read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All arrays and the header of a file, or a clear error."""
    source = Path(path)
    try:
        if not source.is_file():
            raise FileError(f"{source}: there is no such file.")
        source.open("rb").close()              # safetensors calls a file that may not be read one that is not there
    except OSError as error:
        raise FileError(f"{source}: cannot be read ({error.strerror}).") from error
    safetensors = safetensors_library()
    try:
        with safetensors.safe_open(str(source), framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except Exception as error:
        raise FileError(f"{source}: not a safetensors file, or damaged or cut short ({error}); nothing was changed.") from error


def _json(text: str | None, path: Any, what: str) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: {what} in the file is missing or damaged; nothing was changed.") from error


@checked
def save(model: Module, path: str | Path, *, notes: dict[str, Any] | None = None) -> Path:
    """Write a model to a safetensors file.

    `safetensors.torch.load_file(path)` gives a dictionary that the equal `torch.nn.Sequential` takes with `load_state_dict`.

    Args:
        model: A model; its description goes into the header if it is made of modules of this package.
        path: The file; folders that are missing are made.
        notes: Plain data to keep with it, such as how inputs were scaled.

    Returns:
        The path.

    Raises:
        FileError: the path is a directory.
        OperandError: JSON cannot hold the notes.
        MissingExtraError: safetensors is not installed.

    Example:
        >>> from nn import Linear
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save(Linear(2, 3, rng=0), Path(folder) / "model.safetensors")
        ...     again = load(path)
        >>> again
        Linear(2, 3)
    """
    header = {"format": "pt", "writer": _FORMAT, "mode": "train" if model.training else "eval"}
    with contextlib.suppress(OperandError):
        header["model"] = json.dumps(describe(model))
    if notes is not None:
        try:
            header["notes"] = json.dumps(notes)
        except (TypeError, ValueError) as error:
            raise OperandError(f"save: received notes that JSON cannot hold ({error}), expected texts, numbers, lists and dictionaries.") from None
    return _write(path, model.state_dict(), header)


@checked
def load(path: str | Path, model: Module | None = None) -> Module:
    """Read a model from a file: into `model` if one is given, else a new one as the file describes it.

    A new one is in the mode, training or evaluation, in which it was saved; one that is given keeps its own.

    Raises:
        FileError: no such file, not a safetensors file, damaged, or of another structure; the model is left as it was.
        MissingExtraError: safetensors is not installed.

    See `save` for an example.
    """
    arrays, header = _read(path)
    if model is None:
        if "model" not in header:
            raise FileError(f"{path}: the file does not describe its model; build it first and call load(path, model).")
        model = build(_json(header["model"], path, "the description of the model"), limit=sum(a.size for a in arrays.values()))
        model.train(header.get("mode") != "eval")
    try:
        return model.load_state_dict(arrays)
    except AutogradError as error:
        raise FileError(f"{path}: {error}") from error


def notes_of(path: str | Path) -> dict[str, Any]:
    """The notes that were saved with a model."""
    header = _read(path)[1]
    notes = _json(header.get("notes", "{}"), path, "the notes")
    if not isinstance(notes, dict):
        raise FileError(f"{path}: the notes in the file are damaged.")
    return notes


# ------------------------------------------------------------------------------------------------ checkpoints
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
    header = {"format": "pt", "writer": _FORMAT, "checkpoint": json.dumps(run, default=_plain)}
    return _write(path, arrays, header)


def _plain(x: Any) -> Any:
    """NumPy's numbers and arrays (in the state of a generator) for JSON."""
    return x.tolist()


def load_checkpoint(path: str | Path, training: Training) -> None:
    """Bring a run to where a checkpoint was written; if the file does not fit, everything stays as it was."""
    arrays, header = _read(path)
    if "checkpoint" not in header:
        raise FileError(f"{path}: this is no checkpoint (a model, perhaps: use load); nothing was changed.")
    run = _json(header["checkpoint"], path, "the state of the run")
    before = _snapshot(training)
    try:
        _apply(run, arrays, training)
    except Exception as error:
        _apply(*before, training)
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


def _apply(run: dict[str, Any], arrays: dict[str, np.ndarray], training: Training) -> None:
    """Take over the state of a run."""
    kind = type(training.optimizer).__name__
    if run["optimizer"]["kind"] != kind:
        raise FileError(f"it was written with {run['optimizer']['kind']}, this run has {kind}")
    for name, mine in (("schedule", training.schedule), ("stopping", training.stopping)):
        if (run[name] is None) != (mine is None):
            raise FileError(f"one of the two runs has {name}, the other has not")
    generators = dict(_generators(training))
    if set(generators) != set(run["generators"]):
        raise FileError("its random generators are others")
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
        training.stopping.weights = _part(arrays, "best/") or None
    for name, generator in generators.items():
        generator.bit_generator.state = run["generators"][name]
    training.history, training.epoch, training.stopped = history, int(run["epoch"]), bool(run["stopped"])
