"""Which tokens a request has: runs of ids that count up. Equal ids are equal tokens, whoever has them.

Digests stand for tokens in the caches of all engines.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.state import NONE, State

_OWN = 30
"""Bits of an id that nobody else holds: its place in the request. Such ids are negative, those of traces are not."""
SEED = np.uint64(0x243F6A8885A308D3)
FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_LEAST = np.uint64(1)


@inner
def piece(state: State, request: int, index: int, begin: int) -> tuple[int, int]:
    """One run of a request's tokens: its first id and its length.

    Args:
        index: number of the run; prompts' runs come first, then the answer.
        begin: tokens before it.
    """
    one = state.live[request]
    alone = -((one["name"] + 1) << _OWN) + begin
    if begin >= one["prompt"] and index >= one["segments"]:
        made = one["made"]
        return alone if made == NONE else made + begin - one["prompt"], one["output"] + 1
    if index >= one["segments"]:
        return alone, one["prompt"] - begin
    run = state.segments[one["segment"] + index]
    return run["start"], min(run["length"], one["prompt"] - begin)


@inner
def mix(digest: np.uint64, token: int) -> np.uint64:
    """A digest with one more number in it."""
    mixed = (digest ^ np.uint64(token)) * FACTOR
    return np.uint64(mixed ^ (mixed >> _SHIFT))


@inner
def digest_of(
    state: State, request: int, parent: np.uint64, first: int, index: int, begin: int
) -> tuple[np.uint64, int, int]:
    """Digest of the block whose first token is `first`, and the run (and the tokens before it) where the next starts.

    Args:
        parent: digest of the block before; `SEED` for the first.
        index, begin: a run at or before the block, as in `piece`.
    """
    one, repeats = state.live[request], state.totals[0]["made_step"] == 0
    settings = state.settings[state.engines[one["replica"]]["kind"]]
    digest, token, following = parent, first, first + settings["block"]
    end = following + settings["behind"]
    start, length, next_index, next_begin = 0, 0, index, begin
    while token < end:
        id_, size = piece(state, request, index, begin)
        if token >= begin + size:
            index, begin = index + 1, begin + size
            if begin <= following:
                next_index, next_begin = index, begin
            continue
        id_, until = id_ + token - begin, min(begin + size, end)
        if repeats and token >= one["prompt"] and one["made"] != NONE:
            id_, until = one["made"], token + 1
        if id_ != start + length or length == 0:  # ids that count up are one piece, however they are cut into runs
            digest = mix(mix(digest, start), length)
            start, length = id_, 0
        length += until - token
        token = until
    return max(mix(mix(digest, start), length), _LEAST), next_index, next_begin
