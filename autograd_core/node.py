"""The node of a graph: its slots, its operands, and how it is copied."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import numpy as np

from .elsewhere import METHODS, Absent
from .errors import GraphError, OperandError
from .modes import tracing
from .op import Op
from .walk import LOCK, describe, operands, stale, topological

__all__ = ["UNREACHED", "Node", "age"]

UNREACHED = float("0.0")
"""The gradient of a `Value` that no pass has reached. It reads as 0.0; identity (`is`) tells it from a gradient that came out as 0.0."""

age = itertools.count(-1, -1).__next__
"""The age of a new tensor, from a counter that runs downwards: the youngest has the smallest number, and is the first that a heap gives."""


class Node:
    """What `Value` and `Tensor` have in common: a result, the operation that made it, and its operands.

    An operand and the data it had when it was recorded are kept side by side: `_a`, `_b` are the operands (None for a
    plain number) and `_x`, `_y` their data. With three or more operands, with parameters, and always in a `Tensor`,
    `_a` is the tuple of operands and `_x` the tuple of their data.

    Code that makes a node sets every slot that the engine reads: a `__getattr__` that supplied defaults would switch off the
    interpreter's fast access to *all* slots, and double the time of a pass. Only `_origin` is left unset outside
    `detect_anomaly()`, and in a leaf the operands.

    `SCALAR` and `ARRAY` are the two subclasses, which register themselves here. In each, `_FRESH` is the gradient that a pass starts
    from, and `_UNREACHED` that of a leaf which no pass has reached.
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
        """The public names, without operations that only rules use, and without names of other libraries."""
        return sorted(set(super().__dir__()) - {"ARRAY", "SCALAR", "gap", "is_array", "strong_mul"} - METHODS.keys())

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
        """The operation as a string, '' for a leaf: micrograd's spelling."""
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
    __pandas_priority__ = 10_000               # pandas then leaves the operator to us, and our error says what to do

    def __round__(self, ndigits: int | None = None) -> Any:
        """The one number, rounded for reading: out of the graph, as float() is. `np.round` stays in it."""
        return round(float(self), ndigits)  # type: ignore[arg-type]

    def __divmod__(self, other: Any) -> Any:
        """(x // y, x % y), as `divmod` has it."""
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        """The same with the node on the right."""
        return other // self, other % self

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
            order, leaves = topological([self])
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
        """Whether this is a plain number or array of an expression, which became a leaf when somebody asked for `parents`."""
        return self.op is None and self._params is not None

    @property
    def _is_frozen(self) -> bool:
        """Whether this is a leaf that was made to get gradients, and gets none now: `requires_grad` was set to False."""
        return self.op is None and not self.requires_grad and getattr(self, "_age", None) == 0

    @property
    def _is_computed(self) -> bool:
        """Whether this leaf is a result and not made by the user: computed from constants alone or under `no_grad()`, or detached.

        The argument of a function that is being differentiated is one too, and has `requires_grad`.
        """
        return self.op is None and self.is_array and not self._is_constant and not hasattr(self, "_age")

    @property
    def _flowed(self) -> bool:
        """Whether a gradient has reached this node."""
        return self.grad is not None and self.grad is not UNREACHED


for _name, _written in METHODS.items():
    setattr(Node, _name, Absent(_name, _written))


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
