"""Sums of figures: what a path takes is what its pieces take, and so are the intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable

from silmark.figures import Figure, Interval

Term = tuple[Figure, float]
"""A figure and how many times it counts."""


def total(terms: Iterable[Term]) -> Interval:
    """Sum of figures times factors; distances to the bounds add in quadrature, as independent ones do."""
    mid = below = above = 0.0
    for figure, factor in terms:
        mid += figure.value * factor
        below += ((figure.value - figure.low) * factor) ** 2
        above += ((figure.high - figure.value) * factor) ** 2
    return Interval(max(0.0, mid - math.sqrt(below)), mid, mid + math.sqrt(above))


def more(*parts: Interval) -> Interval:
    """Sum of intervals of independent things."""
    mid = sum(part.mid for part in parts)
    below = math.sqrt(sum((part.mid - part.low) ** 2 for part in parts))
    return Interval(max(0.0, mid - below), mid, mid + math.sqrt(sum((part.high - part.mid) ** 2 for part in parts)))
