"""Matrix products on a GPU: tiles, waves, split-K, and traffic through cache and memory, over arrays of shapes.

The kernel libraries offer a handful of tile shapes (TILES); the time is the smallest that any of them gives, so
a kernel for M rows also serves fewer by padding and the time never falls when a tile is added. Per tile shape:

    blocks  = ceil(m / tile_m) * ceil(n / tile_n) * splits * groups
    block   = max(2 tile_m tile_n depth / (unit rate * fill share), operand bytes / what one unit can draw,
                  steps of the depth * latency of one) + epilogue
    compute = waves(blocks / units) * block,  waves between exact and whole (persistent kernels smooth the tail)
    time    = max(compute, memory) + overlap * min(compute, memory) + split-K merge

after the tile and wave quantisation of "Matrix multiplication background user's guide" (NVIDIA, 2023) and the
roofline with cache levels of LLMCompass (Zhang et al., ISCA 2024, section III). What the cache delivers to one unit
binds long before the cache as a whole does (that term was tried and never showed). The constants are ratios that
hold for every chip, times factors of its generation, number format and kernel library (`gpu_kernels`); they are
fitted in `calibration.gpu_gemm`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from silmark.chips.mechanisms.base import Resource
from silmark.chips.spec import Chip
from silmark.formats import FORMATS
from silmark.graph import Array

TILES = (
    (16, 64, 1), (16, 64, 16), (32, 64, 1), (32, 128, 8), (64, 64, 1), (64, 128, 1), (64, 128, 4), (128, 128, 1),
    (128, 128, 8), (128, 256, 1), (128, 256, 2), (128, 256, 4),
)  # fmt: skip
"""(rows, columns, splits of the depth) that are tried; 19 or 30 of them fit the same rows no better."""

_ROWS, _COLUMNS, _SPLITS = (np.array(column, dtype=np.float64)[:, None] for column in zip(*TILES, strict=True))
_AREA = _ROWS * _COLUMNS
_IS_SPLIT = (_SPLITS > 1).astype(np.float64)
_ROW_CLASS = np.searchsorted((16, 32, 64), _ROWS[:, 0])  # which of rows_16, rows_32, rows_64 slows a tile; 3: none
_DEPTH_STEP = 64.0  # kernels walk the depth in steps of 64 elements or a multiple
_BLOCK = 2048  # shapes per pass: all intermediates of TILES x _BLOCK stay in a core's L2


class Reader(Protocol):
    """Something that reads a figure of the chip."""

    def __call__(self, key: str, *bounds: Resource) -> float:
        """The figure's value; `bounds` names the resources whose time it sets."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the formulas need to know of a chip, in SI.

    Attributes:
        units, clock: SMs or CUs; Hz.
        matrix, peak: achieved matrix rate on large shapes and its bound, by format, FLOP/s.
        memory, bandwidth: achieved bandwidth of the main memory and its bound, B/s.
        cache, cache_bytes: bandwidth and size of the last-level cache.
        launch: back-to-back kernel overhead inside a graph, s.
    """

    units: float
    clock: float
    matrix: Mapping[str, float]
    peak: Mapping[str, float]
    memory: float
    bandwidth: float
    cache: float
    cache_bytes: float
    launch: float


@dataclass(frozen=True, slots=True, eq=False)
class GemmRates:
    """Constants of the formulas for one chip and format, per tile shape where an array.

    Attributes:
        units: SMs or CUs.
        per_depth: seconds of one block per element of depth, matrix unit only [tiles, 1].
        per_step: least seconds of one block per element of depth: a step's latency.
        per_byte: seconds per operand byte that one unit draws.
        per_tile: seconds per block to write its results [tiles, 1].
        memory: B/s.
        resident: bytes of activations that stay in the cache; resident_weights likewise when a test repeats.
        fixed: seconds per kernel, launch included.
        merge: seconds to reduce the partial results of split-K, 0 without splits [tiles, 1].
        overlap: share of the hidden part that still shows.
        tail: how far waves are whole.
        weight_bytes, operand_bytes: bytes per stored weight and per activation operand as the unit draws it.
        quantise: seconds of a separate pass that narrows activations (0 in 16 bits or more);
            quantise_row, quantise_byte: the same per row and per byte that it moves.
        handed_bytes: bytes per element that a product takes over from the one before, and hands on.
    """

    units: float
    per_depth: Array
    per_step: float
    per_byte: float
    per_tile: Array
    memory: float
    resident: float
    resident_weights: float
    fixed: float
    merge: Array
    overlap: float
    tail: float
    weight_bytes: float
    operand_bytes: float
    quantise: float
    quantise_row: float
    quantise_byte: float
    handed_bytes: float = 2.0

    def compiled(self) -> GemmRates:
        """The same where scales are known before: operands arrive narrow, and results leave so, in 8 bits at least."""
        handed = max(1.0, self.operand_bytes)
        return replace(self, quantise=0.0, quantise_row=0.0, quantise_byte=0.0, handed_bytes=handed)


def read_facts(chip: Chip, fact: Reader, ratio: Callable[[str], float], compute: str) -> Facts:
    """Reads what the formulas need of a chip.

    Args:
        chip: the chip.
        fact: reads one of its figures; further arguments name the resources whose time it sets.
        ratio: reads a fitted ratio.
        compute: format of the matrix products; the chip's 16-bit format (`wide_format`) comes besides.
    """
    # Libraries and sustained clocks differ by vendor more than by generation: AMD's parts reach 0.5 to 0.6 of the peak.
    kin = "nvidia" if chip.vendor == "NVIDIA" else "other"
    memory = bandwidth = fact("memory.main.bandwidth", "memory")
    if "memory.main.achievable" in chip.figures:
        memory = min(memory, fact("memory.main.achievable", "memory"))
    else:
        memory *= ratio(f"achievable.memory_{kin}")
    units, clock = fact("compute.units", "compute"), fact("compute.clock", "compute")
    if "memory.cache.bandwidth" in chip.figures:
        cache = fact("memory.cache.bandwidth", "sram")
    else:
        cache = units * clock * ratio("achievable.cache")
    wide = wide_format(chip, compute)
    return Facts(
        units=units,
        clock=clock,
        matrix={name: _matrix(chip, fact, ratio, name, wide, kin) for name in {compute, wide}},
        peak={name: fact(f"peak.{name}", "compute") for name in {compute, wide}},
        memory=memory,
        bandwidth=bandwidth,
        cache=cache,
        cache_bytes=fact("memory.cache.capacity", "sram") if "memory.cache.capacity" in chip.figures else 0.0,
        launch=fact("compute.launch", "overhead"),
    )


def wide_format(chip: Chip, compute: str) -> str:
    """The chip's 16-bit matrix format, in which attention runs; the plan's own where it has none."""
    return next((name for name in ("bf16", "fp16") if f"peak.{name}" in chip.figures), compute)


def _matrix(chip: Chip, fact: Reader, ratio: Callable[[str], float], name: str, wide: str, kin: str) -> float:
    """Rate on large products.

    The peak times the share of it that the chip reached in 16 bits (its clock under load), times how much less of
    its peak a narrow format reaches. Long benchmarks throttle at the power limit where the short kernels of a step do
    not: `achievable.carry` is the exponent with which their share carries over.
    """
    peak = fact(f"peak.{name}", "compute")
    if f"achievable.{wide}" in chip.figures:
        share = min(1.0, fact(f"achievable.{wide}", "compute") / fact(f"peak.{wide}", "compute"))
        share **= ratio(f"achievable.carry_{kin}")
    else:
        share = ratio(f"achievable.matrix_{kin}")
    bits = FORMATS[name].bits
    if bits < 6:
        share *= ratio("format.fp4")
    elif bits < 10:
        share *= ratio("format.int8" if name == "int8" else "format.fp8")
    return peak * share


PARAMETERS = (
    "flop_share", "tile_area", "draw", "memory_share", "store", "kernel_cycles", "merge_cycles",
    "overlap", "tail", "resident_share", "resident_weights", "step_cycles", "rows_16", "rows_32", "rows_64",
    "quantise_cycles", "quantise_row", "quantise_traffic",
)  # fmt: skip


def gemm_rates(
    facts: Facts, coefficient: Callable[[str], float], compute: str, weight_bytes: float, operand_bytes: float
) -> GemmRates:
    """Combines a chip's facts with the fitted ratios (keys PARAMETERS) for one format."""
    c = {key: coefficient(key) for key in PARAMETERS}
    unit = facts.matrix[compute] * c["flop_share"] / facts.units
    narrow = float(operand_bytes < 2.0)
    memory = min(facts.memory * c["memory_share"], facts.bandwidth)
    slower = np.array([c["rows_16"], c["rows_32"], c["rows_64"], 1.0])[_ROW_CLASS][:, None]
    return GemmRates(
        units=facts.units,
        # Small tiles reuse each operand too little to keep the matrix unit fed.
        per_depth=2.0 * np.maximum((_AREA + c["tile_area"]) * slower / unit, _AREA * facts.units / facts.peak[compute]),
        per_step=c["step_cycles"] / (_DEPTH_STEP * facts.clock),
        per_byte=1.0 / (c["draw"] * facts.clock),
        per_tile=2.0 * _AREA / (c["store"] * facts.clock),
        memory=memory,
        resident=facts.cache_bytes * c["resident_share"],
        resident_weights=facts.cache_bytes * c["resident_weights"],
        fixed=facts.launch + c["kernel_cycles"] / facts.clock,
        merge=_IS_SPLIT * c["merge_cycles"] / facts.clock,
        overlap=c["overlap"],
        tail=c["tail"],
        weight_bytes=weight_bytes,
        operand_bytes=operand_bytes,
        quantise=narrow * c["quantise_cycles"] / facts.clock,
        quantise_row=narrow * c["quantise_row"] / facts.clock,
        quantise_byte=narrow * c["quantise_traffic"] / memory,
    )


