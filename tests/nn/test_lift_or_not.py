"""`fit` trains alike whether its steps are replayed or not, whatever a callback does in between, and wherever it is interrupted."""

import copy
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd_core import Tensor, Value
from autograd_core.errors import OperandError
from nn.ingredients import Ingredients
from nn.lifted_tensors import LiftedTensors
from nn.lifted_values import LiftedValues
from nn.training import Training

ROWS = 22
_rng = np.random.default_rng(0)
X = _rng.normal(size=(ROWS, 3))
CLASSES = _rng.integers(0, 3, ROWS)
SIGNS = np.where(_rng.random(ROWS) < 0.5, -1.0, 1.0)


def network():
    return nn.Sequential(nn.Linear(3, 5, rng=0), nn.LeakyReLU(0.1), nn.Linear(5, 4, rng=1), nn.Tanh(), nn.Linear(4, 3, rng=2))


def neurons():
    return nn.MLP(3, [4, 3], rng=0)


def assert_alike(runs, rtol=1e-7):
    """Two runs with the same numbers: every column, all parameters, and what the optimiser keeps."""
    (fast, a, one), (slow, b, other) = runs
    assert list(fast) == list(slow) and len(fast) == len(slow) and (fast.stopped, fast.best_epoch) == (slow.stopped, slow.best_epoch)
    for name in set(fast) - {"seconds"}:
        np.testing.assert_allclose(fast[name], slow[name], rtol=rtol, atol=1e-9, err_msg=name)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=100 * rtol, atol=1e-8)
        assert type(p) is type(q)
    for p, q in zip(one.parameters, other.parameters, strict=True):
        assert (p.grad is None) == (q.grad is None)
        np.testing.assert_allclose(0.0 if p.grad is None else p.grad, 0.0 if q.grad is None else q.grad, rtol=100 * rtol, atol=1e-8)
    mine, theirs = one.state_dict(), other.state_dict()
    assert (mine["steps"], mine["groups"]) == (theirs["steps"], theirs["groups"])
    for slots, others in zip(mine["state"], theirs["state"], strict=True):
        for slot, another in zip(slots, others, strict=True):
            assert {k: v.shape for k, v in slot.items()} == {k: v.shape for k, v in another.items()}
            for k, v in slot.items():
                np.testing.assert_allclose(v, another[k], rtol=100 * rtol, atol=1e-8)


def train(make, lift, optimizer=lambda p: nn.Adam(p, lr=0.02), changes=(), **options):
    """A run with `changes[epoch](training)` after its epochs; (history, model, the optimiser that it ended with)."""
    model = make()
    plan, kept = dict(changes), []

    def follow(training):
        kept[:] = [training, training.optimizer.parameters]    # those that this epoch has trained, before the change
        plan.get(training.epoch, lambda _: None)(training)

    settings = {"loss": "cross_entropy", "batch_size": 5, "epochs": 16, "rng": 3, "progress": False, **options}
    y = settings.pop("y", CLASSES)
    history = nn.fit(model, X, y.copy(), optimizer=optimizer(model.parameters()), lift=lift, callbacks=[follow], **settings)
    trained = set(map(id, kept[1]))
    for p in kept[0].optimizer.parameters:         # of those that it did not train, gradients add up where steps are recorded
        p.grad = p.grad if id(p) in trained else p._UNREACHED
    return history, kept[0].model, kept[0].optimizer


# ------------------------------------------------------------------------------------------- what a callback may do
def _exchange_optimizer(training):
    training.optimizer = nn.SGD(training.model.parameters(), lr=0.05, momentum=0.5)


def _begin_anew(training):
    training.optimizer.__init__(training.model.parameters(), lr=0.01)


def _fewer(training):
    training.optimizer = nn.SGD(training.model.parameters()[:2], lr=0.05)


def _spy(module):
    forward = module.forward
    module.forward = lambda x: forward(x) * 0.5


def _spied_step(training):
    step, parameters = training.optimizer.step, training.optimizer.parameters

    def projected():
        step()
        for p in parameters:
            p.data = np.clip(p.data, -0.3, 0.3)

    training.optimizer.step = projected


