"""Scalar graphs of many kinds, each built as a student would write it: a builder gives (loss, parameters, inputs)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core import Value
from autograd_core.op import TABLE

Graph = tuple[Any, list[Value], list[Value]]
WORKLOADS: dict[str, Callable[[], Graph]] = {}

ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "elu", "softplus", "silu", "gelu", "sin")


def workload(build: Callable[[], Graph]) -> Callable[[], Graph]:
    """Register a builder under its own name."""
    WORKLOADS[build.__name__] = build
    return build


def apply(name: str, *operands: Any) -> Any:
    """An operation of the table."""
    return TABLE[name](*operands)


def moons(n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles and labels of ±1."""
    rng = np.random.default_rng(1337)
    angle = math.pi * rng.random(n)
    label = np.arange(n) % 2
    x = np.stack([np.cos(angle) + label, np.sin(angle) * (1 - 2 * label) + 0.5 * label], 1)
    return x + 0.1 * rng.normal(size=x.shape), 2.0 * label - 1.0


def uniform(rng: random.Random, n: int, scale: float = 1.0) -> list[Value]:
    """Fresh leaves."""
    return [Value(rng.uniform(-scale, scale)) for _ in range(n)]


class MLP:
    """A perceptron written with Python loops, in the manner of micrograd."""

    def __init__(self, rng: random.Random, sizes: Sequence[int], activation: str = "relu", *, fused: bool = False) -> None:
        self.activation, self.fused = activation, fused
        self.layers = [
            [(uniform(rng, nin), Value(rng.uniform(-0.1, 0.1))) for _ in range(nout)]
            for nin, nout in zip(sizes, sizes[1:], strict=False)
        ]

    def __call__(self, x: Sequence[Any]) -> Any:
        """The one output for one sample."""
        for depth, layer in enumerate(self.layers, 1):
            if self.fused:
                x = [apply("weighted_sum", *w, *x, b) for w, b in layer]
            else:
                x = [sum((wi * xi for wi, xi in zip(w, x, strict=True)), b) for w, b in layer]
            if depth < len(self.layers):
                x = [apply(self.activation, z) for z in x]
        return x[0]

    def parameters(self) -> list[Value]:
        """All weights and biases, neuron by neuron."""
        return [p for layer in self.layers for w, b in layer for p in (*w, b)]


def samples(x: np.ndarray) -> list[list[Value]]:
    """Rows of an array as lists of leaves."""
    return [[Value(float(v)) for v in row] for row in x]


def flat(rows: Sequence[Sequence[Value]]) -> list[Value]:
    """The leaves of all rows, one after the other."""
    return [v for row in rows for v in row]


def hinge(model: Callable[[Any], Any], rows: Sequence[Any], labels: Sequence[Any], parameters: Sequence[Value]) -> Any:
    """micrograd's loss: mean hinge and a little L2."""
    losses = [apply("relu", 1 + -y * model(row)) for row, y in zip(rows, labels, strict=True)]
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in parameters)


@workload
def moons_relu_hinge() -> Graph:
    x, y = moons()
    model, rows = MLP(random.Random(7), (2, 16, 16, 1)), samples(x)
    return hinge(model, rows, y.tolist(), model.parameters()), model.parameters(), flat(rows)


@workload
def moons_fused_neurons() -> Graph:
    x, y = moons()
    model, rows = MLP(random.Random(7), (2, 16, 16, 1), fused=True), samples(x)
    return hinge(model, rows, y.tolist(), model.parameters()), model.parameters(), flat(rows)


@workload
def moons_plain_number_inputs() -> Graph:
    x, y = moons()
    model = MLP(random.Random(7), (2, 16, 16, 1))
    return hinge(model, x.tolist(), y.tolist(), model.parameters()), model.parameters(), []


@workload
def moons_shuffled_leaves_and_label_values() -> Graph:
    x, y = moons()
    rng = random.Random(7)
    model, rows, labels = MLP(rng, (2, 16, 16, 1)), samples(x), [Value(float(t)) for t in y]
    loss = hinge(model, rows, labels, model.parameters())
    parameters, inputs = model.parameters(), flat(rows) + labels
    rng.shuffle(parameters)
    rng.shuffle(inputs)
    return loss, parameters, inputs


