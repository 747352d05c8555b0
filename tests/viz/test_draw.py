"""The picture of a graph: what it says, its formats, hostile labels, folding and speed."""

import re
import shutil
import time
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

import nn
from autograd_core import Op, Tensor, Value, no_grad, weighted_sum
from autograd_core.errors import AutogradError
from autograd_core.lifting import lift_with_origins
from autograd_core.viz import draw, explain, theme
from autograd_core.viz.dot import _command, placed_by_dot
from autograd_core.viz.fold import view_of
from autograd_core.viz.heat import grid_of
from autograd_core.viz.network import read
from autograd_core.viz.text import clean, number
from autograd_core.walk import walk

from .graphs import HOSTILE, chain, mlp_loss, neuron, scope, tensor_mlp

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing):
    return ["".join(t.itertext()) for t in ET.fromstring(drawing.svg).iter(f"{SVG}text")]


def boxes(drawing):
    return {box.name: box for box in drawing.graph.boxes}


def edges(drawing):
    names = [box.name for box in drawing.graph.boxes]
    return [(names[e.source], names[e.target], e.slot, e.symbol, e.value) for e in drawing.graph.edges]


def test_a_neuron_says_values_gradients_and_derivatives():
    out, w, _, _ = neuron()
    before = draw(out)
    assert {row.value for row in boxes(before)["w"].rows if row.key == "grad"} == {"?"}, "no misleading 0"
    out.backward()
    drawing = draw(out)
    assert [row.value for row in boxes(drawing)["w"].rows] == ["2", number(w.grad)]
    assert boxes(drawing)["out"].formula == "= tanh(v2)" and boxes(drawing)["out"].root
    assert ("w", "v1", 0, "x", "−1") in edges(drawing)
    assert ("x", "v1", 1, "w", "+2") in edges(drawing)
    assert ("v2", "out", 0, "1 − out²", "+" + number(1 - out.data**2)) in edges(drawing)
    assert {boxes(drawing)[n].role for n in "wb"} == {"parameter"} and boxes(drawing)["x"].role == "input"
    assert "out = tanh(v2)" in texts(drawing)


def test_one_edge_per_use():
    x = Value(3.0, label="x")
    assert edges(draw(x * x)) == [("x", "out", 0, "x", "+3"), ("x", "out", 1, "x", "+3")]
    assert draw(x * x).source.count("n0 -> n1") == 2


def test_constants_have_no_gradient_and_no_derivative():
    drawing = draw((Value(3.0, label="x") + 1.0) ** 2)
    constants = [box for box in drawing.graph.boxes if box.role == "constant"]
    assert sorted(box.name for box in constants) == ["1", "2"] and not any(box.rows for box in constants)
    assert not any(e[3] or e[4] for e in edges(drawing) if e[0] in ("1", "2"))


def test_names_are_unique_and_survive_repeats():
    a, b, c = Value(1.0, label="w"), Value(2.0, label="w"), Value(3.0, label="v1")
    names = read((a * b + c).exp()).names
    assert len(set(names)) == len(names) and {"w", "w₂", "v1", "out"} <= set(names)


def test_a_leaf_alone_and_an_empty_tensor_are_drawn():
    assert len(draw(Value(1.0)).graph.boxes) == 1
    assert "(0, 3)" in " ".join(texts(draw(Tensor(np.zeros((0, 3))))))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e300, 5e-324])
def test_any_number_is_drawn(bad):
    x = Value(bad, label="x")
    y = x * x
    y.backward()
    assert "x" in texts(draw(y))
    assert any("t" in text for text in texts(draw((Tensor(np.array([bad] * 20), label="t") * 2.0).sum())))


def test_tensors_show_shapes_values_and_heat_maps():
    small = Tensor([[1.0, -2.0], [0.5, 4.0]], label="A")
    loss = (small * small).sum()
    loss.backward()
    box = boxes(draw(loss))["A"]
    assert box.rows[0].key == "(2, 2)"
    assert [text for text, _ in box.grids[0].cells] == ["1", "−2", "0.5", "4"]
    assert [text for text, _ in box.grids[1].cells] == ["2", "−4", "1", "8"]
    drawing = draw(tensor_mlp())
    assert boxes(drawing)["W1"].grids[0].image.startswith(b"\x89PNG")
    assert "image/png;base64" in drawing.svg
    assert ("W1", "v1", 1, "Xᵀ @ g", "") in edges(drawing)
    assert not any(row.live for row in boxes(drawing)["X"].rows), "X takes no gradient"


