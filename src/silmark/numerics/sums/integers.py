"""Integer products summed in INT32, exactly."""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import array_namespace

from silmark.numerics.arrays import empty_product, row_blocks
from silmark.numerics.base import Array, Namespace

_EXACT = 2**24
"""Whole numbers up to here are float32 values, so that float32 sums of them are exact in any order."""

_AT_ONCE = 256
"""Elements along the sum whose squares are made at once: few MiB in layers of language models."""


@dataclass(frozen=True, slots=True)
class Integers:
    """INT32 accumulators, which wrap beyond 2^31; as float32 their sum is rounded once.

    Attributes:
        bits: of the operands.
    """

    bits: int = 8
    name: str = "int32"

    def __call__(self, left: Array, right: Array) -> Array:
        """One float32 product where that is exact, else exact ones of few elements each, added as integers."""
        xp = array_namespace(left)
        longest = _EXACT >> (2 * (self.bits - 1))
        length = left.shape[-1]
        if length <= longest or _short(xp, left, right):
            return left @ right
        out = empty_product(xp, left, right)
        for rows in row_blocks(out.shape[-2], out.shape[-1]):
            total = xp.astype(left[..., rows, :longest] @ right[..., :longest, :], xp.int32)
            for start in range(longest, length, longest):
                inside = slice(start, start + longest)
                total += xp.astype(left[..., rows, inside] @ right[..., inside, :], xp.int32)
            out[..., rows, :] = total
        return out


def _short(xp: Namespace, left: Array, right: Array) -> bool:
    """Whether the squares of every row of the left sum to less than 2^24, and so do those of every right column.

    No part of their dot products then passes 2^24 (Cauchy-Schwarz). A float32 sum of squares is exact below 2^24, and
    one that gets there stays there.
    """
    rows = columns = 0
    for start in range(0, left.shape[-1], _AT_ONCE):
        inside = slice(start, start + _AT_ONCE)
        rows = rows + xp.sum(left[..., inside] ** 2, axis=-1)
        columns = columns + xp.sum(right[..., inside, :] ** 2, axis=-2)
    return bool(xp.max(rows) < _EXACT and xp.max(columns) < _EXACT)
