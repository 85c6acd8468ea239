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
from silmark.numerics import arithmetic, formats
from silmark.numerics.sums import Chunked

Values = NDArray[Any]
CHUNK = 160
"""Depth of a 16-bit product that is rounded once."""
_INT8 = formats.get("int8-row")
_CHUNKED = Chunked(CHUNK)


def half(x: Values) -> Values:
    """Rounded to fp16, ties to even; infinite beyond the largest."""
    return np.asarray(formats.get("fp16").quantize(np.asarray(x, dtype=np.float32)))


def codes(x: Values, axis: int) -> tuple[Values, Values]:
    """8-bit codes as whole float32 numbers, and the scale along an axis (1 for what is all zero)."""
    encoded = _INT8.encode(np.ascontiguousarray(x, dtype=np.float32), axis)
    return encoded.codes.view(np.int8).astype(np.float32), encoded.scales[0]


def whole_sums(left: Values, right: Values) -> Values:
    """Products of codes of one array's depth, 320, as 32-bit whole numbers; float32 holds sums of 1,040 exactly."""
    return np.asarray((left @ right).astype(np.int32))


def chunk_sums(left: Values, right: Values) -> Values:
    """One chunk: the exact sum of its products, rounded once to float32."""
    return np.asarray(_CHUNKED(left, right))


def scaled(sums: Values, rows: Values, columns: Values) -> Values:
    """Whole sums times both scales, in float32, as fp16."""
    return half(sums.astype(np.float32) * rows * columns)


def values(lowered: Lowered, exact: bool) -> dict[str, Values]:
    """Every tensor of a program by `silmark.numerics`, without tiles.

    A compiler calibrates its scales on it, and what the tiles compute has to equal it to the last bit.

    Args:
        lowered: the program.
        exact: stored weights are multiplied as 8-bit codes; products with computed operands always in 16 bits.
    """

    def product(one: MatMul, tensors: Mapping[str, Values]) -> Values:
        left, right = tensors[one.left], tensors[one.right]
        ways = arithmetic.get("groq-int8" if exact and one.stored else "groq-fp16")
        return half(ways.matmul(left, right))

    given = {n: v if n in lowered.weights else half(v) for n, v in lowered.tensors.items()}
    start = Lowered(lowered.instructions, given, lowered.weights, lowered.outputs)
    return execute(start, product, lambda _, x: half(x))
