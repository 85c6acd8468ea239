"""Other rates, parts and copies of a trace: what stays and what changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trace_files as files

from silmark.errors import SilmarkError
from silmark.workloads import traces
from silmark.workloads.requests import Requests, Trace
from silmark.workloads.traces import Asked

Sample = Callable[[str], Path]
Whole = Callable[[Trace], Requests]


def test_a_rate_stretches_all_times(sample: Sample, whole: Whole) -> None:
    path = sample("azure")
    plain, fast = whole(traces.open(path)).rows, traces.open(path, Asked(rate="400"))
    found = traces.statistics(fast)
    assert found.rate == pytest.approx(400)
    assert found.cv == pytest.approx(traces.statistics(traces.open(path)).cv)
    rows = whole(fast).rows
    ratio = plain["arrival_ns"][-1] / rows["arrival_ns"][-1]
    assert rows["arrival_ns"] * ratio == pytest.approx(plain["arrival_ns"], abs=ratio)
    assert (rows["prompt"] == plain["prompt"]).all()
    twice = whole(traces.open(path, Asked(rate="2x"))).rows
    assert twice["arrival_ns"] == pytest.approx(plain["arrival_ns"] / 2, abs=1)


def test_a_rate_is_that_of_the_requests_that_are_sent(sample: Sample) -> None:
    found = traces.statistics(traces.open(sample("azure"), Asked(rate="7", limit=20)))
    assert (found.requests, found.rate) == (20, pytest.approx(7))


def test_a_process_in_place_of_recorded_times(sample: Sample, whole: Whole) -> None:
    path = sample("azure")
    rows = whole(traces.open(path, Asked(rate="10", arrivals="constant"))).rows
    assert rows["arrival_ns"].tolist() == [(at + 1) * 10**8 for at in range(files.COUNT)]
    poisson = whole(traces.open(path, Asked(rate="10", arrivals="poisson", seed=5))).rows
    generated = whole(traces.open(f"poisson:rate=10,seed=5,requests={files.COUNT}")).rows
    assert (poisson["arrival_ns"] == generated["arrival_ns"]).all()
    assert poisson["prompt"].tolist() == files.PROMPTS


def test_times_of_copies_must_fit(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arrival,prompt,output\n0,1,1\n300000000,1,1\n")
    with pytest.raises(SilmarkError, match="times would not fit into 64 bits"):
        whole(traces.open(path, Asked(repeat=9000)))


def test_times_must_fit(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arrival,prompt,output\n0,1,1\n300000000,1,1\n")
    with pytest.raises(SilmarkError, match="at most 280 years"):
        whole(traces.open(path, Asked(rate="0.000001x")))


def test_all_at_once(sample: Sample, whole: Whole) -> None:
    for asked in (Asked(rate="inf"), Asked(rate="inf", arrivals="poisson")):
        assert not whole(traces.open(sample("azure"), asked)).rows["arrival_ns"].any()


def test_a_file_without_times_is_sent_as_a_poisson_process(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "c.csv"
    path.write_text("prompt,output\n" + "5,6\n" * 1000)
    rows = whole(traces.open(path, Asked(rate="20"))).rows
    assert rows["arrival_ns"][-1] == 50 * 10**9, "as vLLM: the last of n requests is sent at n / rate"
    assert np.diff(rows["arrival_ns"]).std() == pytest.approx(1e9 / 20, rel=0.1)


def test_duration_and_limit(sample: Sample, whole: Whole) -> None:
    path = sample("azure")
    times = np.array(files.since_first())
    assert whole(traces.open(path, Asked(duration_s=times[20] / 1e9))).rows.size == 20
    assert whole(traces.open(path, Asked(limit=7))).rows["prompt"].tolist() == files.PROMPTS[:7]
    assert whole(traces.open(path, Asked(limit=700))).rows.size == files.COUNT
    found = whole(traces.open("poisson:rate=10", Asked(duration_s=100)))
    assert found.rows["arrival_ns"][-1] < 100 * 10**9
    assert found.rows.size == pytest.approx(1000, abs=150)


def test_a_duration_keeps_what_follows_from_what_arrived(whole: Whole) -> None:
    rows = whole(traces.open("sessions:rate=1,turns=5", Asked(duration_s=20))).rows
    assert rows.size % 5 == 0
    assert (rows["arrival_ns"][rows["delay_ns"] < 0] < 20 * 10**9).all()


@pytest.mark.parametrize("name", ["azure", "mooncake", "bailian", "csv"])
def test_copies_are_other_users_at_the_same_rate(name: str, sample: Sample, whole: Whole) -> None:
    once, trace = traces.statistics(traces.open(sample(name))), traces.open(sample(name), Asked(repeat=4))
    found, four = whole(trace), traces.statistics(trace)
    assert four.requests == 4 * once.requests
    assert four.rate == pytest.approx(once.rate, rel=0.05)
    assert four.duration_s / once.duration_s == pytest.approx((4 * files.COUNT - 1) / (files.COUNT - 1), rel=1e-6)
    assert (four.prompt.mean, four.prompt.least, four.prompt.most) == (
        once.prompt.mean,
        once.prompt.least,
        once.prompt.most,
    )
    assert four.sessions == (None if once.sessions is None else 4 * once.sessions)
    if once.reuse is not None:
        assert four.reuse is not None
        assert four.reuse.hit_tokens == 4 * once.reuse.hit_tokens
    assert (np.diff(found.rows["arrival_ns"]) >= 0).all()


def test_copies_that_are_read_again_are_the_same(sample: Sample, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = whole(traces.open(sample("bailian"), Asked(repeat=3)))
    monkeypatch.setattr("silmark.workloads.traces.copies._KEPT", 10)
    again = whole(traces.open(sample("bailian"), Asked(repeat=3)))
    assert (kept.rows == again.rows).all()
    assert (kept.segments == again.segments).all()


def test_copies_of_sessions_answer_themselves(whole: Whole) -> None:
    found = whole(traces.open("sessions:rate=1,sessions=6,turns=3,prefix=10", Asked(repeat=2)))
    half = found.rows.size // 2
    assert (found.rows["delay_ns"][:half] == found.rows["delay_ns"][half:]).all()
    moved = found.rows["made"][half:] - found.rows["made"][:half]
    assert set(moved) == {found.rows["made"][half - 1] + found.rows["output"][half - 1]}


def test_ids_of_many_copies_must_fit(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"timestamp": 0, "input_length": 5, "output_length": 5, "hash_ids": [{2**41 - 1}]}}\n')
    with pytest.raises(SilmarkError, match=r"ids of tokens, .* would not fit into 64 bits"):
        whole(traces.open(path, Asked(repeat=5000)))


@pytest.mark.parametrize("name", ["azure", "bailian"])
def test_copies_at_once_are_so_many_times_the_users(
    name: str, sample: Sample, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, trace = whole(traces.open(sample(name))), traces.open(sample(name), Asked(copies=20))
    found = whole(trace)
    assert found.rows.size == 20 * files.COUNT
    assert (np.diff(found.rows["arrival_ns"]) >= 0).all()
    assert np.bincount(found.rows["prompt"]).tolist() == (20 * np.bincount(once.rows["prompt"])).tolist()
    # Every copy is the trace itself, later by less than a minute.
    sessions = once.rows["session"].max() + 1
    for number in range(20) if sessions else ():
        of_copy = found.rows["arrival_ns"][found.rows["session"] // sessions == number]
        assert set(of_copy - once.rows["arrival_ns"]) == {round(number * (5**0.5 - 1) / 2 % 1 * 60 * 1e9)}
    reuse, alone = traces.statistics(trace).reuse, traces.statistics(traces.open(sample(name))).reuse
    assert (reuse and reuse.hit_tokens) == (alone and 20 * alone.hit_tokens)
    monkeypatch.setattr("silmark.workloads.traces.copies.CHUNK", 60)
    small = whole(trace)
    assert (small.rows == found.rows).all()
    assert (small.segments == found.segments).all()


def test_chains_stay_whole_among_copies(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("silmark.workloads.traces.copies.CHUNK", 30)
    rows = whole(traces.open("sessions:rate=1,sessions=20,turns=1..5,prefix=3", Asked(copies=7))).rows
    assert rows.size == 7 * whole(traces.open("sessions:rate=1,sessions=20,turns=1..5,prefix=3")).rows.size
    following = np.flatnonzero(rows["delay_ns"] >= 0)
    assert (rows["session"][following] == rows["session"][following - 1]).all()
    heads = rows["arrival_ns"][rows["delay_ns"] < 0]
    assert (np.diff(heads) >= 0).all()


@pytest.mark.parametrize("asked", [Asked(duration_s=50, copies=3), Asked(limit=200, copies=3, repeat=2)])
def test_copies_of_a_trace_without_end(asked: Asked, whole: Whole) -> None:
    rows = whole(traces.open("poisson:rate=4", asked)).rows
    assert rows.size == (asked.limit or pytest.approx(3 * 200 * (1 - 0.5 * 30 / 50), rel=0.3))
    assert rows["arrival_ns"][-1] < 1e9 * min(asked.duration_s, 200)
