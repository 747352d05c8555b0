"""Names of PyTorch and Keras: every error says how they are written here, and what it says is there."""

import inspect
import math
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
    for said in (*elsewhere.NAMES.values(), *elsewhere.METHODS.values(), *elsewhere.OF_SCHEDULES.values(), *elsewhere.OF_OPTIMIZERS.values()):
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


def test_names_of_optimisers_and_schedules_are_answered_and_not_there():
    optimizer = nn.SGD(nn.Linear(2, 1, rng=0).parameters(), lr=0.1)
    for owner, table in ((optimizer, elsewhere.OF_OPTIMIZERS), (nn.StepLR(optimizer, 2), elsewhere.OF_SCHEDULES)):
        for name, written in table.items():
            assert not hasattr(owner, name) and name not in dir(owner)
            with pytest.raises(AttributeError, match=f"has no attribute '{name}'; here it is written {re.escape(written)}$"):
                getattr(owner, name)
    assert {"epoch", "get_last_lr", "step"} <= set(dir(nn.StepLR(optimizer, 2)))


_FUNCTIONS = {
    "logsigmoid": {}, "softmin": {"dim": -1}, "softsign": {}, "tanhshrink": {}, "mish": {}, "selu": {}, "relu6": {}, "hardtanh": {}, "hardsigmoid": {},
    "hardswish": {}, "smooth_l1_loss": {"beta": 0.7}, "hinge_embedding_loss": {}, "kl_div": {"reduction": "mean"}, "gaussian_nll_loss": {"var": None},
    "poisson_nll_loss": {}, "soft_margin_loss": {}, "cosine_similarity": {}, "pairwise_distance": {}, "normalize": {},
    "scaled_dot_product_attention": {}, "adaptive_avg_pool2d": {"output_size": 1}, "adaptive_max_pool2d": {"output_size": 1},
}  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("name", _FUNCTIONS)
@pytest.mark.filterwarnings("ignore:reduction")
def test_a_formula_that_stands_for_a_function_of_torchs_has_its_numbers_and_gradient(name):
    """With its default settings; the answer is evaluated as it stands, on arrays and on tensors that have a gradient."""
    torch = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    rng, options = np.random.default_rng(0), dict(_FUNCTIONS[name])
    x, y = 5.0 * rng.normal(size=(2, 3, 4, 4) if "pool" in name else (6, 5)), rng.normal(size=(6, 5))
    y = {"hinge_embedding_loss": np.sign(y), "soft_margin_loss": np.sign(y), "kl_div": np.abs(y)}.get(name, y)
    others = {} if "pool" in name else {"var": 0.1 + np.abs(y)} if name == "gaussian_nll_loss" else {"k": y, "v": 2.0 * y}
    mine, theirs = ag.Tensor(x), torch.tensor(x, requires_grad=True)
    formula = elsewhere.NAMES[name].split(", for")[0].split(", of")[0]
    found = eval(formula, {"np": np, "nn": nn, "autograd_core": ag, "x": mine, "q": mine, "y": y, "beta": 0.7, **others})
    two = "loss" in name or name in ("kl_div", "cosine_similarity", "pairwise_distance")
    arguments = [torch.tensor(y)] if two else [torch.tensor(v) for v in others.values()] if "attention" in name else []
    options |= {"var": torch.tensor(others["var"])} if "var" in options else {}
    expected = getattr(torch.nn.functional, name)(theirs, *arguments, **options)
    np.testing.assert_allclose(found.data, expected.detach().numpy(), rtol=1e-5, atol=1e-12)
    np.sum(found * found).backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(mine.grad, theirs.grad.numpy(), rtol=1e-4, atol=1e-9)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["Conv1d", "MaxPool1d", "AvgPool1d"])
def test_layers_of_sequences_are_those_of_images_of_one_row(name):
    torch = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    theirs = torch.nn.Conv1d(2, 4, 3).double() if name == "Conv1d" else getattr(torch.nn, name)(3)
    x, named = np.random.default_rng(0).normal(size=(5, 2, 9)), {"nn": nn, "nin": 2, "nout": 4, "size": 3}
    mine = eval(elsewhere.NAMES[name].split("(x")[0], named)
    mine.load_state_dict({k: v[:, :, None] if k == "weight" else v for k, v in theirs.state_dict().items()})
    made, called = elsewhere.NAMES[name].split("(x", 1)
    found = eval(f"layer(x{called}", {"layer": mine, "x": ag.Tensor(x)})
    np.testing.assert_allclose(found.data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-12)
    assert made.startswith("nn.")


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "options"),
    [("LinearLR", {"start_factor": 0.25, "total_iters": 4}), ("ConstantLR", {"factor": 0.25, "total_iters": 4}),
     ("PolynomialLR", {"total_iters": 4, "power": 0.5}), ("CosineAnnealingWarmRestarts", {"T_0": 4})],
)  # fmt: skip
def test_a_schedule_that_stands_for_one_of_torchs_has_its_rates(name, options):
    torch = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    optimizer, reference = nn.SGD([ag.Tensor([1.0])], lr=0.4), torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.4)
    named = {"nn": nn, "math": math, "optimizer": optimizer, "n": 4, "start": 0.25, "factor": 0.25, "power": 0.5}
    schedule, theirs = eval(elsewhere.NAMES[name], named), getattr(torch.optim.lr_scheduler, name)(reference, **options)
    reference.step()
    for _ in range(11):
        assert optimizer.lr == pytest.approx(reference.param_groups[0]["lr"], rel=1e-9, abs=1e-15)
        schedule.step()
        theirs.step()


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
        (lambda: nn.ReLU(inplace=True), "ReLU()"),
        (lambda: nn.GELU("tanh"), "GELU()"),
        (lambda: nn.Flatten(start_dim=1), "Flatten()"),
        (lambda: nn.GRU(input_size=3, hidden_size=2), "GRU(nin, nhid, num_layers=1, *, batch_first=False, dtype=float64, rng=None)"),
        (lambda: nn.Softmax(dim=1), "Softmax(axis=-1)"),
        (lambda: nn.LeakyReLU(negative_slope=0.2), "LeakyReLU(slope=0.01)"),
        (lambda: nn.Neuron(2, nonlin=False), "Neuron(nin, *, activation='tanh', bias=True, init=None, rng=None)"),
    ],
)
def test_arguments_that_a_layer_does_not_have_are_answered_with_its_signature(make, written):
    with pytest.raises(TypeError, match=rf"^{written.split('(')[0]}\(\) .*{re.escape(f'; it is written {written}.')}$"):
        make()


def test_a_softmax_over_a_dimension_is_one_over_an_axis():
    with pytest.raises(TypeError, match="'dim'; here it is written axis$"):
        nn.activations.softmax(np.ones((2, 2)), dim=1)
