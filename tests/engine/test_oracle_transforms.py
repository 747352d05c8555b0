"""Transforms against those of `torch.func`: by which arguments, on which structures, of which results, one in another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_core import grad, hessian, hvp, jacobian, jvp, no_grad, value_and_grad, vjp

torch = pytest.importorskip("torch", reason='the differential tests need PyTorch: pip install "autograd-core[bench]"')
func = torch.func

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")]     # its own, where it loads what jvp needs
RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=3), RNG.normal(size=(3, 5)), np.array(0.7)
MODEL = {"w": Y, "b": [X, Z], "a": (X,)}


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: mapped(f, value) for key, value in tree.items()}
    return type(tree)(mapped(f, item) for item in tree) if isinstance(tree, (list, tuple)) else f(tree)


def theirs_of(tree: Any) -> Any:
    return mapped(lambda leaf: torch.tensor(leaf, dtype=torch.float64), tree)


def assert_same(mine: Any, theirs: Any) -> None:
    """Structures of one kind, in one order, with arrays of one shape and the same numbers."""
    if isinstance(theirs, (dict, list, tuple)):
        assert type(mine) is type(theirs) and len(mine) == len(theirs)
        if isinstance(theirs, dict):
            assert list(mine) == list(theirs)
            mine, theirs = mine.values(), theirs.values()
        for a, b in zip(mine, theirs, strict=True):
            assert_same(a, b)
    else:
        assert np.shape(mine) == tuple(theirs.shape)
        np.testing.assert_allclose(mine, theirs.numpy(force=True), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("argnums", [0, 1, -1, (0,), (1,), (0, 1), (1, 0)], ids=str)
def test_by_which_arguments(argnums: Any) -> None:
    at = (X, Y)
    there = theirs_of(at)

    def scalar(a: Any, b: Any) -> Any:
        return ((a @ b) ** 3).sum() * a.sum()

    assert_same(grad(scalar, argnums)(*at), func.grad(scalar, argnums)(*there))
    gradient, value = func.grad_and_value(scalar, argnums)(*there)
    assert_same(value_and_grad(scalar, argnums)(*at), (value, gradient))
    for results in (lambda a, b: a @ b, lambda a, b: {"q": a @ b, "p": [a * 2, (b * b).sum()]}, lambda a, b: (b[:0], a)):
        assert_same(jacobian(results, argnums)(*at), func.jacrev(results, argnums)(*there))
    positive = tuple(n % 2 for n in argnums) if isinstance(argnums, tuple) else argnums % 2     # torch's takes the last for the first, twice
    assert_same(hessian(scalar, argnums)(*at), func.hessian(scalar, positive)(*there))


def energy(model: Any) -> Any:
    total = (model["w"] ** 2).sum() * model["b"][1]
    for i, part in enumerate(model.values()):              # in the order of the dictionary, whatever that is
        first = part if hasattr(part, "shape") else part[0]
        total = total * 0.5 + (i + 1) * (first * first * first).sum()
    return total + (model["b"][0] * model["a"][0]).sum()


def parts(model: Any) -> Any:
    return {"z": model["w"] * model["b"][1], "a": [model["b"][0] ** 2, (model["a"][0].sum(),)]}


def test_structures() -> None:
    there = theirs_of(MODEL)
    assert_same(grad(energy)(MODEL), func.grad(energy)(there))
    assert_same(hessian(energy)(MODEL), func.hessian(energy)(there))
    assert_same(jvp(energy, (MODEL,), (MODEL,)), func.jvp(energy, (there,), (there,)))
    assert_same(hvp(energy, (MODEL,), (MODEL,)), func.jvp(func.grad(energy), (there,), (there,))[1])
    assert_same(jacobian(parts)(MODEL), func.jacrev(parts)(there))
    (out, pull), (expected, theirs_pull) = vjp(parts, MODEL), func.vjp(parts, there)
    assert_same(out, expected)
    cotangent = {"z": 2.0 * Y, "a": [X, (np.array(3.0),)]}
    for _ in range(2):                                     # a pull-back may be called again
        assert_same(pull(cotangent), theirs_pull(theirs_of(cotangent)))


def test_what_else_a_function_gives() -> None:
    there = theirs_of(X)

    def both(a: Any) -> Any:
        return (a**3).sum(), {"twice": a * 2, "list": [a.sum()]}

    gradient, aux = func.grad(both, has_aux=True)(there)
    assert_same(grad(both, has_aux=True)(X), (gradient, aux))
    assert_same(value_and_grad(both, has_aux=True)(X), (both(there), gradient))
    assert_same(jacobian(lambda a: (a**2, a * 3), has_aux=True)(X), func.jacrev(lambda a: (a**2, a * 3), has_aux=True)(there))
    assert_same(jvp(both, (X,), (X,), has_aux=True), func.jvp(both, (there,), (there,), has_aux=True))
    out, pull, mine = vjp(both, X, has_aux=True)
    assert_same((out, mine), both(there))
    assert_same(pull(np.array(2.0)), (2.0 * gradient,))


def through(m: Any, f: Any) -> dict[str, Callable[[Any], Any]]:
    """Transforms of transforms, of one library."""
    first, pull, push, rows = f["grad"], f["vjp"], f["jvp"], f["jacobian"]

    def quiet(a: Any) -> Any:
        with f["no_grad"]():
            return first(lambda b: (b**3).sum())(a)

    def apart(a: Any) -> Any:
        with f["no_grad"]():
            constant = a**2
        return (constant * a).sum()

    return {
        "grad of grad": lambda a: first(lambda b: first(lambda c: (m.sin(c) ** 3).sum())(b).sum())(a),
        "grad of vjp": lambda a: first(lambda b: pull(m.sin, b)[1](b)[0].sum())(a),
        "vjp of grad": lambda a: pull(first(lambda b: (m.sin(b) ** 3).sum()), a)[1](a),
        "jvp of jvp": lambda a: push(lambda b: push(m.sin, (b,), (b * 2,))[1], (a,), (a,)),
        "jvp of grad": lambda a: push(first(lambda b: (m.sin(b) ** 3).sum()), (a,), (a,)),
        "grad of jvp": lambda a: first(lambda b: push(m.sin, (b,), (b * b,))[1].sum())(a),
        "jacobians": lambda a: rows(rows(lambda b: m.sin(b) * b.sum()))(a),
        "three jacobians": lambda a: rows(rows(rows(lambda b: m.sin(b) * b.sum())))(a),
        "hessian of a vector": lambda a: f["hessian"](lambda b: m.sin(b) * b.sum())(a),
        "grad of hessian": lambda a: first(lambda b: m.trace(f["hessian"](lambda c: (c**4).sum())(b)))(a),
        "a variable of the outer one": lambda a: first(lambda b: (b * first(lambda c: (b * c).sum())(a)).sum())(a),
        "no_grad around": quiet,
        "no_grad within": first(apart),
        "what does not depend": rows(lambda a: m.ones(2)),
        "what does not depend twice": f["hessian"](lambda a: a.sum()),
        "the argument itself": rows(lambda a: a),
        "the argument twice": lambda a: pull(lambda b: (b, b), a)[1]((a, a)),
        "nothing": lambda a: first(lambda b: b.sum())(a[:0]),
    }


MINE = through(np, {"grad": grad, "vjp": vjp, "jvp": jvp, "jacobian": jacobian, "hessian": hessian, "no_grad": no_grad})
THEIRS = through(torch, {"grad": func.grad, "vjp": func.vjp, "jvp": func.jvp, "jacobian": func.jacrev, "hessian": func.hessian, "no_grad": torch.no_grad})


@pytest.mark.parametrize("name", MINE)
def test_one_in_another(name: str) -> None:
    assert_same(MINE[name](X), THEIRS[name](theirs_of(X)))
