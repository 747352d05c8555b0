"""A graph in the DOT language, and Graphviz where it can be reached: always a subprocess, always with a time-out."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from autograd_core.errors import AutogradError

from .graph import Box, Graph
from .layout import Placement, Point
from .svg import Direction, label_of, measure
from .text import width_of

__all__ = ["as_dot", "placed_by_dot", "quoted", "rendered"]

_RANKDIR = {"right": "LR", "down": "TB", "left": "RL", "up": "BT"}
_FONT = 'fontname="Helvetica,Arial,sans-serif"'
_FILL = {
    "input": "#f4efe2", "constant": "#ffffff", "parameter": "#ece5f8", "operation": "#ffffff", "module": "#e3ecf2",
    "sum": "#e3ecf2", "rest": "#ffffff",
}  # fmt: skip
_STYLE = {
    "input": "filled", "constant": "filled", "parameter": "rounded,bold,filled", "module": "rounded,filled",
    "rest": "dotted",
}  # fmt: skip


def quoted(text: str) -> str:
    r"""A label for DOT: what would be read as an escape, an entity, HTML or a record is escaped.

    >>> print(quoted('say "a\\n" & <b>'))
    "say \"a\\n\" &amp; &lt;b&gt;"
    """
    swaps = {"\\": "\\\\", "&": "&amp;", '"': '\\"', "<": "&lt;", ">": "&gt;", "{": "&#123;", "}": "&#125;", "|": "&#124;"}
    return '"' + "".join(swaps.get(character, character) for character in text) + '"'


def as_dot(graph: Graph, *, direction: Direction = "right") -> str:
    """The picture in the DOT language, for the `dot` program and the `graphviz` package."""
    lines = [
        "digraph {",
        f'  graph [rankdir={_RANKDIR[direction]}, bgcolor="#ffffff", nodesep=0.25, ranksep=0.5, {_FONT}, fontsize=12]',
        f'  node [shape=box, style="rounded,filled", fillcolor="#ffffff", {_FONT}, fontsize=12, margin="0.12,0.06"]',
        f'  edge [arrowsize=0.7, {_FONT}, fontsize=11, color="#6b7280"]',
    ]
    lines += _clusters(graph, lambda box: f"n{box.id} [{_attributes(box)}]")
    for edge in graph.edges:
        label = " = ".join(filter(None, label_of(edge)))
        words = f" [label={quoted(label)}]" if label else ""
        lines.append(f"  n{edge.source} -> n{edge.target}{words}")
    return "\n".join([*lines, "}", ""])


def _attributes(box: Box) -> str:
    title = f"{box.name} {box.formula}".strip() + (f" ×{box.count}" if box.count > 1 else "")
    rows = [f"{row.key}  {row.value}" for row in box.rows]
    rows += [f"{grid.key}  {_cells([text for text, _ in grid.cells], grid.columns)}" for grid in box.grids if grid.cells]
    label = "\\n".join(quoted(row)[1:-1] for row in [title, *rows])
    if box.role == "constant" and not rows:  # a mere number
        return f'label="{label}", shape=plaintext, style="", fontcolor="#5c6370", margin="0.04,0.02", width=0, height=0'
    text = f'label="{label}", fillcolor="{_FILL[box.role]}"'
    if box.role in _STYLE:
        text += f', style="{_STYLE[box.role]}"'
    return text + (", peripheries=2" if box.root or box.count > 1 else "")


def _cells(cells: Sequence[str], columns: int) -> str:
    rows = ["  ".join(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return "[" + "; ".join(rows) + "]"


def _clusters(graph: Graph, node: Any) -> list[str]:
    """Boxes inside their containers."""
    inside: dict[int | None, list[Box]] = {}
    for box in graph.boxes:
        inside.setdefault(box.group, []).append(box)
    children: dict[int | None, list[Any]] = {}
    for group in graph.groups:
        children.setdefault(group.parent, []).append(group)
    lines: list[str] = [f"  {node(box)}" for box in inside.get(None, [])]
    stack: list[Any] = list(reversed(children.get(None, [])))
    while stack:
        group = stack.pop()
        if group is None:
            lines.append("  }")
            continue
        lines.append(f"  subgraph cluster_{group.id} {{")
        lines.append(f'  graph [label={quoted(group.title)}, style="rounded,dashed", color="#868d99", labeljust=l]')
        lines += [f"    {node(box)}" for box in inside.get(group.id, [])]
        stack.append(None)
        stack.extend(reversed(children.get(group.id, [])))
    return lines


def _command(form: str) -> list[str] | None:
    """How to run dot: the program, else the one inside the `pygraphviz` wheel; None where there is neither."""
    program = shutil.which("dot")
    if program is not None:
        return [program, f"-T{form}"]
    if importlib.util.find_spec("pygraphviz") is not None:
        script = (
            "import sys, pygraphviz; graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode()); "
            "sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog='dot'))"
        )
        return [sys.executable, "-c", script, form]
    return None


def _run(source: str, form: str, seconds: float) -> bytes | None:
    command = _command(form)
    if command is None:
        return None
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=seconds, check=False)  # noqa: S603 - Graphviz's
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 and done.stdout else None


def rendered(source: str, form: str, *, seconds: float = 60.0) -> bytes:
    """DOT rendered by Graphviz to "png" or "pdf".

    Raises:
        AutogradError: Graphviz cannot be reached, or did not finish.
    """
    found = _run(source, form, seconds)
    if found is None:
        reason = "was not found" if _command(form) is None else f"failed or took longer than {seconds:g} s"
        raise AutogradError(
            f"save: a .{form} file is made by Graphviz, which {reason}. Install it (`apt install graphviz`, "
            "`brew install graphviz`, `winget install graphviz`, or `pip install pygraphviz`), or save to .svg or .html, "
            "which need nothing."
        )
    return found


def placed_by_dot(graph: Graph, direction: Direction = "right", *, seconds: float = 20.0) -> Placement | None:
    """Positions and routes found by dot; None where it cannot be reached or fails (then the built-in layout serves)."""
    sized = measure(graph, direction)

    def node(box: Box) -> str:
        width, height = sized.sizes[box.id]
        return f"n{box.id} [width={width / 72:.3f}, height={height / 72:.3f}]"

    gaps = "nodesep=0.25, ranksep=0.4, searchsize=1000"  # network simplex: fewer, better turns
    lines = [f'digraph {{ graph [rankdir={_RANKDIR[direction]}, {gaps}] node [shape=box, fixedsize=true, label=""]']
    lines += _clusters(graph, node)
    for edge, (symbol, value) in zip(graph.edges, sized.labels, strict=True):
        room = width_of(" = ".join(filter(None, (symbol, value))), 11, mono=True) + 8
        cell = f'<<table border="0" fixedsize="true" width="{room:.0f}" height="14"><tr><td></td></tr></table>>'
        words = f" [label={cell}]" if symbol or value else ""
        lines.append(f"  n{edge.source} -> n{edge.target}{words}")
    answer = _run("\n".join([*lines, "}"]), "json0", seconds)
    if answer is None:
        return None
    try:
        return _placement(json.loads(answer), graph, direction)
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _placement(answer: dict[str, Any], graph: Graph, direction: Direction) -> Placement:
    """Read the positions in dot's JSON (y runs upwards there)."""
    _, _, wide, high = map(float, answer["bb"].split(","))
    upright, mirrored = direction in ("down", "up"), direction in ("left", "up")
    length = high if upright else wide

    def point(x: float, y: float) -> Point:
        along, across = (high - y, x) if upright else (x, high - y)
        return Point(length - along if mirrored else along, across)

    found = Placement(along=length, across=wide if upright else high, curved=True)
    by_number: dict[int, Any] = {}
    for thing in answer.get("objects", []):
        name = thing["name"]
        by_number[thing["_gvid"]] = name
        if name.startswith("cluster_"):
            x0, y0, x1, y1 = map(float, thing["bb"].split(","))
            found.frames[int(name[8:])] = (point(x0, y0), point(x1, y1))
        elif name.startswith("n"):
            found.centres[int(name[1:])] = point(*map(float, thing["pos"].split(",")))
    routes: dict[tuple[int, int], list[tuple[list[Point], Point | None]]] = {}
    for line in answer.get("edges", []):
        knots = [tuple(map(float, knot.split(",")[-2:])) for knot in line["pos"].split()]
        tip = [knots[0]] if line["pos"].startswith("e") else []
        spline = knots[1:] if tip else knots
        ends = int(by_number[line["tail"]][1:]), int(by_number[line["head"]][1:])
        middle = point(*map(float, line["lp"].split(","))) if "lp" in line else None
        routes.setdefault(ends, []).append(([point(*knot) for knot in [*spline, *tip]], middle))
    for edge in graph.edges:
        route, label = routes[edge.source, edge.target].pop(0)
        found.routes.append(route)
        found.labels.append(label)
    return found
