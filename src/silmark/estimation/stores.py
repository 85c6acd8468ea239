"""Where caches of sessions wait for their next request: the chips' own memory, tiers of the system, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from silmark.errors import BadValue
from silmark.figures import Figure
from silmark.graph import Array
from silmark.step import StepModel
from silmark.workloads import Workload

_TINY = 1e-300  # keeps the share of nothing finite
OWN = "main"
"""The chips' own memory, as far as the batch leaves it."""


@dataclass(frozen=True, slots=True)
class Level:
    """One tier, as one replica sees it.

    Attributes:
        sessions: caches that it holds, at every batch.
        read_s: until all chips of a session have its cache.
        link_s, tier_s: time of the host links, and of the replica's share of the tier, that a request takes: its old
            cache in, its new part out.
        figures: what these were taken from, by key.
    """

    sessions: Array
    read_s: float
    link_s: float
    tier_s: float
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Store:
    """Tiers in a row: the first holds the caches used last, each of the others what those before it push out.

    Attributes:
        name: names of the tiers, joined by +.
    """

    name: str
    levels: tuple[Level, ...]

    @property
    def sessions(self) -> Array:
        """Caches that all tiers hold, at every batch."""
        return np.asarray(sum((level.sessions for level in self.levels), np.zeros(())))

    @property
    def figures(self) -> dict[str, Figure]:
        """What it was taken from, by key."""
        return {key: figure for level in self.levels for key, figure in level.figures.items()}

    def pace(self, idle: Array) -> tuple[Array, Array]:
        """Mean seconds of a restore, and of the busiest link or tier per request, with so many idle sessions."""
        ends = list(accumulate(level.sessions for level in self.levels))
        kept = np.minimum(idle, ends[-1])
        read, link, tier = np.zeros(()), np.zeros(()), np.zeros(())
        for level, end in zip(self.levels, ends, strict=True):
            inside = np.clip(kept - (end - level.sessions), 0.0, level.sessions)
            # Nobody idle: what there is lies in the first tier.
            part = np.where(kept > 0, inside / np.maximum(kept, _TINY), float(level is self.levels[0]))
            read, link = read + part * level.read_s, link + part * level.link_s
            tier = np.maximum(tier, part * level.tier_s)
        return read, np.maximum(link, tier)


def store(model: StepModel, work: Workload, name: str, batches: Array, held: Callable[[float], float]) -> Store:
    """The tiers of that name for one replica.

    Args:
        model: the replica.
        work: requests.
        name: a tier, or several joined by +.
        batches: sequences in flight.
        held: bytes that a sequence of so many tokens takes on one chip, a draft's cache included.

    Raises:
        BadValue: a tier that the system does not have.
    """
    names, tiers = name.split("+"), model.target.tiers()
    if not set(names) <= {OWN, *tiers} or len(set(names)) < len(names):
        known = ", ".join((OWN, *tiers))
        raise BadValue("offload", name, f"one of {known}, or several joined by +: {model.target.system.id} has these")
    return Store(name, tuple(_level(model, work, one, batches, held) for one in names))


def _level(model: StepModel, work: Workload, name: str, batches: Array, held: Callable[[float], float]) -> Level:
    plan, target = model.plan, model.target
    old, final = held(work.reuse), held(work.prompt + work.output)
    if name == OWN:
        return Level(np.maximum(0.0, model.memory.capacity - batches * final) / old, 0.0, 0.0, 0.0, {})
    tier, chips = target.tiers()[name], target.system.chips
    # A sequence lies on the chips of one rank, which hold more of it than the mean chip of the replica.
    read = tier.seconds(old * plan.ranks, min(chips, plan.replica_chips // plan.ranks))
    elements = float(model.model.kv_elements(np.asarray(float(work.reuse))))
    session = elements * plan.precision.kv_bytes + model.model.state_elements * 4.0
    session *= old / float(model.memory.per_sequence(work.reuse))
    return Level(
        sessions=tier.capacity_bytes / chips * plan.replica_chips / session + np.zeros(batches.shape),
        read_s=read,
        link_s=max(old, final - old) / tier.chip_bytes_per_s,
        tier_s=final / (tier.bandwidth_bytes_per_s / chips),
        figures=dict(tier.figures),
    )
