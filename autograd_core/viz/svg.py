"""A graph as an SVG text: our own writer, so that it is small, safe, and looks the same everywhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal, NamedTuple

from .graph import Box, Edge, Graph, Grid, Row
from .layout import Item, Link, Placement, Point, Spacing, place
from .text import escape, width_of
from .theme import Theme, stylesheet

__all__ = ["Direction", "Measures", "label_of", "measure", "parents_of", "pieces", "spacing_of", "svg"]

Direction = Literal["right", "down", "left", "up"]

_HEADER, _ROW, _PAD, _PORT, _CELL, _MARGIN = 24, 17, 9, 17, 17, 14
_LABEL = 24  # characters of a derivative on an edge


class Measures(NamedTuple):
    """The size of every box, the text of every edge, and both as the layout wants them."""

    sizes: dict[int, tuple[float, float]]
    labels: list[tuple[str, str]]
    items: dict[int, Item]
    links: list[Link]


def _cell(grids: Sequence[Grid]) -> float:
    """How wide a printed cell of a box is: a number and its gradient stand in one column."""
    return max([26.0, *(width_of(text, 10, mono=True) + 8 for grid in grids for text, _ in grid.cells)])


def _grid_size(grid: Grid, cell: float) -> tuple[float, float]:
    if grid.cells:
        return grid.columns * cell, grid.rows * _CELL + 15
    scale = max(1.0, min(7.0, 84 / max(grid.columns, 1), 64 / max(grid.rows, 1)))
    return max(grid.columns * scale, 26.0), max(grid.rows * scale, 4.0) + 15


def _value_width(row: Row) -> float:
    """A gradient keeps room for the numbers that it becomes."""
    words = (row.value, row.widest, "−0.12345") if row.live else (row.value,)
    return max(width_of(word, 12, mono=True) for word in words)


def _is_plain(box: Box) -> bool:
    """Whether a box is a mere number: it is drawn quietly, without a border."""
    return box.role == "constant" and not box.rows and not box.grids and box.count == 1 and not box.root


def _size(box: Box, room: float) -> tuple[float, float]:
    """Width and height of a box, at least `room` high."""
    if _is_plain(box):
        return round(width_of(box.name, 12) + 10), 18
    title = width_of(box.name, 13) * 1.13 + width_of(box.formula, 13) + (8 if box.formula else 0)
    extra = (18 if box.opens else 0) + (width_of(f"×{box.count:,}", 13) + 12 if box.count > 1 else 0)
    cell = _cell(box.grids)
    small = [_grid_size(grid, cell) for grid in box.grids]
    rows = [width_of(row.key, 11) + _value_width(row) + 14 for row in box.rows]
    width, height = max([title + extra, *rows, 44.0 if rows or small else 18.0]), 0.0 + _HEADER + len(box.rows) * _ROW + (5 if box.rows else 0)
    if small and not box.grids[0].cells:
        width = max(width, sum(w for w, _ in small) + 10 * (len(small) - 1))
        height += max(h for _, h in small) + 4
    elif small:
        width, height = max(width, *(w for w, _ in small)), height + sum(h + 3 for _, h in small)
    return round(width + 2 * _PAD), round(max(height, room))


def measure(graph: Graph, direction: Direction = "right", *, labels: bool = True) -> Measures:
    """How large everything is."""
    upright = direction in ("down", "up")
    incoming: dict[int, list[Edge]] = {box.id: [] for box in graph.boxes}
    for edge in graph.edges:
        incoming[edge.target].append(edge)
    text = {edge.id: label_of(edge) if labels else ("", "") for edge in graph.edges}
    wide = {key: width_of(" = ".join(filter(None, label)), 11, mono=True) for key, label in text.items()}
    sizes: dict[int, tuple[float, float]] = {}
    items: dict[int, Item] = {}
    port: dict[int, int] = {}
    for box in graph.boxes:
        edges = sorted(incoming[box.id], key=lambda e: e.slot)
        lettered = any(wide[edge.id] for edge in edges)
        step = float(_PORT if lettered else 11)
        if upright and lettered:
            step = max(wide[edge.id] for edge in edges) + 14
        shift = -step / 2 + 5 if upright and lettered else 3.0 if lettered else 0.0
        room = step * len(edges) + 6
        width, height = _size(box, 0 if upright else room)
        width = max(width, room) if upright else width
        sizes[box.id] = (width, height)
        ports = tuple((i - (len(edges) - 1) / 2) * step + shift for i in range(len(edges)))
        port.update((edge.id, i) for i, edge in enumerate(edges))
        items[box.id] = Item(*((height, width) if upright else (width, height)), box.group, ports)
    room_of = {key: (18.0 if upright else w + 12) if w else 8.0 for key, w in wide.items()}
    links = [Link(e.source, e.target, port[e.id], room_of[e.id]) for e in graph.edges]
    return Measures(sizes, [text[edge.id] for edge in graph.edges], items, links)


def label_of(edge: Edge) -> tuple[str, str]:
    """What stands on an edge: the symbol (cut short) and the number, once where they are the same."""
    symbol = edge.symbol if len(edge.symbol) <= _LABEL else edge.symbol[: _LABEL - 1] + "…"
    return ("", edge.value) if symbol == edge.value.lstrip("+") or not symbol else (symbol, edge.value)


def spacing_of(direction: Direction) -> Spacing:
    """The gaps; the title of a container is always at its top."""
    frame = {"right": (14, 16, 34, 12), "left": (14, 16, 34, 12), "down": (36, 14, 14, 16), "up": (14, 36, 14, 16)}
    return Spacing(frame=frame[direction])


class _Frame:
    """Turns (along, across) of the layout into x and y of the picture."""

    def __init__(self, placement: Placement, direction: Direction) -> None:
        self.direction, self.along = direction, placement.along
        upright = direction in ("down", "up")
        self.width = placement.across if upright else placement.along
        self.height = placement.along if upright else placement.across

    def __call__(self, point: Point) -> tuple[float, float]:
        along = self.along - point.along if self.direction in ("left", "up") else point.along
        x, y = (point.across, along) if self.direction in ("down", "up") else (along, point.across)
        return x + _MARGIN, y + _MARGIN


def svg(
    graph: Graph,
    *,
    direction: Direction = "right",
    theme: Theme = "auto",
    labels: bool = True,
    steps: bool = False,
    placement: Placement | None = None,
    sized: Measures | None = None,
    style: str = "",
) -> str:
    """The picture as the text of an SVG file.

    `labels` writes the local derivatives on the edges, `steps` adds what the stepping page needs, `placement` replaces
    the built-in layout and `sized` the size of everything, `style` is added to the picture's CSS.

    >>> from .graph import Box
    >>> svg(Graph(boxes=(Box(id=0, role="input", name="x"),)))[:4]
    '<svg'
    """
    sized = sized or measure(graph, direction, labels=labels)
    if placement is None:
        placement = place(sized.items, sized.links, parents_of(graph), spacing=spacing_of(direction))
    frame = _Frame(placement, direction)
    head = 20 if graph.note else 0
    out: list[str] = []
    for group in graph.groups:
        if group.id in placement.frames:
            (x0, y0), (x1, y1) = (frame(corner) for corner in placement.frames[group.id])
            x, y = min(x0, x1), min(y0, y1)
            box = f'<rect class="f" x="{x:.0f}" y="{y:.0f}" width="{abs(x1 - x0):.0f}" height="{abs(y1 - y0):.0f}"'
            title = _fitted(group.title, abs(x1 - x0) - 20)
            out.append(f'{box} rx="10"/><text class="ft" x="{x + 12:.0f}" y="{y + 19:.0f}">{escape(title)}</text>')
    quiet = {box.id for box in graph.boxes if _is_plain(box)}
    roots, rim = {box.id for box in graph.boxes if box.root}, -4 if direction in ("left", "up") else 4
    middles = placement.labels or [None] * len(graph.edges)
    for edge, label, route, middle in zip(graph.edges, sized.labels, placement.routes, middles, strict=True):
        at = None if middle is None else frame(middle)
        knots = [frame(point) for point in route]
        if edge.target in roots:               # up to the outer border
            x, y = knots[-1]
            knots[-1] = (x, y - rim) if direction in ("down", "up") else (x - rim, y)
        out.append(_edge(edge, label, knots, direction, steps, placement.curved, at, quiet=edge.source in quiet))
    for box_ in graph.boxes:
        width, height = sized.sizes[box_.id]
        x, y = frame(placement.centres[box_.id])
        out.append(_box(box_, round(x - width / 2), round(y - height / 2), int(width), int(height), direction))
    width, height = frame.width + 2 * _MARGIN, frame.height + 2 * _MARGIN + head
    if graph.note:
        width = max(width, width_of(graph.note, 12) + 2 * _MARGIN)
        out.append(f'<text class="s" x="{_MARGIN}" y="{height - 12:.0f}">{escape(graph.note)}</text>')
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    name = escape(graph.title or "A graph of operations")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ag" {size} role="img" aria-label="{name}">'
        f"<style>{stylesheet(theme)}{style}</style>"
        f'<rect class="bg" width="{width:.0f}" height="{height:.0f}" rx="8"/>{"".join(out)}</svg>'
    )


def pieces(graph: Graph, sized: Measures, direction: Direction, steps: bool) -> str:
    """Every box and every wire at the origin, as an SVG from which a page takes what it places."""
    nowhere = [(0.0, 0.0), (0.0, 0.0)]
    quiet = {box.id for box in graph.boxes if _is_plain(box)}
    wires = (
        _edge(edge, label, nowhere, direction, steps, False, quiet=edge.source in quiet)
        for edge, label in zip(graph.edges, sized.labels, strict=True)
    )
    boxes = (_box(box, 0, 0, int(width), int(height), direction) for box in graph.boxes for width, height in [sized.sizes[box.id]])
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(wires)}{"".join(boxes)}</svg>'


def parents_of(graph: Graph) -> dict[int, int | None]:
    """Each container and the one around it, as the layout wants them."""
    return {group.id: group.parent for group in graph.groups}


def _fitted(text: str, room: float) -> str:
    while len(text) > 2 and width_of(text, 12) > room:
        text = text[:-2] + "…"
    return text


def _edge(
    edge: Edge,
    label: tuple[str, str],
    knots: Sequence[tuple[float, float]],
    direction: Direction,
    steps: bool,
    curved: bool,
    middle: tuple[float, float] | None = None,
    *,
    quiet: bool = False,
) -> str:
    """The wire, its arrowhead and its label (and, for the page, the head of the backward arrow)."""
    upright = direction in ("down", "up")
    ahead = -1 if direction in ("left", "up") else 1
    (x0, y0), (x1, y1) = knots[0], knots[-1]
    tip = (x1, y1 - 5 * ahead) if upright else (x1 - 5 * ahead, y1)
    path = _spline(knots) if curved else _path([*knots[:-1], tip], upright)
    arrow = _arrow(x1, y1, upright, -ahead)
    back = f'<path class="r" d="{_arrow(x0, y0, upright, ahead, 12)}"/>' if steps else ""
    text = ""
    if any(label):
        symbol, value = label
        colour = {1: "p", -1: "m", 0: "z"}[edge.sign]
        words = f'<tspan class="s">{escape(symbol)}{" =" if value else ""}</tspan> ' if symbol else ""
        if value:
            words += f'<tspan class="{colour}">{escape(value)}</tspan>'
        if middle is not None:
            place_, anchor = (middle[0], middle[1] + 4), ' text-anchor="middle"'
        elif upright:
            place_, anchor = (x1 + 5, y1 - 9 if ahead > 0 else y1 + 17), ""
        else:
            place_, anchor = (x1 - 8 * ahead, y1 - 4), ' text-anchor="end"' if ahead > 0 else ""
        text = f'<text class="l" x="{place_[0]:.0f}" y="{place_[1]:.0f}"{anchor}>{words}</text>'
    hint = f"<title>{escape(edge.hint)}</title>" if edge.hint else ""
    return f'<g class="e{" quiet" if quiet else ""}" id="e{edge.id}">{hint}<path class="w" d="{path}"/><path class="h" d="{arrow}"/>{back}{text}</g>'


def _spline(knots: Sequence[tuple[float, float]]) -> str:
    """The Bézier spline that dot found, and a straight end to the tip."""
    words = [f"{x:.0f} {y:.0f}" for x, y in knots]
    return f"M{words[0]}C{' '.join(words[1:-1])}L{words[-1]}" if len(words) > 4 else "M" + "L".join(words)


def _arrow(x: float, y: float, upright: bool, back: int, size: int = 7) -> str:
    """A triangle with its tip at (x, y)."""
    half = round(size * 0.55)
    if upright:
        return f"M{x:.0f} {y:.0f}l-{half} {back * size}h{2 * half}z"
    return f"M{x:.0f} {y:.0f}l{back * size} -{half}v{2 * half}z"


def _path(knots: Sequence[tuple[float, float]], upright: bool) -> str:
    """Straight runs where the line keeps its course, smooth bends between."""
    along, across = (1, 0) if upright else (0, 1)
    text = f"M{knots[0][0]:.0f} {knots[0][1]:.0f}"
    here = knots[0]
    for i, there in enumerate(knots[1:], 1):
        if abs(there[across] - here[across]) < 0.5:
            straight = i + 1 < len(knots) and abs(knots[i + 1][across] - there[across]) < 0.5
            if straight or abs(there[along] - here[along]) < 0.5:
                continue  # one line for several runs
            text += f"V{there[1]:.0f}" if upright else f"H{there[0]:.0f}"
        elif upright:
            if abs(knots[i - 1][along] - here[along]) > 0.5:
                text += f"V{knots[i - 1][1]:.0f}"
                here = knots[i - 1]
            middle = (here[1] + there[1]) / 2
            text += f"C{here[0]:.0f} {middle:.0f} {there[0]:.0f} {middle:.0f} {there[0]:.0f} {there[1]:.0f}"
        else:
            if abs(knots[i - 1][along] - here[along]) > 0.5:
                text += f"H{knots[i - 1][0]:.0f}"
                here = knots[i - 1]
            middle = (here[0] + there[0]) / 2
            text += f"C{middle:.0f} {here[1]:.0f} {middle:.0f} {there[1]:.0f} {there[0]:.0f} {there[1]:.0f}"
        here = there
    return text


def _box(box: Box, x: int, y: int, width: int, height: int, direction: Direction) -> str:
    """A box: border, header, rows, grids."""
    if _is_plain(box):
        return _plain_box(box, x, y, width, height)
    radius = 0 if box.role in ("input", "constant") else 9
    kind = f"b {box.role}" + (" root" if box.root else "") + (" faded" if box.faded else "")
    kind += " opens" if box.opens else ""
    out = [f'<g class="{kind}" id="b{box.id}">']
    if box.hint:
        out.append(f"<title>{escape(box.hint)}</title>")
    if box.count > 1:
        out.append(_behind(x, y, width, height, radius, direction))
    out.append(f'<rect class="o" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>')
    if box.rows or box.grids:
        inner = max(radius - 1, 0)
        curve = f"v-{_HEADER - 1 - inner}q0 -{inner} {inner} -{inner}h{width - 2 - 2 * inner}q{inner} 0 {inner} {inner}"
        out.append(f'<path class="hd" d="M{x + 1} {y + _HEADER}{curve}v{_HEADER - 1 - inner}z"/>')
    if box.root:
        rim = f'x="{x - 4}" y="{y - 4}" width="{width + 8}" height="{height + 8}" rx="{radius + 4 if radius else 0}"'
        out.append(f'<rect class="d" {rim}/>')
    base = y + 17 if box.rows or box.grids else y + height // 2 + 4
    formula = f" {escape(box.formula)}" if box.formula else ""
    out.append(f'<text class="t" x="{x + _PAD}" y="{base}"><tspan class="n">{escape(box.name)}</tspan>{formula}</text>')
    right = x + width - _PAD
    if box.opens:
        out.append(f'<path class="q" d="M{right - 12} {y + 6}h12v12h-12zm3 6h6m-3 -3v6"/>')
    if box.count > 1:
        out.append(f'<text class="v" x="{right - (18 if box.opens else 0)}" y="{base}">×{box.count:,}</text>')
    y += _HEADER + _ROW - 3
    out.append(_rows(box.rows, x + _PAD, right, y))
    if box.grids:
        out.append(_grids(box.grids, x + _PAD, y + len(box.rows) * _ROW))
    return "".join(out) + "</g>"


def _plain_box(box: Box, x: int, y: int, width: int, height: int) -> str:
    """A mere number, without border and header."""
    place_ = f'x="{x + width / 2:g}" y="{y + height // 2 + 4}"'
    rim = f'<rect class="o" x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>'
    kind = f"b constant plain{' faded' if box.faded else ''}"
    return f'<g class="{kind}" id="b{box.id}">{rim}<text {place_}><tspan class="n">{escape(box.name)}</tspan></text></g>'


def _behind(x: int, y: int, width: int, height: int, radius: int, direction: Direction) -> str:
    """The boxes behind the first of a stack; they look out on a side where no wire comes or goes, since it would end behind them."""
    out = ""
    for shift in (8, 4):
        place_ = f'x="{x + shift}" y="{y - shift}" width="{width - 2 * shift}" height="{height}"'
        if direction in ("down", "up"):
            place_ = f'x="{x + shift}" y="{y + shift}" width="{width}" height="{height - 2 * shift}"'
        out += f'<rect class="o" {place_} rx="{radius}"/>'
    return out


def _rows(rows: Sequence[Row], left: int, right: int, y: int) -> str:
    """The lines of a box, keys at the left and values at the right; `y` is the base line of the first."""
    out = ""
    for row in rows:
        colour = {1: " p", -1: " m", 0: ""}[row.sign]
        live = " live" if row.live else ""
        out += (
            f'<text class="k" x="{left}" y="{y}">{escape(row.key)}</text>'
            f'<text class="v{colour}{live}" x="{right}" y="{y}">{escape(row.value)}</text>'
        )
        y += _ROW
    return out


def _grids(grids: Sequence[Grid], x: float, y: float) -> str:
    """Cells with numbers under each other, heat maps side by side."""
    out: list[str] = []
    wide = _cell(grids)
    for grid in grids:
        width, height = _grid_size(grid, wide)
        out.append(f'<text class="k" x="{x:.0f}" y="{y - 2:.0f}">{escape(grid.key)}</text>')
        if grid.cells:
            for i, (text, strength) in enumerate(grid.cells):
                cx, cy = x + i % grid.columns * wide, y + 3 + i // grid.columns * _CELL
                shade = f' fill-opacity="{0.05 + 0.3 * abs(strength):.2f}"' if strength else ' fill-opacity="0"'
                colour = "p" if strength > 0 else "m"
                out.append(
                    f'<rect class="{colour}" x="{cx:.0f}" y="{cy:.0f}" width="{wide - 1:.0f}" height="{_CELL - 1}"{shade}/>'
                    f'<text class="c" x="{cx + wide / 2:.0f}" y="{cy + 12:.0f}">{escape(text)}</text>'
                )
            y += height + 3
        else:
            data = base64.b64encode(grid.image).decode()
            size = f'x="{x:.0f}" y="{y + 3:.0f}" width="{width:.0f}" height="{height - 15:.0f}"'
            out.append(f'<image {size} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>')
            out.append(f'<rect class="q" {size}/>')
            x += width + 10
    return "".join(out)
