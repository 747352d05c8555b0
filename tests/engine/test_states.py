"""Graphs that grow, are assigned to, and are differentiated in any order: every gradient is that of the plain chain rule, or an error says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from autograd_core import Tensor, Value, no_grad
from autograd_core.errors import StaleDataError

Pull = Callable[[Any], Any]


def _ties(a: Any, b: Any) -> Any:
    return np.where(a > b, 1.0, np.where(a == b, 0.5, 0.0))


# How it is computed, and what of a gradient goes to each operand. What is in VIEWS shares its memory with its operand.
NUMBERS: dict[str, tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]] = {
    "add": (lambda a, b: a + b, (lambda g, a, b: g, lambda g, a, b: g)),
    "sub": (lambda a, b: a - b, (lambda g, a, b: g, lambda g, a, b: -g)),
    "mul": (lambda a, b: a * b, (lambda g, a, b: g * b, lambda g, a, b: g * a)),
    "maximum": (np.maximum, (lambda g, a, b: g * _ties(a, b), lambda g, a, b: g * _ties(b, a))),
    "square": (lambda a: a**2, (lambda g, a: 2.0 * a * g,)),
    "tanh": (np.tanh, (lambda g, a: (1.0 - np.tanh(a) ** 2) * g,)),
    "half": (lambda a: a / 2, (lambda g, a: g / 2.0,)),
}
VIEWS: dict[str, tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]] = {
    "itself": (lambda a: a[...], (lambda g, a: g,)),
    "backwards": (lambda a: a[::-1], (lambda g, a: g[::-1],)),
    "transposed": (lambda a: a.reshape(2, 2).T.reshape(4), (lambda g, a: g.reshape(2, 2).T.reshape(4),)),
    "reshaped": (lambda a: a.reshape(2, 2)[None].reshape(4), (lambda g, a: g,)),
    "total": (lambda a: a.sum() * np.ones(4), (lambda g, a: np.full(4, np.sum(g)),)),
    "picked": (lambda a, b: np.where([True, False, True, True], a, b), (lambda g, a, b: g * [1, 0, 1, 1], lambda g, a, b: g * [0, 1, 0, 0])),
}


NUMBERS_OF_A_LEAF = st.lists(st.integers(-8, 8).map(lambda n: n / 4), min_size=4, max_size=4)
BACK = st.integers(0, 4)                       # which node, counted from the youngest


class Twin:
    """What the machine knows of a node: its operands with their rules, numbers filled in, and how often each has been assigned."""

    def __init__(self, node: Any, pulls: tuple[tuple[Twin, Pull, int], ...] = ()) -> None:
        self.node, self.pulls, self.assigned = node, pulls, 0
        self.grad: Any = None

    def below(self) -> list[Twin]:
        """This node and all below, operands first."""
        order: list[Twin] = []

        def visit(twin: Twin) -> None:
            if twin not in order:
                for operand, _, _ in twin.pulls:
                    visit(operand)
                order.append(twin)

        visit(self)
        return order

    @property
    def stale(self) -> bool:
        """Whether something that was recorded here is no more what it was."""
        return (bool(self.pulls) and self.assigned > 0) or any(operand.assigned != then for operand, _, then in self.pulls)


class Machine(RuleBasedStateMachine):
    """Leaves, operations, assignments and passes in any order."""

    operations = NUMBERS

    def __init__(self) -> None:
        super().__init__()
        self.twins: list[Twin] = []

    def leaf(self, numbers: list[float]) -> Any:
        raise NotImplementedError

    def youngest(self, back: int) -> Twin:
        return self.twins[-1 - back % len(self.twins)]

    @initialize(numbers=NUMBERS_OF_A_LEAF)
    def begin(self, numbers: list[float]) -> None:
        """The first leaf."""
        self.grow(numbers)

    @rule(numbers=NUMBERS_OF_A_LEAF)
    def grow(self, numbers: list[float]) -> None:
        """A leaf."""
        self.twins.append(Twin(self.leaf(numbers)))

    @rule(a=BACK, b=BACK, data=st.data())
    def compute(self, a: int, b: int, data: st.DataObject) -> None:
        """An operation on one node or on two, which may be the same."""
        f, rules = self.operations[data.draw(st.sampled_from(sorted(self.operations)))]
        operands = (self.youngest(a), self.youngest(b))[: len(rules)]
        numbers = tuple(np.array(x.node.data) for x in operands)
        node = f(*(x.node for x in operands))
        if np.max(np.abs(node.data)) > 1e4:
            return                             # what overflows is tested elsewhere
        pulls = tuple((x, lambda g, rule=rule: rule(g, *numbers), x.assigned) for x, rule in zip(operands, rules, strict=True))
        self.twins.append(Twin(node, pulls))

    @rule(back=BACK)
    def zero(self, back: int) -> None:
        """`.grad` is cleared."""
        twin = self.youngest(back)
        twin.node.grad = 0.0 if isinstance(twin.node, Value) else None
        twin.grad = None

    @rule(back=BACK)
    def assign(self, back: int) -> None:
        """`.data` gets other numbers."""
        twin = self.youngest(back)
        twin.node.data = twin.node.data * 0.5 + 0.25
        twin.assigned += 1

    @rule(back=BACK, weight=st.integers(1, 3))
    def differentiate(self, back: int, weight: int) -> None:
        """A pass from any node: leaves accumulate, inner nodes have the gradient of this pass, and of a graph that is stale no leaf gets any."""
        twin = self.youngest(back)
        start = np.full(np.shape(twin.node.data), float(weight)) if isinstance(twin.node, Tensor) else 1.0
        below = twin.below()
        try:
            twin.node.backward(start) if isinstance(twin.node, Tensor) else twin.node.backward()
        except StaleDataError:
            assert any(t.stale for t in below), "nothing was assigned that this gradient needs"
            for t in below:
                if t.pulls:                    # as far as the pass came; of a leaf nothing has changed
                    t.grad = t.node.grad
            return
        flowed = {twin: start}
        for t in reversed(below):
            for operand, pull, _ in t.pulls:
                flowed[operand] = flowed.get(operand, 0.0) + pull(flowed[t])
        for t, g in flowed.items():
            t.grad = g if t.pulls or t.grad is None else t.grad + g

    @invariant()
    def gradients_agree(self) -> None:
        """Of all nodes, after every step."""
        for twin in self.twins:
            if twin.grad is None:
                assert twin.node.grad in (None, 0.0)
            else:
                np.testing.assert_allclose(twin.node.grad, twin.grad, rtol=1e-9, atol=1e-9)


class Tensors(Machine):
    """On tensors, with views among the operations, and with assignments that write into the array."""

    operations = NUMBERS | VIEWS

    def leaf(self, numbers: list[float]) -> Any:
        return Tensor(numbers)

    @rule(back=BACK, within=st.booleans())
    def write(self, back: int, within: bool) -> None:
        """`t.data -= step`, and `t -= step` under `no_grad()`, which makes a new node of what is no leaf."""
        twin = self.youngest(back)
        if within:
            twin.node.data -= 0.5
            twin.assigned += 1
            return
        with no_grad():
            updated = twin.node
            updated -= 0.5
        twin.assigned += updated is twin.node
        assert (updated is twin.node) is (not twin.pulls)


class Values(Machine):
    """On numbers."""

    def leaf(self, numbers: list[float]) -> Any:
        return Value(numbers[0])


TestTensors, TestValues = Tensors.TestCase, Values.TestCase
TestTensors.settings = TestValues.settings = settings(stateful_step_count=20, deadline=None)
