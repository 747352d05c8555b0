"""The script that a lifted program is written in: the lines that it chooses, run on arrays of every layout."""

import numpy as np
import pytest

from autograd_core.lifting.script import Script

LAYOUTS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "turned": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "spaced": lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
    "cut": lambda a: np.pad(a, 2)[2:-2, 2:-2],
}


@pytest.mark.parametrize("result", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("shape", [(3, 4, 5), (130, 3, 140)], ids=["small", "large"])
def test_a_product_is_written_as_what_suits_its_arrays(shape, left, right, result):
    """By `dot` where the result is small or BLAS cannot read an operand, by `matmul` into large or strided results."""
    rng, (m, k, n) = np.random.default_rng(0), shape
    a, b, out = LAYOUTS[left](rng.normal(size=(m, k))), LAYOUTS[right](rng.normal(size=(k, n))), LAYOUTS[result](np.empty((m, n)))
    script = Script()
    script.begin("forward")
    script.call(np.dot, a, b, out)
    line = script.sections["forward"][0][0]
    readable = not {"spaced", "turned"} & {left, right}
    by_matmul = result != "C" or (shape[0] > 100 and readable)
    assert (".dot(" not in line) == by_matmul
    exec(line, dict(script.bound))
    np.testing.assert_allclose(out, np.asarray(a) @ np.asarray(b), rtol=1e-12, atol=1e-12)
