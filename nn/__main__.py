"""`python -m nn`: the demo; `python -m nn train …` and `python -m nn predict …`: the command line."""

from __future__ import annotations

import sys

__all__: list[str] = []

if __name__ == "__main__":
    from autograd_core.viz import as_command

    from .cli import run

    sys.exit(as_command(lambda: run(sys.argv[1:])))
