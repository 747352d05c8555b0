"""Arguments checked against annotations: the signature of a function is the one statement of what it takes.

`@checked` reads the annotations once, when the function is first called, and from then on refuses an argument of another
kind before anything is computed: "moons: received noise='a', expected a number." What an annotation cannot say (that a share lies
between 0 and 1) is checked by the function itself.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import numpy as np

from .elsewhere import ARGUMENTS
from .errors import GraphError, OperandError
from .modes import tracing

__all__ = ["Count", "DType", "Numbers", "as_numbers", "checked", "is_table", "plain_numbers", "shown", "text", "truth", "unexpected", "way_out"]

F = TypeVar("F", bound=Callable[..., Any])
Numbers = Annotated[Any, "numbers"]
"""The annotation of real numbers in any wrapping: a number, nested lists, an array, a `Value`, a `Tensor`."""
DType = Annotated[Any, "dtype"]
"""The annotation of a floating dtype: np.float32, "float64"."""
Count = Annotated[int, 1]
"""The annotation of an integer of at least 1; any other bound is written in the same way."""


def shown(x: Any) -> str:
    """An argument in a message: short, and arrays by their shape and dtype.

    >>> shown(np.zeros((2, 3))), shown("text")
    ('an array of shape (2, 3) and dtype float64', "'text'")
    """
    if isinstance(x, np.ndarray):
        return f"an array of shape {x.shape} and dtype {x.dtype}"
    if is_table(x):
        return f"a {type(x).__name__} of shape {x.shape}"
    text = "an integer of many digits" if isinstance(x, int) and abs(x) >= 2**63 else repr(x)
    return text if len(text) <= 60 else f"{text[:57]}… of type {type(x).__name__}"


def is_table(x: Any) -> bool:
    """Whether this is a data frame or a column of one (pandas and its kin): convertible to an array, but not one itself."""
    return hasattr(x, "to_numpy") and isinstance(getattr(x, "shape", None), tuple)


def way_out(x: Any) -> str:
    """How to make an array of real numbers out of something that is not one: the end of an error message, or "".

    >>> way_out(["cat", "dog"])
    '; strings are not numbers: np.unique(…, return_inverse=True) gives each its number'
    """
    if isinstance(x, Iterator):
        return "; list(…) makes a list of what it gives"
    table = is_table(x)
    if not isinstance(x, np.generic) and callable(getattr(x, "numpy", None)) and callable(getattr(type(x), "__array__", None)):
        return "; take its .numpy()"           # a tensor of another library
    try:
        array = x if isinstance(x, np.ndarray) else x.to_numpy() if table else np.asarray(x if isinstance(x, (list, tuple)) else [])
    except Exception:
        return ""
    if array.dtype.kind in "UST" or (array.dtype == object and any(isinstance(v, str) for v in array.flat)):
        return "; strings are not numbers: np.unique(…, return_inverse=True) gives each its number"
    return "; take its .to_numpy()" if table and array.dtype.kind in "biuf" else ""


def truth(x: Any, who: str, name: str) -> bool:
    """True or False; a clear error for anything else."""
    if not _is_truth(x):
        raise OperandError(f"{who}: received {name}={shown(x)}, expected True or False.")
    return bool(x)


def _is_truth(x: Any) -> bool:
    return isinstance(x, (bool, np.bool_)) or (isinstance(x, (int, np.integer)) and x in (0, 1))


def text(x: Any, who: str, name: str) -> str:
    """A string; a clear error for anything else."""
    if not isinstance(x, str):
        raise OperandError(f"{who}: received {name}={shown(x)}, expected a string.")
    return x


def as_numbers(x: Any, who: str, name: str) -> np.ndarray:
    """Real numbers in any wrapping as an array; a clear error for anything else."""
    array = _array(x)
    if array is None:
        raise OperandError(f"{who}: received {name}={shown(x)}, expected real numbers: an array, or nested lists of one length{way_out(x)}.")
    return array


def plain_numbers(x: Any, who: str, name: str, instead: str) -> np.ndarray:
    """Real numbers as an array, for a function that records nothing; `instead` tells the user how to keep the gradient.

    Raises:
        GraphError: A transform is running its function, and x has a gradient, which would be lost.
    """
    array = as_numbers(x, who, name)
    if tracing() and any(getattr(v, "requires_grad", False) for v in (array.ravel() if array.dtype == object else (x,))):
        raise GraphError(
            f"{who}: received a differentiable {name} inside a transform, expected plain numbers: its gradient would be lost silently; {instead}, "
            "or hand over its .data where a constant is meant."
        )
    return array


def _array(x: Any) -> np.ndarray | None:
    """Real numbers as an array (an object array where there are nodes among them); None for anything else."""
    if isinstance(x, np.ma.MaskedArray):
        return None
    try:
        array = np.asarray(getattr(x, "_value", x))
    except Exception:
        return None
    return array if array.dtype.kind in "biuf" or (array.dtype == object and _all_nodes(array)) else None


def _all_nodes(array: np.ndarray) -> bool:
    nodes = [hasattr(v, "_value") for v in array.ravel()]
    return any(nodes) and all(node or isinstance(v, (float, int)) for node, v in zip(nodes, array.ravel(), strict=True))


def _is_floating(x: Any) -> bool:
    try:
        return isinstance(x, (type, str, np.dtype)) and np.dtype(x).kind == "f"
    except TypeError:
        return False


# ------------------------------------------------------------------------------------------- one annotation
def _fits(x: Any, hint: Any) -> Any:
    """Whether a value is what an annotation says; True for annotations that say nothing that can be checked."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any or hint is inspect.Parameter.empty:
        return True
    if hint is type(None):
        return x is None
    if origin is Annotated:
        kind, says = hint.__origin__, hint.__metadata__[0]
        if says == "numbers":
            return _array(x) is not None
        return _is_floating(x) if says == "dtype" else _fits(x, kind) and x >= says
    if origin in (Union, types.UnionType):
        return any(_fits(x, part) for part in inner)
    if hint is int:
        return isinstance(x, (int, np.integer)) and not isinstance(x, bool) and -(2**63) <= x < 2**63
    if hint is float:
        if isinstance(x, np.ndarray):
            return x.ndim == 0 and x.dtype.kind in "fiu"
        return isinstance(x, (float, np.floating)) or _fits(x, int)
    if hint is bool:
        return _is_truth(x)
    if origin is Callable:
        return callable(x)
    kind = origin if origin is not None else hint
    if kind is Path:
        return isinstance(x, os.PathLike)
    if kind in (tuple, list, Sequence):
        fixed = kind is tuple and inner and inner[-1] is not Ellipsis
        x = x.tolist() if isinstance(x, np.ndarray) and x.ndim == 1 and not fixed else x
        if not isinstance(x, (tuple, list, range)):
            return False
        if fixed:
            return len(x) == len(inner) and all(_fits(v, part) for v, part in zip(x, inner, strict=True))
        return not inner or all(_fits(v, inner[0]) for v in x)
    if kind is Iterable:
        return isinstance(x, Iterable) and not isinstance(x, (str, bytes)) and getattr(x, "shape", None) != ()
    if kind in (dict, Mapping):
        return isinstance(x, Mapping)
    return isinstance(x, kind)


