"""Layout: where every number lives, and when a set of places is a view.

All values of a program share one flat array, the *arena*; a second one of equal length holds their adjoints. A group of
nodes that are computed together occupies a block of the arena, so from here on "which nodes does this operation read?"
is an array of integers, and the question that decides the speed of a program is whether such an array is *affine*:

    index[i, j, …] = base + i·s₀ + j·s₁ + …

If it is, the operation reads a strided view and nothing is copied; if not, the numbers are gathered first. A matrix
product whose result is stored feature by feature makes the operand of the next layer affine. Blocks of features end in a
*tail* of ones: the row that turns W·H + b into [W | b]·[H; 1], so that adding a bias costs nothing and its
gradient falls out of the weights' gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .script import Array

__all__ = ["Arena", "Group", "View", "affine", "delinearise", "unique_rows", "view_of"]

View = tuple[int, tuple[int, ...]]
_ALIGN = 8
"""Blocks begin at multiples of so many numbers, a line of the cache."""


def affine(index: Array) -> View | None:
    """(base, strides) if index[i, j, …] == base + i·s₀ + j·s₁ + …, else None.

    >>> affine(np.array([[3, 5, 7], [13, 15, 17]]))
    (3, (10, 2))
    >>> affine(np.array([0, 1, 3])) is None
    True
    """
    if index.size == 0:
        return None
    base = int(index.flat[0])
    strides = []
    expected: Any = np.array(base)
    for axis, length in enumerate(index.shape):
        first = [0] * index.ndim
        if length > 1:
            first[axis] = 1
        stride = int(index[tuple(first)]) - base
        strides.append(stride)
        expected = expected[..., None] + np.arange(length) * stride
    return (base, tuple(strides)) if np.array_equal(expected, index) else None


def delinearise(vectors: list[Array], depth: int = 4) -> tuple[int, ...] | None:
    """One shape under which each of these index vectors, of equal length, is affine; None if none is found.

    >>> delinearise([np.array([0, 1, 2, 10, 11, 12])])
    (2, 3)
    """
    shape = [len(vectors[0])]
    for _ in range(depth):
        crooked = next((v for v in vectors if affine(v.reshape(shape)) is None), None)
        if crooked is None:
            return tuple(shape)
        steps = np.diff(crooked[:: int(np.prod(shape[1:]))])
        breaks = np.flatnonzero(steps != steps[0]) if len(steps) else steps
        if not len(breaks):
            return None
        inner = int(breaks[0]) + 1
        if inner < 2 or shape[0] % inner:
            return None
        shape = [shape[0] // inner, inner, *shape[1:]]
    return None


def unique_rows(rows: Array) -> tuple[Array, Array]:
    """(inverse, distinct): rows == distinct[inverse], the distinct rows in lexicographic order.

    Rows are compared by a random 64-bit hash, then verified.
    """
    weights = np.random.default_rng(0).integers(1, 2**62, size=rows.shape[1], dtype=np.int64) | 1
    hashes = (rows.astype(np.int64) * weights).sum(1)
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    distinct = rows[first]
    if not np.array_equal(distinct[inverse], rows):  # pragma: no cover - a clash of hashes
        distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
        return inverse.ravel(), distinct
    order = np.lexsort(distinct.T[::-1])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], distinct[order]


def view_of(array: Array, view: View, shape: tuple[int, ...]) -> Array:
    """The strided view of a flat array that an affine index describes."""
    base, strides = view
    return as_strided(array[base:], shape, [stride * array.itemsize for stride in strides])


@dataclass(slots=True)
class Group:
    """A block of the arena: `size` numbers from `base`, and a tail of ones behind them.

    `reducible` says that the producer's derivative does not read its own result, so that a sum may run in place on it;
    `single` that each number is used once.
    """

    base: int
    size: int
    tail: int
    producer: Any = None
    need: bool = False
    reducible: bool = False
    single: bool = False

    @property
    def cells(self) -> slice:
        """The block as a slice of the arena."""
        return slice(self.base, self.base + self.size)

    def covered_by(self, index: Array) -> bool:
        """Whether a sorted vector of places is exactly this block, each place once."""
        return (
            len(index) == self.size
            and int(index[0]) == self.base
            and int(index[-1]) == self.base + self.size - 1
            and bool((np.diff(index) == 1).all())
        )


class Arena:
    """Blocks side by side in one flat array that is yet to be allocated."""

    def __init__(self) -> None:
        """An empty arena."""
        self.groups: list[Group] = []
        self.size = 0
        self.ones: list[tuple[int, int]] = []

    def allocate(self, size: int, tail: int = 0, **facts: Any) -> int:
        """Room for `size` numbers and `tail` ones; the number of the group."""
        self.groups.append(Group(self.size, size, tail, **facts))
        if tail:
            self.ones.append((self.size + size, self.size + size + tail))
        self.size += -(-(size + tail) // _ALIGN) * _ALIGN
        return len(self.groups) - 1

    def alias(self, of: int, **facts: Any) -> int:
        """A new group in the place of an old one."""
        old = self.groups[of]
        self.groups.append(Group(old.base, old.size, old.tail, **facts))
        return len(self.groups) - 1

    def are_ones(self, index: Array) -> bool:
        """Whether all these places lie in one tail of ones."""
        low, high = int(index.min()), int(index.max())
        return any(start <= low and high < stop for start, stop in self.ones)
