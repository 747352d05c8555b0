"""Expressions of a program as text, written as one writes them: v² and 1 / v, no parentheses that are not needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .naming import number_text
from .statements import outside

__all__ = ["Term", "apply", "called", "product", "term_of"]

_INFIX = {
    "add": ("+", 2), "subtract": ("-", 2), "multiply": ("*", 1), "divide": ("/", 1), "matmul": ("@", 1), "greater": (">", 3),
    "greater_equal": (">=", 3), "less": ("<", 3), "less_equal": ("<=", 3), "equal": ("==", 3), "not_equal": ("!=", 3),
    "logical_and": ("and", 4), "logical_or": ("or", 4),
}  # fmt: skip
_OF_ENTRIES = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "neg": "negative", "pow": "power"}


@dataclass(frozen=True, slots=True)
class Term:
    """An expression: how tightly it is bound, the factors if it is a product of matrices, function and arguments if it is elementwise.

    What is `flat`, a number or a vector, is its own transpose.
    """

    text: str
    level: int = 0
    factors: tuple[Term, Term] | None = None
    parts: tuple[str, list[Term]] | None = None
    flat: bool = False

    def within(self, level: int) -> str:
        """The text, in parentheses where it must be."""
        return f"({self.text})" if self.level >= level > 0 else self.text

    def transposed(self) -> Term:
        """(A @ B)ᵀ is Bᵀ @ Aᵀ, (A + B)ᵀ is Aᵀ + Bᵀ."""
        if self.factors is not None:
            one, other = self.factors
            return product(other.transposed(), one.transposed())
        if self.flat:
            return self
        if self.parts is not None:
            return apply(self.parts[0], [part.transposed() for part in self.parts[1]])
        if self.text.endswith("ᵀ") and self.level == 0:
            return Term(self.text[:-1])
        return Term(f"{self.within(1)}ᵀ")

    def is_number(self) -> bool:
        """Whether this is a plain number.

        >>> Term("-0.05").is_number(), Term("v1").is_number()
        (True, False)
        """
        return self.text.lstrip("-")[:1].isdigit() and " " not in self.text

    def inner(self, function: str) -> list[Term]:
        """The arguments, if this is a call of that function."""
        return self.parts[1] if self.parts is not None and self.parts[0] == function else []


def product(one: Term, other: Term) -> Term:
    """A product of matrices."""
    return Term(f"{one.within(2)} @ {other.within(1)}", 1, (one, other))


def apply(function: str, arguments: list[Term]) -> Term:
    """An elementwise function, by NumPy's name or that of its entry, of some expressions.

    >>> v, g = Term("v"), Term("g")
    >>> apply("multiply", [g, apply("power", [v, Term("-2")])]).text, apply("mul", [v, v]).text, apply("maximum", [v, g]).text
    ('g / v²', 'v²', 'maximum(v, g)')
    """
    function = _OF_ENTRIES.get(function, function)
    return _simpler(function, arguments) or replace(
        _written(function, arguments), parts=(function, arguments), flat=all(argument.flat for argument in arguments)
    )


def term_of(text: str) -> Term:
    """A text as an expression.

    >>> term_of("a + b").within(2), term_of("a * b").within(2), term_of("f(a + b)").within(1)
    ('(a + b)', 'a * b', 'f(a + b)')
    """
    signs = outside(text)
    return Term(text, 2 if signs & {"+", "-"} else 1 if signs or text.startswith("-") else 0)


def called(name: str, operands: Iterable[Term], numbers: Iterable[float] = (), options: Mapping[str, object] | None = None) -> Term:
    """An operation of the table, with the numbers and options that belong to it.

    >>> v = Term("v")
    >>> called("power", [v], (3.0,)).text, called("div", [Term("1"), v]).text, called("leaky_relu", [v], (), {"slope": 0.1}).text
    ('v ** 3', '1 / v', 'leaky_relu(v, slope=0.1)')
    """
    arguments = [*operands, *(Term(number_text(x), flat=True) for x in numbers)]
    return apply(name, [*arguments, *(Term(f"{key}={value!r}", flat=True) for key, value in (options or {}).items())])


def _simpler(function: str, arguments: list[Term]) -> Term | None:
    """The same as another function: g * (1 / v) is g / v."""
    one, other = arguments[0], arguments[-1]
    if function == "multiply":
        if "1" in (one.text, other.text):
            return other if one.text == "1" else one
        if "-1" in (one.text, other.text):
            return apply("negative", [other if one.text == "-1" else one])
        if other.is_number() and not one.is_number():
            return apply("multiply", [other, one])
        if one.text == other.text:
            return apply("square", [one])
        factors = other.inner("multiply")
        if factors and factors[0].is_number() and not one.is_number():  # 3 * g * v
            return apply("multiply", [factors[0], apply("multiply", [one, factors[1]])])
        if other.inner("negative"):
            return apply("negative", [apply("multiply", [one, *other.inner("negative")])])
        top = [*other.inner("divide"), one][0]
        if other.inner("divide") and (top.text == "1" or not one.level):
            return apply("divide", [apply("multiply", [one, top]), other.inner("divide")[1]])
    if function == "divide" and one.inner("negative"):
        return apply("negative", [apply("divide", [*one.inner("negative"), other])])
    if function == "negative" and one.inner("negative"):
        return one.inner("negative")[0]
    if function == "reciprocal":
        return apply("divide", [Term("1", flat=True), one])
    if function == "power" and len(arguments) == 2 and other.is_number():
        if other.text in ("1", "2"):
            return one if other.text == "1" else apply("square", [one])
        if other.text.startswith("-"):
            return apply("divide", [Term("1", flat=True), apply("power", [one, replace(other, text=other.text[1:])])])
    return None


def _written(function: str, arguments: list[Term]) -> Term:
    if function in _INFIX and len(arguments) == 2:
        sign, level = _INFIX[function]
        one, other = arguments
        text = f"{one.within(level + 1)} {sign} {other.within(level if sign in '-/' else level + 1)}"
        return Term(text.replace("+ -", "- "), level)
    if function == "square":
        return Term(f"{arguments[0].within(1)}²")
    if function == "power" and len(arguments) == 2:
        return Term(f"{arguments[0].within(1)} ** {arguments[1].within(1)}", 1)
    if function == "negative":
        return Term(f"-{arguments[0].within(2)}", 1)
    return Term(f"{function}({', '.join(argument.text for argument in arguments)})")
