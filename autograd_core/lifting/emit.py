"""Emission, forward: steps become calls on views of the arena.

Whether a step reads its operands in place was settled by the layout: an affine set of places is a view, anything else is
gathered into a buffer of its own. Numbers are looked up when compiling. What depends on inputs and numbers alone, steps
and gathers alike, goes into the *prelude*, which runs only when inputs change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .grouping import Grouping
from .layout import View, affine, delinearise, view_of
from .rules import kernel_call
from .script import Array, Script
from .steps import Apply, Combine, MatrixProduct, PairProducts, RowSums, Segments, Step

__all__ = ["Emitter", "Forward", "mark_hoisted"]


class Emitter:
    """Views of the arena by name, constants, and the script that calls are written to."""

    def __init__(self, grouping: Grouping, script: Script, values: Array, adjoints: Array) -> None:
        """The two flat arrays of a grouping: the values of its arena and their adjoints."""
        self.arena, self.script = grouping.arena, script
        self.values, self.adjoints = values, adjoints
        self._views: dict[tuple[int, View, tuple[int, ...]], Array] = {}
        self._constants: dict[tuple[tuple[int, ...], bytes], Any] = {}

    def view(self, array: Array, where: View, shape: tuple[int, ...]) -> Array:
        """A strided view, the same object whenever it is asked for again."""
        key = (id(array), where, shape)
        if key not in self._views:
            self._views[key] = view_of(array, where, shape)
        return self._views[key]

    def block(self, array: Array, step: Step, shape: tuple[int, ...] | None = None) -> Array:
        """The cells of a step's result as a contiguous array of this shape."""
        shape = shape or (step.size,)
        strides, stride = [], 1
        for length in reversed(shape):
            strides.append(stride)
            stride *= length
        return self.view(array, (self.arena.groups[step.group].base, tuple(reversed(strides))), shape)

    def constant(self, x: Any) -> Any:
        """An array of numbers as an operand; one number if they are all equal."""
        array = np.array(x, dtype=np.float64)
        if array.size and (array == array.flat[0]).all():
            return float(array.flat[0])
        key = (array.shape, array.tobytes())
        return self._constants.setdefault(key, array)


def mark_hoisted(grouping: Grouping) -> Array:
    """Mark the steps that depend on inputs and numbers alone; for every cell of the arena, whether it does."""
    steps, groups = grouping.steps, grouping.arena.groups
    for step in steps:
        step.hoisted = not step.need
    while True:
        static = np.zeros(grouping.arena.size, dtype=bool)
        for start, stop in grouping.arena.ones:
            static[start:stop] = True
        static[list(grouping.numbers)] = True
        for _, places in grouping.input_copies:
            static[places] = True
        changed = False
        for step in steps:
            if step.hoisted and not all(static[index].all() for index in step.operands()):
                step.hoisted, changed = False, True
            source = step.source if isinstance(step, Combine | Apply) else None
            if source is not None and source.hoisted and not step.hoisted:
                source.hoisted, changed = False, True
            if step.hoisted:
                static[groups[step.group].cells] = True
        if not changed:
            return static


