"""Models that make no tokens - encoders, image classifiers, samplers: one pass over a batch of items."""

from __future__ import annotations

import math

import numpy as np

from silmark.estimation.mixture import best_index, per_item
from silmark.estimation.power import power
from silmark.estimation.result import Estimate
from silmark.figures import Interval
from silmark.step import StepModel, grade, log_widths
from silmark.workloads import Step, Workload


class Pass:
    """One replica of a model without tokens, for an array of batches; picks one of them.

    Texts have the workload's prompt length, cut to the longest that the model takes; a latency keeps the
    promise that the workload makes for its first token.

    Attributes:
        keeps: whether any batch keeps the promise.
        rate_per_chip: items per second and chip at the chosen batch.
        distance: by how much the promise is missed there, as a ratio.
    """

    def __init__(self, step_model: StepModel, workload: Workload) -> None:
        self.model, self.workload = step_model, workload
        model = step_model.model
        self.tokens = min(workload.prompt, model.max_context) if model.kind == "encoder" else 1
        steps = sorted({float(b) for i in range(15) for b in (2**i, 3 * 2**i // 2) if b >= 1})
        self.batches = np.array([math.ceil(workload.users / step_model.plan.dp)] if workload.users else steps)
        self.cost = step_model.cost(Step.forward(self.batches, self.tokens))
        self.latency = self.cost.time_s + np.zeros(self.batches.size)
        self.rates = self.batches * step_model.depth / self.latency
        kept = self.latency <= workload.ttft_s
        self.index = best_index(self.rates, kept)
        self.keeps = bool(kept[self.index])
        plan = step_model.plan
        self.rate_per_chip = float(self.rates[self.index]) / plan.replica_chips
        self.distance = float(self.latency[self.index]) / workload.ttft_s

    def estimate(self) -> Estimate:
        """The figures at the chosen batch, with their intervals."""
        model, index = self.model, self.index
        at, seconds = self.cost.at(index), float(self.latency[index])
        floor = float(model.floor(Step.forward(self.batches[index], self.tokens)))
        rate = Interval.around(float(self.rates[index]), *reversed(log_widths(model, at, "throughput")))
        rate = rate.at_most(float(self.rates[index]) * seconds / floor) if floor > 0 else rate
        watts = power(model, float(at.energy_j) * model.depth / seconds)
        dp = model.plan.dp
        promise = self.workload.ttft_s
        return Estimate(
            step_model=model,
            workload=self.workload,
            batch=int(self.batches[index]) * dp,
            batch_max=int(self.batches[-1]) * dp,
            kv_tokens=None,
            ttft_s=None,
            tpot_s=None,
            tokens_per_s=None,
            latency_s=Interval.around(seconds, *log_widths(model, at, "latency")).at_least(floor),
            items_per_s=rate.scaled(dp),
            power_w=watts.scaled(dp),
            joules=per_item(watts, rate),
            bound_by={"forward": at.bound_by()},
            grade=grade(model, at, "latency"),
            misses="" if self.keeps else f"misses latency {seconds:.3g} s > {promise:.3g} s",
            phases={"forward": at},
        )
