"""Reverse-mode automatic differentiation that you can see and understand.

A tour. `Value` is a Python float and `Tensor` a NumPy array; both remember how they were computed, and `backward()` applies
the chain rule from a result down to everything that it was made of.

>>> x, w = Value(3.0, label="x"), Value(2.0, label="w")
>>> y = (w * x).tanh()
>>> y.backward()
>>> w.grad == x.data * (1 - y.data**2)
True

NumPy's functions work on both, so code written for NumPy is differentiated as it stands. `grad` and its relatives take
functions to functions, and nest:

>>> grad(grad(lambda x: x**3 * sin(x)))(0.0)
0.0

`draw(y)` shows the graph and `explain(y)` the chain rule step by step; `check_grads` compares gradients with numbers;
`lift` finds the matrix products in a scalar graph. An operation is one entry in a table (`Op`): declare one of your own and
all of this works on it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import elementwise, products, structural  # noqa: F401  (importing them fills the table)
from .arranging import array
from .functions import *  # noqa: F403
from .functions import __all__ as _functions
from .modes import detect_anomaly, no_grad
from .op import TABLE, Interval, Op, freeze, operation
from .tensor import Tensor, linear
from .value import Value, weighted_sum

if TYPE_CHECKING:
    from . import strategies
    from .check import check_grads
    from .check_entries import check_op
    from .lifting import Program, lift
    from .scope import record_call, record_innermost
    from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
    from .viz.draw import draw
    from .viz.explain import explain

__version__ = "0.1.0"

__all__ = [
    "TABLE",
    "Interval",
    "Op",
    "Program",
    "Tensor",
    "Value",
    "array",
    "check_grads",
    "check_op",
    "detect_anomaly",
    "draw",
    "explain",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "lift",
    "linear",
    "no_grad",
    "operation",
    "record_call",
    "record_innermost",
    "strategies",
    "value_and_grad",
    "vjp",
    "weighted_sum",
]
__all__ += _functions  # noqa: PLE0605

_LAZY = {
    "check_grads": "check",
    "check_op": "check_entries",
    "draw": "viz",
    "explain": "viz",
    "lift": "lifting",
    "Program": "lifting",
    "record_call": "scope",
    "record_innermost": "scope",
    "strategies": "strategies",
    **dict.fromkeys(("grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"), "transforms"),
}
freeze()


if not TYPE_CHECKING:                          # type checkers see the imports above, and mistyped names

    def __getattr__(name: str) -> Any:
        """Import a module that recording and backward passes do without, when something of it is first asked for."""
        if name not in _LAZY:
            raise AttributeError(f"module 'autograd_core' has no attribute {name!r}{_instead_of(name)}", name=name)
        module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
        globals()[name] = value = module if name == _LAZY[name] else getattr(module, name)
        return value

    def _instead_of(name: str) -> str:
        """What is probably meant by a name that is not here: NumPy's function of that name, or a misspelt name of ours."""
        if name.startswith("_"):
            return ""                          # what tools ask of every module
        from difflib import get_close_matches

        import numpy as np

        from .elsewhere import NAMES
        from .protocols import NUMPY, UFUNCS

        theirs = getattr(np, name, None)
        if name in NAMES:
            return f"; here it is written {NAMES[name]}"
        if callable(theirs) and (theirs in NUMPY or theirs in UFUNCS):
            return f"; NumPy's own np.{name} takes Values and Tensors"
        found = get_close_matches(name, __all__, 1, 0.75)
        return f"; did you mean {found[0]}?" if found else ""


def __dir__() -> list[str]:
    """The public names, the lazy ones too."""
    return sorted(__all__)
