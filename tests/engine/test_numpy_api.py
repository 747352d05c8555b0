"""NumPy's own functions on `Tensor` and `Value`, every mixture of operands, dtypes, and what has no rule."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_core as ag
from autograd_core import Tensor, Value, grad, strategies
from autograd_core.errors import (
    AutogradError,
    AxisError,
    GraphError,
    MissingRuleError,
    OperandError,
    ShapeError,
)

X = np.array([[0.5, 1.5, 0.25], [2.0, 0.75, 1.25]])
SQUARE = np.array([[2.0, 0.5], [0.25, 1.0]])

UFUNCS = """negative positive absolute fabs sign square sqrt cbrt reciprocal exp exp2 expm1 log log2 log10
log1p sin cos tan arctan sinh cosh tanh arcsinh""".split()
BINARY = """add subtract multiply divide true_divide power float_power arctan2 hypot maximum minimum
logaddexp""".split()
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: np.sum(x, axis=1),
    "sum_keepdims": lambda x: np.sum(x, axis=0, keepdims=True),
    "mean": lambda x: np.mean(x, axis=(0, 1)),
    "average": lambda x: np.average(x, axis=0),
    "var": lambda x: np.var(x, axis=0, ddof=1),
    "std": lambda x: np.std(x, axis=-1),
    "prod": lambda x: np.prod(x, axis=0),
    "max": lambda x: np.max(x, axis=1),
    "min": lambda x: np.min(x),
    "amax": lambda x: np.amax(x, axis=0),
    "amin": lambda x: np.amin(x),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "cumprod": lambda x: np.cumprod(x),
    "sort": lambda x: np.sort(x, axis=0),
    "matmul": lambda x: np.matmul(x, x.T),
    "dot": lambda x: np.dot(x.T, x),
    "inner": lambda x: np.inner(x, x),
    "outer": lambda x: np.outer(x, x[0]),
    "tensordot": lambda x: np.tensordot(x, x, axes=([0, 1], [0, 1])),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "trace": lambda x: np.trace(x),
    "diag": lambda x: np.diag(x),
    "tril": lambda x: np.tril(x),
    "triu": lambda x: np.triu(x, 1),
    "reshape": lambda x: np.reshape(x, (3, 2)),
    "ravel": lambda x: np.ravel(x),
    "transpose": lambda x: np.transpose(x),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "squeeze": lambda x: np.squeeze(x[:1]),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "flip": lambda x: np.flip(x, 0),
    "roll": lambda x: np.roll(x, 1, axis=1),
    "tile": lambda x: np.tile(x, (2, 1)),
    "repeat": lambda x: np.repeat(x, 2, axis=0),
    "pad": lambda x: np.pad(x, 1),
    "concatenate": lambda x: np.concatenate([x, np.ones((1, 3)), x * 2]),
    "stack": lambda x: np.stack([x, np.ones((2, 3))], axis=-1),
    "vstack": lambda x: np.vstack([x, np.ones(3)]),
    "hstack": lambda x: np.hstack((x, x)),
    "split": lambda x: np.split(x, 3, axis=1)[1],
    "where": lambda x: np.where(X > 1, x, -x),
    "clip": lambda x: np.clip(x, 0.4, 1.4),
    "norm": lambda x: np.linalg.norm(x),
    "norm_axis": lambda x: np.linalg.norm(x, axis=1, keepdims=True),
    "inv": lambda x: np.linalg.inv(x @ x.T),
    "det": lambda x: np.linalg.det(x @ x.T),
    "slogdet": lambda x: np.linalg.slogdet(x @ x.T)[1],
    "solve": lambda x: np.linalg.solve(x @ x.T, x),
    "cholesky": lambda x: np.linalg.cholesky(x @ x.T),
    "copy": lambda x: np.copy(x),
    "diagonal": lambda x: np.diagonal(x),
    "atleast_2d": lambda x: np.atleast_2d(x[0]),
    "flipud": lambda x: np.flipud(x),
    "fliplr": lambda x: np.fliplr(x),
    "rot90": lambda x: np.rot90(x),
    "rot90 backwards": lambda x: np.rot90(x, -1, axes=(1, 0)) + np.rot90(x, 3) + np.rot90(np.rot90(x, 2), 3),
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "rollaxis to the end": lambda x: np.rollaxis(x, 0, 2),
    "atleast_3d": lambda x: np.atleast_3d(x) + np.atleast_3d(x[0, 0]) + np.sum(np.atleast_3d(x[0])),
    "append": lambda x: np.append(x, [1.0, 2.0]),
    "append along an axis": lambda x: np.append(x, 2 * x, axis=1),
    "dstack": lambda x: np.dstack([x, x[:, :1] * np.ones(3)]),
    "block": lambda x: np.block([[x, np.ones((2, 1))], [np.zeros((1, 3)), x[0, 0]]]),
    "block of vectors": lambda x: np.block([x[0], 2.0, x[1]]),
    "vsplit": lambda x: np.vsplit(x, 2)[1],
    "hsplit": lambda x: np.hsplit(x, [1])[1],
    "hsplit of a vector": lambda x: np.hsplit(x[0], 3)[2],
    "dsplit": lambda x: np.dsplit(x[None], 3)[1],
    "delete": lambda x: np.delete(x, 1, axis=1),
    "delete flat": lambda x: np.delete(x, [0, 4]),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x[:, :1], x)[0],
    "meshgrid": lambda x: sum(np.meshgrid(x[0], x[1])),
    "meshgrid of three": lambda x: sum(np.meshgrid(x[0], x[1], x[0, :2], indexing="ij")),
    "meshgrid, sparse": lambda x: np.multiply(*np.meshgrid(x[0], x[1], sparse=True)),
    "select": lambda x: np.select([X > 1.4, X > 0.4], [x**2, 3 * x], -x),
    "compress": lambda x: np.compress([True, False, True], x, axis=1),
    "extract": lambda x: np.extract(X > 0.6, x),
    "partition": lambda x: np.partition(x, 1, axis=1),
    "rad2deg": lambda x: np.rad2deg(x) + np.degrees(x),
    "logaddexp2": lambda x: np.logaddexp2(x, x[0]),
    "fmax": lambda x: np.fmax(x, 0.9) * np.fmin(x, 1.1),
    "fmax with nan": lambda x: np.fmax(x, np.nan) + np.fmin(np.nan, x),
    "copysign": lambda x: np.copysign(x, [-1.0, 1.0, -0.0]),
    "heaviside": lambda x: np.heaviside(x - 1.0, 0.5) * x,
    "divmod": lambda x: np.divmod(x, 0.35)[1] + np.divmod(x, 0.35)[0],
    "divmod of Python": lambda x: x * divmod(x, 0.35)[1] + divmod(2.03, x)[1] - divmod(2.03, x)[0],
    "mod": lambda x: x % 0.35 + np.remainder(-x, x[0] + 0.3) + 5.2 % x,
    "fmod": lambda x: np.fmod(x, 0.35) * x + np.fmod(-x, x[0] + 0.3) + np.fmod(-5.2, x),
    "floor_divide": lambda x: x * (x // 0.35),
    "round": lambda x: x * np.round(x + 0.01, 1),
    "real": lambda x: np.real(x) + np.conj(x) * 2 + np.imag(x),
    "nan_to_num": lambda x: np.nan_to_num(np.where(X > 1.4, np.nan, x), nan=2.0),
    "nan_to_num of infinities": lambda x: np.nan_to_num(np.where(X > 1.4, np.inf, x), posinf=3.0),
    "nansum": lambda x: np.nansum(np.where(X > 1.4, np.nan, x), axis=0),
    "nanprod": lambda x: np.nanprod(np.where(X > 1.4, np.nan, x)),
    "nanmean": lambda x: np.nanmean(np.where(X > 1.4, np.nan, x), axis=1, keepdims=True),
    "nanmax": lambda x: np.nanmax(np.where(X > 1.4, np.nan, x), axis=1),
    "nanmin": lambda x: np.nanmin(np.where(X > 1.4, np.nan, x)),
    "ptp": lambda x: np.ptp(x, axis=0),
    "median": lambda x: np.median(x),
    "median along an axis": lambda x: np.median(x, axis=1, keepdims=True),
    "quantile": lambda x: np.quantile(x, [0.1, 0.5, 0.9], axis=1),
    "quantile over two axes": lambda x: np.quantile(x[None], 0.3, axis=(0, 2)),
    "percentile": lambda x: np.percentile(x, 30.0, axis=0),
    "cov": lambda x: np.cov(x),
    "cov of columns": lambda x: np.cov(x.T[:, :2], x.T[:, 1:], rowvar=False, bias=True),
    "cov of one": lambda x: np.cov(x[0], ddof=0),
    "corrcoef": lambda x: np.corrcoef(x),
    "diff with ends": lambda x: np.diff(x, prepend=0.5, append=x[:, :1]) + np.diff(x, n=2, axis=0, prepend=1.0, append=2.0)[:1, :1],
    "diff of order 0": lambda x: 2 * np.diff(x, n=0),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(-X, axis=1), 1),
    "take_along_axis, one row for all": lambda x: np.take_along_axis(x, np.array([[2, 0]]), axis=1),
    "take_along_axis, rows for one": lambda x: np.take_along_axis(x[:1], np.array([[0], [2], [0]]), axis=1),
    "reductions of a number": lambda x: sum(f(x[0, 0], axis=0) for f in (np.sum, np.prod, np.max)) + np.cumprod(x[0, 1] * 0.0 + x[0, 2], axis=0)[0],
    "ediff1d": lambda x: np.ediff1d(x),
    "gradient": lambda x: np.stack(np.gradient(x)),
    "gradient of second order": lambda x: np.gradient(x, 0.5, axis=1, edge_order=2),
    "gradient, uneven": lambda x: np.gradient(np.append(x[0], x[1]), [0.0, 1.0, 1.5, 3.0, 3.5, 4.0]),
    "gradient, uneven, of second order": lambda x: np.gradient(np.append(x[0], x[1]), [0, 1, 1.5, 3, 3.5, 4], edge_order=2),
    "trapezoid": lambda x: np.trapezoid(x, dx=0.5, axis=0),
    "trapezoid over points": lambda x: np.trapezoid(x**2, x=x[0]),
    "interp": lambda x: np.interp(x, [0.4, 1.0, 1.8], [1.0, 3.0, 0.5]),
    "interp by its points": lambda x: np.interp([0.1, 0.6, 1.9], np.sort(x[1]), x[0], left=7.0),
    "linspace": lambda x: np.linspace(x[0], 2.0, 5) + np.linspace(0.0, x[1, 0], 5, endpoint=False)[:, None],
    "polyval": lambda x: np.polyval([1.0, -2.0, 3.0], x) + np.polyval(x[0], x[1, 2]),
    "convolve": lambda x: np.convolve(x[0], x[1, :2]),
    "convolve, same": lambda x: np.convolve(x[0, :2], np.append(x[1], x[0]), mode="same"),
    "convolve, valid": lambda x: np.convolve(x[0], [1.0, 2.0], mode="valid"),
    "correlate": lambda x: np.correlate(x[0], x[1, :2]),
    "correlate, full": lambda x: np.correlate(x[0], x[1], mode="full"),
    "cross": lambda x: np.cross(x, x[::-1] + [1.0, 0.0, 0.0]),  # noqa: RUF005 - a sum of an array and a list
    "cross along the first axis": lambda x: np.cross(x.T, np.ones((3, 2)), axis=0),
    "linalg.cross": lambda x: np.linalg.cross(x, x**2),
    "vdot": lambda x: np.vdot(x, 2 * x),
    "vecdot": lambda x: np.linalg.vecdot(x, x, axis=0) + np.vecdot(x, x)[0],
    "einsum with lists": lambda x: np.einsum(x, [0, 1], x, [2, 1], [0, 2]),
    "einsum with lists, no result": lambda x: np.einsum(x, [0, 1], np.ones((3, 2)), [1, 2]),
    "multi_dot": lambda x: np.linalg.multi_dot([x, x.T, x]),
    "matrix_power": lambda x: np.linalg.matrix_power(x @ x.T, 5) + np.linalg.matrix_power(x @ x.T, -1),
    "matrix_power of 0 and 1": lambda x: np.linalg.matrix_power(x[:, :2], 0) + np.linalg.matrix_power(x[:, :2], 1),
    "vector_norm": lambda x: np.linalg.vector_norm(x) + np.linalg.vector_norm(x, axis=1, ord=1),
    "matrix_norm": lambda x: np.linalg.matrix_norm(x),
    "linalg names": lambda x: np.linalg.trace(x) * np.linalg.diagonal(x, offset=1) + np.linalg.outer(x[0], x[1])[0, 0],
    "norm, spectral": lambda x: np.linalg.norm(x, 2) + np.linalg.norm(x, -2),
    "norm, nuclear": lambda x: np.linalg.norm(x[None], "nuc", axis=(1, 2), keepdims=True),
    "pinv": lambda x: np.linalg.pinv(x),
    "svd": lambda x: (lambda u, s, v: u @ np.diag(s**2) @ v)(*np.linalg.svd(x, full_matrices=False)),
    "svdvals": lambda x: np.linalg.svd(x, compute_uv=False),
    "eigh": lambda x: (lambda w, v: (v * np.exp(w)) @ v.T)(*np.linalg.eigh(x @ x.T)),
    "eigvalsh": lambda x: np.linalg.eigvalsh(x @ x.T),
    "eigvalsh of one triangle": lambda x: np.linalg.eigvalsh(x[:, :2], "U") + np.linalg.eigvalsh(x[:, :2]),
    "qr": lambda x: (lambda q, r: q @ (r * r))(*np.linalg.qr(x.T)),
    "ufunc.outer": lambda x: np.subtract.outer(x[0], x) + np.multiply.outer([1.0, 2.0, 3.0], x),
    "ufunc.accumulate": lambda x: np.add.accumulate(x, axis=1) + np.multiply.accumulate(x) + np.maximum.accumulate(x, axis=1) * np.minimum.accumulate(x[::-1]),
    "sliding windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1) ** 2,
    "sliding windows of a shape": lambda x: np.lib.stride_tricks.sliding_window_view(np.vstack([x, 3 * x]), (2, 2)),
    "resize": lambda x: np.resize(x, (4, 4)),
    "insert": lambda x: np.insert(x, [0, 2], x[0, 1:]) + np.sum(np.insert(x, 1, 5.0)),
    "insert along an axis": lambda x: np.insert(x, 1, x[:, 0] ** 2, axis=1),
    "choose": lambda x: np.choose(np.array([[0, 1, 0], [2, 2, 1]]), [x, x**2, 7.0]),
    "diagflat": lambda x: np.diagflat(x, 1),
    "piecewise": lambda x: np.piecewise(x, [X < 0.8, X > 1.4], [lambda t: t**2, 3.0, np.sin]),
    "piecewise, the last one counts": lambda x: np.piecewise(x, [X > 0.4, X > 1.4], [lambda t, k: k * t, lambda t, k: t**k], 3.0),
    "piecewise of a number": lambda x: np.piecewise(x[0, 0], [X[0, 0] < 0, X[0, 0] >= 0], [np.sin, lambda t: t**3]),
    "apply_along_axis": lambda x: np.apply_along_axis(np.cumsum, 0, x) * np.apply_along_axis(lambda row: np.sum(row) ** 2, 1, x)[:, None],
    "apply_along_axis, to matrices": lambda x: np.apply_along_axis(lambda row: np.outer(row, row), 0, x),
    "modf": lambda x: np.modf(x + 0.1)[0] ** 2 + np.modf(-x - 0.1)[1],
    "ldexp": lambda x: np.ldexp(x, [1, 2, -3]),
    "unwrap": lambda x: np.unwrap(7 * x) ** 2,
    "cond": lambda x: np.linalg.cond(x) + np.linalg.cond(x, -2) + np.linalg.cond(x @ x.T, 1) + np.linalg.cond(x @ x.T, "fro"),
    "tensorsolve": lambda x: np.linalg.tensorsolve(np.kron(x[:, :2], np.eye(3)).reshape(2, 3, 6), x),
    "tensorsolve, axes moved": lambda x: np.linalg.tensorsolve(np.moveaxis(np.kron(x[:, :2], np.eye(3)).reshape(2, 3, 6), 2, 0), x, axes=(0,)),
    "tensorinv": lambda x: np.linalg.tensorinv(np.kron(x[:, :2], np.eye(3)).reshape(6, 3, 2), ind=1),
    "nan left out": lambda x: np.nancumsum(np.where(X > 1.4, np.nan, x), axis=1) + np.nancumprod(np.where(X > 1.4, np.nan, x)).reshape(2, 3),
    "nanvar": lambda x: np.nanvar(np.where(X > 1.8, np.nan, x), axis=1, ddof=1) + np.nanvar(np.where(X > 1.8, np.nan, x)),
    "nanstd": lambda x: np.nanstd(np.where(X > 1.8, np.nan, x), axis=1, keepdims=True) + np.nanstd(x[:1] * 0.0 + 2.0),
    "logspace": lambda x: np.logspace(x[0], x[1], 4, base=2.0) + np.logspace(0.0, x[0], 4),
    "geomspace": lambda x: np.geomspace(x[0], x[1], 4) + np.geomspace(-x[0], -2.0, 4, endpoint=False),
    "vander": lambda x: np.vander(x[0]) + np.vander(x[1], 3, increasing=True),
    "polyfit": lambda x: np.polyfit(x[0], x[1], 1) + np.polyfit([0.0, 1.0, 3.0], x[0], 1, w=[1.0, 2.0, 3.0]),
    "polyfit of several": lambda x: np.polyfit([0.0, 1.0, 3.0], x.T, 1),
    "full_like": lambda x: np.full_like(x, x[0, 1]) * np.full_like(x, x[1, 1] ** 2, shape=(2, 1)),
    "divide by reflected": lambda x: 1 / x - 2 * x + 3**x,
    "method chain": lambda x: (
        x.reshape(3, 2).T.sum(axis=0).mean() + x.max() - x.min() + x.prod() + x.std() + x.var()
    ),
    "method moves": lambda x: x.ravel().reshape(2, 3).swapaxes(0, 1).transpose().squeeze().repeat(2, axis=0),
    "method sums": lambda x: x.cumsum(axis=0) + x.cumprod(axis=1) + x.clip(0.4, 1.4) + x.dot(x.T).trace(),
}


def central(f: Callable[[Any], Any], x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Central differences of Σ weights·f, good to 1e-7 or so."""
    out, h = np.zeros_like(x), 1e-6
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        out[i] = (np.sum(f(up) * weights) - np.sum(f(down) * weights)) / (2 * h)
    return out


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_on_a_tensor(name: str) -> None:
    """NumPy's answer, as a tensor that gradients flow through."""
    f = FUNCTIONS[name]
    t, expected = Tensor(X), f(X)
    out = f(t)
    assert isinstance(out, Tensor)
    assert out.op is not None
    np.testing.assert_allclose(out.data, expected, rtol=1e-13, atol=1e-15)
    weights = np.random.default_rng(0).standard_normal(out.shape)
    out.backward(weights)
    np.testing.assert_allclose(t.grad, central(f, X, weights), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", UFUNCS)
def test_a_ufunc_works_on_every_kind_of_operand(name: str) -> None:
    """On a tensor, a value, and an array of values."""
    f = getattr(np, name)
    t, v = Tensor(X), Value(0.5)
    out, single = f(t), f(v)
    assert isinstance(out, Tensor)
    assert isinstance(single, Value)
    np.testing.assert_allclose(out.data, f(X), rtol=1e-15)
    np.testing.assert_allclose(single.data, f(0.5), rtol=1e-15)
    out.sum().backward()
    single.backward()
    np.testing.assert_allclose(t.grad, central(f, X, np.ones_like(X)), rtol=1e-6, atol=1e-8)
    assert v.grad == pytest.approx(t.grad[0, 0], rel=1e-14)
    if name in {"fabs", "sign"}:  # NumPy has its own idea of these for objects
        return
    objects = f(np.array([Value(0.5), Value(1.5)]))
    assert objects.dtype == object
    np.testing.assert_allclose([o.data for o in objects], f(np.array([0.5, 1.5])), rtol=1e-15)


OPERANDS: dict[str, Callable[[], Any]] = {
    "int": lambda: 2,
    "float": lambda: 2.5,
    "bool": lambda: True,
    "float64": lambda: np.float64(2.5),
    "float32": lambda: np.float32(2.5),
    "int64": lambda: np.int64(2),
    "uint8": lambda: np.uint8(2),
    "array": lambda: np.array([0.5, 1.5, 2.5]),
    "integer array": lambda: np.array([1, 2, 3]),
    "array 0d": lambda: np.array(2.5),
    "read-only array": lambda: np.broadcast_to(2.5, (3,)),
    "big-endian array": lambda: np.array([0.5, 1.5, 2.5], ">f8"),
    "Value": lambda: Value(2.5),
    "Tensor": lambda: Tensor([0.5, 1.5, 2.5]),
    "Tensor 0d": lambda: Tensor(2.5),
}
ARRAYS = {"array", "array 0d", "integer array", "read-only array", "big-endian array", "Tensor", "Tensor 0d"}


def plain(x: Any) -> Any:
    """The number or array behind an operand, as float64."""
    return np.asarray(x.data if isinstance(x, (Value, Tensor)) else x, dtype=np.float64)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("other", OPERANDS)
@pytest.mark.parametrize("mine", ["Value", "Tensor"])
@pytest.mark.parametrize("name", BINARY)
def test_a_ufunc_of_two_kinds_of_operand(name: str, mine: str, other: str, side: str) -> None:
    """A ufunc agrees with NumPy on plain numbers, and gives a `Tensor` where any operand is an array."""
    f, me, it = getattr(np, name), OPERANDS[mine](), OPERANDS[other]()
    args = (me, it) if side == "left" else (it, me)
    out = f(*args)
    wants_tensor = mine == "Tensor" or other in ARRAYS
    assert type(out) is (Tensor if wants_tensor else Value)
    np.testing.assert_allclose(out.data, f(*map(plain, args)), rtol=1e-14)
    out.backward(np.ones(out.shape)) if wants_tensor else out.backward()
    step = 1e-6
    moved = [np.sum(f(*[plain(a) + (d if a is me else 0) for a in args])) for d in (step, -step)]
    slope = me.grad if mine == "Value" else me.grad.sum()
    assert np.shape(me.grad) == np.shape(me.data)
    assert type(me.grad) is (float if mine == "Value" else np.ndarray)
    assert float(slope) == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    "operator",
    [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a**b],
    ids=["add", "sub", "mul", "div", "pow"],
)
@pytest.mark.parametrize("other", OPERANDS)
@pytest.mark.parametrize("mine", ["Value", "Tensor"])
def test_operators_with_anything_on_either_side(mine: str, other: str, operator: Any) -> None:
    """Never an object array, never a plain array."""
    for left in (True, False):
        me, it = OPERANDS[mine](), OPERANDS[other]()
        args = (me, it) if left else (it, me)
        out = operator(*args)
        assert type(out) is (Tensor if mine == "Tensor" or other in ARRAYS else Value)
        np.testing.assert_allclose(out.data, operator(*map(plain, args)), rtol=1e-14)


