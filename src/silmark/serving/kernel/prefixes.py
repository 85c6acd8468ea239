"""What requests do with a radix tree: publish what they computed, give it back, look themselves up while they wait."""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import door, extra, inner
from silmark.serving.kernel.blocks import blocks_for, find_prefix, idle_hits, release
from silmark.serving.kernel.queue import pop, push
from silmark.serving.kernel.radix import insert, lock, match, peek, unlock
from silmark.serving.kernel.state import NONE, RUNNING, State
from silmark.serving.kernel.tokens import piece
from silmark.serving.kernel.words import LPM

_MATCHED_MOST = 128
"""SGLang's WAITING_QUEUE_PREFIX_MATCH_MAX: longer queues are taken as they come."""
_REFRESH = 32
"""WAITING_PREFIX_REFRESH_INTERVAL: every so many passes over the queue count as use of its prefixes."""
_IN_BATCH = 32
"""IN_BATCH_PREFIX_CACHING_CHECK_THRESHOLD and _DEPRIORITIZE_THRESHOLD, tokens."""
_LAST = 1 << 40
LONGEST_ESTIMATE = 4096
"""SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION: most tokens that one request is expected to still make."""


@inner
def most_new(settings: np.void, prompt: int) -> int:
    """The longest answer that SGLang lets a request ask for: what an empty pool holds besides its prompt."""
    page = settings["block"]
    return int((settings["usable"] - blocks_for(prompt, page) - 1) * page - 1)


@inner
def may_make(state: State, replica: int, request: int) -> int:
    """What a request says that it may make (max_new_tokens)."""
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    return int(min(max(one["output"], settings["stated"]), most_new(settings, one["prompt"])))


@inner
def comes_to(state: State, replica: int, request: int) -> int:
    """Tokens that a request is expected to come to at most."""
    return int(state.live[request]["prompt"] + min(may_make(state, replica, request), LONGEST_ESTIMATE))


