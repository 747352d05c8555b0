"""The two modes of recording, `no_grad` and `detect_anomaly`, and how deep inside a transform we are.

Modes belong to a context (`contextvars`), so one thread or task never switches another's. Asking a context variable
costs as much as adding two floats; so the hot path asks only whether *anybody* has switched a mode on (`WATCHED` is a
list, empty in ordinary running), and looks closer only then.

A copy of a context (`contextvars.copy_context`, a task of asyncio) keeps the mode it was made in even after the block has
ended. So the variable holds an object, which stays in `WATCHED` until the last context that has it is gone.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar

from .errors import OperandError

__all__ = ["WATCHED", "anomaly_detected", "detect_anomaly", "no_grad", "recording", "snapshot", "tracing", "transform", "unchecked"]

F = TypeVar("F", bound=Callable[..., Any])


class _Setting:
    """The setting that a context makes: a mode switched on or off until the context ends; `outer` is the setting around it."""

    __slots__ = ("__weakref__", "name", "on", "outer")

    def __init__(self, name: str, on: bool, outer: _Setting | None = None) -> None:
        self.name, self.on, self.outer = name, on, outer

    def __repr__(self) -> str:
        return f"{self.name} {'on' if self.on else 'off'}"


WATCHED: list[weakref.ref[_Setting]] = []
"""A reference to every setting that a block has made and that some context still has."""
_RECORD, _UNCHECKED = _Setting("recording", on=True), _Setting("anomaly", on=False)
_recording: ContextVar[_Setting] = ContextVar("autograd_core.recording", default=_RECORD)
_anomaly: ContextVar[_Setting] = ContextVar("autograd_core.anomaly", default=_UNCHECKED)
_depth: ContextVar[int] = ContextVar("autograd_core.depth", default=0)


def recording() -> bool:
    """Whether operations are being recorded in this context."""
    return _recording.get().on


def anomaly_detected() -> bool:
    """Whether `detect_anomaly()` is on in this context."""
    return _anomaly.get().on


def tracing() -> int:
    """How many transforms (`grad`, `jvp`, …) are running their function in this context."""
    return _depth.get()


def snapshot() -> Callable[[], None]:
    """A function that sets the modes back to what they are now.

    For code that catches `KeyboardInterrupt` and goes on: Ctrl-C may arrive between the end of a block and its `__exit__`.
    """
    held: list[tuple[ContextVar[Any], Any]] = [(variable, variable.get()) for variable in (_recording, _anomaly, _depth)]

    def restore() -> None:
        for variable, value in held:
            variable.set(value)

    return restore


class _Mode:
    """A context manager, and a decorator, that sets a context variable.

    It has no state of its own, so one object may be entered again, inside itself, and by several threads at once.
    """

    _variable: ClassVar[ContextVar[_Setting]]
    _value: ClassVar[bool]

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """A mode, or a function that is run in it: `@no_grad` is `@no_grad()`."""
        if function is None:
            return super().__new__(cls)
        if not callable(function):
            raise OperandError(f"{cls.__name__}: received {function!r:.60}, expected a function to decorate, or nothing: with {cls.__name__}(): …")
        return super().__new__(cls)(function)

    def __enter__(self) -> None:
        setting = _Setting(type(self).__name__, self._value, self._variable.get())
        WATCHED.append(weakref.ref(setting, WATCHED.remove))
        self._variable.set(setting)

    def __exit__(self, *_: object) -> None:
        outer = self._variable.get().outer
        if outer is not None:                  # None where the generator that holds the block is closed in another context
            self._variable.set(outer)

    def __call__(self, function: F) -> F:
        """The function, run in this mode: a plain or a coroutine function as a whole, a generator function (async or not) step by step."""
        around = next((around for is_one, around in _WRAPPERS if is_one(function)), _called)
        return functools.wraps(function, updated=())(around(self, function))  # type: ignore[return-value]


def _called(mode: _Mode, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        with mode:
            return function(*args, **kwargs)

    return run


def _awaited(mode: _Mode, function: Callable[..., Any]) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        with mode:
            return await function(*args, **kwargs)

    return run


def _generated(mode: _Mode, function: Callable[..., Any]) -> Callable[..., Any]:
    """The mode holds while a step runs, and not while the caller works on what was yielded."""

    def run(*args: Any, **kwargs: Any) -> Any:
        steps = function(*args, **kwargs)
        step: Callable[[], Any] = steps.__next__
        while True:
            with mode:
                try:
                    item = step()
                except StopIteration as end:
                    return end.value
            try:
                step = functools.partial(steps.send, (yield item))
            except GeneratorExit:
                with mode:
                    steps.close()
                raise
            except BaseException as error:
                step = functools.partial(steps.throw, error)

    return run


def _generated_and_awaited(mode: _Mode, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for `async def` with `yield`."""

    async def run(*args: Any, **kwargs: Any) -> Any:
        steps = function(*args, **kwargs)
        step: Callable[[], Any] = steps.__anext__
        while True:
            with mode:
                try:
                    item = await step()
                except StopAsyncIteration:
                    return
            try:
                step = functools.partial(steps.asend, (yield item))
            except GeneratorExit:
                with mode:
                    await steps.aclose()
                raise
            except BaseException as error:
                step = functools.partial(steps.athrow, error)

    return run


_WRAPPERS: tuple[tuple[Callable[[Any], bool], Callable[[_Mode, Callable[..., Any]], Callable[..., Any]]], ...] = (
    (inspect.isgeneratorfunction, _generated),
    (inspect.isasyncgenfunction, _generated_and_awaited),
    (inspect.iscoroutinefunction, _awaited),
)


class no_grad(_Mode):  # noqa: N801
    """Compute without recording: results are constants, as in evaluation and in parameter updates.

    Works as a context manager, and as a decorator of functions, generators and coroutines, with brackets or without. `w -= step` writes
    here into w itself, if it is a `Tensor` that gradients flow into, and `w[0] = 1.0` into its elements; where a graph is recorded the
    first makes a new node and the second is refused.

    Example:
        >>> from autograd_core import Tensor, Value
        >>> x = Value(3.0)
        >>> with no_grad():
        ...     y = x * x
        >>> y.data, y.parents
        (9.0, ())

        >>> w = Tensor([1.0, 2.0])
        >>> (w**2).sum().backward()
        >>> with no_grad():
        ...     w -= 0.1 * w.grad
        >>> w.data, w.requires_grad
        (array([0.8, 1.6]), True)
    """

    _variable, _value = _recording, False


class detect_anomaly(_Mode):  # noqa: N801
    """Raise `AnomalyError` at the first nan or inf, in a value or in a gradient, naming the line that recorded it.

    Each operation inside remembers the line of your program that recorded it, and checksums of the arrays it saved, so
    that writing into an array between forward and backward is caught too, also where backward runs after the block. Run the
    forward and the backward pass inside to see the first nan or inf of both. It is slow; use it to look for a fault.

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
    """Anomaly checks off while rules run: what they compute on the way to a gradient is internal, and may be inf where nothing flows."""
    token = _anomaly.set(_UNCHECKED)
    try:
        yield
    finally:
        _anomaly.reset(token)


class transform:  # noqa: N801
    """The block in which a transform runs its function: recording is on, and a number must not leave the graph unnoticed."""

    __slots__ = ("_depth", "_recorded")

    def __enter__(self) -> None:
        self._depth, self._recorded = _depth.set(_depth.get() + 1), _recording.set(_RECORD)

    def __exit__(self, *_: object) -> None:
        _recording.reset(self._recorded)
        _depth.reset(self._depth)
