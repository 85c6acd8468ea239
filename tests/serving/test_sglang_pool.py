"""SGLang's engines that only decode: schedules against its own classes as recorded, and against its rules restated."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import goldens
import numba
import numpy as np
import pytest
import sglang_pool_rules

from silmark.serving.options import EngineOptions
from silmark.serving.replay import replay
from silmark.serving.scenario import Scenario, Transfers
from silmark.workloads.requests import REQUEST, Requests

interpreted = pytest.mark.skipif(not numba.config.DISABLE_JIT, reason="run by test_all_of_them_interpreted")


@pytest.mark.slow
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is that process")
def test_all_of_them_interpreted() -> None:
    """This variant of the core takes longer to compile than these scenarios to interpret."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    ran = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def scenario(seed: int) -> dict[str, Any]:
    """A random scenario; every request fits alone, often hardly."""
    draw = random.Random(f"pool/{seed}")
    page, longest, step, requests = draw.choice([1, 4, 16]), draw.choice([20, 100, 300]), 0, []
    for row in range(draw.randint(10, 40)):
        requests.append(
            {
                "id": f"r{row}",
                "arrive_step": step,
                "prompt": draw.randint(1, longest),
                "out": draw.choice([1, draw.randint(1, 80), draw.randint(20, 80)]),
                "fetch_steps": draw.randint(1, draw.choice([1, 5, 30])),
            }
        )
        step += draw.choice([0, 0, 0, draw.randint(0, 9)])
    reserved = draw.choice([0, 0, 1, 7, 30, 512])
    largest = max(one["prompt"] + max(one["out"], reserved) for one in requests)
    return {
        "block_size": page,
        "max_num_seqs": draw.choice([1, 3, 8, 20, 33]),
        "num_blocks": -(-(largest + 3 * page + 3) // page) + draw.choice([0, 3, 10, 50, 200]) // page,
        "reserved": reserved,
        "async_scheduling": draw.random() < 0.5,
        "requests": requests,
    }


def parse(config: dict[str, Any]) -> Scenario:
    """The scenario as `silmark.serving.replay` takes it."""
    entries = config["requests"]
    rows = np.zeros(len(entries), dtype=REQUEST)
    rows["prompt"], rows["output"] = [one["prompt"] for one in entries], [one["out"] for one in entries]
    rows["delay_ns"] = rows["session"] = rows["made"] = -1
    options = EngineOptions(
        policy="sglang",
        kv_role="consumer",
        enable_prefix_caching=False,
        max_model_len=1 << 20,
        max_num_seqs=config["max_num_seqs"],
        block_size=config["block_size"],
        num_blocks=config["num_blocks"],
        num_reserved_decode_tokens=config["reserved"],
        async_scheduling=config["async_scheduling"],
    )
    nothing = (0,) * rows.size
    fetch = tuple(one["fetch_steps"] for one in entries)
    return Scenario(
        options,
        tuple(one["id"] for one in entries),
        tuple(one["arrive_step"] for one in entries),
        Requests.unshared(rows),
        Transfers(fetch, (False,) * rows.size, nothing, tier=0, store=0, restore=0),
    )


def _agree(ours: list[dict[str, Any]], expected: list[dict[str, Any]], name: str) -> int:
    """Holds steps against others, which list the running in any order. Returns how many were retracted."""
    for step, other in zip(ours, expected, strict=True):
        for field, value in ({"loading": []} | other).items():
            one = step.get(field, [])
            assert (sorted(one) == sorted(value)) if field == "running" else (one == value), (name, step["step"], field)
    return sum(len(step["preempted"]) for step in ours)


@interpreted
def test_decides_as_recorded() -> None:
    """`steps` were decided by SGLang's own classes (`oracle_sglang_pool.py`)."""
    recorded = goldens.read("sglang_pool")
    assert sum(_agree(replay(parse(config)), steps, name) for name, (config, steps) in recorded.items()) > 100


@interpreted
def test_decides_by_the_rules() -> None:
    """Retractions, requests that are given up, and seats that only the next step fills are among them."""
    retracted = 0
    for seed in range(8):
        config = scenario(seed)
        ours = replay(parse(config))
        retracted += _agree(ours, sglang_pool_rules.steps(config, len(ours)), f"seed {seed}")
    assert retracted > 20
