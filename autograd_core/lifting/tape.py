"""The tape: a recorded graph as parallel lists of integers.

A graph of nodes is good to read and slow to reason about. The first step of lifting therefore walks it once and
writes down, for every node in topological order, which operation made it and the *positions* of its operands. From
here on nothing looks at a node again, so the graph may be thrown away while its program lives on.

Three kinds of leaf are told apart, because they behave differently when the program is replayed:

- a **parameter** changes between replays, and its gradient is wanted;
- an **input** changes between replays (the next batch), and its gradient is not wanted;
- a **constant** is a plain number that stood in the recorded expression, and never changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_core.algebra import ARRAYS, NUMBERS
from autograd_core.errors import LiftError, OperandError
from autograd_core.op import Op
from autograd_core.sweeps import CONSTANT, OTHER, read_rules
from autograd_core.value import Value

__all__ = ["Tape", "leaves_of", "options_of", "record", "reference_adjoints"]

_NONE: dict[str, Any] = {}


def options_of(node: Any) -> dict[str, Any]:
    """The parameters of a node; what its kernel has put aside for its rule belongs to the recorded graph alone."""
    return {name: option for name, option in node._params.items() if name != "saved"} if node._params else _NONE


@dataclass(slots=True)
class Tape:
    """Every node of a graph in topological order: its operation, its operands' positions, its recorded value.

    Positions 0 … parameters-1 are the parameters, the next `inputs` positions are the inputs; `ops` is None there
    and at constants.
    """

    ops: list[Op | None] = field(default_factory=list)
    operands: list[tuple[int, ...]] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    parameters: int = 0
    inputs: int = 0
    root: int = 0

    def __len__(self) -> int:
        return len(self.ops)

    @property
    def live(self) -> int:
        """How many leaves can change: the positions below this one."""
        return self.parameters + self.inputs

    def add(self, op: Op | None, operands: tuple[int, ...], options: dict[str, Any], value: float) -> int:
        """Append one entry and return its position."""
        self.ops.append(op)
        self.operands.append(operands)
        self.options.append(options)
        self.values.append(value)
        return len(self.ops) - 1


def _walk(root: Value) -> Iterator[Value]:
    """The nodes of a graph, operands before results, leftmost operand first; iterative, so depth does not matter."""
    seen: set[int] = set()
    stack: list[Value] = [root]
    while stack:
        node = stack[-1]
        key = id(node)
        if key in seen:
            stack.pop()
            continue
        ready = True
        if node.op is not None:
            first, second = node._a, node._b
            if type(first) is tuple:
                for operand in reversed(first):
                    if operand is not None and id(operand) not in seen:
                        stack.append(operand)
                        ready = False
            else:
                if second is not None and id(second) not in seen:
                    stack.append(second)
                    ready = False
                if first is not None and id(first) not in seen:
                    stack.append(first)
                    ready = False
        if ready:
            stack.pop()
            seen.add(key)
            yield node


def leaves_of(root: Value) -> list[Value]:
    """The leaf nodes of a graph, in the order in which the walk meets them."""
    return [node for node in _walk(root) if node.op is None and not node._is_constant]


def _check_leaves(name: str, leaves: Iterable[Any], taken: dict[int, str]) -> None:
    for position, leaf in enumerate(leaves):
        if not isinstance(leaf, Value):
            raise OperandError(f"lift: {name}[{position}] is {type(leaf).__name__}, expected a leaf Value.")
        if leaf.op is not None:
            raise LiftError(
                f"lift: {name}[{position}] is the result of {leaf.op.name!r}, expected a leaf: list the Values that "
                "were created directly, not what was computed from them."
            )
        if id(leaf) in taken:
            raise LiftError(f"lift: {name}[{position}] is listed twice (already in {taken[id(leaf)]}).")
        taken[id(leaf)] = name


def record(
    root: Value, parameters: Sequence[Value], inputs: Sequence[Value], *, nodes: dict[int, Value] | None = None
) -> Tape:
    """Write the graph under `root` as a tape. Leaves that are listed nowhere become constants.

    The node at each position is noted in `nodes`, if that is given.

    The value of a leaf is the one that the graph *recorded*, should its `.data` have been assigned since.
    """
    taken: dict[int, str] = {}
    _check_leaves("params", parameters, taken)
    _check_leaves("inputs", inputs, taken)
    tape = Tape(parameters=len(parameters), inputs=len(inputs))
    index: dict[int, int] = {}
    for leaf in (*parameters, *inputs):
        index[id(leaf)] = tape.add(None, (), _NONE, leaf._value)
    place_of, values = index.get, tape.values
    ops, operands, options = tape.ops, tape.operands, tape.options

    def leaf_place(node: Value | None, value: float) -> int:
        """The position of a plain number, which is a new one, or of a leaf, whose recorded value is noted."""
        place = None if node is None else place_of(id(node))
        if place is None:
            place = tape.add(None, (), _NONE, float(value))
            if node is not None:
                index[id(node)] = place
        values[place] = value
        return place

    stack = [root]
    while stack:
        node = stack[-1]
        if id(node) in index:
            stack.pop()
            continue
        if node.op is None:                    # only a root can be: other leaves are placed by what uses them
            leaf_place(node, node._value)
            continue
        first = node._a
        if type(first) is tuple:
            waiting = [n for n in first if n is not None and n.op is not None and id(n) not in index]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            places = tuple(
                [leaf_place(n, x) if n is None or n.op is None else index[id(n)] for n, x in zip(first, node._x, strict=True)]
            )
            options.append(options_of(node))
        else:
            # One or two operands, the usual case, written out: −1 is a leaf to be placed now, None a result to wait for.
            value, second = node._y, node._b
            left = place_of(id(first)) if first is not None and first.op is not None else -1
            right = place_of(id(second)) if second is not None and second.op is not None else -1
            if right is None or left is None:
                if right is None:
                    stack.append(second)
                if left is None:
                    stack.append(first)
                continue
            if left < 0:
                left = leaf_place(first, node._x)
            if value is None:
                places = (left,)
            elif right < 0:
                places = (left, leaf_place(second, value))
            else:
                places = (left, right)
            options.append(_NONE)
        place = index[id(node)] = len(ops)
        ops.append(node.op)
        operands.append(places)
        values.append(node._value)
        stack.pop()
        if nodes is not None:
            nodes[place] = node
    tape.root = index[id(root)]
    return tape


def _local(op: Op, slot: int, out: float, values: tuple[float, ...], options: dict[str, Any]) -> float:
    rule = op.d[0] if op.variadic else op.d[slot]
    if rule is None:
        return 0.0
    try:
        local = rule(NUMBERS, out, *values, **options)
    except (ArithmeticError, ValueError, TypeError):
        with np.errstate(all="ignore"):
            local = rule(ARRAYS, np.float64(out), *map(np.float64, values), **options)
    return float(local[slot] if op.variadic else local)


def reference_adjoints(tape: Tape) -> list[float]:
    """The adjoint of every position by the plain chain rule, one number at a time: what a program is checked against."""
    read_rules()
    all_values = tape.values
    for careful in (False, True):
        adjoint = [0.0] * len(tape)
        adjoint[tape.root] = 1.0
        for node in range(len(tape) - 1, -1, -1):
            op, g = tape.ops[node], adjoint[node]
            if op is None or g == 0.0:
                continue
            operands = tape.operands[node]
            if op.reading == OTHER:            # a product: the partial is the other factor
                x, y = operands
                adjoint[x] += g * all_values[y]
                adjoint[y] += g * all_values[x]
                continue
            values = tuple([all_values[p] for p in operands])
            if op.reading == CONSTANT:
                locals_: Iterable[float] = op.constants
            elif op.variadic:
                locals_ = map(float, op.d[0](NUMBERS, all_values[node], *values, **tape.options[node]))  # type: ignore[misc]
            else:
                locals_ = [_local(op, slot, all_values[node], values, tape.options[node]) for slot in range(len(operands))]
            for position, local in zip(operands, locals_, strict=True):
                if not (careful and op.selects and local == 0.0):
                    adjoint[position] += g * local
        if not any(math.isnan(g) for g in adjoint[: tape.live]):
            break
    return adjoint
