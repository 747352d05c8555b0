"""Run notebooks afresh: `python notebooks/execute.py 03 04` writes their outputs anew, without a name all of them."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["FOLDER", "execute", "notebooks", "solutions"]

FOLDER = Path(__file__).resolve().parent
SECONDS_PER_CELL = 120


def notebooks() -> list[Path]:
    """The notebooks of the course, in order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


def solutions(notebook: nbformat.NotebookNode) -> list[str]:
    """The code in the hidden solutions of the exercises."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    hidden = "\n".join(re.findall(r"<details>.*?</details>", text, re.DOTALL))
    return re.findall(r"^```python\n(.*?)^```", hidden, re.DOTALL | re.MULTILINE)


def execute(path: Path, folder: Path, *, solve: bool = False) -> nbformat.NotebookNode:
    """The notebook with the outputs of a new kernel that works in `folder`; a cell that fails raises `CellExecutionError`.

    With `solve`, the code of the solutions runs too, in cells after the last.
    """
    notebook = nbformat.read(path, as_version=4)
    if solve:
        notebook.cells += [nbformat.v4.new_code_cell(code) for code in solutions(notebook)]
    environment = {name: text for name, text in os.environ.items() if name not in ("MPLBACKEND", "PYTHONWARNINGS")}
    client = NotebookClient(
        notebook, timeout=SECONDS_PER_CELL, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return notebook


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Outputs in which text that came in pieces, as it does from a busy machine, is one piece."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        before = found[-1] if found else None
        if before is not None and output.output_type == "stream" == before.output_type and output.name == before.name:
            before.text += output.text
        else:
            found.append(output)
    return found


def lighter(png: str) -> str:
    """A picture (in base64) with a palette of 256 colours, which is a sixth of the size and looks the same."""
    from PIL import Image

    picture, small = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    if picture.mode != "P":
        picture.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE).save(small, "PNG", optimize=True)
        png = base64.b64encode(small.getvalue()).decode()
    return png


def write(path: Path) -> None:
    """Execute a notebook and keep its outputs; what differs from machine to machine is left out."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        notebook = execute(path, Path(folder))
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    })  # fmt: skip
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = lighter(output.data["image/png"])
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    for notebook_path in notebooks():
        if not sys.argv[1:] or any(notebook_path.name.startswith(name) for name in sys.argv[1:]):
            write(notebook_path)
            print(f"{notebook_path.name}: {notebook_path.stat().st_size // 1024} kB")
