"""From a folded network to a graph as data: one picture, or the tree of pictures that a page can open."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from autograd_core.expression import Expression, Symbol

from .boxes import module_rows, node_content
from .derivatives import derivative_symbol, derivative_value
from .fold import Unit, View, view_of
from .graph import Box, Edge, Graph, Grid, Group, Row
from .headers import formula_of, header_of, partial_of
from .network import Constant, Network
from .text import clean, sign_of, signed

__all__ = ["SHOW", "Scene", "picture", "result_of", "scenes", "without_cycles"]

_LONGEST = 30
"""Characters of what a stack is called."""
_INDEX = "0123456789₀₁₂₃₄₅₆₇₈₉"
SHOW = frozenset({"data", "grad", "derivatives", "values"})


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture of a page: its title, the picture and the box that it is opened from, and which part of that box it is.

    `stubs` holds (stub, box, whether what is missing stands before it) where the picture was cut, `whole` what it was
    cut from and `middle` the box that it is about; pictures with the same `stack` are the parts of one stack.
    """

    graph: Graph
    title: str
    parent: int | None = None
    opened_by: int | None = None
    part: int = 0
    parts: int = 1
    stack: int | None = None
    stubs: tuple[tuple[int, int, bool], ...] = ()
    whole: Graph | None = None
    middle: int | None = None


def picture(network: Network, view: View, show: frozenset[str] = SHOW, *, title: str = "") -> Graph:
    """Write down the boxes, edges and containers of a view."""
    number_of = {id(unit): k for k, unit in enumerate(view.units)}
    visible = {unit.around for unit in view.units}
    groups = _groups(network, visible)
    stubs = {id(rest.stub): rest.missing for rest in view.rests}
    boxes = tuple(
        Box(id=k, role="rest", name=f"⋯ {stubs[id(unit)]:,} more", group=unit.around)
        if id(unit) in stubs
        else _box(network, unit, k, show)
        for k, unit in enumerate(view.units)
    )
    edges, uses = _edges(network, view, number_of, show)
    boxes, groups = without_cycles(boxes, edges, groups)
    note = ""
    own = [unit for unit in view.units if not unit.faded]
    if view.middle is not None:
        about = network.names[view.middle]
        note = f"{view.shown:,} of {view.total:,} nodes are shown: those nearest to {about}. The rest is left out (⋯)."
    elif any(unit.kind != "node" for unit in own):
        note = f"{view.total:,} nodes folded into {len(own):,} boxes."
    if "data" in show and (changed := [network.names[i] for i in view.unit_of if network.held(i) or network.overwritten(i)]):
        words = ", ".join(changed[:3]) + (f" and {len(changed) - 3:,} more" if len(changed) > 3 else "")
        kept = any(old is not None for i in view.unit_of for old in network.held(i))
        note += f"{' ' * bool(note)}Assigned after this was computed: {words}. " + (
            "It was computed with what stands at “was”." if kept else "What it was computed with is not kept."
        )
    name = title or f"Graph of {network.names[network.root]}"
    return Graph(boxes=boxes, edges=edges, groups=groups, title=clean(name, 80), note=note, uses=uses)


def _groups(network: Network, visible: Iterable[int | None]) -> tuple[Group, ...]:
    """The containers that are open around a box, outermost first."""
    found: dict[int, Group] = {}
    pending = [call for call in visible if call is not None]
    while pending:
        c = pending.pop()
        call = network.calls[c]
        if c not in found:
            found[c] = Group(id=c, title=_call_title(network, c), parent=call.parent)
            if call.parent is not None:
                pending.append(call.parent)
    return tuple(sorted(found.values(), key=lambda group: network.calls[group.id].level))


def without_cycles(
    boxes: tuple[Box, ...], edges: tuple[Edge, ...], groups: tuple[Group, ...]
) -> tuple[tuple[Box, ...], tuple[Group, ...]]:
    """Take away the containers that a wire leaves and enters again: they have no place in a layered picture."""
    owner = {box.id: box.group for box in boxes}
    parent = {group.id: group.parent for group in groups}
    while bad := _in_cycles(owner, parent, edges):
        for group in bad:
            outer = parent.pop(group)
            owner.update({box: outer for box, inside in owner.items() if inside == group})
            parent.update({other: outer for other, around in parent.items() if around == group})
    kept = tuple(replace(group, parent=parent[group.id]) for group in groups if group.id in parent)
    return tuple(replace(box, group=owner[box.id]) for box in boxes), kept


