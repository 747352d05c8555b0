"""Arrays as small pictures: a heat map is a palette PNG of a few hundred bytes, written by hand."""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Grid
from .text import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["grid_of", "png"]

_LEVELS = 63  # odd: the middle one is zero
_NAN = _LEVELS


def _palette() -> bytes:
    """Orange for negative, near-white for zero, blue for positive (readable by colour-blind people); nan is grey."""
    low, middle, high = (179, 77, 0), (250, 250, 248), (0, 92, 158)
    colours: list[int] = []
    for i in range(_LEVELS):
        t = 2 * i / (_LEVELS - 1) - 1
        end = high if t > 0 else low
        colours.extend(round(m + (e - m) * abs(t) ** 0.8) for m, e in zip(middle, end, strict=True))
    return bytes([*colours, 120, 120, 120])


def png(rows: list[bytes]) -> bytes:
    r"""A PNG from rows of palette indices (0 most negative, 31 zero, 62 most positive, 63 nan).

    >>> png([bytes([0, 31, 62])])[:4]
    b'\x89PNG'
    """

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"PLTE", _palette()), chunk(b"IDAT", body), chunk(b"IEND", b""))
    )


def grid_of(key: str, array: NDArray[Any], *, most: int = 32) -> Grid:
    """The values of an array: up to sixteen in cells, more as a heat map of at most `most` by `most` points.

    The scale is centred on zero and reaches to the largest finite magnitude.

    >>> import numpy as np
    >>> [text for text, _ in grid_of("data", np.array([[1.0, -2.0]])).cells]
    ['1', '−2']
    """
    flat = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    if array.size <= 16:
        values = [float(v) for v in flat.reshape(-1)]
        top = max((abs(v) for v in values if math.isfinite(v)), default=0.0) or 1.0
        columns = _columns(*flat.shape)
        cells = tuple((number(v, 3), max(-1.0, min(1.0, v / top)) if v == v else 0.0) for v in values)
        return Grid(key, columns, -(-len(values) // columns), cells)
    if flat.shape[0] == 1 and flat.shape[1] > most:  # a long vector in lines, the last one filled up with zeros
        wide = math.isqrt(flat.shape[1] - 1) + 1
        flat = np.pad(flat[0], (0, -flat.shape[1] % wide)).reshape(-1, wide)
    down, across = -(-flat.shape[0] // most), -(-flat.shape[1] // most)
    small = _reduced(flat, down, across)
    finite = [abs(v) for row in small for v in row if math.isfinite(v)]
    top = max(finite, default=0.0) or 1.0
    half = _LEVELS // 2
    pixels = [
        bytes(_NAN if v != v else half + round(half * max(-1.0, min(1.0, v / top))) for v in row) for row in small
    ]
    return Grid(key, len(pixels[0]), len(pixels), image=png(pixels))


def _columns(rows: int, wide: int) -> int:
    """Into how many columns a few values go: those of a matrix, a long vector in lines of about four."""
    return max(1, wide if wide <= (8 if rows > 1 else 5) else -(-wide // -(-wide // 4)))


def _reduced(flat: NDArray[Any], down: int, across: int) -> list[list[float]]:
    """Every block of `down` by `across` values by its mean (blocks at the edge are smaller)."""
    if down == across == 1:
        return [[float(v) for v in row] for row in flat]
    rows = range(0, flat.shape[0], down)
    columns = range(0, flat.shape[1], across)
    return [[float(flat[r : r + down, c : c + across].mean()) for c in columns] for r in rows]
