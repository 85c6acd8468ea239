"""Histogram: any number of durations as counts in bins, too narrow to matter for percentiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations, each read back as the middle of its bin.

    Attributes:
        counts: durations per bin; int64.
        edges_ns: ascending edges, one more than bins; those of the core lie a thousandth apart, so that a percentile
            is at most 0.05 % off.
    """

    counts: NDArray[np.int64]
    edges_ns: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Durations in all."""
        return int(self.counts.sum())

    @property
    def middles_s(self) -> NDArray[np.float64]:
        """Middle of every bin."""
        return 0.5e-9 * (self.edges_ns[:-1] + self.edges_ns[1:])

    def mean_s(self) -> float:
        """Mean of at least one duration."""
        return float(self.counts @ self.middles_s) / self.size

    def std_s(self) -> float:
        """Standard deviation of at least one duration."""
        return math.sqrt(float(self.counts @ (self.middles_s - self.mean_s()) ** 2) / self.size)

    def percentiles_s(self, percents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Percentiles of at least one duration, as numpy's `linear` method defines them."""
        ranks = percents / 100.0 * (self.size - 1)
        below = np.floor(ranks)
        upto, middles = np.cumsum(self.counts), self.middles_s
        low, high = (middles[np.searchsorted(upto, rank, side="right")] for rank in (below, np.ceil(ranks)))
        return np.asarray(low + (high - low) * (ranks - below), dtype=np.float64)
