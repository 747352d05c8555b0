"""Programs as PyTorch has them: what is written into where nothing is recorded, and errors that say how a name is written here."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Tensor, Value, grad, no_grad, softmax
from autograd_core.arguments import checked
from autograd_core.elsewhere import ARGUMENTS, METHODS, NAMES
from autograd_core.errors import (
    IndexingError,
    ItemAssignmentError,
    MissingRuleError,
    OperandError,
    ShapeError,
    StaleDataError,
)

X = np.array([[0.3, -1.2, 2.0], [1.5, 0.25, -0.5]])
KEYS: list[Any] = [0, (1, 2), -1, slice(None), (slice(None), 1), ..., [1, 0], (np.array([0, 1]), np.array([2, 0])), X > 0.3, (slice(None), None, 0)]
VALUES: list[Any] = [7.0, 3, np.float32(2.0), Value(4.0), Tensor(5.0), Tensor(6.0, requires_grad=False)]


# ------------------------------------------------------------------------------- writing where nothing is recorded
@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elements_of_a_leaf_are_assigned_under_no_grad(key: Any, value: Any, dtype: Any) -> None:
    """As NumPy assigns them, in the same memory; the leaf stays a leaf of its kind."""
    for requires_grad in (True, False):
        w, expected = Tensor(X, dtype=dtype, requires_grad=requires_grad), X.astype(dtype)
        memory = w.detach()
        expected[key] = getattr(value, "data", value) if isinstance(value, (Value, Tensor)) else value
        with no_grad():
            w[key] = value
        assert (w.op, w.requires_grad, w.dtype) == (None, requires_grad, dtype)
        np.testing.assert_array_equal(w.data, expected)
        np.testing.assert_array_equal(memory.data, expected)


def test_a_part_of_a_leaf_is_updated_under_no_grad() -> None:
    """`p[:] -= step`, as courses on optimisers have it, is gradient descent."""
    p, q = Tensor([1.0, -2.0, 0.5]), Tensor([1.0, -2.0, 0.5])
    for _ in range(5):
        for t in (p, q):
            t.grad = None
            (t**4 + t).sum().backward()
        with no_grad():
            p[:] -= 0.1 * p.grad
            q -= 0.1 * q.grad
    np.testing.assert_array_equal(p.data, q.data)
    with no_grad():
        p[1:] *= 2.0
    np.testing.assert_array_equal(p.data, q.data * [1.0, 2.0, 2.0])


def test_what_was_computed_under_no_grad_is_written_into() -> None:
    """The gradient of a cross-entropy by hand, as the lecture on backpropagation writes it, is that of the engine."""
    import nn

    logits, y = Tensor(X), np.array([2, 0])
    nn.cross_entropy(logits, y).backward()
    with no_grad():
        by_hand = softmax(logits, 1)
        by_hand[range(2), y] -= 1.0
        by_hand /= 2
        spread = np.broadcast_to(logits[0], (2, 3))          # its array cannot be written into: a copy is
        spread[0] = 9.0
    np.testing.assert_allclose(by_hand.data, logits.grad, rtol=1e-15)
    np.testing.assert_array_equal(spread.data, [[9.0, 9.0, 9.0], X[0]])
    np.testing.assert_array_equal(logits.data, X)


def test_an_element_that_is_assigned_is_noticed_by_a_graph_from_before() -> None:
    """And nothing is changed by what is refused."""
    w = Tensor(X, label="weight")
    y = (w * w).sum()
    refusals: list[tuple[Any, Any, type[Exception], str]] = [
        (5, 1.0, IndexingError, "item assignment"), (0, [1.0, 2.0], ShapeError, r"\(2,\)"), ("a", 1.0, IndexingError, "indices"),
        (0, "x", OperandError, "real numbers"), (0, 1j, OperandError, "real numbers"), (w, 1.0, OperandError, "index"),
    ]  # fmt: skip
    for key, value, kind, text in refusals:
        with no_grad(), pytest.raises(kind, match=text):
            w[key] = value
    y.backward()
    np.testing.assert_array_equal(w.grad, 2.0 * X)
    with no_grad():
        w[0, 0] = 0.0
    with pytest.raises(StaleDataError, match="'weight'"):
        y.backward()


def test_elements_are_refused_where_a_graph_needs_the_old_ones() -> None:
    """While something is recorded, in what was recorded, and in the argument of a function that is differentiated."""
    leaf, constant = Tensor(X), Tensor(X, requires_grad=False)
    inner = leaf * 2.0
    for t in (leaf, constant, inner):
        with pytest.raises(ItemAssignmentError, match=r"under no_grad\(\).*numpy\(\)\.copy\(\)"):
            t[0] = 1.0
    with no_grad(), pytest.raises(ItemAssignmentError):
        inner[0] = 1.0
    with no_grad(), pytest.raises(TypeError, match=r"cannot|does not support"):
        Value(1.0)[0] = 1.0  # type: ignore[index]

    def writes(x: Any) -> Any:
        with no_grad():
            x[0] = 5.0
        return x.sum()

    x = X.copy()
    with pytest.raises(ItemAssignmentError):
        grad(writes)(x)
    np.testing.assert_array_equal(x, X)


def test_a_value_is_no_tensor_to_be_written_into() -> None:
    """`p -= step` under `no_grad()` makes a number, as it does elsewhere; where p has a gradient, an update is meant, and told how to write."""
    p, alias = Value(3.0), Value(2.0)
    (p * p).backward()
    q = p
    with no_grad(), pytest.warns(RuntimeWarning, match=r"leaves the parameter as it is.*p\.data -= step updates it") as caught:
        q -= 0.5 * p.grad
    assert (q.data, p.data, q is p) == (0.0, 3.0, False) and len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with no_grad():
            total = Value(0.0)
            total -= 1.0                       # no gradient has reached it
            total += p
            total -= p * 2.0
            activation = p
            activation += alias * 2.0          # begun with a parameter, as a neuron with its bias
            p.data -= 0.5 * p.grad
        r = p
        r -= 1.0                               # recorded
    assert (total.data, activation.data, p.data, r.data, r.parents[0] is p) == (-4.0, 7.0, 0.0, -1.0, True)


@pytest.mark.parametrize("step", [lambda a, t: a.__iadd__(t), lambda a, t: a.__isub__(t), lambda a, t: a.__imul__(t), lambda a, t: np.add(a, t, out=a)])
def test_an_array_takes_numbers_of_constants_and_of_whatever_is_not_recorded(step: Callable[[Any, Any], Any]) -> None:
    """`array -= tensor` loses a graph where there is one, and is refused there; elsewhere it is NumPy's."""
    t, expected = Tensor(X), step(X + 1.0, X)
    with no_grad():
        array = X + 1.0
        assert step(array, t) is array
    np.testing.assert_array_equal(array, expected)
    array = X + 1.0
    assert step(array, t.detach()) is array
    np.testing.assert_array_equal(array, expected)
    with no_grad():
        array, number = np.ones(2), Value(3.0) * 2.0
        np.testing.assert_array_equal(step(array, number), step(np.ones(2), 6.0))
    with pytest.raises(MissingRuleError, match=r"a = a \+ tensor"):
        step(np.ones((2, 3)), t)
    with no_grad(), pytest.raises(MissingRuleError):
        np.add(X, X, out=t)
    np.testing.assert_array_equal(t.data, X)


