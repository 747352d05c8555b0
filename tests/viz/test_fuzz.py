"""Random graphs with random module calls (even senseless ones) are always drawn and explained."""

import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd_core import Value, weighted_sum
from autograd_core.viz import draw, explain
from autograd_core.viz.fold import view_of
from autograd_core.viz.headers import told_constants
from autograd_core.viz.network import Constant, read

from .graphs import data_of, scope


@st.composite
def roots(draw):
    nodes = [Value(draw(st.floats(-2, 2)), label=draw(st.sampled_from(["", "w", "x"]))) for _ in range(draw(st.integers(1, 4)))]
    scopes = [None]
    for _ in range(draw(st.integers(0, 40))):
        a, b = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        kind = draw(st.integers(0, 4))
        made = a + b if kind < 2 else a * b if kind == 2 else a.tanh() if kind == 3 else a - 0.5
        if draw(st.integers(0, 3)) == 0:
            inputs = draw(st.lists(st.sampled_from(nodes), max_size=3))
            made._scope = scope(draw(st.sampled_from(["", "a", "a.b"])), draw(st.sampled_from("FG")), inputs, draw(st.sampled_from(scopes)))
            scopes.append(made._scope)
        nodes.append(made)
    return nodes[-1]


@given(roots(), st.sampled_from([None, 0, 1, 5]), st.sampled_from([None, True, False]), st.sampled_from([3, 10, 60]))
def test_every_graph_is_drawn(count, root, depth, fold, limit):
    count("random graphs drawn")
    drawing = draw(root, depth=depth, fold=fold, limit=limit)
    ET.fromstring(drawing.svg)
    assert drawing.html and drawing.source
    members = [i for box in drawing.graph.boxes for i in box.members]
    assert len(members) == len(set(members)), "a node stands in one box only"
    assert sum(box.root for box in drawing.graph.boxes) == 1
    shown = [use for edge in drawing.graph.edges for use in edge.members]
    assert len(shown) == len(set(shown)), "a use stands on one edge only"


@given(roots(), st.sampled_from([3, 60]))
def test_every_graph_is_explained(root, limit):
    found = explain(root, limit=limit)
    gradients = found.gradients()
    root.backward()
    names = found._network.names
    for i, node in enumerate(found._network.nodes):
        if getattr(node, "op", None) is not None:
            assert gradients.get(names[i], 0.0) == node.grad
    assert str(found).count("\n") == len(found) + 4 and repr(found).endswith(f": {len(found)} steps>")
    data, graph = data_of(found.html), found._scenes[0].graph
    scene, box_of = data["scenes"][0], {i: k for k, box in enumerate(graph.boxes) for i in box.members}
    for k, (box, nodes) in enumerate(zip(graph.boxes, scene["nodes"], strict=True)):
        assert set(nodes) <= set(box.members) and (nodes or not box.members)
        alone = box.count == 1 and box.members and box.role not in ("module", "rest")
        assert scene["live"][k] in box.members if alone else scene["live"][k] is None
        assert (scene["final"][k] == "") is bool(alone)
    touched = {network_root, *(i for step in found for i in step.numbers[:2])} if (network_root := found._network.root) in box_of else set()
    shown = {i for nodes in scene["nodes"] for i in nodes}
    assert all(i in shown for i in touched if i in box_of)
    drawn = sorted(use for edge in graph.edges for use in edge.members if use in {step.numbers[2] for step in found})
    assert sorted(use for uses in scene["uses"] for use in uses) == drawn
    assert [[step["n"], step["o"], step["u"]] for step in data["steps"]] == [list(step.numbers) for step in found]


def beside(network, view):
    """The boxes before and after each box, by their places in the list."""
    place = {id(unit): k for k, unit in enumerate(view.units)}
    near = [(set(), set()) for _ in view.units]
    for use in network.uses:
        a, b = view.unit_of.get(use.operand), view.unit_of.get(use.node)
        if a is not None and b is not None and a is not b:
            near[place[id(b)]][0].add(place[id(a)])
            near[place[id(a)]][1].add(place[id(b)])
    return near


@given(roots(), st.sampled_from([None, 0, 1, 5]), st.booleans())
def test_folding_loses_no_node_and_makes_no_cycle(root, depth, fold):
    network = read(root)
    view = view_of(network, depth=depth, fold=fold)
    members = [i for unit in view.units for i in unit.members]
    assert sorted(members) == list(range(len(network.nodes))) and view.shown == view.total == len(members)
    assert all(view.unit_of[i] is unit for unit in view.units for i in unit.members)
    assert all(a < k for k, (before, _) in enumerate(beside(network, view)) for a in before), "operands come first"
    assert fold or {unit.kind for unit in view.units} <= {"node", "module"}
    for unit in view.units:
        assert not unit.faded
        assert unit.call is not None or len({network.owner[i] for i in unit.members if network.op(i) is not None}) <= 1
        if unit.kind == "node":
            assert set(unit.members[1:]) <= set(told_constants(network, unit.members[0]))
        elif unit.kind == "sum":
            made = [i for i in unit.members if network.op(i) is not None]
            assert len(made) >= 3 and {network.op(i).name for i in made} == {"add"}
            assert all(isinstance(network.nodes[i], Constant) and network.data(i) == 0 for i in set(unit.members) - set(made))
            assert sum(any(network.uses[k].node not in unit.members for k in network.outgoing[i]) or i == network.root for i in made) == 1
        elif unit.kind == "stack":
            assert len(unit.parts) >= 3 and sorted(i for part in unit.parts for i in part) == sorted(unit.members)
        else:
            assert unit.kind == "module" and unit.call is not None


