"""Gradient checks that people can trust: derivatives by rule against numerical derivatives.

**The numbers.** For each element the derivative of Σ wₖ·fₖ with fixed random weights w (so that no output can hide) is
found by the complex step where the function takes complex numbers, which is exact to the last places (Squire & Trapp
1998), and else by central differences extrapolated to step 0, with the step chosen per element and an estimate of the
error (see `differences`).

**The tolerance** is relative to the derivative itself, plus what the numbers cannot resolve: a gradient of 1e-7 that is five
times too large is caught.

**Kinks.** Where the two one-sided derivatives differ, any convention between them is right, and the report says so; so it does at
jumps, vertical tangents and edges of the domain.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from .arguments import Count, as_numbers, checked
from .differences import EPS, Estimate, estimate
from .errors import DTypeError, OperandError
from .node import Node
from .progress import bar_of
from .report import ALL, CheckReport, Comparison, GradientCheckError
from .transforms import jvp, vjp
from .tree import flatten

__all__ = ["MOST_ORDERS", "CheckReport", "Comparison", "GradientCheckError", "check_grads"]

MOST_ORDERS = 10
"""Each order costs several times as much as the one before."""
ROUNDING = 32.0 * EPS
"""What is left where numbers of size 1 cancel inside a function: the only absolute tolerance, 7e-15."""


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
    sample: Annotated[int, 1] | None = None,
    progress: bool | None = None,
) -> CheckReport:
    """Compare the derivatives of f by rule with numerical derivatives, up to `order`.

    Args:
        f: Any function of floats, float64 arrays and nested structures of them; any result.
        args: The point to check at, one entry per argument of f.
        order: 2 checks the gradient of the gradient too: reverse over reverse and forward over reverse.
        modes: "rev" for reverse mode, "fwd" for forward mode.
        rtol: The relative tolerance.
        seed: For the random weights of the outputs, the random direction, and the sample.
        raises: False returns the report of a failed check too.
        sample: At most so many elements, drawn at random, are compared one by one, and all of them together along a random
            direction: for models with thousands of parameters. None compares every one.
        progress: A progress bar; None shows one where tqdm is installed, the output is a terminal, and the check takes its time.

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
        >>> report = check_grads(lambda x: (x * x).sum(), (np.ones((100, 100)),), order=1, sample=5)
        >>> len(report.comparisons)                          # five elements, and all along a direction in either mode
        7
    """
    unknown = set(modes) - {"rev", "fwd"}
    if unknown or not modes:
        raise OperandError(f"check_grads: received modes={tuple(modes)}, expected 'rev', 'fwd' or both.")
    if order > MOST_ORDERS:
        raise OperandError(f"check_grads: received order={order}, expected at most {MOST_ORDERS}; each order costs several times as much as the one before.")
    if not 0.0 <= rtol < 1.0:
        raise OperandError(f"check_grads: received rtol={rtol!r}, expected a number from 0 to below 1.")
    if not args:
        raise OperandError("check_grads: received no arguments, expected at least one to differentiate by.")
    report = CheckReport()
    point = [_float64(a) for a in args]
    places, rng = _places(point), np.random.default_rng(seed)
    sampled = sample is not None and sample < len(places)
    if sampled:
        places = [places[k] for k in sorted(rng.choice(len(places), sample, replace=False).tolist())]
    bar = bar_of(progress, order * len(places), unit="element", delay=0.0 if progress else 2.0)
    plan = _Plan(places, sampled, tuple(modes), rtol, rng, report, bar)
    with nullcontext() if bar is None else bar, np.errstate(all="ignore"):
        _check_order(f, point, order, plan, "")
    if raises and report.failures:
        raise GradientCheckError(
            f"check_grads: {len(report.failures)} of {len(report.comparisons)} derivatives are wrong; the worst:\n"
            + "\n".join(map(str, report.failures[:5]))
            + _of_symmetric_matrices(point, report)
        )
    return report


def _of_symmetric_matrices(point: list[Any], report: CheckReport) -> str:
    """What to do where the numbers may be those of one triangle of a matrix, and the derivatives those of a symmetric one."""
    for i in sorted({c.argument for c in report.failures if len(c.index) > 1 and c.index[-1] != c.index[-2]}):
        for leaf in flatten(point[i])[0]:
            if np.ndim(leaf) > 1 and np.array_equal(leaf, np.swapaxes(leaf, -1, -2)):
                return (
                    f"\nargument {i} is a symmetric matrix, of which eigh, eigvalsh and cholesky read one triangle, while its gradient is spread over both: "
                    "if that is it, check the function of (x + x.T) / 2."
                )
    return ""


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


Place = tuple[int, int, tuple[int, ...]]
"""(number of the argument, number of the leaf in it, index in the leaf)"""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is compared, and how."""

    places: list[Place]
    sampled: bool
    modes: tuple[str, ...]
    rtol: float
    rng: np.random.Generator
    report: CheckReport
    bar: Any


