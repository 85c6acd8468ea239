"""The steady state of `mixture` at many points at once: batches, lengths of prompts and of answers in any mix.

A sweep asks the same plan a million times. Here every formula of a decoder under continuous batching is evaluated over
arrays of points; `silmark.estimation.estimate` with the same number of users gives the same numbers one at a time.
Sources of the formulas: `silmark.estimation.mixture`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms.base import RESOURCES
from silmark.estimation.power import mean_w
from silmark.figures import assumptions
from silmark.graph import Array
from silmark.step import StepCost, StepModel, grade_each, log_widths_each
from silmark.workloads import Step


@dataclass(frozen=True, slots=True)
class Bounded:
    """Low, mid and high of a number at every point."""

    low: Array
    mid: Array
    high: Array

    @classmethod
    def around(cls, mid: Array, widths: tuple[Array, Array]) -> Bounded:
        """From a middle and its widths below and above, in natural logarithms."""
        return cls(mid * np.exp(-widths[0]), mid, mid * np.exp(widths[1]))

    def at_least(self, floor: Array) -> Bounded:
        """With nothing below a floor that physics sets."""
        return Bounded(np.maximum(self.low, floor), np.maximum(self.mid, floor), np.maximum(self.high, floor))

    def at_most(self, ceiling: Array) -> Bounded:
        """With nothing above a ceiling that physics sets."""
        return Bounded(np.minimum(self.low, ceiling), np.minimum(self.mid, ceiling), np.minimum(self.high, ceiling))


@dataclass(frozen=True, slots=True)
class Steady:
    """What one replica does, an array entry for every point.

    Attributes:
        ttft_s, tpot_s: seconds.
        tokens_per_s: output tokens per second.
        power_w: with the replica's part of the hosts.
        bound_by: index into `silmark.chips.mechanisms.base.RESOURCES` of what takes most of a decode step.
        grade: value of `silmark.figures.Grade`.
    """

    ttft_s: Bounded
    tpot_s: Bounded
    tokens_per_s: Bounded
    power_w: Array
    bound_by: NDArray[np.intp]
    grade: NDArray[np.int64]


def steady(model: StepModel, batch: Array, prompt: Array, output: Array) -> Steady:
    """Evaluates points, one-dimensional arrays of equal size.

    Args:
        model: one replica of a decoder.
        batch: sequences in flight in the replica.
        prompt, output: tokens of a prompt and of an answer.
    """
    depth, imbalance = model.depth, model.imbalance
    step = Step.decode(np.maximum(1.0, batch / depth), prompt + output / 2)
    decode = _spread(model.quick(step), batch.size)
    prompts = _Prompts.of(model, prompt)
    passed = prompts.each(batch)
    seconds = passed.time_s * imbalance
    stall = 1.0 + (imbalance - 1.0) * np.minimum(1.0, batch / depth)
    per_token = batch / (depth * output)
    decoding = decode.time_s * stall
    tpot = decoding + seconds * per_token
    # A prompt waits for the step in progress and for prompts before it (Pollaczek-Khinchine, M/D/1).
    busy = np.where(batch > 1, 1.0 - decoding / tpot, 0.0)
    wait = np.where(batch > 1, 0.5, 0.0) * decode.time_s / depth
    first = _plus_overhead(prompts.alone, model.mechanism.request_s)
    ttft = first.time_s + wait + busy / (2.0 * (1.0 - busy)) * seconds / depth
    mixed = _mix(decode, passed, stall, per_token)
    own = model.floor(step) if decode.floor_s is None else decode.floor_s
    floor = own + prompts.floor_joint / prompts.together * per_token
    rate = Bounded.around(batch / tpot, log_widths_each(model, mixed, "throughput")[::-1])
    dynamic = (decode.energy_j * np.minimum(depth, batch) + passed.energy_j * batch / output) / tpot
    return Steady(
        ttft_s=Bounded.around(ttft, log_widths_each(model, first, "ttft")).at_least(prompts.floor_alone),
        tpot_s=Bounded.around(tpot, log_widths_each(model, mixed, "tpot")).at_least(floor),
        tokens_per_s=rate.at_most(np.divide(batch, floor, out=np.full(batch.size, np.inf), where=floor > 0)),
        power_w=mean_w(model, dynamic),
        bound_by=_longest_each(decode),
        grade=grade_each(model, mixed, "tpot"),
    )


@dataclass(frozen=True, slots=True)
class _Prompts:
    """A prompt's pass at every point: alone, and with as many others as fill an engine's step."""

    alone: StepCost
    joint: StepCost
    together: Array
    floor_alone: Array
    floor_joint: Array

    @classmethod
    def of(cls, model: StepModel, prompt: Array) -> _Prompts:
        """Evaluates each length once; lengths are few, points are many."""
        lengths, where = np.unique(prompt, return_inverse=True)
        together = np.ones(lengths.size)
        if model.mechanism.batches_prompts:
            together = np.maximum(1.0, assumptions("engine")["prefill.batched_tokens"].value // lengths)
        step = Step.prefill(np.stack([np.ones(lengths.size), together]), lengths)
        cost = _spread(model.quick(step), 2, lengths.size)
        floor = cost.floor_s if cost.floor_s is not None else model.floor(step) + np.zeros((2, lengths.size))
        alone, joint = cost.at(0), cost.at(1)
        return cls(alone.at(where), joint.at(where), together[where], floor[0][where], floor[1][where])

    def each(self, batch: Array) -> StepCost:
        """One prompt's cost when as many as there are sequences, at most `together`, share a pass.

        A pass of k prompts costs a + b k, known at 1 and at `together`.
        """
        k = np.minimum(batch, self.together)
        share = (k - 1.0) / np.maximum(1.0, self.together - 1.0)
        zero = np.zeros(())

        def one(alone: Array, joint: Array) -> Array:
            return np.asarray((alone + (joint - alone) * share) / k)

        a, b = self.alone.parts, self.joint.parts
        parts = {r: one(a.get(r, zero), b.get(r, zero)) for r in RESOURCES if r in a or r in b}
        return StepCost(parts, one(self.alone.energy_j, self.joint.energy_j))


def _spread(cost: StepCost, *shape: int) -> StepCost:
    """The cost with every array in full."""
    floor = None if cost.floor_s is None else np.broadcast_to(cost.floor_s, shape)
    parts = {r: np.broadcast_to(p, shape) for r, p in cost.parts.items()}
    return StepCost(parts, np.broadcast_to(cost.energy_j, shape), floor_s=floor)


def _plus_overhead(cost: StepCost, seconds: float) -> StepCost:
    return replace(cost, parts={**cost.parts, "overhead": cost.parts.get("overhead", np.zeros(())) + seconds})


def _mix(decode: StepCost, prompt: StepCost, stall: Array, prompts: Array) -> StepCost:
    """One token's time: its decode step, and its share of the prompts prefilled meanwhile."""
    zero = np.zeros(())
    a, b = decode.parts, prompt.parts
    parts = {r: a.get(r, zero) * stall + b.get(r, zero) * prompts for r in RESOURCES if r in a or r in b}
    return StepCost(parts, decode.energy_j + prompt.energy_j * prompts)


def _longest_each(cost: StepCost) -> NDArray[np.intp]:
    """Of every step, which of `RESOURCES` takes the largest share."""
    none = np.zeros(cost.time_s.shape)
    return np.asarray(np.argmax(np.stack([cost.parts.get(r, none) + none for r in RESOURCES]), axis=0))
