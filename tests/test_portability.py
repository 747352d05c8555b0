"""Other systems: what Windows, macOS and other encodings would stumble over is found by reading and by taking things away."""

import ast
import fnmatch
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import tomllib
import types
from collections import Counter
from pathlib import Path

import pytest

import autograd_core
import nn
from autograd_core.viz.console import plain, say

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for room in ("autograd_core", "nn", "tests", "notebooks") for path in (ROOT / room).rglob("*.py"))
KEPT = sorted(
    path for room in ("autograd_core", "nn", "tests", "notebooks") for path in (ROOT / room).rglob("*")
    if not {"__pycache__", ".ipynb_checkpoints", "demo_output", "train_output"} & set(path.relative_to(ROOT).parts)
)  # fmt: skip


def run(code, folder, *flags, **environment):
    """What a program prints; the engine is found wherever it runs."""
    everything = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    program = folder / "program.py"
    program.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, *flags, str(program)], cwd=folder, env=everything, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------------------------------------------- reading
def calls_without_encoding(tree):
    """Calls that open a text file or a pipe in whatever encoding the system happens to have."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of = ast.unparse(node.func.value).rpartition(".")[2].lower() if isinstance(node.func, ast.Attribute) else ""
        modes = [a.value for a in [*node.args, *given.values()] if isinstance(a, ast.Constant) and re.fullmatch("[rwaxbt+]+", str(a.value))]
        opens = name in ("read_text", "write_text") or (name == "open" and of not in ("os", "image") and not any("b" in mode for mode in modes))
        pipes = any(getattr(given.get(name), "value", None) is True for name in ("text", "universal_newlines"))
        if (opens or pipes) and "encoding" not in given:
            yield ast.unparse(node)


def test_every_text_is_read_and_written_in_a_stated_encoding():
    found = [f"{path.name}: {call}" for path in SOURCES for call in calls_without_encoding(ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []
    planted = "p.open()\nopen(x, 'w')\np.read_text()\nrun(c, text=True)\nopen(x, 'rb')\np.open(encoding='utf-8')\nos.open(x)"
    assert len(list(calls_without_encoding(ast.parse(planted)))) == 4


def test_every_file_may_lie_on_every_system():
    names = [path.relative_to(ROOT).as_posix() for path in KEPT]
    assert len(names) > 200
    assert [name for name, n in Counter(map(str.lower, names)).items() if n > 1] == []
    devices = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
    for path in KEPT:
        assert not re.search(r'[<>:"\\|?*\x00-\x1f]|[ .]$', path.name) and path.name.isascii(), path
        assert path.name.partition(".")[0].lower() not in devices, path


def test_everything_a_package_needs_is_installed_with_it():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["*"]
    others = [path for path in KEPT if path.is_file() and path.suffix != ".py" and path.relative_to(ROOT).parts[0] in ("autograd_core", "nn")]
    assert {"py.typed", "page.js", "page.css", "_methods.pyi"} <= {path.name for path in others}
    for path in others:
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), path
        assert (path.parent / "__init__.py").exists(), path
    for package in (path.parent for path in KEPT if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ("autograd_core", "nn")):
        assert (package / "__init__.py").exists(), package


def test_the_licence_is_stated_as_build_tools_read_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "MIT" and project["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert not [line for line in project["classifiers"] if line.startswith("License")], "refused beside an SPDX expression"


# ------------------------------------------------------------------------------------------------- taking away
WITHOUT_UNIX = """
import os, signal, sys
import numpy
for module in (os, signal):
    for name in ("O_DIRECTORY", "fork", "getuid", "geteuid", "sysconf", "SIGALRM", "SIGKILL", "SIGPIPE", "setitimer", "alarm", "register_at_fork"):
        module.__dict__.pop(name, None)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
"""
WORK = """
import pathlib, sys
import numpy as np
import nn
from autograd_core import Value, draw, explain, lift
x, y = nn.data.moons(20, rng=0)
model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
history = nn.fit(model, x, y, loss="cross_entropy", epochs=2, rng=0, progress=None, live="run.html")
z = (Value(2.0, label="w") * Value(-1.0, label="λ")).tanh()
z.backward()
for made in (draw(z).save("a b.svg"), draw(z).save("a.html"), draw(z).save("a.dot"), explain(z).save("e.html"), explain(z).save("e.txt"), pathlib.Path("run.html")):
    found = made.read_bytes()
    assert b"\\r" not in found and len(found.decode("utf-8")) > 100, made
