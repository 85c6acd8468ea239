"""Host time per step: what whole generations of one H100 took beyond the sum of their kernels.

Public rows of Argonne's LLM-Inference-Bench at batch 1 (latency of a whole batch, as many tokens out as in), for
three dense models and two engines. The engines are of 2024; newer ones prepare the next step while one runs.
"""

from __future__ import annotations

import numpy as np

from silmark.calibration import rows
from silmark.calibration.points import Leaf, leaf
from silmark.chips import catalog
from silmark.chips.mechanisms.base import Placement
from silmark.chips.mechanisms.gpu import Gpu
from silmark.formats import Precision
from silmark.graph import Array, Attention, Elementwise, Gemm, Op

_HEAD, _HEADS, _LAYERS = 128, 32, 32
_SIZES = {
    "meta-llama/Llama-2-7b-hf": (4096, 32, 11008, 32000),
    "meta-llama/Meta-Llama-3-8B": (4096, 8, 14336, 128256),
    "mistralai/Mistral-7B-v0.1": (4096, 8, 14336, 32000),
}
"""Model -> hidden width, KV heads, inner width, vocabulary, from the models' published configurations."""


def kernels(model: str, new: Array, past: Array) -> tuple[Op, ...]:
    """The kernels of one step of one sequence."""
    hidden, kv_heads, inner, vocabulary = _SIZES[model]
    m = np.asarray(new, dtype=np.float64)
    width = (_HEADS + 2 * kv_heads) * _HEAD
    return (
        Gemm(name="qkv", m=m, n=width, k=hidden, count=_LAYERS),
        Elementwise(name="rope", m=m, read=width, write=width, flops=4 * width, count=_LAYERS),
        Attention(
            name="attention", seqs=np.ones(()), new=m, past=past, heads=_HEADS, kv_heads=kv_heads, qk_dim=_HEAD,
            v_dim=_HEAD, kv_width=2 * kv_heads * _HEAD, count=_LAYERS,
        ),
        Gemm(name="out", m=m, n=hidden, k=_HEADS * _HEAD, count=_LAYERS),
        Gemm(name="up", m=m, n=2 * inner, k=hidden, count=_LAYERS),
        Elementwise(name="gate", m=m, read=2 * inner, write=inner, flops=8 * inner, count=_LAYERS),
        Gemm(name="down", m=m, n=hidden, k=inner, count=_LAYERS),
        Elementwise(name="norm", m=m, read=2 * hidden, write=2 * hidden, flops=6 * hidden, count=2 * _LAYERS),
        Gemm(name="head", m=np.ones(m.shape), n=vocabulary, k=hidden),
    )  # fmt: skip


def seconds(chip: Gpu, model: str, new: Array, past: Array) -> Array:
    """Sum of the kernels' times."""
    total: Array = np.zeros(())
    for op in kernels(model, new, past):
        total = total + chip.cost(op).time_s
    return total


def run() -> Leaf:
    """Median, 10 % and 90 % quantile of the time per step that no kernel explains."""
    chip = Gpu(catalog.load(rows.CHIPS["h100_sxm"]), Precision.of("fp16"), Placement())
    rest = []
    for row in rows.table("argonne_llm_inference_bench"):
        usual = row["hardware"] == "H100-SXM-80GB" and row["batch"] == "1" and row["n_devices"] == "1"
        if not usual or row["flag"] or row["model"] not in _SIZES or row["engine"] not in ("vLLM", "TensorRT-LLM"):
            continue
        tokens, steps = float(row["isl"]), float(row["osl"])
        first = seconds(chip, row["model"], np.array(tokens), np.zeros(()))
        later = seconds(chip, row["model"], np.ones(()), tokens + np.arange(1.0, steps)).sum()
        rest.append((float(row["value"]) - float(first) - float(later)) / steps)
    low, mid, high = np.quantile(rest, (0.1, 0.5, 0.9)) * 1e3
    return leaf(
        float(mid), float(max(low, 0.05)), float(high), "ms", source="argonne-llm-inference-bench", grade="derived",
        note=f"per step beyond the kernels at batch 1, {len(rest)} generations of vLLM and TensorRT-LLM on H100, 2024",
    )  # fmt: skip
