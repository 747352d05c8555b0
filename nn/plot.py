"""Pictures of data, training and models, by matplotlib (imported when the first one is asked for).

Every function takes `ax=` and returns the axes it drew on. Colours can be told apart by colour-blind people (Okabe & Ito 2008),
and each is doubled by a marker, a line style or a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core.arguments import Count, Numbers, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError

from .axes import COLOURS, MARKERS, ink, legend_below, new_axes, paper, tidy
from .history import History
from .inference import is_scalar, predict
from .metrics import are_logits
from .module import Module
from .perceptron import Perceptron
from .plot_model import layer_histograms, loss_surface, network, optimizer_paths

__all__ = [
    "COLOURS", "MARKERS", "activation_gallery", "data_scatter", "decision_boundary", "image_grid", "layer_histograms", "loss_curves",
    "loss_surface", "misclassified", "network", "new_axes", "optimizer_paths", "regression_fit", "weight_images",
]  # fmt: skip


def _points(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = as_numbers(x, "plot", "x").astype(float), np.asarray(y)
    if x.ndim != 2 or x.shape[1] != 2 or y.size != len(x):
        several = "; of several labels a sample plot one at a time, as in y[:, 0]" if y.ndim == 2 and len(y) == len(x) and y.shape[1] > 1 else ""
        raise ShapeError(f"plot: received x of shape {x.shape} and y of shape {y.shape}, expected (n, 2) and a class for each of the n samples{several}.")
    return x, y.ravel()


@checked
def data_scatter(x: Numbers, y: Numbers, *, ax: Any = None, title: str = "", legend: bool = True, size: float = 26.0) -> Any:
    """Points in the plane, a colour and a marker for each class."""
    x, y = _points(x, y)
    ax = new_axes(ax)
    for i, label in enumerate(np.unique(y)):
        chosen = y == label
        ax.scatter(
            x[chosen, 0], x[chosen, 1], s=size, c=COLOURS[i % 10], marker=MARKERS[i % 10], edgecolors="white", linewidths=0.6,
            label=f"class {label:g}".replace("-", "−") if isinstance(label, (int, float, np.number)) else str(label), zorder=3,
        )  # fmt: skip
    if legend:
        ax.legend(loc="best", framealpha=0.9)
    return tidy(ax, title, "x₁", "x₂", grid=False)


@checked
def decision_boundary(
    model: Module | Callable[[np.ndarray], Any], x: Numbers, y: Numbers, *, ax: Any = None, title: str = "Decision boundary",
    resolution: Count | None = None, threshold: float | None = None,
) -> Any:  # fmt: skip
    """What a model of two features says all over the plane, with the points it was trained on.

    One score per sample: shading by the score, and a line where it crosses `threshold`. Where that is None: ½ where all scores lie
    between 0 and 1, or where the labels are 0 and 1 and the scores answer with them (`"mse"`); 0 for logits and for labels −1 and +1.
    Several scores: the region of each class, deeper where the model is surer. A `Perceptron`: the line w·x + b = 0 and its two sides.
    """
    points, labels = _points(x, y)
    ax = new_axes(ax, (6.0, 4.8))
    n = resolution or (70 if isinstance(model, Module) and is_scalar(model) else 250)
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.12 * np.maximum(high - low, 1e-9)
    u, v = (np.linspace(low[i] - pad[i], high[i] + pad[i], n) for i in (0, 1))
    grid = np.column_stack([axis.ravel() for axis in np.meshgrid(u, v)])
    said = np.asarray(_answers(model, np.concatenate([grid, points])))
    said = said.reshape(len(grid) + len(points), -1)
    scores = said[: len(grid)]
    if isinstance(model, Perceptron):
        _shade_sides(ax, u, v, scores.reshape(n, n))
    elif scores.shape[1] == 1:
        _shade_score(ax, u, v, scores.reshape(n, n), _threshold(said, labels) if threshold is None else threshold)
    else:
        _shade_classes(ax, u, v, scores)
    data_scatter(points, labels, ax=ax, title=title, size=26.0 if len(points) > 20 else 80.0, legend=False)
    ax.set_xlim(u[0], u[-1])
    ax.set_ylim(v[0], v[-1])
    legend_below(ax)                           # on the axes it would hide the boundary
    return ax


def _answers(model: Any, x: np.ndarray) -> Any:
    """The predictions of a model; of a perceptron, the scores that it compares with 0."""
    return model.scores(x) if isinstance(model, Perceptron) else predict(model, x) if isinstance(model, Module) else model(x)


def _threshold(said: np.ndarray, labels: np.ndarray) -> float:
    """The score at which the class changes; `said` holds the scores over the plane and, last, those of the labelled samples."""
    if ((said >= 0) & (said <= 1)).all():
        return 0.5
    truth = labels.astype(float) if labels.dtype.kind in "fiub" else np.full(len(labels), np.nan)
    return 0.5 if np.isin(truth, (0, 1)).all() and not are_logits(said[len(said) - len(labels) :, 0], truth) else 0.0


def _shade_sides(ax: Any, u: np.ndarray, v: np.ndarray, z: np.ndarray) -> None:
    """The two sides of a straight line, and the line."""
    far = 1.0 + float(np.abs(z).max())
    ax.contourf(u, v, z, levels=[-far, 0.0, far], colors=COLOURS[:2], alpha=0.45)
    if z.min() < 0 < z.max():
        ax.contour(u, v, z, levels=[0.0], colors=ink(), linewidths=1.6)
        ax.plot([], [], color=ink(), linewidth=1.6, label="w·x + b = 0")


def _shade_score(ax: Any, u: np.ndarray, v: np.ndarray, z: np.ndarray, cut: float) -> None:
    """One score over the plane; a line at the threshold, dashed ones at a distance of 1 from it where the score is neither a probability nor a label."""
    from matplotlib.colors import LinearSegmentedColormap

    inside = bool((z >= 0).all() and (z <= 1).all())
    span = 0.5 if inside else max(float(np.percentile(np.abs(z - cut), 90)), 1e-9)
    shades = LinearSegmentedColormap.from_list("two", [COLOURS[0], paper(ax), COLOURS[1]])
    ax.imshow(
        z, origin="lower", extent=(*u[[0, -1]], *v[[0, -1]]), cmap=shades, vmin=cut - span, vmax=cut + span, alpha=0.45,
        aspect="auto", interpolation="bilinear",
    )  # fmt: skip
    if z.min() < cut < z.max():
        ax.contour(u, v, z, levels=[cut], colors=ink(), linewidths=1.6)
        ax.plot([], [], color=ink(), linewidth=1.6, label=f"score {cut:g}")
        if cut != 0.5 and z.min() < cut - 1.0 and z.max() > cut + 1.0:
            ax.contour(u, v, z, levels=[cut - 1.0, cut + 1.0], colors=ink(), linewidths=0.8, linestyles="dashed")
            ax.plot([], [], color=ink(), linewidth=0.8, linestyle="dashed", label=f"score {cut - 1.0:g}, {cut + 1.0:+g}".replace("-", "−"))


def _shade_classes(ax: Any, u: np.ndarray, v: np.ndarray, scores: np.ndarray) -> None:
    """The region of the class with the largest score, deeper where its share is larger; a line around each."""
    from matplotlib.colors import to_rgb

    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    share = shifted / shifted.sum(axis=1, keepdims=True)
    winner = share.argmax(axis=1)
    sure = (share.max(axis=1) - 1.0 / share.shape[1]) / (1.0 - 1.0 / share.shape[1])
    rgb = np.array([to_rgb(c) for c in COLOURS])[winner % 10]
    ground = np.array(paper(ax))
    image = ground + (0.1 + 0.35 * sure)[:, None] * (rgb - ground)
    ax.imshow(image.reshape(len(v), len(u), 3), origin="lower", extent=(*u[[0, -1]], *v[[0, -1]]), aspect="auto", interpolation="nearest")
    for k in range(share.shape[1]):
        others = np.delete(share, k, axis=1).max(axis=1)
        margin = (share[:, k] - others).reshape(len(v), len(u))
        if margin.min() < 0 < margin.max():
            ax.contour(u, v, margin, levels=[0.0], colors=ink(), linewidths=1.2)


@checked
def regression_fit(model: Module, x: Numbers, y: Numbers, *, ax: Any = None, title: str = "Fit") -> Any:
    """A model of one feature as a curve, with the points it was trained on."""
    x, y = as_numbers(x, "regression_fit", "x").astype(float).ravel(), as_numbers(y, "regression_fit", "y").astype(float).ravel()
    if len(x) != len(y) or not len(x):
        raise ShapeError(f"regression_fit: received {len(x)} numbers as x and {len(y)} as y, expected as many of each, and at least one.")
    ax = new_axes(ax)
    line = np.linspace(x.min(), x.max(), 300)
    ax.scatter(x, y, s=18, c=COLOURS[0], alpha=0.7, label="samples", edgecolors="none")
    ax.plot(line, predict(model, line[:, None]).ravel(), color=COLOURS[1], linewidth=2.2, label="model")
    ax.legend()
    return tidy(ax, title, "x", "y")


@checked
def loss_curves(history: History, *, ax: Any = None, title: str = "Training", log: bool | None = None, metrics: bool = True) -> Any:
    """Training and validation loss over the epochs, the gap between them shaded, and the metrics on a second axis.

    The gap is what the model does worse on samples it has not seen: it grows where a model overfits.
    """
    ax = new_axes(ax, (6.6, 4.8))
    loss = np.asarray(history["loss"])
    epochs = np.arange(1, len(loss) + 1)
    marker = "o" if len(loss) <= 20 else None
    ax.plot(epochs, loss, color=COLOURS[0], linewidth=2.0, marker=marker, markersize=4, label="training loss")
    if "val_loss" in history:
        held = np.asarray(history["val_loss"])
        ax.plot(epochs, held, color=COLOURS[1], linewidth=2.0, linestyle="--", marker=marker, markersize=4, label="validation loss")
        if (held > loss).any():
            ax.fill_between(epochs, loss, held, where=held > loss, interpolate=True, color=COLOURS[1], alpha=0.15, linewidth=0, label="generalisation gap")
    positive = loss[np.isfinite(loss) & (loss > 0)]
    if log if log is not None else bool(len(positive) == len(loss) and positive.max(initial=1.0) > 30 * positive.min(initial=1.0)):
        ax.set_yscale("log")
    if history.best_epoch is not None:
        ax.axvline(history.best_epoch, color="#555555", linewidth=1.0, linestyle=":", label=f"best: epoch {history.best_epoch}")
    names = [n for n in history.columns if not n.endswith(("loss", "lr", "seconds"))]
    handles, labels = ax.get_legend_handles_labels()
    tidy(ax, title, "epoch", "loss")
    if metrics and names:
        other = ax.twinx()
        kinds = list(dict.fromkeys(n.removeprefix("val_") for n in names))
        for name in names:
            dashed = name.startswith("val_")
            colour = COLOURS[(2 + 2 * kinds.index(name.removeprefix("val_")) + dashed) % len(COLOURS)]
            label = f"{'validation' if dashed else 'training'} {name.removeprefix('val_')}"
            other.plot(epochs, history[name], color=colour, linewidth=1.5, linestyle=("--", ":")[not dashed], label=label)
        shown = np.concatenate([np.asarray(history[n]) for n in names])
        if np.nanmin(shown) >= 0 and np.nanmax(shown) <= 1:
            other.set_ylim(max(0.0, float(np.nanmin(shown)) - 0.05), 1.01)
        other.set_ylabel(", ".join(dict.fromkeys(n.replace("val_", "") for n in names)))
        other.spines["top"].set_visible(False)
        more = other.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    (other if metrics and names else ax).legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize="small", frameon=False
    )  # fmt: skip
    return ax


@checked
def image_grid(images: Numbers, titles: Any = None, *, columns: Count = 8, ax: Any = None, title: str = "", cmap: str = "gray_r", colours: Any = None) -> Any:
    """Small square pictures side by side, each with a line of text below."""
    if not isinstance(images, (list, tuple)) and np.ndim(images) == 0:
        raise ShapeError(f"image_grid: received images={images!r:.60}, expected a list of pictures.")
    pictures = [as_numbers(image, "image_grid", "images").astype(float) for image in images]
    for picture in pictures:
        side = round(picture.size**0.5)
        if not picture.size or (picture.ndim == 1 and side * side != picture.size) or picture.ndim not in (1, 2):
            raise ShapeError(f"image_grid: received a picture of shape {picture.shape}, expected (height, width) or a square number of pixels.")
    if titles is not None and (not isinstance(titles, (list, tuple)) or len(titles) != len(pictures)):
        raise ShapeError(f"image_grid: received titles={titles!r:.60}, expected a list of {len(pictures)} strings, one for each picture.")
    ax = new_axes(ax, (max(1.15 * min(columns, len(pictures)) + 0.3, 5.0), (1.2 if titles is None else 1.45) * -(-max(len(pictures), 1) // columns) + 0.5))
    ax.set_axis_off()
    ax.set_title(title)
    if not pictures:
        ax.text(0.5, 0.5, "none", ha="center", va="center", transform=ax.transAxes)
        return ax
    rows = -(-len(pictures) // columns)
    for i, picture in enumerate(pictures):
        side = round(float(np.sqrt(picture.size)))
        square = picture.reshape(side, side) if picture.ndim == 1 else picture
        row, column = divmod(i, columns)
        top, height = (0.98, 0.96) if titles is None else (0.82, 0.78)
        inner = ax.inset_axes((column / columns + 0.01, 1.0 - (row + top) / rows, 0.98 / columns - 0.01, height / rows))
        inner.imshow(square, cmap=cmap, interpolation="nearest")
        inner.set_xticks([])
        inner.set_yticks([])
        if titles is not None:
            inner.set_xlabel(titles[i], fontsize="small", labelpad=2, color=ink() if colours is None else colours[i])
    return ax


@checked
def misclassified(model: Module, x: Numbers, y: Numbers, *, ax: Any = None, most: Count = 24, columns: Count = 8, title: str | None = None) -> Any:
    """The images that a classifier gets wrong, the surest errors first, with the true class and the one it said."""
    x, y = as_numbers(x, "misclassified", "x").astype(float), as_numbers(y, "misclassified", "y")
    if not x.ndim or y.ndim != 1 or len(x) != len(y):
        raise ShapeError(f"misclassified: received x of shape {x.shape} and y of shape {y.shape}, expected one class for each image.")
    scores = predict(model, x)
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ShapeError(f"misclassified: the model gives shape {scores.shape}, expected a score for each class.")
    said = scores.argmax(axis=1)
    share = np.exp(scores - scores.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    wrong = np.flatnonzero(said != y)
    wrong = wrong[np.argsort(-share[wrong, said[wrong]], kind="stable")]
    shown = wrong[:most]
    texts = [f"{y[i]} → {said[i]} ({share[i, said[i]]:.0%})" for i in shown]
    heading = f"{len(wrong)} of {len(x)} wrong: true class → answer (how sure)" if title is None else title
    return image_grid(x[shown], texts, columns=columns, ax=ax, title=heading)


@checked
def weight_images(layer: Any, *, ax: Any = None, columns: Count = 8, most: Count = 32, title: str = "Weights of each neuron (blue +, orange −)") -> Any:
    """The weights of each neuron of a first layer as an image: blue pulls it up, orange down, white is 0."""
    weight = as_numbers(layer.weight if hasattr(layer, "weight") else layer, "weight_images", "layer")
    side = round(float(np.sqrt(weight[0].size))) if weight.ndim > 1 and weight.size else 0
    if side == 0 or (side * side != weight[0].size and weight.ndim < 3):
        raise ShapeError(f"weight_images: received weights of shape {weight.shape}, expected (neurons, a square number of inputs).")
    pictures = [w.reshape(-1, *weight.shape[-2:])[0] if weight.ndim > 3 else w for w in weight[:most]]
    ax = image_grid(pictures, None, columns=columns, ax=ax, title=title)
    from matplotlib.colors import LinearSegmentedColormap

    limit = float(np.abs(weight).max()) or 1.0
    shades = LinearSegmentedColormap.from_list("signed", [COLOURS[1], "white", COLOURS[0]])
    for inner in ax.child_axes:
        inner.images[0].set(cmap=shades, clim=(-limit, limit))
    return ax


@checked
def activation_gallery(names: Sequence[str] | None = None, *, ax: Any = None, columns: Count = 5) -> Any:
    """Each activation function (solid) and its derivative (dashed), the derivative from the engine itself."""
    from autograd_core import Tensor

    from .activations import ACTIVATIONS

    known = [n for n in ACTIVATIONS if n not in ("softmax", "prelu")]
    chosen = known if names is None else list(names)
    unknown = [n for n in chosen if n not in known]
    if unknown:
        raise OperandError(f"activation_gallery: received {unknown[0]!r}, expected functions of one number: {', '.join(known)}.")
    rows = -(-len(chosen) // columns)
    ax = new_axes(ax, (2.5 * columns, 2.3 * rows + 0.4))
    ax.set_axis_off()
    grid = np.linspace(-4.0, 4.0, 401)
    for i, name in enumerate(chosen):
        row, column = divmod(i, columns)
        inner = ax.inset_axes((column / columns + 0.025, 1.0 - (row + 0.84) / rows, 1 / columns - 0.05, 0.68 / rows))
        x = Tensor(grid)
        out = ACTIVATIONS[name].function(x)
        if out is not x:
            out.sum().backward()
        slope = np.ones_like(grid) if out is x else x.grad
        inner.axhline(0, color="#999999", linewidth=0.7)
        inner.axvline(0, color="#999999", linewidth=0.7)
        inner.plot(grid, out.data, color=COLOURS[0], linewidth=2.0, label="function")
        inner.plot(grid, slope, color=COLOURS[1], linewidth=1.6, linestyle="--", label="derivative")
        inner.set_xlim(-4, 4)
        inner.set_ylim(-1.3, 2.3)
        inner.set_title("linear" if name == "identity" else name, fontsize="medium")
        for side in ("top", "right"):
            inner.spines[side].set_visible(False)
        if not i:
            inner.legend(fontsize="x-small", loc="upper left", frameon=False)
    return ax
