"""The same graph, replayed one number at a time: what every lifted program is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autograd_core import Value
from autograd_core.algebra import NUMBERS
from autograd_core.lifting import Program
from autograd_core.lifting.tape import record, reference_adjoints

from .workloads import Graph


class Replay:
    """A recorded graph that can be evaluated again at other leaves, by the scalar kernels and rules of the table."""

    def __init__(self, loss: Value, parameters: Sequence[Value], inputs: Sequence[Value]) -> None:
        self.tape = record(loss, parameters, inputs)

    def __call__(self, theta: np.ndarray, inputs: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and the gradient with respect to the parameters."""
        tape = self.tape
        tape.values[: tape.live] = [*theta.tolist(), *inputs.ravel().tolist()]
        for i, op in enumerate(tape.ops):
            if op is not None:
                operands = [tape.values[p] for p in tape.operands[i]]
                tape.values[i] = float(getattr(NUMBERS, op.name)(*operands, **tape.options[i]))
        return tape.values[tape.root], np.array(reference_adjoints(tape)[: tape.parameters])

    @property
    def magnitude(self) -> float:
        """The largest number in the last replay: what rounding errors are relative to."""
        return max([1.0, *(abs(v) for v in self.tape.values if math.isfinite(v))])


def relative_error(actual: object, expected: object, scale: float = 1.0) -> float:
    """The largest difference, relative to the largest expected number (at least `scale`)."""
    a, b = np.asarray(actual, float), np.asarray(expected, float)
    if a.size == 0:
        return 0.0
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return math.inf
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return math.inf
    a, b = a[finite], b[finite]
    return float(np.abs(a - b).max(initial=0.0) / max(scale, np.abs(b).max(initial=0.0)))


_ROUNDING = 1e-12
"""Errors up to here need no excuse."""


def worst_error(program: Program, graph: Graph, steps: int, lr: float = 1e-3, *, same_path: bool = False) -> float:
    """Train both in lock-step, inputs changing too; the worst relative error of loss and gradient.

    With `same_path` both are evaluated at the same parameters in every step, and what the graph itself makes of a change in their
    last digits is allowed, so that a graph that amplifies rounding errors is not held against the program.
    """
    replay = Replay(*graph)
    theta, inputs = program.theta.data.copy(), program.inputs.copy()
    worst = 0.0
    for step in range(steps):
        expected_loss, expected = replay(theta, inputs)
        loss = program()
        program.backward()
        grad = program.theta.grad
        error = max(relative_error(loss, expected_loss), relative_error(grad, expected))
        if same_path and error > _ROUNDING:
            nearby_loss, nearby = replay(theta * (1.0 + 2.0**-50), inputs)
            error -= max(relative_error(nearby_loss, expected_loss), relative_error(nearby, expected))
        worst = max(worst, error)
        theta = theta - lr * expected
        if same_path:
            program.theta.data = theta.copy()
        elif step % 2:
            program.theta.data -= lr * np.asarray(grad)
        else:
            program.theta.data = program.theta.data - lr * np.asarray(grad)
        inputs = inputs * 0.99
        program.inputs[...] = inputs
    return worst
