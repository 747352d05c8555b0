"""The elementwise operations as functions, by NumPy's name or the field's, on numbers, arrays, `Value`s and `Tensor`s.

Each is made from its entry in the table. `functions.pyi`, made from the table too, shows them to type checkers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from . import indexing, routines
from .op import TABLE, Op
from .record import apply

_INTERNAL = frozenset({"add", "sub", "mul", "div", "neg", "gap", "strong_mul", "identity", "weighted_sum"})


def _function(op: Op) -> Callable[..., Any]:
    def function(*operands: Any, **params: Any) -> Any:
        return apply(op, operands, params)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    rule: Any = next(rule for rule in op.d if rule is not None)
    names = rule.__code__.co_varnames[2 : 2 + len(op.d)]      # after m and out
    options = getattr(op.array, "__kwdefaults__", None) or {}
    function.__signature__ = _signature(names, tuple(options.items()))  # type: ignore[attr-defined]
    return function


@functools.cache
def _signature(names: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Signature:
    """Operands under the names that the rules give them, then parameters with their defaults: (x, /, slope=0.01)."""
    return Signature([
        *(Parameter(name, Parameter.POSITIONAL_ONLY) for name in names),
        *(Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=value) for name, value in options),
    ])


_FUNCTIONS = {op.name: getattr(indexing, op.name, None) or _function(op) for op in TABLE.values() if op.elementwise and op.name not in _INTERNAL}
_FUNCTIONS |= {name: getattr(routines, name) for name in ("softmax", "log_softmax", "logsumexp")}
globals().update(_FUNCTIONS)
__all__ = list(_FUNCTIONS)
