"""Files: safetensors there and back with torch, damaged and hostile files, resuming bit for bit, killed at any moment."""

import contextlib
import inspect
import json
import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import nn
from autograd_core.errors import MissingExtraError, OperandError
from nn.checkpoint import load_checkpoint, save_checkpoint
from nn.data import moons
from nn.description import build, describe
from nn.files import FileError, read_arrays, write_arrays, write_atomically
from nn.io import notes_of
from nn.training import Training

pytest.importorskip("safetensors", reason="safetensors is not installed")
REPOSITORY = Path(__file__).resolve().parents[2]


def network(seed=0):
    return nn.Sequential(
        nn.Linear(2, 6, rng=seed), nn.BatchNorm1d(6), nn.PReLU(6), nn.Dropout(0.2, rng=seed), nn.Linear(6, 2, bias=False, rng=seed + 1)
    )


MODELS = [
    network,
    lambda: nn.MLP(2, [3, 3, 1], activation=["relu", "sigmoid"], rng=0),
    lambda: nn.MLP(2, [3, 1], activation="swish", output="linear", bias=False, rng=0),
    lambda: nn.Neuron(3, activation="relu", bias=False, rng=0),
    lambda: nn.Layer(3, 2, activation="sigmoid", rng=0),
    lambda: nn.Perceptron(3, rng=0),
    lambda: nn.Linear(2, 3, dtype=np.float32, rng=0),
    lambda: nn.Sequential(nn.Conv2d(1, 2, (2, 3), stride=2, padding=(1, 0), rng=0), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.AvgPool2d(1, padding=0), nn.Flatten(), nn.LayerNorm(4), nn.ELU(0.5)),
    lambda: nn.Sequential(nn.Embedding(5, 3, rng=0), nn.LSTM(3, 2, 2, batch_first=True, rng=0)),
    lambda: nn.Sequential(nn.Linear(2, 2, rng=0), nn.LeakyReLU(0.2), nn.Softmax(1), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Sigmoid(), nn.Tanh(), nn.Identity()),
]


@pytest.mark.parametrize("make", MODELS)
def test_there_and_back(make, tmp_path):
    model = make()
    path = nn.save(model, tmp_path / "deep" / "model.safetensors", notes={"scale": [1.5, 2.0]})
    again = nn.load(path)
    assert describe(again) == describe(model) and repr(again) == repr(model)
    for (name, a), (other, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other and a.dtype == b.dtype and (a == b).all()
    assert notes_of(path) == {"scale": [1.5, 2.0]}
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]


