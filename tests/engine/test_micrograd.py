"""Programs written for micrograd run on our `Value`, with the same numbers, once their import is changed."""

from __future__ import annotations

import importlib.util
import pathlib
import random
import types
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Value

engine = pytest.importorskip(
    "micrograd.engine", reason='compares with micrograd: pip install "autograd-core[test]"'
)
pytestmark = pytest.mark.oracle

IMPORT = "from micrograd.engine import Value"


@pytest.fixture
def libraries() -> Any:
    """micrograd's nn.py twice: as it is, and with the import line changed."""
    source = pathlib.Path(importlib.util.find_spec("micrograd.nn").origin).read_text(encoding="utf-8")
    assert source.count(IMPORT) == 1
    found = []
    for i, line in enumerate([IMPORT, "from autograd_core import Value"]):
        module = types.ModuleType(f"micrograd_nn_{i}")
        exec(compile(source.replace(IMPORT, line), module.__name__, "exec"), module.__dict__)
        found.append(module)
    assert found[0].Value is engine.Value
    assert found[1].Value is Value
    return found


def moons(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise, classes -1 and 1, as in micrograd's demo."""
    rng = np.random.default_rng(1337)
    half = np.pi * rng.random(n // 2)
    up = np.stack([np.cos(half), np.sin(half)], axis=1)
    down = np.stack([1 - np.cos(half), 0.5 - np.sin(half)], axis=1)
    return np.concatenate([up, down]) + 0.1 * rng.standard_normal((n, 2)), np.repeat([-1, 1], n // 2)


def demo(nn: Any, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[list[float], list[float], Any]:
    """micrograd's demo.ipynb: hinge loss, L2, SGD with a falling rate."""
    random.seed(1337)
    model = nn.MLP(2, [8, 8, 1])
    losses, accuracies = [], []
    for k in range(steps):
        inputs = [list(map(nn.Value, row)) for row in x]
        scores = list(map(model, inputs))
        each = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores, strict=True)]
        data_loss = sum(each) * (1.0 / len(each))
        reg_loss = 1e-4 * sum(p * p for p in model.parameters())
        total = data_loss + reg_loss
        accuracies.append(sum((yi > 0) == (s.data > 0) for yi, s in zip(y, scores, strict=True)) / len(y))
        model.zero_grad()
        total.backward()
        rate = 1.0 - 0.9 * k / steps
        for p in model.parameters():
            p.data -= rate * p.grad
        losses.append(total.data)
    return losses, accuracies, model


def test_the_demo_trains_with_the_same_losses(libraries: Any) -> None:
    """To 1e-9 over the whole run, with the same weights at the end."""
    x, y = moons(40)
    theirs, theirs_right, model = demo(libraries[0], x, y, 20)
    ours, ours_right, mine = demo(libraries[1], x, y, 20)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert ours_right == theirs_right
    np.testing.assert_allclose(
        [p.data for p in mine.parameters()], [p.data for p in model.parameters()], rtol=1e-9, atol=1e-9
    )
    assert ours[-1] < 0.6 * ours[0]
    assert len(mine.parameters()) == 2 * 8 + 8 + 8 * 8 + 8 + 8 + 1


def test_nn_by_hand(libraries: Any) -> None:
    """One neuron, one step; its text too."""
    results = []
    for nn in libraries:
        random.seed(0)
        neuron = nn.Neuron(3)
        out = neuron([1.0, -2.0, 3.0])
        out.backward()
        results.append(
            (
                [p.data for p in neuron.parameters()],
                [p.grad for p in neuron.parameters()],
                out.data,
                repr(neuron),
            )
        )
    assert results[0] == results[1]


def sanity(Value: Any) -> tuple[float, float]:
    """micrograd's test_sanity_check."""
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    return y.data, x.grad


def more(Value: Any) -> tuple[float, float, float]:
    """micrograd's test_more_ops."""
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    return g.data, a.grad, b.grad


@pytest.mark.parametrize("program", [sanity, more])
def test_programs_of_its_test_suite(program: Any) -> None:
    """The same numbers."""
    np.testing.assert_allclose(program(Value), program(engine.Value), rtol=1e-12)


def test_its_literal_result() -> None:
    """From micrograd's README: g is 24.7041, with gradients 138.8338 and 645.5773."""
    assert [f"{v:.4f}" for v in more(Value)] == ["24.7041", "138.8338", "645.5773"]


def test_trace_of_its_drawing_notebook() -> None:
    """`trace` of trace_graph.ipynb: nodes and edges by `_prev`, `data`, `grad` and `_op`."""

    def trace(root: Any) -> tuple[set[Any], set[Any]]:
        nodes, edges = set(), set()

        def build(v: Any) -> None:
            if v not in nodes:
                nodes.add(v)
                for child in v._prev:
                    edges.add((child, v))
                    build(child)

        build(root)
        return nodes, edges

    sizes = []
    for kind in (engine.Value, Value):
        x = kind(1.0)
        y = (x * 2 + 1).relu()
        y.backward()
        nodes, edges = trace(y)
        sizes.append((len(nodes), len(edges), sorted(n._op for n in nodes)))
        assert "data" in f"data {y.data:.4f} | grad {y.grad:.4f}"
    assert sizes[0] == sizes[1] == (6, 5, ["", "", "", "*", "+", "ReLU"])


def test_the_import_line_alone_is_enough() -> None:
    """Names of micrograd's engine that programs use are there."""
    for name in ("data", "grad", "_prev", "_op", "backward", "relu"):
        assert hasattr(Value(1.0), name)
    assert repr(Value(1.0)).startswith("Value(data=1.0, grad=0")


def test_the_chain_rule_by_hand() -> None:
    """`o.grad = 1.0`, then `_backward()` node by node in reverse topological order, as in the lecture."""
    x1, x2, w1, w2, b = (Value(v) for v in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
    e = (2 * (x1 * w1 + x2 * w2 + b)).exp()
    out = (e - 1) / (e + 1)
    order: list[Any] = []
    seen = set()

    def build(v: Any) -> None:
        if v not in seen:
            seen.add(v)
            for child in v._prev:
                build(child)
            order.append(v)

    build(out)
    out.grad = 1.0
    for node in reversed(order):
        node._backward()
    np.testing.assert_allclose([v.grad for v in (x1, w1, x2, w2)], [-1.5, 1.0, 0.5, 0.0], atol=1e-12)


def test_one_step_by_hand_adds_to_the_operands() -> None:
    """Through one node only, both edges of x·x, on a `Tensor` too; a leaf has nothing to pass on."""
    x = Value(3.0)
    y = x * x
    y.grad = 2.0
    y._backward()
    y._backward()
    x._backward()
    assert x.grad == 24.0
    t = ag.Tensor([1.0, 2.0])
    s = (t * t).sum()
    s._backward()
    assert t.grad is None
    s.grad = np.ones(())
    s._backward()
    s.parents[0]._backward()
    np.testing.assert_array_equal(t.grad, [2.0, 4.0])
