"""P4 and P5: a tensor MLP with cross-entropy and SGD, eager, against NumPy by hand and against the peers."""

import numpy as np

import nn
from autograd_core import Tensor

from .harness import Row, interleaved

SIZES = (
    ((2, 16, 16, 2), 100, 1.5),
    ((64, 128, 64, 10), 32, 1.5),
    ((64, 128, 64, 10), 256, 1.1),
    ((784, 512, 512, 10), 256, 1.1),
)


def problem(sizes, batch, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, sizes[0])).astype(dtype)
    y = rng.integers(0, sizes[-1], batch)
    weights = [rng.normal(size=(b, a)).astype(dtype) / dtype(np.sqrt(a)) for a, b in zip(sizes, sizes[1:])]
    biases = [np.zeros(b, dtype) for b in sizes[1:]]
    return x, y, weights, biases


def ours(sizes, batch, dtype):
    x, y, weights, biases = problem(sizes, batch, dtype)
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b, dtype=dtype), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    for p, start in zip(model.parameters(), [v for pair in zip(weights, biases) for v in pair]):
        p.data = start
    optimizer = nn.SGD(model.parameters(), lr=0.01)

    def step():
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def by_hand(sizes, batch, dtype):
    x, y, weights, biases = problem(sizes, batch, dtype)
    rows, lr = np.arange(batch), dtype(0.01)

    def step():
        hidden = [x]
        for i, (w, b) in enumerate(zip(weights, biases)):
            z = hidden[-1] @ w.T + b
            hidden.append(np.maximum(z, 0) if i < len(weights) - 1 else z)
        z = hidden[-1] - hidden[-1].max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = -(z[rows, y] - np.log(total[:, 0])).mean()
        g = e / total
        g[rows, y] -= 1
        g /= batch
        for i in reversed(range(len(weights))):
            gw, gb = g.T @ hidden[i], g.sum(axis=0)
            if i:
                g = (g @ weights[i]) * (hidden[i] > 0)
            weights[i] -= lr * gw
            biases[i] -= lr * gb
        return loss

    return step


def with_torch(sizes, batch, dtype):
    import torch

    torch.set_num_threads(2)
    x, y, weights, biases = problem(sizes, batch, dtype)
    layers = []
    for w, b in zip(weights, biases):
        layer = torch.nn.Linear(w.shape[1], w.shape[0], dtype=torch.float64 if dtype == np.float64 else torch.float32)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(w))
            layer.bias.copy_(torch.tensor(b))
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    tx, ty = torch.tensor(x), torch.tensor(y)

    def step():
        loss = torch.nn.functional.cross_entropy(model(tx), ty)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def with_hips(sizes, batch, dtype):
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, y, weights, biases = problem(sizes, batch, dtype)
    rows = np.arange(batch)

    def loss(parameters):
        h = x
        for i, (w, b) in enumerate(parameters):
            h = anp.dot(h, w.T) + b
            h = anp.maximum(h, 0) if i < len(parameters) - 1 else h
        top = anp.max(h, axis=1, keepdims=True)
        logs = h - top - anp.log(anp.sum(anp.exp(h - top), axis=1, keepdims=True))
        return -anp.mean(logs[rows, y])

    both, parameters, lr = value_and_grad(loss), list(zip(weights, biases)), dtype(0.01)

    def step():
        value, grads = both(parameters)
        for (w, b), (gw, gb) in zip(parameters, grads):
            w -= lr * gw
            b -= lr * gb
        return value

    return step


def with_mygrad(sizes, batch, dtype):
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    x, y, weights, biases = problem(sizes, batch, dtype)
    weights, biases, lr = [mg.tensor(w) for w in weights], [mg.tensor(b) for b in biases], dtype(0.01)

    def step():
        h = x
        for i, (w, b) in enumerate(zip(weights, biases)):
            h = mg.matmul(h, w.T) + b
            h = mg.maximum(h, 0) if i < len(weights) - 1 else h
        loss = softmax_crossentropy(h, y)
        loss.backward()
        for p in (*weights, *biases):
            p.data -= lr * p.grad
            p.null_grad()
        return loss.item()

    return step


def rows(seconds=2.0):
    for sizes, batch, allowed in SIZES:
        for dtype in (np.float64, np.float32):
            work = f"{'-'.join(map(str, sizes))}, batch {batch}, {np.dtype(dtype).name}"
            steps = {"ours": ours(sizes, batch, dtype), "NumPy by hand": by_hand(sizes, batch, dtype)}
            for name, make in (("torch eager", with_torch), ("HIPS autograd", with_hips), ("MyGrad", with_mygrad)):
                try:
                    steps[name] = make(sizes, batch, dtype)
                except ImportError:
                    continue
            first = {name: step() for name, step in steps.items()}
            for name, value in first.items():
                assert abs(value - first["NumPy by hand"]) < 1e-3 * abs(value), f"{name} computes another loss"
            times = interleaved(steps, seconds=seconds)
            for name, t in times.items():
                if name == "NumPy by hand":
                    yield Row("P4", work, name, times["ours"], t, f"at most {allowed}× its time", times["ours"] <= allowed * t)
                elif name != "ours":
                    yield Row("P5", work, name, times["ours"], t, "faster", times["ours"] < t)


_ = Tensor
