"""Every notebook, with its solutions, runs afresh without error or warning, and its committed outputs are those of its cells."""

from __future__ import annotations

import copy
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason='notebooks need nbclient; pip install "autograd-core[notebooks]"')
import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent))
from execute import FOLDER, execute, joined, notebooks

MOST_LINES = 22  # about twenty
MOST_BYTES = 6_000_000
PROGRESS = re.compile(r"\d+%\||\bit/s\b|\bs/it\b")  # a line of a tqdm bar
VARIES = "varies"  # the tag of a cell whose text may differ from run to run

# Library warnings inside the client are no business of a reader of the notebook.
pytestmark = pytest.mark.filterwarnings("default")
course = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def warnings_in(cell: nbformat.NotebookNode) -> Iterator[str]:
    """Lines on stderr that are not a progress bar."""
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            yield from (line for line in re.split(r"[\r\n]+", output.text) if line.strip() and not PROGRESS.search(line))


def shown(cell: nbformat.NotebookNode) -> tuple[list[str], str]:
    """What a cell shows: the kinds of its outputs, and its text with every number replaced by #."""
    kinds, texts = [], []
    for output in cell.outputs:
        if output.output_type == "stream":
            kinds += ["text"] if kinds[-1:] != ["text"] else []
            texts.append(output.text if output.name == "stdout" else "")
        else:
            kinds.append(",".join(sorted(output.data)))
            texts.append(output.data.get("text/plain", ""))
    text = re.sub(r"[-+−]?\b(0x[0-9a-f]+|\d[\d.,]*(e[-+]?\d+)?)|\b(nan|inf)\b", "#", " ".join(texts))
    return kinds, re.sub(r"[-─\s]+", " ", text).strip()


def machinery(cell: nbformat.NotebookNode) -> list[str]:
    """The scripts and styles of the pages that a cell shows."""
    pages = (html.unescape(output.data["text/html"]) for output in cell.outputs if "text/html" in output.get("data", {}))
    return [part for page in pages for part in re.findall(r"<script>.*?</script>|<style>.*?</style>", page, re.DOTALL)]


def test_the_course_is_complete() -> None:
    assert [int(path.name[:2]) for path in notebooks()] == list(range(len(notebooks())))


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.ipynb")) < MOST_BYTES


@course
def test_committed_notebook_is_executed_and_readable(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "not run from top to bottom"
    for cell in cells:
        assert cell.source.strip(), "an empty cell"
        assert len(cell.source.splitlines()) <= MOST_LINES, f"a long cell:\n{cell.source}"
        assert not list(warnings_in(cell)), cell.source
        assert all(output.output_type != "error" for output in cell.outputs), cell.source
        assert len(joined(copy.deepcopy(cell.outputs))) == len(cell.outputs), f"text in pieces:\n{cell.source}"


@course
def test_a_fresh_run_shows_what_is_committed(path: Path, tmp_path: Path) -> None:
    committed = nbformat.read(path, as_version=4)
    fresh = code_cells(execute(path, tmp_path, solve=True))  # an error in a cell fails here, with its traceback
    for after in fresh:
        assert not list(warnings_in(after)), f"{path.name}, cell [{after.execution_count}]:\n{after.source}\n{list(warnings_in(after))}"
    for before, after in zip(code_cells(committed), fresh, strict=False):  # what follows are the solutions
        where = f"{path.name}, cell [{after.execution_count}]:\n{after.source}\n"
        kinds, text = shown(after)
        assert kinds == shown(before)[0], f"{where}shows {kinds}, committed were {shown(before)[0]}; python notebooks/execute.py writes it anew"
        assert machinery(after) == machinery(before), f"{where}shows a page of an older version; python notebooks/execute.py writes it anew"
        if VARIES not in after.metadata.get("tags", []):
            assert text == shown(before)[1], f"{where}says other words than were committed; python notebooks/execute.py writes it anew"
