"""What the arrays of a program are called: W and b for weights and biases, X for inputs, H, v and s for results.

A program is laid out in one flat arena, and an operand is a set of places in it. Places that belong to a result have the
name of that result; places of leaves get a name by role in order of appearance, or by the labels that the user gave them
(`Wx[0][1]`, `Wx[0][2]`, … are called Wx). Operands that lie side by side, weights and their bias, are named side by
side: [W1 b1].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .grouping import Grouping
from .script import Array
from .steps import Combine, MatrixProduct

__all__ = ["Names", "number_text", "stem"]

_TRAILING = "0123456789₀₁₂₃₄₅₆₇₈₉[](){},. _:;'"
_TAKEN = ("loss", "sum", "row_sums", "where", "grad")
_LONGEST = 12
"""Names that already have a meaning in a lecture; the longest label of a user's that serves as a name."""


def number_text(x: float) -> str:
    """A number with at most four significant digits."""
    return f"{x:.4g}"


def stem(labels: list[str]) -> str:
    """The name that labels with indices have in common, or nothing.

    >>> stem(["Wx[0][0]", "Wx[0][1]"]), stem(["layers.0.w1", "layers.0.w2"]), stem(["a", "b"])
    ('Wx', 'w', '')
    """
    found = {str(label)[:80].rstrip(_TRAILING).rsplit(".", 1)[-1] for label in labels}
    name = found.pop() if len(found) == 1 else ""
    return name if name.isidentifier() and len(name) <= _LONGEST and name not in _TAKEN else ""


def _places(index: Array) -> Array:
    """The distinct places of an index; of the same dtype on every machine, since names are looked up by their bytes."""
    return np.unique(index).astype(np.int64, copy=False)


