"""The colours of the pictures, light and dark; readable by colour-blind people, and never the only sign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

__all__ = ["DARK", "LIGHT", "Theme", "attributed", "stylesheet", "themed", "variables", "with_attributes"]

Theme = Literal["auto", "light", "dark"]

LIGHT: Final = {
    "bg": "#ffffff", "fg": "#1c1e21", "muted": "#5c6370", "line": "#868d99", "fill": "#ffffff", "edge": "#7f8794",
    "operation": "#eef1f5", "input": "#f4efe2", "parameter": "#ece5f8", "strong": "#6b4fa0", "module": "#e3ecf2",
    "frame": "#f7f8fa", "plus": "#0072b2", "minus": "#b34d00", "active": "#b34d00", "operand": "#0072b2",
    "done": "#007a5a",
}  # fmt: skip
DARK: Final = {
    "bg": "#16181d", "fg": "#e8eaed", "muted": "#a6adb8", "line": "#747c89", "fill": "#1c1f26", "edge": "#666e7b",
    "operation": "#2a2f38", "input": "#38332a", "parameter": "#352b4b", "strong": "#ac90e4", "module": "#25323d",
    "frame": "#1a1d23", "plus": "#56b4e9", "minus": "#e69f00", "active": "#e69f00", "operand": "#56b4e9",
    "done": "#2fc79b",
}  # fmt: skip

SANS: Final = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif"
MONO: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"

# Everything that does not change with the theme, then what does. `.ag` keeps the rules to our own pictures.
_SHAPE: Final = (
    ".ag text{font:12px " + SANS + "}.ag .t{font-size:13px}.ag .n{font-weight:700}.ag .k{font-size:11px}"
    ".ag .v,.ag .c,.ag .l{font:12px " + MONO + "}.ag .c{font-size:10px;text-anchor:middle}.ag .l{font-size:11px}"
    ".ag .v{text-anchor:end}.ag .w{fill:none;stroke-width:1.3}.ag .r{visibility:hidden}"
    ".ag .l{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}.ag .o{stroke-width:1.2}"
    ".ag .parameter .o{stroke-width:2.6}.ag .module .o,.ag .sum .o{stroke-width:1.6}.ag .f{stroke-dasharray:6 4}"
    ".ag .rest .o{stroke-dasharray:2 3}.ag .d{fill:none;stroke-width:1.2}.ag .faded .o{stroke-opacity:.5}"
    ".ag .faded :is(.hd,.d,.q,image){opacity:.5}"
    ".ag image{image-rendering:pixelated}.ag .quiet .w{stroke-width:1;stroke-dasharray:2 2}"
    ".ag .plain text{text-anchor:middle}.ag .plain .n{font-weight:400}"
)
_COLOUR: Final = (
    ".ag .bg{{fill:{bg}}}.ag text{{fill:{fg}}}.ag .k,.ag .s,.ag .ft{{fill:{muted}}}.ag .l{{stroke:{bg}}}"
    ".ag .o{{fill:{fill};stroke:{line}}}.ag .d,.ag .q{{stroke:{line}}}.ag .hd{{fill:{operation}}}.ag .q{{fill:none}}"
    ".ag .input .hd,.ag .constant .hd{{fill:{input}}}.ag .parameter .hd{{fill:{parameter}}}"
    ".ag .parameter .o{{stroke:{strong}}}.ag .module .hd,.ag .sum .hd{{fill:{module}}}"
    ".ag .f{{fill:{frame};stroke:{line}}}.ag .w{{stroke:{edge}}}.ag .h{{fill:{edge}}}"
    ".ag .plain .o{{fill:{operation};stroke:none}}.ag .plain text{{fill:{muted}}}"
    ".ag .r{{fill:{active}}}.ag .p{{fill:{plus}}}.ag .m{{fill:{minus}}}.ag .faded text{{fill:{muted}}}"
)


# The least of it as attributes, by the words of a class.
_ATTRIBUTES: Final = {
    "ag": 'fill="{fg}" font-family="sans-serif" font-size="12"', "bg": 'fill="{bg}"', "f": 'fill="{frame}" stroke="{line}"',
    "o": 'fill="{fill}" stroke="{line}"', "d": 'fill="none" stroke="{line}"', "q": 'fill="none" stroke="{line}"', "hd": 'fill="{operation}"',
    "w": 'fill="none" stroke="{edge}"', "r": 'visibility="hidden"', "v": 'text-anchor="end"', "c": 'text-anchor="middle" font-size="10"',
    "plain": 'text-anchor="middle"',
}  # fmt: skip


def attributed(drawn: str, theme: Theme = "auto") -> str:
    """The picture with the least of its style as attributes too, for viewers that leave style elements out.

    Where the style element is read, it goes before them: nothing looks different.

    >>> attributed('<path class="w" d="M0 0H9"/>', "dark")
    '<path class="w" fill="none" stroke="#666e7b" d="M0 0H9"/>'
    """
    colours = DARK if theme == "dark" else LIGHT
    return with_attributes(drawn, {name: text.format(**colours) for name, text in _ATTRIBUTES.items()})


def with_attributes(drawn: str, attributes: Mapping[str, str]) -> str:
    """A picture in which every class has its attributes beside it, those of the whole or else of each of its words.

    >>> with_attributes('<text class="k end">1</text>', {"k": 'font-size="11"', "end": 'text-anchor="end"'})
    '<text class="k end" font-size="11" text-anchor="end">1</text>'
    """

    def filled(match: re.Match[str]) -> str:
        words = [match[1]] if match[1] in attributes else match[1].split()
        return " ".join([match[0], *(attributes[word] for word in words if word in attributes)])

    return re.sub(r'(?<= )class="([^"]*)"', filled, drawn)  # a label holds no quotes: they are escaped


def stylesheet(theme: Theme = "auto") -> str:
    """The CSS of a picture; with `"auto"`, light unless the reader's system asks for dark. Paper is always light.

    >>> "prefers-color-scheme" in stylesheet(), "prefers-color-scheme" in stylesheet("dark")
    (True, False)
    """
    return _SHAPE + themed(_COLOUR.format(**LIGHT), _COLOUR.format(**DARK), theme)


def variables(theme: Theme = "auto") -> str:
    """The same colours as CSS custom properties, for the page around the picture."""

    def block(colours: dict[str, str], scheme: str) -> str:
        return f":root{{color-scheme:{scheme};" + "".join(f"--{name}:{value};" for name, value in colours.items()) + "}"

    return themed(block(LIGHT, "light"), block(DARK, "dark"), theme)


def themed(light: str, dark: str, theme: Theme) -> str:
    """Rules for a theme: those for programs without media queries come first, and paper is never dark."""
    if theme == "auto":
        return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
    return f"{dark}@media print{{{light}}}" if theme == "dark" else light
