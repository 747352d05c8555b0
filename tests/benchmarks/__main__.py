"""`python -m tests.benchmarks [scalar lifted tensor engine] [--readme]`: the whole table, each ratio measured in one process.

Every group runs in a process of its own, so that the garbage of one is not swept up in the time of another. With `--readme`
the table and a plot of it are written into the README.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from .harness import Row

GROUPS = ("scalar", "lifted", "tensor", "engine")
ROOT = Path(__file__).resolve().parents[2]
MARKS = ("<!-- benchmarks -->", "<!-- /benchmarks -->")


def run(group):
    """Measure one group here, a line of JSON per row."""
    for row in importlib.import_module(f"tests.benchmarks.{group}").rows():
        print(json.dumps(asdict(row) if isinstance(row, Row) else row), flush=True)


def collect(groups):
    """Measure the groups, each in its own process, printing rows as they come."""
    found = []
    for group in groups:
        with subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks", "--only", group], cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        ) as process:
            for line in process.stdout:
                try:
                    data = json.loads(line)
                except ValueError:
                    print(line, end="")
                    continue
                row = Row(**data) if isinstance(data, dict) else data
                print(row, flush=True)
                found.append(row)
        if process.returncode:
            print(f"{group}: stopped with status {process.returncode}")
    return found


def machine():
    """What it ran on."""
    import numpy as np

    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, CPython {platform.python_version()}, NumPy {np.__version__}"


def table(rows):
    """The rows as Markdown."""
    from .harness import time_text

    lines = ["| | work | ours | against | theirs | theirs ÷ ours | to reach | |", "|---|---|---:|---|---:|---:|---|---|"]
    for row in rows:
        if isinstance(row, Row):
            mark = {True: "✓", False: "not reached", None: ""}[row.reached]
            lines.append(
                f"| {row.number} | {row.work} | {time_text(row.ours)} | {row.against} | {time_text(row.theirs)} | {row.ratio:,.3g} | {row.reach} | {mark} |"
            )
    notes = [f"* {row}" for row in rows if not isinstance(row, Row)]
    return "\n".join([*lines, "", *notes])


def plot(rows, path):
    """Ratios on a logarithmic axis: to the right of 1 is faster than the other."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "autograd-core", "svg.fonttype": "none", "font.family": "DejaVu Sans"}
    chosen = [r for r in rows if isinstance(r, Row) and r.number in ("P1", "P2", "P3", "P3b", "P4", "P5", "P8")]
    chosen = [r for r in chosen if "float32" not in r.work][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.27 * len(chosen) + 1))
    for i, row in enumerate(chosen):
        faster = row.ratio >= 1
        axes.plot([1, row.ratio], [i, i], color="#0072B2" if faster else "#B34D00", linewidth=2, linestyle="-" if faster else ":")
        axes.plot(row.ratio, i, marker="o" if faster else "s", color="#0072B2" if faster else "#B34D00")
        axes.annotate(f"{row.ratio:,.3g}×", (row.ratio, i), textcoords="offset points", xytext=(7 if faster else -7, -3), fontsize=7, ha="left" if faster else "right")
    axes.set_yticks(range(len(chosen)), [f"{r.number}  {r.work} · {r.against}" for r in chosen], fontsize=7)
    axes.axvline(1, color="#808080", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("their time ÷ our time (logarithmic): right of the line, circles: ours is faster")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12, y=0.02)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="group", help=f"some of: {' '.join(GROUPS)}; all by default")
    parser.add_argument("--only", choices=GROUPS, help=argparse.SUPPRESS)
    parser.add_argument("--readme", action="store_true", help="write the table and a plot into the README")
    given = parser.parse_args()
    if unknown := set(given.groups) - set(GROUPS):
        parser.error(f"unknown groups {sorted(unknown)}; choose from {' '.join(GROUPS)}")
    if given.only:
        run(given.only)
        return
    print(machine())
    rows = collect(given.groups or GROUPS)
    if given.readme:
        path = ROOT / "notebooks" / "pictures" / "benchmarks.svg"
        plot(rows, path)
        readme = ROOT / "README.md"
        text = readme.read_text(encoding="utf-8")
        before, rest = text.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        body = (
            f"\n![Ratios on a logarithmic scale](notebooks/pictures/benchmarks.svg)\n\nMeasured on {machine()}, both sides in turn in one "
            "process, medians; made by `python -m tests.benchmarks --readme` (extra `bench`).\n\n<details><summary>The whole table</summary>\n\n"
            f"{table(rows)}\n</details>\n"
        )
        readme.write_text(before + MARKS[0] + body + MARKS[1] + after, encoding="utf-8")


if __name__ == "__main__":
    main()
