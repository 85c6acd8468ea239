"""Random scenarios of KV that comes from elsewhere and goes there, in the words of oracle.py."""

from __future__ import annotations

import random
from typing import Any

import scenarios

KINDS = ("decode", "prefill", "both")
_ROLES = {"decode": "consumer", "prefill": "producer", "both": "both"}


def scenario(kind: str, seed: int) -> dict[str, Any]:
    """One scenario: on the side that decodes, on the one that prefills, or on both."""
    draw = random.Random(f"{kind}/{seed}")
    config = scenarios.scenario(draw.choice(["plain", "edge", "async", "drafts", "all"]), draw.randrange(1 << 20))
    config["kv_role"] = _ROLES[kind]
    if config.get("draft_tokens") and config.get("async_scheduling"):
        config["pipeline"] = 1  # with more, blocks of ended requests come back a step later than here
    far = draw.choice([1, 3, 10, 40])
    for entry in config["requests"]:
        if kind in {"decode", "both"} and draw.random() < 0.7:
            entry["fetch_steps"] = draw.randint(1, far)
            if draw.random() < 0.15:
                entry["fetch_fails"] = True
        if kind in {"prefill", "both"} and draw.random() < 0.7:
            entry["hold_steps"] = draw.randint(8, 8 + far)  # no step in flight still writes what is read
            entry["out"] = 1 if draw.random() < 0.7 else entry["out"]
    return config
