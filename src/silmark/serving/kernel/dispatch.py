"""The way of a request to its engine: the router, a prefill elsewhere, the transfer of its KV."""

from __future__ import annotations

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.advance import cut_short
from silmark.serving.kernel.blocks import blocks_for
from silmark.serving.kernel.charges import charge, refund
from silmark.serving.kernel.fetch import send_for
from silmark.serving.kernel.prefixes import finish, idle, most_new
from silmark.serving.kernel.queue import add_event, drop_event, push
from silmark.serving.kernel.requests import enqueue, leave
from silmark.serving.kernel.routers import choose, overlap
from silmark.serving.kernel.rules import EITHER, KV, LOSE, PREFILL, RETRY
from silmark.serving.kernel.state import (
    ABSENT,
    AGAIN,
    ARRIVED,
    DELIVER,
    DOWN,
    FAILED,
    HANDED,
    HELD,
    LEAVE,
    LOADING,
    NONE,
    PARKED,
    PENDING,
    QUEUED,
    SEND,
    State,
)
from silmark.serving.kernel.tier import unpin
from silmark.serving.kernel.words import SGLANG
from silmark.serving.records import LOST, REFUSED


@inner
def send(state: State, request: int) -> None:
    """A user sends a request."""
    totals = state.totals[0]
    state.live[request]["arrival_ns"] = totals["now"]
    totals["open"] += 1
    dispatch(state, request)


@inner
def dispatch(state: State, request: int) -> None:
    """A request goes to a replica, or away if it can never be served there; it waits if none is up."""
    one = state.live[request]
    replica = choose(state, request, EITHER)
    if replica == NONE:
        _park(state, request)
        return
    settings = state.settings[state.engines[replica]["kind"]]
    one["replica"] = replica
    one["status"] = PENDING
    one["output"] = min(one["output"], settings["length"] - one["prompt"])
    if settings["policy"] == SGLANG:
        one["output"] = min(one["output"], most_new(settings, one["prompt"]))
    last = one["prompt"] + one["output"]  # whose KV nobody needs
    room = settings["usable"] - settings["aside"]
    fits = blocks_for(last - 1 + settings["ahead"], settings["block"]) <= room
    if settings["fetches"]:  # its KV is sent only if that much stays free
        held = blocks_for(one["prompt"] + one["done"], settings["block"]) * settings["block"]
        fits = fits and held + settings["reserved"] <= room * settings["block"]
    if one["output"] <= 0 or not fits:
        leave(state, replica, request, REFUSED)
        return
    one["fetch"] = 0
    if not split(state, replica, request):
        _count(state, replica, request, state.rules[0]["router"], True)
        _travel(state, replica, request)


@inner
def _split(state: State, replica: int, request: int) -> bool:
    """Sends a prompt to the pool that only prefills, if there is one and it is worth it."""
    rules, one = state.rules[0], state.live[request]
    if not rules["split"]:
        return False
    settings = state.settings[state.engines[replica]["kind"]]
    known = overlap(state, replica, request) * settings["block"]
    if one["prompt"] + one["done"] - known < rules["least_tokens"]:
        return False
    helper = _helper(state, request)
    one["replica"] = replica
    if helper == NONE:
        return bool(settings["fetches"] and _sent_away(state, request))
    _count(state, replica, request, rules["router"], False)
    _count(state, helper, one["partner"], rules["prefill_router"], True)
    if settings["fetches"]:
        _travel(state, replica, request)  # the prefill starts when its KV has a place there
    else:
        _travel(state, helper, one["partner"])
    return True


@inner
def _sent_away(state: State, request: int) -> bool:
    """Nobody can prefill a request for an engine that only decodes: it waits until somebody is up, or is refused."""
    one = state.live[request]
    if state.live[one["partner"]]["replica"] == NONE:
        _park(state, request)
    else:
        leave(state, one["replica"], request, REFUSED)
    return True


@inner
def _whole(state: State, replica: int, request: int) -> bool:
    """There is one pool."""
    return False


