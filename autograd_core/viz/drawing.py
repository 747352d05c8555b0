"""`Drawing`: a picture of a graph, printed as SVG, DOT, a page, or through Graphviz as PNG and PDF; and what pictures can be asked for."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from autograd_core.arguments import checked
from autograd_core.errors import OperandError
from autograd_core.node import Node

from .dot import as_dot, placed_by_dot, rendered
from .graph import Graph
from .notebook import bundle
from .page import page
from .scene import Scene
from .svg import Direction, svg
from .theme import Theme, attributed

__all__ = ["Drawing", "Layout", "check_nodes", "check_options", "check_root"]

Layout = Literal["auto", "dot", "builtin"]


_CHOICES = {
    "direction": ("right", "down", "left", "up"), "theme": ("auto", "light", "dark"), "layout": ("auto", "dot", "builtin"),
}  # fmt: skip
_LEAST = {"depth": 0, "limit": 1}


def check_options(who: str, **options: object) -> None:
    """Raise unless every option is one that pictures have."""
    for name, given in options.items():
        if name in _CHOICES and not (isinstance(given, str) and given in _CHOICES[name]):
            raise OperandError(f"{who}: received {name}={given!r}, expected one of {', '.join(map(repr, _CHOICES[name]))}.")
        if name in _LEAST and not (given is None and name == "depth") and (not isinstance(given, int) or given < _LEAST[name]):
            raise OperandError(f"{who}: received {name}={given!r}, expected a whole number from {_LEAST[name]}.")


def check_nodes(who: str, parameters: object) -> list[Node]:
    """The nodes to show as parameters, as a list."""
    found: list[Any] = list(parameters) if isinstance(parameters, Iterable) and getattr(parameters, "shape", None) != () else [parameters]
    for one in found:
        if not isinstance(one, Node):
            raise OperandError(f"{who}: received {type(one).__name__} in parameters=, expected Values and Tensors.")
    return found


def check_root(root: object, who: str) -> None:
    """Raise unless `root` is a node."""
    if not isinstance(root, Node):
        raise OperandError(
            f"{who}: received {type(root).__name__}, expected a Value or a Tensor: the result of a computation"
            f"{', such as model(x)' if callable(root) else ''}."
        )


class Drawing:
    """A picture of a graph; shows itself in a notebook."""

    def __init__(
        self, graph: Graph, inside: Any, direction: Direction = "right", theme: Theme = "auto", layout: Layout = "auto"
    ) -> None:
        """`inside` gives the pictures that folded boxes open."""
        self.graph = graph
        self._inside, self._direction, self._theme, self._layout = inside, direction, theme, layout

    def __repr__(self) -> str:
        """What is in the picture."""
        name = self.graph.title.removeprefix("Graph of ")
        return f"<Drawing of {name}: {len(self.graph.boxes)} boxes, {len(self.graph.edges)} edges>"

    @property
    def source(self) -> str:
        """The picture in the DOT language, for Graphviz."""
        return as_dot(self.graph, direction=self._direction)

    @cached_property
    def svg(self) -> str:
        """The picture as the text of an SVG file."""
        placement = placed_by_dot(self.graph, self._direction) if self._layout == "dot" else None
        return attributed(svg(self.graph, direction=self._direction, theme=self._theme, placement=placement), self._theme)

    @cached_property
    def html(self) -> str:
        """The picture as a page, on which it can be moved, enlarged, and folded boxes opened."""
        found: list[Scene] = self._inside()
        return page(found, direction=self._direction, theme=self._theme)

    @checked
    def save(self, path: str | Path) -> Path:
        """Write the picture to a file; the ending says how: .svg, .html and .dot need nothing, .png and .pdf Graphviz.

        Raises:
            AutogradError: The ending is none of these (an OperandError), or Graphviz is needed and cannot be reached.
        """
        target = Path(path)
        ending = target.suffix.lower()
        writers = {".svg": lambda: self.svg, ".html": lambda: self.html, ".dot": lambda: self.source}
        writers[".gv"] = writers[".dot"]
        if ending in writers:
            target.write_text(writers[ending](), encoding="utf-8", newline="\n")
        elif ending in (".png", ".pdf"):
            target.write_bytes(rendered(self.source, ending[1:]))
        else:
            raise OperandError(f"save: received {target.name!r}, expected a name ending in .svg, .html, .png, .pdf or .dot.")
        return target

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        """What a notebook shows: the page over the still picture; never raises."""
        return bundle(lambda: self.svg, lambda: self.html, lambda: repr(self), self.graph.title)
