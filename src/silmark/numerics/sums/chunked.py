"""Chunks summed without error and rounded once, and added in float32 (Groq)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from silmark.numerics.arrays import on_numpy, unwarned
from silmark.numerics.base import Array, Namespace

_UNIT = 2.0**-53
_FRACTION = 48
"""Products of two fp16 values are multiples of 2^-48."""

_SCALE = 2.0 ** (_FRACTION // 2)
"""Makes whole numbers of fp16 values."""

_KEPT = 50
"""Bits of a sum that are handed to float64, with a sticky last one: float32 needs 26 of them."""


@dataclass(frozen=True, slots=True)
class Chunked:
    """FP16 products summed as if in an accumulator of unlimited width, one rounding to float32 per chunk.

    Groq's matrix unit takes 160 FP16 elements a cycle and rounds once (Abts et al., ISCA 2020, section on the MXM;
    "TruePoint", groq.com, 2025-08-01: 100 bits of intermediate accumulation). Chunks are then added in float32.

    float64 sums are exact where all products are multiples of a unit 2^53 times as fine as their largest possible
    sum; else they err by at most n 2^-53 |a| |b| (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1,
    with Cauchy-Schwarz). Where both ends of that interval round to one float32, so does the exact sum; the few
    elements where they do not are summed as integers.
    """

    size: int = 160

    @property
    def name(self) -> str:
        """Names the chunk."""
        return f"exact per {self.size}, fp32 between"

    @unwarned
    def __call__(self, left: Array, right: Array) -> Array:
        """Chunk by chunk."""
        total = None
        for start in range(0, max(left.shape[-1], 1), self.size):
            part = self._chunk(left[..., start : start + self.size], right[..., start : start + self.size, :])
            total = part if total is None else total + part
        return total

    def _chunk(self, left: Array, right: Array) -> Array:
        xp = array_namespace(left)
        left, right = xp.astype(left, xp.float64), xp.astype(right, xp.float64)
        sums = left @ right
        rows = xp.sqrt(xp.sum(left * left, axis=-1, keepdims=True))
        columns = xp.sqrt(xp.sum(right * right, axis=-2, keepdims=True))
        error = rows * columns * ((left.shape[-1] + 2) * _UNIT)
        error *= error > _unit(xp, left, -1) * _unit(xp, right, -2)
        nearest = xp.astype(sums - error, xp.float32)
        doubtful = nearest != xp.astype(sums + error, xp.float32)
        if bool(xp.any(doubtful)):
            nearest = on_numpy(_mended, nearest, doubtful, left, right)
        return nearest


def _unit(xp: Namespace, x: Array, axis: int) -> Array:
    """The largest power of two that divides all fp16 values along an axis; infinite where they are zeros."""
    whole = xp.astype(x * _SCALE, xp.int64)
    lowest = xp.astype(whole & -whole, xp.float64)
    return xp.min(xp.where(whole == 0, float("inf"), lowest), axis=axis, keepdims=True) / _SCALE


def _mended(nearest: Array, doubtful: Array, left: Array, right: Array) -> Array:
    """The sums with doubtful ones replaced by the nearest float32 of the exact sum."""
    nearest = np.array(nearest)
    left = np.broadcast_to(left, (*nearest.shape[:-1], left.shape[-1]))
    right = np.broadcast_to(right, (*nearest.shape[:-2], *right.shape[-2:]))
    for index in zip(*np.nonzero(doubtful), strict=True):
        row, column = left[index[:-1]], right[(*index[:-2], slice(None), index[-1])]
        finite = np.isfinite(row).all() and np.isfinite(column).all()
        nearest[index] = _rounded(_exact(row, column)) if finite else row @ column
    return nearest


def _exact(row: Array, column: Array) -> int:
    """The dot product of fp16 values in units of 2^-48."""
    return sum(int(a) * int(b) for a, b in zip(row * _SCALE, column * _SCALE, strict=True))


def _rounded(units: int) -> np.float32:
    """The float32 nearest to units * 2^-48, ties to even: cut to fifty bits and a sticky one, then rounded once."""
    size = abs(units)
    cut = max(size.bit_length() - _KEPT, 0)
    kept = (size >> cut) | bool(size & ((1 << cut) - 1))
    return np.float32(np.ldexp(float(kept if units >= 0 else -kept), cut - _FRACTION))
