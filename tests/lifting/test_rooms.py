"""The rooms of lifting, each alone, with literal numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_core import Value
from autograd_core.lifting.canonical import Canonical, Sum, canonicalise
from autograd_core.lifting.layout import Arena, affine, delinearise, unique_rows
from autograd_core.lifting.parts import split
from autograd_core.lifting.products import connected_components, cross_products
from autograd_core.lifting.rules import LocalDerivative, kernel_call, write_array, write_scalar
from autograd_core.lifting.script import (
    Script,
    strong_matmul_left,
    strong_matmul_right,
    strong_multiply,
    strong_select,
)
from autograd_core.lifting.tape import record, reference_adjoints
from autograd_core.op import TABLE, built_in


def canonical(root: Value, *leaves: Value) -> Canonical:
    return canonicalise(record(root, leaves, []))


# -- tape


def test_tape_lists_operands_before_results() -> None:
    w, x = Value(2.0), Value(3.0)
    y = w * x + w
    tape = record(y, [w], [x])
    assert [op.name if op else None for op in tape.ops] == [None, None, "mul", "add"]
    assert tape.operands == [(), (), (0, 1), (2, 0)]
    assert tape.values == [2.0, 3.0, 6.0, 8.0]
    assert reference_adjoints(tape) == [4.0, 2.0, 1.0, 1.0]


def test_a_tape_of_a_long_chain_needs_no_recursion() -> None:
    x = y = Value(1.0)
    for _ in range(100_000):
        y = y + x
    assert len(record(y, [x], [])) == 100_001


# -- canonical form


def test_all_ways_to_write_a_weighted_sum_are_one() -> None:
    w, x, b = [Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)], Value(5.0)
    leaves = (*w, *x, b)
    terms = {(1.0, 0, 2), (1.0, 1, 3), (1.0, 4, -1)}
    for root in (
        w[0] * x[0] + w[1] * x[1] + b,
        b + (w[1] * x[1] + w[0] * x[0]),
        sum((wi * xi for wi, xi in zip(w, x, strict=True)), b),
        TABLE["weighted_sum"](*w, *x, b),
        w[0] * x[0] - (-(w[1] * x[1])) + b,
    ):
        graph = canonical(root, *leaves)
        assert len(graph.kept) == 1
        assert set(graph.sums[graph.root].terms) == terms


def test_numbers_gather_in_coefficients_and_are_not_distributed() -> None:
    a, b = Value(2.0), Value(3.0)
    graph = canonical(2.0 * (a * 3.0) - b / 4.0 + 7.0, a, b)
    assert graph.sums[graph.root] == Sum(7.0, [(6.0, 0, -1), (-0.25, 1, -1)])
    graph = canonical(2.0 * (a + b), a, b)
    assert [graph.sums[node].terms for node in graph.kept] == [[(1.0, 0, -1), (1.0, 1, -1)], [(2.0, graph.kept[0], -1)]]


def test_the_form_does_not_depend_on_the_values_of_numbers() -> None:
    def build(label: float) -> list[int]:
        w, x = Value(2.0), Value(3.0)
        graph = canonical(label * (w * x) + 0 + label * w, w, x)
        return [len(graph.sums[node].terms) for node in graph.kept]

    assert build(1.0) == build(0.0) == build(-1.0) == build(0.5)


def test_a_sum_that_is_used_twice_stays() -> None:
    a, b = Value(2.0), Value(3.0)
    s = a + b
    graph = canonical(s + s * a, a, b)
    assert len(graph.kept) == 2


def test_squares_are_products_and_other_powers_carry_their_exponent() -> None:
    a = Value(2.0)
    graph = canonical(a**2, a)
    assert graph.sums[graph.root].terms == [(1.0, 0, 0)]
    graph = canonical(a**3, a)
    assert graph.applications[graph.root].numbers == (3.0,)


# -- parts


def test_a_recurrent_sum_is_split_by_what_it_waits_for() -> None:
    w, u, x, z = Value(1.0), Value(2.0), Value(3.0), Value(4.0)
    h = TABLE["tanh"](w * x)
    tape = record(w * z + u * h, [w, u], [x, z])
    parts = split(canonicalise(tape))
    heights = {height: len(level.parts) for height, level in parts.levels.items() if level.parts}
    assert heights == {1: 2, 4: 1}  # w·x and w·z together, u·h when h is there


# -- layout


@pytest.mark.parametrize(
    ("index", "expected"),
    [([5], (5, (0,))), ([3, 5, 7], (3, (2,))), ([[0, 1], [10, 11]], (0, (10, 1))), ([4, 4, 4], (4, (0,))), ([0, 1, 3], None)],
)
def test_affine(index: list[int], expected: object) -> None:
    assert affine(np.array(index)) == expected


def test_delinearise_finds_a_common_shape() -> None:
    rows = np.arange(6).reshape(2, 3)
    assert delinearise([np.array([0, 1, 2, 10, 11, 12]), np.array([0, 0, 0, 1, 1, 1])]) == (2, 3)
    assert delinearise([rows.T.ravel()]) == (3, 2)
    assert delinearise([np.array([0, 1, 5, 3])]) is None


def test_unique_rows() -> None:
    rows = np.array([[3, 1], [0, 2], [3, 1], [0, 1]])
    inverse, distinct = unique_rows(rows)
    assert distinct.tolist() == [[0, 1], [0, 2], [3, 1]]
    assert inverse.tolist() == [2, 1, 2, 0]


def test_arena_blocks_do_not_overlap_and_know_their_ones() -> None:
    arena = Arena()
    first, second = arena.groups[arena.allocate(5, 3)], arena.groups[arena.allocate(2)]
    assert second.base >= first.base + 8
    assert arena.are_ones(np.array([5, 6, 7]))
    assert not arena.are_ones(np.array([4, 5]))
    assert first.covered_by(np.arange(5))
    assert not first.covered_by(np.arange(4))


# -- the cross-product test


def dots(left: np.ndarray, right: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Places of A @ B.T as dots, optionally with dots and terms shuffled."""
    a = np.repeat(left, len(right), 0)
    b = np.tile(right, (len(left), 1))
    if rng is not None:
        for row in range(len(a)):
            order = rng.permutation(a.shape[1])
            a[row], b[row] = a[row, order], b[row, order]
        order = rng.permutation(len(a))
        a, b = a[order], b[order]
    return a, b


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_matrix_product_is_recognised(shuffled: bool) -> None:
    weights, samples = np.arange(12).reshape(3, 4), 100 + np.arange(20).reshape(5, 4)
    a, b = dots(weights, samples, np.random.default_rng(0) if shuffled else None)
    (product,), rest = cross_products(a, b)
    assert rest.size == 0
    assert product.left.shape == (1, 3, 4)
    assert product.right.shape == (1, 5, 4)
    for row, i, j in zip(product.rows, product.left_row, product.right_row, strict=True):
        pairs = set(zip(product.left[0, i].tolist(), product.right[0, j].tolist(), strict=True))
        assert pairs == set(zip(a[row].tolist(), b[row].tolist(), strict=True))


