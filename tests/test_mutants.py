"""The checkers are checked: wrong rules are planted on purpose, and every one must be caught at order 1 or 2."""

import dataclasses
import inspect
import textwrap

import numpy as np
import pytest

from autograd_core import TABLE, Op, Tensor, Value, backward, check_grads, check_op, sweeps
from autograd_core.check import GradientCheckError
from autograd_core.op import built_in

OPS = sorted((op for op in TABLE.values() if built_in(op.name)), key=lambda op: op.name)


def wrapped(rule, change):
    return lambda m, *args, **params: change(m, rule(m, *args, **params))


CHANGES = {
    "sign": lambda m, r: -1.0 * r,
    "factor": lambda m, r: 2.0 * r,
    "slightly off": lambda m, r: 1.001 * r,
    "missing": lambda m, r: 0.0 * r,
    "extra term": lambda m, r: r + 0.5,
}


def every(change):
    return lambda m, r: tuple(change(m, part) for part in r) if isinstance(r, tuple) else change(m, r)


def mutants():
    for op in OPS:
        rules = op.d or op.vjp
        flat = op.name in {"sign", "step", "floor", "floor_divide", "ceil", "rint", "trunc"}  # their derivative is 0: only a term can be wrong
        for what, change in CHANGES.items():
            if flat and what != "extra term":
                continue
            for slot, rule in enumerate(rules):
                if rule is not None:
                    wrong = tuple(wrapped(r, every(change)) if i == slot else r for i, r in enumerate(rules))
                    yield f"{op.name}[{slot}]: {what}", op, wrong
        if len(rules) == 2 and op.name not in {"add", "logaddexp", "floor_divide"} and None not in rules:
            yield f"{op.name}: rules exchanged", op, rules[::-1]
            if op.name not in {"sub", "gap", "maximum", "minimum", "matmul", "solve"}:  # needs operands that can trade places
                yield f"{op.name}: operands exchanged", op, tuple(
                    lambda m, out, x, y, rule=rule: rule(m, out, y, x) for rule in rules
                )


MUTANTS = list(mutants())


def plant(op, rules):
    """The operation with other rules, out of the table again when the check is over."""
    which = "d" if op.d else "vjp"
    return dataclasses.replace(op, name=f"{op.name}_mutant", dunder="", numpy=(), **{which: rules})


def test_enough_wrong_rules_are_planted():
    assert len(MUTANTS) >= 60


@pytest.mark.parametrize(("op", "rules"), [m[1:] for m in MUTANTS], ids=[m[0] for m in MUTANTS])
def test_a_wrong_rule_is_caught(op, rules, count):
    mutant = plant(op, rules)
    count("mutants planted")
    try:
        if is_same(op, mutant):
            pytest.fail("this mutant computes the same derivative; plant another")
        with pytest.raises((GradientCheckError, ValueError)):
            check_op(mutant)
        count("mutants caught")
    finally:
        mutant.forget()


def is_same(op, mutant):
    return (op.d or op.vjp) == (mutant.d or mutant.vjp)


