"""SGLang's scheduler (0.5.23, srt/managers/{scheduler,schedule_policy,schedule_batch}.py), decision by decision.

A step is either a prefill or a decode, and prefill comes first: as long as the queue's head fits, running requests wait
(unless chunks are mixed with decodes). A request fits if all that it may come to is free besides what the running ones
are expected to still take, which is a share of what they may take that shrinks while nothing goes wrong. If a decode
finds no room after all, the requests with the fewest tokens made are retracted, and wait again behind all others.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.batch import newest
from silmark.serving.kernel.blocks import blocks_for
from silmark.serving.kernel.prefixes import LONGEST_ESTIMATE, checkpoint, may_make, order_queue
from silmark.serving.kernel.queue import pop
from silmark.serving.kernel.radix import lock, make_room, match, unlock
from silmark.serving.kernel.radix_nodes import forget_ended
from silmark.serving.kernel.state import NONE, RUNNING, State
from silmark.serving.policies.sglang_decode import (
    add_decoders,
    decode,
    finishing,
    first_ratio,
    join,
    new_token_ratio,
    room_to_decode,
    take,
)
from silmark.serving.policies.sglang_fetch import decode_only, stays_apart

_OTHER, _NO_TOKEN = 0, -1
"""Why a request is not admitted: this step has no tokens left, or the pool has none."""


@inner
def schedule(state: State, replica: int, _: int) -> int:
    """Decides one step: writes its members, hands out pages. Returns how many requests take part."""
    engine = state.engines[replica]
    if state.settings[engine["kind"]]["fetches"]:
        size = decode_only(state, replica)
        _advance(state, replica, size)
        return int(size)
    if engine["running"] == 0 and engine["waiting"] == 0:
        engine["ratio"] = first_ratio(state, replica)
        engine["ratio_steps"] = 0
        return 0
    if engine["chunked"] != NONE:
        checkpoint(state, replica, engine["chunked"], state.live[engine["chunked"]]["computed"])
        engine["full"] = 0
    if engine["last_prefill"] == 1 and engine["merged"] == 0:
        engine["full"] = 0
    engine["last_prefill"] = 0
    size = _prefill(state, replica)
    if size > 0:
        engine["last_prefill"] = 1
    else:
        size = decode(state, replica)
    _advance(state, replica, size)
    return int(size)


@inner
def _prefill(state: State, replica: int) -> int:
    """Takes requests from the queue for a prefill. Returns members; none if it is time to decode."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    deciders = engine["running"] - (1 if engine["chunked"] != NONE else 0)
    engine["merged"] = deciders
    if deciders == 0:
        engine["full"] = 0
    if engine["chunked"] == NONE:
        if engine["full"] == 1 or engine["waiting"] == 0:
            return 0
        if engine["running"] >= settings["seqs"]:
            engine["full"] = 1
            return 0
    order_queue(state, replica)
    size = _admit(state, replica, deciders)
    if size == 0:
        return 0
    page, tokens = settings["block"], 0
    members = state.members[replica, newest(state, replica)]
    for i in range(size):
        tokens += members[i]["tokens"]
    make_room(state, replica, tokens if page == 1 else blocks_for(tokens + size * page, page))
    for i in range(size):
        take(state, replica, members[i]["live"], members[i]["tokens"])
    if settings["mixed"] and deciders > 0:
        size = _mix_in(state, replica, size, deciders)
    return int(size)


