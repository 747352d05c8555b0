"""`python -m autograd_core explain "tanh(w*x + b)" w=2 x=-1 b=0.5`: the chain rule of an expression, in steps.

The expression is read by Python's parser and computed from a short list of what may stand in it: numbers, names,
arithmetic, and the functions of the table on numbers. Nothing is ever handed to `eval`.
"""

from __future__ import annotations

import argparse
import ast
import math
import re
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import AutogradError
from .functions import __all__ as named
from .op import TABLE, built_in
from .viz.console import as_command, say

__all__ = ["ExpressionError", "compute", "main"]

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power"}
_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf}
_OPTION = re.compile(r"-h|--([a-z]+(=.*)?)?", re.DOTALL)  # what else begins with a minus is an expression
_MOST_CHARACTERS, _MOST_NODES, _MOST_POWER, _MOST_DEPTH = 2000, 500, 1000, 60


class ExpressionError(AutogradError, ValueError):
    """An expression on the command line holds something that is not allowed there."""


def compute(text: str, values: Mapping[str, float]) -> Any:
    """The `Value` of an expression; the names in `values` become labelled leaves.

    Raises:
        ExpressionError: The expression cannot be read, or holds anything but numbers, names, + - * / **, and functions of
            the table.

    Example:
        >>> compute("w*x + 1", {"w": 2.0, "x": 3.0}).data
        7.0
        >>> compute("().__class__", {})
        Traceback (most recent call last):
            ...
        autograd_core.__main__.ExpressionError: '().__class__': attribute access is not allowed; ...
    """
    from .value import Value

    if len(text) > _MOST_CHARACTERS:
        raise ExpressionError(f"received an expression of {len(text)} characters, expected at most {_MOST_CHARACTERS}.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        count = sum(1 for _ in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        reason = problem.msg if isinstance(problem, SyntaxError) else "it is nested too deeply or is not text"
        raise ExpressionError(f"cannot read {_shown(text)}: {reason}.") from None
    if count > _MOST_NODES:
        raise ExpressionError(f"received an expression of {count} parts, expected at most {_MOST_NODES}.")
    leaves = {name: Value(value, label=name) for name, value in values.items()}
    result = _Reader(text, leaves).read(tree, 0)
    if not isinstance(result, Value):
        raise ExpressionError(f"{_shown(text)} has no name to differentiate with respect to; give one, as in x=2.")
    return result


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


class _Reader:
    """Walks the tree of an expression; what is not listed here is refused by its kind."""

    def __init__(self, text: str, leaves: Mapping[str, Any]) -> None:
        self.text, self.leaves = text, leaves

    def read(self, tree: ast.AST, depth: int) -> Any:
        """The value of one part."""
        if depth > _MOST_DEPTH:
            raise ExpressionError(f"{_shown(self.text)}: nested more than {_MOST_DEPTH} levels deep.")
        if isinstance(tree, ast.Constant):
            return self._constant(tree.value)
        if isinstance(tree, ast.Name):
            return self._name(tree.id)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, (ast.USub, ast.UAdd)):
            inner = self.read(tree.operand, depth + 1)
            return -inner if isinstance(tree.op, ast.USub) else inner
        if isinstance(tree, ast.BinOp) and type(tree.op) in _BINARY:
            name = _BINARY[type(tree.op)]
            left, right = self.read(tree.left, depth + 1), self.read(tree.right, depth + 1)
            if name == "power" and isinstance(right, float) and abs(right) > _MOST_POWER:
                raise self._refused(f"a power of {right:g}", f"the largest is {_MOST_POWER}")
            return self._apply(name, left, right)
        if isinstance(tree, ast.Call):
            return self._call(tree, depth)
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitXor):
            raise self._refused("the operator ^", "a power is written **")
        raise self._refused(_KINDS.get(type(tree), f"{type(tree).__name__.lower()}"))

    def _constant(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._refused(f"{type(value).__name__} {_shown(str(value))}")
        try:
            return float(value)
        except OverflowError:
            raise self._refused("a number too large for a float", "the largest is about 1.8e308") from None

    def _name(self, name: str) -> Any:
        if name in self.leaves:
            return self.leaves[name]
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in TABLE:
            raise ExpressionError(f"{name!r} is a function: write {name}(…).")
        raise ExpressionError(f"{name!r} has no value: add {name}=… after the expression.")

    def _call(self, tree: ast.Call, depth: int) -> Any:
        if not isinstance(tree.func, ast.Name):
            raise self._refused("a call of anything but a function's name")
        name = {"min": "minimum", "max": "maximum", "ln": "log"}.get(tree.func.id, tree.func.id)
        op = TABLE.get(name)
        if op is None or not op.d or op.variadic:
            raise ExpressionError(f"no function {tree.func.id!r} on numbers; there are {', '.join(functions())}.")
        if tree.keywords or any(isinstance(arg, ast.Starred) for arg in tree.args):
            raise self._refused(f"a named or starred argument of {name}")
        if len(tree.args) != op.arity:
            raise ExpressionError(f"{name} received {len(tree.args)} arguments, expected {op.arity}.")
        return self._apply(name, *(self.read(arg, depth + 1) for arg in tree.args))

    def _apply(self, name: str, *operands: Any) -> Any:
        op = TABLE[name]
        try:
            if all(isinstance(x, float) for x in operands):
                return float(op.scalar(*operands) if op.scalar is not None else op.array(*operands))
            return op(*operands)
        except AutogradError:
            raise
        except Exception as problem:  # whatever a kernel says about numbers it cannot take
            raise ExpressionError(f"{_shown(self.text)}: {name} failed: {problem}") from None

    def _refused(self, what: str, hint: str = "") -> ExpressionError:
        allowed = hint or "write numbers, names, + - * / ** and functions such as tanh(x)"
        return ExpressionError(f"{_shown(self.text)}: {what} is not allowed; {allowed}.")


_KINDS = {
    ast.Attribute: "attribute access", ast.Subscript: "indexing", ast.Lambda: "a lambda", ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension", ast.SetComp: "a comprehension", ast.DictComp: "a comprehension",
    ast.BinOp: "this operator", ast.UnaryOp: "this operator", ast.BoolOp: "and/or", ast.Compare: "a comparison",
    ast.IfExp: "if/else", ast.JoinedStr: "a string", ast.NamedExpr: "an assignment", ast.Tuple: "a tuple",
    ast.List: "a list", ast.Dict: "a dict", ast.Set: "a set", ast.Starred: "a star", ast.Await: "await", ast.Yield: "yield",
}  # fmt: skip


def functions() -> list[str]:
    """The functions that an expression may use."""
    return sorted(name for name, op in TABLE.items() if op.d and not op.variadic and (name in named or not built_in(name)))


def _assignment(text: str) -> tuple[str, float]:
    name, sign, value = text.partition("=")
    name = name.strip()
    if not sign or not name.isidentifier():
        raise ExpressionError(f"received {_shown(text)}, expected a name and a number, as in w=2.")
    try:
        return name, float(value)
    except ValueError:
        raise ExpressionError(f"{name}= received {_shown(value)}, expected a number.") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m autograd_core", description="The chain rule of an expression, in steps.")
    commands = parser.add_subparsers(dest="command", required=True)
    explainer = commands.add_parser("explain", help="print the chain rule of an expression in steps")
    explainer.add_argument("expression", help='such as "tanh(w*x + b)"')
    explainer.add_argument("values", nargs="*", metavar="name=number", help="the value of each name")
    explainer.add_argument("--html", metavar="FILE", help="also write the page that steps through it (offline, one file)")
    explainer.add_argument("--svg", metavar="FILE", help="also write the animated picture (no script)")
    lister = commands.add_parser("operations", help="list every operation with its formula and its derivatives")
    lister.add_argument("--markdown", action="store_true", help="as a Markdown table")
    given = _parsed(parser, arguments)
    if given.command == "operations":
        from .catalogue import catalogue

        say(catalogue(markdown=given.markdown, width=shutil.get_terminal_size((0, 24)).columns or None))  # in a pipe a line each
        return 0
    try:
        _explain(given)
    except (AutogradError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def _explain(given: argparse.Namespace) -> None:
    """Print the chain rule of an expression and its gradients, and write the files that were asked for."""
    from .viz import explain

    pairs = [_assignment(text) for text in given.values]
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ExpressionError(f"{name}= was received {count} times, expected once.")
    root = compute(given.expression.strip(), dict(pairs))
    root.label = root.label or "out"
    explanation = explain(root)
    say(explanation.table(width=shutil.get_terminal_size((200, 24)).columns))
    say("")
    final = explanation.gradients()
    for name, _ in pairs:
        say(f"∂{root.label}/∂{name} = {final.get(name, 0.0)!r}")
    for ending, path in (("html", given.html), ("svg", given.svg)):
        if path:
            if not path.lower().endswith(f".{ending}"):
                raise ExpressionError(f"--{ending} received {path!r}, expected a name ending in .{ending}.")
            say(f"wrote {explanation.save(path)}")


def _parsed(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Arguments in any order: `x=-1` after an option belongs to the values too, and an expression may begin with a minus."""
    words = sys.argv[1:] if arguments is None else arguments
    words = [f" {text}" if text.startswith("-") and not _OPTION.fullmatch(text) else text for text in words]
    given, more = parser.parse_known_args(words)
    unknown = [text for text in more if text.startswith("-")]
    if unknown:
        parser.error(f"unrecognised: {' '.join(map(_shown, unknown))}")
    if more and given.command != "explain":
        parser.error(f"unrecognised: {' '.join(more)}")
    given.values = [*getattr(given, "values", []), *more]
    return given


if __name__ == "__main__":
    sys.exit(as_command(main))
