"""Processes of arrivals, in the definitions of `vllm bench serve`.

Gaps between arrivals follow a gamma distribution of shape `burstiness` and scale 1 / (rate x burstiness): 1 is a
Poisson process, less is burstier, inf is constant. A first gap goes before the first arrival. A ramp takes the rate of
request i of n at progress i / (n - 1), linearly or exponentially between its ends. Where the number of requests is
given and the rate is constant, times are scaled so that the last request is sent at n / rate, as vLLM does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from silmark.workloads.traces.rows import CHUNK, Ints, nanoseconds

Floats = NDArray[np.float64]
_ARRIVALS_STREAM = 0


def stream(seed: int, number: int) -> np.random.Generator:
    """Random numbers of a seed; streams of different numbers know nothing of each other."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(number,))))


@dataclass(slots=True)
class Process:
    """Arrivals one after the other.

    Attributes:
        gaps: seconds between arrivals of the requests of those numbers, for a generator of random numbers.
        random: where they come from.
        scale: factor of all times.
        warp: seconds of the process to seconds of the trace.
    """

    gaps: Callable[[np.random.Generator, Ints], Floats]
    random: np.random.Generator
    scale: float = 1.0
    warp: Callable[[Floats], Floats] | None = None
    _done: int = field(default=0, init=False)
    _time_s: float = field(default=0.0, init=False)

    def take(self, count: int) -> Ints:
        """The next arrivals, in nanoseconds."""
        times = self._time_s + np.cumsum(self.gaps(self.random, np.arange(self._done, self._done + count)))
        if count:
            self._done, self._time_s = self._done + count, float(times[-1])
        times = times * self.scale if self.warp is None else self.warp(times)
        return nanoseconds(times * 1e9)

    def last_s(self, count: int) -> float:
        """When request `count` is sent, by drawing all before it."""
        while self._done < count:
            self.take(min(CHUNK, count - self._done))
        return self._time_s


def gamma(rate: float, burstiness: float, seed: int, requests: int | None = None) -> Callable[[], Process]:
    """Arrivals of a constant mean rate.

    Args:
        rate: requests per second; infinite for all at once.
        burstiness: shape of the gaps' gamma distribution; infinite for constant gaps.
        seed: of the random numbers.
        requests: their number, if times are to end at requests / rate.
    """

    def gaps(random: np.random.Generator, numbers: Ints) -> Floats:
        return _unit_gaps(random, burstiness, numbers.size) / rate

    def begin() -> Process:
        process = Process(gaps, stream(seed, _ARRIVALS_STREAM))
        if requests is not None and math.isfinite(rate) and math.isfinite(burstiness):
            last = Process(gaps, stream(seed, _ARRIVALS_STREAM)).last_s(requests)
            process.scale = requests / rate / last if last > 0 else 1.0
        return process

    return begin


def ramp(start: float, end: float, shape: str, burstiness: float, seed: int, requests: int) -> Callable[[], Process]:
    """Arrivals whose rate goes from one value to another over so many requests; shape: linear or exponential."""

    def gaps(random: np.random.Generator, numbers: Ints) -> Floats:
        progress = np.minimum(numbers / max(requests - 1, 1), 1.0)
        rates = start + (end - start) * progress if shape == "linear" else start * (end / start) ** progress
        return _unit_gaps(random, burstiness, numbers.size) / rates

    return lambda: Process(gaps, stream(seed, _ARRIVALS_STREAM))


def diurnal(rate: float, swing: float, period_s: float, burstiness: float, seed: int) -> Callable[[], Process]:
    """Arrivals whose rate is `rate x (1 - swing cos(2 pi t / period))`: least at the start, most half a period later.

    Arrivals of rate 1 are sent through the inverse of the integral of the rate (time rescaling; Daley and Vere-Jones,
    An Introduction to the Theory of Point Processes, theorem 7.4.I).
    """
    turn = 2 * math.pi / period_s

    def gaps(random: np.random.Generator, numbers: Ints) -> Floats:
        return _unit_gaps(random, burstiness, numbers.size)

    def warp(mass: Floats) -> Floats:
        even = mass / rate
        low, high = even - swing / turn, even + swing / turn
        for _ in range(64):
            middle = (low + high) / 2
            before = middle - swing / turn * np.sin(turn * middle) < even
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        return np.asarray((low + high) / 2)

    return lambda: Process(gaps, stream(seed, _ARRIVALS_STREAM), warp=warp)


def _unit_gaps(random: np.random.Generator, burstiness: float, count: int) -> Floats:
    """Gaps of mean 1."""
    if math.isinf(burstiness):
        return np.ones(count)
    return random.gamma(burstiness, 1 / burstiness, count)
