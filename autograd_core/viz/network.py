"""Reading a recorded graph: every node with a name and a role, one entry per use, the module calls as a tree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from autograd_core.node import Node
from autograd_core.op import Op
from autograd_core.scope import Scope, scope_of
from autograd_core.walk import OVERWRITTEN, operands

from .graph import Role
from .text import clean, number

__all__ = ["Call", "Constant", "Network", "Use", "read"]

# Labels that a textbook gives to a parameter, with an index or a subscript (w1, W_out, Wxh); a lone b is one beside a w, not beside an a.
_PARAMETER = re.compile(r"(w|W|θ|Θ|β|γ|theta|beta|gamma|weight|bias|kernel|scale)s?[\d_₀₁₂₃₄₅₆₇₈₉,]*|W[a-z]{1,2}\d*|[wW]_\w+")
_BIAS = re.compile(r"[bB]s?[\d_₀₁₂₃₄₅₆₇₈₉,]*|b[a-z]\d*|b_\w+")


_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Constant(NamedTuple):
    """A plain number or array in an expression: it has no node of its own. One whose data was not kept is not `known`."""

    data: Any
    known: bool = True


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
    """A recorded graph by numbers, in the order of reading: `nodes[i]` has `names[i]`, `roles[i]`, and was made in call `owner[i]`.

    `recorded[k]` is the data of the operand when use k was computed, `formulas` and `partials` the local derivatives of operations with any
    number of operands, which come all at once, `widest` the longest text of the gradient of a node on a page of steps.
    """

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
    widest: dict[int, str] = field(default_factory=dict)
    recorded: list[Any] = field(default_factory=list)
    formulas: dict[Any, Any] = field(default_factory=dict)
    partials: dict[int, Any] = field(default_factory=dict)

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

    def plain(self, i: int) -> bool:
        """Whether a node is a number or an array of the expression itself, and known."""
        node = self.nodes[i]
        return self.roles[i] == "constant" and not (isinstance(node, Constant) and not node.known)

    def frozen(self, i: int) -> bool:
        """Whether a node is a parameter that is not trained."""
        node = self.nodes[i]
        return not isinstance(node, Constant) and node._is_frozen

    def lost(self, k: int) -> bool:
        """Whether it is no longer known what the operand held when use k was computed, since that was overwritten."""
        old, data = self.recorded[k], self.data(self.uses[k].operand)
        return old is OVERWRITTEN or (isinstance(old, np.ndarray) and old is not data and np.may_share_memory(old, data))

    def overwritten(self, i: int) -> bool:
        """Whether a node is no longer the result of its operation, since its data was assigned."""
        return any(self.recorded[k] is OVERWRITTEN for k in self.incoming[i])

    def held(self, i: int) -> list[Any]:
        """The data that a node had when it was used, where these differ from its present data; None where they are not known."""
        data, found = self.data(i), list[Any]()
        for k in self.outgoing[i]:
            old = self.recorded[k]
            if old is data or old is OVERWRITTEN or (not np.ndim(old) and old == data):
                continue
            old = None if self.lost(k) else old
            if all(old is not one for one in found):
                found.append(old)
        return found

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
    recorded: list[Any] = []
    arrays: dict[int, int] = {}
    for i, node in enumerate(list(nodes)):
        if isinstance(node, Constant):
            continue
        for slot, (operand, data) in enumerate(operands(node)):
            if operand is None and id(data) in arrays:  # an array that is used in several places is one constant
                uses.append(Use(arrays[id(data)], i, slot))
            elif operand is None:
                nodes.append(Constant(math.nan, known=False) if data is OVERWRITTEN else Constant(data))
                uses.append(Use(len(nodes) - 1, i, slot))
                if np.ndim(data):
                    arrays[id(data)] = len(nodes) - 1
            else:
                uses.append(Use(index[id(operand)], i, slot))
            recorded.append(data)
    network = Network(nodes, index, uses, index[id(root)], recorded=recorded)
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
        elif not getattr(node, "requires_grad", True) and not node._is_frozen:
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
            names[i] = _numbered("constant", arrays) if np.ndim(data) else number(data) if network.plain(i) else "?"
        elif i == network.root:
            names[i] = "out" if "out" not in taken else "result"
        else:
            count += 1
            while f"v{count}" in taken:
                count += 1
            names[i] = f"v{count}"
    return names


def _numbered(name: str, n: int) -> str:
    """A name with an index; the first has none."""
    return name + str(n).translate(_LOWERED) if n > 1 else name