@pytest.mark.oracle
def test_torch_reads_and_writes_the_same_files(tmp_path):
    torch = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    files = pytest.importorskip("safetensors.torch")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(2, 6), torch.nn.BatchNorm1d(6), torch.nn.PReLU(6), torch.nn.Dropout(0.2), torch.nn.Linear(6, 2, bias=False)
    ).double()
    mine = network()
    theirs.load_state_dict(files.load_file(nn.save(mine, tmp_path / "a.safetensors")))
    x = np.random.default_rng(0).normal(size=(4, 2))
    np.testing.assert_allclose(theirs.eval()(torch.tensor(x)).detach().numpy(), nn.predict(mine, x), rtol=1e-12)
    files.save_file(theirs.state_dict(), tmp_path / "b.safetensors")
    other = nn.load(tmp_path / "b.safetensors", network(9))
    np.testing.assert_array_equal(nn.predict(other, x), nn.predict(mine, x))
    scalar = nn.MLP(2, [4, 1], rng=0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    net.load_state_dict(files.load_file(nn.save(scalar, tmp_path / "c.safetensors")))
    np.testing.assert_allclose(net(torch.tensor(x)).detach().numpy()[:, 0], nn.predict(scalar, x), rtol=1e-12)


def test_damaged_and_foreign_files_change_nothing(tmp_path):
    model = network()
    before = model.state_dict()
    good = nn.save(model, tmp_path / "good.safetensors").read_bytes()
    other = nn.save(nn.Linear(2, 3, rng=0), tmp_path / "other.safetensors").read_bytes()
    rng = np.random.default_rng(0)
    cases = {"empty": b"", "text": b"hello world, I am no model", "pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00", "other": other}
    cases |= {f"cut at {n}": good[:n] for n in (3, 8, 50, len(good) // 2, len(good) - 1)}
    cases["header says 2**60 bytes"] = struct.pack("<Q", 2**60) + good[8:]
    cases["longer"] = good + b"x"
    for name, data in cases.items():
        path = tmp_path / "bad.safetensors"
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"bad\.safetensors"):
            nn.load(path, model)
        assert all((model.state_dict()[k] == v).all() for k, v in before.items()), name
    for _ in range(60):                        # flipped bytes: an error, or a file that still fits
        data = bytearray(good)
        for at in rng.integers(0, 700, 3):
            data[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(data))
        for into in (network(), None):
            with contextlib.suppress(FileError):
                nn.load(path, into)
    with pytest.raises(FileError, match="there is no such file"):
        nn.load(tmp_path / "missing.safetensors", model)


def test_a_bit_that_is_another_one_is_noticed_wherever_it_is(tmp_path):
    """The format has no checksum of its own; ours is in the header, and files of others have none."""
    model = network()
    before, path = model.state_dict(), tmp_path / "bad.safetensors"
    good = bytearray(nn.save(model, path, notes={"mean": 0.5}).read_bytes())
    start = 8 + struct.unpack("<Q", good[:8])[0]
    for at in np.random.default_rng(0).choice(range(start, len(good)), 40, replace=False):
        path.write_bytes(bytes(good[:at]) + bytes([good[at] ^ 1 << int(at) % 8]) + bytes(good[at + 1 :]))
        for into in (model, None):
            with pytest.raises(FileError, match=r"bad\.safetensors: damaged, its checksum is not that of its contents; nothing was changed"):
                nn.load(path, into)
        with pytest.raises(FileError, match="damaged, its checksum"):
            notes_of(path)
    assert all((model.state_dict()[k] == v).all() for k, v in before.items())
    path.write_bytes(bytes(good).replace(b"0.5", b"0.7"))
    with pytest.raises(FileError, match="damaged, its checksum"):
        notes_of(path)
    arrays, header = read_arrays(nn.save(model, tmp_path / "good.safetensors"))
    import safetensors.numpy

    changed = {name: np.array(array + 1.0) for name, array in arrays.items()}
    for texts, fits in ((header, False), ({k: v for k, v in header.items() if k != "crc32"}, True), (None, True)):
        path.write_bytes(safetensors.numpy.save(changed, metadata=texts))
        with contextlib.nullcontext() if fits else pytest.raises(FileError, match=r"\(Leave 'crc32' out of the metadata of a file that was changed on purpose\.\)"):
            nn.load(path, model)
    assert all((model.state_dict()[k] == v + 1.0).all() for k, v in before.items())
    path.write_bytes(safetensors.numpy.save(arrays, metadata=header))    # written anew by another program, with everything that there was
    assert all((nn.load(path, model).state_dict()[k] == v).all() for k, v in before.items())


def with_header(path, model):
    """A file whose header describes something else."""
    import safetensors.numpy

    path.write_bytes(safetensors.numpy.save({"weight": np.ones((3, 2))}, metadata={"model": model}))
    return path


@pytest.mark.parametrize(("description", "message"), [
    ('{"kind": "os.system"}', "that this package does not have"),
    ('{"kind": "Tensor"}', "that this package does not have"),
    ('{"kind": "Linear", "nin": 1000000, "nout": 1000000}', "parameters, but holds 6"),
    ('{"kind": "MLP", "nin": 2, "nouts": [100000, 100000]}', "parameters, but holds 6"),
    ('{"kind": "Linear", "nin": -2, "nout": 3}', "damaged"),
    ('{"kind": "Linear", "nin": 2, "nout": 3, "evil": 1}', "damaged"),
    ('{"kind": "Linear"', "missing or damaged"),
    ("[1, 2]", "damaged"),
    ("[" * 100000, "missing or damaged"),
    ('{"kind": "Linear", "nin": 2, "nout": 4}', "not expected|missing|shape"),
    ('{"kind": "Sequential", "modules": 5}', "no list of modules"),
    ('{"kind": "again", "place": "0"}', "no module at '0'"),
    ('{"kind": "Sequential", "modules": [{"kind": "again", "place": ""}]}', "no module at ''"),
    ('{"kind": "Sequential", "modules": [{"kind": "ReLU"}, {"kind": "again", "place": [0]}]}', "no module at"),
])
def test_hostile_descriptions(tmp_path, description, message):
    with pytest.raises(FileError, match=message):
        nn.load(with_header(tmp_path / "x.safetensors", description))


def test_a_description_without_end():
    description = {"kind": "Sequential", "modules": []}
    for _ in range(5000):
        description = {"kind": "Sequential", "modules": [description]}
    with pytest.raises(FileError, match="nested too deep"):
        build(description)


def test_a_description_that_doubles():
    """A few hundred lines of it would be more modules than there are atoms."""
    description = {"kind": "ReLU"}
    for depth in range(300):
        description = {"kind": "Sequential", "modules": [description, {"kind": "again", "place": ".".join("0" * (300 - depth))}]}
    with pytest.raises(FileError, match="more than 100,000 places"):
        build(description)


def test_modules_in_several_places_are_one_after_loading(tmp_path):
    """A layer, and a block with a normalisation whose running statistics are shared too."""
    layer, block = nn.Linear(2, 2, rng=0), nn.Sequential(nn.Linear(2, 2, rng=1), nn.BatchNorm1d(2))
    model = nn.Sequential(layer, nn.Sequential(block, nn.Tanh(), layer), block, block[0])
    again = nn.load(nn.save(model, tmp_path / "model.safetensors"))
    assert list(again.state_dict()) == list(model.state_dict()) and describe(again) == describe(model)
    assert [name for name, _ in again.named_parameters()] == [name for name, _ in model.named_parameters()]
    x, y = moons(20, rng=0)
    for each in (model, again):
        nn.fit(each, x, y, loss="cross_entropy", epochs=5, rng=0, progress=False)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, again.state_dict()[name], err_msg=name)


def test_a_parameter_in_two_modules_is_saved_and_not_described(tmp_path):
    def tied():
        model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1))
        model[1].weight = model[0].weight
        return model

    model, other = tied(), tied()
    path = nn.save(model, tmp_path / "model.safetensors")
    with pytest.raises(OperandError, match="two modules share one parameter"):
        describe(model)
    with pytest.raises(FileError, match="does not describe its model; build it first"):
        nn.load(path)
    other[0].weight.data = np.zeros((2, 2))
    assert len(nn.load(path, other).parameters()) == 3 and np.array_equal(other[1].weight.data, model[0].weight.data)


