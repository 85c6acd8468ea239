"""A tier of memory below the prefix cache: blocks that requests let go of stay there, and are brought back on a hit.

A tier is a row of `engines` of its own: its blocks and its table of digests work as an engine's, all of them free, the
least recently used first. What is in use, or still in the cache, is found there first; so it is enough to store blocks
when a request lets go of them (vLLM's offloading connectors copy them when they are full).
"""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.blocks import entry_of, forget, insert, to_tail, unlink
from silmark.serving.kernel.state import NONE, State
from silmark.serving.kernel.tokens import SEED, digest_of


@inner
def store(state: State, replica: int, request: int) -> None:
    """Keeps the known blocks of a request that lets go of them; the first ones of a prompt stay longest."""
    tier = state.engines[replica]["tier"]
    if tier == NONE or not state.totals[0]["apart"]:
        return
    one = state.live[request]
    computed = one["computed"] // state.settings[state.engines[replica]["kind"]]["block"]
    for i in range(min(one["hashed"], computed) - 1, -1, -1):  # the cache knows blocks from when they are handed out
        digest = state.blocks[state.tables[one["table"] + i]]["digest"]
        block = state.entries[entry_of(state, tier, digest)]
        if block == NONE:
            block = state.engines[tier]["head"]
            unlink(state, tier, block)
            forget(state, tier, block)
            insert(state, tier, block, digest)
        else:
            unlink(state, tier, block)
        to_tail(state, tier, block)


@inner
def restorable(state: State, replica: int, request: int, hits: int) -> int:
    """Tokens that a request has after a restore; 0 if the tier does not have enough blocks that follow the cached ones.

    Args:
        hits: cached blocks, found before and written to `hits`.
    """
    engine, one = state.engines[replica], state.live[request]
    if engine["tier"] == NONE or not state.totals[0]["apart"]:
        return 0
    block = state.settings[engine["kind"]]["block"]
    most = (one["prompt"] + one["done"] - 1) // block
    digest, index, begin, found = SEED, 0, 0, hits
    if hits > 0:
        digest = state.blocks[state.hits[hits - 1]]["digest"]
    while found < most:
        digest, index, begin = digest_of(state, request, digest, found * block, index, begin)
        if state.entries[entry_of(state, engine["tier"], digest)] == NONE:
            break
        found += 1
    enough = found - hits >= max(1, state.links.tier_least[engine["kind"]])
    return int(found * block) if enough else 0


@inner
def bring_back(state: State, replica: int, blocks: int) -> int:
    """Copies so many blocks from the tier, after those that are under way. Returns when they are there."""
    rules, engine, now = state.rules[0], state.engines[replica], state.totals[0]["now"]
    kind = engine["kind"]
    start = max(now, engine["host_ns"])
    engine["host_ns"] = start + int(blocks * state.links.tier_block_ns[kind])
    rules["restored"] += blocks * state.settings[kind]["block"]
    return int(max(engine["host_ns"] + state.links.tier_latency_ns[kind], now + 1))
