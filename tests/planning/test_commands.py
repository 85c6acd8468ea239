"""`silmark search` and `silmark size`: documents, files, and sentences for what makes no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark.report.schema import DOCUMENTS

Run = Callable[..., Any]
H100 = ["--on", "2x:h100"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["llama-3.1-8b", *H100], "ok"),
        (["llama-3.1-8b", "--prefill-on", "2x:h100", "--decode-on", "corsair-server", "--ttft", "none"], "ok"),
        (["llama-3.1-8b", *H100, "--tpot", "1us"], "infeasible"),
        (["llama-3.1-405b", *H100], "infeasible"),
        (["llama-3.1-8b", "--on", "z1-board"], "cannot-run"),
        (["mixtral-8x7b", "--on", "8x:h200", "--precision", "fp8,bf16", "--mode", "aggregated"], "ok"),
        (["llama-3.1-8b", *H100, "--draft", "llama-3.2-1b", "--acceptance", "0.7", "--chunk", "none,512"], "ok"),
        (
            ["llama-3.1-8b", *H100, "--reuse", "900", "--offload", "none,host", "--kv-in", "own,host", "--cp", "1,2"],
            "ok",
        ),
    ],
)
def test_search_documents_are_as_described(words: list[str], status: str, run: Run) -> None:
    found = run("search", *words, "--json")
    code, out = found.code, found.out
    document = json.loads(out)
    DOCUMENTS["search"].model_validate(document)
    assert code == 0
    assert document["status"] == status
    assert bool(document["reason"]) == (status != "ok")
    assert bool(document["best"]) == (status == "ok")
    found = run("search", *words)
    code, out = found.code, found.out
    assert code == 0
    assert status == "ok" or status in out


def test_size_documents_are_as_described(run: Run) -> None:
    words = ["size", "llama-3.1-8b", "--rate", "300/min", "--chips", "h100,cerebras-wse-3,extropic-z1,groq-lp30"]
    found = run(*words, "--json")
    code, out = found.code, found.out
    document = json.loads(out)
    DOCUMENTS["size"].model_validate(document)
    assert code == 0
    assert document["question"]["requests_per_s"] == 5.0
    assert document["rows"][0]["status"] == "ok"
    assert document["rows"][-1]["status"] == "cannot-run"
    cheap = [row["cheapest"]["usd_per_h"] for row in document["rows"] if row["cheapest"]]
    assert cheap == sorted(cheap)
    found = run(*words)
    code, out = found.code, found.out
    assert code == 0
    assert "head-room" in out


@pytest.mark.parametrize(
    "words",
    [
        ["search", "llama-3.1-8b"],
        ["search", "llama-3.1-8b", *H100, "--prefill-on", "h100"],
        ["search", "llama-3.1-8b", "--prefill-on", "h100"],
        ["search", "llama-3.1-8b", *H100, "--mode", "mixed"],
        ["search", "llama-3.1-8b", *H100, "--precision", ","],
        ["search", "llama-3.1-8b", *H100, "--precision", "fp7"],
        ["search", "bert-large", *H100],
        ["search", "llama-3.1-8b", *H100, "--plot", "picture.gif"],
        ["size", "llama-3.1-8b", "--rate", "fast"],
        ["size", "llama-3.1-8b", "--rate", "0/s"],
        ["size", "llama-3.1-8b", "--rate", "1/s", "--headroom", "-1"],
        ["size", "llama-3.1-8b", "--rate", "1/s", "--headroom", "nan"],
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(words: list[str], run: Run) -> None:
    found = run(*words)
    err = found.err
    assert found.code == 2
    assert "expected" in err or "unknown" in err
    assert "Traceback" not in err


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_any_rate_is_a_rate_or_a_sentence(text: str) -> None:
    said = ""
    try:
        assert silmark.size("llama-3.1-8b", text, chips="extropic-z1").demand.requests > 0
    except silmark.SilmarkError as error:
        said = str(error)
    assert not said or said.startswith("rate")


def test_files(tmp_path: Path, run: Run) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    answer = silmark.search("llama-3.1-8b", "2x:h100")
    for name, words in (
        ("points", ["search", "llama-3.1-8b", *H100]),
        ("fleets", ["size", "llama-3.1-8b", "--rate", "9/s", "--chips", "h100,groq-lp30"]),
    ):
        table, picture = tmp_path / f"{name}.parquet", tmp_path / f"{name}.png"
        assert run(*words, "--parquet", str(table), "--plot", str(picture)).code == 0
        assert picture.stat().st_size > 10_000
        rows = pyarrow.read_table(table).to_pylist()
        if name == "points":
            assert len(rows) == answer.answer.points.size
            assert sum(row["frontier"] for row in rows) == answer.answer.frontier.size
            assert {row["mode"] for row in rows} == {"aggregated", "disaggregated"}
        else:
            assert {row["chip"] for row in rows} == {"nvidia-h100-sxm5-80gb", "groq-lp30"}
