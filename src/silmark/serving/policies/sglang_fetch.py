"""SGLang's engines that only decode (0.5.23, srt/disaggregation/decode.py, disaggregation_mode decode).

Before each step requests whose KV went to the host get pages again, first retracted, first served. Only when none of
those is left are pages taken for requests that have none yet, first come, first served, and only then does the other
pool begin to prefill them (disaggregation_decode_allocation_policy early); `reserved` tokens stay free for each that
holds KV, and enough that the longest that runs could end alone. When their KV is there they stand in line for a seat,
and decode from the token on that came with it. There is no prefix cache, as is the default
(disaggregation_decode_enable_radix_cache). Who has just ended counts as running until the next step is decided.
"""

from __future__ import annotations

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.blocks import blocks_for
from silmark.serving.kernel.fetch import send_for
from silmark.serving.kernel.gaps import add_gaps
from silmark.serving.kernel.prefixes import comes_to
from silmark.serving.kernel.queue import add_event, pop
from silmark.serving.kernel.radix_nodes import forget_ended
from silmark.serving.kernel.requests import leave
from silmark.serving.kernel.state import DELIVER, HELD, LOADING, NONE, PREEMPTED, RUNNING, STANDING, State
from silmark.serving.policies.sglang_decode import decode
from silmark.serving.records import DONE, REFUSED


@inner
def _decode_only(state: State, replica: int) -> int:
    """Decides one step. Returns how many requests decode; 0 once looking again would change nothing."""
    engine, totals = state.engines[replica], state.totals[0]
    while True:
        ended, answered = engine["ended"], totals["answered"]
        if _resume(state, replica):
            came = _collect(state, replica)
            _preallocate(state, replica, came)
        _sit_down(state, replica)
        forget_ended(engine)
        size = decode(state, replica)
        awaited = engine["flying"] > 0 and state.batches[replica, engine["oldest"]]["size"] > 0
        if size > 0 or awaited:
            return int(size)
        _give_up(state, replica)
        if ended == 0 and totals["answered"] == answered:
            return 0


@inner
def _resume(state: State, replica: int) -> bool:
    """Gives retracted requests pages again, in order, until one does not fit; whether none is left."""
    engine = state.engines[replica]
    page = state.settings[engine["kind"]]["block"]
    while engine["waiting"] > 0 and state.live[engine["root"]]["status"] == PREEMPTED:
        one = state.live[engine["root"]]
        tokens = one["prompt"] + one["done"] - 1
        if not _has_room(state, replica, tokens):
            return False
        request = pop(state, replica)
        one["landed"] = 0
        one["priority"] = 0
        one["computed"] = tokens
        _take(state, replica, request, blocks_for(tokens, page))
        _stand(state, replica, request)
    return True


@inner
def _has_room(state: State, replica: int, tokens: int) -> bool:
    """Whether pages for so many tokens leave what is reserved for each request that holds KV, this one included."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    page = settings["block"]
    if engine["running"] + engine["loading"] + engine["standing"] >= settings["rows"]:
        return False
    need = blocks_for(tokens, page) * page + settings["reserved"]
    return bool(need <= engine["free"] * page - _reserved(state, replica))


@inner
def _reserved(state: State, replica: int) -> int:
    """Tokens that stay free for requests that hold KV."""
    engine = state.engines[replica]
    holders = engine["running"] + engine["ended"] + engine["loading"] + engine["standing"]
    return int(holders * state.settings[engine["kind"]]["reserved"])


@inner
def _collect(state: State, replica: int) -> int:
    """Lines those up whose KV has come, in the order in which it was asked for. Returns how many."""
    engine, count = state.engines[replica], 0
    while engine["waiting"] > 0 and state.live[engine["root"]]["landed"] == 1:
        request = pop(state, replica)
        state.live[request]["landed"] = 0
        engine["away"] -= 1
        engine["loading"] -= 1
        _stand(state, replica, request)
        count += 1
    return count


@inner
def _preallocate(state: State, replica: int, came: int) -> None:
    """Takes pages for the KV of those that wait, first come, first served, and has it made or sent.

    Args:
        came: those whose KV came just now, whose places for transfers are still taken.
    """
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    if engine["waiting"] == 0:
        return
    page = settings["block"]
    running, longest = engine["ended_tokens"], engine["ended_most"]
    for i in range(engine["running"]):
        request = state.running[replica, i]
        running += state.live[request]["prompt"] + state.live[request]["done"]
        longest = max(longest, comes_to(state, replica, request))
    while engine["waiting"] > 0 and engine["loading"] + came < 2 * settings["seqs"]:
        one = state.live[engine["root"]]
        tokens = one["prompt"] + one["done"]
        pages = blocks_for(tokens, page) * page
        need = max(pages + settings["reserved"], comes_to(state, replica, engine["root"]) - running)
        left = engine["free"] * page - max(_reserved(state, replica), longest - running)
        if need > left or not _has_room(state, replica, tokens):
            return
        _ask(state, replica, pop(state, replica))


@inner
def _ask(state: State, replica: int, request: int) -> None:
    """Takes pages for a request's KV and has it prefilled, or sent if it was."""
    engine, one = state.engines[replica], state.live[request]
    leg = state.live[one["partner"]]
    one["fetch"] = one["prompt"] + one["done"]
    one["computed"] = one["fetch"]
    _take(state, replica, request, blocks_for(one["fetch"], state.settings[engine["kind"]]["block"]))
    one["status"] = LOADING
    engine["away"] += 1
    engine["loading"] += 1
    if leg["status"] == HELD:
        send_for(state, request, 0)
    else:
        leg["due_ns"] = state.totals[0]["now"]
        add_event(state, leg["due_ns"], DELIVER, one["partner"])


