"""SGLang's and TensorRT-LLM's schedulers: recorded decisions, documented examples, and laws that hold for all three."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import goldens
import numpy as np
import pytest
import scenarios_sglang
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from silmark.serving.kernel.clock import Clock, even
from silmark.serving.options import EngineOptions
from silmark.serving.replay import replay
from silmark.serving.scenario import Scenario
from silmark.serving.simulate import Fleet, Simulation, simulate
from silmark.workloads.requests import REQUEST, SEGMENT, Requests

pytestmark = pytest.mark.slow  # the core compiles once per policy


class _Trace:
    """Requests that are there as a whole."""

    name = "random"

    def __init__(self, requests: Requests) -> None:
        self.requests, self.size = requests, requests.rows.size

    def chunks(self) -> Any:
        yield self.requests


def _trace(seed: int, count: int, pace_ns: float) -> _Trace:
    """Prompts of which some share beginnings."""
    draw = np.random.default_rng(seed)
    rows = np.zeros(count, dtype=REQUEST)
    rows["arrival_ns"] = np.cumsum(draw.exponential(pace_ns, count)).astype(np.int64)
    rows["delay_ns"] = rows["session"] = rows["made"] = -1
    rows["output"] = draw.integers(1, 60, count)
    runs: list[tuple[int, int]] = []
    bounds = [0]
    for i in range(count):
        if draw.random() < 0.6:
            runs.append((10_000 * int(draw.integers(1, 4)), int(draw.integers(1, 120))))
        runs.append((1_000_000 + 1000 * i, int(draw.integers(1, 120))))
        bounds.append(len(runs))
        rows["prompt"][i] = sum(length for _, length in runs[bounds[-2] :])
    return _Trace(Requests(rows, np.array(runs, dtype=SEGMENT), np.array(bounds, dtype=np.int64)))


def _clock(options: EngineOptions) -> Clock:
    """Steps of a millisecond, and a microsecond per token or sequence."""
    clock = even((replace(options, max_num_batched_tokens=8192),), 1_000_000)
    return clock._replace(
        body_ns=clock.body_ns + 1000 * np.arange(clock.body_ns.shape[1])[None],
        alone_ns=clock.alone_ns + 1000 * np.arange(clock.alone_ns.shape[1])[None],
    )


@st.composite
def _options(draw: st.DrawFn, policy: Any) -> EngineOptions:
    block = draw(st.sampled_from([1, 4, 16] if policy == "sglang" else [4, 16]))
    return EngineOptions(
        policy=policy,
        max_num_seqs=draw(st.sampled_from([2, 4, 16])),
        max_num_batched_tokens=draw(st.sampled_from([16, 64, 256])),
        max_model_len=4096,
        block_size=block,
        num_blocks=draw(st.sampled_from([350, 500, 900, 4000])) // block + 3,
        async_scheduling=draw(st.booleans()),
        schedule_policy=draw(st.sampled_from(["fcfs", "lpm", "lof"])) if policy == "sglang" else "fcfs",
        mixed_chunk=policy == "sglang" and draw(st.booleans()),
        ignore_eos=draw(st.booleans()),
        max_new_tokens=draw(st.sampled_from([0, 100])),
        conservativeness=draw(st.sampled_from([0.1, 0.3, 1.0])),
        capacity=draw(st.sampled_from(["guaranteed_no_evict", "max_utilization", "static_batch"])),
        equal_chunks=draw(st.booleans()),
    )


def _run(options: EngineOptions, trace: _Trace, **more: bool) -> Simulation:
    return simulate(Fleet((options,), _clock(options)), trace, timeline=True, **more)


@pytest.mark.parametrize("policy", ["vllm", "sglang", "trtllm"])
@given(data=st.data(), seed=st.integers(0, 1 << 20), pace=st.sampled_from([1e5, 3e6, 2e7]))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_runs_of_steps_are_steps_one_by_one(policy: str, data: st.DataObject, seed: int, pace: float) -> None:
    options, trace = data.draw(_options(policy)), _trace(seed, 40, pace)
    fast, slow = _run(options, trace), _run(options, trace, one_by_one=True)
    for field in ("scheduled_ns", "first_ns", "last_ns", "cached", "preemptions", "output"):
        one, other = np.sort(fast.answered, order="name")[field], np.sort(slow.answered, order="name")[field]
        assert (one == other).all(), field
    assert (fast.gaps == slow.gaps).all()


@pytest.mark.parametrize("policy", ["vllm", "sglang", "trtllm"])
@given(data=st.data(), seed=st.integers(0, 1 << 20))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_tokens_blocks_and_budgets(policy: str, data: st.DataObject, seed: int) -> None:
    options, trace = data.draw(_options(policy)), _trace(seed, 40, 3e6)
    done = _run(options, trace, one_by_one=True)
    rows, usable = trace.requests.rows, options.num_blocks - (policy == "vllm")
    answered = np.sort(done.answered, order="name")
    assert (answered["name"] == np.arange(rows.size)).all()
    assert (answered["output"] == rows["output"]).all()
    assert done.tokens_out == rows["output"].sum()
    assert (answered["scheduled_ns"] >= answered["arrival_ns"]).all()
    assert (answered["cached"] < answered["prompt"]).all()
    steps = done.steps
    assert (steps["free_blocks"] >= 0).all()
    assert steps["free_blocks"][-1] == usable
    assert (steps["running"] <= options.max_num_seqs).all()
    assert (steps["prefill_tokens"] <= options.max_num_batched_tokens).all()
    if policy == "sglang" and not options.mixed_chunk:
        assert not (
            (steps["prefill_tokens"] > 0) & (steps["decoders"] > 0) & (answered["preemptions"].sum() == 0)
        ).any()
    if policy == "trtllm" and options.capacity != "max_utilization":
        assert answered["preemptions"].sum() == 0


def test_equal_requests_are_served_in_the_order_in_which_they_came() -> None:
    rows = np.zeros(30, dtype=REQUEST)
    rows["prompt"], rows["output"] = 40, 10
    rows["delay_ns"] = rows["session"] = rows["made"] = -1
    for policy in ("vllm", "sglang", "trtllm"):
        options = EngineOptions(policy=policy, max_num_seqs=4, max_num_batched_tokens=64, num_blocks=40)
        first = np.sort(_run(options, _Trace(Requests.unshared(rows))).answered, order="name")["first_ns"]
        assert (np.diff(first) >= 0).all(), policy


def _first_steps(options: EngineOptions, prompts: list[int]) -> list[dict[str, int]]:
    """Tokens by request in each step, requests named a, b, c."""
    rows = np.zeros(len(prompts), dtype=REQUEST)
    rows["prompt"], rows["output"] = prompts, 4
    rows["delay_ns"] = rows["session"] = rows["made"] = -1
    names = tuple("abcdefgh"[: len(prompts)])
    return [step["sched"] for step in replay(Scenario(options, names, (0,) * len(names), Requests.unshared(rows)))]


def test_example_of_tensorrt_llms_documentation() -> None:
    """Batches of 4, 12 tokens: two prompts of 5 start, the third waits since 2 tokens are left."""
    options = EngineOptions(
        policy="trtllm", max_num_seqs=4, max_num_batched_tokens=12, enable_chunked_prefill=False, num_blocks=100
    )
    steps = _first_steps(options, [5, 5, 5])
    assert steps[:2] == [{"a": 5, "b": 5}, {"a": 1, "b": 1, "c": 5}]


def test_chunks_of_tensorrt_llm_are_whole_blocks() -> None:
    options = EngineOptions(policy="trtllm", max_num_seqs=4, max_num_batched_tokens=40, num_blocks=100)
    assert _first_steps(options, [20, 100])[:2] == [{"a": 20, "b": 16}, {"a": 1, "b": 32}]
    even_ones = replace(options, equal_chunks=True)
    assert _first_steps(even_ones, [64, 64])[0] == {"a": 16, "b": 16}


def test_sglang_decides_as_recorded() -> None:
    for name, (config, steps) in goldens.read("sglang").items():
        ours = replay(scenarios_sglang.parse(config))
        assert len(ours) == len(steps), name
        for one, real in zip(ours, steps, strict=True):
            for field in real:
                # Mixed steps reorder the running; the longest answers are sorted to the front only when it is looked.
                unordered = (field == "running" and config["mixed_chunk"]) or (
                    field == "waiting" and config["schedule_policy"] == "lof"
                )
                expected, got = real[field], one[field]
                if unordered:
                    expected, got = sorted(expected), sorted(got)
                assert got == expected, (name, field, real["step"])
