"""Caches of sessions that wait for their next request: kept in a memory tier, restored from it or made anew.

A request brings `reuse` tokens that an earlier one of its session left in a cache. They are restored - copied back at
the pace of the chips' host links and of their shares of the tier - or prefilled again, whichever is sooner; a copy
leaves the chips' time to others, and what would overload the links is prefilled as well.

How many sessions find their cache: with idle times that are exponentially distributed and the oldest cache evicted
first, a tier that holds S of N idle sessions serves S / N of the requests (Che et al., IEEE JSAC 20(7), 2002, equation
1, whose characteristic time drops out), and N is the rate of requests times the mean idle time (Little's law).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from silmark.chips.mechanisms import RESOURCES, Resource
from silmark.errors import BadValue
from silmark.estimation.chunks import Prompts
from silmark.figures import Figure
from silmark.graph import Array
from silmark.step import StepCost, StepModel
from silmark.workloads import Workload

OWN = "main"
"""The chips' own memory, as far as the batch leaves it."""
_FULLEST = 0.9
"""Utilisation of a link above which an engine prefills instead of waiting."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where caches wait, as one replica sees it.

    Attributes:
        name: of the tier.
        sessions: caches that it holds, at every batch.
        read_s: until all chips of a session have its cache.
        busy_s: time of the links, or of the tier's share, that a request takes: its old cache in, its new part out.
        figures: what these were taken from, by key.
    """

    name: str
    sessions: Array
    read_s: float
    busy_s: float
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it at one batch.

    Attributes:
        tier: where caches wait.
        share: of the requests, those whose cache is restored.
        read_s: seconds of a restore.
        sessions: caches that the tier holds, of the whole system.
        figures: behind the tier, by key.
    """

    tier: str
    share: float
    read_s: float
    sessions: float
    figures: dict[str, Figure]

    def __str__(self) -> str:
        return f"{self.share:.0%} of the requests restored from {self.tier}, in {self.read_s * 1e3:.3g} ms"


def store(model: StepModel, work: Workload, name: str, batches: Array) -> Store:
    """The tier of that name for one replica; raises BadValue for one that the system does not have."""
    memory, plan, target = model.memory, model.plan, model.target
    old, final = (float(memory.per_sequence(tokens)) for tokens in (work.reuse, work.prompt + work.output))
    if name == OWN:
        free = np.maximum(0.0, memory.capacity - batches * final)
        return Store(name, free / old, 0.0, 0.0, {})
    tiers = target.tiers()
    if name not in tiers:
        raise BadValue("offload", name, f"one of {', '.join((OWN, *tiers))}: {target.system.id} has these")
    tier, chips = tiers[name], target.system.chips
    share = tier.bandwidth_bytes_per_s / chips
    busy = max(max(old, final - old) / tier.chip_bytes_per_s, final / share)
    # A sequence lies on the chips of one rank, which hold more of it than the mean chip of the replica.
    pulling = min(chips, plan.replica_chips // plan.ranks)
    elements = float(model.model.kv_elements(np.asarray(float(work.reuse))))
    session = elements * plan.precision.kv_bytes + model.model.state_elements * 4.0
    held = tier.capacity_bytes / chips * plan.replica_chips / session
    return Store(name, np.asarray(held), tier.seconds(old * plan.ranks, pulling), busy, dict(tier.figures))


@dataclass(frozen=True, slots=True)
class Blend:
    """Prompts of which a share is restored but for its new tokens; answers like `Prompts`.

    Attributes:
        fresh, restored: prompts made anew, and new tokens over a restored cache.
        share: restored, at every batch.
        wait_s: from the request to its cache, at every batch.
    """

    fresh: Prompts
    restored: Prompts
    share: Array
    wait_s: Array

    @property
    def passes(self) -> Array:
        """Mean number of passes of a prompt."""
        return np.asarray(self._mean(np.asarray(self.fresh.passes), np.asarray(self.restored.passes)))

    @property
    def per_step(self) -> Array:
        """Most prompts that one step carries."""
        return 1.0 / self._mean(np.asarray(1.0 / self.fresh.per_step), np.asarray(1.0 / self.restored.per_step))

    @property
    def first(self) -> StepCost:
        """Mean request alone, the restore as time of the links."""
        cost = self._cost(self.fresh.first, self.restored.first)
        parts = {**cost.parts, "link": cost.parts.get("link", np.zeros(())) + self.share * self.wait_s}
        return StepCost(parts, cost.energy_j)

    def seconds(self, batches: Array) -> Array:
        """Mean seconds of work per prompt."""
        return self._mean(self.fresh.seconds(batches), self.restored.seconds(batches))

    def energy(self, batches: Array) -> Array:
        """Mean joules per prompt."""
        return self._mean(self.fresh.energy(batches), self.restored.energy(batches))

    def cost(self, batches: Array) -> StepCost:
        """Mean work per prompt, by resource."""
        return self._cost(self.fresh.cost(batches), self.restored.cost(batches))

    def longest_s(self, batches: Array) -> Array:
        """Longest pass that decodes wait for; where all caches are restored, one of new tokens."""
        all_ = np.maximum(self.fresh.longest_s(batches), self.restored.longest_s(batches))
        return np.where(self.share < 1.0, all_, self.restored.longest_s(batches))

    def _mean(self, fresh: Array, restored: Array) -> Array:
        return np.asarray(fresh + (restored - fresh) * self.share)

    def _cost(self, fresh: StepCost, restored: StepCost) -> StepCost:
        none = np.zeros(())
        used: list[Resource] = [r for r in RESOURCES if r in fresh.parts or r in restored.parts]
        parts = {r: self._mean(fresh.parts.get(r, none), restored.parts.get(r, none)) for r in used}
        return StepCost(parts, self._mean(fresh.energy_j, restored.energy_j))


@dataclass(frozen=True, slots=True)
class Load:
    """Steady state without restores, at every batch.

    Attributes:
        decoding_s: of a step.
        fresh_s, restored_s: work of a prompt of either kind.
        per_token: prompts that a token's time carries, per stage of a pipeline.
        requests: per token and replica.
    """

    decoding_s: Array
    fresh_s: Array
    restored_s: Array
    per_token: Array
    requests: Array


def blend(kept: Store, work: Workload, fresh: Prompts, restored: Prompts, load: Load) -> Blend:
    """The share of requests that are restored, in steady state.

    With a share h a token takes a - b h seconds, and requests come at `load.requests` / (a - b h). All limits of h
    follow in closed form.
    """
    a = load.decoding_s + load.fresh_s * load.per_token
    b = np.maximum(0.0, load.fresh_s - load.restored_s) * load.per_token
    gain = float(fresh.first.time_s) - float(restored.first.time_s) - kept.read_s
    if gain <= 0:  # prefilling is sooner
        none = np.zeros(np.shape(a))
        return Blend(fresh, restored, none, none)
    share = np.full(np.shape(a), work.reuse_share)
    if work.think_s > 0:
        held = work.reuse_share * kept.sessions
        share = np.minimum(share, held * a / (load.requests * work.think_s + held * b))
    if kept.busy_s == 0:
        return Blend(fresh, restored, share, np.full(np.shape(a), kept.read_s))
    # A queue of deterministic service (M/D/1) in which no copy waits longer than it gains.
    full = min(_FULLEST, 2 * gain / (kept.busy_s + 2 * gain))
    share = np.minimum(share, full * a / (load.requests * kept.busy_s + full * b))
    used = share * kept.busy_s * load.requests / (a - b * share)
    return Blend(fresh, restored, share, kept.read_s + used / (2 * (1 - used)) * kept.busy_s)
