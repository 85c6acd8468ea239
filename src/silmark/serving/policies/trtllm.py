"""TensorRT-LLM's scheduler (1.4, _torch/pyexecutor/scheduler/scheduler.py, as in cpp/batch_manager), in its stages.

Capacity first (`trtllm_capacity.py`): who has blocks. Then the step: without chunks all take their tokens in turn, as
long as there are enough; with chunks decodes go first, and prompts share what is left: the first in line takes as much
as it can, or all advance evenly, in whole blocks unless they end. Requests stay in the order in which they came.
"""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.arenas import seat
from silmark.serving.kernel.batch import newest
from silmark.serving.kernel.blocks import adopt, blocks_for, cache_full, extend, find_prefix
from silmark.serving.kernel.state import NONE, RUNNING, STOPPED, State
from silmark.serving.policies.trtllm_capacity import decoding, fitting, wait_again


@inner
def schedule(state: State, replica: int, _: int) -> int:
    """Decides one step: writes its members, hands out blocks.

    Returns:
        How many requests take part; STOPPED if somebody must be paused and blocks are not told apart yet.
    """
    count = fitting(state, replica)
    if count == STOPPED:
        return STOPPED
    if state.settings[state.engines[replica]["kind"]]["chunked"]:
        _in_chunks(state, replica, count)
    else:
        _in_turn(state, replica, count)
    _start(state, replica, count)
    size = _write(state, replica, count)
    _advance(state, replica, size)
    return size


@inner
def _ending(state: State, request: int) -> bool:
    """Whether a step in flight makes a request's last token."""
    one = state.live[request]
    return bool(one["placeholders"] > 0 and one["done"] + one["placeholders"] >= one["output"])


@inner
def _left_of(state: State, request: int) -> tuple[int, int]:
    """What is left of a prompt, and how much of that is cached.

    A chunk of a prompt that starts is counted from the prompt's beginning, and moved behind what is cached when it
    runs: it costs its own length, or if it reaches the end then, what is not cached.
    """
    one = state.live[request]
    whole = int(one["prompt"] + one["done"])
    if one["status"] == RUNNING:
        return whole - int(one["computed"]), 0
    return whole, int(one["key"])


@inner
def _in_turn(state: State, replica: int, count: int) -> None:
    """Whole prompts: all take their tokens in turn, noted in `alone`; the first that finds too few ends the step."""
    left = state.settings[state.engines[replica]["kind"]]["tokens"]
    full = False
    for i in range(count):
        request = state.order[i]
        decodes, (rest, cached) = decoding(state, request), _left_of(state, request)
        cost = 1 if decodes else rest - cached
        state.live[request]["alone"] = 0
        if decodes and _ending(state, request):
            continue
        full = full or cost > left
        if not full:
            state.live[request]["alone"] = 1 if decodes else rest
            left -= cost


@inner
def _in_chunks(state: State, replica: int, count: int) -> None:
    """A token for each that decodes, then chunks of prompts; both noted in `alone`."""
    settings, live = state.settings[state.engines[replica]["kind"]], state.live
    left, cost = settings["tokens"], 0
    for i in range(count):
        request = state.order[i]
        live[request]["alone"] = 0
        if not decoding(state, request):
            rest, cached = _left_of(state, request)
            cost += rest - cached
        elif left > 0 and not _ending(state, request):
            live[request]["alone"] = 1
            left -= 1
    if cost <= left:
        for i in range(count):
            if not decoding(state, state.order[i]):
                live[state.order[i]]["alone"] = _left_of(state, state.order[i])[0]
    elif settings["equal_chunks"]:
        _share_out(state, replica, count, left)
    else:
        _hand_out(state, replica, count, left)


@inner
def _hand_out(state: State, replica: int, count: int, left: int) -> None:
    """First come, first served: each prompt gets what it can of the tokens left."""
    block = state.settings[state.engines[replica]["kind"]]["block"]
    for i in range(count):
        request = state.order[i]
        if decoding(state, request):
            continue
        rest, cached = _left_of(state, request)
        cost = rest - cached
        if cost > left:
            rest = cost = left // block * block
        state.live[request]["alone"] = rest
        left -= cost


