"""The two modes of recording, `no_grad` and `detect_anomaly`, and how deep inside a transform we are.

Modes belong to a context (`contextvars`), so one thread or task never switches another's. Asking a context variable
costs as much as adding two floats; so the hot path asks only whether *anybody* has switched a mode on (`WATCHED` is a
list, empty in ordinary running), and looks closer only then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["WATCHED", "anomaly_detected", "detect_anomaly", "no_grad", "recording", "tracing", "transform"]

WATCHED: list[str] = []
_switch = threading.Lock()
_recording: ContextVar[bool] = ContextVar("autograd_core.recording", default=True)
_anomaly: ContextVar[bool] = ContextVar("autograd_core.anomaly", default=False)
_depth: ContextVar[int] = ContextVar("autograd_core.depth", default=0)


def recording() -> bool:
    """Whether operations are being recorded in this context."""
    return _recording.get()


def anomaly_detected() -> bool:
    """Whether `detect_anomaly()` is on in this context."""
    return _anomaly.get()


def tracing() -> int:
    """How many transforms (`grad`, `jvp`, …) are running their function in this context."""
    return _depth.get()


@contextmanager
def _watch(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    with _switch:
        WATCHED.append(variable.name)
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
        with _switch:
            WATCHED.remove(variable.name)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording: results are constants, as in evaluation and in parameter updates.

    Works as a context manager and as a decorator.

    Example:
        >>> from autograd_core import Value
        >>> x = Value(3.0)
        >>> with no_grad():
        ...     y = x * x
        >>> y.data, y.parents
        (9.0, ())
    """
    with _watch(_recording, False):
        yield


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise `AnomalyError` at the first nan or inf, in a value or in a gradient, naming the line that recorded it.

    Each operation inside remembers the line of your program that recorded it, and checksums of the arrays it saved, so
    that writing into an array between forward and backward is caught too. It is slow; use it to look for a fault.

    Example:
        >>> from autograd_core import Value
        >>> with detect_anomaly():
        ...     Value(0.0, label="x").log()
        Traceback (most recent call last):
        ...
        autograd_core.errors.AnomalyError: log gave -inf...
    """
    with _watch(_anomaly, True):
        yield


@contextmanager
def transform() -> Iterator[None]:
    """Inside a transform recording is on, and a number must not leave the graph unseen."""
    with _switch:
        WATCHED.append(_depth.name)
    depth, recorded = _depth.set(_depth.get() + 1), _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(recorded)
        _depth.reset(depth)
        with _switch:
            WATCHED.remove(_depth.name)
