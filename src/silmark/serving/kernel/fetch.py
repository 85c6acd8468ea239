"""KV that is brought to an engine before a request starts: from the replica that prefilled it, or from a tier below.

vLLM (v1/core/sched/scheduler.py, 0.33.0: WAITING_FOR_REMOTE_KVS): blocks for it are taken when the request is first in
the queue and they are free, beside those that prompts under way and other fetches still need; it then waits apart,
holds them, and cannot be preempted. When the KV is there the request goes before all that hold nothing, in the order in
which they began to fetch. At the next look at the queue the prefix cache learns of its blocks, and it computes what is
left, at least its last token.
"""

from __future__ import annotations

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.arenas import seat
from silmark.serving.kernel.blocks import (
    adopt,
    blocks_for,
    cache_full,
    extend,
    find_prefix,
    idle_hits,
    release,
    unclaimed,
)
from silmark.serving.kernel.links import move
from silmark.serving.kernel.queue import add_event, pop
from silmark.serving.kernel.state import ARRIVED, HELD, LOADING, NONE, State
from silmark.serving.kernel.tier import bring_back, pin, restorable


@inner
def _wants(state: State, replica: int, request: int, hits: int) -> int:
    """Tokens of a waiting request with the KV that it fetches: from a prefill elsewhere, or a tier; 0, or LATER."""
    one = state.live[request]
    if one["partner"] == NONE or state.live[one["partner"]]["status"] != HELD:
        one["fetch"] = restorable(state, replica, request, hits) if state.rules[0]["restores"] else 0
    return int(one["fetch"])


@inner
def _begin(state: State, replica: int, request: int) -> bool:
    """Takes blocks for the KV of the request that is first in the queue and has it sent; False if they are not free."""
    one, engine = state.live[request], state.engines[replica]
    settings = state.settings[engine["kind"]]
    block = settings["block"]
    hits = find_prefix(state, replica, request)
    taken = idle_hits(state, hits) - hits + settings["aside"] + (settings["watermark"] if engine["running"] > 0 else 0)
    free, need = unclaimed(state, replica), blocks_for(one["fetch"], block)
    if settings["whole"] and blocks_for(one["prompt"] + one["done"], block) + taken > free:
        return False
    if need + taken + _promised(state, replica) + blocks_for(_checked(settings), block) > free:
        return False
    pop(state, replica)
    seat(state, request)
    adopt(state, replica, request, hits)
    extend(state, replica, request, need - hits)
    settle(state, replica, request)
    one["computed"] = one["fetch"]
    one["owed"] = _left(state, replica, request)
    engine["promised"] += one["owed"]
    one["status"] = LOADING
    if not settings["priority"]:
        one["rank"] = engine["rank_back"]
        engine["rank_back"] += 1
    engine["away"] += 1
    engine["loading"] += 1
    engine["skipped"] -= one["skipped"]
    one["skipped"] = 0
    partner = one["partner"]
    if partner != NONE and state.live[partner]["status"] == HELD:
        send_for(state, request, hits * block)
    else:
        pin(state, replica, request, hits, need)
        one["due_ns"] = bring_back(state, replica, one["fetch"] // block - hits)
        add_event(state, one["due_ns"], ARRIVED, request)
    return True


@inner
def send_for(state: State, request: int, first: int) -> None:
    """Has the KV of a request's tokens from `first` on sent by the replica that prefilled them."""
    one = state.live[request]
    source = state.live[one["partner"]]["replica"]
    one["due_ns"] = move(state, request, source, one["replica"], first, one["fetch"])
    add_event(state, one["due_ns"], ARRIVED, request)


@inner
def _checked(settings: object) -> int:
    """Tokens that a step computes of one request that decodes, where drafts are checked."""
    return int(1 + settings["drafts"] + settings["ahead"]) if settings["drafts"] > 0 else 0  # type: ignore[index]


@inner
def _left(state: State, replica: int, request: int) -> int:
    """Blocks that a prompt still needs until it is computed."""
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    tokens = min(one["prompt"] + one["done"], settings["length"]) + _checked(settings)
    return int(max(0, blocks_for(tokens, settings["block"]) - one["held"]))


@inner
def _promised(state: State, replica: int) -> int:
    """Blocks that prompts under way still need, and those whose KV is brought."""
    count = int(state.engines[replica]["promised"])
    for i in range(state.engines[replica]["running"]):
        if state.live[state.running[replica, i]]["chunk"] == 1:
            count += _left(state, replica, state.running[replica, i])
    return count


@inner
def _land(state: State, replica: int, request: int) -> None:
    """Looks at what was brought for the first in the queue: the cache learns of it, the last token is left.

    What failed to come (`computed` is 0) gives its blocks back.
    """
    one = state.live[request]
    if one["held"] == 0:
        return
    if one["computed"] > 0:
        cache_full(state, replica, request, one["computed"])
        one["computed"] = min(one["computed"], one["prompt"] + one["done"] - 1)
        return
    release(state, replica, request)


@inner
def settle(state: State, replica: int, request: int) -> None:
    """Nothing is kept free any more for a request whose KV was brought, and it has no precedence."""
    one = state.live[request]
    state.engines[replica]["promised"] -= one["owed"]
    one["owed"] = 0
    one["landed"] = 0


@inner
def _wants_nothing(state: State, replica: int, request: int, hits: int) -> int:
    """There are no tiers or pools."""
    return 0


@inner
def _never(state: State, replica: int, request: int) -> bool:
    """Nobody asks."""
    return False


@inner
def _nothing(state: State, replica: int, request: int) -> None:
    """Nothing is brought."""


wants = extra(_wants, _wants_nothing)
"""How far KV is fetched for a waiting request."""
begin = extra(_begin, _never)
"""Begins to fetch it."""
land = extra(_land, _nothing)
"""Looks at what was fetched."""
