"""Sweeps: the chain rule from the root down, by the rules of the table.

One sweep runs on floats, over nodes in topological order, and one on arrays, by the age of tensors, with nothing in the loop that
is not needed; a third runs with care over any graph in order and emits the steps that pictures show. `gradients.py` adds
sweeps on nodes and on batches.

**Strong zeros.** A branch that was not taken must contribute 0, but 0 · inf is nan in IEEE. The quick sweeps run without looking;
the careful one knows: where nothing comes in nothing goes out, whatever the local derivative is, and a branch that was not
taken passes nothing on, whatever comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from .algebra import ARRAYS, NUMBERS, symbolic_partial
from .blame import blame
from .errors import RuleError
from .expression import Symbol
from .node import Node
from .op import INSTALLERS, TABLE, Op
from .structural import sum_to
from .walk import EPOCHS, OVERWRITTEN, describe, operands, stale, topological

__all__ = [
    "CONSTANT", "OTHER", "QUIET", "Step", "accumulate", "as_ieee", "contributions", "partial_of", "read_rules", "sweep_carefully",
    "sweep_tensors", "sweep_values", "times",
]  # fmt: skip

QUIET = np.errstate(all="ignore")
"""Local derivatives may be inf and nan; reporting those is the task of `detect_anomaly`, not of warnings."""


class Step(NamedTuple):
    """One product of the chain rule: `contribution = incoming · local`, added to the gradient of one operand.

    Attributes:
        node, operand, slot: From which node to which of its operands, and the position of that operand.
        incoming, local, contribution: The gradient of the node, ∂node/∂operand (None where the rule is a pull-back), and their product.
        before, after: The gradient of the operand without the contribution and with it.
        pulled: The shape of the contribution before broadcasting was undone.
    """

    node: Node
    operand: Node
    slot: int
    incoming: Any
    local: Any
    contribution: Any
    before: Any
    after: Any
    pulled: tuple[int, ...] = ()


# ----------------------------------------------------------------------------------- the scalar sweep
CALL, CONSTANT, OTHER = 0, 1, 2
"""What reading an entry's rules has found (`Op.reading`): they must be called, each is a number, each is the other operand."""

_UNREAD: list[Op] = list(TABLE.values())
"""Entries whose rules have not been read yet; these give the same gradients, only more slowly."""
INSTALLERS.append(_UNREAD.append)


def read_rules() -> None:
    """Read the rules of every new entry once, by calling them with symbols: a rule that gives a number, or the other operand, need not be called again."""
    while _UNREAD:
        _read(_UNREAD.pop())


def _read(op: Op) -> None:
    if op.d and not op.variadic and None not in op.d and not getattr(op.array, "__kwdefaults__", None):
        try:
            partials = [symbolic_partial(op, slot, "out", ("x", "y")[: len(op.d)]) for slot in range(len(op.d))]
        except Exception:
            return                             # a faulty rule raises where it is used
        if all(isinstance(p, (int, float)) for p in partials):
            object.__setattr__(op, "constants", tuple(map(float, partials)))
            object.__setattr__(op, "reading", CONSTANT)
        elif all(isinstance(p, Symbol) for p in partials) and [str(p) for p in partials] == ["y", "x"]:
            object.__setattr__(op, "reading", OTHER)


