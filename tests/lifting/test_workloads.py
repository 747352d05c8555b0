"""Every workload, compiled in every way, agrees with the scalar engine while it trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_core.lifting import Program, adjoint, choose, lift, lift_with_origins, scalar_source, verified
from autograd_core.lifting.canonical import Canonical
from autograd_core.lifting.compiled import Compiled
from autograd_core.lifting.level import compile_levels
from autograd_core.lifting.matrix import compile_matrices
from autograd_core.lifting.scalar_source import compile_scalars
from autograd_core.walk import walk

from .reference import Replay, relative_error, worst_error
from .workloads import WORKLOADS, Graph, random_graph, random_loops

TOLERANCE = 1e-10
FUZZED = {50: 60, 200: 200}.get(settings().max_examples, 2000)  # by profile: dev, ci, intense
WAYS: dict[str, Callable[[Canonical], Compiled]] = {
    "matrix": compile_matrices,
    "matrix, nothing merged": lambda graph: compile_matrices(graph, small=1),
    "matrix, merged early": lambda graph: compile_matrices(graph, small=2),
    "levels": compile_levels,
    "scalars": compile_scalars,
}


def lift_by(way: str, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Lift with one compiler only."""

    def only(canonical: Canonical) -> Iterator[Compiled]:
        yield WAYS[way](canonical)

    loss, parameters, inputs = graph
    with monkeypatch.context() as patch:
        patch.setattr(verified, "compilations", only)
        return lift(loss, params=parameters, inputs=inputs)


@pytest.mark.parametrize("name", WORKLOADS)
def test_twenty_training_steps_agree(name: str) -> None:
    """Loss and all gradients, inputs changing from step to step, θ changed in place and by assignment in turn."""
    graph = WORKLOADS[name]()
    program = lift(graph[0], params=graph[1], inputs=graph[2])
    assert worst_error(program, graph, steps=20) < TOLERANCE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["moons_shuffled_leaves_and_label_values", "rnn_one_sequence", "attention", "mixed_operations"])
def test_every_way_agrees(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = WORKLOADS[name]()
    assert worst_error(lift_by(way, graph, monkeypatch), graph, steps=4) < TOLERANCE


@pytest.mark.parametrize("name", ["mlp_mse_gelu", "lstm_10_steps", "mixed_operations"])
def test_the_reference_is_the_engine(name: str) -> None:
    """The replay that programs are compared with gives what eager `backward()` gives."""
    loss, parameters, inputs = WORKLOADS[name]()
    loss.backward()
    expected = np.array([p.grad for p in parameters])
    replay = Replay(loss, parameters, inputs)
    theta = np.array([p.data for p in parameters])
    value, gradient = replay(theta, np.array([x.data for x in inputs]))
    assert value == loss.data
    assert relative_error(gradient, expected) < 1e-14


GRAPHS = {"graphs": random_graph, "programs of arrays with loops": random_loops}


@pytest.mark.parametrize("sort", GRAPHS)
@settings(max_examples=FUZZED, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_graphs_agree(sort: str, seed: int, count: Any) -> None:
    """The steps of a lifted graph are those of the engine, whichever way it is lifted."""
    count(f"random {sort} lifted in every way")
    graph = GRAPHS[sort](seed)
    for way in WAYS:
        with pytest.MonkeyPatch.context() as monkeypatch:
            program = lift_by(way, graph, monkeypatch)
        assert worst_error(program, graph, steps=2, same_path=True) < TOLERANCE, way


@pytest.mark.parametrize("kind", [None, *choose.WAYS])
@pytest.mark.parametrize("seed", range(12))
def test_every_recorded_operation_belongs_to_a_line(seed: int, kind: str | None) -> None:
    loss, parameters, inputs = random_loops(seed) if seed % 3 else random_graph(seed)
    recorded = {id(node) for node in walk(loss) if node.op is not None}
    program, origins = lift_with_origins(loss, params=parameters, inputs=inputs, kind=kind)
    assert {id(node) for _, nodes in origins for node in nodes} == recorded
    assert sum(line.replaced for line in program.lines) == len(recorded)


@pytest.mark.parametrize("sizes", [(0, 10**9, 0), (10**9, 0, 0), (0, 10**9, 10**9)], ids=["as they are", "column by column", "turned round"])
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "rnn_one_sequence", "logistic_regression"])
def test_products_of_all_proportions(name: str, sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for bound, size in zip(("_THIN", "_LARGE", "_SMALL"), sizes, strict=True):
        monkeypatch.setattr(adjoint, bound, size)
    graph = WORKLOADS[name]()
    assert worst_error(lift_by("matrix", graph, monkeypatch), graph, steps=3) < TOLERANCE


@pytest.mark.parametrize("name", ["moons_shuffled_leaves_and_label_values", "mixed_operations", "random_dag_narrow"])
def test_long_scalar_source_in_chunks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalar_source, "LONGEST_FUNCTION", 100)
    monkeypatch.setattr(scalar_source, "CHUNK", 50)
    graph = WORKLOADS[name]()
    assert worst_error(lift_by("scalars", graph, monkeypatch), graph, steps=3) < TOLERANCE


def test_matrix_products_are_found() -> None:
    """Moons: three layers, in a handful of calls, and nothing is gathered."""
    loss, parameters, inputs = WORKLOADS["moons_relu_hinge"]()
    program = lift(loss, params=parameters, inputs=inputs)
    assert program.kind == "matrix"
    text = str(program)
    assert "H1 = relu(W1 @ X + b1)" in text
    assert "H2 = relu(W2 @ H1 + b2)" in text
    assert "(16, 100) ← 52,800 nodes" in text
    assert sum(program.calls) <= 30


@pytest.mark.parametrize(
    ("name", "kind", "calls"),
    [
        ("moons_fused_neurons", "matrix", 30),
        ("moons_plain_number_inputs", "matrix", 30),
        ("moons_shuffled_leaves_and_label_values", "matrix", 55),
        ("moons_tree_sums", "matrix", 30),
        ("neurons_in_mixed_order", "matrix", 30),
        ("logistic_regression", "matrix", 30),
        ("rnn_20_steps", "matrix", 185),
        ("attention", "matrix", 28),
        ("convolution_1d", "matrix", 24),
        ("polynomial_horner", "matrix", 24),
    ],
)
def test_number_of_calls(name: str, kind: str, calls: int) -> None:
    """Structure once found stays found."""
    loss, parameters, inputs = WORKLOADS[name]()
    program = lift(loss, params=parameters, inputs=inputs)
    assert program.kind == kind
    assert sum(program.calls) <= calls


@pytest.mark.parametrize(
    ("name", "kind"), [("long_chain", "scalar source"), ("random_dag_narrow", "scalar source"), ("random_dag_wide", "level batching")]
)
def test_irregular_graphs_fall_back(name: str, kind: str) -> None:
    loss, parameters, inputs = WORKLOADS[name]()
    assert lift(loss, params=parameters, inputs=inputs).kind == kind