def _mse(activation: str) -> Callable[[], Graph]:
    def build() -> Graph:
        x, y = moons(40)
        model, rows = MLP(random.Random(7), (2, 8, 8, 1), activation), samples(x)
        losses = [(model(row) - t) ** 2 for row, t in zip(rows, y.tolist(), strict=True)]
        return sum(losses) / len(losses), model.parameters(), flat(rows)

    return build


for _name in ACTIVATIONS:
    WORKLOADS[f"mlp_mse_{_name}"] = _mse(_name)


def tree(items: Sequence[Value]) -> Value:
    """A sum in halves, and those in halves again."""
    half = len(items) // 2
    return items[0] if len(items) == 1 else tree(items[:half]) + tree(items[half:])


@workload
def moons_tree_sums() -> Graph:
    x, y = moons()
    model, rows = MLP(random.Random(7), (2, 16, 16, 1)), samples(x)
    parts = [tree([apply("relu", 1 - float(y[j]) * model(rows[j])) for j in reversed(range(i, i + 10))]) for i in range(0, 100, 10)]
    total = parts[-1]
    for part in reversed(parts[:-1]):
        total = part + total
    parameters = model.parameters()
    return 0.01 * total + 1e-4 * tree([p * p for p in parameters]), parameters, flat(rows)


@workload
def neurons_in_mixed_order() -> Graph:
    """The order of terms and of factors differs from neuron to neuron; sums are trees."""

    rng = random.Random(7)
    sizes = [2, 16, 16, 1]
    layers = [([uniform(rng, a) for _ in range(b)], uniform(rng, b)) for a, b in zip(sizes, sizes[1:], strict=False)]
    order = {
        (depth, j): rng.sample(range(len(w)), len(w)) for depth, (ws, _) in enumerate(layers) for j, w in enumerate(ws)
    }
    x, y = moons()
    rows, losses = samples(x), []
    for row, t in zip(rows, y.tolist(), strict=True):
        h = row
        for depth, (ws, bs) in enumerate(layers):
            z = [
                tree([(w[q] * h[q] if (q + j) % 2 else h[q] * w[q]) for q in order[depth, j]] + [b])
                for j, (w, b) in enumerate(zip(ws, bs, strict=True))
            ]
            h = [apply("relu", v) for v in z] if depth < 2 else z
        losses.append(apply("relu", 1 - t * h[0]))
    return sum(losses) * 0.01, [p for ws, bs in layers for p in (*flat(ws), *bs)], flat(rows)


@workload
def logistic_regression() -> Graph:
    rng, numbers = random.Random(7), np.random.default_rng(1)
    x = numbers.normal(size=(200, 10))
    y = (x @ numbers.normal(size=10) > 0).astype(float).tolist()
    w, b, rows, losses = uniform(rng, 10, 0.1), Value(0.0), samples(x), []
    for row, t in zip(rows, y, strict=True):
        z = sum((wi * xi for wi, xi in zip(w, row, strict=True)), b)
        p = 1 / (1 + apply("exp", -z))
        losses.append(-(t * apply("log", p) + (1 - t) * apply("log", 1 - p)))
    return sum(losses) / 200, [*w, b], flat(rows)


@workload
def softmax_cross_entropy() -> Graph:
    rng = random.Random(7)
    x, y = moons(50)
    ws, rows, losses = [uniform(rng, 3) for _ in range(4)], samples(x), []
    for i, row in enumerate(rows):
        e = [apply("exp", w[0] * row[0] + w[1] * row[1] + w[2]) for w in ws]
        total = sum(e)
        losses.append(-apply("log", e[(i + int(y[i])) % 4] / total))
    return sum(losses) / 50, flat(ws), flat(rows)