def test_a_subclass_of_a_layer_is_not_taken_for_the_layer(tmp_path):
    class Linear(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2.0

    path = nn.save(nn.Sequential(Linear(2, 2, rng=0)), tmp_path / "model.safetensors")
    with pytest.raises(FileError, match="does not describe its model; build it first"):
        nn.load(path)


def test_what_cannot_be_described(tmp_path):
    class Mine(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 2, rng=0)

    path = nn.save(Mine(), tmp_path / "mine.safetensors")
    assert nn.load(path, Mine()).inner.weight.data.shape == (2, 2)
    with pytest.raises(FileError, match="does not describe its model"):
        nn.load(path)
    with pytest.raises(OperandError, match="plain function"):
        describe(nn.Sequential(np.tanh))
    assert isinstance(build({"kind": "ReLU"}), nn.ReLU)


def test_notes_are_what_json_can_hold(tmp_path):
    model, path = nn.Linear(1, 1, rng=0), tmp_path / "m"
    for notes in ({"a": object()}, {"a": {1, 2}}):
        with pytest.raises(OperandError, match="received notes that JSON cannot hold"):
            nn.save(model, path, notes=notes)
    assert not path.exists()
    nn.save(model, path, notes={"a": [1, "b", None]})
    assert notes_of(path) == {"a": [1, "b", None]}
    arrays, header = read_arrays(path)
    with pytest.raises(FileError, match="the notes in the file are damaged"):
        notes_of(write_arrays(path, arrays, {**header, "notes": "[1]"}))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "f", b"old")
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["f"]


