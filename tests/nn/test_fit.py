"""`fit`: scalar and tensor models, every option, the same numbers from the same seed, and what it refuses."""

import math
import warnings

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, no_grad, scope
from autograd_core.errors import OperandError, ShapeError, StructureError
from autograd_core.modes import recording
from nn.data import batches, blobs, logic, moons, sine
from nn.lifted import LiftedStep


def tensor_model(seed=0, width=8, classes=2, dropout=0.0):
    return nn.Sequential(nn.Linear(2, width, rng=seed), nn.Tanh(), nn.Dropout(dropout, rng=seed), nn.Linear(width, classes, rng=seed + 1))


def test_both_kinds_of_model_learn_and_agree():
    x, y = moons(40, rng=0)
    scalar = nn.MLP(2, [6, 1], rng=0)
    tensor = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).load_state_dict(scalar.state_dict())
    options = {"loss": "hinge", "optimizer": "adam", "lr": 0.05, "epochs": 15, "batch_size": 10, "progress": False}
    a = nn.fit(scalar, x, 2 * y - 1, rng=3, **options)
    b = nn.fit(tensor, x, (2 * y - 1)[:, None], rng=3, **options)
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-9)
    np.testing.assert_allclose(nn.predict(scalar, x), nn.predict(tensor, x)[:, 0], rtol=1e-8)
    assert a.last("loss") < 0.5 * a["loss"][0]
    for name, array in scalar.state_dict().items():
        np.testing.assert_allclose(array, tensor.state_dict()[name], rtol=1e-8, atol=1e-10)


def test_scalar_model_with_classes():
    x, y = blobs(45, rng=1)
    model = nn.MLP(2, [4, 3], rng=0)
    history = nn.fit(model, x, y, loss="cross_entropy", lr=0.1, epochs=20, batch_size=15, metrics="accuracy", rng=0)
    assert history.last("accuracy") > 0.9
    assert nn.predict(model, x).shape == (45, 3)


@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_batch_stochastic_and_mini_batch(batch_size):
    x, y = moons(30, rng=0)
    seen = []
    model = tensor_model()
    step = model[0].forward
    model[0].forward = lambda part: (seen.append(len(part)), step(part))[1]
    nn.fit(model, x, y, loss="cross_entropy", epochs=1, batch_size=batch_size, rng=0)
    assert seen == {None: [30], 1: [1] * 30, 7: [7, 7, 7, 7, 2]}[batch_size]


def test_same_seed_same_numbers():
    x, y = moons(60, rng=0)

    def run(seed):
        model = tensor_model(dropout=0.3)
        history = nn.fit(model, x, y, loss="cross_entropy", epochs=5, batch_size=16, validation=0.25, metrics="accuracy", rng=seed)
        return {k: v for k, v in history.columns.items() if k != "seconds"}, [p.data.tolist() for p in model.parameters()]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_validation_metrics_and_schedule():
    x, y = moons(80, rng=0)
    history = nn.fit(
        tensor_model(), x, y, loss="cross_entropy", optimizer="sgd", lr=0.5, epochs=4, validation=(x[:20], y[:20]), rng=0,
        metrics={"right": nn.accuracy, "n": lambda p, t: len(p)}, schedule=lambda o: nn.StepLR(o, 2, 0.1),
    )  # fmt: skip
    assert history["lr"] == pytest.approx([0.5, 0.5, 0.05, 0.05])
    assert history["n"] == [80.0] * 4 and history["val_n"] == [20.0] * 4
    assert set(history.columns) == {"loss", "right", "n", "val_loss", "val_right", "val_n", "lr", "seconds"}
    again = nn.History.from_dict(history.to_dict())
    assert again["loss"] == history["loss"] and repr(again) == repr(history)


def test_early_stopping_brings_the_best_weights_back():
    x, y = moons(40, noise=0.3, rng=0)
    x_held, y_held = moons(40, noise=0.3, rng=1)
    model = tensor_model(width=64)
    history = nn.fit(model, x, y, loss="cross_entropy", lr=0.05, epochs=300, validation=(x_held, y_held), early_stopping=5, rng=0)
    assert history.stopped == "early stopping" and len(history) == history.best_epoch + 5
    best = nn.evaluate(model, x_held, y_held, loss="cross_entropy")["loss"]
    assert best == pytest.approx(min(history["val_loss"]), rel=1e-12)


def test_early_stopping_on_a_metric():
    x, y = moons(40, rng=0)
    stopping = nn.EarlyStopping(patience=3, monitor="accuracy")
    history = nn.fit(tensor_model(), x, y, loss="cross_entropy", lr=0.2, epochs=200, metrics="accuracy", early_stopping=stopping, rng=0)
    assert history.stopped == "early stopping"
    with pytest.raises(OperandError, match="no 'val_accuracy' to watch"):
        nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=2, early_stopping=nn.EarlyStopping(2, monitor="val_accuracy"))


@pytest.mark.parametrize(("name", "way", "stops"), [("score", 1.0, False), ("score", -1.0, True), ("my_loss", -1.0, False), ("my_loss", 1.0, True)])
def test_a_watched_metric_should_grow_and_a_watched_loss_fall(name, way, stops):
    x, y = moons(20, rng=0)
    seen = iter(range(100))
    history = nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=6, metrics={name: lambda prediction, target: way * next(seen)},
                     early_stopping=nn.EarlyStopping(2, monitor=name), rng=0)  # fmt: skip
    assert (history.stopped, len(history)) == (("early stopping", 3) if stops else ("finished", 6))


