"""What stands in a box and on an edge: numbers, shapes, small pictures, the local derivative."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_core.algebra import NUMBERS, symbolic_partial
from autograd_core.expression import Expression, Symbol
from autograd_core.op import TABLE, Op

from .graph import Grid, Row
from .heat import grid_of
from .network import Constant, Network, Use, formula_of
from .text import clean, number, sign_of, signed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "brief", "derivative_symbol", "derivative_value", "grad_text", "header_of", "laid_out", "module_rows", "node_content", "shape_text",
    "told_constants",
]  # fmt: skip


def header_of(network: Network, i: int) -> str:
    """What follows the name of a node in its header: "= w × x", or nothing for a leaf."""
    node = network.nodes[i]
    if isinstance(node, Constant) or node.op is None:
        return ""
    operands = [network.uses[k].operand for k in network.incoming[i]]
    if node.op.name == "weighted_sum":
        return "= " + _weighted_sum(network, operands)
    return "= " + formula_of(node.op, [network.names[j] for j in operands], node._params)


def _weighted_sum(network: Network, operands: list[int]) -> str:
    """Σ wᵢxᵢ + b, or what it comes to: a mean has equal numbers for weights and no bias, a penalty multiplies each by itself."""
    half = len(operands) // 2
    weights, terms, bias = operands[:half], operands[half:-1], operands[-1]
    plain = all(network.roles[j] == "constant" for j in weights)
    shared = {float(network.data(j)) for j in weights} if plain else set()
    if len(shared) == 1:
        factor = shared.pop()
        text = "Σ xᵢ" if factor == 1.0 else f"{number(factor)} · Σ xᵢ"
    else:
        text = "Σ wᵢ²" if weights == terms else "Σ wᵢxᵢ"
    nothing = network.roles[bias] == "constant" and network.data(bias) == 0.0
    return text if nothing else f"{text} + b"


def told_constants(network: Network, i: int) -> list[int]:
    """The numbers that the header of a sum tells in full, as the 0.25 of a mean of four, and that need no box of their own."""
    op, operands = network.op(i), [network.uses[k].operand for k in network.incoming[i]]
    if op is None or op.name != "weighted_sum":
        return []
    weights, bias = operands[: len(operands) // 2], operands[-1]
    plain = all(network.roles[j] == "constant" for j in weights)
    told = weights if plain and len({float(network.data(j)) for j in weights}) == 1 else []
    return [*told, bias] if network.roles[bias] == "constant" and network.data(bias) == 0.0 else told


def grad_text(gradient: Any) -> tuple[str, int]:
    """A gradient in a row of a box: the number, or the norm of an array; ? where nothing has flowed."""
    if gradient is None:
        return "?", 0
    if np.size(gradient) == 1:
        value = float(np.reshape(gradient, ()))
        return signed(value), sign_of(value)
    return number(_norm(gradient)), 0


def _norm(array: Any) -> float:
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(np.asarray(array, dtype=float).ravel()))


def brief(value: Any, most: int = 16) -> str:
    """A number with its sign; an array of up to `most` elements in full, else its shape and norm.

    >>> brief(0.5), brief(np.array([[1.0, 2.0]])), brief(np.ones((5, 5)))
    ('+0.5', '[[1, 2]]', '(5, 5) ‖·‖ = 5')
    """
    if value is None:
        return "0"
    if np.ndim(value) == 0:
        return signed(float(value))
    if np.size(value) <= most:
        return _full(np.asarray(value))
    return f"{np.shape(value)} ‖·‖ = {number(_norm(value))}"


def _full(array: NDArray[Any]) -> str:
    if array.ndim == 0:
        return number(float(array), 3)
    return "[" + ", ".join(_full(np.asarray(row)) for row in array) + "]"


def laid_out(value: Any) -> str:
    """The same with the rows of a small matrix under each other.

    >>> print(laid_out(np.array([[1.0, -20.0], [0.5, 3.0]])))
      1  −20
    0.5    3
    """
    if np.ndim(value) != 2 or not 2 <= np.size(value) <= 16:
        return brief(value)
    words = [[number(float(x), 3) for x in row] for row in np.asarray(value)]
    wide = [max(map(len, column)) for column in zip(*words, strict=True)]
    return "\n".join("  ".join(word.rjust(w) for word, w in zip(row, wide, strict=True)) for row in words)


def node_content(network: Network, i: int, show: frozenset[str]) -> tuple[tuple[Row, ...], tuple[Grid, ...]]:
    """The rows and small pictures of one node."""
    data, leaf = network.data(i), network.roles[i] == "constant"
    gradient = network.gradient(i)
    rows: list[Row] = []
    grids: list[Grid] = []
    single = np.size(data) == 1
    if np.ndim(data):
        rows.append(Row(str(tuple(np.shape(data))), str(getattr(data, "dtype", ""))))
    if single and "data" in show and not (leaf and np.ndim(data) == 0):
        rows.append(Row("data", number(float(np.reshape(data, ())))))
    elif not single and "data" in show and np.size(data) and _numeric(data):
        if np.size(data) > 16:
            with np.errstate(all="ignore"):
                rows.append(Row("mean ± std", f"{number(np.mean(data), 3)} ± {number(np.std(data), 3)}"))
                rows.append(Row("range", f"{number(np.min(data), 3)} … {number(np.max(data), 3)}"))
        if "values" in show:
            grids.append(grid_of("data", data))
    if "grad" in show and not leaf and network.differentiable(i):
        text, sign = grad_text(gradient)
        rows.append(Row("grad" if single else "‖grad‖", text, sign, live=True))
        if not single and gradient is not None and "values" in show and np.size(gradient):
            grids.append(grid_of("grad", np.asarray(gradient)))
    return tuple(rows), tuple(grids)


def _numeric(data: Any) -> bool:
    return np.asarray(data).dtype.kind in "fiub"


def module_rows(network: Network, members: list[int], show: frozenset[str]) -> tuple[Row, ...]:
    """The rows of a folded box: parameters, nodes, the norm of the parameters' gradient."""
    parameters = [i for i in members if network.roles[i] == "parameter"]
    operations = sum(network.roles[i] == "operation" for i in members)
    rows = []
    if parameters:
        rows.append(Row("parameters", f"{sum(int(np.size(network.data(i))) for i in parameters):,}"))
        shapes = {str(tuple(np.shape(network.data(i)))) for i in parameters if np.ndim(network.data(i))}
        if shapes:
            rows.append(Row("shapes", clean(" ".join(sorted(shapes, reverse=True)), 22)))
    if operations:
        rows.append(Row("operations", f"{operations:,}"))
    if "grad" in show and parameters:
        flowed = [g for g in (network.gradient(i) for i in parameters) if g is not None]
        norm = number(math.sqrt(sum(_norm(g) ** 2 for g in flowed))) if flowed else "?"
        rows.append(Row("‖grad‖", norm, live=True))
    return tuple(rows)


