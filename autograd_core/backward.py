"""The backward pass: the chain rule, applied from the root down.

**Fresh and accumulated.** Gradients of inner nodes are those of the last pass. Gradients of leaves add up over passes:
the pass works on fresh zeros and adds the sum to what the leaves had only when everything has gone well, so that an
interrupt half-way leaves every leaf as it was.

**Strong zeros.** A branch that was not taken must contribute 0, but 0 · inf is nan in IEEE. The pass runs without looking;
only if a leaf ends up with nan is it run again with care: where nothing comes in nothing goes out, whatever the local
derivative is, and a branch that was not taken passes nothing on, whatever comes in.

**Sweeps, and one rule book.** One sweep runs on floats and one on arrays, with nothing in the loop that is not needed; a third
runs with care over any graph and emits the steps that pictures show. `gradients.py` adds sweeps on nodes and on batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .algebra import ARRAYS, NUMBERS, symbolic_partial
from .anomaly import check_gradients, check_seeds, check_unwritten, describe
from .arguments import as_numbers
from .errors import GraphError, LinAlgError, NotScalarError, ShapeError
from .modes import WATCHED, anomaly_detected
from .node import LOCK, OVERWRITTEN, Node, operands, stale, trace
from .op import INSTALLERS, TABLE, Op
from .structural import sum_to

__all__ = ["Step", "as_ieee", "backpropagate", "local_of", "needed_for", "one_step", "restore", "run_pass", "times"]


_QUIET = np.errstate(all="ignore")
"""Local derivatives may be inf and nan; what `detect_anomaly` is there to say is not said by warnings."""


class Step(NamedTuple):
    """One product of the chain rule: `contribution = incoming · local`, added to the gradient of one operand."""

    node: Node
    operand: Node
    slot: int
    incoming: Any
    local: Any
    contribution: Any
    before: Any
    after: Any


# ----------------------------------------------------------------------------------- the scalar sweep
CALL, CONSTANT, OTHER = 0, 1, 2


def _read(op: Op) -> None:
    """Read the rules of an entry once, with symbols: a rule that is a number, or the other operand, need not be called."""
    if op.d and not op.variadic and None not in op.d and not getattr(op.array, "__kwdefaults__", None):
        try:
            partials = [symbolic_partial(op, slot, "out", ("x", "y")[: len(op.d)]) for slot in range(len(op.d))]
        except Exception:
            return                             # whatever is wrong with the rule will show where it is used
        if all(isinstance(p, (int, float)) for p in partials):
            object.__setattr__(op, "reading", CONSTANT)
            object.__setattr__(op, "constants", tuple(map(float, partials)))
        elif [str(p) for p in partials] == ["y", "x"]:
            object.__setattr__(op, "reading", OTHER)


for _op in TABLE.values():
    _read(_op)
INSTALLERS.append(_read)


def _sweep_values(order: list[Any]) -> None:
    """The chain rule over `Value`s, on Python floats, with nothing in the loop that is not needed."""
    m = NUMBERS
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
                    p, q = local_of(node, 0), local_of(node, 1)
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
                p = local_of(node, 0)
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
                    operand.grad += g * local_of(node, slot)


def local_of(node: Any, slot: int) -> float:
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
    """What a rule gives; where Python's arithmetic raises (1 / 0), with the numbers as NumPy's, which follow IEEE."""
    try:
        return rule(m, *operands, **params)
    except ArithmeticError:
        return rule(m, *[np.float64(x) if x.__class__ is float or x.__class__ is int else x for x in operands], **params)


def _all_locals(node: Any) -> tuple[Any, ...]:
    """The local derivatives of a variadic `Value`, all at once."""
    return node.op.d[0](NUMBERS, node._value, *node._x, **(node._params or {}))  # type: ignore[no-any-return]


# ----------------------------------------------------------------------------------- the general sweep
def times(g: Any, local: Any, op: Op, careful: bool) -> Any:
    """incoming · local; with care, a zero on the side of a branch that was not taken wins over inf and nan."""
    if local.__class__ is float and local == 1.0:
        return g
    if not careful:
        return g * local
    untaken = (g == 0.0) | (local == 0.0) if op.selects else g == 0.0
    if isinstance(g, np.ndarray) or isinstance(local, np.ndarray):
        product = g * local
        return np.where(untaken, product.dtype.type(0.0), product)
    return 0.0 if untaken else g * local


def _contributions(node: Any, g: Any) -> Any:
    """What the incoming gradient becomes, with strong zeros, for each operand that wants it: (slot, operand, local, contribution)."""
    op, params = node.op, node._params or {}
    pairs = operands(node)
    values = tuple(value for _, value in pairs)
    scalar = not node.is_array
    m = NUMBERS if scalar else ARRAYS
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
                local = local_of(node, slot) if scalar else as_ieee(op.d[slot], m, node._value, *values, **params)
            yield slot, operand, local, times(g, local, op, careful=True)
        elif op.variadic:
            together = together or op.vjp[0](m, g, node._value, *values, **params)
            yield slot, operand, None, together[slot]
        elif op.vjp[slot] is not None:
            if not np.any(g):
                yield slot, operand, None, np.zeros(np.shape(value), node._value.dtype)
            else:
                yield slot, operand, None, op.vjp[slot](m, g, node._value, *values, **params)


@_QUIET
def _sweep_arrays(order: list[Any]) -> None:
    """The chain rule over `Tensor`s (and into `Value`s), with nothing in the loop that is not needed."""
    m = ARRAYS
    summed: set[int] = set()                   # nodes whose gradient is a buffer of our own, to be added into
    for node in reversed(order):
        g = node.grad
        if g is None:
            continue
        op, out, values, params = node.op, node._value, node._x, node._params
        partials = op.d
        if op.variadic:
            rules: Any = _variadic_rules(op, g, out, values, params or {})
        else:
            rules = partials or op.vjp
        slot = -1
        for operand in node._a:
            slot += 1
            if operand is None or not operand.requires_grad:
                continue
            value, rule = values[slot], rules[slot]
            if operand._value is not value:
                stale(node)
            if op.variadic:
                c = rule
            elif not partials:
                c = rule(m, g, out, *values, **params) if params else rule(m, g, out, *values)
            elif op.reading == CONSTANT:
                local = op.constants[slot]
                c = g if local == 1.0 else g * local
            elif rule is None:
                continue
            else:
                c = g * (rule(m, out, *values, **params) if params else rule(m, out, *values))
            _accumulate(operand, c, g, summed)


def _variadic_rules(op: Op, g: Any, out: Any, values: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, ...]:
    """What an operation with any number of operands contributes to each of them."""
    rule: Any = (op.d or op.vjp)[0]
    if op.d:
        return tuple(g * local for local in rule(ARRAYS, out, *values, **params))
    return rule(ARRAYS, g, out, *values, **params)  # type: ignore[no-any-return]


def _sweep(order: list[Any]) -> bool:
    """The chain rule over tensors, and then over the numbers below them; False where Python's arithmetic raised (1 / 0)."""
    try:
        tensors = [node for node in order if node.is_array]
        _sweep_arrays(tensors)
    except ArithmeticError:
        return False
    if len(tensors) != len(order):
        _sweep_values([node for node in order if not node.is_array])
    return True


