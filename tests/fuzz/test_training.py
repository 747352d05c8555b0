"""Random training programs in step with torch, and their losses lifted: any architecture, loss, optimiser, schedule and clipping.

A program is drawn twice from one seed, of our modules and of torch's, and given the same weights. Then it trains: gradients accumulate or
not, parameters are frozen, tied, shared and grouped, and somewhere on the way everything is saved and loaded into new objects.
"""

import math
import os

import numpy as np
import pytest

import nn
from autograd_core import Tensor, grad, hvp, jvp, lift, no_grad

from .networks import Draw

pytestmark = pytest.mark.filterwarnings("ignore:.*received the result of:RuntimeWarning")   # a network may end with anything
PROGRAMS = 2000 if os.environ.get("HYPOTHESIS_PROFILE") == "intense" else 24
STEPS = 20


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)                   # small arrays: threads would only wait for one another
    yield torch
    torch.set_num_threads(threads)


def followed(seed, torch):
    """One program, both sides in step."""
    mine, theirs = Draw(seed, torch, False), Draw(seed, torch, True)
    (model, given, words, shape), (reference, *_) = mine.network(), theirs.network()
    kind, tolerance = mine.dtype, 5e-3 if mine.dtype == np.float32 else 1e-7
    reference.load_state_dict({k: torch.tensor(v) for k, v in model.state_dict().items()})
    ours, others = model.parameters(), list(reference.parameters())
    name, settings, other = mine.optimizer()
    plan, clip = mine.schedule(), mine.pick(None, (0.5, 2.0), (0.3, math.inf), (0.7, 1.0), (0.7, 3.0), 0.05)
    frozen = {i for i in range(1, len(ours)) if mine.chance(0.15)} if mine.chance(0.3) else set()
    live = [i for i in range(len(ours)) if i not in frozen]
    split = mine.int(1, len(live)) if mine.chance(0.4) else len(live)
    reload, accumulate, training = mine.int(1, 2 * STEPS), mine.int(1, 2), mine.chance(0.85)
    theirs.rng.bit_generator.state = mine.rng.bit_generator.state

    def same(a, b, what, tolerance=tolerance):
        b = b.detach().numpy() if isinstance(b, torch.Tensor) else np.asarray(b)
        assert np.shape(a) == b.shape, what
        np.testing.assert_allclose(a, b, rtol=0.0, atol=tolerance * max(1.0, float(np.max(np.abs(b), initial=0.0))), err_msg=what)

    def begin(parameters, library, schedules):
        groups = [{"params": [parameters[i] for i in live[:split]]}, {"params": [parameters[i] for i in live[split:]], **other}]
        optimizer = getattr(library, name)([g for g in groups if g["params"]], **settings)
        return optimizer, None if plan is None else getattr(schedules, plan[0])(optimizer, **plan[1])

    def freeze(parameters):
        for i in frozen:
            parameters[i].requires_grad = False

    optimizer, schedule = begin(ours, nn, nn)
    followed_by, reference_schedule = begin(others, torch.optim, torch.optim.lr_scheduler)
    freeze(ours)
    freeze(others)
    model.train(training)
    reference.train(training)
    loss = reference_loss = None
    for step in range(STEPS):
        if step % 7 == 0:
            loss, reference_loss = mine.loss(shape), theirs.loss(shape)
        if step == reload:                     # everything saved, and loaded into objects that are made anew
            model_state, optimizer_state, schedule_state = model.state_dict(), optimizer.state_dict(), schedule and schedule.state_dict()
            gradients = [p.grad for p in ours]
            model = Draw(seed, torch, False).network()[0].train(training)
            ours = model.parameters()
            optimizer, schedule = begin(ours, nn, nn)
            freeze(ours)
            for p, g in zip(ours, gradients, strict=True):
                p.data, p.grad = np.zeros_like(p.data), g
            model.load_state_dict(model_state)
            optimizer.load_state_dict(optimizer_state)
            if schedule is not None:
                schedule.load_state_dict(schedule_state)
        if step % 5:
            optimizer.zero_grad()
            followed_by.zero_grad()
        for _ in range(accumulate):
            x = mine.rng.normal(size=given).astype(kind) if words is None else mine.rng.integers(0, words, given)
            theirs.rng.bit_generator.state = mine.rng.bit_generator.state
            prediction, expected = model(x), reference(torch.tensor(x))
            assert prediction.dtype == kind and prediction.shape == shape
            same(prediction.data, expected, f"prediction in step {step}")
            if float(expected.detach().abs().max()) > 1e3:
                return                         # a run that goes up without end, and magnifies rounding
            value, reference_value = loss(prediction), reference_loss(expected)
            assert value.dtype == kind
            same(value.data, reference_value, f"loss in step {step}")
            value.backward()
            reference_value.backward()
        for i, (p, q) in enumerate(zip(ours, others, strict=True)):
            assert (p.grad is None) == (q.grad is None) == (i in frozen or q.grad is None)
            if p.grad is not None:
                assert p.grad.dtype == kind
                same(p.grad, q.grad, f"gradient {i} in step {step}", 10.0 * tolerance)
        if isinstance(clip, tuple):
            norm = torch.nn.utils.clip_grad_norm_([others[i] for i in live], *clip)
            same(nn.clip_grad_norm_([ours[i] for i in live], *clip), norm, f"norm in step {step}", 10.0 * tolerance)
        elif clip:
            nn.clip_grad_value_(ours, clip)
            torch.nn.utils.clip_grad_value_(others, clip)
        optimizer.step()
        followed_by.step()
        if schedule is not None:
            metric = [float(reference_value.detach())] if plan[0] == "ReduceLROnPlateau" else []
            schedule.step(*metric)
            reference_schedule.step(*metric)
            same(schedule.get_last_lr(), [g["lr"] for g in followed_by.param_groups], f"rates in step {step}", 2e-8)
    expected = reference.state_dict()
    assert list(model.state_dict()) == list(expected)
    for key, array in model.state_dict().items():
        same(array, expected[key], key, 10.0 * tolerance)
    model.eval()
    reference.eval()
    with no_grad(), torch.no_grad():
        same(model(x).data, reference(torch.tensor(x)), "prediction after training", 10.0 * tolerance)


