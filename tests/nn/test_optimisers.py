"""Optimisers, schedules and clipping against torch over 100 steps, and against literal numbers."""

import inspect
import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nn
from autograd_core import Tensor, Value
from autograd_core.errors import OperandError, ShapeError, StructureError

STEPS = 100
CASES = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.02}),
    ("SGD", {"lr": 0.001, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.05}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.2}),
    ("AdamW", {"lr": 0.1, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 0.01}),  # with a tiny eps it jumps about the minimum, and amplifies rounding
    ("RMSprop", {"lr": 0.02, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.02, "centered": True}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.5, "weight_decay": 0.05}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.3, "lr_decay": 0.05}),
    ("Adagrad", {"lr": 0.3, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-5}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3}),
    ("Adadelta", {"rho": 0.99, "eps": 1e-2, "weight_decay": 0.1, "maximize": True}),
]
SCHEDULES = [
    ("StepLR", {"step_size": 7, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [30, 4, 4, 11], "gamma": 0.7}),
    ("MultiStepLR", {"milestones": (0, 3)}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("CosineAnnealingLR", {"T_max": 30, "eta_min": 1e-4}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 1.0 / (1.0 + 0.1 * epoch)}),
]


def problem(seed=0):
    """A least-squares problem with a twist, and where to start."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(8, 4)), rng.normal(size=(8, 3)), rng.normal(size=(4, 3)), rng.normal(size=3)


def loss_of(w, b, x, y):
    r = x @ w + b - y
    return (r * r).sum() / 8 + (w * w * w * w).sum() * 0.05


def ours(make, schedule=None, clip=None):
    x, y, w, b = problem()
    w, b = Tensor(w), Tensor(b)
    optimizer = make([w, b])
    plan = schedule(optimizer) if schedule else None
    path = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of(w, b, x, y).backward()
        if clip:
            clip(nn, [w, b])
        optimizer.step()
        if plan:
            plan.step()
        path.append(np.concatenate([w.data.ravel(), b.data]))
    return np.array(path)


def theirs(torch, make, schedule=None, clip=None):
    x, y, w, b = (torch.tensor(a, dtype=torch.float64) for a in problem())
    w.requires_grad_(True)
    b.requires_grad_(True)
    optimizer = make([w, b])
    plan = schedule(optimizer) if schedule else None
    path = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of(w, b, x, y).backward()
        if clip:
            clip(torch.nn.utils, [w, b])
        optimizer.step()
        if plan:
            plan.step()
        path.append(np.concatenate([w.detach().numpy().ravel(), b.detach().numpy()]))
    return np.array(path)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch, the oracle, is not installed")


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{n}-{'-'.join(o) or 'defaults'}-{i}" for i, (n, o) in enumerate(CASES)])
def test_trajectories_equal_torch(torch, name, options):
    mine = ours(lambda p: getattr(nn, name)(p, **options))
    reference = theirs(torch, lambda p: getattr(torch.optim, name)(p, **options))
    np.testing.assert_allclose(mine, reference, rtol=1e-10, atol=1e-10)


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), [*CASES, ("RMSprop", {"lr": 0.05, "alpha": 0.9, "eps": 1e-6})])
def test_the_same_gradients_lead_to_the_same_place(torch, name, options):
    r = np.random.default_rng(5)
    start = r.normal(size=(3, 2))
    p, q = Tensor(start), torch.tensor(start, requires_grad=True)
    a, b = getattr(nn, name)([p], **options), getattr(torch.optim, name)([q], **options)
    for scale in 10.0 ** r.uniform(-4, 2, STEPS):
        p.grad = scale * r.normal(size=(3, 2))
        q.grad = torch.tensor(p.grad)
        a.step()
        b.step()
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("make", [lambda: Tensor([1.0, 2.0]), lambda: Value(1.0)], ids=["Tensor", "Value"])
def test_a_group_may_be_one_parameter(make):
    """As {"params": net[0].weight, "weight_decay": 3} has it; what is no parameter at all is said to be none."""
    w, b = make(), make()
    optimizer = nn.SGD([{"params": w, "lr": 0.5}, {"params": b}], lr=0.1)
    assert [group["params"] for group in optimizer.param_groups] == [[w], [b]]
    before = np.array(w.data)
    (w + b).backward(*([np.ones(2)] if isinstance(w, Tensor) else []))
    optimizer.step()
    np.testing.assert_allclose(np.subtract(before, [w.data, b.data]).T, np.full((*np.shape(before), 2), [0.5, 0.1]))
    with pytest.raises(OperandError, match="SGD: received int, expected parameters"):
        nn.SGD([{"params": 3}], lr=0.1)


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=[n for n, _ in SCHEDULES])
def test_schedules_equal_torch(torch, name, options):
    mine = ours(lambda p: nn.SGD(p, lr=0.05, momentum=0.9), lambda o: getattr(nn, name)(o, **options))
    reference = theirs(
        torch, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), lambda o: getattr(torch.optim.lr_scheduler, name)(o, **options)
    )
    np.testing.assert_allclose(mine, reference, rtol=1e-10, atol=1e-10)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", [2.0, 1.0, 3.0, math.inf])
def test_clipping_equals_torch(torch, kind):
    def clip(where, params):
        where.clip_grad_norm_(params, 0.3, norm_type=kind)

    mine = ours(lambda p: nn.Adam(p, lr=0.1), clip=clip)
    reference = theirs(torch, lambda p: torch.optim.Adam(p, lr=0.1), clip=clip)
    np.testing.assert_allclose(mine, reference, rtol=1e-10, atol=1e-10)


@pytest.mark.oracle
@pytest.mark.parametrize("min_lr", [0.0, 0.03, 0.5])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_schedule_equals_torch(torch, min_lr, mode):
    losses = [1.0, 0.9, 0.95, 0.96, 0.97, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.7]
    p, q = Tensor(np.ones(2)), torch.ones(2, requires_grad=True)
    a, b = nn.SGD([p], lr=0.1), torch.optim.SGD([q], lr=0.1)
    mine = nn.ReduceLROnPlateau(a, factor=0.5, patience=2, min_lr=min_lr, mode=mode)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(b, factor=0.5, patience=2, min_lr=min_lr, mode=mode)
    for loss in [*losses, -0.5, math.nan, -math.inf, 0.2, *(1.5, math.inf, 0.0)] if mode == "min" else [*losses[::-1], math.nan, 1.1, 1.11, 0.5, 0.5, 0.5]:
        mine.step(loss)
        reference.step(loss)
        assert a.lr == pytest.approx(b.param_groups[0]["lr"], rel=1e-12)


LOSSES = [1.0, 0.9, 0.95, 0.96, 0.97, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.7, math.nan, 0.71, 0.72, 0.73, -0.1, -0.2, -0.15, -0.1]


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", *(name for name, _ in SCHEDULES), "ReduceLROnPlateau"])
def test_every_default_is_torchs(torch, name):
    theirs = getattr(torch.optim, name, None) or getattr(torch.optim.lr_scheduler, name)
    mine, reference = (inspect.signature(f).parameters for f in (getattr(nn, name), theirs))
    for parameter in set(mine) & set(reference):
        ours, torchs = mine[parameter].default, reference[parameter].default
        assert ours == torchs or (parameter == "min_lr" and ours == 0.0), parameter
    assert set(mine) <= set(reference)


def test_a_schedule_sets_the_rates_of_epoch_0_as_it_is_made():
    optimizer = nn.SGD([{"params": [Tensor([1.0])], "lr": 0.8}, {"params": [Tensor([1.0])]}], lr=0.4)
    schedule = nn.LambdaLR(optimizer, [lambda epoch: 0.5 + epoch, lambda epoch: 2.0])
    assert schedule.get_last_lr() == [0.4, 0.8] == [group["lr"] for group in optimizer.param_groups]
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([1.2, 0.8])


@pytest.mark.oracle
@pytest.mark.parametrize("first", ["optimiser", "schedule"])
@pytest.mark.parametrize(("name", "options"), [*SCHEDULES, ("ReduceLROnPlateau", {"factor": 0.5, "patience": 1})], ids=lambda v: v if isinstance(v, str) else "")
def test_a_schedule_that_is_resumed_anywhere_has_the_rates_of_one_that_never_stopped(torch, name, options, first):
    def start(optimisers, schedules, parameters):
        optimiser = optimisers.SGD([{"params": parameters[:1], "lr": 0.3}, {"params": parameters[1:]}], lr=0.1)
        return optimiser, getattr(schedules, name)(optimiser, **options)

    def advance(schedule, loss):
        schedule.step(loss) if name == "ReduceLROnPlateau" else schedule.step()

    theirs, reference = start(torch.optim, torch.optim.lr_scheduler, [torch.ones(1, requires_grad=True) for _ in range(2)])
    expected = []
    for loss in LOSSES:
        theirs.step()
        advance(reference, loss)
        expected.append([group["lr"] for group in theirs.param_groups])
    for stop in range(len(LOSSES)):
        optimiser, schedule = start(nn, nn, [Tensor([1.0]), Tensor([1.0])])
        for epoch, loss in enumerate(LOSSES):
            if epoch == stop:
                saved = {"optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
                optimiser, schedule = start(nn, nn, [Tensor([1.0]), Tensor([1.0])])
                resumed = {"optimiser": optimiser, "schedule": schedule}
                for part in sorted(resumed, key=lambda part: part != first):
                    resumed[part].load_state_dict(saved[part])
            advance(schedule, loss)
            assert schedule.get_last_lr() == pytest.approx(expected[epoch], rel=1e-12)


@pytest.mark.oracle
@settings(deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 8)), min_size=1, max_size=20),
)
def test_schedules_that_are_made_later_start_from_the_first_rates_as_torchs_do(events):
    """A warm-up of LambdaLR has a first rate that is not the optimiser's; what comes after it has that of the optimiser all the same."""
    torch = pytest.importorskip("torch")
    kinds = [*CHAINED, ("LambdaLR", {"lr_lambda": lambda epoch: min(1.0, (epoch + 1) / 5)})]
    a, b = nn.SGD([Tensor([1.0])], lr=0.3), torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.3)
    mine, theirs = [], []
    for what, which in events:
        if what < 3 or not mine:
            name, options = kinds[which]
            theirs.append(getattr(torch.optim.lr_scheduler, name)(b, **options))
            b.step()
            assume(b.param_groups[0]["lr"] >= 0.0)
            mine.append(getattr(nn, name)(a, **options))
        elif what == 3:
            a.param_groups[0]["lr"] = b.param_groups[0]["lr"] = 0.05 * which
        else:
            i = which % len(mine)
            theirs[i].step(*[1.0] * ("Plateau" in type(mine[i]).__name__))
            assume(b.param_groups[0]["lr"] >= 0.0)
            mine[i].step(1.0)
        assert a.lr == pytest.approx(b.param_groups[0]["lr"], rel=1e-9, abs=1e-8)