def _scaled(training):
    for p in training.model.parameters():
        p.data = p.data * 0.5


def _rates(training):
    for group in training.optimizer.param_groups:
        group["weight_decay"], group["lr"] = 0.1, 0.005


def _loaded(training):
    training.model.load_state_dict({k: 0.5 * v for k, v in training.model.state_dict().items()})
    training.optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))


COMMON = {
    "another optimiser": _exchange_optimizer, "an optimiser begun anew": _begin_anew, "fewer parameters": _fewer, "a step of one's own": _spied_step,
    "other weights": _scaled, "other rates": _rates, "loaded": _loaded, "evaluation": lambda t: t.model.eval(),
    "a note": lambda t: setattr(t.model, "note", t.epoch), "shuffled otherwise": lambda t: setattr(t, "rng", np.random.default_rng(9)),
    "a run within": lambda t: nn.fit(t.model, X, CLASSES, loss="cross_entropy", optimizer=t.optimizer, epochs=6, progress=False),
}  # fmt: skip


def _exchanged(training):
    training.model.modules_in_order[1] = nn.ReLU()


def _moved(training):
    modules = training.model.modules_in_order
    modules[1], modules[3] = modules[3], modules[1]


TENSORS = COMMON | {
    "a slope": lambda t: setattr(t.model[1], "slope", 0.7), "another module": _exchanged,
    "modules moved": _moved, "one more module": lambda t: t.model.modules_in_order.insert(1, nn.Dropout(0.4, rng=5)),
    "one module less": lambda t: t.model.modules_in_order.pop(1), "a function": lambda t: t.model.modules_in_order.append(np.tanh),
    "frozen": lambda t: setattr(t.model[0].weight, "requires_grad", False), "no bias": lambda t: setattr(t.model[0], "bias", None),
    "an equal weight": lambda t: setattr(t.model[0], "weight", Tensor(t.model[0].weight.data.copy())),
    "a constant": lambda t: setattr(t.model[2], "bias", Tensor(np.ones(4), requires_grad=False)),
    "a spy": lambda t: _spy(t.model[1]), "another model": lambda t: setattr(t, "model", network()),
    "in place": lambda t: t.model[0].weight.data.__setitem__((0, 0), 0.25),
}  # fmt: skip


def _renamed(training):
    for neuron in training.model.layers[0].neurons:
        neuron.activation = "relu"
        neuron._choose()


def _pruned(training):
    training.model.layers[0].neurons[0].w[1] = Value(0.0)


def _equal(training):
    weights = training.model.layers[0].neurons[0].w
    weights[0] = Value(weights[0].data)


VALUES = COMMON | {
    "another activation": _renamed, "a weight pruned": _pruned, "an equal weight": _equal, "one more layer": lambda t: t.model.layers.insert(1, nn.Layer(4, 4, rng=8)),
    "another layer": lambda t: t.model.layers.__setitem__(0, nn.Layer(3, 4, activation="relu", rng=4)), "another model": lambda t: setattr(t, "model", neurons()),
    "a neuron less": lambda t: setattr(t.model.layers[0].neurons[0], "b", Value(1.0)), "a spy": lambda t: _spy(t.model.layers[0].neurons[1]),
}  # fmt: skip
CHANGES = [*((network, name) for name in TENSORS), *((neurons, name) for name in VALUES)]


@pytest.mark.parametrize("lift", [None, True])
@pytest.mark.parametrize(("make", "name"), CHANGES, ids=lambda x: x if isinstance(x, str) else x.__name__)
def test_whatever_a_callback_changes(make, name, lift):
    change = (TENSORS if make is network else VALUES)[name]
    assert_alike([train(make, way, changes={12: change}) for way in (lift, False)])


