"""Values, first and second derivatives of every operation against those of PyTorch, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Tensor

torch = pytest.importorskip(
    "torch", reason='the differential tests need PyTorch: pip install "autograd-core[bench]"'
)

pytestmark = pytest.mark.oracle
TOLERANCE = 1e-9


def draw(shape: tuple[int, ...], low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Numbers between two bounds, never twice the same and never 0: no ties, and no kinks."""
    rng = np.random.default_rng([seed, *shape])
    return np.array(rng.permuted(np.linspace(low, 0.97 * high, int(np.prod(shape)) + 2)[1:-1]).reshape(shape))


def torch_grads(out: Any, inputs: list[Any], cotangent: Any) -> list[Any]:
    """Gradients with a graph; zeros where an input did not take part."""
    if not out.requires_grad:
        return [torch.zeros_like(x) for x in inputs]
    found = torch.autograd.grad(out, inputs, cotangent, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def assert_equals_torch(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: np.ndarray,
    second: bool = True,
    tolerance: float = TOLERANCE,
) -> None:
    """Value, gradient for a random cotangent, and gradient of a random combination of the gradients."""
    rng = np.random.default_rng(7)
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*inputs)
    tensors = [Tensor(a) for a in arrays]
    out = ours(*tensors)
    assert out.shape == tuple(expected.shape)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out.data, expected.numpy(force=True), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        np.asarray(ours(*arrays)), out.data, rtol=1e-13, atol=1e-13, err_msg="on plain arrays"
    )

    weights = rng.standard_normal(out.shape)
    out.backward(weights)
    gradients = torch_grads(expected, inputs, torch.tensor(weights))
    for tensor, gradient in zip(tensors, gradients, strict=True):
        assert tensor.grad is not None
        assert tensor.grad.shape == tensor.shape
        np.testing.assert_allclose(tensor.grad, gradient.numpy(force=True), rtol=tolerance, atol=tolerance)

    if not second:
        return
    directions = [rng.standard_normal(a.shape) for a in arrays]
    everything = tuple(range(len(arrays)))

    def loss(*xs: Any) -> Any:
        return (ours(*xs) * weights).sum()

    def slope(*xs: Any) -> Any:
        return sum(
            (g * u).sum() for g, u in zip(ag.grad(loss, argnums=everything)(*xs), directions, strict=True)
        )

    got = ag.grad(slope, argnums=everything)(*arrays)
    total = sum((g * torch.tensor(u)).sum() for g, u in zip(gradients, directions, strict=True))
    for mine, yours in zip(got, torch_grads(total, inputs, torch.ones(())), strict=True):
        np.testing.assert_allclose(mine, yours.numpy(force=True), rtol=100 * tolerance, atol=100 * tolerance)


