"""Recorded steps (CUDA graphs): for which numbers of tokens an engine records one, and what padding to them does."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from silmark.serving.options import EngineOptions

_FINE = (1, 2, 4)


def captured(most: int, *also: int) -> tuple[int, ...]:
    """Numbers of tokens that are recorded, ascending: 1, 2, 4, multiples of 8 below 256, of 16 from there.

    As `VllmConfig._set_cudagraph_sizes` of vLLM does it.

    Args:
        most: none of the regular ones is larger; 0 for none.
        also: further ones, such as the largest batch.
    """
    regular = (*_FINE, *range(8, min(most + 1, 256), 8), *range(256, most + 1, 16))
    return tuple(sorted({size for size in regular if size <= most} | {size for size in also if size >= 1}))


def decode_batches(most: int) -> tuple[int, ...]:
    """Decode batches that SGLang records, ascending, up to the most (`generate_decode_cuda_graph_batch_sizes`)."""
    sizes = (*_FINE, 8, 12, *range(16, 257, 8), *range(272, 512, 16), *range(512, most + 1, 32))
    return tuple(sorted({size for size in sizes if size <= most} | {most}))


def doubling(first: int, most: int) -> tuple[int, ...]:
    """Powers of two times the first, up to the most, which is there itself: what shapes are compiled for."""
    sizes = [first]
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return tuple(sizes)


def padded(tokens: ArrayLike, options: EngineOptions) -> NDArray[np.int64]:
    """Tokens that steps of so many tokens really run."""
    asked = np.asarray(tokens, dtype=np.int64)
    if not options.captured:
        return asked
    sizes = np.array(options.captured, dtype=np.int64)
    place = np.searchsorted(sizes, asked)
    return np.where(place < sizes.size, sizes[np.minimum(place, sizes.size - 1)], asked)
