"""Steps one by one without a clock: a scheduler alone, for a comparison with a recorded one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.jit import compiled
from silmark.serving.kernel.arenas import tables_suffice
from silmark.serving.kernel.batch import complete, newest
from silmark.serving.kernel.dispatch import arrived, let_go
from silmark.serving.kernel.fleet import load
from silmark.serving.kernel.requests import enqueue
from silmark.serving.kernel.state import State
from silmark.serving.policies import schedule


@compiled
def arrive(
    state: State, rows: NDArray[np.void], segments: NDArray[np.void], bounds: NDArray[np.int64], at: int, step: int
) -> int:
    """Puts a row into the queue of the only engine; it arrives at the time `step`. Returns its place."""
    request = load(state, rows, segments, bounds, at, 1)
    state.live[request]["name"] = at
    state.live[request]["arrival_ns"] = step
    state.totals[0]["open"] += 1
    enqueue(state, 0, request)
    return int(request)


@compiled
def bring(state: State, request: int, failed: bool) -> None:
    """A request's KV has come, or has failed to."""
    if failed:
        state.live[request]["computed"] = 0
    arrived(state, request)


@compiled
def release(state: State, request: int) -> None:
    """What an ended request kept for others has been read."""
    let_go(state, request)
    state.totals[0]["open"] -= 1


@compiled
def has_room(state: State) -> bool:
    """Whether all that the next step may admit find room for their block tables."""
    return bool(tables_suffice(state, 0))


@compiled
def next_batch(state: State) -> int:
    """Place in the ring of the batch that `begin` will write."""
    return int(newest(state, 0))


@compiled
def end(state: State) -> None:
    """Takes the oldest batch back."""
    complete(state, 0)


@compiled
def begin(state: State) -> int:
    """Schedules one step, empty or not, and leaves it in flight. Returns how many requests take part."""
    size = schedule(state, 0, 0)
    batch = state.batches[0, newest(state, 0)]
    batch["size"] = size
    batch["tokens"] = 0
    for i in range(size):
        batch["tokens"] += state.members[0, newest(state, 0), i]["tokens"]
    batch["joules"] = 0.0
    state.engines[0]["flying"] += 1
    state.engines[0]["steps"] += 1 if size > 0 else 0
    return int(size)
