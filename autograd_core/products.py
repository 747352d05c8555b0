"""The entries that multiply matrices, and those of linear algebra.

Sources: M. Giles, *An extended collection of matrix derivative results* (2008), for inverse, determinant, solve and
Cholesky.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from .op import Op

__all__ = ["LETTERS", "swap_last"]

Shape = tuple[int, ...]
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The labels of axes that einsum takes."""


# --------------------------------------------------------------------------------------------- products
def swap_last(m: Any, x: Any) -> Any:
    """The last two axes exchanged."""
    ndim = m.ndim(x)
    return m.transpose(x, axes=(*range(ndim - 2), ndim - 1, ndim - 2)) if ndim != 2 else m.transpose(x)


def _as_matrix(m: Any, x: Any, column: bool) -> Any:
    shape = m.shape(x)
    return m.reshape(x, shape=(*shape, 1) if column else (1, *shape)) if len(shape) == 1 else x


def _grown(m: Any, g: Any, x: Any, y: Any) -> Any:
    """g with the axes that a vector operand of `@` lost."""
    shape = list(m.shape(g))
    if m.ndim(y) == 1:
        shape.append(1)
    if m.ndim(x) == 1:
        shape.insert(len(shape) - 1, 1)
    return m.reshape(g, shape=tuple(shape)) if len(shape) != m.ndim(g) else g


def _runs_down(x: Any) -> bool:
    """Whether the columns of a matrix lie in memory one after the other, as those of W.T do: its gradient is then made so that Wᵀ's rows do."""
    return x.__class__ is ndarray and x.flags.f_contiguous


def _pull_left(m: Any, g: Any, x: Any, y: Any) -> Any:
    if m.ndim(x) == m.ndim(y) == 2:            # the usual case
        return m.matmul(y, g.T).T if _runs_down(x) else m.matmul(g, y.T)
    return m.matmul(_grown(m, g, x, y), swap_last(m, _as_matrix(m, y, True)))


def _pull_right(m: Any, g: Any, x: Any, y: Any) -> Any:
    if m.ndim(x) == m.ndim(y) == 2:
        return m.matmul(g.T, x).T if _runs_down(y) else m.matmul(x.T, g)
    pulled = m.matmul(swap_last(m, _as_matrix(m, x, False)), _grown(m, g, x, y))
    return m.reshape(pulled, shape=m.shape(pulled)[:-1]) if m.ndim(y) == 1 else pulled


def _matrix_pairs(rng: Any) -> list[Any]:
    shapes = (((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3, 2)), ((2, 3), (4, 3, 1)),
              ((3,), (2, 3, 2)), ((2, 1, 3), (3,)), ((0, 3), (3, 2)))
    return [((rng.normal(size=s), rng.normal(size=t)), {}) for s, t in shapes]


def _matmul(x: Any, y: Any) -> Any:
    """`np.matmul`; two matrices have the same product by `dot`, which is quicker to start."""
    try:
        if x.ndim == 2 and y.ndim == 2:
            return x.dot(y)
    except AttributeError:                     # lists
        pass
    return np.matmul(x, y)


Op(name="matmul", dunder="matmul", symbol="@", latex="{0}\\,{1}", array=_matmul, numpy=(np.matmul,), linear=True, samples=_matrix_pairs,
   doc="The matrix product; vectors and stacks of matrices as in NumPy.",
   vjp=(lambda m, g, out, x, y: _pull_left(m, g, x, y),
        lambda m, g, out, x, y: _pull_right(m, g, x, y)))


def _linear_weight(m: Any, g: Any, x: Any) -> Any:
    """gᵀ x, with all leading axes taken as one."""
    rows = math.prod(m.shape(x)[:-1])
    flat = m.reshape(g, shape=(rows, m.shape(g)[-1]))
    return m.matmul(m.transpose(flat), m.reshape(x, shape=(rows, m.shape(x)[-1])))


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    if x.__class__ is not ndarray or weight.__class__ is not ndarray or weight.ndim != 2:
        raise ValueError("x @ weight.T is not a matrix product")
    out = x.dot(weight.T) if x.ndim == 2 else np.matmul(x, weight.T)
    if bias.__class__ is float or bias.dtype is not out.dtype:
        return out + bias
    out += bias
    return out


