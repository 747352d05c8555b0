"""Gradient checks that people can trust: derivatives by rule against derivatives by number.

**The numbers.** For each element the derivative of Σ wₖ·fₖ with fixed random weights w (so that no output can hide) is
found by the complex step where the function takes complex numbers, which is exact to the last places (Squire & Trapp
1998), and else by central differences extrapolated to step 0, with the step chosen per element and an estimate of the
error (see `differences`).

**The tolerance** is relative to the derivative itself, plus what the numbers cannot resolve: a gradient of 1e-7 that is five
times too large is caught.

**Kinks.** Where the two one-sided derivatives differ, any convention between them is right, and the report says so; so it does at
jumps, upright tangents and edges of the domain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from .arguments import Count, as_numbers, checked
from .differences import EPS, Estimate, estimate
from .errors import AutogradError, DTypeError, OperandError
from .node import Node
from .transforms import jvp, vjp
from .tree import flatten

__all__ = ["CheckReport", "Comparison", "GradientCheckError", "check_grads"]

MOST_ORDERS = 10
WIDTH = 100
"""What a cell of a notebook shows without folding a line."""
ROUNDING = 32.0 * EPS
"""What is left where numbers of size 1 cancel inside a function: the only absolute tolerance, 7e-15."""


class GradientCheckError(AutogradError, AssertionError):
    """A gradient by rule and a gradient by number disagree; the message lists the worst five places."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One element of one argument: the derivative by rule and by number."""

    what: str
    argument: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    tolerance: float
    step: float
    note: str = ""

    @property
    def error(self) -> float:
        """|analytic − numeric|."""
        return abs(self.analytic - self.numeric)

    @property
    def passed(self) -> bool:
        """Whether the two agree, or lie on a documented kink."""
        return bool(self.note) or self.analytic == self.numeric or self.error <= self.tolerance

    def __str__(self) -> str:
        """One line of the report, or two where one would be wider than WIDTH."""
        place = f"argument {self.argument}" + (f"{list(self.index)}" if self.index else "")
        numbers = (
            f"by rule {self.analytic:.9g}  by number {self.numeric:.9g}  error {self.error:.2g} (allowed {self.tolerance:.2g})  step {self.step:.2g}"
        )
        lines = [f"{self.what}  {place}", numbers, *([f"({self.note})"] if self.note else [])]
        folded = lines[0]
        for line in lines[1:]:                 # as much on a line as fits
            folded += f"  {line}" if len(folded.rsplit("\n", 1)[-1]) + len(line) + 2 <= WIDTH else f"\n    {line}"
        return folded


@dataclass(slots=True)
class CheckReport:
    """Every comparison that was made; `print` shows the count and the worst five."""

    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def failures(self) -> list[Comparison]:
        """The comparisons that failed, worst first."""
        return sorted((c for c in self.comparisons if not c.passed), key=_badness, reverse=True)

    @property
    def kinks(self) -> list[Comparison]:
        """The comparisons at a kink or a jump, where a convention decides."""
        return [c for c in self.comparisons if c.note]

    @property
    def worst(self) -> list[Comparison]:
        """The five largest errors, relative to what was allowed."""
        return sorted((c for c in self.comparisons if not c.note), key=_badness, reverse=True)[:5]

    def __str__(self) -> str:
        """The count, the worst five, and the kinks."""
        head = f"{len(self.comparisons)} derivatives compared, {len(self.failures)} wrong, {len(self.kinks)} at a kink"
        return "\n".join([head, *map(str, self.worst), *map(str, self.kinks[:5])])

    __repr__ = __str__


def _badness(c: Comparison) -> float:
    if not math.isfinite(c.error):
        return math.inf
    return c.error / c.tolerance if c.tolerance > 0.0 else (math.inf if c.error else 0.0)


