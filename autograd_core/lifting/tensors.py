"""Programs for graphs of `Tensor`s: the same calls, without recording them again.

A tensor graph is an array program already, so nothing needs to be found; what a replay saves is everything around the
arithmetic: making nodes, looking up rules, testing shapes, allocating results. Each node gets its buffer once and its call
once (see `tensor_forward`). In the backward pass only adjoints on the way to a parameter are computed, constants (the 1/n of a mean)
are worked out when compiling, and the gradient of a weight is written straight into its slice of the flat gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core.algebra import ARRAYS
from autograd_core.errors import LiftError
from autograd_core.op import Op
from autograd_core.structural import sum_to
from autograd_core.tensor import Tensor

from .compiled import CALL, Compiled
from .rules import LocalDerivative, write_array
from .script import Array, strong_multiply, strong_select
from .tape import options_of
from .tensor_forward import TensorForward, given, into, plain_exponent

__all__ = ["compile_tensors"]

Producer = Callable[[Array], None]


class _TensorCompiler(TensorForward):
    """Writes the backward pass of a program whose forward pass has been written."""

    def __init__(self, root: Tensor, parameters: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
        super().__init__(root, parameters, inputs)
        self.adjoints: dict[int, Array] = {}
        self.constant: set[int] = set()        # nodes whose adjoint is known when compiling

    def contribute(self, operand: Any, shape: tuple[int, ...], *, array: Array | None = None, produce: Producer | None = None) -> None:
        """Add to the adjoint of an operand: an array that exists, or what `produce(out)` computes, of this shape."""
        script, key = self.script, id(operand)
        target_shape = self.values[key].shape
        if shape != target_shape:
            whole = array
            if whole is None:
                assert produce is not None
                whole = script.scratch(shape, 9, self.dtype)
                produce(whole)
            summed = whole
            array = None

            def produce(out: Array) -> None:
                if len(shape) == 2 and shape[1:] == target_shape and out.flags.c_contiguous:
                    script.call(np.dot, script.full(shape[:1], 1.0), summed, out)
                else:
                    script.call(into, out, functools.partial(sum_to, shape=target_shape), summed)

        current = self.adjoints.get(key)
        if current is None:
            if array is not None and key not in self.slices and self.uses[key] == 1:
                self.adjoints[key] = array
                return
            out = self.slices.get(key)
            out = np.zeros(target_shape, self.dtype) if out is None else out
            if array is not None:
                script.call(np.copyto, out, array)
            elif produce is not None:
                produce(out)
            self.adjoints[key] = out
            return
        if array is None:
            assert produce is not None
            array = script.scratch(target_shape, 8, self.dtype)
            produce(array)
        out = current
        if key in self.constant:
            out = self.slices.get(key)
            out = np.zeros(target_shape, self.dtype) if out is None else out
            self.constant.discard(key)
        script.call(np.add, current, array, out)
        self.adjoints[key] = out

    def contribute_constant(self, operand: Any, numbers: Array) -> None:
        """A contribution that is known when compiling."""
        key = id(operand)
        numbers = np.array(sum_to(numbers, shape=self.values[key].shape), self.dtype)
        if key in self.adjoints and key not in self.constant:
            self.contribute(operand, numbers.shape, array=numbers)
            return
        self.adjoints[key] = numbers + self.adjoints[key] if key in self.adjoints else numbers
        self.constant.add(key)

    def backward(self) -> None:
        self.adjoints[id(self.root)] = np.ones(self.root._value.shape, self.dtype)
        self.constant.add(id(self.root))
        for node in reversed(self.order):
            if node.op is None or id(node) not in self.need or id(node) not in self.adjoints:
                continue
            self.pull(node, node.op, self.adjoints[id(node)], id(node) in self.constant)
        for p in self.parameters:
            current, place = self.adjoints.get(id(p)), self.slices[id(p)]
            if current is None:
                self.script.call(np.copyto, place, 0.0)
            elif current is not place:
                self.script.call(np.copyto, place, current)

    def pull(self, node: Any, op: Op, g: Array, constant: bool) -> None:
        pairs, values, options, out = given(node), self.operand_values(node), options_of(node), self.values[id(node)]
        for slot, (operand, _) in enumerate(pairs):
            if operand is None or id(operand) not in self.need:
                continue
            if op.elementwise:
                exponents = plain_exponent(node, values) if slot == 0 else ()
                self.pull_elementwise(op, slot, operand, g, constant, values, exponents, options, out)
                continue
            rule = op.vjp[0] if op.variadic else op.vjp[slot]
            if rule is None:
                continue
            if constant and op.linear and len(pairs) == 1:
                self.contribute_constant(operand, np.asarray(rule(ARRAYS, g, out, *values, **options)))
            elif not self.pull_product(node, op, slot, operand, g, constant, values):
                variadic = slot if op.variadic else None
                pull_back = functools.partial(_pull_back, rule, options, variadic)
                names = ", ".join(f"{{{i + 2}}}" for i in range(2 + len(values)))
                shape = np.shape(pull_back(g, out, *values))
                self.contribute(
                    operand,
                    shape,
                    produce=lambda to, f=pull_back, names=names: self.script.text(  # type: ignore[misc]
                        f"{{0}}[...] = {{1}}({names})", to, f, g, out, *values
                    ),
                )

    def pull_elementwise(
        self, op: Op, slot: int, operand: Any, g: Array, constant: bool, values: list[Any], exponents: tuple[float, ...],
        options: dict[str, Any], out: Array,
    ) -> None:
        symbols = values[:1] if exponents else values
        rule = LocalDerivative(op, slot, len(symbols), exponents, options)
        if isinstance(rule.formula, float):
            factor = rule.formula
            if factor == 0.0 and op.selects:
                return
            if constant:
                self.contribute_constant(operand, g * self.dtype.type(factor))
            elif factor == 1.0:
                self.contribute(operand, out.shape, array=g)
            else:
                self.contribute(operand, out.shape, produce=lambda to: self.script.call(np.multiply, g, factor, to))
            return
        strong = strong_select if op.selects else strong_multiply

        def produce(to: Array) -> None:
            local = write_array(self.script, rule, out, symbols, self.script.scratch(out.shape, 10, self.dtype), 11)
            self.script.call(np.multiply, g, local, to, careful=strong)

        self.contribute(operand, out.shape, produce=produce)

    def pull_product(self, node: Any, op: Op, slot: int, operand: Any, g: Array, constant: bool, values: list[Any]) -> bool:
        """The pull-backs that are worth writing out; False for others."""
        call, script = self.script.call, self.script
        if op.name in ("matmul", "linear") and values[0].ndim == values[1].ndim == 2 and self.same_dtype(values):
            x, y = values[:2]
            turned = op.name == "linear"  # x @ yᵀ + b
            if slot == 2:
                self.contribute(operand, g.shape, array=g)
            elif slot == 0:
                right = y if turned else y.T
                self.contribute(operand, x.shape, produce=lambda to: call(np.dot, g, right, to))
            elif turned:
                self.contribute(operand, y.shape, produce=lambda to: call(np.dot, g.T, x, to))
            else:
                self.contribute(operand, y.shape, produce=lambda to: call(np.dot, x.T, g, to))
            return True
        if slot == 0 and id(node) in self.saved and constant:
            e, total, weight, t, fixed = self.saved[id(node)]
            targets, scale = t * g[..., None], weight * g
            ratio = np.zeros_like(total)
            rule = op.vjp[0]
            assert rule is not None

            def softmax_minus_targets(to: Array) -> None:
                if not fixed:
                    call(np.multiply, weight, g, scale)
                    call(np.multiply, t, g[..., None], targets)
                call(np.divide, scale, total, ratio)
                call(np.multiply, e, ratio[:, None], to)
                call(np.subtract, to, targets, to)
                script.careful(into, to, functools.partial(rule, ARRAYS, **(options_of(node))), g, self.values[id(node)], *values)

            self.contribute(operand, e.shape, produce=softmax_minus_targets)
            return True
        return False


def _pull_back(rule: Any, options: dict[str, Any], variadic: int | None, g: Array, out: Array, *values: Any) -> Any:
    """What a rule makes of the incoming gradient for one operand."""
    result = rule(ARRAYS, g, out, *values, **options)
    return result if variadic is None else result[variadic]


def compile_tensors(
    root: Tensor, parameters: Sequence[Tensor], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> tuple[Compiled, list[Array], list[Array]]:
    """A program that replays a tensor graph, the arrays of its inputs, and those of its outputs."""
    if root._value.size != 1:
        raise LiftError(f"lift: the root has shape {root._value.shape}, expected one number; take a sum or a mean first.")
    if root.op is None and not any(root is leaf for leaf in (*parameters, *inputs)):
        raise LiftError(
            "lift: the root is a constant, or a leaf that is listed nowhere, expected the result of an operation; was it computed under no_grad()?"
        )
    work = _TensorCompiler(root, parameters, inputs)
    script = work.script
    with np.errstate(all="ignore"):
        script.begin("forward")
        work.forward()
        script.begin("backward")
        work.backward()
    result = f"{script.name(work.values[id(root)].item)}()"
    calls = script.count("forward"), script.count("backward")
    compiled = Compiled(
        kind="tensor",
        theta=work.theta,
        inputs=np.zeros(0),
        gradient=work.gradient,
        forward=script.compile("forward", result=result),
        backward=script.compile("backward"),
        careful=script.compile("backward", careful=True),
        careful_forward=script.compile("forward", result=result, careful=True),
        lecture=work.lines,
        calls=calls,
        cost=CALL * sum(calls),
        details={"leaves": [work.name_of(leaf) for leaf in (*parameters, *inputs)]},
    )
    return compiled, [work.values[id(x)] for x in inputs], [work.values[id(x)] for x in outputs]
