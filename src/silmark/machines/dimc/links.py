"""What chiplets exchange: all-reduces and gathers over the levels of links, each message sent directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from silmark.machines.dimc.geometry import Level

PARTIAL, RESULT = 4, 2
"""Bytes of a partial sum (float32, so that only the whole sum is rounded) and of a result (fp16)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange.

    Attributes:
        cycles: until every chiplet has what it needs.
        sent: bytes over each level, all chiplets together.
    """

    cycles: int
    sent: tuple[float, ...]


def all_reduce(levels: Sequence[Level], elements: float) -> Exchange:
    """Partial sums of so many elements on every chiplet become the whole sums on every chiplet.

    Nearest level first every chiplet sends each other member of its group that member's part (reduce-scatter), so that
    the next level has less to add; then the sums go back the same way (all-gather).
    """
    cycles, share, sent = 0, elements, []
    chiplets = _chiplets(levels)
    for level in levels:
        share /= level.members
        bytes_ = (level.members - 1) * share * (PARTIAL + RESULT)
        cycles += 2 * level.latency + ceil(bytes_ / level.bandwidth)
        sent.append(chiplets * bytes_)
    return Exchange(cycles, tuple(sent))


def all_gather(levels: Sequence[Level], elements: float) -> Exchange:
    """Results of which every chiplet has an equal part become whole on every chiplet; the farthest level first."""
    cycles, share, sent = 0, elements / _chiplets(levels), []
    for level in reversed(levels):
        bytes_ = (level.members - 1) * share * RESULT
        cycles += level.latency + ceil(bytes_ / level.bandwidth)
        sent.append(_chiplets(levels) * bytes_)
        share *= level.members
    return Exchange(cycles, tuple(reversed(sent)))


def _chiplets(levels: Sequence[Level]) -> int:
    count = 1
    for level in levels:
        count *= level.members
    return count