def _places(args: list[Any]) -> list[Place]:
    """Every element of every argument, in order."""
    return [(i, j, at) for i, argument in enumerate(args) for j, leaf in enumerate(flatten(argument)[0]) for at in np.ndindex(np.shape(leaf))]


def _check_order(f: Callable[..., Any], args: list[Any], order: int, plan: _Plan, over: str) -> None:
    """Compare the derivatives of f, then those of its gradient, and so on; `over` names what has been applied to f already."""
    out, pull = vjp(f, *args)
    results, build = flatten(out)
    if not results and not over:
        raise OperandError(f"check_grads: the function returned {out!r}, expected numbers or arrays.")
    for result in results:
        as_numbers(result, "check_grads", "the result of the function")
    weights = [_not_small(plan.rng, np.shape(result)) for result in results]
    cotangent = build([w if isinstance(o, np.ndarray) else float(w) for w, o in zip(weights, results, strict=True)])

    def weighted(*point: Any) -> Any:
        leaves, _ = flatten(f(*point))
        if len(leaves) != len(weights) or any(np.shape(w) not in ((), np.shape(leaf)) for leaf, w in zip(leaves, weights, strict=True)):
            raise OperandError(
                f"check_grads: the function gives {_shapes(leaves)} for plain arrays and {_shapes(weights)} for differentiable ones, expected the same; "
                "does it write into its argument, or ask what kind it is?"
            )
        return sum(np.sum(w * np.asarray(leaf._value if isinstance(leaf, Node) else leaf)) for w, leaf in zip(weights, leaves, strict=True))

    def gradient(*point: Any) -> Any:
        return vjp(f, *point)[1](cotangent)

    _check_repeatable(weighted, args)
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)   # a function that drops the imaginary part takes no complex numbers
        numeric = _numeric_gradient(weighted, args, plan, complex_step=not over)
    found, along = _compared(args, pull(cotangent), numeric, plan, f"{over}reverse")
    if plan.sampled:
        found.append(_along_direction(weighted, args, along, plan, complex_step=not over, what=f"{over}reverse"))
    if "rev" in plan.modes:
        plan.report.comparisons += found
    if "fwd" in plan.modes and along.tolerance < math.inf:
        tangents = flatten(jvp(f, args, along.tangents)[1])[0]
        slope = float(sum(np.sum(w * t) for w, t in zip(weights, tangents, strict=True)))
        plan.report.comparisons.append(Comparison(f"{over}forward", ALL, (), slope, along.slope, along.tolerance, 0.0, along.note))
    if order > 1:
        _check_order(gradient, args, order - 1, plan, f"{over}reverse, then ")


def _shapes(leaves: list[Any]) -> str:
    return f"results of shape {', '.join(str(np.shape(leaf)) for leaf in leaves)}" if leaves else "no result"


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
    """The random direction that forward mode is checked along: the slope there, by rule and by number, and how far apart they may be."""

    tangents: list[Any]
    slope: float = 0.0
    tolerance: float = 0.0
    note: str = ""
    analytic: float = 0.0
    size: float = 0.0                          # of what cancels in the slope by rule


def _compared(
    args: list[Any], pulled: tuple[Any, ...], numeric: dict[Place, Estimate], plan: _Plan, what: str
) -> tuple[list[Comparison], _Direction]:
    """The elements by rule and by number; and a random direction that leaves out those at a kink, or without a numerical derivative."""
    comparisons, along = list[Comparison](), _Direction([])
    for i, argument in enumerate(args):
        leaves, build = flatten(argument)
        directions: list[Any] = []
        for j, (leaf, analytic) in enumerate(zip(leaves, flatten(pulled[i])[0], strict=True)):
            if np.shape(analytic) != np.shape(leaf):
                raise GradientCheckError(
                    f"check_grads: the gradient of argument {i} has shape {np.shape(analytic)}, expected {np.shape(leaf)}."
                )
            estimates = {index: numeric[i, j, index] for index in np.ndindex(np.shape(leaf)) if (i, j, index) in numeric}
            found, direction = _compared_array(np.asarray(analytic), estimates, plan, along, what, i)
            comparisons += found
            directions.append(direction if isinstance(leaf, np.ndarray) else float(direction))
        along.tangents.append(build(directions))
    return comparisons, along


