"""The program as a lecture: `H1 = relu(W1 @ X + b1)   # (16, 100) ← 11,200 nodes`.

Steps that run in place on their source are told as one expression. Names are those of `naming`: W and b for parameters that
stand left of a product or are added to one, X for inputs, H, v and s for results that are a matrix, a vector or one
number, θ for all parameters together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .formulas import called, term_of
from .grouping import Grouping
from .naming import Names
from .script import Array
from .statements import outside
from .steps import Apply, Combine, MatrixProduct, PairProducts, RowSums, Segments, Step

__all__ = ["Line", "format_lines", "lecture"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the lecture: a named result, the expression, its shape, and what it replaced.

    `replaced` counts recorded operations; `nodes` are the positions on the tape of the results computed here (and of sums
    that a part was computed for), if they were asked for.
    """

    name: str
    expression: str
    shape: tuple[int, ...]
    replaced: int
    nodes: tuple[int, ...] = ()


def format_lines(lines: list[Line]) -> list[str]:
    """The lines as text, comments aligned."""
    width = max((len(f"{line.name} = {line.expression}") for line in lines), default=0)
    width = min(width, 72)
    return [
        f"{f'{line.name} = {line.expression}':<{width}}   # {_shape(line.shape)}← {line.replaced:,} node{'s' * (line.replaced != 1)}"
        for line in lines
    ]


def _shape(shape: tuple[int, ...]) -> str:
    return f"{shape} " if shape else ""