split = extra(_split, _whole)
"""Whether a prompt was sent to be prefilled elsewhere."""


@inner
def _count(state: State, replica: int, request: int, router: int, prefills: bool) -> None:
    """Books a request with its replica."""
    one = state.live[request]
    settings, totals = state.settings[state.engines[replica]["kind"]], state.totals[0]
    block, length, hits, shared = settings["block"], one["prompt"] + one["done"], 0, 0
    one["replica"] = replica
    totals["largest"] = max(totals["largest"], blocks_for(one["prompt"] + one["output"] + settings["spare"], block))
    if router == KV and state.engines.size > 1:
        hits = known(state, replica, request)
        shared = hits - idle(state, replica, hits)
    charge(state, replica, request, length - hits * block if prefills else 0, blocks_for(length, block) - shared)


@inner
def _none_known(state: State, replica: int, request: int) -> int:
    """Nobody asks."""
    return 0


known = extra(overlap, _none_known)
"""Blocks of a prompt that a replica has cached."""


@inner
def _helper(state: State, request: int) -> int:
    """Makes the record of a request's prefill elsewhere: the same prompt, one token of answer.

    Returns the replica that prefills; NONE if none is up or large enough.
    """
    one, place = state.live[request], state.live[request]["partner"]
    leg = state.live[place]
    state.live[place] = state.live[request]
    leg["partner"] = request
    leg["leg"] = 1
    leg["output"] = one["done"] + 1
    leg["follower"] = NONE
    leg["joules"] = 0.0
    leg["scheduled_ns"] = NONE
    leg["status"] = PENDING
    leg["share"] = 0
    leg["room"] = 0
    leg["due_ns"] = NONE
    replica = choose(state, place, PREFILL)
    leg["replica"] = replica
    if replica == NONE:
        return NONE
    settings = state.settings[state.engines[replica]["kind"]]
    last = leg["prompt"] + leg["output"]
    fits = blocks_for(last - 1 + settings["ahead"], settings["block"]) <= settings["usable"] - settings["aside"]
    fits = fits and last <= settings["length"]
    return replica if fits else NONE


@inner
def _travel(state: State, replica: int, request: int) -> None:
    """A request is on its way to its engine's scheduler."""
    one, totals = state.live[request], state.totals[0]
    one["replica"] = replica
    one["due_ns"] = totals["now"] + state.clock.request_ns[state.engines[replica]["kind"]]
    if one["due_ns"] > totals["now"]:
        add_event(state, one["due_ns"], DELIVER, request)
    else:
        _deliver(state, request)


@inner
def _deliver(state: State, request: int) -> None:
    """A request reaches the queue of its engine, which looks at it at its next decision."""
    replica = state.live[request]["replica"]
    enqueue(state, replica, request)
    wake(state, replica)


@inner
def wake(state: State, replica: int) -> None:
    """Something changed for an engine: it looks at it at its next decision, at once if it has nothing to do."""
    engine, now = state.engines[replica], state.totals[0]["now"]
    if engine["run_steps"] > 0:
        cut_short(state, replica, now)
    elif engine["flying"] == 0:
        engine["next_ns"] = now


@inner
def _park(state: State, request: int) -> None:
    """No replica is up: a request waits until one is."""
    rules, one = state.rules[0], state.live[request]
    one["status"] = PARKED
    one["left"] = NONE
    if rules["parked"] == NONE:
        rules["parked"] = request
    else:
        state.live[rules["parked_last"]]["left"] = request
    rules["parked_last"] = request


@inner
def unpark(state: State) -> None:
    """A replica has come up: those that waited for one are sent again, in their order."""
    rules = state.rules[0]
    request = rules["parked"]
    rules["parked"] = NONE
    while request != NONE:
        following = state.live[request]["left"]
        dispatch(state, request)
        request = following


