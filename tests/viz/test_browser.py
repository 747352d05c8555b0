"""The page in headless Chromium: from file://, network off, no console error, every step with keys and mouse."""

import io
import random
import re
import shutil

import pytest

import nn
from autograd_core import Value, weighted_sum
from autograd_core.lifting import lift_with_origins
from autograd_core.viz import draw, explain, image
from autograd_core.viz.network import read

from .graphs import HOSTILE, chain, data_of, mlp_loss, neuron, tensor_mlp

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium: apt install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def no_leaks(browser):
    """Playwright keeps a thread for the module; the guard of the other tests would call that a leak."""
    return


@pytest.fixture
def open_page(browser, tmp_path):
    """Opens a page offline; any console message, error or request for the network fails the test."""
    problems, contexts = [], []

    def opened(html, width=1500, height=900, scheme="light"):
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "about:", "blob:")) else problems.append(request.url))
        page.goto(path.as_uri())
        if 'id="seek"' in html:
            page.wait_for_selector(".view>svg[role=group]")  # what is packed is unpacked first
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def panel(page):
    keys, values = page.locator("#rows dt").all_text_contents(), page.locator("#rows dd").all_text_contents()
    return list(zip(keys, values))


@pytest.mark.parametrize("make", [lambda: neuron()[0], tensor_mlp, lambda: mlp_loss(2, 2, 1)])
def test_every_step_shows_the_numbers_of_the_engine(open_page, make):
    found = explain(make())
    data, page = data_of(found.html), open_page(found.html)
    assert page.locator("#count").text_content() == f"0 / {len(found)}"
    assert set(page.locator(".live").all_text_contents()) == {"?"}
    page.keyboard.press("ArrowRight")
    assert "Seed" in page.locator("#head").text_content() and page.locator("#count").text_content() == "seed"
    live = data["scenes"][0]["live"]
    for k, step in enumerate(data["steps"], 1):
        page.keyboard.press("ArrowRight")
        assert page.locator("#count").text_content() == f"{k} / {len(found)}" and step["s"].startswith(f"Step {k} of {len(found)}.")
        assert f"\n{k:>4}  " in str(found), "the numbers of the table are those of the page"
        assert page.locator("#head").text_content() == step["h"]
        assert panel(page) == [(row[0], row[1]) for row in step["r"]]
        assert page.locator("#say").text_content() == step["s"]
        assert page.locator(f"#b{live.index(step['o'])} .live").text_content() == step["g"][0]
        assert page.locator(".e.on").count() == 1 and page.locator(".b.act").count() == 1
    assert page.locator("#next").is_disabled()
    assert found.gradients() and "?" not in page.locator(".done .live").all_text_contents()


def test_keys_buttons_slider_and_clicks(open_page):
    out, *_ = neuron()
    page = open_page(explain(out).html)
    count = lambda: page.locator("#count").text_content()
    page.keyboard.press("End")
    assert count() == "5 / 5"
    page.keyboard.press("ArrowRight")
    assert count() == "5 / 5"
    page.keyboard.press("Home")
    assert count() == "0 / 5" and page.locator("#prev").is_disabled()
    page.locator("#next").click()
    page.locator("#next").click()
    page.locator("#prev").click()
    assert count() == "seed"
    page.locator("#last").click()
    page.locator("#first").click()
    assert count() == "0 / 5"
    page.locator("#range").fill("4")
    assert count() == "3 / 5" and page.locator("#range").get_attribute("aria-valuetext").startswith("Step 3 of 5")
    page.locator("#range").focus()
    page.keyboard.press("ArrowRight")
    assert count() == "4 / 5", "the slider's own key moves one step, not two"
    box = page.locator(".b", has_text="tanh")
    box.click()
    assert count() == "seed", "a click on the root goes to the seed"
    page.locator(".b.parameter", has_text="b").last.click()
    assert "→  b" in page.locator("#head").text_content()


def test_play_runs_to_the_end_and_is_silent(open_page):
    x = Value(3.0, label="x")
    page = open_page(explain(x * x).html)
    page.locator("#play").click()
    assert page.locator("#play").text_content() == "Pause"
    assert page.locator("#say").get_attribute("aria-live") == "off"
    for _ in range(80):
        if page.locator("#count").text_content() == "2 / 2":
            break
        page.wait_for_timeout(100)
    assert page.locator("#play").text_content() == "Play" and page.locator("#say").get_attribute("aria-live") == "polite"
    assert "Accumulated from 2 of 2 paths" in page.locator("#say").text_content()