def test_the_same_model_is_the_same_file_in_every_process(tmp_path):
    """Files can be compared, and kept in a repository: nothing in them depends on the order of a hash."""
    code = (
        "import sys, nn\nx, y = nn.data.moons(20, rng=0)\nmodel = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))\n"
        "nn.save(model, sys.argv[1], notes={'ünits': ['m', 's'], 'b': {'z': 1, 'a': 2}})"
    )
    for seed in range(6):
        environment = {**os.environ, "PYTHONPATH": str(Path(nn.__file__).parent.parent), "PYTHONHASHSEED": str(seed)}
        subprocess.run([sys.executable, "-c", code, f"m{seed}"], cwd=tmp_path, env=environment, check=True)
    (file,) = {path.read_bytes() for path in tmp_path.iterdir()}
    assert int.from_bytes(file[:8], "little") % 8 == 0 and notes_of(tmp_path / "m0") == {"ünits": ["m", "s"], "b": {"z": 1, "a": 2}}
    assert nn.load(tmp_path / "m0").state_dict().keys() == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    """Windows has a limit for the whole path, others for the name: what is written beside it first has no longer one."""
    longest = next(n for n in range(255, 100, -1) if not cannot_be_made(tmp_path / f"{'x' * n}"))
    assert write_atomically(tmp_path / f"{'x' * longest}", b"new").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


def cannot_be_made(path):
    try:
        path.touch()
    except OSError:
        return True
    path.unlink()
    return False


@pytest.mark.parametrize("name", [".", "..", "", "folder"])
def test_a_folder_is_no_file_to_write(tmp_path, name, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="received a directory, expected the name of a file to write"):
        write_atomically(name, b"new")
    assert [p.name for p in tmp_path.rglob("*")] == ["folder"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no umask to speak of")
@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002])
def test_a_file_is_as_private_as_any_other_of_the_users(tmp_path, mask):
    before = os.umask(mask)
    try:
        path = write_atomically(tmp_path / "f", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = nn.save(nn.Linear(1, 1, rng=0), tmp_path / "m")

    def refuse(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileError, match=r"m: cannot be read \(Permission denied\)\.$"):
        nn.load(path)


def refuses(times, monkeypatch):
    """Renaming is refused a few times, as on Windows while a scanner reads the file; returns what has been waited."""
    rename, left, waited = Path.replace, [times], []

    def replace(self, target):
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "Access is denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr("nn.files.time.sleep", waited.append)
    return waited


def test_a_file_that_another_program_has_open_is_waited_for(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "f", b"old")
    monkeypatch.setattr("nn.files._PATIENCE", 2.0)
    waited = refuses(5, monkeypatch)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and len(waited) == 5
    waited = refuses(10**6, monkeypatch)
    with pytest.raises(PermissionError):
        write_atomically(path, b"newer")
    assert 2.0 <= sum(waited) < 6.0
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("name", ["live.html", "live.png"])
def test_a_picture_that_cannot_be_put_in_place_leaves_no_part(tmp_path, monkeypatch, capsys, name):
    if name.endswith("png"):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed")
        monkeypatch.setenv("MPLBACKEND", "Agg")
    x, y = moons(20, rng=0)
    refuses(10**6, monkeypatch)
    nn.fit(nn.Linear(2, 2, rng=0), x, y, loss="cross_entropy", epochs=2, rng=0, progress=False, live=tmp_path / name)
    assert "Access is denied" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="this system does not flush folders")
