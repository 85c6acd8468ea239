"""vLLM v1's scheduler (0.33.0, v1/core/sched/scheduler.py), decision by decision.

A step has no phases: every request gets tokens so that its computed tokens catch up with those it has. Running requests
come first, in the order of their admission; if blocks run out, the newest (or the one of lowest priority) gives its own
back and waits again. Only if nobody had to is the queue looked at, and only its head: if that does not fit, nobody
behind it is tried.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner, small
from silmark.serving.kernel.arenas import seat
from silmark.serving.kernel.batch import newest
from silmark.serving.kernel.blocks import adopt, blocks_for, cache_full, extend, find_prefix, idle_hits, unclaimed
from silmark.serving.kernel.fetch import begin, land, settle, wants
from silmark.serving.kernel.queue import pop, push
from silmark.serving.kernel.requests import preempt, stand_up
from silmark.serving.kernel.spill import spill
from silmark.serving.kernel.state import NONE, PREEMPTED, RUNNING, STOPPED, State
from silmark.serving.kernel.tier import LATER


@inner
def schedule(state: State, replica: int, _: int) -> int:
    """Decides one step: writes its members, hands out blocks.

    Returns:
        How many requests take part; STOPPED if somebody must be preempted and blocks are not told apart yet. What was
        handed out then is what the same requests are given when the step is decided anew.
    """
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    eligible = engine["running"] + engine["waiting"] + engine["loading"]
    threshold = settings["threshold"] if eligible > 1 else 0
    engine["calls"] += 1
    holds = _holds_prompts(state, replica)
    size, budget, preempted, prompts = _running(state, replica, threshold, holds)
    if preempted == STOPPED:
        engine["calls"] -= 1
        return STOPPED
    if preempted == 0:
        size, prompts = _waiting(state, replica, threshold, holds, size, budget, prompts)
        if not holds:
            engine["bound"] = 1 if engine["waiting"] > engine["skipped"] else 0
    if prompts:
        engine["prefill_step"] = engine["steps"] + (1 if size > 0 else 0)
    _advance(state, replica, size)
    spill(state, replica, size)
    return int(size)


@inner
def _holds_prompts(state: State, replica: int) -> bool:
    """Whether prompts are held back (prefill_schedule_interval): too soon, somebody decodes, and no queue builds up."""
    engine = state.engines[replica]
    interval = state.settings[engine["kind"]]["interval"]
    if interval <= 1 or engine["bound"] == 1 or engine["steps"] + 1 - engine["prefill_step"] >= interval:
        return False
    for i in range(engine["running"]):
        if state.live[state.running[replica, i]]["chunk"] == 0:
            return True
    return False


@inner
def _left(settings: np.void, size: int, budget: int) -> int:
    """Tokens that one more request may get: of those to give out, and of the batch, where drafters need places too."""
    return int(min(budget, settings["tokens"] - settings["scheduled"] + budget - settings["slots"] * (size + 1)))


@inner
def _running(state: State, replica: int, threshold: int, holds: bool) -> tuple[int, int, int, bool]:
    """Gives running requests their tokens.

    Returns:
        Members, tokens left, how many were preempted (or STOPPED), and whether some member has not computed its prompt
        yet.
    """
    engine, live = state.engines[replica], state.live
    settings, place = state.settings[engine["kind"]], newest(state, replica)
    members = state.members[replica, place]
    budget, size, preempted, index, prompts = int(settings["scheduled"]), 0, 0, 0, False
    while index < engine["running"]:
        left = _left(settings, size, budget)
        if left <= 0:
            break
        request = state.running[replica, index]
        one = live[request]
        waits = (holds and one["chunk"] == 1) or engine["calls"] < one["eligible"]
        new = 0 if waits else _wanted(one, settings, threshold, left)
        if new <= 0:
            index += 1
            continue
        lacks, fits = _lacks(one, settings, new), True
        while lacks > unclaimed(state, replica):
            victim_index = _victim(state, replica)
            victim = state.running[replica, victim_index]
            if settings["defers"] and live[victim]["flying"] > 0:  # its blocks would be free only later
                fits = False
                break
            if settings["digests"] and not settings["apart"]:
                return size, budget, STOPPED, prompts
            preempt(state, replica, stand_up(state, replica, victim_index))
            if victim_index < index:
                index -= 1
                size, budget = _refund(state, replica, victim, size, budget)
            preempted += 1
            if victim == request:
                fits = False
                break
        if not fits:
            if one["status"] == PREEMPTED and settings["priority"]:
                continue
            break
        _grant(state, replica, request, new, lacks)
        member = members[size]
        member["live"] = request
        member["tokens"] = new
        member["drafts"] = max(0, new + one["computed"] - one["prompt"] - one["done"] - one["placeholders"])
        prompts = prompts or one["chunk"] == 1
        size += 1
        budget -= new
        index += 1
    return size, budget, preempted, prompts


@inner
def _wanted(one: np.void, settings: np.void, threshold: int, budget: int) -> int:
    """Tokens that a running request may get now."""
    coming = one["placeholders"]
    if coming > 0 and one["computed"] + 2 - coming >= one["prompt"] + one["output"]:
        return 0  # the step in flight makes its last token
    new = one["prompt"] + one["done"] + one["drafts"] + coming - one["computed"]
    if 0 < threshold < new:
        new = threshold
    return int(min(new, budget, settings["length"] - one["computed"] - 1))


@inner
def _lacks(one: np.void, settings: np.void, new: int) -> int:
    """Blocks that so many more tokens of a request take besides those that it holds."""
    tokens = min(one["computed"] + new + settings["ahead"], settings["length"])
    if tokens <= one["held"] * settings["block"]:  # mostly: a division less
        return 0
    return int(blocks_for(tokens, settings["block"]) - one["held"])


@small
def _grant(state: State, replica: int, request: int, new: int, lacks: int) -> None:
    """Hands out the blocks that it lacks, and makes known those that the new tokens fill."""
    one = state.live[request]
    if lacks > 0:
        extend(state, replica, request, lacks)
    cache_full(state, replica, request, min(one["computed"] + new, one["prompt"] + one["done"]))


@inner
def _victim(state: State, replica: int) -> int:
    """Place in `running` of the request to preempt: the newest, or the last by priority and arrival."""
    engine, live = state.engines[replica], state.live
    if not state.settings[engine["kind"]]["priority"]:
        return int(engine["running"] - 1)
    worst = 0
    for i in range(1, engine["running"]):
        one, other = live[state.running[replica, i]], live[state.running[replica, worst]]
        if one["priority"] > other["priority"] or (
            one["priority"] == other["priority"] and one["arrival_ns"] > other["arrival_ns"]
        ):
            worst = i
    return worst


@inner
def _refund(state: State, replica: int, victim: int, size: int, budget: int) -> tuple[int, int]:
    """Takes a preempted request out of the step that is being scheduled."""
    members = state.members[replica, newest(state, replica)]
    for i in range(size):
        if members[i]["live"] == victim:
            budget += members[i]["tokens"]
            for j in range(i, size - 1):
                members[j] = members[j + 1]
            return size - 1, budget
    return size, budget


@inner
def _waiting(
    state: State, replica: int, threshold: int, holds: bool, size: int, budget: int, prompts: bool
) -> tuple[int, bool]:
    """Admits from the head of the queue as long as it fits.

    Returns:
        Members, and whether some member has not computed its prompt yet.
    """
    engine, live = state.engines[replica], state.live
    settings, place = state.settings[engine["kind"]], newest(state, replica)
    members = state.members[replica, place]
    aside, running, chunks = NONE, size, prompts
    engine["stuck"] = 0
    while _left(settings, size, budget) > 0 and engine["waiting"] > 0 and engine["running"] < settings["seqs"]:
        request = engine["root"]
        one = live[request]
        if one["stale"] > 0 and not settings["delivers"]:  # its last token is still on the way
            aside = _pass_over(state, replica, request, aside)
            continue
        land(state, replica, request)
        fetched = one["held"] > 0
        hits = 0 if fetched else find_prefix(state, replica, request)
        fetch = 0 if fetched else wants(state, replica, request, hits)
        if fetch == LATER:
            aside = _pass_over(state, replica, request, aside)
            continue
        if fetch > 0:
            if not begin(state, replica, request):
                engine["stuck"] = 1
                break
            continue
        past = one["computed"] if fetched else hits * settings["block"]
        fills, left = not chunks and (running > 0 or past > 0), _left(settings, size, budget)
        new = _first_tokens(state, replica, request, past, threshold, left, holds, fills)
        if new == 0:
            break
        if not _fits(state, replica, request, hits, new):
            engine["stuck"] = 1
            break
        pop(state, replica)
        _admit(state, replica, request, hits, new)
        members[size]["live"] = request
        members[size]["tokens"] = new
        wanted = one["prompt"] + one["done"] - past
        members[size]["drafts"] = min(0, wanted - new)
        prompts = prompts or wanted > 1
        size += 1
        budget -= new
    while aside != NONE:
        request = aside
        aside = live[request]["left"]
        push(state, replica, request)
    return size, prompts


@inner
def _pass_over(state: State, replica: int, request: int, aside: int) -> int:
    """Takes the first of the queue out of it until the step is decided. Returns those taken out, it first."""
    pop(state, replica)
    one = state.live[request]
    one["left"] = aside
    state.engines[replica]["skipped"] += 1 - one["skipped"]
    one["skipped"] = 1
    return request


@inner
def _first_tokens(
    state: State, replica: int, request: int, past: int, threshold: int, left: int, holds: bool, fills: bool
) -> int:
    """Tokens with which a waiting request starts; 0 if it has to wait.

    Args:
        past: its cached tokens.
        threshold: most tokens of one request; 0 for any number.
        left: tokens that may still be given out.
        holds: prompts are held back.
        fills: the others decode, so that one with a single token left is filled up to the size of their drafts.
    """
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    new = one["prompt"] + one["done"] - past
    if holds and new > 1:
        return 0
    if fills and new == 1 and past + 1 + settings["drafts"] < settings["length"]:
        new += settings["drafts"]
        if new > left:
            return 0
    if 0 < threshold < new:
        new = threshold
    if not settings["chunked"] and new > left:
        return 0
    return int(min(new, left))


@inner
def _admit(state: State, replica: int, request: int, hits: int, new: int) -> None:
    """Makes a waiting request a running one, with the cached blocks that were found and those for `new` tokens."""
    one, engine, totals = state.live[request], state.engines[replica], state.totals[0]
    one["chunk"] = one["landed"]
    settle(state, replica, request)
    if one["held"] == 0:
        seat(state, request)
        adopt(state, replica, request, hits)
        one["computed"] = hits * state.settings[engine["kind"]]["block"]
    if one["computed"] + new < one["prompt"] + one["done"]:
        one["chunk"] = 1
    _grant(state, replica, request, new, _lacks(one, state.settings[engine["kind"]], new))
    if one["scheduled_ns"] == NONE:
        one["scheduled_ns"] = totals["now"]
        one["cached"] = one["computed"]
    engine["skipped"] -= one["skipped"]
    one["skipped"] = 0
    one["status"] = RUNNING
    state.running[replica, engine["running"]] = request
    engine["running"] += 1
    totals["running"] += 1


@inner
def _fits(state: State, replica: int, request: int, hits: int, new: int) -> bool:
    """Whether a waiting request finds its blocks: for all of its tokens if asked so, and for those of this step.

    Args:
        hits: cached blocks; one whose KV was brought holds its blocks instead.
    """
    engine, one = state.engines[replica], state.live[request]
    settings = state.settings[engine["kind"]]
    had = one["held"] if one["held"] > 0 else hits
    taken = settings["aside"] + idle_hits(state, hits) - had + (settings["watermark"] if engine["running"] > 0 else 0)
    block, length = settings["block"], settings["length"]
    if settings["whole"]:
        whole = blocks_for(min(one["prompt"] + one["done"], length), block)
        if max(whole, had) + taken > unclaimed(state, replica):
            return False
    past = one["computed"] if one["held"] > 0 else hits * block
    tokens = min(past + new + settings["ahead"], length)
    return bool(max(blocks_for(tokens, block), had) + taken <= unclaimed(state, replica))


@inner
def _advance(state: State, replica: int, size: int) -> None:
    """Counts the tokens of the step as computed, so that the next step can be scheduled at once."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    members = state.members[replica, newest(state, replica)]
    ahead, drafts, eligible = settings["lookahead"], settings["drafts"], engine["calls"] + settings["stages"]
    for i in range(size):
        member = members[i]
        one = state.live[member["live"]]
        one["computed"] += member["tokens"]
        one["flying"] += member["tokens"]
        makes = one["computed"] >= one["prompt"] + one["done"] + one["placeholders"]
        member["makes"] = 1 if makes else 0
        one["chunk"] = 0 if makes else 1
        one["drafts"] = 0
        if makes and ahead:
            one["placeholders"] += 1 + abs(member["drafts"])
            one["drafts"] = drafts
            one["eligible"] = eligible


@inner
def admits_later(state: State, replica: int, _: int) -> bool:
    """Whether the queue stays as it is while running requests decode: empty, no seat, or no blocks.

    Blocks only get fewer then, and so do cached ones that a waiting request could use; as long as it waits for room for
    all of its tokens it does not come to need less. What running requests add to the prefix cache can help it only
    where answers are shared, so a queue that was stuck is looked at again in that case.
    """
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    if engine["waiting"] == 0 or engine["running"] >= settings["seqs"]:
        return True
    quiet = not settings["apart"] or (settings["whole"] and not state.totals[0]["answers"])
    quiet = quiet and engine["tier"] == NONE  # what the head would find there changes with every step
    return bool(engine["stuck"] == 1 and quiet)
