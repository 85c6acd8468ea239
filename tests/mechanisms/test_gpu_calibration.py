"""The GPU family's calibration end to end, on tables of the measured ones' shape that the mechanism itself made."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from silmark.calibration import gpu, gpu_gemm, rows
from silmark.calibration.gpu_host import seconds
from silmark.chips import catalog, coefficients
from silmark.chips.mechanisms import Placement
from silmark.chips.mechanisms.gpu import Gpu
from silmark.chips.mechanisms.gpu_kernels import factors
from silmark.errors import BadValue
from silmark.figures.tables import read_figure, read_toml, walk
from silmark.formats import Precision
from silmark.graph import Attention, Elementwise, Experts

RNG = np.random.default_rng(5)
LLAMA = "meta-llama/Llama-2-7b-hf"
SYSTEMS = ("a100_sxm", "h100_sxm", "b200_sxm")


def mechanism(system: str, precision: str) -> Gpu:
    return Gpu(catalog.load(rows.CHIPS[system]), Precision.of(precision), Placement())


def us(time: object) -> float:
    return float(np.asarray(time)) * 1e6 * float(np.exp(RNG.normal(0, 0.02)))


def pick(*values: float) -> float:
    return float(RNG.choice(values))


def gemm_rows() -> Iterator[Mapping[str, object]]:
    for system in SYSTEMS:
        narrow = {"a100_sxm": "sq", "h100_sxm": "fp8", "b200_sxm": "nvfp4"}[system]
        for dtype in ("bfloat16", narrow):
            chip = mechanism(system, gpu_gemm.FORMATS_OF[dtype])
            for _ in range(80):
                m, n = pick(1, 8, 60, 256, 1000, 4096, 8192), pick(256, 1024, 4096, 9000, 28672)
                k = pick(512, 4096, 16384)
                time = us(chip.gemm_time(m, n, k, copies=gpu_gemm.COPIES))
                row = {"system": system, "engine": "e", "gemm_dtype": dtype, "kernel_source": "g"}
                yield row | {"m": m, "n": n, "k": k, "time_us": time}


def layer_rows() -> Iterator[Mapping[str, object]]:
    for hardware in ("a100", "a40"):
        chip = mechanism(hardware, "fp16")
        for m in (1.0, 32, 200, 1000, 3000, 8000):
            row = {"hardware": hardware, "model": LLAMA, "m": m, "tp": 1}
            yield row | {"op": "mlp_up_proj", "n": 22016, "k": 4096, "time_us": us(chip.gemm_time(m, 22016, 4096))}
            for op, passes, width in (("add", 3, 4096), ("input_layernorm", 2, 4096), ("mlp_act", 3, 11008)):
                stream = Elementwise(name=op, m=np.array(m), read=passes * width, write=0, flops=0)
                yield row | {"op": op, "n": "", "k": "", "time_us": us(chip.cost(stream).time_s)}


def dense_rows() -> Iterator[Mapping[str, object]]:
    chip = mechanism("RTX4090", "bf16")
    for m in (1.0, 32, 200, 1000, 2000):
        row = {"hardware": "RTX4090", "model": "meta-llama/Llama-3.1-8B", "tp": 1, "tokens": m, "sequences": m}
        yield row | {"layer": "o_proj", "time_us": us(chip.gemm_time(m, 4096, 4096))}
        stream = Elementwise(name="n", m=np.array(m), read=4 * 4096, write=0, flops=0)
        yield row | {"layer": "layernorm", "time_us": us(chip.cost(stream).time_s)}


def attention_rows(phase: str) -> Iterator[Mapping[str, object]]:
    for system in SYSTEMS:
        chip = mechanism(system, "bf16")
        for _ in range(80):
            seqs, length, heads, group = pick(1, 8, 64), pick(128, 1000, 8000, 30000), pick(8, 32), pick(1, 4, 8)
            kv_heads = heads / group
            new, past = (1.0, length - 1) if phase == "decode" else (length, 0.0)
            op = Attention(
                name="a", seqs=np.array(seqs), new=np.array(new), past=np.array(past), heads=int(heads),
                kv_heads=int(kv_heads), qk_dim=128, v_dim=128, kv_width=int(256 * kv_heads),
            )  # fmt: skip
            yield {
                "system": system, "engine": "e", "kernel_source": "k", "attn_dtype": "bfloat16",
                "kv_cache_dtype": "bfloat16", "batch_size": seqs, "num_heads": heads, "num_key_value_heads": kv_heads,
                "head_dim": 128, "window_size": "", "kv_len": length, "isl": length, "kv_prefix_len": 0,
                "time_us": us(chip.cost(op).time_s),
            }  # fmt: skip


def consumer_rows() -> Iterator[Mapping[str, object]]:
    chip = mechanism("RTX4090", "bf16")
    for chunk, batch in ((0, 1.0), (0, 16.0), (0, 128.0), (16, 0.0), (512, 0.0), (2048, 0.0)):
        for past in (64.0, 4096.0):
            op = Attention(
                name="a", seqs=np.array(batch or 1.0), new=np.array(chunk or 1.0), past=np.array(past), heads=32,
                kv_heads=8, qk_dim=128, v_dim=128, kv_width=2048,
            )  # fmt: skip
            row = {"hardware": "RTX4090", "prefill_chunk": chunk, "kv_prefill": past if chunk else 0, "n_decode": batch}
            yield row | {"kv_decode": 0 if chunk else past + 1, "time_us": us(chip.cost(op).time_s)}


def expert_rows() -> Iterator[Mapping[str, object]]:
    for system in SYSTEMS:
        chip = mechanism(system, "bf16")
        for m in (1.0, 4, 16, 64, 256, 1024, 4096, 16384):
            for inner in (512, 2048):
                op = Experts(name="e", m=np.array(m), experts=64, top_k=6, hidden=4096, inner=inner)
                yield {
                    "system": system, "engine": "e", "moe_dtype": "bfloat16", "kernel_source": "k",
                    "distribution": "balanced", "num_tokens": m, "hidden_size": 4096, "inter_size": inner, "topk": 6,
                    "num_experts": 64, "moe_tp_size": 1, "moe_ep_size": 1, "time_us": us(chip.cost(op).time_s),
                }  # fmt: skip


def other_rows() -> Iterator[tuple[str, list[Mapping[str, object]]]]:
    time = us(mechanism("H20", "fp8").gemm_time(64.0, 4096, 4096))
    row = {"hardware": "H20", "phase": "", "config": "", "batch": "", "kv_len": "", "kv_dtype": ""}
    sizes = {"m": 64, "n": 4096, "k": 4096}
    yield "ops_infersim_h20_h800", [row | sizes | {"kind": "gemm", "time_us": time}]
    chip = mechanism("h100_sxm", "fp16")
    length = 64.0
    kernels = float(seconds(chip, LLAMA, np.array(length), np.zeros(()))) + float(
        seconds(chip, LLAMA, np.ones(()), length + np.arange(1.0, length)).sum()
    )
    row = {"hardware": "H100-SXM-80GB", "batch": 1, "n_devices": 1, "model": LLAMA, "engine": "vLLM"}
    yield "argonne_llm_inference_bench", [row | {"isl": length, "osl": length, "value": kernels + 0.002 * length}]


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of made-up tables; the public names, the same columns."""
    folder = tmp_path / "measurements" / "public"
    folder.mkdir(parents=True)
    made = {
        "ops_gemm_aiconfigurator": list(gemm_rows()),
        "ops_mlp_vidur": list(layer_rows()),
        "ops_rtx_dense_llmservingsim": list(dense_rows()),
        "ops_attention_decode_aiconfigurator": list(attention_rows("decode")),
        "ops_attention_prefill_aiconfigurator": list(attention_rows("prefill")),
        "ops_moe_aiconfigurator": list(expert_rows()),
        "ops_rtx_attention_llmservingsim": list(consumer_rows()),
        **dict(other_rows()),
    }
    for name, some in made.items():
        with gzip.open(folder / f"{name}.csv.gz", "wt", newline="") as file:
            writer = csv.DictWriter(file, [*some[0], "flag", "split"])
            writer.writeheader()
            writer.writerows({**row, "flag": "", "split": "public"} for row in some)
    monkeypatch.setenv("SILMARK_DATA", str(tmp_path))
    rows.table.cache_clear()
    yield tmp_path
    rows.table.cache_clear()


