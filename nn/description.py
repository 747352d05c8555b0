"""Models as plain data: what `save` writes besides the arrays, and how `load` makes a model of it.

A description can only name the modules of this package, so nothing of a stranger's runs when a file is read.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from autograd_core import Tensor
from autograd_core.errors import OperandError

from . import activations, convolution, layers, neuron, normalise, perceptron, recurrent
from .files import FileError
from .layers import Sequential
from .module import Module

__all__ = ["build", "describe"]

_ROOMS = (activations, convolution, layers, neuron, normalise, perceptron, recurrent)
_KINDS = {name: kind for room in _ROOMS for name in room.__all__ if isinstance(kind := getattr(room, name), type) and issubclass(kind, Module)}
"""The modules that a description may name."""
_MOST_PARAMETERS = 10**9
_AGAIN, _MOST_PLACES = "again", 100_000
"""The kind of a module that occurs for the second time; the largest number of places in a model."""


def describe(model: Module) -> dict[str, Any]:
    """A model's structure as plain data: {"kind": "Linear", "nin": 2, …}.

    >>> from nn import Linear
    >>> describe(Linear(2, 3, rng=0))
    {'kind': 'Linear', 'nin': 2, 'nout': 3, 'bias': True, 'dtype': 'float64'}
    """
    description = _described(model, "", {})
    owners: dict[int, Module] = {}
    for module in model.modules():
        for parameter in vars(module).values():
            if isinstance(parameter, Tensor) and owners.setdefault(id(parameter), module) is not module:
                raise OperandError("save: two modules share one parameter, which a file cannot describe; its state can be saved all the same.")
    return description


def _described(model: Module, place: str, places: dict[int, str]) -> dict[str, Any]:
    """The description of a module at a place such as "2.0"; for a module that occurs again, the place where it first occurred."""
    if id(model) in places:
        return {"kind": _AGAIN, "place": places[id(model)]}
    places[id(model)] = place
    kind = type(model).__name__
    if _KINDS.get(kind) is not type(model):
        raise OperandError(f"save: {kind} is a class of your own, which a file cannot describe; its state can be saved all the same.")
    if isinstance(model, Sequential):
        if not all(isinstance(m, Module) for m in model):
            raise OperandError("save: a plain function among the modules cannot be written to a file; use an activation module, or subclass Module.")
        return {"kind": kind, "modules": [_described(m, f"{place}.{i}" if place else str(i), places) for i, m in enumerate(model)]}
    return {"kind": kind, **model.config()}


def build(description: Any, *, limit: int = _MOST_PARAMETERS) -> Module:
    """A model from its description; at most `limit` parameters, so that a hostile file cannot ask for all memory."""
    return _built(description, limit, "", {})[0]


def _built(description: Any, limit: int, place: str, places: dict[str, tuple[Module, int]]) -> tuple[Module, int]:
    """The module at a place, and the number of places in it, itself included; both are noted in `places`."""
    if not isinstance(description, dict) or not isinstance(description.get("kind"), str):
        raise FileError(f"the description of the model is damaged: received {str(description)[:60]!r}.")
    settings = {k: v for k, v in description.items() if k != "kind"}
    if description["kind"] == _AGAIN:
        known = places.get(settings["place"]) if isinstance(settings.get("place"), str) else None
        if known is None:
            raise FileError(f"the description of the model is damaged: there is no module at {settings.get('place')!r:.60} to stand in a second place.")
        return known
    kind = _KINDS.get(description["kind"])
    if kind is None:
        raise FileError(f"the file names a module {description['kind']!r:.60} that this package does not have.")
    if description["kind"] == "Sequential":
        parts = settings.get("modules")
        if not isinstance(parts, list):
            raise FileError("the description of a Sequential in the file is damaged: it has no list of modules.")
        try:
            inside = [_built(part, limit, f"{place}.{i}" if place else str(i), places) for i, part in enumerate(parts)]
        except RecursionError:
            raise FileError("the description of the model is damaged: Sequentials are nested too deep.") from None
        count = 1 + sum(n for _, n in inside)
        if count > _MOST_PLACES:               # a few lines that double, and double again
            raise FileError(f"the description of the model is damaged: it has more than {_MOST_PLACES:,} places for modules.")
        places[place] = kind(*[module for module, _ in inside]), count
    else:
        places[place] = _made(kind, description["kind"], settings, limit), 1
    return places[place]


def _made(kind: Any, name: str, settings: dict[str, Any], limit: int) -> Module:
    """A module of a kind with its settings, which a file may have made up."""
    numbers = [n for v in settings.values() for n in (v if isinstance(v, list) else [v]) if isinstance(n, int) and not isinstance(n, bool)]
    sizes = [max(abs(n), 1) for n in numbers]
    size = sum(a * b for a, b in itertools.pairwise(sizes)) if "nouts" in settings else math.prod(sizes[:4])
    if size > max(limit, 1) * 16:
        raise FileError(f"the file describes a {name} of about {size:.1e} parameters, but holds {limit}.")
    try:
        return kind(**{k: tuple(v) if isinstance(v, list) and k not in ("nouts", "activation") else v for k, v in settings.items()})  # type: ignore[no-any-return]
    except Exception as error:
        raise FileError(f"the description of a {name} in the file is damaged: {error}") from error
