"""Fleets: never smaller than the demand needs, never larger than whole units explain."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark import models, systems
from silmark.chips import load
from silmark.economics import cost_rate
from silmark.formats import Precision
from silmark.planning.evaluate import Curve, evaluate
from silmark.planning.size import Demand, fleets, in_full, size
from silmark.planning.space import Asked, Tally
from silmark.systems import Target
from silmark.workloads import Workload

CHAT = Workload("chat", 1024, 256, ttft_s=2.0, tpot_s=0.05)


def asked(chip_name: str = "h100", model: str = "llama-3.1-8b", precision: str = "bf16") -> Asked:
    chip = load(chip_name)
    system = systems.usual(chip)
    return Asked(models.load(model), Target(chip, system, system.chips), CHAT, (Precision.of(precision),))


@cache
def curves() -> tuple[Curve, ...]:
    return tuple(evaluate(asked(), Tally()))


@settings(max_examples=50)
@given(st.floats(0.01, 1e5), st.floats(0.0, 3.0))
def test_fleets_are_just_large_enough(rate: float, headroom: float) -> None:
    demand = Demand(rate, headroom)
    for fleet in fleets(asked(), demand, curves()):
        assert fleet.capacity >= demand.capacity * (1 - 1e-12)
        assert all(need <= count < need + 1 for need, count in zip(fleet.needed, fleet.workers, strict=True))
        taken = sum(count * curve.worker for count, curve in zip(fleet.workers, fleet.curves, strict=True))
        assert fleet.chips == 8 * fleet.units
        assert 0 <= fleet.chips - taken < 8
        assert fleet.bought(2.0)[1] <= fleet.chips <= fleet.bought(0.5)[1]
        assert fleet.load <= fleet.batch * (1 + 1e-9)
        assert fleet.watts > 0


def test_pools_serve_what_their_search_says() -> None:
    """A fleet of two pools at its capacity is a point of the search: same rate, promises kept."""
    pairs = [fleet for fleet in fleets(asked(), Demand(800.0, 0.0), curves()) if len(fleet.curves) == 2]
    assert pairs
    for fleet in pairs:
        found = in_full(fleet)
        assert found.misses == ""
        assert found.tokens_per_s.mid >= 800.0 * CHAT.output * (1 - 1e-9)


def test_pools_on_several_units_pay_for_the_network_between_them() -> None:
    """Workers of one plan are on their own; those of two exchange caches, in one unit over its own links."""
    made = fleets(asked(), Demand(2000.0, 0.0), curves()) + fleets(asked(), Demand(10.0, 0.0), curves())
    alone, beyond = cost_rate(asked().target), cost_rate(asked().target, beyond=True)
    assert alone is not None
    assert beyond is not None
    assert float(beyond.at(1, 0.0) - alone.at(1, 0.0)) > 0
    seen = set()
    for fleet in made:
        networked = len(fleet.curves) == 2 and fleet.units > 1
        rate = beyond if networked else alone
        assert fleet.usd_per_h == pytest.approx(3600 * float(rate.at(fleet.chips, fleet.watts)))
        seen.add((len(fleet.curves), networked))
    assert seen == {(1, False), (2, False), (2, True)}


@settings(max_examples=20)
@given(st.floats(0.1, 1e4), st.floats(1.01, 10.0))
def test_more_demand_never_takes_fewer_chips(rate: float, factor: float) -> None:
    few = min(fleet.chips for fleet in fleets(asked(), Demand(rate, 0.25), curves()))
    many = min(fleet.chips for fleet in fleets(asked(), Demand(rate * factor, 0.25), curves()))
    assert few <= many


def test_smallest_and_cheapest_are_that() -> None:
    found = size(asked(), Demand(500.0, 0.25))
    made = fleets(asked(), Demand(500.0, 0.25), curves())
    assert found.smallest is not None
    assert found.cheapest is not None
    assert found.smallest.chips == min(fleet.chips for fleet in made)
    assert found.cheapest.usd_per_h == pytest.approx(min(fleet.usd_per_h for fleet in made))
    assert in_full(found.smallest).misses == ""


def test_machines_that_divide_layers_take_more_stages_than_layers() -> None:
    found = size(asked("groq", "llama-3.1-70b", "fp16"), Demand(1.0, 0.0))
    assert found.smallest is not None, found.reason
    assert found.smallest.curves[-1].worker > 640
    assert math.isnan(found.smallest.usd_per_h) == (found.cheapest is None)


@pytest.mark.parametrize(
    ("chip", "model", "cannot", "said"),
    [("extropic-z1", "llama-3.1-8b", True, "attention"), ("l4", "llama-3.1-405b", False, "")],
)
def test_no_fleet_has_a_reason(chip: str, model: str, cannot: bool, said: str) -> None:
    found = size(asked(chip, model), Demand(1.0, 0.25))
    assert found.smallest is None
    assert found.cannot is cannot
    assert found.reason
    assert said in found.reason


def test_a_demand_beyond_every_fleet_is_an_answer() -> None:
    answer = silmark.size("llama-3.2-1b", "1e9/s", chips="h100")
    (row,) = answer.rows
    assert row.smallest is None
    assert "workers would be needed, a fleet has at most 100,000" in row.reason
