"""The conventions at the edges as literal cases, on `Value` and on `Tensor`, to second order."""

from __future__ import annotations

import gc
import math
import operator
import re
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Tensor, Value, detect_anomaly, grad, hessian, hvp, jacobian, jvp, no_grad, vjp
from autograd_core.errors import AnomalyError, ShapeError, StaleDataError

INF, NAN = math.inf, math.nan
# NumPy warns of an infinity that it computes on arrays, as it always does; here they are the subject.
pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")


def on_value(f: Callable[..., Any], *xs: float) -> tuple[float, list[float]]:
    """The value and the gradients, on `Value`s."""
    values = [Value(x) for x in xs]
    out = f(*values)
    assert isinstance(out, Value)
    out.backward()
    return out.data, [v.grad for v in values]


def on_tensor(f: Callable[..., Any], *xs: float) -> tuple[float, list[float]]:
    """The same numbers in tensors, beside an ordinary element, so that array code meets both at once."""
    tensors = [Tensor([x, 0.75, x]) for x in xs]
    out = f(*tensors)
    assert isinstance(out, Tensor)
    out.backward(np.ones(3))
    for t in tensors:
        np.testing.assert_equal(t.grad[0], t.grad[2])
    return float(out.data[0]), [float(t.grad[0]) for t in tensors]


def on_0d(f: Callable[..., Any], *xs: float) -> tuple[float, list[float]]:
    """The same in tensors without axes."""
    tensors = [Tensor(x) for x in xs]
    out = f(*tensors)
    out.backward()
    return out.item(), [t.grad.item() for t in tensors]


KINDS = pytest.mark.parametrize("run", [on_value, on_tensor, on_0d])


def second(f: Callable[..., Any], x: float) -> tuple[float, float]:
    """The second derivative, on a float and on an array."""
    return grad(grad(f))(x), float(hessian(lambda t: f(t).sum())(np.array([x]))[0, 0])


# -------------------------------------------------------------------------------------- IEEE numbers
IEEE: list[tuple[str, Callable[..., Any], tuple[float, ...], float, list[float]]] = [
    ("log(0)", ag.log, (0.0,), -INF, [INF]),
    ("log(-1)", ag.log, (-1.0,), NAN, [-1.0]),
    ("log2(0)", ag.log2, (0.0,), -INF, [INF]),
    ("log10(0)", ag.log10, (0.0,), -INF, [INF]),
    ("log1p(-1)", ag.log1p, (-1.0,), -INF, [INF]),
    ("exp(1000)", ag.exp, (1000.0,), INF, [INF]),
    ("exp(-1000)", ag.exp, (-1000.0,), 0.0, [0.0]),
    ("exp2(5000)", ag.exp2, (5000.0,), INF, [INF]),
    ("expm1(1000)", ag.expm1, (1000.0,), INF, [INF]),
    ("sinh(1000)", ag.sinh, (1000.0,), INF, [INF]),
    ("cosh(1000)", ag.cosh, (1000.0,), INF, [INF]),
    ("sqrt(0)", ag.sqrt, (0.0,), 0.0, [INF]),
    ("sqrt(-1)", ag.sqrt, (-1.0,), NAN, [NAN]),
    ("cbrt(-8)", ag.cbrt, (-8.0,), -2.0, [1 / 12]),
    ("1/0", lambda x: 1 / x, (0.0,), INF, [-INF]),
    ("1/-0", lambda x: 1 / x, (-0.0,), -INF, [-INF]),
    ("0/0", lambda x, y: x / y, (0.0, 0.0), NAN, [INF, NAN]),
    ("reciprocal(0)", ag.reciprocal, (0.0,), INF, [-INF]),
    ("(-2)**0.5", lambda x: x**0.5, (-2.0,), NAN, [NAN]),
    ("(-2)**y", lambda x, y: x**y, (-2.0, 0.5), NAN, [NAN, NAN]),
    ("(-3)**2", lambda x: x**2, (-3.0,), 9.0, [-6.0]),
    ("(-3)**2.0", lambda x: x**2.0, (-3.0,), 9.0, [-6.0]),
    ("(-3)**-1", lambda x: x**-1, (-3.0,), -1 / 3, [-1 / 9]),
    ("0**-1", lambda x: x**-1, (0.0,), INF, [-INF]),
    ("10**400", lambda x: x**400, (10.0,), INF, [INF]),
    ("1e200*1e200", lambda x, y: x * y, (1e200, 1e200), INF, [1e200, 1e200]),
    ("arcsin(2)", ag.arcsin, (2.0,), NAN, [NAN]),
    ("arcsin(1)", ag.arcsin, (1.0,), math.pi / 2, [INF]),
    ("arccosh(0.5)", ag.arccosh, (0.5,), NAN, [NAN]),
    ("arctanh(1)", ag.arctanh, (1.0,), INF, [INF]),
    ("tan(inf)", ag.tan, (INF,), NAN, [NAN]),
    ("sin(inf)", ag.sin, (INF,), NAN, [NAN]),
    ("tanh(1000)", ag.tanh, (1000.0,), 1.0, [0.0]),
    ("tanh(-inf)", ag.tanh, (-INF,), -1.0, [0.0]),
    ("arctan(inf)", ag.arctan, (INF,), math.pi / 2, [0.0]),
    ("hypot(1e200)", ag.hypot, (3e200, 4e200), 5e200, [0.6, 0.8]),
    ("nan", lambda x: x * 2 + 1, (NAN,), NAN, [2.0]),
]


@KINDS
@pytest.mark.parametrize(("f", "xs", "value", "gradients"), [c[1:] for c in IEEE], ids=[c[0] for c in IEEE])
def test_numbers_follow_ieee(run: Any, f: Any, xs: Any, value: float, gradients: list[float]) -> None:
    """Nothing raises, nothing turns complex; the derivatives are those of the formula."""
    got, slopes = run(f, *xs)
    np.testing.assert_allclose(got, value, rtol=1e-15)
    np.testing.assert_allclose(slopes, gradients, rtol=1e-14)


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-320, 1e200, -1e200, 710.0, -745.0, INF, -INF, NAN]
UNARY = """abs sign square sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin
arccos arctan sinh cosh tanh arcsinh arccosh arctanh sinc sigmoid relu leaky_relu elu softplus silu gelu
erf step""".split()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", UNARY)
def test_scalar_and_array_kernels_agree_on_special_numbers(name: str) -> None:
    """Values as NumPy has them; first and second derivatives the same on `Value` and on `Tensor`."""
    f = getattr(ag, name)
    for x in SPECIAL:
        v, t = Value(x), Tensor(x)
        scalar, array = f(v), f(t)
        np.testing.assert_allclose(scalar.data, array.data, rtol=4e-15, atol=1e-306, err_msg=f"{name}({x})")
        if hasattr(np, name):
            np.testing.assert_allclose(scalar.data, getattr(np, name)(np.float64(x)), rtol=4e-15, atol=1e-306)
        scalar.backward()
        array.backward()
        np.testing.assert_allclose(v.grad, t.grad, rtol=1e-12, atol=1e-300, err_msg=f"{name}'({x})")
        np.testing.assert_allclose(*[grad(grad(f))(z) for z in (x, np.array(x))], rtol=1e-10, atol=1e-300)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "name",
    ["add", "subtract", "multiply", "divide", "power", "arctan2", "hypot", "maximum", "minimum", "logaddexp", "mod", "fmod", "floor_divide"],
)
def test_binary_kernels_agree_on_special_numbers(name: str) -> None:
    """Every pair of them."""
    f = getattr(np, name)
    for x in SPECIAL:
        for y in SPECIAL:
            if (name, y) == ("power", 0.5):  # NumPy takes the square root, which has another answer at -inf
                continue
            v, w, a, b = Value(x), Value(y), Tensor(x), Tensor(y)
            scalar, array = f(v, w), f(a, b)
            expected = f(np.float64(x), np.float64(y))
            np.testing.assert_allclose(
                [scalar.data, array.item()], expected, rtol=4e-15, atol=1e-306, err_msg=f"{name}({x}, {y})"
            )
            scalar.backward()
            array.backward()
            np.testing.assert_allclose(
                [v.grad, w.grad], [a.grad, b.grad], rtol=1e-12, atol=1e-300, err_msg=f"{name}'({x}, {y})"
            )


