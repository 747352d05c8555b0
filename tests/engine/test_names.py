"""The public names that programs outside the project use, with their signatures and defaults."""

from __future__ import annotations

import importlib
import inspect
import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Op, Tensor, Value

FUNCTIONS = """exp log log1p expm1 sqrt square abs sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh
arccosh arctanh maximum minimum where clip sigmoid relu leaky_relu elu softplus silu gelu erf softmax
log_softmax logsumexp""".split()
TABLED = """abs sign square sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin
arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh hypot maximum minimum where clip logaddexp
sinc sigmoid relu leaky_relu elu softplus silu gelu erf step""".split()
TRANSFORMS = "grad value_and_grad jacobian hessian vjp jvp hvp".split()
TOOLS = "no_grad detect_anomaly check_grads strategies draw explain lift Op Value Tensor".split()
UNARY = [
    n for n in TABLED if n not in {"arctan2", "hypot", "maximum", "minimum", "where", "clip", "logaddexp"}
]


@pytest.mark.parametrize("name", FUNCTIONS + TRANSFORMS + TOOLS)
def test_name_is_public(name: str) -> None:
    """As an attribute, and in `__all__`."""
    assert hasattr(ag, name)
    assert name in ag.__all__


def test_all_is_true() -> None:
    """Every name in `__all__` is there, once."""
    assert len(set(ag.__all__)) == len(ag.__all__)
    for name in ag.__all__:
        getattr(ag, name)


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    """By name, in order."""
    return dict(inspect.signature(function).parameters)


def test_value_signature() -> None:
    """Value(data, *, label="")."""
    found = parameters(Value)
    assert list(found) == ["data", "label"]
    assert found["label"].kind is inspect.Parameter.KEYWORD_ONLY
    assert found["label"].default == ""
    with pytest.raises(TypeError):
        Value(1.0, "x")  # type: ignore[misc]


def test_tensor_signature() -> None:
    """Tensor(data, *, requires_grad=True, dtype=None, label="")."""
    found = parameters(Tensor)
    assert {k: p.default for k, p in found.items() if k != "data"} == {
        "requires_grad": True,
        "dtype": None,
        "label": "",
    }
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for k, p in found.items() if k != "data")


@pytest.mark.parametrize("name", ["grad", "value_and_grad", "jacobian", "hessian"])
def test_transform_signature(name: str) -> None:
    """f, argnums=0."""
    found = parameters(getattr(ag, name))
    assert list(found)[:2] == ["f", "argnums"]
    assert found["argnums"].default == 0
    assert found["argnums"].kind is not inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(
    ("name", "names"), [("jvp", ["f", "primals", "tangents"]), ("hvp", ["f", "primals", "tangents"])]
)
def test_forward_signature(name: str, names: list[str]) -> None:
    """f, primals, tangents."""
    assert list(parameters(getattr(ag, name)))[:3] == names


def test_vjp_signature() -> None:
    """f, *primals."""
    first, second = list(parameters(ag.vjp).values())[:2]
    assert (first.name, second.name, second.kind) == ("f", "primals", inspect.Parameter.VAR_POSITIONAL)


def test_check_grads_signature() -> None:
    """f, args, order=2; and it runs, and fails on a wrong rule."""
    found = parameters(ag.check_grads)
    assert list(found)[:2] == ["f", "args"]
    assert found["order"].default == 2
    ag.check_grads(lambda x: np.sum(np.sin(x) * x), (np.array([0.3, 1.2]),), order=2)


def test_lift_signature() -> None:
    """root, *, params=None, inputs=None."""
    found = parameters(ag.lift)
    assert list(found)[:3] == ["root", "params", "inputs"]
    assert all(
        found[k].default is None and found[k].kind is inspect.Parameter.KEYWORD_ONLY
        for k in ("params", "inputs")
    )


def test_backward_signatures() -> None:
    """Value.backward(), Tensor.backward(gradient=None); other names are taken only to be refused with a word."""
    assert list(parameters(Value.backward)) == ["self", "theirs"]
    found = parameters(Tensor.backward)
    assert list(found) == ["self", "gradient", "theirs"]
    assert found["theirs"].kind is inspect.Parameter.VAR_KEYWORD
    assert found["gradient"].default is None