@inner
def _take(state: State, replica: int, request: int, pages: int) -> None:
    """Hands out pages to a request that has none; they are there."""
    engine, one = state.engines[replica], state.live[request]
    engine["free"] -= pages
    state.totals[0]["free_blocks"] -= pages
    one["node"] = engine["first_node"]
    one["hashed"] = 0
    one["held"] = pages


@inner
def _stand(state: State, replica: int, request: int) -> None:
    """Puts a request whose KV is there at the end of the line for a seat."""
    engine = state.engines[replica]
    state.live[request]["status"] = STANDING
    state.live[request]["left"] = NONE
    if engine["standing"] == 0:
        engine["first_standing"] = request
    else:
        state.live[engine["last_standing"]]["left"] = request
    engine["last_standing"] = request
    engine["standing"] += 1
    engine["away"] += 1


@inner
def _sit_down(state: State, replica: int) -> None:
    """Gives free seats to those that stand in line; who has all tokens with the one that came along leaves at once."""
    engine, totals = state.engines[replica], state.totals[0]
    seats = state.settings[engine["kind"]]["seqs"] - engine["running"] - engine["ended"]
    while seats > 0 and engine["standing"] > 0:
        seats -= 1
        request = engine["first_standing"]
        one = state.live[request]
        engine["first_standing"] = one["left"]
        engine["standing"] -= 1
        engine["away"] -= 1
        if one["computed"] == one["prompt"] + one["done"]:
            _keep_token(state, replica, request)
        if one["done"] >= one["output"]:
            leave(state, replica, request, DONE)
            continue
        one["status"] = RUNNING
        state.running[replica, engine["running"]] = request
        engine["running"] += 1
        totals["running"] += 1


@inner
def _keep_token(state: State, replica: int, request: int) -> None:
    """Hands a request the token that was made where its prompt was prefilled."""
    one, totals = state.live[request], state.totals[0]
    visible = totals["now"] + state.clock.tail_ns[state.engines[replica]["kind"]]
    one["done"] += 1
    totals["tokens_out"] += 1
    if one["first_ns"] == NONE:
        one["first_ns"] = visible
    else:
        add_gaps(state, max(0, visible - one["last_ns"]), 1)
    one["last_ns"] = visible


@inner
def _give_up(state: State, replica: int) -> None:
    """Refuses a retracted request that does not fit even now that nobody holds anything: it would wait for ever."""
    engine = state.engines[replica]
    holders = engine["running"] + engine["loading"] + engine["standing"] + engine["ended"]
    if holders == 0 and engine["waiting"] > 0 and state.live[engine["root"]]["status"] == PREEMPTED:
        leave(state, replica, engine["root"], REFUSED)


@inner
def _stays_apart(state: State, replica: int) -> bool:
    """Whether nobody gets pages or a seat as long as those that run only decode: pages only get fewer then."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    if engine["standing"] > 0 and engine["running"] < settings["seqs"]:
        return False
    if engine["waiting"] == 0:
        return True
    one = state.live[engine["root"]]
    retracted = one["status"] == PREEMPTED
    if engine["ended"] > 0 or (one["landed"] == 1 and not retracted):
        return False
    return bool(not _has_room(state, replica, one["prompt"] + one["done"] - (1 if retracted else 0)))


@inner
def _never(state: State, replica: int) -> int:
    """There are no pools that only decode."""
    return 0


decode_only = extra(_decode_only, _never)
"""Decides a step of an engine that only decodes."""
stays_apart = extra(_stays_apart, _never)
"""Whether runs of decode steps change nothing for those that wait there."""
