"""Formats made of a grid of elements, with or without a scale that a block of them shares."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import prod

from array_api_compat import array_namespace, device

from silmark.numerics.arrays import (
    EXPONENT,
    Layout,
    Place,
    as_float32,
    bits_of,
    clip,
    floats_of,
    largest,
    power_of_two_below,
    unwarned,
)
from silmark.numerics.base import ELEMENT, ROW, TENSOR, Array, Encoded, Namespace, NumberFormat
from silmark.numerics.grids import FloatGrid, Grid

_LEAST = 2.0**-127
"""The smallest scale that E8M0 has."""

_HALF = 1 << 22
"""float32's first mantissa bit: it makes a zero 2^-127 and an infinity NaN."""


def poisoned(xp: Namespace, scale: Array) -> Array:
    """The scale, NaN where it is not finite: a block that holds anything infinite has no values."""
    return scale + (scale - scale)


def e8m0(xp: Namespace, largest: Array, shift: int) -> Array:
    """2^(floor(log2 largest) - shift), clipped to 2^-127; NaN where `largest` is not finite.

    OCP Microscaling Formats (MX) specification v1.0, sections 5.4.1 (E8M0) and 6.3 (the exponent).
    """
    scale = power_of_two_below(xp, largest)
    scale *= 2.0**-shift
    clip(xp, scale, _LEAST, float("inf"))
    return poisoned(xp, scale)


def e8m0_code(xp: Namespace, scale: Array) -> Array:
    """Exponent plus 127, which is how float32 stores it: 0 for 2^-127, a subnormal there, and 255 for NaN."""
    return xp.astype((bits_of(xp, scale) & EXPONENT) >> 23, xp.uint8)


def e8m0_value(xp: Namespace, code: Array) -> Array:
    """2^(code - 127), NaN for 255."""
    bits = xp.astype(code, xp.int32) << 23
    return floats_of(xp, bits + _HALF * xp.astype((bits == 0) | (bits == EXPONENT), xp.int32))


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

    def quantize(self, x: Array, axis: int = -1) -> Array:
        """Each element on its own."""
        return self._rounded(x, axis, copy=True)

    def overwrite(self, x: Array) -> Array:
        """See `NumberFormat.overwrite`."""
        return self._rounded(x, -1, copy=False)

    @unwarned
    def _rounded(self, x: Array, axis: int, *, copy: bool) -> Array:
        xp, x = as_float32(x)

        def change(part: Array, place: Place) -> None:
            self.grid.round_(xp, part, self.ties, self.overflow, self.most_negative)

        return Layout.of(x.shape, axis, ELEMENT).work(xp, x, change, copy=copy)


