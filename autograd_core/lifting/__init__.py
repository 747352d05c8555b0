"""Lifting: a recorded graph becomes a short array program (see `verified` and `program`; each module explains its own idea)."""

from .lecture import Line
from .program import Program, TensorProgram
from .verified import lift, lift_with_origins

__all__ = ["Line", "Program", "TensorProgram", "lift", "lift_with_origins"]
