"""A tier of memory below the prefix cache, as vLLM's offloading connector fills and empties it.

The rules are those of vLLM 0.33.0 (kv_transfer/kv_connector/v1/offloading/scheduler.py; manager.py and policies/lru.py
of v1/kv_offload/cpu): every full block is copied out at the end of the decision that has it computed, and can be read
when the copy has arrived. Blocks that are being copied, in either direction, are not evicted; without enough others
nothing is stored, and it is tried again. All blocks of a request count as used when it came to use the first of them,
and anew when it ends; of these the last in the prompt goes first.

A tier is a row of `engines` of its own: its list of blocks stands in the order in which they would go, and its `calls`
count the decisions of its engine, which copies are timed by.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.blocks import entry_of, forget, insert, link, to_tail, unlink
from silmark.serving.kernel.state import NONE, State
from silmark.serving.kernel.tokens import SEED, digest_of

LATER = -1
"""Blocks that a request would find are still being copied: it is looked at again at the next decision."""
_PLACES = 1 << 24
"""More than the blocks of any request."""


@inner
def write_keys(state: State, request: int, count: int) -> None:
    """Writes down the digests of a request's first blocks, which stay when its blocks in the cache are gone."""
    one = state.live[request]
    block = state.settings[state.engines[one["replica"]]["kind"]]["block"]
    digest, index, begin = SEED, 0, 0
    if 0 < one["keyed"] < count:
        digest = state.keys[one["table"] + one["keyed"] - 1]["digest"]
    for i in range(one["keyed"], count):
        digest, index, begin = digest_of(state, request, digest, i * block, index, begin)
        state.keys[one["table"] + i]["digest"] = digest
        state.keys[one["table"] + i]["seen"] = False
    one["keyed"] = max(one["keyed"], count)


@inner
def _copy_of(state: State, tier: int, request: int, place: int) -> int:
    """The tier's copy of a request's block whose digest is written down; NONE if it has none."""
    return int(state.entries[entry_of(state, tier, state.keys[state.live[request]["table"] + place]["digest"])])


@inner
def restorable(state: State, replica: int, request: int, hits: int) -> int:
    """Tokens that a request has after a restore; 0 if nothing is worth one, LATER if copies must be waited for.

    Args:
        hits: cached blocks, found before and written to `hits`.
    """
    engine, one = state.engines[replica], state.live[request]
    tier = engine["tier"]
    if tier == NONE:
        return 0
    one["stored"] = 0
    now = state.engines[tier]["calls"]
    if one["storing"] > now:
        return LATER
    settings = state.settings[engine["kind"]]
    block = settings["block"]
    most = (one["prompt"] + one["done"] - settings["behind"]) // block
    digest, index, begin, found, waits = SEED, 0, 0, hits, False
    if hits > 0:
        digest = state.blocks[state.hits[hits - 1]]["digest"]
    while found < most:
        digest, index, begin = digest_of(state, request, digest, found * block, index, begin)
        place = state.entries[entry_of(state, tier, digest)]
        if place == NONE:
            break
        waits = waits or state.blocks[place]["refs"] > 0 or state.blocks[place]["ready"] > now
        found += 1
    if found - hits < max(1, state.links.tier_least[engine["kind"]]):
        return 0
    return LATER if waits else int(found * block)


@inner
def bring_back(state: State, replica: int, blocks: int) -> int:
    """Copies so many blocks from the tier, after those that are under way. Returns when they are there."""
    rules, engine, now = state.rules[0], state.engines[replica], state.totals[0]["now"]
    kind = engine["kind"]
    start = max(now, engine["host_ns"])
    engine["host_ns"] = start + int(blocks * state.links.tier_block_ns[kind])
    rules["restored"] += blocks * state.settings[kind]["block"]
    return int(max(engine["host_ns"] + state.links.tier_latency_ns[kind], now + 1))


@inner
def pin(state: State, replica: int, request: int, first: int, end: int) -> None:
    """Blocks `first` to `end` of a request are read: nobody evicts them, or reads them beside it."""
    tier, one = state.engines[replica]["tier"], state.live[request]
    write_keys(state, request, end)
    for i in range(first, end):
        block = _copy_of(state, tier, request, i)
        state.blocks[block]["refs"] += 1
        _see(state, tier, request, i, block)
    one["stored"] = end
    one["pinned"] = first


@inner
def unpin(state: State, replica: int, request: int) -> None:
    """They have been read, or nobody wants them any more."""
    tier, one = state.engines[replica]["tier"], state.live[request]
    if tier == NONE or one["pinned"] == NONE:
        return
    for i in range(one["pinned"], one["stored"]):
        block = _copy_of(state, tier, request, i)
        if block != NONE:  # the tier may have been lost meanwhile
            state.blocks[block]["refs"] -= 1
    one["pinned"] = NONE


@inner
def _order(one: np.void, place: int) -> int:
    """Where a block stands that a request uses: by when that began to use any, its last block first."""
    return int(one["used"] * _PLACES + _PLACES - 1 - place)


@inner
def _see(state: State, tier: int, request: int, place: int, block: int) -> None:
    """A request uses a block for the first time: it counts as used no earlier than its others.

    Args:
        place: of the block among the request's.
        block: of the tier; NONE if it is not there.
    """
    one, key = state.live[request], state.keys[state.live[request]["table"] + place]
    if key["seen"]:
        return
    key["seen"] = True
    if one["used"] == 0:
        state.engines[tier]["rank_back"] += 1
        one["used"] = state.engines[tier]["rank_back"]
    if block != NONE and state.blocks[block]["order"] < _order(one, place):
        unlink(state, tier, block)
        _enter(state, tier, request, block, place)


