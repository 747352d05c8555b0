"""Programs for graphs of tensors: every operation of the table, and the networks of nn."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, lift, no_grad
from autograd_core.errors import DTypeError, GraphError, LiftError, OperandError, ShapeError
from autograd_core.lifting import verified
from autograd_core.op import TABLE, Op, built_in

from .reference import relative_error

STRUCTURAL = [name for name, op in TABLE.items() if op.vjp and op.samples and built_in(name)]
ELEMENTWISE = [name for name, op in TABLE.items() if op.elementwise and built_in(name) and op.domain and op.arity]


def cases(op: Op) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Operands and options to test an operation with."""
    rng = np.random.default_rng(3)
    if op.samples is not None:
        return op.samples(rng)[:4]
    shapes = [(3, 4), (4,), (3, 1)]
    draw = [rng.uniform(d.low, d.high, size=shapes[i]) for i, d in enumerate(op.domain)]
    return [(tuple(draw), {})]


def scalar_of(op: Op, operands: list[Any], options: dict[str, Any], weights: dict[int, np.ndarray]) -> Tensor:
    """A weighted sum of everything that an operation gives."""
    out = op(*operands, **options)
    w = weights.setdefault(0, np.random.default_rng(5).normal(size=np.shape(out.data)))
    total: Tensor = (out * w).sum() * 1.0
    return total


@pytest.mark.parametrize("name", [*STRUCTURAL, *ELEMENTWISE])
def test_every_operation_replays(name: str) -> None:
    """At the recorded point and at another one, loss and gradient are those of the engine."""
    op = TABLE[name]
    for data, options in cases(op):
        leaves = [Tensor(x) for x in data if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        feed = iter(leaves)
        operands = [next(feed) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in data]
        weights: dict[int, np.ndarray] = {}
        program = lift(scalar_of(op, operands, options, weights), params=leaves)
        rng = np.random.default_rng(11)
        for _ in range(2):
            start = 0
            for leaf in leaves:
                if name in ELEMENTWISE:
                    leaf.data = leaf.data * rng.uniform(0.9, 1.0, size=leaf.shape)
                program.theta.data[start : start + leaf.size] = leaf.data.ravel()
                start += leaf.size
                leaf.grad = None
            loss = scalar_of(op, operands, options, weights)
            loss.backward()
            program()
            assert relative_error(program(), loss.item()) < 1e-12
            program.backward()
            expected = [np.zeros(x.shape) if x.grad is None else x.grad for x in leaves]
            flat = np.concatenate([g.ravel() for g in expected])
            assert relative_error(program.theta.grad, flat, scale=1e-300) < 1e-10


def network(dtype: type = np.float64) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(5, 8, dtype=dtype, rng=rng), nn.ReLU(), nn.Linear(8, 8, dtype=dtype, rng=rng), nn.Tanh(), nn.Linear(8, 3, dtype=dtype, rng=rng)
    )
    return model, rng.normal(size=(20, 5)).astype(dtype), rng.integers(0, 3, 20)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_network_trains_in_step_with_the_engine(dtype: type) -> None:
    model, x, y = network(dtype)
    inputs = Tensor(x, requires_grad=False)
    program = lift(nn.cross_entropy(model(inputs), y), params=model.parameters(), inputs=inputs)
    assert program.kind == "tensor"
    assert program.theta.dtype == dtype
    tolerance = 1e-10 if dtype is np.float64 else 1e-3
    fast, slow = nn.SGD([program.theta], lr=0.05), nn.SGD(model.parameters(), lr=0.05)
    for step in range(20):
        batch = x * dtype(1 + 0.01 * step)
        program.inputs[...] = batch
        loss = nn.cross_entropy(model(Tensor(batch, requires_grad=False)), y)
        slow.zero_grad()
        loss.backward()
        assert relative_error(program(), loss.item()) < tolerance
        program.backward()
        expected = np.concatenate([p.grad.ravel() for p in model.parameters()])
        assert relative_error(program.theta.grad, expected) < tolerance
        fast.step()
        slow.step()
    program.write_back()
    assert relative_error(model.parameters()[0].data.ravel(), program.theta.data[:40]) == 0.0


def test_shared_and_unused_parameters() -> None:
    w, b, unused = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([0.5, -0.5]), Tensor([7.0])
    x = np.array([[1.0, -1.0], [2.0, 0.0]])
    loss = ((x @ w + b) @ w + b).sum() + (w * w).mean()
    program = lift(loss, params=[w, b, unused])
    for _ in range(2):
        program()
        program.backward()
        program.theta.grad += 1.0
    program.backward()
    loss.backward()
    expected = np.concatenate([w.grad.ravel(), b.grad, [0.0]])
    np.testing.assert_allclose(program.theta.grad, expected, rtol=1e-14)


