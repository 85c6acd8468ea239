"""The steady state of `mixture` at many points at once: batches, lengths of prompts and of answers in any mix.

A sweep asks the same plan a million times. Here a decoder under continuous batching is evaluated over arrays of
points; `silmark.estimation.estimate` with the same number of users gives the same numbers one at a time. Sources of
the formulas: `silmark.estimation.mixture`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms.base import RESOURCES
from silmark.estimation.chunks import Prompts, prompts
from silmark.estimation.mixture import inside_groups, mix, plus_overhead
from silmark.estimation.power import mean_w
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
        itl_max_s: longest time between two tokens of a sequence.
        tokens_per_s: output tokens per second.
        power_w: with the replica's part of the hosts.
        bound_by: index into `silmark.chips.mechanisms.base.RESOURCES` of what takes most of a decode step.
        grade: value of `silmark.figures.Grade`.
    """

    ttft_s: Bounded
    tpot_s: Bounded
    itl_max_s: Array
    tokens_per_s: Bounded
    power_w: Array
    bound_by: NDArray[np.intp]
    grade: NDArray[np.int64]


def steady(model: StepModel, batch: Array, prompt: Array, output: Array, chunk: int | None = None) -> Steady:
    """Evaluates points, one-dimensional arrays of equal size.

    Args:
        model: one replica of a decoder.
        batch: sequences in flight in the replica.
        prompt, output: tokens of a prompt and of an answer.
        chunk: most tokens of prompts in one pass; None: whole prompts.
    """
    depth, imbalance, several = model.depth, model.imbalance, batch > 1
    asked = _prompts(model, prompt, chunk)
    decoders = np.minimum(batch, depth * output * asked.per_step)
    step = Step.decode(inside_groups(decoders, depth), prompt + output / 2)
    decode = _spread(model.quick(step), batch.size)
    passed = asked.cost(batch)
    seconds = passed.time_s * imbalance
    stall = 1.0 + (imbalance - 1.0) * np.minimum(1.0, decoders / depth)
    per_token = decoders / (depth * output)
    decoding = decode.time_s * stall
    tpot = decoding + seconds * per_token
    # A prompt waits for the step in progress and for prompts before it (Pollaczek-Khinchine, M/D/1).
    busy = np.where(several, 1.0 - decoding / tpot, 0.0)
    wait = np.where(several, asked.passes - 0.5, 0.0) * decode.time_s / depth
    first = plus_overhead(asked.first, model.mechanism.request_s)
    ttft = first.time_s + wait + busy / (2.0 * (1.0 - busy)) * seconds / depth
    ttft = np.maximum(ttft, (batch - decoders) * output * tpot / decoders)
    pause = np.where(several, asked.longest_s(batch) * imbalance / depth, 0.0)
    mixed = mix(decode, passed, stall, per_token)
    floor_first, floor_joint = _prompt_floors(model, asked, prompt)
    floor = _floor(model, decode, step) + floor_joint / asked.together * per_token
    rate = Bounded.around(decoders / tpot, log_widths_each(model, mixed, "throughput")[::-1])
    dynamic = (decode.energy_j * np.minimum(depth, decoders) + passed.energy_j * decoders / output) / tpot
    return Steady(
        ttft_s=Bounded.around(ttft, log_widths_each(model, first, "ttft")).at_least(floor_first),
        tpot_s=Bounded.around(tpot, log_widths_each(model, mixed, "tpot")).at_least(floor),
        itl_max_s=np.maximum(np.maximum(decoding + pause, tpot), floor),
        tokens_per_s=rate.at_most(np.divide(decoders, floor, out=np.full(batch.size, np.inf), where=floor > 0)),
        power_w=mean_w(model, dynamic),
        bound_by=_longest_each(decode),
        grade=grade_each(model, mixed, "tpot"),
    )


def _prompts(model: StepModel, prompt: Array, chunk: int | None) -> Prompts:
    """What a prompt costs at every point: lengths are few, points are many.

    The numbers of the answer are arrays, one entry per point; what is computed from them is elementwise.
    """
    lengths, where = np.unique(prompt, return_inverse=True)
    each = [prompts(model, int(length), 0, chunk, model.quick) for length in lengths]

    def number(values: Sequence[float]) -> float:
        return cast("float", np.array(values, dtype=np.float64)[where])

    return Prompts(
        together=number([one.together for one in each]),
        passes=cast("int", number([one.passes for one in each])),
        first=_joined([one.first for one in each], where),
        alone=_joined([one.alone for one in each], where),
        joint=_joined([one.joint for one in each], where),
        last_s=(number([one.last_s[0] for one in each]), number([one.last_s[1] for one in each])),
        full_s=(number([one.full_s[0] for one in each]), number([one.full_s[1] for one in each])),
        per_step=number([one.per_step for one in each]),
    )


def _joined(costs: Sequence[StepCost], where: NDArray[np.intp]) -> StepCost:
    """Costs of single steps as one, with an entry for every place."""
    used = [resource for resource in RESOURCES if any(resource in cost.parts for cost in costs)]
    parts = {r: np.array([float(cost.parts.get(r, 0.0)) for cost in costs])[where] for r in used}
    floors = [cost.floor_s for cost in costs if cost.floor_s is not None]
    floor = np.array(floors, dtype=np.float64)[where] if len(floors) == len(costs) else None
    return StepCost(parts, np.array([float(cost.energy_j) for cost in costs])[where], floor_s=floor)


def _spread(cost: StepCost, size: int) -> StepCost:
    """The cost with every array in full."""
    floor = None if cost.floor_s is None else np.broadcast_to(cost.floor_s, size)
    parts = {r: np.broadcast_to(p, size) for r, p in cost.parts.items()}
    return StepCost(parts, np.broadcast_to(cost.energy_j, size), floor_s=floor)


def _floor(model: StepModel, cost: StepCost, step: Step) -> Array:
    """Seconds of steps that no software could beat."""
    return model.floor(step) if cost.floor_s is None else cost.floor_s


def _prompt_floors(model: StepModel, asked: Prompts, prompt: Array) -> tuple[Array, Array]:
    """The same of one prompt, and of as many as share a pass."""
    one, joint = Step.prefill(1.0, prompt), Step.prefill(asked.together, prompt)
    return _floor(model, asked.alone, one), _floor(model, asked.joint, joint)


def _longest_each(cost: StepCost) -> NDArray[np.intp]:
    """Of every step, which of `RESOURCES` takes the largest share."""
    none = np.zeros(cost.time_s.shape)
    return np.asarray(np.argmax(np.stack([cost.parts.get(r, none) + none for r in RESOURCES]), axis=0))
