"""Layers and attention of Llama-3.1-8B on one TPU v6e, per token count (LLMServingSim's profiles, bf16)."""

from __future__ import annotations

import numpy as np

from silmark.chips import catalog
from silmark.chips.coefficients import load
from silmark.chips.mechanisms import Placement, build
from silmark.errors import UnknownName
from silmark.formats import Precision
from silmark.graph import Array, Attention, Elementwise, Gemm, Op
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, machine, seconds
from silmark.validation.operators.widths import Widths, widths

LAYERS = frozenset({"hardware", "model", "op", "tokens", "kv_cache", "dtype"})
ATTENTION = frozenset({"hardware", "prefill_chunk_size", "kv_cache_size", "batch_size", "is_prefill"})
_MODEL = "Llama-3.1-8B"
_LIKE = {
    "o_proj": "on die/o_proj",
    "up_proj": "gemm/up_proj",
    "gate_proj": "gemm/up_proj",
    "input_layernorm": "norm",
    "post_layernorm": "norm",
}
"""Layers of one shape; the final norm is not one of them: it sees other rows."""
_ON_DIE = "o_proj"
"""The program fetches its weights while attention runs; every other product reads them from the main memory."""
_SAMPLED = ("final_layernorm", "lm_head")
"""Run on the row that is sampled alone: the final norm takes a microsecond after one token and after two thousand, as
it can only where the head behind it reads no other row either."""
_FUSED = ("rope", "act_fn")
"""Part of the kernel before them: three tokens take a sixth of a launch."""
_SCATTERED = "embedding"
"""Its rows lie scattered in the main memory and are written back to it."""


def layers(table: Columns) -> Draft:
    """Seconds of every layer but attention."""
    tokens = table.number("tokens")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, model, layer, dtype = key
        chip, formats = alias("hardware", hardware), alias("precisions", dtype)
        m = np.where(np.isnan(tokens[rows]), np.nan, 1.0) if layer in _SAMPLED else tokens[rows]
        op = _operator(widths(model), layer, m)
        took = _seconds(chip, formats, layer, op)
        return chip, f"tpu-layer/{_LIKE.get(layer, f'{op.kind}/{layer}')}", took

    return by_group(table, ("hardware", "model", "op", "dtype"), group)


def attention(table: Columns) -> Draft:
    """Seconds of attention; in decode the cache size counts the token of the step."""
    batch, cached = table.number("batch_size"), table.number("kv_cache_size")
    chunk = table.number("prefill_chunk_size", 0.0)

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, prompt = key
        w, decoding = widths(_MODEL), prompt != "True"
        op = Attention(
            name="attention", seqs=batch[rows], new=np.maximum(1.0, chunk[rows]), past=cached[rows] - decoding,
            heads=w.heads, kv_heads=w.kv_heads, qk_dim=w.head_dim, v_dim=w.head_dim,
            kv_width=2 * w.kv_heads * w.head_dim,
        )  # fmt: skip
        chip = alias("hardware", hardware)
        return chip, f"tpu-attention/{'decode' if decoding else 'prefill'}", seconds(chip, "bf16", op)

    return by_group(table, ("hardware", "is_prefill"), group)


def _seconds(chip: str, formats: str, layer: str, op: Op) -> Array:
    """Seconds of one layer as the program of this table runs it."""
    if layer == _ON_DIE:
        on_die = build(catalog.load(chip), Precision.of(formats), Placement(weights="sram"))
        return on_die.cost(op).time_s
    took = seconds(chip, formats, op)
    if layer in _FUSED:
        return took - machine(chip, formats).cost(op).parts.get("overhead", np.zeros(()))
    if layer == _SCATTERED and isinstance(op, Elementwise):
        moved = (op.read + op.write) * machine(chip, formats).precision.activation_bytes
        share = load("systolic")["memory.share"].value
        return took + op.m * (moved / (share * catalog.load(chip).si("memory.main.bandwidth")))
    return took


def _operator(w: Widths, layer: str, m: Array) -> Op:
    queries = w.heads * w.head_dim
    products = {
        "q_proj": (queries, w.hidden),
        "k_proj": (w.kv_heads * w.head_dim, w.hidden),
        "v_proj": (w.kv_heads * w.head_dim, w.hidden),
        "o_proj": (w.hidden, queries),
        "up_proj": (w.inner, w.hidden),
        "gate_proj": (w.inner, w.hidden),
        "down_proj": (w.hidden, w.inner),
        "lm_head": (w.vocab, w.hidden),
    }
    if layer in products:
        n, k = products[layer]
        return Gemm(name=layer, m=m, n=n, k=k)
    moved = {
        "input_layernorm": (w.hidden, w.hidden),
        "post_layernorm": (w.hidden, w.hidden),
        "final_layernorm": (w.hidden, w.hidden),
        "embedding": (w.hidden, w.hidden),
        "rope": (w.rotated, w.rotated),
        "act_fn": (2 * w.inner, w.inner),
    }
    if layer not in moved:
        raise UnknownName("layer", layer, (*products, *moved))
    read, write = moved[layer]
    # RMSNorm counts four operations per element in the fit; rotation is a product and a fused multiply-add.
    return Elementwise(name=layer, m=m, read=read, write=write, flops=(2 if layer == "rope" else 4) * read)
