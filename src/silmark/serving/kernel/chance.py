"""Chances as functions of what they are for, so that they do not depend on the order in which they are asked."""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@inner
def uniform(seed: int, one: int, other: int) -> float:
    """A number from 0 to below 1 (splitmix64; Steele, Lea and Flood 2014)."""
    mixed = np.uint64(seed) * _SECOND + np.uint64(one) * _FIRST + np.uint64(other + 1) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    mixed ^= mixed >> np.uint64(31)
    return float(np.float64(mixed >> np.uint64(11)) * 2.0**-53)
