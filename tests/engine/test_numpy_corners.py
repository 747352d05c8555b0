"""Corners of NumPy's signatures: what NumPy gives there is given here too, with its derivatives, and what it refuses is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import autograd_core as ag
from autograd_core import TABLE, Tensor, Value, check_grads, grad, jacobian
from autograd_core.algebra import ARRAYS
from autograd_core.check import GradientCheckError
from autograd_core.errors import (
    AutogradError,
    DTypeError,
    LinAlgError,
    MissingRuleError,
    OperandError,
    ShapeError,
    StaleDataError,
)

rng = np.random.default_rng(0)
VECTOR, ROW, WIDE, DEEP = (rng.normal(size=s) for s in ((3,), (1, 3), (2, 3), (2, 3, 4)))
PLACES = np.array([0.0, 0.4, 1.5])
TALL = rng.normal(size=(5, 3))

AGREE: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "vecdot axis of each": (lambda x, y: np.linalg.vecdot(x, y, axis=0), (VECTOR, rng.normal(size=(3, 2)))),
    "vecdot square": (lambda x, y: np.linalg.vecdot(x, y, axis=0), (VECTOR, rng.normal(size=(3, 3)))),
    "vecdot stacks": (lambda x, y: np.linalg.vecdot(x, y, axis=0), (WIDE, rng.normal(size=(2, 2, 3)))),
    "vecdot along the last of stacks": (np.linalg.vecdot, (DEEP, DEEP[0])),
    "cross along the last of stacks": (np.linalg.cross, (rng.normal(size=(2, 3, 3)), rng.normal(size=(3, 3)))),
    "cross along another": (lambda x, y: np.cross(x, y, axisa=0, axisb=1, axisc=0), (rng.normal(size=(3, 2, 2)), rng.normal(size=(2, 3, 2)))),
    "rollaxis from the end": (lambda x: np.rollaxis(x, 0, -1), (WIDE,)),
    "rollaxis to the end": (lambda x: np.rollaxis(x, 0, 3), (DEEP,)),
    "cov of a row as columns": (lambda x: np.cov(x, rowvar=False), (np.array([[0.3, -0.4], [1.2, 0.5]]),)),
    "cov with a second row": (lambda x, y: np.cov(x, y, rowvar=False), (rng.normal(size=(3, 2)), rng.normal(size=(1, 3)))),
    "gradient by coordinates": (np.gradient, (VECTOR, PLACES)),
    "gradient by coordinates at the edge": (lambda f, x: np.gradient(f, x, edge_order=2), (rng.normal(size=5), np.cumsum(rng.uniform(0.2, 1.0, 5)))),
    "gradient along two axes": (lambda f, h, x: np.concatenate(np.gradient(f, h, x)), (WIDE, np.array(0.3), PLACES)),
    "trapezoid over points for each row": (lambda y, x: np.trapezoid(y, x), (DEEP, rng.normal(size=(1, 4)))),
    "einsum by labels beyond the alphabet": (lambda x: np.einsum(x, [0, 30]) + np.einsum(x, [3, 26]), (WIDE,)),
    "sum of some": (lambda x: np.sum(x, axis=1, where=x > 0.0), (DEEP,)),
    "sum of some columns": (lambda x: np.sum(x, axis=(0, 2), where=[[True], [False], [True]], keepdims=True, initial=0.5), (DEEP,)),
    "sum on top of something": (lambda x, s: np.sum(x, initial=2.0) + x.sum(axis=0, initial=1.0) * s, (WIDE, VECTOR)),
    "product of some": (lambda x: np.prod(x, where=np.abs(x) > 0.3, initial=2.0), (WIDE,)),
    "mean of some": (lambda x: np.mean(x, axis=-1, where=np.arange(4) % 2 == 0, keepdims=True) + x.mean(where=x < 0.5), (DEEP,)),
    "max of some": (lambda x: np.max(x, axis=2, where=x < 0.5, initial=-0.1), (DEEP,)),
    "min of some, and of nothing": (lambda x: np.min(x, axis=0, where=np.array([True, False, True]), initial=9.0) + x.min(initial=0.0), (WIDE,)),
    "mean of some halves": (lambda x: np.mean(x, where=True) + np.mean(x, where=np.True_), (WIDE,)),
    "average by weights along an axis": (lambda x, w: np.average(x, axis=-1, weights=w), (WIDE, rng.uniform(1.0, 2.0, 3))),
    "average by weights of a square": (lambda x, w: np.average(x, axis=np.int64(0), weights=w), (TALL[:3], rng.uniform(1.0, 2.0, 3))),
    "average by a weight for each element": (lambda x, w: np.average(x, axis=(0, 1), weights=w), (DEEP, rng.uniform(1.0, 2.0, (2, 3, 4)))),
    "average of all by a weight for each": (lambda x, w: np.average(x, weights=w), (WIDE, rng.uniform(1.0, 2.0, (2, 3)))),
    "median along a list of axes": (lambda x: np.median(x, axis=[0, -1]), (DEEP,)),
    "take of nothing": (lambda x: np.sum(np.take(x, [])) + np.sum(np.take(x, [], axis=1)) + x, (WIDE,)),
    "norm of an order that is NumPy's": (lambda x: np.linalg.norm(x, np.int64(3)) + np.linalg.norm(x, np.float32(0.5)), (VECTOR,)),
    "svd of a square": (lambda x: np.abs(np.linalg.svd(x)[0]) + np.abs(np.linalg.svd(x, full_matrices=True)[2]), (TALL[:3],)),
    "solve a stack for one vector": (np.linalg.solve, (rng.normal(size=(3, 3, 3)) + 3.0 * np.eye(3), rng.normal(size=3))),
    "solve one matrix for a stack": (np.linalg.solve, (rng.normal(size=(3, 3)) + 3.0 * np.eye(3), rng.normal(size=(2, 3, 2)))),
    "solve a stack for one matrix": (np.linalg.solve, (rng.normal(size=(2, 3, 3)) + 3.0 * np.eye(3), rng.normal(size=(3, 3)))),
    "polyval of nothing": (lambda x: np.polyval(np.zeros(0), x), (VECTOR,)),
    "ravel F": (lambda x: np.ravel(x, "F"), (DEEP,)),
    "sum by position": (lambda x: np.sum(x, 1, None, None, True) + np.mean(x, 0, np.float64, None, True), (WIDE,)),
    "spread by position": (lambda x: np.std(x, 0, None, None, 1) + np.var(x, -1, None, None, 1, True), (WIDE,)),
    "running sums by position": (lambda x: np.cumsum(x, 1, None, None) * np.cumprod(x, 0, np.float64), (WIDE,)),
    "largest by position": (lambda x: np.max(x, 1, None, True) - np.clip(x, -0.5, 0.5, None), (WIDE,)),
    "axes for several": (lambda x, y: np.hstack(np.atleast_1d(x[0], y)) * np.atleast_2d(y, x[1], 2.0)[1], (VECTOR, np.array(0.7))),
    "three axes for several": (lambda x, y: np.atleast_3d(x, y, x)[1] * np.atleast_3d(x), (VECTOR, WIDE[:1])),
    "reshape F": (lambda x: np.reshape(x, (4, -1), order="F"), (DEEP,)),
    "reshape F to a matrix": (lambda x: np.reshape(x, (3, 8), order="F") ** 2, (DEEP,)),
    "take truths": (lambda x: np.take(x, [True, False, True]), (VECTOR,)),
    "take truths along an axis": (lambda x: np.take(x, np.array(True), axis=1), (WIDE,)),
    "take_along_axis of the flattened": (lambda x: np.take_along_axis(x, np.array([5, 0, 5]), axis=None), (WIDE,)),
    "quantile by its share": (lambda x, q: np.quantile(x, q), (VECTOR, np.array(0.3))),
    "quantile by several shares": (lambda x, q: np.quantile(x, q, axis=1, keepdims=True), (WIDE, np.array([0.1, 0.8]))),
    "percentile by its share": (lambda x, q: np.percentile(x, q, axis=(0, 2)), (DEEP, np.array([[20.0], [70.0]]))),
    "lstsq of a vector": (lambda a, b: np.linalg.lstsq(a, b)[0], (TALL, rng.normal(size=5))),
    "lstsq of a matrix": (lambda a, b: np.linalg.lstsq(a, b)[0], (TALL, rng.normal(size=(5, 2)))),
    "lstsq of least norm": (lambda a, b: np.linalg.lstsq(a, b)[0], (TALL.T, rng.normal(size=3))),
    "lstsq residuals": (lambda a, b: np.linalg.lstsq(a, b)[1], (TALL, rng.normal(size=(5, 2)))),
    "lstsq singular values": (lambda a: np.linalg.lstsq(a, np.ones(5))[3], (TALL,)),
    "pinv with a bound": (lambda x: np.linalg.pinv(x, rcond=0.1), (np.diag([2.0, 0.5, 1.5]),)),
    "unique": (np.unique, (np.array([[0.3, 2.0], [-1.0, 2.5]]),)),
    "unique rows": (lambda x: np.unique(x, axis=0), (WIDE,)),
    "bincount with weights": (lambda w: np.bincount([0, 2, 2], weights=w, minlength=5), (VECTOR,)),
    "histogram with weights": (lambda w: np.histogram([0.0, 1.0, 2.0, 3.0, 9.0, 2.0], [0.0, 1.5, 2.0, 3.0], weights=w)[0], (rng.normal(size=6),)),
    "histogram as a density": (lambda w: np.histogram(WIDE, 3, density=True, weights=w)[0], (rng.uniform(1.0, 2.0, (2, 3)),)),
    "norm with keepdims by its place": (lambda x: np.linalg.norm(x, 1, (0, 2), True), (DEEP,)),
    "round": (lambda x: x.round(1) * x, (np.array([0.33, -1.27]),)),
}  # fmt: skip
for _ord in (None, 1, 2, 3, 0.5, np.inf, -np.inf, -1):
    for _axis in ((0, 1), (2, 0), (-1,), (0, 1, 2)):
        AGREE[f"vector_norm {_ord} {_axis}"] = (lambda x, o=_ord, a=_axis: np.linalg.vector_norm(x, ord=o, axis=a), (DEEP,))
for _long, _short in ((4, 2), (5, 2), (4, 3), (3, 3)):
    for _mode in ("full", "same", "valid"):
        for _call in (np.convolve, np.correlate):
            for _sizes in ((_long, _short), (_short, _long)):
                AGREE[f"{_call.__name__} {_sizes} {_mode}"] = (
                    lambda x, y, f=_call, m=_mode: f(x, y, m), tuple(rng.normal(size=n) for n in _sizes))
AGREE["vector_norm keepdims"] = (lambda x: np.linalg.vector_norm(x, ord=1, axis=(2, 0), keepdims=True), (DEEP,))


def test_averages_by_weights_along_a_tuple_of_axes() -> None:
    """Literally; the first versions of NumPy 2 take one axis only."""
    square, w = TALL[:3], rng.uniform(1.0, 2.0, 3)
    np.testing.assert_allclose(np.average(Tensor(square), axis=(0,), weights=w).data, w @ square / w.sum(), rtol=1e-14)
    v = rng.uniform(1.0, 2.0, (4, 2))
    np.testing.assert_allclose(np.average(Tensor(DEEP), axis=(2, 0), weights=v).data, np.einsum("ijk,ki->j", DEEP, v) / v.sum(), rtol=1e-14)
    check_grads(lambda x, w: np.average(x, axis=(2, 0), weights=w), (DEEP, v), order=2)


def test_the_condition_number_of_a_singular_matrix_is_infinite() -> None:
    """Without a warning, and never −inf: of many matrices of whole numbers some have a singular value of −0."""
    found = 0
    for seed in range(100):
        x = np.round(np.random.default_rng(seed).normal(size=(3, 3)))
        for p in (None, 2, -2):
            if np.linalg.matrix_rank(x) == 3:
                np.testing.assert_allclose(np.linalg.cond(Tensor(x), p).data, np.linalg.cond(x, p), rtol=1e-6)
        assert not np.any(np.signbit(np.linalg.svdvals(Tensor(x)).data)) and np.linalg.cond(Tensor(x)).data > 0.0
        found += np.linalg.matrix_rank(x) < 3
    assert found > 10


def test_the_imaginary_part_of_anything_is_zero() -> None:
    out = np.imag(Tensor([np.inf, np.nan, -2.0]))
    assert out.data.tolist() == [0.0, 0.0, 0.0]
    out.sum().backward()


@pytest.mark.parametrize("label", [52, -1, "a", 0.5])
def test_einsum_refuses_a_label_that_numpy_has_not(label: Any) -> None:
    with pytest.raises(OperandError, match="label"):
        np.einsum(Tensor(WIDE), [0, label])


def test_astype_makes_a_node_of_its_own() -> None:
    x = Tensor([1.0, 2.0])
    assert x.astype(np.float64) is not x
    assert x.astype(np.float64).data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", AGREE)
def test_as_numpy_with_derivatives(name: str) -> None:
    function, arrays = AGREE[name]
    expected, found = function(*arrays), function(*map(Tensor, arrays))
    assert isinstance(found, Tensor)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.data, expected, rtol=1e-13, atol=1e-14)
    check_grads(function, arrays, order=2)


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
def test_ravel_in_the_order_of_the_memory(order: str) -> None:
    for array in (DEEP, np.asfortranarray(DEEP), np.asfortranarray(WIDE), VECTOR):
        t = Tensor(array)
        t.data = array                         # as it lies in memory
        np.testing.assert_array_equal(np.ravel(t, order=order).data, np.ravel(array, order=order))
        if order != "K":
            np.testing.assert_array_equal(np.reshape(t, (-1, 3), order=order).data, np.reshape(array, (-1, 3), order=order))
    gaps = Tensor(DEEP)
    gaps.data = np.swapaxes(np.ones((3, 2, 4)), 0, 1)
    with pytest.raises(MissingRuleError, match=r"reshape: order='K' of an array with gaps in its memory has no rule here; use 'C' or 'F'"):
        np.ravel(gaps, order="K")
    with pytest.raises(OperandError, match="received order='X', expected 'C', 'F', 'A' or 'K'"):
        np.ravel(gaps, order="X")


@pytest.mark.parametrize("function", [np.linalg.eigh, np.linalg.eigvalsh, np.linalg.cholesky, lambda x: np.linalg.matrix_power(x, 0), lambda x: np.linalg.matrix_power(x, 1)])
@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (2, 1, 3), (3,)])
def test_what_must_be_square(function: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    """A row broadcasts with its own transpose, and would pass for a square matrix."""
    with pytest.raises(np.linalg.LinAlgError):
        function(np.ones(shape))
    with pytest.raises(LinAlgError, match=r"received shape \(.*\), expected a square matrix, or a stack of them"):
        function(Tensor(np.ones(shape)))


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_what_is_not_chosen_has_no_gradient(axis: int | None) -> None:
    """Exactly none, whatever it is itself; and a result keeps its dtype."""
    x, mask = np.array([[1.0, 2.0], [np.nan, 3.0], [np.inf, 4.0]]), np.array([[True, True], [False, True], [False, True]])
    for reduce in (np.sum, np.mean, lambda t, **k: np.prod(t, **k), lambda t, **k: np.max(t, initial=0.5, **k), lambda t, **k: np.min(t, initial=9.0, **k)):
        for dtype in (np.float64, np.float32):
            t = Tensor(x.astype(dtype))
            out = reduce(np.sqrt(t) ** 2, axis=axis, where=mask)
            plain = reduce(x.astype(dtype), axis=axis, where=mask)
            assert out.dtype == dtype
            np.testing.assert_allclose(out.data, plain, rtol=1e-6)
            out.backward(np.ones(out.shape))
            np.testing.assert_array_equal(t.grad[~mask], 0.0)


TRIANGULAR = {
    "eigvalsh": lambda x, uplo: np.linalg.eigvalsh(x, uplo),
    "eigh, values": lambda x, uplo: np.linalg.eigh(x, uplo)[0],
    "eigh, vectors": lambda x, uplo: np.linalg.eigh(x, UPLO=uplo)[1] ** 2,
    "cholesky": lambda x, uplo: np.linalg.cholesky(x, upper=uplo == "U") ** 2,
}


def _symmetric(*shape: int) -> np.ndarray:
    """Positive definite matrices with eigenvalues apart."""
    random = np.random.default_rng(5).normal(size=shape)
    return 0.1 * (random + np.swapaxes(random, -1, -2)) + np.diag(np.arange(1.0, shape[-1] + 1.0))


@pytest.mark.parametrize("uplo", ["L", "U"])
@pytest.mark.parametrize("name", TRIANGULAR)
@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4)])
def test_one_triangle_of_a_matrix_is_read(name: str, uplo: str, shape: tuple[int, ...]) -> None:
    """What stands in the other one changes neither the result nor gets a gradient, as in NumPy."""
    f, x = (lambda t: TRIANGULAR[name](t, uplo)), _symmetric(*shape)
    half = np.tril(x) if uplo == "L" else np.triu(x)
    other = half + (np.triu(np.full(shape, 9.0), 1) if uplo == "L" else np.tril(np.full(shape, 9.0), -1))
    for matrix in (x, half, other):
        np.testing.assert_allclose(f(Tensor(matrix)).data, f(matrix), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(f(Tensor(matrix)).data, f(x), rtol=1e-9, atol=1e-12)
    assert not (np.triu(jacobian(f)(other), 1) if uplo == "L" else np.tril(jacobian(f)(other), -1)).any()
    check_grads(f, (other,))


@pytest.mark.parametrize("name", TRIANGULAR)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_gradient_of_a_matrix_that_is_symmetric_but_for_rounding_is_symmetric(name: str, dtype: Any) -> None:
    """As products make them, A S Aᵀ say: the last place of one element does not decide where the gradient goes."""
    x = _symmetric(2, 4, 4).astype(dtype)
    moved = x.copy()
    moved[0, 0, 2] = np.nextafter(moved[0, 0, 2], dtype(9.0))
    exact, near = (grad(lambda t: np.sum(TRIANGULAR[name](t, "L") ** 2))(m) for m in (x, moved))
    np.testing.assert_allclose(near, np.swapaxes(near, -1, -2), rtol=1e-5)
    np.testing.assert_allclose(near, exact, rtol=1e-5 if dtype == np.float64 else 1e-3, atol=1e-6 if dtype == np.float64 else 1e-3)


def test_a_check_at_a_symmetric_matrix_says_how_it_is_made() -> None:
    """One triangle is read, both get a gradient: the numbers of single elements differ, those of symmetric changes do not."""
    x = _symmetric(3, 3)
    for f in (np.linalg.eigvalsh, np.linalg.cholesky):
        with pytest.raises(GradientCheckError, match=r"argument 1 is a symmetric matrix.*check the function of \(x \+ x\.T\) / 2"):
            check_grads(lambda s, a, f=f: s * np.sum(f(a) ** 3), (2.0, x))
        check_grads(lambda s, a, f=f: s * np.sum(f((a + a.T) / 2) ** 3), (2.0, x))
    with pytest.raises(GradientCheckError) as caught:
        check_grads(lambda a: np.sum(a) * float(np.sum(a.data if isinstance(a, Tensor) else a)), (x + np.triu(x, 1),), order=1)
    assert "symmetric" not in str(caught.value)


@pytest.mark.parametrize("order", ["C", "F", "A"])
def test_methods_take_an_order(order: str) -> None:
    for array in (DEEP, WIDE, VECTOR):
        t = Tensor(array)
        np.testing.assert_array_equal(t.flatten(order).data, array.flatten(order))
        for shape in ((-1,), (3, -1), (-1, 1, 3)):
            np.testing.assert_array_equal(t.reshape(shape, order=order).data, array.reshape(shape, order=order))
            np.testing.assert_array_equal(t.reshape(*shape, order=order).data, array.reshape(*shape, order=order))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.vecdot(Tensor(np.ones((2, 3))), np.ones((2, 1))), ShapeError, "received vectors of 3 and 1 elements, expected as many of each"),
        (lambda: np.sum(Tensor(WIDE), where=[True, False]), ShapeError, r"sum: received where= of shape \(2,\), expected one that broadcasts to \(2, 3\)"),
        (lambda: np.mean(Tensor(WIDE), where=WIDE), OperandError, "mean: received where=an array of shape .*expected True, False or an array of them"),
        (lambda: np.max(Tensor(WIDE), where=WIDE > 0.0), OperandError, "max: received where= without initial="),
        (lambda: np.vsplit(Tensor(np.ones(4)), 2), ShapeError, "expected at least two axes"),
        (lambda: np.einsum("...a->a", Tensor(DEEP)), ShapeError, r"expected '\.\.\.' in the result too, for 2 axes"),
        (lambda: np.cov(Tensor(DEEP)), ShapeError, "expected at most two axes"),
        (lambda: np.convolve(Tensor(1.0), np.ones(2)), ShapeError, "expected two vectors"),
        (lambda: np.gradient(Tensor(VECTOR), np.ones(2)), ShapeError, r"received coordinates of shape \(2,\) for an axis of length 3"),
        (lambda: np.rollaxis(Tensor(WIDE), 0, -3), AutogradError, "rollaxis: received axis=-3"),
    ],
)  # fmt: skip
def test_what_numpy_refuses(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("x", [-1.0, -0.5, 0.0, 0.5, 2.0, np.nan])
def test_bounds_that_cross(x: float) -> None:
    """NumPy takes the upper one, on a `Value` as on an array."""
    expected = np.clip(x, 0.5, -0.5)
    for out in (ag.clip(Value(x), 0.5, -0.5).data, ag.clip(Tensor(x), 0.5, -0.5).item()):
        np.testing.assert_array_equal(out, expected)


def test_a_score_that_is_a_number_keeps_the_digits_of_its_target() -> None:
    """A Python float has no dtype of its own: the result takes that of the other operand, and not float16."""
    op = TABLE["bce_with_logits"]
    for dtype in (np.float64, np.float32):
        target = Tensor(np.array([0.25, 0.5], dtype))
        out = op(0.001, target)
        assert out.dtype == dtype
        np.testing.assert_allclose(out.data, np.log1p(np.exp(-0.001)) + (1.0 - target.data) * 0.001, rtol=1e-6)
    assert grad(lambda t: op(0.001, t))(0.3) == pytest.approx(-0.001, rel=1e-12)


EMPTY = [(0,), (2, 0), (0, 2), (0, 0), (3, 0, 2)]


def test_clip_without_bounds() -> None:
    """A copy, as in NumPy from 2.1 on."""
    x = Tensor(WIDE)
    out = np.clip(x, None, None)
    out.sum().backward()
    np.testing.assert_array_equal(out.data, WIDE)
    np.testing.assert_array_equal(x.grad, np.ones_like(WIDE))


@pytest.mark.parametrize("ord", [None, 1, -1, 2, -2, 3, -3, np.inf, -np.inf, "fro", "nuc"])
@pytest.mark.parametrize("shape", EMPTY)
def test_norms_of_nothing(shape: tuple[int, ...], ord: Any) -> None:
    """0, or inf for a negative order of vectors, as the limits of the sums are; where NumPy refuses, so does this."""
    for axis in (None, 0, -1, (0, 1)):
        try:
            with np.errstate(divide="ignore"):
                expected = np.linalg.norm(np.zeros(shape), ord, axis)
        except (ValueError, np.linalg.LinAlgError) as refusal:
            if "reduction operation maximum" not in str(refusal):
                with pytest.raises(AutogradError):
                    np.linalg.norm(Tensor(np.zeros(shape)), ord, axis)
                continue
            expected = np.zeros(shape).sum(axis=axis)  # as later versions of NumPy have it
        t = Tensor(np.zeros(shape))
        out = np.linalg.norm(t, ord, axis)
        np.testing.assert_array_equal(out.data, expected)
        out.sum().backward()
        assert t.grad is not None
        assert t.grad.shape == shape


@pytest.mark.parametrize("ord", [-1, -2, -0.5])
def test_a_zero_makes_a_norm_of_negative_order_zero(ord: float) -> None:
    x = np.array([[0.0, 2.0], [1.0, 3.0]])
    with np.errstate(divide="ignore"):
        expected = np.linalg.norm(x, ord, axis=1)
    np.testing.assert_allclose(np.linalg.norm(Tensor(x), ord, axis=1).data, expected, rtol=1e-14)
    slopes = grad(lambda x: np.sum(np.linalg.norm(x, ord, axis=1)))(x)
    np.testing.assert_array_equal(slopes[0], 0.0)
    np.testing.assert_allclose(slopes[1], grad(lambda x: np.linalg.norm(x, ord))(x[1]), rtol=1e-14)


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 1), ((3, 0), 0), ((2, 0, 3), 2), ((2, 0, 3), (0, 2))])
@pytest.mark.parametrize("function", [np.median, lambda x, axis: np.quantile(x, [0.2, 0.5], axis=axis), lambda x, axis: np.percentile(x, 30.0, axis=axis)])
def test_quantiles_of_empty_arrays(function: Callable[..., Any], shape: tuple[int, ...], axis: Any) -> None:
    """Along an axis that has elements there is nothing to be found: an empty result."""
    t = Tensor(np.zeros(shape))
    out = function(t, axis=axis)
    np.testing.assert_array_equal(out.data, function(np.zeros((*shape[:1], 1, *shape[2:])), axis=axis)[..., :0] if isinstance(axis, tuple) else function(np.zeros(shape), axis=axis))
    out.sum().backward()
    assert t.grad is not None
    assert t.grad.shape == shape


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
def test_the_median_of_nothing_is_nan() -> None:
    np.testing.assert_array_equal(np.median(Tensor(np.zeros((0, 3))), axis=0).data, np.full(3, np.nan))
    with pytest.raises(ShapeError, match=r"quantile: received shape \(0, 3\) and axis=0, expected an element at least"):
        np.quantile(Tensor(np.zeros((0, 3))), 0.5, axis=0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (0, 3), (3, 0)])
@pytest.mark.parametrize("columns", [(), (2,), (0,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lstsq_is_numpys(shape: tuple[int, int], columns: tuple[int, ...], dtype: Any) -> None:
    """All four results, and the shortest solution where the rank is short."""
    rng = np.random.default_rng(1)
    full, b = rng.normal(size=shape).astype(dtype), rng.normal(size=(shape[0], *columns)).astype(dtype)
    for a in (full, (np.outer(full[:, 0], full[0]) if full.size and dtype is np.float64 else full)):
        expected, found = np.linalg.lstsq(a, b), np.linalg.lstsq(Tensor(a), Tensor(b))
        for theirs, ours in zip(expected, found, strict=True):
            plain = ours.data if isinstance(ours, Tensor) else ours
            assert np.shape(plain) == np.shape(theirs)
            np.testing.assert_allclose(plain, theirs, rtol=1e-9 if dtype is np.float64 else 1e-3, atol=1e-13 if dtype is np.float64 else 1e-5)
        assert found.x.dtype == dtype
        assert isinstance(found.rank, int)


def test_what_is_cut_off_has_no_derivative_unless_it_is_nothing() -> None:
    short = np.outer([1.0, 2.0, -1.0], [0.5, 1.0])
    np.testing.assert_allclose(np.linalg.pinv(Tensor(short), rcond=1e-10).data, np.linalg.pinv(short), rtol=1e-12)
    with pytest.raises(MissingRuleError, match="pinv: with rcond=0.5 singular values that are not 0 are cut off"):
        np.linalg.pinv(Tensor(np.diag([2.0, 0.5])), rtol=0.5)
    with pytest.raises(MissingRuleError, match="pinv: with rcond=0.5"):
        np.linalg.lstsq(Tensor(np.diag([2.0, 0.5])), np.ones(2), rcond=0.5)


def test_lstsq_of_what_does_not_fit() -> None:
    for a, b in ((TALL, np.ones(4)), (VECTOR, VECTOR), (DEEP, np.ones(2)), (TALL, np.ones((5, 1, 1)))):
        with pytest.raises(LinAlgError, match="lstsq: received shapes .* expected a matrix, and a vector or matrix with as many rows"):
            np.linalg.lstsq(Tensor(a), b)


# ------------------------------------------------------------------------------------- nodes in nested lists
def test_array_joins_nodes() -> None:
    """What np.array makes of a list of nodes is an array of objects, which np.linalg does not take."""
    angle, matrix = 0.3, lambda make: lambda a: make([[np.cos(a), -np.sin(a)], [np.sin(a), a]])
    for make in (ag.array, lambda rows: np.array(rows, like=rows[0][0]), lambda rows: np.asarray(rows, like=rows[0][0])):
        assert grad(lambda a, make=make: np.linalg.det(matrix(make)(a)))(angle) == pytest.approx(np.cos(angle) - angle * np.sin(angle) + np.sin(2.0 * angle), rel=1e-14)
    check_grads(lambda x: ag.array([x, 2.0 * x, x[::-1] ** 2]), (VECTOR,))
    check_grads(lambda x: ag.array([[x[0], 1.0], [x[1] * x[2], 0.0]]), (VECTOR,))
    for function in (np.mean, np.std, np.median, np.linalg.norm):
        check_grads(lambda x, function=function: function(ag.array([x[0], x[1] * x[2]])), (VECTOR,))
    with pytest.raises(ValueError, match="sequence") as refused:
        grad(lambda x: np.mean([x[0], x[1]]))(VECTOR)
    assert "autograd_core.array instead of np.array for a list of nodes" in str(refused.value.__cause__)


def test_array_with_dtypes_and_axes() -> None:
    t, v = Tensor([1.5, 2.5]), Value(3.0)
    assert ag.array([v, 2], dtype=np.float32).dtype == np.float32
    assert (ag.array(v).shape, ag.array(v, ndmin=2).shape, ag.array(t, ndmin=3).shape) == ((), (1, 1), (1, 1, 2))
    np.testing.assert_array_equal(ag.array([t, t], dtype=int), [[1, 2], [1, 2]])
    assert np.asarray(t, like=t) is t
    copied = np.array(t, like=t)
    assert copied is not t
    copied.sum().backward()
    np.testing.assert_array_equal(t.grad, [1.0, 1.0])
    plain = ag.array([[1, 2], [3, 4]])
    assert (type(plain), plain.dtype) == (np.ndarray, np.array([1]).dtype)
    with pytest.raises(ShapeError, match=r"received shapes \[\(2,\), \(\)\], expected at least one array and all of one shape"):
        ag.array([t, 1.0])


def test_integers_of_a_tensor_are_plain() -> None:
    """They change in steps, so that their derivative is 0, and they serve as an index."""
    t = Tensor([[0.0, 1.7], [-2.3, 4.0]])
    for dtype in (int, np.int32, "uint8", bool, np.bool_):
        for found in (abs(t).astype(dtype), np.astype(abs(t), dtype)):
            np.testing.assert_array_equal(found, np.abs(t.data).astype(dtype))
            assert found.dtype == np.dtype(dtype)
    table = np.array([1.0, 10.0, 100.0])

    def between(x: Any) -> Any:
        left = np.floor(x).astype(int)
        return np.sum(table[left] * (1.0 - (x - left)) + table[left + 1] * (x - left))

    np.testing.assert_array_equal(grad(between)(np.array([0.25, 1.5, 0.75])), [9.0, 90.0, 9.0])
    assert (t.any(), t.all(), t.all(axis=0).tolist(), t.any(axis=1, keepdims=True).tolist()) == (True, False, [False, True], [[True], [True]])
    assert [i.tolist() for i in t.nonzero()] == [[0, 1, 1], [1, 0, 1]]


def test_equal_elements_have_one_that_stands_for_them() -> None:
    """The first of them gets the gradient; the other results are plain."""
    t = Tensor([2.0, 1.0, 2.0, 1.0])
    values, index, inverse, counts = np.unique(t, True, True, True)
    (values * np.array([1.0, 10.0])).sum().backward()
    np.testing.assert_array_equal(t.grad, [10.0, 1.0, 0.0, 0.0])
    assert (index.tolist(), inverse.tolist(), counts.tolist()) == ([1, 0], [1, 0, 1, 0], [2, 2])


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.minimum, np.logaddexp], ids=lambda u: u.__name__)
@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": None}, {"axis": (0, 1)}, {"axis": 0, "keepdims": True}])
def test_reducing_by_an_operation(ufunc: np.ufunc, options: dict[str, Any]) -> None:
    x = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
    out = ufunc.reduce(Tensor(x), **options)
    np.testing.assert_allclose(out.data, ufunc.reduce(x, **options), rtol=1e-15)
    assert check_grads(lambda t: ufunc.reduce(t, **options), (x,)).failures == []
    narrow = ufunc.reduce(Tensor(x), **options, dtype=np.float32)
    np.testing.assert_allclose(narrow.data, ufunc.reduce(x, **options, dtype=np.float32), rtol=1e-6)
    assert narrow.dtype == np.float32
    some = {"where": x > -0.9, "initial": 0.25}
    if ufunc is np.logaddexp:
        with pytest.raises(MissingRuleError, match="where="):
            ufunc.reduce(Tensor(x), **options, **some)
    else:
        np.testing.assert_allclose(ufunc.reduce(Tensor(x), **options, **some).data, ufunc.reduce(x, **options, **some), rtol=1e-15)


IN_A_DTYPE: dict[str, Callable[..., Any]] = {
    "sum": lambda x, **to: np.sum(x, axis=1, **to), "method": lambda x, **to: x.sum(axis=0, **to), "prod": lambda x, **to: np.prod(x, **to),
    "mean": lambda x, **to: np.mean(x, axis=-1, keepdims=True, **to), "var": lambda x, **to: np.var(x, axis=0, ddof=1, **to),
    "std": lambda x, **to: np.std(x, **to), "cumsum": lambda x, **to: np.cumsum(x, **to), "cumprod": lambda x, **to: np.cumprod(x, axis=0, **to),
    "ufunc": lambda x, **to: np.exp(x, **to), "two": lambda x, **to: np.multiply(x, np.arange(3.0), **to), "number": lambda x, **to: np.add(x, 1.5, **to),
    "list": lambda x, **to: np.subtract([0.5, 0.25, 2.0], x, **to), "accumulate": lambda x, **to: np.add.accumulate(x, **to),
    "outer": lambda x, **to: np.multiply.outer(x, np.arange(2.0), **to), "composition": lambda x, **to: np.logaddexp2(x, x, **to),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_A_DTYPE)
@pytest.mark.parametrize("mine", [np.float32, np.float64])
@pytest.mark.parametrize("asked", [np.float32, np.float64, "float32", None])
def test_what_is_computed_in_another_dtype(name: str, mine: Any, asked: Any) -> None:
    """dtype= is that of the result, and of the computation; the gradient comes back in the dtype of what it is of."""
    f, x = IN_A_DTYPE[name], WIDE.astype(mine)
    t, want = Tensor(x), f(x, dtype=asked)
    out = f(t, dtype=asked)
    assert out.dtype == want.dtype
    np.testing.assert_allclose(out.data, want, rtol=1e-6 if np.float32 in (mine, out.dtype) else 1e-14)
    out.backward(np.ones_like(want))
    wide = Tensor(WIDE)
    f(wide).backward(np.ones(want.shape))
    assert t.grad is not None and t.grad.dtype == mine
    np.testing.assert_allclose(t.grad, wide.grad, rtol=1e-5, atol=1e-6)


def test_a_dtype_that_cannot_hold_a_gradient() -> None:
    for call in (lambda: np.sum(Tensor(WIDE), dtype=int), lambda: np.add(Tensor(WIDE), 1, dtype=np.int32), lambda: Tensor(WIDE).mean(dtype=bool)):
        with pytest.raises(DTypeError, match="(sum|add|mean): dtype .* cannot hold a gradient"):
            call()


@settings(max_examples=50)
@given(
    x=arrays(float, array_shapes(max_dims=3, max_side=3), elements=st.floats(-3.0, 3.0).map(lambda v: round(v, 3))), keepdims=st.booleans(), ddof=st.integers(0, 1),
    name=st.sampled_from(["var", "std"]), data=st.data(),
)  # fmt: skip
def test_the_spread_of_some(x: np.ndarray, keepdims: bool, ddof: int, name: str, data: st.DataObject) -> None:
    """With where= the spread of the chosen elements; the others get no gradient, and equal ones have the derivative 0."""
    mask = data.draw(arrays(bool, st.sampled_from([x.shape, x.shape[-1:]])))
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | st.just(tuple(range(x.ndim))))
    chosen = np.broadcast_to(mask, x.shape)
    assume(np.all(np.sum(chosen, axis=axis) > ddof))
    f = getattr(np, name)
    want = f(x, axis=axis, ddof=ddof, keepdims=keepdims, where=mask)
    t = Tensor(x)
    out = f(t, axis=axis, ddof=ddof, keepdims=keepdims, where=mask)
    assert out.shape == want.shape
    np.testing.assert_allclose(out.data, want, rtol=1e-12, atol=1e-12)
    out.backward(np.ones_like(want))
    assert t.grad is not None and np.isfinite(t.grad).all() and not t.grad[~chosen].any()
    if axis is None:
        few = Tensor(x[chosen])
        f(few, ddof=ddof).backward()
        np.testing.assert_allclose(t.grad[chosen], few.grad, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.sum(Tensor(WIDE), 0, None, np.zeros(3)), MissingRuleError, r"np\.sum with the option out= has no derivative rule here \(it writes"),
        (lambda: np.apply_along_axis(lambda: 1.0, 0, Tensor(VECTOR)), OperandError, "apply_along_axis: received .*takes 0 positional arguments"),
        (lambda: np.linalg.norm(Tensor([1.0, 2.0]), ord=0), MissingRuleError, "norm: ord=0 has no derivative rule"),
        (lambda: np.resize(Tensor(np.zeros((0,))), (2,)), ShapeError, r"resize: received shape \(0,\), expected an element at least"),
        (lambda: np.apply_along_axis(lambda v: v * 2.0, 0, Tensor(np.zeros((3, 0)))), ShapeError, r"received shape \(3, 0\), expected a vector at least along axis 0"),
        (lambda: np.polyfit(PLACES, Tensor(PLACES), 1, full=True), MissingRuleError, "polyfit: full= and cov= have no rule here"),
        (lambda: np.polyfit(PLACES, Tensor(PLACES), 1, cov=True), MissingRuleError, "polyfit: full= and cov= have no rule here"),
        (lambda: np.polyfit(PLACES, Tensor(PLACES), 1, w=np.ones(2)), ShapeError, r"weights of shape \(2,\), expected \(3,\)"),
    ],
)
def test_what_has_no_rule_or_no_elements(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_variable_is_correlated_with_itself() -> None:
    assert np.corrcoef(Tensor([1.0, 2.0, 4.0])).item() == 1.0
    assert grad(lambda x: np.corrcoef(x))(np.array([1.0, 2.0, 4.0])).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (0, 2, 2), (3, 1, 1), (2, 0, 0)])
def test_determinants_of_the_smallest_matrices(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    np.testing.assert_array_equal(np.linalg.det(Tensor(x)).data, np.linalg.det(x))
    gradient = grad(lambda t: np.sum(np.linalg.det(t)))(x)
    np.testing.assert_array_equal(gradient, np.ones(shape) if shape[-1] == 1 else x)
    assert not ag.hessian(lambda t: np.sum(np.linalg.det(t)))(x).any()


def test_small_things_that_a_tensor_can_do() -> None:
    x = Tensor([[1.0, 2.0, 3.0]])
    assert x.mT.data.tolist() == [[1.0], [2.0], [3.0]] and grad(lambda t: np.sum(t.mT * [[1.0], [2.0]]))(np.ones((1, 2))).tolist() == [[1.0, 2.0]]
    assert (+x).data.tolist() == x.data.tolist() and grad(lambda t: np.sum(+t))(np.ones(2)).tolist() == [1.0, 1.0]
    assert [bool(Tensor(v)) for v in (0.0, [2.0], [[-0.0]], np.nan)] == [False, True, False, True]
    stacked = ag.array(np.array([Value(1.0), 2.0], dtype=object))
    assert stacked.data.tolist() == [1.0, 2.0] and isinstance(stacked, Tensor)


def test_a_tree_may_have_keys_of_several_kinds() -> None:
    assert grad(lambda tree: tree[1] * tree["a"])({1: 2.0, "a": 3.0}) == {1: 3.0, "a": 2.0}


def test_modules_list_their_public_names() -> None:
    assert {"explain", "grad", "lift", "Tensor"} <= set(dir(ag)) and dir(ag) == sorted(ag.__all__)
    assert all(hasattr(ag, name) for name in dir(ag))


# ----------------------------------------------------------------------------------------------- rows that are taken
@settings(deadline=None)
@given(
    data=st.data(), count=st.integers(1, 300), width=st.lists(st.integers(0, 5), max_size=2).map(tuple),
    kind=st.sampled_from(["int8", "uint8", "int16", "int64", "uint64"]),
)  # fmt: skip
def test_rows_give_back_what_each_of_them_got(data: st.DataObject, count: int, width: tuple[int, ...], kind: str) -> None:
    """Few rows and many, chosen by integers of every kind, from the end too, as often as one likes."""
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    shape = data.draw(st.sampled_from([(200,), (20, 10), (3,), (0,), (66,)]))
    rows = data.draw(arrays(kind, shape, elements=st.integers(max(-count, low), min(count - 1, high))))
    table = Tensor(np.zeros((count, *width)))
    incoming = np.random.default_rng(0).normal(size=(*shape, *width))
    table[rows].backward(incoming)
    expected = np.zeros(table.shape)
    for row, g in zip(rows.ravel().tolist(), incoming.reshape(rows.size, *width), strict=True):
        expected[row] += g
    np.testing.assert_allclose(table.grad, expected, rtol=1e-14, atol=0)


def test_a_mask_gives_back_where_it_is_true() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3))
    x[np.array([[True, False, True], [False, True, False]])].backward(np.array([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]
    x.grad = None
    x[np.array([False, True])].sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]


KEYS: tuple[Any, ...] = (
    0, -1, slice(1, 3), (slice(None), 1), (Ellipsis, slice(None, None, -2)), None, (2, 3), [0, 0, 2], (slice(None), [1, 1]), np.arange(12).reshape(3, 4) % 3 == 0,
)  # fmt: skip


@given(
    keys=st.lists(st.tuples(st.sampled_from(KEYS), st.integers(1, 3)), min_size=1, max_size=6), inner=st.booleans(), other_first=st.booleans(),
    dtype=st.sampled_from([np.float64, np.float32]),
)  # fmt: skip
def test_parts_of_one_tensor_add_up(keys: list[tuple[Any, int]], inner: bool, other_first: bool, dtype: Any) -> None:
    """In whatever order parts and other uses of a leaf, or of a result, come; a second pass adds the same again to a leaf."""
    leaf = Tensor(np.arange(12.0).reshape(3, 4), dtype=dtype)
    x = leaf * 1.0 if inner else leaf
    parts = [(x[key] * factor).sum() for key, factor in keys]
    whole = (x * 2.0).sum()
    loss = sum(parts, whole) if other_first else sum(parts) + whole
    expected = np.full((3, 4), 2.0)
    for key, factor in keys:
        np.add.at(expected, key, factor)
    loss.backward()
    assert leaf.grad.dtype == dtype
    assert leaf.grad.tolist() == expected.tolist()
    loss.backward()
    assert leaf.grad.tolist() == (2.0 * expected).tolist()


def test_parts_of_a_tensor_are_not_spread_out_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop over n rows costs n rows, not n matrices."""
    spread = []
    scatter = ARRAYS.scatter
    monkeypatch.setattr(ARRAYS, "scatter", lambda g, **options: spread.append(g) or scatter(g, **options))
    x = Tensor(np.ones((50, 3)))
    sum((row * row).sum() for row in x).backward()
    np.stack([x[:, i] for i in range(3)]).sum().backward()
    assert x.grad.tolist() == np.full((50, 3), 3.0).tolist()
    assert len(spread) == 2                    # the first part of each pass


def test_a_part_whose_tensor_was_assigned_to_is_noticed() -> None:
    x = Tensor(np.ones(3))
    y = x * 1.0
    loss = y[0] + y[1] + y[2]
    y.data = np.zeros(3)
    with pytest.raises(StaleDataError):
        loss.backward()
