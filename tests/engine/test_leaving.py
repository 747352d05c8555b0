"""Numbers that leave the graph: a function of `math` is named, and nothing else is."""

import linecache
import math
import warnings
from math import exp

import numpy as np
import pytest

import nn
from autograd_core import TABLE, Tensor, Value, grad, jvp, no_grad, value_and_grad
from autograd_core.errors import GraphError
from autograd_core.leaving import _ELSEWHERE, _SMOOTH

OF_ONE = sorted(_SMOOTH - {"atan2", "dist", "fmod", "fsum", "hypot", "pow", "acosh", "atanh"})


def caught(f):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        f()
    return [str(warning.message) for warning in found]


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("make", [Value, lambda x: Tensor([x])])
def test_a_function_of_math_is_named(name, make):
    x = make(0.5)
    source, place = f"x * math.{name}(x)", f"<a cell with math.{name}>"
    linecache.cache[place] = (len(source), None, [source], place)  # as IPython does with what is typed into a cell
    (message,) = caught(lambda: eval(compile(source, place, "eval"), {"math": math, "x": x}))
    assert message.startswith(f"math.{name}: received a {type(x).__name__}") and ".data" in message
    ours = _ELSEWHERE.get(name, name)
    assert (f"use autograd_core.{ours} or np.{ours}" in message) == (ours in TABLE)


def test_the_functions_that_are_recommended_exist():
    import autograd_core

    for name in _SMOOTH:
        assert hasattr(math, name) or name in ("cbrt", "exp2")  # these two are new in Python 3.11
        ours = _ELSEWHERE.get(name, name)
        if ours in TABLE:
            assert hasattr(autograd_core, ours), name


def test_every_way_to_write_the_call():
    x, scale = Value(0.5), np.float64(2.0)
    module = math
    found = {                                  # outside of an assert, which pytest 8.0 writes anew without the places in the source
        "sin": caught(lambda: math.sin(x)),
        "exp": caught(lambda: exp(x)),
        "tanh": caught(lambda: module.tanh(x)),
        "pow": caught(lambda: math.pow(scale, x)),
        "log": caught(
            lambda: [
                f"é {math.log(v) * 2:.2f}"
                for v in (x,)
            ]
        ),
        "cos": caught(
            lambda: math.cos(
                x
                + 1.0,
            )
        ),
    }  # fmt: skip
    for name, messages in found.items():
        assert f"math.{name}" in messages[0]


@pytest.mark.parametrize("make", [Value, Tensor])
def test_an_array_that_takes_the_number_alone_is_named(make):
    """However the element is written; a list, a dictionary and an array of objects keep the node."""

    def one(a, x):
        a[0, 1] = x

    def some(a, x):
        a[0][1:2] = [x] if isinstance(x, Value) else x.item()
        a[1, ...][0] = x * x

    def added(a, x):
        a[1, 1] += x

    def in_a_loop(a, x):
        for i in range(2):
            a[i, i] = (x * x if i else x)  # fmt: skip

    for write in (one, some, added, in_a_loop):
        a = np.zeros((2, 2))
        messages = caught(lambda write=write, a=a: write(a, make(3.0)))
        assert messages
        assert all(m.startswith(f"an element of an array was set to a {make.__name__}") and "np.stack" in m and ".item()" in m for m in messages)
        assert a.any()

    def kept(x):
        nodes, named, objects = [0.0], {}, np.zeros(2, dtype=object)
        nodes[0] = named["x"] = objects[0] = x
        plain = np.zeros(2)
        plain[0], plain[1] = x.item(), float(x)
        with no_grad():
            plain[0] = x

    assert caught(lambda: kept(make(3.0))) == []
    with pytest.warns(RuntimeWarning, match="an element of an array") as found:
        one(np.zeros((2, 2)), make(3.0))
    assert found[0].filename == __file__


def test_the_line_of_the_user_is_named():
    x = Value(0.5)
    with pytest.warns(RuntimeWarning, match=r"math\.sin") as found:
        math.sin(x)
    assert found[0].filename == __file__


@pytest.mark.parametrize(
    "innocent",
    [
        lambda x: float(x) + math.sin(x.data),
        lambda x: (np.sin(x), x.exp(), math.sin(1.0), f"{x:.2f}"),
        lambda x: (math.isnan(x), math.isfinite(x), math.floor(x), round(x), math.sin),
        lambda x: (float(x), int(x), math.exp(float(x))),
        lambda x: math.sin(Tensor(0.5, requires_grad=False)),
        lambda x: eval("float(x) + math.sin(0.0)", {"math": math}, {"x": x}),
    ],
)
def test_nothing_else_is_named(innocent):
    assert caught(lambda: innocent(Value(0.5))) == []


def test_no_graph_no_word():
    x = Value(0.5)
    with no_grad():
        assert caught(lambda: math.sin(x)) == []


def test_inside_a_transform_it_is_refused():
    with pytest.raises(GraphError, match="instead of math's"):
        grad(lambda x: math.sin(x))(1.0)


MODEL, X, Y = nn.Sequential(nn.Linear(2, 1, rng=0)), np.ones((3, 2)), np.ones((3, 1))
PLAIN = {
    "predict: received a differentiable x.*call the model itself": lambda x: np.sum(nn.predict(MODEL, x)),
    "predict: received a differentiable x": lambda x: nn.evaluate(MODEL, x, Y)["loss"],
    "fit: received a differentiable x.*functional_call": lambda x: nn.fit(MODEL, x, Y, epochs=1, progress=False).last("loss"),
    "fit: received a differentiable y": lambda x: nn.fit(MODEL, X, x[:, :1], epochs=1, progress=False).last("loss"),
    "load_state_dict: received a differentiable 0.weight.*functional_call": lambda x: np.sum(MODEL.load_state_dict({"0.weight": x[:1], "0.bias": np.zeros(1)})(X)),
    "standardize: received a differentiable x.*np.mean": lambda x: np.sum(nn.data.standardize(x)[0]),
    "Scaler: received a differentiable x.*NumPy": lambda x: np.sum(nn.data.standardize(X)[1](x)),
    "Tensor.data: received a differentiable Tensor.*in the place of the parameter": lambda x: setattr(MODEL[0].weight, "data", x[:1]),
}


@pytest.mark.parametrize("transform", [lambda f: grad(f)(X), lambda f: value_and_grad(grad(lambda x: f(x)))(X), lambda f: jvp(f, (X,), (X,))], ids=["grad", "twice", "jvp"])
@pytest.mark.parametrize("said", PLAIN)
def test_what_looks_at_numbers_alone_refuses_a_gradient_inside_a_transform(said, transform):
    """It would come out as 0; outside of one, plain numbers are what is asked for."""
    f, before = PLAIN[said], MODEL.state_dict()
    with pytest.raises(GraphError, match=f"{said}.* its \\.data where a constant"):
        transform(f)
    assert all(np.array_equal(MODEL.state_dict()[name], array) for name, array in before.items())
    copy = nn.Sequential(nn.Linear(2, 1, rng=0))
    f(Tensor(X))
    MODEL.load_state_dict(copy.state_dict())
    assert grad(lambda x: (f(x.data if isinstance(x, Tensor) else x), np.sum(x))[1])(X).tolist() == X.tolist()
    MODEL.load_state_dict(copy.state_dict())


def test_metrics_beside_a_loss_are_numbers():
    (loss, found), _ = value_and_grad(lambda x: (np.sum(x * x), nn.accuracy(x[:, 0], np.ones(3))), has_aux=True)(X)
    assert loss == 6.0 and found == 1.0
