"""Capacity and its error bar: laws that hold whatever the system."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import silmark
from silmark.api.capacity import capacity as ask
from silmark.api.slo import slo
from silmark.api.trace import opened
from silmark.errors import BadValue
from silmark.report.schema import DOCUMENTS
from silmark.serving.arguments import EngineArgs
from silmark.serving.capacity import TOLERANCE, capacity, percentiles
from silmark.serving.draws import Truth, Typical, scaled, truths
from silmark.serving.fleet_options import Led
from silmark.serving.fleets import Members, pools_of
from silmark.serving.load import Load
from silmark.serving.records import ANSWERED, LOST, REFUSED
from silmark.serving.replica import Replica, replica

MODEL, ON = "llama-3.1-8b", "1x:h100"
TRACE = "poisson:prompt=512,output=64,requests=400,seed=3"


@pytest.fixture(scope="module")
def engine() -> Replica:
    step_model = silmark.estimate(MODEL, on=ON).step_model
    assert step_model is not None
    found = replica(step_model.model, step_model.target, step_model.plan, EngineArgs(max_model_len=4096))
    assert isinstance(found, Replica)
    return found


@pytest.fixture(scope="module")
def load() -> Load:
    return Load.held(opened(TRACE, rate="1"))


@pytest.mark.slow
def test_rate_keeps_the_promises_and_a_little_more_does_not(engine: Replica, load: Load) -> None:
    from silmark.serving.simulate import Fleet, simulate  # noqa: PLC0415 - numba is slow to import
    from silmark.serving.times import clock  # noqa: PLC0415

    promised = slo("ttft:200ms,tpot:15ms@p95")
    found = capacity(Members(pools_of(engine), Led()), load, promised, draws=0)
    assert not promised.missed(percentiles(found.simulation, promised))
    fleet = Fleet((engine.options,), clock(engine.step_model, engine.options))
    above = simulate(fleet, load.at(found.rate.mid * (1 + 2 * TOLERANCE)))
    assert promised.missed(percentiles(above, promised))
    assert found.decides


@pytest.mark.slow
def test_twice_as_fast_bears_twice_as_much_of_halved_promises(engine: Replica, load: Load) -> None:
    """All times scaled by one factor are the same run on another clock: an exact law, but for whole nanoseconds."""
    from silmark.serving import times  # noqa: PLC0415 - numba is slow to import
    from silmark.serving.simulate import Fleet, simulate  # noqa: PLC0415

    clock = times.clock(engine.step_model, engine.options)
    slow, fast = (
        simulate(Fleet((engine.options,), scaled(clock, Truth(factor, factor))), load.at(20.0 / factor))
        for factor in (1.0, 0.5)
    )
    one, other = (np.sort(run.answered, order="name") for run in (slow, fast))
    for name in ("first_ns", "last_ns"):
        seconds, halved = (rows[name] - rows["arrival_ns"] for rows in (one, other))
        assert halved == pytest.approx(seconds / 2, rel=1e-3)


@pytest.mark.slow
def test_error_bar_holds_the_middle_and_stays_the_same(engine: Replica, load: Load) -> None:
    promised = slo("ttft:300ms,tpot:15ms")
    found, again = (capacity(Members(pools_of(engine), Led()), load, promised, draws=8, seed=5) for _ in range(2))
    assert found.rate == again.rate
    assert 0 < found.rate.low < found.rate.mid < found.rate.high
    assert found.rate.mid == capacity(Members(pools_of(engine), Led()), load, promised, draws=0).rate.mid


@pytest.mark.slow
def test_promises_that_no_request_keeps_leave_nothing(engine: Replica, load: Load) -> None:
    found = capacity(Members(pools_of(engine), Led()), load, slo("tpot:100us"), draws=0)
    assert found.rate.mid == 0
    assert [limit.metric for limit in found.decides] == ["tpot"]


def test_draws_have_the_widths_of_an_estimate(engine: Replica) -> None:
    """One draw in ten lies beyond either bound of the class's residuals."""
    drawn = truths(engine.step_model, Typical(1.0, 512.0, 64.0), 256)
    answer = silmark.estimate(MODEL, on=ON, batch=1, prompt=512, output=64).rows[0].estimate
    assert answer is not None
    assert answer.tpot_s is not None
    low, high = np.quantile([one.tokens for one in drawn], (0.1, 0.9), method="hazen")
    assert low == pytest.approx(answer.tpot_s.low / answer.tpot_s.mid, rel=0.03)
    assert high == pytest.approx(answer.tpot_s.high / answer.tpot_s.mid, rel=0.03)
    assert drawn == truths(engine.step_model, Typical(1.0, 512.0, 64.0), 256)
    assert drawn != truths(engine.step_model, Typical(1.0, 512.0, 64.0), 256, seed=1)


