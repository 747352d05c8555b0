"""Numerical derivatives with an estimate of their error, and what is special about a point: a kink, a jump, an edge.

**Central differences**, extrapolated to step 0 (Ridders 1982; Press et al., *Numerical Recipes*, section 5.7), from the best of several
steps: some are chosen by the size of x, so that a logarithm at 1e-9 is not asked about -1e-3.

**The slopes on both sides** show what central differences hide. As the step h shrinks by tenths, the difference between the slopes
shrinks like h where the function is smooth (like 2h for x² at 0), stays the same at a kink, and grows at a jump.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["EPS", "Estimate", "estimate"]

EPS = float(np.finfo(np.float64).eps)
Function = Callable[[float], float]


@dataclass(slots=True)
class Estimate:
    """A numerical derivative: its value, how far it may be off, the step, and what is special about the point."""

    value: float
    uncertainty: float
    step: float
    kind: str = ""
    left: float = math.nan
    right: float = math.nan

    def note(self, analytic: float, rtol: float) -> str:
        """Why an analytic derivative need not agree with this one; empty where it must."""
        if self.kind == "kink":
            low, high = sorted((self.left, self.right))
            slack = rtol * max(abs(low), abs(high)) + 1e-5 * (high - low)
            return f"a kink; one-sided {self.left:.4g} and {self.right:.4g}" if low - slack <= analytic <= high + slack else ""
        return f"{self.kind}; the convention is {analytic:.4g}" if self.kind else ""


def estimate(f: Function, x: float) -> Estimate:
    """The derivative of f at x, computed numerically.

    >>> estimate(lambda t: t * t, 3.0).kind, round(estimate(lambda t: t * t, 3.0).value, 9)
    ('', 6.0)
    >>> estimate(abs, 0.0).kind, estimate(lambda t: float(t > 0.0), 0.0).kind
    ('kink', 'a jump')
    """
    here = f(x)
    if not math.isfinite(here):
        return Estimate(math.nan, math.inf, 0.0, f"the function is {here} here")
    size = max(abs(x), 0.1)
    best = Estimate(math.nan, math.inf, 0.0)
    for start in (1e-2 * size, 1e-4 * size):
        best = _better(best, _ridders(f, x, start))
        if best.uncertainty <= 1e-8 * abs(best.value):
            break
    h = 1e-6 * size
    ahead, behind = f(x + h), f(x - h)
    right, left, noise = (ahead - here) / h, (here - behind) / h, _noise(h, here, ahead, behind)
    scale = max(abs(right), abs(left), abs(best.value))
    near = 1e-3 * scale + noise + best.uncertainty
    if not math.isnan(scale) and abs(right - left) <= near and abs(best.value - 0.5 * (left + right)) <= near:
        return best
    return _look_closely(f, x, here, best, _floor(f, x, size))


def _noise(h: float, *values: float, floor: float = 0.0) -> float:
    """How far a difference of these numbers over h may be off by rounding, and by the noise of the function."""
    return (4.0 * EPS * max(map(abs, values)) + 4.0 * floor) / h


def _floor(f: Function, x: float, size: float) -> float:
    """The noise of a function: its fourth differences at a step too small for anything else to show (Moré & Wild 2011).

    On both sides, and the smaller one counts: a kink or a jump at x is not noise.
    """
    sides = []
    for sign in (1.0, -1.0):
        values = [f(x + sign * k * 1e-11 * size) for k in range(1, 9)]
        sides.append(float(np.sqrt(np.mean(np.diff(values, 4) ** 2) / 70.0)))
    return min(sides) if all(map(math.isfinite, sides)) else 0.0


def _better(one: Estimate, other: Estimate) -> Estimate:
    return other if other.uncertainty < one.uncertainty else one


@dataclass(slots=True)
class _Probe:
    """The slopes to both sides at one step."""

    h: float
    left: float
    right: float
    noise: float

    @property
    def scale(self) -> float:
        return max(abs(self.left), abs(self.right))

    @property
    def gap(self) -> float:
        return abs(self.right - self.left)


def _look_closely(f: Function, x: float, here: float, best: Estimate, floor: float) -> Estimate:
    """What is special about a point whose two sides differ at a small step."""
    tenths = [10.0**-k for k in range(2, 13)]
    steps = sorted({s * max(abs(x), 0.1) for s in tenths} | {s * abs(x) for s in tenths if abs(x) > 1e-290})
    probes = []
    for h in steps:
        ahead, behind = f(x + h), f(x - h)
        known = [v for v in (ahead, behind) if math.isfinite(v)]
        probes.append(_Probe(h, (here - behind) / h, (ahead - here) / h, _noise(h, here, *known, floor=floor)))
    both = [p for p in probes if math.isfinite(p.left) and math.isfinite(p.right)]
    sides = [p for p in both if p.noise <= 1e-3 * p.scale] or [p for p in both if p.noise <= 0.1 * p.scale]
    if not sides:
        return _edge(f, x, here, probes, best)
    near = sides[0]
    far = next((p for p in sides[1:] if p.h >= 5.0 * near.h), None)
    if near.gap > 1e-2 * near.scale + 2.0 * near.noise and far is not None and near.gap > far.gap * math.sqrt(near.h / far.h) * 1.2:
        grows = near.gap > 2.0 * far.gap
        return Estimate(0.5 * (near.left + near.right), 0.5 * near.gap, near.h, "a jump" if grows else "kink", near.left, near.right)
    if far is not None and near.scale > 2.0 * far.scale:
        return Estimate(math.nan, math.inf, near.h, _steep(f, x, near, far))
    found = [_ridders(f, x, near.h * 10.0**k, floor) for k in range(7)]
    low, high = sorted((near.left, near.right))
    slack = 1e-2 * near.scale + 2.0 * near.noise
    fitting = [e for e in (best, *found) if low - slack <= e.value <= high + slack]
    return min(fitting, key=lambda e: e.uncertainty, default=Estimate(0.5 * (low + high), high - low + slack, near.h))


def _steep(f: Function, x: float, near: _Probe, far: _Probe) -> str:
    """A slope that grows as the step shrinks: the function has a jump, or a vertical tangent."""
    across = [abs(f(x + p.h) - f(x - p.h)) for p in (near, far)]
    return "a jump" if across[0] > 0.5 * across[1] else "a vertical tangent"


def _edge(f: Function, x: float, here: float, probes: list[_Probe], best: Estimate) -> Estimate:
    """Where the function is finite on one side only: the slope to that side."""
    if math.isfinite(best.value):
        return best
    for side in ("right", "left"):
        usable = [(p.h, getattr(p, side)) for p in probes if math.isfinite(getattr(p, side)) and p.noise <= 1e-3 * abs(getattr(p, side))]
        if len(usable) > 1:
            (h, slope), (_, further) = usable[0], usable[1]
            if abs(slope) > 2.0 * abs(further):
                return Estimate(math.nan, math.inf, h, "a vertical tangent at the edge of the domain")
            sign = 1.0 if side == "right" else -1.0
            half = (f(x + 0.5 * sign * h) - here) / (0.5 * sign * h)
            value = 2.0 * half - slope
            return Estimate(value, 2.0 * abs(half - slope) + 8.0 * _noise(h, here), h)
    return Estimate(math.nan, math.inf, 0.0, "the function is not a number on either side")


def _ridders(f: Function, x: float, h: float, floor: float = 0.0) -> Estimate:
    shrink, rows = 1.6, 8
    table: list[list[float]] = []
    best = Estimate(math.nan, math.inf, h)
    for i in range(rows):
        ahead, behind = f(x + h), f(x - h)
        row = [(ahead - behind) / (2.0 * h)]
        noise = (2.0 * EPS * max(abs(ahead), abs(behind)) + 2.0 * floor) / h
        for k in range(1, i + 1):
            factor = shrink ** (2 * k)
            row.append((factor * row[k - 1] - table[i - 1][k - 1]) / (factor - 1.0))
            error = max(abs(row[k] - row[k - 1]), abs(row[k] - table[i - 1][k - 1])) + 4.0 * noise
            if error < best.uncertainty:
                best = Estimate(row[k], error, h)
        table.append(row)
        h /= shrink
    return best
