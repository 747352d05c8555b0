"""What stands on an edge: the local derivative, read from the rule as a formula and as a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.algebra import ARRAYS, NUMBERS, symbolic_partial
from autograd_core.expression import Expression, Symbol
from autograd_core.op import TABLE, Op

from .headers import setting
from .network import Constant, Network, Use
from .text import clean, number

__all__ = ["derivative_symbol", "derivative_value", "pulled_shapes", "shape_text", "summed_axes", "tidy"]

_MANY = 1000
"""Operands of an operation above which its edges have no formulas."""
_ONLY_SHAPE = ("broadcast_to", "reshape", "cast")
_PRODUCTS = ("matmul", "transpose", "neg", "reshape", "broadcast_to")


class _Shaped(Symbol):
    """A symbol that knows its shape, for the rules that ask."""

    __slots__ = ("ndim", "shape")

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        super().__init__(name)
        self.shape, self.ndim = shape, len(shape)


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape; "scalar" for that of a number."""
    return str(tuple(shape)) if shape else "scalar"


def derivative_symbol(network: Network, use: Use) -> str:
    """The local derivative as the rule writes it ("1 − h²"); for a structural operation its pull-back of g."""
    try:
        found = tidy(_formula(network, use, by_name=True))
        text = found.text() if isinstance(found, Expression) else number(found) if found is not None else ""
    except Exception:  # a rule that cannot be read as a formula still gets its picture
        return ""
    return clean(text, 60)


def pulled_shapes(network: Network, use: Use) -> str:
    """A pull-back that is a product of matrices, each by its shape: "(5, 2)ᵀ @ (5, 3)"; "" for any other."""
    try:
        found = _formula(network, use, by_name=False)
        if not isinstance(found, Expression) or not _is_product(found):
            return ""
        return clean(_as_shaped(found).text(), 80)
    except Exception:
        return ""


def _formula(network: Network, use: Use, *, by_name: bool) -> Any:
    """The formula that the rule gives for symbols in place of its operands, called by their names or by their shapes."""
    node = network.nodes[use.node]
    incoming = network.incoming[use.node]
    if isinstance(node, Constant) or node.op is None or len(incoming) > _MANY:
        return None
    at = (use.node, by_name)
    if at in network.formulas:
        return network.formulas[at][use.slot]

    def word(i: int, name: str = "") -> Symbol:
        shape = np.shape(network.data(i))
        return _Shaped((name or clean(network.names[i], 14)) if by_name else shape_text(shape), shape)

    words: list[Any] = []
    for k in incoming:
        i = network.uses[k].operand
        one = network.nodes[i]
        words.append(float(one.data) if isinstance(one, Constant) and one.known and not np.ndim(one.data) else word(i))
    slot = -1 if node.op.variadic else use.slot
    with np.errstate(all="ignore"):
        found = symbolic_partial(node.op, slot, word(use.node), tuple(words), node._params, word(use.node, "g"))
    if node.op.variadic and found is not None:
        network.formulas[at] = found
        return found[use.slot]
    return found


def _is_product(formula: Any) -> bool:
    """Whether there is a product of matrices in a formula, and little else."""
    names, pending = set(), [formula]
    while pending:
        e = pending.pop()
        if isinstance(e, Expression) and not isinstance(e, Symbol):
            names.add(e.op.name if isinstance(e.op, Op) else e.op)
            pending += e.args
    return "matmul" in names and names <= set(_PRODUCTS)


def _as_shaped(formula: Any) -> Any:
    """The formula, with every operation that only changes a shape replaced by the shape that it gives."""
    if not isinstance(formula, Expression) or isinstance(formula, Symbol) or not isinstance(formula.op, Op):
        return formula
    if formula.op.name in _ONLY_SHAPE:
        return Symbol(shape_text((formula.params or {})["shape"]))
    return Expression(formula.op, tuple(map(_as_shaped, formula.args)), formula.params)


