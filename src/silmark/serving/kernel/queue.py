"""Queues: waiting requests as a skew heap (Sleator and Tarjan 1986), events as a binary heap.

Those whose KV was brought come first, then priority and rank decide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.jit import inner
from silmark.serving.kernel.state import NONE, State
from silmark.serving.kernel.words import LOF

_ARRIVALS = 1 << 32
"""More than the requests of any trace."""


@inner
def _before(live: NDArray[np.void], one: int, other: int) -> bool:
    if live[one]["landed"] != live[other]["landed"]:
        return bool(live[one]["landed"] == 1)
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
def _sooner(time_ns: int, kind: int, serial: int, other: np.void) -> bool:
    """Whether an event comes before another one; no two are equal in this order."""
    if time_ns != other["time_ns"]:
        return bool(time_ns < other["time_ns"])
    if kind != other["kind"]:
        return bool(kind < other["kind"])
    return bool(serial < other["serial"])


@inner
def _write(event: np.void, time_ns: int, kind: int, serial: int, what: int) -> None:
    event["time_ns"] = time_ns
    event["kind"] = kind
    event["serial"] = serial
    event["what"] = what


@inner
def _copy(event: np.void, source: np.void) -> None:
    _write(event, source["time_ns"], source["kind"], source["serial"], source["what"])


@inner
def add_event(state: State, time_ns: int, kind: int, what: int) -> None:
    """Notes what will happen; the caller has made room."""
    events, totals = state.events, state.totals[0]
    place, serial = totals["events"], totals["noted"]
    totals["events"] += 1
    totals["noted"] += 1
    while place > 0 and _sooner(time_ns, kind, serial, events[(place - 1) // 2]):
        _copy(events[place], events[(place - 1) // 2])
        place = (place - 1) // 2
    _write(events[place], time_ns, kind, serial, what)


@inner
def drop_event(state: State) -> None:
    """Takes the earliest event out of the heap."""
    events, totals = state.events, state.totals[0]
    totals["events"] -= 1
    size, place = totals["events"], 0
    last = events[size]
    while 2 * place + 1 < size:
        child = 2 * place + 1
        one = events[child]
        if child + 1 < size and not _sooner(one["time_ns"], one["kind"], one["serial"], events[child + 1]):
            child += 1
        if _sooner(last["time_ns"], last["kind"], last["serial"], events[child]):
            break
        _copy(events[place], events[child])
        place = child
    _copy(events[place], last)
