"""Attention on a GPU: a cheap closed form for decode, tiles and waves for prefill.

Decode reads the cache once. Three things bound it: the memory, one unit's walk through its part of the cache, and
the matrix units where many query heads share a KV head (GQA, absorbed MLA). While there are fewer blocks (sequences
x KV heads) than units, the context is split between idle units, which is FlashDecoding (Dao et al.,
"Flash-Decoding", 2023), and the parts are merged afterwards. Prefill is FlashAttention-2 (Dao, arXiv:2307.08691,
section 3): blocks of 64 or 128 query rows per head, whole waves, the causal triangle makes the last block the
longest. Every score (query row times key) costs its products at the matrix rate and, for the softmax, cycles of its
unit that do not depend on that rate: chips with slow matrix units lose less than their peak says. The constants are
ratios times factors of generation, scheme and library (`gpu_kernels`), fitted in `calibration.gpu_attention`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from silmark.chips.mechanisms.gpu_gemm import Facts
from silmark.graph import Array, Attention

DECODE_PARAMETERS = (
    "memory_share", "flop_share", "score_cycles", "draw", "block_cycles", "width_cycles", "sequence_cycles",
    "merge_cycles", "kernel_cycles", "split_tokens", "lone_split", "group_limit", "query_traffic", "wave", "overlap",
    "window_tokens",
)  # fmt: skip
PREFILL_PARAMETERS = (
    "flop_share", "score_cycles", "short_rows", "block_cycles", "width_cycles", "sequence_cycles", "kernel_cycles",
    "memory_share", "kv_traffic", "tail", "overlap", "window_tokens",
)  # fmt: skip

LATENT = ("latent", "flashmla")
"""Engine and kernel of the absorbed form of latent attention, whichever engine runs it."""
_LATENT_WIDTH = 512  # latent elements from which a single KV head means the absorbed form
_QUERY_ROWS = 128.0  # query rows of one large prefill block in every kernel family that was measured
_SHORT_ROWS = 64.0  # and of a small one
_KEYS = 64.0  # keys that a block works on at once
_PACKED_ROWS = 16.0  # smallest row count of a matrix instruction
_DECODE_ROWS = 64.0  # query rows (heads of a group x new tokens) that one decode block serves
DECODE_NEW = 8  # new tokens per sequence up to which engines run the decode kernel (speculative tokens)
_CACHE_GAIN = 0.7  # share of the memory's time that a hit in the last-level cache saves in a decode kernel
_MERGED = 128.0  # tokens of a context whose doubling adds a level to the merge of splits


@dataclass(frozen=True, slots=True)
class DecodeRates:
    """Constants of the decode form for one chip, scheme and engine.

    Attributes:
        units: SMs or CUs.
        memory, matrix: B/s, FLOP/s.
        score: seconds of all units per score (padded query row times key) beside the products: the softmax.
        draw: bytes per second of cache that one unit can walk through.
        fixed, block, width, sequence, merge: seconds per call, per wave of blocks, per wave and element of head
            width, per sequence, and per doubling of the context.
        split_tokens: tokens below which a context is not split further; lone_split: times that where a KV head
            serves one query head.
        group_limit: query heads per KV head above which a kernel reads the cache once per query head.
        query_traffic: bytes moved per byte of queries and outputs.
        wave: how far waves are whole.
        overlap: share of what is hidden behind the slowest that still shows.
        window_tokens: tokens beyond a window that are read as well.
    """

    units: float
    memory: float
    matrix: float
    score: float
    draw: float
    fixed: float
    block: float
    width: float
    sequence: float
    merge: float
    split_tokens: float
    lone_split: float
    group_limit: float
    query_traffic: float
    wave: float
    overlap: float
    window_tokens: float


@dataclass(frozen=True, slots=True)
class PrefillRates:
    """Constants of the prefill form; times, rates and shares as in `DecodeRates`.

    Attributes:
        kv_memory: B/s at which keys and values pass.
        peak: FLOP/s that no width of heads exceeds.
        score: seconds of one unit per score (query row times key) for the softmax, whatever the head width.
        short_rows: rows whose time a block of 64 rows loses.
        tail: part of the shorter of even load and longest block that still shows.
    """

    units: float
    memory: float
    kv_memory: float
    matrix: float
    peak: float
    fixed: float
    block: float
    width: float
    sequence: float
    score: float
    short_rows: float
    tail: float
    overlap: float
    window_tokens: float


def decode_rates(facts: Facts, coefficient: Callable[[str], float], compute: str, scheme: str) -> DecodeRates:
    """Combines a chip's facts with the fitted ratios (keys DECODE_PARAMETERS)."""
    c = {key: coefficient(key) for key in DECODE_PARAMETERS}
    return DecodeRates(
        units=facts.units,
        memory=min(facts.memory * c["memory_share"], facts.bandwidth),
        matrix=min(facts.matrix[compute] * c["flop_share"], _peak(facts, compute, scheme)),
        score=c["score_cycles"] / (facts.clock * facts.units),
        draw=facts.clock * c["draw"],
        fixed=facts.launch + c["kernel_cycles"] / facts.clock,
        block=c["block_cycles"] / facts.clock,
        width=c["width_cycles"] / facts.clock,
        sequence=c["sequence_cycles"] / facts.clock,
        merge=c["merge_cycles"] / facts.clock,
        **{key: c[key] for key in DECODE_PARAMETERS[9:]},
    )