@workload
def rnn_20_steps() -> Graph:
    rng = random.Random(7)
    hidden, width, steps, batch = 8, 3, 20, 10
    wx = [uniform(rng, width, 0.5) for _ in range(hidden)]
    wh = [uniform(rng, hidden, 0.5) for _ in range(hidden)]
    b, wo, bo = uniform(rng, hidden, 0.5), uniform(rng, hidden, 0.5), Value(0.1)
    sequences = [[[Value(rng.gauss(0, 1)) for _ in range(width)] for _ in range(steps)] for _ in range(batch)]
    targets, losses = [Value(rng.gauss(0, 1)) for _ in range(batch)], []
    for sequence, t in zip(sequences, targets, strict=True):
        h: list[Any] = [0.0] * hidden
        for x in sequence:
            h = [
                apply(
                    "tanh",
                    sum(wx[i][k] * x[k] for k in range(width)) + sum(wh[i][k] * h[k] for k in range(hidden)) + b[i],
                )
                for i in range(hidden)
            ]
        losses.append((sum(wo[k] * h[k] for k in range(hidden)) + bo - t) ** 2)
    inputs = [v for sequence in sequences for x in sequence for v in x] + targets
    return sum(losses) * (1 / batch), [*flat(wx), *flat(wh), *b, *wo, bo], inputs


@workload
def rnn_one_sequence() -> Graph:
    rng = random.Random(7)
    wx, wh, b = uniform(rng, 4, 0.5), [uniform(rng, 4, 0.5) for _ in range(4)], uniform(rng, 4, 0.5)
    xs = [Value(rng.gauss(0, 1)) for _ in range(20)]
    h: list[Any] = [0.0] * 4
    for x in xs:
        h = [apply("tanh", wx[i] * x + sum(wh[i][k] * h[k] for k in range(4)) + b[i]) for i in range(4)]
    return sum(v * v for v in h), [*wx, *flat(wh), *b], xs


@workload
def lstm_10_steps() -> Graph:
    rng = random.Random(7)
    hidden, width, steps, batch = 4, 2, 10, 6
    weights = {gate: [uniform(rng, width + hidden + 1, 0.5) for _ in range(hidden)] for gate in "ifog"}
    sequences = [[[Value(rng.gauss(0, 1)) for _ in range(width)] for _ in range(steps)] for _ in range(batch)]
    losses = []
    for sequence in sequences:
        h: list[Any] = [0.0] * hidden
        c: list[Any] = [0.0] * hidden
        for x in sequence:
            z = {
                gate: [sum((w * v for w, v in zip(row, [*x, *h], strict=False)), row[-1]) for row in rows]
                for gate, rows in weights.items()
            }
            i, f, o = ([apply("sigmoid", v) for v in z[gate]] for gate in "ifo")
            g = [apply("tanh", v) for v in z["g"]]
            c = [f[k] * c[k] + i[k] * g[k] for k in range(hidden)]
            h = [o[k] * apply("tanh", c[k]) for k in range(hidden)]
        losses.append(sum(v * v for v in h))
    parameters = [p for rows in weights.values() for row in rows for p in row]
    return sum(losses) / batch, parameters, [v for s in sequences for x in s for v in x]


@workload
def polynomial_powers() -> Graph:
    rng = random.Random(7)
    c, xs = uniform(rng, 6), [Value(i / 100 - 1) for i in range(200)]
    losses = []
    for x in xs:
        p = c[0] + c[1] * x + c[2] * x**2 + c[3] * x**3 + c[4] * x**4 + c[5] * x**5
        losses.append((p - math.sin(3 * x.data)) ** 2)
    return sum(losses) / 200, c, xs


@workload
def polynomial_horner() -> Graph:
    rng = random.Random(7)
    c, xs = uniform(rng, 6), [Value(i / 100 - 1) for i in range(200)]
    losses = []
    for x in xs:
        p = c[5]
        for k in (4, 3, 2, 1, 0):
            p = p * x + c[k]
        losses.append((p - math.sin(3 * x.data)) ** 2)
    return sum(losses) / 200, c, xs


