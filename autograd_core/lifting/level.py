"""Level batching: run everything of equal height at once.

The height of a node is the length of the longest path down to a leaf. Nodes of one height do not depend on each other,
so all sums of a height can run as one array operation, and all `tanh` of a height as another, however irregular the
graph is. A sum of products over all nodes of a level is

    gather the left factors, gather the right factors, multiply, add up segments (`np.add.reduceat`).

The adjoints are *pulled*: every operand of every node owns a cell in a buffer of edges, where its contribution
(adjoint of the result times local derivative) is written in one block per call; when a level's turn comes, each node gathers
the cells of its uses and sums them. Nothing is scattered, so no slow unbuffered `np.add.at` is needed.

No structure is looked for, which makes this the safety net of lifting: a dozen calls a level, for any graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .canonical import Application, Canonical
from .compiled import CALL, EDGE, Compiled
from .edges import edges_of
from .lecture import Line
from .rules import LocalDerivative, kernel_call, write_array
from .script import Array, Script, strong_multiply, strong_select

__all__ = ["compile_levels", "estimate_levels"]


@dataclass(slots=True)
class _Block:
    """Nodes of one height and one kind, side by side in the arena."""

    nodes: list[int]
    start: int
    application: Application | None
    need: bool
    buffers: list[Array] = field(default_factory=list)
    edges: list[Array | None] = field(default_factory=list)
    rows: Array | None = None
    scale: Array | None = None

    @property
    def cells(self) -> slice:
        return slice(self.start, self.start + len(self.nodes))


def _blocks(graph: Canonical) -> dict[int, list[tuple[bool, Application | None, list[int]]]]:
    """Height → the groups of nodes at that height, those that need a gradient first."""
    need, height, _ = graph.survey
    levels: dict[int, dict[Any, list[int]]] = {}
    for node in graph.kept:
        application = graph.applications.get(node)
        key = (not need[node], ("",) if application is None else (*application.key, len(application.operands)))
        levels.setdefault(height[node], {}).setdefault(key, []).append(node)
    return {
        h: [
            (not key[0], graph.applications.get(nodes[0]), nodes)
            for key, nodes in sorted(levels[h].items(), key=lambda item: (item[0][0], repr(item[0][1])))
        ]
        for h in sorted(levels)
    }


def estimate_levels(graph: Canonical) -> float:
    """Microseconds that a replay, forward and backward, will take; roughly."""
    calls, edges = 0.0, 0
    for groups in _blocks(graph).values():
        calls += 2
        for need, application, nodes in groups:
            calls += 5 + 4 * need if application is None else 2 + 4 * len(application.operands) * need
            edges += sum(len(graph.operands(node)) for node in nodes)
    return CALL * calls + EDGE * edges


class _LevelCompiler:
    def __init__(self, graph: Canonical) -> None:
        self.graph = graph
        self.script = Script()
        self.place = np.full(graph.size, -1, dtype=np.int64)
        self.place[: graph.live] = np.arange(graph.live)
        cells = graph.live
        for position in graph.constants:
            self.place[position] = cells
            cells += 1
        self.levels: list[list[_Block]] = []
        for groups in _blocks(graph).values():
            level = []
            for need, application, nodes in groups:
                level.append(_Block(nodes, cells, application, need))
                self.place[nodes] = np.arange(cells, cells + len(nodes))
                cells += len(nodes)
            self.levels.append(level)
        self.one = cells
        self.values = np.zeros(cells + 1)
        self.values[self.one] = 1.0
        for position, number in graph.constants.items():
            self.values[self.place[position]] = number
        self.adjoints = np.zeros(cells + 1)
        self.targets: list[Array] = []  # per buffer of edges: the cell that each edge belongs to
        self.edge_count = 0
        self.edges = np.zeros(0)

    # -- forward

    def gather(self, indices: Array) -> Array:
        """A private copy of these cells, refreshed at every replay."""
        buffer = np.zeros(len(indices))
        self.script.take(self.values, indices, buffer)
        return buffer

    def forward_sum(self, block: _Block) -> None:
        place, one = self.place, self.one

        def terms(node: int) -> list[tuple[float, int, int]]:
            found = self.graph.sums[node].terms or [(0.0, -1, -1)]
            return [(k, int(place[x]) if x >= 0 else one, int(place[y]) if y >= 0 else one) for k, x, y in found]

        a, b, block.scale, row, starts = edges_of(map(terms, block.nodes))
        script, out, edges = self.script, self.values[block.cells], len(a)
        linear = bool((b == one).all())
        first = self.gather(a)
        if linear:
            second = block.scale
        else:
            second = self.gather(b)
            if (block.scale != 1.0).any():
                script.call(np.multiply, second, block.scale, second)
        if edges > len(block.nodes):
            products = script.scratch((edges,))
            script.call(np.multiply, first, second, products)
            script.reduceat(products, starts, out)
            block.rows = row
        else:
            script.call(np.multiply, first, second, out)
        offset = np.array([self.graph.sums[node].offset for node in block.nodes])
        if offset.any():
            script.call(np.add, out, offset, out)
        block.buffers = [first, second]
        block.edges = [self.claim(a), None if linear else self.claim(b)]

    def forward_application(self, block: _Block, application: Application) -> None:
        for slot in range(len(application.operands)):
            indices = self.place[[self.graph.applications[node].operands[slot] for node in block.nodes]]
            block.buffers.append(self.gather(indices))
            block.edges.append(self.claim(indices))
        out = self.values[block.cells]
        kernel_call(self.script, application.op, block.buffers, application.numbers, application.options, out)

    def claim(self, targets: Array) -> Array | None:
        """Positions in the buffer of edges for these operands, or None if none of them needs a gradient."""
        need = self.need_cells[targets]
        if not need.any():
            return None
        self.targets.append(np.where(need, targets, -1))
        self.edge_count += len(targets)
        return np.arange(self.edge_count - len(targets), self.edge_count)

    # -- backward

    def pull(self, low: int, high: int) -> None:
        """adjoint[low:high] = the sums of what their uses contributed."""
        start, stop = np.searchsorted(self.sorted_targets, [low, high])
        cells, first = np.unique(self.sorted_targets[start:stop], return_index=True)
        if not len(cells):
            return
        edges, out = self.order[start:stop], self.adjoints[low:high]
        if len(cells) < high - low:  # leaves that the graph does not use have an adjoint of zero
            self.script.call(np.copyto, out, 0.0)
            out = self.script.scratch((len(cells),), 8)
        if len(edges) > len(cells):
            gathered = self.script.scratch((len(edges),), 1)
            self.script.take(self.edges, edges, gathered)
            self.script.reduceat(gathered, first, out)
        else:
            self.script.take(self.edges, edges, out)
        if len(cells) < high - low:
            self.script.text("{0}[{1}] = {2}", self.adjoints, cells, out)

    def backward_sum(self, block: _Block) -> None:
        g, (first, second), (to_first, to_second) = self.adjoints[block.cells], block.buffers, block.edges
        if block.rows is not None:
            g = self.script.scratch((len(block.rows),), 2)
            self.script.take(self.adjoints[block.cells], block.rows, g)
        multiply = self.script.call
        if to_first is not None:
            multiply(np.multiply, g, second, self.edge_view(to_first), careful=strong_multiply)
        if to_second is not None:
            out = self.edge_view(to_second)
            multiply(np.multiply, g, first, out, careful=strong_multiply)
            if block.scale is not None and (block.scale != 1.0).any():
                multiply(np.multiply, out, block.scale, out)

    def backward_application(self, block: _Block, application: Application) -> None:
        g, out = self.adjoints[block.cells], self.values[block.cells]
        for slot, edges in enumerate(block.edges):
            if edges is None:
                continue
            rule = LocalDerivative(
                application.op, slot, len(application.operands), application.numbers, application.options
            )
            if isinstance(rule.formula, float) and rule.formula == 0.0 and application.op.selects:
                continue
            into = self.edge_view(edges)
            local = write_array(self.script, rule, out, block.buffers, into, 3)
            strong = strong_select if application.op.selects else strong_multiply
            self.script.call(np.multiply, g, local, into, careful=strong)

    def edge_view(self, edges: Array) -> Array:
        return self.edges[int(edges[0]) : int(edges[-1]) + 1]

    def write_forward(self) -> None:
        """The calls of the forward pass, level by level."""
        self.script.begin("forward")
        for level in self.levels:
            for block in level:
                if block.application is None:
                    self.forward_sum(block)
                else:
                    self.forward_application(block, block.application)

    def write_backward(self, root: int) -> None:
        """The calls of the backward pass: each level pulls the sums of what the edges above it hold, then writes its own edges."""
        self.edges = np.zeros(self.edge_count)
        targets = np.concatenate(self.targets) if self.targets else np.zeros(0, dtype=np.int64)
        self.order = np.argsort(targets, kind="stable")
        self.sorted_targets = targets[self.order]
        self.script.begin("backward")
        self.adjoints[root] = 1.0
        for level in reversed(self.levels):
            blocks = [block for block in level if block.need]
            if not blocks:
                continue
            if blocks[0].start != root:
                self.pull(blocks[0].start, blocks[-1].cells.stop)
            for block in blocks:
                if block.application is None:
                    self.backward_sum(block)
                else:
                    self.backward_application(block, block.application)
        self.pull(0, self.graph.parameters)

    def compile(self) -> Compiled:
        """The program, as compiled Python."""
        graph, script = self.graph, self.script
        root = int(self.place[graph.root])
        self.need_cells = np.zeros(self.one + 1, dtype=bool)
        self.need_cells[self.place[np.flatnonzero(np.frombuffer(graph.survey.need, dtype=np.uint8))]] = True
        self.write_forward()
        self.write_backward(root)
        return Compiled(
            kind="level batching",
            theta=self.values[: graph.parameters],
            inputs=self.values[graph.parameters : graph.live],
            gradient=self.adjoints[: graph.parameters],
            forward=script.compile("forward", result=f"{script.name(self.values.item)}({root})"),
            backward=script.compile("backward"),
            careful=script.compile("backward", careful=True),
            lecture=list(self.lecture()),
            calls=(script.count("forward"), script.count("backward")),
            cost=estimate_levels(graph),
            details={"levels": len(self.levels)},
        )

    def lecture(self) -> Iterable[Line]:
        """The program in words: a line for each block of a level, with what it reads; p is any parameter, x any input."""
        graph = self.graph
        called = dict.fromkeys(range(graph.parameters), "p") | dict.fromkeys(range(graph.parameters, graph.live), "x")
        for height, level in enumerate(self.levels, 1):
            for i, block in enumerate(level):
                name = "loss" if block.nodes == [graph.root] else f"L{height}" + (f"_{i + 1}" if len(level) > 1 else "")
                called |= dict.fromkeys(block.nodes, name)
                reads = list(dict.fromkeys(called[p] for node in block.nodes for p in graph.operands(node) if p in called))
                what = "sums_of_products" if block.application is None else block.application.op.name
                words = ", ".join(reads[:_READS] + ["…"] * (len(reads) > _READS))
                shape = (len(block.nodes),) if name != "loss" else ()
                yield Line(name, f"{what}({words})", shape, sum(graph.replaced[node] for node in block.nodes), tuple(block.nodes))


_READS = 8
"""How many of the blocks that a block reads its line names."""


def compile_levels(graph: Canonical) -> Compiled:
    """A program that runs the graph level by level."""
    return _LevelCompiler(graph).compile()
