"""Functions of functions: `grad`, `value_and_grad`, `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`, as in JAX.

A transform runs the function on fresh nodes (see `trace`), looks at the graph that this leaves, and gives back plain numbers and
arrays in the structure of the arguments; inside another transform it gives back nodes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .arguments import as_numbers, checked, truth
from .errors import OperandError, ShapeError, StructureError
from .forward import pushforward
from .gradients import gradients, jacobian_rows
from .indexing import stack
from .modes import recording, tracing, transform
from .node import Node
from .op import TABLE
from .operands import data_of
from .trace import Argnums, Function, Trace, constant, tensor_of_nodes, traced
from .tree import flatten, same_structure

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


def _seed(root: Any) -> Any:
    return np.ones(root._value.shape, root._value.dtype) if isinstance(root, Node) and root.is_array else 1.0


class _Aux:
    """Wraps a function that returns a pair: calls give the first part, and the second is kept for the caller of the transform."""

    def __init__(self, who: str, f: Function) -> None:
        self.who, self.f, self.kept = who, f, None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        pair = self.f(*args, **kwargs)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise StructureError(f"{self.who}: with has_aux the function must give a pair (result, anything else), received a {type(pair).__name__}.")
        self.kept = pair[1]
        return pair[0]

    def plain(self, trace: Trace) -> Any:
        """What was kept, as the caller gets to see it."""
        leaves, build = flatten(self.kept)
        return build([trace.plain(tensor_of_nodes(leaf)) for leaf in leaves])


@checked
def value_and_grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """A function that gives (f(x), ∇f(x)) from one run of f.

    Args:
        f: Returns one number; with `has_aux`, a pair (number, anything else).
        argnums: Which arguments to differentiate by; a tuple of them gives a tuple of gradients.
        has_aux: Then the result is ((f(x), anything else), ∇f(x)).

    Example:
        >>> value_and_grad(lambda x: x**3)(2.0)
        (8.0, 12.0)
    """
    return _value_and_grad("value_and_grad", f, argnums, has_aux=has_aux)


@checked
def grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """The gradient of a scalar function, as a function of the same arguments.

    ∇f(x) has the structure of x: a float for a float, an array for an array, nested lists, tuples and dicts for models. `argnums`
    and `has_aux` are those of `value_and_grad`; with `has_aux` the result is (∇f(x), anything else).

    Example:
        >>> grad(lambda x: x**3)(2.0)
        12.0
        >>> grad(grad(lambda x: x**3))(2.0)
        12.0
        >>> grad(lambda p: p["w"] * 3.0 + p["b"])({"w": 1.0, "b": 2.0})
        {'w': 3.0, 'b': 1.0}
    """
    return _grad("grad", f, argnums, has_aux=has_aux)


def _value_and_grad(who: str, f: Function, argnums: Argnums, *, has_aux: bool = False) -> Function:
    """`value_and_grad`, whose errors name the transform that was called."""

    @functools.wraps(f, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        aux = _Aux(who, f) if has_aux else None
        trace = traced(who, aux or f, argnums, args, kwargs)
        out = trace.scalar()
        pulled = trace.pull([out], [_seed(out)], graph=trace.nested)
        value = trace.plain(out)
        if aux:
            value = (value, aux.plain(trace))
        return value, tuple(pulled) if isinstance(argnums, Sequence) else pulled[0]

    return run


def _grad(who: str, f: Function, argnums: Argnums, *, has_aux: bool = False) -> Function:
    """`grad`, in the same way."""
    both = _value_and_grad(who, f, argnums, has_aux=has_aux)

    @functools.wraps(f, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return run


def _copied(primals: Sequence[Any]) -> list[Any]:
    """The same structures around copies of the arrays: a pull-back may be called when the caller has changed them."""
    copies = []
    for primal in primals:
        leaves, build = flatten(primal)
        copies.append(build([leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]))
    return copies


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(f(*primals), pull-back): the pull-back takes a cotangent of the shape of the result to a tuple of cotangents.

    With `has_aux` f gives a pair (result, anything else), and this (result, pull-back, anything else).

    Raises:
        StructureError: the structure of the cotangent is not that of the result.
        ShapeError: the shape of a part of it is not that of the same part of the result.

    Example:
        >>> out, pull = vjp(lambda x, y: x * y, 2.0, 3.0)
        >>> out, pull(1.0)
        (6.0, (3.0, 2.0))
    """
    aux = _Aux("vjp", f) if truth(has_aux, "vjp", "has_aux") else None
    trace = Trace("vjp", f, _copied(primals), lambda fresh: (aux or f)(*fresh))

    def pullback(cotangent: Any) -> Any:
        seeds, outs = same_structure("vjp", cotangent, trace.out)
        for seed, out in zip(seeds, outs, strict=True):
            as_numbers(seed, "vjp", "cotangent")
            if np.shape(data_of(seed)) != np.shape(data_of(out)):
                raise ShapeError(f"vjp: received a cotangent of shape {np.shape(data_of(seed))}, expected {np.shape(data_of(out))}, that of the result.")
        graph = trace.nested or tracing() > 0 or any(isinstance(s, Node) for s in seeds)
        return tuple(trace.pull(outs, [np.array(s) if isinstance(s, np.ndarray) else s for s in seeds], graph=graph))

    out = _copied([trace.result()])[0]
    return (out, pullback, aux.plain(trace)) if aux else (out, pullback)


