"""Many steps at once: as long as the same requests decode and nothing else happens, steps differ only in their time.

A run of K steps is planned when it starts, which takes no more than a look at each running request, and written to the
state when it ends or when an arrival cuts it short. With steps scheduled ahead (async scheduling) the step that is in
flight at the start is taken back within the run, and the last step of the run is in flight at its end.
"""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.batch import complete, newest, send
from silmark.serving.kernel.blocks import blocks_for, cache_full, extend, unclaimed
from silmark.serving.kernel.charges import prefilled
from silmark.serving.kernel.clock import run_j, run_ns, step_j, step_ns, steps_until
from silmark.serving.kernel.gaps import add_run, bin_of
from silmark.serving.kernel.logs import log_steps
from silmark.serving.kernel.requests import close_ranks, leave
from silmark.serving.kernel.spill import spill_run
from silmark.serving.kernel.state import State
from silmark.serving.policies import admits_later, ran
from silmark.serving.records import DONE

_LONGEST = 1 << 20
"""Steps of one run: logs show progress, and sums of nanoseconds stay far from overflow."""


@inner
def plan(state: State, replica: int) -> int:
    """How many steps from here on are equal: 0 or 1 if the next one must be scheduled on its own."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    count = engine["running"]
    ahead = settings["lookahead"]
    if state.totals[0]["one_by_one"] or count == 0 or count > settings["scheduled"]:
        return 0
    if settings["stages"] > 1 or settings["drafts"] > 0 or engine["flying"] != (1 if ahead else 0):
        return 0
    if not admits_later(state, replica, 0):
        return 0
    steps, context = _LONGEST, 0
    for i in range(count - 1, -1, -1):  # the newest first: their prompts are what mostly forbids it
        one = state.live[state.running[replica, i]]
        coming = one["placeholders"]
        if one["prompt"] + one["done"] + coming - one["computed"] != 1 or one["computed"] < one["prompt"]:
            return 0
        if one["stale"] > 0:
            return 0
        if settings["interval"] > 1 and (one["chunk"] == 1 or engine["waiting"] > 0):
            return 0
        steps = min(steps, one["output"] - one["done"] - coming)
        if steps <= 1:
            return 0
        context += one["computed"]
    engine["run_context"] = context
    return _steps_with_room(state, replica, steps)


@inner
def _steps_with_room(state: State, replica: int, steps: int) -> int:
    """As many of the steps as there are free blocks for."""
    engine = state.engines[replica]
    block = state.settings[engine["kind"]]["block"]
    free = unclaimed(state, replica)
    if engine["running"] * blocks_for(steps, block) <= free:
        return steps
    enough, too_many = 0, steps + 1
    while too_many - enough > 1:
        middle = (enough + too_many) // 2
        need = 0
        for i in range(engine["running"]):
            one = state.live[state.running[replica, i]]
            need += max(0, blocks_for(one["computed"] + middle, block) - one["held"])
        if need <= free:
            enough = middle
        else:
            too_many = middle
    return enough


@inner
def start_run(state: State, replica: int, steps: int) -> None:
    """Begins a run; the engine acts next when it ends."""
    engine = state.engines[replica]
    ahead = 1 if state.settings[engine["kind"]]["lookahead"] else 0
    engine["run_steps"] = steps
    engine["run_from"] = max(engine["end_ns"], state.totals[0]["now"]) if ahead else state.totals[0]["now"]
    engine["next_ns"] = engine["run_from"] + run_ns(
        state.clock, engine["kind"], engine["running"], engine["run_context"], steps - ahead
    )


@inner
def cut_short(state: State, replica: int, time_ns: int) -> None:
    """Ends a run at the first decision of the scheduler that sees what happens at a time."""
    engine = state.engines[replica]
    if engine["run_steps"] == 0 or engine["next_ns"] <= time_ns:
        return
    ahead = 1 if state.settings[engine["kind"]]["lookahead"] else 0
    most = engine["run_steps"] - ahead
    kind, count, context = engine["kind"], engine["running"], engine["run_context"]
    wait = time_ns - engine["run_from"]
    wait = wait if ahead else max(wait, 1)  # a step that has begun is waited for
    steps = steps_until(state.clock, kind, count, context, wait, most)
    engine["run_steps"] = steps + ahead
    engine["next_ns"] = engine["run_from"] + run_ns(state.clock, kind, count, context, steps)


@inner
def finish_run(state: State, replica: int) -> None:
    """Writes the run that has ended to the state: what stepping one by one would have left."""
    engine = state.engines[replica]
    kind, count, steps = engine["kind"], engine["running"], engine["run_steps"]
    ahead = state.settings[kind]["lookahead"]
    context, start = engine["run_context"], engine["run_from"]
    engine["run_steps"] = 0
    engine["bound"] = 0 if engine["waiting"] == 0 and steps > 0 else engine["bound"]
    if ahead:
        complete(state, replica)
    returned = steps - 1 if ahead else steps
    _take_blocks(state, replica, steps)
    seconds = run_ns(state.clock, kind, count, context, returned)
    joules = run_j(state.clock, kind, count, context, returned)
    tail = state.clock.tail_ns[kind]
    first = start + step_ns(state.clock, kind, count, count, count, context, 0.0) + tail
    for i in range(count):
        one = state.live[state.running[replica, i]]
        one["computed"] += steps
        one["chunk"] = 0
        if returned > 0:
            one["done"] += returned
            one["joules"] += joules / count
            if one["charge"] > 0:
                prefilled(state, state.running[replica, i])
            if one["first_ns"] < 0:
                one["first_ns"] = first
            else:
                state.gaps[bin_of(first - one["last_ns"])] += 1
            one["last_ns"] = start + seconds + tail
    ran(state, replica, steps)
    if returned > 0:
        engine["moved"] = engine["steps"] + returned
    if returned > 1:
        add_run(state, kind, count, context + count, returned - 1)
    state.totals[0]["tokens_in"] += returned * count
    state.totals[0]["tokens_out"] += returned * count
    engine["steps"] += returned
    engine["busy_ns"] += seconds
    engine["joules"] += joules
    _let_go(state, replica)
    if returned > 0:
        log_steps(state, replica, start, start + seconds, returned, 0, count)
    engine["free_ns"] = start + seconds
    engine["end_ns"] = start + seconds
    if ahead:
        _last_of_run(state, replica, context + returned * count)


@inner
def _let_go(state: State, replica: int) -> None:
    """Lets requests go whose last token came with the last step of a run."""
    engine, left = state.engines[replica], 0
    for i in range(engine["running"]):
        request = state.running[replica, i]
        if state.live[request]["done"] >= state.live[request]["output"]:
            leave(state, replica, request, DONE)
            left += 1
    if left > 0:
        close_ranks(state, replica)


@inner
def _take_blocks(state: State, replica: int, steps: int) -> None:
    """Hands out the blocks of a run, and makes known those that it fills, here and in a tier.

    Where steps are scheduled ahead, a block that a step fills becomes known with the next one, for its last token is
    only then there.
    """
    spill_run(state, replica, steps)
    settings = state.settings[state.engines[replica]["kind"]]
    filled = 0 if settings["lookahead"] else 1
    if not settings["apart"]:
        _count_blocks(state, replica, steps, filled)
        return
    _hand_out(state, replica, steps)
    if state.totals[0]["answers"]:  # somebody may hold the same, so that the order matters
        _make_known(state, replica, steps, filled)
        return
    for i in range(state.engines[replica]["running"]):
        request = state.running[replica, i]
        cache_full(state, replica, request, state.live[request]["computed"] + steps - 1 + filled)


@inner
def _count_blocks(state: State, replica: int, steps: int, filled: int) -> None:
    """The same where only numbers of blocks are kept."""
    engine = state.engines[replica]
    block, taken = state.settings[engine["kind"]]["block"], 0
    for i in range(engine["running"]):
        one = state.live[state.running[replica, i]]
        held = blocks_for(one["computed"] + steps, block)
        taken += held - one["held"]
        one["held"] = held
        one["known"] = one["computed"] + steps - 1 + filled
    engine["free"] -= taken
    state.totals[0]["free_blocks"] -= taken


@inner
def _hand_out(state: State, replica: int, steps: int) -> None:
    """Hands out the blocks of a run in the order of single steps.

    Within a step the order is that of the running. A sequence needs a block, and fills one, once in `block` steps:
    sequences are sorted by where in that cycle they stand.
    """
    block = state.settings[state.engines[replica]["kind"]]["block"]
    due = _sort_by_phase(state, replica, 0, steps)
    for start in range(0, steps, block):
        for i in range(due):
            request = state.running[replica, state.order[i]]
            if start + _phase(state, replica, request, 0) >= steps:
                break
            extend(state, replica, request, 1)


@inner
def _make_known(state: State, replica: int, steps: int, filled: int) -> None:
    """Makes the blocks known that a run fills, in the order of single steps."""
    block = state.settings[state.engines[replica]["kind"]]["block"]
    due = _sort_by_phase(state, replica, block - filled, steps)
    for start in range(0, steps, block):
        for i in range(due):
            request = state.running[replica, state.order[i]]
            phase = _phase(state, replica, request, block - filled)
            if start + phase >= steps:
                break
            cache_full(state, replica, request, state.live[request]["computed"] + start + phase + filled)


@inner
def _phase(state: State, replica: int, request: int, after: int) -> int:
    """Steps until a sequence takes its next block, plus `after`, modulo the size of a block.

    It fills that block `block - 1` steps after it took it.
    """
    block = state.settings[state.engines[replica]["kind"]]["block"]
    return int((block * (1 << 26) - state.live[request]["computed"] + after) % block)


@inner
def _sort_by_phase(state: State, replica: int, after: int, steps: int) -> int:
    """Writes the places of the running to `order`, by phase and, where that is equal, in their order.

    Returns how many they are: phases that a run of so many steps does not reach are left out.
    """
    block, at = state.settings[state.engines[replica]["kind"]]["block"], 0
    for phase in range(min(block, steps)):
        for i in range(state.engines[replica]["running"]):
            if _phase(state, replica, state.running[replica, i], after) == phase:
                state.order[at] = i
                at += 1
    return at


@inner
def _last_of_run(state: State, replica: int, context: int) -> None:
    """Leaves the last step of a run in flight, where steps are scheduled ahead."""
    engine = state.engines[replica]
    kind, count, place = engine["kind"], engine["running"], newest(state, replica)
    for i in range(count):
        request = state.running[replica, i]
        state.live[request]["placeholders"] += 1
        state.live[request]["flying"] += 1
        member = state.members[replica, place, i]
        member["live"] = request
        member["tokens"] = 1
        member["drafts"] = 0
        member["makes"] = 1
        member["prefill"] = 0
    batch = state.batches[replica, place]
    batch["size"] = count
    batch["tokens"] = count
    batch["decoders"] = count
    batch["joules"] = step_j(state.clock, kind, count, count, count, context, 0.0)
    send(state, replica, batch, step_ns(state.clock, kind, count, count, count, context, 0.0), 0)
