"""Collectives over links: payload, group and fabric in, seconds out.

    >>> link = Link("switch", 450e9, 1e-6, in_network_reduction=True)
    >>> float(collective_time("all-reduce", 16 * 1024.0, 8, link)) < 10e-6
    True

A new collective is one file here and one line in PATTERNS; a new algorithm is one entry of a collective's
ALGORITHMS and its parameters in `data/calibration/fabric.toml`.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from silmark.errors import BadValue
from silmark.fabric import all_gather, all_reduce, all_to_all, reduce_scatter, send
from silmark.fabric.eager import eager
from silmark.fabric.exchange import Reach, exchange_figures, library_of, offered
from silmark.fabric.link import COMPILED, Link, summing
from silmark.fabric.pace import pace
from silmark.fabric.terms import Algorithm, Array, Terms, figures, library, seconds
from silmark.fabric.topology import shape

PATTERNS: dict[str, dict[str, Algorithm]] = {
    "all-reduce": all_reduce.ALGORITHMS,
    "all-gather": all_gather.ALGORITHMS,
    "reduce-scatter": reduce_scatter.ALGORITHMS,
    "all-to-all": all_to_all.ALGORITHMS,
    "send": send.ALGORITHMS,
}


def collective_time(pattern: str, bytes_: Array | float, group: int, link: Link) -> Array:
    """Seconds of one collective, by the fastest algorithm that the library offers on that fabric.

    Args:
        pattern: all-reduce | all-gather | reduce-scatter | all-to-all | send.
        bytes_: payload per chip, any shape (all-reduce, reduce-scatter: the whole tensor; all-gather: the
            gathered result; all-to-all: what one chip sends in total; send: the message).
        group: chips that take part; 1 costs nothing.
        link: the fabric between them.

    Returns:
        Seconds, of the payload's shape.
    """
    payload = np.asarray(bytes_, dtype=np.float64)
    plan = _plan(pattern, group, link)
    if not plan:
        return np.zeros(payload.shape)
    best = seconds(payload, link, *plan[0])
    for terms, factor, steps in plan[1:]:
        best = np.minimum(best, seconds(payload, link, terms, factor, steps))
    return best


def exchange_time(payload: Array | float, copies: float, reach: Reach, library: str = "") -> Array:
    """Seconds of a dispatch or combine of expert parallelism, by the fastest way that there is.

    Args:
        payload: bytes of all copies of one chip's tokens, any shape.
        copies: experts that a token chose.
        reach: the chips that hold experts, and their links.
        library: see `library_of`; without one, an all-to-all that sends a token once per chip.

    Returns:
        Seconds, of the payload's shape.
    """
    sent = np.asarray(payload, dtype=np.float64)
    if reach.group == 1:
        return np.zeros(sent.shape)
    plain = sent * (min(copies, reach.group) / copies)
    inside = collective_time("all-to-all", plain * (reach.node / reach.group), reach.node, reach.up)
    if reach.group > reach.node:
        away = plain * (1.0 - reach.node / reach.group)
        inside = np.maximum(inside, collective_time("all-to-all", away, reach.group, reach.out))
    return np.asarray(np.minimum.reduce([inside, *offered(sent, copies, reach, library)]))


@cache
def _plan(pattern: str, group: int, link: Link) -> tuple[tuple[Terms, float, float], ...]:
    """Parameters, traffic factor and steps of each algorithm that can run; empty for a group of one."""
    if pattern not in PATTERNS:
        raise BadValue("pattern", pattern, f"one of {', '.join(PATTERNS)}")
    if group < 1:
        raise BadValue("group", group, "at least one chip")
    if group == 1:
        return ()
    lies = shape(link.topology, group, link.size, link.dimensions, link.beyond)
    ways = library(link.library)
    plan = tuple(
        (ways[name], algorithm.factor(group, lies), algorithm.steps(group, lies))
        for name, algorithm in PATTERNS[pattern].items()
        if name in ways and algorithm.available(group, link)
    )
    if not plan:
        raise BadValue("library", link.library, f"one that offers {pattern}")
    return plan


__all__ = [
    "COMPILED", "PATTERNS", "Link", "Reach", "collective_time", "eager", "exchange_figures", "exchange_time", "figures",
    "library_of", "pace", "summing",
]  # fmt: skip
