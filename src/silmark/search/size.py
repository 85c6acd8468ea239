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
from silmark.economics.bill import bill, purchase
from silmark.estimation.mixture import missed
from silmark.figures import Interval
from silmark.graph import Array
from silmark.mapping.candidates import STEPS, least_chips, placements
from silmark.search import found
from silmark.search.evaluate import Curve, evaluate
from silmark.search.found import Found
from silmark.search.space import Asked, Tally
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
    """Workers of one plan in whole units.

    Attributes:
        curve: the plan.
        index: of the largest batch that keeps the promises.
        workers: replicas of the plan.
        chips: in all units, idle ones included.
        units: systems as bought.
        capacity: requests per second at the largest batch.
        load: batch of each worker at the demand.
        watts: of the fleet at the demand.
        usd_per_h: at the demand, NaN where no price is public.
    """

    curve: Curve
    index: int
    workers: int
    chips: int
    units: int
    capacity: float
    load: float
    watts: float
    usd_per_h: float


def fleets(asked: Asked, demand: Demand, curves: Sequence[Curve]) -> list[Fleet]:
    """The fleet of every plan that keeps the promises."""
    made = (_fleet(asked, demand, curve) for curve in curves)
    return [fleet for fleet in made if fleet is not None]


def _fleet(asked: Asked, demand: Demand, curve: Curve) -> Fleet | None:
    work, steady, system = asked.workload, curve.steady, asked.target.system
    kept = (steady.ttft <= work.ttft_s) & (steady.tpot <= work.tpot_s)
    if not kept.any():
        return None
    index = int(np.argmax(np.where(kept, steady.rate, 0.0)))
    each = float(steady.rate[index]) / work.output
    workers = math.ceil(demand.capacity / each)
    units, chips = _bought(system, curve.worker, workers)
    rates: Array = np.maximum.accumulate(steady.rate) / work.output
    own = demand.requests / workers
    load = float(np.interp(own, rates, steady.batches))
    # Below a batch of one a worker rests between requests.
    resting = float((curve.watts - steady.dynamic_w())[0])
    dynamic = float(np.interp(own, rates, steady.dynamic_w())) * min(1.0, own / float(rates[0]))
    watts = workers * (resting + dynamic)
    return Fleet(
        curve, index, workers, chips, units, workers * each, load, watts, _usd_per_h(asked.target, chips, watts)
    )


def _bought(system: System, worker: int, workers: int) -> tuple[int, int]:
    """Units and their chips for so many workers; of a slice any part is a system of its own."""
    if system.kind == "slice":
        return math.ceil(worker * workers / system.chips), worker * workers
    if worker <= system.chips:
        units = math.ceil(workers / (system.chips // worker))
    else:
        units = workers * math.ceil(worker / system.chips)
    return units, units * system.chips


def _usd_per_h(target: Target, chips: int, watts: float) -> float:
    bought = purchase(target)
    if bought is None:
        return math.nan
    return 3600.0 * float(bill(bought, chips, Interval(watts, watts, watts)).total())


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
        made = fleets(here, demand, curves)
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
    """One unit's plan at its largest batch, with error bars."""
    return found.aggregated(fleet.curve, float(fleet.curve.steady.batches[fleet.index]))
