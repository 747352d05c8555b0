"""Who owns which memory, which dtype comes out, and modes in decorators, generators, threads and tasks."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import (
    TABLE,
    Interval,
    Tensor,
    Value,
    detect_anomaly,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    lift,
    no_grad,
    vjp,
)
from autograd_core.errors import AnomalyError, LiftError, RuleError
from autograd_core.modes import WATCHED, anomaly_detected
from autograd_core.walk import walk


# ------------------------------------------------------------------------------------------------ memory
def cases(name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    op, rng = TABLE[name], np.random.default_rng(0)
    if op.samples is not None:
        return op.samples(rng)
    domains = op.domain or (Interval(0.2, 0.9),) * (op.arity or 1)
    low, high = [max(d.low, 0.2) for d in domains], [min(max(d.low, 0.2) + 0.7, d.high) for d in domains]
    return [(tuple(rng.uniform(a, b, shape) for a, b in zip(low, high, strict=True)), {}) for shape in ((2, 3), (1, 1), (), (0, 2))]


@pytest.mark.parametrize("name", [name for name, op in TABLE.items() if op.samples or (not op.variadic and op.d[0] is not None)])
def test_a_gradient_shares_memory_with_nothing(name: str) -> None:
    seen = 0
    for operands, params in cases(name):
        tensors = [Tensor(x) for x in operands]
        out = TABLE[name](*tensors, **params)
        out.backward(np.random.default_rng(1).normal(size=out.shape))
        for tensor in tensors:
            assert tensor.grad is not None
            assert tensor.grad.flags.writeable
            others = [t.data for t in tensors] + [t.grad for t in tensors if t is not tensor] + [out.grad, out.data]
            assert not any(np.shares_memory(tensor.grad, other) for other in others)
            seen += 1
    assert seen


def test_what_transforms_give_is_the_callers_own() -> None:
    x, y = np.ones((2, 3)), np.ones((2, 3))
    out, tangent = jvp(lambda x: x, (x,), (y,))
    assert not np.shares_memory(out, x)
    assert not np.shares_memory(tangent, y)
    out, tangent = jvp(lambda x: np.broadcast_to(x, (4, 2, 3)), (x,), (y,))
    assert out.flags.writeable
    assert tangent.flags.writeable
    for pair in (
        jacobian(lambda a, b: a + b, (0, 1))(x, y),
        grad(lambda a, b: (a + b).sum(), (0, 1))(x, y),
        vjp(lambda a, b: a + b, x, y)[1](x),
        jvp(lambda a: (a, a), (x,), (y,))[1],
    ):
        assert not np.shares_memory(*pair)


@pytest.mark.parametrize("duplicate", [Tensor.copy, np.copy, np.positive])
@pytest.mark.parametrize("constant", [False, True])
def test_a_copy_is_a_copy(duplicate: Callable[[Any], Any], constant: bool) -> None:
    x = Tensor([1.0, 2.0], requires_grad=not constant)
    y = duplicate(x)
    y.data[0] = 5.0
    assert x.data[0] == 1.0


def test_the_check_for_nan_does_not_warn_of_large_gradients() -> None:
    for dtype, slope in ((np.float16, 3e4), (np.float32, 3e34), (np.float64, 3e234)):
        x = Tensor(np.ones(3, dtype))
        y = x * np.full(3, slope, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            y.backward(np.ones(3, dtype))
        np.testing.assert_array_equal(x.grad, np.full(3, slope, dtype))


@pytest.mark.parametrize("rule", [lambda m, g, out, x: g[:1], lambda m, g, out, x: 2.0, lambda m, g, out, x: [1.0, 2.0, 3.0]])
def test_a_rule_that_gives_another_shape_is_named(rule: Callable[..., Any]) -> None:
    op = ag.Op(name="another_shape", array=lambda x: 2.0 * x, vjp=(rule,))
    try:
        x = Tensor([1.0, 2.0], label="x")
        y = op(x)
        with pytest.raises(RuleError, match=r"another_shape: the pull-back for operand 0 .* gave .*, expected real numbers of the shape \(2,\) of the operand; the operand is Tensor 'x' of shape \(2,\)"):
            y.backward(np.ones(2))
        assert x.grad is None
    finally:
        op.forget()


# ------------------------------------------------------------------------------------------------- dtypes
SINGLE: dict[str, Callable[..., Any]] = {
    "square": lambda x: x * x,
    "softmax": ag.softmax,
    "max": lambda x: x.max(),
    "maximum": lambda x: np.maximum(x, 2.0),
    "where": lambda x: np.where(x > 1.5, x, 0.0),
    "std": lambda x: x.std(),
    "prod": lambda x: x.prod(),
    "concatenate": lambda x: np.concatenate([x, x]),
    "sort": np.sort,
    "pad": lambda x: np.pad(x, 1, constant_values=1.0),
}


@pytest.mark.parametrize("name", SINGLE)
def test_transforms_keep_float32(name: str) -> None:
    f, x = SINGLE[name], np.array([1.0, 2.0, 3.0], np.float32)

    def loss(x: Any) -> Any:
        return (f(x) ** 2).sum()

    out, tangent = jvp(f, (x,), (x,))
    found = [out, tangent, grad(loss)(x), jacobian(f)(x), hessian(loss)(x), hvp(loss, (x,), (x,))]
    assert [a.dtype for a in found] == [np.float32] * 6


def test_a_jacobian_of_no_rows() -> None:
    assert jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
    assert jacobian(lambda x: np.concatenate([x[:0], x[:0]]).reshape(0, 2))(np.ones(3, np.float32)).shape == (0, 2, 3)
    assert jacobian(jacobian(lambda x: x[:0]))(np.ones(3)).shape == (0, 3, 3)


def test_products_that_under_or_overflow() -> None:
    x = Tensor([1e-200, 1e-200])
    x.prod().backward()
    np.testing.assert_array_equal(x.grad, [1e-200, 1e-200])
    x = Tensor([1e200, 1e200, 1e-200])
    with np.errstate(over="ignore"):
        x.prod().backward()
    np.testing.assert_allclose(x.grad, [1.0, 1.0, np.inf])
    x = Tensor([1e-200, 1e-200, 1e300])
    x.cumprod().sum().backward()
    np.testing.assert_allclose(x.grad, [1e100, 1e100, 0.0])


# ---------------------------------------------------------------------------- nodes that are looked at, copied, stepped
def test_a_constant_that_was_looked_at_is_still_none_of_backwards_business() -> None:
    value, tensor = Value(-3.0), Tensor([-3.0])
    for x in (value, tensor):
        y = x**2.0
        assert [p.label for p in y.parents] == ["", ""]    # the exponent is a node now, and ln(−3) its derivative's factor
        with detect_anomaly():
            (y if x is value else y.sum()).backward()
    assert value.grad == -6.0
    np.testing.assert_array_equal(tensor.grad, [-6.0])


def scalar_graphs() -> dict[str, Callable[..., Any]]:
    """Every elementwise operation on `Value`s, and what keeps its operands in a tuple: several of them, or parameters."""
    graphs: dict[str, Callable[..., Any]] = {
        name: op for name, op in TABLE.items() if op.elementwise and not op.variadic and op.arity in (1, 2)
    }
    return graphs | {
        "weighted_sum": lambda x, y: ag.weighted_sum([x, 2.0], [y, x], y),
        "where": lambda x, y: ag.where(True, x, y),
        "clip with bounds": lambda x, y: ag.clip(x, -0.5, y),
        "leaky_relu with a slope": lambda x: ag.leaky_relu(x, 0.3),
    }


@pytest.mark.parametrize("name", scalar_graphs())
@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_of_every_operation_on_values_work(name: str, how: Callable[[Any], Any]) -> None:
    """The gradient, the second pass, the check for nan, forward mode and the lift of a copy are those of the graph."""
    f = scalar_graphs()[name]
    xs = [Value(1.4 if name == "arccosh" else 0.4, label="x"), Value(0.7, label="y")][: 2 if name in ("weighted_sum", "where", "clip with bounds") else TABLE[name.split(maxsplit=1)[0]].arity]
    y = ag.tanh(f(*xs) * 0.5)
    copied = how(y)
    y.backward()
    for _ in range(2):
        copied.backward()
    leaves = {leaf.label: leaf for leaf in walk(copied) if leaf.label}
    assert copied.data == y.data
    for x in xs:
        assert leaves[x.label].grad == 2.0 * x.grad
    with detect_anomaly():
        copied.backward()
    assert lift(copied)() == y.data


class Measured(Value):
    """A Value of a user's own, with an attribute more."""

    def __init__(self, data: float, unit: str) -> None:
        super().__init__(data)
        self.unit = unit


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_keep_what_a_subclass_adds(how: Callable[[Any], Any]) -> None:
    length = how(Measured(3.0, "m"))
    (length * length).backward()
    assert (type(length), length.unit, length.grad) == (Measured, "m", 6.0)
    area = how(Measured(3.0, "m") * 2.0)
    assert [leaf.unit for leaf in walk(area) if isinstance(leaf, Measured)] == ["m"]


