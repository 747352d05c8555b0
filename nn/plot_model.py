"""Pictures of what goes on inside a model: the network, its activations and gradients, and the surface that it is trained on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import Numbers, as_numbers, checked
from autograd_core.errors import OperandError, ShapeError

from .axes import COLOURS, ink, new_axes, paper, pyplot, tidy
from .layers import Linear, Sequential
from .losses import loss_of
from .module import Module
from .neuron import MLP, Layer, Neuron
from .perceptron import Perceptron

__all__ = ["layer_histograms", "loss_surface", "network", "optimizer_paths"]

_BOUNDED = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}


# ------------------------------------------------------------------------------------------ the network drawing
def _matrices(model: Any, gradients: bool) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """(weights or their gradients of each layer of shape (out, in), biases likewise)."""

    def of(p: Any) -> np.ndarray:
        if isinstance(p, Tensor):
            return (np.zeros(p.shape) if p.grad is None else p.grad) if gradients else p.data
        return np.asarray(p.grad if gradients else p.data)

    inside: list[Any] = model.layers if isinstance(model, MLP) else list(model) if isinstance(model, Sequential) else []
    layers = [model] if isinstance(model, (Linear, Layer, Neuron, Perceptron)) else inside
    weights, biases = [], []
    for layer in layers:
        if isinstance(layer, Linear):
            weights.append(of(layer.weight))
            biases.append(None if layer.bias is None else of(layer.bias))
        elif isinstance(layer, (Layer, Neuron, Perceptron)):
            neurons = layer.neurons if isinstance(layer, Layer) else [layer]
            weights.append(np.array([[of(w) for w in n.w] for n in neurons], dtype=float))
            biases.append(np.array([of(n.b) for n in neurons], dtype=float) if isinstance(neurons[0].b, Value) else None)
    if not weights:
        raise OperandError(f"network: received {type(model).__name__}, expected an MLP, a Layer, a Neuron, a Perceptron, or a Sequential with Linear layers.")
    return weights, biases


def _free(ax: Any, start: tuple[float, float], end: tuple[float, float], first: float, written: list[Any]) -> tuple[float, float]:
    """A place for a number on an edge, away from those `written` already: at the fraction `first` of its length, or where there is most room."""
    best, most = (0.0, 0.0), -np.inf
    for share in (first, 0.5, 0.38, 0.72, 0.22, 0.8, 0.44, 0.56, 0.66, 0.3):
        place = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        point = ax.transData.transform(place) * 72.0 / ax.figure.dpi
        room = min((float(np.max(np.abs(point - other) / (34.0, 12.0))) for other in written), default=np.inf)
        if room > most + 1e-9:
            best, most, at = place, room, point
        if room >= 1.0:
            break
    written.append(at)
    return best


@checked
def network(model: Module, *, by: str = "weight", ax: Any = None, title: str | None = None, most: Annotated[int, 3] = 18, values: bool | None = None) -> Any:
    """The classic drawing: neurons in columns, an edge for each weight, blue for positive and orange dashed for negative.

    Widths grow with the size of the weight, or of its gradient with `by="gradient"`. Columns of more than `most` neurons are cut,
    and say so. Small networks have the numbers written on their edges, and the biases (or their gradients) below the neurons.
    """
    if by not in ("weight", "gradient"):
        raise OperandError(f"network: received by={by!r}, expected 'weight' or 'gradient'.")
    weights, biases = _matrices(model, by == "gradient")
    sizes = [weights[0].shape[1], *(w.shape[0] for w in weights)]
    ax = new_axes(ax, (2.2 * len(sizes) + 0.6, min(0.42 * max(min(max(sizes), most), 4) + 1.6, 8.5)))
    ax.set_axis_off()
    limit = max(float(np.abs(w).max()) for w in weights) or 1.0
    shown = [list(range(n)) if n <= most else [*range(most - 2), n - 1] for n in sizes]
    places = _places(shown, sizes)
    numbers = values if values is not None else sum(w.size for w in weights) <= 20
    last = len(sizes) - 1
    top = max(y for p in places for _, y in p.values())
    low = min(y for p in places for _, y in p.values())
    ax.set_xlim(-0.45, last + 0.45)
    ax.set_ylim(low - 1.25, top + 1.8)
    _draw_edges(ax, weights, places, limit, numbers=numbers)
    _draw_neurons(ax, places, sizes, top)
    for column, bias in enumerate(biases if numbers else [], 1):
        for i in () if bias is None else shown[column]:
            ax.annotate(
                "b " + _signed(np.asarray(bias)[i], limit), places[column][i], xytext=(0, -11), textcoords="offset points",
                fontsize="x-small", ha="center", va="top", zorder=3, bbox={"facecolor": paper(ax), "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
            )  # fmt: skip
    what = "weight" if by == "weight" else "gradient ∂L/∂w"
    ax.text(last / 2, low - 0.8, f"blue: positive {what}, orange dashed: negative; widest {limit:.3g}", ha="center", va="top", fontsize="small")
    ax.set_title(f"Network, edges by {by}" if title is None else title)
    return ax


def _places(shown: list[list[int]], sizes: list[int]) -> list[dict[int, tuple[float, float]]]:
    """Where the neurons that are shown stand, column by column; a column that is cut has a gap before its last neuron."""
    height = max(map(len, shown))
    places = []
    for column, (indices, n) in enumerate(zip(shown, sizes, strict=True)):
        step = max(height - 1, 2) / (len(indices) - 1) if len(indices) > 1 else 0.0
        gap = min(step, 1.6) if step else 1.0
        rows = [k + (0.8 if k == len(indices) - 1 and len(indices) < n else 0.0) for k in range(len(indices))]
        places.append({i: (float(column), -(k - rows[-1] / 2) * gap) for i, k in zip(indices, rows, strict=True)})
    return places


def _signed(number: Any, limit: float) -> str:
    """A number with its sign, as short as the largest of its kind allows."""
    return f"{float(number):+{'.2f' if limit >= 0.05 else '.2g'}}".replace("-", "−")


def _draw_edges(ax: Any, weights: list[np.ndarray], places: list[dict[int, tuple[float, float]]], limit: float, *, numbers: bool) -> None:
    """An edge for each weight, as wide as the weight is large compared with `limit`."""
    written: list[Any] = []
    for w, before, after in zip(weights, places, places[1:], strict=False):
        for (j, end), (i, start) in itertools.product(after.items(), before.items()):
            size, positive = abs(float(w[j, i])) / limit, w[j, i] >= 0
            ax.plot(
                (start[0], end[0]), (start[1], end[1]), color=COLOURS[0] if positive else COLOURS[1], linestyle="-" if positive else (0, (4, 2)),
                linewidth=0.3 + 3.2 * size, alpha=0.25 + 0.7 * size, zorder=1, solid_capstyle="round",
            )  # fmt: skip
            if numbers:
                ax.text(
                    *_free(ax, start, end, 0.30 if (i + j) % 2 else 0.62, written), _signed(w[j, i], limit), fontsize="small", ha="center",
                    va="center", zorder=3, bbox={"facecolor": paper(ax), "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
                )  # fmt: skip


def _draw_neurons(ax: Any, places: list[dict[int, tuple[float, float]]], sizes: list[int], top: float) -> None:
    """A circle for each neuron, and above each column its name and size."""
    last, height = len(sizes) - 1, max(map(len, places))
    for column, (spots, n) in enumerate(zip(places, sizes, strict=True)):
        face = ("#eeeeee", "white", "#fff3c4")[0 if column == 0 else 2 if column == last else 1]
        xs, ys = zip(*spots.values(), strict=True)
        ax.scatter(xs, ys, s=min(260.0, 3600.0 / height), c=face, edgecolors=ink(), linewidths=1.2, zorder=4)
        if len(spots) < n:
            box = {"facecolor": paper(ax), "edgecolor": "none", "pad": 0.2}
            ax.text(xs[-1], (ys[-2] + ys[-1]) / 2, "⋮", ha="center", va="center", zorder=5, fontsize="large", bbox=box)
        name = "input" if column == 0 else "output" if column == last else "hidden" if last == 2 else f"hidden {column}"
        ax.text(float(column), top + 0.9, f"{name}\n{n}" + (f" ({len(spots)} shown)" if len(spots) < n else ""), ha="center", va="bottom", fontsize="small")


# ------------------------------------------------------------------------------- activations and gradients
def _inside(model: Any, x: Any, y: Any, loss: Any) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """(name, kind, outputs, gradients of the outputs) of each module after one backward pass; the model's gradients are zeroed first and after."""
    function, found = loss_of(loss), []
    model.zero_grad()
    if isinstance(model, Sequential):
        out: Any = Tensor(np.asarray(x, dtype=float), requires_grad=False)
        nodes = []
        for i, module in enumerate(model):
            before, out = out, module(out)
            if out is not before:
                nodes.append((f"{i} {type(module).__name__}", type(module).__name__, out))
        function(out, y).backward()
        found = [(name, kind, node.data, np.zeros(node.shape) if node.grad is None else node.grad) for name, kind, node in nodes]
    elif isinstance(model, MLP):
        outputs: list[Any] = []
        columns: list[list[list[Any]]] = [[] for _ in model.layers]
        for row in np.asarray(x, dtype=float).tolist():
            a: Any = row
            for depth, layer in enumerate(model.layers):
                a = layer(a)
                columns[depth].append(a if isinstance(a, list) else [a])
            outputs.append(a)
        function(outputs, y).backward()
        for depth, (layer, rows) in enumerate(zip(model.layers, columns, strict=True)):
            kind = layer.neurons[0].activation
            found.append((f"layer {depth} {kind}", kind, np.array([[v.data for v in r] for r in rows]), np.array([[v.grad for v in r] for r in rows])))
    else:
        raise OperandError(f"layer_histograms: received {type(model).__name__}, expected a Sequential or an MLP.")
    model.zero_grad()
    return found