# --------------------------------------------------------------------------------------- elementwise
POSITIVE, OPEN = (0.1, 3.0), (-0.9, 0.9)
UNARY = {
    "abs": (np.abs, lambda x: torch.abs(x), (-2, 2)),
    "sign": (np.sign, lambda x: torch.sign(x), (-2, 2)),
    "square": (np.square, lambda x: torch.square(x), (-2, 2)),
    "sqrt": (np.sqrt, lambda x: torch.sqrt(x), POSITIVE),
    "cbrt": (np.cbrt, lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3), (-2, 2)),
    "reciprocal": (np.reciprocal, lambda x: torch.reciprocal(x), POSITIVE),
    "negative": (np.negative, lambda x: -x, (-2, 2)),
    "exp": (np.exp, lambda x: torch.exp(x), (-2, 2)),
    "exp2": (np.exp2, lambda x: torch.exp2(x), (-2, 2)),
    "expm1": (np.expm1, lambda x: torch.expm1(x), (-2, 2)),
    "log": (np.log, lambda x: torch.log(x), POSITIVE),
    "log2": (np.log2, lambda x: torch.log2(x), POSITIVE),
    "log10": (np.log10, lambda x: torch.log10(x), POSITIVE),
    "log1p": (np.log1p, lambda x: torch.log1p(x), OPEN),
    "sin": (np.sin, lambda x: torch.sin(x), (-2, 2)),
    "cos": (np.cos, lambda x: torch.cos(x), (-2, 2)),
    "tan": (np.tan, lambda x: torch.tan(x), (-1.4, 1.4)),
    "arcsin": (np.arcsin, lambda x: torch.arcsin(x), OPEN),
    "arccos": (np.arccos, lambda x: torch.arccos(x), OPEN),
    "arctan": (np.arctan, lambda x: torch.arctan(x), (-2, 2)),
    "sinh": (np.sinh, lambda x: torch.sinh(x), (-2, 2)),
    "cosh": (np.cosh, lambda x: torch.cosh(x), (-2, 2)),
    "tanh": (np.tanh, lambda x: torch.tanh(x), (-2, 2)),
    "arcsinh": (np.arcsinh, lambda x: torch.arcsinh(x), (-2, 2)),
    "arccosh": (np.arccosh, lambda x: torch.arccosh(x), (1.1, 3)),
    "arctanh": (np.arctanh, lambda x: torch.arctanh(x), OPEN),
    "sinc": (np.sinc, lambda x: torch.sinc(x), (0.2, 2)),
    "sigmoid": (ag.sigmoid, lambda x: torch.sigmoid(x), (-2, 2)),
    "relu": (ag.relu, lambda x: torch.relu(x), (-2, 2)),
    "leaky_relu": (ag.leaky_relu, lambda x: torch.nn.functional.leaky_relu(x), (-2, 2)),
    "elu": (ag.elu, lambda x: torch.nn.functional.elu(x), (-2, 2)),
    "softplus": (ag.softplus, lambda x: torch.nn.functional.softplus(x), (-2, 2)),
    "silu": (ag.silu, lambda x: torch.nn.functional.silu(x), (-2, 2)),
    "gelu": (ag.gelu, lambda x: torch.nn.functional.gelu(x), (-2, 2)),
    "erf": (ag.erf, lambda x: torch.erf(x), (-2, 2)),
    "erfc": (ag.erfc, lambda x: torch.erfc(x), (-2, 2)),
    "floor": (np.floor, lambda x: torch.floor(x), (-2, 2)),
    "ceil": (np.ceil, lambda x: torch.ceil(x), (-2, 2)),
    "rint": (np.rint, lambda x: torch.round(x), (-2, 2)),
    "trunc": (np.trunc, lambda x: torch.trunc(x), (-2, 2)),
    "copy": (np.copy, lambda x: x.clone(), (-2, 2)),
    "astype": (lambda x: x.astype(np.float64) * 2, lambda x: x.double() * 2, (-2, 2)),
    "step": (ag.step, lambda x: (x > 0).double(), (-2, 2)),
    "clip": (lambda x: np.clip(x, -1, 0.5), lambda x: torch.clip(x, -1, 0.5), (-2, 2)),
    "clip_low": (lambda x: np.clip(x, 0.1, None), lambda x: torch.clip(x, min=0.1), (-2, 2)),
    "power_2": (lambda x: x**2, lambda x: x**2, (-2, 2)),
    "power_3_negative_base": (lambda x: x**3.0, lambda x: x**3.0, (-2, 2)),
    "power_minus_2": (lambda x: x**-2, lambda x: x**-2, POSITIVE),
    "power_half": (lambda x: x**0.5, lambda x: x**0.5, POSITIVE),
    "base_3": (lambda x: 3**x, lambda x: 3**x, (-2, 2)),
    "affine": (lambda x: 2 - x / 4 + 1 / (3 + x), lambda x: 2 - x / 4 + 1 / (3 + x), (-2, 2)),
}
BINARY = {
    "add": (np.add, lambda x, y: x + y, (-2, 2), (-2, 2)),
    "subtract": (np.subtract, lambda x, y: x - y, (-2, 2), (-2, 2)),
    "multiply": (np.multiply, lambda x, y: x * y, (-2, 2), (-2, 2)),
    "divide": (np.divide, lambda x, y: x / y, (-2, 2), POSITIVE),
    "power": (np.power, lambda x, y: x**y, POSITIVE, (-2, 2)),
    "arctan2": (np.arctan2, lambda x, y: torch.arctan2(x, y), (-2, 2), POSITIVE),
    "hypot": (np.hypot, lambda x, y: torch.sqrt(x * x + y * y), (-2, 2), POSITIVE),
    "maximum": (np.maximum, lambda x, y: torch.maximum(x, y), (-2, 2), (-1.9, 2.1)),
    "minimum": (np.minimum, lambda x, y: torch.minimum(x, y), (-2, 2), (-1.9, 2.1)),
    "logaddexp": (np.logaddexp, lambda x, y: torch.logaddexp(x, y), (-2, 2), (-2, 2)),
    "where": (
        lambda x, y: np.where(np.array([[True], [False]]), x, y),
        lambda x, y: torch.where(torch.tensor([[True], [False]]), x, y),
        (-2, 2),
        (-2, 2),
    ),
}
SHAPES = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((4, 2, 1), (2, 3)),
    ((), (2, 3)),
    ((2, 1), ()),
    ((1, 1, 1), (2, 3)),
]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, shape: tuple[int, ...]) -> None:
    """One operand."""
    ours, theirs, bounds = UNARY[name]
    assert_equals_torch(ours, theirs, draw(shape, *bounds))


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_binary_broadcasts(name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """Two operands: broadcast axes, missing or of length one, are summed in the gradient."""
    ours, theirs, first, second = BINARY[name]
    assert_equals_torch(ours, theirs, draw(shapes[0], *first), draw(shapes[1], *second, seed=1))


@pytest.mark.parametrize("name", BINARY)
def test_binary_repeated_operand(name: str) -> None:
    """The same tensor on both sides: its gradient is the sum of both."""
    ours, theirs, _, _ = BINARY[name]
    assert_equals_torch(
        lambda x: ours(x, x * 1.0) + ours(x, x),
        lambda x: theirs(x, x * 1.0) + theirs(x, x),
        draw((2, 3), 0.5, 2),
    )


@pytest.mark.parametrize("name", BINARY)
def test_binary_empty(name: str) -> None:
    """No elements, and a broadcast against none: gradients are zero, of the right shape."""
    ours, theirs, first, second = BINARY[name]
    assert_equals_torch(ours, theirs, draw((2, 0), *first), draw((2, 0), *second))
    assert_equals_torch(ours, theirs, draw((2, 0), *first), draw((2, 1), *second))


@pytest.mark.parametrize("name", ["leaky_relu", "elu"])
def test_parameters(name: str) -> None:
    """A slope, or an alpha, given by position."""
    theirs = getattr(torch.nn.functional, name)
    assert_equals_torch(lambda x: getattr(ag, name)(x, 0.3), lambda x: theirs(x, 0.3), draw((2, 3)))


# ---------------------------------------------------------------------------------------- reductions
def dims(axis: Any, ndim: int) -> list[int]:
    """The axes as torch wants them, largest first, so that they can be taken away one by one."""
    axes = range(ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    return sorted((a % ndim for a in axes), reverse=True)


def torch_prod(x: Any, axis: Any, keepdims: bool) -> Any:
    """A product over several axes."""
    for dim in dims(axis, x.ndim):
        x = torch.prod(x, dim=dim, keepdim=keepdims)
    return x


REDUCTIONS = {
    "sum": (np.sum, lambda x, d, k: torch.sum(x, dim=d, keepdim=k)),
    "mean": (np.mean, lambda x, d, k: torch.mean(x, dim=d, keepdim=k)),
    "var": (np.var, lambda x, d, k: torch.var(x, dim=d, keepdim=k, correction=0)),
    "std": (np.std, lambda x, d, k: torch.std(x, dim=d, keepdim=k, correction=0)),
    "prod": (np.prod, torch_prod),
    "max": (np.max, lambda x, d, k: torch.amax(x, dim=d, keepdim=k)),
    "min": (np.min, lambda x, d, k: torch.amin(x, dim=d, keepdim=k)),
    "logsumexp": (ag.logsumexp, lambda x, d, k: torch.logsumexp(x, dim=d, keepdim=k)),
}
AXES: list[Any] = [None, 0, 1, -1, -3, (0, 1), (1, 0), (0, -1), (2,), (0, 1, 2)]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name: str, axis: Any, *, keepdims: bool) -> None:
    """Every axis, negative ones and tuples, with and without the reduced axes kept."""
    ours, theirs = REDUCTIONS[name]
    assert_equals_torch(
        lambda x: ours(x, axis=axis, keepdims=keepdims),
        lambda x: theirs(x, dims(axis, 3), keepdims),
        draw((2, 3, 2)),
    )


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_as_method(name: str) -> None:
    """`t.sum(axis=…)` is `np.sum(t, axis=…)`."""
    ours, _ = REDUCTIONS[name]
    x = draw((2, 3))
    np.testing.assert_array_equal(
        getattr(Tensor(x), name)(axis=1, keepdims=True).data, ours(x, axis=1, keepdims=True)
    )


@pytest.mark.parametrize("ddof", [0, 1, 2])
@pytest.mark.parametrize("axis", [None, 0, (0, 2), -1], ids=str)
@pytest.mark.parametrize("name", ["var", "std"])
def test_ddof(name: str, axis: Any, ddof: int) -> None:
    """The divisor is the number of elements less `ddof`."""
    ours, theirs = getattr(np, name), getattr(torch, name)
    assert_equals_torch(
        lambda x: ours(x, axis=axis, ddof=ddof),
        lambda x: theirs(x, dim=dims(axis, 3), correction=ddof),
        draw((4, 2, 3)),
    )


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "logsumexp"])
def test_reduction_of_a_0d_tensor(name: str) -> None:
    """One number is its own sum, mean, product and maximum."""
    ours, _ = REDUCTIONS[name]
    assert_equals_torch(lambda x: ours(x), lambda x: x * 1, draw(()))


