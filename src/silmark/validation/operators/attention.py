"""Attention kernels: batch, prompt or context, heads, width, window and data types (aiconfigurator)."""

from __future__ import annotations

import numpy as np

from silmark.graph import Array, Attention
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, seconds

_COMMON = frozenset(
    {"system", "engine", "attn_dtype", "kv_cache_dtype", "batch_size", "num_heads", "num_key_value_heads", "head_dim"}
)
PREFILL = _COMMON | {"isl", "kv_prefix_len", "kernel_source"}
DECODE = _COMMON | {"kv_len", "kernel_source"}
_UNBOUNDED = 1e12  # a window that never cuts


def operator(
    seqs: Array, new: Array, past: Array, heads: Array, kv_heads: Array, width: Array, window: Array | None = None
) -> Attention:
    """One operator for rows of different shapes: the mechanisms broadcast over heads and widths as well."""
    shape = {"heads": heads, "kv_heads": kv_heads, "qk_dim": width, "v_dim": width, "kv_width": 2.0 * kv_heads * width}
    cut = None if window is None else np.where(window > 0, window, _UNBOUNDED)
    return Attention(name="row", seqs=seqs, new=new, past=past, window=cut, **shape)  # type: ignore[arg-type]


def decode(table: Columns) -> Draft:
    """Seconds of one new token per sequence; `kv_len` counts it."""
    return _predict(table, "decode")


def prefill(table: Columns) -> Draft:
    """Seconds of whole prompts."""
    return _predict(table, "prefill")


def _predict(table: Columns, phase: str) -> Draft:
    if phase == "decode":
        past = table.number("kv_len") - 1.0
        new = np.ones(table.rows)
    else:
        past, new = table.number("kv_prefix_len", 0.0), table.number("isl")
    names = ("batch_size", "num_heads", "num_key_value_heads", "head_dim")
    batch, heads, kv_heads, width = (table.number(name) for name in names)
    window = table.number("window_size", 0.0)

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        system, engine, kernel, dtype, cache = key
        chip = alias("hardware", system)
        formats = f"bf16:bf16:{'fp8' if cache == 'fp8' else 'bf16'}"
        shape = (batch, new, past, heads, kv_heads, width, window)
        took = seconds(
            chip,
            formats,
            operator(*(column[rows] for column in shape)),
            f"{engine}:{dtype}:{kernel}",
            phase == "decode",
        )
        return chip, f"{phase}/{dtype}-{cache}/{engine}/{kernel}", took

    return by_group(table, ("system", "engine", "kernel_source", "attn_dtype", "kv_cache_dtype"), group)