@pytest.mark.parametrize(("every", "stop", "expected"), [(1, None, [1, 2, 3, 4, 5, 6, 7]), (3, None, [3, 6, 7]), (9, None, [7]), (3, 5, [3, 5])])
def test_checkpoints_are_written_every_so_many_epochs_and_at_the_end(monkeypatch, tmp_path, every, stop, expected):
    x, y = moons(20, rng=0)
    written, save = [], nn.train.save_checkpoint
    monkeypatch.setattr(nn.train, "save_checkpoint", lambda path, training: (written.append(training.epoch), save(path, training)))

    def halt(training):
        training.stopped = training.epoch == stop

    nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=7, checkpoint=tmp_path / "run", checkpoint_every=every, callbacks=[halt], rng=0)
    assert written == expected


def test_an_optimiser_by_name_has_a_rate_to_begin_with():
    for name, rate in {"sgd": 0.1, "adam": 0.01, "adamw": 0.01, "rmsprop": 0.01, "adagrad": 0.1, "adadelta": 1.0}.items():
        assert nn.setting_up.optimizer_of(name, tensor_model(), None).lr == rate
        assert nn.setting_up.optimizer_of(name, tensor_model(), 0.5).lr == 0.5


@pytest.mark.parametrize("score", [nn.accuracy, nn.metrics.r2_score])
def test_a_score_is_of_arrays_of_one_length(score):
    for p, t in ((1.0, [1.0]), ([1.0], 1.0)):
        with pytest.raises(ShapeError, match="expected an array of each"):
            score(p, t)
    for p, t in (([1.0, 2.0], [1.0]), ([], [])):
        with pytest.raises(ShapeError, match="as many of each, and at least one"):
            score(p, t)


def test_clipping_callbacks_penalty():
    x, y = moons(30, rng=0)
    model, epochs, norms = tensor_model(), [], []

    def watch(training):
        epochs.append(training.epoch)
        norms.append(math.sqrt(sum(float(np.sum(p.grad**2)) for p in training.model.parameters())))
        if training.epoch == 3:
            training.stop()

    history = nn.fit(model, x, y, loss="cross_entropy", epochs=10, clip_norm=0.01, callbacks=[watch], penalty=lambda m: nn.l2_penalty(m, 0.1))
    assert epochs == [1, 2, 3] and max(norms) <= 0.01 + 1e-9 and history.stopped == "callback"
    plain = nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=1)
    assert history["loss"][0] == pytest.approx(plain["loss"][0] + nn.l2_penalty(tensor_model(), 0.1).item())


def test_ctrl_c_returns_the_history_so_far():
    x, y = moons(30, rng=0)

    def interrupt(training):
        if training.epoch == 2:
            raise KeyboardInterrupt

    model = tensor_model(dropout=0.5)
    history = nn.fit(model, x, y, loss="cross_entropy", epochs=10, callbacks=[interrupt])
    assert history.stopped == "interrupted" and len(history) == 2
    assert not model.training


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("where", ["callback", "written", "renamed"])
def test_an_epoch_that_was_over_when_the_interrupt_came_is_in_the_checkpoint(tmp_path, monkeypatch, where, every):
    x, y = moons(30, rng=0)
    path, calls = tmp_path / "run.safetensors", []

    def run(**options):
        model = tensor_model(dropout=0.5)
        history = nn.fit(model, x, y, loss="cross_entropy", epochs=6, batch_size=8, rng=0, checkpoint_every=every, progress=False, **options)
        return history, {name: array.copy() for name, array in model.state_dict().items()}

    whole, expected = run()

    def once(*arguments, put=nn.files.put_in_place, write=nn.files.write_atomically):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return (put if where == "renamed" else write)(*arguments)

    callbacks = []
    if where == "callback":
        callbacks = [lambda training: once(path, b"") if training.epoch == 1 else None]
    else:
        monkeypatch.setattr(nn.files, "put_in_place" if where == "renamed" else "write_atomically", once)
    interrupted, _ = run(checkpoint=path, callbacks=callbacks)
    assert interrupted.stopped == "interrupted" and len(interrupted) == (1 if where == "callback" else every) and path.exists()

    ran = []
    resumed, weights = run(checkpoint=path, resume=True, callbacks=[lambda training: ran.append(training.epoch)])
    assert ran == list(range(len(interrupted) + 1, 7)) and resumed["loss"] == whole["loss"]
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)