def prefill_rates(facts: Facts, coefficient: Callable[[str], float], compute: str, scheme: str) -> PrefillRates:
    """Combines a chip's facts with the fitted ratios (keys PREFILL_PARAMETERS)."""
    c = {key: coefficient(key) for key in PREFILL_PARAMETERS}
    memory = min(facts.memory * c["memory_share"], facts.bandwidth)
    return PrefillRates(
        units=facts.units,
        memory=memory,
        kv_memory=min(memory / c["kv_traffic"], facts.bandwidth),
        matrix=facts.matrix[compute] * c["flop_share"],
        peak=_peak(facts, compute, scheme),
        fixed=facts.launch + c["kernel_cycles"] / facts.clock,
        block=c["block_cycles"] / facts.clock,
        width=c["width_cycles"] / facts.clock,
        sequence=c["sequence_cycles"] / facts.clock,
        score=c["score_cycles"] / facts.clock,
        **{key: c[key] for key in ("short_rows", "tail", "overlap", "window_tokens")},
    )


def _peak(facts: Facts, compute: str, scheme: str) -> float:
    return facts.peak[compute] * (2.0 if scheme == "fp8" else 1.0)  # 8-bit products run at twice the 16-bit rate


def decode(r: DecodeRates, op: Attention, kv_bytes: float, io_bytes: float) -> tuple[Array, Array, Array]:
    """Decode kernel: seconds of (memory, compute, overhead); the larger of the first two plus the third is the time.

    Args:
        r: constants of the chip.
        op: `new` may be above 1 (speculative tokens share one pass over the cache).
        kv_bytes: bytes per cached element.
        io_bytes: bytes per element of queries and outputs.
    """
    group = np.where(op.heads / op.kv_heads > r.group_limit, 1.0, op.heads / op.kv_heads)
    blocks = op.heads / group
    cached = op.past + op.new
    if op.window is not None:
        cached = np.minimum(cached, op.window + op.new - 1.0 + r.window_tokens)
    width, tokens = op.qk_dim + op.v_dim, op.seqs * cached
    query = np.minimum(op.new, DECODE_NEW)
    io = op.heads * width * io_bytes * r.query_traffic
    memory = tokens * (op.kv_width * kv_bytes / r.memory) + op.seqs * query * (io / r.memory)
    rows = np.ceil(group * query / _PACKED_ROWS) * (_PACKED_ROWS * blocks * (2.0 * width / r.matrix + r.score))
    compute = tokens * rows
    load = op.seqs * np.ceil(group * query / _DECODE_ROWS) * (blocks / r.units)
    waves = np.maximum(load, 1.0) * (1.0 - r.wave) + np.ceil(load) * r.wave
    least = r.split_tokens * np.where(group > 1.0, 1.0, r.lone_split)
    walked = np.where(load < 1.0, np.maximum(cached * load, np.minimum(cached, least)), cached * waves)
    walk = walked * (op.kv_width / op.kv_heads * kv_bytes / r.draw)
    hidden = memory + compute + walk
    memory = np.maximum(memory, walk)
    hidden = hidden - np.maximum(memory, compute)
    overhead = waves * (r.block + width / 2.0 * r.width) + op.seqs * r.sequence + r.fixed
    return memory, compute, overhead + r.overlap * hidden + r.merge * np.log2(1.0 + cached / _MERGED)


