"""An engine's turn: take back what has returned, decide what comes next, say when to look again."""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.advance import finish_run, plan, start_run
from silmark.serving.kernel.batch import complete, launch, send_empty
from silmark.serving.kernel.requests import leave
from silmark.serving.kernel.spill import catch_up
from silmark.serving.kernel.state import NEVER, STOPPED, State
from silmark.serving.policies import schedule
from silmark.serving.records import REFUSED


@inner
def turn(state: State, replica: int) -> None:
    """Lets an engine act at its time: a step or a run of steps has returned, or a request came while it was idle."""
    engine, now = state.engines[replica], state.totals[0]["now"]
    settings = state.settings[engine["kind"]]
    if engine["run_steps"] > 0:
        finish_run(state, replica)
    while engine["flying"] > 0 and state.batches[replica, engine["oldest"]]["end_ns"] <= now:
        complete(state, replica)
    while engine["flying"] < settings["depth"]:
        steps = plan(state, replica)
        if steps > 1:
            start_run(state, replica, steps)
            return
        size = schedule(state, replica, 0)
        if size == STOPPED:
            state.totals[0]["stopped"] = replica  # called again, it goes on from here
            return
        if size > 0:
            launch(state, replica, size, engine["end_ns"] < now)
        elif engine["flying"] == 0 and catch_up(state, replica):
            continue
        elif engine["flying"] == 0 and engine["waiting"] > 0 and engine["running"] == 0 and engine["away"] == 0:
            leave(state, replica, engine["root"], REFUSED)  # fits not even into an empty engine
        elif engine["flying"] > 0 and settings["stages"] > 1 and settings["lookahead"]:
            send_empty(state, replica)
        else:
            break
    engine["next_ns"] = state.batches[replica, engine["oldest"]]["end_ns"] if engine["flying"] > 0 else NEVER
