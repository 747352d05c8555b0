"""Every public function with hostile input: the right answer or a clear error, never a crash, a hang or a wrong gradient."""

import inspect
import os
import zlib

import numpy as np
import pytest

import nn
from autograd_core import Tensor
from autograd_core.node import Node

from .hostile import LAYOUTS, NO_NUMBERS, NUMBERS
from .judge import Fault, nodes, run
from .recipes import DERIVED, LISTED, RECIPES, public_names

EVERYTHING = os.environ.get("HYPOTHESIS_PROFILE", "dev") != "dev"
"""The quick profile takes a third of the hostile inputs, another third for each argument."""

TEXTS = {"text array", "object array", "date array", "time array", "structured array", "list of str", "complex array", "list of None"}
TAKEN = {
    ("Tensor.grad", 0): {"None"},              # forget the gradient
    ("Value.grad", 0): {"None"},
    ("index", 0): {"None"},                    # a new axis
    ("index by arrays", 1): {"None"},
    ("np.clip", 1): {"None"},                  # no bound on this side
    ("np.clip", 2): {"None"},
    ("np.pad", 1): {"dict"},                   # widths by axis
    ("mod: operator, reflected", 0): {"str", "empty str", "str of a number", "bytes"},  # Python's formatting
    ("np.broadcast_arrays", 1): TEXTS,         # a constant comes back as it is
    ("np.meshgrid", 1): TEXTS,
    ("nn.init.rng_of", 0): {"None"},           # a fresh generator
    **{("nn.data.batches", slot): TEXTS for slot in (0, 1)},             # samples may be anything that has an order
    **{("nn.data.train_test_split", slot): TEXTS for slot in (0, 1)},
}
"""What is no number and is taken all the same, with the reason."""
ANYTHING = {("nn.Identity.forward", 0), ("nn.init.zeros", "rng"), ("nn.init.constant", "rng"), *(("index by slices", slot) for slot in range(3))}
USERS_OWN = {("check_grads", 1), ("nn.plot.decision_boundary", 0)}
"""Errors of a function of the user's are the user's, and pass through as they are."""


def number_slot(x):
    """Whether an argument is a number or an array of numbers, so that a text or an object there cannot be right."""
    return isinstance(x, (Node, np.ndarray, float, int)) and not isinstance(x, bool) and getattr(x, "dtype", np.dtype(float)).kind in "fiu"


def may_be_left_out(call, slot):
    """Whether None says that an argument is left out."""
    try:
        parameters = inspect.signature(call.function).parameters
    except (TypeError, ValueError):
        return True
    parameter = parameters.get(list(parameters)[slot] if isinstance(slot, int) and slot < len(parameters) else slot)
    return parameter is None or parameter.default is not parameter.empty or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def chosen(name, slot, kinds):
    """All kinds, or a third of them in the quick profile."""
    start = zlib.crc32(f"{name}{slot}".encode()) % 3
    return list(kinds.items()) if EVERYTHING else list(kinds.items())[start::3]


def check_hostile_arguments(name, make):
    """One argument after the other exchanged for every hostile thing; the number of calls."""
    calls = 0
    for slot in make().slots():
        for kind, other in chosen(name, slot, {**NO_NUMBERS, **NUMBERS}):
            call = make()
            sensible = call[slot]
            call[slot] = other()
            what = f"{name}: argument {slot} = {kind}"
            if (callable(call[slot]) and not number_slot(sensible) and not isinstance(sensible, nn.Module)) or (name, slot) in USERS_OWN or (name in NO_GRAPH and kind != "None"):
                continue                       # a function in place of a function: its errors are its own
            calls += 1
            if isinstance(run(call, what), Exception):
                continue
            plain = not any(nodes(thing) for thing in call.everything() if not isinstance(thing, nn.Module) or thing is sensible)
            if plain and (name in DERIVED or name.startswith("np.") or "complex" in kind):
                continue                       # nothing of ours is left: NumPy's answer is the answer
            forbidden = kind in NO_NUMBERS and (kind != "None" or not may_be_left_out(call, slot)) and kind not in {"masked array", *MAYBE}
            if number_slot(sensible) and forbidden and kind not in TAKEN.get((name, slot), ()) and (name, slot) not in ANYTHING:
                raise Fault(f"{what} was taken without a word")
    return calls


