"""Hypothesis strategies made from the table: operands from each entry's domain, arrays, and whole random programs.

They need the extra `test` (hypothesis). An operation of your own joins in as soon as it is declared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import numpy as np

from .arguments import Count, checked
from .errors import MissingExtraError, OperandError
from .op import TABLE, Interval, Op
from .record import apply
from .tensor import Tensor
from .value import Value

__all__ = ["Program", "arrays", "expressions", "floats_in", "operands", "shapes", "smooth", "tensors", "values"]

DEFAULT = Interval()
LONGEST, ONE_BY_ONE = 10_000, 100
"""The longest axis of an array; elements up to which each is drawn by itself, and so shrinks."""
FAR = 1e3
"""How far from 0 numbers are drawn where a domain has no end."""


class _Absent:
    """Stands in for hypothesis where that is not installed: using it raises an error that says what to install."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)         # help(), doctest and functools.wraps look for such names everywhere
        raise MissingExtraError(
            f'autograd_core.strategies needs hypothesis (for {name}); install it with: pip install "autograd-core[test]"'
        )

    def composite(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A strategy that raises when it is used."""
        return wraps(function)(lambda *_, **__: self.__getattr__(function.__name__))


try:
    from hypothesis import strategies as st
except ImportError:
    st = _Absent()  # type: ignore[assignment]


@checked
def floats_in(domain: Interval = DEFAULT, *, margin: float = 0.05, kinks: bool = False) -> st.SearchStrategy[float]:
    """Floats of a domain, at least `margin` away from the points it avoids; with `kinks`, those points too.

    Example:
        >>> from autograd_core import Interval
        >>> floats_in(Interval(0.5, 2.0)).filter(lambda x: not 0.5 <= x <= 2.0).is_empty
        False
    """
    digits = _digits(domain)
    numbers = st.floats(domain.low, domain.high, allow_nan=False, allow_infinity=False, width=64).map(lambda x: round(x, digits))
    inside = numbers.filter(lambda x: domain.contains(x, margin))
    points = [p for p in domain.avoid if domain.low <= p <= domain.high]
    return st.one_of(inside, st.sampled_from(points)) if kinks and points else inside


@checked
def shapes(*, max_dims: Annotated[int, 0] = 3, max_side: Annotated[int, 0] = 3, min_side: Annotated[int, 0] = 0) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with sides of 0 and 1 among them."""
    if min_side > max_side:
        raise OperandError(f"shapes: received min_side={min_side} and max_side={max_side}, expected the smaller one first.")
    return st.lists(st.integers(min_side, max_side), max_size=int(max_dims)).map(tuple)


@st.composite
@checked
def arrays(
    draw: Callable[..., Any], shape: Any = None, *, domain: Interval = DEFAULT, dtype: Any = np.float64, margin: float = 0.05, kinks: bool = False
) -> np.ndarray:
    """Arrays with elements from a domain; `shape` is a shape, a strategy for one, or None for any.

    Up to a hundred elements are drawn one by one, and shrink to simple numbers; in larger arrays a few are, and the others come from a
    generator of random numbers whose seed is drawn.
    """
    if shape is None:
        shape = draw(shapes())
    elif isinstance(shape, st.SearchStrategy):
        shape = draw(shape)
    if not isinstance(shape, tuple) or not all(isinstance(n, (int, np.integer)) and 0 <= n <= LONGEST for n in shape):
        raise OperandError(f"arrays: received shape={shape!r:.60}, expected a tuple of integers from 0 to {LONGEST}, or a strategy for one.")
    size, one = int(np.prod(shape)), floats_in(domain, margin=margin, kinks=kinks)
    if size <= ONE_BY_ONE:
        elements: Any = draw(st.lists(one, min_size=size, max_size=size))
    else:
        elements = _many(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), size, domain, margin, draw(one))
        for place in draw(st.lists(st.integers(0, size - 1), max_size=5, unique=True)):
            elements[place] = draw(one)
    return np.array(elements, dtype=draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype).reshape(shape)


def _digits(domain: Interval) -> int:
    """How many places after the point keep numbers of a domain short, and apart."""
    span = domain.high - domain.low
    return 6 if span >= 0.01 else 20 if span == 0.0 else 4 - math.floor(math.log10(span))


