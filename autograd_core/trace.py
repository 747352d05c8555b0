"""One run of a function on fresh nodes: what every transform begins with.

Floats become `Value`s and arrays `Tensor`s; the function runs, and leaves a graph between them and its results. Inside another
transform the arguments are nodes already. Then each is first renamed by an `identity` node, which is what keeps the inner derivative
from being confused with the outer one, and what the caller gets are nodes, so that transforms nest. Under `no_grad()` they are constant
nodes: the function itself is recorded all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import NotScalarError, OperandError, StructureError
from .gradients import gradients
from .modes import recording, tracing, transform
from .node import Node
from .op import TABLE
from .operands import as_array, data_of
from .record import joined
from .tree import flatten
from .value import Value

__all__ = ["Argnums", "Function", "Trace", "constant", "tensor_of_nodes", "traced"]

Function = Callable[..., Any]
Argnums = int | Sequence[int]


class Trace:
    """One run of a function on fresh nodes.

    Attributes:
        nested: Whether the caller works with nodes itself: inside another transform, or with nodes among the arguments.
        wrt, rebuild: For each argument its leaves as nodes, and what builds its structure around new leaves.
        nodes: All those leaves, one after another.
        out: The result, in which arrays of nodes have become `Tensor`s.
        leaves, rebuild_out: The leaves of the result, and what builds its structure.
    """

    def __init__(self, who: str, function: Function, primals: Sequence[Any], rest: Callable[[list[Any]], Any]) -> None:
        """Run `function` with its differentiable arguments replaced by nodes; `rest` puts them among the others."""
        if not callable(function):
            raise OperandError(f"{who}: received {function!r}, expected a function.")
        self.who = who
        split = [flatten(p) for p in primals]
        self.nested = tracing() > 0 or any(isinstance(leaf, Node) for leaves, _ in split for leaf in leaves)
        linked = recording()
        with transform():
            self.wrt = [[_fresh(who, leaf, linked) for leaf in leaves] for leaves, _ in split]
            self.rebuild = [build for _, build in split]
            leaves, self.rebuild_out = flatten(rest([build(nodes) for build, nodes in zip(self.rebuild, self.wrt, strict=True)]))
            self.leaves = [tensor_of_nodes(leaf) for leaf in leaves]
        self.out = self.rebuild_out(self.leaves)
        self.nodes = [node for nodes in self.wrt for node in nodes]

    def plain(self, x: Any) -> Any:
        """What the caller gets to see: data outside of every transform, nodes inside of one, which under `no_grad()` are constants."""
        if not isinstance(x, Node):
            return x
        if not self.nested:
            return _data(x)
        return x if recording() else constant(x._value)

    def result(self) -> Any:
        """The value of the function."""
        return self.rebuild_out([self.plain(leaf) for leaf in self.leaves])

    def scalar(self) -> Any:
        """The one number that the function must give."""
        if len(self.leaves) != 1 or self.out is not self.leaves[0]:
            raise NotScalarError(f"{self.who}: the function returned a {type(self.out).__name__}, expected one number; see jacobian and vjp.")
        out = self.leaves[0]
        data = data_of(out)
        if isinstance(data, (str, bytes)) or not isinstance(data, (float, int, np.ndarray, np.generic)):
            raise NotScalarError(f"{self.who}: the function returned {data!r}, expected one number.")
        if np.asarray(data).dtype.kind == "b":
            raise NotScalarError(f"{self.who}: the function returned {data!r:.60}, a truth value, expected one number; a comparison has no gradient.")
        if np.size(data) != 1:
            raise NotScalarError(
                f"{self.who}: the function returned an array of shape {np.shape(data)}, expected one number; return a sum or "
                "a mean, or use jacobian or vjp."
            )
        return out

    def pull(self, roots: Sequence[Any], seeds: Sequence[Any], *, graph: bool) -> list[Any]:
        """The gradient for each differentiable argument, in its structure; with `graph`, as nodes, which under `no_grad()` are constants."""
        cut = graph and not recording()
        if cut:
            graph, seeds = False, [data_of(seed) for seed in seeds]
        live = [(r, s) for r, s in zip(roots, seeds, strict=True) if isinstance(r, Node) and r.requires_grad]
        found: list[Any] = [None] * len(self.nodes)
        if live:
            with transform():
                found = gradients([r for r, _ in live], [s for _, s in live], self.nodes, graph=graph)
        results = [_filled(node, g, graph) for node, g in zip(self.nodes, found, strict=True)]
        full = iter(map(constant, results) if cut else results)
        return [build([next(full) for _ in nodes]) for build, nodes in zip(self.rebuild, self.wrt, strict=True)]


def _filled(node: Any, g: Any, graph: bool) -> Any:
    """A gradient as the caller gets it; zeros where nothing flows."""
    if g is None:
        return np.zeros_like(node._value) if node.is_array else 0.0
    if graph:
        return g
    return np.asarray(g, dtype=node._value.dtype) if node.is_array else float(data_of(g))


def tensor_of_nodes(leaf: Any) -> Any:
    """An array of nodes, as `np.array([x * y, x + y])` makes one, becomes a `Tensor`; anything else stays what it is."""
    if isinstance(leaf, np.ndarray) and leaf.dtype == object and any(isinstance(item, Node) for item in leaf.flat):
        return joined(leaf)
    return leaf


def constant(data: Any) -> Any:
    """A node of its own around a number or an array, as `no_grad()` makes them."""
    return Node.ARRAY._of(np.asarray(data)) if isinstance(data, (np.ndarray, np.generic)) else Node.SCALAR._of(float(data))


def _fresh(who: str, leaf: Any, linked: bool) -> Any:
    if linked and isinstance(leaf, Node) and leaf.requires_grad:
        return TABLE["identity"](leaf)
    if isinstance(leaf, Node):                 # a constant, but to differentiate with respect to it is what was asked
        leaf = leaf._value
    if isinstance(leaf, (bool, np.bool_, str, bytes, complex)) or not isinstance(leaf, (int, float, np.ndarray, np.generic)):
        raise OperandError(
            f"{who}: received {leaf!r} of type {type(leaf).__name__} as something to differentiate by, expected floats, arrays, "
            "or nested lists, tuples and dicts of them; choose the arguments with argnums."
        )
    if isinstance(leaf, np.ndarray):
        node = Node.ARRAY._of(as_array(leaf, who))
        node.requires_grad = True
        return node
    return Value(leaf)


def _data(node: Any) -> Any:
    """The number, or a copy of the array, which may be an argument of the caller."""
    return node._value if not node.is_array else node._value.copy() if node._value.ndim else node._value[()]


def _selected(who: str, argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int]:
    chosen = [argnums] if isinstance(argnums, (int, np.integer)) else list(argnums) if isinstance(argnums, (tuple, list)) else []
    if any(not isinstance(i, (int, np.integer)) or not -len(args) <= i < len(args) for i in chosen) or not chosen:
        indices = f"indices from 0 to {len(args) - 1}" if args else "at least one"
        named = f"; what to differentiate by is given by position, not by name as {', '.join(kwargs)}" if kwargs else ""
        raise StructureError(f"{who}: received argnums={argnums} for {len(args)} arguments, expected {indices}{named}.")
    places = [i % len(args) for i in chosen]
    if len(set(places)) != len(places):
        raise StructureError(f"{who}: received argnums={argnums}, expected each argument once.")
    return places


def traced(who: str, f: Function, argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trace:
    """One run of f(*args, **kwargs), to be differentiated by the arguments that `argnums` names."""
    chosen = _selected(who, argnums, args, kwargs)

    def call(fresh: list[Any]) -> Any:
        full = list(args)
        for i, value in zip(chosen, fresh, strict=True):
            full[i] = value
        return f(*full, **kwargs)

    return Trace(who, f, [args[i] for i in chosen], call)
