"""TensorRT-LLM's scheduler (1.4, _torch/pyexecutor/scheduler/scheduler.py, as in cpp/batch_manager), in its stages.

Capacity first: requests in the order in which they came, as long as there are blocks. Without eviction a request starts
only if all it may come to is free besides what the running ones may still take, so that nobody is ever paused; for the
highest utilisation it starts on what one step takes, and the latest started is paused when blocks run out; a static
batch starts when nobody decodes. Then the step: decodes take their tokens, prompts what is left of them, the first in
line as much as it can (or all evenly), in whole blocks unless they end.
"""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.arenas import seat
from silmark.serving.kernel.batch import newest
from silmark.serving.kernel.blocks import adopt, blocks_for, cache_full, extend, find_prefix, idle_hits
from silmark.serving.kernel.prefixes import shared_tokens
from silmark.serving.kernel.queue import pop, push
from silmark.serving.kernel.requests import preempt
from silmark.serving.kernel.state import NONE, RUNNING, STOPPED, State


@inner
def schedule(state: State, replica: int, _: int) -> int:
    """Decides one step: writes its members, hands out blocks.

    Returns:
        How many requests take part; STOPPED if somebody must be paused and blocks are not told apart yet.
    """
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    paused = 0
    if settings["evicts"]:
        paused = _pause(state, replica)
    if paused == STOPPED:
        return STOPPED
    size = _decodes(state, replica)
    old = _prompts_under_way(state, replica, size)
    count = old
    if paused == 0:
        count = _candidates(state, replica, size, old)
    left = settings["tokens"] - size
    if settings["chunked"] and settings["equal_chunks"]:
        _share_out(state, replica, count, left)
    else:
        _hand_out(state, replica, count, left)
    size = _start(state, replica, size, old, count)
    _advance(state, replica, size)
    return int(size)


@inner
def _may_come_to(state: State, replica: int, request: int) -> int:
    """Blocks that a request may come to hold."""
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    answer = min(max(one["output"], settings["stated"]), settings["length"] - one["prompt"])
    return int(blocks_for(one["prompt"] + answer, settings["block"]))


@inner
def _decoding(state: State, request: int) -> bool:
    """Whether a running request's prompt is done; `key` holds the tokens that it started with."""
    return bool(state.live[request]["computed"] >= state.live[request]["key"])


@inner
def _ending(state: State, request: int) -> bool:
    """Whether a step in flight makes a request's last token."""
    one = state.live[request]
    return bool(one["placeholders"] > 0 and one["done"] + one["placeholders"] >= one["output"])


@inner
def _pause(state: State, replica: int) -> int:
    """Pauses the latest started until the others can go on by a token. Returns how many were paused, or STOPPED."""
    engine, live = state.engines[replica], state.live
    settings = state.settings[engine["kind"]]
    block, paused, index, need = settings["block"], 0, 0, 0
    while index < engine["running"]:
        request = state.running[replica, index]
        more = 0
        if _decoding(state, request) and not _ending(state, request):
            more = blocks_for(live[request]["computed"] + 1, block) - live[request]["held"]
        if need + more <= engine["free"]:
            need += more
            index += 1
            continue
        if settings["digests"] and not settings["apart"]:
            return STOPPED
        engine["running"] -= 1
        preempt(state, replica, state.running[replica, engine["running"]])
        paused += 1
    return paused


@inner
def _decodes(state: State, replica: int) -> int:
    """Adds those that decode to the step. Returns members."""
    engine = state.engines[replica]
    settings, place, size = state.settings[engine["kind"]], newest(state, replica), 0
    for i in range(engine["running"]):
        request = state.running[replica, i]
        if size == settings["tokens"]:
            break
        if not _decoding(state, request) or _ending(state, request):
            continue
        one = state.live[request]
        if blocks_for(one["computed"] + 1, settings["block"]) > one["held"]:
            extend(state, replica, request, 1)
        _join(state, replica, place, size, request, 1)
        size += 1
    return size


@inner
def _join(state: State, replica: int, place: int, size: int, request: int, tokens: int) -> None:
    """Writes a member of the step, and makes known the blocks that it fills."""
    one, member = state.live[request], state.members[replica, place, size]
    cache_full(state, replica, request, min(one["computed"] + tokens, one["prompt"] + one["done"]))
    member["live"] = request
    member["tokens"] = tokens
    member["drafts"] = 0
    member["prefill"] = 0


@inner
def _prompts_under_way(state: State, replica: int, size: int) -> int:
    """Lists the running requests whose prompts are not done, in `order`. Returns how many."""
    engine, count = state.engines[replica], 0
    for i in range(engine["running"]):
        request = state.running[replica, i]
        if not _decoding(state, request) and size + count < state.settings[engine["kind"]]["seqs"]:
            state.order[count] = request
            count += 1
    return count


