"""Losses against torch in every option, against literal numbers, and on Values as on Tensors."""

import math

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, check_grads, detect_anomaly, grad, hessian
from autograd_core.errors import OperandError, ShapeError


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch, the oracle, is not installed")


REDUCTIONS = ["mean", "sum", "none"]
rng = np.random.default_rng(0)
P, T = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
PROBABILITIES, LABELS = rng.uniform(0.01, 0.99, (4, 3)), rng.integers(0, 2, (4, 3)).astype(float)
SOFT = rng.uniform(size=(4, 3))
WEIGHTS = rng.uniform(0.5, 2.0, (4, 3))


def assert_equals_torch(torch, mine, theirs, prediction):
    a, b = Tensor(prediction), torch.tensor(prediction, dtype=torch.float64, requires_grad=True)
    x, y = mine(a), theirs(b)
    np.testing.assert_allclose(x.data, y.detach().numpy(), rtol=1e-12, atol=1e-12)
    seed = np.ones(x.shape) * 0.7
    x.backward(seed)
    y.backward(torch.tensor(seed))
    np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-10, atol=1e-12)


ELEMENTWISE = [
    ("mse_loss", "mse_loss", P, T, {}),
    ("l1_loss", "l1_loss", P, T, {}),
    ("huber_loss", "huber_loss", P, T, {}),
    ("huber_loss", "huber_loss", P * 3, T, {"delta": 0.7}),
    ("binary_cross_entropy", "binary_cross_entropy", PROBABILITIES, LABELS, {}),
    ("binary_cross_entropy", "binary_cross_entropy", PROBABILITIES, SOFT, {}),
    ("binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits", 4 * P, LABELS, {}),
    ("binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits", 4 * P, SOFT, {}),
]


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", ELEMENTWISE, ids=lambda c: c[0])
def test_elementwise_losses_equal_torch(torch, case, reduction):
    name, theirs, p, t, options = case
    assert_equals_torch(torch, lambda a: getattr(nn, name)(a, t, reduction=reduction, **options),
            lambda b: getattr(torch.nn.functional, theirs)(b, torch.tensor(t), reduction=reduction, **options), p)


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_equal_torch(torch, reduction):
    w = torch.tensor(WEIGHTS)
    assert_equals_torch(torch, lambda a: nn.binary_cross_entropy(a, LABELS, reduction=reduction, weight=WEIGHTS),
            lambda b: torch.nn.functional.binary_cross_entropy(b, torch.tensor(LABELS), weight=w, reduction=reduction), PROBABILITIES)
    positive = np.array([0.5, 2.0, 3.0])
    assert_equals_torch(torch, lambda a: nn.binary_cross_entropy_with_logits(a, LABELS, reduction=reduction, weight=WEIGHTS, pos_weight=positive),
            lambda b: torch.nn.functional.binary_cross_entropy_with_logits(
                b, torch.tensor(LABELS), weight=w, pos_weight=torch.tensor(positive), reduction=reduction), P)


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore", [-100, 2])
@pytest.mark.parametrize("shape", [(6, 4), (2, 4, 3), (2, 4, 3, 2)])
def test_cross_entropy_equals_torch(torch, reduction, smoothing, weighted, ignore, shape):
    r = np.random.default_rng(1)
    scores, labels = r.normal(size=shape) * 3, r.integers(0, 4, (shape[0], *shape[2:]))
    labels.ravel()[0] = 2
    weight = r.uniform(0.2, 2.0, 4) if weighted else None
    assert_equals_torch(torch,
            lambda a: nn.cross_entropy(a, labels, weight=weight, ignore_index=ignore, label_smoothing=smoothing, reduction=reduction),
            lambda b: torch.nn.functional.cross_entropy(
                b, torch.tensor(labels), weight=None if weight is None else torch.tensor(weight), ignore_index=ignore,
                label_smoothing=smoothing, reduction=reduction), scores)


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 3, 4)])
def test_cross_entropy_of_probabilities_equals_torch(torch, reduction, weighted, shape):
    r = np.random.default_rng(2)
    scores, target = r.normal(size=shape), r.uniform(size=shape)
    weight = r.uniform(0.2, 2.0, 3) if weighted else None
    assert_equals_torch(torch, lambda a: nn.cross_entropy(a, target, weight=weight, label_smoothing=0.2, reduction=reduction),
            lambda b: torch.nn.functional.cross_entropy(
                b, torch.tensor(target), weight=None if weight is None else torch.tensor(weight), label_smoothing=0.2, reduction=reduction), scores)


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4)])
def test_nll_equals_torch(torch, reduction, weighted, shape):
    r = np.random.default_rng(3)
    logs, labels = np.log(r.dirichlet(np.ones(3), (shape[0], *shape[2:]))), r.integers(0, 3, (shape[0], *shape[2:]))
    logs = np.moveaxis(logs, -1, 1)
    labels.ravel()[1] = 1
    weight = r.uniform(0.2, 2.0, 3) if weighted else None
    assert_equals_torch(torch, lambda a: nn.nll_loss(a, labels, weight=weight, ignore_index=1, reduction=reduction),
            lambda b: torch.nn.functional.nll_loss(
                b, torch.tensor(labels), weight=None if weight is None else torch.tensor(weight), ignore_index=1, reduction=reduction), logs)


