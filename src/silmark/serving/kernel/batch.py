"""Batches: what a scheduled step takes, and what happens when it returns."""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.blocks import cache_full
from silmark.serving.kernel.charges import prefilled
from silmark.serving.kernel.clock import chunk_j, chunk_ns, step_j, step_ns
from silmark.serving.kernel.gaps import add_gaps
from silmark.serving.kernel.logs import log_steps
from silmark.serving.kernel.prefixes import finish, publish, repeats
from silmark.serving.kernel.requests import close_ranks, free_place, leave
from silmark.serving.kernel.state import GONE, HELD, NONE, PENDING, RUNNING, State
from silmark.serving.records import DONE

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


@inner
def newest(state: State, replica: int) -> int:
    """Place in the ring of the batch that is being scheduled: behind those in flight."""
    engine = state.engines[replica]
    return int((engine["oldest"] + engine["flying"]) % state.batches.shape[1])


@inner
def launch(state: State, replica: int, size: int, idle: bool) -> None:
    """Sends the batch that the scheduler wrote to `members` to the chips.

    Args:
        size: its requests.
        idle: the engine had nothing to do, so that the host's preparation is waited for.
    """
    kind, place = state.engines[replica]["kind"], newest(state, replica)
    staged = state.settings[kind]["stages"] > 1  # the only stage takes one batch after the other
    tokens, sequences, decoders, context = 0, 0, 0, 0
    chunks, joules, ready = 0.0, 0.0, 0
    members = state.members[replica, place]
    for i in range(size):
        member = members[i]
        one, new = state.live[member["live"]], member["tokens"]
        past = one["computed"] - new
        tokens += new
        sequences += member["makes"]
        if past >= one["prompt"] and new == 1 + abs(member["drafts"]):
            decoders += 1
            context += past
            if staged:
                ready = max(ready, one["ready_ns"])
        else:
            chunks += chunk_ns(state.clock, kind, new, past)
            joules += chunk_j(state.clock, kind, new, past)
    duration = step_ns(state.clock, kind, tokens, sequences, decoders, context, chunks)
    joules = step_j(state.clock, kind, tokens, sequences, decoders, context, joules)
    batch = state.batches[replica, place]
    batch["size"] = size
    batch["tokens"] = tokens
    batch["decoders"] = decoders
    batch["joules"] = joules
    if idle:
        ready = max(ready, state.totals[0]["now"] + state.clock.lead_ns[kind])
    send(state, replica, batch, duration, ready)
    if not staged:
        return
    for i in range(size):
        state.live[state.members[replica, place, i]["live"]]["ready_ns"] = batch["end_ns"]


@inner
def send(state: State, replica: int, batch: np.void, duration: int, ready: int) -> None:
    """Sends a batch: it enters the first stage when the one before has left that, and returns after all, in order.

    Args:
        duration: over all stages.
        ready: when its input is there: a token that a batch in flight makes has passed all stages by then.
    """
    engine = state.engines[replica]
    stage = duration // state.settings[engine["kind"]]["stages"]
    start = max(state.totals[0]["now"], ready, engine["free_ns"])
    engine["free_ns"] = start + stage
    engine["end_ns"] = max(start + duration, engine["end_ns"])
    engine["flying"] += 1
    engine["steps"] += 1
    engine["busy_ns"] += stage
    engine["joules"] += batch["joules"]
    batch["start_ns"] = start
    batch["end_ns"] = engine["end_ns"]


@inner
def send_empty(state: State, replica: int) -> None:
    """Puts a batch of nothing behind those in flight, as vLLM does to let its pipeline turn; it returns with them."""
    engine = state.engines[replica]
    batch = state.batches[replica, newest(state, replica)]
    batch["size"] = 0
    batch["tokens"] = 0
    batch["decoders"] = 0
    batch["joules"] = 0.0
    batch["start_ns"] = engine["end_ns"]
    batch["end_ns"] = engine["end_ns"]
    engine["flying"] += 1


