"""Perceptron, Neuron, Layer, MLP; activations; the record of module calls; data."""

import math

import numpy as np
import pytest

import autograd_core as ag
import nn
from autograd_core import Tensor, Value
from autograd_core.errors import OperandError, ShapeError
from autograd_core.scope import scope_of
from nn import data
from nn.activations import ACTIVATIONS, activation_of


def test_neuron_by_hand():
    neuron = nn.Neuron(2, activation="tanh", rng=0)
    for p, v in zip(neuron.parameters(), (2.0, -1.0, 0.5), strict=True):
        p.data = v
    x = [Value(0.5), Value(1.0)]
    y = neuron(x)
    y.backward()
    slope = 1.0 - math.tanh(0.5) ** 2
    assert y.data == math.tanh(0.5)
    assert [w.grad for w in neuron.w] == pytest.approx([0.5 * slope, slope])
    assert neuron.b.grad == pytest.approx(slope) and x[0].grad == pytest.approx(2.0 * slope)
    assert len(ag.draw(y).source) > 0


def test_parameters_and_names():
    model = nn.MLP(3, [4, 4, 1], rng=0)
    assert len(model.parameters()) == model.number_of_parameters() == 41
    names = [name for name, _ in model.named_parameters()]
    assert names[0] == "layers.0.neurons.0.w.0" and len(set(names)) == 41
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        "0.weight": (4, 3), "0.bias": (4,), "2.weight": (4, 4), "2.bias": (4,), "4.weight": (1, 4), "4.bias": (1,),
    }  # fmt: skip
    model.zero_grad()
    again = nn.MLP(3, [4, 4, 1], rng=5).load_state_dict(model.state_dict())
    assert again([1.0, 2.0, 3.0]).data == model([1.0, 2.0, 3.0]).data
    assert repr(model) == "MLP(3-4-4-1; tanh, tanh, identity)"


def test_choice_of_activations():
    model = nn.MLP(2, [3, 3, 2], activation=["relu", "sigmoid"], output="tanh", rng=0)
    assert [layer.neurons[0].activation for layer in model.layers] == ["relu", "sigmoid", "tanh"]
    out = model([1.0, 2.0])
    assert len(out) == 2 and all(-1 < v.data < 1 for v in out)
    own = nn.Neuron(1, activation=lambda z: z * z, rng=0)
    assert own([3.0]).data == pytest.approx((own.w[0].data * 3.0) ** 2)
    assert nn.MLP(2, [1], rng=0)([1.0, 2.0]).op.name == "weighted_sum"


def test_inputs_of_every_kind():
    neuron = nn.Neuron(2, rng=0)
    expected = neuron([1.0, 2.0]).data
    for x in ((1.0, 2.0), [1, 2], np.array([1.0, 2.0]), [Value(1.0), 2.0], np.array([1, 2])):
        assert neuron(x).data == expected
    with ag.no_grad():
        assert neuron([1.0, 2.0]).parents == ()


def test_scopes_name_the_calls():
    model = nn.MLP(2, [3, 2], rng=0)
    out = model([1.0, 2.0])[1]
    scope = scope_of(out.parents[0]) or scope_of(out)
    assert (scope.kind, scope.path) == ("Neuron", "layers.1.neurons.1")
    assert (scope.outer.kind, scope.outer.path) == ("Layer", "layers.1")
    assert (scope.outer.outer.kind, scope.outer.outer.path) == ("MLP", "")
    assert len(scope.inputs) == 3 and scope_of(scope.inputs[0]).path == "layers.0.neurons.0"
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU())
    y = net(np.ones((4, 2)))
    assert (scope_of(y).kind, scope_of(y).path, scope_of(y).outer.kind) == ("ReLU", "1", "Sequential")
    assert nn.Dropout(0.5).eval()(y) is y and scope_of(y).kind == "ReLU"


@pytest.mark.parametrize("gate", ["and", "or", "not", "nand", "nor"])
@pytest.mark.parametrize("rule", ["fit", "fit_delta"])
def test_perceptron_learns_what_a_line_separates(gate, rule):
    x, y = data.logic(gate)
    p = nn.Perceptron(x.shape[1])
    getattr(p, rule)(x, y)
    assert p.converged and p.mistakes[-1] == 0 and p.predict(x).tolist() == y.tolist()
    assert [int(p(row).data) for row in x.tolist()] == y.tolist()