def test_folded_boxes_open_and_close(open_page):
    html = explain(mlp_loss(2, 16, 16, 1)).html
    data, page = data_of(html), open_page(html)
    inner = next(scene for scene in data["scenes"] if scene["parent"] == 0)
    box = inner["by"]
    page.locator(f"#b{box}").click()
    assert page.locator("#title").text_content().endswith(inner["title"])
    page.keyboard.press("End")
    page.keyboard.press("Escape")
    where = page.locator("#where").text_content()
    assert "lies inside" in where or not where
    assert page.locator("#back").is_hidden()
    page.locator(f"#b{box}").focus()
    page.keyboard.press("Enter")
    assert page.locator("#back").is_visible()
    page.locator("#back").click()
    assert page.locator("#title").text_content() == "Backpropagation of L"


def test_the_parts_of_a_stack_take_turns_in_one_place(open_page):
    loss = mlp_loss(2, 16, 16, 1)
    loss.backward()
    html = draw(loss).html
    data, page = data_of(html), open_page(html)
    assert page.locator("#parts").is_hidden() and len(html) < 1_000_000
    page.locator(".opens", has_text="Neuron").first.click()
    weights = lambda: page.locator(".parameter .v").all_text_contents()
    places = lambda: page.eval_on_selector_all(".b", "all => all.map((b) => [b.id, ...Object.values(b.querySelector('rect').getBoundingClientRect().toJSON())])")
    seen, first = [weights()], places()
    assert page.locator("#before").is_disabled() and page.locator("#of").text_content() == "of 16"
    for _ in range(15):
        page.locator("#after").click()
        seen.append(weights())
        assert places() == first, "only the numbers change"
    assert len({tuple(texts) for texts in seen}) == 16 and page.locator("#after").is_disabled()
    assert {text for texts in seen for text in texts} <= set(re.findall(r">([^<]*)<", "".join(scene.get("svg", "") for scene in data["scenes"])))
    page.keyboard.press("PageUp")
    assert weights() == seen[14]
    page.locator("#part").fill("3")
    page.locator("#part").press("Enter")
    assert weights() == seen[2] and page.locator("#part").input_value() == "3"
    page.locator("#part").fill("99")
    page.locator("#part").press("Enter")
    assert weights() == seen[15]
    assert page.evaluate(OVERLAPS) == []
    page.locator("#back").click()
    assert page.locator("#back").is_hidden() and page.locator("#parts").is_hidden()


def names_of(page):
    return set(page.locator(".view .b .n").all_text_contents())


def test_a_graph_that_was_cut_can_be_walked_to_its_end(open_page):
    root = chain(1100)
    root.backward()
    html = draw(root).html
    whole, page = data_of(html)["scenes"][0]["whole"], open_page(html)
    assert len(html) < 1_000_000 and len(whole["names"]) == 1102
    seen = names_of(page)
    for _ in range(60):
        stub = page.locator(".opens", has_text=re.compile("^⋯ 1 more"))
        if stub.count() == 0 or "x" in seen:
            break
        stub.first.click()
        assert page.evaluate(OVERLAPS) == [] and page.locator(".b").count() <= 60
        seen |= names_of(page)
    assert {name for name in seen if "more" not in name} == set(whole["names"]), "every node was met on the way"
    page.locator("#seek").fill("v500")
    page.locator("#seek").press("Enter")
    assert page.locator("#title").text_content() == "Graph of out › around v500"
    box = page.locator(".b.centre")
    assert "v500" in box.text_content() and page.locator(".view").bounding_box()["x"] < box.bounding_box()["x"]
    page.locator("#seek").fill("nobody")
    page.locator("#seek").press("Enter")
    assert page.locator("#notice").text_content() == "No node “nobody” on this page."
    page.locator("#seek").blur()
    page.keyboard.press("Escape")
    assert "v500" not in page.locator("#title").text_content()


def test_what_is_beyond_the_page_is_said(open_page, monkeypatch):
    monkeypatch.setattr("autograd_core.viz.fold._WALK", 70)
    page = open_page(draw(chain(1100)).html)
    for _ in range(3):
        page.locator(".opens", has_text=re.compile("^⋯ 1 more")).first.click()
    assert "draw(root, around=node)" in page.locator("#notice").text_content()


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
def test_a_tangled_graph_is_walked_without_overlaps(open_page, direction):
    rng = random.Random(1)
    nodes = [Value(rng.uniform(-1, 1), label=f"x{i}") for i in range(30)]
    for _ in range(1500):
        a, b = rng.choice(nodes[-40:]), rng.choice(nodes[-40:])
        nodes.append(a * b if rng.random() < 0.5 else (a + b).tanh())
    root = sum(nodes[-40:], Value(0.0))
    root.backward()
    page = open_page(draw(root, fold=False, direction=direction).html)
    for k in (3, 0, -1, 5):
        stubs = page.locator(".opens")
        stubs.nth(k if k >= 0 else stubs.count() - 1).focus()
        page.keyboard.press("Enter")
        assert "around" in page.locator("#title").text_content() and page.locator(".b:not(.rest)").count() == 40
        assert page.evaluate(OVERLAPS) == []


