"""Replayed transfers of KV: what comes to an engine, and what it keeps for others, counted in steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.kernel.control import Control, plain
from silmark.serving.kernel.state import HELD, LOADING, NONE, PENDING, State
from silmark.serving.kernel.stepping import bring, release
from silmark.serving.scenario import Scenario, Transfers


def led(scenario: Scenario) -> Control | None:
    """How the engine is led: with a place for the source of each request's KV, and a tier below its cache."""
    if scenario.transfers is None:
        return None
    control = plain(1, 1)
    control.rules["split"] = True
    control.rules["restores"] = scenario.transfers.tier > 0
    links = control.links._replace(tier_steps=np.array([scenario.transfers.store]))
    return control._replace(links=links, tiers=np.array([scenario.transfers.tier]))


def longest(transfers: Transfers | None) -> int:
    """Steps that pass at most while nothing but transfers goes on."""
    if transfers is None:
        return 0
    copies = (transfers.store + transfers.restore) * len(transfers.fetch) if transfers.tier else 0
    return sum(transfers.fetch) + sum(transfers.hold) + copies


def kept(state: State, batch: NDArray[np.int64]) -> list[int]:
    """Rows of a batch that has returned whose requests ended and are kept for others."""
    live = state.live[batch]
    ended = (live["leg"] == 1) & np.isin(live["status"], (HELD, PENDING)) & (live["done"] >= live["output"])
    return [int(row) for row in live["name"][ended]]


class Journal:
    """Which transfers are under way, and the step before which each one ends."""

    def __init__(self, transfers: Transfers | None) -> None:
        self._told = transfers
        self._asked: set[int] = set()
        self._places: dict[int, int] = {}
        self.due: dict[int, int] = {}

    def note(self, state: State, place: int) -> None:
        """A request has come."""
        if self._told is None:
            return
        one, row = state.live[place], int(state.live["name"][place])
        if self._told.fetch[row]:
            source = state.live[one["partner"]]
            source["status"], source["replica"], source["held"] = HELD, 0, 0
            state.engines["away"][0] += 1
            one["fetch"] = one["prompt"]
        if self._told.hold[row]:
            one["leg"] = 1
            self._places[place] = row

    def end(self, state: State, step: int) -> None:
        """Ends what ends before a step."""
        if self._told is None:
            return
        state.totals["events"] = 0  # these count steps, not time
        for place in [place for place, due in self.due.items() if due <= step]:
            del self.due[place]
            if state.live["status"][place] == HELD:
                release(state, place)
                continue
            row = int(state.live["name"][place])
            bring(state, place, bool(self._told.fails[row] and row not in self._asked))
            self._asked.add(row)

    def goes_on(self, state: State) -> bool:
        """Whether something is under way that somebody may wait for."""
        tier = state.engines[state.engines["tier"][0]]
        return bool(self.due) or bool(state.engines["tier"][0] != NONE and tier["moved"] > tier["calls"])

    def begun(self, state: State, step: int) -> list[int]:
        """Rows whose KV is on the way after a decision; notes those for which it was asked just then."""
        if self._told is None:
            return []
        places = np.flatnonzero(state.live["status"] == LOADING)
        rows = [int(row) for row in state.live["name"][places]]
        for place, row in zip(places.tolist(), rows, strict=True):
            first = self._told.fetch[row] if row not in self._asked else 0
            self.due.setdefault(place, step + (first or self._told.restore))
        return rows

    def ended(self, state: State, step: int) -> None:
        """Notes the blocks that requests keep which ended just then."""
        for place, row in list(self._places.items()):
            one = state.live[place]
            if one["status"] == HELD:
                self.due[place] = step + self._told.hold[row]  # type: ignore[union-attr]
            elif one["status"] != PENDING:
                continue
            else:  # it was preempted before its last token came: nothing to keep
                state.totals["open"] -= 1
            del self._places[place]