def _accumulate(operand: Any, c: Any, g: Any, summed: set[int]) -> Any:
    """Add a contribution to the gradient of an operand, in its shape and dtype. The one place where broadcasting is undone."""
    data, before = operand._value, operand.grad
    if data.__class__ is float:                # a Value
        operand.grad = before + (c if c.__class__ is float else float(np.sum(c)))
        return c
    if c.shape != data.shape:
        c = sum_to(c, shape=data.shape)
    if c.dtype is not data.dtype and c.dtype != data.dtype:
        c = c.astype(data.dtype)
    if before is None:
        if c.__class__ is not np.ndarray:
            c = np.asarray(c)
        if operand.op is None and (c is g or c.base is not None):   # a leaf's gradient is nobody else's
            c = c.copy()
        operand.grad = c
    elif id(operand) in summed:
        np.add(before, c, before)
    else:
        operand.grad = np.asarray(before + c)
        summed.add(id(operand))
    return c


@_QUIET
def _sweep_carefully(order: list[Any], emit: Callable[[Step], None] | None) -> None:
    """The chain rule over any graph, with strong zeros, and with every product handed to `emit`."""
    for node in reversed(order):
        g = node.grad
        if g is None:
            continue
        summed: set[int] = set()               # never added into: a step keeps the gradient that it saw
        for slot, operand, local, c in _contributions(node, g):
            before = operand.grad
            c = _accumulate(operand, c, g, summed)
            if emit is not None:
                emit(Step(node, operand, slot, g, local, c, before, operand.grad))
            summed.clear()


