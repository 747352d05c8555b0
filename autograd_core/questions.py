"""Queries that are answered on the plain data: comparisons, positions, shapes. The answers have no derivative, or the derivative 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import truth, unexpected
from .op import TABLE
from .operands import floating
from .record import apply
from .registry import axis_of

__all__ = ["QUESTIONS", "Questions"]

QUESTIONS = frozenset({
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite,
    np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.argmax, np.argmin, np.argsort,
    np.shape, np.ndim, np.size, np.any, np.all, np.nonzero, np.argwhere, np.count_nonzero, np.searchsorted,
    np.allclose, np.array_equal, np.isclose, np.zeros_like, np.ones_like, np.empty_like, np.result_type,
    np.can_cast, np.iscomplexobj, np.isrealobj, np.isneginf, np.isposinf, np.may_share_memory, np.shares_memory,
    np.array_repr, np.array_str, np.array2string, np.digitize, np.min_scalar_type,
    np.argpartition, np.flatnonzero, np.iscomplex, np.isreal, np.isin, np.array_equiv, np.nanargmax, np.nanargmin,
    np.lexsort, np.histogram_bin_edges, np.common_type, np.tril_indices_from, np.triu_indices_from, np.diag_indices_from, np.linalg.matrix_rank,
})  # fmt: skip


class Questions:
    """The methods of `Tensor` that give plain arrays."""

    __slots__ = ()
    _value: np.ndarray

    def argmax(self, axis: int | None = None, *, keepdims: bool = False, **theirs: Any) -> Any:
        """Where the largest element is; plain integers."""
        return self._value.argmax(self._axis(axis, "argmax", theirs), keepdims=truth(keepdims, "argmax", "keepdims"))

    def argmin(self, axis: int | None = None, *, keepdims: bool = False, **theirs: Any) -> Any:
        """Where the smallest element is; plain integers."""
        return self._value.argmin(self._axis(axis, "argmin", theirs), keepdims=truth(keepdims, "argmin", "keepdims"))

    def argsort(self, axis: int | None = -1, kind: Any = None, **theirs: Any) -> Any:
        """The order that would sort; plain integers. Equal elements keep their order."""
        return self._value.argsort(self._axis(axis, "argsort", theirs), kind=kind or "stable")

    def any(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, **theirs: Any) -> Any:
        """Whether an element is not 0."""
        return self._value.any(self._axes(axis, "any", theirs), keepdims=truth(keepdims, "any", "keepdims"))

    def all(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, **theirs: Any) -> Any:
        """Whether no element is 0."""
        return self._value.all(self._axes(axis, "all", theirs), keepdims=truth(keepdims, "all", "keepdims"))

    def nonzero(self) -> tuple[np.ndarray, ...]:
        """Where the elements are that are not 0."""
        return self._value.nonzero()

    def astype(self, dtype: Any) -> Any:
        """In another floating dtype; the gradient comes back in this one.

        A dtype of integers or booleans gives a plain array, as in `np.floor(x).astype(int)` for an index: a step function has the derivative 0.
        """
        if isinstance(dtype, (str, type, np.dtype)) and _is_discrete(dtype):
            return self._value.astype(dtype)
        return apply(TABLE["cast"], (self,), {"dtype": floating(dtype, "astype")})

    def _axis(self, axis: Any, who: str, theirs: dict[str, Any]) -> Any:
        if theirs:
            raise unexpected(who, theirs)
        return None if axis is None else axis_of(axis, self._value.ndim, who)

    def _axes(self, axis: Any, who: str, theirs: dict[str, Any]) -> Any:
        return tuple(axis_of(a, self._value.ndim, who) for a in axis) if isinstance(axis, tuple) and not theirs else self._axis(axis, who, theirs)


def _is_discrete(dtype: Any) -> bool:
    """Whether this is a dtype of integers or booleans."""
    try:
        return np.dtype(dtype).kind in "biu"
    except TypeError:
        return False
