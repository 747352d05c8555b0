"""Reductions, and functions along one axis, under NumPy's names and signatures."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .arguments import as_numbers, shown, truth, unexpected
from .errors import OperandError, ShapeError
from .indexing import concatenate, getitem
from .node import Node
from .op import TABLE
from .operands import data_of
from .registry import (
    answers,
    axes_of,
    axis_argument,
    axis_of,
    cast,
    in_dtype_of,
    integer,
    ndim_of,
    record_op,
    shape_of,
)
from .shaping import broadcast_to, ravel, reshape, transpose
from .structural import along

__all__: list[str] = []


# ---------------------------------------------------------------------------------------------- reductions
def _reduction(name: str, *functions: Any) -> Any:
    """The reduction of that name."""

    def reduce(x: Any, axis: Any = None, *, keepdims: bool = False, **theirs: Any) -> Any:
        return record_op(name, x, **_options(axis, keepdims, name, theirs))

    return _declared(name, reduce, functions)


def _options(axis: Any, keepdims: Any, name: str, theirs: dict[str, Any] | None = None) -> dict[str, Any]:
    """The parameters that are not at their default; `theirs` are keyword arguments that we do not have, and raise."""
    if theirs:
        raise unexpected(name, theirs)
    options = {} if axis is None else {"axis": axis_argument(axis, name)}
    if keepdims is not False and truth(keepdims, name, "keepdims"):
        options["keepdims"] = True
    return options


def _selective(name: str, neutral: float | None, combine: str, *functions: Any) -> Any:
    """The reduction of that name, over the elements that `where` selects and one more, `initial`.

    Elements that are not selected are replaced by the `neutral` element of the reduction or, where it has none (max, min), by `initial`.
    The operation `combine` joins `initial` to the result.
    """

    def reduce(x: Any, axis: Any = None, *, keepdims: bool = False, where: Any = True, initial: Any = None, dtype: Any = None, **theirs: Any) -> Any:
        if dtype is not None:
            x = cast(x, dtype, name)
        if where is not True:
            other = initial if neutral is None else neutral
            if other is None:
                raise OperandError(f"{name}: received where= without initial=, expected both: there is no {name} of nothing.")
            x = record_op("where", _mask(where, x, name), x, in_dtype_of(x, other))
        out = record_op(name, x, **_options(axis, keepdims, name, theirs))
        return out if initial is None else record_op(combine, out, initial if isinstance(initial, Node) else in_dtype_of(x, initial))

    return _declared(name, reduce, functions)


def _mask(where: Any, x: Any, who: str) -> np.ndarray:
    """Truth values of the shape of x."""
    mask = np.asarray(data_of(where))
    if mask.dtype.kind != "b":
        raise OperandError(f"{who}: received where={shown(where)}, expected True, False or an array of them.")
    try:
        return np.broadcast_to(mask, shape_of(x))
    except ValueError:
        raise ShapeError(f"{who}: received where= of shape {mask.shape}, expected one that broadcasts to {shape_of(x)}.") from None


def _mean(x: Any, axis: Any = None, *, keepdims: bool = False, where: Any = True, dtype: Any = None, **theirs: Any) -> Any:
    """The mean of the elements that `where` selects."""
    if dtype is not None:
        x = cast(x, dtype, "mean")
    if where is True:
        return record_op("mean", x, **_options(axis, keepdims, "mean", theirs))
    mask = _mask(where, x, "mean")
    return sum(x, axis, keepdims=keepdims, where=mask, **theirs) / _count(mask, x, axis, keepdims, "mean")


def _count(mask: np.ndarray, x: Any, axis: Any, keepdims: bool, who: str) -> Any:
    """How many elements are selected."""
    return in_dtype_of(x, np.sum(mask, axis_argument(axis, who), keepdims=keepdims))


def _spread(name: str, *functions: Any) -> Any:
    """The measure of spread of that name ("var" or "std"); `ddof` or `correction` degrees of freedom are subtracted from the count."""

    def reduce(
        x: Any, axis: Any = None, *, ddof: float = 0, correction: float | None = None, keepdims: bool = False, where: Any = True, dtype: Any = None,
        **theirs: Any,
    ) -> Any:
        if theirs:
            raise unexpected(name, theirs)
        off = ddof if correction is None else correction
        if dtype is not None:
            x = cast(x, dtype, name)
        if where is not True:
            return _spread_of_some(name, x, axis, off, truth(keepdims, name, "keepdims"), where)
        return record_op(name, x, axis=axis_argument(axis, name), ddof=off, keepdims=truth(keepdims, name, "keepdims"))

    return _declared(name, reduce, functions)


def _spread_of_some(name: str, x: Any, axis: Any, ddof: float, keepdims: bool, where: Any) -> Any:
    """The same over the elements that `where` selects; the deviation of the others from the mean is set to 0."""
    mask = _mask(where, x, name)
    far = record_op("where", mask, x - _mean(x, axis, keepdims=True, where=mask), in_dtype_of(x, 0.0))
    free = np.maximum(_count(mask, x, axis, keepdims, name) - ddof, 0)
    if name == "std":
        return record_op("norm", far, **_options(axis, keepdims, name)) / np.sqrt(free)
    return sum(record_op("square", far), axis, keepdims=keepdims) / free


def _declared(name: str, function: Any, functions: tuple[Any, ...]) -> Any:
    function.__name__ = function.__qualname__ = name
    chosen = " `where` selects elements, `dtype` is that of the computation." if "dtype" in function.__kwdefaults__ else ""
    function.__doc__ = f"{TABLE[name].doc} `axis` is an int, a tuple or None for all, as in NumPy.{chosen}"
    return answers(*functions)(function)


sum = _selective("sum", 0.0, "add", np.sum)
prod = _selective("prod", 1.0, "mul", np.prod)
max = _selective("max", None, "maximum", np.max, np.amax)
min = _selective("min", None, "minimum", np.min, np.amin)
mean = _declared("mean", _mean, (np.mean,))
var = _spread("var", np.var)
std = _spread("std", np.std)
logsumexp = _reduction("logsumexp")


@answers(np.average)
def average(x: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """The mean, or Σwx / Σw with weights of the shape of x, or of the axes that are averaged over."""
    if weights is not None and not isinstance(weights, Node):
        weights = as_numbers(weights, "average", "weights")
    if weights is None:
        return mean(x, axis, keepdims=keepdims)
    if shape_of(weights) != shape_of(x):
        shape = shape_of(x)
        axes = () if axis is None else axes_of(axis, len(shape), "average")
        if not axes or shape_of(weights) != tuple(shape[a] for a in axes):
            raise ShapeError(
                f"average: received weights of shape {shape_of(weights)} for shape {shape} and axis={axis}, expected one for each element, "
                "or one for each place along the axis (give axis=)."
            )
        weights = reshape(transpose(weights, np.argsort(axes)), tuple(n if i in axes else 1 for i, n in enumerate(shape)))
    total = sum(x * weights, axis, keepdims=keepdims)
    return total / sum(weights * np.ones(shape_of(x)), axis, keepdims=keepdims)


def _line(x: Any, axis: int | None, who: str) -> tuple[Any, int]:
    """(x, the axis to run along): x is flattened where `axis` is None, and has one element where it is a number."""
    if axis is None or (not ndim_of(x) and axis in (0, -1)):
        return ravel(x), 0
    return x, axis_of(axis, ndim_of(x), who)


@answers(np.cumsum)
def cumsum(x: Any, axis: int | None = None, dtype: Any = None, **theirs: Any) -> Any:
    """Running sums along an axis; of the flattened array where `axis` is None."""
    if theirs:
        raise unexpected("cumsum", theirs)
    line, at = _line(x if dtype is None else cast(x, dtype, "cumsum"), axis, "cumsum")
    return record_op("cumsum", line, axis=at)


@answers(np.cumprod)
def cumprod(x: Any, axis: int | None = None, dtype: Any = None, **theirs: Any) -> Any:
    """Running products along an axis; of the flattened array where `axis` is None."""
    if theirs:
        raise unexpected("cumprod", theirs)
    line, at = _line(x if dtype is None else cast(x, dtype, "cumprod"), axis, "cumprod")
    return record_op("cumprod", line, axis=at)


@answers(np.sort)
def sort(x: Any, axis: int | None = -1) -> Any:
    """A sorted copy along an axis."""
    return record_op("sort", ravel(x), axis=0) if axis is None else record_op("sort", x, axis=axis)


@answers()
def softmax(x: Any, axis: int = -1, **theirs: Any) -> Any:
    """eˣ / Σeˣ along an axis: probabilities, exact at ±1000."""
    if theirs:
        raise unexpected("softmax", theirs)
    return record_op("softmax", x, axis=axis)


@answers()
def log_softmax(x: Any, axis: int = -1, **theirs: Any) -> Any:
    """ln softmax(x) along an axis, exact at ±1000."""
    if theirs:
        raise unexpected("log_softmax", theirs)
    return record_op("log_softmax", x, axis=axis)


@answers(np.diff)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis, n times, of x with values before and after it."""
    at = axis_of(axis, ndim_of(x), "diff")
    if integer(n, "diff", "n") < 0:
        raise OperandError(f"diff: received n={n}, expected 0 or more.")
    if n == 0:
        return x
    row = tuple(1 if i == at else length for i, length in enumerate(shape_of(x)))
    before, after = ([] if end is None else [broadcast_to(end, row) if ndim_of(end) == 0 else end] for end in (prepend, append))
    if before or after:
        x = concatenate([*before, x, *after], at)
    for _ in range(builtins.min(n, shape_of(x)[at])):
        x = getitem(x, along(at, slice(1, None))) - getitem(x, along(at, slice(None, -1)))
    return x
