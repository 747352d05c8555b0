"""`functional_call`: every model as a function of its parameters, and back as it was."""

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, check_grads, draw, grad, hessian, hvp, value_and_grad
from autograd_core.errors import OperandError, ShapeError, StructureError

RNG = np.random.default_rng(0)
IMAGES, ROWS, STEPS, WORDS = RNG.normal(size=(3, 1, 6, 6)), RNG.normal(size=(5, 4)), RNG.normal(size=(2, 3, 4)), np.array([[0, 2], [1, 2]])


class Pair(NamedTuple):
    """A parameter and a number."""

    a: Any
    b: float


class Tied(nn.Module):
    """One matrix in two places."""

    def __init__(self):
        self.into = nn.Linear(4, 4, rng=0)
        self.out = nn.Linear(4, 4, rng=1)
        self.out.weight = self.into.weight

    def forward(self, x):
        return self.out(self.into(x).tanh())


class Kept(nn.Module):
    """Parameters in lists, dictionaries, tuples and named tuples, and a closure over the module itself."""

    def __init__(self):
        self.listed = [Tensor(np.ones(4)), [Tensor(np.full(4, 2.0))]]
        self.named = OrderedDict(first=Tensor(np.full(4, 0.5)), layer=nn.Linear(4, 4, rng=0))
        self.pair = Pair(Tensor(np.full(4, -1.0)), 3.0)
        self.scale = Tensor(1.5)
        self.plain = {"factor": 2.0, "names": ("x", "y")}
        self.squash = lambda x: (x * self.scale).tanh()

    def forward(self, x):
        x = x * self.listed[0] + self.listed[1][0] * self.named["first"]
        return self.squash(self.named["layer"](x)) + self.pair.a * self.pair.b * self.plain["factor"]


def recurrent(kind):
    class Last(nn.Module):
        def __init__(self):
            self.cell = kind(4, 3, rng=0)

        def forward(self, x):
            return self.cell(x)[0]

    return Last()


MODELS = {
    "linear": (lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1)), ROWS),
    "no bias": (lambda: nn.Linear(4, 3, bias=False, rng=0), ROWS),
    "convolution": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.PReLU(), nn.MaxPool2d(2), nn.Flatten()), IMAGES),
    "norms": (lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.BatchNorm1d(3), nn.LayerNorm(3)), ROWS),
    "embedding": (lambda: nn.Embedding(3, 2, rng=0), WORDS),
    "RNN": (lambda: recurrent(nn.RNN), STEPS),
    "GRU": (lambda: recurrent(nn.GRU), STEPS),
    "LSTM": (lambda: recurrent(nn.LSTM), STEPS),
    "tied": (Tied, ROWS),
    "kept": (Kept, ROWS),
}


def weighted(out):
    """A number that each output has its own part in."""
    return (out * np.cos(np.arange(out.size)).reshape(out.shape)).sum()


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_that_backward_leaves(name):
    build, x = MODELS[name]
    model = build()
    before = {id(module): dict(vars(module)) for module in model.modules()}
    names, kinds = [n for n, _ in model.named_parameters()], [type(p) for p in model.parameters()]
    state = {n: p.data for n, p in model.named_parameters()}
    value, found = value_and_grad(lambda s: weighted(nn.functional_call(model, s, x)))(state)
    assert [n for n, _ in model.named_parameters()] == names
    assert [type(p) for p in model.parameters()] == kinds
    for module in model.modules():
        for attribute, held in before[id(module)].items():
            if attribute not in module.buffers:
                assert vars(module)[attribute] is held
    again = weighted(model(x))
    again.backward()
    assert value == again.item()
    for n, p in model.named_parameters():
        np.testing.assert_array_equal(found[n], np.zeros(p.shape) if p.grad is None else p.grad)


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"convolution"}))   # the largest of a window has kinks near by
def test_a_whole_model_can_be_checked(name):
    build, x = MODELS[name]
    model = build()
    state = {n: p.data for n, p in model.named_parameters()}
    report = check_grads(lambda s: weighted(nn.functional_call(model, s, x)), (state,), order=1)
    assert len(report.comparisons) == sum(np.size(v) for v in state.values()) + 1
    assert any(c.numeric for c in report.comparisons)


