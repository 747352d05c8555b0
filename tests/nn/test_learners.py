"""Small learners: digits, a convolutional net, a denoising autoencoder, and agents that learn from reward alone."""

import numpy as np
import pytest

import autograd_core as ag
import nn
from autograd_core import Tensor, no_grad
from nn.data import digits, light_curves, train_test_split


@pytest.fixture(scope="module")
def handwriting():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    return train_test_split(*digits(), test=0.2, stratify=True, rng=0)


@pytest.mark.slow
def test_an_mlp_on_the_digits(handwriting):
    x, x_held, y, y_held = handwriting
    model = nn.Sequential(nn.Linear(64, 128, rng=0), nn.ReLU(), nn.Dropout(0.3, rng=0), nn.Linear(128, 64, rng=1), nn.ReLU(), nn.Linear(64, 10, rng=2))
    nn.fit(
        model, x, y, loss=lambda p, t: nn.cross_entropy(p, t, label_smoothing=0.1), lr=3e-3, epochs=60, batch_size=32, rng=0,
        schedule=lambda o: nn.CosineAnnealingLR(o, 60),
    )  # fmt: skip
    assert nn.accuracy(nn.predict(model, x_held), y_held) >= 0.97


@pytest.mark.slow
def test_a_convolutional_net_on_the_digits(handwriting):
    x, x_held, y, y_held = (a.reshape(-1, 1, 8, 8) if a.ndim == 2 else a for a in handwriting)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, rng=0), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1, rng=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.4, rng=0), nn.Linear(512, 64, rng=2), nn.ReLU(), nn.Dropout(0.4, rng=1), nn.Linear(64, 10, rng=3),
    )  # fmt: skip
    nn.fit(
        model, x, y, loss=lambda p, t: nn.cross_entropy(p, t, label_smoothing=0.1), lr=3e-3, epochs=20, batch_size=32, rng=0,
        schedule=lambda o: nn.CosineAnnealingLR(o, 20),
    )  # fmt: skip
    assert nn.accuracy(nn.predict(model, x_held), y_held) >= 0.98


@pytest.mark.slow
def test_a_denoising_autoencoder_for_light_curves():
    noisy, clean = light_curves(600, noise=0.4, rng=0)
    held_noisy, held_clean = light_curves(200, noise=0.4, rng=1)
    model = nn.Sequential(nn.Linear(64, 48, rng=0), nn.Tanh(), nn.Linear(48, 6, rng=1), nn.Linear(6, 48, rng=2), nn.Tanh(), nn.Linear(48, 64, rng=3))
    rng = np.random.default_rng(2)
    optimizer = nn.Adam(model.parameters(), lr=3e-3)
    plan = nn.CosineAnnealingLR(optimizer, 80)
    for _ in range(80):                        # fresh noise on the same curves in every epoch
        noisy = clean + 0.4 * rng.normal(size=clean.shape)
        nn.fit(model, noisy, clean, optimizer=optimizer, epochs=1, batch_size=50, rng=rng)
        plan.step()
    before = np.mean((held_noisy - held_clean) ** 2)
    after = np.mean((nn.predict(model, held_noisy) - held_clean) ** 2)
    assert before / after >= 4.0


def policy_gradient(start, step, width, actions, *, episodes, lr=0.05, seed=0, horizon=30):
    """REINFORCE (Williams 1992): raise ln π(a|s) by how much better than usual it went on from there."""
    rng = np.random.default_rng(seed)
    policy = nn.Sequential(nn.Linear(width, 16, rng=seed), nn.Tanh(), nn.Linear(16, actions, rng=seed + 1))
    optimizer, usual, totals = nn.Adam(policy.parameters(), lr=lr), np.zeros(horizon), []
    for _ in range(episodes):
        state, states, taken, rewards = start(rng), [], [], []
        for _ in range(horizon):
            with no_grad():
                p = ag.softmax(policy(state[None]))
            action = int(rng.choice(actions, p=np.asarray(p.data)[0]))
            states.append(state)
            taken.append(action)
            state, reward, over = step(state, action, rng)
            rewards.append(reward)
            if over:
                break
        to_go = np.cumsum(rewards[::-1])[::-1]
        n = len(to_go)
        optimizer.zero_grad()
        surprise = to_go - usual[:n]
        (nn.cross_entropy(policy(np.array(states)), taken, reduction="none") * surprise).sum().backward()
        nn.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        usual[:n] += 0.1 * surprise
        totals.append(sum(rewards))
    return policy, totals


@pytest.mark.slow
def test_an_agent_learns_a_corridor_from_reward_alone():
    length = 8

    def start(rng):
        return np.eye(length)[0]

    def step(state, action, rng):
        place = int(np.clip(state.argmax() + (1 if action else -1), 0, length - 1))
        return np.eye(length)[place], 1.0 if place == length - 1 else -0.1, place == length - 1

    policy, rewards = policy_gradient(start, step, length, 2, episodes=300, lr=0.005, horizon=100)
    assert np.mean(rewards[:20]) < 0.3
    assert np.mean(rewards[-20:]) > 0.35     # the shortest way gives 1 − 6·0.1 = 0.4
    with no_grad():
        assert (policy(np.eye(length)[: length - 1]).data.argmax(axis=1) == 1).all()


@pytest.mark.slow
def test_an_agent_learns_to_schedule_the_shortest_job_first():
    """Three jobs wait; choosing one makes the others wait for its length. The reward is minus the sum of waiting times."""

    def start(rng):
        return np.concatenate([rng.permutation([1.0, 2.0, 3.0]) / 3.0, np.ones(3)])

    def step(state, action, rng):
        lengths, waiting = state[:3], state[3:].copy()
        if not waiting[action]:
            return state, -1.0, False
        waiting[action] = 0.0
        return np.concatenate([lengths * waiting, waiting]), -float(lengths[action] * waiting.sum()), not waiting.any()

    policy, rewards = policy_gradient(start, step, 6, 3, episodes=3000, lr=0.01, horizon=10)
    best = -(1 * 2 + 2 * 1) / 3
    assert np.mean(rewards[:100]) < best - 0.5
    assert np.mean(rewards[-100:]) > best - 0.25
    assert isinstance(policy(np.ones((1, 6))), Tensor)
