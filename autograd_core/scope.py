"""Module calls: which call of which module made a node, so that a picture folds a neuron or a layer into one box.

While a module computes, its call is the *current scope*; a call made inside it has it as `outer`. When the call returns,
its results are marked with the scope. Only two references are kept per call; names and paths are worked out when a
picture asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from .node import Node

__all__ = ["Scope", "record_call", "record_innermost"]


class Scope(tuple[Any, Any, Any]):
    """One call of a module: (owner, arguments, outer). A plain tuple inside, since a scalar network makes thousands."""

    __slots__ = ()

    @property
    def owner(self) -> Any:
        """The module that was called."""
        return self[0]

    @property
    def outer(self) -> Scope | None:
        """The call that this one was made in, or None."""
        return self[2]  # type: ignore[no-any-return]

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes that went in; lists and tuples are looked into."""
        return tuple(_nodes(self[1]))

    @property
    def kind(self) -> str:
        """The class of the module."""
        return type(self[0]).__name__

    @property
    def path(self) -> str:
        """Where the module stands in the outermost one, such as "layers.0.neurons.3"; "" for the outermost."""
        root = self
        while root.outer is not None:
            root = root.outer
        named = getattr(root.owner, "named_modules", lambda: [("", root.owner)])
        return next((name for name, module in named() if module is self.owner), "")


def _nodes(arguments: Any) -> Iterator[Node]:
    for x in arguments:
        if isinstance(x, Node):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from _nodes(x)


_current: ContextVar[Scope | None] = ContextVar("autograd_core.scope", default=None)
_get, _set = _current.get, _current.set
_make: Callable[..., Scope] = tuple.__new__


def record_call(owner: Any, *arguments: Any, **options: Any) -> Any:
    """`owner.forward(*arguments)`, with the results marked as made by this call; the `__call__` of a class of modules.

    >>> from autograd_core import Value
    >>> class Squash:
    ...     def forward(self, x): return (2.0 * x).tanh()
    ...     __call__ = record_call
    >>> y = Squash()(Value(1.0))
    >>> y._scope.kind, len(y._scope.inputs)
    ('Squash', 1)
    """
    scope = _make(Scope, (owner, arguments, _get()))
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


def _mark(node: Node, scope: Scope) -> None:
    """A result belongs to the call that has made it, unless a call inside that one has, or it is what went in."""
    for x in scope[1]:
        if node is x:
            return
    node._scope = scope


def record_innermost(owner: Any, x: Any) -> Any:
    """`record_call` for a module that calls no other and gives one new node: a neuron, of which there are thousands."""
    out = owner.forward(x)
    if isinstance(out, Node) and out is not x and out.op is not None:
        out._scope = _make(Scope, (owner, x if x.__class__ is tuple else (x,), _get()))
    return out
