"""What the arrays compute: whole numbers per block of 64, one scale per block, float32 between blocks, fp16 out.

A block of a row of activations and the block of a column of weights that it meets are 8-bit (or 4-bit) whole numbers
under one power of two each. Their product is an integer below 2^20, which the array forms one bit of the activations
per cycle; times both powers of two it is the exact product of the two blocks. Chains add blocks in float32, chain sums
are added in float32, and what leaves is fp16 with subnormals flushed: `config_rules.BASIC` of dmx-compressor
(Apache-2.0, version 0.1.11), d-Matrix's own hardware-equivalent rules, which do not say in what order blocks are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.numerics import formats
from silmark.numerics.grids import IntGrid
from silmark.numerics.scaled import PowerOfTwo

Values = NDArray[Any]
_OUT = formats.get("fp16-flush")


def operand(name: str, x: Values, axis: int) -> tuple[Values, Values]:
    """Whole numbers of a block format as float32, and what each block of them is to be multiplied with."""
    found = formats.get(name)
    assert isinstance(found, PowerOfTwo)
    encoded = found.encode(np.ascontiguousarray(x, dtype=np.float32), axis)
    exponents = encoded.scales[0].astype(np.int32) - 127
    return found.grid.value(np, encoded.codes), np.ldexp(np.float32(found.grid.unit), exponents)


def whole(x: Values, weights: Values) -> Values:
    """Sums of one block's products: exact, since float32 holds whole numbers to 2^24 and 64 * 127^2 < 2^20."""
    return np.asarray(x @ weights)


def bit_serial(x: Values, weights: Values, bits: int) -> Values:
    """The same, one bit of the activations per cycle: a row of weights is added or not, then everything is doubled.

    Two's complement: the first bit counts negative. All sums are whole numbers that float32 holds, as in `whole`.
    """
    codes = x.astype(np.int32) & ((1 << bits) - 1)
    sums = np.zeros((*x.shape[:-1], weights.shape[-1]), np.float32)
    for bit in reversed(range(bits)):
        added = ((codes >> bit) & 1).astype(np.float32) @ weights
        sums = 2 * sums + (-added if bit == bits - 1 else added)
    return sums


def multiply(name: str, left: Values, right: Values, chains: Sequence[range], *, serial: bool) -> Values:
    """A product, chain by chain.

    Args:
        name: format of both operands.
        left, right: (..., m, k) and (..., k, n).
        chains: the blocks along k that are summed in one chain each.
        serial: form the whole numbers bit by bit.
    """
    block, grid = formats.get(name).block, getattr(formats.get(name), "grid", None)
    assert isinstance(grid, IntGrid)
    a, scales = operand(name, left, -1)
    b, others = operand(name, right, -2)
    total = np.zeros((*left.shape[:-1], right.shape[-1]), np.float32)
    for chain in chains:
        passed = np.zeros_like(total)
        for index in chain:
            part = slice(index * block, (index + 1) * block)
            x, weights = a[..., part], b[..., part, :]
            sums = bit_serial(x, weights, grid.bits) if serial else whole(x, weights)
            sums *= scales[..., index][..., None]
            sums *= others[..., index, :][..., None, :]
            passed += sums
        total += passed
    return rounded(total)


def rounded(x: Values) -> Values:
    """As results leave arrays and vector units."""
    return np.asarray(_OUT.quantize(x))