@pytest.mark.parametrize("lift", [None, False])
@pytest.mark.parametrize("batch_size", [None, 7, 16, 40])
def test_a_last_smaller_batch_may_be_left_out(batch_size, lift):
    x, y = moons(40, rng=0)
    sizes, model = [], nn.MLP(2, [3, 1], rng=0)

    def loss(prediction, target):
        sizes.append(len(target))
        return nn.mse_loss(prediction, target)

    history = nn.fit(model, x, y.astype(float), loss=loss if lift is False else "mse", batch_size=batch_size, epochs=5, drop_last=True, lift=lift, metrics="accuracy", rng=0)
    assert bool(history.lifted) is (lift is None)
    size = batch_size or 40
    if lift is False:
        assert sizes == [size] * (5 * (40 // size))
    assert all(math.isfinite(v) for v in history["loss"] + history["accuracy"])


def test_batch_normalisation_trains_where_a_last_batch_of_one_is_left_out():
    x, y = moons(9, rng=0)

    def train(**options):
        model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.BatchNorm1d(4), nn.Linear(4, 2, rng=1))
        return nn.fit(model, x, y, loss="cross_entropy", batch_size=4, epochs=3, rng=0, **options)

    with pytest.raises(ShapeError, match=r"received 1 value per feature.*drop_last=True"):
        train()
    assert len(train(drop_last=True)) == 3


def test_the_loss_of_an_epoch_is_the_mean_over_the_samples_it_was_trained_on():
    x, model = np.arange(7.0).reshape(7, 1), nn.Linear(1, 1, bias=False, init="zeros")
    for drop_last, seen in ((False, 7), (True, 6)):
        order = next(iter(batches(x, x, rng=3)))[0].ravel()[:seen]
        history = nn.fit(model, x, x, optimizer="sgd", lr=0.0, epochs=1, batch_size=3, drop_last=drop_last, rng=3)
        assert history["loss"] == [pytest.approx(float(np.mean(order**2)))]
    with pytest.raises(OperandError, match="drop_last=True leaves no batch of 8 among 7 samples"):
        nn.fit(model, x, x, batch_size=8, drop_last=True)


def test_ctrl_c_while_numbers_are_handed_back(monkeypatch):
    x, y = moons(40, rng=0)
    model = nn.MLP(2, [4, 1], rng=0)
    optimizer = nn.SGD(model.parameters(), lr=0.1)
    slots = optimizer._slots
    end, calls = LiftedStep.end, []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        end(self)

    monkeypatch.setattr(LiftedStep, "end", interrupted)
    history = nn.fit(model, x, y.astype(float), optimizer=optimizer, epochs=9, batch_size=20, lift=True, rng=0)
    assert history.lifted and history.stopped == "interrupted" and len(history) == 1 and len(calls) == 3
    assert optimizer._slots is slots
    monkeypatch.undo()
    other = nn.MLP(2, [4, 1], rng=0)
    nn.fit(other, x, y.astype(float), optimizer="sgd", lr=0.1, epochs=2, batch_size=20, lift=True, rng=0)
    assert all((model.state_dict()[k] == v).all() for k, v in other.state_dict().items())


@pytest.mark.parametrize("lift", [None, True, False])
@pytest.mark.parametrize("held", [None, 0.25, "pair"])
@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_a_run_that_diverges_says_so_once_and_numpy_nothing(scale, held, lift):
    x = scale * np.random.default_rng(0).normal(size=(12, 3))
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Linear(4, 1, rng=1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = nn.fit(
            model, x, x[:, :1], optimizer="sgd", lr=1e5, epochs=60, lift=lift, rng=0, progress=False, validation=(x, x[:, :1]) if held == "pair" else held,
        )  # fmt: skip
    assert history.stopped == "the loss is not finite"
    assert [str(w.message)[:16] for w in caught] == ["fit: the loss is"] and caught[0].filename == __file__


def test_held_out_samples_whose_loss_is_not_finite_are_told_of_once():
    x = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.warns(RuntimeWarning, match=r"fit: the loss of the samples held out is inf in epoch 1; are their inputs scaled") as caught:
        history = nn.fit(nn.Linear(3, 1, rng=0), x, x[:, :1], epochs=4, rng=0, progress=False, validation=(1e200 * x, x[:, :1]))
    assert len(caught) == 1 and history.stopped == "finished" and np.isinf(history["val_loss"]).all()


@pytest.mark.parametrize(("first", "then"), [({}, {"validation": 0.25}), ({"validation": 0.25}, {})])
def test_epochs_that_were_not_validated_are_no_losses_that_are_not_finite(tmp_path, first, then):
    x = np.random.default_rng(0).normal(size=(12, 3))
    nn.fit(nn.Linear(3, 1, rng=0), x, x[:, :1], epochs=2, rng=0, progress=False, checkpoint=tmp_path / "run.safetensors", **first)
    history = nn.fit(nn.Linear(3, 1, rng=0), x, x[:, :1], epochs=4, rng=0, progress=False, resume=tmp_path / "run.safetensors", **then)
    assert len(history["val_loss"]) == 4 and np.isnan(history["val_loss"]).sum() == 2


def test_a_dictionary_of_metrics_takes_names_and_functions():
    x, y = moons(30, rng=0)
    history = nn.fit(
        tensor_model(), x, y, loss="cross_entropy", epochs=2, rng=0, progress=False, metrics={"right": "accuracy", "wrong": lambda p, t: 1.0 - nn.accuracy(p, t)},
    )  # fmt: skip
    assert history["right"] == [pytest.approx(1.0 - wrong) for wrong in history["wrong"]]
    for bad in ({"a": "nothing"}, {"a": 3}, {1: "accuracy"}):
        with pytest.raises(OperandError, match="metrics: received .*accuracy, r2"):
            nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=2, progress=False, metrics=bad)
    logits = nn.Sequential(nn.Linear(2, 1, rng=0))
    by_name = [
        nn.evaluate(logits, x, y[:, None].astype(float), loss="bce_with_logits", metrics=metrics) for metrics in ("accuracy", {"accuracy": "accuracy"})
    ]
    assert by_name[0] == by_name[1]


def test_a_checkpoint_whose_folder_cannot_be_made_is_said_before_the_training(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    model, (x, y) = tensor_model(), moons(30, rng=0)
    before = model.state_dict()
    with pytest.raises(nn.io.FileError, match=r"fit: received checkpoint='.*', whose folder is not there and cannot be made \("):
        nn.fit(model, x, y, loss="cross_entropy", epochs=2, progress=False, checkpoint=tmp_path / "file" / "run.safetensors")
    assert all(np.array_equal(model.state_dict()[name], array) for name, array in before.items())


def test_ctrl_c_while_the_progress_bar_is_taken_away(monkeypatch):
    """What has been learnt is returned, and the best weights are there."""
    x, y = moons(40, rng=0)
    closed = []

    class Bar:
        def close(self):
            closed.append(1)
            if len(closed) == 1:
                raise KeyboardInterrupt

        update = set_description_str = set_postfix_str = lambda self, *_, **__: None

    monkeypatch.setattr("nn.train.bar_of", lambda *_, **__: Bar())
    model = tensor_model()
    history = nn.fit(model, x, y, loss="cross_entropy", epochs=8, lr=3.0, validation=0.25, early_stopping=2, rng=0)
    assert closed and not model.training and len(history) == len(history["val_loss"])
    monkeypatch.undo()
    other = tensor_model()
    expected = nn.fit(other, x, y, loss="cross_entropy", epochs=8, lr=3.0, validation=0.25, early_stopping=2, rng=0, progress=False)
    assert history.best_epoch == expected.best_epoch and history["loss"] == expected["loss"]
    assert all((model.state_dict()[k] == v).all() for k, v in other.state_dict().items())


@pytest.mark.parametrize("where", ["callback", "written"])
def test_a_run_that_had_stopped_early_when_the_interrupt_came_says_so(tmp_path, monkeypatch, where):
    x, y = moons(40, rng=0)
    path = tmp_path / "run.safetensors"

    def run(**options):
        return nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=30, lr=3.0, early_stopping=1, rng=0, progress=False, checkpoint=path, **options)

    expected = run()
    assert expected.stopped == "early stopping" and len(expected) < 30
    path.unlink()

    def once(*arguments, write=nn.files.put_in_place):
        if len(writes := [*writes_so_far, 1]) == len(expected):
            monkeypatch.undo()
            raise KeyboardInterrupt
        writes_so_far[:] = writes
        return write(*arguments)

    def follow(training):
        if training.epoch == len(expected):
            raise KeyboardInterrupt

    writes_so_far = []
    if where == "written":
        monkeypatch.setattr(nn.files, "put_in_place", once)
    history = run(callbacks=[follow] if where == "callback" else [])
    assert history.stopped == "early stopping" and history["loss"] == expected["loss"]
    resumed = run(resume=True)
    assert resumed.stopped == "early stopping" and resumed["loss"] == expected["loss"] and resumed.best_epoch == expected.best_epoch


def test_ctrl_c_on_the_way_out_of_no_grad(monkeypatch):
    x, y = moons(40, rng=0)
    leave, calls = no_grad.__exit__, []

    def interrupted(self, *error):             # what a signal at the first instruction of `__exit__` does
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        leave(self, *error)

    monkeypatch.setattr(no_grad, "__exit__", interrupted)
    history = nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=5, validation=0.25, rng=0)
    assert history.stopped == "interrupted" and len(calls) == 2
    assert recording() and (Tensor(1.0) * 2).parents


