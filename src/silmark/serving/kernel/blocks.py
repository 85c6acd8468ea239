"""KV blocks of one engine: the free list, the prefix cache, and the block tables of requests.

The rules are vLLM's (v1/core/block_pool.py, kv_cache_manager.py; 0.33.0): blocks are handed out from the head of the
free list and lose their digest only then; a request's blocks return in reverse order, those with a digest to the tail
(the least recently used go first), those without to the head. Digests are chained: a block's digest stands for its
tokens and all before them; with EAGLE for the token behind them too, which its KV depends on. As long as nobody can
find anything (`apart.py`) only the numbers of blocks are kept, which decide the same.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner, small
from silmark.serving.kernel.state import NONE, State
from silmark.serving.kernel.tokens import SEED, digest_of


@inner
def blocks_for(tokens: int, block: int) -> int:
    """Blocks that so many tokens take."""
    return (tokens + block - 1) // block


@inner
def unclaimed(state: State, replica: int) -> int:
    """Free blocks less those that running requests take beside the blocks of their tokens."""
    engine = state.engines[replica]
    return int(engine["free"] - engine["running"] * state.settings[engine["kind"]]["aside"])


@inner
def entry_of(state: State, replica: int, digest: np.uint64) -> int:
    """Where the table of digests has a digest, or the free entry where it would stand."""
    engine = state.engines[replica]
    mask = state.settings[engine["kind"]]["entries"] - 1
    place = np.int64(digest >> np.uint64(7)) & mask
    while True:
        entry = engine["first_entry"] + place
        block = state.entries[entry]
        if block == NONE or state.blocks[block]["digest"] == digest:
            return int(entry)
        place = (place + 1) & mask


@inner
def insert(state: State, replica: int, block: int, digest: np.uint64) -> None:
    """Makes a full block known under its digest, behind others that hold the same."""
    entry = entry_of(state, replica, digest)
    state.blocks[block]["digest"] = digest
    state.blocks[block]["twin"] = NONE
    other = state.entries[entry]
    if other == NONE:
        state.entries[entry] = block
        return
    while state.blocks[other]["twin"] != NONE:
        other = state.blocks[other]["twin"]
    state.blocks[other]["twin"] = block


@inner
def forget(state: State, replica: int, block: int) -> None:
    """Takes a block out of the prefix cache, since it is handed out again."""
    digest = state.blocks[block]["digest"]
    if digest > 0:
        entry = entry_of(state, replica, digest)
        other = state.entries[entry]
        if other != block:
            while state.blocks[other]["twin"] != block:
                other = state.blocks[other]["twin"]
            state.blocks[other]["twin"] = state.blocks[block]["twin"]
        elif state.blocks[block]["twin"] != NONE:
            state.entries[entry] = state.blocks[block]["twin"]
        else:
            _close_gap(state, replica, entry)
    state.blocks[block]["digest"] = np.uint64(0)


@inner
def _close_gap(state: State, replica: int, entry: int) -> None:
    """Empties an entry and moves those after it up, so that linear probing finds them (Knuth 6.4, algorithm R)."""
    engine = state.engines[replica]
    first = engine["first_entry"]
    mask = state.settings[engine["kind"]]["entries"] - 1
    gap = entry - first
    place = gap
    while True:
        state.entries[first + gap] = NONE
        while True:
            place = (place + 1) & mask
            block = state.entries[first + place]
            if block == NONE:
                return
            home = np.int64(state.blocks[block]["digest"] >> np.uint64(7)) & mask
            if ((place - home) & mask) >= ((place - gap) & mask):
                break
        state.entries[first + gap] = block
        gap = place


@inner
def unlink(state: State, replica: int, block: int) -> None:
    """Takes a block out of the free list."""
    engine, blocks = state.engines[replica], state.blocks
    before, after = blocks[block]["before"], blocks[block]["after"]
    if before == NONE:
        engine["head"] = after
    else:
        blocks[before]["after"] = after
    if after == NONE:
        engine["tail"] = before
    else:
        blocks[after]["before"] = before


@inner
def link(state: State, replica: int, block: int, before: int) -> None:
    """Puts a block into the free list behind another one; as the first if that is NONE."""
    engine, blocks = state.engines[replica], state.blocks
    after = engine["head"] if before == NONE else blocks[before]["after"]
    blocks[block]["before"] = before
    blocks[block]["after"] = after
    if before == NONE:
        engine["head"] = block
    else:
        blocks[before]["after"] = block
    if after == NONE:
        engine["tail"] = block
    else:
        blocks[after]["before"] = block


@inner
def to_tail(state: State, replica: int, block: int) -> None:
    """Makes a block the last to be handed out again."""
    link(state, replica, block, state.engines[replica]["tail"])


@inner
def find_prefix(state: State, replica: int, request: int) -> int:
    """Cached blocks that a request's tokens start with, written to `hits`; its last token is always computed."""
    one = state.live[request]
    settings = state.settings[state.engines[replica]["kind"]]
    if not settings["apart"]:
        return 0
    most = (one["prompt"] + one["done"] - 1) // settings["block"]
    digest, index, begin = SEED, 0, 0
    for found in range(most):
        digest, index, begin = digest_of(state, request, digest, found * settings["block"], index, begin)
        block = state.entries[entry_of(state, replica, digest)]
        if block == NONE:
            return found
        state.hits[found] = block
    return int(most)


