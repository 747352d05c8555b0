"""P1 and P2: micrograd's training step on our `Value`, with micrograd's own network and with ours."""

import gc
import random
import sys
from pathlib import Path

import nn
from autograd_core import Value

from .harness import Row, interleaved


def moons():
    """The hundred points of micrograd's demo, labels ±1."""
    X, y = nn.data.moons(100, noise=0.1, rng=1337)
    return X.tolist(), [2.0 * t - 1.0 for t in y]


def micrograd_step(value, network, *, collect=True):
    """Forward, hinge loss with L2, backward and SGD, as in micrograd's notebook; `network` is its own nn.py."""
    X, y = moons()
    random.seed(1337)
    model = network(2, [16, 16, 1])

    def step():
        inputs = [list(map(value, row)) for row in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores)]
        total = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        return total.data

    def without_collector():
        gc.disable()
        try:
            return step()
        finally:
            gc.enable()

    return step if collect else without_collector


def network_on(value):
    """micrograd's own nn.py, with its Value replaced: only the import line changes."""
    import micrograd.nn

    source = Path(micrograd.nn.__file__).read_text(encoding="utf-8").replace("from micrograd.engine import Value", "")
    space = {"Value": value, "__name__": "micrograd_nn"}
    exec(source, space)
    return space["MLP"]


def our_step():
    """The same step with our network: fused neurons, the same loss, our optimiser."""
    X, y = moons()
    model = nn.MLP(2, [16, 16, 1], activation="relu", rng=1337)
    optimizer = nn.SGD(model.parameters(), lr=0.1)
    inputs = [list(map(Value, row)) for row in X]

    def step():
        total = nn.hinge_loss([model(x) for x in inputs], y) + nn.l2_penalty(model, 1e-4)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        return total.data

    return step


def rows(seconds=20.0):
    sys.setrecursionlimit(100_000)
    from micrograd.engine import Value as Micro

    steps = {
        "micrograd": micrograd_step(Micro, network_on(Micro)),
        "micrograd, collector off": micrograd_step(Micro, network_on(Micro), collect=False),
        "ours in its network": micrograd_step(Value, network_on(Value)),
        "ours": our_step(),
    }
    first = [steps[name]() for name in ("micrograd", "ours in its network")]
    assert abs(first[0] - first[1]) < 1e-9, "the two engines compute different losses"
    times = interleaved(steps, seconds=seconds, rounds=5, block=6)
    micro, without = times["micrograd"], times["micrograd, collector off"]
    one, two = times["ours in its network"], times["ours"]
    yield Row("P1", "moons step, micrograd's nn.py on our Value", "micrograd", one, micro, "≥ 10×", micro >= 10 * one)
    yield Row("P1", "moons step, micrograd's nn.py on our Value", "micrograd, collector off", one, without, "")
    yield Row("P2", "moons step, our nn.MLP on Value", "micrograd", two, micro, "≥ 35×", micro >= 35 * two)
    yield Row("P2", "moons step, our nn.MLP on Value", "micrograd, collector off", two, without, "")
