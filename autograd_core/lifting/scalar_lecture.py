"""The lecture of a scalar program.

A short one is its own source, with the names of the leaves in place of numbers: `v7 = v0*v2 + v1` is read back as
`v1 = w*x0 + b`, and `g0 += g7*v2` as `dw += dv1*x0`. Nobody reads a thousand lines: of a long one, lines that compute alike are
told as one, `v2 = tanh(v1)   # (30,) ← 30 nodes`, where p stands for any parameter, x for any input and c for any number.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from .canonical import Canonical, Sum
from .formulas import Term, apply, called
from .lecture import Line
from .naming import number_text
from .statements import Statement, joined

__all__ = ["FEW", "ScalarListing", "Spoken", "scalar_lecture"]

FEW = 60
"""Lines forward up to which a program is told line by line."""

_SPEAKING = re.compile(r"[^\W\d]\w{0,11}(\[\d{1,4}\]){0,3}")
_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less",
    ast.LtE: "less_equal", ast.Eq: "equal", ast.NotEq: "not_equal", ast.And: "logical_and", ast.Or: "logical_or",
}  # fmt: skip


class Spoken(NamedTuple):
    """What a name in the source stands for: an operation of the table, with the numbers and options that belong to it."""

    name: str
    numbers: tuple[float, ...] = ()
    options: Mapping[str, object] = {}


class ScalarListing:
    """The lines of a scalar program as statements."""

    def __init__(self, graph: Canonical, source: dict[str, list[str]], functions: dict[str, Spoken]) -> None:
        """`source` holds the lines of the two passes, `functions` what the names in them stand for."""
        self.source, self.functions = source, functions
        self.names, self.live = _names(graph), graph.live

    def _read(self, text: str) -> str:
        return self._term(ast.parse(text, mode="eval").body).text

    def _term(self, e: ast.expr) -> Term:
        """An expression of the source, with the names of the lecture."""
        if isinstance(e, ast.Constant) and isinstance(e.value, float | int):
            return Term(number_text(e.value), flat=True)
        if isinstance(e, ast.Name):
            if e.id in self.functions:  # a number that has no literal
                return Term(self.functions[e.id].name)
            return Term(("d" if e.id[0] == "g" else "") + self.names[int(e.id[1:])])
        if isinstance(e, ast.UnaryOp):
            number = self._term(e.operand)
            return Term(f"-{number.text}", flat=True) if number.is_number() else apply("negative", [number])
        if isinstance(e, ast.BinOp):
            return apply(_SIGNS[type(e.op)], [self._term(e.left), self._term(e.right)])
        if isinstance(e, ast.Compare):
            return apply(_SIGNS[type(e.ops[0])], [self._term(e.left), self._term(e.comparators[0])])
        if isinstance(e, ast.BoolOp):
            return apply(_SIGNS[type(e.op)], [self._term(part) for part in e.values])
        if isinstance(e, ast.IfExp):
            test, one, other = (self._term(part) for part in (e.test, e.body, e.orelse))
            if (one.text, other.text) == ("1", "0"):
                return test
            return Term(f"{one.text} if {test.text} else {other.text}", 5)
        assert isinstance(e, ast.Call) and isinstance(e.func, ast.Name)
        spoken = self.functions[e.func.id]
        return called(spoken.name, map(self._term, e.args), spoken.numbers, spoken.options)

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
            found.append(Statement(name, f"{name} + {text}".replace(" + -", " - ") if sign == "+=" else text, (), 1 - seed, 0, (about,), ()))
        return [replace(s, expression=_collected(s.expression)) for s in joined(found)]


def _collected(text: str) -> str:
    """g * v + g * v is 2 * g * v."""
    terms = Counter(_terms(text))
    if all(n == 1 or term[0].isdigit() for term, n in terms.items()):
        return text
    return " + ".join(f"{n} * {term}" if n > 1 else term for term, n in terms.items())


def _terms(text: str) -> list[str]:
    """The terms of a sum, as far as they are added outside of all parentheses."""
    found, depth = [""], 0
    for part in re.split(r"( \+ )", text):
        if part == " + " and depth == 0:
            found.append("")
            continue
        found[-1] += part
        depth += sum(part.count(sign) for sign in "([") - sum(part.count(sign) for sign in ")]")
    return found


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
    name_of: dict[str | None, str] = {}
    groups: dict[str, tuple[str, list[int]]] = {}
    for node in graph.kept:
        text = _sum_text(graph.sums[node], called, coarse=coarse) if node in graph.sums else _application_text(graph, node, called)
        key = text if node != graph.root else None  # the root is a group of its own
        name = name_of.setdefault(key, "loss" if node == graph.root else f"v{len(name_of) + 1}")
        groups.setdefault(name, (text, []))[1].append(node)
        called[node] = "v" if coarse else name
    return groups


def _sum_text(total: Sum, called: dict[int, str], *, coarse: bool) -> str:
    """A sum in words, p·x + Σ₃ v1·v2 + 0.5, or if `coarse` Σ p·x: each kind of term with its number, without the coefficients."""
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


def _application_text(graph: Canonical, node: int, names: dict[int, str]) -> str:
    application = graph.applications[node]
    operands = [names[p] if p in names else number_text(graph.constants[p]) for p in application.operands]
    return called(application.op.name, map(Term, operands), application.numbers, application.options).text


def _in_groups(graph: Canonical, groups: dict[str, tuple[str, list[int]]]) -> list[Line]:
    return [
        Line(name, text, (len(nodes),) if len(nodes) > 1 else (), sum(graph.replaced[node] for node in nodes), tuple(nodes))
        for name, (text, nodes) in groups.items()
    ]
