"""Straight-line source: the graph as one long Python function on floats.

Where there is nothing to batch (a long chain, a narrow recurrence) a NumPy call per node would cost more than the node.
Python itself runs a line such as `v7 = v2*v3 + v5` in about 35 ns, twenty times faster than the eager engine, which
allocates a node, records its operands and walks the graph again. Every node becomes a local variable; the backward
pass is written out the same way, with the derivative rules printed as source.

One function of a hundred thousand lines would take Python gigabytes to compile, so long programs are cut into chunks that
hand their numbers on in lists (`v[7]` in place of `v7`, half as fast).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from autograd_core.op import TABLE

from .canonical import Canonical
from .compiled import SCALAR_LINE, Compiled
from .naming import number_text
from .rules import LocalDerivative, scalar_kernel, write_scalar
from .scalar_lecture import FEW, ScalarListing, Spoken, scalar_lecture

__all__ = ["compile_scalars"]

LONGEST_FUNCTION, CHUNK = 80_000, 2_000
"""Lines above which a program is cut into chunks, and the lines of a chunk."""


def _strong(g: float, local: float) -> float:
    """g · local, and 0 where g is 0."""
    return 0.0 if g == 0.0 else g * local


def _strong_select(g: float, local: float) -> float:
    """g · local, and 0 where either is 0: for operations that choose between branches."""
    return 0.0 if g == 0.0 or local == 0.0 else g * local


def _spoken(thing: Any) -> Spoken:
    """What a name in the source stands for: a kernel of the table by its entry, anything else by its own name."""
    if isinstance(thing, LocalDerivative):
        return Spoken(f"∂{thing.op.name}")
    if not callable(thing):
        return Spoken(number_text(thing))
    options = thing.keywords if isinstance(thing, functools.partial) else {}
    kernel = (*thing.args, thing.func)[0] if isinstance(thing, functools.partial) else thing
    own = str(getattr(kernel, "__name__", "f"))
    return Spoken(next((op.name for op in TABLE.values() if kernel in (op.scalar, op.array)), own), (), options)


class _Writer:
    def __init__(self, graph: Canonical, *, careful: bool) -> None:
        self.graph = graph
        self.careful = careful
        self.chunked = graph.survey.lines > LONGEST_FUNCTION
        self.need = graph.survey.need
        self.scope: dict[str, Any] = {"strong": _strong, "strong_select": _strong_select}
        self.names: dict[Any, str] = {}
        self.forward: list[str] = []
        self.backward: list[str] = []
        self.reached: set[int] = set()
        self.rules: dict[Any, LocalDerivative] = {}
        self.kernels: dict[Any, str] = {}

    def bind(self, thing: Any) -> str:
        """A name in the source for a function or a number that has no literal."""
        key = repr(thing) if isinstance(thing, float) else id(thing)
        if key not in self.names:
            self.names[key] = f"f{len(self.names)}"
            self.scope[self.names[key]] = thing
        return self.names[key]

    def value(self, position: int) -> str:
        """The variable that holds a node's value."""
        return f"v[{position}]" if self.chunked else f"v{position}"

    def adjoint(self, position: int) -> str:
        """The variable that holds a node's adjoint."""
        return f"g[{position}]" if self.chunked else f"g{position}"

    def number(self, x: float) -> str:
        return f"({x!r})" if math.isfinite(x) else self.bind(x)

    def read(self, position: int) -> str:
        """The variable of a node, or the literal of a number."""
        constant = self.graph.constants.get(position)
        return self.value(position) if constant is None else self.number(constant)

    def write_forward(self, node: int) -> None:
        if node in self.graph.sums:
            offset, terms = self.graph.sums[node]
            parts = [
                (f"{self.number(k)}*" if k != 1.0 else "") + self.value(x) + (f"*{self.value(y)}" if y >= 0 else "")
                for k, x, y in terms
            ]
            if offset or not parts:
                parts.append(self.number(offset))
            self.forward.append(f"{self.value(node)} = {' + '.join(parts)}")
            return
        application = self.graph.applications[node]
        if application.key not in self.kernels:
            kernel = scalar_kernel(application.op, application.numbers, application.options)
            self.kernels[application.key] = self.bind(kernel)
        arguments = ", ".join(self.read(p) for p in application.operands)
        self.forward.append(f"{self.value(node)} = {self.kernels[application.key]}({arguments})")

    def contribute(self, target: int, product: str) -> None:
        sign = "+=" if target in self.reached else "="
        self.reached.add(target)
        self.backward.append(f"{self.adjoint(target)} {sign} {product}")

    def times(self, g: str, local: str, *, selects: bool = False) -> str:
        if not self.careful:
            return f"{g}*{local}"
        return f"{'strong_select' if selects else 'strong'}({g}, {local})"

    def write_backward(self, node: int) -> None:
        g, need = self.adjoint(node), self.need
        if node in self.graph.sums:
            for k, x, y in self.graph.sums[node].terms:
                scale = "" if k == 1.0 else f"*{self.number(k)}"
                if need[x]:
                    self.contribute(x, (self.times(g, self.value(y)) if y >= 0 else g) + scale)
                if y >= 0 and need[y]:
                    self.contribute(y, self.times(g, self.value(x)) + scale)
            return
        application = self.graph.applications[node]
        operands = application.operands
        symbols = {"out": self.value(node)} | {f"x{i}": self.read(p) for i, p in enumerate(operands)}
        for slot, position in enumerate(operands):
            if not need[position]:
                continue
            key = (application.key, len(operands), slot)
            if key not in self.rules:
                self.rules[key] = LocalDerivative(
                    application.op, slot, len(operands), application.numbers, application.options
                )
            rule = self.rules[key]
            if isinstance(rule.formula, float) and rule.formula == 0.0 and application.op.selects:
                continue                       # whatever comes in, nothing goes out
            if rule.formula is None:
                local = f"{self.bind(rule)}({', '.join(symbols.values())})"
            else:
                local = write_scalar(rule.formula, symbols, self.bind)
            self.contribute(position, self.times(g, local, selects=application.op.selects))

    def build(self) -> Any:
        """The functions forward(theta, inputs) → (loss, values) and backward(theta, inputs, values) → gradient."""
        graph = self.graph
        for node in graph.kept:
            self.write_forward(node)
        self.reached.add(graph.root)
        self.backward.append(f"{self.adjoint(graph.root)} = 1.0")
        for node in reversed(graph.kept):
            if self.need[node] and node in self.reached:
                self.write_backward(node)
        if self.chunked:
            return self.build_chunks()
        leaves = [
            f"{''.join(f'v{i}, ' for i in positions)}= {name}"
            for name, positions in (("theta", range(graph.parameters)), ("inputs", range(graph.parameters, graph.live)))
            if positions
        ]
        values = "".join(f"v{node}, " for node in graph.kept)
        gradient = ", ".join(f"g{i}" if i in self.reached else "0.0" for i in range(graph.parameters))
        source = [
            "def forward(theta, inputs):",
            *leaves,
            *self.forward,
            f"return v{graph.root}, ({values})",
            "def backward(theta, inputs, values):",
            *leaves,
            f"{values}= values",
            *self.backward,
            f"return [{gradient}]",
        ]
        text = "\n".join(line if line.startswith("def ") else " " + line for line in source)
        exec(compile(text, "<lifted program>", "exec"), self.scope)  # noqa: S102 - made of invented names and numbers
        return self.scope["forward"], self.scope["backward"]

    def build_chunks(self) -> Any:
        """The same two functions, over lists and in chunks."""
        graph = self.graph
        forward, backward = self.compile_chunks(self.forward, "v"), self.compile_chunks(self.backward, "v, g")
        rest = graph.size - graph.live

        def run(theta: list[float], inputs: list[float]) -> tuple[float, list[float]]:
            v = [*theta, *inputs, *([0.0] * rest)]
            for chunk in forward:
                chunk(v)
            return v[graph.root], v

        def pull(_: list[float], __: list[float], v: list[float]) -> list[float]:
            g = [0.0] * graph.size
            for chunk in backward:
                chunk(v, g)
            return g[: graph.parameters]

        return run, pull

    def compile_chunks(self, lines: list[str], arguments: str) -> list[Any]:
        """Functions of at most `CHUNK` lines each, to be called in order."""
        chunks = []
        for start in range(0, len(lines), CHUNK):
            text = f"def chunk({arguments}):\n " + "\n ".join(lines[start : start + CHUNK])
            exec(compile(text, "<lifted program>", "exec"), self.scope)  # noqa: S102 - as below
            chunks.append(self.scope["chunk"])
        return chunks


