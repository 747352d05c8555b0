"""`Op`: one entry of the rule book, and the table of all entries.

An operation is stated once: its name, how it looks, how it is computed on a float and on an array, and its
derivative. Everything else (methods, NumPy dispatch, labels, the docs table, generated tests) is derived from the
entry. A rule is a plain function of an *algebra* `m`: handed floats it gives a float, handed arrays an array, handed
graph nodes a new graph, handed symbols a formula. So the formula on an edge of a picture is the formula that ran.

There are two kinds of rule. An elementwise entry has partials `d`, one function per operand, `rule(m, out, x, y)`
giving ∂out/∂x; forward mode follows from the same function. A structural entry, which changes shape, has pull-backs
`vjp`, `rule(m, g, out, x, y)` giving what the incoming gradient g becomes for x.
"""

from __future__ import annotations

import keyword
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arguments import checked, shown
from .errors import RuleError

__all__ = [
    "APPLY",
    "INSTALLERS",
    "NONNEGATIVE",
    "NONZERO",
    "POSITIVE",
    "REAL",
    "TABLE",
    "Interval",
    "Op",
    "Rule",
    "built_in",
    "freeze",
    "operation",
]

Rule = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where an operand may lie when an operation is tested: [low, high], away from the points in `avoid`.

    >>> Interval(-1.0, 1.0, avoid=(0.0,)).contains(0.5)
    True
    """

    low: float = -4.0
    high: float = 4.0
    avoid: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise if the bounds are not numbers, or in the wrong order."""
        numbers = (self.low, self.high, *(self.avoid if isinstance(self.avoid, (tuple, list)) else (None,)))
        if not all(isinstance(x, (int, float, np.number)) for x in numbers) or not self.low <= self.high:
            raise RuleError(f"Interval: received {shown(numbers)}, expected two numbers, the smaller one first, and a tuple of numbers to avoid.")

    @checked
    def contains(self, x: float, margin: float = 0.0) -> bool:
        """Whether x lies in the interval and further than `margin` from every point to avoid."""
        return self.low <= x <= self.high and all(abs(x - point) > margin for point in self.avoid)


REAL = Interval()
POSITIVE = Interval(0.05, 4.0)
NONNEGATIVE = Interval(0.0, 4.0)
NONZERO = Interval(avoid=(0.0,))

TABLE: dict[str, Op] = {}
INSTALLERS: list[Callable[[Op], None]] = []
"""Functions by which other modules derive what they need from an entry; each is called with every operation, old and new."""
APPLY: list[Callable[[Op, tuple[Any, ...], dict[str, Any]], Any]] = []
"""Holds `record.apply`, which imports the nodes, and those this module: so `record` puts it here instead of being imported."""

