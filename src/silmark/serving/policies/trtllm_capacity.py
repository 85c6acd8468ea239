"""Who may take part in TensorRT-LLM's next step: its capacity schedulers, which look at KV blocks alone.

Those that it looks at are in the order in which they came, whether they run or wait; a prompt under way is one that
waits for its next chunk. A prompt whose next block another one is computing is better off waiting for it.
"""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.blocks import blocks_for, entry_of, find_prefix, idle_hits
from silmark.serving.kernel.prefixes import shared_tokens
from silmark.serving.kernel.queue import pop, push
from silmark.serving.kernel.requests import preempt
from silmark.serving.kernel.state import NEVER, NONE, RUNNING, STOPPED, State
from silmark.serving.kernel.tokens import SEED, digest_of

_LATER = -1
"""Instead of blocks that a prompt needs: it had better wait."""


@inner
def fitting(state: State, replica: int) -> int:
    """Lists those for whom there are blocks in `order`; the waiting among them leave the queue.

    Returns:
        How many; STOPPED, with all as before, if somebody must be paused and blocks are not told apart yet.
    """
    if state.settings[state.engines[replica]["kind"]]["evicts"]:
        return _with_pauses(state, replica)
    return _to_the_end(state, replica)


@inner
def decoding(state: State, request: int) -> bool:
    """Whether a request's prompt is done; of a running one `key` holds the tokens that it started with."""
    one = state.live[request]
    return bool(one["status"] == RUNNING and one["computed"] >= one["key"])


@inner
def wait_again(state: State, replica: int, aside: int, stuck: int) -> None:
    """Puts a chain of requests back into the queue.

    Args:
        aside: the first, each with the next as `left`.
        stuck: whether the queue cannot move until something is freed.
    """
    while aside != NONE:
        request = aside
        aside = state.live[request]["left"]
        push(state, replica, request)
    state.engines[replica]["stuck"] = stuck


@inner
def _set_aside(state: State, replica: int, aside: int, tried: int) -> int:
    """Takes the head of the queue out, in front of a chain of others. Returns the chain.

    Args:
        aside: the chain so far.
        tried: who did not fit a moment ago, which is noted as `alone`.
    """
    request = pop(state, replica)
    state.live[request]["left"] = aside
    state.live[request]["alone"] = 1 if request == tried else 0
    return request


@inner
def _may_come_to(state: State, replica: int, request: int) -> int:
    """Blocks that a request may come to hold."""
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    answer = min(max(one["output"], settings["stated"]), settings["length"] - one["prompt"])
    return int(blocks_for(one["prompt"] + answer, settings["block"]))


@inner
def _to_the_end(state: State, replica: int) -> int:
    """Nobody is ever paused: decodes first, then prompts for which all that they may come to is there.

    A static batch takes prompts only while nobody decodes. The first that does not fit ends the list, even before
    prompts under way; where nothing else goes on, which the real one would wait in for ever, those do.
    """
    engine, live = state.engines[replica], state.live
    settings, count, free = state.settings[engine["kind"]], 0, engine["free"]
    for i in range(engine["running"]):
        request = state.running[replica, i]
        if decoding(state, request):
            free -= _may_come_to(state, replica, request) - live[request]["held"]
            state.order[count] = request
            count += 1
    if settings["waits"] and count > 0:
        engine["stuck"] = 1
        return count
    index, seats, aside, stuck = 0, settings["seqs"] - engine["running"], NONE, 0
    while True:
        while index < engine["running"] and decoding(state, state.running[replica, index]):
            index += 1
        if _head_is_next(state, replica, index, seats, NEVER):
            request = engine["root"]
            need = _to_start(state, replica, request, count, aside, NONE)
            seats -= 1
            if need == _LATER:
                aside = _set_aside(state, replica, aside, NONE)
                continue
            if need > free:
                stuck, seats = 1, 0
                if count > 0:
                    break
                continue
            pop(state, replica)
        elif index < engine["running"]:
            request = state.running[replica, index]
            index += 1
            need = _may_come_to(state, replica, request) - live[request]["held"]
            if need > free:
                break
        else:
            break
        free -= need
        state.order[count] = request
        count += 1
    wait_again(state, replica, aside, stuck)
    return count


@inner
def _with_pauses(state: State, replica: int) -> int:
    """All that have room for one step; for one that has not the latest to come of those that run is paused."""
    engine, live = state.engines[replica], state.live
    settings, count, taken = state.settings[engine["kind"]], 0, 0
    index, seats, aside, stuck = 0, settings["seqs"] - engine["running"], NONE, 0
    limit, tried = NEVER, NONE
    while True:
        waits = _head_is_next(state, replica, index, seats, limit)
        if waits:
            request = engine["root"]
            need = _to_start(state, replica, request, count, aside, tried)
            if need == _LATER:
                seats -= 1
                aside = _set_aside(state, replica, aside, tried)
                continue
        elif index < engine["running"]:
            request = state.running[replica, index]
            need = _for_a_step(state, replica, request)
        else:
            break
        if taken + need <= engine["free"]:
            taken += need
            state.order[count] = request
            count += 1
            if waits:
                seats -= 1
                pop(state, replica)
            else:
                index += 1
        elif index == engine["running"]:
            stuck = 1
            break
        elif settings["digests"] and not settings["apart"]:
            _undo(state, replica, count)
            wait_again(state, replica, aside, 0)
            return STOPPED
        else:
            tried = request
            engine["running"] -= 1
            victim = state.running[replica, engine["running"]]
            limit = live[victim]["rank"]  # nobody who came later is looked at
            preempt(state, replica, victim)
            taken = _taken(state, replica, count)
    wait_again(state, replica, aside, stuck)
    return count


