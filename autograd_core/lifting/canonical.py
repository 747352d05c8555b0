"""The canonical form: every way of writing a sum of products becomes the same one.

`w[0]*x[0] + w[1]*x[1] + b`, `sum((wi*xi for …), b)`, a balanced tree of additions and the fused `weighted_sum` are one thing,
and before looking for matrix products they must look like one thing. So a `+` whose result is used only by another
`+` dissolves into it, a `*` used once by a `+` becomes one of its terms, `a - b` and `-a` are products with -1, a
division by a number is a product with its reciprocal, and factors that are plain numbers gather in a coefficient.
What is left are two kinds of node:

- a `Sum`:         c₀ + Σ coefficient · x · y        (y may be missing),
- an `Application`: op(operands), any other operation of the table.

65,818 nodes of a small network become 6,703. The form must not depend on the *values* of the numbers in the graph (a
label that happens to be 1, the 0 that `sum` starts with): two samples that were computed alike must come out alike, or
they could not be grouped later. Numbers are not distributed over sums either: k·(a + b) stays a product.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from autograd_core.errors import LiftError
from autograd_core.op import Op

from .tape import Tape

__all__ = ["Application", "Canonical", "Sum", "Survey", "Term", "canonicalise"]

Term = tuple[float, int, int]
"""(coefficient, position of x, position of y or -1)."""

_LEAF, _CONSTANT, _SUM, _PRODUCT, _APPLY = range(5)


class Sum(NamedTuple):
    """offset + Σ coefficient · x · y."""

    offset: float
    terms: list[Term]


class Application(NamedTuple):
    """op(*operands, *numbers, **options): `numbers` are trailing operands that belong to the operation (x**3)."""

    op: Op
    operands: tuple[int, ...]
    numbers: tuple[float, ...]
    options: dict[str, Any]

    @property
    def key(self) -> tuple[Any, ...]:
        """Applications of equal keys can run as one array operation."""
        if not self.numbers and not self.options:
            return (self.op,)
        return (self.op, self.numbers, tuple(sorted((k, _told(v)) for k, v in self.options.items())))


def _told(option: Any) -> str:
    """A string that two options share only if they are equal: an array shows every element, an object of another kind its identity."""
    if isinstance(option, np.ndarray) and not option.dtype.hasobject:
        return f"{option.dtype.str} {option.shape} {option.tobytes()!r}"
    if isinstance(option, tuple):
        return f"({', '.join(map(_told, option))})"
    plain = option is None or isinstance(option, (str, bool, int, float, np.generic))
    return repr(option) if plain else f"{type(option).__name__} {id(option)}"


class Survey(NamedTuple):
    """Facts about the positions of a graph, and its length as scalar source."""

    need: bytearray
    """Whether a position depends on a parameter."""
    height: list[int]
    """0 for leaves and numbers, else one more than that of the highest operand."""
    lines: int
    """How many lines the source has: one a node forward, one backward for each use whose gradient is needed."""


@dataclass
class Canonical:
    """The nodes that remain, in topological order, by their positions on the tape.

    `constants` holds the plain numbers that occur as operands, by position. `replaced[i]` is how many recorded operations node i
    stands for, and `owner` maps an absorbed node to the kept one that it went into. `input_shape` is the shape in which the caller
    listed the inputs, and `labels` are the labels of parameters and inputs.
    """

    size: int
    parameters: int
    inputs: int
    root: int
    kept: list[int]
    sums: dict[int, Sum]
    applications: dict[int, Application]
    constants: dict[int, float]
    replaced: dict[int, int]
    owner: dict[int, int]
    recorded: int
    input_shape: tuple[int, ...]
    labels: list[str] = field(default_factory=list)

    @property
    def live(self) -> int:
        """Positions below this one are leaves that can change."""
        return self.parameters + self.inputs

    def operands(self, node: int) -> list[int]:
        """The positions that a kept node reads, constants included, one entry a use."""
        if node in self.sums:
            return [p for _, x, y in self.sums[node].terms for p in (x, y) if p >= 0]
        return list(self.applications[node].operands)

    @cached_property
    def survey(self) -> Survey:
        """What every way of compiling asks about the whole graph, found in one pass."""
        need, height = bytearray(self.size), [0] * self.size
        need[: self.parameters] = b"\x01" * self.parameters
        lines = len(self.kept)
        for node in self.kept:
            operands = self.operands(node)
            height[node] = 1 + max(map(height.__getitem__, operands), default=0)
            wanted = sum(map(need.__getitem__, operands))
            if wanted:
                need[node] = 1
                lines += wanted
        return Survey(need, height, lines)


def _uses(tape: Tape) -> list[int]:
    uses = [0] * len(tape)
    for operands in tape.operands:
        for position in operands:
            uses[position] += 1
    uses[tape.root] += 2  # the root is read from outside: nothing may absorb it
    return uses


class _Canonicaliser:
    """One pass over the tape. `kind[i]` says what entry i has turned into."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.uses = _uses(tape)
        self.values = tape.values
        self.kind = [_LEAF] * tape.live + [_CONSTANT] * (len(tape) - tape.live)
        self.terms: dict[int, list[Term]] = {}
        self.offset: dict[int, float] = {}
        self.product: dict[int, Term] = {}
        self.applied: dict[int, Application] = {}
        self.owner: dict[int, int] = {}  # an absorbed entry → the one that absorbed it

    def add_sum(self, node: int, addends: Iterable[tuple[int, float]], terms: list[Term], offset: float = 0.0) -> None:
        """`node` becomes offset + terms + Σ sign · addend; the longest list is extended in place, so a chain costs O(n)."""
        for position, sign in addends:
            kind = self.kind[position]
            if kind == _CONSTANT:
                offset += sign * self.values[position]
            elif kind == _PRODUCT and self.uses[position] == 1:
                self.owner[position] = node
                k, x, y = self.product[position]
                terms.append((sign * k, x, y))
            elif kind == _SUM and sign == 1.0 and self.uses[position] == 1:
                self.owner[position] = node
                offset += self.offset.pop(position)
                more = self.terms.pop(position)
                if len(more) > len(terms):
                    more.extend(terms)
                    terms = more
                else:
                    terms.extend(more)
            else:
                terms.append((sign, position, -1))
        self.kind[node], self.terms[node], self.offset[node] = _SUM, terms, offset

    def sum_of(self, node: int) -> Sum:
        """The sum that a node of kind _SUM or _PRODUCT is."""
        return Sum(self.offset[node], self.terms[node]) if self.kind[node] == _SUM else Sum(0.0, [self.product[node]])

    def factor(self, node: int, into: int, *, whole: bool) -> tuple[float, int, int]:
        """A factor of the product `into`, as (coefficient, x, y): scaled nodes dissolve, so do products if `whole`."""
        mine = self.kind[node] == _PRODUCT and self.uses[node] == 1
        if mine and (whole or self.product[node][2] < 0) and _ordinary(self.product[node][0]):
            self.owner[node] = into
            return self.product[node]
        return 1.0, node, -1

    def add_product(self, node: int, x: int, y: int, op: Op) -> None:
        """`node` becomes x · y, by the operation `op` where that cannot be a term."""
        if self.kind[y] == _CONSTANT:
            x, y = y, x
        if self.kind[x] == _CONSTANT:
            if _ordinary(self.values[x]):
                self.add_scaled(node, self.values[x], y)
            else:                              # ∞·x: a coefficient would meet a gradient of 0, and make nan of it
                self.apply(node, Application(op, (x, y), (), {}))
            return
        self.kind[node] = _PRODUCT
        if x == y:
            self.product[node] = (1.0, x, x)
            return
        k, x, _ = self.factor(x, node, whole=False)
        q, y, _ = self.factor(y, node, whole=False)
        self.product[node] = (k * q, x, y)

    def add_scaled(self, node: int, number: float, x: int) -> None:
        """`node` becomes number · x."""
        k, p, q = self.factor(x, node, whole=True)
        self.kind[node], self.product[node] = _PRODUCT, (number * k, p, q)

    def add_dot(self, node: int, operands: tuple[int, ...]) -> None:
        """`node` becomes w₀x₀ + w₁x₁ + … + b."""
        terms: list[Term] = []
        number, half = 0.0, len(operands) // 2
        if any(self.kind[p] == _CONSTANT and not math.isfinite(self.values[p]) for p in operands[:-1]):
            raise LiftError("lift: the graph holds a weighted_sum with nan or inf among its plain numbers, expected finite ones; write the sum out.")
        for w, x in zip(operands[:half], operands[half:-1], strict=True):
            if self.kind[w] == self.kind[x] == _CONSTANT:
                number += self.values[w] * self.values[x]
            elif self.kind[w] == _CONSTANT:
                terms.append((self.values[w], x, -1))
            elif self.kind[x] == _CONSTANT:
                terms.append((self.values[x], w, -1))
            else:
                terms.append((1.0, w, x))
        self.add_sum(node, ((operands[-1], 1.0),), terms, number)

    def visit(self, node: int) -> None:
        """Turn one recorded operation into its canonical form."""
        op = self.tape.ops[node]
        if op is None:
            return
        operands, options = self.tape.operands[node], self.tape.options[node]
        kind = self.kind
        if kind[operands[0]] == _CONSTANT and all(kind[p] == _CONSTANT for p in operands):
            return  # a number: its recorded value stands
        name = op.name
        if name == "add":
            self.add_sum(node, ((operands[0], 1.0), (operands[1], 1.0)), [])
        elif name == "mul":
            self.add_product(node, operands[0], operands[1], op)
        elif name == "sub":
            self.add_sum(node, ((operands[0], 1.0), (operands[1], -1.0)), [])
        elif name == "neg":
            self.add_scaled(node, -1.0, operands[0])
        elif name == "weighted_sum":
            self.add_dot(node, operands)
        elif name == "div" and self.kind[operands[1]] == _CONSTANT and _invertible(self.values[operands[1]]):
            self.add_scaled(node, 1.0 / self.values[operands[1]], operands[0])
        elif name == "power" and self.kind[operands[1]] == _CONSTANT:
            exponent = self.values[operands[1]]
            if exponent == 2.0:
                self.add_product(node, operands[0], operands[0], op)
            else:
                self.apply(node, Application(op, operands[:1], (exponent,), options))
        else:
            self.apply(node, Application(op, operands, (), options))

    def apply(self, node: int, application: Application) -> None:
        self.kind[node], self.applied[node] = _APPLY, application