def test_perceptron_rule_by_hand():
    p = nn.Perceptron(2)
    assert not p.fit([[1.0, 2.0]], [1], lr=0.5, epochs=1).converged
    assert [w.data for w in p.w] == [0.5, 1.0] and p.b.data == 0.5
    assert p.fit([[1.0, 2.0]], [1]).converged


def test_a_perceptron_can_be_watched_epoch_by_epoch():
    x, y = data.logic("and")
    whole, watched, mistakes = nn.Perceptron(2).fit(x, y), nn.Perceptron(2), []
    while not watched.converged:
        mistakes += watched.fit(x, y, epochs=1).mistakes      # a warning is an error here
    assert mistakes == whole.mistakes and [w.data for w in watched.w] == [w.data for w in whole.w]


def test_perceptron_says_that_xor_has_not_converged():
    x, y = data.logic("xor")
    p = nn.Perceptron(2)
    with pytest.warns(RuntimeWarning, match=r"XOR is not\): use an MLP"):
        p.fit(x, y, epochs=50)
    assert not p.converged and len(p.mistakes) == 50
    with pytest.raises(ShapeError, match="expected 4 zeros and ones"):
        p.fit(x, [1, 2, 3, 4])


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n not in ("softmax", "prelu")])
def test_activations_on_numbers_values_and_tensors(name):
    f = ACTIVATIONS[name].function
    points = np.array([-2.0, -0.3, 0.0, 0.4, 3.0])
    t = Tensor(points)
    out = f(t)
    if out is not t:
        out.sum().backward()
    for i, p in enumerate(points.tolist()):
        v = Value(p)
        y = f(v)
        if y is not v:
            y.backward()
            assert v.grad == pytest.approx(t.grad[i], abs=1e-14)
        assert y.data == pytest.approx(out.data[i], abs=1e-15) and float(f(p)) == pytest.approx(y.data, abs=1e-15)
    text = f.__doc__
    assert all(word in text for word in ("Derivative", "Range", "Used", "Fault"))


def test_softmax_and_prelu():
    values = [Value(v) for v in (1.0, 2.0, 1000.0)]
    out = nn.activations.softmax(values)
    assert [v.data for v in out] == [0.0, 0.0, 1.0]
    a = Value(0.25)
    y = nn.activations.prelu(Value(-2.0), a)
    y.backward()
    assert (y.data, a.grad) == (-0.5, -2.0)
    with pytest.raises(OperandError, match="received 'rellu', expected a function of one argument or one of"):
        activation_of("rellu")


