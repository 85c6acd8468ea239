"""What happens to replicas from outside: they fail and come back, run slower, are started and switched off.

All replicas are settled before.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.blocks import clear
from silmark.serving.kernel.charges import refund
from silmark.serving.kernel.dispatch import again, let_go, unpark, wake
from silmark.serving.kernel.radix_nodes import uproot
from silmark.serving.kernel.requests import begin_anew, free_place, leave, take_out
from silmark.serving.kernel.rules import PREFILL, QUEUE, SEATS
from silmark.serving.kernel.settle import settle_all
from silmark.serving.kernel.spill import forget_ended
from silmark.serving.kernel.state import (
    ABSENT,
    DOWN,
    DRAINING,
    FAILED,
    GONE,
    HELD,
    LOADING,
    NEVER,
    NONE,
    PARKED,
    PENDING,
    STARTING,
    UP,
    State,
)
from silmark.serving.kernel.words import SGLANG
from silmark.serving.records import LOST

_STRUCK = -2
"""A time for `due_ns`: its replica has just failed."""
_TOLERANCE = 0.1
"""Kubernetes' horizontal pod autoscaler does nothing as long as it is this near its target."""


@inner
def _outside(state: State, first: int) -> bool:
    """Does what is due before the next arrival, event or step, of which `first` is the time; whether anything was."""
    rules = state.rules[0]
    if rules["outside_ns"] > first or (first == NEVER and rules["parked"] == NONE):
        return False
    if rules["outside_ns"] == NEVER:
        _give_up(state)
        return True
    state.totals[0]["now"] = rules["outside_ns"]
    settle_all(state)
    _from_outside(state)
    return True


@inner
def _nothing(state: State, first: int) -> bool:
    """Nothing happens to replicas."""
    return False


outside = extra(_outside, _nothing)
"""Changes of replicas that are due."""


@inner
def _from_outside(state: State) -> None:
    """Does one thing that is due, and notes when the next one is."""
    rules, now = state.rules[0], state.totals[0]["now"]
    started = _first_ready(state)
    if rules["change"] < state.changes.size and state.changes[rules["change"]]["time_ns"] <= now:
        rules["change"] += 1
        _change(state, rules["change"] - 1)
    elif started != NONE and state.engines[started]["ready_ns"] <= now:
        state.engines[started]["up"] = UP
        state.engines[started]["ready_ns"] = NEVER
        unpark(state)
    elif rules["tick_ns"] <= now:
        rules["tick_ns"] += rules["every_ns"]
        _scale(state)
    started = _first_ready(state)
    rules["outside_ns"] = rules["tick_ns"]
    if rules["change"] < state.changes.size:
        rules["outside_ns"] = min(rules["outside_ns"], state.changes[rules["change"]]["time_ns"])
    if started != NONE:
        rules["outside_ns"] = min(rules["outside_ns"], state.engines[started]["ready_ns"])


@inner
def _give_up(state: State) -> None:
    """No replica will come up any more: the first of the requests that wait for one is lost."""
    rules = state.rules[0]
    request = rules["parked"]
    rules["parked"] = state.live[request]["left"]
    leave(state, state.live[request]["replica"], request, LOST)


@inner
def _first_ready(state: State) -> int:
    """The replica that has started first of those that start."""
    first = NONE
    for replica in range(state.engines.size):
        if state.engines[replica]["up"] == STARTING and (
            first == NONE or state.engines[replica]["ready_ns"] < state.engines[first]["ready_ns"]
        ):
            first = replica
    return first


@inner
def _change(state: State, place: int) -> None:
    """A replica changes its kind, its links, or whether it works at all."""
    change = state.changes[place]
    replica = change["replica"]
    engine = state.engines[replica]
    engine["kind"] = change["kind"]
    engine["port"] = change["port"]
    if change["up"] == 0 and engine["up"] != DOWN and engine["up"] != FAILED:
        _fail(state, replica)
    elif change["up"] == 1 and engine["up"] == FAILED:
        engine["up"] = UP
        unpark(state)


@inner
def _fail(state: State, replica: int) -> None:
    """A replica and all that it holds is lost; its requests are sent again, or are lost too."""
    state.engines[replica]["up"] = FAILED
    state.engines[replica]["ready_ns"] = NEVER
    _empty(state, replica)
    for request in range(state.live.size):
        if _is_there(state, replica, request):
            _strike(state, request)
    order, request = 0, _next_struck(state)
    while request != NONE:
        _send_on(state, request, order)
        order, request = order + 1, _next_struck(state)


@inner
def _next_struck(state: State) -> int:
    """Of the requests that the failure has struck, the one that comes first in the trace; NONE if there is none left.

    Their places in `live` say nothing: they depend on when others were taken off the books.
    """
    first = NONE
    for request in range(state.live.size):
        one = state.live[request]
        if one["due_ns"] == _STRUCK and (first == NONE or one["name"] < state.live[first]["name"]):
            first = request
    return first


@inner
def _send_on(state: State, request: int, order: int) -> None:
    """Sends a request anew that a failure has struck, or that of which it has struck the prefill."""
    one = state.live[request]
    one["due_ns"] = NONE
    whole = one["partner"] if one["leg"] == 1 else request
    other = state.live[whole]
    if one["leg"] == 1:
        take_out(state, other["replica"], whole)
        wake(state, other["replica"])
    elif one["partner"] != NONE and state.live[one["partner"]]["status"] == HELD:
        let_go(state, one["partner"])
        wake(state, state.live[one["partner"]]["replica"])
    elif one["partner"] != NONE:
        refund(state, one["partner"])  # a prefill that had not begun
    again(state, whole, order)


