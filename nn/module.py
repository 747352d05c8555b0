"""`Module`: what every layer and model has in common: parameters, state, train and eval, a summary.

A parameter is a leaf `Value`, or a leaf `Tensor` with `requires_grad`, that is kept in an attribute of a module (in a list or a
dictionary too). Nothing has to be registered: assign it, and it is found, in the order of assignment. One that is frozen
(`p.requires_grad = False`) is not trained, and is a parameter, and part of the state, all the same, so that it can be thawed; a `Tensor` made
with `requires_grad=False`, and one that `detach` gave, is not a parameter at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from autograd_core import Tensor, Value, record_call
from autograd_core.arguments import checked, plain_numbers, shown
from autograd_core.errors import OperandError, ShapeError, StructureError

from .elsewhere import METHODS, Answers
from .slots import forget_gradients

__all__ = ["Entry", "Module", "listed"]


class Entry(NamedTuple):
    """One array of a module's state: how to read it, how to write it back, and the parameter, or nested lists of them, behind it."""

    name: str
    read: Callable[[], np.ndarray]
    write: Callable[[np.ndarray], None]
    holds: Any = None                          # None for a buffer


class Module(Answers):
    """The base of layers and models: subclass it, assign parameters and modules to attributes, define `forward`.

    Attributes:
        training: True in training, False in evaluation (`eval()`); dropout and batch normalisation look at it.
        buffers: Names of attributes that are saved with the model though they are not trained (plain arrays).

    Example:
        >>> class Line(Module):
        ...     def __init__(self):
        ...         self.slope, self.offset = Value(2.0), Value(1.0)
        ...     def forward(self, x):
        ...         return self.slope * x + self.offset
        >>> line = Line()
        >>> line(3.0).data, [name for name, _ in line.named_parameters()]
        (7.0, ['slope', 'offset'])
    """

    training: bool = True
    buffers: tuple[str, ...] = ()

    if TYPE_CHECKING:
        forward: Callable[..., Any]            # a subclass takes the arguments that it needs
    else:

        def forward(self, *inputs: Any) -> Any:
            """What the module computes; subclasses define it."""
            raise NotImplementedError(f"{type(self).__name__} defines no forward(); say there what it computes.")

    __call__ = record_call                     # forward, with what it makes marked: pictures fold a module into one box

    def __init_subclass__(cls, **options: Any) -> None:
        """A class with a forward of its own may call modules in it, unless it says otherwise (`record_innermost`)."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = record_call  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; a parameter may be replaced by another one, but not, by accident, by something that cannot be trained."""
        lost = [] if name.startswith("_") else _unfit_replacements(self.__dict__.get(name), value)
        if lost:
            made = getattr(lost[0], "op", None)
            what = shown(lost[0]) if made is None else f"the result of an operation ({made.name})"
            raise OperandError(
                f"{type(self).__name__}.{name} is a parameter: received {what}, expected a leaf Value or Tensor; to give it new numbers assign "
                f"its data, as in module.{name}.data = …; what changes while a model runs is not taken for a parameter if its name begins with _."
            )
        super().__setattr__(name, value)

    # ------------------------------------------------------------------------------------------ what is inside
    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names."""
        for name, value in vars(self).items():
            if not name.startswith("_"):
                yield from ((n, v) for n, v in _items(name, value) if isinstance(v, Module))

    @checked
    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with paths such as "layers.0.neurons.3"."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            stack.extend((f"{path}.{name}" if path else name, child) for name, child in reversed(list(module.children())))

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    @checked
    def apply(self, f: Callable[[Module], Any]) -> Self:
        """Call f with every module, children before their parents, for instance to set initial weights; returns self.

        Example:
            >>> from nn import Linear, Sequential, Tanh
            >>> def start(module):
            ...     if isinstance(module, Linear):
            ...         module.weight.data[...] = 0.5
            >>> Sequential(Linear(2, 3), Tanh(), Linear(3, 1)).apply(start)[2].weight.data
            array([[0.5, 0.5, 0.5]])
        """
        seen = {id(self)}
        stack: list[tuple[Module, Iterator[tuple[str, Module]]]] = [(self, self.children())]
        while stack:
            module, inside = stack[-1]
            child = next((child for _, child in inside if id(child) not in seen), None)
            if child is None:
                stack.pop()
                f(module)
            else:
                seen.add(id(child))
                stack.append((child, child.children()))
        return self

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """The parameters with their paths, each once; also those that are frozen."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if name.startswith("_"):
                    continue
                for n, v in _items(name, value):
                    if _is_parameter(v) and id(v) not in seen:
                        seen.add(id(v))
                        yield (f"{path}.{n}" if path else n), v

    def parameters(self) -> list[Any]:
        """The parameters, each once, in the order of assignment; also those that are frozen, which have `requires_grad` False."""
        return [parameter for _, parameter in self.named_parameters()]

    def number_of_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.size if isinstance(p, Tensor) else 1 for p in self.parameters() if p.requires_grad)

    # ------------------------------------------------------------------------------------------------ training
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; with `set_to_none` False they become 0, as `Optimizer.zero_grad` says."""
        forget_gradients(self.parameters(), set_to_none, "zero_grad")

    @checked
    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters (False), so that they are not trained, or thaw them; returns self.

        Raises:
            OperandError: a `Value` among them, which always gets its gradient; one that is not to be trained is left out of the optimiser.

        Example:
            >>> from nn import Linear, Sequential, Tanh
            >>> model = Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
            >>> frozen = model[0].requires_grad_(False)
            >>> [name for name, p in model.named_parameters() if p.requires_grad]
            ['2.weight', '2.bias']
        """
        parameters = self.parameters()
        if not requires_grad and any(isinstance(p, Value) for p in parameters):
            raise OperandError(
                f"requires_grad_: {type(self).__name__} computes on Values, which always get their gradients; to train only a part, give the "
                "optimiser the parameters of that part."
            )
        for p in parameters:
            if isinstance(p, Tensor):
                p.requires_grad = requires_grad
        return self

    @checked
    def train(self, mode: bool = True) -> Self:
        """Switch to training, here and below; returns self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: dropout off, batch normalisation with its running statistics; returns self."""
        return self.train(False)

    # --------------------------------------------------------------------------------------------------- state
    def entries(self) -> Iterator[Entry]:
        """The state of this module itself, without its children: parameters and buffers as arrays."""
        for name, value in vars(self).items():
            if name.startswith("_"):
                continue
            for n, v in _items(name, value):
                if _is_parameter(v):
                    yield parameter_entry(n, v)
        for name in self.buffers:
            yield Entry(name, partial(self._read_buffer, name), partial(self._write_buffer, name))

    def _read_buffer(self, name: str) -> np.ndarray:
        return np.asarray(getattr(self, name))

    def _write_buffer(self, name: str, array: np.ndarray) -> None:
        setattr(self, name, array.astype(self._read_buffer(name).dtype))

    def state_children(self) -> Iterator[tuple[str, Module]]:
        """The children under the names they have in `state_dict`."""
        return self.children()

    @checked
    def all_entries(self, prefix: str = "") -> Iterator[Entry]:
        """The state of this module and of all below it; a module that stands in two places has both names, as in torch."""
        stack: list[tuple[str, Module, tuple[Module, ...]]] = [(prefix, self, ())]
        while stack:
            path, module, above = stack.pop()
            if any(module is one for one in above):    # a module that holds one that holds it
                continue
            for entry in module.entries():
                yield entry._replace(name=f"{path}.{entry.name}" if path else entry.name)
            below = [(f"{path}.{n}" if path else n, child, (*above, module)) for n, child in module.state_children()]
            stack.extend(reversed(below))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers by name; names and layouts are those of the equivalent `torch.nn.Sequential`."""
        return {entry.name: np.array(entry.read()) for entry in self.all_entries()}

    @checked
    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> Self:
        """Take the parameters and buffers from a dictionary as `state_dict` gives; returns self.

        Everything is checked before anything is changed. With `strict` False names that only one of the two has are skipped, as when
        layers are taken over from another model; what both have must still fit.

        Raises:
            StructureError: names are missing, or there are names that the model does not have.
            ShapeError: an array has another shape, or does not hold numbers.
        """
        entries = list(self.all_entries())
        names = {entry.name for entry in entries}
        missing, unknown = sorted(names - set(state)), sorted(map(str, set(state) - names))
        if strict and (missing or unknown):
            raise StructureError(
                f"load_state_dict: {type(self).__name__} expects {listed(sorted(names))}; "
                f"missing: {listed(missing)}; not expected: {listed(unknown)}. Build the model with the same layers first."
            )
        entries, arrays = [entry for entry in entries if entry.name in state], []
        for entry in entries:
            instead = "hand the state to functional_call(model, state, x)"
            array, expected = plain_numbers(state[entry.name], "load_state_dict", entry.name, instead), np.shape(entry.read())
            if array.shape != expected or array.dtype.kind not in "fiub":
                raise ShapeError(
                    f"load_state_dict: {entry.name!r} is an array of {array.dtype} of shape {array.shape}, "
                    f"expected real numbers of shape {expected}."
                )
            arrays.append(array)
        for entry, array in zip(entries, arrays, strict=True):
            entry.write(array)
        return self

    def config(self) -> dict[str, Any]:
        """The constructor arguments of an equivalent module; a file can describe a model if all its modules define this."""
        raise OperandError(f"{type(self).__name__} defines no config(), so a file cannot describe it; its state can be saved all the same.")

    # ------------------------------------------------------------------------------------------------ pictures
    def extra_repr(self) -> str:
        """What stands between the parentheses in the repr of a module without children."""
        return ""

    def _shown_parts(self) -> list[tuple[str, str]]:
        """(name, repr) of each child, for the lines of the repr."""
        return [(name, repr(child)) for name, child in self.children()]

    def __repr__(self) -> str:
        """The structure, one line a module."""
        parts = self._shown_parts()
        if not parts:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [f"  ({name}): {text.replace(chr(10), chr(10) + '  ')}" for name, text in parts]
        return f"{type(self).__name__}(\n" + "\n".join(lines) + "\n)"

    def rows(self) -> list[tuple[str, str, int]]:
        """(path, description, number of parameters) for each module that has no children worth a row."""
        found: list[tuple[str, str, int]] = []

        def visit(path: str, module: Module) -> None:
            children = list(module.state_children())
            if not children or module.opaque:
                found.append((path, repr(module).split("\n")[0], module.number_of_parameters()))
            for name, child in [] if module.opaque else children:
                visit(f"{path}.{name}" if path else name, child)

        visit("", self)
        return found

    opaque: bool = False

    def summary(self) -> str:
        """A table of the modules with their numbers of parameters, as text."""
        rows = [("", "module", "parameters"), *((p, d, f"{n:,}") for p, d, n in self.rows())]
        rows.append(("", "total", f"{self.number_of_parameters():,}"))
        wide, broad, long = (max(len(row[i]) for row in rows) for i in range(3))
        lines = [f"{p:<{wide}}  {d:<{broad}}  {n:>{long}}".rstrip() for p, d, n in rows]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def _repr_html_(self) -> str:
        """The table of modules for a notebook."""
        from autograd_core.viz import clean

        body = "".join(
            f"<tr><td>{escape(clean(p, 200))}</td><td style='text-align:left'>{escape(clean(d, 200))}</td><td>{n:,}</td></tr>" for p, d, n in self.rows()
        )
        return (
            f"<table><caption>{escape(clean(type(self).__name__, 200))}</caption><thead><tr><th>name</th><th>module</th><th>parameters</th>"
            f"</tr></thead><tbody>{body}</tbody><tfoot><tr><th></th><th>total</th><th>{self.number_of_parameters():,}</th></tr>"
            "</tfoot></table>"
        )


Module._answer(METHODS)


def parameter_entry(name: str, parameter: Any) -> Entry:
    """The state entry of one parameter."""

    def write(array: np.ndarray) -> None:
        parameter.data = np.array(array, dtype=parameter.dtype) if isinstance(parameter, Tensor) else float(array)

    return Entry(name, lambda: np.asarray(parameter.data), write, parameter)


def _is_parameter(value: Any) -> bool:
    return isinstance(value, (Value, Tensor)) and value.op is None and (bool(value.requires_grad) or value._is_frozen)


def _unfit_replacements(old: Any, new: Any) -> list[Any]:
    """What cannot replace parameters in an attribute: results of operations anywhere, and anything but leaves where a parameter stood."""
    if not isinstance(old, (Value, Tensor, list, tuple, dict)):
        return []
    places = {at for at, leaf in _items("", old) if _is_parameter(leaf)}
    nodes = (Value, Tensor)
    return [
        leaf for at, leaf in _items("", new)
        if places and leaf is not None and not isinstance(leaf, Module)
        and (leaf.op is not None if isinstance(leaf, nodes) else at in {"", *places} or "" in places)
    ]  # fmt: skip


def _items(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value and what is in it, if it is a list, tuple or dictionary, with dotted names."""
    if isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _items(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _items(f"{name}.{key}", item)
    else:
        yield name, value


def listed(names: list[str]) -> str:
    """Names in a sentence, cut where there are many."""
    if not names:
        return "none"
    return ", ".join(names[:8]) + (f", … ({len(names)} in all)" if len(names) > 8 else "")