def check_each(seeds, check, torch):
    """A check of every seed, and how many there were; one that fails says which."""
    for seed in seeds:
        try:
            check(seed, torch)
        except Exception as error:
            error.add_note(f"in the program of seed {seed}")
            raise
    return len(seeds)


@pytest.mark.oracle
@pytest.mark.parametrize("part", range(4))
def test_training_programs_equal_torch(torch, part, count):
    count("training programs followed by torch", check_each(range(part, PROGRAMS, 4), followed, torch))


def replayed(seed, torch):
    """The loss of one program, lifted, at other parameters and inputs: the same as computed anew, also at ties and at zeros."""
    draw = Draw(seed, torch, False)
    model, given, words, shape = draw.network()
    model.train(draw.chance())
    loss, rng, kind, tolerance = draw.loss(shape), draw.rng, draw.dtype, 1e-3 if draw.dtype == np.float32 else 1e-9
    fixed = None if words is None else rng.integers(0, words, given)

    def record(x):
        return loss(model(x if fixed is None else fixed)).sum()

    x = Tensor(rng.normal(size=given).astype(kind))
    parameters = model.parameters()
    program = lift(record(x), params=parameters, inputs=x)
    for scale, whole in ((1.0, False), (0.3, False), (1.0, True)):
        data = [rng.normal(size=p.shape) * scale for p in parameters]
        batch = rng.normal(size=given)
        data, batch = ([np.round(a * 2.0) / 2.0 for a in data], np.round(batch)) if whole else (data, batch)
        for p, a in zip(parameters, data, strict=True):
            p.data, p.grad = a.astype(kind), None
        program.theta.data[:] = np.concatenate([p.data.ravel() for p in parameters])
        program.inputs = batch
        expected = record(Tensor(program.inputs.copy()))
        expected.backward()
        for _ in range(2):                     # nothing of the first time is left at the second
            np.testing.assert_allclose(program(), expected.item(), rtol=tolerance, atol=tolerance)
            program.backward()
            gradient = np.concatenate([np.zeros(p.size) if p.grad is None else p.grad.ravel() for p in parameters])
            size = float(np.max(np.abs(gradient), initial=1.0, where=np.isfinite(gradient)))
            np.testing.assert_allclose(program.theta.grad, gradient, rtol=0.0, atol=10.0 * tolerance * size)


