"""Reading a recorded graph: every node with a name and a role, one entry per use, the module calls as a tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from autograd_core.node import Node
from autograd_core.op import Op
from autograd_core.scope import Scope, scope_of
from autograd_core.walk import operands

from .graph import Role
from .text import clean, join_limited, number

__all__ = ["Call", "Constant", "Network", "Use", "formula_of", "partial_of", "read"]

# Labels that a textbook gives to a parameter, with an index or a subscript; a lone b is one beside a w, and not beside an a.
_PARAMETER = re.compile(r"(w|W|θ|Θ|β|γ|theta|beta|gamma|weight|bias|kernel|scale)s?[\d_₀₁₂₃₄₅₆₇₈₉,]*")
_BIAS = re.compile(r"[bB]s?[\d_₀₁₂₃₄₅₆₇₈₉,]*")


_RAISED = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Constant(NamedTuple):
    """A plain number or array in an expression: it has no node of its own."""

    data: Any


class Use(NamedTuple):
    """One use of an operand, by numbers of nodes."""

    operand: int
    node: int
    slot: int


@dataclass
class Call:
    """A call of a module: its place in the tree of calls and the nodes computed in it."""

    scope: Scope
    parent: int | None
    level: int
    region: list[int] = field(default_factory=list)

    @cached_property
    def kind(self) -> str:
        """The class of the module."""
        return clean(self.scope.kind)

    @cached_property
    def path(self) -> str:
        """Where the module stands in the outermost one; looked up only for calls that a picture names."""
        try:
            return clean(self.scope.path, 60)
        except Exception:  # a module of the user's own that cannot say where it stands still gets its picture
            return ""


@dataclass(slots=True)
class Network:
    """A recorded graph by numbers, in the order of reading: `nodes[i]` has `names[i]`, `roles[i]`, and was made in call `owner[i]`."""

    nodes: list[Node | Constant]
    index: dict[int, int]
    uses: list[Use]
    root: int
    names: list[str] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    owner: list[int | None] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    incoming: list[list[int]] = field(default_factory=list)
    outgoing: list[list[int]] = field(default_factory=list)
    gradients: dict[int, Any] | None = None

    def gradient(self, i: int) -> Any:
        """The gradient of a node, None where nothing has flowed; `gradients` takes the place of the nodes' own."""
        if self.gradients is not None:
            return self.gradients.get(i)
        node = self.nodes[i]
        return None if isinstance(node, Constant) or not node._flowed else node.grad

    def keep_gradients(self) -> None:
        """From now on show the gradients of this moment, whatever a later backward pass does."""
        self.gradients = {i: g for i in range(len(self.nodes)) if (g := self.gradient(i)) is not None}

    def data(self, i: int) -> Any:
        """The number or array of a node."""
        node = self.nodes[i]
        return node.data if isinstance(node, Constant) else node._value

    def op(self, i: int) -> Op | None:
        """The operation that made a node; None for a leaf."""
        node = self.nodes[i]
        return None if isinstance(node, Constant) else node.op

    def label(self, i: int) -> str:
        """The label that the user gave, cleaned."""
        node = self.nodes[i]
        return "" if isinstance(node, Constant) else clean(node.label)

    def differentiable(self, i: int) -> bool:
        """Whether a gradient can reach a node: a number or a constant array has none."""
        node = self.nodes[i]
        return not isinstance(node, Constant) and bool(getattr(node, "requires_grad", True))


def read(root: Node, parameters: Iterable[Node] = ()) -> Network:
    """Read the graph below `root`; leaves in `parameters` are shown as parameters.

    >>> from autograd_core import Value
    >>> x = Value(3.0, label="x")
    >>> network = read(x * x)
    >>> network.names, [(use.operand, use.node, use.slot) for use in network.uses]
    (['x', 'out'], [(0, 1, 0), (0, 1, 1)])
    """
    nodes: list[Node | Constant] = list(_as_read(root))
    index = {id(node): i for i, node in enumerate(nodes)}
    uses: list[Use] = []
    for i, node in enumerate(list(nodes)):
        if isinstance(node, Constant):
            continue
        for slot, (operand, data) in enumerate(operands(node)):
            if operand is None:
                nodes.append(Constant(data))
                uses.append(Use(len(nodes) - 1, i, slot))
            else:
                uses.append(Use(index[id(operand)], i, slot))
    network = Network(nodes, index, uses, index[id(root)])
    network.incoming = [[] for _ in nodes]
    network.outgoing = [[] for _ in nodes]
    for k, use in enumerate(uses):
        network.incoming[use.node].append(k)
        network.outgoing[use.operand].append(k)
    _read_calls(network)
    network.roles = _roles(network, {id(node) for node in parameters})
    network.names = _names(network)
    return network


