"""Floating point of one width, each element on its own: IEEE 754, bfloat16, TF32, and eight bits by OCP and FNUZ.

FP8: "OCP 8-bit Floating Point Specification (OFP8)", revision 1.0, table 1; FNUZ (finite, no negative zero) as AMD's
CDNA 3 has it; `-ieee` reserves the top binade, which leaves 240 as the largest value (Gaudi 2). `-tensor`, `-row` and
`-group128` share a float32 scale that puts their largest element on the format's. `fp16-flush` has no subnormals, as
in d-Matrix's hardware-equivalent rules.
"""

from __future__ import annotations

from silmark.numerics.base import ROW, TENSOR
from silmark.numerics.grids import FloatGrid
from silmark.numerics.scaled import Plain, Real

E4M3 = FloatGrid(4, 3, 7, specials="nan")
BF16 = FloatGrid(8, 7, 127)
E5M2 = FloatGrid(5, 2, 15)

FNUZ = FloatGrid(4, 3, 8, specials="unsigned zero")
E4M3_IEEE = FloatGrid(4, 3, 7)

ELEMENTS = (
    Plain(name="fp32", grid=FloatGrid(8, 23, 127), overflow="inf"),
    Plain(name="tf32", grid=FloatGrid(8, 10, 127), overflow="inf", stored=32),
    Plain(name="bf16", grid=BF16, overflow="inf"),
    Plain(name="fp16", grid=FloatGrid(5, 10, 15), overflow="inf"),
    Plain(name="fp16-flush", grid=FloatGrid(5, 10, 15, subnormals=False), overflow="inf"),
    Plain(name="fp8-e4m3", grid=E4M3),
    Plain(name="fp8-e5m2", grid=E5M2),
    Plain(name="fp8-e4m3-fnuz", grid=FNUZ),
    Plain(name="fp8-e5m2-fnuz", grid=FloatGrid(5, 2, 16, specials="unsigned zero")),
    Plain(name="fp8-e4m3-ieee", grid=E4M3_IEEE),
)

FORMATS = ELEMENTS + tuple(
    Real(name=f"fp8-{name}-{suffix}", grid=grid, group=group, scale_bits=32)
    for name, grid in (("e4m3", E4M3), ("e4m3-fnuz", FNUZ), ("e4m3-ieee", E4M3_IEEE))
    for suffix, group in (("tensor", TENSOR), ("row", ROW), ("group128", 128))
)
