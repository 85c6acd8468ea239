"""Memory tiers of a system: what they hold and give, together and to programs that wait for them."""

from __future__ import annotations

import math

from silmark import systems
from silmark.errors import BadValue
from silmark.fabric.physical.memory import (
    average_access_s,
    gather_speedup,
    interleave_share,
    interleaved_bandwidth,
    slowdown,
)
from silmark.report.memory import Mixed, Tiers
from silmark.systems import MemoryTier


def memory(
    on: str,
    *,
    near: float = 0.8,
    stalled: float = 0.3,
    overlap: float = 0.0,
    gather: float = 1.0,
    gigabytes: float = 10.0,
) -> Tiers:
    """What a system's memory beyond its chips does.

    Args:
        on: as in `estimate`.
        near: share of accesses that find their page in the first tier.
        stalled: share of its time that a program on the first tier waits for memory.
        overlap: share of longer waits that prefetching and independent misses hide.
        gather: share of its time that a program gathers from memory (recommendation models: nearly all).
        gigabytes: what a chip restores.
    """
    for name, share in (("near", near), ("stalled", stalled), ("overlap", overlap), ("gather", gather)):
        if not 0 <= share <= 1:
            raise BadValue(name, share, "a share from 0 to 1")
    if not 0 < gigabytes <= 1e6 or math.isnan(gigabytes):
        raise BadValue("gigabytes", gigabytes, "above 0, at most a million")
    target = systems.target(on)
    tiers = tuple(target.tiers().values())
    said = {"on": target.name, "near": near, "stalled": stalled, "overlap": overlap, "gather": gather}
    chips = min(target.count, target.system.chips)
    mixed = tuple(_mixed(tiers[0], far, (near, stalled, overlap, gather)) for far in tiers[1:])
    return Tiers(said, tiers, chips, gigabytes * 1e9, mixed)


def _mixed(first: MemoryTier, far: MemoryTier, shares: tuple[float, float, float, float]) -> Mixed:
    """The first tier with another behind it, as a program on the host sees them: no chip's link is in its way."""
    near, stalled, overlap, gather = shares
    own, other = (tier.figures[f"system.memory.{tier.name}.bandwidth"].value for tier in (first, far))
    share = float(interleave_share(own, other))
    together = float(interleaved_bandwidth(own, other, share))
    average = float(average_access_s(near, first.latency_s, far.latency_s))
    return Mixed(
        names=(first.name, far.name),
        capacity_bytes=first.capacity_bytes + far.capacity_bytes,
        far_share=share,
        bandwidth_bytes_per_s=together,
        average_access_s=average,
        slowdown_mixed=float(slowdown(stalled, first.latency_s, average, overlap)),
        slowdown_far=float(slowdown(stalled, first.latency_s, far.latency_s, overlap)),
        gather_speedup=float(gather_speedup(together / own, gather)),
    )
