"""Decoders under load: continuous batching in steady state.

Source of the mixture: with B sequences in flight that each make `output` tokens, B prompts are prefilled
per `output` decode steps, so a token costs its step plus B / output of a prompt's prefill (chunked prefill
spreads exactly this work; Agrawal et al., arXiv:2403.02310). A pipeline of depth D works on D groups of
B / D sequences at once (PaLM inference: Pope et al., arXiv:2211.05102, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms import Resource
from silmark.estimation.chunks import Prompts, prompts
from silmark.estimation.offload import Blend, Load, Restored, blend
from silmark.estimation.power import power
from silmark.estimation.result import Estimate
from silmark.estimation.serving import PLAIN, Serving
from silmark.estimation.stores import store
from silmark.estimation.widths import first_widths, token_grade, token_widths
from silmark.figures import Interval
from silmark.figures.figure import quadrature
from silmark.graph import Array
from silmark.step import StepCost, StepModel
from silmark.workloads import Step, Workload


class Mixture:
    """One replica of a decoder in steady state, for an array of batches; picks one of them.

    Attributes:
        batches: sequences in flight on the replica.
        fresh, prompts: what prompts cost without any cache, and what they cost as they are served.
        decoders: of these, sequences that decode: where every step carries a chunk, others wait for theirs.
        tpot, ttft: mean seconds at each of them.
        itl_max: longest seconds between two tokens of a sequence: a step that waits for a full pass of prompts.
        rate: output tokens per second of the replica.
        keeps: whether any batch keeps the workload's promises.
        index: of the chosen batch.
        rate_per_chip: output tokens per second and chip there.
        distance: by how much the worse of the two promises is missed there, as a ratio.
    """

    def __init__(
        self,
        step_model: StepModel,
        workload: Workload,
        most: int,
        quick: bool = False,
        run: Callable[[Step], StepCost] | None = None,
        serving: Serving = PLAIN,
    ) -> None:
        """Evaluates all batches.

        Args:
            step_model: one replica.
            workload: what is asked of the whole system.
            most: sequences that the replica's memory holds.
            quick: read the step model's tables instead of walking the operators.
            run: evaluates steps in place of the step model, for callers that have evaluated them before.
            serving: what the engine is told beside the plan.
        """
        self.model, self.workload, self.most, self.serving = step_model, workload, most, serving
        self.depth = step_model.depth
        self.batches = batch_grid(workload, most, self.depth, step_model.plan.dp)
        cost = run or (step_model.quick if quick else step_model.cost)
        self.context = workload.prompt + workload.output / 2
        self.fresh = self._prompts(0, cost)
        self.together, self.alone, self.joint = self.fresh.together, self.fresh.alone, self.fresh.joint
        self.prompts: Prompts | Blend = self.fresh
        decoding = self._decode(cost)
        if serving.offload:
            decoding = self._restore(decoding, cost)
        self.first = plus_overhead(self.prompts.first, step_model.mechanism.request_s)
        seconds = self.prompts.seconds(self.batches) * step_model.imbalance
        self.tpot = decoding + seconds * self.per_token
        # A prompt waits for the step in progress and for prompts before it (Pollaczek-Khinchine, M/D/1).
        busy = np.where(self.batches > 1, 1.0 - decoding / self.tpot, 0.0)
        steps = self.prompts.passes - 0.5  # half a step before the first pass, and one that each of the others carries
        wait = np.where(self.batches > 1, steps, 0.0) * self.decode.time_s * self.tokens / self.depth
        self.ttft = self.first.time_s + wait + busy / (2.0 * (1.0 - busy)) * seconds / self.depth
        pause = self.prompts.longest_s(self.batches) * step_model.imbalance / self.depth
        self.itl_max = np.maximum(decoding * self.tokens + np.where(self.batches > 1, pause, 0.0), self.tpot)
        self.rate = self.decoders / self.tpot
        self.ttft = np.maximum(self.ttft, (self.batches - self.decoders) * workload.output / self.rate)
        kept = (self.tpot <= workload.tpot_s) & (self.ttft <= workload.ttft_s)
        self.index = best_index(self.rate, kept)
        self.keeps = bool(kept[self.index])
        plan = step_model.plan
        self.rate_per_chip = float(self.rate[self.index]) / plan.replica_chips
        self.distance = float(max(self.tpot[self.index] / workload.tpot_s, self.ttft[self.index] / workload.ttft_s))

    @property
    def tokens(self) -> float:
        """Tokens that a sequence gains with a step, or with a cycle of drafts and their check."""
        return 1.0 if self.serving.speculation is None else self.serving.speculation.per_cycle().mid

    def beats(self, other: Mixture) -> bool:
        """Whether it keeps more promises than another, or as many at a higher rate or a nearer miss."""
        if self.keeps != other.keeps:
            return self.keeps
        return self.rate_per_chip > other.rate_per_chip if self.keeps else self.distance < other.distance

    def _prompts(self, past: int, run: Callable[[Step], StepCost]) -> Prompts:
        """What a prompt costs of which so many tokens are cached, on the draft too."""
        new, chunk, speculation = self.workload.prompt - past, self.serving.chunk, self.serving.speculation
        own = prompts(self.model, new, past, chunk, run)
        return own if speculation is None else speculation.prompts(self.model, own, new, past, chunk)

    def _decode(self, run: Callable[[Step], StepCost]) -> Array:
        """Sets how many sequences decode and what a token costs them; returns its seconds, stalls counted."""
        output, speculation = self.workload.output, self.serving.speculation
        self.decoders = np.minimum(self.batches, self.depth * output / self.tokens * self.prompts.per_step)
        if speculation is None:
            self.decode = run(Step.decode(inside_groups(self.decoders, self.depth), self.context))
        else:
            self.decode = speculation.decode(self.model, self.decoders, self.context, run)
        self.stall = 1.0 + (self.model.imbalance - 1.0) * np.minimum(1.0, self.decoders / self.depth)
        self.per_token = self.decoders / (self.depth * output)
        return np.asarray(self.decode.time_s * self.stall)

    def _restore(self, decoding: Array, run: Callable[[Step], StepCost]) -> Array:
        """Sets the prompts to a blend of restored and fresh ones; returns seconds of a token as `_decode`."""
        work, restored = self.workload, self._prompts(self.workload.reuse, run)
        self.kept = store(self.model, work, self.serving.offload, self.batches, self._held)
        # Where steps carry one chunk each, restored prompts feed more sequences, which restore more.
        for _ in range(1 if self.serving.chunk is None else 2):
            new, old = (kind.seconds(self.batches) * self.model.imbalance for kind in (self.fresh, restored))
            load = Load(decoding, new, old, self.per_token, self.decoders / work.output)
            self.prompts = blend(self.kept, work, self.fresh, restored, load)
            decoding = decoding if self.serving.chunk is None else self._decode(run)
        return decoding

    def restored(self, index: int) -> Restored | None:
        """What came of caches that wait in a memory tier, at a batch; None where they do not."""
        if not isinstance(self.prompts, Blend):
            return None
        sessions = float(self.kept.sessions[index]) * self.model.plan.dp
        share, wait = float(self.prompts.share[index]), float(self.prompts.wait_s[index])
        return Restored(self.kept.name, share, wait, sessions, self.kept.figures)

    def _held(self, tokens: float) -> float:
        """Bytes on one chip of a sequence's cache, the draft's included."""
        own, speculation = float(self.model.memory.per_sequence(tokens)), self.serving.speculation
        return own if speculation is None else own + speculation.held(self.model, tokens)

    def prompt_s(self) -> float:
        """Seconds that a replica needs per prompt when it does nothing else."""
        joint = float(self.joint.time_s) / self.together
        return min(float(self.alone.time_s), joint) * self.model.imbalance / self.depth

    def dynamic_w(self) -> Array:
        """Power above idle of the replica at every batch: energy of a token's share of the steps over its time."""
        groups = np.minimum(self.depth, self.decoders)
        prompt = self.prompts.energy(self.batches)
        return np.asarray((self.decode.energy_j * groups + prompt * self.decoders / self.workload.output) / self.tpot)

    def token_s(self, index: int) -> dict[str, Mapping[Resource, Array]]:
        """Seconds of the time per token at a batch, by phase and resource: its step, and its share of prompts."""
        stall, prompts = float(self.stall[index]), float(self.per_token[index]) * self.model.imbalance
        return {
            "decode": {r: s * stall for r, s in self.decode.at(index).parts.items()},
            "prefill": {r: s * prompts for r, s in self._prompt(index).parts.items()},
        }

    def _prompt(self, index: int) -> StepCost:
        """One prompt's cost at a batch, by resource."""
        return self.prompts.cost(self.batches).at(index)

    def _floor(self, decode: StepCost, index: int) -> float:
        """Seconds per token that no software could beat: its decode step, and its share of a full pass of prompts."""
        step = Step.decode(max(1.0, self.decoders[index] / self.depth), self.context)
        own = self.model.floor(step) if decode.floor_s is None else decode.floor_s
        return float(own) + self._prompt_floor(self.together, index) / self.together * float(self.per_token[index])

    def _prompt_floor(self, prompts: float, index: int) -> float:
        """Seconds that no software could beat for so many prompts, of those that no cache is restored for."""
        kept = self.alone.floor_s if prompts == 1.0 else self.joint.floor_s
        all_ = float(self.model.floor(Step.prefill(prompts, self.workload.prompt)) if kept is None else kept)
        return all_ * (1.0 - float(self.prompts.share[index])) if isinstance(self.prompts, Blend) else all_

    def estimate(self, at: int | None = None) -> Estimate:
        """The figures at a batch, the chosen one where none is named, with their intervals."""
        index = self.index if at is None else at
        model, batch = self.model, float(self.batches[index])
        decode = self.decode.at(index)
        prompt = self._prompt(index)
        mixed = mix(decode, prompt, float(self.stall[index]), float(self.per_token[index]))
        first = self.first if self.prompts is self.fresh else self.first.at(index)
        tpot, ttft = float(self.tpot[index]), float(self.ttft[index])
        floor = self._floor(decode, index)
        below, above = token_widths(self, mixed, "tpot", index)
        tpot_s = Interval.around(tpot, below, above).at_least(floor)
        rate = Interval.around(float(self.rate[index]), *reversed(token_widths(self, mixed, "throughput", index)))
        rate = rate.at_most(float(self.decoders[index]) / floor) if floor > 0 else rate
        watts = power(model, float(self.dynamic_w()[index]))
        dp = model.plan.dp
        final = self.workload.prompt + self.workload.output
        return Estimate(
            step_model=model,
            workload=self.workload,
            batch=int(batch) * dp,
            batch_max=self.most * dp,
            kv_tokens=self.most * final * dp,
            ttft_s=Interval.around(ttft, *first_widths(self, first, index)).at_least(self._prompt_floor(1.0, index)),
            tpot_s=tpot_s,
            itl_max_s=Interval.around(float(self.itl_max[index]), below, above).at_least(floor),
            tokens_per_s=rate.scaled(dp),
            latency_s=None,
            items_per_s=None,
            power_w=watts.scaled(dp),
            joules=per_item(watts, rate),
            bound_by={"prefill": first.bound_by(), "decode": decode.bound_by()},
            grade=token_grade(self, mixed, index),
            misses=missed(self.workload, ttft, tpot),
            phases={"prefill": first, "decode": decode},
            restored=self.restored(index),
            prefill_share=1.0 - float(self.decode.time_s[index] * self.stall[index]) / tpot,
            decoders=float(self.decoders[index]) * dp,
            serving=self.serving,
        )


