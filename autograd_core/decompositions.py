"""Matrices taken apart: eigenvalues, singular values, Q and R, Cholesky's factor, and the pseudo-inverse.

A node has one result, so an entry here stacks its factors on top of each other (the eigenvalues as a first row, the
eigenvectors below them), and the function that a user calls cuts them apart again by indexing. So the one backward loop
serves, and the rule, written in terms of the stacked result, can be differentiated again.

The derivative of a vector needs the gaps between the values; where two values are equal, their vectors are not determined and
have no derivative: such pairs contribute 0, which is right wherever the result depends on the values alone.

Sources: M. Giles, *An extended collection of matrix derivative results* (2008), for eigenvalues and singular values;
Golub & Pereyra (1973) for the pseudo-inverse; Walter & Lehmann, *Algorithmic differentiation of linear algebra
functions* (2010), for QR.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import routines
from .arguments import truth
from .errors import LinAlgError, MissingRuleError
from .indexing import getitem
from .linear_algebra import matmul
from .op import Op
from .operands import data_of
from .products import swap_last
from .registry import answers, in_dtype_of, matrix, record_op, shape_of, square_matrix
from .shaping import matrix_transpose, reshape

__all__ = ["EighResult", "LstsqResult", "QRResult", "SVDResult"]

TOP, BELOW = (..., 0, slice(None)), (..., slice(1, None), slice(None))


# ------------------------------------------------------------------------------------------------ helpers
def _row(m: Any, x: Any) -> Any:
    """A vector as a row: it scales columns."""
    return m.reshape(x, shape=(*m.shape(x)[:-1], 1, m.shape(x)[-1]))


def _column(m: Any, x: Any) -> Any:
    """A vector as a column: it scales rows."""
    return m.reshape(x, shape=(*m.shape(x), 1))


def _inverse(m: Any, x: Any) -> Any:
    """1/x, and 0 where x is 0."""
    zero = m.data(x) == 0.0
    return m.where(zero, 0.0, 1.0 / m.where(zero, 1.0, x))


def _gaps(m: Any, values: Any) -> Any:
    """1/(vⱼ − vᵢ), and 0 for equal ones."""
    return _inverse(m, _row(m, values) - _column(m, values))


def _diagonal(m: Any, x: Any) -> Any:
    return _row(m, x) * np.eye(m.shape(x)[-1])


def _stacked(values: Any, *vectors: Any) -> Any:
    """The values as the first row, matrices of vectors below it."""
    return np.concatenate([values[..., None, :], *vectors], axis=-2)


def _rows(start: int, stop: int | None) -> tuple[Any, ...]:
    return (..., slice(start, stop), slice(None))


# ------------------------------------------------------------------------------------------------ entries
def _eigh(x: Any, uplo: Any) -> Any:
    return _stacked(*np.linalg.eigh(0.5 * (x + np.swapaxes(x, -1, -2)), uplo))


def _pull_eigh(m: Any, g: Any, out: Any) -> Any:
    values, vectors = m.index(out, key=TOP), m.index(out, key=BELOW)
    turned = m.matmul(swap_last(m, vectors), m.index(g, key=BELOW)) * _gaps(m, values)
    pulled = m.matmul(m.matmul(vectors, turned + _diagonal(m, m.index(g, key=TOP))), swap_last(m, vectors))
    return 0.5 * (pulled + swap_last(m, pulled))


def _svd(x: Any) -> Any:
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return _stacked(s + 0.0, u, np.swapaxes(vt, -1, -2))   # LAPACK may give −0


def _pull_svd(m: Any, g: Any, out: Any, x: Any) -> Any:
    rows = m.shape(x)[-2]
    s, u, v = (m.index(out, key=key) for key in (TOP, _rows(1, rows + 1), _rows(rows + 1, None)))
    gs, gu, gv = (m.index(g, key=key) for key in (TOP, _rows(1, rows + 1), _rows(rows + 1, None)))
    gaps = _gaps(m, m.square(s))
    ut_gu, vt_gv = m.matmul(swap_last(m, u), gu), m.matmul(swap_last(m, v), gv)
    turned_u, turned_v = ut_gu * gaps, vt_gv * gaps
    middle = (
        _diagonal(m, gs) + (turned_u + swap_last(m, turned_u)) * _row(m, s) + _column(m, s) * (turned_v + swap_last(m, turned_v))
    )
    inverse = _inverse(m, s)
    left = m.matmul(u, middle) + (gu - m.matmul(u, ut_gu)) * _row(m, inverse)
    right = (gv - m.matmul(v, vt_gv)) * _row(m, inverse)
    return m.matmul(left, swap_last(m, v)) + m.matmul(u, swap_last(m, right))


def _pull_pinv(m: Any, g: Any, out: Any, x: Any) -> Any:
    out_t, g_t = swap_last(m, out), swap_last(m, g)
    left = g_t - m.matmul(x, m.matmul(out, g_t))                # (1 − A A⁺) gᵀ
    right = g_t - m.matmul(m.matmul(g_t, out), x)               # gᵀ (1 − A⁺ A)
    return m.matmul(m.matmul(left, out), out_t) + m.matmul(m.matmul(out_t, out), right) - m.matmul(m.matmul(out_t, g), out_t)


def _pull_qr(m: Any, g: Any, out: Any, x: Any) -> Any:
    rows = m.shape(x)[-2]
    q, r, gq, gr = (m.index(a, key=key) for a in (out, g) for key in (_rows(0, rows), _rows(rows, None)))
    n = m.shape(r)[-1]
    moment = m.matmul(r, swap_last(m, gr)) - m.matmul(swap_last(m, gq), q)
    lower = moment * np.tri(n)
    symmetric = lower + swap_last(m, moment * np.tri(n, k=-1))
    return swap_last(m, m.solve(r, swap_last(m, gq + m.matmul(q, symmetric))))


def _spread_out(rng: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """Matrices whose eigenvalues and singular values lie well apart."""
    return [((0.3 * rng.normal(size=s) + np.eye(s[-2], s[-1]) * np.arange(1.0, s[-1] + 1.0),), {}) for s in shapes]


Op(name="eigh", array=lambda x, *, uplo="L": _eigh(x, uplo), numpy=(np.linalg.eigh,),
   doc="The eigenvalues of a symmetric matrix, and below them its eigenvectors as columns.",
   samples=lambda rng: _spread_out(rng, (3, 3), (2, 2, 2)),
   vjp=(lambda m, g, out, x, *, uplo="L": _pull_eigh(m, g, out),))
Op(name="svd", array=_svd, numpy=(np.linalg.svd,),
   doc="The singular values of a matrix, and below them its left and its right singular vectors as columns.",
   samples=lambda rng: _spread_out(rng, (3, 2), (2, 3), (2, 2, 2)), vjp=(_pull_svd,))
Op(name="pinv", text="{0}⁺", latex="{0}^{{+}}", array=lambda x, *, rcond=1e-15: np.linalg.pinv(x, rcond), numpy=(np.linalg.pinv,),
   doc="The pseudo-inverse of a matrix, where its rank stays the same.",
   samples=lambda rng: _spread_out(rng, (3, 2), (2, 3), (2, 2, 2)),
   vjp=(lambda m, g, out, x, *, rcond=1e-15: _pull_pinv(m, g, out, x),))
Op(name="qr", array=lambda x: np.concatenate(np.linalg.qr(x), axis=-2), numpy=(np.linalg.qr,),
   doc="Q with orthonormal columns and below it the upper triangular R, with Q @ R = x, for x with at least as many rows as columns.",
   samples=lambda rng: _spread_out(rng, (3, 2), (3, 3), (2, 2, 2)), vjp=(_pull_qr,))


# ------------------------------------------------------------------------------------ under NumPy's names
class EighResult(NamedTuple):
    """The eigenvalues of a symmetric matrix in ascending order, and its eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """U, the singular values in descending order, and Vᵀ."""

    U: Any
    S: Any
    Vh: Any