def _in_cycles(owner: dict[int, int | None], parent: dict[int, int | None], edges: tuple[Edge, ...]) -> list[int]:
    """The containers on a cycle (or behind one) once each is seen as one item of the container around it."""

    def around(box: int) -> list[tuple[str, int]]:
        found, group = [("b", box)], owner[box]
        while group is not None:
            found.append(("g", group))
            group = parent[group]
        return found[::-1]

    after: dict[tuple[str, int], set[tuple[str, int]]] = {}
    waiting: Counter[tuple[str, int]] = Counter()
    for edge in edges:
        source, target = around(edge.source), around(edge.target)
        a, b = next((x, y) for x, y in zip(source, target, strict=False) if x != y)
        if b not in after.setdefault(a, set()):
            after[a].add(b)
            waiting[b] += 1
    ready = [key for key in after if not waiting[key]]
    while ready:
        for key in after.get(ready.pop(), ()):
            waiting[key] -= 1
            if not waiting[key]:
                ready.append(key)
    return [key[1] for key, count in waiting.items() if count and key[0] == "g"]


def _call_title(network: Network, c: int) -> str:
    call, path = network.calls[c], _path(network, c)
    return f"{path} · {call.kind}" if path and path != call.kind else call.kind or path


def _path(network: Network, c: int) -> str:
    """The path of a call below that of the call around it."""
    call = network.calls[c]
    outer = "" if call.parent is None else network.calls[call.parent].path
    return call.path.removeprefix(outer + ".") if outer else call.path


def _box(network: Network, unit: Unit, k: int, show: frozenset[str]) -> Box:
    if unit.kind == "rest" or not unit.members:
        return Box(id=k, role="rest", name="⋯")
    root = network.root in unit.members
    rows: tuple[Row, ...]
    grids: tuple[Grid, ...] = ()
    if unit.kind == "node":
        i = unit.members[0]
        rows, grids = node_content(network, i, show)
        name, formula, role = network.names[i], header_of(network, i), network.roles[i]
        hint = f"{name} {formula}".strip()
    elif unit.kind == "sum":
        i = result_of(network, unit.members) if not unit.faded else unit.parts[0][0]
        rows, grids = node_content(network, i, show)
        inside = set(unit.members)
        terms = sum(network.uses[j].operand not in inside for m in inside for j in network.incoming[m])
        name, formula, role = network.names[i], "= Σ" if unit.faded else f"= Σ of {terms:,} terms", "sum"
        hint = f"{len(unit.members)} additions"
    else:
        first = unit.parts[0] if unit.parts else unit.members
        rows = () if unit.faded else module_rows(network, unit.members, show)
        role = "module"
        if unit.call is not None and unit.kind == "module":
            call = network.calls[unit.call]
            path = _path(network, unit.call)
            name, formula = path or call.kind, call.kind if path and path != call.kind else ""
        elif unit.call is not None:
            name, formula = network.calls[unit.call].kind, ""
        else:
            last = result_of(network, first)
            role = "module" if network.op(last) is not None else network.roles[last]
            name, formula = _stack_name(network, unit.parts), ""
        hint = f"{len(unit.members)} nodes"
    return Box(
        id=k, role=role, name=name, formula=formula, rows=rows, grids=grids, root=root, faded=unit.faded,
        group=unit.around, members=tuple(unit.members), count=max(1, len(unit.parts)),
        opens=unit.kind != "node" and not unit.faded, hint=hint,
    )  # fmt: skip


def result_of(network: Network, part: Iterable[int]) -> int:
    """The node of a part that the part itself does not use."""
    inside = set(part)
    used = {network.uses[k].operand for i in inside for k in network.incoming[i]}
    return max(inside - used or inside)


