"""Names of PyTorch and Keras: every error says how they are written here, and what it says is there."""

import inspect
import re

import numpy as np
import pytest

import autograd_core as ag
import nn
from nn import elsewhere


@pytest.mark.parametrize("name", elsewhere.NAMES)
def test_a_name_of_another_library_is_answered_with_ours(name):
    for package in (nn, nn.functional):
        with pytest.raises(AttributeError, match=rf"^module '{package.__name__}' has no attribute '{name}'; here it is written ") as caught:
            getattr(package, name)
        assert str(caught.value).endswith(elsewhere.NAMES[name]) and caught.value.name == name


def test_what_the_answers_name_is_there():
    for said in (*elsewhere.NAMES.values(), *elsewhere.METHODS.values()):
        for path in re.findall(r"\b(?:nn|autograd_core|np)\.[\w.]+", said):
            package, *names = path.split(".")
            found = {"nn": nn, "autograd_core": ag, "np": np}[package]
            for name in names:
                found = getattr(found, name)
            assert callable(found) or inspect.ismodule(found)
    assert not set(elsewhere.NAMES) & set(nn.__all__)


@pytest.mark.parametrize("name", ["relu", "softmax", "tanh", "gelu", "linear", "where"])
def test_functions_of_the_engine_are_named_where_they_are_looked_for(name):
    for package in (nn, nn.functional):
        with pytest.raises(AttributeError, match=rf"here it is written autograd_core\.{name}$"):
            getattr(package, name)


@pytest.mark.parametrize("name", ["cross_entropy", "mse_loss", "nll_loss", "binary_cross_entropy_with_logits"])
def test_losses_are_named_where_torch_has_them(name):
    with pytest.raises(AttributeError, match=rf"^module 'nn\.functional' has no attribute '{name}'; here it is written nn\.{name}$"):
        getattr(nn.functional, name)


@pytest.mark.parametrize("name", elsewhere.METHODS)
def test_a_method_of_another_library_is_answered_and_not_there(name):
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU())
    assert not hasattr(model, name) and not hasattr(nn.Linear, name) and name not in dir(model)
    with pytest.raises(AttributeError, match=f"^'Sequential' object has no attribute '{name}'; here it is written ") as caught:
        getattr(model, name)
    assert str(caught.value).endswith(elsewhere.METHODS[name])


def test_a_class_of_ones_own_may_have_any_of_these_names():
    class Model(nn.Module):
        def __init__(self):
            self.append = nn.Linear(2, 1, rng=0)

        def fit(self):
            return "fitted"

    model = Model()
    assert model.fit() == "fitted" and {"fit", "append"} <= set(dir(model)) and "predict" not in dir(model)
    assert [name for name, _ in model.named_parameters()] == ["append.weight", "append.bias"]
    perceptron = nn.Perceptron(2)
    assert {"fit", "predict"} <= set(dir(perceptron)) and callable(perceptron.fit)


@pytest.mark.parametrize("name", ["normal_", "uniform_", "zeros_", "ones_", "constant_", "xavier_uniform_", "kaiming_normal_", "orthogonal_"])
def test_initialisers_that_write_into_a_tensor_are_answered_with_a_line_that_runs(name):
    with pytest.raises(AttributeError, match=rf"^module 'nn\.init' has no attribute '{name}'; here it is written ") as caught:
        getattr(nn.init, name)
    line, weight = str(caught.value).split("here it is written ")[1], nn.Linear(3, 4, rng=0).weight
    before = weight.data.copy()
    exec(line.replace(", …)", ")" if name != "constant_" else ", 0.5)"), {"nn": nn, "weight": weight})
    assert weight.shape == (4, 3) and not np.array_equal(weight.data, before)
    with pytest.raises(AttributeError, match="has no attribute 'sparse_'$"):
        nn.init.sparse_


@pytest.mark.parametrize(
    ("make", "written"),
    [
        (lambda: nn.Linear(in_features=3, out_features=2), "Linear(nin, nout, *, bias=True, dtype=float64, init=None, rng=None)"),
        (lambda: nn.MaxPool2d(2, 2), "MaxPool2d(size, *, stride=None, padding=0)"),
        (lambda: nn.Softmax(dim=1), "Softmax(axis=-1)"),
        (lambda: nn.LeakyReLU(negative_slope=0.2), "LeakyReLU(slope=0.01)"),
        (lambda: nn.Neuron(2, nonlin=False), "Neuron(nin, *, activation='tanh', bias=True, init=None, rng=None)"),
    ],
)
def test_arguments_that_a_layer_does_not_have_are_answered_with_its_signature(make, written):
    with pytest.raises(TypeError, match=re.escape(f"; it is written {written}.")):
        make()


def test_a_softmax_over_a_dimension_is_one_over_an_axis():
    with pytest.raises(TypeError, match="'dim'; here it is written axis$"):
        nn.activations.softmax(np.ones((2, 2)), dim=1)
