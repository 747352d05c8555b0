"""The README is run: every Python snippet in order, its pictures are current, its commands are those of CI."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def test_every_snippet_runs_in_order(capsys):
    space = {"__name__": "readme"}
    for snippet in SNIPPETS:
        exec(compile(snippet, "<README>", "exec"), space)
    assert len(SNIPPETS) >= 6
    assert "@" in capsys.readouterr().out, "print(program) shows a matrix product"


def test_the_first_two_commands_are_the_demo_and_the_tests():
    assert COMMANDS[0].rstrip().endswith("-m nn")
    assert "-m pytest" in COMMANDS[1]
    assert all(c.startswith("python3 -m venv .venv && .venv/bin/python -m pip install -q -e") for c in COMMANDS[:2])


def test_the_command_line_example_runs():
    command = next(c for c in COMMANDS if "autograd_core explain" in c)
    words = re.findall(r'"[^"]*"|\S+', command)
    out = subprocess.run(
        [sys.executable, *(w.strip('"') for w in words[1:])], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert "∂out/∂w = -0.18070663892364" in out


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_the_pictures_are_current(tmp_path):
    make = runpy.run_path(str(ROOT / "notebooks" / "make_pictures.py"))["make"]
    made = make(tmp_path)
    assert len(made) >= 2
    for path in made:
        committed = ROOT / "notebooks" / "pictures" / path.name
        assert committed.read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), (
            f"{path.name} is out of date: python notebooks/make_pictures.py"
        )


@pytest.mark.parametrize("word", ["TODO", "FIXME"])
def test_nothing_is_left_open(word):
    assert word not in TEXT