def summed_axes(full: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes over which an array is summed down to a shape from which it can be broadcast; none where it cannot.

    >>> summed_axes((2, 3), (3,)), summed_axes((4, 2, 3), (2, 1)), summed_axes((2, 3), (6,))
    ((0,), (0, 2), ())
    """
    extra = len(full) - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, full[extra:], strict=True)):
        return ()
    return (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and full[i + extra] != 1))


def tidy(formula: Any) -> Any:
    """A formula without what only changes shapes (the step says that in words), branches that cannot be taken, and arrays as parameters."""
    if isinstance(formula, np.ndarray):
        unit = formula.ndim == 2 and np.array_equal(formula, np.eye(*formula.shape))
        return Symbol("I" if unit else "1" if np.all(formula == 1.0) else "[…]")
    while isinstance(formula, Expression) and isinstance(formula.op, Op) and formula.op.name in _ONLY_SHAPE:
        formula = formula.args[0]
    if not isinstance(formula, Expression) or not formula.args:
        return formula
    args = tuple(map(tidy, formula.args))
    if formula.op == "|" and _is_nan_test(args[1]):
        return args[0]
    if not isinstance(formula.op, Op):
        return Expression(formula.op, args, formula.params)
    name, params = formula.op.name, formula.params or {}
    if name == "sum_to":
        axes = summed_axes(getattr(args[0], "shape", ()), params["shape"])
        every = len(axes) == getattr(args[0], "ndim", 0)
        return Expression(TABLE["sum"], args, {"axis": axes[0] if len(axes) == 1 else axes} if axes and not every else None)
    if name == "where":
        return Expression(formula.op, (args[0], _given(args[1], args[0], True), _given(args[2], args[0], False)))
    if name == "index":
        inner = args[0].text() if isinstance(args[0], Symbol) else f"({args[0].text()})"
        return Symbol(f"{inner}[{setting(params.get('key'))}]")
    if name == "scatter":
        return Symbol(f"scatter({args[0].text()}, [{setting(params.get('key'))}])")
    return Expression(formula.op, args, {key: value for key, value in params.items() if _is_told(key, value)})


def _is_nan_test(condition: Any) -> bool:
    return isinstance(condition, Expression) and condition.op == "!=" and str(condition.args[0]) == str(condition.args[1])


def _given(formula: Any, condition: Any, holds: bool) -> Any:
    """A branch of a choice, in which its condition is known: "v if c else w" inside it is v or w."""
    if not isinstance(formula, Expression) or not formula.args:
        return formula
    if isinstance(formula.op, Op) and formula.op.name == "where" and str(formula.args[0]) == str(condition):
        return _given(formula.args[1 if holds else 2], condition, holds)
    return Expression(formula.op, tuple(_given(arg, condition, holds) for arg in formula.args), formula.params)


def _is_told(key: str, value: Any) -> bool:
    """Whether a parameter says something in a formula: that dimensions are kept goes without saying there."""
    if key in ("keepdims", "shape") or value is None or value is False:
        return False
    return isinstance(value, (bool, int, float, str)) or (isinstance(value, tuple) and all(isinstance(v, int) for v in value))


def derivative_value(network: Network, use: Use) -> float | None:
    """The local derivative as a number, from the same rule at the numbers that were recorded; None where it is an array or cannot be computed."""
    node = network.nodes[use.node]
    if isinstance(node, Constant) or node.op is None or not node.op.d or np.ndim(node._value):
        return None
    op = node.op
    if use.node in network.partials:
        return float(network.partials[use.node][use.slot])
    places = network.incoming[use.node]
    values = [network.recorded[k] for k in places]
    rule = op.d[0 if op.variadic else use.slot]
    if rule is None or any(map(network.lost, places)) or any(map(np.ndim, values)):
        return None
    numbers, params = [float(node._value), *map(float, values)], node._params or {}
    try:
        with np.errstate(all="ignore"):
            try:
                found = rule(NUMBERS, *numbers, **params)
            except (ArithmeticError, ValueError, TypeError):  # Python raises where IEEE has an answer, as for 1 / 0
                found = rule(ARRAYS, *map(np.float64, numbers), **params)
            if op.variadic:
                network.partials[use.node] = found
                return float(found[use.slot])
            return float(found)
    except Exception:  # what the picture says is a courtesy; the backward pass is where it would raise
        return None
