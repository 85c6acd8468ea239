"""Brings an engine whose steps are run together up to a moment, for those who look at its blocks from outside."""

from __future__ import annotations

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.clock import run_ns, steps_until
from silmark.serving.kernel.engine import turn
from silmark.serving.kernel.state import State


@inner
def settle_all(state: State) -> None:
    """Settles all replicas."""
    for replica in range(state.engines.size):
        _settle(state, replica)


@inner
def _settle(state: State, replica: int) -> None:
    """Leaves the state that stepping one by one would have left by now: decisions before now are taken, no others.

    The run is cut at the last of these decisions, and the step that it began is scheduled on its own.
    """
    engine, totals = state.engines[replica], state.totals[0]
    if engine["run_steps"] == 0:
        return
    ahead = 1 if state.settings[engine["kind"]]["lookahead"] else 0
    kind, count, context = engine["kind"], engine["running"], engine["run_context"]
    passed = totals["now"] - engine["run_from"]
    whole = steps_until(state.clock, kind, count, context, passed, engine["run_steps"] - ahead)
    if run_ns(state.clock, kind, count, context, whole) >= passed:
        whole -= 1  # the decision at its end is not before now
    now, apart = totals["now"], totals["one_by_one"]
    done = whole + ahead if whole >= 0 else 0
    engine["run_steps"] = done
    totals["now"] = engine["run_from"]
    if done > 0:
        totals["now"] += run_ns(state.clock, kind, count, context, whole)
    elif ahead:
        totals["now"] -= 1  # decided while the step before was still running
    waiting, stuck, bound = engine["waiting"], engine["stuck"], engine["bound"]
    engine["waiting"] = 0  # who came since then was not there
    totals["one_by_one"] = True
    turn(state, replica)
    totals["one_by_one"] = apart
    totals["now"] = now
    engine["waiting"], engine["stuck"], engine["bound"] = waiting, stuck, bound


@inner
def _for_routers(state: State) -> None:
    """Settles all replicas if a router looks into them."""
    if state.rules[0]["looks"]:
        settle_all(state)


@inner
def _for_nobody(state: State) -> None:
    """Nobody looks."""


settle_for_routers = extra(_for_routers, _for_nobody)
"""Brings what routers see up to the moment."""
