"""Folding: which nodes share a box, so that a picture of ten thousand nodes can be read.

Three folds, in this order, each only where it is needed to come below the limit: module calls deeper than `depth`;
trees of additions into one Σ; equal parts (sixteen neurons of a layer, a hundred terms of a loss) into a stack. What is
still too large is cut to the neighbourhood of one node. A fold never makes a cycle: a call that would is opened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from .headers import told_constants
from .network import Constant, Network

__all__ = ["Rest", "Unit", "View", "view_of"]

Kind = Literal["node", "module", "sum", "stack", "rest"]
_OPEN, _MOST, _WALK = 60, 1000, 10_000
"""Boxes of a picture; boxes above which it is cut to a neighbourhood; boxes of the larger neighbourhood that a page can walk through."""


@dataclass(slots=True, eq=False)
class Unit:
    """What becomes one box: its nodes, the call it stands for or lies in, and the equal parts of a stack."""

    kind: Kind
    members: list[int]
    around: int | None = None
    call: int | None = None
    parts: list[list[int]] = field(default_factory=list)
    faded: bool = False


class Rest(NamedTuple):
    """Where a picture was cut: a stub beside a box, and how many boxes are missing before it or after it."""

    stub: Unit
    host: Unit
    missing: int
    before: bool


@dataclass(slots=True)
class View:
    """The boxes of one picture, and which box every node is in; `shown` of `total` nodes are there.

    Of a picture that was cut, `middle` is the node that it is about, and `whole` what it was cut from, as far as a page holds it.
    """

    units: list[Unit]
    unit_of: dict[int, Unit]
    shown: int
    total: int
    rests: list[Rest] = field(default_factory=list)
    middle: int | None = None
    whole: View | None = None


def view_of(
    network: Network,
    *,
    inside: Iterable[int] | None = None,
    outer: View | None = None,
    base: int | None = None,
    depth: int | None = None,
    fold: bool | None = None,
    around: int | None = None,
    limit: int = _OPEN,
    most: int = _MOST,
) -> View:
    """Fold a network, or the nodes `inside` a part of it that lies in the call `base` and is a box of the view `outer`.

    `depth` is how many levels of calls are open, None for as many as keep the picture below `limit` boxes. `fold` says
    whether sums and equal parts are folded, None for where the picture would be too large. `around` asks for the
    neighbourhood of a node.
    """
    chosen = list(range(len(network.nodes))) if inside is None else sorted(set(inside))
    everything = len(chosen)
    level = -1 if base is None else network.calls[base].level
    deepest = max((network.calls[c].level for c in {network.owner[i] for i in chosen} if c is not None), default=-1)
    depths = range(deepest - level, -1, -1) if depth is None else (depth,)
    view: View | None = None
    large = everything > limit
    for opened in depths:
        view = _folded(network, chosen, level + opened, large if fold is None else fold, outer)
        if len(view.units) <= limit:
            break
    if view is None:  # no nodes at all
        view = View([], {}, 0, 0)
    if around is not None or len(view.units) > most:
        middle, folded = network.root if around is None else around, view
        view = _neighbourhood(network, folded, middle, limit)
        view.middle, view.whole = middle, _neighbourhood(network, folded, middle, _WALK)
    view.total = everything
    return view


def _folded(network: Network, chosen: list[int], level: int, fold: bool, outer: View | None) -> View:
    """One unit per node or folded call, then sums and stacks."""
    dissolved: set[int] = set()
    while True:
        unit_of, units = _calls_folded(network, chosen, level, dissolved)
        stuck = _cycle(network, units, unit_of)
        calls = {unit.call for unit in stuck if unit.call is not None}
        if not calls:
            break
        dissolved |= calls
    if outer is not None:
        units, unit_of = _with_context(network, chosen, units, unit_of, outer)
    _fold_numbers(network, unit_of)
    if fold:
        _fold_sums(network, unit_of)
        _fold_alike(network, units, unit_of)
        _fold_terms(network, units, unit_of)
        _fold_leaves(network, units, unit_of)
    alive = [unit for unit in units if unit.members]
    return View(_sorted(network, alive, unit_of), unit_of, len(chosen), len(chosen))


def _calls_folded(
    network: Network, chosen: list[int], level: int, dissolved: set[int]
) -> tuple[dict[int, Unit], list[Unit]]:
    unit_of: dict[int, Unit] = {}
    units: list[Unit] = []
    folded: dict[int, Unit] = {}
    for i in chosen:
        call = network.owner[i]
        top, container = None, call
        while call is not None:
            if network.calls[call].level > level and call not in dissolved:
                top, container = call, network.calls[call].parent
            call = network.calls[call].parent
        if top is None:
            units.append(Unit("node", [], container))
            unit_of[i] = units[-1]
        else:
            if top not in folded:
                folded[top] = Unit("module", [], container, top)
                units.append(folded[top])
            unit_of[i] = folded[top]
        unit_of[i].members.append(i)
    return unit_of, units


def _with_context(
    network: Network, chosen: list[int], units: list[Unit], unit_of: dict[int, Unit], outer: View
) -> tuple[list[Unit], dict[int, Unit]]:
    """What stands just outside a part that is looked into, faded, so that its wires come from somewhere.

    Outside, nodes that share a box in the picture around this one share it here too, unless that would make a cycle.
    """
    for together in (True, False):
        around: dict[object, Unit] = {}
        every = dict(unit_of)
        for i in chosen:
            near = [(network.uses[k].operand, 0) for k in network.incoming[i]]
            near += [(network.uses[k].node, 1) for k in network.outgoing[i]]
            for j, side in near:
                if j not in every:
                    box = outer.unit_of.get(j) if together else None
                    if box is None or box.kind == "node":
                        around[j] = every[j] = Unit("node", [j], faded=True)
                        continue
                    if (id(box), side) not in around:
                        parts = [[max(box.members)]] if box.kind == "sum" else box.parts
                        around[id(box), side] = Unit(box.kind, [], None, box.call, parts, faded=True)
                    every[j] = around[id(box), side]
                    every[j].members.append(j)
        found = [*units, *around.values()]
        if not _cycle(network, found, every):
            break
    return found, every


def _neighbours(network: Network, units: list[Unit], unit_of: dict[int, Unit]) -> tuple[dict[int, dict[Unit, None]], ...]:
    """The units before and after each unit, by id, in the order of reading: a picture is the same in every run."""
    before: dict[int, dict[Unit, None]] = {id(unit): {} for unit in units}
    after: dict[int, dict[Unit, None]] = {id(unit): {} for unit in units}
    for i, b in unit_of.items():
        for k in network.incoming[i]:
            a = unit_of.get(network.uses[k].operand)
            if a is not None and a is not b:
                before[id(b)][a] = after[id(a)][b] = None
    return before, after


def _sorted(network: Network, units: list[Unit], unit_of: dict[int, Unit]) -> list[Unit]:
    """The units in topological order."""
    before, after = _neighbours(network, units, unit_of)
    waiting = {id(unit): len(before[id(unit)]) for unit in units}
    ready = deque(unit for unit in units if not waiting[id(unit)])
    order: list[Unit] = []
    while ready:
        unit = ready.popleft()
        order.append(unit)
        for later in after[id(unit)]:
            waiting[id(later)] -= 1
            if not waiting[id(later)]:
                ready.append(later)
    return order


def _cycle(network: Network, units: list[Unit], unit_of: dict[int, Unit]) -> list[Unit]:
    """The units that lie on or behind a cycle; none for a sound folding."""
    order = {id(unit) for unit in _sorted(network, units, unit_of)}
    return [unit for unit in units if id(unit) not in order]


def _merge(target: Unit, others: Iterable[Unit], unit_of: dict[int, Unit]) -> None:
    for other in others:
        if other is not target:
            target.members += other.members
            for i in other.members:
                unit_of[i] = target
            other.members = []


def _fold_numbers(network: Network, unit_of: dict[int, Unit]) -> None:
    """Numbers that stand in the header of the only box that uses them go into that box."""
    for i, unit in list(unit_of.items()):
        if unit.kind == "node" and not unit.faded:
            inside = [unit_of[j] for j in told_constants(network, i) if j in unit_of and unit_of[j].around == unit.around]
            _merge(unit, [other for other in inside if other.kind == "node" and not other.faded], unit_of)


def _fold_sums(network: Network, unit_of: dict[int, Unit]) -> None:
    """A tree of three or more additions whose partial sums nobody else uses becomes one Σ."""

    def addition(i: int) -> bool:
        op = network.op(i)
        return op is not None and op.name == "add" and unit_of[i].kind == "node" and not unit_of[i].faded

    def nothing(i: int) -> bool:  # the 0 that Python's sum starts with
        number = i in unit_of and unit_of[i].kind == "node" and isinstance(network.nodes[i], Constant)
        return number and np.ndim(network.data(i)) == 0 and network.data(i) == 0 and not unit_of[i].faded

    inner: set[int] = set()
    for i in sorted(unit_of, reverse=True):
        if i in inner or not addition(i):
            continue
        found, zeros, pending = [], list[int](), [i]
        while pending:
            j = pending.pop()
            found.append(j)
            for k in network.incoming[j]:
                a = network.uses[k].operand
                alone = len(network.outgoing[a]) == 1 and not network.label(a)
                if a in unit_of and addition(a) and alone and unit_of[a].around == unit_of[i].around:
                    pending.append(a)
                elif nothing(a) and unit_of[a].around == unit_of[i].around:
                    zeros.append(a)
        if len(found) >= 3:
            inner.update(found)
            unit_of[i].kind = "sum"
            _merge(unit_of[i], [unit_of[j] for j in found + zeros], unit_of)


def _fold_alike(network: Network, units: list[Unit], unit_of: dict[int, Unit]) -> None:
    """Three or more equal calls between the same boxes (the neurons of a layer) become a stack."""
    before, after = _neighbours(network, units, unit_of)
    alike: dict[object, list[Unit]] = {}
    for unit in units:
        if unit.kind == "module" and unit.members and unit.call is not None:
            kind = (network.calls[unit.call].kind, len(unit.members), unit.around, unit.faded)
            sides = tuple(frozenset(map(id, side[id(unit)])) for side in (before, after))
            alike.setdefault((kind, sides), []).append(unit)
    for same in alike.values():
        if len(same) >= 3:
            same[0].parts = [list(unit.members) for unit in same]
            _merge(same[0], same[1:], unit_of)
            same[0].kind = "stack"


def _fold_leaves(network: Network, units: list[Unit], unit_of: dict[int, Unit]) -> None:
    """Eight or more leaves of a kind that the same boxes use (the weights of a folded model) become a stack."""
    _, after = _neighbours(network, units, unit_of)
    alike: dict[object, list[Unit]] = {}
    for unit in units:
        if unit.kind == "node" and unit.members and network.op(unit.members[0]) is None and after[id(unit)]:
            key = (network.roles[unit.members[0]], unit.around, unit.faded, frozenset(map(id, after[id(unit)])))
            alike.setdefault(key, []).append(unit)
    for same in alike.values():
        if len(same) >= 8:
            same[0].parts = [list(unit.members) for unit in same]
            _merge(same[0], same[1:], unit_of)
            same[0].kind = "stack"


def _fold_terms(network: Network, units: list[Unit], unit_of: dict[int, Unit]) -> None:
    """Four or more equal trees that end in the same box and that nobody else uses (the terms of a sum) become a stack."""
    alive = [unit for unit in units if unit.members and not unit.faded]
    before, after = _neighbours(network, [unit for unit in units if unit.members], unit_of)
    numbers: dict[object, int] = {}
    signature: dict[int, int] = {}
    below: dict[int, list[Unit]] = {}

    def tree(top: Unit) -> list[Unit]:
        found = [top]
        for unit in found:
            found.extend(below[id(unit)])
        return found

    for unit in _sorted(network, alive, {i: u for u in alive for i in u.members}):
        first = unit.members[0]
        op = network.op(first)
        own: object
        if unit.kind == "node":
            own = op.name if op is not None else network.roles[first]
        else:
            own = (unit.kind, None if unit.call is None else network.calls[unit.call].kind, len(unit.members))
        mine = [b for b in before[id(unit)] if len(after[id(b)]) == 1 and id(b) in signature]
        under = tuple(sorted(signature[id(b)] for b in mine)) + (-1,) * (len(before[id(unit)]) - len(mine))
        key = (own, unit.around, under, bool(network.label(first)) and op is not None)
        signature[id(unit)] = numbers.setdefault(key, len(numbers))
        below[id(unit)] = mine
        shared: dict[int, list[Unit]] = {}
        for b in mine:
            shared.setdefault(signature[id(b)], []).append(b)
        for same in shared.values():
            leaf = network.op(same[0].members[0]) is None and not below[id(same[0])]
            if len(same) < (8 if leaf else 4):
                continue
            trees = [tree(b) for b in same]
            head = same[0]
            parts = [[i for u in found for i in u.members] for found in trees]
            _merge(head, [u for found in trees for u in found], unit_of)
            head.parts, head.kind, head.members = parts, "stack", [i for part in parts for i in part]
            below[id(unit)] = [u for u in below[id(unit)] if u.members]
            below[id(head)] = []


def _neighbourhood(network: Network, view: View, around: int, limit: int) -> View:
    """The `limit` boxes nearest to one node, and a stub wherever a neighbour was left out."""
    before, after = _neighbours(network, view.units, view.unit_of)
    start = view.unit_of.get(around) or view.units[-1]
    kept: dict[int, Unit] = {id(start): start}
    queue = deque([start])
    while queue and len(kept) < limit:
        unit = queue.popleft()
        leaf = unit is not start and not before[id(unit)]  # what else uses a weight is not near
        for side in (before,) if leaf else (before, after):
            for near in sorted(side[id(unit)], key=lambda u: u.members[0]):
                if id(near) not in kept and len(kept) < limit:
                    kept[id(near)] = near
                    queue.append(near)
    units = [unit for unit in view.units if id(unit) in kept]
    rests: list[Rest] = []
    for unit in units:
        for side in (before, after):
            missing = sum(id(near) not in kept for near in side[id(unit)])
            if missing:
                rests.append(Rest(Unit("rest", [], unit.around), unit, missing, side is before))
    unit_of = {i: unit for i, unit in view.unit_of.items() if id(unit) in kept}
    ends = [[rest.stub for rest in rests if rest.before is first] for first in (True, False)]
    return View([*ends[0], *units, *ends[1]], unit_of, len(unit_of), view.total, rests)
