"""Training as it happens: `fit(…, live=True)` shows the loss curves, and what the model says, while it learns.

In a notebook one display is updated, and at the end it becomes a page with a slider over the recorded epochs that works
offline; `live="run.html"` writes that page to a file. A window or another kind of file is drawn by matplotlib (`live_figure`).
Recording draws no random numbers and changes no weights: a run is the same with it and without.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autograd_core.errors import OperandError
from autograd_core.viz import bundle, image, number

from .files import put_in_place
from .history import cell_of_notebook
from .inference import is_scalar, predict
from .live_page import Frame, Plane, run_page, sentence, shades, still
from .neuron import MLP

__all__ = ["Live", "follower"]

_FRAMES, _POINTS = 60, 300  # epochs that are kept; samples that are drawn


def follower(x: Any, y: Any, *, path: str | Path | None = None, threshold: float | None = None) -> Any:
    """The callback that draws a run: in the notebook, in a page, or by matplotlib in a window or a picture file.

    Raises OperandError where the file could not be written.
    """
    if path is not None and (not Path(path).name or Path(path).is_dir() or not Path(path).parent.is_dir()):
        raise OperandError(f"live: {str(path)!r} is not a file in a folder that exists.")
    page = path is not None and Path(path).suffix.lower() in (".html", ".htm")
    if page or (path is None and "ipykernel" in sys.modules):
        return Live(x, y, path=path, threshold=threshold)
    from .live_figure import LiveFigure

    return LiveFigure(x, y, path=path)


class Live:
    """A callback of `fit` that records epochs, shows the newest at most every `every` seconds, and ends as a page.

    At most `most` epochs are kept: when there are more, every other one is dropped and from then on only every other one
    is recorded, so that they stay evenly spread over a run of any length. Nothing in here raises while a model trains.

    Args:
        x: The samples; with two features the decision boundary is drawn too, with one the fitted curve.
        y: Their targets.
        path: The page to be rewritten; None shows it in the notebook.
        every: Seconds between two pictures.
        threshold: Where a single score changes its class; None finds it in the labels.
        most: How many epochs are kept.
    """

    def __init__(
        self, x: Any, y: Any, *, path: str | Path | None = None, every: float = 0.4, threshold: float | None = None, most: int = _FRAMES
    ) -> None:
        """Nothing recorded yet."""
        self.path = None if path is None else Path(path)
        self.every, self.most = float(every), max(int(most), 2)
        self.frames: list[Frame] = []
        self.last, self.stride, self.pictures = -np.inf, 1, 0
        self.problem: Exception | None = None
        self._shown: Any = None
        self.plane: Plane | None = None
        self._guarded(lambda: self._prepare(np.asarray(x), np.asarray(y), threshold))

    def _prepare(self, x: np.ndarray, y: np.ndarray, threshold: float | None) -> None:
        """What the model is asked, and the points."""
        self.shape, self.side = x.shape[1:], 0
        classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 and ((y == 1).sum(axis=1) == 1).all() and ((y == 0) | (y == 1)).all() else y
        classes = classes.ravel() if classes.size == len(x) else None
        if classes is None:
            return
        signed = bool((classes < 0).any())
        self.cut = (0.0 if signed else 0.5) if threshold is None else threshold
        chosen = np.unique(np.rint(np.linspace(0, len(x) - 1, min(len(x), _POINTS))).astype(int))
        kinds = np.unique(classes)
        if self.shape == (2,) and len(kinds) <= 10 and (kinds == np.rint(kinds)).all():
            points = x.astype(float)
            names = [f"class {number(k)}" for k in kinds.tolist()]
            self.plane = Plane("plane", *_window(points), points[chosen], np.searchsorted(kinds, classes)[chosen], names)
        elif self.shape in ((), (1,)):
            points = np.column_stack([x.ravel(), classes]).astype(float)
            self.plane = Plane("line", *_window(points), points[chosen], np.zeros(len(chosen), int), ["samples"])

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, which must not end the run: its error is kept, and reported at the end."""
        try:
            with np.errstate(all="ignore"):
                return work()
        except Exception as problem:
            self.problem = problem
            return None

    def _frame(self, training: Any, note: str = "") -> Frame:
        """The epoch as it is now."""
        history = training.history
        frame = Frame(len(history), {name: column[-1] for name, column in history.columns.items()}, note=note)
        if self.plane is None:
            return frame
        try:
            frame.image, frame.path = self._fitted(training.model) if self.plane.kind == "line" else self._plane(training.model)
        except Exception as problem:
            self.problem, self.plane = problem, None       # the curves are still worth showing
        return frame

    def _plane(self, model: Any) -> tuple[str, str]:
        """The shades and the boundary; where a model is slow, on a coarser grid."""
        assert self.plane is not None
        n = self.side = self.side or (24 if is_scalar(model) and not isinstance(model, MLP) else 48)
        u, v = (np.linspace(self.plane.low[i], self.plane.high[i], n) for i in (0, 1))
        started = time.perf_counter()
        scores = predict(model, np.column_stack([axis.ravel() for axis in np.meshgrid(u, v)]))
        if time.perf_counter() - started > 0.25:
            self.side = max(n // 2, 12)
        return shades(scores, n, self.cut)

    def _fitted(self, model: Any) -> tuple[str, str]:
        """The curve of a model of one feature."""
        plane = self.plane
        assert plane is not None
        u = np.linspace(plane.low[0], plane.high[0], 80)
        said = np.asarray(predict(model, u.reshape(-1, *self.shape)), dtype=float).reshape(80)
        room = plane.high[1] - plane.low[1]
        said = np.clip(np.nan_to_num(said), plane.low[1] - 0.02 * room, plane.high[1] + 0.02 * room)
        places = np.rint(10 * plane.place(np.column_stack([u, said]))).astype(int).tolist()
        return "", "M" + "L".join(f"{a} {b}" for a, b in places)

    def __call__(self, training: Any) -> None:
        """Record the epoch if it is its turn, and show it if it is time to."""
        self._guarded(lambda: self._follow(training))

    def _follow(self, training: Any) -> None:
        epoch, frame = len(training.history), None
        if (epoch - 1) % self.stride == 0:
            frame = self._frame(training)
            self.frames.append(frame)
            if len(self.frames) > self.most:
                self.stride *= 2
                self.frames = [f for f in self.frames if (f.epoch - 1) % self.stride == 0]
        if time.monotonic() - self.last >= self.every:
            if self.path is not None:
                self._write(training)
            else:
                frame = frame or self._frame(training)
                picture = still(training.history.columns, self.plane, frame)
                self._show({"image/svg+xml": picture, "text/html": image(picture, sentence(frame, len(training.history)))}, training)
            self.last = time.monotonic()

    def page(self, training: Any) -> str:
        """The page of what was recorded so far."""
        return run_page(training.history.columns, self.plane, self.frames, f"Training of {type(training.model).__name__}")

    def _write(self, training: Any) -> None:
        assert self.path is not None
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            part.write_text(self.page(training), encoding="utf-8", newline="\n")
            put_in_place(part, self.path)
        finally:
            part.unlink(missing_ok=True)
        self.pictures += 1

    def _show(self, found: dict[str, str], training: Any) -> None:
        """Put a picture in the place of the one before."""
        from IPython.display import display

        found.setdefault("text/plain", repr(training.history))
        self.pictures += 1
        if self._shown is None:
            self._shown = display(_Picture(found), display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(_Picture(found))

    def finish(self, training: Any) -> None:
        """The last epoch, with the weights that were kept, and the page."""
        self._guarded(lambda: self._finish(training))
        if self.problem is not None:
            print(f"live: a picture could not be made ({type(self.problem).__name__}: {self.problem})", file=sys.stderr)

    def _finish(self, training: Any) -> None:
        history = training.history
        if not len(history):
            return
        kept = history.best_epoch
        note = f"Early stopping brought the weights of epoch {kept} back; they are shown here." if kept else ""
        if history.stopped == "interrupted":
            note = "Interrupted here."
        last = self._frame(training, note)
        self.frames = [*[f for f in self.frames if f.epoch != last.epoch or kept][: self.most - 1], last]
        if self.path is not None:
            self._write(training)
            return
        title = sentence(last, len(history))
        picture = lambda: still(history.columns, self.plane, last)
        self._show(bundle(picture, lambda: self.page(training), lambda: repr(history), title), training)
        history._cell = cell_of_notebook()


class _Picture:
    """What a notebook asks for its pictures."""

    def __init__(self, found: dict[str, str]) -> None:
        self.found = found

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.found

    def __repr__(self) -> str:
        return self.found["text/plain"]


def _window(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a window with some room around the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    pad = np.where(high > low, 0.1 * (high - low), 0.5)
    return low - pad, high + pad