def one_step(node: Any) -> None:
    """The chain rule through one node only, by hand: its gradient, as it stands, is added to its operands'.

    Callable as `node._backward()`, which is micrograd's spelling.
    """
    if node.op is None or node.grad is None:
        return
    with LOCK, np.errstate(all="ignore"):
        stale(node)
        for _, operand, _, c in _contributions(node, node.grad):
            _accumulate(operand, c, node.grad, set())


# ------------------------------------------------------------------------------------------ whole passes
def _seed(root: Any, seed: Any) -> Any:
    """The gradient to start from, checked against the root."""
    if seed is not None:
        seed = as_numbers(seed, "backward", "gradient")
    if not root.is_array:
        if seed is None:
            return 1.0
        if np.ndim(seed) != 0:
            raise ShapeError(f"backward: received a gradient of shape {np.shape(seed)} for a Value, expected one number.")
        return float(seed)
    data = root._value
    if seed is None:
        if data.size != 1:
            raise NotScalarError(
                f"backward: {describe(root)} has {data.size} elements, expected one; take a sum or a mean "
                "first, or pass gradient= with an array of the same shape."
            )
        return np.array(1.0, data.dtype).reshape(data.shape)
    if seed.shape != data.shape:
        raise ShapeError(f"backward: received a gradient of shape {seed.shape}, expected {data.shape}, the shape of the tensor.")
    if not np.can_cast(seed.dtype, data.dtype, "same_kind"):
        raise ShapeError(f"backward: received a gradient of dtype {seed.dtype}, expected {data.dtype}.")
    return seed.astype(data.dtype)


def _has_nan(leaves: list[Any]) -> bool:
    """Whether any leaf ended up with nan. One quick sum of squares; only a suspicious one is looked at closely."""
    total = 0.0
    for leaf in leaves:
        g = leaf.grad
        if g.__class__ is np.ndarray:
            flat = g if g.ndim == 1 else g.ravel()
            total += flat.dot(flat)
        elif g is not None:
            total += 0.0 * g                   # nan from nan and from inf
    return not math.isfinite(total) and any(leaf.grad is not None and np.isnan(leaf.grad).any() for leaf in leaves)


