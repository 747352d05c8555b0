"""Products of arrays and linear algebra under NumPy's names and signatures."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import routines
from .arguments import truth
from .errors import MissingRuleError, OperandError, ShapeError
from .indexing import diagonal, getitem, where
from .op import TABLE
from .operands import data_of
from .products import LETTERS
from .registry import (
    answers,
    axes_of,
    axis_argument,
    axis_of,
    in_dtype_of,
    integer,
    integers,
    ndim_of,
    record_op,
    shape_of,
    square_matrix,
)
from .shaping import expand_dims, moveaxis, ravel, reshape, squeeze, transpose

__all__: list[str] = []


# ------------------------------------------------------------------------------------------------- products
@answers(np.linalg.matmul)
def matmul(x: Any, y: Any) -> Any:
    """The matrix product `x @ y`."""
    return record_op("matmul", x, y)


@answers(np.dot)
def dot(x: Any, y: Any) -> Any:
    """`np.dot`: a product of numbers, of vectors or of matrices; sums over the last axis of x and the last but one of y."""
    if ndim_of(x) == 0 or ndim_of(y) == 0:
        return record_op("mul", x, y)
    if ndim_of(y) <= 2:
        return record_op("matmul", x, y)
    return tensordot(x, y, axes=((-1,), (-2,)))


@answers(np.inner)
def inner(x: Any, y: Any) -> Any:
    """Sums of products over the last axes."""
    if ndim_of(x) == 0 or ndim_of(y) == 0:
        return record_op("mul", x, y)
    return tensordot(x, y, axes=((-1,), (-1,)))


@answers(np.outer, np.linalg.outer)
def outer(x: Any, y: Any) -> Any:
    """All products xᵢ·yⱼ of two vectors (flattened if need be)."""
    return record_op("mul", reshape(x, (-1, 1)), reshape(y, (1, -1)))


@answers(np.tensordot, np.linalg.tensordot)
def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Sums of products over the given axes of x and y."""
    nx, ny = ndim_of(x), ndim_of(y)
    if not isinstance(axes, Iterable):
        count = integer(axes, "tensordot", "axes")
        if not 0 <= count <= builtins.min(nx, ny):
            raise ShapeError(f"tensordot: received axes={count} for {nx} and {ny} axes, expected at most as many as both have.")
        left, right = list(range(nx - count, nx)), list(range(count))
    elif isinstance(axes, (tuple, list)) and len(axes) == 2:
        left, right = (list(integers(a, "tensordot", "axes")) for a in axes)
    else:
        raise OperandError(f"tensordot: received axes={axes!r:.60}, expected a number of axes, or those of the first and those of the second.")
    if len(left) != len(right):
        raise ShapeError(f"tensordot: received {len(left)} axes of the first and {len(right)} of the second, expected as many of each.")
    left, right = [axis_of(a, nx, "tensordot") for a in left], [axis_of(a, ny, "tensordot") for a in right]
    for a, b in zip(left, right, strict=True):
        if shape_of(x)[a] != shape_of(y)[b]:
            raise ShapeError(f"tensordot: received axis {a} of shape {shape_of(x)} and axis {b} of shape {shape_of(y)}, expected axes of one length.")
    keep_x, keep_y = [i for i in range(nx) if i not in left], [i for i in range(ny) if i not in right]
    inside = math.prod(shape_of(x)[i] for i in left)
    rows = reshape(transpose(x, keep_x + left), (math.prod(shape_of(x)[i] for i in keep_x), inside))
    columns = reshape(transpose(y, right + keep_y), (inside, math.prod(shape_of(y)[i] for i in keep_y)))
    return reshape(record_op("matmul", rows, columns), tuple(shape_of(x)[i] for i in keep_x) + tuple(shape_of(y)[i] for i in keep_y))


