"""Random scenarios for TensorRT-LLM's scheduler, in the words of trtllm_rules.py."""

from __future__ import annotations

import random
from typing import Any

from scenarios_sglang import EMITTED, random_requests
from scenarios_sglang import parse as parse_requests

from silmark.serving.scenario import Scenario


def scenario(seed: int) -> dict[str, Any]:
    """One scenario; it always ends: every request fits alone."""
    draw = random.Random(f"trtllm/{seed}")
    block = draw.choice([4, 8, 16])
    chunked = draw.random() < 0.7
    longest = draw.choice([20, 60, 200])
    requests = random_requests(draw, draw.randint(4, 30), longest)
    for one in requests:  # answers repeat one id here, prompts count up
        one["segments"] = [run for run in one["segments"] if run[0] != EMITTED]
    whole = [sum(b - a for a, b in one["segments"]) + one["out"] for one in requests]
    tokens = draw.choice([block, 32, 64, 128, 512])
    config: dict[str, Any] = {
        "max_num_seqs": draw.choice([2, 4, 8, 16]),
        "max_num_batched_tokens": max(tokens, block) if chunked else max(tokens, *whole),
        "block_size": block,
        "enable_prefix_caching": draw.random() < 0.8,
        "enable_chunked_prefill": chunked,
        "equal_chunks": draw.random() < 0.5,
        "capacity": draw.choice(["guaranteed_no_evict", "max_utilization", "max_utilization", "static_batch"]),
        "async_scheduling": draw.random() < 0.5,
        "requests": requests,
    }
    config["num_blocks"] = -(-max(whole) // block) + 1 + draw.choice([0, 3, 10, 50, 200]) * 4 // block
    return config


def parse(config: dict[str, Any]) -> Scenario:
    """The scenario as `silmark.serving.replay` takes it."""
    return parse_requests(config, "trtllm")