def test_a_rate_that_is_assigned_is_where_later_schedules_start():
    """As in a second run of `fit` with a rate of its own; one that is refused leaves the first rates as they were."""
    optimizer = nn.SGD([Tensor([1.0])], lr=0.4)
    for _ in range(3):
        nn.ExponentialLR(optimizer, 0.5).step()
    assert (optimizer.lr, optimizer.initial_lrs) == (0.05, [0.4])
    resumed = nn.SGD([Tensor([1.0])], lr=0.4)
    resumed.load_state_dict(optimizer.state_dict())
    nn.ExponentialLR(resumed, 0.5).load_state_dict(nn.ExponentialLR(optimizer, 0.5).state_dict())
    assert (resumed.lr, resumed.initial_lrs) == (0.05, [0.4])
    assert nn.LambdaLR(optimizer, lambda epoch: 0.5).get_last_lr() == [0.2]
    model = nn.Linear(1, 1, rng=0)
    optimizer = nn.SGD(model.parameters(), lr=0.4)
    x = np.ones((2, 1))
    history = nn.fit(model, x, x, optimizer=optimizer, schedule=lambda o: nn.ExponentialLR(o, 0.5), epochs=2)
    assert history["lr"] == [0.4, 0.2]
    with pytest.raises(OperandError, match="expected a Schedule"):
        nn.fit(model, x, x, optimizer=optimizer, lr=0.3, schedule=lambda o: [nn.StepLR(o, 2)], epochs=2)
    assert (optimizer.lr, optimizer.initial_lrs) == (0.1, [0.4])
    history = nn.fit(model, x, x, optimizer=optimizer, lr=0.3, schedule=lambda o: nn.LambdaLR(o, lambda epoch: 1.0 / (1 + epoch)), epochs=2)
    assert history["lr"] == [0.3, 0.15]