def _compared_array(
    by_rule: np.ndarray, estimates: dict[tuple[int, ...], Estimate], plan: _Plan, along: _Direction, what: str, argument: int
) -> tuple[list[Comparison], np.ndarray]:
    """The same for one array of an argument: the comparisons of the elements in the sample, and the direction; its sums go into `along`."""
    comparisons, direction = [], _not_small(plan.rng, by_rule.shape)
    for index, found in estimates.items():
        a = float(by_rule[index])
        note = found.note(a, plan.rtol)
        tolerance = plan.rtol * max(abs(a), abs(found.value)) + found.uncertainty + ROUNDING
        comparisons.append(Comparison(what, argument, index, a, found.value, tolerance, found.step, note))
        if note or not math.isfinite(found.value):
            direction[index] = 0.0
            continue
        along.slope += found.value * float(direction[index])
        along.tolerance += tolerance * abs(float(direction[index]))
    products = np.where(direction == 0.0, 0.0, by_rule * direction)
    along.analytic += float(np.sum(products))
    along.size += float(np.sum(np.abs(products)))
    return comparisons, direction


def _along_direction(
    f: Callable[..., Any], args: list[Any], along: _Direction, plan: _Plan, *, complex_step: bool, what: str
) -> Comparison:
    """All elements together: the slope along the direction, computed numerically, takes the place of the sum over the sample."""
    split = [(flatten(argument), flatten(tangent)[0]) for argument, tangent in zip(args, along.tangents, strict=True)]

    def at(t: Any) -> Any:
        return f(*[build([leaf + t * d for leaf, d in zip(leaves, tangent, strict=True)]) for (leaves, build), tangent in split])

    found = _by_number(at, 0.0, complex_step, terms=sum(np.size(leaf) for (leaves, _), _ in split for leaf in leaves))
    along.slope, along.note = found.value, found.note(along.analytic, plan.rtol)
    along.tolerance = plan.rtol * max(abs(found.value), abs(along.analytic)) + found.uncertainty + ROUNDING * (1.0 + along.size)
    return Comparison(what, ALL, (), along.analytic, found.value, along.tolerance, found.step, along.note)


# ---------------------------------------------------------------------------------- numerical derivatives
def _numeric_gradient(f: Callable[..., Any], args: list[Any], plan: _Plan, *, complex_step: bool) -> dict[Place, Estimate]:
    """∂f/∂x for the elements of the plan."""
    flat = [flatten(a) for a in args]
    estimates = {}
    for i, j, index in plan.places:
        leaves, build = flat[i]
        leaf = leaves[j]

        def at(x: Any, i: int = i, j: int = j, leaf: Any = leaf, index: Any = index, leaves: Any = leaves, build: Any = build) -> Any:
            if isinstance(leaf, np.ndarray):
                new: Any = leaf.astype(type(x)) if isinstance(x, complex) else leaf.copy()
                new[index] = x
            else:
                new = np.complex128(x) if isinstance(x, complex) else x
            return f(*args[:i], build([*leaves[:j], new, *leaves[j + 1 :]]), *args[i + 1 :])

        x = float(np.asarray(leaf)[index])
        estimates[i, j, index] = _by_number(at, x, complex_step)
        if plan.bar is not None:
            plan.bar.update()
    return estimates


def _by_number(at: Callable[[Any], Any], x: float, complex_step: bool, terms: int = 1) -> Estimate:
    """The derivative by differences, and by the complex step where that is possible.

    Numbers of size 1 that cancel inside the function, one in each of so many terms, are flat at small steps: their rounding shows as
    no noise, but is there.
    """
    found = estimate(lambda t: _number(at, t), x)
    exact = complex_step and not found.kind and _refine(found, at, x)
    if not exact and found.step > 0.0:
        found.uncertainty += 4.0 * EPS * math.sqrt(terms) / found.step
    return found


def _number(at: Callable[[float], Any], x: float) -> float:
    """The function at a point near by; nan where it raises, as 1 / 0 does."""
    try:
        value = at(np.float64(x))              # NumPy's number: a power of a negative one is nan, not complex
        return math.nan if np.iscomplexobj(value) else float(value)
    except (ArithmeticError, ValueError):
        return math.nan


def _refine(found: Estimate, at: Callable[[Any], Any], x: float) -> bool:
    """Take the complex step's derivative where the function allows one and the differences bear it out; whether it was taken."""
    try:
        moved = complex(at(complex(x, 1e-150)))
    except Exception:
        return False
    exact = moved.imag / 1e-150
    taken = math.isfinite(exact) and abs(exact - found.value) <= 1e-8 * abs(found.value) + found.uncertainty
    if taken:
        # What cancels inside the rule and inside the complex step is of the size of f/x, not of the derivative.
        found.value = exact
        found.uncertainty = 8.0 * EPS * (abs(exact) + abs(moved.real) / max(abs(x), 0.1))
    return taken
