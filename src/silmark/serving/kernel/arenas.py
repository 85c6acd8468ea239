"""Arenas: block tables and prompts of varying length, in one array each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.serving.jit import inner
from silmark.serving.kernel.blocks import blocks_for
from silmark.serving.kernel.state import ABSENT, GONE, State


@inner
def seat(state: State, request: int) -> None:
    """Gives a request that is admitted the room of its block table; `tables_suffice` has seen that it is there."""
    one, totals = state.live[request], state.totals[0]
    settings = state.settings[state.engines[one["replica"]]["kind"]]
    if not settings["apart"] or (state.keys.size > 0 and one["room"] > 0):
        return
    one["table"] = totals["tables"]
    one["room"] = blocks_for(one["prompt"] + one["output"] + settings["spare"], settings["block"])
    totals["tables"] += one["room"]


@inner
def tables_suffice(state: State, replica: int) -> bool:
    """Whether all that the next step may admit find room for their block tables."""
    engine, totals = state.engines[replica], state.totals[0]
    settings = state.settings[engine["kind"]]
    if not settings["apart"]:
        return True
    most = engine["waiting"]  # KV is fetched for all that find blocks, a seat or not
    if not state.rules[0]["split"] and not state.rules[0]["restores"]:
        most = min(most, settings["seqs"] - engine["running"])
    need = most * totals["largest"]
    return bool(totals["tables"] + need <= state.tables.size)


def pack_tables(state: State) -> State:
    """Moves the block tables in use to the front; doubles the arena where that leaves less than half of it."""
    live, totals = state.live, state.totals[0]
    keyed = state.keys.size > 0  # digests stay when blocks are given back
    used = (live["room"] > 0) & (live["status"] != ABSENT) if keyed else live["held"] > 0
    starts, sizes = live["table"][used].copy(), live["room"][used]
    tables, live["table"][used] = _packed(state.tables, starts, sizes)
    totals["tables"] = sizes.sum()
    least = least_tables(state)
    state = state._replace(tables=roomy(tables, int(totals["tables"]), least))
    if not keyed:
        return state
    return state._replace(keys=roomy(_packed(state.keys, starts, sizes)[0], int(totals["tables"]), least))


def least_tables(state: State) -> int:
    """Room for the tables that there are, and for those of all that one step may admit."""
    totals, most = state.totals[0], int(state.settings["seqs"].max())
    if state.rules["split"][0] or state.rules["restores"][0]:
        most = max(most, int(totals["waiting"]))  # KV is fetched for all that find blocks
    return int(totals["tables"] + most * totals["largest"])


def pack_segments(state: State, more: int) -> State:
    """Moves the prompts in use to the front; doubles the arena if that leaves less than half, or than `more`."""
    live, totals = state.live, state.totals[0]
    used = ~np.isin(live["status"], (ABSENT, GONE))
    segments, live["segment"][used] = _packed(state.segments, live["segment"][used], live["segments"][used])
    totals["segments"] = live["segments"][used].sum()
    return state._replace(segments=roomy(segments, int(totals["segments"]), int(totals["segments"]) + more))


def _packed(
    arena: NDArray[Any], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """A copy of an arena with the pieces in use one after the other, and where they start."""
    moved = np.cumsum(sizes) - sizes
    within = np.arange(int(sizes.sum())) - np.repeat(moved, sizes)
    packed = np.zeros_like(arena)
    packed[: within.size] = arena[np.repeat(starts, sizes) + within]
    return packed, moved


def roomy(arena: NDArray[Any], used: int, least: int) -> NDArray[Any]:
    """The arena, or a larger copy."""
    if least <= arena.size and 2 * used <= arena.size:
        return arena
    grown = np.zeros(max(2 * arena.size, least), dtype=arena.dtype)
    grown[:used] = arena[:used]
    return grown
