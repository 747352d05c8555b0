"""The equations of the lectures against the engine: the recursion of the δs, the δ rule, Taylor, Newton, and Adam's loss surface."""

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, grad, hessian
from autograd_core.errors import OperandError

SLOPES = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2, "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2, "relu": lambda z: (z > 0) * 1.0,
    "identity": np.ones_like,
}  # fmt: skip
MODULES = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU, "identity": nn.Identity}


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["values", "tensors"])
def test_the_matrix_recursion(activation, strength, kind):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    if kind == "values":
        model = nn.MLP(3, [4, 3, 2], activation=activation, output="sigmoid", rng=1)
    else:
        act = MODULES[activation]
        model = nn.Sequential(nn.Linear(3, 4, rng=1), act(), nn.Linear(4, 3, rng=2), act(), nn.Linear(3, 2, rng=3), nn.Sigmoid())
    terms = nn.deltas(model, x, y, lambda p, t: nn.squared_error(p, t, reduction="sum"), penalty=lambda m: nn.l2_penalty(m, strength, half=True))
    weights = [v for k, v in model.state_dict().items() if k.endswith("weight")]
    biases = [v for k, v in model.state_dict().items() if k.endswith("bias")]
    kinds = [activation, activation, "sigmoid"]
    functions = {"tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "relu": lambda z: np.maximum(z, 0)}
    a, zs, inputs = x, [], []
    for w, b, k in zip(weights, biases, kinds, strict=True):
        inputs.append(a)
        zs.append(a @ w.T + b)
        a = functions[k](zs[-1])
    delta = (a - y) * SLOPES["sigmoid"](zs[-1])
    for layer in (2, 1, 0):
        term = terms[layer]
        np.testing.assert_allclose(term.z, zs[layer], rtol=1e-12)
        np.testing.assert_allclose(term.delta, delta, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(term.weight_grad, delta.T @ inputs[layer] + strength * weights[layer], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(term.bias_grad, delta.sum(axis=0), rtol=1e-12, atol=1e-14)
        if layer:
            delta = (delta @ weights[layer]) * SLOPES[kinds[layer - 1]](zs[layer - 1])
    with pytest.raises(OperandError, match="expected an MLP or a Sequential"):
        nn.deltas(nn.ReLU(), x, y)


def test_the_delta_rule_is_a_gradient_step():
    w, b, x, y, rate = [Value(0.3), Value(-0.2)], Value(0.1), [1.5, -2.0], 1.0, 0.05
    z = w[0] * x[0] + w[1] * x[1] + b
    nn.squared_error(z, y).backward()
    for weight, xi in zip(w, x, strict=True):
        assert -rate * weight.grad == pytest.approx(rate * (y - z.data) * xi, rel=1e-15)


def logistic(theta):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)), rng.integers(0, 2, 30).astype(float)
    return nn.binary_cross_entropy_with_logits(x @ theta, y) + 0.05 * (theta * theta).sum()


def test_taylor_expansion_of_a_loss():
    theta, direction = np.array([0.3, -0.5, 0.8]), np.array([1.0, -2.0, 0.5])
    g, h, value = grad(logistic)(theta), hessian(logistic)(theta), logistic(Tensor(theta)).item()
    errors = []
    for step in (1e-1, 1e-2):
        d = step * direction
        errors.append(abs(logistic(Tensor(theta + d)).item() - (value + g @ d + 0.5 * d @ h @ d)))
    assert errors[0] < 5e-3 and errors[1] < 1.5e-3 * errors[0]   # the remainder is of third order


def test_newton_steps_reach_the_minimum():
    theta = np.zeros(3)
    for _ in range(6):
        theta = theta - np.linalg.solve(hessian(logistic)(theta), grad(logistic)(theta))
    assert np.abs(grad(logistic)(theta)).max() < 1e-14
    assert np.linalg.eigvalsh(hessian(logistic)(theta)).min() > 0.0


def test_one_newton_step_solves_least_squares():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)

    def loss(theta):
        return nn.squared_error(x @ theta, y, reduction="sum")

    start = rng.normal(size=3)
    step = start - np.linalg.solve(hessian(loss)(start), grad(loss)(start))
    np.testing.assert_allclose(step, np.linalg.lstsq(x, y, rcond=None)[0], rtol=1e-10)


def test_the_terms_of_a_layer_can_be_read():
    few = nn.deltas(nn.MLP(2, [3, 1], rng=0), [[1.0, -1.0]], [0.5])
    said = repr(few[1]).splitlines()
    assert said[0] == "layer 2: 3 → 1, 1 sample" and [line.split()[0] for line in said[1:]] == ["a", "z", "δ", "∂L/∂W", "∂L/∂b"]
    assert f"[[{few[1].delta.item():.4f}]]" in said[3] and "(1, 3)" in said[4]
    many = nn.deltas(nn.Sequential(nn.Linear(9, 7, bias=False, rng=0)), np.ones((50, 9)), np.zeros((50, 7)))
    assert repr(many).count("‖·‖") == 4 and len(repr(many)) < 300 and "∂L/∂b" not in repr(many)
