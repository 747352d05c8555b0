"""The four ways to read a rule: numbers, arrays, nodes and symbols.

A rule calls `m.exp(x)` or `m.where(c, a, b)`, and uses Python's operators. Which `m` it is handed decides what comes
out: a float, an array, a graph, or a formula. Each algebra gets a function for every entry of the table as the entry
is declared, besides a few questions about shapes, through which no derivative flows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from .expression import Symbol, apply_symbolically
from .ieee import as_numpy
from .op import INSTALLERS, TABLE, Op

__all__ = ["ARRAYS", "NODES", "NUMBERS", "SYMBOLS", "Algebra", "on_floats", "symbolic_partial", "symbolic_value"]


class Algebra:
    """A namespace with one function per operation of the table."""

    def __init__(self, name: str, derive: Callable[[Op], Callable[..., Any]], data: Callable[[Any], Any]) -> None:
        """`derive` makes the function for an entry; `data` gives the plain number or array behind an operand."""
        self._name, self._derive, self.data = name, derive, data
        for op in TABLE.values():
            self._install(op)
        INSTALLERS.append(self._install)

    def _install(self, op: Op) -> None:
        setattr(self, op.name, self._derive(op))

    if TYPE_CHECKING:                          # the names are those of the table; a real one would slow every m.exp down

        def __getattr__(self, name: str) -> Any:
            """A function for an operation of the table."""

    def __repr__(self) -> str:
        """The algebra by its name."""
        return self._name

    def shape(self, x: Any) -> tuple[int, ...]:
        """The shape of an operand; () for a number."""
        return np.shape(self.data(x))

    def mask(self, condition: Any, x: Any) -> Any:  # noqa: ARG002 - what kind of 1 matters to arrays alone
        """1 where a condition holds, else 0, to be multiplied with numbers like x."""
        return condition

    def ndim(self, x: Any) -> int:
        """The number of axes of an operand."""
        return np.ndim(self.data(x))

    def named(self, name: str, make: Callable[[], Any]) -> Any:  # noqa: ARG002 - the name is for symbols
        """A constant that a rule makes from data; a formula calls it by its name."""
        return make()


def on_floats(op: Op) -> Callable[..., Any]:
    """The kernel of an entry on Python floats: its own, also where its name belongs to another entry by now."""
    return op.scalar if op.scalar is not None else partial(as_numpy, op.array)


def _on_symbols(op: Op) -> Callable[..., Any]:
    return partial(apply_symbolically, op)


def _on_nodes(op: Op) -> Callable[..., Any]:
    return lambda *operands, **params: op(*operands, **params)


class _Symbols(Algebra):
    """Symbols: a condition is written out."""

    def mask(self, condition: Any, x: Any) -> Any:  # noqa: ARG002
        """1 where a condition holds, else 0."""
        return self.where(condition, 1.0, 0.0)

    def named(self, name: str, make: Callable[[], Any]) -> Any:  # noqa: ARG002 - there is no data to make it from
        """A constant that a rule makes from data; a formula calls it by its name."""
        return Symbol(name)


class _Arrays(Algebra):
    """Arrays: truth values multiply more quickly as numbers; large arrays of them as bytes, an eighth of the memory."""

    def shape(self, x: Any) -> tuple[int, ...]:
        """The shape of an operand; () for a number."""
        return x.shape if x.__class__ is ndarray else np.shape(x)

    def ndim(self, x: Any) -> int:
        """The number of axes of an operand."""
        return x.ndim if x.__class__ is ndarray else np.ndim(x)

    def mask(self, condition: Any, x: Any) -> Any:
        """1 where a condition holds, else 0."""
        if condition.__class__ is not ndarray or x.__class__ is not ndarray:
            return condition
        return condition.astype(x.dtype) if x.size <= 4096 else condition.view(np.int8)


NUMBERS = Algebra("NUMBERS", on_floats, lambda x: x)
ARRAYS = _Arrays("ARRAYS", lambda op: op.array, lambda x: x)
NODES = Algebra("NODES", _on_nodes, lambda x: getattr(x, "_value", x))
SYMBOLS = _Symbols("SYMBOLS", _on_symbols, lambda x: x)


def symbolic_value(op: Op, operands: tuple[Any, ...], params: Mapping[str, Any] | None = None) -> Any:
    """The formula of an operation applied to names and numbers.

    >>> str(symbolic_value(TABLE["mul"], ("w", "x")))
    'w·x'
    """
    return apply_symbolically(op, *map(_symbol, operands), **(params or {}))


def symbolic_partial(
    op: Op, slot: int, out: Any, operands: tuple[Any, ...], params: Mapping[str, Any] | None = None, g: Any = "g"
) -> Any:
    """The local derivative ∂out/∂operand as a formula, read from the rule.

    Operands are names, numbers where the graph has a constant, or symbols, which may have a `shape` for the rules that ask for one.
    The result is an `Expression`, or a number where the derivative is one. For a structural entry, whose rule is a pull-back, it is
    the formula of the contribution in terms of the incoming gradient `g`, or None where its rule cannot be read. For an entry with any
    number of operands a `slot` below 0 asks for the formulas of all of them at once.

    >>> str(symbolic_partial(TABLE["tanh"], 0, "h", ("z",)))
    '1 − h²'
    >>> str(symbolic_partial(TABLE["power"], 0, "y", ("x", 3.0)))
    '3·x²'
    """
    rules = op.d or op.vjp
    rule = rules[0] if op.variadic else rules[slot]
    if rule is None:
        return 0.0
    head: tuple[Any, ...] = () if op.d else (_symbol(g),)
    try:
        result = rule(SYMBOLS, *head, _symbol(out), *map(_symbol, operands), **(params or {}))
    except Exception:
        if op.d:
            raise
        return None
    return result[slot] if op.variadic and slot >= 0 else result


def _symbol(operand: Any) -> Any:
    return Symbol(operand) if isinstance(operand, str) else operand
