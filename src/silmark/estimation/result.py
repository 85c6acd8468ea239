"""Estimate: what one system under one plan does for a workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from silmark.estimation.offload import Restored
from silmark.estimation.power import power_figures
from silmark.estimation.serving import PLAIN, Serving
from silmark.figures import Figure, Grade, Interval
from silmark.step import StepCost, StepModel
from silmark.workloads import Step, Workload


@dataclass(frozen=True, slots=True)
class Estimate:
    """Steady state of a system that serves a workload at a fixed number of sequences in flight.

    Models that make no tokens have `latency_s` and `items_per_s`; the token fields are then None.

    Attributes:
        batch: sequences (or items) in flight on the whole system.
        batch_max: most that the memory holds.
        kv_tokens: tokens of cache that the whole system holds, None without a cache.
        tokens_per_s: output tokens per second of the whole system.
        itl_max_s: longest time between two tokens of a sequence: a step behind the longest pass of prompts.
        decoders: sequences of the batch that decode while the others wait for their chunks; None: all of them.
        restored: what came of caches that wait in a memory tier, None where they do not.
        prefill_share: of a replica's time, the part that prompts take.
        serving: what the engine is told beside the plan.
        power_w: of the whole system, hosts included.
        joules: per output token, or per item.
        bound_by: resource that takes the largest share, by phase.
        misses: what promise of the workload is not kept, empty if all are.
    """

    step_model: StepModel
    workload: Workload
    batch: int
    batch_max: int
    kv_tokens: int | None
    ttft_s: Interval | None
    tpot_s: Interval | None
    tokens_per_s: Interval | None
    latency_s: Interval | None
    items_per_s: Interval | None
    power_w: Interval
    joules: Interval
    bound_by: Mapping[str, str]
    grade: Grade
    misses: str = ""
    phases: Mapping[str, StepCost] = field(default_factory=dict)
    itl_max_s: Interval | None = None
    decoders: float | None = None
    restored: Restored | None = None
    prefill_share: float | None = None
    serving: Serving = PLAIN

    def steps(self) -> dict[str, Step]:
        """The steps behind the estimate, by phase: what one replica's chips run."""
        work, model = self.workload, self.step_model
        each = max(1.0, (self.decoders or self.batch) / model.plan.dp / model.depth)
        if model.model.kind == "decoder":
            new = work.prompt - (work.reuse if self.restored and self.restored.share else 0)
            last = new if self.serving.chunk is None else min(new, self.serving.chunk)
            prefill = Step.prefill(1, last, work.prompt - last)
            context, speculation = work.prompt + work.output / 2, self.serving.speculation
            plain = Step.decode(each, context)
            return {"prefill": prefill, "decode": speculation.step(plain.seqs, context) if speculation else plain}
        tokens = min(work.prompt, model.model.max_context) if model.model.kind == "encoder" else 1
        return {"forward": Step.forward(self.batch / model.plan.dp, tokens)}

    @property
    def rate(self) -> Interval:
        """Tokens or items per second of the whole system."""
        rate = self.tokens_per_s or self.items_per_s
        assert rate is not None
        return rate

    @property
    def chips(self) -> int:
        """Chips of the plan, replicas included."""
        return self.step_model.plan.chips

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure behind the numbers, by key."""
        speculation = self.serving.speculation
        asked = {} if speculation is None else {"question.acceptance": speculation.figure()}
        tier = {} if self.restored is None else self.restored.figures
        return self.step_model.figures | power_figures(self.step_model.target) | asked | tier
