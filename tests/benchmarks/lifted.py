"""P3 and P3b: a scalar model lifted once, then forward, backward and SGD, against NumPy by hand and against the peers."""

import importlib
import random
import time

import numpy as np

from autograd_core import Value, lift

from .harness import Row, interleaved

LEARNING_RATE = 0.1
L2 = 1e-4


def moons(n):
    """Two interleaved half circles, and labels of ±1."""
    rng = np.random.default_rng(1337)
    angle, label = np.pi * rng.random(n), np.arange(n) % 2
    x = np.stack([np.cos(angle) + label, np.sin(angle) * (1 - 2 * label) + 0.5 * label], 1)
    return x + 0.1 * rng.normal(size=x.shape), 2.0 * label - 1.0


def initial(hidden):
    """The parameters of 2-h-h-1, neuron by neuron: weights, then bias."""
    rng = random.Random(1337)
    sizes = ((2, hidden), (hidden, hidden), (hidden, 1))
    return np.array([v for nin, nout in sizes for _ in range(nout) for v in [*(rng.uniform(-1, 1) for _ in range(nin)), 0.0]])


def split(theta, hidden):
    """[W1, b1, W2, b2, W3, b3] out of the flat vector."""
    arrays, start = [], 0
    for nin, nout in ((2, hidden), (hidden, hidden), (hidden, 1)):
        block = theta[start : start + nout * (nin + 1)].reshape(nout, nin + 1)
        arrays += [block[:, :-1].copy(), block[:, -1].copy()]
        start += block.size
    return arrays


def record(n, hidden):
    """The loss of micrograd's demo, one number at a time: plain loops over samples, neurons and weights."""
    x, y = moons(n)
    values = [Value(v) for v in initial(hidden).tolist()]
    feed = iter(values)
    layers = []
    for nin, nout in ((2, hidden), (hidden, hidden), (hidden, 1)):
        layers.append([([next(feed) for _ in range(nin)], next(feed)) for _ in range(nout)])
    rows, losses = [[Value(v) for v in row] for row in x.tolist()], []
    for row, label in zip(rows, y.tolist()):
        h = row
        for depth, layer in enumerate(layers):
            h = [sum((wi * xi for wi, xi in zip(w, h)), b) for w, b in layer]
            if depth < 2:
                h = [z.relu() for z in h]
        losses.append((1 + -label * h[0]).relu())
    return sum(losses) * (1.0 / n) + L2 * sum(p * p for p in values), values, rows


def descend(program, rate):
    """A training step of a program: loss, gradient, and plain gradient descent on theta, in place."""
    theta = program.theta.data
    rate, update = np.array(rate, theta.dtype), np.zeros_like(theta)

    def step():
        loss = program()
        program.backward()
        np.multiply(program.theta.grad, rate, update)
        np.subtract(theta, update, theta)
        return loss

    return step


def lifted(n, hidden):
    """The step of a lifted program, and how long lifting took."""
    loss, values, rows = record(n, hidden)
    start = time.perf_counter()
    program = lift(loss, params=values, inputs=rows)
    took = time.perf_counter() - start
    return descend(program, LEARNING_RATE), took


def idiomatic(n, hidden):
    """The same in NumPy, as one writes it."""
    x, y = moons(n)
    arrays = split(initial(hidden), hidden)

    def step():
        w1, b1, w2, b2, w3, b3 = arrays
        z1 = x @ w1.T + b1
        h1 = np.maximum(z1, 0)
        z2 = h1 @ w2.T + b2
        h2 = np.maximum(z2, 0)
        margin = 1 - y * (h2 @ w3.T + b3)[:, 0]
        loss = np.maximum(margin, 0).mean() + L2 * sum((p * p).sum() for p in arrays)
        g = ((margin > 0) * (-y) / n)[:, None]
        g2 = (g @ w3) * (z2 > 0)
        g1 = (g2 @ w2) * (z1 > 0)
        for p, gp in zip(arrays, (g1.T @ x, g1.sum(0), g2.T @ h1, g2.sum(0), g.T @ h2, g.sum(0))):
            p -= LEARNING_RATE * (gp + 2 * L2 * p)
        return loss

    return step