def sweep_values(order: list[Any]) -> None:
    """The chain rule over `Value`s, on Python floats, with nothing in the loop that is not needed."""
    if _UNREAD:
        read_rules()
    m = NUMBERS
    try:
        for node in reversed(order):
            g = node.grad
            if g == 0.0:
                continue
            a, x, y = node._a, node._x, node._y
            if y is not None:                      # two operands
                b = node._b
                op = node.op
                if op.reading == OTHER:
                    p, q = y, x
                elif op.reading == CONSTANT:
                    p, q = op.constants
                else:
                    try:
                        p = op.d[0](m, node._value, x, y) if a is not None else None
                        q = op.d[1](m, node._value, x, y) if b is not None else None
                    except (ArithmeticError, ValueError, TypeError):
                        p, q = _local_of(node, 0), _local_of(node, 1)
                if a is not None:
                    if a._value is not x:
                        stale(node)
                    a.grad += g * p
                if b is not None:
                    if b._value is not y:
                        stale(node)
                    b.grad += g * q
            elif a.__class__ is not tuple:         # one operand
                if a._value is not x:
                    stale(node)
                try:
                    p = node.op.d[0](m, node._value, x)
                except (ArithmeticError, ValueError, TypeError):
                    p = _local_of(node, 0)
                a.grad += g * p
            elif node.op.variadic:
                for operand, value, p in zip(a, x, _all_locals(node), strict=True):
                    if operand is not None:
                        if operand._value is not value:
                            stale(node)
                        operand.grad += g * p
            else:
                for slot, operand in enumerate(a):
                    if operand is not None:
                        if operand._value is not x[slot]:
                            stale(node)
                        operand.grad += g * _local_of(node, slot)
    except Exception as error:
        blame(error, node, m, g)
        raise


def _local_of(node: Any, slot: int) -> float:
    """One local derivative of a `Value`; with NumPy's IEEE arithmetic where Python's raises."""
    rule = node.op.d[slot]
    values = [value for _, value in operands(node)]
    if rule is None or OVERWRITTEN in values:
        stale(node)
        return 0.0
    params = node._params or {}
    try:
        return rule(NUMBERS, node._value, *values, **params)  # type: ignore[no-any-return]
    except (ArithmeticError, ValueError, TypeError):
        with np.errstate(all="ignore"):
            numpy_values = [np.float64(v) if isinstance(v, float) else v for v in values]
            return float(rule(ARRAYS, np.float64(node._value), *numpy_values, **params))


def as_ieee(rule: Callable[..., Any], m: Any, *operands: Any, **params: Any) -> Any:
    """What a rule gives; where Python's arithmetic raises (1 / 0), called again with NumPy's numbers, which follow IEEE."""
    try:
        return rule(m, *operands, **params)
    except ArithmeticError:
        return rule(m, *[np.float64(x) if x.__class__ is float or x.__class__ is int else x for x in operands], **params)


def partial_of(m: Any, node: Any, slot: int, out: Any, values: Sequence[Any], params: dict[str, Any]) -> Any:
    """∂out/∂operand by the rule of an elementwise entry, in the algebra m."""
    return _local_of(node, slot) if m is NUMBERS else as_ieee(node.op.d[slot], m, out, *values, **params)


def _all_locals(node: Any) -> tuple[Any, ...]:
    """The local derivatives of a variadic `Value`, all at once."""
    return node.op.d[0](NUMBERS, node._value, *node._x, **(node._params or {}))  # type: ignore[no-any-return]


# ----------------------------------------------------------------------------------- one node, with care
def times(g: Any, local: Any, op: Op, careful: bool) -> Any:
    """incoming · local; if `careful`, with strong zeros, which win over inf and nan."""
    if local.__class__ is float and local == 1.0:
        return g
    if not careful:
        return g * local
    untaken = (g == 0.0) | (local == 0.0) if op.selects else g == 0.0
    if isinstance(g, np.ndarray) or isinstance(local, np.ndarray):
        product = g * local
        return np.where(untaken, product.dtype.type(0.0), product)
    return 0.0 if untaken else g * local


