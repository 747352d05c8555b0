"""`draw(root)`: a picture of a graph, or of a lifted program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from autograd_core.arguments import truth
from autograd_core.errors import OperandError
from autograd_core.node import Node

from .drawing import Drawing, Layout, check_nodes, check_options, check_root
from .fold import view_of
from .lifted import draw_lifted
from .network import read
from .scene import SHOW, picture, scenes
from .svg import Direction, svg
from .theme import Theme

if TYPE_CHECKING:
    from autograd_core.lifting import Program

__all__ = ["draw"]

_LARGE = 1_000_000
"""Characters of a picture above which it is folded even if it has few enough boxes."""


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
        parameters: Leaves to show as parameters, besides those of modules and those with a parameter's label.
        limit: How many boxes a picture may have before it is folded.

    Returns:
        A `Drawing`, which shows itself in a notebook.

    Raises:
        OperandError: `root` is not a node, or an option is not one of those above.

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
