"""Formats made of a grid of elements and a rule for the scale that a block of them shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod

from array_api_compat import array_namespace, device

from silmark.numerics.arrays import EXPONENT as INFINITE
from silmark.numerics.arrays import Layout, as_float32, bits_of, clip, floats_of, largest, power_of_two_below, unwarned
from silmark.numerics.base import ELEMENT, ROW, TENSOR, Array, Encoded, Namespace, NumberFormat
from silmark.numerics.grids import Grid

_LEAST = 2.0**-127
"""The smallest scale that E8M0 has."""

_HALF = 1 << 22
"""float32's first mantissa bit: it makes a zero 2^-127 and an infinity NaN."""


class ScaleRule(ABC):
    """From a block's largest |x| to the scale it shares, a float32, and to what is stored of that."""

    bits: float

    @abstractmethod
    def scale(self, xp: Namespace, largest: Array, grid: Grid) -> Array:
        """The scale; NaN where the block holds anything that is not finite. `largest` may be overwritten."""

    @abstractmethod
    def code(self, xp: Namespace, scale: Array) -> Array:
        """What is stored of it."""

    @abstractmethod
    def value(self, xp: Namespace, code: Array) -> Array:
        """The scale again."""


@dataclass(frozen=True, slots=True)
class PowerOfTwo(ScaleRule):
    """E8M0 of the OCP Microscaling specification (MX v1.0, section 5.4): 2^(floor(log2 largest) - shift).

    Attributes:
        shift: exponent of the grid's largest binade, which the largest element then falls into.
        bits: stored.
    """

    shift: int = 0
    bits: float = 8

    def scale(self, xp: Namespace, largest: Array, grid: Grid) -> Array:
        """Clipped to what E8M0 has, 2^-127 to 2^127."""
        scale = power_of_two_below(xp, largest)
        scale *= 2.0**-self.shift
        clip(xp, scale, _LEAST, float("inf"))
        scale *= xp.ones_like(scale) - (scale - scale)  # inf - inf: a block that is not finite has no scale
        return scale

    def code(self, xp: Namespace, scale: Array) -> Array:
        """Exponent plus 127, which is how float32 stores it: 0 for 2^-127, a subnormal there, and 255 for NaN."""
        return xp.astype((bits_of(xp, scale) & INFINITE) >> 23, xp.uint8)

    def value(self, xp: Namespace, code: Array) -> Array:
        """2^(code - 127), NaN for 255."""
        bits = xp.astype(code, xp.int32) << 23
        return floats_of(xp, bits + _HALF * xp.astype((bits == 0) | (bits == INFINITE), xp.int32))


@dataclass(frozen=True, slots=True)
class Real(ScaleRule):
    """A float32 scale that puts the largest element on the grid's largest value; kept beside, it counts no bits."""

    bits: float = 0

    def scale(self, xp: Namespace, largest: Array, grid: Grid) -> Array:
        """What puts `largest` on the top; 1 for a block of zeros."""
        scale = largest / xp.asarray(grid.top * grid.unit, dtype=xp.float32, device=device(largest))
        scale += scale == 0
        scale *= xp.ones_like(scale) + (scale - scale)
        return scale

    def code(self, xp: Namespace, scale: Array) -> Array:
        """As it is."""
        return scale

    def value(self, xp: Namespace, code: Array) -> Array:
        """As it is."""
        return code


@dataclass(frozen=True, kw_only=True)
class Plain(NumberFormat):
    """Elements without a shared scale.

    Attributes:
        grid: their values.
        stored: bits in memory, where that is more than the grid's.
    """

    grid: Grid
    stored: int = 0

    @property
    def bits(self) -> float:
        """As stored."""
        return self.stored or self.grid.bits

    @unwarned
    def encode(self, x: Array, axis: int = -1) -> Encoded:
        """Bit patterns."""
        xp, x = as_float32(x)
        return Encoded(self.grid.code(xp, self.quantize(x, axis)), (), axis)

    @unwarned
    def decode(self, encoded: Encoded) -> Array:
        """Values of bit patterns."""
        return self.grid.value(array_namespace(encoded.codes), encoded.codes)

    @unwarned
    def quantize(self, x: Array, axis: int = -1) -> Array:
        """Each element on its own."""
        xp, x = as_float32(x)

        def change(part: Array) -> None:
            self.grid.round_(xp, part, self.ties, self.overflow, self.most_negative)

        return Layout.of(x.shape, axis, ELEMENT).work(xp, x, change)


@dataclass(frozen=True, kw_only=True)
class Scaled(NumberFormat):
    """Elements that share a scale.

    Attributes:
        grid: values of an element before the scale.
        rule: how the scale follows from the block.
        group: `NumberFormat.block`.
    """

    grid: Grid
    rule: ScaleRule
    group: int

    @property
    def bits(self) -> float:
        """Of an element, and its share of the scale's."""
        return self.grid.bits + (self.rule.bits / self.group if self.group not in (ROW, TENSOR) else 0)

    @property
    def block(self) -> int:
        """Elements under one scale."""
        return self.group

    @unwarned
    def encode(self, x: Array, axis: int = -1) -> Encoded:
        """Codes of x's shape, and one scale per block."""
        xp, x = as_float32(x)
        layout = Layout.of(x.shape, axis, self.group)
        if not prod(x.shape):
            return Encoded(
                self.grid.code(xp, x), (self.rule.code(xp, xp.zeros(layout.scale_shape, dtype=xp.float32)),), axis
            )
        parts = xp.asarray(layout.split(xp, x), copy=True)
        scale = self.rule.scale(xp, largest(xp, parts, 1), self.grid)
        self._round(xp, parts, scale * self.grid.unit)
        scales = xp.reshape(self.rule.code(xp, scale), layout.scale_shape)
        return Encoded(self.grid.code(xp, layout.join(xp, parts)), (scales,), axis)

    @unwarned
    def decode(self, encoded: Encoded) -> Array:
        """Element times scale."""
        xp = array_namespace(encoded.codes)
        values = self.grid.value(xp, encoded.codes)
        layout = Layout.of(values.shape, encoded.axis, self.group)
        parts = layout.split(xp, values)
        scale = self.rule.value(xp, encoded.scales[0]) * self.grid.unit
        return layout.join(xp, parts * xp.reshape(scale, (parts.shape[0], 1, parts.shape[2])))

    @unwarned
    def quantize(self, x: Array, axis: int = -1) -> Array:
        """Each block divided by its scale, rounded, multiplied again."""
        xp, x = as_float32(x)
        whole = None
        if self.group == TENSOR and prod(x.shape):
            whole = self.rule.scale(xp, largest(xp, x, None), self.grid)
        layout = Layout.of(x.shape, axis, ELEMENT if self.group == TENSOR else self.group)

        def change(part: Array) -> None:
            scale = whole if whole is not None else self.rule.scale(xp, largest(xp, part, 1), self.grid)
            step = scale * self.grid.unit
            self._round(xp, part, step)
            part *= step

        return layout.work(xp, x, change)

    def _round(self, xp: Namespace, part: Array, step: Array) -> None:
        part /= step
        self.grid.round_(xp, part, self.ties, self.overflow, self.most_negative)
