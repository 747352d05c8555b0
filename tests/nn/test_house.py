"""The rules of the house for `nn`: public names of the engine only, light imports, nothing left behind, copies that work."""

import ast
import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd_core import Tensor
from nn.data import moons

ROOM = Path(nn.__file__).parent
MODULES = sorted(ROOM.glob("*.py"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOM.parent)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_a_module_uses_public_names_of_the_engine(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    import autograd_core
    from autograd_core import viz

    public = {"errors", *autograd_core.__all__}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("autograd_core"):
            assert node.module in ("autograd_core", "autograd_core.arguments", "autograd_core.elsewhere", "autograd_core.errors", "autograd_core.modes", "autograd_core.progress", "autograd_core.viz", "autograd_core.warn"), f"line {node.lineno}"
            if node.module == "autograd_core.viz":
                assert {alias.name for alias in node.names} <= set(viz.__all__), f"line {node.lineno}"
            if node.module == "autograd_core":
                assert {alias.name for alias in node.names} <= public, f"line {node.lineno}"


def test_public_names_exist_and_are_documented():
    for name in nn.__all__:
        assert (getattr(nn, name).__doc__ or "").strip(), name
    assert (ROOM / "py.typed").exists()


def test_importing_nn_brings_nothing_heavy():
    code = "import sys, nn; print([m for m in ('matplotlib', 'sklearn', 'tqdm', 'safetensors', 'torch', 'IPython') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=ENVIRONMENT)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(("blocked", "code"), [
    ("matplotlib", "nn.plot.activation_gallery()"),
    ("sklearn", "nn.data.digits()"),
    ("tqdm", "nn.fit(nn.MLP(1, [1]), [[1.0]], [1.0], progress=True)"),
    ("safetensors", "nn.save(nn.MLP(1, [1]), 'x')"),
])
def test_a_missing_extra_is_named(blocked, code, tmp_path):
    program = f"import sys; sys.modules[{blocked!r}] = None\nimport nn\ntry:\n    {code}\nexcept ImportError as error:\n    print(type(error).__name__, error)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=ENVIRONMENT, cwd=tmp_path)
    assert "MissingExtraError" in done.stdout and "autograd-core[demo]" in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [
    lambda: nn.MLP(2, [3, 2], rng=0),
    lambda: nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3), nn.Dropout(0.5, rng=0), nn.PReLU(), nn.Linear(3, 2, rng=1)),
])
def test_a_step_leaves_nothing_for_the_garbage_collector(make):
    x, y = moons(20, rng=0)
    model = make()
    optimizer = nn.Adam(model.parameters())

    def step():
        optimizer.zero_grad()
        outputs = [model(row) for row in x.tolist()] if isinstance(model, nn.MLP) else model(x)
        nn.cross_entropy(outputs, y).backward()
        optimizer.step()

    step()
    gc.collect()
    gc.disable()
    try:
        step()
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("make", [
    lambda: nn.MLP(2, [3, 1], rng=0), lambda: nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.BatchNorm1d(3)),
])
def test_a_copy_is_equal_and_its_own(make):
    model = make()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert all(p is not q for p, q in zip(model.parameters(), other.parameters(), strict=True))
        assert {k: v.tolist() for k, v in other.state_dict().items()} == {k: v.tolist() for k, v in model.state_dict().items()}
        before = model.state_dict()
        for p in other.parameters():
            p.data = p.data * 0.0
        assert all((model.state_dict()[k] == v).all() for k, v in before.items())


def test_a_module_of_your_own():
    class Residual(nn.Module):
        def __init__(self, width):
            self.blocks = [nn.Linear(width, width, rng=i) for i in range(2)]
            self.gates = {"scale": Tensor(np.ones(width))}
            self.constant = Tensor(np.ones(width), requires_grad=False)
            self._cache = Tensor(np.ones(3))

        def forward(self, x, *, twice=False):
            for block in self.blocks:
                x = x + block(x).tanh()
            return x * self.gates["scale"] * (2.0 if twice else 1.0)

    model = Residual(2)
    assert [name for name, _ in model.named_parameters()] == ["gates.scale", "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"]
    assert set(model.state_dict()) == {n for n, _ in model.named_parameters()}
    x, y = moons(40, rng=0)
    np.testing.assert_allclose(model(x, twice=True).data, 2.0 * model(x).data)
    assert nn.fit(model, x, y, loss="cross_entropy", epochs=150, lr=0.05, rng=0)["loss"][-1] < 0.2
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        nn.Module()(1)


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_on_the_command_line(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "nn", "train", "moons", "--epochs", "1000000", "--output", "out"], cwd=tmp_path, env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a shell's background job, as this may be, ignores it
    )
    shown = ""
    while "epoch 3" not in shown:
        shown += process.stderr.read(200)
    process.send_signal(signal.SIGINT)
    try:
        said, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)    # which makes it tell where it is
        said, errors = process.communicate()
        pytest.fail(f"still running a minute after the interrupt: {said[-500:]}\n{errors[-3000:]}")
    assert process.returncode == 0 and "(interrupted)" in said and "Traceback" not in errors
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_names_that_are_not_there_lead_to_those_that_are():
    for slip, meant in {"Relu": "ReLU", "sgd": "SGD", "Softmaxx": "Softmax", "mlp": "MLP", "cross_entropie": "cross_entropy"}.items():
        with pytest.raises(AttributeError, match=rf"did you mean nn\.{meant}\?$"):
            getattr(nn, slip)
    for other in ("zzz", "_private", "__wrapped__"):
        with pytest.raises(AttributeError, match=rf"no attribute '{other}'$"):
            getattr(nn, other)
