"""P4 again: the graph of a tensor model, lifted once and replayed, against NumPy by hand, our own eager tensors, and jax.jit.

And `nn.fit`, which lifts by itself, against itself without that, and against the same loop in torch.
"""

import contextlib
import importlib

import numpy as np

import nn
from autograd_core import Tensor, lift

from .harness import Row, interleaved
from .lifted import descend
from .tensor import SIZES, by_hand, ours, problem


def lifted_tensors(sizes, batch, dtype):
    """The model of P4, recorded once and replayed."""
    x, y, weights, biases = problem(sizes, batch, dtype)
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b, dtype=dtype), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    for p, start in zip(model.parameters(), [v for pair in zip(weights, biases) for v in pair]):
        p.data = start
    inputs = Tensor(x, requires_grad=False)
    return descend(lift(nn.cross_entropy(model(inputs), y), params=model.parameters(), inputs=inputs), 0.01)


def jax_tensors(sizes, batch, dtype):
    """The same in JAX, compiled."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = importlib.import_module("jax.numpy")
    x, y, weights, biases = problem(sizes, batch, dtype)
    x, picked = jnp.array(x), (jnp.arange(batch), jnp.array(y))
    state = [(jnp.array(w), jnp.array(b)) for w, b in zip(weights, biases)]

    def loss_of(layers):
        h = x
        for i, (w, b) in enumerate(layers):
            h = h @ w.T + b
            h = jnp.maximum(h, 0) if i < len(layers) - 1 else h
        return -jax.nn.log_softmax(h)[picked].mean()

    @jax.jit
    def update(layers):
        loss, g = jax.value_and_grad(loss_of)(layers)
        return loss, [(w - dtype(0.01) * gw, b - dtype(0.01) * gb) for (w, b), (gw, gb) in zip(layers, g)]

    def step():
        loss, state[:] = update(state)
        return float(loss.block_until_ready())

    return step


SAMPLES, BATCH, EPOCHS = 200, 25, 100


def fitted(lift):
    """A whole run of `fit`: 2-16-16-2, Adam, mini-batches in a new order every epoch."""
    x, y = nn.data.moons(SAMPLES, noise=0.1, rng=0)
    model = nn.Sequential(nn.Linear(2, 16, rng=0), nn.ReLU(), nn.Linear(16, 16, rng=1), nn.ReLU(), nn.Linear(16, 2, rng=2))
    return lambda: nn.fit(
        model, x, y, loss="cross_entropy", optimizer="adam", lr=1e-3, epochs=EPOCHS, batch_size=BATCH, rng=0, progress=False, lift=lift
    )


def fitted_in_torch():
    """The same run as one writes it in torch."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(2)
    x, y = nn.data.moons(SAMPLES, noise=0.1, rng=0)
    tx, ty = torch.tensor(x), torch.tensor(y)
    sizes = (torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    model = torch.nn.Sequential(*sizes).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def run():
        for _ in range(EPOCHS):
            total = 0.0
            for at in torch.randperm(SAMPLES).split(BATCH):
                loss = torch.nn.functional.cross_entropy(model(tx[at]), ty[at])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()

    return run


def fit_rows(seconds):
    """A step of `fit`, everything around it included."""
    runs = {"lifted": fitted(None), "fit(…, lift=False)": fitted(False)}
    with contextlib.suppress(ImportError):
        runs["torch, the same loop"] = fitted_in_torch()
    steps = EPOCHS * (SAMPLES // BATCH)
    times = {name: t / steps for name, t in interleaved(runs, seconds=seconds, rounds=6).items()}
    for name in list(times)[1:]:
        yield Row("fit", f"nn.fit, 2-16-16-2, batch {BATCH}, Adam: a step", name, times["lifted"], times[name], "")


def rows(seconds=1.0):
    """Replays of tensor graphs at the sizes of P4, against NumPy by hand, our own eager tensors, and jax.jit."""
    peers = {"NumPy by hand": by_hand, "our eager tensors": ours, "jax.jit": jax_tensors}
    for i, (sizes, batch, _) in enumerate(SIZES):
        for dtype in (np.float64, np.float32):
            step = lifted_tensors(sizes, batch, dtype)
            for name, build in peers.items():
                try:
                    peer = build(sizes, batch, dtype)
                except ImportError:
                    continue
                times = interleaved({"lifted": step, name: peer}, seconds=seconds)
                ratio = times[name] / times["lifted"]
                required = name == "NumPy by hand" or (name == "jax.jit" and i < 2)
                work = f"{'-'.join(map(str, sizes))}, batch {batch}, {np.dtype(dtype).name}, lifted"
                yield Row("P4", work, name, times["lifted"], times[name], "≥ 1×" if required else "", ratio >= 1.0 if required else None)
    yield from fit_rows(2.0 * seconds)


if __name__ == "__main__":
    for line in rows():
        print(line, flush=True)
