"""What a recorded program relies on besides the numbers that it is fed: the objects that a run is made of, and their settings.

A program goes on doing what was recorded, whatever becomes of the model. So it must be seen when a callback exchanges a module, a
parameter or the optimiser, changes a setting, or puts a function in the place of a method. Everything that could be exchanged is noted
once, and looked at before every epoch: objects must be the very same ones, plain numbers and strings equal ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_
from typing import Any

import numpy as np

from autograd_core import Tensor, Value

from .layers import Dropout
from .module import Module
from .training import Training

__all__ = ["Ingredients", "shadowed"]

_PLAIN = (float, int, str, bool, np.floating, np.integer)
_FREE: dict[type, tuple[str, ...]] = {Dropout: ("p", "rng")}  # what is drawn is drawn anew for every batch


def shadowed(thing: Any) -> tuple[str, ...]:
    """The methods of an object in whose place something else stands, as after `model.forward = spy`."""
    kind = type(thing)
    return tuple(name for name in vars(thing) if callable(getattr(kind, name, None)))


def _draws(module: Dropout) -> bool:
    """Whether it draws at random when it is called."""
    return module.training and module.p != 0.0


def _alike(found: list[Any], noted: list[Any]) -> bool:
    """Whether things are the same, or where they are plain ones equal."""
    return all(map(is_, found, noted)) or all(a is b or (isinstance(a, _PLAIN) and type(a) is type(b) and a == b) for a, b in zip(found, noted, strict=True))


def _leaves(value: Any) -> Iterable[Any]:
    """What is in nested lists, tuples and dictionaries."""
    if not isinstance(value, (list, tuple, dict)):
        return [value]
    return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in _leaves(item)]


def _of_structure(name: str, value: Any) -> bool:
    """Whether an attribute of a module of the user's own holds modules or parameters; any other may change with every call."""
    return not name.startswith("_") and any(
        isinstance(leaf, Module) or (isinstance(leaf, (Value, Tensor)) and leaf.op is None and not leaf._is_computed) for leaf in _leaves(value)
    )


class Ingredients:
    """The objects and settings of a run, as they were when this was made.

    Example:
        >>> from nn import Adam, LeakyReLU, Linear, Sequential
        >>> model = Sequential(Linear(2, 3, rng=0), LeakyReLU(0.1))
        >>> training = Training(model, Adam(model.parameters()), None, None, np.random.default_rng(0))
        >>> made_of = Ingredients(training, (Sequential, Linear, LeakyReLU))
        >>> model[0].weight.data += 1.0
        >>> same = made_of.same()
        >>> model[1].slope = 0.2
        >>> same, made_of.same()
        (True, False)
    """

    def __init__(self, training: Training, known: tuple[type, ...]) -> None:
        """Note everything. All attributes count of modules of the `known` classes, of others those that hold modules and parameters."""
        self._things: list[tuple[Any, dict[str, Any], tuple[str, ...]]] = []     # (a thing, its attributes, the names of those that count)
        self._containers: list[Any] = []       # lists, tuples and dictionaries among the attributes
        optimizer, modules = training.optimizer, list(training.model.modules())
        self._note(training, ("model", "optimizer"))
        self._note(optimizer, ("param_groups", "_slots"))
        self._containers += [optimizer.param_groups, *(group["params"] for group in optimizer.param_groups)]     # rates and their like may change
        for module in modules:
            free, whole = (*_FREE.get(type(module), ()), "training"), type(module) in known
            names = tuple(name for name, value in vars(module).items() if name not in free and (whole or _of_structure(name, value)))
            self._note(module, names)
            for name in names:
                self._open(vars(module)[name])
        self._counts = [len(attributes) for _, attributes, _ in self._things]
        self._sizes, self._found = self._now()
        self._droppers = [(module, _draws(module)) for module in modules if isinstance(module, Dropout)]
        self._parameters: list[Any] = optimizer.parameters
        self._trained = [p.requires_grad for p in self._parameters]
        trained = {id(p) for p in self._parameters if p.requires_grad}
        leaves = {id(leaf): leaf for leaf in self._found if isinstance(leaf, (Value, Tensor))}
        fixed = [leaf for key, leaf in leaves.items() if key not in trained]     # constants of a program
        self._values: list[Any] = [leaf for leaf in fixed if isinstance(leaf, Value)]
        self._numbers = [value.data for value in self._values]
        self._arrays = [(leaf, leaf.data.copy()) for leaf in fixed if isinstance(leaf, Tensor)]

    def _note(self, thing: Any, names: tuple[str, ...]) -> None:
        attributes = vars(thing)
        names = tuple(dict.fromkeys((*names, *shadowed(thing))))
        self._things.append((thing, attributes, names))

    def _open(self, value: Any) -> None:
        if isinstance(value, (list, tuple, dict)):
            self._containers.append(value)
            for item in value.values() if isinstance(value, dict) else value:
                self._open(item)

    def _now(self) -> tuple[list[int], list[Any]]:
        """(how many attributes and items there are in each place, and all of them)."""
        found: list[Any] = []
        for _, attributes, names in self._things:
            found.extend(map(attributes.get, names))
        for container in self._containers:
            found.extend(container)
            if container.__class__ is dict:
                found.extend(container.values())
        return [*map(len, self._containers)], found

    def _uncovered(self) -> bool:
        """Whether no attribute that was added since stands in the place of a method."""
        return all(set(shadowed(thing)) <= set(names) for thing, _, names in self._things)

    def same(self) -> bool:
        """Whether all of it is as it was: things and settings, the parameters that are trained, and the numbers of the others."""
        sizes, found = self._now()
        return (
            sizes == self._sizes
            and _alike(found, self._found)
            and (self._counts == [len(attributes) for _, attributes, _ in self._things] or self._uncovered())
            and all(_draws(module) is drew for module, drew in self._droppers)
            and [p.requires_grad for p in self._parameters] == self._trained
            and [value.data for value in self._values] == self._numbers
            and all(np.array_equal(tensor.data, data, equal_nan=True) for tensor, data in self._arrays)
        )
