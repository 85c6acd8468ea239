"""Slo: what a service promises each request, and the share of the requests for which it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from silmark.figures.numbers import si

Promised = Literal["ttft", "tpot", "e2el"]
"""What `vllm bench serve --goodput` knows."""
PROMISED: tuple[Promised, ...] = get_args(Promised)


@dataclass(frozen=True, slots=True)
class Limit:
    """One promise.

    Attributes:
        metric: what is limited.
        seconds: the most that it may be.
        percentile: the system keeps it if this percentile of the requests does; goodput asks every request.
    """

    metric: Promised
    seconds: float
    percentile: float

    @property
    def key(self) -> str:
        """The metric that decides whether the system keeps it."""
        return f"{self.metric}_s.p{self.percentile:g}"

    def __str__(self) -> str:
        usual = 1e-6 <= self.seconds < 1000  # what is said can be asked again, in seconds, ms or us
        time = si(self.seconds, "s").replace(" ", "") if usual else f"{self.seconds:g}s"
        return f"{self.metric}:{time}@p{self.percentile:g}"


@dataclass(frozen=True, slots=True)
class Slo:
    """Promises that hold together; none: every request is a good one.

    Attributes:
        limits: at most one of each metric.
    """

    limits: tuple[Limit, ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.limits))

    def good(self, seconds: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
        """Which requests keep all promises; `seconds` holds one array per metric, of equal length."""
        kept = np.ones(len(next(iter(seconds.values()))), dtype=np.bool_)
        for limit in self.limits:
            kept &= seconds[limit.metric] <= limit.seconds
        return kept

    def percentiles(self, metric: str) -> Iterable[float]:
        """Percentiles of a metric that decide."""
        return (limit.percentile for limit in self.limits if limit.metric == metric)

    def missed(self, values: Mapping[str, float | None]) -> tuple[Limit, ...]:
        """Promises that the percentiles of a run do not keep; a percentile of nothing keeps none."""
        found = ((limit, values.get(limit.key)) for limit in self.limits)
        return tuple(limit for limit, value in found if value is None or value > limit.seconds)