@dataclass(frozen=True, kw_only=True)
class Shared(NumberFormat):
    """Elements that share a scale; what the scale is, and how it is stored, is left to the families.

    Attributes:
        grid: values of an element before the scale.
        group: `NumberFormat.block`.
        scale_bits: stored bits of a block's scales.
    """

    grid: Grid
    group: int
    scale_bits: float = 0

    @property
    def bits(self) -> float:
        """Of an element, and its share of the scale's."""
        return self.grid.bits + (self.scale_bits / self.group if self.group not in (ROW, TENSOR) else 0)

    @property
    def block(self) -> int:
        """Elements under one scale."""
        return self.group

    @unwarned
    def encode(self, x: Array, axis: int = -1) -> Encoded:
        """Codes of x's shape, and scales per block."""
        xp, x = as_float32(x)
        layout = Layout.of(x.shape, axis, self.group)
        parts = xp.asarray(layout.split(xp, x), copy=True)
        whole = self._whole(xp, x)
        step = self._fit(xp, parts, whole)
        stored = tuple(layout.scales(xp, scale) for scale in self._store(xp, step, whole))
        return Encoded(self.grid.code(xp, layout.join(xp, parts)), stored, axis, whole)

    @unwarned
    def decode(self, encoded: Encoded) -> Array:
        """Element times scale."""
        xp = array_namespace(encoded.codes)
        values = self.grid.value(xp, encoded.codes)
        if not prod(values.shape):
            return values
        layout = Layout.of(values.shape, encoded.axis, self.group)
        parts = layout.split(xp, values)
        stored = tuple(layout.rows(xp, scale) for scale in encoded.scales)
        self._multiply(xp, parts, self._load(xp, stored, encoded.whole))
        return layout.join(xp, parts)

    @unwarned
    def quantize(self, x: Array, axis: int = -1) -> Array:
        """Each block divided by its scale, rounded, multiplied again."""
        xp, x = as_float32(x)
        whole = self._whole(xp, x)

        def change(part: Array, place: Place) -> None:
            self._multiply(xp, part, self._fit(xp, part, whole))

        return Layout.of(x.shape, axis, ELEMENT if self.group == TENSOR else self.group).work(xp, x, change)

    @unwarned
    def elements(self, x: Array, axis: int = -1) -> tuple[Array, Array]:
        """What `quantize` multiplies at last: elements as float32, and per block the scale that makes values of them.

        For formats with one scale per block; arithmetics that sum codes use it.
        """
        xp, x = as_float32(x)
        layout = Layout.of(x.shape, axis, self.group)
        whole = self._whole(xp, x)
        if self.group == TENSOR:
            values = Layout.of(x.shape, axis, ELEMENT).work(xp, x, lambda part, place: self._fit(xp, part, whole))
            if whole is None:  # of no values
                whole = xp.ones((0, 1, 1), dtype=xp.float32, device=device(x))
            return values, layout.scales(xp, whole)
        steps = xp.empty((layout.outer * layout.blocks, 1, layout.inner), dtype=xp.float32, device=device(x))

        def change(part: Array, place: Place) -> None:
            steps[place] = self._fit(xp, part, whole)

        return layout.work(xp, x, change), layout.scales(xp, steps)

    def _whole(self, xp: Namespace, x: Array) -> Array | None:
        """What the whole tensor decides, before its blocks."""
        return None

    @abstractmethod
    def _fit(self, xp: Namespace, part: Array, whole: Array | None) -> Array:
        """Makes elements of (rows, size, inner) blocks in place; returns what they are to be multiplied with."""

    @abstractmethod
    def _store(self, xp: Namespace, step: Array, whole: Array | None) -> tuple[Array, ...]:
        """What is stored of `_fit`'s answer, each (rows, n, inner)."""

    @abstractmethod
    def _load(self, xp: Namespace, stored: tuple[Array, ...], whole: Array | None) -> Array:
        """The inverse of `_store`."""

    def _multiply(self, xp: Namespace, part: Array, step: Array) -> None:
        part *= step

    def _round(self, xp: Namespace, part: Array) -> None:
        self.grid.round_(xp, part, self.ties, self.overflow, self.most_negative)


@dataclass(frozen=True, kw_only=True)
class PowerOfTwo(Shared):
    """Blocks under a power of two, eight bits of exponent, such that the largest element falls into the top binade.

    Attributes:
        shift: exponent of the grid's top binade.
    """

    shift: int = 0
    scale_bits: float = 8

    def _fit(self, xp: Namespace, part: Array, whole: Array | None) -> Array:
        step = e8m0(xp, largest(xp, part, 1), self.shift)
        step *= self.grid.unit
        part /= step
        self._round(xp, part)
        return step

    def _store(self, xp: Namespace, step: Array, whole: Array | None) -> tuple[Array, ...]:
        return (e8m0_code(xp, step / self.grid.unit),)

    def _load(self, xp: Namespace, stored: tuple[Array, ...], whole: Array | None) -> Array:
        return e8m0_value(xp, stored[0]) * self.grid.unit


@dataclass(frozen=True, kw_only=True)
class Real(Shared):
    """Blocks, rows or a tensor under a scale that puts the largest element on the grid's largest value.

    Attributes:
        scale_grid: what the scale is rounded to; float32 as it is.
    """

    scale_grid: FloatGrid | None = None

    def _whole(self, xp: Namespace, x: Array) -> Array | None:
        if self.group != TENSOR or not prod(x.shape):
            return None
        return self._scale(xp, xp.reshape(largest(xp, x, None), (1, 1, 1)))

    def _scale(self, xp: Namespace, largest: Array) -> Array:
        """1 for a block of zeros."""
        scale = largest / xp.asarray(self.grid.top, dtype=xp.float32, device=device(largest))
        if self.scale_grid:
            self.scale_grid.round_(xp, scale, "even", "inf", "clamp")
        scale += scale == 0
        return poisoned(xp, scale)

    def _fit(self, xp: Namespace, part: Array, whole: Array | None) -> Array:
        step = self._scale(xp, largest(xp, part, 1)) if whole is None else whole
        part /= step
        self._round(xp, part)
        return step

    def _store(self, xp: Namespace, step: Array, whole: Array | None) -> tuple[Array, ...]:
        return (step,)

    def _load(self, xp: Namespace, stored: tuple[Array, ...], whole: Array | None) -> Array:
        return stored[0]