def compile_scalars(graph: Canonical) -> Compiled:
    """A program that runs the graph as one function on Python floats."""
    theta, inputs, gradient = np.zeros(graph.parameters), np.zeros(graph.inputs), np.zeros(graph.parameters)
    writer = _Writer(graph, careful=False)
    run, pull = writer.build()
    last: list[Any] = [[], [], ()]
    careful: list[Any] = []

    def forward() -> float:
        last[0], last[1] = theta.tolist(), inputs.tolist()
        loss, last[2] = run(last[0], last[1])
        return float(loss)

    def backward() -> None:
        gradient[:] = pull(*last)

    def careful_backward() -> None:
        if not careful:
            careful.append(_Writer(graph, careful=True).build()[1])
        gradient[:] = careful[0](*last)

    lines = graph.survey.lines
    listing = None
    if len(graph.kept) <= FEW:
        functions = {name: _spoken(writer.scope[name]) for name in writer.names.values()}
        functions |= {writer.kernels[a.key]: Spoken(a.op.name, a.numbers, a.options) for a in graph.applications.values() if a.key in writer.kernels}
        listing = ScalarListing(graph, {"forward": writer.forward, "backward": writer.backward}, functions)
    return Compiled(
        kind="scalar source",
        theta=theta,
        inputs=inputs,
        gradient=gradient,
        forward=forward,
        backward=backward,
        careful=careful_backward,
        lecture=scalar_lecture(graph, listing),
        listing=listing,
        calls=(len(graph.kept), lines - len(graph.kept)),
        cost=SCALAR_LINE * lines,
    )