@pytest.mark.parametrize(
    ("name", "axis"), [("sum", None), ("sum", 0), ("sum", 1), ("prod", None), ("prod", 0), ("prod", 1)]
)
def test_reduction_of_nothing(name: str, axis: Any) -> None:
    """The sum of no numbers is 0, their product 1; the gradient is empty."""
    ours, theirs = REDUCTIONS[name]
    assert_equals_torch(lambda x: ours(x, axis=axis), lambda x: theirs(x, dims(axis, 2), False), np.zeros((0, 3)))


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((0, 3), 0), ((0, 3), 1), ((3, 0), -1)], ids=str)
def test_exponential_reduction_of_nothing(name: str, shape: tuple[int, ...], axis: int) -> None:
    """As torch: -inf for the logsumexp of no numbers, and no elements for softmax."""
    assert_equals_torch(
        lambda x: getattr(ag, name)(x, axis=axis),
        lambda x: getattr(torch, name)(x, dim=axis),
        np.zeros(shape),
        second=False,
    )


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cumsum", "cumprod", "sort"])
def test_along_an_axis(name: str, axis: int) -> None:
    """The shape stays."""
    ours = getattr(ag, name, None) or getattr(np, name)

    def theirs(x: Any) -> Any:
        out = getattr(torch, name)(x, dim=axis)
        return out[0] if name == "sort" else out

    assert_equals_torch(lambda x: ours(x, axis=axis), theirs, draw((3, 4)))
    assert_equals_torch(lambda x: ours(x, axis=axis), theirs, draw((2, 3, 2)))


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "sort"])
def test_along_the_flattened_array(name: str) -> None:
    """`axis=None` flattens."""

    def theirs(x: Any) -> Any:
        out = getattr(torch, name)(x.reshape(-1), dim=0)
        return out[0] if name == "sort" else out

    assert_equals_torch(lambda x: getattr(np, name)(x, axis=None), theirs, draw((2, 3)))