class _Shaped(Symbol):
    """A symbol that knows its shape, for the rules that ask."""

    __slots__ = ("ndim", "shape")

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        super().__init__(name)
        self.shape, self.ndim = shape, len(shape)


_ONLY_SHAPE = ("broadcast_to", "reshape", "cast")


def tidy(formula: Any) -> Any:
    """A formula without what only changes shapes (the step says that in words) and without arrays as parameters."""
    while isinstance(formula, Expression) and isinstance(formula.op, Op) and formula.op.name in _ONLY_SHAPE:
        formula = formula.args[0]
    if not isinstance(formula, Expression) or not formula.args:
        return formula
    if isinstance(formula.op, Op) and formula.op.name == "sum_to":
        return Expression(TABLE["sum"], (tidy(formula.args[0]),))
    params = {k: v for k, v in (formula.params or {}).items() if v is not None and np.ndim(v) == 0 and v is not False}
    return Expression(formula.op, tuple(tidy(arg) for arg in formula.args), params)


def derivative_symbol(network: Network, use: Use, *, shapes: bool = False) -> str:
    """The local derivative as the rule writes it ("1 − h²"); for a structural operation its pull-back of g.

    With `shapes`, every name is replaced by the shape of what it stands for: "(5, 2)ᵀ @ (5, 3)".
    """
    node = network.nodes[use.node]
    incoming = network.incoming[use.node]
    if isinstance(node, Constant) or node.op is None or len(incoming) > 40:
        return ""

    def word(i: int) -> str:
        return shape_text(np.shape(network.data(i))) if shapes else clean(network.names[i], 14)

    words: list[Any] = []
    for k in incoming:
        i = network.uses[k].operand
        shape = np.shape(network.data(i))
        plain = network.roles[i] == "constant" and not shape
        words.append(float(network.data(i)) if plain else _Shaped(word(i), shape))
    try:
        with np.errstate(all="ignore"):
            found = symbolic_partial(node.op, use.slot, word(use.node), tuple(words), node._params)
        found = tidy(found)
        text = found.text() if isinstance(found, Expression) else number(found) if found is not None else ""
    except Exception:  # a rule that cannot be read as a formula still gets its picture
        return ""
    return re.sub(r"(?<![A-Za-z0-9_])g(?![A-Za-z0-9_])", word(use.node), text) if shapes else clean(text, 60)


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape; "scalar" for that of a number."""
    return str(tuple(shape)) if shape else "scalar"


def derivative_value(network: Network, use: Use) -> float | None:
    """The local derivative as a number, from the same rule; None where it is an array or cannot be had."""
    node = network.nodes[use.node]
    if isinstance(node, Constant) or node.op is None or not node.op.d or np.ndim(node._value):
        return None
    values = [network.data(network.uses[k].operand) for k in network.incoming[use.node]]
    rule = node.op.d[0 if node.op.variadic else use.slot]
    if rule is None or any(np.ndim(value) for value in values):
        return None
    try:
        with np.errstate(all="ignore"):
            found = rule(NUMBERS, *map(float, (node._value, *values)), **(node._params or {}))
            return float(found[use.slot] if node.op.variadic else found)
    except Exception:  # what the picture says is a courtesy; the backward pass is where it would raise
        return None
