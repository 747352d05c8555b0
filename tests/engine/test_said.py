"""What is refused says what it received, in words that help: numbers too large, indices, comparisons, things that are no numbers."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_core as ag
import nn
from autograd_core import Tensor, Value, array, where
from autograd_core.errors import AutogradError, DTypeError, IndexingError, OperandError, ShapeError
from nn.init import rng_of

HUGE = st.integers(1024, 4000).map(lambda bits: 2**bits) | st.integers(1024, 4000).map(lambda bits: -(2**bits))
DYADIC = [operator.add, operator.mul, operator.truediv, operator.pow, np.maximum, np.hypot, np.arctan2, lambda x, y: np.where(x > 0.0, x, y)]


@pytest.mark.parametrize("function", DYADIC)
@given(number=HUGE)
def test_an_integer_that_no_float_holds_is_what_is_named(function: Any, number: int) -> None:
    t = Tensor([1.0, 2.0])
    with pytest.raises(OperandError, match=r"no integer of so many digits|an integer of many digits"):
        function(t, number)
    with pytest.raises(OperandError, match=r"an integer of many digits"):
        function(Value(1.0), number)
    with pytest.raises(DTypeError, match="an integer of many digits of type int"):
        Tensor(number)
    with pytest.raises(OperandError, match="comparison with ==.*an integer of many digits"):
        t == number  # noqa: B015 - it raises


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=3).map(tuple))
def test_an_index_that_is_refused_is_shown(index: tuple[int, ...]) -> None:
    x = np.arange(6.0).reshape(2, 3)
    try:
        expected = x[index]
    except IndexError:
        with pytest.raises(IndexingError) as caught:
            Tensor(x)[index]
        assert f"received {index!r} as an index of an array of shape (2, 3)" in str(caught.value)
    else:
        assert np.array_equal(Tensor(x)[index].data, expected)


@pytest.mark.parametrize("index", [2**63, 2**64 - 1, -(2**70), np.uint64(2**63), np.array([2]), np.array([True, False, True])])
def test_an_index_out_of_the_range_of_all_arrays_is_an_indexing_error(index: Any) -> None:
    with pytest.raises(IndexingError, match=r"as an index of an array of shape \(2, 3\)"):
        Tensor(np.ones((2, 3)))[index]


SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_comparison_that_numpy_refuses_is_refused_in_our_words(sign: str) -> None:
    t, compare = Tensor([1.0, 2.0]), SIGNS[sign]
    for other in (np.ones(3), [1.0, 2.0, 3.0], Tensor(np.ones((3, 4)))):
        with pytest.raises(ShapeError, match=f"a comparison with {sign}: received an array of shape .2,. and dtype float64"):
            compare(t, other)
    if sign not in ("==", "!="):
        for nothing in ("a", None, {}):
            with pytest.raises(OperandError, match=f"a comparison with {sign}"):
                compare(t, nothing)
    with pytest.raises(ShapeError, match=r"received an array of shape \(3,\)"):
        compare(np.ones(3), t)


@pytest.mark.parametrize(
    "question",
    [lambda t: np.greater(t, np.ones(3)), lambda t: np.allclose(t, np.ones(3)), lambda t: np.argmax(t, axis=5)],
)
def test_a_question_that_numpy_refuses_is_refused_in_our_words(question: Any) -> None:
    with pytest.raises(AutogradError, match="received an array of shape"):
        question(Tensor([1.0, 2.0]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "received None of type NoneType"),
        ("3", "received '3' of type str"),
        ((v for v in [1.0]), r"of type generator, expected real numbers; list\(…\)"),
        (Fraction(1, 3), r"received Fraction\(1, 3\) of type Fraction"),
        ([1.0, None], "None of type NoneType among them"),
        ([1.0, {}], "{} of type dict among them"),
        (np.array([1.0, 2.0], object), r"\.astype\(float\) makes numbers of them"),
        ([Value(1.0), 2.0], "of type Value among them.*autograd_core.array"),
    ],
)
def test_what_is_no_number_is_named(given: Any, said: str) -> None:
    for make in (Tensor, lambda x: setattr(Tensor([1.0, 2.0]), "data", x)):
        with pytest.raises(DTypeError, match=said):
            make(given)


def test_no_mask_is_lost_in_silence() -> None:
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    for function in (array, ag.exp, lambda x: where(x, Tensor([1.0, 2.0]), 0.0), lambda x: where(True, x, Value(1.0)), lambda x: Tensor([1.0, 2.0]) * x, Tensor):
        with pytest.raises(AutogradError, match=r"mask would be lost; fill it first with \.filled"):
            function(masked)


def test_a_span_of_time_is_no_seed() -> None:
    with pytest.raises(OperandError, match="rng: received np.timedelta64"):
        rng_of(np.timedelta64(3, "s"))


@pytest.mark.parametrize("make", [lambda: (v for v in [1.0, 2.0]), lambda: iter([1.0, 2.0]), lambda: map(float, [1, 2]), lambda: zip([1.0], [2.0], strict=True)])
def test_an_iterator_is_no_array_and_what_makes_one_is_said(make: Any) -> None:
    t = Tensor([1.0, 2.0])
    uses = (Tensor, t.backward, lambda x: t * x, lambda x: nn.mse_loss(t, x), lambda x: nn.fit(nn.Linear(1, 1), x, np.ones(2)), lambda x: nn.accuracy(x, [1.0, 2.0]))
    for use in uses:
        with pytest.raises(AutogradError, match=r"list\(…\) makes a list of what it gives"):
            use(make())
