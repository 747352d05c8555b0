"""A user's program with annotations, read by mypy: ordinary use has no false errors, and what is mistyped is found."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.oracle, pytest.mark.slow]

GOOD = """
import numpy as np

import autograd_core as ag
import nn
from autograd_core import Tensor, Value, check_grads, draw, explain, grad, hessian, hvp, jvp, lift, no_grad, value_and_grad, vjp

x, w = Value(2.0, label="x"), Value(-1)
y: Value = (2 * x * w + 3 - w / 3).tanh() ** 2
z: Value = ag.exp(-x) + ag.relu(w) + ag.softplus(y)
y.backward()
slope: float = x.grad
x += 1
smaller: bool = x < w

t: Tensor = Tensor([[1.0, 2.0]], dtype=np.float32)
u: Tensor = ((t @ t.T + 1.0) * x).sum(axis=0).mean()
u.backward()
if t.grad is not None:
    norm: float = float(np.linalg.norm(t.grad))
losses = [(w * k - y) ** 2 for k in range(3)]
loss = sum(losses) / len(losses)
loss.backward()
part: Tensor = t[0, :1].reshape(1, 1).exp()
plain: np.ndarray = t.numpy()


def f(a: float) -> float:
    return a * a


one: float = grad(f)(3.0)
both = value_and_grad(f)(2.0)
curvature = hessian(lambda q: (q**2).sum())(np.ones(3))
out, pull = vjp(f, 2.0)
out, tangent = jvp(f, (2.0,), (1.0,))
out, product = hvp(f, (2.0,), (1.0,))
print(check_grads(f, (2.0,)), lift(z), draw(y).source, [str(step) for step in explain(y)])
with no_grad():
    print(x * 2)


class Net(nn.Module):
    def __init__(self, rng: np.random.Generator) -> None:
        self.first, self.second = nn.Linear(2, 8, rng=rng), nn.Linear(8, 2, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x).relu())
        return out


def follow(training: nn.train.Training) -> None:
    if training.epoch > 3:
        training.stop()


samples, classes = nn.data.moons(100, rng=0)
net = Net(np.random.default_rng(0))
history: nn.History = nn.fit(
    net, samples, classes, loss=nn.cross_entropy, optimizer=nn.Adam(net.parameters(), lr=1e-2), epochs=3, batch_size=16, validation=0.2,
    metrics="accuracy", early_stopping=nn.EarlyStopping(3), schedule=lambda o: nn.StepLR(o, 2), callbacks=[follow], rng=0,
)
last: float = history.last("loss")
shape: tuple[int, ...] = nn.load(nn.save(nn.Sequential(nn.Linear(2, 1), nn.Tanh()), "m.safetensors")).state_dict()["0.weight"].shape
nn.plot.loss_curves(history)
"""

BAD = {
    "import nn\nnn.Linar(2, 3)": 'has no attribute "Linar"',
    "import nn\nnn.plot.los_curves": 'has no attribute "los_curves"',
    "import autograd_core as ag\nag.tahn(1.0)": 'has no attribute "tahn"',
    "from autograd_core import Value\nValue(1.0).tahn()": 'has no attribute "tahn"',
    "from autograd_core import Tensor\n(Tensor([1.0]) * 2).smu()": 'has no attribute "smu"',
    "from autograd_core import Tensor\na: str = Tensor([1.0]) + 2": "Incompatible types",
    "import nn\nnn.Linear('2', 3)": "incompatible type",
    "import nn\nnn.EarlyStopping(patiense=3)": "Unexpected keyword",
}


def test_annotated_programs(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    files = {tmp_path / "good.py": GOOD, **{tmp_path / f"bad{k}.py": text for k, text in enumerate(BAD)}}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-incremental", "--no-error-summary"]
    found = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert "good.py" not in found.stdout and not found.stderr, found.stdout + found.stderr
    for k, message in enumerate(BAD.values()):
        lines = [line for line in found.stdout.splitlines() if f"bad{k}.py:2: error" in line]
        assert len(lines) == 1 and message in lines[0], found.stdout