class LstsqResult(NamedTuple):
    """The solution, the sums of squared residuals (empty unless a has full rank and more rows than columns), the rank, the singular values."""

    x: Any
    residuals: Any
    rank: int
    singular_values: Any


class QRResult(NamedTuple):
    """Q with orthonormal columns, and the upper triangular R."""

    Q: Any
    R: Any


def _symmetric_by(x: Any, uplo: str) -> Any:
    """x rebuilt from the one triangle that NumPy reads; a matrix symmetric up to rounding stays, and its gradient is shared evenly by both."""
    data = np.asarray(data_of(x))
    apart = np.abs(data - np.swapaxes(data, -1, -2))
    if not np.any(apart > 4.0 * _rounding(x) * np.max(np.abs(data), axis=(-2, -1), keepdims=True, initial=0.0)):
        return x
    triangle = np.tri(data.shape[-1]) if uplo.upper() == "L" else np.tri(data.shape[-1]).T
    half = in_dtype_of(x, triangle - 0.5 * np.eye(data.shape[-1]))
    return x * half + matrix_transpose(x * half)


@answers(np.linalg.cholesky)
def cholesky(x: Any, *, upper: bool = False) -> Any:
    """The lower triangular L with L @ Lᵀ = x, or its transpose, for a positive definite x, of which one triangle is read."""
    upper = truth(upper, "cholesky", "upper")
    lower = record_op("cholesky", _symmetric_by(square_matrix(x, "cholesky"), "U" if upper else "L"))
    return matrix_transpose(lower) if upper else lower


