"""Requests come and go: places in `live`, and the record that a request leaves behind."""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.blocks import release
from silmark.serving.kernel.charges import refund
from silmark.serving.kernel.fetch import settle
from silmark.serving.kernel.prefixes import finish
from silmark.serving.kernel.queue import add_event, pop, push, rank_last
from silmark.serving.kernel.state import (
    ABSENT,
    GONE,
    HANDED,
    HELD,
    LOADING,
    NONE,
    PENDING,
    PREEMPTED,
    QUEUED,
    RUNNING,
    SEND,
    State,
)
from silmark.serving.kernel.tier import part, unpin
from silmark.serving.kernel.words import TRTLLM
from silmark.serving.records import DONE

_GRACE = 1000
"""Steps without a token that prove nothing: pipelines fill, prompts are held back."""


@inner
def free_place(state: State, request: int) -> None:
    """Makes the place of a request free for another, once nothing is left to do for it."""
    if state.live[request]["parting"]:
        state.live[request]["status"] = GONE
        return
    state.live[request]["status"] = ABSENT
    state.live[request]["left"] = state.totals[0]["free_live"]
    state.totals[0]["free_live"] = request
    state.totals[0]["places"] += 1


@inner
def begin_anew(one: np.void) -> None:
    """A request for which nothing is computed, held or on the way."""
    one["computed"] = 0
    one["placeholders"] = 0
    one["flying"] = 0
    one["stale"] = 0
    one["drafts"] = 0
    one["chunk"] = 0
    one["skipped"] = 0
    one["eligible"] = 0
    one["ready_ns"] = 0
    one["held"] = 0
    one["hashed"] = 0
    one["known"] = 0
    one["owed"] = 0
    one["landed"] = 0
    one["room"] = 0
    one["keyed"] = 0
    one["stored"] = 0
    one["storing"] = 0
    one["pinned"] = NONE
    one["used"] = 0
    one["beside"] = 0


@inner
def enqueue(state: State, replica: int, request: int) -> None:
    """Puts a request that has arrived into an engine's queue."""
    one, engine = state.live[request], state.engines[replica]
    one["replica"] = replica
    one["status"] = QUEUED
    engine["moved"] = engine["steps"]
    if not state.settings[engine["kind"]]["priority"]:
        one["priority"] = 0
    rank_last(state, replica, request)
    push(state, replica, request)


@inner
def stand_up(state: State, replica: int, place: int) -> int:
    """Takes the request at a place of `running` out of it; those behind move up. Returns the request."""
    engine, running = state.engines[replica], state.running
    request = running[replica, place]
    for i in range(place, engine["running"] - 1):
        running[replica, i] = running[replica, i + 1]
    engine["running"] -= 1
    return int(request)


@inner
def preempt(state: State, replica: int, request: int) -> None:
    """Takes the blocks of a request that is no longer in `running`, and puts it first into the queue.

    Its tokens are computed anew later (recompute). Under priorities, and in TensorRT-LLM's order of arrival, it goes
    where those put it.

    Somebody gets a token at the latest when the longest request could have been computed twice, for the first in line
    is never preempted - unless several are first, and drive each other out for ever.
    """
    one, engine, totals = state.live[request], state.engines[replica], state.totals[0]
    longest = totals["largest"] * state.settings[engine["kind"]]["block"]
    if engine["steps"] - engine["moved"] > 2 * longest + _GRACE:
        totals["endless"] = True
    release(state, replica, request)
    one["status"] = PREEMPTED
    one["computed"] = 0
    one["drafts"] = 0
    one["placeholders"] = 0
    one["stale"] = one["flying"]
    one["preemptions"] += 1
    settings = state.settings[engine["kind"]]
    if settings["policy"] != TRTLLM and not settings["priority"]:
        engine["rank_front"] -= 1
        one["rank"] = engine["rank_front"]
    totals["running"] -= 1
    push(state, replica, request)


