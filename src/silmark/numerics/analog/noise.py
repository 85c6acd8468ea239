"""Noise and spread: quantiles of distributions, and generators that two runs share.

What belongs to a die (its lines, its cells) is drawn once by numpy's Philox generator. What changes from product to
product is drawn by hashing counters, see `kernel`.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue

Shape = Literal["normal", "logistic"]
SHAPES: tuple[Shape, ...] = ("normal", "logistic")
_COUNT = 1 << 12
"""Quantiles of a table; `kernel.QUANTILE_BITS` bits pick one."""
_FINER = 64
"""Points that stand for the part of a distribution between two quantiles."""


@cache
def quantiles(shape: Shape) -> NDArray[np.float32]:
    """Means of 4,096 equally likely parts of a distribution, scaled to unit standard deviation.

    Args:
        shape: normal, or logistic (of heavier tails: excess kurtosis 1.2).
    """
    if shape not in SHAPES:
        raise BadValue("noise shape", shape, " or ".join(SHAPES))
    count = _COUNT * _FINER // 2
    upper = (np.arange(count) + 0.5) / (2 * count) + 0.5  # the lower half mirrors it, so that the mean is exactly zero
    values = np.log(upper / (1 - upper)) if shape == "logistic" else _normal(upper)
    means = values.reshape(-1, _FINER).mean(axis=1)
    table = np.concatenate([-means[::-1], means])
    return np.ascontiguousarray(table / table.std(), np.float32)


def _normal(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of the standard normal distribution above its median, by table: 2e-7 is far below a converter's LSB."""
    edges = np.linspace(0.0, 6.5, 200_001)
    density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    below = 0.5 + np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(edges))])
    return np.interp(share, below, edges)


def generator(seed: int, *stream: int) -> np.random.Generator:
    """The generator of one stream of a seed; streams are independent of each other (Philox, counter based)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([checked(seed), *stream])))


def keys(seed: int, count: int, *stream: int) -> NDArray[np.uint32]:
    """Keys of `count` counters (one per tile) of one stream of a seed."""
    return np.asarray(np.random.SeedSequence([checked(seed), *stream]).generate_state(count), np.uint32)


def checked(seed: int) -> int:
    """The seed; raises BadValue where it cannot be one."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 63:
        raise BadValue("seed", seed, "a whole number from 0 to 2^63 - 1")
    return seed
