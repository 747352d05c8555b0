"""Makes the pictures that stand in the README: `python -m tests.viz.readme_pictures`."""

from pathlib import Path

import nn
from autograd_core import Value, draw, explain
from autograd_core.viz.animation import animation

FOLDER = Path(__file__).parent / "pictures"


def backpropagation():
    """The backward pass of a neuron, animated, without script."""
    w, x, b = Value(2.0, label="w"), Value(-1.0, label="x"), Value(0.5, label="b")
    y = (w * x + b).tanh()
    y.label = "y"
    found = explain(y)
    return animation(found._scenes[0].graph, found)


def network():
    """A network of 408 nodes, folded, with the gradients of one backward pass."""
    model = nn.MLP(2, [16, 16, 1], rng=0)
    out = model([Value(0.5, label="x1"), Value(-1.0, label="x2")])
    loss = ((out[0] if isinstance(out, list) else out) - 1.0) ** 2
    loss.label = "loss"
    loss.backward()
    return draw(loss).svg


PICTURES = {"backpropagation.svg": backpropagation, "network.svg": network}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in PICTURES.items():
        (FOLDER / name).write_text(make() + "\n", encoding="utf-8")
