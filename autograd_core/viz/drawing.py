"""`draw(root)`: a picture of a graph, printed as SVG, DOT, a page, or through Graphviz as PNG and PDF."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autograd_core.arguments import truth
from autograd_core.errors import OperandError

from .dot import as_dot, placed_by_dot, rendered
from .fold import view_of
from .graph import Graph
from .network import read
from .notebook import bundle
from .page import page
from .scene import SHOW, Scene, picture, scenes
from .svg import Direction, svg
from .theme import Theme

if TYPE_CHECKING:
    from autograd_core.lifting import Program
    from autograd_core.node import Node

__all__ = ["Drawing", "Layout", "draw"]

Layout = Literal["auto", "dot", "builtin"]
_LARGE = 1_000_000


def draw(
    root: Node | Program | tuple[Program, Any],
    *,
    direction: Direction = "right",
    depth: int | None = None,
    fold: bool | None = None,
    around: Node | None = None,
    show: Iterable[str] = SHOW,
    theme: Theme = "auto",
    layout: Layout = "auto",
    parameters: Iterable[Node] = (),
    limit: int = 60,
) -> Drawing:
    """A picture of the graph that computed `root`.

    Args:
        root: A `Value` or `Tensor`; a lifted `Program`, or what `lift_with_origins` returns (then the page shows both sides).
        direction: Where the forward computation runs: "right", "down", "left" or "up".
        depth: How many levels of module calls are open; None opens as many as keep the picture below `limit` boxes.
        fold: Whether sums become one Σ and equal parts one stack; None does so where the picture would be too large.
        around: Show the neighbourhood of this node.
        show: Any of "data", "grad", "derivatives" (on the edges) and "values" (small pictures of arrays).
        theme: "light", "dark", or "auto" for what the reader's system asks for.
        layout: "builtin" needs nothing; "dot" asks Graphviz where it can be reached, else falls back; "auto" is "builtin",
            which is as fast, gives every operand a place of its own on the border, and looks the same everywhere.
        parameters: Leaves to show as parameters, beside those of modules and those with a parameter's label.
        limit: How many boxes a picture may have before it is folded.

    Returns:
        A `Drawing`, which shows itself in a notebook.

    Raises:
        OperandError: `root` is no node, or an option is not one of those above.

    Example:
        >>> from autograd_core import Value, draw
        >>> w, x = Value(2.0, label="w"), Value(-1.0, label="x")
        >>> picture = draw((w * x).tanh())
        >>> picture
        <Drawing of out: 4 boxes, 3 edges>
        >>> picture.svg.startswith("<svg"), picture.source.startswith("digraph")
        (True, True)
    """
    check_options("draw", direction=direction, theme=theme, layout=layout, depth=depth, limit=limit)
    shown = (show,) if isinstance(show, str) else show
    listed = list(shown) if isinstance(shown, Iterable) and getattr(shown, "shape", None) != () else [shown]
    if not all(isinstance(part, str) and part in SHOW for part in listed):
        raise OperandError(f"draw: received show={show!r}, expected some of {sorted(SHOW)}.")
    wanted: frozenset[str] = frozenset(map(str, listed))
    if fold is not None:
        fold = truth(fold, "draw", "fold")
    from autograd_core.lifting import Program

    if isinstance(root, Program) or (isinstance(root, tuple) and len(root) == 2 and isinstance(root[0], Program)):
        from .lifted import draw_lifted

        return draw_lifted(root, direction=direction, theme=theme, limit=limit)
    check_root(root, "draw")
    network = read(root, check_nodes("draw", parameters))
    network.keep_gradients()
    middle = None
    if around is not None:
        if id(around) not in network.index:
            raise OperandError("draw: around= must be a node of the graph below the root.")
        middle = network.index[id(around)]
    view = view_of(network, depth=depth, fold=fold, around=middle, limit=limit)
    graph = picture(network, view, wanted)
    if len(graph.boxes) > 250 and len(svg(graph, direction=direction, theme=theme)) > _LARGE and fold is None:
        view = view_of(network, depth=depth, fold=fold, limit=limit, most=limit)
        graph = picture(network, view, wanted)
    return Drawing(graph, lambda: scenes(network, view, wanted, limit=limit), direction, theme, layout)


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
    from autograd_core.node import Node

    found: list[Any] = list(parameters) if isinstance(parameters, Iterable) and getattr(parameters, "shape", None) != () else [parameters]
    for one in found:
        if not isinstance(one, Node):
            raise OperandError(f"{who}: received {type(one).__name__} in parameters=, expected Values and Tensors.")
    return found


def check_root(root: object, who: str) -> None:
    """Raise unless `root` is a node."""
    from autograd_core.node import Node

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
        return svg(self.graph, direction=self._direction, theme=self._theme, placement=placement)

    @cached_property
    def html(self) -> str:
        """The picture as a page, on which it can be moved, enlarged, and folded boxes opened."""
        found: list[Scene] = self._inside()
        return page(found, direction=self._direction, theme=self._theme)

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
