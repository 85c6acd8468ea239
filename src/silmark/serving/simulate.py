"""simulate: sends a trace to a fleet of virtual engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.serving.kernel import fleet
from silmark.serving.kernel.apart import looked_for, tell_apart
from silmark.serving.kernel.arenas import pack_segments, pack_tables
from silmark.serving.kernel.clock import Clock
from silmark.serving.kernel.control import Control
from silmark.serving.kernel.make import make, more_places
from silmark.serving.kernel.state import NEVER, State
from silmark.serving.options import EngineOptions
from silmark.workloads.requests import REQUEST, Requests, Trace
from silmark.workloads.traces.rows import joined

Progress = Callable[[int, int], None]
"""Told now and then how many requests have been answered, and the simulated time in nanoseconds."""
Left = Callable[[NDArray[np.void]], bool | None]
"""Told now and then of the requests that left since, of dtype ANSWERED; True says that they need not be kept. What it
raises ends the simulation."""
_ENDING = "true: prompts of one priority take each other's blocks for ever, as they do in vLLM"
_STEP_LOGS = 64
"""Logs of steps that are kept, four million rows: a timeline of more cannot be looked at."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas behind a router.

    Attributes:
        kinds: what each kind of engine is told.
        clock: how long its steps take, by kind.
        replicas: the kind of each replica.
        control: who gets which request, and what happens to replicas; None for round robin and nothing else.
    """

    kinds: tuple[EngineOptions, ...]
    clock: Clock
    replicas: tuple[int, ...] = (0,)
    control: Control | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """What happened.

    Attributes:
        answered: requests in the order in which they left, of dtype ANSWERED; those that had to be kept.
        gaps: pooled times between tokens, counts by the bins of `kernel.gaps`.
        steps: of dtype STEP, the first four million; empty unless asked for.
        moves: KV on its way between replicas, of dtype TRANSFER, the first 65,536; empty unless steps are asked for.
        samples: the fleet at evenly spaced moments, of dtype `kernel.state.SAMPLE`.
        duration_ns: from the first arrival's clock to the last answer.
        paid_ns: by replica, how long it was paid for.
        transfers: KV caches moved between replicas; transfer_ns, transfer_wait_ns: how long that took in sum, and how
            long they waited for a port.
        restored: tokens whose KV was brought back from a tier below the prefix cache.
        busy_ns, joules, steps_run: by replica; joules above idle.
        tokens_in, tokens_out: computed and made.
    """

    fleet: Fleet
    answered: NDArray[np.void]
    gaps: NDArray[np.int64]
    steps: NDArray[np.void]
    moves: NDArray[np.void]
    samples: NDArray[np.void]
    duration_ns: int
    busy_ns: NDArray[np.int64]
    joules: NDArray[np.float64]
    steps_run: NDArray[np.int64]
    paid_ns: NDArray[np.int64]
    transfers: int
    transfer_ns: int
    transfer_wait_ns: int
    restored: int
    tokens_in: int
    tokens_out: int


@dataclass
class _Logs:
    """Pieces of the logs that were taken out of the core.

    Attributes:
        left: told of requests that left.
        answered, steps: what is kept.
    """

    left: Left | None = None
    answered: list[NDArray[np.void]] = field(default_factory=list)
    steps: list[NDArray[np.void]] = field(default_factory=list)

    def take(self, state: State) -> None:
        """Empties the core's logs."""
        totals = state.totals[0]
        answered = state.answered[: totals["answered"]].copy()
        taken = self.left is not None and answered.size > 0 and self.left(answered)
        if not taken or not self.answered:  # at least one piece, if without rows
            self.answered.append(answered[:0] if taken else answered)
        if len(self.steps) < _STEP_LOGS:
            self.steps.append(state.steps[: totals["steps"]].copy())
        totals["answered"] = 0
        totals["steps"] = 0


