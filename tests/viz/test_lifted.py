"""The picture of a lift: every call a box, and each side finds its counterparts on the other."""

import pytest

from autograd_core import Value, draw, lift
from autograd_core.lifting import lift_with_origins

from .graphs import HOSTILE
from .test_browser import browser, no_leaks, open_page  # noqa: F401


def tiny(label="w"):
    w, b = [Value(0.5, label=label), Value(-0.3)], Value(0.1)
    xs = [[Value(float(i)), Value(i - 1.5)] for i in range(4)]
    loss = sum(((w[0] * x[0] + w[1] * x[1] + b).tanh() - 1.0) ** 2 for x in xs)
    return loss, [*w, b], xs


def test_a_program_alone(tmp_path):
    loss, params, inputs = tiny()
    program = lift(loss, params=params, inputs=inputs)
    found = draw(program)
    assert [box.name for box in found.graph.boxes if box.members] == [line.name for line in program.lines]
    for ending in ("svg", "html", "dot"):
        assert found.save(tmp_path / f"x.{ending}").stat().st_size > 100
    assert "text/html" in found._repr_mimebundle_()


def test_words_are_no_arrays():
    from autograd_core.lifting import Line
    from autograd_core.viz.lifted import program_graph

    assert len(program_graph([Line("loss", "72 lines of scalar source", (), 55)]).boxes) == 1
    graph = program_graph([Line("H1", "relu(W1 @ X + b1)", (16, 100), 1600), Line("loss", "0.01 * sum(H1)", (), 1)])
    assert [box.name for box in graph.boxes] == ["W1", "X", "b1", "H1", "loss"] and len(graph.edges) == 4
    assert "← 1,600 nodes" in graph.boxes[3].rows[0].value


def test_hostile_labels():
    for label in HOSTILE:
        loss, params, inputs = tiny(label)
        html = draw(lift_with_origins(loss, params=params, inputs=inputs)).html
        assert "<img" not in html and html.count("<script") == 2


@pytest.mark.browser
def test_pointing_at_a_call_lights_its_nodes(open_page):  # noqa: F811
    loss, params, inputs = tiny()
    found = draw(lift_with_origins(loss, params=params, inputs=inputs), limit=200)
    page = open_page(found.html)
    for k, box in enumerate(box for box in found.graph.boxes if box.members):
        page.locator(f"#c{box.id}").hover()
        lit = {e.get_attribute("id") for e in page.locator("#scalar .lit").element_handles()}
        assert lit == {f"b{i}" for i, _ in found._pairs[k]} and lit
        assert "replaced" in page.locator("#say").text_content()
    page.mouse.move(0, 0)
    page.locator(f"#b{found._pairs[0][0][0]}").focus()
    assert page.locator("#array .lit").count() >= 1