def _stack_name(network: Network, parts: list[list[int]]) -> str:
    """What one part of a stack of equal terms computes, with what the names of the parts share: "w × x" for w1 × x1, w2 × x2."""
    tops = [result_of(network, part) for part in (parts[0], parts[-1])]
    op = network.op(tops[0])
    if op is None:
        return f"{network.roles[tops[0]]}s"
    if len(parts[0]) > 3:
        return _long_name(network, [result_of(network, part) for part in parts], set(parts[0]))
    named = ([network.names[network.uses[k].operand] for k in network.incoming[top]] for top in tops)
    words = [_shared(first, last) for first, last in zip(*named, strict=False)]
    return formula_of(op, words, getattr(network.nodes[tops[0]], "_params", None))


def _long_name(network: Network, alike: list[int], inside: set[int]) -> str:
    """The formula of nodes that were computed alike, as deep as there is room for."""
    texts = [clean(str(_formula(network, alike, inside, depth)).replace("((…))", "(…)"), 36) for depth in range(6)]
    fitting = [text for text in texts if len(text) <= _LONGEST]
    return fitting[-1] if fitting else texts[0]


def _formula(network: Network, alike: list[int], inside: set[int], depth: int) -> Expression:
    """The first of some nodes that were computed alike, as a formula.

    What a module has made goes by the name of the module; what is deeper, or not the same in all of them, is left out.
    """
    first, terms = alike[0], []
    op = network.op(first)
    assert op is not None
    for slot in range(len(network.incoming[first])):
        operands = [network.uses[network.incoming[i][slot]].operand for i in alike]
        one, below = operands[0], network.op(operands[0])
        term: Any = Symbol("(…)")
        if below is None:
            name = reduce(_shared, dict.fromkeys(network.names[j] for j in operands))
            number = network.data(one) if isinstance(network.nodes[one], Constant) else None
            if name != "…":
                term = number if isinstance(number, float) else Symbol(clean(name, 14))
        elif one in inside and (call := _call_between(network, one, first)) is not None:
            term = Symbol(f"{clean(network.calls[call].kind, 14)}(…)")
        elif one in inside and depth and all(network.op(j) is below for j in operands):
            term = _formula(network, operands, inside, depth - 1)
        terms.append(term)
    return Expression(op, tuple(terms), getattr(network.nodes[first], "_params", None))


def _call_between(network: Network, a: int, user: int) -> int | None:
    """The outermost call of a module that has made `a` and in which its user was not made."""
    around, call, found = set(), network.owner[user], None
    while call is not None:
        around.add(call)
        call = network.calls[call].parent
    call = network.owner[a]
    while call is not None and call not in around:
        found, call = call, network.calls[call].parent
    return found


def _shared(first: str, last: str) -> str:
    """What two names have in common: "w" for w1 and w16."""
    if first == last:
        return first
    base = first.rstrip(_INDEX)
    return base if base and base == last.rstrip(_INDEX) else "…"


def _edges(
    network: Network, view: View, number_of: dict[int, int], show: frozenset[str]
) -> tuple[tuple[Edge, ...], dict[int, int]]:
    """One edge per use between open boxes; uses that a folded box takes or gives are one edge per pair of boxes."""
    bundles: dict[tuple[int, int, int], list[int]] = {}
    for k in sorted(k for i in view.unit_of for k in network.incoming[i]):
        use = network.uses[k]
        a, b = view.unit_of.get(use.operand), view.unit_of[use.node]
        if a is None or a is b:
            continue
        apart = a.kind in ("node", "sum") and b.kind in ("node", "sum")
        bundles.setdefault((number_of[id(a)], number_of[id(b)], k if apart else -1), []).append(k)
    edges: list[Edge] = []
    edge_of: dict[int, int] = {}
    slots: dict[int, int] = {}
    for (source, target, single), members in bundles.items():
        slots[target] = slots.get(target, -1) + 1
        edge = Edge(id=len(edges), source=source, target=target, slot=slots[target], members=tuple(members))
        if single >= 0 or (len(members) == 1 and view.units[target].kind == "node"):
            if "derivatives" in show and network.differentiable(network.uses[members[0]].operand):
                edge = _with_derivative(network, edge, told=view.units[target].kind != "sum")
        elif len(members) > 1:
            edge = replace(edge, value=f"×{len(members):,}", hint=f"{len(members):,} uses")
        for k in members:
            edge_of[k] = len(edges)
        edges.append(edge)
    for rest in view.rests:
        ends = number_of[id(rest.stub)], number_of[id(rest.host)]
        source, target = ends if rest.before else ends[::-1]
        slots[target] = slots.get(target, -1) + 1
        edges.append(Edge(id=len(edges), source=source, target=target, slot=slots[target]))
    return tuple(edges), edge_of


