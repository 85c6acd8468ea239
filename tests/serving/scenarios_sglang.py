"""Random scenarios for SGLang's scheduler, in the words of oracle_sglang.py."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from silmark.serving.options import EngineOptions, Policy
from silmark.serving.scenario import Scenario
from silmark.workloads.requests import REQUEST, SEGMENT, Requests

EMITTED = 7


def random_requests(draw: random.Random, count: int, longest: int) -> list[dict[str, Any]]:
    """Prompts that share beginnings, twins, and some that go on where an earlier answer ended."""
    requests: list[dict[str, Any]] = []
    step, pace = 0, draw.choice([1, 2, 5, 9])
    for row in range(count):
        segments = [[100_000 + 1000 * row, 100_000 + 1000 * row + draw.randint(1, longest)]]
        if draw.random() < 0.5:
            start = 10_000 * draw.randint(1, 4)
            segments.insert(0, [start, start + draw.randint(4, max(4, longest * 2 // 3))])
        if requests and draw.random() < 0.25:
            segments = [list(run) for run in draw.choice(requests)["segments"]]
        if requests and draw.random() < 0.15:
            other, start = draw.choice(requests), 200_000 + 1000 * row
            segments = [list(run) for run in other["segments"]]
            segments += [
                [EMITTED, EMITTED + draw.randint(1, other["out"])],
                [start, start + draw.randint(1, longest)],
            ]
        requests.append({"id": f"r{row}", "arrive_step": step, "segments": segments, "out": draw.randint(1, 80)})
        if draw.random() < 0.5:
            step += draw.randint(0, pace)
    return requests


def scenario(seed: int) -> dict[str, Any]:
    """One scenario; it always ends: every request fits alone."""
    draw = random.Random(f"sglang/{seed}")
    page = draw.choice([1, 1, 1, 4, 16])
    config: dict[str, Any] = {
        "max_num_seqs": draw.choice([2, 4, 8, 16]),
        "max_num_batched_tokens": draw.choice([32, 64, 128, 512]),
        "block_size": page,
        "schedule_policy": draw.choice(["fcfs", "fcfs", "lpm", "lof"]),
        "conservativeness": draw.choice([0.1, 0.3, 1.0, 1.5]),
        "max_prefill_tokens": draw.choice([48, 16_384]),
        "mixed_chunk": draw.random() < 0.25,
        "async_scheduling": draw.random() < 0.5,
        "ignore_eos": draw.random() < 0.2,
        "requests": random_requests(draw, draw.randint(6, 40), draw.choice([20, 100, 300])),
    }
    largest = max(sum(b - a for a, b in one["segments"]) + one["out"] for one in config["requests"])
    config["num_blocks"] = -(-(largest + 3 * page + 3) // page) + draw.choice([0, 3, 10, 50, 200, 600]) // page
    return config


def parse(config: dict[str, Any], policy: Policy = "sglang") -> Scenario:
    """The scenario as `silmark.serving.replay` takes it."""
    options = EngineOptions(
        policy=policy, max_model_len=1 << 20, **{key: value for key, value in config.items() if key != "requests"}
    )
    entries = config["requests"]
    rows = np.zeros(len(entries), dtype=REQUEST)
    runs = [[(start, stop - start) for start, stop in one["segments"]] for one in entries]
    for i, one in enumerate(entries):
        rows[i]["prompt"] = sum(length for _, length in runs[i])
        rows[i]["output"] = one["out"]
        rows[i]["delay_ns"] = rows[i]["session"] = -1
        rows[i]["made"] = EMITTED
    return Scenario(
        options,
        tuple(one["id"] for one in entries),
        tuple(one["arrive_step"] for one in entries),
        Requests(
            rows,
            np.array([run for some in runs for run in some], dtype=SEGMENT),
            np.cumsum([0] + [len(some) for some in runs]).astype(np.int64),
        ),
    )