NO_GRAPH = {"Op cast"}
"""Where plain numbers go in, it is NumPy's cast with NumPy's warning."""
MAYBE = {"str of a number", "ellipsis", "slice", "ragged list", "list of None", "time array", "dict of numbers"}
"""What some function may well make sense of."""


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """What a call writes to a file named "nonsense" lands where it is swept up."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_hostile_arguments(name, count):
    count("hostile inputs", check_hostile_arguments(name, RECIPES[name]))


# ---------------------------------------------------------------------------------------------------- odd layouts
PLOTTED = {"fortran", "byte-swapped", "float32"}


def same(a, b, tolerance):
    """Whether two lists of arrays are the same numbers in the same shapes."""
    return len(a) == len(b) and all(
        x.shape == y.shape and (x.dtype.kind not in "fiub" or np.allclose(x.astype(float), y.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True))
        for x, y in zip(a, b)
    )


def array_slots(make):
    """The arguments that are arrays or tensors, and how to wrap an array in their place."""
    call = make()
    for slot in call.slots():
        x = call[slot]
        if isinstance(x, Tensor):
            yield slot, x.data.copy(), Tensor
        elif isinstance(x, np.ndarray) and x.dtype.kind in "fiu":
            yield slot, x.copy(), lambda odd: odd


def check_odd_layouts(name, make):
    """Every array argument in every layout: the value and gradients of a plain contiguous copy; the number of calls."""
    calls = 0
    for slot, plain, wrap in array_slots(make):
        for kind, (change, tolerance) in LAYOUTS.items():
            if (kind in OTHERS and "reflected" in name) or (kind in {"list", "tuple"} and name in TREES) or (name.startswith("nn.plot") and kind not in PLOTTED):
                continue
            odd = change(plain)
            usual = np.array(odd.data if isinstance(odd, Tensor) else odd, dtype=plain.dtype, order="C")
            call, reference = make(), make()
            reference[slot] = wrap(usual)
            expected = run(reference, f"{name}: argument {slot}, plain")
            if isinstance(odd, Tensor) and wrap is Tensor:
                continue
            call[slot] = wrap(odd)
            what = f"{name}: argument {slot} {kind}"
            found = run(call, what)
            calls += 2
            if isinstance(found, Exception):
                if isinstance(expected, Exception) or kind in REFUSED or "unsupported in linalg" in str(found):
                    continue
                raise Fault(f"{what} was refused: {found}")
            if isinstance(expected, Exception):
                raise Fault(f"{what} gave an answer where the plain array gives an error: {expected}")
            values, gradients = found
            if not same(values, expected[0], tolerance):
                raise Fault(f"{what}: gave {values}, expected {expected[0]}")
            if kind != "constant" and not same(gradients, expected[1], tolerance):
                raise Fault(f"{what}: gave the gradients {gradients}, expected {expected[1]}")
    return calls


REFUSED = {"list", "tuple", "constant", "longdouble"}
"""Some functions take nothing but arrays, and SciPy and LAPACK no long doubles: a clear error will do."""
OTHERS = {"matrix", "meddling subclass"}
"""The left operand of an operator is asked first, and these answer in their own way."""
TREES = ("grad", "value_and_grad", "jacobian", "hessian", "hvp", "jvp", "vjp")
"""A list is a structure here and no array."""


@pytest.mark.parametrize("name", [name for name, make in RECIPES.items() if any(array_slots(make))])
def test_odd_layouts(name, count):
    count("odd layouts", check_odd_layouts(name, RECIPES[name]))


# ------------------------------------------------------------------------------------------ nothing is forgotten
def test_every_public_name_is_fuzzed():
    missing = sorted(set(public_names()) - set(RECIPES))
    assert not missing, f"public names without a recipe: list {missing} in tests/fuzz/recipes.py with sensible arguments"


@pytest.mark.parametrize("name", RECIPES)
def test_the_sensible_arguments_are_sensible(name):
    out = run(RECIPES[name](), name)
    assert not isinstance(out, Exception) or name == "nn.Module.forward", out


def test_the_judge_sees_what_it_must_see():
    """A bare error of NumPy, a warning, a changed argument and an answer to nonsense are faults."""
    from .judge import Call

    x = np.ones(2)

    def writes(a):
        a[0] = 5.0
        raise nn.optim.OperandError("received this, expected that.")

    with pytest.raises(Fault, match="left its arguments changed"):
        run(Call(writes, [x]), "writes")
    with pytest.raises(Fault, match="not ours"):
        run(Call(lambda t: nn.Sequential(lambda _: {}["a"])(t), [Tensor([1.0])]), "bare")
    with pytest.raises(Fault, match="without a word"):
        check_hostile_arguments("takes all", lambda: Call(lambda a: [Tensor(1.0), 0][1], [x]))


def test_no_recipe_is_left_behind():
    names = {name.split(",")[0].split(" of ")[0].split(" by ")[0] for name in LISTED}
    known = set(public_names()) | {"index", "nn.SGD.dampening", *(n for n in names if n.endswith((".forward", "__contains__"))), "contains"}
    assert names <= known, f"recipes for names that are no longer public: {sorted(names - known)}"
