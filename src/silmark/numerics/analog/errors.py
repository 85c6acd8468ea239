"""What analog hardware does to values: converters, output lines, weight cells, drift. Figures come from `presets`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.numerics.analog.noise import Shape, generator
from silmark.numerics.arrays import as_float32
from silmark.numerics.base import Array

Floats = NDArray[np.float32]
Law = Literal["none", "walk", "power"]
_GAINS, _CELLS, _STUCK, _DRIFT = 1, 2, 3, 4
"""Streams of a die's seed."""


@dataclass(frozen=True, slots=True)
class Converter:
    """A converter of symmetric codes, digital to analog or back; what lies beyond its range is clipped.

    Attributes:
        bits: of a code, its sign included.
        inl: integral nonlinearity in codes at its peak, along u (1 - u^2) over the range: the third harmonic of a
            balanced circuit that compresses.
    """

    bits: int
    inl: float = 0.0

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise BadValue("bits", self.bits, "2 to 16 bits of a converter")
        if not 0 <= self.inl < self.limit / 6:  # where the curve would turn back
            raise BadValue("inl", self.inl, f"0 to {self.limit / 6:g} codes")

    @property
    def limit(self) -> int:
        """The largest code."""
        return (1 << (self.bits - 1)) - 1

    def to_digital(self, x: Array) -> Array:
        """Codes (whole numbers, float32) of values in shares of the range."""
        xp, x = as_float32(x)
        return xp.round(self._bent(xp.clip(x * float(self.limit), -float(self.limit), float(self.limit))))

    def to_analog(self, codes: Array) -> Array:
        """Shares of the range that whole codes come out as."""
        _, codes = as_float32(codes, "codes")
        return self._bent(codes) / float(self.limit)

    def _bent(self, level: Array) -> Array:
        if not self.inl:
            return level
        share = level / float(self.limit)
        return level + self.inl * (1.5 * 3**0.5) * share * (1 - share * share)


@dataclass(frozen=True, slots=True)
class Drift:
    """What happens to a die after it was calibrated or programmed.

    Attributes:
        law: `walk`: the gain of every line moves by a random walk, with a standard deviation of `rate` times the root
            of the hours. `power`: every conductance is multiplied by (t / start)^-exponent (structural relaxation of
            phase-change memory), each cell's exponent drawn from a normal distribution.
        rate: per root of an hour.
        exponent, exponent_sd: of the power law.
        start_s: seconds after which it begins.
        compensated: whether one digital factor per array puts the mean back.
    """

    law: Law = "none"
    rate: float = 0.0
    exponent: float = 0.0
    exponent_sd: float = 0.0
    start_s: float = 1.0
    compensated: bool = True

    def gains(self, lines: int | tuple[int, ...], hours: float, seed: int) -> NDArray[np.float64]:
        """Factors on lines after so many hours."""
        if self.law != "walk" or not hours:
            return np.ones(lines)
        return np.asarray(1 + self.rate * hours**0.5 * generator(seed, _DRIFT).standard_normal(lines))

    def cells(self, weights: Floats, hours: float, seed: int) -> Floats:
        """Conductances after so many hours."""
        seconds = 3600.0 * hours
        if self.law != "power" or seconds <= self.start_s:
            return weights
        exponents = generator(seed, _DRIFT).normal(self.exponent, self.exponent_sd, weights.shape)
        left = (seconds / self.start_s) ** -exponents
        if self.compensated:
            left /= np.average(left, weights=np.abs(weights)) if weights.any() else 1.0
        return np.asarray(weights * left, np.float32)


@dataclass(frozen=True, slots=True)
class Lines:
    """Errors of the lines that products leave an array on, in shares of the converter's range.

    Column j of the weights takes line j modulo `count`, tile t array t modulo `arrays`.

    Attributes:
        count: lines of an array.
        arrays: that share the tiles of a product, each with lines of its own.
        gain, gain_sd: what a product is multiplied with, and its spread over lines.
        offset, offset_sd: what is added.
        noise: standard deviation of noise per product, in the mean over lines.
        noise_cv: its coefficient of variation over lines (log-normal).
        noise_slope: noise in quadrature per unit of signal.
        common: standard deviation of a normal noise that all outputs of one vector share.
        shape: distribution of the noise.
    """

    count: int
    gain: float = 1.0
    gain_sd: float = 0.0
    offset: float = 0.0
    offset_sd: float = 0.0
    noise: float = 0.0
    noise_cv: float = 0.0
    noise_slope: float = 0.0
    common: float = 0.0
    shape: Shape = "normal"
    arrays: int = 1

    def __post_init__(self) -> None:
        for name, value in (("lines", self.count), ("arrays", self.arrays)):
            if not 1 <= value <= 65536:
                raise BadValue(name, value, "1 to 65536")

    @property
    def noisy(self) -> bool:
        """Whether two runs of one die differ."""
        return bool(self.noise or self.noise_slope or self.common)

    def drawn(self, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Gain, offset and noise of each line of one die, (arrays, count) each."""
        rng, size = generator(seed, _GAINS), (self.arrays, self.count)
        gain = rng.normal(self.gain, self.gain_sd, size)
        offset = rng.normal(self.offset, self.offset_sd, size)
        width = np.sqrt(np.log1p(self.noise_cv**2))
        noise = self.noise * np.exp(width * rng.standard_normal(size) - width**2 / 2)
        return gain, offset, noise


@dataclass(frozen=True, slots=True)
class Cells:
    """Errors of the cells that hold weights, in shares of the largest weight.

    A weight is a pair of cells, one for each sign, of which one holds |w| and the other nothing; both err.

    Attributes:
        programming: c0, c1, c2 of a cell's standard deviation c0 + c1 g + c2 g^2 after it was programmed to g.
        read: standard deviation of a weight at each use.
        stuck_zero, stuck_full: shares of cells that cannot be programmed and hold nothing, or the most.
    """

    programming: tuple[float, float, float] = (0.0, 0.0, 0.0)
    read: float = 0.0
    stuck_zero: float = 0.0
    stuck_full: float = 0.0

    def __post_init__(self) -> None:
        if min(self.stuck_zero, self.stuck_full) < 0 or self.stuck_zero + self.stuck_full > 1:
            raise BadValue("stuck", (self.stuck_zero, self.stuck_full), "two shares of cells that add up to at most 1")

    @property
    def exact(self) -> bool:
        """Whether cells hold what they are told."""
        return not any((*self.programming, self.stuck_zero, self.stuck_full))

    def programmed(self, weights: Floats, seed: int) -> Floats:
        """What the cells of one die hold of weights in -1 to 1."""
        if self.exact:
            return weights
        held = [np.maximum(weights, 0), np.maximum(-weights, 0)]
        rng = generator(seed, _CELLS)
        c0, c1, c2 = self.programming
        if any(self.programming):
            for side, g in enumerate(held):
                spread = np.maximum(c0 + c1 * g + c2 * g * g, 0)
                held[side] = np.maximum(g + spread * rng.standard_normal(g.shape, np.float32), 0)
        rng = generator(seed, _STUCK)
        for g in held if self.stuck_zero or self.stuck_full else ():
            luck = rng.random(g.shape, np.float32)
            g[luck < self.stuck_zero] = 0
            g[luck >= 1 - self.stuck_full] = 1
        return np.asarray(held[0] - held[1], np.float32)


def checked_hours(hours: object) -> float:
    """Hours since calibration; raises BadValue where they cannot be that."""
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= 1e6:
        raise BadValue("hours", hours, "hours since calibration, 0 to 1e6")
    return float(hours)
