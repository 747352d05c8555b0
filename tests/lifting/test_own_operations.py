"""Operations of a user's own in every kind of program: rules that can be read, rules that cannot, operands without a rule, any number of operands."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_core import Op, Tensor, Value, lift
from autograd_core.errors import LiftError
from autograd_core.lifting import lift_with_origins
from autograd_core.lifting.choose import WAYS

ENTRIES: dict[str, tuple[int, dict[str, Any]]] = {
    "a rule in symbols": (1, {"array": lambda x: x * x * x, "d": (lambda m, out, x: 3.0 * m.square(x),)}),
    "a rule of the result": (1, {"array": np.exp, "d": (lambda m, out, x: out,)}),
    "a rule that branches": (1, {"array": np.abs, "d": (lambda m, out, x: np.where(np.asarray(x) > 0.0, 1.0, -1.0)[()],)}),
    "a rule for numbers alone": (1, {"array": np.sin, "scalar": math.sin, "d": (lambda m, out, x: math.cos(x) if np.ndim(x) == 0 else np.cos(x),)}),
    "a quotient": (2, {"array": lambda x, y: x / (2.0 + y * y), "d": (lambda m, out, x, y: 1.0 / (2.0 + y * y), lambda m, out, x, y: -2.0 * y * out / (2.0 + y * y))}),
    "an operand without a rule": (2, {"array": lambda x, k: x * k, "d": (lambda m, out, x, k: 1.0 * k, None)}),
    "any number of operands": (3, {
        "array": lambda *x: np.sum(np.stack(np.broadcast_arrays(*(np.square(v) for v in x))), axis=0), "variadic": True,
        "d": (lambda m, out, *x: tuple(2.0 * v for v in x),)}),
    "a step in a formula": (1, {"array": lambda x: np.square(np.maximum(x, 0.0)), "d": (lambda m, out, x: 2.0 * x * m.step(x),)}),
    "something put aside": (1, {"array": lambda x, *, saved=None: _put_aside(x, saved), "d": (lambda m, out, x, *, saved=None: saved["twice"] if saved else 2.0 * x,)}),
    "a parameter": (1, {"array": lambda x, *, k=3.0: k * x * x, "d": (lambda m, out, x, *, k=3.0: 2.0 * k * x,)}),
}  # fmt: skip
OPTIONS: dict[str, Callable[[], dict[str, Any]]] = {"a parameter": lambda: {"k": 2.5}, "something put aside": lambda: {"saved": {}}}
"""What an entry is applied with: what is put aside, in a dictionary of every application's own."""


def _put_aside(x: Any, saved: dict[str, Any] | None) -> Any:
    if saved is not None:
        saved["twice"] = 2.0 * x
    return x * x


def loss_of(op: Op, arity: int, w: list[Value], options: Callable[[], dict[str, Any]]) -> Value:
    """Σ over neighbours, with numbers and inner nodes among the operands."""
    n, total = len(w), Value(0.0)
    for i in range(n):
        operands = [w[(i + j) % n] * (1.0 + 0.1 * j) for j in range(arity)]
        total = total + op(*operands, **options()) * (0.5 + 0.01 * i)
    if arity > 1:
        total = total + op(w[0], *[0.3] * (arity - 1), **options()) + op(*[0.7] * (arity - 1), w[1], **options())
    return total + op(*[w[0]] * arity, **options())


@pytest.mark.parametrize("kind", [None, *WAYS])
@pytest.mark.parametrize("name", ENTRIES)
def test_every_kind_of_program_has_the_gradients_of_backward(name: str, kind: str | None) -> None:
    """Also at other parameters than those that were recorded."""
    arity, entry = ENTRIES[name]
    op = Op(name="users_own", **entry)
    try:
        rng = np.random.default_rng(0)
        w = [Value(v) for v in rng.normal(size=12)]
        program = lift(loss_of(op, arity, w, OPTIONS.get(name, dict)), params=w) if kind is None else lift_with_origins(loss_of(op, arity, w, OPTIONS.get(name, dict)), params=w, kind=kind)[0]
        for _ in range(2):
            for v in w:
                v.grad = 0.0
            loss = loss_of(op, arity, w, OPTIONS.get(name, dict))
            loss.backward()
            assert program() == pytest.approx(loss.data, rel=1e-12)
            program.backward()
            np.testing.assert_allclose(program.theta.grad, [v.grad for v in w], rtol=1e-11, atol=1e-13)
            program.theta.data = rng.normal(size=12)
            for v, number in zip(w, program.theta.data.tolist(), strict=True):
                v.data = number
    finally:
        op.forget()


