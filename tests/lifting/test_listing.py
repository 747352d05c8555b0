"""The program read back from its own calls: every call is told, and what is told is what runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import nn
from autograd_core import TABLE, Value, lift
from autograd_core.errors import LiftError
from autograd_core.lifting import lift_with_origins
from autograd_core.lifting.naming import stem
from autograd_core.lifting.statements import Statement, joined

from .test_workloads import WORKLOADS
from .workloads import random_graph


@pytest.mark.parametrize("name", ["moons_relu_hinge", "moons_shuffled_leaves_and_label_values", "mlp_mse_gelu", "attention", "rnn_20_steps"])
def test_all_calls_are_told(name: str) -> None:
    loss, parameters, inputs = WORKLOADS[name]()
    program = lift(loss, params=parameters, inputs=inputs)
    for section, calls in zip(("forward", "backward"), program.calls, strict=True):
        found = program.statements(section)
        assert sum(s.calls for s in found) == calls
        assert all(len(s.functions) == s.calls for s in found)
    text = str(program)
    for statement in program.statements():
        assert f"{statement.name} = {statement.expression}" in text


def test_the_backward_pass_reads_like_a_lecture() -> None:
    loss, parameters, inputs = WORKLOADS["moons_relu_hinge"]()
    program = lift(loss, params=parameters, inputs=inputs)
    found = {s.name: s.expression for s in program.statements()}
    assert found["dH2"] == "(W3ᵀ @ dv1) * (H2 > 0)"
    assert found["dH1"] == "(W2ᵀ @ dH2) * (H1 > 0)"
    assert found["d[W2 b2]"] == "dH2 @ [H1; 1]ᵀ"
    assert sum(s.products for s in program.statements("forward")) == 3
    with pytest.raises(LiftError, match="received 'sideways', expected 'forward' or 'backward'"):
        program.statements("sideways")


def test_transposes_and_parts_of_a_matrix() -> None:
    """Queries, keys and values lie in one product; a convolution is read as a matrix of another shape."""
    loss, parameters, inputs = WORKLOADS["attention"]()
    program = lift(loss, params=parameters, inputs=inputs)
    assert program.lines[1].expression == "exp(0.5 * H1[:4, :]ᵀ @ H1[4:8, :])"
    assert program.lines[2].expression == "H1[8:, :] @ H2ᵀ"
    assert "dW = dH1 @ Xᵀ" in str(program)
    loss, parameters, inputs = WORKLOADS["convolution_1d"]()
    program = lift(loss, params=parameters, inputs=inputs)
    assert program.lines[1].expression == "W2 @ H1[as 56×20] + b2 - 1"
    assert "dW1 = dH1 @ Xᵀ" in str(program)


def test_inputs_laid_out_twice_have_one_name() -> None:
    loss, parameters, inputs = WORKLOADS["polynomial_powers"]()
    program = lift(loss, params=parameters, inputs=inputs)
    text = str(program)
    assert "= x²" in text and "x ** 3" in text and "x2" not in text


def test_what_is_told_is_what_runs() -> None:
    """The statements of a two-layer network, run as Python on fresh arrays, give the gradient of the program."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    w1, b1, w2 = rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=(2, 5))
    leaves: Any = [np.vectorize(Value)(a) for a in (w1, b1, w2)]
    rows: Any = np.vectorize(Value)(x)
    loss: Any = 0
    for row in rows:
        hidden = [(sum(w * v for w, v in zip(ws, row, strict=True)) + b).tanh() for ws, b in zip(leaves[0], leaves[1], strict=True)]
        loss = loss + sum(sum(w * h for w, h in zip(ws, hidden, strict=True)) ** 2 for ws in leaves[2])
    program = lift(loss, params=leaves, inputs=rows)
    assert program.kind == "matrix"
    program()
    program.backward()
    scope: dict[str, Any] = {"W1": w1, "b": b1[:, None], "W2": w2, "X": x.T, "tanh": np.tanh}
    arrays = dict(scope)
    for line in program.lines[:-1]:
        arrays[line.name] = eval(line.expression, arrays)
    for statement in program.statements():
        name = statement.name
        expression = statement.expression.replace("ᵀ", ".T").replace("²", "**2")
        expression = re.sub(r"\[(\w+); 1\]", r"np.vstack([\1, np.ones(\1.shape[1])])", expression)
        key = {"d[W1 b]": "dW1b"}.get(name, name)
        arrays[key] = np.asarray(eval(expression, {**arrays, "np": np})).reshape(statement.shape)
    expected = np.concatenate([arrays["dW1b"][:, :3].ravel(), arrays["dW1b"][:, 3], arrays["dW2"].ravel()])
    np.testing.assert_allclose(program.theta.grad, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(30, 3), (8, 8), (5, 5), (6, 2), (4, 9)], ids=str)
