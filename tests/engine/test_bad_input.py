"""Bad input: each error says what was received, what was expected, and what to do."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

import autograd_core as ag
import nn
from autograd_core import Tensor, Value, arguments
from autograd_core.arguments import Count, DType, Numbers, checked, shown, truth, way_out
from autograd_core.errors import (
    AutogradError,
    AxisError,
    DTypeError,
    GraphError,
    IndexingError,
    LinAlgError,
    NotScalarError,
    OperandError,
    ShapeError,
    StaleDataError,
)


def ones(*shape: int) -> Tensor:
    """A tensor."""
    return Tensor(np.ones(shape))


# name: (what to call, error, texts that the message must have)
CASES: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    # -------------------------------------------------------------------------- shapes that do not fit
    "add": (
        lambda: ones(2, 3) + np.ones((2, 2)),
        ShapeError,
        ["add", "(2, 3)", "(2, 2)", "broadcast", "reshape"],
    ),
    "power": (lambda: ones(2) ** ones(3), ShapeError, ["power", "(2,)", "(3,)", "broadcast"]),
    "an option of a ufunc": (lambda: ag.exp(ones(2), where=np.array([True, False])), OperandError, ["exp", "where=", "operands alone"]),
    "an option of a ufunc, on numbers": (lambda: ag.exp(2.0, dtype=np.float32), OperandError, ["exp", "dtype=", "operands alone"]),
    "maximum": (lambda: np.maximum(ones(2), np.ones(3)), ShapeError, ["maximum", "(2,)", "(3,)"]),
    "where": (lambda: np.where(np.ones(3, bool), ones(2), 0.0), ShapeError, ["where", "(3,)", "(2,)"]),
    "matmul": (lambda: ones(2, 3) @ ones(2, 3), ShapeError, ["matmul", "(2, 3)", "transpose"]),
    "matmul of a number": (lambda: ones(2, 3) @ Tensor(1.0), ShapeError, ["matmul", "(2, 3)", "()"]),
    "dot": (lambda: np.dot(ones(2, 3), ones(2)), ShapeError, ["(2, 3)", "(2,)"]),
    "einsum": (
        lambda: np.einsum("ij,jk->ik", ones(2, 3), ones(2, 2)),
        ShapeError,
        ["einsum", "(2, 3)", "(2, 2)", "ij,jk->ik"],
    ),
    "tensordot": (lambda: np.tensordot(ones(2, 3), ones(2, 3), axes=1), ShapeError, ["(2, 3)"]),
    "reshape": (lambda: ones(2, 3).reshape(4, 2), ShapeError, ["reshape", "(2, 3)", "(4, 2)"]),
    "broadcast_to": (
        lambda: np.broadcast_to(ones(2, 3), (3, 3)),
        ShapeError,
        ["broadcast_to", "(2, 3)", "(3, 3)"],
    ),
    "concatenate": (
        lambda: np.concatenate([ones(2, 3), ones(2, 4)]),
        ShapeError,
        ["concatenate", "(2, 3)", "(2, 4)"],
    ),
    "stack": (lambda: np.stack([ones(2), ones(3)]), ShapeError, ["stack", "(2,)", "(3,)"]),
    "split": (lambda: np.split(ones(5), 2), ShapeError, ["split", "5", "2"]),
    "squeeze": (lambda: np.squeeze(ones(2, 1), axis=0), ShapeError, ["squeeze", "(2, 1)", "length 1"]),
    "transpose": (lambda: np.transpose(ones(2, 3), (0, 0)), ShapeError, ["transpose", "(2, 3)", "(0, 0)"]),
    "inv of an oblong": (lambda: np.linalg.inv(ones(2, 3)), LinAlgError, ["inv", "(2, 3)", "square"]),
    "solve": (
        lambda: np.linalg.solve(Tensor(np.eye(2)), np.ones(3)),
        ShapeError,
        ["solve", "(2, 2)", "(3,)"],
    ),
    "max of nothing": (lambda: np.max(ones(0)), ShapeError, ["max", "(0,)"]),
    "ragged list": (lambda: Tensor([[1.0], [1.0, 2.0]]), ShapeError, ["Tensor", "ragged", "one length"]),
    "singular": (lambda: np.linalg.inv(ones(2, 2)), LinAlgError, ["inv", "ingular"]),
    "not positive definite": (
        lambda: np.linalg.cholesky(-ones(2, 2)),
        LinAlgError,
        ["cholesky", "positive definite"],
    ),
    "repeat": (lambda: np.repeat(ones(2), -1), AutogradError, ["repeat", "-1"]),
    "repeat by other counts": (lambda: np.repeat(ones(2), [1, 2, 3]), ShapeError, ["repeat", "[1, 2, 3]", "2 elements", "one for each"]),
    "tile": (lambda: np.tile(ones(2), (2, -1)), ShapeError, ["tile", "(2, -1)", "0 or more"]),
    "roll": (lambda: np.roll(ones(2, 2, 2), (1, 2), (0, 1, 2)), ShapeError, ["roll", "2 shifts", "3 axes"]),
    "diag": (lambda: np.diag(ones(2, 2, 2)), ShapeError, ["diag", "(2, 2, 2)", "a vector or a matrix"]),
    "block of lists of several depths": (lambda: np.block([ones(2), [1.0]]), ShapeError, ["block", "one depth"]),
    "tensordot by lists of two lengths": (
        lambda: np.tensordot(ones(2, 2), ones(2, 2), axes=([0, 1], [1])), ShapeError, ["tensordot", "2 axes of the first and 1 of the second"]
    ),
    "full matrices of an oblong": (lambda: np.linalg.svd(ones(2, 3)), AutogradError, ["svd", "(2, 3)", "full_matrices=False"]),
    "a word that is none of those": (lambda: ag.draw(Value(1.0), theme="pink"), OperandError, ["theme='pink'", "one of 'auto', 'light', 'dark'"]),
    "tensordot by one list": (lambda: np.tensordot(ones(2, 2), ones(2, 2), axes=[1]), OperandError, ["tensordot", "[1]", "of the second"]),
    "gradient with a spacing too many": (lambda: np.gradient(ones(2, 2, 2), 1.0, 2.0), ShapeError, ["gradient", "2 spacings for 3 axes"]),
    "weights that would broadcast": (lambda: np.average(ones(3, 3), weights=np.ones(3)), ShapeError, ["average", "(3,)", "(3, 3)", "axis=None"]),
    "weights along another axis": (lambda: np.average(ones(3, 2), axis=0, weights=np.ones(2)), ShapeError, ["average", "(2,)", "(3, 2)", "axis=0"]),
    "weights for axes in another order": (
        lambda: np.average(ones(2, 3), axis=(1, 0), weights=np.ones((1, 3))), ShapeError, ["average", "(1, 3)", "axis=(1, 0)"]
    ),
    "weights for other numbers": (lambda: np.bincount([0, 1, 1], weights=ones(2)), ShapeError, ["bincount", "(3,)", "(2,)", "a weight for each"]),
    "weights for other elements": (lambda: np.histogram([0.0, 1.0, 1.0], weights=ones(2)), ShapeError, ["histogram", "(3,)", "(2,)", "a weight for each"]),
    # ---------------------------------------------------------------------------- an axis out of range
    "expand_dims twice at one place": (lambda: np.expand_dims(ones(2), (0, 0)), ShapeError, ["expand_dims", "(0, 0)", "each axis once"]),
    "rot90 in no plane": (lambda: np.rot90(ones(2, 2), 1, (1, -1)), ShapeError, ["rot90", "(1, -1)", "different"]),
    "sum": (lambda: np.sum(ones(2, 2), axis=2), AxisError, ["sum", "(2, 2)", "axis=2", "from -2 to 1"]),
    "max": (lambda: np.max(ones(2, 2), axis=-3), AxisError, ["max", "axis=-3", "from -2 to 1"]),
    "mean": (lambda: ones(2).mean(axis=(0, 1)), AxisError, ["mean", "(2,)", "(0, 1)"]),
    "softmax": (lambda: ag.softmax(ones(2), axis=3), AxisError, ["softmax", "axis=3", "from -1 to 0"]),
    "logsumexp": (lambda: ag.logsumexp(ones(2), axis=1), AxisError, ["logsumexp", "axis=1"]),
    "cumsum": (lambda: np.cumsum(ones(2), axis=1), AxisError, ["cumsum", "axis=1"]),
    "sort": (lambda: np.sort(ones(2), axis=1), AxisError, ["sort", "axis=1"]),
    "concatenate axis": (
        lambda: np.concatenate([ones(2), ones(2)], axis=1),
        AxisError,
        ["concatenate", "axis=1"],
    ),
    "expand_dims": (lambda: np.expand_dims(ones(2), 5), AxisError, ["expand_dims", "5"]),
    "swapaxes": (lambda: np.swapaxes(ones(2), 0, 1), AxisError, ["swapaxes", "1"]),
    "moveaxis": (lambda: np.moveaxis(ones(2), 0, 1), AxisError, ["moveaxis", "1"]),
    "flip": (lambda: np.flip(ones(2), 1), AxisError, ["flip", "1"]),
    "duplicate axes": (lambda: np.sum(ones(2, 2), axis=(0, 0)), ShapeError, ["sum", "(0, 0)"]),
    "axis of a wrong type": (lambda: np.sum(ones(2, 2), axis="rows"), AutogradError, ["sum", "rows"]),
    "axis that is no integer": (lambda: np.sum(ones(2, 2), axis=0.5), AutogradError, ["sum", "0.5"]),
    # ----------------------------------------------------------------------------------------- indices
    "index too large": (lambda: ones(2)[5], IndexingError, ["index", "(2,)", "5"]),
    "too many indices": (lambda: ones(2)[0, 0], IndexingError, ["index", "(2,)", "too many"]),
    "float index": (lambda: ones(2)[1.0], IndexingError, ["index", "integers"]),
    "text index": (lambda: ones(2)["a"], IndexingError, ["index", "integers"]),
    "mask of a wrong shape": (lambda: ones(2)[np.ones(3, bool)], IndexingError, ["index", "(2,)", "3"]),
    "differentiable index": (
        lambda: ones(2)[Tensor([0.0])],
        OperandError,
        ["index", "differentiable", "integers"],
    ),
    # ----------------------------------------------------------------- a string where a number belongs
    "Value of a text": (lambda: Value("3"), OperandError, ["Value", "'3'", "str", "real number"]),
    "Value of None": (lambda: Value(None), OperandError, ["Value", "None", "real number"]),
    "Value of a list": (lambda: Value([1.0]), OperandError, ["Value", "[1.0]", "real number"]),
    "Value of an array": (lambda: Value(np.ones(3)), OperandError, ["Value", "(3,)", "Tensor"]),
    "Value of a complex": (lambda: Value(1j), OperandError, ["Value", "1j", "real number"]),
    "Value of a Value": (lambda: Value(Value(1.0)), OperandError, ["Value", "real number", ".data"]),
    "Value.data": (
        lambda: setattr(Value(1.0), "data", "2"),
        OperandError,
        ["Value.data", "'2'", "real number"],
    ),
    "Tensor of a text": (lambda: Tensor("a"), DTypeError, ["Tensor", "received 'a' of type str", "real numbers"]),
    "Tensor of None": (lambda: Tensor(None), DTypeError, ["Tensor", "received None", "real numbers"]),
    "Tensor of complex": (lambda: Tensor([1j]), DTypeError, ["Tensor", "complex128", "real numbers"]),
    "Tensor of dates": (lambda: Tensor(np.array(["2020"], "M8[D]")), DTypeError, ["Tensor", "datetime64"]),
    "Tensor of a Tensor": (lambda: Tensor(ones(2)), OperandError, ["Tensor", ".data"]),
    "Tensor.data of a wrong shape": (
        lambda: setattr(ones(2), "data", np.ones(3)),
        AutogradError,
        ["Tensor.data", "(3,)", "(2,)"],
    ),
    "Value + text": (lambda: Value(1.0) + "a", OperandError, ["add", "'a'", "str", "expected a number"]),
    "text * Value": (lambda: "a" * Value(1.0), OperandError, ["mul", "'a'", "str", "expected a number"]),
    "an integer beyond all floats": (lambda: 10**400 - Value(1.0), OperandError, ["sub", "many digits", "expected a number"]),
    "Value - None": (lambda: Value(1.0) - None, OperandError, ["sub", "None", "expected a number"]),
    "Value / list": (lambda: Value(1.0) / [1.0], OperandError, ["div", "[1.0]", "list"]),
    "Tensor + text": (lambda: ones(2) + "a", OperandError, ["add", "'a'", "str", "expected a number"]),
    "text - Tensor": (lambda: "a" - ones(2), OperandError, ["sub", "'a'", "str", "expected a number"]),
    "Tensor + object": (lambda: ones(2) + object(), OperandError, ["add", "object", "expected a number"]),
    "Tensor + array of texts": (lambda: ones(1) + np.array(["a"]), AutogradError, ["add", "<U1"]),
    "function of a text": (lambda: ag.exp("a"), OperandError, ["exp", "'a'", "str", "expected a number"]),
    "function of nothing": (lambda: ag.maximum(Value(1.0)), OperandError, ["maximum", "1", "2"]),
    # ---------------------------------------------------------------------------------------- backward
    "backward of a vector": (
        lambda: ones(2, 3).backward(),
        NotScalarError,
        ["backward", "(2, 3)", "6 elements", "gradient="],
    ),
    "gradient of a wrong shape": (
        lambda: ones(2).backward(np.ones(3)),
        ShapeError,
        ["backward", "(3,)", "(2,)"],
    ),
    "gradient that is a number": (lambda: ones(2).backward(1.0), ShapeError, ["backward", "()", "(2,)"]),
    "gradient of nodes": (
        lambda: ones(2).backward(np.array([Value(1.0), Value(2.0)], dtype=object)),
        ShapeError,
        ["backward", "dtype object", "float64"],
    ),
    "gradient that is a text": (lambda: ones(2).backward("a"), AutogradError, ["backward", "'a'|str|<U1"]),
    "backward of a constant": (
        lambda: (Tensor([1.0], requires_grad=False) * 2).backward(),
        GraphError,
        ["backward", "constant"],
    ),
    # -------------------------------------------------------------- arrays that cannot hold a gradient
    "integer dtype": (
        lambda: Tensor([1, 2], dtype=int),
        DTypeError,
        ["int64|int32", "cannot hold a gradient", "float64"],
    ),
    "boolean dtype": (lambda: Tensor([1, 2], dtype=bool), DTypeError, ["bool", "cannot hold a gradient"]),
    "complex dtype": (
        lambda: Tensor([1, 2], dtype=complex),
        DTypeError,
        ["complex", "cannot hold a gradient"],
    ),
    "astype complex": (
        lambda: ones(2).astype(complex),
        DTypeError,
        ["astype", "complex128", "cannot hold a gradient"],
    ),
    "masked array": (lambda: Tensor(np.ma.array([1.0], mask=[True])), OperandError, ["masked", "filled"]),
    # -------------------------------------------------------------------------- numbers out of tensors
    "float of a vector": (lambda: float(ones(2)), NotScalarError, ["float", "(2,)", "one element", "reduce"]),
    "int of a vector": (lambda: int(ones(2)), NotScalarError, ["(2,)"]),
    "item of a vector": (lambda: ones(2).item(), NotScalarError, ["item", "(2,)", "one element"]),
    "truth of a vector": (lambda: bool(ones(2)), NotScalarError, ["(2,)", "ambiguous", "any"]),
    "length of a number": (lambda: len(Tensor(1.0)), TypeError, ["len"]),
    "iteration of a number": (lambda: list(Tensor(1.0)), TypeError, ["iterated", "item"]),
    "writing into a tensor": (lambda: ones(2).__setitem__(0, 5.0), GraphError, ["written into", "where"]),
    # -------------------------------------------------------------------------- arguments of functions
    "einsum without labels": (lambda: np.einsum(ones(2, 2), 3), AutogradError, ["einsum", "labels"]),
    "einsum with an unknown label": (
        lambda: np.einsum("ij->k", ones(2, 2)),
        AutogradError,
        ["einsum", "ij->k"],
    ),
    "norm of an unknown order": (lambda: np.linalg.norm(ones(2, 2), ord=3), TypeError, ["norm", "3", "nuc"]),
    "several constants around": (lambda: np.pad(ones(2), 1, constant_values=(1.0, 2.0)), AutogradError, ["pad", "(1.0, 2.0)", "one number"]),
    "interp of a period": (lambda: np.interp(ones(2), [0.0, 1.0], [0.0, 1.0], period=1.0), AutogradError, ["interp", "period", "np.mod"]),
    "jacobian of a text": (lambda: ag.jacobian(lambda x: "x")(1.0), AutogradError, ["jacobian", "'x'", "numbers and arrays"]),
    "derivatives of too many orders": (lambda: ag.check_grads(np.sin, (1.0,), order=100), AutogradError, ["check_grads", "100", "at most"]),
    "a polynomial fit that cuts off": (lambda: np.polyfit(np.arange(6.0), ones(6), 3, rcond=0.5), AutogradError, ["rcond=0.5", "cut off"]),
    "unknown pad mode": (lambda: np.pad(ones(2), 1, mode="sideways"), AutogradError, ["pad", "sideways"]),
    "too many operands": (lambda: ag.tanh(Value(1.0), Value(2.0)), AutogradError, ["tanh", "2", "1"]),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str) -> None:
    """The message has the operation, what came in, and what was expected."""
    import re

    call, error, texts = CASES[name]
    with pytest.raises(error) as info:
        call()
    assert isinstance(info.value, AutogradError), f"{type(info.value).__name__}: {info.value}"
    for text in texts:
        pattern = text if "|" in text else re.escape(text)
        assert re.search(pattern, str(info.value)), f"{text!r} is not in {info.value}"


def test_a_stale_value_names_both_numbers() -> None:
    """Node, operation, old, new, and what to do."""
    x = Value(3.0, label="rate")
    y = x.exp()
    x.data = 4.0
    with pytest.raises(StaleDataError) as info:
        y.backward()
    for text in ("'rate'", "exp", "3.0", "4.0", "again"):
        assert text in str(info.value)


def test_a_stale_tensor_says_that_it_was_assigned() -> None:
    """It does not claim that something else happened."""
    t = Tensor([1.0, 2.0], label="rates")
    y = np.exp(t).sum()
    t.data = np.array([3.0, 4.0])
    with pytest.raises(StaleDataError) as info:
        y.backward()
    for text in ("'rates'", "exp", "assigned", "again"):
        assert text in str(info.value)
    assert "written into" not in str(info.value)


def test_a_gradient_that_the_user_set_wrongly() -> None:
    """Named with the leaf, not a broadcast error."""
    t = Tensor([1.0, 2.0], label="rates")
    y = (t * 2).sum()
    with pytest.raises(AutogradError, match=r"(?s)(\(3,\).*\(2,\)|\(2,\).*\(3,\))"):
        t.grad = np.zeros(3)
        y.backward()


def test_errors_are_the_kind_that_numpy_users_catch() -> None:
    """ValueError for shapes, IndexError for indices, TypeError for types, LinAlgError for matrices."""
    with pytest.raises(ValueError, match="add"):
        ones(2) + np.ones(3)
    with pytest.raises(IndexError):
        ones(2)[5]
    for kind in (np.exceptions.AxisError, ValueError, IndexError, AutogradError):
        with pytest.raises(kind, match=r"^sum: received operands of shape \(2,\), axis=3; expected an axis from -1 to 0") as caught:
            np.sum(ones(2), axis=3)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(np.exceptions.AxisError, match="unwrap: received axis=5 for 1 axes"):
        np.unwrap(ones(2), axis=5)
    with pytest.raises(TypeError):
        ones(2) + "a"
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.inv(ones(2, 2))
    for call in (np.linalg.svd, np.linalg.svdvals, np.linalg.qr, np.linalg.pinv, np.linalg.cond):
        for shape in ((), (3,), (0,)):
            with pytest.raises(np.linalg.LinAlgError, match=rf"(svdvals|{call.__name__}): received shape {re.escape(str(shape))}, expected a matrix"):
                call(Tensor(np.ones(shape)))


def test_a_failed_operation_leaves_its_operands_alone() -> None:
    """After an error the same tensors work."""
    t = Tensor([1.0, 2.0])
    for call in (lambda: t + np.ones(3), lambda: t.sum(axis=4), lambda: t.backward(), lambda: t + "a"):
        with pytest.raises(AutogradError):
            call()
    (t * t).sum().backward()
    np.testing.assert_array_equal(t.grad, [2.0, 4.0])


def test_other_types_may_take_over_an_operator() -> None:
    """A class that knows what to do with a node is asked."""

    class Unit:
        def __radd__(self, other: Any) -> str:
            return "mine"

        __add__ = __radd__
        __array_ufunc__ = None

    assert Value(1.0) + Unit() == "mine"
    assert ones(2) + Unit() == "mine"
    assert Unit() + Value(1.0) == "mine"
    assert Unit() + ones(2) == "mine"


def test_the_other_type_is_asked_for_the_side_on_which_it_stands() -> None:
    """A class that knows one side only has that one; the other is refused in our words."""

    class OnTheRight:
        __array_ufunc__ = None

        def __radd__(self, other: Any) -> str:
            return "right"

    class OnTheLeft:
        __array_ufunc__ = None

        def __add__(self, other: Any) -> str:
            return "left"

    for node in (Value(1.0), ones(2)):
        assert (node + OnTheRight(), OnTheLeft() + node) == ("right", "left")
        for call in (lambda: OnTheRight() + node, lambda: node + OnTheLeft()):
            with pytest.raises(OperandError, match="add: received .*expected a number"):
                call()


@pytest.mark.parametrize("build", ["Neuron", "Layer", "MLP"])
def test_wrong_number_of_inputs_to_a_neuron(build: str) -> None:
    """What was received, what was expected."""
    nn = pytest.importorskip("nn", reason="the teaching stack is not installed")
    if not hasattr(nn, build):
        pytest.skip(f"nn.{build} is not there")
    rng = np.random.default_rng(0)
    module = {
        "Neuron": lambda: nn.Neuron(3, rng=rng),
        "Layer": lambda: nn.Layer(3, 2, rng=rng),
        "MLP": lambda: nn.MLP(3, [2, 1], rng=rng),
    }[build]()
    with pytest.raises(ValueError, match=r"2.*3|3.*2"):
        module([1.0, 2.0])
    with pytest.raises((TypeError, ValueError), match="'a'|str"):
        module([1.0, 2.0, "a"])


class Table:
    """What pandas' tables and columns have."""

    def __init__(self, data: Any) -> None:
        self.data = np.asarray(data)
        self.shape = self.data.shape

    def to_numpy(self) -> np.ndarray:
        return self.data


