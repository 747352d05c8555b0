"""The chain rule in steps: every number is the engine's, and the user's gradients stay as they were."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import nn
from autograd_core import Tensor, Value, weighted_sum
from autograd_core.errors import AutogradError, OperandError, ShapeError
from autograd_core.viz import draw, explain
from autograd_core.viz.boxes import brief, laid_out
from autograd_core.viz.network import read

from .graphs import HOSTILE, chain, data_of, mlp_loss, neuron, tensor_mlp


def test_a_neuron_by_hand():
    out, w, _, _ = neuron()
    steps = list(explain(out))
    local = 1 - np.tanh(-1.5) ** 2
    assert [(s.names[0], s.names[1], s.symbol) for s in steps] == [
        ("out", "v2", "1 − out²"), ("v2", "v1", "1"), ("v2", "b", "1"), ("v1", "w", "x"), ("v1", "x", "w"),
    ]  # fmt: skip
    assert steps[0].incoming == 1.0 and steps[0].local == pytest.approx(local)
    assert (steps[3].incoming, steps[3].local, steps[3].contribution) == pytest.approx((local, -1.0, -local))
    assert (steps[3].before, steps[3].after) == pytest.approx((0.0, -local))
    assert steps[3].operand is w and steps[3].node.op.name == "mul"


def test_gradients_are_those_of_backward_and_stay_untouched():
    loss = mlp_loss(2, 3, 1)
    before = explain(loss)
    network = read(loss)
    assert not any(getattr(node, "_flowed", False) for node in network.nodes)
    loss.backward()
    grads = {network.names[network.index[id(n)]]: n.grad for n in network.nodes if hasattr(n, "grad") and getattr(n, "_flowed", False)}
    found = before.gradients()
    assert found and all(found[name] == grads[name] for name in found)
    explain(loss)
    assert all(n.grad == grads[network.names[network.index[id(n)]]] for n in network.nodes if getattr(n, "_flowed", False))


def test_gradients_are_put_back_after_an_error():
    x = Tensor([1.0, 2.0], label="x")
    y = x * 2.0
    x.grad = np.array([5.0, 5.0])
    with pytest.raises(AutogradError):
        explain(y)
    assert x.grad.tolist() == [5.0, 5.0] and y.grad is None


def test_paths_accumulate():
    x = Value(2.0, label="x")
    steps = [s for s in explain(x * x + x) if s.operand is x]
    assert [(s.path, s.paths) for s in steps] == [(1, 3), (2, 3), (3, 3)]
    assert [s.after for s in steps] == [1.0, 3.0, 5.0] and [s.before for s in steps] == [0.0, 1.0, 3.0]
    assert "path 3 of 3" in steps[-1].sentence and "path 3 of 3" in str(explain(x * x + x))


def test_tensor_steps_say_shapes_and_the_undoing_of_broadcasting():
    loss = tensor_mlp()
    steps = {s.names[1]: s for s in explain(loss)}
    assert steps["W1"].formula == "W1.grad += Xᵀ @ g"
    assert steps["W1"].shapes == ("(4, 8) += (16, 4)ᵀ @ (16, 8)",)
    assert steps["b1"].shapes[1] == "broadcasting undone: sum over axis 0, (16, 8) → (8,)"
    assert np.allclose(steps["b1"].after, steps["b1"].incoming.sum(0))
    row = Tensor(np.ones((2, 1)), label="row")
    (step,) = [s for s in explain((row * np.ones((3, 2, 4))).sum()) if s.operand is row]
    assert step.shapes[-1] == "broadcasting undone: sum over axes 0, 2, (3, 2, 4) → (2, 1)"


def test_a_linear_layer_says_its_products():
    import nn

    layer = nn.Linear(4, 3, rng=0)
    out = layer(Tensor(np.ones((5, 4)), requires_grad=False, label="X"))
    steps = {s.operand.label.rsplit(".")[-1]: s for s in explain(out, seed=np.ones((5, 3)))}
    assert steps["weight"].symbol == "gᵀ @ X" and steps["weight"].shapes == ("(3, 4) += (5, 3)ᵀ @ (5, 4)",)
    assert steps["bias"].symbol == "g" and steps["bias"].shapes == ("broadcasting undone: sum over axis 0, (5, 3) → (3,)",)


def test_a_mean_divides_by_its_count():
    x = Tensor(np.ones(8), label="x")
    assert next(iter(explain(x.mean()))).symbol == "g/8"


def test_the_table_reads():
    out, *_ = neuron()
    text = str(explain(out))
    assert text.splitlines()[0] == "The chain rule for out = −0.9051: 5 products"
    assert re.search(r"v1 = w × x +∂v1/∂w = x +\+0\.1807 +−1 +−0\.1807 +w\.grad = −0\.1807", text)
    assert max(map(len, text.splitlines())) < 140


def test_seed_and_sequence():
    x = Tensor([1.0, 2.0], label="x")
    found = explain(x * x, seed=[1.0, 10.0])
    assert found.gradients()["x"].tolist() == [2.0, 40.0]
    assert len(found) == 2 and found[0].slot == 0


def test_a_gradient_in_a_few_characters():
    assert brief(0.5) == "+0.5" and brief(None) == "0" and brief(np.array([[1.0, 2.0]])) == "[[1, 2]]"
    assert brief(np.ones((5, 5))) == "(5, 5) ‖·‖ = 5"


def test_the_page_is_one_file_without_network():
    html = explain(mlp_loss(2, 2, 1)).html
    assert not re.search(r'(?:src|href)="(?!data:)', html) and 'http-equiv="Content-Security-Policy"' in html
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", html)
    script = html.rsplit("<script>", 1)[1]
    assert "innerHTML" not in script and "eval" not in script


@pytest.mark.parametrize("make", [lambda: neuron()[0], lambda: mlp_loss(2, 16, 16, 1), tensor_mlp])
def test_every_number_on_the_page_is_the_engines(make):
    found = explain(make())
    data = data_of(found.html)
    assert len(data["steps"]) == len(found)
    for step, shown in zip(found, data["steps"]):
        rows = {row[0]: row[1] for row in shown["r"]}
        out, operand, root = step.names
        assert rows[f"incoming  ∂{root}/∂{out}" + ("  = g" if step.local is None else "")] == laid_out(step.incoming)
        assert rows[f"{operand}.grad before"] == laid_out(step.before)
        assert rows[f"{operand}.grad after (+=)"] == laid_out(step.after)
        assert rows["contribution" if step.local is None else "contribution (product)"] == laid_out(step.contribution)
        if step.local is not None:
            assert laid_out(step.local) in rows.values()
    nodes = {n for scene in data["scenes"] for box in scene["nodes"] for n in box}
    assert {step["o"] for step in data["steps"]} <= nodes


def test_hostile_labels_on_the_page():
    out = Value(1.0, label=HOSTILE[0])
    for label in HOSTILE[1:50]:
        out = out * Value(0.9, label=label)
    html = explain(out).html
    assert html.count("<script") == 2 and html.count("</script>") == 2
    assert "<img" not in html and "onload=alert(1)>" not in html and "<!-- " not in html
    data_of(html)


def test_the_animation_has_no_script_and_is_well_formed(tmp_path):
    out, *_ = neuron()
    text = explain(out).save(tmp_path / "a.svg").read_text(encoding="utf-8")
    tags = {element.tag.split("}")[1] for element in ET.fromstring(text).iter()}
    assert tags <= {"svg", "style", "rect", "g", "path", "text", "tspan", "title", "image"}
    assert text.count("@keyframes") > 10 and "prefers-reduced-motion" in text
    with pytest.raises(AutogradError, match="up to 60 products"):
        explain(chain(200)).save(tmp_path / "b.svg")
    with pytest.raises(AutogradError, match=r"ending in \.html"):
        explain(out).save(tmp_path / "c.pdf")


def test_the_notebook_shows_picture_page_and_table():
    out, *_ = neuron()
    found = explain(out)._repr_mimebundle_()
    assert found["text/plain"].startswith("The chain rule for out")
    assert "+0.1807" in found["image/svg+xml"], "the still picture has the gradients that the steps lead to"
    assert 'sandbox="allow-scripts"' in found["text/html"]


def test_large_graphs_are_explained_in_folded_pictures():
    found = explain(mlp_loss(2, 16, 16, 1))
    data = data_of(found.html)
    assert len(data["scenes"]) > 3 and len(found.html) < 1_500_000
    assert any(scene["parent"] == 0 for scene in data["scenes"])


def test_wrong_roots_are_refused():
    with pytest.raises(AutogradError, match="explain: received list, expected a Value or a Tensor"):
        explain([1.0])
    assert draw(Value(1.0)) is not None


def test_a_loss_on_classes_is_explained_by_the_formula_of_the_textbook():
    scores = Tensor(np.zeros((4, 3)), label="z")
    loss = nn.cross_entropy(scores, [0, 2, 1, 1])
    loss.backward()
    assert "z.grad += (softmax(z) − 1_y)·g/4" in str(explain(loss))
    shares = nn.cross_entropy(Tensor([2.0, 1.0, 0.1], label="z"), [0.5, 0.5, 0.0])
    assert "z.grad += g·(softmax(z)·Σt − constant)" in str(explain(shares))


def test_layers_are_told_as_products_and_weights_numbered_from_the_input_on():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))
    loss = model(np.ones((5, 3))).sum()
    loss.backward()
    table = str(explain(loss))
    assert "v1 = constant @ weightᵀ + bias" in table and "v3 = v2 @ weight₂ᵀ + bias₂" in table
    assert "weight₂.grad += gᵀ @ v2" in table


def test_several_places_of_one_operand_are_told_apart():
    """For u = x · x the derivative ∂u/∂x is 2x; what a step multiplies by is that of one place."""
    x, y = Value(3.0, label="x"), Value(2.0, label="y")
    u = x * x
    u.label = "u"
    steps = list(explain(u * y))
    assert [s.partial for s in steps] == ["∂out/∂u", "∂out/∂y", "∂u/∂(1st x)", "∂u/∂(2nd x)"]
    assert steps[2].formula == "x.grad += ∂out/∂u × ∂u/∂(1st x)"
    assert "∂u/∂(2nd x) = x" in str(explain(u))
    assert data_of(explain(u).html)["steps"][0]["r"][1][0] == "local  ∂u/∂(1st x) = x"
    many = list(explain(weighted_sum([x] * 12, [1.0] * 12, 0.0)))
    assert [s.partial for s in many][10:12] == ["∂out/∂(11th x)", "∂out/∂(12th x)"]


def test_the_table_says_where_broadcasting_is_undone():
    table = str(explain(((Tensor(np.ones((2, 3)), label="t") + Tensor(np.ones(3), label="b")) ** 2).sum()))
    assert "b.grad = [8, 8, 8]  broadcasting undone: sum over axis 0, (2, 3) → (3,)" in table
    assert table.count("broadcasting undone") == 1


@pytest.mark.parametrize("path", [None, 5, b"a.svg", ["a.svg"], 1.5])
@pytest.mark.parametrize("show", [draw, explain])
def test_what_is_no_name_of_a_file_is_refused(show, path):
    with pytest.raises(OperandError, match="save: received path=.* expected a string or a Path"):
        show(Value(1.0) * 2.0).save(path)


def test_wrong_roots_and_endings_are_type_and_value_errors(tmp_path):
    for kind in (TypeError, ValueError):
        for show in (draw, explain):
            with pytest.raises(kind, match="received float, expected a Value or a Tensor"):
                show(3.0)
            with pytest.raises(kind, match=r"received 'a.xyz', expected a name ending in"):
                show(Value(1.0) * 2.0).save(tmp_path / "a.xyz")
        with pytest.raises(kind, match=r"received a tensor of shape \(2,\), expected one element"):
            explain(Tensor([1.0, 2.0]))


def test_a_chain_of_values_may_start_from_any_number():
    """The gradient of the root is that number, and all others are in proportion; an array is refused."""
    x, y = Value(2.0), Value(3.0)
    z = x * y + x
    steps = explain(z, seed=-0.5)
    assert [(step.operand, step.contribution) for step in steps if step.operand is y] == [(y, -1.0)]
    assert sum(step.contribution for step in steps if step.operand is x) == -2.0
    with pytest.raises(ShapeError, match=r"gradient of shape \(2,\) for a Value, expected one number"):
        explain(z, seed=[1.0, 2.0])


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_table_of_the_first_steps(steps):
    found = explain(neuron()[0])
    lines = found.table(steps).splitlines()
    assert lines[0] == "The chain rule for out = −0.9051: 5 products" and lines[1] == ""
    whole = str(found).splitlines()
    assert [line.split()[0] for line in lines[4:]] == ["seed", *(str(k) for k in range(1, steps + 1)), *["…"] * (steps < 5)]
    assert lines[-1] == (f"… and {5 - steps} more" if steps < 5 else whole[-1])
    assert len({len(line) for line in whole[3:4]}) == 1 and set(whole[3]) == {"─"} and len(whole[3]) >= max(map(len, whole[4:]))
    assert explain(Value(2.0, label="x").tanh()).table().startswith("The chain rule for out = 0.964: 1 product\n")


def test_numbers_stand_under_each_other():
    """The columns of numbers end together, those of words begin together."""
    lines = str(explain(neuron()[0])).splitlines()
    head, rows = lines[2], lines[5:]
    for title in ("incoming", "× local", "= contribution"):
        end = head.index(title) + len(title)
        assert all(row[end - 1] != " " and row[end : end + 2] == "  " for row in rows)
    for title in ("operation", "local derivative", "accumulated"):
        begin = head.index(title)
        assert all(row[begin] != " " and row[begin - 2 : begin] == "  " for row in rows)


def test_depth_and_limit_fold_the_picture_of_an_explanation():
    loss = mlp_loss(2, 3, 1)
    boxes = {options: len(explain(loss, **dict(options))._scenes[0].graph.boxes) for options in ((), (("depth", 0),), (("depth", 1),), (("limit", 10),))}
    assert boxes[(("depth", 0),)] < boxes[(("depth", 1),)] < boxes[()] and boxes[(("limit", 10),)] <= 10
    for options in ({"depth": 0}, {"limit": 10}):
        found = explain(loss, **options)
        assert len(found) == len(explain(loss)) and found.svg.count("<rect") < explain(loss).svg.count("<rect")


def test_sentences_of_arrays_say_what_is_accumulated():
    a, b = Tensor([[1.0, 2.0]], label="A"), Tensor([3.0, 4.0], label="b")
    said = [step.sentence for step in explain((a * b).sum())]
    assert said[0].endswith("; v1.grad is now [[1, 1]]")
    assert said[1] == "A.grad += ∂out/∂v1 × ∂v1/∂A; A.grad is now [[3, 4]]" and said[2] == "b.grad += ∂out/∂v1 × ∂v1/∂b; b.grad is now [1, 2]"
    one = Tensor([2.0], label="t")
    assert [step.sentence for step in explain((one * one).sum())][1] == "t.grad += ∂out/∂v1 × ∂v1/∂(1st t); t.grad is now [2] (path 1 of 2)"
