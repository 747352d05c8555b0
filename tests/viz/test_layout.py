"""Nothing overlaps, wires run forwards, and large graphs are placed quickly: on random graphs."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_core.viz.columns import _crossings, _inversions
from autograd_core.viz.layout import Item, Link, place


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 30))
    groups = draw(st.integers(0, 3))
    parents = {g: draw(st.sampled_from([None, *range(g)])) for g in range(groups)}
    # Boxes of a container stand together in topological order, so that containers make no cycle.
    owner = sorted(draw(st.lists(st.sampled_from([-1, *range(groups)]), min_size=n, max_size=n)))
    if any(parent is not None for parent in parents.values()):
        owner = [-1] * n if draw(st.booleans()) else [max(owner)] * n
    size = st.integers(20, 200)
    items = {i: Item(draw(size), draw(size), None if owner[i] < 0 else owner[i], (-8.0, 8.0)) for i in range(n)}
    links = [
        Link(draw(st.integers(0, i - 1)), i, slot, draw(st.sampled_from([0.0, 40.0]))) for i in range(1, n) for slot in range(draw(st.integers(0, 2)))
    ]
    return items, links, parents


def _overlap(a, b):
    return a[0] < b[2] - 0.01 and b[0] < a[2] - 0.01 and a[1] < b[3] - 0.01 and b[1] < a[3] - 0.01


@given(graphs())
def test_boxes_never_overlap_and_stay_inside(graph):
    items, links, parents = graph
    found = place(items, links, parents)
    boxes = {
        i: (c.along - items[i].along / 2, c.across - items[i].across / 2, c.along + items[i].along / 2, c.across + items[i].across / 2)
        for i, c in found.centres.items()
    }
    assert boxes.keys() == items.keys()
    for i, box in boxes.items():
        assert box[0] >= -0.01 and box[1] >= -0.01
        assert box[2] <= found.along + 0.01 and box[3] <= found.across + 0.01
        assert not any(_overlap(box, other) for j, other in boxes.items() if i != j)
        for group, (low, high) in found.frames.items():
            frame = (*low, *high)
            inside = box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]
            chain = set()
            owner = items[i].group
            while owner is not None:
                chain.add(owner)
                owner = parents[owner]
            assert inside if group in chain else not _overlap(box, frame)


@given(graphs())
def test_wires_run_forwards_from_border_to_port(graph):
    items, links, parents = graph
    found = place(items, links, parents)
    assert len(found.routes) == len(links)
    for link, route in zip(links, found.routes):
        source, target = found.centres[link.source], found.centres[link.target]
        assert route[0] == pytest.approx((source.along + items[link.source].along / 2, source.across))
        ports = items[link.target].ports
        assert route[-1] == pytest.approx((target.along - items[link.target].along / 2, target.across + ports[link.port]))
        assert all(b.along >= a.along - 0.01 for a, b in zip(route, route[1:]))
        assert route[-1].along - route[-2].along >= link.label - 0.01, "the label has its room on a straight run"


@given(st.lists(st.integers(0, 9), max_size=40))
def test_inversions_are_counted(values):
    expected = sum(a > b for i, a in enumerate(values) for b in values[i + 1 :])
    assert _inversions([float(v) for v in values]) == expected


def test_crossings_of_a_known_picture():
    a, b, c, d = (("b", i) for i in range(4))
    rank = {a: 0.0, b: 1.0, c: 0.0, d: 1.0}
    after = {a: [(d, 0.0, 0.0)], b: [(c, 0.0, 0.0)], c: [], d: []}
    assert _crossings([[a, b], [c, d]], rank, dict.fromkeys(rank, 10.0), after) == 1


def test_a_cycle_is_an_error():
    with pytest.raises(ValueError, match="cycle"):
        place({0: Item(9, 9), 1: Item(9, 9)}, [Link(0, 1), Link(1, 0)])


def test_a_long_wire_is_straight():
    items = {i: Item(60, 40) for i in range(8)}
    links = [Link(i, i + 1) for i in range(7)] + [Link(0, 7)]
    route = place(items, links).routes[-1]
    middle = {round(point.across, 3) for point in route[2:-2]}
    assert len(middle) == 1


@pytest.mark.parametrize("n", [1000])
def test_a_thousand_boxes_in_a_second(n):
    items = {i: Item(100, 60, None, (-9, 9)) for i in range(n)}
    links = [Link(max(0, i - 1 - k * (i % 7)), i, k, 30) for i in range(1, n) for k in (0, 1)]
    start = time.process_time()
    place(items, links)
    assert time.process_time() - start < 1.5
