"""A package like aiconfigurator-core, with tables whose times follow a law that the tests know."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from silmark.calibration import gpu_gemm, rows
from silmark.chips import catalog, coefficients
from silmark.chips.mechanisms import Placement
from silmark.chips.mechanisms.gpu import Gpu
from silmark.chips.mechanisms.gpu_gemm import gemm_rates, gemm_seconds
from silmark.fabric import PATTERNS, Link
from silmark.fabric.terms import Terms, seconds
from silmark.fabric.topology import shape
from silmark.formats import FORMATS, Precision
from silmark.graph import Attention, Experts

SYSTEMS = ("h100_sxm", "h200_sxm")
VERSION = "0.24.0"
LAW = {"gemm.memory_share": 0.62, "gemm.kernel_cycles": 9000.0, "gemm.flop_share": 0.6}
"""What the made-up chips' library does differently from the packaged fit."""
RING = Terms(launch=20e-6, step=2.0, share=0.35, ramp=1e-6)
"""The law of the made-up all-gathers."""
_HEAD = {"framework": "VLLM", "version": VERSION, "device": "made up", "op_name": "op"}
Cells = Mapping[str, Any]


def law() -> dict[str, float]:
    """All parameters under which the products were made."""
    return {**{key: figure.value for key, figure in coefficients.load("gpu").items()}, **LAW}


def gemm_time(system: str, m: Any, n: Any, k: Any, dtype: str = "bfloat16") -> Any:
    """Seconds of products under the law."""
    values, precision = law(), Precision.of(gpu_gemm.FORMATS_OF[dtype])
    facts = gpu_gemm.chip_facts(rows.CHIPS[system], precision.compute, values)
    bytes_ = FORMATS[precision.compute].bytes
    rates = gemm_rates(facts, lambda key: values[f"gemm.{key}"], precision.compute, precision.weight_bytes, bytes_)
    busy, _, fixed = gemm_seconds(rates, *(np.asarray(x, dtype=np.float64) for x in (m, n, k)), copies=gpu_gemm.COPIES)
    return busy + fixed


def gemm(system: str, dtypes: Iterable[str] = ("bfloat16", "fp8"), count: int = 120) -> list[Cells]:
    draw, found = np.random.default_rng(3), []
    for dtype in dtypes:
        m, n, k = (draw.choice(sizes, count) for sizes in _PRODUCTS)
        took = gemm_time(system, m, n, k, dtype) * np.exp(draw.normal(0, 0.01, count))
        for row, column, depth, time in zip(m, n, k, took, strict=True):
            found += [_row("library", {"gemm_dtype": dtype}, {"m": row, "n": column, "k": depth}, time)]
    return found


_PRODUCTS = ((1, 8, 64, 300, 1024, 4096, 8192), (256, 1024, 4096, 9000, 28672), (512, 2048, 4096, 16384))


def attention(system: str, phase: str) -> list[Cells]:
    machine, found = Gpu(catalog.load(rows.CHIPS[system]), Precision.of("bf16"), Placement()), []
    for batch in (1, 4, 16, 64):
        for length in (64, 300, 1000, 3000, 8000):
            for heads, kv_heads in ((32, 8), (16, 1), (8, 8)):
                new, past = (1.0, length - 1.0) if phase == "generation" else (float(length), 0.0)
                op = Attention(
                    name="a", seqs=np.array(float(batch)), new=np.array(new), past=np.array(past), heads=heads,
                    kv_heads=kv_heads, qk_dim=128, v_dim=128, kv_width=256 * kv_heads,
                )  # fmt: skip
                sizes = {"batch_size": batch, "num_heads": heads, "num_key_value_heads": kv_heads, "head_dim": 128}
                where = {"isl": 1, "step": length - 1} if phase == "generation" else {"isl": length, "step": 0}
                words = {"attn_dtype": "bfloat16", "kv_cache_dtype": "bfloat16"}
                found.append(_row("flash", words, {**sizes, **where, "window_size": 0}, machine.cost(op).time_s))
    return found


def moe(system: str) -> list[Cells]:
    machine, found = Gpu(catalog.load(rows.CHIPS[system]), Precision.of("bf16"), Placement()), []
    for tokens in 2 ** np.arange(13):
        for inner in (256, 512, 1024, 2048):
            op = Experts(name="e", m=np.array(float(tokens)), experts=64, top_k=6, hidden=4096, inner=inner)
            sizes = {"num_tokens": tokens, "hidden_size": 4096, "inter_size": inner, "topk": 6, "num_experts": 64}
            words = {"moe_dtype": "bfloat16", "distribution": "balanced"}
            took = machine.cost(op).time_s
            found.append(_row("fused", words, {**sizes, "moe_tp_size": 1, "moe_ep_size": 1}, took))
    return found


def nccl(system: str) -> list[Cells]:
    chip = catalog.load(rows.CHIPS[system])
    through = Link("switch", chip.si("link.scale_up.bandwidth"), 1e-6, in_network_reduction=True)
    ring, found = PATTERNS["all-gather"]["all_gather_ring"], []
    for count in (2, 4, 8):
        lies = shape("switch", count, 0, 2, 1.0)
        for elements in 2 ** np.arange(8, 28):
            took = seconds(np.array(2.0 * elements), through, RING, ring.factor(count, lies), ring.steps(count, lies))
            sizes = {"num_gpus": count, "message_size": int(elements)}
            found.append({**_row("NCCL", {"nccl_dtype": "half"}, sizes, took), "op_name": "all_gather"})
    return found


def _row(kernel: str, words: Cells, sizes: Cells, took: Any) -> Cells:
    whole = {name: int(size) for name, size in sizes.items()}
    return {**_HEAD, "kernel_source": kernel, **words, **whole, "latency": float(took) * 1e3}


def put(path: Path, table: Iterable[Cells]) -> Path:
    """Writes one table as CSV text, as the collector does."""
    listed = list(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.DictWriter(stream, list(listed[0]))
        out.writeheader()
        out.writerows(listed)
    return path


def install(site: Path, systems: Iterable[str] = SYSTEMS, package: str = "aiconfigurator_core") -> Path:
    """Makes the package; returns its data folder. Importing it fails: its tables are read as files."""
    root = site / package
    root.mkdir(parents=True)
    (root / "__init__.py").write_text("raise ImportError('Silmark must not import this package')\n")
    data = root / "systems" / "data"
    for system in systems:
        for phase in ("context", "generation"):
            put(
                data / system / "attention" / "vllm" / VERSION / f"{phase}_attention_perf.txt", attention(system, phase)
            )
        put(data / system / "gemm" / "vllm" / VERSION / "gemm_perf.txt", gemm(system))
        put(data / system / "moe" / "vllm" / VERSION / "moe_perf.txt", moe(system))
        put(data / system / "comm" / "nccl" / "2.27.3" / "nccl_perf.txt", nccl(system))
    return data
