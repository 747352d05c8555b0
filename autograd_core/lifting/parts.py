"""Parts: every sum is split into pieces that can be computed as early as possible.

A pre-activation of a recurrent network, W·x + U·h + b, waits for h; but its piece W·x does not. If each sum were one
operation, the time steps would have to run one after the other in every piece; splitting the terms of a sum by *who
their factors are* lets the W·x of all time steps meet in one height, where they turn out to be one matrix product.

The class of a node is 0 for a parameter, 1 for an input or a number, and its height + 1 for anything else. The factors
of a product are ordered by class (so that w·x and x·w are the same), and the terms of a sum are split by the pair of
classes into *dots* (terms with two factors) and *linear* parts (terms with one).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .canonical import Canonical, Term

__all__ = ["Level", "Parts", "split"]


@dataclass(slots=True)
class Level:
    """What can be computed at one height: parts of sums, then sums, then other operations."""

    parts: list[tuple[int, list[Term]]] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    applications: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Parts:
    """All levels by height; terms of a sum that need no computation; how often each position is read."""

    levels: dict[int, Level]
    direct: dict[int, list[tuple[int, float]]]
    uses: list[int]

    def in_order(self) -> Iterator[Level]:
        """The levels, lowest first."""
        for height in sorted(self.levels):
            yield self.levels[height]


def split(graph: Canonical) -> Parts:
    """Split every sum of a graph into its parts and sort all work by height."""
    height, rank = [0] * graph.size, [0] * graph.size
    for position in (*range(graph.parameters, graph.live), *graph.constants):
        rank[position] = 1
    uses = [0] * graph.size
    uses[graph.root] = 2
    work = Parts({}, {}, uses)
    levels = work.levels
    for node in graph.kept:
        if node not in graph.sums:
            operands = graph.applications[node].operands
            for p in operands:
                uses[p] += 1
            height[node] = 1 + max(height[p] for p in operands)
            levels.setdefault(height[node], Level()).applications.append(node)
        else:
            by_class: dict[tuple[int, int], list[Term]] = {}
            for term in graph.sums[node].terms:
                k, x, y = term
                uses[x] += 1
                if y < 0:
                    key = (rank[x], -1)
                else:
                    uses[y] += 1
                    key = (rank[x], rank[y])
                    if key[0] > key[1]:
                        key, term = (key[1], key[0]), (k, y, x)
                by_class.setdefault(key, []).append(term)
            highest = 0
            for (one, other), terms in by_class.items():
                above = max(one, other, 1) - 1  # the height of the operands
                if other >= 0 or len(terms) > 1:
                    above += 1
                    levels.setdefault(above, Level()).parts.append((node, terms))
                else:
                    k, x, _ = terms[0]
                    work.direct.setdefault(node, []).append((x, k))
                highest = max(highest, above)
            height[node] = highest + 1
            levels.setdefault(highest + 1, Level()).sums.append(node)
        rank[node] = height[node] + 1
    return work
