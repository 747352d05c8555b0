"""The command line: what it writes, and one clear line with exit code 2 for everything that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from nn.cli import read_csv, run

for extra in ("matplotlib", "sklearn", "safetensors"):
    pytest.importorskip(extra, reason=f"{extra} is not installed")


def files(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def test_train_and_predict(tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["train", "moons", "--epochs", "30", "--hidden", "8", "--quiet", "--output", str(out), "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert files(out) == ["checkpoint.safetensors", "decision_boundary.png", "loss.png", "model.safetensors"]
    assert "320 samples to train on, 80 held out" in said and "30 epochs (finished)" in said
    assert all(str(out / name) in said for name in files(out))
    (tmp_path / "points.csv").write_text("x2,x1,other\n0.8,0.0,5\n-0.5,1.0,6\n", encoding="utf-8")
    assert run(["predict", str(out / "model.safetensors"), str(tmp_path / "points.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "class,probability" and [line.split(",")[0] for line in lines[1:]] == ["0", "1"]


def test_without_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    out = tmp_path / "out"
    train = ["train", "moons", "--epochs", "2", "--hidden", "4", "--quiet", "--output", str(out)]
    assert run(train) == 2 and not out.exists()
    said = capsys.readouterr().err
    assert "matplotlib" in said and 'pip install "autograd-core[demo]"' in said and said.count("\n") == 1
    assert run([*train, "--no-plots"]) == 0 and files(out) == ["checkpoint.safetensors", "model.safetensors"]


def test_a_run_in_two_parts_ends_like_one_in_one(tmp_path, capsys):
    common = ["train", "blobs", "--hidden", "4", "--quiet", "--no-plots", "--dropout", "0.1", "--samples", "60"]
    assert run([*common, "--epochs", "8", "--output", str(tmp_path / "whole")]) == 0
    assert run([*common, "--epochs", "4", "--output", str(tmp_path / "parts")]) == 0
    assert run([*common, "--epochs", "8", "--resume", "--output", str(tmp_path / "parts")]) == 0
    whole, parts = (nn.load(tmp_path / name / "model.safetensors").state_dict() for name in ("whole", "parts"))
    assert {k: v.tolist() for k, v in whole.items()} == {k: v.tolist() for k, v in parts.items()}


def test_csv_with_numbers_and_with_classes(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (80, 2))
    rows = [f"{a},{3 * a - b + 100},{b},{(a > 0) * 5}" for a, b in x]
    (tmp_path / "t.csv").write_text("\n".join(["a,y,b,kind", *rows]) + "\n", encoding="utf-8")
    path, out = str(tmp_path / "t.csv"), tmp_path / "o"
    assert run(["train", path, "--target", "y", "--hidden", "16", "--lr", "0.02", "--epochs", "80", "--quiet", "--output", str(out)]) == 0
    assert float(capsys.readouterr().out.split("held out ")[-1].split("\n")[0]) > 0.95
    assert run(["predict", str(out / "model.safetensors"), path, "--output", str(tmp_path / "p.csv")]) == 0
    _, numbers = read_csv(tmp_path / "p.csv")
    assert np.abs(numbers[:, 0] - (3 * x[:, 0] - x[:, 1] + 100)).mean() < 0.5
    assert run(["train", path, "--hidden", "8", "--scalar", "--epochs", "4", "--optimizer", "sgd", "--quiet", "--output", str(out)]) == 0
    assert "2 classes" in capsys.readouterr().out
    assert run(["predict", str(out / "model.safetensors"), path]) == 0
    assert set(capsys.readouterr().out.split()[1].split(",")[:1]) <= {"0", "5"}


BAD_FILES = {
    "a,b\n1,x\n": "line 2, column 2 (b): 'x' is not a number",
    "a,b\n1,2\n1,nan\n": "line 3, column 2 (b): nan is not a finite number",
    "a,b\n1,2\n\n1\n": "line 4 has 1 columns, expected 2 as in the first line",
    "a,b\n1,\n": "line 2, column 2 (b): '' is not a number",
    "": "the file is empty",
    "a,b\n": "no lines of numbers",
    "1,2\n3,4\n": "line 1 has numbers, expected the names of the columns there",
    "a\n1\n": "there is one column",
    "a,b\n1,2\n2,2\n3,2\n4,2\n5,2\n": "has one class only",
    "a;b\n1,5;2\n": "line 1 has columns separated by ';', expected commas between them and points in numbers",
    "a\tb\n1\t2\n": "separated by '\\t', expected commas",
    "a,b\n1,2\n2,1\n": "there are 2 samples, expected at least 5",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_bad_files(text, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    assert run(["train", str(path), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert BAD_FILES[text] in said.err and said.err.count("\n") == 1 and said.out == ""
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_code_page_of_a_spreadsheet(tmp_path, capsys):
    path = tmp_path / "größe.csv"
    path.write_text("größe,b\n1,2\n", encoding="cp1252")
    assert run(["train", str(path)]) == 2
    said = capsys.readouterr().err
    assert "not a text file in UTF-8" in said and "“CSV UTF-8”" in said and said.count("\n") == 1
    path.write_text("größe,b\r\n1,2\r\n", encoding="utf-8-sig", newline="")
    assert read_csv(path)[0] == ["größe", "b"] and read_csv(path)[1].tolist() == [[1.0, 2.0]]


def as_a_program(*words, folder, encoding):
    """The command line where output goes into a pipe that takes only one encoding, as on Windows its code page."""
    environment = {**os.environ, "PYTHONPATH": str(Path(nn.__file__).parent.parent), "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, "-m", "nn", *words], cwd=folder, env=environment, capture_output=True, encoding=encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
def test_where_the_output_cannot_hold_every_character(tmp_path, encoding):
    data = tmp_path / "λ und ω.csv"
    data.write_text("a,λ\n" + "".join(f"{i},{2 * i + 0.5}\n" for i in range(20)), encoding="utf-8")
    done = as_a_program("train", data.name, "--epochs", "1", "--quiet", "--no-plots", "--output", "o ü", folder=tmp_path, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert "; R^2 " in done.stdout and "o u/model.safetensors" in done.stdout.replace("\\", "/")
    assert files(tmp_path / "o ü") == ["checkpoint.safetensors", "model.safetensors"]
    guess = ("predict", "o ü/model.safetensors", data.name)
    done = as_a_program(*guess, folder=tmp_path, encoding=encoding)
    if encoding == "ascii":                    # Japanese has Greek letters
        assert done.returncode == 2 and done.stdout == "", "half of the data, or other data, would be worse than none"
        assert done.stderr == "python -m nn: '\\u03bb' cannot be printed in ascii; --output FILE writes UTF-8.\n"
    else:
        assert done.returncode == 0 and done.stdout.splitlines()[0] == "λ" and len(done.stdout.splitlines()) == 21
    assert as_a_program(*guess, "--output", "guess.csv", folder=tmp_path, encoding=encoding).returncode == 0
    assert (tmp_path / "guess.csv").read_text(encoding="utf-8").splitlines()[0] == "λ"


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "mars"], "neither a data set (moons"),
    (["train", "missing.csv"], "there is no such file"),
    (["train"], "the following arguments are required: data"),
    (["train", "moons", "--hidden", "0"], "--hidden: received [0]"),
    (["train", "moons", "--epochs", "0"], "--epochs: received 0"),
    (["train", "moons", "--epochs", "ten"], "invalid int value: 'ten'"),
    (["train", "moons", "--lr", "nan"], "--lr: received nan"),
    (["train", "moons", "--optimizer", "newton"], "invalid choice: 'newton'"),
    (["train", "moons", "--test", "1.5"], "--test: received 1.5"),
    (["train", "moons", "--scalar", "--dropout", "0.5"], "not with --scalar"),
    (["predict", "none.safetensors", "x.csv"], "there is no such file"),
    (["fly"], "invalid choice: 'fly'"),
    (["train", "moons", "--activation"], "expected one argument"),
])
def test_bad_arguments(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and "Traceback" not in said.err


def test_predict_needs_the_columns(tmp_path, capsys):
    out = tmp_path / "out"
    run(["train", "xor", "--epochs", "1", "--quiet", "--no-plots", "--samples", "20", "--output", str(out)])
    (tmp_path / "q.csv").write_text("x1,z\n1,2\n", encoding="utf-8")
    capsys.readouterr()
    assert run(["predict", str(out / "model.safetensors"), str(tmp_path / "q.csv")]) == 2
    assert "the column 'x2' is missing; the model needs x1, x2" in capsys.readouterr().err
    assert run(["predict", str(tmp_path / "q.csv"), str(tmp_path / "q.csv")]) == 2
    assert "not a safetensors file" in capsys.readouterr().err


def test_help_is_complete(capsys):
    for command, words in ((["--help"], ["train", "predict", "demo"]), (["train", "--help"], ["--hidden", "default: tanh", "CSV", "--resume", "spirals"])):
        assert run(command) == 0
        said = capsys.readouterr().out
        assert all(word in said for word in words)


@pytest.mark.slow
def test_the_demo(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nn"], cwd=tmp_path, env={**__import__("os").environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, encoding="utf-8", timeout=120,
    )
    assert done.returncode == 0, done.stderr
    written = files(tmp_path / "demo_output")
    assert written == [
        "digits_loss.png", "digits_misclassified.png", "digits_weights.png", "moons_decision_boundary.png", "moons_loss.png", "moons_training.html",
        "neuron_graph.svg", "neuron_steps.html",
    ]  # fmt: skip
    assert all(str(Path("demo_output", name)) in done.stdout for name in written)
    share = float(done.stdout.split("% of 359 held out")[0].split()[-1])
    assert share >= 96.0 and "100.0% of training set" in done.stdout
    table = done.stdout.split("2/2")[1].split("\nThe steps")[0].splitlines()[1:]
    assert len(table) > 4 and max(map(len, table)) <= 80, "in a terminal of 80 columns"
    pages = [(tmp_path / "demo_output" / name).read_text(encoding="utf-8") for name in written if name.endswith(".html")]
    assert all('id="range"' in page and "http://" not in page.replace("http://www.w3.org/", "") for page in pages), "sliders, and no network"
    svg = (tmp_path / "demo_output/neuron_graph.svg").read_text(encoding="utf-8")
    assert "<svg" in svg and "tanh" in svg and "epoch" in done.stderr


def told(arguments, capsys):
    """The exit code, and the one line that says what is wrong."""
    code = run([str(a) for a in arguments])
    (line,) = capsys.readouterr().err.splitlines()
    return code, line


def test_files_that_cannot_be_learnt_from(tmp_path, capsys):
    table, long = tmp_path / "t.csv", tmp_path / "long.csv"
    table.write_text("a,b\n" + "".join(f"{i},{i / 4}\n" for i in range(20)), encoding="utf-8")
    long.write_text('a,b\n"' + "1" * 140_000 + '",2\n', encoding="utf-8")
    out = ["--output", tmp_path / "out", "--epochs", 1, "--quiet"]
    for arguments, message in (
        ([long], "long.csv: not a CSV text file (field larger than field limit (131072))."),
        ([table, "--target", "c"], "t.csv: there is no column 'c'; there are a, b."),
        ([table, "--task", "classes"], "t.csv: column 'b' has fractions, so it cannot be class numbers; use --task numbers."),
    ):
        code, line = told(["train", *arguments, *out], capsys)
        assert code == 2 and line.startswith("python -m nn: ") and line.endswith(message)
    assert not (tmp_path / "out").exists()
    assert run(["train", str(table), *map(str, out)]) == 0
    assert "fit.png" in files(tmp_path / "out") and "R²" in capsys.readouterr().out
    other = nn.save(nn.Linear(1, 1, rng=0), tmp_path / "other.safetensors")
    code, line = told(["predict", other, table], capsys)
    assert code == 2 and "was not written by `python -m nn train`" in line
    code, line = told(["predict", tmp_path / "out" / "model.safetensors", table, "--output", tmp_path / "no" / "folder.csv"], capsys)
    assert code == 2 and line == f"python -m nn: {tmp_path / 'no' / 'folder.csv'}: No such file or directory"


def test_digits_are_learnt_with_a_picture_of_the_wrong_ones(tmp_path, capsys):
    assert run(["train", "digits", "--epochs", "1", "--hidden", "4", "--quiet", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1438 samples to train on, 359 held out, 64 features, 10 classes" in said and "misclassified.png" in files(tmp_path)


@pytest.mark.parametrize("at", ["taken", "taken/below"])
def test_a_folder_that_cannot_be_made_is_named_before_the_training(tmp_path, capsys, monkeypatch, at):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    monkeypatch.setattr("nn.cli.fit", lambda *_, **__: pytest.fail("it was trained for"))
    assert run(["train", "moons", "--epochs", "2", "--output", str(tmp_path / at)]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith(f"python -m nn: {tmp_path / at}: ") and err.count("\n") == 1
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "a file"


def test_ctrl_c_before_the_first_epoch_is_over_writes_nothing(tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nn.epochs.Epoch.__call__", interrupted)
    train = ["train", "moons", "--epochs", "3", "--quiet", "--output", str(tmp_path / "out")]
    assert run(train) == 1 and "ended before the first epoch was over; nothing was written." in capsys.readouterr().out
    assert not (tmp_path / "out").exists() or not files(tmp_path / "out")


@pytest.mark.parametrize(("error", "code", "said"), [(KeyboardInterrupt, 130, "interrupted\n"), (BrokenPipeError, 0, "")])
def test_what_ends_a_command_from_outside(capsys, monkeypatch, error, code, said):
    def ended(_):
        raise error

    monkeypatch.setattr("nn.cli._train", ended)
    assert run(["train", "moons"]) == code and capsys.readouterr().err == said
