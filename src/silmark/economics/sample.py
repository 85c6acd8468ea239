"""Draws of uncertain inputs: what intervals of differences and quotients of ledgers are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from statistics import NormalDist

import numpy as np

from silmark.economics.ledger import Array, log_widths
from silmark.figures import Interval

DRAWS = 4096
_TENTH = NormalDist().inv_cdf(0.9)
"""Standard deviations from the middle to a bound that one draw in ten exceeds."""


@cache
def _strata(count: int) -> Array:
    """One standard normal value from the middle of each of so many equally likely slices."""
    normal = NormalDist()
    values = np.array([normal.inv_cdf((i + 0.5) / count) for i in range(count)])
    values.setflags(write=False)
    return values


def draw(inputs: Mapping[str, Interval], count: int = DRAWS, seed: int = 0) -> dict[str, Array]:
    """Draws of every input, log-normal on either side of its middle with one tenth beyond each bound.

    A Latin hypercube (McKay, Beckman, Conover, Technometrics 1979): each input visits each of its slices once, in an
    order of its own, which is the same in every run of one seed.
    """
    order = np.random.default_rng(seed)
    found = {}
    for key in sorted(inputs):
        below, above = log_widths(inputs[key])
        z = order.permutation(_strata(count)) / _TENTH
        found[key] = inputs[key].mid * np.exp(np.where(z < 0, below, above) * z)
    return found


def around(mid: float, draws: Array) -> Interval:
    """The interval that holds 80 % of the draws, and the value at the middle of all inputs."""
    low, high = np.quantile(draws, (0.1, 0.9))
    return Interval(min(float(low), mid), mid, max(float(high), mid))


def joined(ledgers: Iterable[Mapping[str, Interval]]) -> dict[str, Interval]:
    """The inputs of several ledgers; one that several have is one input."""
    return {key: interval for inputs in ledgers for key, interval in inputs.items()}
