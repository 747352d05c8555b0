"""What a wrong rule of a user's looks like where nobody has checked it: whichever way it is used, the error names the rule."""

import pickle

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Op, Tensor, Value, explain, grad, hessian, jacobian, jvp, operation
from autograd_core.errors import OperandError, RuleError

X = np.array([0.5, 1.5, -2.0])
USES = {
    "value": lambda f: grad(f)(1.5),
    "tensor": lambda f: grad(lambda x: f(x).sum())(X.copy()),
    "hessian": lambda f: hessian(lambda x: f(x).sum())(X.copy()),
    "second gradient": lambda f: grad(lambda x: grad(lambda x: f(x).sum())(x).sum())(X.copy()),
    "jacobian": lambda f: jacobian(f)(X.copy()),
    "forward": lambda f: jvp(f, (X.copy(),), (np.ones(3),)),
    "explain": lambda f: explain(f(Tensor(X.copy())).sum()),
}
PARTIALS = {
    "none": (lambda m, out, x: None, "gave None, expected a real number"),
    "text": (lambda m, out, x: "2x", "gave a str, expected a real number"),
    "complex": (lambda m, out, x: 2j * x, "complex|came out as 3j, expected a real number"),
    "shape": (lambda m, out, x: np.ones(7), r"gave an array of shape \(7,\)"),
    "raises": (lambda m, out, x: {}["a"], "raised KeyError: 'a'"),
    "no such operation": (lambda m, out, x: m.outer(x, x), "'outer' is none of them"),
    "option by position": (lambda m, out, x: m.clip(x, 0.0, 1.0), "options by name"),
}
ELSEWHERE = {("value", "shape"), ("hessian", "option by position"), ("second gradient", "option by position")}
"""What is met by another error, or works."""
PULLS = {
    "none": (lambda m, g, out, x: None, "gave None, expected real numbers of the shape"),
    "shape": (lambda m, g, out, x: np.ones(7), r"gave an array of shape \(7,\)"),
    "complex": (lambda m, g, out, x: g * 2j * x, "complex"),
    "raises": (lambda m, g, out, x: {}["a"], "raised KeyError: 'a'"),
    "no such operation": (lambda m, g, out, x: m.outer(g, x), "'outer' is none of them"),
}


def assert_named(use, text, **rules):
    op = Op(name="faulty", array=np.square, replace=True, **rules)
    try:
        with pytest.raises(RuleError, match=text):
            USES[use](op)
    finally:
        op.forget()


@pytest.mark.parametrize(("use", "fault"), sorted({(use, fault) for use in USES for fault in PARTIALS} - ELSEWHERE))
def test_a_faulty_partial_is_named_however_it_is_used(use, fault):
    rule, text = PARTIALS[fault]
    assert_named(use, text, d=(rule,))


@pytest.mark.parametrize("use", [use for use in USES if use != "value"])
@pytest.mark.parametrize("fault", PULLS)
def test_a_faulty_pullback_is_named_however_it_is_used(use, fault):
    rule, text = PULLS[fault]
    assert_named(use, text, vjp=(rule,))


def test_the_rule_is_found_by_its_line_and_the_error_by_its_cause():
    def rule(m, out, x):
        return m.coss(x)

    op = Op(name="faulty", array=np.sin, d=(rule,))
    try:
        with pytest.raises(RuleError, match=rf"^faulty: the derivative rule for operand 0 \(test_rule_faults.py, line {rule.__code__.co_firstlineno}\)") as caught:
            grad(op)(1.0)
        assert isinstance(caught.value.__cause__, AttributeError)
    finally:
        op.forget()


def test_an_error_that_no_rule_has_to_do_with_stays_what_it_was():
    x = Tensor(X.copy())
    y = Op(name="faultless", array=np.square, d=(lambda m, out, x: 2.0 * x,), replace=True)(x)
    x.data = np.ones(3)
    with pytest.raises(ag.errors.StaleDataError):
        y.sum().backward()
    ag.TABLE["faultless"].forget()


def test_leaves_keep_their_gradient_where_a_rule_fails():
    op = Op(name="faulty", array=np.square, d=(lambda m, out, x: None,))
    try:
        for leaf in (Value(2.0), Tensor(X.copy())):
            (leaf * leaf).sum().backward() if leaf.is_array else (leaf * leaf).backward()
            before = np.array(leaf.grad)
            with pytest.raises(RuleError):
                (op(leaf) + leaf).sum().backward() if leaf.is_array else (op(leaf) + leaf).backward()
            assert np.array_equal(leaf.grad, before)
    finally:
        op.forget()


# ------------------------------------------------------------------------------------------ options and names
@pytest.fixture
def huber():
    @operation(d=lambda m, out, x, *, delta=1.0: m.clip(x, min=-delta, max=delta))
    def own_huber(x, *, delta=1.0):
        a = np.abs(x)
        return np.where(a <= delta, 0.5 * x * x, delta * (a - 0.5 * delta))

    yield own_huber
    own_huber.forget()


def test_options_reach_the_kernel_whatever_the_operand_is(huber):
    assert huber(2.0, delta=0.5) == huber(2.0, 0.5) == huber(Value(2.0), delta=0.5).data == Value(2.0).own_huber(delta=0.5).data == 0.875
    assert huber(np.array([2.0]), delta=0.5).tolist() == huber(Tensor([2.0]), delta=0.5).tolist() == [0.875]
    assert grad(lambda x: huber(x, delta=0.5))(2.0) == 0.5
    assert grad(lambda x: huber(x, delta=0.5).sum())(np.array([2.0, 0.25])).tolist() == [0.5, 0.25]


@pytest.mark.parametrize("option", [Value(1.0), Tensor(1.0)], ids=["value", "tensor"])
def test_an_option_that_is_to_be_differentiated_is_refused(huber, option):
    for operand in (Tensor(X.copy()), Tensor(X.copy(), requires_grad=False)):
        with pytest.raises(OperandError, match=r"own_huber: received a Tensor for delta=.*options have no derivative"):
            huber(operand, delta=option)


def test_names_of_pythons_own_are_refused():
    for name in ("__add__", "__call__", "__class__", "__anything"):
        with pytest.raises(RuleError, match="belongs to Python"):
            Op(name=name, array=np.square, d=(lambda m, out, x: 2.0 * x,))
    assert (Value(1.0) + 1.0).data == 2.0


def test_a_kernel_that_gives_no_real_numbers_is_named():
    op = Op(name="faulty", array=lambda x: 1j * x, d=(lambda m, out, x: 1.0,))
    try:
        with pytest.raises(ag.errors.DTypeError, match="the kernel gave dtype complex128 for real operands"):
            op(Tensor(X.copy()))
    finally:
        op.forget()


def test_an_operation_is_pickled_by_name(huber):
    assert pickle.loads(pickle.dumps(huber)) is huber
