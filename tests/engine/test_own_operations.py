"""An operation of a user's own keeps every promise of the table: operands without a rule, any number of operands, every operator in a rule."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import TABLE, Op, Tensor, Value, grad, hessian, hvp, jacobian, jvp
from autograd_core.errors import OperandError, RuleError, ShapeError, StaleDataError
from autograd_core.op import INSTALLERS
from autograd_core.sweeps import CONSTANT, OTHER, read_rules


@contextmanager
def declared(**entry: Any) -> Iterator[Op]:
    """An operation for as long as a test needs it."""
    op = Op(name="users_own", **entry)
    try:
        yield op
    finally:
        op.forget()


# ------------------------------------------------------------------------------------- operands without a rule
HALF: dict[str, dict[str, Any]] = {
    "a partial": {"array": lambda x, k: x * k, "d": (lambda m, out, x, k: 1.0 * k, None)},
    "a pull-back": {"array": lambda x, k: x * np.sum(k), "vjp": (lambda m, g, out, x, k: g * m.sum(k), None)},
    "a linear one": {"array": np.multiply, "linear": True, "vjp": (lambda m, g, out, x, k: g * k, None)},
}
X, V = np.array([2.0, 3.0]), np.array([1.0, -1.0])


@pytest.mark.parametrize("name", HALF)
@pytest.mark.parametrize("anomaly", [False, True])
def test_an_operand_without_a_rule_is_a_constant_in_both_modes(name: str, anomaly: bool) -> None:
    with declared(**HALF[name]) as op, ag.detect_anomaly() if anomaly else nullcontext():
        total = 2.0 * X.sum() if name == "a pull-back" else 2.0 * X            # k = 2x is not followed

        def f(x: Any) -> Any:
            return op(x, 2.0 * x)

        slope = np.broadcast_to(total, (2,))
        np.testing.assert_array_equal(jacobian(f)(X), np.diag(slope))
        np.testing.assert_array_equal(jvp(f, (X,), (V,))[1], slope * V)
        np.testing.assert_array_equal(grad(lambda x: np.sum(f(x)))(X), slope)
        np.testing.assert_array_equal(jvp(lambda x: op(X, 2.0 * x), (X,), (V,))[1], np.zeros(2))
        np.testing.assert_array_equal(jacobian(lambda x: op(X, 2.0 * x))(X), np.zeros((2, 2)))


@pytest.mark.parametrize("name", HALF)
def test_second_derivatives_follow_an_operand_without_a_rule_only_where_the_rule_uses_it(name: str) -> None:
    """∂f/∂x = k, and the rule is an expression of k = 2x."""
    with declared(**HALF[name]) as op:
        def f(x: Any) -> Any:
            return np.sum(op(x, 2.0 * x))

        expected = 2.0 * np.ones((2, 2)) if name == "a pull-back" else 2.0 * np.eye(2)
        np.testing.assert_array_equal(hessian(f)(X), expected)
        np.testing.assert_array_equal(hvp(f, (X,), (V,)), expected @ V)


@pytest.mark.parametrize("how", ["backward", "explain", "anomaly", "with care"])
@pytest.mark.parametrize("make", [Value, lambda x: Tensor([x])])
def test_a_leaf_that_no_gradient_reaches_keeps_the_one_it_had(make: Callable[[float], Any], how: str) -> None:
    with declared(**HALF["a partial"]) as op:
        for through in (False, True):
            x, k = make(2.0), make(3.0)
            k.grad = before = 7.0 if isinstance(k, Value) else np.array([7.0])
            out = op(x, 1.0 * k if through else k)
            out = out if isinstance(out, Value) else out.sum()
            if how == "with care":             # a strong zero asks for the careful sweep
                with np.errstate(divide="ignore"):
                    out = out + ag.where(True, 1.0, ag.log(make(0.0))) if isinstance(out, Value) else (out + np.where([True], 1.0, np.log(make(0.0)))).sum()
            if how == "explain":
                ag.explain(out)
            elif how == "anomaly":
                with ag.detect_anomaly():
                    out.backward()
            else:
                out.backward()
            assert k.grad == before
            assert how == "explain" or x.grad == 3.0


def test_a_gradient_of_a_value_is_a_python_float_whatever_a_rule_gives() -> None:
    for number in (np.float64(2.0), np.float32(2.0), np.array(2.0), 2):
        with declared(array=lambda x: 2.0 * x, d=(lambda m, out, x, number=number: number * 1,)) as op:
            x = Value(1.5)
            op(x).backward()
            assert type(x.grad) is float and x.grad == 2.0
            op(x).backward()
            assert type(x.grad) is float and x.grad == 4.0


def test_a_pull_back_of_plain_zeros_moves_nothing() -> None:
    with declared(array=np.sign, vjp=(lambda m, g, out, x: np.zeros(m.shape(x)),)) as op:
        np.testing.assert_array_equal(jvp(op, (X,), (V,))[1], np.zeros(2))
        np.testing.assert_array_equal(grad(lambda x: np.sum(op(x)))(X), np.zeros(2))


# ------------------------------------------------------------------------------------------ any number of operands
def _quotients(m: Any, out: Any, *operands: Any) -> tuple[Any, ...]:
    return tuple(m.div(out, x) for x in operands)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_partials_of_any_number_of_operands_use_the_algebra_and_the_result(n: int) -> None:
    """The product of n operands has the partials out / xᵢ, on numbers and arrays, in both modes, to second order."""
    xs = [0.5 + i for i in range(n)]
    others = [float(np.prod(xs[:i] + xs[i + 1 :])) for i in range(n)]
    with declared(array=lambda *x: np.prod(np.stack(np.broadcast_arrays(*x)), axis=0), variadic=True, d=(_quotients,)) as op:
        values = [Value(x) for x in xs]
        op(*values).backward()
        np.testing.assert_allclose([v.grad for v in values], others, rtol=1e-15)
        tensors = [Tensor([x, 2.0 * x]) for x in xs]
        op(*tensors)[0].backward()
        np.testing.assert_allclose([t.grad for t in tensors], [[x, 0.0] for x in others], rtol=1e-15)
        for args in (tuple(xs), tuple(np.array([x, 2.0 * x]) for x in xs)):
            ag.check_grads(op, args, order=2)


# --------------------------------------------------------------------------------------------- what the rules say
def test_rules_that_are_numbers_or_the_other_operand_are_read_once() -> None:
    read_rules()
    assert TABLE["add"].reading == TABLE["sub"].reading == TABLE["neg"].reading == CONSTANT
    assert (TABLE["add"].constants, TABLE["sub"].constants, TABLE["neg"].constants) == ((1.0, 1.0), (1.0, -1.0), (-1.0,))
    assert TABLE["mul"].reading == OTHER
    with declared(array=lambda x, y: y * x, d=(lambda m, out, x, y: y, lambda m, out, x, y: x)) as op:
        assert op.reading not in (OTHER, CONSTANT)
        Value(1.0).exp().backward()            # a pass reads what has been declared since the last one
        assert op.reading == OTHER
    with declared(array=lambda x, y: x, d=(lambda m, out, x, y: x, lambda m, out, x, y: y)) as op:
        Tensor([1.0]).sum().backward()
        assert op.reading not in (OTHER, CONSTANT)


OPERATORS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "x ** 2": (lambda m, out, x: x**2, lambda x: x**2),
    "2 ** x": (lambda m, out, x: 2.0**x, lambda x: 2.0**x),
    "x ** x": (lambda m, out, x: x**x, lambda x: x**x),
    "+x": (lambda m, out, x: +x, lambda x: x),
    "1 / x": (lambda m, out, x: 1.0 / x, lambda x: 1.0 / x),
    "|−x|": (lambda m, out, x: abs(-x), abs),
    "a | b": (lambda m, out, x: m.where((x > 3.0) | (x < 0.0), x, 2.0 * x), lambda x: np.where((x > 3.0) | (x < 0.0), x, 2.0 * x)),
    "a & b": (lambda m, out, x: m.where((x >= 0.0) & (x <= 1.5), x, 2.0 * x), lambda x: np.where((x >= 0.0) & (x <= 1.5), x, 2.0 * x)),
    "False | b": (lambda m, out, x: m.where(False | (x > 1.5), x, 2.0 * x), lambda x: np.where(x > 1.5, x, 2.0 * x)),
    "True & b": (lambda m, out, x: m.where(True & (x != 2.0), x, 2.0 * x), lambda x: np.where(x != 2.0, x, 2.0 * x)),
    "a | True": (lambda m, out, x: m.where((x == 2.0) | True, x, 2.0 * x), lambda x: x),
    "out": (lambda m, out, x: out, lambda x: 1.0 * x),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_in_a_rule_is_read_by_every_algebra(name: str) -> None:
    """On numbers, arrays, nodes and symbols."""
    rule, slope = OPERATORS[name]
    with declared(array=lambda x: 1.0 * x, d=(rule,)) as op:
        for x in (0.5, 2.0, 3.5, -1.5):
            if x < 0.0 and "**" in name:
                continue
            value = Value(x)
            op(value).backward()
            assert value.grad == pytest.approx(float(slope(np.float64(x))), rel=1e-14)
            assert grad(op)(x) == value.grad == jvp(op, (x,), (1.0,))[1]
            assert grad(lambda t: np.sum(op(t)))(np.array([x, x])).tolist() == pytest.approx([value.grad] * 2, rel=1e-14)
            (step,) = ag.explain(op(Value(x)))
            assert step.contribution == value.grad
            assert ag.draw(op(Value(x, label="x"))).source.count("->") == 1


def test_a_matrix_product_in_a_pull_back() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    with declared(array=lambda x: a @ x, vjp=(lambda m, g, out, x: a.T @ g,)) as op:
        np.testing.assert_array_equal(grad(lambda x: op(x)[0])(X), a[0])
        np.testing.assert_array_equal(jvp(op, (X,), (V,))[1], a @ V)
        ag.check_grads(lambda x: np.sum(op(x) ** 2), (X,), order=2)


# ------------------------------------------------------------------------------------------------- stale operands
STALE: dict[str, Callable[[Any, Any], Any]] = {
    "first of two": lambda x, y: x * y, "second of two": lambda x, y: y * x, "of a quotient": lambda x, y: x / y, "only one": lambda x, y: x.tanh(),
    "with a parameter": lambda x, y: ag.leaky_relu(x, 0.1), "in a branch": lambda x, y: ag.where(True, x, y),
    "in the branch not taken": lambda x, y: ag.where(True, y, x), "one of several": lambda x, y: TABLE["users_own"](y, x, y),
}  # fmt: skip


@pytest.mark.parametrize("name", STALE)
@pytest.mark.parametrize("kind", ["Value", "Tensor"])
def test_an_operand_that_was_assigned_is_noticed_wherever_it_stands(name: str, kind: str) -> None:
    with declared(array=lambda *x: np.sum(np.stack(x), axis=0), variadic=True, d=(lambda m, out, *x: (1.0,) * len(x),)):
        x, y = (Value(1.0), Value(2.0)) if kind == "Value" else (Tensor([1.0]), Tensor([2.0]))
        out = STALE[name](x, y) * 1.5
        x.data = 3.0 if kind == "Value" else np.array([3.0])
        for run in (lambda: out.backward(), lambda: ag.explain(out)):
            with pytest.raises(StaleDataError, match="assigned"):
                run()
        assert y.grad in (None, 0.0)


# ------------------------------------------------------------------------------------------------------- kernels
def test_an_error_of_ours_in_a_kernel_keeps_its_words_and_one_of_numpys_gets_the_operations_name() -> None:
    def refuses(x: Any) -> Any:
        raise OperandError("my own words")

    def fails(x: Any) -> Any:
        raise ValueError("no such luck")

    for kernel, error, message in ((refuses, OperandError, "^my own words$"), (fails, ShapeError, "^users_own: received operands of shape .*no such luck")):
        with declared(array=kernel, d=(lambda m, out, x: 1.0,)) as op:
            for x in (1.0, Value(1.0), X, Tensor(X)):
                with pytest.raises(error, match=message):
                    op(x)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_kernel_that_gives_truths_or_integers_gives_floats(dtype: Any) -> None:
    for kernel, expected in ((lambda x: x > 0.0, [1.0, 0.0]), (lambda x: np.sign(x).astype(int), [1.0, -1.0])):
        with declared(array=kernel, d=(lambda m, out, x: 0.0 * x,)) as op:
            out = op(Tensor(V.astype(dtype)))
            assert out.data.tolist() == expected and out.dtype == np.float64
            assert op(Value(2.0)).data == 1.0
            assert grad(lambda x: np.sum(op(x)))(V.astype(dtype)).tolist() == [0.0, 0.0]


# ---------------------------------------------------------------------------------------------------- declaring
def test_an_operation_that_could_not_be_installed_is_not_there() -> None:
    """Half an operation is none."""
    def refuse(op: Op) -> None:
        raise KeyboardInterrupt

    INSTALLERS.append(refuse)
    try:
        with pytest.raises(KeyboardInterrupt):
            Op(name="users_own", array=np.tanh, d=(lambda m, out, x: 1.0 - out * out,))
    finally:
        INSTALLERS.remove(refuse)
    assert "users_own" not in TABLE


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an array that is no function": ({"array": 3.0}, "must be functions"),
    "a scalar that is no function": ({"scalar": 3.0}, "must be functions"),
    "two rules for any number of operands": ({"variadic": True, "d": (_quotients, _quotients)}, "one rule"),
    "a domain for each of two": ({"domain": (ag.op.REAL, ag.op.REAL)}, "2 intervals for 1 operands"),
    "an operator that is taken": ({"dunder": "add"}, "__add__ belongs to another"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_entry_is_refused_and_named(name: str) -> None:
    entry, message = REFUSED[name]
    with pytest.raises(RuleError, match=f"users_own.*{message}"):
        Op(name="users_own", **{"array": np.tanh, "d": (lambda m, out, x: 1.0 - out * out,), **entry})
    assert "users_own" not in TABLE


def test_a_rule_that_does_not_tell_its_signature_is_taken() -> None:
    class Rule:
        __signature__ = "none"

        def __call__(self, m: Any, out: Any, x: Any) -> Any:
            return 2.0

    with declared(array=lambda x: 2.0 * x, d=(Rule(),)) as op:
        assert grad(op)(1.5) == 2.0


def test_an_operation_is_one_of_a_kind() -> None:
    """Copied and pickled it is itself; one that is not declared is not found; one of ours cannot be forgotten."""
    with declared(array=lambda x: 2.0 * x, d=(lambda m, out, x: 2.0,)) as op:
        assert copy.copy(op) is copy.deepcopy(op) is pickle.loads(pickle.dumps(op)) is op
        packed = pickle.dumps(op)
    with pytest.raises(RuleError, match="users_own.*declare it before"):
        pickle.loads(packed)
    op.forget()
    with pytest.raises(RuleError, match="built in"):
        TABLE["tanh"].forget()
    with declared(array=np.negative, d=(lambda m, out, x: -1.0,)) as other:
        op.forget()                            # the one that is declared now is another
        assert TABLE["users_own"] is other


# ------------------------------------------------------------------------------------- what an entry may say
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"d": (None,)}, "None for every operand"),
        ({"text": "{1}"}, r"text='\{1\}', expected \{0\}"),
        ({"text": "{x}"}, "text="),
        ({"latex": r"\frac{1}{{0}}}"}, "latex=.*other braces doubled"),
        ({"latex": "{0"}, "latex="),
        ({"samples": 5}, "samples=5, expected a function"),
        ({"kinks": (0.0,)}, "kinks=.*expected a function"),
        ({"adds": 1}, "adds=1, expected a function"),
        ({"adds": lambda buffer, g: None}, "adds= for 1 rules of d=, expected one pull-back"),
        ({"dunder": "foo"}, "dunder='foo', expected the name of an operator"),
        ({"numpy": (np.sin,)}, "np.sin, which the operation sin answers for"),
        ({"numpy": (np.where,)}, "np.where, which .* answers for"),
    ],
)  # fmt: skip
def test_an_entry_that_says_what_cannot_be_is_refused_whole(entry: dict[str, Any], said: str) -> None:
    before = dict(TABLE)
    with pytest.raises(RuleError, match=said), declared(**{"array": lambda x: x * x, "d": (lambda m, out, x: 2.0 * x,), **entry}):
        pass
    assert before == TABLE and np.sin(Tensor(1.0)).op is TABLE["sin"]


@pytest.mark.parametrize("function", [np.spacing, np.i0])
def test_numpys_function_has_the_rule_of_the_entry_that_was_declared_last(function: Callable[..., Any]) -> None:
    for slope, name in ((1.0, "users_own"), (5.0, "users_own"), (7.0, "users_other")):
        op = Op(name=name, array=function, numpy=(function,), d=(lambda m, out, x, slope=slope: slope * x,), replace=True)
        try:
            for call in (op, function, getattr(Tensor, name)):
                x = Tensor([2.0])
                call(x).sum().backward()
                assert x.grad.tolist() == [2.0 * slope]
        finally:
            if name == "users_other" or slope == 5.0:
                op.forget()


# --------------------------------------------------------------------------------------- declared again
def powers(n: float, **entry: Any) -> Op:
    """x ↦ xⁿ under a name that others have, too."""
    return Op(name="users_own", array=lambda x: x**n, d=(lambda m, out, x: n * x ** (n - 1.0),), text=f"{{0}} to the {n:g}", **entry)


@pytest.mark.parametrize("fate", ["declared again", "forgotten", "forgotten and declared again"])
@pytest.mark.parametrize("make", [float, np.asarray, Value, Tensor], ids=["float", "array", "Value", "Tensor"])
def test_an_operation_that_somebody_holds_stays_what_it_is_whoever_has_its_name(make: Callable[[float], Any], fate: str) -> None:
    """As a model made before a cell of a notebook was run again holds its activation: kernel and rule are those of one entry."""
    held = powers(3.0)
    if fate.startswith("forgotten"):
        held.forget()
    other = powers(5.0, replace=True) if fate.endswith("again") else None
    try:
        for op, n in ((held, 3.0), *([(other, 5.0)] if other is not None else [])):
            x = make(2.0)
            y = op(x)
            assert float(y.data if isinstance(y, (Value, Tensor)) else y) == 2.0**n
            if isinstance(y, (Value, Tensor)):
                y.backward()
                assert float(x.grad) == n * 2.0 ** (n - 1.0)
                assert f"to the {n:g}" in str(ag.explain(op(x))) and f"to the {n:g}" in ag.draw(op(x)).svg
        assert grad(grad(held))(2.0) == 12.0 and jvp(held, (2.0,), (1.0,)) == (8.0, 12.0)
    finally:
        held.forget()
        if other is not None:
            other.forget()


def test_what_would_be_unpickled_as_another_operation_is_not_pickled() -> None:
    held = powers(3.0)
    y = held(Value(2.0))
    assert pickle.loads(pickle.dumps(y)).data == 8.0 and pickle.loads(pickle.dumps(held)) is held
    other = powers(5.0, replace=True)
    try:
        for thing in (held, y):
            with pytest.raises(RuleError, match="'users_own'.*another operation of that name was declared since"):
                pickle.dumps(thing)
        assert pickle.loads(pickle.dumps(other(Value(2.0)))).data == 32.0
        copied = copy.deepcopy(y)
        copied.backward()
        assert copied.data == 8.0 and copied.parents[0].grad == 12.0
    finally:
        other.forget()
    with pytest.raises(RuleError, match="'users_own'.*it was forgotten"):
        pickle.dumps(held)


def test_pictures_say_nothing_of_what_a_kernel_has_put_aside() -> None:
    def kernel(x: Any, *, k: float = 1.0, saved: Any = None) -> Any:
        if saved is not None:
            saved["twice"] = 2.0 * x
        return k * x * x

    with declared(array=kernel, d=(lambda m, out, x, *, k=1.0, saved=None: 2.0 * k * x,)) as op:
        for x in (Value(3.0, label="x"), Tensor([3.0], label="x")):
            y = op(x, k=2.0, saved={})
            texts = (str(ag.explain(y)), ag.explain(y).html, ag.draw(y).svg, ag.draw(y).source)
            assert all("users_own(x, k=2.0)" in text and "saved" not in text for text in texts)
