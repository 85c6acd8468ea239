"""Layers but attention of served models on workstation cards (LLMServingSim's profiles, vLLM kernels, bf16)."""

from __future__ import annotations

import numpy as np

from silmark.errors import UnknownName
from silmark.graph import Array, Elementwise, Experts
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm, seconds, whole
from silmark.validation.operators.widths import Widths, widths

COLUMNS = frozenset({"hardware", "model", "tp", "table", "layer", "tokens", "sequences", "activated_experts"})
_FORMATS = "bf16"
_ENGINE = "vllm:bfloat16:torch.nn.functional.linear"
_ROUTED = "vllm:bfloat16:vllm_unquantizedfusedmoe_triton_tritonexperts"
_PRODUCTS = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head")


def predict(table: Columns) -> Draft:
    """Seconds of every layer but attention; `lm_head` and `sampler` run on sequences."""
    sequences, experts = table.number("sequences"), table.number("activated_experts")
    m = np.where(np.isnan(sequences), table.number("tokens"), sequences)

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, name, tp, kind, layer = key
        chip, w, ways = alias("hardware", hardware), widths(name), whole("tp", tp)
        if kind == "moe":
            return chip, "served-layer/experts", _experts(chip, w, ways, m[rows], experts[rows])
        if layer in _PRODUCTS:
            n, k = _shape(w, layer, ways)
            return chip, f"served-layer/product/{layer}", gemm(chip, _FORMATS, m[rows], n, k, engine=_ENGINE)
        read, write = _moved(w, layer, ways)
        op = Elementwise(name=layer, m=m[rows], read=read, write=write, flops=4 * read)
        return chip, f"served-layer/element-wise/{layer}", seconds(chip, _FORMATS, op)

    return by_group(table, ("hardware", "model", "tp", "table", "layer"), group)


def _shape(w: Widths, layer: str, ways: int) -> tuple[float, float]:
    """Outputs and depth of a product on one of so many chips."""
    queries = w.heads * w.head_dim / ways
    cached = max(1.0, w.kv_heads / ways) * w.head_dim
    return {
        "qkv_proj": (queries + 2 * cached, float(w.hidden)),
        "o_proj": (float(w.hidden), queries),
        "gate_up_proj": (2.0 * w.inner / ways, float(w.hidden)),
        "down_proj": (float(w.hidden), w.inner / ways),
        "lm_head": (w.vocab / ways, float(w.hidden)),
    }[layer]


def _moved(w: Widths, layer: str, ways: int) -> tuple[int, int]:
    """Elements that one row reads and writes."""
    moved = {
        "embedding": (w.hidden, w.hidden),
        "layernorm": (2 * w.hidden, 2 * w.hidden),
        "final_layernorm": (2 * w.hidden, 2 * w.hidden),
        "act_fn": (2 * w.inner // ways, w.inner // ways),
        "rotary_emb": (w.rotated // ways, w.rotated // ways),
        "qk_norm": (w.rotated // ways, w.rotated // ways),
        "sampler": (4 * w.vocab, 2 * w.vocab),
    }
    if layer not in moved:
        raise UnknownName("layer", layer, (*_PRODUCTS, *moved))
    return moved[layer]


def _experts(chip: str, w: Widths, ways: int, m: Array, activated: Array) -> Array:
    """The routed MLPs that a step touched: as if there were no others."""
    if w.experts is None:
        raise UnknownName("layer", "moe", _PRODUCTS, hint="the model has no routed experts")
    op = Experts(
        name="experts", m=m, experts=activated, top_k=np.minimum(w.experts.top_k, activated),  # type: ignore[arg-type]
        hidden=w.hidden, inner=w.experts.inner // ways,
    )  # fmt: skip
    return seconds(chip, _FORMATS, op, _ROUTED)
