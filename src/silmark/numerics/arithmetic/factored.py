"""Digital arithmetic that sums codes and applies scales to the sum: integers, and FP8 with scales beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from array_api_compat import array_namespace

from silmark.errors import BadValue
from silmark.numerics.arithmetic.digital import Digital, matrix
from silmark.numerics.arrays import empty_product, row_blocks
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

    def _product(self, left: Array, prepared: Prepared) -> Array:
        """Elements multiplied, then scaled."""
        elements, scales = self.left.elements(left, axis=-1)
        if scales.shape[-1] <= 1 and cast("Array", prepared.scales).shape[-2] <= 1:
            return self._sum(elements, scales, prepared)
        out = empty_product(array_namespace(elements), elements, prepared.values)
        for rows in row_blocks(*out.shape[-2:]):  # each group passes over all outputs
            of_rows = scales[..., rows, :] if scales.shape[-2] > 1 else scales
            out[..., rows, :] = self._sum(elements[..., rows, :], of_rows, prepared)
        return out

    def _sum(self, elements: Array, left_scales: Array, prepared: Prepared) -> Array:
        """Groups one after the other."""
        right, right_scales = prepared.values, cast("Array", prepared.scales)
        groups = max(left_scales.shape[-1], right_scales.shape[-2])
        size = max(self.left.block, self.right.block) if groups > 1 else right.shape[-2]
        total = None
        for group in range(groups):
            part = slice(group * size, (group + 1) * size)
            product = self.sums(elements[..., part], right[..., part, :])
            at = min(group, left_scales.shape[-1] - 1), min(group, right_scales.shape[-2] - 1)
            product *= left_scales[..., at[0]][..., None]
            product *= right_scales[..., at[1], :][..., None, :]
            if total is None:
                total = product
            else:
                total += product
        return total
