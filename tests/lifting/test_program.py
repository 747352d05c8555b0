"""The public face of a program: what goes in, what comes out, and what changes in between."""

from __future__ import annotations

import copy
import gc
import math
import operator
import pathlib
import pickle
import random
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from autograd_core import Program, Tensor, Value, grad, lift, no_grad, weighted_sum
from autograd_core.errors import AutogradError, GraphError, LiftError, OperandError, ShapeError
from autograd_core.lifting import lift_with_origins, verified
from autograd_core.lifting.tape import reference_adjoints
from autograd_core.op import TABLE, operation
from autograd_core.walk import walk

from .workloads import MLP, WORKLOADS, flat, hinge, moons, samples


def line_fit() -> tuple[Value, list[Value], list[Value]]:
    """Σ (w·x + b − 1)² for x = 0, 1, 2, 3 at w = 2, b = 0.5."""
    w, b = Value(2.0), Value(0.5)
    xs = [Value(float(i)) for i in range(4)]
    return sum((w * x + b - 1.0) ** 2 for x in xs), [w, b], xs


def test_literal_numbers() -> None:
    """(−0.5)² + 1.5² + 3.5² + 5.5² = 45; Σ 2rx = 50; Σ 2r = 20."""
    loss, parameters, xs = line_fit()
    program = lift(loss, params=parameters, inputs=xs)
    assert program() == pytest.approx(45.0, rel=1e-15)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [50.0, 20.0], rtol=1e-15)
    program.inputs[:] = 0.0
    assert program() == pytest.approx(1.0, rel=1e-15)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [0.0, -4.0], rtol=1e-15)


def test_theta_in_place_and_by_assignment() -> None:
    loss, parameters, xs = line_fit()
    program = lift(loss, params=parameters, inputs=xs)
    assert isinstance(program.theta, Tensor)
    program.theta.data[:] = [0.0, 1.0]
    assert program() == 0.0
    program.theta.data = np.array([0.0, 2.0])
    assert program() == 4.0
    program.theta.data[1] = 3.0
    assert program() == 16.0
    with pytest.raises(AutogradError, match=r"received shape \(3,\), expected \(2,\)"):
        program.theta.data = np.zeros(3)


@pytest.mark.parametrize(
    "step",
    [
        lambda program: setattr(program, "theta", program.theta - 0.01 * program.theta.grad),
        lambda program: setattr(program, "theta", program.theta.data - 0.01 * program.theta.grad),
        lambda program: setattr(program, "theta", (program.theta.data - 0.01 * program.theta.grad).tolist()),
        lambda program: no_grad()(lambda: setattr(program, "theta", operator.isub(program.theta, 0.01 * program.theta.grad)))(),
        lambda program: nn.SGD([program.theta], lr=0.01).step(),
    ],
)
def test_numbers_assigned_to_theta_go_into_it(step: Callable[[Program], None]) -> None:
    program, expected = (lift(loss, params=parameters) for loss, parameters, _ in (line_fit(), line_fit()))
    theta = program.theta
    for _ in range(5):
        assert program() == expected()
        program.backward()
        expected.backward()
        step(program)
        expected.theta.data[:] -= 0.01 * expected.theta.grad
        assert program.theta is theta and theta.op is None and theta.data.tolist() == expected.theta.data.tolist()
    for wrong in (np.ones(3), 1.0, [[1.0, 2.0]], None, "theta"):
        with pytest.raises(AutogradError, match="theta"):
            program.theta = wrong
    assert program.theta is theta and program() == expected()


def test_backward_replaces_and_does_not_accumulate() -> None:
    loss, parameters, xs = line_fit()
    program = lift(loss, params=parameters, inputs=xs)
    program.backward()  # runs forward by itself
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [50.0, 20.0])
    program.theta.grad *= 0.0  # as clipping or weight decay in place would
    program()
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [50.0, 20.0])
    program.theta.grad = None
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [50.0, 20.0])


