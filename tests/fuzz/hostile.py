"""Hostile input: things that are no numbers, odd numbers, and one array in every layout and dtype."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import nn
from autograd_core import Tensor, Value

__all__ = ["LAYOUTS", "NO_NUMBERS", "NUMBERS", "SAME_NUMBERS", "Odd", "Sub"]


class Odd:
    """An object that is nothing in particular."""


class Sub(np.ndarray):
    """A user's subclass of ndarray."""


class Meddling(np.ndarray):
    """A subclass that multiplies in its own way."""

    def __mul__(self, other: Any) -> Any:
        return np.matmul(self, other)

    __rmul__ = __mul__


def readonly(x: np.ndarray) -> np.ndarray:
    """The same array, not to be written into."""
    x = x.copy()
    x.flags.writeable = False
    return x


# Each is made afresh, since generators run dry and some can be written into.
NO_NUMBERS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "empty str": lambda: "",
    "str": lambda: "nonsense",
    "str of a number": lambda: "1.5",
    "bytes": lambda: b"a",
    "complex": lambda: 1j,
    "numpy complex": lambda: np.complex128(1j),
    "object": Odd,
    "class": lambda: Odd,
    "module": lambda: math,
    "dict": dict,
    "dict of numbers": lambda: {"a": 1.0},
    "set": lambda: {1.0, 2.0},
    "function": lambda: len,
    "generator": lambda: (x for x in (1.0, 2.0)),
    "ellipsis": lambda: ...,
    "slice": lambda: slice(None),
    "date": lambda: date(2020, 1, 1),
    "path": lambda: Path("nowhere"),
    "list of str": lambda: ["a", "b"],
    "list of None": lambda: [None],
    "ragged list": lambda: [[1.0, 2.0], [3.0]],
    "complex array": lambda: np.ones((2, 3), complex),
    "text array": lambda: np.array([["a", "b", "c"]] * 2),
    "object array": lambda: np.array([[Odd()] * 3] * 2, dtype=object),
    "date array": lambda: np.array([["2020-01-01"] * 3] * 2, dtype="datetime64[D]"),
    "time array": lambda: np.ones((2, 3), "timedelta64[s]"),
    "structured array": lambda: np.zeros((2, 3), dtype=[("a", float), ("b", int)]),
    "masked array": lambda: np.ma.array(np.ones((2, 3)), mask=np.eye(2, 3)),
    "nn module": lambda: nn.Linear(2, 1, rng=0),
}

NUMBERS: dict[str, Callable[[], Any]] = {
    "0": lambda: 0,
    "-1": lambda: -1,
    "True": lambda: True,
    "half": lambda: 0.5,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "huge": lambda: 1e308,
    "tiny": lambda: 5e-324,
    "huge int": lambda: 10**400,
    "int of 64 bits": lambda: 2**63,
    "numpy int": lambda: np.int8(2),
    "numpy bool": lambda: np.bool_(True),
    "numpy half": lambda: np.float16(0.5),
    "Fraction": lambda: Fraction(1, 2),
    "Decimal": lambda: Decimal("0.5"),
    "0-d": lambda: np.array(0.5),
    "Value": lambda: Value(0.5),
    "Tensor": lambda: Tensor([[0.5, 1.5, -0.5], [0.25, -1.5, 0.75]]),
    "0-d Tensor": lambda: Tensor(0.5),
    "constant Tensor": lambda: Tensor([0.5, 1.5, -0.5], requires_grad=False),
    "empty list": list,
    "nested lists": lambda: [[0.5, 1.5, -0.5], [0.25, -1.5, 0.75]],
    "tuple": lambda: (0.5, 0.25),
    "list of Values": lambda: [Value(0.5), Value(-0.25)],
    "no rows": lambda: np.zeros((0, 3)),
    "no columns": lambda: np.zeros((2, 0)),
    "nan array": lambda: np.full((2, 3), np.nan),
    "inf array": lambda: np.array([[np.inf, -np.inf, 0.0]] * 2),
    "huge array": lambda: np.full((2, 3), 1e308),
    "tiny array": lambda: np.full((2, 3), 5e-324),
    "many": lambda: np.broadcast_to(0.5, (300,)),
    "many rows": lambda: np.broadcast_to(np.array([0.5, 1.5, -0.5]), (100, 3)),
    "many axes": lambda: np.full((1,) * 20, 0.5),
    "whole numbers": lambda: np.array([[0, 1, 2], [1, 0, 2]]),
    "negative numbers": lambda: np.array([-1, -2]),
    "booleans": lambda: np.array([[True, False, True]] * 2),
}


def memmap(x: np.ndarray) -> np.ndarray:
    """The array in a file; one without elements has nothing to put there."""
    if not x.size:
        return x.copy()
    with tempfile.TemporaryFile() as file:
        out = np.memmap(file, dtype=x.dtype, mode="w+", shape=x.shape or (1,))
    out[...] = x
    return out.reshape(x.shape)


def sliced(x: np.ndarray) -> np.ndarray:
    """Every other element of an array with rubbish in between."""
    wide = np.full(tuple(2 * n + 1 for n in x.shape), np.nan if x.dtype.kind == "f" else 99, x.dtype)
    part = wide[tuple(slice(1, 2 * n, 2) for n in x.shape)]
    part[...] = x
    return part


def spread(x: np.ndarray) -> np.ndarray:
    """Strides of zero: the first row for all."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim else np.broadcast_to(x, ())


SAME_NUMBERS = 1e-11
LAYOUTS: dict[str, tuple[Callable[[np.ndarray], Any], float]] = {
    "fortran": (np.asfortranarray, SAME_NUMBERS),
    "reversed": (lambda x: np.flip(np.flip(x).copy()), SAME_NUMBERS),
    "sliced": (sliced, SAME_NUMBERS),
    "zero strides": (spread, SAME_NUMBERS),
    "read-only": (readonly, SAME_NUMBERS),
    "byte-swapped": (lambda x: x.astype(x.dtype.newbyteorder("S")), SAME_NUMBERS),
    "unaligned": (lambda x: np.frombuffer(b"x" + x.tobytes(), x.dtype, offset=1).reshape(x.shape), SAME_NUMBERS),
    "subclass": (lambda x: x.copy().view(Sub), SAME_NUMBERS),
    "meddling subclass": (lambda x: x.copy().view(Meddling), SAME_NUMBERS),
    "matrix": (lambda x: x.copy().view(np.matrix) if x.ndim == 2 else x.copy(), SAME_NUMBERS),
    "memmap": (memmap, SAME_NUMBERS),
    "longdouble": (lambda x: x.astype(np.longdouble) if x.dtype.kind == "f" else x.astype(np.int64), SAME_NUMBERS),
    "float32": (lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x.astype(np.int32), 1e-3),
    "float16": (lambda x: x.astype(np.float16) if x.dtype.kind == "f" else x.astype(np.int8), 1e-1),
    "list": (lambda x: x.tolist(), SAME_NUMBERS),
    "tuple": (lambda x: functools.reduce(lambda t, _: t, range(x.ndim), _tuples(x.tolist())), SAME_NUMBERS),
    "constant": (lambda x: Tensor(x, requires_grad=False), SAME_NUMBERS),
    "NumPy scalar": (lambda x: x[()] if x.ndim == 0 else x, SAME_NUMBERS),
}
"""How a plain array is turned into an odd one of (nearly) the same numbers, and how near the answer must be."""


def _tuples(x: Any) -> Any:
    return tuple(map(_tuples, x)) if isinstance(x, list) else x
