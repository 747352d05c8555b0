"""What every picture of `nn.plot` is drawn on, and in: axes, colours, markers; matplotlib is imported when the first one is asked for."""

from __future__ import annotations

from typing import Any

from autograd_core.arguments import checked
from autograd_core.errors import MissingExtraError

__all__ = ["COLOURS", "MARKERS", "ink", "legend_below", "new_axes", "paper", "pyplot", "tidy"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7A7A7A", "#B8A000", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "*")
_GRID = {"color": "#cccccc", "linewidth": 0.6}


def pyplot() -> Any:
    """matplotlib.pyplot, or an error that names the extra."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError('pictures need matplotlib, which is not installed; pip install "autograd-core[demo]"') from error
    return plt


@checked
def new_axes(ax: Any, size: tuple[float, float] = (6.0, 4.2), **options: Any) -> Any:
    """The axes given, or those of a new figure."""
    return ax if ax is not None else pyplot().subplots(figsize=size, layout="constrained", **options)[1]


def ink() -> str:
    """The colour of text and lines in the style that is set: black, or white in a dark one."""
    return str(pyplot().rcParams["text.color"])


def paper(ax: Any) -> Any:
    """The colour on which axes are drawn; white where it is transparent."""
    *colour, opaque = ax.get_figure().get_facecolor()
    return tuple(colour) if opaque else (1.0, 1.0, 1.0)


def legend_below(ax: Any) -> Any:
    """A legend under the label of the x axis, in as many columns as the axes are wide."""
    from matplotlib.transforms import ScaledTranslation

    handles, labels = ax.get_legend_handles_labels()
    wide, needed = ax.get_window_extent().width * 72.0 / ax.figure.dpi, [34.0 + 5.0 * len(label) for label in labels] or [1.0]
    columns = len(needed) if sum(needed) < 1.1 * wide else max(1, int(wide // max(needed)))
    under = ax.transAxes + ScaledTranslation(0.0, -34.0 / 72.0, ax.figure.dpi_scale_trans)
    return ax.legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=under, ncols=columns, fontsize="small", frameon=False
    )


def tidy(ax: Any, title: str, xlabel: str = "", ylabel: str = "", grid: bool = True) -> Any:
    """Title, labels, and no frame where nothing is to be read."""
    ax.set_title(title)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if grid:
        ax.grid(visible=True, **_GRID)
        ax.set_axisbelow(True)
    return ax