CHAINED = [
    ("MultiStepLR", {"milestones": (9, 2, 9, 5), "gamma": 0.5}),
    ("StepLR", {"step_size": 3, "gamma": 0.5}), ("StepLR", {"step_size": 2, "gamma": 0.0}), ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}), ("CosineAnnealingLR", {"T_max": 1}), ("LambdaLR", {"lr_lambda": lambda epoch: 2.0 / (2.0 + epoch)}),
    ("ReduceLROnPlateau", {"factor": 0.5, "patience": 1, "min_lr": 0.02}),
]  # fmt: skip


@pytest.mark.oracle
@settings(deadline=None)
@given(
    chain=st.lists(st.sampled_from(CHAINED), min_size=1, max_size=3),
    by_hand=st.dictionaries(st.integers(0, 15), st.sampled_from([0.3, 0.07]), max_size=3),
    stop=st.integers(0, 15),
)
def test_schedules_step_after_each_other_and_after_rates_set_by_hand_as_torchs_do(chain, by_hand, stop):
    torch = pytest.importorskip("torch")

    def start(optimisers, schedules, parameters):
        optimiser = optimisers.SGD([{"params": parameters[:1], "lr": 0.3}, {"params": parameters[1:]}], lr=0.1)
        return optimiser, [getattr(schedules, name)(optimiser, **options) for name, options in chain]

    def advance(optimiser, schedules, epoch):
        if epoch in by_hand:
            optimiser.param_groups[1]["lr"] = by_hand[epoch]
        rates = []
        for schedule in schedules:
            schedule.step(LOSSES[epoch]) if "Plateau" in type(schedule).__name__ else schedule.step()
            rates += [group["lr"] for group in optimiser.param_groups]
        return rates

    theirs, references = start(torch.optim, torch.optim.lr_scheduler, [torch.ones(1, requires_grad=True) for _ in range(2)])
    theirs.step()
    expected = [advance(theirs, references, epoch) for epoch in range(16)]
    assume(np.min(expected) >= 0.0)            # a cosine that goes on from below its eta_min leads there; here it is refused
    optimiser, schedules = start(nn, nn, [Tensor([1.0]), Tensor([1.0])])
    for epoch in range(16):
        if epoch == stop:
            states = optimiser.state_dict(), [schedule.state_dict() for schedule in schedules]
            optimiser, schedules = start(nn, nn, [Tensor([1.0]), Tensor([1.0])])
            optimiser.load_state_dict(states[0])
            for schedule, state in zip(schedules, states[1], strict=True):
                schedule.load_state_dict(state)
        assert advance(optimiser, schedules, epoch) == pytest.approx(expected[epoch], rel=1e-9, abs=1e-15)