def test_array_times_value_is_one_node() -> None:
    """And the gradient reaches the value summed to a float."""
    v = Value(3.0)
    y = np.array([1.0, 2.0]) * v
    assert type(y) is Tensor
    assert y.op.name == "mul"
    assert y.parents[1] is v
    y.backward([1.0, 10.0])
    assert (v.grad, type(v.grad)) == (21.0, float)


def test_value_in_a_matrix_program() -> None:
    """Values and tensors in one graph, each used twice."""
    v, t = Value(2.0), Tensor([[1.0, 2.0], [3.0, 4.0]])
    y = np.sum((t @ t) * v + v * v - t / v)
    y.backward()
    ones = np.ones((2, 2))
    assert v.grad == pytest.approx(np.sum(t.data @ t.data) + 4 * 4 + np.sum(t.data) / 4)
    np.testing.assert_allclose(t.grad, 2 * (ones @ t.data.T + t.data.T @ ones) - ones / 2)


def test_lists_of_values_and_tensors_are_joined() -> None:
    """stack and concatenate keep the graph."""
    v, w, t = Value(1.0), Value(2.0), Tensor([3.0])
    y = np.concatenate([np.stack([v, w, v * w]), t, [5.0]])
    assert isinstance(y, Tensor)
    (y * np.array([1.0, 10.0, 100.0, 1000.0, 1.0])).sum().backward()
    assert (v.grad, w.grad, t.grad.tolist()) == (201.0, 110.0, [1000.0])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_stack_is_one_node(axis: int) -> None:
    """Of numbers, Values, arrays and Tensors alike, so that a picture shows what was written."""
    v, t = Value(2.0), Tensor([1.0, 3.0])
    for y in (np.stack([v, 1.0, v * v, 4]), ag.array([v, 1.0, v * v, 4])):
        assert isinstance(y, Tensor) and y.op is not None and y.op.name == "stack" and y.tolist() == [2.0, 1.0, 4.0, 4.0]
        assert [p is v for p in y.parents] == [True, False, False, False]
    rows = np.stack([t, [5.0, 6.0], np.array([7, 8]), t], axis)
    assert rows.op.name == "stack" and rows.shape == ((4, 2) if axis == 0 else (2, 4))
    weights = np.arange(8.0).reshape(rows.shape)
    (rows * weights).sum().backward()
    assert t.grad.tolist() == (weights[0] + weights[3] if axis == 0 else weights[:, 0] + weights[:, 3]).tolist()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_gradient_of_a_transposed_factor_lies_in_memory_as_its_leaf_does(side: str) -> None:
    """`x @ W.T` is how a layer is written: an update of W goes through memory in order, and numbers are those of `linear`."""
    x, w = np.arange(12.0).reshape(4, 3) / 7.0, Tensor(np.arange(6.0).reshape(2, 3))
    y = x @ w.T if side == "right" else (w @ x.T).T
    g = np.array([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0], [4.0, 2.0]])
    y.backward(g)
    assert np.array_equal(w.grad, g.T @ x) and w.grad.flags.c_contiguous and w.grad.flags.owndata
    f = Tensor(np.asfortranarray(w.data))
    (x @ f.T if side == "right" else (f @ x.T).T).backward(g)
    np.testing.assert_allclose(f.grad, g.T @ x, rtol=1e-15)