@inner
def leave(state: State, replica: int, request: int, status: int) -> None:
    """Writes what became of a request, and frees what it held; `running` is put in order by `close_ranks`."""
    one, totals = state.live[request], state.totals[0]
    if status == DONE:
        part(state, replica, request)
    if one["leg"]:
        hand_over(state, replica, request, status)
        return
    record = state.answered[totals["answered"]]
    totals["answered"] += 1
    record["name"] = one["name"]
    record["arrival_ns"] = one["arrival_ns"]
    record["scheduled_ns"] = one["scheduled_ns"]
    record["first_ns"] = one["first_ns"]
    record["last_ns"] = one["last_ns"]
    record["prompt"] = one["prompt"]
    record["output"] = one["done"]
    record["cached"] = one["cached"]
    record["preemptions"] = one["preemptions"]
    record["retries"] = one["retries"]
    record["replica"] = replica
    record["status"] = status
    record["joules"] = one["joules"]
    take_out(state, replica, request)
    totals["open"] -= 1
    if one["follower"] != NONE:
        add_event(
            state, max(totals["now"], one["last_ns"]) + state.live[one["follower"]]["delay_ns"], SEND, one["follower"]
        )
    if one["partner"] != NONE:
        free_place(state, one["partner"])
    if one["flying"] > 0:
        one["status"] = GONE
    else:
        free_place(state, request)


@inner
def take_out(state: State, replica: int, request: int) -> None:
    """Takes a request away from its engine: out of the queue or of those that run, with its blocks."""
    one = state.live[request]
    refund(state, request)
    if one["skipped"] > 0:
        state.engines[replica]["skipped"] -= 1
        one["skipped"] = 0
    if one["status"] == PREEMPTED or one["status"] == QUEUED:
        _withdraw(state, replica, request)
    elif one["status"] == RUNNING:
        state.totals[0]["running"] -= 1
    elif one["status"] == LOADING:
        state.engines[replica]["away"] -= 1
        state.engines[replica]["loading"] -= 1
        unpin(state, replica, request)
    settle(state, replica, request)
    if one["held"] > 0 and (one["flying"] == 0 or not state.settings[state.engines[replica]["kind"]]["defers"]):
        finish(state, replica, request)


@inner
def _hand_over(state: State, replica: int, leg: int, status: int) -> None:
    """A prefill for another pool has ended: its blocks stay until they are read, unless it was preempted just then."""
    one, totals = state.live[leg], state.totals[0]
    totals["tokens_out"] -= one["done"] - state.live[one["partner"]]["done"]  # thrown away: computed again there
    if status == DONE and one["status"] == RUNNING:
        refund(state, leg)
        totals["running"] -= 1
        state.engines[replica]["away"] += 1
        one["status"] = HELD
    else:
        take_out(state, replica, leg)
        one["status"] = PENDING if status == DONE else ABSENT
    told = one["last_ns"] if state.live[one["partner"]]["status"] != LOADING else 0  # who has blocks for it is sent it
    one["due_ns"] = max(totals["now"] + 1, told)
    add_event(state, one["due_ns"], HANDED, leg)


@inner
def _keep(state: State, replica: int, leg: int, status: int) -> None:
    """There is one pool."""


hand_over = extra(_hand_over, _keep)
"""Ends a prefill for another pool."""


@inner
def _withdraw(state: State, replica: int, request: int) -> None:
    """Takes a request out of the middle of the queue (rare: one that was preempted before its last token came)."""
    live, aside = state.live, NONE
    first = pop(state, replica)
    while first != request:
        live[first]["left"] = aside
        aside = first
        first = pop(state, replica)
    while aside != NONE:
        first = aside
        aside = live[first]["left"]
        push(state, replica, first)


@inner
def close_ranks(state: State, replica: int) -> None:
    """Closes the gaps that requests left in `running`."""
    engine = state.engines[replica]
    kept = 0
    for i in range(engine["running"]):
        request = state.running[replica, i]
        if state.live[request]["status"] == RUNNING:
            state.running[replica, kept] = request
            kept += 1
    engine["running"] = kept
