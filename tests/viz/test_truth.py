"""What pictures say is true: every number and formula is read back and compared with the engine."""

import math
import random
import re

import numpy as np
import pytest

import nn
from autograd_core import TABLE, Tensor, Value, no_grad, weighted_sum
from autograd_core.node import Node
from autograd_core.structural import kept_shape
from autograd_core.viz import draw, explain
from autograd_core.viz.boxes import grad_text
from autograd_core.viz.network import read

from .graphs import mlp_loss, neuron, tensor_mlp
from .reading import boxes_of, dot_of, evaluate, labels_of, says

NO_FORMULA = {"prod", "cumsum", "cumprod", "det", "qr", "svd", "eigh"}
"""Operations whose rules look at numbers: their pull-backs have no formula."""
MATRICES = {"inv", "logabsdet", "solve", "cholesky", "pinv"}


def formula_of(step):
    return step.symbol if step.symbol and not step.symbol.endswith("…") else None


def pulled(step, params):
    """What the formula of a step comes to at the engine's numbers."""
    op = step.node.op
    names, data = {}, step.node.data
    out, g = np.asarray(data), np.asarray(step.incoming)
    if "axis" in params and not params.get("keepdims") and out.shape != np.shape(step.operand.data) and not op.variadic:
        kept = kept_shape(np.shape(step.operand.data), params["axis"])
        out, g = out.reshape(kept), g.reshape(kept)
    names |= {step.names[0]: out, "g": g}
    for operand, data in zip(step.node.parents, step.node._x if isinstance(step.node._x, tuple) else (step.node._x,)):
        names[operand.label] = np.asarray(data)
    x = names[step.names[1]]
    names["I"] = np.eye(len(x)) if x.ndim else 1.0
    if op.name in ("max", "min"):
        names["ties"] = np.sum(x == out, axis=params.get("axis"), keepdims=True)
    if op.name == "logabsdet":
        names["g"] = g.reshape(*g.shape, 1, 1)  # one number a matrix
    if op.name == "windows":
        names["fold"] = lambda g, **options: TABLE["fold"].array(g, **options, shape=x.shape)
    if op.name == "transpose" and params["axes"] is None:  # all axes, as NumPy's .T
        names["turned"] = np.transpose
    if op.name == "cross_entropy":
        names |= {"g": g[..., None], "Σt": np.sum(names["x1"], axis=-1, keepdims=True)}
    if op.name == "cross_entropy_of_classes":
        names["one_y"] = np.eye(x.shape[-1])[params["labels"]]
    return evaluate(step.symbol.replace("1_y", "one_y"), names, shape=x.shape, matrices=op.name in MATRICES)


def fits(found, step):
    """Whether a number or array is the contribution, up to repeating, regrouping and summing as the shapes say."""
    wanted, found = np.asarray(step.contribution), np.asarray(found, dtype=float)
    if found.size > wanted.size:
        lead = tuple(range(found.ndim - wanted.ndim))
        found = found.sum(axis=lead + tuple(i + len(lead) for i, n in enumerate(wanted.shape) if n == 1))
    found = found.reshape(wanted.shape) if found.size == wanted.size else np.broadcast_to(found, wanted.shape)
    return np.allclose(found, wanted, rtol=2e-4, atol=1e-12, equal_nan=True)  # a number in a formula has four digits


@pytest.mark.parametrize("name", sorted(n for n, op in TABLE.items() if op.samples is not None))
def test_the_pull_back_of_a_structural_operation_is_what_its_formula_says(name):
    op, read = TABLE[name], 0
    for k, (operands, params) in enumerate(op.samples(np.random.default_rng(1))):
        given = [Tensor(x, label=f"x{i}") if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for i, x in enumerate(operands)]
        root = op(*given, **params)
        for out in root if isinstance(root, (list, tuple)) else [root]:
            if not (isinstance(out, Tensor) and out.requires_grad and out.size):
                continue
            seed = np.random.default_rng(k).normal(size=out.shape)
            for step in explain(out, seed=seed):
                if step.node is not out or step.local is not None:
                    continue
                vectors = name in ("matmul", "solve", "linear") and any(np.ndim(x) != 2 for x in operands[:2])
                if not formula_of(step) or vectors or "order" in step.symbol or "mask" in step.symbol or re.search(r"\[\[…\]\]|, 1, ", step.symbol):
                    assert step.symbol or name in NO_FORMULA
                    continue
                read += 1
                assert fits(pulled(step, params), step), (params, step.symbol)
    assert read or name in NO_FORMULA | {"sort", "cholesky", "pinv"}


