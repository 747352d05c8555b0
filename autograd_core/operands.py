"""Operands as they are given: reading them into floats and arrays, and the errors for those that do not fit.

Every error names the operation, what it received and what was expected. What NumPy raises inside a kernel is translated here.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from .arguments import is_table, shown, way_out
from .errors import (
    AutogradError,
    AxisError,
    DTypeError,
    IndexingError,
    LinAlgError,
    MissingRuleError,
    OperandError,
    ShapeError,
)
from .node import Node
from .op import Op

__all__ = [
    "KERNEL_ERRORS", "OPERANDS", "as_array", "as_float", "compared", "data_of", "floating", "give_way", "missing", "no_operand", "refuse_mask", "refused",
    "translated", "unwrapped",
]  # fmt: skip

OPERANDS = (Node, float, int, np.ndarray, np.generic)
"""What the operators of a node accept; those of a `Tensor` accept lists, too."""

KERNEL_ERRORS = (ValueError, TypeError, IndexError, ArithmeticError, AttributeError)
"""What kernels raise for operands that do not fit; `translated` turns it into an error of ours."""


# ------------------------------------------------------------------------------------------------- reading
def data_of(x: Any) -> Any:
    """The plain data behind an operand."""
    return x._value if isinstance(x, Node) else x


def as_float(x: Any, who: str) -> float:
    """A number as a Python float; a clear error for anything else."""
    if isinstance(x, float):
        return float(x)
    if isinstance(x, (str, bytes, complex, np.complexfloating, Node)) or not (
        hasattr(x, "__float__") or hasattr(x, "__index__")
    ):
        hint = "; take its .data" if isinstance(x, Node) else "; Tensor takes lists" if isinstance(x, (list, tuple)) else ""
        raise OperandError(f"{who}: received {x!r} of type {type(x).__name__}, expected a real number{hint}.")
    if np.ndim(x) != 0:
        raise OperandError(f"{who}: received an array of shape {np.shape(x)}, expected one number; use Tensor for arrays.")
    try:
        return float(x)
    except (TypeError, ValueError, OverflowError) as error:
        raise OperandError(f"{who}: received {shown(x)}, expected a real number ({error}).") from error


def unwrapped(x: Any, who: str) -> np.ndarray:
    """Anything array-like as a plain array."""
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:   # a ragged list, or one of things that are not numbers
        raise ShapeError(f"{who}: received {x!r:.60}, a ragged list, or one of things that are not numbers, expected rows of one length.") from error


def floating(dtype: Any, who: str) -> np.dtype[Any]:
    """A dtype that can hold a gradient."""
    try:
        target = np.dtype(dtype) if isinstance(dtype, (str, type, np.dtype)) else None
    except TypeError:
        target = None
    if target is None:
        raise DTypeError(f"{who}: received dtype={shown(dtype)}, expected a floating dtype such as np.float64.")
    if target.kind != "f":
        raise DTypeError(
            f"{who}: dtype {target} cannot hold a gradient, expected a floating dtype; use float64 or float32, or keep "
            "integers in a plain array (a plain array in an expression is a constant)."
        )
    return target


def refuse_mask(x: Any, who: str) -> None:
    """Raise OperandError for a masked array: no operation looks at its mask."""
    if isinstance(x, np.ma.MaskedArray):
        raise OperandError(f"{who}: received a masked array, whose mask would be lost; fill it first with .filled(value).")


def as_array(x: Any, who: str, dtype: Any = None) -> np.ndarray:
    """Data for a tensor: floats keep their dtype, integers and booleans become float64, in native byte order."""
    refuse_mask(x, who)
    array = unwrapped(x, who)
    if array.dtype.kind in "biu" and dtype is None:
        return array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        what, hint = _unreal(x, array)
        raise DTypeError(f"{who}: received {what}, expected real numbers{hint}.")
    if dtype is not None:
        return array.astype(floating(dtype, who), copy=False)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _unreal(x: Any, array: np.ndarray) -> tuple[str, str]:
    """(a description of what was received instead of real numbers, what to do about it)."""
    if not array.ndim and not isinstance(x, np.ndarray):
        return f"{shown(x)} of type {type(x).__name__}", way_out(x)
    if array.dtype.kind != "O":
        return f"dtype {array.dtype}", ""
    odd = [v for v in array.flat if not isinstance(v, (float, int)) or abs(v) > sys.float_info.max]
    if not odd:
        return "an array of Python objects", "; .astype(float) makes numbers of them"
    hint = "; autograd_core.array and np.stack join Values and Tensors" if any(isinstance(v, Node) for v in odd) else ""
    return f"an array of Python objects, {shown(odd[0])} of type {type(odd[0]).__name__} among them", hint


# ------------------------------------------------------------------------------------------------- refusing
def translated(op: Op, operands: tuple[Any, ...], params: dict[str, Any], error: Exception) -> Exception:
    """NumPy's error as one of ours, with the operation, what it received, and what NumPy expected."""
    if isinstance(error, AutogradError):
        return error
    if isinstance(error, FloatingPointError):
        return _asked_for(op.name, error)
    shapes = ", ".join(f"{np.shape(data_of(x))}" + _odd_dtype(data_of(x)) for x in operands)
    if op.name == "index":
        received = f"index: received {shown(params['key'])} as an index of an array of shape {shapes}"
        return (OperandError if isinstance(error, TypeError) else IndexingError)(f"{received}, expected one within the shape: {str(error).rstrip('.')}.")
    options = "".join(f", {key}={'an integer of many digits' if _is_long(value) else repr(value)}" for key, value in params.items())
    received = f"{op.name}: received operands of shape {shapes}{options}"
    if isinstance(error, OverflowError):
        return OperandError(f"{received}; expected no integer of so many digits: {str(error).rstrip('.')}.")
    if isinstance(error, np.exceptions.AxisError):
        ndim = np.ndim(data_of(operands[0]))
        expected = f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis, since there is none"
        return AxisError(f"{received}; expected {expected}: {error}.")
    return _our_kind(error)(f"{received}; {_expectation(op, operands)}: {str(error).rstrip()}.")