@inner
def complete(state: State, replica: int) -> None:
    """Takes the oldest batch back: its requests get their tokens, and those that have all of them leave."""
    engine = state.engines[replica]
    place = engine["oldest"]
    batch = state.batches[replica, place]
    each = batch["joules"] / max(batch["tokens"], 1)
    visible = batch["end_ns"] + state.clock.tail_ns[engine["kind"]]
    left, gap, alike, before = 0, NONE, 0, state.totals[0]["tokens_out"]
    members = state.members[replica, place]
    for i in range(batch["size"]):
        member = members[i]
        request = member["live"]
        one = state.live[request]
        one["flying"] -= member["tokens"]
        if one["status"] == GONE or one["status"] == HELD or one["status"] == PENDING:
            if one["flying"] == 0 and one["status"] == GONE:
                if one["held"] > 0:
                    finish(state, replica, request)
                free_place(state, request)
            continue
        one["joules"] += each * member["tokens"]
        lost = repeats(state, replica, request)
        if member["makes"] == 1 and not lost:
            since = NONE if one["first_ns"] == NONE else max(0, visible - one["last_ns"])
            if since != gap:  # who had the step before has the same
                add_gaps(state, gap, alike)
                gap, alike = since, 0
            alike += 1
            give(state, replica, request, member["drafts"], one["stale"] > 0, visible)
        if one["stale"] > 0:
            one["stale"] -= member["tokens"]
        if one["done"] >= one["output"]:
            left += 1
            leave(state, replica, request, DONE)
        elif member["prefill"] == 1 and member["makes"] == 1 and not lost:
            publish(state, replica, request)
    add_gaps(state, gap, alike)
    state.totals[0]["tokens_in"] += batch["tokens"]
    if state.totals[0]["tokens_out"] > before:
        engine["moved"] = engine["steps"]
    engine["oldest"] = (place + 1) % state.batches.shape[1]
    engine["flying"] -= 1
    if left > 0:
        close_ranks(state, replica)
    if batch["size"] > 0:
        prompts = batch["tokens"] - batch["decoders"]
        log_steps(state, replica, batch["start_ns"], batch["end_ns"], 1, prompts, batch["decoders"])


@inner
def give(state: State, replica: int, request: int, drafts: int, stale: bool, visible: int) -> None:
    """Hands a request the tokens that a step made of it.

    Args:
        drafts: proposed tokens that the step verified; negative if they only filled it up.
        stale: the request was preempted since the step was scheduled; its token counts, its place does not.
        visible: when its user sees them.
    """
    one = state.live[request]
    settings = state.settings[state.engines[replica]["kind"]]
    tracked = one["placeholders"] > 0
    accepted = _accepted(state, replica, request, drafts) if drafts > 0 else 0
    if not stale:
        one["computed"] -= abs(drafts) - accepted
        if tracked:
            one["placeholders"] -= abs(drafts) - accepted
    made = min(1 + accepted, one["output"] - one["done"])
    one["done"] += made
    state.totals[0]["tokens_out"] += made
    if one["charge"] > 0:
        prefilled(state, request)
    if one["first_ns"] == NONE:
        one["first_ns"] = visible
    one["last_ns"] = visible
    if stale or one["status"] != RUNNING:
        return
    if tracked:
        one["placeholders"] -= made
    if tracked or settings["drafts"] > 0:
        cache_full(state, replica, request, one["computed"] - one["flying"])
    if not settings["lookahead"]:
        one["drafts"] = settings["drafts"]


@inner
def _accepted(state: State, replica: int, request: int, drafts: int) -> int:
    """How many drafted tokens are kept: each with the same chance if those before it were (Leviathan et al. 2023).

    The chances are a function of the seed, the request and the tokens it has, so that they do not depend on order.
    """
    engine = state.engines[replica]
    chance = state.settings[engine["kind"]]["acceptance"]
    one = state.live[request]
    mixed = np.uint64(engine["seed"]) + _GOLDEN * np.uint64(one["name"] + 1) + _MIX * np.uint64(one["done"] + 1)
    for kept in range(drafts):
        mixed += _GOLDEN
        bits = (mixed ^ (mixed >> np.uint64(30))) * _MIX
        bits ^= bits >> np.uint64(27)
        if np.float64(bits >> np.uint64(11)) * 2.0**-53 >= chance:
            return kept
    return drafts
