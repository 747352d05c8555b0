"""`Optimizer`: what all optimisers have in common: groups of parameters with settings of their own, steps, and state."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import as_numbers, checked, shown
from autograd_core.errors import OperandError, ShapeError, StructureError
from autograd_core.warn import warned

from .elsewhere import OF_OPTIMIZERS, Answers
from .slots import Array, Slot, State, TensorSlot, Update, ValuesSlot, forget_gradients

__all__ = ["Optimizer", "bounded"]


def bounded(name: str, value: Any, low: float = 0.0, high: float = math.inf) -> Any:
    """A hyper-parameter, checked."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and -(2**63) <= int(value) < 2**63
    if not (whole or isinstance(value, (float, np.floating))) or not low <= value <= high:
        bounds = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
        raise OperandError(f"{name}: received {shown(value)}, expected a number {bounds}.")
    return value


def _slots_in(group: Any) -> int:
    """How many slots the saved state of a group has; −1 where it is not a list of dictionaries."""
    return len(group) if isinstance(group, list) and all(isinstance(slot, dict) for slot in group) else -1


class Optimizer(Answers):
    """The base: groups of parameters, each with its own hyper-parameters.

    Args:
        params: Parameters (`model.parameters()`), or dictionaries `{"params": …, "lr": …}` with settings of their
            own, of several parameters or of one.

    Attributes:
        param_groups: One dictionary of settings per group; schedules write `"lr"` there.
        steps: The number of steps taken.
        initial_lrs: The rates from before the first schedule, which are the base of all of them; empty where there is none.

    Raises:
        OperandError: no parameters, or what cannot be trained; a parameter that is given twice; a setting out of bounds.

    Example:
        >>> from nn import SGD
        >>> w, b = Value(1.0, label="w"), Value(1.0, label="b")
        >>> optimizer = SGD([{"params": [w], "lr": 0.5}, {"params": [b]}], lr=0.1)
        >>> (w + b).backward()
        >>> optimizer.step()
        >>> w.data, b.data
        (0.5, 0.9)
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"lr": (0.0, math.inf), "weight_decay": (0.0, math.inf)}

    @checked
    def __init__(self, params: Any, **settings: Any) -> None:
        """Check parameters and settings; no parameter is changed."""
        who = type(self).__name__
        if isinstance(params, (Value, Tensor, np.ndarray, str, bytes)) or hasattr(params, "parameters") or not isinstance(params, Iterable):
            raise OperandError(f"{who}: received {type(params).__name__}, expected a list of parameters such as model.parameters().")
        given = list(params)
        groups = [dict(g) for g in given] if given and isinstance(given[0], dict) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        self._slots: list[list[Slot]] = []
        self.steps = 0
        self.initial_lrs: list[float] = []
        for group in groups:
            members = group.pop("params", [])
            members = [members] if isinstance(members, (Value, Tensor)) or not isinstance(members, Iterable) else list(members)
            unknown = set(group) - set(settings)
            if unknown:
                raise OperandError(f"{who}: received the settings {sorted(unknown)}, expected some of {sorted(settings)}.")
            merged = {**settings, **group}
            self._check_members(members)
            self.check(merged)
            values = [p for p in members if isinstance(p, Value)]
            tensors: list[Slot] = [TensorSlot(p) for p in members if isinstance(p, Tensor)]
            self._slots.append(tensors + ([ValuesSlot(values)] if values else []))
            self.param_groups.append({"params": members, **merged})

    def _check_members(self, members: list[Any]) -> None:
        """Raise at what cannot be trained, and at a parameter that this group, or one before it, has already."""
        who = type(self).__name__
        if not members:
            raise OperandError(f"{who}: received no parameters, expected at least one; a parameter is a Value or a Tensor in an attribute of a module.")
        seen = {id(p) for p in self.parameters}
        for p in members:
            if not isinstance(p, (Value, Tensor)) or p.op is not None or not (p.requires_grad or p._is_frozen):
                made = getattr(p, "op", None)
                what = type(p).__name__ if made is None else f"the result of an operation ({made.name})"
                hint = "; parameters() has them without their names" if isinstance(p, tuple) else ""
                raise OperandError(f"{who}: received {what}, expected parameters: leaf Values, or Tensors with requires_grad{hint}.")
            if id(p) in seen:
                raise OperandError(f"{who}: the same parameter {p.label or ''!r} was given twice.")
            seen.add(id(p))

    @checked
    def check(self, settings: dict[str, Any]) -> None:
        """Raise at a setting out of bounds."""
        for name, (low, high) in {**Optimizer.bounds, **self.bounds}.items():
            if name in settings:
                bounded(f"{type(self).__name__}: {name}", settings[name], low, high)

    @property
    def lr(self) -> float:
        """The learning rate of the first group; assigning sets that of all groups, from which schedules that are made afterwards start."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, lr: float) -> None:
        bounded(f"{type(self).__name__}: lr", lr)
        for group in self.param_groups:
            group["lr"] = lr
        self.initial_lrs = []

    @property
    def parameters(self) -> list[Any]:
        """The parameters of all groups."""
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: a step leaves one alone that none reaches afterwards.

        With `set_to_none` False gradients become 0, and momentum and weight decay move such a parameter on.
        """
        for group in self.param_groups:
            forget_gradients(group["params"], set_to_none, "zero_grad")

    @np.errstate(all="ignore")
    def step(self) -> None:
        """Update every parameter that has a gradient; no parameter is changed where the shape of a gradient is not that of its parameter."""
        for slots in self._slots:
            for slot in slots:
                slot.check()
        self.steps += 1
        if self.steps == 1 and not any(slot.reached() for slots in self._slots for slot in slots):
            warned(
                f"{type(self).__name__}.step: no parameter has a gradient, so nothing is learnt; call loss.backward() before it, of a loss that was "
                "computed from these very parameters."
            )
        for group, slots in zip(self.param_groups, self._slots, strict=True):
            update = self._rule(group)
            for slot in slots:
                slot.advance(update, group)

    def _rule(self, group: dict[str, Any]) -> Update:
        """What is done to each slot of a group: `update`, or a shorter way to the same where the settings allow it."""
        return self._ascend if group.get("maximize") else self.update

    def _ascend(self, data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
        """The update towards larger values."""
        self.update(data, -gradient, state, group)

    def update(self, data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
        """Write the new data into `data`; the gradient must not be written into. Subclasses define it."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Settings and running averages, as plain numbers and arrays: {"steps", "groups", "state"}."""
        return {
            "steps": self.steps,
            "groups": [{k: v for k, v in group.items() if k != "params"} for group in self.param_groups],
            "state": [[{k: np.array(v) for k, v in slot.state.items() if k != "work"} for slot in slots] for slots in self._slots],
        }

    @checked
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, of an optimiser with the same parameters; checked before anything is changed.

        Raises:
            StructureError: the state is that of an optimiser with other parameters, groups or settings.
            ShapeError: a running average has another shape than its parameters.
            OperandError: a setting is out of bounds, or the number of steps is not one.
        """
        self._check_state(state)
        self.steps = int(state["steps"])
        for group, saved in zip(self.param_groups, state["groups"], strict=True):
            group.update({k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()})
        for slots, saved in zip(self._slots, state["state"], strict=True):
            for slot, arrays in zip(slots, saved, strict=True):
                slot.state = {k: np.array(v) for k, v in arrays.items()}

    def _check_state(self, state: dict[str, Any]) -> None:
        """Raise unless a saved state fits this optimiser."""
        who = type(self).__name__
        same = set(state) == {"steps", "groups", "state"} and all(isinstance(state[part], list) for part in ("groups", "state"))
        if not same or len(state["groups"]) != len(self._slots) or [_slots_in(group) for group in state["state"]] != list(map(len, self._slots)):
            raise StructureError(
                f"{who}.load_state_dict: received the state of an optimiser with other parameters or groups, expected what state_dict() "
                "of an equivalent one gave."
            )
        for group, saved in zip(self.param_groups, state["groups"], strict=True):
            if not isinstance(saved, dict) or set(saved) != set(group) - {"params"}:
                raise StructureError(f"{who}.load_state_dict: received the settings {shown(saved)}, expected {sorted(set(group) - {'params'})}.")
            self.check(saved)
        pairs = [pair for slots, saved in zip(self._slots, state["state"], strict=True) for pair in zip(slots, saved, strict=True)]
        for slot, arrays in pairs:
            for name, array in arrays.items():
                shape = as_numbers(array, f"{who}.load_state_dict", name).shape
                if shape not in (slot.shape, ()):
                    raise ShapeError(f"{who}.load_state_dict: {name!r} has shape {shape}, expected {slot.shape}.")
        steps = state["steps"]
        if not isinstance(steps, (int, np.integer)) or isinstance(steps, bool) or steps < 0:
            raise OperandError(f"{who}.load_state_dict: received steps={shown(steps)}, expected an integer of at least 0.")

    def __repr__(self) -> str:
        """The settings of the first group."""
        settings = ", ".join(f"{k}={v}" for k, v in self.param_groups[0].items() if k != "params")
        return f"{type(self).__name__}({len(self.parameters)} parameters, {settings})"


Optimizer._answer(OF_OPTIMIZERS)
