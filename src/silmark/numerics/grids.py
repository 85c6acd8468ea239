"""Grids: the values that an element has before its scale, and how one is rounded to them in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from array_api_compat import device

from silmark.numerics.arrays import EXPONENT, bits_of, clip, floats_of, power_of_two_below
from silmark.numerics.base import Array, MostNegative, Namespace, Overflow, Ties

_SHIFTER = 1.5 * 2.0**23
"""Added to |x| < 2^22 and taken away again it leaves the nearest whole number, ties to even."""

_FLOAT32_MAX = 2.0**128 - 2.0**104

Specials = Literal["ieee", "nan", "unsigned zero", "none"]
"""What codes stand for no finite value: infinities and NaN in the top binade; NaN only with all bits set (FN); NaN
only in place of the negative zero (FNUZ); nothing."""


class Grid(ABC):
    """The values of an element: multiples of `unit` after rounding; `bits` wide, at most `top` in size."""

    bits: int

    @property
    @abstractmethod
    def unit(self) -> float:
        """What the caller divides by before `round_`, beside the scale."""

    @property
    @abstractmethod
    def top(self) -> float:
        """The largest value in units."""

    @abstractmethod
    def round_(self, xp: Namespace, x: Array, ties: Ties, overflow: Overflow, most_negative: MostNegative) -> None:
        """Rounds x in place."""

    @abstractmethod
    def code(self, xp: Namespace, x: Array) -> Array:
        """Bit patterns of values that `round_` left."""

    @abstractmethod
    def value(self, xp: Namespace, codes: Array) -> Array:
        """float32 values of bit patterns."""


def round_ties(xp: Namespace, x: Array, ties: Ties) -> None:
    """Rounds x to whole numbers in place."""
    if ties == "even":
        xp.round(x, out=x)
        return
    whole = xp.trunc(x)
    if ties == "truncate":
        x[...] = whole
        return
    x -= whole  # exact, and less than one: what is left decides
    if ties == "away":
        x *= 2
        x[...] = xp.trunc(x)
    else:
        xp.round(x, out=x)  # even is zero here
    x += whole


@dataclass(frozen=True, slots=True)
class IntGrid(Grid):
    """Two's complement, of which `fraction` bits stand behind the point."""

    bits: int
    fraction: int = 0

    @property
    def unit(self) -> float:
        """Value of the last bit."""
        return 2.0**-self.fraction

    @property
    def top(self) -> float:
        """2^(bits-1) - 1."""
        return 2.0 ** (self.bits - 1) - 1

    def round_(self, xp: Namespace, x: Array, ties: Ties, overflow: Overflow, most_negative: MostNegative) -> None:
        """Rounds to whole numbers and saturates, whatever `overflow` says: integers have no other code."""
        low = -self.top - 1 if most_negative == "keep" else -self.top
        if ties == "even":
            clip(xp, x, low, self.top)
            x += _SHIFTER
            x -= _SHIFTER
        else:
            round_ties(xp, x, ties)
            clip(xp, x, low, self.top)
            x += 0.0  # an integer zero has no sign

    def code(self, xp: Namespace, x: Array) -> Array:
        """Two's complement; NaN, whose block has no scale either, is 0."""
        whole = xp.astype(xp.where(xp.isnan(x), xp.zeros_like(x), x), xp.int32) & ((1 << self.bits) - 1)
        return xp.astype(whole, xp.uint8) if self.bits <= 8 else whole

    def value(self, xp: Namespace, codes: Array) -> Array:
        """Sign-extended codes."""
        half = 1 << (self.bits - 1)
        return xp.astype((xp.astype(codes, xp.int32) ^ half) - half, xp.float32)


