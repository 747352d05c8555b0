"""The picture of a lift: the program beside the scalar graph it replaced, and each side finds its counterparts on the other."""

import json
import random
import re
import time

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, draw, lift
from autograd_core.errors import LiftError, OperandError
from autograd_core.lifting import Line, lift_with_origins
from autograd_core.viz.lifted import program_graph
from tests.lifting.workloads import WORKLOADS, moons

from .graphs import HOSTILE
from .test_browser import OVERLAPS, browser, no_leaks, open_page  # noqa: F401


def data_of(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def tiny(label="w"):
    w, b = [Value(0.5, label=label), Value(-0.3)], Value(0.1)
    xs = [[Value(float(i)), Value(i - 1.5)] for i in range(4)]
    loss = sum(((w[0] * x[0] + w[1] * x[1] + b).tanh() - 1.0) ** 2 for x in xs)
    return loss, [*w, b], xs


def in_loops(n=100, sizes=(2, 16, 16, 1)):
    """Moons with a network in plain loops: no module, no label."""
    rng = random.Random(0)
    x, y = moons(n)
    layers = [[([Value(rng.uniform(-1, 1)) for _ in range(a)], Value(0.0)) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]
    rows = [[Value(float(v)) for v in row] for row in x]
    losses = []
    for row, label in zip(rows, y.tolist()):
        h = row
        for k, layer in enumerate(layers):
            z = [sum((w * v for w, v in zip(ws, h)), b) for ws, b in layer]
            h = z if k == len(layers) - 1 else [v.relu() for v in z]
        losses.append((1 + -label * h[0]).relu())
    parameters = [p for layer in layers for ws, b in layer for p in (*ws, b)]
    return sum(losses) * (1.0 / n) + 1e-4 * sum(p * p for p in parameters), parameters, rows


def with_modules(n=100):
    x, y = moons(n)
    model = nn.MLP(2, [16, 16, 1], rng=0)
    rows = [[Value(float(v)) for v in row] for row in x]
    losses = [(1 + -label * model(row)).relu() for row, label in zip(rows, y.tolist())]
    return sum(losses) * (1.0 / n) + 1e-4 * sum(p * p for p in model.parameters()), list(model.parameters()), rows


def recurrent(steps=5, batch=4):
    rng = random.Random(1)
    v = lambda: Value(rng.uniform(-0.5, 0.5))
    wx, wh = ([[v() for _ in range(k)] for _ in range(8)] for k in (3, 8))
    b = [v() for _ in range(8)]
    xs = [[[v() for _ in range(3)] for _ in range(steps)] for _ in range(batch)]
    loss = 0.0
    for sequence in xs:
        h = [0.0] * 8
        for x in sequence:
            h = [(sum(w * e for w, e in zip(wx[i], x)) + sum(w * e for w, e in zip(wh[i], h)) + b[i]).tanh() for i in range(8)]
        loss = loss + (sum(h) - 1.0) ** 2
    return loss, [wx, wh, b], xs


def irregular(n=400):
    rng = random.Random(3)
    given = [Value(rng.uniform(0.5, 1.5)) for _ in range(6)]
    pool = list(given)
    for _ in range(n):
        a, c = rng.choice(pool), rng.choice(pool[-8:])
        pool.append(rng.choice([lambda a=a, c=c: a * c * 0.1, lambda a=a, c=c: a - c, lambda a=a: (a * 0.3).tanh()])())
    return sum(pool[-30:]), given, []


GRAPHS = {"tiny": tiny, "loops": lambda: in_loops(20), "modules": lambda: with_modules(20), "recurrent": recurrent, "irregular": irregular}


def drawn(make):
    loss, parameters, inputs = make()
    pair = lift_with_origins(loss, params=parameters, inputs=inputs)
    return draw(pair), pair


def test_a_program_alone(tmp_path):
    loss, params, inputs = tiny()
    program = lift(loss, params=params, inputs=inputs)
    found = draw(program)
    assert [box.name for box in found.graph.boxes if box.members] == [line.name for line in program.lines]
    for ending in ("svg", "html", "dot"):
        assert found.save(tmp_path / f"x.{ending}").stat().st_size > 100
    assert "text/html" in found._repr_mimebundle_()


def test_words_are_no_arrays():
    assert len(program_graph([Line("loss", "0.5", (), 55)]).boxes) == 1
    graph = program_graph([Line("H1", "relu(W1 @ X + b1)", (16, 100), 1600), Line("loss", "0.01 * sum(H1)", (), 1)])
    assert [box.name for box in graph.boxes] == ["W1", "X", "b1", "H1", "loss"] and len(graph.edges) == 4
    assert "← 1,600 nodes" in graph.boxes[3].rows[0].value
    graph = program_graph([Line("H1", "tanh(Wx @ X)", (8, 20), 800)], {"Wx": "parameter", "X": "input"})
    assert [box.name for box in graph.boxes] == ["Wx", "X", "H1"]


@pytest.mark.parametrize("name", list(GRAPHS))
def test_counts_are_those_of_the_lift(name):
    """Every recorded node is in one box or in the count of numbers, and each line lights exactly its own nodes."""
    found, (program, origins) = drawn(GRAPHS[name])
    side = found.side
    for k, (_, nodes) in enumerate(origins):
        assert sum(lines.get(k, 0) for lines in side.lines) == len({id(node) for node in nodes})
    replaced = {id(node) for _, nodes in origins for node in nodes}
    in_lines = sum(size for size, lines in zip(side.sizes, side.lines) if lines)
    assert in_lines == len(replaced)
    assert all(n == size for size, lines in zip(side.sizes, side.lines) for n in lines.values()), "no box lies in a line by half"
    rows = data_of(found.html)["rows"]
    for k, line in enumerate(program.lines):
        assert dict(map(tuple, rows[k]["boxes"])) == {box: lines[k] for box, lines in enumerate(side.lines) if k in lines}
        assert f"{line.replaced:,} node" in rows[k]["say"]


def test_moons_in_loops_and_with_modules():
    found, (program, _) = drawn(in_loops)
    boxes = {box.name: box for box in found.side.graph.boxes}
    assert boxes["z2"].formula == "= b2 + Σ₁₆ w2·h1" and boxes["z2"].count == 1600
    assert boxes["z2"].rows[0].value == "1,600 × 32 = 51,200"
    assert sum(found.side.sizes) == 65_818
    assert found._headline() == f"65,818 scalar nodes → {sum(program.calls)} NumPy calls, 3 matrix products forward"
    found, _ = drawn(lambda: with_modules(10))
    titles = [group.title for group in found.side.graph.groups]
    assert titles[:3] == ["MLP", "layers.0 · Layer", "layers.1 · Layer"]
    inside = {box.name: box.group for box in found.side.graph.boxes}
    assert inside["z1"] == inside["h1"] != inside["z2"] == inside["h2"]


def test_members_of_a_stack():
    found, _ = drawn(lambda: in_loops(10))
    names = [box.name for box in found.side.graph.boxes]
    members = found.side.members[names.index("z1")]
    assert members["more"] == 160 - len(members["list"]) and len(members["list"]) == 4
    assert members["list"][0].startswith("z1[0] = b1[0] + w1[0]·x[0] + w1[1]·x[1] = ")
    assert members["svg"].startswith("<svg") and ' id="b' not in members["svg"]


def test_numbers_that_differ_are_no_numbers_of_the_formula():
    found, _ = drawn(lambda: in_loops(10))
    box = next(box for box in found.side.graph.boxes if box.name == "u1")
    assert box.formula == "= 1 + c·(b3 + Σ₁₆ w3·h2)"


def test_what_was_folded_when_lifting_is_told_apart():
    def make():
        loss, params, inputs = in_loops(10)
        scale = (Value(2.0) * Value(3.0)).exp()  # in no list: numbers of the program
        return loss * scale, params, inputs

    found, _ = drawn(make)
    folded = [i for i, box in enumerate(found.side.graph.boxes) if box.role == "constant"]
    assert folded and all(not found.side.lines[i] for i in folded)
    assert any("computed once, when lifting" in found.side.texts[i] for i in folded)


def test_speed_and_size():
    loss, parameters, inputs = in_loops()
    pair = lift_with_origins(loss, params=parameters, inputs=inputs)
    start = time.process_time()
    html = draw(pair).html
    assert time.process_time() - start < 3
    assert len(html.encode()) < 1_000_000


def test_the_matrix_product_in_four_samples():
    """A graph too small to gain from arrays can still be shown as an array program, node by node."""
    w, b = Value(2.0, label="w"), Value(0.5, label="b")
    xs = [Value(float(i), label=f"x{i}") for i in range(4)]
    loss = sum((w * x + b - 1.0) ** 2 for x in xs)
    found = draw(lift_with_origins(loss, params=[w, b], inputs=xs, kind="matrix"))
    assert [line.expression for line in found._program.lines] == ["w * x + b - 1", "v1 · v1"]
    names = [box.name for box in found.side.graph.boxes]
    lit = [names[i] for i, lines in enumerate(found.side.lines) if 0 in lines]
    assert {"v1[0]", "v1[1]", "v1[2]", "v1[3]"} < set(lit) and len(lit) == 12
    with pytest.raises(LiftError, match="expected one of 'matrix', 'level batching', 'scalar source'"):
        lift_with_origins(loss, kind="magic")


@pytest.mark.parametrize("kind", ["matrix", "level batching", "scalar source"])
def test_every_kind_has_its_picture(kind):
    loss, params, inputs = recurrent(3)
    pair = lift_with_origins(loss, params=params, inputs=inputs, kind=kind)
    found = draw(pair)
    assert pair[0].kind == kind and data_of(found.html)["rows"]
    assert sum(size for size, lines in zip(found.side.sizes, found.side.lines) if lines) == len({id(n) for _, ns in pair[1] for n in ns})


def test_a_long_sum_needs_no_recursion():
    x = [Value(0.1) for _ in range(3)]
    total = x[0]
    for i in range(20_000):
        total = total + x[i % 3] * 0.5
    found = draw(lift_with_origins(total, params=x))
    assert found.html.startswith("<!doctype html>")


def test_hostile_labels():
    for label in HOSTILE:
        loss, params, inputs = tiny(label)
        html = draw(lift_with_origins(loss, params=params, inputs=inputs)).html
        assert "<img" not in html and html.count("<script") == 2
        assert "default-src 'none'" in html


# -- the page


def lit(page, side):
    return page.evaluate(f"[...document.querySelectorAll('{side} .lit')].map((e) => e.id || e.querySelector('.code').textContent)")


@pytest.mark.browser
@pytest.mark.parametrize("name", ["tiny", "loops", "recurrent"])
def test_pointing_lights_the_other_side(open_page, name):  # noqa: F811
    found, _ = drawn(GRAPHS[name])
    data, page = data_of(found.html), open_page(found.html)
    lines = page.locator(".line")
    assert lines.count() == len(data["rows"])
    for k in range(0, len(data["rows"]), 3):
        lines.nth(k).hover()
        assert set(lit(page, "#scalar")) == {f"b{box}" for box, _ in data["rows"][k]["boxes"]}
        assert page.locator("#say").text_content() == data["rows"][k]["say"]
        if data["rows"][k]["boxes"]:
            assert page.locator("#links path").count() >= 1
    texts = lines.locator(".code").all_text_contents()
    page.mouse.move(2, 2)
    assert lit(page, "#scalar") == [] and page.locator("#links path").count() == 0
    box = data["rows"][0]["boxes"][0][0]
    page.locator(f"#b{box}").hover()
    assert lit(page, "#array") == [texts[k] for k in data["boxes"][box]["rows"]]


@pytest.mark.browser
def test_a_click_holds_and_escape_lets_go(open_page):  # noqa: F811
    found, _ = drawn(GRAPHS["loops"])
    data, page = data_of(found.html), open_page(found.html)
    page.locator(".line").nth(1).click()
    kept = lit(page, "#scalar")
    assert kept and page.locator(".line").nth(1).get_attribute("aria-pressed") == "true"
    page.locator(".line").nth(0).hover()
    page.mouse.move(2, 2)
    assert lit(page, "#scalar") == kept
    page.keyboard.press("Escape")
    assert lit(page, "#scalar") == [] and page.locator("[aria-pressed=true]").count() == 0
    box = data["rows"][1]["boxes"][0][0]
    page.locator(f"#b{box}").click()
    assert page.locator("#inside li").all_text_contents() == data["boxes"][box]["list"]
    assert f"… and {data['boxes'][box]['more']:,} more" in page.locator("#inside").text_content()
    assert page.locator("#inside svg .b").count() > 3
    page.locator(f"#b{box}").click()
    assert page.locator("#inside").is_hidden() and page.locator("[aria-pressed=true]").count() == 0


@pytest.mark.browser
def test_arrow_keys_go_from_line_to_line(open_page):  # noqa: F811
    found, _ = drawn(GRAPHS["loops"])
    data, page = data_of(found.html), open_page(found.html)
    page.locator(".line").first.focus()
    for k in (1, 2, 3):
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement === document.querySelectorAll('.line')[" + str(k) + "]")
        assert page.locator("#say").text_content() == data["rows"][k]["say"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    assert page.locator(".line").nth(3).get_attribute("aria-pressed") == "true"
    page.keyboard.press("End")
    assert page.locator(".line").last.get_attribute("aria-pressed") == "true", "what is held moves along"
    page.keyboard.press("Escape")
    page.locator("#b0").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    assert page.locator("#b1").get_attribute("aria-pressed") == "true"
    assert page.locator("[tabindex='0']").count() == 2, "one stop of Tab a side"


@pytest.mark.browser
def test_a_tall_graph_opens_at_its_beginning_and_a_wide_one_in_its_middle(open_page):  # noqa: F811
    for name, tall in (("rnn_20_steps", True), ("mixed_operations", False)):
        loss, params, inputs = WORKLOADS[name]()
        page = open_page(draw(lift_with_origins(loss, params=params, inputs=inputs)).html, width=1500, height=1000)
        top, left, room = page.evaluate("[scalar.scrollTop, scalar.scrollLeft, scalar.scrollWidth - scalar.clientWidth]")
        assert top == 0 and abs(left - room / 2) <= 1
        assert page.evaluate("scalar.scrollHeight > 2 * scalar.clientHeight") if tall else room > 100


@pytest.mark.browser
def test_zoom_and_drag(open_page):  # noqa: F811
    page = open_page(drawn(GRAPHS["loops"])[0].html)
    width = lambda: page.evaluate("document.querySelector('#scalar>svg').getBoundingClientRect().width")
    first = width()
    page.locator("#larger").click()
    assert width() == pytest.approx(first * 1.25)
    page.locator("#fit").click()
    assert page.evaluate("(() => { const v = document.getElementById('scalar'); return v.scrollHeight <= v.clientHeight + 2; })()")
    page.locator("#scalar").hover()
    whole = width()
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"document.querySelector('#scalar>svg').getBoundingClientRect().width > {whole}")
    view = page.locator("#scalar").bounding_box()
    before = page.evaluate("[scalar.scrollLeft, scalar.scrollTop]")
    page.mouse.move(view["x"] + 200, view["y"] + 300)
    page.mouse.down()
    page.mouse.move(view["x"] + 120, view["y"] + 200, steps=4)
    page.mouse.up()
    assert page.evaluate("[scalar.scrollLeft, scalar.scrollTop]") != before
    assert page.locator("[aria-pressed=true]").count() == 0, "dragging is no click"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1500])