def test_a_file_system_that_cannot_flush_a_folder(tmp_path, monkeypatch):
    flush = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        flush(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    assert write_atomically(tmp_path / "f", b"new").read_bytes() == b"new"


OPTIONS = {
    "loss": "cross_entropy", "batch_size": 16, "validation": 0.25, "metrics": "accuracy", "clip_norm": 1.0, "progress": False,
}  # fmt: skip


def run(epochs, path=None, resume=None, kind="adam", seed=3):
    x, y = moons(60, noise=0.3, rng=0)
    model = network(1)
    optimizer = {"adam": lambda p: nn.Adam(p, lr=0.02, amsgrad=True), "sgd": lambda p: nn.SGD(p, lr=0.1, momentum=0.9)}[kind](model.parameters())
    history = nn.fit(
        model, x, y, optimizer=optimizer, epochs=epochs, rng=seed, checkpoint=path, resume=resume, early_stopping=nn.EarlyStopping(50),
        schedule=lambda o: nn.CosineAnnealingLR(o, 20), **OPTIONS,
    )  # fmt: skip
    return {k: v for k, v in history.columns.items() if k != "seconds"}, {k: v.tolist() for k, v in model.state_dict().items()}


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_resuming_is_bit_exact(tmp_path, kind):
    path = tmp_path / "run.safetensors"
    whole = run(12, kind=kind)
    run(5, path, kind=kind)
    for fresh in (3, 99):                      # the generators come from the checkpoint, whatever the seed of the new process
        data = path.read_bytes()
        assert run(12, path, resume=True, kind=kind, seed=fresh) == whole or fresh != 3
        path.write_bytes(data)


def test_resuming_a_run_that_was_over(tmp_path):
    x, y = moons(20, rng=0)

    def go(**files):
        return nn.fit(
            nn.Linear(2, 2, rng=0), x, y, loss="cross_entropy", epochs=30, rng=0, checkpoint=tmp_path / "run",
            early_stopping=nn.EarlyStopping(2, min_delta=10.0), **files,
        )  # fmt: skip

    first, again = go(), go(resume=True)
    assert len(first) == len(again) == 3 and first.stopped == again.stopped == "early stopping"


def test_files_keep_the_dtype(tmp_path):
    modules = [nn.Linear(2, 3, dtype=np.float32), nn.BatchNorm1d(3, dtype=np.float32), nn.BatchNorm2d(3, dtype=np.float32), nn.LayerNorm(3, dtype=np.float32), nn.PReLU(3, dtype=np.float32),
               nn.RNNCell(2, 3, dtype=np.float32), nn.LSTMCell(2, 3, dtype=np.float32), nn.RNN(2, 3, dtype=np.float32),
               nn.GRUCell(2, 3, dtype=np.float32), nn.GRU(2, 3, 2, dtype=np.float32),
               nn.LSTM(2, 3, 2, dtype=np.float32), nn.Embedding(4, 2, dtype=np.float32), nn.Conv2d(1, 2, 3, dtype=np.float32)]  # fmt: skip
    takes_dtype = {name for name in nn.__all__ if isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Module) and "dtype" in inspect.signature(kind).parameters}
    assert takes_dtype == {type(module).__name__ for module in modules}
    for module in modules:
        found = nn.load(nn.save(module, tmp_path / "m.safetensors"))
        assert {k: v.dtype for k, v in found.state_dict().items()} == {k: v.dtype for k, v in module.state_dict().items()}, module


