"""What every core computes on its tiles, compiled: each product and each sum rounded to FP16.

Imported where a program is first executed: numba takes half a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from silmark.numerics.jit import compiled
from silmark.numerics.sums.kernels import half

Array = Any


def _accumulate(total: Array, left: Array, right: Array) -> None:
    """Adds left @ right to total, for all cores: (cores, m, n), (cores, m, k), (cores, k, n).

    A row of the right tile is one vector instruction (`@fmach`) per element of the left, in the order of k.
    """
    cores, rows, depth = left.shape
    columns = right.shape[2]
    for core in range(cores):
        for k in range(depth):
            for row in range(rows):
                factor = left[core, row, k]
                for column in range(columns):
                    product = half(factor * right[core, k, column])
                    total[core, row, column] = half(total[core, row, column] + product)


def _add(a: Array, b: Array, out: Array) -> None:
    """`@faddh` on flat arrays."""
    for index in range(a.size):
        out[index] = half(a[index] + b[index])


def _meet(values: Array, pairs: Array) -> None:
    """Adds one core's vector to another's, pair by pair in turn: (cores, elements), (additions, 2)."""
    for pair in range(len(pairs)):
        source, target = pairs[pair]
        for index in range(values.shape[1]):
            values[target, index] = half(values[source, index] + values[target, index])


accumulate = compiled(_accumulate)
meet = compiled(_meet)
_add_flat = compiled(_add)


def add(a: Array, b: Array) -> Array:
    """The sum of two arrays of FP16 values."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out = np.empty_like(a)
    _add_flat(a.ravel(), b.ravel(), out.ravel())
    return out
