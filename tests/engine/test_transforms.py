"""The transforms: closed forms, `torch.func`, nesting, structures, errors."""

from __future__ import annotations

import collections
import copy
import itertools
import math
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import (
    Tensor,
    Value,
    check_grads,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    value_and_grad,
    vjp,
)
from autograd_core.errors import (
    AutogradError,
    GraphError,
    NotScalarError,
    OperandError,
    ShapeError,
    StaleDataError,
    StructureError,
)
from autograd_core.tree import flatten

try:
    import torch
except ImportError:
    torch = None

# torch.func warns of its own use of torch.jit.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
needs_torch = pytest.mark.skipif(
    torch is None, reason='compares with torch.func: pip install "autograd-core[bench]"'
)


def rosenbrock(x: Any) -> Any:
    """(1 - a)² + 100 (b - a²)²."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


# -------------------------------------------------------------------------------------- closed forms
@pytest.mark.parametrize("x", [0.0, 0.7, -1.3, 2.0])
@pytest.mark.parametrize("sin", [np.sin, ag.sin], ids=["numpy", "autograd_core"])
def test_five_derivatives_of_x_cubed_sin_x(x: float, sin: Any) -> None:
    """Leibniz: Σ C(n, k) (x³)⁽ᵏ⁾ sin⁽ⁿ⁻ᵏ⁾."""
    f = lambda t: t**3 * sin(t)
    polynomial = [x**3, 3 * x**2, 6 * x, 6.0, 0.0, 0.0]
    for order in range(1, 6):
        f = grad(f)
        expected = sum(
            math.comb(order, k) * polynomial[k] * math.sin(x + (order - k) * math.pi / 2)
            for k in range(order + 1)
        )
        assert f(x) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_hessian_of_rosenbrock() -> None:
    """At its minimum, and as scalars."""
    np.testing.assert_allclose(
        hessian(rosenbrock)(np.array([1.0, 1.0])), [[802.0, -400.0], [-400.0, 200.0]], rtol=1e-15
    )
    assert hessian(rosenbrock)([1.0, 1.0]) == [[802.0, -400.0], [-400.0, 200.0]]
    np.testing.assert_array_equal(grad(rosenbrock)(np.array([1.0, 1.0])), [0.0, 0.0])


def test_results_are_plain() -> None:
    """Floats and arrays, not nodes."""
    value, slope = value_and_grad(lambda x: x * x)(3.0)
    assert (type(value), type(slope)) == (float, float)
    assert (value, slope) == (9.0, 6.0)
    value, slope = value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    assert value == 5.0
    assert not isinstance(value, (Tensor, Value))
    assert type(slope) is np.ndarray
    assert type(grad(lambda x: x * x)(np.float64(3.0))) in (float, np.float64)
    zero_d = grad(lambda x: x * x)(np.array(3.0))
    assert np.shape(zero_d) == ()
    assert zero_d == 6.0


def test_inside_floats_are_values_and_arrays_are_tensors() -> None:
    """What the function sees."""
    seen = []

    def f(x: Any, a: Any, c: Any) -> Any:
        seen.extend([type(x), type(a), type(c)])
        return x * a.sum() * c

    grad(f, argnums=(0, 1))(2.0, np.ones(2), 3.0)
    assert seen == [Value, Tensor, float]


def test_hvp_of_a_cubic() -> None:
    """H = diag(6x)."""
    np.testing.assert_array_equal(
        hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),)), [6.0, 120.0]
    )


def test_hvp_of_two_arguments() -> None:
    """f = Σ x² y: the structure of the primals, when there are several."""
    hx, hy = hvp(lambda x, y: (x * x * y).sum(), (np.array([1.0, 2.0]), 3.0), (np.array([1.0, 0.0]), 2.0))
    np.testing.assert_array_equal(hx, [2 * 3 * 1.0 + 2 * 1 * 2.0, 2 * 2 * 2.0])
    assert float(hy) == 2.0


def test_jvp_and_vjp_of_a_product() -> None:
    """Both modes, by hand."""
    out, tangent = jvp(lambda x, y: x * y, (2.0, 3.0), (10.0, 100.0))
    assert (out, tangent) == (6.0, 2 * 100.0 + 3 * 10.0)
    out, pull = vjp(lambda x, y: x * y, 2.0, 3.0)
    assert out == 6.0
    assert pull(1.0) == (3.0, 2.0)
    assert pull(10.0) == (30.0, 20.0)


def test_vjp_of_one_argument_is_a_tuple() -> None:
    """As in JAX: one entry per primal."""
    _, pull = vjp(lambda x: x**3, 2.0)
    assert pull(1.0) == (12.0,)


def test_the_pull_back_keeps_the_point() -> None:
    """Arrays are copied: a parameter update between the two does not move it."""
    x = np.array([1.0, 2.0])
    out, pull = vjp(lambda t: t * t, x)
    x[:] = 100.0
    np.testing.assert_array_equal(pull(np.ones(2))[0], [2.0, 4.0])
    np.testing.assert_array_equal(out, [1.0, 4.0])
    y, cotangent = np.array([1.0, 2.0]), np.ones(2)
    out, pull = vjp(lambda t: t, y)
    pull(cotangent)[0][:] = 7.0
    out[:] = 9.0
    np.testing.assert_array_equal(cotangent, [1.0, 1.0])
    np.testing.assert_array_equal(y, [1.0, 2.0])


def test_gradients_are_arrays_of_their_own() -> None:
    """They share no memory with each other, or with the arguments."""
    a, b = np.ones(2), np.ones(2)
    found = grad(lambda x, y: (x + y + x * y).sum(), argnums=(0, 1))(a, b)
    assert not np.shares_memory(*found)
    for g in found:
        assert g.flags.writeable
        assert not np.shares_memory(g, a)
        assert not np.shares_memory(g, b)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: grad(lambda t: (t.sum(), t), has_aux=True)(x)[1],
        lambda x: value_and_grad(lambda t: (t.sum(), {"a": [t]}), has_aux=True)(x)[0][1]["a"][0],
        lambda x: jacobian(lambda t: (t, t), has_aux=True)(x)[1],
        lambda x: vjp(lambda t: (t, t), x, has_aux=True)[2],
        lambda x: jvp(lambda t: (t, t), (x,), (x,), has_aux=True)[2],
        lambda x: jvp(lambda t: t, (x,), (x,))[0],
        lambda x: jvp(lambda t: t, (x,), (x,))[1],
        lambda x: value_and_grad(lambda t: t[:1])(x)[0],
    ],
)
def test_what_a_transform_hands_out_is_not_the_argument(run: Any) -> None:
    """Writing into it changes no array of the caller."""
    x = np.array([1.0, 2.0])
    run(x)[...] = 7.0
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_one_array_in_two_places_is_two_arguments() -> None:
    """Each place has its own gradient."""
    shared = np.ones(2)
    got = grad(lambda p: (p["a"] * p["b"] * 3 + p["a"]).sum())({"a": shared, "b": shared})
    np.testing.assert_array_equal(got["a"], [4.0, 4.0])
    np.testing.assert_array_equal(got["b"], [3.0, 3.0])


def test_jacobian_shapes() -> None:
    """Output axes first, then input axes."""
    x = np.array([1.0, 2.0])
    assert jacobian(lambda t: np.outer(t, t))(x).shape == (2, 2, 2)
    assert jacobian(lambda t: t.sum())(np.ones((2, 3))).shape == (2, 3)
    assert jacobian(lambda t: t.reshape(3, 2))(np.ones((2, 3))).shape == (3, 2, 2, 3)
    assert jacobian(lambda t: t * np.ones(3))(2.0).shape == (3,)
    assert jacobian(lambda t: t**2)(3.0) == 6.0
    assert jacobian(lambda t: t * 2)(np.zeros(0)).shape == (0, 0)
    np.testing.assert_array_equal(jacobian(lambda t: np.ones(3))(np.zeros(2)), np.zeros((3, 2)))


def test_constant_functions() -> None:
    """Gradient zero, of the right kind."""
    assert grad(lambda x: 3.0)(2.0) == 0.0
    np.testing.assert_array_equal(grad(lambda x: 3.0)(np.ones(2)), [0.0, 0.0])
    assert grad(grad(lambda x: 5 * x))(2.0) == 0.0
    assert jvp(lambda x: 3.0, (2.0,), (1.0,)) == (3.0, 0.0)
    np.testing.assert_array_equal(hessian(lambda x: x.sum())(np.ones(2)), np.zeros((2, 2)))


# ---------------------------------------------------------------------------------------- torch.func
def network(m: Any, softplus: Any) -> Any:
    """The same program in two libraries."""

    def f(w: Any, x: Any) -> Any:
        h = m.tanh(x @ w)
        return (softplus(h @ w.T) * m.sin(x)).sum()

    return f


@needs_torch
@pytest.mark.oracle
@pytest.mark.parametrize("argnums", [0, 1, (0, 1)], ids=str)
def test_against_torch_func(argnums: Any) -> None:
    """grad, jacobian, hessian, jvp, vjp and hvp."""
    rng = np.random.default_rng(0)
    w, x, dw, dx = (
        rng.standard_normal((3, 2)),
        rng.standard_normal((2, 3)),
        rng.standard_normal((3, 2)),
        rng.standard_normal((2, 3)),
    )
    ours, theirs = network(np, ag.softplus), network(torch, torch.nn.functional.softplus)
    args, targs = (w, x), tuple(map(torch.tensor, (w, x)))

    def agree(a: Any, b: Any) -> None:
        if isinstance(b, tuple):
            assert isinstance(a, tuple)
            assert len(a) == len(b)
            for p, q in zip(a, b, strict=True):
                agree(p, q)
        else:
            np.testing.assert_allclose(a, b.numpy(force=True), rtol=1e-10, atol=1e-12)

    agree(grad(ours, argnums)(*args), torch.func.grad(theirs, argnums)(*targs))
    agree(hessian(ours, argnums)(*args), torch.func.hessian(theirs, argnums)(*targs))
    vector = lambda f: lambda w, x: f(w, x) * x
    agree(jacobian(vector(ours), argnums)(*args), torch.func.jacrev(vector(theirs), argnums)(*targs))
    agree(tuple(jvp(ours, args, (dw, dx))), torch.func.jvp(theirs, targs, tuple(map(torch.tensor, (dw, dx)))))
    agree(vjp(vector(ours), *args)[1](dx), torch.func.vjp(vector(theirs), *targs)[1](torch.tensor(dx)))
    expected = torch.func.jvp(torch.func.grad(theirs, (0, 1)), targs, tuple(map(torch.tensor, (dw, dx))))[1]
    agree(tuple(hvp(ours, args, (dw, dx))), tuple(expected))


@needs_torch
@pytest.mark.oracle
def test_third_derivatives_against_torch_func() -> None:
    """The Jacobian of a Hessian."""
    x = np.array([0.3, -0.8, 1.1])
    ours = jacobian(hessian(lambda t: np.sum(np.exp(np.sin(t)) * t[::-1] ** 2)))(x)
    f = lambda t: (torch.exp(torch.sin(t)) * t.flip(0) ** 2).sum()
    expected = torch.func.jacrev(torch.func.jacfwd(torch.func.jacrev(f)))(torch.tensor(x))
    np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------- nesting
def test_no_perturbation_confusion() -> None:
    """The classical cases: an inner derivative must not see the outer variable move."""
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,)) == (1.0, 1.0)
    assert grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0) == 6.0
    assert jvp(lambda x: x * grad(lambda y: x * y)(2.0), (3.0,), (1.0,)) == (9.0, 6.0)
    assert grad(lambda x: grad(lambda y: x * y * y)(x))(3.0) == 12.0
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(
        grad(lambda a: (a * grad(lambda b: (a * b).sum())(np.ones(2))).sum())(x), 2 * x
    )


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: jvp(grad(lambda y: y**4), (x,), (1.0,))[1], 48.0),
        (lambda x: grad(lambda z: jvp(lambda y: y**4, (z,), (1.0,))[1])(x), 48.0),
        (lambda x: grad(lambda z: vjp(lambda y: y**4, z)[1](1.0)[0])(x), 48.0),
        (lambda x: jvp(lambda z: jvp(lambda y: y**4, (z,), (1.0,))[1], (x,), (1.0,))[1], 48.0),
        (lambda x: jvp(lambda z: vjp(lambda y: y**4, z)[1](1.0)[0], (x,), (1.0,))[1], 48.0),
        (lambda x: grad(hessian(lambda y: y**4))(x), 48.0),
        (lambda x: jacobian(grad(lambda y: y**4))(x), 48.0),
        (lambda x: value_and_grad(grad(lambda y: y**4))(x)[1], 48.0),
        (lambda x: hvp(lambda y: y**4, (x,), (1.0,)), 48.0),
        (lambda x: grad(lambda z: hvp(lambda y: y**4, (z,), (1.0,)))(x), 48.0),
        (lambda x: grad(lambda z: value_and_grad(lambda y: y**4)(z)[0])(x), 32.0),
    ],
)
def test_transforms_nest(f: Any, expected: float) -> None:
    """f = y⁴ at 2: 16, 32, 48, 48."""
    assert float(f(2.0)) == pytest.approx(expected, rel=1e-14)


def test_gradient_of_a_hessian_trace() -> None:
    """On arrays."""
    np.testing.assert_allclose(
        grad(lambda x: np.trace(hessian(lambda y: (y**4).sum())(x)))(np.array([1.0, 2.0])), [24.0, 48.0]
    )
    np.testing.assert_allclose(
        grad(lambda x: jacobian(lambda y: y**3)(x).sum())(np.array([1.0, 2.0])), [6.0, 12.0]
    )


def test_closures_are_constants_and_are_left_alone() -> None:
    """A transform does not write `.grad` on nodes outside of it."""
    w = Value(3.0)
    inner = w * w
    t = Tensor([1.0, 2.0])
    double = t * 2
    assert grad(lambda x: x * x * inner)(2.0) == 36.0
    np.testing.assert_array_equal(grad(lambda x: (x * double).sum())(np.ones(2)), [2.0, 4.0])
    assert (w.grad, inner.grad, t.grad, double.grad) == (0.0, 0.0, None, None)


def test_a_transform_of_nodes_stays_in_the_graph() -> None:
    """grad(f)(Value) is a Value, through which backward flows."""
    x = Value(2.0)
    slope = grad(lambda t: t**3)(x)
    assert isinstance(slope, Value)
    slope.backward()
    assert (slope.data, x.grad) == (12.0, 12.0)
    t = Tensor([1.0, 2.0])
    slopes = grad(lambda s: (s**3).sum())(t)
    assert isinstance(slopes, Tensor)
    slopes.sum().backward()
    np.testing.assert_array_equal(t.grad, [6.0, 12.0])


def test_backward_inside_a_transform() -> None:
    """The two do not disturb each other."""
    x = Value(2.0)
    y = x * x

    def f(v: Any) -> Any:
        y.backward()
        return v * v

    assert grad(f)(3.0) == 6.0
    assert x.grad == 4.0


def test_no_grad_and_transforms() -> None:
    """A transform records, whatever is outside; what is computed under `no_grad` inside is a constant."""

    def squared(x: Any) -> Any:
        with no_grad():
            return x * x

    with no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0
    assert grad(lambda x: x * squared(x))(3.0) == 9.0


DERIVED = {
    "grad": lambda f, x: grad(lambda t: np.sum(f(t)))(x),
    "value_and_grad": lambda f, x: value_and_grad(lambda t: np.sum(f(t)))(x)[0],
    "vjp": lambda f, x: vjp(f, x)[0],
    "pull-back": lambda f, x: vjp(f, x)[1](x)[0],
    "jvp": lambda f, x: jvp(f, (x,), (x * 2.0,))[1],
    "jacobian": lambda f, x: jacobian(f)(x),
    "hessian": lambda f, x: hessian(lambda t: np.sum(f(t)))(x),
    "hvp": lambda f, x: hvp(lambda t: np.sum(f(t)), (x,), (x * 0.5,)),
    "has_aux": lambda f, x: grad(lambda t: (np.sum(t), f(t)), has_aux=True)(x)[1],
    "nested": lambda f, x: grad(lambda t: np.sum(grad(lambda u: np.sum(f(u)))(t) * t))(x),
}


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("x", [Value(0.7), Tensor(0.7), Tensor([0.7, -0.3])], ids=["value", "0-d", "vector"])
def test_a_transform_under_no_grad_gives_constants(name: str, x: Any) -> None:
    """Inside another transform, of what that one differentiates by and of what is closed over, and of nodes outside of all."""

    def derived(x: Any, scale: Any = 1.0) -> Any:
        return DERIVED[name](lambda t: t**3 * scale + t, x)

    def mixed(x: Any) -> Any:
        with no_grad():
            kept = derived(x, scale=x)
        return np.sum(x * x * kept)

    def frozen(x: Any) -> Any:
        return np.sum(x * x * number)

    number = derived(x.data, scale=x.data)
    np.testing.assert_allclose(grad(mixed)(x.data), grad(frozen)(x.data), rtol=1e-12)
    np.testing.assert_allclose(hessian(mixed)(x.data), hessian(frozen)(x.data), rtol=1e-12)
    with no_grad():
        found = derived(x)
    assert isinstance(found, (Value, Tensor)) and found.op is None
    assert isinstance(found, Value) or not found.requires_grad
    np.testing.assert_allclose(found.data, derived(x.data), rtol=1e-12)
    linked = derived(x)
    assert linked.op is not None, "the mode is off again"


def test_a_pull_back_under_no_grad_is_a_constant_also_where_its_cotangent_is_not() -> None:
    """And one of a function that was recorded under `no_grad` is linear in a cotangent all the same."""
    x, seed = Tensor([0.5, 2.0]), Tensor([1.0, -1.0])
    out, pull = vjp(lambda t: t * t, x)
    with no_grad():
        (kept,) = pull(seed)
        quiet, later = vjp(lambda t: t * t, x)
        moved = jvp(lambda t: t * t, (x,), (seed,))[1]
    assert out.requires_grad and not (kept.requires_grad or quiet.requires_grad or moved.requires_grad)
    for found in (kept, moved):
        np.testing.assert_array_equal(found.data, [1.0, -4.0])
    later(seed)[0].sum().backward()
    np.testing.assert_array_equal(seed.grad, [1.0, 4.0])
    assert x.grad is None


def test_transforms_end_with_an_exception() -> None:
    """Afterwards numbers may leave graphs again."""
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: 1 / 0)(1.0)
    assert float(Value(2.0)) == 2.0


def test_control_flow() -> None:
    """Loops and branches on numbers."""

    def f(x: Any) -> Any:
        while x < 10:
            x = x * x if x > 2 else x + 1
        return x

    assert grad(f)(1.5) == 4 * 2.5**3  # ((x + 1)²)²
    assert grad(lambda x: x if x > 0 else -x)(-2.0) == -1.0


def test_threads_differentiate_at_once() -> None:
    """Each gets its own answer."""
    found: dict[int, float] = {}

    def work(i: int) -> None:
        for _ in range(20):
            found[i] = grad(grad(lambda x: x**3 * i))(2.0)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(30)
    assert found == {i: 12.0 * i for i in range(4)}


# ---------------------------------------------------------------------------------------- structures
Layer = collections.namedtuple("Layer", "weight bias")  # noqa: PYI024


def test_nested_structures() -> None:
    """The gradient has the structure of the argument."""
    params = {"a": 2.0, "b": [np.array([1.0, 2.0]), (3.0,)], "c": Layer(np.ones((2, 1)), 4.0)}

    def f(p: Any) -> Any:
        layer = p["c"]
        return p["a"] * (p["b"][0] @ layer.weight).sum() * p["b"][1][0] + layer.bias**2

    got = grad(f)(params)
    assert list(got) == ["a", "b", "c"]
    assert got["a"] == 9.0
    assert isinstance(got["b"], list)
    np.testing.assert_array_equal(got["b"][0], [6.0, 6.0])
    assert got["b"][1] == (6.0,)
    assert isinstance(got["c"], Layer)
    np.testing.assert_array_equal(got["c"].weight, [[6.0], [12.0]])
    assert got["c"].bias == 8.0


class Named(dict):
    """A dictionary that is made in a way of its own."""

    def __init__(self, name: str, **items: Any) -> None:
        super().__init__(**items)
        self.name = name


@pytest.mark.parametrize(
    "tree",
    [collections.OrderedDict(z=2.0, a=3.0), collections.defaultdict(list, {"z": 2.0, "a": 3.0}), collections.Counter(z=2, a=3), Named("n", z=2.0, a=3.0)],
    ids=lambda tree: type(tree).__name__,
)
def test_dictionaries_of_every_kind_stay_what_they_are(tree: Any) -> None:
    """With their order, and what else they hold."""
    before = copy.deepcopy(tree)
    got = grad(lambda p: p["z"] * p["z"] * p["a"])(tree)
    assert type(got) is type(tree) and list(got.items()) == [("z", 12.0), ("a", 4.0)]
    assert getattr(got, "name", None) == getattr(tree, "name", None)
    assert getattr(got, "default_factory", None) == getattr(tree, "default_factory", None)
    assert tree == before
    pull = vjp(lambda p: p, tree)[1]
    assert list(pull({"a": 5.0, "z": 7.0})[0].items()) == [("z", 7.0), ("a", 5.0)], "leaves are matched by key"


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict, lambda items: collections.defaultdict(list, items)], ids=["dict", "OrderedDict", "defaultdict"])
@pytest.mark.parametrize("keys", [*itertools.permutations(["w10", "w2", "w1"]), (1, "z", 0.5), ("z", 0.5, 1), (2, (1, 0), None)], ids=str)
def test_a_dictionary_has_its_own_order_inside_a_transform(kind: Any, keys: tuple[Any, ...]) -> None:
    """A function that goes through the layers of a model computes what it computes outside, and its gradient comes in the same order."""
    tree = kind(dict(zip(keys, (1.0, 5.0, 3.0), strict=True)))

    def through(layers: Any) -> Any:
        x = 1.0
        for w in layers.values():
            x = x * 2.0 + w
        return x

    value, gradient = value_and_grad(through)(tree)
    assert value == through(tree) == 8.0 + 4.0 * 1.0 + 2.0 * 5.0 + 3.0
    assert list(gradient.items()) == list(zip(keys, (4.0, 2.0, 1.0), strict=True))
    along = dict(zip(keys[::-1], (10.0, 20.0, 30.0), strict=True))
    assert jvp(through, (tree,), (kind(along),))[1] == 4.0 * 30.0 + 2.0 * 20.0 + 10.0, "tangents are matched by key"
    pulled = vjp(lambda p: kind({key: 2.0 * p[key] for key in keys[::-1]}), tree)[1](kind(along))[0]
    assert list(pulled.items()) == [(key, 2.0 * along[key]) for key in keys]
    assert list(hessian(lambda p: through(p) ** 2)(tree)) == list(keys)


def test_empty_structures() -> None:
    """Nothing to differentiate by."""
    assert grad(lambda p: 1.0)({}) == {}
    assert grad(lambda p: p[1] * 2)(([], 3.0)) == ([], 2.0)


def test_structures_of_jacobians_and_hessians() -> None:
    """A tree of blocks."""
    p = {"a": np.array([1.0, 2.0]), "b": 3.0}
    got = jacobian(lambda q: q["a"] * q["b"])(p)
    np.testing.assert_array_equal(got["a"], 3 * np.eye(2))
    np.testing.assert_array_equal(got["b"], [1.0, 2.0])
    blocks = hessian(lambda q: q["b"] * (q["a"] ** 2).sum())(p)
    np.testing.assert_array_equal(blocks["a"]["a"], 6 * np.eye(2))
    np.testing.assert_array_equal(blocks["a"]["b"], [2.0, 4.0])
    np.testing.assert_array_equal(blocks["b"]["a"], [2.0, 4.0])
    assert float(blocks["b"]["b"]) == 0.0
    out = jacobian(lambda x: {"square": x * x, "sum": x.sum()})(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(out["square"], [[2.0, 0.0], [0.0, 4.0]])
    np.testing.assert_array_equal(out["sum"], [1.0, 1.0])


def test_structures_of_vjp_and_jvp() -> None:
    """Of outputs, cotangents and tangents."""
    out, pull = vjp(lambda a, b: (a * b.sum(), {"k": a * b}), 2.0, np.array([1.0, 2.0]))
    assert float(out[0]) == 6.0
    np.testing.assert_array_equal(out[1]["k"], [2.0, 4.0])
    da, db = pull((1.0, {"k": np.array([1.0, 10.0])}))
    assert float(da) == 3.0 + 1.0 + 20.0
    np.testing.assert_array_equal(db, [2.0 + 2.0, 2.0 + 20.0])
    out, tangent = jvp(
        lambda p: [p["x"] * 2, p["x"] * p["y"]], ({"x": 3.0, "y": 5.0},), ({"x": 1.0, "y": 0.0},)
    )
    assert (out, tangent) == ([6.0, 15.0], [2.0, 5.0])


# ------------------------------------------------------------------------------------------- argnums
@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, 3.0),
        (1, 2.0),
        (-1, 2.0),
        (-2, 3.0),
        ((0,), (3.0,)),
        ((0, 1), (3.0, 2.0)),
        ((1, 0), (2.0, 3.0)),
        ((0, -1), (3.0, 2.0)),
    ],
)
def test_argnums(argnums: Any, expected: Any) -> None:
    """An integer, a tuple, negative ones."""
    assert grad(lambda x, y: x * y, argnums)(2.0, 3.0) == expected
    assert value_and_grad(lambda x, y: x * y, argnums=argnums)(2.0, 3.0) == (6.0, expected)
    assert jacobian(lambda x, y: x * y, argnums)(2.0, 3.0) == expected


def test_hessian_argnums() -> None:
    """Blocks of x²y at (2, 3)."""
    blocks = hessian(lambda x, y: x * x * y, argnums=(0, 1))(2.0, 3.0)
    assert tuple(tuple(map(float, row)) for row in blocks) == ((6.0, 4.0), (4.0, 0.0))
    assert hessian(lambda x, y: x * x * y, argnums=0)(2.0, 3.0) == 6.0


def test_other_arguments_are_passed_on() -> None:
    """Of any type, by keyword too."""
    f = lambda x, mode, *, scale=1: x * scale if mode == "linear" else x * x
    assert grad(f)(2.0, "linear", scale=5) == 5.0
    assert grad(f)(2.0, "square") == 4.0


@pytest.mark.parametrize("argnums", [2, -3, (0, 5), "x", (), 0.5, (0, 0), (1, -1)], ids=str)
def test_wrong_argnums(argnums: Any) -> None:
    """Out of range, repeated, or no integers: says what was received and how many arguments there are."""
    with pytest.raises((StructureError, OperandError), match=r"grad: received argnums=.*expected"):
        grad(lambda x, y: x * y, argnums=argnums)(2.0, 3.0)


# -------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize("x", [3, np.int64(3), np.float32(3.0), np.array(3)], ids=lambda x: type(x).__name__)
def test_integers_and_numpy_scalars_are_floats(x: Any) -> None:
    """grad of x² at 3."""
    assert float(grad(lambda t: t * t)(x)) == 6.0


def test_float32_stays_float32() -> None:
    """In gradients, Jacobians, Hessians and pull-backs."""
    x = np.ones(2, np.float32)
    assert grad(lambda t: (t * t).sum())(x).dtype == np.float32
    assert jacobian(lambda t: t * t)(x).dtype == np.float32
    assert hessian(lambda t: (t**3).sum())(x).dtype == np.float32
    assert vjp(lambda t: t * t, x)[1](np.ones(2, np.float32))[0].dtype == np.float32
    assert jvp(lambda t: t * t, (x,), (x,))[1].dtype == np.float32


@pytest.mark.parametrize("f", [lambda t: (t * t * t).sum(), lambda t: t.sum(), lambda t: (t[:1] * 2.0).sum(), lambda t: t.sum() * 0.0 + 1.0, lambda t: np.float32(3.0)])
def test_float32_stays_float32_where_nothing_flows_and_where_transforms_nest(f: Any) -> None:
    x, v = np.ones(2, np.float32), np.array([1.0, -1.0], np.float32)
    found = [
        grad(f)(x), hessian(f)(x), hvp(f, (x,), (v,)), jvp(grad(f), (x,), (v,))[1], jacobian(grad(f))(x), jacobian(jacobian(grad(f)))(x),
        grad(lambda t: (grad(f)(t) * v).sum())(x), grad(lambda t: (hessian(f)(t) @ v).sum())(x), vjp(grad(f), x)[1](v)[0], jvp(hessian(f), (x,), (v,))[1],
        *jvp(lambda t: hvp(f, (t,), (v,)), (x,), (v,)), hvp(lambda p: f(p["a"]) + 0.0 * p["b"].sum(), ({"a": x, "b": x},), ({"a": v, "b": v},))["b"],
    ]  # fmt: skip
    assert [a.dtype for a in found] == [np.float32] * len(found)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (lambda x: x * np.ones(2), r"shape \(2,\)"),
        (lambda x: (x, x), "tuple"),
        (lambda x: None, "NoneType"),
        (lambda x: "a", "'a'|str"),
    ],
)
def test_result_of_grad_must_be_one_number(result: Any, text: str) -> None:
    """Received, expected, what to do."""
    with pytest.raises(NotScalarError, match=rf"grad.*({text}).*expected one number"):
        grad(result)(2.0)


@pytest.mark.parametrize("result", [lambda x: x > 0.0, lambda x: np.all(x > 0.0), lambda x: np.isfinite(x)], ids=["comparison", "all", "isfinite"])
@pytest.mark.parametrize("transform", [grad, value_and_grad, hessian, jacobian])
@pytest.mark.parametrize("x", [2.0, np.array(2.0), np.array([2.0])], ids=["a float", "a number in an array", "an array"])
def test_a_truth_value_has_no_gradient(transform: Any, result: Any, x: Any) -> None:
    """A comparison is refused, whose gradient of zeros would look like an answer."""
    with pytest.raises((NotScalarError, OperandError), match=rf"{transform.__name__}: the function returned .*(True|array).*expected"):
        transform(result)(x)


@pytest.mark.parametrize("transform", [jacobian, hessian])
@pytest.mark.parametrize("result", [None, [], {}, (None,)])
def test_nothing_has_no_derivative(transform: Any, result: Any) -> None:
    """A function that forgot its return, say."""
    with pytest.raises(OperandError, match=rf"{transform.__name__}: the function returned .*expected numbers"):
        transform(lambda x: result)(2.0)


@pytest.mark.parametrize("transform", [grad, value_and_grad, jacobian, hessian])
def test_what_to_differentiate_by_is_given_by_position(transform: Any) -> None:
    """By name it is an option of the function."""
    with pytest.raises(StructureError, match=rf"{transform.__name__}: .*for 0 arguments, expected at least one; .*by position, not by name as x"):
        transform(lambda x: x * x)(x=2.0)
    with pytest.raises(StructureError, match="for 1 arguments, expected indices from 0 to 0; .*not by name as y"):
        transform(lambda x, y: x * y, 1)(2.0, y=3.0)
    with pytest.raises(StructureError, match=r"for 0 arguments, expected at least one\.$"):
        transform(lambda: 1.0)()


def test_hessian_of_a_vector_function() -> None:
    """A Hessian for each element, in the structure of the result; a result of one element counts as a number."""
    x = np.array([1.0, 2.0])
    found = hessian(lambda t: np.stack([t[0] ** 2 * t[1], np.sum(t**3)]))(x)
    np.testing.assert_allclose(found, [[[4.0, 2.0], [2.0, 0.0]], [[6.0, 0.0], [0.0, 12.0]]])
    f = lambda t, s: {"a": np.sin(t) * s, "b": np.sum(t) * s**2}
    blocks, twice = hessian(f, (0, 1))(x, 3.0), jacobian(jacobian(f, (0, 1)), (0, 1))(x, 3.0)
    assert blocks["a"][0][1].shape == (2, 2)
    assert blocks["b"][1][1] == 6.0
    for part, same in zip(flatten(blocks)[0], flatten(twice)[0], strict=True):
        np.testing.assert_array_equal(part, same)
    assert hessian(lambda t: np.sum(t**3, keepdims=True))(x).shape == (2, 2)
    assert hessian(lambda t: np.sum(t**3))(x.astype(np.float32)).dtype == np.float32


def test_every_transform_hands_out_what_comes_beside_the_result() -> None:
    """`has_aux`: outside of transforms as plain data, inside of one as nodes that can be differentiated."""
    x, f = np.array([1.0, 2.0]), lambda t: ((t**3).sum(), {"twice": 2.0 * t, "name": "f"})
    rows = jacobian(lambda t: (t**2, t.sum()), has_aux=True)(x)
    np.testing.assert_allclose(rows[0], np.diag(2.0 * x))
    assert rows[1] == 3.0
    curvature, aux = hessian(f, has_aux=True)(x)
    np.testing.assert_allclose(curvature, np.diag(6.0 * x))
    out, pull, seen = vjp(f, x, has_aux=True)
    np.testing.assert_allclose(pull(1.0)[0], 3.0 * x**2)
    value, change, kept = jvp(f, (x,), (x,), has_aux=True)
    assert (out, value, change) == (9.0, 9.0, 27.0)
    for extra in (aux, seen, kept):
        assert type(extra["twice"]) is np.ndarray
        assert (extra["twice"].tolist(), extra["name"]) == ([2.0, 4.0], "f")
    for inner in (lambda t: vjp(f, t, has_aux=True)[2], lambda t: jvp(f, (t,), (t,), has_aux=True)[2], lambda t: hessian(f, has_aux=True)(t)[1]):
        np.testing.assert_array_equal(grad(lambda t, inner=inner: np.sum(inner(t)["twice"] ** 2))(x), 8.0 * x)


@pytest.mark.parametrize("result", [1.0, None, (1.0, 2.0, 3.0), np.ones(2)], ids=lambda r: type(r).__name__)
def test_beside_the_result_stands_one_thing(result: Any) -> None:
    """Anything else than a pair is refused, by every transform."""
    f = lambda x: result
    for name, run in {
        "grad": lambda: grad(f, has_aux=True)(2.0),
        "value_and_grad": lambda: value_and_grad(f, has_aux=True)(2.0),
        "jacobian": lambda: jacobian(f, has_aux=True)(2.0),
        "hessian": lambda: hessian(f, has_aux=True)(2.0),
        "vjp": lambda: vjp(f, 2.0, has_aux=True),
        "jvp": lambda: jvp(f, (2.0,), (1.0,), has_aux=True),
    }.items():
        with pytest.raises(StructureError, match=rf"^{name}: with has_aux the function must give a pair"):
            run()


@pytest.mark.parametrize(
    "x", ["a", b"a", 1j, object(), np.array([1j]), np.array(["a"])], ids=lambda x: type(x).__name__
)
def test_what_cannot_be_differentiated_by(x: Any) -> None:
    """Strings, complex numbers, objects."""
    with pytest.raises(AutogradError, match="received"):
        grad(lambda t: t * 2)(x)


@pytest.mark.parametrize("start", [2.0, np.array([2.0, 3.0])], ids=["a number", "an array"])
def test_assigning_data_inside_a_transform_is_noticed_in_every_mode(start: Any) -> None:
    """Between an operation and the sweep over it; never a derivative at another point."""
    def f(x: Any) -> Any:
        y = x * x
        x.data = 2.0 * start
        return np.sum(y)

    ones = np.ones_like(start) if isinstance(start, np.ndarray) else 1.0
    calls: list[Any] = [
        lambda: grad(f)(start), lambda: ag.value_and_grad(f)(start), lambda: jacobian(f)(start), lambda: hessian(f)(start),
        lambda: jvp(f, (start,), (ones,)), lambda: vjp(f, start)[1](1.0), lambda: hvp(f, (start,), (ones,)), lambda: grad(lambda t: np.sum(grad(f)(t)))(start),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StaleDataError, match="assigned"):
            call()


def test_cotangents_and_tangents_that_do_not_fit() -> None:
    """Shape, number, structure."""
    with pytest.raises(ShapeError, match=r"vjp.*\(3,\).*\(2,\)"):
        vjp(lambda x: x * x, np.ones(2))[1](np.ones(3))
    with pytest.raises(StructureError, match="vjp.*structure"):
        vjp(lambda x: (x, x), 2.0)[1](1.0)
    with pytest.raises(ShapeError, match=r"jvp.*\(3,\).*\(2,\)"):
        jvp(lambda x: x, (np.ones(2),), (np.ones(3),))
    with pytest.raises(StructureError, match="jvp"):
        jvp(lambda x: x, (np.ones(2),), ())
    with pytest.raises(StructureError, match="jvp.*tuple"):
        jvp(lambda x: x, 2.0, 1.0)
    with pytest.raises(AutogradError, match="hvp|jvp"):
        hvp(lambda x: x.sum(), (np.ones(2),), (np.ones(3),))


@pytest.mark.parametrize(
    "leave",
    [math.sin, float, int, lambda x: np.asarray(x, dtype=float), lambda x: np.array([x, x], dtype=float)],
)
def test_a_number_that_leaves_the_graph_raises(leave: Any) -> None:
    """`math.sin(x)` would lose the gradient without a word."""
    with pytest.raises(GraphError, match="np.sin|autograd_core"):
        grad(lambda x: leave(x) * x)(1.0)
    with pytest.raises((GraphError, ValueError)) as info:   # NumPy may put its own error on top of ours
        grad(lambda x: (leave(x.sum()) * x).sum())(np.ones(2))
    assert isinstance(info.value, GraphError) or isinstance(info.value.__cause__, GraphError)


X = np.array([0.5, 2.0])
ARRAYS: dict[str, tuple[Any, Any, tuple[Any, ...]]] = {
    "numbers": (lambda x, y: np.array([x * y, x + y, 3.0]), lambda x, y: [x * y, x + y, 3.0 + 0.0 * x], (2.0, 3.0)),
    "matrix": (lambda x, y: np.array([[x * y, 0.0], [y, x / y]]), lambda x, y: [x * y, 0.0 * x, y, x / y], (2.0, 3.0)),
    "elements": (lambda x, y: np.array([x[0] * y, np.sin(x[1])]), lambda x, y: [x[0] * y, np.sin(x[1])], (X, 3.0)),
    "used again": (
        lambda x, y: np.ones((2, 2)) @ np.exp(np.array([x[0], x[1]])) * x * y,
        lambda x, y: [(np.exp(x[0]) + np.exp(x[1])) * x[i] * y for i in (0, 1)],
        (X, 3.0),
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_built_from_numbers_of_the_graph(name: str) -> None:
    """`np.array([x * y, x + y])` holds nodes, and their gradients are those of the numbers one by one."""
    f, numbers, point = ARRAYS[name]
    out = vjp(f, *point)[0]
    assert out.dtype == np.float64
    np.testing.assert_allclose(out.ravel(), numbers(*point))
    for argnum in (0, 1):
        rows = np.stack([np.ravel(row) for row in jacobian(numbers, argnum)(*point)])
        np.testing.assert_allclose(jacobian(f, argnum)(*point).reshape(rows.shape), rows)
    check_grads(f, point)


def test_an_auxiliary_array_of_numbers_is_plain() -> None:
    """Numbers come out, not nodes."""
    (_, aux), _ = value_and_grad(lambda x: (x * x, np.array([x, 2.0 * x])), has_aux=True)(3.0)
    assert aux.dtype == np.float64
    assert aux.tolist() == [3.0, 6.0]


def test_arrays_of_values_inside_a_transform() -> None:
    """Built with np.array, by a program that fills it element by element."""
    assert grad(lambda x: np.array([x, x * x]).sum())(3.0) == 7.0
    assert grad(lambda x: np.stack([x, x * x]) @ np.array([1.0, 2.0]))(3.0) == 13.0
    np.testing.assert_array_equal(
        jacobian(lambda x: np.stack([x[0] * x[1], x[1] ** 2]))(np.array([2.0, 3.0])), [[3.0, 2.0], [0.0, 6.0]]
    )


@pytest.mark.skipif(not hasattr(ag, "weighted_sum"), reason="there is no fused weighted sum")
def test_the_fused_weighted_sum_is_the_sum_of_products() -> None:
    """To second order, in both modes, with operands repeated and constants among them."""
    fused = lambda a, b, c, d, e: ag.tanh(ag.weighted_sum([a, b, a], [c, d, 2.0], e))
    plain = lambda a, b, c, d, e: ag.tanh(a * c + b * d + a * 2.0 + e)
    point, direction, every = (0.1, 0.2, 0.3, 0.4, 0.5), (1.0, -2.0, 3.0, 0.5, 0.7), (0, 1, 2, 3, 4)
    np.testing.assert_allclose(grad(fused, every)(*point), grad(plain, every)(*point), rtol=1e-14)
    np.testing.assert_allclose(hessian(fused, every)(*point), hessian(plain, every)(*point), rtol=1e-13)
    np.testing.assert_allclose(jvp(fused, point, direction), jvp(plain, point, direction), rtol=1e-14)
    np.testing.assert_allclose(hvp(fused, point, direction), hvp(plain, point, direction), rtol=1e-13)
    v = Value(2.0)
    y = ag.weighted_sum([v, v], [v, v], v)
    y.backward()
    assert (y.data, v.grad) == (10.0, 9.0)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x)), lambda x: copy.deepcopy({"a": [x]})["a"][0]])
def test_a_copy_that_would_be_a_graph_of_its_own_is_refused(copied: Any) -> None:
    """Inside a transform its gradient would be lost; what the function has made for itself may be copied."""
    for f, x in (
        (lambda x: (copied(x) ** 2).sum(), X), (lambda x: (copied(x * 2.0) ** 2).sum(), X), (lambda x: copied(x * 2.0) ** 2, 3.0),
        (lambda x: grad(lambda y: y * copied(x + 0.0))(2.0), 3.0),
    ):  # fmt: skip
        with pytest.raises(GraphError, match="a copy of .* is a graph of its own"):
            grad(f)(x)
    own = Tensor([2.0, 3.0])
    np.testing.assert_array_equal(grad(lambda x: (x * copied(own)).sum())(X), [2.0, 3.0])
    np.testing.assert_array_equal(copied(own * 2.0).data, [4.0, 6.0])