def test_masked_scores_of_minus_infinity() -> None:
    """Where the fast calls are not finite, the entry's own kernel decides."""
    z = Tensor([[1.0, -np.inf, 0.5], [0.1, 0.2, 0.3]])
    t = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    loss = TABLE["cross_entropy"](z, t).mean()
    program = lift(loss, params=[z])
    assert program() == pytest.approx(loss.item(), rel=1e-14)
    program.backward()
    loss.backward()
    np.testing.assert_allclose(program.theta.grad, z.grad.ravel(), rtol=1e-13)


def test_several_inputs_and_their_shapes() -> None:
    w, x, y = Tensor([2.0, 3.0]), Tensor([1.0, 1.0], requires_grad=False), Tensor([0.0, 1.0], requires_grad=False)
    program = lift(((w * x - y) ** 2).sum(), params=[w], inputs=[x, y])
    program.inputs = [np.array([2.0, 2.0]), np.zeros(2)]
    assert program() == 52.0
    program.inputs[1][...] = [4.0, 6.0]
    assert program() == 0.0
    with pytest.raises(ShapeError, match=r"received shape \(3,\), expected \(2,\)"):
        program.inputs = [np.zeros(3), np.zeros(2)]
    with pytest.raises(ShapeError, match="received 3 arrays, expected 2"):
        program.inputs = [np.zeros(2)] * 3
    with pytest.raises(ShapeError, match=r"received shape \(3,\), expected \(2,\)"):
        program.inputs = [np.ones(2), np.zeros(3)]
    assert program() == 0.0  # nothing was written


def test_targets_may_be_inputs() -> None:
    rng = np.random.default_rng(2)
    z, t = Tensor(rng.normal(size=(6, 3))), Tensor(np.eye(3)[[0, 1, 2, 0, 1, 2]], requires_grad=False)
    program = lift(TABLE["cross_entropy"](z, t).mean(), params=[z], inputs=t)
    program.inputs[...] = 2.0 * np.eye(3)[[2, 2, 2, 1, 1, 0]]
    loss = TABLE["cross_entropy"](z, program.inputs.copy()).mean()
    loss.backward()
    assert program() == pytest.approx(loss.item(), rel=1e-13)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, z.grad.ravel(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_class_numbers(dtype: type) -> None:
    z = Tensor(np.random.default_rng(2).normal(size=(6, 3)).astype(dtype) * 30)
    loss = nn.cross_entropy(z, np.array([0, 1, 2, 0, 1, 2]))
    program = lift(loss, params=[z])
    loss.backward()
    assert program() == pytest.approx(loss.item(), rel=1e-5 if dtype is np.float32 else 1e-13)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, z.grad.ravel(), rtol=1e-4 if dtype is np.float32 else 1e-12, atol=1e-7)


@pytest.mark.parametrize("derived", [False, True])
def test_an_exponent_that_changes(derived: bool) -> None:
    x, p = Tensor([2.0, 3.0]), Tensor(3.0)
    loss = (x ** (p * 1.0 if derived else p)).sum()
    program = lift(loss, params=[x, p])
    program.theta.data[2] = 2.0
    assert program() == 13.0
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [4.0, 6.0, 4.0 * np.log(2.0) + 9.0 * np.log(3.0)])
    program = lift(loss, params=[x], inputs=[p])
    program.inputs[...] = 2.0
    program()
    program.backward()
    np.testing.assert_allclose(program.theta.grad, [4.0, 6.0])


def test_a_root_that_is_a_constant_is_refused() -> None:
    x = Tensor(1.0)
    with no_grad():
        constant = x * 2.0
    for root, params in ((constant, None), (constant, [x]), (Tensor(2.0), [x])):
        with pytest.raises(LiftError, match="the root is a constant, or a leaf that is listed nowhere"):
            lift(root, params=params)
    assert lift(x, params=[x])() == 1.0


def test_graphs_of_tensors_that_cannot_be_lifted_are_refused() -> None:
    w = Tensor([1.0, 2.0])
    with pytest.raises(GraphError, match=r"root has shape \(2,\), expected one number"):
        lift(w * 2.0, params=[w])
    with pytest.raises(GraphError, match="listed twice"):
        lift(w.sum(), params=[w, w])
    with pytest.raises(GraphError, match=r"params\[0\] is the result of 'mul'"):
        lift((w * 2.0).sum(), params=[w * 2.0])
    with pytest.raises(OperandError, match="holds Values, expected Tensors only"):
        lift((w * Value(2.0)).sum(), params=[w])
    with pytest.raises(DTypeError, match="expected one dtype"):
        lift((w * Tensor(np.array([1, 2], np.float32))).sum())