def test_load_keeps_the_requests_at_every_rate(load: Load) -> None:
    twice = [piece.rows for piece in load.at(2 * load.rate).chunks()]
    held = [piece.rows for piece in load.stream.chunks()]
    for name in ("prompt", "output"):
        assert (np.concatenate([rows[name] for rows in twice]) == np.concatenate([rows[name] for rows in held])).all()
    ratio = held[0]["arrival_ns"][1:] / twice[0]["arrival_ns"][1:]
    assert ratio == pytest.approx(2.0, rel=1e-6)
    assert math.isclose(Load.held(load.at(7.0)).rate, 7.0, rel_tol=1e-6)


def test_load_refuses_requests_without_a_rate(load: Load) -> None:
    with pytest.raises(BadValue, match="one after the other"):
        Load.held(replace(load.stream, pieces=load.at(math.inf).pieces))


@pytest.mark.parametrize(
    "wrong",
    [
        {"slo": "ttft"},
        {"on": "8x:h100,8x:h100"},
        {"on": ""},
        {"draws": "-1"},
        {"draws": "1000000"},
        {"trace": "users:users=3,prompt=8,output=8"},
        {"rate": "3"},
        {"prefill_replicas": "2"},
        {"router": "nearest"},
        {"faults": "replica 7 down 1s..2s"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, str]) -> None:
    words = {"on": ON, "trace": TRACE, "slo": "ttft:1s"} | wrong
    with pytest.raises(BadValue):
        ask(MODEL, words.pop("on"), words.pop("trace"), slo=words.pop("slo"), **words)  # type: ignore[arg-type]


@pytest.mark.slow
def test_document_has_the_documented_shape() -> None:
    answer = ask(MODEL, f"{ON},1x:nvidia-l4-24gb", TRACE, slo="ttft:1s,tpot:50ms", draws=2, max_model_len="4096")
    document = json.loads(json.dumps(answer.as_dict(explain=True), allow_nan=False))
    DOCUMENTS["capacity"].model_validate(document)
    rates = [row["requests_per_s"]["mid"] for row in document["rows"] if row["status"] == "ok"]
    assert rates
    assert rates[0] > 0


def _widths(rate: float) -> dict[str, tuple[float, float]]:
    words = {"slo": None, "draws": 32, "max_model_len": 4096, "limit": 300}
    (run,) = silmark.serve_sim(MODEL, ON, "poisson:prompt=512,output=64,seed=3", rate=rate, **words).runs  # type: ignore[arg-type]
    found = {name: run.interval(f"{name}.mean") for name in ("ttft_s", "tpot_s")}
    return {name: (one.low / one.mid, one.high / one.mid) for name, one in found.items() if one is not None}


@pytest.mark.slow
def test_error_bars_are_those_of_an_estimate_at_little_load_and_wider_with_a_queue() -> None:
    answer = silmark.estimate(MODEL, on=ON, batch=1, prompt=512, output=64).rows[0].estimate
    assert answer is not None
    alone, crowded = _widths(0.05), _widths(60.0)
    for name, steady in (("ttft_s", answer.ttft_s), ("tpot_s", answer.tpot_s)):
        assert steady is not None
        assert alone[name] == pytest.approx((steady.low / steady.mid, steady.high / steady.mid), rel=0.08)
        assert crowded[name][1] > 1.2 * alone[name][1]


def test_lost_requests_miss_every_promise() -> None:
    rows = np.zeros(100, dtype=ANSWERED)
    rows["first_ns"], rows["last_ns"], rows["output"] = 1_000, 2_000, 11
    rows["status"][:2] = LOST
    found = percentiles(SimpleNamespace(answered=rows), slo("ttft:1s@p90,tpot:1s@p99,e2el:1s@p99"))  # type: ignore[arg-type]
    assert found["ttft_s.p90"] == pytest.approx(1e-6)
    assert {key for key, value in found.items() if value is None or value > 1e6} == {"tpot_s.p99", "e2el_s.p99"}
    rows["status"][:2] = REFUSED
    found = percentiles(SimpleNamespace(answered=rows), slo("ttft:1s,tpot:1s,e2el:1s"))  # type: ignore[arg-type]
    assert all(value is not None and value < 1 for value in found.values())


@pytest.mark.slow
def test_a_pool_that_prefills_counts_and_takes_its_load_off() -> None:
    words: dict[str, str] = {"slo": "ttft:2s,tpot:15ms", "draws": "0", "limit": "200"}
    trace = "poisson:prompt=4096,output=64"
    (alone,) = ask(MODEL, ON, trace, **words).rows  # type: ignore[arg-type]
    (helped,) = (answer := ask(MODEL, ON, trace, prefill_on=ON, **words)).rows  # type: ignore[arg-type]
    assert (alone.chips, helped.chips) == (1, 2)
    assert helped.rate.mid > alone.rate.mid
    assert answer.question["prefill_on"] == ON
    assert f"fleet: prefill-on {ON}" in answer.notes