def test_steps_are_followed_into_what_was_cut(open_page):
    found = explain(chain(1500))
    html = found.html
    data, page = data_of(html), open_page(html)
    assert len(html) < 1_000_000 and len(data["steps"]) == len(found)
    for k in (10, 400, 401, 1500, len(found) + 1, 30):
        page.locator("#range").fill(str(k))
        step = data["steps"][k - 2]
        assert page.locator("#head").text_content() == step["h"] and page.locator(".b.act").count() == 1
        assert page.locator(".e.on").count() == 1
        assert step["g"][0] in page.locator(".b.opd .live").text_content()
    page.locator(".opens").first.click()
    assert "around" in page.locator("#title").text_content(), "a walk is not called back to the step"
    page.keyboard.press("ArrowRight")
    assert page.locator(".b.act").count() == 1


def test_a_sum_too_wide_for_one_picture_opens_as_a_walk(open_page):
    page = open_page(draw(sum((Value(1.0) * Value(2.0) for _ in range(500)), Value(0.0))).html)
    page.locator(".opens", has_text="Σ").click()
    assert page.locator("#title").text_content() == "Graph of out › out" and page.locator("#seek").is_visible()
    page.locator(".opens", has_text="more").first.click()
    assert "around" in page.locator("#title").text_content() and page.evaluate(OVERLAPS) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.locator("#title").text_content() == "Graph of out"


def test_zoom_buttons(open_page):
    page = open_page(draw(mlp_loss(2, 2, 1)).html)
    width = lambda: page.evaluate("document.querySelector('.view>svg').getBoundingClientRect().width")
    first = width()
    page.locator("#larger").click()
    assert width() == pytest.approx(first * 1.25, abs=0.1)  # browsers round to a fraction of a pixel
    page.locator("#fit").click()
    assert width() <= page.evaluate("document.querySelector('.view').clientWidth")


def test_on_paper_the_whole_picture_and_no_buttons(open_page):
    y = mlp_loss(2, 8, 1)
    page = open_page(explain(y).html, width=700)
    page.emulate_media(media="print")
    right = page.evaluate("document.querySelector('.view>svg').getBoundingClientRect().right")
    assert right <= 700 and page.evaluate("getComputedStyle(document.querySelector('.view')).overflowY") == "visible"
    assert not page.locator("nav").is_visible() and not page.locator(".tools").is_visible() and page.locator("#title").is_visible()
    table = page.locator("details pre")
    assert "products" in table.text_content() and table.bounding_box()["height"] > 400, "the table is printed, opened or not"


def test_on_paper_the_program_stands_below_its_graph(open_page):
    w, xs = [Value(0.1 * i, label=f"w{i}") for i in range(8)], [[0.1 * i * j - 1.0 for i in range(8)] for j in range(40)]
    loss = sum(sum((a * b for a, b in zip(w, x, strict=True)), 0.0).tanh() ** 2 for x in xs)
    page = open_page(draw(lift_with_origins(loss, params=w)).html, width=1000)
    page.emulate_media(media="print")
    places = page.evaluate("""[...document.querySelectorAll(".lifted header, #scalar>svg, #array")].map((part) => {
      const { top, bottom } = part.getBoundingClientRect();
      return [top, bottom];
    })""")
    assert len(places) == 3 and all(above[1] <= below[0] for above, below in zip(places, places[1:], strict=False))
    assert page.evaluate("document.querySelector('#array').scrollHeight <= document.querySelector('#array').clientHeight + 2")


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
@pytest.mark.parametrize("kind", ["steps.html", "graph.html", "graph.svg", "steps.svg"])
def test_paper_is_light(open_page, tmp_path, kind, theme):
    drawn = (explain if "steps" in kind else draw)(neuron()[0], theme=theme)
    text = drawn.save(tmp_path / kind).read_text(encoding="utf-8")
    page = open_page(text if kind.endswith("html") else f"<!doctype html>{text}", scheme="dark")
    ground = "[...document.querySelectorAll('body, .ag .bg, .ag .o')].map((e) => getComputedStyle(e)).map((s) => s.fill === 'rgb(0, 0, 0)' ? s.backgroundColor : s.fill)"
    ink = "[...document.querySelectorAll('.ag text')].map((e) => getComputedStyle(e).fill)"
    channels = lambda colours: [int(c) for colour in colours for c in re.findall(r"[0-9]+", colour)[:3] if "0, 0, 0, 0" not in colour]
    on_screen = channels(page.evaluate(ground))
    assert on_screen and (max(on_screen) < 80) == (theme != "light")
    page.emulate_media(media="print", color_scheme="dark")
    assert min(channels(page.evaluate(ground))) > 220 and min(channels(page.evaluate(ink))) < 100


