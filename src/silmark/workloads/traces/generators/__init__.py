"""Generators of traces, by the word before the colon: `poisson:rate=5,prompt=1024,output=256,seed=1`.

All are seeded (PCG64), make their requests in pieces, and make the same ones at every reading. Random numbers for
arrivals, lengths and thinking times come from streams of their own: another length changes no arrival. Equal numbers
are promised for one version of numpy, as numpy itself does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from silmark.workloads.requests import Requests
from silmark.workloads.traces.generators import arrivals, chains, open_loop
from silmark.workloads.traces.generators.open_loop import Pairs, Shared
from silmark.workloads.traces.generators.parameters import Parameters, values
from silmark.workloads.traces.stream import Stream

__all__ = ["GENERATORS", "Generator", "made"]

_USUAL = 1000
"""Requests where nothing says how many: `vllm bench serve --num-prompts` has the same default."""


@dataclass(frozen=True, slots=True)
class Generator:
    """One kind of generated trace.

    Attributes:
        name: word before the colon.
        makes: what, in a few words.
        parameters: words behind the colon.
    """

    name: str
    makes: str
    parameters: Parameters


GENERATORS: dict[str, Generator] = {
    one.name: one
    for one in (
        Generator("poisson", "independent arrivals", open_loop.POISSON),
        Generator("gamma", "arrivals burstier (below 1) or more even than Poisson", open_loop.GAMMA),
        Generator("constant", "arrivals at equal distances", open_loop.CONSTANT),
        Generator("ramp", "a rate that rises or falls from request to request", open_loop.RAMP),
        Generator("diurnal", "a rate that goes up and down with the time of day", open_loop.DIURNAL),
        Generator("users", "a closed loop: so many users, each waits for the answer, thinks, asks again", chains.USERS),
        Generator("sessions", "conversations of several turns, whose prompts hold all that was said", chains.SESSIONS),
    )
}


def made(
    kind: Generator, text: str, rate: str | None = None, pairs: Pairs | None = None, bounded: bool = False
) -> Stream:
    """A generated trace.

    Args:
        kind: of generator.
        text: words behind the colon.
        rate: goes before the rate among these words, if it is given.
        pairs: lengths measured elsewhere, in place of the generator's own.
        bounded: a duration ends the trace, so that a number of requests need not.
    """
    words = [word for word in text.split(",") if rate is None or word.partition("=")[0].strip() != "rate"]
    if rate is not None:
        words.append(f"rate={rate}")
    given = values(kind.name, ",".join(words), kind.parameters)
    lengths = pairs or open_loop.independent(given["prompt"], given["output"], given.get("prefix", 0))
    pieces: Callable[[], Iterator[Requests]]
    size: int | None
    if kind.name == "users":
        each = -(-(given["requests"] or _USUAL) // given["users"])
        pieces, size = partial(chains.users, given, lengths, each), each * given["users"]
    elif kind.name == "sessions":
        many = given["sessions"] or (None if bounded else 100)
        begin = arrivals.gamma(given["rate"], given["burstiness"], given["seed"], many)
        pieces = partial(chains.sessions, given, begin, lengths, many)
        size = None
    else:
        size = given["requests"] or (None if bounded and kind.name != "ramp" else _USUAL)
        pieces = _open(kind.name, given, lengths, size)
    return Stream(f"{kind.name}:{','.join(words)}", size, pieces)


def _open(name: str, given: dict[str, Any], lengths: Pairs, size: int | None) -> Callable[[], Iterator[Requests]]:
    begin = open_loop.process(name, given, size)
    shared = Shared(given["prefix"], given["prefixes"])
    return partial(open_loop.made, begin, lengths, size, given["seed"], shared)
