"""Laws of generated traces: reproducible, in vLLM's definitions, prompts of a session growing by what was said."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.workloads import traces
from silmark.workloads.requests import Requests, Trace
from silmark.workloads.traces import Asked
from silmark.workloads.traces.generators import GENERATORS
from silmark.workloads.traces.prefixes import Tree
from silmark.workloads.traces.rows import CHUNK

Whole = Callable[[Trace], Requests]
EACH = {
    "poisson": "rate=5,prefix=20,prefixes=3",
    "gamma": "rate=5,burstiness=0.3,prompt=lognormal:500:1",
    "constant": "rate=5,prompt=512..2048",
    "ramp": "from=1,to=20,shape=exponential",
    "diurnal": "rate=5,period=60s,swing=0.9",
    "users": "users=7,think=3s",
    "sessions": "rate=2,turns=1..6,think=5s,prefix=30,prefixes=2,prompt=10..50,output=5..60",
}


def test_all_are_tested() -> None:
    assert EACH.keys() == GENERATORS.keys()


@pytest.mark.parametrize("name", EACH)
def test_a_seed_makes_the_same_bytes_at_every_reading(name: str, whole: Whole) -> None:
    trace = traces.open(f"{name}:{EACH[name]},seed=3")
    first, again = whole(trace), whole(traces.open(f"{name}:{EACH[name]},seed=3"))
    assert first.rows.tobytes() == whole(trace).rows.tobytes() == again.rows.tobytes()
    assert first.segments.tobytes() == again.segments.tobytes()
    assert first.rows.tobytes() != whole(traces.open(f"{name}:{EACH[name]},seed=4")).rows.tobytes()


@pytest.mark.parametrize("name", EACH)
def test_rows_are_requests(name: str, whole: Whole) -> None:
    trace = traces.open(f"{name}:{EACH[name]}")
    found = whole(trace)
    rows, stated = found.rows, found.rows["arrival_ns"][found.rows["delay_ns"] < 0]
    assert rows.size == (trace.size or rows.size)
    assert (np.diff(stated) >= 0).all()
    assert (rows["prompt"] >= 1).all()
    assert (rows["output"] >= 1).all()
    if found.segments.size:
        covered = np.add.reduceat(found.segments["length"], found.bounds[:-1])
        assert (covered == rows["prompt"]).all()


@pytest.mark.parametrize("name", ["poisson", "gamma", "constant", "diurnal"])
def test_more_requests_begin_like_fewer(name: str, whole: Whole) -> None:
    trace = f"{name}:{EACH[name]}"
    long = whole(traces.open(trace, Asked(limit=2 * CHUNK + 5)))
    short = whole(traces.open(trace, Asked(limit=100)))
    assert (long.rows[:100] == short.rows).all()
    assert (long.segments[: short.segments.size] == short.segments).all()


def test_other_lengths_change_no_arrival(whole: Whole) -> None:
    one, other = (whole(traces.open(f"poisson:rate=5,prompt={words}")).rows for words in ("100", "lognormal:900:1"))
    assert (one["arrival_ns"] == other["arrival_ns"]).all()


@pytest.mark.parametrize(("kind", "cv"), [("poisson:", 1.0), ("gamma:burstiness=0.25,", 2.0), ("constant:", 0.0)])
def test_gaps_are_those_of_vllms_gamma(kind: str, cv: float) -> None:
    found = traces.statistics(traces.open(f"{kind}rate=50,requests=40000"))
    assert found.rate == pytest.approx(50, rel=1e-3)
    assert found.cv == pytest.approx(cv, abs=0.04)


def test_arrivals_are_numpys_gamma_of_the_seed(whole: Whole) -> None:
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(11, spawn_key=(0,))))
    expected = np.cumsum(random.gamma(0.5, 2.0, 100)) / 8
    found = whole(traces.open("gamma:rate=8,burstiness=0.5,seed=11", Asked(limit=100))).rows["arrival_ns"]
    assert found == pytest.approx(expected * 1e9, abs=1)


def test_a_known_number_of_requests_ends_at_its_time(whole: Whole) -> None:
    assert whole(traces.open("poisson:rate=4,requests=300")).rows["arrival_ns"][-1] == 75 * 10**9


@pytest.mark.parametrize("shape", ["linear", "exponential"])
def test_a_ramp_takes_the_rate_by_the_number_of_the_request(shape: str, whole: Whole) -> None:
    rows = whole(traces.open(f"ramp:from=2,to=8,shape={shape},burstiness=inf,requests=601")).rows
    gaps = np.diff(rows["arrival_ns"], prepend=0) / 1e9
    progress = np.arange(601) / 600
    rates = 2 + 6 * progress if shape == "linear" else 2 * 4**progress
    assert gaps == pytest.approx(1 / rates, abs=2e-9)


def test_a_day_has_its_rate_at_every_hour(whole: Whole) -> None:
    """Arrivals up to t are the integral of the rate, here with constant gaps to within one request."""
    trace = "diurnal:rate=10,swing=0.8,period=100s,burstiness=inf,requests=3000"
    times = whole(traces.open(trace)).rows["arrival_ns"] / 1e9
    expected = 10 * (times - 0.8 * 100 / (2 * math.pi) * np.sin(2 * math.pi * times / 100))
    assert expected == pytest.approx(np.arange(1, 3001), abs=1e-5)
    least, most = np.sum(times % 100 < 10), np.sum((times % 100 >= 45) & (times % 100 < 55))
    assert most > 6 * least


@settings(max_examples=30)
@given(low=st.integers(1, 500), more=st.integers(0, 500), ratio=st.floats(0, 0.99), mean=st.integers(1, 1000))
def test_lengths_stay_within_their_words(low: int, more: int, ratio: float, mean: int, whole: Whole) -> None:
    rows = whole(traces.open(f"constant:rate=9,prompt={low}..{low + more},output={mean}~{ratio:.2f}")).rows
    assert low <= rows["prompt"].min() <= rows["prompt"].max() <= low + more
    assert rows["output"].min() >= max(1, math.floor(mean * (1 - float(f"{ratio:.2f}"))))
    assert rows["output"].max() <= math.ceil(mean * (1 + float(f"{ratio:.2f}")))


def test_lognormal_lengths_have_their_mean_and_spread(whole: Whole) -> None:
    prompts = whole(traces.open("constant:rate=9,requests=60000,prompt=lognormal:2000:0.7")).rows["prompt"]
    assert prompts.mean() == pytest.approx(2000, rel=0.02)
    assert prompts.std() / prompts.mean() == pytest.approx(0.7, rel=0.04)


def test_measured_lengths_stay_pairs(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text("prompt,output\n10,1\n20,2\n30,3\n")
    for trace in (
        traces.open(f"poisson:rate=5,requests=3000,lengths={path}"),
        traces.open("poisson:rate=5,requests=3000", Asked(lengths=str(path))),
    ):
        rows = whole(trace).rows
        assert trace.skipped == {}
        assert (rows["prompt"] == 10 * rows["output"]).all()
        assert np.bincount(rows["output"])[1:] == pytest.approx(1000, abs=120)


def test_rows_left_out_of_measured_lengths_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text("prompt,output\n10,1\n20,0\n30,3\n")
    trace = traces.open("poisson:rate=5", Asked(lengths=str(path), bad_rows="skip"))
    assert sum(trace.skipped.values()) == 1
    assert trace.name == "poisson:rate=5, lengths of lengths.csv"


def test_users_are_chains_of_equal_length(whole: Whole) -> None:
    rows = whole(traces.open("users:users=30,think=2s,requests=9000")).rows
    heads = np.flatnonzero(rows["delay_ns"] < 0)
    assert (heads == np.arange(30) * 300).all()
    assert (rows["session"] == np.repeat(np.arange(30), 300)).all()
    thinking = rows["delay_ns"][rows["delay_ns"] >= 0]
    assert thinking.mean() == pytest.approx(2e9, rel=0.05)
    even = whole(traces.open("users:users=3,think=2s,pauses=constant,requests=9")).rows
    assert even["delay_ns"].tolist() == [-1, 2 * 10**9, 2 * 10**9] * 3


@pytest.mark.parametrize("prefix", [0, 30])
def test_a_sessions_prompt_holds_all_that_was_said(prefix: int, whole: Whole) -> None:
    words = f"rate=2,sessions=40,turns=1..6,prefix={prefix},prefixes=2,prompt=10..50,output=5..60"
    found = whole(traces.open(f"sessions:{words}"))
    rows, tree = found.rows, Tree()
    runs = [list(map(tuple, found.segments[a:b])) for a, b in zip(found.bounds, found.bounds[1:], strict=False)]
    for number, row in enumerate(rows):
        own = [(int(start), int(length)) for start, length in runs[number]]
        known = tree.add([*own, (int(row["made"]), int(row["output"]))])
        said = prefix if row["session"] >= 2 else 0
        if row["delay_ns"] >= 0:
            before = rows[number - 1]
            assert row["session"] == before["session"]
            said = before["prompt"] + before["output"]
        assert known == said, "of a prompt, exactly what was said before is known, and nothing of other sessions"
        assert 10 <= row["prompt"] - max(said, prefix) <= 50


def test_chains_are_not_cut_between_pieces() -> None:
    for piece in traces.open("sessions:rate=9,turns=7,sessions=30000,prefix=8").chunks():
        assert piece.rows["delay_ns"][0] == -1
        assert piece.rows.size <= CHUNK
