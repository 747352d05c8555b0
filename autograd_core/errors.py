"""Every exception of the engine. Each is also the built-in kind that NumPy users already catch."""

from __future__ import annotations

from numpy.exceptions import AxisError as _NumpyAxisError
from numpy.linalg import LinAlgError as _NumpyLinAlgError

__all__ = [
    "AnomalyError",
    "AutogradError",
    "AxisError",
    "DTypeError",
    "GraphError",
    "IndexingError",
    "ItemAssignmentError",
    "LiftError",
    "LinAlgError",
    "MissingExtraError",
    "MissingRuleError",
    "NotScalarError",
    "OperandError",
    "RuleError",
    "ShapeError",
    "StaleDataError",
    "StructureError",
]


class AutogradError(Exception):
    """The base of every error that this package raises on purpose."""


class RuleError(AutogradError, ValueError, TypeError):
    """An entry of the rule book is malformed: a duplicate name, both or neither of `d` and `vjp`."""


class OperandError(AutogradError, TypeError, ValueError):
    """An operand or option is of a type, or has a value, that means nothing here, such as a string or `reduction="avg"`."""


class DTypeError(AutogradError, TypeError):
    """A dtype cannot hold a gradient: integers, booleans, complex numbers, objects."""


class ShapeError(AutogradError, ValueError):
    """The shapes of the operands do not fit the operation."""


class AxisError(ShapeError, _NumpyAxisError):
    """An axis lies outside the dimensions of the array."""


class IndexingError(AutogradError, IndexError):
    """An index lies outside the array, or is not of a kind that NumPy takes."""


class LinAlgError(AutogradError, _NumpyLinAlgError):
    """A matrix is singular, or not positive definite, where it must not be."""


class MissingRuleError(AutogradError, TypeError):
    """A NumPy function, or an option of one, has no derivative rule here."""


class NotScalarError(AutogradError, ValueError, TypeError):
    """One number was needed and an array of several was given."""


class GraphError(AutogradError, RuntimeError):
    """The graph does not allow what was asked, such as `backward()` on a constant."""


class ItemAssignmentError(GraphError, TypeError):
    """An element of a `Tensor` was assigned; the graph needs the old one."""


class LiftError(GraphError):
    """A lifted program does not agree with the graph it was made from, or the graph cannot be lifted."""


class StaleDataError(GraphError):
    """The `.data` of a node was assigned after an operation had recorded the old value."""


class AnomalyError(AutogradError, FloatingPointError):
    """Under `detect_anomaly()`: the first nan or inf, or an array that was written into.

    Attributes:
        node: The node where it was found; `draw(error.node)` shows the path that led there.
    """

    def __init__(self, message: str, node: object = None) -> None:
        """What was found, and where."""
        super().__init__(message)
        self.node = node


class StructureError(AutogradError, ValueError, TypeError):
    """A nested list, tuple or dict of parameters does not have the structure that was expected."""


class MissingExtraError(AutogradError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
