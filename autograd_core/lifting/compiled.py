"""What every way of compiling a graph gives back: two arrays in, a number and an array out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .script import Array

__all__ = ["CALL", "SCALAR_LINE", "Compiled"]

CALL = 0.8
"""Microseconds that a NumPy call on a small array costs: the unit in which programs are compared."""
SCALAR_LINE = 0.035
"""Microseconds that a line of scalar Python costs."""


@dataclass(slots=True)
class Compiled:
    """A program on flat arrays, in the order in which the leaves were given.

    `theta` and `inputs` are written by the caller, `gradient` by `backward`. `prelude` must run whenever inputs have
    changed; it is None if there is nothing to prepare. `careful` repeats `backward` with strong zeros.
    """

    kind: str
    theta: Array
    inputs: Array
    gradient: Array
    forward: Callable[[], float]
    backward: Callable[[], Any]
    careful: Callable[[], Any]
    prelude: Callable[[], Any] | None = None
    lecture: list[str] = field(default_factory=list)
    calls: tuple[int, int] = (0, 0)
    cost: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
