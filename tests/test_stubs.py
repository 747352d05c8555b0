"""The stubs agree with the table, and with what is installed on the classes."""

import inspect
import re
import runpy
from pathlib import Path

from autograd_core import TABLE, Tensor, Value, functions
from autograd_core.op import built_in

STUBS = runpy.run_path(str(Path(__file__).resolve().parent / "stubs.py"))


def test_the_stubs_are_current():
    for name, make in STUBS["FILES"].items():
        assert (STUBS["HERE"] / name).read_text(encoding="utf-8") == make(), f"{name} is out of date: python tests/stubs.py"


def test_every_stub_is_a_method_and_every_method_has_a_stub():
    text = (STUBS["HERE"] / "_methods.pyi").read_text(encoding="utf-8")
    for cls, part in zip((Value, Tensor), text.split("class ")[1:]):
        declared = set(re.findall(r"def (\w+)\(", part))
        assert declared
        for name in declared:
            assert callable(getattr(cls, name)), f"{cls.__name__}.{name} is declared and missing"
        made = {n for n, f in vars(cls).items() if inspect.isfunction(f) and f.__code__.co_name in ("method", "<lambda>")}
        assert {n for n in made if n.startswith("__") or built_in(n)} <= declared


def test_every_function_has_a_stub():
    text = (STUBS["HERE"] / "functions.pyi").read_text(encoding="utf-8")
    assert set(re.findall(r"^def (\w+)\(", text, re.MULTILINE)) == set(functions.__all__)


def test_functions_show_their_operands_and_defaults():
    def shown(name):
        return str(inspect.signature(getattr(functions, name)))

    assert (shown("tanh"), shown("arctan2"), shown("leaky_relu")) == ("(x, /)", "(y, x, /)", "(x, /, slope=0.01)")
    for name in functions.__all__:
        op = TABLE[name]
        if op.elementwise:
            inspect.signature(getattr(functions, name)).bind(*[1.0] * op.arity)
