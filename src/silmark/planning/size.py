"""Fleets for a demand: how many workers of which plan, in whole units, keep the promises at a rate of requests.

A plan's largest rate within the promises gives the number of workers, rounded up; workers fill units, rounded up again.
At the demand itself, without the head-room, each worker runs at a smaller batch: its power is read there. Chips of a
unit that no worker uses are paid for and switched off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from silmark.chips import Chip
from silmark.economics import cost_rate
from silmark.estimation.disaggregated import transfer_s
from silmark.estimation.mixture import missed
from silmark.graph import Array
from silmark.mapping.candidates import STEPS, least_chips, placements
from silmark.mapping.plan import MOST_WAYS
from silmark.planning import found, split
from silmark.planning.evaluate import Curve, evaluate
from silmark.planning.found import Found
from silmark.planning.pools import Senders, answer_s, fullest, rest_w
from silmark.planning.space import Asked, Tally
from silmark.systems import System, Target
from silmark.workloads import Workload

_ROUNDS = 3
"""Larger groups of units tried beyond the first that holds the model, where no plan keeps the promises."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a fleet must serve.

    Attributes:
        requests: per second.
        headroom: share of capacity beyond that.
    """

    requests: float
    headroom: float

    @property
    def capacity(self) -> float:
        """Requests per second that the fleet must be able to serve."""
        return self.requests * (1.0 + self.headroom)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Workers of one plan, or of one for prefill and one for decode, in whole units.

    Attributes:
        curves: the plans; the last decodes.
        needed: workers of each before rounding.
        batch: the largest of a decoding worker that keeps the promises.
        system: the unit.
        demand: what it serves.
        load: batch of a decoding worker at the demand.
        watts: of the fleet at the demand.
        usd_per_h: at the demand, NaN where no price is public.
    """

    curves: tuple[Curve, ...]
    needed: tuple[float, ...]
    batch: float
    system: System
    demand: Demand
    load: float
    watts: float
    usd_per_h: float

    @property
    def workers(self) -> tuple[int, ...]:
        """Workers of each plan."""
        return tuple(map(math.ceil, self.needed))

    @property
    def units(self) -> int:
        """Systems as bought."""
        return self.bought()[0]

    @property
    def chips(self) -> int:
        """Chips in all units, idle ones included."""
        return self.bought()[1]

    @property
    def capacity(self) -> float:
        """Requests per second that keep the promises."""
        most = min(count / need for count, need in zip(self.workers, self.needed, strict=True))
        return most * self.demand.capacity

    def bought(self, faster: float = 1.0) -> tuple[int, int]:
        """Units and their chips, where every worker were faster by a factor."""
        counts = [math.ceil(need / faster) for need in self.needed]
        return _bought(self.system, [curve.worker for curve in self.curves], counts)


def fleets(asked: Asked, demand: Demand, curves: Sequence[Curve]) -> list[Fleet]:
    """The fleet of every plan, and of every pair of plans, that keeps the promises."""
    made = [*_aggregated(asked, demand, curves), *_disaggregated(asked, demand, curves)]
    alone, beyond = cost_rate(asked.target), cost_rate(asked.target, beyond=True)
    if alone is None or beyond is None:
        return made
    rates = [beyond if len(fleet.curves) > 1 and fleet.units > 1 else alone for fleet in made]
    usd = [3600.0 * float(rate.at(fleet.chips, fleet.watts)) for rate, fleet in zip(rates, made, strict=True)]
    return [replace(fleet, usd_per_h=each) for fleet, each in zip(made, usd, strict=True)]


def _aggregated(asked: Asked, demand: Demand, curves: Sequence[Curve]) -> Iterator[Fleet]:
    work = asked.workload
    for curve in curves:
        steady = curve.steady
        kept = (steady.ttft <= work.ttft_s) & (steady.tpot <= work.tpot_s)
        if not kept.any():
            continue
        index = int(np.argmax(np.where(kept, steady.rate, 0.0)))
        needed = demand.capacity * work.output / float(steady.rate[index])
        workers = math.ceil(needed)
        rates = np.maximum.accumulate(steady.rate) / work.output
        load, dynamic = _at(demand.requests / workers, rates, steady.batches, steady.dynamic_w())
        watts = workers * (rest_w(curve) + dynamic)
        batch = float(steady.batches[index])
        yield Fleet((curve,), (needed,), batch, asked.target.system, demand, load, watts, math.nan)


def _disaggregated(asked: Asked, demand: Demand, curves: Sequence[Curve]) -> Iterator[Fleet]:
    """For every decoding plan the prefill plans whose wait keeps the promise for the first token."""
    work = asked.workload
    if not curves:
        return
    senders = Senders.of(curves, "out")
    for curve in curves:
        steady, tpot = curve.steady, curve.steady.decode.time_s * curve.steady.stall
        kept = tpot <= work.tpot_s
        if not kept.any():
            continue
        rates = steady.decoders / answer_s(curve, tpot)
        index = int(np.argmax(np.where(kept, rates, 0.0)))
        moving = np.maximum(senders.send, transfer_s(curve.step_model, work.prompt, "out"))
        share = fullest(senders.first + moving, senders.work, work.ttft_s)
        prefilling = demand.capacity * np.maximum(senders.work / share, moving)
        decoding = np.maximum(demand.capacity / rates[index], demand.capacity * moving)
        dynamic_w = steady.decode.energy_j * np.minimum(steady.depth, steady.decoders) / tpot
        quick = senders.first + moving < work.ttft_s
        for which in (int(i) for i in senders.feeding(curve) if quick[i]):
            needed = (float(prefilling[which]), float(decoding[which]))
            counts = [math.ceil(need) for need in needed]
            own = demand.requests / counts[1]
            load, dynamic = _at(own, np.maximum.accumulate(rates), steady.decoders, dynamic_w)
            watts = counts[0] * float(senders.idle[which]) + demand.requests * float(senders.joules[which])
            watts += counts[1] * (rest_w(curve) + dynamic)
            pair = (curves[senders.index[which]], curve)
            batch = float(steady.decoders[index])
            yield Fleet(pair, needed, batch, asked.target.system, demand, load, watts, math.nan)