class Names:
    """Names of places in the arena of a grouping."""

    def __init__(self, grouping: Grouping) -> None:
        """The weights and biases of the matrix products are named first, in order of appearance."""
        graph, arena = grouping.graph, grouping.arena
        self.parameters, self.numbers_at = graph.parameters, dict(grouping.numbers)
        self.groups = [(group.base, group.size, group.producer is None) for group in arena.groups]
        self._home = np.arange(arena.size)  # inputs may lie in the arena twice, under one name
        first = grouping.input_copies[0][1]
        for which, places in grouping.input_copies[1:]:
            self._home[places] = first[which]
        self._leaf_places = self._home[grouping.place[: graph.live]]
        self.labels = {place: label for place, label in zip(self._leaf_places.tolist(), graph.labels, strict=False) if label}
        self.counts: dict[str, int] = {}
        self.leaves: dict[bytes, str] = {}  # the places of leaves → name
        self.places: dict[str, Array] = {}  # the same the other way round
        self.tables: dict[bytes, str] = {}
        self.constants: dict[str, Array] = {}  # name → a matrix of constants, as the lecture tells it
        self.results: dict[int, str] = {}  # group → name
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.columnwise: set[str] = set()  # leaves whose matrix is stored column by column
        self.owner = np.full(arena.size, -1, dtype=np.int64)
        for number, (base, size, _) in enumerate(self.groups):
            self.owner[base : base + size] = number
        self._name_weights(grouping)

    def _name_weights(self, grouping: Grouping) -> None:
        found: list[tuple[Array, str]] = []
        for step in grouping.steps:
            if isinstance(step, MatrixProduct):
                ones = self.column_of_ones(step)
                if ones is not None:           # weights with their bias beside them, on samples with a 1 behind each
                    found += [(np.delete(step.left, ones, 2), "W"), (step.left[:, :, ones], "b")]
                elif step.left.max() < self.parameters:
                    found.append((step.left, "W"))
                if step.bias is not None:
                    found.append((step.bias, "b"))
            elif isinstance(step, Combine) and step.source is not None:
                found += [(index, "b") for index, _ in step.references[1:] if index.max() < self.parameters]
        distinct = {places.tobytes(): places for places in (_places(index) for index, _ in found)}.values()
        for index, letter in found:
            places = _places(index)
            inside = [len(of) for of in distinct if len(of) < len(places) and np.isin(of, places).all()]
            if sum(inside) == len(places):  # several matrices side by side, each of which has a name of its own
                continue
            name = self.leaf(index, letter)
            if letter == "W":
                self.matrix(name, index[0])
        for letter in "Wb":
            if self.counts.get(letter) == 1 and f"{letter}1" in self.places and letter not in self.places:
                self._rename(f"{letter}1", letter)

    def column_of_ones(self, step: MatrixProduct) -> int | None:
        """The one column, of several, in which parameters are multiplied by constants that are all 1 (so they are biases); None if there is not exactly one."""
        if len(step.left) > 1 or step.left.shape[2] < 2 or len(step.right[0]) < 2 or step.left.max() >= self.parameters:
            return None
        numbers = self.constant(step.right[0])
        found = np.array([], int) if numbers is None else np.flatnonzero((numbers == 1.0).all(axis=0))
        return int(found[0]) if len(found) == 1 else None

    def constant(self, index: Array) -> Array | None:
        """The numbers at these places, if all of them are constants."""
        cells = index.ravel().tolist()
        known = all(cell in self.numbers_at for cell in cells)
        return np.array([self.numbers_at[cell] for cell in cells]).reshape(index.shape) if known else None

    def samples(self, numbers: Array, ones: int | None = None) -> str:
        """The name of a matrix of constants, one sample a row; the column `ones` is not part of it: if that is the last one, the whole is `[c 1]`."""
        data = numbers if ones is None else np.delete(numbers, ones, 1)
        name = self.numbers(data.T)
        names = {name: data}
        if ones is not None:
            names[f"[{name} 1]" if ones == numbers.shape[1] - 1 else self.fresh("c")] = numbers
        for called, matrix in names.items():
            self.constants.setdefault(called, matrix)
            for turned in (matrix, matrix.T):
                self.tables.setdefault(np.ascontiguousarray(turned).tobytes(), called)
        return name

    def _rename(self, old: str, new: str) -> None:
        places = self.places.pop(old)
        self.leaves[places.tobytes()], self.places[new] = new, places
        if old in self.shapes:
            self.shapes[new] = self.shapes.pop(old)
        if old in self.columnwise:
            self.columnwise.remove(old)
            self.columnwise.add(new)

    def matrix(self, name: str, index: Array) -> None:
        """Remember the shape of a matrix of leaves as the lecture writes it, and whether it is stored column by column."""
        if name not in self.shapes:
            self.shapes[name] = index.shape
            if min(index.shape) > 1 and index[1, 0] - index[0, 0] < index[0, 1] - index[0, 0]:
                self.columnwise.add(name)

    def fresh(self, letter: str) -> str:
        """The next name with this letter."""
        self.counts[letter] = self.counts.get(letter, 0) + 1
        return f"{letter}{self.counts[letter]}"

    def leaf(self, index: Array, letter: str) -> str:
        """The name of these leaves, a new one if they have none."""
        places = _places(self._home[index])
        key = places.tobytes()
        if key not in self.leaves:
            common = stem([self.labels.get(place, "") for place in places.tolist()])
            if not common or common.casefold() == letter.casefold():
                single = letter in "Xx" and not self.counts.get(letter)
                name = self.fresh(letter)
                name = letter if single else name
            else:
                name = common
                while name in self.places:
                    name = f"{common}_{self.counts.setdefault(common, 1) + 1}"
                    self.counts[common] += 1
            self.leaves[key], self.places[name] = name, places
        return self.leaves[key]

    def leaf_names(self) -> list[str]:
        """The name of the array that each parameter, then each input, is in: the smallest if there are several; "" if it has none."""
        name_at = np.full(len(self.owner), "", dtype=object)
        for name, places in sorted(self.places.items(), key=lambda item: -len(item[1])):
            name_at[places] = name
        return [str(name) for name in name_at[self._leaf_places]]

    def operand(self, index: Array, letter: str = "p") -> str:
        """What the places of an operand are called."""
        if (index < self.parameters).all():
            return self._parameters(index, letter)
        owners = [int(g) for g in np.unique(self.owner[index]) if g >= 0]
        if all(self.groups[g][2] for g in owners):
            numbers = self.constant(index.ravel())
            if numbers is not None:
                return self.numbers(numbers)
            rows = sum(length > 1 for length in index.shape) > 1
            return self.leaf(index, "X" if rows else "x")
        names = list(dict.fromkeys(self.results.get(g, "…") for g in owners))
        if len(names) > 1:
            return f"({', '.join(names if len(names) < 5 else [*names[:2], '…', names[-1]])})"
        return names[0] + self._part(owners[0], np.unique(index), self.shapes.get(names[0], ()))

    def _parameters(self, index: Array, letter: str) -> str:
        places = _places(index)
        if places.tobytes() in self.leaves:
            return self.leaves[places.tobytes()]
        found = self._side_by_side(places)
        if found:
            return found
        if len(places) == self.parameters:
            return "θ"
        whole = next((name for name, of in self.places.items() if len(of) > len(places) and np.isin(places, of).all()), None)
        return f"{whole}[…]" if whole else self.leaf(index, letter)

    def _side_by_side(self, places: Array) -> str:
        """The names of the leaves that together are these places, or nothing."""
        inside = [(name, of) for name, of in self.places.items() if of[0] in places and np.isin(of, places).all()]
        if 1 < len(inside) < 5 and sum(len(of) for _, of in inside) == len(places):
            return f"[{' '.join(name for name, _ in sorted(inside, key=lambda item: int(item[1][0])))}]"
        return ""

    def _part(self, group: int, places: Array, shape: tuple[int, ...]) -> str:
        """Which part of a result is meant: nothing for all of it, else an index as NumPy would write it."""
        base, size, _ = self.groups[group]
        if len(places) == size:
            return ""
        if len(shape) not in (1, 2):
            return "[…]"
        axes = np.unravel_index(places - base, shape)
        distinct = [np.unique(axis) for axis in axes]
        if int(np.prod([len(axis) for axis in distinct])) != len(places):
            others = np.setdiff1d(np.arange(size), places - base)
            return self._one_each(axes, shape, "") or self._one_each(np.unravel_index(others, shape), shape, "≠") or "[…]"
        words = [_slice(axis, length) for axis, length in zip(distinct, shape, strict=True)]
        return f"[{', '.join(words)}]" if "…" not in words else "[…]"

    def _one_each(self, axes: tuple[Array, ...], shape: tuple[int, ...], sign: str) -> str:
        """One place of each column, [k[j], j], or of each row, [i, k[i]], k being a table of numbers; with a sign, all the others."""
        for along, letter in ((1, "j"), (0, "i")):
            if len(shape) == 2 and np.array_equal(np.sort(axes[along]), np.arange(shape[along])):
                chosen = np.ascontiguousarray(axes[1 - along][np.argsort(axes[along])])
                key = b"k" + chosen.tobytes()
                if key not in self.tables:
                    self.tables[key] = self.fresh("k")
                word = f"{self.tables[key]}[{letter}]"
                word = f"{'i' if along else 'j'} {sign} {word}" if sign else word
                return f"[{word}, j]" if along else f"[i, {word}]"
        return ""

    def shape(self, index: Array) -> tuple[int, ...]:
        """The shape of the numbers read from these places: that of a matrix, if the places are one, or a part of one, row by row."""
        owners = np.unique(self.owner[index])
        told = self.shapes.get(self.results.get(int(owners[0]), ""), ()) if len(owners) == 1 else ()
        if len(told) == 2 and index.ndim == 1:
            axes = np.unravel_index(index - self.groups[int(owners[0])][0], told)
            rows, columns = (np.unique(axis) for axis in axes)
            grid = rows[:, None] * told[1] + columns
            if min(grid.shape) > 1 and np.array_equal(grid.ravel(), axes[0] * told[1] + axes[1]):
                return grid.shape
        return index.shape if index.size > 1 else ()

    def numbers(self, x: Array) -> str:
        """Constants: the number if they are all equal, else a name."""
        if (x == x.flat[0]).all():
            return number_text(float(x.flat[0]))
        key = np.ascontiguousarray(x).tobytes()
        if key not in self.tables:
            self.tables[key] = self.fresh("c")
        return self.tables[key]

    def result(self, group: int, name: str, shape: tuple[int, ...]) -> None:
        """A group has got its name."""
        base, size, _ = self.groups[group]
        self.results[group], self.shapes[name] = name, shape
        self.owner[base : base + size] = group

    def recast(self, name: str, shape: tuple[int, ...]) -> str:
        """What to write behind the name of a matrix that is read as one of another shape."""
        told = self.shapes.get(name, ())
        other = len(told) == len(shape) == 2 and shape not in (told, told[::-1]) and int(np.prod(told)) == int(np.prod(shape))
        return f"[as {shape[0]}×{shape[1]}]" if other else ""

    def is_transposed(self, name: str, index: Array) -> bool:
        """Whether a matrix of places is the transpose of what the lecture calls by this name."""
        if name in self.constants and index.ndim == 2 and (numbers := self.constant(index)) is not None:
            return self.constant_is_transposed(name, numbers)
        shape = self.shapes.get(name, ())
        if len(shape) == 2 and shape[0] != shape[1] and index.shape in (shape, shape[::-1]):
            return index.shape != shape
        if 1 in index.shape:
            return False
        return bool((index[1, 0] - index[0, 0] < index[0, 1] - index[0, 0]) != (name in self.columnwise))

    def constant_is_transposed(self, name: str, numbers: Array) -> bool:
        """Whether a matrix of constants is the transpose of what the lecture calls by this name."""
        told = self.constants.get(name)
        return told is not None and numbers.shape == told.shape[::-1] and not np.array_equal(numbers, told)

    def view_is_transposed(self, name: str, view: Any) -> bool:
        """Whether a two-dimensional view shows the transpose of what the lecture calls by this name."""
        shape = self.shapes.get(name, ())
        view = view[0] if view.ndim == 3 else view
        if name in self.constants:
            return self.constant_is_transposed(name, view)
        if view.ndim != 2:
            return False
        if len(shape) != 2:
            return bool(min(view.shape) > 1 and view.strides[0] < view.strides[1])
        if 1 in shape or 1 in view.shape:
            return bool((view.shape[0] == 1) != (shape[0] == 1) and (view.shape[1] == 1) != (shape[1] == 1))
        return bool((view.strides[0] < view.strides[1]) != (name in self.columnwise))


def _slice(axis: Array, length: int) -> str:
    """An index along one axis as a slice; … if it is not one."""
    start, stop = int(axis[0]), int(axis[-1]) + 1
    if len(axis) == 1:
        return str(start)
    step = int(axis[1] - axis[0])
    if not (np.diff(axis) == step).all():
        return "…"
    text = f"{start or ''}:{'' if stop > length - step else stop}"
    return text + (f":{step}" if step > 1 else "")