def _one_block(
    r: GemmRates, m: Array, n: Array | float, k: Array | float, groups: float, gathered: float, copies: float | None
) -> tuple[Array, Array, Array]:
    weights = groups * n * k * r.weight_bytes
    if copies is not None:
        # A benchmark that cycles through few copies of its weights finds small ones in the cache again.
        weights = weights - weights / (1.0 + (weights * (copies / r.resident_weights)) ** 4)
    inputs = m * k * (r.handed_bytes * groups * gathered)
    spilled = np.maximum(inputs + m * n * (r.handed_bytes * groups) - r.resident, 0.0)
    memory = (weights + spilled) / r.memory
    depth = np.ceil(k / (_SPLITS * _DEPTH_STEP)) * _DEPTH_STEP
    drawn = (_ROWS * r.operand_bytes + _COLUMNS * r.weight_bytes) * depth
    block = np.maximum(depth * np.maximum(r.per_depth, r.per_step), drawn * r.per_byte) + r.per_tile
    blocks = np.ceil(m / _ROWS) * (np.ceil(n / _COLUMNS) * _SPLITS * groups)
    waves = blocks / r.units
    compute = np.maximum(waves, 1.0) * (1.0 - r.tail)
    compute += np.ceil(waves) * r.tail
    compute *= block
    total = np.minimum(compute, memory)
    total *= r.overlap
    total += np.maximum(compute, memory, out=compute)
    total += r.merge
    fixed = np.full(m.shape, r.fixed)
    if r.quantise:
        fixed += r.quantise + m * (r.quantise_row + k * (groups * (2.0 + r.operand_bytes) * r.quantise_byte))
    return total.min(axis=0), np.asarray(memory, dtype=np.float64), fixed


