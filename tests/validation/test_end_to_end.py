"""Predictions in bulk: units, reasons, bars, and every row of the balanced questions."""

from __future__ import annotations

import csv
import gzip
import math
import os
from pathlib import Path

import pytest
import tables

from silmark.validation.end_to_end import Answer, end_to_end

_QUESTIONS = Path(os.environ.get("SILMARK_DATA", "")) / "measurements" / "questions" / "core_e2e.csv.gz"
PLAIN = {key: cell for key, cell in tables.PLAIN.items() if key not in ("value", "split")}
SERVER = {"metric": "tpot", "unit": "ms", "concurrency": "16", "engine": "vllm", "engine_version": "0.12.0"}
MLPERF = {
    "hardware": "NVIDIA H100-SXM-80GB",
    "n_devices": "8",
    "model": "llama2-70b-99",
    "precision": "fp8",
    "tp": "",
    "batch": "",
    "isl": "",
    "osl": "294",
    "engine": "TensorRT 10.2.0, CUDA 12.4",
    "metric": "offline_throughput",
    "notes": "closed; scenario=Offline",
}
POOLS = {
    **SERVER,
    "model": "deepseek-ai/DeepSeek-R1",
    "hardware": "H200-SXM-141GB",
    "precision": "fp8",
    "n_devices": "16",
    "tp": "",
    "concurrency": "64",
    "isl": "1024",
    "osl": "1024",
    "notes": "mode=disagg; prefill(workers,tp,pp,attn_dp,moe_tp,moe_ep,batch)=(1, 8, 1, 1, 8, 1, 1); "
    "decode=(1, 1, 1, 8, 1, 8, 8); gemm=fp8",
}


def one(table: str = "trtllm_docs_throughput", **cells: str) -> Answer:
    (found,) = end_to_end([{**PLAIN, **cells}], table)
    return found


def number(found: Answer) -> float:
    assert found.mid is not None, found.why
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.mid < found.high
    assert found.grade
    return found.mid


def test_numbers_are_in_the_rows_unit() -> None:
    seconds = number(one("inferencemax_nvidia_ttft_tpot", **{**SERVER, "unit": "s"}))
    assert number(one("inferencemax_nvidia_ttft_tpot", **SERVER)) == pytest.approx(1e3 * seconds)


def test_the_measured_value_is_not_looked_at() -> None:
    assert one(value="1").mid == one(value="1e9").mid == one().mid


def test_the_table_is_found_in_the_row() -> None:
    cells = {**PLAIN, **SERVER}
    named = end_to_end([{**cells, "dataset": "inferencemax_nvidia_ttft_tpot"}], "core_e2e")
    assert named == end_to_end([cells], "inferencemax_nvidia_ttft_tpot")
    assert named == end_to_end([{**cells, "row_id": "inferencemax_nvidia_ttft_tpot:7"}])


def test_the_engine_counts() -> None:
    """Engines of 2024 took longer for a batch of 64 than chips and links explain."""
    cells = {"metric": "batch_latency", "unit": "s", "batch": "64", "engine": "vLLM"}
    table = "argonne_llm_inference_bench"
    assert number(one(table, **cells)) > 1.1 * number(one(table, **{**cells, "engine": "TensorRT-LLM"}))


def test_an_engine_without_rows_has_a_wider_bar() -> None:
    known, unknown = (
        one("inferencemax_nvidia_ttft_tpot", **{**SERVER, "engine": name}) for name in ("vllm", "brandnew")
    )
    assert number(known)
    assert number(unknown)
    assert "all engines together" in unknown.why
    assert unknown.high / unknown.low > known.high / known.low  # type: ignore[operator]


def test_mlperf_server_follows_offline_and_times_follow_limits() -> None:
    table = "mlperf_inference_llm"
    offline = number(one(table, **MLPERF))
    server = {**MLPERF, "metric": "server_throughput", "notes": "closed; scenario=Server"}
    assert 0.6 < number(one(table, **server)) / offline < 1.1
    slow, fast = (
        number(one(table, **{**MLPERF, "metric": "tpot_p99", "unit": "ms", "notes": f"closed; scenario={name}"}))
        for name in ("Server", "Interactive")
    )
    assert fast < 0.5 * slow <= 0.5 * 200 * 1.3


def test_images_are_counted_in_samples() -> None:
    table = "mlperf_inference_llm"
    cells = {**MLPERF, "precision": "int8", "osl": "", "unit": "samples/s", "n_devices": "1"}
    classified, found, made = (
        number(one(table, **{**cells, "model": name})) for name in ("resnet50", "retinanet", "stable-diffusion-xl")
    )
    assert classified > 20 * found > 2000 * made


def test_a_card_of_two_chips_counts_as_two() -> None:
    """A 70B model in 4 bits fits on two chips of 24 GB, not on one."""
    cells = {
        **MLPERF,
        "n_devices": "1",
        "precision": "UINT4",
        "hardware": "[MAXSUN] MS-Intel Arc Pro B60 Dual 48G Turbo",
    }
    assert number(one("mlperf_inference_llm", **cells)) > 0


def test_what_ran_fitted() -> None:
    """70B in 16 bits never ran on one chip of 64 GB: its weights were narrower."""
    cells = {**MLPERF, "n_devices": "1", "precision": "fp16", "hardware": "NVIDIA Jetson AGX Orin 64G"}
    assert number(one("mlperf_inference_llm", **cells)) > 0


def test_two_pools_answer_for_both_times() -> None:
    table = "inferencemax_nvidia_ttft_tpot"
    assert 1.0 < number(one(table, **POOLS)) < 100.0
    assert number(one(table, **{**POOLS, "metric": "ttft"})) > 10.0


def test_a_higher_rate_of_arrivals_is_not_faster() -> None:
    cells = {"metric": "ttft_mean", "unit": "ms", "batch": "", "isl": "512", "osl": "128", "engine": "vLLM"}
    slow, fast = (
        number(one("serving_misc", **cells, notes=f"1000 prompts, Poisson request_rate={rate}/s; max_num_seqs=64"))
        for rate in (1, 1000)
    )
    assert fast > 3 * slow


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"hardware": "Abacus"}, "'Abacus' is not in the catalogue"),
        ({"model": "Eliza"}, "'Eliza' is not in the catalogue"),
        ({"metric": "joy"}, "'joy' is not predicted"),
        ({"isl": "minus one"}, "isl is not a number"),
        ({"tp": "0"}, "tp is not a number"),
        ({"isl": "9000000", "model": "Llama 3.2 1B"}, "does not fit"),
        ({"metric": "train_step_time", "unit": "s"}, ""),
    ],
)
def test_what_cannot_be_said_has_a_reason(cells: dict[str, str], reason: str) -> None:
    found = one(**cells)
    assert found.mid is None
    assert found.why
    assert reason in found.why


def test_no_rows_no_answers_and_empty_rows_a_reason() -> None:
    assert end_to_end([]) == []
    (found,) = end_to_end([{}])
    assert found.mid is None
    assert found.why


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not _QUESTIONS.is_file(), reason="SILMARK_DATA does not name a folder with measurements/questions")
def test_nearly_every_question_is_answered() -> None:
    with gzip.open(_QUESTIONS, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    found = end_to_end(rows, "core_e2e")
    assert len(found) == len(rows)
    silent = [answer.why for answer in found if answer.mid is None]
    assert len(silent) < 0.02 * len(rows), silent[:5]
    said = [answer for answer in found if answer.mid is not None]
    assert all(0 < a.low <= a.mid <= a.high < math.inf for a in said)  # type: ignore[operator]
