"""Training as it happens: one display, evenly spread epochs, a page that works offline, and never an error out of training."""

import json
import re
import shutil
import struct
import sys
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from autograd_core.errors import OperandError
from nn.data import moons, sine
from nn.live import Live
from nn.live_page import BYTES, contour, png

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def data_of(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def tensor_model(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 8, rng=0), nn.Tanh(), nn.Linear(8, outputs, rng=1))


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook is shown, one bundle after another; ids as IPython gives them."""
    module = pytest.importorskip("IPython.display", reason="IPython is not installed")
    shown = []

    class Handle:
        def update(self, thing):
            shown.append(("update", thing._repr_mimebundle_()))

    def display(thing, display_id):
        shown.append(("display", thing._repr_mimebundle_()))
        return Handle()

    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(module, "display", display)
    monkeypatch.setitem(sys.modules, "matplotlib", None)   # the frames do without
    return shown


@pytest.mark.parametrize("model", [lambda: nn.MLP(2, [4, 1], rng=0), lambda: tensor_model(2, 1)])
def test_one_display_that_ends_as_a_page(notebook, model):
    x, y = moons(40, rng=0)
    history = nn.fit(model(), x, (2.0 * y - 1)[:, None], loss="hinge", epochs=5, live=True, rng=0, progress=False)
    assert [kind for kind, _ in notebook][:1] == ["display"] and {kind for kind, _ in notebook[1:]} == {"update"}
    for _, found in notebook:
        root = ET.fromstring(found["image/svg+xml"])
        assert root.tag.endswith("svg") and found["text/plain"].startswith("History(")
    final = notebook[-1][1]["text/html"]
    assert 'sandbox="allow-scripts"' in final and "data:image/svg+xml;base64," in final and len(final) < 500_000
    assert history.stopped == "finished"


def test_a_page_in_a_file_has_the_numbers_of_the_history(tmp_path):
    x, y = moons(40, rng=0)
    path, seen = tmp_path / "run.html", []
    history = nn.fit(
        nn.MLP(2, [4, 1], rng=0), x, 2 * y - 1, loss="hinge", epochs=7, live=path, rng=0, metrics="accuracy",
        callbacks=[lambda training: seen.append(path.exists())],
    )  # fmt: skip
    html = path.read_text(encoding="utf-8")
    data = data_of(html)
    assert seen[:2] == [False, True] and [p.name for p in tmp_path.iterdir()] == ["run.html"]
    assert [f["e"] for f in data["frames"]] == list(range(1, 8)) and data["total"] == 7 and data["kind"] == "plane"
    assert f"loss {history.last('loss'):.4g}, accuracy {history.last('accuracy'):.1%}" in data["frames"][-1]["s"]
    assert "default-src 'none'" in html and not re.search(r"(?:src|href)=\"?https?:", html)


def test_a_run_is_the_same_with_and_without(tmp_path):
    x, y = moons(30, rng=0)
    model = lambda: nn.Sequential(nn.Linear(2, 8, rng=0), nn.BatchNorm1d(8), nn.Dropout(0.3, rng=3), nn.Linear(8, 2, rng=1))
    with_it = nn.fit(model(), x, y, loss="cross_entropy", epochs=6, batch_size=7, rng=0, live=tmp_path / "a.html")
    assert with_it["loss"] == nn.fit(model(), x, y, loss="cross_entropy", epochs=6, batch_size=7, rng=0)["loss"]


def test_epochs_stay_evenly_spread_and_the_page_small(tmp_path):
    x, y = moons(900, rng=0)
    path = tmp_path / "run.html"
    nn.fit(tensor_model(2, 2), x, y, loss="cross_entropy", epochs=333, live=path, rng=0)
    epochs = [f["e"] for f in data_of(path.read_text(encoding="utf-8"))["frames"]]
    assert 20 < len(epochs) <= 60 and epochs[0] == 1 and epochs[-1] == 333 and path.stat().st_size <= BYTES
    assert len(set(np.diff(epochs[:-1]))) == 1


def test_too_large_a_page_leaves_epochs_out(tmp_path, monkeypatch):
    import nn.live_page

    monkeypatch.setattr(nn.live_page, "BYTES", 60_000)
    x, y = moons(60, rng=0)
    nn.fit(tensor_model(2, 2), x, y, loss="cross_entropy", epochs=50, live=tmp_path / "run.html", rng=0)
    assert (tmp_path / "run.html").stat().st_size <= 60_000
    epochs = [f["e"] for f in data_of((tmp_path / "run.html").read_text(encoding="utf-8"))["frames"]]
    assert 2 <= len(epochs) < 50 and epochs[0] == 1 and epochs[-1] == 50


@pytest.mark.parametrize(("inputs", "outputs", "kind"), [(1, 1, "line"), (2, 1, ""), (3, 1, ""), (2, 2, "")])
def test_regression(tmp_path, inputs, outputs, kind):
    x, _ = sine(30, rng=0)
    x = np.column_stack([np.ravel(x)] * inputs)
    y = np.column_stack([np.sin(x[:, 0])] * outputs)
    nn.fit(tensor_model(inputs, outputs), x, y, epochs=4, live=tmp_path / "run.html", rng=0)
    data = data_of((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert data["kind"] == kind and all(bool(f["p"]) == (kind == "line") for f in data["frames"])


def test_three_classes_one_hot(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 2))
    y = np.eye(3)[np.arange(30) % 3]
    nn.fit(tensor_model(2, 3), x, y, epochs=3, live=tmp_path / "run.html", rng=0)
    data = data_of((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert data["kind"] == "plane" and all(f["i"] and f["p"] for f in data["frames"])


def test_ctrl_c_keeps_what_was_recorded(tmp_path):
    def interrupt(training):
        if training.epoch == 4:
            raise KeyboardInterrupt

    x, y = moons(20, rng=0)
    history = nn.fit(nn.MLP(2, [3, 1], rng=0), x, y, epochs=50, live=tmp_path / "run.html", rng=0, callbacks=[interrupt])
    data = data_of((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert history.stopped == "interrupted" and [f["e"] for f in data["frames"]] == [1, 2, 3, 4]
    assert data["frames"][-1]["s"].endswith("Interrupted here.")


def test_weights_that_came_back_are_said(tmp_path):
    x, y = moons(40, rng=0)
    history = nn.fit(tensor_model(2, 2), x, y, loss="cross_entropy", lr=2.0, epochs=60, validation=0.3, early_stopping=3, live=tmp_path / "r.html", rng=0)
    assert history.best_epoch is not None
    said = data_of((tmp_path / "r.html").read_text(encoding="utf-8"))["frames"][-1]["s"]
    assert f"weights of epoch {history.best_epoch} back" in said


def test_a_display_never_ends_a_run(notebook, monkeypatch, capsys):
    import IPython.display

    def broken(*args, **kwargs):
        raise RuntimeError("no front end")

    monkeypatch.setattr(IPython.display, "display", broken)
    x, y = moons(20, rng=0)
    assert len(nn.fit(nn.MLP(2, [3, 1], rng=0), x, y, epochs=3, live=True, rng=0, progress=False)) == 3
    assert "live: a picture could not be made (RuntimeError: no front end)" in capsys.readouterr().err


def test_a_model_that_answers_nothing_useful_still_has_curves(tmp_path, capsys):
    class Odd(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 1, rng=0)

        def forward(self, x):
            if len(x) != 20:
                raise ValueError("twenty, please")
            return self.inner(x)

    x, y = moons(20, rng=0)
    assert len(nn.fit(Odd(), x, y[:, None], epochs=3, live=tmp_path / "run.html", rng=0)) == 3
    data = data_of((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert data["kind"] == "" and len(data["frames"]) == 3 and "twenty, please" in capsys.readouterr().err


def test_a_loss_that_overflows(tmp_path):
    x, y = moons(20, rng=0)
    with pytest.warns(RuntimeWarning, match="the loss is"):
        nn.fit(tensor_model(2, 1), 1e200 * x, 1e200 * y[:, None], optimizer="sgd", lr=1e200, epochs=9, live=tmp_path / "run.html", rng=0)
    assert data_of((tmp_path / "run.html").read_text(encoding="utf-8"))["frames"]


def test_a_folder_that_is_not_there_is_said_before_training(tmp_path):
    model = nn.MLP(2, [1], rng=0)
    before = model.state_dict()
    with pytest.raises(OperandError, match="not a file in a folder that exists"):
        nn.fit(model, *moons(10, rng=0), epochs=1, live=tmp_path / "none" / "run.html")
    assert all((model.state_dict()[k] == v).all() for k, v in before.items())
    for path in (tmp_path, "", tmp_path / "none" / "run.png"):
        with pytest.raises(OperandError, match="not a file in a folder that exists"):
            nn.fit(model, *moons(10, rng=0), epochs=1, live=path)
    with pytest.raises(OperandError, match=r"live: received 'run.txt', expected a name ending in .html, for a page, or in one of .*\.png.*, for a picture"):
        nn.fit(model, *moons(10, rng=0), epochs=1, live=tmp_path / "run.txt")
    live = Live(*moons(10, rng=0), path=tmp_path / "run.html")
    nn.fit(model, *moons(10, rng=0), epochs=0, live=tmp_path / "run.html")
    assert not list(tmp_path.iterdir()) and live.frames == []


def test_a_png_is_one():
    index = np.arange(12).reshape(3, 4)
    picture = png(index, np.arange(48).reshape(12, 4))
    assert picture.startswith(b"\x89PNG") and struct.unpack(">II", picture[16:24]) == (4, 3)
    at = picture.index(b"IDAT")
    size = struct.unpack(">I", picture[at - 4 : at])[0]
    rows = np.frombuffer(zlib.decompress(picture[at + 4 : at + 4 + size]), np.uint8).reshape(3, 5)
    assert (rows[:, 0] == 0).all() and (rows[:, 1:] == index).all()


def test_a_contour_lies_where_the_plane_is_zero():
    u = np.linspace(-1, 1, 21)
    path = contour(np.tile(u - 0.25, (21, 1)))
    starts = [int(m) for m in re.findall(r"M(-?\d+) ", path)]
    from nn.live_page import LEFT, RIGHT

    middle = 10 * (LEFT + 0.625 * (RIGHT - LEFT))
    assert starts and max(abs(s - middle) for s in starts) <= 1 and contour(np.ones((4, 4))) == ""


def test_history_shows_its_curves():
    history = nn.History()
    assert set(history._repr_mimebundle_()) == {"text/plain"}
    for k in range(1000):
        history.append({"loss": 1.0 / (k + 1), "val_loss": float("nan") if k % 7 == 0 else 2.0 / (k + 1), "<b>": 0.5})
    found = history._repr_mimebundle_(include=None, exclude=None)
    ET.fromstring(found["image/svg+xml"])
    assert set(found) == {"text/plain", "image/svg+xml", "text/html"} and len(found["image/svg+xml"]) < 40_000
    single = nn.History()
    single.append({"loss": 0.0})
    ET.fromstring(single._repr_mimebundle_()["image/svg+xml"])


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium: apt install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1000, "light"), (400, "dark")])
def test_the_scrubber(browser, tmp_path, width, scheme):
    x, y = moons(40, rng=0)
    nn.fit(nn.MLP(2, [4, 1], rng=0), x, 2 * y - 1, loss="hinge", epochs=6, live=tmp_path / "run.html", rng=0)
    frames = data_of((tmp_path / "run.html").read_text(encoding="utf-8"))["frames"]
    context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme, offline=True)
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "run.html").as_uri())

    def at(k):
        frame = frames[k]
        assert page.locator("#say").text_content() == frame["s"] and page.locator("#range").get_attribute("aria-valuetext") == frame["s"]
        assert page.locator(".raster").get_attribute("href").endswith(frame["i"])
        assert page.locator("g path.edge").get_attribute("d") == frame["p"]
        assert float(page.locator(".dot").get_attribute("cx")) == frame["m"][0]
        assert page.locator("#count").text_content() == f"{k + 1} / 6"

    at(5)
    for key, where in [("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 5), ("ArrowRight", 5)]:
        page.keyboard.press(key)
        at(where)
    assert page.locator("#next").is_disabled()
    page.locator("#range").fill("3")
    at(3)
    page.locator("#range").press("ArrowRight")
    at(4)
    page.locator("#first").click()
    page.locator("#play").click()
    assert page.locator("#play").text_content() == "Pause" and page.locator("#say").get_attribute("aria-live") == "off"
    for _ in range(80):
        if page.locator("#play").text_content() == "Play":
            break
        page.wait_for_timeout(100)
    assert page.locator("#say").get_attribute("aria-live") == "polite"
    at(5)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert problems == []


@settings(max_examples=200)
@given(st.lists(st.floats(), min_size=1, max_size=5))
def test_any_losses_can_be_drawn(losses):
    history = nn.History()
    for loss in losses:
        history.append({"loss": loss})
    shown = history._repr_mimebundle_()
    assert "image/svg+xml" in shown and "nan" not in shown["image/svg+xml"].replace("nan</text>", "")


def test_a_run_that_diverges_is_shown(tmp_path):
    x, y = nn.data.sine(30, rng=0)
    model = nn.Sequential(nn.Linear(1, 8, rng=0), nn.Tanh(), nn.Linear(8, 1, rng=1))
    with pytest.warns(RuntimeWarning, match="the loss is inf"):
        history = nn.fit(model, x, y, optimizer="sgd", lr=50.0, epochs=300, live=tmp_path / "run.html")
    assert max(v for v in history["loss"] if np.isfinite(v)) > 1e250 and (tmp_path / "run.html").exists()
    assert "text/html" in history._repr_mimebundle_()


def test_a_run_that_was_drawn_live_is_not_drawn_twice_in_its_cell(monkeypatch):
    history = nn.History()
    history.append({"loss": 1.0})
    shell = type("Shell", (), {"execution_count": 7})()
    monkeypatch.setitem(sys.modules, "IPython", type("IPython", (), {"get_ipython": staticmethod(lambda: shell)}))
    assert "text/html" in history._repr_mimebundle_(), "a run that was not"
    history._cell = 7
    assert list(history._repr_mimebundle_()) == ["text/plain"]
    shell.execution_count = 8
    assert "text/html" in history._repr_mimebundle_(), "in another cell it is asked for"


def test_names_that_cannot_be_printed_leave_what_a_notebook_stores_readable():
    """A metric and a part of a model may be called anything; a lone surrogate could not be written into a file, and an escape moves a terminal's cursor."""
    evil = "a\x00\x1b[31m\ud800\x85b\ufffe<i>"
    model = type(evil.replace("\x00", "").replace("\ud800", ""), (nn.Module,), {"__call__": lambda self, x: self.lin(x)})()
    model.lin = nn.Linear(2, 1, rng=0)
    setattr(model, evil, nn.Linear(2, 1, rng=0))
    history = nn.fit(nn.Linear(2, 1, rng=0), np.ones((4, 2)), np.ones((4, 1)), epochs=2, metrics={evil: lambda p, t: 0.5}, progress=False)
    for text in (model._repr_html_(), *history._repr_mimebundle_().values(), repr(history)):
        text.encode("utf-8")
        assert all(c.isprintable() or c == "\n" for c in text)
    assert "<i>" not in model._repr_html_() and evil in history