def test_without_safetensors_a_checkpoint_is_refused_before_the_first_epoch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    x, y = moons(20, rng=0)
    model = nn.Linear(2, 2, rng=0)
    before = model.state_dict()
    with pytest.raises(MissingExtraError, match=r"safetensors.*autograd-core\[demo\]"):
        nn.fit(model, x, y, loss="cross_entropy", epochs=5, checkpoint=tmp_path / "run")
    assert all((model.state_dict()[k] == v).all() for k, v in before.items())


def test_resuming_a_scalar_model(tmp_path):
    x, y = moons(20, rng=0)

    def go(epochs, **files):
        model = nn.MLP(2, [4, 1], rng=0)
        history = nn.fit(model, x, 2 * y - 1, loss="hinge", optimizer="rmsprop", lr=0.05, epochs=epochs, batch_size=5, rng=1, **files)
        return history["loss"], model.state_dict()["0.weight"].tolist()

    path = tmp_path / "run"
    go(3, checkpoint=path)
    assert go(6, resume=path) == go(6)


def test_a_checkpoint_of_another_run_changes_nothing(tmp_path):
    path = tmp_path / "run.safetensors"
    run(3, path)
    x, y = moons(60, rng=0)
    for model, optimizer, message in (
        (nn.Sequential(nn.Linear(2, 2, rng=0)), "adam", "does not fit"),
        (network(), "sgd", "written with Adam, this run has SGD"),
    ):
        before = model.state_dict()
        with pytest.raises(FileError, match=message):
            nn.fit(model, x, y, optimizer=optimizer, epochs=5, resume=path, early_stopping=50, schedule=lambda o: nn.CosineAnnealingLR(o, 20), **OPTIONS)
        assert all((model.state_dict()[k] == v).all() for k, v in before.items())
    with pytest.raises(FileError, match="no such file"):
        nn.fit(network(), x, y, resume=tmp_path / "none", loss="cross_entropy")
    model_file = nn.save(network(), tmp_path / "model.safetensors")
    with pytest.raises(FileError, match="this is not a checkpoint"):
        nn.fit(network(), x, y, resume=model_file, loss="cross_entropy")


def test_damaged_checkpoints_change_nothing(tmp_path):
    model = network()
    training = Training(model, nn.Adam(model.parameters()), None, None, np.random.default_rng(0))
    path = save_checkpoint(tmp_path / "c", training)
    good, before, rng = path.read_bytes(), model.state_dict(), np.random.default_rng(1)
    length = struct.unpack("<Q", good[:8])[0]
    header = json.loads(good[8 : 8 + length])
    del header["__metadata__"]["crc32"]        # what is in the file is looked at, too
    state = json.loads(header["__metadata__"]["checkpoint"])
    for key in list(state):
        broken = {k: v for k, v in state.items() if k != key}
        for damaged in (broken, {**state, key: "nonsense"}):
            header["__metadata__"]["checkpoint"] = json.dumps(damaged)
            text = json.dumps(header).encode()
            path.write_bytes(struct.pack("<Q", len(text)) + text + good[8 + length :])
            try:
                load_checkpoint(path, training)
            except FileError:
                assert all((model.state_dict()[k] == v).all() for k, v in before.items())
                assert training.epoch == 0
    for n in rng.integers(0, len(good), 20):
        path.write_bytes(good[:n])
        with pytest.raises(FileError):
            load_checkpoint(path, training)


DRIVER = """
import os, signal, sys, time
import numpy as np, nn
from nn.data import moons
from nn.checkpoint import load_checkpoint
from nn.training import Training

path, kills = sys.argv[1], int(sys.argv[2])
x, y = moons(40, rng=0)
rng, reached = np.random.default_rng(0), 0
for kill in range(20 * kills):
    if kill >= kills and reached > 5:
        break
    child = os.fork()
    model = nn.Sequential(nn.Linear(2, 64, rng=0), nn.Tanh(), nn.Linear(64, 2, rng=1))
    if child == 0:
        nn.fit(model, x, y, loss="cross_entropy", epochs=10**6, batch_size=8, rng=0, checkpoint=path, resume=True)
    time.sleep(float(rng.uniform(0.005, 0.06)) * (1 + kill // kills))    # a busy machine needs longer to come to a checkpoint
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not os.path.exists(path):
        continue
    training = Training(model, nn.Adam(model.parameters()), None, None, np.random.default_rng(0))
    load_checkpoint(path, training)
    assert reached <= training.epoch == len(training.history), (reached, training.epoch, len(training.history))
    reached = training.epoch
print(reached)
"""


