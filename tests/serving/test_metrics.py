"""Metrics against the plain loops of `vllm bench serve`'s definitions, request by request and token by token."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark.serving.histogram import Histogram
from silmark.serving.metrics import Tally, Times, bounds, measure
from silmark.serving.records import ANSWERED, DONE, LOST, REFUSED
from silmark.serving.slo import Limit, Slo
from silmark.serving.spread import Spread

SECOND = 1_000_000_000
WIDTH = 1.001
EDGES = WIDTH ** np.arange(32_000)
"""Up to a day of nanoseconds."""


def histogram(durations: np.ndarray) -> Histogram:
    return Histogram(np.histogram(durations, EDGES)[0], EDGES)


def rows(*requests: tuple[float, float, float, float, int, int], status: int = DONE) -> np.ndarray:
    """Rows of (arrival, scheduled, first, last) in seconds and (prompt, output)."""
    found = np.zeros(len(requests), dtype=ANSWERED)
    for row, (arrival, scheduled, first, last, prompt, output) in zip(found, requests, strict=True):
        for name, value in (("arrival", arrival), ("scheduled", scheduled), ("first", first), ("last", last)):
            row[f"{name}_ns"] = round(value * SECOND)
        row["prompt"], row["output"], row["status"] = prompt, output, status
    return found


def even_gaps(answered: np.ndarray) -> np.ndarray:
    """Gaps of requests whose tokens come at even distances."""
    gaps = [np.diff(np.linspace(r["first_ns"], r["last_ns"], r["output"])) for r in answered if r["status"] == DONE]
    return np.rint(np.concatenate([*gaps, np.zeros(0)])).astype(np.int64)


def run(answered: np.ndarray, slo: Slo | None = None) -> dict[str, float | None]:
    duration = float(answered["last_ns"].max() * 1e-9) if answered.size else 0.0
    return measure(answered, histogram(even_gaps(answered)), duration, slo or Slo())


THREE = rows((0.0, 0.1, 0.5, 2.5, 100, 21), (1.0, 1.0, 1.25, 1.25, 50, 1), (1.5, 2.0, 3.0, 3.9, 200, 10))


def test_three_requests_by_hand() -> None:
    found = run(THREE)
    assert found["requests.completed"] == 3
    assert found["duration_s"] == pytest.approx(3.9)
    assert (found["tokens.input"], found["tokens.output"]) == (350, 32)
    assert found["requests_per_s"] == pytest.approx(3 / 3.9)
    assert found["output_tokens_per_s"] == pytest.approx(32 / 3.9)
    assert found["tokens_per_s"] == pytest.approx(382 / 3.9)
    assert found["ttft_s.mean"] == pytest.approx((0.5 + 0.25 + 1.5) / 3)
    assert found["ttft_s.p50"] == pytest.approx(0.5)
    assert found["tpot_s.mean"] == pytest.approx(0.1)  # the answer of one token has none
    assert found["tpot_s.p99"] == pytest.approx(0.1)
    assert found["e2el_s.max"] == pytest.approx(2.5)
    assert found["queue_s.mean"] == pytest.approx((0.1 + 0 + 0.5) / 3)
    assert found["itl_s.mean"] == pytest.approx(0.1, rel=1e-3)
    assert found["itl_s.p50"] == pytest.approx(0.1, rel=1e-3)
    assert found["peak_concurrent_requests"] == 3  # in the second from 1 to 2


def test_goodput_asks_every_promise_and_takes_one_token_as_zero_tpot() -> None:
    def goodput(**limits: float) -> float:
        slo = Slo(tuple(Limit(name, value, 99.0) for name, value in limits.items()))  # type: ignore[arg-type]
        return round((run(THREE, slo)["goodput_requests_per_s"] or 0.0) * 3.9, 9)

    assert goodput(ttft=0.5) == 2
    assert goodput(tpot=0.05) == 1
    assert goodput(ttft=0.3, tpot=0.05) == 1
    assert goodput(ttft=0.5, tpot=0.1, e2el=2.0) == 1
    assert goodput(ttft=0.01) == 0


def test_an_slo_is_kept_by_percentiles() -> None:
    slo = Slo((Limit("ttft", 0.6, 50.0), Limit("e2el", 1.0, 99.0)))
    found = run(THREE, slo)
    assert [limit.metric for limit in slo.missed(found)] == ["e2el"]
    assert str(slo) == "ttft:600ms@p50,e2el:1s@p99"
    assert slo.missed({}) == slo.limits  # nothing was answered


def test_a_percentile_that_only_the_slo_asks_for_is_counted() -> None:
    found = run(THREE, Slo((Limit("ttft", 1.0, 75.0),)))
    assert found["ttft_s.p75"] == pytest.approx(np.percentile([0.5, 0.25, 1.5], 75))


def test_loadgen_takes_an_entry_of_the_sorted_times() -> None:
    answered = rows(*((0.0, 0.0, 0.01 * (i + 1), 1.0 + i, 5, 2) for i in range(50)))
    assert run(answered)["loadgen_ttft_s.p99"] == pytest.approx(0.01 * (int(50 * 0.99) + 1))
    assert run(answered)["loadgen_ttft_s.p90"] == pytest.approx(0.01 * (int(50 * 0.9) + 1))


@pytest.mark.parametrize("answered", [rows(), rows((0, 0, 0, 0, 10, 5), status=REFUSED)], ids=["none", "all refused"])
def test_nothing_answered_counts_nothing(answered: np.ndarray) -> None:
    found = run(answered)
    assert found["requests.completed"] == 0
    assert found["requests.refused"] == answered.size
    assert found["goodput_requests_per_s"] is None
    assert found["requests_per_s"] is None
    for name in ("ttft_s.mean", "tpot_s.p99", "itl_s.p50", "e2el_s.max", "prefix_cache_hit_rate"):
        assert found[name] is None
    assert found["peak_concurrent_requests"] is None


def test_only_answers_of_one_token_have_no_tpot() -> None:
    found = run(rows((0, 0, 1, 1, 10, 1), (0, 0, 2, 2, 10, 1)))
    assert found["ttft_s.mean"] == 1.5
    assert found["tpot_s.mean"] is None
    assert found["itl_s.mean"] is None
    assert found["peak_output_tokens_per_s"] == 1


def test_refused_and_lost_requests_count_nowhere_else() -> None:
    others = np.concatenate([rows((0, 0, 9, 99, 7, 7), status=REFUSED), rows((0, 0, 9, 99, 7, 7), status=LOST)])
    alone = measure(THREE, histogram(even_gaps(THREE)), 3.9, Slo())
    mixed = measure(np.concatenate([THREE, others]), histogram(even_gaps(THREE)), 3.9, Slo())
    assert (mixed.pop("requests.refused"), mixed.pop("requests.lost")) == (1, 1)
    assert mixed.pop("sent_requests_per_s") == pytest.approx(4 / 1.5)  # all that were sent
    assert mixed == {name: value for name, value in alone.items() if name in mixed}


requests = st.builds(
    lambda arrival, queue, prefill, spoken, prompt, output: (
        arrival,
        arrival + queue,
        arrival + queue + prefill,
        arrival + queue + prefill + (spoken if output > 1 else 0.0),
        prompt,
        output,
    ),
    st.floats(0, 20),
    st.floats(0, 3),
    st.floats(0.001, 3),
    st.floats(0.001, 9),
    st.integers(1, 5000),
    st.integers(1, 40),
)


@given(drawn=st.lists(requests, min_size=1, max_size=30))
def test_peaks_against_counting_every_token(drawn: list[tuple[float, float, float, float, int, int]]) -> None:
    """vLLM's loops; tokens that lie evenly differ from tokens at even distances by at most one at each end."""
    answered = rows(*drawn)
    origin = answered["arrival_ns"].min()
    size = int((answered["last_ns"].max() - origin) // SECOND) + 2
    busy, tokens = np.zeros(size), np.zeros(size)
    for row in answered:
        busy[(row["arrival_ns"] - origin) // SECOND : (row["last_ns"] - origin) // SECOND + 1] += 1
        for at in np.linspace(row["first_ns"], row["last_ns"], row["output"]):
            tokens[int((at - origin) // SECOND)] += 1
    found = run(answered)
    assert found["peak_concurrent_requests"] == busy.max()
    assert abs((found["peak_output_tokens_per_s"] or 0.0) - tokens.max()) <= 2 * len(drawn)


@given(
    durations=st.lists(st.integers(1, 10**12), min_size=1, max_size=200),
    percents=st.lists(st.floats(0, 100), min_size=1, max_size=5),
)
def test_the_histogram_against_numpy(durations: list[int], percents: list[float]) -> None:
    values = np.array(durations, dtype=np.int64)
    found = histogram(values)
    assert found.size == values.size
    assert found.mean_s() == pytest.approx(values.mean() * 1e-9, rel=WIDTH - 1)
    assert found.std_s() == pytest.approx(values.std() * 1e-9, rel=0.01, abs=values.max() * 1e-12)
    exact = np.percentile(values, percents) * 1e-9
    np.testing.assert_allclose(found.percentiles_s(np.array(percents)), exact, rtol=WIDTH - 1)


@given(drawn=st.lists(requests, min_size=2, max_size=30), cuts=st.lists(st.integers(1, 29), max_size=3))
def test_pieces_count_as_the_whole(drawn: list[tuple[float, float, float, float, int, int]], cuts: list[int]) -> None:
    """Wherever the requests are cut, if the first piece has the one that was sent first."""
    answered = np.sort(rows(*drawn), order="arrival_ns")
    gaps, slo = histogram(even_gaps(answered)), Slo((Limit("ttft", 1.0, 90.0),))
    tally = Tally(slo)
    for piece in np.split(answered, sorted({min(cut, answered.size) for cut in cuts})):
        tally.add(piece)
    found, whole = tally.values(gaps, 9.0), measure(answered, gaps, 9.0, slo)
    assert list(found) == list(whole)
    for name, value in whole.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-9)), name


def test_of_many_requests_only_counts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("silmark.serving.spread.EXACT", 5_000)
    values = np.random.default_rng(1).lognormal(-2.0, 1.5, 20_000)
    spread = Spread()
    for piece in np.split(values, 10):
        spread.add(piece)
    assert spread.size == values.size
    assert spread.mean() == pytest.approx(values.mean())
    assert spread.std() == pytest.approx(values.std())
    percents = [0.0, 1.0, 50.0, 99.0, 99.9, 100.0]
    np.testing.assert_allclose(spread.percentiles(percents), np.percentile(values, percents), rtol=4e-4)
    assert spread.entry(19_800) == pytest.approx(np.sort(values)[19_800], rel=4e-4)


def test_bounds_hold_the_run_itself_and_skip_what_a_draw_lacks() -> None:
    draws = [{"a": float(i), "b": None if i == 3 else 1.0} for i in range(11)]
    found = bounds(draws, {"a": 10.5, "b": 1.0, "c": 2.0})
    assert set(found) == {"a"}
    assert (found["a"].low, found["a"].mid, found["a"].high) == (pytest.approx(0.6), 10.5, 10.5)
    assert bounds([], {"a": 1.0}) == {}


def test_times_are_what_the_words_say() -> None:
    times = Times.of(THREE)
    assert math.isclose(times.e2el[0], times.ttft[0] + times.tpot[0] * 20)
    assert times.several().size == 2
