"""Laws of faults and autoscalers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.errors import BadValue
from silmark.serving.fleet_arrays import startup_s
from silmark.serving.fleet_options import ON_FAULT, ROUTERS, SCALE_ON, Autoscale, Fault, Led, Offload, Router
from silmark.serving.fleets import Pool, fleet
from silmark.serving.records import DONE, LOST
from silmark.serving.simulate import simulate

from .conftest import Made, one, same, served

DOWN = Fault("down", 0.1, 0.25, 0)


def times(least: float) -> st.SearchStrategy[float]:
    return st.floats(least, least + 0.4)


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    start, kind = draw(times(0.0)), draw(st.sampled_from(["down", "throttle", "link"]))
    share = 1.0 if kind == "down" else draw(st.sampled_from([0.3, 0.7]))
    return Fault(kind, start, start + draw(times(0.01)), draw(st.sampled_from([None, 0, 1, 2])), share)


@st.composite
def leads(draw: st.DrawFn) -> Led:
    router = Router(draw(st.sampled_from(ROUTERS)))
    return Led(
        router=router,
        prefill_router=router,
        non_cached_tokens=draw(st.sampled_from([0, 200])),
        offload=draw(st.sampled_from([None, Offload(), Offload(capacity_bytes=5e7)])),
        faults=tuple(draw(st.lists(faults(), max_size=3))),
        on_fault=draw(st.sampled_from(ON_FAULT)),
        retry_s=draw(st.sampled_from([0.0, 0.02])),
    )


@pytest.mark.slow
@given(leads(), st.booleans(), st.booleans(), st.sampled_from([130, 800]), st.sampled_from([0, 6]), st.integers(0, 99))
@settings(max_examples=60)
def test_nothing_is_lost_or_double_whatever_happens(
    led: Led, split: bool, ahead: bool, blocks: int, prefixes: int, seed: int
) -> None:
    found = one(blocks, ahead)
    pools = [Pool(found, 1, "prefill"), Pool(found, 2, "decode")] if split else [Pool(found, 3)]
    made, trace = fleet(pools, led, seed), Made(40, 200.0, seed, prefixes=prefixes, turns=seed % 2 == 0)
    with pytest.MonkeyPatch.context() as patch:
        done = served(made, trace, patch)
        same(done, served(made, trace, patch, one_by_one=True))
        if not prefixes:  # whether blocks are told apart from the start or as soon as it matters
            same(done, served(made, replace(trace, named=True), patch))
    assert led.faults or (done.answered["status"] == DONE).all()


@pytest.mark.parametrize("on_fault", ON_FAULT)
def test_requests_of_a_failed_replica(on_fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    led = Led(router=Router("least-requests"), faults=(DOWN,), on_fault=on_fault)  # type: ignore[arg-type]
    done = served(fleet([Pool(one(), 2)], led), Made(rate=200.0), monkeypatch).answered
    touched = done["retries"] > 0
    assert touched.any()
    assert (done["status"][touched] == (LOST if on_fault == "lose" else DONE)).all()
    assert (done["status"][~touched] == DONE).all()
    kept = done["first_ns"][touched] < DOWN.start_s * 1e9
    assert kept.any() == (on_fault != "retry")  # a retried answer begins anew


def test_a_replica_that_is_down_answers_nothing_then() -> None:
    done = simulate(fleet([Pool(one(), 2)], Led(faults=(DOWN,))), Made(rate=200.0), timeline=True)
    steps = done.steps[done.steps["replica"] == 0]
    inside = (steps["start_ns"] > DOWN.start_s * 1e9) & (steps["start_ns"] < DOWN.end_s * 1e9)
    assert not inside.any()
    assert steps.size


def test_without_any_replica_requests_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    led = Led(faults=(Fault("down", 0.1, 0.25),))
    done = served(fleet([Pool(one(), 2)], led), Made(rate=200.0), monkeypatch).answered
    assert (done["status"] == DONE).all()
    assert not ((done["first_ns"] > 0.1e9) & (done["first_ns"] < 0.25e9)).any()


@pytest.mark.parametrize(("kind", "share"), [("throttle", 0.5), ("link", 0.1)])
def test_a_fault_of_all_time_slows_as_much_as_it_says(kind: str, share: float) -> None:
    led = Led(faults=(Fault(kind, 0.0, 1e6, None, share),))  # type: ignore[arg-type]
    pools = [Pool(one(), 1, "prefill"), Pool(one(), 1, "decode")]
    whole, slow = (simulate(fleet(pools, told), Made(size=20, rate=0.02)) for told in (None, led))
    factor = 1 / share if kind == "throttle" else 1.0
    assert slow.busy_ns.sum() / whole.busy_ns.sum() == pytest.approx(factor, rel=0.02)
    assert slow.transfer_ns / whole.transfer_ns == pytest.approx(1.0 if kind == "throttle" else 1 / share, rel=0.1)


@pytest.mark.parametrize("on", SCALE_ON)
def test_an_autoscaler_starts_and_stops_replicas(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = {"queue": 2.0, "seats": 0.5, "wait": 0.02}[on]
    scale = Autoscale(on, target, 1, 4, every_s=0.05, cooldown_s=0.2, startup_s=0.1)  # type: ignore[arg-type]
    made = fleet([Pool(one())], Led(router=Router("least-requests"), autoscale=scale))
    trace = Made(size=300, rate=150.0, output=60)
    done = served(made, trace, monkeypatch)
    same(done, served(made, trace, monkeypatch, one_by_one=True))
    assert done.paid_ns[0] == done.duration_ns
    assert 0 < done.paid_ns[1] < done.duration_ns
    alone = simulate(fleet([Pool(one())]), trace)
    assert done.duration_ns < alone.duration_ns


def test_a_replica_serves_no_sooner_than_it_has_started() -> None:
    scale = Autoscale("queue", 1.0, 1, 2, every_s=0.05, startup_s=0.3)
    made = fleet([Pool(one())], Led(router=Router("least-requests"), autoscale=scale))
    done = simulate(made, Made(size=300, rate=150.0), timeline=True)
    second = done.steps[done.steps["replica"] == 1]
    started = done.duration_ns - done.paid_ns[1]
    assert second["start_ns"].min() >= started + 0.3e9


def test_starting_takes_as_long_as_its_weights() -> None:
    assert 60 < startup_s(one()) < 200


def test_refuses_replicas_that_are_not_there() -> None:
    with pytest.raises(BadValue, match="replica 5"):
        fleet([Pool(one(), 2)], Led(faults=(Fault("down", 0.0, 1.0, 5),)))
    with pytest.raises(BadValue, match="end after the start"):
        Fault("down", 2.0, 1.0)
    with pytest.raises(BadValue, match="share"):
        Fault("throttle", 0.0, 1.0, None, 0.0)