def contributions(node: Any, g: Any) -> Any:
    """(slot, operand, local, contribution) for each operand that requires a gradient, with strong zeros; `local` is None for a pull-back."""
    op, params = node.op, node._params or {}
    pairs = operands(node)
    values = tuple(value for _, value in pairs)
    m = ARRAYS if node.is_array else NUMBERS
    together = None
    for slot, (operand, value) in enumerate(pairs):
        if operand is None or not operand.requires_grad:
            continue
        if operand._value is not value:
            stale(node)
        if op.d:
            if op.variadic:
                together = together or op.d[0](m, node._value, *values, **params)
                local = together[slot]
            elif op.d[slot] is None:
                continue
            else:
                local = partial_of(m, node, slot, node._value, values, params)
            yield slot, operand, local, times(g, local, op, careful=True)
        elif op.variadic:
            together = together or op.vjp[0](m, g, node._value, *values, **params)
            yield slot, operand, None, together[slot]
        elif op.vjp[slot] is not None:
            if not np.any(g):
                yield slot, operand, None, np.zeros(np.shape(value), node._value.dtype)
            else:
                yield slot, operand, None, op.vjp[slot](m, g, node._value, *values, **params)


# ----------------------------------------------------------------------------------- the sweep over tensors
def sweep_tensors(roots: Sequence[Any], seeds: Sequence[Any], edge: Sequence[Any], leaves: list[Any], before: list[Any]) -> bool:
    """The chain rule from roots with `Tensor`s among them; False where Python's arithmetic raised (1 / 0).

    No sorting comes first: whatever uses a tensor is younger than it, so the gradient of the youngest node reached so far is
    complete. Every leaf that is reached goes into `leaves`, and its former `.grad` into `before`; a node of `edge` counts as a
    leaf. It does not suppress NumPy's warnings: call it under `QUIET`.
    """
    if _UNREAD:
        read_rules()
    m, array, epoch = ARRAYS, ndarray, next(EPOCHS)
    summed: set[int] = set()                   # nodes whose gradient is a buffer of our own, to be added into
    young: list[tuple[int, Any]] = []
    scalars: list[Any] = []                    # Values that tensors were made of

    node: Any = None
    for node in edge:
        node._mark = epoch
        before.append(node.grad)
        leaves.append(node)
        node.grad = node._FRESH
    nodes: Any = roots
    values: Any = [root._value for root in roots]
    rules: Any = seeds                         # the gradients of the roots; after that, the rules of a node
    ready, pulls, head, params = True, (), (), None
    g: Any = None
    known: Any = None                          # the dtype of a node whose rules promise to fit (Op.fits)
    try:
        while True:
            for operand, value, rule in zip(nodes, values, rules):  # noqa: B905 - as many as the arity; the check would take half the time of zip
                if operand is None or not operand.requires_grad or rule is None:
                    continue
                if operand._value is not value:
                    stale(node)
                if ready:
                    c = rule
                elif pulls:
                    c = rule(*head, **params) if params else rule(*head)
                elif rule.__class__ is float:
                    c = g if rule == 1.0 else g * rule
                else:
                    c = g * (rule(*head, **params) if params else rule(*head))
                if operand._mark == epoch:
                    accumulate(operand, c, g, summed)
                    continue
                operand._mark = epoch          # its first contribution in this pass
                fits = known is not None and c is not g and value.dtype is known and c.__class__ is array
                if not fits and not (c.__class__ is value.__class__ is array and c.dtype is value.dtype and c.shape == value.shape):
                    c = _fitted(c, operand)
                if operand.op is None:
                    before.append(operand.grad)            # first: an interrupt between the two leaves pairs that fit
                    leaves.append(operand)
                    if c.__class__ is array and (c is g or c.base is not None):   # a leaf's gradient is nobody else's
                        c = c.copy()
                elif operand.is_array:
                    heappush(young, (operand._age, operand))
                else:
                    scalars.append(operand)
                operand.grad = c
            if not young:
                break
            node = heappop(young)[1]
            g, op, nodes, values, params = node.grad, node.op, node._a, node._x, node._params
            ready, pulls, known = op.variadic, op.vjp, g.dtype if op.fits else None
            if ready:
                rules = _variadic_rules(op, g, node._value, values, params or {})
            elif pulls:
                rules, head = pulls, (m, g, node._value, *values)
                if op.adds is not None:
                    operand = nodes[0]
                    if id(operand) in summed:  # in place of the rule
                        if operand._value is not values[0]:
                            stale(node)
                        op.adds(operand.grad, g, **(params or {}))
                        nodes = ()
                    elif operand._mark != epoch:
                        summed.add(id(operand))            # its first contribution will be a new array
            else:
                rules, head = op.constants if op.reading == CONSTANT else op.d, (m, node._value, *values)
    except ArithmeticError:
        return False
    except Exception as error:
        blame(error, node, m, g)
        raise
    if scalars:
        _sweep_on(scalars, [node for node in edge if not node.is_array], leaves, before)
    return True


