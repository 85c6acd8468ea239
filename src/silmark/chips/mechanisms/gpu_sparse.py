"""Sparse attention and delta rules on a GPU: indexers, attention over chosen tokens, gated delta nets.

An indexer (DeepSeek Sparse Attention, arXiv:2512.02556, section 2.1) scores every cached key for every query in 8
bits, writes the scores and picks the highest: its time grows with the context. Attention over the chosen tokens
gathers their latents one by one, so that its time does not: each query walks its own `selected` places, 64 query
heads at a time, which is how FlashMLA's sparse kernels work. The delta rule (Yang et al., arXiv:2412.06464) reads and
writes its state once per sequence in decode; over a prompt five kernels hand chunks to each other through memory.
The shares are fitted in `calibration.gpu_sparse`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from silmark.chips.mechanisms.gpu_attention import DECODE_NEW, DecodeRates, decode
from silmark.chips.mechanisms.gpu_gemm import Facts
from silmark.graph import Array, Attention, Scan

CHUNK_KERNELS = ("kkt", "tril", "wu", "chunk_gdn", "chunk_o")
"""Kernels of a prompt: keys times keys, inverse of that triangle, its products with keys and values, the states of
all chunks one after another, outputs (the reference kernels of arXiv:2412.06464)."""
_HEADS = 64.0  # query heads that one block serves; fewer are padded
_SCORE = 4.0  # bytes of a score
_PASSES = 2.0  # times that the choice of the highest reads the scores: a histogram, then the pick
_STATE = 4.0  # bytes per element of the triangle before its inverse


@dataclass(frozen=True, slots=True)
class SparseRates:
    """Constants for one chip.

    Attributes:
        units: SMs or CUs.
        memory: B/s at which gathered rows and scores pass.
        cache: B/s of the last-level cache.
        matrix, narrow: FLOP/s over chosen tokens, from a cache of 16 and of fewer bits.
        scores: FLOP/s of an indexer.
        draw: B/s at which one unit reads the scores of one query.
        fixed, merge: seconds per kernel, and per merge of partial results.
    """

    units: float
    memory: float
    cache: float
    matrix: float
    narrow: float
    scores: float
    draw: float
    fixed: float
    merge: float


def sparse_rates(
    facts: Facts, latent: DecodeRates, wide: float, eight: float, ratio: Callable[[str], float]
) -> SparseRates:
    """Combines a chip's facts with the fitted shares.

    Args:
        facts: of the chip.
        latent: constants of latent attention, whose launch and merge sparse kernels share.
        wide, eight: peaks of the matrix units in 16 and in 8 bits, FLOP/s.
        ratio: reads a fitted share.
    """
    return SparseRates(
        units=facts.units,
        memory=facts.bandwidth * ratio("select.memory_share"),
        cache=facts.cache,
        matrix=wide * ratio("select.flop_share"),
        narrow=wide * ratio("select.narrow_share"),
        scores=eight * ratio("index.flop_share"),
        draw=facts.clock * ratio("index.draw"),
        fixed=latent.fixed,
        merge=latent.merge,
    )


def chosen(
    r: SparseRates, dense: DecodeRates, op: Attention, kv_bytes: float, io_bytes: float
) -> tuple[Array, Array, Array]:
    """Attention over chosen tokens: seconds of (memory, compute, overhead), as in `gpu_attention.decode`.

    Places that a short context leaves empty are walked all the same. In decode nothing is faster than the dense
    kernel over as many tokens in a row.

    Args:
        r: constants of the chip.
        dense: those of the dense decode kernel for such heads.
        op: the operator.
        kv_bytes, io_bytes: bytes per cached element, and per element of queries and outputs.
    """
    places = float(op.selected or 0)
    queries = op.seqs * op.new
    rows = np.ceil(op.heads / op.kv_heads / _HEADS) * (_HEADS * op.kv_heads)
    width = op.qk_dim + op.v_dim
    gathered = queries * (places * op.kv_width * kv_bytes)
    distinct = op.seqs * np.minimum(op.held(), op.new * places) * (op.kv_width * kv_bytes)
    io = queries * (op.heads * width * io_bytes)
    memory = np.maximum((distinct + io) / r.memory, gathered / r.cache)
    compute = queries * (places * 2.0 * rows * width / (r.narrow if kv_bytes < 2.0 else r.matrix))
    overhead = np.broadcast_to(np.asarray(r.fixed + r.merge), np.shape(compute))
    few = op.new <= DECODE_NEW
    if not np.any(few):
        return memory, compute, overhead
    alone = replace(op, seqs=queries, new=np.ones(()), past=np.asarray(places - 1.0), selected=None)
    least = decode(dense, alone, kv_bytes, io_bytes)
    memory, compute, overhead = (
        np.where(few, np.maximum(own, bound), own)
        for own, bound in zip((memory, compute, overhead), least, strict=True)
    )
    return memory, compute, overhead


def scores(r: SparseRates, op: Attention, kv_bytes: float) -> tuple[Array, Array, Array]:
    """An indexer's scores, written to memory: seconds of (memory, compute, overhead)."""
    pairs = op.seqs * op.new * op.span()
    memory = (op.seqs * op.cached() * (op.kv_width * kv_bytes) + pairs * _SCORE) / r.memory
    compute = pairs * (2.0 * op.heads * op.qk_dim / r.scores)
    return memory, compute, np.broadcast_to(np.asarray(r.fixed), np.shape(compute))