def test_separate_products_become_a_batch_and_odd_dots_stay() -> None:
    blocks = [dots(np.arange(6).reshape(2, 3) + 50 * i, 1000 + np.arange(6).reshape(2, 3) + 50 * i) for i in range(4)]
    a = np.concatenate([block[0] for block in blocks] + [np.array([[700, 701, 702]])])
    b = np.concatenate([block[1] for block in blocks] + [np.array([[1700, 1701, 1702]])])
    (product,), rest = cross_products(a, b)
    assert product.left.shape == (4, 2, 3)
    assert rest.tolist() == [16]


def test_a_product_with_a_hole_is_none() -> None:
    a, b = dots(np.arange(12).reshape(3, 4), 100 + np.arange(20).reshape(5, 4))
    products, rest = cross_products(a[:-1], b[:-1])
    assert products == []
    assert len(rest) == 14


def test_connected_components() -> None:
    labels = connected_components(6, np.array([0, 1, 4]), np.array([1, 2, 5]))
    assert labels.tolist() == [0, 0, 0, 3, 4, 4]


# -- rules and scripts

POINTS = np.array([-np.inf, -2.0, -0.0, 0.0, 5e-324, 0.3, 1.0, 800.0, np.inf, np.nan])
UNARY = [name for name, op in TABLE.items() if op.elementwise and op.arity == 1 and built_in(name)]
BINARY = [name for name, op in TABLE.items() if op.elementwise and op.arity == 2 and built_in(name)]


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_compiled_kernels_and_derivatives_are_the_entry_s_own(name: str) -> None:
    """On ordinary numbers, zeros, infinities and nan: calls into buffers, careful script, and scalar source."""
    op = TABLE[name]
    arity = op.arity or 0
    options = {"min": -1.0, "max": 1.0} if name == "clip" else {}
    operands = [POINTS] if arity == 1 else [np.repeat(POINTS, len(POINTS)), np.tile(POINTS, len(POINTS))]
    with np.errstate(all="ignore"):
        script, out = Script(), np.zeros(len(operands[0]))
        script.begin("forward")
        kernel_call(script, op, operands, (), options, out)
        script.compile("forward")()
        np.testing.assert_array_equal(out, op.array(*operands, **options))
        for slot in range(arity):
            rule = LocalDerivative(op, slot, arity, (), options)
            expected = np.broadcast_to(rule.on_arrays(out, *operands), out.shape)
            known = ~np.isnan(expected)  # a formula may have simplified 0 · nan
            script.begin(f"backward {slot}")
            local = write_array(script, rule, out, operands, np.zeros(len(out)), 0)
            script.compile(f"backward {slot}", careful=True)()
            np.testing.assert_allclose(np.broadcast_to(local, out.shape)[known], expected[known], rtol=1e-14)
            if rule.formula is None:
                continue
            scope: dict[str, object] = {}

            def bind(thing: object, scope: dict[str, object] = scope) -> str:
                scope[f"f{len(scope)}"] = thing
                return f"f{len(scope) - 1}"

            text = write_scalar(rule.formula, {"out": "out", "x0": "x", "x1": "y"}, bind)
            for i in range(len(out)):
                numbers = [float(x[i]) for x in operands]
                if all(map(math.isfinite, [*numbers, out[i]])):
                    point = {"out": float(out[i]), "x": numbers[0], "y": numbers[-1]}
                    np.testing.assert_allclose(eval(text, scope | point), expected[i], rtol=1e-13)