def test_parameters_are_updated_by_tensors_that_are_no_part_of_a_graph() -> None:
    """`p.data -= lr * g` with a g of one's own, computed under `no_grad()`."""
    w, x = Tensor(np.ones((3, 1))), X
    y = ((x @ w) ** 2).sum()
    y.backward()
    with no_grad():
        by_hand = 2.0 * x.T @ (x @ w)
        w.data -= 0.1 * by_hand
    np.testing.assert_allclose(w.data, 1.0 - 0.1 * w.grad, rtol=1e-15)
    with pytest.raises(StaleDataError):
        y.backward()


# --------------------------------------------------------------------------------------- names, and what they mean
_SAME: dict[str, tuple[Any, ...]] = {                         # torch's method and its arguments; the hint is evaluated
    "pow": (3.0,), "mm": (X.T,), "expand": ((4, 2, 3),), "tile": ((2, 2),), "repeat_interleave": (2, 1), "masked_fill": (X > 0.3, 9.0),
    "rsqrt": (), "tril": (), "triu": (), "gather": (1, np.array([[0], [2]])), "index_select": (1, np.array([2, 0])), "unbind": (),
    "t": (), "eq": (0.25,), "ne": (0.25,), "lt": (0.25,), "le": (0.25,), "gt": (0.25,), "ge": (0.25,), "numel": (), "nelement": (), "dim": (),
    "clone": (), "bool": (), "float": (), "double": (), "long": (), "flip": (0,), "is_leaf": None, "unsqueeze": (1,),
}  # type: ignore[dict-item]  # fmt: skip


