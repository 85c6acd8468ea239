"""Adaptive block floating point: whole numbers that share one bf16 scale per tile (ABFP, arXiv:2205.06287).

The scale is the largest value itself, rounded to bf16; a value that bf16 rounded away beyond it is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from silmark.numerics.arrays import bits_of, floats_of
from silmark.numerics.base import Array, Namespace
from silmark.numerics.grids import Grid, IntGrid
from silmark.numerics.scaled import Real, Scaled


@dataclass(frozen=True, slots=True)
class Bfloat16(Real):
    """The largest value in bf16, over the grid's top."""

    bits: float = 16

    def scale(self, xp: Namespace, largest: Array, grid: Grid) -> Array:
        """bf16(largest) / top, ties to even; 1 for a block of zeros."""
        bits = bits_of(xp, largest)
        rounded = floats_of(xp, (bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000)
        return Real.scale(self, xp, rounded, grid)


@lru_cache
def abfp(bits: int, tile: int) -> Scaled:
    """The format of operands of an analog array of that many rows behind converters of that many bits."""
    return Scaled(name=f"abfp{bits}-{tile}", grid=IntGrid(bits), rule=Bfloat16(), group=tile)


FORMATS = tuple(abfp(bits, 128) for bits in (7, 8, 10))
