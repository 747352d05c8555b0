"""`fit` on a tensor model by a lifted program: the same training, to rounding, and whatever a program cannot do is trained as it stands.

With `lift=True` a run is lifted from its first step, else after fifty: most tests ask for it, to have all of a run replayed.
"""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd_core import Tensor, detect_anomaly
from autograd_core.errors import AnomalyError, OperandError, ShapeError
from nn.data import blobs, moons

ROWS = 24
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, 3))
CLASSES = rng.integers(0, 3, ROWS)


def network(dtype=np.float64, outputs=3, activation=None, last=()):
    hidden = activation or nn.Tanh()
    return nn.Sequential(nn.Linear(3, 5, dtype=dtype, rng=0), hidden, nn.Linear(5, 4, dtype=dtype, rng=1), nn.ReLU(), nn.Linear(4, outputs, dtype=dtype, rng=2), *last)


TARGETS = {
    "mse": rng.normal(size=(ROWS, 3)), "squared_error": rng.normal(size=(ROWS, 3)), "l1": rng.normal(size=(ROWS, 3)), "huber": 3.0 * rng.normal(size=(ROWS, 3)),
    "hinge": 2.0 * rng.integers(0, 2, (ROWS, 3)) - 1.0, "bce_with_logits": rng.integers(0, 2, (ROWS, 3)), "bce": rng.integers(0, 2, (ROWS, 3)),
    "cross_entropy": CLASSES,
}  # fmt: skip


def train(lift=None, loss="cross_entropy", y=None, model=None, x=X, epochs=20, batch_size=7, optimizer="adam", lr=0.02, **options):
    model = model or network(last=(nn.Sigmoid(),) if loss == "bce" else ())
    y = TARGETS[loss] if y is None else y
    history = nn.fit(model, x, y, loss=loss, optimizer=optimizer, lr=lr, epochs=epochs, batch_size=batch_size, rng=3, progress=False, lift=lift, **options)
    return history, model


def same(fast, slow, a, b, rtol=1e-9):
    """Two runs that are the same to rounding: every column, all parameters, and the gradients that were left behind."""
    assert list(fast) == list(slow) and len(fast) == len(slow) and fast.stopped == slow.stopped
    for name in fast:
        if name != "seconds":
            np.testing.assert_allclose(fast[name], slow[name], rtol=rtol, atol=rtol, err_msg=name)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert p.dtype == q.dtype and p.shape == q.shape
        np.testing.assert_allclose(p.data, q.data, rtol=100 * rtol, atol=100 * rtol)
        np.testing.assert_allclose(p.grad, q.grad, rtol=100 * rtol, atol=100 * rtol)


