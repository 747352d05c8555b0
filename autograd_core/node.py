"""The node of a graph and the walk in topological order.

The chain rule may only pass a node on when everything that uses the node has already handed its gradient in. An order in
which every operand stands before its results guarantees that: walked from the end, each node's gradient is complete when
its turn comes. The walk keeps its own stack, so a chain of a million nodes needs no recursion, and marks a node as seen
with the number of the walk (an *epoch*) in a slot of the node: cheaper than a set, and never in need of clearing.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .anomaly import describe
from .errors import GraphError, OperandError, StaleDataError
from .modes import tracing
from .op import Op

__all__ = ["ELSEWHERE", "EPOCHS", "LOCK", "OVERWRITTEN", "UNREACHED", "Node", "age", "operands", "stale", "trace", "walk"]

LOCK = threading.RLock()
"""Walks mark nodes and passes write gradients; one at a time, so that threads may share parameters."""
if hasattr(os, "register_at_fork"):            # a process is forked between passes: its only thread must find the lock free
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)


ELSEWHERE = {
    "view": "reshape", "permute": "transpose", "unsqueeze": "x[:, None]", "pow": "x ** y", "mm": "x @ y", "bmm": "x @ y", "t": "x.T",
    "to": "astype", "clone": "x.copy()", "requires_grad_": "Tensor(data, requires_grad=…)", "zero_grad": "x.grad = None (0.0 for a Value)",
}  # fmt: skip
"""How names that other libraries have are written here."""

UNREACHED = float("0.0")
"""The gradient of a `Value` that no pass has reached: reads as 0.0, and is told from a 0.0 that has flowed by being this object."""


class _Elsewhere:
    """A name that other libraries have: reading it raises an AttributeError that says how it is written here."""

    def __init__(self, name: str) -> None:
        """The name, a key of `ELSEWHERE`."""
        self.name = name

    def __get__(self, node: Any, kind: type) -> Any:
        """Never anything."""
        text = f"{kind.__name__!r} object has no attribute {self.name!r}; here it is written {ELSEWHERE[self.name]}"
        raise AttributeError(text, name=self.name, obj=kind if node is None else node)


class Node:
    """What `Value` and `Tensor` have in common: a result, the operation that made it, and its operands.

    An operand and the data it had when it was recorded are kept side by side: `_a`, `_b` are the operands (None for a
    plain number) and `_x`, `_y` their data. With three or more operands, with parameters, and always in a `Tensor`,
    `_a` is the tuple of operands and `_x` the tuple of their data.

    Whoever makes a node sets every slot that the engine reads: a `__getattr__` with defaults would cost the interpreter its
    short way to *all* slots, which doubles the time of a pass. Only `_origin` is left unset outside `detect_anomaly()`,
    and in a leaf the operands.
    """

    __slots__ = ("_a", "_b", "_mark", "_origin", "_params", "_scope", "_value", "_x", "_y", "grad", "label", "op")
    SCALAR: ClassVar[Any]
    ARRAY: ClassVar[Any]
    is_array: ClassVar[bool] = False
    _value: Any
    _a: Any
    _b: Any
    _x: Any
    _y: Any
    _params: dict[str, Any] | None
    _scope: Any
    _origin: Any
    _mark: int
    _FRESH: ClassVar[Any]
    _UNREACHED: ClassVar[Any]
    requires_grad: Any
    grad: Any
    op: Op | None
    label: str

    def __dir__(self) -> list[str]:
        """What is of use to a reader; kernels of rules and marks of the class are left out."""
        return sorted(set(super().__dir__()) - {"ARRAY", "SCALAR", "gap", "is_array", "strong_mul"} - ELSEWHERE.keys())

    @property
    def parents(self) -> tuple[Node, ...]:
        """The operands in order, repeats kept; () for a leaf. A number in an expression appears as a leaf of its own."""
        if self.op is None:
            return ()
        with LOCK:
            if self._a.__class__ is tuple:
                if any(a is None for a in self._a):
                    self._a = tuple(a if a is not None else _constant(x) for a, x in zip(self._a, self._x, strict=True))
                return self._a
            if self._a is None:
                self._a = _constant(self._x)
            if self._y is None:
                return (self._a,)
            if self._b is None:
                self._b = _constant(self._y)
            return (self._a, self._b)

    @property
    def _prev(self) -> set[Node]:
        """The operands as a set: micrograd's spelling."""
        return set(self.parents)

    @property
    def _op(self) -> str:
        """The operation as a text, '' for a leaf: micrograd's spelling."""
        if self.op is None:
            return ""
        if self.op.name == "power":
            exponent = operands(self)[1]
            return "**" if exponent[0] is not None else f"**{exponent[1]:g}"
        return {"add": "+", "sub": "-", "mul": "*", "div": "/"}.get(self.op.name, self.op.symbol or self.op.name)

    def __xor__(self, other: Any) -> Any:
        """Refused: `^` is Python's exclusive or, and a power is written `x ** y`."""
        raise OperandError("^ is Python's exclusive or, which has no derivative; a power is written x ** y.")

    __rxor__ = __ixor__ = __xor__
    __pandas_priority__ = 10_000               # a column of pandas on the left leaves the operator to us, who say what to do

    def __round__(self, ndigits: int | None = None) -> Any:
        """The one number, rounded for reading: out of the graph, as float() is. `np.round` stays in it."""
        return round(float(self), ndigits)  # type: ignore[arg-type]

    def __reduce__(self) -> Any:
        """Pickles and deep copies carry the graph as a list, so that a long chain needs no recursion."""
        if tracing() and (self.op is not None or (self.requires_grad and self._is_computed)):
            raise GraphError(
                f"copy: a copy of {describe(self)} is a graph of its own, and inside a transform its gradient would be lost without a word; use "
                "the node itself, which no operation changes."
            )
        if self.op is None:
            grad = self.grad if self._flowed else None
            more = getattr(self, "__dict__", None) or None       # what a subclass adds
            return _leaf, (type(self), self._value, self.label, grad, bool(self.requires_grad), self._is_constant, getattr(self, "_age", None)), more
        with LOCK:
            order, leaves = trace([self])
        number = {id(n): i for i, n in enumerate([*leaves, *order])}
        records = []
        for n in order:
            stale(n)
            pairs = operands(n)
            slots = [None if o is None else number[id(o)] for o, _ in pairs]
            saved = [x if o is None else None for o, x in pairs]
            grad = n.grad if n._flowed else None
            records.append((type(n), n._value, n.label, grad, n.op, n._params, slots, saved, n._a.__class__ is tuple))
        return _graph, (leaves, records)

    @property
    def _is_constant(self) -> bool:
        """Whether this is a plain number of an expression, made a leaf because somebody asked for `parents`."""
        return self.op is None and self._params is not None

    @property
    def _is_frozen(self) -> bool:
        """Whether this is a leaf that was made to get gradients, and gets none now: `requires_grad` was set to False."""
        return self.op is None and not self.requires_grad and getattr(self, "_age", None) == 0

    @property
    def _is_computed(self) -> bool:
        """Whether this is what was computed of constants alone, or under `no_grad()`, or taken out of a graph: a leaf that nobody has made.

        The argument of a function that is being differentiated is one too, and has `requires_grad`.
        """
        return self.op is None and self.is_array and not self._is_constant and not hasattr(self, "_age")

    @property
    def _flowed(self) -> bool:
        """Whether a gradient has reached this node."""
        return self.grad is not None and self.grad is not UNREACHED