@pytest.mark.parametrize("name", ["moons_relu_hinge", "rnn_one_sequence", "random_dag_wide"])
def test_gradients_scaled_in_place_come_back_whole(name: str) -> None:
    """Whichever way the graph was compiled, cells of unused or constant gradients are written anew."""
    loss, parameters, inputs = WORKLOADS[name]()
    program = lift(loss + 3.0 * parameters[0], params=[*parameters, Value(1.0)], inputs=inputs)
    program.backward()
    first = program.theta.grad.copy()
    program.theta.grad += 1.0
    program.backward()
    np.testing.assert_array_equal(program.theta.grad, first)
    assert first[-1] == 0.0


def test_inputs_keep_their_shape() -> None:
    x, y = moons(12)
    model, rows = MLP(random.Random(3), (2, 4, 1)), samples(x)
    program = lift(hinge(model, rows, y.tolist(), model.parameters()), params=model.parameters(), inputs=rows)
    assert program.inputs.shape == (12, 2)
    np.testing.assert_array_equal(program.inputs, x)
    before = program()
    program.inputs = x[::-1]
    again = [Value(float(v)) for row in x[::-1] for v in row]
    fresh = hinge(model, [again[i : i + 2] for i in range(0, 24, 2)], y.tolist(), model.parameters())
    assert program() == pytest.approx(fresh.data, rel=1e-13)
    program.inputs[...] = x
    assert program() == before
    with pytest.raises(ShapeError, match=r"received shape \(3, 2\), expected \(12, 2\)"):
        program.inputs = np.zeros((3, 2))


def test_hoisted_operations_follow_the_inputs() -> None:
    """Work on inputs alone runs only when they change, and always when they change."""
    w = Value(1.0)
    xs = [Value(float(i)) for i in range(1, 9)]
    loss = sum(w * TABLE["exp"](x * 0.1) for x in xs)
    program = lift(loss, params=[w], inputs=xs)
    program.inputs[:] = 0.0
    assert program() == pytest.approx(8.0)
    program.inputs[3] = 10.0
    assert program() == pytest.approx(7.0 + np.e)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [7.0 + np.e])


def test_leaves_by_default() -> None:
    a, b = Value(2.0), Value(3.0)
    program = lift(a * b + a)
    program.backward()
    assert program.inputs.size == 0
    np.testing.assert_array_equal(sorted(program.theta.grad.tolist()), [2.0, 4.0])
    program = lift(a * b + a, params=[a])
    np.testing.assert_array_equal(program.inputs, [3.0])
    program = lift(a * b + a, inputs=[a])
    np.testing.assert_array_equal(program.theta.data, [3.0])


def test_leaves_that_are_none_or_listed_twice_are_refused() -> None:
    a, b = Value(2.0), Value(3.0)
    c = a * b
    with pytest.raises(GraphError, match=r"params\[1\] is listed twice"):
        lift(c, params=[a, a])
    with pytest.raises(GraphError, match=r"inputs\[0\] is listed twice \(already in params\)"):
        lift(c, params=[a], inputs=[a])
    with pytest.raises(GraphError, match=r"params\[0\] is the result of 'mul', expected a leaf"):
        lift(c + 1.0, params=[c])
    with pytest.raises(OperandError, match="params holds float, expected Values"):
        lift(c, params=[1.0])
    with pytest.raises(OperandError, match="received float, expected a Value"):
        lift(3.0)
    with pytest.raises(OperandError, match=r"received Tensor, expected a Value.*print\(lift\(root\)\)"):
        lift_with_origins(Tensor([1.0, 2.0]).sum(), params=[])
    with pytest.raises(OperandError, match="received float, expected a Value, the root"):
        lift_with_origins(3.0)


def test_roots_of_all_kinds() -> None:
    a, b = Value(2.0), Value(3.0)
    program = lift(a, params=[a, b])
    program.backward()
    assert program() == 2.0
    np.testing.assert_array_equal(program.theta.grad, [1.0, 0.0])
    program = lift(b * 2.0, params=[a])  # b becomes an input
    assert program() == 6.0
    program = lift(b * 2.0, params=[a], inputs=[])  # b is a constant, and so is the root
    program.backward()
    assert program() == 6.0
    np.testing.assert_array_equal(program.theta.grad, [0.0])