@inner
def _enter(state: State, tier: int, request: int, block: int, place: int) -> None:
    """Puts a block into the list where its order says.

    It stands next to another one of the same request, if that is known, and else mostly near one of the ends.
    """
    one, blocks, engine = state.live[request], state.blocks, state.engines[tier]
    order = _order(one, place)
    before, after = engine["tail"], engine["head"]
    if blocks[one["beside"]]["order"] // _PLACES == one["used"]:
        before, after = one["beside"], one["beside"]
        while after != NONE and blocks[after]["order"] < order:
            after = blocks[after]["after"]
        before = engine["tail"] if after == NONE else blocks[after]["before"]
        while before != NONE and blocks[before]["order"] > order:
            before = blocks[before]["before"]
    else:
        while before != NONE and blocks[before]["order"] > order and blocks[after]["order"] < order:
            before, after = blocks[before]["before"], blocks[after]["after"]
        if after != NONE and blocks[after]["order"] > order:
            before = blocks[after]["before"]
    link(state, tier, block, before)
    blocks[block]["order"] = order
    one["beside"] = block


@inner
def _may_go(state: State, tier: int, block: int) -> bool:
    return bool(state.blocks[block]["refs"] == 0 and state.blocks[block]["ready"] <= state.engines[tier]["calls"])


@inner
def store(state: State, replica: int, request: int, end: int) -> None:
    """Copies those of a request's first `end` blocks out that it has not offered yet and the tier does not have."""
    tier, one = state.engines[replica]["tier"], state.live[request]
    first, missing, now = one["stored"], 0, state.engines[tier]["calls"]
    if end <= first:
        return
    write_keys(state, request, end)
    for i in range(first, end):
        block = _copy_of(state, tier, request, i)
        missing += block == NONE
        if block == NONE or state.blocks[block]["ready"] <= now:
            _see(state, tier, request, i, block)
    if missing > 0:
        ready = now + state.links.tier_steps[state.engines[replica]["kind"]]
        _hold(state, tier, request, end, 1)
        enough = _has_room(state, tier, missing)
        if enough:
            _write(state, tier, request, end, ready)
            one["storing"] = ready
            state.engines[tier]["moved"] = ready
        _hold(state, tier, request, end, -1)
        if not enough:
            return
    one["stored"] = end


@inner
def _hold(state: State, tier: int, request: int, end: int, count: int) -> None:
    """Keeps what a request offers from being evicted for the rest of it, or (-1) no more."""
    one = state.live[request]
    for i in range(one["stored"], end):
        block = _copy_of(state, tier, request, i)
        if block != NONE:
            state.blocks[block]["refs"] += count


@inner
def _has_room(state: State, tier: int, count: int) -> bool:
    """Whether so many blocks are free or may go."""
    block = state.engines[tier]["head"]
    while block != NONE and count > 0:
        count -= _may_go(state, tier, block)
        block = state.blocks[block]["after"]
    return bool(count == 0)


@inner
def _write(state: State, tier: int, request: int, end: int, ready: int) -> None:
    """Gives what a request offers and the tier lacks the blocks that are the first to go.

    Args:
        ready: the decision from which on the copies are there.
    """
    one, blocks, following = state.live[request], state.blocks, state.engines[tier]["head"]
    for i in range(one["stored"], end):
        if _copy_of(state, tier, request, i) != NONE:
            continue
        while not _may_go(state, tier, following):
            following = blocks[following]["after"]
        block = following
        following = blocks[block]["after"]
        unlink(state, tier, block)
        forget(state, tier, block)
        insert(state, tier, block, state.keys[one["table"] + i]["digest"])
        blocks[block]["refs"] = 1  # until all are written
        blocks[block]["ready"] = ready
        blocks[block]["order"] = 0
        _enter(state, tier, request, block, i)


@inner
def _part(state: State, replica: int, request: int) -> None:
    """A request has ended: the next decision stores its last blocks, and all that it used counts as used anew."""
    one, tier = state.live[request], state.engines[replica]["tier"]
    if tier == NONE or one["room"] == 0:
        return
    write_keys(state, request, ended_blocks(state, replica, request))
    one["parting"] = True
    one["next"] = NONE
    last = state.engines[tier]["root"]
    if last == NONE:
        state.engines[tier]["root"] = request
        return
    while state.live[last]["next"] != NONE:
        last = state.live[last]["next"]
    state.live[last]["next"] = request


@inner
def ended_blocks(state: State, replica: int, request: int) -> int:
    """Full blocks of a request that has ended: the KV of its last token was never computed."""
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    tokens = max(one["prompt"], one["prompt"] + one["done"] - 1)
    return int(min(tokens, one["prompt"] + one["done"] - settings["behind"]) // settings["block"])


@inner
def use_anew(state: State, replica: int, request: int) -> None:
    """All that a request has used counts as used now, the first block of its prompt last."""
    one, tier = state.live[request], state.engines[replica]["tier"]
    for i in range(one["keyed"] - 1, -1, -1):
        block = _copy_of(state, tier, request, i)
        if not state.keys[one["table"] + i]["seen"] or block == NONE:
            continue
        state.engines[tier]["rank_back"] += 1
        unlink(state, tier, block)
        to_tail(state, tier, block)
        state.blocks[block]["order"] = state.engines[tier]["rank_back"] * _PLACES


@inner
def _stays(state: State, replica: int, request: int) -> None:
    """There are no tiers."""


part = extra(_part, _stays)
"""What a tier is told of a request that has ended."""