def pixels_of(image):
    """(the rows of palette indices, the palette) of a picture of one byte a point."""
    chunks, at = {}, 8
    while at < len(image):
        length = int.from_bytes(image[at : at + 4], "big")
        chunks[image[at + 4 : at + 8]] = image[at + 8 : at + 8 + length]
        at += 12 + length
    wide, high = (int.from_bytes(chunks[b"IHDR"][k : k + 4], "big") for k in (0, 4))
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(high, wide + 1)
    return rows[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)


@pytest.mark.parametrize("shape", [(17,), (32,), (3, 6), (2, 3, 4), (32, 32), (18, 1)])
def test_every_point_of_a_heat_map_is_a_value(shape):
    array = np.random.default_rng(0).normal(size=shape)
    array.flat[[1, 4, 7]] = np.nan, np.inf, -np.inf
    top = np.abs(array[np.isfinite(array)]).max()
    grid = grid_of("data", array)
    pixels, palette = pixels_of(grid.image)
    flat = array.reshape(-1, shape[-1])
    expected = [[63 if v != v else 31 + round(31 * max(-1.0, min(1.0, v / top))) for v in row] for row in flat.tolist()]
    assert pixels.tolist() == expected and (grid.columns, grid.rows) == pixels.shape[::-1] and not grid.cells
    orange, white, blue, grey = palette[[0, 31, 62, 63]].tolist()
    assert (orange, white, blue, grey) == ([179, 77, 0], [250, 250, 248], [0, 92, 158], [120] * 3) and len(palette) == 64
    assert (np.diff(palette[:32].astype(int), axis=0) >= 0).all() and (np.diff(palette[31:63].astype(int), axis=0) <= 0).all()


