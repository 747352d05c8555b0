"""Pictures: the graph (`draw`) and the chain rule in steps (`explain`). Nothing to install; see `graph` and `svg`."""

from .drawing import Drawing, draw
from .explain import ChainStep, Explanation, explain

__all__ = ["ChainStep", "Drawing", "Explanation", "draw", "explain"]