def hand_tuned(n, hidden):
    """The same in NumPy with every trick: biases absorbed, buffers, `out=`, feature by feature."""
    x, y = moons(n)
    h = hidden
    p = initial(h)
    g, t = np.zeros_like(p), np.zeros_like(p)
    a, b = 3 * h, 3 * h + (h + 1) * h
    w1, w2, w3 = p[:a].reshape(h, 3), p[a:b].reshape(h, h + 1), p[b:]
    d1, d2, d3 = g[:a].reshape(h, 3), g[a:b].reshape(h, h + 1), g[b:]
    x1, h1, h2 = np.ones((3, n)), np.ones((h + 1, n)), np.ones((h + 1, n))
    x1[:2] = x.T
    r1, r2 = h1[:h], h2[:h]
    s, m, gs, ones = np.zeros(n), np.zeros(n), np.zeros(n), np.ones(n)
    g2, g1, k = np.zeros((h, n)), np.zeros((h, n)), np.zeros((h, n))
    turned, column, row, x1t, h1t = w2[:, :h].T, w3[:h].reshape(h, 1), gs.reshape(1, n), x1.T, h1.T
    minus_y, seed = -y, -y / n
    zero, one, twice, rate = np.array(0.0), np.array(1.0), np.array(2 * L2), np.array(LEARNING_RATE)
    dot, maximum, multiply, add, sign = np.dot, np.maximum, np.multiply, np.add, np.sign

    def step():
        dot(w1, x1, r1)
        maximum(r1, zero, out=r1)
        dot(w2, h1, r2)
        maximum(r2, zero, out=r2)
        dot(w3, h2, s)
        multiply(s, minus_y, m)
        add(m, one, m)
        maximum(m, zero, out=m)
        loss = dot(m, ones) / n + L2 * dot(p, p)
        sign(m, m)
        multiply(m, seed, gs)
        dot(h2, gs, d3)
        multiply(column, row, g2)
        sign(r2, k)
        multiply(g2, k, g2)
        dot(g2, h1t, d2)
        dot(turned, g2, g1)
        sign(r1, k)
        multiply(g1, k, g1)
        dot(g1, x1t, d1)
        multiply(p, twice, t)
        add(g, t, g)
        multiply(g, rate, t)
        np.subtract(p, t, p)
        return loss

    return step


def torch_eager(n, hidden):
    """The same in PyTorch, two threads, float64."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(2)
    x, y = moons(n)
    linear, relu = torch.nn.Linear, torch.nn.ReLU
    model = torch.nn.Sequential(linear(2, hidden), relu(), linear(hidden, hidden), relu(), linear(hidden, 1)).double()
    parameters = list(model.parameters())
    with torch.no_grad():
        for p, start in zip(parameters, split(initial(hidden), hidden)):
            p.copy_(torch.tensor(start))
    x, y = torch.tensor(x), torch.tensor(y)

    def step():
        loss = (1 - y * model(x)[:, 0]).relu().mean() + L2 * sum((p * p).sum() for p in parameters)
        for p in parameters:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p -= LEARNING_RATE * p.grad
        return loss.item()

    return step


def jax_jit(n, hidden):
    """The same in JAX, compiled."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = importlib.import_module("jax.numpy")
    x, y = map(jnp.array, moons(n))
    state = [jnp.array(w) for w in split(initial(hidden), hidden)]

    def loss_of(w):
        h = jnp.maximum(x @ w[0].T + w[1], 0)
        h = jnp.maximum(h @ w[2].T + w[3], 0)
        s = (h @ w[4].T + w[5])[:, 0]
        return jnp.maximum(1 - y * s, 0).mean() + L2 * sum((p * p).sum() for p in w)

    @jax.jit
    def update(w):
        loss, g = jax.value_and_grad(loss_of)(w)
        return loss, [p - LEARNING_RATE * q for p, q in zip(w, g)]

    def step():
        loss, state[:] = update(state)
        return float(loss.block_until_ready())

    return step


PEERS = {"NumPy, idiomatic": idiomatic, "NumPy, hand-tuned": hand_tuned, "torch eager, 2 threads": torch_eager, "jax.jit": jax_jit}
REACH = {
    ("P3", "torch eager, 2 threads"): ("≥ 6×, aim ≥ 15×", 6.0),
    ("P3", "NumPy, idiomatic"): ("≥ 1×", 1.0),
    ("P3", "NumPy, hand-tuned"): ("aim ≥ 0.91×", 1 / 1.1),
    ("P3b", "torch eager, 2 threads"): ("≥ 4×", 4.0),
    ("P3b", "jax.jit"): ("> 1×", 1.0),
}


def rows(quick=False):
    """The lines of the table."""
    for number, n, hidden in (("P3", 100, 16), ("P3b", 1000, 16), ("P3b", 100, 64)):
        if quick and n > 100:
            continue
        step, took = lifted(n, hidden)
        expected = step()
        for name, build in PEERS.items():  # one after the other: the threads of one peer would disturb another
            try:
                peer = build(n, hidden)
            except ImportError:
                continue
            loss = peer()
            assert abs(loss - expected) < 1e-9, f"{name} computes another loss"
            times = interleaved({"lifted": step, name: peer}, seconds=0.5 if quick else 2.0)
            reach, least = REACH.get((number, name), ("", 0.0))
            ratio = times[name] / times["lifted"]
            work = f"moons {n}, 2-{hidden}-{hidden}-1, lifted in {took:.2f} s"
            yield Row(number, work, name, times["lifted"], times[name], reach, ratio >= least if reach else None)


if __name__ == "__main__":
    for line in rows():
        print(line, flush=True)