def _as_read(root: Node) -> list[Node]:
    """The leaves as they come into play, then the operations as one reads a formula: each after its operands, the first operand first."""
    order: list[Node] = []
    leaves: dict[int, Node] = {}
    begun: set[int] = set()
    pending = [(root, False)]
    while pending:
        node, done = pending.pop()
        if done:
            order.append(node)
            leaves.update((id(x), x) for x, _ in operands(node) if x is not None and x.op is None)
        elif node.op is not None and id(node) not in begun:
            begun.add(id(node))
            pending.append((node, True))
            pending += [(x, False) for x, _ in reversed(operands(node)) if x is not None]
    return [*leaves.values(), *order] or [root]


def _read_calls(network: Network) -> None:
    """The tree of module calls, and for every node the innermost call that it belongs to alone.

    The region of a call is what its outputs reach without passing its inputs. A leaf in two regions (a weight used
    by two calls) belongs to the call around both.
    """
    number_of: dict[Scope, int] = {}
    outputs: list[list[int]] = []
    inputs: list[set[int]] = []
    network.owner = [None] * len(network.nodes)
    for i, node in enumerate(network.nodes):
        scope = None if isinstance(node, Constant) else scope_of(node)
        chain: list[Scope] = []
        while scope is not None and len(chain) < 1000:
            chain.append(scope)
            scope = scope.outer
        parent: int | None = None
        for scope in reversed(chain):
            if scope not in number_of:
                number_of[scope] = len(network.calls)
                level = 0 if parent is None else network.calls[parent].level + 1
                network.calls.append(Call(scope, parent, level))
                outputs.append([])
                inputs.append({network.index[id(x)] for x in scope.inputs if id(x) in network.index})
            parent = number_of[scope]
            outputs[parent].append(i)
    shared: set[int] = set()
    for c in sorted(range(len(network.calls)), key=lambda c: network.calls[c].level):
        call = network.calls[c]
        seen = set(inputs[c])
        pending = list(outputs[c])
        while pending:
            i = pending.pop()
            if i in seen:
                continue
            seen.add(i)
            call.region.append(i)
            pending.extend(network.uses[k].operand for k in network.incoming[i])
        for i in call.region:
            if network.owner[i] == call.parent and i not in shared:
                network.owner[i] = c
            elif network.owner[i] != call.parent:
                shared.add(i)
                network.owner[i] = _common(network, network.owner[i], c)


def _common(network: Network, a: int | None, b: int | None) -> int | None:
    """The innermost call around both."""
    around: set[int | None] = {None}
    while a is not None:
        around.add(a)
        a = network.calls[a].parent
    while b not in around:
        b = network.calls[b].parent  # type: ignore[index]
    return b


def _roles(network: Network, parameters: set[int]) -> list[Role]:
    """What each node is: a leaf of a module's region, or with a parameter's label, is a parameter."""
    inside = {i for call in network.calls for i in call.region}
    leaves = {i: node.label.rsplit(".", 1)[-1] for i, node in enumerate(network.nodes) if isinstance(node, Node) and node.op is None}
    named = {i for i, name in leaves.items() if _PARAMETER.fullmatch(name)}
    if named or inside or parameters:
        named |= {i for i, name in leaves.items() if _BIAS.fullmatch(name)}
    roles: list[Role] = []
    for i, node in enumerate(network.nodes):
        if isinstance(node, Constant):
            roles.append("constant")
        elif node.op is not None:
            roles.append("operation")
        elif not getattr(node, "requires_grad", True):
            roles.append("input" if node.label else "constant")
        elif id(node) in parameters or i in inside or i in named:
            roles.append("parameter")
        else:
            roles.append("input")
    return roles


def _families(network: Network) -> dict[int, list[int]]:
    """The labelled parameters that one operation is the first to use, as those of a neuron: they are numbered alike."""
    families: dict[int, list[int]] = {}
    first: dict[int, int] = {}
    for i, incoming in enumerate(network.incoming):
        for k in incoming:
            operand = network.uses[k].operand
            if network.roles[operand] == "parameter" and network.label(operand) and operand not in first:
                first[operand] = i
                families.setdefault(i, []).append(operand)
    distinct = {i for i, family in families.items() if len({network.label(j) for j in family}) == len(family)}
    return {j: families[i] if i in distinct else [j] for j, i in first.items()}


