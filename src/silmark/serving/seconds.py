"""Seconds: output tokens and requests under way in every second of a run, as `vllm bench serve` counts its peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONGEST_S = 1 << 22
"""Seconds of a run above which none are counted: seven weeks."""
_INSTANT_S = 1e-9

Floats = NDArray[np.float64]


class Seconds:
    """Takes requests piece by piece; a request is under way in every second that it touches.

    Seconds count from the first request that was sent. Tokens behind a request's first lie evenly between the first and
    the last.
    """

    def __init__(self) -> None:
        self._origin_s: float | None = None
        self._length_s = 0.0
        self._touched = self._first = self._slope = self._offset = np.zeros(1)

    def add(self, sent: Floats, first: Floats, last: Floats, output: NDArray[np.int32]) -> None:
        """Takes some more answered requests: when they were sent and got their first and last token, and how many."""
        if not sent.size:
            return
        if self._origin_s is None:
            self._origin_s = float(sent.min())
        # A request of a later piece may have been sent before all of the first one: it counts from the first second.
        sent, first, last = (np.maximum(times - self._origin_s, 0.0) for times in (sent, first, last))
        self._length_s = max(self._length_s, float(last.max()))
        if self._length_s > LONGEST_S:
            return
        size = max(self._first.size, 2 * int(self._length_s) + 3 if self._length_s + 3 > self._first.size else 0)
        self._touched = _sum(self._touched, size, (sent, 1.0), (last + 1.0, -1.0))
        self._first = _sum(self._first, size, (first, 1.0))
        # Tokens that come at one instant, as drafted ones may, are a ramp of a nanosecond.
        last = np.maximum(last, first + _INSTANT_S)
        slope = (output - 1) / (last - first)
        starts, ends = np.ceil(first), np.ceil(last)
        self._slope = _sum(self._slope, size, (starts, slope), (ends, -slope))
        self._offset = _sum(self._offset, size, (starts, slope * first), (ends, -slope * last))

    def peaks(self) -> tuple[float | None, float | None]:
        """Most output tokens, and most requests under way, of any second; None where there are none."""
        if self._origin_s is None or self._length_s > LONGEST_S:
            return None, None
        grid = np.arange(self._first.size)
        until = np.cumsum(self._slope) * grid - np.cumsum(self._offset)  # tokens behind first ones, up to each second
        return float((self._first[:-1] + np.diff(until)).max()), float(np.cumsum(self._touched).max())


def _sum(sums: Floats, size: int, *pieces: tuple[Floats, float | Floats]) -> Floats:
    """Sums per second, with weights added at the seconds of some times."""
    found = np.zeros(size)
    found[: sums.size] = sums
    for times, weights in pieces:
        found += np.bincount(times.astype(np.int64), np.broadcast_to(weights, times.shape), minlength=size)
    return found
