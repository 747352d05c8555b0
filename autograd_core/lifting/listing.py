"""The calls of a program, read back: `dH1 = dH1 * (1 - H1²)`.

A compiled program is a list of prebound calls on views and buffers, which nobody could read. This module reads it back into
formulas, from the calls themselves, so that what is printed as the backward pass is what runs. Every array is
looked up by its memory: places in the arena have their name from the lecture (d before it for an adjoint), a buffer stands
for the expression that was last written into it, so that

    greater(v1, 0, t);  t₂[...] = t;  multiply(0.01, t₂, dv1)

is told as one statement of three calls, dv1 = 0.01 * (v1 > 0).
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_core.op import TABLE

from .formulas import Term, apply, product
from .naming import Names, number_text
from .rules import LocalDerivative
from .script import Array, Script
from .statements import Cost, Statement, joined

__all__ = ["Listing"]

_LONGEST = 160
"""Characters of a statement before it is cut."""


def _sum_of(text: str, dimensions: int) -> Term:
    return Term(f"{'sum' if dimensions < 2 else 'row_sums'}({text})")


class Listing:
    """Reads the sections of a script; it keeps no graph alive."""

    def __init__(self, script: Script, names: Names, values: Array, adjoints: Array) -> None:
        """The script must have been written to its end."""
        self.sections, self.bound, self.names = script.sections, script.bound, names
        self._arenas = [(a.__array_interface__["data"][0], a.nbytes, prefix) for a, prefix in ((values, ""), (adjoints, "d"))]
        self._buffers: dict[int, Term] = {}  # address → what was written there last
        self._pending: dict[int, Cost] = {}  # of buffers that no statement has told yet
        self._spent = Cost()

    def leaf_names(self) -> list[str]:
        """The array that each parameter and each input is in."""
        return self.names.leaf_names()

    def statements(self, section: str) -> list[Statement]:
        """What the calls of a section compute, in order; together they make all its calls."""
        self._buffers.clear()
        before = [name for name in ("prelude", "forward", "backward") if name in self.sections]
        for name in before[: before.index(section)] if section in before else ():
            for _ in self._read(name):
                pass
        self._pending.clear()
        found = list(self._read(section))
        if self._pending and found:  # gathered for later
            found[-1] = found[-1].with_cost(functools.reduce(Cost.plus, self._pending.values()))
        return joined(found)

    def _read(self, section: str) -> Iterator[Statement]:
        for plain, _ in self.sections.get(section, ()):
            if plain:
                yield from self._line(ast.parse(plain).body[0])

    # -- lines

    def _line(self, line: ast.stmt) -> Iterator[Statement]:
        """Read one line: a statement if it writes to the arena, else a buffer is noted."""
        self._spent = Cost(1)
        if isinstance(line, ast.Assign | ast.AugAssign):
            left = line.targets[0] if isinstance(line, ast.Assign) else line.target
            assert isinstance(left, ast.Subscript) and isinstance(left.value, ast.Name)
            target, where = self.bound[left.value.id], left.slice
            function = "copyto"
            if isinstance(where, ast.Constant) and isinstance(where.value, int):
                target = target[where.value : where.value + 1]
            elif isinstance(where, ast.Name):
                yield from self._scatter(target, self.bound[where.id], self._value(line.value), isinstance(line, ast.AugAssign))
                return
            if isinstance(line.value, ast.Call) and isinstance(line.value.func, ast.Name):
                function = _name_of(self.bound[line.value.func.id])
            yield from self._write(target, self._value(line.value), function)
            return
        assert isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)
        call = line.value
        if isinstance(call.func, ast.Attribute):  # a.dot(b, out)
            assert isinstance(call.func.value, ast.Name)
            one, other, out = (self.bound[n.id] for n in (call.func.value, *call.args) if isinstance(n, ast.Name))
            yield from self._write(out, self._dot(one, other), "dot")
            return
        assert isinstance(call.func, ast.Name)
        function = self.bound[call.func.id]
        things = [self.bound[a.id] if isinstance(a, ast.Name) else ast.literal_eval(a) for a in call.args]
        things += [self.bound[k.value.id] for k in call.keywords if isinstance(k.value, ast.Name)]
        yield from self._call(function, things)

    def _call(self, function: Any, things: list[Any]) -> Iterator[Statement]:
        name, owner = _name_of(function), getattr(function, "__self__", None)
        if name == "take":
            yield from self._write(things[2], self._taken(owner, things[0]), "take")
        elif name in ("reduce", "reduceat") and isinstance(owner, np.ufunc):
            word = {"add": "sum", "maximum": "max"}.get(owner.__name__, owner.__name__)
            axis = f", axis={things[1]}".replace("(", "").replace(",)", "") if name == "reduce" and np.ndim(things[0]) > 1 else ""
            text = f"{'segment_' * (name == 'reduceat')}{word}({self._array(things[0]).text}{axis})"
            yield from self._write(next(t for t in reversed(things) if isinstance(t, np.ndarray)), Term(text), name)
        elif name == "copyto" and len(things) == 4:
            words = ", ".join(self._array(thing).text for thing in (things[3], things[1], things[0]))
            yield from self._write(things[0], Term(f"where({words})"), "where")
        elif isinstance(function, np.ufunc):
            if name == "matmul":
                yield from self._write(things[2], self._dot(things[0], things[1]), name)
                return
            arguments = [self._array(thing) for thing in things[: function.nin]]
            same = function.nin == 2 and name == "multiply" and things[0] is things[1]
            yield from self._write(things[function.nin], apply("square" if same else name, arguments), name)
        else:  # a function of our own on arrays: the last one takes the result
            words = ", ".join(self._array(thing).text for thing in things[:-1])
            yield from self._write(things[-1], Term(f"{name.strip('_')}({words})"), name)

    def _dot(self, one: Array, other: Array) -> Term:
        if one.ndim == 2 and other.ndim == 1 and self._all_ones(other):
            return _sum_of(self._array(one).text, 2)
        if other.ndim == 2 and one.ndim == 1 and self._all_ones(one):
            return Term(f"column_sums({self._array(other).text})")
        if one.ndim == other.ndim == 1:
            for ones, rest in ((one, other), (other, one)):
                if self._all_ones(ones):
                    return _sum_of(self._array(rest).text, 1)
            return Term(f"{self._array(one).within(1)} · {self._array(other).within(1)}", 1)
        self._spent = self._spent.plus(Cost(0, 1))
        return product(self._array(one), self._array(other))

    def _all_ones(self, array: Array) -> bool:
        return self._arena(array) is None and _root(array) not in self._buffers and bool((array == 1.0).all())

    def _taken(self, source: Any, index: Array) -> Term:
        place = self._arena(source)
        if place is not None and place[1][0] == 0 and source.ndim == 1 and len(source) == len(self.names.owner):
            name = self.names.operand(index)
            term = Term(place[0] + name)
            return term.transposed() if index.ndim == 2 and self.names.is_transposed(name, index) else term
        if place is None and _root(source) not in self._buffers and len(source) == self.names.parameters:
            return Term("θ, in the order of use")
        term = self._array(source)
        if term.is_number() or np.array_equal(np.sort(index, axis=None), np.arange(np.size(source))):
            return term  # equal numbers, or the same in another order
        return Term(f"{term.within(1)}[…]")

    # -- reading and writing

    def _arena(self, array: Array) -> tuple[str, Array] | None:
        """The prefix of the arena in which an array lies, and its places there; None for a buffer."""
        address = array.__array_interface__["data"][0]
        for start, size, prefix in self._arenas:
            if start <= address < start + size:
                places = np.array((address - start) // 8)
                for length, stride in zip(array.shape, array.strides, strict=True):
                    places = places[..., None] + np.arange(length) * (stride // 8)
                return prefix, places
        return None

    def _array(self, array: Any) -> Term:
        """What is in an array: the expression of a buffer, the name of a place, a number."""
        if isinstance(array, float | int):
            return Term(number_text(array), flat=True)
        if not isinstance(array, np.ndarray):
            return Term(_name_of(array))
        found = self._arena(array)
        if found is not None:
            return self._place(*found, array)
        key = _root(array)
        if key in self._buffers:
            self._spent = self._spent.plus(self._pending.pop(key, Cost()))
            term = self._buffers[key]
            turned = array.ndim > 1 and min(array.shape[-2:]) > 1 and array.strides[-2] < array.strides[-1]
            whole = _base(array).shape
            turned = turned or (array.ndim == 2 and array.shape == whole[::-1] != whole)
            return term.transposed() if turned else term
        term = Term(self.names.numbers(array) if array.size else "0", flat=bool(array.size and (array == array.flat[0]).all()))
        return term.transposed() if self.names.constant_is_transposed(term.text, array) else term

    def _place(self, prefix: str, places: Array, array: Array) -> Term:
        """The name of places in an arena; a row of ones behind a matrix is named beside it."""
        owned = self.names.owner[places] >= 0
        if not owned.any():
            return Term("1")
        known, tail = places[owned], "; 1" if not owned.all() else ""
        name = self.names.operand(known if tail else places)
        first = name.strip("[").split(" ")[0].split("[")[0]
        text = f"[{name}{tail}]" if tail else name
        if prefix:
            text = f"{prefix}{text}"
        cast = self.names.recast(name, array.shape)
        if cast:
            return Term(text + cast)
        spread = array.ndim == 2 and (1 in array.shape or 0 in array.strides)
        if spread and len(self.names.shapes.get(first, ())) == 1:  # a vector, as a row or column or spread over a matrix
            return Term(text, flat=True)
        turned = self.names.view_is_transposed(name if name in self.names.constants else first, array)
        return Term(f"{text}ᵀ" if turned else text)

    def _write(self, out: Array, term: Term, function: str) -> Iterator[Statement]:
        found = self._arena(out)
        spent = self._spent.plus(Cost(functions=(function,)))
        if found is None:
            if len(term.text) > _LONGEST:
                term = Term("…")
            self._buffers[_root(out)] = term
            self._pending[_root(out)] = spent
            return
        name = self._place(*found, out)
        shape = out.shape
        if name.text.endswith("ᵀ"):
            name, term, shape = name.transposed(), term.transposed(), shape[::-1]
        if out.size == 1:
            shape = ()
        yield self._statement(name.text, term.text, shape, found[1], spent)

    def _scatter(self, target: Array, index: Array, term: Term, add: bool) -> Iterator[Statement]:
        found = self._arena(target)
        spent = self._spent.plus(Cost(functions=("copyto",)))
        if found is None:
            self._buffers[_root(target)], self._pending[_root(target)] = term, spent
            return
        name = found[0] + self.names.operand(index)
        text = f"{name} + {term.text}".replace("+ -", "- ") if add else term.text
        yield self._statement(name, text, index.shape, index, spent)

    def _statement(self, name: str, text: str, shape: tuple[int, ...], places: Array, spent: Cost) -> Statement:
        owners = {int(g) for g in np.unique(self.names.owner[places]) if g >= 0}
        names = [self.names.results[g] for g in sorted(owners) if g in self.names.results]
        cells = np.unique(places)
        if cells[0] < self.names.parameters:
            names += [leaf for leaf, of in self.names.places.items() if np.isin(of, cells).any()]
        told = self.names.shapes.get(name.removeprefix("d"), shape)
        shape = told if int(np.prod(told)) == int(np.prod(shape)) else shape
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        return Statement(name, text, shape, spent.calls, spent.products, tuple(dict.fromkeys(names)), spent.functions)

    # -- expressions written as text

    def _value(self, e: ast.expr) -> Term:
        """Python arithmetic on single numbers, or a call of a kernel."""
        if isinstance(e, ast.Constant):
            return Term(number_text(float(e.value)) if isinstance(e.value, int | float) else str(e.value))
        if isinstance(e, ast.Name):
            return self._array(self.bound[e.id])
        if isinstance(e, ast.UnaryOp):
            return Term(f"-{self._value(e.operand).within(1)}", 1)
        if isinstance(e, ast.BinOp):
            one, other = self._value(e.left), self._value(e.right)
            return apply("multiply" if isinstance(e.op, ast.Mult) else "add" if isinstance(e.op, ast.Add) else "subtract", [one, other])
        if isinstance(e, ast.Call) and isinstance(e.func, ast.Name):
            function = self.bound[e.func.id]
            if _name_of(function) == "item":
                owner = function.__self__
                place = int(ast.literal_eval(e.args[0]))
                return self._array(owner[place : place + 1])
            return Term(f"{_name_of(function)}({', '.join(self._value(a).text for a in e.args)})")
        if isinstance(e, ast.Call) and isinstance(e.func, ast.Attribute) and isinstance(e.func.value, ast.Name):
            other_name = e.args[0]
            assert isinstance(other_name, ast.Name)
            return self._dot(self.bound[e.func.value.id], self.bound[other_name.id])
        return Term("…")


def _base(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _root(array: Array) -> int:
    """The address of the memory that an array is a view of."""
    return int(_base(array).__array_interface__["data"][0])


def _name_of(function: Any) -> str:
    """A function's own name, or that of the entry whose kernel or rule it is."""
    inner = getattr(function, "func", function)  # of a partial
    rule = getattr(inner, "__self__", None)
    if isinstance(rule, LocalDerivative):
        return f"∂{rule.op.name}"
    name = str(getattr(inner, "__name__", type(inner).__name__))
    if name.startswith(("<", "_")):  # a lambda, or a kernel of its module's own
        return next((op.name for op in TABLE.values() if op.array is inner), "f" if name == "<lambda>" else name)
    return name