assert "λ" in pathlib.Path("a b.svg").read_text(encoding="utf-8") and "∂" in pathlib.Path("e.txt").read_text(encoding="utf-8")
try:
    nn.save(model, "m/model")
except ImportError as missing:
    assert "safetensors" in str(missing)
else:
    assert (nn.load("m/model")(x).data == model(x).data).all()
assert str(lift(z)) and history["loss"]
sys.stdout.write("done")
"""


@pytest.mark.parametrize("folder", ["plain", "with space", "ünïcödé λ"])
def test_what_only_unix_has_is_not_needed(tmp_path, folder):
    place = tmp_path / folder
    place.mkdir()
    assert run(WITHOUT_UNIX + WORK, place) == "done"


def test_no_utf8_anywhere(tmp_path):
    """Files are in UTF-8 whatever the system's own encoding is, and nobody asks for that (`-X warn_default_encoding`)."""
    check = (
        "import sys, warnings\nwarnings.filterwarnings('error', category=EncodingWarning, module=r'(autograd_core|nn)\\b')\n"
        "assert sys.getfilesystemencoding() != 'utf-8' or sys.platform != 'linux'\n"
    )
    environment = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONWARNDEFAULTENCODING": "1"}
    assert run(check + WORK, tmp_path, **environment) == "done"


def test_a_program_without_a_console(tmp_path):
    """`pythonw` and frozen programs on Windows have no standard streams."""
    hidden = "import sys\nkept, sys.stdout, sys.stderr, sys.stdin = sys.stdout, None, None, None\n"
    assert run(hidden + WORK.replace("sys.stdout.write", "kept.write"), tmp_path) == "done"


@pytest.mark.parametrize("flag", ["-OO", "-bb"])
def test_no_docstrings_and_no_asserts(tmp_path, flag):
    """As programs are packed: nothing is done in an assert, nothing is read from a docstring."""
    said = run(f"{WORK}\nfrom autograd_core.__main__ import main\nsys.exit(main(['explain', 'tanh(w*x)', 'w=2', 'x=-1']))", tmp_path, flag)
    assert said.startswith("done") and "∂out/∂w" in said


def test_what_a_terminal_cannot_write_is_said_in_other_words():
    assert plain("∂L/∂w₁ = −0.5·e⁻ˣ ≥ 2×10³, ‖v‖, Größe 漢", "ascii") == "dL/dw1 = -0.5*e^-^x >= 2*10^3, ||v||, Gro?e ?"
    assert plain("∂x − ², é", "cp1252") == "dx - ², é"
    assert plain("∂x − ²", "utf-8") == "∂x − ²"


def test_the_table_is_read_without_question_marks():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0"}
    for encoding in ("ascii", "cp932"):
        for words in (["operations"], ["explain", "tanh(w*x + b)/sqrt(x) - sigmoid(b)", "w=-2", "x=3", "b=0.5"]):
            done = subprocess.run(
                [sys.executable, "-m", "autograd_core", *words], env={**environment, "PYTHONIOENCODING": encoding}, capture_output=True, check=True
            )
            assert "?" not in done.stdout.decode(encoding), (encoding, words)
    assert "dout/dw = " in done.stdout.decode(encoding) or "∂out/∂w = " in done.stdout.decode(encoding)


@pytest.mark.parametrize(("problem", "quiet"), [(BrokenPipeError(32, "Broken pipe"), True), (OSError(22, "Invalid argument"), True), (OSError(28, "No space left"), False)])
def test_a_reader_that_has_gone_on_any_system(monkeypatch, problem, quiet):
    class Gone:
        encoding = "utf-8"

        def write(self, text):
            raise problem

    monkeypatch.setattr(sys, "stdout", Gone())
    if quiet:
        say("a line")
        say("and one more")
        print("and another")
        assert sys.stdout is None
    else:
        with pytest.raises(OSError, match="No space left"):
            say("a line")


