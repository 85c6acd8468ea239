"""Routed experts on a GPU: one fused kernel sequence of two grouped products, over arrays of token counts.

Memory-bound while each touched expert's weights serve few tokens, then bound by tiles: every expert pads its own
tokens to whole tiles (MegaBlocks, Gale et al., arXiv:2211.15841, section 4). With r tokens on average per touched
expert and tiles of T rows, an expert needs max(1, r / T) tiles; the raggedness of the last one is not told apart
from the rate that such kernels reach. Constants are fitted in `calibration.gpu_moe`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from silmark.chips.mechanisms.gpu_gemm import Facts
from silmark.graph import Array, Experts

TILES = ((16, 128), (32, 128), (64, 128), (128, 128), (128, 256))
"""(tokens, columns) of one block."""

_ROWS, _COLUMNS = (np.array(column, dtype=np.float64) for column in zip(*TILES, strict=True))
PARAMETERS = ("flop_share", "tile_area", "memory_share", "tile_cycles", "launches", "row_traffic", "overlap")


@dataclass(frozen=True, slots=True, eq=False)
class ExpertRates:
    """Constants for one chip and format; arrays are per tile shape. Units as in `GemmRates`."""

    units: float
    per_depth: Array
    per_tile: float
    memory: float
    fixed: float
    row_traffic: float
    overlap: float
    weight_bytes: float


def expert_rates(facts: Facts, coefficient: Callable[[str], float], compute: str, weight_bytes: float) -> ExpertRates:
    """Combines a chip's facts with the fitted ratios (keys PARAMETERS) for one format."""
    c = {key: coefficient(key) for key in PARAMETERS}
    unit = facts.matrix[compute] * c["flop_share"] / facts.units
    return ExpertRates(
        units=facts.units,
        per_depth=2.0 * (_ROWS * _COLUMNS + c["tile_area"]) / unit,
        per_tile=c["tile_cycles"] / facts.clock,
        memory=facts.memory * c["memory_share"],
        fixed=c["launches"] * facts.launch,
        row_traffic=c["row_traffic"],
        overlap=c["overlap"],
        weight_bytes=weight_bytes,
    )


def experts(r: ExpertRates, op: Experts) -> tuple[Array, Array, Array]:
    """Seconds of (memory, compute, overhead); the larger of the first two plus the third is the time."""
    touched = op.touched()
    pairs = op.m * op.top_k
    ups = 2.0 if op.gated else 1.0
    moved = pairs * (4.0 * op.hidden * r.row_traffic + 2.0 * (ups + 1.0) * op.inner) + op.m * (4.0 * op.hidden)
    memory = (touched * (op.weights_per_expert * r.weight_bytes) + moved) / r.memory
    column = (-1,) + (1,) * np.ndim(memory)
    rows, columns, per_depth = (array.reshape(column) for array in (_ROWS, _COLUMNS, r.per_depth))
    tiles = np.maximum(touched, pairs / rows)
    # All column blocks of both products together walk through weights / columns elements of depth.
    each = per_depth * (op.weights_per_expert / columns) + (ups * op.inner + op.hidden) / columns * r.per_tile
    alone = per_depth * (op.hidden + op.inner) + 2.0 * r.per_tile
    compute = np.min(tiles * (each / r.units) + alone, axis=0)
    return memory, compute, r.fixed + r.overlap * np.minimum(memory, compute)