def test_other_parameters_give_what_a_model_with_them_gives():
    one, other = (nn.Sequential(nn.Linear(4, 3, rng=seed), nn.ReLU(), nn.Linear(3, 2, rng=seed + 1)) for seed in (0, 5))
    out = nn.functional_call(one, other.state_dict(), (ROWS,))
    np.testing.assert_array_equal(out.data, other(ROWS).data)
    assert not out.requires_grad
    half = nn.functional_call(one, {"2.bias": np.zeros(2)}, ROWS)          # what is not named stays
    np.testing.assert_allclose(half.data, one(ROWS).data - one[2].bias.data, atol=1e-15)


def test_nodes_become_part_of_the_graph():
    model = nn.Linear(4, 3, rng=0)
    weight = Tensor(np.ones((3, 4)), label="mine")
    nn.functional_call(model, {"weight": weight}, ROWS).sum().backward()
    np.testing.assert_allclose(weight.grad, np.tile(ROWS.sum(axis=0), (3, 1)))
    assert model.weight.grad is None
    np.testing.assert_array_equal(model.bias.grad, [5.0, 5.0, 5.0])
    assert "mine" in draw(nn.functional_call(model, {"weight": weight}, ROWS)).svg


class Words(list):
    """A list of the user's own."""


class Holder(nn.Module):
    """Parameters in containers of every kind."""

    def __init__(self):
        self.several = [Tensor([1.0]), Words([Tensor([2.0])]), (Tensor([3.0]), "a word"), Pair(Tensor([4.0]), 5.0), {"in": Tensor([6.0])}]
        self.kinds = []

    def forward(self, x):
        a, b, c, d, e = self.several
        self.kinds.append([type(part) for part in (self.several, b, c, d, e)])
        return x * (a + b[0] + c[0] + d.a * d.b + e["in"])


def test_containers_of_parameters_keep_their_kind():
    model = Holder()
    state = {name: 10.0 * value for name, value in model.state_dict().items()}
    assert len(state) == 5
    assert model(Tensor([1.0])).data == 1.0 + 2.0 + 3.0 + 20.0 + 6.0
    assert nn.functional_call(model, state, Tensor([1.0])).data == 320.0
    assert model.kinds == [[list, Words, tuple, Pair, dict]] * 2
    assert model(Tensor([1.0])).data == 32.0


def test_keywords_and_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            self.a = Tensor(2.0)

        def forward(self, x, y, *, z=0.0):
            return self.a * x + y + z

    assert nn.functional_call(Two(), {"a": 3.0}, (1.0, 10.0), {"z": 100.0}).item() == 113.0
    assert nn.functional_call(Two(), {"a": 3.0}, kwargs={"x": 1.0, "y": 0.0}).item() == 3.0


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_hessian_of_a_network_against_torch():
    torch = pytest.importorskip("torch")
    model = nn.Sequential(nn.Linear(4, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
    twin = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2)).double()
    twin.load_state_dict({k: torch.tensor(v) for k, v in model.state_dict().items()})
    y = np.array([0, 1, 1, 0, 1])
    ours = hessian(lambda s: nn.cross_entropy(nn.functional_call(model, s, ROWS), y))(model.state_dict())
    theirs = torch.func.hessian(
        lambda s: torch.nn.functional.cross_entropy(torch.func.functional_call(twin, s, torch.tensor(ROWS)), torch.tensor(y))
    )({k: v.detach() for k, v in twin.named_parameters()})
    for a in theirs:
        for b in theirs:
            np.testing.assert_allclose(ours[a][b], theirs[a][b].numpy(), rtol=1e-9, atol=1e-12)