CASES = {
    **{loss: {"loss": loss} for loss in TARGETS},
    **{name: {"optimizer": name, "lr": 0.01} for name in ("sgd", "adamw", "rmsprop", "adagrad", "adadelta")},
    "all at once": {"batch_size": None, "epochs": 60},
    "one by one": {"batch_size": 1, "epochs": 3},
    "no smaller batch": {"drop_last": True},
    "clipped": {"clip_norm": 0.05},
    "a schedule": {"schedule": lambda optimizer: nn.StepLR(optimizer, 4)},
    "stopped early": {"early_stopping": 3, "validation": 0.25, "epochs": 60, "lr": 0.2},
    "a penalty": {"penalty": lambda m: nn.l2_penalty(m, 1e-2)},
    "a penalty of one's own": {"penalty": lambda m: 1e-2 * np.sum(np.abs(m[0].weight))},
    "shares": {"y": np.full((ROWS, 3), 1.0 / 3.0)},
    "uneven shares": {"y": rng.dirichlet(np.ones(3), ROWS)},
    "class numbers of a byte": {"y": CLASSES.astype(np.uint8)},
    "class numbers with a point": {"y": CLASSES.astype(float)},
    "whole numbers": {"x": rng.integers(-2, 3, (ROWS, 3))},
    "a column": {"loss": "mse", "y": rng.normal(size=(ROWS, 1)), "model": network(outputs=1)},
    "images": {"x": rng.normal(size=(ROWS, 1, 1, 3)), "model": nn.Sequential(nn.Flatten(), network())},
    "convolution": {"x": rng.normal(size=(ROWS, 1, 4, 4)), "model": nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3, rng=1))},
    "mean pooling": {"x": rng.normal(size=(ROWS, 1, 4, 4)), "model": nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=0), nn.Tanh(), nn.AvgPool2d(2, stride=1, padding=1), nn.Flatten(), nn.Linear(18, 3, rng=1))},
    "in Fortran's order": {"x": np.asfortranarray(X)},
    "dropout": {"model": nn.Sequential(nn.Dropout(0.2, rng=5), nn.Linear(3, 6, rng=0), nn.ReLU(), nn.Dropout(0.5, rng=6), nn.Linear(6, 3, rng=1)), "validation": 0.25},
    "one dropout, three times": {"model": (lambda d: nn.Sequential(d, nn.Linear(3, 6, rng=0), d, nn.Tanh(), nn.Linear(6, 3, rng=1), d))(nn.Dropout(0.3, rng=5))},
    "everything is dropped": {"model": nn.Sequential(nn.Linear(3, 6, rng=0), nn.Dropout(1.0), nn.Linear(6, 3, rng=1))},
    "nothing is dropped": {"model": nn.Sequential(nn.Linear(3, 6, rng=0), nn.Dropout(0.0), nn.Linear(6, 3, rng=1))},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_same_training(case):
    options = CASES[case]
    models = [copy.deepcopy(options.get("model")) for _ in range(2)]
    (fast, a), (slow, b) = (train(lift, **{**options, "model": model}) for lift, model in zip((True, False), models, strict=True))
    assert fast.lifted == "tensor" and slow.lifted == ""
    same(fast, slow, a, b)


@pytest.mark.parametrize("optimizer", [
    lambda p: nn.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01), lambda p: nn.SGD(p, lr=0.05, momentum=0.5, dampening=0.1),
    lambda p: nn.SGD(p, lr=0.01, maximize=True), lambda p: nn.Adam(p, lr=0.02, amsgrad=True, weight_decay=0.1), lambda p: nn.AdamW(p, lr=0.02, weight_decay=0.3),
    lambda p: nn.RMSprop(p, lr=0.01, momentum=0.4, centered=True), lambda p: nn.Adagrad(p, lr=0.1, lr_decay=0.1), lambda p: nn.Adadelta(p, eps=1e-3),
    lambda p: nn.Adam([{"params": p[:1], "lr": 0.2}, {"params": p[1:4]}, {"params": p[4:], "weight_decay": 0.2}], lr=0.02),
])  # fmt: skip
def test_an_optimiser_is_left_as_it_would_be_and_goes_on(optimizer):
    """Running averages and all; another run takes them up, lifted or not."""
    states, results = [], []
    for ways in ((True, True), (True, False), (False, True), (False, False)):
        model = network()
        chosen = optimizer(model.parameters())
        slots = chosen._slots
        histories = [train(way, model=model, optimizer=chosen, lr=None)[0] for way in ways]
        assert [bool(h.lifted) for h in histories] == list(ways) and chosen._slots is slots
        states.append(chosen.state_dict())
        results.append((histories[1], model))
    for state in states[:3]:
        assert state["steps"] == states[3]["steps"] and state["groups"] == states[3]["groups"]
        for mine, theirs in zip(state["state"], states[3]["state"], strict=True):
            for a, b in zip(mine, theirs, strict=True):
                assert a.keys() == b.keys() and all(a[k].shape == b[k].shape and a[k].dtype == b[k].dtype for k in a)
                for k in a:
                    np.testing.assert_allclose(a[k], b[k], rtol=1e-6, atol=1e-9, err_msg=k)
    for history, model in results[:3]:
        same(history, results[3][0], model, results[3][1])