_NO_ACTIVATIONS = {"Linear", "Flatten", "Dropout", "Conv2d", "BatchNorm1d", "BatchNorm2d", "LayerNorm", "MaxPool2d", "AvgPool2d"}


@checked
def layer_histograms(
    model: Module, x: Numbers, y: Numbers, *, loss: str | Callable[..., Any] = "mse", only_activations: bool = True, ax: Any = None
) -> Any:
    """Histograms of what each layer puts out (top) and of ∂L/∂output (bottom), with the share that is saturated or dead.

    Saturated: an output of tanh or sigmoid within 3 % of its bounds, where hardly any gradient passes. Dead: a ReLU unit
    that is 0 for every sample. Vanishing gradients show as histograms that narrow from right to left.
    Returns the array of axes, of shape (2, layers); `ax` may be such an array, or one axes within which they are to stand.
    """
    rows = _inside(model, x, y, loss)
    if not all(np.isfinite(outputs).all() and np.isfinite(gradients).all() for *_, outputs, gradients in rows):
        raise OperandError("layer_histograms: received samples that give nan or inf, expected finite outputs and gradients.")
    if only_activations and isinstance(model, Sequential):
        chosen = [r for r in rows if r[1] not in _NO_ACTIVATIONS]
        rows = chosen or rows
    axes, entitle = _two_rows_of_axes(ax, len(rows))
    widest = max(float(np.abs(g).max(initial=0.0)) for *_, g in rows) or 1.0
    for k, (name, kind, outputs, gradients) in enumerate(rows):
        top, bottom = axes[0, k], axes[1, k]
        top.hist(outputs.ravel(), bins=40, color=COLOURS[0])
        note = f"mean {outputs.mean():.2g}, std {outputs.std():.2g}"
        if kind in _BOUNDED:
            low, high = _BOUNDED[kind]
            edge = 0.03 * (high - low)
            note += f"\nsaturated: {np.mean((outputs < low + edge) | (outputs > high - edge)):.0%}"
        elif kind.lower() == "relu":
            units = outputs.reshape(len(outputs), -1)
            note += f"\nzero: {np.mean(outputs == 0):.0%}, dead units: {np.mean((units == 0).all(axis=0)):.0%}"
        tidy(top, f"{name}\n{note}", "output", "number" if k == 0 else "")
        top.title.set_fontsize("small")
        bottom.hist(gradients.ravel(), bins=np.linspace(-widest, widest, 41).tolist(), color=COLOURS[1], log=True)
        tidy(bottom, f"std {gradients.std():.2g}", "∂L/∂output", "number (log)" if k == 0 else "")
        bottom.title.set_fontsize("small")
        bottom.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3))
    entitle("Activations (top) and gradients (bottom) of each layer")
    return axes