ZEROS = {
    "none": [1.0, 2.0, -3.0, 4.0],
    "one": [1.0, 0.0, -3.0, 4.0],
    "two": [1.0, 0.0, -3.0, 0.0],
    "all": [0.0] * 4,
    "first": [0.0, 2.0, 0.0, 3.0],
}


@pytest.mark.parametrize("zeros", ZEROS)
@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_products_with_zeros(name: str, zeros: str) -> None:
    """The oracle multiplies by hand, so that no division is involved."""
    x = np.array(ZEROS[zeros])

    def theirs(t: Any) -> Any:
        partial = [t[0]]
        for i in range(1, 4):
            partial.append(partial[-1] * t[i])
        return partial[-1] if name == "prod" else torch.stack(partial)

    assert_equals_torch(getattr(np, name), theirs, x)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("order", [None, 1, 2, 3, 0.5, np.inf, -np.inf])
def test_vector_norm(order: Any, shape: tuple[int, ...]) -> None:
    """Orders of a vector norm, along the last axis."""
    kind = 2 if order is None else order
    axis = None if len(shape) == 1 else -1
    assert_equals_torch(
        lambda x: np.linalg.norm(x, ord=order, axis=axis),
        lambda x: torch.linalg.vector_norm(x, ord=kind, dim=axis),
        draw(shape, 0.2, 2) * np.where(np.arange(shape[-1]) % 2, 1, -1),
    )


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("order", [None, "fro", 1, -1, np.inf, -np.inf])
def test_matrix_norm(order: Any, *, keepdims: bool) -> None:
    """Orders of a matrix norm that need no singular values."""
    kind = "fro" if order is None else order
    assert_equals_torch(
        lambda x: np.linalg.norm(x, ord=order, axis=(1, 2), keepdims=keepdims),
        lambda x: torch.linalg.matrix_norm(x, ord=kind, keepdim=keepdims),
        draw((2, 3, 4)),
    )


# ------------------------------------------------------------------------------------------ products
MATMUL = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 2)),
    ((2, 0), (0, 3)),
    ((0, 2), (2, 3)),
]


@pytest.mark.parametrize("shapes", MATMUL, ids=str)
def test_matmul(shapes: Any) -> None:
    """Vectors, matrices and stacks of them, broadcast."""
    assert_equals_torch(np.matmul, torch.matmul, draw(shapes[0]), draw(shapes[1], seed=1))
    assert_equals_torch(lambda x, y: x @ y, torch.matmul, draw(shapes[0]), draw(shapes[1], seed=1))


def test_matmul_with_itself() -> None:
    """x @ x and x.T @ x."""
    assert_equals_torch(lambda x: x @ x + x.T @ x, lambda x: x @ x + x.T @ x, draw((3, 3)))


def test_matmul_with_a_constant_on_either_side() -> None:
    """A plain array is a constant, also when its own `@` is asked first."""
    a = draw((2, 3), seed=5)
    assert_equals_torch(lambda x: a @ x, lambda x: torch.tensor(a) @ x, draw((3, 2)))
    assert_equals_torch(lambda x: x @ a, lambda x: x @ torch.tensor(a), draw((3, 2)))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)], ids=str)
@pytest.mark.parametrize("linear", [ag.linear, ag.TABLE["linear"]], ids=["function", "entry"])
def test_linear(linear: Any, shape: tuple[int, ...]) -> None:
    """x Wᵀ + b, as a layer has it."""
    assert_equals_torch(
        lambda x, w, b: linear(x, w, b),
        lambda x, w, b: torch.nn.functional.linear(x, w, b),
        draw(shape),
        draw((2, 3), seed=1),
        draw((2,), seed=2),
    )