# ------------------------------------------------------------------ structural mistakes, written out by hand
STRUCTURAL = {
    "matmul: no transpose on the right": ("matmul", 0, lambda m, g, out, x, y: m.matmul(g, y)),
    "matmul: no transpose on the left": ("matmul", 1, lambda m, g, out, x, y: m.matmul(x, g)),
    "matmul: factors exchanged": ("matmul", 0, lambda m, g, out, x, y: m.transpose(m.matmul(y, m.transpose(g)))[::-1]),
    "sum: spread along the wrong axis": (
        "sum", 0, lambda m, g, out, x, *, axis=None, keepdims=False: m.broadcast_to(
            m.reshape(g, shape=(-1,) + (1,) * (m.ndim(x) - 1)) if m.shape(g) else g, shape=m.shape(x))),
    "mean: not divided": ("mean", 0, TABLE["sum"].vjp[0]),
    "max: to the smallest": (
        "max", 0, lambda m, g, out, x, *, axis=None, keepdims=False: TABLE["min"].vjp[0](
            m, g, m.min(x, axis=axis, keepdims=keepdims), x, axis=axis)),
    "prod: without the others": ("prod", 0, TABLE["sum"].vjp[0]),
    "cumsum: not reversed": ("cumsum", 0, lambda m, g, out, x, *, axis: m.cumsum(g, axis=axis)),
    "cumsum: off by one axis": ("cumsum", 0, lambda m, g, out, x, *, axis: TABLE["cumsum"].vjp[0](m, g, out, x, axis=0)),
    "sort: order instead of its inverse": (
        "sort", 0, lambda m, g, out, x, *, axis=-1: m.index(
            g, key=tuple(np.argsort(m.data(x), axis=axis) if i == axis % m.ndim(x) else grid for i, grid in enumerate(
                np.ogrid[tuple(slice(n) for n in m.shape(x))])))),
    "softmax: no coupling": ("softmax", 0, lambda m, g, out, x, *, axis=-1: g * out * (1.0 - out)),
    "log_softmax: softmax of the gradient": (
        "log_softmax", 0, lambda m, g, out, x, *, axis=-1: g - out * m.sum(g, axis=axis, keepdims=True)),
    "logsumexp: not normalised": (
        "logsumexp", 0, lambda m, g, out, x, *, axis=None, keepdims=False: TABLE["sum"].vjp[0](m, g, out, x, axis=axis) * m.exp(x)),
    "index: repeated entries overwrite": ("index", 0, lambda m, g, out, x, *, key: overwritten(m, g, x, key)),
    "transpose: the same axes again": ("transpose", 0, lambda m, g, out, x, *, axes=None: m.transpose(g, axes=axes)),
    "var: ddof forgotten": (
        "var", 0, lambda m, g, out, x, *, axis=None, ddof=0, keepdims=False: TABLE["var"].vjp[0](m, g, out, x, axis=axis, ddof=1)),
    "norm: not divided": ("norm", 0, lambda m, g, out, x, *, axis=None, keepdims=False: TABLE["sum"].vjp[0](m, g, out, x, axis=axis) * x),
    "inv: sign": ("inv", 0, lambda m, g, out, x: -1.0 * TABLE["inv"].vjp[0](m, g, out, x)),
    "inv: not transposed": ("inv", 0, lambda m, g, out, x: -m.matmul(m.matmul(out, g), out)),
    "det: not transposed": ("det", 0, lambda m, g, out, x: m.reshape(g * out, shape=(*m.shape(g), 1, 1)) * m.inv(x)),
    "solve: matrix not transposed": ("solve", 1, lambda m, g, out, a, b: m.solve(a, g)),
    "cholesky: whole diagonal": ("cholesky", 0, lambda m, g, out, x: 2.0 * TABLE["cholesky"].vjp[0](m, g, out, x)),
}  # fmt: skip


def overwritten(m, g, x, key):
    out = np.zeros(m.shape(x))
    out[key] = m.data(g)
    return out


@pytest.mark.parametrize("what", STRUCTURAL)
def test_a_structural_mistake_is_caught(what, count):
    name, slot, wrong = STRUCTURAL[what]
    op = TABLE[name]
    mutant = plant(op, tuple(wrong if i == slot else r for i, r in enumerate(op.vjp)))
    count("mutants planted")
    try:
        with pytest.raises((GradientCheckError, ValueError, IndexError)):
            check_op(mutant)
        count("mutants caught")
    finally:
        mutant.forget()


# ------------------------------------------------------------------------------ mistakes in the passes themselves
def rewritten(function, old, new):
    """The function with one piece of its source replaced."""
    source = textwrap.dedent(inspect.getsource(function))
    assert old in source, f"{old!r} is not in {function.__name__} any more: adapt the mutant"
    space = dict(vars(inspect.getmodule(function)))
    exec(source.replace(old, new), space)
    return space[function.__name__]


def mixture(x, y, t):
    """Numbers and a tensor, used more than once and broadcast."""
    s = x * y + x * x * y + y * y
    u = t * s + t + t * np.array([[1.0], [2.0]])
    return s + (u * u).sum() + s * u.sum()


