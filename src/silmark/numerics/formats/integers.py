"""Integers with one float32 scale per tensor, row or group of a row, symmetric about zero."""

from __future__ import annotations

from silmark.numerics.base import ROW, TENSOR
from silmark.numerics.grids import IntGrid
from silmark.numerics.scaled import Real, Scaled

FORMATS = tuple(
    Scaled(name=f"int{bits}{suffix}", grid=IntGrid(bits), rule=Real(), group=group)
    for bits in (8, 4)
    for suffix, group in (("", TENSOR), ("-row", ROW))
)
