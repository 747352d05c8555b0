"""Random graphs with random module calls (even senseless ones) are always drawn and explained."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from autograd_core import Value
from autograd_core.viz import draw, explain

from .graphs import scope


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
    assert found.html and str(found)
