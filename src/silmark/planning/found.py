"""One point in full: the figures of a plan at a load with their error bars, aggregated or in two pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.economics import Machines, public
from silmark.estimation.serving import Serving
from silmark.figures import Figure, Grade, Interval
from silmark.mapping import Plan
from silmark.planning.evaluate import Curve
from silmark.systems import Target

Role = Literal["both", "prefill", "decode"]
WORDS: dict[Resource, str] = {
    "compute": "matrix products",
    "vector": "vector work",
    "memory": "memory traffic",
    "sram": "on-die memory",
    "link": "links",
    "overhead": "overheads",
}
"""What a resource's time is spent on."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers of one plan.

    Attributes:
        role: prefill, decode, or both.
        target: the chips that there are for it (for both pools together where they share them).
        plan: of the workers; `dp` is their number.
        serving: what engines are told beside it.
        batch: sequences in flight in each worker.
        busy: share of its time that the pool works; a decoding pool always does.
        bound_by: the resource that takes most of its time.
    """

    role: Role
    target: Target
    plan: Plan
    serving: Serving
    batch: float
    busy: float
    bound_by: str

    @property
    def workers(self) -> int:
        """How many there are."""
        return self.plan.dp

    def named(self, with_chip: bool) -> str:
        """Workers and their plan, with the chip where pools have different ones."""
        chip = f" on {self.target.chip.id}" if with_chip else ""
        return f"{self.workers} x [{served(replace(self.plan, dp=1), self.serving)}]{chip}"


@dataclass(frozen=True, slots=True)
class Found:
    """What chips do for a workload under one plan, or under one plan per pool.

    Attributes:
        pools: one, or prefill and decode.
        chips: all that there are, idle ones included: what rates per chip are divided by.
        usd_per_mtok: dollars per million output tokens, None where no price is public.
        price_basis: own, rent, or both where the pools differ.
        grade: the worst grade of the evidence that matters.
        misses: the promise that is not kept, empty if all are.
        chip_s: chip time per output token by what it is spent on; its sum is chips over rate.
        figures: every figure behind the numbers, by key.
    """

    pools: tuple[Pool, ...]
    chips: int
    ttft_s: Interval
    tpot_s: Interval
    tokens_per_s: Interval
    power_w: Interval
    joules: Interval
    usd_per_mtok: Interval | None
    price_basis: str
    grade: Grade
    misses: str
    chip_s: Mapping[str, float]
    figures: Mapping[str, Figure]

    @property
    def mode(self) -> str:
        """Aggregated or disaggregated."""
        return "aggregated" if len(self.pools) == 1 else "disaggregated"

    @property
    def per_chip(self) -> Interval:
        """Output tokens per second and chip."""
        return self.tokens_per_s.scaled(1.0 / self.chips)

    @property
    def per_user(self) -> Interval:
        """Output tokens per second that one user sees."""
        return self.tpot_s.inverse()

    @property
    def name(self) -> str:
        """The plans in a line."""
        if len(self.pools) == 1:
            return served(self.pools[0].plan, self.pools[0].serving)
        mixed = self.pools[0].target is not self.pools[1].target
        return " > ".join(pool.named(mixed) for pool in self.pools)


def served(plan: Plan, serving: Serving) -> str:
    """A plan and what engines are told beside it."""
    chunk = f"chunks of {serving.chunk:,}" if serving.chunk else ""
    offload = f"waiting caches in {serving.offload}" if serving.offload else ""
    return ", ".join(filter(None, [str(plan), chunk, offload, str(serving)]))


def aggregated(curve: Curve, batch: float) -> Found:
    """A plan at one of its batches."""
    steady, target = curve.steady, curve.step_model.target
    index = int(np.searchsorted(steady.batches, batch))
    answer = steady.estimate(index)
    assert answer.ttft_s is not None
    assert answer.tpot_s is not None
    usd, basis, paid = priced([(target, answer.power_w)], answer.rate)
    each = curve.worker / float(steady.decoders[index])
    parts = {(phase, r): float(s) * each for phase, p in steady.token_s(index).items() for r, s in p.items()}
    pool = Pool("both", target, curve.plan, steady.serving, batch, 1.0, answer.bound_by["decode"])
    return Found(
        pools=(pool,),
        chips=target.count,
        ttft_s=answer.ttft_s,
        tpot_s=answer.tpot_s,
        tokens_per_s=answer.rate,
        power_w=answer.power_w,
        joules=answer.joules,
        usd_per_mtok=usd,
        price_basis=basis,
        grade=answer.grade,
        misses=answer.misses,
        chip_s=spent(parts, target.count / answer.rate.mid),
        figures=answer.figures | paid,
    )


def spent(parts: Mapping[tuple[str, Resource], float], total: float) -> dict[str, float]:
    """Chip seconds per token in words; what is left of the total is waiting."""
    named_ = {f"{phase}: {WORDS[resource]}": seconds for (phase, resource), seconds in parts.items() if seconds > 0}
    return named_ | {"idle chips": max(0.0, total - sum(named_.values()))}


def priced(drawn: Sequence[tuple[Target, Interval]], rate: Interval) -> tuple[Interval | None, str, dict[str, Figure]]:
    """Dollars per million tokens of all chips that there are, how they are paid, and the figures behind."""
    parts, bases, found = [], [], dict[str, Figure]()
    for target, watts in drawn:
        paid = public(Machines(target, target.count, watts, beyond=len(drawn) > 1))
        if paid is None:
            return None, "", {}
        parts.append(paid.per_million(rate).interval())
        bases.append(paid.basis)
        found |= paid.figures
    return together(parts), " and ".join(dict.fromkeys(bases)), found


def together(parts: Sequence[Interval]) -> Interval:
    """Intervals whose errors go together."""
    return Interval(sum(p.low for p in parts), sum(p.mid for p in parts), sum(p.high for p in parts))