def simulate(
    fleet_: Fleet,
    trace: Trace,
    *,
    seed: int = 0,
    limit: int = 0,
    timeline: bool = False,
    one_by_one: bool = False,
    progress: Progress | None = None,
    left: Left | None = None,
) -> Simulation:
    """Sends every request of a trace and waits for all answers.

    Args:
        fleet_: who answers.
        trace: who asks.
        seed: of the chances that drafted tokens are kept.
        limit: most requests in flight (vllm bench serve: --max-concurrency); 0 for any number.
        timeline: keep every step.
        one_by_one: never run equal steps together; the result is the same.
        progress: told how far it is.
        left: told of the requests that left, at least after every piece of the trace.
    """
    pieces = whole_chains(trace.chunks())
    state = make(fleet_.kinds, fleet_.clock, fleet_.replicas, seed, fleet_.control)
    if looked_for(fleet_.control):
        state = tell_apart(state)
    totals, logs = state.totals[0], _Logs(left)
    totals["limit"] = limit
    totals["log_steps"] = timeline
    totals["one_by_one"] = one_by_one
    piece, cursor = next(pieces, None) or Requests.unshared(np.zeros(0, dtype=REQUEST)), 0
    following = next(pieces, None)
    while True:
        why, cursor = fleet.run(state, piece.rows, piece.segments, piece.bounds, cursor, following is None)
        if why == fleet.FINISHED:
            break
        if why == fleet.FEED:
            assert following is not None
            piece, cursor, following = following, 0, next(pieces, None)
            if left is not None:
                logs.take(state)
            if progress is not None:
                progress(int(totals["named"]), int(totals["now"]))
        elif why == fleet.DRAIN:
            logs.take(state)
            if progress is not None:
                progress(int(totals["named"]), int(totals["now"]))
        elif why == fleet.MORE_PLACES:
            state = more_places(state, piece.rows.size)
        elif why == fleet.PACK_TABLES:
            state = pack_tables(state)
        elif why == fleet.TELL_APART:
            state = tell_apart(state)
        elif why == fleet.ENDLESS:
            raise BadValue("reserve_full_isl", bool(state.settings["whole"].all()), _ENDING)
        else:
            state = pack_segments(state, piece.segments.size)
    logs.take(state)
    return _result(fleet_, state, logs)


def whole_chains(pieces: Iterator[Requests]) -> Iterator[Requests]:
    """The same requests, cut so that rows that follow one another's answers stay together."""
    held: Requests | None = None
    for piece in pieces:
        whole = piece if held is None else joined([held, piece])
        if not whole.rows.size:
            continue
        starts = np.flatnonzero(whole.rows["delay_ns"] < 0)
        if starts.size == 0:
            raise BadValue("trace", "a row that follows none", "a first row with a time of arrival")
        if starts[-1] > 0:
            yield whole.part(0, int(starts[-1]))
        held = whole.part(int(starts[-1]), whole.rows.size)
    if held is not None:
        yield held


def _result(fleet_: Fleet, state: State, logs: _Logs) -> Simulation:
    totals, count = state.totals[0], len(fleet_.replicas)
    return Simulation(
        fleet=fleet_,
        answered=np.concatenate(logs.answered),
        gaps=state.gaps,
        steps=np.concatenate(logs.steps),
        moves=state.moves[: totals["moves"]],
        samples=state.samples[: totals["samples"]],
        duration_ns=int(totals["now"]),
        busy_ns=state.engines["busy_ns"][:count].copy(),
        joules=state.engines["joules"][:count].copy(),
        steps_run=state.engines["steps"][:count].copy(),
        paid_ns=_paid(state)[:count],
        transfers=int(state.rules["transfers"][0]),
        transfer_ns=int(state.rules["transfer_ns"][0]),
        transfer_wait_ns=int(state.rules["transfer_wait_ns"][0]),
        restored=int(state.rules["restored"][0]),
        tokens_in=int(totals["tokens_in"]),
        tokens_out=int(totals["tokens_out"]),
    )


def _paid(state: State) -> NDArray[np.int64]:
    """Nanoseconds for which each replica was paid, until the end."""
    engines = state.engines
    running = np.maximum(0, int(state.totals["now"][0]) - engines["paid_from"])
    return np.where(engines["paid_from"] == NEVER, engines["paid_ns"], engines["paid_ns"] + running)