def test_signed_zero_is_kept() -> None:
    """-0.0 is a number of its own."""
    assert math.copysign(1, (-Value(0.0)).data) == -1
    assert math.copysign(1, (-Tensor(0.0)).item()) == -1
    assert (1 / Value(-0.0)).data == -INF


# --------------------------------------------------------------------------------------------- kinks
KINKS: list[tuple[str, Callable[..., Any], tuple[float, ...], list[float]]] = [
    ("relu", ag.relu, (0.0,), [0.0]),
    ("relu at -0", ag.relu, (-0.0,), [0.0]),
    ("leaky_relu takes the left", lambda x: ag.leaky_relu(x, 0.2), (0.0,), [0.2]),
    ("elu takes the left", lambda x: ag.elu(x, 2.0), (0.0,), [2.0]),
    ("abs", ag.abs, (0.0,), [0.0]),
    ("sign", ag.sign, (0.0,), [0.0]),
    ("sign elsewhere", ag.sign, (2.0,), [0.0]),
    ("step", ag.step, (0.0,), [0.0]),
    ("step elsewhere", ag.step, (2.0,), [0.0]),
    ("clip at its lower bound", lambda x: ag.clip(x, -1.0, 1.0), (-1.0,), [1.0]),
    ("clip at its upper bound", lambda x: ag.clip(x, -1.0, 1.0), (1.0,), [1.0]),
    ("clip outside", lambda x: ag.clip(x, -1.0, 1.0), (1.5,), [0.0]),
    ("clip inside", lambda x: ag.clip(x, -1.0, 1.0), (0.5,), [1.0]),
    ("maximum tie", ag.maximum, (2.0, 2.0), [0.5, 0.5]),
    ("minimum tie", ag.minimum, (2.0, 2.0), [0.5, 0.5]),
    ("maximum of one twice", lambda x: ag.maximum(x, x), (2.0,), [1.0]),
    ("minimum of one twice", lambda x: ag.minimum(x, x), (2.0,), [1.0]),
    ("maximum tie with a constant", lambda x: ag.maximum(x, 2.0), (2.0,), [0.5]),
    ("hypot at the origin", ag.hypot, (0.0, 0.0), [0.0, 0.0]),
    ("0**0", lambda x, y: x**y, (0.0, 0.0), [0.0, 0.0]),
    ("0**2", lambda x, y: x**y, (0.0, 2.0), [0.0, 0.0]),
    ("0**1", lambda x, y: x**y, (0.0, 1.0), [1.0, 0.0]),
    ("x**0 at 0", lambda x: x**0, (0.0,), [0.0]),
    ("x**0", lambda x: x**0, (3.0,), [0.0]),
    ("x**0 at inf", lambda x: x**0, (INF,), [0.0]),
    ("x**0 at nan", lambda x: x**0, (NAN,), [0.0]),
    ("x**0 where 1/x overflows", lambda x: x**0, (1e-320,), [0.0]),
    ("x**y where 1/x overflows", lambda x, y: x**y, (1e-320, 0.0), [0.0, math.log(1e-320)]),
    ("0**y at 0", lambda y: 0**y, (0.0,), [0.0]),
    ("0**y", lambda y: 0.0**y, (3.0,), [0.0]),
    ("sinc", ag.sinc, (0.0,), [0.0]),
    ("mod of a quotient that would round up", ag.mod, (1.0, 0.1), [1.0, -9.0]),
    ("fmod of a quotient that would round up", ag.fmod, (1.0, 0.1), [1.0, -9.0]),
    ("mod of a negative number", ag.mod, (-5.3, 2.0), [1.0, 3.0]),
    ("fmod of a negative number", ag.fmod, (-5.3, 2.0), [1.0, 2.0]),
]


@KINDS
@pytest.mark.parametrize(("f", "xs", "gradients"), [c[1:] for c in KINKS], ids=[c[0] for c in KINKS])
def test_the_derivative_at_a_kink_is_that_of_its_convention(run: Any, f: Any, xs: Any, gradients: list[float]) -> None:
    """The derivative that is chosen where there is none."""
    assert run(f, *xs)[1] == gradients


@pytest.mark.parametrize("x", [-1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize(
    "f",
    [
        ag.relu,
        ag.abs,
        ag.sign,
        ag.step,
        lambda x: ag.leaky_relu(x, 0.2),
        lambda x: ag.clip(x, -1.0, 1.0),
        lambda x: x**0,
        lambda x: x**1,
    ],
    ids=["relu", "abs", "sign", "step", "leaky_relu", "clip", "x**0", "x**1"],
)
def test_pieces_that_are_straight_have_no_curvature(f: Any, x: float) -> None:
    """Also at the kink."""
    assert second(f, x) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("power", "expected"),
    [(2, [0.0, 2.0, 0.0]), (3, [0.0, 0.0, 6.0]), (1, [1.0, 0.0, 0.0]), (0, [0.0, 0.0, 0.0])],
)
def test_powers_of_zero_to_third_order(power: int, expected: list[float]) -> None:
    """No 0·inf on the way."""
    f = grad(lambda x: x**power)
    assert [f(0.0), grad(f)(0.0), grad(grad(f))(0.0)] == expected


def test_power_mixed_second_derivative_with_exponent_zero() -> None:
    """∂²(a**b)/∂a∂b at b=0 is 1/a, though a**0 itself has derivative 0."""
    np.testing.assert_allclose(
        hessian(lambda x: x[0] ** x[1])(np.array([2.0, 0.0])),
        [[0.0, 0.5], [0.5, math.log(2) ** 2]],
        rtol=1e-15,
    )


def test_power_of_negative_base_with_constant_exponent_takes_no_logarithm() -> None:
    """`x**2` at -3 in an array, where one exponent is an array too."""
    np.testing.assert_array_equal(
        grad(lambda x: (x ** np.array([2, 3])).sum())(np.array([-3.0, -2.0])), [-6.0, 12.0]
    )


def test_sinc_at_zero_to_fourth_order() -> None:
    """sin(πx)/(πx) = 1 - (πx)²/6 + (πx)⁴/120 - …"""
    f, found = ag.sinc, []
    for _ in range(4):
        f = grad(f)
        found.append(f(0.0))
    np.testing.assert_allclose(found, [0.0, -(math.pi**2) / 3, 0.0, math.pi**4 / 5], rtol=1e-13)


@pytest.mark.parametrize("reduce", [np.max, lambda x: -np.min(-x)], ids=["max", "min"])
def test_ties_in_reductions_share_evenly(reduce: Any) -> None:
    """Over all elements, an axis, and two axes."""
    x = np.array([[2.0, 2.0, 0.0], [2.0, 1.0, 2.0]])
    np.testing.assert_array_equal(grad(reduce)(x), np.array([[0.25, 0.25, 0.0], [0.25, 0.0, 0.25]]))
    np.testing.assert_array_equal(
        grad(lambda t: np.max(t, axis=1).sum())(x), [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]]
    )
    np.testing.assert_array_equal(
        grad(lambda t: np.max(t, axis=(0, 1), keepdims=True).sum())(np.ones((2, 2))), np.full((2, 2), 0.25)
    )
    np.testing.assert_array_equal(
        hessian(lambda t: np.max(t) ** 2)(np.array([2.0, 2.0, 0.0])),
        [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]],
    )
    np.testing.assert_array_equal(hessian(np.max)(np.array([2.0, 2.0])), np.zeros((2, 2)))