@checked
def check_grads(
    f: Callable[..., Any],
    args: tuple[Any, ...] | list[Any],
    order: Count = 2,
    modes: Sequence[str] = ("rev", "fwd"),
    *,
    rtol: float = 1e-6,
    seed: Annotated[int, 0] = 0,
    raises: bool = True,
) -> CheckReport:
    """Compare the derivatives of f by rule with derivatives by number, up to `order`.

    Args:
        f: Any function of floats, float64 arrays and nested structures of them; any result.
        args: The point to check at, one entry per argument of f.
        order: 2 checks the gradient of the gradient too: reverse over reverse and forward over reverse.
        modes: "rev" for reverse mode, "fwd" for forward mode.
        rtol: The relative tolerance.
        seed: For the random weights of the outputs.
        raises: False returns the report of a failed check too.

    Returns:
        The report, with every number that was compared.

    Raises:
        GradientCheckError: A derivative is wrong.
        DTypeError: An argument is not float64; differences of float32 numbers resolve nothing.

    Example:
        >>> from autograd_core import sin
        >>> report = check_grads(lambda x, y: sin(x) * y, (0.5, np.array([1.0, 2.0])))
        >>> len(report.failures)
        0
    """
    unknown = set(modes) - {"rev", "fwd"}
    if unknown or not modes:
        raise OperandError(f"check_grads: received modes={tuple(modes)}, expected 'rev', 'fwd' or both.")
    if order > MOST_ORDERS:
        raise OperandError(f"check_grads: received order={order}, expected at most {MOST_ORDERS}; each order costs several times the one before.")
    if not 0.0 <= rtol < 1.0:
        raise OperandError(f"check_grads: received rtol={rtol!r}, expected a number from 0 to below 1.")
    if not args:
        raise OperandError("check_grads: received no arguments, expected at least one to differentiate by.")
    report = CheckReport()
    point = [_float64(a) for a in args]
    with np.errstate(all="ignore"):
        _check_order(f, point, order, tuple(modes), rtol, np.random.default_rng(seed), report, "")
    if raises and report.failures:
        raise GradientCheckError(
            f"check_grads: {len(report.failures)} of {len(report.comparisons)} derivatives are wrong; the worst:\n"
            + "\n".join(map(str, report.failures[:5]))
        )
    return report


def _float64(argument: Any) -> Any:
    leaves, build = flatten(argument)
    for leaf in leaves:
        data = leaf._value if isinstance(leaf, Node) else leaf
        if as_numbers(data, "check_grads", "args").dtype.kind == "b":
            raise DTypeError(f"check_grads: received {data!r:.60}, expected real numbers; there is no derivative by a condition: close over it.")
        if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind == "f" and data.dtype != np.float64:
            raise DTypeError(f"check_grads: received {data.dtype}, expected float64; convert with .astype(np.float64).")
    return build([leaf._value if isinstance(leaf, Node) else np.array(leaf, dtype=np.float64) if isinstance(leaf, np.ndarray)
                  else float(leaf) for leaf in leaves])  # fmt: skip


def _check_order(
    f: Callable[..., Any], args: list[Any], order: int, modes: tuple[str, ...], rtol: float, rng: Any, report: CheckReport, over: str
) -> None:
    """Compare the derivatives of f, then those of its gradient, and so on; `over` names what has been applied to f already."""
    out, pull = vjp(f, *args)
    results, build = flatten(out)
    if not results and not over:
        raise OperandError(f"check_grads: the function returned {out!r}, expected numbers or arrays.")
    for result in results:
        as_numbers(result, "check_grads", "the result of the function")
    weights = [_not_small(rng, np.shape(result)) for result in results]
    cotangent = build([w if isinstance(o, np.ndarray) else float(w) for w, o in zip(weights, results, strict=True)])

    def weighted(*point: Any) -> Any:
        leaves, _ = flatten(f(*point))
        return sum(np.sum(w * np.asarray(leaf._value if isinstance(leaf, Node) else leaf)) for w, leaf in zip(weights, leaves, strict=True))

    def gradient(*point: Any) -> Any:
        return vjp(f, *point)[1](cotangent)

    _check_repeatable(weighted, args)
    numeric = _numeric_gradient(weighted, args, complex_step=not over)
    found, along = _compared(args, pull(cotangent), numeric, rtol, rng, f"{over}reverse")
    if "rev" in modes:
        report.comparisons += found
    if "fwd" in modes and along.tolerance < math.inf:
        tangents = flatten(jvp(f, args, along.tangents)[1])[0]
        slope = float(sum(np.sum(w * t) for w, t in zip(weights, tangents, strict=True)))
        report.comparisons.append(Comparison(f"{over}forward", 0, (), slope, along.slope, along.tolerance, 0.0))
    if order > 1:
        _check_order(gradient, args, order - 1, modes, rtol, rng, report, f"{over}reverse, then ")