@pytest.mark.parametrize("name", ["mse_loss", "squared_error", "l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_values_as_tensors(name, reduction):
    p, t = PROBABILITIES[:, 0], LABELS[:, 0]
    tensor, values = Tensor(p), [Value(v) for v in p]
    a = getattr(nn, name)(tensor, t, reduction=reduction)
    b = getattr(nn, name)(values, t, reduction=reduction)
    np.testing.assert_allclose([v.data for v in b] if reduction == "none" else b.data, a.data, rtol=1e-14)
    if reduction != "none":
        a.backward()
        b.backward()
        np.testing.assert_allclose([v.grad for v in values], tensor.grad, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"weight": [1.0, 2.0, 0.5]}, {"ignore_index": 1}])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_entropy_of_values_as_of_tensors(options, reduction):
    labels = [0, 1, 2, 1]
    tensor, values = Tensor(P), [[Value(v) for v in row] for row in P]
    a = nn.cross_entropy(tensor, labels, reduction=reduction, **options)
    b = nn.cross_entropy(values, labels, reduction=reduction, **options)
    a.backward()
    b.backward()
    assert b.data == pytest.approx(a.item(), rel=1e-12)
    np.testing.assert_allclose([[v.grad for v in row] for row in values], tensor.grad, rtol=1e-12, atol=1e-15)
    one = nn.cross_entropy(values[0], 0)
    assert one.data == pytest.approx(nn.cross_entropy(P[:1], [0]), rel=1e-12)


def test_the_mean_over_values_leaves_out_the_sample_that_does_not_count_wherever_it_stands():
    """Of two samples, one of which is ignored, the mean is the loss of the other."""
    scores = [[0.3, -1.2, 0.5], [2.0, 0.1, -0.4]]
    alone = [nn.cross_entropy([[Value(v) for v in row]], [1]).data for row in scores]
    for labels, expected in (([-100, 1], alone[1]), ([1, -100], alone[0]), ([1, 1], sum(alone) / 2)):
        assert nn.cross_entropy([[Value(v) for v in row] for row in scores], labels).data == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.nll_loss])
def test_classes_may_be_whole_numbers_in_floats(loss):
    """As many files hold them; for one sample without a batch too."""
    scores = Tensor([[-0.3, -1.2, -2.5], [-2.0, -0.1, -0.4]])
    assert loss(scores, np.array([2.0, 0.0])).data == loss(scores, [2, 0]).data
    assert loss(scores[0], 2.0).data == loss(scores[0], 2).data
    for wrong in (np.array([1.5, 0.0]), np.array([0.0]), np.array([[1.0], [0.0]])):
        with pytest.raises(ShapeError, match="classes|class"):
            loss(scores, wrong)
    with pytest.raises(ShapeError, match="classes|class"):
        loss(scores[0], 0.5)


