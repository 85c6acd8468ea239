"""The chip's arithmetic at the level of tiles, from the same formats as `silmark.numerics`.

8-bit: codes with a scale per row of activations and per column of weights, 32-bit whole sums, one multiplication by
both scales, one rounding to fp16. 16-bit: chunks of one array's depth with one rounding to float32, float32 additions
between chunks in order of the depth, one rounding to fp16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.machines.lowering import Lowered, MatMul
from silmark.machines.semantics import execute
from silmark.numerics import formats

Values = NDArray[Any]
CHUNK = 160
"""Depth of a 16-bit product that is rounded once."""
_INT8 = formats.get("int8-row")


def half(x: Values) -> Values:
    """Rounded to fp16, ties to even; beyond the largest it saturates."""
    return np.asarray(formats.get("fp16").quantize(np.asarray(x, dtype=np.float32)))


def codes(x: Values, axis: int) -> tuple[Values, Values]:
    """8-bit codes as whole float32 numbers, and the scale along an axis (1 for what is all zero)."""
    encoded = _INT8.encode(np.ascontiguousarray(x, dtype=np.float32), axis)
    return encoded.codes.view(np.int8).astype(np.float32), encoded.scales[0]


def whole_sums(left: Values, right: Values) -> Values:
    """Products of codes, summed as 32-bit whole numbers; float32 holds up to 1,040 of them exactly."""
    depth = left.shape[-1]
    if depth <= 2 * CHUNK:
        return (left @ right).astype(np.int32)
    parts = range(0, depth, 2 * CHUNK)
    return sum((left[:, k : k + 2 * CHUNK] @ right[k : k + 2 * CHUNK]).astype(np.int32) for k in parts)  # type: ignore[return-value]


def chunk_sums(left: Values, right: Values) -> Values:
    """One chunk: products and sums in float64, of which 31 bits are spare, then one rounding to float32."""
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.float32)


def scaled(sums: Values, rows: Values, columns: Values) -> Values:
    """Whole sums times both scales, in float32, as fp16."""
    return half(sums.astype(np.float32) * rows * columns)


def multiply(one: MatMul, left: Values, right: Values, exact: bool) -> Values:
    """A whole product, without tiles: what the executed tiles have to equal."""
    if exact:
        a, rows = codes(left, -1)
        b, columns = codes(right, -2)
        return scaled(whole_sums(a, b), rows, columns)
    stack = [_halves(x, y) for x, y in zip(left, right, strict=True)] if one.batch > 1 or left.ndim > 2 else None
    return _halves(left, right) if stack is None else np.stack(stack)


def _halves(left: Values, right: Values) -> Values:
    a, b = half(left), half(right)
    total = chunk_sums(a[:, :CHUNK], b[:CHUNK])
    for k in range(CHUNK, a.shape[1], CHUNK):
        total = total + chunk_sums(a[:, k : k + CHUNK], b[k : k + CHUNK])
    return half(total)


def values(lowered: Lowered, exact: bool) -> dict[str, Values]:
    """Every tensor of a program in the chip's arithmetic: what a compiler calibrates its scales on.

    Args:
        lowered: the program.
        exact: stored weights are multiplied as 8-bit codes; products with computed operands always in 16 bits.
    """

    def product(one: MatMul, tensors: Mapping[str, Values]) -> Values:
        return multiply(one, tensors[one.left], tensors[one.right], exact and one.stored)

    given = {n: v if n in lowered.weights else half(v) for n, v in lowered.tensors.items()}
    start = Lowered(lowered.instructions, given, lowered.weights, lowered.outputs)
    return execute(start, product, lambda _, x: half(x))