Op(name="linear", symbol="xWᵀ + b", text="{0} @ {1}ᵀ + {2}", latex="{0}\\,{1}^T + {2}", array=_linear, fits=True,
   doc="x @ Wᵀ + b in one step: a layer before its activation.",
   samples=lambda rng: [((rng.normal(size=s), rng.normal(size=(2, 3)), rng.normal(size=2)), {}) for s in ((4, 3), (3,), (2, 4, 3), (0, 3))],
   vjp=(lambda m, g, out, x, weight, bias: m.matmul(g, weight),
        lambda m, g, out, x, weight, bias: m.matmul(g.T, x) if len(x.shape) == 2 else _linear_weight(m, g, x),
        lambda m, g, out, x, weight, bias: g))


def _einsum_rule(m: Any, g: Any, out: Any, *operands: Any, subscripts: str) -> tuple[Any, ...]:
    inputs, result = subscripts.split("->")
    terms = inputs.split(",")
    sizes = {c: n for t, x in zip(terms, operands, strict=True) for c, n in zip(t, m.shape(x), strict=True) if n != 1}
    spare = [c for c in LETTERS if c not in subscripts]
    pulled = []
    for i, term in enumerate(terms):
        others: list[tuple[str, Any]] = [(result, g)]
        others += [(t, x) for j, (t, x) in enumerate(zip(terms, operands, strict=True)) if j != i]
        target, fresh = "", iter(spare)
        for c in term:                         # a repeated label is a diagonal: an identity matrix restores it
            label = c if c not in target else next(fresh)
            if label != c:
                others.append((c + label, np.eye(sizes.get(c, 1))))
            target += label
        full = {c for t, x in others for c, n in zip(t, m.shape(x), strict=True) if n == sizes.get(c, 1)}
        others += [(c, np.ones(sizes.get(c, 1))) for c in target if c not in full and c in sizes]   # spread again
        others += [(c, np.ones(1)) for c in target if c not in sizes and not any(c in t for t, _ in others)]
        pulled.append(m.einsum(*(x for _, x in others), subscripts=f"{','.join(t for t, _ in others)}->{target}"))
    return tuple(pulled)


Op(name="einsum", variadic=True, linear=True, array=lambda *x, subscripts: np.einsum(subscripts, *x, optimize=len(x) > 2),
   doc="A sum of products over labelled axes, with an explicit result: 'ij,jk->ik'.", vjp=(_einsum_rule,),
   samples=lambda rng: [(tuple(rng.normal(size=s) for s in shapes), {"subscripts": subscripts}) for subscripts, *shapes in (
       ("ij,jk->ik", (2, 3), (3, 2)), ("ii->i", (3, 3)), ("ii->", (3, 3)), ("ij->j", (2, 3)), ("i,i,i->", (3,), (3,), (3,)),
       ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("i,j->ij", (2,), (3,)), ("ij,ij->i", (2, 3), (2, 1)))])


# ------------------------------------------------------------------------------------------ linear algebra
def _square(rng: Any) -> list[Any]:
    return [((rng.normal(size=s) + 3.0 * np.eye(s[-1]),), {}) for s in ((3, 3), (2, 2, 2), (1, 1))]


def _positive_definite(rng: Any) -> list[Any]:
    def matrix(shape: Shape) -> Any:
        a = rng.normal(size=shape)
        return a @ np.swapaxes(a, -1, -2) + 2.0 * np.eye(shape[-1])
    return [((matrix(s),), {}) for s in ((3, 3), (2, 2, 2))]


