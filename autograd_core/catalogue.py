"""The table of operations as a reader sees it: names, formulas and derivatives, all read from the entries."""

from __future__ import annotations

from typing import Any

from .algebra import symbolic_partial, symbolic_value
from .op import TABLE, Op

__all__ = ["catalogue"]

_NAMES = ("x", "y", "z")


def catalogue(*, markdown: bool = False) -> str:
    """Every operation of the table, a user's own too: name, formula, derivatives by rule, and what it does.

    >>> print([line for line in catalogue().splitlines() if line.startswith("tanh")][0])
    tanh                 tanh(x)                          1 − out²                                 The hyperbolic tangent, an activation in (−1, 1).
    """
    rows = [(op.name, _formula(op), "; ".join(_partials(op)), op.doc) for op in TABLE.values()]
    if markdown:
        head = ["| operation | formula | derivative by each operand | what it is |", "|---|---|---|---|"]
        return "\n".join(head + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows])
    widths = (20, 32, 40)
    return "\n".join("".join(f"{cell:<{w}} " for cell, w in zip(row, widths, strict=False)) + row[-1] for row in rows)


def _formula(op: Op) -> str:
    if op.variadic or not op.elementwise:
        return op.text.format(*_NAMES) or f"{op.name}(…)"
    return _text(symbolic_value(op, _NAMES[: len(op.d)]))


def _partials(op: Op) -> list[str]:
    if not op.elementwise:
        return ["by pull-back"]
    if op.variadic:
        return ["xᵢ; wᵢ; 1"] if op.name == "weighted_sum" else ["one per operand"]
    names = _NAMES[: len(op.d)]
    return [_short(_text(symbolic_partial(op, slot, "out", names))) for slot, rule in enumerate(op.d) if rule is not None]


def _text(formula: Any) -> str:
    return formula.text() if hasattr(formula, "text") else f"{formula:g}".replace("-", "−")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