@inner
def idle_hits(state: State, hits: int) -> int:
    """How many of the first `hits` found blocks stand in the free list: using them takes them from there."""
    count = 0
    for i in range(hits):
        if state.blocks[state.hits[i]]["refs"] == 0:
            count += 1
    return count


@inner
def adopt(state: State, replica: int, request: int, hits: int) -> None:
    """Starts a request's block table with blocks found in the prefix cache."""
    one, engine = state.live[request], state.engines[replica]
    for i in range(hits):
        block = state.hits[i]
        if state.blocks[block]["refs"] == 0:
            unlink(state, replica, block)
            engine["free"] -= 1
            state.totals[0]["free_blocks"] -= 1
        state.blocks[block]["refs"] += 1
        state.tables[one["table"] + i] = block
    one["held"] = hits
    one["hashed"] = hits


@inner
def extend(state: State, replica: int, request: int, count: int) -> None:
    """Hands a request so many more blocks; the caller has checked that they are there."""
    one, engine = state.live[request], state.engines[replica]
    engine["free"] -= count
    state.totals[0]["free_blocks"] -= count
    if not state.settings[engine["kind"]]["apart"]:
        one["held"] += count
        return
    for _ in range(count):
        block = engine["head"]
        unlink(state, replica, block)
        forget(state, replica, block)
        state.blocks[block]["refs"] = 1
        state.tables[one["table"] + one["held"]] = block
        one["held"] += 1


@small
def cache_full(state: State, replica: int, request: int, tokens: int) -> None:
    """Makes the full blocks among a request's first `tokens` tokens known to the prefix cache."""
    one = state.live[request]
    settings = state.settings[state.engines[replica]["kind"]]
    if not settings["digests"]:
        return
    if settings["behind"] > 0:
        tokens = min(tokens, one["prompt"] + one["done"] - settings["behind"])
    if not settings["apart"]:
        one["known"] = tokens
    elif tokens >= (one["hashed"] + 1) * settings["block"]:
        make_known(state, replica, request, tokens // settings["block"])


@inner
def make_known(state: State, replica: int, request: int, full: int) -> None:
    """Gives the first `full` blocks of a request their digests, beyond those that have one already."""
    one = state.live[request]
    block = state.settings[state.engines[replica]["kind"]]["block"]
    digest, index, begin = SEED, 0, 0
    if one["hashed"] > 0:
        digest = state.blocks[state.tables[one["table"] + one["hashed"] - 1]]["digest"]
    for i in range(one["hashed"], full):
        digest, index, begin = digest_of(state, request, digest, i * block, index, begin)
        held = state.tables[one["table"] + i]
        if state.blocks[held]["digest"] == 0:
            insert(state, replica, held, digest)
    one["hashed"] = full


@inner
def release(state: State, replica: int, request: int) -> None:
    """Returns all blocks of a request."""
    one, engine = state.live[request], state.engines[replica]
    held = one["held"]
    engine["stuck"] = 0
    if state.settings[engine["kind"]]["apart"]:
        held = 0
        for i in range(one["held"] - 1, -1, -1):
            block = state.tables[one["table"] + i]
            state.blocks[block]["refs"] -= 1
            if state.blocks[block]["refs"] == 0 and state.blocks[block]["digest"] != 0:
                to_tail(state, replica, block)
                held += 1
        for i in range(one["held"]):
            block = state.tables[one["table"] + i]
            if state.blocks[block]["refs"] == 0 and state.blocks[block]["digest"] == 0:
                link(state, replica, block, NONE)
                held += 1
    engine["free"] += held
    state.totals[0]["free_blocks"] += held
    one["held"] = 0
    one["hashed"] = 0


@inner
def clear(state: State, replica: int) -> None:
    """All blocks free, in their order, and none of them known."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    first = engine["first_block"]
    last = first + settings["usable"] - 1
    for block in range(first, last + 1):
        one = state.blocks[block]
        one["digest"] = np.uint64(0)
        one["refs"] = 0
        one["twin"] = NONE
        one["order"] = 0
        one["ready"] = 0
        one["before"] = block - 1 if block > first else NONE
        one["after"] = block + 1 if block < last else NONE
    engine["head"] = first
    engine["tail"] = last
    for entry in range(engine["first_entry"], engine["first_entry"] + settings["entries"]):
        state.entries[entry] = NONE