_FROZEN: set[str] = set()
_QUESTIONS = frozenset({"data", "mask", "named", "ndim", "shape"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Op:
    """One operation: how it is computed, how it looks, and its derivative.

    Args:
        name: An identifier; also the name of the method of nodes, and of the function `m.name` in rules. Existing methods of nodes, such
            as `backward`, are not replaced.
        array: The kernel on NumPy arrays, `array(*operands, **params)`.
            Options are keyword-only, `def huber(x, *, delta=1.0)`, and have no derivative: whatever needs one is an operand.
            An option called `saved` is a fresh dictionary that the caller passes, `op(x, saved={})`, in which the kernel leaves what its
            rule can use again; it belongs to one recorded node, and programs made by `lift` omit it.
        scalar: The kernel on Python floats, following IEEE; without it `Value` uses the array kernel.
        d: Partials, one function per operand, `rule(m, out, *operands, **params)`; a None marks an operand that has no
            derivative (the condition of `where`). Rules call the operations of the table with operands by position and options by name,
            `m.sum(x, axis=0)`; `python -m autograd_core operations` lists them.
        vjp: Pull-backs, one function per operand, `rule(m, g, out, *operands, **params)`.
        variadic: Any number of operands; there is then one rule, which gives a tuple with one entry per operand.
        linear: Linear in each operand while the others are held constant, as a product is and a sum of two is not; forward mode is then
            the operation itself with one operand replaced by its tangent.
        selects: A partial of 0 means "this branch was not taken": it contributes 0 whatever comes in.
        fits: A promise that the gradient of an operand is the incoming gradient itself or a new array of the operand's shape, and of its
            dtype if all operands have the same one, so that the backward pass need not check. Built-in functions of one operand promise it.
        adds: For an entry of one operand whose gradient is mostly zeros, as that of an index: `adds(buffer, g, **params)` adds what the
            pull-back would give to an array in place, with less work than making it first. The pull-back must then give new arrays.
        dunder: The operator, without underscores: "add" gives `__add__` and `__radd__`.
        symbol: The header of a node in a picture; the name where it is empty.
        text: How the operation is written in plain text, "{0}²"; "name(x, y)" where it is empty.
        latex: The same for LaTeX, with doubled braces.
        domain: One `Interval` per operand, for generated tests.
        kinks: A function of the operands that is 0 where the operation has a kink; generated tests keep away from there.
        samples: For structural entries, `samples(rng)` gives a list of `(operands, params)` to test with.
        numpy: The NumPy functions that this entry answers for; found by name where it is empty.
        doc: One sentence, shown in help and in the table.
        source: Where the derivative is taken from.
        replace: Allow an operation of your own to be declared again, as happens when a notebook cell is rerun.

    Attributes:
        arity: The number of operands, or None where any number will do.
        reading, constants: What `sweeps` found when it read the rules: `CONSTANT` (each is a number, in `constants`), `OTHER` (each is the
            other operand) or `CALL` (neither: they are called).

    Raises:
        RuleError: The name is taken or not an identifier, not exactly one of `d` and `vjp` is given, or a function or an option does not
            fit the others.

    Example:
        >>> from autograd_core import grad
        >>> import numpy as np
        >>> cube = Op(name="cube", array=lambda x: x * x * x, d=(lambda m, out, x: 3.0 * x * x,), text="{0}³")
        >>> grad(cube)(2.0), grad(grad(cube))(2.0)
        (12.0, 12.0)
        >>> cube.forget()
    """

    name: str
    array: Callable[..., Any]
    scalar: Callable[..., Any] | None = None
    d: tuple[Rule | None, ...] = ()
    vjp: tuple[Rule | None, ...] = ()
    variadic: bool = False
    linear: bool = False
    selects: bool = False
    fits: bool = False
    dunder: str = ""
    symbol: str = ""
    text: str = ""
    latex: str = ""
    adds: Callable[..., None] | None = None
    domain: tuple[Interval, ...] = ()
    kinks: Callable[..., Any] | None = None
    samples: Callable[[Any], list[tuple[tuple[Any, ...], dict[str, Any]]]] | None = None
    numpy: tuple[Any, ...] = ()
    doc: str = ""
    source: str = ""
    replace: bool = False
    arity: int | None = field(init=False, default=None)
    reading: int = field(init=False, default=0)
    constants: tuple[float, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Check the entry, put it into the table, and let the other modules derive from it."""
        self._check()
        object.__setattr__(self, "arity", None if self.variadic else len(self.d or self.vjp))
        if not _FROZEN and self.elementwise and self.arity == 1 and not getattr(self.array, "__kwdefaults__", None):
            object.__setattr__(self, "fits", True)
        TABLE[self.name] = self
        try:
            for install in INSTALLERS:
                install(self)
        except BaseException:                  # an operation is there as a whole or not at all
            del TABLE[self.name]
            raise

    def _check(self) -> None:
        """Raise RuleError for an entry that cannot be right."""
        self._check_name()
        self._check_rules()
        if _FROZEN:                            # an operation of the user's; the tests see to ours, and importing them is quicker without
            self._check_kinds()
            self._check_signatures()
        count = len(self.d or self.vjp)
        if self.variadic and count != 1:
            raise RuleError(f"Op {self.name!r}: a variadic operation has one rule, which gives a tuple with one entry per operand.")
        if self.domain and not self.variadic and len(self.domain) != count:
            raise RuleError(f"Op {self.name!r}: domain= has {len(self.domain)} intervals for {count} operands; give one per operand.")
        if self.dunder and self.name not in TABLE and any(op.dunder == self.dunder for op in TABLE.values()):
            raise RuleError(f"Op {self.name!r}: the operator __{self.dunder}__ belongs to another operation already.")

    def _check_name(self) -> None:
        """The name is an identifier that is free."""
        name = self.name
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise RuleError(f"Op: the name {name!r} is not a Python identifier; choose one such as 'softsign'.")
        if name.startswith("__"):
            raise RuleError(f"Op: the name {name!r} belongs to Python, and would change what it does with every node; choose one such as 'softsign'.")
        if name in _QUESTIONS:
            raise RuleError(f"Op: rules ask m.{name} about their operands, so no operation can have the name {name!r}; choose another.")
        if name in TABLE and not (self.replace and name not in _FROZEN):
            hint = "it is built in, choose another name" if name in _FROZEN else "pass replace=True to declare it again"
            raise RuleError(f"Op: an operation named {name!r} exists already; {hint}.")

    def _check_rules(self) -> None:
        """There are partials or pull-backs, not both, and they are tuples of functions."""
        name = self.name
        for which, rules in (("d", self.d), ("vjp", self.vjp)):
            if not isinstance(rules, tuple) or not all(rule is None or callable(rule) for rule in rules):
                raise RuleError(
                    f"Op {name!r}: {which}= must be a tuple of functions, one per operand (a single function needs "
                    f"a trailing comma: {which}=(rule,)); received {type(rules).__name__}."
                )
        if bool(self.d) == bool(self.vjp):
            received = "both" if self.d else "neither"
            raise RuleError(
                f"Op {name!r}: received {received} of d= and vjp=, expected exactly one; "
                "give d= for an elementwise operation and vjp= for one that changes shape."
            )

    def _check_kinds(self) -> None:
        """Strings are strings, functions are functions, and an operator is one that Python has."""
        name = self.name
        for which in ("doc", "symbol", "text", "latex", "dunder", "source"):
            if not isinstance(getattr(self, which), str):
                raise RuleError(f"Op {name!r}: received {which}={shown(getattr(self, which))}, expected a string.")
        if not isinstance(self.numpy, (tuple, list)) or not all(map(callable, self.numpy)):
            raise RuleError(f"Op {name!r}: received numpy={shown(self.numpy)}, expected a tuple of NumPy's functions.")
        if not isinstance(self.domain, (tuple, list)) or not all(isinstance(part, Interval) for part in self.domain):
            raise RuleError(f"Op {name!r}: received domain={shown(self.domain)}, expected a tuple of Intervals, one per operand.")
        wanted_of = (("samples", "a function of a generator of random numbers"), ("kinks", "a function of the operands"),
                     ("adds", "a function of a buffer and the incoming gradient"))  # fmt: skip
        for which, wanted in wanted_of:
            if not (getattr(self, which) is None or callable(getattr(self, which))):
                raise RuleError(f"Op {name!r}: received {which}={shown(getattr(self, which))}, expected {wanted}.")
        if self.adds is not None and (self.variadic or len(self.vjp) != 1):
            raise RuleError(f"Op {name!r}: received adds= for {len(self.d or self.vjp)} rules{' of d=' if self.d else ''}, expected one pull-back, vjp=.")
        if not callable(self.array) or not (self.scalar is None or callable(self.scalar)):
            raise RuleError(f"Op {name!r}: array= and scalar= must be functions.")
        if self.dunder and not hasattr(operator, f"__{self.dunder}__"):
            raise RuleError(f"Op {name!r}: received dunder={self.dunder!r}, expected the name of an operator without underscores, such as 'xor'.")

    def _check_signatures(self) -> None:
        """Partials take (m, out, operands), pull-backs (m, g, out, operands), kernels the operands; `text` and `latex` have places for them."""
        if not any(self.d or self.vjp):
            raise RuleError(f"Op {self.name!r}: received None for every operand, expected at least one rule; without a derivative a plain function will do.")
        if self.variadic:
            return
        for which in ("text", "latex"):
            try:
                getattr(self, which).format(*_names(len(self.d or self.vjp)))
            except (LookupError, ValueError, AttributeError):
                raise RuleError(
                    f"Op {self.name!r}: received {which}={getattr(self, which)!r}, expected {{0}} and so on where the operands stand, and other braces doubled."
                ) from None
        for rules, takes in ((self.d, ("m", "out")), (self.vjp, ("m", "g", "out"))):
            operands = _names(len(rules))
            for i, rule in enumerate(rules):
                received = None if rule is None else _misfit(rule, (*takes, *operands))
                if received is not None:
                    which = "derivative rule" if len(takes) == 2 else "pull-back"
                    raise RuleError(
                        f"Op {self.name!r}: the {which} for operand {i} takes {received}, expected ({', '.join((*takes, *operands))}): the algebra m"
                        f"{', the incoming gradient g' if len(takes) == 3 else ''}, the result, and the operands."
                    )
        operands = _names(len(self.d or self.vjp))
        for which, kernel in (("array", self.array), ("scalar", self.scalar)):
            received = _misfit(kernel, operands) if callable(kernel) else None
            if received is not None:
                raise RuleError(
                    f"Op {self.name!r}: {which}= takes {received}, expected ({', '.join(operands)}): as many operands as there are rules "
                    "(None is the rule of one without a derivative), and options by name."
                )

    @property
    def elementwise(self) -> bool:
        """Whether the operation acts on each element by itself (and so on a `Value` too)."""
        return bool(self.d)

    def __call__(self, *operands: Any, **params: Any) -> Any:
        """Apply the operation to numbers, arrays, `Value`s and `Tensor`s."""
        return APPLY[0](self, operands, params)

    def __repr__(self) -> str:
        """The operation by its name, as in the table."""
        return f"Op({self.name!r})"

    def __reduce__(self) -> Any:
        """Pickled by name: an operation is looked up in the table of the program that unpickles it."""
        if TABLE.get(self.name) is not self:
            what = "another operation of that name was declared since" if self.name in TABLE else "it was forgotten"
            raise RuleError(f"pickling: the operation {self.name!r} would be looked up by its name, but {what}; create the object that holds it again.")
        return _by_name, (self.name,)

    def __copy__(self) -> Op:
        """An operation is one of a kind."""
        return self

    def __deepcopy__(self, memo: Any) -> Op:
        """An operation is one of a kind."""
        return self

    def forget(self) -> None:
        """Take an operation of your own out of the table (its methods stay until the interpreter ends)."""
        if self.name in _FROZEN:
            raise RuleError(f"Op {self.name!r} is built in and cannot be forgotten.")
        if TABLE.get(self.name) is self:
            del TABLE[self.name]


def _names(count: int) -> tuple[str, ...]:
    """The names of that many operands in a message."""
    return ("x", "y", "z")[:count] if count <= 3 else tuple(f"x{i}" for i in range(count))


def _misfit(function: Callable[..., Any], arguments: tuple[str, ...]) -> Any:
    """The signature of a function that cannot be called with these arguments; None if it can, or if it has no signature to look at."""
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):            # a function written in C
        return None
    try:
        signature.bind(*arguments)
    except TypeError:
        by_name = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in signature.parameters.values())
        return None if by_name else signature  # options without a default come with each call
    return None


def operation(
    *, d: Rule | Iterable[Rule | None] = (), vjp: Rule | Iterable[Rule | None] = (), **entry: Any
) -> Callable[[Callable[..., Any]], Op]:
    """Declare an operation by decorating its kernel; the function's name and docstring become the entry's.

    The function is the kernel for arrays, and for floats too unless `scalar=` is given. A single rule needs no tuple. The other
    keyword arguments are those of `Op`.

    Example:
        >>> from autograd_core import Value
        >>> @operation(d=lambda m, out, x: 1.0 / m.square(1.0 + m.abs(x)))
        ... def softsign(x):
        ...     "x / (1 + |x|), a bounded activation with slow tails."
        ...     return x / (1.0 + abs(x))
        >>> x = Value(1.0)
        >>> y = softsign(x)
        >>> y.backward()
        >>> y.data, x.grad
        (0.5, 0.25)
        >>> softsign.forget()
    """

    def as_rules(rules: Rule | Iterable[Rule | None]) -> tuple[Rule | None, ...]:
        if callable(rules) or not isinstance(rules, (tuple, list)):
            # Op's own check refuses anything that is not a function.
            return (rules,)  # type: ignore[return-value]
        return tuple(rules)

    def declare(kernel: Callable[..., Any]) -> Op:
        settings: dict[str, Any] = {"name": kernel.__name__, "doc": (kernel.__doc__ or "").strip(), **entry}
        return Op(array=kernel, d=as_rules(d), vjp=as_rules(vjp), **settings)

    return declare


def _by_name(name: str) -> Op:
    if name not in TABLE:
        raise RuleError(f"unpickling: there is no operation named {name!r}; declare it before loading.")
    return TABLE[name]


def freeze() -> None:
    """Mark every operation declared so far as built in."""
    _FROZEN.update(TABLE)


def built_in(name: str) -> bool:
    """Whether an operation is one of ours rather than a user's."""
    return name in _FROZEN

