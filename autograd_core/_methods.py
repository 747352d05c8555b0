"""The base classes that stand for the methods made from the table; what they are is in `_methods.pyi`, made from it too."""

from __future__ import annotations

__all__ = ["ArrayMethods", "ScalarMethods"]


class ScalarMethods:
    """The elementwise operations as methods of `Value`."""

    __slots__ = ()


class ArrayMethods:
    """The elementwise operations as methods of `Tensor`."""

    __slots__ = ()
