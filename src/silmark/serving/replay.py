"""Replay: what the scheduler decides in a scenario, step by step, in the form in which vLLM's own has been recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from silmark.errors import BadValue
from silmark.serving.kernel.apart import tell_apart
from silmark.serving.kernel.arenas import pack_tables
from silmark.serving.kernel.clock import even
from silmark.serving.kernel.make import make, more_places
from silmark.serving.kernel.state import HELD, PENDING, PREEMPTED, QUEUED, State
from silmark.serving.kernel.stepping import arrive, begin, end, has_room, next_batch
from silmark.serving.replay_kv import Journal, kept, led, longest
from silmark.serving.scenario import Scenario

Step = dict[str, Any]
_MOST_ENTRIES = 50_000_000
"""Names and numbers in all steps: a gigabyte or so."""


def replay(scenario: Scenario) -> list[Step]:
    """The steps of a scenario.

    A step is one decision of the scheduler: `sched` (tokens by request), `total`, `new` (cached tokens of those
    admitted), `preempted`, `running`, `waiting` and `free_blocks` right after it, then `tokens` (made) and `finished`
    of the batch that returns before the next decision.

    Raises:
        BadValue: some request can never start, or none ever ends: without reserve_full_isl prompts of one priority may
            take each other's blocks for ever, in vLLM too.
    """
    steps: list[Step] = []
    entries, made = 0, 0
    patience = int(scenario.requests.rows["prompt"].sum()) + max(scenario.arrive_step) + 1000
    patience += longest(scenario.transfers)
    for _, step in decisions(scenario):
        steps.append(step)
        made = step["step"] if step["tokens"] else made
        if step["step"] - made > patience:
            raise BadValue("scenario", step["running"][:2], "requests that do not preempt each other for ever")
        entries += 1 + len(step["sched"]) + len(step["running"]) + len(step["waiting"])
        if entries > _MOST_ENTRIES:
            raise BadValue("scenario", len(steps), "fewer steps, or fewer requests that wait")
    return steps


def decisions(scenario: Scenario) -> Iterator[tuple[State, Step]]:
    """The same one by one, each with the state of the engine after it."""
    state = _state(scenario)
    rows, steps, coming = scenario.requests, scenario.arrive_step, _arrivals(scenario)
    number, depth = 0, state.batches.shape[1]
    transfers = Journal(scenario.transfers)
    while coming or state.totals["open"][0] > 0:
        transfers.end(state, number)
        while coming and steps[coming[-1]] <= number:
            at = coming.pop()
            transfers.note(state, arrive(state, rows.rows, rows.segments, rows.bounds, at, steps[at]))
        if not has_room(state):
            state = pack_tables(state)
        step: Step = {"step": number} | _decide(state, scenario.names)
        if loading := transfers.begun(state, number):
            step["loading"] = sorted(scenario.names[row] for row in loading)
        if state.engines["flying"][0] == depth:
            step["tokens"], step["finished"] = _return(state, scenario.names)
            transfers.ended(state, number)
        yield state, step
        number += 1
        waits = not coming and state.totals["open"][0] > 0 and not transfers.goes_on(state) and not step["preempted"]
        if waits and not state.batches["size"][0].any():
            raise BadValue("scenario", step["waiting"][0], "requests that can start: this one never can")


def _state(scenario: Scenario) -> State:
    """An engine at rest, with room for everything that the scenario holds."""
    options, requests = scenario.options, scenario.requests
    state = tell_apart(make((options,), even((options,)), (0,), control=led(scenario)))
    state.totals["made_step"] = 0  # every generated token is the same
    blocks = -(-(requests.rows["prompt"] + requests.rows["output"] + options.draft_tokens) // options.block_size)
    state.totals["largest"] = blocks.max()
    state = state._replace(
        segments=np.zeros(requests.segments.size, dtype=state.segments.dtype),
        answered=np.zeros(requests.rows.size, dtype=state.answered.dtype),
    )
    return more_places(state, requests.rows.size)


def _arrivals(scenario: Scenario) -> list[int]:
    """Rows in the reverse of the order in which they join the queue: among equals, priorities go by id (vLLM)."""
    steps, names = scenario.arrive_step, scenario.names
    if scenario.options.priority:
        return sorted(range(len(names)), key=lambda row: (steps[row], names[row]), reverse=True)
    return sorted(range(len(names)), key=lambda row: (steps[row], row), reverse=True)


def _decide(state: State, names: tuple[str, ...]) -> Step:
    """One decision, and how things stand after it."""
    engine, place = state.engines[0], next_batch(state)
    before = state.running[0, : engine["running"]].tolist()
    size = begin(state)
    members = state.members[0, place, :size]
    running = state.running[0, : engine["running"]].tolist()
    row = state.live["name"]
    tokens = dict(zip(members["live"].tolist(), members["tokens"].tolist(), strict=True))
    held = set(before)
    return {
        "sched": {names[row[one]]: count for one, count in tokens.items()},
        "total": sum(tokens.values()),
        "new": {names[row[one]]: int(state.live["computed"][one]) - tokens[one] for one in running if one not in held},
        "preempted": sorted(names[row[one]] for one in held.difference(running)),
        "running": [names[row[one]] for one in running],
        "waiting": [names[row[one]] for one in _waiting(state)],
        "free_blocks": int(engine["free"]),
        "tokens": {},
        "finished": [],
    }


def _waiting(state: State) -> list[int]:
    """Places of the waiting in the order of the queue."""
    live = state.live
    places = np.flatnonzero((live["status"] == QUEUED) | (live["status"] == PREEMPTED))
    order = np.lexsort((live["rank"][places], live["priority"][places], live["landed"][places] == 0))
    return [int(place) for place in places[order]]


def _return(state: State, names: tuple[str, ...]) -> tuple[dict[str, int], list[str]]:
    """The oldest batch returns: tokens made by request, and who is finished."""
    place = state.engines["oldest"][0]
    batch = state.members[0, place, : state.batches["size"][0, place]]["live"].copy()
    batch = batch[~np.isin(state.live["status"][batch], (HELD, PENDING))]  # who has ended makes nothing more
    rows, done, left = state.live["name"][batch], state.live["done"][batch], int(state.totals["answered"][0])
    end(state)
    made = (state.live["done"][batch] - done).tolist()
    finished = state.answered["name"][left : int(state.totals["answered"][0])].tolist()
    finished += kept(state, batch)
    return (
        {names[row]: count for row, count in zip(rows.tolist(), made, strict=True) if count},
        sorted(names[row] for row in finished),
    )
