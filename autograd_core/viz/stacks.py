"""The scalar side of a lift: nodes that one call replaced, and that were computed alike, are one stack "×1,600".

A *member* is what stands between two calls of a function: a weighted sum with its products and additions, or one tanh. Nodes
are absorbed into the arithmetic of the same module that alone uses them, members of one shape in the same lines of the program form a stack, and a
stack shows its first member as a formula, `z1 = Σ₂ w1·x + b1`. Every recorded operation is in exactly one stack, so that the
correspondence of the two sides is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .formulas import Formulas
from .graph import Box, Edge, Graph, Group, Role, Row
from .network import Network
from .scene import without_cycles
from .text import clean

__all__ = ["Stack", "Stacks"]

_ARITHMETIC = frozenset({"add", "sub", "mul", "neg", "div", "weighted_sum", "square"})
_MANY = 150  # stacks above which they are told apart more coarsely
_ROLES: dict[str, Role] = {"parameter": "parameter", "input": "input", "constant": "constant"}


@dataclass(slots=True)
class Stack:
    """Members that were computed alike. `lines` are the lines of the program that they belong to, none for leaves.

    `heads` are the results of the members, `nodes` all nodes inside; `array` is what leaves are called in the program.
    """

    lines: tuple[int, ...]
    role: Role = "operation"
    heads: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    array: str = ""
    symbol: str = ""
    formula: str = ""
    mixed: bool = False  # members of several shapes

    @property
    def each(self) -> str:
        """How many nodes there are, and how many in a member."""
        total, count = len(self.nodes), len(self.heads)
        if self.role != "operation" or total == count:
            return f"{total:,}"
        return f"{count:,} × {total // count:,} = {total:,}" if total % count == 0 and not self.mixed else f"{total:,}"


class Stacks:
    """The stacks of a network, given the lines that each node belongs to and the arrays of its leaves."""

    def __init__(
        self, network: Network, lines_of: dict[int, tuple[int, ...]], array_of: dict[int, str], names: Sequence[str], root: int
    ) -> None:
        """`names` are those of the lines; `root` is the number of the loss."""
        self.network, self.lines_of, self.array_of, self.names = network, lines_of, array_of, names
        self.head = self._heads()
        self.inside: dict[int, list[int]] = {}  # head → the nodes of the member
        for i in sorted(self.head):
            self.inside.setdefault(self.head[i], []).append(i)
        self.stacks: list[Stack] = []
        self.stack_of: dict[int, int] = {}  # node → stack
        self.height: dict[int, int] = {}
        self.place: dict[int, int] = {}  # head or leaf → which member of its stack
        self._leaves()
        leaves = len(self.stacks)
        self._group(self._shape)
        for coarser in (self._level, self._kind):
            if len(self.stacks) - leaves > _MANY:  # too many shapes to tell apart
                self.stacks, self.stack_of = self.stacks[:leaves], {i: s for i, s in self.stack_of.items() if s < leaves}
                self._group(coarser)
        self._name(root)
        self.formulas = Formulas(network, self.head, self.symbol)
        for stack in self.stacks:
            if stack.role == "operation" and not stack.mixed:
                stack.formula = self.formulas.of_stack(stack.heads, self.inside)
            elif stack.mixed:
                stack.formula = self._kinds(stack)

    # -- members

    def _heads(self) -> dict[int, int]:
        """For every operation the result of the member that it is in."""
        network, head = self.network, {}
        for i in range(len(network.nodes) - 1, -1, -1):
            op = network.op(i)
            if op is None:
                continue
            head[i] = i
            if len(network.outgoing[i]) == 1 and self._is_arithmetic(i):
                user = network.uses[network.outgoing[i][0]].node
                same = self.lines_of.get(user) == self.lines_of.get(i) and network.owner[user] == network.owner[i]
                if same and self._is_arithmetic(user):
                    head[i] = head[user]
        return head

    def _is_arithmetic(self, i: int) -> bool:
        op = self.network.op(i)
        if op is None:
            return False
        if op.name == "power":
            return self.network.roles[self.network.uses[self.network.incoming[i][1]].operand] == "constant"
        return op.name in _ARITHMETIC

    def _operands(self, i: int) -> list[int]:
        return [self.network.uses[k].operand for k in self.network.incoming[i]]

    # -- grouping

    def _leaves(self) -> None:
        """Leaves by the array that they are in."""
        found: dict[tuple[str, str], Stack] = {}
        network = self.network
        for i, node in enumerate(network.nodes):
            if network.op(i) is not None or not network.outgoing[i] or not hasattr(node, "label"):
                continue
            name = self.array_of.get(i)
            role = "constant" if name is None else network.roles[i]
            stack = found.setdefault((name or "", role), Stack((), _ROLES.get(role, "input"), array=name or ""))
            self.place[i] = len(stack.heads)
            stack.heads.append(i)
            stack.nodes.append(i)
        for stack in found.values():
            self._add(stack)

    def _add(self, stack: Stack) -> None:
        for i in stack.nodes:
            self.stack_of[i] = len(self.stacks)
        self.stacks.append(stack)

    def _group(self, key_of: Callable[[int, dict[int, int]], Hashable]) -> None:
        """Members with equal keys become one stack; a key may depend on the stacks of earlier members."""
        numbers: dict[Hashable, int] = {}
        shape: dict[int, int] = {}
        for i in sorted(self.head):  # operands before results
            key = key_of(i, shape)
            shape[i] = numbers.setdefault(key, len(numbers))
            if self.head[i] != i:
                continue
            lines = self.lines_of.get(i, ())
            whole = ("stack", lines, shape[i])
            if whole not in numbers:
                numbers[whole] = len(self.stacks)
                self.stacks.append(Stack(lines, "operation" if lines else "constant", array="" if lines else "folded"))
            stack = self.stacks[numbers[whole]]
            stack.mixed = stack.mixed or key_of != self._shape
            self.place[i] = len(stack.heads)
            stack.heads.append(i)
            stack.nodes += self.inside[i]
            for j in self.inside[i]:
                self.stack_of[j] = numbers[whole]

    def _shape(self, i: int, shape: dict[int, int]) -> Hashable:
        """What was computed, from which stacks; numbers count as equal."""
        op = self.network.op(i)
        assert op is not None
        words: list[Hashable] = [op.name, self.lines_of.get(i)]
        for j in self._operands(i):
            if j in self.head and self.head[j] == self.head[i]:
                words.append(shape[j])
            else:
                words.append(("of", self.stack_of.get(j)))
        return tuple(words)

    def _level(self, i: int, _: dict[int, int]) -> Hashable:
        """The operation, the lines, and the height: the length of the longest way down to a leaf."""
        heads = {self.head[j] for node in self.inside.get(i, ()) for j in self._operands(node) if j in self.head}
        self.height[i] = 1 + max((self.height.get(j, 0) for j in heads if j != i), default=0)
        return (self._kind(i, _), self.height[i]) if self.head[i] == i else None

    def _kind(self, i: int, _: dict[int, int]) -> Hashable:
        """Only the operation and the lines."""
        op = self.network.op(i)
        return None if op is None else (op.name if not self._is_arithmetic(i) else "", self.lines_of.get(i))

    def _kinds(self, stack: Stack) -> str:
        count = Counter(op.name for i in stack.nodes if (op := self.network.op(i)) is not None)
        return ", ".join(f"{n:,} {name}" for name, n in count.most_common(4)) + (", …" if len(count) > 4 else "")

    # -- names

    def _name(self, root: int) -> None:
        """A number of the array H1 is called h1, what it was computed from in the same line z1."""
        taken: set[str] = set()
        for stack in self.stacks:
            if stack.role != "operation":
                unnamed = {"parameter": "p", "input": "x"}.get(stack.role, "k")
                base = unnamed if stack.array in ("", "folded") else _element(stack.array)
            else:
                name = clean(self.names[max(stack.lines)], 20)
                users = {self.network.uses[k].node for i in stack.heads[:1] for k in self.network.outgoing[i]}
                result = stack.heads[0] == root or any(max(self.lines_of.get(u, (-1,))) != max(stack.lines) for u in users)
                digits = "".join(c for c in name if c.isdigit())
                base = _element(name) if result else f"{'z' if name[0].isupper() else 'u'}{digits}"
            endings = ["", *"abcdefghijklmnopqrstuvwxyz", *(f"_{k}" for k in range(len(self.stacks)))]
            stack.symbol = next(f"{base}{ending}" for ending in endings if f"{base}{ending}" not in taken)
            taken.add(stack.symbol)

    def symbol(self, i: int, *, exact: bool) -> str:
        """What an operand is called in a formula; with `exact`, which one it is."""
        stack = self.stacks[self.stack_of[i]]
        if not exact:
            return stack.symbol
        label = self.network.label(i)
        leaf = self.network.op(i) is None
        if leaf and label and not (stack.role == "parameter" and len(stack.heads) > 8 and "[" not in label):
            return label
        return stack.symbol if len(stack.heads) == 1 else f"{stack.symbol}[{self.place[i]}]"

    # -- the picture

    def graph(self, title: str) -> Graph:
        """A box a stack, module calls as containers."""
        weight: Counter[tuple[int, int]] = Counter()
        for use in self.network.uses:
            a, b = self.stack_of.get(use.operand), self.stack_of.get(use.node)
            if a is not None and b is not None and a != b and self.head.get(use.operand, -1) != self.head.get(use.node):
                weight[a, b] += 1
        order = _sorted(len(self.stacks), weight)
        number = {s: k for k, s in enumerate(order)}
        modules, chain_of = self._modules(weight)
        boxes = tuple(self._box(self.stacks[s], k, chain_of[s][-1] if chain_of[s] else None) for k, s in enumerate(order))
        self.order, self.cyclic_uses = order, 0
        slots: Counter[int] = Counter()
        edges: list[Edge] = []
        for (a, b), n in sorted(weight.items(), key=lambda item: (number[item[0][1]], number[item[0][0]])):
            if number[a] > number[b]:  # a cycle of stacks of mixed members
                self.cyclic_uses += n
                continue
            edges.append(
                Edge(id=len(edges), source=number[a], target=number[b], slot=slots[b], hint=f"{n:,} use{'s' * (n != 1)}")
            )
            slots[b] += 1
        boxes, groups = without_cycles(boxes, tuple(edges), modules)
        return Graph(boxes=boxes, edges=tuple(edges), groups=groups, title=title)

    def _box(self, stack: Stack, k: int, group: int | None) -> Box:
        formula = "" if not stack.formula else f"= {clean(stack.formula, 40)}" if not stack.mixed else clean(stack.formula, 40)
        names = ", ".join(self.names[line] for line in stack.lines[:4]) + (", …" if len(stack.lines) > 4 else "")
        if stack.role == "operation":
            rows: tuple[Row, ...] = (Row("nodes", stack.each), Row("in", clean(names, 30)))
        else:
            where = ("no call", "folded") if stack.role == "constant" else ("array", clean(stack.array, 20))
            rows = (*[Row(*where)] * bool(where[1]), Row("nodes", stack.each))
        return Box(
            id=k, role=stack.role, name=clean(stack.symbol, 20), formula=formula, rows=rows, count=len(stack.heads), group=group,
            members=tuple(stack.nodes[:1]), opens=stack.role == "operation", hint=clean(f"{stack.symbol} = {stack.formula}", 300),
        )  # fmt: skip

    def _modules(self, weight: Iterable[tuple[int, int]]) -> tuple[tuple[Group, ...], dict[int, list[int]]]:
        """The modules that all members of a stack were computed in; a leaf stands where all its users stand."""
        found: dict[Hashable, Group] = {}
        calls: dict[int, list[Hashable]] = {}

        def chain(i: int) -> list[Hashable]:
            c = self.network.owner[i]
            if c is None:
                return []
            if c not in calls:
                keys: list[Hashable] = []
                at: int | None = c
                while at is not None:
                    call = self.network.calls[at]
                    keys.append((at, id(call.scope.owner)))
                    at = call.parent
                calls[c] = keys[::-1]
            return calls[c]

        chains: dict[int, list[Hashable]] = {}
        for s, stack in enumerate(self.stacks):
            if stack.role == "operation":
                chains[s] = _common(chain(i) for i in stack.heads)
        for s, stack in enumerate(self.stacks):
            if stack.role == "parameter":
                users = [chains[b] for a, b in weight if a == s and b in chains]
                chains[s] = _common(users) if users else []
            chains.setdefault(s, [])
        numbers: dict[int, list[int]] = {}
        for s, keys in chains.items():
            numbers[s] = []
            for depth in range(len(keys)):
                path = tuple(key[1] for key in keys[: depth + 1])  # type: ignore[index]
                if path not in found:
                    call = self.network.calls[keys[depth][0]]  # type: ignore[index]
                    parent = numbers[s][-1] if numbers[s] else None
                    short = call.path.rsplit(".", 2)
                    name = ".".join(short[-2:]) if len(short) > 1 else call.path
                    found[path] = Group(id=len(found), title=f"{name} · {call.kind}" if name and name != call.kind else call.kind, parent=parent)
                numbers[s].append(found[path].id)
        return tuple(found.values()), numbers


def _common(chains: Iterable[list[Any]]) -> list[Any]:
    """The beginning that all chains share, by what they are calls of."""
    shared: list[Any] | None = None
    for chain in chains:
        if shared is None:
            shared = list(chain)
        else:
            same = 0
            while same < min(len(shared), len(chain)) and shared[same][1] == chain[same][1]:
                same += 1
            del shared[same:]
        if not shared:
            return []
    return shared or []


def _element(name: str) -> str:
    """What one number of an array is called."""
    return name[0].lower() + name[1:] if name[:1].isupper() and name[0] != "L" else name


def _sorted(n: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """Stacks, sources before targets; where stacks depend on each other in a cycle, by number."""
    after: list[set[int]] = [set() for _ in range(n)]
    waiting = [0] * n
    for a, b in edges:
        if b not in after[a]:
            after[a].add(b)
            waiting[b] += 1
    order: list[int] = []
    ready = [s for s in range(n) if not waiting[s]]
    left = set(range(n))
    while left:
        if not ready:
            ready = [min(left)]
        s = ready.pop(0)
        if s not in left:
            continue
        left.remove(s)
        order.append(s)
        for b in sorted(after[s]):
            waiting[b] -= 1
            if not waiting[b]:
                ready.append(b)
    return order
