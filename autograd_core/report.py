"""What a gradient check has found: every comparison, and the report that a person reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .errors import AutogradError

__all__ = ["ALL", "CheckReport", "Comparison", "GradientCheckError"]

WIDTH = 100
"""What a cell of a notebook shows without folding a line."""
ALL = -1
"""The argument number of a comparison in which all arguments take part."""


class GradientCheckError(AutogradError, AssertionError):
    """A gradient by rule and a numerical gradient disagree; the message lists the worst five places."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The derivative by rule and by number, with respect to one element of one argument, or along a direction of all elements (argument −1)."""

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
        place = "in a random direction" if self.argument == ALL else f"argument {self.argument}" + (f"{list(self.index)}" if self.index else "")
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

    @property
    def unused(self) -> list[int]:
        """The arguments with respect to which every derivative is 0, by rule and by number: perhaps the function does not use them."""
        flat: dict[int, bool] = {}
        for c in self.comparisons:
            if c.argument != ALL:
                flat[c.argument] = flat.get(c.argument, True) and c.analytic == c.numeric == 0.0 and not c.note
        return [argument for argument, nothing in flat.items() if nothing]

    def __str__(self) -> str:
        """The count, what is not looked at, the worst five, and the kinks."""
        head = f"{len(self.comparisons)} derivatives compared, {len(self.failures)} wrong, {len(self.kinks)} at a kink"
        flat = [f"every derivative by argument {i} is 0, by rule and by number: does the function use it?" for i in self.unused]
        return "\n".join([head, *flat, *map(str, self.worst), *map(str, self.kinks[:5])])

    __repr__ = __str__


def _badness(c: Comparison) -> float:
    if not math.isfinite(c.error):
        return math.inf
    return c.error / c.tolerance if c.tolerance > 0.0 else (math.inf if c.error else 0.0)