def test_value_attributes() -> None:
    """Before and after backward, on a leaf and on a result."""
    x, w = Value(3, label="x"), Value(2.0)
    assert (x.data, x.grad, x.label, x.op, x.parents) == (3.0, 0.0, "x", None, ())
    assert type(x.data) is float
    assert w.label == ""
    y = x * w + x * x
    y.backward()
    assert isinstance(y.op, Op)
    assert y.op.name == "add"
    assert [p.op.name for p in y.parents] == ["mul", "mul"]
    assert y.parents[0].parents == (x, w)
    square = y.parents[1]
    assert len(square.parents) == 2
    assert square.parents[0] is x
    assert square.parents[1] is x
    assert (type(x.grad), x.grad, w.grad) == (float, 8.0, 3.0)


def test_parents_keep_constants_in_order() -> None:
    """Operands in order: 2 - x is not x - 2."""
    x = Value(3.0)
    y = 2 - x
    assert [p.data for p in y.parents] == [2.0, 3.0]
    assert y.parents[1] is x
    assert y.op.name == "sub"
    assert y.parents[0] is y.parents[0]


def test_parents_of_tensors() -> None:
    """The same, with arrays."""
    x, w = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    y = x * w
    assert y.parents[0] is x
    assert y.parents[1] is w
    assert [p is x for p in (x * x).parents] == [True, True]
    z = np.array([1.0, 2.0]) - x
    np.testing.assert_array_equal(z.parents[0].data, [1.0, 2.0])
    assert z.parents[1] is x
    assert x.parents == ()


def test_micrograd_spellings() -> None:
    """`_prev` is a set, `_op` a text, as notebooks written for micrograd expect; both are read-only."""
    x, w = Value(3.0), Value(2.0)
    y = x * w
    assert y._prev == {x, w}
    assert isinstance(y._prev, set)
    assert (x._prev, x._op) == (set(), "")
    assert [(x + w)._op, (x * w)._op, x.relu()._op] == ["+", "*", "ReLU"]
    assert isinstance((x**2)._op, str)
    assert (x * x)._prev == {x}
    with pytest.raises(AttributeError):
        y._op = "+"
    with pytest.raises(AttributeError):
        y._prev = set()


def test_hashing_is_by_identity() -> None:
    """Sets and dictionaries of nodes work, though equality looks at numbers."""
    a, b = Value(1.0), Value(1.0)
    assert a == b
    assert len({a, b}) == 2
    s, t = Tensor([1.0]), Tensor([1.0])
    assert len({s, t}) == 2
    assert {s: 1}[s] == 1


def test_tensor_attributes() -> None:
    """`.data .grad .shape .ndim .size .dtype .T`."""
    t = Tensor([[1, 2, 3], [4, 5, 6]], label="t")
    assert (t.shape, t.ndim, t.size, t.dtype, t.label, t.op, t.parents, t.grad) == (
        (2, 3),
        2,
        6,
        np.float64,
        "t",
        None,
        (),
        None,
    )
    assert type(t.data) is np.ndarray
    assert t.requires_grad
    assert isinstance(t.T, Tensor)
    assert t.T.shape == (3, 2)
    assert t.T.op is not None
    assert len(t) == 2


def test_item_numpy_detach() -> None:
    """Out of the graph."""
    t = Tensor([[2.5]])
    assert t.item() == 2.5
    assert type(t.item()) is float
    assert type(t.numpy()) is np.ndarray
    constant = (t * 2).detach()
    assert isinstance(constant, Tensor)
    assert (constant.op, constant.requires_grad, constant.parents) == (None, False, ())
    product = constant * t
    product.backward()
    np.testing.assert_array_equal(t.grad, [[5.0]])