@pytest.mark.oracle
@settings(deadline=None)
@given(
    case=st.sampled_from(CASES),
    frozen=st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8),
    late=st.booleans(),
)
def test_parts_are_frozen_and_thawed_as_in_torch(case, frozen, late):
    """By loops over `parameters()` of a part, before the optimiser is made and between its steps."""
    torch = pytest.importorskip("torch")
    mine = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 4, rng=1), nn.Tanh(), nn.Linear(4, 2, rng=2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in mine.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(5, 3))
    ends = []
    for lib, model, inputs in ((nn, mine, x), (torch.optim, theirs, torch.tensor(x))):
        optimizer = None if late else getattr(lib, case[0])(model.parameters(), **case[1])
        for part, thawed in frozen:
            for parameter in model[2 * part].parameters():
                parameter.requires_grad = thawed
            if not any(p.requires_grad for p in model.parameters()):
                continue
            optimizer = optimizer or getattr(lib, case[0])(model.parameters(), **case[1])
            optimizer.zero_grad()
            (model(inputs) ** 2).sum().backward()
            optimizer.step()
        ends.append([np.asarray(p.data) for p in model.parameters()])
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])
def test_values_and_tensors_take_the_same_path(name, options):
    rng = np.random.default_rng(3)
    start, gradients = rng.normal(size=5), rng.normal(size=(20, 5))
    tensor, values = Tensor(start), [Value(v) for v in start]
    a, b = getattr(nn, name)([tensor], **options), getattr(nn, name)(values, **options)
    for g in gradients:
        tensor.grad = g.copy()
        for v, part in zip(values, g, strict=True):
            v.grad = float(part)
        a.step()
        b.step()
    assert [v.data for v in values] == tensor.data.tolist()


def test_sgd_by_hand():
    x = Value(3.0)
    optimizer = nn.SGD([x], lr=0.1, momentum=0.5)
    for expected in (2.4, 1.62):  # v = 6, then 0.5·6 + 4.8 = 7.8
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()
        assert x.data == pytest.approx(expected, abs=1e-12)


def test_adam_first_step_is_the_learning_rate():
    t = Tensor([5.0, -0.001])
    optimizer = nn.Adam([t], lr=0.1)
    (t * np.array([3.0, -1e-3])).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(t.data, [4.9, 0.099], atol=2e-6)


def test_float32_stays_float32():
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"):
        t = Tensor(np.ones(3, np.float32))
        optimizer = getattr(nn, name)([t], lr=0.1, **({"momentum": 0.9} if name in ("SGD", "RMSprop") else {}))
        for _ in range(2):
            optimizer.zero_grad()
            (t * t).sum().backward()
            optimizer.step()
        assert t.dtype == np.float32
        assert all(a.dtype == np.float32 for a in optimizer.state_dict()["state"][0][0].values() if a.ndim)


def test_a_graph_recorded_before_a_step_notices():
    t = Tensor([1.0, 2.0])
    loss = (t * t).sum()
    loss.backward()
    nn.SGD([t], lr=0.1).step()
    with pytest.raises(RuntimeError, match="assigned after the operation"):
        loss.backward()


def test_a_parameter_without_gradient_is_left_alone():
    used, unused = Tensor([1.0]), Tensor([7.0])
    optimizer = nn.Adam([used, unused], lr=0.1, weight_decay=0.5)
    used.sum().backward()
    optimizer.step()
    assert unused.data.tolist() == [7.0]


def test_groups_have_settings_of_their_own():
    a, b = Tensor([1.0]), Tensor([1.0])
    optimizer = nn.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.1)
    (a + b).sum().backward()
    optimizer.step()
    assert (a.item(), b.item()) == (0.5, 0.9)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta"])
def test_state_goes_on_exactly(name):
    def run(interrupted):
        t = Tensor([1.0, -2.0, 3.0])
        options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
        optimizer = getattr(nn, name)([t], lr=0.05, **options)
        for i in range(10):
            if interrupted and i == 5:
                state = optimizer.state_dict()
                t = Tensor(t.data)
                optimizer = getattr(nn, name)([t], lr=1.0, **options)
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            (t * t * t).sum().backward()
            optimizer.step()
        return t.data.tolist()

    assert run(False) == run(True)