def _two_rows_of_axes(ax: Any, columns: int) -> tuple[Any, Callable[[str], Any]]:
    """Axes in two rows, new ones where `ax` is None; and what puts a title above them."""
    if ax is None:
        figure, axes = pyplot().subplots(2, columns, figsize=(2.7 * columns + 0.8, 4.8), layout="constrained", squeeze=False)
        return axes, figure.suptitle
    if hasattr(ax, "inset_axes"):
        ax.set_axis_off()
        width, inner = 1.0 / columns, np.empty((2, columns), dtype=object)
        for row, column in np.ndindex(2, columns):
            inner[row, column] = ax.inset_axes(((column + 0.12) * width, 0.56 - 0.52 * row, 0.82 * width, 0.3))
        return inner, partial(ax.set_title, pad=16.0)
    axes = np.asarray(ax, dtype=object)
    if axes.shape != (2, columns) or not all(hasattr(one, "hist") for one in axes.flat):
        raise ShapeError(f"layer_histograms: received ax= of shape {axes.shape}, expected one axes, or an array of them of shape (2, {columns}).")
    return axes, axes[0, 0].figure.suptitle


# --------------------------------------------------------------------------------------- the loss surface
@checked
def optimizer_paths(
    f: Callable[[Any], Any], start: Any, optimizers: Mapping[str, Callable[[list[Any]], Any]], *, steps: int = 60
) -> dict[str, np.ndarray]:
    """Where each optimiser goes from a start in the plane: an array of shape (steps + 1, 2) for each name.

    >>> from nn import SGD
    >>> paths = optimizer_paths(lambda t: (t * t).sum(), [1.0, 2.0], {"descent": lambda p: SGD(p, lr=0.25)}, steps=2)
    >>> paths["descent"].tolist()
    [[1.0, 2.0], [0.5, 1.0], [0.25, 0.5]]
    """
    found = {}
    if not all(map(callable, optimizers.values())):
        raise OperandError(f"optimizer_paths: received optimizers={optimizers!r:.60}, expected functions that make an optimiser for a list of parameters.")
    for name, make in optimizers.items():
        theta = Tensor(start)
        optimizer, places = make([theta]), [theta.data.copy()]
        for _ in range(steps):
            optimizer.zero_grad()
            f(theta).backward()
            optimizer.step()
            places.append(theta.data.copy())
        found[name] = np.array(places)
    return found