@answers(np.kron)
def kron(x: Any, y: Any) -> Any:
    """The Kronecker product of two matrices (or vectors)."""
    n = builtins.max(ndim_of(x), ndim_of(y))
    xs, ys = (1,) * (n - ndim_of(x)) + shape_of(x), (1,) * (n - ndim_of(y)) + shape_of(y)
    wide = reshape(x, tuple(v for a in xs for v in (a, 1))) * reshape(y, tuple(v for b in ys for v in (1, b)))
    return reshape(wide, tuple(a * b for a, b in zip(xs, ys, strict=True)))


def _letter(label: Any) -> str:
    """The letter that stands for the label of an axis, 0 to 51 as in NumPy: without an explicit result the axes come in this order."""
    if not 0 <= (at := integer(label, "einsum", "a label")) < 52:
        raise OperandError(f"einsum: received the label {at}, expected one from 0 to 51.")
    return LETTERS[at - 26]


def _as_string(*mixed: Any) -> tuple[str, tuple[Any, ...]]:
    """(subscripts, operands) from operands each followed by a list of its labels."""

    def term(labels: Any) -> str:
        if not isinstance(labels, (list, tuple)):
            raise OperandError("einsum: expected a string such as 'ij,jk->ik' and the operands, or each operand with a list of its labels.")
        return "".join("..." if at is Ellipsis else _letter(at) for at in labels)

    pairs = len(mixed) // 2
    text = ",".join(map(term, mixed[1 : 2 * pairs : 2]))
    return f"{text}->{term(mixed[-1])}" if len(mixed) % 2 else text, mixed[: 2 * pairs : 2]


@answers(np.einsum)
def einsum(subscripts: Any, *operands: Any, optimize: Any = None) -> Any:
    """Einstein summation, `einsum("ij,jk->ik", x, y)` or `einsum(x, [0, 1], y, [1, 2], [0, 2])`, with "..." for the axes that broadcast."""
    if not isinstance(subscripts, str):
        subscripts, operands = _as_string(subscripts, *operands)
    text = subscripts.replace(" ", "")
    terms = text.split("->")[0].split(",")
    if len(terms) != len(operands):
        raise ShapeError(f"einsum: received {len(operands)} operands, expected {len(terms)}, as {subscripts!r} names them.")
    spare = [c for c in LETTERS[26:] + LETTERS[:26] if c not in text]
    hidden = [ndim_of(x) - len(t) + 3 if "..." in t else 0 for t, x in zip(terms, operands, strict=True)]
    dots = "".join(spare[: builtins.max(hidden, default=0)])
    terms = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, hidden, strict=True)]
    joined = "".join(terms)
    if "->" in text:
        result = text.split("->")[1].replace("...", dots)
        if dots and "..." not in text.split("->")[1]:
            raise ShapeError(f"einsum: received {subscripts!r}, expected '...' in the result too, for {len(dots)} axes that the operands have there.")
    else:
        result = dots + "".join(sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1))
    for t, x in zip(terms, operands, strict=True):
        if len(t) != ndim_of(x):
            raise ShapeError(f"einsum: received an operand of shape {shape_of(x)}, expected {len(t)} axes, as {subscripts!r} names them.")
    return record_op("einsum", *operands, subscripts=f"{','.join(terms)}->{result}")


