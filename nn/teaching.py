"""The equations of the lectures, read off the graph: `deltas` gives each layer's δ = ∂L/∂z and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import Numbers, checked
from autograd_core.errors import OperandError

from .layers import Linear, Sequential
from .losses import loss_of
from .module import Module
from .neuron import MLP

__all__ = ["LayerTerms", "deltas"]


@dataclass(frozen=True, slots=True, repr=False)
class LayerTerms:
    """One layer in the backward pass of n samples; in print a line for each array, with its numbers where they are few.

    Attributes:
        name: Its place in the model.
        inputs: a⁽ˡ⁻¹⁾ of shape (n, in).
        z: W a + b of shape (n, out), before the activation.
        delta: δ⁽ˡ⁾ = ∂L/∂z of shape (n, out); with L a mean over samples, 1/n is in it.
        weight_grad: ∂L/∂W = Σ δ aᵀ of shape (out, in), with the gradient of the penalty.
        bias_grad: ∂L/∂b = Σ δ of shape (out,); None without a bias.
    """

    name: str
    inputs: np.ndarray
    z: np.ndarray
    delta: np.ndarray
    weight_grad: np.ndarray
    bias_grad: np.ndarray | None

    def __repr__(self) -> str:
        """A line for each array: its numbers, or where there are more than 16 its shape and norm."""
        n, out = self.z.shape
        arrays = {"a": self.inputs, "z": self.z, "δ = ∂L/∂z": self.delta, "∂L/∂W": self.weight_grad, "∂L/∂b": self.bias_grad}
        lines = [f"layer {self.name}: {self.inputs.shape[1]} → {out}, {n} sample{'s' if n != 1 else ''}"]
        for name, array in arrays.items():
            if array is not None:
                few = np.array2string(array, precision=4, separator=", ", max_line_width=10_000).replace("\n", "\n" + " " * 23)
                lines.append(f"  {name:<11}{array.shape!s:<10}{few if array.size <= 16 else f'‖·‖ = {np.linalg.norm(array):.4g}'}")
        return "\n".join(lines)


@checked
def deltas(
    model: Module, x: Numbers, y: Numbers, loss: str | Callable[..., Any] = "squared_error", *, penalty: Callable[[Module], Any] | None = None
) -> list[LayerTerms]:
    """The error terms δ⁽ˡ⁾ and gradients of every layer, as one backward pass of the engine left them in the graph.

    Nothing is recomputed: δ is the `.grad` of the node z. The recursion δ⁽ˡ⁾ = (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾) ⊙ σ′(z⁽ˡ⁾) of the lectures can be
    checked against it. The model's gradients are zeroed first, and hold those of this pass afterwards.

    Args:
        model: A `Sequential` of `Linear` and activations, or an `MLP` on `Value`.
        x: Samples of shape (n, in).
        y: Their targets.
        loss: A name or a function loss(prediction, target).
        penalty: A function of the model that is added to the loss.

    Example:
        >>> model = MLP(2, [3, 1], rng=0)
        >>> terms = deltas(model, [[1.0, -1.0]], [0.5], "squared_error")
        >>> [t.delta.shape for t in terms], bool(np.isclose(terms[-1].delta[0, 0], terms[-1].z[0, 0] - 0.5))
        ([(1, 3), (1, 1)], True)
    """
    function = loss_of(loss)
    rows = np.asarray(x, dtype=float)
    model.zero_grad()
    if isinstance(model, MLP):
        return _of_values(model, rows, y, function, penalty)
    if isinstance(model, Sequential) and any(isinstance(m, Linear) for m in model):
        return _of_tensors(model, rows, y, function, penalty)
    raise OperandError(f"deltas: received {type(model).__name__}, expected an MLP or a Sequential with Linear layers.")


def _of_tensors(model: Sequential, rows: np.ndarray, y: Any, loss: Any, penalty: Any) -> list[LayerTerms]:
    a: Any = Tensor(rows, requires_grad=False)
    seen: list[tuple[str, Linear, Any, Any]] = []
    for i, module in enumerate(model):
        inputs, a = a, module(a)
        if isinstance(module, Linear):
            seen.append((str(i), module, inputs, a))
    total = loss(a, y)
    (total if penalty is None else total + penalty(model)).backward()
    return [
        LayerTerms(name, inputs.data, z.data, z.grad, m.weight.grad, None if m.bias is None else m.bias.grad) for name, m, inputs, z in seen
    ]


def _of_values(model: MLP, rows: np.ndarray, y: Any, loss: Any, penalty: Any) -> list[LayerTerms]:
    outputs: list[Any] = []
    nodes: list[list[tuple[list[Any], list[Any]]]] = [[] for _ in model.layers]
    for row in rows.tolist():
        a: Any = row
        for depth, layer in enumerate(model.layers):
            inputs, a = a, layer(a)
            out = a if isinstance(a, list) else [a]
            nodes[depth].append((inputs if isinstance(inputs, list) else [inputs], [_before_activation(v) for v in out]))
        outputs.append(a)
    total = loss(outputs, y)
    (total if penalty is None else total + penalty(model)).backward()
    found = []
    for depth, (layer, samples) in enumerate(zip(model.layers, nodes, strict=True)):
        inputs = np.array([[getattr(v, "data", v) for v in row] for row, _ in samples])
        z = np.array([[v.data for v in zs] for _, zs in samples])
        delta = np.array([[v.grad for v in zs] for _, zs in samples])
        weight = np.array([[w.grad for w in neuron.w] for neuron in layer.neurons])
        biases = [neuron.b.grad for neuron in layer.neurons if isinstance(neuron.b, Value)]
        found.append(LayerTerms(str(2 * depth), inputs, z, delta, weight, np.array(biases) if biases else None))
    return found


def _before_activation(out: Any) -> Any:
    """The weighted sum below an activation, or the output itself where there is none."""
    while out.op is not None and out.op.name != "weighted_sum":
        out = out.parents[0]
    return out
