"""The forward sweep: a tangent is carried from the operands to the result, node by node.

An elementwise result moves by Σ ∂out/∂xᵢ · ẋᵢ. An operation that is linear in each operand is applied to the tangents
themselves. What is left has only a pull-back g ↦ v(g), which is linear in g, and the push-forward is its transpose: the
derivative of ⟨v(g), ẋ⟩ with respect to g. So forward mode needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .algebra import ARRAYS, NODES, NUMBERS
from .anomaly import LIVE, check_flow, check_unwritten
from .blame import blame, real
from .gradients import gradients, with_care_if_need_be
from .node import Node
from .sweeps import partial_of
from .walk import LOCK, operands, stale, topological

__all__ = ["pushforward"]


def pushforward(roots: Sequence[Any], wrt: Sequence[Any], tangents: Sequence[Any], *, graph: bool) -> list[Any]:
    """The tangent of each root when the leaves `wrt` move along `tangents`; None where a root does not depend on them.

    It sweeps twice if need be: with strong zeros only where a tangent came out as nan without them.
    """
    with LOCK:
        order, _ = topological(roots, stop=wrt)
        if LIVE:
            check_unwritten(order)
        return with_care_if_need_be(lambda careful, check: _swept(order, roots, wrt, tangents, graph, careful=careful, check=check))


def _swept(
    order: Sequence[Any], roots: Sequence[Any], wrt: Sequence[Any], tangents: Sequence[Any], graph: bool, *, careful: bool, check: bool
) -> list[Any]:
    """One sweep; with `check`, it raises at the first operation that turns finite numbers into nan or inf."""
    moved: dict[int, Any] = {}
    for w, t in zip(wrt, tangents, strict=True):
        moved[id(w)] = t
    for node in order:
        op, pairs = node.op, operands(node)
        rules: Any = () if op.variadic else op.d or op.vjp
        directions: list[Any] = []
        moves = outdated = False
        for slot, (operand, value) in enumerate(pairs):
            t = None
            if operand is not None:
                outdated = outdated or operand._value is not value
                t = moved.get(id(operand))
                if t is not None and rules and rules[slot] is None:
                    t = None
                moves = moves or t is not None
            directions.append(t)
        if not moves:
            continue
        if outdated:
            stale(node)
        try:
            moved[id(node)] = total = _push(node, pairs, directions, graph, careful)
        except Exception as error:
            _blame(error, node, graph)
            raise
        if check:
            incoming = [NODES.data(t) for t in directions if t is not None]
            check_flow(node, [value for _, value in pairs], incoming, NODES.data(total), "forward sweep")
    return [moved.get(id(root)) for root in roots]


def _push(node: Any, pairs: Any, directions: list[Any], graph: bool, careful: bool) -> Any:
    op, params, result = node.op, node._params or {}, node._value
    m = NODES if graph else ARRAYS if node.is_array else NUMBERS
    out = node if graph else result
    values = [operand if operand is not None else value for operand, value in pairs] if graph else [value for _, value in pairs]
    total: Any = None
    if op.d:
        together = op.d[0](m, out, *values, **params) if op.variadic else None
        for slot, t in enumerate(directions):
            if t is None:
                continue
            local = together[slot] if together is not None else partial_of(m, node, slot, out, values, params)
            part = t if local.__class__ is float and local == 1.0 else _strong(m, local, t, op.selects) if careful else local * t
            total = part if total is None else total + part
    elif op.linear:
        for slot, t in enumerate(directions):
            if t is not None:
                moved = [t if i == slot else v for i, v in enumerate(values)]
                part = getattr(m, op.name)(*moved, **params)
                total = part if total is None else total + part
    else:
        total = _transposed(node, values, directions, graph)
    data = total._value if isinstance(total, Node) else total
    if data.__class__ is np.ndarray and data.__class__ is result.__class__ and data.shape == result.shape and data.dtype is result.dtype:
        return total
    if np.shape(data) != np.shape(result):
        total = m.broadcast_to(total, shape=np.shape(result))
    if node.is_array and getattr(m.data(total), "dtype", result.dtype) != result.dtype:
        total = m.cast(real(m.data(total), node) if m is not NODES else total, dtype=result.dtype)
    return total


def _blame(error: Exception, node: Any, graph: bool) -> None:
    g = Node.ARRAY._of(np.ones(np.shape(node._value))) if node.op.vjp else 1.0      # pull-backs are always asked with nodes
    blame(error, node, NODES if graph or node.op.vjp else ARRAYS if node.is_array else NUMBERS, g)


def _strong(m: Any, local: Any, t: Any, selects: bool) -> Any:
    """local · tangent, with strong zeros: an operand that does not move, and a branch that was not taken, contribute 0."""
    product = local * t
    if not np.isnan(m.data(product)).any():
        return product
    return m.strong_mul(local, t) if selects else m.strong_mul(t, local)


def _transposed(node: Any, values: list[Any], directions: list[Any], graph: bool) -> Any:
    op, params = node.op, node._params or {}
    g = Node.ARRAY._of(np.ones(np.shape(node._value)))
    g.requires_grad = True
    out = node if graph else node._value
    pulled = op.vjp[0](NODES, g, out, *values, **params) if op.variadic else [
        rule(NODES, g, out, *values, **params) if t is not None else None
        for rule, t in zip(op.vjp, directions, strict=True)
    ]
    total: Any = 0.0
    for part, t in zip(pulled, directions, strict=True):
        if t is not None:
            total = total + NODES.sum(NODES.strong_mul(part, t) if op.selects else part * t)
    if not isinstance(total, Node):
        return np.zeros(np.shape(node._value))
    (tangent,) = gradients([total], [np.ones(())], [g], graph=graph)
    return np.zeros(np.shape(node._value)) if tangent is None else tangent
