"""The page: one self-contained HTML file, for the chain rule in steps or for a picture that can be opened and moved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from .boxes import grad_text, header_of
from .graph import Graph
from .network import Network
from .scene import Scene, result_of
from .svg import Direction, svg
from .text import escape, sign_of
from .theme import Theme, variables

if TYPE_CHECKING:
    from .explain import ChainStep, Explanation

__all__ = ["document", "page", "safe_json"]

_CSP = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_LARGE = 1_500_000


def safe_json(data: object) -> str:
    """JSON that may stand inside a script element: no character of HTML is left in it.

    >>> safe_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
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
    pictures: list[str] = []
    kept: list[Scene] = []
    new_number: dict[int, int] = {}
    for number, scene in enumerate(scenes):
        if scene.parent is not None and scene.parent not in new_number:
            continue
        drawn = svg(scene.graph, direction=direction, theme=theme, steps=stepping)
        if kept and sum(map(len, pictures)) + len(drawn) > _LARGE:
            continue
        new_number[number] = len(kept)
        pictures.append(drawn)
        kept.append(scene)
    opens: list[list[tuple[int, int]]] = [[] for _ in kept]
    for number, scene in enumerate(scenes):
        if number in new_number and scene.parent is not None and scene.opened_by is not None:
            opens[new_number[scene.parent]].append((scene.opened_by, new_number[number]))
    final = explanation._final() if explanation is not None else {}
    data: dict[str, Any] = {
        "scenes": [
            {
                "title": scene.title if k else f"{'Backpropagation of' if stepping else 'Graph of'} {scene.title}",
                "parent": None if scene.parent is None else new_number[scene.parent],
                "opens": opens[k],
                **(_nodes(scene.graph) if explanation is None else _stepping(explanation._network, scene.graph, final)),
            }
            for k, scene in enumerate(kept)
        ],
        "steps": None,
    }
    table = ""
    if explanation is not None:
        data |= _steps(explanation, most)
        table = f"<details><summary>The chain rule as a table</summary><pre>{escape(explanation.table(most))}</pre></details>"
    here = files(__package__)
    title = escape(kept[0].graph.title if not stepping else f"Backpropagation of {kept[0].title}, step by step")
    templates = "".join(f'<template id="scene{k}">{drawn}</template>' for k, drawn in enumerate(pictures))
    body = f'<main class="page{" steps" if stepping else ""}">{_HEADER}{_PANEL if stepping else ""}{table}</main>{templates}'
    script = (here / "page.js").read_text(encoding="utf-8")
    return document(title, body, data=data, script=script, theme=theme)


def document(title: str, body: str, *, data: object, script: str, style: str = "", theme: Theme = "auto") -> str:
    """A self-contained page in the style of the house: no network, its data as JSON, one script. Title and body are HTML."""
    sheet = (files(__package__) / "page.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_CSP}"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{variables(theme)}{sheet}{style}</style></head><body>{body}"
        f'<script type="application/json" id="data">{safe_json(data)}</script>'
        f"<script>{script}</script></body></html>"
    )


_HEADER = (
    '<header><button id="back" hidden aria-label="Back to the picture around this one">‹ Back</button><h1 id="title"></h1>'
    '<span class="tools"><button id="smaller" aria-label="Smaller">−</button> '
    '<button id="larger" aria-label="Larger">+</button> <button id="fit">Whole</button></span></header>'
    '<div class="view" tabindex="0" role="group" aria-label="The graph; arrow keys move through the steps"></div>'
)
_PANEL = (
    '<aside aria-label="This step"><h2 id="head"></h2><dl id="rows"></dl>'
    '<p id="say" role="status" aria-live="polite"></p><p id="where"></p></aside>'
    '<nav aria-label="Steps"><button id="first" aria-label="To the start">«</button>'
    '<button id="prev">‹ Previous</button><button id="play" aria-pressed="false">Play</button>'
    '<button id="next">Next ›</button><button id="last" aria-label="To the end">»</button>'
    '<input id="range" type="range" min="0" value="0" step="1" aria-label="Step"><output id="count"></output></nav>'
)


def _nodes(graph: Graph) -> dict[str, Any]:
    return {"nodes": [box.members for box in graph.boxes], "uses": []}


def _stepping(network: Network, graph: Graph, final: dict[int, Any]) -> dict[str, Any]:
    """For each box its nodes, the one node whose gradient it shows, or the text that a folded box ends with."""
    live: list[int | None] = []
    ends: list[str] = []
    for box in graph.boxes:
        single = box.role not in ("module", "rest") and box.count == 1 and bool(box.members)
        live.append(result_of(network, box.members) if single else None)
        ends.append("" if single else _norm_of([final[i] for i in box.members if i in final]))
    return {
        "nodes": [box.members for box in graph.boxes],
        "uses": [edge.members for edge in graph.edges],
        "live": live,
        "final": ends,
    }


def _norm_of(gradients: Iterable[Any]) -> str:
    flat = [np.ravel(np.asarray(g, dtype=float)) for g in gradients]
    return grad_text(np.concatenate([*flat, np.zeros(2)]))[0] if flat else "?"


def _steps(explanation: Explanation, most: int) -> dict[str, Any]:
    """Every text that the panel shows."""
    network = explanation._network
    root, total = network.names[network.root], len(explanation)
    text, sign = grad_text(explanation.seed)
    from .explain import brief

    value = brief(network.data(network.root))
    seed = brief(explanation.seed)
    return {
        "root": network.root,
        "seed": [text, sign],
        "start": {
            "h": "Forward pass done",
            "r": [[f"{root}", value, ""]],
            "s": f"All values are known, no gradient yet. {total:,} products of the chain rule follow"
            + (f"; the first {most:,} are on this page." if total > most else "."),
        },
        "first": {
            "h": "Seed the output",
            "r": [[f"∂{root}/∂{root}", seed, "sum"]],
            "s": f"Step 1 of {total + 1}. The gradient of the output with respect to itself: {root}.grad = {seed}.",
        },
        "steps": [_step(network, step, k, total, brief) for k, step in enumerate(explanation.steps[:most])],
    }


def _step(network: Network, step: ChainStep, k: int, total: int, brief: Any) -> dict[str, Any]:
    out, operand, root = step.names
    node, operand_number, use = step.numbers
    text, sign = grad_text(step.after)

    def row(key: str, value: Any, extra: str = "") -> list[str]:
        words = brief(value)
        wide = "wide" if len(key) + len(words) > 38 else ""
        colour = ""
        if np.size(value) == 1 and value is not None:
            colour = {1: "plus", -1: "minus", 0: ""}[sign_of(float(np.reshape(value, ())))]
        return [key, words, " ".join(part for part in (wide, colour, extra) if part)]

    rows = [row(f"incoming  ∂{root}/∂{out}" + ("  = g" if step.local is None else ""), step.incoming)]
    if step.local is None:
        rows.append(["pull-back", f"{operand}.grad += {step.symbol or '…'}", "wide"])
    else:
        rows.append(row(f"local  ∂{out}/∂{operand}" + (f" = {step.symbol}" if step.symbol else ""), step.local))
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
        "s": f"Step {k + 2} of {total + 1}. {sentence}.{paths}",
    }  # fmt: skip