def test_what_can_be_pressed_is_no_part_of_an_image(open_page):
    """The parts of an image are not told by a screen reader: a picture with buttons is a group, and says what its keys do."""
    w, xs = [Value(0.1 * i, label=f"w{i}") for i in range(8)], [[0.1 * i * j - 1.0 for i in range(8)] for j in range(40)]
    loss = sum(sum((a * b for a, b in zip(w, x, strict=True)), 0.0).tanh() ** 2 for x in xs)
    model = nn.MLP(2, [16, 16, 1], rng=0)
    pages = {
        "scroll it": draw(sum((model([0.5 * i, -1.0]) - 1.0) ** 2 for i in range(4))).html, "move through the steps": explain(mlp_loss(2, 16, 16, 1)).html,
        "": draw(lift_with_origins(loss, params=w)).html,
    }  # fmt: skip
    for keys, html in pages.items():
        page = open_page(html)
        assert page.locator("svg [role=button]").count() > 2
        assert page.locator("[role=img] [role=button]").count() == 0
        names = page.locator("svg [role=button]").evaluate_all("buttons => buttons.map((b) => b.getAttribute('aria-label'))")
        assert all(names) and len(set(names)) == len(names)
        assert page.locator("svg.ag").first.get_attribute("aria-label") and page.locator("svg.ag").first.get_attribute("role") == "group"
        assert keys == "" or page.locator(".view").get_attribute("aria-label") == f"The graph; arrow keys {keys}"


ARROWS = """() => {
  const hidden = [], tips = [...document.querySelectorAll('.view>svg .e .h')];
  for (const head of tips) {
    const [, x, y] = head.getAttribute('d').match(/^M(-?[\\d.]+) (-?[\\d.]+)/).map(Number);
    const box = head.getBBox(), middle = [box.x + box.width / 2, box.y + box.height / 2];
    for (const sheet of document.querySelectorAll('.view>svg .b rect.o')) {
      const r = sheet.getBBox();
      if (r.x < middle[0] && middle[0] < r.x + r.width && r.y < middle[1] && middle[1] < r.y + r.height) hidden.push([head.parentNode.id, sheet.parentNode.id]);
    }
  }
  return [tips.length, hidden];
}"""


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
@pytest.mark.parametrize("steps", [False, True])
def test_stacks_hide_no_arrow(open_page, direction, steps):
    """Neither that of the operand that comes in nor that of the gradient that goes out."""
    root = mlp_loss(2, 16, 16, 1)
    drawn = explain(root, direction=direction) if steps else draw(root, direction=direction)
    page = open_page(drawn.html)
    assert page.evaluate("[...document.querySelectorAll('.view>svg .b')].filter((b) => b.querySelectorAll('rect.o').length > 2).length") > 0
    heads = page.evaluate(ARROWS)
    assert heads[0] > 4 and heads[1] == []
    if steps:
        back = page.evaluate(ARROWS.replace("'.view>svg .e .h'", "'.view>svg .e .r'"))
        assert back[0] == heads[0] and back[1] == []


def test_hostile_labels_do_nothing(open_page):
    out = Value(1.0, label=HOSTILE[0])
    for label in HOSTILE[1:60]:
        out = out * Value(0.9, label=label)
    found = explain(out)
    page = open_page(found.html)
    assert page.locator("img").count() == 0 and page.locator("script").count() == 2
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    assert page.locator("#rows *").count() == page.locator("#rows dt, #rows dd").count()