def _many(rng: np.random.Generator, size: int, domain: Interval, margin: float, known: float) -> np.ndarray:
    """Random numbers of a domain; `known`, which lies in it, stands where nearly all of the domain is to be avoided and none was found."""
    low = domain.low if math.isfinite(domain.low) else min(domain.high, 0.0) - FAR
    high = domain.high if math.isfinite(domain.high) else max(low, 0.0) + FAR
    numbers = np.full(size, known)
    left = np.arange(size)
    for _ in range(100):
        drawn = np.clip(np.round(rng.uniform(low, high, left.size), _digits(domain)), low, high)
        fits = np.all([np.abs(drawn - point) > margin for point in domain.avoid], axis=0) if domain.avoid else np.ones(left.size, bool)
        numbers[left[fits]] = drawn[fits]
        left = left[~fits]
        if not left.size:
            break
    return numbers


@checked
def values(domain: Interval = DEFAULT, *, kinks: bool = False) -> st.SearchStrategy[Value]:
    """Leaf `Value`s."""
    return floats_in(domain, kinks=kinks).map(Value)


def tensors(shape: Any = None, *, domain: Interval = DEFAULT, dtype: Any = np.float64, kinks: bool = False) -> st.SearchStrategy[Tensor]:
    """Leaf `Tensor`s."""
    return arrays(shape, domain=domain, dtype=dtype, kinks=kinks).map(Tensor)


@st.composite
def broadcastable(draw: Callable[..., Any], count: int, *, max_side: int = 3) -> tuple[tuple[int, ...], ...]:
    """Shapes that broadcast together: each has leading axes left out and some axes of length 1."""
    full = draw(shapes(max_dims=3, max_side=max_side))
    chosen = []
    for _ in range(count):
        start = draw(st.integers(0, len(full)))
        chosen.append(tuple(1 if draw(st.booleans()) else n for n in full[start:]))
    return tuple(chosen)


