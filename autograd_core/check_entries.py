"""`check_op`: every generated test on one entry of the table, at random operands from its domain or its samples."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from .algebra import ARRAYS, SYMBOLS, on_floats, symbolic_partial
from .arguments import Count, checked, shown
from .blame import answers_of, complaint
from .check import MOST_ORDERS, CheckReport, GradientCheckError, check_grads
from .errors import OperandError
from .op import Interval, Op
from .record import apply
from .sweeps import contributions
from .tensor import Tensor

__all__ = ["check_op"]

PARTS = 24
"""The number of parts that a domain is cut into; each is tested."""


@checked
def check_op(op: Op, *, order: Count = 2, seed: Annotated[int, 0] = 0) -> CheckReport:
    """Run every generated test on one operation: both kernels, every rule, broadcasting, dtypes, labels.

    Random operands come from the entry's `domain` (or its `samples`), away from its kinks: a few of every shape, and an array with an
    element in each of 24 parts of the domain. Use it as the one line of a test for an operation of your own; for errors at a few points
    only, search with `strategies.operands` and `check_grads`.

    Raises:
        GradientCheckError: A rule is wrong or not written with the algebra, or the kernels disagree.

    Example:
        >>> from autograd_core import TABLE
        >>> check_op(TABLE["tanh"]).failures
        []
    """
    rng = np.random.default_rng(seed)
    report = CheckReport()
    _check_symbols(op)
    cases = _cases(op, rng)
    for operands, params, up_to in cases:
        differentiable = [i for i, rule in enumerate(_rules(op, operands)) if rule is not None]

        def f(*chosen: Any, operands: Any = operands, params: Any = params, differentiable: Any = differentiable) -> Any:
            full = list(operands)
            for i, x in zip(differentiable, chosen, strict=True):
                full[i] = x
            return apply(op, tuple(full), _fresh(params))

        _check_array_kernel(op, operands, params)
        _check_rules(op, operands, params, differentiable)
        _check_promise(op, operands, params, differentiable)
        _check_adding(op, operands, params)
        if op.elementwise:
            _check_kernels(op, operands, params)
            _check_float32(op, operands, params)
        point = [operands[i] for i in differentiable]
        try:
            report.comparisons += check_grads(f, point, order=min(order, up_to), seed=seed).comparisons
        except GradientCheckError as error:
            shapes = ", ".join(str(np.shape(x)) for x in operands)
            raise GradientCheckError(f"check_op: {op.name}({shapes}){params or ''}\n{error}") from None
    return report


def _check_symbols(op: Op) -> None:
    """Rules that use the algebra can be read with symbols too; np.cos(x) or math.cos(x) in place of m.cos(x) cannot."""
    for slot, rule in enumerate(op.d if op.elementwise and not op.variadic else ()):
        if rule is not None:
            try:
                symbolic_partial(op, slot, "out", tuple("xyz"[: len(op.d)]))
            except Exception as error:
                if isinstance(error, AttributeError) and error.obj is SYMBOLS:
                    raise GradientCheckError(f"check_op: {complaint(op, slot, error, (), ())}.") from error
                told = str(error).rstrip(".")
                raise GradientCheckError(
                    f"check_op: the rule of {op.name} for operand {slot} cannot be read with symbols ({told}), so no picture can show its formula; "
                    "write it with operators and functions of the algebra: m.cos(x), not np.cos(x) or math.cos(x), and m.where in place of an if."
                ) from error


def _rules(op: Op, operands: Sequence[Any]) -> Sequence[Any]:
    return (op.d or op.vjp) if not op.variadic else (op.d or op.vjp) * len(operands)


def _fresh(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of one application: what a kernel may put aside for its rule is a dictionary that no other has seen."""
    return {name: {} if name == "saved" else option for name, option in params.items()}


def _cases(op: Op, rng: Any) -> list[tuple[tuple[Any, ...], dict[str, Any], int]]:
    """(operands, parameters, the highest order that is checked there); where the kernel can put something aside, once more with that."""
    cases = _plain_cases(op, rng)
    saves = "saved" in (getattr(op.array, "__kwdefaults__", None) or {})
    return [*cases, *((operands, params | {"saved": {}}, up_to) for operands, params, up_to in cases if saves and "saved" not in params)]


def _plain_cases(op: Op, rng: Any) -> list[tuple[tuple[Any, ...], dict[str, Any], int]]:
    """(operands, parameters, the highest order that is checked there)."""
    if op.samples is not None:
        return [(operands, params, MOST_ORDERS) for operands, params in op.samples(rng)]
    if not op.elementwise:
        raise OperandError(f"check_op: {op.name} is structural and has no samples=; give it a function that makes operands to test with.")
    count = 3 if op.variadic else len(op.d)
    shapes: list[tuple[tuple[int, ...], ...]] = [((),) * count, ((3,),) * count]
    if count > 1 and not op.variadic:
        shapes += [tuple((2, 3) if i == lead else (1, 3) if i % 2 else (2, 1) for i in range(count)) for lead in range(count)]
        shapes.append(tuple((3,) if i else () for i in range(count)))
    return [*((_away(op, rng, case), {}, MOST_ORDERS) for case in shapes), (_everywhere(op, rng, count), {}, 1)]


