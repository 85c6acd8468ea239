"""Capacity: the highest rate of a trace at which a system keeps its promises, found by simulating it at many rates.

Every rate sends the same requests in the same order (common random numbers), so that two rates differ in nothing but
load, and a run ends as soon as more requests have missed a promise than its percentile allows. The error bar comes from
the same search on the clocks of `serving.draws`, for the first requests of the trace: what counts there is only the
ratio to what these requests give on the clock as predicted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Interval
from silmark.serving.draws import Truth, Typical, scaled, truths
from silmark.serving.fleets import Members, fleet
from silmark.serving.load import Load
from silmark.serving.metrics import Times
from silmark.serving.records import LOST, REFUSED
from silmark.serving.slo import Limit, Slo

if TYPE_CHECKING:  # numba takes half a second to import
    from silmark.serving.simulate import Fleet, Simulation

TOLERANCE = 0.01
"""The rate above which a promise is missed lies at most so far above the answer."""
_STEP = 1.25
_DRAWN_TOLERANCE = 0.04
"""Error bars are wider by far."""
_FIRST = 1000
"""Requests that are enough for the ratio of two capacities: ten of them lie beyond the 99th percentile."""
_LEAST = 1e-3
"""Of the rate that a system answers at most: a request that comes so seldom is alone."""
_ABOVE = 1.25
"""What is answered when all come at once counts the last answers, when the system is nearly empty."""
_CHAINED = 64.0
_NEVER_NS = 1 << 60
"""Nanoseconds beyond every promise: 36 years."""
_EXPECTED = ((0.2, 0.0, 0.14), (0.0, 0.2, 0.14))
"""Where to look first for the capacity of slower steps; it decides how many runs a search takes, not what it finds.
Logarithms of a factor on steps with prompts, of one on decodes, and of what they take off: both together somewhat more
than their own, since queues add to it. What was found for other truths outweighs this beyond factors of a fifth."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a system bears.

    Attributes:
        rate: requests per second; 0 where a promise is missed even by requests that come alone.
        decides: the promises that break at the next higher rate that was tried; empty where the system answers no more
            requests than this, whatever they wait.
        simulation: the trace at that rate; at the least rate tried where that is 0.
        runs: simulations that it took, those of the error bar included.
    """

    rate: Interval
    decides: tuple[Limit, ...]
    simulation: Simulation
    runs: int


def capacity(
    found: Members, load: Load, slo: Slo, draws: int, seed: int = 0, told: Callable[[float], None] | None = None
) -> Capacity:
    """Searches the highest rate.

    Args:
        found: the system's replicas.
        load: what is sent.
        slo: what is promised; at least one promise.
        draws: clocks behind the error bar; 0 for none.
        seed: of chances.
        told: the rate of every run.
    """
    search = _Search(fleet(found.pools, found.led, seed), load, slo, seed, told)
    burst = search.run(math.inf)
    answered = load.requests * 1e9 / max(1, burst.duration_ns)
    rate, _ = search.highest(0.7 * answered, answered, TOLERANCE, _STEP)
    at = search.kept.get(rate) or search.run(rate or _LEAST * answered)
    if not draws:
        return Capacity(Interval(rate, rate, rate), search.missed, at, search.runs)
    typical = Typical(max(1.0, at.tokens_out / max(1, int(at.steps_run.sum()))), load.prompt, load.output)
    possible = truths(found.pools[-1].replica.step_model, typical, draws, seed)
    short = _Search(search.fleet, Load.held(load.stream, _FIRST), slo, seed, told)
    drawn = _drawn(short, possible, rate, answered)
    low, high = np.quantile(drawn, (0.1, 0.9), method="hazen").tolist()
    return Capacity(Interval(min(low, rate), rate, max(high, rate)), search.missed, at, search.runs + short.runs)


def _drawn(base: _Search, possible: Sequence[Truth], rate: float, answered: float) -> list[float]:
    """Capacity under every truth: that of the first requests, times what all requests make of it.

    Args:
        base: runs of the first requests.
        possible: truths.
        rate: capacity as predicted, of all requests; 0 for none.
        answered: requests per second that are answered when all come at once.
    """
    middle = _between(base.highest(rate or 0.1 * answered, answered, _DRAWN_TOLERANCE, 1 + _DRAWN_TOLERANCE))
    found, known = [], list(_EXPECTED)
    # The nearest first: what they come to says where to look for those farther off.
    for truth in sorted(possible, key=lambda one: abs(math.log(one.prompts)) + abs(math.log(one.tokens))):
        slower = (math.log(truth.prompts), math.log(truth.tokens))
        rows = np.array(known)
        power = np.linalg.lstsq(rows[:, :2], rows[:, 2])[0]
        guess = (middle or 0.1 * answered) * math.exp(-float(power @ slower))
        search = _Search(
            replace(base.fleet, clock=scaled(base.fleet.clock, truth)), base.load, base.slo, base.seed, base.told
        )
        most = answered / min(truth.prompts, truth.tokens)
        own = _between(search.highest(guess, most, _DRAWN_TOLERANCE, 1 + _DRAWN_TOLERANCE))
        base.runs += search.runs
        found.append(own * (rate / middle if rate and middle else 1.0))
        if own and middle:
            known.append((*slower, math.log(middle / own)))
    return found


def _between(bracket: tuple[float, float]) -> float:
    """The middle of two rates; 0 where the lower one is."""
    return math.sqrt(bracket[0] * bracket[1])


class _Missed(Exception):
    """More requests have missed a promise than may."""


@dataclass
class _Search:
    """Runs of one fleet at rates.

    Attributes:
        fleet, load, slo, seed, told: what is run, and who is told.
        runs: so far.
        missed: promises that broke at the lowest rate at which any did.
        kept: runs that kept all promises, the highest rate's only.
    """

    fleet: Fleet
    load: Load
    slo: Slo
    seed: int
    told: Callable[[float], None] | None
    runs: int = 0
    missed: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        self.kept: dict[float, Simulation] = {}

    def highest(self, guess: float, answered: float, tolerance: float, step: float) -> tuple[float, float]:
        """The highest rate that keeps all promises, 0 where none does, and one just above that does not.

        Args:
            guess: where to begin.
            answered: requests per second that are answered when all come at once.
            tolerance: how far apart the two may be, relatively.
            step: factor to the second rate; it grows until there is one on either side.
        """
        most = answered * (_CHAINED if self.load.chained else _ABOVE)
        least = answered * _LEAST
        low, high, rate = 0.0, math.inf, min(guess, most)
        while not low or math.isinf(high):
            if self._keeps(rate):
                if rate >= most:
                    self.missed = ()
                    return rate, rate
                low, rate = rate, min(rate * step, most)
            else:
                if rate <= least:
                    return 0.0, rate
                high, rate = rate, max(rate / step, least)
            step *= step
        while high > low * (1 + tolerance) * (1 + 1e-9):
            rate = math.sqrt(low * high)
            low, high = (rate, high) if self._keeps(rate) else (low, rate)
        return low, high

    def run(self, rate: float) -> Simulation:
        """The whole trace at a rate."""
        return self._simulated(rate, None)

    def _simulated(self, rate: float, left: Callable[[NDArray[np.void]], None] | None) -> Simulation:
        from silmark.serving.simulate import simulate  # noqa: PLC0415 - numba takes half a second to import

        self.runs += 1
        if self.told is not None and math.isfinite(rate):
            self.told(rate)
        return simulate(self.fleet, self.load.at(rate), seed=self.seed, left=left)

    def _keeps(self, rate: float) -> bool:
        try:
            done = self._simulated(rate, _Patience(self.load, self.slo))
        except _Missed as why:
            self.missed = why.args
            return False
        missed = self.slo.missed(percentiles(done, self.slo))
        if missed:
            self.missed = missed
            return False
        self.kept = {rate: done}
        return True


def percentiles(done: Simulation, slo: Slo) -> dict[str, float | None]:
    """The percentiles that decide about promises, by metric; None where no request has the metric."""
    times = Times.of(_counted(done.answered))
    found: dict[str, float | None] = {}
    for limit in slo.limits:
        seconds = _seconds(times, limit)
        found[limit.key] = float(np.percentile(seconds, limit.percentile)) if seconds.size else None
    return found


def _counted(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Requests whose times decide: those answered, and those lost to a fault, which are later than any promise."""
    ended = rows[rows["status"] != REFUSED].copy()
    lost = ended["status"] == LOST
    ended["first_ns"][lost] = ended["last_ns"][lost] = ended["arrival_ns"][lost] + _NEVER_NS
    ended["output"][lost] = 2
    ended["last_ns"][lost] += _NEVER_NS
    return np.asarray(ended)


def _seconds(times: Times, limit: Limit) -> NDArray[np.float64]:
    return times.several() if limit.metric == "tpot" else times.ttft if limit.metric == "ttft" else times.e2el


class _Patience:
    """Counts requests that miss promises, and gives up when no later request can mend a percentile."""

    def __init__(self, load: Load, slo: Slo) -> None:
        self._slo = slo
        self._late: Counter[str] = Counter()
        sizes = {"tpot": load.spoken}
        # The percentile lies between the entries around (n - 1) p: both exceed the limit when n - floor((n - 1) p) do.
        self._most = {
            limit.key: (n := sizes.get(limit.metric, load.requests)) - math.floor((n - 1) * limit.percentile / 100)
            for limit in slo.limits
        }

    def __call__(self, rows: NDArray[np.void]) -> None:
        times = Times.of(_counted(rows))
        for limit in self._slo.limits:
            self._late[limit.key] += int(np.count_nonzero(_seconds(times, limit) > limit.seconds))
        broken = tuple(limit for limit in self._slo.limits if self._late[limit.key] >= self._most[limit.key])
        if broken:
            raise _Missed(*broken)
