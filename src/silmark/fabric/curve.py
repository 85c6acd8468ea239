"""Curve: seconds of one algorithm over the payload, as three numbers, so that thousands of plans stay cheap to price.

    t(P) = fixed + linear P + root sqrt(P)

The formula of `terms` has this shape, and sums and shares of payloads keep it: what several legs take one after
another is a curve again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds (fixed), seconds per byte (linear) and seconds per root of a byte (root)."""

    fixed: float
    linear: float
    root: float = 0.0

    def __call__(self, payload: Array) -> Array:
        """Seconds of payloads of any shape, in bytes."""
        seconds = payload * self.linear + self.fixed
        return np.asarray(seconds + np.sqrt(payload) * self.root if self.root else seconds)

    def __add__(self, other: Curve) -> Curve:
        """One after the other, both with the whole payload."""
        return Curve(self.fixed + other.fixed, self.linear + other.linear, self.root + other.root)

    def on(self, share: float) -> Curve:
        """The same with a share of the payload."""
        return Curve(self.fixed, self.linear * share, self.root * math.sqrt(share))

    def piped(self, other: Curve) -> Curve:
        """Both at the same time on pieces of one payload: latencies add up, the slower rate counts."""
        return Curve(self.fixed + other.fixed, max(self.linear, other.linear), max(self.root, other.root))

    def beats(self, other: Curve) -> bool:
        """Whether no payload goes faster the other way."""
        return self.fixed <= other.fixed and self.linear <= other.linear and self.root <= other.root


def fastest(curves: Iterable[Curve], payload: Array) -> Array:
    """Seconds of the fastest of some curves, for each payload."""
    roots = np.sqrt(payload)
    times = (payload * one.linear + one.fixed + (roots * one.root if one.root else 0.0) for one in curves)
    return np.asarray(reduce(np.minimum, times))


def kept(curves: Iterable[Curve]) -> tuple[Curve, ...]:
    """The curves that are the fastest for some payload, and perhaps others."""
    found: list[Curve] = []
    for curve in sorted(curves, key=lambda c: (c.fixed, c.linear, c.root)):
        if not any(other.beats(curve) for other in found):
            found.append(curve)
    return tuple(found)