@answers(np.linalg.eigh)
def eigh(x: Any, UPLO: str = "L") -> EighResult:
    """(eigenvalues, eigenvectors) of a symmetric matrix, of which one triangle is read."""
    both = record_op("eigh", _symmetric_by(square_matrix(x, "eigh"), UPLO), uplo=UPLO)
    return EighResult(getitem(both, TOP), getitem(both, BELOW))


@answers(np.linalg.eigvalsh)
def eigvalsh(x: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix, ascending."""
    return eigh(x, UPLO).eigenvalues


@answers(np.linalg.svd)
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, Vᵀ) with U · diag(S) · Vᵀ = x, or S alone where `compute_uv` is False."""
    rows, columns = shape_of(matrix(x, "svd" if compute_uv else "svdvals"))[-2:]
    full_matrices, compute_uv = truth(full_matrices, "svd", "full_matrices"), truth(compute_uv, "svd", "compute_uv")
    if compute_uv and full_matrices and rows != columns:
        raise MissingRuleError(f"svd: of shape {shape_of(x)} the full matrices are not determined and have no rule; use full_matrices=False.")
    both = record_op("svd", x)
    if not compute_uv:
        return getitem(both, TOP)
    return SVDResult(getitem(both, _rows(1, rows + 1)), getitem(both, TOP), matrix_transpose(getitem(both, _rows(rows + 1, None))))


@answers(np.linalg.svdvals)
def svdvals(x: Any) -> Any:
    """The singular values, descending."""
    return svd(x, compute_uv=False)


@answers(np.linalg.pinv)
def pinv(x: Any, rcond: float | None = None, *, rtol: float | None = None) -> Any:
    """The pseudo-inverse; singular values below `rcond` (or `rtol`) times the largest count as 0, and must be 0 up to rounding."""
    below = rcond if rcond is not None else rtol
    matrix(x, "pinv")
    if below is None:
        return record_op("pinv", x)
    sizes = np.linalg.svdvals(data_of(x)) if min(shape_of(x)[-2:]) else np.zeros(1)
    sizes = sizes / np.where(sizes[..., :1] == 0.0, 1.0, sizes[..., :1])
    if np.any((sizes <= below) & (sizes > 10.0 * _rounding(x))):
        raise MissingRuleError(f"pinv: with rcond={below!r:.60} singular values that are not 0 are cut off, and have no rule here; use svd.")
    return record_op("pinv", x, rcond=below)


def _rounding(x: Any) -> float:
    """How large a singular value that is really 0 may come out, relative to the largest."""
    return float(np.finfo(in_dtype_of(x, 0.0).dtype).eps) * max(*shape_of(x), 1)


@answers(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: float | None = None) -> LstsqResult:
    """The x that minimises Σ(a @ x − b)², the shortest if there are several: a⁺ @ b; its derivative holds while the rank of a stays the same.

    A matrix b is solved for column by column. Singular values below `rcond` times the largest count as 0; None is the
    precision of the dtype times the longer side of a.
    """
    shape, right = shape_of(a), shape_of(b)
    if len(shape) != 2 or len(right) not in (1, 2) or right[0] != shape[0]:
        raise LinAlgError(f"lstsq: received shapes {shape} and {right}, expected a matrix, and a vector or matrix with as many rows.")
    below = _rounding(a) if rcond is None else rcond
    values = svdvals(a) if min(shape) else in_dtype_of(a, np.zeros(0))
    sizes = np.asarray(data_of(values))
    rank = int(np.sum(sizes > below * np.max(sizes, initial=0.0)))
    x = matmul(pinv(a, below) if min(shape) else in_dtype_of(a, np.zeros(shape[::-1])), b)
    left = rank == shape[1] < shape[0]
    squares = routines.sum((matmul(a, x) - b) ** 2, 0) if left else in_dtype_of(a, np.zeros(0))
    return LstsqResult(x, reshape(squares, (-1,)) if left else squares, rank, values)


@answers(np.linalg.qr)
def qr(x: Any, mode: str = "reduced") -> Any:
    """(Q, R) with Q @ R = x, or R alone with mode="r"."""
    rows, columns = shape_of(matrix(x, "qr"))[-2:]
    if mode not in ("reduced", "r") or rows < columns:
        raise MissingRuleError(f"qr: mode={mode!r} of shape {shape_of(x)} has no rule here; use 'reduced' or 'r', and at least as many rows as columns.")
    both = record_op("qr", x)
    r = getitem(both, _rows(rows, None))
    return r if mode == "r" else QRResult(getitem(both, _rows(0, rows)), r)
