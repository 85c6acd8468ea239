"""KV blocks in memory beyond the chips: how many a tier holds, and how long they take to move.

All chips of a replica move their part of a block at the same time, each over its host link, and together no faster
than the tier (`systems.memory`). Whether a restore pays is a comparison with a prefill of the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from silmark.errors import BadValue
from silmark.figures import Figure
from silmark.serving.replica import Replica

NEVER = 1 << 40
"""Fewest blocks that are restored sooner than computed, where none are."""


@dataclass(frozen=True, slots=True)
class KvTier:
    """One tier for one replica.

    Attributes:
        name: as the system's file calls it.
        blocks: that its share of the tier holds.
        latency_s: before the first byte.
        block_s: per block, alone on the tier, in either direction.
        share_s: per block, where every chip of the unit moves blocks at the same time.
        pays_from: fewest blocks that are restored sooner than prefilled; `NEVER` if none are.
        figures: behind it, by key.
    """

    name: str
    blocks: int
    latency_s: float
    block_s: float
    share_s: float
    pays_from: int
    figures: dict[str, Figure]

    def seconds(self, blocks: float) -> float:
        """Until so many blocks have moved, alone on the tier."""
        return self.latency_s + blocks * self.block_s


def kv_tiers(found: Replica, names: Sequence[str]) -> list[KvTier]:
    """Tiers in the order in which they are filled.

    Raises:
        BadValue: a tier that the system does not have.
    """
    return [_tier(found, name) for name in names]


def _tier(found: Replica, name: str) -> KvTier:
    model = found.step_model
    target, plan = model.target, model.plan
    known = target.tiers()
    if name not in known:
        raise BadValue("offload", name, f"one of {', '.join(known) or 'none'}: {target.system.id} has these")
    tier, chips = known[name], target.system.chips
    moving = min(chips, plan.replica_chips // plan.ranks)  # a sequence lies on the chips of one rank
    part = plan.replica_chips / chips
    whole = _stored_bytes(found)
    kept = KvTier(
        name=name,
        blocks=int(min(tier.capacity_bytes * part / whole, float(NEVER))),
        latency_s=tier.latency_s,
        block_s=tier.seconds(found.blocks.bytes_ * plan.ranks, moving) - tier.latency_s,
        share_s=whole / (tier.bandwidth_bytes_per_s * part),
        pays_from=NEVER,
        figures=dict(tier.figures),
    )
    return replace(kept, pays_from=_pays_from(found, kept))


def _stored_bytes(found: Replica) -> float:
    """Bytes of a block in the tier: one copy, whatever the chips of a group keep of it."""
    model, size = found.step_model, found.options.block_size
    context = np.array([float(size), 2.0 * size])
    first, second = model.model.kv_elements(context) * model.plan.precision.kv_bytes
    return float(second - first) or found.blocks.bytes_ * model.plan.replica_chips


def _pays_from(found: Replica, tier: KvTier) -> int:
    """The first of a ladder of lengths from which on a restore is sooner than a prefill."""
    size = found.options.block_size
    most = max(1, found.options.max_model_len // size)
    ladder = np.unique(np.rint(np.geomspace(1, most, 64)).astype(np.int64))
    computed = found.step_model.prefill_s(1.0, ladder * float(size))
    slower = np.flatnonzero(np.array([tier.seconds(float(n)) for n in ladder]) >= computed)
    place = 0 if slower.size == 0 else int(slower[-1]) + 1
    return int(ladder[place]) if place < ladder.size else NEVER
