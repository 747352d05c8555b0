"""Recurrent networks: `RNN`, `GRU` and `LSTM` over sequences, and the cells that make one step of them; names and layouts as in torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

import autograd_core as ag
from autograd_core import Tensor, linear
from autograd_core.arguments import Count, DType, checked
from autograd_core.errors import OperandError, ShapeError

from .init import Generator, rng_of
from .layers import shape_of
from .module import Module

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]


def _weights(module: Any, suffix: str, nin: int, nhid: int, gates: int, dtype: DType, rng: np.random.Generator) -> None:
    """The four parameters of a cell, from ±1/√nhid as in torch."""
    bound = 1.0 / math.sqrt(nhid)
    for name, shape in (("weight_ih", (gates * nhid, nin)), ("weight_hh", (gates * nhid, nhid)), ("bias_ih", (gates * nhid,)), ("bias_hh", (gates * nhid,))):
        setattr(module, name + suffix, Tensor(rng.uniform(-bound, bound, shape), dtype=dtype, label=name + suffix))


def _rnn_step(x: Any, h: Any, w: Any, u: Any, b: Any, c: Any, activation: Any = ag.tanh) -> Any:
    """h' = tanh(W x + b + U h + c)."""
    return activation(linear(x, w, b) + linear(h, u, c))


def _gru_step(x: Any, h: Any, w: Any, u: Any, b: Any, c: Any) -> Any:
    """The gates r, z and the candidate n (Cho et al. 2014): n = tanh(W x + b + r·(U h + c)), h' = (1 − z)·n + z·h."""
    new, old = linear(x, w, b), linear(h, u, c)
    k = new.shape[-1] // 3
    gates = (new[..., : 2 * k] + old[..., : 2 * k]).sigmoid()
    candidate = (new[..., 2 * k :] + gates[..., :k] * old[..., 2 * k :]).tanh()
    return candidate + gates[..., k:] * (h - candidate)


def _lstm_step(x: Any, h: Any, memory: Any, w: Any, u: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """The gates i, f, o and the candidate g (Hochreiter & Schmidhuber 1997): c' = f·c + i·g, h' = o·tanh(c')."""
    z = linear(x, w, b) + linear(h, u, c)
    n = z.shape[-1] // 4
    i, f, g, o = (z[..., k * n : (k + 1) * n] for k in range(4))
    memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
    return o.sigmoid() * memory.tanh(), memory


def _checked(x: Any, nin: int, axes: tuple[int, ...], who: str) -> None:
    shape = shape_of(x)
    if len(shape) not in axes or shape[-1] != nin:
        raise ShapeError(f"{who}: received shape {shape}, expected {' or '.join(map(str, axes))} axes, the last of length {nin}.")


def _states(state: Any, count: int, shape: tuple[int, ...], who: str) -> Any:
    """One or two states to start from, checked: arrays or tensors of one shape."""
    parts = (state,) if count == 1 else state if isinstance(state, (tuple, list)) else ()
    if len(parts) != count:
        raise ShapeError(f"{who}: received a state of type {type(state).__name__}, expected (h, c), each of shape {shape}.")
    for part in parts:
        if shape_of(part) != shape:
            raise ShapeError(f"{who}: received a state of shape {shape_of(part)}, expected {shape}.")
    return parts


class _Cell(Module):
    """What cells have in common: four parameters, and two sizes."""

    nin: int
    nhid: int
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"nin": self.nin, "nhid": self.nhid, "dtype": self.weight_hh.dtype.name}

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.nin}, {self.nhid}"