@pytest.mark.parametrize("name", ["modules", "recurrent", "irregular"])
def test_light_dark_narrow_and_wide(open_page, name, width, scheme):  # noqa: F811
    page = open_page(drawn(GRAPHS[name])[0].html, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 29)"}[scheme]
    assert page.evaluate(OVERLAPS) == []
    cut = "[...document.querySelectorAll('.line,.code,.facts')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"
    assert page.evaluate(cut) == []
    page.locator(".line").nth(1).click()
    say = page.locator("#say").bounding_box()
    assert say["y"] + say["height"] <= 901 and say["width"] <= width


@pytest.mark.browser
def test_hostile_labels_do_nothing(open_page):  # noqa: F811
    leaves = [Value(0.1, label=label) for label in HOSTILE[:40]]
    xs = [[Value(float(i - j)) for j in range(40)] for i in range(8)]
    loss = sum(sum(w * v for w, v in zip(leaves, row)).tanh() for row in xs)
    page = open_page(draw(lift_with_origins(loss, params=leaves, inputs=xs)).html)
    for k in range(page.locator("#scalar .b").count()):
        page.locator(f"#b{k}").focus()
        page.keyboard.press("Enter")
    assert page.locator("img").count() == 0 and page.locator("script").count() == 2
    assert page.locator("#inside li").count() > 0 or page.locator("#inside").is_hidden()