@pytest.mark.parametrize("lift", [None, True])
def test_layers_that_are_frozen_and_thawed(lift):
    """Before the run or between epochs; what is frozen has no gradient, whichever it had before."""
    def frozen():
        model = network()
        model[0].weight.requires_grad = False
        model[0].weight.grad = np.ones((5, 3))
        return model

    def turn(module, how):
        return lambda training: [setattr(p, "requires_grad", how) for p in training.model[module].parameters()]

    for changes in ({}, {13: turn(0, True)}, {3: turn(2, False), 9: turn(0, True), 14: turn(2, True)}):
        runs = [train(frozen, way, changes=changes) for way in (lift, False)]
        assert runs[0][0].lifted or not lift
        assert_alike(runs)


OPTIMIZERS = [
    lambda p: nn.SGD(p, lr=0.05), lambda p: nn.SGD(p, lr=0.03, momentum=0.9, nesterov=True, weight_decay=0.01), lambda p: nn.SGD(p, lr=0.05, momentum=0.5, dampening=0.2),
    lambda p: nn.SGD(p, lr=0.003, maximize=True), lambda p: nn.Adam(p, lr=0.02, amsgrad=True, weight_decay=0.1), lambda p: nn.AdamW(p, lr=0.02, weight_decay=0.3),
    lambda p: nn.RMSprop(p, lr=0.01), lambda p: nn.RMSprop(p, lr=0.003, momentum=0.4, centered=True), lambda p: nn.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.01),
    lambda p: nn.Adam([{"params": p[:1], "lr": 0.1}, {"params": p[1:3]}, {"params": p[3:], "weight_decay": 0.2}], lr=0.02),
]  # fmt: skip
SETTINGS = {
    "batch_size": [None, 1, 4, 5, 11, 22], "drop_last": [False, True], "clip_norm": [None, 0.05, 1.0], "validation": [None, 0.3], "metrics": [(), "accuracy"],
    "penalty": [None, lambda m: nn.l2_penalty(m, 0.01)], "early_stopping": [None, 2], "epochs": [3, 14],
    "schedule": [None, lambda o: nn.StepLR(o, 3, 0.5), lambda o: nn.CosineAnnealingLR(o, 9), lambda o: nn.ReduceLROnPlateau(o, 0.5, patience=1)],
}  # fmt: skip
LOSSES = {
    "cross_entropy": CLASSES, "mse": X, "l1": X, "huber": X, "squared_error": X, "hinge": np.where(X > 0.0, 1.0, -1.0), "bce_with_logits": (X > 0.0) * 1.0,
}  # fmt: skip


def test_groups_of_which_one_has_lost_a_parameter():
    """Updates are counted one by one in the group that holds the parameter without a gradient, and in no other."""
    runs = [train(neurons, lift, OPTIMIZERS[-1], {1: VALUES["a neuron less"]}, batch_size=1, epochs=3) for lift in (None, False)]
    assert_alike(runs)
    counted = [slots[0]["step"].ndim for slots in runs[0][2].state_dict()["state"]]
    assert sorted(counted) == [0, 0, 1]


@given(st.data())
def test_any_run(data):
    """Drawn at random: model, loss, optimiser with its options, settings of `fit`, and what callbacks do at which epochs."""
    make = data.draw(st.sampled_from([network, neurons]), "model")
    loss = data.draw(st.sampled_from(sorted(LOSSES)), "loss")
    optimizer = OPTIMIZERS[data.draw(st.integers(0, len(OPTIMIZERS) - 1), "optimizer")]
    settings = {name: choices[data.draw(st.integers(0, len(choices) - 1), name)] for name, choices in SETTINGS.items()}
    known = TENSORS if make is network else VALUES
    changes = {epoch: known[name] for epoch, name in data.draw(st.dictionaries(st.integers(1, 12), st.sampled_from(sorted(known)), max_size=3), "changes").items()}
    if make is neurons and settings["metrics"]:
        settings["metrics"] = ()               # of a lifted scalar model those after the epoch
    runs, errors = [], []
    for lift in (data.draw(st.sampled_from([None, True]), "lift"), False):
        try:
            runs.append(train(make, lift, optimizer, changes, loss=loss, y=LOSSES[loss], **settings))
        except Exception as error:
            errors.append(error)
    assert len(errors) in (0, 2) and len({type(error) for error in errors}) < 2, errors
    if runs:
        assert_alike(runs, rtol=1e-6)