def test_calibration_finds_the_parameters_that_made_the_tables(tables: Path) -> None:
    written = read_toml(gpu.run(tables / "gpu.toml"))
    found = {key: read_figure("gpu.toml", key, leaf) for key, leaf in walk(written["parameters"])}
    assert found.keys() == coefficients.load("gpu").keys()
    assert found["gemm.memory_share"].value == pytest.approx(
        coefficients.load("gpu")["gemm.memory_share"].value, rel=0.2
    )
    for part in ("gemm", "decode", "prefill", "experts"):
        seen = [written["residuals"][f"{part} {rows.CHIPS[system]} all"]["median_error"] for system in SYSTEMS]
        assert max(seen) < 0.08, part
        assert set(written["factors"][part]) >= {"hopper|bfloat16|e|k" if part != "gemm" else "hopper|bfloat16|e|g"}
    assert written["held_out"]["gemm nvidia-h100-sxm5-80gb all"]["mean_error"] < 0.05
    # The made data has its generations' factors, which a chip that is left out cannot know.
    assert written["held_out"]["decode nvidia-b200-sxm-180gb all"]["mean_error"] < 0.1
    assert 0.1 < written["left_out"]["decode nvidia-b200-sxm-180gb"]["mean_error"] < 0.4


def test_a_refit_sees_the_kept_rows_alone_and_leaves_nothing_behind(tables: Path) -> None:
    before = coefficients.load("gpu")["gemm.memory_share"].value
    without = {name: tuple(r for r in rows.table(name) if r.get("system") != "h100_sxm") for name in gpu.TABLES}
    with gpu.refitted(without):
        chips = {key.partition("|")[0] for key in factors("gemm") if "|e|" in key}
        assert "blackwell" in chips
        assert "hopper" not in chips
        assert coefficients.load("gpu")["gemm.memory_share"].value != before
    assert coefficients.load("gpu")["gemm.memory_share"].value == before
    assert any(key.startswith("hopper|") for key in factors("gemm"))
    assert {row["system"] for row in rows.table("ops_moe_aiconfigurator")} == set(SYSTEMS)


def test_missing_data_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SILMARK_DATA", raising=False)
    with pytest.raises(BadValue, match="SILMARK_DATA"):
        rows.folder()
