"""What users of a server see, as `vllm bench serve` counts it, from the requests that a simulation answered.

Metrics are numbers in SI by dotted name, such as `ttft_s.p99`; None where nothing is there to be counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Interval
from silmark.serving.histogram import Histogram
from silmark.serving.records import DONE, LOST, REFUSED
from silmark.serving.seconds import Seconds
from silmark.serving.slo import Slo
from silmark.serving.spread import Spread

if TYPE_CHECKING:  # the core imports numba, half a second
    from silmark.serving.simulate import Simulation

Values = dict[str, float | None]

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
LOADGEN = (90, 99)
"""Percentiles that MLPerf asks for."""
_ENDS = {"completed": DONE, "refused": REFUSED, "lost": LOST}
_KEPT = ("ttft_s", "tpot_s", "e2el_s")
_SUMMED = ("prompt", "output", "cached")


@dataclass(frozen=True, slots=True)
class Times:
    """Of answered requests, in seconds, as a client sees them; one entry per request.

    Attributes:
        sent: when it was sent.
        queue: from there until it was first scheduled.
        ttft, e2el: until its first and its last token.
        tpot: between its tokens, (e2el - ttft) / (output - 1); 0 for one token, as goodput takes it.
        output: tokens of the answer.
    """

    sent: NDArray[np.float64]
    queue: NDArray[np.float64]
    ttft: NDArray[np.float64]
    tpot: NDArray[np.float64]
    e2el: NDArray[np.float64]
    output: NDArray[np.int32]

    @classmethod
    def of(cls, done: NDArray[np.void]) -> Times:
        """Times of rows of dtype ANSWERED that were all answered."""
        sent = done["arrival_ns"]
        spoken = (done["last_ns"] - done["first_ns"]) * 1e-9
        return cls(
            sent * 1e-9,
            (done["scheduled_ns"] - sent) * 1e-9,
            (done["first_ns"] - sent) * 1e-9,
            spoken / np.maximum(done["output"] - 1, 1),
            (done["last_ns"] - sent) * 1e-9,
            done["output"],
        )

    def good(self, slo: Slo) -> NDArray[np.bool_]:
        """Which requests keep every promise."""
        return slo.good({"ttft": self.ttft, "tpot": self.tpot, "e2el": self.e2el})

    def several(self) -> NDArray[np.float64]:
        """TPOT of the requests that have one: answers of two tokens and more."""
        return self.tpot[self.output > 1]


class Tally:
    """Adds up requests that left, piece by piece: memory does not grow with their number."""

    def __init__(self, slo: Slo) -> None:
        self.spreads = {name: Spread() for name in (*_KEPT, "queue_s", "e2el_per_token_s")}
        self._slo = slo
        self._seconds = Seconds()
        self._ended = np.zeros(3, dtype=np.int64)
        self._sums = dict.fromkeys((*_SUMMED, "good", "preemptions", "preempted", "retries"), 0)
        self._sent_ns = (np.iinfo(np.int64).max, 0)

    @property
    def size(self) -> int:
        """Requests so far."""
        return int(self._ended.sum())

    def add(self, answered: NDArray[np.void]) -> None:
        """Takes requests of dtype ANSWERED."""
        if not answered.size:
            return
        done = answered[answered["status"] == DONE]
        times, sums, sent = Times.of(done), self._sums, answered["arrival_ns"]
        self._ended += np.bincount(answered["status"], minlength=self._ended.size)
        self._sent_ns = (min(self._sent_ns[0], int(sent.min())), max(self._sent_ns[1], int(sent.max())))
        for name in _SUMMED:
            sums[name] += int(done[name].sum(dtype=np.int64))
        for name in ("preemptions", "retries"):
            sums[name] += int(answered[name].sum(dtype=np.int64))
        sums["preempted"] += int(np.count_nonzero(answered["preemptions"]))
        sums["good"] += int(times.good(self._slo).sum())
        per_token = times.e2el / np.maximum(times.output, 1)
        for name, seconds in zip(
            self.spreads, (times.ttft, times.several(), times.e2el, times.queue, per_token), strict=True
        ):
            self.spreads[name].add(seconds)
        self._seconds.add(times.sent, times.sent + times.ttft, times.sent + times.e2el, times.output)

    def values(self, gaps: Histogram, duration_s: float) -> Values:
        """Metrics of the requests so far.

        Args:
            gaps: between consecutive tokens of a request, of all requests.
            duration_s: from the start to the last token.
        """
        sums, (first_ns, last_ns) = self._sums, self._sent_ns
        tokens, busiest = self._seconds.peaks()
        values: Values = {
            **{f"requests.{word}": int(self._ended[way]) for word, way in _ENDS.items()},
            "duration_s": duration_s,
            "sent_requests_per_s": _ratio(self.size - 1, (last_ns - first_ns) * 1e-9),
            "tokens.input": sums["prompt"],
            "tokens.output": sums["output"],
            "requests_per_s": _ratio(int(self._ended[DONE]), duration_s),
            "goodput_requests_per_s": _ratio(sums["good"], duration_s) if self._slo.limits else None,
            "output_tokens_per_s": _ratio(sums["output"], duration_s),
            "tokens_per_s": _ratio(sums["prompt"] + sums["output"], duration_s),
            "peak_output_tokens_per_s": tokens,
            "peak_concurrent_requests": busiest,
        }
        for name, spread in self.spreads.items():
            values |= _named(name, distribution(spread, self._slo.percentiles(name.removesuffix("_s"))))
        values |= _named("itl_s", of_histogram(gaps))
        for name in _KEPT:
            values |= {f"loadgen_{name}.p{percent}": _loadgen(self.spreads[name], percent) for percent in LOADGEN}
        return values | {
            "preemptions": sums["preemptions"],
            "preempted_requests": sums["preempted"],
            "retries": sums["retries"],
            "prefix_cache_hit_rate": _ratio(sums["cached"], sums["prompt"]),
        }


def measure(answered: NDArray[np.void], gaps: Histogram, duration_s: float, slo: Slo) -> Values:
    """Metrics of a run whose requests are all at hand; see `Tally`."""
    tally = Tally(slo)
    tally.add(answered)
    return tally.values(gaps, duration_s)


def distribution(spread: Spread, more: Iterable[float] = ()) -> Values:
    """Mean, standard deviation, percentiles and maximum."""
    percents = sorted({*PERCENTILES, *more})
    names = ["mean", "std", *(f"p{percent:g}" for percent in percents), "max"]
    if not spread.size:
        return dict.fromkeys(names)
    numbers = [spread.mean(), spread.std(), *spread.percentiles(percents).tolist(), spread.largest]
    return dict(zip(names, numbers, strict=True))


def of_histogram(gaps: Histogram) -> Values:
    """The same of a histogram; percentiles to the width of its bins."""
    names = ["mean", "std", *(f"p{percent:g}" for percent in PERCENTILES), "max"]
    if not gaps.size:
        return dict.fromkeys(names)
    numbers = [gaps.mean_s(), gaps.std_s(), *gaps.percentiles_s(np.array([*PERCENTILES, 100.0])).tolist()]
    return dict(zip(names, numbers, strict=True))


def bounds(draws: Sequence[Mapping[str, float | None]], mid: Mapping[str, float | None]) -> dict[str, Interval]:
    """Intervals that hold 80 % of the draws of uncertain parameters, around the values of the run itself.

    A metric that some draw does not have gets no interval.
    """
    found = {}
    for name, value in mid.items():
        drawn = [draw.get(name) for draw in draws]
        if value is None or not drawn or None in drawn:
            continue
        low, high = np.quantile(np.array(drawn, dtype=np.float64), [0.1, 0.9], method="hazen").tolist()
        found[name] = Interval(min(low, value), value, max(high, value))
    return found


def _named(name: str, values: Values) -> Values:
    return {f"{name}.{key}": value for key, value in values.items()}


def _ratio(count: float, whole: float) -> float | None:
    return count / whole if whole > 0 else None


def _loadgen(spread: Spread, percent: int) -> float | None:
    """A percentile as MLPerf's LoadGen takes it: entry int(n * p) of the sorted times."""
    return spread.entry(spread.size * percent // 100) if spread.size else None


def occupancy(found: Simulation) -> Values:
    """Mean over time and maximum of the share of the KV blocks in use, from the samples of a run."""
    used = in_use(found)
    lasting = np.diff(found.samples["time_ns"]).astype(np.float64)
    mean = float(np.average(used[:-1], weights=lasting)) if lasting.sum() > 0 else None
    return {"kv_usage.mean": mean, "kv_usage.max": float(used.max()) if used.size else None}


def in_use(found: Simulation) -> NDArray[np.float64]:
    """Share of the fleet's KV blocks that requests hold, at each sample."""
    usable = sum(found.fleet.kinds[kind].num_blocks - 1 for kind in found.fleet.replicas)
    return np.asarray(1.0 - found.samples["free_blocks"] / max(usable, 1), dtype=np.float64)