MISSING = np.ma.MaskedArray([1.0, 2.0], [True, False])
ANNOTATIONS: list[tuple[Any, str, list[Any], list[Any]]] = [
    (int, "an integer", [3, np.int8(3), -(2**63), 2**63 - 1], [True, 3.0, "3", 2**63, -(2**63) - 1, None, np.array(3)]),
    (float, "a number", [1, 1.5, np.float32(1), np.int64(2), np.array(1.5), np.array(2), math.inf], [True, "1", None, 1j, np.array([1.0]), np.array(True), 2**63]),
    (bool, "True or False", [True, np.False_, 0, 1, np.int64(1)], [2, -1, 1.0, "yes", None, np.array(True)]),
    (str, "a string", ["a", ""], [b"a", 1, None]),
    (int | None, "an integer or None", [1, None], [1.5, "a"]),
    (tuple[float, float], "2 numbers", [(1, 2.0), [1.0, 2.0]], [(1.0,), (1.0, 2.0, 3.0), (1.0, "a"), np.array([1.0, 2.0]), 1.0]),
    (tuple[Any, Any] | float, "a pair or a number", [(1, "a"), 0.5], [(1,), "a", None]),
    (tuple[str, int, float], "a tuple of 3", [("a", 1, 2.0)], [("a", 1), (1, "a", 2.0)]),
    (tuple[int, ...], "a tuple of integers", [(), (1, 2), [1], range(3), np.array([1, 2])], [(1.5,), 3, "ab", np.array([[1]]), np.array([1.5])]),
    (tuple[Any, ...], "a tuple", [(), (1, "a")], [3, "ab"]),
    (list[Any], "a list", [[1, "a"], (1,)], [{}, "ab"]),
    (Sequence[str], "a list of strings", [["a"], ("a", "b"), []], ["ab", ["a", 1], {"a"}]),
    (Sequence[Count], "a list of integers of at least 1", [[1, 2], np.array([3])], [[0], [1, 0], 1]),
    (Iterable[str], "a list of strings", [["a"], {"a"}, (c for c in "ab")], ["ab", b"ab", 1, np.array(1.0)]),
    (Iterable[Any], "a list", [[1], {}, np.ones(2)], ["ab", 3]),
    (Mapping[str, Any], "a dictionary", [{}, {"a": 1}], [[], "a"]),
    (dict[str, Any], "a dictionary", [{}], [[("a", 1)]]),
    (Callable[..., Any], "a function", [abs, int], ["abs", None]),
    (Path, "a Path", [Path("a")], ["a", 1]),
    (nn.Module, "a Module", [nn.ReLU()], [nn.ReLU, "relu"]),
    (nn.Optimizer, "an Optimizer", [nn.SGD([Value(1.0)], lr=0.1)], ["sgd"]),
    (Annotated[int, 2], "an integer of at least 2", [2, np.int64(3)], [1, 2.0, True]),
    (Numbers, "real numbers (an array, or nested lists of one length)", [1.5, [1, 2], np.ones((2, 2)), [True], Value(1.0), Tensor([1.0]), [Value(1.0), 2.0]],
     [Table([1.0]), "a", [1, "a"], [[1], [1, 2]], None, 1j, [None], MISSING, [Value(1.0), "a"], np.array([])[:0].astype(object)]),
    (DType, "a floating dtype such as np.float64", [np.float32, "float64", float, np.dtype("f4")], [int, "int8", "text", 1.0, None]),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "words", "good", "bad"), ANNOTATIONS, ids=[words for _, words, _, _ in ANNOTATIONS])