def test_sort_of_ties_is_a_permutation() -> None:
    """Every element goes to one place."""
    np.testing.assert_array_equal(
        np.sort(grad(lambda x: (np.sort(x) * np.array([1.0, 2.0, 3.0])).sum())(np.ones(3))), [1.0, 2.0, 3.0]
    )


@pytest.mark.parametrize("order", [None, 1, 2, 3, 1.5, np.inf])
def test_norm_at_zero(order: Any) -> None:
    """The gradient is 0, and so is its own derivative, as for |x|."""
    f = lambda x: np.linalg.norm(x, ord=order)
    np.testing.assert_array_equal(grad(f)(np.zeros(3)), np.zeros(3))
    np.testing.assert_array_equal(hessian(f)(np.zeros(2)), np.zeros((2, 2)))
    np.testing.assert_array_equal(hessian(f)(np.zeros(1)), [[0.0]])


def test_frobenius_norm_of_some_zero_rows() -> None:
    """A zero row gets 0 and leaves the others alone."""
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(grad(lambda t: np.linalg.norm(t, axis=1).sum())(x), [[0.6, 0.8], [0.0, 0.0]])


def test_norms_of_a_vector_with_a_zero_element() -> None:
    """|x|'(0) = 0 in every order."""
    x = np.array([3.0, -4.0, 0.0])
    for order, expected in [(1, [1.0, -1.0, 0.0]), (2, [0.6, -0.8, 0.0]), (np.inf, [0.0, -1.0, 0.0])]:
        np.testing.assert_allclose(grad(lambda t: np.linalg.norm(t, ord=order))(x), expected)
    for order in (3, 1.5, 0.5):
        assert grad(lambda t: np.linalg.norm(t, ord=order))(x)[2] == 0.0


@pytest.mark.parametrize("ddof", [0, 1])
def test_std_of_a_constant(ddof: int) -> None:
    """Its derivative is 0."""
    np.testing.assert_array_equal(grad(lambda x: np.std(x, ddof=ddof))(np.full(3, 7.0)), np.zeros(3))
    np.testing.assert_array_equal(
        grad(lambda x: np.std(x, axis=1, ddof=ddof).sum())(np.array([[1.0, 1.0], [0.0, 2.0]]))[0], [0.0, 0.0]
    )


