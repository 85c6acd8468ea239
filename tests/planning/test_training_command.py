"""`silmark search --train` and `silmark.search_training`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark.cli.search_training import fixed_axes
from silmark.errors import SilmarkError
from silmark.report.schema import DOCUMENTS

WORDS = ("search", "llama-3.1-8b", "--train", "--on", "16x:h100", "--global-batch", "64")


def test_table_and_json_agree(run: Callable[..., Any]) -> None:
    page, document = run(*WORDS), json.loads(run(*WORDS, "--json").out)
    DOCUMENTS["search-train"].model_validate(document)
    assert page.code == 0
    assert f"{document['tried']:,} plans: {document['fit']:,} fit" in page.out
    best = document["best"][0]["plan"]
    assert best["text"] in page.out
    assert document["best"][0]["why"] in page.out
    assert best["run"] is None
    assert len(document["curve"]["chips"]) == len(document["curve"]["step_s"])
    for rejected in document["rejected"]:
        assert rejected["reason"] in page.out


def test_tokens_add_days_and_dollars(run: Callable[..., Any]) -> None:
    page, document = run(*WORDS, "--tokens", "1e12"), json.loads(run(*WORDS, "--tokens", "1e12", "--json").out)
    DOCUMENTS["search-train"].model_validate(document)
    plan = document["best"][0]["plan"]
    rate = plan["training"]["tokens_per_s"]["mid"]
    assert plan["run"]["days"]["mid"] == pytest.approx(1e12 / rate / 86_400)
    assert plan["run"]["usd"]["mid"] == pytest.approx(plan["usd_per_mtok"]["mid"] * 1e6)
    assert "MWh" in page.out


def test_fixed_axes_are_kept() -> None:
    answer = silmark.search_training(
        "llama-3.1-8b", "16x:h100", global_batch=64, fixed={"tp": "2/4", "recompute": "full", "zero": 1}
    )
    jobs = answer.answer.result.plans.jobs
    assert set(jobs.tp.tolist()) == {2, 4}
    assert set(jobs.zero.tolist()) == {1}
    assert all(found.job.recompute == "full" for found in answer.frontier)


def test_same_document_for_train(run: Callable[..., Any]) -> None:
    for on in ("8x:h100", "groq", "cerebras-wse-3"):
        DOCUMENTS["train"].model_validate(json.loads(run("train", "llama-3.1-8b", "--on", on, "--json").out))


def test_refusals_are_answers(run: Callable[..., Any]) -> None:
    for model, on, word in (
        ("llama-3.1-405b", "8x:h100", "infeasible: no plan fits"),
        ("llama-3.1-8b", "groq", "cannot-run: cannot train"),
        ("resnet-50", "8x:h100", "infeasible: training is modelled"),
    ):
        got = run("search", model, "--train", "--on", on, "--global-batch", "64")
        assert got.code == 0
        assert word in got.out


@pytest.mark.parametrize(
    "words",
    [
        ("--fix", "tp"), ("--fix", "wings=2"), ("--fix", "dp=7"), ("--fix", "recompute=all"), ("--fix", "zero=4"),
        ("--fix", "tp=0"),
        ("--fix", "pp=100000000000000"),
        ("--tokens", "many"), ("--tokens", "nan"), ("--cp", "3"), ("--global-batch", "0"),
        ("--sequence", "x"), ("--stack", "none"), ("--precision", "int3"), ("--plot", "picture.txt"),
    ],
)  # fmt: skip
def test_wrong_words_exit_with_a_sentence(run: Callable[..., Any], words: tuple[str, ...]) -> None:
    got = run(*WORDS, *words)
    assert got.code == 2
    assert got.err.startswith("silmark: ")
    assert "Traceback" not in got.err


@pytest.mark.parametrize(
    "words", [("--train", "--global-batch", "8", "--prompt", "9"), ("--global-batch", "8"), ("--tokens", "1e9")]
)
def test_options_of_the_other_search_are_refused(run: Callable[..., Any], words: tuple[str, ...]) -> None:
    got = run("search", "llama-3.2-1b", "--on", "2x:h100", *words)
    assert got.code == 2
    assert "an option of a search with" in got.err


@settings(max_examples=40)
@given(st.text(alphabet="tpdzero=,/0129-x ", max_size=20))
def test_any_text_is_axes_or_a_sentence(text: str) -> None:
    with contextlib.suppress(SilmarkError):
        axes = fixed_axes(text)
        answer = silmark.search_training("llama-3.2-1b", "4x:h100", global_batch=4, fixed={"micro": 1, **axes})
        assert answer.verdicts or answer.reason


@pytest.mark.slow
def test_picture_and_parquet(run: Callable[..., Any], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    got = run(*WORDS, "--plot", str(tmp_path / "plans.svg"), "--parquet", str(tmp_path / "plans.parquet"), "--json")
    assert got.code == 0
    assert (tmp_path / "plans.svg").stat().st_size > 10_000
    columns = parquet.read_table(tmp_path / "plans.parquet")
    assert columns.num_rows == json.loads(got.out)["fit"]
    assert min(columns["step_s"].to_pylist()) == pytest.approx(
        json.loads(got.out)["best"][0]["plan"]["training"]["step_s"]["mid"]
    )