def test_slots_that_are_not_in_step_stay_apart():
    """One parameter has had updates of its own before."""
    results = []
    for lift in (True, False):
        model = network()
        optimizer = nn.Adam(model.parameters(), lr=0.02)
        model[0].weight.grad = np.ones((5, 3))
        optimizer.step()
        history, _ = train(lift, model=model, optimizer=optimizer, lr=None)
        assert bool(history.lifted) is lift
        assert [int(slot["step"]) for slot in optimizer.state_dict()["state"][0]] == [81, 80, 80, 80, 80, 80]
        results.append((history, model))
    same(results[0][0], results[1][0], results[0][1], results[1][1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    results = [train(lift, x=X.astype(dtype), model=network(dtype)) for lift in (True, False)]
    assert results[0][0].lifted and all(p.dtype == p.grad.dtype == dtype for p in results[0][1].parameters())
    same(results[0][0], results[1][0], results[0][1], results[1][1], rtol=1e-4 if dtype == np.float32 else 1e-9)


def test_samples_of_another_precision_are_not_lifted():
    history, model = train(None, model=network(np.float32))
    assert history.lifted == "" and history["loss"] == train(False, model=network(np.float32))[0]["loss"]
    assert all(p.dtype == np.float32 for p in model.parameters())


ACTIVATIONS = [nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.SiLU(), nn.GELU(), nn.Softplus(), nn.Sigmoid(), nn.Tanh(), nn.Identity(), nn.Softmax(), nn.LayerNorm(5), nn.PReLU(5)]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_every_activation(activation):
    models = [network(activation=copy.deepcopy(activation)) for _ in range(2)]
    (fast, a), (slow, b) = (train(lift, model=model) for lift, model in zip((True, False), models, strict=True))
    assert fast.lifted == "tensor"
    same(fast, slow, a, b)


@pytest.mark.filterwarnings("ignore:cross_entropy. received the result of softmax", "ignore:binary_cross_entropy_with_logits. received")
@given(st.data())
def test_any_network_of_known_modules(data):
    """Drawn at random: depth, widths, activations, loss, optimiser, batches."""
    widths = [3, *data.draw(st.lists(st.integers(1, 4), max_size=3)), 3]
    modules = []
    for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        modules += [nn.Linear(a, b, bias=data.draw(st.booleans()), rng=i)]
        choices = [nn.Tanh(), nn.ReLU(), nn.GELU(), nn.LayerNorm(b), nn.Softplus(), nn.PReLU(b), nn.Softmax(), nn.Dropout(0.3, rng=i)]
        modules += data.draw(st.lists(st.sampled_from(choices), max_size=2))
    loss = data.draw(st.sampled_from([name for name in TARGETS if name != "bce"]))
    options = {"loss": loss, "batch_size": data.draw(st.sampled_from([None, 5, 8, 24])), "optimizer": data.draw(st.sampled_from(["sgd", "adam"])), "epochs": 10}
    models = [copy.deepcopy(nn.Sequential(*modules)) for _ in range(2)]
    (fast, a), (slow, b) = (train(lift, model=model, lr=0.003, **options) for lift, model in zip((True, False), models, strict=True))
    assert fast.lifted == "tensor" and slow.lifted == ""
    same(fast, slow, a, b, rtol=1e-6)          # LayerNorm and the kinks of ReLU make rounding grow


# ------------------------------------------------------------------------------------- what is trained as it stands
class Doubled(nn.Module):
    def __init__(self):
        self.inner = network()

    def forward(self, x):
        return 2.0 * self.inner(x)


class Projected(nn.SGD):
    """Weights are held in bounds after every step."""

    def step(self):
        super().step()
        for p in self.parameters:
            p.data = np.clip(p.data, -0.1, 0.1)


PLAIN = {
    "few steps": {"epochs": 12},
    "running statistics": {"model": nn.Sequential(network(), nn.BatchNorm1d(3))},
    "a function between": {"model": nn.Sequential(network(), np.tanh)},
    "a module of one's own": {"model": Doubled()},
    "a penalty that decides by the numbers": {"penalty": lambda m: sum((p * np.sign(p.data)).sum() for p in m.parameters()) * 1e-3},
    "a penalty that has no gradient": {"penalty": lambda m: 0.5},
    "a loss of one's own": {"loss": lambda p, t: ((p - t) ** 2).mean(), "y": TARGETS["mse"]},
    "probabilities that may leave [0, 1]": {"loss": "bce", "y": TARGETS["bce"], "model": nn.Sequential(nn.Linear(3, 3, init="zeros"), nn.LeakyReLU(0.0)), "lr": 1e-4},
    "samples that do not count": {"y": np.where(CLASSES == 2, -100, CLASSES)},
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN)
def test_what_is_trained_as_it_stands(case):
    options = PLAIN[case]
    results = [train(lift, **{**options, "model": copy.deepcopy(options.get("model")) or network()}) for lift in (None, False)]
    assert results[0][0].lifted == results[1][0].lifted == ""
    assert results[0][0]["loss"] == results[1][0]["loss"]
    assert all(np.array_equal(p.data, q.data) for p, q in zip(results[0][1].parameters(), results[1][1].parameters(), strict=True))


def test_large_arrays_are_not_lifted():
    x, y = rng.normal(size=(2200, 40)), rng.integers(0, 2, 2200)
    model = nn.Sequential(nn.Linear(40, 60, rng=0), nn.ReLU(), nn.Linear(60, 2, rng=0))
    assert train(None, x=x, y=y, model=model, batch_size=None, epochs=52)[0].lifted == ""
    assert train(None, x=x, y=y, model=model, batch_size=40, epochs=2)[0].lifted == "tensor"


def test_an_optimiser_that_looks_at_every_step():
    for model in (network(), nn.MLP(3, [4, 1], rng=0)):
        optimizer = Projected(model.parameters(), lr=0.05)
        history, _ = train(None, loss="hinge", y=TARGETS["hinge"][:, 0] if isinstance(model, nn.MLP) else None, model=model, optimizer=optimizer, lr=None)
        assert history.lifted == "" and max(float(np.max(np.abs(p.data))) for p in model.parameters()) <= 0.1


def test_an_optimiser_of_ones_own_sees_each_parameter():
    class Normed(nn.SGD):
        """Steps of one length, whatever the gradient of a parameter is."""

        def update(self, data, gradient, state, group):
            super().update(data, gradient / (np.linalg.norm(gradient) + 1e-12), state, group)

    results = []
    for lift in (True, False):
        model = network()
        results.append(train(lift, model=model, optimizer=Normed(model.parameters(), lr=0.01), lr=None))
    assert results[0][0].lifted == "tensor"
    same(results[0][0], results[1][0], results[0][1], results[1][1], rtol=1e-7)


def test_a_parameter_without_a_part_in_the_loss_is_left_alone():
    for lift in (None, False):
        model, other = network(), Tensor(np.ones(3))
        history, _ = train(lift, model=model, optimizer=nn.AdamW([*model.parameters(), other], lr=0.01, weight_decay=0.5), lr=None)
        assert history.lifted == "" and other.data.tolist() == [1.0, 1.0, 1.0] and other.grad is None


def test_frozen_parameters_are_constants():
    results = []
    for lift in (True, False):
        model = network()
        for p in model[0].parameters():
            p.requires_grad = False
        before = model[0].weight.data.copy()
        results.append(train(lift, model=model))
        assert np.array_equal(model[0].weight.data, before) and model[0].weight.grad is None
    assert results[0][0].lifted == "tensor"
    np.testing.assert_allclose(results[0][0]["loss"], results[1][0]["loss"], rtol=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_part_that_is_thawed_on_the_way_learns_from_then_on(optimizer):
    """One at a time, from the last to the first; the replay ends where what is trained changes."""
    ends = []
    for lift in (None, False):
        model = network()
        for p in model[0].parameters():
            p.requires_grad = False
        before, kept = model[0].weight.data.copy(), []

        def thaw(training, kept=kept):
            kept.append(training.model[0].weight.data.copy())
            if training.epoch == 2:
                for p in training.model[0].parameters():
                    p.requires_grad = True

        history, _ = train(lift, model=model, optimizer=optimizer, callbacks=[thaw])
        assert np.array_equal(kept[1], before) and not np.array_equal(kept[2], before)
        ends.append((history, model))
    same(ends[0][0], ends[1][0], ends[0][1], ends[1][1])


def test_shared_weights():
    def shared():
        first, second = nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)
        second.weight = first.weight
        return nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), first)

    (fast, a), (slow, b) = (train(lift, model=shared()) for lift in (True, False))
    assert fast.lifted == "tensor"
    same(fast, slow, a, b)


