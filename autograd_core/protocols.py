"""NumPy's two protocols: how `np.sin(t)` and `np.concatenate([t, a])` find their way to the rule book.

A NumPy function asked to work on a `Value` or a `Tensor` comes here. Functions with a rule go to it; questions about
values (comparisons, `isnan`, `argmax`, shapes) are answered on the plain data; everything else raises, so that no graph
is ever dropped in silence.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arranging, decompositions, sequences  # noqa: F401  (importing them fills NUMPY)
from .errors import AutogradError, RuleError
from .modes import recording
from .moving import RUNNING
from .node import Node
from .numerics import SCIPY
from .op import INSTALLERS, TABLE, Op
from .operands import KERNEL_ERRORS, data_of, missing, refuse_mask, refused
from .questions import QUESTIONS
from .record import apply
from .registry import NUMPY, cast
from .routines import logsumexp
from .shaping import reshape

__all__ = ["UFUNCS", "array_function", "array_ufunc"]

UFUNCS: dict[Any, Op] = {np.positive: TABLE["identity"], np.fabs: TABLE["abs"]}
"""NumPy ufunc → the entry that answers for it."""


def _register(op: Op) -> None:
    """Let an entry answer for the functions it names, or for the one that is its kernel; an entry replaced or forgotten answers no longer."""
    theirs = op.numpy or ((op.array,) if isinstance(op.array, np.ufunc) else (getattr(np, op.name, None),))
    for function in theirs:
        ufunc = isinstance(function, np.ufunc)
        if ufunc or (op.elementwise and callable(function) and not isinstance(function, type)):
            answers: dict[Any, Any] = UFUNCS if ufunc else NUMPY
            owner = answers.get(function)
            if owner is None or (isinstance(owner, Op) and TABLE.get(owner.name) is not owner):
                answers[function] = op
            elif op.numpy and owner is not op:
                whose = f"the operation {owner.name}" if isinstance(owner, Op) else "a function of autograd_core"
                raise RuleError(f"Op {op.name!r}: received numpy= with np.{function.__name__}, which {whose} answers for already; leave it out.")


for _op in TABLE.values():
    _register(_op)
INSTALLERS.append(_register)


_WITHOUT_EFFECT = {"where": (True,), "keepdims": (False,), "subok": (True, False), "casting": ("same_kind",), "order": ("C", "K"),
                   "kind": ("quicksort", "mergesort", "heapsort", "stable")}  # fmt: skip


def _options(function: Any, kwargs: dict[str, Any], allowed: tuple[str, ...] = ()) -> dict[str, Any]:
    """The keyword arguments, without those that change nothing; any other option that is not `allowed` raises."""
    kept = {}
    for key, value in kwargs.items():
        if key in allowed:
            kept[key] = value
        elif not (value is None or value is np._NoValue or (isinstance(value, (bool, str)) and value in _WITHOUT_EFFECT.get(key, ()))):
            raise missing(function, f" with the option {key}=")
    return kept


def array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's protocol for ufuncs: `np.sin(t)`, `array * t`, and `np.add.reduce(t)` too."""
    if ufunc in QUESTIONS and method != "at":
        try:
            return getattr(ufunc, method)(*map(data_of, inputs), **_plain_options(ufunc, kwargs))
        except KERNEL_ERRORS as error:
            raise refused(ufunc.__name__, inputs, error) from error
    if method == "__call__" and not kwargs and ufunc in UFUNCS and ufunc not in NUMPY:   # the usual case
        return apply(UFUNCS[ufunc], inputs)
    if kwargs.get("dtype") is not None:
        dtype = kwargs.pop("dtype")
        inputs = tuple(cast(x, dtype, ufunc.__name__) for x in inputs)
    if method == "reduce" and ufunc in _REDUCTIONS:
        kwargs.setdefault("axis", 0)
        ours = _REDUCTIONS[ufunc]
        return ours(*inputs, **_options(ufunc, kwargs, _parameters(ours)[0]) | {"axis": kwargs["axis"]})
    if method == "outer" and ufunc in UFUNCS and len(inputs) == 2:
        x, y = inputs
        _options(ufunc, kwargs)
        return apply(UFUNCS[ufunc], (reshape(x, np.shape(data_of(x)) + (1,) * np.ndim(data_of(y))), y))
    if method == "accumulate" and ufunc in _ACCUMULATIONS:
        kwargs.setdefault("axis", 0)
        return _ACCUMULATIONS[ufunc](*inputs, **_options(ufunc, kwargs, ("axis",)) | {"axis": kwargs["axis"]})
    if method != "__call__":
        raise missing(ufunc, f".{method}")
    if "out" in kwargs and _loses_nothing(inputs, kwargs):
        return ufunc(*map(data_of, inputs), **kwargs)
    _options(ufunc, kwargs)
    if ufunc in NUMPY:
        try:
            return NUMPY[ufunc](*[_bare(x, ufunc.__name__) for x in inputs])
        except KERNEL_ERRORS as error:
            raise refused(ufunc.__name__, inputs, error) from error
    if ufunc in UFUNCS:
        return apply(UFUNCS[ufunc], inputs)
    if ufunc.__name__ not in SCIPY:
        raise missing(ufunc)
    return SCIPY[ufunc.__name__](*inputs)


