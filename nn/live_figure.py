"""Training as it happens, drawn by matplotlib: in a window, or into a picture file that is rewritten whole each time.

Notebooks and pages need no matplotlib: see `live`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from autograd_core.errors import OperandError

from . import plot
from .axes import pyplot
from .files import put_in_place

__all__ = ["LiveFigure"]


class LiveFigure:
    """A callback of `fit` that draws the run so far, at most every `every` seconds.

    Args:
        x: The samples; with two features the decision boundary is drawn too.
        y: Their targets.
        path: A picture file to be rewritten; None draws in a window.
        every: Seconds between two pictures.
    """

    def __init__(self, x: Any, y: Any, *, path: str | Path | None = None, every: float = 0.4) -> None:
        """Raises OperandError where there is nothing to draw on."""
        plt = pyplot()
        self.path = None if path is None else Path(path)
        backend = str(plt.get_backend()).lower()
        window = any(name in backend for name in ("qt", "tk", "gtk", "wx", "macosx", "web", "nbagg", "widget"))
        if self.path is None and not window:
            raise OperandError(f"live=True needs a notebook or a window (matplotlib's backend is {backend!r}); give live='run.html' (or '.png') for a file.")
        known = sorted(plt.Figure().canvas.get_supported_filetypes())
        if self.path is not None and self.path.suffix and self.path.suffix.lower()[1:] not in known:
            endings = ", .".join(known)
            raise OperandError(f"live: received {self.path.name!r}, expected a name ending in .html, for a page, or in one of .{endings}, for a picture.")
        self.x, self.y, self.every = np.asarray(x), np.asarray(y), float(every)
        self.last, self.pictures = -np.inf, 0
        self._figure: Any = None

    def __call__(self, training: Any) -> None:
        """Draw, if it is time to."""
        now = time.monotonic()
        if now - self.last >= self.every:
            self._try(training)
            self.last = time.monotonic()

    def _try(self, training: Any) -> None:
        """A picture must not end a run."""
        try:
            self.draw(training.model, training.history)
        except Exception as problem:
            print(f"live: a picture could not be made ({type(problem).__name__}: {problem})", file=sys.stderr)

    def draw(self, model: Any, history: Any) -> None:
        """Draw the run so far."""
        plt = pyplot()
        if not len(history):
            return
        plane = self.x.ndim == 2 and self.x.shape[1] == 2 and len(np.unique(self.y)) <= 10
        if self._figure is None:
            self._figure = plt.figure(figsize=(11.0, 4.4) if plane else (6.6, 4.4), layout="constrained")
        self._figure.clear()
        axes = np.atleast_1d(self._figure.subplots(1, 2 if plane else 1))
        plot.loss_curves(history, ax=axes[0], title=f"epoch {len(history)}: loss {history.last('loss'):.4g}")
        if plane:
            plot.decision_boundary(model, self.x, self.y, ax=axes[1], resolution=60, title="Decision boundary")
        self.pictures += 1
        if self.path is not None:
            part = self.path.with_name(f".{self.path.stem}.part{self.path.suffix or '.png'}")
            try:
                self._figure.savefig(part, dpi=100)
                put_in_place(part, self.path)
            finally:
                part.unlink(missing_ok=True)
        else:
            self._figure.canvas.draw_idle()
            plt.pause(0.001)

    def finish(self, training: Any) -> None:
        """The last picture, with the weights that were kept; the figure is let go."""
        self._try(training)
        if self._figure is not None and self.path is not None:
            pyplot().close(self._figure)