def _everywhere(op: Op, rng: Any, count: int) -> tuple[Any, ...]:
    """Operands with an element in each of PARTS parts of their domains, in an order of its own each; without those near a kink."""
    domains = op.domain if op.domain and not op.variadic else (Interval(),) * count
    operands = []
    for domain in domains:
        share = (rng.permutation(PARTS) + rng.uniform(0.0, 1.0, PARTS)) / PARTS
        x = domain.low + share * (domain.high - domain.low)
        operands.append(np.where([domain.contains(v, margin=0.05) for v in x.tolist()], x, _draw(rng, domain, (PARTS,))))
    if op.kinks is not None:
        away = np.abs(op.kinks(*operands)) > 0.05
        operands = [x[away] for x in operands] if np.shape(away) == (PARTS,) and np.any(away) else operands
    return _with_condition(op, operands)


def _away(op: Op, rng: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[Any, ...]:
    domains = op.domain if op.domain and not op.variadic else (Interval(),) * len(shapes)
    for _ in range(100):
        operands = tuple(_draw(rng, domain, shape) for domain, shape in zip(domains, shapes, strict=True))
        if op.kinks is None or np.all(np.abs(op.kinks(*operands)) > 0.05):
            break
    return _with_condition(op, operands)


def _with_condition(op: Op, operands: Sequence[Any]) -> tuple[Any, ...]:
    """A first operand without a derivative is a condition."""
    if op.d[0] is not None:
        return tuple(operands)
    return (np.asarray(operands[0]) > 0.5 if np.ndim(operands[0]) else bool(operands[0] > 0.5), *operands[1:])


def _draw(rng: Any, domain: Interval, shape: tuple[int, ...]) -> Any:
    x = rng.uniform(domain.low, domain.high, shape)
    for _ in range(50):
        bad = ~np.vectorize(lambda v: domain.contains(v, margin=0.05), otypes=[bool])(x)
        if not bad.any():
            break
        x = np.where(bad, rng.uniform(domain.low, domain.high, shape), x)
    return x if shape else float(x)


def _check_array_kernel(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> None:
    """The array kernel gives real numbers, in the shape of its operands where it acts on each element, and leaves its operands alone."""
    given = [np.array(x) for x in operands]
    result = _run(op, given, params)
    where = f"of shape {', '.join(str(x.shape) for x in given)}"
    for i, (before, after) in enumerate(zip(operands, given, strict=True)):
        if not np.array_equal(before, after, equal_nan=np.asarray(after).dtype.kind == "f"):
            raise GradientCheckError(f"check_op: the array kernel of {op.name} writes into its operand {i}; it must make a new array.")
    if not isinstance(result, (np.ndarray, np.generic, float, int)) or np.asarray(result).dtype.kind not in "biuf":
        raise GradientCheckError(f"check_op: the array kernel of {op.name} gives {shown(result)} for operands {where}, expected one array of real numbers.")
    if op.elementwise:
        expected = np.broadcast_shapes(*(x.shape for x in given))
        if np.shape(result) != expected:
            raise GradientCheckError(
                f"check_op: the array kernel of {op.name} gives shape {np.shape(result)} for operands {where}, expected {expected}: with d= an operation "
                "acts on each element by itself; one that changes the shape has pull-backs, vjp=."
            )
    elsewhere = _run(op, [_in_steps(x) for x in given], params)
    if not np.allclose(result, elsewhere, rtol=1e-9, atol=1e-12, equal_nan=True):
        raise GradientCheckError(
            f"check_op: the array kernel of {op.name} gives other numbers for the same operands as every second element of a longer array; "
            "does it look at memory, or draw random numbers?"
        )
    kept = np.array(result)
    with contextlib.suppress(GradientCheckError):  # an operation on whole arrays may not accept the numbers in another order
        _run(op, [np.flip(x).copy() for x in given], params)
    if not np.array_equal(kept, result, equal_nan=kept.dtype.kind == "f"):
        raise GradientCheckError(
            f"check_op: the array kernel of {op.name} writes into the result of the call before, expected a new array from each call: what is recorded "
            "would change afterwards."
        )


def _run(op: Op, given: list[Any], params: dict[str, Any]) -> Any:
    try:
        return op.array(*given, **_fresh(params))
    except Exception as error:
        shapes = ", ".join(str(np.shape(x)) for x in given)
        all_shapes = ", arrays of any shape, also without axes: np.sin(x), not math.sin(x) or x[0]" if op.elementwise else ""
        raise GradientCheckError(
            f"check_op: the array kernel of {op.name} raised {type(error).__name__} for operands of shape {shapes}{params or ''}: {str(error).rstrip('.')}; "
            f"expected it to take them{all_shapes}."
        ) from error


def _in_steps(x: Any) -> Any:
    """The same numbers as every second element of a longer array."""
    if not x.ndim:
        return x
    longer = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    longer[..., ::2] = x
    return longer[..., ::2]


def _check_rules(op: Op, operands: tuple[Any, ...], params: dict[str, Any], differentiable: list[int]) -> None:
    """Rules give real numbers in shapes that fit, and leave alone what they are handed, and what they gave before."""
    tensors = [Tensor(np.array(x)) if i in differentiable else x for i, x in enumerate(operands)]
    node = apply(op, tuple(tensors), _fresh(params))
    handed = {**{f"its operand {i}": x for i, x in enumerate(node._x)}, "its result": node._value, "the incoming gradient": np.ones_like(node._value)}
    before = {what: np.array(x) for what, x in handed.items()}
    given = []
    for slot, value, answer in answers_of(node, ARRAYS, handed["the incoming gradient"]):
        found = complaint(op, slot, answer, np.shape(node._value), np.shape(value))
        if found:
            raise GradientCheckError(f"check_op: {found}.")
        for what, x in handed.items():
            if not np.array_equal(before[what], x, equal_nan=before[what].dtype.kind == "f"):
                raise GradientCheckError(f"check_op: the rule of {op.name} for operand {slot} writes into {what}; it must make a new array.")
        given.append((slot, answer, np.array(answer)))
    for _ in answers_of(node, ARRAYS, 2.0 * handed["the incoming gradient"]):
        pass                                   # a second pass through the same operation
    for slot, answer, numbers in given:
        if not np.array_equal(numbers, answer, equal_nan=numbers.dtype.kind == "f"):
            raise GradientCheckError(
                f"check_op: the rule of {op.name} for operand {slot} writes into what it, or another rule, gave before; expected a new array from each call."
            )


def _check_promise(op: Op, operands: tuple[Any, ...], params: dict[str, Any], differentiable: list[int]) -> None:
    """Where an entry promises that its contributions fit, they have the shape and dtype of the operand, and memory of their own."""
    for dtype in (np.float64, np.float32) if op.fits else ():
        tensors = [Tensor(np.array(x, dtype)) if i in differentiable else x for i, x in enumerate(operands)]
        node = apply(op, tuple(tensors), _fresh(params))
        g = np.ones_like(node._value)
        for slot, operand, _, contribution in contributions(node, g):
            c, expected = np.asarray(contribution), operand._value
            shared = any(np.shares_memory(c, x) for x in (g, node._value, *node._x))
            if c is not g and (c.shape != expected.shape or c.dtype != expected.dtype or shared):
                received = "memory that is not its own" if shared else f"shape {c.shape}, {c.dtype}"
                raise GradientCheckError(
                    f"check_op: {op.name} promises with fits=True that what its rules give fits, and the one for operand {slot} gave {received}, "
                    f"expected a new array of shape {expected.shape}, {expected.dtype}; leave fits out."
                )


def _check_adding(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> None:
    """`adds` of an entry adds to a buffer what its pull-back gives, and the pull-back gives a new array."""
    if op.adds is None:
        return
    node = apply(op, tuple(Tensor(np.array(x, float)) for x in operands), _fresh(params))
    rng = np.random.default_rng(0)
    g = rng.normal(size=node.shape)
    for _, operand, _, contribution in contributions(node, g):
        buffer = rng.normal(size=operand.shape)
        expected = buffer + contribution
        op.adds(buffer, g, **_fresh(params))
        shared = np.shares_memory(contribution, g)
        if shared or not np.allclose(buffer, expected, rtol=1e-12, atol=1e-12):
            received = "memory that is not its own" if shared else f"{contribution!r:.60}, which made {expected!r:.60} of the buffer and adds= {buffer!r:.60}"
            raise GradientCheckError(f"check_op: the pull-back of {op.name} gave {received}; expected a new array of what adds= adds to a buffer.")


def _check_kernels(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> None:
    if any(np.ndim(x) for x in operands) or op.scalar is None:
        return
    scalar = on_floats(op)(*operands, **_fresh(params))
    array = float(op.array(*map(np.asarray, operands), **_fresh(params)))
    if not math.isclose(scalar, array, rel_tol=1e-12, abs_tol=1e-300):
        raise GradientCheckError(f"check_op: the kernels of {op.name} disagree at {operands}: scalar {scalar!r}, array {array!r}.")


def _check_float32(op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> None:
    if not any(np.ndim(x) for x in operands):
        return
    single = tuple(np.asarray(x, np.float32) if np.asarray(x).dtype.kind == "f" else x for x in operands)
    dtype = np.asarray(op.array(*single, **_fresh(params))).dtype
    if dtype != np.float32:
        raise GradientCheckError(f"check_op: the array kernel of {op.name} turns float32 into {dtype}; keep the dtype of its operands.")
