"""A script: prebound NumPy calls in a straight line.

A lifted program is a fixed list of calls on fixed arrays, so everything that can be decided beforehand is: which
function, which arrays, which buffer takes the result. At 20 µs a training step even a loop over that list is noticeable
(about 50 ns a call for unpacking arguments), so the list is written out as Python source, `f3(a1, a2, a7)` a line, and
compiled once. The source is made of names that this module invents and of numbers; nothing a user wrote (labels,
operation names, strings) ever enters it.

Every line may have a *careful* twin. Backpropagation multiplies adjoints with local derivatives, and a zero adjoint means
that the branch was not taken: its contribution is 0 even where the local derivative is inf or nan (a strong zero). The
plain product gives nan there. As this is rare, the plain script runs first, and only if a gradient is not finite does
the careful one run again in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Script", "strong_matmul_left", "strong_matmul_right", "strong_multiply", "strong_select"]

Array = NDArray[Any]
_KEYWORD_OUT = {np.maximum, np.minimum}
_WORTH_A_START = 1 << 17
"""Bytes of a product above which filling them once more takes longer than it takes `matmul` to start."""


class Script:
    """Lines of source in named sections, and the objects that they mention."""

    def __init__(self, dtype: Any = np.float64) -> None:
        """An empty script; numbers and scratch buffers will have this dtype."""
        self.dtype = np.dtype(dtype)
        self.bound: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._numbers: dict[bytes, str] = {}
        self._scratch: dict[tuple[int, int, Any], Array] = {}
        self._views: dict[tuple[Any, ...], Array] = {}
        self._full: dict[tuple[tuple[int, ...], float], Array] = {}
        self.sections: dict[str, list[tuple[str, str]]] = {}
        self.section = ""

    def begin(self, section: str) -> None:
        """Direct what follows into this section (created if new)."""
        self.section = section
        self.sections.setdefault(section, [])

    def name(self, thing: Any) -> str:
        """The name under which an object is known to the script; numbers become arrays of no dimension."""
        if isinstance(thing, float | int) and not isinstance(thing, bool):
            key = np.float64(thing).tobytes()
            if key not in self._numbers:
                self._numbers[key] = self.name(np.array(float(thing), self.dtype))
            return self._numbers[key]
        name = self._names.get(id(thing))
        if name is None:
            prefix = "a" if isinstance(thing, np.ndarray) else "f"
            name = f"{prefix}{len(self.bound)}"
            self._names[id(thing)] = name
            self.bound[name] = thing  # which also keeps it alive, so that its id stays its own
        return name

    def _line(self, function: Any, arguments: Sequence[Any]) -> str:
        written = [self.name(a) for a in arguments]
        if function is np.copyto:
            return f"{written[0]}[...] = {written[1]}"  # the same, without NumPy's dispatch of functions
        if function is np.dot:
            if _by_dot(*arguments):
                return f"{written[0]}.dot({written[1]}, {written[2]})"
            function = np.matmul
        if function in _KEYWORD_OUT:
            written[-1] = "out=" + written[-1]
        return f"{self.name(function)}({', '.join(written)})"

    def call(self, function: Callable[..., Any], *arguments: Any, careful: Callable[..., Any] | None = None) -> None:
        """Append `function(*arguments)`; the careful script calls `careful` instead, if given.

        Arrays and functions are bound, numbers become constants.
        """
        self._append(self._line(function, arguments), None if careful is None else self._line(careful, arguments))

    def _append(self, line: str, careful: str | None = None) -> None:
        """A line, and what the careful script has in its place; without that, the same."""
        self.sections[self.section].append((line, line if careful is None else careful))

    def careful(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Append a call that only the careful script makes."""
        self._append("", self._line(function, arguments))

    def reduceat(self, array: Array, starts: Array, out: Array) -> None:
        """Append out[i] = the sum of array[starts[i] : starts[i + 1]]."""
        self._append(f"{self.name(np.add.reduceat)}({self.name(array)}, {self.name(starts)}, 0, None, {self.name(out)})")

    def reduce(self, array: Array, axis: int | tuple[int, ...], out: Array) -> None:
        """Append out = the sum of an array over axes."""
        self._append(f"{self.name(np.add.reduce)}({self.name(array)}, {axis}, None, {self.name(out)})")

    def take(self, source: Array, indices: Array, out: Array) -> None:
        """Append `out = source[indices]`, without the bounds check that would need a second buffer."""
        self._append(f"{self.name(source.take)}({self.name(indices)}, None, {self.name(out)}, 'clip')")

    def text(self, template: str, *things: Any) -> None:
        """Append a line in which {0}, {1}… are the names of `things`. Templates are this package's own."""
        self._append(template.format(*[self.name(thing) for thing in things]))

    def full(self, shape: tuple[int, ...], number: float) -> Array:
        """A constant array. `maximum` of two arrays runs vectorised, that of an array and a number does not."""
        key = (shape, number)
        if key not in self._full:
            self._full[key] = np.full(shape, number, self.dtype)
        return self._full[key]

    def scratch(self, shape: tuple[int, ...], slot: int = 0, dtype: Any = None) -> Array:
        """A buffer for a value that is consumed before anyone else asks for the same slot and size."""
        dtype = self.dtype if dtype is None else dtype
        size = int(np.prod(shape))
        key = (size, slot, dtype)
        if key not in self._scratch:
            self._scratch[key] = np.zeros(size, dtype)
        view = (*key, shape)
        if view not in self._views:
            self._views[view] = self._scratch[key].reshape(shape)
        return self._views[view]

    def compile(self, *sections: str, result: str = "None", careful: bool = False) -> Callable[[], Any]:
        """One function that runs the sections in order."""
        lines = [pair[careful] for section in sections for pair in self.sections.get(section, ()) if pair[careful]]
        if not lines and result == "None":
            return _nothing
        source = "def run():\n" + "".join(f"    {line}\n" for line in lines) + f"    return {result}\n"
        scope = dict(self.bound)
        exec(compile(source, "<lifted program>", "exec"), scope)  # noqa: S102 - see the module docstring
        run: Callable[[], Any] = scope["run"]
        return run

    def count(self, *sections: str) -> int:
        """How many lines the sections have."""
        return sum(bool(fast) for section in sections for fast, _ in self.sections.get(section, ()))


