"""What a fleet is told, as the arrays of the core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.estimation.disaggregated import transfer_s
from silmark.figures import assumptions
from silmark.serving.fleet_options import ON_FAULT, ROUTERS, SCALE_ON, Autoscale, Led, Offload, Role
from silmark.serving.kv_tiers import KvTier, kv_tiers
from silmark.serving.replica import Replica
from silmark.systems.spec import Level

if TYPE_CHECKING:  # what runs on numba takes half a second to import
    from silmark.serving.kernel.control import Control
    from silmark.serving.kernel.rules import Links
    from silmark.serving.options import EngineOptions

_NS = 1e9
_MOST_BLOCKS = 1 << 22
"""Blocks of a tier: beyond four million, nothing is evicted from it in any trace that fits into memory."""
_OCTAVES = 27
"""Tables of transfers reach to 2^27 tokens."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Replicas of one kind.

    Attributes:
        replica: one of them.
        count: how many.
        role: "both", or "prefill" and "decode" of a fleet that splits requests.
    """

    replica: Replica
    count: int = 1
    role: Role = "both"


@dataclass(frozen=True, slots=True)
class Condition:
    """How a replica does for a while: its pool, the share of its chips' speed, the share of its links' bandwidth."""

    pool: int
    speed: float = 1.0
    link: float = 1.0


def control(
    pools: Sequence[Pool],
    of: NDArray[np.int64],
    led: Led,
    states: list[Condition],
    changes: list[tuple[float, int, Condition, bool]],
    seed: int,
) -> Control:
    """The options as the core's arrays."""
    from silmark.serving.kernel.control import Control, no_rules  # noqa: PLC0415
    from silmark.serving.kernel.rules import CHANGE, DECODE, EITHER, PREFILL  # noqa: PLC0415

    roles = {"both": EITHER, "prefill": PREFILL, "decode": DECODE}
    rows = np.zeros(len(changes), dtype=CHANGE)
    for row, (time, number, state, works) in zip(rows, changes, strict=True):
        row["time_ns"], row["replica"], row["kind"], row["up"] = round(time * _NS), number, states.index(state), works
        row["port"] = 1.0 / state.link
    rules = no_rules()
    rules["seed"] = seed
    rules["split"] = any(pool.role == "prefill" for pool in pools)
    rules["looks"] = led.router.looks or led.prefill_router.looks or (rules["split"][0] and led.non_cached_tokens > 0)
    _route(rules, led)
    up = of.size
    if led.autoscale is not None:
        growing = next(pool for pool in pools if pool.role != "prefill")
        up -= growing.count - led.autoscale.least
        _scale(rules, led.autoscale, growing.replica)
    first = int(rows["time_ns"][0]) if rows.size else rules["outside_ns"][0]
    rules["outside_ns"] = min(first, rules["tick_ns"][0])
    rules["restores"] = led.offload is not None
    tiers = [_tier(pool.replica, led.offload) for pool in pools]
    blocks = np.array([tiers[i][0] for i in of], dtype=np.int64)
    return Control(np.array([roles[pools[i].role] for i in of]), up, rules, rows, _links(pools, states, tiers), blocks)


def _route(rules: NDArray[np.void], led: Led) -> None:
    """Router and faults."""
    both = (led.router, led.prefill_router)
    costs = next((one for one in both if one.policy == "kv"), led.router)
    router = next((one for one in both if one.policy == "scores"), led.router)
    rules["router"], rules["prefill_router"] = (
        ROUTERS.index(led.router.policy),
        ROUTERS.index(led.prefill_router.policy),
    )
    rules["least_tokens"] = led.non_cached_tokens
    rules["temperature"], rules["prefill_scale"] = costs.temperature, costs.prefill_load_scale
    rules["credit"], rules["request_weight"] = costs.overlap_credit, costs.decode_active_request_weight
    rules["prefix"], rules["kv"] = router.scores.prefix, router.scores.kv_cache_utilization
    rules["queue"], rules["running"] = router.scores.queue_depth, router.scores.running_requests
    rules["session"], rules["most_waiting"] = router.scores.session_affinity, router.most_waiting
    rules["on_fault"], rules["retry_ns"] = ON_FAULT.index(led.on_fault), round(led.retry_s * _NS)


def _scale(rules: NDArray[np.void], scale: Autoscale, started: Replica) -> None:
    """The autoscaler."""
    startup = startup_s(started) if scale.startup_s is None else scale.startup_s
    rules["scale_on"], rules["target"], rules["least"] = SCALE_ON.index(scale.on), scale.target, scale.least
    rules["every_ns"] = rules["tick_ns"] = round(scale.every_s * _NS)
    rules["cooldown_ns"], rules["startup_ns"] = round(scale.cooldown_s * _NS), round(startup * _NS)


def startup_s(found: Replica) -> float:
    """Seconds until a new replica serves: its weights are read from storage, and the engine compiles and warms up."""
    start = assumptions("engine")
    weights = found.step_model.memory.weights * found.chips
    return weights / start["start.storage"].value + start["start.engine"].value


def _tier(found: Replica, told: Offload | None) -> tuple[int, KvTier | None]:
    """Blocks that a replica keeps below its cache, and where; raises BadValue for a tier that is not there."""
    if told is None:
        return 0, None
    if found.options.policy != "vllm":
        raise BadValue("policy", found.options.policy, "vllm with offload: the others' own tiers are not simulated")
    tier = kv_tiers(found, [told.tier])[0]
    room = tier.blocks
    if told.capacity_bytes is not None:  # every chip's process keeps its own part of a block
        room = min(room, int(told.capacity_bytes / (found.blocks.bytes_ * found.chips)))
    if not room >= 1:
        raise BadValue("offload capacity", told.capacity_bytes, "room for a KV block")
    least = 1 if told.restore == "always" else tier.pays_from
    return min(room, _MOST_BLOCKS), replace(tier, pays_from=least)


def _copied(options: EngineOptions) -> int:
    """Decisions until a stored block can be read: its copy starts with the next step, whose return reports it."""
    return 1 + options.pipeline + options.async_scheduling


def _links(pools: Sequence[Pool], states: list[Condition], tiers: list[tuple[int, KvTier | None]]) -> Links:
    """What moving KV between replicas costs, by state of a replica; the core slows the links of a fault itself."""
    from silmark.serving.kernel.rules import Links  # noqa: PLC0415

    ladder = [1 << place for place in range(_OCTAVES + 1)]
    latency, body = [], []
    for state in states:
        model = pools[state.pool].replica.step_model
        level: Level = "out"
        least = model.target.link(level).latency_s
        latency.append(round(least * _NS))
        body.append([(transfer_s(model, tokens, level) - least) * _NS for tokens in ladder])
    below = [tiers[state.pool][1] for state in states]
    return Links(
        latency_ns=np.array(latency, dtype=np.int64),
        body_ns=np.array(body),
        tier_latency_ns=np.array([round(one.latency_s * _NS) if one else 0 for one in below], dtype=np.int64),
        tier_block_ns=np.array([one.block_s * _NS if one else 0.0 for one in below]),
        tier_least=np.array([one.pays_from if one else 0 for one in below], dtype=np.int64),
        tier_steps=np.array([_copied(pools[state.pool].replica.options) for state in states], dtype=np.int64),
    )
