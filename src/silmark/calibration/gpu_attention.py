"""Fits attention on GPUs: public kernel timings of A100, H100 and B200 under three engines.

Left out of the fit: A100 with TensorRT-LLM in decode (its rows imply up to 1.65 times the peak of the memory) and
Triton kernels (fallbacks for head sizes that the engines' own kernels lack); the residual table shows the latter.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from silmark.calibration import rows
from silmark.calibration.gpu_gemm import chip_facts
from silmark.calibration.robust import Fit, Group, fit, left_out
from silmark.chips.mechanisms.gpu_attention import attention_rates, decode, prefill
from silmark.formats import Precision
from silmark.graph import Array, Attention

DECODE_START = {
    "decode.memory_share": 0.9, "decode.flop_share": 0.15, "decode.draw": 200.0, "decode.block_cycles": 3400.0,
    "decode.kernel_cycles": 15000.0, "decode.split_tokens": 4000.0, "decode.query_traffic": 3.0, "resident": 0.5,
}  # fmt: skip
DECODE_BOUNDS = {"decode.memory_share": (0.5, 1.0), "decode.flop_share": (0.02, 1.0), "resident": (0.05, 2.0)}
PREFILL_START = {
    "prefill.flop_share": 1.0, "prefill.head_width": 60.0, "prefill.block_cycles": 3900.0,
    "prefill.kernel_cycles": 14000.0, "prefill.memory_share": 0.5, "prefill.tail": 0.5, "prefill.overlap": 0.9,
}  # fmt: skip
PREFILL_BOUNDS = {
    "prefill.flop_share": (0.3, 1.2), "prefill.memory_share": (0.2, 1.0), "prefill.tail": (0.01, 1.0),
    "prefill.overlap": (0.01, 1.0),
}  # fmt: skip
_UNBOUNDED = 1e12  # a window that never cuts
_CACHE_GAIN = 0.7  # share of the cache's time that a hit in the last-level cache saves in these loops


def operator(some: list[rows.Row], queries: Array, past: Array) -> Attention:
    """One operator for rows of different sizes: the formulas broadcast over heads and widths as well."""
    width = rows.numbers(some, "head_dim")
    kv_heads = rows.numbers(some, "num_key_value_heads")
    window = rows.numbers(some, "window_size")
    return Attention(
        name="row",
        seqs=rows.numbers(some, "batch_size"),
        new=queries,
        past=past,
        heads=rows.numbers(some, "num_heads"),  # type: ignore[arg-type]
        kv_heads=kv_heads,  # type: ignore[arg-type]
        qk_dim=width,  # type: ignore[arg-type]
        v_dim=width,  # type: ignore[arg-type]
        kv_width=2.0 * kv_heads * width,  # type: ignore[arg-type]
        window=np.where(window > 0, window, _UNBOUNDED),  # type: ignore[arg-type]
    )


def _decode(parameters: Mapping[str, float], chip: str, op: Attention, precision: Precision) -> Array:
    facts = chip_facts(chip, "bf16", parameters)
    r = attention_rates(facts, lambda key: parameters.get(key, 1.0), "bf16")
    memory, compute, overhead = decode(r, op, precision.kv_bytes, precision.activation_bytes)
    kv = op.seqs * op.cached() * op.kv_width * precision.kv_bytes
    hit = _CACHE_GAIN / (1.0 + (kv / (facts.cache_bytes * parameters["resident"])) ** 4)
    return np.maximum(memory - hit * kv / r.decode_memory, compute) + overhead


def _prefill(parameters: Mapping[str, float], chip: str, op: Attention, precision: Precision) -> Array:
    facts = chip_facts(chip, "bf16", parameters)
    r = attention_rates(facts, lambda key: parameters.get(key, 1.0), "bf16")
    memory, compute, overhead = prefill(r, op, precision.kv_bytes, precision.activation_bytes)
    return np.maximum(memory, compute) + overhead


def groups(phase: str, fallbacks: bool = False) -> list[Group]:
    """Rows of `decode` or `prefill`; `fallbacks` picks the Triton kernels instead of the engines' own."""
    keys = ("system", "engine", "kernel_source", "attn_dtype", "kv_cache_dtype")
    found = []
    for key, some in rows.grouped(list(rows.table(f"ops_attention_{phase}_aiconfigurator")), *keys).items():
        system, engine, kernel, dtype, kv = key
        if dtype != "bfloat16" or ("triton" in kernel) != fallbacks:
            continue
        if phase == "decode" and (system, engine) == ("a100_sxm", "trtllm"):
            continue
        chip = rows.CHIPS[system]
        precision = Precision("bf16", "bf16", "fp8" if kv == "fp8" else "bf16")
        one = np.ones(len(some))
        if phase == "decode":
            op = operator(some, one, rows.numbers(some, "kv_len") - 1.0)
            predict = partial(_decode, chip=chip, op=op, precision=precision)
        else:
            op = operator(some, rows.numbers(some, "isl"), rows.numbers(some, "kv_prefix_len"))
            predict = partial(_prefill, chip=chip, op=op, precision=precision)
        label = f"{chip} {phase} {engine} {kernel} kv {kv}"
        found.append(Group(chip, label, rows.numbers(some, "time_us") * 1e-6, predict))
    return found


def run(known: Mapping[str, float]) -> dict[str, tuple[Fit, dict[str, dict[str, float]]]]:
    """Both fits, each with the statistics of every chip left out.

    Args:
        known: the achieved rates that the fit of matrix products found.
    """
    found = {}
    for phase, start, bounds in (
        ("decode", DECODE_START, DECODE_BOUNDS),
        ("prefill", PREFILL_START, PREFILL_BOUNDS),
    ):
        own = groups(phase)
        kept = fit(own, start, bounds, known)
        found[phase] = (kept, left_out(own, kept.values, bounds, known))
    return found
