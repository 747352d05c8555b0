"""Reading pictures back: the numbers and formulas of an SVG, of DOT, of a page and of a table, as a reader would."""

import ast
import html
import math
import re
import xml.etree.ElementTree as ET

import numpy as np

from autograd_core import TABLE
from autograd_core.algebra import ARRAYS

SVG = "{http://www.w3.org/2000/svg}"


def value_of(text):
    """The number that a text says; None for ?."""
    if text == "?":
        return None
    return float(text.replace("−", "-").replace("∞", "inf"))


def says(text, number, digits=4):
    """Whether a text is a number to so many significant digits."""
    shown = value_of(text)
    if shown is None or math.isnan(number) or math.isinf(number):
        return shown is not None and (shown == number or (math.isnan(shown) and math.isnan(number)))
    return abs(shown - number) <= 0.5 * 10.0 ** (1 - digits) * abs(number) * 1.0001


def boxes_of(svg):
    """For each box of an SVG by its number: name, formula, rows as (key, value), the cells of its small pictures."""
    found = {}
    for element in ET.fromstring(svg).iter(f"{SVG}g"):
        kind = element.get("class", "").split()
        if "b" not in kind:
            continue
        title = next(e for e in element.iter(f"{SVG}text") if e.get("class") == "t" or "plain" in kind)
        name = title.find(f"{SVG}tspan")
        keys, values, cells = [], [], []
        for e in element.findall(f"{SVG}text"):
            word = (e.get("class") or "").split()
            if "k" in word:
                keys.append(e.text)
            elif "v" in word and not (e.text or "").startswith("×"):
                values.append(e.text)
            elif "c" in word:
                cells.append(e.text)
        found[int(element.get("id")[1:])] = (name.text, (name.tail or "").strip(), list(zip(keys, values)), cells)
    return found


def labels_of(svg):
    """For each wire of an SVG by its number: what stands on it."""
    found = {}
    for element in ET.fromstring(svg).iter(f"{SVG}g"):
        if element.get("class", "").split()[:1] == ["e"]:
            text = next((e for e in element.findall(f"{SVG}text")), None)
            found[int(element.get("id")[1:])] = "" if text is None else "".join(text.itertext()).strip()
    return found


def dot_of(source):
    """The labels of the nodes of a DOT text, in lines, and those of its edges as (from, to, label)."""
    plain = lambda text: html.unescape(re.sub(r"\\(.)", r"\1", text))
    nodes = {int(n): [plain(line) for line in label.split("\\n")] for n, label in re.findall(r'^ *n(\d+) \[label="((?:[^"\\]|\\.)*)"', source, re.MULTILINE)}
    edges = re.findall(r'^ *n(\d+) -> n(\d+)(?: \[label="((?:[^"\\]|\\.)*)"\])?$', source, re.MULTILINE)
    return nodes, [(int(a), int(b), plain(label)) for a, b, label in edges]


# ------------------------------------------------------------------------------------------------ formulas
_SIGNS = {"−": "-", "·": "*", "∞": "inf", "≥": ">=", "≤": "<=", "≠": "!=", " = ": " == ", "…": "...", "×": "*"}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_ATOM = r"(?:[\w.]+|\([^()]*\))"


class _OnArrays(ast.NodeTransformer):
    """Choices, and what is joined by and/or, element by element."""

    def visit_IfExp(self, node):
        self.generic_visit(node)
        return self._call("where", node.test, node.body, node.orelse)

    def visit_BoolOp(self, node):
        self.generic_visit(node)
        return self._call("both" if isinstance(node.op, ast.And) else "either", *node.values)

    def visit_Attribute(self, node):
        self.generic_visit(node)
        return self._call("turned", node.value)

    def _call(self, name, *args):
        return ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=list(args), keywords=[])


def _scatter(g, key, shape):
    out = np.zeros(shape)
    np.add.at(out, key, g)
    return out


def evaluate(text, names, *, shape=(), matrices=False):
    """What a formula comes to, read as a book means it: sums keep their axes, ᵀ turns the last two.

    `shape` is what `scatter` fills; with `matrices`, ⁻¹ is the inverse.
    """
    text = re.sub(r"scatter\((\w+), \[(.*)\]\)", r"scatter(\1, s_[\2])", text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
    text = re.sub(rf"√({_ATOM})", r"sqrt(\1)", text.replace("√(", "sqrt("))
    text = re.sub(rf"∛({_ATOM})", r"cbrt(\1)", text)
    text = re.sub(r"⌊(.*?)⌋", r"floor(\1)", text)
    text = re.sub(rf"({_ATOM}) mod ({_ATOM})", r"mod(\1, \2)", text)
    text = text.replace("^", "**").replace("σ(", "sigmoid(").replace("ᵀ", ".T")
    if matrices:
        text = re.sub(rf"({_ATOM})⁻¹", r"inverse(\1)", text)
    text = re.sub(r"[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: f"**({m[0].translate(_RAISED)})", text)
    kept = lambda f: lambda x, axis=None: f(x, axis=axis, keepdims=True)
    space = {name: op.array for name, op in TABLE.items() if name.isidentifier()}
    space |= {
        "s_": np.s_, "inf": math.inf, "nan": math.nan, "where": np.where, "both": np.logical_and, "either": np.logical_or, "floor": np.floor,
        "sum": kept(np.sum), "mean": kept(np.mean), "scatter": lambda g, key: _scatter(g, key, shape), "inverse": np.linalg.inv,
        "turned": lambda x: np.swapaxes(x, -1, -2) if np.ndim(x) > 1 else x, "abs": np.abs, "einsum": lambda *x, subscripts: np.einsum(subscripts, *x),
        "transpose": np.transpose, **{name: getattr(ARRAYS, name) for name in ("exp", "sin", "cos", "sqrt")}, **names,
    }  # fmt: skip
    tree = ast.fix_missing_locations(_OnArrays().visit(ast.parse(text, mode="eval")))
    with np.errstate(all="ignore"):
        return eval(compile(tree, "formula", "eval"), {"__builtins__": {}}, space)