def refused(who: str, arguments: tuple[Any, ...], error: Exception) -> Exception:
    """The same for a function that is made of several operations."""
    if isinstance(error, AutogradError):
        return error
    if isinstance(error, FloatingPointError):
        return _asked_for(who, error)
    received = ", ".join(shown(data_of(x)) for x in arguments)
    return _our_kind(error)(f"{who}: received {received}; expected what NumPy expects there: {str(error).rstrip('. ')}.")


_SIGNS: dict[Any, str] = {
    operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=", operator.eq: "==", operator.ne: "!=",
}  # fmt: skip


def compared(compare: Callable[[Any, Any], Any], x: Any, other: Any) -> Any:
    """A comparison of plain numbers, in which no gradient flows."""
    try:
        return compare(x, data_of(other))
    except (TypeError, ValueError, OverflowError) as error:
        raise refused(f"a comparison with {_SIGNS[compare]}", (x, other), error) from error


def give_way(op: Op, other: Any, swapped: bool) -> Any:
    """What an operator returns for something that is not an operand: NotImplemented if its type has the operator; otherwise it raises."""
    dunder = f"__{op.dunder}__" if swapped else f"__r{op.dunder}__"
    if not isinstance(other, (str, bytes, list, tuple, dict, set, Number)) and hasattr(type(other), dunder) and not is_table(other):
        return NotImplemented
    raise no_operand(op, other)


