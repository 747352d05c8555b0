"""Optimisers with torch's argument names, defaults and update formulas: `SGD`, `Adam`, `AdamW`, `RMSprop`, `Adagrad`.

Updates are made in place, with buffers that are kept from step to step (see `nn.slots`).

Sources: Polyak (1964) and Nesterov (1983) for momentum; Tieleman & Hinton (2012) for RMSprop; Duchi et al. (2011) for Adagrad;
Kingma & Ba (2015) for Adam; Loshchilov & Hutter (2019) for AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import checked, shown
from autograd_core.errors import OperandError, ShapeError, StructureError

from .slots import Array, Slot, State, TensorSlot, ValuesSlot

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "bounded"]

def bounded(name: str, value: Any, low: float = 0.0, high: float = math.inf) -> Any:
    """A hyper-parameter, checked."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and -(2**63) <= int(value) < 2**63
    if not (whole or isinstance(value, (float, np.floating))) or not low <= value <= high:
        bounds = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
        raise OperandError(f"{name}: received {shown(value)}, expected a number {bounds}.")
    return value


class Optimizer:
    """The base: groups of parameters, each with its own hyper-parameters.

    Args:
        params: Parameters (`model.parameters()`), or dictionaries `{"params": …, "lr": …}` with settings of their own.

    Attributes:
        param_groups: One dictionary of settings per group; schedules write `"lr"` there.
        steps: The number of steps taken.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"lr": (0.0, math.inf), "weight_decay": (0.0, math.inf)}

    @checked
    def __init__(self, params: Any, **settings: Any) -> None:
        """Check parameters and settings; nothing is changed by that."""
        who = type(self).__name__
        if isinstance(params, (Value, Tensor, np.ndarray, str, bytes)) or hasattr(params, "parameters") or not isinstance(params, Iterable):
            raise OperandError(f"{who}: received {type(params).__name__}, expected a list of parameters such as model.parameters().")
        given = list(params)
        groups = [dict(g) for g in given] if given and isinstance(given[0], dict) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        self._slots: list[list[Slot]] = []
        self.steps = 0
        for group in groups:
            members = list(group.pop("params", []))
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
            raise OperandError(f"{who}: received no parameters, expected at least one; is the model empty?")
        seen = {id(p) for p in self.parameters}
        for p in members:
            if not isinstance(p, (Value, Tensor)) or p.op is not None or not p.requires_grad:
                made = getattr(p, "op", None)
                what = type(p).__name__ if made is None else f"the result of an operation ({made.name})"
                raise OperandError(f"{who}: received {what}, expected parameters: leaf Values, or Tensors with requires_grad.")
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
        """The learning rate of the first group; assigning sets that of all groups."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, lr: float) -> None:
        bounded(f"{type(self).__name__}: lr", lr)
        for group in self.param_groups:
            group["lr"] = lr

    @property
    def parameters(self) -> list[Any]:
        """The parameters of all groups."""
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None if parameter.__class__ is Tensor else 0.0

    @np.errstate(all="ignore")
    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        self.steps += 1
        update = self.update
        for group, slots in zip(self.param_groups, self._slots, strict=True):
            maximize = group.get("maximize")
            for slot in slots:
                data, gradient = slot.read()
                if gradient is None:
                    continue
                if maximize:
                    gradient = -gradient
                if not data.flags.writeable:
                    data = data.copy()
                update(data, gradient, slot.state, group)
                slot.write(data)

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
        """Take over what `state_dict` gave, of an optimiser with the same parameters; checked before anything is changed."""
        who = type(self).__name__
        if set(state) != {"steps", "groups", "state"} or [len(s) for s in state["state"]] != [len(s) for s in self._slots]:
            raise StructureError(f"{who}.load_state_dict: received the state of an optimiser with other parameters or groups, expected what state_dict() of an equal one gave.")
        for group, saved in zip(self.param_groups, state["groups"], strict=True):
            if set(saved) != set(group) - {"params"}:
                raise StructureError(f"{who}.load_state_dict: received the settings {sorted(saved)}, expected {sorted(set(group) - {'params'})}.")
        for slots, saved in zip(self._slots, state["state"], strict=True):
            for slot, arrays in zip(slots, saved, strict=True):
                for name, array in arrays.items():
                    if np.shape(array) not in (slot.shape, ()):
                        raise ShapeError(f"{who}.load_state_dict: {name!r} has shape {np.shape(array)}, expected {slot.shape}.")
        self.steps = int(state["steps"])
        for group, saved in zip(self.param_groups, state["groups"], strict=True):
            group.update({k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()})
        for slots, saved in zip(self._slots, state["state"], strict=True):
            for slot, arrays in zip(slots, saved, strict=True):
                slot.state = {k: np.array(v) for k, v in arrays.items()}

    def __repr__(self) -> str:
        """The settings of the first group."""
        settings = ", ".join(f"{k}={v}" for k, v in self.param_groups[0].items() if k != "params")
        return f"{type(self).__name__}({len(self.parameters)} parameters, {settings})"


def _buffer(state: State, name: str, like: Array, start: float = 0.0) -> Array:
    """A running average, made on the first step."""
    found = state.get(name)
    if found is None:
        found = state[name] = np.full(like.shape, start, like.dtype)
    return found


