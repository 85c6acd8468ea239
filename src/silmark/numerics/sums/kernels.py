"""Sums whose order and rounding matter, compiled: rows of the left one by one, columns of the right as vectors.

Imported where such a sum is first asked for: numba takes half a second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from silmark.numerics.base import Array
from silmark.numerics.jit import compiled

_COLUMNS = 128
"""Columns worked on at once, so that what is read of the right operand stays in cache for all rows of the left."""

_EXPONENT = np.int32(0x7F800000)
_HALF_LEAST = np.int32((127 - 14) << 23)
_HALF_SHIFT = np.int32((13 << 23) | (1 << 22))
_HALF_OVER = np.float32(65520)
_DOUBLE_EXPONENT = np.int64(0x7FF0000000000000)
_DOUBLE_LEAST = np.int64((1023 - 14) << 52)
_DOUBLE_SHIFT = np.int64((42 << 52) | (1 << 51))
_LEAST = np.float32(2.0**-100)


def _half(x: np.float32) -> np.float32:
    """The float32 x rounded to FP16, ties to even: 1.5 * 2^23 units in the last place added and taken away."""
    unit = max(np.float32(x).view(np.int32) & _EXPONENT, _HALF_LEAST)
    shifter = np.int32(unit + _HALF_SHIFT).view(np.float32)
    rounded = (x + shifter) - shifter
    if abs(x) >= _HALF_OVER:
        rounded = np.float32(np.inf) if x > 0 else np.float32(-np.inf)
    return rounded


half = compiled(_half)


@compiled
def _half_of_double(x: np.float64) -> np.float64:
    """The float64 x rounded to FP16 in the same way."""
    unit = max(np.float64(x).view(np.int64) & _DOUBLE_EXPONENT, _DOUBLE_LEAST)
    shifter = np.int64(unit + _DOUBLE_SHIFT).view(np.float64)
    rounded = (x + shifter) - shifter
    if abs(x) >= _HALF_OVER:
        rounded = np.float64(np.inf) if x > 0 else np.float64(-np.inf)
    return rounded


def _halves(left: Array, right: Array, out: Array, each: int, fused: bool) -> None:
    """See `silmark.numerics.sums.halves`."""
    rows, length = left.shape
    cores = max(1, (length + each - 1) // each)
    sums = np.empty((cores, _COLUMNS), np.float32)
    for start in range(0, right.shape[1], _COLUMNS):
        width = min(_COLUMNS, right.shape[1] - start)
        for row in range(rows):
            sums[:] = 0
            for k in range(length):
                factor, total = left[row, k], sums[k // each]
                for column in range(width):
                    if fused:  # a product of 22 bits and a sum of 11: float32 would round before FP16 does
                        product = np.float64(factor) * np.float64(right[k, start + column])
                        total[column] = _half_of_double(np.float64(total[column]) + product)
                    else:
                        total[column] = half(total[column] + half(factor * right[k, start + column]))
            apart = 1
            while apart < cores:
                for core in range(0, cores - apart, 2 * apart):
                    for column in range(width):
                        sums[core, column] = half(sums[core, column] + sums[core + apart, column])
                apart *= 2
            out[row, start : start + width] = sums[0, :width]


halves = compiled(_halves)


def _aligned(left: Array, right: Array, out: Array, bits: int, group: int) -> None:
    """See `silmark.numerics.sums.limited`. Cut values are whole multiples of a power of two, so that sums are exact."""
    rows, length = left.shape
    left_size = (left.view(np.int32) & _EXPONENT).view(np.float32)
    right_size = (right.view(np.int32) & _EXPONENT).view(np.float32)
    kept = np.float32(2.0 ** (bits - 1))
    most, units, total = np.empty(_COLUMNS, np.float32), np.empty(_COLUMNS, np.float32), np.empty(_COLUMNS, np.float32)
    most_bits, total_bits = most.view(np.int32), total.view(np.int32)
    for start in range(0, right.shape[1], _COLUMNS):
        width = min(_COLUMNS, right.shape[1] - start)
        for row in range(rows):
            total[:] = 0
            for first in range(0, length, group):
                last = min(first + group, length)
                for column in range(width):
                    most_bits[column] = total_bits[column] & _EXPONENT
                    most[column] = max(most[column], _LEAST)
                for k in range(first, last):
                    factor = left_size[row, k]
                    for column in range(width):
                        most[column] = max(most[column], factor * right_size[k, start + column])
                for column in range(width):
                    most[column] = kept / most[column]
                    units[column] = np.trunc(total[column] * most[column])
                for k in range(first, last):
                    factor = left[row, k]
                    for column in range(width):
                        units[column] += np.trunc(factor * right[k, start + column] * most[column])
                for column in range(width):
                    total[column] = units[column] / most[column]
            for column in range(width):
                most_bits[column] = total_bits[column] & _EXPONENT
                most[column] = kept / max(most[column], _LEAST)
                out[row, start + column] = np.trunc(total[column] * most[column]) / most[column]


aligned = compiled(_aligned)


def batched(kernel: Callable[..., None], left: Array, right: Array, *settings: float) -> Array:
    """Calls a kernel for each matrix of two stacks."""
    shape = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    out = np.empty((*shape, left.shape[-2], right.shape[-1]), np.float32)
    left = np.broadcast_to(left, (*shape, *left.shape[-2:]))
    right = np.broadcast_to(right, (*shape, *right.shape[-2:]))
    for index in np.ndindex(shape):
        kernel(np.ascontiguousarray(left[index]), np.ascontiguousarray(right[index]), out[index], *settings)
    return out