@inner
def checkpoint(state: State, replica: int, request: int, tokens: int) -> None:
    """Publishes a request's first tokens, whole pages; pages that are known already go back."""
    engine, one = state.engines[replica], state.live[request]
    settings = state.settings[engine["kind"]]
    page = settings["block"]
    end = tokens // page * page
    if not settings["caching"] or end == 0:
        return
    node, known = insert(state, replica, request, end)
    prompt = one["prompt"] // page * page
    if 0 < prompt < end:
        insert(state, replica, request, prompt)  # cuts answers off, so that they can go without their prompts
    lock(state, replica, node)
    unlock(state, replica, one["node"])
    twice = max(0, known // page - one["hashed"])
    engine["free"] += twice
    state.totals[0]["free_blocks"] += twice
    one["node"] = node
    one["hashed"] = end // page


@inner
def give_back(state: State, replica: int, request: int, publish: bool) -> None:
    """Returns all pages of a request, those of a finished one to the tree."""
    engine, one = state.engines[replica], state.live[request]
    if publish:
        checkpoint(state, replica, request, one["prompt"] + one["done"] - 1)
    own = one["held"] - one["hashed"]
    engine["free"] += own
    state.totals[0]["free_blocks"] += own
    unlock(state, replica, one["node"])
    one["node"] = engine["first_node"]
    one["held"] = 0
    one["hashed"] = 0
    engine["full"] = 0
    engine["stuck"] = 0


@inner
def _note_end(state: State, replica: int, request: int) -> None:
    """A request has ended that counts as running for one decision more."""
    engine, one = state.engines[replica], state.live[request]
    if one["status"] != RUNNING:
        return
    engine["ended"] += 1
    engine["ended_tokens"] += one["prompt"] + one["done"]
    engine["ended_most"] = max(engine["ended_most"], comes_to(state, replica, request))


@inner
def _forget_end(state: State, replica: int, request: int) -> None:
    """Only engines that decode for others count it."""


note_end = extra(_note_end, _forget_end)
"""Notes that a request has ended."""


@inner
def _finish(state: State, replica: int, request: int) -> None:
    """Gives the pages of a finished request to the tree."""
    note_end(state, replica, request)
    give_back(state, replica, request, True)


@inner
def _publish(state: State, replica: int, request: int) -> None:
    """Publishes the prompt of a request whose prefill has returned."""
    one = state.live[request]
    checkpoint(state, replica, request, one["prompt"] + one["done"] - 1)


@inner
def _later(state: State, replica: int, request: int) -> None:
    """Blocks of other engines become known when they are handed out."""


@inner
def _repeats(state: State, replica: int, request: int) -> bool:
    """SGLang throws away what a step in flight makes for a request that was retracted since."""
    return bool(state.live[request]["stale"] > 0)


@inner
def _delivers(state: State, replica: int, request: int) -> bool:
    """Where vLLM keeps the KV of an ended request for others: it was given up in the preemption."""
    settings = state.settings[state.engines[replica]["kind"]]
    return bool(settings["delivers"] and state.live[request]["stale"] > 0)


@inner
def _keeps(state: State, replica: int, request: int) -> bool:
    return False


@inner
def _find_pages(state: State, replica: int, request: int) -> int:
    """Pages of a request's tokens that the tree has, without its last token; `hits` begins with those in use."""
    one, settings = state.live[request], state.settings[state.engines[replica]["kind"]]
    found, held = peek(state, replica, request, one["prompt"] + one["done"] - 1)
    state.hits[0] = held // settings["block"]
    return int(found // settings["block"])


@inner
def _idle_blocks(state: State, replica: int, hits: int) -> int:
    return int(idle_hits(state, hits))


@inner
def _idle_pages(state: State, replica: int, hits: int) -> int:
    return int(hits - state.hits[0])


finish = door(release, _finish, release)
"""Takes back all that a finished request holds."""
publish = door(_later, _publish, _later)
"""Makes a prompt known to others once it is computed."""
repeats = door(_delivers, _repeats, _keeps)
"""Whether the token that a step made for a request is lost."""
find = door(find_prefix, _find_pages, find_prefix)
"""Cached blocks that a request's tokens start with; looking changes nothing."""
idle = door(_idle_blocks, _idle_pages, _idle_blocks)
"""How many of the blocks just found nobody uses."""


@inner
def order_queue(state: State, replica: int) -> None:
    """Sorts the queue as the schedule policy says, or notes that what waits still wants its prefixes."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    if not settings["caching"] or engine["waiting"] == 0:
        return
    if settings["order"] == LPM and engine["waiting"] <= _MATCHED_MOST:
        _longest_prefix_first(state, replica)
        return
    if engine["passes"] % _REFRESH == 0:
        _touch(state, replica)
    engine["passes"] += 1


@inner
def _touch(state: State, replica: int) -> None:
    """Looks the first of the queue up, the head last, so that its prefix is the last to be evicted."""
    engine, live, aside = state.engines[replica], state.live, NONE
    for _ in range(min(engine["waiting"], _MATCHED_MOST)):
        request = pop(state, replica)
        live[request]["left"] = aside
        aside = request
    while aside != NONE:
        request = aside
        aside = live[request]["left"]
        match(state, replica, request, live[request]["prompt"] + live[request]["done"])
        push(state, replica, request)


@inner
def _longest_prefix_first(state: State, replica: int) -> None:
    """Sorts by cached tokens, most first; of those that share a beginning that is not cached all but one go last."""
    engine, live, order = state.engines[replica], state.live, state.order
    count, ranks = engine["waiting"], state.hits
    for i in range(count):
        request = pop(state, replica)
        order[i] = request
        ranks[i] = live[request]["rank"]
        length = live[request]["prompt"] + live[request]["done"]
        _, found = match(state, replica, request, length)
        live[request]["key"] = -min(found, length - 1)
        if found <= _IN_BATCH:
            for j in range(i):
                other = order[j]
                alone = live[other]["key"] < _LAST and live[other]["alone"] == 1
                if alone and shared_tokens(state, request, other) >= _IN_BATCH:
                    live[request]["key"] = _LAST
                    break
        live[request]["alone"] = 1 if found <= _IN_BATCH else 0
    for i in range(1, count):  # few, and mostly in order
        request, at = order[i], i
        while at > 0 and live[order[at - 1]]["key"] > live[request]["key"]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = request
    for i in range(count):
        live[order[i]]["rank"] = ranks[i]
        push(state, replica, order[i])


@inner
def shared_tokens(state: State, request: int, other: int) -> int:
    """How many tokens two requests have in common from the start."""
    live = state.live
    end = min(live[request]["prompt"] + live[request]["done"], live[other]["prompt"] + live[other]["done"])
    same, index, begin, second, start = 0, 0, 0, 0, 0
    while same < end:
        one, length = piece(state, request, index, begin)
        two, size = piece(state, other, second, start)
        if same >= begin + length:
            index, begin = index + 1, begin + length
            continue
        if same >= start + size:
            second, start = second + 1, start + size
            continue
        if one + same - begin != two + same - start:
            return same
        same = min(begin + length, start + size, end)
    return int(end)
