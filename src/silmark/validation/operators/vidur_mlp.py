"""Layers of dense decoders without attention: products with m, n, k; element-wise kernels with m, n (vidur)."""

from __future__ import annotations

from silmark.graph import Array, Elementwise
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm, seconds

COLUMNS = frozenset({"hardware", "model", "op", "m", "n", "k", "tp", "dtype"})
ENGINE = "vidur:bfloat16:torch"
"""Whose kernels ran: PyTorch's of 2023."""
_PASSES = {
    "add": (2, 1),
    "attn_rope": (2, 2),
    "emb": (1, 1),
    "input_layernorm": (1, 1),
    "post_attention_layernorm": (1, 1),
    "mlp_act": (2, 1),
}
"""Times that n elements per token are read and written."""


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    m, n, k = (table.number(name) for name in "mnk")
    ways = table.number("tp", 1.0)

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, op, dtype = key
        chip, formats = alias("hardware", hardware), alias("precisions", dtype)
        if op not in _PASSES:
            return chip, f"vidur/product/{op}", gemm(chip, formats, m[rows], n[rows], k[rows], engine=ENGINE)
        reads, writes = _PASSES[op]
        width = n[rows] / (ways[rows] if op in ("mlp_act", "attn_rope") else 1.0)
        moved = Elementwise(name=op, m=m[rows] * width, read=reads, write=writes, flops=4 * reads)
        return chip, f"vidur/element-wise/{op}", seconds(chip, formats, moved)

    return by_group(table, ("hardware", "op", "dtype"), group)