# ------------------------------------------------------------------------------------------------------- Ctrl-C
def interrupted(make, at):
    """A lifted run of three epochs with Ctrl-C as the line number `at` of the package begins to run; (history or None, model, optimiser, its slots)."""
    model = make()
    optimizer = nn.Adam(model.parameters(), lr=0.02)
    slots, count = optimizer._slots, [0]
    folder = nn.__file__.removesuffix("__init__.py")

    def line(_frame, event, _arg):
        count[0] += event == "line"
        if count[0] == at:
            sys.settrace(None)
            raise KeyboardInterrupt
        return line

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: line if frame.f_code.co_filename.startswith(folder) else None)
    try:
        history = nn.fit(model, X, CLASSES, loss="cross_entropy", optimizer=optimizer, epochs=3, batch_size=8, rng=3, progress=False, lift=True)
    except KeyboardInterrupt:
        history = None
    finally:
        sys.settrace(before)
    return history, model, optimizer, slots, count[0]


def thinned():
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.Dropout(0.3, rng=1), nn.Linear(4, 3, rng=1))


def _vector(model):
    return np.concatenate([np.ravel(p.data) for p in model.parameters()])


@pytest.mark.parametrize("make", [thinned, lambda: nn.MLP(3, [2, 3], rng=0)], ids=["tensors", "values"])
def test_wherever_it_is_interrupted(make, count):
    """The optimiser has its slots, dropout draws, and the parameters are those of the start or of a step, but for an update that was cut short."""
    trajectory = []

    class Followed(nn.Adam):
        def step(self):
            super().step()
            trajectory.append(_vector(model))

    model = make()
    trajectory.append(_vector(model))
    nn.fit(model, X, CLASSES, loss="cross_entropy", optimizer=Followed(model.parameters(), lr=0.02), epochs=3, batch_size=8, rng=3, progress=False, lift=False)
    total = interrupted(make, -1)[-1]
    draw, halves = np.random.default_rng(), 0
    for at in draw.integers(1, total, 40).tolist():
        _, broken, optimizer, slots, _ = interrupted(make, at)
        assert optimizer._slots is slots, at
        assert not any("_mask" in vars(module) for module in broken.modules()), at
        assert all(array.shape in ((), slot.shape) for slot, arrays in zip(slots[0], optimizer.state_dict()["state"][0], strict=True) for array in arrays.values())
        off = min(float(np.max(np.abs(_vector(broken) - there))) for there in trajectory)
        assert off < 0.1, (at, off)            # an update that was cut short moves no number further than it would have
        halves += off > 1e-9
        count("interrupts of a lifted run")
    assert halves < 20


@pytest.mark.parametrize("place", ["holds_at", "masked", "_finish"])
def test_an_interrupt_on_the_way_out(place, monkeypatch):
    """While something is put back: it is put back all the same."""
    calls = []

    def once(function):
        def broken(*args):
            calls.append(args)
            if len(calls) == at:
                raise KeyboardInterrupt
            return function(*args)

        return broken

    for at in (3, 5):
        calls.clear()
        model = thinned()
        before = copy.deepcopy(model.state_dict())
        with monkeypatch.context() as patch:
            if place == "holds_at":            # the numbers of a trial are in the parameters
                patch.setattr(nn.lifted.LiftedStep, "_put", once(nn.lifted.LiftedStep._put))
            elif place == "masked":
                patch.setattr(nn.lifted_tensors, "partial", once(nn.lifted_tensors.partial))
            else:
                patch.setattr(nn.EarlyStopping, "restore", once(nn.EarlyStopping.restore))
                calls += [()] * (at - 1)
            nn.fit(model, X, CLASSES, loss="cross_entropy", epochs=2, lift=True, progress=False,
                   penalty=lambda m: nn.l2_penalty(m, 0.01), early_stopping=5 if place == "_finish" else None)
        assert len(calls) >= at
        assert "_mask" not in vars(model[1]) and not model.training
        if place != "_finish":
            assert all(np.array_equal(model.state_dict()[name], array) for name, array in before.items())


