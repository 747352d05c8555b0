"""Random programs over the whole table, from `strategies.expressions`: values and gradients against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from autograd_core import TABLE, strategies, vjp
from autograd_core.op import built_in
from autograd_core.protocols import UFUNCS
from autograd_core.strategies import Program

torch = pytest.importorskip(
    "torch", reason='the differential tests need PyTorch: pip install "autograd-core[bench]"'
)
from .test_oracle_torch import BINARY, UNARY, torch_grads  # noqa: E402

pytestmark = pytest.mark.oracle


def operation_of(ours: Any, name: str) -> str:
    """The entry of the table that a row of the oracle is about."""
    return UFUNCS[ours].name if ours in UFUNCS else getattr(ours, "__name__", name)


THEIRS = {
    **{operation_of(ours, name): theirs for name, (ours, theirs, *_) in {**UNARY, **BINARY}.items()},
    "clip": lambda x: x * 1.0,  # without bounds
    "deg2rad": lambda x: torch.deg2rad(x),
    "floor_divide": lambda x, y: torch.floor(x / y),
    "fmod": lambda x, y: torch.fmod(x, y),
    "gap": lambda x, y: x - y,
    "identity": lambda x: x * 1.0,
    "mod": lambda x, y: torch.remainder(x, y),
    "strong_mul": lambda x, y: x * y,
}


def run_theirs(program: Program, leaves: list[Any]) -> Any:
    """The program, step by step, in PyTorch."""
    results = list(leaves)
    for name, slots in program.steps:
        results.append(THEIRS[name](*(results[i] for i in slots)))
    return results[-1]


def assert_equals_torch(program: Program) -> None:
    """Value and gradients for a cotangent of ones."""
    out, pull = vjp(program, *program.leaves)
    gradients = pull(np.ones(np.shape(out))[()] if np.ndim(out) else 1.0)
    leaves = [torch.tensor(leaf, dtype=torch.float64, requires_grad=True) for leaf in program.leaves]
    theirs = run_theirs(program, leaves)
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-9, atol=1e-11)
    for mine, other in zip(gradients, torch_grads(theirs, leaves, torch.ones_like(theirs)), strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_every_operation_that_programs_use_has_a_counterpart() -> None:
    """A new entry of the table must be told what PyTorch calls it."""
    used = {op.name for op in strategies.smooth() if built_in(op.name)}
    assert used <= set(THEIRS), f"name the function of PyTorch for {sorted(used - set(THEIRS))}"


@given(program=strategies.expressions(ops=[TABLE[name] for name in THEIRS if name in TABLE]))
def test_programs_on_numbers(program: Program, count: Any) -> None:
    """Floats."""
    assert_equals_torch(program)
    count("random programs against PyTorch")


@given(program=strategies.expressions(ops=[TABLE[name] for name in THEIRS if name in TABLE], shape=(2,), max_steps=6))
def test_programs_on_arrays(program: Program, count: Any) -> None:
    """Arrays."""
    assert_equals_torch(program)
    count("random programs against PyTorch")