def ready(*, modules=(), schedule=False, stopping=False, seed=0):
    """A run that has gone a step, with everything that a checkpoint holds."""
    model = nn.Sequential(nn.Linear(2, 2, rng=seed), *modules)
    optimizer = nn.Adam(model.parameters(), lr=0.5 + seed)
    training = Training(model, optimizer, nn.StepLR(optimizer, 2) if schedule else None, nn.EarlyStopping(3) if stopping else None, np.random.default_rng(seed))
    nn.mse_loss(model(np.ones((3, 2))), np.zeros((3, 2))).backward()
    optimizer.step()
    training.history.append({"loss": 1.0 + seed})
    training.epoch = 1 + seed
    return training


def all_of(training):
    """Whatever a checkpoint could change, as text."""
    return repr([
        training.model.state_dict(), training.optimizer.state_dict(), training.history.to_dict(), training.epoch, training.stopped, training.rng.bit_generator.state,
        None if training.schedule is None else training.schedule.state_dict(), None if training.stopping is None else {**vars(training.stopping), "weights": sorted((training.stopping.weights or {}).items())},
    ])  # fmt: skip


@pytest.mark.parametrize("stopping", [False, True])
def test_a_checkpoint_of_which_a_part_does_not_fit_changes_nothing(tmp_path, stopping):
    """Neither what the run goes on with, nor the best weights that it would bring back at its end."""
    def run_of(seed):
        training = ready(stopping=stopping, seed=seed)
        if stopping:
            training.stopping.seen(1.0, training.model, 1)
        return training

    arrays, header = read_arrays(save_checkpoint(tmp_path / "good", run_of(0)))
    assert any(name.startswith("best/") for name in arrays) == stopping
    run = run_of(1)
    before = all_of(run)
    for name, array in arrays.items():
        without = {other: a for other, a in arrays.items() if other != name}
        for wrong in ({**without, name: np.ones((*array.shape, 7))}, *([] if name.startswith("optimizer/") else [{**without, f"{name}_": array}])):
            with pytest.raises(FileError, match="does not fit this run"):
                load_checkpoint(write_arrays(tmp_path / "bad", wrong, header), run)
            assert all_of(run) == before, name
    load_checkpoint(tmp_path / "good", run)
    assert all_of(run) == all_of(run_of(0))


@pytest.mark.parametrize(
    ("mine", "message"),
    [
        ({"schedule": True}, "one of the two runs has schedule, the other does not"),
        ({"stopping": True}, "one of the two runs has stopping, the other does not"),
        ({"modules": [nn.Dropout(0.5, rng=0)]}, "its random generators are different ones"),
    ],
)
def test_a_checkpoint_of_a_run_made_of_other_parts_changes_nothing(tmp_path, mine, message):
    for one, other in ((mine, {}), ({}, mine)):
        path, run = save_checkpoint(tmp_path / "run", ready(**one)), ready(seed=1, **other)
        before = all_of(run)
        with pytest.raises(FileError, match=message):
            load_checkpoint(path, run)
        assert all_of(run) == before