for _name in ELSEWHERE:
    setattr(Node, _name, _Elsewhere(_name))


def _constant(x: Any) -> Node:
    """A number or array of an expression as a leaf."""
    made: Node = Node.SCALAR._of(x) if isinstance(x, (float, int)) else Node.ARRAY._of(np.asarray(x))
    made._params = {}                          # on a leaf: a number of an expression, which nobody may change
    return made


def _leaf(kind: type[Node], data: Any, label: str, grad: Any, requires_grad: bool, constant: bool = False, age: int | None = None) -> Node:
    """A leaf from a pickle or a copy."""
    node: Any = kind._of(data)  # type: ignore[attr-defined]
    if constant:
        node._params = {}
    if label:
        node.label = label
    if grad is not None:
        node.grad = grad
    if node.is_array:
        node.requires_grad = requires_grad
        if age is not None:
            node._age = age
    return node  # type: ignore[no-any-return]


def _graph(leaves: list[Node], records: list[tuple[Any, ...]]) -> Node:
    """A graph from a pickle or a copy: inner nodes in topological order, operands by their number."""
    nodes: list[Any] = list(leaves)
    for kind, data, label, grad, op, params, slots, saved, flat in records:
        node = _leaf(kind, data, label, grad, True)
        chosen = tuple(None if i is None else nodes[i] for i in slots)
        values = tuple(x if n is None else n._value for n, x in zip(chosen, saved, strict=True))
        node.op = op
        node._b = node._y = None
        if flat:
            node._a, node._x = chosen, values
        else:
            node._a, node._x = chosen[0], values[0]
            if len(chosen) == 2:
                node._b, node._y = chosen[1], values[1]
        if params:
            node._params = params
        if node.is_array:
            node._age = age()  # type: ignore[attr-defined]
        nodes.append(node)
    return nodes[-1]  # type: ignore[no-any-return]


def operands(node: Node) -> tuple[tuple[Node | None, Any], ...]:
    """The operands in order, one entry per use: (the node, or None for a plain number; its data when recorded)."""
    if node.op is None:
        return ()
    if node._a.__class__ is tuple:
        return tuple(zip(node._a, node._x, strict=True))
    return ((node._a, node._x),) if node._y is None else ((node._a, node._x), (node._b, node._y))


# --------------------------------------------------------------------------------------------------- the walk
EPOCHS = iter(range(1, 2**62, 2))
"""The number of each walk and pass; a walk uses the next one too."""
age = itertools.count(-1, -1).__next__
"""When a tensor was made, as a number: the younger, the smaller."""


def trace(roots: Sequence[Node], stop: Sequence[Node] = ()) -> tuple[list[Any], list[Any]]:
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


def walk(*roots: Node) -> list[Node]:
    """Every node below the roots in topological order: operands stand before their results.

    >>> from autograd_core import Value
    >>> x = Value(2.0, label="x")
    >>> [node.label or node.op.name for node in walk((x * x).exp())]
    ['x', 'mul', 'exp']
    """
    with LOCK:
        order, leaves = trace(roots)
    return leaves + order


# ---------------------------------------------------------------------------------------- stale operands
OVERWRITTEN = object()
"""Takes the place of an operand's data in a node whose own `.data` was assigned."""


def stale(node: Node) -> None:
    """Raise if the data of an operand, or of the node itself, is not what was recorded."""
    for slot, (operand, recorded) in enumerate(operands(node)):
        if recorded is OVERWRITTEN:
            raise StaleDataError(
                f"backward: the data of {describe(node)} was assigned after it had been computed, so it is no longer "
                f"the result of {node.op.name} and has no derivative; assign to leaves only, then compute again."  # type: ignore[union-attr]
            )
        if operand is not None and operand._value is not recorded and not _same(operand._value, recorded):
            raise StaleDataError(
                f"backward: the data of {describe(operand)} was assigned after the operation {node.op.name} had "  # type: ignore[union-attr]
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
