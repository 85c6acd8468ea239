"""The command with the compiled core behind it: what it prints is what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark.report.schema import DOCUMENTS

pytestmark = pytest.mark.slow  # the core is compiled first
Run = Callable[..., Any]
TRACE = "poisson:rate=5,prompt=300,output=40"


def ask(run: Run, *more: str, model: str = "llama-3.1-8b", trace: str = TRACE) -> Any:
    return run("serve-sim", model, "--on=1x:h100", f"--trace={trace}", "--limit=60", "--draws=4", *more)


def test_json_is_documented_and_repeats_byte_for_byte(run: Run) -> None:
    first, again, other = (ask(run, "--json", "--slo=ttft:1s", f"--seed={seed}") for seed in (3, 3, 4))
    assert (first.code, again.err) == (0, "")  # the first may have said that it compiles
    assert first.out == again.out
    assert first.out != other.out
    document = json.loads(first.out)
    DOCUMENTS["serve-sim"].model_validate(document)
    metrics = document["runs"][0]["metrics"]
    assert metrics["requests"]["completed"]["mid"] == 60
    assert metrics["tokens"]["output"]["mid"] == 60 * 40
    assert metrics["ttft_s"]["p99"]["low"] < metrics["ttft_s"]["p99"]["high"]
    for name in ("power_w", "joules_per_request", "usd_per_million_output_tokens"):
        assert 0 < metrics[name]["low"] <= metrics[name]["mid"] <= metrics[name]["high"]
    assert document["runs"][0]["draws"] == 4


def test_the_words_are_the_same_from_python(run: Run) -> None:
    answer = silmark.serve_sim("llama-3.1-8b", "1x:h100", TRACE, limit="60", draws=4, slo="ttft:1s")
    assert json.loads(ask(run, "--json", "--slo=ttft:1s").out) == json.loads(json.dumps(answer.as_dict()))


def test_explain_lists_every_figure(run: Run) -> None:
    document = json.loads(ask(run, "--json", "--explain").out)
    assert {figure["source"] for figure in document["figures"]} == set(document["sources"])
    keys = {figure["key"] for figure in document["figures"]}
    assert "memory.main.bandwidth" in keys
    assert any(key.startswith("engine.") for key in keys)


def test_files_hold_what_happened(run: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows, steps = tmp_path / "rows.parquet", tmp_path / "steps.json"
    found = ask(run, "--json", f"--parquet={rows}", f"--timeline={steps}", f"--plot={tmp_path / 'p.png'}")
    assert found.code == 0, found.err
    table = parquet.read_table(rows).to_pydict()
    metrics = json.loads(found.out)["runs"][0]["metrics"]
    assert np.percentile(table["ttft_s"], 99) == pytest.approx(metrics["ttft_s"]["p99"]["mid"])
    assert np.mean(table["e2el_s"]) == pytest.approx(metrics["e2el_s"]["mean"]["mid"])
    drawn = [event for event in json.loads(steps.read_text(encoding="utf-8"))["traceEvents"] if event["ph"] == "X"]
    assert sum(step["args"]["prefill_tokens"] * step["args"]["count"] for step in drawn) == 60 * 300
    assert sum(step["args"]["decoders"] * step["args"]["count"] for step in drawn) == 60 * 39
    starts, ends = (np.array([step["ts"] + part * step["dur"] for step in drawn]) for part in (0, 1))
    assert (ends[:-1] <= starts[1:] + 1e-3).all()  # one engine does one step after the other


def test_several_rates(run: Run) -> None:
    found = ask(run, "--rate=1,50", "--json")
    slow, fast = json.loads(found.out)["runs"]
    assert (slow["rate"], fast["rate"]) == ("1", "50")
    assert slow["metrics"]["tpot_s"]["mean"]["mid"] < fast["metrics"]["tpot_s"]["mean"]["mid"]
    assert slow["metrics"]["joules_per_request"]["mid"] > fast["metrics"]["joules_per_request"]["mid"]
    brief = ask(run, "--rate=1,50", "--brief")
    assert [line.split()[0] for line in brief.out.splitlines()[-2:]] == ["1", "50"]


def test_requests_that_are_too_long_are_refused_and_said(run: Run) -> None:
    found = ask(run, "--max-model-len=300")
    assert found.code == 0
    assert "refused requests: 60 (prompts that leave no room within max_model_len, 300 tokens)" in found.out
    assert "no request was answered" in found.out
    assert json.loads(ask(run, "--max-model-len=300", "--json").out)["runs"][0]["metrics"]["ttft_s"]["p50"] is None


def test_answers_end_at_the_longest_request(run: Run) -> None:
    document = json.loads(ask(run, "--max-model-len=339", "--json").out)
    assert document["runs"][0]["metrics"]["tokens"]["output"]["mid"] == 60 * 39


def test_skipped_rows_are_counted(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("arrival,prompt,output\n0,100,20\n1,-5,20\n2,30,9\n", encoding="utf-8")
    found = ask(run, "--bad-rows=skip", trace=str(path))
    assert "rows of the trace that were left out: 1 (" in found.out


def test_a_duration_in_which_nothing_comes(run: Run) -> None:
    found = ask(run, "--duration=1us")
    assert found.code == 2
    assert "at least one request" in found.err


def test_many_requests_have_error_bars_only_if_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("silmark.serving.run.SHORT", 59)
    found = run("serve-sim", "llama-3.1-8b", "--on=1x:h100", f"--trace={TRACE}", "--limit=60")
    assert "--draws 16 sends the trace as often again" in found.out


options = st.dictionaries(
    st.sampled_from(
        ["rate", "duration", "limit", "max-concurrency", "slo", "seed", "draws", "max-num-seqs", "block-size",
         "max-num-batched-tokens", "max-model-len", "gpu-memory-utilization", "num-gpu-blocks-override", "tp", "dp",
         "arrivals", "burstiness", "repeat"]
    ),
    st.one_of(
        st.integers(-2, 3000).map(str),
        st.floats(width=16).map(str),
        st.text(max_size=6),
        st.sampled_from(["1,2", "inf", "2x", "1s", "ttft:1s", "ttft:1s@p1,tpot:1ms", "0.5", "gamma"]),
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


@settings(max_examples=80)
@given(drawn=options)
def test_any_words_get_an_answer_or_a_sentence(drawn: dict[str, str], run: Run) -> None:
    usual = {"limit": "20", "draws": "0"}
    found = run("serve-sim", "llama-3.2-1b", "--on=2x:h100", f"--trace={TRACE}", "--json",
                *(f"--{name}={value}" for name, value in (usual | drawn).items()))  # fmt: skip
    assert found.code in (0, 2)
    assert "Traceback" not in found.err
    assert "Warning" not in found.err
    if found.code == 0:
        DOCUMENTS["serve-sim"].model_validate_json(found.out)
    else:
        assert found.err
        assert found.out == ""
