"""Lifting: a recorded scalar graph becomes a short array program (see `program`, and each room for its idea)."""

from .program import Program, lift

__all__ = ["Program", "lift"]
