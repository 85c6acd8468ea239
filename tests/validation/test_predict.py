"""Predictions for synthetic rows: each kind against the step model, and why others have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tables

from silmark import chips
from silmark.estimation import estimate
from silmark.validation import names, rows
from silmark.validation.loads import LOADED, MOST_SEQUENCES
from silmark.validation.predict import bar, work
from silmark.validation.rows import Row
from silmark.validation.setup import compiled
from silmark.validation.work import Work
from silmark.workloads import Workload


def row(folder: Path, table: str = "trtllm_docs_throughput", **cells: str) -> Row:
    tables.put(folder, table, cells)
    (one,) = rows.read(table, folder).rows
    return one


def answer(one: Row) -> Work:
    found = work(one)
    assert isinstance(found, Work), found
    return found


def model(one: Row):
    found = compiled(one)
    assert not isinstance(found, str), found
    return found


def test_static_batch_is_a_prefill_and_every_decode_step(tmp_path: Path) -> None:
    one = row(tmp_path, metric="batch_latency", unit="s")
    step = model(one)
    whole = float(step.prefill_s(8, 512)) + float(np.sum(step.decode_s(8.0, np.arange(512.0, 512.0 + 127))))
    assert answer(one).value == pytest.approx(whole, rel=2e-3)
    assert answer(one).kind == "latency"


def test_throughput_of_a_static_batch_is_its_tokens_over_its_latency(tmp_path: Path) -> None:
    latency = answer(row(tmp_path, metric="batch_latency", unit="s"))
    rate = answer(row(tmp_path))
    assert rate.value == pytest.approx(8 * 128 / latency.value)
    interval = bar(rate)
    assert interval.low < interval.mid == rate.value < interval.high


def test_rates_per_device_are_divided(tmp_path: Path) -> None:
    whole = answer(row(tmp_path, tp="2", n_devices="2")).value
    assert answer(row(tmp_path, tp="2", n_devices="2", unit="tokens/s/GPU")).value == pytest.approx(whole / 2)


def test_what_does_not_fit_waits(tmp_path: Path) -> None:
    cells = {"metric": "batch_latency", "unit": "s", "isl": "2048", "osl": "2048"}
    one = row(tmp_path, **cells)
    room = model(one).memory.sequences(4096)
    full = answer(replace(one, batch=room)).value
    assert answer(replace(one, batch=3 * room)).value == pytest.approx(3 * full)


def test_a_pipeline_overlaps_groups_but_not_one_sequence(tmp_path: Path) -> None:
    cells = {"metric": "batch_latency", "unit": "s", "tp": "", "n_devices": "4"}
    alone = {pp: answer(row(tmp_path, **cells, pp=pp, batch="1")).value for pp in ("1", "4")}
    assert alone["4"] > alone["1"]
    many = {pp: answer(row(tmp_path, **cells, pp=pp, batch="64")).value for pp in ("1", "4")}
    assert many["4"] / many["1"] < alone["4"] / alone["1"]


def test_first_token_is_one_prefill(tmp_path: Path) -> None:
    one = row(tmp_path, metric="ttft", value="20", unit="ms", batch="1", osl="")
    host = model(one).mechanism.request_s
    assert answer(one).value == pytest.approx(float(model(one).prefill_s(1, 512)) + host, rel=1e-6)
    batch = row(tmp_path, "argonne_ttft_power_parallel", metric="batch_ttft", unit="s", batch="16", osl="1")
    assert answer(batch).value == pytest.approx(float(model(batch).prefill_s(16, 512)) + host, rel=1e-6)


def test_full_load_is_the_best_steady_state_within_the_engines_limit(tmp_path: Path) -> None:
    one = row(tmp_path, batch="")
    asked = Workload("measured", 512, 128)
    best = estimate(model(one), asked, quick=True)
    assert answer(one).value == pytest.approx(best.rate.mid, rel=0.05)
    short = row(tmp_path, batch="", isl="8", osl="8", model="Llama 3.2 1B")
    limited = estimate(model(short), Workload("measured", 8, 8, users=MOST_SEQUENCES), quick=True)
    assert answer(short).value <= limited.rate.mid * 1.0001


def test_fixed_users_are_the_steady_state_at_that_batch(tmp_path: Path) -> None:
    cells = {"metric": "tpot", "unit": "ms", "concurrency": "16", "batch": "16"}
    one = row(tmp_path, "inferencemax_nvidia_ttft_tpot", **cells)
    state = estimate(model(one), Workload("measured", 512, 128, users=16), quick=True)
    assert answer(one).value == pytest.approx(state.tpot_s.mid)
    loaded = answer(row(tmp_path, "inferencemax_nvidia_ttft_tpot", **{**cells, "metric": "ttft"}))
    assert loaded.kind == LOADED
    together = float(model(one).prefill_s(16, 512)) / 16
    assert loaded.value == pytest.approx(state.ttft_s.mid + 15 / 2 * together / 10)


def test_power_lies_between_idle_and_limit(tmp_path: Path) -> None:
    one = row(tmp_path, "argonne_ttft_power_parallel", metric="avg_power_per_device?", unit="W", value="500")
    chip = chips.load("h100")
    assert model(one).idle_w < answer(one).value < chip.si("power.tdp")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"hardware": "Abacus"}, "'Abacus' is not in the catalogue"),
        ({"model": "Eliza"}, "'Eliza' is not in the catalogue"),
        ({"precision": "tablets"}, "formats"),
        ({"metric": "joy"}, "'joy' is not predicted"),
        ({"notes": "mode=disagg; x"}, "not described"),
        ({"notes": "Poisson request_rate=16/s", "osl": ""}, "lengths are not stated"),
        ({"model": "Llama 3.1 405B"}, "weights take"),
        ({"isl": ""}, "not stated"),
        ({"metric": "tpot", "batch": ""}, "users is not stated"),
        ({"isl": "9000000", "model": "Llama 3.2 1B"}, "does not fit"),
    ],
)
def test_rows_without_a_prediction_say_why(tmp_path: Path, cells: dict[str, str], reason: str) -> None:
    found = work(row(tmp_path, **cells))
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("meta-llama/Llama-2-7b-hf", "llama-2-7b"),
        ("LLaMA v2 70B", "llama-2-70b"),
        ("meta-llama/Meta-Llama-3-8B", "llama-3-8b"),
        ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b"),
        ("Llama 4 Scout", "llama-4-scout"),
        ("DeepSeek R1 0528", "deepseek-r1"),
        ("moonshotai/Kimi-K2.5", "kimi-k2"),
        ("", None),
    ],
)
def test_models_are_found_or_not_guessed(tmp_path: Path, text: str, name: str | None) -> None:
    assert names.model_name(replace(row(tmp_path), model=text)) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fp16/bf16 (scripts use float16; not in CSV)", "fp16"),
        ("Weight = fp16, KV Cache = fp8", "fp16:fp16:fp8"),
        ("Weight = fp8, KV Cache = fp8", "fp8"),
        ("Weight = int8, KV Cache = int8", "int8:fp16:int8"),
        ("", "bf16"),
    ],
)
def test_formats(tmp_path: Path, text: str, expected: str) -> None:
    assert str(names.precision(replace(row(tmp_path), precision=text), chips.load("h100"))) == expected


def test_every_chip_of_the_tables_is_in_the_catalogue() -> None:
    assert set(names.END_TO_END.values()) <= set(chips.names())
