"""Files of arrays on the disk: safetensors, written so that a crash at any moment leaves the old file or the new one.

Nothing in a file is ever executed: there is no pickle.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from autograd_core.errors import AutogradError, MissingExtraError

__all__ = ["FileError", "parsed", "put_in_place", "read_arrays", "safetensors_library", "write_arrays", "write_atomically"]

_WRITER, _CHECKSUM = "autograd-core-1", "crc32"
_PATIENCE = 2.0 if os.name == "nt" else 0.0
"""For how many seconds `put_in_place` tries again on Windows."""


class FileError(AutogradError, ValueError):
    """A file is damaged, is not what it should be, or does not fit the model."""


def safetensors_library() -> Any:
    """safetensors, or an error that names the extra."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError('files need safetensors, which is not installed; pip install "autograd-core[demo]"') from error
    return safetensors


def write_atomically(path: str | Path, data: bytes) -> Path:
    """Write a file so that there is always a whole one: to a temporary name, flushed to the disk, then renamed."""
    target = Path(path)
    if not target.name or target.is_dir():
        raise FileError(f"{str(path)!r}: received a directory, expected the name of a file to write.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{target.stem[:8]}.{secrets.token_hex(4)}.tmp"      # a long name may be as long as the system allows
    try:
        with part.open("xb") as file:          # as readable to others as any new file of the user's
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
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


def write_arrays(path: str | Path, arrays: dict[str, np.ndarray], header: dict[str, str]) -> Path:
    """Write named arrays, and a header of strings, as a safetensors file; with a checksum, since the format has none."""
    tensors = {name: np.ascontiguousarray(array) if np.ndim(array) else np.array(array) for name, array in arrays.items()}
    texts = {"format": "pt", "writer": _WRITER, **header}
    return write_atomically(path, _in_order(safetensors_library().numpy.save(tensors, metadata={**texts, _CHECKSUM: _checksum(tensors, texts)})))


def _checksum(arrays: dict[str, np.ndarray], header: dict[str, str]) -> str:
    """The CRC-32 of the arrays with their names, and of the header, in hexadecimal digits."""
    found = zlib.crc32(json.dumps(sorted((name, text) for name, text in header.items() if name != _CHECKSUM)).encode())
    for name, array in sorted(arrays.items()):
        found = zlib.crc32(json.dumps([name, array.dtype.str, array.shape]).encode(), found)
        found = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, found)
    return f"{found:08x}"


def _in_order(file: bytes) -> bytes:
    """The same file with the texts of its header by name: safetensors leaves them in the order of a hash, another one in every process."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    text = json.dumps({**header, "__metadata__": dict(sorted(header["__metadata__"].items()))}, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)            # arrays begin at a multiple of 8
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(file)[8 + length :]))


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All arrays and the header of a file, or a clear error; a file of ours is compared with its checksum."""
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
            arrays, header = {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except Exception as error:
        raise FileError(f"{source}: not a safetensors file, or damaged or cut short ({error}); nothing was changed.") from error
    if header.get(_CHECKSUM, "") not in ("", _checksum(arrays, header)):
        raise FileError(
            f"{source}: damaged, its checksum is not that of its contents; nothing was changed. (Leave {_CHECKSUM!r} out of the metadata of a file that was "
            "changed on purpose.)"
        )
    return arrays, header


def parsed(text: str | None, path: Any, what: str) -> Any:
    """JSON text from a file, parsed; a clear error where it is missing or damaged."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: {what} in the file is missing or damaged; nothing was changed.") from error
