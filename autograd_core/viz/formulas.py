"""Members of a stack as formulas: the first in symbols, `Σ₂ w1·x + b1`, and some with their own names and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .network import Network
from .text import clean, number

__all__ = ["Formulas"]

_SUBSCRIPTS = str.maketrans("0123456789,", "₀₁₂₃₄₅₆₇₈₉ ")
_DEEP = 12  # operations inside one another in a formula before it is cut


class _Symbols(Protocol):
    def __call__(self, i: int, *, exact: bool) -> str: ...


class Formulas:
    """Writes what a member computes. Sums and products are flattened without recursion: a sum may have 100,000 terms."""

    def __init__(self, network: Network, head: dict[int, int], symbol: _Symbols) -> None:
        """`head` maps each operation to the member it belongs to, `symbol` names the operands from outside."""
        self.network, self.head, self.symbol = network, head, symbol
        self.varying: set[int] = set()

    def of_stack(self, heads: Sequence[int], inside: dict[int, list[int]]) -> str:
        """The first member, with c for numbers in which the members differ and equal terms counted."""
        first = self._numbers(inside[heads[0]])
        different: set[int] = set()
        values = [self.network.data(i) for i in first]
        for h in heads[1:]:
            others = self._numbers(inside[h])
            for slot, (value, i) in enumerate(zip(values, others, strict=False)):
                if self.network.data(i) != value:
                    different.add(first[slot])
        self.varying = different
        return self._text(heads[0], False)

    def of_member(self, head: int) -> str:
        """One member with the names and numbers of its own operands, and its result."""
        self.varying = set()
        left = self.symbol(head, exact=True)
        text = clean(self._text(head, True), 200)
        return f"{left} = {text} = {number(float(self.network.data(head)))}"

    def _numbers(self, nodes: Sequence[int]) -> list[int]:
        """The plain numbers among the operands."""
        network = self.network
        return [j for i in nodes for j in self._operands(i) if network.op(j) is None and not hasattr(network.nodes[j], "label")]

    def _operands(self, i: int) -> list[int]:
        return [self.network.uses[k].operand for k in self.network.incoming[i]]

    def _inner(self, j: int, i: int) -> bool:
        return j in self.head and self.head[j] == self.head[i]

    def _terms(self, i: int) -> list[tuple[bool, int]]:
        """The terms of a sum in order, with whether they are subtracted."""
        found, pending = [], [(False, i, True)]
        while pending:
            minus, j, inner = pending.pop()
            op = self.network.op(j)
            name = op.name if inner and op is not None else ""
            if name in ("add", "sub", "neg"):
                operands = self._operands(j)
                signs = [minus, minus != (name == "sub")] if len(operands) > 1 else [not minus]
                pending += [(s, o, self._inner(o, i)) for s, o in reversed(list(zip(signs, operands, strict=True)))]
            else:
                found.append((minus, j))
        return found

    def _factors(self, i: int) -> list[int]:
        found, pending = [], [i]
        while pending:
            j = pending.pop()
            op = self.network.op(j)
            if op is not None and op.name == "mul" and self._inner(j, i):
                pending += reversed(self._operands(j))
            else:
                found.append(j)
        return found

    def _operand(self, j: int, i: int, exact: bool, depth: int) -> tuple[str, bool]:
        """An operand of node i, and whether it is a sum."""
        if self._inner(j, i):
            if depth > _DEEP:
                return "…", False
            op = self.network.op(j)
            return self._text(j, exact, depth + 1), op is not None and op.name in ("add", "sub", "neg", "weighted_sum")
        if self.network.op(j) is None and not hasattr(self.network.nodes[j], "label"):
            return ("c" if j in self.varying else number(float(self.network.data(j)))), False
        return self.symbol(j, exact=exact), False

    def _text(self, i: int, exact: bool, depth: int = 0) -> str:
        op = self.network.op(i)
        assert op is not None
        operands = self._operands(i)
        if op.name in ("add", "sub", "neg"):
            return self._sum([(s, self._operand(j, i, exact, depth)[0] if j != i else "…") for s, j in self._terms(i)], exact)
        if op.name == "weighted_sum":
            half = len(operands) // 2
            pairs = zip(operands[:half], operands[half:-1], strict=True)
            terms = [(False, "·".join(self._atom(j, i, exact, depth) for j in pair)) for pair in pairs]
            bias = self._operand(operands[-1], i, exact, depth)[0]
            return self._sum(terms + [(False, bias)] * (bias != "0"), exact)
        if op.name == "mul":
            factors = [self._atom(j, i, exact, depth) for j in self._factors(i)]
            return f"{factors[0]}²" if len(factors) == 2 and factors[0] == factors[1] and operands[0] == operands[1] else "·".join(factors)
        if op.name == "square" or (op.name == "power" and self.network.data(operands[1]) == 2):
            return f"{self._atom(operands[0], i, exact, depth)}²"
        if op.name == "div":
            return " / ".join(self._atom(j, i, exact, depth) for j in operands)
        return f"{op.name}({', '.join(self._operand(j, i, exact, depth)[0] for j in operands)})"

    def _atom(self, j: int, i: int, exact: bool, depth: int) -> str:
        text, is_sum = self._operand(j, i, exact, depth)
        return f"({text})" if is_sum or text.startswith("−") else text

    def _sum(self, terms: list[tuple[bool, str]], exact: bool) -> str:
        """Terms with their signs; equal ones are counted or, if `exact`, the many in the middle left out."""
        terms = [term for term in terms if term[1] != "0"] or terms[:1]
        if exact:
            left = len(terms) - 3
            if left > 1:
                terms = [*terms[:2], (False, f"⋯ {left:,} terms more ⋯"), terms[-1]]
            counted = dict.fromkeys(enumerate(terms), 1)
            listed = [(sign, text, n) for (_, (sign, text)), n in counted.items()]
        else:
            alike: dict[tuple[bool, str], int] = {}
            for term in terms:
                alike[term] = alike.get(term, 0) + 1
            listed = [(sign, text, n) for (sign, text), n in alike.items()]
        out = ""
        for sign, text, n in listed:
            word = f"Σ{f'{n:,}'.translate(_SUBSCRIPTS)} {text}" if n > 1 else text
            if word.startswith("−") and out:
                sign, word = not sign, word[1:]
            out += (" − " if sign else " + ") + word if out else ("−" if sign else "") + word
        return out
