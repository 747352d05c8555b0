"""The cross-entropy of classes keeps what its kernel has computed for its rule: never that of other scores."""

import numpy as np
import pytest

import nn
from autograd_core import Tensor, grad, hessian, lift
from autograd_core.algebra import ARRAYS
from nn.loss_rules import CROSS_ENTROPY_OF_CLASSES

LABELS = np.array([2, 0, 1, 1])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def expected(z, labels):
    """(softmax(z) − 1_y) / n, written out."""
    powers = np.exp(z - z.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True) - np.eye(z.shape[1])[labels]) / len(z)


@pytest.mark.parametrize("classes", [3, 16, 17, 40])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_gradient_is_softmax_minus_truth_whatever_the_number_of_classes(classes, dtype, rng):
    z = rng.normal(size=(4, classes)).astype(dtype)
    x = Tensor(z)
    nn.cross_entropy(x, LABELS).backward()
    np.testing.assert_allclose(x.grad, expected(z, LABELS), rtol=1e-5 if dtype is np.float32 else 1e-12, atol=1e-7 if dtype is np.float32 else 0)
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("classes", [3, 20])
def test_scores_in_any_order_in_memory(classes, rng):
    turned = Tensor(rng.normal(size=(classes, 4)))
    nn.cross_entropy(turned.T, LABELS).backward()
    np.testing.assert_allclose(turned.grad, expected(turned.data.T, LABELS).T, rtol=1e-12)
    strided = Tensor(rng.normal(size=(8, 2 * classes)))
    nn.cross_entropy(strided[::2, ::-2], LABELS).backward()
    np.testing.assert_allclose(strided.grad[::2, ::-2], expected(strided.data[::2, ::-2], LABELS), rtol=1e-12)


def test_two_graphs_of_the_same_scores_do_not_disturb_one_another(rng):
    x = Tensor(rng.normal(size=(4, 3)))
    first = nn.cross_entropy(x, LABELS)
    second = nn.cross_entropy(x * 3.0, LABELS[::-1].copy())
    first.backward()
    np.testing.assert_allclose(x.grad, expected(x.data, LABELS), rtol=1e-12)
    x.grad = None
    second.backward()
    np.testing.assert_allclose(x.grad, 3.0 * expected(3.0 * x.data, LABELS[::-1]), rtol=1e-12)


def test_the_rule_looks_at_the_scores_it_is_given(rng):
    seen, other, saved = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), {}
    out = CROSS_ENTROPY_OF_CLASSES.array(seen, labels=LABELS, saved=saved)
    for z in (seen, other, seen.copy()):
        pulled = CROSS_ENTROPY_OF_CLASSES.vjp[0](ARRAYS, 1.0, out, z, labels=LABELS, saved=saved)
        np.testing.assert_allclose(pulled, expected(z, LABELS), rtol=1e-12)


def test_a_program_made_from_the_graph_leaves_the_graph_alone(rng):
    x = Tensor(rng.normal(size=(4, 3)))
    start = x.data.copy()
    loss = nn.cross_entropy(x, LABELS)
    program = lift(loss, params=[x])
    for scale in (2.0, np.inf, 0.5):           # an infinite score sends the program along its careful way
        program.theta.data[:] = (start * scale).ravel()
        program()
        program.backward()
    np.testing.assert_allclose(program.theta.grad, expected(0.5 * start, LABELS).ravel(), rtol=1e-10)
    loss.backward()
    np.testing.assert_allclose(x.grad, expected(start, LABELS), rtol=1e-12)


def test_higher_derivatives_do_not_take_the_softmax_for_a_constant(rng):
    z = rng.normal(size=(2, 3))
    labels = np.array([0, 2])
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    found = hessian(lambda x: nn.cross_entropy(x, labels))(z)
    for row in range(2):
        np.testing.assert_allclose(found[row, :, row], (np.diag(p[row]) - np.outer(p[row], p[row])) / 2, atol=1e-12)
    np.testing.assert_allclose(found[0, :, 1], 0.0, atol=1e-15)
    directional = grad(lambda t: grad(lambda x: nn.cross_entropy(x, labels))(z + t * np.ones_like(z)).sum())(0.0)
    assert abs(directional) < 1e-12            # adding the same to all scores changes nothing
