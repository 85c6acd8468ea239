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
from silmark.estimation.chunks import Prompts
from silmark.estimation.stores import Store
from silmark.figures import Figure
from silmark.graph import Array
from silmark.step import StepCost
from silmark.workloads import Workload

_TINY = 1e-300  # keeps quotients of nothing by nothing finite
_FULLEST = 0.9
"""Utilisation of a link above which an engine prefills instead of waiting."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it at one batch.

    Attributes:
        tier: where caches wait.
        share: of the requests, those whose cache is restored.
        read_s: mean seconds until a cache is back, its wait for links included.
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
    # Tiers in a row: how deep a cache lies is taken from the most idle sessions that there can be.
    read, busy = kept.pace(load.requests * work.think_s / (a - b * work.reuse_share))
    gain = float(fresh.first.time_s) - float(restored.first.time_s) - read
    held = work.reuse_share * kept.sessions
    idle = np.maximum(load.requests * work.think_s + held * b, _TINY)
    share = np.minimum(work.reuse_share, np.where(work.think_s > 0, held * a / idle, work.reuse_share))
    # A queue of deterministic service (M/D/1) in which no copy waits longer than it gains.
    most = np.maximum(0.0, 2 * gain)
    full = np.minimum(_FULLEST, most / np.maximum(busy + most, _TINY))
    share = np.minimum(share, full * a / np.maximum(load.requests * busy + full * b, _TINY))
    share = np.where(gain > 0, share, 0.0)
    used = share * busy * load.requests / (a - b * share)
    return Blend(fresh, restored, share, read + used / (2 * (1 - used)) * busy)