@pytest.mark.parametrize("kind", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_generators_of_every_kind_go_on_where_they_were(tmp_path, kind):
    runs = [ready() for _ in range(2)]
    for seed, run in enumerate(runs):
        run.rng = np.random.Generator(getattr(np.random, kind)(seed))
        run.rng.integers(0, 9, 7)
    load_checkpoint(save_checkpoint(tmp_path / "run", runs[0]), runs[1])
    assert runs[0].rng.normal(size=9).tolist() == runs[1].rng.normal(size=9).tolist()


def test_early_stopping_goes_on_waiting_where_it_was(tmp_path):
    x, y = moons(12, rng=0)

    def go(epochs, **files):
        model = nn.Linear(2, 2, rng=0)
        history = nn.fit(model, x, y, loss="cross_entropy", lr=0.0, epochs=epochs, early_stopping=4, rng=0, **files)
        return len(history), history.stopped, history.best_epoch

    assert go(3, checkpoint=tmp_path / "run") == (3, "finished", 1)
    assert go(9, resume=tmp_path / "run") == go(9) == (5, "early stopping", 1)


def test_a_checkpoint_whose_loading_is_interrupted_changes_nothing(tmp_path, monkeypatch):
    def make():
        model = network()
        return Training(model, nn.SGD(model.parameters(), lr=0.5, momentum=0.9), None, None, np.random.default_rng(0))

    path = save_checkpoint(tmp_path / "run", make())
    run = make()
    run.model[0].weight.data = run.model[0].weight.data + 1.0
    before, load, calls = run.model.state_dict(), nn.SGD.load_state_dict, []

    def interrupted(self, state):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return load(self, state)

    monkeypatch.setattr(nn.SGD, "load_state_dict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_checkpoint(path, run)
    assert len(calls) == 2 and all((run.model.state_dict()[name] == array).all() for name, array in before.items())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_any_moment_a_whole_checkpoint_is_left(tmp_path, count):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path / "run.safetensors"), str(kills := 50)], env=environment, capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stderr
    count("processes killed while they wrote a checkpoint", kills)
    assert int(done.stdout) > 5               # and each run went on where the one before was killed


def tanh(z):
    """A function of the user's that has the name of one of ours."""
    return z.tanh() * 1.7


@pytest.mark.parametrize("make", [lambda: nn.MLP(2, [3, 1], activation=tanh, rng=0), lambda: nn.Neuron(2, activation=tanh, rng=0)])
def test_an_activation_of_ones_own_is_not_taken_for_ours_of_that_name(make, tmp_path):
    model = make()
    path = nn.save(model, tmp_path / "model.safetensors")
    with pytest.raises(FileError, match="does not describe its model; build it first"):
        nn.load(path)
    assert nn.load(path, make())([1.0, 2.0]).data == model([1.0, 2.0]).data
    assert nn.fit(make(), *moons(20, rng=0), epochs=4, rng=0, progress=False).lifted == ""


def test_a_model_comes_back_in_the_mode_it_was_saved_in(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 2))
    for model in (network().eval(), network()):
        again = nn.load(nn.save(model, tmp_path / "model.safetensors"))
        assert {m.training for m in again.modules()} == {model.training}
        given = nn.load(tmp_path / "model.safetensors", network(5).train())
        assert given.training
    model = network().eval()
    np.testing.assert_array_equal(nn.load(nn.save(model, tmp_path / "model.safetensors"))(x).data, model(x).data)


def test_files_are_written_into_new_folders_and_nothing_stays_open(tmp_path):
    """Over and over to one place; arrays in any order of memory come back as they were."""
    model = nn.Linear(3, 2, rng=0)
    model.weight.data = np.asfortranarray(model.weight.data)
    process = psutil.Process()
    handles = process.num_handles if hasattr(process, "num_handles") else process.num_fds
    target = tmp_path / "a" / "b" / "model.safetensors"
    nn.save(model, target)
    before = handles()
    for _ in range(30):
        nn.save(model, target)
    assert handles() <= before + 3
    np.testing.assert_array_equal(nn.load(target).weight.data, model.weight.data)
    assert [path.name for path in target.parent.iterdir()] == ["model.safetensors"]
