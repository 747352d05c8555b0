"""`fit` on a scalar model by a lifted program: the same training, to rounding, and the optimiser, clipping and files with it."""

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value
from autograd_core.errors import OperandError
from nn.data import blobs, moons


def run(lift, loss="hinge", classes=1, activation="tanh", output="identity", epochs=6, batch_size=12, optimizer="adam", model=None, **options):
    x, y = blobs(40, rng=0) if classes > 1 else moons(40, rng=0)
    if loss == "hinge":
        y = 2 * y - 1
    model = model or nn.MLP(2, [5, 4, classes], activation=activation, output=output, rng=1)
    history = nn.fit(model, x, y, loss=loss, lr=0.05, epochs=epochs, batch_size=batch_size, optimizer=optimizer, rng=2, lift=lift, **options)
    return history, model


CASES = [
    {}, {"batch_size": None}, {"batch_size": 1, "epochs": 2}, {"activation": "relu", "optimizer": "rmsprop"}, {"optimizer": "sgd", "clip_norm": 0.1},
    {"loss": "mse"}, {"loss": "squared_error"}, {"loss": "l1"}, {"loss": "bce_with_logits", "activation": "gelu"}, {"loss": "bce", "output": "sigmoid"},
    {"loss": "cross_entropy", "classes": 3}, {"penalty": lambda m: nn.l2_penalty(m, 0.01)}, {"activation": ["leaky_relu", "softplus"]},
    {"schedule": lambda o: nn.StepLR(o, 2), "early_stopping": 50},
]  # fmt: skip


@pytest.mark.parametrize("options", CASES, ids=range(len(CASES)))
def test_the_same_training(options):
    (fast, a), (slow, b) = run(None, **options), run(False, **options)
    assert fast.lifted and not slow.lifted
    np.testing.assert_allclose(fast["loss"], slow["loss"], rtol=1e-9)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert p.data == pytest.approx(q.data, rel=1e-7, abs=1e-9)
    assert any(p.grad != 0.0 for p in a.parameters())


def test_the_same_numbers_again():
    def numbers():
        history, model = run(None, validation=0.25, metrics="accuracy")
        return {k: v for k, v in history.columns.items() if k != "seconds"}, [p.data for p in model.parameters()]

    assert numbers() == numbers()


def test_the_optimiser_is_left_whole_and_goes_on():
    model = nn.MLP(2, [4, 1], rng=0)
    optimizer = nn.Adam(model.parameters(), lr=0.05)
    run(None, optimizer=optimizer, model=model)
    assert optimizer.state_dict()["state"][0][0]["first"].shape == (17,)
    before = [p.data for p in model.parameters()]
    model.zero_grad()
    nn.hinge_loss(model([0.1, 0.2]), -1).backward()
    optimizer.step()
    assert [p.data for p in model.parameters()] != before