def test_bad_input():
    with pytest.raises(ShapeError, match="Neuron: received 3 inputs, expected 2"):
        nn.Neuron(2)([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match="call it once for each sample"):
        nn.Layer(2, 3)([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(OperandError, match="Linear is the layer for tensors"):
        nn.Neuron(2)(Tensor([1.0, 2.0]))
    with pytest.raises(OperandError, match="nin=0"):
        nn.Neuron(0)
    with pytest.raises(ShapeError, match="received 1 activations for 2 hidden layers"):
        nn.MLP(2, [3, 3, 1], activation=["relu"])
    with pytest.raises(TypeError, match="expected a number"):
        nn.Neuron(2)(["a", 1.0])
    with pytest.raises(OperandError, match="rng"):
        nn.MLP(2, [1], rng=1.5)


@pytest.mark.parametrize("name", ["moons", "circles", "spirals", "blobs", "xor", "sine", "light_curves", "regression_line"])
def test_data_sets(name):
    make = getattr(data, name)
    x, y = make(41, rng=3)
    again = make(41, rng=np.random.default_rng(3))
    assert len(x) == len(y) == 41 and (x == again[0]).all() and (y == again[1]).all()
    with pytest.raises(OperandError, match=f"{name}: received n=0, expected an integer of at least 1"):
        make(0)


def test_preparing():
    x, y = data.blobs(90, rng=0)
    a, b, c, d = data.train_test_split(x, y, test=1 / 3, stratify=True, rng=0)
    assert len(a) == 60 and len(b) == 30 and np.bincount(d).tolist() == [10, 10, 10] and len(c) == 60
    assert sorted(map(tuple, np.concatenate([a, b]))) == sorted(map(tuple, x))
    parts = list(data.batches(x, y, 32, rng=0))
    assert [len(p) for p, _ in parts] == [32, 32, 26]
    assert sorted(map(tuple, np.concatenate([p for p, _ in parts]))) == sorted(map(tuple, x))
    train, test, scaler = data.standardize(a, b)
    np.testing.assert_allclose([train.mean(), train.std(axis=0)[0]], [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(scaler.inverse(test), b)
    with pytest.raises(OperandError, match="received class 3, expected numbers below 2"):
        data.one_hot([0, 3], 2)
    with pytest.raises(ShapeError, match="as many samples"):
        data.batches(x, y[:-1])                # at the call, not at the first batch


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [None, 1, 7, 8, 9, 20, 21, 30])
def test_batches_without_the_last_smaller_one(size, shuffle):
    x = np.arange(40).reshape(20, 2)
    every = list(data.batches(x, x[:, 0], size, rng=1, shuffle=shuffle))
    whole = list(data.batches(x, x[:, 0], size, rng=1, shuffle=shuffle, drop_last=True))
    assert len(every) == math.ceil(20 / (size or 20)) and len(whole) == 20 // (size or 20)
    for (a, b), (c, d) in zip(every, whole, strict=False):
        assert len(c) == (size or 20) and np.array_equal(a, c) and np.array_equal(b, d) and np.array_equal(c[:, 0], d)
    assert list(data.batches(x[:0], x[:0], drop_last=True)) == []


def test_real_data():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    x, y = data.digits()
    assert x.shape == (1797, 64) and 0 <= x.min() < x.max() == 1.0 and set(y) == set(range(10))
    with pytest.raises(OperandError, match="expected digits, iris"):
        data.sklearn_data("mnist")


def test_initialisers():
    from nn import init

    big = init.kaiming_normal((200, 300), rng=0)
    assert abs(big.std() - math.sqrt(2 / 300)) < 1e-3
    assert abs(init.xavier_uniform((200, 300), rng=0)).max() <= math.sqrt(6 / 500)
    q = init.orthogonal((5, 8), rng=0)
    np.testing.assert_allclose(q @ q.T, np.eye(5), atol=1e-12)
    assert (nn.Linear(3, 2, init="zeros").weight.data == 0).all()
    assert (init.uniform((3,), rng=1) == init.uniform((3,), rng=1)).all()
    with pytest.raises(ShapeError, match="at least"):
        init.fans((3,))


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("make", [np.array, list, tuple])
def test_many_samples_at_once_are_not_one(n, make):
    """Also where their number happens to be that of the inputs."""
    rows = make([[0.5, -1.0]] * n)
    for model in (nn.MLP(2, [3, 1], rng=0), nn.Layer(2, 2, rng=0), nn.Neuron(2, rng=0)):
        with pytest.raises(ShapeError, match=rf"received {n} rows of numbers, expected the 2 numbers of one sample; call it once for each"):
            model(rows)


def test_inputs_by_name():
    for module in (nn.Neuron(2, rng=0), nn.Layer(2, 2, rng=0), nn.MLP(2, [2, 1], rng=0)):
        by_place, by_name = module([0.5, -1.0]), module(x=[0.5, -1.0])
        assert str(by_name) == str(by_place)


def test_a_subclass_with_a_forward_of_its_own_is_drawn_around_what_it_calls():
    """`Linear` calls no module and is marked by the short way; a subclass that does call some is marked by the long one."""

    class Gated(nn.Linear):
        def forward(self, x):
            return nn.Tanh()(super().forward(x))

    y = Gated(2, 3, rng=0)(np.ones((4, 2)))
    assert (scope_of(y).kind, scope_of(y).outer.kind) == ("Tanh", "Gated")
    assert scope_of(nn.Linear(2, 3, rng=0)(np.ones((4, 2)))).kind == "Linear"
