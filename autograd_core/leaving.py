"""A number that leaves the graph by `float(x)`: refused inside a transform, and named where a function of `math` or an array took it.

`math.sin(x)` asks a node for its float, gets it, and gives back a float without a graph: the sum, product or loss that it
goes into is right, and its gradient is silently not. So does an array of floats whose element is assigned. Python does not say who asks,
but the instruction that runs says whether it assigns, and has a place in the source, and the function that is called there can be looked up.
"""

from __future__ import annotations

import linecache
import sys
import warnings
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType

from .errors import GraphError
from .modes import recording, tracing
from .op import TABLE

__all__ = ["taken_out"]

_ELSEWHERE = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2", "atanh": "arctanh",
    "fabs": "abs", "pow": "power",
}  # fmt: skip
_SMOOTH = frozenset({
    *_ELSEWHERE, "cbrt", "cos", "cosh", "degrees", "dist", "erf", "erfc", "exp", "exp2", "expm1", "fmod", "fsum", "gamma", "hypot", "lgamma",
    "log", "log10", "log1p", "log2", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
})  # fmt: skip


def taken_out(kind: str) -> None:
    """Called by `__float__` of a node (a `kind`) that has a gradient: raises inside a transform, warns if `math` or an array has asked.

    Raises:
        GraphError: A transform is running its function.
    """
    if tracing():
        raise GraphError(
            "float() takes a number out of the graph, and its gradient would be lost without a word; inside a transform "
            "use autograd_core's or NumPy's functions (autograd_core.sin, np.sin) instead of math's, autograd_core.array instead of "
            "np.array for a list of nodes, np.stack of a list in place of writing into an array, or x.data where a constant is meant."
        )
    frame = sys._getframe(2)
    if _assigns(frame.f_code, frame.f_lasti) and recording():
        warnings.warn(
            f"an element of an array was set to a {kind}, and only its number: no gradient flows back through this line; collect nodes in a list "
            "and join them with np.stack, or write .item() where a plain number is meant.",
            RuntimeWarning,
            stacklevel=3,
        )
    if not _SMOOTH.isdisjoint(frame.f_code.co_names) and recording() and (name := _of_math(frame)):
        ours = _ELSEWHERE.get(name, name)
        instead = f"autograd_core.{ours} or np.{ours}" if ours in TABLE else "a function of autograd_core"
        warnings.warn(
            f"math.{name}: received a {kind} and took its number out of the graph, so that no gradient flows back through this line; "
            f"use {instead}, or hand it the .data where a plain number is meant.",
            RuntimeWarning,
            stacklevel=3,
        )


@lru_cache(maxsize=256)
def _assigns(code: CodeType, instruction: int) -> bool:
    """Whether an instruction of a code object is that of `a[i] = x`."""
    from opcode import opname

    return opname[code.co_code[instruction]] in ("STORE_SUBSCR", "STORE_SLICE")


def _of_math(frame: FrameType) -> str | None:
    """The function of `math` that a frame is calling; None if it calls another, or if there is no source."""
    names = _called(frame.f_code, frame.f_lasti)
    if not names:
        return None
    for scope in (frame.f_locals, frame.f_globals):
        if names[0] in scope:
            function = scope[names[0]]
            for name in names[1:]:
                function = getattr(function, name, None)
            name = getattr(function, "__name__", "")
            return name if getattr(function, "__module__", None) == "math" and name in _SMOOTH else None
    return None


@lru_cache(maxsize=256)
def _called(code: CodeType, instruction: int) -> tuple[str, ...]:
    """The dotted name of the function that an instruction of a code object calls, as it is written in the source."""
    import ast

    first, last, begin, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    if first is None or last is None or begin is None or end is None:
        return ()
    lines = [line.encode() for line in linecache.getlines(code.co_filename)[first - 1 : last]]
    if len(lines) != last - first + 1:
        return ()
    lines[-1] = lines[-1][:end]  # the places count bytes
    lines[0] = lines[0][begin:]
    try:
        call = ast.parse(b"".join(lines).decode(), mode="eval").body
    except (SyntaxError, ValueError):
        return ()
    function = call.func if isinstance(call, ast.Call) else None
    names: list[str] = []
    while isinstance(function, ast.Attribute):
        names.append(function.attr)
        function = function.value
    return (function.id, *reversed(names)) if isinstance(function, ast.Name) else ()
