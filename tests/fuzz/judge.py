"""What may come out of a call with hostile input: an answer, or a clear error of ours, and nothing changed by the error."""

from __future__ import annotations

import itertools
import linecache
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import autograd_core
import nn
from autograd_core.errors import AutogradError
from autograd_core.node import Node

__all__ = ["Call", "Fault", "answer", "numbers", "run"]

ROOMS = tuple(str(Path(m.__file__).parent) for m in (autograd_core, nn))
CLEAR = re.compile(r"received|expected|must |cannot |is not|not a |has no|have no|has nan|defines no|there is no|unknown|needs|does not|missing|refused|would |takes ")
SECONDS = 20.0
OLD_NUMPY = tuple(map(int, np.__version__.split(".")[:2])) < (2, 3)
"""What is an error by now was a DeprecationWarning of NumPy's then."""


class Fault(AssertionError):
    """What a call did that it must not do."""


@dataclass
class Call:
    """A function with sensible arguments; each of them is exchanged for something hostile in turn."""

    function: Callable[..., Any]
    args: list[Any]
    kwargs: dict[str, Any] = field(default_factory=dict)

    def slots(self) -> Iterator[int | str]:
        """Every argument, by position or by name."""
        yield from range(len(self.args))
        yield from self.kwargs

    def __getitem__(self, slot: int | str) -> Any:
        return self.args[slot] if isinstance(slot, int) else self.kwargs[slot]

    def __setitem__(self, slot: int | str, value: Any) -> None:
        if isinstance(slot, int):
            self.args[slot] = value
        else:
            self.kwargs[slot] = value

    def __call__(self) -> Any:
        return self.function(*self.args, **self.kwargs)

    def everything(self) -> list[Any]:
        """What the call may change: the arguments, and the object whose method it is."""
        return [getattr(self.function, "__self__", None), *self.args, *self.kwargs.values()]


# ------------------------------------------------------------------------------------------------ what is in there
def numbers(x: Any) -> list[np.ndarray]:
    """All numbers of a result, in order."""
    if isinstance(x, Node):
        return [np.asarray(x.data)]
    if isinstance(x, (np.ndarray, np.generic, float, int)):
        return [np.asarray(x)]
    if isinstance(x, dict):
        return [n for key in x for n in numbers(x[key])]
    if isinstance(x, (list, tuple)):
        return [n for item in x for n in numbers(item)]
    if isinstance(x, nn.Module):
        return numbers(x.state_dict())
    if isinstance(x, nn.Optimizer):
        return numbers(x.parameters)
    if isinstance(x, Iterator):
        return [n for item in itertools.islice(x, 5) for n in numbers(item)]
    return []


def nodes(x: Any) -> list[Any]:
    """The nodes in a result or in arguments."""
    if isinstance(x, Node):
        return [x]
    if isinstance(x, dict):
        return [n for item in x.values() for n in nodes(item)]
    if isinstance(x, (list, tuple)):
        return [n for item in x for n in nodes(item)]
    if isinstance(x, np.ndarray) and x.dtype == object:
        return [n for item in x.ravel() for n in nodes(item)]
    if isinstance(x, nn.Module):
        return x.parameters()
    return []


def snapshot(x: Any) -> Any:
    """What must be as it was after an error."""
    if isinstance(x, Node):
        return ("node", snapshot(x.data), snapshot(x.grad), x.requires_grad)
    if isinstance(x, np.ndarray):
        return ("array", x.shape, x.dtype, x.tobytes() if x.dtype != object else tuple(map(id, x.ravel())))
    if isinstance(x, nn.Module):
        return ("module", x.training, snapshot(x.state_dict()), [snapshot(p) for p in x.parameters()])
    if isinstance(x, nn.Optimizer):
        return ("optimiser", [snapshot(p) for p in x.parameters], repr(x.state_dict()))
    if isinstance(x, dict):
        return ("dict", [(key, snapshot(value)) for key, value in x.items()])
    if isinstance(x, (list, tuple)):
        return (type(x), [snapshot(item) for item in x])
    return x if isinstance(x, (str, bool)) else repr(x) if isinstance(x, (int, float)) else None


# ------------------------------------------------------------------------------------------------------- running
@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A call that hangs is interrupted, where the system has alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise Fault(f"ran for more than {seconds} seconds")

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, old)


def answer(call: Call) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The numbers of the result, and the gradients of every node among the arguments."""
    result = call()
    found = numbers(result)
    for node in nodes(result):
        if node.requires_grad:
            node.backward(np.ones(node.shape, node.dtype)) if node.is_array else node.backward()
    gradients = [np.asarray(n.grad) for thing in call.everything() for n in nodes(thing) if n.grad is not None]
    return found, gradients


def run(call: Call, what: str) -> tuple[list[np.ndarray], list[np.ndarray]] | Exception:
    """The answer, or the clear error; a `Fault` for anything else."""
    before = [snapshot(thing) for thing in call.everything()]
    try:
        with time_limit(SECONDS), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=r"(fit|Perceptron): ")  # advice about a run that went badly
            warnings.filterwarnings("ignore", message="(Mean of empty|Degrees of freedom|All-NaN)", category=RuntimeWarning)  # NumPy's own words
            if OLD_NUMPY:
                warnings.filterwarnings("ignore", category=DeprecationWarning)
            return answer(call)
    except Fault as error:
        raise Fault(f"{what} {error}") from None
    except Exception as error:
        _must_be_clear(error, what)
        after = [snapshot(thing) for thing in call.everything()]
        if before != after:
            raise Fault(f"{what} raised {type(error).__name__} and left its arguments changed") from error
        return error


def _must_be_clear(error: Exception, what: str) -> None:
    text = f"{type(error).__name__}: {error}"
    if not _of_ours(error.__traceback__):      # NumPy, or Python's operators, refused before anything of ours was asked
        return
    if isinstance(error, Warning):
        raise Fault(f"{what} warned: {text}") from error
    if not isinstance(error, AutogradError) and not _raised_by_us(error.__traceback__):
        raise Fault(f"{what} let an error through that is not ours: {text}") from error
    if not CLEAR.search(str(error)):
        raise Fault(f"{what} raised an error that does not say what was received and expected: {text}") from error


def _of_ours(traceback: TracebackType | None) -> bool:
    """Whether a function of the packages was running."""
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.startswith(ROOMS):
            return True
        traceback = traceback.tb_next
    return False


def _raised_by_us(traceback: TracebackType | None) -> bool:
    """Whether a `raise` statement of one of the packages did it (or Python's check of a signature, at the call itself)."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    code = traceback.tb_frame.f_code
    return code.co_filename.startswith(ROOMS) and linecache.getline(code.co_filename, traceback.tb_lineno).strip().startswith("raise ")
