"""Times between tokens as counts in bins of a thousandth: the top bits of a float are the bin (as in HdrHistogram)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.jit import inner
from silmark.serving.kernel.clock import step_ns
from silmark.serving.kernel.state import State

_BITS = 10
"""Bits of the fraction that count: bins are 2^-10 of their value wide at most."""
_BIAS = 1023 << _BITS
BINS = 48 << _BITS
"""Up to 2^48 ns, three days."""


@inner
def bin_of(gap_ns: int) -> int:
    """The bin of a gap; gaps below 1 ns count as 1 ns."""
    bits = np.float64(max(gap_ns, 1)).view(np.int64)
    place = int((bits >> (52 - _BITS)) - _BIAS)
    return min(place, BINS - 1)


def edges_ns() -> NDArray[np.float64]:
    """Lower edges of all bins, and the upper edge of the last."""
    bits = (np.arange(BINS + 1, dtype=np.int64) + _BIAS) << (52 - _BITS)
    return bits.view(np.float64)


@inner
def add_gaps(state: State, gap_ns: int, count: int) -> None:
    """Counts equal gaps; none if the gap is negative: first tokens have none."""
    if gap_ns >= 0 and count > 0:
        state.gaps[bin_of(gap_ns)] += count


@inner
def add_run(state: State, kind: int, decoders: int, context: int, steps: int) -> None:
    """Counts the gaps of a run of decode steps: every sequence gets a token a step, which grows longer step by step.

    Halves of the run that fall into one bin are counted at once.
    """
    clock, gaps = state.clock, state.gaps
    first = 0
    while first < steps:
        low = bin_of(step_ns(clock, kind, decoders, decoders, decoders, context + first * decoders, 0.0))
        count = steps - first
        while (
            count > 1
            and bin_of(
                step_ns(clock, kind, decoders, decoders, decoders, context + (first + count - 1) * decoders, 0.0)
            )
            != low
        ):
            count = (count + 1) // 2
        gaps[low] += count * decoders
        first += count
