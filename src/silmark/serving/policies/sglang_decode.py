"""SGLang's decode steps: who gets a token, who is retracted, and what running requests are expected to still make."""

from __future__ import annotations

from silmark.serving.jit import extra, inner
from silmark.serving.kernel.batch import newest
from silmark.serving.kernel.blocks import blocks_for
from silmark.serving.kernel.prefixes import give_back, may_make
from silmark.serving.kernel.queue import push, rank_last
from silmark.serving.kernel.radix import make_room
from silmark.serving.kernel.requests import leave, stand_up
from silmark.serving.kernel.state import FIRST_RATIO, PREEMPTED, State
from silmark.serving.records import LOST

LEAST, DECAY_STEPS = 0.14, 600
"""SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR, SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS."""
RETRACT_STEPS = 20
"""SGLANG_RETRACT_DECODE_STEPS: decode steps that a retraction makes room for."""


@inner
def first_ratio(state: State, replica: int) -> float:
    """The ratio that an idle engine starts with."""
    settings = state.settings[state.engines[replica]["kind"]]
    return float(min(FIRST_RATIO * settings["conservativeness"], 1.0))


@inner
def new_token_ratio(state: State, replica: int) -> float:
    """Share of the tokens that running requests may still make that they are expected to make."""
    engine = state.engines[replica]
    if state.settings[engine["kind"]]["ignore_eos"]:
        return 1.0
    first = first_ratio(state, replica)
    if engine["ratio_steps"] == 0:
        return float(engine["ratio"])
    least = first * LEAST
    return float(max(engine["ratio"] - engine["ratio_steps"] * ((first - least) / DECAY_STEPS), least))


@inner
def join(state: State, replica: int, place: int, size: int, request: int, tokens: int, makes: bool) -> None:
    """Writes a member of the prefill."""
    member = state.members[replica, place, size]
    member["live"] = request
    member["tokens"] = tokens
    member["drafts"] = 0
    member["makes"] = 1 if makes else 0
    member["prefill"] = 1


@inner
def take(state: State, replica: int, request: int, tokens: int) -> None:
    """Hands out the pages of a request's next tokens; they are there."""
    engine, one = state.engines[replica], state.live[request]
    pages = blocks_for(one["computed"] + tokens, state.settings[engine["kind"]]["block"]) - one["held"]
    engine["free"] -= pages
    state.totals[0]["free_blocks"] -= pages
    one["held"] += pages


@inner
def finishing(state: State, request: int) -> bool:
    """Whether a step in flight makes a request's last token; engines that only decode do not look."""
    one = state.live[request]
    if state.settings[state.engines[one["replica"]]["kind"]]["fetches"]:
        return False
    return bool(one["placeholders"] > 0 and one["done"] + one["placeholders"] >= one["output"])


@inner
def room_to_decode(state: State, replica: int, prefills: int) -> bool:
    """Whether all running requests find room for one more token, after eviction.

    Args:
        prefills: members of this step's prefill, the last of the running, which do not decode.
    """
    engine, need = state.engines[replica], 0
    page = state.settings[engine["kind"]]["block"]
    for i in range(engine["running"] - prefills):
        request = state.running[replica, i]
        if not finishing(state, request) and state.live[request]["computed"] % page == 0:
            need += 1
    make_room(state, replica, need)
    return bool(engine["free"] - engine["cached"] >= need)


@inner
def decode(state: State, replica: int) -> int:
    """Gives every running request a token, retracting some if there is no room. Returns members."""
    engine = state.engines[replica]
    batch = 0
    for i in range(engine["running"]):
        if not finishing(state, state.running[replica, i]):
            batch += 1
    ending = engine["running"] - batch
    if ending > 0:
        engine["full"] = 0
    if batch == 0:
        return 0
    if room_to_decode(state, replica, 0):
        engine["ratio_steps"] += 1
    elif ending > 0:
        return 0  # what ends now gives its pages back
    else:
        _retract(state, replica, batch)
    return add_decoders(state, replica, 0, engine["running"])


@inner
def add_decoders(state: State, replica: int, size: int, until: int) -> int:
    """Adds the first `until` running requests to a step as decodes. Returns members."""
    first, place = size, newest(state, replica)
    for i in range(until):
        request = state.running[replica, i]
        if finishing(state, request):
            continue
        join(state, replica, place, size, request, 1, True)
        state.members[replica, place, size]["prefill"] = 0
        size += 1
    # Every request counts as a page, of which most have one begun.
    make_room(state, replica, size - first)
    for i in range(first, size):
        take(state, replica, state.members[replica, place, i]["live"], 1)
    return int(size)


@inner
def _retract(state: State, replica: int, batch: int) -> None:
    """Takes requests back until the rest can decode: first those with the fewest tokens made, then the longest prompts.

    At least one goes, and at least one stays.
    """
    engine, live = state.engines[replica], state.live
    page = state.settings[engine["kind"]]["block"]
    while batch > 1:
        worst = 0
        for i in range(1, engine["running"]):
            one, other = live[state.running[replica, i]], live[state.running[replica, worst]]
            if one["done"] < other["done"] or (one["done"] == other["done"] and one["prompt"] >= other["prompt"]):
                worst = i
        request = stand_up(state, replica, worst)
        batch -= 1
        _wait_again(state, replica, request)
        make_room(state, replica, blocks_for(batch * RETRACT_STEPS, page))
        if room_to_decode(state, replica, 0):
            break
    lose_last(state, replica)
    made, may = 0, 0
    for i in range(engine["running"]):
        request = state.running[replica, i]
        made += live[request]["done"]
        may += may_make(state, replica, request)
    engine["ratio"] = min(1.0, (made + RETRACT_STEPS * batch) / (may + 1))
    engine["ratio_steps"] = 0


@inner
def _lose_last(state: State, replica: int) -> None:
    """Gives up the last request if it finds no room either: KV that is on its way cannot be taken back."""
    engine = state.engines[replica]
    if engine["running"] != 1 or room_to_decode(state, replica, 0):
        return
    request = stand_up(state, replica, 0)
    give_back(state, replica, request, False)
    leave(state, replica, request, LOST)


@inner
def _keep_last(state: State, replica: int) -> None:
    """It always finds room."""


lose_last = extra(_lose_last, _keep_last)
"""Gives up the last request that decodes."""


@inner
def _wait_again(state: State, replica: int, request: int) -> None:
    """Puts a retracted request behind all that wait; what it made stays, what it computed does not."""
    one = state.live[request]
    give_back(state, replica, request, False)
    one["status"] = PREEMPTED
    one["computed"] = 0
    one["placeholders"] = 0
    one["stale"] = one["flying"]
    one["preemptions"] += 1
    if state.settings[state.engines[replica]["kind"]]["fetches"]:  # its KV went to the host, its turn is before others
        one["landed"] = 1
        one["priority"] = -1
    rank_last(state, replica, request)
    state.totals[0]["running"] -= 1
    push(state, replica, request)