def test_ctrl_c_on_the_way_into_a_module(monkeypatch):
    def interrupted(value, put=scope._set):
        put(value)
        if value is not None:
            raise KeyboardInterrupt

    monkeypatch.setattr(scope, "_set", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nn.Sequential(nn.Linear(2, 1, rng=0))(np.ones((1, 2)))
    assert scope._get() is None


def test_what_is_refused_leaves_the_mode():
    x, y = moons(20, rng=0)
    model, scalar = tensor_model().eval(), nn.MLP(2, [3, 1], rng=0).eval()
    with pytest.raises(OperandError, match="callbacks"):
        nn.fit(model, x, y, loss="cross_entropy", callbacks=[3])
    with pytest.raises(ShapeError, match="the same shape"):
        nn.fit(scalar, x, np.ones((20, 3)), epochs=100)
    assert not model.training and not scalar.training


def test_the_optimiser_of_another_model_is_refused():
    x, y = moons(20, rng=0)
    with pytest.raises(OperandError, match=r"none of the model's parameters, expected one made of model.parameters\(\)"):
        nn.fit(tensor_model(), x, y, loss="cross_entropy", optimizer=nn.SGD(tensor_model().parameters(), lr=0.1))
    model = tensor_model()                     # a part of them is fine: the rest stays as it is
    before = model.state_dict()
    nn.fit(model, x, y, loss="cross_entropy", epochs=2, optimizer=nn.SGD(model[3].parameters(), lr=0.1))
    assert [bool((model.state_dict()[k] == v).all()) for k, v in before.items()] == [True, True, False, False]


def test_a_loss_that_is_not_finite_ends_the_run():
    x, y = sine(20, rng=0)
    model = nn.Linear(1, 1, rng=0)
    with pytest.warns(RuntimeWarning, match="a smaller learning rate"):
        history = nn.fit(model, x, y, optimizer="sgd", lr=1e200, epochs=50)
    assert history.stopped == "the loss is not finite" and len(history) < 10


def test_regression_and_r2():
    x, y = sine(120, noise=0.05, rng=0)
    model = nn.Sequential(nn.Linear(1, 24, rng=0), nn.Tanh(), nn.Linear(24, 1, rng=1))
    history = nn.fit(model, x, y, lr=0.02, epochs=300, metrics="r2", rng=0)
    assert history.last("r2") > 0.95
    assert nn.evaluate(model, x, y, metrics="r2")["r2"] > 0.95


def test_xor_with_the_scalar_stack():
    x, y = logic("xor")
    model = nn.MLP(2, [4, 1], output="sigmoid", rng=1)
    history = nn.fit(model, x, y, loss="bce", lr=0.1, epochs=150, metrics="accuracy", rng=0)
    assert history.last("accuracy") == 1.0 and history.last("loss") < 0.1


def test_a_progress_bar_tells_epoch_and_loss(capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    x, y = moons(20, rng=0)
    nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=2, progress=True)
    text = capsys.readouterr().err
    assert "epoch 2/2" in text and "loss" in text and ("step/s" in text or "s/step" in text)  # the latter on a machine that stalls
    nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=2)
    assert capsys.readouterr().err == ""


