"""Programs: what `lift` makes of a recorded graph.

    program = lift(loss, params=model.parameters(), inputs=leaves)
    optimiser = SGD([program.theta], lr=0.1)
    for batch in batches:
        program.inputs[:] = batch
        loss = program()
        program.backward()
        optimiser.step()
    program.write_back()

Called, a program gives the loss; `backward()` then gives its gradient, in one flat array.
"""

from __future__ import annotations

import contextvars
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_core.arguments import as_numbers
from autograd_core.errors import LiftError, ShapeError
from autograd_core.modes import tracing
from autograd_core.node import Node
from autograd_core.tensor import Tensor
from autograd_core.value import Value

from .compiled import Compiled
from .lecture import Line, format_lines
from .script import Array
from .statements import Statement, format_statements

__all__ = ["Program", "TensorProgram"]


class Program:
    """A recorded scalar graph, compiled: call it for the loss, then `backward()` for the gradient.

    Attributes:
        theta: All parameters in one flat `Tensor`, in the order given. Optimisers take it; its `.data` may be changed in
            place or assigned, and `program.theta -= step` works, too.
        inputs: The inputs as an array of the shape in which they were given. Write the next batch into it.
        kind: "matrix", "level batching" or "scalar source".
        lines: The program as a lecture, a `Line` (name, expression, shape, replaced) a step; `print(program)` shows it.
        calls: How many NumPy calls (or lines of source) the forward and the backward pass take.

    The program does not hold the graph, only its leaves. What depended on Python when the graph was recorded stays as it
    was: branches that were taken, loops that were unrolled, plain numbers. A program belongs to one thread at a time; two
    programs run in two threads without locking. Changing `theta.data` in place between a call and `backward()` gives
    the gradient at neither point.

    Example:
        >>> from autograd_core import lift
        >>> w, x = [Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]
        >>> program = lift(w[0] * x[0] + w[1] * x[1], params=w, inputs=x)
        >>> program.backward()
        >>> program(), program.theta.grad
        (11.0, array([3., 4.]))
    """

    def __init__(self, compiled: Compiled, parameters: Sequence[Value], inputs: Sequence[Value], shape: tuple[int, ...]) -> None:
        """Wrap a compiled graph; use `lift` to make one."""
        self._compiled = compiled
        self._parameters = tuple(parameters)
        self._leaves = tuple(inputs)
        self._store = compiled.theta
        self._inputs = compiled.inputs if compiled.inputs.shape == shape else compiled.inputs.reshape(shape)
        self._seen: bytes | None = None
        self._loss: float | None = None
        self._context = contextvars.Context()  # in which NumPy's warnings are off: entering it is cheaper than errstate
        self._context.run(np.seterr, all="ignore")
        self._forward, self._backward, self._prelude = compiled.forward, compiled.backward, compiled.prelude
        self._theta = Tensor(self._store)
        self._theta._value = self._store
        self.kind = compiled.kind
        self.lines: tuple[Line, ...] = tuple(dataclasses.replace(line, nodes=()) for line in compiled.lecture)
        compiled.lecture = []  # which would keep a list of every node alive
        self.calls = compiled.calls

    @property
    def theta(self) -> Tensor:
        """The parameters: always the same tensor, so that optimisers can hold it; numbers that are assigned are written into it."""
        return self._theta

    @theta.setter
    def theta(self, numbers: Any) -> None:
        if numbers is not self._theta:         # what `program.theta -= step` under no_grad() has written into already
            plain = _plain(numbers, "theta")
            if plain.shape != self._store.shape:
                raise ShapeError(f"program.theta: received shape {plain.shape}, expected {self._store.shape}, a number for each parameter.")
            np.copyto(self._store, plain, casting="unsafe")
            self._theta._value = self._store

    @property
    def inputs(self) -> Array:
        """The inputs, writable."""
        return self._inputs

    @inputs.setter
    def inputs(self, batch: Any) -> None:
        batch = _plain(batch, "inputs")
        if batch.shape != self._inputs.shape:
            raise ShapeError(
                f"program.inputs: received shape {batch.shape}, expected {self._inputs.shape}; a batch of another "
                "shape needs a program of its own (record it and call lift again)."
            )
        self._inputs[...] = batch

    def __reduce__(self) -> Any:
        """Refuse to be pickled or copied: the calls are bound to the buffers of this process, and theta to the leaves."""
        raise LiftError(
            "Program: received a program to pickle or copy, whose calls are bound to the memory that they work in; call write_back() and pickle "
            "the parameters, or the graph, and lift it again there."
        )

    def _load(self) -> None:
        """Take over parameters that were assigned, and run the prelude where the inputs have changed."""
        data = self._theta._value
        if data is not self._store:
            if _same_memory(data, self._store):  # `theta.data -= step` leaves a new view of the same memory
                self._theta._value = self._store
            else:
                np.copyto(self._store, data)
        if self._prelude is not None:
            now = self._inputs.tobytes()
            if now != self._seen:
                self._context.run(self._prelude)
                self._seen = now

    def __call__(self) -> float:
        """Replay the forward pass with the present parameters and inputs; the loss."""
        self._load()
        loss = self._context.run(self._forward)
        if self._compiled.careful_forward is not None and not math.isfinite(loss):
            loss = self._context.run(self._compiled.careful_forward)
        self._loss = loss
        return loss

    def backward(self) -> None:
        """Fill `theta.grad` with the gradient of the last call's loss; without a call, of a first one.

        It is the same array every time, written anew: nothing accumulates, and what is to be kept must be copied
        (`kept = program.theta.grad.copy()`).

        Example:
            >>> from autograd_core import lift
            >>> x = Value(3.0)
            >>> program = lift(x * x)
            >>> program.backward()
            >>> gradient = program.theta.grad
            >>> program.theta.data[:] = 5.0
            >>> loss = program()
            >>> program.backward()
            >>> gradient, gradient is program.theta.grad
            (array([10.]), True)
        """
        if self._loss is None:
            self()
        gradient = self._compiled.gradient
        self._context.run(self._backward)
        norm = self._context.run(gradient.dot, gradient)
        if not (math.isfinite(norm) and math.isfinite(self._loss or 0.0)):
            self._context.run(self._compiled.careful)
        self._theta.grad = gradient

    def write_back(self) -> None:
        """Copy data and gradients to the Values that were lifted."""
        for leaf, x in zip(self._parameters, self.theta._value.tolist(), strict=True):
            leaf.data = x
        if self.theta.grad is not None:
            for leaf, g in zip(self._parameters, self.theta.grad.tolist(), strict=True):
                leaf.grad = g
        for leaf, x in zip(self._leaves, self._inputs.ravel().tolist(), strict=True):
            leaf.data = x

    def statements(self, section: str = "backward") -> list[Statement]:
        """What the calls of the "forward" or "backward" pass compute, read back from the calls themselves.

        Empty for programs that have no listing: level batching, long scalar source, and graphs of tensors.
        """
        if not isinstance(section, str) or section not in ("forward", "backward"):
            raise LiftError(f"statements: received {section!r}, expected 'forward' or 'backward'.")
        listing = self._compiled.listing
        return [] if listing is None else listing.statements(section)

    def leaf_names(self) -> list[str]:
        """The name that each parameter, then each input, or the array that it is in, has in the lines; "" where it has none."""
        listing = self._compiled.listing
        return [""] * (self._store.size + self._inputs.size) if listing is None else listing.leaf_names()

    def __str__(self) -> str:
        """The program, a line a step: the forward pass and what it replaced, then the backward pass."""
        forward, backward = self.calls
        unit = "lines" if self.kind == "scalar source" else "calls"
        head = f"# {self.kind}: {forward} {unit} forward, {backward} backward"
        if self.kind == "scalar source" and len(self.lines) < forward:
            head += "\n# lines that compute alike are told as one; p is any parameter, x any input, v any result, c any number"
        text = [head, *format_lines(list(self.lines))]
        if any("[j], j]" in line.expression for line in self.lines):
            text.insert(1, "# H[k[j], j] is one entry of each column j: that of row k[j]")
        statements = self.statements()
        return "\n".join([*text, "# backward", *format_statements(statements)] if statements else text)

    def __repr__(self) -> str:
        """Kind and size in a line."""
        return f"<Program: {self.kind}, {self._store.size} parameters, {self._inputs.size} inputs>"