# ------------------------------------------------------------------------------------------------ lift=True
def test_a_model_and_a_loss_of_ones_own_are_lifted_where_that_is_asked_for():
    options = {"loss": lambda p, t: ((p - t) ** 4).mean() ** 0.5, "y": TARGETS["mse"]}
    (fast, a), (slow, b) = (train(lift, model=Doubled(), **options) for lift in (True, False))
    assert fast.lifted == "tensor"
    same(fast, slow, a, b)


class Branching(Doubled):
    def forward(self, x):
        z = self.inner(x)
        return z if z.data.mean() > 0.0 else -z


class Leaking(Doubled):
    def forward(self, x):
        z = self.inner(x)
        return z * np.abs(z.data).mean()


class Drawing(Doubled):
    rng = np.random.default_rng(0)

    def forward(self, x):
        return self.inner(x) * (self.rng.random(3) < 0.5)


@pytest.mark.parametrize("options", [
    {"model": Branching()}, {"model": Leaking()}, {"model": Drawing()}, {"model": nn.Sequential(network(), nn.BatchNorm1d(3))},
    {"penalty": lambda m: sum((p * np.sign(p.data)).sum() for p in m.parameters()) * 1e-3}, {"y": np.where(CLASSES == 2, -100, CLASSES)}, {"model": network(np.float32)},
])  # fmt: skip
def test_what_a_replay_cannot_do_is_refused_where_lifting_is_asked_for(options):
    model = copy.deepcopy(options.get("model")) or network()
    state, buffers = copy.deepcopy(model.state_dict()), [copy.deepcopy({n: getattr(m, n) for n in m.buffers}) for m in model.modules()]
    with pytest.raises(OperandError, match=r"fit: lift=True, but the loss of a batch could not be lifted"):
        train(True, **{**options, "model": model})
    assert all(np.array_equal(model.state_dict()[k], v) for k, v in state.items())
    assert all(np.array_equal(getattr(m, n), v) for m, kept in zip(model.modules(), buffers, strict=True) for n, v in kept.items())


