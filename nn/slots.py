"""The slots of an optimiser: where data and gradients come from and new data go to, and what it keeps from step to step.

A tensor is a slot of its own. All `Value`s of a group share one, so that a scalar model costs one update and not one per number.
While a run is lifted, slots that stand for parts of the program's vector take their place (see `nn.lifted`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import as_numbers, truth
from autograd_core.errors import OperandError, ShapeError

__all__ = ["Array", "Slot", "State", "TensorSlot", "Update", "ValuesSlot", "advance_some", "counted_apart", "forget_gradients", "settle"]

Array = np.ndarray
State = dict[str, Array]
"""Running averages by name, each of the slot's shape, and under "step" the number of updates (of each `Value`, where they differ)."""
Update = Callable[[Array, Array, State, dict[str, Any]], None]
"""`update(data, gradient, state, group)` of an optimiser: writes the new data into `data`."""


def forget_gradients(parameters: Iterable[Any], to_none: bool, who: str) -> None:
    """Reset the gradients of parameters to their state before any pass; without `to_none`, set those that a pass has reached to 0."""
    if to_none is True or truth(to_none, who, "set_to_none"):
        for parameter in parameters:
            parameter.grad = parameter._UNREACHED
        return
    for parameter in parameters:
        if parameter._flowed:
            parameter.grad = np.zeros_like(parameter._value) if parameter.is_array else 0.0


def settle(parameter: Any, who: str) -> None:
    """Turn the gradient of a parameter, which may have been assigned by hand, into what a pass leaves: an array like the data, or a float.

    Raises:
        ShapeError: It has another shape.
        OperandError: It holds anything but real numbers.
    """
    gradient, shape = parameter.grad, np.shape(parameter._value)
    name = f"the .grad of {type(parameter).__name__}" + (f" {parameter.label!r}" if parameter.label else "")
    if np.shape(gradient) != shape or (parameter.is_array and not hasattr(gradient, "shape")):
        raise ShapeError(
            f"{who}: {name} of shape {shape} was set to {type(gradient).__name__} of shape {np.shape(gradient)}, "
            f"expected an array of shape {shape}; no parameter was changed."
        )
    numbers = as_numbers(gradient, who, name)
    if numbers.dtype == object:
        raise OperandError(f"{who}: {name} was set to an array of nodes, expected real numbers; no parameter was changed.")
    parameter.grad = np.array(numbers, parameter._value.dtype, subok=False) if parameter.is_array else float(numbers)


class Slot(Protocol):
    """What an optimiser asks of a slot."""

    state: State

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of data, gradient and running averages."""

    def check(self) -> None:
        """Refuse a gradient that is not of the shape of the data, before a step has changed anything."""

    def reached(self) -> bool:
        """Whether a gradient has flowed to some of it."""

    def advance(self, update: Update, group: dict[str, Any]) -> None:
        """Hand data, gradient and state to `update`, which writes into the data, and make the new data known.

        Where no gradient has flowed the slot is left alone, as in torch.
        """


class TensorSlot:
    """One tensor."""

    def __init__(self, parameter: Tensor) -> None:
        """No state yet; shape and dtype of a tensor never change."""
        self.parameter = parameter
        self.shape, self.dtype = parameter.shape, parameter.dtype
        self.state: State = {}

    def check(self) -> None:
        """Settle a gradient that was assigned by hand: it may have any shape, and would broadcast, or hold no numbers at all."""
        gradient = self.parameter.grad
        if gradient is not None and (gradient.__class__ is not Array or gradient.dtype is not self.dtype or gradient.shape != self.shape):
            settle(self.parameter, "step")

    def reached(self) -> bool:
        """Whether there is a gradient."""
        return self.parameter.grad is not None

    def advance(self, update: Update, group: dict[str, Any]) -> None:
        """The arrays themselves are handed out, not copies; graphs recorded before see another view of the same memory."""
        parameter = self.parameter
        gradient, data = parameter.grad, parameter._value
        if gradient is None:
            return
        if not data.flags.writeable:
            data = data.copy()
        update(data, gradient, self.state, group)
        parameter._value = data.view()


class ValuesSlot:
    """All `Value`s of a group, as one vector."""

    def __init__(self, parameters: list[Value]) -> None:
        """No state yet."""
        self.parameters = parameters
        self.state: State = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """(number of Values,)."""
        return (len(self.parameters),)

    def check(self) -> None:
        """Settle gradients that were assigned by hand: they may be anything."""
        for parameter in self.parameters:
            if parameter.grad.__class__ is not float and parameter.grad is not None:
                settle(parameter, "step")

    def reached(self) -> bool:
        """Whether one of them has a gradient."""
        return any(p._flowed for p in self.parameters)

    def advance(self, update: Update, group: dict[str, Any]) -> None:
        """Gather, update, and hand the new numbers out again; a Value that no gradient has reached is left alone."""
        parameters = self.parameters
        data = np.array([p.data for p in parameters])
        gradient = np.array([p.grad or 0.0 for p in parameters])
        unreached = [] if gradient.all() else [i for i in np.flatnonzero(gradient == 0.0).tolist() if not parameters[i]._flowed]
        if unreached or counted_apart(self.state):
            reached = np.full(len(data), True)
            reached[unreached] = False
            advance_some(update, data, gradient, self.state, group, reached)
            parameters, data = [p for p, moved in zip(parameters, reached, strict=True) if moved], data[reached]
        else:
            update(data, gradient, self.state, group)
        for parameter, number in zip(parameters, data.tolist(), strict=True):
            parameter.data = number


def counted_apart(state: State) -> bool:
    """Whether the numbers of a slot have been updated different numbers of times."""
    return "step" in state and state["step"].ndim > 0


def advance_some(update: Update, data: Array, gradient: Array, state: State, group: dict[str, Any], reached: Array) -> None:
    """Update the numbers of a vector that are `reached`: together those that have been updated equally often."""
    averages = [name for name in state if name not in ("step", "work")]
    counts = np.broadcast_to(state.get("step", 1 if averages else 0), data.shape)
    for count in np.unique(counts[reached]):
        at = np.flatnonzero(reached & (counts == count))
        part: State = {}                       # what a slot of these alone would have, nothing before the first update
        if count:
            part = {"step": np.array(count)} | {name: state[name][at] if state[name].shape == data.shape else state[name] for name in averages}
        moved = data[at]
        update(moved, gradient[at], part, group)
        data[at] = moved
        for name in part.keys() - {"step", "work"}:
            if part[name].shape == at.shape:
                state.setdefault(name, np.zeros_like(data))[at] = part[name]
            else:
                state[name] = part[name]
    state["step"] = counts + reached
