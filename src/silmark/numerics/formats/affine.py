"""Integers with a zero point: unsigned codes over the range from the smallest to the largest value, zero included."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from array_api_compat import array_namespace, device

from silmark.numerics.arrays import Layout, Place, as_float32, clip, unwarned
from silmark.numerics.base import ELEMENT, ROW, TENSOR, Array, Encoded, Namespace, NumberFormat
from silmark.numerics.formats.floats import BF16
from silmark.numerics.formats.integers import GROUPS
from silmark.numerics.grids import round_ties
from silmark.numerics.scaled import poisoned


@dataclass(frozen=True, kw_only=True)
class Affine(NumberFormat):
    """Value = scale * (code - zero point), scale = (largest - smallest) / (2^width - 1), zero exactly a code.

    Attributes:
        width: bits of a code.
        group: `NumberFormat.block`; groups keep their scale as bfloat16 and their zero point in a code's width.
    """

    width: int
    group: int

    @property
    def bits(self) -> float:
        """Of a code, and its share of scale and zero point."""
        return self.width + ((16 + self.width) / self.group if self.group > 0 else 0)

    @property
    def block(self) -> int:
        """Codes under one scale."""
        return self.group

    @unwarned
    def encode(self, x: Array, axis: int = -1) -> Encoded:
        """Codes of x's shape; scale and zero point per block."""
        xp, x = as_float32(x)
        layout = Layout.of(x.shape, axis, self.group)
        parts = xp.asarray(layout.split(xp, x), copy=True)
        scale, zero = self._range(xp, parts)
        self._round(xp, parts, scale, zero)
        codes = layout.join(xp, parts)
        codes = xp.astype(xp.where(xp.isnan(codes), xp.zeros_like(codes), codes), xp.uint8)
        stored = (layout.scales(xp, scale), layout.scales(xp, xp.astype(xp.where(xp.isnan(zero), 0.0, zero), xp.uint8)))
        return Encoded(codes, stored, axis)

    @unwarned
    def decode(self, encoded: Encoded) -> Array:
        """Scale times the distance to the zero point."""
        xp = array_namespace(encoded.codes)
        values = xp.astype(encoded.codes, xp.float32)
        if not prod(values.shape):
            return values
        layout = Layout.of(values.shape, encoded.axis, self.group)
        scale, zero = (layout.rows(xp, stored) for stored in encoded.scales)
        return layout.join(xp, (layout.split(xp, values) - xp.astype(zero, xp.float32)) * scale)

    @unwarned
    def quantize(self, x: Array, axis: int = -1) -> Array:
        """Each block over its own range."""
        xp, x = as_float32(x)
        whole = None
        if self.group == TENSOR and prod(x.shape):
            whole = self._range(xp, xp.reshape(x, (1, -1, 1)))

        def change(part: Array, place: Place) -> None:
            scale, zero = self._range(xp, part) if whole is None else whole
            self._round(xp, part, scale, zero)
            part -= zero
            part *= scale

        return Layout.of(x.shape, axis, ELEMENT if self.group == TENSOR else self.group).work(xp, x, change)

    def _range(self, xp: Namespace, part: Array) -> tuple[Array, Array]:
        """Scale and zero point of each block; 1 and 0 where all is zero."""
        none = xp.zeros((1, 1, 1), dtype=part.dtype, device=device(part))
        low = xp.minimum(xp.min(part, axis=1, keepdims=True), none)
        scale = (xp.maximum(xp.max(part, axis=1, keepdims=True), none) - low) / (2.0**self.width - 1)
        if self.group > 0:
            BF16.round_(xp, scale, "even", "inf", "clamp")
        scale += scale == 0
        scale = poisoned(xp, scale)
        zero = -low / scale
        xp.round(zero, out=zero)
        clip(xp, zero, 0, 2.0**self.width - 1)
        return scale, zero

    def _round(self, xp: Namespace, part: Array, scale: Array, zero: Array) -> None:
        part /= scale
        round_ties(xp, part, self.ties)
        part += zero
        clip(xp, part, 0, 2.0**self.width - 1)


FORMATS = tuple(
    Affine(name=f"int{bits}{suffix}-asym", width=bits, group=group)
    for bits in (8, 4)
    for suffix, group in (("", TENSOR), ("-row", ROW), *((f"-group{group}", group) for group in GROUPS))
)