@pytest.mark.parametrize(
    "shapes",
    [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((), (2, 3)), ((2, 3), ())],
    ids=str,
)
def test_dot(shapes: Any) -> None:
    """The last axis of the first with the last but one of the second."""

    def theirs(x: Any, y: Any) -> Any:
        if not x.ndim or not y.ndim:
            return x * y
        return torch.tensordot(x, y, dims=([x.ndim - 1], [max(y.ndim - 2, 0)]))

    assert_equals_torch(np.dot, theirs, draw(shapes[0]), draw(shapes[1], seed=1))


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((2, 3), (4, 3)), ((2, 3), (5, 4, 3)), ((), (3,))], ids=str)
def test_inner(shapes: Any) -> None:
    """The last axis of both."""
    assert_equals_torch(np.inner, torch.inner, draw(shapes[0]), draw(shapes[1], seed=1))


@pytest.mark.parametrize("shapes", [((3,), (2,)), ((2, 2), (3,)), ((), (3,))], ids=str)
def test_outer(shapes: Any) -> None:
    """Every product of an element with an element."""
    assert_equals_torch(
        np.outer,
        lambda x, y: torch.outer(x.reshape(-1), y.reshape(-1)),
        draw(shapes[0]),
        draw(shapes[1], seed=1),
    )


@pytest.mark.parametrize("axes", [0, 1, 2, ([1], [0]), ([0, 2], [1, 0]), ([-1], [-3])], ids=str)
def test_tensordot(axes: Any) -> None:
    """Axes by number, or named on both sides."""
    x, y = (
        (draw((2, 3, 3)), draw((3, 2, 3), seed=1))
        if axes != 2
        else (draw((2, 3, 2)), draw((3, 2, 4), seed=1))
    )
    assert_equals_torch(lambda a, b: np.tensordot(a, b, axes=axes), lambda a, b: torch.tensordot(a, b, dims=axes), x, y)


EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("bij,bjk->bik", (2, 3, 2), (2, 2, 3)),
    ("ij->ji", (2, 3)),
    ("ij->i", (2, 3)),
    ("ij->", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii->", (3, 3)),
    ("ii", (3, 3)),
    ("iij->j", (2, 2, 3)),
    ("iji->j", (2, 3, 2)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 3)),
    ("...i,i->...", (2, 4, 3), (3,)),
    ("...ij,...jk->...ik", (2, 3, 2), (2, 4)),
    ("ij,kl->", (2, 2), (2, 3)),
    ("ij,j", (2, 3), (3,)),
    ("b i j , j -> b i", (2, 3, 2), (2,)),
    ("ii,i->i", (3, 3), (3,)),
    (",->", (), ()),
    ("ijk->kij", (2, 3, 4)),
    ("aij,aij->a", (2, 2, 2), (2, 2, 2)),
]


@pytest.mark.parametrize("case", EINSUM, ids=lambda case: case[0])
def test_einsum(case: Any) -> None:
    """Traces, diagonals, sums of labels that one operand has alone, ellipses."""
    subscripts, *shapes = case
    assert_equals_torch(
        lambda *xs: np.einsum(subscripts, *xs),
        lambda *xs: torch.einsum(subscripts, *xs),
        *(draw(shape, seed=i) for i, shape in enumerate(shapes)),
    )


def test_einsum_of_one_tensor_twice() -> None:
    """Both uses count."""
    assert_equals_torch(lambda x: np.einsum("ij,kj->ik", x, x), lambda x: torch.einsum("ij,kj->ik", x, x), draw((2, 3)))


