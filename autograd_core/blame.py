"""Finding the faulty rule: where a sweep fails at an operation of the user's own, its rules are called again, one by one.

Sweeps do not inspect what a rule returns; that would cost them time. When one raises, `blame` reports which rule of which operation
was at fault, what it returned or raised, and what was expected. `check_op` asks the same questions before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .algebra import NODES, Algebra
from .errors import AnomalyError, RuleError, StaleDataError
from .node import Node
from .op import TABLE, Op, built_in
from .walk import describe, operands

__all__ = ["answers_of", "blame", "complaint", "real"]


class _CountError(TypeError):
    """A rule for all operands at once gave something other than one entry for each."""


_NOT_FROM_A_RULE = (StaleDataError, AnomalyError, np.linalg.LinAlgError)


def blame(error: Exception, node: Any, m: Algebra, g: Any) -> None:
    """Re-raise what a sweep raised at a node as a RuleError that names the faulty rule; return where no rule of the user's is at fault."""
    if not isinstance(node, Node) or node.op is None or built_in(node.op.name) or isinstance(error, _NOT_FROM_A_RULE):
        return
    for slot, value, answer in answers_of(node, m, g):
        found = complaint(node.op, slot, answer, np.shape(node._value), np.shape(value))
        if found:
            raise RuleError(f"{found}; the operand is {describe(operands(node)[slot][0])}. check_op finds such things.") from error


def answers_of(node: Any, m: Algebra, g: Any) -> Iterator[tuple[int, Any, Any]]:
    """(slot, operand, what its rule gives, or the exception that it raises), for every operand that wants a gradient."""
    op, params, pairs = node.op, node._params or {}, operands(node)
    graph = m is NODES
    values = [operand if graph and operand is not None else value for operand, value in pairs]
    head: tuple[Any, ...] = (node if graph else node._value,) if op.d else (g, node if graph else node._value)
    together: Any = None
    for slot, (operand, value) in enumerate(pairs):
        rule = (op.d or op.vjp)[0 if op.variadic else slot]
        if operand is None or not operand.requires_grad or rule is None:
            continue
        if together is None:
            try:
                with np.errstate(all="ignore"):
                    answer = rule(m, *head, *values, **params)
            except ArithmeticError:            # 1 / 0 of Python's floats, which sweeps repeat with NumPy's
                continue
            except Exception as error:
                answer = error
            if op.variadic and not isinstance(answer, Exception):
                together = answer
        if together is not None:
            right = isinstance(together, (tuple, list)) and len(together) == len(pairs)
            answer = together[slot] if right else _CountError(f"gave {_kind(together)}, expected a tuple with an entry for each of {len(pairs)} operands")
        yield slot, value, answer


def complaint(op: Op, slot: int, answer: Any, out: tuple[int, ...], operand: tuple[int, ...]) -> str:
    """What is wrong with the answer of a rule; empty where nothing is. `out` and `operand` are shapes."""
    rule: Any = (op.d or op.vjp)[0 if op.variadic else slot]
    who = f"{op.name}: the {'derivative rule' if op.d else 'pull-back'} for operand {slot}{_place(rule)}"
    if isinstance(answer, _CountError):
        return f"{who} {answer}"
    if isinstance(answer, Exception):
        return f"{who} raised {type(answer).__name__}: {str(answer).rstrip('.')}{_hint(answer)}"
    expected = f"a real number, or an array that broadcasts to the shape {out} of the result" if op.d else f"real numbers of the shape {operand} of the operand"
    data = answer._value if isinstance(answer, Node) else answer
    if answer is None or isinstance(answer, (tuple, list, str)) or np.asarray(data).dtype.kind not in "biuf":
        return f"{who} gave {_kind(data)}, expected {expected}"
    if not _fits(np.shape(data), out) if op.d else not _fits(operand, np.shape(data)):
        return f"{who} gave an array of shape {np.shape(data)}, expected {expected}"
    return ""


def real(c: Any, node: Any) -> Any:
    """The gradient as it is; RuleError if its numbers are complex."""
    if getattr(c, "dtype", None) is not None and c.dtype.kind == "c":
        raise RuleError(f"{node.op.name}: a rule gave complex numbers, expected real ones; a gradient has the dtype of its operand.")
    return c


def _fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, into) == tuple(into)
    except ValueError:
        return False


def _kind(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"an array of dtype {x.dtype}"
    return "None" if x is None else f"a {type(x).__name__}"


def _place(rule: Any) -> str:
    code = getattr(rule, "__code__", None)
    return f" ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code is not None else ""


def _hint(error: Exception) -> str:
    """What to do about an exception that a rule raised: the end of an error message, or ""."""
    if isinstance(error, AttributeError) and isinstance(error.obj, Algebra):
        from difflib import get_close_matches  # importing the engine does without

        near = get_close_matches(error.name or "", TABLE, n=3, cutoff=0.75)
        like = f" ({', '.join(near)} {'is' if len(near) == 1 else 'are'} near)" if near else ""
        return (
            f": m has the operations of the table, and {error.name!r} is none of them{like}; "
            "`python -m autograd_core operations` lists them, and in a pull-back NumPy's functions work too"
        )
    if isinstance(error, TypeError) and ("positional argument" in str(error) or "operands, expected" in str(error)):
        return "; operations of m take operands by position and options by name: m.clip(x, min=0.0, max=1.0)"
    return ""