@pytest.mark.parametrize("name", sorted(n for n, op in TABLE.items() if op.d and not op.variadic))
def test_the_local_derivative_of_an_elementwise_operation_is_what_its_formula_says(name):
    op, rng = TABLE[name], np.random.default_rng(2)
    for _ in range(4):
        points = [float(rng.uniform(max(i.low, -2.0) + 0.05, min(i.high, 2.0) - 0.05)) for i in op.domain] or [0.6] * op.arity
        out = op(*(Value(x, label="xyzw"[i]) for i, x in enumerate(points)))
        for step in explain(out):
            names = {"xyzw"[i]: np.float64(x) for i, x in enumerate(points)} | {"out": np.float64(out.data)}
            if step.symbol.endswith("…"):  # cut, as that of sinc near 0
                continue
            found = evaluate(step.symbol, names)
            assert np.allclose(found, step.local, rtol=2e-3, atol=1e-9, equal_nan=True), (points, step.symbol, found, step.local)


# ------------------------------------------------------------------------------------------------ pictures
def programs():
    """Graphs of every kind, with gradients: random ones, networks on numbers and on arrays, frozen and recurrent ones."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(3, 2)), np.array([0, 1, 1])

    def model(*layers):
        return nn.cross_entropy(nn.Sequential(*layers)(x), y)

    def frozen():
        layers = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
        layers[2].requires_grad_(False)
        return nn.cross_entropy(layers(x), y)

    def random_graph(seed):
        r = random.Random(seed)
        nodes = [Value(r.uniform(-2, 2), label=r.choice(["", "w", "x", "a very long label of forty characters or so"])) for _ in range(4)]
        for _ in range(25):
            a, b = r.choice(nodes), r.choice(nodes)
            nodes.append(r.choice([a + b, a * b, a - 3, 2 / (1.5 + a * a), a.tanh(), a.relu(), a.exp().log(), -a, a**2, abs(a)]))
        return sum(nodes[-3:])

    def images():
        net = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm2d(2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 2, rng=0))
        return nn.cross_entropy(net(rng.normal(size=(3, 1, 6, 6))), y)

    return {
        **{f"random {seed}": (lambda seed=seed: random_graph(seed)) for seed in range(8)},
        "neuron": lambda: neuron()[0], "network of values": lambda: mlp_loss(2, 3, 1), "tensors": tensor_mlp, "frozen": frozen, "images": images,
        "layers": lambda: model(nn.Linear(2, 4, rng=0), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 2, rng=1)),
        "gru": lambda: (nn.GRU(2, 3, rng=0)(rng.normal(size=(2, 1, 2)))[0] ** 2).mean(),
        "mixed": lambda: (Value(2.0, label="v") * Tensor([1.0, -2.0, 0.5], label="t") + 1.0).sum(),
        "extremes": lambda: Value(1e-300, label="a") * Value(1e300, label="b") + Value(math.nan) * Value(-0.0) + 1.0 / Value(0.0) - Value(math.inf),
    }  # fmt: skip


def value_rows(node, gradient):
    """What the box of a node must say: rows that are numbers, and the numbers in its cells."""
    data = np.asarray(node.data)
    rows, cells = {}, []
    if data.size == 1:
        rows["data"] = float(data.reshape(()))
    elif data.size > 16:
        rows |= {"mean": data.mean(), "std": data.std(), "low": data.min(), "high": data.max()}
    elif data.size:
        cells += data.ravel().tolist()
    if not node.requires_grad:
        return rows, cells
    size = gradient is not None and np.size(gradient)
    rows["grad" if data.size == 1 else "‖grad‖"] = None if gradient is None else float(np.reshape(gradient, ())) if data.size == 1 else float(np.linalg.norm(gradient))
    if data.size != 1 and size and size <= 16:
        cells += np.ravel(gradient).tolist()
    return rows, cells


def checked_rows(shown, rows):
    """The rows of a box, each held against what it must say."""
    for key, text in shown:
        if key == "mean ± std":
            assert all(says(word, rows.pop(name), 3) for word, name in zip(text.split(" ± "), ("mean", "std")))
        elif key == "range":
            assert all(says(word, rows.pop(name), 3) for word, name in zip(text.split(" … "), ("low", "high")))
        elif key in rows:
            number = rows.pop(key)
            assert says(text, number) if number is not None else text == "?", (key, text, number)
        else:
            assert key.startswith("(") or text == "frozen", (key, text)
    assert not rows, "nothing is left out"


@pytest.mark.parametrize("program", list(programs()))
def test_every_number_of_a_picture_is_that_of_the_engine(program, count):
    root = programs()[program]()
    steps = {(id(step.node), step.slot): step for step in explain(root)}
    root.backward()
    drawing = draw(root, fold=False, depth=99, limit=1000)
    network, graph = read(root), drawing.graph
    shown, wires = boxes_of(drawing.svg), labels_of(drawing.svg)
    told, ends = dot_of(drawing.source)
    assert len(shown) == len(graph.boxes) == len(told) and len(wires) == len(graph.edges) == len(ends)
    for box in graph.boxes:
        name, formula, rows, cells = shown[box.id]
        (i, *_), node = box.members, network.nodes[box.members[0]]
        assert (name, formula) == (box.name, box.formula) and name == network.names[i]
        if not isinstance(node, Node):
            values = np.ravel(node.data).tolist()
            numbers = [name] if not cells and not rows else cells
            assert len(values) > 16 or all(says(text, value, 4 if not cells else 3) for text, value in zip(numbers, values, strict=True))
            continue
        wanted, inside = value_rows(node, node.grad if node._flowed else None)
        checked_rows(rows, wanted)
        assert len(cells) == len(inside) and all(says(text, value, 3) for text, value in zip(cells, inside))
        lines = [f"{name} {formula}".strip(), *(f"{key}  {value}" for key, value in rows)]
        assert told[box.id][: len(lines)] == lines
        assert cells == [word for line in told[box.id][len(lines) :] for word in re.sub(r"^\w+  |[\[\];]", "", line).split()]
        count("boxes read back")
    for edge, (start, end, label) in zip(graph.edges, ends):
        use = network.uses[edge.members[0]]
        assert (start, end) == (edge.source, edge.target) and use.operand in graph.boxes[start].members and use.node in graph.boxes[end].members
        assert wires[edge.id] == label
        step = steps.get((id(network.nodes[use.node]), use.slot))
        number = label.rpartition(" = ")[2] if label else ""
        if step is None or step.local is None or np.ndim(step.local) or np.ndim(step.node.data):
            continue
        assert says(number, float(step.local)), (label, step.local)
        if len(step.symbol) <= 24 and step.symbol != number.lstrip("+"):
            assert label == f"{step.symbol} = {number}"
        count("wires read back")


@pytest.mark.parametrize("program", list(programs()))
def test_every_row_of_the_table_is_a_true_product(program):
    """incoming × local = contribution, and before + contribution = after, in the numbers that a reader sees."""
    root = programs()[program]()
    found = explain(root)
    lines = str(found).splitlines()[5:]
    running = {}
    for k, (step, line) in enumerate(zip(found, lines, strict=True), 1):
        assert line.split()[0] == str(k)
        before = running.get(id(step.operand), 0.0)
        assert np.array_equal(np.zeros_like(step.after) if step.before is None else step.before, np.broadcast_to(before, np.shape(step.after)), equal_nan=True)
        assert np.allclose(step.after, before + step.contribution, equal_nan=True)
        running[id(step.operand)] = step.after
        if step.local is None or np.ndim(step.contribution) or np.ndim(step.local):
            continue
        assert f"∂{step.names[0]}/∂" in line
        numbers = [word for word in line.split() if re.fullmatch(r"[+−]?(\d[\d.]*(e−?\d+)?|∞)|nan", word)]
        wanted = [float(step.incoming), float(step.local), float(step.contribution)]
        places = [i for i in range(len(numbers) - 2) if all(map(says, numbers[i : i + 3], wanted))]
        assert places, (line, wanted)
        product = wanted[0] * wanted[1] if wanted[0] else 0.0
        assert np.isclose(product, wanted[2], equal_nan=True) or (wanted[1] == 0.0 and wanted[2] == 0.0)
    root.backward()
    for node in {id(step.operand): step.operand for step in found}.values():
        assert np.allclose(running[id(node)], node.grad, rtol=1e-12, atol=1e-15, equal_nan=True)


@pytest.mark.parametrize("make", [lambda: mlp_loss(2, 16, 16, 1), lambda: mlp_loss(2, 4, 4, 1), programs()["gru"], programs()["images"]])
@pytest.mark.parametrize("limit", [5, 20])
def test_folded_boxes_count_what_is_in_them(make, limit):
    root = make()
    root.backward()
    network, drawing = read(root), draw(root, limit=limit, fold=True)
    shown, wires = boxes_of(drawing.svg), labels_of(drawing.svg)
    inside = {}
    for box in drawing.graph.boxes:
        inside |= dict.fromkeys(box.members, box.id)
        if box.role != "module":
            continue
        rows = dict(shown[box.id][2])
        weights = [i for i in box.members if network.roles[i] == "parameter"]
        assert rows.get("parameters", "0") == f"{sum(np.size(network.data(i)) for i in weights):,}"
        assert rows.get("operations", "0") == f"{sum(network.op(i) is not None for i in box.members):,}"
        if weights:
            assert says(rows["‖grad‖"], math.sqrt(sum(float(np.sum(np.square(network.nodes[i].grad))) for i in weights)))
    for edge in drawing.graph.edges:
        ends = {(inside[network.uses[k].operand], inside[network.uses[k].node]) for k in edge.members}
        assert ends == {(edge.source, edge.target)}
        if wires[edge.id].startswith("×"):
            assert wires[edge.id] == f"×{len(edge.members):,}"
    outside = [k for k, use in enumerate(network.uses) if inside[use.operand] != inside[use.node]]
    assert sorted(outside) == sorted(k for edge in drawing.graph.edges for k in edge.members), "no wire is left out"


@pytest.mark.parametrize("program", ["neuron", "network of values", "random 3", "extremes", "tensors"])
def test_an_animation_shows_every_gradient_in_its_turn(program, tmp_path):
    found = explain(programs()[program]())
    text = found.save(tmp_path / "a.svg").read_text(encoding="utf-8")
    graph = found._scenes[0].graph
    box_of = {i: box.id for box in graph.boxes for i in box.members}
    frames = len(found) + 3
    for i, node in enumerate(found._network.nodes):
        if not isinstance(node, Node) or not node.requires_grad:
            continue
        after = [(1, found.seed)] * (node is found._network.nodes[found._network.root])
        after += [(k, step.after) for k, step in enumerate(found, 2) if step.operand is node]
        shown = re.findall(rf'<text id="g{box_of[i]}_(\d+)"[^>]*>([^<]*)</text>', text)
        assert [word for _, word in shown] == ["?"] + [grad_text(g)[0] for _, g in after] if after else not shown
        for (n, _), (k, g) in zip(shown[1:], after):
            begins = re.search(rf"@keyframes g{box_of[i]}_{n}{{0%{{visibility:hidden}}([\d.]+)%{{visibility:visible}}", text)
            assert abs(float(begins[1]) - 100 * k / frames) < 0.01
            assert says(grad_text(g)[0], float(np.linalg.norm(g)) if np.size(g) > 1 else float(np.reshape(g, ())))


# ------------------------------------------------------------------------------------ what has been assigned since
def rows_of(root):
    return {name: dict(rows) for name, _, rows, _ in boxes_of(draw(root).svg).values()}


def note_of(root):
    return draw(root).graph.note


def test_a_step_of_training_does_not_change_what_was_computed():
    """The usual loop: backward, a step, then a picture. Its wires say what ran, its boxes what was and what is."""
    model = nn.Neuron(2, rng=0)
    out = model([1.0, -2.0])
    out.backward()
    before, wires = [w.data for w in model.parameters()], labels_of(draw(out).svg)
    assert note_of(out) == ""
    nn.SGD(model.parameters(), lr=0.1).step()
    shown = rows_of(out)
    for w, old in zip(model.parameters(), before):
        (row,) = [rows for name, rows in shown.items() if says(rows.get("was", "nan"), old) and says(rows["data"], w.data)]
        assert says(row["grad"], w.grad)
    assert labels_of(draw(out).svg) == wires
    assert note_of(out).startswith("Assigned after this was computed: w1, w2, b.") and note_of(out) in draw(out).svg


def test_local_derivatives_are_those_of_the_numbers_that_were_used():
    w, x = Value(2.0, label="w"), Value(3.0, label="x")
    first = w * x
    w.data = 5.0
    out = first + w * x
    assert sorted(labels_of(draw(out).svg).values()) == ["+1", "+1", "w = +2", "w = +5", "x = +3", "x = +3"]
    assert rows_of(out)["w"] == {"data": "5", "was": "2", "grad": "?"}
    w.data = 7.0
    assert rows_of(out)["w"]["was"] == "2, 5"


def test_arrays_that_were_replaced_and_written_into():
    W = Tensor([[1.0, 2.0]], label="W")
    out = (W * W).sum()
    old = W.data
    W.data = np.array([[8.0, 9.0]])
    (cells,) = [cells for name, _, _, cells in boxes_of(draw(out).svg).values() if name == "W"]
    assert cells == ["8", "9", "1", "2"] and old is not W.data
    V = Tensor([2.0], label="V")
    out = (V * V).sum()
    with no_grad():
        V -= 1.0
    assert rows_of(out)["V"]["was"] == "overwritten" and note_of(out).endswith("V. What it was computed with is not kept.")


def test_a_result_that_was_assigned_is_no_result():
    x = Value(2.0, label="x")
    u = x * 3.0
    u.label = "u"
    out = u.tanh()
    u.data = 0.5
    shown = rows_of(out)
    assert shown["u"] == {"assigned": "0.5", "was": "6", "grad": "?"} and shown["?"] == {}
    wires = labels_of(draw(out).svg)
    assert wires[0] == "?" and "u = x × ?" in draw(out).source, "the 3 is not known any more"
    assert note_of(out).startswith("Assigned after this was computed: u.")
    total = weighted_sum([1.0, 1.0], [x, x], 0.0)
    total.data = 7.0
    assert "Σ wᵢxᵢ + b" in draw(total).source


def test_frozen_parameters_look_like_parameters_and_say_that_they_are_frozen():
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
    model[2].requires_grad_(False)
    out = model(np.ones((4, 2))).sum()
    out.backward()
    boxes = {box.name: box for box in draw(out).graph.boxes}
    assert {name: box.role for name, box in boxes.items() if not box.formula} == {
        "weight": "parameter", "bias": "parameter", "weight₂": "parameter", "bias₂": "parameter", "constant": "constant",
    }  # fmt: skip
    shown = rows_of(out)
    assert shown["weight₂"]["grad"] == shown["bias₂"]["grad"] == "frozen" and "grad" not in shown["weight"]
    assert not [step for step in explain(out) if step.names[1] == "weight₂"]
    inputs = Tensor(np.ones((4, 2)), requires_grad=False, label="X")
    assert {box.name: box.role for box in draw((inputs * Tensor(1.0, label="b")).sum()).graph.boxes}["X"] == "input"


def test_an_array_that_is_used_in_several_places_is_one_constant():
    x = np.arange(6.0).reshape(3, 2)
    q, k = Tensor(np.ones((2, 2)), label="Wq"), Tensor(np.ones((2, 2)), label="Wk")
    drawing = draw(((x @ q) @ (x @ k).T + x @ x.T).sum())
    names = [box.name for box in drawing.graph.boxes if box.role == "constant"]
    assert names == ["constant", "constant₂"], "x, and x @ x.T, which is computed before"
    (box,) = [box.id for box in drawing.graph.boxes if box.name == "constant"]
    assert sum(edge.source == box for edge in drawing.graph.edges) == 2
    assert sum(box.name == "2" for box in draw(Value(1.0) * 2.0 + Value(1.0) * 2.0).graph.boxes) == 2, "numbers stand where they are used"


def test_a_transpose_says_its_axes_where_a_mark_would_not():
    x = Tensor(np.zeros((2, 3, 4)), label="x")
    header = lambda y: next(box.formula for box in draw(y).graph.boxes if box.root)
    assert header(x.transpose(1, 2, 0)) == "= transpose(x, axes=(1, 2, 0))"
    assert header(x.transpose(0, 2, 1)) == header(x.T) == header(Tensor(np.zeros((2, 2)), label="x").T) == "= xᵀ"
    out = x.transpose(1, 2, 0)
    assert next(iter(explain(out, seed=np.ones(out.shape)))).symbol == "transpose(g, axes=(2, 0, 1))"


def test_indices_are_written_as_in_a_program():
    x = Tensor(np.arange(12.0).reshape(3, 4), label="x")
    keys = {"1:, ::2": np.s_[1:, ::2], "0, [0, 0]": (0, [0, 0]), "None, −1": np.s_[None, -1], "…, 0": np.s_[..., 0], "mask": x.data > 3.0, "[0, 2]": [0, 2]}
    for text, key in keys.items():
        out = x[key]
        assert draw(out).graph.boxes[-1].formula == f"= x[{text}]"
        assert next(iter(explain(out, seed=np.ones(out.shape)))).symbol == f"scatter(g, [{text}])"


def test_what_a_step_says_of_shapes():
    """Broadcasting is undone where it was done, and nowhere else."""
    a, b = Tensor(np.ones((2, 3)), label="a"), Tensor(np.ones((2, 1)), label="b")
    said = lambda y: {step.names[1]: step.shapes for step in explain(y, seed=np.ones(y.shape))}
    joined = said(np.concatenate([a, b], axis=1))
    assert joined == {"a": ("(2, 4) → (2, 3)",), "b": ("(2, 4) → (2, 1)",)}
    assert said(b.reshape(2)) == {"b": ("(2,) → (2, 1)",)} and said(b.reshape(1, 2, 1)) == {"b": ("(1, 2, 1) → (2, 1)",)}
    assert said(a.mean(axis=0)) == {"a": ("(3,) → (2, 3)",)}
    stack, matrix = Tensor(np.ones((4, 2, 3)), label="s"), Tensor(np.ones((3, 2)), label="m")
    assert said(stack @ matrix)["m"] == ("(3, 2) += (4, 2, 3)ᵀ @ (4, 2, 2)", "broadcasting undone: sum over axis 0, (4, 3, 2) → (3, 2)")
    v, w = Tensor(np.ones(3), label="v"), Tensor(np.ones(3), label="w")
    assert said(v @ w)["v"][0] == "(3,) += (1, 1) @ (3, 1)ᵀ", "products of matrices, as they ran"
    assert said(a * b) == {"a": ("(2, 3) += (2, 3) × (2, 1)",), "b": ("(2, 1) += (2, 3) × (2, 3)", "broadcasting undone: sum over axis 1, (2, 3) → (2, 1)")}


def test_wide_sums_have_their_derivatives():
    terms, weights = [Value(float(i), label=f"x{i}") for i in range(60)], [Value(0.5, label=f"w{i}") for i in range(60)]
    out = weighted_sum(weights, terms, 0.0)
    steps = list(explain(out))
    assert len(steps) == 120 and {(s.symbol, s.names[1]) for s in steps} >= {("x7", "w7"), ("w59", "x59")}
    assert sum(label.startswith("w59 = +0.5") for label in labels_of(draw(out, fold=False).svg).values()) == 1
    assert not any(line.rstrip().endswith("=") or " =  " in line for line in str(explain(out)).splitlines()[5:])


@pytest.mark.parametrize(
    ("labels", "roles"),
    [(["Wq", "x"], "pi"), (["Wxh", "bh"], "pp"), (["W_out", "b_out"], "pp"), (["w_1", "by"], "pp"), (["by", "b_out"], "ii"), (["Width", "wait"], "ii")],
)
def test_labels_of_a_textbook_make_parameters(labels, roles):
    first, second = (Value(1.0, label=label) for label in labels)
    found = {box.name: box.role for box in draw(first * second).graph.boxes}
    assert "".join(found[label][0] for label in labels) == roles
