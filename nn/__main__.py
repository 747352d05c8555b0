"""`python -m nn`: the demo; `python -m nn train …` and `python -m nn predict …`: the command line."""

from __future__ import annotations

import sys

__all__: list[str] = []

if __name__ == "__main__":
    from autograd_core.viz import adapt

    from .cli import run

    adapt()
    sys.exit(run(sys.argv[1:]))
