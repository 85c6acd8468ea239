"""Collectives over links: payload, group and fabric in, seconds out.

    >>> link = Link("switch", 450e9, 1e-6, in_network_reduction=True)
    >>> float(collective_time("all-reduce", 16 * 1024.0, 8, link)) < 10e-6
    True

A new collective is one file here and one line in `inside.PATTERNS`; a new algorithm is one entry of a collective's
ALGORITHMS (of `between.PIPED` where it spans units) and its parameters in `data/calibration/fabric.toml`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from silmark.fabric.between import between, legs_of
from silmark.fabric.curve import Array, Curve, fastest, kept
from silmark.fabric.eager import eager
from silmark.fabric.exchange import exchange_figures, library_of, offered
from silmark.fabric.inside import CACHED, PATTERNS, inside
from silmark.fabric.link import COMPILED, Link, summing
from silmark.fabric.pace import pace
from silmark.fabric.reach import Reach
from silmark.fabric.terms import figures
from silmark.fabric.terms import library as _library
from silmark.fabric.topology import NETWORKS, tiers


def collective_time(pattern: str, bytes_: Array | float, group: int, link: Link) -> Array:
    """Seconds of one collective among chips of one link class; as `group_time` otherwise."""
    return _seconds(np.asarray(bytes_, dtype=np.float64), _inside(pattern, group, link))


def group_time(pattern: str, bytes_: Array | float, reach: Reach) -> Array:
    """Seconds of one collective, by the fastest algorithm that the library offers on that fabric.

    The fastest predicted is what NCCL's tuner takes, too (src/graph/tuning.cc).

    Args:
        pattern: all-reduce | all-gather | reduce-scatter | all-to-all | send.
        bytes_: payload per chip, any shape (all-reduce, reduce-scatter: the whole tensor; all-gather: the
            gathered result; all-to-all: what one chip sends in total; send: the message).
        reach: chips that take part, and the links between them; one chip costs nothing.

    Returns:
        Seconds, of the payload's shape.
    """
    payload = np.asarray(bytes_, dtype=np.float64)
    if reach.node == reach.group:
        return _seconds(payload, _inside(pattern, reach.group, reach.up))
    return _seconds(payload, _between(pattern, reach))


def algorithms(pattern: str, bytes_: Array | float, reach: Reach) -> dict[str, Array]:
    """Seconds by every algorithm that could run, fastest or not; empty for one chip."""
    payload = np.asarray(bytes_, dtype=np.float64)
    if reach.node == reach.group:
        return {name: one(payload) for name, one in inside(pattern, reach.group, reach.up).items()}
    return {name: fastest(some, payload) for name, some in between(pattern, reach).items()}


def terms_of(pattern: str, algorithm: str, reach: Reach) -> tuple[str, ...]:
    """Names of the fitted parameters that an algorithm of `algorithms` rests on."""
    if reach.node < reach.group and algorithm not in PATTERNS[pattern]:
        return legs_of(pattern, algorithm, reach)
    return (algorithm,)


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
    plain = group_time("all-to-all", sent * (min(copies, reach.group) / copies), reach)
    return np.asarray(np.minimum.reduce([plain, *offered(sent, copies, reach, library)]))


def _seconds(payload: Array, curves: tuple[Curve, ...]) -> Array:
    return fastest(curves, payload) if curves else np.zeros(payload.shape)


def forget() -> None:
    """Drops what was made of calibration files."""
    for cached in (figures, _library, inside, between, _inside, _between):
        cached.cache_clear()


@lru_cache(maxsize=CACHED)
def _inside(pattern: str, group: int, link: Link) -> tuple[Curve, ...]:
    return kept(inside(pattern, group, link).values())


@lru_cache(maxsize=CACHED)
def _between(pattern: str, reach: Reach) -> tuple[Curve, ...]:
    return kept(curve for some in between(pattern, reach).values() for curve in some)


__all__ = [
    "COMPILED", "NETWORKS", "PATTERNS", "Link", "Reach", "algorithms", "collective_time", "eager", "exchange_figures",
    "exchange_time", "figures", "forget", "group_time", "library_of", "pace", "summing", "terms_of", "tiers",
]  # fmt: skip
