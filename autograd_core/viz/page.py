"""The page: one self-contained HTML file, for the chain rule in steps or for a picture that can be opened and moved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from .boxes import brief, grad_text, laid_out, unsigned
from .graph import Graph
from .headers import header_of
from .network import Network
from .pack import Pack, alike, interleaved, nearest, sheet
from .scene import Scene, result_of
from .svg import Direction, svg
from .text import escape, isolated, sign_of
from .theme import Theme, variables

if TYPE_CHECKING:
    from .explain import ChainStep, Explanation

__all__ = ["controls", "document", "page", "safe_json"]

_CSP = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_ROOM = 850_000  # characters that the pictures and steps of a page may take
_INLINE, _TABLE = 300, 1000  # steps that stand in a page uncompressed; rows of its table


def safe_json(data: object) -> str:
    r"""JSON that may stand inside a script element: no character of HTML is left in it.

    >>> safe_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(
    scenes: Sequence[Scene],
    explanation: Explanation | None = None,
    *,
    direction: Direction = "right",
    theme: Theme = "auto",
    most: int = 4000,
) -> str:
    """The page of some pictures (the first is shown, the others open by a click) and, if given, of its first steps."""
    stepping = explanation is not None
    first = scenes[0]
    drawn = svg(first.graph, direction=direction, theme=theme, steps=stepping)
    shown = f"{'Backpropagation' if stepping else 'Graph'} of {first.title}"
    data: dict[str, Any] = {"steps": None, "upright": direction in ("down", "up"), "mirrored": direction in ("left", "up")}
    table = ""
    pack = Pack(_ROOM - len(drawn))
    if explanation is not None:
        listing = explanation.table(_TABLE)
        wide = f' style="--n:{max(map(len, listing.splitlines()))}"'
        table = f"<details><summary>The chain rule as a table</summary><pre{wide}>{escape(listing)}</pre></details>"
        data |= _steps(explanation, min(most, len(explanation)), pack)
    inside = _nodes if explanation is None else _Stepping(explanation, most)
    data["scenes"] = [
        {
            "title": isolated(shown if scene is first else scene.title),
            "part": [scene.part, scene.parts, scene.stack],
            "stubs": scene.stubs,
            "middle": scene.middle,
            **place,
        }
        for scene, place in _packed(scenes, pack, direction, theme, inside, stepping)
    ]
    data["scenes"][0] |= inside(first.graph)
    data["pack"] = pack.text()
    walk = _file("walk.js") if any(scene["whole"] is not None for scene in data["scenes"]) else ""
    title = escape(first.graph.title if not stepping else f"Backpropagation of {first.title}, step by step")
    body = (
        f'<main class="page{" steps" if stepping else ""}">{_HEADER.format(escape(shown))}'
        f'{_VIEW.format("move through the steps" if stepping else "scroll it", drawn)}{_PANEL if stepping else ""}{table}</main>'
    )
    return document(title, body, data=data, script=_file("lens.js") + walk + _file("page.js"), theme=theme, player=stepping)


def _packed(
    scenes: Sequence[Scene], pack: Pack, direction: Direction, theme: Theme, inside: Any, steps: bool
) -> list[tuple[Scene, dict[str, Any]]]:
    """The pictures that fit into the pack, each with its place there, and with the picture and the box that it is opened from."""
    stacks: dict[object, list[int]] = {}
    for k, scene in enumerate(scenes):
        stacks.setdefault(-k if scene.stack is None else (scene.stack, scene.parent), []).append(k)
    found: list[tuple[Scene, dict[str, Any]]] = []
    number: dict[int | None, int | None] = {None: None}
    for numbers in stacks.values():
        first = scenes[numbers[0]]
        if first.parent not in number:
            continue
        at = None
        if first.parent is not None:
            drawn = alike([scenes[k].graph for k in numbers], direction=direction, theme=theme, steps=steps)
            contents = [inside(scenes[k].graph) for k in numbers]
            at = pack.add({"svg": interleaved(drawn), "inside": contents})
            if at is None:
                numbers = numbers[:1]
                at = pack.add({"svg": interleaved(drawn[:1]), "inside": contents[:1]})
            if at is None:
                continue
        for n, k in enumerate(numbers):
            scene = scenes[k]
            whole = None if scene.whole is None else _walk(scene, scene.whole, pack, direction, inside, steps)
            number[k] = len(found)
            place = None if at is None else [at, n]
            found.append((scene, {"parent": number[scene.parent], "by": scene.opened_by, "at": place, "whole": whole}))
    return found