COMMANDS = {
    "-m nn --help": 0, "-m nn train --help": 0, "-m nn train blobs --samples 20 --epochs 1 --quiet --no-plots --output out": 2, "-m autograd_core --help": 0,
    "-m autograd_core operations": 0, "-m autograd_core explain x*x x=3 --svg out/steps.svg": 1,
}  # fmt: skip
"""Commands, and how many files each leaves."""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-X dev", "-u"])
def test_a_command_ends_quietly_where_its_reader_has_gone_and_has_done_its_work(tmp_path, command, flag):
    """As in `python -m nn train moons | head -1`; Python keeps what it prints back until the end, or does not (`-u`)."""
    if "train blobs" in command:
        pytest.importorskip("safetensors")
    (tmp_path / "out").mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"} | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, *flag.split(), *command.split()]
    process = subprocess.Popen(program, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.communicate(timeout=300)[1] == b"" and process.returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == COMMANDS[command]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_output_has_no_room_says_so_in_one_line(tmp_path, command):
    (tmp_path / "out").mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"} | {"PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, *command.split()], cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", timeout=300)
    assert done.returncode == 2 and done.stderr.endswith("No space left on device\n") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("streams", ["stdout", "stderr", "stdin", "stdout, stderr, stdin"])
def test_a_command_without_its_streams(tmp_path, streams):
    """A service, a scheduler or pythonw gives none; the bar of a run that asks for one has nowhere to be."""
    pytest.importorskip("safetensors")
    code = (
        f"import sys\nfor name in {streams!r}.split(', '):\n    setattr(sys, name, None)\nfrom autograd_core.viz import as_command\nfrom nn.cli import run\n"
        "said = as_command(lambda: run('train blobs --samples 20 --epochs 2 --no-plots --output out'.split()))\nsys.exit(said)"
    )
    run(code, tmp_path)
    assert len(list((tmp_path / "out").iterdir())) == 2


WITHOUT_EXTRAS = """
import sys
for name in ("hypothesis", "matplotlib", "sklearn", "safetensors", "tqdm", "scipy", "IPython", "pandas", "pygraphviz", "psutil"):
    sys.modules[name] = None
import doctest, inspect, pydoc
import numpy as np
import autograd_core, nn
from autograd_core import strategies, viz
from autograd_core.errors import MissingExtraError
rooms = (autograd_core, strategies, viz, nn, nn.data, nn.plot)
for room in rooms:
    assert pydoc.render_doc(room) and doctest.DocTestFinder().find(room) and not hasattr(room, "__wrapped__")
    for name in (*dir(room), *room.__all__):
        inspect.unwrap(getattr(room, name))
x, y = nn.data.moons(20, rng=0)
model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
fit = lambda **options: nn.fit(model, x, y, loss="cross_entropy", epochs=1, rng=0, **options)
history = fit()
for need in (
    lambda: strategies.expressions(), lambda: strategies.floats_in(), lambda: fit(progress=True), lambda: fit(checkpoint="c"), lambda: fit(live="a.png"),
    lambda: autograd_core.check_grads(lambda x: x * x, (1.0,), progress=True), lambda: nn.save(model, "m"), lambda: nn.load(__file__),
    nn.data.digits, lambda: nn.data.sklearn_data("iris"), history.plot, lambda: nn.plot.loss_curves(history), lambda: nn.plot.decision_boundary(model, x, y),
    lambda: nn.plot.activation_gallery(), lambda: nn.plot.network(model), lambda: nn.plot.data_scatter(x, y), lambda: nn.plot.image_grid(x.reshape(20, 1, 2)),
    lambda: nn.plot.loss_surface(lambda p: (p * p).sum()), lambda: nn.plot.weight_images(nn.Linear(4, 2, rng=0)),
    lambda: nn.plot.regression_fit(nn.Linear(1, 1, rng=0), x[:, :1], x[:, 1:]), lambda: nn.plot.misclassified(nn.Linear(4, 2, rng=0), np.zeros((20, 4)), y),
    lambda: nn.plot.layer_histograms(model, x, y, loss="cross_entropy"),
):
    try:
        need()
    except MissingExtraError as missing:
        assert 'pip install "autograd-core[' in str(missing), missing
    else:
        raise AssertionError(inspect.getsource(need))
sys.stdout.write("done")
"""


def test_without_any_extra_everything_is_found_and_what_needs_one_names_it(tmp_path):
    assert run(WITHOUT_EXTRAS, tmp_path) == "done"