@pytest.mark.parametrize("bias", ["before", "behind", "none"])
def test_samples_that_are_plain_numbers_read_like_a_lecture(shape: tuple[int, int], bias: str) -> None:
    """Weights and biases have names of their own, also where one product computes both; and every matrix stands as it is told."""
    rng = np.random.default_rng(0)
    x, w1, b1, w2 = rng.normal(size=shape), rng.normal(size=(5, shape[1])), rng.normal(size=5), rng.normal(size=(2, 5))
    leaves: Any = [np.vectorize(Value)(a) for a in (w1, w2, b1) if bias != "none" or a is not b1]

    def weighted(ws: Any, row: Any, j: int) -> Any:
        products = [w * v for w, v in zip(ws, row, strict=True)]
        return sum(products) if bias == "none" else sum(products, leaves[2][j]) if bias == "before" else sum(products) + leaves[2][j]

    loss: Any = 0
    for row in x.tolist():
        hidden = [weighted(ws, row, j).tanh() for j, ws in enumerate(leaves[0])]
        loss = loss + sum(sum(w * h for w, h in zip(ws, hidden, strict=True)) ** 2 for ws in leaves[1])
    program = lift(loss, params=leaves)
    assert program.lines[0].expression == ("tanh(W1 @ c1ᵀ)" if bias == "none" else "tanh(W1 @ c1ᵀ + b)")
    program()
    program.backward()
    arrays: dict[str, Any] = {"W1": w1, "b": b1[:, None], "W2": w2, "c1": x, "tanh": np.tanh, "np": np}

    def run(expression: str) -> Any:
        told = expression.replace("ᵀ", ".T").replace("²", "**2")
        return eval(re.sub(r"\[(\w+) 1\]", r"np.column_stack([\1, np.ones(len(\1))])", told), arrays)

    for line in program.lines[:-1]:
        arrays[line.name] = run(line.expression)
    for statement in program.statements():
        arrays[statement.name.replace("d[W1 b]", "dW1b")] = run(statement.expression)
    first = arrays["dW1"] if bias == "none" else arrays["dW1b"]
    expected = [first[:, : shape[1]].ravel(), arrays["dW2"].ravel(), first[:, shape[1] :].ravel()]
    np.testing.assert_allclose(program.theta.grad, np.concatenate(expected), rtol=1e-12)


@pytest.mark.parametrize("inputs", [1, 2, 5])
def test_one_neuron_on_plain_samples_reads_like_a_lecture(inputs: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, inputs)), rng.normal(size=12)
    neuron = nn.Neuron(inputs, activation="tanh", rng=0)
    loss: Any = sum((neuron(row) - float(t)) ** 2 for row, t in zip(x.tolist(), y, strict=True))
    program, _ = lift_with_origins(loss, params=neuron.parameters(), kind="matrix")
    assert program.lines[0].expression == "tanh(W @ c1ᵀ + b)" and program.lines[0].shape == (12,)
    last = program.statements()[-1]
    assert (last.name, last.expression) == ("d[W b]", "[c1 1]ᵀ @ dv1")
    program()
    program.backward()
    z = np.tanh(x @ [w.data for w in neuron.w] + neuron.b.data)
    np.testing.assert_allclose(program.theta.grad, np.column_stack([x, np.ones(12)]).T @ (2 * (z - y) * (1 - z**2)), rtol=1e-12)


