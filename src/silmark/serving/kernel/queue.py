"""Queues: waiting requests as a skew heap by priority and rank (Sleator and Tarjan 1986), events as a binary heap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.jit import inner
from silmark.serving.kernel.state import LOF, NONE, State

_ARRIVALS = 1 << 32
"""More than the requests of any trace."""


@inner
def _before(live: NDArray[np.void], one: int, other: int) -> bool:
    if live[one]["priority"] != live[other]["priority"]:
        return bool(live[one]["priority"] < live[other]["priority"])
    return bool(live[one]["rank"] < live[other]["rank"])


@inner
def _merge(live: NDArray[np.void], one: int, other: int) -> int:
    """The root of both heaps joined: walks down the right spines, and swaps the children of each node passed."""
    if one == NONE:
        return other
    if other == NONE:
        return one
    if _before(live, other, one):
        one, other = other, one
    root = one
    while True:
        child = live[one]["right"]
        live[one]["right"] = live[one]["left"]
        if child == NONE:
            live[one]["left"] = other
            return root
        if _before(live, other, child):
            child, other = other, child
        live[one]["left"] = child
        one = child


@inner
def push(state: State, replica: int, request: int) -> None:
    """Puts a request where its rank says among the waiting of an engine."""
    engine, live = state.engines[replica], state.live
    live[request]["left"] = NONE
    live[request]["right"] = NONE
    engine["root"] = _merge(live, engine["root"], request)
    engine["waiting"] += 1
    engine["stuck"] = 0
    state.totals[0]["waiting"] += 1


@inner
def rank_last(state: State, replica: int, request: int) -> None:
    """Places a request behind the waiting of its priority; where the longest answers go first, behind those as long."""
    engine, one = state.engines[replica], state.live[request]
    settings = state.settings[engine["kind"]]
    one["rank"] = engine["rank_back"]
    engine["rank_back"] += 1
    if settings["order"] == LOF:
        one["rank"] -= np.int64(max(one["output"], settings["stated"])) * _ARRIVALS


@inner
def pop(state: State, replica: int) -> int:
    """Takes the next waiting request of an engine."""
    engine, live = state.engines[replica], state.live
    request = engine["root"]
    engine["root"] = _merge(live, live[request]["left"], live[request]["right"])
    engine["waiting"] -= 1
    state.totals[0]["waiting"] -= 1
    return int(request)


@inner
def add_event(state: State, time_ns: int, kind: int, what: int) -> None:
    """Notes what will happen; the caller has made room."""
    events, totals = state.events, state.totals[0]
    place = totals["events"]
    totals["events"] += 1
    while place > 0:
        parent = (place - 1) // 2
        if events[parent]["time_ns"] <= time_ns:
            break
        events[place]["time_ns"] = events[parent]["time_ns"]
        events[place]["kind"] = events[parent]["kind"]
        events[place]["what"] = events[parent]["what"]
        place = parent
    events[place]["time_ns"] = time_ns
    events[place]["kind"] = kind
    events[place]["what"] = what


@inner
def drop_event(state: State) -> None:
    """Takes the earliest event out of the heap."""
    events, totals = state.events, state.totals[0]
    totals["events"] -= 1
    last = totals["events"]
    time_ns, kind, what = events[last]["time_ns"], events[last]["kind"], events[last]["what"]
    place = 0
    while 2 * place + 1 < last:
        child = 2 * place + 1
        if child + 1 < last and events[child + 1]["time_ns"] < events[child]["time_ns"]:
            child += 1
        if events[child]["time_ns"] >= time_ns:
            break
        events[place]["time_ns"] = events[child]["time_ns"]
        events[place]["kind"] = events[child]["kind"]
        events[place]["what"] = events[child]["what"]
        place = child
    events[place]["time_ns"] = time_ns
    events[place]["kind"] = kind
    events[place]["what"] = what
