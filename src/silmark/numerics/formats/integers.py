"""Integers under one scale per tensor, row or group of a row, symmetric about zero.

Scales of rows and tensors are float32; of groups bfloat16, as 16-bit scales of weight-only quantisation are, so that
`int4-group128` takes 4.125 bits.
"""

from __future__ import annotations

from silmark.numerics.base import ROW, TENSOR
from silmark.numerics.formats.floats import BF16
from silmark.numerics.grids import IntGrid
from silmark.numerics.scaled import Real

GROUPS = (32, 64, 128)

FORMATS = tuple(
    Real(name=f"int{bits}{suffix}", grid=IntGrid(bits), group=group) if group <= 0
    else Real(name=f"int{bits}{suffix}", grid=IntGrid(bits), group=group, scale_grid=BF16, scale_bits=16)
    for bits in (8, 4)
    for suffix, group in (("", TENSOR), ("-row", ROW), *((f"-group{group}", group) for group in GROUPS))
)  # fmt: skip
