"""The cross-product test: when are m dot products one matrix product?

m dots of k terms each are given as two integer matrices, the places of their left and of their right factors. They are the
entries of a matrix product A·Bᵀ exactly when every row of A meets every row of B: with nA distinct left lists and nB
distinct right lists, the m dots realise nA·nB different pairs. Nothing about layers, neurons or samples need be known.

The terms of a dot may stand in any order, and orders may differ from dot to dot, so rows are brought to a common order
first: by left place, by right place, or by *column*: the connected component of the relation "place a is multiplied by
place b", which survives any shuffling. Where the whole is not a product, the connected components of "left list meets
right list" may be: components of equal shape together make a batched product (attention does).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .layout import unique_rows
from .script import Array

__all__ = ["Product", "connected_components", "cross_products"]


class Product(NamedTuple):
    """Some of the dots as entries of a batched matrix product: dot rows[i] is entry [batch[i], left_row[i], right_row[i]]."""

    rows: Array
    batch: Array
    left_row: Array
    right_row: Array
    left: Array  # (batch, nA, k) places
    right: Array  # (batch, nB, k) places


def connected_components(n: int, left: Array, right: Array) -> Array:
    """The component (its smallest member) of each of n vertices, edges joining left[i] with right[i]."""
    parent = list(range(n))
    for x, y in zip(left.tolist(), right.tolist(), strict=True):
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        if x != y:
            parent[max(x, y)] = min(x, y)
    for x in range(n):
        parent[x] = parent[parent[x]]
    return np.array(parent, dtype=np.int64)


def _columns(left: Array, right: Array) -> Array | None:
    """For each term the component of "left place meets right place"; None if a dot has two terms in one component."""
    pairs = np.unique(np.stack([left.ravel(), right.ravel()], 1), axis=0)
    places, a = np.unique(pairs[:, 0], return_inverse=True)
    others, b = np.unique(pairs[:, 1], return_inverse=True)
    labels = connected_components(len(places) + len(others), a, b + len(places))
    columns = labels[np.searchsorted(places, left)]
    ordered = np.sort(columns, axis=1)
    return None if (ordered[:, 1:] == ordered[:, :-1]).any() else columns


def _orders(left: Array, right: Array, size: int) -> Iterator[Array]:
    """Ways to sort the terms of every dot, the one that is usually right and found at once coming first."""
    yield left * np.int64(size) + right
    if left.shape[1] > 1:
        yield right * np.int64(size) + left
        columns = _columns(left, right)
        if columns is not None:
            yield columns


def cross_products(left: Array, right: Array) -> tuple[list[Product], Array]:
    """Matrix products among dots, given as (m, k) places of their factors; and the dots that belong to none."""
    m, k = left.shape
    size = int(max(left.max(), right.max())) + 1
    best: tuple[int, _Bipartite] | None = None
    for key in _orders(left, right, size):
        order = np.argsort(key, axis=1, kind="stable")
        graph = _Bipartite(np.take_along_axis(left, order, 1), np.take_along_axis(right, order, 1))
        if graph.complete:
            everything = np.arange(m)
            whole = Product(
                everything, np.zeros(m, np.int64), graph.of_left, graph.of_right, graph.lefts[None], graph.rights[None]
            )
            return [whole], np.zeros(0, np.int64)
        if k > 1 and not graph.trivial:
            covered = graph.find_blocks()
            if covered and (best is None or covered > best[0]):
                best = covered, graph
    if best is None:
        return [], np.arange(m)
    products = best[1].blocks()
    rest = np.ones(m, bool)
    for product in products:
        rest[product.rows] = False
    return products, np.flatnonzero(rest)


class _Bipartite:
    """Distinct left lists against distinct right lists; every dot is an edge."""

    def __init__(self, left: Array, right: Array) -> None:
        self.of_left, self.lefts = unique_rows(left)
        self.of_right, self.rights = unique_rows(right)
        self.edges = self.of_left * len(self.rights) + self.of_right
        m, pairs = len(left), len(self.lefts) * len(self.rights)
        self.complete = pairs <= m and len(np.unique(self.edges)) == pairs
        self.trivial = len(self.lefts) == m == len(self.rights)

    def find_blocks(self) -> int:
        """Find the complete components; how many entries they have."""
        n_left, n_right = len(self.lefts), len(self.rights)
        labels = connected_components(n_left + n_right, self.of_left, self.of_right + n_left)
        _, labels = np.unique(labels, return_inverse=True)
        self.left_label, self.right_label = labels[:n_left], labels[n_left:]
        count = int(labels.max()) + 1
        self.n_left = np.bincount(self.left_label, minlength=count)
        self.n_right = np.bincount(self.right_label, minlength=count)
        distinct = np.unique(self.edges)
        edges = np.bincount(self.left_label[distinct // n_right], minlength=count)
        entries = self.n_left * self.n_right
        self.complete_parts = (edges == entries) & (entries > 1)
        return int(entries[self.complete_parts].sum())

    def blocks(self) -> list[Product]:
        """The complete components; those of equal shape side by side in one batched product."""
        products = []
        shapes = sorted(set(zip(self.n_left[self.complete_parts], self.n_right[self.complete_parts], strict=True)))
        for rows, columns in shapes:
            parts = np.flatnonzero(self.complete_parts & (self.n_left == rows) & (self.n_right == columns))
            batch = np.full(len(self.n_left), -1)
            batch[parts] = np.arange(len(parts))
            left, left_rank = _stack(self.lefts, batch[self.left_label], len(parts), int(rows))
            right, right_rank = _stack(self.rights, batch[self.right_label], len(parts), int(columns))
            members = np.flatnonzero(batch[self.left_label[self.of_left]] >= 0)
            a, b = self.of_left[members], self.of_right[members]
            products.append(Product(members, batch[self.left_label[a]], left_rank[a], right_rank[b], left, right))
        return products


def _stack(lists: Array, batch: Array, count: int, rows: int) -> tuple[Array, Array]:
    """Lists of places as (count, rows, k), by the batch each belongs to (-1: none); and the row that each list got."""
    chosen = np.flatnonzero(batch >= 0)
    order = chosen[np.argsort(batch[chosen], kind="stable")]
    rank = np.full(len(lists), -1)
    rank[order] = np.tile(np.arange(rows), count)
    return lists[order].reshape(count, rows, -1), rank