class RNNCell(_Cell):
    """One step of a simple recurrent network: h' = tanh(W x + b + U h + c).

    Example:
        >>> RNNCell(3, 4, rng=0)(np.ones((2, 3))).shape
        (2, 4)
    """

    @checked
    def __init__(self, nin: Count, nhid: Count, *, activation: str = "tanh", dtype: DType = np.float64, rng: Generator = None) -> None:
        """Random weights; `activation` is "tanh" or "relu"."""
        if activation not in ("tanh", "relu"):
            raise OperandError(f"RNNCell: received activation={activation!r}, expected 'tanh' or 'relu'.")
        self.nin, self.nhid, self.activation = int(nin), int(nhid), activation
        _weights(self, "", nin, nhid, 1, dtype, rng_of(rng))

    def forward(self, x: Any, h: Any = None) -> Any:
        """The next state for inputs (n, nin) and a state (n, nhid), zeros where it is None."""
        _checked(x, self.nin, (1, 2), "RNNCell")
        shape = (*shape_of(x)[:-1], self.nhid)
        (h,) = (np.zeros(shape, self.weight_hh.dtype),) if h is None else _states(h, 1, shape, "RNNCell")
        return _rnn_step(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, getattr(ag, self.activation))

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {"nin": self.nin, "nhid": self.nhid, "activation": self.activation, "dtype": self.weight_hh.dtype.name}


