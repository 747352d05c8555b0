"""The picture of a lift: the array program, and on a page beside it the scalar graph that it replaced.

Each side finds its counterparts on the other: a call the stacks of nodes that it replaced, a stack the calls that compute it
and its gradient.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from autograd_core.arguments import shown
from autograd_core.errors import OperandError

from .drawing import Drawing
from .fold import view_of
from .graph import Box, Edge, Graph, Role, Row
from .members import member_graph
from .network import Network, read
from .page import document
from .scene import Scene, picture
from .stacks import Stacks
from .svg import Direction, svg
from .text import clean, escape
from .text import number as figure
from .theme import Theme

if TYPE_CHECKING:
    from autograd_core.lifting import Line, Program

__all__ = ["LiftedDrawing", "Side", "draw_lifted", "program_graph"]

_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*(?![\w(=])")
_LEAF = re.compile(r"θ|[WbpXxc]\d*")  # how the lecture names what is given
_MOST, _MEMBERS, _BYTES = 120, 4, 350_000  # lines shown; members told of a stack; characters that their pictures may take in all
_KINDS = {
    "scalar source": ("Program in straight-line Python", "Too few numbers, or too narrow, for array calls to pay: every node is a line of Python."),
    "level batching": ("Array program, level by level", "Without matrix products to find, all nodes of one kind and height run as one call."),
}
_SAY = (
    "Point at a line of the program or at a box: what belongs together lights up on both sides. A click (or Enter) keeps it, "
    "Escape lets go, arrow keys move along."
)


def program_graph(lines: Sequence[Line], leaves: Mapping[str, Role] | None = None) -> Graph:
    """The calls of a program in order, with an edge for every array that a call reads; `leaves` gives the names and roles of the inputs."""
    boxes: list[Box] = []
    edges: list[Edge] = []
    number: dict[str, int] = {}
    given = leaves or {}
    for k, line in enumerate(lines[:_MOST]):
        words = dict.fromkeys(_NAME.findall(line.expression))
        sources = [word for word in words if word in number or word in given or _LEAF.fullmatch(word)]
        for name in sources:
            if name not in number:
                number[name] = len(boxes)
                boxes.append(Box(id=len(boxes), role=given.get(name) or _role(name), name=clean(name, 20)))
        at = len(boxes)
        shape = str(line.shape) if line.shape else "one number"
        boxes.append(
            Box(
                id=at, role="operation", name=clean(line.name, 20), formula="= " + clean(line.expression, 60),
                rows=(Row(shape, f"← {_nodes(line.replaced)}"),), members=(k,), root=k == len(lines) - 1,
                hint=clean(f"{line.name} = {line.expression}", 300),
            )
        )  # fmt: skip
        edges += [Edge(id=len(edges) + i, source=number[s], target=at, slot=i) for i, s in enumerate(sources)]
        number[line.name] = at
    left = len(lines) - _MOST
    if left > 0:
        boxes.append(Box(id=len(boxes), role="rest", name=f"⋯ {left:,} more"))
    note = f"The first {_MOST} of {len(lines):,} lines are shown." if left > 0 else ""
    return Graph(boxes=tuple(boxes), edges=tuple(edges), title="Array program", note=note)


def _role(name: str) -> Role:
    return "constant" if re.fullmatch(r"c\d*", name) else "input" if name[0] in "Xxt" else "parameter"


def _nodes(n: int) -> str:
    return f"{n:,} node{'s' * (n != 1)}"


def _plural(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n != 1)}"


@dataclass(slots=True)
class Side:
    """The left side of the page: a picture, and for every box how many nodes it has, in which lines they are, and what to say.

    `lines[box]` counts the nodes of the box in each line; `arrays[box]` is the array of the program that leaves are in.
    """

    graph: Graph
    title: str
    summary: str = ""
    note: str = ""
    sizes: list[int] = field(default_factory=list)
    lines: list[dict[int, int]] = field(default_factory=list)
    arrays: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)


class LiftedDrawing(Drawing):
    """A picture of a lifted program; `graph` is the array program, and its page shows `side` beside it."""

    def __init__(self, program: Program, side: Side | None, direction: Direction, theme: Theme) -> None:
        """Without a side, the array program itself is shown as boxes beside its lines."""
        count = len(getattr(program, "_tensors", program._parameters))
        roles: dict[str, Role] = {name: "parameter" if i < count else "input" for i, name in reversed(list(enumerate(program.leaf_names()))) if name}
        if program.kind == "tensor":           # every word that is not a result is an array, even if nobody listed it
            words = {word: None for line in program.lines for word in _NAME.findall(line.expression)}
            results = {line.name for line in program.lines} | {"nan", "inf"}
            roles |= {word: "constant" for word in words if word not in results and word not in roles}
        graph = program_graph(program.lines, roles)
        super().__init__(graph, lambda: [Scene(graph, "array program")], direction, theme, "builtin")
        self._program, self._given = program, side

    @cached_property
    def side(self) -> Side:
        """What stands on the left of the page."""
        return self._given or _of_program(self.graph, self._program)

    @cached_property
    def html(self) -> str:
        """The page: the scalar graph at the left, the program at the right."""
        side, rows = self.side, self._rows()
        data: dict[str, Any] = {
            "rows": [{key: row[key] for key in ("boxes", "reads", "say")} for row in rows],
            "boxes": [
                {"say": self._box_says(box, rows), "rows": [k for k, row in enumerate(rows) if any(b == box for b, _ in row["boxes"])], **members}
                for box, members in enumerate(side.members)
            ],
            "say": _SAY,
        }
        listing, heading = "", ""
        for row in rows:
            if row["heading"] != heading:
                listing += ("</ol>" if heading else "") + f"<h3>{escape(row['heading'])}</h3><ol>"
                heading = row["heading"]
            listing += row["html"]
        left = svg(side.graph, direction="down", theme=self._theme)
        title, why = _KINDS.get(self._program.kind, ("Array program", ""))
        body = (
            f'<main class="page lifted"><header><h1>{escape(self._headline())}</h1><p>{escape(side.summary)}</p></header>'
            f'<section aria-labelledby="left"><div class="bar"><h2 id="left">{escape(side.title)}</h2><span class="tools">'
            '<button id="smaller" aria-label="Smaller">−</button> <button id="larger" aria-label="Larger">+</button> '
            f'<button id="fit">Whole</button></span></div><div class="view" id="scalar">{left}</div>'
            f'<p class="note">{escape(side.note)}</p><div id="inside" hidden></div></section>'
            f'<section aria-labelledby="right"><div class="bar"><h2 id="right">{escape(title)}</h2></div>'
            f'<div class="view" id="array">{listing}{"</ol>" if heading else ""}</div><p class="note">{why}</p></section>'
            '<svg id="links" aria-hidden="true"></svg><p id="say" role="status" aria-live="polite"></p></main>'
        )
        here = files(__package__)
        lens, script, style = ((here / name).read_text(encoding="utf-8") for name in ("lens.js", "lifted.js", "lifted.css"))
        return document("Lifted program", body, data=data, script=lens + script, style=style, theme=self._theme)

    def _box_says(self, box: int, rows: list[dict[str, Any]]) -> str:
        """What a box holds, and where the program computes it and its gradient."""
        found: dict[str, list[str]] = {}
        for row in rows:
            if any(b == box for b, _ in row["boxes"]):
                found.setdefault("in" if row["heading"].startswith("Forward") else "its gradient in", []).append(row["name"])
        words = [f"{where} {', '.join(dict.fromkeys(names[:8]))}{', …' * (len(names) > 8)}" for where, names in found.items()]
        told = f"Computed {'; '.join(words)}." if "in" in found else words[0].replace("its gradient", "Its gradient is computed", 1) + "." if words else ""
        return f"{self.side.texts[box]} {told}".rstrip()

    def _headline(self) -> str:
        """What the program replaces, and by how many calls, in one line."""
        program = self._program
        total = sum(self.side.sizes) if self._given else 0
        replaced = f"{total:,} scalar nodes" if total else _plural(sum(line.replaced for line in program.lines), "recorded operation")
        calls = sum(program.calls)
        if program.kind == "scalar source":
            return f"{replaced} → {_plural(calls, 'line')} of scalar source"
        products = sum(s.products for s in program.statements("forward"))
        return f"{replaced} → {_plural(calls, 'NumPy call')}" + (f", {_plural(products, 'matrix product')} forward" if products else "")

    def _rows(self) -> list[dict[str, Any]]:
        """The lines of the program, forward and backward, with the boxes that each belongs to."""
        program, side = self._program, self.side
        scalar = program.kind == "scalar source"
        spent: dict[str, Counter[str]] = {}
        for statement in program.statements("forward"):
            for name in statement.names:
                spent.setdefault(name, Counter()).update(statement.functions)
        rows: list[dict[str, Any]] = []
        unit = "line" if scalar else "call"
        heading = f"Forward: {_plural(program.calls[0], unit)}"
        number = {line.name: k for k, line in enumerate(program.lines)}
        for k, line in enumerate(program.lines):
            boxes = [(box, lines[k]) for box, lines in enumerate(side.lines) if k in lines]
            functions = spent.get(line.name, Counter())
            calls = "" if not functions else _calls(functions)
            say = f"{line.name} = {line.expression}: in place of {_nodes(line.replaced)}{self._parts(boxes, line)}."
            covered = sum(n for _, n in boxes)
            nodes = f"{line.replaced:,} of {covered:,} nodes" if self._given and line.replaced < covered else _nodes(line.replaced)
            rows.append(_row(heading, (line.name, line.expression), line.shape, f"← {nodes}", calls, boxes, say))
        backward = program.statements("backward")
        heading = f"Backward: {_plural(program.calls[1], unit)}, the gradients of the same nodes"
        for s in backward:
            about = {number[name] for name in s.names if name in number}
            boxes = [
                (box, sum(n for k, n in lines.items() if k in about) or side.sizes[box])
                for box, (lines, array) in enumerate(zip(side.lines, side.arrays, strict=True))
                if about & lines.keys() or (array and array in s.names)
            ]
            names = ", ".join(s.names[:6]) + (", …" if len(s.names) > 6 else "")
            say = f"{s.name} = {s.expression}: the gradient of the loss with respect to {names or 'these numbers'}{self._parts(boxes)}."
            calls = "" if scalar else _calls(Counter(s.functions))
            rows.append(_row(heading, (s.name, s.expression), s.shape, "", calls, boxes, say))
        if not backward:
            rows.append(_row(heading, ("∂", "read from the last line to the first"), (), "", "", [], "The backward pass has no lines of its own to show."))
        for row in rows:  # the leaves that a line reads
            own = {box for box, _ in row["boxes"]}
            row["reads"] = [box for box, array in enumerate(side.arrays) if array in row["words"] and box not in own]
        return rows

    def _parts(self, boxes: list[tuple[int, int]], line: Line | None = None) -> str:
        """Which boxes these are, and how much of each."""
        side = self.side
        words = [
            f"{side.graph.boxes[box].name} ({n:,}{'' if n == side.sizes[box] else f' of {side.sizes[box]:,}'})" for box, n in boxes[:6]
        ]
        if not words:
            return ""
        found = sum(n for _, n in boxes)
        shared = f"; a part of the sums in {found:,} nodes" if line is not None and self._given and line.replaced < found else ""
        return f"{shared}. On the left: {', '.join(words)}{f' and {len(boxes) - 6:,} more' if len(boxes) > 6 else ''}"


def _calls(functions: Counter[str]) -> str:
    n = functions.total()
    words = ", ".join(name if k == 1 else f"{name} ×{k}" for name, k in functions.items())
    return clean(f"{_plural(n, 'call')}: {words}", 80)


def _row(
    heading: str, left: tuple[str, str], shape: tuple[int, ...], nodes: str, calls: str, boxes: list[tuple[int, int]], say: str
) -> dict[str, Any]:
    """A line of the program as a button; `left` is the name and the expression."""
    name, text = clean(left[0], 40), clean(left[1], 300)
    facts = "".join(
        f'<span class="{kind}">{escape(word)}</span>' for kind, word in (("shape", str(shape) if shape else ""), ("count", nodes)) if word
    )
    html = f'<li><button class="line"><span class="code"><b>{escape(name)}</b> = {escape(text)}</span>'
    html += f'<span class="facts">{facts}</span>' + (f'<span class="calls">{escape(calls)}</span>' if calls else "") + "</button></li>"
    return {"heading": heading, "name": name, "html": html, "boxes": boxes, "reads": [], "say": clean(say, 500), "words": set(_NAME.findall(text))}


def _of_program(graph: Graph, program: Program) -> Side:
    """The array program as boxes, where nothing is known about its scalar graph."""
    side = Side(graph, "The same as a graph")
    if program.kind != "tensor":
        side.summary = "draw(lift_with_origins(loss, …)) shows the scalar graph beside the program."
    for box in graph.boxes:
        line = box.members[0] if box.members else None
        replaced = 0 if line is None else program.lines[line].replaced
        side.sizes.append(replaced)
        side.lines.append({} if line is None else {line: replaced})
        side.arrays.append("" if line is not None else box.name)
        side.texts.append(clean(f"{box.name} {box.formula}".strip(), 300) + ".")
        side.members.append({})
    return side


def _scalar_side(program: Program, origins: Sequence[tuple[Line, tuple[Any, ...]]], limit: int, theme: Theme) -> Side | None:
    """The scalar graph of a lift, node by node if it is small, else in stacks."""
    root = next((found[-1] for _, found in reversed(origins) if found), None)
    if root is None:
        return None
    network = read(root, program._parameters)
    network.keep_gradients()
    lines_of: dict[int, list[int]] = {}
    for k, (_, found) in enumerate(origins):
        for node in found:
            lines_of.setdefault(network.index[id(node)], []).append(k)
    arrays = {
        network.index[id(leaf)]: name
        for leaf, name in zip((*program._parameters, *program._leaves), program.leaf_names(), strict=True)
        if id(leaf) in network.index
    }
    names = [line.name for line, _ in origins]
    side = _open(network, lines_of, arrays, names, limit) if len(network.nodes) <= limit else _stacked(network, lines_of, arrays, program, theme)
    operations = sum(network.op(i) is not None for i in range(len(network.nodes)))
    leaves = Counter(str(network.roles[i]) for i in range(len(network.nodes)) if network.op(i) is None)
    words = {"parameter": "parameter", "input": "input", "constant": "plain number"}
    parts = [_plural(operations, "operation"), *(_plural(leaves[role], word) for role, word in words.items() if leaves[role])]
    side.summary = f"Recorded: {', '.join(parts)}. Found by lift, which is told nothing about layers, neurons or samples."
    return side


def _open(network: Network, lines_of: dict[int, list[int]], arrays: dict[int, str], names: list[str], limit: int) -> Side:
    """Every node a box; a node that is the result of a line has its name."""
    network.names = _named(network, lines_of, names)
    graph = picture(network, view_of(network, limit=limit, fold=False), frozenset({"data"}))
    side = Side(graph, "Scalar graph")
    for box in graph.boxes:
        counts = Counter(k for i in box.members for k in lines_of.get(i, ()))
        side.sizes.append(len(box.members))
        side.lines.append(dict(counts))
        side.arrays.append(next((arrays[i] for i in box.members if i in arrays), ""))
        told = bool(counts or side.arrays[-1])
        side.texts.append(clean(f"{box.name} {box.formula}".strip(), 300) + ("." if told else ": a number of the program, replaced by no call."))
        side.members.append({})
    return side


def _named(network: Network, lines_of: dict[int, list[int]], lines: list[str]) -> list[str]:
    """Results of lines by the name of the line, what lies between t1, t2, …; labels of the user stay."""
    results: dict[int, list[int]] = {}
    for i, found in sorted(lines_of.items()):
        users = [network.uses[k].node for k in network.outgoing[i]]
        if not users or any(lines_of.get(user) != found for user in users):
            results.setdefault(found[-1], []).append(i)
    names = list(network.names)
    for i in lines_of:
        names[i] = network.label(i)
    for k, nodes in results.items():
        for place, i in enumerate(nodes):
            names[i] = network.label(i) or clean(lines[k] if len(nodes) == 1 else f"{lines[k][0].lower()}{lines[k][1:]}[{place}]", 20)
    between = 0
    for i in sorted(lines_of):
        if not names[i]:
            between += 1
            names[i] = f"t{between}"
    return names


def _stacked(network: Network, lines_of: dict[int, list[int]], arrays: dict[int, str], program: Program, theme: Theme) -> Side:
    """Nodes that were computed alike in one box."""
    lines = {i: tuple(found) for i, found in lines_of.items()}
    stacks = Stacks(network, lines, arrays, [line.name for line in program.lines], network.root)
    graph = stacks.graph("Scalar graph, what was computed alike in stacks")
    side = Side(graph, "Scalar graph")
    room = _BYTES
    for s in stacks.order:
        stack = stacks.stacks[s]
        side.sizes.append(len(stack.nodes))
        side.lines.append(dict(Counter(k for i in stack.nodes for k in lines.get(i, ()))))
        side.arrays.append(stack.array if stack.role != "operation" else "")
        count = len(stack.heads)
        if stack.role != "operation":
            what = "numbers that depend on no input: computed once, when lifting" if stack.array == "folded" else f"the leaves of {stack.array or 'the graph'}"
            side.texts.append(clean(f"{stack.symbol}: {what}, {_nodes(count)}.", 300))
        else:
            what = f"{stack.symbol} {'=' if not stack.mixed else 'holds'} {stack.formula}"
            side.texts.append(clean(f"{what}: {_plural(count, 'member')}, {_nodes(len(stack.nodes))}.", 300))
        members: dict[str, Any] = {"list": [], "more": max(0, count - _MEMBERS)}
        if stack.role == "operation":
            members["list"] = [stacks.formulas.of_member(head) for head in stack.heads[:_MEMBERS]]
            drawn = svg(member_graph(stacks, stack.heads[0]), theme=theme).replace(' id="b', ' id="m').replace(' id="e', ' id="n')
            if room > len(drawn):
                room -= len(drawn)
                members["svg"] = drawn
        else:
            members["list"] = [f"{stacks.symbol(i, exact=True)} = {figure(network.data(i))}" for i in stack.heads[:_MEMBERS]]
        side.members.append(members)
    numbers = len(network.nodes) - sum(side.sizes)
    if numbers:
        side.note = (
            f"{_plural(numbers, 'plain number')} of the graph (c, 0.01, …) became constants of the program and "
            f"{'are' if numbers > 1 else 'is'} not drawn. Nothing else is left out."
        )
        side.sizes.append(numbers)
    if stacks.cyclic_uses:
        side.note += f" Wires of {_plural(stacks.cyclic_uses, 'use')} between kinds of nodes that depend on each other in turn are not drawn."
    return side


def draw_lifted(program: Any, *, direction: Direction = "right", theme: Theme = "auto", limit: int = 60) -> LiftedDrawing:
    """The picture of a `Program`, or of the pair that `lift_with_origins` returns."""
    direction = "down" if direction == "right" else direction  # a program is read from top to bottom
    if not isinstance(program, tuple):
        return LiftedDrawing(program, None, direction, theme)
    from autograd_core.lifting import Line

    origins = program[1]
    if not isinstance(origins, list) or not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Line) for pair in origins):
        raise OperandError(f"draw: received a program and {shown(origins)}, expected the pair that lift_with_origins returns.")
    return LiftedDrawing(program[0], _scalar_side(program[0], program[1], limit, theme), direction, theme)
