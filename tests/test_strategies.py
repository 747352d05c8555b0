"""The strategies: what they draw lies where it should, is drawn in good time, and shrinks."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from autograd_core import TABLE, Interval, Op, Tensor, Value, check_grads, strategies
from autograd_core.errors import OperandError
from autograd_core.op import built_in

DOMAINS = {
    "default": Interval(),
    "positive": Interval(0.05, 4.0),
    "not 0": Interval(-4.0, 4.0, avoid=(0.0,)),
    "wide": Interval(-1e6, 1e6, avoid=(-3.0, 3.0)),
    "tiny": Interval(1e-9, 1e-8),
    "one number": Interval(0.123456789, 0.123456789),
    "from 5 on": Interval(5.0, math.inf),
    "up to -5": Interval(-math.inf, -5.0, avoid=(-7.0,)),
    "any": Interval(-math.inf, math.inf),
    "nearly all avoided": Interval(0.0, 1.0, avoid=tuple(np.arange(0.0, 0.96, 0.1).tolist())),
}
MARGIN = 0.04
QUICK = settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.filter_too_much])


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("shape", [(3,), (7, 40)], ids=["one by one", "from a seed"])
def test_arrays_lie_in_their_domain(name, shape):
    domain, margin = DOMAINS[name], MARGIN if len(DOMAINS[name].avoid) < 3 else 0.045

    @QUICK
    @given(strategies.arrays(shape, domain=domain, margin=margin))
    def check(x):
        assert x.shape == shape and x.dtype == np.float64
        assert np.isfinite(x).all()
        assert all(domain.contains(v, margin) for v in x.ravel().tolist())

    check()


def test_large_arrays_are_drawn_in_good_time_and_differ():
    seen = []

    @settings(max_examples=30, deadline=None, database=None)           # with every health check
    @given(strategies.arrays((128, 64)))
    def check(x):
        seen.append(x)

    check()
    assert all(len(np.unique(x)) > 8000 for x in seen)
    assert len({x.tobytes() for x in seen}) > 10


def test_large_arrays_meet_kinks_and_drawn_numbers():
    at_kink = find(strategies.arrays((20, 20), domain=Interval(-1.0, 1.0, avoid=(0.0,)), kinks=True), lambda x: (x == 0.0).any())
    assert (at_kink == 0.0).sum() >= 1


def test_small_ones_shrink_to_simple_numbers():
    found = find(strategies.arrays((2, 3)), lambda x: x.sum() > 1.5, settings=settings(database=None, phases=[Phase.generate, Phase.shrink], max_examples=2000))
    assert sorted(found.ravel().tolist())[:4] == [0.0, 0.0, 0.0, 0.0] and found.sum() <= 3.0


def test_dtypes_shapes_and_leaves_may_be_drawn():
    @QUICK
    @given(strategies.arrays(strategies.shapes(min_side=1), dtype=st.sampled_from([np.float32, np.float64])), strategies.tensors((2, 2)), strategies.values())
    def check(x, t, v):
        assert x.dtype in (np.float32, np.float64) and x.ndim <= 3
        assert isinstance(t, Tensor) and t.op is None and t.shape == (2, 2)
        assert isinstance(v, Value) and v.op is None

    check()


def test_a_model_of_some_size_is_checked_along_directions():
    @settings(max_examples=3, deadline=None, database=None)
    @given(strategies.arrays((64, 32)), strategies.arrays((32,)))
    def check(w, x):
        check_grads(lambda w, x: np.tanh(w @ x).sum(), (w, x), order=1, sample=5)

    check()


@pytest.mark.parametrize("shape", [3, (2, -1), "ab", (1.5,), (10**6,)])
def test_shapes_that_are_none(shape):
    with pytest.raises(OperandError, match="shape="):
        find(strategies.arrays(shape), lambda x: True)


@given(st.data())
def test_operands_suit_their_operation(data):
    op = data.draw(st.sampled_from([op for op in TABLE.values() if built_in(op.name) and (op.samples or (op.elementwise and not op.variadic))]))
    operands, options = data.draw(strategies.operands(op))
    with np.errstate(all="ignore"):
        out = op(*[Tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in operands], **options)
    assert np.isfinite(np.asarray(getattr(out, "data", out), dtype=float)).all() or op.samples


def test_what_nothing_can_be_drawn_of_is_refused():
    op = Op(name="users_own", array=lambda x: x.T, vjp=(lambda m, g, out, x: m.transpose(g),))
    try:
        with pytest.raises(OperandError, match="users_own is structural and has no samples="):
            find(strategies.operands(op), lambda _: True)
    finally:
        op.forget()
    with pytest.raises(OperandError, match="min_side=3 and max_side=2, expected the smaller one first"):
        strategies.shapes(min_side=3, max_side=2)
    with pytest.raises(OperandError, match="received no operation that acts on each element"):
        find(strategies.expressions(ops=[TABLE["sum"]]), lambda _: True)


def test_an_operation_of_a_users_own_joins_the_random_programs_as_it_is():
    op = Op(name="users_own", array=lambda x: x / (1.0 + abs(x)), d=(lambda m, out, x: 1.0 / m.square(1.0 + m.abs(x)),))
    try:
        assert op in strategies.smooth()
        found = find(strategies.expressions(ops=[op, TABLE["mul"]]), lambda program: {name for name, _ in program.steps} == {"users_own", "mul"})
        assert len(found.steps) == 2 and "TABLE['users_own']" in repr(found)
        check_grads(found, found.leaves)
    finally:
        op.forget()


def test_arrays_are_of_any_shape_where_none_is_said():
    assert find(strategies.arrays(), lambda x: x.ndim == 2 and x.size > 3).shape == (2, 2)
    assert find(strategies.tensors(), lambda x: x.size == 0).size == 0