@inner
def _candidates(state: State, replica: int, size: int, old: int) -> int:
    """Adds to `order` the waiting that there are blocks for, which leave the queue. Returns how many are listed."""
    engine, live = state.engines[replica], state.live
    settings, count, skipped = state.settings[engine["kind"]], old, NONE
    engine["stuck"] = 0
    free = engine["free"]
    if not settings["evicts"]:
        for i in range(engine["running"]):
            request = state.running[replica, i]
            free -= _may_come_to(state, replica, request) - live[request]["held"]
    while engine["waiting"] > 0 and engine["running"] + count - old < settings["seqs"]:
        if settings["waits"] and size > 0:
            engine["stuck"] = 1
            break
        request = engine["root"]
        one = live[request]
        if one["stale"] > 0:
            pop(state, replica)
            one["left"] = skipped
            skipped = request
            continue
        hits = find_prefix(state, replica, request)
        if settings["apart"] and _waits_for_another(state, request, count, hits * settings["block"]):
            pop(state, replica)
            one["left"] = skipped
            skipped = request
            continue
        if settings["evicts"]:
            need = blocks_for(one["prompt"] + one["done"], settings["block"])
        else:
            need = _may_come_to(state, replica, request)
        need -= hits - idle_hits(state, hits)
        if need > free:
            engine["stuck"] = 1
            break
        free -= need
        pop(state, replica)
        state.order[count] = request
        count += 1
    while skipped != NONE:
        request = skipped
        skipped = live[request]["left"]
        stuck = engine["stuck"]
        push(state, replica, request)
        engine["stuck"] = stuck
    return count


@inner
def _waits_for_another(state: State, request: int, count: int, found: int) -> bool:
    """Whether the next block of a prompt is being computed for another one, so that waiting saves it."""
    block = state.settings[state.engines[state.live[request]["replica"]]["kind"]]["block"]
    for i in range(count):
        if shared_tokens(state, request, state.order[i]) >= found + block:
            return True
    return False


@inner
def _hand_out(state: State, replica: int, count: int, left: int) -> None:
    """First come, first served: each listed prompt gets what it can of the tokens left, noted in `alone`."""
    settings = state.settings[state.engines[replica]["kind"]]
    for i in range(count):
        request = state.order[i]
        one = state.live[request]
        past = _past(state, replica, request)
        want = one["prompt"] + one["done"] - past
        if want > left:
            if not settings["chunked"]:
                for j in range(i, count):
                    state.live[state.order[j]]["alone"] = 0
                return
            want = min(want, left // settings["block"] * settings["block"])
        one["alone"] = want
        left -= want


@inner
def _past(state: State, replica: int, request: int) -> int:
    """Tokens of a listed prompt that need not be computed."""
    one = state.live[request]
    if one["status"] == RUNNING:
        return int(one["computed"])
    return int(find_prefix(state, replica, request) * state.settings[state.engines[replica]["kind"]]["block"])


@inner
def _share_out(state: State, replica: int, count: int, left: int) -> None:
    """Equal progress: the listed prompts get a block each in turn, as long as tokens are left."""
    live, block = state.live, state.settings[state.engines[replica]["kind"]]["block"]
    for i in range(count):
        live[state.order[i]]["alone"] = 0
    given = 1
    while left > 0 and given > 0:
        given = 0
        for i in range(count):
            one = live[state.order[i]]
            want = one["prompt"] + one["done"] - _past(state, replica, state.order[i])
            more = min(block, want - one["alone"])
            if more <= left:
                one["alone"] += more
                left -= more
                given += more


@inner
def _start(state: State, replica: int, size: int, old: int, count: int) -> int:
    """Adds the listed prompts that got tokens to the step; the others wait again. Returns members."""
    engine, place, aside = state.engines[replica], newest(state, replica), NONE
    stuck, decodes = engine["stuck"], size
    for i in range(count):
        request = state.order[i]
        one = state.live[request]
        if one["alone"] <= 0:
            if i >= old:
                one["left"] = aside
                aside = request
            continue
        tokens = one["alone"]
        if i >= old:
            _seat(state, replica, request)
            tokens = min(tokens, one["key"] - one["computed"])
        _join(state, replica, place, size, request, tokens)
        size += 1
    if aside != NONE:  # decodes leave no tokens, and will not while they are the same; prompts may end
        stuck = 1 if size == decodes else 0
    while aside != NONE:
        request = aside
        aside = state.live[request]["left"]
        push(state, replica, request)
    engine["stuck"] = stuck
    return size


@inner
def _seat(state: State, replica: int, request: int) -> None:
    """Makes a waiting request, which has left the queue, a running one with the blocks of its whole prompt."""
    one, engine, totals = state.live[request], state.engines[replica], state.totals[0]
    block = state.settings[engine["kind"]]["block"]
    hits = find_prefix(state, replica, request)
    seat(state, request)
    adopt(state, replica, request, hits)
    one["computed"] = hits * block
    one["key"] = one["prompt"] + one["done"]
    extend(state, replica, request, blocks_for(one["key"], block) - hits)
    if one["scheduled_ns"] == NONE:
        one["scheduled_ns"] = totals["now"]
        one["cached"] = one["computed"]
    one["status"] = RUNNING
    state.running[replica, engine["running"]] = request
    engine["running"] += 1
    totals["running"] += 1


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
        member["makes"] = 1 if one["computed"] >= one["key"] else 0
        if member["makes"] == 1 and settings["lookahead"]:
            one["placeholders"] += 1


@inner
def admits_later(state: State, replica: int, _: int) -> bool:
    """Whether the queue stays as it is while running requests decode: empty, no seat, no blocks or no tokens."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    if engine["waiting"] == 0 or engine["running"] >= settings["seqs"]:
        return True
    return bool(engine["stuck"] == 1 and not settings["apart"])