@pytest.mark.parametrize("kind", [None, "matrix", "level batching", "scalar source"])
def test_a_root_that_is_a_plain_number(kind: str | None) -> None:
    for root in (Value(3.0), Value(1.0) * 3.0):
        program = lift_with_origins(root, params=[], inputs=[], kind=kind)[0]
        program.backward()
        assert program() == 3.0 and program.theta.grad.shape == (0,)
    a = Value(2.0)
    program = lift_with_origins(a, params=[], inputs=[a], kind=kind)[0]
    program.inputs[:] = 5.0
    assert program() == 5.0


def test_write_back() -> None:
    loss, (w, b), xs = line_fit()
    program = lift(loss, params=[w, b], inputs=xs)
    program.theta.data = np.array([1.0, 2.0])
    program.inputs[:] = 1.0
    program()
    program.backward()
    assert (w.data, b.data) == (2.0, 0.5)
    program.write_back()
    assert (w.data, b.data, xs[0].data) == (1.0, 2.0, 1.0)
    assert (w.grad, b.grad) == (16.0, 16.0)
    assert type(w.data) is float
    assert type(w.grad) is float


def test_recorded_value_wins_over_assigned_data_in_the_check() -> None:
    """A step of the optimiser between recording and lifting does not make the self-check fail; new data is taken over."""
    loss, (w, b), xs = line_fit()
    w.data = 0.0
    program = lift(loss, params=[w, b], inputs=xs)
    np.testing.assert_array_equal(program.theta.data, [0.0, 0.5])
    assert program() == pytest.approx(1.0)


def test_the_self_check_stops_a_wrong_program(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, parameters, xs = line_fit()
    monkeypatch.setattr(verified, "reference_adjoints", lambda tape: [g * (1 + 1e-6) for g in reference_adjoints(tape)])
    with pytest.raises(GraphError, match=r"does not reproduce its graph: ∂/∂params\[0\]"):
        lift(loss, params=parameters, inputs=xs)


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_is_left_as_it_was(collecting: bool) -> None:
    loss, parameters, xs = line_fit()
    try:
        (gc.enable if collecting else gc.disable)()
        lift(loss, params=parameters, inputs=xs)
        with pytest.raises(GraphError):
            lift(loss, params=[loss])
        assert gc.isenabled() is collecting
    finally:
        gc.enable()


def test_the_graph_may_go() -> None:
    """The program keeps leaves, not the graph."""
    loss, parameters, xs = line_fit()
    inner = weakref.ref(loss.parents[0]) if hasattr(loss, "__weakref__") else None
    program = lift(loss, params=parameters, inputs=xs)
    gc.collect()
    before = sum(type(thing) is Value for thing in gc.get_objects())
    del loss
    gc.collect()
    after = sum(type(thing) is Value for thing in gc.get_objects())
    assert before - after >= 12
    assert inner is None or inner() is None
    assert program() == pytest.approx(45.0)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [50.0, 20.0])


def test_programs_share_parameters() -> None:
    """Two losses of one model: training on one θ moves both, once it is handed over."""
    w, b = Value(2.0), Value(0.5)
    first, second = lift((w * 3.0 + b) ** 2, params=[w, b]), lift((w - b) ** 2, params=[w, b])
    second.theta.data = first.theta.data
    first.theta.data[:] = [1.0, -3.0]
    assert (first(), second()) == (0.0, 16.0)