def test_arrays_of_values() -> None:
    """Object arrays of `Value` work with ufuncs, sums, products, norms and statistics."""

    def fresh() -> np.ndarray:
        return np.array([Value(1.0), Value(2.0), Value(4.0)])

    for f, expected in [
        (lambda a: np.exp(a).sum(), np.exp([1.0, 2.0, 4.0])),
        (lambda a: (a * a).sum(), [2.0, 4.0, 8.0]),
        (lambda a: a @ np.array([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]),
        (lambda a: np.mean(a), [1 / 3] * 3),
        (lambda a: np.prod(a), [8.0, 4.0, 2.0]),
        (lambda a: np.max(a), [0.0, 0.0, 1.0]),
        (lambda a: np.var(a), 2 / 3 * (np.array([1.0, 2.0, 4.0]) - 7 / 3)),
        (lambda a: np.maximum(a, 3.0).sum(), [0.0, 0.0, 1.0]),
        (lambda a: ag.sigmoid(a).sum(), [s * (1 - s) for s in 1 / (1 + np.exp([-1.0, -2.0, -4.0]))]),
        (lambda a: np.linalg.norm(a), np.array([1.0, 2.0, 4.0]) / np.sqrt(21)),
    ]:
        a = fresh()
        out = f(a)
        assert isinstance(out, Value)
        out.backward()
        np.testing.assert_allclose([v.grad for v in a], expected, rtol=1e-14)


def test_the_fields_functions_on_lists_of_values() -> None:
    """logsumexp, softmax and log_softmax of `Value`s."""
    v, w = Value(2.0), Value(3.0)
    total = ag.logsumexp([v, w])
    assert float(total.data) == pytest.approx(np.logaddexp(2.0, 3.0))
    total.backward()
    np.testing.assert_allclose([v.grad, w.grad], np.exp([2.0, 3.0]) / np.exp([2.0, 3.0]).sum())
    for f in (ag.softmax, ag.log_softmax):
        out = f([Value(2.0), Value(3.0)])
        np.testing.assert_allclose(
            [float(getattr(o, "data", o)) for o in out], f(np.array([2.0, 3.0])), rtol=1e-14
        )


# -------------------------------------------------------------------------------------------- dtypes
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in {"concatenate", "stack", "vstack"}])
def test_float32_stays_float32(name: str) -> None:
    """In the result wherever it does in NumPy, and in the gradient."""
    t = Tensor(X.astype(np.float32))
    out = FUNCTIONS[name](t)
    assert out.dtype in {np.dtype(np.float32), np.asarray(FUNCTIONS[name](X.astype(np.float32))).dtype}
    out.sum().backward()
    assert t.grad.dtype == np.float32


