"""Prompts in passes: what fills one engine step, and what prompts longer than that cost (chunked prefill).

Source: Sarathi-Serve (Agrawal et al., arXiv:2403.02310, section 4). A prompt of P new tokens runs in ceil(P / C)
passes of at most C tokens, each over the cache that the passes before it made; what its last pass leaves free holds
the last parts of other prompts. Smaller chunks hold decodes up for less time and read all weights more often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.errors import BadValue
from silmark.figures import assumptions
from silmark.graph import Array
from silmark.step import StepCost, StepModel
from silmark.workloads import Step

MAX_PASSES = 10_000


@dataclass(frozen=True, slots=True)
class Prompts:
    """What prompts of one kind cost on one replica.

    Attributes:
        together: prompts whose (last) pass is shared at most.
        passes: passes of one prompt.
        first: one prompt alone, through all its passes.
        alone, joint: work of one prompt, and of `together` of them.
        last_s: seconds of the last pass of one prompt, and of `together`.
        full_s: seconds of the longest pass before the last, of one prompt and of one of every rank; 0 where none is.
        per_step: most prompts that one step carries; without chunks a step waits for as many as there are.
    """

    together: float
    passes: int
    first: StepCost
    alone: StepCost
    joint: StepCost
    last_s: tuple[float, float]
    full_s: tuple[float, float]
    per_step: float

    def each(self, batches: Array, alone: Array, joint: Array) -> Array:
        """One prompt's part when as many as there are sequences, at most `together`, share a pass.

        A pass of k prompts costs a + b k, known at 1 and at `together`.
        """
        k, share = self._sharing(batches)
        return np.asarray((alone + (joint - alone) * share) / k)

    def seconds(self, batches: Array) -> Array:
        """Seconds of work per prompt at every batch."""
        return self.each(batches, self.alone.time_s, self.joint.time_s)

    def energy(self, batches: Array) -> Array:
        """Joules per prompt at every batch."""
        return self.each(batches, self.alone.energy_j, self.joint.energy_j)

    def cost(self, batches: Array) -> StepCost:
        """Work per prompt at every batch, by resource."""
        resources = dict.fromkeys((*self.alone.parts, *self.joint.parts))  # in order: sums round the same everywhere
        zero = np.zeros(())
        parts = {r: self.each(batches, self.alone.parts.get(r, zero), self.joint.parts.get(r, zero)) for r in resources}
        return StepCost(parts, self.energy(batches))

    def longest_s(self, batches: Array) -> Array:
        """Seconds of the longest pass that decodes wait for."""
        _, share = self._sharing(batches)
        one, joint = self.last_s
        return np.maximum(np.where(batches > 1, self.full_s[1], self.full_s[0]), one + (joint - one) * share)

    def beside(self, other: Prompts, share: float) -> Prompts:
        """Prompts that another model on the same chips runs as well.

        Args:
            other: the other model's.
            share: seconds of these chips per second of the other's.
        """
        each = other.cost(np.asarray(self.together))
        longest = tuple(float(other.longest_s(np.asarray(b))) * share for b in (1.0, self.together))
        return Prompts(
            together=self.together,
            passes=self.passes,
            first=_added(self.first, other.first, 1.0),
            alone=_added(self.alone, other.alone, share),
            joint=_added(self.joint, each, share, self.together),
            last_s=(self.last_s[0] + longest[0], self.last_s[1] + longest[1]),
            full_s=(self.full_s[0] + longest[0], self.full_s[1] + longest[1]),
            per_step=self.per_step,
        )

    def _sharing(self, batches: Array) -> tuple[Array, Array]:
        k = np.minimum(batches, self.together)
        return k, (k - 1.0) / np.maximum(1.0, self.together - 1.0)


def prompts(step_model: StepModel, new: int, past: int, chunk: int | None, run: Callable[[Step], StepCost]) -> Prompts:
    """Evaluates the passes of prompts.

    Args:
        step_model: one replica.
        new, past: tokens of a prompt to run, and tokens before them that are cached.
        chunk: most tokens of a pass; None: as many prompts as the engine's usual limit holds, never cut.
        run: evaluates steps.

    Raises:
        BadValue: a chunk so small that a prompt takes more than MAX_PASSES.
    """
    before = 0 if chunk is None else math.ceil(new / chunk) - 1
    if before >= MAX_PASSES:
        raise BadValue("chunk", chunk, f"at least {math.ceil(new / MAX_PASSES)} tokens for {new:,} of a prompt")
    size = chunk or 0
    last = new - before * size
    usual = chunk or assumptions("engine")["prefill.batched_tokens"].value
    batched = step_model.mechanism.batches_prompts
    ranks = step_model.plan.ranks if batched else 1  # each fills a pass of its own
    together = float(ranks * max(1, usual // last)) if batched else 1.0
    per_step = math.inf if chunk is None else ranks * chunk / new if batched else min(1.0, chunk / new)
    seqs = np.array([1.0, together, *np.repeat([1.0, float(ranks)], before)])
    starts = past + size * np.arange(before)
    pasts = np.array([past + before * size] * 2 + [*starts, *starts], dtype=np.float64)
    sizes = np.array([last] * 2 + [size] * (2 * before), dtype=np.float64)
    cost = run(Step.prefill(seqs, sizes, pasts))
    if not before:
        alone, joint = cost.at(0), cost.at(1)
        last_s = (float(alone.time_s), float(joint.time_s))
        return Prompts(together, 1, alone, alone, joint, last_s, (0.0, 0.0), per_step)
    # The last pass of one prompt and of all, then the passes before it, of one prompt and of one of every rank.
    times, which = cost.time_s + np.zeros(seqs.size), np.arange(seqs.size)
    one = ((which == 0) | ((which > 1) & (which < 2 + before))) * 1.0
    every = (which == 1) * 1.0 + (which >= 2 + before) * (together / ranks)
    # A chunk follows the one before it through a pipeline: only the last is waited for from end to end.
    waited = np.where(which == 0, 1.0, one / step_model.depth)
    return Prompts(
        together=together,
        passes=before + 1,
        first=_summed(cost, waited),
        alone=_summed(cost, one),
        joint=_summed(cost, every),
        last_s=(float(times[0]), float(times[1])),
        full_s=(float(np.max(times[2 : 2 + before])), float(np.max(times[2 + before :]))),
        per_step=per_step,
    )


def _added(cost: StepCost, other: StepCost, share: float, times: float = 1.0) -> StepCost:
    """A cost and so many times another, of whose seconds only a share counts; the floor is that of the first."""
    parts: dict[Resource, Array] = dict(cost.parts)
    for resource, seconds in other.parts.items():
        parts[resource] = np.asarray(parts.get(resource, np.zeros(())) + seconds * (share * times))
    return StepCost(parts, np.asarray(cost.energy_j + other.energy_j * times), floor_s=cost.floor_s)


def _summed(cost: StepCost, weights: Array) -> StepCost:
    parts: dict[Resource, Array] = {r: np.asarray(np.sum(p * weights)) for r, p in cost.parts.items()}
    floor = None if cost.floor_s is None else np.asarray(np.sum(cost.floor_s * weights))
    return StepCost(parts, np.asarray(np.sum(cost.energy_j * weights)), floor_s=floor)
