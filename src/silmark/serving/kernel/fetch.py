"""KV that is brought to an engine before a request starts: from the replica that prefilled it, or from a tier below.

vLLM (v1/core/sched/scheduler.py, 0.33.0: WAITING_FOR_REMOTE_KVS): blocks for all of it are taken when the request is
first in the queue and they are free, beside those that prompts under way still need; it then waits apart, holds them,
and cannot be preempted. When the KV is there the request goes before all that hold nothing, and computes what is left,
at least its last token.
"""

from __future__ import annotations

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.arenas import seat
from silmark.serving.kernel.blocks import adopt, blocks_for, extend, find_prefix, idle_hits, unclaimed
from silmark.serving.kernel.links import move
from silmark.serving.kernel.queue import add_event, pop
from silmark.serving.kernel.state import ARRIVED, HELD, LOADING, NONE, State
from silmark.serving.kernel.tier import bring_back, restorable


@inner
def _wants(state: State, replica: int, request: int, hits: int) -> bool:
    """Whether a waiting request has KV to fetch beyond its cached blocks: from a prefill elsewhere, or from a tier."""
    one = state.live[request]
    if one["partner"] == NONE or state.live[one["partner"]]["status"] != HELD:
        one["fetch"] = restorable(state, replica, request, hits) if state.rules[0]["restores"] else 0
    return bool(one["fetch"] > 0)


@inner
def _begin(state: State, replica: int, request: int) -> bool:
    """Takes blocks for the KV of the request that is first in the queue and has it sent; False if they are not free."""
    one, engine = state.live[request], state.engines[replica]
    settings = state.settings[engine["kind"]]
    hits = find_prefix(state, replica, request)
    length = one["prompt"] + one["done"]
    whole = blocks_for(length, settings["block"])  # what is computed after a restore has its blocks from the start
    need = whole - hits + idle_hits(state, hits) + settings["aside"]
    spare = settings["watermark"] if engine["running"] > 0 else 0
    if need + spare + _promised(state, replica) > unclaimed(state, replica):
        return False
    pop(state, replica)
    seat(state, request)
    adopt(state, replica, request, hits)
    extend(state, replica, request, whole - hits)
    one["computed"] = one["fetch"]
    one["status"] = LOADING
    engine["away"] += 1
    partner = one["partner"]
    if partner != NONE and state.live[partner]["status"] == HELD:
        source = state.live[partner]["replica"]
        one["due_ns"] = move(state, request, source, replica, hits * settings["block"], one["fetch"])
    else:
        one["due_ns"] = bring_back(state, replica, one["fetch"] // settings["block"] - hits)
    add_event(state, one["due_ns"], ARRIVED, request)
    return True


@inner
def _promised(state: State, replica: int) -> int:
    """Blocks that prompts under way still need."""
    block, count = state.settings[state.engines[replica]["kind"]]["block"], 0
    for i in range(state.engines[replica]["running"]):
        one = state.live[state.running[replica, i]]
        length = one["prompt"] + one["done"]
        if one["computed"] < length - 1:
            count += max(0, blocks_for(length, block) - one["held"])
    return count


@inner
def _wants_nothing(state: State, replica: int, request: int, hits: int) -> bool:
    """There are no tiers or pools."""
    return False


@inner
def _never(state: State, replica: int, request: int) -> bool:
    """Nobody asks."""
    return False


wants = extra(_wants, _wants_nothing)
"""Whether a waiting request has KV to fetch."""
begin = extra(_begin, _never)
"""Begins to fetch it."""
