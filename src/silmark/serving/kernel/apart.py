"""Blocks are told apart from the moment on at which somebody may find something in a prefix cache.

Before, only their numbers are kept: no prompt shares tokens with another, and nobody has lost blocks that he will look
for. So nobody will ever look for a free block, one is as good as another, and it does not matter which ones those who
hold some are given now. That moment comes when a request has ids for its tokens, or just before the first preemption.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.jit import compiled
from silmark.serving.kernel.arenas import least_tables, roomy
from silmark.serving.kernel.blocks import clear, extend, make_known
from silmark.serving.kernel.control import Control
from silmark.serving.kernel.state import BLOCK, KEY, State


def looked_for(control: Control | None) -> bool:
    """Whether requests may look for what they left behind without having been preempted.

    They do if the replica that decodes them fails and they are sent again to one that has prefilled them. A tier fills
    with what they leave behind, wanted or not.
    """
    if control is None:
        return False
    return bool(control.tiers.any()) or (bool(control.rules["split"][0]) and control.changes.size > 0)


def tell_apart(state: State) -> State:
    """Gives every block a place, and those that requests hold their digests."""
    settings, engines, live, totals = state.settings, state.engines, state.live, state.totals
    totals["apart"] = True
    settings["apart"] = settings["digests"]
    blocks, entries = _memory(settings, engines)
    holders = np.flatnonzero(live["held"] > 0)
    of = settings[engines["kind"][live["replica"][holders]]]
    holders, of = holders[of["apart"]], of[of["apart"]]
    rooms = -(-(live["prompt"][holders] + live["output"][holders] + of["spare"]) // of["block"])
    live["room"][holders] = rooms
    live["table"][holders] = np.cumsum(rooms) - rooms
    totals["tables"] = rooms.sum()
    state = state._replace(blocks=blocks, entries=entries, tables=roomy(state.tables, 0, least_tables(state)))
    if state.keys.size > 0:
        state = state._replace(keys=np.zeros(state.tables.size, dtype=KEY))
    _hand_out(state)
    return state


def _memory(settings: NDArray[np.void], engines: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Blocks and tables of digests of all engines; sets where each engine's begin."""
    of = settings[engines["kind"]]
    sizes, entries = (np.where(of["apart"], of[field], 0).astype(np.int64) for field in ("usable", "entries"))
    engines["first_block"] = np.cumsum(sizes) - sizes
    engines["first_entry"] = np.cumsum(entries) - entries
    return np.zeros(int(sizes.sum()), dtype=BLOCK), np.zeros(int(entries.sum()), dtype=np.int64)


@compiled
def _hand_out(state: State) -> None:
    """Makes all free lists, and takes from them what requests hold."""
    for replica in range(state.engines.size):
        if state.settings[state.engines[replica]["kind"]]["apart"]:
            clear(state, replica)
    for request in range(state.live.size):
        one = state.live[request]
        if one["held"] == 0 or not state.settings[state.engines[one["replica"]]["kind"]]["apart"]:
            continue
        replica, held = one["replica"], one["held"]
        state.engines[replica]["free"] += held
        state.totals[0]["free_blocks"] += held
        one["held"] = 0
        extend(state, replica, request, held)
        make_known(state, replica, request, one["known"] // state.settings[state.engines[replica]["kind"]]["block"])
