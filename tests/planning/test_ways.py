"""Ways to serve with a plan: each is what an estimate of the same plan says, and counts as a plan of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark import models, systems
from silmark.estimation import Serving
from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.figures import Interval
from silmark.formats import Precision
from silmark.planning.answer import search
from silmark.planning.evaluate import evaluate
from silmark.planning.space import Asked, Draft, Tally
from silmark.workloads import Workload

LONG = Workload("chat", 8192, 256, ttft_s=5.0, tpot_s=0.05, reuse=6000, think_s=30.0)


def asked(**more: Any) -> Asked:
    return Asked(
        models.load("llama-3.1-8b"), systems.target("4x:h100"), more.pop("work", LONG), (Precision.of("bf16"),), **more
    )


WAYS = {
    "context": {"contexts": (1, 2, 4)},
    "chunks": {"servings": (Serving(), Serving(chunk=2048), Serving(chunk=512))},
    "waiting caches": {"servings": (Serving(), Serving(offload="main"), Serving(offload="host"))},
    "caches on the host": {"kv_in": ("own", "host")},
    "drafts": {"draft": Draft(models.load("llama-3.2-1b"), Interval(0.6, 0.7, 0.8), (1, 4))},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_what_its_estimate_says(way: str) -> None:
    question, tally = asked(**WAYS[way]), Tally()
    curves = evaluate(question, tally)
    assert tally.tried == tally.rejected + len(curves)
    assert len(curves) > len(evaluate(asked(contexts=(1,)), Tally()))
    for curve in curves:
        alone = prepare(curve.step_model, LONG, serving=curve.steady.serving)
        assert isinstance(alone, Mixture)
        np.testing.assert_allclose(curve.steady.tpot, alone.tpot, rtol=1e-9)
        np.testing.assert_allclose(curve.steady.ttft, alone.ttft, rtol=1e-9)
        np.testing.assert_allclose(curve.steady.dynamic_w(), alone.dynamic_w(), rtol=1e-9)


def test_context_is_divided_where_parts_fill_a_chip() -> None:
    assert asked().divided == (1, 2, 4)
    assert asked(work=Workload("chat", 1024, 256)).divided == (1,)
    assert asked(work=Workload("chat", 1024, 256), contexts=(2, 3)).divided == (2, 3)


def test_more_ways_are_never_worse() -> None:
    plain = search(None, asked(contexts=(1,)), "both")
    for more in WAYS.values():
        better = search(None, asked(**more), "both")
        for best, with_more in zip(plain.best, better.best, strict=True):
            score, other = (b.objective.score(a.points, LONG) for b, a in ((best, plain), (with_more, better)))
            assert other[with_more.winner] <= score[best.winner] * (1 + 1e-6)


def test_pools_only_prefill_and_decode() -> None:
    servings = (Serving(), Serving(chunk=1024), Serving(offload="host"))
    answer = search(None, asked(servings=servings, draft=WAYS["drafts"]["draft"]), "disaggregated")
    for index in set(answer.points.prefill):
        serving = answer.prefill[index].steady.serving
        assert serving.speculation is None
        assert not serving.offload
    assert {answer.decode[i].steady.serving.chunk for i in answer.points.decode} == {None}
    drafting = [i for i in set(answer.points.decode) if answer.decode[i].steady.serving.speculation]
    assert drafting
    index = int(np.flatnonzero(answer.points.decode == drafting[0])[-1])
    found = answer.at(index)
    assert found.tpot_s.mid == pytest.approx(answer.points.tpot[index], rel=1e-9)
    assert found.power_w.mid == pytest.approx(answer.points.watts[index], rel=1e-9)
    assert str(found.grade) == "assumed"
    assert found.tpot_s.low < found.tpot_s.mid < found.tpot_s.high


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kv-in", "attic"], "host"),
        (["--offload", "host"], "--reuse"),
        (["--reuse", "500", "--offload", "attic"], "host"),
        (["--chunk", "many"], "chunk"),
        (["--cp", "0"], "cp"),
        (["--draft", "llama-3.2-1b"], "acceptance"),
        (["--draft", "llama-3.2-1b", "--acceptance", "2"], "acceptance"),
    ],
)
def test_ways_that_make_no_sense(words: list[str], said: str, run: Callable[..., Any]) -> None:
    found = run("search", "llama-3.1-8b", "--on", "2x:h100", *words)
    assert found.code == 2
    assert said in found.err


def test_searches_without_end_are_refused(run: Callable[..., Any]) -> None:
    chunks, drafted = ",".join(str(64 * n) for n in range(1, 17)), ["--draft", "llama-3.2-1b", "--acceptance", "0.7"]
    words = ["--chunk", chunks, "--precision", "bf16,fp8,int8,int4:bf16", "--cp", "1,2,4", "--kv-in", "own,host"]
    found = run("search", "llama-3.1-8b", "--on", "64x:h100", *words, *drafted)
    assert found.code == 2
    assert "plans" in found.err


words = st.text(st.sampled_from("0123456789,.:+-abcehnost \x00é"), max_size=24)


@settings(max_examples=80)
@given(st.sampled_from(["cp", "chunk", "kv_in", "offload", "reuse", "think", "precision", "acceptance", "mode"]), words)
def test_any_word_is_an_answer_or_a_sentence(option: str, word: str) -> None:
    said = ""
    try:
        answer = silmark.search("llama-3.1-8b", "1x:h100", **{option: word})
        assert (answer.status == "ok") == (answer.reason == "")
    except silmark.SilmarkError as error:
        said = str(error)
    assert "\n" not in said