class GRUCell(_Cell):
    """One step of a GRU: the state is partly kept, partly replaced by a candidate that looks at a part of it.

    Example:
        >>> GRUCell(3, 4, rng=0)(np.ones((2, 3))).shape
        (2, 4)
    """

    @checked
    def __init__(self, nin: Count, nhid: Count, *, dtype: DType = np.float64, rng: Generator = None) -> None:
        """Random weights; the gates are in torch's order: reset, update, candidate."""
        self.nin, self.nhid = int(nin), int(nhid)
        _weights(self, "", nin, nhid, 3, dtype, rng_of(rng))

    def forward(self, x: Any, h: Any = None) -> Any:
        """The next state for inputs (n, nin) and a state (n, nhid), zeros where it is None."""
        _checked(x, self.nin, (1, 2), "GRUCell")
        shape = (*shape_of(x)[:-1], self.nhid)
        (h,) = (np.zeros(shape, self.weight_hh.dtype),) if h is None else _states(h, 1, shape, "GRUCell")
        return _gru_step(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class LSTMCell(_Cell):
    """One step of an LSTM: a state h, and a memory c that gates write to and forget.

    Example:
        >>> h, c = LSTMCell(3, 4, rng=0)(np.ones((2, 3)))
        >>> h.shape, c.shape
        ((2, 4), (2, 4))
    """

    @checked
    def __init__(self, nin: Count, nhid: Count, *, dtype: DType = np.float64, rng: Generator = None) -> None:
        """Random weights; the gates are in torch's order: input, forget, candidate, output."""
        self.nin, self.nhid = int(nin), int(nhid)
        _weights(self, "", nin, nhid, 4, dtype, rng_of(rng))

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """(h', c') for inputs (n, nin) and a state (h, c), zeros where it is None."""
        _checked(x, self.nin, (1, 2), "LSTMCell")
        zeros = np.zeros((*shape_of(x)[:-1], self.nhid), self.weight_hh.dtype)
        h, c = (zeros, zeros) if state is None else _states(state, 2, zeros.shape, "LSTMCell")
        return _lstm_step(x, h, c, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class _Recurrent(Module):
    gates = 1

    @checked
    def __init__(
        self, nin: Count, nhid: Count, num_layers: Count = 1, *, batch_first: bool = False, dtype: DType = np.float64, rng: Generator = None
    ) -> None:
        """Random weights, named "weight_ih_l0", … as in torch."""
        self.nin, self.nhid, self.num_layers, self.batch_first = int(nin), int(nhid), int(num_layers), bool(batch_first)
        rng = rng_of(rng)
        for k in range(num_layers):
            _weights(self, f"_l{k}", nin if k == 0 else nhid, nhid, self.gates, dtype, rng)

    def _parameters_of(self, k: int) -> tuple[Any, ...]:
        return tuple(getattr(self, f"{name}_l{k}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))

    def _sequence(self, x: Any) -> tuple[list[Any], tuple[int, ...], int]:
        """The inputs step by step, each of shape (n, nin) or (nin,); the shape (n, nhid) or (nhid,) of a state; the axis of the steps."""
        _checked(x, self.nin, (2, 3), type(self).__name__)
        x = x if isinstance(x, (Tensor, np.ndarray)) else np.asarray(x)
        shape = shape_of(x)
        time = 1 if self.batch_first and len(shape) == 3 else 0
        steps = [x[:, t] if time else x[t] for t in range(shape[time])]
        if not steps:
            raise ShapeError(f"{type(self).__name__}: received a sequence of no steps, expected at least one.")
        return steps, (*shape[:time], *shape[time + 1 : -1], self.nhid), time

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {
            "nin": self.nin, "nhid": self.nhid, "num_layers": self.num_layers, "batch_first": self.batch_first,
            "dtype": self._parameters_of(0)[0].dtype.name,
        }  # fmt: skip

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.nin}, {self.nhid}" + (f", num_layers={self.num_layers}" if self.num_layers > 1 else "")


class _OneState(_Recurrent):
    _step: ClassVar[Callable[..., Any]]

    def forward(self, x: Any, h0: Any = None) -> tuple[Any, Any]:
        """(states, last states); `h0` has shape (num_layers, n, nhid), or (num_layers, nhid) for one sequence."""
        steps, shape, time = self._sequence(x)
        h0 = None if h0 is None else _states(h0, 1, (self.num_layers, *shape), type(self).__name__)[0]
        last = []
        for k in range(self.num_layers):
            weights = self._parameters_of(k)
            h: Any = np.zeros(shape, weights[0].dtype) if h0 is None else h0[k]
            for t, step in enumerate(steps):
                h = type(self)._step(step, h, *weights)
                steps[t] = h
            last.append(h)
        return np.stack(steps, axis=time), np.stack(last)


class RNN(_OneState):
    """h_t = tanh(W x_t + b + U h_{t−1} + c) over sequences of shape (steps, n, nin), or (n, steps, nin) with `batch_first`, or over one of shape (steps, nin).

    Gives (the states of the last layer at all steps, the last states of all layers), as torch's `RNN`.

    Example:
        >>> out, h = RNN(3, 4, rng=0)(np.ones((5, 2, 3)))
        >>> out.shape, h.shape
        ((5, 2, 4), (1, 2, 4))
    """

    _step = staticmethod(_rnn_step)


class GRU(_OneState):
    """A GRU over sequences of shape (steps, n, nin), or (n, steps, nin) with `batch_first`, or over one of shape (steps, nin).

    Gives (the states of the last layer at all steps, the last states of all layers), as torch's `GRU`.

    Example:
        >>> out, h = GRU(3, 4, num_layers=2, rng=0)(np.ones((5, 2, 3)))
        >>> out.shape, h.shape
        ((5, 2, 4), (2, 2, 4))
    """

    gates = 3
    _step = staticmethod(_gru_step)


class LSTM(_Recurrent):
    """An LSTM over sequences of shape (steps, n, nin), or (n, steps, nin) with `batch_first`, or over one of shape (steps, nin).

    Gives (states at all steps, (last states, last memories)), as torch's `LSTM`.

    Example:
        >>> out, (h, c) = LSTM(3, 4, rng=0)(np.ones((5, 2, 3)))
        >>> out.shape, c.shape
        ((5, 2, 4), (1, 2, 4))
    """

    gates = 4

    def forward(self, x: Any, state: Any = None) -> tuple[Any, tuple[Any, Any]]:
        """(states, (h, c)); `state` is (h0, c0), each of shape (num_layers, n, nhid), or (num_layers, nhid) for one sequence."""
        steps, shape, time = self._sequence(x)
        state = None if state is None else _states(state, 2, (self.num_layers, *shape), "LSTM")
        states, memories = [], []
        for k in range(self.num_layers):
            weights = self._parameters_of(k)
            h: Any = np.zeros(shape, weights[0].dtype) if state is None else state[0][k]
            c: Any = np.zeros(shape, weights[0].dtype) if state is None else state[1][k]
            for t, step in enumerate(steps):
                h, c = _lstm_step(step, h, c, *weights)
                steps[t] = h
            states.append(h)
            memories.append(c)
        return np.stack(steps, axis=time), (np.stack(states), np.stack(memories))