@given(roots(), st.integers(1, 6), st.data())
def test_a_picture_that_is_cut_has_the_boxes_nearest_to_its_middle(root, limit, data):
    network = read(root)
    around = data.draw(st.sampled_from(range(len(network.nodes))))
    whole, cut = view_of(network, depth=9, fold=False), view_of(network, depth=9, fold=False, around=around, limit=limit)
    near, place = beside(network, whole), {unit.members[0]: k for k, unit in enumerate(whole.units)}
    shown = {place[unit.members[0]] for unit in cut.units if unit.kind != "rest"}
    start = place[whole.unit_of[around].members[0]]
    steps, front = {start: 0}, [start]
    for k in front:                            # a leaf on the way is no way on: what else uses a weight is not near
        for j in sorted(near[k][0] | (near[k][1] if near[k][0] or k == start else set())):
            if j not in steps:
                steps[j] = steps[k] + 1
                front.append(j)
    assert start in shown and len(shown) == min(limit, len(steps)) and shown <= set(steps)
    assert max(steps[k] for k in shown) <= min((steps[k] for k in set(steps) - shown), default=len(steps))
    expected = Counter({(k, before): len(side - shown) for k in shown for before, side in zip((True, False), near[k]) if side - shown})
    assert Counter({(place[rest.host.members[0]], rest.before): rest.missing for rest in cut.rests}) == expected
    assert [unit.kind == "rest" for unit in cut.units] == [True] * sum(b for _, b in expected) + [False] * len(shown) + [True] * sum(not b for _, b in expected)
    assert cut.middle == around and cut.total == len(network.nodes) and cut.shown == sum(len(whole.units[k].members) for k in shown)
    assert {i for unit in cut.whole.units for i in unit.members} == {i for k in steps for i in whole.units[k].members}


def chained(n):
    """n additions in a row of what was computed in different ways, so that nothing else folds."""
    ways = [Value.tanh, Value.sin, Value.exp, Value.cos, Value.sigmoid]
    total = ways[0](Value(0.5))
    for k in range(n):
        total = total + ways[k + 1](Value(0.5))
    return total.tanh()


def shared(n):
    """Three additions of which the second is used twice."""
    a, b, c, d = chained(0), Value(1.0).sin(), Value(1.0).exp(), Value(1.0).cos()
    s = a + b
    return ((s + c) + d) * s if n else (s + c) + d


def twice(n):
    """n weights that two boxes use."""
    weights = [Value(0.5) for _ in range(n)]
    return weighted_sum(weights, [Value(2.0).tanh()] * n, 0.0) * weighted_sum(weights, [Value(2.0).exp()] * n, 0.0)


@pytest.mark.parametrize(
    ("root", "options", "expected"),
    [
        (lambda: twice(7), {}, {}),
        (lambda: twice(8), {}, {"stack": [8]}),
        (lambda: chained(2), {}, {}),
        (lambda: chained(3), {}, {"sum": [3]}),
        (lambda: chained(4), {}, {"sum": [4]}),
        (lambda: sum([Value(1.0).tanh(), Value(1.0).sin(), Value(2.0).exp()]), {}, {"sum": [4]}),
        (lambda: shared(0), {}, {"sum": [3]}),
        (lambda: shared(1), {}, {}),
        (lambda: sum(nn.Layer(2, 2, rng=0)([Value(0.5), Value(1.0)])), {"depth": 1}, {"module": [5, 5]}),
        (lambda: np.tanh(weighted_sum(nn.Layer(2, 3, rng=0)([Value(0.5), Value(1.0)]), [1.0, 2.0, 3.0])), {"depth": 1}, {"stack": [3]}),
        (lambda: weighted_sum([Value(1.0) for _ in range(7)], [0.5] * 7, 0.0), {}, {}),
        (lambda: weighted_sum([Value(1.0) for _ in range(8)], [0.5] * 8, 0.0), {}, {"stack": [8, 8]}),
        (lambda: weighted_sum([Value(1.0).tanh() for _ in range(3)], [0.5] * 3, 0.0), {}, {}),
        (lambda: weighted_sum([Value(1.0).tanh() for _ in range(4)], [0.5] * 4, 0.0), {}, {"stack": [4]}),
        (lambda: weighted_sum([Value(1.0).tanh() for _ in range(4)] + [Value(1.0).sin() for _ in range(3)], [0.5] * 7, 0.0), {}, {"stack": [4]}),
    ],
)  # fmt: skip
def test_how_many_alike_are_folded(root, options, expected):
    view = view_of(read(root()), fold=True, **options)
    found = {}
    for unit in view.units:
        if unit.kind != "node":
            found.setdefault(unit.kind, []).append(len(unit.parts) if unit.kind == "stack" else len(unit.members))
    assert found == expected
    assert {unit.kind for unit in view_of(read(root()), fold=False).units} <= {"node", "module"}