# -------------------------------------------------------------------------- elements that move about
MOVES: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: np.reshape(x, (4, 6)),
    "reshape_minus_1": lambda x: x.reshape(3, -1),
    "reshape_tuple": lambda x: x.reshape((2, 12)),
    "ravel": lambda x: np.ravel(x),
    "ravel_method": lambda x: x.ravel(),
    "transpose": lambda x: np.transpose(x),
    "T": lambda x: x.T,
    "transpose_axes": lambda x: np.transpose(x, (1, 2, 0)),
    "transpose_negative": lambda x: np.transpose(x, (-1, 0, 1)),
    "transpose_method": lambda x: x.transpose(2, 0, 1),
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "moveaxis_several": lambda x: np.moveaxis(x, [0, 1], [-1, 0]),
    "squeeze": lambda x: np.squeeze(np.expand_dims(x, (0, -1))),
    "squeeze_axis": lambda x: np.squeeze(np.expand_dims(x, (0, -1)), axis=-1),
    "expand_dims": lambda x: np.expand_dims(x, (0, 2)),
    "expand_dims_negative": lambda x: np.expand_dims(x, -2),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3, 4)),
    "broadcast_to_ones": lambda x: np.broadcast_to(x[:, :1], (3, 2, 5, 4)),
    "flip": lambda x: np.flip(x),
    "flip_axis": lambda x: np.flip(x, axis=1),
    "flip_axes": lambda x: np.flip(x, axis=(0, -1)),
    "roll": lambda x: np.roll(x, 5),
    "roll_axis": lambda x: np.roll(x, -2, axis=1),
    "roll_axes": lambda x: np.roll(x, (1, 2), axis=(0, 2)),
    "roll_same_axis": lambda x: np.roll(x, (1, 2), axis=(1, 1)),
    "roll_one_shift": lambda x: np.roll(x, 1, axis=(0, 1)),
    "tile": lambda x: np.tile(x, 2),
    "tile_axes": lambda x: np.tile(x, (2, 1, 3)),
    "tile_more_axes": lambda x: np.tile(x, (2, 1, 1, 2)),
    "tile_zero": lambda x: np.tile(x, 0),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat_axis": lambda x: np.repeat(x, 3, axis=1),
    "repeat_each": lambda x: np.repeat(x, [1, 0, 2], axis=1),
    "pad_edge": lambda x: np.pad(x, ((1, 2), (0, 1), (2, 0)), mode="edge"),
    "pad_reflect": lambda x: np.pad(x, ((1, 1), (2, 0), (0, 3)), mode="reflect"),
    "pad_wrap": lambda x: np.pad(x, 1, mode="wrap"),
    "diagonal": lambda x: np.diagonal(x, axis1=1, axis2=2),
    "diagonal_offset": lambda x: np.diagonal(x, offset=1, axis1=-1, axis2=1),
    "diag_of_matrix": lambda x: np.diag(x[0], k=1),
    "diag_of_matrix_below": lambda x: np.diag(x[0], -1),
    "take": lambda x: np.take(x, [0, 2, 2], axis=1),
    "take_flat": lambda x: np.take(x, [[0, 5], [5, 23]]),
    "take_along_axis": lambda x: (
        np.take_along_axis(x, np.array([[[0, 0, 3]]]), axis=2) if x.shape[0] == 1 else x[..., [0, 0, 3]]
    ),
    "split": lambda x: np.split(x, 2, axis=2)[1],
    "split_at": lambda x: np.split(x, [1, 3], axis=-1)[1],
    "vsplit": lambda x: np.split(x, 2)[0],
    "concatenate": lambda x: np.concatenate([x, x[:1], x], axis=0),
    "concatenate_negative_axis": lambda x: np.concatenate([x, x[..., :2]], axis=-1),
    "concatenate_flat": lambda x: np.concatenate([x, x], axis=None),
    "stack": lambda x: np.stack([x, x[::-1]], axis=1),
    "stack_last": lambda x: np.stack([x, x], axis=-1),
    "vstack": lambda x: np.vstack([x, x]),
    "hstack": lambda x: np.hstack([x, x[:, :1]]),
    "vstack_1d": lambda x: np.vstack([x[0, 0], x[1, 1]]),
    "hstack_1d": lambda x: np.hstack([x[0, 0], x[1, 1, :2]]),
    "vstack_0d": lambda x: np.vstack([x[0, 0, 0], x[1, 1, 1]]),
    "hstack_0d": lambda x: np.hstack([x[0, 0, 0], x[1, 1, 1]]),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str) -> None:
    """Where each element went is found by moving their numbers; torch then gathers them."""
    move = MOVES[name]
    places = torch.tensor(np.array(move(np.arange(24).reshape(2, 3, 4))))
    assert_equals_torch(move, lambda x: x.reshape(-1)[places], draw((2, 3, 4)))


@pytest.mark.parametrize("name", ["ravel", "T", "flip", "tile", "repeat", "roll"])
def test_moves_of_a_0d_tensor(name: str) -> None:
    """One number without axes."""
    move = MOVES[name]
    places = torch.tensor(np.array(move(np.array(0))))
    assert_equals_torch(move, lambda x: x.reshape(-1)[places], draw(()))


@pytest.mark.parametrize(
    "name",
    [
        "ravel",
        "T",
        "flip",
        "roll",
        "transpose_axes",
        "swapaxes",
        "moveaxis",
        "expand_dims",
        "flip_axis",
        "tile_axes",
        "repeat_axis",
        "stack",
        "stack_last",
    ],
)
def test_moves_of_nothing(name: str) -> None:
    """No elements, in an array with axes."""
    move = MOVES[name]
    places = torch.tensor(np.array(move(np.zeros((2, 0, 4), int))))
    assert_equals_torch(move, lambda x: x.reshape(-1)[places], np.zeros((2, 0, 4)))