def no_operand(op: Op, other: Any) -> OperandError:
    """The error for what an operation cannot compute with."""
    kind = type(other)
    name = f"{kind.__module__}.{kind.__name__}" if kind.__name__ in ("Tensor", "Value") else kind.__name__     # of another library, whatever it is called
    received = shown(other) + ("" if is_table(other) else f" of type {name}")
    hint = way_out(other) or ("; np.array makes an array of a list" if isinstance(other, (list, tuple)) else "")
    return OperandError(f"{op.name}: received {received}, expected a number, an array, a Value or a Tensor{hint}.")


def _asked_for(who: str, error: FloatingPointError) -> FloatingPointError:
    """The error that the program asked NumPy to raise (`np.seterr(over="raise")`), as NumPy raises it, with the operation named."""
    text = str(error)
    return FloatingPointError(text if "np.seterr" in text else f"{who}: {text}, which np.seterr or np.errstate asks to be raised")


def _our_kind(error: Exception) -> type[AutogradError]:
    return (
        IndexingError if isinstance(error, IndexError)
        else LinAlgError if isinstance(error, np.linalg.LinAlgError)
        else OperandError if isinstance(error, (TypeError, OverflowError))
        else ShapeError
    )  # fmt: skip


def _is_long(x: Any) -> bool:
    return isinstance(x, int) and abs(x) >= 2**63


def _odd_dtype(x: Any) -> str:
    dtype = getattr(x, "dtype", None)
    return f" and dtype {dtype}" if dtype is not None and dtype.kind not in "biuf" else ""


def _expectation(op: Op, operands: tuple[Any, ...]) -> str:
    if any(getattr(data_of(x), "dtype", np.dtype(float)).kind not in "biuf" for x in operands):
        return "expected operands of real numbers"
    if op.name == "matmul":
        return "expected the last axis of the first to be as long as the last but one of the second (transpose or reshape one)"
    if op.name == "linear":
        return "expected x of shape (…, nin), a weight of shape (nout, nin) and a bias of shape (nout,)"
    if op.elementwise and op.arity != 1:
        return "expected shapes that broadcast: axes, from the last, of equal length or of length 1 (reshape one of them)"
    return "expected what NumPy expects there"


def missing(function: Any, detail: str = "") -> MissingRuleError:
    """The error for a NumPy function without a rule: what it is and how to add one."""
    name = getattr(function, "__name__", str(function))
    return MissingRuleError(
        f"{_home(function, name)}{name}{detail} has no derivative rule here{_reason(function, name, detail)}, and the graph is never "
        f"dropped silently; write it with functions that have one, declare it with autograd_core.Op(name={name!r}, …), or pass plain arrays "
        "(tensor.detach(), tensor.numpy(), value.data) if no gradient is needed."
    )


def _home(function: Any, name: str) -> str:
    """Where a function of NumPy or SciPy is found."""
    modules = (("np.", np), ("np.linalg.", np.linalg), ("np.fft.", np.fft), ("np.lib.stride_tricks.", np.lib.stride_tricks))
    for prefix, module in modules:
        if getattr(module, name, None) is function:
            return prefix
    return "scipy.special." if isinstance(function, np.ufunc) else ""


_WRITING = frozenset({"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"})
_COMPLEX = frozenset({"angle", "eig", "eigvals", "roots"})


def _reason(function: Any, name: str, detail: str) -> str:
    """Why a function has no rule, where there is a reason that can be told; the end of a clause."""
    if detail.endswith(" out="):
        return " (it writes into an array, as `a += tensor` does; a = a + tensor makes a new one)"
    if detail.endswith(" dtype="):
        return " (it gives the dtype of its operands; x.astype gives another)"
    if detail.endswith(" where="):
        return " (it leaves elements undefined; np.where(condition, x, y) chooses)"
    if name in _WRITING or detail == ".at":
        return " (it writes into an array; np.where(condition, new, x) makes a new one)"
    if name in ("fftshift", "ifftshift"):
        return " (it moves elements, as np.roll does)"
    if name in _COMPLEX or "fft" in str(getattr(function, "__module__", "")):
        return " (it computes with complex numbers, which have no gradient here)"
    return ""
