"""Programs at the points where derivatives are hard: they give what the engine gives, nan for nan and infinity for infinity."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest

from autograd_core import Value, lift, weighted_sum
from autograd_core.errors import LiftError
from autograd_core.lifting import lift_with_origins
from autograd_core.walk import walk

from .hostile import HostileProgram

KINDS = ("matrix", "level batching", "scalar source", None)
SEEDS = 6000 if os.environ.get("HYPOTHESIS_PROFILE") == "intense" else 100


def same(actual: Any, expected: Any, scale: float) -> bool:
    """Whether numbers agree to rounding of the largest number on the way, and what is not finite agrees exactly."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    finite = np.isfinite(expected)
    return np.array_equal(actual[~finite], expected[~finite], equal_nan=True) and bool(np.all(np.abs(actual[finite] - expected[finite]) <= 1e-9 * scale))


def assert_replays(program: Any, graph: HostileProgram, point: list[float]) -> None:
    """The program at a point, compared with the graph that is recorded there anew."""
    leaves = [Value(x) for x in point]
    root = graph(leaves)
    root.backward()
    sizes = [max((abs(x) for x in numbers if math.isfinite(x)), default=1.0) for numbers in ([n.data for n in walk(root)], [n.grad for n in walk(root)])]
    program.theta.data[:] = point[: graph.parameters]
    program.inputs = np.array(point[graph.parameters :])
    loss = program()
    assert same(loss, root.data, sizes[0]), (point, loss, root.data)
    program.backward()
    expected = [leaf.grad for leaf in leaves[: graph.parameters]]
    assert same(program.theta.grad, expected, sizes[1]), (point, program.theta.grad, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_programs_at_hostile_points(kind: str | None, count: Any) -> None:
    """Each at four points, and at one of them again: nothing of a point is left at the next."""
    for seed in range(SEEDS):
        graph = HostileProgram(seed)
        leaves = [Value(x) for x in graph.points[0]]
        root = graph(leaves)
        if not isinstance(root, Value) or root.op is None:
            continue
        parameters, inputs = leaves[: graph.parameters], leaves[graph.parameters :]
        program = lift(root, params=parameters, inputs=inputs) if kind is None else lift_with_origins(root, params=parameters, inputs=inputs, kind=kind)[0]
        for which in (1, 2, 3, 0, 2):
            assert_replays(program, graph, graph.points[which])
        count("programs lifted and replayed at hostile points")


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("number", [math.inf, -math.inf, 1e200])
def test_a_number_that_cannot_be_a_coefficient_passes_no_gradient_on_where_none_comes_in(kind: str, number: float) -> None:
    """min(∞·x, y) is y for x > 0, and then does not depend on x; 10²⁰⁰·10²⁰⁰·x is not ∞ where x is small."""

    def record(x: float, y: float) -> tuple[Any, list[Value]]:
        a, b = Value(x), Value(y)
        return np.minimum(a * number * abs(number), b) + a, [a, b]

    root, leaves = record(2.0, 3.0)
    program = lift_with_origins(root, params=leaves, kind=kind)[0]
    for point in ((2.0, 3.0), (-2.0, 3.0), (1e-300, 1e120)):
        root, leaves = record(*point)
        root.backward()
        program.theta.data[:] = point
        assert program() == root.data
        program.backward()
        assert program.theta.grad.tolist() == [leaf.grad for leaf in leaves]


def test_a_fused_sum_with_infinite_numbers_is_refused() -> None:
    x, y = Value(2.0), Value(3.0)
    with pytest.raises(LiftError, match="weighted_sum with nan or inf among its plain numbers"):
        lift(np.minimum(weighted_sum([math.inf], [x], 0.0), y) + x, params=[x, y])