def test_bad_input():
    x = Value(1.0)
    with pytest.raises(OperandError, match=r"received Value, expected a list of parameters such as model.parameters\(\)"):
        nn.SGD(x, lr=0.1)
    with pytest.raises(OperandError, match="SGD: lr: received -1, expected a number of at least 0"):
        nn.SGD([x], lr=-1)
    with pytest.raises(OperandError, match="received no parameters"):
        nn.Adam([])
    with pytest.raises(OperandError, match=r"the result of an operation \(mul\)"):
        nn.Adam([x * 2])
    with pytest.raises(OperandError, match="given twice"):
        nn.Adam([x, x])
    with pytest.raises(OperandError, match="expected two numbers from 0 to below 1"):
        nn.Adam([x], betas=(0.9, 1.0))
    with pytest.raises(OperandError, match="nesterov needs momentum"):
        nn.SGD([x], lr=0.1, nesterov=True)
    with pytest.raises(StructureError, match="other parameters or groups"):
        nn.SGD([x], lr=0.1).load_state_dict({"steps": 0, "groups": [], "state": []})
    with pytest.raises(OperandError, match="max_norm"):
        nn.clip_grad_norm_([x], -1.0)
    with pytest.raises(OperandError, match=r"SGD: received the settings \['rate'\], expected some of"):
        nn.SGD([{"params": [x], "rate": 0.1}], lr=0.1)
    optimizer = nn.SGD([{"params": [x]}, {"params": [Value(1.0)]}], lr=0.1)
    with pytest.raises(OperandError, match="StepLR: received int|received optimizer=5"):
        nn.StepLR(5, 1)
    with pytest.raises(OperandError, match="CosineAnnealingLR: received T_max=0"):
        nn.CosineAnnealingLR(optimizer, T_max=0)
    with pytest.raises(OperandError, match="LambdaLR: expected a function of the epoch, or 2 of them"):
        nn.LambdaLR(optimizer, [lambda epoch: 1.0])
    with pytest.raises(OperandError, match="MultiStepLR: milestones: received -1, expected a number of at least 0"):
        nn.MultiStepLR(optimizer, [3, -1])
    with pytest.raises(OperandError, match="received mode='best', expected 'min' for a loss or 'max' for a score"):
        nn.ReduceLROnPlateau(optimizer, mode="best")
    with pytest.raises(OperandError, match="received no loss"):
        nn.ReduceLROnPlateau(optimizer).step()
    with pytest.raises(NotImplementedError):
        nn.optimizer.Optimizer([x], lr=0.1).update(np.ones(1), np.ones(1), {}, {})


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("kind", [1.0, 2.0, 3.0, math.inf])
def test_clipping_of_what_is_not_finite_equals_torch(torch, kind, bad):
    """Wherever it stands: a norm of nan makes all gradients nan, and none passes unclipped."""
    for place in range(3):
        gradients = [np.array([3.0, 40.0]), np.array([-2.0]), np.array([5.0, 1.0, 0.5])]
        gradients[place][-1] = bad
        mine, theirs = [], []
        for g in gradients:
            mine.append(Tensor(np.zeros_like(g)))
            theirs.append(torch.zeros(g.shape, dtype=torch.float64, requires_grad=True))
            mine[-1].grad, theirs[-1].grad = g.copy(), torch.tensor(g)
        norm = nn.clip_grad_norm_(mine, 1.0, kind)
        np.testing.assert_array_equal(norm, torch.nn.utils.clip_grad_norm_(theirs, 1.0, kind).item())
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a.grad, b.grad.numpy())


@pytest.mark.parametrize("clip", [nn.clip_grad_norm_, nn.clip_grad_value_])
def test_what_is_clipped_is_what_a_gradient_has_reached(clip):
    """Another parameter is left as it is: weight decay moves one whose gradient is 0."""
    x, y, z = Value(1.0), Value(2.0), Tensor([3.0])
    (x * 5.0).backward()
    clip([x, y, z], 0.1)
    assert x.grad == pytest.approx(0.1) and not y._flowed and z.grad is None
    nn.SGD([x, y, z], lr=0.1, weight_decay=0.5).step()
    assert x.data < 1.0 and (y.data, z.data.tolist()) == (2.0, [3.0])


class Named(Tensor):
    """A Tensor of a user's own."""


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_parameters_of_a_class_of_the_users_own(name):
    mine, plain = Named([1.0, -2.0]), Tensor([1.0, -2.0])
    for parameter in (mine, plain):
        optimizer = getattr(nn, name)([parameter], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            assert parameter.grad is None
            (parameter**2).sum().backward()
            optimizer.step()
    np.testing.assert_array_equal(mine.data, plain.data)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_gradients_of_values_that_were_set_to_none(name):
    """As torch's users do it: what none flows to afterwards is left alone. One that is made 0 is a gradient, and weight decay goes on."""
    results = []
    for nothing in (None, 0.0):
        x, y = Value(1.0), Value(2.0)
        optimizer = getattr(nn, name)([x, y], lr=0.1, weight_decay=0.1)
        for _ in range(3):
            x.grad = y.grad = nothing
            (x * x).backward()
            optimizer.step()
        results.append((x.data, y.data))
    assert results[0][0] == results[1][0] < 1.0
    assert results[0][1] == 2.0 > results[1][1]


@pytest.mark.oracle
@settings(deadline=None)
@given(case=st.sampled_from(CASES), reached=st.lists(st.integers(0, 7), min_size=1, max_size=12), loaded=st.integers(0, 12), data=st.integers(0, 99))
def test_a_value_that_no_gradient_has_reached_is_left_alone_as_in_torch(case, reached, loaded, data):
    """Which of three are reached is in the bits of a number; the running averages of each, and its count of updates, are its own."""
    torch = pytest.importorskip("torch")
    (name, options), r = case, np.random.default_rng(data)
    start = r.normal(size=3)
    mine, theirs = [Value(x) for x in start], [torch.tensor(x, requires_grad=True) for x in start]
    a, b = getattr(nn, name)(mine, **options), getattr(torch.optim, name)(theirs, **options)
    for step, bits in enumerate(reached):
        a.zero_grad()
        b.zero_grad()
        for i in range(3):
            if bits >> i & 1:
                slope = float(r.choice([0.0, r.normal()], p=[0.2, 0.8]))
                (mine[i] * slope).backward()
                (theirs[i] * slope).backward()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")    # of a first step without a gradient
            a.step()
        b.step()
        if step == loaded:
            state = a.state_dict()
            a = getattr(nn, name)(mine, **options)
            a.load_state_dict(state)
        np.testing.assert_allclose([v.data for v in mine], [t.item() for t in theirs], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"steps": "a"}, {"steps": -3}, {"steps": 1.5e400}, {"groups": []}, {"groups": 3}, {"groups": [{}]}, {"groups": [{"lr": 0.1}]}, {"state": 3}, {"groups": [3]},
        {"state": [3]}, {"state": [[3, 3]]}, {"state": [[{}]]}, {"state": [[{"first": "a"}, {}]]}, {"state": [[{"first": np.ones(5)}, {}]]}, "lr", "eps",
    ],
    ids=str,
)  # fmt: skip
def test_states_that_do_not_fit_change_nothing(wrong):
    x, v = Tensor([1.0, 2.0]), Value(3.0)
    optimizer = nn.Adam([x, v], lr=0.1)
    (x.sum() * v).backward()
    optimizer.step()
    before = str(optimizer.state_dict())
    state = optimizer.state_dict()
    if isinstance(wrong, str):
        state["groups"][0][wrong] = -1.0
    elif wrong:
        state |= wrong
    else:
        state = {}
    with pytest.raises((OperandError, StructureError, ShapeError)):
        optimizer.load_state_dict(state)
    assert str(optimizer.state_dict()) == before