def _at(own: float, rates: Array, batches: Array, dynamic_w: Array) -> tuple[float, float]:
    """Batch and watts above rest of a worker that serves so many requests per second; it rests below a batch of one."""
    resting = min(1.0, own / float(rates[0]))
    return float(np.interp(own, rates, batches)), float(np.interp(own, rates, dynamic_w)) * resting


def _bought(system: System, sizes: Sequence[int], counts: Sequence[int]) -> tuple[int, int]:
    """Units and their chips for workers of each size; of a slice any part is a system of its own.

    Sizes that divide a unit share units; others leave the rest of theirs idle.
    """
    chips = sum(size * count for size, count in zip(sizes, counts, strict=True))
    if system.kind == "slice":
        return math.ceil(chips / system.chips), chips
    if all(system.chips % size == 0 for size in sizes):
        units = math.ceil(chips / system.chips)
    else:
        units = sum(_units(system.chips, size, count) for size, count in zip(sizes, counts, strict=True))
    return units, units * system.chips


def _units(unit: int, size: int, count: int) -> int:
    return math.ceil(count / (unit // size)) if size <= unit else count * math.ceil(size / unit)


@dataclass(frozen=True, slots=True)
class Sized:
    """One chip's answer.

    Attributes:
        chip: the chip.
        smallest: the fleet of fewest chips, None where there is none.
        cheapest: the fleet of fewest dollars per hour, None where there is none or no price is public.
        reason: why there is no fleet, else empty.
        cannot: the chip lacks an operator or format, whatever its size.
        tally: plans tried and rejected.
    """

    chip: Chip
    smallest: Fleet | None
    cheapest: Fleet | None
    reason: str
    cannot: bool
    tally: Tally


def size(asked: Asked, demand: Demand) -> Sized:
    """The smallest and the cheapest fleet of a chip in its usual units."""
    tally, nearest = Tally(), ""
    for target in _targets(asked):
        here = replace(asked, target=target)
        curves = evaluate(here, tally)
        possible = fleets(here, demand, curves)
        made = [fleet for fleet in possible if max(fleet.workers) <= MOST_WAYS]
        if possible and not made:
            least = min(max(fleet.workers) for fleet in possible)
            nearest = f"{least:,} workers would be needed, a fleet has at most {MOST_WAYS:,}"
            continue
        if made:
            smallest = min(made, key=lambda fleet: (fleet.chips, _or_inf(fleet.usd_per_h), fleet.watts))
            priced = [fleet for fleet in made if not math.isnan(fleet.usd_per_h)]
            cheapest = min(priced, key=lambda fleet: (fleet.usd_per_h, fleet.chips), default=None)
            return Sized(asked.target.chip, smallest, cheapest, "", cannot=False, tally=tally)
        nearest = _nearest(asked.workload, curves) or nearest
    reasons = [reason for _, reason in tally.refused.values()]
    reason = nearest or (reasons[-1] if reasons else "no plan divides its chips")
    cannot = set(tally.refused) == {"operators and formats"}
    return Sized(asked.target.chip, None, None, reason, cannot, tally)


def _or_inf(usd: float) -> float:
    return math.inf if math.isnan(usd) else usd


def _targets(asked: Asked) -> Iterator[Target]:
    """One unit, then more of them joined, from the first number that holds the weights."""
    chip, system = asked.target.chip, asked.target.system
    needed = min(
        least_chips(asked.model, chip, precision, place)
        for precision in asked.precisions
        for place in placements(chip, asked.model.kind)
    )
    first = math.ceil(needed / system.chips)
    counts = sorted({units for units in (*STEPS, first) if first <= units <= system.units_max})
    for units in counts[: _ROUNDS + 1] or [1]:
        yield Target(chip, system, units * system.chips)


def _nearest(work: Workload, curves: Sequence[Curve]) -> str:
    """What the plan misses that comes nearest to the promises."""
    nearest, said = math.inf, ""
    for curve in curves:
        steady = curve.steady
        ratio = np.maximum(steady.ttft / work.ttft_s, steady.tpot / work.tpot_s)
        index = int(np.argmin(ratio))
        if ratio[index] < nearest:
            nearest = float(ratio[index])
            said = f"{replace(curve.plan, dp=1)} {missed(work, float(steady.ttft[index]), float(steady.tpot[index]))}"
    return said


def in_full(fleet: Fleet) -> Found:
    """The plans at their largest batch, with error bars."""
    if len(fleet.curves) == 1:
        return found.aggregated(fleet.curves[0], fleet.batch)
    (prefill, decode), (senders, workers) = fleet.curves, fleet.workers
    return split.disaggregated(prefill, decode, senders, workers, fleet.batch)