def _plain(numbers: Any, name: str) -> Array:
    """The numbers of a batch, or of parameters; inside a transform a differentiable node is refused, whose gradient would be lost."""
    if tracing() and isinstance(numbers, Node) and numbers.requires_grad:
        raise LiftError(
            f"program.{name}: received a differentiable {type(numbers).__name__} inside a transform, expected plain numbers: a program gives no "
            "gradient by it."
        )
    return as_numbers(numbers, "program", name)


def _same_memory(one: Array, other: Array) -> bool:
    base = one if one.base is None else one.base
    return (base is other or base is other.base) and one.__array_interface__["data"] == other.__array_interface__["data"]


class TensorProgram(Program):
    """A recorded graph of tensors, compiled; used as a `Program` is.

    Attributes:
        theta: All parameters in one flat `Tensor`, each in the order of its elements.
        inputs: The array of the one input, or a list of arrays where several were listed.

    Example:
        >>> from autograd_core import lift
        >>> w, x = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
        >>> prediction = w * x
        >>> program = lift((prediction**2).sum(), params=w, inputs=x, outputs=prediction)
        >>> program.inputs[:] = 1.0
        >>> program(), program.outputs
        (5.0, array([1., 2.]))
    """

    def __init__(self, compiled: Compiled, parameters: Sequence[Tensor], arrays: list[Array], results: list[Array]) -> None:
        """Wrap a compiled graph; use `lift` to make one."""
        super().__init__(compiled, (), (), (0,))
        self._tensors = tuple(parameters)
        self._arrays = arrays
        self._results = [array.view() for array in results]
        for array in self._results:
            array.flags.writeable = False

    @property
    def outputs(self) -> Any:
        """The array of the one output that was asked for, or a list of arrays where several were; rewritten by every call, and read-only."""
        return self._results[0] if len(self._results) == 1 else self._results

    @property
    def inputs(self) -> Any:
        """The inputs, writable."""
        return self._arrays[0] if len(self._arrays) == 1 else self._arrays

    @inputs.setter
    def inputs(self, batch: Any) -> None:
        batches = [batch] if len(self._arrays) == 1 else list(batch)
        if len(batches) != len(self._arrays):
            raise ShapeError(f"program.inputs: received {len(batches)} arrays, expected {len(self._arrays)}, one for each input.")
        batches = [_plain(new, "inputs") for new in batches]
        for array, new in zip(self._arrays, batches, strict=True):
            if new.shape != array.shape:
                raise ShapeError(f"program.inputs: received shape {new.shape}, expected {array.shape}.")
        for array, new in zip(self._arrays, batches, strict=True):
            array[...] = new

    def leaf_names(self) -> list[str]:
        """The name that each parameter, then each input, has in the lines."""
        return list(self._compiled.details["leaves"])

    def write_back(self) -> None:
        """Copy data and gradients to the Tensors that were lifted."""
        start = 0
        for tensor in self._tensors:
            cells, shape = slice(start, start + tensor._value.size), tensor._value.shape
            tensor.data = self.theta._value[cells].reshape(shape).copy()
            if self.theta.grad is not None:
                tensor.grad = self.theta.grad[cells].reshape(shape).copy()
            start = cells.stop
