"""Large graphs, many threads, and memory: a million operations, freed without the garbage collector."""

from __future__ import annotations

import gc
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Tensor, Value, detect_anomaly, grad, no_grad

MILLION = 1_000_000


@pytest.fixture
def collector_off() -> Iterator[None]:
    """What is freed here is freed by counting references."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def nodes() -> int:
    """How many nodes are alive."""
    return sum(type(o) in (Value, Tensor) for o in gc.get_objects())


def test_a_chain_of_a_million_values(collector_off: None, count: Any) -> None:
    """Forward, backward and freeing, within the default recursion limit; memory is back where it was."""
    blocks = sys.getallocatedblocks()
    x = Value(1.0)
    y = x
    for _ in range(MILLION):
        y = y * 1.0000001
    y.backward()
    assert x.grad == pytest.approx(1.0000001**MILLION, rel=1e-9)
    assert y.data == pytest.approx(1.0000001**MILLION, rel=1e-9)
    count.most("nodes in one graph", MILLION)
    assert sys.getallocatedblocks() - blocks > MILLION
    start = time.process_time()
    del y
    assert time.process_time() - start < 10
    assert sys.getallocatedblocks() - blocks < 1000
    assert (x * x).op is not None


def test_memory_of_a_chain_comes_back(collector_off: None) -> None:
    """In bytes, over several rounds: no leak of one round into the next."""
    x = Value(0.5)

    def once() -> None:
        y = x
        for _ in range(20_000):
            y = (y * 1.5 + x).tanh()
        y.backward()

    once()
    tracemalloc.start()
    try:
        once()
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            once()
        assert tracemalloc.get_traced_memory()[0] - first < 20_000
    finally:
        tracemalloc.stop()


def test_a_long_chain_of_tensors(collector_off: None) -> None:
    """No recursion on arrays either."""
    before = nodes()
    x = Tensor([1.0, 2.0])
    y = x
    for _ in range(50_000):
        y = y + 1.0
    root = y.sum()
    root.backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0])
    np.testing.assert_array_equal(y.data, [50_001.0, 50_002.0])
    del y, root
    assert nodes() - before <= 1


def test_a_long_mixed_chain(collector_off: None) -> None:
    """Values under tensors."""
    before = nodes()
    v = Value(1.0)
    inner: Any = v
    for _ in range(30_000):
        inner = inner + 1.0
    y: Any = np.array([1.0, 2.0]) * inner
    for _ in range(30_000):
        y = -y
    y.sum().backward()
    assert v.grad == 3.0
    del y, inner
    assert nodes() - before <= 1


def test_a_tree_and_a_diamond_are_walked_once_per_node() -> None:
    """y ← y + y, 200 times, has 2²⁰⁰ paths and 200 nodes."""
    x = Value(1.0)
    y = x
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad == 2.0**200
    t = Tensor(1.0)
    z = t
    for _ in range(200):
        z = z * 0.5 + z * 0.5
    z.backward()
    assert t.grad == 1.0


def test_a_wide_sum() -> None:
    """A hundred thousand leaves under one root."""
    leaves = [Value(float(i)) for i in range(100_000)]
    sum(leaves).backward()
    assert all(v.grad == 1.0 for v in leaves)


def test_transforms_of_a_long_program(collector_off: None) -> None:
    """grad of grad through ten thousand steps."""

    def f(x: Any) -> Any:
        y = x * x
        for _ in range(10_000):
            y = y * 1.0
        return y

    before = nodes()
    assert grad(grad(f))(3.0) == 2.0
    assert nodes() - before <= 2


@pytest.mark.parametrize("make", [lambda: Value(0.5), lambda: Tensor([0.5, 0.25])], ids=["Value", "Tensor"])
def test_no_reference_cycles(make: Any, collector_off: None) -> None:
    """Every kind of graph, after backward, transforms, modes and errors."""
    rounds = []
    for _ in range(3):
        x = make()
        w = make()
        y = (
            ag.tanh(x * w + 1.0) / ag.maximum(x, w * 2.0) ** 2
            + ag.where(x.data > 0, x, ag.exp(w))
            + ag.clip(x, 0.0, 1.0)
        )
        y = y if isinstance(y, Value) else (y[[0, 0, 1]].reshape(3, 1) @ np.ones((1, 2))).sum()
        y.backward()
        y.backward()
        repr(y), y.parents, str(y.op)
        grad(
            grad(lambda t: (t * t * t) if isinstance(t, Value) else (t * t * t).sum())
            if isinstance(x, Value)
            else lambda t: (t * t).sum()
        )(0.5 if isinstance(x, Value) else x.data)
        with no_grad():
            x * w
        with detect_anomaly():
            z = x * w
            z = z if isinstance(z, Value) else z.sum()
            z.backward()
        with pytest.raises(ag.errors.AutogradError):
            x + "a"
        del x, w, y, z
        rounds.append(nodes())
    assert rounds[1] == rounds[2]
    gc.collect()
    assert nodes() == rounds[2], "the collector found nodes in cycles"


def test_eight_threads_share_parameters(count: Any) -> None:
    """Each thread does its own forward and backward on the same leaves: no gradient is lost."""
    w, b, t = Value(2.0), Value(1.0), Tensor([1.0, 2.0, 3.0])
    rounds, errors = 100, []
    barrier = threading.Barrier(8)

    def work(i: int) -> None:
        try:
            barrier.wait(10)
            for _ in range(rounds):
                ((w * float(i) + b) * 1.0).backward()
                (t * float(i) * w).sum().backward()
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    total = sum(range(8)) * rounds
    assert w.grad == total + 6.0 * total
    assert b.grad == 8 * rounds
    count.most("threads sharing parameters", len(workers))
    np.testing.assert_array_equal(t.grad, np.full(3, 2.0 * total))


def test_threads_share_a_graph() -> None:
    """Backward of one graph from several threads: inner nodes do not add up."""
    x = Value(3.0)
    square = x * x
    y = square * x
    workers = [threading.Thread(target=lambda: [y.backward() for _ in range(50)]) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert (x.grad, square.grad, y.grad) == (27.0 * 200, 3.0, 1.0)


def test_modes_under_contention() -> None:
    """Threads that switch modes on and off do not disturb one that records."""
    stop = threading.Event()
    wrong: list[str] = []

    def switch() -> None:
        while not stop.is_set():
            with no_grad(), detect_anomaly():
                if (Value(1.0) * 2).op is not None:
                    wrong.append("recorded under no_grad")

    workers = [threading.Thread(target=switch) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(3000):
            x = Value(2.0)
            y = x * x
            y.backward()
            if y.op is None or x.grad != 4.0:
                wrong.append("not recorded")
    finally:
        stop.set()
        for worker in workers:
            worker.join(10)
    assert wrong == []


def test_a_backward_in_one_thread_that_fails_does_not_block_others() -> None:
    """The lock is given back."""
    x = Value(2.0)
    stale = x * x
    x.data = 3.0
    with pytest.raises(ag.errors.StaleDataError):
        stale.backward()
    y = x * x
    worker = threading.Thread(target=y.backward)
    worker.start()
    worker.join(10)
    assert not worker.is_alive()
    assert x.grad == 6.0