def _sweep_on(reached: list[Any], edge: list[Any], leaves: list[Any], before: list[Any]) -> None:
    """The chain rule from `Value`s whose gradients are complete down to their leaves."""
    incoming = [node.grad for node in reached]
    order, below = topological(reached, stop=edge)
    known = {id(leaf) for leaf in leaves}
    for node in order:
        node.grad = 0.0
    for leaf in below:
        if id(leaf) not in known:
            before.append(leaf.grad)
            leaves.append(leaf)
            leaf.grad = 0.0
    for node, g in zip(reached, incoming, strict=True):
        node.grad = g
    sweep_values(order)


def _variadic_rules(op: Op, g: Any, out: Any, values: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, ...]:
    """What an operation with any number of operands contributes to each of them."""
    rule: Any = (op.d or op.vjp)[0]
    if op.d:
        return tuple(g * local for local in rule(ARRAYS, out, *values, **params))
    return rule(ARRAYS, g, out, *values, **params)  # type: ignore[no-any-return]


# ----------------------------------------------------------------------------------- adding up, and the careful sweep
def _fitted(c: Any, operand: Any) -> Any:
    """A contribution in the shape and dtype of its operand. The one place where broadcasting is undone."""
    data = operand._value
    if data.__class__ is float:                # a Value
        return c if c.__class__ is float else float(c) if isinstance(c, float) else float(np.sum(c))
    if c.__class__ is not ndarray:             # a NumPy scalar, or a user's rule that gives a number or a list
        c = np.asarray(c)
    if c.shape != data.shape:
        try:
            c = sum_to(c, shape=data.shape)
        except ValueError as error:
            raise RuleError(
                f"backward: a rule gave a contribution of shape {c.shape} to {describe(operand)}, expected shape {data.shape}; "
                "check_op finds the operation."
            ) from error
    if c.dtype is not data.dtype:
        if c.dtype.kind not in "fbiu":
            raise RuleError(
                f"backward: a rule gave a contribution of dtype {c.dtype} to {describe(operand)}, expected {data.dtype}; check_op finds the operation."
            )
        c = c.astype(data.dtype, copy=False)
    return c


def accumulate(operand: Any, c: Any, g: Any, summed: set[int]) -> Any:
    """Add a contribution to the gradient of an operand; gives it back in the operand's shape and dtype."""
    c, before = _fitted(c, operand), operand.grad
    if c.__class__ is float:                   # to a Value
        operand.grad = before + c
    elif before is None:                       # a leaf's gradient is nobody else's
        operand.grad = c.copy() if operand.op is None and (c is g or c.base is not None) else c
    elif id(operand) in summed:
        np.add(before, c, before)
    else:
        operand.grad = np.asarray(before + c)
        summed.add(id(operand))
    return c


@QUIET
def sweep_carefully(order: list[Any], emit: Callable[[Step], None] | None) -> None:
    """The chain rule over any graph in topological order, with strong zeros; every product is handed to `emit`."""
    for node in reversed(order):
        g = node.grad
        if g is None:
            continue
        summed: set[int] = set()               # never added into: a step keeps the gradient that it saw
        try:
            for slot, operand, local, c in contributions(node, g):
                before, pulled = operand.grad, () if emit is None else np.shape(c)
                c = accumulate(operand, c, g, summed)
                if emit is not None:
                    emit(Step(node, operand, slot, g, local, c, before, operand.grad, pulled))
                summed.clear()
        except Exception as error:
            blame(error, node, ARRAYS if node.is_array else NUMBERS, g)
            raise