@workload
def convolution_1d() -> Graph:
    rng = random.Random(7)
    kernels, width, length, n = 4, 3, 16, 20
    ws, bs = [uniform(rng, width, 0.5) for _ in range(kernels)], uniform(rng, kernels, 0.5)
    wo, bo = uniform(rng, kernels * (length - width + 1), 0.5), Value(0.1)
    rows, losses = [[Value(rng.gauss(0, 1)) for _ in range(length)] for _ in range(n)], []
    for x in rows:
        f = [
            apply("relu", sum(w[j] * x[i + j] for j in range(width)) + b)
            for w, b in zip(ws, bs, strict=True)
            for i in range(length - width + 1)
        ]
        losses.append((sum(w * v for w, v in zip(wo, f, strict=True)) + bo - 1.0) ** 2)
    return sum(losses) * (1 / n), [*flat(ws), *bs, *wo, bo], flat(rows)


@workload
def attention() -> Graph:
    rng = random.Random(7)
    width, steps, n = 4, 6, 8
    maps = {name: [uniform(rng, width, 0.5) for _ in range(width)] for name in "qkv"}
    sequences = [[[Value(rng.gauss(0, 1)) for _ in range(width)] for _ in range(steps)] for _ in range(n)]

    def project(rows: list[list[Value]], x: list[Value]) -> list[Value]:
        return [sum(w * v for w, v in zip(row, x, strict=True)) for row in rows]

    losses = []
    for sequence in sequences:
        q, k, v = ([project(maps[name], x) for x in sequence] for name in "qkv")
        for i in range(steps):
            e = [apply("exp", sum(a * b for a, b in zip(q[i], k[j], strict=True)) * 0.5) for j in range(steps)]
            scale = sum(e) ** -1
            losses.append(sum((sum(e[j] * v[j][d] for j in range(steps)) * scale) ** 2 for d in range(width)))
    parameters = [w for rows in maps.values() for row in rows for w in row]
    return sum(losses) * (1 / len(losses)), parameters, [v for s in sequences for x in s for v in x]


@workload
def dropout_masks() -> Graph:
    rng = random.Random(7)
    x, y = moons(60)
    model, rows, losses = MLP(rng, (2, 12, 1)), samples(x), []
    for row, t in zip(rows, y.tolist(), strict=True):
        h = [apply("relu", w[0] * row[0] + w[1] * row[1] + b) * rng.choice([0.0, 2.0]) for w, b in model.layers[0]]
        w, b = model.layers[1][0]
        losses.append((sum((wi * hi for wi, hi in zip(w, h, strict=True)), b) - t) ** 2)
    return sum(losses) / 60, model.parameters(), flat(rows)


@workload
def mixed_operations() -> Graph:
    """Binary operations of the table, some with a plain number on one side, and one with parameters."""
    rng = random.Random(7)
    a, b = uniform(rng, 8), uniform(rng, 8)
    xs = [Value(rng.uniform(0.1, 2.0)) for _ in range(30)]
    losses = []
    for i, x in enumerate(xs):
        u, v = a[i % 8], b[i % 8]
        losses += [
            apply("maximum", u * x, v),
            apply("minimum", u, 0.3),
            apply("arctan2", u, x),
            x**v,
            u / x + 2.0 / (1.5 + x),
            apply("hypot", u, v) ** 0.5,
            TABLE["leaky_relu"](u * v, slope=0.2),
            TABLE["clip"](u + v, min=-0.5, max=0.5),
            apply("abs", u - v) ** 1.5,
        ]
    return sum(losses) / len(losses), a + b, xs


def random_dag(rng: random.Random, leaves: int, nodes: int, window: int, operations: Sequence[str] = ("relu", "tanh")) -> Graph:
    """A directed acyclic graph without any regularity; operands come from the last `window` nodes (0: from all)."""
    start = [Value(rng.uniform(-1, 1)) for _ in range(leaves)]
    made = list(start)

    def pick() -> Value:
        return made[rng.randrange(max(0, len(made) - window), len(made))] if window else rng.choice(made)

    for _ in range(nodes):
        kind = rng.random()
        if kind < 0.2:
            z = pick() + pick()
        elif kind < 0.3:
            z = pick() + rng.choice([0, 1, -2, 0.5])
        elif kind < 0.4:
            z = pick() * rng.choice([1, -1, 2.5])
        elif kind < 0.45:
            z = pick() - pick()
        elif kind < 0.5:
            z = -pick()
        elif kind < 0.75:
            z = pick() * pick()
        else:
            z = apply(rng.choice(operations), pick())
        if not abs(z.data) <= 3:
            z = apply("tanh", z)
        made.append(z)
    if rng.random() < 0.5:
        root = sum(rng.sample(made[leaves:], rng.randint(1, nodes)))
    else:
        root = made[-1]
    rng.shuffle(start)
    cut = rng.randint(1, leaves)
    return root + 0.0, start[:cut], start[cut:]