def run_pass(
    roots: Sequence[Any], seeds: Sequence[Any], emit: Callable[[Step], None] | None = None, wrt: Sequence[Any] | None = None
) -> list[tuple[Any, Any]]:
    """One backward pass. Leaves new gradients in the slots of the leaves; returns each leaf with what it had before.

    With `wrt`, only what lies between them and the roots takes part, and any other operand counts as a leaf.
    """
    order, reached = trace(roots)
    if wrt is not None and len(reached) > len(wrt):
        order, reached = _between(order, wrt)
    values_only = all(not root.is_array for root in roots)
    leaves = [leaf for leaf in reached if leaf.requires_grad]
    saved = [(leaf, leaf.grad if leaf.is_array or leaf._flowed else None) for leaf in leaves]

    def fresh() -> None:
        if values_only:
            for node in order:
                node.grad = 0.0
        else:
            for node in order:
                node.grad = node._FRESH
        for leaf in leaves:
            leaf.grad = leaf._FRESH
        for root, seed in zip(roots, seeds, strict=True):
            root.grad = seed if root.grad is None or (not root.is_array and root.grad == 0.0) else root.grad + seed

    anomalies = bool(WATCHED) and anomaly_detected()
    try:
        if anomalies:
            check_seeds(roots, seeds)
            check_unwritten(order, operands)
        fresh()
        if emit is not None:
            _sweep_carefully(order, emit)
        else:
            if values_only:
                _sweep_values(order)
                done = True
            else:
                done = _sweep(order)
            if not done or _has_nan(leaves):
                fresh()
                _sweep_carefully(order, None)
        if anomalies:
            check_gradients(order, operands)
    except np.linalg.LinAlgError as error:
        restore(saved)
        raise LinAlgError(f"backward: received a matrix whose inverse the derivative needs, expected one that is not singular: {error}.") from error
    except BaseException:
        restore(saved)
        raise
    return saved


def _between(order: list[Any], wrt: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The nodes that depend on `wrt`, and the other operands that they have."""
    needed = needed_for(order, wrt)
    inner = [node for node in order if id(node) in needed]
    edge = {id(w): w for w in wrt}
    for node in inner:
        for operand, _ in operands(node):
            if operand is not None and id(operand) not in needed:
                edge[id(operand)] = operand
    return inner, list(edge.values())


def needed_for(order: Sequence[Any], wrt: Sequence[Any]) -> set[int]:
    """The ids of `wrt` and of every node that depends on them."""
    needed = {id(w) for w in wrt}
    for node in order:
        if any(operand is not None and id(operand) in needed for operand, _ in operands(node)):
            needed.add(id(node))
    return needed


def restore(saved: list[tuple[Any, Any]]) -> None:
    """Give leaves the gradients that they had before a pass."""
    for leaf, old in saved:
        if old is None and not leaf.is_array:  # an unset slot reads as 0.0, and says that nothing has flowed
            leaf.grad = 0.0
            del leaf.grad
        else:
            leaf.grad = old


def backpropagate(root: Any, seed: Any = None, *, emit: Callable[[Step], None] | None = None) -> None:
    """The backward pass from a root: leaves accumulate, inner nodes hold the gradients of this pass.

    Args:
        root: A `Value` or `Tensor`.
        seed: The gradient of the root, 1 where it is None; an array of the root's shape for a non-scalar tensor.
        emit: Called with a `Step` for every product of the chain rule, in the order in which they run.
    """
    if not root.requires_grad:
        raise GraphError(
            f"backward: {describe(root)} does not depend on anything differentiable; it is a constant, or it was "
            "computed under no_grad()."
        )
    start = _seed(root, seed)
    with LOCK:
        saved = run_pass([root], [start], emit)
        try:
            for leaf, old in saved:
                new = leaf.grad
                if old is not None and new is not None:
                    fits = old.__class__ is float or (old.__class__ is np.ndarray and old.dtype.kind == "f")
                    old = old if fits else as_numbers(old, "backward", "the .grad of a leaf")
                if old is not None and new is not None and np.shape(old) != np.shape(leaf._value):
                    raise ShapeError(
                        f"backward: the .grad of {describe(leaf)} was set to {type(old).__name__} of shape {np.shape(old)}, expected "
                        f"shape {np.shape(leaf._value)}; set it to None to start anew."
                    )
                if old is not None:
                    leaf.grad = old + new if new is not None else old
                elif new.__class__ is not float and new.__class__ is not np.ndarray and new is not None:
                    leaf.grad = np.asarray(new) if leaf.is_array else float(new)
        except BaseException:
            restore(saved)
            raise
