"""The rule book, read by the compiler.

A derivative rule is a plain function of an algebra `m`. Handed symbols, it gives a formula: a small tree that says what
was asked for, `1 - out*out` for tanh. A formula can be printed as NumPy calls into buffers (`write_array`) or as Python
source on floats (`write_scalar`), so a lifted program computes derivatives by the very rule that eager `backward()`
uses, for every operation of the table and for those that a user adds.

A rule that gives no formula (a Python `if`, a function outside the table) is simply called each time, on arrays or on
floats: slower by an allocation or two, never wrong.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core.algebra import ARRAYS, NUMBERS, SYMBOLS, on_floats
from autograd_core.expression import Expression, Symbol
from autograd_core.op import Op

from .script import Array, Script

__all__ = ["LocalDerivative", "kernel_call", "scalar_kernel", "write_array", "write_scalar"]

_RELATIONS = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "&": np.logical_and,
    "|": np.logical_or,
}
_PYTHON = {"add": "+", "sub": "-", "mul": "*", "&": "and", "|": "or"}
_POWERS: dict[float, Any] = {2.0: np.square, -1.0: np.reciprocal, 0.5: np.sqrt}


class LocalDerivative:
    """∂out/∂operand of one operation, its trailing `numbers` and its options being fixed.

    `formula` is the rule as a formula, a plain number where the derivative is constant, or None where the rule can
    only be called.
    """

    __slots__ = ("formula", "numbers", "op", "options", "slot")

    def __init__(self, op: Op, slot: int, arity: int, numbers: tuple[float, ...], options: dict[str, Any]) -> None:
        """Read the rule for the operand in a slot, of as many operands as `arity` says."""
        self.op, self.slot, self.numbers, self.options = op, slot, numbers, options
        try:
            formula = self._evaluate(SYMBOLS, Symbol("out"), *[Symbol(f"x{i}") for i in range(arity)])
        except Exception:                      # whatever a user's rule does with symbols, it can still be called
            formula = None
        if any(isinstance(option, np.ndarray) and option.ndim for option in options.values()):
            formula = None                     # formulas are made of symbols and plain numbers
        if isinstance(formula, bool | int | float | np.number):
            formula = float(formula)
        self.formula: Expression | float | None = formula if isinstance(formula, float | Expression) else None

    def _evaluate(self, m: Any, out: Any, *operands: Any) -> Any:
        rule = self.op.d[0] if self.op.variadic else self.op.d[self.slot]
        if rule is None:
            return 0.0
        result = rule(m, out, *operands, *self.numbers, **self.options)
        return result[self.slot] if self.op.variadic else result

    def reads(self, symbol: str) -> bool:
        """Whether the formula mentions "out" or an operand ("x0", "x1", …)."""
        return isinstance(self.formula, Expression) and symbol in self.formula.symbols()

    def on_arrays(self, out: Array, *operands: Array) -> Any:
        """The partial derivative on arrays, by calling the rule."""
        return self._evaluate(ARRAYS, out, *operands)

    def __call__(self, out: float, *operands: float) -> float:
        """The partial derivative at a point, by calling the rule; with IEEE arithmetic where Python's raises."""
        try:
            return float(self._evaluate(NUMBERS, out, *operands))
        except (ArithmeticError, ValueError, TypeError):
            return float(self._evaluate(ARRAYS, np.float64(out), *map(np.float64, operands)))


# ------------------------------------------------------------------------------------------------- as NumPy calls


def _is_number(x: Any, number: float) -> bool:
    return isinstance(x, float | int) and x == number


def _is_mask(e: Expression) -> bool:
    """1 where a condition holds, else 0."""
    return not isinstance(e.op, str) and e.op.name == "where" and _is_number(e.args[1], 1.0) and _is_number(e.args[2], 0.0)


def _exact_step(x: Array, out: Array) -> None:
    np.heaviside(x, 0.0, out)


