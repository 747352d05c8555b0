"""What students get wrong: the words of each error, and a warning where numbers come out that mean something else."""

import inspect
import warnings

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, log_softmax, sigmoid, softmax
from autograd_core.errors import AutogradError, OperandError, ShapeError

X, Y = nn.data.moons(12, rng=0)
ROWS, CLASSES = np.array([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]]), np.array([0, 2])
YES = (ROWS > 0.7) * 1.0


def net(outputs=1):
    return nn.Sequential(nn.Linear(2, 4, rng=0), nn.Tanh(), nn.Linear(4, outputs, rng=1))


def values(rows):
    return [[Value(v) for v in row] for row in rows.tolist()]


# ------------------------------------------------------------------------------------------------- losses
SQUASHED = {
    "softmax": (lambda: nn.cross_entropy(softmax(Tensor(ROWS)), CLASSES), "leave the softmax out"),
    "softmax, with options": (lambda: nn.cross_entropy(softmax(Tensor(ROWS)), CLASSES, label_smoothing=0.1), "leave the softmax out"),
    "Softmax in a model": (lambda: nn.cross_entropy(nn.Sequential(nn.Linear(3, 3, rng=0), nn.Softmax())(ROWS), CLASSES), "leave the softmax out"),
    "sigmoid": (lambda: nn.binary_cross_entropy_with_logits(sigmoid(Tensor(ROWS)), YES), "leave the sigmoid out"),
    "sigmoid of Values": (lambda: nn.binary_cross_entropy_with_logits([[v.sigmoid() for v in row] for row in values(ROWS)], YES), "leave the sigmoid out"),
    "sigmoid of a Value": (lambda: nn.binary_cross_entropy_with_logits(Value(1.0).sigmoid(), 1.0), "leave the sigmoid out"),
    "nll": (lambda: nn.nll_loss(softmax(Tensor(ROWS)), CLASSES), "use log_softmax"),
    "several labels": (lambda: nn.cross_entropy(Tensor(ROWS), np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])), "labels that may come together"),
    "no label": (lambda: nn.cross_entropy(Tensor(ROWS), np.zeros((2, 3))), "labels that may come together"),
    "fit": (lambda: nn.fit(nn.Sequential(net(2), nn.Softmax()), X, Y, loss="cross_entropy", epochs=1), "leave the softmax out"),
    "fit, lifted": (
        lambda: nn.fit(nn.MLP(2, [2, 1], output="sigmoid", rng=0), X, Y, loss="bce_with_logits", epochs=6, lift=True), "leave the sigmoid out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SQUASHED)
def test_a_loss_says_that_it_gets_what_it_does_not_expect(name):
    call, advice = SQUASHED[name]
    with pytest.warns(RuntimeWarning, match=advice) as caught:
        call()
    assert {w.filename for w in caught} == {__file__}, "the line of the student, not one of ours"


@pytest.mark.parametrize(
    "call",
    [
        lambda: nn.cross_entropy(Tensor(ROWS), CLASSES), lambda: nn.cross_entropy(log_softmax(Tensor(ROWS)), CLASSES),
        lambda: nn.cross_entropy(softmax(Tensor(ROWS)).detach(), CLASSES), lambda: nn.cross_entropy(Tensor(ROWS), np.eye(3)[CLASSES]),
        lambda: nn.cross_entropy(Tensor(ROWS), softmax(ROWS)), lambda: nn.nll_loss(log_softmax(Tensor(ROWS)), CLASSES),
        lambda: nn.binary_cross_entropy(sigmoid(Tensor(ROWS)), YES), lambda: nn.binary_cross_entropy_with_logits(Tensor(ROWS).tanh(), YES),
    ],
)  # fmt: skip
def test_and_is_silent_where_all_is_well(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(call().data) > 0.0


def test_a_loss_of_ones_own_that_broadcasts():
    def square(prediction, target):
        return ((prediction - target) ** 2).mean()

    with pytest.warns(RuntimeWarning, match=r"\(12, 1\) and targets of shape \(12,\) together to shape \(12, 12\)") as caught:
        nn.fit(net(), X, Y, loss=square, epochs=3)
    assert len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = nn.fit(net(), X, Y[:, None], loss=square, epochs=3)
        same = nn.fit(net(), X, Y, loss=lambda prediction, target: square(prediction[:, 0], target), epochs=3)
    assert right["loss"] == pytest.approx(same["loss"])


@pytest.mark.parametrize("lr", [3.0, 300.0])
def test_a_run_that_diverges_says_so(lr):
    """Also where the last of its losses is still a number."""
    line = nn.Linear(2, 1, rng=0)
    with pytest.warns(RuntimeWarning, match="the loss (is inf in|has grown from).*a smaller learning rate") as caught:
        history = nn.fit(line, X, Y[:, None], optimizer="sgd", lr=lr, epochs=40 if lr < 100 else 200)
    assert len(caught) == 1 and caught[0].filename == __file__ and history["loss"][-1] > 1e6


# --------------------------------------------------------------------------------------------- parameters
MODULES = [
    nn.Linear(2, 3, rng=0), nn.Neuron(2, rng=0), nn.Perceptron(2), nn.PReLU(), nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm1d(3), nn.LayerNorm(3),
    nn.Embedding(4, 2, rng=0), nn.LSTM(2, 3, rng=0), nn.GRU(2, 3, rng=0), nn.RNNCell(2, 3, rng=0),
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_a_parameter_is_not_lost_by_an_assignment(module):
    """`layer.weight = layer.weight - lr * layer.weight.grad` makes a result of it, which nothing trains."""
    held = {name: old for name, old in vars(module).items() if isinstance(old, (Value, Tensor, list)) and name.partition(".")[0] in
            {n.partition(".")[0] for n, _ in module.named_parameters()}}  # fmt: skip
    before = module.parameters()
    assert held and before
    for name, old in held.items():
        first = old[0] if isinstance(old, list) else old
        if isinstance(first, nn.Module):
            continue
        for wrong in (first - 0.1, np.asarray(first.data), 0.5, "0.5"):
            wrong = [wrong, *old[1:]] if isinstance(old, list) else wrong
            with pytest.raises(OperandError, match=rf"{type(module).__name__}.{name} is a parameter: received .*, expected a leaf.*module.{name}.data = …"):
                setattr(module, name, wrong)
        assert getattr(module, name) is old and module.parameters() == before
        setattr(module, name, old)             # what is a parameter may stand there
    assert len(module.parameters()) == len(before)


def test_a_parameter_may_be_replaced_or_taken_away():
    layer = nn.Linear(2, 1, rng=0)
    layer.weight = Tensor(np.ones((1, 2)))
    assert layer.parameters()[0].tolist() == [[1.0, 1.0]]
    layer.weight = Tensor(np.ones((1, 2)), requires_grad=False)
    assert len(layer.parameters()) == 1
    layer.bias = None
    assert layer.parameters() == []


@pytest.mark.parametrize("make", [net, lambda: nn.MLP(2, [2, 1], rng=0)])
@pytest.mark.parametrize("optimizer", [nn.SGD, nn.Adam, nn.AdamW, nn.RMSprop, nn.Adagrad, nn.Adadelta])
def test_a_step_without_a_gradient_is_told_once(make, optimizer):
    model = make()
    chosen = optimizer(model.parameters(), lr=0.1)
    before = model.state_dict()
    with pytest.warns(RuntimeWarning, match=rf"{optimizer.__name__}.step: no parameter has a gradient.*loss.backward\(\)") as caught:
        [chosen.step() for _ in range(2)]
    assert len(caught) == 1 and caught[0].filename == __file__
    decays = optimizer is nn.AdamW and isinstance(model, nn.MLP)  # the gradient of a Value is 0 before any has flowed
    assert decays or all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


def test_a_step_with_one_gradient_is_silent():
    one, other = Tensor([1.0]), Tensor([2.0])
    optimizer = nn.SGD([one, other], lr=0.1)
    (one * 3.0).sum().backward()
    optimizer.step()
    assert one.tolist() == pytest.approx([0.7]) and other.tolist() == [2.0]


def test_a_model_that_leaves_the_graph_is_told():
    class Cut(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 1, rng=0)

        def forward(self, x):
            return 1.0 * Tensor(self.layer(x).data)

    with pytest.warns(RuntimeWarning, match="no parameter has a gradient"):
        nn.fit(Cut(), X, Y[:, None], epochs=2)


# ------------------------------------------------------------------------------------------------- words
class Column:
    """What a column of pandas is like: it knows how to become an array, and takes over operators."""

    __pandas_priority__ = 3000

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)

    @property
    def shape(self):
        return self.numbers.shape

    def to_numpy(self):
        return self.numbers

    def __array__(self, dtype=None, copy=None):
        return self.numbers.astype(dtype)

    def __rmul__(self, other):
        return np.asarray(other) * self.numbers

    def __mul__(self, other):
        return NotImplemented if getattr(other, "__pandas_priority__", 0) > self.__pandas_priority__ else self.numbers * np.asarray(other)


TEXTS = np.array(["no", "yes"])[Y]
ADVICE = {
    "texts": (lambda: nn.fit(net(2), X, TEXTS, loss="cross_entropy"), "fit: received y=an array of shape (12,)", "np.unique(…, return_inverse=True)"),
    "a list of texts": (lambda: nn.cross_entropy(net(2)(X), TEXTS.tolist()), "cross_entropy: received target=", "np.unique(…, return_inverse=True)"),
    "a column of texts": (lambda: nn.fit(net(2), X, Column(TEXTS), loss="cross_entropy"), "a Column of shape (12,)", "np.unique(…, return_inverse=True)"),
    "a column in a layer": (lambda: nn.Linear(2, 1)(Column(X)), "linear: received a Column of shape (12, 2), expected", "take its .to_numpy()"),
    "a column in a neuron": (lambda: nn.Neuron(2)(Column(X[0])), "a Column of shape (2,), expected 2 numbers", "take its .to_numpy()"),
    "times a column": (lambda: Tensor(X) * Column(X), "mul: received a Column of shape (12, 2), expected", "take its .to_numpy()"),
    "a column times": (lambda: Column(X) * Tensor(X), "mul: received a Column of shape (12, 2), expected", "take its .to_numpy()"),
    "a column times a Value": (lambda: Column(X) * Value(2.0), "mul: received a Column of shape (12, 2), expected", "take its .to_numpy()"),
    "booleans": (lambda: nn.cross_entropy(net(2)(X), Y == 1), "dtype bool and shape (12,), expected class numbers", "take y.astype(int)"),
    "a column vector": (lambda: nn.cross_entropy(net(2)(X), Y[:, None]), "shape (12, 1), expected class numbers of shape (12,)", "take y.ravel()"),
    "validation": (lambda: nn.fit(net(), X, Y, validation=X), "received validation=an array", "expected a pair or a number or None"),
    "one input a sample": (lambda: nn.Perceptron(1).fit([0, 1], [1, 0]), "expected (samples, 1)", "x.reshape(-1, 1)"),
    "plus and minus": (lambda: nn.Perceptron(2).fit(X, 2 * Y - 1), "received targets [-1.0, 1.0]", "(y + 1) / 2"),
    "targets as a column": (lambda: nn.Perceptron(2).fit(X, Y[:, None]), "of shape (12, 1)", "y.ravel()"),
    "an empty model": (lambda: nn.fit(nn.Sequential(nn.Tanh()), X, Y), "has no parameters", "a parameter is a Value or a Tensor in an attribute"),
    "no parameters": (lambda: nn.SGD(nn.Tanh().parameters()), "received no parameters", "a parameter is a Value or a Tensor in an attribute"),
    "one input too many": (lambda: nn.Neuron(1)([1.0, 2.0]), "received 2 inputs, expected 1", ""),
    "one input": (lambda: nn.Neuron(2)(1.0), "received 1 input, expected 2", ""),
    "a power": (lambda: Value(2.0) ^ 2, "exclusive or", "x ** y"),
    "a power of a number": (lambda: 2.0 ^ Tensor([2.0]), "exclusive or", "x ** y"),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVICE)
def test_an_error_says_what_to_do(name):
    call, *texts = ADVICE[name]
    with pytest.raises((OperandError, ShapeError)) as caught:
        call()
    assert isinstance(caught.value, AutogradError) and [text for text in texts if text not in str(caught.value)] == []


def test_pandas_itself():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame(X, columns=["a", "b"])
    for call in (lambda: table["a"] * Tensor(X[:, 0]), lambda: Tensor(X[:, 0]) - table["a"], lambda: nn.Linear(2, 1)(table), lambda: table - Value(1.0)):
        with pytest.raises(OperandError, match=r"take its \.to_numpy\(\)"):
            call()
    by_table = nn.fit(net(2), table, pandas.Series(Y), loss="cross_entropy", epochs=2)
    assert by_table["loss"] == nn.fit(net(2), X, Y, loss="cross_entropy", epochs=2)["loss"]


def test_a_warning_names_the_line_of_the_caller():
    line = inspect.currentframe().f_lineno + 2
    with pytest.warns(RuntimeWarning, match="not converged") as caught:
        nn.Perceptron(2).fit(*nn.data.logic("xor"), epochs=3)
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


# ------------------------------------------------------------------------------------------------- a step, and scores
STEPS = {
    "a perceptron": (lambda: (nn.Perceptron(2), Y), "the step of the model"),
    "hidden neurons": (lambda: (nn.MLP(2, [3, 1], activation="step", rng=0), Y), r"the step of layers\.0\.neurons\.0"),
    "the last neuron": (lambda: (nn.MLP(2, [3, 1], output="step", rng=0), Y), r"the step of layers\.1\.neurons\.0"),
    "a module": (lambda: (nn.Sequential(nn.Linear(2, 3, rng=0), nn.Step(), nn.Linear(3, 1, rng=1)), Y[:, None]), "the Step at 1"),
    "inside": (lambda: (nn.Sequential(nn.Sequential(nn.Linear(2, 1, rng=0), nn.Step())), Y[:, None]), r"the Step at 0\.1"),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_fit_says_that_no_gradient_gets_through_a_step(name):
    make, where = STEPS[name]
    model, targets = make()
    with pytest.warns(RuntimeWarning, match=f"fit: {where} stands behind parameters, and its derivative is 0") as caught:
        nn.fit(model, X, targets, epochs=1)
    assert [w.filename for w in caught] == [__file__]


def test_a_step_that_stands_before_all_parameters_is_in_nobodys_way():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = nn.fit(nn.Sequential(nn.Step(), nn.Linear(2, 1, rng=0)), X, Y[:, None], epochs=1)
    assert len(history["loss"]) == 1


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_accuracy_says_that_scores_of_labels_0_and_1_change_their_class_at_0(shape):
    model = net()
    nn.fit(model, X, Y[:, None], loss="bce_with_logits", lr=0.05, epochs=60, rng=0)
    scores = nn.predict(model, X).reshape(shape)
    with pytest.warns(RuntimeWarning, match=r"received predictions from -.* for labels 0 and 1, and compares them with ½; .* give threshold=0") as caught:
        nn.accuracy(scores, Y.reshape(shape))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nn.accuracy(scores, Y.reshape(shape), threshold=0.0) == nn.evaluate(model, X, Y[:, None], loss="bce_with_logits", metrics="accuracy")["accuracy"]
        nn.accuracy(1 / (1 + np.exp(-scores)), Y.reshape(shape))
        nn.accuracy(scores, 2 * Y.reshape(shape) - 1)
        nn.accuracy(np.array([-0.1, 1.1, 0.1, 0.8]), [0, 1, 0, 1])
        nn.accuracy(ROWS, [0, 2])
        nn.accuracy(ROWS, [[1, 0, 0], [0, 0, 1]])
        nn.fit(net(), X, Y[:, None], loss="mse", metrics="accuracy", epochs=3, validation=0.3, rng=0)


@pytest.mark.parametrize("make", [lambda **o: nn.MLP(2, [3, 1], **o), lambda **o: nn.Layer(2, 3, **o), lambda **o: nn.Neuron(2, **o)])
def test_an_option_that_there_is_not_is_refused_by_the_one_that_was_called(make):
    name = type(make()).__name__
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'output_activation'; it is written {name}\("):
        make(output_activation="tanh")
    assert make(bias=False).number_of_parameters() < make().number_of_parameters()