@pytest.mark.parametrize(
    "name",
    [
        *UFUNCS,
        "sigmoid",
        "relu",
        "leaky_relu",
        "elu",
        "softplus",
        "silu",
        "gelu",
        "erf",
        "softmax",
        "log_softmax",
        "logsumexp",
        "sinc",
        "step",
    ],
)
def test_elementwise_float32(name: str) -> None:
    """Nothing widens on the way, to second order."""
    f = getattr(np, name, None) or getattr(ag, name)
    t = Tensor(X.astype(np.float32))
    out = f(t)
    assert out.dtype == np.float32
    out.backward(np.ones(out.shape, np.float32))
    assert t.grad.dtype == np.float32
    second = grad(lambda x: (grad(lambda z: f(z).sum())(x) ** 2).sum())(t.data)
    assert second.dtype == np.float32


@pytest.mark.parametrize(
    "constant",
    [2, 2.0, True, Value(2.0), np.ones(3, np.float32), np.float32(2)],
    ids=lambda c: type(c).__name__,
)
def test_numbers_and_values_do_not_widen_float32(constant: Any) -> None:
    """Python numbers and values are weak, as in NumPy 2."""
    t = Tensor(np.ones(3, np.float32))
    for out in (
        t * constant,
        constant * t,
        t + constant,
        constant - t,
        t**constant,
        np.maximum(t, constant),
        np.where(t.data > 0, t, constant),
    ):
        assert out.dtype == np.float32
        t.grad = None
        out.sum().backward()
        assert t.grad.dtype == np.float32