@answers(np.trace)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal."""
    return routines.sum(diagonal(x, offset, axis1, axis2), -1)


@answers(np.cross)
def cross(x: Any, y: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The vector product x × y of vectors of three elements that lie along an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = moveaxis(x, axisa, -1), moveaxis(y, axisb, -1)
    if shape_of(x)[-1] != 3 or shape_of(y)[-1] != 3:
        raise ShapeError(f"cross: received vectors of {shape_of(x)[-1]} and {shape_of(y)[-1]} elements, expected 3 of each.")
    after, before = [1, 2, 0], [2, 0, 1]
    product = getitem(x, (..., after)) * getitem(y, (..., before)) - getitem(x, (..., before)) * getitem(y, (..., after))
    return moveaxis(product, -1, axisc)


@answers(np.linalg.cross)
def linalg_cross(x: Any, y: Any, *, axis: int = -1) -> Any:
    """The vector product, along one axis."""
    return cross(x, y, axis=axis)


@answers(np.vdot)
def vdot(x: Any, y: Any) -> Any:
    """The sum of products of two flattened arrays."""
    return dot(ravel(x), ravel(y))


@answers(np.vecdot, np.linalg.vecdot)
def vecdot(x: Any, y: Any, *, axis: int = -1) -> Any:
    """Σ x·y along an axis of both; the other axes broadcast."""
    x, y = moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    if shape_of(x)[-1] != shape_of(y)[-1]:
        raise ShapeError(f"vecdot: received vectors of {shape_of(x)[-1]} and {shape_of(y)[-1]} elements, expected as many of each.")
    return routines.sum(record_op("mul", x, y), -1)


# ------------------------------------------------------------------------------------------ linear algebra
@answers(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """`np.linalg.norm`: the Euclidean norm, and those of order 1, p, ±inf and "fro"; norm'(0) = 0.

    Of a matrix also the spectral norm (2, or -2 for the smallest singular value) and the nuclear norm ("nuc").
    """
    axis, ndim = axis_argument(axis, "norm"), ndim_of(x)
    if not (ord is None or isinstance(ord, (str, int, float, np.number))) or (isinstance(ord, int) and abs(ord) >= 2**63):
        raise OperandError(f"norm: received ord={ord!r:.60}, expected a number, 'fro' or None.")
    truth(keepdims, "norm", "keepdims")
    ord = ord.item() if isinstance(ord, np.number) else ord
    if ord is not None and axis is None and ndim > 2:
        raise ShapeError(f"norm: received {ndim} axes and ord={ord!r}; expected a vector or a matrix, or give axis=.")
    if isinstance(axis, tuple) and len(axis) not in (1, 2):
        raise ShapeError(f"norm: received axis={axis}, expected one axis or two.")
    matrix = (isinstance(axis, tuple) and len(axis) == 2) or (axis is None and ndim == 2)
    if isinstance(ord, str) and not matrix and (axis is not None or ndim):
        raise OperandError(f"norm: received ord={ord!r} for vectors, expected a number or None; 'fro' and 'nuc' are norms of matrices.")
    if ord is None or ord == "fro" or (ord == 2 and not matrix):
        return record_op("norm", x, axis=axis, keepdims=keepdims)
    return _matrix_norm(x, ord, axis or (0, 1), keepdims) if matrix else _vector_norm(x, ord, axis, keepdims)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    """The norm from the singular values, or as the largest (or smallest) sum over a row or a column."""
    first, second = axes_of(axes, ndim_of(x), "norm")
    best = _largest if ord in (2, 1, np.inf) else routines.min
    places = tuple(sorted((first, second)))
    if ord in (2, -2, "nuc"):
        values = getitem(record_op("svd", moveaxis(x, (first, second), (-2, -1))), (..., 0, slice(None)))
        out = routines.sum(values, -1) if ord == "nuc" else best(values, -1)
        return expand_dims(out, places) if keepdims else out
    if ord not in (1, -1, np.inf, -np.inf):
        raise MissingRuleError(f"norm: ord={ord!r} of a matrix has no derivative rule here; use 'fro', 'nuc', ±1, ±2 or ±inf.")
    along, across = (first, second) if abs(ord) == 1 else (second, first)
    out = best(routines.sum(TABLE["abs"](x), along, keepdims=True), across, keepdims=True)
    return out if keepdims else squeeze(out, places)


def _largest(x: Any, axis: Any, *, keepdims: bool = False) -> Any:
    """The largest of numbers that are not negative; 0 where there are none."""
    empty = any(shape_of(x)[a] == 0 for a in axes_of(axis, ndim_of(x), "norm"))
    return (routines.sum if empty else routines.max)(x, axis, keepdims=keepdims)


def _vector_norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """(Σ|x|ᵖ)^(1/p), and its limits for p = ±∞."""
    size = TABLE["abs"](x)
    if ord in (np.inf, -np.inf):
        return (_largest if ord > 0 else routines.min)(size, axis, keepdims=keepdims)
    if ord == 1:
        return routines.sum(size, axis, keepdims=keepdims)
    if not isinstance(ord, (int, float)) or ord == 0:
        raise MissingRuleError(f"norm: ord={ord!r} has no derivative rule here; use a number other than 0, ±inf or 'fro'.")
    zero = np.asarray(data_of(size) == 0.0)
    total = routines.sum(where(zero, 0.0, where(zero, 1.0, size) ** float(ord)), axis, keepdims=keepdims)
    nothing = np.asarray(data_of(total) == 0.0)    # the root has no derivative at 0: norm'(0) = 0
    limit: Any = 0.0
    if ord < 0:                                # one zero makes it 0, and no element at all inf
        zeros = np.any(zero, axis=axis, keepdims=keepdims)
        nothing, limit = nothing | zeros, in_dtype_of(x, np.where(zeros, 0.0, np.inf))
    return where(nothing, limit, where(nothing, 1.0, total) ** (1.0 / ord))


class SlogdetResult(NamedTuple):
    """The sign and the logarithm of the absolute value of a determinant."""

    sign: Any
    logabsdet: Any


@answers(np.linalg.slogdet)
def slogdet(x: Any) -> SlogdetResult:
    """(sign, ln |det|); the sign is a constant."""
    logabsdet = record_op("logabsdet", x)
    return SlogdetResult(np.linalg.slogdet(data_of(x))[0], logabsdet)


@answers(np.linalg.inv)
def inv(x: Any) -> Any:
    """The inverse of a square matrix."""
    return record_op("inv", x)


@answers(np.linalg.det)
def det(x: Any) -> Any:
    """The determinant of a square matrix."""
    return record_op("det", x)


@answers(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """The x with a @ x = b."""
    return record_op("solve", a, b)


@answers(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any]) -> Any:
    """The matrix product of several matrices (a vector may stand at either end)."""
    return functools.reduce(matmul, arrays)


@answers(np.linalg.matrix_power)
def matrix_power(x: Any, n: int) -> Any:
    """The nth power xⁿ of a square matrix; for negative n that of its inverse."""
    x, n = square_matrix(x, "matrix_power"), integer(n, "matrix_power", "n")
    if n < 0:
        return matrix_power(inv(x), -n)
    if n == 0:
        return record_op("mul", x, 0.0) + in_dtype_of(x, np.eye(shape_of(x)[-1]))
    half = matrix_power(x, n // 2) if n > 1 else None
    even = matmul(half, half) if half is not None else None
    return x if even is None else matmul(even, x) if n % 2 else even


@answers(np.linalg.vector_norm)
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm over one axis, over several at once, or over all where `axis` is None, of elements read as a vector; orders as in norm."""
    ndim = ndim_of(x)
    along = axes_of(axis, ndim, "vector_norm")
    if len(along) == 1:
        return norm(x, ord, along[0], keepdims=keepdims)
    rest = [i for i in range(ndim) if i not in along]
    flat = reshape(transpose(x, (*along, *rest)), (math.prod(shape_of(x)[i] for i in along), *(shape_of(x)[i] for i in rest)))
    out = norm(flat, ord, 0)
    return expand_dims(out, tuple(sorted(along))) if truth(keepdims, "vector_norm", "keepdims") else out


@answers(np.linalg.matrix_norm)
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of the matrices in the last two axes; orders as in norm."""
    return norm(x, ord, (-2, -1), keepdims=keepdims)


@answers(np.linalg.diagonal)
def linalg_diagonal(x: Any, *, offset: int = 0) -> Any:
    """The diagonals of the matrices in the last two axes."""
    return diagonal(x, offset, -2, -1)


@answers(np.linalg.trace)
def linalg_trace(x: Any, *, offset: int = 0) -> Any:
    """The traces of the matrices in the last two axes."""
    return trace(x, offset, -2, -1)
