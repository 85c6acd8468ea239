"""The event loop: requests arrive, engines act, and what happens first is done first.

At equal times arrivals come before engines, so that a step sees every request that is there when it is decided.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.jit import compiled, inner
from silmark.serving.kernel.arenas import tables_suffice
from silmark.serving.kernel.changes import outside
from silmark.serving.kernel.dispatch import happen, send
from silmark.serving.kernel.engine import turn
from silmark.serving.kernel.logs import sample
from silmark.serving.kernel.requests import begin_anew
from silmark.serving.kernel.settle import settle_for_routers
from silmark.serving.kernel.state import AGAIN, NEVER, NONE, PENDING, SEND, State

FEED, DRAIN, MORE_PLACES, PACK_TABLES, PACK_SEGMENTS, TELL_APART, ENDLESS, FINISHED = range(8)
"""Why the loop returns: it needs more rows; the logs are full; places, block tables or prompts need room; blocks must
be told apart; requests preempt each other for ever; all is done."""


@compiled
def run(
    state: State, rows: NDArray[np.void], segments: NDArray[np.void], bounds: NDArray[np.int64], cursor: int, last: bool
) -> tuple[int, int]:
    """Goes on until rows are used up or Python must help.

    Args:
        state: of the fleet.
        rows, segments, bounds: some requests, as in workloads.requests.Requests; rows that follow one another together.
        cursor: the next row.
        last: no rows come after these.

    Returns:
        Why it returns, and the next row.
    """
    totals = state.totals[0]
    if totals["stopped"] != NONE:
        _act(state, totals["stopped"])
        sample(state)
    while True:
        if _logs_full(state):
            return DRAIN, cursor
        if cursor == rows.size and not last:
            return FEED, cursor
        replica = _first_engine(state)
        engine_ns = state.engines[replica]["next_ns"]
        event_ns = state.events[0]["time_ns"] if totals["events"] > 0 else NEVER
        arrival_ns = NEVER
        if cursor < rows.size and (totals["limit"] == 0 or totals["open"] < totals["limit"]):
            arrival_ns = max(rows[cursor]["arrival_ns"], totals["now"])
        first = min(engine_ns, event_ns, arrival_ns)
        if outside(state, first):
            continue
        if first == NEVER:
            return FINISHED, cursor
        if arrival_ns == first:
            chain = _chain(rows, cursor)
            missing = _missing(state, chain, bounds[cursor + chain] - bounds[cursor])
            if missing != NONE:
                return missing, cursor
            totals["now"] = first
            request = load(state, rows, segments, bounds, cursor, chain)
            cursor += chain
            settle_for_routers(state)
            send(state, request)
        elif event_ns == first:
            totals["now"] = first
            if state.events[0]["kind"] == SEND or state.events[0]["kind"] == AGAIN:
                settle_for_routers(state)
            happen(state)
        else:
            if not tables_suffice(state, replica):
                return PACK_TABLES, cursor
            totals["now"] = first
            missing = _act(state, replica)
            if missing != NONE:
                return missing, cursor
        sample(state)


@inner
def _logs_full(state: State) -> bool:
    """Whether one more turn of an engine could overflow a log or the events."""
    totals = state.totals[0]
    most = state.running.shape[1] + 1
    steps = (state.batches.shape[1] + 1) * state.engines.size  # a router may settle them all
    return bool(
        totals["answered"] + 4 * most > state.answered.size  # those that end, and three times those that sit down
        or totals["steps"] + steps > state.steps.size
        or totals["events"] + most > state.events.size
    )


@inner
def _missing(state: State, chain: int, segments: int) -> int:
    """What Python must do before so many rows with so many segments can be loaded; NONE if nothing."""
    totals = state.totals[0]
    if totals["places"] < chain * (2 if state.rules[0]["split"] else 1):
        return MORE_PLACES
    if segments > 0 and not totals["apart"]:
        return TELL_APART
    if totals["segments"] + segments > state.segments.size:
        return PACK_SEGMENTS
    return NONE


@inner
def _act(state: State, replica: int) -> int:
    """An engine's turn. Returns what Python must do before the turn can end; NONE if it has ended."""
    totals = state.totals[0]
    totals["stopped"] = NONE
    turn(state, replica)
    if totals["stopped"] != NONE:
        return TELL_APART
    return ENDLESS if totals["endless"] else NONE


@inner
def _first_engine(state: State) -> int:
    first = 0
    for replica in range(1, state.engines.size):
        if state.engines[replica]["next_ns"] < state.engines[first]["next_ns"]:
            first = replica
    return first


@inner
def _chain(rows: NDArray[np.void], cursor: int) -> int:
    """How many rows a row brings along: itself, and those that follow one another's answers."""
    end = cursor + 1
    while end < rows.size and rows[end]["delay_ns"] >= 0:
        end += 1
    return end - cursor


@inner
def _take_place(state: State) -> int:
    totals = state.totals[0]
    place = totals["free_live"]
    totals["free_live"] = state.live[place]["left"]
    totals["places"] -= 1
    return int(place)


@inner
def _reset(one: np.void) -> None:
    """A request that nothing has happened to."""
    begin_anew(one)
    one["arrival_ns"] = NONE
    one["status"] = PENDING
    one["replica"] = NONE
    one["scheduled_ns"] = NONE
    one["first_ns"] = NONE
    one["last_ns"] = NONE
    one["joules"] = 0.0
    one["done"] = 0
    one["cached"] = 0
    one["preemptions"] = 0
    one["retries"] = 0
    one["partner"] = NONE
    one["leg"] = 0
    one["fetch"] = 0
    one["parting"] = 0
    one["due_ns"] = NONE
    one["charge"] = 0
    one["share"] = 0


@inner
def load(
    state: State,
    rows: NDArray[np.void],
    segments: NDArray[np.void],
    bounds: NDArray[np.int64],
    cursor: int,
    count: int,
) -> int:
    """Gives rows places in `live`, each followed by the next. Returns the first."""
    totals, live = state.totals[0], state.live
    follower = NONE
    for at in range(cursor + count - 1, cursor - 1, -1):
        row = rows[at]
        place = _take_place(state)
        one = live[place]
        _reset(one)
        one["name"] = totals["named"] + at - cursor
        one["delay_ns"] = row["delay_ns"]
        one["prompt"] = row["prompt"]
        one["output"] = row["output"]
        one["priority"] = row["priority"]
        one["session"] = row["session"]
        one["made"] = row["made"]
        totals["answers"] = totals["answers"] or row["made"] != NONE
        one["follower"] = follower
        one["segment"] = totals["segments"]
        one["segments"] = bounds[at + 1] - bounds[at]
        for i in range(bounds[at], bounds[at + 1]):
            state.segments[totals["segments"]]["start"] = segments[i]["start"]
            state.segments[totals["segments"]]["length"] = segments[i]["length"]
            totals["segments"] += 1
        if state.rules[0]["split"]:
            one["partner"] = _take_place(state)
        follower = place
    totals["named"] += count
    return int(follower)