class _Writer:
    def __init__(self, grouping: Grouping) -> None:
        self.grouping, self.names = grouping, Names(grouping)
        self.told: dict[int, tuple[str, tuple[int, ...], int, list[int]]] = {}  # step (id) → expression, …
        self.operand, self.numbers = self.names.operand, self.names.numbers
        self._describe: dict[type[Step], Callable[[Any], tuple[str, tuple[int, ...]]]] = {
            MatrixProduct: self._matrix_product,
            PairProducts: self._pair_products,
            RowSums: self._row_sums,
            Segments: self._segments,
        }

    def scaled(self, text: str, scale: Array) -> str:
        if (scale == 1.0).all():
            return text
        if (scale == -1.0).all():
            return f"-{_grouped(text)}"
        if text.startswith("-") and not outside(text[1:]):  # -2 * v, not 2 * -v
            return self.scaled(text[1:], -scale)
        return f"{self.numbers(scale)} * {_grouped(text)}"

    # -- expression and shape of a step on its own, for each kind of step

    def _matrix_product(self, step: MatrixProduct) -> tuple[str, tuple[int, ...]]:
        batch, rows, columns = step.shape
        ones, numbers = self.names.column_of_ones(step), self.names.constant(step.right[0]) if batch == 1 else None
        if numbers is not None and min(numbers.shape) > 1 and np.ptp(numbers):
            samples = self.names.samples(numbers, ones)
        if ones is not None:
            weights, bias = self.factor(np.delete(step.left, ones, 2), "W"), self.operand(step.left[:, :, ones], "b")
            return f"{weights} @ {samples}ᵀ + {bias}", (rows, columns) if rows > 1 else (columns,)
        text = f"{self.factor(step.left, 'W')} @ {self.factor(step.right.transpose(0, 2, 1), 'p')}"
        if step.augmented is not None and step.bias is not None:
            text += f" + {self.operand(step.bias, 'b')}"
        return text, (batch, rows, columns) if batch > 1 else (rows, columns) if rows > 1 else (columns,)

    def _pair_products(self, step: PairProducts) -> tuple[str, tuple[int, ...]]:
        n, k = step.left.shape
        left, right = self.operand(step.left), self.operand(step.right)
        if k == 1:
            shape = max((self.names.shape(index[:, 0]) for index in (step.left, step.right)), key=len)
            return self.scaled(f"{left}²" if left == right else f"{left} * {right}", step.scale), shape
        text = f"{left} · {right}" if (step.scale == 1.0).all() else f"({self.numbers(step.scale)} * {left}) · {right}"
        return (text, ()) if n == 1 else (f"rows({text})", (n,))

    def _row_sums(self, step: RowSums) -> tuple[str, tuple[int, ...]]:
        name = self.operand(step.index)
        if step.size == 1:
            return f"sum({self.scaled(name, step.scale)})", ()
        transposed = step.index.shape == self.names.shapes.get(name, ())[::-1] and self.names.is_transposed(name, step.index)
        if not (step.scale == step.scale.flat[0]).all():  # the same numbers for all rows
            return f"{name}{'ᵀ' * transposed} @ {self.numbers(step.scale[0])}", (step.size,)
        return f"{'column' if transposed else 'row'}_sums({self.scaled(name, step.scale)})", (step.size,)

    def _segments(self, step: Segments) -> tuple[str, tuple[int, ...]]:
        return f"irregular_sums({len(step.left):,} terms)", (step.size,) if step.size > 1 else ()

    def factor(self, index: Array, letter: str) -> str:
        """A factor of a (batched) product, with ᵀ where it is transposed; the first product that a matrix of leaves is in fixes its shape."""
        name, matrix = self.operand(index, letter), index[0]
        if name in self.names.places:
            self.names.matrix(name, matrix)
        cast = self.names.recast(name, matrix.shape) if len(index) == 1 else ""
        if cast:
            return name + cast
        transposed = self.names.is_transposed(name, matrix)
        return f"{name}ᵀ" if transposed and not name.startswith("(") else name

    def tell(self, step: Step) -> tuple[str, tuple[int, ...], int, list[int]]:
        """Expression, shape, replaced nodes and positions of a step and the sources it runs in place on."""
        source = step.source if isinstance(step, Combine | Apply) else None
        before = self.told.pop(id(source)) if source is not None and id(source) in self.told else None
        replaced, nodes = step.replaced, list(step.nodes)
        shape: tuple[int, ...] = (step.size,) if step.size > 1 else ()
        if before is not None:
            shape, replaced, nodes = before[1], replaced + before[2], before[3] + nodes
        if isinstance(step, Combine | Apply) and len(shape) == 1:
            read = [index for index, _ in step.references] if isinstance(step, Combine) else step.indices
            shape = max((shape, *map(self.names.shape, read)), key=len)
        if isinstance(step, Combine):
            parts = []
            for i, (index, scale) in enumerate(step.references):
                text = before[0] if before is not None and i == 0 else self.operand(index, "b")
                parts.append(self.scaled(text, scale))
            if step.offset.any() or not parts:
                parts.append(self.numbers(step.offset))
            if parts[0].startswith("-"):
                parts.sort(key=lambda part: part.startswith("-"))  # 1 - v, not -v + 1
            return " + ".join(parts).replace("+ -", "- "), shape, replaced, nodes
        if isinstance(step, Apply):
            operands = [self.operand(index) for index in step.indices] if before is None else [before[0]]
            application = step.application
            told = called(application.op.name, map(term_of, operands), application.numbers, application.options)
            return told.text, shape, replaced, nodes
        text, shape = self._describe[type(step)](step)
        return text, shape, replaced, nodes

    def lines(self, root: int) -> Iterator[Line]:
        """All lines: a step is told when nothing runs in place on it any more."""
        sources = {
            id(step.source) for step in self.grouping.steps if isinstance(step, Combine | Apply) and step.source is not None
        }
        for step in self.grouping.steps:
            told = self.tell(step)
            if id(step) in sources:
                self.told[id(step)] = told
                continue
            text, shape, replaced, nodes = told
            group = self.grouping.arena.groups[step.group]
            if group.base <= root < group.base + group.size and step is self.grouping.steps[-1]:
                name = "loss"
            else:
                name = self.names.fresh("H" if len(shape) > 1 else "v" if shape else "s")
            self.names.result(step.group, name, shape)
            yield Line(name, text, shape, replaced, tuple(nodes))


def _grouped(text: str) -> str:
    return f"({text})" if " + " in text or " - " in text or " / " in text else text


def lecture(grouping: Grouping, root: int) -> tuple[list[Line], Names]:
    """The lines that tell what a grouped program computes, and what its arrays are called; `root` is the place of the loss."""
    writer = _Writer(grouping)
    return list(writer.lines(root)), writer.names