def test_names_from_labels() -> None:
    assert stem(["Wx[0][0]", "Wx[0][1]"]) == "Wx"
    assert stem(["w₁", "w₂"]) == "w"
    assert stem(["</script>", "</script>"]) == stem(["loss"]) == stem(["", ""]) == stem(["x" * 99]) == stem(["a b"]) == ""
    u = [[Value(0.1 * i + j, label=f"U[{i}][{j}]") for j in range(4)] for i in range(3)]
    xs = [[Value(1.0 * i - j) for j in range(4)] for i in range(40)]
    loss = sum(sum(a * b for a, b in zip(row, x, strict=True)).tanh() for row in u for x in xs)
    program = lift(loss, params=u, inputs=xs)
    assert program.lines[0].expression == "tanh(U @ X)"
    assert [s.name for s in program.statements()][-1] == "dU"


def test_a_short_scalar_program_is_told_line_by_line() -> None:
    w, b = Value(2.0, label="w"), Value(0.5, label="b")
    xs = [Value(float(i), label=f"x{i}") for i in range(4)]
    loss = sum((x * w + b - 1.0) ** 2 for x in xs)
    program = lift(loss, params=[w, b], inputs=xs)
    assert [f"{line.name} = {line.expression}" for line in program.lines[:2]] == ["v1 = x0 * w + b - 1", "v2 = x1 * w + b - 1"]
    assert program.lines[-1].expression == "v1² + v2² + v3² + v4²"
    assert sum(line.replaced for line in program.lines) == 20
    text = str(program)
    assert "dw = dw + dv1 * x0" in text and "dloss = 1" in text


def test_rules_of_a_short_scalar_program_are_told_in_words() -> None:
    x = Value(1.0, label="x")
    text = str(lift((2.0 * x).tanh().cbrt(), params=[x]))
    assert "lambda" not in text
    assert "* (1 - v2²)" in text and "cbrt" in text


def test_labels_that_cannot_be_names() -> None:
    a, b = Value(2.0, label="v1"), Value(3.0, label="__import__('os')")
    text = str(lift(a * b + a.exp(), params=[a, b]))
    assert "p1" in text and "import" not in text


def test_statements_are_joined_only_where_that_is_right() -> None:
    def told(name: str, expression: str) -> Statement:
        return Statement(name, expression, (3,), 1, 0, (name,), ("f",))

    assert [s.expression for s in joined([told("h", "W @ x"), told("h", "h + b"), told("h", "tanh(h)")])] == ["tanh(W @ x + b)"]
    assert [s.expression for s in joined([told("h", "a + b"), told("h", "h * c")])] == ["(a + b) * c"]
    assert len(joined([told("h", "a"), told("k", "h"), told("h", "h + 1")])) == 3
    assert len(joined([told("h", "a + b"), told("h", "h * h")])) == 2
    assert len(joined([told("h", "a"), told("h", "hh[h1] + 2")])) == 2


@pytest.mark.parametrize("seed", range(12))
def test_a_long_scalar_program_is_told_in_groups(seed: int) -> None:
    """Every recorded operation is in exactly one line, and a line speaks of lines before it alone."""
    loss, parameters, inputs = random_graph(seed)
    program, origins = lift_with_origins(loss, params=parameters, inputs=inputs, kind="scalar source")
    lines = program.lines
    assert len({line.name for line in lines}) == len(lines) <= 60
    assert lines[-1].name == "loss" and origins[-1][1][-1] is loss
    told = [id(node) for _, nodes in origins for node in nodes]
    assert len(told) == len(set(told))
    assert sum(line.replaced for line in lines) == sum(len(nodes) for _, nodes in origins)
    if program.calls[0] == len(lines):
        return                                 # short: its own source
    assert "p is any parameter" in str(program)
    known = {"p", "x", "c", "v"}
    for line in lines:
        words = set(re.findall(r"(?<![\w.])(?:v\d*|[pxc])(?![\w(])", line.expression))
        assert words <= known, line
        known.add(line.name)
        assert line.shape == () or line.shape[0] > 1