@inner
def _is_there(state: State, replica: int, request: int) -> bool:
    """Whether a failing replica takes a request along.

    One that is being prefilled elsewhere is not there yet: it learns of the failure when it wants to go there.
    """
    one = state.live[request]
    status = one["status"]
    if one["replica"] != replica or status in (ABSENT, PARKED):
        return False
    if status == GONE:
        free_place(state, request)
        return False
    if status == LOADING and _prefilled_elsewhere(state, one):  # the blocks that waited for its KV are gone
        begin_anew(one)
        one["status"] = PENDING
        return False
    if status != PENDING:
        return True
    return bool(one["share"] > 0 and not _prefilled_elsewhere(state, one))


@inner
def _prefilled_elsewhere(state: State, one: np.void) -> bool:
    """Whether another replica is at work on a request's prompt."""
    if one["partner"] == NONE or one["leg"] == 1:
        return False
    leg = state.live[one["partner"]]
    waits = leg["status"] == PENDING and leg["due_ns"] == NONE
    return bool(leg["share"] > 0 and not waits)


@inner
def _strike(state: State, request: int) -> None:
    """Its computed tokens are gone; those that its user has seen stay."""
    one = state.live[request]
    refund(state, request)
    one["status"] = PENDING
    one["due_ns"] = _STRUCK
    begin_anew(one)


@inner
def _empty(state: State, replica: int) -> None:
    """An engine without requests, steps in flight and cached blocks."""
    engine, totals = state.engines[replica], state.totals[0]
    settings = state.settings[engine["kind"]]
    totals["running"] -= engine["running"]
    totals["waiting"] -= engine["waiting"]
    engine["loading"] = 0
    engine["promised"] = 0
    totals["free_blocks"] += settings["usable"] - engine["free"]
    engine["running"] = 0
    engine["waiting"] = 0
    engine["root"] = NONE
    engine["away"] = 0
    engine["flying"] = 0
    engine["run_steps"] = 0
    engine["stuck"] = 0
    engine["bound"] = 0
    engine["skipped"] = 0
    engine["next_ns"] = NEVER
    engine["free_ns"] = totals["now"]
    engine["end_ns"] = totals["now"]
    engine["port_ns"] = totals["now"]
    engine["host_ns"] = totals["now"]
    engine["free"] = settings["usable"]
    if settings["policy"] == SGLANG:
        uproot(state, replica)
    elif settings["apart"]:
        clear(state, replica)
        if engine["tier"] != NONE:
            clear(state, engine["tier"])
            forget_ended(state, replica)


@inner
def _scale(state: State) -> None:
    """One look of the autoscaler: as many replicas as bring the metric to its target (Kubernetes' HPA).

    wanted = ceil(replicas * metric / target); fewer only if as many as there are were not wanted for a while.
    """
    rules, now = state.rules[0], state.totals[0]["now"]
    count, metric = 0, 0.0
    for replica in range(state.engines.size):
        engine = state.engines[replica]
        if engine["pool"] == PREFILL:
            continue
        if engine["up"] == DRAINING and engine["active"] == 0 and engine["flying"] == 0 and engine["away"] == 0:
            engine["up"] = DOWN
            engine["paid_ns"] += now - engine["paid_from"]
            engine["paid_from"] = NEVER
        if engine["up"] == STARTING or engine["up"] == UP:
            count += 1
        if engine["up"] == UP:
            metric += _metric(state, replica)
    ratio = metric / max(1, count) / rules["target"]
    wanted = count
    if abs(ratio - 1.0) > _TOLERANCE or count < rules["least"]:
        wanted = max(rules["least"], int(np.ceil(count * ratio)))
    if wanted >= count:
        rules["calm_ns"] = now
    for replica in range(state.engines.size):
        if count < wanted and _start(state, replica):
            count += 1
    if now - rules["calm_ns"] >= rules["cooldown_ns"]:
        for replica in range(state.engines.size - 1, -1, -1):
            engine = state.engines[replica]
            if count > wanted and engine["pool"] != PREFILL and engine["up"] == UP:
                engine["up"] = DRAINING
                count -= 1


@inner
def _metric(state: State, replica: int) -> float:
    """What the autoscaler sees of a replica: its queue, the share of its seats in use, or seconds of prefill due."""
    rules, engine = state.rules[0], state.engines[replica]
    settings = state.settings[engine["kind"]]
    if rules["scale_on"] == QUEUE:
        return float(engine["waiting"])
    if rules["scale_on"] == SEATS:
        return float(engine["running"] / settings["seqs"])
    return float(
        engine["prefilling"] * 1e-9 * state.clock.body_ns[engine["kind"], settings["tokens"]] / settings["tokens"]
    )


@inner
def _start(state: State, replica: int) -> bool:
    """Starts a replica that is off, or keeps one that was about to end."""
    engine, now = state.engines[replica], state.totals[0]["now"]
    if engine["pool"] == PREFILL:
        return False
    if engine["up"] == DRAINING:
        engine["up"] = UP
        return True
    if engine["up"] != DOWN:
        return False
    engine["up"] = STARTING
    engine["ready_ns"] = now + state.rules[0]["startup_ns"]
    engine["paid_from"] = now
    return True
