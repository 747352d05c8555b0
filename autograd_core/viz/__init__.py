"""Pictures: the graph (`draw`) and the chain rule in steps (`explain`). Nothing to install; see `graph` and `svg`.

The rest is what other pictures in the style of the house are made with: a page, its display in a notebook, safe text, colours;
and `adapt`, for programs that print to a terminal that has no ∂.
"""

from .console import adapt
from .draw import draw
from .drawing import Drawing
from .explain import ChainStep, Explanation, explain
from .notebook import bundle, framed, image
from .page import controls, document
from .text import clean, escape, number
from .theme import variables

__all__ = [
    "ChainStep", "Drawing", "Explanation", "adapt", "bundle", "clean", "controls", "document", "draw", "escape", "explain", "framed", "image", "number",
    "variables",
]  # fmt: skip