@pytest.mark.browser
def test_in_a_notebook(open_page):  # noqa: F811
    html = drawn(GRAPHS["loops"])[0]._repr_mimebundle_()["text/html"]
    page = open_page("<!doctype html><meta charset=utf-8>" + html, width=1000)
    assert page.locator("iframe").bounding_box()["height"] >= 640
    frame = page.frame_locator("iframe")
    frame.locator(".line").nth(0).click()
    assert frame.locator("#scalar .lit").count() == 2
    assert np.all([frame.locator("#say").is_visible(), frame.locator("h1").is_visible()])


def test_a_tensor_program_tells_its_leaves_apart():
    """Two layers have two weights; what is looked at in another shape keeps its name; every array that is read is a box."""
    model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))
    loss = nn.cross_entropy(model(np.ones((3, 2))), np.zeros(3, int))
    program = lift(loss, params=model.parameters())
    assert [line.expression for line in program.lines][:3] == ["linear(c, weight, bias)", "tanh(t1)", "linear(t2, weight2, bias2)"]
    assert program.leaf_names() == ["weight", "bias", "weight2", "bias2"]
    roles = {box.name: box.role for box in draw(program).graph.boxes}
    assert {name: role for name, role in roles.items() if role != "operation"} == {
        "c": "constant", "weight": "parameter", "bias": "parameter", "weight2": "parameter", "bias2": "parameter",
    }  # fmt: skip
    assert len(draw(program).graph.edges) == 8
    images = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.Flatten(), nn.Linear(8, 2, rng=1))
    lines = [line.expression for line in lift(images(np.ones((3, 1, 4, 4))).sum(), params=images.parameters()).lines]
    assert lines[:2] == ["matmul(reshape(weight), x)", "add(t1, reshape(bias))"]
    tau, odd, other = (Tensor([1.0, 2.0], label=label) for label in ("tau", "my <weight>", "tau"))
    program = lift((tau * odd * other * np.ones(2)).sum(), params=tau, inputs=odd)
    assert [line.expression for line in program.lines] == ["mul(tau, x)", "mul(t1, tau2)", "mul(t2, c)", "sum(t3)"]
    roles = {box.name: box.role for box in draw(program).graph.boxes}
    assert (roles["tau"], roles["x"], roles["tau2"], roles["c"]) == ("parameter", "input", "constant", "constant")
    for label in ("t1", "loss", "c2", "nan"):  # names that mean something else in a line
        program = lift((Tensor([1.0], label=label) * np.ones(1)).sum(), params=[])
        assert program.lines[0].expression == "mul(x, c)"


@pytest.mark.parametrize("second", [None, "origins", [1, 2], [("H", ())], "the program"])
def test_a_pair_that_no_lift_has_returned_is_refused(second):
    x = Value(2.0)
    program = lift(x * x)
    with pytest.raises(OperandError, match="draw: received a program and .*expected the pair that lift_with_origins returns"):
        draw((program, program if second == "the program" else second))