_WORDS: dict[Any, str] = {int: "an integer", float: "a number", bool: "True or False", str: "a string", type(None): "None"}
_MANY: dict[Any, str] = {int: "integers", float: "numbers", str: "strings"}


def _words(hint: Any) -> str:
    """An annotation in the words of an error message.

    >>> _words(int | None), _words(tuple[float, float]), _words(Callable[..., Any]), _words(tuple[Any, ...] | list[str])
    ('an integer or None', '2 numbers', 'a function', 'a tuple or a list of strings')
    >>> _words(tuple[Any, Any] | float)
    'a pair or a number'
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in inner))
    if origin is Annotated:
        says = hint.__metadata__[0]
        named = {"numbers": "real numbers (an array, or nested lists of one length)", "dtype": "a floating dtype such as np.float64"}
        return named.get(says) or f"{_words(hint.__origin__)} of at least {says}"
    if hint in _WORDS:
        return _WORDS[hint]
    if origin is Callable:
        return "a function"
    kind = origin if origin is not None else hint
    if kind in (tuple, list, Sequence, Iterable):
        item: Any = inner[0] if inner else Any
        least = f" of at least {item.__metadata__[0]}" if get_origin(item) is Annotated else ""
        item = item.__origin__ if least else item
        anything = item is Any or (kind is tuple and inner[-1:] != (Ellipsis,) and len(set(inner)) > 1)
        many = "" if anything else _MANY.get(item, f"{_name(item)}s" if isinstance(item, type) else "these") + least
        if kind is tuple and inner and inner[-1] is not Ellipsis:
            return f"{len(inner)} {many}" if many else "a pair" if len(inner) == 2 else f"a tuple of {len(inner)}"
        if not many:
            return f"a {'list' if kind is not tuple else 'tuple'}"
        return f"a {'list' if kind is not tuple else 'tuple'} of {many}"
    if kind in (dict, Mapping):
        return "a dictionary"
    name = _name(hint)
    return f"a{'n' if name[:1].lower() in 'aeio' else ''} {name}"


def _name(hint: Any) -> str:
    return str(getattr(hint, "__name__", "value"))


# ------------------------------------------------------------------------------------------- a whole signature
def _plan(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """(the names of the positional parameters, what to check for which parameter)."""
    parameters = inspect.signature(function).parameters
    names = tuple(p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    hints = {}
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name in ("self", "rng"):
            continue
        hint = parameter.annotation
        if isinstance(hint, str):
            hint = eval(hint, function.__globals__)  # noqa: S307  (the annotations of our own functions)
        if hint is not Any:
            hints[name] = hint
    return names, hints


def _called(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """The name under which the user called a function; a method is named after the class of its object, which may be a subclass."""
    owner, _, name = function.__qualname__.rpartition(".")
    if args and owner in (kind.__qualname__ for kind in type(args[0]).__mro__):
        return type(args[0]).__name__ + ("" if name == "__init__" else f".{name}")
    return function.__qualname__.removeprefix("_")


def _accepts(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the function can be called with that many arguments, of these names."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _signature(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """How a function is called: "Linear(nin, nout, *, bias=True, dtype=float64, init=None, rng=None)"."""
    parameters = [p.replace(annotation=p.empty, default=_Bare(p.default)) if p.default is not p.empty else p.replace(annotation=p.empty)
                  for p in inspect.signature(function).parameters.values() if p.name != "self"]  # fmt: skip
    return f"{_called(function, args)}{inspect.Signature(parameters)}"


class _Bare:
    """A default in a signature: a class by its name."""

    def __init__(self, default: Any) -> None:
        self.default = default

    def __repr__(self) -> str:
        return self.default.__name__ if isinstance(self.default, type) else repr(self.default)


def unexpected(who: str, arguments: dict[str, Any]) -> OperandError:
    """The error for keyword arguments that a function does not have; for names from other libraries it says what is written here.

    >>> print(unexpected("sum", {"dim": 1}))
    sum() got an unexpected keyword argument 'dim'; here it is written axis
    """
    name = next(iter(arguments))
    hint = f"; here it is written {ARGUMENTS[name]}" if name in ARGUMENTS else ""
    return OperandError(f"{who}() got an unexpected keyword argument {name!r}{hint}")


def checked(function: F) -> F:
    """A decorator: the function refuses arguments that do not match its annotations, with an OperandError.

    Example:
        >>> @checked
        ... def scaled(x: Numbers, by: float = 2.0, *, times: int = 1):
        ...     return np.asarray(x) * by**times
        >>> scaled([1.0, 2.0], by="a")
        Traceback (most recent call last):
        ...
        autograd_core.errors.OperandError: scaled: received by='a', expected a number.
    """
    plan: tuple[tuple[str, ...], dict[str, Any]] | None = None

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal plan
        if plan is None:
            plan = _plan(function)             # two threads at once would compute the same plan
        names, hints = plan
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            hint = hints.get(name)
            if hint is not None and not _fits(value, hint):
                hint_at = way_out(value) if hint is Numbers else ""
                raise OperandError(f"{_called(function, args)}: received {name}={shown(value)}, expected {_words(hint)}{hint_at}.")
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if _accepts(function, args, kwargs):
                raise
            said = str(error).replace(f"{function.__qualname__}()", f"{_called(function, args)}()", 1)
            raise OperandError(f"{said}; it is written {_signature(function, args)}.") from None

    return call  # type: ignore[return-value]