def choice(r: SparseRates, op: Attention) -> Array:
    """Seconds of picking the highest scores: one unit per query reads them twice."""
    queries, span = op.seqs * op.new, op.span()
    walked = np.ceil(queries / r.units) * span * (_PASSES * _SCORE / r.draw)
    return np.asarray(np.maximum(walked, queries * span * (_PASSES * _SCORE / r.memory)) + r.fixed)


def index(r: SparseRates, op: Attention, kv_bytes: float) -> tuple[Array, Array, Array]:
    """A whole indexer: scores, then the choice, which counts as memory's time."""
    memory, compute, overhead = scores(r, op, kv_bytes)
    bound = memory >= compute
    picked = choice(r, op)
    # Two kernels one after another: the choice adds to whatever bounds the scores.
    return np.where(bound, memory + picked, memory), np.where(bound, compute, compute + picked), overhead


def update_bytes(op: Scan) -> Array:
    """Bytes of a decode step of the delta rule: the state of every sequence, read and written."""
    return np.asarray(op.seqs * (2.0 * op.elements * op.state_bytes(_STATE)))


def chunk_bytes(op: Scan, element: float) -> dict[str, Array]:
    """Bytes that every kernel of a prompt reads and writes.

    Keys of `state`, values of `head_dim`, triangles of `chunk` per token and head; states once per chunk.

    Args:
        op: the scan, chunk above 1.
        element: bytes per activation.
    """
    key, value, tokens = float(op.state), float(op.head_dim), op.m * float(op.heads)
    states = key * value / op.chunk * element
    per_token = {
        "kkt": key * element + op.chunk * _STATE,
        "tril": op.chunk * (_STATE + element),
        "wu": (2.0 * key + 2.0 * value + op.chunk) * element,
        "chunk_gdn": (2.0 * key + 2.0 * value) * element + states,
        "chunk_o": (2.0 * key + 2.0 * value) * element + states,
    }
    return {name: np.asarray(tokens * per_token[name]) for name in CHUNK_KERNELS}


def delta(op: Scan, element: float, bandwidth: float, ratio: Callable[[str], float]) -> tuple[Array, int]:
    """A delta rule: seconds of the memory, and how many kernels run.

    Args:
        op: the scan.
        element: bytes per activation.
        bandwidth: peak of the main memory, B/s.
        ratio: reads a fitted share.
    """
    if op.chunk <= 1:
        return update_bytes(op) / (bandwidth * ratio("delta.update_share")), 1
    moved = sum(chunk_bytes(op, element).values(), np.zeros(()))
    states = update_bytes(op)  # loaded before the first chunk and stored after the last
    return (moved + states) / (bandwidth * ratio("delta.chunk_share")), len(CHUNK_KERNELS)