def _draw_path(ax: Any, k: int, name: str, places: np.ndarray, heights: np.ndarray) -> None:
    """The kth path over a surface, with a dot where it starts and a marker of its own where it ends."""
    colour, style = ("#D55E00", ink(), "#CC79A7", "#56B4E9", "#E69F00")[k % 5], ("-", "--", "-.", ":")[k % 4]
    ax.plot(places[:, 0], places[:, 1], heights, color=colour, linestyle=style, linewidth=2.8, label=name, zorder=5)
    ax.scatter(*places[0], heights[:1], color=ink(), s=30, zorder=6)
    ax.scatter(*places[-1], heights[-1:], color=colour, marker="v^sDPX"[k % 6], s=44, edgecolors="white", zorder=7)


@checked
def loss_surface(
    f: Callable[[Any], Any], *, paths: Mapping[str, np.ndarray] | None = None, xlim: tuple[float, float] = (-2.0, 2.0),
    ylim: tuple[float, float] = (-2.0, 2.0), resolution: Annotated[int, 2] = 60, log: bool = False,
    view: tuple[float, float] = (52.0, -75.0), ax: Any = None, title: str = "Loss surface",
) -> Any:  # fmt: skip
    """The surface of a function of two parameters in three dimensions, with the paths that optimisers took over it.

    Args:
        f: A function of one argument, a `Tensor` of two elements.
        paths: For each name an array of shape (steps, 2), as `optimizer_paths` gives.
        xlim: The range of the first parameter.
        ylim: The range of the second.
        resolution: Points along each axis.
        log: Whether the height is log₁₀(1 + loss), for steep functions.
        view: The elevation and azimuth of the viewpoint, in degrees.
        ax: Three-dimensional axes.
        title: The title.
    """
    if ax is not None and not hasattr(ax, "plot_surface"):
        raise OperandError("loss_surface: received flat axes, expected three-dimensional ones; leave ax= out.")
    for name, (low, high) in (("xlim", xlim), ("ylim", ylim)):
        if not low < high:
            raise OperandError(f"loss_surface: received {name}={(low, high)}, expected two numbers, the smaller one first.")
    found = {name: as_numbers(places, "loss_surface", f"paths[{name!r}]") for name, places in (paths or {}).items()}
    for places in found.values():
        if places.ndim != 2 or places.shape[1] != 2:
            raise ShapeError(f"loss_surface: received a path of shape {places.shape}, expected (steps, 2).")
    u, v = np.linspace(*xlim, resolution), np.linspace(*ylim, resolution)

    def height(points: np.ndarray) -> np.ndarray:
        values = [as_numbers(f(Tensor(p)), "loss_surface", "f(…)") for p in points]
        if any(value.size != 1 for value in values):
            raise ShapeError(f"loss_surface: f gave an array of shape {values[0].shape}, expected a function of two parameters that gives one number.")
        heights = np.array([float(value.reshape(())) for value in values])
        return np.log10(1.0 + heights) if log else heights

    a, b = np.meshgrid(u, v)
    z = height(np.column_stack([a.ravel(), b.ravel()])).reshape(a.shape)
    if ax is None:                             # only after f has been computed: where that raises, no empty picture is left behind
        ax = pyplot().subplots(figsize=(7.4, 5.6), layout="constrained", subplot_kw={"projection": "3d"})[1]
    ax.computed_zorder = False
    ax.plot_surface(a, b, z, cmap="cividis", alpha=0.6, linewidth=0, antialiased=True, rcount=resolution, ccount=resolution, zorder=1)
    ax.contour(a, b, z, levels=14, colors="#444444", linewidths=0.5, zorder=2)
    span = float(np.ptp(z))
    for k, (name, places) in enumerate(found.items()):
        inside = (places[:, 0] >= xlim[0]) & (places[:, 0] <= xlim[1]) & (places[:, 1] >= ylim[0]) & (places[:, 1] <= ylim[1])
        if inside.any():
            _draw_path(ax, k, name, places[inside], height(places[inside]) + 0.015 * span)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", fontsize="small")
    ax.set_xlabel("θ₁")
    ax.set_ylabel("θ₂")
    ax.set_zlabel("log₁₀(1 + loss)" if log else "loss")
    ax.view_init(elev=view[0], azim=view[1])
    ax.set_title(title)
    return ax