def _work(state: State, like: Array) -> Array:
    """Room for the step itself, kept so that large arrays are not asked for again and again; no part of the state."""
    found = state.get("work")
    if found is None:
        found = state["work"] = np.empty_like(like)
    return found


def _count(state: State) -> int:
    """The number of updates of this parameter, this one included."""
    count = int(state["step"]) + 1 if "step" in state else 1
    state["step"] = np.array(count)
    return count


class SGD(Optimizer):
    """v ← μv + g, θ ← θ − η·v (Nesterov: θ − η·(g + μv)); with momentum 0 plain gradient descent.

    Example:
        >>> x = Value(3.0)
        >>> optimizer = SGD([x], lr=0.1)
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> round(x.data, 3)
        2.4
    """

    @checked
    def __init__(
        self, params: Any, lr: float = 1e-3, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0,
        *, dampening: float = 0.0, maximize: bool = False,
    ) -> None:  # fmt: skip
        """torch's names and defaults."""
        bounded("SGD: momentum", momentum)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise OperandError(f"SGD: nesterov needs momentum > 0 and dampening 0, received momentum={momentum} and dampening={dampening}.")
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, dampening=dampening, maximize=maximize)

    def update(self, data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
        """One step."""
        momentum, decay = group["momentum"], group["weight_decay"]
        if decay:
            gradient = gradient + decay * data
        if momentum:
            velocity = state.get("velocity")
            if velocity is None:
                velocity = state["velocity"] = np.array(gradient)
            else:
                velocity *= momentum
                velocity += gradient if not group["dampening"] else (1.0 - group["dampening"]) * gradient
            gradient = gradient + momentum * velocity if group["nesterov"] else velocity
        work = _work(state, data)
        np.multiply(gradient, group["lr"], work)
        np.subtract(data, work, data)


class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ − η·m̂ / (√v̂ + ε), with m̂, v̂ freed from the bias of the start.

    Example:
        >>> x = Value(3.0)
        >>> optimizer = Adam([x], lr=0.1)
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> round(x.data, 3)
        2.9
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"eps": (0.0, math.inf)}
    decoupled: ClassVar[bool] = False

    @checked
    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
        amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        """torch's names and defaults."""
        if len(betas) != 2 or not all(0.0 <= b < 1.0 for b in betas):
            raise OperandError(f"{type(self).__name__}: received betas={betas!r}, expected two numbers from 0 to below 1.")
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize)

    def update(self, data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
        """One step."""
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        if decay:
            if self.decoupled:
                data *= 1.0 - lr * decay
            else:
                gradient = gradient + decay * data
        first, second, work = _buffer(state, "first", data), _buffer(state, "second", data), _work(state, data)
        count = _count(state)
        first *= beta1
        np.multiply(gradient, 1.0 - beta1, out=work)
        first += work
        second *= beta2
        np.multiply(gradient, gradient, out=work)
        work *= 1.0 - beta2
        second += work
        if group["amsgrad"]:
            second = np.maximum(_buffer(state, "largest", data), second, out=state["largest"])
        np.sqrt(second, out=work)
        work /= math.sqrt(1.0 - beta2**count)
        work += group["eps"]
        np.divide(first, work, out=work)
        work *= lr / (1.0 - beta1**count)
        data -= work


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: θ ← θ − η·λ·θ before the step."""

    decoupled: ClassVar[bool] = True

    @checked
    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
        amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        """torch's names and defaults."""
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class RMSprop(Optimizer):
    """v ← αv + (1 − α)g², θ ← θ − η·g / (√v + ε): each parameter has a rate of its own."""

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"eps": (0.0, math.inf), "alpha": (0.0, math.inf), "momentum": (0.0, math.inf)}

    @checked
    def __init__(
        self, params: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0,
        centered: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        """torch's names and defaults."""
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered, maximize=maximize
        )

    def update(self, data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
        """One step."""
        alpha = group["alpha"]
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * data
        second = _buffer(state, "second", data)
        second *= alpha
        second += (1.0 - alpha) * gradient * gradient
        if group["centered"]:
            mean = _buffer(state, "mean", data)
            mean += (1.0 - alpha) * (gradient - mean)
            size = np.sqrt(second - mean * mean)
        else:
            size = np.sqrt(second)
        size += group["eps"]
        move = gradient / size
        if group["momentum"]:
            velocity = _buffer(state, "velocity", data)
            velocity *= group["momentum"]
            velocity += move
            move = velocity
        data -= group["lr"] * move


class Adagrad(Optimizer):
    """s ← s + g², θ ← θ − η·g / (√s + ε): the rate of a parameter falls with what it has moved."""

    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        "eps": (0.0, math.inf), "lr_decay": (0.0, math.inf), "initial_accumulator_value": (0.0, math.inf),
    }  # fmt: skip

    @checked
    def __init__(
        self, params: Any, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, initial_accumulator_value: float = 0.0,
        eps: float = 1e-10, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        """torch's names and defaults."""
        super().__init__(
            params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps,
            maximize=maximize,
        )  # fmt: skip

    def update(self, data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
        """One step."""
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * data
        total = _buffer(state, "total", data, group["initial_accumulator_value"])
        rate = group["lr"] / (1.0 + (_count(state) - 1) * group["lr_decay"])
        total += gradient * gradient
        data -= rate * gradient / (np.sqrt(total) + group["eps"])