def test_lines_that_compute_alike_are_one_line() -> None:
    p, xs = [Value(0.1 * i) for i in range(4)], [Value(float(i)) for i in range(80)]
    loss = sum(((p[0] * x - p[1]) / (x + 2.0)).tanh() ** 3 for x in xs)
    program, origins = lift_with_origins(loss, params=p, inputs=xs, kind="scalar source")
    assert [(line.name, line.expression, line.shape) for line in program.lines] == [
        ("v1", "p·x - p", (80,)), ("v2", "x + 2", (80,)), ("v3", "v1 / v2", (80,)), ("v4", "tanh(v3)", (80,)), ("v5", "v4 ** 3", (80,)),
        ("loss", "Σ₈₀ v5", ()),
    ]  # fmt: skip
    assert [len(nodes) for _, nodes in origins] == [160, 80, 80, 80, 80, 80]


def test_level_batching_says_what_a_block_reads() -> None:
    loss, parameters, inputs = WORKLOADS["random_dag_wide"]()
    program, origins = lift_with_origins(loss, params=parameters, inputs=inputs)
    assert program.kind == "level batching"
    lines, known = program.lines, {"p", "x"}
    for line in lines:
        reads = re.fullmatch(r"\w+\((.*)\)", line.expression)
        assert reads is not None and set(reads[1].split(", ")) - {"…"} <= known
        known.add(line.name)
    assert (lines[-1].name, lines[-1].shape) == ("loss", ()) and origins[-1][1][-1] is loss
    assert lines[1].expression.startswith(("relu(", "tanh("))
    assert len(known) == len(lines) + 2


def test_what_differs_in_an_option_or_a_number_is_not_alike() -> None:
    p, xs = [Value(0.3)], [Value(float(i - 40)) for i in range(80)]
    loss = sum(TABLE["leaky_relu"](p[0] * x, slope=0.1 if i % 2 else 0.2) + (p[0] * x) ** (3 if i % 2 else 4) for i, x in enumerate(xs))
    program, _ = lift_with_origins(loss, params=p, inputs=xs, kind="scalar source")
    told = {line.expression: line.shape for line in program.lines}
    assert {told[f"leaky_relu(v1, slope={slope})"] for slope in (0.1, 0.2)} == {(40,)} == {told[f"v1 ** {n}"] for n in (3, 4)}


def _told(program: Any) -> list[str]:
    return [f"{line.name} = {line.expression}" for line in program.lines]


def test_a_short_scalar_program_is_told_in_formulas() -> None:
    x, w = Value(1.5, label="x"), Value(0.5, label="w")
    program = lift((w * x + 1.0) ** 3 + (w**2).exp() / x.log() + w**-2 + TABLE["leaky_relu"](w, slope=0.1), params=[w])
    assert _told(program) == [
        "v1 = w * x + 1", "v2 = v1 ** 3", "v3 = w²", "v4 = exp(v3)", "v5 = log(x)", "v6 = v4 / v5", "v7 = 1 / w²", "v8 = leaky_relu(w, slope=0.1)",
        "loss = v2 + v6 + v7 + v8",
    ]  # fmt: skip
    backward = [f"{s.name} = {s.expression}" for s in program.statements()]
    assert "dv1 = 3 * dv2 * v1²" in backward
    assert "dv4 = dv6 / v5" in backward
    assert "dw = dw + 2 * dv3 * w" in backward


def test_what_a_scalar_program_tells_is_what_it_computes() -> None:
    """The lines and statements, run as Python, give loss and gradients: of every operation of one or two operands."""
    checked = 0
    for name, op in TABLE.items():
        if op.scalar is None or not op.d or op.variadic or len(op.domain) not in (1, 2):
            continue
        leaves = [Value(0.4, label="a"), Value(0.7, label="b")][: len(op.domain)]
        inside = [leaf + 1.0 if "arccosh" in name else leaf * 1.0 for leaf in leaves]
        loss = op(*inside) * 3.0 - leaves[0] * leaves[0]
        program = lift(loss, params=leaves)
        if program.kind != "scalar source" or "∂" in str(program):
            continue
        scope: dict[str, Any] = {key: entry.scalar or entry.array for key, entry in TABLE.items()} | {"nan": np.nan, "inf": np.inf, "pi": np.pi}
        scope |= {leaf.label: leaf.data for leaf in leaves} | {"da": 0.0, "db": 0.0}
        for line in program.lines:
            scope[line.name] = eval(line.expression.replace("²", "**2"), scope)
        for s in program.statements():
            scope[s.name] = eval(s.expression.replace("²", "**2"), scope)
        program.backward()
        assert scope["loss"] == pytest.approx(program(), rel=1e-3), name
        assert [scope["da"], scope["db"]][: len(leaves)] == pytest.approx(program.theta.grad.tolist(), rel=5e-3), name
        checked += 1
    assert checked > 30


