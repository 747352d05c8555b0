"""The lecture of a short scalar program: its own source, with the names of the leaves in place of numbers.

`v7 = v0*v2 + v1` is read back as `v1 = w*x0 + b`, and `g0 += g7*v2` as `dw += dv1*x0`. A long program is told in one line: nobody
reads a thousand.
"""

from __future__ import annotations

import re

from .canonical import Canonical
from .lecture import Line
from .naming import number_text
from .statements import Statement, joined

__all__ = ["FEW", "ScalarListing", "scalar_lecture"]

FEW = 60
"""Lines forward up to which a program is told line by line."""

_SPEAKING = re.compile(r"[^\W\d]\w{0,11}(\[\d{1,4}\]){0,3}")
_WORD = re.compile(r"\b([vg])(\d+)\b|\b(f\d+)\b|(\()?(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?(4)\))")

_SQUARE, _MINUS = re.compile(r"(?<![\w\]* /] )(?<![\w*/])([^\W\d][\w\[\]]*) \* \1(?![\w\[(])"), re.compile(r"\+ \(-([\w.]+)\)")
_SQUARE_OF = re.compile(r"\bsquare\(([^\W\d][\w\[\]]*)\)")


class ScalarListing:
    """The lines of a scalar program as statements."""

    def __init__(self, graph: Canonical, source: dict[str, list[str]], functions: dict[str, str]) -> None:
        """`source` holds the lines of the two passes, `functions` what the names in them stand for."""
        self.source, self.functions = source, functions
        self.names, self.live = _names(graph), graph.live

    def _read(self, text: str) -> str:
        def word(found: re.Match[str]) -> str:
            kind, position, function, _, number = found.groups()
            if kind:
                return ("d" if kind == "g" else "") + self.names[int(position)]
            if function:
                return self.functions.get(function, function)
            return f"({number_text(float(number))})" if number.startswith("-") else number_text(float(number))

        spaced = _WORD.sub(word, text).replace("*", " * ").replace(" *  * ", "**")
        return _SQUARE_OF.sub(r"\1²", _SQUARE.sub(r"\1²", _MINUS.sub(r"- \1", spaced)))

    def leaf_names(self) -> list[str]:
        """Each leaf is called by a name of its own."""
        return [self.names[i] for i in range(self.live)]

    def statements(self, section: str) -> list[Statement]:
        """A statement a line."""
        found: list[Statement] = []
        for line in self.source[section]:
            left, sign, right = re.split(r" (\+?=) ", line, maxsplit=1)
            name, text = self._read(left), self._read(right)
            about = name[1:] if section == "backward" else name
            seed = section == "backward" and not found
            found.append(Statement(name, f"{name} + {text}" if sign == "+=" else text, (), 1 - seed, 0, (about,), ()))
        return joined(found)


def _names(graph: Canonical) -> dict[int, str]:
    """Leaves by their labels where those can be read and differ, else p1, x1, …; results v1, v2, …, loss."""
    labels = [label if _SPEAKING.fullmatch(label) and label.isprintable() else "" for label in graph.labels] or [""] * graph.live
    reserved = {f"v{i}" for i in range(1, len(graph.kept) + 1)} | {"loss"}
    names: dict[int, str] = {}
    for i, label in enumerate(labels):
        alone = label and labels.count(label) == 1 and label not in reserved
        names[i] = label if alone else f"p{i + 1}" if i < graph.parameters else f"x{i - graph.parameters + 1}"
    if len(set(names.values())) < len(names):
        names = {i: f"p{i + 1}" if i < graph.parameters else f"x{i - graph.parameters + 1}" for i in names}
    for k, node in enumerate(graph.kept, 1):
        names[node] = "loss" if node == graph.root else f"v{k}"
    return names


def scalar_lecture(graph: Canonical, lines: int, listing: ScalarListing | None) -> list[Line]:
    """The forward pass, line by line if there are few."""
    if listing is None:
        return [Line("loss", f"{lines:,} lines of scalar source", (), graph.recorded, tuple(graph.kept))]
    told = zip(graph.kept, listing.statements("forward"), strict=True)
    return [Line(s.name, s.expression, (), graph.replaced[node], (node,)) for node, s in told]
