"""Grouping: nodes that were computed alike become one step.

Level by level, parts of sums with the same groups of operands and the same number of terms are put together and tested
for a matrix product; sums with parts in the same groups become one elementwise combination; equal operations on one group
become one call. A group that has got its place in the arena is what the next level's nodes are compared by, so the
regularity that the student's loops had (layers, samples, time steps) comes out although nobody named it.

The order of lanes within a group is chosen so that what reads it finds a view: a product stores its result
row by row, a sum takes the order of its largest part, an elementwise operation that of its operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .canonical import Application, Canonical, Term
from .edges import edges_of
from .layout import affine
from .leaves import INPUTS, NUMBERS, ONES, LeafOrder, Leaves
from .parts import Level, Parts
from .products import Product, cross_products
from .rules import LocalDerivative
from .script import Array
from .steps import Apply, Combine, MatrixProduct, PairProducts, RowSums, Segments, Step

__all__ = ["SMALL", "Grouping", "group"]

SMALL = 4
"""Groups with fewer members than this are worth merging into irregular steps, if there are as many such groups."""


class Grouping(Leaves):
    """The state while grouping, and its result: `steps`, `arena`, and where every node lives (`place`)."""

    def __init__(self, graph: Canonical, parts: Parts, order: LeafOrder, small: int) -> None:
        """Nothing grouped yet, leaves in the given order."""
        super().__init__(graph, order)
        self.parts, self.small = parts, small
        self.need = graph.survey.need
        self.references: dict[int, list[tuple[int, int, float]]] = {}  # of a sum: (group, place, coefficient)
        self.inline: dict[int, list[Term]] = {}  # of a sum: terms that go into an irregular step
        self._claimed: dict[int, int] = {}

    # -- dots

    def dots(self, nodes: list[int], terms: list[list[Term]], groups: tuple[int, int]) -> None:
        """m dots of k terms: matrix products as far as they go, pairwise products for the rest."""
        left = self.place[np.array([[x for _, x, _ in row] for row in terms])]
        right = self.place[np.array([[y for _, _, y in row] for row in terms])]
        self._dots(nodes, left, right, np.array([[k for k, _, _ in row] for row in terms]), groups[1])

    def _dots(self, nodes: list[int], left: Array, right: Array, scale: Array, right_group: int) -> None:
        m, k = left.shape
        uniform = bool((scale == scale[:, :1]).all())
        outer = scale[:, 0].copy() if uniform else np.ones(m)
        if uniform:
            scale = np.ones_like(scale)
        rest = np.arange(m)
        if m > 1 and uniform and k * m > 4:
            products, rest = cross_products(left, right)
            for product in products:
                self._matrix_product([nodes[i] for i in product.rows], product, outer[product.rows], right_group)
        if len(rest):
            self._pair_products([nodes[i] for i in rest], left[rest], right[rest], scale[rest], outer[rest])

    def _matrix_product(self, nodes: list[int], product: Product, outer: Array, right_group: int) -> None:
        right = product.right
        if right_group == INPUTS and len(right) == 1:
            moved = self.move_inputs(right[0])
            if moved is not None:
                right_group, right = moved[0], moved[1][None]
        batch, rows, columns = len(right), product.left.shape[1], right.shape[1]
        step = MatrixProduct(
            size=batch * rows * columns,
            need=any(self.need[node] for node in nodes),
            left=product.left,
            right=right,
            right_group=right_group,
            replaced=self._claim(nodes, 2 * right.shape[2] - 1),
            nodes=nodes,
        )
        single = len(nodes) == step.size
        self._finish(step, tail=columns, reducible=True, single=single)
        places = self.arena.groups[step.group].base + (product.batch * rows + product.left_row) * columns + product.right_row
        self._refer(nodes, step.group, places, outer)

    def _pair_products(self, nodes: list[int], left: Array, right: Array, scale: Array, outer: Array) -> None:
        if left.shape[1] > 1:
            order = np.argsort(left * np.int64(self.arena.size + 1) + right, axis=1)
            left, right, scale = (np.take_along_axis(x, order, 1) for x in (left, right, scale))
        if len(np.unique(left[:, 0])) >= len(np.unique(right[:, 0])):
            lanes = np.lexsort((right[:, 0], left[:, 0]))
        else:
            lanes = np.lexsort((left[:, 0], right[:, 0]))
        step = PairProducts(
            size=len(nodes),
            need=any(self.need[node] for node in nodes),
            left=left[lanes],
            right=right[lanes],
            scale=scale[lanes],
            replaced=self._claim(nodes, 2 * left.shape[1] - 1),
            nodes=nodes,
        )
        self._finish(step, tail=step.size, reducible=True, single=True)
        places = np.arange(step.size) + self.arena.groups[step.group].base
        self._refer([nodes[i] for i in lanes], step.group, places, outer[lanes])

    def _refer(self, nodes: Sequence[int], group: int, places: Array, outer: Array) -> None:
        for node, place, k in zip(nodes, places.tolist(), outer.tolist(), strict=True):
            self.references.setdefault(node, []).append((group, place, k))

    def _finish(self, step: Step, *, tail: int, reducible: bool = False, single: bool = False) -> None:
        step.group = self.arena.allocate(
            step.size, tail, producer=step, need=step.need, reducible=reducible, single=single
        )
        self.steps.append(step)

    def _claim(self, nodes: list[int], each: int) -> int:
        """Count recorded operations of these sums as replaced by a part."""
        total = 0
        for node in nodes:
            before = self._claimed.get(node, 0)
            taken = min(each, self.graph.replaced[node] - before)  # a fused sum was one operation to begin with
            self._claimed[node] = before + taken
            total += taken
        return total

    def _unclaimed(self, nodes: list[int]) -> int:
        """The recorded operations of these sums that no part has replaced."""
        return sum(self.graph.replaced[node] - self._claimed.get(node, 0) for node in nodes)

    # -- linear parts

    def linear(self, nodes: list[int], terms: list[list[Term]]) -> None:
        """m weighted sums of k terms; as dots with numbers, if the weights differ from row to row."""
        index = self.place[np.array([[x for _, x, _ in row] for row in terms])]
        scale = np.array([[k for k, _, _ in row] for row in terms])
        order = np.argsort(index, axis=1, kind="stable")
        index, scale = np.take_along_axis(index, order, 1), np.take_along_axis(scale, order, 1)
        if (scale == scale[:, :1]).all():
            outer, scale = scale[:, 0].copy(), np.ones_like(scale)
        else:
            outer = np.ones(len(nodes))
        if not (scale == scale[0]).all():
            self._dots(nodes, index, self.lanes(scale), np.ones_like(scale), NUMBERS)
            return
        lanes = np.lexsort(index.T[::-1])
        step = RowSums(
            size=len(nodes),
            need=any(self.need[node] for node in nodes),
            index=index[lanes],
            scale=scale[lanes],
            replaced=self._claim(nodes, index.shape[1] - 1),
            nodes=nodes,
        )
        self._finish(step, tail=step.size, reducible=True, single=True)
        places = np.arange(step.size) + self.arena.groups[step.group].base
        self._refer([nodes[i] for i in lanes], step.group, places, outer[lanes])

    # -- sums

    def combine(self, groups: tuple[int, ...], nodes: list[int]) -> None:
        """Sums whose parts lie in the same groups: one elementwise combination, in place on a part where possible."""
        if not groups:  # only a root that is a plain number has no terms at all
            for node in nodes:
                self.references[node] = [(ONES, self.one, 0.0)]
            groups = (ONES,)
        rows = [sorted(self.references.pop(node)) for node in nodes]
        index = np.array([[place for _, place, _ in row] for row in rows], dtype=np.int64)
        scale = np.array([[k for _, _, k in row] for row in rows])
        offset = np.array([self.graph.sums[node].offset for node in nodes])
        need, m = any(self.need[node] for node in nodes), len(nodes)
        leading, in_place = self._leading_part(groups, index, need)
        lanes = np.lexsort(index.T[::-1]) if leading is None else np.argsort(index[:, leading], kind="stable")
        first = leading or 0
        index, scale, offset = index[lanes], scale[lanes], offset[lanes]
        placed = np.array(nodes)[lanes]
        others = [j for j in range(len(groups)) if j != first]
        step = Combine(size=m, need=need, references=[], offset=offset, replaced=self._unclaimed(nodes), nodes=nodes)
        single = all(self.parts.uses[node] == 1 for node in nodes)
        part = self.arena.groups[groups[first]]
        if in_place:
            step.source = part.producer
            if isinstance(step.source, MatrixProduct) and (scale[:, first] == 1.0).all():
                self._absorb_bias(step.source, index, scale, others)
            step.group = self.arena.alias(groups[first], producer=step, need=need, reducible=True, single=single)
            self.steps.append(step)
        else:
            tail = part.tail if part.covered_by(index[:, first]) and part.tail else m
            self._finish(step, tail=tail, reducible=True, single=single)
        step.references = [(index[:, j], scale[:, j]) for j in (first, *others)]
        self._put(placed, step.group)

    def _leading_part(self, groups: tuple[int, ...], index: Array, need: bool) -> tuple[int | None, bool]:
        """The part that gives the sums their order, and whether the sums may be computed in its place.

        A part can lead if it has a place of its own for every sum. The results of matrix products come first, then large groups.
        """
        members = [self.arena.groups[group] for group in groups]
        ranked = sorted(range(len(groups)), key=lambda j: (isinstance(members[j].producer, MatrixProduct), members[j].size), reverse=True)
        distinct = [j for j in ranked if len(np.unique(index[:, j])) == len(index)]
        for j in distinct:
            part = members[j]
            if part.reducible and part.single and part.need == need and part.covered_by(np.sort(index[:, j])):
                return j, True
        return (distinct[0] if distinct else None), False

    def _absorb_bias(self, source: MatrixProduct, index: Array, scale: Array, others: list[int]) -> None:
        """Turn W·H + b into [W | b]·[H; 1], if one of the other parts is a bias and a row of ones lies behind H."""
        batch, rows, columns = source.shape
        if batch != 1 or source.augmented is not None:
            return
        for j in others:
            bias = index[:, j].reshape(rows, columns)
            if not ((scale[:, j] == 1.0).all() and (bias == bias[:, :1]).all()):
                continue
            right, behind = source.right[0], self.arena.groups[source.right_group]
            if right.shape[1] == 1:
                ones = behind.base + behind.size + np.arange(columns)
            else:
                ones = right[:, 0] + right.shape[1] * (right[:, 1] - right[:, 0])
            source.bias = bias[:, :1]
            wide = np.concatenate([right, ones[:, None]], 1)
            weights = np.concatenate([source.left[0], bias[:, :1]], 1)
            if (
                self.arena.are_ones(ones)
                and affine(wide) is not None
                and affine(weights) is not None
                and len(np.unique(weights)) == weights.size
            ):
                source.augmented = weights, wide
                others.remove(j)
                return

    def _put(self, nodes: Array, group: int) -> None:
        self.place[nodes] = self.arena.groups[group].base + np.arange(len(nodes))
        for node in nodes.tolist():
            self.group_of[node] = group

    def segments(self, nodes: list[int]) -> None:
        """Sums without regularity: one irregular step for all of them."""
        place, one = self.place, self.one

        def terms(node: int) -> list[tuple[float, int, int]]:
            found = [(k, int(place[x]), int(place[y]) if y >= 0 else one) for k, x, y in self.inline.pop(node, ())]
            found += [(k, at, one) for _, at, k in self.references.pop(node, ())]
            return found or [(0.0, one, one)]

        step = Segments(
            size=len(nodes),
            need=any(self.need[node] for node in nodes),
            **edges_of(map(terms, nodes))._asdict(),
            offset=np.array([self.graph.sums[node].offset for node in nodes]),
            replaced=self._unclaimed(nodes),
            nodes=nodes,
        )
        self._finish(step, tail=step.size)
        self._put(np.array(nodes), step.group)

    # -- other operations

    def apply(self, nodes: list[int]) -> None:
        """One elementwise operation on all these nodes, in the order of their first operand."""
        applications = self.graph.applications
        indices = self.place[np.array([applications[node].operands for node in nodes])]
        lanes = np.lexsort(indices.T[::-1])
        indices = indices[lanes]
        step = Apply(
            size=len(nodes),
            need=any(self.need[node] for node in nodes),
            application=applications[nodes[0]],
            indices=[indices[:, slot].copy() for slot in range(indices.shape[1])],
            replaced=sum(self.graph.replaced[node] for node in nodes),
            nodes=nodes,
        )
        operand = self.group_of[applications[nodes[0]].operands[0]]
        first = self.arena.groups[operand]
        covered = first.covered_by(indices[:, 0])
        if covered and first.reducible and first.single and first.need == step.need and _in_place(step.application):
            step.source = first.producer
            step.group = self.arena.alias(operand, producer=step, need=step.need)
            self.steps.append(step)
        else:
            self._finish(step, tail=first.tail if first.tail and covered else step.size)
        self._put(np.array(nodes)[lanes], step.group)

    # -- a level

    def level(self, level: Level) -> None:
        """Group everything that can be computed at one height."""
        for (one, other, _), (nodes, terms) in self._sort_parts(level):
            if other >= 0:
                self.dots(nodes, terms, (one, other))
            else:
                self.linear(nodes, terms)
        by_groups: dict[tuple[int, ...], list[int]] = {}
        irregular = []
        for node in level.sums:
            for x, k in self.parts.direct.get(node, ()):
                self.references.setdefault(node, []).append((self.group_of[x], int(self.place[x]), k))
            if node in self.inline:
                irregular.append(node)
            else:
                key = tuple(sorted(group for group, _, _ in self.references.get(node, ())))
                by_groups.setdefault(key, []).append(node)
        few = [key for key, nodes in by_groups.items() if len(nodes) < self.small]
        if len(few) + len(irregular) >= self.small:
            for key in few:
                irregular.extend(by_groups.pop(key))
        if irregular:
            self.segments(irregular)
        for key, nodes in by_groups.items():
            self.combine(key, nodes)
        self._applications(level.applications)

    def _sort_parts(self, level: Level) -> list[tuple[tuple[int, int, int], tuple[list[int], list[list[Term]]]]]:
        """Parts by (group of left factors, group of right factors or -1, number of terms); few and odd ones inlined."""
        sorted_parts: dict[tuple[int, int, int], tuple[list[int], list[list[Term]]]] = {}
        group_of = self.group_of
        for node, terms in level.parts:
            by_groups: dict[tuple[int, int], list[Term]] = {}
            for term in terms:
                k, x, y = term
                key = (group_of[x], group_of[y] if y >= 0 else -1)
                if y >= 0 and key[0] > key[1]:
                    key, term = (key[1], key[0]), (k, y, x)
                by_groups.setdefault(key, []).append(term)
            for (one, other), some in by_groups.items():
                if other < 0 and len(some) == 1:
                    self.parts.direct.setdefault(node, []).append((some[0][1], some[0][0]))
                    continue
                nodes, rows = sorted_parts.setdefault((one, other, len(some)), ([], []))
                nodes.append(node)
                rows.append(some)
        few = [whole for whole, (nodes, _) in sorted_parts.items() if len(nodes) < self.small]
        if len(few) >= self.small:
            for whole in few:
                for node, terms in zip(*sorted_parts.pop(whole), strict=True):
                    self.inline.setdefault(node, []).extend(terms)
        return sorted(sorted_parts.items(), key=lambda item: -len(item[1][0]) * item[0][2])

    def _applications(self, nodes: list[int]) -> None:
        by_key: dict[tuple[Any, tuple[int, ...]], list[int]] = {}
        for node in nodes:
            application = self.graph.applications[node]
            key = (application.key, tuple(self.group_of[p] for p in application.operands))
            by_key.setdefault(key, []).append(node)
        few = [key for key, members in by_key.items() if len(members) < self.small]
        if len(few) >= self.small:
            for key in few:
                by_key.setdefault((key[0], (-1,) * len(key[1])), []).extend(by_key.pop(key))
        for members in by_key.values():
            self.apply(members)


def _in_place(application: Application) -> bool:
    """Whether an operation may overwrite its operand: its derivative must not read it.

    The derivative of relu does, but only asks whether it is positive, and the result is positive where the operand was.
    """
    if len(application.operands) != 1:
        return False
    rule = LocalDerivative(application.op, 0, 1, application.numbers, application.options)
    return application.op.name == "relu" or (rule.formula is not None and not rule.reads("x0"))


def group(graph: Canonical, parts: Parts, order: LeafOrder | None = None, *, small: int = SMALL) -> Grouping:
    """Group a graph into steps, the leaves being laid out in the given order (None: as they were listed)."""
    if order is None:
        order = np.arange(graph.parameters), np.arange(graph.inputs)
    direct = {node: list(references) for node, references in parts.direct.items()}
    work = Grouping(graph, Parts(parts.levels, direct, parts.uses), order, small)
    for level in parts.in_order():
        work.level(level)
    return work
