"""Empty base classes for the methods that are made from the table; `_methods.pyi`, made from it too, shows them to type checkers."""

from __future__ import annotations

__all__ = ["ArrayMethods", "ScalarMethods"]


class ScalarMethods:
    """The elementwise operations as methods of `Value`."""

    __slots__ = ()


class ArrayMethods:
    """The elementwise operations as methods of `Tensor`."""

    __slots__ = ()
