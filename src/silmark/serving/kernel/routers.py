"""Which replica gets a request: round robin, chance, the least loaded, the KV cost of Dynamo, the scores of llm-d.

Those that look at blocks see the present: `fleet.run` has settled all replicas before.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.blocks import blocks_for
from silmark.serving.kernel.chance import uniform
from silmark.serving.kernel.prefixes import find, idle
from silmark.serving.kernel.rules import (
    KV,
    LEAST_KV,
    LEAST_REQUESTS,
    LEAST_TOKENS,
    POWER_OF_TWO,
    PREFILL,
    RANDOM,
    ROUND_ROBIN,
    SCORES,
    SESSION,
)
from silmark.serving.kernel.state import NONE, UP, State


@inner
def choose(state: State, request: int, pool: int) -> int:
    """The replica for a request that has just been sent; NONE if none of its pool is up.

    Args:
        pool: PREFILL for one that only prefills; else any other.
    """
    rules = state.rules[0]
    router = rules["prefill_router"] if pool == PREFILL else rules["router"]
    if router == ROUND_ROBIN:
        return _round_robin(state, pool)
    count, last = 0, NONE
    for replica in range(state.engines.size):
        if takes(state, replica, pool):
            count, last = count + 1, replica
    if count <= 1:
        return last
    if router == RANDOM:
        return _nth(state, pool, int(count * _chance(state, request, 0)))
    if router == POWER_OF_TWO:
        one = _nth(state, pool, int(count * _chance(state, request, 0)))
        other = _nth(state, pool, int(count * _chance(state, request, 1)))
        return one if state.engines[one]["active"] <= state.engines[other]["active"] else other
    return by_cost(state, request, pool, router)


@inner
def takes(state: State, replica: int, pool: int) -> bool:
    """Whether a replica belongs to a pool and is up."""
    engine = state.engines[replica]
    return bool(engine["up"] == UP and (engine["pool"] == PREFILL) == (pool == PREFILL))


@inner
def overlap(state: State, replica: int, request: int) -> int:
    """Blocks of a request's prompt that a replica has cached now; written to `hits`."""
    state.live[request]["replica"] = replica  # whose size of blocks counts
    return int(find(state, replica, request))


@inner
def _round_robin(state: State, pool: int) -> int:
    rules, count = state.rules[0], state.engines.size
    first = rules["prefill_turn"] if pool == PREFILL else rules["turn"]
    for i in range(count):
        replica = (first + i) % count
        if takes(state, replica, pool):
            if pool == PREFILL:
                rules["prefill_turn"] = (replica + 1) % count
            else:
                rules["turn"] = (replica + 1) % count
            return int(replica)
    return NONE


@inner
def _chance(state: State, request: int, place: int) -> float:
    one = state.live[request]
    return uniform(state.rules[0]["seed"], one["name"], (one["retries"] << 8) + place)


@inner
def _nth(state: State, pool: int, place: int) -> int:
    """The replica at a place among those that take requests of a pool."""
    for replica in range(state.engines.size):
        if takes(state, replica, pool):
            if place == 0:
                return replica
            place -= 1
    return NONE


@inner
def _weigh(state: State, request: int, pool: int, router: int) -> None:
    """Writes to `costs` what it costs to send a request to each replica of a pool."""
    for replica in range(state.engines.size):
        if not takes(state, replica, pool):
            continue
        engine = state.engines[replica]
        if router == LEAST_REQUESTS:
            cost = float(engine["active"])
        elif router == LEAST_TOKENS:
            cost = float(engine["load"])
        elif router == LEAST_KV:
            cost = _used(state, replica)
        elif router == SESSION:
            cost = _affinity(state, request, replica)
        elif router == KV:
            cost = _kv_cost(state, request, replica)
        else:
            cost = -_own_score(state, request, replica)
        state.costs[replica] = cost
    if router == SCORES:
        _add_queues(state, pool)


@inner
def _used(state: State, replica: int) -> float:
    """Share of a replica's blocks that requests hold."""
    engine = state.engines[replica]
    return float(1.0 - engine["free"] / state.settings[engine["kind"]]["usable"])


@inner
def _affinity(state: State, request: int, replica: int) -> float:
    """A chance that is the same for all requests of a session: the lowest wins (rendezvous hashing).

    A replica that fails gives away its own sessions only (Thaler and Ravishankar 1998).
    """
    one = state.live[request]
    whose = one["session"] if one["session"] != NONE else one["name"]
    return uniform(state.rules[0]["seed"], whose, replica)