def test_an_annotation_is_what_a_function_takes(hint: Any, words: str, good: list[Any], bad: list[Any]) -> None:
    def function(first: Any, x: hint, *rest: Any, y: hint = good[0], **more: Any) -> Any:  # type: ignore[valid-type]
        return first, x, rest, y, more

    function.__annotations__ |= {"x": hint, "y": hint}
    taking = checked(function)
    for value in good:
        assert taking(0, value, None, y=value, z=None)[1] is value and taking(0, y=value, x=value)[3] is value
    for value in bad:
        for call in (lambda: taking(0, value), lambda: taking(0, x=value), lambda: taking(0, good[0], 1, y=value)):
            with pytest.raises(OperandError) as error:
                call()
            assert str(error.value).endswith(f"={shown(value)}, expected {words}{way_out(value) if hint is Numbers else ''}.")
    assert taking(None, good[0], None, z=None)[2:] == ((None,), good[0], {"z": None})


REPEATED: list[Callable[[Any, Any], Any]] = [
    np.sum, np.max, np.var, np.flip, np.median, np.squeeze, np.transpose,
    lambda x, axes: np.quantile(x, 0.5, axes),
    lambda x, axes: np.gradient(x, axis=axes),
    lambda x, axes: np.average(x, axes, np.ones((3, 3))),
    lambda x, axes: np.moveaxis(x, axes, (0, 1)),
    lambda x, axes: np.moveaxis(x, (0, 1), axes),
    *(lambda x, axes, ord=ord: np.linalg.norm(x, ord, axes) for ord in (None, "fro", 1, -1, 2, np.inf, "nuc")),
    *(lambda x, axes, ord=ord: np.linalg.vector_norm(x, axis=axes, ord=ord) for ord in (1, 2, np.inf)),
]  # fmt: skip