def test_hinge_by_hand():
    s = Tensor([0.5, 2.0, -1.0])
    loss = nn.hinge_loss(s, [1, 1, 1], reduction="sum")
    loss.backward()
    assert loss.item() == 2.5
    assert s.grad.tolist() == [-1.0, 0.0, -1.0]
    v = Value(0.5)
    nn.hinge_loss(v, 1).backward()
    assert v.grad == -1.0


def test_squared_error_is_the_lectures():
    p = Value(3.0)
    loss = nn.squared_error(p, 1.0)
    loss.backward()
    assert (loss.data, p.grad) == (2.0, 2.0)


def test_exact_at_the_ends():
    z = Tensor([1000.0, -1000.0, math.inf, -math.inf])
    loss = nn.binary_cross_entropy_with_logits(z, [1.0, 0.0, 1.0, 0.0], reduction="none")
    assert loss.data.tolist() == [0.0] * 4
    loss.sum().backward()
    assert z.grad.tolist() == [0.0] * 4
    v = Value(-1000.0)
    b = nn.binary_cross_entropy_with_logits(v, 1.0)
    b.backward()
    assert (b.data, v.grad) == (1000.0, -1.0)
    masked = Tensor([[0.0, -math.inf, 0.0], [1000.0, -1000.0, 0.0]])
    loss = nn.cross_entropy(masked, [0, 0], reduction="none")
    np.testing.assert_allclose(loss.data, [math.log(2.0), 0.0], atol=1e-15)
    loss.sum().backward()
    np.testing.assert_allclose(masked.grad, [[-0.5, 0.0, 0.5], [0.0, 0.0, 0.0]], atol=1e-15)
    p = Tensor([0.0, 1.0])
    assert nn.binary_cross_entropy(p, [1.0, 0.0], reduction="none").data.tolist() == [100.0, 100.0]


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i4", "u4", "i8", "u8", ">i8"])
def test_class_numbers_of_any_integer_dtype_give_the_same_single_node(dtype):
    classes = np.array([2, 0, 1, 2])
    mine, usual = Tensor(P), Tensor(P)
    loss, expected = nn.cross_entropy(mine, classes.astype(dtype)), nn.cross_entropy(usual, classes)
    loss.backward()
    expected.backward()
    assert loss.op.name == "cross_entropy_of_classes" and loss.item() == expected.item() and (mine.grad == usual.grad).all()
    for wrong in {3, np.iinfo(dtype).max, np.iinfo(dtype).min} - {0}:
        with pytest.raises(OperandError, match="class"):
            nn.cross_entropy(mine, np.array([0, 1, 2, wrong], dtype))


def test_cross_entropy_of_values_is_exact_at_a_thousand():
    for scores, label, expected, slopes in (([1000.0, 0.0], 0, 0.0, [0.0, 0.0]), ([1000.0, 0.0], 1, 1000.0, [1.0, -1.0]), ([-1000.0, -1000.0], 1, math.log(2.0), [0.5, -0.5]),
                                            ([-math.inf, 2.0], 1, 0.0, [0.0, 0.0])):  # fmt: skip
        values = [Value(z) for z in scores]
        loss = nn.cross_entropy([values], [label])
        loss.backward()
        assert loss.data == pytest.approx(expected, rel=1e-15, abs=0.0)
        assert [v.grad for v in values] == slopes


def test_second_order():
    labels = np.array([0, 2, 1, 0])
    check_grads(lambda z: nn.cross_entropy(z, labels), (P,), order=2)
    check_grads(lambda z: nn.binary_cross_entropy_with_logits(z, LABELS, pos_weight=2.0), (P,), order=2)
    check_grads(lambda p: nn.binary_cross_entropy(p, SOFT), (PROBABILITIES,), order=2)
    check_grads(lambda z, t: nn.binary_cross_entropy_with_logits(z, t), (P, SOFT), order=1)