# --------------------------------------------------------------------------------------------- around an epoch
def changes(change):
    """The same run, lifted and not, with a callback that changes something after the second epoch."""
    results = []
    for lift in (True, False):
        model = network(activation=nn.LeakyReLU(0.1))
        optimizer = nn.Adam(model.parameters(), lr=0.02)

        def follow(training):
            if training.epoch == 2:
                change(training)

        results.append(train(lift, model=model, optimizer=optimizer, lr=None, callbacks=[follow]))
    np.testing.assert_allclose(results[0][0]["loss"], results[1][0]["loss"], rtol=1e-9)
    for p, q in zip(results[0][1].parameters(), results[1][1].parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-7, atol=1e-9)
    return results[0][0]


def _exchange(training):
    training.model.modules_in_order[1] = nn.Tanh()


def test_a_callback_may_change_what_it_likes():
    def weights(training):
        for p in training.model.parameters():
            p.data = p.data * 0.5

    def in_place(training):
        training.model[0].weight.data[...] = 0.25

    def rate(training):
        training.optimizer.lr = 0.2

    for change in (weights, in_place, rate):
        assert changes(change).lifted == "tensor"


def test_a_callback_may_change_the_function():
    """It is recorded anew."""
    def slope(training):
        training.model[1].slope = -0.5

    def freeze(training):
        training.model[0].weight.requires_grad = False
        training.model[0].weight.grad = None

    def thin_out(training):
        training.model.modules_in_order.insert(2, nn.Dropout(0.5, rng=0))

    for change in (slope, _exchange, freeze, thin_out):
        assert changes(change).lifted == "tensor"


@pytest.mark.parametrize("place", [1, 2, 5])
def test_a_callback_may_move_a_dropout(place):
    """Also to where what was drawn for its old place does not fit."""
    ends = []
    for lift in (True, False):
        drop = nn.Dropout(0.3, rng=0)
        model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.Tanh(), nn.Linear(5, 3, rng=1), drop, nn.Identity())

        def move(training, drop=drop):
            if training.epoch == 2:
                training.model.modules_in_order.remove(drop)
                training.model.modules_in_order.insert(place, drop)

        ends.append((train(lift, model=model, callbacks=[move])[0], model))
    assert ends[0][0].lifted == "tensor"
    same(ends[0][0], ends[1][0], ends[0][1], ends[1][1])


