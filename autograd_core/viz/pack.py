"""What a page holds besides its first picture, compressed: pictures that open, and the boxes of graphs too large for one.

The parts of a stack resemble one another, so that a hundred take little more room than three; a page unpacks them with
what browsers have for that (`DecompressionStream`), and without it shows its first picture.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from .graph import Box, Edge, Graph
from .layout import Item, Link, place
from .svg import Direction, Measures, measure, parents_of, pieces, spacing_of, svg
from .theme import Theme

__all__ = ["Pack", "alike", "interleaved", "nearest", "sheet"]


class Pack:
    """A list of things as compressed JSON, as long as there is room.

    >>> pack = Pack(100)
    >>> pack.add("a picture"), pack.add("".join(map(str, range(1000)))), pack.add([1, 2])
    (0, None, 1)
    >>> import base64, zlib
    >>> zlib.decompress(base64.b64decode(pack.text()))
    b'["a picture",[1,2]]'
    """

    def __init__(self, room: int) -> None:
        """`room` is how many bytes the text may have."""
        self.room, self.count = room * 3 // 4 - 16, 0
        self._squeeze, self._done = zlib.compressobj(6), [b""]

    def add(self, thing: object) -> int | None:
        """The number of a thing in the list, None where there is no room for it."""
        text = json.dumps(thing, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        trial = self._squeeze.copy()
        more = trial.compress(("," if self.count else "[").encode() + text.encode()) + trial.flush(zlib.Z_SYNC_FLUSH)
        if len(more) > self.left:
            return None
        self._squeeze = trial
        self._done.append(more)
        self.count += 1
        return self.count - 1

    @property
    def left(self) -> int:
        """How many bytes there is room for."""
        return self.room - sum(map(len, self._done))

    @staticmethod
    def size(thing: object) -> int:
        """About how many bytes a thing would take."""
        return len(zlib.compress(json.dumps(thing, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode(), 6))

    def text(self) -> str:
        """The list in base64; empty where nothing was added."""
        if not self.count:
            return ""
        end = self._squeeze.copy()
        return base64.b64encode(b"".join(self._done) + end.compress(b"]") + end.flush()).decode()


def alike(graphs: Sequence[Graph], *, direction: Direction, theme: Theme, steps: bool) -> list[str]:
    """The SVG of pictures that are parts of one stack: where they have the same boxes and wires, all in the same places.

    So only the numbers change from one part to the next.
    """
    measured = [measure(graph, direction) for graph in graphs]
    shapes = [_shape(graph) for graph in graphs]
    same = [sized for sized, shape in zip(measured, shapes, strict=True) if shape == shapes[0]]
    common = _largest(same, direction)
    placement = place(common.items, common.links, parents_of(graphs[0]), spacing=spacing_of(direction))
    drawn: list[str] = []
    for graph, sized, shape in zip(graphs, measured, shapes, strict=True):
        if shape == shapes[0]:
            sized = common._replace(labels=sized.labels)
            drawn.append(svg(graph, direction=direction, theme=theme, steps=steps, placement=placement, sized=sized))
        else:
            drawn.append(svg(graph, direction=direction, theme=theme, steps=steps, sized=sized))
    return drawn


def interleaved(pictures: Sequence[str]) -> list[list[str | None]]:
    """Pictures element by element, the first of each, then the second of each: what is alike stands together, and is small.

    >>> interleaved(["<svg><g a></svg>", "<svg><g b></svg>"])
    [['<svg>', '<svg>'], ['<g a></svg>', '<g b></svg>']]
    """
    return [list(row) for row in zip_longest(*(re.split("(?=<g )", picture) for picture in pictures))]


def _shape(graph: Graph) -> tuple[object, ...]:
    """What two pictures must share to be placed alike."""
    edges = tuple((edge.source, edge.target) for edge in graph.edges)
    return tuple(box.group is None for box in graph.boxes), edges, len(graph.groups)


def _largest(measured: Sequence[Measures], direction: Direction) -> Measures:
    """The room that each box and label needs in every one of the pictures."""
    first = measured[0]
    if len(measured) == 1:
        return first
    sizes = {
        box: (max(m.sizes[box][0] for m in measured), max(m.sizes[box][1] for m in measured)) for box in first.sizes
    }
    upright = direction in ("down", "up")
    items = {
        box: Item(
            sizes[box][upright], sizes[box][not upright], item.group,
            max((m.items[box].ports for m in measured), key=lambda ports: ports[-1:]),
        )
        for box, item in first.items.items()
    }  # fmt: skip
    links = [
        Link(link.source, link.target, link.port, max(m.links[k].label for m in measured))
        for k, link in enumerate(first.links)
    ]
    return Measures(sizes, first.labels, items, links)


def nearest(graph: Graph, middle: int, most: int) -> Graph:
    """The boxes of a picture that are nearest to one of them, and a stub for what is missing before or after a box."""
    before: dict[int, list[int]] = {box.id: [] for box in graph.boxes}
    after: dict[int, list[int]] = {box.id: [] for box in graph.boxes}
    for edge in graph.edges:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    kept, queue = {middle}, [middle]
    for box in queue:  # grows
        leaf = box != middle and not before[box]  # what else uses a weight is not near
        for near in before[box] if leaf else (*before[box], *after[box]):
            if near not in kept and len(kept) < most:
                kept.add(near)
                queue.append(near)
    ends: tuple[list[tuple[Box, int]], ...] = ([], [])
    for box_ in graph.boxes:
        for side, neighbours in enumerate((before, after)):
            missing = len({near for near in neighbours[box_.id] if near not in kept})
            if box_.id in kept and missing:
                ends[side].append((Box(id=0, role="rest", name=f"⋯ {missing:,} more", group=box_.group), box_.id))
    boxes = [stub for stub, _ in ends[0]] + [box_ for box_ in graph.boxes if box_.id in kept] + [stub for stub, _ in ends[1]]
    number = {box_.id: len(ends[0]) + k for k, box_ in enumerate(boxes[len(ends[0]) : len(boxes) - len(ends[1])])}
    slots = {edge.target: edge.slot for edge in sorted(graph.edges, key=lambda edge: edge.slot)}  # the last of each
    wires = [edge for edge in graph.edges if edge.source in kept and edge.target in kept]
    edges = [replace(edge, id=k, source=number[edge.source], target=number[edge.target]) for k, edge in enumerate(wires)]
    for k, (_, host) in enumerate(ends[0]):
        edges.append(Edge(id=len(edges), source=k, target=number[host], slot=1 + slots[host]))
    for k, (_, host) in enumerate(ends[1], len(boxes) - len(ends[1])):
        edges.append(Edge(id=len(edges), source=number[host], target=k))
    return Graph(
        boxes=tuple(replace(box_, id=k) for k, box_ in enumerate(boxes)), edges=tuple(edges), groups=graph.groups, title=graph.title, note=graph.note
    )


def sheet(graph: Graph, direction: Direction, *, steps: bool) -> dict[str, Any]:
    """A graph whose boxes and wires are drawn but not placed: the page shows the neighbourhood of any of them.

    `boxes` is width, height for each; `wires` is from, to, where it enters (across, from the centre), room for its label; `containers`
    is for each module its title and the one around it, `within` for each box the module that it stands in (-1 for none).
    """
    sized = measure(graph, direction)
    wires = [
        [link.source, link.target, round(sized.items[link.target].ports[link.port]), round(link.label)] for link in sized.links
    ]
    number: dict[int | None, int] = {None: -1, **{group.id: k for k, group in enumerate(graph.groups)}}
    return {
        "svg": pieces(graph, sized, direction, steps),
        "containers": [[group.title, number[group.parent]] for group in graph.groups],
        "within": [number[box.group] for box in graph.boxes],
        "boxes": [round(length) for box in graph.boxes for length in sized.sizes[box.id]],
        "wires": [n for wire in wires for n in wire],
        "names": [box.name for box in graph.boxes],
    }
