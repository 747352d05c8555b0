"""Which way to compile a graph: the fastest by estimate first, the others to fall back on."""

from __future__ import annotations

from collections.abc import Callable

from .canonical import Canonical
from .compiled import SCALAR_LINE, Compiled
from .level import compile_levels, estimate_levels
from .scalar_source import compile_scalars, count_lines

__all__ = ["candidates"]

Compiler = Callable[[Canonical], Compiled | None]


def candidates(graph: Canonical) -> list[Compiler]:
    """Compilers in the order in which to try them; one may decline by returning None."""
    scalar, level = SCALAR_LINE * count_lines(graph), estimate_levels(graph)
    return [compile_scalars, compile_levels] if scalar <= level else [compile_levels, compile_scalars]
