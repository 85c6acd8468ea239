"""Collectives of a group that spans units: links inside a unit and a network between them.

Libraries pipeline such collectives in pieces, so that both levels carry at once and the slower one counts; only
latencies add up (NCCL, src/graph/tuning.cc and src/graph/trees.cc; `near` and `far` below are payloads that cross one
chip's links and its own port to the network, m members in each of u units):

ring: one ring through all members, enters and leaves a unit once; channels are rotated, so that all ports carry.
tree: two trees over the units, each unit a chain; interior nodes of one are leaves of the other. Two units exchange
    one payload, three one and a half, more of them two.
in_switch_tree: as tree, sums inside a unit made by its switch (NVLSTree).
in_network: sums inside a unit by ring, between units by the network's switches (SHARP, CollNet).
in_switch_and_network: both by switches (NVLS of several nodes, which needs CollNet).
direct: parts for other units leave at once; where rails have no switches in common, over the links inside a unit to
    the port of the right rank (PXN).

Compiled schedules and oneCCL's "topo" go level by level, one after another: reduce-scatter inside a unit, the
collective between members of equal rank, all-gather inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from silmark.fabric.curve import Curve
from silmark.fabric.inside import CACHED, inside
from silmark.fabric.link import COMPILED, Link
from silmark.fabric.reach import Reach
from silmark.fabric.terms import Terms, delay, figures, library
from silmark.fabric.topology import Shape, shape

STACKED = frozenset({*COMPILED, "oneccl"})
"""Libraries that go level by level; the others pipeline."""
_LEVELS = {
    "all-reduce": ("reduce-scatter", "all-reduce", "all-gather"),
    "all-gather": ("", "all-gather", "all-gather"),
    "reduce-scatter": ("reduce-scatter", "reduce-scatter", ""),
}
"""What runs inside a unit, between units on a member's share, and inside again."""


@dataclass(frozen=True, slots=True)
class Piped:
    """An algorithm that carries on both levels at once.

    Attributes:
        terms: algorithm whose fitted parameters it has.
        near, far: times the payload that crosses a chip's links and its port, per (m, u).
        steps: messages one after another inside units and between them, per (m, u).
        direct: messages go straight to all members, not to neighbours.
        available: whether group and links can do it.
    """

    terms: str
    near: Callable[[int, int], float]
    far: Callable[[int, int], float]
    steps: Callable[[int, int], tuple[float, float]]
    direct: bool = False
    available: Callable[[Reach], bool] = lambda reach: True


def _ring(passes: int) -> Callable[[int, int], float]:
    return lambda m, u: passes * (m * u - 1) / (m * u)


def _round(passes: int) -> Callable[[int, int], tuple[float, float]]:
    return lambda m, u: (passes * u * (m - 1.0), passes * (u - 1.0))


def _tree(m: int, u: int) -> float:
    return min(2.0, u / 2)


def _away(m: int, u: int) -> float:
    """Share of what a chip sends that leaves its unit."""
    return m * (u - 1) / (m * u - 1)


PIPED: dict[str, dict[str, Piped]] = {
    "all-reduce": {
        "all_reduce_ring": Piped("all_reduce_ring", _ring(2), lambda m, u: _ring(2)(m, u) / m, _round(2)),
        "all_reduce_tree": Piped(
            "all_reduce_tree",
            lambda m, u: 2.0 if m > 1 else 0.0,
            lambda m, u: _tree(m, u) / m,
            lambda m, u: (2.0 * (m - 1), 2.0 * math.log2(u)),
        ),
        "all_reduce_in_switch_tree": Piped(
            "all_reduce_in_switch",
            lambda m, u: (m + 1) / m,
            lambda m, u: _tree(m, u) / m,
            lambda m, u: (2.0, 2.0 * math.log2(u)),
            available=lambda reach: reach.up.in_network_reduction and reach.node > 1,
        ),
        "all_reduce_in_network": Piped(
            "all_reduce_ring",
            lambda m, u: 2 * (m - 1) / m,
            lambda m, u: 1 / m,
            lambda m, u: (2.0 * (m - 1), 2.0),
            available=lambda reach: reach.out.in_network_reduction,
        ),
        "all_reduce_in_switch_and_network": Piped(
            "all_reduce_in_switch",
            lambda m, u: (m + 1) / m,
            lambda m, u: 1 / m,
            lambda m, u: (2.0, 2.0),
            available=lambda reach: reach.out.in_network_reduction and reach.up.in_network_reduction and reach.node > 1,
        ),
    },
    "all-gather": {
        "all_gather_ring": Piped("all_gather_ring", _ring(1), lambda m, u: _ring(1)(m, u) / m, _round(1)),
    },
    "reduce-scatter": {
        "reduce_scatter_ring": Piped("reduce_scatter_ring", _ring(1), lambda m, u: _ring(1)(m, u) / m, _round(1)),
    },
    "all-to-all": {
        "all_to_all_direct": Piped(
            "all_to_all_direct", lambda m, u: 1.0 - _away(m, u), _away, lambda m, u: (0.0, 1.0), direct=True
        ),
    },
}