@inner
def _for_a_step(state: State, replica: int, request: int) -> int:
    """Blocks that a running request needs for one step; a prompt under way has those of all its tokens."""
    if not decoding(state, request):
        return 0
    one = state.live[request]
    block = state.settings[state.engines[replica]["kind"]]["block"]
    return int(blocks_for(one["computed"] + 1, block) - one["held"])


@inner
def _taken(state: State, replica: int, count: int) -> int:
    """Blocks that those listed need, after somebody was paused: what he shared with them is idle now."""
    need = 0
    for i in range(count):
        request = state.order[i]
        if state.live[request]["status"] == RUNNING:
            need += _for_a_step(state, replica, request)
        else:
            need += _beside_found(state, replica, request)
    return need


@inner
def _beside_found(state: State, replica: int, request: int) -> int:
    """Blocks that a waiting request needs besides those that it finds with others; notes tokens found as its `key`."""
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    hits = find_prefix(state, replica, request)
    one["key"] = hits * settings["block"]
    if settings["evicts"]:
        need = blocks_for(one["prompt"] + one["done"], settings["block"])
    else:
        need = _may_come_to(state, replica, request)
    return int(need - (hits - idle_hits(state, hits)))


@inner
def _undo(state: State, replica: int, count: int) -> None:
    """Lets those listed who have not started wait again."""
    for i in range(count):
        if state.live[state.order[i]]["status"] != RUNNING:
            push(state, replica, state.order[i])


@inner
def _head_is_next(state: State, replica: int, index: int, seats: int, limit: int) -> bool:
    """Whether the head of the queue, and not the running request at `index`, is the next in the order of arrival."""
    engine = state.engines[replica]
    if seats <= 0 or engine["waiting"] == 0 or state.live[engine["root"]]["rank"] >= limit:
        return False
    if index == engine["running"]:
        return True
    return bool(state.live[engine["root"]]["rank"] < state.live[state.running[replica, index]]["rank"])


@inner
def _to_start(state: State, replica: int, request: int, count: int, aside: int, tried: int) -> int:
    """Blocks that a waiting request needs to start, or _LATER.

    Args:
        count: of those listed so far.
        aside: those passed over so far; what those of them that were tried would compute counts as being computed.
        tried: who did not fit a moment ago, as little as these.
    """
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    if one["stale"] > 0:
        return _LATER
    if settings["apart"] and not settings["waits"]:
        end = _first_new(state, replica, request)
        if end > 0 and (request == tried or _is_computed(state, replica, request, end, count, aside)):
            return _LATER
    return _beside_found(state, replica, request)


@inner
def _is_computed(state: State, replica: int, request: int, end: int, count: int, aside: int) -> bool:
    """Whether the first block of a prompt that is not known yet, which ends at `end`, is computed for another one."""
    for i in range(state.engines[replica]["running"]):
        other = state.running[replica, i]
        if not decoding(state, other) and _computes(state, replica, other, request, end):
            return True
    for i in range(count):
        other = state.order[i]
        if state.live[other]["status"] != RUNNING and _computes(state, replica, other, request, end):
            return True
    while aside != NONE:
        if state.live[aside]["alone"] == 1 and _computes(state, replica, aside, request, end):
            return True
        aside = state.live[aside]["left"]
    return False


@inner
def _computes(state: State, replica: int, other: int, request: int, end: int) -> bool:
    """Whether another prompt's first new block ends at `end` too, and is the same with all before it."""
    return bool(shared_tokens(state, request, other) >= end and _first_new(state, replica, other) == end)


@inner
def _first_new(state: State, replica: int, request: int) -> int:
    """Tokens up to the end of a request's first full block that the cache does not know; 0 if it knows all."""
    one = state.live[request]
    block = state.settings[state.engines[replica]["kind"]]["block"]
    digest, index, begin = SEED, 0, 0
    if one["hashed"] > 0:
        digest = state.blocks[state.tables[one["table"] + one["hashed"] - 1]]["digest"]
    for i in range(one["hashed"], (one["prompt"] + one["done"]) // block):
        digest, index, begin = digest_of(state, request, digest, i * block, index, begin)
        if state.entries[entry_of(state, replica, digest)] == NONE:
            return int((i + 1) * block)
    return 0
