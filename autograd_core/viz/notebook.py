"""What a notebook shows: a still picture, and on top of it the page in a sandboxed frame.

A trusted notebook shows the page. Where scripts and frames are stripped (an untrusted notebook, a viewer on the web),
the picture below remains. The frame has no origin of its own, so its keys and scripts cannot reach the notebook.
Neither can it see whether the notebook is light or dark, which need not be what the reader's system asks for: a rule beside
it names the themes of JupyterLab, VS Code, Colab and Sphinx, and the browser hands the answer on as `prefers-color-scheme`.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable
from typing import Final

from .text import clean, escape

__all__ = ["bundle", "framed", "image"]

_THEMES: Final = {
    "light": ("[data-jp-theme-light=true]", ".vscode-light", ".vscode-high-contrast-light", "[theme=light]", "[data-theme=light]"),
    "dark": ("[data-jp-theme-light=false]", ".vscode-dark", ".vscode-high-contrast:not(.vscode-high-contrast-light)", "[theme=dark]", "[data-theme=dark]"),
}
_FOLLOW: Final = "".join(f":is({','.join(hosts)}) .ag-shown{{color-scheme:{theme}}}" for theme, hosts in _THEMES.items())


def image(picture: str, title: str, style: str = "max-width:100%") -> str:
    """A still picture as a piece of HTML that follows the theme of the notebook around it."""
    data = base64.b64encode(picture.encode()).decode()
    width = re.match(r"<svg[^>]* width=\"(\d+)\"", picture)
    size = f' width="{width[1]}"' if width else ""
    return (
        f'<style>{_FOLLOW}</style><img class="ag-shown" alt="{escape(title)}"{size} style="{style}" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def framed(picture: str, page: str, title: str = "") -> str:
    """A still picture under a sandboxed page, as a piece of HTML."""
    size = re.match(r"<svg[^>]* height=\"(\d+)\"", picture)
    height = int(size[1]) if size else 400
    name = title or "Picture of a graph"
    least = 500 if 'id="range"' in page else 640 if 'id="links"' in page else 340  # the panel of the steps, or two sides, need their room
    room = max(least, min(height + 190, 720))
    return (
        f'<div style="display:grid;min-height:{min(height, room)}px">'
        f'<div style="grid-area:1/1;overflow:auto;max-height:{room}px">{image(picture, name, "max-width:none")}</div>'
        f'<iframe class="ag-shown" style="grid-area:1/1;width:100%;height:{room}px;border:0" sandbox="allow-scripts" '
        f'title="{escape(name)}" srcdoc="{html.escape(page)}"></iframe></div>'
    )


def bundle(
    picture: Callable[[], str], page: Callable[[], str], text: Callable[[], str], title: str = ""
) -> dict[str, str]:
    """The mime bundle of a picture; a display hook must not raise, so what fails is left out and named in the text."""
    found: dict[str, str] = {}
    try:
        found["text/plain"] = text()
        found["image/svg+xml"] = picture()
        found["text/html"] = framed(found["image/svg+xml"], page(), title)
    except Exception as problem:
        found.setdefault("text/plain", clean(f"<the picture could not be made: {type(problem).__name__}: {problem}>", 300))
    return found
