"""Traces whose prompts share nothing: who is preempted finds what is left of his own blocks, as in vLLM."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import goldens
import numpy as np
import pytest
import scenarios
from fleets.conftest import with_ids
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_laws import KINDS, SEEDS, SOME, STEP_NS, Rows, _clock, _simulate, _timed
from test_replay import _python_with_vllm

from silmark.errors import BadValue
from silmark.serving import simulate as module
from silmark.serving.kernel.state import State
from silmark.serving.options import EngineOptions
from silmark.serving.scenario import parse
from silmark.serving.simulate import Fleet, simulate
from silmark.workloads.requests import REQUEST, SEGMENT, Requests
from silmark.workloads.traces.rows import joined

RECORDED = goldens.read("unshared")


def _unshared(config: dict[str, Any]) -> Requests:
    """The requests of a scenario as a trace without ids."""
    rows = _timed(parse(config)).rows.copy()
    rows["made"] = -1
    return Requests.unshared(rows)


def _is_as_recorded(config: dict[str, Any], steps: list[goldens.Step], one_by_one: bool) -> None:
    """Whether a simulation of the trace admits, preempts and answers as the recorded scheduler did."""
    scenario = parse(config)
    done = _simulate(scenario.options, _unshared(config), growing=False, one_by_one=one_by_one, timeline=True)
    goldens.compare(done.answered, steps, scenario.names, STEP_NS)
    if one_by_one and not config.get("draft_tokens"):  # which the timeline does not count
        taken = done.steps["prefill_tokens"] + done.steps["decoders"]
        mine = list(zip(done.steps["start_ns"] // STEP_NS, taken, strict=True))
        assert mine == [(step["step"], step["total"]) for step in steps if step["total"]]


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("one_by_one", [True, False])
def test_schedules_are_those_of_vllm(name: str, one_by_one: bool) -> None:
    _is_as_recorded(*RECORDED[name], one_by_one)


def test_recordings_hold_what_matters() -> None:
    steps = [step for _, recorded in RECORDED.values() for step in recorded]
    assert sum(len(step["preempted"]) for step in steps) > 300
    assert sum(hit > 0 for step in steps for hit in step["new"].values()) > 100


@pytest.mark.slow
@pytest.mark.skipif(not _python_with_vllm(), reason="needs vllm 0.33.0, here or in SILMARK_VLLM_PYTHON")
@pytest.mark.parametrize("kind", ["plain", "edge", "drafts"])
def test_fresh_schedules_too(kind: str, tmp_path: Path) -> None:
    asked = {str(seed): scenarios.unshared(kind, seed) for seed in range(100, 115)}
    (tmp_path / "in.json").write_text(json.dumps(asked))
    oracle = Path(__file__).with_name("oracle.py")
    subprocess.run(
        [_python_with_vllm(), oracle, tmp_path / "in.json", tmp_path / "out.json"], check=True, capture_output=True
    )
    for seed, steps in json.loads((tmp_path / "out.json").read_text()).items():
        _is_as_recorded(asked[seed], steps, one_by_one=False)


def _everything(options: EngineOptions, requests: Requests, **how: Any) -> list[NDArray[Any]]:
    """What a simulation leaves behind, but for joules, whose sums depend on how many steps are run together."""
    done = _simulate(options, requests, **how)
    fields = [field for field in done.answered.dtype.names or () if field != "joules"]
    return [*(done.answered[field] for field in fields), done.gaps, done.busy_ns, done.steps_run, done.tokens_in]


@pytest.mark.slow
@SOME
@given(KINDS, SEEDS, st.sampled_from(["vllm", "trtllm"]))
def test_it_does_not_matter_when_blocks_are_told_apart(kind: str, seed: int, policy: Any) -> None:
    config = scenarios.unshared(kind, seed)
    options = parse(config).options
    if policy == "trtllm":
        options = replace(
            options, policy=policy, capacity="max_utilization", priority=False, draft_tokens=0, pipeline=1
        )
    requests = _unshared(config)
    for one, other in zip(_everything(options, requests), _everything(options, with_ids(requests.rows)), strict=True):
        np.testing.assert_array_equal(one, other)


@dataclass(frozen=True)
class _Pieces:
    """A trace of several pieces."""

    pieces: tuple[Requests, ...]
    name: str = "pieces"
    size: None = None

    def chunks(self) -> Iterator[Requests]:
        yield from self.pieces


def _alike(count: int, prompt: int, output: int, gap_ns: int = 0) -> NDArray[np.void]:
    """Equal rows, `gap_ns` apart."""
    rows = np.zeros(count, dtype=REQUEST)
    rows["arrival_ns"] = gap_ns * np.arange(count)
    rows["prompt"], rows["output"] = prompt, output
    rows["delay_ns"] = rows["session"] = rows["made"] = -1
    return rows


def test_a_later_piece_may_be_the_first_with_ids() -> None:
    options = EngineOptions(max_num_seqs=4, max_num_batched_tokens=64, num_blocks=60)
    rows = _alike(20, 100, 30, 30 * STEP_NS)
    same = np.array([(1, 100)] * 10, dtype=SEGMENT)
    early, late = Requests.unshared(rows[:10]), Requests(rows[10:], same, np.arange(11))
    clock = _clock(options, True)
    whole, parts = (
        simulate(Fleet((options,), clock), trace) for trace in (Rows(joined([early, late])), _Pieces((early, late)))
    )
    assert (whole.answered["cached"] > 0).sum() == 9
    for field in whole.answered.dtype.names or ():
        np.testing.assert_array_equal(whole.answered[field], parts.answered[field])


@pytest.mark.parametrize(("blocks", "apart"), [(200, False), (20, True)])
def test_blocks_are_only_counted_while_nobody_is_preempted(
    blocks: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[State] = []
    result = module._result
    monkeypatch.setattr(module, "_result", lambda f, state, logs: ended.append(state) or result(f, state, logs))
    options = EngineOptions(max_num_seqs=4, max_num_batched_tokens=128, num_blocks=blocks)
    done = _simulate(options, Requests.unshared(_alike(30, 60, 60)))
    assert (ended[0].blocks.size > 0) == apart == done.answered["preemptions"].any()


def test_without_a_cache_nothing_is_found() -> None:
    options = EngineOptions(max_num_seqs=4, max_num_batched_tokens=128, num_blocks=20, enable_prefix_caching=False)
    requests = Requests.unshared(_alike(30, 60, 60))
    without, found = (_simulate(replace(options, enable_prefix_caching=on), requests) for on in (False, True))
    assert without.answered["preemptions"].any()
    assert found.tokens_in < without.tokens_in


def test_requests_that_drive_each_other_out_for_ever_are_found() -> None:
    options = EngineOptions(
        max_num_seqs=3,
        max_num_batched_tokens=48,
        num_blocks=6,
        priority=True,
        long_prefill_token_threshold=16,
        reserve_full_isl=False,
        enable_prefix_caching=False,
    )
    requests = Requests.unshared(_alike(3, 60, 2))
    with pytest.raises(BadValue, match=r"reserve_full_isl: False - expected true"):
        _simulate(options, requests)
    assert _simulate(replace(options, reserve_full_isl=True), requests).answered.size == 3


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.booleans())
def test_what_happens_at_the_same_time_happens_in_order(draw: random.Random, ahead: bool) -> None:
    """Bunches of equal requests reach the scheduler together: they start in the order in which they came."""
    options = EngineOptions(max_num_seqs=3, max_num_batched_tokens=64, num_blocks=40, async_scheduling=ahead)
    rows = _alike(40, 50, 20)
    rows["arrival_ns"] = np.sort([draw.randint(0, 5) * 200 * STEP_NS for _ in range(40)])
    order = np.array(draw.sample(range(40), 40))
    clock = _clock(options, True)
    clock = clock._replace(request_ns=clock.request_ns + 700)
    named = with_ids(rows)
    traces = [Requests(named.rows, some, named.bounds) for some in (named.segments, named.segments[order])]
    one, other = (np.sort(simulate(Fleet((options,), clock), Rows(trace)).answered, order="name") for trace in traces)
    assert (np.diff(one["scheduled_ns"]) >= 0).all()
    for field in one.dtype.names or ():
        np.testing.assert_array_equal(one[field], other[field])