def _cofactors(m: Any, x: Any) -> Any:
    """∂det/∂x. From the inverse where there is a good one; else from the minors, which exist for every matrix."""
    n, data = m.shape(x)[-1], m.data(x)
    if data.size == 0:
        return np.ones(m.shape(x))
    if np.all(np.linalg.cond(data) < 1e8):     # scaled by a power of 2, so that a determinant under- or overflows only where a minor does
        _, exponent = np.frexp(np.max(np.abs(data), axis=(-2, -1), keepdims=True))
        scaled = x * np.ldexp(data.dtype.type(1.0), -exponent)
        minors = m.reshape(m.det(scaled), shape=(*m.shape(x)[:-2], 1, 1)) * swap_last(m, m.inv(scaled))
        return minors * np.ldexp(data.dtype.type(1.0), (n - 1) * exponent)
    if n == 1:
        return np.ones(m.shape(x))
    rows = [np.delete(np.arange(n), i) for i in range(n)]
    minors = [(-1.0) ** (i + j) * m.reshape(
        m.det(m.index(x, key=(Ellipsis, rows[i][:, None], rows[j][None, :]))), shape=(*m.shape(x)[:-2], 1))
        for i in range(n) for j in range(n)]
    return m.reshape(m.concatenate(*minors, axis=-1), shape=m.shape(x))


def _per_matrix(m: Any, g: Any) -> Any:
    return m.reshape(g, shape=(*m.shape(g), 1, 1))


def _columns(m: Any, x: Any, b: Any) -> Any:
    """The solution of a linear system, or its gradient, as columns: where b is one vector, the solutions of a stack of matrices are vectors too."""
    return m.reshape(x, shape=(*m.shape(x), 1)) if m.ndim(b) == 1 else x


def _solve_left(m: Any, g: Any, out: Any, a: Any, b: Any) -> Any:
    return -m.matmul(m.solve(swap_last(m, a), _columns(m, g, b)), swap_last(m, _columns(m, out, b)))


def _solve_right(m: Any, g: Any, a: Any, b: Any) -> Any:
    return m.reshape(m.solve(swap_last(m, a), _columns(m, g, b)), shape=m.shape(g))


def _cholesky_pull(m: Any, g: Any, out: Any) -> Any:
    n = m.shape(out)[-1]
    half = m.named("Φ", lambda: np.tril(np.ones((n, n))) - 0.5 * np.eye(n))         # the lower triangle with half the diagonal
    inverse = m.inv(out)
    middle = m.matmul(swap_last(m, out), g) * half
    pulled = m.matmul(m.matmul(swap_last(m, inverse), middle), inverse)
    return 0.5 * (pulled + swap_last(m, pulled))


Op(name="inv", text="{0}⁻¹", latex="{0}^{{-1}}", array=np.linalg.inv, doc="The inverse of a square matrix.", samples=_square,
   numpy=(np.linalg.inv,),
   vjp=(lambda m, g, out, x: -m.matmul(m.matmul(swap_last(m, out), g), swap_last(m, out)),))
Op(name="det", array=np.linalg.det, doc="The determinant; its gradient is right for singular matrices too.", samples=_square,
   numpy=(np.linalg.det,), vjp=(lambda m, g, out, x: _per_matrix(m, g) * _cofactors(m, x),))
Op(name="logabsdet", array=lambda x: np.linalg.slogdet(x)[1], doc="ln |det x|.", samples=_square,
   vjp=(lambda m, g, out, x: _per_matrix(m, g) * swap_last(m, m.inv(x)),))
Op(name="solve", array=np.linalg.solve, doc="The x with a @ x = b.", numpy=(np.linalg.solve,),
   samples=lambda rng: [((_square(rng)[i][0][0], rng.normal(size=s)), {}) for i, s in ((0, (3,)), (0, (3, 2)), (1, (2, 2, 1)), (1, (2,)))],
   vjp=(lambda m, g, out, a, b: _solve_left(m, g, out, a, b),
        lambda m, g, out, a, b: _solve_right(m, g, a, b)))
Op(name="cholesky", array=lambda x: np.linalg.cholesky(0.5 * (x + np.swapaxes(x, -1, -2))),
   doc="The lower triangular L with L @ Lᵀ = x, for a positive definite x (its symmetric part is taken).",
   numpy=(np.linalg.cholesky,), samples=_positive_definite, vjp=(lambda m, g, out, x: _cholesky_pull(m, g, out),))
