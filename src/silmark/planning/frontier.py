"""Pareto frontiers of two quantities that are both better when larger."""

from __future__ import annotations

import numpy as np

from silmark.graph import Array
from silmark.planning.points import Indices


def frontier(first: Array, second: Array) -> Indices:
    """Indices of the undominated points, by falling `first`; of equal points one stays.

    Sorted by the first quantity, a point is undominated if its second exceeds that of all before: O(n log n).
    """
    if first.size == 0:
        return np.zeros(0, dtype=np.int64)
    order = np.lexsort((-second, -first))
    sorted_second = second[order]
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], sorted_second[:-1]]))
    return np.asarray(order[sorted_second > best_before], dtype=np.int64)


def thinned(chosen: Indices, along: Array, most: int) -> Indices:
    """At most so many of a frontier's points, spread evenly along a positive quantity's logarithm, ends included."""
    if chosen.size <= most:
        return chosen
    place = np.log(along[chosen])
    wanted = np.linspace(place[0], place[-1], most)
    nearest = np.abs(place[:, None] - wanted[None, :]).argmin(axis=0)
    return np.asarray(chosen[np.unique(nearest)], dtype=np.int64)