@inner
def _handed(state: State, leg: int) -> None:
    """A prefill elsewhere is done: its request goes to the engine that decodes it, which fetches the KV."""
    first = state.live[leg]
    request = first["partner"]
    one = state.live[request]
    one["joules"] += first["joules"]
    if one["scheduled_ns"] == NONE:
        one["scheduled_ns"] = first["scheduled_ns"]
        one["cached"] = first["cached"]
    one["preemptions"] += first["preemptions"]
    first["joules"] = 0.0
    if first["status"] == HELD:
        one["fetch"] = one["prompt"] + one["done"]
    elif first["status"] == ABSENT:  # it fits not even into an empty engine
        leave(state, one["replica"], request, REFUSED)
        return
    if state.engines[one["replica"]]["up"] == FAILED or state.engines[one["replica"]]["up"] == DOWN:
        refund(state, request)
        if first["status"] == HELD:
            let_go(state, leg)
            wake(state, first["replica"])
        again(state, request, 0)
        return
    if one["status"] == LOADING:  # its blocks are taken already
        send_for(state, request, 0)
        return
    _travel(state, one["replica"], request)


@inner
def again(state: State, request: int, order: int) -> None:
    """A request whose replica has failed is sent anew, with the tokens that its user has or without; or it is lost.

    Args:
        order: its place among those that failed with it.
    """
    rules, one, now = state.rules[0], state.live[request], state.totals[0]["now"]
    one["status"] = PENDING
    one["retries"] += 1
    one["fetch"] = 0
    if rules["on_fault"] == RETRY:
        one["done"] = 0
        one["first_ns"] = NONE
        one["last_ns"] = NONE
    one["due_ns"] = now + rules["retry_ns"] + 1 + order
    add_event(state, one["due_ns"], LEAVE if rules["on_fault"] == LOSE else AGAIN, request)


@inner
def arrived(state: State, request: int) -> None:
    """A request's KV is there: whoever sent it may use its blocks anew, and it waits for a step."""
    one = state.live[request]
    replica = one["replica"]
    if one["partner"] != NONE and state.live[one["partner"]]["status"] == HELD:
        let_go(state, one["partner"])
        wake(state, state.live[one["partner"]]["replica"])
    unpin(state, replica, request)
    engine = state.engines[replica]
    if not state.settings[engine["kind"]]["fetches"]:  # SGLang notices at its next decision
        engine["away"] -= 1
        engine["loading"] -= 1
        engine["skipped"] += 1
        one["skipped"] = 1  # vLLM counts it as passed over until it runs
    one["fetch"] = 0
    one["landed"] = 1
    one["status"] = QUEUED
    push(state, replica, request)
    wake(state, replica)


@inner
def let_go(state: State, leg: int) -> None:
    """Frees the blocks that a prefill kept for whoever decodes its request."""
    one = state.live[leg]
    finish(state, one["replica"], leg)
    state.engines[one["replica"]]["away"] -= 1
    one["status"] = PENDING


@inner
def happen(state: State) -> None:
    """Does what the earliest event says; a request that has gone elsewhere since is not moved by it."""
    kind, what = state.events[0]["kind"], state.events[0]["what"]
    drop_event(state)
    if kind == SEND:
        send(state, what)
        return
    if state.live[what]["due_ns"] != state.totals[0]["now"]:
        return
    if kind == DELIVER and state.live[what]["status"] == PENDING:
        _deliver(state, what)
    else:
        move_on(state, kind, what)


@inner
def _move_on(state: State, kind: int, what: int) -> None:
    """A request goes on in a fleet of pools, tiers and faults."""
    one = state.live[what]
    if kind == HANDED and one["leg"] == 1:
        _handed(state, what)
    elif kind == ARRIVED and one["status"] == LOADING:
        arrived(state, what)
    elif kind == AGAIN and one["status"] == PENDING:
        dispatch(state, what)
    elif kind == LEAVE and one["status"] == PENDING:
        leave(state, one["replica"], what, LOST)


@inner
def _stay(state: State, kind: int, what: int) -> None:
    """There are none of these."""


move_on = extra(_move_on, _stay)
"""What is noted for a request happens."""
