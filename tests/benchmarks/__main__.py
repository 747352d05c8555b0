"""`python -m tests.benchmarks [scalar lifted tensor programs engine] [--readme]`: the whole table, each ratio measured in one process.

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

GROUPS = ("scalar", "lifted", "tensor", "programs", "engine")
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


PEERS = {
    "micrograd": ("o", "#0072B2"), "torch": ("s", "#D55E00"), "jax": ("^", "#009E73"), "HIPS": ("v", "#CC79A7"),
    "MyGrad": ("P", "#8C6D00"), "NumPy": ("D", "#56B4E9"),
}  # fmt: skip
INK, PAPER = "#1f2328", "#e6edf3"
DARK = f"""<style>@media (prefers-color-scheme: dark) {{
[style*="fill: {INK}"] {{ fill: {PAPER} !important }} [style*="stroke: {INK}"] {{ stroke: {PAPER} !important }} }}</style>"""


def plot(rows, path):
    """Ratios on a logarithmic axis, a line for each piece of work: to the right of 1 we are faster than the peer."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams |= {
        "svg.hashsalt": "autograd-core", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9,
        "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": INK,
    }  # fmt: skip
    works = {}
    for row in rows:
        peer = next((name for name in PEERS if isinstance(row, Row) and row.against.lower().startswith(name.lower())), None)
        if peer and row.number in ("P1", "P2", "P3", "P3b", "P4", "P5", "P8") and "float32" not in row.work:
            kind = {"P3": "lifted scalars, ", "P3b": "lifted scalars, ", "P4": "tensors, ", "P5": "tensors, "}.get(row.number, "")
            works.setdefault(kind + row.work.split(", lifted in")[0].replace(", float64", ""), []).append((peer, row))
    figure, axes = plt.subplots(figsize=(9, 0.34 * len(works) + 1.3))
    for i, found in enumerate(reversed(works.values())):
        ratios = [row.ratio for _, row in found]
        axes.plot([min(1, *ratios), max(1, *ratios)], [i, i], color="#808080", linewidth=0.8, zorder=1)
        for peer, row in found:
            marker, colour = PEERS[peer]
            hollow = row.against.endswith("off")
            axes.plot(row.ratio, i, marker, color=colour, markersize=7, markerfacecolor="none" if hollow else colour, zorder=2)
        axes.annotate(f"{max(ratios):,.3g}×", (max(ratios), i), textcoords="offset points", xytext=(8, -3), fontsize=8)
    axes.set_yticks(range(len(works)), list(reversed(works)), fontsize=8)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
    axes.set_xlabel("their time ÷ ours: right of the line ours is faster (hollow: with the collector of micrograd off)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1, y=0.05)
    for name, (marker, colour) in PEERS.items():
        axes.plot([], [], marker, color=colour, label={"jax": "jax.jit", "HIPS": "HIPS autograd"}.get(name, name))
    axes.legend(loc="upper center", bbox_to_anchor=(0.35, 1.0 + 0.5 / len(works) + 0.06), ncols=len(PEERS), frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None}, transparent=True)
    svg = path.read_text(encoding="utf-8")
    path.write_text(svg.replace("<defs>", DARK + "<defs>", 1), encoding="utf-8", newline="\n")


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
        readme.write_text(before + MARKS[0] + body + MARKS[1] + after, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
