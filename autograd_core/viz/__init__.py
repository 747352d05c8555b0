"""Pictures: the graph (`draw`) and the chain rule in steps (`explain`). Nothing to install; see `graph` and `svg`.

The other names are what further pictures in the same style are made of: a page, its display in a notebook, safe text, colours;
and `as_command`, `say` and `adapt`, for programs that print to a terminal without ∂, or to a reader that has gone away.
"""

from .console import adapt, as_command, say
from .draw import draw
from .drawing import Drawing
from .explain import ChainStep, Explanation, explain
from .notebook import bundle, framed, image
from .page import controls, document
from .text import clean, escape, number
from .theme import LIGHT, variables, with_attributes

__all__ = [
    "LIGHT", "ChainStep", "Drawing", "Explanation", "adapt", "as_command", "bundle", "clean", "controls", "document", "draw", "escape", "explain", "framed",
    "image", "number", "say", "variables", "with_attributes",
]  # fmt: skip