@pytest.mark.parametrize("shape", [(33,), (37,), (1000,), (1031,), (1, 100), (33, 2), (2, 33), (100, 70), (5, 1000)])
def test_no_value_of_a_large_array_is_left_out_of_its_heat_map(shape):
    n = int(np.prod(shape))
    for at in (0, 1, n // 2, n - 2, n - 1):
        for v, there in ((1.0, lambda p: (p > 31).sum() == 1), (-1.0, lambda p: (p < 31).sum() == 1), (np.nan, lambda p: (p == 63).sum() == 1)):
            array = np.zeros(shape)
            array.flat[at] = v
            pixels, _ = pixels_of(grid_of("data", array).image)
            assert there(pixels) and max(pixels.shape) <= 33
    assert (pixels_of(grid_of("data", np.ones((64, 64))).image)[0] == 62).all()


@pytest.mark.parametrize(("shape", "columns"), [((), 1), ((1,), 1), ((5,), 5), ((6,), 3), ((7,), 4), ((16,), 4), ((2, 8), 8), ((3, 2), 2), ((8, 2), 2), ((2, 2, 3), 3), ((1, 9), 3)])
def test_few_values_stand_in_cells(shape, columns):
    array = np.random.default_rng(0).normal(size=shape)
    grid = grid_of("grad", array)
    top = np.abs(array).max()
    assert (grid.key, grid.columns, grid.rows, grid.image) == ("grad", columns, -(-array.size // columns), b"")
    assert [t for _, t in grid.cells] == [v / top for v in array.ravel().tolist()]
    assert [t for _, t in grid_of("grad", np.array([np.nan, np.inf, -np.inf, 2.0, -1.0])).cells] == [0.0, 1.0, -1.0, 1.0, -0.5]
    assert [t for _, t in grid_of("grad", np.zeros(2)).cells] == [0.0, 0.0]


def test_a_number_stands_above_its_gradient():
    """However many digits each has: the cells of a box have one width."""
    w = Tensor(np.array([[1.0, 2.0], [-3.0, 4.0]]), label="w")
    (w * 1.2345e-7).sum().backward()
    cells = re.findall(r'<rect class="[pm]" x="(\d+)" y="(\d+)" width="(\d+)"', draw(w).svg)
    places = sorted({(int(y), int(x)) for x, y, _ in cells})
    assert len(places) == 8 and len({x for _, x in places}) == 2 and len({width for *_, width in cells}) == 1


def test_a_heat_map_is_a_png_that_others_read():
    image = pytest.importorskip("PIL.Image")
    import io

    array = np.linspace(-1, 1, 40).reshape(5, 8)
    pixels = np.asarray(image.open(io.BytesIO(grid_of("data", array).image)).convert("RGB")).astype(int)
    assert pixels.shape == (5, 8, 3)
    assert pixels[0, 0, 0] > pixels[0, 0, 2] and pixels[-1, -1, 2] > pixels[-1, -1, 0], "orange is negative, blue positive"


def test_mixed_graphs_are_drawn():
    v, t = Value(2.0, label="v"), Tensor([1.0, 2.0], label="t")
    drawing = draw((v * t).sum())
    assert {"v", "t"} <= boxes(drawing).keys()


def test_operations_and_modules_of_a_user_need_no_work():
    op = Op(name="triple_it", array=lambda x: 3.0 * x, d=(lambda m, out, x: 3.0,))
    try:
        x = Value(2.0, label="x")
        y = op(x)
        y._scope = scope("mine", "MyModule", [x])
        drawing = draw(y * 2.0)
        assert any(box.formula == "= triple_it(x)" for box in drawing.graph.boxes)
        assert [group.title for group in drawing.graph.groups] == ["mine · MyModule"]
    finally:
        op.forget()


def test_a_rule_that_cannot_be_read_as_a_formula_still_gets_its_picture():
    def rule(m, out, x):
        if x > 0:  # branches on its operand: no formula
            return 1.0
        return -1.0

    op = Op(name="bent", array=np.abs, d=(rule,))
    try:
        assert edges(draw(op(Value(-2.0, label="x"))))[0][3:] == ("", "−1")
    finally:
        op.forget()


# ------------------------------------------------------------------------------------------------ folding
def test_small_models_are_open_and_boxes_stand_in_containers():
    drawing = draw(mlp_loss(2, 2, 1))
    titles = {group.title for group in drawing.graph.groups}
    assert {"MLP", "layers.0 · Layer", "neurons.1 · Neuron"} <= titles
    assert len(drawing.graph.boxes) == 30 and drawing.graph.note == ""


def test_large_models_are_folded_into_stacks():
    drawing = draw(mlp_loss(2, 16, 16, 1))
    stacks = [(box.name, box.count) for box in drawing.graph.boxes if box.count > 1]
    assert stacks == [("Neuron", 16), ("Neuron", 16)]
    assert "984 nodes folded" not in drawing.graph.note or len(drawing.graph.boxes) < 20
    assert sum(len(box.members) for box in drawing.graph.boxes) == len(read(mlp_loss(2, 16, 16, 1)).nodes)
    whole = draw(mlp_loss(2, 16, 16, 1), depth=0)
    assert any(box.name == "MLP" and box.opens for box in whole.graph.boxes) and not whole.graph.groups
    parameters = next(box for box in whole.graph.boxes if box.name == "MLP").rows[0]
    assert (parameters.key, parameters.value) == ("parameters", str(2 * 16 + 16 + 16 * 16 + 16 + 16 + 1))


def test_left_folds_of_additions_become_one_sum():
    drawing = draw(sum((Value(float(i), label=f"x{i}") for i in range(5)), Value(0.5, label="s")), fold=True)
    (box,) = (box for box in drawing.graph.boxes if box.role == "sum")
    assert box.formula == "= Σ of 6 terms" and len(drawing.graph.edges) == 6


def test_equal_terms_become_a_stack_and_shared_weights_stay_outside():
    w = Value(2.0, label="w")
    loss = sum((w * Value(float(i)) - 1.0) ** 2 for i in range(40))
    drawing = draw(loss)
    assert [box.count for box in drawing.graph.boxes if box.count > 1] == [40]
    assert "w" in boxes(drawing)
    drawing = draw(sum((Value(1.0, label=f"w{i}") * Value(2.0, label=f"x{i}") for i in range(40)), Value(0.0)))
    assert [(box.name, box.count) for box in drawing.graph.boxes if box.count > 1] == [("w × x", 40)], "what the names share"


def test_the_same_module_called_twice_shares_its_parameters_outside_of_both():
    w, a, b = Value(2.0, label="w"), Value(1.0, label="a"), Value(3.0, label="b")
    y, z = w * a, w * b
    y._scope, z._scope = scope("f", "F", [a]), scope("f", "F", [b])
    drawing = draw(y + z)
    assert boxes(drawing)["w"].group is None and len(drawing.graph.groups) == 2


def test_a_fold_that_would_make_a_cycle_is_opened():
    x = Value(1.0, label="x")
    a = x * 2.0
    outside = a.exp()
    b = outside + a
    a._scope = b._scope = scope("m", "M", [x, outside])
    drawing = draw(b.tanh(), depth=0)
    ET.fromstring(drawing.svg)
    assert sum(len(box.members) for box in drawing.graph.boxes) == 6


def test_what_is_too_large_is_cut_and_says_so():
    drawing = draw(chain(4000))
    assert len(drawing.graph.boxes) < 200
    assert "of 4,002 nodes are shown" in drawing.graph.note and drawing.graph.note in texts(drawing)
    assert any(box.role == "rest" for box in drawing.graph.boxes)


def test_around_shows_the_neighbourhood_of_a_node():
    root = chain(400)
    node = root
    for _ in range(100):
        node = node.parents[0]
    node.label = "here"
    drawing = draw(root, around=node, limit=20)
    assert "here" in boxes(drawing) and "out" not in boxes(drawing)
    with pytest.raises(AutogradError, match="around= must be a node"):
        draw(root, around=Value(1.0))


# ------------------------------------------------------------------------------------------------ hostile
def test_hostile_labels_give_well_formed_harmless_svg(tmp_path):
    assert len(HOSTILE) == 200
    leaves = [Value(0.01 * i, label=label) for i, label in enumerate(HOSTILE)]
    for start in range(0, 200, 25):
        out = leaves[start]
        for leaf in leaves[start + 1 : start + 25]:
            out = out * leaf + leaf
        drawing = draw(out, fold=False)
        tree = ET.fromstring(drawing.svg)
        tags = {element.tag.removeprefix(SVG) for element in tree.iter()}
        assert tags <= {"svg", "style", "rect", "g", "path", "text", "tspan", "title", "image"}
        for element in tree.iter():
            assert not any(key.lower().startswith("on") for key in element.keys())  # noqa: SIM118 - an element is no dictionary
            assert not any("javascript:" in value for key, value in element.items() if key != "aria-label")
        assert all(len(box.name) <= 44 for box in drawing.graph.boxes)
        html = drawing.html
        assert html.count("<script") == 2 and html.count("</script>") == 2
        assert "<img" not in html and "<svg onload" not in html


def test_hostile_labels_give_dot_that_graphviz_reads():
    if _command("svg") is None:
        pytest.skip("Graphviz (the dot program or pygraphviz) is not installed")
    out = Value(1.0, label=HOSTILE[0])
    for label in HOSTILE[1:60]:
        out = out * Value(0.5, label=label)
    drawing = draw(out, fold=False)
    from autograd_core.viz.dot import rendered

    tree = ET.fromstring(rendered(drawing.source, "svg"))
    shown = {"".join(t.itertext()) for t in tree.iter(f"{SVG}text")}
    assert any(text.replace("\xa0", " ").startswith("{a|<f0> b}") for text in shown)


def test_every_quote_in_dot_is_balanced():
    out = Value(1.0, label=HOSTILE[0])
    for label in HOSTILE[1:60]:
        out = out * Value(0.5, label=label)
    for line in draw(out, fold=False).source.splitlines():
        bare = re.sub(r"\\.", "", line)
        assert bare.count('"') % 2 == 0, line
        assert "<" not in bare and ("->" in bare or ">" not in bare)


def test_clean_keeps_what_can_be_printed():
    assert clean("a\x00b\ud800c\u202ed") == "abcd"
    assert clean("two\nlines\tand") == "two lines and"


# ------------------------------------------------------------------------------------- formats and options
@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
def test_directions(direction):
    drawing = draw(mlp_loss(2, 2, 1), direction=direction)
    tree = ET.fromstring(drawing.svg)
    centre = {}
    for g in tree.iter(f"{SVG}g"):
        if g.get("class", "").startswith("b "):
            rect = g.find(f"{SVG}rect")
            centre[int(g.get("id")[1:])] = [float(rect.get("x")), float(rect.get("y")), float(rect.get("width")), float(rect.get("height"))]
    axis, sign = {"right": (0, 1), "down": (1, 1), "left": (0, -1), "up": (1, -1)}[direction]
    for edge in drawing.graph.edges:
        a, b = centre[edge.source], centre[edge.target]
        assert sign * (b[axis] + b[axis + 2] / 2 - a[axis] - a[axis + 2] / 2) > 0


def test_the_theme_is_the_readers_unless_one_is_chosen():
    out, *_ = neuron()
    assert "prefers-color-scheme" in draw(out).svg
    assert "prefers-color-scheme" not in draw(out, theme="dark").svg and "#16181d" in draw(out, theme="dark").svg


def test_a_drawing_keeps_the_gradients_of_its_moment():
    loss = mlp_loss(2, 16, 16, 1)
    before = draw(loss)
    loss.backward()
    assert not any(row.value != "?" for scene in before._inside() for box in scene.graph.boxes for row in box.rows if row.live)


def test_powers_are_raised():
    formulas = {box.formula for box in draw((Value(3.0, label="x") ** 2) ** -1.0).graph.boxes}
    assert {"= x²", "= v1⁻¹"} <= formulas


def test_show_chooses_what_is_written():
    out, *_ = neuron()
    bare = draw(out, show=())
    assert not any(box.rows for box in bare.graph.boxes) and not any(e.symbol or e.value for e in bare.graph.edges)


def test_save_writes_every_format(tmp_path):
    out, *_ = neuron()
    drawing = draw(out)
    for name in ("a.svg", "a.html", "a.dot", "a.gv"):
        assert drawing.save(tmp_path / name).read_text(encoding="utf-8")
    with pytest.raises(AutogradError, match=r"ending in \.svg"):
        drawing.save(tmp_path / "a.gif")


def test_png_and_pdf_need_graphviz_and_say_so(tmp_path, monkeypatch):
    out, *_ = neuron()
    drawing = draw(out)
    if _command("png") is not None:
        assert drawing.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        assert drawing.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    monkeypatch.setattr("autograd_core.viz.dot._command", lambda form: None)
    with pytest.raises(AutogradError, match=r"Graphviz, which was not found\. Install it .* \.svg or \.html"):
        drawing.save(tmp_path / "b.png")


def test_options_are_checked():
    out, *_ = neuron()
    with pytest.raises(AutogradError, match="direction='sideways', expected one of 'right'"):
        draw(out, direction="sideways")
    with pytest.raises(AutogradError, match="show="):
        draw(out, show=["everything"])
    for bad in (1.0, None, [out], "out", np.ones(2), Value):
        with pytest.raises(AutogradError, match=f"draw: received {type(bad).__name__}, expected a Value or a Tensor"):
            draw(bad)
    wrong = {"depth": (-1, "a", 0.5), "limit": (0, "x"), "theme": ("blue", []), "direction": (None,), "parameters": (5, [1], "w")}
    for name, values in wrong.items():
        for value in values:
            for picture in (draw, explain):
                with pytest.raises(AutogradError, match=f"{picture.__name__}: received .*{name}"):
                    picture(out, **{name: value})
    for value in (5, ["everything"], "all"):
        with pytest.raises(AutogradError, match=r"show=.*expected some of"):
            draw(out, show=value)
    with pytest.raises(AutogradError, match="received seed='a'"):
        explain(out, seed="a")
    with pytest.raises(AutogradError, match=r"explain: received a tensor of shape \(2,\), expected one element"):
        explain(Tensor([1.0, 2.0]) * 2.0)


ODD = {
    "leaf": lambda: Value(1.0), "leaf of an array": lambda: Tensor([1.0, 2.0]), "constant": lambda: Tensor([1.0], requires_grad=False),
    "constants": lambda: Tensor([1.0, 2.0], requires_grad=False).sum() * 2.0, "empty": lambda: Tensor(np.zeros((0, 3))).sum(),
    "empty array": lambda: Tensor(np.zeros((0, 3))) * 2.0, "0-d": lambda: Tensor(2.0) * Tensor(3.0),
    "5-D": lambda: (Tensor(np.ones((2, 3, 2, 3, 2))) ** 2).sum(), "float32": lambda: Tensor(np.ones((5, 5), dtype=np.float32)).sum(),
    "nan": lambda: Value(float("nan")) * Value(float("inf")), "nan array": lambda: (Tensor([np.nan, np.inf, -np.inf] * 9) * 2.0)[0],
    "tiny": lambda: (Value(1e-300, label="x") * 1e-300).exp(), "long": lambda: Value(1.0, label="x" * 100_000) * 2.0,
    "wide": lambda: sum((Value(1.0) * 2.0 for _ in range(3000)), Value(0.0)), "chain": lambda: chain(3000),
}  # fmt: skip


REFUSED = {
    "leaf of an array": "expected one element", "empty array": "expected one element",
    "constant": "does not depend on anything differentiable", "constants": "does not depend on anything differentiable",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_graphs_are_shown_or_refused_clearly(name):
    root = ODD[name]()
    assert set(draw(root)._repr_mimebundle_()) == {"text/plain", "image/svg+xml", "text/html"}
    if name in REFUSED:
        with pytest.raises(AutogradError, match=REFUSED[name]):
            explain(root)
        return
    found = explain(root)
    assert "<iframe" in found._repr_mimebundle_()["text/html"] and len(found.html) < 1_000_000


def test_without_a_graph_there_is_a_leaf():
    with no_grad():
        y = Value(2.0, label="x") * 3.0
    assert len(draw(y).graph.boxes) == 1 and len(explain(y)) == 0


def test_opening_a_wide_sum_takes_no_long_time():
    root = sum((Value(1.0) * Value(2.0) for _ in range(2000)), Value(0.0))
    start = time.process_time()
    assert len(draw(root).html) < 1_000_000 and time.process_time() - start < 6


# ------------------------------------------------------------------------------------- dot, and without it
def test_layout_by_dot_falls_back(monkeypatch):
    out, *_ = neuron()
    monkeypatch.setattr("autograd_core.viz.dot._command", lambda form: None)
    assert draw(out, layout="dot").svg == draw(out).svg


def test_a_dot_that_hangs_or_lies_is_not_waited_for(tmp_path, monkeypatch):
    import sys

    out, *_ = neuron()
    hang = [sys.executable, "-c", "import time; time.sleep(30)"]
    monkeypatch.setattr("autograd_core.viz.dot._command", lambda form: hang)
    start = time.process_time()
    assert placed_by_dot(draw(out).graph, seconds=0.3) is None
    assert time.process_time() - start < 5
    monkeypatch.setattr("autograd_core.viz.dot._command", lambda form: [sys.executable, "-c", "print('{}')"])
    assert placed_by_dot(draw(out).graph) is None


def test_layout_by_dot_places_every_box():
    if shutil.which("dot") is None:
        pytest.skip("the dot program is not installed")
    drawing = draw(mlp_loss(2, 2, 1), layout="dot")
    found = placed_by_dot(drawing.graph)
    assert found is not None and len(found.centres) == 30 and len(found.frames) == len(drawing.graph.groups)
    ET.fromstring(drawing.svg)


# ------------------------------------------------------------------------------------- notebook and speed
def test_the_notebook_bundle_has_a_still_picture_under_a_sandboxed_page():
    out, *_ = neuron()
    found = draw(out)._repr_mimebundle_()
    assert set(found) == {"text/plain", "image/svg+xml", "text/html"}
    html = found["text/html"]
    assert "<img " in html and html.index("<img ") < html.index("<iframe ")
    assert 'sandbox="allow-scripts"' in html and "allow-same-origin" not in html
    assert "<script" not in html.split("srcdoc=")[0]


def test_display_hooks_never_raise(monkeypatch):
    out, *_ = neuron()
    drawing = draw(out)

    def broken(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr("autograd_core.viz.drawing.svg", broken)
    found = drawing._repr_mimebundle_()
    assert list(found) == ["text/plain"]


def _seconds(root, **options):
    start = time.process_time()
    text = draw(root, **options).svg
    return time.process_time() - start, text


def _within(limit, root, **options):
    """The SVG of a picture, drawn within so many seconds; the machine may be busy with something else once, or twice."""
    taken = []
    while len(taken) < 3:
        seconds, text = _seconds(root, **options)
        if seconds < limit:
            return text
        taken.append(seconds)
    raise AssertionError(f"{taken} seconds, expected {limit}")


def test_speed_and_size():
    draw(neuron()[0]).svg  # imports
    assert _within(0.05, chain(50)).startswith("<svg")
    assert len(_within(1.5, mlp_loss(2, 16, 16, 1), depth=9, fold=False)) < 1_000_000
    assert len(_within(3.0, mlp_loss(10, 60, 50, 1))) < 100_000
    assert len(_within(3.0, chain(10_000))) < 1_000_000


def test_a_chain_of_a_hundred_thousand_needs_no_recursion():
    assert draw(chain(100_000)).svg.startswith("<svg")


def test_second_order_graphs_are_drawn():
    from autograd_core.gradients import gradients

    x = Value(2.0, label="x")
    y = x**3
    (g,) = gradients([y], [1.0], [x], graph=True)
    assert "x" in texts(draw(g))


@pytest.mark.parametrize("sizes", [(2, 2, 1), (3, 4, 3, 2), (1, 5, 1)])
def test_parameters_are_numbered_as_one_reads_a_network(sizes):
    """Layer by layer from the input on, in each from the first neuron on; so are the results."""
    model = nn.MLP(sizes[0], list(sizes[1:]), rng=0)
    out = model([Value(1.0, label=f"x{i}") for i in range(sizes[0])])
    network = read(sum(out[1:], out[0]) if isinstance(out, list) else out)
    numbers = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")

    def name(node):
        return network.names[network.index[id(node)]]

    neurons = [one for layer in model.layers for one in layer.neurons]
    assert [name(one.b).translate(numbers) for one in neurons] == ["b", *(f"b{k}" for k in range(2, len(neurons) + 1))]
    for one in neurons:
        ending = name(one.b)[1:]
        assert [name(w) for w in one.w] == [f"w{i}{ending}" for i in range(1, one.nin + 1)]
    results = [int(n[1:]) for n, node in zip(network.names, network.nodes, strict=True) if n[0] == "v" and n[1:].isdigit()]
    assert sorted(results) == list(range(1, len(results) + 1))
    for use in network.uses:
        if network.names[use.operand][0] == "v" == network.names[use.node][0]:
            assert int(network.names[use.operand][1:]) < int(network.names[use.node][1:]), "an operand has the smaller number"


def test_a_weighted_sum_says_what_it_comes_to():
    a, b, c = (Value(v, label=name) for v, name in ((1.0, "a"), (2.0, "b"), (3.0, "c")))

    def header(*arguments):
        return boxes(draw(weighted_sum(*arguments)))["out"].formula

    assert header([a, b], [1.0, 2.0], c) == "= Σ wᵢxᵢ + b"
    assert header([a, b], [1.0, 2.0], 0.0) == "= Σ wᵢxᵢ"
    assert header([0.5, 0.5], [a, b], 0.0) == "= 0.5 · Σ xᵢ", "a mean"
    assert header([0.5, 0.25], [a, b], 0.0) == "= Σ wᵢxᵢ"
    assert header([1.0, 1.0], [a, b], c) == "= Σ xᵢ + b"
    assert header([a, b], [a, b], 0.0) == "= Σ wᵢ²", "a penalty"
    assert header([a, b], [b, a], 2.0) == "= Σ wᵢxᵢ + b"


def test_constant_arrays_are_told_apart():
    w = Tensor(np.ones((2, 2)), label="w")
    drawing = draw((np.ones((1, 2)) @ w) * np.array([[2.0, 3.0]]) + 1.0)
    names = [box.name for box in drawing.graph.boxes if box.role == "constant"]
    assert sorted(names) == ["1", "constant", "constant₂"]
    assert [box.formula for box in drawing.graph.boxes if "×" in box.formula] == ["= v1 × constant₂"]


def test_the_parts_of_a_stack_come_in_the_order_of_the_module():
    """Part 1 of 16 is the first neuron."""
    out = nn.MLP(2, [16, 12, 1], rng=0)([Value(0.5, label="x1"), Value(-1.0, label="x2")])
    network = read(out)
    stacks = [unit for unit in view_of(network).units if unit.kind == "stack"]
    found = [[network.calls[network.owner[max(part)]].path.rsplit(".", 1)[-1] for part in unit.parts] for unit in stacks]
    assert sorted(found, key=len) == [[str(k) for k in range(n)] for n in (12, 16)]


@pytest.mark.parametrize("seed", range(20))
def test_a_graph_is_numbered_in_topological_order(seed):
    """Every operand before what is made of it, the first operand first, and every node once."""
    rng = np.random.default_rng(seed)
    nodes = [Value(float(k)) for k in range(4)]
    for _ in range(60):
        a, b, c = (nodes[k] for k in rng.integers(0, len(nodes), 3))
        nodes.append([lambda: a * b, lambda: a + 2.0, lambda: a.tanh(), lambda: weighted_sum([a, b], [b, c], c)][rng.integers(4)]())
    root = nodes[-1]
    network = read(root)
    assert {id(node) for node in walk(root)} == set(network.index)
    operations = [i for i, node in enumerate(network.nodes) if network.op(i) is not None]
    for i in operations:
        inside = [network.uses[k].operand for k in network.incoming[i] if network.op(network.uses[k].operand) is not None]
        assert all(j < i for j in inside)
        fresh = [j for j in dict.fromkeys(inside) if network.outgoing[j] and min(network.uses[k].node for k in network.outgoing[j]) == i]
        assert fresh == sorted(fresh), "what is used here first is numbered in the order of the operands"


def test_the_numbers_of_a_mean_stand_in_its_header():
    loss = nn.mse_loss([Value(0.3 * i, label=f"y{i}") for i in range(4)], [1.0, 0.0, 1.0, 0.0])
    graph = draw(loss).graph
    (mean,) = [box for box in graph.boxes if box.root]
    assert mean.formula == "= 0.25 · Σ xᵢ"
    assert len([edge for edge in graph.edges if edge.target == mean.id]) == 4
    assert sorted(box.name for box in graph.boxes if box.role == "constant") == ["0", "0", "1", "1"], "the targets are in no header of a sum"
    weights, x = [Value(1.0, label=f"w{i}") for i in range(2)], [2.0, 3.0]
    names = sorted(box.name for box in draw(weighted_sum(weights, x, 1.0)).graph.boxes if box.role == "constant")
    assert names == ["1", "2", "3"], "numbers that the header does not tell are drawn"


def test_numbers_are_drawn_quietly():
    text = draw(Value(2.0, label="x") * 3.0 + Value(1.0, label="y")).svg
    assert text.count('class="b constant plain"') == text.count('class="e quiet"') == 1
    array = draw(Tensor([1.0, 2.0], label="x") * np.array([3.0, 4.0])).svg
    assert 'class="b constant"' in array and "plain" not in array.split("</style>")[1]


def test_the_zero_that_sum_starts_with_is_no_term():
    graph = draw(sum(Value(float(i)) for i in range(5)), fold=True).graph
    assert [box.formula for box in graph.boxes if box.root] == ["= Σ of 5 terms"]
    assert not [box for box in graph.boxes if box.role == "constant"]


def test_negative_numbers_and_shapes_are_written_as_in_a_book():
    x = Value(2.0, label="x")
    formulas = {box.formula for box in draw((x - -1.0) * -2.0 + (x + -3.0)).graph.boxes}
    assert {"= x − (−1)", "= v1 × (−2)", "= x + (−3)"} <= formulas
    graph = draw(Tensor(np.ones((2, 3)), label="x").reshape(3, -1).transpose(1, 0)).graph
    assert "= reshape(x, shape=(3, −1))" in {box.formula for box in graph.boxes}


@pytest.mark.parametrize(("term", "name"), [
    (lambda model, v, i: ((v * float(i) + 1.0).tanh() - 1.0) ** 2, "(tanh(x·(…) + 1) − 1)²"),    # numbers that differ are left out
    (lambda model, v, i: (1.0 - (-1.0) ** i * model([v, v])).relu(), "relu(1 − (…)·MLP(…))"),     # a module goes by its name
    (lambda model, v, i: (v.exp() + v.sin()) / (1.0 + v * v), "(exp(x) + sin(x))/(1 + x·x)"),
    (lambda model, v, i: (v - 2) * (v - 3) * (v + 1) * (v - 4) * (v - 7), "(…)·(…)·(x − 4)·(x − 7)"),  # as deep as there is room
])  # fmt: skip
def test_a_stack_of_terms_is_called_by_what_they_compute(term, name):
    model = nn.MLP(2, [2, 1], rng=0)
    loss = sum(term(model, Value(0.1 * i, label=f"x{i}"), i) for i in range(12))
    assert [(box.name, box.count) for box in draw(loss, fold=True).graph.boxes if box.count > 1 and box.role == "module"] == [(name, 12)]


def test_the_same_program_gives_the_same_pages_to_the_letter():
    def pages(filler):  # what lies at other addresses in between must not matter
        kept = [object() for _ in range(filler)]
        model = nn.MLP(2, [4, 4, 1], rng=0)
        points = [[Value(0.1 * i, label=f"x{i}"), Value(0.2)] for i in range(12)]
        loss = sum((1.0 - (-1.0) ** i * model(point)).relu() for i, point in enumerate(points)) * 0.1
        loss.backward()
        lifted = lift_with_origins(loss, params=model.parameters())
        return [draw(loss).html, draw(loss, fold=False).svg, draw(loss).source, explain(loss).html, draw(lifted).html, len(kept)][:-1]

    assert pages(3) == pages(1001) == pages(50)


def _luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_contrasts_are_those_of_wcag_aa(colours):
    """4.5 for text, 3 for lines that mean something, on every ground that they stand on."""

    def contrast(one, other):
        high, low = sorted((_luminance(colours[one]), _luminance(colours[other])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for text in ("fg", "muted", "plus", "minus", "active", "operand", "done"):
        assert all(contrast(text, ground) >= 4.5 for ground in ("bg", "fill", "frame")), text
    assert all(contrast(text, ground) >= 4.5 for text in ("fg", "muted") for ground in ("operation", "input", "parameter", "module"))
    for line in ("line", "edge", "strong"):
        assert all(contrast(line, ground) >= 3.0 for ground in ("bg", "frame")), line


def test_the_derivative_of_cross_entropy_is_told_in_full():
    z = Tensor(np.zeros((4, 3)), label="z")
    text = draw(nn.cross_entropy(np.tanh(z), np.array([0, 1, 2, 0]))).svg
    assert ">(softmax(v1) − 1_y)·g/4</tspan>" in text


def test_exports_are_legible_on_any_ground():
    """Their text is dark, so the ground is theirs, not that of the slide."""
    assert 'bgcolor="#ffffff"' in draw(neuron()[0]).source


def test_a_lone_b_is_no_bias():
    """In a·b + c nothing is a parameter; in w·x + b the b is, and wherever a module or the caller says what is one."""
    roles = lambda root, **options: {box.name: box.role for box in draw(root, **options).graph.boxes}
    a, b, c, w = (Value(float(i), label=name) for i, name in enumerate("abcw", 1))
    assert {roles(a * b + c)[name] for name in "abc"} == {"input"}
    assert [roles(w * a + b)[name] for name in "wab"] == ["parameter", "input", "parameter"]
    assert [roles(a * b + c, parameters=[c])[name] for name in "abc"] == ["input", "parameter", "parameter"]


@pytest.mark.parametrize(("direction", "along"), [("right", 1), ("down", 1), ("left", -1), ("up", -1)])
def test_arrows_end_at_the_outer_border_of_the_result(direction, along):
    """Neither the arrow nor what stands on its wire touches the second border."""
    out, *_ = neuron()
    text = draw(out, direction=direction).svg
    upright = direction in ("down", "up")
    rim = [float(x) for x in re.search(r'<rect class="d"[^>]* x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"', text).groups()]
    border = rim[upright] + (0 if along > 0 else rim[2 + upright])
    tips = [(float(x), float(y)) for x, y in re.findall(r'<path class="h"[^>]* d="M([-\d.]+) ([-\d.]+)l', text)]
    assert min(abs(tip[upright] - border) for tip in tips) <= 1
