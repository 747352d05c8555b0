"""How a ratio is measured: both sides in turn, in one process, medians of many rounds."""

import gc
import time
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """One line of the table: what was run, against what, how the times compare, and what was to be reached."""

    number: str
    work: str
    against: str
    ours: float
    theirs: float
    reach: str
    reached: bool | None = None

    @property
    def ratio(self):
        """How many times as fast ours is."""
        return self.theirs / self.ours

    def __str__(self):
        mark = {True: "reached", False: "NOT reached", None: ""}[self.reached]
        return (
            f"{self.number:<4} {self.work:<44} {time_text(self.ours):>9}  {self.against:<28} {time_text(self.theirs):>9}  "
            f"{self.ratio:>9.2f}×  {self.reach:<22} {mark}"
        )


def time_text(seconds):
    """A duration with three digits and its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def interleaved(functions, *, seconds=1.0, rounds=40, block=1):
    """The median time of each function, run in turn; short functions are run several times a round.

    In every round a function runs for a hundredth of a second before its time is taken: threads of a library that ran before it
    wait that long for more work, at the cost of whoever comes next.

    A `block` of several calls makes a function pay for the garbage that it leaves behind itself.
    """
    counts, times = {}, {name: [] for name in functions}
    for name, function in functions.items():
        function()
        start = time.perf_counter()
        function()
        once = time.perf_counter() - start
        counts[name] = max(block, int(seconds / len(functions) / rounds / max(once, 1e-9)))
    end = time.perf_counter() + seconds
    for done in range(rounds):
        for name, function in functions.items():
            n = counts[name]
            settled = time.perf_counter() + 0.01
            while time.perf_counter() < settled:
                function()
            gc.collect()                       # what one side leaves behind is not the other side's to sweep up
            start = time.perf_counter()
            for _ in range(n):
                function()
            times[name].append((time.perf_counter() - start) / n)
        if done >= 2 and time.perf_counter() > end:
            break
    gc.collect()
    return {name: median(ts) for name, ts in times.items()}
