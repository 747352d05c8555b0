"""The two modes of recording, `no_grad` and `detect_anomaly`, and how deep inside a transform we are.

Modes belong to a context (`contextvars`), so one thread or task never switches another's. Asking a context variable
costs as much as adding two floats; so the hot path asks only whether *anybody* has switched a mode on (`WATCHED` is a
list, empty in ordinary running), and looks closer only then.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, ClassVar, TypeVar

__all__ = ["WATCHED", "anomaly_detected", "detect_anomaly", "no_grad", "recording", "tracing", "transform", "unchecked"]

F = TypeVar("F", bound=Callable[..., Any])
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


class _Mode:
    """A context manager, and a decorator, that sets a context variable; it may be used again, and nested."""

    _variable: ClassVar[ContextVar[bool]]
    _value: ClassVar[bool]

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        with _switch:
            WATCHED.append(self._variable.name)
        self._tokens.append(self._variable.set(self._value))

    def __exit__(self, *_: object) -> None:
        self._variable.reset(self._tokens.pop())
        with _switch:
            WATCHED.remove(self._variable.name)

    def __call__(self, function: F) -> F:
        """The function, run in this mode; a generator function too, step by step."""
        kind = type(self)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with kind():
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            while True:
                with kind():
                    try:
                        item = next(steps)
                    except StopIteration as end:
                        return end.value
                yield item

        return generate if function.__code__.co_flags & 0x20 else run  # type: ignore[return-value]


class no_grad(_Mode):  # noqa: N801
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

    _variable, _value = _recording, False


class detect_anomaly(_Mode):  # noqa: N801
    """Raise `AnomalyError` at the first nan or inf, in a value or in a gradient, naming the line that recorded it.

    Each operation inside remembers the line of your program that recorded it, and checksums of the arrays it saved, so
    that writing into an array between forward and backward is caught too. Run the forward and the backward pass inside.
    It is slow; use it to look for a fault.

    Example:
        >>> from autograd_core import Value
        >>> with detect_anomaly():
        ...     Value(0.0, label="x").log()
        Traceback (most recent call last):
        ...
        autograd_core.errors.AnomalyError: log gave -inf...
    """

    _variable, _value = _anomaly, True


@contextmanager
def unchecked() -> Iterator[None]:
    """Where rules run: what they compute on the way to a gradient is not the user's, and may be inf where nothing flows."""
    token = _anomaly.set(False)
    try:
        yield
    finally:
        _anomaly.reset(token)


class transform:  # noqa: N801
    """Inside a transform recording is on, and a number must not leave the graph unseen."""

    __slots__ = ("_depth", "_recorded")

    def __enter__(self) -> None:
        self._depth, self._recorded = _depth.set(_depth.get() + 1), _recording.set(True)

    def __exit__(self, *_: object) -> None:
        _recording.reset(self._recorded)
        _depth.reset(self._depth)