POINT = (0.7, -1.3, np.array([[0.5, 2.0, -1.0]]))
PASSES = {
    "= for += in the scalar sweep": ("sweep_values", "b.grad += g * q", "b.grad = g * q"),
    "= for += on the first operand": ("sweep_values", "a.grad += g * p", "a.grad = g * p"),
    "the other partial": ("sweep_values", "b.grad += g * q", "b.grad += g * p"),
    "the incoming gradient forgotten": ("sweep_values", "b.grad += g * q", "b.grad += q"),
    "x for y in a product": ("sweep_values", "p, q = y, x", "p, q = x, y"),
    "no accumulation of tensors": ("accumulate", "np.asarray(before + c)", "np.asarray(c)"),
    "half of what broadcasting undone gives": ("_fitted", "c = sum_to(c, shape=data.shape)", "c = sum_to(c, shape=data.shape) / 2"),
    "no accumulation into a Value": ("accumulate", "operand.grad = before + c", "operand.grad = c"),
    "the oldest tensor first": ("sweep_tensors", "(operand._age, operand)", "(-operand._age, operand)"),
    "every contribution taken for the first": ("sweep_tensors", "operand._mark == epoch", "operand.op is None and operand._mark == epoch"),
    "the Values below tensors left out": ("sweep_tensors", "scalars.append(operand)", "pass"),
    "what came to a Value from tensors lost": ("_sweep_on", "node.grad = g", "pass"),
}


@pytest.mark.parametrize("what", PASSES)
def test_a_mistake_in_a_pass_is_caught(what, monkeypatch, count):
    name, old, new = PASSES[what]
    mutant = rewritten(getattr(sweeps, name), old, new)
    for module in (sweeps, backward):
        monkeypatch.setattr(module, name, mutant, raising=False)

    count("mutants planted")
    with pytest.raises(GradientCheckError):
        check_grads(mixture, POINT, order=1)
    count("mutants caught")


def test_the_unharmed_passes_pass():
    assert check_grads(mixture, POINT).failures == []


@pytest.mark.parametrize("scale", [1e-7, 1e-3, 1.0, 1e5])
def test_a_gradient_five_times_too_large_is_caught_at_every_scale(scale):
    wrong = Op(name="five_times", array=lambda x: scale * x, scalar=lambda x: scale * x, d=(lambda m, out, x: 5.0 * scale,))
    try:
        with pytest.raises(GradientCheckError, match="by rule"):
            check_grads(wrong, (0.3,))
    finally:
        wrong.forget()


def test_a_report_names_argument_index_and_numbers():
    wrong = Op(name="wrong_square", array=np.square, scalar=lambda x: x * x, d=(lambda m, out, x: x,), numpy=(len,))
    try:
        with pytest.raises(GradientCheckError, match=r"argument 0\[1\]\s+by rule.*by number.*error.*step"):
            check_grads(wrong, (np.array([0.0, 2.0]),))
        report = check_grads(wrong, (np.array([1.0, 2.0]),), raises=False, order=1, modes=("rev",))
        assert sorted((c.argument, c.index) for c in report.failures) == [(0, (0,)), (0, (1,))]
        assert all(abs(c.numeric) == pytest.approx(2.0 * abs(c.analytic)) for c in report.failures)
    finally:
        wrong.forget()


@pytest.mark.parametrize("name", ["relu", "abs", "leaky_relu", "elu"])
def test_a_kink_is_named_and_a_documented_convention_passes(name):
    report = check_grads(lambda x: TABLE[name](x, **({"alpha": 2.0} if name == "elu" else {})), (0.0,), order=1)
    assert report.failures == []
    assert any("kink" in c.note for c in report.kinks)


def test_float32_is_refused():
    with pytest.raises(TypeError, match="expected float64"):
        check_grads(np.sin, (np.ones(2, np.float32),))


def test_values_and_tensors_may_be_given_as_arguments():
    assert check_grads(lambda x, t: x * t, (Value(1.5), Tensor([1.0, 2.0]))).failures == []
