"""Several runs at once, in threads and in tasks, from the first call on: each gets the numbers it would have got alone."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag
import nn
from autograd_core import Tensor, Value, detect_anomaly, draw, explain, grad, hessian, jvp, lift, no_grad
from autograd_core.arguments import checked

ROOT = Path(__file__).resolve().parent.parent
X, Y = nn.data.moons(40, noise=0.1, rng=0)


def weights(model, history):
    """What a run has come to, bit for bit."""
    return [array.tobytes() for array in model.state_dict().values()], history["loss"]


def tensors(seed):
    model = nn.Sequential(nn.Linear(2, 6, rng=seed), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.2, rng=seed), nn.Linear(6, 2, rng=seed))
    return weights(model, nn.fit(model, X, Y, loss="cross_entropy", epochs=4, batch_size=10, validation=0.2, metrics="accuracy", rng=seed, progress=False))


def scalars(seed):
    model = nn.MLP(2, [3, 1], rng=seed)
    return weights(model, nn.fit(model, X, 2 * Y - 1, loss="hinge", epochs=3, batch_size=10, rng=seed, progress=False))


def loop(seed):
    w = [Value(v) for v in np.random.default_rng(seed).normal(size=8)]
    for _ in range(10):
        for v in w:
            v.grad = 0.0
        loss = sum(((a * b).tanh() for a, b in zip(w, w[1:])), 0.0) ** 2
        loss.backward()
        for v in w:
            v.data -= 0.05 * v.grad
    return [v.data for v in w], loss.data


def transforms(seed):
    x = np.random.default_rng(seed).normal(size=4)
    f = lambda x: ag.exp(-x).sum() + (np.sin(x) ** 2).sum() * x[0]
    return hessian(f)(x).tobytes(), grad(f)(x).tobytes(), jvp(f, (x,), (np.ones(4),))[1], grad(grad(lambda t: t**4 * ag.sin(t)))(x[0])


def lifted(seed):
    rng = np.random.default_rng(seed)
    w = [[Value(v) for v in row] for row in rng.normal(size=(3, 3))]
    loss = sum(sum(sum((a * b for a, b in zip(row, s)), 0.0).tanh() for row in w) ** 2 for s in rng.normal(size=(6, 3)).tolist())
    program = lift(loss, params=[v for row in w for v in row])
    program.backward()
    return program(), program.theta.grad.tobytes(), str(program)


def pictures(seed):
    x = Value(0.1 * seed, label="x")
    z = (x * x + x).tanh() * x
    z.backward()
    return draw(z).svg, str(explain(z)), x.grad


def modes(seed):
    x, found = Value(float(seed)), []
    for _ in range(20):
        with no_grad():
            found.append(len((x * x).parents))
        with detect_anomaly(), pytest.raises(ag.errors.AnomalyError):
            (x * 0.0).log()
        found += [len((x * x).parents), (x * 0.0).log().data]
    return found


WORK = [(work, seed) for work in (tensors, scalars, loop, transforms, lifted, pictures, modes) for seed in (1, 2)]


def in_threads(rounds=2):
    """What every piece of work gives while all of them run."""
    found, problems = [[] for _ in WORK], []

    def go(k, work, seed):
        try:
            found[k].extend(work(seed) for _ in range(rounds))
        except BaseException as problem:
            problems.append((work.__name__, problem))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=go, args=(k, *piece)) for k, piece in enumerate(WORK)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(300)
    finally:
        sys.setswitchinterval(interval)
    assert problems == []
    return found


def assert_each_alone_gives_the_same(found):
    """Each piece of work, alone, gives the same."""
    for (work, seed), several in zip(WORK, found, strict=True):
        alone = work(seed)
        assert several and all(one == alone for one in several), (work.__name__, seed)


def test_threads_at_once_find_what_one_alone_finds(count):
    assert_each_alone_gives_the_same(in_threads())
    count("runs in threads at once", 2 * len(WORK))


def test_threads_from_the_first_call_on():
    """What is looked up once, at the first call, may be looked up by several threads at once."""
    code = f"import runpy; space = runpy.run_path({str(Path(__file__))!r}); space['assert_each_alone_gives_the_same'](space['in_threads'](1))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr


def test_tasks_at_once_find_what_one_alone_finds():
    async def go(work, seed):
        found = []
        for _ in range(2):
            found.append(work(seed))
            await asyncio.sleep(0)
        return found

    async def everything():
        return await asyncio.gather(*(go(*piece) for piece in WORK))

    assert_each_alone_gives_the_same(asyncio.run(everything()))


def test_a_first_call_from_two_threads():
    meet = threading.Barrier(2)
    space = {"checked": checked}

    def number():
        meet.wait(30)
        return float

    space["number"] = number
    exec("@checked\ndef double(x: 'number()'):\n    return 2.0 * x", space)
    found = []
    workers = [threading.Thread(target=lambda: found.append(space["double"](1.5))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert found == [3.0, 3.0]
    assert space["double"](2.0) == 4.0


FORKS = """
import os, signal, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)    # of forking beside threads, which is what is tried here
import autograd_core as ag
from autograd_core import Tensor, Value

inside = threading.Event()

def slow(m, out, x):
    if isinstance(x, float):
        inside.set()
        time.sleep(0.3)
    return 2.0 * x

op = ag.Op(name="slow_square", array=lambda x: x * x, scalar=lambda x: x * x, d=(slow,), numpy=())
y = Value(3.0)
worker = threading.Thread(target=op(y).backward)
worker.start()
inside.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(30)
    x = Value(3.0)
    (x * x).backward()
    os._exit(0 if x.grad == y.grad == 6.0 else 1)
worker.join()
x = Value(2.0)
(x * x).backward()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), y.grad, x.grad)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_is_forked_while_a_thread_runs_backward():
    done = subprocess.run([sys.executable, "-c", FORKS], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, encoding="utf-8", timeout=120)
    assert done.stdout.split() == ["0", "6.0", "4.0"], done.stderr


def test_a_generator_holds_a_graph_while_others_compute():
    def partial_sums(x):
        total = Tensor(0.0)
        for k in range(5):
            total = total + (x * float(k)).sum()
            yield total

    x, y = Tensor(np.ones(2)), Tensor(np.ones(3))
    for left, right in zip(partial_sums(x), partial_sums(y)):
        with no_grad():
            left * right
        x.grad = y.grad = None
        (left * right).backward()
    np.testing.assert_array_equal(x.grad, np.full(2, 10.0 * 30.0))
    np.testing.assert_array_equal(y.grad, np.full(3, 10.0 * 20.0))