OVERLAPS = """() => {
  const box = (e) => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const hit = (a, b) => a[0] < b[2] - 1 && b[0] < a[2] - 1 && a[1] < b[3] - 1 && b[1] < a[3] - 1;
  const svg = document.querySelector('.view>svg'), problems = [];
  const boxes = [...svg.querySelectorAll('.b')].map((g) => [g.id, box(g.querySelector('.o:last-of-type') || g.querySelector('.o')), g]);
  const labels = [...svg.querySelectorAll('.l')].map((t) => [t.textContent, box(t)]);
  for (const [name, r] of labels) {
    for (const [id, b] of boxes) if (hit(r, b)) problems.push(`label ${name} on box ${id}`);
    for (const [other, o] of labels) if (o !== r && hit([r[0], r[1] + 2, r[2], r[3] - 2], [o[0], o[1] + 2, o[2], o[3] - 2])) problems.push(`label ${name} on label ${other}`);
  }
  const whole = box(svg);
  for (const [id, b, g] of boxes) {
    for (const [other, o] of boxes) if (id < other && hit(b, o)) problems.push(`box ${id} on box ${other}`);
    for (const t of g.querySelectorAll('text')) {
      const r = box(t);
      if (r[0] < b[0] - 1 || r[2] > b[2] + 9 || r[3] > b[3] + 2) problems.push(`text ${t.textContent} leaves box ${id}`);
    }
    const texts = [...g.querySelectorAll('text:not(.c)')].map(box);
    texts.forEach((r, i) => texts.forEach((o, j) => { if (i < j && hit([r[0], r[1] + 2, r[2], r[3] - 2], [o[0], o[1] + 2, o[2], o[3] - 2])) problems.push(`texts overlap in box ${id}`); }));
  }
  for (const t of svg.querySelectorAll('text')) {
    const r = box(t);
    if (r[0] < whole[0] - 1 || r[2] > whole[2] + 1 || r[1] < whole[1] - 1 || r[3] > whole[3] + 1) problems.push(`text ${t.textContent} is cut off`);
  }
  return problems;
}"""


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
@pytest.mark.parametrize(
    "make",
    [lambda: neuron()[0], lambda: mlp_loss(2, 2, 1), lambda: mlp_loss(2, 16, 16, 1), tensor_mlp,
     lambda: sum(Value(float(i), label=f"x{i}") * Value(0.5, label=f"w{i}") for i in range(12)),
     lambda: Value(1.0, label=HOSTILE[5]) * Value(2.0, label=HOSTILE[8]) + Value(3.0, label=HOSTILE[9]) * Value(4e-12, label=HOSTILE[7])],
)  # fmt: skip
def test_nothing_overlaps_or_is_cut_off(open_page, make, direction):
    root = make()
    root.backward()
    page = open_page(draw(root, direction=direction).html)
    assert page.evaluate(OVERLAPS) == []


def test_the_check_for_overlaps_finds_them(open_page):
    from autograd_core.viz.layout import Placement, Point
    from autograd_core.viz.svg import svg

    graph = draw(neuron()[0]).graph
    pile = Placement({box.id: Point(60, 40) for box in graph.boxes}, {}, [[Point(0, 0), Point(9, 9)]] * len(graph.edges), 90, 60)
    page = open_page(f'<!doctype html><div class="view">{svg(graph, placement=pile)}</div>')
    found = " ".join(page.evaluate(OVERLAPS))
    assert "box b0 on box b1" in found and "on label" in found and "cut off" in found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1500])
def test_light_dark_narrow_and_wide(open_page, scheme, width):
    page = open_page(explain(mlp_loss(2, 2, 1)).html, width=width, scheme=scheme)
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page itself does not scroll sideways"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 29)"}[scheme]
    assert page.evaluate("getComputedStyle(document.querySelector('.bg')).fill") == background
    active = page.locator(".b.act").bounding_box()
    view = page.locator(".view").bounding_box()
    assert active["x"] >= view["x"] - 1 and active["x"] + active["width"] <= view["x"] + view["width"] + 1


def test_the_panel_keeps_its_height(open_page):
    page = open_page(explain(neuron()[0]).html)
    heights = set()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        heights.add(page.locator("aside").bounding_box()["height"])
    assert len(heights) == 1


def test_the_notebook_piece_shows_the_page_and_without_scripts_the_picture(open_page):
    out, *_ = neuron()
    html = explain(out)._repr_mimebundle_()["text/html"]
    page = open_page("<!doctype html><meta charset=utf-8>" + html)
    frame = page.frame_locator("iframe")
    frame.locator("#next").click()
    assert frame.locator("#count").text_content() == "seed"
    assert page.evaluate("document.querySelector('img').naturalWidth") > 300
    stripped = re.sub(r"<iframe.*</iframe>", "", html, flags=re.DOTALL)
    still = open_page("<!doctype html><meta charset=utf-8>" + stripped)
    assert still.locator("img").bounding_box()["width"] > 300


