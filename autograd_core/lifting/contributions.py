"""Contributions: how the adjoints of an array program are added up.

Every cell of the arena has an adjoint, and its state is known while compiling: *unwritten* so far, a *constant* (the seed 1
travels as a number through sums and scalings without a single call), or *dynamic*. So the first contribution to a cell is
written straight to its place, nothing is cleared to zero beforehand, and a constant is folded into the first addition.

A contribution to places that are a view with a stride of 0 is a sum over that axis (the gradient of what was broadcast); one
to irregular places is sorted with a gather and added up in segments. Scatter-add (`np.add.at`) is never used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .emit import Emitter, Forward
from .grouping import Grouping
from .layout import affine, delinearise
from .script import Array

__all__ = ["CONSTANT", "DYNAMIC", "UNWRITTEN", "Contributions", "Producer"]

UNWRITTEN, CONSTANT, DYNAMIC = range(3)

Producer = Callable[[Array], None]


class Contributions(Emitter):
    """The adjoints of all cells, their states, and the calls that add to them."""

    def __init__(self, grouping: Grouping, forward: Forward) -> None:
        """All adjoints unwritten."""
        super().__init__(grouping, forward.script, forward.values, forward.adjoints)
        self.state = np.zeros(len(self.values), dtype=np.int8)
        self.constants = np.zeros(len(self.values))
        self.needed = np.zeros(len(self.values), dtype=bool)
        for group in grouping.arena.groups:
            if group.need:
                self.needed[group.cells] = True

    def contribute(
        self, index: Array, *, constant: Any = None, array: Array | None = None, produce: Producer | None = None
    ) -> None:
        """Add to the adjoints at these places: numbers, an array that exists, or what `produce(out)` computes."""
        if not self.needed[index].any():
            return
        if constant is not None:
            numbers = np.broadcast_to(constant, index.shape)
            if (self.state[index] != DYNAMIC).all():
                np.add.at(self.constants, index, numbers)
                self.state[index] = CONSTANT
                return
            operand = self.constant(numbers)
            produce = lambda out: self.script.call(np.copyto, out, operand)
        if not self._contribute_view(index, array, produce):
            self._contribute_irregular(index, self._made(index.shape, array, produce))

    def _made(self, shape: tuple[int, ...], array: Array | None, produce: Producer | None) -> Array:
        """The contribution as an array: the one that exists, or produced into a scratch buffer."""
        if array is not None:
            return array
        assert produce is not None
        out = self.script.scratch(shape)
        produce(out)
        return out

    def _contribute_view(self, index: Array, array: Array | None, produce: Producer | None) -> bool:
        """Contribute to places that form a view; False if they do not."""
        shape, where = index.shape, affine(index)
        if where is None:
            split = delinearise([index.ravel()])
            if split is None:
                return False
            shape, where = split, affine(index.reshape(split))
            assert where is not None
        base, strides = where
        repeated = tuple(d for d, length in enumerate(shape) if length > 1 and strides[d] == 0)
        kept = [d for d in range(len(shape)) if d not in repeated]
        target = index.reshape(shape)[tuple(0 if d in repeated else slice(None) for d in range(len(shape)))]
        if len(np.unique(target)) != target.size:
            return False
        view = self.view(self.adjoints, (base, tuple(strides[d] for d in kept)), tuple(shape[d] for d in kept))
        if repeated:
            made = self._made(index.shape, array, produce).reshape(shape)
            array, produce = None, lambda out: self._sum_axes(made, repeated, out)
        elif shape != index.shape:
            array, produce = self._made(index.shape, array, produce).reshape(shape), None
        self._store(target, view, array, produce)
        return True

    def _store(self, target: Array, view: Array, array: Array | None, produce: Producer | None) -> None:
        """Write or add to a view, according to the state of its cells."""
        call, states = self.script.call, self.state[target]
        if not states.any():
            if array is not None:
                call(np.copyto, view, array)
            elif produce is not None:
                produce(view)
        else:
            if not (states == DYNAMIC).all() and not (states == CONSTANT).all():
                self.settle(target[states != DYNAMIC])
                states = self.state[target]
            if array is None:
                array = self.script.scratch(view.shape, 1)
                assert produce is not None
                produce(array)
            if (states == CONSTANT).all():
                call(np.add, array, self.constant(self.constants[target]), view)
            else:
                call(np.add, view, array, view)
        self.state[target] = DYNAMIC

    def settle(self, cells: Array) -> None:
        """Write the constants of these cells, so that something can be added to them."""
        cells = np.unique(cells)
        self.script.text("{0}[{1}] = {2}", self.adjoints, cells, self.constant(self.constants[cells]))
        self.state[cells] = DYNAMIC

    def _sum_axes(self, array: Array, axes: tuple[int, ...], out: Array) -> None:
        """out = array summed over axes; over one axis of a matrix, as a product with ones, which is faster."""
        if array.ndim == 2 and len(axes) == 1:
            ones = self.script.full((array.shape[axes[0]],), 1.0)
            operands = (array, ones) if axes[0] == 1 else (ones, array)
            self.script.call(np.dot, *operands, out)
        else:
            self.script.reduce(array, axes, out)

    def _contribute_irregular(self, index: Array, array: Array) -> None:
        """Sort by target with a gather, add up runs of equal targets, then write or add to distinct places."""
        script, flat = self.script, index.ravel()
        order = np.argsort(flat, kind="stable")
        places, starts, counts = np.unique(flat[order], return_index=True, return_counts=True)
        summed = script.scratch((len(order),), 2)
        script.take(array.reshape(-1), order, summed)
        if len(places) < len(flat):
            gathered, summed = summed, script.scratch((len(places),), 3)
            if (counts == counts[0]).all():
                script.call(np.dot, gathered.reshape(len(places), -1), script.full((int(counts[0]),), 1.0), summed)
            else:
                script.reduceat(gathered, starts, summed)
        if affine(places) is not None:
            self._contribute_view(places, summed, None)
            return
        states = self.state[places]
        if not states.any():
            script.text("{0}[{1}] = {2}", self.adjoints, places, summed)
        else:
            if not (states == DYNAMIC).all():
                self.settle(places[states != DYNAMIC])
            script.text("{0}[{1}] += {2}", self.adjoints, places, summed)
        self.state[places] = DYNAMIC
