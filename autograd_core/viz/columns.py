"""The passes of the layered layout over one container: columns, lanes, order, coordinates (see `layout`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["Arc", "Key", "Neighbours", "coordinates", "lanes_of", "layers_of", "order_of"]

# A key names an item at one level: ("b", box), ("g", container), ("i" or "o", the source of an edge that comes in
# or goes out), ("l", source, port, column) for the invisible item of an edge that passes a column.
Key: TypeAlias = tuple[object, ...]
Arc: TypeAlias = tuple[Key, float, Key, float]  # from, the offset of its port; to, the offset of its port
Neighbours: TypeAlias = dict[Key, list[tuple[Key, float, float]]]  # neighbour, offset there, offset here
Sizes: TypeAlias = dict[Key, tuple[float, float]]  # along, across


def layers_of(size: Mapping[Key, object], arcs: Mapping[Arc, float]) -> dict[Key, int]:
    """The column of each item: as late as its consumers allow; entries in the first, exits in the last."""
    after: dict[Key, list[Key]] = {key: [] for key in size}
    before: dict[Key, list[Key]] = {key: [] for key in size}
    for start, _, end, _ in arcs:
        after[start].append(end)
        before[end].append(start)
    waiting = {key: len(before[key]) for key in size}
    ready = [key for key in size if not waiting[key]]
    entry = any(key[0] == "i" for key in size)
    layer = {key: int(entry and key[0] != "i") for key in size}
    order: list[Key] = []
    while ready:
        key = ready.pop()
        order.append(key)
        for end in after[key]:
            layer[end] = max(layer[end], layer[key] + 1)
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    if len(order) < len(size):
        raise ValueError("the items of a layered layout must not form a cycle")
    last = max(layer.values(), default=0)
    if any(key[0] == "o" for key in size):
        last = max(last, 1 + max((layer[key] for key in size if key[0] != "o"), default=0))
    for key in reversed(order):
        if key[0] == "o":
            layer[key] = last
        elif after[key] and key[0] != "i":
            layer[key] = min(layer[end] for end in after[key]) - 1
    return layer


def lanes_of(
    size: Sizes, arcs: Mapping[Arc, float], layer: dict[Key, int], lane_room: float
) -> tuple[Neighbours, Neighbours, dict[Arc, list[Key]]]:
    """Give every edge an item in each column it crosses (shared by the edges of a source); list neighbours."""
    paths: dict[Arc, list[Key]] = {}
    hops: dict[tuple[Key, float, Key, float], None] = {}
    for arc in arcs:
        start, out, end, into = arc
        path, here, offset = [start], start, out
        for column in range(layer[start] + 1, layer[end]):
            lane: Key = ("l", start, out, column)
            if lane not in layer:
                layer[lane] = column
                size[lane] = (0.0, lane_room)
            hops[here, offset, lane, 0.0] = None
            path.append(lane)
            here, offset = lane, 0.0
        hops[here, offset, end, into] = None
        paths[arc] = [*path, end]
    before: Neighbours = {key: [] for key in size}
    after: Neighbours = {key: [] for key in size}
    for here, out, there, into in hops:
        after[here].append((there, into, out))
        before[there].append((here, out, into))
    return before, after, paths


def order_of(
    size: Mapping[Key, tuple[float, float]], layer: Mapping[Key, int], before: Neighbours, after: Neighbours
) -> list[list[Key]]:
    """The order of the items in each column, with few crossings."""
    columns: list[list[Key]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    seen: set[Key] = set()
    pending = sorted((key for key in reversed(list(size)) if not after[key]), key=lambda key: layer[key])
    while pending:  # depth first from the results, so that what belongs together starts together
        key = pending.pop()
        if key not in seen:
            seen.add(key)
            columns[layer[key]].append(key)
            pending.extend(near for near, _, _ in sorted(before[key], key=lambda n: -n[2]))
    rank = {key: float(i) for column in columns for i, key in enumerate(column)}
    reach = {key: max(size[key][1], 1.0) for key in size}
    best, fewest = [column[:] for column in columns], _crossings(columns, rank, reach, after)
    for sweep in range(12 if len(size) < 400 else 6):
        if not fewest:
            break
        forward = sweep % 2 == 0
        near = before if forward else after
        for column in columns[1:] if forward else columns[-2::-1]:
            wish = {
                key: sum(rank[n] + out / reach[n] for n, out, _ in near[key]) / len(near[key])
                if near[key]
                else rank[key]
                for key in column
            }
            column.sort(key=wish.__getitem__)
            for i, key in enumerate(column):
                rank[key] = float(i)
        if len(size) < 2500:
            _swap(columns, rank, reach, before, after)
        count = _crossings(columns, rank, reach, after)
        if count < fewest:
            best, fewest = [column[:] for column in columns], count
    return best


def _crossings(
    columns: list[list[Key]], rank: Mapping[Key, float], reach: Mapping[Key, float], after: Neighbours
) -> int:
    """How many pairs of edges cross between neighbouring columns (by merge sort: inversions of the ends)."""
    total = 0
    for column in columns[:-1]:
        ends: list[float] = []
        for key in column:
            ends.extend(
                end for _, end in sorted((out, rank[n] + into / reach[n]) for n, into, out in after[key])
            )
        total += _inversions(ends)
    return total


def _inversions(values: list[float]) -> int:
    """How many pairs of `values` stand in the wrong order."""
    total, width = 0, 1
    while width < len(values):
        merged: list[float] = []
        for low in range(0, len(values), 2 * width):
            left, right = values[low : low + width], values[low + width : low + 2 * width]
            i = 0
            for value in right:
                while i < len(left) and left[i] <= value:
                    merged.append(left[i])
                    i += 1
                total += len(left) - i
                merged.append(value)
            merged.extend(left[i:])
        values, width = merged, 2 * width
    return total


def _swap(
    columns: list[list[Key]],
    rank: dict[Key, float],
    reach: Mapping[Key, float],
    before: Neighbours,
    after: Neighbours,
) -> None:
    """Exchange neighbours in a column while that removes crossings."""
    for column in columns:
        ends = {
            key: [[rank[n] + offset / reach[n] for n, offset, _ in near[key]] for near in (before, after)]
            for key in column
        }
        for _ in range(3):
            improved = False
            for i in range(len(column) - 1):
                upper, lower = column[i], column[i + 1]
                change = 0
                for side in (0, 1):
                    for a in ends[upper][side]:
                        for b in ends[lower][side]:
                            change += (a > b) - (a < b)
                if change > 0:
                    column[i], column[i + 1] = lower, upper
                    improved = True
            if not improved:
                break
        for i, key in enumerate(column):
            rank[key] = float(i)


def coordinates(
    columns: list[list[Key]], size: Sizes, before: Neighbours, after: Neighbours, gap: float
) -> dict[Key, float]:
    """Where each item stands across the flow: as near to its neighbours' mean as order and gaps allow."""
    across: dict[Key, float] = {}
    offsets: list[list[float]] = []
    for column in columns:
        total, offset = 0.0, []
        for i, key in enumerate(column):
            if i:
                total += (size[column[i - 1]][1] + size[key][1]) / 2 + gap
            offset.append(total)
            across[key] = total
        offsets.append(offset)
        middle = (offset[0] + offset[-1]) / 2 if offset else 0.0
        for key in column:
            across[key] -= middle
    leaves = {key for key in across if key[0] == "b" and not before[key]}
    turns = 24 if len(size) < 3000 else 10
    for turn in range(turns):
        forward = turn % 2 == 0
        for c in range(len(columns)) if forward else range(len(columns) - 1, -1, -1):
            column = columns[c]
            pulls = [
                _pull(key, before[key] + after[key] if turn > 3 else (before if forward else after)[key], across, leaves) for key in column
            ]
            wishes, weights = [wish for wish, _ in pulls], [weight for _, weight in pulls]
            across.update(zip(column, _monotone(wishes, weights, offsets[c]), strict=True))
    _straighten(columns, size, across, after, gap)
    return across


