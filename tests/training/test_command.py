"""`silmark train` and `silmark.train`."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import silmark


def test_table_and_json_agree(run: Callable[..., Any]) -> None:
    words = ("train", "llama-3.1-8b", "--on", "8x:h100", "--micro-batch", "2", "--global-batch", "32")
    page, document = run(*words), json.loads(run(*words, "--json").out)
    assert page.code == 0
    assert document["schema"] == "silmark.train/1"
    assert document["status"] == "ok"
    answer = document["training"]
    assert answer["step_s"]["low"] < answer["step_s"]["mid"] < answer["step_s"]["high"]
    assert sum(answer["parts_s"].values()) == pytest.approx(answer["step_s"]["mid"])
    assert answer["sources"]
    assert f"{100 * answer['mfu']['mid']:.1f} %" in page.out
    assert "bound by" in page.out


def test_function() -> None:
    answer = silmark.train("llama-3.1-8b", "8x:h100", micro_batch=1, recompute="full")
    assert answer.status == "ok"
    assert answer.estimate is not None
    assert answer.estimate.hfu.mid == pytest.approx(answer.estimate.mfu.mid * 4 / 3)


def test_auto_recomputes_only_what_must_be() -> None:
    small = silmark.train("llama-3.2-1b", "8x:h100")
    large = silmark.train("llama-3.1-8b", "8x:h100", micro_batch=8, seq=8192)
    assert small.question["job"].endswith("recompute none")
    assert large.question["job"].endswith(("recompute full", "recompute alternate"))


def test_refusals_are_answers(run: Callable[..., Any]) -> None:
    groq = run("train", "llama-3.1-8b", "--on", "groq", "--json")
    assert groq.code == 0
    assert json.loads(groq.out)["status"] == "cannot-run"
    big = run("train", "llama-3.1-405b", "--on", "8x:h100")
    assert big.code == 0
    assert "infeasible: training takes" in big.out


@pytest.mark.parametrize(
    "words",
    [
        ("--tp", "3"), ("--zero", "9"), ("--recompute", "all"), ("--stack", "x"), ("--micro-batch", "0"),
        ("--precision", "int4:bf16"), ("--dp", "99"), ("--global-batch", "7"),
    ],
)  # fmt: skip
def test_wrong_words_exit_with_a_sentence(run: Callable[..., Any], words: tuple[str, ...]) -> None:
    got = run("train", "llama-3.1-8b", "--on", "8x:h100", *words)
    assert got.code == 2
    assert "expected" in got.err
    assert "Traceback" not in got.err
