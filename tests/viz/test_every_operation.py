"""Every operation of the table can be drawn and explained, on numbers and on arrays."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from autograd_core import TABLE, Tensor, Value
from autograd_core.viz import draw, explain
from autograd_core.viz.network import read


def _middle(interval):
    point = min(interval.high, max(interval.low, 0.6))
    return point if interval.contains(point, 0.05) else (interval.low + interval.high) / 2 + 0.1


def _checked(root):
    seed = np.ones(np.shape(root.data)) if isinstance(root, Tensor) else None
    drawing, found = draw(root), explain(root, seed=seed)
    ET.fromstring(drawing.svg)
    assert found.html.startswith("<!doctype html>")
    assert str(found) and drawing.source.startswith("digraph")
    network = read(root)
    root.backward(seed) if isinstance(root, Tensor) else root.backward()
    for i, node in enumerate(network.nodes):
        if getattr(node, "_flowed", False) and node is not root:
            shown = found.gradients().get(network.names[i], 0.0)  # the condition of `where` takes part in no step
            assert np.array_equal(np.asarray(shown), np.asarray(node.grad), equal_nan=True), network.names[i]
    return found


@pytest.mark.parametrize("name", sorted(n for n, op in TABLE.items() if op.d and not op.variadic))
def test_elementwise(name):
    op = TABLE[name]
    points = [_middle(interval) for interval in op.domain] or [0.6] * op.arity
    found = _checked(op(*(Value(x, label="xyzw"[i]) for i, x in enumerate(points))))
    for step in found:
        assert step.local is not None and step.symbol, "every rule can be read as a formula"
    _checked(op(*(Tensor(np.array([x, x]), label="xyzw"[i]) for i, x in enumerate(points))))


@pytest.mark.parametrize("name", sorted(n for n, op in TABLE.items() if op.samples is not None))
def test_structural(name):
    op = TABLE[name]
    for operands, params in op.samples(np.random.default_rng(0)):
        given = [Tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in operands]
        root = op(*given, **params)
        for out in root if isinstance(root, (list, tuple)) else [root]:
            if isinstance(out, Tensor) and out.requires_grad and out.size:
                _checked(out)