def test_second_order_taylor_of_a_network():
    model = nn.Sequential(nn.Linear(4, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
    here = model.state_dict()
    rng = np.random.default_rng(1)
    along = {n: rng.normal(size=a.shape) for n, a in here.items()}

    def loss(state):
        return nn.mse_loss(nn.functional_call(model, state, ROWS), np.zeros((5, 2)))

    slope = sum(np.sum(grad(loss)(here)[n] * along[n]) for n in here)
    curvature = sum(np.sum(hvp(loss, (here,), (along,))[n] * along[n]) for n in here)
    errors = []
    for h in (1e-2, 1e-3):
        moved = loss({n: here[n] + h * along[n] for n in here}).item()
        errors.append(abs(moved - (loss(here).item() + h * slope + 0.5 * h * h * curvature)))
    assert 500 < errors[0] / errors[1] < 2000


class TestScalarModels:
    def test_by_the_names_of_single_parameters(self):
        model = nn.MLP(2, [3, 1], rng=0)
        state = {n: p.data for n, p in model.named_parameters()}
        found = grad(lambda s: nn.functional_call(model, s, ([0.5, -1.0],)))(state)
        model([0.5, -1.0]).backward()
        assert found == {n: p.grad for n, p in model.named_parameters()}
        assert any(found.values())

    def test_by_the_matrices_of_its_state(self):
        one, other = nn.MLP(2, [3, 1], rng=0), nn.MLP(2, [3, 1], rng=1)
        x = [0.5, -1.0]
        assert nn.functional_call(one, other.state_dict(), (x,)).data == other(x).data != one(x).data
        nodes = [[Value(v) for v in row] for row in other.state_dict()["0.weight"].tolist()]
        out = nn.functional_call(one, {"0.weight": nodes}, (x,))
        out.backward()
        assert all(v.grad != 0.0 for row in nodes for v in row)

    def test_tensors_have_no_place_in_it(self):
        model = nn.MLP(2, [3, 1], rng=0)
        with pytest.raises(OperandError, match=r"received a Tensor of shape .* for '0\.(weight|bias)'.*named_parameters"):
            grad(lambda s: nn.functional_call(model, s, ([0.5, -1.0],)))(model.state_dict())


class TestBuffers:
    def test_running_statistics_may_be_handed_in_and_are_back_afterwards(self):
        model = nn.BatchNorm1d(4).eval()
        kept = model.state_dict()
        out = nn.functional_call(model, {"running_mean": np.ones(4), "running_var": np.full(4, 4.0)}, ROWS)
        np.testing.assert_allclose(out.data, (ROWS - 1.0) / np.sqrt(4.0 + 1e-5))
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, kept[name])

    def test_those_that_are_not_handed_in_move_as_they_do(self):
        one, other = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
        nn.functional_call(one, {"weight": np.full(4, 3.0)}, ROWS)
        other(ROWS)
        np.testing.assert_array_equal(one.running_mean, other.running_mean)

    def test_a_traced_one_is_refused(self):
        model = nn.BatchNorm1d(4).eval()
        with pytest.raises(OperandError, match="'running_mean', expected numbers"):
            grad(lambda s: nn.functional_call(model, s, ROWS).sum())({"running_mean": np.ones(4)})


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_the_model_leaves_it_as_it_was(error):
    model = Kept()
    held = dict(vars(model))

    def fail(x):
        assert model.scale.item() == 7.0
        raise error

    model.squash = held["squash"] = fail
    with pytest.raises(error):
        nn.functional_call(model, {"scale": 7.0, "listed.1.0": np.zeros(4), "pair.0": np.zeros(4), "named.first": np.zeros(4)}, ROWS)
    assert all(vars(model)[name] is value for name, value in held.items())


def test_calls_may_nest():
    model = nn.Linear(1, 1, bias=False, rng=0)

    def outer(w):
        inner = grad(lambda v: nn.functional_call(model, {"weight": v * w}, np.ones((1, 1))).sum() ** 2)(np.full((1, 1), 3.0))
        return nn.functional_call(model, {"weight": w}, inner).sum()

    # d/dw of w · 2·(3w)·w = 6w³
    np.testing.assert_allclose(grad(outer)(np.full((1, 1), 2.0)), [[72.0]])


def test_threads_take_turns():
    model, wrong = nn.Linear(4, 3, rng=0), []

    def work(number):
        for _ in range(200):
            out = nn.functional_call(model, {"weight": np.full((3, 4), float(number)), "bias": np.zeros(3)}, np.ones((1, 4)))
            if out.data.tolist() != [[4.0 * number] * 3]:
                wrong.append(out.data)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class TestRefused:
    model = nn.Sequential(nn.Linear(4, 3, rng=0), nn.Linear(3, 2, rng=1))

    def test_unknown_names(self):
        with pytest.raises(StructureError, match=r"Sequential has 0.weight, 0.bias, 1.weight, 1.bias; not expected: 2.bias, weight"):
            nn.functional_call(self.model, {"weight": np.ones(2), "2.bias": np.ones(2)}, ROWS)

    def test_another_shape_is_refused(self):
        for given in (np.ones(4), Tensor(np.ones(4)), [1.0, 2.0, 3.0, 4.0]):
            with pytest.raises(ShapeError, match=r"received shape \(4,\) for '0.bias', expected \(3,\)"):
                nn.functional_call(self.model, {"0.bias": given}, ROWS)
        scalar = nn.MLP(2, [3, 1], rng=0)
        with pytest.raises(ShapeError, match=r"received shape \(2,\) for '0.weight', expected \(3, 2\)"):
            nn.functional_call(scalar, {"0.weight": [[1.0, 2.0], [3.0, 4.0]]}, ([1.0, 2.0],))
        with pytest.raises(ShapeError, match=r"received shape \(2, 2\) for '0.weight', expected \(3, 2\)"):
            nn.functional_call(scalar, {"0.weight": np.ones((2, 2))}, ([1.0, 2.0],))

    def test_no_numbers(self):
        with pytest.raises(OperandError, match="0.bias"):
            nn.functional_call(self.model, {"0.bias": "zero"}, ROWS)
        with pytest.raises(OperandError, match="expected a dictionary"):
            nn.functional_call(self.model, [np.ones(3)], ROWS)
        with pytest.raises(OperandError, match="module"):
            nn.functional_call(lambda x: x, {}, ROWS)

    def test_one_parameter_by_two_names(self):
        model = Tied()
        with pytest.raises(StructureError, match="'into.weight' and 'out.weight', which are names of one parameter"):
            nn.functional_call(model, model.state_dict(), ROWS)
        by_second = nn.functional_call(model, {"out.weight": np.zeros((4, 4))}, ROWS)
        np.testing.assert_array_equal(by_second.data, np.tile(model.out.bias.data, (5, 1)))

    def test_inputs_that_forward_does_not_take(self):
        with pytest.raises(OperandError, match=r"received 2 inputs in args .* expected those of Sequential.forward\(x.*too many positional"):
            nn.functional_call(self.model, {}, (ROWS, ROWS))
        with pytest.raises(OperandError, match=r"\['y'\] in kwargs.*missing a required argument: 'x'"):
            nn.functional_call(self.model, {}, kwargs={"y": ROWS})


def test_what_is_frozen_can_be_differentiated_by_all_the_same():
    model = nn.Linear(4, 3, rng=0)
    model.weight.requires_grad = False
    found = grad(lambda s: nn.functional_call(model, s, ROWS).sum())(model.state_dict())
    np.testing.assert_allclose(found["weight"], np.tile(ROWS.sum(axis=0), (3, 1)))
    assert not model.weight.requires_grad


def test_a_scalar_network_is_checked_to_second_order():
    model = nn.MLP(2, [2, 1], rng=0)
    state = {n: p.data for n, p in model.named_parameters()}
    report = check_grads(lambda s: nn.functional_call(model, s, ([0.5, -1.0],)), (state,))
    assert len(report.comparisons) == 2 * (len(state) + 1)
