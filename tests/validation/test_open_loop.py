"""Arrivals at a rate that is held: every metric answered, queues where the rate is too high, quantiles in order."""

from __future__ import annotations

import pytest

from silmark.validation.end_to_end import Answer, end_to_end

pytestmark = pytest.mark.slow  # simulations compile at the first of them
NOTES = "open loop, mean lengths given, {rate} req/s held 120 s; max_num_seqs=128"
CELLS = {
    "hardware": "H100-SXM-80GB",
    "n_devices": "1",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "precision": "fp16",
    "tp": "1",
    "pp": "1",
    "isl": "550",
    "osl": "250",
    "unit": "ms",
    "engine": "vLLM",
    "engine_version": "0.15.1",
}


def ask(metric: str, rate: float, **cells: str) -> Answer:
    notes = NOTES.format(rate=rate)
    asked = {**CELLS, **cells, "metric": metric, "rate_per_s": str(rate), "notes": notes}
    return end_to_end([asked], "serving_vllm_runs")[0]


def number(metric: str, rate: float, **cells: str) -> float:
    found = ask(metric, rate, **cells)
    assert found.mid is not None, found.why
    return found.mid


def width(found: Answer) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high / found.low


def test_an_answer_takes_its_tokens_after_its_first() -> None:
    first, each, whole = (number(metric, 8) for metric in ("ttft_mean", "itl_mean", "e2e_mean"))
    assert whole == pytest.approx(first + 249 * each, rel=0.2)


@pytest.mark.parametrize("what", ["ttft", "e2e"])
def test_quantiles_lie_above_the_mean_in_order(what: str) -> None:
    mean, p90, p99 = (number(f"{what}_{which}", 8) for which in ("mean", "p90", "p99"))
    assert mean < p90 < p99


def test_more_arrivals_slow_every_token_until_a_queue_grows() -> None:
    slow, busy = number("itl_mean", 20), number("itl_mean", 5)
    assert busy < slow < 4 * busy
    assert number("ttft_mean", 20) < 1_000
    assert number("ttft_mean", 200) > 12_000


def test_a_queue_is_as_long_as_the_rate_exceeds_what_the_server_takes() -> None:
    """At twice an overloading rate, requests wait for (2 + e) / e of the time, e being the excess."""
    once, twice = number("ttft_mean", 100), number("ttft_mean", 200)
    assert 2.0 < twice / once < 3.5
    assert number("ttft_p90", 200) == pytest.approx(1.8 * twice, rel=0.05)


def test_what_tables_do_not_state_widens_the_bar() -> None:
    known, guessed = ask("itl_mean", 8), ask("e2e_p99", 8)
    assert width(guessed) > 1.5 * width(known)


def test_other_metrics_have_a_reason() -> None:
    assert "is not predicted where requests arrive at a rate" in ask("joy", 8).why
    assert "lengths are not stated" in ask("e2e_mean", 8, isl="").why
    assert "requests arrive" in ask("e2e_mean", 1e9).why
    assert "longer than" in ask("e2e_mean", 8, isl="900000").why
