"""Faults and load: interrupts in the middle of a pass, memory over many steps, and input of every wrong kind."""

import asyncio
import contextvars
import gc
import linecache
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag
import nn
from autograd_core import Tensor, Value, anomaly, backward, detect_anomaly, grad, sweeps
from autograd_core.errors import AnomalyError, AutogradError
from autograd_core.modes import WATCHED
from autograd_core.walk import LOCK


# -------------------------------------------------------------------------------------------------- interrupts
class Interrupter:
    """Raises KeyboardInterrupt at the n-th line that runs in backward.py or sweeps.py."""

    def __init__(self, n):
        self.left = n

    def __enter__(self):
        sys.settrace(self.call)

    def __exit__(self, *_):
        sys.settrace(None)

    def call(self, frame, event, arg):
        return self.line if frame.f_code.co_filename in (backward.__file__, sweeps.__file__) else None

    def line(self, frame, event, arg):
        # CPython looks for signals at calls and jumps, never between entering a block and being bound to leave it.
        near = (linecache.getline(frame.f_code.co_filename, n).strip() for n in (frame.f_lineno - 1, frame.f_lineno))
        if event == "line" and not any(source.startswith(("with ", "try:")) for source in near):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self.line


def scalars():
    leaves = [Value(0.5), Value(-1.5), Value(2.0)]
    a, b, c = leaves
    return leaves, ((a * b + c).tanh() * a + b * b).exp() + a / c


def tensors():
    leaves = [Tensor(np.linspace(-1, 1, 6).reshape(2, 3)), Tensor([0.5, -1.0, 2.0]), Value(1.5)]
    w, b, s = leaves
    return leaves, ((np.tanh(w * s + b) @ w.T) * w.sum()).mean() + (b * b).sum()


def copies(leaves):
    return [np.array(leaf.grad) if leaf.grad is not None else None for leaf in leaves]


def same(a, b):
    return all((x is None and y is None) or (x is not None and y is not None and np.array_equal(x, y)) for x, y in zip(a, b))


by_line = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="since 3.12 an exception of a trace function is not seen by the block that the line begins"
)


@by_line
@pytest.mark.parametrize("make", [scalars, tensors])
def test_an_interrupt_at_any_point_leaves_gradients_untouched_or_complete_and_the_next_pass_right(make, count):
    leaves, root = make()
    root.backward()
    once = copies(leaves)
    root.backward()
    twice = copies(leaves)
    interrupted = 0
    for n in range(1, 10_000, 7):
        for leaf, g in zip(leaves, once):
            leaf.grad = float(g) if isinstance(leaf, Value) else g.copy()
        try:
            with Interrupter(n):
                root.backward()
        except KeyboardInterrupt:
            interrupted += 1
            assert same(copies(leaves), once) or same(copies(leaves), twice), f"line {n}"
            for leaf in leaves:
                leaf.grad = 0.0 if isinstance(leaf, Value) else None
            root.backward()
            assert same(copies(leaves), once), f"the pass after an interrupt at line {n}"
        else:
            assert same(copies(leaves), twice)
            break
    assert interrupted > 20
    count("interrupts in the middle of a backward pass", interrupted)


@pytest.mark.parametrize("n", range(5))
@pytest.mark.parametrize("kind", [Value, Tensor])
def test_an_interrupt_in_a_rule_leaves_gradients_untouched(kind, n, count):
    left = [1_000]

    def rule(m, out, x):
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        return 2.0 * x

    op = ag.Op(name="interrupted", array=np.square, scalar=lambda x: x * x, d=(rule,), numpy=(len,))
    try:
        left[0] = n                            # the rule was read with symbols when it was declared
        x, y = kind(0.5), kind(2.0)
        root = op(x * y) + op(x) * op(y) + op(op(x) + y) + x * y
        x.grad, y.grad = (3.0, 4.0) if kind is Value else (np.array(3.0), np.array(4.0))
        with pytest.raises(KeyboardInterrupt):
            root.backward()
        count("interrupts in the middle of a backward pass")
        assert (float(x.grad), float(y.grad)) == (3.0, 4.0)
        assert not LOCK._is_owned()
        root.backward()
        u = 0.25 + 2.0
        assert float(x.grad) == 3.0 + (2 * 1.0 * 2.0 + 2 * 0.5 * 4.0 + 2 * u * 2 * 0.5 + 2.0)
    finally:
        op.forget()


