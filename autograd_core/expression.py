"""Formulas as small trees: what comes out of a rule when it is handed symbols.

An `Expression` has Python's operators, so a rule builds one without knowing. It prints as text (`1 − tanh(u)²`), as
LaTeX and as Python source. The few simplifications (0 + a, 1·a, a¹, numbers folded) are those a teacher makes without
a word; nothing else is rewritten, so that the formula stays the one in the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .op import TABLE, Op

__all__ = ["Expression", "Symbol", "apply_symbolically", "format_number", "permutes"]

_INFIX = {"add": (1, " + "), "sub": (1, " − "), "mul": (2, "·"), "div": (2, "/"), "matmul": (2, " @ "), "power": (4, "^")}
_PYTHON = {"add": " + ", "sub": " - ", "mul": " * ", "div": " / ", "matmul": " @ "}
_COMPARISONS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠", "&": "and", "|": "or"}
_LATEX_COMPARISONS = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne", "&": r"\land", "|": r"\lor"}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NEGATION, _ATOM = 3, 9
"""How strongly a negation and a name bind, on the scale of _INFIX: what binds less is put into parentheses."""


def format_number(x: float) -> str:
    """A number as a formula shows it: 2 rather than 2.0, a true minus sign, four significant digits.

    >>> format_number(-0.5), format_number(3.0), format_number(0.3989422804)
    ('−0.5', '3', '0.3989')
    """
    x = float(x)
    text = f"{x:.4g}" if x != _int_or_none(x) else str(int(x))
    return text.replace("-", "−").replace("inf", "∞")


def _int_or_none(x: float) -> int | None:
    """The integer that a float equals, if it is a small one."""
    return int(x) if abs(x) < 1e6 and x == int(x) else None


class Expression:
    """A formula: an operation (or a comparison) applied to formulas, numbers and symbols."""

    __slots__ = ("args", "op", "params")
    __hash__ = object.__hash__
    __array_ufunc__ = None

    def __init__(self, op: Op | str, args: tuple[Any, ...], params: dict[str, Any] | None = None) -> None:
        """A node of the tree; `op` is a string for a symbol's name or a comparison sign."""
        self.op, self.args, self.params = op, args, params

    def text(self) -> str:
        """The formula in a line of text."""
        return _print(self, _text)[0]

    def latex(self) -> str:
        """The formula in LaTeX."""
        return _print(self, _latex)[0]

    def source(self) -> str:
        """The formula as Python source: functions by their names in the table, infinity as `inf`."""
        return _print(self, _source)[0]

    __str__ = text

    def __repr__(self) -> str:
        """The text of the formula."""
        return f"<{self.text()}>"

    def symbols(self) -> set[str]:
        """The names that occur in the formula.

        >>> sorted((Symbol("x") * 2.0 + Symbol("y")).symbols())
        ['x', 'y']
        """
        found: set[str] = set()
        stack: list[Any] = [self]
        while stack:
            e = stack.pop()
            if isinstance(e, Symbol):
                found.add(str(e.op))
            elif isinstance(e, Expression):
                stack.extend(e.args)
        return found

    @property
    def T(self) -> Any:
        """The transpose."""
        return apply_symbolically(TABLE["transpose"], self)

    def __bool__(self) -> bool:
        """A formula has no truth value: a rule must branch with `m.where`."""
        raise TypeError(
            f"the condition {self.text()!r} has no truth value: a rule must not branch with `if` on its operands; "
            "write m.where(condition, a, b)."
        )

    # The operators: a rule writes `1.0 / y` and builds a tree.
    def __add__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["add"], self, other)

    def __radd__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["add"], other, self)

    def __sub__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["sub"], self, other)

    def __rsub__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["sub"], other, self)

    def __mul__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["mul"], self, other)

    def __rmul__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["mul"], other, self)

    def __truediv__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["div"], self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["div"], other, self)

    def __pow__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["power"], self, other)

    def __rpow__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["power"], other, self)

    def __matmul__(self, other: Any) -> Any:
        return apply_symbolically(TABLE["matmul"], self, other)

    def __neg__(self) -> Any:
        return apply_symbolically(TABLE["neg"], self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Any:
        return apply_symbolically(TABLE["abs"], self)

    def __lt__(self, other: Any) -> Expression:
        return Expression("<", (self, other))

    def __le__(self, other: Any) -> Any:
        return True if _is(other, math.inf) else Expression("<=", (self, other))

    def __gt__(self, other: Any) -> Expression:
        return Expression(">", (self, other))

    def __ge__(self, other: Any) -> Any:
        return True if _is(other, -math.inf) else Expression(">=", (self, other))

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return Expression("==", (self, other))

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return Expression("!=", (self, other))

    def __and__(self, other: Any) -> Any:
        return _connect("&", self, other)

    def __rand__(self, other: Any) -> Any:
        return _connect("&", other, self)

    def __or__(self, other: Any) -> Any:
        return _connect("|", self, other)

    def __ror__(self, other: Any) -> Any:
        return _connect("|", other, self)


class Symbol(Expression):
    """A name that stands for a number, an array, or a node's value."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        """A symbol by its name."""
        super().__init__(name, ())


def _connect(sign: str, left: Any, right: Any) -> Any:
    for constant, other in ((left, right), (right, left)):
        if isinstance(constant, bool):
            return other if constant == (sign == "&") else constant
    return Expression(sign, (left, right))


def apply_symbolically(op: Op, *args: Any, **params: Any) -> Any:
    """The formula `op(args)`, simplified where a teacher would without a word."""
    if not any(isinstance(a, Expression) for a in args):
        return op.scalar(*args, **params) if op.scalar is not None else op.array(*args, **params)
    simple = _SIMPLIFY.get(op.name)
    if simple is not None:
        result = simple(*args)
        if result is not None:
            return result
    return Expression(op, args, params or None)


def _is(x: Any, number: float) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and x == number


def _is_op(x: Any, name: str) -> bool:
    return isinstance(x, Expression) and isinstance(x.op, Op) and x.op.name == name


def _alike(x: Any, y: Any) -> bool:
    return x is y or (isinstance(x, float) and isinstance(y, float) and x == y)


def _mul(x: Any, y: Any) -> Any:
    if _is(x, 0.0) or _is(y, 0.0):
        return 0.0
    if _is(x, 1.0) or _is(y, 1.0):
        return y if _is(x, 1.0) else x
    if _is(x, -1.0) or _is(y, -1.0):
        return -(y if _is(x, -1.0) else x)
    if isinstance(y, (int, float)) and not isinstance(x, (int, float)):
        return y * x
    return None


_SIMPLIFY: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: y if _is(x, 0.0) else x if _is(y, 0.0) else None,
    "sub": lambda x, y: -y if _is(x, 0.0) else x if _is(y, 0.0) else None,
    "mul": _mul,
    "div": lambda x, y: x if _is(y, 1.0) else 0.0 if _is(x, 0.0) else None,
    "neg": lambda x: x.args[0] if _is_op(x, "neg") else None,
    "power": lambda x, y: x if _is(y, 1.0) else 1.0 if _is(y, 0.0) else None,
    "where": lambda c, x, y: (x if c else y) if not isinstance(c, Expression) else x if _alike(x, y) else None,
}

Printer = Callable[["Expression", list[tuple[str, int]]], tuple[str, int]]


def _print(root: Any, style: Printer) -> tuple[str, int]:
    """Text and binding strength of a formula; iterative, since a formula may be deep."""
    done: dict[int, tuple[str, int]] = {}
    stack = [root]
    while stack:
        e = stack[-1]
        if not isinstance(e, Expression):
            done[id(e)] = _number(e, style)
        elif pending := [a for a in e.args if id(a) not in done]:
            stack.extend(pending)
            continue
        else:
            done[id(e)] = style(e, [done[id(a)] for a in e.args])
        stack.pop()
    return done[id(root)]


def _number(x: Any, style: Printer) -> tuple[str, int]:
    if isinstance(x, bool) or not isinstance(x, (int, float)):
        return str(x), _ATOM
    if style is _source:
        return (repr(float(x)), _ATOM if x >= 0 else _NEGATION)
    text = format_number(x)
    if style is _latex:
        text = text.replace("−", "-").replace("∞", r"\infty")
    return text, _ATOM if x >= 0 else _NEGATION


def _wrap(part: tuple[str, int], strength: int) -> str:
    text, own = part
    return text if own >= strength else f"({text})"


def _text(e: Expression, parts: list[tuple[str, int]]) -> tuple[str, int]:
    if isinstance(e.op, str):
        return _relation(e, parts, _COMPARISONS)
    name = e.op.name
    if name == "power" and isinstance(e.args[1], (int, float)) and _int_or_none(e.args[1]) is not None:
        return _wrap(parts[0], _ATOM) + str(int(e.args[1])).translate(_SUPERSCRIPT), 5
    if name in _INFIX:
        strength, sign = _INFIX[name]
        right = strength + (name in ("sub", "div", "power"))
        left = strength + (name == "power" or (name == "mul" and _is_op(e.args[0], "div")))     # a/b·c could be read as a/(b·c)
        return f"{_wrap(parts[0], left)}{sign}{_wrap(parts[1], right)}", strength
    if name == "neg":
        return "−" + _wrap(parts[0], 2), 2
    if name == "where":
        return f"{_wrap(parts[1], 1)} if {parts[0][0]} else {_wrap(parts[2], 1)}", 0
    if e.op.text and not (name == "transpose" and permutes(e.params)):
        return e.op.text.format(*(_wrap(p, 0 if "|" in e.op.text or "(" in e.op.text else _ATOM) for p in parts)), 5
    return f"{name}({', '.join(p[0] for p in parts)}{_parameters(e, _shown)})", _ATOM


def permutes(params: dict[str, Any] | None) -> bool:
    """Whether a transpose puts the axes in an order that ᵀ does not say: neither all of them reversed nor the last two exchanged.

    >>> permutes({"axes": (0, 2, 1)}), permutes({"axes": None}), permutes({"axes": (1, 2, 0)})
    (False, False, True)
    """
    axes = (params or {}).get("axes")
    if axes is None:
        return False
    n = len(axes)
    order = [axis % n for axis in axes]
    return order not in ([*range(n - 2), n - 1, n - 2], [*reversed(range(n))])


def _shown(value: Any) -> str:
    """A parameter of an operation as a formula shows it."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return repr(value) if isinstance(value, bool) or not isinstance(value, (int, float)) else format_number(value)


def _latex(e: Expression, parts: list[tuple[str, int]]) -> tuple[str, int]:
    if isinstance(e.op, str):
        if not e.args:
            return _latex_name(e.op), _ATOM
        return _relation(e, parts, _LATEX_COMPARISONS)
    name = e.op.name
    if name == "where":
        return rf"\begin{{cases}} {parts[1][0]} & {parts[0][0]} \\ {parts[2][0]} & \text{{else}} \end{{cases}}", _ATOM
    if name == "neg":
        return "-" + _wrap(parts[0], 2), 2
    if name in _INFIX and e.op.latex:
        strength = _INFIX[name][0]
        bare = name == "div"
        left = parts[0][0] if bare else _wrap(parts[0], strength + (name == "power"))
        right = parts[1][0] if bare or name == "power" else _wrap(parts[1], strength + (name == "sub"))
        return e.op.latex.format(left, right), _ATOM if bare else strength
    if e.op.latex:
        return e.op.latex.format(*(p[0] for p in parts)), _ATOM
    escaped = name.replace("_", r"\_")
    return rf"\operatorname{{{escaped}}}\left({', '.join(p[0] for p in parts)}\right)", _ATOM


def _latex_name(name: str) -> str:
    cleaned = "".join(c if c.isalnum() else rf"\{c}" if c in "_#$%&{}" else "" if c in "\\^~" else c for c in name)
    return cleaned if len(cleaned) == 1 else rf"\mathrm{{{cleaned}}}"


def _source(e: Expression, parts: list[tuple[str, int]]) -> tuple[str, int]:
    if isinstance(e.op, str):
        return _relation(e, parts, {sign: sign for sign in _COMPARISONS})
    name = e.op.name
    if name in _PYTHON:                        # a power is not among them: Python's may be complex
        strength = _INFIX[name][0]
        return f"{_wrap(parts[0], strength)}{_PYTHON[name]}{_wrap(parts[1], strength + 1)}", strength
    if name == "neg":
        return "-" + _wrap(parts[0], _NEGATION), _NEGATION
    return f"{name}({', '.join(p[0] for p in parts)}{_parameters(e)})", _ATOM


def _parameters(e: Expression, show: Callable[[Any], str] = repr) -> str:
    """What is not left at its default; 1 is not 1.0 here, nor True."""
    usual = {} if isinstance(e.op, str) else getattr(e.op.array, "__kwdefaults__", None) or {}
    given = {key: value for key, value in (e.params or {}).items() if key not in usual or repr(value) != repr(usual[key])}
    return "".join(f", {key}={show(value)}" for key, value in given.items())


def _relation(e: Expression, parts: list[tuple[str, int]], signs: dict[str, str]) -> tuple[str, int]:
    sign = str(e.op)
    if not e.args:
        return sign, _ATOM
    joined = sign in "&|"
    inside = (2 if signs[sign] == sign else 1) if joined else 1     # Python's & binds tighter than its comparisons
    return f"{_wrap(parts[0], inside)} {signs[sign]} {_wrap(parts[1], inside)}", 0 if joined else 1
