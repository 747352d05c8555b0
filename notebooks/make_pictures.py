"""Makes the pictures of the README: `python notebooks/make_pictures.py`. A test compares them with the committed ones."""

from pathlib import Path

import nn
from autograd_core import Value, draw, explain

HERE = Path(__file__).resolve().parent / "pictures"


def neuron():
    """One neuron with a loss: y = tanh(w₁x₁ + w₂x₂ + b), L = (y − 1)²."""
    x1, x2 = Value(1.5, label="x1"), Value(-2.0, label="x2")
    w1, w2, b = Value(0.6, label="w1"), Value(-0.4, label="w2"), Value(0.1, label="b")
    u, v = w1 * x1, w2 * x2
    u.label, v.label = "u", "v"
    z = u + v + b
    z.label = "z"
    y = z.tanh()
    y.label = "y"
    return y, (w1, w2, b)


def two_paths():
    """A value that is used twice: its gradient is the sum over both paths."""
    x = Value(3.0, label="x")
    a = x * x
    a.label = "a"
    y = a + 2.0 * x
    y.label = "y"
    return y


def network():
    """A network of some four hundred nodes, folded, with the gradients of one backward pass."""
    model = nn.MLP(2, [16, 16, 1], rng=0)
    out = model([Value(0.5, label="x1"), Value(-1.0, label="x2")])
    out.label = "out"
    out.backward()
    return out


def make(folder):
    """Write every picture into a folder; returns the paths."""
    y, parameters = neuron()
    y.backward()
    return [
        draw(y, parameters=parameters).save(folder / "neuron.svg"),
        explain(two_paths()).save(folder / "chain_rule.svg"),
        draw(network()).save(folder / "network.svg"),
    ]


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for path in make(HERE):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
