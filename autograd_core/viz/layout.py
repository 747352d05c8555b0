"""A layered layout in pure Python: where boxes, containers and edges go, with no program to install.

The method is Sugiyama's (1981), four passes over each container, innermost first:

1. layers: every item in the last column before its first consumer;
2. lanes: an edge that skips columns gets an invisible item in each; all edges of one source share them,
   like a wire that branches late;
3. order: items sorted by the mean position of their neighbours, to and fro, then neighbours swapped while
   that removes crossings;
4. coordinates: each item is pulled to the mean of its neighbours, keeping order and gaps (isotonic regression).

A container is laid out by itself and is then one large item of the container around it, with ports on its
border where edges cross. So nothing can overlap, by construction.

Everything is computed as if the flow ran to the right: "along" is the flow, "across" is perpendicular.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .columns import Arc, Key, coordinates, lanes_of, layers_of, order_of

__all__ = ["Item", "Link", "Placement", "Point", "Spacing", "place"]


class Point(NamedTuple):
    """A place in the picture: along the flow, across it."""

    along: float
    across: float


@dataclass(frozen=True, slots=True)
class Item:
    """A box to place: its size, its container, and where on its border each operand enters (from its centre)."""

    along: float
    across: float
    group: int | None = None
    ports: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """An edge to route: one per use; `label` is the room its text needs along the flow."""

    source: int
    target: int
    port: int = 0
    label: float = 0.0


@dataclass(slots=True)
class Placement:
    """What `place` found: centres of boxes, (corner, corner) of containers, the knots of each link, the whole size.

    `curved` says that the knots are those of a Bézier spline (from dot) rather than straight runs; then `labels` says
    where the middle of each label is.
    """

    centres: dict[int, Point] = field(default_factory=dict)
    frames: dict[int, tuple[Point, Point]] = field(default_factory=dict)
    routes: list[list[Point]] = field(default_factory=list)
    along: float = 0.0
    across: float = 0.0
    curved: bool = False
    labels: list[Point | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spacing:
    """Gaps between boxes, and the room a container keeps inside its border (before/after, along/across)."""

    across: float = 16.0
    lane: float = 9.0
    curve: float = 34.0
    frame: tuple[float, float, float, float] = (12.0, 12.0, 26.0, 12.0)


@dataclass(slots=True)
class _Level:
    """The picture of one container: items at places relative to its own corner."""

    at: dict[Key, Point]
    routes: dict[int, list[Point]]
    along: float
    across: float
    entries: dict[int, float] = field(default_factory=dict)
    exits: dict[int, float] = field(default_factory=dict)


def place(
    items: Mapping[int, Item],
    links: Sequence[Link],
    parents: Mapping[int, int | None] | None = None,
    *,
    spacing: Spacing | None = None,
) -> Placement:
    """Place `items` (in topological order) and route `links`; `parents` maps a container to the one around it.

    >>> found = place({0: Item(80, 40), 1: Item(80, 40)}, [Link(0, 1)])
    >>> found.centres[0].along < found.centres[1].along, found.centres[0].across == found.centres[1].across
    (True, True)
    """
    spacing = spacing or Spacing()
    parents = parents or {}
    chain = {group: _ancestors(group, parents) for group in parents}
    chain[None] = [None]  # type: ignore[index]
    levels: dict[int | None, _Level] = {}
    deepest = sorted(parents, key=lambda group: -len(chain[group]))
    inside: dict[int | None, list[Key]] = {None: [], **{group: [] for group in parents}}
    for box, item in items.items():
        inside[item.group].append(("b", box))
    for call in deepest:
        inside[parents[call]].append(("g", call))
    trips = [_trip(items[link.source].group, items[link.target].group, chain, link) for link in links]
    per_level: dict[int | None, list[tuple[int, Key, Key]]] = {group: [] for group in inside}
    for index, trip in enumerate(trips):
        for group, start, end in trip:
            per_level[group].append((index, start, end))
    for level in (*deepest, None):
        levels[level] = _level(inside[level], per_level[level], items, links, levels, spacing, level is None)
    return _assemble(items, links, parents, levels, trips)


def _ancestors(group: int | None, parents: Mapping[int, int | None]) -> list[int | None]:
    found: list[int | None] = [group]
    while group is not None:
        group = parents[group]
        found.append(group)
    return found


def _trip(
    source: int | None, target: int | None, chain: Mapping[int, list[int | None]], link: Link
) -> list[tuple[int | None, Key, Key]]:
    """The stretches of an edge, one per container it passes through: (container, from, to)."""
    up, down = chain[source], chain[target]  # type: ignore[index]
    common = next(group for group in up if group in down)
    here: Key = ("b", link.source)
    stretches: list[tuple[int | None, Key, Key]] = []
    for group in up[: up.index(common)]:
        stretches.append((group, here, ("o", link.source)))
        here = ("g", group)
    ends: list[Key] = [("g", group) for group in reversed(down[: down.index(common)])]
    ends.append(("b", link.target))
    stretches.append((common, here, ends[0]))
    for outer, end in itertools.pairwise(ends):
        stretches.append((outer[1], ("i", link.source), end))  # type: ignore[arg-type]
    return stretches


def _level(
    keys: list[Key],
    stretches: list[tuple[int, Key, Key]],
    items: Mapping[int, Item],
    links: Sequence[Link],
    levels: Mapping[int | None, _Level],
    spacing: Spacing,
    outermost: bool,
) -> _Level:
    """Lay out the items of one container."""
    size: dict[Key, tuple[float, float]] = {}
    for key in keys:
        if key[0] == "b":
            item = items[key[1]]  # type: ignore[index]
            size[key] = (item.along, item.across)
        else:
            level = levels[key[1]]  # type: ignore[index]
            size[key] = (level.along, level.across)
    arcs: dict[Arc, float] = {}
    arc_of: dict[int, Arc] = {}
    for index, start, end in stretches:
        link = links[index]
        for key in (start, end):
            if key[0] in ("i", "o"):
                size.setdefault(key, (0.0, 4.0))
        arc = (start, _offset_out(start, link, levels), end, _offset_in(end, link, items, levels))
        arcs[arc] = max(arcs.get(arc, 0.0), link.label if end[0] == "b" else 0.0)
        arc_of[index] = arc
    layer = layers_of(size, arcs)
    before, after, paths = lanes_of(size, arcs, layer, spacing.lane)
    columns = order_of(size, layer, before, after)
    across = coordinates(columns, size, before, after, spacing.across)
    return _finish(columns, size, across, arcs, arc_of, paths, spacing, outermost)


def _offset_out(key: Key, link: Link, levels: Mapping[int | None, _Level]) -> float:
    if key[0] != "g":
        return 0.0
    level = levels[key[1]]  # type: ignore[index]
    return level.exits[link.source] - level.across / 2


def _offset_in(
    key: Key, link: Link, items: Mapping[int, Item], levels: Mapping[int | None, _Level]
) -> float:
    if key[0] == "b":
        ports = items[link.target].ports
        return ports[link.port] if link.port < len(ports) else 0.0
    if key[0] == "g":
        level = levels[key[1]]  # type: ignore[index]
        return level.entries[link.source] - level.across / 2
    return 0.0


def _finish(
    columns: list[list[Key]],
    size: dict[Key, tuple[float, float]],
    across: dict[Key, float],
    arcs: Mapping[Arc, float],
    arc_of: Mapping[int, Arc],
    paths: Mapping[Arc, list[Key]],
    spacing: Spacing,
    outermost: bool,
) -> _Level:
    """Choose the places of the columns along the flow, and write down items, ports and routes."""
    column_of = {key: c for c, column in enumerate(columns) for key in column}
    label, reach = [0.0] * len(columns), [0.0] * len(columns)
    for arc, room in arcs.items():
        path = paths[arc]
        label[column_of[arc[2]]] = max(label[column_of[arc[2]]], room)
        for here, there in itertools.pairwise(path):
            c = column_of[there]
            reach[c] = max(reach[c], abs(across[here] - across[there]))
    start, stop, head, foot = (0.0,) * 4 if outermost else spacing.frame
    low = min((across[key] - size[key][1] / 2 for key in across), default=0.0) - head
    high = max((across[key] + size[key][1] / 2 for key in across), default=0.0) + foot
    begin: list[float] = []  # where each column begins, with the room for labels before it
    end: list[float] = []
    entry = any(key[0] == "i" for key in across)
    total = 0.0 if entry else start
    for c, column in enumerate(columns):
        if c:
            total += min(spacing.curve + 0.1 * reach[c], 3 * spacing.curve)
        begin.append(total)
        total += label[c]
        at = total
        total += max((size[key][0] for key in column), default=0.0)
        end.append(total)
        for key in column:
            size[key] = (size[key][0], (at + total) / 2)  # from here on: (along, its centre along)
    if not any(key[0] == "o" for key in across):
        total += stop
    places = {key: Point(size[key][1], across[key] - low) for key in across}
    drawn = {
        arc: _route(arc, path, places, {k: size[k][0] for k in path}, column_of, begin, end)
        for arc, path in paths.items()
    }
    return _Level(
        at=places,
        routes={index: drawn[arc] for index, arc in arc_of.items()},
        along=total,
        across=high - low,
        entries={key[1]: at.across for key, at in places.items() if key[0] == "i"},  # type: ignore[misc]
        exits={key[1]: at.across for key, at in places.items() if key[0] == "o"},  # type: ignore[misc]
    )


def _route(
    arc: Arc,
    path: list[Key],
    places: Mapping[Key, Point],
    along: Mapping[Key, float],
    column_of: Mapping[Key, int],
    begin: list[float],
    end: list[float],
) -> list[Point]:
    """The knots of an edge: straight past each column, bending only in the gaps between them."""
    first, out, last, into = arc
    here = places[first].across + out
    knots = [Point(places[first].along + along[first] / 2, here), Point(end[column_of[first]], here)]
    for key in path[1:-1]:
        column, here = column_of[key], places[key].across
        knots += [Point(begin[column], here), Point(end[column], here)]
    here = places[last].across + into
    knots += [Point(begin[column_of[last]], here), Point(places[last].along - along[last] / 2, here)]
    return knots


def _assemble(
    items: Mapping[int, Item],
    links: Sequence[Link],
    parents: Mapping[int, int | None],
    levels: Mapping[int | None, _Level],
    trips: Sequence[Sequence[tuple[int | None, Key, Key]]],
) -> Placement:
    """Move every container to its place in the whole picture."""
    whole = levels[None]
    found = Placement(along=whole.along, across=whole.across)
    corner: dict[int | None, Point] = {None: Point(0.0, 0.0)}
    for group in sorted(parents, key=lambda group: len(_ancestors(group, parents))):
        outer, level = parents[group], levels[group]
        centre = levels[outer].at["g", group]
        along = corner[outer].along + centre.along - level.along / 2
        across = corner[outer].across + centre.across - level.across / 2
        corner[group] = Point(along, across)
        found.frames[group] = (corner[group], Point(along + level.along, across + level.across))
    for box, item in items.items():
        at = levels[item.group].at["b", box]
        found.centres[box] = _moved(at, corner[item.group])
    for index in range(len(links)):
        route: list[Point] = []
        for where, _, _ in trips[index]:
            route += [_moved(point, corner[where]) for point in levels[where].routes[index]]
        found.routes.append(route)
    return found


def _moved(point: Point, corner: Point) -> Point:
    return Point(point.along + corner.along, point.across + corner.across)
