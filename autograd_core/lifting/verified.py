"""`lift`: a recorded graph becomes a program that replays it, compared with the graph before it is handed out.

Write the model as one would on paper, one number at a time; record the loss of a whole batch once; then let the machine
find the matrix products in it. The result computes the same loss and the same gradient as the graph it came from, at the
speed of code written for arrays by hand (see `program`).
"""

from __future__ import annotations

import dataclasses
import gc
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_core.errors import LiftError, OperandError
from autograd_core.gradients import gradients
from autograd_core.modes import tracing
from autograd_core.tensor import Tensor
from autograd_core.value import Value
from autograd_core.walk import walk

from .canonical import canonicalise
from .choose import WAYS, compilations
from .lecture import Line
from .program import Program, TensorProgram
from .tape import Tape, leaves_of, record, reference_adjoints
from .tensors import compile_tensors

__all__ = ["lift", "lift_with_origins"]

TOLERANCE = 1e-9
"""How far, relative to the largest number, a program may be from its graph: sums are added up in another order."""


def lift(root: Any, *, params: Any = None, inputs: Any = None, outputs: Any = None) -> Program:
    """Compile the scalar graph under `root` into a program that replays it at array speed.

    Args:
        root: A `Value`, usually the loss of a whole batch; or a `Tensor` of one element, whose graph is replayed call by call.
        params: The leaf Values, or Tensors, whose gradient is wanted; a frozen parameter among them keeps its numbers.
        inputs: The leaf Values that change from batch to batch, in lists or arrays of any nesting. Where only one of
            the two is given, the other is all the remaining leaves in the order of the graph; where none is given, every
            leaf is a parameter.
        outputs: In a graph of tensors, those whose numbers are wanted in addition to the loss, such as the predictions (`program.outputs`).

    Returns:
        A `Program`: `program()` → loss, `program.backward()`, `program.theta`, `program.inputs`, `program.write_back()`.

    Raises:
        LiftError: A transform is running; a leaf is listed twice, is the result of an operation, or is a constant from which something was
            computed that no node remembers; or the program failed its check: before it is handed out it is replayed once, and compared
            with the recorded loss and with one backward pass over the graph.

    What stays as it was recorded: plain numbers, what was taken out of the graph (`.data`, `detach`, `no_grad`), and the branches that
    Python took, among them the condition of a `where` that compared numbers, the interval of `np.interp`, and the elements that
    `np.nansum` and its relatives skip. `maximum`, `relu`, `clip` and `sort` choose afresh in every replay. Data that is to change must
    be a `Value` listed in `inputs`; an input that is a `Tensor` may have `requires_grad=False` only where every operation on it has a
    parameter, too.

    A sum may be added up in another order, so results agree to rounding (1e-15 or so), not to the last bit. Triangular (masked)
    products and sequences of unequal lengths run, in more and smaller pieces. A small graph becomes lines of plain Python, which are faster
    there; `lift_with_origins` of `autograd_core.lifting` shows its matrix products all the same, with kind="matrix".

    Example:
        >>> from autograd_core import Value, lift
        >>> w, b = Value(2.0), Value(0.5)
        >>> xs = [Value(float(i)) for i in range(4)]
        >>> loss = sum((w * x + b - 1.0) ** 2 for x in xs)
        >>> program = lift(loss, params=[w, b], inputs=xs)
        >>> program()
        45.0
        >>> program.backward()
        >>> program.theta.grad
        array([50., 20.])
        >>> program.inputs[:] = 0.0
        >>> program()
        1.0
    """
    _check_outside()
    if isinstance(root, Tensor):
        return _lift_tensors(root, params, inputs, outputs)
    if not isinstance(root, Value):
        raise OperandError(f"lift: received {type(root).__name__}, expected a Value or a Tensor (the root of a recorded graph).")
    if outputs is not None:
        raise OperandError("lift: received outputs= for a graph of Values, whose numbers become parts of arrays, expected it for Tensors only.")
    return _lift_values(root, params, inputs, None)[0]