@inner
def _admit(state: State, replica: int, deciders: int) -> int:
    """Goes through the queue until something runs out. Returns members of the prefill."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    page, place = settings["block"], newest(state, replica)
    mixed = deciders if settings["mixed"] else 0
    later, now = _expected(state, replica) + mixed, mixed  # tokens spoken for: in all, and in this step
    chunk, step = settings["tokens"] - mixed, settings["prefill_tokens"] - mixed
    size = 0
    if engine["chunked"] != NONE:
        new, more = _go_on(state, replica, place, chunk, later)
        paged = blocks_for(new, page) * page
        size, later, now, chunk, step = 1, later + paged + page + more, now + paged + page, chunk - paged, step - paged
    while engine["waiting"] > 0:
        if not _spent(engine, page, later, now) and (step <= 0 or (settings["chunked"] and chunk <= 0)):
            break
        if engine["running"] >= settings["seqs"]:
            engine["full"] = 1
            break
        new, more = _try_head(state, replica, place, size, later, chunk, step)
        if new <= 0:
            if new == _NO_TOKEN:
                engine["full"] = 1 if size > 0 or deciders > 0 else 0
            break
        paged = blocks_for(new, page) * page
        size, later, now, chunk, step = (
            size + 1,
            later + paged + page + more,
            now + paged + page,
            chunk - paged,
            step - paged,
        )
        if _spent(engine, page, later, now):
            engine["full"] = 1
            break
        if step <= 0 or (settings["chunked"] and chunk <= 0):
            break
    return size


@inner
def _spent(engine: np.void, page: int, later: float, now: int) -> bool:
    """Whether no page is left besides what is spoken for."""
    return bool(engine["free"] * page - later <= 0 or engine["free"] * page - now <= 0)


@inner
def _expected(state: State, replica: int) -> float:
    """Tokens that running requests are expected to still make."""
    engine, ratio, tokens = state.engines[replica], new_token_ratio(state, replica), 0.0
    for i in range(engine["running"]):
        request = state.running[replica, i]
        if request != engine["chunked"]:
            left = min(may_make(state, replica, request) - state.live[request]["done"], LONGEST_ESTIMATE)
            tokens += left * ratio
    return tokens


@inner
def _go_on(state: State, replica: int, place: int, chunk: int, later: float) -> tuple[int, int]:
    """Goes on with the prompt that is under way. Returns its tokens in this step, and those that it may make then."""
    engine = state.engines[replica]
    request = engine["chunked"]
    one = state.live[request]
    left = one["prompt"] + one["done"] - one["computed"]
    room = min(chunk, int(engine["free"] * state.settings[engine["kind"]]["block"] - later))
    new = min(left, room if room > 0 else chunk)
    join(state, replica, place, 0, request, new, new == left)
    if new < left:
        return int(new), 0
    engine["chunked"] = NONE
    return int(new), min(may_make(state, replica, request), LONGEST_ESTIMATE)


@inner
def _try_head(
    state: State, replica: int, place: int, size: int, later: float, chunk: int, step: int
) -> tuple[int, int]:
    """Admits the head of the queue if it fits.

    Returns:
        Its tokens in this step, or why not, and the tokens that it may make after its prompt.
    """
    engine = state.engines[replica]
    request = engine["root"]
    one = state.live[request]
    whole = one["prompt"] + one["done"]
    node, found = engine["first_node"], 0
    if state.settings[engine["kind"]]["caching"]:
        node, found = match(state, replica, request, whole - 1)
    lock(state, replica, node)
    new = _fits(state, replica, request, found, later, chunk, step, size)
    if new <= 0:
        unlock(state, replica, node)
        return new, 0
    _start(state, replica, request, node, found)
    join(state, replica, place, size, request, new, found + new == whole)
    if found + new < whole:
        engine["chunked"] = request
        return new, 0
    return new, min(may_make(state, replica, request), LONGEST_ESTIMATE)


@inner
def _fits(state: State, replica: int, request: int, found: int, later: float, chunk: int, step: int, size: int) -> int:
    """With how many tokens the queue's head is admitted, its prefix being locked, or why it is not."""
    engine, one = state.engines[replica], state.live[request]
    settings = state.settings[engine["kind"]]
    page = settings["block"]
    more = min(max(may_make(state, replica, request) - one["done"], 0), LONGEST_ESTIMATE)
    new = one["prompt"] + one["done"] - found
    if new + more + page >= engine["free"] * page - later:
        return _NO_TOKEN
    paged = blocks_for(new, page) * page
    if not settings["chunked"]:
        return _OTHER if size > 0 and paged >= step else int(new)
    if paged > chunk:
        new = (found + chunk // page * page) // page * page - found
    return int(max(new, _OTHER))


@inner
def _start(state: State, replica: int, request: int, node: int, found: int) -> None:
    """Takes a request out of the queue, on top of the prefix that was found for it."""
    engine, one = state.engines[replica], state.live[request]
    pop(state, replica)
    one["node"] = node
    one["computed"] = found
    one["hashed"] = found // state.settings[engine["kind"]]["block"]
    one["held"] = one["hashed"]
    if one["scheduled_ns"] == NONE:
        one["scheduled_ns"] = state.totals[0]["now"]
        one["cached"] = found
    one["status"] = RUNNING
    state.running[replica, engine["running"]] = request
    engine["running"] += 1
    state.totals[0]["running"] += 1


@inner
def _mix_in(state: State, replica: int, size: int, deciders: int) -> int:
    """Lets running requests decode in the step of a prefill if there is room. Returns members."""
    engine = state.engines[replica]
    place, news = newest(state, replica), engine["running"] - deciders
    old = 0  # a chunk that goes on stands among the running, behind those that decode
    while old < engine["running"] and state.running[replica, old] != state.members[replica, place, 0]["live"]:
        old += 1
    ending = 0
    for i in range(old):
        if finishing(state, state.running[replica, i]):
            ending += 1
    if ending > 0:
        engine["full"] = 0
    engine["merged"] = old - ending
    if ending == old or not room_to_decode(state, replica, engine["running"] - old):
        return size
    total = add_decoders(state, replica, size, old)
    engine["merged"] = 0
    _reorder(state, replica, place, total, news)
    return total


@inner
def _reorder(state: State, replica: int, place: int, total: int, news: int) -> None:
    """Puts the running in the order of a mixed step: those that end, its members, a prompt that goes on."""
    engine, kept = state.engines[replica], 0
    for i in range(engine["running"] - news):
        request = state.running[replica, i]
        if finishing(state, request):
            state.running[replica, kept] = request
            kept += 1
    for i in range(total):
        request = state.members[replica, place, i]["live"]
        if request != engine["chunked"]:
            state.running[replica, kept] = request
            kept += 1
    if engine["chunked"] != NONE:
        state.running[replica, kept] = engine["chunked"]


@inner
def _advance(state: State, replica: int, size: int) -> None:
    """Counts the tokens of the step as computed, so that the next step can be scheduled at once."""
    settings = state.settings[state.engines[replica]["kind"]]
    members = state.members[replica, newest(state, replica)]
    for i in range(size):
        member = members[i]
        one = state.live[member["live"]]
        one["computed"] += member["tokens"]
        one["flying"] += member["tokens"]
        if member["makes"] == 1 and settings["lookahead"]:
            one["placeholders"] += 1


@inner
def admits_later(state: State, replica: int, _: int) -> bool:
    """Whether nothing is prefilled while running requests only decode: nobody waits, or the batch counts as full."""
    engine = state.engines[replica]
    if state.settings[engine["kind"]]["fetches"]:
        return bool(stays_apart(state, replica))
    if engine["last_prefill"] == 1 or engine["chunked"] != NONE:
        return False
    return bool(engine["waiting"] == 0 or engine["full"] == 1)


@inner
def ran(state: State, replica: int, steps: int) -> None:
    """Does what single decode steps of a run would have done besides: the ratio shrinks, the cache makes room."""
    engine = state.engines[replica]
    page, begun = state.settings[engine["kind"]]["block"], 0
    forget_ended(engine)
    engine["ratio_steps"] += steps
    for i in range(engine["running"]):
        if (state.live[state.running[replica, i]]["computed"] - 1) % page == 0:
            begun += 1
    make_room(state, replica, engine["running"] - begun)
