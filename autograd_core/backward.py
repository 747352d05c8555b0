"""The backward pass: the chain rule, applied from the root down, and what it leaves behind.

**Fresh and accumulated.** Gradients of inner nodes are those of the last pass. Gradients of leaves add up over passes:
the pass works on fresh zeros and adds the sum to what the leaves had only when everything has gone well, so that an
interrupt half-way leaves every leaf as it was.

**Twice, if need be.** The quick sweeps run first; only if a leaf ends up with nan does the careful one run in their place
(see strong zeros in `sweeps.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from .anomaly import LIVE, check_gradients, check_seeds, check_unwritten
from .arguments import as_numbers
from .errors import GraphError, LinAlgError, NotScalarError, RuleError, ShapeError
from .modes import WATCHED, anomaly_detected
from .node import UNREACHED
from .sweeps import QUIET, Step, accumulate, contributions, sweep_carefully, sweep_tensors, sweep_values
from .walk import LOCK, describe, operands, stale, topological

__all__ = ["backpropagate", "needed_for", "one_step", "restore", "run_pass"]


def one_step(node: Any) -> None:
    """The chain rule through one node only, by hand: its gradient, as it stands, is added to its operands'.

    Callable as `node._backward()`, which is micrograd's spelling.
    """
    if node.op is None or node.grad is None:
        return
    with LOCK, np.errstate(all="ignore"):
        stale(node)
        g = np.asarray(node.grad, node._value.dtype) if node.is_array else node.grad
        for _, operand, _, c in contributions(node, g):
            accumulate(operand, c, g, set())


# ------------------------------------------------------------------------------------------ whole passes
def _seed(root: Any, seed: Any) -> Any:
    """The gradient to start from, checked against the root."""
    if seed is not None:
        seed = as_numbers(seed, "backward", "gradient")
    if not root.is_array:
        if seed is None:
            return 1.0
        if np.ndim(seed) != 0:
            raise ShapeError(f"backward: received a gradient of shape {np.shape(seed)} for a Value, expected one number.")
        return float(seed)
    data = root._value
    if seed is None:
        if data.size != 1:
            raise NotScalarError(
                f"backward: {describe(root)} has {data.size} elements, expected one; take a sum or a mean "
                "first, or pass gradient= with an array of the same shape."
            )
        return np.array(1.0, data.dtype).reshape(data.shape)
    if seed.shape != data.shape:
        raise ShapeError(f"backward: received a gradient of shape {seed.shape}, expected {data.shape}, the shape of the tensor.")
    if not np.can_cast(seed.dtype, data.dtype, "same_kind"):
        raise ShapeError(f"backward: received a gradient of dtype {seed.dtype}, expected {data.dtype}.")
    return seed.astype(data.dtype)


def _has_nan(leaves: list[Any]) -> bool:
    """Whether any leaf ended up with nan. One quick sum of squares tells; only if it is not finite are the leaves looked at one by one."""
    total = 0.0
    for leaf in leaves:
        g = leaf.grad
        if g.__class__ is ndarray:
            flat = g.ravel("K")                # in the order of its memory, which copies nothing
            total += flat.dot(flat)
        elif g is not None:
            total += 0.0 * g                   # nan from nan and from inf
    return not math.isfinite(total) and any(
        leaf.grad is not None and np.isnan(leaf.grad).any() and not leaf._is_constant for leaf in leaves
    )


def _start(roots: Sequence[Any], seeds: Sequence[Any], order: list[Any], reached: Sequence[Any], leaves: list[Any], before: list[Any]) -> None:
    """No gradients yet but those of the roots; the leaves that want one go into `leaves`, what they had into `before`."""
    for node in order:
        node.grad = node._FRESH
    for leaf in reached:
        if leaf.requires_grad:
            before.append(leaf.grad)           # first: an interrupt between the two leaves pairs that fit
            leaves.append(leaf)
            leaf.grad = leaf._FRESH
    for root, seed in zip(roots, seeds, strict=True):
        root.grad = seed if root.grad is None or (not root.is_array and root.grad == 0.0) else root.grad + seed


@QUIET
def _quick_tensors_fail(roots: Sequence[Any], seeds: Sequence[Any], edge: Sequence[Any], leaves: list[Any], before: list[Any]) -> bool:
    """Run the quick sweep over a graph of tensors; whether the careful one must repeat it. Squares may overflow without a warning."""
    return not sweep_tensors(roots, seeds, edge, leaves, before) or _has_nan(leaves)


def _quick_values_fail(order: list[Any], leaves: list[Any]) -> bool:
    """Run the quick sweep over a graph of `Value`s; whether the careful one must repeat it."""
    sweep_values(order)
    try:
        return _has_nan(leaves)
    except TypeError:
        odd = next((leaf for leaf in leaves if leaf.grad is not None and not isinstance(leaf.grad, (float, int, np.floating))), None)
        if odd is None:
            raise
        raise RuleError(
            f"backward: the gradient of {describe(odd)} came out as {odd.grad!r:.60}, expected a real number; check_op finds the rule that gave it."
        ) from None


def run_pass(
    roots: Sequence[Any], seeds: Sequence[Any], emit: Callable[[Step], None] | None = None, wrt: Sequence[Any] | None = None
) -> tuple[list[Any], list[Any]]:
    """One backward pass. Leaves new gradients in the slots of the leaves; returns the leaves, and what they had before.

    With `wrt`, only what lies between them and the roots takes part, and any other operand counts as a leaf.
    """
    quick = emit is None and (roots[0].is_array or any(root.is_array for root in roots))    # tensors are swept by age, which needs no walk
    anomalies = WATCHED and anomaly_detected()
    order, reached = _ordered(roots, wrt) if not quick or wrt is not None or anomalies or LIVE else ([], [])
    leaves: list[Any] = []
    before: list[Any] = []                     # a list of its own: a pair for each of a million leaves would wake the garbage collector
    try:
        if anomalies:
            check_seeds(roots, seeds)
        if LIVE:
            check_unwritten(order)
        if quick:
            careful = _quick_tensors_fail(roots, seeds, [] if wrt is None else reached, leaves, before)
        else:
            _start(roots, seeds, order, reached, leaves, before)
            careful = emit is not None or _quick_values_fail(order, leaves)
        if careful:
            restore(leaves, before)
            leaves, before = [], []
            order, reached = _ordered(roots, wrt)
            _start(roots, seeds, order, reached, leaves, before)
            sweep_carefully(order, emit)
        if anomalies:
            check_gradients(order)
    except np.linalg.LinAlgError as error:
        restore(leaves, before)
        raise LinAlgError(f"backward: received a matrix whose inverse the derivative needs, expected one that is not singular: {error}.") from error
    except BaseException:
        restore(leaves, before)
        raise
    return leaves, before


def _ordered(roots: Sequence[Any], wrt: Sequence[Any] | None) -> tuple[list[Any], list[Any]]:
    """(the nodes that take part in topological order, their leaves); see `run_pass`."""
    order, reached = topological(roots)
    if wrt is None:
        return order, reached
    if len(reached) > len(wrt):
        return _between(order, wrt)
    return order, list({id(node): node for node in (*wrt, *reached)}.values())


def _between(order: list[Any], wrt: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The nodes that depend on `wrt`, and the other operands that they have."""
    needed = needed_for(order, wrt)
    inner = [node for node in order if id(node) in needed]
    edge = {id(w): w for w in wrt}
    for node in inner:
        for operand, _ in operands(node):
            if operand is not None and id(operand) not in needed:
                edge[id(operand)] = operand
    return inner, list(edge.values())