def test_l2_penalty_in_both_forms():
    layer = nn.Linear(3, 2, rng=0)
    squares = float(np.sum(layer.weight.data**2))
    assert nn.l2_penalty(layer, 0.1).item() == pytest.approx(0.1 * squares)
    assert nn.l2_penalty(layer, 0.1, half=True).item() == pytest.approx(0.05 * squares)
    both = squares + float(np.sum(layer.bias.data**2))
    assert nn.l2_penalty(layer, 0.1, biases=True).item() == pytest.approx(0.1 * both)
    model = nn.MLP(2, [3, 1], rng=0)
    penalty = nn.l2_penalty(model, 0.3, half=True)
    penalty.backward()
    neuron = model.layers[0].neurons[1]
    assert neuron.w[0].grad == pytest.approx(0.3 * neuron.w[0].data)
    assert neuron.b.grad == 0.0


def test_bad_input():
    with pytest.raises(ShapeError, match=r"mse_loss: received predictions of shape \(3, 1\) and targets of shape \(3,\)"):
        nn.mse_loss(Tensor(np.zeros((3, 1))), np.zeros(3))
    with pytest.raises(ShapeError, match=r"predictions of shape \(2,\) and targets of shape \(3,\)"):
        nn.mse_loss([Value(1.0), Value(2.0)], [1.0, 2.0, 3.0])
    with pytest.raises(OperandError, match="received reduction='average'"):
        nn.mse_loss(Tensor([1.0]), [1.0], reduction="average")
    with pytest.raises(OperandError, match="expected −1 and \\+1; use 2·y − 1"):
        nn.hinge_loss(Tensor([1.0, 2.0]), [0, 1])
    with pytest.raises(OperandError, match="expected probabilities from 0 to 1; use binary_cross_entropy_with_logits"):
        nn.binary_cross_entropy(Tensor([1.5]), [1.0])
    with pytest.raises(OperandError, match=r"class numbers from 0 to 3, expected 0 to 2"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), [0, 3])
    with pytest.raises(ShapeError, match=r"expected class numbers of shape \(2,\)"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), [0, 1, 2])
    with pytest.raises(ShapeError, match="one number for each of 3 classes"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), [0, 1], weight=[1.0])
    with pytest.raises(OperandError, match="label_smoothing"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), [0, 1], label_smoothing=2)
    with pytest.raises(ShapeError, match="received one score"):
        nn.cross_entropy(Value(1.0), 0)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 5)])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": [0.5, 2.0, 1.0]}, {"reduction": "sum"}, {"weight": [0.5, 2.0, 1.0], "label_smoothing": 0.2}])
def test_target_probabilities_of_a_tensor_get_their_gradient_as_in_torch(shape, options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=shape), rng.uniform(size=shape)
    ours, target = Tensor(z), Tensor(t)
    loss = nn.cross_entropy(ours, target, **options)
    loss.backward()
    theirs, their_target = torch.tensor(z, requires_grad=True), torch.tensor(t, requires_grad=True)
    named = {k: torch.tensor(v, dtype=torch.float64) if k == "weight" else v for k, v in options.items()}
    expected = torch.nn.functional.cross_entropy(theirs, their_target, **named)
    expected.backward()
    np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-12)
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(target.grad, their_target.grad, rtol=1e-10, atol=1e-14)


def test_target_probabilities_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"received a target of shape \(4,\).*expected probabilities of the shape \(4, 3\)"):
        nn.cross_entropy(Tensor(np.zeros((4, 3))), Tensor(np.zeros(4)))


