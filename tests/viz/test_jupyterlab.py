"""JupyterLab itself shows pictures, trusted and untrusted, and follows a training run in one display."""

import os
import re
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

TRAINING = """\
import sys, time
sys.modules["matplotlib"] = None  # the live display does without
import nn
from nn.data import moons
x, y = moons(60, rng=0)
history = nn.fit(
    nn.MLP(2, [6, 1], rng=0), x, 2 * y - 1, loss="hinge", epochs={epochs}, live=True, rng=0, progress=False,
    callbacks=[lambda training: time.sleep(0.05)],
)
print(len(history), history.stopped)
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
    for name, epochs in (("finished", 40), ("interrupted", 4000)):
        cells = [nbformat.v4.new_code_cell(TRAINING.format(epochs=epochs)), nbformat.v4.new_code_cell("print('the next cell')")]
        live = nbformat.v4.new_notebook(cells=cells)
        live.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(live, folder / f"{name}.ipynb")
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
                    for theme, light in (("light", "true"), ("dark", "false")):  # JupyterLab's own attribute
                        assert page.evaluate("document.body.dataset.jpThemeLight") in ("true", "false")
                        page.evaluate("light => { document.body.dataset.jpThemeLight = light }", light)
                        assert picture.evaluate("image => getComputedStyle(image).colorScheme") == theme
                    inside = page.frame_locator(".jp-OutputArea-output iframe")
                    cells = page.locator(".jp-Cell").count()
                    inside.locator("#next").click()
                    page.keyboard.press("ArrowRight")
                    page.keyboard.press("a")  # would insert a cell, if keys reached the notebook
                    assert inside.locator("#count").text_content().startswith("1 /")
                    assert page.locator(".jp-Cell").count() == cells
                else:
                    assert frames.count() == 0 and picture.bounding_box()["height"] > 60
                if os.environ.get("LAB_PICTURES"):
                    page.screenshot(path=f"{os.environ['LAB_PICTURES']}/{name}.png")
                page.close()
        finally:
            browser.close()


@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_one_display_follows_the_training_and_leaves_a_scrubber(lab, name):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1300, "height": 900})
            page.route(re.compile("^https?://(?!localhost)"), lambda route: route.abort())  # no network
            page.goto(f"{lab}/lab/workspaces/{name}/tree/{name}.ipynb?reset", timeout=60_000)
            page.get_by_text("| Idle").wait_for(timeout=60_000)  # a kernel is there
            page.locator(".jp-CodeCell .cm-content").first.click()
            page.keyboard.press("Shift+Enter")
            pictures = page.locator(".jp-OutputArea-output.jp-RenderedHTMLCommon > img")
            pictures.first.wait_for(timeout=60_000)
            seen, deadline = set(), time.time() + 60
            while time.time() < deadline and len(seen) < 4:
                assert pictures.count() <= 1, "one display, not one per epoch"
                if pictures.count():
                    seen.add(pictures.first.evaluate("e => e.src", timeout=5000))
                page.wait_for_timeout(150)
                if page.locator(".jp-OutputArea-output iframe").count():
                    break
            assert len(seen) >= 2, "the picture changes while the model trains"
            if name == "interrupted":
                page.keyboard.press("Escape")
                page.keyboard.press("i")
                page.keyboard.press("i")
            page.locator(".jp-OutputArea-output iframe").wait_for(timeout=60_000)
            said = page.locator(".jp-OutputArea-output.jp-RenderedText", has_text=name)
            said.wait_for(timeout=20_000)
            done = int(said.text_content().split()[0])
            assert (done == 40) if name == "finished" else (3 < done < 4000)
            assert page.locator(".jp-OutputArea-output iframe").count() == 1 and pictures.count() == 0
            assert page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
            inside = page.frame_locator(".jp-OutputArea-output iframe")
            total = inside.locator("#count").text_content()
            assert total == f"{done} / {done}", "the newest epoch is shown"
            sentence = inside.locator("#say").text_content()
            assert ("Interrupted here." in sentence) == (name == "interrupted")
            curve = inside.locator("g path.edge").get_attribute("d")
            inside.locator("#range").focus()
            page.keyboard.press("Home")
            assert inside.locator("#count").text_content() == f"1 / {done}"
            assert inside.locator("g path.edge").get_attribute("d") != curve
            assert inside.locator("html").evaluate("e => e.scrollHeight <= innerHeight && e.scrollWidth <= innerWidth"), "it fits its frame"
            inside.locator("#last").click()
            assert inside.locator("g path.edge").get_attribute("d") == curve
            inside.locator("#first").click()
            inside.locator("#play").click()
            page.wait_for_timeout(600)
            inside.locator("#play").click()
            assert inside.locator("#count").text_content() not in (f"1 / {done}", total)
            if os.environ.get("LAB_PICTURES"):
                page.locator(".jp-OutputArea-output iframe").scroll_into_view_if_needed()
                page.screenshot(path=f"{os.environ['LAB_PICTURES']}/{name}.png")
        finally:
            browser.close()
