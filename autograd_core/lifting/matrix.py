"""The matrix lifter: tape → canonical form → parts → groups → layout → calls.

This module runs the others in order, and decides in which order the leaves stand inside the program: if some step could not read
the parameters (or inputs) as a view because the caller listed them in another order, they are laid out by first use and the
graph is grouped once more.
"""

from __future__ import annotations

import numpy as np

from .adjoint import Backward
from .canonical import Canonical
from .compiled import CALL, NUMBER, Compiled
from .emit import Forward
from .grouping import SMALL, Grouping, group
from .layout import affine, view_of
from .lecture import lecture
from .listing import Listing
from .parts import split
from .script import Array, Script

__all__ = ["compile_matrices"]


def compile_matrices(graph: Canonical, *, small: int = SMALL) -> Compiled:
    """A program in which the matrix products of a graph have been found."""
    parts = split(graph)
    grouping = group(graph, parts, small=small)
    order = grouping.better_leaf_order()
    if order is not None:
        grouping = group(graph, parts, order, small=small)
    values, adjoints = np.zeros(grouping.arena.size), np.zeros(grouping.arena.size)
    for start, stop in grouping.arena.ones:
        values[start:stop] = 1.0
    for place, number in grouping.numbers.items():
        values[place] = number
    script = Script()
    for section in ("prelude", "forward", "backward"):
        script.begin(section)
    theta = _theta(grouping, script, values)
    inputs, direct = _inputs(grouping, script, values)
    forward = Forward(grouping, script, values, adjoints)
    forward.write()
    backward = Backward(grouping, forward)
    root = int(grouping.place[graph.root])
    backward.write(root)
    gradient = _gradient(grouping, script, adjoints)
    needs_prelude = script.count("prelude") > 0
    loss = f"{script.name(values.item)}({root})"
    calls = script.count("forward"), script.count("backward")
    lines, names = lecture(grouping, root)
    return Compiled(
        kind="matrix",
        theta=theta,
        inputs=inputs,
        gradient=gradient,
        forward=script.compile("forward", result=loss),
        backward=script.compile("backward"),
        careful=script.compile("backward", careful=True),
        prelude=script.compile("prelude") if needs_prelude else None,
        calls=calls,
        cost=CALL * sum(calls) + NUMBER * grouping.arena.size,
        lecture=lines,
        listing=Listing(script, names, values, adjoints),
        details={"prelude": script.count("prelude"), "direct inputs": direct, "arena": grouping.arena.size},
    )


def _theta(grouping: Grouping, script: Script, values: Array) -> Array:
    """The parameters as the caller sees them: a view of the arena, or an array of their own that is copied in."""
    p, order = grouping.graph.parameters, grouping.leaf_order[0]
    if np.array_equal(order, np.arange(p)):
        return values[:p]
    theta, back = np.zeros(p), np.argsort(order)
    script.begin("forward")
    script.take(theta, back, values[:p])
    return theta


def _gradient(grouping: Grouping, script: Script, adjoints: Array) -> Array:
    p, order = grouping.graph.parameters, grouping.leaf_order[0]
    if np.array_equal(order, np.arange(p)):
        return adjoints[:p]
    gradient = np.zeros(p)
    script.begin("backward")
    script.take(adjoints[:p], order.copy(), gradient)
    return gradient


def _inputs(grouping: Grouping, script: Script, values: Array) -> tuple[Array, bool]:
    """The inputs as the caller sees them, and whether they are a view of the arena."""
    graph = grouping.graph
    if not graph.inputs:
        return np.zeros(graph.input_shape), True
    place = grouping.place[graph.parameters : graph.live].reshape(graph.input_shape)
    where = affine(place)
    stale = np.setdiff1d(np.concatenate([p for _, p in grouping.input_copies]), place.ravel())
    if where is not None and not _read_elsewhere(grouping, stale):
        return view_of(values, where, graph.input_shape), True
    inputs = np.zeros(graph.input_shape)
    flat = inputs.reshape(-1)
    script.begin("prelude")
    for which, places in grouping.input_copies:
        target = affine(places)
        if target is not None and target[1] == (1,):
            script.take(flat, which.copy(), values[target[0] : target[0] + len(places)])
        else:
            script.text("{0}[{1}] = {2}[{3}]", values, places.copy(), flat, which.copy())
    return inputs, False


def _read_elsewhere(grouping: Grouping, stale: Array) -> bool:
    """Whether some step reads one of these cells."""
    cells = np.zeros(grouping.arena.size, dtype=bool)
    cells[stale] = True
    return any(bool(cells[index].any()) for step in grouping.steps for index in step.operands())
