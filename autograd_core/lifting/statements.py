"""Statements: a program as it runs, in formulas, with the calls that each of them takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

__all__ = ["Cost", "Readable", "Statement", "format_statements", "joined", "outside"]

_JOINED = 60
"""The longest expression that the next statement is joined to."""

_RECIPROCAL = re.compile(r"1 / \w+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the program as it runs: what is written, by which expression, in how many calls.

    `names` are the arrays of the lecture that it belongs to: dW1 = … is about W1. `products` counts products of matrices.
    """

    name: str
    expression: str
    shape: tuple[int, ...]
    calls: int
    products: int
    names: tuple[str, ...]
    functions: tuple[str, ...]

    def with_cost(self, cost: Cost) -> Statement:
        """The same statement, after some calls more."""
        calls, products, functions = Cost(self.calls, self.products, self.functions).plus(cost)
        return replace(self, calls=calls, products=products, functions=functions)


class Readable(Protocol):
    """A compiled program whose passes can be read back."""

    def statements(self, section: str) -> list[Statement]:
        """What the "forward" or "backward" pass computes."""

    def leaf_names(self) -> list[str]:
        """What the parameters and then the inputs are called."""


def format_statements(statements: list[Statement]) -> list[str]:
    """The statements as text, comments aligned."""
    texts = [f"{s.name} = {s.expression}" for s in statements]
    width = min(max(map(len, texts), default=0), 72)
    return [
        f"{text:<{width}}   # {f'{s.shape}, ' if s.shape else ''}{s.calls} call{'s' * (s.calls != 1)}" if s.functions else text
        for text, s in zip(texts, statements, strict=True)
    ]


def joined(statements: list[Statement]) -> list[Statement]:
    """Statements that continue with what the one before wrote, joined into one: dH = Wᵀ @ dv, then dH = dH * (1 - H²)."""
    found: list[Statement] = []
    for statement in statements:
        before = found[-1] if found else statement
        own = re.compile(rf"(?<![\w\]]){re.escape(statement.name)}(?![\w\[ᵀ²])")
        spots = list(own.finditer(statement.expression))
        if not found or before.name != statement.name or len(spots) != 1 or len(before.expression) > _JOINED:
            found.append(statement)
            continue
        start, stop = spots[0].span()
        head, tail = statement.expression[:start], statement.expression[stop:]
        signs = outside(before.expression)
        text = f"{head}{before.expression}{tail}" if _stands_bare(signs, head, tail) else f"{head}({before.expression}){tail}"
        if _RECIPROCAL.fullmatch(before.expression) and head.endswith(" * "):  # g / v, not g * (1 / v)
            text = f"{head[:-3]} / {before.expression.removeprefix('1 / ')}{tail}"
        names = tuple(dict.fromkeys(before.names + statement.names))
        cost = Cost(statement.calls, statement.products, statement.functions)
        found[-1] = replace(before.with_cost(cost), expression=text, names=names)
    return found


def _stands_bare(signs: set[str], head: str, tail: str) -> bool:
    """Whether an expression with these signs needs no parentheses between what comes before it and what comes after it."""
    if not signs or (head.endswith("(") and tail[:1] in ",)"):
        return True
    if not head:
        return tail[:3] in (" + ", " - ") or signs == {"*"} == {tail[1:2]}
    return head.endswith((" * ", "-")) and signs == {"*"}


def outside(text: str) -> set[str]:
    """The signs between the operands of an expression, outside all parentheses."""
    depth, found = 0, set()
    for character, after in zip(text, text[1:] + " ", strict=True):
        depth += (character in "([") - (character in ")]")
        if character == " " and depth == 0 and not after.isalnum():
            found.add(after)
    return found - set("([") if text else found


class Cost(NamedTuple):
    """What has been spent on an expression: calls, products of matrices among them, and the functions called."""

    calls: int = 0
    products: int = 0
    functions: tuple[str, ...] = ()

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(self.calls + other.calls, self.products + other.products, self.functions + other.functions)