@pytest.mark.parametrize("make", [network, neurons, thinned])
def test_what_is_known_is_lifted_without_a_trial(make, monkeypatch):
    """Another thread that uses the model sees parameters of its own steps, and no others."""
    monkeypatch.setattr(nn.lifted.LiftedStep, "_put", None)
    assert train(make, True)[0].lifted


# ----------------------------------------------------------------------------------------- what a run may be made of
def _targets():
    yield "classes", CLASSES, True
    yield "classes of a byte", CLASSES.astype(np.uint8), True
    yield "classes with a point", CLASSES.astype(float), True
    yield "shares", np.random.default_rng(1).dirichlet(np.ones(3), ROWS), True
    yield "rows with a single 1", np.eye(3)[CLASSES], True
    yield "samples that do not count", np.where(np.arange(ROWS) == 7, -100, CLASSES), False


@pytest.mark.parametrize(("y", "lifted"), [pytest.param(y, lifted, id=name) for name, y, lifted in _targets()])
@pytest.mark.parametrize("make", [network, neurons, lambda: nn.Layer(3, 3, activation="identity", rng=0)], ids=["network", "neurons", "layer"])
def test_targets_of_every_kind(make, y, lifted):
    runs = [train(make, lift, y=y) for lift in (None, False)]
    assert_alike(runs)
    assert bool(runs[0][0].lifted) is lifted


def test_targets_that_a_callback_changes():
    """They may be such as a replay would not look at."""
    for make in (network, neurons):
        for bad, kind in ((-100, None), (-1, OperandError), (3, OperandError)):
            runs = []
            for lift in (True, False):
                model, y = make(), CLASSES.copy()
                follow = [lambda t, y=y, bad=bad: y.__setitem__(0, bad if t.epoch == 4 else y[0])]
                options = {"loss": "cross_entropy", "batch_size": 5, "epochs": 8, "rng": 0, "progress": False, "callbacks": follow}
                optimizer = nn.Adam(model.parameters(), lr=0.02)
                if kind is None:
                    runs.append((nn.fit(model, X, y, optimizer=optimizer, lift=lift, **options), model, optimizer))
                else:
                    with pytest.raises(kind, match="class numbers from"):
                        nn.fit(model, X, y, optimizer=optimizer, lift=lift, **options)
            if runs:
                assert runs[0][0].lifted == ""
                assert_alike(runs)


def _moment(prediction, target):
    pairs = list(zip(prediction, target, strict=True))
    return sum((p - t) ** 4 for p, t in pairs) * (1.0 / len(pairs)) if isinstance(prediction, list) else ((prediction - target) ** 4).mean()


@pytest.mark.parametrize("make", [lambda: nn.Sequential(nn.Linear(3, 1, rng=0), nn.Flatten()), lambda: nn.MLP(3, [2, 1], rng=0)], ids=["tensors", "values"])
def test_a_loss_that_depends_on_the_epoch(make):
    runs = []
    for lift in (True, False):
        factor, model = [1.0], make()
        optimizer = nn.Adam(model.parameters(), lr=0.02)
        history = nn.fit(model, X, X[:, :1], loss=lambda p, t: _moment(p, t) * factor[0], optimizer=optimizer, epochs=9, batch_size=5, rng=0, progress=False, lift=lift,
                         callbacks=[lambda t: factor.__setitem__(0, 1.0 / t.epoch)])
        assert bool(history.lifted) is lift
        runs.append((history, model, optimizer))
    assert_alike(runs)


class Wrapped(nn.Module):
    """A module of the user's own around another; it counts its calls."""

    def __init__(self, inner):
        self.inner, self.calls, self._last = inner, 0, None

    def forward(self, x):
        self.calls += 1
        self._last = self.inner(x)
        return self._last


@pytest.mark.parametrize("make", [network, neurons])
def test_a_module_that_counts_is_lifted_where_that_is_asked_for(make):
    def within(training):
        _exchanged(training) if make is network else _renamed(training)

    runs = [train(lambda: Wrapped(make()), lift, changes={5: lambda t: within(Training(t.model.inner, t.optimizer, None, None, t.rng))}) for lift in (True, False)]
    assert runs[0][0].lifted
    assert_alike(runs)


