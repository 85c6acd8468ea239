"""Frontiers: nothing on them is dominated, and everything else is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from silmark.planning.frontier import frontier, thinned

pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60)


@given(pairs)
def test_frontier_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    first, second = (np.array([p[axis] for p in points], dtype=float) for axis in (0, 1))
    chosen = frontier(first, second)
    values = {points[i] for i in chosen}
    undominated = {p for p in points if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points)}
    assert values == undominated
    assert len(values) == chosen.size  # one of equal points
    assert (np.diff(first[chosen]) < 0).all()


@given(pairs, st.integers(2, 8))
def test_thinning_keeps_the_ends(points: list[tuple[int, int]], most: int) -> None:
    first, second = (np.array([1.0 + p[axis] for p in points]) for axis in (0, 1))
    chosen = frontier(first, second)
    some = thinned(chosen, first, most)
    assert some.size <= max(most, 0) or some.size == chosen.size
    assert set(some) <= set(chosen)
    if chosen.size:
        assert some[0] == chosen[0]
        assert some[-1] == chosen[-1]