@pytest.mark.parametrize("read", [lambda x: x[:, :2], lambda x: 2.0 * x, lambda x: np.pad(x, 1)[1:-1, 1:3], lambda x: x.reshape(2, 3)[:, :2]])
@pytest.mark.parametrize("also", [False, True])
def test_constants_of_which_something_is_computed_are_refused_as_inputs(read: Any, also: bool) -> None:
    """An operation on constants alone is not recorded, and would stay as it was when the input changes."""
    w, numbers = Tensor([[1.0], [2.0]]), np.arange(6.0).reshape(2, 3)

    def record(x: Tensor) -> Tensor:
        return (read(x)[:, :2] @ w).sum() + ((x * w).sum() if also else 0.0)

    constant = Tensor(numbers, requires_grad=False)
    with pytest.raises(LiftError, match="make .* with requires_grad=True, and record the graph anew"):
        lift(record(constant), params=w, inputs=constant)
    x = Tensor(numbers)
    program = lift(record(x), params=w, inputs=x)
    program.inputs = -numbers
    program.backward()
    record(Tensor(-numbers)).backward()
    np.testing.assert_allclose(program.theta.grad, w.grad.ravel(), rtol=1e-14)


def test_constants_that_were_made_by_hand_or_copied_are_inputs() -> None:
    w, mask = Tensor([1.0, 2.0]), Tensor([1.0, 0.0], requires_grad=False)
    for x in (Tensor([3.0, 4.0], requires_grad=False), Tensor([3.0, 4.0]).detach(), copy.deepcopy(Tensor([3.0, 4.0], requires_grad=False))):
        program = lift((w * x * mask).sum(), params=w, inputs=x)
        program.inputs[...] = 7.0
        assert program() == 7.0


def test_a_layer_with_a_learnt_slope_decides_anew() -> None:
    layer = nn.PReLU(2)
    x = Tensor([[1.0, -2.0], [-3.0, 4.0]])
    program = lift(layer(x).sum(), params=layer.weight, inputs=x)
    program.inputs = -x.data
    program.theta.data[:] = [0.5, 0.1]
    assert program() == pytest.approx(-0.5 + 2.0 + 3.0 - 0.4)
    program.backward()
    assert program.theta.grad.tolist() == [-1.0, -4.0]


def test_an_array_among_the_options_of_an_operation() -> None:
    z, y, counts = Tensor([[0.3, -1.0], [2.0, 0.1]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, 0.5])
    program = lift(nn.binary_cross_entropy_with_logits(z, y, pos_weight=counts), params=z)
    program.theta.data[:] = [0.0, 1.0, -1.0, 3.0]
    again = Tensor(program.theta.data.reshape(2, 2))
    loss = nn.binary_cross_entropy_with_logits(again, y, pos_weight=counts)
    loss.backward()
    assert program() == pytest.approx(loss.item(), rel=1e-14)
    program.backward()
    np.testing.assert_allclose(program.theta.grad, again.grad.ravel(), rtol=1e-13)