@pytest.mark.parametrize("name", _SAME)
def test_what_an_error_says_is_written_here_is_what_torch_computes(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    args, data = _SAME[name], np.abs(X) if name == "rsqrt" else X
    theirs = getattr(torch.tensor(data), name)
    theirs = theirs if args is None else theirs(*(torch.tensor(a) if isinstance(a, np.ndarray) else a for a in args))
    args = args or ()
    names = {"np": np, "x": Tensor(data), "y": args[-1] if args else None, "value": args[-1] if args else None, "mask": args[0] if args else None,
             "shape": args[0] if args else None, "counts": args[0] if args else None, "indices": args[-1] if args else None,
             "axis": args[1] if name == "repeat_interleave" else args[0] if args else None}  # fmt: skip
    hint = METHODS[name]
    ours = eval(f"x.{hint}" if hint.startswith("astype") else hint, names)
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        ours, theirs = np.stack(ours), torch.stack(theirs)
    np.testing.assert_allclose(getattr(ours, "data", ours) if isinstance(ours, Tensor) else ours, np.asarray(theirs), rtol=1e-15)
    if isinstance(ours, Tensor):
        assert ours.requires_grad and ours.dtype == np.asarray(theirs).dtype


def test_names_that_are_answered_are_nobodys_own() -> None:
    """A hint hides no method, of neither kind, and is seen by nobody who does not ask for it."""
    for name, hint in METHODS.items():
        for node in (Value(1.0), Tensor([1.0])):
            assert not hasattr(node, name) and name not in dir(node)
            with pytest.raises(AttributeError) as caught:
                getattr(node, name)
            assert str(caught.value).endswith(f"; here it is written {hint}")


REDUCTIONS = "sum prod max min mean var std logsumexp softmax log_softmax cumsum cumprod argmax argmin argsort any all".split()


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize(("theirs", "ours"), [("dim", "axis"), ("keepdim", "keepdims")])
def test_names_of_arguments_are_answered_with_ours(name: str, theirs: str, ours: str) -> None:
    """And one that nobody has is only refused."""
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument '{theirs}'; here it is written {ours}$"):
        getattr(Tensor(X), name)(**{theirs: 1})
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'colour'$"):
        getattr(Tensor(X), name)(colour=1)
    if name == "mean":
        with pytest.raises(TypeError, match="'colour'$"):
            Tensor(X).mean(where=X > 0.0, colour=1)
    if name in ag.__all__:
        with pytest.raises(TypeError, match="here it is written"):
            getattr(ag, name)(X, **{theirs: 1})
    assert getattr(Tensor(X), name)(axis=1).shape[0] == 2


@pytest.mark.parametrize("make", [lambda: Value(3.0), lambda: Tensor(3.0)], ids=["Value", "Tensor"])
def test_a_graph_stays_without_being_asked_to(make: Callable[[], Any]) -> None:
    """What is refused says so, and leaves gradients as they were."""
    x = make()
    y = x * x
    for name, here in {"retain_graph": r"backward\(\) alone: the graph stays", "create_graph": r"grad\(grad\(f\)\)", "colour": ""}.items():
        with pytest.raises(TypeError, match=rf"^backward\(\) got an unexpected keyword argument '{name}'{'; here it is written ' if here else '$'}{here}"):
            y.backward(**{name: True})
    assert not x.grad
    y.backward()
    y.backward()
    assert x.grad == 12.0


def test_bessels_correction_is_named() -> None:
    for name in ("var", "std"):
        with pytest.raises(TypeError, match=r"'unbiased'; here it is written ddof, 1 for n − 1"):
            getattr(Tensor(X), name)(unbiased=True)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_where_the_largest_is_keeps_its_axis(name: str) -> None:
    for axis in (0, 1, -1, None):
        np.testing.assert_array_equal(getattr(Tensor(X), name)(axis, keepdims=True), getattr(X, name)(axis, keepdims=True))
        np.testing.assert_array_equal(getattr(Tensor(X), name)(axis), getattr(X, name)(axis))
    with pytest.raises(OperandError, match=f"{name}: received keepdims=2"):
        getattr(Tensor(X), name)(keepdims=2)


@pytest.mark.parametrize("name", NAMES)
def test_a_package_answers_for_what_is_not_numpys(name: str) -> None:
    """And what the answer names is there."""
    import nn

    with pytest.raises(AttributeError, match=f"^module 'autograd_core' has no attribute '{name}'; here it is written ") as caught:
        getattr(ag, name)
    said = str(caught.value).split("here it is written ")[1]
    assert said == NAMES[name]
    for path in re.findall(r"[A-Za-z_.]+", said.split(",")[0].split("(")[0].removeprefix("rng = ").split(" ")[0]):
        *at, last = path.split(".")
        holder: Any = {"np": np, "nn": nn, "rng": np.random.default_rng(0)}[at[0]] if at else ag
        for part in at[1:]:
            holder = getattr(holder, part)
        assert callable(getattr(holder, last))


def test_arguments_that_are_answered_are_nobodys_own() -> None:
    for name in ARGUMENTS:
        for method in REDUCTIONS:
            assert name not in inspect.signature(getattr(Tensor, method)).parameters


# ---------------------------------------------------------------------------- the same name, another meaning
@pytest.mark.parametrize("axes", [(0, 1), (-2, -1), (0, -1), (-2, 1)])
def test_a_transposition_that_leaves_a_matrix_as_it_is_warns(axes: tuple[int, int]) -> None:
    """In torch these are the two axes that are exchanged; here, as in NumPy, all axes in their new order."""
    t = Tensor(X)
    with pytest.warns(RuntimeWarning, match=r"transpose\(.*leaves it as it is.*x\.T transposes, swapaxes\(") as caught:
        np.testing.assert_array_equal(t.transpose(*axes).data, X)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(t.swapaxes(*axes).data, X.T)


def test_other_transpositions_do_not_warn() -> None:
    t, cube = Tensor(X), Tensor(np.arange(24.0).reshape(2, 3, 4))
    for axes in ((1, 0), (-1, -2), ((0, 1),), ([1, 0],), (np.array([0, 1]),), (None,), ()):
        np.testing.assert_array_equal(t.transpose(*axes).data, X.transpose(*axes))
    np.testing.assert_array_equal(cube.transpose(0, 1, 2).data, cube.data)


def test_a_transposition_that_names_two_axes_of_three_says_what_exchanges_them() -> None:
    cube = Tensor(np.zeros((2, 3, 4)))
    with pytest.raises(ShapeError, match=r"axes=\(1, 2\) for shape \(2, 3, 4\), expected each axis once, in the new order; swapaxes\(1, 2\) exchanges two"):
        cube.transpose(1, 2)
    with pytest.raises(ShapeError, match=r"axes=\(0, 1, 1\) .* in the new order\.$"):
        cube.transpose(0, 1, 1)
    with pytest.raises(ShapeError, match=r"axes=\(1, 0\) for shape \(2,\).* in the new order\.$"):
        Tensor(np.zeros(2)).transpose(1, 0)
    assert cube.swapaxes(1, 2).shape == (2, 4, 3)


def test_flattening_from_an_axis_on_says_how() -> None:
    cube = Tensor(np.arange(24.0).reshape(2, 3, 4))
    for first in (1, 2):
        with pytest.raises(OperandError, match="keeps the first axes") as caught:
            cube.flatten(first)  # type: ignore[arg-type]
        shown = eval(str(caught.value).split("; ")[1].removesuffix(" keeps the first axes."), {"x": cube})
        np.testing.assert_array_equal(shown.data, cube.data.reshape(*cube.shape[:first], -1))


# --------------------------------------------------------------------------------------------- whole signatures
def test_arguments_that_do_not_fit_are_answered_with_the_signature() -> None:
    """What the interpreter says, and how the function is called; errors inside a function are its own."""

    @checked
    def scaled(x: float, by: float = 2.0, *, dtype: Any = np.float32) -> float:
        return x * by + (None if by == 3.0 else 0.0)  # type: ignore[operator]

    written = r"; it is written .*scaled\(x, by=2\.0, \*, dtype=float32\)\.$"
    cases: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((1.0,), {"factor": 3.0}), ((), {}), ((1.0, 2.0, 3.0), {}), ((1.0,), {"x": 2.0})]
    for args, kwargs in cases:
        with pytest.raises(OperandError, match=written):
            scaled(*args, **kwargs)
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        scaled(1.0, 3.0)
    assert not isinstance(caught.value, OperandError) and scaled(1.0) == 2.0
    assert list(inspect.signature(scaled).parameters) == ["x", "by", "dtype"]
