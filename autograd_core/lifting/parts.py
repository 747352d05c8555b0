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
        for p in graph.operands(node):
            uses[p] += 1
        if node in graph.sums:
            height[node] = 1 + _split_sum(node, graph.sums[node].terms, rank, work)
            levels.setdefault(height[node], Level()).sums.append(node)
        else:
            height[node] = 1 + max(height[p] for p in graph.applications[node].operands)
            levels.setdefault(height[node], Level()).applications.append(node)
        rank[node] = height[node] + 1
    return work


def _split_sum(node: int, terms: list[Term], rank: list[int], work: Parts) -> int:
    """Enter the parts of one sum into `work`, terms split by the classes (`rank`) of their factors; the height of the highest part."""
    by_class: dict[tuple[int, int], list[Term]] = {}
    for k, x, y in terms:
        if y < 0:
            by_class.setdefault((rank[x], -1), []).append((k, x, y))
        elif rank[x] <= rank[y]:
            by_class.setdefault((rank[x], rank[y]), []).append((k, x, y))
        else:
            by_class.setdefault((rank[y], rank[x]), []).append((k, y, x))
    highest = 0
    for (one, other), part in by_class.items():
        height = max(one, other, 1) - 1        # that of the operands
        if other >= 0 or len(part) > 1:
            height += 1
            work.levels.setdefault(height, Level()).parts.append((node, part))
        else:
            k, x, _ = part[0]
            work.direct.setdefault(node, []).append((x, k))
        highest = max(highest, height)
    return highest
