"""Random scenarios for schedulers, of the kinds that the oracle's own ones have and of some that they lack."""

from __future__ import annotations

import math
import random
from typing import Any

KINDS = ("plain", "edge", "drafts", "async", "pipeline", "all")


def _requests(draw: random.Random, count: int, longest: int, prioritised: bool, twins: bool) -> list[dict[str, Any]]:
    """Prompts that share beginnings, arrivals in bunches; some are the twin of an earlier one."""
    requests: list[dict[str, Any]] = []
    step = draw.choice([0, 0, 1, 2, 5])
    pace = draw.choice([1, 2, 5, 9])
    for row in range(count):
        segments = [[100_000 + 1000 * row, 100_000 + 1000 * row + draw.randint(1, longest)]]
        if draw.random() < 0.5:
            start = 10_000 * draw.randint(1, 4)
            segments.insert(0, [start, start + draw.randint(4, max(4, longest * 2 // 3))])
        if twins and requests and draw.random() < 0.3:
            segments = [list(run) for run in draw.choice(requests)["segments"]]
        entry = {"id": f"r{row}", "arrive_step": step, "segments": segments, "out": draw.randint(1, 80)}
        if prioritised:
            entry["priority"] = draw.randint(0, 3)
        requests.append(entry)
        if draw.random() < 0.5:
            step += draw.randint(0, pace)
    return requests


def _sizes(config: dict[str, Any]) -> list[int]:
    """Tokens of each request when it ends, prompt and answer."""
    return [sum(stop - start for start, stop in r["segments"]) + r["out"] for r in config["requests"]]


def _ahead(draw: random.Random, kind: str) -> dict[str, Any]:
    """Options that schedule steps before the ones before them have ended, or check drafts."""
    more: dict[str, Any] = {}
    if kind in {"drafts", "all"}:
        more["draft_tokens"] = draw.choice([1, 2, 3, 5])
        more["acceptance"] = draw.choice([0.0, 0.3, 0.6, 0.8, 1.0])
        more["drafter"] = draw.choice(["ngram", "eagle", "draft_model"])
    if kind in {"async", "all"}:
        more["async_scheduling"] = True
    if kind in {"pipeline", "all"}:
        more["pipeline"] = draw.choice([1, 2, 3, 4]) if kind == "all" else draw.choice([2, 3, 4])
    return more


def scenario(kind: str, seed: int) -> dict[str, Any]:
    """One scenario in the words of oracle.py; it always ends: every request fits alone."""
    draw = random.Random(f"{kind}/{seed}")
    odd = kind != "plain"
    config: dict[str, Any] = {
        "max_num_seqs": draw.choice([2, 4, 8, 16]),
        "max_num_batched_tokens": draw.choice([32, 64, 128, 256, 512]),
        "block_size": draw.choice([8, 16, 16, 32]),
        "prefix_caching": draw.random() < 0.75,
        "policy": draw.choice(["fcfs", "priority"]),
    }
    longest = draw.choice([20, 100, 300]) if odd else 300
    twins = odd and draw.random() < 0.5
    config["requests"] = _requests(draw, draw.randint(8, 60), longest, config["policy"] == "priority", twins)
    if draw.random() < 0.3:
        config["long_prefill_token_threshold"] = draw.choice([16, 24, 48])
    if draw.random() < 0.2:
        config["watermark"] = draw.choice([0.01, 0.05, 0.2]) if odd else 0.05
    if draw.random() < (0.3 if odd else 0.15):
        config["reserve_full_isl"] = False
    config |= _ahead(draw, kind)
    if odd and draw.random() < 0.15:
        config["prefill_schedule_interval"] = draw.choice([2, 4, 8])
    if odd and draw.random() < 0.2:
        config["max_num_scheduled_tokens"] = max(config["max_num_batched_tokens"] // 2, 1)
    largest = max(_sizes(config))
    if odd and draw.random() < 0.2:
        config["enable_chunked_prefill"] = False
        config["max_num_batched_tokens"] = max(config["max_num_batched_tokens"], largest + 16)
        config.pop("max_num_scheduled_tokens", None)
    flying = config.get("pipeline", 1) + config.get("async_scheduling", False)
    reach = largest + (flying + 1) * (config.get("draft_tokens", 0) + 1)
    if odd and draw.random() < 0.15:
        config["max_model_len"] = largest + draw.choice([0, 1, 3])
    most = math.ceil(reach / config["block_size"])
    spread = draw.choice([0, 3, 10, 30, 100, 300]) if odd else draw.choice([2, 10, 40, 150])
    if config["policy"] == "priority" and not config.get("reserve_full_isl", True):
        most *= config["max_num_seqs"]  # with less, prompts of one priority may drive each other out for ever
    config["num_blocks"] = most + 2 + draw.randint(0, spread)
    return config


def unshared(kind: str, seed: int) -> dict[str, Any]:
    """One scenario whose prompts share nothing, with hardly more blocks than its longest request takes."""
    config = scenario(kind, seed)
    for row, entry in enumerate(config["requests"]):
        entry["segments"] = [[100_000 * row, 100_000 * row + sum(stop - start for start, stop in entry["segments"])]]
    config["requests"].sort(key=lambda entry: (entry["arrive_step"], entry["id"]))
    config |= {"prefix_caching": True, "reserve_full_isl": config["policy"] == "priority" or seed % 2 == 0}
    reach = max(_sizes(config)) + 4 * (config.get("draft_tokens", 0) + 1)
    config["num_blocks"] = math.ceil(reach / config["block_size"]) + 2 + seed % 7
    return config
