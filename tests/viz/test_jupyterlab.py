"""JupyterLab itself opens an executed notebook, trusted and untrusted, and shows the picture in both."""

import os
import subprocess
import sys
import time
import urllib.request

import pytest

from .test_browser import CHROMIUM, FLAGS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOURCE = """\
from autograd_core import Value, draw, explain
x = Value(3.0, label="x")
explain((x * x).tanh())
"""


@pytest.fixture(autouse=True)
def no_leaks():
    """Playwright keeps a thread; the guard of the other tests would call that a leak."""
    return


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of our own, with one notebook twice: signed, and not."""
    if CHROMIUM is None:
        pytest.skip("no chromium: apt install chromium")
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    folder = tmp_path_factory.mktemp("lab")
    repository = str(__import__("pathlib").Path(__file__).parents[2])
    settings = {
        "JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "run"), "IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": repository,
    }  # fmt: skip
    environment = {**os.environ, **settings}
    with pytest.MonkeyPatch.context() as patch:
        for key, value in settings.items():
            patch.setenv(key, value)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SOURCE)])
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    nbformat.write(notebook, folder / "trusted.ipynb")
    notebook.cells.append(nbformat.v4.new_markdown_cell("Another text, so that the signature of the first is not valid here."))
    nbformat.write(notebook, folder / "untrusted.ipynb")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": folder}
    subprocess.run([sys.executable, "-m", "jupyter", "trust", "trusted.ipynb"], check=True, timeout=60, **quiet)
    port = _free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}", "--LabApp.news_url=None",
    ]  # fmt: skip
    with subprocess.Popen(command, **quiet) as server:
        try:
            yield _ready(f"http://localhost:{port}", server)
        finally:
            server.terminate()
            server.wait(20)


def _free_port():
    import socket

    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def _ready(url, server):
    for _ in range(240):
        if server.poll() is not None:
            pytest.skip("JupyterLab did not start")
        try:
            with urllib.request.urlopen(url + "/api", timeout=1):
                return url
        except OSError:
            time.sleep(0.25)
    pytest.skip("JupyterLab did not start within a minute")


def test_the_picture_is_there_trusted_and_untrusted(lab):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            for name in ("trusted", "untrusted"):
                page = browser.new_page(viewport={"width": 1500, "height": 900})
                page.goto(f"{lab}/lab/workspaces/{name}/tree/{name}.ipynb?reset", timeout=60_000)
                picture = page.locator('.jp-OutputArea-output img[src^="data:image/svg+xml"]').first
                picture.wait_for(state="attached", timeout=60_000)
                page.wait_for_timeout(500)
                assert picture.evaluate("image => image.naturalWidth") > 300
                frames = page.locator(".jp-OutputArea-output iframe")
                if name == "trusted":
                    assert frames.count() == 1
                    inside = page.frame_locator(".jp-OutputArea-output iframe")
                    cells = page.locator(".jp-Cell").count()
                    inside.locator("#next").click()
                    page.keyboard.press("ArrowRight")
                    page.keyboard.press("a")  # would insert a cell, if keys reached the notebook
                    assert inside.locator("#count").text_content().startswith("2 /")
                    assert page.locator(".jp-Cell").count() == cells
                else:
                    assert frames.count() == 0 and picture.bounding_box()["height"] > 60
                if os.environ.get("LAB_PICTURES"):
                    page.screenshot(path=f"{os.environ['LAB_PICTURES']}/{name}.png")
                page.close()
        finally:
            browser.close()