@pytest.mark.parametrize("axes", [(0, 0), (0, -2), (-1, 1)])
@pytest.mark.parametrize("function", REPEATED, ids=lambda f: f.__name__)
def test_no_axis_is_taken_twice(function: Callable[[Any, Any], Any], axes: tuple[int, int]) -> None:
    """As with NumPy: one that occurs twice, counted from whichever end, raises instead of being ignored."""
    shape = (3, 1) if function is np.squeeze else (3, 3)
    axes = (1, -1) if function is np.squeeze else axes
    for x in (ones(*shape), np.ones(shape)):
        with pytest.raises(ValueError, match="repeated|[Dd]uplicate|each axis once|distinct"):
            function(x, axes)
    with pytest.raises(ShapeError):
        function(ones(*shape), axes)


@pytest.mark.parametrize(
    ("received", "told"),
    [
        (np.zeros((2, 3), np.float32), "an array of shape (2, 3) and dtype float32"),
        (Table(np.zeros((2, 3))), "a Table of shape (2, 3)"),
        pytest.param(10**5000, "an integer of many digits", id="huge"),
        (-(2**63), "an integer of many digits"),
        (2**63 - 1, "9223372036854775807"),
        ("a" * 58, "'" + "a" * 58 + "'"),
        ("a" * 59, "'" + "a" * 56 + "… of type str"),
    ],
)
def test_an_argument_is_shown_in_a_few_words(received: Any, told: str) -> None:
    assert shown(received) == told