@by_line
def test_an_interrupt_releases_the_lock():
    leaves, root = scalars()
    for n in (3, 20, 60):
        with pytest.raises(KeyboardInterrupt), Interrupter(n):
            root.backward()
    assert not LOCK._is_owned()
    root.backward()
    assert leaves[0].grad != 0.0


# ------------------------------------------------------------------------------------------------------ memory
def resident():
    """The bytes of this process that are in memory now, or None where the system does not say."""
    try:
        import psutil

        return psutil.Process().memory_info().rss
    except ImportError:
        pass
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def training():
    """A step of a small training run."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.integers(0, 2, 8)
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))
    optimizer = nn.Adam(model.parameters(), lr=0.001)

    def step():
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_steps(count):
    step = training()
    for _ in range(200):
        step()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            step()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 20_000, f"{grown} bytes more after 10,000 steps, without the garbage collector"
    count.most("training steps without growth of Python's memory", 10_000)


@pytest.mark.slow
@pytest.mark.skipif(resident() is None, reason="this system does not say how much memory a process has; install psutil")
def test_the_process_does_not_grow_over_ten_thousand_steps(count):
    step = training()
    for _ in range(1_000):
        step()
    gc.collect()
    gc.disable()
    try:
        before = resident()
        for _ in range(10_000):
            step()
        grown = resident() - before
    finally:
        gc.enable()
    assert grown < 2**20, f"{grown} bytes more after 10,000 steps, without the garbage collector"
    count.most("training steps without growth of the process", 10_000)


# ------------------------------------------------------------------------------------------- wrong input of every kind
class Odd:
    """An object that is no number."""


class Sub(np.ndarray):
    """A subclass of ndarray."""


def readonly(x):
    x.flags.writeable = False
    return x


WRONG = {
    "str": "a", "bytes": b"a", "None": None, "complex": 1j, "object": Odd(), "dict": {}, "set": {1.0}, "function": len,
    "complex array": np.ones(2, complex), "text array": np.array(["a"]), "object array": np.array([Odd()], dtype=object),
    "date": np.array(["2020-01-01"], dtype="datetime64[D]"),
}  # fmt: skip
RIGHT = {
    "non-contiguous": np.arange(8.0)[::2], "reversed": np.arange(4.0)[::-1], "read-only": readonly(np.arange(4.0)),
    "byte-swapped": np.arange(4.0).astype(">f8"), "subclass": np.arange(4.0).view(Sub), "fortran": np.asfortranarray(np.ones((2, 2))),
    "empty": np.zeros((0, 3)), "0-d": np.array(2.0), "int8": np.arange(4, dtype=np.int8), "bool": np.array([True, False]),
    "nan": np.array([np.nan, 1.0]), "inf": np.array([np.inf, -np.inf]), "huge": np.array([1e308, -1e308]), "float16": np.ones(3, np.float16),
}  # fmt: skip
FUNCTIONS = [name for name in ag.functions.__all__ if name not in ("where", "clip")]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_operands_give_a_clear_error(name, wrong):
    function = getattr(ag, name)
    op = ag.TABLE[name]
    others = (Value(0.5),) * ((op.arity or 1) - 1)
    with pytest.raises((AutogradError, TypeError)) as caught:
        function(WRONG[wrong], *others) if others else function(Tensor([0.5]) * 0 + WRONG[wrong])
    assert len(str(caught.value)) > 15


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("make", [Value, Tensor])
def test_wrong_data_gives_a_clear_error(make, wrong):
    with pytest.raises(AutogradError, match="received"):
        make(WRONG[wrong])


@pytest.mark.parametrize("transform", [grad, ag.value_and_grad, ag.jacobian, ag.hessian])
@pytest.mark.parametrize("wrong", [w for w in WRONG if w not in ("None", "dict")])
def test_transforms_refuse_what_cannot_be_differentiated_by(transform, wrong):
    with pytest.raises(AutogradError, match="received"):
        transform(lambda x: np.sum(x * 1.0))(WRONG[wrong])


@pytest.mark.parametrize("right", RIGHT)
@pytest.mark.parametrize("name", ["mul", "tanh", "sum", "index", "concatenate", "maximum"])
def test_arrays_of_every_layout_give_the_right_gradient(name, right):
    data = RIGHT[right]
    before = data.copy()
    f = {
        "mul": lambda t: t * t, "tanh": lambda t: np.tanh(t), "sum": lambda t: t.sum(keepdims=True) * 2.0,
        "index": lambda t: t[...], "concatenate": lambda t: np.concatenate([t.ravel(), t.ravel()]), "maximum": lambda t: np.maximum(t, 0.5),
    }[name]  # fmt: skip
    plain = np.array(data, dtype=np.float64)
    with np.errstate(all="ignore"):
        t = Tensor(data)
        out = f(t)
        out.backward(np.ones(out.shape, out.dtype))
        expected = {
            "mul": 2 * plain, "tanh": 1 - np.tanh(plain) ** 2, "sum": np.full(plain.shape, 2.0), "index": np.ones(plain.shape),
            "concatenate": np.full(plain.shape, 2.0), "maximum": np.where(plain > 0.5, 1.0, np.where(plain == 0.5, 0.5, 0.0)),
        }[name]  # fmt: skip
    assert t.grad.shape == data.shape
    assert np.allclose(np.nan_to_num(t.grad.astype(float)), np.nan_to_num(expected.astype(t.dtype).astype(float)), rtol=1e-3)
    assert np.array_equal(data, before, equal_nan=data.dtype.kind == "f"), "the caller's array is left alone"


@pytest.mark.parametrize("right", RIGHT)
def test_constant_arrays_of_every_layout_give_the_right_gradient(right):
    data = RIGHT[right]
    with np.errstate(all="ignore"):
        x = Value(1.5)
        (x * data).sum().backward()
        expected = float(np.sum(np.array(data, dtype=np.float64)))
    assert x.grad == expected or np.isclose(x.grad, expected, rtol=1e-3) or (x.grad != x.grad and expected != expected)


def test_anomaly_points_to_the_line_of_the_user():
    with pytest.raises(AutogradError, match=r"log gave nan.*recorded at File .*test_faults.py.*line \d+: y = np.log\(x\)"), detect_anomaly():
        x = Tensor([1.0, -1.0], label="x")
        with np.errstate(all="ignore"):
            y = np.log(x)
        y.sum()


def test_anomaly_in_a_gradient_points_to_the_line_of_the_user():
    with pytest.raises(AutogradError, match=r"backward pass of sqrt.*gradient of inf for Tensor 'x'.*test_faults.py.*np.sqrt"), detect_anomaly():
        x = Tensor([1.0, 0.0], label="x")
        y = np.sqrt(x)
        y.sum().backward()
    assert x.grad is None


def test_a_tangent_that_is_not_finite_points_to_the_line_of_the_user():
    with pytest.raises(AnomalyError, match=r"forward sweep of sqrt.*gave inf.*test_faults.py.*np.sqrt"), detect_anomaly(), np.errstate(all="ignore"):
        ag.jvp(lambda x: np.sqrt(x) * 2.0, (np.array([1.0, 0.0]),), (np.ones(2),))
    assert np.isinf(ag.jvp(np.sqrt, (np.array([0.0]),), (np.ones(1),))[1]).all()


@pytest.mark.parametrize("transform", [lambda f: grad(lambda x: grad(f)(x)), ag.jacobian, lambda f: ag.hessian(f)])
def test_transforms_point_to_the_line_of_the_user(transform):
    def f(x):
        return np.sqrt(x) * 2.0

    with pytest.raises(AnomalyError, match=r"backward pass of .*(inf|nan).*recorded at .*test_faults.py"), detect_anomaly():
        transform(f)(0.0)


@pytest.mark.parametrize("look", [
    lambda x, y: y.sum().backward(), lambda x, y: ag.gradients.gradients([y.sum()], [1.0], [x], graph=True),
    lambda x, y: ag.gradients.jacobian_rows(y, [x]), lambda x, y: ag.forward.pushforward([y], [x], [np.ones(2)], graph=False),
])
def test_what_was_written_into_is_noticed_after_the_block_too(look):
    with detect_anomaly():
        x = Tensor([1.0, 2.0], label="x")
        y = np.exp(x) * 2.0
    x.data[0] = 5.0
    with pytest.raises(AnomalyError, match=r"'x'.*was written into after exp had saved it.*test_faults.py"):
        look(x, y)
    x.data[0] = 1.0
    look(x, y)


def test_looking_for_what_was_written_into_ends_with_the_graph():
    with detect_anomaly():
        y = np.exp(Tensor([1.0, 2.0]))
    assert len(anomaly.LIVE) == 1
    del y
    assert anomaly.LIVE == []


def test_a_context_that_was_copied_inside_no_grad_records_nothing_later_either():
    x = Value(3.0)
    with ag.no_grad():
        inside = contextvars.copy_context()
    assert (x * x).parents and not inside.run(lambda: (x * x).parents)
    assert inside.run(lambda: grad(lambda t: t * t)(3.0)) == 6.0
    with detect_anomaly():
        careful = contextvars.copy_context()
    with pytest.raises(AnomalyError):
        careful.run(Value(0.0).log)
    assert Value(0.0).log().data == -np.inf
    del inside, careful
    assert WATCHED == []


def test_a_task_that_was_started_inside_no_grad_records_nothing():
    x = Tensor([3.0])

    async def later():
        await asyncio.sleep(0.0)
        return (x * x).requires_grad

    async def main():
        with ag.no_grad():
            task = asyncio.create_task(later())
        return await task, (x * x).requires_grad

    assert asyncio.run(main()) == (False, True)
    gc.collect()
    assert WATCHED == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_pass_that_is_started_with_no_number_is_an_anomaly(bad):
    x = Tensor([1.0, 2.0])
    y = x * 2.0
    with detect_anomaly(), pytest.raises(AnomalyError, match=f"received a gradient with {bad}"):
        y.backward(np.array([1.0, bad]))
    assert x.grad is None


def test_an_anomaly_can_be_drawn():
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        x = Value(-2.0, label="x")
        (x * 3.0 + 1.0).log()
    assert caught.value.node.op.name == "log"
    assert "ln" in ag.draw(caught.value.node).svg


def test_anomaly_names_the_labels_and_shapes_of_the_operands():
    def caught(f):
        with pytest.raises(AnomalyError) as error, detect_anomaly(), np.errstate(all="ignore"):
            f()
        return str(error.value)

    rate, table = Value(0.0, label="rate"), Tensor([[0.0, 1.0]], label="table")
    assert "log('rate' = 0.0)" in caught(rate.log)
    assert "log('table' (1, 2))" in caught(lambda: np.log(table))
    assert "div('rate' = 0.0, 0.0)" in caught(lambda: rate / 0.0)
    assert "div((1, 2), 'table' (1, 2))" in caught(lambda: np.ones((1, 2)) / table)
    assert "sqrt('table' (1, 2)) gave a gradient of inf for Tensor 'table' of shape (1, 2)" in caught(lambda: np.sqrt(table).sum().backward())
    assert "weighted_sum(1e+308, 10.0, 'rate' = 0.0, 1.0, 0.0)" in caught(lambda: ag.weighted_sum([Value(1e308), rate], [10.0, 1.0], 0.0))
