"""Optimisers with torch's argument names, defaults and update formulas: `SGD`, `Adam`, `AdamW`, `RMSprop`, `Adagrad`, `Adadelta`.

Updates are made in place, with buffers that are kept from step to step (see `nn.slots`).

Sources: Polyak (1964) and Nesterov (1983) for momentum; Tieleman & Hinton (2012) for RMSprop; Duchi et al. (2011) for Adagrad;
Zeiler (2012) for Adadelta; Kingma & Ba (2015) for Adam; Loshchilov & Hutter (2019) for AdamW.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy import multiply, subtract

from autograd_core.arguments import checked, shown
from autograd_core.errors import OperandError

from .optimizer import Optimizer
from .slots import Array, State, Update

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "RMSprop"]


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
        >>> from autograd_core import Value
        >>> x = Value(3.0)
        >>> optimizer = SGD([x], lr=0.1)
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> round(x.data, 3)
        2.4
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"momentum": (0.0, math.inf)}

    @checked
    def __init__(
        self, params: Any, lr: float = 1e-3, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0,
        *, dampening: float = 0.0, maximize: bool = False,
    ) -> None:  # fmt: skip
        """torch's names and defaults."""
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, dampening=dampening, maximize=maximize)

    @checked
    def check(self, settings: dict[str, Any]) -> None:
        """Raise at a setting out of bounds, and at Nesterov's step without its momentum."""
        super().check(settings)
        momentum, dampening = settings.get("momentum", 0.0), settings.get("dampening", 0.0)
        if settings.get("nesterov") and (momentum <= 0 or dampening != 0):
            raise OperandError(
                f"{type(self).__name__}: nesterov needs momentum > 0 and dampening 0, received momentum={momentum} and dampening={dampening}."
            )

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
        _descend(data, gradient, state, group)

    def _rule(self, group: dict[str, Any]) -> Update:
        """Plain gradient descent looks at its settings only once a step."""
        plain = not (group["momentum"] or group["weight_decay"] or group["maximize"]) and type(self).update is SGD.update
        return _descend if plain else super()._rule(group)


def _descend(data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
    """θ ← θ − η·g."""
    work = state.get("work")
    if work is None:
        work = _work(state, data)
    multiply(gradient, group["lr"], work)
    subtract(data, work, data)


class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ − η·m̂ / (√v̂ + ε), with m̂, v̂ corrected for the bias of their start at 0.

    Example:
        >>> from autograd_core import Value
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
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize)

    @checked
    def check(self, settings: dict[str, Any]) -> None:
        """Raise at a setting out of bounds."""
        super().check(settings)
        betas = settings.get("betas", (0.0, 0.0))
        numbers = isinstance(betas, (tuple, list)) and all(isinstance(b, (int, float, np.number)) and not isinstance(b, bool) for b in betas)
        if not numbers or len(betas) != 2 or not all(0.0 <= b < 1.0 for b in betas):
            raise OperandError(f"{type(self).__name__}: received betas={shown(betas)}, expected two numbers from 0 to below 1.")

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
    """Adam with decoupled weight decay: θ ← θ − η·λ·θ before the step, apart from the gradient.

    Example:
        >>> from autograd_core import Value
        >>> x = Value(3.0)
        >>> optimizer = AdamW([x], lr=0.1, weight_decay=0.5)
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> round(x.data, 3)
        2.75
    """

    decoupled: ClassVar[bool] = True

    @checked
    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
        amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        """torch's names and defaults."""
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class RMSprop(Optimizer):
    """v ← αv + (1 − α)g², θ ← θ − η·g / (√v + ε): each parameter has a rate of its own.

    Example:
        >>> from autograd_core import Value
        >>> x = Value(3.0)
        >>> optimizer = RMSprop([x], lr=0.1)
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> round(x.data, 3)
        2.0
    """

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
    """s ← s + g², θ ← θ − η·g / (√s + ε): the rate of a parameter falls with the sum of its squared gradients.

    Example:
        >>> from autograd_core import Value
        >>> x = Value(3.0)
        >>> optimizer = Adagrad([x], lr=0.1)
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> round(x.data, 3)
        2.9
    """

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


class Adadelta(Optimizer):
    """s ← ρs + (1 − ρ)g², Δ ← g·√(u + ε) / √(s + ε), u ← ρu + (1 − ρ)Δ², θ ← θ − η·Δ: steps take their scale from the steps before, in the units of θ.

    Example:
        >>> from autograd_core import Value
        >>> x = Value(3.0)
        >>> optimizer = Adadelta([x])
        >>> (x * x).backward()
        >>> optimizer.step()
        >>> round(x.data, 4)
        2.9968
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"rho": (0.0, 1.0), "eps": (0.0, math.inf)}

    @checked
    def __init__(
        self, params: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0, *, maximize: bool = False
    ) -> None:
        """torch's names and defaults."""
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def update(self, data: Array, gradient: Array, state: State, group: dict[str, Any]) -> None:
        """One step."""
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * data
        rho, eps = group["rho"], group["eps"]
        square, moved = _buffer(state, "square", data), _buffer(state, "moved", data)
        square *= rho
        square += (1.0 - rho) * gradient * gradient
        move = np.sqrt(moved + eps) / np.sqrt(square + eps) * gradient
        moved *= rho
        moved += (1.0 - rho) * move * move
        data -= group["lr"] * move
