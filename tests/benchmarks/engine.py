"""P6 to P9: the gradient over its function, cost per node, a Hessian, and the import."""

import os
import subprocess
import sys
import time
import tracemalloc
from statistics import median

import numpy as np

import autograd_core as ag
from autograd_core import Value

from .harness import Row, interleaved


def gradient_over_function():
    x = np.random.default_rng(0).normal(size=10**6)

    def f(x):
        return np.sum(np.tanh(x) * np.exp(-x * x) + np.sin(x))

    gradient = ag.grad(f)
    times = interleaved({"f": lambda: f(x), "grad": lambda: gradient(x)}, seconds=3.0, rounds=15)
    yield Row("P6", "gradient of a function of 10⁶ elements", "the function", times["grad"], times["f"], "at most 3× its time",
              times["grad"] <= 3 * times["f"])


def chain(n):
    v = Value(0.999)
    w = v
    for _ in range(n // 2):
        w = w * v + v
    return w


def tree(n):
    level = [Value(0.999) for _ in range(n // 2)]
    while len(level) > 1:
        level = [a * b for a, b in zip(level[::2], level[1::2])] + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def cost_per_node():
    for name, build in (("chain", chain), ("tree", tree)):
        costs = {}
        for n in (1_000, 10_000, 100_000, 1_000_000):
            runs = []
            for _ in range(max(3, 200_000 // n)):
                start = time.perf_counter()
                build(n).backward()
                runs.append((time.perf_counter() - start) / n)
            costs[n] = median(runs)
        growth = costs[1_000_000] / costs[1_000]
        yield Row("P7", f"{name}: a node of 10⁶, forward and backward", "a node of 10³", costs[1_000_000], costs[1_000],
                  "grows ≤ 1.5×", growth <= 1.5)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    root = chain(100_000)
    root.backward()
    size = (tracemalloc.get_traced_memory()[0] - before) / 100_000
    tracemalloc.stop()
    yield f"P7   {size:.0f} bytes a scalar node with its gradient   (reach: at most 200)   {'reached' if size <= 200 else 'NOT reached'}"


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def hessian_of_rosenbrock():
    x = np.linspace(-1.0, 1.0, 100)
    ours = ag.hessian(rosenbrock)
    functions = {"ours": lambda: ours(x)}
    try:
        import torch

        torch.set_num_threads(2)
        theirs, t = torch.func.hessian(rosenbrock), torch.tensor(x)
        assert np.allclose(theirs(t).numpy(), ours(x))
        functions["torch.func"] = lambda: theirs(t)
    except ImportError:
        pass
    times = interleaved(functions, seconds=3.0)
    if "torch.func" in times:
        yield Row("P8", "Hessian of Rosenbrock, n = 100", "torch.func.hessian", times["ours"], times["torch.func"], "faster",
                  times["ours"] < times["torch.func"])


def import_time():
    code = (
        "import time; a = time.perf_counter(); import numpy; b = time.perf_counter(); import autograd_core; "
        "c = time.perf_counter(); print(b - a, c - a)"
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    pairs = []
    for _ in range(12):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, env=env).stdout
        pairs.append(tuple(map(float, out.split())))
    numpy, both = (median(p[i] for p in pairs[2:]) for i in (0, 1))
    yield Row("P9", "import autograd_core", "import numpy", both, numpy, "at most 1.3× its time", both <= 1.3 * numpy)


def rows():
    yield from gradient_over_function()
    yield from cost_per_node()
    yield from hessian_of_rosenbrock()
    yield from import_time()
