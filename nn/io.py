"""`save` and `load`: models as safetensors files.

A file holds arrays under the names of `state_dict` (those of the equivalent `torch.nn.Sequential`, so torch reads it, and its files are
read here) and a JSON text that describes the model. A file is checked in full before anything is changed.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from autograd_core.arguments import checked
from autograd_core.errors import AutogradError, OperandError

from .description import build, describe
from .files import FileError, parsed, read_arrays, write_arrays
from .module import Module

__all__ = ["FileError", "load", "notes_of", "save"]


@checked
def save(model: Module, path: str | Path, *, notes: dict[str, Any] | None = None) -> Path:
    """Write a model to a safetensors file.

    `safetensors.torch.load_file(path)` gives a dictionary that the equivalent `torch.nn.Sequential` takes with `load_state_dict`.

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
        >>> import tempfile
        >>> from nn import Linear
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save(Linear(2, 3, rng=0), Path(folder) / "model.safetensors")
        ...     again = load(path)
        >>> again
        Linear(2, 3)
    """
    header = {"mode": "train" if model.training else "eval"}
    with contextlib.suppress(OperandError):
        header["model"] = json.dumps(describe(model))
    if notes is not None:
        try:
            header["notes"] = json.dumps(notes)
        except (TypeError, ValueError) as error:
            raise OperandError(f"save: received notes that JSON cannot hold ({error}), expected strings, numbers, lists and dictionaries.") from None
    return write_arrays(path, model.state_dict(), header)


@checked
def load(path: str | Path, model: Module | None = None) -> Module:
    """Read a model from a file: into `model` if one is given, else a new one as the file describes it.

    A new one is in the mode, training or evaluation, in which it was saved; one that is given keeps its own.

    Raises:
        FileError: no such file, not a safetensors file, damaged, or of another structure; the model is left as it was.
        MissingExtraError: safetensors is not installed.

    Example:
        >>> import tempfile
        >>> from nn import Linear
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save(Linear(2, 3, rng=0), Path(folder) / "model.safetensors")
        ...     model = load(path, Linear(2, 3))
        >>> bool((model.weight.data == Linear(2, 3, rng=0).weight.data).all())
        True
    """
    arrays, header = read_arrays(path)
    if model is None:
        if "model" not in header:
            raise FileError(f"{path}: the file does not describe its model; build it first and call load(path, model).")
        model = build(parsed(header["model"], path, "the description of the model"), limit=sum(a.size for a in arrays.values()))
        model.train(header.get("mode") != "eval")
    try:
        return model.load_state_dict(arrays)
    except AutogradError as error:
        raise FileError(f"{path}: {error}") from error


def notes_of(path: str | Path) -> dict[str, Any]:
    """The notes that were saved with a model."""
    header = read_arrays(path)[1]
    notes = parsed(header.get("notes", "{}"), path, "the notes")
    if not isinstance(notes, dict):
        raise FileError(f"{path}: the notes in the file are damaged.")
    return notes