def test_two_threads() -> None:
    programs = []
    for seed in (1, 2):
        x, y = moons(30)
        model, rows = MLP(random.Random(seed), (2, 8, 1)), samples(x)
        programs.append(lift(hinge(model, rows, y.tolist(), model.parameters()), params=model.parameters(), inputs=flat(rows)))

    def train(which: int, losses: list[float], theta: np.ndarray) -> None:
        program = programs[which]
        program.theta.data = theta.copy()
        for _ in range(200):
            losses.append(program())
            program.backward()
            program.theta.data -= 0.05 * program.theta.grad

    start = [program.theta.data.copy() for program in programs]
    alone: list[list[float]] = [[], []]
    for which in (0, 1):
        train(which, alone[which], start[which])
    together: list[list[float]] = [[], []]
    threads = [threading.Thread(target=train, args=(i, together[i], start[i])) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert alone[0][-1] < alone[0][0]


@pytest.mark.parametrize("scale", [1.0, 700.0, 1e6])
def test_infinities_and_nan_are_those_of_the_engine(scale: float) -> None:
    """where(x > 0, exp(x), 1 + x) with weights: overflow in a branch that was not taken contributes exactly 0."""

    def graph(w: list[Value], xs: list[Value]) -> Any:
        terms = []
        for i, x in enumerate(xs):
            z = w[i % 3] * x
            taken = TABLE["where"](2.0 if i % 2 else 0.0, TABLE["exp"](z), 1.0 + z)
            terms.append(TABLE["minimum"](taken, 5.0) + TABLE["relu"](TABLE["log"](TABLE["abs"](z))))
        return sum(terms)

    rng = random.Random(4)
    data = [rng.uniform(-1, 1) for _ in range(12)]
    w, xs = [Value(rng.uniform(0.5, 1)) for _ in range(3)], [Value(v) for v in data]
    program = lift(graph(w, xs), params=w, inputs=xs)
    extreme = [v * scale for v in data]
    extreme[5], extreme[6] = 0.0, scale * 1e300
    program.inputs[:] = extreme
    eager_w = [Value(v.data) for v in w]
    loss = graph(eager_w, [Value(v) for v in extreme])
    loss.backward()
    np.testing.assert_allclose(program(), loss.data, rtol=1e-12)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [v.grad for v in eager_w], rtol=1e-12)


def test_a_nan_input_poisons_as_it_does_eagerly_and_leaves_no_trace() -> None:
    x, y = moons(20)
    model, rows = MLP(random.Random(3), (2, 6, 1), "tanh"), samples(x)
    program = lift(hinge(model, rows, y.tolist(), model.parameters()), params=model.parameters(), inputs=rows)
    clean = program()
    program.backward()
    gradient = program.theta.grad.copy()
    program.inputs[3, 1] = np.nan
    assert np.isnan(program())
    program.backward()
    poisoned = x.copy()
    poisoned[3, 1] = np.nan
    eager = MLP(random.Random(3), (2, 6, 1), "tanh")
    hinge(eager, samples(poisoned), y.tolist(), eager.parameters()).backward()
    np.testing.assert_allclose(program.theta.grad, [p.grad for p in eager.parameters()], rtol=1e-12)
    program.inputs[3, 1] = x[3, 1]
    assert program() == clean
    program.backward()
    np.testing.assert_array_equal(program.theta.grad, gradient)


def test_an_operation_of_ones_own_lifts() -> None:
    """Kernel and rule come from the entry; a rule that branches in Python is called instead of compiled."""

    def rule(m: object, out: float, x: float) -> float:
        return 2.0 * x if np.ndim(x) == 0 else np.multiply(2.0, x)

    @operation(d=rule)
    def squared_again(x: float) -> float:
        "x²"
        return x * x

    try:
        w = [Value(0.1 * i) for i in range(40)]
        loss = sum(squared_again(v * 3.0) for v in w)
        program = lift(loss, params=w)
        program.backward()
        loss.backward()
        np.testing.assert_allclose(program.theta.grad, [v.grad for v in w], rtol=1e-13)
    finally:
        squared_again.forget()


def test_warnings_stay_silent_outside_and_inside() -> None:
    """Overflow inside a program warns nobody, and NumPy's settings outside are untouched."""
    before = np.geterr()
    w = Value(1.0)
    program = lift(sum(TABLE["exp"](w * float(i)) for i in range(1, 60)), params=[w])
    program.theta.data = np.array([1e4])
    assert program() == np.inf
    program.backward()
    assert np.geterr() == before


def bytes_held(program: Any) -> int:
    """The memory under all arrays of a program, every byte counted once (views of one block lie over one another)."""
    compiled = program._compiled
    runs = [compiled.forward, compiled.backward, compiled.careful, compiled.prelude, compiled.careful_forward]
    bound = [thing for run in runs if run is not None for thing in run.__globals__.values()]
    arrays = [thing if isinstance(thing, np.ndarray) else getattr(thing, "__self__", None) for thing in bound]
    blocks = sorted(np.lib.array_utils.byte_bounds(a) for a in arrays if isinstance(a, np.ndarray) and a.size)
    total = end = 0
    for low, high in blocks:
        total += max(high - max(low, end), 0)
        end = max(high, end)
    return total


