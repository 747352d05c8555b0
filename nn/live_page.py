"""The pictures of a run: curves, decision boundary and fitted curve as SVG, and the page that goes through the epochs.

A frame is what the model said everywhere at one epoch: shades as a small PNG (transparent where the model is undecided, so it
stands on light and dark) and the boundary as a path. Nothing here needs matplotlib.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from autograd_core.viz import LIGHT, clean, controls, document, escape, number, variables, with_attributes

__all__ = ["BYTES", "Frame", "Plane", "contour", "curves", "png", "run_page", "sentence", "shades", "still"]

WIDTH, HEIGHT = 380, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 362, 34, 280
BYTES = 390_000
_LARGEST = 4e307                               # of a run that diverges: its ends, and the room around them, stay finite
_COLOURS = ("0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9", "8c6bb1", "7a7a7a", "b8a000", "444444")
_MARKS = ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M0-5L4.6 3.6H-4.6z", "M-3.6-3.6h7.2v7.2h-7.2z", "M0-5.2L5.2 0 0 5.2-5.2 0z", "M0 5L4.6-3.6H-4.6z")
# For viewers that leave style elements out, by the words of a class: see live.css.
_ATTRIBUTES = {
    name: text.format(**LIGHT)
    for name, text in {
        "live": 'fill="{fg}" font-family="sans-serif" font-size="12"', "paper": 'fill="{bg}"', "m": 'text-anchor="middle"', "e": 'text-anchor="end"',
        "g": 'fill="none" stroke="{line}" stroke-opacity=".25"', "a": 'fill="none" stroke="{line}"', "c0": 'fill="none" stroke="{operand}" stroke-width="2.2"',
        "c1": 'fill="none" stroke="{active}" stroke-width="2.2" stroke-dasharray="6 3"', "veil": 'fill="{bg}" fill-opacity=".68"',
        "cursor": 'fill="none" stroke="{fg}" stroke-dasharray="2 3"', "d0": 'fill="{operand}"', "d1": 'fill="{active}"',
        "edge": 'fill="none" stroke="{fg}" stroke-width="18"', "edge thin": 'fill="none" stroke="{fg}" stroke-width="1.8"',
        "fit": 'fill="none" stroke="{active}" stroke-width="26"', "fit thin": 'fill="none" stroke="{active}" stroke-width="2.6"',
        **{f"p{k}": f'fill="#{colour}"' for k, colour in enumerate(_COLOURS)},
    }.items()
}  # fmt: skip


@dataclass
class Frame:
    """One recorded epoch: its number, its row of the history, shades and boundary, or the fitted curve, and a remark."""

    epoch: int
    row: dict[str, float]
    image: str = ""
    path: str = ""
    note: str = ""


@dataclass
class Plane:
    """What the model is shown on: "plane" (two features, classes) or "line" (one feature), the window, the points, a kind each."""

    kind: str
    low: np.ndarray
    high: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    names: list[str]

    def place(self, points: np.ndarray) -> np.ndarray:
        """Positions in the panel."""
        share = (points - self.low) / (self.high - self.low)
        return np.column_stack([LEFT + share[:, 0] * (RIGHT - LEFT), BOTTOM - share[:, 1] * (BOTTOM - TOP)])


def png(index: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG of indices into a palette of (red, green, blue, alpha)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = np.column_stack([np.zeros(len(index), np.uint8), index.astype(np.uint8)])
    head = struct.pack(">IIBBBBB", index.shape[1], index.shape[0], 8, 3, 0, 0, 0)
    colours = palette.astype(np.uint8)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data)
        for kind, data in (
            (b"IHDR", head), (b"PLTE", colours[:, :3].tobytes()), (b"tRNS", colours[:, 3].tobytes()), (b"IDAT", zlib.compress(rows.tobytes(), 9)),
            (b"IEND", b""),
        )
    )  # fmt: skip


def _rgb(k: int) -> list[int]:
    return list(bytes.fromhex(_COLOURS[k % len(_COLOURS)]))


def shades(scores: np.ndarray, n: int, cut: float) -> tuple[str, str]:
    """(PNG in base64, path of the boundary) of the scores on an n×n grid whose rows go upwards."""
    scores = np.nan_to_num(np.asarray(scores, dtype=float).reshape(n * n, -1), posinf=1e300, neginf=-1e300)
    if scores.shape[1] == 1:
        z = scores[:, 0] - cut
        span = max(float(np.percentile(np.abs(z), 90)), 1e-9)
        index = np.rint(np.clip(z / span, -1, 1) * 15).astype(int) + 15
        palette = np.array([[*_rgb(int(i > 15)), abs(i - 15) * 9] for i in range(31)])
        lines = contour(z.reshape(n, n))
    else:
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        classes = share.shape[1]
        winner, most = share.argmax(axis=1), share.max(axis=1)
        sure = np.clip((most - 1 / classes) / (1 - 1 / classes), 0, 1)
        index = (winner % 10) * 8 + np.rint(sure * 7).astype(int)
        palette = np.array([[*_rgb(k), 20 + 16 * i] for k in range(10) for i in range(8)])
        lines = ""
        for k in range(min(classes, 10) - 1):
            lines += contour((share[:, k] - np.delete(share, k, axis=1).max(axis=1)).reshape(n, n))
    return base64.b64encode(png(index.reshape(n, n)[::-1], palette)).decode(), lines


def contour(z: np.ndarray) -> str:
    """Where z crosses 0 between the points of a grid, as a path in tenths of a pixel of the panel."""
    rows, columns = z.shape
    v, u = np.mgrid[0:rows, 0:columns].astype(float)
    p = np.stack([LEFT + u * (RIGHT - LEFT) / (columns - 1), BOTTOM - v * (BOTTOM - TOP) / (rows - 1), z], axis=-1)
    a, b, c, d = p[:-1, :-1], p[:-1, 1:], p[1:, :-1], p[1:, 1:]
    corners = np.concatenate([np.stack(t, axis=2).reshape(-1, 3, 3) for t in ((a, b, d), (a, d, c))])
    above = corners[:, :, 2] > 0
    mixed = above.any(axis=1) & ~above.all(axis=1)
    corners, above = corners[mixed], above[mixed]
    if not len(corners):
        return ""
    odd = np.argmax(above == (above.sum(axis=1) == 1)[:, None], axis=1)
    each = np.arange(len(corners))
    tip = corners[each, odd]
    ends = []
    for turn in (1, 2):
        other = corners[each, (odd + turn) % 3]
        gap = tip[:, 2] - other[:, 2]
        share = np.clip(tip[:, 2] / np.where(gap == 0, 1, gap), 0, 1)[:, None]
        ends.append(np.rint(10 * (tip + share * (other - tip))[:, :2]).astype(int))
    return "".join(
        f"M{x} {y}l{X - x} {Y - y}" for (x, y), (X, Y) in zip(ends[0].tolist(), ends[1].tolist(), strict=True) if (x, y) != (X, Y)
    )


class _Scale:
    """From numbers to pixels, with ticks."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False, whole: bool = False) -> None:
        self.log = log
        low, high = (min(max(v, -_LARGEST), _LARGEST) for v in (low, high))
        if log:
            low, high = math.log10(low), math.log10(high)
        if not high > low:
            room = max(0.5, 1e-3 * abs(low))
            low, high = low - room, high + room
        pad = 0.0 if whole else 0.05 * (high - low)
        self.low, self.high, self.start, self.end = low - pad, high + pad, start, end

    def __call__(self, value: float) -> float:
        """The pixel of a number."""
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + min(max(share, -0.02), 1.02) * (self.end - self.start), 1)

    def ticks(self, *, whole: bool = False) -> list[float]:
        """Four to seven round numbers."""
        if self.log:
            marks = (1,) if self.high - self.low > 2 else (1, 2, 5)
            found = [m * 10.0**k for k in range(max(math.floor(self.low), -307), min(math.ceil(self.high), 307) + 1) for m in marks]
            found = [t for t in found if self.low <= math.log10(t) <= self.high]
            return found[:: -(-len(found) // 7)] if found else []
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
        step = max(step, 1.0) if whole else step
        return [k * step for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _axes(x: _Scale, y: _Scale, labels: tuple[str, str], *, whole: bool = False, grid: bool = True) -> str:
    out = ""
    for t in y.ticks():
        out += f'<path class="g" d="M{LEFT} {y(t)}H{RIGHT}"/>' if grid else ""
        out += f'<text class="k e" x="{LEFT - 7}" y="{y(t) + 4}">{number(t)}</text>'
    for t in x.ticks(whole=whole):
        if not whole or t >= 1:
            out += f'<text class="k m" x="{x(t)}" y="{BOTTOM + 17}">{number(t) if t < 1e4 else f"{t:,.0f}"}</text>'
    return (
        f'{out}<path class="a" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
        f'<text class="k m" x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 34}">{escape(labels[0])}</text>'
        f'<text class="k m" transform="translate(13 {(TOP + BOTTOM) / 2})rotate(-90)">{escape(labels[1])}</text>'
    )


def _finite(values: Sequence[float]) -> list[float]:
    return [v for v in values if math.isfinite(v)]


class _Losses:
    """The panel of the loss curves, and where an epoch is on it."""

    def __init__(self, columns: dict[str, list[float]]) -> None:
        names = [n for n in columns if n in ("loss", "val_loss")] or [n for n in columns if n not in ("lr", "seconds")][:2]
        self.columns = {n: columns[n] for n in names}
        numbers = _finite([v for c in self.columns.values() for v in c]) or [0.0, 1.0]
        low, high = min(numbers), max(numbers)
        self.length = max(map(len, self.columns.values()), default=0)
        self.y = _Scale(low, high, BOTTOM, TOP, log=low > 0 and high > 30 * low)
        self.x = _Scale(1, max(self.length, 2), LEFT, RIGHT, whole=True)

    def svg(self, epoch: int) -> str:
        """The panel with its cursor at an epoch."""
        chosen = np.unique(np.rint(np.linspace(0, self.length - 1, min(self.length, 300))).astype(int)) if self.length else np.array([], int)
        out = _axes(self.x, self.y, ("epoch", ("loss" if "loss" in self.columns else "") + (" (log scale)" if self.y.log else "")), whole=True)
        at = LEFT
        for k, (name, column) in enumerate(self.columns.items()):
            runs: list[list[str]] = [[]]
            for i in chosen.tolist():
                if i < len(column) and math.isfinite(column[i]):
                    runs[-1].append(f"{self.x(i + 1)},{self.y(column[i])}")
                else:
                    runs.append([])
            out += "".join(f'<polyline class="c{k}" points="{" ".join(r * 2 if len(r) == 1 else r)}"/>' for r in runs if r)
            text = {"loss": "training loss", "val_loss": "validation loss"}.get(name, clean(name, 18))
            out += f'<path class="c{k}" d="M{at} 16h22"/><text class="k" x="{at + 28}" y="20">{escape(text)}</text>'
            at += 52 + 7 * len(text)
        x, *dots = self.marks(epoch)
        out += f'<rect class="veil" x="{x}" y="{TOP - 2}" width="{max(RIGHT + 2 - x, 0):.1f}" height="{BOTTOM - TOP + 1}"/>'
        out += f'<path class="cursor" d="M{x} {TOP}V{BOTTOM}"/>'
        return out + "".join(f'<circle class="dot d{k}" cx="{x}" cy="{y}" r="4.5"/>' for k, y in enumerate(dots))

    def marks(self, epoch: int) -> list[float]:
        """The pixel of an epoch, and of each curve there (below the picture where it has none)."""
        found = [self.x(epoch)]
        for column in self.columns.values():
            value = column[epoch - 1] if 0 < epoch <= len(column) else math.nan
            found.append(self.y(value) if math.isfinite(value) else -50.0)
        return found


def curves(columns: dict[str, list[float]]) -> str:
    """The loss curves alone, as a picture of their own."""
    panel = _Losses(columns)
    return _picture(panel.svg(panel.length), WIDTH, "Loss curves")


def _picture(inside: str, width: int, title: str) -> str:
    colours = variables().replace(":root", ".live")
    style = (files(__package__) / "live.css").read_text(encoding="utf-8").partition("/* page */")[0]
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" class="live" role="img">'
        f"<title>{escape(title)}</title><style>{colours}{style}</style>"
        f'<rect class="paper" width="{width}" height="{HEIGHT}"/>{inside}</svg>'
    )
    return with_attributes(drawn, _ATTRIBUTES)


def _model(plane: Plane, frame: Frame) -> str:
    """The panel of what the model says: points on shades with the boundary, or with the fitted curve."""
    x, y = (_Scale(plane.low[i], plane.high[i], *((LEFT, RIGHT) if i == 0 else (BOTTOM, TOP)), whole=True) for i in (0, 1))
    flat = plane.kind == "plane"
    box = f'x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"'
    out = f'<image class="raster" {box} preserveAspectRatio="none" href="data:image/png;base64,{frame.image}"/>' if frame.image else ""
    out += _axes(x, y, ("x₁", "x₂") if flat else ("x", "y"), grid=not flat)
    line = f'<g transform="scale(.1)"><path class="{"edge" if flat else "fit"}" d="{frame.path}"/></g>'
    out += line if flat else ""
    for (px, py), k in zip(plane.place(plane.points).round(1).tolist(), plane.labels.tolist(), strict=True):
        out += f'<path class="p p{k % 10}" transform="translate({px} {py})" d="{_MARKS[k % 5]}"/>'
    out += "" if flat else line
    at = LEFT
    for k, name in enumerate(plane.names[:5]):
        out += f'<path class="p p{k}" transform="translate({at + 5} 16)" d="{_MARKS[k % 5]}"/><text class="k" x="{at + 14}" y="20">{escape(name)}</text>'
        at += 26 + 7 * len(name)
    if flat and len(plane.names) <= 3:
        out += f'<path class="edge thin" d="M{at} 16h20"/><text class="k" x="{at + 26}" y="20">boundary</text>'
    elif not flat:
        out += f'<path class="fit thin" d="M{at} 16h20"/><text class="k" x="{at + 26}" y="20">model</text>'
    return out


def still(columns: dict[str, list[float]], plane: Plane | None, frame: Frame) -> str:
    """The picture of one epoch."""
    left = _Losses(columns).svg(frame.epoch)
    if plane is None:
        return _picture(left, WIDTH, sentence(frame, 0))
    return _picture(f'{left}<g transform="translate({WIDTH} 0)">{_model(plane, frame)}</g>', 2 * WIDTH, sentence(frame, 0))


def sentence(frame: Frame, total: int) -> str:
    """What an epoch was like, in words."""
    parts = [f"{clean(k, 24).replace('val_', 'validation ')} {_figure(k, v)}" for k, v in frame.row.items() if k not in ("lr", "seconds")]
    return f"Epoch {frame.epoch}{f' of {total}' if total else ''}: {', '.join(parts)}.{' ' + frame.note if frame.note else ''}"


def _figure(name: str, value: float) -> str:
    """A number of a history; an accuracy is a share."""
    return f"{value:.1%}" if name.removeprefix("val_") == "accuracy" else number(value)


def run_page(columns: dict[str, list[float]], plane: Plane | None, frames: Sequence[Frame], title: str = "A training run") -> str:
    """The page with the scrubber; epochs are left out evenly until it is smaller than `BYTES`."""
    kept = list(frames)
    while True:
        text = _page(columns, plane, kept, title)
        if len(text.encode()) <= BYTES or len(kept) <= 2:
            return text
        kept = [*kept[:-1:2], kept[-1]]


def _page(columns: dict[str, list[float]], plane: Plane | None, frames: Sequence[Frame], title: str) -> str:
    losses, total = _Losses(columns), max(map(len, columns.values()), default=0)
    last = frames[-1]
    panels = [("Loss over the epochs", losses.svg(last.epoch))]
    if plane is not None:
        panels.append(("Decision boundary" if plane.kind == "plane" else "Fitted curve", _model(plane, last)))
    drawn = "".join(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="live" role="img" aria-label="{escape(name)}">{inside}</svg>' for name, inside in panels
    )
    here = files(__package__)
    body = (
        f'<main class="run"><header><h1>{escape(clean(title, 80))}</h1></header><div class="panels">{drawn}</div>'
        f'<p id="say" role="status" aria-live="polite">{escape(sentence(last, total))}</p>{controls("Epochs", "Epoch")}</main>'
    )
    data: dict[str, Any] = {
        "total": total, "right": RIGHT + 2, "kind": "" if plane is None else plane.kind,
        "frames": [
            {"e": f.epoch, "s": sentence(f, total), "m": losses.marks(f.epoch), "i": f.image, "p": f.path} for f in frames
        ],
    }  # fmt: skip
    return document(
        escape(clean(title, 80)), body, data=data, script=(here / "live.js").read_text(encoding="utf-8"),
        style=(here / "live.css").read_text(encoding="utf-8"), player=True,
    )  # fmt: skip