def test_a_constant_that_was_looked_at_stays_one_in_copies() -> None:
    y = Value(-3.0) ** 2.0
    assert len(y.parents) == 2
    for copied in (copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        np.testing.assert_array_equal(lift(copied).theta.data, [-3.0])
        with detect_anomaly():
            copied.backward()
        assert copied.parents[0].grad == -6.0


def test_a_leaf_recorded_with_two_values_is_not_lifted() -> None:
    w = Value(2.0)
    first = w * 3.0
    w.data = 5.0
    with pytest.raises(LiftError, match=r"the \.data of a leaf was assigned between two uses of it, record the graph anew"):
        lift(w * first, params=[w])


def test_one_step_from_a_gradient_given_as_a_number() -> None:
    a, b = Tensor(2.0), Tensor(3.0)
    y = a + b
    y.grad = 1.0
    y._backward()
    assert (a.grad, b.grad) == (1.0, 1.0)
    assert a.grad is not b.grad


def test_copies_while_another_thread_runs_backward() -> None:
    w, failures = Value(0.5), []

    def work() -> None:
        try:
            for _ in range(40):
                z: Any = w
                for k in range(60):
                    z = (z * w + float(k)).tanh()
                copied = copy.deepcopy([w, z])
                copied[1].backward()
                z.backward()
                assert copied[1].data == z.data
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# -------------------------------------------------------------------------------------------------- modes
def recorded() -> bool:
    return bool((Value(1.0) * 2.0).parents)


def test_no_grad_decorates_anything_that_can_be_called() -> None:
    class Model:
        def __call__(self) -> bool:
            return recorded()

    assert not no_grad()(functools.partial(recorded))()
    assert not no_grad()(Model())()
    assert recorded()


@pytest.mark.parametrize("mode", [no_grad, detect_anomaly])
def test_a_mode_decorates_without_brackets(mode: Any) -> None:
    """`@no_grad` is `@no_grad()`."""

    @mode
    def ask(a: int, *, b: int = 2) -> tuple[int, bool, bool]:
        "Both modes."
        return a + b, recorded(), anomaly_detected()

    assert ask(1) == ask(0, b=3) == (3, mode is not no_grad, mode is detect_anomaly)
    assert (ask.__name__, ask.__doc__, str(inspect.signature(ask)).split(" ->")[0]) == ("ask", "Both modes.", "(a: 'int', *, b: 'int' = 2)")
    assert recorded() and not anomaly_detected()
    for wrong in (True, 1.0, "x"):
        with pytest.raises(TypeError, match=rf"{mode.__name__}: received {wrong!r}, expected a function to decorate, or nothing"):
            mode(wrong)


def test_no_grad_around_a_generator_passes_on_what_is_sent_and_thrown() -> None:
    events: list[Any] = []

    @no_grad()
    def steps() -> Iterator[Any]:
        try:
            events.append((yield recorded()))
            yield recorded()
        except ValueError:
            yield "caught"
        finally:
            events.append(recorded())

    running: Any = steps()
    assert next(running) is False
    assert running.send("sent") is False
    assert recorded()
    assert running.throw(ValueError()) == "caught"
    running.close()
    assert events == ["sent", False]
    assert recorded()


def test_no_grad_around_a_coroutine() -> None:
    @no_grad()
    async def inside() -> bool:
        await asyncio.sleep(0)
        return recorded()

    async def main() -> list[bool]:
        first = asyncio.ensure_future(inside())
        await asyncio.sleep(0)
        return [recorded(), await first, recorded()]

    assert asyncio.run(main()) == [True, False, True]


def test_no_grad_around_an_async_generator_passes_on_what_is_sent_and_thrown() -> None:
    events: list[Any] = []

    @no_grad()
    async def steps() -> AsyncIterator[Any]:
        """Doc."""
        try:
            await asyncio.sleep(0)
            events.append((yield recorded()))
            yield recorded()
        except ValueError:
            yield "caught"
        finally:
            await asyncio.sleep(0)
            events.append(recorded())

    async def main() -> None:
        running: Any = steps()
        assert await anext(running) is False
        assert recorded()
        assert await running.asend("sent") is False
        assert await running.athrow(ValueError()) == "caught"
        assert recorded()
        await running.aclose()
        assert events == ["sent", False]
        assert [item async for item in steps()] == [False, False]
        assert recorded()

    asyncio.run(main())
    assert steps.__doc__ == "Doc."


def test_one_mode_may_be_shared_by_threads() -> None:
    shared, failures = no_grad(), []
    barrier = threading.Barrier(3)

    def work() -> None:
        try:
            for _ in range(20):
                barrier.wait()
                with shared:
                    barrier.wait()
                    assert not recorded()
                    with shared:
                        assert not recorded()
                    assert not recorded()
                assert recorded()
        except Exception as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert recorded()
    assert not WATCHED


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
@pytest.mark.parametrize("start", [lambda x: x, lambda x: x.astype(np.float64), lambda x: x.astype(int), lambda x: x.tolist()])
def test_a_gradient_is_an_array_of_the_shape_and_dtype_of_its_leaf(dtype: Any, shape: tuple[int, ...], start: Callable[[Any], Any]) -> None:
    """After one pass and after several, and whatever it was set to before."""
    x = Tensor(np.full(shape, 3.0, dtype))
    x.grad = start(np.ones(shape, dtype))
    for total in (7.0, 13.0, 19.0):
        (x * x).backward(np.ones(shape, dtype))
        assert type(x.grad) is np.ndarray
        assert (x.grad.shape, x.grad.dtype) == (shape, dtype)
        np.testing.assert_array_equal(x.grad, np.full(shape, total))


@pytest.mark.parametrize("start", [1.0, 1, np.float32(1.0), np.array(1.0)])
def test_a_gradient_of_a_value_is_a_float(start: Any) -> None:
    x = Value(3.0)
    x.grad = start
    (x * x).backward()
    assert (type(x.grad), x.grad) == (float, 7.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_blocks_of_what_a_result_does_not_depend_on_have_the_dtype_of_the_argument(dtype: Any) -> None:
    a, b = np.ones((2, 3), dtype), np.ones(2, dtype)
    blocks = [
        *jacobian(lambda x, y: (x * x).sum(axis=0), (0, 1))(a, b),
        *jacobian(lambda x, y: jacobian(lambda u, v: (u * u).sum(axis=0), (0, 1))(x, y)[1], (0, 1))(a, b),
        *(block for row in hessian(lambda x, y: (x**3).sum() + y.sum(), (0, 1))(a, b) for block in row),
    ]
    assert [block.dtype for block in blocks] == [dtype] * 8


def test_argnums_may_be_integers_of_numpy() -> None:
    one, both = np.int64(1), np.arange(2)
    assert grad(lambda x, y: x * y * y, one)(3.0, 5.0) == 30.0
    assert jacobian(lambda x, y: x * y * y, one)(3.0, 5.0) == 30.0
    assert hessian(lambda x, y: x * y * y, one)(3.0, 5.0) == 6.0
    assert grad(lambda x, y: x * y * y, tuple(both))(3.0, 5.0) == (25.0, 30.0)


def test_derivatives_of_what_depends_on_nothing_are_of_the_usual_kind() -> None:
    """Floats for floats, as where something flows."""
    blocks = [
        *jacobian(lambda x, y: x * x, (0, 1))(2.0, 3.0), *jacobian(lambda x, y: 3.0, (0, 1))(2.0, 3.0), jvp(lambda x: 3.0, (2.0,), (1.0,))[1],
        *(block for row in hessian(lambda x, y: x * x + y, (0, 1))(2.0, 3.0) for block in row),
    ]  # fmt: skip
    assert [type(block) for block in blocks] == [float] * 9
    assert blocks == [4.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]


def test_an_anomaly_is_found_where_it_comes_in_and_in_which_sweep() -> None:
    x = Tensor([0.0, 4.0])
    with detect_anomaly():
        with pytest.raises(AnomalyError, match="backward: received a gradient with nan in it for Tensor of shape"):
            (x * 2.0).backward([1.0, np.nan])
        with pytest.raises(AnomalyError, match=r"the backward pass of sqrt.* gave a gradient of inf"):
            np.sqrt(x).sum().backward()
        with pytest.raises(AnomalyError, match=r"the forward sweep of sqrt\(0.0\) gave inf"):
            ag.jvp(lambda t: np.sqrt(t) * 2.0, (0.0,), (1.0,))
    assert x.grad is None
    assert ag.jvp(lambda t: np.sqrt(t) * 2.0, (0.0,), (1.0,))[1] == np.inf