def test_a_penalty_whose_strength_changes_is_followed():
    ends = []
    for lift in (True, False):
        strength = [0.1]
        history, model = train(lift, penalty=lambda m: nn.l2_penalty(m, strength[0]), callbacks=[lambda t: strength.__setitem__(0, 0.1 if t.epoch < 4 else 0.0999)])
        assert bool(history.lifted) is lift
        ends.append((history, model))
    same(ends[0][0], ends[1][0], ends[0][1], ends[1][1])


def test_the_arrays_of_the_parameters_are_written_into_as_by_any_optimiser():
    for lift in (True, False):
        model = network()
        arrays = [p.data for p in model.parameters()]
        train(lift, model=model)
        assert all(np.shares_memory(array, p.data) and np.array_equal(array, p.data) for array, p in zip(arrays, model.parameters(), strict=True))
    model = network()
    fixed = model[0].weight.data.copy()
    fixed.flags.writeable = False
    model[0].weight.data = fixed
    before = fixed.copy()
    assert train(None, model=model)[0].lifted == "tensor"
    assert np.array_equal(fixed, before) and not np.array_equal(model[0].weight.data, before)


@pytest.mark.parametrize("first", [1, 12, 13, 14, 19])
@pytest.mark.parametrize("lift", [None, True])
@pytest.mark.parametrize("epochs", [12, 20])
def test_a_run_that_was_cut_short_goes_on_bit_by_bit(tmp_path, first, lift, epochs):
    """Wherever it is cut: before, at, or after the epoch from which on steps are replayed."""
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    options = {"metrics": "accuracy", "lift": lift}
    expected, whole = train(epochs=epochs, **options)
    train(epochs=min(first, epochs), checkpoint=tmp_path / "run", **options)
    found, parts = train(epochs=epochs, resume=tmp_path / "run", **options)
    assert expected.lifted == ("tensor" if lift or epochs == 20 else "")
    assert found["loss"] == expected["loss"] and found["accuracy"] == expected["accuracy"]
    assert all(np.array_equal(p.data, q.data) for p, q in zip(whole.parameters(), parts.parameters(), strict=True))


def test_steps_are_replayed_after_the_first_fifty():
    """The epochs before are those of a run that is not lifted, to the last bit; those after it to rounding."""
    (fast, a), (slow, b) = (train(lift, metrics="accuracy") for lift in (None, False))
    assert fast.lifted == "tensor" and fast["loss"][:13] == slow["loss"][:13]
    same(fast, slow, a, b)
    assert train(None, epochs=13)[0].lifted == "" and train(None, epochs=14)[0].lifted == "tensor"


def test_an_interrupt_leaves_the_finished_epochs():
    def interrupt(training):
        if training.epoch == 3:
            raise KeyboardInterrupt

    model = network()
    optimizer = nn.Adam(model.parameters(), lr=0.02)
    history, _ = train(True, model=model, optimizer=optimizer, lr=None, callbacks=[interrupt])
    assert history.stopped == "interrupted" and len(history) == 3 and history.lifted == "tensor"
    _, expected = train(False, epochs=3)
    for p, q in zip(model.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-9)
    assert {slot["step"].item() for slot in optimizer.state_dict()["state"][0]} == {12}


def test_dropout_draws_as_it_would_have(tmp_path):
    """From the same generators, as often, also where they are shared, and over a checkpoint."""
    pytest.importorskip("safetensors", reason="safetensors is not installed")

    def model(generator):
        return nn.Sequential(nn.Dropout(0.2, rng=generator), nn.Linear(3, 6, rng=0), nn.Dropout(0.5, rng=generator), nn.Linear(6, 3, rng=1))

    states = []
    for lift in (True, False):
        generator = np.random.default_rng(11)
        history, trained = train(lift, model=model(generator))
        assert bool(history.lifted) is lift and "_mask" not in vars(trained[0])
        states.append(generator.bit_generator.state)
    assert states[0] == states[1]
    expected, whole = train(None, model=model(np.random.default_rng(11)), epochs=18)
    train(None, model=model(np.random.default_rng(11)), epochs=15, checkpoint=tmp_path / "run")
    found, parts = train(None, model=model(np.random.default_rng(11)), epochs=18, resume=tmp_path / "run")
    assert found["loss"] == expected["loss"] and all(np.array_equal(p.data, q.data) for p, q in zip(whole.parameters(), parts.parameters(), strict=True))


