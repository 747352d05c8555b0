"""What stands in a box: numbers, shapes, small pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Grid, Row
from .heat import grid_of
from .network import Network
from .text import clean, number, sign_of, signed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["brief", "grad_text", "laid_out", "module_rows", "node_content", "unsigned"]


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


def unsigned(value: Any, most: int = 16) -> str:
    """The same without a plus sign: data is written as in a book, where only changes have one."""
    return brief(value, most).removeprefix("+")


def _full(array: NDArray[Any]) -> str:
    if array.ndim == 0:
        return number(float(array), 3)
    return "[" + ", ".join(_full(np.asarray(row)) for row in array) + "]"


def laid_out(value: Any) -> str:
    """As `brief`, but with the rows of a small matrix one below the other.

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
        rows.append(Row("assigned" if network.overwritten(i) else "data", number(float(np.reshape(data, ())))))
    elif not single and "data" in show and np.size(data) and _numeric(data):
        if np.size(data) > 16:
            with np.errstate(all="ignore"):
                rows.append(Row("mean ± std", f"{number(np.mean(data), 3)} ± {number(np.std(data), 3)}"))
                rows.append(Row("range", f"{number(np.min(data), 3)} … {number(np.max(data), 3)}"))
        if "values" in show:
            grids.append(grid_of("data", data))
    if "data" in show and (held := network.held(i)):
        if single or held[0] is None:
            words = ["overwritten" if one is None else number(float(np.reshape(one, ()))) for one in held[:3]]
            rows.append(Row("was", ", ".join(words) + ", …" * (len(held) > 3)))
        elif "values" in show and _numeric(held[0]) and np.size(held[0]):
            grids.append(grid_of("was", np.asarray(held[0])))
    if network.frozen(i):
        rows.append(Row("grad", "frozen"))
    if "grad" in show and not leaf and network.differentiable(i):
        text, sign = grad_text(gradient)
        rows.append(Row("grad" if single else "‖grad‖", text, sign, live=True, widest=network.widest.get(i, "")))
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