@pytest.mark.parametrize("make", [network, neurons])
def test_an_optimiser_with_methods_of_its_own(make):
    class Adding(nn.SGD):
        """Gradients of all batches add up."""

        def zero_grad(self):
            pass

    def spied(parameters):
        optimizer = nn.SGD(parameters, lr=0.05)
        training = type("Run", (), {"optimizer": optimizer})
        _spied_step(training)
        return optimizer

    for optimizer in (lambda p: Adding(p, lr=0.003), spied):
        runs = [train(make, lift, optimizer) for lift in (None, False)]
        assert runs[0][0].lifted == ""
        assert_alike(runs)
        with pytest.raises(OperandError, match="lift=True"):
            train(make, True, optimizer)


def test_a_method_of_ones_own_on_a_module_before_the_run():
    def spied(make, seen):
        model = make()
        module = model[1] if make is network else model.layers[0].neurons[0]
        forward = module.forward
        module.forward = lambda x: (seen.append(1), forward(x))[1]
        return model

    for make in (network, neurons):
        seen = [[], []]
        runs = [train(lambda: spied(make, seen[i]), lift) for i, lift in enumerate((None, False))]
        assert runs[0][0].lifted == "" and len(seen[0]) == len(seen[1])
        assert_alike(runs)


def test_parameters_that_share_memory_are_not_lifted():
    def tied():
        coder, decoder = nn.Linear(3, 4, bias=False, rng=0), nn.Linear(4, 3, bias=False, rng=1)
        decoder.weight.data = coder.weight.data.T
        return nn.Sequential(coder, nn.Tanh(), decoder)

    runs = [train(tied, lift, loss="mse", y=X) for lift in (None, False)]
    assert runs[0][0].lifted == ""
    assert_alike(runs)


def test_what_a_recording_does_not_suit_is_the_cause():
    """A loss that wants arrays: the error of `fit` has its error as the cause."""
    def labelled(prediction, target):
        return nn.cross_entropy(prediction, np.asarray(target.tolist()).astype(int))

    class Odd(Exception):
        pass

    def odd(prediction, target):
        if isinstance(target, Tensor):
            raise Odd("no nodes")
        return nn.mse_loss(prediction, target)

    with pytest.raises(OperandError, match="lift=True") as caught:
        train(network, True, loss=odd, y=X)
    assert isinstance(caught.value.__cause__, Odd)
    with pytest.raises(OperandError, match="lift=True"):
        train(network, True, loss=labelled)


def test_every_prediction_with_every_target_is_warned_of_lifted_or_not():
    for lift in (True, False):
        with pytest.warns(RuntimeWarning, match="every prediction with every target"):
            nn.fit(nn.Linear(3, 1, rng=0), X, X[:, 0], loss=lambda p, t: ((p - t) ** 2).mean(), epochs=2, progress=False, lift=lift)


def test_a_model_goes_on_as_any_other_after_a_replayed_run():
    """It is copied, pickled, drawn, differentiated and called in two modes."""
    for make in (thinned, neurons):
        history, model, optimizer = train(make, True)
        assert history.lifted
        for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), again.parameters(), strict=True))
        assert pickle.loads(pickle.dumps(optimizer)).state_dict()["steps"] == optimizer.steps
        model.zero_grad()
        model.train()
        output = model(X[0].tolist())[0] if make is neurons else model(X).sum()
        output.backward()
        assert all(p.grad is not None for p in model.parameters())
        if make is thinned:
            assert len({tuple(model[1](np.ones(8))) for _ in range(20)}) > 1


def test_a_long_run_keeps_no_more_than_its_history():
    import tracemalloc

    sizes = []

    def weigh(training):
        if training.epoch in (100, 400):
            sizes.append(tracemalloc.get_traced_memory()[0])

    for make in (thinned, neurons):
        sizes.clear()
        tracemalloc.start()
        try:
            nn.fit(make(), X, CLASSES, loss="cross_entropy", epochs=401, batch_size=8, lift=True, progress=False, callbacks=[weigh])
        finally:
            tracemalloc.stop()
        assert sizes[1] - sizes[0] < 300 * 400  # three floats an epoch