def _no_change(x: Any) -> Any:
    """Zeros like a result that does not move: in its dtype, or float64 for what is not floating."""
    dtype = np.asarray(x).dtype
    return np.zeros(np.shape(x), dtype if dtype.kind == "f" else np.float64)[()]


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False) -> tuple[Any, ...]:
    """(f(*primals), the directional derivative of f along `tangents`), by forward mode.

    `primals` and `tangents` are tuples with an entry per argument, of the same structures and shapes. With `has_aux` f gives a
    pair (result, anything else), and this (result, its derivative, anything else).

    Raises:
        StructureError: they are not tuples, or differ in structure.
        ShapeError: the shape of a tangent is not that of its primal.

    Example:
        >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
        (6.0, 3.0)
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise StructureError(f"jvp: received {name} of type {type(given).__name__}, expected a tuple with one entry per argument: (x,).")
    given_tangents, given_primals = same_structure("jvp", list(tangents), list(primals))
    for t, p in zip(given_tangents, given_primals, strict=True):
        as_numbers(t, "jvp", "tangents")
        if np.shape(data_of(t)) != np.shape(data_of(p)):
            raise ShapeError(f"jvp: received a tangent of shape {np.shape(data_of(t))} for a primal of shape {np.shape(data_of(p))}, expected the same.")
    aux = _Aux("jvp", f) if truth(has_aux, "jvp", "has_aux") else None
    trace = Trace("jvp", f, primals, lambda fresh: (aux or f)(*fresh))
    trace.nested = trace.nested or any(isinstance(t, Node) for t in given_tangents)
    graph = trace.nested and recording()
    directions = [
        t if graph and isinstance(t, Node) else np.asarray(data_of(t), dtype=node._value.dtype) if node.is_array else float(data_of(t))
        for node, t in zip(trace.nodes, given_tangents, strict=True)
    ]
    roots = [leaf for leaf in trace.leaves if isinstance(leaf, Node)]
    with transform():
        moved = dict(zip(map(id, roots), pushforward(roots, trace.nodes, directions, graph=graph), strict=True))

    def tangent(out: Any) -> Any:
        t = moved.get(id(out))
        if t is None:
            return 0.0 if isinstance(data_of(out), (float, int)) else _no_change(data_of(out))
        if trace.nested and not graph:
            return constant(np.asarray(t, out._value.dtype) if out.is_array else float(t))
        return t if isinstance(t, Node) else np.asarray(t, out._value.dtype)[()] if isinstance(out, Node) and out.is_array else float(t)

    out, moves = _copied([trace.result(), trace.rebuild_out([tangent(leaf) for leaf in trace.leaves])])
    return (out, moves, aux.plain(trace)) if aux else (out, moves)


@checked
def jacobian(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """All first derivatives: for an output of shape m and an argument of shape n, an array of shape m + n.

    Structures nest: for each part of the result, the structure of the argument.

    Args:
        f: Returns numbers, arrays, or a structure of them.
        argnums: Which arguments to differentiate by; a tuple of them gives a tuple of Jacobians.
        has_aux: Then f gives a pair (result, anything else), and the function made of it (Jacobian, anything else).

    Example:
        >>> jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
        array([[2., 0.],
               [0., 6.]])
    """
    return _jacobian("jacobian", f, argnums, has_aux=has_aux)


def _jacobian(who: str, f: Function, argnums: Argnums, *, has_aux: bool, one: bool = False) -> Function:
    """`jacobian`, whose errors name the transform that was called; with `one`, a result of one element counts as a number."""

    @functools.wraps(f, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        aux = _Aux(who, f) if has_aux else None
        trace = traced(who, aux or f, argnums, args, kwargs)

        if not trace.leaves:
            raise OperandError(f"{who}: the function returned {trace.out!r:.60}, expected numbers and arrays, which have a derivative.")

        def rows(out: Any) -> Any:
            data = data_of(out)
            if not isinstance(data, (float, int, np.ndarray, np.generic)) or np.asarray(data).dtype.kind == "b":
                raise OperandError(f"{who}: the function returned {data!r:.60}, expected numbers and arrays, which have a derivative.")
            if one and np.shape(data) != () and np.size(data) == 1 and isinstance(out, Node):
                with transform():
                    out = TABLE["reshape"](out, shape=())
            blocks = _rows(trace, out)
            parts = iter(blocks)
            split = [build([next(parts) for _ in nodes]) for build, nodes in zip(trace.rebuild, trace.wrt, strict=True)]
            return tuple(split) if isinstance(argnums, Sequence) else split[0]

        found = trace.rebuild_out([rows(leaf) for leaf in trace.leaves])
        return (found, aux.plain(trace)) if aux else found

    return run


def _zeros(shape: tuple[int, ...], w: Any) -> Any:
    """∂out/∂w where out, of a shape, does not depend on w."""
    return np.zeros(shape + np.shape(w._value), np.asarray(w._value).dtype)[()] if shape or w.is_array else 0.0


def _rows(trace: Trace, out: Any) -> list[Any]:
    """∂out/∂w for every leaf w of the arguments, with the shape of out before the shape of w."""
    shape = np.shape(data_of(out))
    if not isinstance(out, Node) or not out.requires_grad or 0 in shape:
        return [_zeros(shape, w) for w in trace.nodes]
    if not (trace.nested and recording()):
        found = jacobian_rows(out, trace.nodes)
        blocks = [
            _zeros(shape, w) if r is None
            else np.array(r.reshape(shape + np.shape(w._value)), np.asarray(w._value).dtype)[()] if shape or w.is_array
            else float(r.reshape(()))
            for w, r in zip(trace.nodes, found, strict=True)
        ]  # fmt: skip
        return [constant(block) for block in blocks] if trace.nested else blocks
    basis = np.eye(int(np.prod(shape))).reshape(-1, *shape) if shape else [1.0]
    with transform():
        pulled = [gradients([out], [seed], trace.nodes, graph=True) for seed in basis]
        blocks = []
        for i, w in enumerate(trace.nodes):
            zero = np.zeros_like(w._value) if w.is_array else 0.0
            parts = [row[i] if row[i] is not None else zero for row in pulled]
            blocks.append(TABLE["reshape"](stack(parts), shape=shape + np.shape(w._value)) if shape else parts[0])
    return blocks


@checked
def hessian(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """All second derivatives of a scalar function: the Jacobian of its gradient.

    For an argument of shape n, an array of shape n + n; for structures and several `argnums`, a block for each pair of parts. Of a
    function that gives an array of shape m it is the Jacobian of the Jacobian, of shape m + n + n. `has_aux` is that of `jacobian`.

    Example:
        >>> hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
        array([[ 6.,  0.],
               [ 0., 12.]])
    """
    return _jacobian("hessian", _jacobian("hessian", f, argnums, has_aux=has_aux, one=True), argnums, has_aux=has_aux)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian-vector product H·v without the Hessian: forward over reverse, a small multiple of the cost of f.

    `primals` and `tangents` are tuples, as in `jvp`; with one primal the product has its structure, with several it is
    a tuple.

    Raises:
        StructureError: they are not tuples, or differ in structure.
        ShapeError: the shape of a tangent is not that of its primal.

    Example:
        >>> hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
        array([6., 0.])
    """
    if not isinstance(primals, (tuple, list)):
        raise StructureError(f"hvp: received primals of type {type(primals).__name__}, expected a tuple with one entry per argument: (x,).")
    argnums: Argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(_grad("hvp", f, argnums), primals, tangents)[1]
