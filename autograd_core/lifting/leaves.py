"""Leaves: where parameters, inputs and numbers lie in the arena.

Parameters come first and inputs next, in the order in which the caller listed them, so that what the caller sees as theta is
the beginning of the arena itself. Two things may change that. Inputs that turn out to be the right operand of a matrix product
are laid out again, feature by feature with a row of ones behind. And if a step cannot read the leaves as a view in the
order given, they are laid out by first use, and the caller sees a copy.
"""

from __future__ import annotations

import numpy as np

from .canonical import Canonical
from .layout import Arena, affine, delinearise
from .script import Array
from .steps import Step

__all__ = ["INPUTS", "NUMBERS", "ONES", "PARAMETERS", "LeafOrder", "Leaves"]

LeafOrder = tuple[Array, Array]
"""The place of each parameter among the parameters, and of each input among the inputs."""

PARAMETERS, INPUTS, ONES, NUMBERS = range(4)
"""The first four groups of the arena."""


class Leaves:
    """The arena with its leaves, and where every node lives (`place`)."""

    def __init__(self, graph: Canonical, order: LeafOrder) -> None:
        """Lay out the leaves in this order."""
        self.graph = graph
        self.arena = Arena()
        self.steps: list[Step] = []
        self.place = np.full(graph.size, -1, dtype=np.int64)
        self.group_of = [-1] * graph.size
        self.leaf_order = order
        self.numbers: dict[int, float] = {}  # constants: place → number
        self._lanes: dict[bytes, int] = {}
        self._place_leaves()

    def _place_leaves(self) -> None:
        graph, arena = self.graph, self.arena
        p, n = graph.parameters, graph.live
        arena.allocate(p, need=True)
        arena.allocate(graph.inputs)
        base = arena.groups[INPUTS].base
        self.place[:p] = self.leaf_order[0]
        self.place[p:n] = base + self.leaf_order[1]
        arena.allocate(8)
        self.one = arena.groups[ONES].base
        arena.ones.append((self.one, self.one + 8))
        values = list(dict.fromkeys(np.float64(x).tobytes() for x in graph.constants.values()))
        arena.allocate(max(1, len(values)))
        for lane, value in enumerate(values, arena.groups[NUMBERS].base):
            self._lanes[value] = lane
            self.numbers[lane] = float(np.frombuffer(value)[0])
        for position, x in graph.constants.items():
            self.place[position] = self._lanes[np.float64(x).tobytes()]
            self.group_of[position] = NUMBERS
        for i in range(n):
            self.group_of[i] = PARAMETERS if i < p else INPUTS
        self.input_copies: list[tuple[Array, Array]] = [(np.arange(graph.inputs), self.place[p:n].copy())]
        self._moved = np.zeros(graph.inputs, bool)

    def lanes(self, numbers: Array) -> Array:
        """Places that hold these numbers, in the order in which they appear; equal numbers share a place."""
        bits_of = np.ascontiguousarray(numbers).view(np.int64)
        distinct, first, inverse = np.unique(bits_of, return_index=True, return_inverse=True)
        places = np.empty(len(distinct), dtype=np.int64)
        fresh = [i for i in np.argsort(first).tolist() if distinct[i].tobytes() not in self._lanes]
        if fresh:
            base = self.arena.groups[self.arena.allocate(len(fresh))].base
            for lane, i in enumerate(fresh, base):
                self._lanes[distinct[i].tobytes()] = lane
                self.numbers[lane] = float(distinct[i : i + 1].view(np.float64)[0])
        for i, bits in enumerate(distinct):
            places[i] = self._lanes[bits.tobytes()]
        return places[inverse].reshape(numbers.shape)

    def move_inputs(self, right: Array) -> tuple[int, Array] | None:
        """Lay inputs out again as the right operand of a product wants them: feature by feature, a row of ones behind."""
        columns, k = right.shape
        offsets = right - self.arena.groups[INPUTS].base
        if len(np.unique(right)) != right.size or offsets.min() < 0 or offsets.max() >= self.graph.inputs:
            return None
        at = np.empty(self.graph.inputs, dtype=np.int64)
        at[self.leaf_order[1]] = np.arange(self.graph.inputs)
        which = at[offsets]
        if self._moved[which].any():
            return None
        group = self.arena.allocate(k * columns, columns)
        new = self.arena.groups[group].base + np.arange(k)[None, :] * columns + np.arange(columns)[:, None]
        self.input_copies.append((which.ravel(), new.ravel()))
        self._moved[which] = True
        self.place[self.graph.parameters + which] = new
        for i in which.ravel().tolist():
            self.group_of[self.graph.parameters + i] = group
        return group, new

    def better_leaf_order(self) -> LeafOrder | None:
        """Leaves in the order of their first use, if some step could not read them as a view; else None."""
        p = self.graph.parameters
        base = self.arena.groups[INPUTS].base
        stop = base + self.graph.inputs
        crooked, used = False, []
        for step in self.steps:
            for index in step.views():
                used.append(index.ravel())
                leaves = (index < p).all() or ((index >= base) & (index < stop)).all()
                if leaves and affine(index) is None and (index.ndim > 1 or delinearise([index]) is None):
                    crooked = True
        if not crooked:
            return None
        every = np.concatenate(used)
        back = np.full(self.arena.size, -1, dtype=np.int64)
        for which, places in self.input_copies:
            back[places] = which
        inputs = back[every]
        at = np.empty(p, dtype=np.int64)
        at[self.leaf_order[0]] = np.arange(p)
        return _first_use(at[every[every < p]], p), _first_use(inputs[inputs >= 0], self.graph.inputs)


def _first_use(sequence: Array, n: int) -> Array:
    """The rank of each of n leaves by its first occurrence in a sequence; leaves that do not occur come last."""
    _, first = np.unique(sequence, return_index=True)
    occurring = sequence[np.sort(first)]
    rest = np.setdiff1d(np.arange(n), occurring)
    rank = np.empty(n, dtype=np.int64)
    rank[np.concatenate([occurring, rest]).astype(np.int64)] = np.arange(n)
    return rank
