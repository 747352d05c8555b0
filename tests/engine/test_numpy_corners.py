"""Corners of NumPy's signatures: what NumPy gives there is given here too, with its derivatives, and what it refuses is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import TABLE, Tensor, Value, check_grads, grad
from autograd_core.errors import AutogradError, LinAlgError, MissingRuleError, OperandError, ShapeError

rng = np.random.default_rng(0)
VECTOR, ROW, WIDE, DEEP = (rng.normal(size=s) for s in ((3,), (1, 3), (2, 3), (2, 3, 4)))
PLACES = np.array([0.0, 0.4, 1.5])

AGREE: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "vecdot axis of each": (lambda x, y: np.linalg.vecdot(x, y, axis=0), (VECTOR, rng.normal(size=(3, 2)))),
    "vecdot square": (lambda x, y: np.linalg.vecdot(x, y, axis=0), (VECTOR, rng.normal(size=(3, 3)))),
    "vecdot stacks": (lambda x, y: np.linalg.vecdot(x, y, axis=0), (WIDE, rng.normal(size=(2, 2, 3)))),
    "rollaxis from the end": (lambda x: np.rollaxis(x, 0, -1), (WIDE,)),
    "rollaxis to the end": (lambda x: np.rollaxis(x, 0, 3), (DEEP,)),
    "cov of a row as columns": (lambda x: np.cov(x, rowvar=False), (np.array([[0.3, -0.4], [1.2, 0.5]]),)),
    "cov with a second row": (lambda x, y: np.cov(x, y, rowvar=False), (rng.normal(size=(3, 2)), rng.normal(size=(1, 3)))),
    "gradient by coordinates": (np.gradient, (VECTOR, PLACES)),
    "gradient by coordinates at the edge": (lambda f, x: np.gradient(f, x, edge_order=2), (rng.normal(size=5), np.cumsum(rng.uniform(0.2, 1.0, 5)))),
    "gradient along two axes": (lambda f, h, x: np.concatenate(np.gradient(f, h, x)), (WIDE, np.array(0.3), PLACES)),
    "polyval of nothing": (lambda x: np.polyval(np.zeros(0), x), (VECTOR,)),
    "ravel F": (lambda x: np.ravel(x, "F"), (DEEP,)),
    "reshape F": (lambda x: np.reshape(x, (4, -1), order="F"), (DEEP,)),
    "reshape F to a matrix": (lambda x: np.reshape(x, (3, 8), order="F") ** 2, (DEEP,)),
    "take truths": (lambda x: np.take(x, [True, False, True]), (VECTOR,)),
    "take truths along an axis": (lambda x: np.take(x, np.array(True), axis=1), (WIDE,)),
}  # fmt: skip
for _ord in (None, 1, 2, 3, 0.5, np.inf, -np.inf, -1):
    for _axis in ((0, 1), (2, 0), (-1,), (0, 1, 2)):
        AGREE[f"vector_norm {_ord} {_axis}"] = (lambda x, o=_ord, a=_axis: np.linalg.vector_norm(x, ord=o, axis=a), (DEEP,))
AGREE["vector_norm keepdims"] = (lambda x: np.linalg.vector_norm(x, ord=1, axis=(2, 0), keepdims=True), (DEEP,))


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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.vecdot(Tensor(np.ones((2, 3))), np.ones((2, 1))), ShapeError, "received vectors of 3 and 1 elements, expected as many of each"),
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