def _pull(key: Key, near: list[tuple[Key, float, float]], across: Mapping[Key, float], leaves: set[Key]) -> tuple[float, float]:
    """(where an item's neighbours want it, how strongly): long wires are kept straight (Gansner et al., 1993), and leaves give way."""
    lane = key[0] == "l"
    pull = total = 0.0
    for other, there, here in near:
        force = (8.0 if lane else 3.0) if other[0] == "l" else 3.0 if lane else 1.0
        if key in leaves or other in leaves:
            force *= 0.1
        pull += force
        total += force * (across[other] + there - here)
    return (total / pull, pull) if pull else (across[key], 0.1)


def _straighten(
    columns: list[list[Key]], size: Sizes, across: dict[Key, float], after: Neighbours, gap: float
) -> None:
    """Give the invisible items of one wire, and a leaf and its only use, the same place, as far as there is room."""
    beside: dict[Key, tuple[Key | None, Key | None]] = {}
    wires: dict[tuple[object, ...], list[Key]] = {}
    for column in columns:
        for i, key in enumerate(column):
            beside[key] = (column[i - 1] if i else None, column[i + 1] if i + 1 < len(column) else None)
            if key[0] == "l":
                wires.setdefault(key[1:3], []).append(key)

    def room(key: Key) -> tuple[float, float]:
        above, below = beside[key]
        half = size[key][1] / 2 + gap
        low = -1e18 if above is None else across[above] + size[above][1] / 2 + half
        high = 1e18 if below is None else across[below] - size[below][1] / 2 - half
        return low, high

    for wire in wires.values():
        run: list[Key] = []
        low, high = -1e18, 1e18
        for lane in [*wire, None]:
            bounds = (1e18, -1e18) if lane is None else room(lane)
            if lane is not None and max(low, bounds[0]) <= min(high, bounds[1]):
                low, high = max(low, bounds[0]), min(high, bounds[1])
                run.append(lane)
                continue
            if run:
                last = after[run[-1]]
                wish = sum(across[key] for key in run) / len(run)
                if len(last) == 1 and abs(across[last[0][0]] + last[0][1] - wish) < 30:
                    wish = across[last[0][0]] + last[0][1]
                across.update(dict.fromkeys(run, min(max(wish, low), high)))
            run, (low, high) = ([] if lane is None else [lane]), bounds
    for column in columns:
        for key in column:
            if key[0] == "b" and len(after[key]) == 1:
                other, there, here = after[key][0]
                low, high = room(key)
                wish = across[other] + there - here
                if low <= wish <= high and abs(wish - across[key]) < 12:
                    across[key] = wish


def _monotone(wishes: list[float], weights: list[float], offset: list[float]) -> list[float]:
    """The places nearest to `wishes` that keep at least the distances of `offset` (isotonic regression)."""
    blocks: list[list[float]] = []  # weighted sum, weight, count
    for wish, weight, away in zip(wishes, weights, offset, strict=True):
        blocks.append([(wish - away) * weight, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            total, weight_, count = blocks.pop()
            last = blocks[-1]
            last[0] += total
            last[1] += weight_
            last[2] += count
    found: list[float] = []
    for total, weight, count in blocks:
        first = len(found)
        found += [total / weight + away for away in offset[first : first + int(count)]]
    return found
