"""What tables leave out about their runs: the cache's format, and numbers that contradict each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tables

from silmark import chips, models
from silmark.calibration import rows as operators
from silmark.validation import engines, names, rows
from silmark.validation.rows import Row

SERVED = "inferencemax_nvidia_ttft_tpot"
H200 = "H200-SXM-141GB"


def row(folder: Path, table: str, **cells: str) -> Row:
    tables.put(folder, table, {"precision": "fp8", **cells})
    return rows.read(table, folder).rows[0]


@pytest.mark.parametrize(
    ("table", "cells", "cache"),
    [
        (SERVED, {"engine": "vllm", "model": "meta-llama/Llama-3.1-70B"}, "fp8"),
        (SERVED, {"engine": "vllm", "model": "Qwen/Qwen3-235B-A22B-FP8"}, "bf16"),
        (SERVED, {"engine": "sglang", "hardware": H200, "model": "deepseek-ai/DeepSeek-R1"}, "bf16"),
        (SERVED, {"engine": "sglang", "hardware": "B200-180GB", "model": "deepseek-ai/DeepSeek-V3"}, "fp8"),
        (SERVED, {"engine": "sglang", "hardware": H200, "model": "Qwen/Qwen3.5-397B-A17B"}, "fp8"),
        (SERVED, {"engine": "sglang", "hardware": "GB300-288GB", "model": "deepseek-ai/DeepSeek-R1"}, "fp8"),
        (SERVED, {"engine": "trtllm", "model": "meta-llama/Llama-3.1-70B"}, "fp8"),
        ("serving_misc", {"engine": "vLLM", "model": "meta-llama/Llama-3.1-70B"}, "bf16"),
        ("serving_misc", {"engine": "optimum-habana"}, "fp8"),
    ],
)
def test_a_cache_has_the_format_that_its_engine_gave_it(
    tmp_path: Path, table: str, cells: dict[str, str], cache: str
) -> None:
    found = names.precision(row(tmp_path, table, **cells), chips.load("h200"))
    assert found is not None
    assert (found.weights, found.compute, found.kv) == ("fp8", "fp8", cache)


@pytest.mark.parametrize(("hardware", "cache"), [(H200, "bf16"), ("B200-180GB", "fp8")])
def test_what_is_said_of_one_run_goes_before_what_is_said_of_all(tmp_path: Path, hardware: str, cache: str) -> None:
    one = row(tmp_path, SERVED, engine="vllm", hardware=hardware, model="openai/gpt-oss-120b", precision="fp4")
    found = names.precision(one, chips.load("b200"))
    assert found is not None
    assert found.kv == cache


def test_a_run_that_contradicts_itself_sets_nothing(tmp_path: Path) -> None:
    doubted = row(tmp_path, SERVED, engine="vllm", engine_version="0.12.0", model="nvidia/Llama-3.1-8B-Instruct-FP8")
    assert names.doubted(doubted)
    assert not names.counts(doubted)
    assert engines.engine(doubted) == engines.ASIDE
    later = replace(doubted, version="0.16.0")
    assert names.counts(later)
    assert engines.engine(later) != engines.ASIDE


@pytest.mark.data
def test_only_the_doubted_runs_answer_more_than_kernels_could() -> None:
    """By Little's law; products on Hopper reach less of their dense peak than the doubted runs would need."""
    fastest = max(
        float(cells["frac_peak_flops"])
        for cells in operators.table("ops_gemm_aiconfigurator")
        if cells["system"] in ("h100_sxm", "h200_sxm") and cells["gemm_dtype"].startswith("fp8")
    )
    runs: dict[tuple[object, ...], dict[str, Row]] = {}
    for one in rows.read(SERVED).rows:
        if "mode=agg" in one.notes and one.concurrency and one.hardware == H200 and one.precision == "fp8":
            size = (one.tp, one.devices, one.concurrency, one.isl, one.osl)
            key = (one.engine, one.version, one.model, *size, one.notes)
            runs.setdefault(key, {})[one.metric] = one
    peak = chips.load("h200").si("peak.fp8")
    shares: dict[bool, list[float]] = {True: [], False: []}
    for run in runs.values():
        if len(run) < 2 or (name := names.model_name(run["tpot"])) is None:
            continue
        one = run["tpot"]
        spent = run["ttft"].value + ((one.osl or 1) - 1) * one.value
        tokens = (one.concurrency or 0) / spent * ((one.isl or 0) + (one.osl or 0)) / (one.devices or 1)
        shares[bool(names.doubted(one))].append(2 * models.load(name).active_parameters * tokens / peak)
    assert max(shares[True]) > 1.2 * fastest
    assert max(shares[False]) < 0.6 * fastest
