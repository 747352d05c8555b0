"""The demo, `python -m nn`: a scalar network on two moons, a tensor network on handwritten digits, and pictures of both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from autograd_core import Value, draw, explain
from autograd_core.errors import MissingExtraError
from autograd_core.viz import say

from . import plot
from .activations import ReLU
from .axes import pyplot
from .data import digits, moons, train_test_split
from .history import History
from .inference import predict
from .layers import Dropout, Linear, Sequential
from .losses import l2_penalty
from .module import Module
from .neuron import MLP, Neuron
from .schedules import CosineAnnealingLR
from .train import fit

__all__ = ["main", "table"]


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as aligned columns; the first is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _save(ax: Any, path: Path) -> Path:
    """Write the figure of some axes, and let it go."""
    ax.figure.savefig(path, dpi=130)
    pyplot().close(ax.figure)
    return path


def _moons(seed: int, progress: bool, page: Path) -> tuple[MLP, History, np.ndarray, np.ndarray]:
    x, y = moons(100, noise=0.1, rng=seed)
    model = MLP(2, [16, 16, 1], activation="relu", rng=seed)
    history = fit(
        model, x, 2 * y - 1, loss="hinge", optimizer="adam", lr=0.02, epochs=60, batch_size=20, metrics="accuracy",
        penalty=lambda m: l2_penalty(m, 1e-4), rng=seed, progress=progress, live=page,
    )  # fmt: skip
    return model, history, x, y


def _digits(seed: int, progress: bool) -> tuple[Sequential, History, np.ndarray, np.ndarray]:
    x, y = digits()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test=0.2, stratify=True, rng=seed)
    model = Sequential(Linear(64, 128, rng=seed), ReLU(), Dropout(0.4, rng=seed), Linear(128, 64, rng=seed + 1), ReLU(), Linear(64, 10, rng=seed + 2))
    history = fit(
        model, x_train, y_train, loss="cross_entropy", optimizer="adam", lr=3e-3, epochs=60, batch_size=32,
        schedule=lambda optimizer: CosineAnnealingLR(optimizer, 60),
        validation=(x_test, y_test), metrics="accuracy", rng=seed, progress=progress,
    )  # fmt: skip
    return model, history, x_test, y_test


def _neuron() -> Any:
    """A neuron with two inputs, as every course draws it, with the gradients of its output."""
    neuron = Neuron(2, activation="tanh", rng=0)
    for parameter, number in zip(neuron.parameters(), (0.6, -0.4, 0.1), strict=True):
        parameter.data = number
    y = neuron([Value(1.5, label="x1"), Value(-2.0, label="x2")])
    y.label = "y"
    y.backward()
    return y


def _row(name: str, model: Module, history: History, samples: int, accuracy: str, seconds: float) -> tuple[str, ...]:
    """A line of the table of results."""
    numbers = f"{model.number_of_parameters():,}", f"{samples:,}", str(len(history)), f"{history.last('loss'):.4f}"
    return (name, *numbers, accuracy, f"{seconds:.1f}")


def main(output: str | Path = "demo_output", *, seed: int = 0, progress: bool = True) -> list[Path]:
    """Train both networks, print a table, write the pictures into a folder, and return their paths."""
    try:
        import matplotlib as mpl
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f'the demo needs {error.name}, which is not installed; pip install "autograd-core[demo]"') from error
    mpl.use("Agg")
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    training, steps = folder / "moons_training.html", folder / "neuron_steps.html"
    started = time.perf_counter()
    say("1/2  two moons: an MLP 2-16-16-1 on Value, one number at a time")
    scalar, scalar_history, x, y = _moons(seed, progress, training)
    middle = time.perf_counter()
    say("2/2  handwritten digits: an MLP 64-128-64-10 on Tensor")
    tensor, tensor_history, x_test, y_test = _digits(seed, progress)
    ended = time.perf_counter()

    held = float(np.mean(predict(tensor, x_test).argmax(axis=1) == y_test))
    right = float(np.mean((predict(scalar, x) > 0) == (y == 1)))
    say("\n" + table([
        ("", "parameters", "samples", "epochs", "loss", "accuracy", "seconds"),
        _row("two moons", scalar, scalar_history, len(x), f"{right:.1%} of training set", middle - started),
        _row("digits", tensor, tensor_history, 1797 - len(x_test), f"{held:.1%} of {len(x_test)} held out", ended - middle),
    ]) + "\n")  # fmt: skip
    if scalar_history.lifted:
        say("The steps on Value were recorded once and replayed as a program of matrix products (autograd_core.lift).\n")

    neuron = _neuron()
    graph = folder / "neuron_graph.svg"
    draw(neuron).save(graph)
    explain(neuron).save(steps)
    written = [
        (steps, "backpropagation through one neuron, product by product: open it in a browser"),
        (training, "the scalar network while it learned, with a slider over the epochs: open it in a browser"),
        (_save(plot.decision_boundary(scalar, x, 2 * y - 1, title="Two moons: where the scalar MLP draws the line"), folder / "moons_decision_boundary.png"),
         "what the scalar network answers all over the plane"),
        (_save(plot.loss_curves(scalar_history, title="Two moons: hinge loss of the scalar MLP"), folder / "moons_loss.png"), "its loss over the epochs"),
        (_save(plot.loss_curves(tensor_history, title="Digits: cross-entropy of the tensor MLP"), folder / "digits_loss.png"),
         "loss of the digits network, with the generalisation gap"),
        (_save(plot.misclassified(tensor, x_test, y_test), folder / "digits_misclassified.png"), "the held-out digits it gets wrong"),
        (_save(plot.weight_images(tensor[0]), folder / "digits_weights.png"), "what its first neurons look for"),
        (graph, "the backpropagation graph of one neuron, with data and gradients"),
    ]  # fmt: skip
    say(f"written ({time.perf_counter() - started:.0f} s in all):")
    for path, what in written:
        say(f"  {path}  {what}")
    return [path for path, _ in written]
