"""The backward pass as an animated SVG without script: CSS keyframes only, so that it runs inside an <img>."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autograd_core.errors import AutogradError

from .boxes import grad_text
from .graph import Graph
from .svg import Direction, svg
from .text import escape
from .theme import DARK, LIGHT, Theme, attributed, themed

if TYPE_CHECKING:
    from .explain import Explanation

__all__ = ["animation"]

_MOST, _SECONDS = 60, 1.3  # steps of an animation; how long each of them is shown
_REST = {"edge": ("e", 1.3), "parameter": ("s", 2.6), "module": ("n", 1.6), "sum": ("n", 1.6)}  # stroke and width between pulses


def animation(
    graph: Graph, explanation: Explanation, *, direction: Direction = "right", theme: Theme = "auto"
) -> str:
    """The picture, in which each product lights up in its turn and the gradients fill in.

    Raises:
        AutogradError: There are more than 60 products; a page is the right form for those.
    """
    steps = explanation.steps
    if len(steps) > _MOST:
        raise AutogradError(
            f"save: an animated .svg shows up to {_MOST} products of the chain rule, this backward pass has "
            f"{len(steps)}; save it as .html."
        )
    box_of = {i: box.id for box in graph.boxes for i in box.members}
    edge_of = {use: edge.id for edge in graph.edges for use in edge.members}
    frames = len(steps) + 3  # the start, the seed, every product, and a rest at the end
    seconds = frames * _SECONDS
    lit: dict[str, list[tuple[int, str]]] = {}
    grads: dict[int, list[tuple[int, str, int]]] = {}
    root = explanation._network.root
    lit.setdefault(f"b{box_of[root]} .o", []).append((1, "a"))
    grads[root] = [(1, *grad_text(explanation.seed))]
    arrows: dict[str, list[int]] = {}
    for k, step in enumerate(steps, 2):
        node, operand, use = step.numbers
        lit.setdefault(f"b{box_of[node]} .o", []).append((k, "a"))
        lit.setdefault(f"b{box_of[operand]} .o", []).append((k, "o"))
        grads.setdefault(operand, []).append((k, *grad_text(step.after)))
        if use in edge_of:
            arrows.setdefault(f"e{edge_of[use]}", []).append(k)
    role_of = {f"b{box.id} .o": box.role for box in graph.boxes}
    css = [
        _keyframes(f"h{n}", selector, role_of.get(selector, "edge"), turns, frames, seconds)
        for n, (selector, turns) in enumerate(lit.items())
    ]
    for n, (edge, turns) in enumerate(arrows.items()):
        css.append(_shown(f"r{n}", f"#a{edge}", [(k, k + 1) for k in turns], frames, seconds))
        css.append(_shown(f"l{n}", f"#{edge} .l", [(turns[0], frames)], frames, seconds))
    drawn = svg(graph, direction=direction, theme=theme, steps=True, style=_colours(theme))
    drawn = _overlaid(drawn, set(arrows))
    drawn, more = _gradients(drawn, {box_of[i]: turns for i, turns in grads.items()}, frames, seconds)
    still = "@media(prefers-reduced-motion:reduce){.ag *{animation-play-state:paused!important;animation-delay:-%.1fs!important}}"
    style = "".join([*css, *more, still % (seconds - 0.1)])
    return attributed(drawn.replace("</style>", style + "</style>", 1), theme)


def _colours(theme: Theme) -> str:
    """The highlight colours as custom properties of the picture."""

    def block(colours: dict[str, str]) -> str:
        names = {"a": "active", "o": "operand", "n": "line", "e": "edge", "s": "strong"}
        rest = ";".join(f"--{short}:{colours[name]}" for short, name in names.items())
        return f".ag .on .w{{stroke:var(--a);stroke-width:3.5px}}.ag .on .h{{fill:var(--a)}}.ag{{{rest}}}"

    return themed(block(LIGHT), block(DARK), theme)


def _keyframes(
    name: str, selector: str, role: str, turns: Sequence[tuple[int, str]], frames: int, seconds: float
) -> str:
    """A stroke that is thick in some frames and as always in the others."""
    stroke, width = _REST.get(role, ("n", 1.2))
    rest, text = f"stroke:var(--{stroke});stroke-width:{width}px", ""
    for k, kind in turns:
        text += f"{100 * k / frames:.3f}%{{stroke:var(--{kind});stroke-width:3.5px}}"
        if not any(turn == k + 1 for turn, _ in turns):
            text += f"{100 * (k + 1) / frames:.3f}%{{{rest}}}"
    return f"@keyframes {name}{{0%{{{rest}}}{text}}}.ag #{selector}{{animation:{name} {seconds:.1f}s step-end infinite}}"


def _shown(name: str, selector: str, spans: Sequence[tuple[int, int]], frames: int, seconds: float) -> str:
    """Something that is visible during some frames only."""
    text = "0%{visibility:hidden}"
    for start, stop in spans:
        text += f"{100 * start / frames:.3f}%{{visibility:visible}}"
        if stop < frames and all(other != stop for other, _ in spans):
            text += f"{100 * stop / frames:.3f}%{{visibility:hidden}}"
    return f"@keyframes {name}{{{text}}}.ag {selector}{{animation:{name} {seconds:.1f}s step-end infinite}}"


def _overlaid(drawn: str, edges: set[str]) -> str:
    """The backward arrows in a layer of their own, above all wires."""
    layer = ""
    for piece in drawn.split('<g class="e" id="')[1:]:
        name = piece.split('"', 1)[0]
        if name in edges:
            wire, back = (piece.split(f'<path class="{kind}" d="', 1)[1].split('"', 1)[0] for kind in "wr")
            layer += f'<g id="a{name}" class="on" visibility="hidden"><path class="w" d="{wire}"/><path class="h" d="{back}"/></g>'
    return drawn.replace('<g class="b ', layer + '<g class="b ', 1)


def _gradients(
    drawn: str, turns: dict[int, list[tuple[int, str, int]]], frames: int, seconds: float
) -> tuple[str, list[str]]:
    """One text for each value that a gradient takes, each visible in its time."""
    css: list[str] = []
    pieces = drawn.split('<g class="b ')
    for p, piece in enumerate(pieces[1:], 1):
        box = int(piece.split('id="b', 1)[1].split('"', 1)[0])
        start = piece.find('<text class="v live"')
        if box not in turns or start < 0:
            continue
        stop = piece.index("</text>", start) + 7
        place = piece[piece.index(" x=", start) : piece.index(">", start)]
        states = [(0, "?", 0), *turns[box]]
        texts = ""
        for n, (k, text, sign) in enumerate(states):
            name = f"g{box}_{n}"
            end = states[n + 1][0] if n + 1 < len(states) else frames
            colour = {1: " p", -1: " m", 0: ""}[sign]
            hidden = "" if n + 1 == len(states) else ' visibility="hidden"'  # where nothing moves: how it ends
            texts += f'<text id="{name}" class="v{colour}"{hidden}{place}>{escape(text)}</text>'
            css.append(_shown(name, f"#{name}", [(k, end)], frames, seconds))
        pieces[p] = piece[:start] + texts + piece[stop:]
    return '<g class="b '.join(pieces), css
