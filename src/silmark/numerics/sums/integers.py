"""Integer products summed in INT32, exactly."""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from silmark.numerics.arrays import empty_product, row_blocks
from silmark.numerics.base import Array

_EXACT = 2**24
"""Whole numbers up to here are float32 values, so that float32 sums of them are exact in any order."""


@dataclass(frozen=True, slots=True)
class Integers:
    """INT32 accumulators, which wrap beyond 2^31; as float32 their sum is rounded once.

    Attributes:
        bits: of the operands.
    """

    bits: int = 8
    name: str = "int32"

    def __call__(self, left: Array, right: Array) -> Array:
        """float32 products of as many elements as stay exact, added as integers."""
        xp = array_namespace(left)
        longest = _EXACT >> (2 * (self.bits - 1))
        length = left.shape[-1]
        if length <= longest:
            return left @ right
        out = empty_product(xp, left, right)
        for rows in row_blocks(out.shape[-2], out.shape[-1]):
            total = xp.astype(left[..., rows, :longest] @ right[..., :longest, :], xp.int32)
            for start in range(longest, length, longest):
                inside = slice(start, start + longest)
                total += xp.astype(left[..., rows, inside] @ right[..., inside, :], xp.int32)
            out[..., rows, :] = total
        return out
