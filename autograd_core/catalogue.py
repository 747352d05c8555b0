"""The table of operations as a reader sees it: names, formulas and derivatives, all read from the entries."""

from __future__ import annotations

import inspect
from itertools import zip_longest
from textwrap import wrap
from typing import Any

import numpy as np

from .algebra import symbolic_partial, symbolic_value
from .op import TABLE, Op

__all__ = ["catalogue"]

Row = tuple[str, str, list[str], str]
_NAMES = ("x", "y", "z")
_HEAD: Row = ("operation", "formula", ["derivatives"], "what it is")
_NARROWEST = 40
"""What derivatives and documentation get at the least: the longest word of ours is half as long."""


def catalogue(*, markdown: bool = False, width: int | None = None) -> str:
    """Every operation of the table, a user's own too: name, formula, derivatives by rule, and what it does.

    Args:
        markdown: As a Markdown table.
        width: Cells are folded so that lines have no more characters than that, where words allow it; None gives a line per operation.

    >>> line = next(line for line in catalogue().splitlines() if line.startswith("tanh "))
    >>> " ".join(line.split())
    'tanh tanh(x) 1 − out² The hyperbolic tangent, an activation in (−1, 1).'
    """
    rows: list[Row] = [(op.name, _formula(op), _partials(op), op.doc) for op in TABLE.values()]
    if markdown:
        cells = [_on_a_line(_HEAD), ("---",) * len(_HEAD), *(tuple(cell.replace("|", "\\|") for cell in _on_a_line(row)) for row in rows)]
        return "\n".join(f"| {' | '.join(row)} |" for row in cells)
    if width is None:
        return "\n".join(_aligned([_on_a_line(row) for row in rows]))
    head, *lines = _folded([_HEAD, *rows], width)
    return "\n".join([head, "─" * max(map(len, lines)), *lines])


def _on_a_line(row: Row) -> tuple[str, ...]:
    name, formula, partials, doc = row
    return name, formula, "; ".join(partials), doc


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _folded(rows: list[Row], width: int) -> list[str]:
    """Each derivative begins a line; a line that goes on is indented."""
    names, formulas = max(len(row[0]) for row in rows), 16
    rest = max(width - names - formulas - 6, _NARROWEST)
    partials, docs = rest // 2, rest - rest // 2
    lines: list[tuple[str, ...]] = []
    for name, formula, derivatives, doc in rows:
        columns = (
            [name],
            wrap(formula, formulas),
            [line for derivative in derivatives for line in wrap(derivative, partials, subsequent_indent="  ")],
            wrap(doc, docs, break_on_hyphens=False),
        )
        lines += zip_longest(*columns, fillvalue="")
    return _aligned(lines)


def _formula(op: Op) -> str:
    options = _options(op)
    if options:                                # how a rule calls it: m.clip(x, min=−inf, max=inf)
        operands = "…" if op.variadic else ", ".join(_NAMES[: len(op.d or op.vjp)])
        return f"{op.name}({operands}, {', '.join(options)})"
    if op.variadic or not op.elementwise:
        return op.text.format(*_NAMES) or f"{op.name}({'…' if op.variadic else ', '.join(_NAMES[: len(op.vjp)])})"
    return _text(symbolic_value(op, _NAMES[: len(op.d)]))


def _options(op: Op) -> list[str]:
    """The keyword-only options of the kernel, with their defaults."""
    try:
        parameters = [] if isinstance(op.array, np.ufunc) else list(inspect.signature(op.array).parameters.values())
    except (TypeError, ValueError):            # one of C's, which does not tell
        return []
    return [
        f"{p.name}={'…' if p.default is p.empty else _text(p.default) if isinstance(p.default, float) else repr(p.default)}"
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.name != "saved"
    ]


def _partials(op: Op) -> list[str]:
    if not op.elementwise:
        return ["by pull-back"]
    if op.variadic:
        return ["xᵢ", "wᵢ", "1"] if op.name == "weighted_sum" else ["one per operand"]
    names = _NAMES[: len(op.d)]
    return [_short(_text(symbolic_partial(op, slot, "out", names))) for slot, rule in enumerate(op.d) if rule is not None]


def _text(formula: Any) -> str:
    return formula.text() if hasattr(formula, "text") else f"{formula:g}".replace("-", "−")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
