"""Module calls: which call of which module made a node, so that a picture folds a neuron or a layer into one box.

While a module computes, its call is the *current scope*; a call made inside it has it as `outer`. When the call returns,
its results are marked with it. A plain tuple is kept per call, since a scalar network makes thousands; names and paths are
worked out when a picture asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from .node import Node

__all__ = ["Scope", "record_call", "record_innermost", "scope_of"]


Record = tuple[Any, tuple[Any, ...], Any]
"""What a call leaves on its results: (the module, its arguments, the record of the call around it or None)."""


class Scope:
    """One call of a module, as pictures read it."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        """From the record that the call has left."""
        self.record = record

    def __eq__(self, other: object) -> bool:
        """Whether it is the same call."""
        return isinstance(other, Scope) and other.record is self.record

    def __hash__(self) -> int:
        """By the call."""
        return id(self.record)

    @property
    def owner(self) -> Any:
        """The module that was called."""
        return self.record[0]

    @property
    def outer(self) -> Scope | None:
        """The call that this one was made in, or None."""
        return None if self.record[2] is None else Scope(self.record[2])

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes that went in; lists and tuples are looked into."""
        return tuple(_nodes(self.record[1]))

    @property
    def kind(self) -> str:
        """The class of the module."""
        return type(self.owner).__name__

    @property
    def path(self) -> str:
        """Where the module stands in the outermost one, such as "layers.0.neurons.3"; "" for the outermost."""
        root = self
        while root.outer is not None:
            root = root.outer
        named = getattr(root.owner, "named_modules", lambda: [("", root.owner)])
        return next((name for name, module in named() if module is self.owner), "")


def scope_of(node: Node) -> Scope | None:
    """The innermost call of a module that made a node, or None."""
    return None if node._scope is None else Scope(node._scope)


def _nodes(arguments: Any) -> Iterator[Node]:
    for x in arguments:
        if isinstance(x, Node):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from _nodes(x)


_current: ContextVar[Record | None] = ContextVar("autograd_core.scope", default=None)
_get, _set = _current.get, _current.set


def record_call(owner: Any, *arguments: Any, **options: Any) -> Any:
    """`owner.forward(*arguments)`, with the results marked as made by this call; the `__call__` of a class of modules.

    >>> from autograd_core import Value
    >>> class Squash:
    ...     def forward(self, x): return (2.0 * x).tanh()
    ...     __call__ = record_call
    >>> y = Squash()(Value(1.0))
    >>> scope_of(y).kind, len(scope_of(y).inputs)
    ('Squash', 1)
    """
    scope = (owner, arguments, _get())
    try:                                       # an interrupt may come right after setting: that is in here too
        _set(scope)
        out = owner.forward(*arguments, **options) if options else owner.forward(*arguments)
    finally:
        _set(scope[2])
    if isinstance(out, Node):
        if out._scope is None and out.op is not None:
            _mark(out, scope)
    elif isinstance(out, (list, tuple)):
        for node in out:
            if isinstance(node, Node) and node._scope is None and node.op is not None:
                _mark(node, scope)
    return out


def _mark(node: Node, scope: Record) -> None:
    """A result belongs to the call that has made it, unless a call inside that one has, or it is what went in."""
    for x in scope[1]:
        if node is x:
            return
    node._scope = scope


def record_innermost(owner: Any, x: Any) -> Any:
    """`record_call` for a module that calls no other and gives one new node: a neuron, of which there are thousands.

    >>> from autograd_core import Value
    >>> class Double:
    ...     def forward(self, x): return 2.0 * x
    ...     __call__ = record_innermost
    >>> scope_of(Double()(Value(1.0))).kind
    'Double'
    """
    out = owner.forward(x)
    if isinstance(out, Node) and out is not x and out.op is not None:
        out._scope = (owner, x if x.__class__ is tuple else (x,), _get())
    return out
