"""What a fleet is told, as numbers: its router, its pools, what happens to its replicas and when."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from silmark.serving.bundles import bundle

ROUND_ROBIN, RANDOM, POWER_OF_TWO, LEAST_REQUESTS, LEAST_TOKENS, LEAST_KV, SESSION, KV, SCORES = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
)
"""Routers, in the order of `fleets.ROUTERS`."""
EITHER, PREFILL, DECODE = 0, 1, 2
"""Pools of replicas: prefill and decode; prefill only; decode (and whatever was not prefilled elsewhere)."""
MIGRATE, RETRY, LOSE = 0, 1, 2
"""What becomes of the requests of a replica that fails, in the order of `fleets.ON_FAULT`."""
QUEUE, SEATS, WAIT = 0, 1, 2
"""What an autoscaler looks at, in the order of `fleets.SCALE_ON`."""

RULES = np.dtype(
    [
        ("router", np.int64),
        ("prefill_router", np.int64),
        ("turn", np.int64),
        ("prefill_turn", np.int64),
        ("seed", np.int64),
        ("looks", np.bool_),
        ("split", np.bool_),
        ("restores", np.bool_),
        ("least_tokens", np.int64),
        ("temperature", np.float64),
        ("prefill_scale", np.float64),
        ("credit", np.float64),
        ("request_weight", np.float64),
        ("prefix", np.float64),
        ("kv", np.float64),
        ("queue", np.float64),
        ("running", np.float64),
        ("session", np.float64),
        ("most_waiting", np.int64),
        ("on_fault", np.int64),
        ("retry_ns", np.int64),
        ("scale_on", np.int64),
        ("target", np.float64),
        ("least", np.int64),
        ("every_ns", np.int64),
        ("startup_ns", np.int64),
        ("cooldown_ns", np.int64),
        ("calm_ns", np.int64),
        ("tick_ns", np.int64),
        ("change", np.int64),
        ("outside_ns", np.int64),
        ("parked", np.int64),
        ("parked_last", np.int64),
        ("transfers", np.int64),
        ("transfer_ns", np.int64),
        ("transfer_wait_ns", np.int64),
        ("restored", np.int64),
    ],
    align=True,
)
"""The one row of `State.rules`.

router, prefill_router: of both pools, and whose turn it is (turn, prefill_turn). seed: of chances. looks: a router
looks into the replicas. split: prompts are prefilled in a pool of their own if they have at least least_tokens
uncached tokens. restores: there is a tier below the cache (`tier.py`). temperature, prefill_scale, credit,
request_weight: of the KV router; prefix, kv, queue, running, session: weights of the scores; most_waiting: replicas
with more are passed over. on_fault, retry_ns: what becomes of requests whose replica fails, and after how long.
scale_on, target, least, every_ns, startup_ns, cooldown_ns: of the autoscaler; calm_ns: when it last wanted as many
replicas as there were; tick_ns: when it looks next. change: the next row of `changes`. outside_ns: when the next
change, look or start is due. parked, parked_last: requests that no replica can take now, as a list. transfers,
transfer_ns, transfer_wait_ns: how many caches were moved, how long that took, and how long they waited for a port.
restored: tokens brought back from a tier.
"""

CHANGE = np.dtype(
    [("time_ns", np.int64), ("replica", np.int64), ("kind", np.int64), ("up", np.int64), ("port", np.float64)],
    align=True,
)
"""From a time on a replica is of this kind, works (1) or not (0), and its transfers take so many times as long."""


@bundle
class Links(NamedTuple):
    """What moving KV costs, by kind of replica.

    Attributes:
        latency_ns: [kind], of a transfer between replicas.
        body_ns: [kind, k], of the KV of 2^k tokens, beyond the latency.
        tier_latency_ns, tier_block_ns: [kind], of bringing blocks back from the tier below.
        tier_least: [kind], fewest blocks that are brought back and not computed anew.
        tier_steps: [kind], decisions until blocks that were stored can be read.
    """

    latency_ns: NDArray[np.int64]
    body_ns: NDArray[np.float64]
    tier_latency_ns: NDArray[np.int64]
    tier_block_ns: NDArray[np.float64]
    tier_least: NDArray[np.int64]
    tier_steps: NDArray[np.int64]