def _nothing() -> None:
    return None


def strong_multiply(g: Array, local: Array, out: Array) -> None:
    """out = g · local, and 0 wherever g is 0."""
    g, local = np.broadcast_arrays(g, local)
    np.copyto(out, np.where(g == 0.0, 0.0, np.multiply(g, local)))


def strong_select(g: Array, local: Array, out: Array) -> None:
    """out = g · local, and 0 wherever either is 0: for operations that choose between branches."""
    g, local = np.broadcast_arrays(g, local)
    np.copyto(out, np.where((g == 0.0) | (local == 0.0), 0.0, np.multiply(g, local)))


def _by_dot(left: Array, right: Array, out: Array) -> bool:
    """Whether `dot` is the better product.

    It starts sooner than `matmul`, and copies operands that BLAS cannot read; but it writes only to contiguous arrays, and fills
    them with zeros first, which costs more than the start where they are large.
    """
    if not out.flags.c_contiguous:
        return False
    return out.nbytes < _WORTH_A_START or any(min(x.strides) != x.itemsize for x in (left, right))


def strong_matmul_left(g: Array, local: Array, out: Array) -> None:
    """out = g @ local, terms with a zero in g being 0."""
    np.copyto(out, _strong(g, local))


def strong_matmul_right(local: Array, g: Array, out: Array) -> None:
    """out = local @ g, terms with a zero in g being 0."""
    if g.ndim == 1:
        np.copyto(out, _strong(g, local.T if local.ndim > 1 else local))
        return
    np.copyto(out, np.swapaxes(_strong(np.swapaxes(g, -1, -2), np.swapaxes(local, -1, -2)), -1, -2))


def _strong(g: Array, local: Array) -> Any:
    """g @ local where 0 · anything is 0: rows of g against columns of local, one column at a time."""
    if local.ndim == 1:
        return np.where(g == 0.0, 0.0, g * local).sum(-1)
    if g.ndim == 1:
        return np.where(g[:, None] == 0.0, 0.0, g[:, None] * local).sum(0)
    columns = [
        np.where(g == 0.0, 0.0, g * local[..., :, j][..., None, :]).sum(-1) for j in range(local.shape[-1])
    ]
    return np.stack(columns, -1)
