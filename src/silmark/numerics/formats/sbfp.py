"""d-Matrix scaled block floating point: four bits under an unsigned eight-bit float per block of 16.

`SBFP<XP[4,0](CSN)><FP[0|4|4,bias](FN)>{16}` of dmx-compressor (Apache-2.0, version 0.1.11). Elements are divided by
the exact scale, largest / 7, and multiplied with the rounded one. The scale has four bits of exponent, so that its
bias must follow the tensor; the library's own choice of it is not published.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from silmark.numerics.arrays import largest, power_of_two_below
from silmark.numerics.base import Array, Namespace
from silmark.numerics.grids import FloatGrid, IntGrid
from silmark.numerics.scaled import Shared, poisoned

_TOP = 15
"""The largest code of a four-bit exponent."""


@dataclass(frozen=True, kw_only=True)
class ScaledBlock(Shared):
    """See the module.

    Attributes:
        bias: of the scale's exponent; None puts the tensor's largest scale into the top binade (assumed).
    """

    bias: int | None = None
    scale_bits: float = 8

    @cached_property
    def _scale_grid(self) -> FloatGrid:
        return FloatGrid(4, 4, _TOP if self.bias is None else self.bias, specials="none", subnormals=False)

    def _whole(self, xp: Namespace, x: Array) -> Array | None:
        """The power of two that the top binade of scales stands for, over that of the grid."""
        if self.bias is not None or not prod(x.shape):
            return None
        top = power_of_two_below(xp, xp.reshape(largest(xp, x, None), (1, 1, 1)) / self.grid.top)
        return poisoned(xp, top + (top == 0))

    def _fit(self, xp: Namespace, part: Array, whole: Array | None) -> Array:
        exact = largest(xp, part, 1) / self.grid.top
        exact = poisoned(xp, exact + (exact == 0))
        part /= exact
        self._round(xp, part)
        if whole is not None:
            exact /= whole
        self._scale_grid.round_(xp, exact, "even", "saturate", "clamp")
        return exact if whole is None else exact * whole

    def _store(self, xp: Namespace, step: Array, whole: Array | None) -> tuple[Array, ...]:
        return (xp.astype(self._scale_grid.code(xp, step if whole is None else step / whole), xp.uint8),)

    def _load(self, xp: Namespace, stored: tuple[Array, ...], whole: Array | None) -> Array:
        scale = self._scale_grid.value(xp, stored[0])
        return scale if whole is None else scale * whole


FORMATS = (
    ScaledBlock(name="sbfp12-16", grid=IntGrid(4), group=16),
    ScaledBlock(name="sbfp12-16-bias7", grid=IntGrid(4), group=16, bias=7),
)