PICTURES = """
import hashlib, pathlib, sys
import nn
from autograd_core import TABLE, Tensor, Value, draw, explain, lift
from autograd_core.catalogue import catalogue
from autograd_core.lifting import lift_with_origins
x, w = Value(2.0, label="x"), Value(-1.25, label="w")
model = nn.MLP(2, [4, 1], rng=0)
y, t = model([x, w]) * x, Tensor([[1.0, 1e-7], [12345.678, -0.5]], label="t")
y.backward()
z = (t @ t).sum()
scores = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
history = nn.fit(scores, *nn.data.moons(40, rng=0), loss="cross_entropy", epochs=3, rng=0, metrics="accuracy", live="run.html")
for made in (
    draw(y).svg, draw(y).source, draw(y).html, draw(z).html, str(explain(y)), explain(y).html, explain(z).html, str(lift(y, params=model.parameters())),
    draw(lift_with_origins(y, params=model.parameters())).html, pathlib.Path("run.html").read_text(encoding="utf-8"), catalogue(), repr((history["loss"], y)),
):
    print(hashlib.sha256(made.encode()).hexdigest())
"""
STATES = {
    "as it is": "", "another order of hashes": "", "errors raised": "np.seterr(all='raise')", "few digits": "np.set_printoptions(precision=2, threshold=3, edgeitems=1, floatmode='fixed', sign='+')",
    "digits of old": "np.set_printoptions(legacy='1.13')", "a low limit of recursion": "import nn.cli, autograd_core.viz, autograd_core.lifting\nsys.setrecursionlimit(150)",
    "a comma in numbers": "import locale\nfor name in ('de_DE.UTF-8', 'de_DE.utf8', 'de-DE', 'fr_FR.UTF-8', ''):\n    try:\n        locale.setlocale(locale.LC_ALL, name)\n        break\n    except locale.Error:\n        pass",
}  # fmt: skip


def test_pictures_and_listings_do_not_depend_on_what_a_program_has_set(tmp_path):
    said = {state: run(f"import sys\nimport numpy as np\n{STATES[state]}\n{PICTURES}", tmp_path, PYTHONHASHSEED=str(i)) for i, state in enumerate(STATES)}
    assert len(said["as it is"].split()) == 12 and {state for state in said if said[state] != said["as it is"]} == set()


@pytest.mark.parametrize("package", [autograd_core, nn, nn.data, nn.plot], ids=lambda package: package.__name__)
def test_every_public_function_can_be_sent_to_another_process(package):
    sent = [getattr(package, name) for name in package.__all__]
    for one in filter(callable, sent):
        if not isinstance(one, types.GenericAlias):
            assert all(pickle.loads(pickle.dumps(one, protocol)) is one for protocol in range(pickle.HIGHEST_PROTOCOL + 1))


PROCESSES = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import nn
from autograd_core import Tensor, Value, detect_anomaly, value_and_grad
from autograd_core.errors import AnomalyError

def loss(p):
    return np.sum(np.tanh(p["w"]) * p["b"])

def slopes(p):
    return value_and_grad(loss)(p)

def trained(job):
    model, x, y = job
    history = nn.fit(model, x, y, loss="cross_entropy", epochs=2, rng=0)
    return model, history

def back(root):
    root.backward()
    return root

def fails(number):
    with detect_anomaly():
        Value(number, label="x").log()

if __name__ == "__main__":
    x, y = nn.data.moons(20, rng=0)
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
    here = np.tanh(Tensor([1.0, 2.0]))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(sys.argv[1])) as pool:
        job = {"w": np.array([0.5, -1.0]), "b": 2.0}
        there = pool.submit(slopes, job).result()
        assert there[0] == slopes(job)[0] and (there[1]["w"] == slopes(job)[1]["w"]).all()
        other, history = pool.submit(trained, (model, x, y)).result()
        mine, same = trained((model, x, y))
        assert history["loss"] == same["loss"] and all((a == b).all() for a, b in zip(other.state_dict().values(), mine.state_dict().values()))
        leaf = Value(3.0, label="x")
        root = pool.submit(back, leaf * leaf).result()
        assert root.parents[0].grad == 6.0 and root.parents[0] is root.parents[1] and leaf.grad == 0.0
        assert (pool.submit(np.tanh, Tensor([1.0, 2.0])).result().data == here.data).all()
        try:
            pool.submit(fails, -1.0).result()
        except AnomalyError as error:
            assert "log gave nan" in str(error)
            sys.stdout.write("done")
"""


@pytest.mark.parametrize("way", multiprocessing.get_all_start_methods())
def test_work_is_shared_among_processes_however_they_are_started(tmp_path, way):
    """Windows and macOS spawn, Linux forks or keeps a server: functions, models, graphs, histories and errors go there and back."""
    assert run(PROCESSES.replace("sys.argv[1]", repr(way)), tmp_path) == "done"
