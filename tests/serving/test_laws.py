"""Laws that hold for every trace on every engine."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import goldens
import numpy as np
import pytest
import scenarios
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from silmark.serving.kernel.clock import Clock, even
from silmark.serving.kernel.state import NONE, RUNNING, State
from silmark.serving.options import EngineOptions
from silmark.serving.replay import decisions
from silmark.serving.scenario import Scenario, parse
from silmark.serving.simulate import Fleet, Simulation, simulate
from silmark.workloads.requests import REQUEST, SEGMENT, Requests

STEP_NS = 1000
SOME = settings(max_examples=20)
KINDS = st.sampled_from(scenarios.KINDS)
SEEDS = st.integers(1000, 1 << 30)


@dataclass(frozen=True)
class Rows:
    """A trace of one piece."""

    requests: Requests
    name: str = "rows"

    @property
    def size(self) -> int:
        return int(self.requests.rows.size)

    def chunks(self) -> Iterator[Requests]:
        yield self.requests


def _clock(options: EngineOptions, growing: bool) -> Clock:
    """Steps of one length, or steps that take longer with every token in sight."""
    clock = even((options,), STEP_NS)
    if not growing:
        return clock
    area = clock.area_ns.copy()
    area[..., 1], area[..., 2] = 3.0, 0.125
    return clock._replace(area_ns=area, area_j=area * 1e-9, lead_ns=clock.lead_ns + 70, tail_ns=clock.tail_ns + 30)


def _timed(scenario: Scenario) -> Requests:
    """The requests of a scenario by time, one step a microsecond, in the order in which they queue up."""
    steps = np.array(scenario.arrive_step)
    order = np.lexsort((np.array(scenario.names) if scenario.options.priority else np.arange(steps.size), steps))
    rows = scenario.requests.rows[order].copy()
    rows["arrival_ns"] = steps[order] * STEP_NS
    bounds, segments = scenario.requests.bounds, scenario.requests.segments
    pieces = [segments[bounds[i] : bounds[i + 1]] for i in order]
    return Requests(rows, np.concatenate(pieces), np.cumsum([0, *map(len, pieces)]))


def _simulate(options: EngineOptions, requests: Requests, growing: bool = True, **how: Any) -> Simulation:
    return simulate(Fleet((options,), _clock(options, growing)), Rows(requests), **how)


def _bytes(rows: NDArray[np.void]) -> bytes:
    """Of all fields, without what lies between them."""
    return b"".join(rows[field].tobytes() for field in rows.dtype.names or ())


def _poisson(count: int, mean_gap_ns: float, seed: int) -> Requests:
    draw = np.random.default_rng(seed)
    rows = np.zeros(count, dtype=REQUEST)
    rows["arrival_ns"] = np.cumsum(draw.exponential(mean_gap_ns, count)).astype(np.int64)
    rows["delay_ns"], rows["session"], rows["made"] = -1, -1, -1
    rows["prompt"], rows["output"] = draw.integers(1, 400, count), draw.integers(1, 60, count)
    return Requests.unshared(rows)


def _audit(state: State) -> None:
    """No block is lost, held by two lists, or counted wrongly; without a cache only their number is kept."""
    engine, options = state.engines[0], state.settings[0]
    if not options["apart"]:
        assert state.live["held"][state.live["status"] == RUNNING].sum() + engine["free"] == options["usable"]
        return
    free = []
    block, before = int(engine["head"]), NONE
    while block != NONE:
        assert state.blocks["before"][block] == before
        free.append(block)
        block, before = int(state.blocks["after"][block]), block
    assert len(free) == len(set(free)) == engine["free"]
    assert engine["tail"] == before
    held: Counter[int] = Counter()
    for one in state.live[state.live["status"] == RUNNING]:
        table = state.tables[one["table"] : one["table"] + one["held"]].tolist()
        assert len(set(table)) == len(table)
        assert one["held"] * options["block"] >= one["computed"]
        held.update(table)
    assert not held.keys() & set(free)
    assert len(held) + len(free) == options["usable"]
    used = np.flatnonzero(state.blocks["refs"])
    assert {int(block): int(state.blocks["refs"][block]) for block in used} == dict(held)


@pytest.mark.slow
@SOME
@given(KINDS, SEEDS)
def test_no_block_is_lost_and_no_budget_exceeded(kind: str, seed: int) -> None:
    config = scenarios.scenario(kind, seed)
    config["requests"] = config["requests"][:20]
    made: Counter[str] = Counter()
    most = config.get("max_num_scheduled_tokens", config["max_num_batched_tokens"])
    finished = []
    for state, step in decisions(parse(config)):
        _audit(state)
        assert sum(step["sched"].values()) == step["total"] <= most
        assert len(step["running"]) <= config["max_num_seqs"]
        assert set(step["sched"]) <= set(step["running"])
        assert not set(step["running"]) & set(step["waiting"])
        made.update(step["tokens"])
        finished += step["finished"]
    assert sorted(finished) == sorted(one["id"] for one in config["requests"])
    assert made == {one["id"]: one["out"] for one in config["requests"]}


@pytest.mark.slow
@SOME
@given(st.sampled_from(["plain", "edge", "async"]), SEEDS, st.booleans())
def test_running_ahead_changes_nothing(kind: str, seed: int, growing: bool) -> None:
    scenario = parse(scenarios.scenario(kind, seed))
    requests = _timed(scenario)
    one, other = (_simulate(scenario.options, requests, growing, one_by_one=way) for way in (True, False))
    for field in one.answered.dtype.names:
        if field == "joules":
            np.testing.assert_allclose(other.answered[field], one.answered[field], rtol=1e-9)
        else:
            np.testing.assert_array_equal(other.answered[field], one.answered[field], err_msg=field)
    np.testing.assert_array_equal(other.gaps, one.gaps)
    np.testing.assert_array_equal(other.busy_ns, one.busy_ns)
    assert (other.tokens_in, other.tokens_out) == (one.tokens_in, one.tokens_out)
    assert other.steps_run == one.steps_run


RECORDED = goldens.read("recorded")
TIMED = [name for name, (config, _) in RECORDED.items() if len(config["requests"]) < 40]


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("one_by_one", [True, False])
def test_times_follow_from_the_recorded_steps(name: str, one_by_one: bool) -> None:
    config, steps = RECORDED[name]
    scenario = parse(config)
    requests = _timed(scenario)
    answered = _simulate(scenario.options, requests, growing=False, one_by_one=one_by_one).answered
    names = scenario.names
    if scenario.options.priority:
        names = tuple(sorted(names, key=lambda one: (scenario.arrive_step[scenario.names.index(one)], one)))
    goldens.compare(answered, steps, names, STEP_NS)


@SOME
@given(st.integers(0, 1 << 30), st.booleans())
def test_tokens_in_are_tokens_out(seed: int, ahead: bool) -> None:
    options = EngineOptions(max_num_seqs=8, max_num_batched_tokens=256, num_blocks=64, async_scheduling=ahead)
    requests = _poisson(200, 20 * STEP_NS, seed)
    done = _simulate(options, requests)
    rows = requests.rows[done.answered["name"]]
    np.testing.assert_array_equal(done.answered["output"], rows["output"])
    assert sorted(done.answered["name"]) == list(range(200))
    assert done.tokens_out == rows["output"].sum()
    if not done.answered["preemptions"].any():
        assert done.tokens_in == (rows["prompt"] + rows["output"] - 1).sum()


@SOME
@given(st.integers(1, 3000), st.integers(1, 200), st.booleans())
def test_alone_a_request_takes_the_unloaded_time(prompt: int, output: int, ahead: bool) -> None:
    options = EngineOptions(max_num_batched_tokens=512, max_num_seqs=64, num_blocks=1000, async_scheduling=ahead)
    rows = np.zeros(5, dtype=REQUEST)
    rows["prompt"], rows["output"], rows["made"], rows["delay_ns"] = prompt, output, -1, -1
    rows["arrival_ns"] = np.arange(5) * 10**12
    answered = _simulate(options, Requests.unshared(rows)).answered
    assert len(set((answered["last_ns"] - answered["arrival_ns"]).tolist())) == 1
    even_steps = _simulate(options, Requests.unshared(rows[:1]), growing=False).answered
    assert even_steps["first_ns"][0] == math.ceil(prompt / 512) * STEP_NS
    assert even_steps["last_ns"][0] == (math.ceil(prompt / 512) + output - 1) * STEP_NS


@pytest.mark.parametrize("ahead", [False, True])
def test_little(ahead: bool) -> None:
    options = EngineOptions(max_num_seqs=16, max_num_batched_tokens=512, num_blocks=2000, async_scheduling=ahead)
    done = _simulate(options, _poisson(5000, 4 * STEP_NS, 1), growing=False)
    stays = done.answered["last_ns"] - done.answered["arrival_ns"]
    inside = (done.samples["running"] + done.samples["waiting"]).mean()
    assert inside == pytest.approx(stays.sum() / done.duration_ns, rel=0.05)
    assert inside > 5


@SOME
@given(st.randoms(), st.booleans())
def test_equal_requests_may_change_places(draw: random.Random, ahead: bool) -> None:
    options = EngineOptions(max_num_seqs=6, max_num_batched_tokens=128, num_blocks=30, async_scheduling=ahead)
    rows = _poisson(40, 5 * STEP_NS, 3).rows.copy()
    rows["prompt"], rows["output"] = 50, 40
    segments = np.array([(1000 * i, 50) for i in range(40)], dtype=SEGMENT)
    order = list(range(40))
    draw.shuffle(order)
    one, other = (
        _simulate(options, Requests(rows, some, np.arange(41))).answered for some in (segments, segments[order])
    )
    assert one["preemptions"].any()
    assert _bytes(one) == _bytes(other)


@pytest.mark.parametrize("kind", ["plain", "all"])
def test_the_same_seed_gives_the_same_bytes(kind: str) -> None:
    scenario = parse(scenarios.scenario(kind, 7) | ({"acceptance": 0.5, "draft_tokens": 3} if kind == "all" else {}))
    one, other, third = (_simulate(scenario.options, _timed(scenario), seed=seed).answered for seed in (1, 1, 2))
    assert _bytes(one) == _bytes(other)
    assert (_bytes(one) == _bytes(third)) == (kind == "plain")
