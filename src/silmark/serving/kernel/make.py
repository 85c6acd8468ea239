"""Makes the arrays of a simulation, and larger ones when they run full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from silmark.serving.kernel.clock import Clock
from silmark.serving.kernel.control import Control, plain
from silmark.serving.kernel.gaps import BINS
from silmark.serving.kernel.radix_nodes import NODE, RUN
from silmark.serving.kernel.rules import POWER_OF_TWO, RANDOM, ROUND_ROBIN
from silmark.serving.kernel.settings import row
from silmark.serving.kernel.state import (
    BATCH,
    BLOCK,
    DOWN,
    ENGINE,
    EVENT,
    FAILED,
    FIRST_RATIO,
    KEY,
    LIVE,
    MEMBER,
    NEVER,
    NONE,
    SAMPLE,
    TOTALS,
    UP,
    State,
)
from silmark.serving.kernel.words import SGLANG, mark
from silmark.serving.options import EngineOptions
from silmark.serving.records import ANSWERED, STEP, TRANSFER
from silmark.workloads.requests import SEGMENT

_PLACES, _LOG, _ARENA, _SAMPLES = 4096, 1 << 16, 1 << 16, 4096
_FIRST_SAMPLE_NS = 1_000_000
_SORTED = 128
"""Most waiting requests that are put in order at once."""


def make(
    kinds: Sequence[EngineOptions],
    clock: Clock,
    replicas: Sequence[int],
    seed: int = 0,
    control: Control | None = None,
) -> State:
    """A fleet at rest.

    Args:
        kinds: the engines' settings, by kind.
        clock: their times, by kind.
        replicas: the kind of each replica.
        seed: of chances.
        control: how the fleet is led; None for round robin and nothing else.
    """
    control = control or plain(len(kinds), len(replicas))
    settings = np.concatenate([row(options) for options in kinds])
    engines = np.zeros(len(replicas), dtype=ENGINE)
    engines["kind"] = replicas
    engines["pool"] = control.pools
    engines["up"] = np.where(np.arange(engines.size) < control.up, UP, DOWN)
    engines["paid_from"] = np.where(engines["up"] == UP, 0, NEVER)
    engines["ready_ns"] = NEVER
    engines["port"] = 1.0
    engines["root"] = NONE
    engines["next_ns"] = NEVER
    engines["end_ns"] = -1
    engines["prefill_step"] = -settings["interval"][engines["kind"]]
    engines["seed"] = seed
    engines["tier"] = NONE
    if control.tiers.any():
        settings, engines = _with_tiers(settings, engines, control.tiers)
    engines["ratio"] = np.minimum(FIRST_RATIO * settings["conservativeness"], 1.0)[engines["kind"]]
    engines["free"] = settings["usable"][engines["kind"]]
    nodes, runs, edges = _trees(settings, engines)
    seqs, depth = int(settings["seqs"].max()), int(settings["depth"].max())
    totals = np.zeros(1, dtype=TOTALS)
    totals["sample_every"] = _FIRST_SAMPLE_NS
    totals["free_blocks"] = engines["free"][: len(replicas)].sum()
    totals["made_step"] = 1
    totals["stopped"] = NONE
    longest = int(settings["length"].max()) // int(settings["block"].min()) + 1
    state = State(
        led=np.zeros(0, dtype=np.int64 if _is_led(control) else np.int32),
        policies=np.zeros(0, dtype=mark({options.policy for options in kinds})),
        settings=settings,
        clock=clock,
        engines=engines,
        live=np.zeros(0, dtype=LIVE),
        running=np.zeros((engines.size, seqs), dtype=np.int64),
        batches=np.zeros((engines.size, depth), dtype=BATCH),
        members=np.zeros((engines.size, depth, seqs), dtype=MEMBER),
        blocks=np.zeros(0, dtype=BLOCK),
        entries=np.zeros(0, dtype=np.int64),
        tables=np.zeros(_ARENA, dtype=np.int64),
        keys=np.zeros(_ARENA if control.tiers.any() else 0, dtype=KEY),
        segments=np.zeros(_ARENA, dtype=SEGMENT),
        nodes=nodes,
        runs=runs,
        edges=edges,
        hits=np.zeros(max(longest, _SORTED), dtype=np.int64),
        order=np.zeros(max(seqs, _SORTED), dtype=np.int64),
        events=np.zeros(2 * seqs + 2 * _PLACES, dtype=EVENT),
        answered=np.zeros(max(_LOG, 8 * seqs), dtype=ANSWERED),
        steps=np.zeros(_LOG, dtype=STEP),
        moves=np.zeros(_LOG if control.rules["split"][0] else 0, dtype=TRANSFER),
        samples=np.zeros(_SAMPLES, dtype=SAMPLE),
        gaps=np.zeros(BINS, dtype=np.int64),
        totals=totals,
        rules=control.rules.copy(),
        changes=control.changes,
        links=control.links,
        costs=np.zeros(engines.size),
    )
    totals["free_live"] = NONE
    return more_places(state, _PLACES)


def _is_led(control: Control) -> bool:
    """Whether more happens than that replicas take turns."""
    rules = control.rules[0]
    taking_turns = rules["router"] in (ROUND_ROBIN, RANDOM, POWER_OF_TWO) and control.up == control.pools.size
    quiet = rules["outside_ns"] == NEVER and control.changes.size == 0 and not control.tiers.any()
    return bool(rules["split"] or not (taking_turns and quiet))


def _with_tiers(
    settings: NDArray[np.void], engines: NDArray[np.void], tiers: NDArray[np.int64]
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """A row more for the tier of each replica that has one: never up, with blocks and digests of its own."""
    having = np.flatnonzero(tiers)
    own, rows = settings[engines["kind"][having]], engines[having]
    own["usable"] = tiers[having]
    own["entries"] = [1 << (2 * int(size)).bit_length() for size in tiers[having]]
    rows["kind"] = settings.size + np.arange(having.size)
    rows["up"] = FAILED
    engines["tier"][having] = engines.size + np.arange(having.size)
    return np.concatenate([settings, own]), np.concatenate([engines, rows])


def _trees(
    settings: NDArray[np.void], engines: NDArray[np.void]
) -> tuple[NDArray[np.void], NDArray[np.void], NDArray[np.int64]]:
    """Empty radix trees, each no more than a root; memory is taken from the machine where it is first written."""
    of = settings[engines["kind"]]
    here = of["policy"] == SGLANG
    pages = np.where(here, of["usable"] + 1, 0).astype(np.int64)
    tokens = pages * of["block"]
    edges = np.where(here, of["entries"], 0)
    for field, sizes in (("first_node", pages), ("first_run", tokens), ("first_edge", edges)):
        engines[field] = np.cumsum(sizes) - sizes
    engines["nodes"] = here
    for field in ("chunked", "free_node", "free_run", "oldest_leaf", "newest_leaf", "first_standing"):
        engines[field] = NONE
    nodes = np.zeros(int(pages.sum()), dtype=NODE)
    nodes["parent"][engines["first_node"][here]] = NONE
    return nodes, np.zeros(int(tokens.sum()), dtype=RUN), np.zeros(int(edges.sum()), dtype=np.int64)


def more_places(state: State, least: int) -> State:
    """With room for twice as many requests in flight, and at least so many more."""
    size = state.live.size
    live = np.zeros(max(2 * size, size + least), dtype=LIVE)
    live[:size] = state.live
    added = np.arange(size, live.size, dtype=np.int64)
    live["left"][size:] = added + 1
    live["left"][-1] = state.totals["free_live"][0]
    state.totals["free_live"] = size
    state.totals["places"] += added.size
    events = np.zeros(state.events.size + 2 * added.size, dtype=EVENT)
    events[: state.events.size] = state.events
    return state._replace(live=live, events=events)
