"""The header of a box, and the name of a derivative: an operation on its operands, as a book writes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.expression import Symbol, permutes
from autograd_core.op import Op

from .network import Constant, Network
from .text import clean, join_limited, number

__all__ = ["formula_of", "header_of", "partial_of", "setting", "told_constants"]

_RAISED = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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
    """Σ wᵢxᵢ + b, or what that amounts to: a mean has equal numbers as weights and no bias, a penalty multiplies each number by itself."""
    half = len(operands) // 2
    weights, terms, bias = operands[:half], operands[half:-1], operands[-1]
    plain = all(map(network.plain, weights))
    shared = {float(network.data(j)) for j in weights} if plain else set()
    if len(shared) == 1:
        factor = shared.pop()
        text = "Σ xᵢ" if factor == 1.0 else f"{number(factor)} · Σ xᵢ"
    else:
        text = "Σ wᵢ²" if weights == terms else "Σ wᵢxᵢ"
    nothing = network.plain(bias) and network.data(bias) == 0.0
    return text if nothing else f"{text} + b"


def told_constants(network: Network, i: int) -> list[int]:
    """The numbers that the header of a sum gives in full, such as the 0.25 of a mean of four, and that need no box of their own."""
    op, operands = network.op(i), [network.uses[k].operand for k in network.incoming[i]]
    if op is None or op.name != "weighted_sum":
        return []
    weights, bias = operands[: len(operands) // 2], operands[-1]
    plain = all(map(network.plain, weights))
    told = weights if plain and len({float(network.data(j)) for j in weights}) == 1 else []
    return [*told, bias] if network.plain(bias) and network.data(bias) == 0.0 else told


def formula_of(op: Op, names: list[str], params: dict[str, Any] | None = None) -> str:
    """An operation on named operands, as the header of a box writes it.

    >>> from autograd_core.op import TABLE
    >>> formula_of(TABLE["mul"], ["w", "x"]), formula_of(TABLE["tanh"], ["u"]), formula_of(TABLE["power"], ["u", "2"])
    ('w × x', 'tanh(u)', 'u²')
    >>> formula_of(TABLE["sub"], ["u", "−1"]), formula_of(TABLE["reshape"], ["w"], {"shape": (2, -1)})
    ('u − (−1)', 'reshape(w, shape=(2, −1))')
    """
    words = [clean(name, 14) for name in names]
    if op.text and not (op.name == "transpose" and permutes(params)):
        try:
            return clean(op.text.format(*words), 36)
        except (IndexError, KeyError, ValueError):
            pass
    symbol = op.symbol or op.name
    if op.name == "power" and len(words) == 2 and words[1].lstrip("−").isdigit():
        base = words[0] if words[0].isalnum() else f"({words[0]})"
        return base + words[1].translate(_RAISED)
    if len(words) == 2 and len(symbol) == 1 and not symbol.isalpha():
        return f"{words[0]} {symbol} {_bracketed(words[1])}"
    if len(words) == 1 and op.dunder:
        return f"{symbol}{words[0]}"
    settings = {key: value for key, value in params.items() if key != "saved"} if params else {}
    if symbol == "[ ]":
        return clean(f"{join_limited(words)}[{setting(settings.get('key', '…'))}]", 36)
    if not symbol.replace(" ", "").isalpha() or op.name == "transpose":
        symbol = op.name
    shown = {key: setting(value) for key, value in settings.items() if value is not None and value is not False}
    extra = [f"{key}=({text})" if isinstance(settings[key], tuple) and text != "…" else f"{key}={text}" for key, text in shown.items()]
    return clean(f"{symbol}({join_limited([join_limited(words), *extra])})", 36)


def partial_of(network: Network, k: int) -> str:
    """How the local derivative along a use is written: "∂u/∂x"; where u has x in several places, the place too.

    >>> from autograd_core import Value
    >>> from autograd_core.viz.network import read
    >>> x = Value(3.0, label="x")
    >>> network = read(x * x)
    >>> partial_of(network, 0), partial_of(network, 1)
    ('∂out/∂(1st x)', '∂out/∂(2nd x)')
    """
    use = network.uses[k]
    out, operand = network.names[use.node], network.names[use.operand]
    places = network.incoming[use.node]
    same = [j for j in places if network.uses[j].operand == use.operand] if 1 < len(places) <= 40 else []
    if len(same) > 1:
        n = same.index(k) + 1
        ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
        operand = f"({n}{ending} {operand})"
    return f"∂{out}/∂{operand}"


def setting(value: Any) -> str:
    """A parameter of an operation in few characters."""
    if isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop, value.step)]
        return ":".join(ends[:2] if value.step is None else ends)
    if isinstance(value, tuple) and len(value) <= 4:
        return ", ".join(map(setting, value))
    if isinstance(value, (np.ndarray, list)) and np.asarray(value).dtype == bool:
        return "mask"
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value[:5].tolist()
    if isinstance(value, list):  # of indices
        return f"[{', '.join(map(setting, value))}]" if len(value) <= 4 else "[…]"
    if value is Ellipsis or isinstance(value, Symbol):
        return str(value) if isinstance(value, Symbol) else "…"
    if isinstance(value, (int, float, np.integer)) and not isinstance(value, bool):
        return clean(value, 12).replace("-", "−")
    return clean(value, 12) if isinstance(value, (bool, str, tuple)) or value is None else "[…]"


def _bracketed(word: str) -> str:
    """A negative number in parentheses: x − (−1)."""
    return f"({word})" if word.startswith("−") else word