@inner
def _share_out(state: State, replica: int, count: int, left: int) -> None:
    """Equal progress: the prompts get a block each in turn, as long as tokens are left."""
    live, settings = state.live, state.settings[state.engines[replica]["kind"]]
    given = 1
    while left > 0 and given > 0:
        given = 0
        for i in range(count):
            request = state.order[i]
            if decoding(state, request):
                continue
            one, (rest, cached) = live[request], _left_of(state, request)
            more = min(one["alone"] + settings["block"], rest)
            cost = _cost(more, rest, cached) - _cost(one["alone"], rest, cached)
            if cost <= left and more <= settings["tokens"]:
                given += more - one["alone"]
                one["alone"] = more
                left -= cost


@inner
def _cost(chunk: int, rest: int, cached: int) -> int:
    """Tokens that a step computes for a chunk of a prompt of which `rest` is left and so much of that cached."""
    return int(min(chunk, rest - cached))


@inner
def _start(state: State, replica: int, count: int) -> None:
    """Seats the waiting that got tokens, on top of what they find in the cache; the others wait again."""
    engine, aside, zero, stuck = state.engines[replica], NONE, True, state.engines[replica]["stuck"]
    for i in range(count):
        request = state.order[i]
        one = state.live[request]
        if decoding(state, request):
            continue
        if one["alone"] > 0:
            zero = False
            one["chunk"] = 0 if one["alone"] == _left_of(state, request)[0] else 1
            if one["status"] != RUNNING:
                _seat(state, replica, request)
        elif one["status"] != RUNNING:
            one["left"] = aside
            aside = request
    if aside != NONE:  # decodes leave no tokens, and will not while they are the same; prompts may end
        stuck = 1 if zero else 0
    wait_again(state, replica, aside, stuck)
    engine["stuck"] = stuck


@inner
def _seat(state: State, replica: int, request: int) -> None:
    """Makes a waiting request, which has left the queue, a running one that holds what was found for it."""
    one, engine, totals = state.live[request], state.engines[replica], state.totals[0]
    hits = find_prefix(state, replica, request)
    seat(state, request)
    adopt(state, replica, request, hits)
    one["computed"] = hits * state.settings[engine["kind"]]["block"]
    one["key"] = one["prompt"] + one["done"]
    if one["scheduled_ns"] == NONE:
        one["scheduled_ns"] = totals["now"]
        one["cached"] = one["computed"]
    one["status"] = RUNNING
    at = engine["running"]
    while at > 0 and state.live[state.running[replica, at - 1]]["rank"] > one["rank"]:
        state.running[replica, at] = state.running[replica, at - 1]
        at -= 1
    state.running[replica, at] = request
    engine["running"] += 1
    totals["running"] += 1


@inner
def _write(state: State, replica: int, count: int) -> int:
    """Writes the members of the step, and hands out their blocks: prompts that go on, those that end, decodes.

    Returns:
        How many they are.
    """
    block, size = state.settings[state.engines[replica]["kind"]]["block"], 0
    for goes_on in (1, 0):
        for i in range(count):
            request = state.order[i]
            one = state.live[request]
            if one["status"] != RUNNING or decoding(state, request) or one["alone"] <= 0 or one["chunk"] != goes_on:
                continue
            extend(state, replica, request, blocks_for(one["key"], block) - one["held"])
            _join(state, replica, size, request, min(one["alone"], one["key"] - one["computed"]))
            size += 1
    for i in range(count):
        request = state.order[i]
        one = state.live[request]
        if decoding(state, request) and one["alone"] > 0:
            extend(state, replica, request, blocks_for(one["computed"] + 1, block) - one["held"])
            _join(state, replica, size, request, 1)
            size += 1
    return size


@inner
def _join(state: State, replica: int, size: int, request: int, tokens: int) -> None:
    """Writes a member of the step, and makes known the blocks that it fills."""
    one, member = state.live[request], state.members[replica, newest(state, replica), size]
    cache_full(state, replica, request, min(one["computed"] + tokens, one["prompt"] + one["done"]))
    member["live"] = request
    member["tokens"] = tokens
    member["drafts"] = 0
    member["prefill"] = 0


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
    """Whether the queue stays as it is while running requests decode: empty, no seat, no blocks or no tokens.

    Whoever waits before one that runs has that one paused when blocks run out.
    """
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    if engine["waiting"] == 0 or engine["running"] >= settings["seqs"]:
        return True
    if engine["stuck"] == 0 or settings["apart"]:
        return False
    last = state.running[replica, engine["running"] - 1]
    return bool(not settings["evicts"] or state.live[engine["root"]]["rank"] > state.live[last]["rank"])