def test_bad_input_changes_nothing():
    x, y = moons(20, rng=0)
    model = tensor_model()
    before = model.state_dict()
    cases = [
        (ShapeError, r"x of shape \(20, 2\) and y of shape \(19,\)", lambda: nn.fit(model, x, y[:-1])),
        (OperandError, "x or y has nan or inf", lambda: nn.fit(model, np.where(x > 1, np.nan, x), y)),
        (OperandError, "epochs=-1", lambda: nn.fit(model, x, y, epochs=-1)),
        (OperandError, "batch_size=0", lambda: nn.fit(model, x, y, batch_size=0)),
        (OperandError, "received 'rms', expected an optimiser or one of sgd, adam", lambda: nn.fit(model, x, y, optimizer="rms")),
        (OperandError, "loss: received 'mae'", lambda: nn.fit(model, x, y, loss="mae")),
        (OperandError, "metrics: received 5, expected a function", lambda: nn.fit(model, x, y, loss="cross_entropy", metrics=["r2", 5])),
        (OperandError, "metrics: received {'f': 5}, expected functions", lambda: nn.fit(model, x, y, loss="cross_entropy", metrics={"f": 5})),
        (StructureError, "History.from_dict: received ..columns.., expected what to_dict gave", lambda: nn.History.from_dict({"columns": {}})),
        (OperandError, "metrics: received 'f1'", lambda: nn.fit(model, x, y, loss="cross_entropy", metrics="f1")),
        (OperandError, "expected a Module", lambda: nn.fit(lambda x: x, x, y)),
        (OperandError, "rng: received 'seed'", lambda: nn.fit(model, x, y, rng="seed")),
        (OperandError, "resume=True needs checkpoint=", lambda: nn.fit(model, x, y, resume=True)),
        (OperandError, "dtype <U1", lambda: nn.fit(model, np.array([["a", "b"]] * 20), y)),
        (ShapeError, r"predictions of shape \(20, 2\) and targets of shape \(20,\)", lambda: nn.fit(model, x, y)),
    ]
    for kind, text, call in cases:
        with pytest.raises(kind, match=text):
            call()
    assert all((model.state_dict()[k] == v).all() for k, v in before.items())


def test_metrics_by_hand():
    assert nn.accuracy([0.2, 0.8], [0, 1]) == 1.0
    assert nn.accuracy([-3.0, 3.0], [1, 0], threshold=0.0) == 0.0
    assert nn.accuracy([[0.1, 0.9]], [[0, 1]]) == 1.0
    assert nn.r2_score([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]) == 0.0
    with pytest.raises(ShapeError, match="2 predictions and 3 targets"):
        nn.accuracy([1, 2], [1, 2, 3])
    assert math.isnan(nn.r2_score([1.0], [1.0]))


ANSWERS = [
    *[(columns, signed, labels) for columns in (None, 1) for signed in (False, True) for labels in ("one", "column")],
    *[(3, False, labels) for labels in ("one", "column", "one-hot")],
]


@pytest.mark.parametrize("threshold", [None, 0.3])
@pytest.mark.parametrize(("columns", "signed", "labels"), ANSWERS)
def test_accuracy_is_the_share_of_samples_whose_class_is_right(columns, signed, labels, threshold):
    rng = np.random.default_rng(0)
    scores = rng.uniform(-1.0 if signed else 0.0, 1.0, (40,) if columns is None else (40, columns))
    many = columns == 3
    truth = rng.integers(0, 3 if many else 2, 40)
    cut = threshold if threshold is not None else 0.0 if signed else 0.5
    chosen = [int(np.argmax(row)) for row in scores] if many else [int(s > cut) for s in scores.ravel()]
    expected = sum(a == b for a, b in zip(chosen, truth.tolist(), strict=True)) / 40
    given = 2 * truth - 1 if signed else truth
    given = {"one": given, "column": given[:, None], "one-hot": np.eye(3)[truth % 3]}[labels]
    if many and labels == "column":
        with pytest.raises(ShapeError, match="expected one class per sample"):
            nn.accuracy(scores, given, threshold=threshold)
    else:
        assert nn.accuracy(scores, given, threshold=threshold) == expected