@pytest.mark.oracle                            # the draws ask torch for its side, too
def test_losses_of_random_networks_replay(torch, count):
    count("losses of random networks lifted", check_each(range(2 * PROGRAMS), replayed, torch))


def differentiated(seed, torch):
    """A loss as a function of the parameters: first and second derivatives, forward and reverse in every order, as torch has them."""
    mine, theirs = Draw(seed, torch, False), Draw(seed, torch, True)
    (model, given, words, shape), (reference, *_) = mine.network(), theirs.network()
    reference.load_state_dict({k: torch.tensor(v) for k, v in model.state_dict().items()})
    mode = mine.chance()
    model.train(mode)
    reference.train(mode)
    theirs.rng.bit_generator.state = mine.rng.bit_generator.state
    loss, reference_loss = mine.loss(shape), theirs.loss(shape)
    x = mine.rng.normal(size=given).astype(mine.dtype) if words is None else mine.rng.integers(0, words, given)
    names, tolerance = dict(reference.named_parameters()), 2e-3 if mine.dtype == np.float32 else 1e-8
    state = {name: array for name, array in model.state_dict().items() if name in names}
    along = {name: mine.rng.normal(size=array.shape).astype(mine.dtype) for name, array in state.items()}

    def f(s):
        return loss(nn.functional_call(model, s, (x,))).sum()

    def along_gradient(s):
        return sum((g * along[name]).sum() for name, g in grad(f)(s).items())

    value = reference_loss(torch.func.functional_call(reference, names, (torch.tensor(x),))).sum()
    first = torch.autograd.grad(value, list(names.values()), create_graph=True, allow_unused=True)
    directional = sum((g * torch.tensor(along[name])).sum() for name, g in zip(names, first, strict=True) if g is not None)
    second = torch.autograd.grad(directional, list(names.values()), allow_unused=True) if directional.requires_grad else [None] * len(names)

    def same(found, expected, what):
        expected = {n: np.zeros(state[n].shape) if g is None else g.detach().numpy() for n, g in zip(names, expected, strict=True)}
        size = max(float(np.max(np.abs(g), initial=1.0)) for g in expected.values())
        assert list(found) == list(state)
        for name, g in found.items():
            assert g.dtype == mine.dtype and g.shape == state[name].shape
            np.testing.assert_allclose(g, expected[name], rtol=0.0, atol=10.0 * tolerance * size, err_msg=f"{what} by {name}")

    same(grad(f)(state), first, "gradient")
    out, tangent = jvp(f, (state,), (along,))
    for found, expected in ((out, value), (tangent, directional)):
        np.testing.assert_allclose(found, expected.item(), rtol=10.0 * tolerance, atol=10.0 * tolerance)
    same(hvp(f, (state,), (along,)), second, "forward over reverse")
    same(grad(lambda s: jvp(f, (s,), (along,))[1])(state), second, "reverse over forward")
    with no_grad():
        same(grad(along_gradient)(state), second, "reverse over reverse")
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.oracle
def test_derivatives_of_random_networks_equal_torch(torch, count):
    count("losses of random networks differentiated twice", check_each(range(PROGRAMS), differentiated, torch))