def _walk(scene: Scene, whole: Graph, pack: Pack, direction: Direction, inside: Any, steps: bool) -> int | None:
    """The place in the pack of what a picture was cut from: as much of it around the middle of the picture as fits."""
    about = scene.graph.boxes[scene.middle or 0].members[:1]
    middle = next((box.id for box in whole.boxes if about and about[0] in box.members), whole.boxes[-1].id)

    def around(most: int) -> dict[str, Any]:
        near = whole if most >= len(whole.boxes) else nearest(whole, middle, most)
        return {**sheet(near, direction, steps=steps), **inside(near)}

    most, sample = len(whole.boxes), 300
    if most > 4 * sample:  # what all of them would take, by some of them: drawing them in vain takes seconds
        most = min(most, sample * pack.left // pack.size(around(sample)))
    while most > len(scene.graph.boxes):
        at = pack.add(around(most))
        if at is not None:
            return at
        most = most * 2 // 3
    return None


def document(
    title: str, body: str, *, data: object, script: str, style: str = "", theme: Theme = "auto", player: bool = False
) -> str:
    """A self-contained page in the style of the house: no network, its data as JSON, one script. Title and body are HTML.

    With `player`, the script finds the function that moves the `controls` (see `player.js`). Where no script runs, the root
    has no class `js`, and what would do nothing is not shown.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_CSP}"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{variables(theme)}{_file('page.css')}{style}</style></head><body>{body}"
        f'<script type="application/json" id="data">{safe_json(data)}</script>'
        f"<script>document.documentElement.classList.add('js');{_file('player.js') if player else ''}{script}</script></body></html>"
    )


def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def controls(label: str, unit: str) -> str:
    """The buttons and the slider of a player, as HTML: `label` names them all, `unit` what the slider counts."""
    return (
        f'<nav aria-label="{escape(label)}"><button id="first" aria-label="To the start">«</button>'
        '<button id="prev">‹ Previous</button><button id="play">Play</button>'
        '<button id="next">Next ›</button><button id="last" aria-label="To the end">»</button>'
        f'<input id="range" type="range" min="0" value="0" step="1" aria-label="{escape(unit)}"><output id="count"></output></nav>'
    )


_HEADER = (
    '<header><button id="back" hidden aria-label="Back to the picture before">‹ Back</button><h1 id="title">{}</h1>'
    '<span id="parts" role="group" aria-label="Part of the stack" hidden><button id="before" aria-label="Part before">‹</button> '
    '<input id="part" type="number" min="1" value="1" aria-label="Number of the part"> <span id="of"></span> '
    '<button id="after" aria-label="Next part">›</button></span>'
    '<input id="seek" type="search" hidden placeholder="Go to a node…" aria-label="Name of a node to go to" spellcheck="false">'
    '<span class="tools"><button id="smaller" aria-label="Smaller">−</button> '
    '<button id="larger" aria-label="Larger">+</button> <button id="fit">Whole</button></span><p id="notice" role="status" hidden></p></header>'
)
_VIEW = '<div class="view" tabindex="0" role="group" aria-label="The graph; arrow keys {}" aria-describedby="title">{}</div>'
_PANEL = (
    '<aside aria-label="This step" tabindex="0"><h2 id="head"></h2><dl id="rows"></dl>'
    '<p id="say" role="status" aria-live="polite"></p><p id="where"></p><ul id="key" aria-label="What the borders mean">'
    '<li class="from">its gradient comes in</li><li class="to">gets the contribution</li><li class="has">has a gradient</li></ul></aside>'
    + controls("Steps", "Step")
)


def _nodes(graph: Graph) -> dict[str, Any]:
    """One node of each box, by which it is found in another picture."""
    return {"nodes": [box.members[:1] for box in graph.boxes], "uses": []}


class _Stepping:
    """For each box of a picture the nodes that the first `most` steps touch, the one whose gradient it shows, or how it ends."""

    def __init__(self, explanation: Explanation, most: int) -> None:
        self.network, self.final = explanation._network, explanation._final()
        numbers = [step.numbers for step in explanation.steps[:most]]
        self.touched = {self.network.root, *(i for node, operand, _ in numbers for i in (node, operand))}
        self.used = {use for _, _, use in numbers}

    def __call__(self, graph: Graph) -> dict[str, Any]:
        """What a page knows about a picture: `nodes` and `live` by box, `uses` by edge."""
        live: list[int | None] = []
        ends: list[str] = []
        for box in graph.boxes:
            single = box.role not in ("module", "rest") and box.count == 1 and bool(box.members)
            live.append(result_of(self.network, box.members) if single else None)
            ends.append("" if single else _norm_of([self.final[i] for i in box.members if i in self.final]))
        return {
            "nodes": [[i for i in box.members if i in self.touched] or box.members[:1] for box in graph.boxes],
            "uses": [[use for use in edge.members if use in self.used] for edge in graph.edges],
            "live": live,
            "final": ends,
        }


def _norm_of(gradients: Iterable[Any]) -> str:
    flat = [np.ravel(np.asarray(g, dtype=float)) for g in gradients]
    return grad_text(np.concatenate([*flat, np.zeros(2)]))[0] if flat else "?"


def _steps(explanation: Explanation, most: int, pack: Pack) -> dict[str, Any]:
    """Every text that the panel shows; of many steps the place in the pack, and as many as it has room for."""
    network = explanation._network
    root, total = network.names[network.root], len(explanation)
    text, sign = grad_text(explanation.seed)
    steps: Any = [_shown(_step(network, step, k, total)) for k, step in enumerate(explanation.steps[:most])]
    if most > _INLINE:
        while (at := pack.add(steps)) is None:
            steps = steps[: len(steps) // 2]
        most, steps = len(steps), at
    value, seed = unsigned(network.data(network.root)), brief(explanation.seed)
    follow = "product of the chain rule follows" if total == 1 else "products of the chain rule follow"
    return {
        "root": network.root,
        "seed": [text, sign],
        "start": _shown({
            "h": "Forward pass done",
            "r": [[f"{root}", value, ""]],
            "s": f"All values are known, no gradient yet. {total:,} {follow}"
            + (f"; the first {most:,} are on this page." if total > most else "."),
        }),
        "first": _shown({
            "h": "Seed the output",
            "r": [[f"∂{root}/∂{root}", seed, "sum"]],
            "s": f"The gradient of the output with respect to itself: {root}.grad = {seed}.",
        }),
        "steps": steps,
    }


def _shown(data: Any) -> Any:
    """Texts that are put into the page as they are."""
    if isinstance(data, str):
        return isolated(data)
    if isinstance(data, list):
        return list(map(_shown, data))
    return {key: _shown(value) for key, value in data.items()} if isinstance(data, dict) else data


def _step(network: Network, step: ChainStep, k: int, total: int) -> dict[str, Any]:
    out, operand, root = step.names
    node, operand_number, use = step.numbers
    text, sign = grad_text(step.after)

    def row(key: str, value: Any, extra: str = "") -> list[str]:
        words = laid_out(value)
        wide = "wide" if len(key) + len(words) > 34 or "\n" in words else ""
        colour = ""
        if np.size(value) == 1 and value is not None:
            colour = {1: "plus", -1: "minus", 0: ""}[sign_of(float(np.reshape(value, ())))]
        return [key, words, " ".join(part for part in (wide, colour, extra) if part)]

    rows = [row(f"incoming  ∂{root}/∂{out}" + ("  = g" if step.local is None else ""), step.incoming)]
    if step.local is None:
        rows.append(["pull-back", f"{operand}.grad += {step.symbol or '…'}", "wide"])
    else:
        rows.append(row(f"local  {step.partial}" + (f" = {step.symbol}" if step.symbol else ""), step.local))
    rows += [["shapes" if i == 0 else "", line, "wide"] for i, line in enumerate(step.shapes)]
    rows += [
        row("contribution" if step.local is None else "contribution (product)", step.contribution, "sum"),
        row(f"{operand}.grad before", step.before),
        row(f"{operand}.grad after (+=)", step.after, "sum"),
    ]
    paths = f" Accumulated from {step.path} of {step.paths} paths." if step.paths > 1 else ""
    header = header_of(network, node)
    sentence = step.sentence.split(" (path ")[0]
    return {
        "n": node, "o": operand_number, "u": use, "g": [text, sign], "h": f"{out} {header}  →  {operand}", "r": rows,
        "s": f"Step {k + 1:,} of {total:,}. {sentence}.{paths}",
    }  # fmt: skip
