"""The slots of an optimiser: where it reads data and gradients, where it writes new data, and what it keeps from step to step.

A tensor is a slot of its own. All `Value`s of a group share one, so that a scalar model costs one update and not one per number.
While a run is lifted, slots that stand for parts of the program's vector take their place (see `nn.lifted`).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from autograd_core import Tensor, Value

__all__ = ["Slot", "State", "TensorSlot", "ValuesSlot"]

Array = np.ndarray
State = dict[str, Array]
"""Running averages by name, each of the slot's shape, and the number of updates."""


class Slot(Protocol):
    """What an optimiser asks of a slot."""

    state: State

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of data, gradient and running averages."""

    def read(self) -> tuple[Array, Array | None]:
        """(data, gradient); the gradient is None where none has flowed: such a slot is left alone, as in torch."""

    def write(self, data: Array) -> None:
        """Take the new data: the array that `read` gave, written into, or another one."""


class TensorSlot:
    """One tensor."""

    def __init__(self, parameter: Tensor) -> None:
        """No state yet."""
        self.parameter = parameter
        self.state: State = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the tensor."""
        return self.parameter.shape

    def read(self) -> tuple[Array, Array | None]:
        """The arrays themselves, not copies."""
        parameter = self.parameter
        return parameter._value, parameter.grad

    def write(self, data: Array) -> None:
        """Make the new data known to graphs recorded before: another array, or a new view of the same memory."""
        parameter = self.parameter
        if data is parameter._value:
            parameter._value = data.view()
        else:
            parameter.data = data


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

    def read(self) -> tuple[Array, Array | None]:
        """Data and gradients gathered; a Value's gradient is 0 where none has flowed."""
        return np.array([p.data for p in self.parameters]), np.array([p.grad or 0.0 for p in self.parameters])

    def write(self, data: Array) -> None:
        """Hand the new numbers out again."""
        for parameter, number in zip(self.parameters, data.tolist(), strict=True):
            parameter.data = number
