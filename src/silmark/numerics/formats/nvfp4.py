"""NVFP4: FP4 (E2M1) in blocks of 16 under an FP8 (E4M3) scale, and all of a tensor under a float32."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from silmark.numerics.arrays import clip, largest
from silmark.numerics.base import Array, Namespace
from silmark.numerics.formats.floats import E4M3
from silmark.numerics.formats.mx import E2M1
from silmark.numerics.scaled import Shared, poisoned

_LEAST = E4M3.least
"""Scales below the least normal one are raised to it, as torchao does."""


@dataclass(frozen=True, kw_only=True)
class TwoLevel(Shared):
    """Scales of blocks are fractions of the tensor's, which puts the largest of them on E4M3's largest value.

    The order of operations is torchao's (BSD-3, 0.18, prototype/mx_formats/nvfp4_tensor.py): elements are multiplied
    with (1 / tensor's scale) / block's scale.
    """

    scale_bits: float = 8

    def _whole(self, xp: Namespace, x: Array) -> Array | None:
        if not prod(x.shape):
            return None
        whole = xp.reshape(largest(xp, x, None), (1, 1, 1)) / (E4M3.top * self.grid.top)
        return poisoned(xp, whole + (whole == 0))

    def _fit(self, xp: Namespace, part: Array, whole: Array | None) -> Array:
        scale = largest(xp, part, 1) / self.grid.top
        if whole is None:
            return scale
        scale /= whole
        clip(xp, scale, _LEAST, E4M3.top)
        E4M3.round_(xp, scale, "even", "saturate", "clamp")
        part *= (1 / whole) / scale
        self._round(xp, part)
        return scale * whole

    def _store(self, xp: Namespace, step: Array, whole: Array | None) -> tuple[Array, ...]:
        if whole is not None:
            step = step / whole
            E4M3.round_(xp, step, "even", "saturate", "clamp")
        return (E4M3.code(xp, step),)

    def _load(self, xp: Namespace, stored: tuple[Array, ...], whole: Array | None) -> Array:
        scale = E4M3.value(xp, stored[0])
        return scale if whole is None else scale * whole


FORMATS = (TwoLevel(name="nvfp4", grid=E2M1, group=16),)