def test_relu_in_place_may_ask_its_result() -> None:
    """The step of the result is the step of the operand: what lets relu overwrite it."""
    relu = TABLE["relu"].array
    np.testing.assert_array_equal(relu(POINTS) > 0.0, POINTS > 0.0)
    assert str(LocalDerivative(TABLE["relu"], 0, 1, (), {}).formula) == "1 if x0 > 0 else 0"


def test_a_script_runs_its_lines_and_their_careful_twins() -> None:
    script, g, x, out = Script(), np.array([0.0, 2.0]), np.array([np.inf, 3.0]), np.zeros(2)
    script.begin("only")
    script.call(np.multiply, g, x, out, careful=strong_multiply)
    with np.errstate(invalid="ignore"):
        script.compile("only")()
        assert np.isnan(out[0])
        script.compile("only", careful=True)()
    assert out.tolist() == [0.0, 6.0]
    assert script.count("only") == 1


def test_strong_zeros() -> None:
    out = np.zeros(3)
    with np.errstate(invalid="ignore"):
        strong_select(np.array([np.inf, 0.0, 2.0]), np.array([0.0, np.nan, 3.0]), out)
    assert out.tolist() == [0.0, 0.0, 6.0]
    g, local = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[np.inf, 1.0], [5.0, np.nan]])
    product = np.zeros((2, 2))
    with np.errstate(invalid="ignore"):
        strong_matmul_left(g, local, product)
        np.testing.assert_array_equal(product, [[5.0, np.nan], [np.inf, 2.0]])
        strong_matmul_right(local.T, g.T, product)
        np.testing.assert_array_equal(product.T, [[5.0, np.nan], [np.inf, 2.0]])
        vector = np.zeros(2)
        strong_matmul_right(np.array([[np.inf, 1.0], [2.0, 3.0]]), np.array([0.0, 4.0]), vector)
    assert vector.tolist() == [4.0, 12.0]


@pytest.mark.parametrize("m", [1, 5])
def test_strong_products_are_ordinary_products_elsewhere(m: int) -> None:
    rng = np.random.default_rng(m)
    g, local = rng.normal(size=(3, m, 4)), rng.normal(size=(3, 4, 2))
    out = np.zeros((3, m, 2))
    strong_matmul_left(g, local, out)
    np.testing.assert_allclose(out, g @ local, rtol=1e-13, atol=1e-13)
    strong_matmul_right(g, local, out)
    np.testing.assert_allclose(out, g @ local, rtol=1e-13, atol=1e-13)