MASKED: dict[str, Any] = {
    "tril": (np.tril, torch.tril),
    "triu": (np.triu, torch.triu),
    "tril_k": (lambda x: np.tril(x, k=1), lambda x: torch.tril(x, 1)),
    "triu_k": (lambda x: np.triu(x, -1), lambda x: torch.triu(x, -1)),
    "trace": (lambda x: np.trace(x, axis1=1, axis2=2), lambda x: torch.diagonal(x, dim1=1, dim2=2).sum(-1)),
    "trace_offset": (
        lambda x: np.trace(x, offset=-1),
        lambda x: torch.diagonal(x, offset=-1, dim1=0, dim2=1).sum(-1),
    ),
    "diag_of_vector": (lambda x: np.diag(x[0, 0], k=-1), lambda x: torch.diag(x[0, 0], -1)),
    "pad": (
        lambda x: np.pad(x, ((0, 1), (2, 0), (1, 1))),
        lambda x: torch.nn.functional.pad(x, (1, 1, 2, 0, 0, 1)),
    ),
    "pad_value": (
        lambda x: np.pad(x, 1, constant_values=3.0),
        lambda x: torch.nn.functional.pad(x, (1,) * 6, value=3.0),
    ),
}


@pytest.mark.parametrize("name", MASKED)
def test_masked(name: str) -> None:
    """Elements stay, and others are zero or a constant."""
    assert_equals_torch(*MASKED[name], draw((2, 3, 4)))


@pytest.mark.parametrize("function", ["concatenate", "stack", "vstack", "hstack"])
def test_joining_different_tensors(function: str) -> None:
    """Each operand gets its part of the gradient, constants get none."""
    ours, theirs = getattr(np, function), getattr(torch, function)
    assert_equals_torch(lambda x, y: ours([x, y, x]), lambda x, y: theirs([x, y, x]), draw((2, 3)), draw((2, 3), seed=1))
    c = draw((2, 3), seed=2)
    assert_equals_torch(lambda x: ours([c, x, c]), lambda x: theirs([torch.tensor(c), x, torch.tensor(c)]), draw((2, 3)))


# ------------------------------------------------------------------------------------------ indexing
GRID = np.arange(24).reshape(2, 3, 4)
KEYS: dict[str, Any] = {
    "integer": 1,
    "negative": -1,
    "numpy_integer": np.int64(1),
    "integers": (1, 2, 3),
    "slice": slice(1, None),
    "empty_slice": slice(2, 2),
    "backwards": (slice(None, None, -1), slice(None, None, -2)),
    "step": (slice(None), slice(0, 3, 2)),
    "none": None,
    "nones": (None, 0, None, slice(None), None),
    "ellipsis": (Ellipsis, 0),
    "ellipsis_first": (0, Ellipsis),
    "ellipsis_alone": Ellipsis,
    "ellipsis_and_none": (None, Ellipsis, None, 1),
    "nothing": (),
    "list": [0, 1, 1, 0],
    "array": np.array([1, 1, 1]),
    "array_2d": np.array([[0, 1], [1, 1]]),
    "array_0d": np.array(1),
    "negative_array": [-1, 0, -2],
    "arrays": ([0, 1, 1], [2, 0, 0]),
    "arrays_repeated": ([0, 0, 0], [1, 1, 1], [2, 2, 2]),
    "arrays_broadcast": (np.array([[0], [1]]), np.array([0, 2, 2])),
    "arrays_apart": ([0, 1, 1], slice(None), [3, 0, 0]),
    "array_slice": ([1, 0, 1], slice(1, 3)),
    "slice_array": (slice(None), [2, 2, 0], slice(0, 2)),
    "integer_and_array_apart": (0, slice(None), [1, 1]),
    "array_none_array": ([0, 1], None, [1, 2]),
    "mask": GRID % 3 == 0,
    "mask_first_axis": np.array([False, True]),
    "mask_two_axes": np.array([[True, False, True], [False, True, True]]),
    "mask_of_nothing": np.zeros((2, 3, 4), bool),
    "mask_middle": (slice(None), np.array([True, False, True])),
    "mask_list": [True, False],
    "mask_and_integers": (np.array([True, True]), [0, 2]),
    "mask_after_ellipsis": (Ellipsis, np.array([True, False, False, True])),
    "true": True,
    "false": False,
    "empty_list": [],
    "empty_array": np.zeros((0, 2), int),
    "unsigned": np.array([1, 0], np.uint8),
}


@pytest.mark.parametrize("name", KEYS)
def test_indexing(name: str) -> None:
    """Every kind of key that NumPy takes; repeated indices accumulate."""
    key = KEYS[name]
    places = torch.tensor(GRID[key].copy())
    assert_equals_torch(lambda x: x[key] ** 2, lambda x: x.reshape(-1)[places] ** 2, draw((2, 3, 4)))


def test_indexing_keeps_its_key() -> None:
    """A key that is changed between forward and backward is not looked at again."""
    key = np.array([0, 1])
    x = Tensor([1.0, 2.0, 3.0])
    y = x[key]
    key[:] = 2
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0, 0.0])


