"""Routed experts on a GPU: one fused kernel sequence of two grouped products, over arrays of token counts.

Memory-bound while each touched expert's weights serve few tokens, then bound by tiles: every expert pads its own
tokens to whole tiles (MegaBlocks, Gale et al., arXiv:2211.15841, section 4). With r tokens on average per touched
expert and tiles of T rows, an expert needs max(1, r / T) tiles; the raggedness of the last one is not told apart
from the rate that such kernels reach. Routing, sorting and the copies of rows take time per expert and per routed
row besides. Constants times factors of generation, scheme and library (`gpu_kernels`) are fitted in
`calibration.gpu_moe`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from silmark.chips.mechanisms.gpu_gemm import Facts
from silmark.graph import Array, Experts

TILES = ((16, 128), (32, 128), (64, 128), (128, 128), (128, 256))
"""(tokens, columns) of one block."""

ROWS, _COLUMNS = (np.array(column, dtype=np.float64) for column in zip(*TILES, strict=True))
PARAMETERS = (
    "flop_share", "tile_area", "memory_share", "tile_cycles", "launches", "row_traffic", "overlap", "expert_cycles",
    "walk_cycles",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ExpertRates:
    """Constants for one chip and format; arrays are per tile shape. Units as in `GemmRates`.

    Attributes:
        expert, walk: seconds per expert of the chip and per routed row that a kernel walks over.
    """

    units: float
    per_depth: Array
    per_tile: float
    memory: float
    fixed: float
    row_traffic: float
    overlap: float
    weight_bytes: float
    expert: float
    walk: float


@dataclass(frozen=True, slots=True)
class Routing:
    """Where tokens went on one chip.

    Attributes:
        pairs: routed rows (token, expert) of the chip.
        touched: experts with at least one.
        tiles: tiles over all experts, for each tile shape [tiles, ...].
        walked: routed rows that the kernels look at: those of all chips where tokens were not dispatched before.
    """

    pairs: Array
    touched: Array
    tiles: Array
    walked: Array


def even_routing(op: Experts) -> Routing:
    """Uniform routing: the expected number of touched experts, each with its share of the rows."""
    touched, pairs = op.touched(), op.m * op.top_k
    rows = ROWS.reshape((-1,) + (1,) * np.ndim(pairs))
    return Routing(pairs, touched, np.maximum(touched, pairs / rows), pairs)


def expert_rates(facts: Facts, coefficient: Callable[[str], float], compute: str, weight_bytes: float) -> ExpertRates:
    """Combines a chip's facts with the fitted ratios (keys PARAMETERS) for one format."""
    c = {key: coefficient(key) for key in PARAMETERS}
    unit = facts.matrix[compute] * c["flop_share"] / facts.units
    area = ROWS * _COLUMNS
    return ExpertRates(
        units=facts.units,
        per_depth=2.0 * np.maximum((area + c["tile_area"]) / unit, area * facts.units / facts.peak[compute]),
        per_tile=c["tile_cycles"] / facts.clock,
        memory=min(facts.memory * c["memory_share"], facts.bandwidth),
        fixed=c["launches"] * facts.launch,
        row_traffic=c["row_traffic"],
        overlap=c["overlap"],
        weight_bytes=weight_bytes,
        expert=c["expert_cycles"] / facts.clock,
        walk=c["walk_cycles"] / facts.clock,
    )


def experts(r: ExpertRates, op: Experts, routing: Routing | None = None) -> tuple[Array, Array, Array]:
    """Seconds of (memory, compute, overhead); the larger of the first two plus the third is the time.

    Args:
        r: constants of the chip.
        op: the experts.
        routing: where tokens went; None: uniformly.
    """
    routing = routing or even_routing(op)
    pairs = routing.pairs
    ups = np.where(op.gated, 2.0, 1.0)
    moved = pairs * (4.0 * op.hidden * r.row_traffic + 2.0 * (ups + 1.0) * op.inner) + op.m * (4.0 * op.hidden)
    weights = (ups + 1.0) * op.hidden * op.inner
    memory = (routing.touched * (weights * r.weight_bytes) + moved) / r.memory
    column = (-1,) + (1,) * np.ndim(memory)
    columns, per_depth = (array.reshape(column) for array in (_COLUMNS, r.per_depth))
    # All column blocks of both products together walk through weights / columns elements of depth.
    each = per_depth * (weights / columns) + (ups * op.inner + op.hidden) / columns * r.per_tile
    alone = per_depth * (op.hidden + op.inner) + 2.0 * r.per_tile
    compute = np.min(routing.tiles * (each / r.units) + alone, axis=0)
    overhead = r.fixed + op.experts * r.expert + routing.walked * r.walk
    return memory, compute, overhead + r.overlap * np.minimum(memory, compute)
