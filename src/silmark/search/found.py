"""One point in full: the figures of a plan at a load with their error bars, aggregated or in two pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.economics.bill import bill, purchase
from silmark.economics.bill import figures as price_figures
from silmark.economics.price import RATE
from silmark.estimation.mixture import inside_groups, missed, per_item
from silmark.estimation.power import power, power_figures
from silmark.figures import Figure, Grade, Interval
from silmark.mapping import Plan
from silmark.search.evaluate import Curve
from silmark.search.points import Points
from silmark.search.pools import fullest, link_level, prompt_j, transfer_s, waiting
from silmark.step import StepCost, grade, log_widths
from silmark.systems import Target
from silmark.workloads import Step

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
        batch: sequences in flight in each worker.
        busy: share of its time that the pool works; a decoding pool always does.
        bound_by: the resource that takes most of its time.
    """

    role: Role
    target: Target
    plan: Plan
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
        return f"{self.workers} x [{replace(self.plan, dp=1)}]{chip}"


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
            return str(self.pools[0].plan)
        mixed = self.pools[0].target != self.pools[1].target
        return " > ".join(pool.named(mixed) for pool in self.pools)


def aggregated(curve: Curve, batch: float) -> Found:
    """A plan at one of its batches."""
    steady, target = curve.steady, curve.step_model.target
    index = int(np.searchsorted(steady.batches, batch))
    answer = steady.estimate(index)
    assert answer.ttft_s is not None
    assert answer.tpot_s is not None
    usd, basis, paid = _priced([(target, answer.power_w)], answer.rate)
    each = curve.worker / batch
    spent = {(phase, r): float(s) * each for phase, p in steady.token_s(index).items() for r, s in p.items()}
    pool = Pool("both", target, curve.plan, batch, 1.0, answer.bound_by["decode"])
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
        chip_s=_spent(spent, target.count / answer.rate.mid),
        figures=answer.figures | paid,
    )


@dataclass(frozen=True, slots=True)
class _Flow:
    """Two pools in balance: what comes through each, per second, and how long it takes."""

    senders: int
    workers: int
    batch: float
    decode: StepCost
    tpot: float
    ttft: float
    busy: float
    decoded: float
    prefilled: float

    @property
    def requests(self) -> float:
        """Requests per second that both pools serve."""
        return min(self.decoded, self.prefilled)


def _flow(prefill: Curve, decode: Curve, points: Points, index: int) -> _Flow:
    """The formulas of `pools` at one point."""
    other, steady = decode.step_model, decode.steady
    work, depth = steady.workload, steady.depth
    senders, workers = int(points.senders[index]), int(points.workers[index])
    batch = float(points.batch[index])
    cost = other.cost(Step.decode(inside_groups(np.array([batch]), depth), steady.context)).at(0)
    tpot = float(cost.time_s) * (1.0 + (other.imbalance - 1.0) * min(1.0, batch / depth))
    level = link_level(prefill, decode)
    moving = max(transfer_s(prefill, work.prompt, level), transfer_s(decode, work.prompt, level))
    first, seconds = np.array(float(prefill.steady.first.time_s) + moving), np.array(prefill.steady.prompt_s())
    decoded = workers * batch / (max(1, work.output - 1) * tpot)
    most = min(senders * float(fullest(first, seconds, work.ttft_s)) / float(seconds), min(senders, workers) / moving)
    busy = min(decoded, most) * float(seconds) / senders
    ttft = float(first + waiting(np.array(busy), seconds))
    return _Flow(senders, workers, batch, cost, tpot, ttft, busy, decoded, most)


def disaggregated(prefill: Curve, decode: Curve, points: Points, index: int) -> Found:
    """Two pools at one point, with error bars."""
    one, other = prefill.step_model, decode.step_model
    flow = _flow(prefill, decode, points, index)
    passed = prefill.steady.joint
    depth = min(decode.steady.depth, flow.batch)
    dynamic = float(flow.decode.energy_j) * depth / flow.tpot * (flow.requests / flow.decoded)
    drawn = [
        (one.target, power(one, flow.requests * prompt_j(prefill) / flow.senders).scaled(flow.senders)),
        (other.target, power(other, dynamic).scaled(flow.workers)),
    ]
    watts = _sum([part for _, part in drawn])
    rate = _slower(
        Interval.around(flow.decoded, *reversed(log_widths(other, flow.decode, "throughput"))),
        Interval.around(flow.prefilled, *reversed(log_widths(one, passed, "throughput"))),
    ).scaled(decode.steady.workload.output)
    shared = one.target == other.target
    usd, basis, paid = _priced([(one.target, watts)] if shared else drawn, rate)
    busy = {"decode": (flow.decode, flow.requests / flow.decoded * flow.workers * decode.worker)}
    busy["prefill"] = (passed, flow.busy * flow.senders * prefill.worker)
    spent = {(p, r): s * n / rate.mid for p, (cost, n) in busy.items() for r, s in cost.shares().items()}
    chips = one.target.count + (0 if shared else other.target.count)
    step = Step.decode(inside_groups(np.array(flow.batch), decode.steady.depth), decode.steady.context)
    pools = (
        Pool("prefill", one.target, replace(one.plan, dp=flow.senders), 1.0, flow.busy, passed.bound_by()),
        Pool("decode", other.target, replace(other.plan, dp=flow.workers), flow.batch, 1.0, flow.decode.bound_by()),
    )
    return Found(
        pools=pools,
        chips=chips,
        ttft_s=Interval.around(flow.ttft, *log_widths(one, prefill.steady.first, "ttft")),
        tpot_s=Interval.around(flow.tpot, *log_widths(other, flow.decode, "tpot")).at_least(float(other.floor(step))),
        tokens_per_s=rate,
        power_w=watts,
        joules=per_item(watts, rate),
        usd_per_mtok=usd,
        price_basis=basis,
        grade=max(grade(one, passed, "ttft"), grade(other, flow.decode, "tpot")),
        misses=missed(decode.steady.workload, flow.ttft, flow.tpot),
        chip_s=_spent(spent, chips / rate.mid),
        figures={**one.figures, **power_figures(one), **other.figures, **power_figures(other), **paid},
    )


def _spent(parts: Mapping[tuple[str, Resource], float], total: float) -> dict[str, float]:
    """Chip seconds per token in words; what is left of the total is waiting."""
    named_ = {f"{phase}: {WORDS[resource]}": seconds for (phase, resource), seconds in parts.items() if seconds > 0}
    return named_ | {"idle chips": max(0.0, total - sum(named_.values()))}


def _priced(drawn: Sequence[tuple[Target, Interval]], rate: Interval) -> tuple[Interval | None, str, dict[str, Figure]]:
    """Dollars per million tokens of all chips that there are, how they are paid, and the figures behind."""
    parts, bases, found = [], [], dict[str, Figure]()
    for target, watts in drawn:
        bought = purchase(target)
        if bought is None:
            return None, "", {}
        parts.append(bill(bought, target.count, watts).over(RATE, rate, 1e6).interval())
        bases.append(bought.basis)
        found |= price_figures(bought)
    return _sum(parts), " and ".join(dict.fromkeys(bases)), found


def _sum(parts: Sequence[Interval]) -> Interval:
    """Intervals whose errors go together."""
    return Interval(sum(p.low for p in parts), sum(p.mid for p in parts), sum(p.high for p in parts))


def _slower(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.low, other.low), min(one.mid, other.mid), min(one.high, other.high))