@pytest.mark.parametrize("name", WORKLOADS)
def test_memory_is_a_small_multiple_of_the_arrays(name: str) -> None:
    """Less than four times what the same computation by hand keeps: parameters, inputs, one array a line, and their gradients.

    Where there are no matrices to be found, nobody would write arrays by hand: such a program is lighter than its graph.
    """
    loss, parameters, inputs = WORKLOADS[name]()
    nodes = len(walk(loss))
    program = lift(loss, params=parameters, inputs=inputs)
    numbers = 2 * program.theta.size + program.inputs.size + 2 * sum(math.prod(line.shape) for line in program.lines)
    held = bytes_held(program)
    assert held < (4 * 8 * numbers if program.kind == "matrix" else 176 * nodes)
    if program.kind == "matrix":               # the arrays were found: parameters and their gradients at the very least
        assert held > 2 * 8 * program.theta.size


def micrograd_mlp() -> Any:
    """micrograd's own nn.py, with our Value in the place of its own."""
    source = pytest.importorskip("micrograd.nn").__file__
    scope: dict[str, Any] = {"Value": Value, "__name__": "micrograd_on_ours"}
    exec(pathlib.Path(source).read_text(encoding="utf-8").replace("from micrograd.engine import Value", ""), scope)
    return scope["MLP"](2, [16, 16, 1])


@pytest.mark.parametrize("build", [micrograd_mlp, lambda: nn.MLP(2, [16, 16, 1])], ids=["micrograd's nn.py", "nn.MLP"])
@pytest.mark.parametrize("inputs_are_values", [True, False])
def test_models_of_others_lift_as_well(build: Any, inputs_are_values: bool) -> None:
    model = build()
    x, y = moons()
    rows: Any = samples(x) if inputs_are_values else x.tolist()
    losses = [(1 + -label * model(row)).relu() for row, label in zip(rows, y.tolist(), strict=True)]
    loss = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())
    program = lift(loss, params=model.parameters(), inputs=rows if inputs_are_values else [])
    assert program.kind == "matrix"
    assert sum(program.calls) <= 30
    loss.backward()
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [p.grad for p in model.parameters()], rtol=1e-10, atol=1e-14)


def test_origins_of_every_line() -> None:
    """Each line knows the recorded nodes that it replaced, and together the lines replaced them all."""
    x, y = moons(10)
    model, rows = MLP(random.Random(3), (2, 4, 4, 1)), samples(x)
    loss = hinge(model, rows, y.tolist(), model.parameters())
    program, origins = lift_with_origins(loss, params=model.parameters(), inputs=rows)
    assert [line for line, _ in origins] == list(program.lines)
    everything = {id(node) for node in walk(loss) if node.op is not None}
    assert {id(node) for _, nodes in origins for node in nodes} == everything
    first, nodes = origins[0]
    assert first.expression == "relu(W1 @ X + b1)"
    assert {node.op.name for node in nodes if node.op is not None} == {"relu", "add", "mul"}
    assert len(nodes) == first.replaced == 10 * 4 * 5


def test_repr_and_lecture() -> None:
    loss, parameters, inputs = WORKLOADS["moons_relu_hinge"]()
    program = lift(loss, params=parameters, inputs=inputs)
    assert repr(program) == "<Program: matrix, 337 parameters, 200 inputs>"
    assert program.lines[0].name == "H1"
    assert program.lines[0].shape == (16, 100)
    recorded = sum(line.replaced for line in program.lines)
    assert 60_000 < recorded < 70_000


