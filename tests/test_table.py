"""Tests made from the table: every entry, every property. A new entry is tested without a line here."""

import inspect
import math
import re

import hypothesis.vendor.pretty
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_core as ac
from autograd_core import TABLE, Tensor, Value, check_grads, check_op, jvp, strategies, vjp
from autograd_core.algebra import ARRAYS, NUMBERS, symbolic_partial, symbolic_value
from autograd_core.op import built_in
from autograd_core.record import apply

OPS = sorted((op for op in TABLE.values() if built_in(op.name)), key=lambda op: op.name)
ELEMENTWISE = [op for op in OPS if op.elementwise]
FIXED = [op for op in ELEMENTWISE if not op.variadic]


def named(ops):
    return pytest.mark.parametrize("op", ops, ids=lambda op: op.name)


@named(OPS)
def test_every_rule_against_numbers_to_second_order_in_both_modes(op):
    report = check_op(op)
    assert len(report.comparisons) > 0
    assert report.failures == []


@named(FIXED)
@given(data=st.data())
def test_scalar_and_array_kernels_agree(op, data):
    operands, params = data.draw(strategies.operands(op, scalar=True, kinks=True))
    scalar = getattr(NUMBERS, op.name)(*operands, **params)
    with np.errstate(all="ignore"):
        array = getattr(ARRAYS, op.name)(*(np.asarray(x) for x in operands), **params)
    assert math.isclose(scalar, array, rel_tol=1e-13, abs_tol=1e-300) or (scalar != scalar and array != array)


@named(FIXED)
@given(data=st.data())
def test_a_value_and_a_tensor_of_one_element_have_equal_gradients(op, data):
    operands, params = data.draw(strategies.operands(op, scalar=True, kinks=True))
    values = [x if rule is None else Value(x) for x, rule in zip(operands, op.d)]
    tensors = [x if rule is None else Tensor(x) for x, rule in zip(operands, op.d)]
    with np.errstate(all="ignore"):
        apply(op, tuple(values), params).backward()
        apply(op, tuple(tensors), params).backward()
    for v, t in zip(values, tensors):
        if isinstance(v, Value):
            assert np.isclose(v.grad, t.grad, rtol=1e-12, atol=0.0, equal_nan=True)


@named([op for op in FIXED if op.arity > 1])
@given(data=st.data())
def test_gradients_have_the_shape_of_their_operand_under_broadcasting(op, data):
    operands, params = data.draw(strategies.operands(op))
    tensors = [x if rule is None else Tensor(x) for x, rule in zip(operands, op.d)]
    with np.errstate(all="ignore"):
        out = apply(op, tuple(tensors), params)
        out.backward(np.ones(out.shape))
    for t in tensors:
        if isinstance(t, Tensor):
            assert t.grad.shape == t.shape


@named(FIXED)
def test_float32_stays_float32(op):
    operands = strategies_example(op)
    single = [np.asarray(x, np.float32) if np.asarray(x).dtype.kind == "f" else x for x in operands]
    tensors = [x if rule is None else Tensor(x) for x, rule in zip(single, op.d)]
    out = apply(op, tuple(tensors), {})
    out.backward(np.ones(out.shape, np.float32))
    assert out.dtype == np.float32
    assert {t.grad.dtype for t in tensors if isinstance(t, Tensor)} == {np.dtype(np.float32)}


def strategies_example(op):
    rng = np.random.default_rng(3)
    operands = []
    for domain, rule in zip(op.domain, op.d):
        low, high = max(domain.low, -1.0), min(domain.high, 2.0)
        x = rng.uniform(low + 0.1 * (high - low), high - 0.1 * (high - low), 4) + 0.012345
        operands.append(x > 0.5 if rule is None else x)
    return operands


@named(ELEMENTWISE)
def test_formulas_print_in_all_three_styles(op):
    names = tuple("xyz"[: op.arity]) if op.arity else ("w", "x", "b")
    formulas = [symbolic_value(op, names)]
    formulas += [symbolic_partial(op, slot, "out", names) for slot in range(len(names)) if op.variadic or op.d[slot] is not None]
    for formula in formulas:
        if hasattr(formula, "text"):
            assert formula.text() and formula.latex() and formula.source()
            assert "object at" not in formula.text() + formula.latex() + formula.source()


@named(FIXED)
def test_the_printed_source_of_a_derivative_computes_the_derivative(op):
    names = tuple("xyz"[: op.arity])
    operands = [float(x[0]) if x.dtype != bool else bool(x[0]) for x in strategies_example(op)]
    space = {name: getattr(NUMBERS, name) for name in TABLE if TABLE[name].elementwise}
    space |= {"inf": math.inf} | dict(zip(names, operands)) | {"out": getattr(NUMBERS, op.name)(*operands)}
    for slot, rule in enumerate(op.d):
        if rule is None:
            continue
        formula = symbolic_partial(op, slot, "out", names)
        source = formula.source() if hasattr(formula, "source") else repr(formula)
        direct = rule(NUMBERS, space["out"], *operands)
        assert math.isclose(eval(source, {"__builtins__": {"abs": abs}}, space), direct, rel_tol=1e-12, abs_tol=1e-300)