def test_accuracy_of_labels_that_do_not_exclude_each_other_is_that_of_the_single_answers():
    prediction, target = np.array([[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]), np.array([[1, 1, 0], [0, 1, 0]])
    assert nn.accuracy(prediction, target) == 5 / 6
    assert nn.accuracy(np.array([[0.5], [0.6]]), np.array([[0], [1]])) == 1.0         # one half is not above one half


@pytest.mark.parametrize(("loss", "right"), [("bce_with_logits", 1.0), ("mse", 0.0)])
def test_where_a_score_changes_its_class_is_known_from_the_loss(loss, right):
    model = nn.Linear(1, 1, init=lambda shape, rng: np.full(shape, 0.25), bias=False)
    x, y = np.ones((3, 1)), np.ones((3, 1))
    for metrics in ("accuracy", ["accuracy"]):
        assert nn.evaluate(model, x, y, loss=loss, metrics=metrics)["accuracy"] == right
    assert nn.fit(model, x, y, loss=loss, lr=0.0, epochs=1, metrics="accuracy", validation=(x, y))["val_accuracy"] == [right]


def test_nan_is_never_right():
    assert nn.accuracy([[np.nan, 1.0], [0.0, np.nan], [0.0, 1.0]], [0, 1, 1]) == 1 / 3
    assert nn.accuracy([np.nan, 0.0, 1.0, np.nan], [0, 0, 1, 1], threshold=0.5) == 0.5
    assert nn.accuracy([np.nan, 1.0], [-1, 1]) == 0.5


@pytest.mark.parametrize(
    ("given", "message"), [(None, "expected real numbers"), ("high", "expected real numbers"), (np.ones(3), r"m gave an array of shape \(3,\), expected one number")]
)
def test_a_metric_gives_a_number(given, message):
    x, y = moons(12, rng=0)
    model = tensor_model()
    for call in (nn.fit, nn.evaluate):
        options = {"epochs": 1} if call is nn.fit else {}
        with pytest.raises((OperandError, ShapeError), match=message):
            call(model, x, y, loss="cross_entropy", metrics={"m": lambda p, t: given}, **options)
        for none in (5, np.array(5.0)):
            with pytest.raises(OperandError, match="metrics: received .*, expected a name, a function, a list or a dictionary of them"):
                call(model, x, y, loss="cross_entropy", metrics=none, **options)
        call(model, x, y, loss="cross_entropy", metrics=None, **options)
    for number in (np.ones((1, 1)), np.float32(1.0), Value(1.0), Tensor([1.0]), 1):
        assert nn.evaluate(model, x, y, loss="cross_entropy", metrics={"m": lambda p, t, number=number: number})["m"] == 1.0


@pytest.mark.parametrize("bad", [-1.0, math.nan])
def test_an_improvement_is_of_some_size(bad):
    with pytest.raises(OperandError, match=f"EarlyStopping: min_delta: received {bad}, expected a number of at least 0"):
        nn.EarlyStopping(2, min_delta=bad)


def test_r2_of_several_outputs_is_about_the_mean_of_each():
    target = np.array([[0.0, 10.0], [2.0, 14.0]])
    assert nn.r2_score(np.array([[1.0, 12.0], [1.0, 12.0]]), target) == 0.0
    assert nn.r2_score(np.array([[0.0, 12.0], [2.0, 12.0]]), target) == pytest.approx(1.0 - 8.0 / 10.0)


def test_predict_restores_the_mode():
    model = tensor_model(dropout=0.5)
    model[2].eval()
    nn.predict(model, np.zeros((3, 2)))
    assert model.training and not model[2].training
    assert isinstance(model(np.zeros((1, 2))), Tensor)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": lambda optimizer: nn.ReduceLROnPlateau(optimizer, mode="max")}, "a ReduceLROnPlateau with mode='max', expected mode='min'"),
        ({"schedule": lambda optimizer: 3}, "the function given as schedule made a int, expected a Schedule"),
        ({"loss": lambda p, t: None}, "the loss function gave None, expected one number"),
        ({"loss": lambda p, t: nn.mse_loss(p, t, reduction="none"), "lift": False}, "expected one number, as a Value or a Tensor"),
        ({"early_stopping": nn.EarlyStopping(2, monitor="val_loss")}, "there is no 'val_loss' to watch; there are loss, accuracy, lr, seconds"),
        ({"early_stopping": nn.EarlyStopping(2, monitor="r2"), "validation": 0.5}, "there is no 'r2' to watch; there are loss, accuracy, val_loss, val_accuracy, lr"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_before_the_first_step(options, message):
    x, y = nn.data.moons(12, rng=0)
    model = nn.MLP(2, [3, 1], rng=0).eval()
    before = model.state_dict()
    with pytest.raises(OperandError, match=message):
        nn.fit(model, x, y, epochs=2, metrics="accuracy", progress=False, **options)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.1, "schedule": lambda o: nn.StepLR(nn.SGD(o.parameters, lr=0.5), 1)}, "a StepLR that sets the rates of another optimiser"),
        ({"lr": 0.1, "schedule": lambda o: 3}, "made a int, expected a Schedule"),
        ({"lr": -1.0}, "lr: received -1.0"),
    ],
)
def test_an_optimiser_keeps_its_rates_where_a_run_cannot_begin(options, message):
    x, y = moons(12, rng=0)
    model = tensor_model()
    optimizer = nn.SGD([{"params": model[0].parameters(), "lr": 0.25}, {"params": model[3].parameters()}], lr=0.5)
    with pytest.raises(OperandError, match=message):
        nn.fit(model, x, y, loss="cross_entropy", optimizer=optimizer, epochs=2, **options)
    with pytest.raises(OperandError, match="none of the model's parameters"):
        nn.fit(tensor_model(), x, y, loss="cross_entropy", optimizer=optimizer, lr=0.1, epochs=2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5]