@workload
def random_dag_wide() -> Graph:
    return random_dag(random.Random(5), 100, 3000, 0)


@workload
def random_dag_narrow() -> Graph:
    loss, parameters, inputs = random_dag(random.Random(5), 20, 2000, 10)
    return loss, parameters + inputs, []


@workload
def long_chain() -> Graph:
    w, b, x = Value(0.9), Value(0.1), Value(0.3)
    h = x
    for _ in range(2000):
        h = apply("tanh", w * h + b)
    return h, [w, b], [x]


SMOOTH = ("tanh", "sin", "cos", "sigmoid", "arctan", "softplus", "silu", "gelu", "erf", "square", "relu", "leaky_relu", "elu", "abs")


def random_net(rng: random.Random) -> Graph:
    """A small network with random sizes, activations, skip connections, masks and orders of summation."""
    n, width = rng.randint(1, 7), rng.randint(1, 4)
    parameters: list[Value] = []
    rows = [uniform(rng, width) for _ in range(n)]
    h: list[list[Any]] = list(rows)
    for _ in range(rng.randint(1, 4)):
        hidden, nin, biased = rng.randint(1, 5), len(h[0]), rng.random() < 0.7
        w, b = [uniform(rng, nin) for _ in range(hidden)], uniform(rng, hidden)
        activation = rng.choice([*SMOOTH, "id", "sq", "sig", "mul"])
        shuffled, fused = rng.random() < 0.5, rng.random() < 0.3
        skip = rng.random() < 0.3 and nin == hidden
        after = []
        for x in h:
            out = []
            for i in range(hidden):
                order = list(range(nin))
                if shuffled:
                    rng.shuffle(order)
                if fused:
                    z = apply("weighted_sum", *[w[i][k] for k in order], *[x[k] for k in order], b[i] if biased else 0.0)
                else:
                    terms = [w[i][k] * x[k] if not shuffled or rng.random() < 0.8 else x[k] * w[i][k] for k in order]
                    z = sum(terms, b[i] if biased else 0)
                if activation == "id":
                    z = z * 0.5
                elif activation == "sq":
                    z = (z * 0.3) ** 2
                elif activation == "sig":
                    z = 1 / (1 + apply("exp", -z))
                elif activation == "mul":
                    z = z * apply("tanh", z) - z / 2
                else:
                    z = apply(activation, z)
                out.append(z + x[i] if skip else z)
            after.append(out)
        h = after if rng.random() < 0.8 else [[*p, *q] for p, q in zip(h, after, strict=True)]
        parameters += flat(w) + (b if biased else [])
    loss: Any = 0
    for row in h:
        loss = loss + sum((v - rng.uniform(-1, 1)) ** 2 for v in row)
    if rng.random() < 0.5:
        loss = loss * 0.1 + 0.01 * sum(p * p for p in parameters)
    inputs = flat(rows)
    if rng.random() < 0.5:
        rng.shuffle(parameters)
    if rng.random() < 0.5:
        rng.shuffle(inputs)
    return loss, parameters, inputs


def random_graph(seed: int) -> Graph:
    """A small graph of any kind, reproducible by its seed."""
    rng = random.Random(seed)
    if seed % 2:
        return random_net(rng)
    return random_dag(rng, rng.randint(2, 20), rng.randint(5, 300), rng.choice([0, 5, 20]), SMOOTH)


Grid = list[list[Any]]


