"""Host time per step: what generations took beyond the sum of their kernels.

Two public sets: Argonne's LLM-Inference-Bench at batch 1 on one H100 (engines of 2024), and InferenceMAX's loaded
servers of dense models on H100, H200 and B200 (engines of 2026).
"""

from __future__ import annotations

import math

import numpy as np

from silmark import chips, models, systems
from silmark.calibration import rows
from silmark.calibration.points import Leaf, leaf
from silmark.chips import catalog
from silmark.chips.mechanisms.base import Placement
from silmark.chips.mechanisms.gpu import Gpu
from silmark.formats import Precision
from silmark.graph import Array, Attention, Elementwise, Gemm, Op
from silmark.mapping import Infeasible, Plan
from silmark.step import compile_step
from silmark.systems import Target
from silmark.workloads import Step

_HEAD, _HEADS, _LAYERS = 128, 32, 32
SIZES = {
    "meta-llama/Llama-2-7b-hf": (4096, 32, 11008, 32000),
    "meta-llama/Meta-Llama-3-8B": (4096, 8, 14336, 128256),
    "mistralai/Mistral-7B-v0.1": (4096, 8, 14336, 32000),
}
"""Model -> hidden width, KV heads, inner width, vocabulary, from the models' published configurations."""

SERVED = {"Llama-3.1-8B": "llama-3.1-8b", "Llama-3.1-70B": "llama-3.1-70b"}
FIRST_TOKEN = {"LLaMA 7B": "llama-2-7b", "GPT-J 6B": "gpt-j-6b"}

SHORT = 128
"""Tokens of the prompts whose first token tells the host's part."""
USERS = 16
"""Most users of a served row that tells the host's part: few enough that prompts hardly queue."""


def kernels(model: str, new: Array, past: Array) -> tuple[Op, ...]:
    """The kernels of one step of one sequence."""
    hidden, kv_heads, inner, vocabulary = SIZES[model]
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


def engines_of_2024() -> Array:
    """Milliseconds per step that no kernel explains, one per generation of vLLM and TensorRT-LLM on one H100."""
    chip = Gpu(catalog.load(rows.CHIPS["h100_sxm"]), Precision.of("fp16"), Placement())
    rest = []
    for row in rows.table("argonne_llm_inference_bench"):
        usual = row["hardware"] == "H100-SXM-80GB" and row["batch"] == "1" and row["n_devices"] == "1"
        if not usual or row["flag"] or row["model"] not in SIZES or row["engine"] not in ("vLLM", "TensorRT-LLM"):
            continue
        tokens, steps = float(row["isl"]), float(row["osl"])
        first = seconds(chip, row["model"], np.array(tokens), np.zeros(()))
        later = seconds(chip, row["model"], np.ones(()), tokens + np.arange(1.0, steps)).sum()
        rest.append((float(row["value"]) - float(first) - float(later)) / steps)
    return np.array(rest) * 1e3


def engines_of_2026() -> Array:
    """The same for loaded servers of 2026 with at most 16 users: medians by chip, model, format, cut and engine."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for row in rows.table("inferencemax_nvidia_ttft_tpot"):
        name = SERVED.get(row["model"].rsplit("/", 1)[-1].removesuffix("-Instruct"))
        users = float(row["concurrency"] or 99)
        alone = row["metric"] == "tpot" and row["tp"] and "mode=agg" in row["notes"]
        if not alone or row["flag"] or name is None or users > USERS or row["hardware"] not in rows.END_TO_END:
            continue
        group = (row["hardware"], name, row["precision"], row["tp"], row["engine"])
        groups.setdefault(group, []).append(float(row["value"]) - 1e3 * _kernels_of(row, name, users))
    return np.array([np.median(rest) for rest in groups.values()])


def _kernels_of(row: rows.Row, name: str, users: float) -> float:
    """Seconds per token of a served model's kernels and collectives, its prompts' share included."""
    chip, ways = chips.load(rows.END_TO_END[row["hardware"]]), int(float(row["tp"]))
    plan = Plan(Precision.of(row["precision"] or "bf16"), tp=ways)
    model = compile_step(models.load(name), Target(chip, systems.usual(chip), ways), plan)
    if isinstance(model, Infeasible):
        return math.nan
    tokens, output = float(row["isl"]), float(row["osl"])
    decode = float(model.cost(Step.decode(users, tokens + output / 2)).time_s)
    prefill = float(model.cost(Step.prefill(1, tokens)).time_s)
    return decode - model.mechanism.coefficient("host.step") + prefill * users / output


def run() -> tuple[Leaf, Leaf]:
    """Host time of a step, and of a request's first token on top of it."""
    return step(), request()


def request() -> Leaf:
    """What the first token of a short prompt takes beyond its kernels: tokenising, admission, sampling, transfer."""
    rest = []
    for row in rows.table("trtllm_docs_throughput"):
        name = FIRST_TOKEN.get(row["model"])
        if row["metric"] != "ttft" or row["isl"] != str(SHORT) or row["tp"] != "1" or row["flag"] or name is None:
            continue
        chip = chips.load(rows.END_TO_END[row["hardware"]])
        model = compile_step(
            models.load(name), Target(chip, systems.usual(chip), 1), Plan(Precision.of(row["precision"]))
        )
        if not isinstance(model, Infeasible):
            kernels_s = float(model.cost(Step.prefill(1, SHORT)).time_s) - model.mechanism.coefficient("host.step")
            rest.append(float(row["value"]) - 1e3 * kernels_s)
    low, mid, high = np.quantile(rest, (0.1, 0.5, 0.9))
    return leaf(
        float(mid), float(low), float(high), "ms", source="trtllm-perf-overview-0.9", grade="derived",
        note=f"{len(rest)} first tokens of 128 tokens, one GPU of A100, H100, H200, L40S, TensorRT-LLM 0.5 to 0.9",
    )  # fmt: skip


def step() -> Leaf:
    """Mean time per step that no kernel explains in engines of today, up to what those of 2024 took.

    Today's engines prepare the next step while one runs: where kernels alone explain a row, it counts as 0.
    """
    old, new = engines_of_2024(), np.maximum(0.0, engines_of_2026())
    return leaf(
        float(np.nanmean(new)), 0.0, float(np.quantile(old, 0.9)), "ms", source="argonne-llm-inference-bench",
        grade="derived", note=f"mean over {new.size} groups of loaded servers of 2026 (InferenceMAX; vLLM, "
        f"TensorRT-LLM, SGLang); high end: {old.size} generations of engines of 2024, median {np.median(old):.2f} ms",
    )  # fmt: skip