def lift_with_origins(
    root: Value, *, params: Any = None, inputs: Any = None, kind: str | None = None
) -> tuple[Program, list[tuple[Line, tuple[Value, ...]]]]:
    """`lift`, together with the recorded nodes that each line of the lecture replaced: what a picture of a lift needs.

    A sum that was split into parts belongs to the line of each part. With `kind` ("matrix", "level batching" or "scalar
    source") the program is of that kind, even where another is faster: to see the matrix product in four samples.
    """
    if not isinstance(root, Value):
        rest = "; a program of Tensors has a call for each of them: print(lift(root)) lists those" if isinstance(root, Tensor) else ""
        raise OperandError(f"lift_with_origins: received {type(root).__name__}, expected a Value, the root of a recorded scalar graph{rest}.")
    if kind is not None and kind not in WAYS:
        raise LiftError(f"lift_with_origins: received kind={kind!r}, expected one of {', '.join(map(repr, WAYS))}.")
    _check_outside()
    nodes: dict[int, Value] = {}
    program, lines, owner = _lift_values(root, params, inputs, nodes, kind)
    members: dict[int, list[int]] = {}
    for position, kept in owner.items():
        members.setdefault(kept, []).append(position)
    origins = []
    for line in lines:
        positions = sorted({p for kept in line.nodes for p in (kept, *members.get(kept, ()))})
        origins.append((dataclasses.replace(line, nodes=()), tuple(nodes[p] for p in positions if p in nodes)))
    return program, origins


def _check_outside() -> None:
    """Refuse to run inside a transform: a program gives a plain number, of which the transform would see no dependence."""
    if tracing():
        raise LiftError(
            "lift: a transform (grad, jvp, …) is running its function, and the number that a program gives would leave the graph, its "
            "gradient lost without a word; lift outside of it."
        )


# --------------------------------------------------------------------------------------------- graphs of Values
def _flatten(name: str, leaves: Any) -> tuple[list[Value], tuple[int, ...]]:
    """The Values in nested lists or arrays, and their shape; ragged nesting gives a flat shape."""
    if isinstance(leaves, Value):
        return [leaves], ()
    if isinstance(leaves, np.ndarray):
        return list(leaves.ravel()), leaves.shape
    if isinstance(leaves, str | dict | Tensor) or not isinstance(leaves, Iterable):
        raise OperandError(f"lift: {name} holds {type(leaves).__name__}, expected Values, or lists of Values.")
    parts = [_flatten(name, part) for part in leaves]
    flat = [leaf for part, _ in parts for leaf in part]
    shapes = {shape for _, shape in parts}
    return flat, (len(parts), *shapes.pop()) if len(shapes) == 1 else (len(flat),)


def _lift_values(
    root: Value, params: Any, inputs: Any, nodes: dict[int, Value] | None, kind: str | None = None
) -> tuple[Program, list[Line], dict[int, int]]:
    """The program of a scalar graph, its lecture with positions on the tape, and who absorbed whom."""
    chosen, _ = _flatten("params", params) if params is not None else ([], ())
    given, shape = _flatten("inputs", inputs) if inputs is not None else ([], (0,))
    if params is None or inputs is None:
        listed = {id(leaf) for leaf in (*chosen, *given)}
        rest = [leaf for leaf in leaves_of(root) if id(leaf) not in listed]
        if params is None:
            chosen = rest
        else:
            given, shape = rest, (len(rest),)
    collecting = gc.isenabled()
    gc.disable()  # a hundred thousand small lists are made here, and none of them is garbage before the end
    try:
        return _compile(record(root, chosen, given, nodes=nodes), chosen, given, shape if given else (0,), kind)
    finally:
        if collecting:
            gc.enable()


def _compile(
    tape: Tape, parameters: list[Value], inputs: list[Value], shape: tuple[int, ...], kind: str | None
) -> tuple[Program, list[Line], dict[int, int]]:
    """The first compilation of a tape that reproduces it."""
    adjoints = reference_adjoints(tape)
    problem = ""
    graph = canonicalise(tape, shape)
    graph.labels = [leaf.label for leaf in (*parameters, *inputs)]
    for compiled in compilations(graph) if kind is None else [WAYS[kind](graph)]:
        lines = compiled.lecture
        program = Program(compiled, parameters, inputs, shape)
        program._store[:] = tape.values[: tape.parameters]
        program._inputs[...] = np.array(tape.values[tape.parameters : tape.live]).reshape(shape)
        problem = _agrees(program, tape, adjoints)
        if not problem:
            program._store[:] = [leaf._value for leaf in parameters]
            program._inputs[...] = np.array([leaf._value for leaf in inputs]).reshape(shape)
            program._loss = None
            program.theta.grad = None
            return program, lines, graph.owner
    raise LiftError(
        f"lift: the program does not reproduce its graph: {problem}. If the .data of a leaf was assigned between two uses of it, "
        "record the graph anew; else please report this graph."
    )


