"""KV blocks of one engine: the free list, the prefix cache, and the block tables of requests.

The rules are vLLM's (v1/core/block_pool.py, kv_cache_manager.py; 0.33.0): blocks are handed out from the head of the
free list and lose their digest only then; a request's blocks return in reverse order, those with a digest to the tail
(the least recently used go first), those without to the head. Digests are chained: a block's digest stands for its
tokens and all before them; with EAGLE for the token behind them too, which its KV depends on. Where nobody shares
anything (`SETTINGS.shared` is false) only the number of free blocks is kept, which decides the same.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.state import NONE, State

UNIQUE = np.uint64(1)
"""Digest of a full block that nobody else will hold: it ages with the cached ones, and is never looked up."""
SEED = np.uint64(0x243F6A8885A308D3)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_LEAST = np.uint64(2)


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
def _mix(digest: np.uint64, token: int) -> np.uint64:
    mixed = (digest ^ np.uint64(token)) * _FACTOR
    return np.uint64(mixed ^ (mixed >> _SHIFT))


@inner
def digest_of(
    state: State, request: int, parent: np.uint64, first: int, segment: int, start: int
) -> tuple[np.uint64, int, int]:
    """Digest of the block whose first token is `first`, and the segment (and its first token) where the next starts.

    Args:
        parent: digest of the block before; `SEED` for the first.
        segment, start: a segment at or before the block, counted from the request's first, and its first token.
    """
    one, step = state.live[request], state.totals[0]["made_step"]
    settings = state.settings[state.engines[one["replica"]]["kind"]]
    if parent == UNIQUE:
        return UNIQUE, segment, start
    digest, token, following = parent, first, first + settings["block"]
    end = following + settings["behind"]
    piece, length, next_segment, next_start = 0, 0, segment, start
    while token < end:
        if token >= one["prompt"]:
            if one["made"] == NONE:
                return UNIQUE, segment, start
            id_, until = one["made"] + (token - one["prompt"]) * step, end if step == 1 else token + 1
        else:
            if segment >= one["segments"]:
                return UNIQUE, segment, start
            run = state.segments[one["segment"] + segment]
            until = min(start + run["length"], end, one["prompt"])
            if token >= until:
                start += run["length"]
                segment += 1
                if start <= following:
                    next_segment, next_start = segment, start
                continue
            id_ = run["start"] + token - start
        if id_ != piece + length or length == 0:  # ids that count up are one piece, however the prompt is cut into runs
            digest = _mix(_mix(digest, piece), length)
            piece, length = id_, 0
        length += until - token
        token = until
    return max(_mix(_mix(digest, piece), length), _LEAST), next_segment, next_start


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
    if digest > UNIQUE:
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
def _to_head(state: State, replica: int, block: int) -> None:
    engine, blocks = state.engines[replica], state.blocks
    head = engine["head"]
    blocks[block]["before"] = NONE
    blocks[block]["after"] = head
    if head == NONE:
        engine["tail"] = block
    else:
        blocks[head]["before"] = block
    engine["head"] = block


@inner
def to_tail(state: State, replica: int, block: int) -> None:
    """Makes a block the last to be handed out again."""
    engine, blocks = state.engines[replica], state.blocks
    tail = engine["tail"]
    blocks[block]["before"] = tail
    blocks[block]["after"] = NONE
    if tail == NONE:
        engine["head"] = block
    else:
        blocks[tail]["after"] = block
    engine["tail"] = block


@inner
def find_prefix(state: State, replica: int, request: int) -> int:
    """Cached blocks that a request's tokens start with, written to `hits`; its last token is always computed."""
    one = state.live[request]
    settings = state.settings[state.engines[replica]["kind"]]
    if not settings["caching"] or not settings["shared"]:
        return 0
    most = (one["prompt"] + one["done"] - 1) // settings["block"]
    digest, segment, start = SEED, 0, 0
    for found in range(most):
        digest, segment, start = digest_of(state, request, digest, found * settings["block"], segment, start)
        if digest == UNIQUE:
            return found
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
    if not state.settings[engine["kind"]]["shared"]:
        one["held"] += count
        return
    for _ in range(count):
        block = engine["head"]
        unlink(state, replica, block)
        forget(state, replica, block)
        state.blocks[block]["refs"] = 1
        state.tables[one["table"] + one["held"]] = block
        one["held"] += 1


@inner
def cache_full(state: State, replica: int, request: int, tokens: int) -> None:
    """Makes the full blocks among a request's first `tokens` tokens known to the prefix cache."""
    one = state.live[request]
    settings = state.settings[state.engines[replica]["kind"]]
    if not settings["caching"] or not settings["shared"]:
        return
    if settings["behind"] > 0:
        tokens = min(tokens, one["prompt"] + one["done"] - settings["behind"])
    full = tokens // settings["block"]
    if one["hashed"] >= full:
        return
    digest, segment, start = SEED, 0, 0
    if one["hashed"] > 0:
        digest = state.blocks[state.tables[one["table"] + one["hashed"] - 1]]["digest"]
    for i in range(one["hashed"], full):
        digest, segment, start = digest_of(state, request, digest, i * settings["block"], segment, start)
        block = state.tables[one["table"] + i]
        if state.blocks[block]["digest"] == 0:
            if digest == UNIQUE:
                state.blocks[block]["digest"] = UNIQUE
            else:
                insert(state, replica, block, digest)
    one["hashed"] = full


@inner
def release(state: State, replica: int, request: int) -> None:
    """Returns all blocks of a request."""
    one, engine = state.live[request], state.engines[replica]
    held = one["held"]
    engine["stuck"] = 0
    if state.settings[engine["kind"]]["shared"]:
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
                _to_head(state, replica, block)
                held += 1
    engine["free"] += held
    state.totals[0]["free_blocks"] += held
    one["held"] = 0
    one["hashed"] = 0