def test_iteration() -> None:
    """Rows, and unpacking."""
    assert_equals_torch(
        lambda x: sum(row * i for i, row in enumerate(x)),
        lambda x: sum(row * i for i, row in enumerate(x)),
        draw((3, 2)),
    )

    def ours(x: Any) -> Any:
        a, b = x
        return a * b

    assert_equals_torch(ours, ours, draw((2, 3)))


# ------------------------------------------------------------------------------------ linear algebra
def regular(*shape: int) -> np.ndarray:
    """Matrices that are far from singular."""
    return draw(shape) + 4 * np.eye(shape[-1])


LINALG: dict[str, Any] = {
    "inv": (np.linalg.inv, lambda x: torch.linalg.inv(x)),
    "det": (np.linalg.det, lambda x: torch.linalg.det(x)),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], lambda x: torch.linalg.slogdet(x)[1]),
    "slogdet_by_name": (
        lambda x: np.linalg.slogdet(x).logabsdet,
        lambda x: torch.linalg.slogdet(x).logabsdet,
    ),
    "cholesky": (
        lambda x: np.linalg.cholesky(x @ np.swapaxes(x, -1, -2)),
        lambda x: torch.linalg.cholesky(x @ x.mT),
    ),
    "norm": (lambda x: np.linalg.norm(x), lambda x: torch.linalg.vector_norm(x)),
}


@pytest.mark.parametrize("shape", [(3, 3), (1, 1), (2, 3, 3), (2, 1, 2, 2)], ids=str)
@pytest.mark.parametrize("name", LINALG)
def test_linear_algebra(name: str, shape: tuple[int, ...]) -> None:
    """One matrix, and stacks of them."""
    if name == "norm" and len(shape) > 2:
        shape = (3, 2)
        assert_equals_torch(*LINALG[name], draw(shape), tolerance=1e-8)
        return
    assert_equals_torch(*LINALG[name], regular(*shape), tolerance=1e-8)


@pytest.mark.parametrize(
    "shapes",
    [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((3, 3), (2, 3, 2)), ((2, 3, 3), (3, 2))],
    ids=str,
)
def test_solve(shapes: Any) -> None:
    """A vector, a matrix, stacks broadcast against one."""
    assert_equals_torch(np.linalg.solve, torch.linalg.solve, regular(*shapes[0]), draw(shapes[1], seed=1), tolerance=1e-8)


SINGULAR = {
    "rank_2": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]],
    "rank_1": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]],
    "zero": np.zeros((3, 3)),
    "zero_row": [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [4.0, 5.0, 7.0]],
}


@pytest.mark.parametrize("name", SINGULAR)
def test_determinant_of_a_singular_matrix(name: str) -> None:
    """The gradient is the matrix of cofactors, which needs no inverse; the oracle expands by hand."""

    def theirs(x: Any) -> Any:
        return (
            x[0, 0] * (x[1, 1] * x[2, 2] - x[1, 2] * x[2, 1])
            - x[0, 1] * (x[1, 0] * x[2, 2] - x[1, 2] * x[2, 0])
            + x[0, 2] * (x[1, 0] * x[2, 1] - x[1, 1] * x[2, 0])
        )

    assert_equals_torch(np.linalg.det, theirs, np.array(SINGULAR[name]), tolerance=1e-7)


# -------------------------------------------------------------------------------------- compositions
COMPOSED: dict[str, Any] = {
    "normalise": (
        lambda x, w: (x - np.mean(x, axis=0)) / np.std(x, axis=0) * w,
        lambda x, w: (x - x.mean(0)) / x.std(0, correction=0) * w,
    ),
    "attention": (
        lambda x, w: ag.softmax(x @ x.T / 2) @ x * w,
        lambda x, w: torch.softmax(x @ x.T / 2, -1) @ x * w,
    ),
    "cross_entropy": (
        lambda x, w: -ag.log_softmax(x * w)[[0, 1, 2, 3], [0, 2, 1, 1]],
        lambda x, w: -torch.log_softmax(x * w, -1)[[0, 1, 2, 3], [0, 2, 1, 1]],
    ),
    "gram": (
        lambda x, w: np.linalg.inv(x.T @ x + np.eye(3)) @ w,
        lambda x, w: torch.linalg.inv(x.T @ x + torch.eye(3)) @ w,
    ),
    "pairwise": (
        lambda x, w: np.sqrt(((x[:, None] - x[None] * w) ** 2).sum(-1) + 1),
        lambda x, w: torch.sqrt(((x[:, None] - x[None] * w) ** 2).sum(-1) + 1),
    ),
    "reuse": (
        lambda x, w: (x * w) ** 2 + np.exp(x * w) * (x * w).sum(),
        lambda x, w: (x * w) ** 2 + torch.exp(x * w) * (x * w).sum(),
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composition(name: str) -> None:
    """Programs of several operations, with shared nodes and broadcasting."""
    assert_equals_torch(*COMPOSED[name], draw((4, 3)), draw((3,), 0.5, 2, seed=1), tolerance=1e-8)
