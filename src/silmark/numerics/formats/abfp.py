"""Adaptive block floating point: whole numbers that share one bf16 scale per tile (ABFP, arXiv:2205.06287).

The scale is the largest value itself, rounded to bf16; what bf16 rounded to less than itself is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from silmark.numerics.base import Array, Namespace
from silmark.numerics.formats.floats import BF16
from silmark.numerics.grids import IntGrid
from silmark.numerics.scaled import Real, poisoned

LEAST = 2.0**-102
"""Blocks whose largest value is below hold nothing: steps of 16-bit codes would lose bits as subnormal numbers."""


@dataclass(frozen=True, kw_only=True)
class Adaptive(Real):
    """Blocks under their largest value, in bf16."""

    scale_bits: float = 16

    def _scale(self, xp: Namespace, largest: Array) -> Array:
        """bf16(largest) / top, ties to even; 1 for a block of nothing."""
        largest = largest * (largest >= LEAST) + (largest - largest)  # NaN stays
        BF16.round_(xp, largest, "even", "inf", "clamp")
        scale = largest / self.grid.top
        scale += scale == 0
        return poisoned(xp, scale)

    def _store(self, xp: Namespace, step: Array, whole: Array | None) -> tuple[Array, ...]:
        scale = step * self.grid.top
        BF16.round_(xp, scale, "even", "inf", "clamp")
        return (scale,)

    def _load(self, xp: Namespace, stored: tuple[Array, ...], whole: Array | None) -> Array:
        return stored[0] / self.grid.top


@lru_cache
def abfp(bits: int, tile: int) -> Adaptive:
    """The format of operands of an analog array of that many rows behind converters of that many bits."""
    return Adaptive(name=f"abfp{bits}-{tile}", grid=IntGrid(bits), group=tile)


FORMATS = tuple(abfp(bits, 128) for bits in (7, 8))
"""Of weights. Inputs have codes of up to 10 bits, whose largest bf16 does not hold; arrays ask for them by `abfp`."""