def _not_small(rng: Any, shape: tuple[int, ...]) -> Any:
    """Random numbers of either sign, from 0.5 to 1.5 in size: none hides what it is multiplied with."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


def _check_repeatable(f: Callable[..., Any], args: list[Any]) -> None:
    first, again = f(*args), f(*args)
    if first != again and not (first != first and again != again):
        raise OperandError(
            f"check_grads: the function gives {first:.9g} and then {again:.9g} for the same arguments, expected the same number; "
            "does it draw random numbers? Give it a seed."
        )


@dataclass(slots=True)
class _Direction:
    """What forward mode is checked along: the slope by number in a random direction, and how far from it is allowed."""

    tangents: list[Any]
    slope: float = 0.0
    tolerance: float = 0.0


def _compared(
    args: list[Any], pulled: tuple[Any, ...], numeric: list[Estimate], rtol: float, rng: Any, what: str
) -> tuple[list[Comparison], _Direction]:
    """Every element of every argument by rule and by number; and a direction without those at a kink or without a number."""
    comparisons, along, estimates = [], _Direction([]), iter(numeric)
    for i, argument in enumerate(args):
        leaves, build = flatten(argument)
        directions: list[Any] = []
        for leaf, analytic in zip(leaves, flatten(pulled[i])[0], strict=True):
            if np.shape(analytic) != np.shape(leaf):
                raise GradientCheckError(
                    f"check_grads: the gradient of argument {i} has shape {np.shape(analytic)}, expected {np.shape(leaf)}."
                )
            direction = _not_small(rng, np.shape(leaf))
            for index in np.ndindex(np.shape(leaf)):
                found, a = next(estimates), float(np.asarray(analytic)[index])
                note = found.note(a, rtol)
                tolerance = rtol * max(abs(a), abs(found.value)) + found.uncertainty + ROUNDING
                comparisons.append(Comparison(what, i, index, a, found.value, tolerance, found.step, note))
                if note or not math.isfinite(found.value):
                    direction[index] = 0.0
                    continue
                along.slope += found.value * float(direction[index])
                along.tolerance += tolerance * abs(float(direction[index]))
            directions.append(direction if isinstance(leaf, np.ndarray) else float(direction))
        along.tangents.append(build(directions))
    return comparisons, along


# --------------------------------------------------------------------------------- derivatives by number
def _numeric_gradient(f: Callable[..., Any], args: list[Any], complex_step: bool) -> list[Estimate]:
    """∂f/∂x for every element of every argument, in order."""
    flat = [flatten(a) for a in args]
    estimates = []
    for i, (leaves, build) in enumerate(flat):
        for j, leaf in enumerate(leaves):
            for index in np.ndindex(np.shape(leaf)):

                def at(x: Any, i: int = i, j: int = j, leaf: Any = leaf, index: Any = index, leaves: Any = leaves, build: Any = build) -> Any:
                    if isinstance(leaf, np.ndarray):
                        new: Any = leaf.astype(type(x)) if isinstance(x, complex) else leaf.copy()
                        new[index] = x
                    else:
                        new = np.complex128(x) if isinstance(x, complex) else x
                    return f(*args[:i], build([*leaves[:j], new, *leaves[j + 1 :]]), *args[i + 1 :])

                x = float(np.asarray(leaf)[index])
                found = estimate(lambda t, at=at: _number(at, t), x)  # type: ignore[misc]
                if complex_step and not found.kind:
                    _refine(found, at, x)
                estimates.append(found)
    return estimates


def _number(at: Callable[[float], Any], x: float) -> float:
    """The function at a point near by; nan where it raises, as 1 / 0 does."""
    try:
        value = at(np.float64(x))              # NumPy's number: a power of a negative one is nan, not complex
        return math.nan if np.iscomplexobj(value) else float(value)
    except (ArithmeticError, ValueError):
        return math.nan


def _refine(found: Estimate, at: Callable[[Any], Any], x: float) -> None:
    """Take the complex step's derivative where the function allows one and the differences bear it out."""
    try:
        moved = complex(at(complex(x, 1e-150)))
    except Exception:
        return
    exact = moved.imag / 1e-150
    if math.isfinite(exact) and abs(exact - found.value) <= 1e-4 * abs(found.value) + 10.0 * found.uncertainty:
        # What cancels inside the rule and inside the complex step is of the size of f/x, not of the derivative.
        found.value = exact
        found.uncertainty = 8.0 * EPS * (abs(exact) + abs(moved.real) / max(abs(x), 0.1))