@pytest.mark.parametrize("wrong", [{"epoch": "a"}, {"epoch": -1}, {"epoch": 1.5}, {"epoch": True}, {"base_lrs": ["a"]}, {"base_lrs": 3}, {"base_lrs": [0.1, 0.2]}, {"best": "a"}])
def test_states_of_schedules_that_do_not_fit_change_nothing(wrong):
    optimizer = nn.SGD([Value(1.0)], lr=0.4)
    schedule = nn.ReduceLROnPlateau(optimizer, 0.5, 0)
    for loss in (1.0, 2.0):
        schedule.step(loss)
    before = str((schedule.state_dict(), optimizer.lr))
    with pytest.raises(StructureError, match="received the state of another schedule"):
        schedule.load_state_dict(schedule.state_dict() | wrong)
    assert str((schedule.state_dict(), optimizer.lr)) == before


def test_a_rate_that_cannot_be_worked_out_changes_nothing():
    optimizer = nn.SGD([Value(1.0)], lr=0.4)
    schedule = nn.LambdaLR(optimizer, lambda epoch: [1.0, 0.5][epoch])
    with pytest.raises(IndexError):
        schedule.load_state_dict({"epoch": 2, "base_lrs": [0.8], "lrs": [0.3]})
    with pytest.raises(OperandError, match="the rate of epoch 1: received -0.3"):
        schedule.load_state_dict({"epoch": 1, "base_lrs": [0.8], "lrs": [-0.3]})
    assert (schedule.state_dict(), optimizer.lr) == ({"epoch": 0, "base_lrs": [0.4], "lrs": [0.4]}, 0.4)


def schedules_that_fail(optimizer):
    return [
        (nn.LambdaLR(optimizer, [lambda epoch: 0.5 if epoch else 1.0, lambda epoch: 1 / (epoch - 1) if epoch else 1.0]), ZeroDivisionError),
        (nn.LambdaLR(optimizer, lambda epoch: math.nan if epoch else 1.0), OperandError),
        (nn.LambdaLR(optimizer, lambda epoch: 1.0 - epoch * 2.0), OperandError),
    ]


@pytest.mark.parametrize("which", range(3))
def test_an_epoch_whose_rate_cannot_be_worked_out_changes_nothing(which):
    parameters = nn.Linear(2, 1, rng=0).parameters()
    optimizer = nn.SGD([{"params": parameters[:1], "lr": 0.25}, {"params": parameters[1:]}], lr=0.5)
    schedule, error = schedules_that_fail(optimizer)[which]
    with pytest.raises(error):
        schedule.step()
    assert schedule.epoch == 0 and schedule.get_last_lr() == [0.25, 0.5]


def test_a_plateau_is_told_one_number():
    optimizer = nn.SGD([Value(1.0)], lr=0.4)
    schedule = nn.ReduceLROnPlateau(optimizer, 0.5, patience=0, threshold=0.1)
    for loss in (1.0, np.float32(0.89), Tensor([[0.8]]), Value(0.7)):     # each a tenth better, at least
        schedule.step(loss)
        assert optimizer.lr == 0.4 and schedule.best == float(np.asarray(getattr(loss, "data", loss)).reshape(()))
    schedule.step(0.64)                        # less than a tenth better
    assert optimizer.lr == 0.2 and schedule.best == 0.7
    for bad in (np.ones(2), []):
        with pytest.raises(OperandError, match="expected one number"):
            schedule.step(bad)
    for factor in (0.0, 1.0, 1.5):
        with pytest.raises(OperandError, match="expected a number between 0 and 1"):
            nn.ReduceLROnPlateau(optimizer, factor)
    assert optimizer.lr == 0.2 and schedule.epoch == 5