def missed(workload: Workload, ttft_s: float, tpot_s: float) -> str:
    """Which promises these times break, empty if none."""
    pairs = (("TTFT", ttft_s, workload.ttft_s), ("TPOT", tpot_s, workload.tpot_s))
    slow = [f"{name} {_time(got)} > {_time(wanted)}" for name, got, wanted in pairs if got > wanted]
    return f"misses {', '.join(slow)}" if slow else ""


def best_index(rate: Array, kept: NDArray[np.bool_]) -> int:
    """The smallest batch within 2 % of the best rate that keeps the promises; the smallest of all if none does."""
    allowed = np.where(kept, rate, 0.0)
    return int(np.argmax(allowed >= 0.98 * allowed.max())) if kept.any() else 0


def inside_groups(batches: Array, depth: int) -> Array:
    """Sequences of one decode step, of which a pipeline has `depth` in flight."""
    return np.maximum(1.0, batches / depth)


def batch_grid(workload: Workload, most: int, depth: int, dp: int) -> Array:
    """Sequences in flight worth trying on a replica: four per octave, alone and times the depth, and the most."""
    if workload.users is not None:
        return np.array([float(math.ceil(workload.users / dp))])
    steps = [eighths * 2**i // 8 for i in range(21) for eighths in (8, 10, 12, 14)]
    candidates = {1, *steps, *(b * depth for b in steps), most}
    return np.array(sorted(float(b) for b in candidates if 1 <= b <= most))


def plus_overhead(cost: StepCost, seconds: float) -> StepCost:
    """The cost with more seconds in which no unit is busy."""
    return replace(cost, parts={**cost.parts, "overhead": cost.parts.get("overhead", np.zeros(())) + seconds})


def mix(decode: StepCost, prefill: StepCost, stall: float | Array, prompts: float | Array) -> StepCost:
    """One token's time: its decode step, and its share of the prompts prefilled meanwhile."""
    parts: dict[Resource, Array] = {r: np.asarray(p * stall) for r, p in decode.parts.items()}
    for resource, seconds in prefill.parts.items():
        extra = np.asarray(seconds * prompts)
        parts[resource] = parts[resource] + extra if resource in parts else extra
    return StepCost(parts, decode.energy_j + prefill.energy_j * prompts)


def per_item(watts: Interval, rate: Interval) -> Interval:
    """Joules per token or item; power and rate are off independently."""
    low = quadrature([math.log(watts.mid / watts.low), math.log(rate.high / rate.mid)])
    high = quadrature([math.log(watts.high / watts.mid), math.log(rate.mid / rate.low)])
    return Interval.around(watts.mid / rate.mid, low, high)


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
