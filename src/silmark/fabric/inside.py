"""Collectives among chips that one link class joins: the algorithms that their library offers, as curves."""

from __future__ import annotations

from functools import lru_cache

from silmark.errors import BadValue
from silmark.fabric import all_gather, all_reduce, all_to_all, reduce_scatter, send
from silmark.fabric.curve import Curve
from silmark.fabric.link import Link
from silmark.fabric.terms import Algorithm, curve, library
from silmark.fabric.topology import shape

CACHED = 4096
"""Groups whose curves are kept."""
PATTERNS: dict[str, dict[str, Algorithm]] = {
    "all-reduce": all_reduce.ALGORITHMS,
    "all-gather": all_gather.ALGORITHMS,
    "reduce-scatter": reduce_scatter.ALGORITHMS,
    "all-to-all": all_to_all.ALGORITHMS,
    "send": send.ALGORITHMS,
}


@lru_cache(maxsize=CACHED)
def inside(pattern: str, group: int, link: Link) -> dict[str, Curve]:
    """Curve of each algorithm that can run among so many chips of one link; empty for one chip.

    Raises:
        BadValue: a pattern that is unknown, a group below one, a library without any algorithm for the pattern.
    """
    if pattern not in PATTERNS:
        raise BadValue("pattern", pattern, f"one of {', '.join(PATTERNS)}")
    if group < 1:
        raise BadValue("group", group, "at least one chip")
    if group == 1:
        return {}
    lies = shape(link.topology, group, link.size, link.dimensions, link.beyond)
    ways = library(link.library)
    found = {
        name: curve(link, ways[name], algorithm.factor(group, lies), algorithm.steps(group, lies))
        for name, algorithm in PATTERNS[pattern].items()
        if name in ways and algorithm.available(group, link)
    }
    if not found:
        raise BadValue("library", link.library, f"one that offers {pattern}")
    return found