def test_what_a_schedule_and_an_optimiser_say():
    optimizer = nn.SGD([Value(1.0), Value(2.0)], lr=0.5)
    assert nn.LambdaLR(optimizer, lambda epoch: 1.0 / (1 + epoch)).rate(0.5, 4) == 0.1
    assert repr(optimizer) == "SGD(2 parameters, lr=0.5, momentum=0.0, nesterov=False, weight_decay=0.0, dampening=0.0, maximize=False)"


def test_gradients_that_are_made_0_move_a_tensor_on_and_those_that_are_forgotten_do_not():
    def trained(set_to_none, library=nn, of=Tensor):
        p, unreached = of([1.0, 2.0]), of([3.0])
        optimizer = library.SGD([p, unreached], lr=0.1, momentum=0.9, weight_decay=0.01)
        for step in range(3):
            optimizer.zero_grad(set_to_none=set_to_none)
            if step == 0:
                (p * p).sum().backward()
            optimizer.step()
        return np.asarray(p.data), np.asarray(unreached.data), p.grad

    torch = pytest.importorskip("torch")
    for set_to_none in (True, False):
        mine = trained(set_to_none)
        reference = trained(set_to_none, torch.optim, lambda data: torch.tensor(data, dtype=torch.float64, requires_grad=True))
        np.testing.assert_allclose(mine[0], reference[0], rtol=1e-12)
        assert mine[1] == 3.0 == reference[1]
        assert (mine[2] is None) == (reference[2] is None) == set_to_none
    model = nn.MLP(2, [1], rng=0)
    model([1.0, 2.0]).backward()
    model.zero_grad(set_to_none=False)
    assert [p.grad for p in model.parameters()] == [0.0] * 3
    for owner in (model, nn.SGD([Value(1.0)])):
        with pytest.raises(OperandError, match="zero_grad: received set_to_none='no', expected True or False"):
            owner.zero_grad("no")


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        ("SGD", {"momentum": -0.5}, "SGD: momentum: received -0.5, expected a number of at least 0"),
        ("SGD", {"momentum": 0.0, "nesterov": True}, r"SGD: nesterov needs momentum > 0 and dampening 0, received momentum=0.0"),
        ("SGD", {"nesterov": True, "dampening": 0.1}, r"and dampening=0.1"),
        ("Adam", {"betas": (1.0, 0.9)}, r"Adam: received betas=\(1.0, 0.9\), expected two numbers from 0 to below 1"),
        ("AdamW", {"betas": (0.9, math.nan)}, r"AdamW: received betas=\(0.9, nan\)"),
        ("Adam", {"betas": 0.9}, "Adam: received betas=0.9, expected two numbers"),
        ("Adam", {"betas": ("a", 0.9)}, "Adam: received betas="),
        ("RMSprop", {"alpha": -1.0}, "RMSprop: alpha: received -1.0"),
    ],
)
def test_settings_of_one_group_are_held_to_the_same_bounds(kind, wrong, message):
    """Where the optimiser is made, and where a saved state brings them."""
    options = {"momentum": 0.9} if kind == "SGD" else {}
    with pytest.raises(OperandError, match=message):
        getattr(nn, kind)([{"params": [Tensor([1.0])], **wrong}, {"params": [Tensor([1.0])]}], **options)
    optimizer = getattr(nn, kind)([Tensor([1.0])], **options)
    state = optimizer.state_dict()
    state["groups"][0].update(wrong)
    with pytest.raises(OperandError, match=message):
        optimizer.load_state_dict(state)
    assert all(optimizer.param_groups[0][name] != value for name, value in wrong.items() if name != "momentum" or value != 0.0)


def test_a_read_only_array_is_left_alone():
    array = np.array([1.0, 2.0])
    array.flags.writeable = False
    p = Tensor(array)
    (p * p).sum().backward()
    nn.SGD([p], lr=0.25).step()
    assert p.data.tolist() == [0.5, 1.0] and array.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("bad", [-1.0, math.nan])
def test_settings_of_schedules_are_within_bounds(bad):
    optimizer = nn.SGD([Value(1.0)], lr=0.4)
    for name, options in (("StepLR", {"step_size": 2, "gamma": bad}), ("ExponentialLR", {"gamma": bad}), ("CosineAnnealingLR", {"T_max": 3, "eta_min": bad}),
                          ("ReduceLROnPlateau", {"min_lr": bad})):  # fmt: skip
        with pytest.raises(OperandError, match=f"{name}: {list(options)[-1]}: received {bad}, expected a number of at least 0"):
            getattr(nn, name)(optimizer, **options)
    with pytest.raises(OperandError, match="patience=-1, expected an integer of at least 0"):
        nn.ReduceLROnPlateau(optimizer, patience=-1)
    assert optimizer.lr == 0.4


