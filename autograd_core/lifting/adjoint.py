"""Emission, backward: the chain rule at the level of the array program.

Each step has one pull-back, in the arrays of the forward pass: a matrix product gives two matrix products, an elementwise
operation the derivative rule of its entry, a sum passes its adjoint on. How contributions are added up is the business of
`contributions`. Gradients of weights come last, so that a weight shared by many steps gets one batched product, and the
first to write can write straight into the flat gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .contributions import CONSTANT, DYNAMIC, Contributions, Producer
from .emit import Forward
from .grouping import Grouping
from .layout import affine
from .rules import LocalDerivative, write_array
from .script import Array, strong_matmul_left, strong_matmul_right, strong_multiply, strong_select
from .steps import Apply, Combine, MatrixProduct, PairProducts, RowSums, Segments, Step

__all__ = ["Backward"]

_THIN, _LARGE, _SMALL = 4, 5000, 1024
"""Columns of a thin matrix, elements of a large one and of a small product. A large matrix times a thin one is faster column by column:
BLAS packs operands for a product, not for a vector. Two wide matrices with a small product are faster the other way round, (B·Aᵀ)ᵀ."""


class Backward(Contributions):
    """Writes the backward pass of a program whose forward pass has been written."""

    def __init__(self, grouping: Grouping, forward: Forward) -> None:
        """Prepare the backward pass of a grouping."""
        super().__init__(grouping, forward)
        self.forward, self.steps, self.parameters = forward, grouping.steps, grouping.graph.parameters
        self.last: list[Callable[[], None]] = []  # contributions that are better made after all others
        self.shared: dict[tuple[bytes, int], list[tuple[MatrixProduct, Producer]]] = {}
        self._pull: dict[type[Step], Callable[[Any, Any], None]] = {
            MatrixProduct: self._matrix_product,
            PairProducts: self._pair_products,
            RowSums: self._row_sums,
            Combine: self._combine,
            Segments: self._segments,
            Apply: self._apply,
        }

    # -- the pass

    def write(self, root: int) -> None:
        """Write the chain rule for all steps, last first, from an adjoint of 1 at the root."""
        self.script.begin("backward")
        self.state[root], self.constants[root] = CONSTANT, 1.0
        for step in reversed(self.steps):
            if not step.need:
                continue
            cells = self.arena.groups[step.group].cells
            states = self.state[cells]
            if (states != DYNAMIC).all():
                numbers = self.constants[cells].copy()
                if numbers.any():
                    self._pull[type(step)](step, numbers)
                continue
            if not (states == DYNAMIC).all():
                self.settle(cells.start + np.flatnonzero(states != DYNAMIC))
            self._pull[type(step)](step, None)
        self._weights()
        for contribution in self.last:
            contribution()
        fixed = np.flatnonzero(self.state[: self.parameters] != DYNAMIC)
        if len(fixed):
            self.settle(fixed)

    def incoming(self, step: Step, numbers: Array | None, shape: tuple[int, ...] | None = None) -> Any:
        """The adjoint of a step's result: an array, or a number where it is the same constant everywhere."""
        if numbers is None:
            return self.block(self.adjoints, step, shape)
        return self.constant(numbers.reshape(shape or (step.size,)))

    def incoming_array(self, step: Step, numbers: Array | None, shape: tuple[int, ...]) -> Array:
        """The adjoint of a step's result as an array."""
        if numbers is not None:
            return numbers.reshape(shape).copy()
        return self.block(self.adjoints, step, shape)

    def _multiply(self, g: Any, local: Any, out: Array) -> None:
        self.script.call(np.multiply, g, local, out, careful=strong_multiply)

    def _apply(self, step: Apply, numbers: Array | None) -> None:
        op = step.application.op
        g, out = self.incoming(step, numbers), self.block(self.values, step)
        operands = self.forward.operands[id(step)]
        if step.source is not None:
            self._apply_in_place(step, numbers)
            return
        for slot, index in enumerate(step.indices):
            if not self.needed[index].any():
                continue
            rule = LocalDerivative(op, slot, len(operands), step.application.numbers, step.application.options)
            if isinstance(rule.formula, float):
                if rule.formula != 0.0 or not op.selects:    # ∞·0 of a branch that was not taken is 0, and else nan
                    self._scaled(index, g, numbers, np.full(step.size, rule.formula))
                continue
            strong = strong_select if op.selects else strong_multiply

            def produce(target: Array, rule: LocalDerivative = rule, strong: Any = strong) -> None:
                local = write_array(self.script, rule, out, operands, target, 4)
                if not (isinstance(g, float) and g == 1.0):
                    self.script.call(np.multiply, g, local, target, careful=strong)
                elif local is not target:
                    self.script.call(np.copyto, target, local)

            self.contribute(index, produce=produce)

    def _apply_in_place(self, step: Apply, numbers: Array | None) -> None:
        """The operand lives where the result does, and so do their adjoints."""
        op, call = step.application.op, self.script.call
        rule = LocalDerivative(op, 0, 1, step.application.numbers, step.application.options)
        cells = self.arena.groups[step.group].cells
        if isinstance(rule.formula, float) and numbers is not None:
            self.constants[cells] *= rule.formula
            return
        g, out = self.block(self.adjoints, step), self.block(self.values, step)
        strong = strong_select if op.selects else strong_multiply
        if isinstance(rule.formula, float):
            call(np.multiply, g, rule.formula, g, careful=strong)
        elif numbers is None:
            local = write_array(self.script, rule, out, [out], self.script.scratch(out.shape, 4), 5)
            call(np.multiply, g, local, g, careful=strong)
        else:
            local = write_array(self.script, rule, out, [out], g, 4)
            call(np.multiply, self.constant(numbers), local, g, careful=strong)
            self.state[cells] = DYNAMIC

    def _scaled(self, index: Array, g: Any, numbers: Array | None, scale: Array) -> None:
        """Contribute g · scale."""
        if numbers is not None:
            self.contribute(index, constant=numbers * scale)
        elif (scale == 1.0).all():
            self.contribute(index, array=g)
        else:
            factor = self.constant(scale)
            self.contribute(index, produce=lambda out: self.script.call(np.multiply, g, factor, out))

    def _combine(self, step: Combine, numbers: Array | None) -> None:
        g = self.incoming(step, numbers)
        for index, scale in step.references[step.source is not None :]:
            self._scaled(index, g, numbers, scale)
        if step.source is not None:
            scale = step.references[0][1]
            if not (scale == 1.0).all():
                if numbers is not None:
                    self.constants[self.arena.groups[step.group].cells] *= scale
                else:
                    self.script.call(np.multiply, g, self.constant(scale), g)

    def _row_sums(self, step: RowSums, numbers: Array | None) -> None:
        if numbers is not None:
            self.contribute(step.index, constant=numbers[:, None] * step.scale)
            return
        g = self.block(self.adjoints, step, (step.size, 1))
        weights = self.constant(step.scale[0])
        if isinstance(weights, float) and weights == 1.0:
            self.contribute(step.index, produce=lambda out: self.script.call(np.copyto, out, g))
        else:
            self.contribute(step.index, produce=lambda out: self.script.call(np.multiply, g, weights, out))

    def _segments(self, step: Segments, numbers: Array | None) -> None:
        script, edges = self.script, len(step.left)
        left, right = self.forward.operands[id(step)]
        linear = right is step.scale
        if numbers is not None and linear:
            self.contribute(step.left, constant=numbers[step.row] * step.scale)
            return
        g = self.incoming_array(step, numbers, (step.size,))
        if edges > step.size:
            spread = script.scratch((edges,), 5)
            script.take(g, step.row, spread)
            g = spread
        also = np.flatnonzero(self.needed[step.right])

        def produce(out: Array) -> None:
            self._multiply(g, right, out[:edges])
            if not len(also):
                return
            other = out[edges:]
            if len(also) < edges:
                products = script.scratch((edges,), 6)
                self._multiply(g, left, products)
                script.take(products, also, other)
            else:
                self._multiply(g, left, other)
            scale = self.constant(step.scale[also])
            if not (isinstance(scale, float) and scale == 1.0):
                script.call(np.multiply, other, scale, other)

        self.contribute(np.concatenate([step.left, step.right[also]]), produce=produce)

    def _pair_products(self, step: PairProducts, numbers: Array | None) -> None:
        n, k = step.left.shape
        left, right = self.forward.operands[id(step)]
        flat = k == 1 or n == 1
        shape = left.shape if flat else (n, k)
        one, other, scale = (x.reshape(shape) for x in (step.left, step.right, step.scale))
        if k == 1:
            g = self.incoming(step, numbers, shape)
        elif n == 1:
            g = float(numbers[0]) if numbers is not None else self.block(self.adjoints, step, (1,))
        else:
            g = self.incoming_array(step, numbers, (n, 1))
        twice = flat and np.array_equal(one, other)
        for index, factor in ((one, right),) if twice else ((one, right), (other, left)):
            weights = self.constant(scale * (2.0 if twice else 1.0))
            folded = None
            if numbers is not None and flat:
                folded = self.constant((numbers.reshape(shape) if k == 1 else numbers[0]) * scale * (2.0 if twice else 1.0))

            def produce(out: Array, factor: Array = factor, weights: Any = weights, folded: Any = folded) -> None:
                if folded is not None:
                    self._multiply(folded, factor, out)
                    return
                self._multiply(g, factor, out)
                if not (isinstance(weights, float) and weights == 1.0):
                    self.script.call(np.multiply, out, weights, out)

            if folded is not None and index.max() < self.parameters:
                self.last.append(lambda index=index, produce=produce: self.contribute(index, produce=produce))  # type: ignore[misc]
            else:
                self.contribute(index, produce=produce)

    def _batched_product(self, step: MatrixProduct) -> None:
        """Contributions of a stack of matrix products: leftᵀ g to the right factors, g rightᵀ to the left ones."""
        left, right = self.forward.operands[id(step)]
        g = self.block(self.adjoints, step, step.shape)
        left_transposed = left.transpose(0, 2, 1)
        self.contribute(
            step.right.transpose(0, 2, 1),
            produce=lambda out: self.script.call(np.matmul, left_transposed, g, out, careful=strong_matmul_right),
        )
        self.contribute(
            step.left, produce=lambda out: self.script.call(np.matmul, g, right, out, careful=strong_matmul_left)
        )

    def _matrix_product(self, step: MatrixProduct, numbers: Array | None) -> None:
        if numbers is not None:
            cells = self.arena.groups[step.group].cells
            self.adjoints[cells], self.state[cells] = numbers, CONSTANT
        batch, rows, columns = step.shape
        if batch > 1:
            self._batched_product(step)
            return
        left, right = self.forward.operands[id(step)]
        g = self.block(self.adjoints, step, (rows, columns))
        weights = left[:, : step.left.shape[2]].T

        def to_right(out: Array) -> None:
            self.script.call(np.dot, weights, g, out, careful=strong_matmul_right)

        def to_left(out: Array) -> None:
            if rows == 1:
                line = out[0]
                vector = self.block(self.adjoints, step)
                self.script.call(np.dot, right.T, vector, line, careful=strong_matmul_right)
            elif right.shape[1] <= _THIN and g.size >= _LARGE and right.T.flags.c_contiguous:
                columns_of_result = self.script.scratch((right.shape[1], rows), 7)
                for column, line in zip(right.T, columns_of_result, strict=True):
                    self.script.call(np.dot, g, column, line, careful=strong_matmul_left)
                self.script.call(np.copyto, out, columns_of_result.T)
            elif out.size <= _SMALL and columns > 4 * rows and columns > 4 * right.shape[1]:
                turned = self.script.scratch((right.shape[1], rows), 7)
                self.script.call(np.dot, right.T, g.T, turned, careful=strong_matmul_right)
                self.script.call(np.copyto, out, turned.T)
            else:
                self.script.call(np.dot, g, right, out, careful=strong_matmul_left)

        self.contribute(step.right[0].T, produce=to_right)
        index = step.factors()[0]
        if self.needed[index].any():
            if index.max() < self.parameters:
                self.shared.setdefault((index.tobytes(), columns), []).append((step, to_left))
            else:
                self.contribute(index, produce=to_left)

    def _weights(self) -> None:
        """Gradients of weights, last: products with one target at evenly spaced places become one batched product."""
        for users in self.shared.values():
            users.reverse()
            i = 0
            while i < len(users):
                run = self._evenly_spaced(users, i)
                index = users[i][0].factors()[0]
                if run > 2:
                    self.contribute(index, produce=self._stacked(users[i : i + run]))
                    i += run
                else:
                    self.contribute(index, produce=users[i][1])
                    i += 1

    def _address(self, step: MatrixProduct) -> tuple[int, int, tuple[int, ...]] | None:
        where = affine(step.factors()[1])
        return None if where is None else (self.arena.groups[step.group].base, *where)

    def _evenly_spaced(self, users: list[tuple[MatrixProduct, Producer]], start: int) -> int:
        """How many products from `start` on have adjoints and right operands at a constant distance."""
        addresses: list[tuple[int, int, tuple[int, ...]]] = []
        for step, _ in users[start:]:
            address = self._address(step)
            if address is None or (addresses and address[2] != addresses[0][2]):
                break
            distance = None if not addresses else (address[0] - addresses[-1][0], address[1] - addresses[-1][1])
            if len(addresses) > 1 and distance != (
                addresses[1][0] - addresses[0][0],
                addresses[1][1] - addresses[0][1],
            ):
                break
            addresses.append(address)
        return max(1, len(addresses))

    def _stacked(self, users: list[tuple[MatrixProduct, Producer]]) -> Producer:
        first, count = users[0][0], len(users)
        one, two = self._address(first), self._address(users[1][0])
        assert one is not None and two is not None
        _, rows, columns = first.shape
        index, right = first.factors()
        g = self.view(self.adjoints, (one[0], (two[0] - one[0], columns, 1)), (count, rows, columns))
        operands = self.view(self.values, (one[1], (two[1] - one[1], *one[2])), (count, *right.shape))
        products = np.zeros((count, *index.shape))

        def produce(out: Array) -> None:
            self.script.call(np.matmul, g, operands, products, careful=strong_matmul_left)
            self.script.reduce(products, 0, out)

        return produce