TEXTS = "; strings are not numbers: np.unique(…, return_inverse=True) gives each its number"


@pytest.mark.parametrize(
    ("received", "advice"),
    [
        (["cat", "dog"], TEXTS), (("cat",), TEXTS), (np.array(["cat"]), TEXTS), (np.array([1, "cat"], object), TEXTS), (Table(["cat"]), TEXTS),
        (Table([1.0]), "; take its .to_numpy()"), (Table([1]), "; take its .to_numpy()"), (Table(np.array([1, None], object)), ""),
        (np.ones(2), ""), ([1.0], ""), ([[1], [1, 2]], ""), (None, ""), ("cat", ""), (3, ""),
    ],
)  # fmt: skip
def test_advice_for_what_is_no_array_of_numbers(received: Any, advice: str) -> None:
    assert way_out(received) == advice


def test_a_tensor_of_another_library_is_called_by_its_full_name() -> None:
    """`received … of type Tensor, expected … a Tensor` said nothing."""

    class Tensor:                              # as torch and TensorFlow have it
        def numpy(self) -> Any:
            return np.ones(2)

        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError

    foreign = Tensor()
    for compute in (lambda: ag.Tensor([1.0]) @ foreign, lambda: ag.linear(foreign, np.ones((1, 2)), np.ones(1)), lambda: ag.Value(1.0) + foreign):
        with pytest.raises(OperandError, match=rf"of type {__name__}\.Tensor, expected a number, an array, a Value or a Tensor; take its \.numpy\(\)\.$"):
            compute()


