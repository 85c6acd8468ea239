"""Attention of a piece of a prompt and of decoding sequences in one call (LLMServingSim's profiles, vLLM, bf16).

A call without a prompt runs the decode kernel. One with a prompt runs FlashAttention-2's kernel for ragged batches
(Dao, arXiv:2307.08691, section 3.2) on everything: every sequence and query head is at least one block of 64 query
rows that walks through its whole context alone, so a decoding sequence computes 63 rows in vain, shares no read with
the other heads of its group unless they happen to run at the same time, and is not split. Rates are those that the
chip's mechanism reaches on large shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from silmark.chips import catalog
from silmark.graph import Array
from silmark.validation.operators.attention import operator
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, seconds, whole
from silmark.validation.operators.widths import widths

COLUMNS = frozenset({"hardware", "model", "tp", "prefill_chunk", "kv_prefill", "n_decode", "kv_decode"})
_FORMATS = "bf16"
_ENGINE = "vllm::vllm_flash_attn"
_BYTES = 2.0
_TILE = 64.0  # query rows of a block at head widths up to 128 on chips without Hopper's instructions
_LONG, _MANY, _SHORT = 16384.0, 256.0, 16.0  # shapes that show a rate, and one that shows the cost of a block


@dataclass(frozen=True, slots=True)
class Shape:
    """Heads of one chip's share of a layer."""

    heads: float
    kv_heads: float
    width: float

    def seconds(self, chip: str, seqs: Array | float, new: Array | float, past: Array | float) -> Array:
        """Seconds of the mechanism for sequences that are all alike."""
        size = np.ones(np.broadcast_shapes(np.shape(seqs), np.shape(new), np.shape(past)))
        columns = (seqs, new, past, self.heads, self.kv_heads, self.width)
        return seconds(chip, _FORMATS, operator(*(size * column for column in columns)), _ENGINE)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one chip reaches.

    Attributes:
        units: SMs; cache: bytes that the last-level cache holds.
        token: seconds in which one unit walks over one token of context with one tile of queries.
        block: seconds per block beside that; fixed: per call.
        memory: B/s.
    """

    units: float
    cache: float
    token: float
    block: float
    fixed: float
    memory: float


@cache
def rates(chip: str, shape: Shape) -> Rates:
    """Rates of large shapes, and what remains of small ones."""
    found = catalog.load(chip)
    units = found.si("compute.units")
    fixed = float(shape.seconds(chip, 1.0, 1.0, 0.0))
    long = float(shape.seconds(chip, 1.0, _LONG, 0.0)) - fixed
    many = float(shape.seconds(chip, _MANY * units / shape.heads, _SHORT, 0.0)) - fixed
    reading = float(shape.seconds(chip, _MANY, 1.0, _LONG)) - fixed
    return Rates(
        units=units,
        cache=found.si("memory.cache.capacity", 0.0),
        token=long * units * _TILE / (shape.heads * _LONG**2 / 2.0),
        block=many / _MANY,
        fixed=fixed,
        memory=_MANY * _LONG * 2.0 * shape.kv_heads * shape.width * _BYTES / reading,
    )


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    chunk, before = table.number("prefill_chunk", 0.0), table.number("kv_prefill", 0.0)
    batch, context = table.number("n_decode", 0.0), table.number("kv_decode", 0.0)
    alone = ["decode" if size == 0 else "ragged" for size in chunk.tolist()]
    table = table.having("prompt", alone)

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, name, tp, kernel = key
        chip, w, ways = alias("hardware", hardware), widths(name), whole("tp", tp)
        shape = Shape(w.heads / ways, max(1.0, w.kv_heads / ways), float(w.head_dim))
        if kernel == "decode":
            took = shape.seconds(chip, batch[rows], 1.0, np.maximum(0.0, context[rows] - 1.0))
        else:
            took = ragged(rates(chip, shape), shape, chunk[rows], before[rows], batch[rows], context[rows])
        return chip, f"mixed-attention/{kernel}", took

    return by_group(table, ("hardware", "model", "tp", "prompt"), group)


def ragged(r: Rates, shape: Shape, chunk: Array, before: Array, batch: Array, context: Array) -> Array:
    """Seconds of one kernel over `chunk` queries after `before` tokens and `batch` single queries over `context`."""
    tiles = np.ceil(chunk / _TILE) * shape.heads
    singles = batch * shape.heads
    walked = tiles * (before + chunk / 2.0) + singles * context
    even = (walked * r.token + (tiles + singles) * r.block) / r.units
    longest = np.maximum(before + chunk, np.where(batch > 0, context, 0.0)) * r.token + r.block
    compute = np.maximum(even, longest)
    each = 2.0 * shape.width * _BYTES
    group = shape.heads / shape.kv_heads
    # Heads of a group run side by side only while all sequences of that many heads are in flight.
    repeated = np.where(batch * context * each < r.cache, 1.0, group / np.clip(r.units / batch, 1.0, group))
    memory = shape.kv_heads * each * (batch * context * repeated + before + chunk) / r.memory
    return r.fixed + np.maximum(compute, memory)
