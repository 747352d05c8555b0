"""Edges: sums of products of any lengths, laid end to end in flat arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .script import Array

__all__ = ["Edges", "edges_of"]


class Edges(NamedTuple):
    """Edge e adds scale[e] · left[e] · right[e] to the sum row[e]; the edges of sum i begin at starts[i]."""

    left: Array
    right: Array
    scale: Array
    row: Array
    starts: Array


def edges_of(sums: Iterable[Iterable[tuple[float, int, int]]]) -> Edges:
    """The edges of sums whose terms are (scale, place of a factor, place of the other).

    >>> edges_of([[(1.0, 7, 8), (2.0, 9, 9)], [(0.5, 7, 9)]])._asdict()
    {'left': array([7, 9, 7]), 'right': array([8, 9, 9]), 'scale': array([1. , 2. , 0.5]), 'row': array([0, 0, 1]), 'starts': array([0, 2])}
    """
    left: list[int] = []
    right: list[int] = []
    scale: list[float] = []
    row: list[int] = []
    starts: list[int] = []
    for i, terms in enumerate(sums):
        starts.append(len(left))
        for k, x, y in terms:
            left.append(x)
            right.append(y)
            scale.append(k)
            row.append(i)
    return Edges(np.array(left, dtype=np.int64), np.array(right, dtype=np.int64), np.array(scale), np.array(row), np.array(starts))
