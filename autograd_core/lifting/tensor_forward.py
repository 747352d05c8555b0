"""Programs for graphs of `Tensor`s, the forward pass: a buffer and a call for every node.

Operations whose kernel is a ufunc or a matrix product write into their buffers; `linear` and `cross_entropy` are written out in such
calls; for any other entry of the table the kernel is called as it is, so every graph replays. Reshapes and transposes turn out to be
views of a buffer and vanish.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core.errors import DTypeError, OperandError
from autograd_core.op import Op
from autograd_core.tensor import Tensor
from autograd_core.walk import operands, walk

from .lecture import Line
from .rules import kernel_call
from .script import Array, Script
from .tape import options_of

__all__ = ["TensorForward", "given", "into", "plain_exponent"]

_SPEAKING, _TAKEN = re.compile(r"[^\W\d]\w{0,30}"), re.compile(r"t\d+|c\d*|loss|nan|inf")
"""Labels that can stand in a line as a name; names that mean something else there."""


def plain_exponent(node: Any, values: list[Any]) -> tuple[float, ...]:
    """The exponent of a power that is a plain number, of which some have functions of their own; else nothing."""
    plain = node.op.name == "power" and np.ndim(values[1]) == 0 and given(node)[1][0] is None
    return (float(values[1]),) if plain else ()


class TensorForward:
    """Writes the forward pass; remembers the buffer of every node, and which nodes a gradient is wanted for."""

    def __init__(self, root: Tensor, parameters: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
        """The flat arrays of parameters and their gradient, and the places of each in them."""
        kinds = {p._value.dtype for p in parameters} or {root._value.dtype}
        if len(kinds) > 1:
            raise DTypeError(f"lift: params have dtypes {sorted(map(str, kinds))}, expected one dtype for the flat theta.")
        self.dtype = kinds.pop()
        self.root, self.parameters = root, parameters
        self.script = Script(self.dtype)
        self.order = walk(root)
        size = sum(p._value.size for p in parameters)
        self.theta, self.gradient = np.zeros(size, self.dtype), np.zeros(size, self.dtype)
        self.values: dict[int, Any] = {}
        self.slices: dict[int, Array] = {}
        self.need: set[int] = set()
        self.uses: dict[int, int] = {}
        self.saved: dict[int, tuple[Array, Array, Array, Array, bool]] = {}
        start = 0
        for p in parameters:
            stop = start + p._value.size
            self.values[id(p)] = self.theta[start:stop].reshape(p._value.shape)
            self.values[id(p)][...] = p._value
            self.slices[id(p)] = self.gradient[start:stop].reshape(p._value.shape)
            self.need.add(id(p))
            start = stop
        for x in inputs:
            self.values[id(x)] = x._value.copy()
        self.lines: list[Line] = []
        self.names: dict[int, str] = {}

    def operand_values(self, node: Any) -> list[Any]:
        """The buffers that hold a node's operands; plain numbers and arrays are copied once."""
        result = []
        for slot, (operand, value) in enumerate(given(node)):
            if operand is None or id(operand) not in self.values:
                key = (id(node), slot) if operand is None else id(operand)
                if key not in self.values:
                    self.values[key] = np.array(value)  # type: ignore[index]
                result.append(self.values[key])  # type: ignore[index]
            else:
                result.append(self.values[id(operand)])
        return result

    def forward(self) -> None:
        """A call for every node that is not a view of another."""
        for node in self.order:
            if not isinstance(node, Tensor) and not node._is_constant:
                raise OperandError("lift: the graph under this Tensor holds Values, expected Tensors only.")
            if node.op is None:
                continue
            for operand, _ in given(node):
                if operand is not None:
                    self.uses[id(operand)] = self.uses.get(id(operand), 0) + 1
                    if id(operand) in self.need:
                        self.need.add(id(node))
            values, options = self.operand_values(node), options_of(node)
            result = node.op.array(*values, **options)
            if isinstance(result, np.ndarray) and any(
                isinstance(x, np.ndarray) and np.may_share_memory(result, x) for x in values
            ):
                self.values[id(node)] = result  # a view needs no call
                self.tell(node, values, 0)
            else:
                self.values[id(node)] = out = np.array(result)
                count = self.script.count("forward")
                self.write_forward(node, node.op, values, options, out)
                self.tell(node, values, self.script.count("forward") - count)

    def write_forward(self, node: Any, op: Op, values: list[Any], options: dict[str, Any], out: Array) -> None:
        """The call (or the few) that computes one node into its buffer."""
        call = self.script.call
        if op.elementwise and not op.variadic:
            exponent = plain_exponent(node, values)
            kernel_call(self.script, op, values[:1] if exponent else values, exponent, options, out)
        elif op.name == "matmul" and values[0].ndim == values[1].ndim == 2 and self.same_dtype(values):
            call(np.dot, *values, out)
        elif op.name == "linear" and values[0].ndim == 2 and self.same_dtype(values):
            x, weight, bias = values
            call(np.dot, x, weight.T, out)
            call(np.add, out, bias, out)
        elif op.name in ("sum", "mean") and options.get("axis") is None and out.ndim == 0 and values[0].flags.c_contiguous:
            n = values[0].size
            weights = self.script.full((n,), 1.0 if op.name == "sum" else 1.0 / n)
            call(np.dot, values[0].reshape(-1), weights, out)
        elif (
            op.name in ("cross_entropy", "cross_entropy_of_classes")
            and values[0].ndim == 2
            and self.same_dtype(values)
            and values[-1].shape == values[0].shape
        ):
            self.cross_entropy(node, op, values, options, out)
        else:
            self.call_kernel(op, values, options, out)

    def same_dtype(self, values: list[Any]) -> bool:
        """Whether all are of the dtype of the program, so that their product is too."""
        return all(x.dtype == self.dtype for x in values)

    def call_kernel(self, op: Op, values: list[Any], options: dict[str, Any], out: Array) -> None:
        """The entry's own kernel, and a copy of what it gives."""
        kernel = functools.partial(op.array, **options) if options else op.array
        names = ", ".join(f"{{{i + 2}}}" for i in range(len(values)))
        self.script.text(f"{{0}}[...] = {{1}}({names})", out, kernel, *values)

    def cross_entropy(self, node: Any, op: Op, values: list[Any], options: dict[str, Any], out: Array) -> None:
        """Σt·ln Σexp(z) − Σ t·z of scores shifted by their maximum; the entry's own kernel where that is not finite."""
        script, z = self.script, values[0]
        call, (n, k) = script.call, z.shape
        mean = op.name == "cross_entropy_of_classes"
        if mean:
            t = np.zeros_like(z)
            t[np.arange(n), options["labels"]] = 1.0 / n
        else:
            t = values[1]
        fixed = mean or given(node)[1][0] is None     # targets that are an input, or computed, change from call to call
        top, shifted, e = np.zeros((n, 1), self.dtype), np.zeros_like(z), np.zeros_like(z)
        total, logs, mixed = (np.zeros(n, self.dtype) for _ in range(3))
        ones, weight = script.full((k,), 1.0), t.sum(1)
        if not fixed:
            call(np.dot, t, ones, weight)
        script.text("{0}({1}, 1, None, {2}, True)", np.maximum.reduce, z, top)
        call(np.subtract, z, top, shifted)
        call(np.exp, shifted, e)
        call(np.dot, e, ones, total)
        call(np.log, total, logs)
        if mean:
            script.text("{0}[()] = {1}.dot({2}) - {3}.dot({4})", out, logs, weight, shifted.reshape(-1), t.reshape(-1))
        else:
            if not fixed or not (weight == 1.0).all():
                call(np.multiply, logs, weight, logs)
            products = script.scratch((n, k), 1, self.dtype)
            call(np.multiply, t, shifted, products)
            call(np.dot, products, ones, mixed)
            call(np.subtract, logs, mixed, out)
        script.careful(into, out, functools.partial(op.array, **options), *values)
        self.saved[id(node)] = e, total, weight, t, fixed

    def tell(self, node: Any, values: list[Any], calls: int) -> None:
        """A line of the lecture."""
        words = [
            f"{float(value):.4g}" if operand is None and np.ndim(value) == 0 else self.name_of(recorded if operand is None else operand)
            for (operand, recorded), value in zip(given(node), values, strict=True)
        ]
        told = f"{node.op.name}({', '.join(words)})"
        if calls:
            name = "loss" if node is self.root else f"t{len(self.lines) + 1}"
            self.lines.append(Line(name, told, self.values[id(node)].shape, 1))
            self.names[id(node)] = name
        else:
            self.names[id(node)] = told        # a view of something, which has no line of its own

    def name_of(self, given: Any) -> str:
        """The name of a result, a leaf or the array of a constant in the lecture; no two have the same."""
        if id(given) not in self.names:
            label = str(getattr(given, "label", "")).rsplit(".", 1)[-1]
            spoken = _SPEAKING.fullmatch(label) is not None and _TAKEN.fullmatch(label) is None
            first = label if spoken else "c" if isinstance(given, np.ndarray) else "θ" if id(given) in self.slices else "x"
            name, used = first, set(self.names.values())
            for n in itertools.count(2):
                if name not in used:
                    break
                name = f"{first}{n}"
            self.names[id(given)] = name
        return self.names[id(given)]


def given(node: Any) -> list[tuple[Any, Any]]:
    """The operands in order: (the node, or None for a constant, even if `parents` has made a leaf of it; its data when recorded)."""
    return [(None if operand is None or operand._is_constant else operand, value) for operand, value in operands(node)]


def into(out: Array, function: Callable[..., Any], *arguments: Any) -> None:
    """Copy what a function returns into a buffer."""
    out[...] = function(*arguments)