def test_float64_constants_widen_as_in_numpy() -> None:
    """The gradient comes back in the dtype of the tensor."""
    t = Tensor(np.ones(2, np.float32))
    out = t * np.ones(2)
    assert out.dtype == np.float64
    out.sum().backward()
    assert t.grad.dtype == np.float32


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g"])
def test_every_floating_dtype(dtype: str) -> None:
    """Half and long double as well."""
    t = Tensor(np.ones((2, 2), dtype))
    y = (t @ t).sum() / 2
    y.backward()
    assert y.dtype == t.dtype == t.grad.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(t.grad, np.full((2, 2), 2.0))


# ------------------------------------------------------------------------------------ unusual arrays
class Special(np.ndarray):
    """A subclass without behaviour."""


UNUSUAL: dict[str, np.ndarray] = {
    "transposed": np.arange(1.0, 7.0).reshape(3, 2).T,
    "strided": np.arange(1.0, 13.0).reshape(2, 6)[:, ::2],
    "reversed": np.arange(1.0, 7.0).reshape(2, 3)[::-1],
    "Fortran": np.asfortranarray(np.arange(1.0, 7.0).reshape(2, 3)),
    "read-only": np.broadcast_to(np.array([1.0, 2.0, 3.0]), (2, 3)),
    "big-endian": np.arange(1.0, 7.0).reshape(2, 3).astype(">f8"),
    "subclass": np.arange(1.0, 7.0).reshape(2, 3).view(Special),
    "integers": np.arange(1, 7).reshape(2, 3),
    "unsigned": np.full((2, 3), 200, np.uint8),
    "booleans": np.ones((2, 3), bool),
    "empty": np.zeros((2, 0)),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_arrays(name: str) -> None:
    """As the data of a tensor, and as a constant on either side, also in the backward pass."""
    a = UNUSUAL[name]
    exact = np.asarray(a, dtype=np.float64)
    t = Tensor(a)
    assert type(t.data) is np.ndarray
    assert t.data.flags.writeable
    (t * t * a).sum().backward()
    np.testing.assert_allclose(t.grad, 2 * exact * exact)
    assert type(t.grad) is np.ndarray
    assert t.grad.flags.writeable
    t.grad = None
    ((a * t - a / (t + 1)).sum() + (a @ t.T).sum()).backward()
    np.testing.assert_allclose(
        t.grad, exact + exact / (exact + 1) ** 2 + np.broadcast_to(exact.sum(axis=0), exact.shape)
    )
    v = Value(2.0)
    (a * v).sum().backward()
    assert v.grad == exact.sum()


NARROW = [
    np.int8(100),
    np.uint8(200),
    np.int16(3000),
    np.array([100] * 3, np.int8),
    np.float16(3),
    np.float32(3),
]


@pytest.mark.parametrize("constant", NARROW, ids=lambda c: f"{type(c).__name__} {c.dtype}")
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("f", [np.multiply, np.divide, np.arctan2, np.hypot, np.power, np.logaddexp])
def test_narrow_constants(f: Any, side: str, constant: Any) -> None:
    """A small integer must not wrap round, and a half not round off, inside of a rule."""
    grads = []
    for c in (constant, np.asarray(constant, dtype=np.float64)):
        t = Tensor([0.25, 0.5, 0.75])
        f(*((c, t) if side == "left" else (t, c))).sum().backward()
        grads.append(t.grad)
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-13)


def test_narrow_tensors_in_a_wide_operation() -> None:
    """float32 with float64 gives float64: the derivative by the wide one is exact to float64."""
    base, exponent = Tensor(np.array([3.0], np.float32)), Tensor([0.5])
    (base**exponent).sum().backward()
    np.testing.assert_allclose(exponent.grad, 3**0.5 * np.log(3.0), rtol=1e-14)
    assert base.grad.dtype == np.float32


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("f", [lambda m, x: m * x, lambda m, x: x * m], ids=["left", "right"])
def test_matrix_subclass_is_an_array(f: Any) -> None:
    """np.matrix means another thing by `*`: as a constant it must not do so in the backward pass."""
    m = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    t = Tensor(np.eye(2) + 1)
    out = f(m, t)
    np.testing.assert_array_equal(out.data, [[2.0, 2.0], [3.0, 8.0]])
    out.sum().backward()
    np.testing.assert_array_equal(t.grad, [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda m, x: m * x,
        lambda m, x: x * m,
        lambda m, x: np.multiply(m, x),
        lambda m, x: np.ma.multiply(m, x),
    ],
    ids=["left", "right", "ufunc", "ma"],
)
@pytest.mark.parametrize("make", [lambda: Tensor([1.0, 2.0]), lambda: Value(2.0)], ids=["Tensor", "Value"])
def test_masked_arrays_drop_neither_mask_nor_graph(make: Any, f: Any) -> None:
    """There is no rule for masks: it raises, unless NumPy makes an array of `Value`s that keeps both."""
    x = make()
    try:
        out = f(np.ma.array([1.0, 2.0], mask=[False, True]), x)
    except AutogradError as error:
        assert "mask" in str(error) or "graph" in str(error)  # noqa: PT017
    else:
        assert isinstance(x, Value)
        assert isinstance(out, np.ma.MaskedArray)
        assert out.mask.tolist() == [False, True]
        out[0].backward()
        assert x.grad == 1.0