@pytest.mark.parametrize("loss", [nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("make", [np.array, list])
@pytest.mark.parametrize(
    ("labels", "advice"),
    [([-1.0, 1.0], r"use \(y \+ 1\) / 2"), ([0, 2], "for class numbers use cross_entropy"), ([0.5, 1.01], "expected probabilities")],
)
def test_labels_that_are_no_probabilities(loss, make, labels, advice):
    """With them the loss has no least value: a run would end in −inf, and nobody would know why."""
    for prediction in (Tensor([0.3, 0.6]), [Value(0.3), Value(0.6)]):
        with pytest.raises(OperandError, match=rf"{loss.__name__}: received targets from .* to .*{advice}"):
            loss(prediction, make(labels))


@pytest.mark.parametrize("loss", [nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits])
def test_labels_that_are_probabilities_are_taken(loss):
    soft = np.float32(1.0) + np.finfo(np.float32).eps  # what a softmax in float32 may say
    for labels in ([0, 1], [True, False], [0.2, 0.9], [0.0, soft], [np.nan, 1.0]):
        targets = [float(v) for v in labels]
        np.testing.assert_allclose(loss([Value(0.3), Value(0.6)], targets).data, loss(Tensor([0.3, 0.6]), targets).data, rtol=1e-12)
    assert loss([Value(0.3)], [Value(1.0)]).data == loss(Value(0.3), 1.0).data
    assert loss(Tensor([0.3]), Tensor([1.0])).data == loss(Tensor([0.3]), [1.0]).data


def test_fit_refuses_labels_of_another_loss_before_anything_is_changed():
    x, y = nn.data.moons(20, rng=0)
    for model, labels in ((nn.MLP(2, [3, 1], rng=0), 2 * y - 1), (nn.Sequential(nn.Linear(2, 1, rng=0)), 2.0 * y[:, None] - 1)):
        before = model.state_dict()
        with pytest.raises(OperandError, match="received targets from -1 to 1"):
            nn.fit(model, x, labels, loss="bce_with_logits", epochs=1, progress=False)
        assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    with pytest.raises(OperandError, match="one score is a yes or a no"):
        nn.fit(nn.Sequential(nn.Linear(2, 1, rng=0)), x, y, loss="cross_entropy", epochs=1, progress=False)


@pytest.mark.parametrize("wrong", ["a", None, [1], -2.5, True])
@pytest.mark.parametrize("scores", [Tensor(np.zeros((2, 3))), np.zeros((2, 3))], ids=["tensor", "array"])
def test_ignore_index_is_a_class_number(scores, wrong):
    with pytest.raises(OperandError, match="received ignore_index=.*expected a class number"):
        nn.cross_entropy(scores, np.array([0, 2]), ignore_index=wrong)


@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 0.5]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_in_which_no_sample_counts(torch, weight, smoothing):
    """Its mean is nan, and its gradient 0, as in torch: one such batch does not destroy a model."""
    labels = np.full(4, -100)
    x, y = Tensor(P), torch.tensor(P, requires_grad=True)
    loss = nn.cross_entropy(x, labels, weight=weight, label_smoothing=smoothing)
    loss.backward()
    theirs = torch.nn.functional.cross_entropy(
        y, torch.tensor(labels), weight=None if weight is None else torch.tensor(weight, dtype=torch.float64), label_smoothing=smoothing
    )
    theirs.backward()
    assert math.isnan(loss.item())
    assert math.isnan(theirs.item())
    np.testing.assert_array_equal(x.grad, y.grad.numpy())
    np.testing.assert_array_equal(x.grad, np.zeros_like(P))
    rows = [[Value(v) for v in row] for row in P.tolist()]
    loss = nn.cross_entropy(rows, labels, weight=weight, label_smoothing=smoothing)
    loss.backward()
    assert math.isnan(loss.data)
    assert {v.grad for row in rows for v in row} == {0.0}


@pytest.mark.parametrize("loss", [nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits, nn.hinge_loss, nn.mse_loss])
def test_ragged_targets_are_refused_by_name(loss):
    with pytest.raises((OperandError, ShapeError), match=f"{loss.__name__}: received"):
        loss(Tensor([0.5, 0.5]), [[1.0, 0.0], [1.0]])


@pytest.mark.parametrize(("loss", "by_weight"), [(nn.mse_loss, True), (nn.squared_error, True), (nn.l1_loss, True), (nn.huber_loss, False)])
def test_a_weighted_mean_is_over_what_torch_divides_by(loss, by_weight):
    weights = [1.0, 3.0, 0.5]
    each = loss(Tensor([1.0, 2.0, 0.25]), [0.0, 0.0, 0.0], reduction="none").data
    expected = np.dot(weights, each) / (4.5 if by_weight else 3.0)
    tensor, values = Tensor([1.0, 2.0, 0.25]), [Value(1.0), Value(2.0), Value(0.25)]
    for mean, gradients in ((loss(tensor, [0.0, 0.0, 0.0], weight=weights), lambda: tensor.grad),
                            (loss(values, [0.0, 0.0, 0.0], weight=weights), lambda: [v.grad for v in values])):
        mean.backward()
        np.testing.assert_allclose(mean.data, expected, rtol=1e-15)
        expected_gradient = Tensor([1.0, 2.0, 0.25])
        loss(expected_gradient, [0.0, 0.0, 0.0], reduction="none").backward(np.array(weights) / (4.5 if by_weight else 3.0))
        np.testing.assert_allclose(gradients(), expected_gradient.grad, rtol=1e-15)


def test_weighted_means_literally():
    assert nn.mse_loss(Tensor([1.0, 2.0]), [0.0, 0.0], weight=[1.0, 3.0]).item() == 3.25
    assert nn.l1_loss(Tensor([1.0, 2.0]), [0.0, 0.0], weight=[1.0, 3.0]).item() == 1.75
    assert nn.huber_loss(Tensor([1.0, 2.0]), [0.0, 0.0], weight=[1.0, 3.0]).item() == 2.5
    assert nn.mse_loss(Tensor([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2)), weight=[1.0, 3.0]).item() == (1.0 + 12.0 + 9.0 + 48.0) / 8.0


@pytest.mark.parametrize("loss", [nn.mse_loss, nn.l1_loss, nn.huber_loss, nn.hinge_loss, nn.binary_cross_entropy_with_logits])
def test_the_mean_of_no_values_is_nan_and_their_sum_is_0(loss):
    assert math.isnan(loss([], []).data if isinstance(loss([], []), Value) else loss([], []))
    assert loss([], [], reduction="sum") == 0.0 and loss([], [], reduction="none") == []


@pytest.mark.parametrize("loss", [nn.mse_loss, nn.l1_loss, nn.huber_loss, nn.hinge_loss, nn.binary_cross_entropy_with_logits])
def test_an_option_with_a_wrong_value_is_a_value_error(loss):
    with pytest.raises(ValueError, match="received reduction='avg', expected 'mean', 'sum' or 'none'"):
        loss(Tensor([0.5]), [1.0], reduction="avg")


@pytest.mark.oracle
def test_binary_cross_entropy_at_0_and_1_equals_torch(torch):
    p, y = np.array([0.0, 1.0, 0.0, 1.0, 1e-300, 1 - 1e-16]), np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    assert_equals_torch(torch, lambda a: nn.binary_cross_entropy(a, y), lambda b: torch.nn.functional.binary_cross_entropy(b, torch.tensor(y)), p)


def test_huber_loss_literally_and_in_both_derivatives():
    errors = np.array([-np.inf, -3.0, -2.0, -1.0, 0.0, 0.5, 2.0, 3.0, np.inf])
    f = lambda d: nn.huber_loss(d, np.zeros(9), delta=2.0, reduction="none")
    assert f(errors).tolist() == [np.inf, 4.0, 2.0, 0.5, 0.0, 0.125, 2.0, 4.0, np.inf]
    assert grad(lambda d: f(d).sum())(errors).tolist() == [-2.0, -2.0, -2.0, -1.0, 0.0, 0.5, 2.0, 2.0, 2.0]
    curvature = np.diag(hessian(lambda d: f(d).sum())(np.where(np.isinf(errors), 9.0, errors)))
    assert curvature[[0, 1, 3, 4, 5, 7, 8]].tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert math.isnan(f(np.full(9, np.nan))[0])
    assert nn.huber_loss(Value(-3.0), 0.0, delta=2.0).data == 4.0


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_sample_that_does_not_count_spreads_no_nan(reduction, smoothing):
    scores = np.array([[2.0, 0.0, 1.0], [-np.inf, -np.inf, -np.inf], [np.nan, 1.0, np.inf]])
    x, alone = Tensor(scores), Tensor(scores[:1])
    loss = nn.cross_entropy(x, [0, -100, -100], reduction=reduction, label_smoothing=smoothing)
    loss.sum().backward()
    expected = nn.cross_entropy(alone, [0], reduction=reduction, label_smoothing=smoothing)
    expected.sum().backward()
    np.testing.assert_allclose(loss.data if reduction != "none" else loss.data[:1], expected.data, rtol=1e-15)
    np.testing.assert_allclose(x.grad, [*alone.grad, [0.0] * 3, [0.0] * 3], rtol=1e-15)
    assert reduction != "none" or loss.data[1:].tolist() == [0.0, 0.0]


def test_logarithms_of_zero_that_are_not_asked_for_cost_nothing_and_raise_nothing():
    logs = Tensor([[0.0, -np.inf], [-np.inf, 0.0]])
    with detect_anomaly():
        loss = nn.nll_loss(logs, [0, 1])
        loss.backward()
    assert loss.item() == 0.0 and logs.grad.tolist() == [[-0.5, 0.0], [0.0, -0.5]]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("counts", [2.5, [2.5], [0.5, 2.0, 3.0], [[0.5, 2.0, 3.0], [1.0, 0.2, 0.7]], [[0.5], [3.0]]])
def test_what_a_yes_counts_is_the_same_on_values_and_equals_torch(torch, counts, reduction):
    """One number, one for each column, or one for each element."""
    z, y = np.array([[0.3, -1.0, 2.0], [0.1, 0.0, -0.5]]), np.array([[1.0, 0.0, 0.4], [0.0, 1.0, 1.0]])
    tensor, values, reference = Tensor(z), [[Value(v) for v in row] for row in z], torch.tensor(z, requires_grad=True)
    a = nn.binary_cross_entropy_with_logits(tensor, y, pos_weight=counts, reduction=reduction)
    b = nn.binary_cross_entropy_with_logits(values, y, pos_weight=counts, reduction=reduction)
    c = torch.nn.functional.binary_cross_entropy_with_logits(reference, torch.tensor(y), pos_weight=torch.tensor(counts, dtype=torch.float64), reduction=reduction)
    assert a.shape == c.shape
    np.testing.assert_allclose(a.data, c.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(np.reshape([v.data for v in b], a.shape) if reduction == "none" else b.data, a.data, rtol=1e-13)
    a.sum().backward()
    (sum(b) if reduction == "none" else b).backward()
    c.sum().backward()
    np.testing.assert_allclose(tensor.grad, reference.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose([[v.grad for v in row] for row in values], tensor.grad, rtol=1e-12)


@pytest.mark.parametrize("counts", [[1.0, 2.0], np.ones((5, 2, 3))])
def test_what_a_yes_counts_fits_the_predictions(counts):
    with pytest.raises(ShapeError, match=r"received pos_weight of shape .*, expected a shape that broadcasts to \(2, 3\)"):
        nn.binary_cross_entropy_with_logits(Tensor(np.zeros((2, 3))), np.ones((2, 3)), pos_weight=counts)


WEIGHTED = {
    **{name: lambda w, name=name: getattr(nn, name)(Tensor(PROBABILITIES), LABELS, weight=w)
       for name in ("mse_loss", "squared_error", "l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")},
    "pos_weight": lambda w: nn.binary_cross_entropy_with_logits(Tensor(PROBABILITIES), LABELS, pos_weight=w),
    "cross_entropy": lambda w: nn.cross_entropy(Tensor(PROBABILITIES), np.zeros(len(PROBABILITIES), int), weight=w),
    "nll_loss": lambda w: nn.nll_loss(Tensor(PROBABILITIES), np.zeros(len(PROBABILITIES), int), weight=w),
}  # fmt: skip


@pytest.mark.parametrize("loss", WEIGHTED)
def test_weights_are_constants_and_inside_a_transform_no_gradient_is_lost_in_silence(loss):
    columns = PROBABILITIES.shape[1]
    given = np.linspace(0.5, 2.0, columns)
    assert WEIGHTED[loss](Tensor(given)).item() == WEIGHTED[loss](given).item()
    assert WEIGHTED[loss](given.tolist()).item() == WEIGHTED[loss](given).item()
    for wrong in (lambda: grad(WEIGHTED[loss])(given), lambda: WEIGHTED[loss]([Value(v) for v in given])):
        with pytest.raises(OperandError, match=r"weight that is differentiable, expected plain numbers"):
            wrong()
    if loss not in ("cross_entropy", "nll_loss"):
        with pytest.raises(OperandError, match=r"weight that is differentiable, expected plain numbers"):
            grad(WEIGHTED[loss])(2.0)
    assert grad(lambda scale: scale * WEIGHTED[loss](given))(3.0) == WEIGHTED[loss](given).item()


def test_a_penalty_of_no_weights_is_none():
    assert nn.l2_penalty(nn.ReLU(), 0.1) == 0.0


@pytest.mark.parametrize("loss", [nn.mse_loss, nn.l1_loss, nn.huber_loss])
def test_targets_are_plain_numbers_or_nodes_like_the_predictions(loss):
    for prediction, target in ((Tensor([1.0]), np.array([Value(1.0)])), (np.array([1.0]), [Value(1.0)])):
        with pytest.raises(OperandError, match="received targets of dtype object, expected numbers"):
            loss(prediction, target)
    one = loss(Value(2.0), 1.5, reduction="none")
    assert isinstance(one, Value) and loss([Value(2.0)], [1.5], reduction="none")[0].data == one.data
    assert loss(Tensor([1.0, 2.0]), [0.0, 0.0], weight=[1.0, 3.0], reduction="sum").item() == pytest.approx(
        (loss(Tensor([1.0, 2.0]), [0.0, 0.0], reduction="none").data * [1.0, 3.0]).sum())  # fmt: skip


@pytest.mark.parametrize("target", [np.array([0.0, 1.0]), np.array([0, 1]), np.array([False, True]), np.array([0.0, 1.0], np.float32)])
@pytest.mark.parametrize("loss", [nn.mse_loss, nn.l1_loss, nn.huber_loss, nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits])
def test_a_loss_has_the_dtype_of_its_predictions(loss, target):
    for dtype in (np.float32, np.float64):
        prediction = Tensor([0.25, 0.5], dtype=dtype)
        for options in ({}, {"weight": np.array([1.0, 2.0])}):
            value = loss(prediction, target, **options)
            value.backward()
            assert value.dtype == prediction.grad.dtype == dtype


class Column:
    """What knows how to become an array and is none: a column of a table, an array of another library."""

    def __init__(self, data):
        self.data = np.asarray(data)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.data, dtype)


@pytest.mark.parametrize("name", ["mse_loss", "squared_error", "l1_loss", "huber_loss", "hinge_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_predictions_in_another_wrapping_are_those_in_an_array(name):
    loss, p, t = getattr(nn, name), np.array([0.2, 0.7, 0.5]), np.array([-1.0 if name == "hinge_loss" else 0.0, 1.0, 1.0])
    for reduction in ("mean", "sum"):
        assert loss(Column(p), Column(t), reduction=reduction) == loss(p, t, reduction=reduction)
    with pytest.raises(ShapeError, match=r"predictions of shape \(3,\) and targets of shape \(2,\)"):
        loss(Column(p), t[:2])
