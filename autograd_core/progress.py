"""A progress bar, where there is somebody to see it: in a terminal or a notebook, if tqdm is installed."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from .errors import MissingExtraError

__all__ = ["bar_of"]


def bar_of(progress: bool | None, total: int, *, unit: str, initial: int = 0, delay: float = 0.0) -> Any:
    """A tqdm progress bar, or None.

    Args:
        progress: True shows a bar and False none; None shows one where there is somebody to see it.
        total: The number of steps.
        unit: What a step is called.
        initial: The number of steps that are done already.
        delay: Seconds before the bar appears, so that short runs go without one.

    Raises:
        MissingExtraError: a bar is asked for, and tqdm is not installed.
    """
    notebook = "ipykernel" in sys.modules
    if progress is False or (progress is None and not (_on_terminal() or notebook)) or (sys.stderr is None and not notebook):
        return None
    try:
        if notebook and importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.auto import tqdm
        else:
            from tqdm import tqdm
    except ImportError as error:
        if progress is None:
            return None
        raise MissingExtraError('progress=True needs tqdm, which is not installed; pip install "autograd-core[demo]"') from error

    class Bar(tqdm):  # type: ignore[misc]
        """Without the thread that watches over slow bars: this one is told of every step."""

        monitor_interval = 0

    return Bar(total=total, initial=initial, unit=unit, leave=progress is True, dynamic_ncols=True, delay=delay)


def _on_terminal() -> bool:
    """Whether somebody sees the error stream; a program without a console, such as pythonw on Windows, has none."""
    return sys.stderr is not None and sys.stderr.isatty()