@st.composite
@checked
def operands(draw: Callable[..., Any], op: Op, *, kinks: bool = False, scalar: bool = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(operands, params) for an operation, from its domain or its samples; away from its kinks unless asked.

    With `scalar`, Python floats; else arrays of shapes that broadcast.
    """
    if op.samples is not None:
        cases = op.samples(np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
        return draw(st.sampled_from(cases))  # type: ignore[no-any-return]
    if not op.elementwise:
        raise OperandError(f"strategies.operands: {op.name} is structural and has no samples=; give it some.")
    count = 2 * draw(st.integers(1, 3)) + 1 if op.variadic else len(op.d)
    domains = op.domain if op.domain and not op.variadic else (DEFAULT,) * count
    sides = ((),) * count if scalar else draw(broadcastable(count))
    for _ in range(20):
        chosen = [
            draw(floats_in(d, kinks=kinks)) if scalar else draw(arrays(s, domain=d, kinks=kinks))
            for d, s in zip(domains, sides, strict=True)
        ]
        if kinks or op.kinks is None or np.all(np.abs(op.kinks(*chosen)) > 0.05):
            break
    else:
        chosen[-1] = chosen[-1] + 0.1
    if not op.variadic and op.d[0] is None:
        chosen[0] = bool(chosen[0] > 0.5) if scalar else np.asarray(chosen[0]) > 0.5
    return tuple(chosen), {}


# ------------------------------------------------------------------------------------------ random programs
@dataclass(frozen=True)
class Program:
    """A random expression: leaves, and instructions (operation, indices of its operands). It prints as code that runs."""

    leaves: tuple[Any, ...]
    steps: tuple[tuple[str, tuple[int, ...]], ...]

    def __post_init__(self) -> None:
        """Raise for anything in `steps` that is not a step."""
        for step in self.steps if isinstance(self.steps, (tuple, list)) else (None,):
            if not isinstance(step, tuple) or len(step) != 2 or step[0] not in TABLE or not isinstance(step[1], tuple):
                raise OperandError(f"Program: received the step {step!r:.60}, expected (the name of an operation, indices of its operands).")

    def __call__(self, *leaves: Any) -> Any:
        """Run the program on other leaves: floats, arrays, `Value`s or `Tensor`s."""
        results = list(leaves)
        for name, slots in self.steps:
            results.append(apply(TABLE[name], tuple(results[i] for i in slots)))
        return results[-1]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - what printers call
        """The same where hypothesis or a notebook prints it: their own way would list the fields."""
        for i, line in enumerate(repr(self).split("\n")):
            if i or getattr(printer, "output_width", 0):       # within a call, from a line of its own on
                printer.break_()
            printer.text(line)

    def __repr__(self) -> str:
        """The program as Python source, ready to be pasted into a test."""
        names = [f"x{i}" for i in range(len(self.leaves))]
        lines = ["from autograd_core import TABLE, check_grads", "", f"def f({', '.join(names)}):"]
        count = len(names)
        for name, slots in self.steps:
            lines.append(f"    x{count} = TABLE[{name!r}]({', '.join(f'x{i}' for i in slots)})")
            count += 1
        arguments = ", ".join(
            f"np.array({leaf.tolist()!r}).reshape({leaf.shape})" if isinstance(leaf, np.ndarray) else repr(leaf) for leaf in self.leaves
        )
        if any(isinstance(leaf, np.ndarray) for leaf in self.leaves):
            lines.insert(0, "import numpy as np")
        lines += [f"    return x{count - 1}", "", f"check_grads(f, ({arguments},))"]
        return "\n".join(lines)


@checked
def smooth(ops: Sequence[Op] | None = None) -> list[Op]:
    """The operations that random programs are made of: those that act on each element, each within its domain, or within [−4, 4] where none is given.

    >>> "tanh" in [op.name for op in smooth()], "sum" in [op.name for op in smooth()]
    (True, False)
    """
    chosen = TABLE.values() if ops is None else ops
    return [op for op in chosen if op.elementwise and not op.variadic and op.d[0] is not None]


@st.composite
@checked
def expressions(  # noqa: D417 - draw is Hypothesis's own
    draw: Callable[..., Any], *, ops: Sequence[Op] | None = None, max_steps: Count = 8, shape: tuple[int, ...] | None = None
) -> Program:
    """Random programs over the elementwise operations of the table, kept inside every operation's domain.

    They shrink towards few steps and simple numbers, and print as code that runs.

    Args:
        ops: The operations to choose from; by default all that act on each element.
        max_steps: The longest program.
        shape: The shape of the leaves; None for floats.
    """
    chosen = sorted(smooth(ops), key=lambda op: op.name)
    if not chosen:
        raise OperandError("expressions: received no operation that acts on each element and has a derivative by its first operand, expected at least one.")
    count = draw(st.integers(1, 3))
    leaves = tuple(
        draw(floats_in(Interval(-2.0, 2.0))) if shape is None else draw(arrays(shape, domain=Interval(-2.0, 2.0))) for _ in range(count)
    )
    results: list[Any] = list(leaves)
    steps: list[tuple[str, tuple[int, ...]]] = []
    for _ in range(draw(st.integers(1, max_steps))):
        op = draw(st.sampled_from(chosen))
        slots = tuple(draw(st.integers(0, len(results) - 1)) for _ in op.d)
        inputs = tuple(results[i] for i in slots)
        if not _inside(op, inputs):
            continue
        with np.errstate(all="ignore"):
            out = apply(op, inputs)
        if not np.all(np.isfinite(out)) or np.any(np.abs(out) > 1e3):
            continue
        results.append(out)
        steps.append((op.name, slots))
    if not steps:
        results.append(apply(TABLE["mul"], (results[0], results[0])))
        steps.append(("mul", (0, 0)))
    return _pruned(leaves, steps)


def _pruned(leaves: tuple[Any, ...], steps: list[tuple[str, tuple[int, ...]]]) -> Program:
    """The program without the steps and leaves that its result does not need."""
    count = len(leaves)
    needed = {count + len(steps) - 1}
    for i in reversed(range(len(steps))):
        if count + i in needed:
            needed.update(steps[i][1])
    place = {old: new for new, old in enumerate(sorted(needed))}
    kept = tuple((name, tuple(place[s] for s in slots)) for i, (name, slots) in enumerate(steps) if count + i in needed)
    return Program(tuple(leaf for i, leaf in enumerate(leaves) if i in needed), kept)


def _inside(op: Op, inputs: tuple[Any, ...]) -> bool:
    domains = op.domain or (DEFAULT,) * len(inputs)
    for domain, x in zip(domains, inputs, strict=True):
        flat = np.ravel(x)
        wide = Interval(min(domain.low, -50.0) if domain == DEFAULT else domain.low, max(domain.high, 50.0) if domain == DEFAULT else domain.high, domain.avoid)
        if not all(wide.contains(float(v), 0.05) for v in flat):
            return False
    return op.kinks is None or bool(np.all(np.abs(op.kinks(*inputs)) > 0.05))
