"""Laws of routers."""

from __future__ import annotations

import numpy as np
import pytest

from silmark.errors import BadValue
from silmark.serving.fleet_options import ROUTERS, Led, Router, RouterName, Scores
from silmark.serving.fleets import Pool, fleet
from silmark.serving.simulate import Fleet, simulate
from silmark.serving.times import clock

from .conftest import Made, one, same, served


@pytest.mark.parametrize("policy", ROUTERS)
@pytest.mark.parametrize("prefixes", [0, 3])
def test_running_steps_together_changes_nothing(
    policy: RouterName, prefixes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, three = Made(prefixes=prefixes, turns=True), fleet([Pool(one(ahead=True), 3)], Led(router=Router(policy)))
    done = served(three, trace, monkeypatch)
    same(done, served(three, trace, monkeypatch, one_by_one=True))
    assert np.unique(done.answered["replica"]).size == 3


@pytest.mark.parametrize("policy", ROUTERS)
def test_one_replica_behind_a_router_is_no_router(policy: RouterName, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, alone = Made(prefixes=3), one()
    bare = Fleet((alone.options,), clock(alone.step_model, alone.options))
    same(served(fleet([Pool(alone)], Led(router=Router(policy))), trace, monkeypatch), served(bare, trace, monkeypatch))


def test_chance_is_a_function_of_the_seed() -> None:
    def replicas(seed: int) -> list[int]:
        chosen = simulate(fleet([Pool(one(), 3)], Led(router=Router("random")), seed), Made()).answered
        return np.sort(chosen, order="name")["replica"].tolist()

    assert replicas(1) == replicas(1) != replicas(2)


@pytest.mark.parametrize("policy", ["kv", "scores"])
def test_prefix_aware_routers_hit_at_least_as_often_as_round_robin(policy: RouterName) -> None:
    trace = Made(size=200, rate=10.0, prefixes=40)
    hits = [
        simulate(fleet([Pool(one(), 4)], Led(router=Router(name))), trace).answered["cached"].sum()
        for name in (policy, "round-robin")
    ]
    assert hits[0] > 1.2 * hits[1]


def test_sessions_stay_with_their_replica() -> None:
    answered = simulate(fleet([Pool(one(), 3)], Led(router=Router("session"))), Made()).answered
    for session in range(7):
        assert np.unique(answered["replica"][answered["name"] % 7 == session]).size == 1


def test_fewest_requests_keep_replicas_even() -> None:
    answered = simulate(fleet([Pool(one(), 4)], Led(router=Router("least-requests"))), Made(rate=1e6)).answered
    assert np.ptp(np.bincount(answered["replica"])) == 0


def test_queues_alone_score_like_the_shortest_queue() -> None:
    led = Led(router=Router("scores", scores=Scores(0.0, 0.0, 1.0, 1.0, 0.0)))
    answered = simulate(fleet([Pool(one(), 4)], led), Made(size=200, rate=400.0)).answered
    assert np.ptp(np.bincount(answered["replica"], minlength=4)) < 20


def test_heat_spreads_what_the_lowest_cost_would_keep_together() -> None:
    trace = Made(size=200, rate=0.2, prefixes=1)
    cold, hot = (
        simulate(fleet([Pool(one(), 2)], Led(router=Router("kv", temperature=heat))), trace).answered["replica"]
        for heat in (0.0, 1e6)
    )
    assert abs(hot.mean() - 0.5) < 0.15
    assert abs(cold.mean() - 0.5) > 0.4


@pytest.mark.parametrize("values", [{"policy": "best"}, {"temperature": -1.0}, {"overlap_credit": float("nan")}])
def test_refuses_what_makes_no_sense(values: dict[str, float]) -> None:
    with pytest.raises(BadValue):
        Router(**values)  # type: ignore[arg-type]