@inner
def _kv_cost(state: State, request: int, replica: int) -> float:
    """Dynamo's cost, in blocks: prompts that the replica has yet to prefill, this one's share of them, and its KV.

    Blocks that others on the replica use already cost no room; cached ones cost no prefill.
    """
    rules, engine, one = state.rules[0], state.engines[replica], state.live[request]
    block = state.settings[engine["kind"]]["block"]
    hits = overlap(state, replica, request)
    shared = hits - idle(state, replica, hits)
    prompt = float(one["prompt"] + one["done"]) / block
    prefill = engine["prefilling"] / block + prompt - rules["credit"] * hits
    room = engine["share"] + blocks_for(one["prompt"] + one["done"], block) - shared
    return float(rules["prefill_scale"] * prefill + room + rules["request_weight"] * engine["active"])


@inner
def _own_score(state: State, request: int, replica: int) -> float:
    """llm-d's scores that need no other replica: each from 0 to 1, times its weight."""
    rules, engine, score = state.rules[0], state.engines[replica], 0.0
    if rules["prefix"] > 0:
        block = state.settings[engine["kind"]]["block"]
        whole = max(1, state.live[request]["prompt"] // block)
        score += rules["prefix"] * min(1.0, overlap(state, replica, request) / whole)
    if rules["kv"] > 0:
        score += rules["kv"] * (1.0 - _used(state, replica))
    return float(score + rules["session"] * (1.0 - _affinity(state, request, replica)))


@inner
def _add_queues(state: State, pool: int) -> None:
    """llm-d's scores that compare: the shortest queue and the fewest running get 1, the most get 0.

    Replicas with more than `most_waiting` in their queue are passed over unless all have more.
    """
    rules, costs = state.rules[0], state.costs
    longest, shortest, most, fewest = np.int64(0), np.int64(1 << 40), np.int64(0), np.int64(1 << 40)
    for replica in range(state.engines.size):
        if takes(state, replica, pool):
            engine = state.engines[replica]
            longest, shortest = max(longest, engine["waiting"]), min(shortest, engine["waiting"])
            most, fewest = max(most, engine["running"]), min(fewest, engine["running"])
    for replica in range(state.engines.size):
        if takes(state, replica, pool):
            engine = state.engines[replica]
            costs[replica] -= rules["queue"] * (1.0 - (engine["waiting"] - shortest) / max(1, longest - shortest))
            costs[replica] -= rules["running"] * (1.0 - (engine["running"] - fewest) / max(1, most - fewest))
            if shortest <= rules["most_waiting"] < engine["waiting"]:
                costs[replica] = np.inf


@inner
def _lowest(state: State, request: int, pool: int) -> int:
    """The replica of lowest cost; among equals, chance."""
    best, equals = NONE, 0
    for replica in range(state.engines.size):
        if not takes(state, replica, pool):
            continue
        if best == NONE or state.costs[replica] < state.costs[best]:
            best, equals = replica, 1
        elif state.costs[replica] == state.costs[best]:
            equals += 1
            if _chance(state, request, replica) * equals < 1:
                best = replica
    return best


@inner
def _softmax(state: State, request: int, pool: int) -> int:
    """A replica by chance, the likelier the lower its cost: exp(-cost / temperature)."""
    heat, best = state.rules[0]["temperature"], state.costs[_lowest(state, request, pool)]
    total = 0.0
    for replica in range(state.engines.size):
        if takes(state, replica, pool):
            total += np.exp((best - state.costs[replica]) / heat)
    rest, last = _chance(state, request, -1) * total, NONE
    for replica in range(state.engines.size):
        if takes(state, replica, pool):
            last = replica
            rest -= np.exp((best - state.costs[replica]) / heat)
            if rest < 0:
                break
    return last


@inner
def _by_cost(state: State, request: int, pool: int, router: int) -> int:
    """The replica of lowest cost; with a temperature, by chance."""
    _weigh(state, request, pool, router)
    if router == KV and state.rules[0]["temperature"] > 0:
        return _softmax(state, request, pool)
    return _lowest(state, request, pool)


@inner
def _by_none(state: State, request: int, pool: int, router: int) -> int:
    """No router of the fleet weighs costs."""
    return NONE


by_cost = extra(_by_cost, _by_none)
"""The replica that a router chooses that weighs them."""