HOSTS = {
    "light": ["data-jp-theme-light=true", "class=vscode-light", 'class="vscode-high-contrast vscode-high-contrast-light"', "theme=light", "data-theme=light"],
    "dark": ["data-jp-theme-light=false", "class=vscode-dark", "class=vscode-high-contrast", "theme=dark", "data-theme=dark"],
}


def papers(page):
    """The brightness of the paper of every picture."""
    from PIL import Image

    shots = [Image.open(io.BytesIO(picture.screenshot())) for picture in page.locator("img").all()]
    return [shot.convert("RGB").getpixel((9, 9))[0] for shot in shots]


@pytest.mark.parametrize(("theme", "paper"), [("light", 255), ("dark", 0x16)])
def test_pictures_have_the_theme_of_the_notebook_whatever_the_system_asks_for(open_page, theme, paper):
    found = draw(neuron()[0])
    within = lambda html: "<!doctype html><meta charset=utf-8>" + "".join(f"<div {host}>{html}</div>" for host in HOSTS[theme])
    for system in ("light", "dark"):
        assert papers(open_page(within(image(found.svg, "a neuron")), scheme=system)) == [paper] * len(HOSTS[theme])
    # no scheme is emulated here: one that is emulated holds in every frame
    page = open_page(within(found._repr_mimebundle_()["text/html"]), scheme="no-preference")
    for k in range(len(HOSTS[theme])):
        inside = page.frame_locator("iframe").nth(k).locator("html")
        assert inside.evaluate("e => getComputedStyle(e).colorScheme") == theme, HOSTS[theme][k]


def test_pictures_follow_the_system_where_no_notebook_says_otherwise(open_page):
    still = image(draw(neuron()[0]).svg, "a neuron")
    assert [papers(open_page(still, scheme=system)) for system in ("light", "dark")] == [[255], [0x16]]


@pytest.mark.parametrize(("make", "opened"), [(lambda: mlp_loss(2, 16, 16, 1), "Graph of L › Neuron"), (lambda: chain(1100), "Graph of out › around")])
def test_what_is_packed_opens_in_the_sandbox_of_a_notebook(open_page, make, opened):
    html = draw(make())._repr_mimebundle_()["text/html"]
    frame = open_page("<!doctype html><meta charset=utf-8>" + html).frame_locator("iframe")
    frame.locator(".opens").first.click()
    assert frame.locator("#title").text_content().startswith(opened)


def test_the_animation_runs_in_an_image(open_page):
    import base64

    out, *_ = neuron()
    from autograd_core.viz.animation import animation

    found = explain(out)
    text = animation(found._scenes[0].graph, found)
    source = base64.b64encode(text.encode()).decode()
    page = open_page(f'<!doctype html><body style="margin:0"><img src="data:image/svg+xml;base64,{source}">')
    first = page.screenshot()
    page.wait_for_timeout(3200)
    assert page.screenshot() != first


