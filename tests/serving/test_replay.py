"""The scheduler decides what vLLM's own decided, step by step (tests/serving/oracle.py made the recordings)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import goldens
import pytest
import scenarios
import scenarios_kv

from silmark.errors import BadFile, BadValue
from silmark.serving.replay import replay
from silmark.serving.scenario import parse

RECORDED = {f"{name}/{key}": entry for name in ("recorded", "fresh", "kv") for key, entry in goldens.read(name).items()}


def first_difference(mine: list[goldens.Step], theirs: list[goldens.Step]) -> str:
    for one, other in zip(mine, theirs, strict=False):
        if one != other:
            fields = [field for field in other if one.get(field) != other[field]]
            return f"step {other['step']}: " + "; ".join(f"{f} {one.get(f)}, not {other[f]}" for f in fields)
    return "" if len(mine) == len(theirs) else f"{len(mine)} steps, not {len(theirs)}"


@pytest.mark.parametrize("name", RECORDED)
def test_decisions_are_those_of_vllm(name: str) -> None:
    config, steps = RECORDED[name]
    mine = replay(parse(config))
    assert first_difference(mine, steps) == ""
    assert [list(step["sched"]) for step in mine] == [list(step["sched"]) for step in steps]


def test_recordings_cover_what_can_happen() -> None:
    configs = [config for config, _ in RECORDED.values()]
    steps = [step for _, recorded in RECORDED.values() for step in recorded]
    assert sum(len(step["preempted"]) for step in steps) > 500
    assert sum(hit > 0 for step in steps for hit in step["new"].values()) > 300
    assert max(max(step["tokens"].values(), default=0) for step in steps) > 4
    assert any(name in step["waiting"] for step in steps for name in step["tokens"])
    for key in ("async_scheduling", "draft_tokens", "prefill_schedule_interval", "max_num_scheduled_tokens"):
        assert any(config.get(key) for config in configs), key
    assert {config.get("pipeline", 1) for config in configs} >= {1, 2, 3}
    assert {config.get("drafter") for config in configs} >= {"ngram", "eagle", "draft_model"}


def test_recordings_cover_transfers() -> None:
    found = [entry for name, entry in RECORDED.items() if name.startswith("kv/")]
    assert {config["kv_role"] for config, _ in found} == {"consumer", "producer", "both"}
    requests = [request for config, _ in found for request in config["requests"]]
    for key in ("fetch_steps", "fetch_fails", "hold_steps"):
        assert any(request.get(key) for request in requests), key
    steps = [step for _, recorded in found for step in recorded]
    assert sum(len(step["preempted"]) for step in steps) > 300
    assert sum("loading" in step for step in steps) > 1000


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"tier_blocks": 9}, "kv_role"),
        ({"kv_role": "both", "tier_blocks": 9, "prefix_caching": False}, "caching"),
        ({"kv_role": "both", "tier_blocks": 9, "store_steps": 0}, "store_steps"),
    ],
)
def test_transfers_that_make_no_sense(more: dict[str, object], message: str) -> None:
    request = {"id": "a", "arrive_step": 0, "segments": [[0, 20]], "out": 2}
    config = {"max_num_seqs": 2, "max_num_batched_tokens": 32, "block_size": 16, "num_blocks": 9}
    with pytest.raises(BadFile, match=message):
        parse(config | more | {"requests": [request]})
    with pytest.raises(BadFile, match="kv_role"):
        parse(config | {"requests": [request | {"fetch_steps": 3}]})


def test_a_recording_is_read_as_it_was_written() -> None:
    config, steps = RECORDED["recorded/preemption"]
    assert goldens.unpack(json.loads(json.dumps(goldens.pack(steps)))) == steps
    assert len(json.dumps(goldens.pack(steps))) < len(json.dumps(steps)) / 5
    assert config["num_blocks"] == 11


def test_prompts_that_drive_each_other_out_for_ever_are_found() -> None:
    requests = [{"id": f"r{i}", "arrive_step": 0, "segments": [[1000 * i, 1000 * i + 60]], "out": 2} for i in range(3)]
    config = {"max_num_seqs": 3, "max_num_batched_tokens": 48, "block_size": 16, "num_blocks": 6, "policy": "priority"}
    more = {"long_prefill_token_threshold": 16, "reserve_full_isl": False, "prefix_caching": False}
    with pytest.raises(BadValue, match="for ever"):
        replay(parse(config | more | {"requests": requests}))


def _python_with_vllm() -> str:
    if "SILMARK_VLLM_PYTHON" in os.environ:
        return os.environ["SILMARK_VLLM_PYTHON"]
    return sys.executable if importlib.util.find_spec("vllm") else ""


def recorded_now(asked: dict[str, dict[str, Any]], folder: Path) -> dict[str, list[goldens.Step]]:
    """What vLLM's own scheduler decides in scenarios."""
    (folder / "in.json").write_text(json.dumps(asked))
    oracle = Path(__file__).with_name("oracle.py")
    command = [_python_with_vllm(), oracle, folder / "in.json", folder / "out.json"]
    subprocess.run(command, check=True, capture_output=True)
    return dict(json.loads((folder / "out.json").read_text()))


needs_vllm = pytest.mark.skipif(not _python_with_vllm(), reason="needs vllm 0.33.0, here or in SILMARK_VLLM_PYTHON")


@pytest.mark.slow
@needs_vllm
@pytest.mark.parametrize("kind", [*scenarios.KINDS, *scenarios_kv.KINDS])
def test_fresh_scenarios_too(kind: str, tmp_path: Path) -> None:
    source = scenarios_kv if kind in scenarios_kv.KINDS else scenarios
    asked = {str(seed): source.scenario(kind, seed) for seed in range(20)}
    for seed, steps in recorded_now(asked, tmp_path).items():
        assert first_difference(replay(parse(asked[seed])), steps) == "", seed