BY_NAME: dict[str, Callable[[Any], Any]] = {
    "a": lambda x: np.sum(a=x, axis=0) + np.cumsum(a=x, axis=1) * np.median(a=x),
    "a and b": lambda x: np.dot(a=x, b=x.T) + np.outer(a=x[0, :2], b=x[1, :2]) + np.kron(a=x[0, :1], b=x[1, :1]),
    "a and b of solve": lambda x: np.linalg.solve(a=SQUARE, b=x) + np.linalg.solve(a=x[:, :2], b=x),
    "m": lambda x: np.flip(m=x, axis=0) + np.tril(m=x) + np.rot90(m=x, k=2),
    "A": lambda x: np.tile(A=x, reps=2),
    "v": lambda x: np.diag(v=x[0]) + np.convolve(a=x[0], v=x[1, :1]),
    "array": lambda x: np.pad(array=x, pad_width=1) + np.broadcast_to(array=x[0, 0], shape=(4, 5)),
    "ary": lambda x: np.split(ary=x, indices_or_sections=3, axis=1)[1],
    "arr": lambda x: np.append(arr=x, values=x, axis=0) + np.delete(arr=x, obj=[], axis=0)[0],
    "no matter": lambda x: np.sort(a=x, kind="stable") + np.ravel(a=x, order="C").reshape(2, 3),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_arguments_by_the_names_that_numpy_gives_them(name: str) -> None:
    """NumPy says `a`, `m`, `ary`; the answer and the gradient are those of the same call on an array."""
    f = BY_NAME[name]
    out = f(Tensor(X))
    assert isinstance(out, Tensor)
    np.testing.assert_allclose(out.data, f(X))
    ag.check_grads(f, (X,))


SPECIAL = ["cbrt", "entr", "erf", "erfc", "exp10", "exp2", "expit", "expm1", "log1p", "log_expit", "logit", "ndtr"]


@pytest.mark.parametrize("name", SPECIAL)
def test_functions_of_scipy(name: str) -> None:
    """`scipy.special`'s ufuncs by their names: SciPy's numbers, checked derivatives; one without a rule says so."""
    special = pytest.importorskip("scipy.special", reason="compares with SciPy")
    f = getattr(special, name)
    points = np.array([0.1, 0.4, 0.9])
    np.testing.assert_allclose(f(Tensor(points)).data, f(points), rtol=1e-14)
    ag.check_grads(lambda x: f(x), (points,))
    ag.check_grads(lambda x: f(x), (0.3,))
    with pytest.raises(MissingRuleError, match=r"^scipy\.special\.gammaln has no derivative rule"):
        special.gammaln(Tensor(points))


@pytest.mark.parametrize("f", [np.sum, np.prod, np.max, np.cumsum, np.cumprod])
def test_a_zero_without_axes_reduced_along_the_first(f: Any) -> None:
    """NumPy allows axis 0 there; the derivative is 1."""
    t = Tensor(0.0)
    out = f(t, axis=0)
    assert out.shape == f(np.array(0.0), axis=0).shape
    out.sum().backward()
    assert t.grad == 1.0


def test_xlogy_of_scipy() -> None:
    """x·ln y, 0 where x is 0; ∂x there is ln y as long as that is finite."""
    special = pytest.importorskip("scipy.special", reason="compares with SciPy")
    x, y = np.array([0.0, 0.0, 0.0, 2.0, 0.0]), np.array([3.0, 0.0, np.inf, 0.5, -1.0])
    a, b = Tensor(x), Tensor(y)
    out = special.xlogy(a, b)
    np.testing.assert_allclose(out.data, special.xlogy(x, y))
    out.sum().backward()
    np.testing.assert_allclose(a.grad, [np.log(3.0), 0.0, 0.0, np.log(0.5), 0.0])
    np.testing.assert_allclose(b.grad, [0.0, 0.0, 0.0, 4.0, 0.0])
    assert np.isnan(special.xlogy(Tensor([0.0]), np.array([np.nan])).data).all()


def test_xlog1py_of_scipy() -> None:
    """x·ln(1 + y), 0 where x is 0."""
    special = pytest.importorskip("scipy.special", reason="compares with SciPy")
    x, y = np.array([0.0, 0.0, 2.0]), np.array([3.0, -1.0, -0.5])
    np.testing.assert_allclose(special.xlog1py(Tensor(x), y).data, special.xlog1py(x, y))
    ag.check_grads(lambda x, y: special.xlog1py(x, y), (x[[0, 2]], y[[0, 2]]))


@pytest.mark.parametrize("name", ["matvec", "vecmat"])
def test_products_of_newer_versions(name: str) -> None:
    """Matrices times vectors and the reverse, over leading axes that broadcast."""
    f = getattr(np, name, None)
    if f is None:
        pytest.skip("since NumPy 2.2")
    matrices, vectors = np.arange(12.0).reshape(2, 2, 3), np.array([1.0, -2.0, 0.5])
    args = (matrices, vectors) if name == "matvec" else (vectors[:2], matrices)
    np.testing.assert_allclose(f(*map(Tensor, args)).data, f(*args))
    ag.check_grads(lambda x, y: f(x, y), args)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running_sums_of_newer_versions(name: str) -> None:
    """With what they start from, or without."""
    f = getattr(np, name, None)
    if f is None:
        pytest.skip("since NumPy 2.1")
    for options in ({"axis": 1}, {"axis": 0, "include_initial": True}, {"axis": -1, "include_initial": True}):
        np.testing.assert_allclose(f(Tensor(X), **options).data, f(X, **options))
        ag.check_grads(lambda x, options=options: f(x, **options), (X,))
    np.testing.assert_allclose(f(Tensor(X[0])).data, f(X[0]))


@given(
    x=strategies.arrays(st.tuples(st.integers(1, 3), st.integers(1, 4)), domain=ag.Interval(-3.0, 3.0)), axis=st.sampled_from([0, 1, -1]),
    ufunc=st.sampled_from([np.maximum, np.minimum, np.add, np.multiply]),
)  # fmt: skip
def test_accumulations_agree_with_numpy(x: np.ndarray, axis: int, ufunc: np.ufunc) -> None:
    """Ties and nan as in NumPy; every gradient that comes in goes to an element that is as far out."""
    for data in (x, np.where(x > 2.0, np.nan, x)):
        t = Tensor(data)
        out = ufunc.accumulate(t, axis=axis)
        np.testing.assert_array_equal(out.data, ufunc.accumulate(data, axis=axis)) if ufunc in (np.maximum, np.minimum) else None
        np.testing.assert_allclose(out.data, ufunc.accumulate(data, axis=axis), rtol=1e-14)
        if ufunc in (np.maximum, np.minimum):
            out.sum().backward()
            assert t.grad.sum() == x.size
            assert np.nansum(t.grad * np.nan_to_num(data)) == pytest.approx(np.nansum(out.data))


@given(
    x=strategies.arrays(st.tuples(st.integers(1, 3), st.integers(1, 3)), domain=ag.Interval(-3.0, 3.0)), values=strategies.floats_in(),
    place=st.integers(-1, 1), axis=st.sampled_from([None, 0, 1]),
)  # fmt: skip
def test_insertions_agree_with_numpy(x: np.ndarray, values: float, place: int, axis: int | None) -> None:
    """Whatever goes where, the gradient of each element of x is that of its place."""
    expected = np.insert(x, place, values, axis=axis)
    t, v = Tensor(x), Value(values)
    out = np.insert(t, place, v, axis=axis)
    np.testing.assert_array_equal(out.data, expected)
    weights = np.random.default_rng(0).normal(size=expected.shape)
    out.backward(weights)
    marked = np.insert(np.zeros(x.shape), place, 1.0, axis=axis).astype(bool)
    np.testing.assert_allclose(t.grad.ravel(), weights[~marked].reshape(t.grad.size))
    assert v.grad == pytest.approx(weights[marked].sum())


def test_sorting_in_place_is_refused() -> None:
    """The method of an array sorts that array; done on a copy in silence it would leave the numbers as they are."""
    t = Tensor([3.0, 1.0, 2.0])
    with pytest.raises(AttributeError, match=r"here it is written np\.sort\(x\), a sorted copy"):
        t.sort()
    assert np.sort(t).tolist() == [1.0, 2.0, 3.0]
    assert t.tolist() == [3.0, 1.0, 2.0]


def test_rounding_for_reading() -> None:
    """round() gives a plain number, as float() does; inside a transform both refuse, and np.round stays in the graph."""
    assert (round(Value(2.345), 1), round(Tensor(2.345), 1), round(Value(2.6))) == (2.3, 2.3, 3)
    with pytest.raises(GraphError):
        grad(lambda x: round(x, 1) * x)(1.0)
    assert grad(lambda x: np.round(x, 1) * x)(2.32) == 2.3


def test_a_value_has_the_shape_of_a_number() -> None:
    """Functions written for arrays ask for it."""
    v = Value(2.0)
    assert (v.shape, v.ndim, v.size) == ((), 0, 1)


# ---------------------------------------------------------------------------------- what has no rule
NO_RULE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "fft": ("fft.fft", lambda x: np.fft.fft(x)),
    "eig": ("linalg.eig", lambda x: np.linalg.eig(np.outer(x, x))),
    "fft of windows": ("fft.rfft", lambda x: np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, 2))),
    "angle": ("angle", lambda x: np.angle(x)),
    "roots": ("roots", lambda x: np.roots(x)),
    "nextafter": ("nextafter", lambda x: np.nextafter(x, 1)),
    "nanmedian": ("nanmedian", lambda x: np.nanmedian(x)),
    "frexp": ("frexp", lambda x: np.frexp(x)),
}


