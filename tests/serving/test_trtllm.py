"""TensorRT-LLM's schedules: against its own classes as recorded, and against its rules restated in plain Python."""

from __future__ import annotations

from typing import Any

import goldens
import pytest
import scenarios_trtllm
import trtllm_rules

from silmark.serving.replay import replay

pytestmark = pytest.mark.slow  # the core compiles


def _agree(config: dict[str, Any], expected: list[dict[str, Any]], name: str) -> None:
    ours = replay(scenarios_trtllm.parse(config))
    assert len(ours) == len(expected), name
    for one, other in zip(ours, expected, strict=True):
        for field in other:
            assert one[field] == other[field], (name, field, other["step"])


def test_decides_as_recorded() -> None:
    """`steps` were decided by the scheduler classes of the public repository, on a KV manager of our own."""
    recorded = goldens.read("trtllm")
    assert sum(len(step["preempted"]) for _, steps in recorded.values() for step in steps) > 50
    for name, (config, steps) in recorded.items():
        _agree(config, steps, name)


def test_decides_by_the_rules() -> None:
    for seed in range(1000, 1060):
        config = scenarios_trtllm.scenario(seed)
        _agree(config, trtllm_rules.steps(config), f"seed {seed}")


def _request(name: str, start: int, length: int, step: int = 0) -> dict[str, Any]:
    return {"id": name, "arrive_step": step, "segments": [[start, start + length]], "out": 4}


def _scenario(**more: Any) -> dict[str, Any]:
    config = {
        "max_num_seqs": 8,
        "max_num_batched_tokens": 64,
        "block_size": 16,
        "enable_prefix_caching": True,
        "enable_chunked_prefill": True,
        "equal_chunks": True,
        "capacity": "guaranteed_no_evict",
        "async_scheduling": False,
        "num_blocks": 60,
    }
    return config | more


def test_cached_tokens_count_as_progress_but_cost_nothing() -> None:
    """`b` knows 64 of 96 tokens: two blocks reach its end at their cost, and leave `c` as many."""
    requests = [_request("a", 1000, 65), _request("b", 1000, 96, 6), _request("c", 5000, 96, 6)]
    steps = replay(scenarios_trtllm.parse(_scenario(requests=requests)))
    assert steps[6]["sched"] == {"c": 32, "b": 32}
    assert steps[6]["new"] == {"b": 64, "c": 0}


def test_last_chunks_stand_behind_others() -> None:
    requests = [_request("a", 1000, 16), _request("b", 5000, 96)]
    (first, *_) = replay(scenarios_trtllm.parse(_scenario(requests=requests)))
    assert list(first["sched"].items()) == [("b", 48), ("a", 16)]


def test_whole_prompts_compete_with_decodes_in_the_order_of_arrival() -> None:
    """`b` waits a step for the block that `a` computes; then it stands before `c`, unless decodes are listed first."""
    requests = [_request("a", 1000, 17), _request("b", 1000, 95), _request("c", 9000, 20)]
    config = _scenario(requests=requests, enable_chunked_prefill=False, max_num_batched_tokens=80)
    assert replay(scenarios_trtllm.parse(config))[1]["sched"] == {"a": 1, "c": 1}
    config["capacity"] = "max_utilization"
    first, second = replay(scenarios_trtllm.parse(config))[:2]
    assert first["sched"] == {"a": 17, "c": 20}
    assert second["sched"] == {"a": 1, "b": 79}
