"""A model as a function of its parameters, so that `grad`, `hessian`, `hvp` and `check_grads` apply to it.

A model keeps its parameters to itself, and a transform differentiates by arguments. `functional_call` brings the two together: it runs
the model with what it is handed in place of what it has.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_core import Tensor, Value
from autograd_core.arguments import as_numbers, checked
from autograd_core.errors import OperandError, ShapeError, StructureError

from .module import Module, listed

__all__ = ["functional_call"]

_ONE_AT_A_TIME = RLock()
"""While a call runs the module itself holds what was handed in."""


@checked
def functional_call(module: Module, parameters: Mapping[str, Any], args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
    """`module(*args, **kwargs)` with `parameters` in place of its own, which are back when it returns, whatever happens.

    Args:
        module: Any module; modules inside it take part.
        parameters: Tensors, arrays or numbers by name, as `state_dict()` or `named_parameters()` has the names. What is not named stays
            as it is. Running statistics may be named too; after the call they are what they were.
        args: The inputs as a tuple, or the only one.
        kwargs: Inputs by name.

    Raises:
        StructureError: A name that the module does not have, or one parameter by two names.
        ShapeError: An array does not have the shape of the parameter.
        OperandError: Inputs that `forward` does not take; a Tensor for the matrix of a layer that computes on `Value`s, of which each has
            a name of its own in `named_parameters()`.

    Example:
        The curvature of a loss along a direction, in the space of all parameters:

        >>> from autograd_core import hvp
        >>> from nn import Linear, Sequential, Tanh, mse_loss
        >>> model = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 1, rng=1))
        >>> def loss(state):
        ...     return mse_loss(functional_call(model, state, np.ones((4, 2))), np.zeros((4, 1)))
        >>> here = model.state_dict()
        >>> along = {name: np.ones_like(array) for name, array in here.items()}
        >>> product = hvp(loss, (here,), (along,))
        >>> product["0.weight"].shape
        (3, 2)

    `torch.func.functional_call` has the same name and arguments.
    """
    inputs = args if isinstance(args, tuple) else (args,)
    try:
        inspect.signature(module.forward).bind(*inputs, **(kwargs or {}))
    except TypeError as error:
        raise OperandError(
            f"functional_call: received {len(inputs)} inputs in args and {sorted(kwargs or {})} in kwargs, expected those of "
            f"{type(module).__name__}.forward{inspect.signature(module.forward)}: {error}."
        ) from error
    with _ONE_AT_A_TIME, _in_place(module, *_matched(module, parameters)):
        return module(*inputs, **(kwargs or {}))


Buffer = tuple[Callable[[np.ndarray], None], np.ndarray, np.ndarray]
"""(how to write it, what to write, what was there)"""


def _matched(module: Module, parameters: Mapping[str, Any]) -> tuple[dict[int, Any], list[Buffer]]:
    """(the replacement of each parameter, by its id; the buffers), all checked."""
    entries = {entry.name: entry for entry in module.all_entries()}
    single = dict(module.named_parameters())
    unknown = sorted(str(name) for name in parameters if name not in entries and name not in single)
    if unknown:
        raise StructureError(
            f"functional_call: {type(module).__name__} has {listed(list(entries))}; not expected: {listed(unknown)}. See its state_dict()."
        )
    replaced: dict[int, Any] = {}
    names: dict[int, str] = {}
    buffers = []
    for name, given in parameters.items():
        entry = entries.get(name)
        if entry is not None and entry.holds is None:
            buffers.append((entry.write, _numbers(name, given, entry.read().shape), entry.read()))
            continue
        for parameter, new in _paired(name, single[name] if entry is None else entry.holds, given):
            other = names.setdefault(id(parameter), name)
            if other != name:
                raise StructureError(
                    f"functional_call: received {other!r} and {name!r}, which are names of one parameter, expected one of them; "
                    "named_parameters() has each parameter once."
                )
            replaced[id(parameter)] = new
    return replaced, buffers


def _paired(name: str, holds: Any, given: Any) -> Iterator[tuple[Any, Any]]:
    """(parameter, what comes in its place) for a parameter, or for each of the Values of a layer."""
    if isinstance(holds, Tensor):
        new = given if isinstance(given, Tensor) else Tensor(_numbers(name, given, holds.shape), requires_grad=False)
        if new.shape != holds.shape:
            raise _misfit(name, new.shape, holds.shape)
        yield holds, new
    elif isinstance(holds, Value):
        yield holds, given if isinstance(given, Value) else Value(float(_numbers(name, given, ())))
    else:
        if not isinstance(given, (list, tuple)):
            given = _numbers(name, given, np.shape(_numbers_of(holds))).tolist()
        if len(given) != len(holds):
            raise _misfit(name, (len(given),), np.shape(_numbers_of(holds)))
        for i, (one, new) in enumerate(zip(holds, given, strict=True)):
            yield from _paired(f"{name}[{i}]", one, new)


def _numbers_of(holds: Any) -> Any:
    return [_numbers_of(one) for one in holds] if isinstance(holds, list) else holds.data


def _numbers(name: str, given: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A plain array of the shape of what it replaces."""
    if isinstance(given, Tensor):
        raise OperandError(
            f"functional_call: received a Tensor of shape {given.shape} for {name!r}, expected numbers, since no Tensor stands there. "
            "The Values of a scalar model are handed in one by one: {name: p.data for name, p in model.named_parameters()}."
        )
    array = as_numbers(given, "functional_call", name)
    if array.shape != shape:
        raise _misfit(name, array.shape, shape)
    return array


def _misfit(name: str, received: tuple[int, ...], expected: tuple[int, ...]) -> ShapeError:
    return ShapeError(f"functional_call: received shape {received} for {name!r}, expected {expected}.")


@contextmanager
def _in_place(module: Module, replaced: dict[int, Any], buffers: list[Buffer]) -> Iterator[None]:
    """Put the replacements in place, and what was there back at the end."""
    with ExitStack() as back:
        for one in list(module.modules()):
            for name, value in list(vars(one).items()):
                new = value if name.startswith("_") else _with(value, replaced)
                if new is not value:
                    back.callback(vars(one).__setitem__, name, value)
                    vars(one)[name] = new
        for write, array, old in buffers:
            back.callback(write, old)
            write(array)
        yield


def _with(value: Any, replaced: dict[int, Any]) -> Any:
    """A value with the parameters in it replaced; the very same where there are none."""
    if isinstance(value, (Tensor, Value)):
        return replaced.get(id(value), value)
    if isinstance(value, dict):
        items = {key: _with(item, replaced) for key, item in value.items()}
        if all(items[key] is item for key, item in value.items()):
            return value
        dictionary = copy.copy(value)
        dictionary.update(items)
        return dictionary
    if isinstance(value, (list, tuple)):
        found = [_with(item, replaced) for item in value]
        if all(one is item for one, item in zip(found, value, strict=True)):
            return value
        if isinstance(value, tuple):
            return value._make(found) if hasattr(value, "_make") else tuple(found)
        new = copy.copy(value)
        new[:] = found
        return new
    return value


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Raise an AttributeError that says how the functions of torch.nn.functional are written here."""
        import nn

        from .elsewhere import of_a_package

        raise of_a_package("nn.functional", name, nn.__all__)
