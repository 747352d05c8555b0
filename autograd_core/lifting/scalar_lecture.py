"""The lecture of a scalar program.

A short one is its own source, with the names of the leaves in place of numbers: `v7 = v0*v2 + v1` is read back as
`v1 = w*x0 + b`, and `g0 += g7*v2` as `dw += dv1*x0`. Nobody reads a thousand lines: of a long one, lines that compute alike are
told as one, `v2 = tanh(v1)   # (30,) ← 30 nodes`, where p stands for any parameter, x for any input and c for any number.
"""

from __future__ import annotations

import re
from collections import Counter

from .canonical import Canonical, Sum
from .lecture import INFIX, Line
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


def scalar_lecture(graph: Canonical, listing: ScalarListing | None) -> list[Line]:
    """The forward pass: line by line, or without a listing in groups of lines that compute alike."""
    if listing is None:
        fine = _groups(graph, coarse=False)
        return _in_groups(graph, fine if len(fine) <= FEW else _groups(graph, coarse=True))
    told = zip(graph.kept, listing.statements("forward"), strict=True)
    return [Line(s.name, s.expression, (), graph.replaced[node], (node,)) for node, s in told]


_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _groups(graph: Canonical, *, coarse: bool) -> dict[str, tuple[str, list[int]]]:
    """By its name, each group of results: the expression they have in common, and the results.

    The operands of an expression are called by their groups; coarsely, any result is v.
    """
    called = dict.fromkeys(range(graph.parameters), "p") | dict.fromkeys(range(graph.parameters, graph.live), "x")
    name_of: dict[str, str] = {}
    groups: dict[str, tuple[str, list[int]]] = {}
    for node in graph.kept:
        text = _sum_text(graph.sums[node], called, coarse=coarse) if node in graph.sums else _application_text(graph, node, called)
        key = text if node != graph.root else "the root stands alone"
        name = name_of.setdefault(key, "loss" if node == graph.root else f"v{len(name_of) + 1}")
        groups.setdefault(name, (text, []))[1].append(node)
        called[node] = "v" if coarse else name
    return groups


def _sum_text(total: Sum, called: dict[int, str], *, coarse: bool) -> str:
    """p·x + Σ₃ v1·v2 + 0.5, or coarsely Σ p·x: what is added how often, whatever it is multiplied with."""
    kinds: Counter[tuple[str, str]] = Counter()
    for scale, x, y in total.terms:
        product = called[x] if y < 0 else f"{called[x]}²" if x == y else "·".join(sorted((called[x], called[y])))
        kinds["" if scale == 1.0 else "-" if scale == -1.0 else "c·", product] += 1
    words = [
        sign + (word if n == 1 else f"Σ {word}" if coarse else f"Σ{str(n).translate(_DIGITS)} {word}")
        for (sign, word), n in sorted(kinds.items(), key=lambda item: (item[0][0] == "-", item[0]))
    ]
    if total.offset:
        words.append("c" if coarse else number_text(total.offset))
    return " + ".join(words).replace("+ -", "- ") or "0"


def _application_text(graph: Canonical, node: int, called: dict[int, str]) -> str:
    application = graph.applications[node]
    operands = [called[p] if p in called else number_text(graph.constants[p]) for p in application.operands]
    words = [*operands, *map(number_text, application.numbers), *(f"{name}={value!r}" for name, value in application.options.items())]
    sign = INFIX.get(application.op.name)
    return f" {sign} ".join(words) if sign and len(words) == 2 else f"{application.op.name}({', '.join(words)})"


def _in_groups(graph: Canonical, groups: dict[str, tuple[str, list[int]]]) -> list[Line]:
    return [
        Line(name, text, (len(nodes),) if len(nodes) > 1 else (), sum(graph.replaced[node] for node in nodes), tuple(nodes))
        for name, (text, nodes) in groups.items()
    ]