class Base:
    @checked
    def __init__(self, n: int = 1, rng: int = 0) -> None:
        self.n = n

    @checked
    def grow(self, by: int) -> None:
        self.n += by


class Derived(Base):
    pass


def _hidden(n: int) -> int:
    return n


def test_what_was_called_is_named_as_the_user_knows_it() -> None:
    for kind in (Base, Derived):
        name = kind.__qualname__
        with pytest.raises(OperandError, match=f"^{name}: received n='a', expected an integer"):
            kind("a")  # type: ignore[arg-type]
        for call in (lambda kind=kind: kind().grow("a"), lambda kind=kind: Base.grow(kind(), by="a")):  # type: ignore[misc]
            with pytest.raises(OperandError, match=rf"^{name}\.grow: received by='a', expected an integer"):
                call()
        assert kind(3, rng="anything").n == 3  # type: ignore[arg-type]
    with pytest.raises(OperandError, match=r"^Base\.grow: received by='a'"):
        Base.grow(None, by="a")  # type: ignore[arg-type]
    with pytest.raises(OperandError, match="^hidden: received n='a'"):
        checked(_hidden)("a")  # type: ignore[arg-type]


@pytest.mark.parametrize("held", [True, False, np.True_, np.False_, 0, 1, np.int8(1), np.uint8(0)])
def test_what_is_true_or_false(held: Any) -> None:
    assert truth(held, "f", "x") is bool(held)
    for bad in (2, -1, 1.0, "a", None, np.array(True)):
        with pytest.raises(OperandError, match="^f: received x=.*, expected True or False"):
            truth(bad, "f", "x")
    assert arguments.text("a", "f", "x") == "a"
    with pytest.raises(OperandError, match="^f: received x=1, expected a string"):
        arguments.text(1, "f", "x")
