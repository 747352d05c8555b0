"""Makes the stubs for what is made from the table: `python tests/stubs.py` writes them, a test compares them."""

import inspect
import re
import textwrap
from pathlib import Path

from autograd_core import TABLE, functions
from autograd_core.op import built_in

HERE = Path(__file__).resolve().parent.parent / "autograd_core"
DUNDERS = {"add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv"}
NO_METHOD = {"where", "weighted_sum"}
REDUCTIONS = "sum mean prod max min logsumexp norm".split()


def parameters(op):
    return "".join(f", {name}: float = ..." for name in (getattr(op.array, "__kwdefaults__", None) or {}))


def binary(name, result):
    """A Tensor with anything is a Tensor. A Value with an array is one too; and were it a Value, `sum(losses)` would be `Value | int`."""
    return f"    def {name}(self, other: Any) -> {'Any' if result == 'Value' else result}: ..."


def method(op, result):
    extra = ", *operands: Any, **params: Any" if op.arity is None or op.arity > 2 else ""
    if getattr(op.array, "__kwdefaults__", None):
        extra += ", *args: float" + parameters(op)
    return f"    def {op.name}(self{extra}) -> {result}: ..."


def methods():
    lines = [
        "# Made from the table by tests/stubs.py: the methods that `Value` and `Tensor` get from it.",
        "",
        "from typing import Any",
        "",
        "from .tensor import Tensor",
        "from .value import Value",
        "",
    ]
    ops = [op for name, op in TABLE.items() if built_in(name)]
    for kind, result in (("ScalarMethods", "Value"), ("ArrayMethods", "Tensor")):
        lines += [f"class {kind}:", "    __slots__ = ()"]
        for op in ops:
            usable = op.elementwise or (op.dunder and kind == "ArrayMethods")
            if not usable or op.name in NO_METHOD or (kind == "ArrayMethods" and op.name == "clip"):
                continue
            if op.dunder in DUNDERS:
                lines += [binary(f"__{op.dunder}__", result), binary(f"__r{op.dunder}__", result)]
                if (kind == "ArrayMethods" and op.elementwise) or op.name == "sub":
                    lines.append(binary(f"__i{op.dunder}__", result))
            elif op.dunder:
                lines.append(f"    def __{op.dunder}__(self) -> {result}: ...")
            lines.append(binary(op.name, result) if op.arity == 2 else method(op, result))
        if kind == "ArrayMethods":
            lines += [f"    def {name}(self, *args: Any, **kwargs: Any) -> Tensor: ..." for name in routine_methods()]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def routine_methods():
    from autograd_core.tensor import _ROUTINES

    return _ROUTINES


def argument_type(parameter):
    """Numbers that have a default are floats; of what is written in Python, what its annotation says."""
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    return "Any" if parameter.default is parameter.empty else "float"


def as_read(name):
    """log2 stands before log10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def function_stubs():
    lines = [
        "# Made from the table by tests/stubs.py: the operations as functions.",
        "",
        "from typing import Any",
        "",
        "__all__ = [",
        *textwrap.wrap(", ".join(f'"{name}"' for name in sorted(functions.__all__, key=as_read)) + ",", 120, initial_indent="    ", subsequent_indent="    "),
        "]",
        "",
    ]
    for name in functions.__all__:
        signature = inspect.signature(getattr(functions, name))
        annotated = [p.replace(annotation=argument_type(p), default=p.default if p.default is p.empty else ...)
                     for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        arguments = str(inspect.Signature(annotated)).replace("Ellipsis", "...").replace("'", "")
        lines.append(f"def {name}{arguments} -> Any: ...")
    return "\n".join(lines) + "\n"


FILES = {"_methods.pyi": methods, "functions.pyi": function_stubs}


if __name__ == "__main__":
    for name, make in FILES.items():
        (HERE / name).write_text(make(), encoding="utf-8", newline="\n")
