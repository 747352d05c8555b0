"""The command line: the demo, `train` and `predict`."""

from __future__ import annotations

__all__ = ["run"]


def run(arguments: list[str]) -> int:
    """Run a command; returns the exit code."""
    from .demo import main

    main()
    return 0