def _with_derivative(network: Network, edge: Edge, *, told: bool) -> Edge:
    """An edge that stands for one use, with the local derivative: in the tooltip, and where it is to be `told` on the edge as well."""
    k = edge.members[0]
    use = network.uses[k]
    symbol, number = derivative_symbol(network, use), derivative_value(network, use)
    value, sign = ("", 0) if number is None else (signed(number), sign_of(number))
    op = network.op(use.node)
    what = partial_of(network, k) if op is not None and op.d else f"gradient of {network.names[use.operand]}"
    hint = " = ".join(part for part in (what, symbol, value) if part)
    return replace(edge, symbol=symbol if told else "", value=value if told else "", sign=sign, hint=hint)


def scenes(network: Network, view: View, show: frozenset[str] = SHOW, *, limit: int = 60, most: int = 2500) -> list[Scene]:
    """The picture, one for each part of each folded box in it, and so on inwards, until `most` boxes are drawn.

    First come the first parts of everything that can be opened, so that no box stays closed, then the other parts of stacks.
    """
    found = [_scene(network, view, show, network.names[network.root])]
    drawn, stacks = len(found[0].graph.boxes), 0
    first: deque[tuple[int, View]] = deque([(0, view)])
    later: deque[tuple[int, View, int, int, int]] = deque()

    def add(at: int, outer: View, k: int, part: int, stack: int) -> int:
        """Draw one part of one box; the number of boxes that took."""
        unit = outer.units[k]
        parts = parts_of(network, unit, limit)
        base = unit.call if unit.call is not None and unit.kind in ("module", "stack") else unit.around
        inner = view_of(
            network, inside=parts[part], outer=outer, base=base, limit=limit, fold=False if unit.kind == "sum" else None,
            most=4 * limit,
        )  # fmt: skip
        title = found[at].graph.boxes[k].name
        found.append(
            _scene(
                network, inner, show, title, parent=at, opened_by=k, part=part, parts=len(parts),
                stack=stack if len(parts) > 1 else None,
            )
        )  # fmt: skip
        first.append((len(found) - 1, inner))
        return len(inner.units)

    while first or later:
        if first:
            at, outer = first.popleft()
            for k, unit in enumerate(outer.units):
                if found[at].graph.boxes[k].opens and drawn < most:
                    stacks += 1
                    drawn += add(at, outer, k, 0, stacks)
                    later.extend((at, outer, k, part, stacks) for part in range(1, len(parts_of(network, unit, limit))))
        elif drawn < most:
            drawn += add(*later.popleft())
        else:
            break
    return found


def parts_of(network: Network, unit: Unit, limit: int) -> list[list[int]]:
    """The parts of a box that a page opens one at a time; a few leaves are better seen together."""
    leaves = len(unit.members) <= limit and all(network.op(i) is None for i in unit.members)
    return [unit.members] if leaves or not unit.parts else unit.parts


def _scene(network: Network, view: View, show: frozenset[str], title: str, **place: Any) -> Scene:
    number_of = {id(unit): k for k, unit in enumerate(view.units)}
    stubs = tuple((number_of[id(rest.stub)], number_of[id(rest.host)], rest.before) for rest in view.rests)
    whole = None if view.whole is None else picture(network, view.whole, show)
    own = "" if place.get("parent") is None else title
    middle = None if view.middle is None else number_of[id(view.unit_of[view.middle])]
    return Scene(picture(network, view, show, title=own), title, stubs=stubs, whole=whole, middle=middle, **place)