@pytest.mark.parametrize("kind", [None, "matrix", "level batching", "scalar source"])
@pytest.mark.parametrize("samples", [1, 6])
def test_products_of_two_constants_in_a_weighted_sum(kind: str | None, samples: int) -> None:
    """Where a weight and its input are both plain numbers, their product is one too."""
    w, b = Value(0.5), Value(-0.25)
    xs = [Value(0.1 * i) for i in range(samples)]
    loss = sum(weighted_sum([w, 2.0, 1.0], [x, 3.0, 4.0], b).tanh() + weighted_sum([2.0, w], [-1.5, 1.0], 0.5) ** 2 for x in xs)
    loss.backward()
    program = lift_with_origins(loss, params=[w, b], inputs=xs, kind=kind)[0]
    assert program() == pytest.approx(loss.data, rel=1e-14)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [w.grad, b.grad], rtol=1e-12, atol=1e-13)
    assert str(program)


@pytest.mark.parametrize("kind", [None, "matrix", "level batching", "scalar source"])
@pytest.mark.parametrize("holds", [True, np.True_, np.array([1.0]) > 0.5, 1.0, Value(1.0)], ids=["bool", "np.bool_", "array", "number", "node"])
def test_conditions_of_every_kind(kind: str | None, holds: Any) -> None:
    """Python's booleans, NumPy's and numbers choose alike, in every kind of program."""
    holds = holds[0] if isinstance(holds, np.ndarray) else holds
    x, y = Value(2.0), Value(-1.0)
    loss = TABLE["where"](holds, x * y, y.exp()) + np.where(holds, x, y * x)
    program = lift_with_origins(loss, params=[x, y], kind=kind)[0]
    assert program() == 0.0
    program.theta.data[:] = [3.0, 5.0]
    assert program() == 18.0
    program.backward()
    assert program.theta.grad.tolist() == [6.0, 3.0]
    assert str(program)


def test_a_scalar_program_has_no_lines_for_derivatives_that_are_0() -> None:
    """What floor and step hand on is nothing, so what only they use needs no adjoint."""
    x, w = Value(2.5), Value(-1.0)
    program = lift((x * w).floor() + TABLE["step"](w * w) * x, params=[x, w])
    program.backward()
    assert program.theta.grad.tolist() == [1.0, 0.0]
    assert not any("0 *" in line for line in str(program).split("# backward")[1].splitlines())


def test_inside_a_transform_lifting_is_refused_and_fit_does_without() -> None:
    for x in (2.0, np.array([1.0, 2.0])):
        with pytest.raises(LiftError, match="a transform .* is running its function"):
            grad(lambda a: a.sum() * lift((a * a).sum())() if isinstance(a, Tensor) else a * lift(a * a)())(x)
    x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([-1.0, 1.0])

    def trained(lift: bool | None) -> float:
        return nn.fit(nn.MLP(2, [3, 1], rng=0), x, y, loss="hinge", epochs=6, rng=0, progress=False, lift=lift).last("loss")

    assert grad(lambda a: a * trained(None))(2.0) == trained(False)


def test_inputs_that_have_a_gradient_are_refused_inside_a_transform() -> None:
    values = [Value(1.0), Value(2.0)]
    x = Tensor([1.0, 2.0])
    for program in (lift(values[0] * values[1], params=[], inputs=values), lift((x * x).sum(), params=[], inputs=x)):

        def replay(a: Any, program: Any = program) -> Any:
            program.inputs = a
            return a.sum() * program()

        with pytest.raises(LiftError, match="received a differentiable Tensor inside a transform"):
            grad(replay)(np.array([3.0, 5.0]))
        program.inputs = Tensor([3.0, 5.0])
        assert program() in {15.0, 34.0}


@pytest.mark.parametrize("make", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_program_cannot_be_copied_or_pickled_and_says_what_can(make: Any) -> None:
    x, w = Value(3.0), Tensor([1.0, 2.0])
    for program in (lift(x * x), lift((w * w).sum())):
        with pytest.raises(LiftError, match=r"call write_back\(\) and pickle the parameters"):
            make(program)
        assert program() in (9.0, 5.0)  # and still runs


@pytest.mark.parametrize("name", ["params", "inputs"])
def test_a_tensor_among_the_leaves_of_a_scalar_graph_is_named(name):
    w = Value(2.0)
    for leaves in (Tensor([1.0]), [Tensor([1.0])], [Tensor(1.0)]):
        with pytest.raises(OperandError, match=f"lift: {name} holds Tensor, expected Values, or lists of Values"):
            lift(w * w, **{name: leaves})