@pytest.mark.parametrize("kind", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("scale", [1.0, 1e150, 1e200, 1e300])
def test_a_gradient_is_clipped_whose_powers_overflow(kind, scale):
    vectors = [Tensor([1.0, 1.0]), Tensor([1.0]), Value(1.0)]
    for p, g in zip(vectors, (np.array([3.0, -4.0]), np.array([12.0]), 1.0), strict=True):
        p.grad = g * scale
    numbers = np.array([3.0, 4.0, 12.0, 1.0])
    expected = numbers.max() if kind == math.inf else np.sum(numbers**kind) ** (1.0 / kind)
    assert nn.clip_grad_norm_(vectors, 1.0, norm_type=kind) == pytest.approx(expected * scale, rel=1e-12)
    found = np.concatenate([np.ravel(p.grad) for p in vectors])
    np.testing.assert_allclose(found, np.array([3.0, -4.0, 12.0, 1.0]) / expected, rtol=1e-6)


@pytest.mark.parametrize("clip", [nn.clip_grad_norm_, nn.clip_grad_value_])
@pytest.mark.parametrize("kind", [float, np.float64, np.float32, int])
def test_a_clipped_gradient_keeps_its_dtype(clip, kind):
    for dtype in (np.float32, np.float64):
        p = Tensor(np.array([3.0, 4.0]), dtype=dtype)
        (p * p).sum().backward()
        clip([p], kind(1))
        assert p.grad.dtype == dtype and np.abs(p.grad).max() <= 1.0


@pytest.mark.parametrize("kind", [nn.SGD, nn.Adam, nn.AdamW, nn.RMSprop, nn.Adagrad, nn.Adadelta])
@pytest.mark.parametrize("wrong", [np.ones(5), np.ones(1), np.array(1.0), np.ones((1, 2)), [1.0, 1.0], 1.0])
def test_a_gradient_of_another_shape_changes_nothing(kind, wrong):
    first, second = Tensor([1.0, 2.0]), Tensor([3.0, 4.0], label="w")
    optimizer = kind([first, second], lr=0.1)
    first.grad, second.grad = np.ones(2), wrong
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"step: the \.grad of Tensor 'w' of shape \(2,\) was set to .* expected an array of shape \(2,\)"):
        optimizer.step()
    assert first.data.tolist() == [1.0, 2.0] and second.data.tolist() == [3.0, 4.0]
    assert optimizer.state_dict() == before


NO_GRADIENTS = {
    "complex": np.array([1.0 + 1.0j, 2.0]), "objects": np.array([1.0, "a"], object), "text": np.array(["1", "2"]), "times": np.array([1, 2], "m8[s]"),
    "masked": np.ma.array([1.0, 2.0], mask=[False, True]), "nodes": np.array([Value(1.0), Value(2.0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
@pytest.mark.parametrize("wrong", NO_GRADIENTS)
def test_a_gradient_that_is_no_numbers_changes_nothing(name, wrong):
    first, second, third = Tensor([1.0, 2.0]), Tensor([3.0, 4.0], label="w"), Value(5.0, label="b")
    optimizer = getattr(nn, name)([first, second, third], lr=0.1)
    for parameter, gradient, said in ((second, NO_GRADIENTS[wrong], "Tensor 'w'"), (third, "1", "Value 'b'")):
        first.grad, second.grad, third.grad = np.ones(2), np.ones(2), 1.0
        parameter.grad = gradient
        before = optimizer.state_dict()
        for use, who in ((optimizer.step, "step"), (lambda: nn.clip_grad_norm_([first, second, third], 0.1), "clip_grad")):
            with pytest.raises(OperandError, match=rf"{who}: .*the \.grad of {said}.* expected real numbers"):
                use()
        assert (first.data.tolist(), second.data.tolist(), third.data, first.grad.tolist()) == ([1.0, 2.0], [3.0, 4.0], 5.0, [1.0, 1.0])
        assert optimizer.state_dict() == before


@pytest.mark.parametrize("options", [("SGD", {}), ("SGD", {"momentum": 0.9}), ("Adam", {}), ("RMSprop", {"momentum": 0.5, "centered": True}), ("Adagrad", {})])
@pytest.mark.parametrize("clipped", [False, True])
def test_a_gradient_in_any_wrapping_is_the_same_gradient(options, clipped):
    """Assigned by hand: integers, halves, another order of bytes, a Tensor; momentum is kept in the dtype of the parameter."""
    name, settings = options
    results = set()
    for wrap in (
        np.array, lambda g: np.array(g, int), lambda g: np.array(g, np.float16), lambda g: np.array(g, ">f4"), lambda g: np.array(g).view(np.recarray), Tensor,
        lambda g: Tensor(g, requires_grad=False), lambda g: np.array(g, np.longdouble),
    ):  # fmt: skip
        tensor, number = Tensor([3.0, 4.0]), Value(5.0)
        optimizer = getattr(nn, name)([tensor, number], lr=0.1, **settings)
        for gradient in ([1.0, 3.0], [2.0, -1.0], [3.0, 0.0]):
            tensor.grad, number.grad = wrap(gradient), wrap(gradient)[0] if wrap is not Tensor else Value(gradient[0])
            if clipped:
                nn.clip_grad_norm_([tensor, number], 1.0)
            optimizer.step()
            assert type(tensor.grad) is np.ndarray and tensor.grad.dtype == np.float64 and type(number.grad) is float
        assert all(array.dtype.kind != "f" or array.dtype == np.float64 for slot in optimizer.state_dict()["state"][0] for array in slot.values())
        results.add((tuple(tensor.data.tolist()), number.data))
    assert len(results) == 1