class _ArrayWriter:
    """Writes one formula as calls; a subtree that occurs twice is computed once."""

    def __init__(self, script: Script, shape: tuple[int, ...], symbols: dict[str, Array], slot: int) -> None:
        self.script = script
        self.shape = shape
        self.symbols = symbols
        self.slot = slot
        self.known: dict[int, Array] = {}

    def value(self, e: Any, out: Array | None = None) -> Any:
        """The array (or number) that holds a formula's value; it is computed into `out` if that is given."""
        if not isinstance(e, Expression):
            return float(e)
        if not e.args:
            return self.symbols[str(e.op)]
        if id(e) not in self.known and _is_mask(e):  # the bytes 1 and 0 of booleans serve as they are: no array of floats is written
            self.known[id(e)] = self.truth(e.args[0]).view(np.int8)
        if id(e) not in self.known:
            if out is None:
                self.slot += 1
                kind = np.bool_ if isinstance(e.op, str) else self.script.dtype
                out = self.script.scratch(self.shape, self.slot, kind)
            self.write(e, out)
            self.known[id(e)] = out
        return self.known[id(e)]

    def truth(self, condition: Any) -> Array:
        """A condition as an array of booleans; a number counts as true unless it is 0."""
        value: Array = self.value(condition)
        if value.dtype != np.bool_:
            self.slot += 1
            value, number = self.script.scratch(self.shape, self.slot, np.bool_), value
            self.script.call(np.not_equal, number, 0.0, value)
        return value

    def write(self, e: Expression, out: Array) -> None:
        """Compute a formula that is not a symbol into `out`."""
        if isinstance(e.op, str):
            self.script.call(_RELATIONS[e.op], *[self.value(a) for a in e.args], out)
            return
        if e.op.name == "where":
            condition, x, y = e.args
            condition, x, y = self.truth(condition), self.value(x), self.value(y)
            self.script.call(np.copyto, out, y)
            self.script.text("{0}({1}, {2}, 'same_kind', {3})", np.copyto, out, x, condition)
            return
        values = [self.value(a) for a in e.args]
        if e.op.name == "step":  # nan > 0 is false, where the exact step of nan is nan: left to the careful script
            positive = self.script.scratch(self.shape, self.slot + 1, np.bool_)
            self.script.call(np.greater, values[0], 0.0, positive)
            self.script.call(np.copyto, out, positive)
            self.script.careful(_exact_step, values[0], out)
            return
        numbers: tuple[float, ...] = ()
        if e.op.name == "power" and isinstance(e.args[1], float | int):
            values, numbers = values[:1], (float(e.args[1]),)
        kernel_call(self.script, e.op, values, numbers, e.params or {}, out)


def _ufunc(op: Op, numbers: tuple[float, ...]) -> tuple[Any, tuple[float, ...]] | None:
    """A ufunc (and trailing numbers) equal to the entry's kernel, which can write straight into a buffer."""
    if op.name == "power":
        if numbers and numbers[0] in _POWERS:
            return _POWERS[numbers[0]], ()
        return np.power, numbers
    if op.name == "relu":
        return np.maximum, (0.0,)
    if op.name == "step":
        return np.heaviside, (0.0,)
    return (op.array, numbers) if isinstance(op.array, np.ufunc) else None


def kernel_call(
    script: Script, op: Op, operands: Sequence[Any], numbers: tuple[float, ...], options: dict[str, Any], out: Array
) -> None:
    """Append the call that computes out = op(*operands, *numbers, **options) by the entry's own array kernel."""
    direct = None if options else _ufunc(op, numbers)
    if direct is not None:
        function, trailing = direct
        arguments: list[Any] = [*operands, *trailing]
        if function in (np.maximum, np.minimum):
            arguments = [script.full(out.shape, float(x)) if isinstance(x, float | int) else x for x in arguments]
        script.call(function, *arguments, out)
        return
    kernel = functools.partial(op.array, **options) if options else op.array
    names = ", ".join(f"{{{i + 2}}}" for i in range(len(operands) + len(numbers)))
    script.text(f"{{0}}[...] = {{1}}({names})", out, kernel, *operands, *numbers)


def write_array(
    script: Script, rule: LocalDerivative, out: Array, operands: Sequence[Array], into: Array, slot: int
) -> Any:
    """Append the calls that compute a partial derivative; returns the array that will hold it, or a number.

    `into` may serve for the result; scratch buffers from `slot` upwards serve in between.
    """
    if rule.formula is None:
        names = ", ".join(f"{{{i + 2}}}" for i in range(1 + len(operands)))
        script.text(f"{{0}}[...] = {{1}}({names})", into, rule.on_arrays, out, *operands)
        return into
    symbols = {"out": out} | {f"x{i}": x for i, x in enumerate(operands)}
    return _ArrayWriter(script, into.shape, symbols, slot).value(rule.formula, into)


# ----------------------------------------------------------------------------------------------- as Python source


def scalar_kernel(op: Op, numbers: tuple[float, ...], options: dict[str, Any]) -> Callable[..., Any]:
    """The entry's kernel on floats, as a function of the operands alone."""
    kernel = on_floats(op)
    if options:
        kernel = functools.partial(kernel, **options)
    if numbers:
        whole = kernel
        return lambda *operands: whole(*operands, *numbers)
    return kernel


def write_scalar(e: Any, symbols: dict[str, str], bind: Callable[[Any], str]) -> str:
    """A formula as an expression on Python floats; `bind` gives an object a name in the source."""
    if not isinstance(e, Expression):
        number = float(e)
        return f"({number!r})" if math.isfinite(number) else bind(number)
    if not e.args:
        return symbols[str(e.op)]
    parts = [write_scalar(a, symbols, bind) for a in e.args]
    name = e.op if isinstance(e.op, str) else e.op.name
    if name in _PYTHON:
        return f"({parts[0]} {_PYTHON[name]} {parts[1]})"
    if isinstance(e.op, str):
        return f"({parts[0]} {name} {parts[1]})"
    if name == "neg":
        return f"(-{parts[0]})"
    if name == "where":
        return f"({parts[1]} if {parts[0]} else {parts[2]})"
    return f"{bind(scalar_kernel(e.op, (), e.params or {}))}({', '.join(parts)})"
