"""Random scenarios of a tier that vLLM's offloading connector fills, in the words of oracle.py."""

from __future__ import annotations

import random
from typing import Any

import scenarios

KINDS = ("tight", "roomy", "ahead")


def scenario(kind: str, seed: int) -> dict[str, Any]:
    """One scenario: a tier smaller than the cache, one of any size, or one beside steps scheduled ahead or drafts."""
    draw = random.Random(f"{kind}/{seed}")
    base = draw.choice(["async", "pipeline", "drafts", "all"] if kind == "ahead" else ["plain", "edge"])
    config = scenarios.scenario(base, draw.randrange(1 << 20))
    config |= {"kv_role": "both", "prefix_caching": True}
    if config.get("draft_tokens") and config.get("async_scheduling"):
        config |= {"pipeline": 1, "async_scheduling": False}  # see docs/schedulers.md
    if config.get("drafter") == "eagle":
        config["drafter"] = "ngram"  # vLLM's own connector fails where EAGLE's digests need a token more
    config["tier_blocks"] = draw.randint(5, 200) if kind == "roomy" else draw.randint(5, 40)
    config["store_steps"] = draw.choice([1, 2, 2, 3, 8])
    config["restore_steps"] = draw.choice([1, 2, 5, 12])
    shared = draw.choice([2, 3, 6])
    for entry in config["requests"]:
        if draw.random() < 0.4:  # beginnings that come back when the cache has lost them
            start = 10_000 * draw.randint(1, shared)
            entry["segments"] = [[start, start + sum(stop - first for first, stop in entry["segments"])]]
    return config