@named(FIXED)
def test_the_function_and_the_method_are_the_operation(op):
    operands = [float(x[0]) if x.dtype != bool else bool(x[0]) for x in strategies_example(op)]
    expected = getattr(NUMBERS, op.name)(*operands)
    assert op(*operands) == expected
    if hasattr(ac, op.name) and op.name != "clip":  # the function, like NumPy's, wants at least one bound
        assert getattr(ac, op.name)(*operands) == expected
    if op.d[0] is not None:
        assert getattr(Value(operands[0]), op.name)(*operands[1:]).data == expected


@named(OPS)
def test_every_entry_has_a_sentence(op):
    assert op.doc.endswith(".") and len(op.doc) > 2


@given(program=strategies.expressions())
def test_random_scalar_programs(program, count):
    count("random programs against differences")
    assert check_grads(program, program.leaves).failures == []


@given(program=strategies.expressions(shape=(2,), max_steps=5))
def test_random_array_programs(program, count):
    count("random programs against differences")
    assert check_grads(program, program.leaves).failures == []


@given(program=strategies.expressions())
def test_forward_and_reverse_agree_exactly_enough(program):
    _, pull = vjp(program, *program.leaves)
    gradient = pull(1.0)
    for i in range(len(program.leaves)):
        direction = tuple(float(i == j) for j in range(len(program.leaves)))
        assert math.isclose(jvp(program, program.leaves, direction)[1], gradient[i], rel_tol=1e-9, abs_tol=1e-12)


@given(program=strategies.expressions())
def test_a_program_prints_as_code_that_runs(program):
    space = {}
    exec(repr(program), space)
    assert space["f"](*program.leaves) == program(*program.leaves)


def test_the_catalogue_lists_every_operation_and_a_users_own():
    from autograd_core.catalogue import catalogue

    mine = ac.Op(name="my_cube", array=lambda x: x * x * x, d=(lambda m, out, x: 3.0 * x * x,), doc="x³.", text="{0}³")
    try:
        lines = catalogue().splitlines()
        assert [line.split()[0] for line in lines] == list(TABLE)
        assert "3·x·x" in next(line for line in lines if line.startswith("my_cube"))
        assert catalogue(markdown=True).count("\n") == len(TABLE) + 1
        folded = catalogue(width=80).splitlines()
        assert [line.split()[0] for line in folded if line[0] not in " ─"] == ["operation", *TABLE]
    finally:
        mine.forget()


@named([op for op in OPS if not isinstance(op.array, np.ufunc)])
def test_the_catalogue_says_how_a_rule_calls_an_operation(op):
    from autograd_core.catalogue import catalogue

    formula = next(line for line in catalogue().splitlines() if line.split()[0] == op.name)[len(op.name) :].split("  ")
    formula = next(part for part in formula if part.strip())
    try:
        parameters = inspect.signature(op.array).parameters.values()
    except ValueError:                         # one of C's
        return
    options = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "saved"]
    assert re.findall(r"(\w+)=", formula) == options
    if options or (op.vjp and not op.text):
        assert formula.strip().startswith(f"{op.name}({'…' if op.variadic else ', '.join('xyz'[: op.arity])}")


@given(program=strategies.expressions())
def test_hypothesis_and_notebooks_print_a_program_as_code_that_runs(program):
    space = {}
    exec(hypothesis.vendor.pretty.pretty(program), space)
    assert space["f"](*program.leaves) == program(*program.leaves)


@pytest.mark.parametrize("width", [1, 80, 120, 200])
def test_the_catalogue_keeps_its_columns_at_every_width(width):
    from autograd_core.catalogue import catalogue

    head, _, *lines = catalogue(width=width).splitlines()
    edges = [head.index(name) for name in ("formula", "derivatives", "what it is")]
    names = max(map(len, TABLE))
    assert max(map(len, lines)) <= max(width, names + 62)
    assert {line[edge - 2 : edge].strip() for line in lines for edge in edges} == {""}
    words = " ".join(" ".join(line[edges[-1] :] for line in lines).split())
    assert words == " ".join(" ".join(op.doc for op in TABLE.values()).split())


@pytest.mark.parametrize("name", ["data", "mask", "ndim", "shape"])
def test_an_operation_cannot_take_a_name_that_rules_use(name):
    with pytest.raises(ac.errors.RuleError, match=f"rules ask m.{name}"):
        ac.Op(name=name, array=lambda x: x * x, d=(lambda m, out, x: 2.0 * x,))


@pytest.mark.parametrize("name", ["backward", "item", "numpy", "T"])
def test_an_operation_cannot_take_a_name_that_nodes_have(name):
    mine = ac.Op(name=name, array=lambda x: x * x, d=(lambda m, out, x: 2.0 * x,), numpy=(len,))
    try:
        x, t = Value(3.0), Tensor([3.0])
        mine(x).backward()
        mine(t).sum().backward()
        assert (x.grad, t.grad.tolist(), x.data, t.shape) == (6.0, [6.0], 3.0, (1,))
    finally:
        mine.forget()