def _agrees(program: Program, tape: Tape, adjoints: list[float]) -> str:
    """Replay at the recorded point: an empty string, or how the program differs from the graph."""
    with np.errstate(all="ignore"):
        scale = max((abs(x) for x in tape.values if math.isfinite(x)), default=0.0)
        loss, expected = program(), tape.values[tape.root]
        if not np.isclose(loss, expected, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True):
            return f"the loss is {loss!r}, recorded was {expected!r}"
        program.backward()
        scale = max((abs(g) for g in adjoints if math.isfinite(g)), default=0.0)
        reference = np.array(adjoints[: tape.parameters])
        gradient = program._compiled.gradient
        close = np.isclose(gradient, reference, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True)
        if not close.all():
            worst = int(np.flatnonzero(~close)[0])
            return f"∂/∂params[{worst}] is {gradient[worst]!r}, the chain rule on the graph gives {reference[worst]!r}"
    return ""


# -------------------------------------------------------------------------------------------- graphs of Tensors
def _tensor_list(name: str, tensors: Any) -> list[Tensor]:
    flat = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for position, tensor in enumerate(flat):
        if not isinstance(tensor, Tensor):
            raise OperandError(f"lift: {name}[{position}] is {type(tensor).__name__}, expected a leaf Tensor.")
        if tensor.op is not None:
            raise LiftError(f"lift: {name}[{position}] is the result of {tensor.op.name!r}, expected a leaf.")
    return flat


def _check_recorded(root: Tensor, listed: dict[str, list[Tensor]]) -> None:
    """Refuse constants from which something was computed that no node remembers: a replay would keep it as it was.

    An operation on constants alone is not recorded: its result appears in the graph as a leaf that the user did not make.
    """
    constants = {f"{name}[{i}]": x for name, tensors in listed.items() for i, x in enumerate(tensors) if not x.requires_grad}
    if not constants:
        return
    leaves = [node for node in walk(root) if node.op is None]
    hint = "what is computed of constants alone is not recorded, so a replay would keep it; make {} with requires_grad=True, and record the graph anew"
    for name, x in constants.items():
        if not any(leaf is x for leaf in leaves):
            raise LiftError(f"lift: {name}, a constant, is not in the graph: {hint.format('it')}.")
    for leaf in leaves:
        if leaf._is_computed and not any(leaf is x for x in constants.values()):
            raise LiftError(
                f"lift: the graph holds a result of shape {np.shape(leaf._value)} of constants, and {', '.join(constants)} may be among them: "
                f"{hint.format('them')}."
            )


def _lift_tensors(root: Tensor, params: Any, inputs: Any, outputs: Any) -> Program:
    """`lift` for a graph of tensors."""
    given = [] if inputs is None else _tensor_list("inputs", inputs)
    if params is None:
        listed = {id(x) for x in given}
        leaves = [node for node in walk(root) if node.op is None and not node._is_constant and id(node) not in listed]
        chosen = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.requires_grad]
    else:
        chosen = [x for x in _tensor_list("params", params) if not x._is_frozen]
    if len({id(x) for x in (*chosen, *given)}) < len(chosen) + len(given):
        raise LiftError("lift: a Tensor is listed twice among params and inputs.")
    _check_recorded(root, {"params": chosen, "inputs": given})
    wanted = [] if outputs is None else [outputs] if isinstance(outputs, Tensor) else list(outputs)
    reached = {id(node) for node in walk(root)}
    for position, x in enumerate(wanted):
        if id(x) not in reached:
            raise LiftError(f"lift: outputs[{position}] ({type(x).__name__}) is not in the graph, expected a Tensor that the root was computed of.")
    compiled, arrays, results = compile_tensors(root, chosen, given, wanted)
    program = TensorProgram(compiled, chosen, arrays, results)
    if not _reproduces(program, root, chosen):
        raise LiftError("lift: the program does not reproduce its graph. Please report this graph.")
    program._loss = None
    program.theta.grad = None
    return program


def _reproduces(program: Program, root: Tensor, parameters: list[Tensor]) -> bool:
    """Whether a replay gives the recorded loss, and the gradient of a backward pass over the graph."""
    precise = all(node._value.dtype == np.float64 for node in walk(root) if node.is_array)
    tolerance = TOLERANCE if precise else 1e-3      # what is rounded to float32 on the way may be rounded elsewhere in a program
    expected = gradients([root], [np.ones_like(root._value)], parameters, graph=False)
    flat = [np.zeros(p._value.size) if g is None else np.ravel(g) for p, g in zip(parameters, expected, strict=True)]
    reference = np.concatenate([*flat, np.zeros(0)])
    loss = program()
    program.backward()
    scale = float(np.max(np.abs(reference), initial=0.0, where=np.isfinite(reference)))
    return bool(
        np.isclose(loss, root.item(), rtol=tolerance, atol=tolerance, equal_nan=True)
        and np.isclose(program._compiled.gradient, reference, rtol=tolerance, atol=tolerance * scale, equal_nan=True).all()
    )
