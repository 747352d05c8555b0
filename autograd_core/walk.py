"""The walk in topological order, and what a pass looks at in every node that it comes to.

The chain rule may only pass a node on when everything that uses the node has already handed its gradient in. An order in
which every operand stands before its results guarantees that: walked from the end, each node's gradient is complete when
its turn comes. The walk keeps its own stack, so a chain of a million nodes needs no recursion, and marks a node as seen
with the number of the walk (an *epoch*) in a slot of the node: cheaper than a set, and never in need of clearing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import StaleDataError

__all__ = ["EPOCHS", "LOCK", "OVERWRITTEN", "describe", "operands", "stale", "topological", "walk"]

LOCK = threading.RLock()
"""Walks mark nodes and passes write gradients; one at a time, so that threads may share parameters."""
if hasattr(os, "register_at_fork"):            # a process is forked between passes: its only thread must find the lock free
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)

EPOCHS = iter(range(1, 2**62, 2))
"""The number of each walk and pass; a walk uses the next one too."""


def operands(node: Any) -> tuple[tuple[Any, Any], ...]:
    """The operands in order, one entry per use: (the node, or None for a plain number; its data when recorded)."""
    if node.op is None:
        return ()
    if node._a.__class__ is tuple:
        return tuple(zip(node._a, node._x, strict=True))
    return ((node._a, node._x),) if node._y is None else ((node._a, node._x), (node._b, node._y))


def topological(roots: Sequence[Any], stop: Sequence[Any] = ()) -> tuple[list[Any], list[Any]]:
    """(inner nodes in topological order, leaves) of the graph below `roots`; a node in `stop` counts as a leaf."""
    epoch = next(EPOCHS)
    done = epoch + 1
    order: list[Any] = []
    leaves: list[Any] = []
    stack: list[Any] = []
    push, pop, finish = stack.append, stack.pop, order.append
    for node in stop:
        node._mark = done
        leaves.append(node)
    for node in reversed(roots):
        if node.op is not None:
            push(node)
        elif node._mark != done:
            node._mark = done
            leaves.append(node)
    while stack:
        node = stack[-1]
        mark = node._mark
        if mark == epoch:                      # seen for the second time: its operands are in order, now it is
            node._mark = done
            finish(pop())
            continue
        if mark == done:                       # used twice, and in order already
            pop()
            continue
        node._mark = epoch
        a = node._a
        if a.__class__ is tuple:
            for operand in a:
                if operand is not None and operand._mark < epoch:
                    if operand.op is None:
                        operand._mark = done
                        leaves.append(operand)
                    else:
                        push(operand)
            continue
        b = node._b
        if b is not None and b._mark < epoch:
            if b.op is None:
                b._mark = done
                leaves.append(b)
            else:
                push(b)
        if a is not None and a._mark < epoch:
            if a.op is None:
                a._mark = done
                leaves.append(a)
            else:
                push(a)
    return order, leaves


def walk(*roots: Any) -> list[Any]:
    """Every node below the roots in topological order: operands stand before their results.

    >>> from autograd_core import Value
    >>> x = Value(2.0, label="x")
    >>> [node.label or node.op.name for node in walk((x * x).exp())]
    ['x', 'mul', 'exp']
    """
    with LOCK:
        order, leaves = topological(roots)
    return leaves + order


def describe(node: Any) -> str:
    """A node in a message: its label or kind, its shape, and the operation that made it.

    >>> from autograd_core import Value
    >>> describe(Value(2.0, label="w"))
    "Value 'w'"
    """
    label = f" {node.label!r}" if node.label else ""
    shape = f" of shape {node._value.shape}" if node.is_array else ""
    return f"{type(node).__name__}{label}{shape}" + (f" (result of {node.op.name})" if node.op is not None else "")


# ---------------------------------------------------------------------------------------- stale operands
OVERWRITTEN = object()
"""Takes the place of an operand's data in a node whose own `.data` was assigned."""


def stale(node: Any) -> None:
    """Raise if the data of an operand, or of the node itself, is not what was recorded."""
    for slot, (operand, recorded) in enumerate(operands(node)):
        if recorded is OVERWRITTEN:
            raise StaleDataError(
                f"backward: the data of {describe(node)} was assigned after it had been computed, so it is no longer "
                f"the result of {node.op.name} and has no derivative; assign to leaves only, then compute again."
            )
        if operand is not None and operand._value is not recorded and not _same(operand._value, recorded):
            raise StaleDataError(
                f"backward: the data of {describe(operand)} was assigned after the operation {node.op.name} had "
                f"recorded it as operand {slot}; {_change(operand._value, recorded)}. "
                "Compute the result again after changing the data, then call backward()."
            )


def _same(x: Any, y: Any) -> bool:
    return not isinstance(x, np.ndarray) and bool(x == y)


def _change(new: Any, recorded: Any) -> str:
    if not isinstance(new, np.ndarray):
        return f"received {new!r}, expected {recorded!r}"
    if np.may_share_memory(new, recorded):
        return f"received the array of shape {new.shape} with other elements, expected those that were recorded"
    return f"received another array of shape {new.shape}, expected the one that was recorded"
