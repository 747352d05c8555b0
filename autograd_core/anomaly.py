"""What `detect_anomaly()` remembers and checks: the user's line, checksums of arrays, the first nan or inf."""

from __future__ import annotations

import linecache
import os
import sys
import weakref
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import AnomalyError
from .walk import describe, operands

__all__ = ["LIVE", "Origin", "check_flow", "check_forward", "check_gradients", "check_seeds", "check_unwritten", "origin"]

_HERE = Path(__file__).absolute().parent
_OURS = tuple(f"{folder}{os.sep}" for folder in (_HERE, _HERE.with_name("nn"), Path(np.__file__).parent))
"""Prefixes of the names of files whose lines are not the user's."""


class _Alive:
    """Held by every origin there is, and by nothing else."""

    __slots__ = ("__weakref__",)


LIVE: list[weakref.ref[_Alive]] = []
"""Empty unless a node that was recorded under `detect_anomaly()` exists: then a pass outside of it looks for arrays written into."""


def _alive() -> _Alive:
    held = LIVE[-1]() if LIVE else None
    if held is None:
        held = _Alive()
        LIVE.append(weakref.ref(held, LIVE.remove))
    return held


class Origin(NamedTuple):
    """Where a node was recorded, and checksums of the arrays that its operation saved."""

    filename: str
    lineno: int
    line: str
    checksums: tuple[int | None, ...]
    result: int | None
    alive: object

    def __str__(self) -> str:
        """The place as a traceback shows it."""
        return f'File "{self.filename}", line {self.lineno}' + (f": {self.line}" if self.line else "")


def origin(saved: Sequence[Any], result: Any) -> Origin:
    """The innermost line outside of this package (and NumPy) that is being run."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    filename, lineno = frame.f_code.co_filename, frame.f_lineno
    return Origin(filename, lineno, linecache.getline(filename, lineno).strip(), tuple(map(_checksum, saved)), _checksum(result), _alive())


def _checksum(x: Any) -> int | None:
    import zlib  # used nowhere else, so importing the engine does without it

    return zlib.crc32(np.ascontiguousarray(x).tobytes()) if isinstance(x, np.ndarray) else None


def _finite(x: Any) -> bool:
    return x is None or bool(np.all(np.isfinite(x)))


def _example(x: Any) -> str:
    flat = np.ravel(x)
    return str(float(flat[~np.isfinite(flat)][0]))


def _call(node: Any, op: Any, saved: Sequence[Any]) -> str:
    """An operation as it was called: labels, shapes of arrays, numbers."""
    nodes = () if node.op is None else node._a if isinstance(node._a, tuple) else (node._a, node._b)
    return f"{op.name}({', '.join(_operand(x, who) for x, who in zip_longest(saved, nodes[: len(saved)]))})"


def _operand(x: Any, who: Any) -> str:
    label = getattr(who, "label", "")
    if isinstance(x, np.ndarray):
        return f"{label!r} {x.shape}" if label else str(x.shape)
    return f"{label!r} = {x!r}" if label else repr(x)


def check_forward(node: Any, saved: Sequence[Any], op: Any) -> None:
    """Raise if a result has a nan or inf."""
    if not _finite(node._value):
        raise AnomalyError(
            f"{op.name} gave {_example(node._value)} in the forward pass: {_call(node, op, saved)}; "
            f"recorded at {node._origin}",
            node,
        )


def check_unwritten(order: Sequence[Any]) -> None:
    """Raise if an array that an operation saved has been written into since."""
    for node in order:
        origin = getattr(node, "_origin", None)
        if origin is None:
            continue
        if origin.result is not None and _checksum(node._value) != origin.result:
            raise AnomalyError(
                f"backward: {describe(node)} was written into after it had been computed; make a new array instead of "
                f"writing into this one. The operation was recorded at {origin}",
                node,
            )
        for slot, ((operand, value), before) in enumerate(zip(operands(node), origin.checksums, strict=True)):
            if before is not None and _checksum(value) != before:
                who = describe(operand) if operand is not None else f"a constant array of shape {value.shape}"
                raise AnomalyError(
                    f"backward: {who} was written into after {node.op.name} had saved it as operand {slot}; "
                    f"make a new array instead of writing into this one. The operation was recorded at {origin}",
                    node,
                )


def check_seeds(roots: Sequence[Any], seeds: Sequence[Any]) -> None:
    """Raise if a backward pass is started with nan or inf."""
    for root, seed in zip(roots, seeds, strict=True):
        if not _finite(seed):
            raise AnomalyError(f"backward: received a gradient with {_example(seed)} in it for {describe(root)}.", root)


def _place(node: Any) -> str:
    return f"; the operation was recorded at {node._origin}" if hasattr(node, "_origin") else (
        "; run the forward pass under detect_anomaly() too, to see the line that recorded it"
    )


def check_flow(node: Any, saved: Sequence[Any], incoming: Sequence[Any], outgoing: Any, sweep: str) -> None:
    """Raise if an operation turned incoming gradients (or tangents), all of them finite, into one that is not."""
    if not _finite(outgoing) and all(map(_finite, incoming)):
        raise AnomalyError(
            f"the {sweep} of {_call(node, node.op, saved)} gave {_example(outgoing)} at {describe(node)}{_place(node)}", node
        )


def check_gradients(order: Sequence[Any]) -> None:
    """Raise at the first operation, in the order of the backward pass, that turned a finite gradient into nan or inf."""
    for node in reversed(order):
        if not _finite(node.grad):
            continue
        for operand, _ in operands(node):
            if operand is not None and operand.requires_grad and not operand._is_constant and not _finite(operand.grad):
                saved = [value for _, value in operands(node)]
                raise AnomalyError(
                    f"the backward pass of {_call(node, node.op, saved)} gave a gradient of {_example(operand.grad)} for "
                    f"{describe(operand)}{_place(node)}",
                    node,
                )