# -------------------------------------------------------------------------------------------------- the ingredients
@pytest.mark.parametrize("module", [
    nn.Linear(3, 3, rng=0), nn.Flatten(), nn.Dropout(0.4, rng=0), nn.LayerNorm(3), nn.Identity(), nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.LeakyReLU(), nn.PReLU(3),
    nn.ELU(), nn.SiLU(), nn.GELU(), nn.Softplus(), nn.Softmax(), nn.Conv2d(1, 1, 2, rng=0), nn.MaxPool2d(1), nn.AvgPool2d(1), nn.Neuron(3, rng=0), nn.Layer(3, 2, rng=0), nn.MLP(3, [2, 1], rng=0),
], ids=repr)  # fmt: skip
def test_a_call_changes_no_ingredient_and_every_setting_is_one(module):
    scalar = isinstance(module, LiftedValues.kinds)
    model = module if scalar else nn.Sequential(module)
    other = nn.Linear(1, 1)
    training = Training(model, nn.SGD([*model.parameters(), *other.parameters()], lr=0.1), None, None, np.random.default_rng(0))
    kinds = LiftedValues.kinds if scalar else LiftedTensors.kinds
    assert type(module) in kinds
    made_of = Ingredients(training, kinds)
    model([0.5, 1.0, -1.0] if scalar else np.ones((2, 1, 3, 3)) if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) else np.ones((2, 3)))
    for p in model.parameters():
        p.data = p.data + 1.0
    assert made_of.same()
    for name in [name for name in vars(module) if name not in ("rng", "training", "p")]:
        kept = vars(module)[name]
        vars(module)[name] = object()
        assert not made_of.same(), name
        vars(module)[name] = kept
        assert made_of.same()


def test_constants_are_ingredients():
    frozen = nn.Linear(3, 3, rng=0)
    model = nn.Sequential(frozen, nn.Linear(3, 3, rng=1))
    for p in frozen.parameters():
        p.requires_grad = False
    training = Training(model, nn.SGD(model.parameters(), lr=0.1), None, None, np.random.default_rng(0))
    made_of = Ingredients(training, LiftedTensors.kinds)
    frozen.weight.data[0, 0] = np.nan
    assert not made_of.same() and Ingredients(training, LiftedTensors.kinds).same()


@pytest.mark.parametrize("name", ["other weights", "other rates", "loaded", "evaluation", "a note", "shuffled otherwise", "nothing"])
@pytest.mark.parametrize("make", [network, neurons])
def test_what_is_no_ingredient_leaves_the_program_as_it_is(make, name, monkeypatch):
    """Rates, whether a schedule or a callback sets them, running averages, the numbers of the parameters, the order of the samples."""
    recorded = []
    monkeypatch.setattr(nn.lifted.LiftedStep, "prepare", lambda *args, prepare=nn.lifted.LiftedStep.prepare: recorded.append(prepare(*args)))
    changes = dict.fromkeys(range(1, 15), COMMON.get(name, lambda _: None))
    runs = [train(make, lift, changes=changes, validation=0.2, schedule=lambda o: nn.ExponentialLR(o, 0.9)) for lift in (True, False)]
    assert len(recorded) == 1 and runs[0][0].lifted
    assert_alike(runs)


def test_recording_anew_has_to_be_worth_it():
    """A callback that changes the function after every epoch of one step leaves the steps to be computed as they stand."""
    def sloped(training):
        training.model[1].slope += 0.01

    changes = dict.fromkeys(range(1, 90), sloped)
    runs = [train(network, lift, batch_size=None, epochs=60, changes=changes) for lift in (None, False)]
    assert runs[0][0].lifted == ""
    assert_alike(runs)
    assert train(network, True, batch_size=None, epochs=60, changes=changes)[0].lifted == "tensor"