def repeated(r: DecodeRates, op: Attention, kv_bytes: float, resident: float, memory: Array) -> Array:
    """Memory time of a decode that a benchmark repeats on the same KV.

    Args:
        r: constants of the chip.
        op: the operator.
        kv_bytes: bytes per cached element.
        resident: bytes of KV that stay in the last-level cache.
        memory: what `decode` gave.
    """
    kv = op.seqs * op.cached() * (op.kv_width * kv_bytes)
    hit = _CACHE_GAIN / (1.0 + (kv / resident) ** 4)
    return np.asarray(memory - hit * np.minimum(memory, kv / r.memory))


def prefill(r: PrefillRates, op: Attention, kv_bytes: float, io_bytes: float) -> tuple[Array, Array, Array]:
    """Prefill kernel: seconds of (memory, compute, overhead), as in `decode`."""
    if op.window is not None:
        op = replace(op, window=op.window + r.window_tokens)  # type: ignore[arg-type]
    width = op.qk_dim + op.v_dim
    half, span = width / 2.0, np.maximum(op.span(), _KEYS)
    each = 2.0 * width * (r.units / min(r.matrix, r.peak)) + r.score
    block = r.block + half * r.width
    compute: Array = np.full((), np.inf)
    for size, lost in ((_SHORT_ROWS, r.short_rows), (_QUERY_ROWS, 0.0)):
        rows = np.ceil(op.new / size) * size
        per_key = (size + lost) * each
        load = op.seqs * op.heads * rows / (size * r.units)
        reach = op.past + rows
        longest = (reach if op.window is None else np.minimum(reach, op.window + size)) * per_key + block
        even = load * (span * per_key + block)
        ragged = r.tail * longest * (1.0 - 1.0 / np.maximum(load, 1.0))
        compute = np.minimum(compute, np.maximum(even + ragged, longest))
    kv = op.seqs * op.cached() * (op.kv_width * kv_bytes / r.kv_memory)
    memory = op.seqs * op.new * (op.heads * width * io_bytes / r.memory) + kv
    overhead = r.fixed + op.seqs * r.sequence + r.overlap * np.minimum(memory, compute)
    return memory, compute, overhead


def absorbed(op: Attention) -> bool:
    """Whether the operator is latent attention in absorbed form: all query heads on one wide latent head."""
    return bool(np.all(op.kv_heads == 1) and np.all(op.v_dim >= _LATENT_WIDTH))


def attention(
    rates: tuple[DecodeRates, DecodeRates, PrefillRates], op: Attention, kv_bytes: float, io_bytes: float
) -> tuple[Array, Array, Array]:
    """Either kernel, chosen per element by its new tokens; a prefill is never faster than the decode of it.

    Args:
        rates: of decode, of decode in absorbed latent form, and of prefill.
        op: the operator.
        kv_bytes, io_bytes: bytes per cached element, and per element of queries and outputs.
    """
    memory, compute, overhead = decode(rates[1] if absorbed(op) else rates[0], op, kv_bytes, io_bytes)
    if np.all(op.new <= 1):
        return memory, compute, overhead
    pre = prefill(rates[2], op, kv_bytes, io_bytes)
    least = np.maximum(memory, compute) + overhead
    longer = (op.new > DECODE_NEW) & (np.maximum(pre[0], pre[1]) + pre[2] >= least)
    return (
        np.where(longer, pre[0], memory),
        np.where(longer, pre[1], compute),
        np.where(longer, pre[2], overhead),
    )
