"""Attention on a GPU: a cheap closed form for decode, tiles and waves for prefill.

Decode reads the cache once, so it is bound by memory; the parallel blocks (sequences x KV heads x splits of the
context) bound it while they are few, which is FlashDecoding's split (Dao et al., "Flash-Decoding", 2023); where
many query heads share a KV head (GQA, absorbed MLA) the matrix units can bound it. Prefill is FlashAttention-2
(Dao, arXiv:2307.08691, section 3): blocks of 128 query rows per head, whole waves, the causal triangle makes the
last block the longest. The constants are ratios fitted in `calibration.gpu_attention`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from silmark.chips.mechanisms.gpu_gemm import Facts
from silmark.graph import Array, Attention

DECODE_PARAMETERS = (
    "memory_share", "flop_share", "draw", "block_cycles", "kernel_cycles", "split_tokens", "query_traffic",
)  # fmt: skip
PREFILL_PARAMETERS = ("flop_share", "head_width", "block_cycles", "kernel_cycles", "memory_share", "tail", "overlap")

_QUERY_ROWS = 128.0  # query rows of one prefill block in every kernel family that was measured
_PACKED_ROWS = 16.0  # smallest row count of a matrix instruction
_DECODE_ROWS = 64.0  # query rows (heads of a group x new tokens) that one decode block serves
_DECODE_NEW = 8  # new tokens per sequence up to which engines run the decode kernel (speculative tokens)


@dataclass(frozen=True, slots=True)
class AttentionRates:
    """Constants of both forms for one chip.

    Attributes:
        units: SMs or CUs.
        decode_memory, prefill_memory: B/s.
        decode_matrix, prefill_matrix: FLOP/s.
        decode_draw: bytes per second of cache that one unit can walk through.
        decode_fixed, prefill_fixed: seconds per call; decode_block, prefill_block: seconds per block.
        split_tokens: tokens below which a context is not split further.
        query_traffic: bytes moved per byte of queries and outputs.
        head_width: head width at which half the prefill rate is reached.
        tail, overlap: see PREFILL_PARAMETERS' use in `prefill`.
        resident: bytes of cache that a repeating benchmark finds in the last-level cache.
    """

    units: float
    decode_memory: float
    decode_matrix: float
    decode_draw: float
    decode_fixed: float
    decode_block: float
    split_tokens: float
    query_traffic: float
    prefill_matrix: float
    prefill_memory: float
    prefill_fixed: float
    prefill_block: float
    head_width: float
    tail: float
    overlap: float


def attention_rates(facts: Facts, coefficient: Callable[[str], float], compute: str) -> AttentionRates:
    """Combines a chip's facts with the fitted ratios (`decode.*`, `prefill.*`)."""
    d = {key: coefficient(f"decode.{key}") for key in DECODE_PARAMETERS}
    p = {key: coefficient(f"prefill.{key}") for key in PREFILL_PARAMETERS}
    return AttentionRates(
        units=facts.units,
        decode_memory=facts.memory * d["memory_share"],
        decode_matrix=facts.matrix[compute] * d["flop_share"],
        decode_draw=facts.clock * d["draw"],
        decode_fixed=facts.launch + d["kernel_cycles"] / facts.clock,
        decode_block=d["block_cycles"] / facts.clock,
        split_tokens=d["split_tokens"],
        query_traffic=d["query_traffic"],
        prefill_matrix=facts.matrix[compute] * p["flop_share"],
        prefill_memory=facts.memory * p["memory_share"],
        prefill_fixed=facts.launch + p["kernel_cycles"] / facts.clock,
        prefill_block=p["block_cycles"] / facts.clock,
        head_width=p["head_width"],
        tail=p["tail"],
        overlap=p["overlap"],
    )


def decode(r: AttentionRates, op: Attention, kv_bytes: float, io_bytes: float) -> tuple[Array, Array, Array]:
    """Decode kernel: seconds of (memory, compute, overhead); the larger of the first two plus the third is the time.

    Args:
        r: constants of the chip.
        op: `new` may be above 1 (speculative tokens share one pass over the cache).
        kv_bytes: bytes per cached element.
        io_bytes: bytes per element of queries and outputs.
    """
    group = op.heads / op.kv_heads
    cached, width = op.cached(), op.qk_dim + op.v_dim
    tokens = op.seqs * cached
    query = np.minimum(op.new, _DECODE_NEW)
    io = op.heads * width * io_bytes * r.query_traffic
    memory = tokens * (op.kv_width * kv_bytes / r.decode_memory) + op.seqs * query * (io / r.decode_memory)
    rows = np.ceil(group * query / _PACKED_ROWS) * (_PACKED_ROWS * 2.0 * width * op.kv_heads / r.decode_matrix)
    compute = tokens * rows
    load = op.seqs * np.ceil(group * query / _DECODE_ROWS) * (op.kv_heads / r.units)
    walk = np.maximum(np.minimum(cached, r.split_tokens), cached * load)
    draw = op.kv_width / op.kv_heads * kv_bytes / r.decode_draw
    overhead = walk * draw + np.maximum(load, 1.0) * r.decode_block + r.decode_fixed
    return memory, compute, overhead


def prefill(r: AttentionRates, op: Attention, kv_bytes: float, io_bytes: float) -> tuple[Array, Array, Array]:
    """Prefill kernel: seconds of (memory, compute, overhead), as in `decode`."""
    width = op.qk_dim + op.v_dim
    half = width / 2.0
    unit = r.prefill_matrix / r.units * (half / (half + r.head_width))
    rows = np.ceil(op.new / _QUERY_ROWS) * _QUERY_ROWS
    per_token = 2.0 * _QUERY_ROWS * width / unit
    load = op.seqs * op.heads * rows / (_QUERY_ROWS * r.units)
    reach = op.past + rows
    longest = (reach if op.window is None else np.minimum(reach, op.window + _QUERY_ROWS)) * per_token + r.prefill_block
    even = load * (op.span() * per_token + r.prefill_block)
    compute = np.maximum(even, longest) + r.tail * np.minimum(even, longest)
    moved = op.seqs * (op.new * (op.heads * width * io_bytes) + op.cached() * (op.kv_width * kv_bytes))
    memory = moved / r.prefill_memory
    overhead = r.prefill_fixed + r.overlap * np.minimum(memory, compute)
    return memory, compute, overhead


def attention(r: AttentionRates, op: Attention, kv_bytes: float, io_bytes: float) -> tuple[Array, Array, Array]:
    """Either kernel, chosen per element by its new tokens; a prefill is never faster than the decode of it."""
    memory, compute, overhead = decode(r, op, kv_bytes, io_bytes)
    if np.all(op.new <= 1):
        return memory, compute, overhead
    pre = prefill(r, op, kv_bytes, io_bytes)
    least = np.maximum(memory, compute) + overhead
    longer = (op.new > _DECODE_NEW) & (np.maximum(pre[0], pre[1]) + pre[2] >= least)
    return (
        np.where(longer, pre[0], memory),
        np.where(longer, pre[1], compute),
        np.where(longer, pre[2], overhead),
    )
