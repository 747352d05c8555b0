"""Pictures and pages for other readers: with keys only, read aloud, on paper, on a phone and a large screen, without style or script."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, draw, explain
from autograd_core.lifting import lift_with_origins

from .graphs import chain, mlp_loss, neuron, tensor_mlp
from .test_browser import OVERLAPS, browser, no_leaks, open_page  # noqa: F401

pytestmark = pytest.mark.browser

FOCUS = "(document.activeElement.id || document.activeElement.className)"


def run_page(path, epochs=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 2))
    model = nn.Sequential(nn.Linear(2, 4, rng=rng), nn.Tanh(), nn.Linear(4, 1, rng=rng))
    nn.fit(model, x, (x[:, :1] > 0) * 1.0, loss=nn.binary_cross_entropy_with_logits, epochs=epochs, live=path, progress=False)
    return path.read_text(encoding="utf-8")


def dense(n=8, samples=40):
    w, xs = [Value(0.1 * i - 0.35, label=f"w{i}") for i in range(n)], [[0.1 * i * j - 1.0 for i in range(n)] for j in range(samples)]
    loss = sum(sum((a * b for a, b in zip(w, x, strict=True)), 0.0).tanh() ** 2 for x in xs)
    return draw(lift_with_origins(loss, params=w))


# ------------------------------------------------------------------------------------------------------- keys and reading aloud
def test_keys_are_not_lost_where_a_picture_opens_and_closes(open_page):  # noqa: F811
    page = open_page(draw(mlp_loss(2, 16, 16, 1)).html)
    box = page.locator("svg .opens").nth(1)
    name = box.get_attribute("id")
    box.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS) == "view", "in the picture that opened"
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUS) == name, "at the box that was looked into"
    page.keyboard.press(" ")
    page.locator("#back").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS) == name
    page.locator("#larger").focus()
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUS) == "larger", "what is still there keeps it"


def test_a_button_that_is_switched_off_hands_its_keys_to_the_slider(open_page):  # noqa: F811
    page = open_page(explain(neuron()[0]).html)
    for button, end in (("next", "5 / 5"), ("prev", "0 / 5")):
        page.locator("#" + button).focus()
        for _ in range(6):
            page.keyboard.press("Enter")
        assert page.locator("#count").text_content() == end and page.evaluate(FOCUS) == "range"
    page.keyboard.press("ArrowRight")
    assert page.locator("#count").text_content() == "seed"


def test_what_stands_in_a_box_is_part_of_its_name(open_page):  # noqa: F811
    """The children of a button are not read: who hears the page has the numbers of a folded box from its name alone."""
    page = open_page(explain(mlp_loss(2, 16, 16, 1)).html)
    words = "(all) => all.map((b) => [b.getAttribute('aria-label'), [...b.querySelectorAll('text')].map((t) => t.textContent)])"
    before = page.locator("svg .opens").evaluate_all(words)
    page.keyboard.press("End")
    after = page.locator("svg .opens").evaluate_all(words)
    assert before != after and len(before) > 2
    for name, texts in before + after:
        assert name.startswith("Open ") and all(text in name for text in texts), (name, texts)


def test_what_scrolls_can_be_scrolled_with_keys(open_page):  # noqa: F811
    page = open_page(explain(tensor_mlp()).html, width=360, height=700)
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.locator("aside").focus()
    assert page.evaluate("document.activeElement.scrollHeight > document.activeElement.clientHeight")
    page.keyboard.press("PageDown")
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('aside').scrollTop") > 0
    page.locator(".view").focus()
    assert page.locator(".view").get_attribute("aria-describedby") == "title" and page.locator("#title").text_content()


def test_a_box_says_in_a_sentence_where_its_gradient_is_computed(open_page):  # noqa: F811
    drawing = dense()
    page = open_page(drawing.html)
    said = page.locator("#scalar .b").evaluate_all("(all) => all.map((b) => b.getAttribute('aria-label'))")
    leaves = [text for text in said if "leaves of" in text]
    assert leaves and all(re.search(r"\. Its gradient is computed in \S.*\.$", text) for text in leaves if "x" not in text.split(":")[0])
    assert not any("Computed its" in text for text in said) and any(re.search(r"\. Computed in \S", text) for text in said)


# -------------------------------------------------------------------------------------------------------------- room for numbers
@pytest.mark.parametrize("factor", [1e-13, -1e-300, 1e290, -1234567.0, 1.0])
@pytest.mark.parametrize("make", [lambda a: a * Value(0.5, label="b"), lambda a: (a * a).tanh() + a, lambda a: chain(10, a)])
def test_a_box_has_room_for_every_gradient(open_page, make, factor):  # noqa: F811
    page = open_page(explain(make(Value(0.123456, label="a")) * factor).html)
    for _ in range(30):
        assert page.evaluate(OVERLAPS) == []
        page.keyboard.press("ArrowRight")


def test_room_for_norms(open_page):  # noqa: F811
    w = Tensor(np.arange(6.0).reshape(2, 3), label="w")
    page = open_page(explain((w * -1.2345e-7).sum()).html)
    page.keyboard.press("End")
    assert page.evaluate(OVERLAPS) == []


# ------------------------------------------------------------------------------------------------------------ paper and screens
def test_a_picture_is_not_cut_by_the_end_of_a_sheet(open_page):  # noqa: F811
    root = nn.MLP(2, [4, 4, 1], rng=0)
    loss = sum((root([Value(0.1 * i), Value(1.0)]) - 1.0) ** 2 for i in range(20))
    page = open_page(draw(lift_with_origins(loss, params=root.parameters())).html)
    assert page.evaluate("(({ width, height }) => height / width)(document.querySelector('#scalar>svg').viewBox.baseVal)") > 1.5
    sheets = re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))
    assert len(sheets) == 2, "the graph, and the program"


@pytest.mark.parametrize("make", [tensor_mlp, lambda: mlp_loss(2, 2, 1)])
def test_a_printed_table_is_as_wide_as_the_sheet(open_page, make):  # noqa: F811
    page = open_page(explain(make()).html, width=718)
    page.emulate_media(media="print")
    lines, height, size = page.evaluate("""(() => {
      const pre = document.querySelector('details pre'), { lineHeight, fontSize } = getComputedStyle(pre);
      return [pre.textContent.split('\\n').length, pre.getBoundingClientRect().height / parseFloat(lineHeight), parseFloat(fontSize)];
    })()""")
    assert 7 <= size <= 12 and (height < lines + 0.5 or size == 7)


@pytest.mark.parametrize("kind", ["steps", "graph", "lifted", "run"])
def test_on_a_large_screen_everything_is_larger(open_page, tmp_path, kind):  # noqa: F811
    """So that the last row of a class reads it: nothing that is read is smaller than a 150th of the height of the screen."""
    html = {
        "steps": lambda: explain(neuron()[0]).html, "graph": lambda: draw(neuron()[0]).html, "lifted": lambda: dense().html,
        "run": lambda: run_page(tmp_path / "run.html"),
    }[kind]()  # fmt: skip
    sizes = """[...document.querySelectorAll('svg.ag text, svg.live text, button, h1, h2, dd, dt, #say, .code, .facts')].filter((e) => e.textContent.trim())
      .map((e) => parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement ? Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b) : 1))"""
    small, large = (open_page(html, width=w, height=h) for w, h in ((1500, 900), (3840, 2160)))
    for page in (small, large):
        page.keyboard.press("ArrowRight")
    assert min(large.evaluate(sizes)) > 2160 / 150
    normal = small.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
    assert normal == 15 and large.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > 30
    assert large.evaluate("document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight")


def test_a_run_fits_a_phone_that_lies_on_its_side(open_page, tmp_path):  # noqa: F811
    page = open_page(run_page(tmp_path / "run.html"), width=640, height=360)
    tops = page.locator(".panels svg").evaluate_all("(all) => all.map((e) => e.getBoundingClientRect()).map((r) => [r.top, r.bottom])")
    assert len(tops) == 2 and tops[0] == tops[1] and tops[0][1] < 360


# ------------------------------------------------------------------------------------------------------- without style or script
def pictures(tmp_path):
    root = tensor_mlp()
    root.backward()
    yield "graph", draw(root).svg
    yield "dark", draw(neuron()[0], theme="dark").svg
    yield "folded", draw(mlp_loss(2, 16, 16, 1)).svg
    yield "gradients", explain(neuron()[0]).svg
    yield "steps", explain(neuron()[0]).save(tmp_path / "steps.svg").read_text(encoding="utf-8")
    yield "program", dense().svg
    history = nn.History()
    history.columns.update(loss=[3.0, 2.0, 1.5], val_loss=[3.5, 3.0, 2.5])
    yield "curves", history._repr_mimebundle_()["image/svg+xml"]


PAINT = """(names) => [...document.querySelectorAll('svg, svg *:not(style):not(title)')].map((e) => {
  const style = getComputedStyle(e);
  return names.map((name) => style.getPropertyValue(name));
})"""


def test_attributes_change_nothing_where_style_is_read(open_page, tmp_path):  # noqa: F811
    """They are the least of what the style element says; it goes before them wherever it is read."""
    own = r' (?:fill|stroke|stroke-width|stroke-opacity|stroke-dasharray|font-family|font-size|font-weight|visibility)="[^"]*"'
    names = ["fill", "stroke", "stroke-dasharray", "visibility", "stroke-width", "font-family", "font-size", "font-weight", "text-anchor"]
    painted = {**dict.fromkeys(("rect", "path", "circle", "polyline"), 4), **dict.fromkeys(("text", "tspan"), len(names))}
    for kind, text in pictures(tmp_path):
        if kind == "steps":
            continue
        ET.fromstring(text)
        bare = re.sub(own, "", text)
        assert len(bare) < len(text)
        found = []
        for one in (text, bare):
            page = open_page(f"<!doctype html>{one}")
            tags = page.evaluate("[...document.querySelectorAll('svg, svg *:not(style):not(title)')].map((e) => e.tagName)")
            found.append([(tag, style[: painted[tag]]) for tag, style in zip(tags, page.evaluate(PAINT, names), strict=True) if tag in painted])
        for with_them, without in zip(*found, strict=True):
            assert with_them == without, kind


def test_a_picture_without_its_style_is_still_read(open_page, tmp_path):  # noqa: F811
    for kind, text in pictures(tmp_path):
        bare = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
        page = open_page(f"<!doctype html>{bare}")
        ink, paper, wires = page.evaluate("""[
          [...document.querySelectorAll('text')].filter((e) => getComputedStyle(e).visibility === 'visible').map((e) => getComputedStyle(e).fill),
          [...document.querySelectorAll('.bg, .o, .hd, .f, .paper')].map((e) => getComputedStyle(e).fill),
          [...document.querySelectorAll('.w, .d, .q, .c0, .c1, .a')].map((e) => [getComputedStyle(e).fill, getComputedStyle(e).stroke]),
        ]""")
        light = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in ink]
        ground = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in paper]
        assert light and ground and wires
        assert min(light) > max(ground) + 120 if kind == "dark" else max(light) + 120 < min(ground), kind
        assert all(fill == "none" and stroke != "none" for fill, stroke in wires), kind
        if kind not in ("curves", "steps"):
            assert [p for p in page.evaluate(OVERLAPS.replace(".view>svg", "svg")) if "cut off" not in p] == [], kind


def test_an_animation_that_stands_still_shows_how_it_ends(open_page, tmp_path):  # noqa: F811
    out, w, x, b = neuron()
    text = explain(out).save(tmp_path / "steps.svg").read_text(encoding="utf-8")
    page = open_page("<!doctype html>" + re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))
    seen = page.evaluate("[...document.querySelectorAll('text.v')].filter((e) => getComputedStyle(e).visibility === 'visible').map((e) => e.textContent)")
    out.backward()
    assert len(seen) == 12 and "?" not in seen and {f"{g:+.4g}".replace("-", "−") for g in (w.grad, x.grad, b.grad)} <= set(seen)
    assert page.evaluate("[...document.querySelectorAll('.on .w, .on .h, .r')].every((e) => getComputedStyle(e).visibility === 'hidden')")


@pytest.mark.parametrize("kind", ["steps", "graph", "lifted", "run"])
def test_a_page_whose_script_does_not_run_shows_the_picture(open_page, tmp_path, kind):  # noqa: F811
    """A policy of the reader's program may forbid scripts; then there are no buttons that do nothing either."""
    html = {
        "steps": lambda: explain(neuron()[0]).html, "graph": lambda: draw(mlp_loss(2, 16, 16, 1)).html, "lifted": lambda: dense().html,
        "run": lambda: run_page(tmp_path / "run.html"),
    }[kind]()  # fmt: skip
    page = open_page(re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL).replace('id="seek"', 'id="none"'))
    assert page.locator("svg.ag, svg.live").first.bounding_box()["width"] > 200
    assert page.locator("h1").text_content() and not page.locator("nav, .tools, aside").locator("visible=true").count()
    if kind == "steps":
        assert page.locator(".e .l").evaluate_all("(all) => all.length && all.every((e) => getComputedStyle(e).visibility === 'visible')")
        page.locator("summary").click()
        assert "∂out/∂v2 = 1 − out²" in page.locator("details pre").text_content()
    if kind == "run":
        assert page.locator("#say").text_content().startswith("Epoch 3 of 3: loss ")