def test_a_schedule_is_of_the_optimiser_that_runs_and_begins_at_the_rate_that_is_asked_for():
    x, y = moons(12, rng=0)
    model = tensor_model()
    optimizer, other = (nn.SGD(model.parameters(), lr=0.5) for _ in range(2))
    for wrong in ({"optimizer": "sgd"}, {"optimizer": other}):
        with pytest.raises(OperandError, match="sets the rates of another optimiser"):
            nn.fit(model, x, y, loss="cross_entropy", schedule=nn.StepLR(optimizer, 1, 0.5), epochs=2, **wrong)
    with pytest.raises(OperandError, match="received lr=0.1 and a StepLR that begins at 0.5, expected one of the two"):
        nn.fit(model, x, y, loss="cross_entropy", optimizer=optimizer, schedule=nn.StepLR(optimizer, 1, 0.5), lr=0.1, epochs=2)
    assert optimizer.lr == other.lr == 0.5
    for lr in (None, 0.5):
        history = nn.fit(model, x, y, loss="cross_entropy", optimizer=optimizer, schedule=nn.StepLR(optimizer, 1, 0.5), lr=lr, epochs=2)
        assert history["lr"] == [0.5, 0.25]
        optimizer.lr = 0.5
    history = nn.fit(model, x, y, loss="cross_entropy", optimizer=optimizer, schedule=lambda o: nn.StepLR(o, 1, 0.5), lr=0.1, epochs=2)
    assert history["lr"] == [0.1, 0.05]


@pytest.mark.parametrize("part", [0, 1])
def test_what_validates_is_finite_too(part):
    x, y = sine(12, rng=0)
    held = [x.copy(), y.copy()]
    held[part][3] = np.nan
    with pytest.raises(OperandError, match=r"validation\[0\] or validation\[1\] has nan or inf"):
        nn.fit(nn.Linear(1, 1, rng=0), x, y, validation=tuple(held), epochs=2)


@pytest.mark.parametrize(
    ("held", "error"),
    [
        ((np.ones((3, 1)), np.ones((3, 2))), "the same shape"),
        ((np.ones((3, 1)), np.ones((2, 1))), "received validation of shapes"),
        ((np.ones((0, 1)), np.ones((0, 1))), "received validation of shapes"),
        ((1.0, np.ones((3, 1))), "received validation of shapes"),
        ((np.ones((3, 1)), 1.0), "received validation of shapes"),
    ],
)
def test_what_cannot_validate_is_told_before_the_first_step(held, error):
    x, y = sine(12, rng=0)
    model = nn.Linear(1, 1, rng=0)
    before = model.state_dict()
    with pytest.raises(ShapeError, match=error):
        nn.fit(model, x, y, validation=held, epochs=2)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


@pytest.mark.parametrize(("x", "y"), [(1.0, [1.0]), ([1.0], 1.0), (np.ones((0, 1)), np.ones((0, 1))), (np.ones((2, 1)), np.ones((3, 1)))])
def test_samples_are_arrays_of_one_length(x, y):
    with pytest.raises(ShapeError, match="expected as many samples of each, and at least one"):
        nn.fit(nn.Linear(1, 1, rng=0), x, y, epochs=1)


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize(("bad", "message"), [(np.inf, "x or y has nan or inf"), (Value(1.0), "expected numbers")])
def test_samples_are_finite_numbers(part, bad, message):
    samples = [np.ones((3, 1)), np.ones((3, 1))]
    samples[part] = np.array([[1.0], [bad], [1.0]])
    with pytest.raises(OperandError, match=message):
        nn.fit(nn.Linear(1, 1, rng=0), *samples, epochs=1)


@pytest.mark.parametrize("held", [True, False])
def test_a_plateau_is_one_of_what_validates_where_there_is_some(held):
    x, y = np.ones((4, 1)), np.ones((4, 1))
    model = nn.Linear(1, 1, init="zeros")      # what validates gets worse while it is trained
    options = {"validation": (x, -y)} if held else {}
    history = nn.fit(model, x, y, optimizer="sgd", lr=0.1, epochs=4, schedule=lambda o: nn.ReduceLROnPlateau(o, 0.5, patience=0), **options)
    assert history["lr"] == ([0.1, 0.1, 0.05, 0.025] if held else [0.1] * 4)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_short_scalar_run_with_checkpoints_is_lifted_as_the_whole_would_be(tmp_path, resumed):
    x, y = moons(8, rng=0)
    path = tmp_path / "run" if resumed else None

    def run(epochs, **options):
        return nn.fit(nn.MLP(2, [2, 1], rng=0), x, y.astype(float), epochs=epochs, rng=0, **options)

    short = run(2, checkpoint=path)
    assert bool(short.lifted) is resumed
    whole = run(20)
    assert whole.lifted
    if resumed:
        rest = run(3, resume=path)
        assert rest.lifted and rest["loss"] == whole["loss"][:3]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [None, 3, 4, 100])
def test_a_progress_bar_is_full_at_the_end(monkeypatch, tmp_path, drop_last, batch_size):
    x, y = moons(10, rng=0)
    bars = []

    class Bar:
        def __init__(self, progress, total, *, unit, initial=0):
            self.total, self.done = total, initial
            bars.append(self)

        def update(self):
            self.done += 1

        def set_description_str(self, text, refresh):
            self.text = text

        set_postfix_str = set_description_str

        def close(self):
            pass

    monkeypatch.setattr(nn.train, "bar_of", Bar)
    drop_last = drop_last and batch_size != 100
    for epochs in (2, 5):
        nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=epochs, batch_size=batch_size, drop_last=drop_last, checkpoint=tmp_path / "run", resume=True, rng=0)
    steps = {None: 1, 3: 3 if drop_last else 4, 4: 2 if drop_last else 3, 100: 1}[batch_size]
    assert [(bar.done, bar.total) for bar in bars] == [(2 * steps, 2 * steps), (5 * steps, 5 * steps)]