def gemm_seconds(
    rates: GemmRates,
    m: Array | float,
    n: Array | float,
    k: Array | float,
    groups: float = 1.0,
    gathered: float = 1.0,
    copies: float | None = None,
) -> tuple[Array, Array, Array]:
    """Times of matrix products `[m, k] @ [k, n]`, any broadcastable shapes.

    Args:
        rates: of the chip and format, see `gemm_rates`.
        m, n, k: rows, outputs and depth.
        groups: independent products side by side.
        gathered: distinct input elements per operand element (below 1 for a convolution's im2col view).
        copies: how many copies of the weights a benchmark cycles through; None in a model, whose weights
            always come from memory.

    Returns:
        Seconds of the busy part, seconds that memory alone would take, and seconds of launch and fixed
        latency; each of the broadcast shape. Total time is the first plus the third.
    """
    m = np.asarray(m, dtype=np.float64)
    if np.ndim(n) == 0 and np.ndim(k) == 0:
        shape, n, k = m.shape, float(n), float(k)
    else:
        m, n, k = np.broadcast_arrays(m, np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64))
        shape, n, k = m.shape, np.ravel(n), np.ravel(k)
    m = np.ravel(m)
    if m.size <= _BLOCK:
        parts = _one_block(rates, m, n, k, groups, gathered, copies)
    else:
        pieces = []
        for start in range(0, m.size, _BLOCK):
            piece = slice(start, start + _BLOCK)
            nn = n if isinstance(n, float) else n[piece]
            kk = k if isinstance(k, float) else k[piece]
            pieces.append(_one_block(rates, m[piece], nn, kk, groups, gathered, copies))
        parts = tuple(np.concatenate(column) for column in zip(*pieces, strict=True))  # type: ignore[assignment]
    busy, memory, fixed = (np.broadcast_to(part, m.shape).reshape(shape) for part in parts)
    return busy, memory, fixed