def _product(rng: random.Random, one: Grid, other: Grid) -> Grid:
    """Every row of one with every row of the other, in one of the ways in which students write it, with a bias or without."""
    k, scale = len(one[0]), rng.choice([1.0, 1.0, 0.5, -1.0])
    bias = uniform(rng, len(one)) if rng.random() < 0.4 else None
    way, shuffled = rng.choice(["sum", "fused", "scaled", "signs"]), rng.random() < 0.3
    signs = [[rng.choice([-1.0, 1.0]) for _ in other] for _ in one]
    found: Grid = []
    for i, row in enumerate(one):
        found.append([])
        for j, column in enumerate(other):
            order = rng.sample(range(k), k) if shuffled else list(range(k))
            start: Any = 0.0 if bias is None else bias[i]
            if way == "fused":
                z = apply("weighted_sum", *[row[t] for t in order], *[column[t] for t in order], start)
            elif way == "scaled":
                z = sum((scale * row[t] * column[t] for t in order), start)
            else:
                z = sum((row[t] * column[t] for t in order), start) * (signs[i][j] if way == "signs" else scale)
            found[i].append(z)
    return found


def random_loops(seed: int) -> Graph:
    """A program of arrays, written out in loops over numbers: products in a row and side by side, softmax, skips, masks, sums."""
    rng = random.Random(seed)
    width = rng.randint(1, 4)
    grids: list[Grid] = []
    leaves: list[tuple[bool, list[Value]]] = []

    def leaf(rows: int) -> Grid:
        grid: Grid = [uniform(rng, width) for _ in range(rows)]
        leaves.append((rng.random() < 0.6, flat(grid)))
        return grid

    grids += [leaf(rng.randint(1, 5)) for _ in range(rng.randint(2, 4))]
    for _ in range(rng.randint(1, 5)):
        x, y = rng.choice(grids), rng.choice(grids)
        kind = rng.choice(["product", "product", "blocks", "unary", "softmax", "mix", "rows", "mask", "same", "turned"])
        if kind == "product":
            z = _product(rng, x, y)
        elif kind == "blocks":                 # several products of one shape
            half = max(1, len(x) // 2)
            blocks = [_product(random.Random(seed), x[a : a + half], [[apply("tanh", v * 0.5) for v in row] for row in x[a : a + half]]) for a in range(0, half * (len(x) // half), half)]
            z = [row for block in blocks for row in block]
        elif kind == "unary":
            name = rng.choice(SMOOTH)
            z = [[apply(name, v) for v in row] for row in x]
        elif kind == "softmax":
            raised = [[apply("exp", v * 0.5) for v in row] for row in x]
            z = [[v / sum(row) for v in row] for row in raised]
        elif kind == "mix" and (len(x), len(x[0])) == (len(y), len(y[0])):
            how = rng.choice([lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a - 2.0 * b, lambda a, b: a * b * 0.5 - a])
            z = [[how(a, b) for a, b in zip(p, q, strict=True)] for p, q in zip(x, y, strict=True)]
        elif kind == "rows":
            z = [[sum(row) * 0.25 + 1.0] * len(row) for row in x]
        elif kind == "mask":
            z = [[v * rng.choice([0.0, 1.0, 2.0]) + rng.choice([0.0, 0.5]) for v in row] for row in x]
        elif kind == "turned":
            z = [list(column) for column in zip(*x, strict=True)]
        else:
            z = [[v / 2.0 for v in row] for row in x]
        if any(not abs(float(getattr(v, "data", v))) <= 3.0 for row in z for v in row):
            z = [[apply("tanh", v) for v in row] for row in z]
        if len(z[0]) != width:                 # back to a width at which it meets the others
            weights = leaf(len(z[0]))
            z = _product(rng, z, [list(column) for column in zip(*weights, strict=True)])
        grids.append(z[:5])
    loss: Any = rng.choice([0, 0.5])
    for grid in [*rng.sample(grids, min(len(grids), rng.randint(1, 3))), grids[-1]]:
        way = rng.choice(["plain", "plain", "squares", "weights", "tanh"])
        for row in grid:
            for v in row:
                loss = loss + (v if way == "plain" else v * v if way == "squares" else v * rng.uniform(-1, 1) if way == "weights" else apply("tanh", v))
    parameters = [v for is_parameter, values in leaves if is_parameter for v in values]
    inputs = [v for is_parameter, values in leaves if not is_parameter for v in values]
    return loss + 0.0, parameters, inputs