# ------------------------------------------------------------------------------------------ products
def test_prod_with_one_zero_and_with_several() -> None:
    """Literally."""
    np.testing.assert_array_equal(grad(np.prod)(np.array([2.0, 0.0, 3.0])), [0.0, 6.0, 0.0])
    np.testing.assert_array_equal(grad(np.prod)(np.array([0.0, 0.0, 3.0])), [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(
        hessian(np.prod)(np.array([0.0, 0.0, 3.0])), [[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    )
    third = jacobian(hessian(np.prod))(np.zeros(3))
    expected = np.zeros((3, 3, 3))
    for i, j, k in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        expected[i, j, k] = 1.0
    np.testing.assert_array_equal(third, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", [np.prod, lambda x: np.cumprod(x)[-1]], ids=["prod", "cumprod"])
def test_a_product_that_is_all_but_zero_has_the_products_of_the_others(f: Any, dtype: Any) -> None:
    """Numbers below the smallest normal one have few digits: what was divided by them had none that were right."""
    about = np.finfo(dtype)
    tiny, small = float(about.tiny), float(about.eps) ** 0.8
    for numbers in ([1.1 * tiny, 0.3, 0.7], [256.0 * tiny, small, 0.9], [1.7, tiny, 3.0 * small], [0.11, 1.9 * tiny, small]):
        x = np.array(numbers, dtype)
        others = [np.prod(np.delete(x, i).astype(np.longdouble)) for i in range(3)]
        np.testing.assert_allclose(grad(f)(x), others, rtol=4.0 * float(about.eps), atol=2.0 * float(about.smallest_subnormal))


@pytest.mark.parametrize(("scale", "dtype"), [(1.0, np.float64), (2.0**-600, np.float64), (2.0**600, np.float64), (2.0**-80, np.float32), (2.0**80, np.float32)])
def test_the_gradient_of_a_determinant_that_under_or_overflows(scale: float, dtype: Any) -> None:
    """Those of [[a, b], [c, d]] are [[d, −c], [−b, a]], whatever the determinant is; those of a stack are those of its matrices."""
    x = np.array([[[3.0, 1.0], [-2.0, 5.0]], [[1.0, 0.0], [4.0, -2.0]]], dtype) * dtype(scale)
    x[1] /= dtype(scale)
    expected = [[[m[1, 1], -m[1, 0]], [-m[0, 1], m[0, 0]]] for m in x]
    with np.errstate(all="ignore"):
        found = grad(lambda x: np.sum(np.linalg.det(x)))(x)
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype is np.float32 else 1e-14, atol=1e-300 if dtype is np.float64 else 1e-38)
        assert found.dtype == dtype
        curve = hessian(np.linalg.det)(x[0])
    np.testing.assert_allclose(curve[0, 0], [[0.0, 0.0], [0.0, 1.0]], atol=1e-6)
    np.testing.assert_allclose(curve[0, 1], [[0.0, 0.0], [-1.0, 0.0]], atol=1e-6)


def test_cumprod_with_one_zero_and_with_several() -> None:
    """Row i is the gradient of x₀…xᵢ."""
    np.testing.assert_array_equal(
        jacobian(np.cumprod)(np.array([2.0, 0.0, 3.0])), [[1, 0, 0], [0, 2, 0], [0, 6, 0]]
    )
    np.testing.assert_array_equal(
        jacobian(np.cumprod)(np.array([2.0, 0.0, 0.0])), [[1, 0, 0], [0, 2, 0], [0, 0, 0]]
    )
    # f = a + a·b + a·b·c has ∂²f/∂a∂b = 1 + c, ∂²f/∂a∂c = b, ∂²f/∂b∂c = a
    np.testing.assert_array_equal(
        hessian(lambda x: np.cumprod(x).sum())(np.array([2.0, 0.0, 0.0])), [[0, 1, 0], [1, 0, 2], [0, 2, 0]]
    )


def test_repeated_fancy_indices_accumulate() -> None:
    """To second order too."""
    x = Tensor([1.0, 2.0, 3.0])
    x[[0, 0, 2]].sum().backward()
    np.testing.assert_array_equal(x.grad, [2.0, 0.0, 1.0])
    np.testing.assert_array_equal(
        hessian(lambda t: (t[[0, 0, 1]] ** 3).sum())(np.array([2.0, 3.0])), [[24.0, 0.0], [0.0, 18.0]]
    )


# ------------------------------------------------------------------------------- stable exponentials
STABLE: list[tuple[str, Callable[..., Any], float, float, float, float]] = [
    ("sigmoid", ag.sigmoid, 1000.0, 1.0, 0.0, 0.0),
    ("sigmoid", ag.sigmoid, -1000.0, 0.0, 0.0, 0.0),
    ("sigmoid", ag.sigmoid, INF, 1.0, 0.0, 0.0),
    ("sigmoid", ag.sigmoid, -INF, 0.0, 0.0, 0.0),
    ("softplus", ag.softplus, 1000.0, 1000.0, 1.0, 0.0),
    ("softplus", ag.softplus, -1000.0, 0.0, 0.0, 0.0),
    ("softplus", ag.softplus, INF, INF, 1.0, 0.0),
    ("softplus", ag.softplus, -INF, 0.0, 0.0, 0.0),
    ("silu", ag.silu, 1000.0, 1000.0, 1.0, 0.0),
    ("silu", ag.silu, -1000.0, 0.0, 0.0, 0.0),
    ("gelu", ag.gelu, 1000.0, 1000.0, 1.0, 0.0),
    ("gelu", ag.gelu, -1000.0, 0.0, 0.0, 0.0),
    ("elu", ag.elu, 1000.0, 1000.0, 1.0, 0.0),
    ("elu", ag.elu, -1000.0, -1.0, 0.0, 0.0),
    ("tanh", ag.tanh, 1000.0, 1.0, 0.0, 0.0),
    ("erf", ag.erf, -1000.0, -1.0, 0.0, 0.0),
]


@KINDS
@pytest.mark.parametrize(
    ("f", "x", "value", "slope", "_curve"), [c[1:] for c in STABLE], ids=[f"{c[0]}({c[2]})" for c in STABLE]
)
def test_exact_at_large_arguments(
    run: Any, f: Any, x: float, value: float, slope: float, _curve: float
) -> None:
    """No overflow on the way to a finite answer."""
    assert run(f, x) == (value, [slope])


@pytest.mark.parametrize(
    ("f", "x", "curve"), [(c[1], c[2], c[5]) for c in STABLE], ids=[f"{c[0]}({c[2]})" for c in STABLE]
)
def test_curvature_at_large_arguments(f: Any, x: float, curve: float) -> None:
    """The second derivative is exact too."""
    assert second(f, x) == (curve, curve)


def test_sigmoid_keeps_small_numbers() -> None:
    """sigmoid(-700) is e⁻⁷⁰⁰ and so is its derivative; 1 - sigmoid would give 0."""
    for run in (on_value, on_0d):
        value, (slope,) = run(ag.sigmoid, -700.0)
        np.testing.assert_allclose([value, slope], [math.exp(-700)] * 2, rtol=1e-12)
        np.testing.assert_allclose(run(ag.softplus, -40.0)[0], math.exp(-40), rtol=1e-12)


def test_logsumexp_and_softmax_at_a_thousand_and_at_masks() -> None:
    """Literally."""
    x = np.array([-1000.0, 1000.0, -INF])
    assert ag.logsumexp(Tensor(x)).item() == 1000.0
    np.testing.assert_array_equal(ag.softmax(Tensor(x)).data, [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(ag.log_softmax(Tensor(x)).data, [-2000.0, 0.0, -INF])
    np.testing.assert_array_equal(grad(ag.logsumexp)(x), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(jacobian(ag.softmax)(x), np.zeros((3, 3)))
    nothing = np.array([-INF, -INF])           # a row of which all is masked
    assert ag.logsumexp(Tensor(nothing)).item() == -INF
    np.testing.assert_array_equal(grad(ag.logsumexp)(nothing), [0.0, 0.0])
    np.testing.assert_array_equal(hessian(ag.logsumexp)(nothing), np.zeros((2, 2)))
    np.testing.assert_array_equal(jacobian(ag.log_softmax)(x)[0], [1.0, -1.0, 0.0])
    np.testing.assert_array_equal(hessian(ag.logsumexp)(x), np.zeros((3, 3)))
    masked = np.array([0.0, -INF, math.log(3)])
    np.testing.assert_allclose(grad(ag.logsumexp)(masked), [0.25, 0.0, 0.75], rtol=1e-15)
    np.testing.assert_allclose(
        hessian(ag.logsumexp)(masked), [[0.1875, 0, -0.1875], [0, 0, 0], [-0.1875, 0, 0.1875]], rtol=1e-14
    )
    np.testing.assert_allclose(grad(lambda t: ag.log_softmax(t)[2])(masked), [-0.25, 0.0, 0.25], rtol=1e-14)


def test_logaddexp_at_a_thousand_and_at_a_mask() -> None:
    """Literally."""
    for run in (on_value, on_tensor, on_0d):
        assert run(ag.logaddexp, 1000.0, -1000.0) == (1000.0, [1.0, 0.0])
        assert run(ag.logaddexp, -INF, 2.0) == (2.0, [0.0, 1.0])
    np.testing.assert_array_equal(
        hessian(lambda x: ag.logaddexp(x[0], x[1]))(np.array([1000.0, -1000.0])), np.zeros((2, 2))
    )


# -------------------------------------------------------------------------------------- strong zeros
STRONG: list[tuple[str, Callable[[Any], Any], float, float, float]] = [
    ("where, left not taken", lambda x: ag.where(_data(x) <= 0, ag.exp(x), 1 + x * x), 1000.0, 2000.0, 2.0),
    ("where, right not taken", lambda x: ag.where(_data(x) > 0, x * x, ag.exp(-x * 1e3)), 5.0, 10.0, 2.0),
    ("where, sqrt at 0", lambda x: ag.where(_data(x) > 0, ag.sqrt(x), x * 3), 0.0, 3.0, 0.0),
    ("where, log at 0", lambda x: ag.where(_data(x) > 0, ag.log(x), x * x), 0.0, 0.0, 2.0),
    ("where, 1/x at 0", lambda x: ag.where(_data(x) == 0, x * x, 1 / x), 0.0, 0.0, 2.0),
    ("where, 0/0", lambda x: ag.where(_data(x) == 0, 1 + x, ag.sin(x) / x), 0.0, 1.0, 0.0),
    (
        "where, deep",
        lambda x: ag.where(_data(x) > 0, ag.exp(ag.sqrt(ag.log(x + 0.0)) * 2) * 3, x),
        0.0,
        1.0,
        0.0,
    ),
    (
        "where in where",
        lambda x: ag.where(_data(x) > 0, ag.where(_data(x) > -1, ag.sqrt(x), 1 / x), x * 2),
        0.0,
        2.0,
        0.0,
    ),
    ("maximum", lambda x: ag.maximum(ag.log(x), x * x - 5.0), 0.0, 0.0, 2.0),
    ("maximum, other side", lambda x: ag.maximum(x * x - 5.0, ag.log(x)), 0.0, 0.0, 2.0),
    ("minimum", lambda x: ag.minimum(ag.exp(x), x * x), 1000.0, 2000.0, 2.0),
    ("clip", lambda x: ag.clip(1 / x, -5.0, 5.0) + x * x, 0.0, 0.0, 2.0),
    ("clip of log", lambda x: ag.clip(ag.log(x), -1.0, 1.0) + x, 0.0, 1.0, 0.0),
    ("relu", lambda x: ag.relu(ag.log(x)) + x * x, 0.0, 0.0, 2.0),
    ("relu of -exp", lambda x: ag.relu(-ag.exp(x)) + x, 1000.0, 1.0, 0.0),
    ("relu, then a product", lambda x: ag.relu(ag.log(x)) * x + x, 0.0, 1.0, 0.0),
    ("relu of -1/x", lambda x: ag.relu(-1 / x) + x, 0.0, 1.0, 0.0),
]


def _data(x: Any) -> Any:
    """Conditions are made of plain data."""
    return x.data


@KINDS
@pytest.mark.parametrize(("f", "x", "slope", "_curve"), [c[1:] for c in STRONG], ids=[c[0] for c in STRONG])
def test_strong_zeros(run: Any, f: Any, x: float, slope: float, _curve: float) -> None:
    """A branch that was not taken contributes exactly 0."""
    assert run(f, x)[1] == [slope]


@pytest.mark.parametrize(
    ("f", "x", "curve"), [(c[1], c[2], c[4]) for c in STRONG], ids=[c[0] for c in STRONG]
)
def test_strong_zeros_at_second_order(f: Any, x: float, curve: float) -> None:
    """And so it does to the second derivative."""
    assert second(f, x) == (curve, curve)


def test_the_example_of_the_documentation() -> None:
    """where(x <= 0, exp(x), 1 + x) at 1000."""
    assert grad(lambda x: ag.where(x <= 0, ag.exp(x), 1 + x))(1000.0) == 1.0
    assert grad(grad(lambda x: ag.where(x <= 0, ag.exp(x), 1 + x)))(1000.0) == 0.0
    np.testing.assert_array_equal(
        grad(lambda x: np.where(x <= 0, np.exp(x), 1 + x).sum())(np.array([1000.0, -1.0])),
        [1.0, math.exp(-1.0)],
    )


def test_a_strong_zero_is_no_excuse_for_another_path() -> None:
    """The same node used outside of the branch keeps its honest nan or inf."""
    assert grad(lambda x: ag.where(x > 0, ag.sqrt(x), 0.0) + ag.sqrt(x))(0.0) == INF
    x = Tensor([0.0, 4.0])
    root = np.sqrt(x)
    (np.where(x.data > 1, root, 0.0) + root).sum().backward()
    np.testing.assert_array_equal(x.grad, [INF, 0.5])


@pytest.mark.parametrize(
    "select",
    [
        ag.relu,
        lambda x: ag.maximum(x, 0.0),
        lambda x: ag.maximum(0.0, x),
        lambda x: ag.clip(x, 0.0, 1.0),
        lambda x: ag.where(_data(x) > 0, x, 0.0),
    ],
    ids=["relu", "maximum", "maximum, other side", "clip", "where"],
)
@pytest.mark.parametrize("outer", [ag.sqrt, ag.log, ag.reciprocal], ids=["sqrt", "log", "reciprocal"])
def test_an_infinite_gradient_into_a_branch_not_taken(outer: Any, select: Any) -> None:
    """The other order: inf arrives at an operation that did not take x."""
    f = lambda x: outer(select(x))
    assert grad(f)(-1.0) == 0.0
    assert second(f, -1.0) == (0.0, 0.0)
    np.testing.assert_array_equal(grad(lambda x: f(x).sum())(np.array([-1.0, -2.0])), [0.0, 0.0])


@pytest.mark.parametrize(("f", "x", "slope", "curve"), [c[1:] for c in STRONG], ids=[c[0] for c in STRONG])
def test_strong_zeros_in_forward_mode(f: Any, x: float, slope: float, curve: float) -> None:
    """jvp agrees with grad, and hvp with the second derivative."""
    assert jvp(f, (x,), (1.0,))[1] == slope
    np.testing.assert_array_equal(jvp(f, (np.array([x]),), (np.array([1.0]),))[1], [slope])
    np.testing.assert_array_equal(hvp(lambda t: f(t).sum(), (np.array([x]),), (np.array([1.0]),)), [curve])


def test_a_leaf_to_which_only_zeros_flow_has_zeros_whichever_sweep_ran() -> None:
    """Also where a strong zero elsewhere has asked for the careful one, and where the operation is a pull-back."""
    for at in (1.0, 0.0):                      # the logarithm at 0 has the derivative inf
        x, y, z = Tensor([at]), Tensor([2.0, 3.0]), Tensor([[1.0, 2.0]])
        out = np.where([True], 1.0, np.log(x)) + np.where([True], 1.0, y.sum()) + np.where([True], 1.0, (z @ y).sum())
        out.sum().backward()
        assert (x.grad.tolist(), y.grad.tolist(), z.grad.tolist()) == ([0.0], [0.0, 0.0], [[0.0, 0.0]])


def test_a_nan_of_a_branch_that_was_taken_is_kept() -> None:
    """Outside of the domain."""
    assert math.isnan(grad(lambda x: ag.where(x < 0, ag.sqrt(x), 1.0))(-1.0))
    assert math.isnan(grad(lambda x: ag.maximum(ag.sqrt(x), 1.0) + ag.sqrt(x))(-1.0))


def test_reductions_that_did_not_take_an_element() -> None:
    """max and min select too."""
    np.testing.assert_array_equal(grad(lambda x: np.max(np.log(x)))(np.array([0.0, 2.0])), [0.0, 0.5])
    np.testing.assert_array_equal(grad(lambda x: np.min(np.exp(x)))(np.array([0.0, 1000.0])), [1.0, 0.0])


def test_elements_that_an_index_did_not_take() -> None:
    """An index, a triangle and a slice select as well."""
    x = np.array([0.0, 4.0])
    np.testing.assert_array_equal(grad(lambda t: np.sqrt(t)[1:].sum())(x), [0.0, 0.25])
    np.testing.assert_array_equal(grad(lambda t: np.sqrt(t)[t > 1].sum())(x), [0.0, 0.25])


def test_a_row_that_is_masked() -> None:
    """One bad row must not poison the others through a matrix product, when where comes after it."""
    x = Tensor([[0.0], [4.0]])
    y = np.where(x.data > 0, np.log(x), 0.0)
    (np.ones((3, 2)) @ y).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0.0], [0.75]])


# -------------------------------------------------------------------------------------- accumulation
@pytest.mark.parametrize("make", [Value, Tensor])
def test_leaves_accumulate_and_inner_nodes_are_fresh(make: Any) -> None:
    """x = 3, y = x·x·x: 54 after two calls; 27 after zeroing x alone and calling again."""
    x = make(3.0)
    square = x * x
    y = square * x
    y.backward()
    y.backward()
    assert (float(x.grad), float(square.grad), float(y.grad)) == (54.0, 3.0, 1.0)
    x.grad = 0.0 if make is Value else None
    y.backward()
    assert (float(x.grad), float(square.grad), float(y.grad)) == (27.0, 3.0, 1.0)


def test_inner_nodes_hold_the_gradients_of_the_last_call() -> None:
    """A node shared by two roots has that of the later one."""
    x = Value(2.0)
    inner = x * 3
    first, later = inner * 5, inner * 7
    first.backward()
    later.backward()
    assert (inner.grad, x.grad) == (7.0, 36.0)


@pytest.mark.parametrize("make", [Value, Tensor])
def test_a_leaf_that_is_the_root(make: Any) -> None:
    """∂x/∂x = 1, and it accumulates like any leaf."""
    x = make(5.0)
    x.backward()
    x.backward()
    assert float(x.grad) == 2.0


def test_gradients_are_not_shared_between_nodes() -> None:
    """Writing into one gradient must not change another."""
    x, w = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    total = x + w
    shaped = total.reshape(2, 1)
    seed = np.array([[1.0], [1.0]])
    shaped.backward(seed)
    for leaf, others in [(x, (w, total, shaped)), (w, (x, total, shaped))]:
        for other in others:
            assert not np.shares_memory(leaf.grad, other.grad)
        assert not np.shares_memory(leaf.grad, seed)
    x.grad *= 100.0
    np.testing.assert_array_equal(w.grad, [1.0, 1.0])
    np.testing.assert_array_equal(seed, [[1.0], [1.0]])
    shaped.backward(seed)
    np.testing.assert_array_equal(x.grad, [101.0, 101.0])
    np.testing.assert_array_equal(w.grad, [2.0, 2.0])


def test_a_gradient_that_was_kept_does_not_change() -> None:
    """The array that a user took is not written into by the next backward."""
    x = Tensor([1.0, 2.0])
    y = (x * 2).sum()
    y.backward()
    kept, before = x.grad, x.grad.copy()
    x.grad = None
    y.backward()
    np.testing.assert_array_equal(kept, before)


def test_constants_take_no_gradient() -> None:
    """`requires_grad=False`, and plain arrays."""
    c, w = Tensor([1.0, 2.0], requires_grad=False), Tensor([3.0, 4.0])
    (c * w).sum().backward()
    assert c.grad is None
    np.testing.assert_array_equal(w.grad, [1.0, 2.0])


# ------------------------------------------------------------------------------------- stale numbers
def test_assigning_data_of_a_leaf_between_forward_and_backward_raises() -> None:
    """The message names the node and the operation that needed the old value."""
    x = Value(3.0, label="weight")
    y = x * x
    x.data = 4.0
    with pytest.raises(StaleDataError, match=r"'weight'.*mul"):
        y.backward()


@pytest.mark.parametrize(
    "assign",
    [lambda t: setattr(t, "data", t.data * 2), lambda t: t.__setattr__("data", t.data.__isub__(1.0))],
)
def test_assigning_data_of_a_tensor_raises(assign: Any) -> None:
    """`t.data = …` and `t.data -= …`."""
    t = Tensor([1.0, 2.0], label="weight")
    y = (t * t).sum()
    assign(t)
    with pytest.raises(StaleDataError, match=r"'weight'.*mul"):
        y.backward()


def test_augmented_assignment_raises() -> None:
    """The usual update step, too early."""
    t = Tensor([1.0, 2.0])
    y = (t * t).sum()
    t.data -= 0.5
    with pytest.raises(StaleDataError):
        y.backward()


OPERATORS = {"+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv, "**=": operator.ipow, "%=": operator.imod, "//=": operator.ifloordiv}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("other", [2.0, 3, np.array([2.0, 3.0]), Tensor([2.0, 3.0]), np.float64(2.0), Value(2.0)], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_operator_that_assigns_updates_a_leaf_where_nothing_is_recorded(name: str, other: Any, dtype: Any) -> None:
    """`w -= step` under `no_grad()`, as PyTorch programs have it: the parameter itself, which is a parameter still."""
    w, assign = Tensor([5.0, 7.0], dtype=dtype, label="w"), OPERATORS[name]
    memory, expected = w.detach(), assign(np.array([5.0, 7.0], dtype), getattr(other, "data", other) if isinstance(other, (Tensor, Value)) else other)
    with no_grad():
        assert assign(w, other) is w
    assert (w.dtype, w.requires_grad, w.op) == (dtype, True, None)
    np.testing.assert_array_equal(w.data, expected)
    np.testing.assert_array_equal(memory.data, expected)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_that_assigns_makes_a_new_node_anywhere_else(name: str) -> None:
    """While a graph is recorded, and for what is no leaf that gradients flow into, nobody else's tensor changes."""
    assign, w, constant = OPERATORS[name], Tensor([5.0, 7.0]), Tensor([5.0, 7.0], requires_grad=False)
    out = assign(w, 2.0)
    assert out.parents[0] is w
    inner = w * 1.0
    for before in (constant, inner):
        with no_grad():
            after = assign(before, 2.0)
        assert after is not before
        np.testing.assert_array_equal(before.data, [5.0, 7.0])
        np.testing.assert_array_equal(after.data, out.data)
    with detect_anomaly():
        assert assign(w, 2.0) is not w
    np.testing.assert_array_equal(w.data, [5.0, 7.0])
    constant.requires_grad = True
    with no_grad():
        assert assign(constant, 2.0) is constant
    number = Value(5.0)
    with no_grad():
        assert assign(number, 2.0) is not number
    assert number.data == 5.0


def test_an_update_where_nothing_is_recorded_is_noticed_by_a_graph_from_before() -> None:
    """As assigning is; and an update of another shape is refused before anything is changed."""
    w = Tensor([1.0, 2.0], label="weight")
    y = (w * w).sum()
    with no_grad(), pytest.raises(ShapeError, match=r"sub: received shape \(3, 2\) to update a leaf of shape \(2,\)"):
        w -= np.ones((3, 2))
    y.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0])
    with no_grad():
        w -= 0.5 * w.grad
    with pytest.raises(StaleDataError, match="'weight'"):
        y.backward()


def test_gradient_descent_as_pytorch_programs_have_it() -> None:
    """A loop over parameters, which rebinding their name would leave as they were."""
    x, rng = np.linspace(-1.0, 1.0, 20).reshape(-1, 1), np.random.default_rng(0)
    w, b = Tensor(rng.normal(size=(1, 1))), Tensor(np.zeros(1))
    for _ in range(300):
        ((x @ w + b - (2.0 * x - 3.4)) ** 2).mean().backward()
        with no_grad():
            for p in (w, b):
                p -= 0.3 * p.grad
                p.grad = None
    assert (round(w.item(), 6), round(b.item(), 6)) == (2.0, -3.4)


def test_assigning_data_of_an_inner_node_raises() -> None:
    """Before and after it was used, and for the root itself."""
    x = Value(3.0)
    inner = x * 2
    y = inner * inner
    inner.data = 7.0
    with pytest.raises(StaleDataError):
        y.backward()
    late = x.exp()
    late.data = 7.0
    with pytest.raises(StaleDataError, match="exp"):
        (late * late).backward()
    root = x.tanh()
    root.data = 0.0
    with pytest.raises(StaleDataError, match="tanh"):
        root.backward()


def test_assigning_data_of_an_inner_tensor_raises() -> None:
    """The same on arrays, also by `-=`."""
    t = Tensor([1.0, 2.0])
    inner = np.exp(t)
    inner.data = np.zeros(2)
    with pytest.raises(StaleDataError, match="exp"):
        inner.sum().backward()
    other = np.exp(t)
    other.data -= 1.0
    with pytest.raises(StaleDataError, match="exp"):
        (other * 2).sum().backward()


def test_a_stale_value_in_a_tensor_graph_raises() -> None:
    """Mixed graphs are looked at as well."""
    v = Value(2.0)
    y = (np.array([1.0, 2.0]) * v).sum()
    v.data = 5.0
    with pytest.raises(StaleDataError):
        y.backward()


def test_a_failed_backward_leaves_no_half_gradients_and_no_lock() -> None:
    """After the data is put back, gradients are right; another thread is not blocked."""
    a, b = Value(2.0), Value(3.0)
    y = b * b + a * a
    a.data = 5.0
    with pytest.raises(StaleDataError):
        y.backward()
    assert (a.grad, b.grad) == (0.0, 0.0)
    a.data = 2.0
    worker = threading.Thread(target=y.backward)
    worker.start()
    worker.join(10)
    assert (a.grad, b.grad) == (4.0, 6.0)


def test_training_steps_between_graphs_are_allowed() -> None:
    """Forward, backward, update, and again."""
    x, t = Value(2.0), Tensor([2.0, 4.0])
    for _ in range(3):
        x.grad, t.grad = 0.0, None
        (x * x).backward()
        (t * t).sum().backward()
        x.data -= 0.25 * x.grad
        t.data -= 0.25 * t.grad
    assert x.data == 0.25
    np.testing.assert_array_equal(t.data, [0.25, 0.5])


@pytest.mark.parametrize("which", ["leaf", "constant"])
def test_writing_into_an_array_is_caught_under_detect_anomaly(which: str) -> None:
    """Checksums of what was saved."""
    constant = np.array([3.0, 4.0])
    with detect_anomaly():
        t = Tensor([1.0, 2.0], label="weight")
        y = (t * constant).sum()
        (t.data if which == "leaf" else constant)[0] = 9.0
        with pytest.raises(AnomalyError, match="written into"):
            y.backward()


@pytest.mark.parametrize(
    "f",
    [np.exp, np.tanh, np.sqrt, np.reciprocal, ag.sigmoid, ag.softmax, np.cumprod],
    ids=lambda f: f.__name__,
)
def test_writing_into_a_result_that_the_rule_reads_is_caught_under_detect_anomaly(f: Any) -> None:
    """The derivative of exp is its own value: that was saved too."""
    with detect_anomaly():
        t = Tensor([1.0, 2.0])
        y = f(t)
        y.data[0] = 9.0
        with pytest.raises(AnomalyError, match="written into"):
            y.sum().backward()


def test_a_tensor_copies_what_it_is_made_from() -> None:
    """Writing into the source array changes nothing."""
    source = np.array([1.0, 2.0])
    t = Tensor(source)
    source[:] = 9.0
    np.testing.assert_array_equal(t.data, [1.0, 2.0])


# --------------------------------------------------------------------------------- modes and threads
def test_no_grad_records_nothing() -> None:
    """Results are constants."""
    x, t = Value(3.0), Tensor([1.0, 2.0])
    with no_grad():
        y, u = x * x, t * t
    assert (y.data, y.op, y.parents) == (9.0, None, ())
    assert (u.op, u.parents, u.requires_grad) == (None, (), False)
    assert (x * x).op is not None


def test_modes_end_with_an_exception() -> None:
    """And nest."""
    x = Value(3.0)
    with pytest.raises(ZeroDivisionError), no_grad(), detect_anomaly():
        1 / 0
    assert (x * x).op is not None
    with no_grad():
        with no_grad():
            pass
        assert (x * x).op is None
    assert x.log().data > 0


def test_modes_belong_to_a_thread() -> None:
    """A thread that starts inside `no_grad` records, and its own mode does not leak out."""
    inside, found = threading.Event(), {}
    leave = threading.Event()

    def other() -> None:
        found["recorded"] = (Value(2.0) * 3).op is not None
        with no_grad():
            inside.set()
            leave.wait(10)

    with no_grad():
        worker = threading.Thread(target=other)
        worker.start()
        inside.wait(10)
    found["here"] = (Value(2.0) * 3).op is not None
    leave.set()
    worker.join(10)
    assert found == {"recorded": True, "here": True}


def test_detect_anomaly_names_operation_label_shapes_and_line() -> None:
    """In the forward pass, and in the backward pass."""
    with detect_anomaly():
        with pytest.raises(AnomalyError, match=r"(?s)log.*-inf.*test_conventions"):
            Value(0.0, label="rate").log()
        with pytest.raises(AnomalyError, match=r"(?s)log.*\(2,\).*test_conventions"):
            np.log(Tensor([0.0, 1.0], label="rates"))
        x = Value(0.0, label="rate")
        y = x.sqrt() * 2
        with pytest.raises(AnomalyError, match=r"(?s)sqrt.*inf.*'rate'.*test_conventions"):
            y.backward()


def test_detect_anomaly_lets_strong_zeros_pass() -> None:
    """A branch that was not taken is no anomaly in the gradient."""
    with detect_anomaly():
        t = Tensor([0.0, 1.0])
        np.where(t.data > 0, np.sqrt(t), 0.0).sum().backward()
    np.testing.assert_array_equal(t.grad, [0.0, 0.5])


def test_detect_anomaly_lets_conventions_pass_at_second_order() -> None:
    """Nor is what a rule computes for a branch that was not taken."""
    f = lambda x: ag.where(x.data > 0, ag.sqrt(x), x * x)
    with detect_anomaly():
        assert grad(grad(f))(0.0) == 2.0
        np.testing.assert_array_equal(hessian(lambda x: f(x).sum())(np.zeros(2)), 2 * np.eye(2))
        np.testing.assert_array_equal(hessian(np.linalg.norm)(np.zeros(2)), np.zeros((2, 2)))
        np.testing.assert_array_equal(
            hessian(lambda x: (x**2 + x**1 + x**0).sum())(np.zeros(2)), 2 * np.eye(2)
        )


def test_backward_under_no_grad() -> None:
    """What was recorded before can be differentiated there."""
    x = Value(2.0)
    y = x * x
    with no_grad():
        y.backward()
    assert x.grad == 4.0


def test_a_rule_may_run_a_backward_of_its_own() -> None:
    """The one lock is not in its own way."""

    def slope(m: Any, out: Any, x: Any) -> Any:
        v = Value(float(x))
        (v * v * v).backward()
        return v.grad

    op = ag.Op(name="inner_backward_for_conventions", array=lambda x: x**3, d=(slope,))
    try:
        x = Value(2.0)
        worker = threading.Thread(target=op(x).backward, daemon=True)
        worker.start()
        worker.join(10)
        assert not worker.is_alive()
        assert x.grad == 12.0
    finally:
        op.forget()


@pytest.mark.parametrize("f", [np.sqrt, np.log, np.reciprocal, lambda x: x**0.5], ids=["sqrt", "log", "reciprocal", "power"])
def test_transforms_do_not_warn_of_infinite_derivatives(f: Any) -> None:
    """What the function itself does outside of its domain NumPy says; the bookkeeping on it is silent, in every mode and order."""
    x, v = np.array([0.0, 4.0]), np.array([1.0, 1.0])

    def inside(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return f(x)

    for slope in (grad(lambda x: np.sum(inside(x)))(x), np.diag(jacobian(inside)(x)), jvp(inside, (x,), (v,))[1], vjp(inside, x)[1](v)[0]):
        assert abs(slope[0]) == INF and np.isfinite(slope[1])
    for curve in (hessian(lambda x: np.sum(inside(x)))(x)[1, 1], hvp(lambda x: np.sum(inside(x)), (x,), (v,))[1], jacobian(grad(lambda x: np.sum(inside(x))))(x)[1, 1]):
        assert np.isfinite(curve)


def test_backward_itself_does_not_warn() -> None:
    """An infinite derivative is what IEEE says; bookkeeping on it is silent, strong zeros too."""
    import warnings

    t = Tensor([0.0, 4.0])
    y, z = np.sqrt(t).sum(), np.where(t.data > 0, np.sqrt(t), 0.0).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "divide by zero")
        z.backward()
        np.testing.assert_array_equal(t.grad, [0.0, 0.25])
        y.backward()
    np.testing.assert_array_equal(t.grad, [INF, 0.5])


@pytest.mark.parametrize("op", [op for op in ag.TABLE.values() if op.elementwise and not op.variadic], ids=lambda op: op.name)
def test_a_program_that_asks_numpy_to_raise_has_what_it_asked_for(op: ag.Op) -> None:
    """`np.seterr(all="raise")`: on arrays that is NumPy's own error, with the operation; on `Value`, and in the pass back, nothing raises."""
    hard = (0.0, -0.0, -1.0, 1000.0, -1000.0, 1e308, 1e-320, INF, -INF, math.nan)
    with np.errstate(all="raise"):
        for number in hard:
            out = op(*(Value(number) for _ in range(op.arity or 0)))
            out.backward()
            tensors = [Tensor([number, 1.0]) for _ in range(op.arity or 0)]
            said = f"{op.name}: "
            try:
                op(*tensors).backward(np.ones(2))
            except FloatingPointError as error:
                said = str(error)
            assert re.fullmatch(rf"{op.name}: (.* encountered in .*, which np.seterr or np.errstate asks to be raised)?", said)


@pytest.mark.parametrize("f", [np.linalg.norm, lambda x: np.sum(x * x), np.prod, np.std])
def test_what_numpy_is_asked_to_raise_comes_out_of_what_is_made_of_several_operations(f: Any) -> None:
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match=r"^\w+: overflow encountered in \w+, which np.seterr or") as caught:
        f(Tensor([1e200, -1e200]))
    assert caught.value.__cause__ is not caught.value


# ---------------------------------------------------------------------------------------------- a layer
X, W, B = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(4, 3) - 5.0, np.ones(4)


@pytest.mark.parametrize("x", [X, X.tolist(), X.astype(int), Tensor(X), Tensor(X, requires_grad=False), X.astype(np.float32)], ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("w", [W, Tensor(W), Tensor(W, requires_grad=False)], ids=lambda w: type(w).__name__)
@pytest.mark.parametrize("b", [B, 1.0, Value(1.0), Tensor(B), Tensor(B, requires_grad=False)], ids=lambda b: type(b).__name__)
def test_a_layer_takes_operands_of_every_kind(x: Any, w: Any, b: Any) -> None:
    out = ag.linear(x, w, b)
    np.testing.assert_array_equal(out if isinstance(out, np.ndarray) else out.data, X @ W.T + B)
    wanted = [p for p in (x, w, b) if getattr(p, "requires_grad", False)]
    if not wanted:
        assert not getattr(out, "requires_grad", False)
        return
    for p in wanted:
        p.grad = p._UNREACHED
    out.sum().backward()
    expected = {id(x): np.ones((2, 4)) @ W, id(w): np.ones((2, 4)).T @ X, id(b): 8.0 if isinstance(b, Value) else np.full(4, 2.0)}
    for p in wanted:
        np.testing.assert_array_equal(p.grad, expected[id(p)])
    with no_grad():
        assert ag.linear(x, w, b).parents == ()


@pytest.mark.parametrize("shapes", [((2, 3), (4,), ()), ((2, 3), (2, 4, 3), (4,)), ((2, 3), (4, 2), (4,)), ((), (4, 3), (4,)), ((2, 3), (4, 3), (5,))])
def test_a_layer_says_which_shapes_it_expects(shapes: Any) -> None:
    with pytest.raises(ShapeError, match=r"linear: received operands of shape .*expected x of shape \(…, nin\), a weight of shape \(nout, nin\)"):
        ag.linear(*(Tensor(np.ones(shape)) for shape in shapes))


# ----------------------------------------------------------------------------------------- no cycles
@pytest.mark.parametrize("make", [lambda: Value(2.0), lambda: Tensor([1.0, 2.0])], ids=["Value", "Tensor"])
def test_dropping_the_root_frees_the_graph(make: Any) -> None:
    """Without the garbage collector; the objects of a graph, and their arrays."""
    gc.collect()
    gc.disable()
    try:
        x = make()
        y = ag.tanh(x * 2 + 1) * x
        y = y.sum() if isinstance(y, Tensor) else y
        y.backward()
        before = sum(type(o) in (Value, Tensor) for o in gc.get_objects())
        assert before >= 5
        if isinstance(x, Tensor):
            held = weakref.ref(y.parents[0].data)
            del y
            assert held() is None
        else:
            del y
        assert sum(o is x for o in gc.get_objects()) <= 1
        assert sum(type(o) in (Value, Tensor) for o in gc.get_objects()) <= before - 4
    finally:
        gc.enable()
