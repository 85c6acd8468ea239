"""Shared microexponents (MX9, MX6): 16 elements under an exponent, each pair of them one binade lower or not.

Rouhani et al., "With Shared Microexponents, A Little Shifting Goes a Long Way" (ISCA 2023, arXiv:2302.08007), table
of the basic data formats: blocks of 16 with 8 bits of exponent, pairs with one bit of shift, sign and 7 (MX9) or 4
(MX6) bits of mantissa. That Maia's 9-bit and 6-bit formats are these is assumed: their definition is not published.
"""

from __future__ import annotations

from dataclasses import dataclass

from silmark.numerics.arrays import largest
from silmark.numerics.base import Array, Namespace
from silmark.numerics.grids import IntGrid
from silmark.numerics.scaled import Shared, e8m0, e8m0_code, e8m0_value

_PAIR = 2


@dataclass(frozen=True, kw_only=True)
class Microexponents(Shared):
    """See the module. Stored are the block's exponent and, for each pair, 1 where it is one binade lower."""

    def _fit(self, xp: Namespace, part: Array, whole: Array | None) -> Array:
        rows, size, inner = part.shape
        most = largest(xp, xp.reshape(part, (rows, size // _PAIR, _PAIR, inner)), 2)[:, :, 0, :]
        block = e8m0(xp, xp.max(most, axis=1, keepdims=True), 0)
        step = xp.maximum(e8m0(xp, most, 0), block * 0.5)
        step *= self.grid.unit
        part /= xp.repeat(step, _PAIR, axis=1)
        self._round(xp, part)
        return step

    def _multiply(self, xp: Namespace, part: Array, step: Array) -> None:
        part *= xp.repeat(step, _PAIR, axis=1)

    def _store(self, xp: Namespace, step: Array, whole: Array | None) -> tuple[Array, ...]:
        step = step / self.grid.unit
        block = xp.max(step, axis=1, keepdims=True)
        return (e8m0_code(xp, block), xp.astype(step < block, xp.uint8))

    def _load(self, xp: Namespace, stored: tuple[Array, ...], whole: Array | None) -> Array:
        lower = xp.astype(stored[1], xp.float32)
        return e8m0_value(xp, stored[0]) * ((1 - 0.5 * lower) * self.grid.unit)


FORMATS = tuple(
    Microexponents(name=f"mx{mantissa + 2}", grid=IntGrid(mantissa + 1, fraction=mantissa - 1), group=16, scale_bits=16)
    for mantissa in (7, 4)
)
