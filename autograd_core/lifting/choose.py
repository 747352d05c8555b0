"""Which way to compile a graph: the fastest by estimate first, the others to fall back on.

Three costs are compared, in microseconds for one forward and one backward pass: a line of scalar Python, a NumPy call, and
what a call does to each number. Matrix lifting is not even tried where it cannot pay: a graph of few lines, or one
with so many levels, a few calls each, that straight-line Python is faster.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

from .canonical import Canonical
from .compiled import CALL, SCALAR_LINE, Compiled
from .level import compile_levels, estimate_levels
from .matrix import compile_matrices
from .scalar_source import compile_scalars

__all__ = ["WAYS", "compilations"]

Compiler = Callable[[Canonical], Compiled]

FEW_LINES, CALLS_PER_LEVEL = 150, 4
"""Lines of scalar Python below which nothing else is tried; the least number of NumPy calls that a level takes."""


WAYS: dict[str, Compiler] = {"matrix": compile_matrices, "level batching": compile_levels, "scalar source": compile_scalars}
"""The kinds of program, by name."""


def compilations(graph: Canonical) -> Iterator[Compiled]:
    """Compiled programs, the one that is expected to be the fastest first."""
    lines = graph.survey.lines
    scalar = SCALAR_LINE * lines
    if lines < FEW_LINES or scalar < CALL * CALLS_PER_LEVEL * max(graph.survey.height):
        matrix = None
    else:
        matrix = compile_matrices(graph)
        if matrix.cost < 0.2 * scalar:  # as it nearly always is where there is any structure
            yield matrix
    level = estimate_levels(graph)
    ways: list[tuple[float, Compiler]] = [(level, compile_levels), (scalar, compile_scalars)]
    if matrix is not None:
        best = matrix
        ways.append((matrix.cost, lambda _: best))
    for _, compile_graph in sorted(ways, key=operator.itemgetter(0)):
        yield compile_graph(graph)