def _loses_nothing(inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a plain array may take the result, as in `array -= tensor`: the tensors are constants, or nothing is being recorded."""
    constant = not recording() or not any(isinstance(x, Node) and x.requires_grad for x in inputs)
    return constant and not any(isinstance(x, Node) for x in (*kwargs["out"], *kwargs.values()))


_REDUCTIONS = {np.add: NUMPY[np.sum], np.multiply: NUMPY[np.prod], np.maximum: NUMPY[np.max], np.minimum: NUMPY[np.min], np.logaddexp: logsumexp}
_ACCUMULATIONS = {np.add: NUMPY[np.cumsum], np.multiply: NUMPY[np.cumprod], **RUNNING}


def array_function(self: Any, function: Callable[..., Any], types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """NumPy's protocol for the functions that are not ufuncs: `np.sum(t, axis=1)`, `np.linalg.norm(t)`."""
    if function in QUESTIONS:
        try:
            return function(*map(_plain, args), **_plain_options(function, kwargs))
        except KERNEL_ERRORS as error:
            raise refused(function.__name__, (*args, *kwargs.values()), error) from error
    ours = NUMPY.get(function)
    if ours is None:
        raise missing(function)
    names, positional = _parameters(ours)
    try:
        operands = [_bare(x, function.__name__) for x in args]
        return ours(*operands, **_options(function, _renamed(function, kwargs, names, positional), names)) if kwargs else ours(*operands)
    except KERNEL_ERRORS as error:
        more = len(args) > positional and isinstance(error, TypeError) and "positional argument" in str(error)
        if more and not isinstance(error, AutogradError):
            named = dict(zip(_signature(function)[positional:], args[positional:], strict=False))
            if named and not named.keys() & kwargs.keys():    # NumPy takes more by position: pass those by name
                return array_function(self, function, types, args[:positional], {**named, **kwargs})
            raise missing(function, " with these positional arguments") from error
        raise refused(function.__name__, (*args, *kwargs.values()), error) from error


def _bare(x: Any, who: str) -> Any:
    """The argument, with a constant as a plain array: a subclass such as np.matrix would multiply in its own way."""
    if not isinstance(x, np.ndarray) or x.__class__ is np.ndarray:
        return x
    refuse_mask(x, who)
    return np.asarray(x)


def _renamed(function: Any, kwargs: dict[str, Any], names: tuple[str, ...], positional: int) -> dict[str, Any]:
    """The keyword arguments, those that NumPy names differently (`a`, `m`, `ary`, `b`) under the name of our parameter in the same place."""
    unknown = [key for key in kwargs if key not in names]
    if not unknown:
        return kwargs
    theirs = _signature(function)
    here = {key: names[theirs.index(key)] for key in unknown if key in theirs and theirs.index(key) < positional}
    return {here.get(key, key): value for key, value in kwargs.items()}


@functools.cache
def _signature(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except ValueError:                         # a function written in C without a signature, as np.dot in NumPy 2.0
        return ("a", "b")


@functools.cache
def _parameters(function: Any) -> tuple[tuple[str, ...], int]:
    """The names of all parameters, and how many of them may be given by position."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ("x",), 1
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], code.co_argcount


def _plain_options(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a question about values, with plain data for nodes; a node as out= raises."""
    out = kwargs.get("out")
    if any(isinstance(x, Node) for x in (out if isinstance(out, tuple) else (out,))):
        raise missing(function, " with the option out=")
    return {key: _plain(value) for key, value in kwargs.items()}


def _plain(x: Any) -> Any:
    """Plain data in place of nodes, in sequences too."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(_plain, x))
    return data_of(x) if isinstance(x, Node) else x