def test_dropout_of_a_module_of_ones_own():
    class Thin(Doubled):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.4, rng=1)

        def forward(self, x):
            return self.drop(super().forward(self.drop(x)))

    (fast, a), (slow, b) = (train(lift, model=Thin()) for lift in (True, False))
    assert fast.lifted == "tensor"
    same(fast, slow, a, b)


def test_metrics_are_those_of_the_predictions_that_were_trained_on():
    measured = []

    def first_score(prediction, target):
        measured.append((prediction.copy(), target.copy()))
        return prediction[0, 0]

    for lift in (True, False):
        train(lift, metrics=first_score)
    for (p, t), (q, u) in zip(measured[:20], measured[20:], strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-7, atol=1e-9)
        assert np.array_equal(t, u) and len(p) == ROWS


def test_targets_that_do_not_fit_are_refused_before_anything_is_changed():
    for loss, y, kind in (
        ("cross_entropy", np.where(np.arange(ROWS) == ROWS - 1, 3, CLASSES), OperandError), ("hinge", np.full((ROWS, 3), 0.5), OperandError),
        ("bce_with_logits", np.full((ROWS, 3), 2.0), OperandError), ("mse", np.ones((ROWS, 2)), ShapeError),
    ):
        model = network()
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(kind, match=nn.losses.loss_of(loss).__name__):
            train(True, loss=loss, y=y, model=model)
        assert all(np.array_equal(model.state_dict()[k], v) for k, v in before.items())


def test_a_target_far_down_that_does_not_fit_is_refused_too():
    """Targets are looked at some at a time, so that many outputs of many samples need not be held at once."""
    labels = np.zeros(2500, int)
    labels[-1] = 3
    model = network()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(OperandError, match="class numbers from 0 to 3"):
        train(True, x=np.zeros((2500, 3)), y=labels, model=model, batch_size=50)
    assert all(np.array_equal(model.state_dict()[k], v) for k, v in before.items())


@pytest.mark.filterwarnings("ignore:fit. the loss is")
def test_a_run_that_diverges_ends_as_any_other():
    (fast, _), (slow, _) = (train(lift, loss="mse", optimizer="sgd", lr=1e4, epochs=60) for lift in (True, False))
    assert fast.lifted == "tensor" and fast.stopped == slow.stopped == "the loss is not finite" and len(fast) == len(slow)


def test_anomalies_are_looked_for_in_every_step():
    model = network()
    model[2].weight.data[0, 0] = np.inf
    with detect_anomaly(), pytest.raises(AnomalyError):
        train(None, model=model)
    with detect_anomaly():
        assert train(None)[0].lifted == ""
    looking = detect_anomaly()
    try:
        model, lifted = network(), []

        def look(training):
            lifted.append(training.history.lifted)
            if training.epoch == 15:
                looking.__enter__()
            if training.epoch == 16:
                training.model[2].weight.data[0, 0] = np.inf

        with pytest.raises(AnomalyError):
            train(None, model=model, callbacks=[look])
    finally:
        looking.__exit__(None, None, None)
    assert lifted[12:] == ["", "tensor", "tensor", ""]


def test_the_progress_line_says_so(capsys):
    nn.fit(network(), X, CLASSES, loss="cross_entropy", epochs=30, batch_size=8, rng=0, progress=True)
    assert "epoch 30/30, lifted (tensor)" in capsys.readouterr().err
    x, y = moons(20, rng=0)
    nn.fit(nn.MLP(2, [3, 1], rng=0), x, 2 * y - 1, loss="hinge", epochs=9, progress=True)
    assert "epoch 9/9, lifted (" in capsys.readouterr().err
    nn.fit(network(), X, CLASSES, loss="cross_entropy", epochs=2, progress=True)
    assert "lifted" not in capsys.readouterr().err


def test_it_learns():
    x, y = blobs(90, rng=0)
    model = nn.Sequential(nn.Linear(2, 16, rng=0), nn.ReLU(), nn.Linear(16, 3, rng=1))
    history = nn.fit(model, x, y, loss="cross_entropy", epochs=40, batch_size=16, lr=0.02, rng=0, metrics="accuracy", progress=False)
    assert history.lifted == "tensor" and history.last("accuracy") > 0.95