def _names(network: Network) -> list[str]:
    """A name for every node, each its own: the label, a number for a constant, v1, v2, … for the rest."""
    labels = [network.label(i) for i in range(len(network.nodes))]
    names = ["" for _ in labels]
    families, taken, used = _families(network), set(labels), set()
    numbered: dict[str, int] = {}
    count = arrays = 0
    for i, label in enumerate(labels):
        data = network.data(i)
        if names[i]:
            continue
        if label:
            family = families.get(i, [i])
            n = 1 + max(numbered.get(labels[j], 0) for j in family)
            while any((name := _numbered(labels[j], n)) in used or (n > 1 and name in taken) for j in family):
                n += 1
            for j in family:
                names[j], numbered[labels[j]] = _numbered(labels[j], n), n
                used.add(names[j])
        elif network.roles[i] == "constant":
            arrays += bool(np.ndim(data))
            names[i] = _numbered("constant", arrays) if np.ndim(data) else number(data)
        elif i == network.root:
            names[i] = "out" if "out" not in taken else "result"
        else:
            count += 1
            while f"v{count}" in taken:
                count += 1
            names[i] = f"v{count}"
    return names


def _numbered(name: str, n: int) -> str:
    """A name with an index, which the first goes without."""
    return name + str(n).translate(_LOWERED) if n > 1 else name


def formula_of(op: Op, names: list[str], params: dict[str, Any] | None = None) -> str:
    """An operation on named operands, as the header of a box writes it.

    >>> from autograd_core.op import TABLE
    >>> formula_of(TABLE["mul"], ["w", "x"]), formula_of(TABLE["tanh"], ["u"]), formula_of(TABLE["power"], ["u", "2"])
    ('w × x', 'tanh(u)', 'u²')
    >>> formula_of(TABLE["sub"], ["u", "−1"]), formula_of(TABLE["reshape"], ["w"], {"shape": (2, -1)})
    ('u − (−1)', 'reshape(w, shape=(2, −1))')
    """
    words = [clean(name, 14) for name in names]
    if op.text:
        try:
            return clean(op.text.format(*words), 36)
        except (IndexError, KeyError, ValueError):
            pass
    symbol = op.symbol or op.name
    if op.name == "power" and len(words) == 2 and words[1].lstrip("−").isdigit():
        base = words[0] if words[0].isalnum() else f"({words[0]})"
        return base + words[1].translate(_RAISED)
    if len(words) == 2 and len(symbol) == 1 and not symbol.isalpha():
        return f"{words[0]} {symbol} {_bracketed(words[1])}"
    if len(words) == 1 and op.dunder:
        return f"{symbol}{words[0]}"
    settings = params or {}
    if symbol == "[ ]":
        return clean(f"{join_limited(words)}[{_setting(settings.get('key', '…'))}]", 36)
    if not symbol.replace(" ", "").isalpha():
        symbol = op.name
    shown = {key: _setting(value) for key, value in settings.items() if value is not None and value is not False}
    extra = [f"{key}=({text})" if isinstance(settings[key], tuple) and text != "…" else f"{key}={text}" for key, text in shown.items()]
    return clean(f"{symbol}({join_limited([join_limited(words), *extra])})", 36)


def partial_of(network: Network, k: int) -> str:
    """How the local derivative along a use is written: "∂u/∂x"; where u has x in several places, the place too.

    >>> from autograd_core import Value
    >>> x = Value(3.0, label="x")
    >>> network = read(x * x)
    >>> partial_of(network, 0), partial_of(network, 1)
    ('∂out/∂(1st x)', '∂out/∂(2nd x)')
    """
    use = network.uses[k]
    out, operand = network.names[use.node], network.names[use.operand]
    places = network.incoming[use.node]
    same = [j for j in places if network.uses[j].operand == use.operand] if 1 < len(places) <= 40 else []
    if len(same) > 1:
        n = same.index(k) + 1
        ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
        operand = f"({n}{ending} {operand})"
    return f"∂{out}/∂{operand}"


def _setting(value: Any) -> str:
    """A parameter of an operation in few characters."""
    if isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop, value.step)]
        return ":".join(ends[:2] if value.step is None else ends)
    if isinstance(value, tuple) and len(value) <= 4:
        return ", ".join(map(_setting, value))
    if value is Ellipsis:
        return "…"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return clean(value, 12).replace("-", "−")
    return clean(value, 12) if isinstance(value, (bool, str, tuple)) else "…"


def _bracketed(word: str) -> str:
    """A negative number in parentheses: x − (−1)."""
    return f"({word})" if word.startswith("−") else word