@pytest.mark.parametrize("make", [draw, explain])
@pytest.mark.parametrize("leaves", [2, 90])
def test_a_picture_that_was_cut_opens_at_what_it_is_about(open_page, make, leaves):
    """The result, with its name in sight: also where its box is taller than the frame."""
    x = [Value(0.1 * i, label=f"x{i}") for i in range(leaves)]
    terms = x
    for i in range(1300 // leaves):
        terms = [a * b if i % 2 else a.tanh() for a, b in zip(terms, terms[1:] + terms[:1], strict=True)]
    root = sum(terms[1:], terms[0]) if leaves < 5 else weighted_sum(terms[::2], terms[1::2], 0.0)
    root.label = "L"
    page = open_page(make(root).html, height=500)
    box, frame = page.locator(".b.root .n").bounding_box(), page.locator(".view").bounding_box()
    assert frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"]
    assert frame["y"] <= box["y"] and box["y"] + box["height"] <= frame["y"] + frame["height"]


def test_a_neighbourhood_opens_at_its_node(open_page):
    node = root = Value(0.5, label="x")
    for i in range(200):
        root = root.tanh()
        node = root if i == 100 else node
    node.label = "here"
    page = open_page(draw(root, around=node, limit=40).html, width=700, height=420)
    box, frame = page.locator(".b", has_text="here").first.bounding_box(), page.locator(".view").bounding_box()
    assert abs(box["x"] + box["width"] / 2 - frame["x"] - frame["width"] / 2) < frame["width"] / 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_key_has_the_borders_of_the_boxes(open_page, scheme):
    """What the panel says of a colour is what the picture means by it."""
    page = open_page(explain(neuron()[0]).html, scheme=scheme)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    border = "(e) => getComputedStyle(document.querySelector(e), '::before').borderTopColor"
    stroke = "(e) => getComputedStyle(document.querySelector(e)).stroke"
    for entry, box in {".from": ".b.act .o", ".to": ".b.opd .o", ".has": ".b.done:not(.act, .opd) .o"}.items():
        assert page.evaluate(border, f"#key {entry}") == page.evaluate(stroke, box)
    assert page.evaluate("getComputedStyle(document.querySelector('#key .to'), '::before').borderTopStyle") == "dashed"


@pytest.mark.parametrize("width", [900, 1300])
@pytest.mark.parametrize("make", [draw, explain])
def test_in_a_notebook_the_first_view_fits_the_frame(open_page, make, width):
    """The script runs before the frame has a size, and has to look again when it has one."""
    html = make(neuron()[0])._repr_mimebundle_()["text/html"]
    page = open_page("<!doctype html><meta charset=utf-8>" + html, width=width)
    frame = page.frame_locator("iframe")
    frame.locator(".b.root").wait_for()
    page.wait_for_timeout(100)
    view = frame.locator(".view").bounding_box()
    for box in frame.locator(".b").all():
        place = box.bounding_box()
        assert view["x"] <= place["x"] and place["x"] + place["width"] <= view["x"] + view["width"]
    page.set_viewport_size({"width": width - 60, "height": 900})
    page.wait_for_timeout(100)
    chosen = frame.locator(".b.root").bounding_box()["width"]
    frame.locator("#fit").click()
    assert frame.locator(".b.root").bounding_box()["width"] == pytest.approx(chosen, abs=0.5), "also when the window gets another size"
    frame.locator("#larger").click()
    large = frame.locator(".b.root").bounding_box()["width"]
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(100)
    assert frame.locator(".b.root").bounding_box()["width"] == large > chosen, "but not against the reader"


def test_a_walk_says_in_which_modules_it_is(open_page):
    model = nn.MLP(2, [6, 5, 1], rng=0)
    out = model([Value(0.5, label="x1"), Value(-1.0, label="x2")])
    page = open_page(draw(out, around=out, depth=9, limit=12).html)
    for neuron_, path in ((model.layers[1].neurons[3], "MLP › layers.1 › neurons.3"), (model.layers[0].neurons[5], "MLP › layers.0 › neurons.5")):
        name = {id(node): name for node, name in zip(read(out).nodes, read(out).names, strict=True)}[id(neuron_.b)]
        page.locator("#seek").fill(name)
        page.locator("#seek").press("Enter")
        assert page.locator("#title").text_content() == f"Graph of out › around {name} (in {path})"
    page.locator("#seek").fill("x1")
    page.locator("#seek").press("Enter")
    assert page.locator("#title").text_content() == "Graph of out › around x1"


FRAMES = """() => {
  const box = (element) => element.getBoundingClientRect(), svg = document.querySelector(".view>svg");
  const frames = [...svg.querySelectorAll("rect.f")].map((frame) => [frame.nextElementSibling.textContent, box(frame)]);
  const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const found = {}, crossed = [];
  for (const element of svg.querySelectorAll(".b")) {
    const rim = box(element.querySelector("rect.o"));
    for (const [title, frame] of frames) if (!inside(rim, frame) && !apart(rim, frame)) crossed.push(title);
    found[element.querySelector(".n").textContent] = frames.filter(([, frame]) => inside(rim, frame)).map(([title]) => title.split(" · ")[0]);
  }
  frames.forEach(([a, one], k) => frames.slice(k + 1).forEach(([b, other]) => {
    if (!inside(one, other) && !inside(other, one) && !apart(one, other)) crossed.push(a + " " + b);
  }));
  return [found, crossed];
}"""


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
def test_a_walk_draws_the_modules_around_its_nodes(open_page, direction):
    model = nn.MLP(2, [6, 5, 1], rng=0)
    out = model([Value(0.5, label="x1"), Value(-1.0, label="x2")])
    found = read(out)

    def modules(i):
        path, call = [], found.owner[i]
        while call is not None:
            path.append(found.calls[call].path.rsplit(".", 2)[-2:] if found.calls[call].path else [found.calls[call].kind])
            call = found.calls[call].parent
        return [".".join(words) for words in reversed(path)]

    page = open_page(draw(out, around=out, depth=9, limit=12, direction=direction).html)
    for name in ("w1₂", "v9", "out", "x1"):
        page.locator("#seek").fill(name)
        page.locator("#seek").press("Enter")
        assert "around" in page.locator("#title").text_content()
        framed, crossed = page.evaluate(FRAMES)
        assert crossed == [] and page.evaluate(OVERLAPS) == []
        shown = {i for i, known in enumerate(found.names) if known in framed}
        assert len(shown) >= 12
        for i in shown:
            assert framed[found.names[i]] == modules(i), found.names[i]


def test_the_numbers_of_steps_have_separators(open_page):
    page = open_page(explain(chain(1500)).html)
    page.keyboard.press("End")
    assert re.fullmatch(r"(\d,\d{3}) / \1", page.locator("#count").text_content())
    assert re.match(r"Step \d,\d{3} of \d,\d{3}\.", page.locator("#say").text_content())


def test_the_key_stands_in_line(open_page):
    page = open_page(explain(neuron()[0]).html)
    begins = page.evaluate("""[...document.querySelectorAll("#key li")].map((li) => {
      const range = document.createRange();
      range.selectNodeContents(li);
      return range.getBoundingClientRect().left;
    })""")
    assert len(begins) == 3 and len(set(begins)) == 1


def test_a_page_without_room_for_the_whole_graph_can_be_walked_as_far_as_it_goes(open_page, monkeypatch):
    """What does not fit on the page is left out at the far end; the stubs near the picture lead on all the same."""
    rng = random.Random(0)
    nodes = [Value(rng.uniform(0.5, 1.5)) for _ in range(20)]
    while len(nodes) < 1500:
        a, b = rng.choice(nodes[-40:]), rng.choice(nodes[-40:])
        nodes.append((a * b).sin() if rng.random() < 0.5 else a - b)
    monkeypatch.setattr("autograd_core.viz.page._ROOM", 100_000)
    root = sum(nodes[-3:])
    html = draw(root).html
    whole = data_of(html)["scenes"][0]["whole"]
    assert 60 < len(whole["names"]) < len(nodes) and any(name.startswith("⋯") for name in whole["names"])
    page = open_page(html)
    before = page.locator(".b").all_text_contents()
    page.locator(".rest.opens").first.click()
    assert "around" in page.locator("#title").text_content() and page.locator(".b").all_text_contents() != before
    said = ""
    for _ in range(40):
        page.locator(".rest.opens").first.click()
        if said := page.locator("#notice").text_content():
            break
    assert said.startswith("What follows is not on this page")
    missing = next(name for name in read(root).names if not any(one.startswith(name) for one in whole["names"]))
    page.locator("#seek").fill(missing)
    page.keyboard.press("Enter")
    assert page.locator("#notice").text_content() == f"No node “{missing}” on this page."


def test_a_product_inside_a_box_that_cannot_be_opened_sends_nobody_there(open_page):
    page = open_page(explain(mlp_loss(2, 16, 16, 1)).html)
    for _ in range(80):
        page.keyboard.press("ArrowRight")
        if page.locator("#where").text_content():
            break
    assert page.locator("#where").text_content().endswith("”: click the box to look into it.")
    page.evaluate("document.querySelector('.b.act').classList.remove('opens')")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert page.locator("#where").text_content().endswith("”.")


RIGHT_TO_LEFT = ["وزن", "משקל"]


@pytest.mark.parametrize("label", RIGHT_TO_LEFT)
@pytest.mark.parametrize("kind", [draw, explain])
def test_names_from_right_to_left_turn_nothing_round(open_page, label, kind):
    """Signs stand before their numbers, and the dividend before the divisor."""
    x, y = Value(0.5, label=label), Value(4.0, label=label + "ה")
    page = open_page(kind(x / y).html)
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    places = page.evaluate("""() => {
      const found = [];
      for (const node of document.querySelectorAll(".view text, #rows dt, #rows dd, #say, #head")) {
        const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT), all = [];
        while (walker.nextNode()) {
          const text = walker.currentNode.textContent;
          for (let k = 0; k < text.length; k++) {
            if (!/[-+−÷=.\\d]|[a-z]/.test(text[k])) continue;
            const range = document.createRange();
            range.setStart(walker.currentNode, k);
            range.setEnd(walker.currentNode, k + 1);
            const box = range.getBoundingClientRect();
            all.push([text[k], box.left, box.top]);
          }
        }
        found.push(all);
      }
      return found;
    }""")
    checked = 0
    for characters in places:
        for (a, left, top), (b, right, below) in zip(characters, characters[1:]):
            if abs(top - below) < 2:
                assert left < right, (a, b, [c for c, *_ in characters])
                checked += 1
    assert checked > 10
    names = page.evaluate("[...document.querySelectorAll('.view .root .t')].map((t) => t.textContent)")
    assert names and all("\u2068" in name for name in names)