def test_metrics_of_a_lifted_run_are_of_its_predictions_and_the_targets():
    x, y = moons(10, rng=0)
    seen = []
    model = nn.MLP(2, [2, 1], rng=0)
    history = nn.fit(model, x, y[:, None].astype(float), batch_size=3, epochs=3, rng=0, metrics={"m": lambda p, t: (seen.append((p, t)), 0.0)[1]})
    assert history.lifted and len(seen) == 3
    np.testing.assert_array_equal(seen[-1][1], y)
    np.testing.assert_allclose(seen[-1][0], nn.predict(model, x))


@pytest.mark.parametrize("lift", [None, False])
def test_a_tensor_model_is_not_lifted_without_being_asked(lift):
    x, y = moons(10, rng=0)
    history = nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=3, lift=lift, rng=0)
    assert history.lifted == "" and history["loss"] == nn.fit(tensor_model(), x, y, loss="cross_entropy", epochs=3, rng=0)["loss"]


@pytest.mark.parametrize(
    ("n", "warns", "loss"),
    [
        (1, False, lambda p, t: ((p - t) ** 2).mean()),
        (2, True, lambda p, t: ((p - t) ** 2).mean()),
        (3, True, lambda p, t: ((p - t) ** 2).mean() + (p * p).sum()),
        (3, False, lambda p, t: ((p[:, 0] - t) ** 2).mean() + 0.0 * (p @ p.T).sum()),
        (3, False, lambda p, t: ((p - t[:, None]) ** 2).mean() + 0.0 * ((p @ p.T) * (p @ p.T)).sum()),
    ],
)
def test_every_prediction_with_every_target_is_warned_of_once(recwarn, n, warns, loss):
    nn.fit(nn.Linear(1, 1, rng=0), np.ones((n, 1)), np.ones(n), loss=loss, epochs=3, rng=0)
    assert [str(w.message).split(";")[0].split("together")[1] for w in recwarn] == [f" to shape {(n, n)}, every prediction with every target"] * warns


def test_an_early_stopping_is_as_new_in_every_run():
    x, y = sine(12, rng=0)
    stopping = nn.EarlyStopping(2)
    runs = [nn.fit(nn.Linear(1, 1, rng=0), x, y, lr=0.0, epochs=9, early_stopping=stopping, rng=0) for _ in range(2)]
    assert [(len(run), run.best_epoch) for run in runs] == [(3, 1)] * 2


def test_a_checkpoint_is_gone_on_from_where_there_is_one(tmp_path):
    x, y = sine(12, rng=0)
    runs = [nn.fit(nn.Linear(1, 1, rng=0), x, y, epochs=epochs, checkpoint=tmp_path / "run", resume=True, rng=0) for epochs in (2, 5)]
    assert [len(run) for run in runs] == [2, 5] and runs[1]["loss"][:2] == runs[0]["loss"]


def first(prediction, target):
    return 1.0


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([lambda p, t: 1.0, lambda p, t: 2.0], "received two named '<lambda>'"),
        (["accuracy", nn.accuracy], "received two named 'accuracy'"),
        *[({name: first}, f"received one named '{name}', which is a column of its own") for name in ("loss", "lr", "seconds", "val_loss", "val_first")],
        ({1: first}, "expected functions metric"),
    ],
)
def test_every_metric_has_a_column_of_its_own(metrics, message):
    x, y = moons(12, rng=0)
    model = tensor_model()
    for call in (lambda: nn.fit(model, x, y, loss="cross_entropy", epochs=1, metrics=metrics), lambda: nn.evaluate(model, x, y, loss="cross_entropy", metrics=metrics)):
        with pytest.raises(OperandError, match=message):
            call()
    found = nn.evaluate(model, x, y, loss="cross_entropy", metrics=[first, "accuracy"])
    assert list(found) == ["loss", "first", "accuracy"] and found["first"] == 1.0


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, bool, np.float32])
def test_a_score_of_numbers_of_any_kind_is_that_of_the_numbers(dtype):
    rng = np.random.default_rng(0)
    prediction, target = (rng.integers(0, 2 if dtype is bool else 120, 30).astype(dtype) for _ in range(2))
    assert nn.r2_score(prediction, target) == nn.r2_score(prediction.astype(float), target.astype(float))
    assert nn.accuracy(prediction, target) == nn.accuracy(prediction.astype(float), target.astype(float))


def test_the_best_of_a_column_is_a_number_where_it_has_one():
    history = nn.History()
    for row in ({"loss": 3.0}, {"loss": 2.0, "val_loss": 5.0, "r2": 0.5}, {"loss": 4.0, "val_loss": 7.0, "r2": 0.75}):
        history.append(row)
    assert (history.best("loss"), history.best(), history.best("r2")) == (2.0, 5.0, 0.75)
    history.append({"bad_loss": math.nan})
    assert math.isnan(history.best("bad_loss"))


def test_a_run_of_no_epochs_has_no_losses():
    model = nn.Sequential(nn.Linear(2, 1, rng=0))
    before = model.state_dict()
    history = nn.fit(model, np.ones((4, 2)), np.ones((4, 1)), epochs=0, progress=False)
    assert history["loss"] == [] and len(history) == 0 and history.columns == {}
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    with pytest.raises(KeyError, match="history has no 'val_loss'; it has nothing yet"):
        history["val_loss"]
