"""Digital arithmetic that sums codes and applies scales to the sum: integers, and FP8 with scales beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from silmark.errors import BadValue
from silmark.numerics.arithmetic.digital import Digital, check, matrix
from silmark.numerics.base import Array, Prepared
from silmark.numerics.scaled import Real


@dataclass(frozen=True, kw_only=True)
class Factored(Digital):
    """Both formats share one scale per tensor, row or group; groups are summed apart and added in float32."""

    left: Real
    right: Real

    def __post_init__(self) -> None:
        if len({f.block for f in (self.left, self.right) if f.block > 0}) > 1:
            raise BadValue("right", self.right.name, f"groups of the size of {self.left.name}'s")

    def prepare(self, weights: Array) -> Prepared:
        """Elements as float32, and scales (..., groups, n)."""
        matrix("weights", weights)
        return Prepared(*self.right.elements(weights, axis=-2), self.name)

    def matmul(self, left: Array, weights: Prepared | Array, *, seed: int = 0) -> Array:
        """See `Arithmetic.matmul`."""
        prepared = weights if isinstance(weights, Prepared) else self.prepare(weights)
        check(self, left, prepared)
        elements, left_scales = self.left.elements(left, axis=-1)
        right, right_scales = prepared.values, cast("Array", prepared.scales)
        groups = max(left_scales.shape[-1], right_scales.shape[-2], 1)
        size = max(self.left.block, self.right.block) if groups > 1 else right.shape[-2]
        total = None
        for group in range(groups):
            part = slice(group * size, (group + 1) * size)
            product = self.sums(elements[..., part], right[..., part, :])
            at = min(group, left_scales.shape[-1] - 1), min(group, right_scales.shape[-2] - 1)
            product *= left_scales[..., at[0]][..., None]
            product *= right_scales[..., at[1], :][..., None, :]
            total = product if total is None else total + product
        return self.out.quantize(total)
