"""What a notebook shows: a still picture, and on top of it the page in a sandboxed frame.

A trusted notebook shows the page. Where scripts and frames are stripped (an untrusted notebook, a viewer on the web),
the picture below remains. The frame has no origin of its own, so its keys and scripts cannot reach the notebook.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from .text import clean, escape

__all__ = ["bundle", "framed"]


def framed(picture: str, page: str, title: str = "") -> str:
    """A still picture under a sandboxed page, as a piece of HTML."""
    size = re.match(r"<svg[^>]* width=\"(\d+)\" height=\"(\d+)\"", picture)
    width, height = (int(size[1]), int(size[2])) if size else (800, 400)
    data = base64.b64encode(picture.encode()).decode()
    name = escape(title or "Picture of a graph")
    least = 500 if 'id="range"' in page else 640 if 'id="links"' in page else 340  # the panel of the steps, or two sides, need their room
    room = max(least, min(height + 190, 720))
    return (
        f'<div style="display:grid;min-height:{min(height, room)}px">'
        f'<div style="grid-area:1/1;overflow:auto;max-height:{room}px"><img alt="{name}" width="{width}" style="max-width:none" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
        f'<iframe style="grid-area:1/1;width:100%;height:{room}px;border:0" sandbox="allow-scripts" '
        f'title="{name}" srcdoc="{escape(page)}"></iframe></div>'
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
