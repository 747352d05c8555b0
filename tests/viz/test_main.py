"""The command line: the table of an expression, and what an expression may not hold."""

import os
import subprocess
import sys

import pytest

from autograd_core.__main__ import ExpressionError, compute, main


def test_the_issue_example(capsys, tmp_path):
    page, picture = tmp_path / "out.html", tmp_path / "out.svg"
    status = main(["explain", "tanh(w*x + b)", "w=2", "x=-1", "b=0.5", "--html", str(page), "--svg", str(picture)])
    text = capsys.readouterr().out
    assert status == 0 and page.exists() and picture.exists()
    assert "∂out/∂v2 = 1 − out²" in text and "∂out/∂w = -0.18070663892364858" in text


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("w*x + 1", {"w": 2.0, "x": 3.0}, 7.0), ("-x**2", {"x": 3.0}, -9.0), ("max(x, 2)", {"x": 1.0}, 2.0),
        ("sin(pi*x)", {"x": 0.5}, 1.0), ("2**3 * x", {"x": 1.0}, 8.0), ("x/4 - +1", {"x": 8.0}, 1.0), ("e*x", {"x": 3.0, "e": 2.0}, 6.0),
    ],
)  # fmt: skip
def test_arithmetic(text, values, expected):
    assert compute(text, values).data == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x.__class__", "attribute access is not allowed"),
        ("().__class__.__bases__[0]", "indexing is not allowed"),
        ("__import__('os').system('ls')", "a call of anything but a function's name is not allowed"),
        ("__import__('os')", "no function '__import__' on numbers"),
        ("eval('1')", "no function 'eval'"),
        ("[x for x in (1, 2)]", "a comprehension is not allowed"),
        ("lambda: x", "a lambda is not allowed"),
        ("x if x else 1", "if/else is not allowed"),
        ("x < 1", "a comparison is not allowed"),
        ("'a' * x", "str 'a' is not allowed"),
        ("True + x", "bool 'True' is not allowed"),
        ("x + 1j", "complex"),
        ("x // 2", "this operator is not allowed"),
        ("x @ x", "this operator is not allowed"),
        ("(y := 3)", "an assignment is not allowed"),
        ("f'{x}'", "a string is not allowed"),
        ("x ^ 2", r"the operator \^ is not allowed; a power is written \*\*"),
        ("x ** 99999", "a power of 99999 is not allowed; the largest is 1000"),
        ("9**9**9**9 * x", "a power of"),
        ("x + 1" + "0" * 400, "too large"),
        ("x +", "cannot read"),
        ("(" * 500 + "x" + ")" * 500, "cannot read|nested"),
        ("-" * 100 + "x", "nested more than 60"),
        ("+".join(["x"] * 400), "parts, expected at most|nested"),
        ("x" * 3000, "3000 characters"),
        ("tanh", "'tanh' is a function"),
        ("tanh(x, x)", "tanh received 2 arguments, expected 1"),
        ("tanh(x=1)", "named or starred argument"),
        ("tanh(*x)", "named or starred argument"),
        ("q + 1", "'q' has no value: add q="),
        ("1 + 2", "has no name to differentiate"),
        ("x\x00", "cannot read"),
    ],
)  # fmt: skip
def test_what_is_refused(text, message):
    with pytest.raises(ExpressionError, match=message):
        compute(text, {"x": 1.0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "x*2", "x2"], "received 'x2', expected a name and a number, as in w=2."),
        (["explain", "x*2", "=2"], "received '=2', expected a name and a number, as in w=2."),
        (["explain", "x*2", "2x=1"], "received '2x=1', expected a name and a number"),
        (["explain", "x*2", "x=1", "--what"], "unrecognised: '--what'"),
        (["operations", "what"], "unrecognised: what"),
        (["operations", "--what", "else"], "unrecognised: '--what'"),
    ],
)
def test_arguments_that_cannot_be_read(arguments, message, capsys):
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2 and message in capsys.readouterr().err


def test_errors_go_to_stderr_with_status_2(capsys):
    assert main(["explain", "w*", "w=1"]) == 2
    assert capsys.readouterr().err.startswith("error: cannot read")
    assert main(["explain", "w", "w=one"]) == 2
    assert "w= received 'one', expected a number" in capsys.readouterr().err
    assert main(["explain", "w*w", "w=1", "--html", "x.txt"]) == 2
    assert "expected a name ending in .html" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-x**2", "x=3"], ["--", "-x**2", "x=3"], ["--x*-x", "x=-3"]])
def test_an_expression_may_begin_with_a_minus(words, capsys):
    assert main(["explain", *words]) == 0
    assert "∂out/∂x = " in capsys.readouterr().out


def test_a_name_has_one_value(capsys):
    assert main(["explain", "x*x", "x=1", "x=2"]) == 2
    assert "x= was received 2 times" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_table_fits_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["explain", "tanh(w*x + b)", "w=2", "x=-1", "b=0.5"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= columns
    for part in ("1 − out²", "+0.1807", "w.grad = −0.1807"):
        assert part in " ".join(text.split())
    assert ("────" in text) == (columns == 120)


def test_as_a_program():
    done = subprocess.run([sys.executable, "-m", "autograd_core", "explain", "x*x", "x=3"], capture_output=True, check=True)
    assert "∂out/∂x = 6.0" in done.stdout.decode()
    plain = subprocess.run(
        [sys.executable, "-m", "autograd_core", "explain", "x*x", "x=3"], capture_output=True, check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert b"dout/dx = 6.0" in plain.stdout


def test_a_reader_may_stop_listening():
    from_table = subprocess.Popen([sys.executable, "-X", "dev", "-m", "autograd_core", "operations"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    from_table.stdout.close()
    assert from_table.communicate()[1] == b""


def test_the_functions_that_are_named_are_public_ones():
    with pytest.raises(ExpressionError, match="no function 'gap2' on numbers; there are") as caught:
        compute("gap2(x)", {"x": 1.0})
    named = str(caught.value).split("there are ")[1].rstrip(".").split(", ")
    assert len(named) > 40 and {"tanh", "maximum"} <= set(named) and {"gap", "identity", "add", "strong_mul"}.isdisjoint(named)