@pytest.mark.parametrize(
    ("given", "kept"),
    [("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("u1", "f8"), ("?", "f8"), (">f8", "f8"), (">f4", "f4")],
)
def test_a_dtype_that_holds_a_gradient_is_kept(given: str, kept: str) -> None:
    """float32 and float64 are kept, in native byte order; integers and booleans become float64."""
    t = Tensor(np.ones(2, given))
    assert t.dtype == np.dtype(kept)
    assert t.data.dtype.isnative
    (t * t).sum().backward()
    assert t.grad.dtype == np.dtype(kept)


def test_dtype_argument() -> None:
    """dtype=float32, by type and by name."""
    assert Tensor([1, 2], dtype=np.float32).dtype == np.float32
    assert Tensor(np.ones(2), dtype="float32").dtype == np.float32


@pytest.mark.parametrize("name", UNARY)
def test_elementwise_operations_are_functions_and_methods(name: str) -> None:
    """On numbers, arrays, `Value` and `Tensor`, with one answer."""
    x = 1.25 if name == "arccosh" else 0.25
    function = getattr(ag, name)
    number = function(x)
    assert isinstance(number, float)
    assert isinstance(function(Value(x)), Value)
    assert isinstance(function(Tensor([x])), Tensor)
    assert type(function(np.array([x]))) is np.ndarray
    close = {"rtol": 1e-15, "atol": 0}
    np.testing.assert_allclose(function(Value(x)).data, number, **close)
    np.testing.assert_allclose(function(Tensor([x])).data, [number], **close)
    np.testing.assert_allclose(function(np.array([x])), [number], **close)
    if name == "abs":
        assert abs(Value(-x)).data == abs(Tensor(-x)).item() == x
    np.testing.assert_allclose(getattr(Value(x), name)().data, number, **close)
    np.testing.assert_allclose(getattr(Tensor([x]), name)().data, [number], **close)


@pytest.mark.parametrize("name", ["arctan2", "hypot", "maximum", "minimum", "logaddexp"])
def test_binary_operations_are_functions_and_methods(name: str) -> None:
    """The same with two operands, of any kinds."""
    function, x, y = getattr(ag, name), 0.5, 1.5
    expected = getattr(np, name)(x, y)
    for a, b in [(x, y), (Value(x), y), (x, Value(y)), (Value(x), Value(y))]:
        got = function(a, b)
        assert (got.data if isinstance(got, Value) else got) == pytest.approx(expected, rel=1e-15)
    for a, b in [
        (Tensor([x]), y),
        (x, Tensor([y])),
        (Value(x), np.array([y])),
        (np.array([x]), Value(y)),
        (Tensor([x]), Value(y)),
    ]:
        got = function(a, b)
        assert isinstance(got, Tensor)
        np.testing.assert_allclose(got.data, [expected], rtol=1e-15)
    assert getattr(Value(x), name)(y).data == pytest.approx(expected, rel=1e-15)
    np.testing.assert_allclose(getattr(Tensor([x]), name)(y).data, [expected], rtol=1e-15)


@pytest.mark.parametrize("name", TABLED)
def test_table_has_the_entry(name: str) -> None:
    """One entry an operation, by its public name."""
    op = ag.TABLE[name]
    assert isinstance(op, Op)
    assert op.name == name
    assert (op.d is None) != (op.vjp is None) or bool(op.d) != bool(op.vjp)


def test_op_is_a_frozen_slotted_keyword_only_dataclass() -> None:
    """And its errors come when it is built."""
    import dataclasses

    assert dataclasses.is_dataclass(Op)
    op = ag.TABLE["tanh"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        op.name = "other"
    assert not hasattr(op, "__dict__")
    with pytest.raises(TypeError):
        Op("twice", np.square)  # type: ignore[misc]
    with pytest.raises((ValueError, TypeError), match="tanh"):
        Op(name="tanh", array=np.tanh, d=(lambda m, out, x: 1 - out * out,))
    with pytest.raises((ValueError, TypeError), match="neither_rule"):
        Op(name="neither_rule", array=np.tanh)
    with pytest.raises((ValueError, TypeError), match="both_rules"):
        Op(name="both_rules", array=np.tanh, d=(lambda m, out, x: 1.0,), vjp=(lambda m, g, out, x: g,))
    assert {"neither_rule", "both_rules"}.isdisjoint(ag.TABLE)


def test_a_users_own_operation() -> None:
    """One entry: it differentiates to any order, on floats and arrays."""
    op = Op(name="cube_for_names", array=lambda x: x**3, d=(lambda m, out, x: 3 * x * x,))
    try:
        assert ag.grad(op)(2.0) == 12.0
        assert ag.grad(ag.grad(op))(2.0) == 12.0
        assert ag.grad(ag.grad(ag.grad(op)))(2.0) == 6.0
        assert Value(2.0).cube_for_names().data == 8.0
        np.testing.assert_array_equal(ag.grad(lambda x: op(x).sum())(np.array([1.0, 2.0])), [3.0, 12.0])
        ag.check_grads(lambda x: op(x).sum(), (np.array([0.5, -1.5]),))
    finally:
        op.forget()
    assert "cube_for_names" not in ag.TABLE


def test_no_grad_and_detect_anomaly_are_context_managers_and_decorators() -> None:
    """`with no_grad():` and `@no_grad()`."""

    @ag.no_grad()
    def evaluate(x: Value) -> Value:
        """Doc."""
        return x * x

    assert evaluate(Value(2.0)).parents == ()
    assert (evaluate.__name__, evaluate.__doc__) == ("evaluate", "Doc.")
    with ag.detect_anomaly():
        assert (Value(2.0) * 3).data == 6.0


def test_every_public_object_has_a_docstring() -> None:
    """Modules too."""
    for name in ag.__all__:
        thing = getattr(ag, name)
        if callable(thing) or inspect.ismodule(thing):
            assert inspect.getdoc(thing), name
    for file in pathlib.Path(ag.__file__).parent.glob("*.py"):
        if file.stem != "__main__":
            module = importlib.import_module(
                f"autograd_core.{file.stem}" if file.stem != "__init__" else "autograd_core"
            )
            assert module.__doc__, file


def test_errors_have_one_base_and_builtin_kinds() -> None:
    """Each is also the kind that NumPy users already catch."""
    from autograd_core import errors

    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.AutogradError)
        assert error.__doc__
    assert issubclass(errors.MissingRuleError, TypeError)
    assert issubclass(errors.ShapeError, ValueError)


def test_typed_marker() -> None:
    """`py.typed` is installed."""
    assert (pathlib.Path(ag.__file__).parent / "py.typed").exists()


def test_import_is_light() -> None:
    """NumPy, and nothing heavy: no matplotlib, hypothesis, scikit-learn, tqdm or graphviz."""
    heavy = ["matplotlib", "hypothesis", "sklearn", "tqdm", "graphviz", "scipy", "torch"]
    code = f"import sys, autograd_core; print(sorted(set({heavy}) & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert out.stdout.strip() == "[]"


def test_everything_can_be_imported_without_the_extras() -> None:
    """Where hypothesis is missing a star import works, and a strategy says what to install."""
    code = """
import sys
sys.modules["hypothesis"] = None
from autograd_core import *
for strategy in (strategies.expressions, strategies.floats_in, strategies.values):
    try:
        strategy()
    except ImportError as error:
        print(error)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert out.stdout.count('pip install "autograd-core[test]"') == 3


@pytest.mark.parametrize(("name", "here"), [("view", "reshape"), ("permute", "transpose"), ("mm", "x @ y"), ("pow", "x ** y"), ("is_leaf", "x.op is None"), ("constant", "not x.requires_grad"), ("null_gradients", "x.grad = None"), ("dim", "x.ndim")])
def test_a_name_of_another_library_is_answered_with_ours(name: str, here: str) -> None:
    for node in (Value(1.0), Tensor([1.0])):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'; here it is written ") as caught:
            getattr(node, name)
        assert here in str(caught.value)
        assert caught.value.name == name, "the interpreter may suggest a name"
    with pytest.raises(AttributeError, match="no attribute 'tanhh'$"):
        Value(1.0).tanhh


@pytest.mark.parametrize("name", ["multiply", "add", "sum", "concatenate", "absolute", "einsum"])
def test_a_function_of_numpy_is_found_there(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"'autograd_core' has no attribute '{name}'; NumPy's own np.{name} takes Values and Tensors$"):
        getattr(ag, name)
    getattr(np, name)


@pytest.mark.parametrize(("name", "end"), [("tensr", ""), ("hessain", "; did you mean hessian?"), ("busday_count", ""), ("__wrapped__", ""), ("pi", "")])
def test_a_name_that_is_nowhere(name: str, end: str) -> None:
    with pytest.raises(AttributeError, match=rf"'autograd_core' has no attribute '{name}'{re.escape(end)}$") as caught:
        getattr(ag, name)
    assert caught.value.name == name


def test_completion_offers_what_readers_use() -> None:
    for node in (Value(1.0), Tensor([1.0])):
        names = dir(node)
        assert {"data", "grad", "backward", "tanh", "label", "parents"} <= set(names)
        assert not {"gap", "strong_mul", "ARRAY", "SCALAR"} & set(names)


def test_an_operation_may_have_a_name_that_other_libraries_use() -> None:
    """The hint gives way to the method of an operation of one's own."""
    op = Op(name="unsqueeze", array=lambda x: 2.0 * x, d=(lambda m, out, x: 2.0,))
    try:
        x, t = Value(3.0), Tensor([1.0, 2.0])
        x.unsqueeze().backward()
        t.unsqueeze().sum().backward()
        assert x.grad == 2.0 and t.grad.tolist() == [2.0, 2.0]
    finally:
        op.forget()
        for kind in (Value, Tensor):
            delattr(kind, "unsqueeze")
    with pytest.raises(AttributeError, match=r"here it is written x\[:, None\]"):
        x.unsqueeze()


def test_hints_are_no_attributes() -> None:
    for node in (Value(1.0), Tensor([1.0])):
        assert not hasattr(node, "view") and not hasattr(type(node), "permute")
        assert "view" not in dir(node)
        with pytest.raises(AttributeError):
            node.view = 1
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = node.nothing
