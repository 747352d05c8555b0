"""The elementwise operations as functions, by NumPy's name or the field's, on numbers, arrays, `Value`s and `Tensor`s.

Each is made from its entry in the table. What they are is in `functions.pyi`, made from the table too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import routines, shaping
from .op import TABLE, Op
from .record import apply

__all__: list[str] = []

_INTERNAL = frozenset({"add", "sub", "mul", "div", "neg", "gap", "strong_mul", "identity", "weighted_sum"})


def _function(op: Op) -> Callable[..., Any]:
    def function(*operands: Any, **params: Any) -> Any:
        return apply(op, operands, params)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


for _op in TABLE.values():
    if _op.elementwise and _op.name not in _INTERNAL:
        globals()[_op.name] = getattr(shaping, _op.name, None) or _function(_op)
        __all__.append(_op.name)
for _name in ("softmax", "log_softmax", "logsumexp"):
    globals()[_name] = getattr(routines, _name)
    __all__.append(_name)