def test_scalar_cross_entropy_reads_like_a_lecture() -> None:
    rng = np.random.default_rng(0)
    w: Any = np.vectorize(Value)(rng.normal(size=(3, 4)))
    b: Any = np.vectorize(Value)(rng.normal(size=3))
    scores = [[sum((wi * xi for wi, xi in zip(row, x, strict=True)), bias) for row, bias in zip(w, b, strict=True)] for x in rng.normal(size=(20, 4)).tolist()]
    labels = rng.integers(0, 3, 20).tolist()
    told = _told(lift(sum((sum(z.exp() for z in zs).log() - zs[y] for zs, y in zip(scores, labels, strict=True)), 0.0) * 0.05, params=[w, b]))
    assert told[1:] == ["H2 = exp(H1)", "v1 = column_sums(H2)", "v2 = log(v1)", "s1 = sum(v2)", "loss = 0.05 * (s1 - sum(H1[k1[j], j]))"]
    told = _told(lift(nn.cross_entropy(scores, labels), params=[w, b]))
    assert told[1:] == ["H2 = exp(H1)", "v1 = column_sums(H2)", "v2 = log(v1)", "v3 = v2 - H1[k1[j], j]", "loss = 0.05 * sum(v3)"]
    loss, parameters, inputs = WORKLOADS["softmax_cross_entropy"]()
    program = lift(loss, params=parameters, inputs=inputs)
    assert "# H[k[j], j] is one entry of each column j: that of row k[j]" in str(program).splitlines()
    assert _told(program) == ["H1 = exp(W @ X + b)", "v1 = column_sums(H1)", "v2 = H1[k1[j], j] / v1", "v3 = log(v2)", "loss = -0.02 * sum(v3)"]
    assert [(s.name, s.expression) for s in program.statements()] == [
        ("dv2", "-0.02 / v2"), ("dH1[k1[j], j]", "dv2 / v1"), ("dv1", "-dv2 * v2 / v1"), ("dH1[i ≠ k1[j], j]", "0"),
        ("dH1", "(dH1 + dv1) * H1"), ("d[W b]", "dH1 @ [X; 1]ᵀ"),
    ]  # fmt: skip


def test_weights_used_at_each_time_step_have_one_name_and_steps_are_columns() -> None:
    rng = np.random.default_rng(0)
    wh, wx, b = (np.vectorize(Value)(rng.normal(size=shape)) for shape in ((4, 4), (4, 2), (4,)))
    loss: Any = 0.0
    for _ in range(6):
        h: Any = [0.0] * 4
        for x in rng.normal(size=(5, 2)).tolist():
            h = [
                (sum(p * v for p, v in zip(wh[i], h, strict=True)) + sum((p * v for p, v in zip(wx[i], x, strict=True)), b[i])).tanh() for i in range(4)
            ]
        loss = loss + sum(v * v for v in h)
    program = lift(loss, params=[wh, wx, b])
    assert _told(program) == [
        "H1 = W1 @ c1ᵀ + b", "H2 = tanh([W1 W2] @ c2ᵀ + b)", "H3 = tanh(W2 @ H2 + H1[:, ::4])", "H4 = tanh(W2 @ H3 + H1[:, 1::4])",
        "H5 = tanh(W2 @ H4 + H1[:, 2::4])", "H6 = tanh(W2 @ H5 + H1[:, 3::4])", "loss = H6 · H6",
    ]  # fmt: skip
    assert ("dH5", "(W2ᵀ @ dH6) * (1 - H5²)") in [(s.name, s.expression) for s in program.statements()]
