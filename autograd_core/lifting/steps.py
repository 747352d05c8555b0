"""The steps of an array program: what grouping decides, and what emission turns into calls.

Every index array holds places in the arena. `group` is where the result goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .canonical import Application
from .script import Array

__all__ = ["Apply", "Combine", "MatrixProduct", "PairProducts", "RowSums", "Segments", "Step"]


@dataclass(slots=True, kw_only=True)
class Step:
    """What all steps have: the group of the result, its size, whether a gradient flows through it.

    `hoisted` steps depend on inputs and numbers alone, and run only when inputs change. `replaced` is how many recorded
    operations the step stands for, `nodes` where on the tape the results (or the sums they are parts of) stand.
    """

    group: int = -1
    size: int
    need: bool
    hoisted: bool = False
    replaced: int = 0
    nodes: list[int] = field(default_factory=list)

    def operands(self) -> Iterator[Array]:
        """The places that the step reads."""
        raise NotImplementedError

    def views(self) -> Iterator[Array]:
        """The index arrays that had better be affine, so that the step reads views."""
        yield from self.operands()


@dataclass(slots=True, kw_only=True)
class MatrixProduct(Step):
    """out[c, i, j] = Σₖ left[c, i, k] · right[c, j, k].

    `augmented` holds the operands with a column more, if a bias was absorbed: [W | b] and [H; 1].
    """

    left: Array
    right: Array
    right_group: int
    bias: Array | None = None
    augmented: tuple[Array, Array] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(batch, rows, columns) of the result."""
        return self.left.shape[0], self.left.shape[1], self.right.shape[1]

    def factors(self) -> tuple[Array, Array]:
        """Left and right operand of an unbatched product, with the bias if it was absorbed."""
        return self.augmented if self.augmented is not None else (self.left[0], self.right[0])

    def operands(self) -> Iterator[Array]:
        """The places that the step reads."""
        yield self.left
        yield self.right
        if self.augmented is not None:
            yield self.augmented[0]

    def views(self) -> Iterator[Array]:
        """The operands, the bias beside its weights."""
        if self.bias is not None and len(self.left) == 1:
            yield np.concatenate([self.left, self.bias[None]], 2)
        else:
            yield self.left
        yield self.right


@dataclass(slots=True, kw_only=True)
class PairProducts(Step):
    """out[i] = Σₖ scale[i, k] · left[i, k] · right[i, k]."""

    left: Array
    right: Array
    scale: Array

    def operands(self) -> Iterator[Array]:
        """The places that the step reads."""
        yield self.left
        yield self.right


@dataclass(slots=True, kw_only=True)
class RowSums(Step):
    """out[i] = Σₖ scale[i, k] · index[i, k]."""

    index: Array
    scale: Array

    def operands(self) -> Iterator[Array]:
        """The places that the step reads."""
        yield self.index


@dataclass(slots=True, kw_only=True)
class Combine(Step):
    """out[i] = offset[i] + Σⱼ scaleⱼ[i] · referenceⱼ[i]; with a `source`, in place on the first reference."""

    references: list[tuple[Array, Array]]
    offset: Array
    source: Step | None = None

    def operands(self) -> Iterator[Array]:
        """The places that the step reads."""
        for index, _ in self.references:
            yield index


@dataclass(slots=True, kw_only=True)
class Segments(Step):
    """Sums of products of any lengths: out[row[e]] += scale[e] · left[e] · right[e], offset added. For irregular parts."""

    left: Array
    right: Array
    scale: Array
    row: Array
    starts: Array
    offset: Array

    def operands(self) -> Iterator[Array]:
        """The places that the step reads."""
        yield self.left
        yield self.right

    def views(self) -> Iterator[Array]:
        """None: an irregular step gathers."""
        return iter(())


@dataclass(slots=True, kw_only=True)
class Apply(Step):
    """out = op(*operands), elementwise; with a `source`, in place on its only operand."""

    application: Application
    indices: list[Array] = field(default_factory=list)
    source: Step | None = None

    def operands(self) -> Iterator[Array]:
        """The places that the step reads."""
        yield from self.indices
