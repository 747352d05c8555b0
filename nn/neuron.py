"""The scalar teaching stack: `Neuron`, `Layer` and `MLP` on `Value`, one number at a time (`Perceptron` has a module of its own).

A neuron computes z = Σ wᵢ·xᵢ + b and y = activation(z). A layer is neurons side by side, an MLP layers one after the
other. Everything can be drawn: `autograd_core.draw(model(x))`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_core import Tensor, Value, record_innermost, weighted_sum
from autograd_core.arguments import Count, as_numbers, checked, is_table, shown, way_out
from autograd_core.errors import OperandError, ShapeError

from .activations import ACTIVATIONS, activation_of
from .init import Generator, rng_of
from .module import Entry, Module

__all__ = ["MLP", "Layer", "Neuron", "inputs_of", "weight_entries"]

Name = str | Callable[[Any], Any]


def inputs_of(x: Any, expected: int, who: str) -> tuple[Any, ...]:
    """The inputs of a neuron as a tuple of numbers and Values, checked to be as many as `expected`."""
    if isinstance(x, np.ndarray):
        x = x.tolist()
    elif isinstance(x, (Value, float, int)):
        x = (x,)
    elif isinstance(x, Tensor):
        raise OperandError(f"{who}: received a Tensor, expected {expected} numbers or Values; Linear is the layer for tensors.")
    if not isinstance(x, (list, tuple)):
        what = shown(x) if is_table(x) else f"{x!r:.60} of type {type(x).__name__}"
        raise OperandError(f"{who}: received {what}, expected {expected} numbers or Values{way_out(x)}.")
    xs = tuple(x)
    if xs and isinstance(xs[0], (list, tuple, np.ndarray)):
        raise ShapeError(
            f"{who}: received {len(xs)} rows of numbers, expected the {expected} numbers of one sample; call it once for each sample, "
            "as in [model(x) for x in X], or use Linear, which takes many at once."
        )
    if len(xs) != expected:
        raise ShapeError(f"{who}: received {len(xs)} input{'s' if len(xs) != 1 else ''}, expected {expected}.")
    return xs


def _name_of(activation: Name) -> str:
    return activation if isinstance(activation, str) else getattr(activation, "__name__", "function")


class Neuron(Module):
    """y = activation(Σ wᵢ·xᵢ + b), on `Value`s.

    Args:
        nin: The number of inputs.
        activation: A name ("tanh", "relu", "sigmoid", "identity", …) or a function of a `Value`.
        bias: Whether there is a bias b.
        init: "uniform" takes wᵢ from ±1/√nin and b = 0; or a function `init(shape, rng=…)`.
        rng: A generator or a seed.

    Example:
        >>> neuron = Neuron(2, activation="tanh", rng=0)
        >>> y = neuron([1.0, -2.0])
        >>> y.backward()
        >>> neuron.b.grad == 1 - y.data**2
        True
    """

    opaque = True

    @checked
    def __init__(
        self, nin: Count, *, activation: Name = "tanh", bias: bool = True, init: Callable[..., np.ndarray] | None = None, rng: Generator = None
    ) -> None:
        """Random weights and a zero bias."""
        rng = rng_of(rng)
        bound = 1.0 / math.sqrt(nin)
        weights = rng.uniform(-bound, bound, nin) if init is None else init((1, int(nin)), rng=rng).ravel()
        self.activation = _name_of(activation)
        self._own = None if isinstance(activation, str) else activation
        self._choose()
        self.w = [Value(w, label=f"w{i}") for i, w in enumerate(weights.tolist(), start=1)]
        self.b = Value(0.0, label="b") if bias else 0.0
        self._expected = int(nin)

    def _choose(self) -> None:
        """Look up the function of the activation, and the method of `Value` that computes it most quickly."""
        self._function = activation_of(self.activation if self._own is None else self._own)
        method = getattr(Value, "silu" if self.activation == "swish" else self.activation, None)
        self._method = method if self._own is None and callable(method) else self._function
        if self._own is None and self.activation in ("identity", "linear", "none"):
            self._method = None

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the functions, which are found by name again."""
        return {k: v for k, v in vars(self).items() if k not in ("_function", "_method")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was."""
        vars(self).update(state)
        self._choose()

    @property
    def nin(self) -> int:
        """The number of inputs."""
        return self._expected

    def forward(self, x: Any) -> Any:
        """The output for inputs x₁ … xₙ, numbers or Values."""
        if x.__class__ is not tuple or len(x) != self._expected or isinstance(x[0], (tuple, list, np.ndarray)):
            x = inputs_of(x, self._expected, "Neuron")
        z = weighted_sum(self.w, x, self.b)
        return z if self._method is None else self._method(z)

    __call__ = record_innermost

    @property
    def by_name(self) -> bool:
        """Whether the activation is one of ours, and not a function of the user's with the same name."""
        return self._own is None or (self.activation in ACTIVATIONS and ACTIVATIONS[self.activation].function is self._own)

    def entries(self) -> Iterator[Entry]:
        """`weight` of shape (1, nin) and `bias` of shape (1,), as torch's `Linear(nin, 1)`."""
        return weight_entries([self])

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        if not self.by_name:
            raise OperandError(
                f"the activation {self.activation!r} is a function of your own, which a file cannot describe; the state can be saved all the same."
            )
        return {"nin": self.nin, "activation": self.activation, "bias": isinstance(self.b, Value)}

    def extra_repr(self) -> str:
        """The number of inputs and the activation."""
        return f"{self._expected}, {self.activation}" + ("" if isinstance(self.b, Value) else ", bias=False")

    def __repr__(self) -> str:
        """One line."""
        return f"{type(self).__name__}({self.extra_repr()})"


class Layer(Module):
    """`nout` neurons that see the same `nin` inputs; gives a list of `nout` Values (one Value where `nout` is 1). The options are those of `Neuron`.

    Example:
        >>> layer = Layer(3, 2, activation="relu", rng=0)
        >>> len(layer([1.0, 2.0, 3.0])), layer.number_of_parameters()
        (2, 8)
    """

    opaque = True

    @checked
    def __init__(
        self, nin: Count, nout: Count, *, activation: Name = "tanh", bias: bool = True, init: Callable[..., np.ndarray] | None = None, rng: Generator = None
    ) -> None:
        """Neurons that differ in their random weights."""
        rng = rng_of(rng)
        self.neurons = [Neuron(nin, activation=activation, bias=bias, init=init, rng=rng) for _ in range(nout)]

    @property
    def nin(self) -> int:
        """The number of inputs."""
        return self.neurons[0].nin

    @property
    def nout(self) -> int:
        """The number of neurons."""
        return len(self.neurons)

    def forward(self, x: Any) -> Any:
        """The outputs of all neurons."""
        x = inputs_of(x, self.nin, "Layer")
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def entries(self) -> Iterator[Entry]:
        """`weight` of shape (nout, nin) and `bias` of shape (nout,), as torch's `Linear`."""
        return weight_entries(self.neurons)

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        return {**self.neurons[0].config(), "nout": self.nout}

    def state_children(self) -> Iterator[tuple[str, Module]]:
        """None: the layer's matrices hold its neurons."""
        return iter(())

    def __repr__(self) -> str:
        """One line."""
        return f"Layer({self.nin}, {self.nout}, {self.neurons[0].activation})"


class MLP(Module):
    """A multi-layer perceptron on `Value`: `MLP(2, [16, 16, 1])`.

    Args:
        nin: The number of inputs.
        nouts: The number of neurons of each layer.
        activation: That of the hidden layers: a name, or a list with one name for each.
        output: The activation of the last layer; "identity" gives scores, or logits.
        bias: Whether there are biases.
        init: The initial weights, as for `Neuron`.
        rng: A generator or a seed.

    The state has the names of `torch.nn.Sequential(Linear, Tanh, Linear, …)`: "0.weight", "0.bias", "2.weight", …

    Example:
        >>> model = MLP(2, [16, 16, 1], rng=0)
        >>> model.number_of_parameters(), sorted(model.state_dict())[:2]
        (337, ['0.bias', '0.weight'])
        >>> model([0.5, -1.0]).op.name
        'weighted_sum'
    """

    opaque = False

    @checked
    def __init__(
        self, nin: Count, nouts: Count | Sequence[Count], *, activation: Name | Sequence[Name] = "tanh", output: Name = "identity",
        bias: bool = True, init: Callable[..., np.ndarray] | None = None, rng: Generator = None,
    ) -> None:  # fmt: skip
        """Random weights and zero biases."""
        sizes = [nin, *([nouts] if isinstance(nouts, (int, np.integer)) else nouts)]
        if len(sizes) < 2:
            raise ShapeError("MLP: received no layers, expected the number of neurons of at least one.")
        hidden = [activation] * (len(sizes) - 2) if isinstance(activation, str) or callable(activation) else list(activation)
        if len(hidden) != len(sizes) - 2:
            raise ShapeError(f"MLP: received {len(hidden)} activations for {len(sizes) - 2} hidden layers, expected one for each.")
        rng = rng_of(rng)
        self.layers = [
            Layer(sizes[i], sizes[i + 1], activation=kind, bias=bias, init=init, rng=rng) for i, kind in enumerate([*hidden, output])
        ]

    def forward(self, x: Any) -> Any:
        """The outputs of the last layer: a Value, or a list of Values."""
        for layer in self.layers:
            x = layer(x)
        return x

    def on_arrays(self, x: Any) -> np.ndarray:
        """The outputs for many samples at once, out of the graph: the same numbers by matrix products, to rounding."""
        x = as_numbers(x, "MLP.on_arrays", "x")
        if x.ndim != 2 or x.shape[1] != self.nin:
            raise ShapeError(f"MLP.on_arrays: received shape {x.shape}, expected (n, {self.nin}).")
        for layer in self.layers:
            arrays = [entry.read() for entry in layer.entries()]
            x = layer.neurons[0]._function(x @ arrays[0].T + (arrays[1] if len(arrays) > 1 else 0.0))
        return np.asarray(x[:, 0] if x.shape[1] == 1 else x)

    @property
    def by_name(self) -> bool:
        """Whether all activations are ours, so that they take arrays too."""
        return all(n.by_name for layer in self.layers for n in layer.neurons)

    def state_children(self) -> Iterator[tuple[str, Module]]:
        """The layers under the places they have in the equivalent `torch.nn.Sequential`: 0, 2, 4 and so on."""
        return ((str(2 * i), layer) for i, layer in enumerate(self.layers))

    @property
    def nin(self) -> int:
        """The number of inputs."""
        return self.layers[0].nin

    @property
    def sizes(self) -> list[int]:
        """The number of inputs and of the neurons of each layer."""
        return [self.nin, *(layer.nout for layer in self.layers)]

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module."""
        *hidden, output = (layer.config() for layer in self.layers)
        return {
            "nin": self.nin, "nouts": self.sizes[1:], "activation": [layer["activation"] for layer in hidden],
            "output": output["activation"], "bias": output["bias"],
        }  # fmt: skip

    def __repr__(self) -> str:
        """The sizes and activations."""
        kinds = ", ".join(layer.neurons[0].activation for layer in self.layers)
        return f"MLP({'-'.join(map(str, self.sizes))}; {kinds})"


def weight_entries(neurons: Sequence[Any]) -> Iterator[Entry]:
    """The weights and biases of neurons as a matrix and a vector."""

    def write(array: np.ndarray) -> None:
        for neuron, row in zip(neurons, array.astype(float).tolist(), strict=True):
            for w, value in zip(neuron.w, row, strict=True):
                w.data = value

    def write_bias(array: np.ndarray) -> None:
        for neuron, value in zip(neurons, array.astype(float).tolist(), strict=True):
            neuron.b.data = value

    yield Entry("weight", lambda: np.array([[w.data for w in neuron.w] for neuron in neurons]), write, [neuron.w for neuron in neurons])
    if isinstance(neurons[0].b, Value):
        yield Entry("bias", lambda: np.array([neuron.b.data for neuron in neurons]), write_bias, [neuron.b for neuron in neurons])