def test_resuming_is_bit_exact(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    whole, a = run(None, epochs=8)
    run(None, epochs=3, checkpoint=tmp_path / "c")
    rest, b = run(None, epochs=8, checkpoint=tmp_path / "c", resume=True)
    assert whole["loss"] == rest["loss"] and [p.data for p in a.parameters()] == [p.data for p in b.parameters()]


def test_an_optimiser_may_have_parameters_of_other_models():
    for extra, lifted in ((Value(1.0), True), (Tensor([1.0, 2.0]), False)):
        model = nn.MLP(2, [5, 4, 1], activation="tanh", output="identity", rng=1)
        history, _ = run(None, model=model, optimizer=nn.SGD([extra, *model.parameters()]))
        assert bool(history.lifted) is lifted
        assert history["loss"] == pytest.approx(run(False, optimizer="sgd")[0]["loss"])
        assert np.array_equal(extra.data, np.array([1.0, 2.0]) if isinstance(extra, Tensor) else 1.0)


@pytest.mark.parametrize("lift", [None, False])
@pytest.mark.parametrize("kind", [nn.SGD, nn.AdamW, nn.RMSprop])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_a_parameter_that_no_loss_reaches_is_left_alone(kind, lift, clip_norm):
    """By weight decay, and by the momentum of steps before, as it is without a program; and so are its running averages."""
    model, extra = nn.MLP(2, [5, 4, 1], activation="tanh", output="identity", rng=1), Value(1.0)
    optimizer = kind([extra, *model.parameters()], lr=0.05, weight_decay=0.1, **({} if kind is nn.AdamW else {"momentum": 0.9}))
    (extra * 3.0).backward()
    optimizer.step()
    moved = extra.data
    history, _ = run(lift, model=model, optimizer=optimizer, clip_norm=clip_norm)
    assert bool(history.lifted) is (lift is None) and extra.data == moved != 1.0 and not extra._flowed
    (extra * 3.0).backward()
    optimizer.step()
    alone = Value(1.0)
    reference = kind([alone], **{name: value for name, value in optimizer.param_groups[0].items() if name != "params"})
    for _ in range(2):
        reference.zero_grad()
        (alone * 3.0).backward()
        reference.step()
    assert extra.data == alone.data


def test_what_decides_by_the_numbers_is_not_lifted():
    assert not run(None, loss=lambda p, t: nn.mse_loss(p, t))[0].lifted
    assert not run(None, activation=lambda z: z if z.data > 0 else z * 0.1)[0].lifted
    assert not run(None, epochs=1, batch_size=None)[0].lifted
    with pytest.raises(OperandError, match="expected −1 and"):
        nn.fit(nn.MLP(2, [3, 1], rng=0), *moons(20, rng=0), loss="hinge", epochs=9)


@pytest.mark.parametrize("output", ["identity", "tanh", "sigmoid"])
def test_probabilities_that_leave_their_range_are_told_lifted_or_not(output):
    """At once, or in the step in which they do."""
    x, y = moons(40, rng=0)
    ends = []
    for lift in (None, False):
        model = nn.MLP(2, [3, 1], activation="tanh", output=output, rng=0)
        for p in model.layers[-1].parameters():
            p.data = 0.1 * abs(p.data)
        model.layers[-1].neurons[0].b.data = 0.5
        try:
            history = nn.fit(model, x, y, loss="bce", optimizer="sgd", lr=2.0, epochs=30, rng=0, progress=False, lift=lift)
            ends.append(f"loss {history.last('loss'):.6f}")
        except OperandError as error:
            ends.append(str(error))
    assert ends[0] == ends[1] and ("expected probabilities" in ends[0]) is (output != "sigmoid")


def test_on_arrays():
    model = nn.MLP(3, [5, 4, 2], activation=["relu", "gelu"], output="tanh", rng=0)
    x = np.random.default_rng(0).normal(size=(7, 3))
    one_by_one = [[v.data for v in model([Value(a) for a in row])] for row in x]
    np.testing.assert_allclose(model.on_arrays(x), one_by_one, rtol=1e-13)
    assert model.by_name and not nn.MLP(2, [2, 1], activation=lambda z: z * z).by_name


def test_a_callback_may_change_the_weights():
    def reset(training):
        for p in training.model.parameters():
            p.data = 0.0

    history, _ = run(None, callbacks=[reset], batch_size=None)
    assert history["loss"][1] == pytest.approx(1.0) and history["loss"][2] == pytest.approx(1.0)


@pytest.mark.parametrize("first", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [None, 5])
def test_a_run_that_was_cut_short_goes_on_bit_by_bit(tmp_path, first, batch_size):
    """Also after so few steps that a run of that length alone would not be worth lifting."""
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    x, y = nn.data.moons(10, rng=0)
    options = {"loss": "hinge", "batch_size": batch_size, "metrics": "accuracy", "rng": 0, "progress": False}
    whole, parts = nn.MLP(2, [4, 1], rng=1), nn.MLP(2, [4, 1], rng=1)
    expected = nn.fit(whole, x, 2 * y - 1, epochs=6, **options)
    nn.fit(parts, x, 2 * y - 1, epochs=first, checkpoint=tmp_path / "run", **options)
    parts = nn.MLP(2, [4, 1], rng=1)
    found = nn.fit(parts, x, 2 * y - 1, epochs=6, resume=tmp_path / "run", **options)
    assert expected.lifted == found.lifted != ""
    assert (found["loss"], found["accuracy"]) == (expected["loss"], expected["accuracy"])
    assert all(np.array_equal(whole.state_dict()[name], array) for name, array in parts.state_dict().items())


def _by_hand(m):
    return sum((p if p.data > 0.0 else -p) for p in m.parameters()) * 0.02


def _frozen(m):
    return sum(p * abs(p.data) for p in m.parameters()) * 0.02


def test_a_penalty_that_decides_by_the_numbers_is_not_lifted():
    for penalty in (_by_hand, _frozen):
        (fast, a), (slow, b) = run(None, penalty=penalty), run(False, penalty=penalty)
        assert not fast.lifted and fast["loss"] == slow["loss"]
        assert [p.data for p in a.parameters()] == [p.data for p in b.parameters()]
        with pytest.raises(OperandError, match="lift=True, but the loss of a batch could not be lifted, or decides by the numbers"):
            run(True, penalty=penalty)


def test_a_penalty_whose_strength_changes_is_followed():
    def trained(lift):
        strength = [0.1]
        return run(lift, penalty=lambda m: nn.l2_penalty(m, strength[0]), callbacks=[lambda t: strength.__setitem__(0, strength[0] * 0.5)])

    (fast, a), (slow, b) = trained(None), trained(False)
    np.testing.assert_allclose(fast["loss"], slow["loss"], rtol=1e-9)
    np.testing.assert_allclose([p.data for p in a.parameters()], [p.data for p in b.parameters()], rtol=1e-7)
    assert fast.lifted                         # recorded anew for every epoch


@pytest.mark.parametrize("loss", [
    lambda p, t: sum((a - b) ** 2 if abs(a.data - b.data) < 0.3 else abs(a - b) for a, b in zip(p, t, strict=True)),
    lambda p, t: sum((a - b) ** 2 * abs(a.data) for a, b in zip(p, t, strict=True)),
    lambda p, t: sum(((a - b) ** 2 for a, b in zip(p, t, strict=True) if b > 0), Value(0.0)) + p[0],
])
def test_a_loss_that_decides_by_the_numbers_is_refused_where_lifting_is_asked_for(loss):
    with pytest.raises(OperandError, match="decides by the numbers"):
        run(True, loss=loss)


def test_a_loss_of_ones_own_that_does_not_is_lifted_where_that_is_asked_for():
    def loss(p, t):
        return sum((a - b) ** 4 for a, b in zip(p, t, strict=True)) * (1.0 / len(p))

    (fast, a), (_, b) = run(True, loss=loss), run(False, loss=loss)
    assert fast.lifted
    np.testing.assert_allclose([p.data for p in a.parameters()], [p.data for p in b.parameters()], rtol=1e-7)


@pytest.mark.parametrize("lift", [None, True])
def test_huber_loss_is_the_same_lifted(lift):
    (fast, a), (slow, b) = (run(how, loss="huber", output="identity", epochs=12, optimizer="sgd") for how in (lift, False))
    assert fast.lifted
    np.testing.assert_allclose(fast["loss"], slow["loss"], rtol=1e-9)
    np.testing.assert_allclose([p.data for p in a.parameters()], [p.data for p in b.parameters()], rtol=1e-7)


@pytest.mark.parametrize("penalty", [None, lambda m: nn.l2_penalty(m, 1e-2)])
def test_parameters_that_are_not_trained_are_followed_where_a_callback_changes_them(penalty):
    """They are constants of a program, which is recorded anew."""
    results = []
    x, y = moons(20, rng=0)
    for lift in (False, True):
        model = nn.MLP(2, [3, 1], rng=0)
        parameters = model.parameters()

        def change(training, others=tuple(parameters[5:])):
            if training.epoch % 2:
                for p in others:
                    p.data *= 1.2

        history = nn.fit(model, x, 2 * y - 1, loss="hinge", optimizer=nn.Adam(parameters[:5], lr=0.05), epochs=6, batch_size=7, rng=0, progress=False, lift=lift,
                         callbacks=[change], penalty=penalty)
        assert bool(history.lifted) == lift
        results.append(([p.data for p in parameters], history["loss"]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)