def needed_for(order: Sequence[Any], wrt: Sequence[Any]) -> set[int]:
    """The ids of `wrt` and of every node that depends on them."""
    needed = {id(w) for w in wrt}
    for node in order:
        if any(operand is not None and id(operand) in needed for operand, _ in operands(node)):
            needed.add(id(node))
    return needed


def restore(leaves: list[Any], before: list[Any]) -> None:
    """Give leaves the gradients that they had before a pass."""
    for leaf, old in zip(leaves, before, strict=False):
        leaf.grad = old


def _accumulated(old: Any, new: Any, leaf: Any) -> Any:
    """The gradient that a leaf had, which anybody may have assigned, and the new one, in the shape and dtype of the leaf."""
    if old.__class__ is float and new.__class__ is float:
        return old + new
    if old.__class__ is not float and (old.__class__ is not ndarray or old.dtype.kind != "f"):
        old = as_numbers(old, "backward", "the .grad of a leaf")
    if np.shape(old) != np.shape(leaf._value):
        raise ShapeError(
            f"backward: the .grad of {describe(leaf)} was set to {type(old).__name__} of shape {np.shape(old)}, expected "
            f"shape {np.shape(leaf._value)}; set it to None to start anew."
        )
    total = old + new
    if not leaf.is_array:
        return total if total.__class__ is float else float(total)
    dtype = leaf._value.dtype                  # a sum of arrays without axes is a number of NumPy's
    return total if total.__class__ is ndarray and total.dtype is dtype else np.asarray(total, dtype)


def backpropagate(root: Any, seed: Any = None, *, emit: Callable[[Step], None] | None = None) -> None:
    """The backward pass from a root: leaves accumulate, inner nodes hold the gradients of this pass.

    Args:
        root: A `Value` or `Tensor`.
        seed: The gradient of the root, 1 where it is None; an array of the root's shape for a non-scalar tensor.
        emit: Called with a `Step` for every product of the chain rule, in the order in which they run.
    """
    if not root.requires_grad:
        raise GraphError(
            f"backward: {describe(root)} does not depend on anything differentiable; it is a constant, or it was "
            "computed under no_grad()."
        )
    start = _seed(root, seed)
    with LOCK:
        leaves, before = run_pass([root], [start], emit)
        try:
            for leaf, old in zip(leaves, before, strict=True):
                if old is None:                # the first pass of a tensor, whose gradient is an array of its own
                    continue
                new = leaf.grad
                if old is UNREACHED:
                    if new.__class__ is not float:
                        leaf.grad = float(new)
                elif new is None:
                    leaf.grad = old
                else:
                    leaf.grad = _accumulated(old, new, leaf)
        except BaseException:
            restore(leaves, before)
            raise
