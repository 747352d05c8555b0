"""A graph as plain data: boxes, edges (one per use), containers. What every picture is printed from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Box", "Edge", "Graph", "Grid", "Group", "Role", "Row"]

Role = Literal["input", "constant", "parameter", "operation", "module", "sum", "rest"]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a box: a name at the left, a value at the right; `live` marks the gradient, `widest` is the longest that it becomes."""

    key: str
    value: str
    sign: int = 0
    live: bool = False
    widest: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """The values of an array: printed in cells, or (more than sixteen) as a small heat map, a PNG."""

    key: str
    columns: int
    rows: int
    cells: tuple[tuple[str, float], ...] = ()  # text, strength from -1 to 1
    image: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box of a picture: a node, or several nodes folded into one.

    `name` is how other boxes and the panel call it, `formula` what follows it in the header ("= x × w"), `members`
    the numbers of the nodes inside, `count` how many equal parts are stacked, `hint` the tooltip.
    """

    id: int
    role: Role
    name: str
    formula: str = ""
    rows: tuple[Row, ...] = ()
    grids: tuple[Grid, ...] = ()
    root: bool = False
    faded: bool = False
    group: int | None = None
    members: tuple[int, ...] = ()
    count: int = 1
    opens: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One use of an operand: from the operand's box to the box that uses it, with the local derivative.

    `symbol` is the derivative as the rule writes it, `value` as a number; `members` are the numbers of the uses that
    were folded into this edge.
    """

    id: int
    source: int
    target: int
    slot: int = 0
    symbol: str = ""
    value: str = ""
    sign: int = 0
    members: tuple[int, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A dashed container: a call of a module."""

    id: int
    title: str
    parent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A picture as data; boxes stand in topological order, `note` says what was left out."""

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...] = ()
    groups: tuple[Group, ...] = ()
    title: str = ""
    note: str = ""
    uses: dict[int, int] = field(default_factory=dict)
