"""Text for pictures: cleaning what users wrote, printing numbers, measuring, escaping."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from xml.sax.saxutils import escape as _escape

__all__ = ["clean", "escape", "isolated", "join_limited", "number", "sign_of", "signed", "width_of"]

_CONTROL = [*range(32), *range(127, 160)]
_DIRECTION = [0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_DROP = dict.fromkeys([*_CONTROL, *_DIRECTION, *range(0xD800, 0xE000), 0xFEFF, 0xFFFE, 0xFFFF])
_SPACES = dict.fromkeys((9, 10, 11, 12, 13, 0x85, 0x2028, 0x2029), " ")
_CLEAN: dict[int, str | None] = {**_DROP, **_SPACES}

_LETTERS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RIGHT_TO_LEFT = re.compile(f"[{_LETTERS}](?:[{_LETTERS}\\w]|[ .](?=[{_LETTERS}]))*")
"""Words of Hebrew, Arabic and the other scripts that run from right to left, with the digits that hang on to them."""

# Advance widths in em, a little more than those of the widest common sans-serif (DejaVu Sans).
_WIDTHS: dict[str, float] = {
    **dict.fromkeys("ijlI|!.,:;'`", 0.33),
    **dict.fromkeys('frt ()[]/\\-"J', 0.41),
    **dict.fromkeys("mwMWGOQDNHU%@&", 0.86),
    **dict.fromkeys("×+−=<>±÷∂Σ√→≤≥≠≈∞", 0.84),
    **dict.fromkeys("ᵀ²³¹⁻ⁿ·…₀₁₂₃₄₅₆₇₈₉", 0.5),
    "…": 1.0, "@": 1.0, "W": 1.0, "m": 0.98, "M": 0.87, "%": 0.95,
}  # fmt: skip


def clean(text: object, limit: int = 40) -> str:
    """A user's text made safe to print: no control or direction characters, no lone surrogates, cut at `limit`.

    >>> clean("weight" + chr(0) + chr(10) + "one")
    'weight one'
    >>> len(clean("x" * 10_000))
    40
    """
    line = str(text)[: 8 * limit].translate(_CLEAN).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def isolated(text: str) -> str:
    """`text` with its right-to-left words isolated, so that what stands next to them is not reordered.

    Without that a wire labelled with an Arabic name would say 0.5+ for +0.5, and a ÷ b would be drawn as b ÷ a.

    >>> [hex(ord(c)) for c in isolated("\u05d0 = 1")]
    ['0x2068', '0x5d0', '0x2069', '0x20', '0x3d', '0x20', '0x31']
    """
    return text if text.isascii() else _RIGHT_TO_LEFT.sub("\u2068\\g<0>\u2069", text)


def escape(text: str) -> str:
    """`text` for XML and HTML, in content and in double-quoted attributes.

    >>> escape('<b title="x">&')
    '&lt;b title=&quot;x&quot;&gt;&amp;'
    """
    return _escape(isolated(text), {'"': "&quot;", "'": "&#39;"})


def number(x: float, digits: int = 4) -> str:
    """`x` in four significant digits, with a true minus sign, so that small gradients stay visible.

    >>> number(-1.23456), number(2.0), number(1.5e-7), number(float("inf"))
    ('−1.235', '2', '1.5e−7', '∞')
    """
    x = float(x)
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    if text == "-0":
        text = "0"
    return text.replace("-", "−")


def signed(x: float, digits: int = 4) -> str:
    """`number` with the plus sign of a positive number written.

    >>> signed(0.25), signed(-3.0), signed(0.0)
    ('+0.25', '−3', '0')
    """
    return ("+" if x > 0 else "") + number(x, digits)


def sign_of(x: float) -> int:
    """-1, 0 or 1; 0 for nan."""
    return (x > 0) - (x < 0)


def width_of(text: str, size: float, *, mono: bool = False) -> float:
    """About how many pixels `text` takes at font size `size`: never much less than it does.

    >>> width_of("ill", 10) < width_of("WWW", 10)
    True
    """
    total = 0.0
    for character in text:
        if not character.isascii() and character not in _WIDTHS:
            if unicodedata.combining(character):
                continue
            wide = unicodedata.east_asian_width(character) in "WF" or ord(character) > 0xFFFF
            total += 1.25 if wide else 0.72
        elif mono:
            total += 0.61
        else:
            total += _WIDTHS.get(character, 0.7 if character.isupper() else 0.63)
    return total * size


def join_limited(words: Iterable[str], *, most: int = 4) -> str:
    """The words with commas between; where there are more than `most`, the first ones, … and the last.

    >>> join_limited("abcdef", most=3)
    'a, b, …, f'
    """
    listed = list(words)
    if len(listed) > most:
        listed = [*listed[: most - 1], "…", listed[-1]]
    return ", ".join(listed)
