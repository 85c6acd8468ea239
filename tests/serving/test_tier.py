"""A tier below the cache holds what vLLM's own offloading connector would keep there (oracle_tier.py recorded it)."""

from __future__ import annotations

from pathlib import Path

import goldens
import pytest
import scenarios_tier
from test_replay import first_difference, needs_vllm, recorded_now
from tiers import steps_with_tiers

from silmark.errors import BadFile
from silmark.serving.scenario import parse

RECORDED = goldens.read("tier")


@pytest.mark.parametrize("name", RECORDED)
def test_tier_and_schedule_are_those_of_vllm(name: str) -> None:
    config, steps = RECORDED[name]
    assert first_difference(goldens.short(steps_with_tiers(config)), steps) == ""


def test_recordings_cover_what_a_small_tier_meets() -> None:
    configs = [config for config, _ in RECORDED.values()]
    steps = [step for _, recorded in RECORDED.values() for step in recorded]
    full = [step for config, found in RECORDED.values() for step in found if step["tier"][0] == config["tier_blocks"]]
    assert len(RECORDED) >= 18
    assert len(full) > 1000
    assert sum("loading" in step for step in steps) > 300
    assert sum(len(step["preempted"]) for step in steps) > 30
    assert {config["policy"] for config in configs} == {"fcfs", "priority"}
    assert any(config.get("async_scheduling") for config in configs)
    assert any(config.get("draft_tokens") for config in configs)
    assert any(config.get("pipeline", 1) > 1 for config in configs)
    assert max(config["store_steps"] for config in configs) == 8


def test_a_tier_is_of_a_connector_of_its_own() -> None:
    config = RECORDED[next(iter(RECORDED))][0]
    other = config | {"requests": [config["requests"][0] | {"fetch_steps": 2}]}
    with pytest.raises(BadFile, match="another connector"):
        parse(other)


@pytest.mark.slow
@needs_vllm
@pytest.mark.parametrize("kind", scenarios_tier.KINDS)
def test_fresh_tiers_too(kind: str, tmp_path: Path) -> None:
    asked = {str(seed): scenarios_tier.scenario(kind, seed) for seed in range(100, 112)}
    for seed, steps in recorded_now(asked, tmp_path).items():
        assert first_difference(steps_with_tiers(asked[seed]), steps) == "", seed