# ----------------------------------------------------------------------------------------------------------------- contrast
CONTRAST = """() => {
  const parse = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, ground, a) => ground.map((c, k) => a * top[k] + (1 - a) * c);
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, k) => sum + [0.2126, 0.7152, 0.0722][k] * c, 0);
  const opacity = (e) => (e && e.nodeType === 1 ? parseFloat(getComputedStyle(e).opacity) * opacity(e.parentNode) : 1);
  const paper = parse(getComputedStyle(document.body).backgroundColor).slice(0, 3), found = [];
  const svg = document.querySelector('.view>svg, .panels svg');
  const shapes = [...svg.querySelectorAll('rect, path.hd')].filter((e) => getComputedStyle(e).fill !== 'none');
  for (const text of svg.querySelectorAll('text, tspan')) {
    if (text.querySelector('tspan') || !text.textContent.trim() || getComputedStyle(text).visibility !== 'visible') continue;
    const r = text.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2;
    let ground = paper;
    for (const shape of shapes) {
      const s = shape.getBoundingClientRect(), style = getComputedStyle(shape), [red, green, blue, alpha] = parse(style.fill);
      if (s.left <= x && x <= s.right && s.top <= y && y <= s.bottom)
        ground = over([red, green, blue], ground, alpha * parseFloat(style.fillOpacity) * opacity(shape));
    }
    const ink = over(parse(getComputedStyle(text).fill).slice(0, 3), ground, opacity(text));
    const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
    found.push([(high + 0.05) / (low + 0.05), text.textContent]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_of_a_picture_stands_out_from_its_ground(open_page, tmp_path, scheme):  # noqa: F811
    """4.5 to 1, as WCAG asks of small text: in every box, also in those that only stand around what is looked into."""
    small = tensor_mlp()
    small.backward()
    for html in (explain(mlp_loss(2, 16, 16, 1)).html, draw(small).html, draw(mlp_loss(2, 2, 1)).html, dense().html, run_page(tmp_path / "run.html")):
        page = open_page(html, scheme=scheme)
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        words = page.evaluate(CONTRAST)
        assert len(words) > 5 and words[0][0] >= 4.5, words[:5]
        if page.locator("svg .opens").count() and page.locator("#back").count():
            page.locator("svg .opens").first.click()
            faded = page.locator(".faded")
            assert faded.count() and page.locator(".faded text").count()
            words = page.evaluate(CONTRAST)
            assert words[0][0] >= 4.5, words[:5]


def test_numbers_have_a_minus_sign_of_their_own_length(open_page):  # noqa: F811
    page, members = open_page(dense().html), []
    for box in page.locator("#scalar .b").all():
        box.click()
        members += page.locator("#inside li").all_text_contents() if page.locator("#inside").is_visible() else []
        page.keyboard.press("Escape")
    assert any("= −" in text for text in members) and not any("= -" in text for text in members), members
