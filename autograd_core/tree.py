"""Nested lists, tuples and dicts of numbers and arrays: taken apart into leaves, and put together again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from .errors import StructureError

__all__ = ["flatten", "same_structure"]

Rebuild = Callable[[Iterator[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of a structure from left to right, and a function that builds the same structure around new leaves.

    Lists, tuples, named tuples and dicts are structure, and so are their subclasses; None is an empty structure; anything else is a leaf. The
    leaves of a dict come in the order of its sorted keys, so that those of two dicts with equal keys correspond; the dict that is rebuilt keeps
    the order of the original.

    >>> leaves, rebuild = flatten({"w": [1.0, 2.0], "b": 3.0})
    >>> leaves, rebuild([10.0, 20.0, 30.0])
    ([3.0, 1.0, 2.0], {'w': [20.0, 30.0], 'b': 10.0})
    """
    leaves: list[Any] = []
    build = _flatten(tree, leaves)

    def rebuild(new: list[Any]) -> Any:
        if len(new) != len(leaves):
            raise StructureError(f"received {len(new)} leaves, expected {len(leaves)}.")
        return build(iter(new))

    return leaves, rebuild


def _flatten(tree: Any, leaves: list[Any]) -> Rebuild:
    if tree is None:
        return lambda new: None
    if isinstance(tree, dict):
        try:
            keys = sorted(tree)
        except TypeError:                      # keys of several kinds: any order that does not depend on which came first
            keys = sorted(tree, key=lambda key: (type(key).__qualname__, repr(key)))
        entries = [(key, _flatten(tree[key], leaves)) for key in keys]
        like = dict.fromkeys(tree) if type(tree) is dict else copy.copy(tree)  # an OrderedDict, a defaultdict, …: with all that it has besides its items
        return lambda new: _filled(copy.copy(like), {key: part(new) for key, part in entries})
    if isinstance(tree, (list, tuple)):
        parts = [_flatten(item, leaves) for item in tree]
        kind = type(tree)
        if hasattr(tree, "_fields"):
            return lambda new: kind(*[part(new) for part in parts])
        return lambda new: kind([part(new) for part in parts])
    leaves.append(tree)
    return lambda new: next(new)


def _filled(mapping: Any, items: dict[Any, Any]) -> Any:
    for key, value in items.items():
        mapping[key] = value
    return mapping


def same_structure(who: str, received: Any, expected: Any) -> tuple[list[Any], list[Any]]:
    """The leaves of two structures that must be alike."""
    if _shape_of(received) != _shape_of(expected):
        raise StructureError(f"{who}: received a structure {_shape_of(received)}, expected {_shape_of(expected)}.")
    return flatten(received)[0], flatten(expected)[0]


def _shape_of(tree: Any) -> Any:
    """The structure with a dot in place of every leaf."""
    if isinstance(tree, dict):
        return {key: _shape_of(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return tuple(map(_shape_of, tree)) if isinstance(tree, tuple) else [_shape_of(item) for item in tree]
    return None if tree is None else "·"
