"""A look into a stack: the nodes of one member as they were recorded."""

from __future__ import annotations

from .graph import Box, Edge, Graph, Row
from .stacks import Stacks
from .text import clean, number

__all__ = ["member_graph"]

_SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "power": "^"}
_MOST = 9
"""Operations of a member that are drawn."""


def member_graph(stacks: Stacks, head: int) -> Graph:
    """The recorded nodes of one member, with what it reads; of a long one the nodes nearest to the result."""
    network = stacks.network
    inside = set(stacks.inside[head])
    chosen: list[int] = []
    pending = [head]
    while pending and len(chosen) < _MOST:
        i = pending.pop(0)
        chosen.append(i)
        pending += [o for k in network.incoming[i] if (o := network.uses[k].operand) in inside and o not in pending and o not in chosen]
    shown = set(chosen)
    boxes: list[Box] = []
    edges: list[Edge] = []
    number_of: dict[int, int] = {}
    rest: int | None = None
    for i in sorted(chosen):
        op = network.op(i)
        assert op is not None
        sources = [network.uses[k].operand for k in network.incoming[i]]
        left_out = [o for o in sources if o in inside and o not in shown]
        outside = [o for o in sources if o not in inside]
        if len(outside) > 6:
            left_out, outside = left_out + outside[6:], outside[:6]
        for o in outside:
            if o not in number_of:
                number_of[o] = len(boxes)
                boxes.append(_given(stacks, o, len(boxes)))
        if left_out and rest is None:
            rest = len(boxes)
            missing = len(inside) - len(shown)
            boxes.append(Box(id=rest, role="rest", name=f"⋯ {missing:,} nodes more" if missing else f"⋯ {len(left_out):,} operands more"))
        number_of[i] = len(boxes)
        value = number(float(network.data(i)))
        boxes.append(
            Box(id=len(boxes), role="operation", name=_SIGNS.get(op.name, clean(op.name, 20)), rows=(Row("data", value),), root=i == head)
        )
        slots = [number_of[o] for o in sources if o in number_of] + [rest] * bool(left_out)
        for slot, source in enumerate(slots):
            if source is not None:
                edges.append(Edge(id=len(edges), source=source, target=number_of[i], slot=slot))
    title = clean(f"One member of {stacks.stacks[stacks.stack_of[head]].symbol}", 60)
    return Graph(boxes=tuple(boxes), edges=tuple(edges), title=title)


def _given(stacks: Stacks, i: int, k: int) -> Box:
    """A box for an operand from outside."""
    network = stacks.network
    value = number(float(network.data(i)))
    if i not in stacks.stack_of:
        return Box(id=k, role="constant", name=value)
    role = stacks.stacks[stacks.stack_of[i]].role
    return Box(id=k, role="input" if role == "operation" else role, name=clean(stacks.symbol(i, exact=True), 20), rows=(Row("data", value),))