@pytest.mark.parametrize("kind", WAYS)
def test_a_rule_that_divides_by_zero_gives_what_ieee_gives(kind: str) -> None:
    """Called on numbers, where Python's division raises."""
    rule: Callable[..., Any] = lambda m, out, x: 1.0 / x if np.ndim(x) == 0 else np.divide(1.0, x)
    op = Op(name="users_own", array=lambda x: np.log(np.abs(x) + 1.0), d=(rule,))
    try:
        w = [Value(v) for v in (0.5, -2.0, 4.0)]
        program = lift_with_origins(op(w[0]) + op(w[1]) + op(w[2]), params=w, kind=kind)[0]
        program.theta.data = np.array([0.0, -2.0, 4.0])
        program()
        program.backward()
        np.testing.assert_array_equal(program.theta.grad, [np.inf, -0.5, 0.25])
    finally:
        op.forget()


def test_a_kind_of_program_that_there_is_not_is_refused() -> None:
    w = Value(1.0)
    with pytest.raises(LiftError, match="kind='fast', expected one of"):
        lift_with_origins(w * w, params=[w], kind="fast")


@pytest.mark.parametrize("kind", [None, *WAYS, "tensors"])
def test_entries_of_one_name_are_told_apart(kind: str | None) -> None:
    """A graph may hold what was recorded before an operation was declared again, and what was recorded after."""
    old = Op(name="users_own", array=lambda x: x**3, d=(lambda m, out, x: 3.0 * m.square(x),))
    new = Op(name="users_own", array=lambda x: x**5, d=(lambda m, out, x: 5.0 * x**4,), replace=True)
    try:
        leaves: Any = [Value(v) for v in np.linspace(0.5, 1.5, 9)] if kind != "tensors" else Tensor(np.linspace(0.5, 1.5, 9))
        loss = sum(old(v) + new(v) for v in leaves) if kind != "tensors" else (old(leaves) + new(leaves)).sum()
        program = lift(loss, params=leaves) if kind in (None, "tensors") else lift_with_origins(loss, params=leaves, kind=kind)[0]
        for x in (np.linspace(0.5, 1.5, 9), np.linspace(-1.0, 1.0, 9)):
            program.theta.data[:] = x
            assert program() == pytest.approx(np.sum(x**3 + x**5), rel=1e-12)
            program.backward()
            np.testing.assert_allclose(program.theta.grad, 3.0 * x**2 + 5.0 * x**4, rtol=1e-12)
    finally:
        new.forget()


@pytest.mark.parametrize("kind", [None, *WAYS])
@pytest.mark.parametrize("make", [np.asarray, tuple, lambda row: type("Own", (), {"row": row, "__repr__": lambda self: "Own"})()], ids=["arrays", "tuples", "objects"])
def test_options_are_one_where_they_are_equal_and_not_where_they_look_alike(make: Callable[[Any], Any], kind: str | None) -> None:
    """A long array is printed with its middle left out, and an object as its class likes."""
    def row_of(k: Any) -> Any:
        return getattr(k, "row", k)

    op = Op(name="users_own", array=lambda x, *, k: x * x * row_of(k)[1000], d=(lambda m, out, x, *, k: 2.0 * x * row_of(k)[1000],))
    rows = [np.where(np.arange(2001) == 1000, float(i), 0.0) for i in range(9)]
    try:
        leaves = [Value(v) for v in np.linspace(0.5, 1.5, 9)]
        loss = sum(op(v, k=make(row)) for v, row in zip(leaves, rows))
        program = lift(loss, params=leaves) if kind is None else lift_with_origins(loss, params=leaves, kind=kind)[0]
        program.theta.data[:] = 2.0
        program()
        program.backward()
        np.testing.assert_allclose(program.theta.grad, 4.0 * np.arange(9.0), rtol=1e-12)
    finally:
        op.forget()
