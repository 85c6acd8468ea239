"""d-Matrix block floating point: whole numbers of 8, 6 or 4 bits under one exponent of 8 bits.

`BFP[p|8]{B}(SN)` of dmx-compressor (Apache-2.0, version 0.1.11): mantissas of p bits, symmetric, nearest; blocks of
B = 16 to 128 along the reduced axis. BFP16_64 is what its hardware-equivalent rule set multiplies with. With
`most_negative="keep"` they are its BFP16A and so on.
"""

from __future__ import annotations

from silmark.numerics.grids import IntGrid
from silmark.numerics.scaled import PowerOfTwo

FORMATS = tuple(
    PowerOfTwo(name=f"bfp{bits + 8}-{block}", grid=IntGrid(bits, fraction=bits - 2), group=block)
    for bits in (8, 6, 4)
    for block in (16, 32, 64, 128)
)
