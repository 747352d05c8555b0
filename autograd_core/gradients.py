"""Gradients as values or as graphs, without touching any `.grad`: what the transforms are made of.

Two more sweeps over the same rules: on nodes, so that the gradients are graphs and can be differentiated again, and on batches
of seeds, so that a Jacobian costs one sweep and not one per row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .algebra import ARRAYS, NODES, NUMBERS
from .anomaly import LIVE, check_flow, check_unwritten
from .backward import needed_for, restore, run_pass
from .blame import blame, real
from .modes import anomaly_detected, unchecked
from .node import Node
from .op import Op
from .structural import sum_to
from .sweeps import as_ieee, partial_of, times
from .walk import LOCK, operands, stale, topological

__all__ = ["gradients", "jacobian_rows", "with_care_if_need_be"]


def gradients(roots: Sequence[Any], seeds: Sequence[Any], wrt: Sequence[Any], *, graph: bool) -> list[Any]:
    """∂(Σ seed · root)/∂w for each w, without touching any `.grad`; None where nothing flows.

    With `graph`, the rules are handed nodes, so that the gradients are nodes and can be differentiated again; the walk
    stops at `wrt`, and only nodes between them and the roots take part.
    """
    with LOCK:
        if graph:
            return with_care_if_need_be(lambda careful, check: _gradient_graph(roots, seeds, wrt, careful, check))
        started = [np.asarray(s) if isinstance(r._value, np.ndarray) else float(s) for r, s in zip(roots, seeds, strict=True)]
        leaves, before = run_pass(roots, started, wrt=wrt)
        results = [w.grad if w._flowed else None for w in wrt]
        restore(leaves, before)
        return results


def with_care_if_need_be(sweep: Callable[[bool, bool], list[Any]]) -> list[Any]:
    """The results of `sweep(careful, check)`: of the quick sweep, or of the careful one where that gave nan; with checks under `detect_anomaly()`."""
    check = anomaly_detected()
    with np.errstate(all="ignore"), unchecked():
        if check:
            return sweep(True, True)
        results = sweep(False, False)
        return sweep(True, False) if any(r is not None and np.isnan(NODES.data(r)).any() for r in results) else results


def _gradient_graph(roots: Sequence[Any], seeds: Sequence[Any], wrt: Sequence[Any], careful: bool, check: bool) -> list[Any]:
    """The sweep on nodes; with `check`, it raises at the first operation that turns finite numbers into nan or inf."""
    order, _ = topological(roots, stop=wrt)
    if LIVE:
        check_unwritten(order)
    needed = needed_for(order, wrt)
    total: dict[int, Any] = {}
    for root, seed in zip(roots, seeds, strict=True):
        if id(root) in needed:
            total[id(root)] = total[id(root)] + seed if id(root) in total else seed
    for node in reversed(order):
        g = total.pop(id(node), None)
        if g is None:
            continue
        stale(node)
        try:
            _hand_on(node, g, needed, total, careful=careful, check=check)
        except Exception as error:
            blame(error, node, NODES, g)
            raise
    return [total.get(id(w)) for w in wrt]


def _hand_on(node: Any, g: Any, needed: set[int], total: dict[int, Any], *, careful: bool, check: bool) -> None:
    """Add what the incoming gradient becomes to `total`, for each operand that is needed."""
    op, params, pairs = node.op, node._params or {}, operands(node)
    nodes = [operand if operand is not None else value for operand, value in pairs]
    rules = op.d or op.vjp
    head = () if op.d else (g,)
    together = rules[0](NODES, *head, node, *nodes, **params) if op.variadic else None
    for slot, (operand, _) in enumerate(pairs):
        if operand is None or id(operand) not in needed or (not op.variadic and rules[slot] is None):
            continue
        c = together[slot] if together is not None else as_ieee(rules[slot], NODES, *head, node, *nodes, **params)
        if op.d:
            c = _multiply_nodes(g, c, op, careful)
        data, value = c._value if isinstance(c, Node) else c, operand._value
        if data.__class__ is not value.__class__ or data.__class__ is not np.ndarray or data.shape != value.shape or data.dtype is not value.dtype:
            if np.shape(data) != np.shape(value):
                c = NODES.sum_to(c, shape=np.shape(value))
            if operand.is_array and getattr(NODES.data(c), "dtype", value.dtype) != value.dtype:
                c = NODES.cast(c, dtype=value.dtype)
        if check:
            check_flow(node, [value for _, value in pairs], [NODES.data(g)], NODES.data(c), "backward pass")
        total[id(operand)] = total[id(operand)] + c if id(operand) in total else c


def _multiply_nodes(g: Any, local: Any, op: Op, careful: bool) -> Any:
    if isinstance(local, float) and local == 1.0:
        return g
    if not careful:
        return g * local
    return NODES.strong_mul(g, local) if not op.selects else NODES.strong_mul(local, g)


# --------------------------------------------------------------------------------------- many seeds at once
def jacobian_rows(root: Any, wrt: Sequence[Any]) -> list[Any]:
    """For each w the array of ∂root_i/∂w, one row per element of the root: a backward pass with a batch of seeds.

    A partial has the shape of the result, so a gradient with one more axis in front multiplies it as it is. Pull-backs
    know nothing of that axis; they are called row by row.
    """
    with LOCK:
        return with_care_if_need_be(lambda careful, check: _batched(root, wrt, careful, check))


def _batched(root: Any, wrt: Sequence[Any], careful: bool, check: bool) -> list[Any]:
    """The sweep on arrays with one more axis in front; `check` as in the other sweep."""
    order, _ = topological([root], stop=wrt)
    if LIVE:
        check_unwritten(order)
    needed = needed_for(order, wrt)
    shape = np.shape(root._value)
    n = int(np.prod(shape))
    total: dict[int, Any] = {id(root): np.eye(n).reshape(n, *shape)} if id(root) in needed else {}
    for node in reversed(order):
        g = total.pop(id(node), None)
        if g is None:
            continue
        stale(node)
        try:
            _hand_on_rows(node, g, n, needed, total, careful=careful, check=check)
        except Exception as error:
            blame(error, node, ARRAYS if node.is_array else NUMBERS, g[0])
            raise
    return [total.get(id(w)) for w in wrt]


def _hand_on_rows(node: Any, g: Any, n: int, needed: set[int], total: dict[int, Any], *, careful: bool, check: bool) -> None:
    """The same for a batch of n incoming gradients, along a first axis of their own."""
    op, params, pairs = node.op, node._params or {}, operands(node)
    values = tuple(value for _, value in pairs)
    m, out = ARRAYS if node.is_array else NUMBERS, node._value
    together = op.d[0](m, out, *values, **params) if op.d and op.variadic else None
    pulled = [op.vjp[0](m, row, out, *values, **params) for row in g] if op.vjp and op.variadic else None
    for slot, (operand, _) in enumerate(pairs):
        if operand is None or id(operand) not in needed or (not op.variadic and (op.d or op.vjp)[slot] is None):
            continue
        if op.d:
            local = together[slot] if together is not None else partial_of(m, node, slot, out, values, params)
            c = times(g, local, op, careful)
        elif pulled is not None:
            c = np.stack([row[slot] for row in pulled])
        else:
            c = np.stack([op.vjp[slot](m, row, out, *values, **params) for row in g])
        real(c, node)
        target = np.shape(operand._value)
        if c.shape[1:] != target:
            c = sum_to(c, shape=(n, *(1,) * (c.ndim - 1 - len(target)), *target)).reshape(n, *target)
        if check:
            check_flow(node, values, [g], c, "backward pass")
        total[id(operand)] = total[id(operand)] + c if id(operand) in total else c
