"""Fits attention on GPUs: public kernel timings of A100, H100 and B200 under three engines, some of H20 and RTX 4090.

Triton kernels (fallbacks for head sizes that the engines' own kernels lack) get factors of their own and stay out of
everything wider; so does A100 with TensorRT-LLM in decode, whose rows imply up to 1.65 times the peak of the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from silmark.calibration import rows
from silmark.calibration.gpu_gemm import chip_facts
from silmark.calibration.gpu_tree import Part, Table
from silmark.calibration.robust import Fit, Group, fit
from silmark.chips.mechanisms.gpu_attention import LATENT, decode, decode_rates, prefill, prefill_rates, repeated
from silmark.formats import Precision
from silmark.graph import Array, Attention

DECODE_START = {
    "decode.memory_share": 0.95, "decode.flop_share": 0.8, "decode.score_cycles": 0.7,
    "decode.draw": 25.0, "decode.block_cycles": 1000.0,
    "decode.width_cycles": 5.0, "decode.sequence_cycles": 5.0, "decode.merge_cycles": 500.0,
    "decode.kernel_cycles": 12000.0, "decode.split_tokens": 512.0, "decode.query_traffic": 3.0, "decode.wave": 0.5,
    "decode.overlap": 0.2, "decode.window_tokens": 64.0, "decode.resident": 0.5,
}  # fmt: skip
DECODE_BOUNDS = {
    "decode.memory_share": (0.5, 1.0), "decode.flop_share": (0.3, 1.2), "decode.score_cycles": (0.05, 5.0),
    "decode.resident": (0.05, 2.0),
    "decode.wave": (0.01, 1.0), "decode.overlap": (0.01, 1.0), "decode.draw": (5.0, 200.0),
    "decode.split_tokens": (64.0, 8000.0),
}  # fmt: skip
DECODE_FACTS = {"decode.group_limit": 1e4, "decode.lone_split": 1.0}
DECODE_PRESETS = {
    "torch_flow": {"group_limit": 32.0 / 1e4},
    "vllm_flash_attn": {"lone_split": 1e6},
}
"""Kernel -> what its code says, as factors: TensorRT-LLM shares one pass among at most 32 query heads; vLLM's
FlashAttention-2 splits a context only where query heads share a KV head."""
PREFILL_START = {
    "prefill.flop_share": 1.0, "prefill.score_cycles": 0.1, "prefill.short_rows": 64.0, "prefill.block_cycles": 3900.0,
    "prefill.width_cycles": 5.0, "prefill.sequence_cycles": 20.0, "prefill.kernel_cycles": 14000.0,
    "prefill.memory_share": 0.5, "prefill.kv_traffic": 1.0, "prefill.tail": 0.5, "prefill.overlap": 0.9,
    "prefill.window_tokens": 64.0,
}  # fmt: skip
PREFILL_BOUNDS = {
    "prefill.flop_share": (0.3, 1.5), "prefill.memory_share": (0.2, 1.0), "prefill.tail": (0.01, 1.0),
    "prefill.overlap": (0.01, 1.0),
}  # fmt: skip
_UNBOUNDED = 1e12  # a window that never cuts


def operator(some: list[rows.Row], queries: Array, past: Array) -> Attention:
    """One operator for rows of different sizes: the formulas broadcast over heads and widths as well."""
    width = rows.numbers(some, "head_dim")
    window = rows.numbers(some, "window_size")
    heads, kv_heads = rows.numbers(some, "num_heads"), rows.numbers(some, "num_key_value_heads")
    return _operator(rows.numbers(some, "batch_size"), queries, past, heads, kv_heads, width, window)


def _operator(
    seqs: Array, new: Array, past: Array, heads: Array, kv_heads: Array, width: Array, window: Array
) -> Attention:
    return Attention(
        name="row",
        seqs=seqs,
        new=new,
        past=past,
        heads=heads,  # type: ignore[arg-type]
        kv_heads=kv_heads,  # type: ignore[arg-type]
        qk_dim=width,  # type: ignore[arg-type]
        v_dim=width,  # type: ignore[arg-type]
        kv_width=2.0 * kv_heads * width,  # type: ignore[arg-type]
        window=np.where(window > 0, window, _UNBOUNDED),  # type: ignore[arg-type]
    )


def _decode(parameters: Mapping[str, float], chip: str, op: Attention, precision: Precision, scheme: str) -> Array:
    facts = chip_facts(chip, "bf16", parameters)
    r = decode_rates(facts, lambda key: parameters[f"decode.{key}"], "bf16", scheme)
    memory, compute, overhead = decode(r, op, precision.kv_bytes, precision.activation_bytes)
    memory = repeated(r, op, precision.kv_bytes, facts.cache_bytes * parameters["decode.resident"], memory)
    return np.asarray(np.maximum(memory, compute) + overhead)


def _prefill(parameters: Mapping[str, float], chip: str, op: Attention, precision: Precision, scheme: str) -> Array:
    facts = chip_facts(chip, "bf16", parameters)
    r = prefill_rates(facts, lambda key: parameters[f"prefill.{key}"], "bf16", scheme)
    memory, compute, overhead = prefill(r, op, precision.kv_bytes, precision.activation_bytes)
    return np.asarray(np.maximum(memory, compute) + overhead)


_PREDICT = {"decode": _decode, "prefill": _prefill}


def tables(phase: str, part: slice = slice(None)) -> list[Table]:
    """All tables of `decode` or `prefill`; `part` picks some rows of each."""
    keys = ("system", "engine", "kernel_source", "attn_dtype", "kv_cache_dtype")
    found = []
    for key, whole in rows.grouped(list(rows.table(f"ops_attention_{phase}_aiconfigurator")), *keys).items():
        (system, engine, kernel, dtype, kv), some = key, whole[part]
        if not some:
            continue
        if phase == "decode":
            op = operator(some, np.ones(len(some)), rows.numbers(some, "kv_len") - 1.0)
        else:
            op = operator(some, rows.numbers(some, "isl"), rows.numbers(some, "kv_prefix_len"))
        scheme = "fp8" if dtype == "fp8" else "kv8" if kv == "fp8" else "bfloat16"
        doubted = phase == "decode" and (system, engine) == ("a100_sxm", "trtllm")
        pooled = "triton" not in kernel and not doubted
        found.append(_table(phase, rows.CHIPS[system], scheme, engine, kernel, op, some, pooled))
    return found + _latent(phase, part) + _consumer(phase, part) + _grouped(phase, part)


def _consumer(phase: str, part: slice) -> list[Table]:
    """Llama-3.1-8B on RTX 4090 (LLMServingSim): calls that only decode, or only hold a piece of one prompt."""
    other = "prefill_chunk" if phase == "decode" else "n_decode"
    some = [r for r in rows.table("ops_rtx_attention_llmservingsim") if not float(r[other] or 0.0)][part]
    if not some:
        return []
    one = np.ones(len(some))
    if phase == "decode":
        seqs, new, past = rows.numbers(some, "n_decode"), one, np.maximum(rows.numbers(some, "kv_decode") - 1.0, 0.0)
    else:
        seqs, new, past = one, rows.numbers(some, "prefill_chunk"), rows.numbers(some, "kv_prefill")
    op = _operator(seqs, new, past, 32.0 * one, 8.0 * one, 128.0 * one, 0.0 * one)
    return [_table(phase, rows.CHIPS["RTX4090"], "bfloat16", "vllm", "vllm_flash_attn", op, some, pooled=True)]


def _latent(phase: str, part: slice) -> list[Table]:
    """Absorbed latent attention: FlashMLA on H20 (InferSim), one latent head for all query heads."""
    mla = [r for r in rows.table("ops_infersim_h20_h800") if r["kind"] == "mla" and r["time_us"]][part]
    if phase == "prefill" or not mla:
        return []
    heads, latent, rope = (int(size) for size in mla[0]["config"].split("-"))
    past = rows.numbers(mla, "kv_len") - 1.0
    op = Attention(
        name="row", seqs=rows.numbers(mla, "batch"), new=np.ones(len(mla)), past=past, heads=heads, kv_heads=1,
        qk_dim=latent + rope, v_dim=latent, kv_width=latent + rope,
    )  # fmt: skip
    return [_table(phase, rows.CHIPS["H20"], "bfloat16", *LATENT, op, mla, pooled=False)]


def _table(
    phase: str, chip: str, scheme: str, engine: str, kernel: str, op: Attention, some: list[rows.Row], pooled: bool
) -> Table:
    precision = Precision("bf16", "bf16", "bf16" if scheme == "bfloat16" else "fp8")
    predict = partial(_PREDICT[phase], chip=chip, op=op, precision=precision, scheme=scheme)
    label = f"{chip} {scheme} {engine} {kernel}"
    return Table(scheme, engine, kernel, Group(chip, label, rows.numbers(some, "time_us") * 1e-6, predict), pooled)


def _grouped(phase: str, part: slice) -> list[Table]:
    """FlashAttention-3 called by itself on H20, query heads in groups (InferSim)."""
    some = [r for r in rows.table("ops_infersim_h20_h800") if r["kind"] == "mha" and r["phase"] == phase]
    found = []
    for (config, kv), whole in rows.grouped([r for r in some if r["time_us"]], "config", "kv_dtype").items():
        own = whole[part]
        if not own:
            continue
        one = np.ones(len(own))
        new = one if phase == "decode" else rows.numbers(own, "q_len")
        seqs = rows.numbers(own, "batch") if phase == "decode" else one
        past = np.maximum(rows.numbers(own, "kv_len") - new, 0.0)
        heads, kv_heads, width = (one * float(size) for size in config.split("-"))
        op = _operator(seqs, new, past, heads, kv_heads, width, 0.0 * one)
        scheme = "kv8" if kv == "fp8" else "bfloat16"
        found.append(_table(phase, rows.CHIPS["H20"], scheme, "infersim", "fa3", op, own, pooled=False))
    return found


def _common(
    start: Mapping[str, float], bounds: Mapping[str, tuple[float, float]], known: Mapping[str, float],
    some: Sequence[Table],
) -> Fit:  # fmt: skip
    groups = [_preset(table) for table in some if table.pooled and table.scheme != "fp8"]
    return fit(groups, start, bounds, known)


def _preset(table: Table) -> Group:
    """The rows with what the kernel's code says; only decode has such parameters."""
    preset = DECODE_PRESETS.get(table.kernel)
    if preset is None:
        return table.group
    values = {f"decode.{name}": DECODE_FACTS[f"decode.{name}"] * factor for name, factor in preset.items()}
    return replace(table.group, predict=lambda parameters: table.group.predict({**parameters, **values}))


def parts(known: Mapping[str, float]) -> tuple[Part, Part]:
    """Decode and prefill.

    Args:
        known: the achieved rates that the fit of matrix products found.
    """
    facts = {**known, **DECODE_FACTS}
    decoding = partial(_common, DECODE_START, DECODE_BOUNDS, facts)
    filling = partial(_common, PREFILL_START, PREFILL_BOUNDS, known)
    return (
        Part("decode", partial(tables, "decode"), decoding, facts, ("group_limit", "lone_split"), DECODE_PRESETS),
        Part("prefill", partial(tables, "prefill"), filling, known),
    )