@lru_cache(maxsize=CACHED)
def between(pattern: str, reach: Reach) -> dict[str, tuple[Curve, ...]]:
    """Curves of each algorithm that can run over the units of a group; several where its legs have a choice."""
    if pattern == "send":
        return {name: (one,) for name, one in inside(pattern, 2, reach.out).items()}
    stacked = _stacked(pattern, reach)
    if stacked:
        return {f"{pattern.replace('-', '_')}_by_levels": stacked}
    lies = shape(reach.out.topology, reach.units, reach.out.size, reach.out.dimensions, reach.out.beyond)
    ways = library(reach.up.library)
    return {
        name: (_curve(piped, reach, lies),)
        for name, piped in PIPED[pattern].items()
        if piped.terms in ways and piped.available(reach)
    }


def legs_of(pattern: str, algorithm: str, reach: Reach) -> tuple[str, ...]:
    """Names of the parameters behind an algorithm of `between`: its own, or those of all its legs."""
    if algorithm in PIPED.get(pattern, {}):
        return (PIPED[pattern][algorithm].terms,)
    first, across, last = _LEVELS[pattern]
    near = [name for leg in (first, last) if leg for name in inside(leg, reach.node, reach.up)]
    return (*near, *inside(across, reach.units, reach.out))


def _curve(piped: Piped, reach: Reach, lies: Shape) -> Curve:
    """Both levels of a pipelined algorithm."""
    m, u, up, out = reach.node, reach.units, reach.up, reach.out
    terms = library(up.library)[piped.terms]
    near, far = piped.near(m, u), piped.far(m, u)
    if piped.direct and out.topology == "rail":
        near += far * (m - 1) / m
    ramp = math.sqrt(up.pace * terms.ramp)
    inner = Curve(up.pace * terms.launch, 0.0)
    steps_near, steps_far = (terms.step * steps for steps in piped.steps(m, u))
    if m > 1:
        inside_it = shape(up.topology, m, up.size, up.dimensions, up.beyond)
        busy = inside_it.direct / inside_it.hops if piped.direct else inside_it.ring
        per_byte = near / ((terms.share if up.share is None else up.share) * up.bandwidth_bytes_per_s * busy)
        root = per_byte * ramp * math.sqrt(up.bandwidth_bytes_per_s)
        inner = Curve(inner.fixed + delay(up, steps_near), per_byte, root)
    ports = m * out.bandwidth_bytes_per_s
    per_byte = far / (_reached(out, terms) * out.bandwidth_bytes_per_s * (lies.direct if piped.direct else lies.ring))
    return inner.piped(Curve(delay(out, steps_far), per_byte, per_byte * ramp * math.sqrt(ports)))


def _reached(out: Link, terms: Terms) -> float:
    """Share of a port's bandwidth: the link's own, the library's on networks, else the algorithm's on any link."""
    if out.share is not None:
        return out.share
    stated = figures().get(f"network.{out.library}")
    return terms.share if stated is None else stated.value


def _stacked(pattern: str, reach: Reach) -> tuple[Curve, ...]:
    """Level by level: every choice of algorithms for the legs; empty where the library pipelines."""
    if reach.up.library not in STACKED or pattern not in _LEVELS:
        return ()
    first, across, last = _LEVELS[pattern]
    legs = [[one.on(1 / reach.node) for one in inside(across, reach.units, reach.out).values()]]
    if reach.node > 1:
        legs += [list(inside(name, reach.node, reach.up).values()) for name in (first, last) if name]
    return tuple(sum(choice, Curve(0.0, 0.0)) for choice in product(*legs))
