"""What decisions and runs of an engine do with the tier below its cache."""

from __future__ import annotations

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.batch import newest
from silmark.serving.kernel.requests import free_place
from silmark.serving.kernel.state import GONE, NONE, State
from silmark.serving.kernel.tier import ended_blocks, store, use_anew


@inner
def _spill(state: State, replica: int, size: int) -> None:
    """Ends a decision: stores what its step fills, in its order, and then what those left that had ended before."""
    engine = state.engines[replica]
    if engine["tier"] == NONE:
        return
    settings = state.settings[engine["kind"]]
    members = state.members[replica, newest(state, replica)]
    for i in range(size):
        one = state.live[members[i]["live"]]
        tokens = min(one["computed"], one["prompt"] + one["done"] - settings["behind"])
        if tokens >= (one["stored"] + 1) * settings["block"]:
            store(state, replica, members[i]["live"], tokens // settings["block"])
    _see_off(state, replica)
    state.engines[engine["tier"]]["calls"] += 1


@inner
def _see_off(state: State, replica: int) -> None:
    """Does for all that have ended what is left to do."""
    tier = state.engines[replica]["tier"]
    request = state.engines[tier]["root"]
    while request != NONE:
        store(state, replica, request, ended_blocks(state, replica, request))
        request = state.live[request]["next"]
    request = state.engines[tier]["root"]
    while request != NONE:
        one = state.live[request]
        use_anew(state, replica, request)
        one["parting"] = False
        following = one["next"]
        if one["status"] == GONE and one["flying"] == 0:
            free_place(state, request)
        request = following
    state.engines[tier]["root"] = NONE


@inner
def _spill_run(state: State, replica: int, steps: int) -> None:
    """The same for every step of a run, before its tokens are counted."""
    engine = state.engines[replica]
    if engine["tier"] == NONE:
        return
    settings = state.settings[engine["kind"]]
    block, filled = settings["block"], 0 if settings["lookahead"] else 1
    for step in range(steps):
        for i in range(engine["running"]):
            request = state.running[replica, i]
            one = state.live[request]
            tokens = one["computed"] + step + filled
            if tokens >= (one["stored"] + 1) * block:
                store(state, replica, request, tokens // block)
        _see_off(state, replica)
        state.engines[engine["tier"]]["calls"] += 1


@inner
def _catch_up(state: State, replica: int) -> bool:
    """An idle engine goes on deciding until all copies have arrived, which takes it no time; False if they have."""
    tier = state.engines[replica]["tier"]
    if tier == NONE or state.engines[tier]["moved"] <= state.engines[tier]["calls"]:
        return False
    state.engines[tier]["calls"] = state.engines[tier]["moved"]
    return True


@inner
def forget_ended(state: State, replica: int) -> None:
    """A tier is lost, with what those left that have ended."""
    engine = state.engines[state.engines[replica]["tier"]]
    while engine["root"] != NONE:
        one = state.live[engine["root"]]
        one["parting"] = False
        engine["root"] = one["next"]


@inner
def _nothing(state: State, replica: int, count: int) -> None:
    """There are no tiers."""


@inner
def _idle(state: State, replica: int) -> bool:
    """Nothing is under way."""
    return False


spill = extra(_spill, _nothing)
"""Ends a decision."""
spill_run = extra(_spill_run, _nothing)
"""Ends a run's decisions."""
catch_up = extra(_catch_up, _idle)
"""Whether copies had to be waited for, which are there now."""
