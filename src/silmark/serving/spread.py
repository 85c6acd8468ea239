"""Spread: the distribution of one time over any number of requests, exact as long as they can be kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from silmark.serving.histogram import Histogram

EXACT = 1 << 22
"""Values that are kept as they are: 32 MB."""
_PER_OCTAVE = 1024
_EDGES_NS = np.exp2(np.arange(48 * _PER_OCTAVE + 1) / _PER_OCTAVE)
"""Up to three days, bins a fifteenth of a per cent wide."""

Floats = NDArray[np.float64]


class Spread:
    """Takes values piece by piece; from `EXACT` of them on it keeps counts, whose percentiles are exact to 0.04 %."""

    def __init__(self) -> None:
        self.size = 0
        self.largest = 0.0
        self._sum = self._squares = 0.0
        self._kept: list[Floats] = []
        self._counts: NDArray[np.int64] | None = None

    def add(self, seconds: Floats) -> None:
        """Takes some more."""
        if not seconds.size:
            return
        self.size += seconds.size
        self.largest = max(self.largest, float(seconds.max()))
        self._sum += float(seconds.sum())
        self._squares += float(seconds @ seconds)
        self._kept.append(seconds)
        if self.size > EXACT:
            counts = np.zeros(_EDGES_NS.size - 1, dtype=np.int64) if self._counts is None else self._counts
            for piece in self._kept:
                at = np.minimum(np.log2(np.maximum(piece * 1e9, 1.0)) * _PER_OCTAVE, counts.size - 1)
                counts += np.bincount(at.astype(np.int64), minlength=counts.size)
            self._kept, self._counts = [], counts

    def mean(self) -> float:
        """Of at least one value."""
        return self._sum / self.size

    def std(self) -> float:
        """Standard deviation of at least one value."""
        if self._counts is None:
            return float(self._ordered().std())
        return math.sqrt(max(0.0, self._squares / self.size - self.mean() ** 2))

    def percentiles(self, percents: Sequence[float] | Floats) -> Floats:
        """Of at least one value, as numpy's `linear` method defines them."""
        if self._counts is None:
            return np.asarray(np.percentile(self._ordered(), percents), dtype=np.float64)
        return Histogram(self._counts, _EDGES_NS).percentiles_s(np.asarray(percents, dtype=np.float64))

    def entry(self, rank: int) -> float:
        """The value that has so many before it in ascending order."""
        if self._counts is None:
            return float(self._ordered()[rank])
        return float(self.percentiles([100.0 * rank / max(1, self.size - 1)])[0])

    def _ordered(self) -> Floats:
        """All values, sorted once for all questions about them."""
        if len(self._kept) > 1 or not self._sorted():
            self._kept = [np.sort(np.concatenate(self._kept))]
        return self._kept[0]

    def _sorted(self) -> bool:
        return bool((np.diff(self._kept[0]) >= 0).all())
