"""What every way of compiling a graph gives back: two arrays in, a number and an array out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .lecture import Line
from .script import Array
from .statements import Readable

__all__ = ["CALL", "EDGE", "NUMBER", "SCALAR_LINE", "Compiled"]

CALL = 0.3
"""Microseconds that a NumPy call on few numbers costs."""
NUMBER = 0.0008
"""Microseconds that a call adds for each number."""
EDGE = 0.0045
"""Microseconds that level batching adds for each operand of each node: gathered, multiplied, and the way back."""
SCALAR_LINE = 0.028
"""Microseconds that a line of scalar Python costs."""


@dataclass(slots=True)
class Compiled:
    """A program on flat arrays, in the order in which the leaves were given.

    `theta` and `inputs` are written by the caller, `gradient` by `backward`. `prelude` must run whenever inputs have
    changed; it is None if there is nothing to prepare. `careful` repeats `backward` with strong zeros,
    and `careful_forward`, if there is one, repeats `forward` where it was not finite.
    """

    kind: str
    theta: Array
    inputs: Array
    gradient: Array
    forward: Callable[[], float]
    backward: Callable[[], Any]
    careful: Callable[[], Any]
    prelude: Callable[[], Any] | None = None
    careful_forward: Callable[[], float] | None = None
    lecture: list[Line] = field(default_factory=list)
    listing: Readable | None = None
    calls: tuple[int, int] = (0, 0)
    cost: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