def _ordinary(number: float) -> bool:
    """Whether a number may be a coefficient: gathered with another one it neither overflows nor vanishes."""
    return number == 0.0 or 1e-100 < abs(number) < 1e100


def _invertible(number: float) -> bool:
    """Whether 1/number is an ordinary number, so that dividing by it and multiplying by its reciprocal agree."""
    return 1e-100 < abs(number) < 1e100


def canonicalise(tape: Tape, input_shape: tuple[int, ...] | None = None) -> Canonical:
    """Bring a tape into the form that this module describes."""
    work = _Canonicaliser(tape)
    for node in range(len(tape)):
        work.visit(node)
    kept = [node for node, kind in enumerate(work.kind) if kind > _CONSTANT and node not in work.owner]
    sums = {node: work.sum_of(node) for node in kept if work.kind[node] in (_SUM, _PRODUCT)}
    root, size = tape.root, len(tape)
    if root < tape.live:  # the root is a leaf: give it a sum of its own
        sums[size] = Sum(0.0, [(1.0, root, -1)])
    elif work.kind[root] == _CONSTANT:
        sums[size] = Sum(tape.values[root], [])
    if size in sums:
        kept.append(size)
        root, size = size, size + 1
    replaced = dict.fromkeys(kept, 1)
    for node in reversed(work.owner):          # who is absorbed later comes first: the owner of an owner is final
        owner = work.owner[node]
        work.owner[node] = owner = work.owner.get(owner, owner)
        replaced[owner] += 1
    return Canonical(
        size=size,
        parameters=tape.parameters,
        inputs=tape.inputs,
        root=root,
        kept=kept,
        sums=sums,
        applications=work.applied,
        constants={
            p: work.values[p]
            for application in work.applied.values()
            for p in application.operands
            if work.kind[p] == _CONSTANT
        },
        replaced=replaced,
        owner=work.owner,
        recorded=sum(op is not None for op in tape.ops),
        input_shape=(tape.inputs,) if input_shape is None else input_shape,
    )


