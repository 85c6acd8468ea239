"""OCP Microscaling: 32 elements under one power of two.

"OCP Microscaling Formats (MX) Specification", v1.0, September 2023: elements table 1 (MXFP8, MXFP6, MXFP4, MXINT8),
scale section 5.4.1, conversion section 6.3: the scale is the largest power of two not above the largest element,
divided by the largest power of two that the element type has; elements beyond its largest value saturate. That a
NaN or an infinity makes its whole block NaN is a choice; the specification leaves it open. MXINT4 and MXINT16 follow
the same rules with other widths; the specification has neither.
"""

from __future__ import annotations

from silmark.numerics.formats.floats import E4M3, E5M2
from silmark.numerics.grids import FloatGrid, IntGrid
from silmark.numerics.scaled import PowerOfTwo

BLOCK = 32
E2M3 = FloatGrid(2, 3, 1, specials="none")
E3M2 = FloatGrid(3, 2, 3, specials="none")
E2M1 = FloatGrid(2, 1, 1, specials="none")

FORMATS = (
    PowerOfTwo(name="mxfp8-e4m3", grid=E4M3, group=BLOCK, shift=8),
    PowerOfTwo(name="mxfp8-e5m2", grid=E5M2, group=BLOCK, shift=15),
    PowerOfTwo(name="mxfp6-e2m3", grid=E2M3, group=BLOCK, shift=2),
    PowerOfTwo(name="mxfp6-e3m2", grid=E3M2, group=BLOCK, shift=4),
    PowerOfTwo(name="mxfp4", grid=E2M1, group=BLOCK, shift=2),
    PowerOfTwo(name="mxint16", grid=IntGrid(16, fraction=14), group=BLOCK),
    PowerOfTwo(name="mxint8", grid=IntGrid(8, fraction=6), group=BLOCK),
    PowerOfTwo(name="mxint4", grid=IntGrid(4, fraction=2), group=BLOCK),
)
