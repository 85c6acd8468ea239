"""Requests that wait for answers: users who think and ask again, and sessions whose prompts grow.

A row with `delay_ns` is sent so long after the row before it was answered, so the rows of a chain stand one after the
other. Chains are made in the order in which they begin, and an engine that reads the stream has to keep the rest of
every chain that has begun: users x requests per user, or sessions at work x turns, 48 bytes each. That is why a chain
has at most 65,536 rows. The end of a chain never brings another chain into being: fifty users are fifty chains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from silmark.errors import BadValue
from silmark.workloads.requests import REQUEST, SEGMENT, Requests
from silmark.workloads.traces.generators.arrivals import Process, stream
from silmark.workloads.traces.generators.lengths import Lengths, beginning, lengths
from silmark.workloads.traces.generators.open_loop import OUTPUT, PROMPT, REQUESTS, SEED, Pairs, Shared, randoms
from silmark.workloads.traces.generators.parameters import (
    Parameter,
    Parameters,
    count,
    one_of,
    positive,
    rate,
    seconds,
)
from silmark.workloads.traces.rows import CHUNK, Ints
from silmark.workloads.workload import MAX_TOKENS

MAX_CHAIN = CHUNK
MAX_USERS = 1_000_000
_THINK_STREAM, _TURNS_STREAM = 4, 5
_THINK = Parameter(seconds, "0s", "mean time from an answer to the next question")
_PAUSES = Parameter(
    one_of("exponential", "constant"), "exponential", "how thinking times spread: exponential, constant"
)
USERS: Parameters = {
    "users": Parameter(count, None, "people at work, such as users=50"),
    "think": _THINK,
    "pauses": _PAUSES,
    "prompt": PROMPT,
    "output": OUTPUT,
    "requests": REQUESTS,
    "seed": SEED,
}
SESSIONS: Parameters = {
    "rate": Parameter(rate, None, "sessions that begin per second, such as rate=1 or --rate 1"),
    "burstiness": Parameter(positive, "1", "shape of the gaps' gamma distribution; inf: constant gaps"),
    "sessions": Parameter(count, "", "how many; 100 where no --duration ends the trace"),
    "turns": Parameter(lengths, "5", "requests of a session, as lengths are written"),
    "think": _THINK,
    "pauses": _PAUSES,
    "prefix": Parameter(beginning, "0", "tokens that all sessions begin with: a system prompt"),
    "prefixes": Parameter(count, "1", "different such beginnings; session i has number i modulo that"),
    "prompt": Parameter(lengths, "256", "new tokens of a turn's question"),
    "output": OUTPUT,
    "seed": SEED,
}


def users(given: dict[str, Any], pairs: Pairs, each: int) -> Iterator[Requests]:
    """One chain of so many requests per user; a user's first question comes a thinking time after the start."""
    if given["users"] > MAX_USERS or each > MAX_CHAIN:
        raise BadValue("users", given["users"], f"at most {MAX_USERS:,} users and {MAX_CHAIN:,} requests of each")
    drawn, thinking = randoms(given["seed"]), stream(given["seed"], _THINK_STREAM)
    starts = (
        np.sort(_pauses(thinking, given, given["users"]))
        if given["pauses"] == "exponential"
        else np.zeros(given["users"], dtype=np.int64)
    )
    batch = max(1, CHUNK // each)
    for user in range(0, given["users"], batch):
        who = np.arange(user, min(user + batch, given["users"]))
        rows = np.zeros((who.size, each), dtype=REQUEST)
        rows["delay_ns"] = _pauses(thinking, given, rows.size).reshape(rows.shape)
        rows["delay_ns"][:, 0], rows["arrival_ns"][:, 0] = -1, starts[who]
        prompt, output = pairs(drawn, rows.size)
        rows["prompt"], rows["output"] = prompt.reshape(rows.shape), output.reshape(rows.shape)
        rows["session"], rows["made"] = who[:, None], -1
        yield Requests.unshared(rows.ravel())


def sessions(
    given: dict[str, Any], begin: Callable[[], Process], pairs: Pairs, how_many: int | None
) -> Iterator[Requests]:
    """One chain per session; every prompt is the shared beginning, all that was said, and a new question.

    The tokens of a session count up in the order in which they were said, answers included, so that a prompt is two
    runs: the shared beginning, and the session's own tokens so far. The next session's ids go on from there.
    """
    turns: Lengths = given["turns"]
    shared = Shared(given["prefix"], given["prefixes"])
    if turns.most > MAX_CHAIN:
        raise BadValue("turns", turns.most, f"at most {MAX_CHAIN:,} turns")
    drawn, thinking = randoms(given["seed"]), stream(given["seed"], _THINK_STREAM)
    lasting, timing = stream(given["seed"], _TURNS_STREAM), begin()
    batch = max(1, int(CHUNK // turns.most))
    done, used = 0, shared.ids
    while how_many is None or done < how_many:
        many = batch if how_many is None else min(batch, how_many - done)
        sizes = turns.draw(lasting, many)
        rows = np.zeros(int(sizes.sum()), dtype=REQUEST)
        heads = np.cumsum(sizes) - sizes
        number = np.repeat(np.arange(many), sizes)
        rows["delay_ns"] = _pauses(thinking, given, rows.size)
        rows["delay_ns"][heads], rows["arrival_ns"][heads] = -1, timing.take(many)
        new, answer = pairs(drawn, rows.size)
        end = np.cumsum(new + answer)
        start = (end - new - answer)[heads][number]
        said = end - answer - start
        _refuse_long(int(said.max() + shared.tokens))
        rows["prompt"], rows["output"] = said + shared.tokens, answer
        rows["session"], rows["made"] = done + number, used + end - answer
        yield _runs(rows, said, used + start, shared, (done + number) % shared.count)
        done, used = done + many, used + int(end[-1])


def _refuse_long(tokens: int) -> None:
    if tokens > MAX_TOKENS:
        raise BadValue("turns", tokens, f"sessions whose last prompt has at most {MAX_TOKENS:,} tokens")


def _runs(rows: np.ndarray[Any, Any], said: Ints, start: Ints, shared: Shared, which: Ints) -> Requests:
    runs = 2 if shared.tokens else 1
    segments = np.zeros((rows.size, runs), dtype=SEGMENT)
    segments["start"][:, -1], segments["length"][:, -1] = start, said
    if shared.tokens:
        segments["start"][:, 0], segments["length"][:, 0] = which * shared.tokens, shared.tokens
    return Requests(rows, segments.ravel(), np.arange(0, runs * rows.size + 1, runs))


def _pauses(random: np.random.Generator, given: dict[str, Any], many: int) -> Ints:
    """Thinking times in nanoseconds."""
    mean = given["think"] * 1e9
    if given["pauses"] == "constant" or not mean:
        return np.full(many, round(mean), dtype=np.int64)
    return np.round(random.exponential(mean, many)).astype(np.int64)
