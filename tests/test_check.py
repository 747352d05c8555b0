"""The checker at points where numbers are hard to come by, and with functions and operations that are not what they should be."""

import math

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Interval, Op, Value, check_grads, check_op
from autograd_core.check import GradientCheckError
from autograd_core.errors import AutogradError, OperandError, RuleError
from autograd_core.report import WIDTH
from autograd_core.strategies import smooth


def noise(x, size):
    """The same random number for the same x, which no derivative follows."""
    x = getattr(x, "data", x)
    if isinstance(x, complex):
        raise TypeError("no complex numbers")
    return size * np.random.default_rng(np.float64(x).view(np.uint64)).normal()


PASSES = {
    **{f"a square at {x:g}": (lambda x: x * x, x) for x in (0.0, 1e-9, 1e-6, 1.0, 1e3, 1e150)},
    "a cube at 0": (lambda x: x**3, 0.0),
    "a fourth power near 0": (lambda x: x**4, 1e-8),
    "a huge slope": (lambda x: 1e8 * x, 0.3),
    "a huge offset": (lambda x: 1e8 + ag.sin(x), 0.3),
    "huge numbers": (lambda x: 1e300 * x * x, 0.3),
    "tiny numbers": (lambda x: 1e-200 * x * x, 0.3),
    "a steep exponential": (lambda x: ag.exp(20.0 * x), 1.5),
    "a fast oscillation": (lambda x: ag.sin(1e5 * x), 0.5),
    "a large argument": (lambda x: ag.sin(x), 1e6),
    "a logarithm near 0": (lambda x: ag.log(x), 1e-9),
    "a root near 0": (lambda x: ag.sqrt(x), 1e-12),
    "a pole near by": (lambda x: 1.0 / x, 1e-8),
    "an arcsine near its edge": (lambda x: ag.arcsin(x), 1.0 - 1e-6),
    "an edge with a slope": (lambda x: x**2.5, 0.0),
    "saturation": (lambda x: ag.sigmoid(x), 40.0),
    "saturation to second order": (lambda x: ag.tanh(x), 11.0),
    "a constant": (lambda x: 3.0, 1.0),
    "an integer": (lambda x: x * x, 2),
    "integers": (lambda x: (x * x).sum(), np.array([1, 2])),
    "no elements": (lambda x: x.sum(), np.zeros((0, 3))),
    "no complex numbers": (lambda x: x * x if isinstance(x, (Value, float)) else 1 / 0, 0.5),
    "a tree": (lambda p: {"a": p["w"] * 2.0, "b": [p["b"], p["w"].sum()]}, {"w": np.ones(2), "b": 0.5}),
    **{f"noise of {a:g}": (lambda x, a=a: x * x + noise(x, a), 0.5) for a in (1e-6, 1e-9, 1e-12)},
    "a kink 1e-9 away": (lambda x: ag.abs(x - 1e-9), 0.0),
    "a kink 1e-5 away": (lambda x: ag.abs(x - 1e-5), 0.0),
    "a step 1e-9 away": (lambda x: np.floor(x) + x, 1.0 + 1e-9),
}
SPECIAL = {
    "a kink": (lambda x: ag.abs(x), 0.0, "kink"),
    "a tie": (lambda x: np.max(x), np.array([1.0, 1.0, 0.0]), "kink"),
    "ties in a sort": (lambda x: np.sort(x) * np.arange(3.0), np.array([1.0, 1.0, 0.0]), "kink"),
    "a norm at 0": (lambda x: np.linalg.norm(x), np.zeros(3), "kink"),
    "a jump": (lambda x: ag.step(x) + x * x, 0.0, "jump"),
    "a jump between equal slopes": (lambda x: np.sign(x), 0.0, "a jump"),
    "a floor": (lambda x: np.floor(x) + x, 1.0, "jump"),
    "a vertical tangent": (lambda x: np.cbrt(x), 0.0, "vertical"),
    "an edge": (lambda x: ag.sqrt(x), 0.0, "vertical tangent at the edge"),
    "an arcsine at its edge": (lambda x: ag.arcsin(x), 1.0, "vertical tangent at the edge"),
    "nan": (lambda x: ag.log(x), -1.0, "nan here"),
    "infinity": (lambda x: ag.exp(x), 1000.0, "inf here"),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_right_gradient_passes(name):
    f, x = PASSES[name]
    report = check_grads(f, (x,))
    assert report.failures == []
    if "kink" not in name:
        assert report.kinks == []


@pytest.mark.parametrize("name", SPECIAL)
def test_a_special_point_is_named(name):
    f, x, what = SPECIAL[name]
    report = check_grads(f, (x,))
    assert report.failures == []
    assert any(what in c.note for c in report.kinks), str(report)


def wrong(kernel, rule):
    return Op(name="wrong", array=kernel, scalar=kernel, d=(rule,), numpy=(len,), replace=True)


FAILS = {
    **{f"five times too large at {x:g}": (lambda x: x * x, lambda m, out, x: 10.0 * x, x, 1) for x in (1e-9, 1e-6, 1.0, 1e3)},
    "off by 1e-8 where the slope is 0": (lambda x: x * x, lambda m, out, x: 2.0 * x + 1e-8, 0.0, 1),
    "off by 1e-5": (np.sin, lambda m, out, x: m.cos(x) + 1e-5, 0.3, 1),
    "five times 1e-12": (lambda x: 1e-12 * x, lambda m, out, x: 5e-12 + 0.0 * x, 0.3, 1),
    "second order dropped": (np.tanh, lambda m, out, x: m.data(1.0 - out * out), 0.5, 2),
    **{f"wrong {d:g} beside a kink": (np.abs, lambda m, out, x: 0.5 * m.sign(x), d, 1) for d in (1e-9, 1e-7, 1e-4, 0.1)},
    "beyond the slopes of a kink": (np.abs, lambda m, out, x: 1.5 + 0.0 * x, 0.0, 1),
}


@pytest.mark.parametrize(
    ("name", "modes"), [(name, mode) for name in FAILS for mode in (("rev",), ("fwd",)) if not (mode == ("fwd",) and "slopes of a kink" in name)]
)  # forward mode is checked beside a kink, not on it
def test_a_wrong_gradient_fails(name, modes, count):
    kernel, rule, x, order = FAILS[name]
    f = wrong(kernel, rule)
    try:
        count("mutants planted")
        with pytest.raises(GradientCheckError):
            check_grads(f, (x,), order=order, modes=modes)
        count("mutants caught")
    finally:
        f.forget()


def test_forward_mode_is_checked_beside_a_kink():
    f = wrong(np.square, lambda m, out, x: 3.0 * x)
    try:
        with pytest.raises(GradientCheckError, match="forward"):
            check_grads(lambda x, y: f(x) + ag.abs(y), (0.5, 0.0), modes=("fwd",))
    finally:
        f.forget()


@pytest.mark.parametrize(("f", "args", "text"), [
    (lambda x: x * np.random.default_rng().normal(), (0.5,), "for the same arguments"),
    (lambda x: None, (0.5,), "returned None"),
    (lambda x: "a", (0.5,), "the result of the function='a'"),
    (lambda: 1.0, (), "no arguments"),
    (lambda x: x.sum(), (np.array([True]),), "condition"),
    (lambda x: x.sum(), (np.ones(2, np.float16),), "float64"),
    (lambda x: x.sum(), (["a"],), "real numbers"),
    ("f", (1.0,), "a function"),
    (lambda x: x, 1.0, r"args=1.0, expected a tuple or a list\.$"),
])
def test_what_cannot_be_checked_is_refused(f, args, text):
    with pytest.raises(AutogradError, match=text):
        check_grads(f, args)


@pytest.mark.parametrize("op", [op for op in smooth() if len(op.d) == 1], ids=lambda op: op.name)
def test_there_is_no_false_alarm(op):
    """At any number: where kernels take complex numbers and mean something else by them, and where numbers run out."""
    for x in np.linspace(-29.7, 29.7, 23).tolist():
        assert check_grads(lambda x: op(x), (x,)).failures == []


class TestSamples:
    """A few elements one by one, and all of them together along a random direction."""

    def test_a_sample_and_one_direction_are_compared(self):
        args = ({"w": np.ones((20, 30)), "b": 0.5}, np.linspace(0.0, 1.0, 30))
        report = check_grads(lambda p, x: np.tanh(p["w"] @ x + p["b"]), args, sample=10)
        assert len(report.comparisons) == 2 * (10 + 2)
        assert len({(c.argument, c.index) for c in report.comparisons if c.what == "reverse"}) == 11
        assert str(next(c for c in report.comparisons if c.argument == -1)).startswith("reverse  in a random direction")
        assert len(check_grads(lambda x: x * x, (np.ones(3),), order=1, sample=3).comparisons) == 4      # all: no sample is drawn

    @pytest.mark.parametrize("name", [n for n in PASSES if n not in ("a constant", "no elements", "a tree", "integers", "no complex numbers", "an edge with a slope") and "noise" not in n and "away" not in n])
    def test_right_gradients_pass(self, name):
        f, x = PASSES[name]
        report = check_grads(lambda x: f(x), (np.full(4, float(x)),), sample=1)
        assert [c.argument for c in report.comparisons].count(-1) == 4

    @pytest.mark.parametrize("mode", ["rev", "fwd"])
    @pytest.mark.parametrize("place", [0, 617, 999])
    def test_one_wrong_element_of_a_thousand_fails_wherever_it_is(self, place, mode, count):
        def rule(m, out, x):
            here = np.zeros(1000)
            here[place] = 0.01
            return m.cos(x) + here

        f = wrong(np.sin, rule)
        try:
            count("mutants planted")
            with pytest.raises(GradientCheckError, match="in a random direction"):
                check_grads(f, (np.linspace(-1.0, 1.0, 1000),), order=1, modes=(mode,), sample=3, seed=1)
            count("mutants caught")
        finally:
            f.forget()

    def test_a_kink_on_the_way_is_named(self):
        x = np.array([0.0, *range(1, 100)], float)
        report = check_grads(lambda x: ag.abs(x), (x,), order=1, sample=2)
        assert [c.note[:6] for c in report.comparisons if c.argument == -1] == ["a kink", "a kink"]

    def test_it_is_a_number(self):
        for sample in (0, -1, 2.5, "all"):
            with pytest.raises(OperandError, match="sample="):
                check_grads(lambda x: x * x, (np.ones(3),), sample=sample)


def test_a_bar_where_one_is_asked_for(capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    check_grads(lambda x: x * x, (np.ones(30),), progress=True)
    assert "60/60" in capsys.readouterr().err
    check_grads(lambda x: x * x, (np.ones(30),))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("f", [lambda x: None if isinstance(x, np.ndarray) else x, lambda x: (x, x) if isinstance(x, np.ndarray) else x, lambda x: x.sum() if isinstance(x, np.ndarray) else x])
def test_a_function_that_asks_what_its_argument_is_is_named(f):
    with pytest.raises(OperandError, match=r"check_grads: the function gives .* for plain arrays and results of shape \(3,\) for differentiable ones"):
        check_grads(f, (np.ones(3),))


def test_a_function_that_drops_imaginary_parts_is_checked_without_a_warning(recwarn):
    assert check_grads(lambda x: x * np.histogram(x)[0].sum(), (np.array([0.5, 1.5]),)).failures == []
    assert not recwarn.list


def test_an_argument_without_influence_is_named():
    report = check_grads(lambda x, y: x * x, (2.0, np.ones(3)))
    assert report.unused == [1]
    assert "every derivative by argument 1 is 0, by rule and by number: does the function use it?" in str(report)
    assert check_grads(lambda x, y: x * y, (2.0, np.ones(3))).unused == []
    assert check_grads(lambda x: ag.abs(x), (0.0,)).unused == []        # at a kink 0 is a convention


def test_a_report_fits_a_cell_of_a_notebook():
    f = wrong(np.square, lambda m, out, x: 2.0000123456789 * x)
    try:
        report = check_grads(lambda x: f(x) + ag.abs(x), (-np.array([[[1.2345678e-7, 0.0, 123456.789]]]),), raises=False)
        assert report.failures and report.kinks
        assert max(map(len, str(report).split("\n"))) <= WIDTH == 100
        with pytest.raises(GradientCheckError) as caught:
            check_op(f)
        assert max(map(len, str(caught.value).split("\n"))) <= WIDTH
    finally:
        f.forget()


# ------------------------------------------------------------------------------------------ operations of a user's
def declared(**entry):
    return Op(name="users_own", replace=True, numpy=(len,), **entry)


def putting_aside(x, *, saved=None):
    if saved is not None:
        saved["kept"] = x, 2.0 * x
    return x * x


GOOD = {
    "what was put aside, for the operand that the kernel saw": lambda: declared(
        array=putting_aside, d=(lambda m, out, x, *, saved=None: saved["kept"][1] if saved and saved["kept"][0] is x else 2.0 * x,)),
    "structural, with parameters": lambda: declared(
        array=lambda x, *, axis=0: np.flip(x, axis), vjp=(lambda m, g, out, x, *, axis=0: m.index(g, key=(slice(None),) * axis + (slice(None, None, -1),)),),
        samples=lambda rng: [((rng.normal(size=(2, 3)),), {"axis": axis}) for axis in (0, 1)]),
    "structural, of two operands": lambda: declared(
        array=lambda x, y: x @ y.T, vjp=(lambda m, g, out, x, y: m.matmul(g, y), lambda m, g, out, x, y: m.matmul(m.transpose(g), x)),
        samples=lambda rng: [((rng.normal(size=(2, 3)), rng.normal(size=(4, 3))), {})]),
    "structural, one operand without a derivative": lambda: declared(
        array=lambda x, y: x * y, vjp=(lambda m, g, out, x, y: g * y, None), samples=lambda rng: [((rng.normal(size=3), rng.normal(size=3)), {})]),
    "elementwise, with a parameter": lambda: declared(array=lambda x, *, k=2.0: np.tanh(k * x), d=(lambda m, out, x, *, k=2.0: k * (1.0 - out * out),)),
    "elementwise, of three operands": lambda: declared(
        array=lambda x, y, z: x * y + z, d=(lambda m, out, x, y, z: y, lambda m, out, x, y, z: x, lambda m, out, x, y, z: 1.0)),
    "with a domain": lambda: declared(array=lambda x: np.log(x) / x, d=(lambda m, out, x: (1.0 / x - out) / x,), domain=(Interval(0.1, 3.0),)),
    "with a kink": lambda: declared(
        array=lambda x: np.where(x > 1.0, x, x * x), d=(lambda m, out, x: m.where(x > 1.0, 1.0, 2.0 * x),), domain=(Interval(-3.0, 3.0, avoid=(1.0,)),)),
    "by a decorator": lambda: ag.operation(d=lambda m, out, x: 1.0 / m.square(1.0 + m.abs(x)))(softsign),
}
BAD = {
    "what was put aside, whatever is asked": (lambda: declared(
        array=putting_aside, d=(lambda m, out, x, *, saved=None: saved["kept"][1] if saved else 2.0 * x,)), GradientCheckError, "reverse, then reverse"),
    "a wrong number put aside": (lambda: declared(
        array=putting_aside, d=(lambda m, out, x, *, saved=None: 1.01 * saved["kept"][1] if saved and saved["kept"][0] is x else 2.0 * x,)), GradientCheckError, "by rule"),
    "a parameter forgotten in the rule": (lambda: declared(
        array=lambda x, *, k=2.0: np.tanh(k * x), d=(lambda m, out, x, *, k=2.0: 1.0 - out * out,)), GradientCheckError, "by rule"),
    "a parameter forgotten by a pull-back": (lambda: declared(
        array=lambda x, *, k=2.0: k * np.cumsum(x), vjp=(lambda m, g, out, x, *, k=2.0: m.index(m.cumsum(m.index(g, key=slice(None, None, -1)), axis=0), key=slice(None, None, -1)),),
        samples=lambda rng: [((rng.normal(size=3),), {"k": 3.0})]), GradientCheckError, r"users_own\(\(3,\)\)\{'k': 3.0\}"),
    "kernels that differ": (lambda: declared(array=np.square, scalar=lambda x: x**3, d=(lambda m, out, x: 2.0 * x,)), GradientCheckError, "kernels"),
    "float32 made float64": (lambda: declared(array=lambda x: x * np.float64(2.0) if np.ndim(x) else 2.0 * x, d=(lambda m, out, x: 2.0,)), GradientCheckError, "float32"),
    "a structural one without samples": (lambda: declared(array=np.sum, vjp=(lambda m, g, out, x: g * m.data(x),)), OperandError, "samples="),
    "a gradient of the wrong shape": (lambda: declared(
        array=lambda x: np.sum(x, axis=0), vjp=(lambda m, g, out, x: g,), samples=lambda rng: [((rng.normal(size=(2, 3)),), {})]), (GradientCheckError, ValueError), "shape"),
    "NumPy's function in place of the algebra's": (lambda: declared(array=np.sin, d=(lambda m, out, x: np.cos(x),)), GradientCheckError, r"operand 0 cannot be read with symbols.*m\.cos\(x\)"),
    "a function of math": (lambda: declared(array=np.sin, d=(lambda m, out, x: math.cos(x),)), GradientCheckError, r"operand 0 cannot be read with symbols.*m\.cos\(x\)"),
    "an if": (lambda: declared(array=np.abs, d=(lambda m, out, x: 1.0 if x > 0 else -1.0,)), GradientCheckError, r"m\.where in place of an if"),
    "a function that the algebra has not": (lambda: declared(array=np.sin, d=(lambda m, out, x: m.coss(x),)), GradientCheckError, r"'coss' is none of them \(cos"),
    "one that a pull-back asks for": (lambda: summed(lambda m, g, out, x: m.outer(g, x)), GradientCheckError, "'outer' is none of them.*operations"),
    "options by position": (lambda: declared(array=np.square, d=(lambda m, out, x: m.clip(x, 0.0, 1.0),)), GradientCheckError, "options by name"),
    "a rule that writes into its operand": (lambda: declared(array=np.square, d=(writes,)), GradientCheckError, "writes into its operand 0"),
    "one that writes into it before it uses it": (lambda: declared(array=np.square, d=(lambda m, out, x: in_place(x),)), GradientCheckError, "writes into its operand 0"),
    "a rule that writes into the result": (lambda: declared(array=np.exp, d=(lambda m, out, x: in_place(out) / 2.0,)), GradientCheckError, "writes into its result"),
    "a pull-back that writes into the gradient": (lambda: summed(lambda m, g, out, x: in_place(g) * x), GradientCheckError, "writes into the incoming gradient"),
    "a rule that gives None": (lambda: declared(array=np.square, d=(lambda m, out, x: None,)), GradientCheckError, r"gave None, expected a real number, or an array that broadcasts to the shape \(\)"),
    "a complex rule": (lambda: declared(array=np.square, d=(lambda m, out, x: 2j * x,)), GradientCheckError, "gave a complex"),
    "a pull-back that gives a list": (lambda: summed(lambda m, g, out, x: [1.0, 2.0, 3.0]), GradientCheckError, r"test_check.py, line \d+\) gave a list, expected real numbers of the shape \(3,\)"),
    "a pull-back of another shape": (lambda: summed(lambda m, g, out, x: np.ones(7)), GradientCheckError, r"gave an array of shape \(7,\), expected real numbers of the shape \(3,\)"),
    "a partial with more axes than the result": (lambda: declared(array=np.square, d=(lambda m, out, x: 2.0 * x * np.ones((2, 1)) if m.shape(x) else 2.0 * x,)), GradientCheckError, r"gave an array of shape \(2, 3\)"),
    "a variadic rule with an entry too few": (lambda: declared(array=lambda *x: sum(x), d=(lambda m, out, *x: (1.0,),), variadic=True), GradientCheckError, "gave a tuple, expected a tuple with an entry for each of 3 operands"),
    "a rule that raises": (lambda: summed(lambda m, g, out, x: {}["a"]), GradientCheckError, "raised KeyError: 'a'"),
    "a kernel that takes no arrays": (lambda: declared(array=math.sin, d=(lambda m, out, x: m.cos(x),)), GradientCheckError, r"raised TypeError for operands of shape \(3,\).*np\.sin\(x\), not math"),
    "a kernel that takes no numbers": (lambda: declared(array=lambda x: x[..., ::-1][..., ::-1], d=(lambda m, out, x: 1.0,)), GradientCheckError, r"raised IndexError for operands of shape \(\)"),
    "a kernel that gives two results": (lambda: declared(array=lambda x: (x, x), d=(lambda m, out, x: 1.0,)), GradientCheckError, "expected one array of real numbers"),
    "a kernel that gives complex numbers": (lambda: declared(array=lambda x: 1j * x, d=(lambda m, out, x: 1.0,)), GradientCheckError, "expected one array of real numbers"),
    "an elementwise kernel that changes the shape": (lambda: declared(array=lambda x: np.sum(x), d=(lambda m, out, x: 1.0,)), GradientCheckError, r"gives shape \(\) for operands of shape \(3,\), expected \(3,\).*vjp="),
    "a kernel that looks at memory": (lambda: declared(array=lambda x: np.asarray(x).base[:3] * 1.0 if np.asarray(x).base is not None else x * 1.0, d=(lambda m, out, x: 1.0,)), GradientCheckError, "every second element"),
    "a kernel that draws random numbers": (lambda: declared(array=lambda x: x * np.random.default_rng().normal(), d=(lambda m, out, x: out / x,)), GradientCheckError, "does it look at memory, or draw random numbers"),
    "a promise to fit, of a rule that leaves broadcasting to be undone": (lambda: declared(
        array=np.multiply, d=(lambda m, out, x, y: y, lambda m, out, x, y: x), fits=True), GradientCheckError, r"promises with fits=True .* operand 1 gave shape \(2, 3\)"),
    "a promise to fit, of a rule that hands out a view": (lambda: declared(
        array=lambda x: x.T + 0.0, vjp=(lambda m, g, out, x: m.transpose(g),), fits=True, samples=lambda rng: [((rng.normal(size=(2, 3)),), {})]),
        GradientCheckError, "gave memory that is not its own"),
    "a promise to fit, of a rule that forgets the dtype": (lambda: declared(
        array=np.square, d=(lambda m, out, x: np.float64(2.0) * x,), fits=True), GradientCheckError, "gave shape .*, float64, expected .* float32"),
    "a way to add that adds something else": (lambda: declared(
        array=lambda x: x[1:], vjp=(lambda m, g, out, x: m.scatter(g, key=slice(1, None), shape=m.shape(x)),), samples=lambda rng: [((rng.normal(size=3),), {})],
        adds=lambda buffer, g: buffer.__setitem__(slice(1, None), g)), GradientCheckError, "expected a new array of what adds= adds to a buffer"),
    "a way to add, and a pull-back that hands out a view": (lambda: declared(
        array=lambda x: x[::-1] + 0.0, vjp=(lambda m, g, out, x: g[::-1],), samples=lambda rng: [((rng.normal(size=3),), {})],
        adds=lambda buffer, g: np.add(buffer, g[::-1], out=buffer)), GradientCheckError, "gave memory that is not its own"),
    "a kernel with one array for all results": (lambda: declared(array=in_a_buffer(np.square), d=(lambda m, out, x: 2.0 * x,)), GradientCheckError, "the result of the call before"),
    "a structural kernel with one": (lambda: declared(
        array=in_a_buffer(lambda x: x[::-1]), vjp=(lambda m, g, out, x: m.index(g, key=slice(None, None, -1)),), samples=lambda rng: [((rng.normal(size=3),), {})]),
        GradientCheckError, "the result of the call before"),
    "a pull-back with one array for all gradients": (lambda: summed(lambda m, g, out, x: BUFFERED(g * x) if isinstance(x, np.ndarray) else g * x), GradientCheckError, "operand 0 writes into what it"),
    "a kernel that writes into its operand": (lambda: declared(array=lambda x: np.multiply(x, 2.0, out=x), scalar=lambda x: 2.0 * x, d=(lambda m, out, x: 2.0,)), GradientCheckError, "writes into"),
}  # fmt: skip


def in_a_buffer(function):
    """The same function, whose results of one shape and dtype are all one array."""
    buffers = {}

    def buffered(x):
        result = np.asarray(function(x))
        buffer = buffers.setdefault((result.shape, result.dtype), np.empty_like(result))
        buffer[...] = result
        return buffer

    return buffered


BUFFERED = in_a_buffer(lambda x: x)


def summed(rule):
    """Half the sum of squares, by a pull-back of x that is to be given."""
    return declared(array=lambda x: 0.5 * np.sum(x * x), vjp=(rule,), samples=lambda rng: [((rng.normal(size=3),), {})])


def in_place(x):
    if isinstance(x, np.ndarray):
        x *= 2.0
        return x
    return 2.0 * x


def softsign(x):
    "x / (1 + |x|)."
    return x / (1.0 + abs(x))


def writes(m, out, x):
    if isinstance(x, np.ndarray) and x.ndim:
        x += 1.0
    return 2.0 * x


@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("which", [0, 1])
def test_a_rule_that_is_wrong_in_an_eighth_of_its_domain_is_caught(part, which, count):
    low = -4.0 + part

    def wrong_there(m, out, x, y):
        there = (x, y)[which]
        return m.where((there > low) & (there < low + 1.0), 2.0, 1.0) * (y, x)[which]

    rules = [lambda m, out, x, y: y, lambda m, out, x, y: x]
    rules[which] = wrong_there
    op = declared(array=lambda x, y: x * y, d=tuple(rules))
    count("mutants planted")
    try:
        for seed in range(5):
            with pytest.raises(GradientCheckError, match="by rule"):
                check_op(op, seed=seed, order=1)
        count("mutants caught")
    finally:
        op.forget()


@pytest.mark.parametrize("name", GOOD)
def test_a_good_operation_of_a_users_passes(name):
    op = GOOD[name]()
    try:
        report = check_op(op)
        assert len(report.comparisons) > 3
        assert report.failures == []
    finally:
        op.forget()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_operation_of_a_users_fails(name, count):
    make, error, text = BAD[name]
    op = make()
    try:
        count("mutants planted")
        with pytest.raises(error, match=text):
            check_op(op)
        count("mutants caught")
    finally:
        op.forget()


SIGNATURES = {
    "only the operand": ({"d": (lambda x: 2.0 * x,)}, r"derivative rule for operand 0 takes \(x\), expected \(m, out, x\)"),
    "no operand": ({"d": (lambda m, out: 2.0,)}, r"operand 0 takes \(m, out\), expected \(m, out, x\)"),
    "one of two": ({"d": (lambda m, out, x, y: y, lambda m, out, x: x)}, r"operand 1 takes \(m, out, x\), expected \(m, out, x, y\)"),
    "a kernel with an operand more": ({"array": lambda x, y: x * y, "d": (lambda m, out, x: 1.0,)}, r"array= takes \(x, y\), expected \(x\): as many operands as there are rules"),
    "a scalar kernel without operands": ({"scalar": lambda: 1.0, "d": (lambda m, out, x: 1.0,)}, r"scalar= takes \(\), expected \(x\)"),
    "a pull-back without the gradient": ({"vjp": (lambda m, out, x: out,)}, r"pull-back for operand 0 takes \(m, out, x\), expected \(m, g, out, x\).*incoming gradient g"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_rule_that_takes_other_things_is_refused_when_it_is_declared(name):
    entry, text = SIGNATURES[name]
    with pytest.raises(RuleError, match=text):
        declared(**{"array": np.square, **entry})
    assert "users_own" not in ag.TABLE


def test_rules_may_take_parameters_and_more():
    for rule in (lambda m, out, x, *, k=2.0: k, lambda m, out, x, **options: 2.0, lambda m, *rest: 2.0, lambda *everything, k: k):
        op = declared(array=lambda x, *, k=2.0: k * x, d=(rule,))
        assert op(3.0) == 6.0
        op.forget()
