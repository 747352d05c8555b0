"""Random graphs with shared nodes, views and broadcasting: the gradient of every node against PyTorch."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Tensor, Value, grad, hvp, jvp
from autograd_core.walk import walk

torch = pytest.importorskip(
    "torch", reason='the differential tests need PyTorch: pip install "autograd-core[bench]"'
)
pytestmark = pytest.mark.oracle

# Each takes (numpy or torch, operands…) and keeps the shape (2, 3). Many pass the gradient on as a view.
STEPS: list[tuple[int, Callable[..., Any]]] = [
    (2, lambda m, x, y: x + y),
    (2, lambda m, x, y: x - y),
    (2, lambda m, x, y: x * y * 0.5),
    (2, lambda m, x, y: x / (y * y + 1)),
    (1, lambda m, x: x + x),
    (1, lambda m, x: -x),
    (1, lambda m, x: x * 1.0),
    (1, lambda m, x: x + 1.0),
    (1, lambda m, x: x.reshape(3, 2).reshape(6).reshape(2, 3)),
    (1, lambda m, x: x.T.T),
    (1, lambda m, x: x.T.reshape(2, 3)),
    (1, lambda m, x: x[:, [2, 0, 0]]),
    (1, lambda m, x: x[[1, 0]]),
    (1, lambda m, x: x[0] + x),
    (1, lambda m, x: x[:, 1:2] * x),
    (1, lambda m, x: x[None, :, None][0, :, 0]),
    (1, lambda m, x: m.sum(x, 0) + x),
    (1, lambda m, x: m.sum(x) / 6 + x),
    (1, lambda m, x: m.tanh(x)),
    (1, lambda m, x: m.sin(x) * m.cos(x)),
    (2, lambda m, x, y: (x @ y.T) @ y * 0.1),
    (2, lambda m, x, y: m.concatenate([x[:1], y[1:]])),
    (2, lambda m, x, y: m.stack([x, y])[1]),
    (
        2,
        lambda m, x, y: (
            m.where(m.asarray(np.array([[True, False, True]])), x, y)
            if m is not np
            else np.where(np.array([[True, False, True]]), x, y)
        ),
    ),
    (2, lambda m, x, y: m.maximum(x, y + 0.01)),
]


def program(seed: int, length: int = 12) -> Callable[..., Any]:
    """A function of (module, operands, list that takes every node)."""
    rng = np.random.default_rng(seed)
    choices = [(int(rng.integers(len(STEPS))), rng.integers(0, 10**6, 2)) for _ in range(length)]

    def run(m: Any, operands: list[Any], record: list[Any] | None = None) -> Any:
        nodes = list(operands)
        for kind, picks in choices:
            arity, step = STEPS[kind]
            # lean towards late nodes, so that little of the graph is dead
            chosen = [nodes[-1 - int(p) % min(len(nodes), 4)] for p in picks[:arity]]
            nodes.append(step(m, *chosen))
        if record is not None:
            record.extend(nodes)
        return m.sum(nodes[-1] * nodes[-2] + nodes[-3])

    return run


def inputs(seed: int) -> list[np.ndarray]:
    """Three operands."""
    return list(np.random.default_rng([seed, 1]).uniform(-1, 1, (3, 2, 3)))


@pytest.mark.parametrize("seed", range(60))
def test_every_node_of_a_random_graph(seed: int, count: Any) -> None:
    """Twice over: leaves have twice the gradient, inner nodes the same."""
    count("random graphs against PyTorch")
    run, arrays = program(seed), inputs(seed)
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    their_nodes: list[Any] = []
    expected = run(torch, theirs, their_nodes)
    for node in their_nodes:
        node.retain_grad()
    expected.backward()

    ours = [Tensor(a) for a in arrays]
    nodes: list[Any] = []
    root = run(np, ours, nodes)
    assert root.item() == pytest.approx(expected.item(), rel=1e-12)
    for calls in (1, 2):
        root.backward()
        for mine, other in zip(nodes, their_nodes, strict=True):
            if other.grad is None:
                assert mine.grad is None or not np.any(mine.grad)
            else:
                factor = calls if mine.op is None else 1
                np.testing.assert_allclose(mine.grad, factor * other.grad.numpy(), rtol=1e-10, atol=1e-12)
    for twin in (copy.deepcopy(root), pickle.loads(pickle.dumps(root))):
        twin.backward()
        for mine, other in zip(walk(root), walk(twin), strict=True):
            factor = 1.5 if mine.op is None else 1
            np.testing.assert_allclose(other.grad, factor * mine.grad if mine.grad is not None else None, rtol=1e-10, atol=1e-12)
            assert all(p.op is None or p._age > other._age for p in other.parents), "operands are older than what they make"


@pytest.mark.parametrize("seed", range(30))
def test_higher_orders_of_a_random_graph(seed: int, count: Any) -> None:
    """hvp two ways, jvp against grad, and the numbers of torch."""
    count("random graphs against PyTorch")
    run, arrays = program(seed, length=8), inputs(seed)
    directions = list(np.random.default_rng([seed, 2]).standard_normal((3, 2, 3)))
    everything = (0, 1, 2)

    def f(*xs: Any) -> Any:
        return run(np, list(xs))

    gradients = grad(f, everything)(*arrays)
    slope = sum(np.sum(g * d) for g, d in zip(gradients, directions, strict=True))
    assert float(jvp(f, tuple(arrays), tuple(directions))[1]) == pytest.approx(
        float(slope), rel=1e-10, abs=1e-12
    )
    forward = hvp(f, tuple(arrays), tuple(directions))
    reverse = grad(
        lambda *xs: sum((g * d).sum() for g, d in zip(grad(f, everything)(*xs), directions, strict=True)),
        everything,
    )(*arrays)
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    first = torch.autograd.grad(run(torch, theirs), theirs, create_graph=True, allow_unused=True)
    total = sum((g * torch.tensor(d)).sum() for g, d in zip(first, directions, strict=True) if g is not None)
    found = (
        torch.autograd.grad(total, theirs, allow_unused=True)
        if getattr(total, "requires_grad", False)
        else [None] * 3
    )
    for a, b, g in zip(forward, reverse, found, strict=True):
        expected = np.zeros((2, 3)) if g is None else g.numpy(force=True)
        np.testing.assert_allclose(a, expected, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(b, expected, rtol=1e-9, atol=1e-10)


SCALAR: list[tuple[int, Callable[..., Any]]] = [
    (2, lambda m, x, y: x + y),
    (2, lambda m, x, y: x - y),
    (2, lambda m, x, y: x * y),
    (2, lambda m, x, y: x / (y * y + 1)),
    (1, lambda m, x: 1.5 - x),
    (1, lambda m, x: 2 / (x * x + 1)),
    (1, lambda m, x: x**3 * 0.1),
    (1, lambda m, x: m.tanh(x)),
    (1, lambda m, x: m.sin(x)),
    (1, lambda m, x: m.exp(-x * x)),
    (1, lambda m, x: m.sqrt(x * x + 1)),
    (1, lambda m, x: x + x),
    (1, lambda m, x: x * x),
    (2, lambda m, x, y: (x * x + 0.1) ** m.tanh(y)),
]


@pytest.mark.parametrize("seed", range(40))
def test_values_agree_with_tensors_to_third_order(seed: int, count: Any) -> None:
    """One program read on floats, on 0-d tensors, on a mixture, and by torch."""
    count("random graphs against PyTorch")
    rng = np.random.default_rng([seed, 3])
    choices = [(int(rng.integers(len(SCALAR))), rng.integers(0, 10**6, 2)) for _ in range(8)]
    a, b = rng.uniform(-1, 1, 2)

    def run(m: Any, x: Any, y: Any) -> Any:
        nodes = [x, y]
        for kind, picks in choices:
            arity, step = SCALAR[kind]
            nodes.append(step(m, *(nodes[-1 - int(p) % min(len(nodes), 3)] for p in picks[:arity])))
        return nodes[-1] * nodes[-2] + x * y * 0

    x, y = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    out, expected = run(torch, x, y), []
    for _ in range(3):
        if not out.requires_grad:
            expected.append(0.0)
            continue
        (out,) = torch.autograd.grad(out, x, create_graph=True, allow_unused=True)
        out = torch.zeros(()) if out is None else out
        expected.append(out.item())
    for second in (float(b), np.array(b), Value(b), Tensor(b)):
        for first in (float(a), np.array(a)):
            f: Any = lambda t, s=second: run(np, t, s)
            found = []
            for _ in range(3):
                f = grad(f)
                answer = f(first)
                found.append(float(answer.data if isinstance(answer, (Value, Tensor)) else answer))
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


def test_inner_gradients_are_not_written_into_by_accumulation() -> None:
    """A view given on as a gradient, and then added to: the node above keeps its own."""
    x = Tensor(np.ones((2, 3)))
    shared = x * 2.0
    turned = shared.reshape(3, 2)
    doubled = shared + shared
    top = turned.T @ np.arange(6.0).reshape(3, 2)
    (top.sum() + (doubled * np.arange(6.0).reshape(2, 3)).sum() + ag.exp(shared).sum()).backward()
    np.testing.assert_array_equal(
        turned.grad, np.arange(6.0).reshape(3, 2).sum(axis=1, keepdims=True) @ np.ones((1, 2))
    )
    np.testing.assert_array_equal(doubled.grad, np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(shared.grad, turned.grad.reshape(2, 3) + 2 * doubled.grad + np.exp(2.0))
    np.testing.assert_allclose(x.grad, 2 * shared.grad)