@pytest.mark.parametrize("name", NO_RULE)
def test_function_without_a_rule(name: str) -> None:
    """A TypeError that names the function and says how to add it."""
    called, f = NO_RULE[name]
    with pytest.raises(TypeError, match=rf"^np\.{re.escape(called)} has no derivative rule.*Op\(") as info:
        f(Tensor([1.0, 2.0]))
    assert isinstance(info.value, MissingRuleError)


REASONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "fft": ("complex numbers", lambda x: np.fft.fft(x)),
    "rfft": ("complex numbers", lambda x: np.fft.rfft(x)),
    "fftshift": ("moves elements, as np.roll does", lambda x: np.fft.fftshift(x)),
    "eigvals": ("complex numbers", lambda x: np.linalg.eigvals(np.outer(x, x))),
    "fill_diagonal": ("writes into an array", lambda x: np.fill_diagonal(np.outer(x, x), 0.0)),
    "put_along_axis": ("writes into an array", lambda x: np.put_along_axis(x, np.array([0]), 1.0, 0)),
    "copyto": ("writes into an array", lambda x: np.copyto(np.zeros(2), x)),
    "stack with the option dtype=": (r"gives the dtype of its operands; x\.astype", lambda x: np.stack([x, x], dtype=np.float32)),
    "add with the option where=": (r"leaves elements undefined; np\.where\(condition, x, y\)", lambda x: np.add(x, 1.0, where=np.array([True, False]))),
    "at": ("writes into an array", lambda x: np.add.at(np.zeros(2), [0, 1], x)),
}


@pytest.mark.parametrize("name", REASONS)
def test_a_function_that_cannot_have_a_rule_says_why(name: str) -> None:
    """Complex numbers have no gradient here, and a graph needs the elements that would be written over."""
    reason, f = REASONS[name]
    with pytest.raises(MissingRuleError, match=rf"{name} has no derivative rule here \(it.* ?{reason}"):
        f(Tensor([1.0, 2.0]))


@pytest.mark.parametrize(
    ("option", "call"),
    [
        ("out=", lambda t: np.add(t, 1, out=np.zeros(2))),
        ("where=", lambda t: np.add(t, 1, where=np.array([True, False]))),
        ("accumulate", lambda t: np.hypot.accumulate(t)),
        ("casting=", lambda t: np.add(t, 1, casting="unsafe")),
        ("out=", lambda t: np.greater(t, 1.5, out=Tensor([0.0, 0.0]))),
        ("out=", lambda t: np.less(np.ones(2), 1.5, t)),
        ("out=", lambda t: np.any(t, axis=0, out=Tensor(0.0))),
        ("out=", lambda t: np.isnan(np.ones(2), out=(t,))),
        ("reduceat", lambda t: np.multiply.reduceat(t, [0])),
        ("at", lambda t: np.add.at(t, [0], 1.0)),
    ],
)
def test_option_of_a_ufunc_without_a_rule(option: str, call: Any) -> None:
    """Named as well."""
    with pytest.raises(TypeError, match=rf"{option}.*no derivative rule"):
        call(Tensor([1.0, 2.0]))


@pytest.mark.parametrize("make", [lambda: Tensor([1.0, 2.0]), lambda: Value(2.0)], ids=["Tensor", "Value"])
def test_in_place_operators_of_arrays_refuse(make: Any) -> None:
    """`array += tensor` would leave the graph."""
    a = np.ones(2)
    with pytest.raises(TypeError, match=r"no derivative rule here \(it writes into an array, as `a \+= tensor` does; a = a \+ tensor makes a new one\)"):
        a += make()
    np.testing.assert_array_equal(a, [1.0, 1.0])


DROPPING: dict[str, Callable[[Any], Any]] = {
    "np.array": lambda t: np.array(t),
    "np.asarray": lambda t: np.asarray(t),
    "np.asarray, dtype": lambda t: np.asarray(t, dtype=np.float32),
    "list of tensors": lambda t: np.array([t, t]),
    "list of rows": lambda t: np.array(list(np.stack([t, t]))),
    "ascontiguousarray": lambda t: np.ascontiguousarray(t),
    "float64": lambda t: np.float64(t),
    "slice assignment": lambda t: np.zeros(2).__setitem__(slice(None), t),
    "copyto": lambda t: np.copyto(np.zeros(2), t),
    "full": lambda t: np.full((3, 2), t),
    "random": lambda t: np.random.default_rng(0).normal(t),
    "vectorize": lambda t: np.vectorize(abs)(t),
    "ma": lambda t: np.ma.sum(t),
    "testing": lambda t: np.testing.assert_allclose(t, t),
}