@dataclass(frozen=True, slots=True)
class FloatGrid(Grid):
    """Sign, exponent and mantissa.

    Attributes:
        exponent, mantissa: their bits.
        bias: of the exponent.
        specials: see `Specials`.
        subnormals: whether values below the least normal one exist; they are flushed to zero if not.
    """

    exponent: int
    mantissa: int
    bias: int
    specials: Specials = "ieee"
    subnormals: bool = True

    @property
    def bits(self) -> int:  # type: ignore[override]
        """Sign included."""
        return 1 + self.exponent + self.mantissa

    @property
    def unit(self) -> float:
        """The exponent carries the size: 1."""
        return 1.0

    @property
    def least(self) -> float:
        """The smallest normal value."""
        return 2.0 ** (1 - self.bias)

    @property
    def top(self) -> float:
        """The largest finite value."""
        highest = (1 << self.exponent) - 1 - self.bias - (self.specials == "ieee")
        last = 2 if self.specials == "nan" else 1  # all bits set is NaN
        return float(2.0**highest * (2 - last * 2.0**-self.mantissa))

    def round_(self, xp: Namespace, x: Array, ties: Ties, overflow: Overflow, most_negative: MostNegative) -> None:
        """Rounds in place; sign and magnitude has no most negative code."""
        if self.bits == 32:
            return
        limit = self.top if overflow == "saturate" else min(2 * self.top, _FLOAT32_MAX)
        clip(xp, x, -limit, limit)
        if not self.subnormals:
            x *= xp.abs(x) >= self.least
        last = power_of_two_below(xp, x)
        clip(xp, last, self.least, float("inf"))
        last *= 2.0**-self.mantissa
        x /= last
        round_ties(xp, x, ties)
        x *= last
        if overflow != "saturate":
            over = xp.abs(x) > self.top
            if bool(xp.any(over)):
                x[over] *= float(overflow)
        if self.specials == "unsigned zero":
            x += 0.0

    def code(self, xp: Namespace, x: Array) -> Array:
        """Sign, exponent, mantissa."""
        bits = bits_of(xp, x)
        if self.bits == 32:
            return bits
        size = bits & 0x7FFFFFFF
        codes = (size >> (23 - self.mantissa)) - ((127 - self.bias) << self.mantissa)
        if self.exponent < 8:  # 8 bits of exponent have float32's own subnormals
            below = xp.abs(x) < self.least
            steps = xp.where(below, xp.abs(x), xp.zeros_like(x)) * (2.0**self.mantissa / self.least)
            codes = xp.where(below, xp.astype(steps, xp.int32), codes)
        sign = 1 << (self.bits - 1)
        codes = xp.where(size > EXPONENT, self._nan, xp.where(size == EXPONENT, self._inf, codes))
        negative = (bits < 0) & (size <= EXPONENT)  # NaN has no sign
        codes = xp.astype(codes, xp.int32) | xp.astype(negative, xp.int32) * sign
        return xp.astype(codes & (2 * sign - 1), xp.uint8) if self.bits <= 8 else codes

    @property
    def _inf(self) -> int:
        return ((1 << self.exponent) - 1) << self.mantissa if self.specials == "ieee" else self._nan

    @property
    def _nan(self) -> int:
        """The sign is added, where it is not the sign's own code."""
        if self.specials == "none":
            return 0
        if self.specials == "unsigned zero":
            return 1 << (self.bits - 1)
        ones = (1 << (self.bits - 1)) - 1
        return ones if self.specials == "nan" else ones & ~((1 << max(self.mantissa - 1, 0)) - 1)

    def value(self, xp: Namespace, codes: Array) -> Array:
        """Looked up; codes of more than 16 bits are float32's upper bits."""
        if self.bits > 16:
            return floats_of(xp, codes << (32 - self.bits))
        table = xp.asarray(_values(self), device=device(codes))
        return table[xp.astype(codes, xp.int64)]


@lru_cache
def _values(grid: FloatGrid) -> Array:
    """The float32 value of every code."""
    codes = np.arange(1 << grid.bits)
    mantissa, size = codes & ((1 << grid.mantissa) - 1), codes & ((1 << (grid.bits - 1)) - 1)
    exponent = size >> grid.mantissa
    normal = np.ldexp(1 + mantissa * 2.0**-grid.mantissa, exponent - grid.bias)
    small = np.ldexp(mantissa * 2.0**-grid.mantissa, 1 - grid.bias) * grid.subnormals
    values = np.where(exponent == 0, small, normal)
    if grid.specials == "ieee":
        top = exponent == (1 << grid.exponent) - 1
        values = np.where(top, np.where(mantissa == 0, np.inf, np.nan), values)
    elif grid.specials == "nan":
        values[size == size.max()] = np.nan
    values = np.where(codes == size, values, -values)
    if grid.specials == "unsigned zero":
        values[1 << (grid.bits - 1)] = np.nan
    return values.astype(np.float32)
