"""The picture of a lift: the array program as boxes, and a page on which it stands beside the scalar graph it replaced."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from .drawing import Drawing
from .fold import view_of
from .graph import Box, Edge, Graph, Role, Row
from .network import read
from .page import document
from .scene import Scene, picture
from .svg import Direction, svg
from .text import clean, escape
from .theme import Theme

if TYPE_CHECKING:
    from autograd_core.lifting import Line

__all__ = ["LiftedDrawing", "draw_lifted", "program_graph"]

_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*(?![\w(=])")
_LEAF = re.compile(r"θ|[WbpXxc]\d*")  # how the lecture names what is given
_MOST = 120
_SAY = "Point at a box, or move to it with Tab: what it replaced, or what replaced it, lights up on the other side. A click or Enter keeps it."


def program_graph(lines: Sequence[Line]) -> Graph:
    """The calls of a program in order, and an edge for every array that one of them reads."""
    boxes: list[Box] = []
    edges: list[Edge] = []
    number: dict[str, int] = {}
    for k, line in enumerate(lines[:_MOST]):
        words = dict.fromkeys(_NAME.findall(line.expression))
        sources = [word for word in words if word in number or _LEAF.fullmatch(word)]
        for name in sources:
            if name not in number:
                number[name] = len(boxes)
                boxes.append(Box(id=len(boxes), role=_role(name), name=clean(name, 20)))
        at = len(boxes)
        shape = str(line.shape) if line.shape else "one number"
        nodes = f"← {line.replaced:,} node{'s' * (line.replaced != 1)}"
        boxes.append(
            Box(
                id=at, role="operation", name=clean(line.name, 20), formula="= " + clean(line.expression, 60),
                rows=(Row(shape, nodes),), members=(k,), root=k == len(lines) - 1,
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
    return "parameter" if name[0] in "Wbpθ" else "constant" if name[0] == "c" else "input"


class LiftedDrawing(Drawing):
    """A picture of a lifted program; its page shows the scalar graph beside it where the origins are known."""

    def __init__(
        self, lines: Sequence[Line], scalar: Graph | None, pairs: list[list[tuple[int, int]]], direction: Direction, theme: Theme
    ) -> None:
        """`pairs` holds for every line the boxes of the scalar graph and how many of its nodes are in each."""
        graph = program_graph(lines)
        super().__init__(graph, lambda: [Scene(graph, "array program")], direction, theme, "builtin")
        self._lines, self._scalar, self._pairs = lines, scalar, pairs

    @cached_property
    def html(self) -> str:
        """The page; without origins the program alone."""
        if self._scalar is None:
            return super().html
        calls = [box for box in self.graph.boxes if box.members]
        data: dict[str, Any] = {
            "calls": [
                {
                    "box": box.id,
                    "pairs": [pair[0] for pair in self._pairs[box.members[0]]],
                    "say": self._sentence(box.members[0]),
                }
                for box in calls
            ],
            "names": [f"{box.name} {box.formula}".strip() for box in self._scalar.boxes],
            "calledBy": [box.name for box in calls],
            "say": _SAY,
        }
        left = svg(self._scalar, direction=self._direction, theme=self._theme)
        right = svg(self.graph, direction="down", theme=self._theme).replace(' id="b', ' id="c').replace(' id="e', ' id="f')
        body = (
            '<main class="page lifted"><header><h1>Lifted: a scalar graph and its array program</h1></header>'
            f'<section aria-label="Scalar graph"><h2>Scalar graph</h2><div class="view" id="scalar">{left}</div>'
            f'<p>{escape(self._scalar.note)}</p></section><section aria-label="Array program"><h2>Array program</h2>'
            f'<div class="view" id="array">{right}</div><p>{escape(self.graph.note)}</p></section>'
            '<p id="say" role="status" aria-live="polite"></p></main>'
        )
        here = files(__package__)
        script, style = ((here / f"lifted.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
        return document("Lifted program", body, data=data, script=script, style=style, theme=self._theme)

    def _sentence(self, k: int) -> str:
        line = self._lines[k]
        return clean(
            f"{line.name} = {line.expression} replaced {line.replaced:,} scalar node{'s' * (line.replaced != 1)}, "
            f"in {len(self._pairs[k]):,} of the boxes shown.", 300,
        )  # fmt: skip


def draw_lifted(program: Any, *, direction: Direction = "right", theme: Theme = "auto", limit: int = 60) -> LiftedDrawing:
    """The picture of a `Program`, or of the pair that `lift_with_origins` returns."""
    if not isinstance(program, tuple):
        return LiftedDrawing(program.lines, None, [], "down", theme)
    lines = [line for line, _ in program[1]]
    nodes = [found for _, found in program[1]]
    if not any(nodes):
        return LiftedDrawing(lines, None, [], "down", theme)
    network = read(next(found for found in reversed(nodes) if found)[-1], ())
    network.keep_gradients()
    scalar = picture(network, view_of(network, limit=limit), frozenset({"data"}))
    box_of = {i: box.id for box in scalar.boxes for i in box.members}
    pairs: list[list[tuple[int, int]]] = []
    for found in nodes:
        count: dict[int, int] = {}
        for node in found:
            box = box_of.get(network.index.get(id(node), -1))
            if box is not None:
                count[box] = count.get(box, 0) + 1
        pairs.append(sorted(count.items()))
    return LiftedDrawing(lines, scalar, pairs, direction, theme)