@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inputs_of_another_dtype_than_the_parameters(dtype: type, given: type) -> None:
    """Part of the graph is then rounded to float32; the program may round elsewhere, and is as near."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.LayerNorm(4, dtype=dtype), nn.Linear(4, 3, dtype=dtype, rng=0), nn.GELU(), nn.BatchNorm1d(3, dtype=dtype), nn.Linear(3, 2, dtype=dtype, rng=1))
    x, y = Tensor(rng.normal(size=(6, 4)).astype(given)), rng.integers(0, 2, 6)
    program = lift(nn.cross_entropy(model(x), y), params=model.parameters(), inputs=x)
    program.inputs = rng.normal(size=(6, 4))
    loss = nn.cross_entropy(model(Tensor(program.inputs.copy())), y)
    loss.backward()
    tolerance = 1e-12 if dtype is given is np.float64 else 1e-5
    assert program() == pytest.approx(loss.item(), rel=tolerance)
    program.backward()
    assert program.theta.grad.dtype == dtype and program.inputs.dtype == given
    np.testing.assert_allclose(program.theta.grad, np.concatenate([p.grad.ravel() for p in model.parameters()]), rtol=0.0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cross_entropy_with_targets_that_are_an_input(dtype):
    """Shares that add up to anything, none at all, and masked scores: written out where they are finite, by the kernel where not."""
    rng = np.random.default_rng(5)
    weight = Tensor(rng.normal(size=(4, 3)), dtype=dtype)
    x, t = Tensor(rng.normal(size=(6, 3)).astype(dtype)), Tensor(np.full((6, 4), 0.25, dtype), requires_grad=False)
    rule = nn.loss_rules.CROSS_ENTROPY
    program = lift(rule(x @ weight.T, t).mean(), params=weight, inputs=[x, t])
    for kind in range(6):
        samples, shares = rng.normal(size=(6, 3)).astype(dtype), rng.uniform(0.0, 2.0, size=(6, 4)).astype(dtype)
        shares[kind] = 0.0
        if kind % 2:
            shares[:, 1] = 0.0
            samples[0] = 800.0 * samples[0]
        program.inputs = [samples, shares]
        weight.grad = None
        loss = rule(Tensor(samples, requires_grad=False) @ weight.T, shares).mean()
        loss.backward()
        rtol = 1e-12 if dtype == np.float64 else 1e-4
        np.testing.assert_allclose(program(), loss.item(), rtol=rtol)
        program.backward()
        np.testing.assert_allclose(program.theta.grad.reshape(4, 3), weight.grad, rtol=rtol, atol=rtol * float(np.abs(weight.grad).max()))


def test_a_graph_that_was_looked_at():
    """Asked for its operands, a node makes leaves of the plain numbers in it: the program is the same."""
    rng = np.random.default_rng(0)
    programs = []
    for look in (False, True):
        w, x = Tensor(np.linspace(-1.0, 1.0, 6).reshape(2, 3)), Tensor(np.ones((4, 3)))
        loss = nn.mse_loss(0.5 * (x @ w.T + 1.0) ** 3, np.linspace(0.0, 1.0, 8).reshape(4, 2)) + 0.1 * (np.arange(3.0) * w).sum()
        nodes = [loss]
        while look and nodes:
            nodes.extend(nodes.pop().parents)
        programs.append(lift(loss, params=w, inputs=x))
    assert str(programs[0]) == str(programs[1])
    for _ in range(3):
        batch, theta = rng.normal(size=(4, 3)), rng.normal(size=6)
        for program in programs:
            program.inputs[...], program.theta.data[...] = batch, theta
        assert programs[0]() == programs[1]()
        for program in programs:
            program.backward()
        assert np.array_equal(programs[0].theta.grad, programs[1].theta.grad)


@pytest.mark.parametrize("frozen", [[0], [0, 1], [1, 3], [2]])
def test_frozen_parameters_of_a_model_are_constants_of_its_program(frozen):
    rng = np.random.default_rng(0)
    model, x = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1)), Tensor(rng.normal(size=(5, 3)))
    for i in frozen:
        model.parameters()[i].requires_grad = False
    program = lift((model(x) ** 2).mean(), params=model.parameters(), inputs=x)
    trained = [p for p in model.parameters() if p.requires_grad]
    for _ in range(2):
        program.inputs[...] = x.data = rng.normal(size=(5, 3))
        program.theta.data[...] = rng.normal(size=program.theta.size)
        for p, part in zip(trained, np.split(program.theta.data, np.cumsum([p.size for p in trained])[:-1]), strict=True):
            p.data = part.reshape(p.shape)
        model.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        assert program() == pytest.approx(loss.item(), rel=1e-12)
        program.backward()
        np.testing.assert_allclose(program.theta.grad, np.concatenate([p.grad.ravel() for p in trained]), rtol=1e-12)


def test_outputs():
    """Numbers that are wanted beside the loss follow every call; views of a buffer too."""
    rng = np.random.default_rng(0)
    w, x = Tensor(rng.normal(size=(3, 4))), Tensor(rng.normal(size=(5, 4)))
    hidden = (x @ w.T).tanh()
    flat = hidden.reshape(-1)
    program = lift((flat * flat).mean(), params=w, inputs=x, outputs=[hidden, flat])
    for _ in range(3):
        program.inputs[...] = rng.normal(size=(5, 4))
        program.theta.data[...] = rng.normal(size=12)
        program()
        program.backward()
        expected = np.tanh(program.inputs @ program.theta.data.reshape(3, 4).T)
        np.testing.assert_allclose(program.outputs[0], expected, rtol=1e-12)
        np.testing.assert_allclose(program.outputs[1], expected.ravel(), rtol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        program.outputs[0][...] = 0.0
    assert lift((flat * flat).mean(), params=w, inputs=x, outputs=hidden).outputs.shape == (5, 3)
    assert lift((flat * flat).mean(), params=w, inputs=x).outputs == []


def test_outputs_that_are_not_there():
    w, v = Tensor([1.0, 2.0]), Value(2.0)
    for other in (w * 2.0, Tensor([1.0]), 3.0, np.ones(2)):
        with pytest.raises(LiftError, match=r"outputs\[0\] \(\w+\) is not in the graph"):
            lift((w * w).sum(), params=w, outputs=[other])
    with pytest.raises(OperandError, match="outputs= for a graph of Values"):
        lift(v * v, params=v, outputs=v)


HOSTILE: dict[str, Callable[[Any], Any]] = {
    "maximum of a root": lambda x: np.sum(np.maximum(np.sqrt(x), 1.0)),
    "root of a maximum": lambda x: np.sum(np.sqrt(np.maximum(x, 0.0))),
    "minimum of exponentials": lambda x: np.sum(np.minimum(np.exp(x), 2.0) * 0.5),
    "clipped logarithm": lambda x: np.sum(np.clip(np.log(x), -1.0, 1.0)),
    "root of a distance": lambda x: np.sum(np.sqrt(np.abs(x))),
    "the largest root": lambda x: np.max(np.sqrt(x)),
    "a product of which little is kept": lambda x: np.sum(np.maximum(x[None, :] @ np.log(x)[:, None], 5.0)),
    "product and powers": lambda x: np.prod(x) + np.sum(x**3),
    "norm": np.linalg.norm,
    "minimum of powers": lambda x: np.sum(np.minimum(x**0.5, 1.0)),
    "minimum of quotients": lambda x: np.sum(np.minimum(1.0 / x, 3.0)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_edges_of_the_numbers_are_those_of_the_engine(name: str) -> None:
    """Strong zeros, infinities and nan, in silence, at points that are far from what was recorded."""
    x = Tensor([0.5, 1.5, 2.5])
    program = lift(HOSTILE[name](x), params=[x])
    numbers = [0.0, -0.0, 1.0, -1.0, 1e300, -1e300, math.inf, -math.inf, math.nan, 800.0, 1e-320]
    for point in ([a, b, 0.7] for a in numbers for b in (0.5, 0.0, a)):
        with np.errstate(all="ignore"):
            here = Tensor(point)
            expected = HOSTILE[name](here)
            expected.backward()
        program.theta.data = np.array(point)
        np.testing.assert_allclose(program(), expected.data, rtol=1e-12, err_msg=str(point))
        program.backward()
        np.testing.assert_allclose(program.theta.grad, here.grad, rtol=1e-12, err_msg=str(point))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers_are_handed_back_to_every_tensor(dtype: type) -> None:
    rng = np.random.default_rng(0)
    tensors = [Tensor(rng.normal(size=shape), dtype=dtype) for shape in ((2, 3), (), (3,), (1, 2))]
    a, b, c, d = tensors
    program = lift(np.sum(d @ a * c) * b, params=tensors)
    program.write_back()
    assert all(t.grad is None for t in tensors)
    program.theta.data -= program.theta.data * 0.5
    loss = program()
    program.backward()
    program.write_back()
    flat = np.concatenate([t.data.ravel() for t in tensors])
    np.testing.assert_array_equal(flat, program.theta.data)
    grads = np.concatenate([t.grad.ravel() for t in tensors])
    assert all(t.data.dtype == t.grad.dtype == dtype for t in tensors)
    for t in tensors:
        t.grad = None
    again = np.sum(d @ a * c) * b
    again.backward()
    np.testing.assert_allclose(grads, np.concatenate([t.grad.ravel() for t in tensors]), rtol=1e-5)
    assert loss == pytest.approx(again.item(), rel=1e-5)


def test_the_self_check_stops_a_wrong_program_of_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Tensor([0.5, 1.5])
    compiled = verified.compile_tensors

    def wrong(*arguments: Any) -> Any:
        made, *rest = compiled(*arguments)
        run = made.backward
        made.backward = lambda: (run(), np.multiply(made.gradient, 1.001, made.gradient))  # type: ignore[func-returns-value]
        return made, *rest

    monkeypatch.setattr(verified, "compile_tensors", wrong)
    with pytest.raises(LiftError, match="does not reproduce its graph"):
        lift(np.sum(x * x), params=[x])