class Forward(Emitter):
    """Writes the prelude and the forward pass; remembers the operands of each step for the backward pass."""

    def __init__(self, grouping: Grouping, script: Script, values: Array, adjoints: Array) -> None:
        """Nothing written yet; steps are sorted into those that must wait for parameters and those that need not."""
        super().__init__(grouping, script, values, adjoints)
        self.static = mark_hoisted(grouping)
        self.numbers = np.zeros(len(values), dtype=bool)
        self.numbers[list(grouping.numbers)] = True
        self.ones = np.zeros(len(values), dtype=bool)
        for start, stop in grouping.arena.ones:
            self.ones[start:stop] = True
        self.steps = grouping.steps
        self.operands: dict[int, list[Array]] = {}
        self._gathered: dict[tuple[tuple[int, ...], bytes], Array] = {}
        self._write: dict[type[Step], Callable[[Any], list[Array]]] = {
            MatrixProduct: self._matrix_product,
            PairProducts: self._pair_products,
            RowSums: self._row_sums,
            Combine: self._combine,
            Segments: self._segments,
            Apply: self._apply,
        }

    def read(self, index: Array) -> Array:
        """An array with the values at these places: a view, a table of numbers, or a buffer that is gathered into."""
        where = affine(index)
        if where is not None:
            return self.view(self.values, where, index.shape)
        key = (index.shape, index.tobytes())
        if key in self._gathered:
            return self._gathered[key]
        if self.numbers[index].all():
            self._gathered[key] = self.values[index]
            return self._gathered[key]
        section = self.script.section
        if self.static[index].all():
            self.script.begin("prelude")
        shape = delinearise([index]) if index.ndim == 1 else None
        if shape is not None:
            buffer = np.zeros(shape)
            where = affine(index.reshape(shape))
            assert where is not None
            self.script.call(np.copyto, buffer, self.view(self.values, where, shape))
            result = buffer.reshape(-1)
        else:
            result = np.zeros(index.shape)
            self.script.take(self.values, index.copy(), result)
        self.script.begin(section)
        self._gathered[key] = result
        return result

    def write(self) -> None:
        """Write all steps."""
        for step in self.steps:
            self.script.begin("prelude" if step.hoisted else "forward")
            self.operands[id(step)] = self._write[type(step)](step)

    def _matrix_product(self, step: MatrixProduct) -> list[Array]:
        call = self.script.call
        batch, rows, columns = step.shape
        if batch > 1:
            left, right = self.read(step.left), self.read(step.right)
            call(np.matmul, left, right.transpose(0, 2, 1), self.block(self.values, step, step.shape))
            return [left, right]
        left_index, right_index = step.factors()
        left, right = self.read(left_index), self.read(right_index)
        turned, flat = right.T, self.block(self.values, step)
        out = self.block(self.values, step, (rows, columns))
        if rows == 1:
            call(np.dot, left[0], turned, flat)
        elif columns == 1:
            call(np.dot, left, turned[:, 0], flat)
        else:
            call(np.dot, left, turned, out)
        return [left, right]

    def _pair_products(self, step: PairProducts) -> list[Array]:
        call, out, n, k = self.script.call, self.block(self.values, step), step.size, step.left.shape[1]
        scaled = not (step.scale == 1.0).all()
        if n == 1 and k > 1:
            left, right = self.read(step.left[0]), self.read(step.right[0])
            if scaled:
                weighted = self.script.scratch((k,))
                call(np.multiply, left, self.constant(step.scale[0]), weighted)
                call(np.dot, weighted, right, out.reshape(()))
            else:
                call(np.dot, left, right, out.reshape(()))
        elif k == 1:
            one, other, scale = step.left[:, 0], step.right[:, 0], step.scale[:, 0]
            shape: tuple[int, ...] = (n,)
            if affine(one) is None or affine(other) is None:
                shape = delinearise([one, other]) or (n,)
            left, right = self.read(one.reshape(shape)), self.read(other.reshape(shape))
            out = self.block(self.values, step, shape)
            if left is right:
                call(np.square, left, out)
            else:
                call(np.multiply, left, right, out)
            if scaled:
                call(np.multiply, out, self.constant(scale.reshape(shape)), out)
        else:
            left, right, products = self.read(step.left), self.read(step.right), self.script.scratch((n, k))
            call(np.multiply, left, right, products)
            if scaled:
                call(np.multiply, products, self.constant(step.scale), products)
            call(np.dot, products, self.script.full((k,), 1.0), out)
        return [left, right]

    def _row_sums(self, step: RowSums) -> list[Array]:
        out, weights = self.block(self.values, step), step.scale[0].copy()
        if step.size == 1:
            self.script.call(np.dot, self.read(step.index[0]), weights, out.reshape(()))
        else:
            self.script.call(np.dot, self.read(step.index), weights, out)
        return []

    def _combine(self, step: Combine) -> list[Array]:
        if step.size == 1:
            self._combine_one(step)
            return []
        call = self.script.call
        shape: tuple[int, ...] = (step.size,)
        crooked = [index for index, _ in step.references if affine(index) is None]
        if crooked:
            shape = delinearise(crooked) or shape
        out = self.block(self.values, step, shape)
        parts = [(self.read(index.reshape(shape)), scale.reshape(shape)) for index, scale in step.references]
        running, scale = parts.pop(0)
        if (scale == -1.0).all() and parts and (parts[0][1] == 1.0).all():
            call(np.subtract, parts.pop(0)[0], running, out)
            running = out
        elif not (scale == 1.0).all():
            call(np.multiply, running, self.constant(scale), out)
            running = out
        for part, scale in parts:
            if (scale == 1.0).all():
                call(np.add, running, part, out)
            elif (scale == -1.0).all():
                call(np.subtract, running, part, out)
            else:
                weighted = self.script.scratch(shape)
                call(np.multiply, part, self.constant(scale), weighted)
                call(np.add, running, weighted, out)
            running = out
        if step.offset.any():
            call(np.add, running, self.constant(step.offset.reshape(shape)), out)
        elif running is not out and step.source is None:
            call(np.copyto, out, running)
        return []

    def _combine_one(self, step: Combine) -> None:
        """A sum of a few single numbers, as Python arithmetic: cheaper than a call a term."""
        things: list[Any] = [self.values, self.values.item]
        terms = []
        for index, scale in step.references:
            terms.append(f"{{1}}({int(index[0])})" + ("" if scale[0] == 1.0 else " * " + _number(scale[0], things)))
        if step.offset[0]:
            terms.append(_number(step.offset[0], things))
        elif step.source is not None and len(terms) == 1 and step.references[0][1][0] == 1.0:
            return
        base = self.arena.groups[step.group].base
        self.script.text(f"{{0}}[{base}] = {' + '.join(terms)}", *things)

    def _segments(self, step: Segments) -> list[Array]:
        script, edges, out = self.script, len(step.left), self.block(self.values, step)
        call = script.call
        left = np.zeros(edges)
        script.take(self.values, step.left, left)
        linear = bool(self.ones[step.right].all())
        if linear:
            right = step.scale
        else:
            right = np.zeros(edges)
            script.take(self.values, step.right, right)
            if (step.scale != 1.0).any():
                call(np.multiply, right, step.scale, right)
        if edges > step.size:
            products = script.scratch((edges,))
            call(np.multiply, left, right, products)
            script.reduceat(products, step.starts, out)
        else:
            call(np.multiply, left, right, out)
        if step.offset.any():
            call(np.add, out, self.constant(step.offset), out)
        return [left, right]

    def _apply(self, step: Apply) -> list[Array]:
        operands = [self.read(index) for index in step.indices]
        application = step.application
        out = self.block(self.values, step)
        kernel_call(self.script, application.op, operands, application.numbers, application.options, out)
        return operands


def _number(x: float, things: list[Any]) -> str:
    """A number in a template: as a literal, or, if it has none, as one of the things."""
    x = float(x)
    if math.isfinite(x):
        return f"({x!r})"
    things.append(x)
    return f"{{{len(things) - 1}}}"