@pytest.mark.parametrize("name", DROPPING)
def test_the_graph_is_never_dropped_silently(name: str) -> None:
    """What would turn a differentiable tensor into a plain array raises, and says what to write instead."""
    with pytest.raises((GraphError, MissingRuleError), match=r"detach|numpy\(\)"):
        DROPPING[name](Tensor([1.0, 2.0]))


def test_plain_data_is_given_out_when_asked_for() -> None:
    """.numpy(), .data, .detach(), .item(), and constants convert freely."""
    t = Tensor([1.0, 2.0])
    np.testing.assert_allclose(t.numpy(), [1.0, 2.0])
    np.testing.assert_allclose(np.asarray(t.detach()), [1.0, 2.0])
    np.testing.assert_allclose(np.median(t.data), 1.5)
    assert float(Tensor(2.0)) == 2.0
    assert float(Value(2.0)) == 2.0


def test_functions_without_derivative_give_plain_answers() -> None:
    """Comparisons, shapes, and where the largest is: no graph to lose."""
    t = Tensor([3.0, 1.0, 2.0])
    assert np.argmax(t) == 0
    assert np.argmin(t) == 1
    np.testing.assert_array_equal(np.argsort(t), [1, 2, 0])
    np.testing.assert_array_equal(np.isnan(t), [False] * 3)
    np.testing.assert_array_equal(np.isfinite(t), [True] * 3)
    assert np.shape(t) == (3,)
    assert np.ndim(t) == 1
    assert np.size(t) == 3
    assert np.allclose(t, [3.0, 1.0, 2.0])
    assert np.array_equal(t, t)
    assert np.any(t > 2)
    assert not np.all(t > 2)
    for zeros in (np.zeros_like(t), np.ones_like(t)):
        assert type(zeros) is np.ndarray
        assert zeros.shape == (3,)
    np.testing.assert_array_equal(np.greater(t, 1.5, out=np.zeros(3, bool)), [True, False, True])
    np.testing.assert_array_equal(np.greater(t, 0.0, where=t > 1.5, out=np.zeros(3, bool)), [True, False, True])
    np.testing.assert_array_equal(np.greater.outer(t, t.data[:2]), np.greater.outer(t.data, t.data[:2]))
    assert np.logical_and.reduce(t) and not np.logical_and.reduce(Tensor([1.0, 0.0]))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 3)])
def test_questions_take_the_axes_that_numpy_takes(shape: tuple[int, ...]) -> None:
    x = (np.arange(float(np.prod(shape))) % 3.0 - 1.0).reshape(shape)
    t = Tensor(x)
    for axis in (None, *range(-x.ndim, x.ndim), (), tuple(range(x.ndim)), tuple(range(-x.ndim, 0))[:1]):
        for keepdims in (False, True):
            for name in ("any", "all"):
                np.testing.assert_array_equal(getattr(t, name)(axis, keepdims=keepdims), getattr(x, name)(axis, keepdims=keepdims))
            if not isinstance(axis, tuple) and x.size:
                for name in ("argmax", "argmin"):
                    np.testing.assert_array_equal(getattr(t, name)(axis, keepdims=keepdims), getattr(x, name)(axis, keepdims=keepdims))
    for call in (t.any, t.all):
        with pytest.raises(AxisError, match=rf"received axis={x.ndim} for {x.ndim} axes"):
            call(axis=(x.ndim,))
    if x.ndim:
        np.testing.assert_array_equal(t.argsort(kind="quicksort"), x.argsort())
        np.testing.assert_array_equal(t.argsort(axis=None), x.argsort(axis=None, kind="stable"))


def test_where_of_a_condition_alone_is_where_it_holds() -> None:
    t = Tensor([[0.0, 2.0], [-1.0, 0.0]])
    for ours, theirs in zip(np.where(t), np.where(t.data), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert t[np.where(t > 0.0)].tolist() == [2.0]
    with pytest.raises(OperandError, match="where: received x without y, expected both"):
        np.where(t, t)
    with pytest.raises(ShapeError, match="where: received one number, expected an array of conditions"):
        np.where(Tensor(2.0))


# ------------------------------------------------------------------------------- comparison, copying
def test_comparisons_look_at_numbers() -> None:
    """`Value` gives a bool, `Tensor` an array of them, with anything on either side."""
    v, t = Value(2.0), Tensor([1.0, 2.0, 3.0])
    assert (v > 1, v < 1, 1 < v, v >= 2, v <= 2, v == 2.0, v != 2.0) == (
        True,
        False,
        True,
        True,
        True,
        True,
        False,
    )
    assert type(v > 1) is bool
    for found in (t > 1.5, t > np.full(3, 1.5), np.full(3, 1.5) < t, 1.5 < t, t > Value(1.5), Value(1.5) < t):
        assert type(found) is np.ndarray
        assert found.dtype == bool
        np.testing.assert_array_equal(found, [False, True, True])
    np.testing.assert_array_equal(v < np.array([1.0, 3.0]), [False, True])
    np.testing.assert_array_equal(np.array([1.0, 3.0]) > v, [False, True])
    assert v != "a"
    assert v is not None
    assert v != None  # noqa: E711
    assert max(Value(1.0), v) is v
    assert sorted([Value(3.0), v, Value(1.0)])[1] is v


@pytest.mark.parametrize(
    "how",
    [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_of_leaves(how: Any) -> None:
    """Data, label and the gradient so far; a change of the copy leaves the original alone."""
    v, t = Value(2.0, label="v"), Tensor([1.0, 2.0], label="t")
    (v * v).backward()
    (t * t).sum().backward()
    w, s = how(v), how(t)
    assert (w.data, w.label, w.op) == (2.0, "v", None)
    assert (s.label, s.op, s.requires_grad) == ("t", None, True)
    np.testing.assert_array_equal(s.data, [1.0, 2.0])
    w.data = 7.0
    s.data = np.array([7.0, 7.0])
    assert v.data == 2.0
    np.testing.assert_array_equal(t.data, [1.0, 2.0])
    w.grad, s.grad = 0.0, None
    (w * w).backward()
    (s * s).sum().backward()
    assert w.grad == 14.0
    np.testing.assert_array_equal(s.grad, [14.0, 14.0])
    assert v.grad == 4.0
    np.testing.assert_array_equal(t.grad, [2.0, 4.0])


@pytest.mark.parametrize(
    "how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_of_graphs(how: Any) -> None:
    """A graph of its own, with sharing kept."""
    x = Value(3.0, label="x")
    y = how(x * x * 2)
    y.backward()
    leaf = y.parents[0].parents[0]
    assert leaf is y.parents[0].parents[1]
    assert (leaf.label, leaf.grad, x.grad) == ("x", 12.0, 0.0)


def test_plus_equals_makes_a_new_node() -> None:
    """The old name keeps the old value."""
    t = Tensor([1.0, 2.0])
    u = t
    u += 1
    assert u is not t
    np.testing.assert_array_equal(t.data, [1.0, 2.0])
    u.sum().backward()
    np.testing.assert_array_equal(t.grad, [1.0, 1.0])
    v = w = Value(1.0)
    w *= 3
    assert v.data == 1.0
    w.backward()
    assert v.grad == 3.0
