"""Requests that arrive whatever the engine does: a process of arrivals, and lengths drawn for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from silmark.errors import BadValue
from silmark.workloads.requests import REQUEST, SEGMENT, Requests
from silmark.workloads.traces.generators import arrivals
from silmark.workloads.traces.generators.arrivals import Process, stream
from silmark.workloads.traces.generators.lengths import Lengths, beginning, lengths
from silmark.workloads.traces.generators.parameters import (
    Parameter,
    Parameters,
    between,
    count,
    natural,
    one_of,
    positive,
    rate,
    seconds,
)
from silmark.workloads.traces.rows import CHUNK, MAX_ID, Ints
from silmark.workloads.workload import MAX_TOKENS

Randoms = tuple[np.random.Generator, np.random.Generator]
"""One for prompts, one for answers, so that a trace of more requests begins like one of fewer."""
Pairs = Callable[[Randoms, int], tuple[Ints, Ints]]
_PREFIX_STREAM, _PROMPT_STREAM, _OUTPUT_STREAM = 1, 2, 3
PROMPT = Parameter(lengths, "1024", "tokens of a prompt, behind its prefix")
OUTPUT = Parameter(lengths, "256", "tokens of an answer")
SEED = Parameter(natural, "0", "of the random numbers")
REQUESTS = Parameter(count, "", "how many; 1,000 where no --duration ends the trace")
_SHARED: dict[str, Parameter] = {
    "prompt": PROMPT,
    "output": OUTPUT,
    "requests": REQUESTS,
    "prefix": Parameter(beginning, "0", "tokens that all prompts begin with"),
    "prefixes": Parameter(count, "1", "different such beginnings, drawn for each request"),
    "seed": SEED,
}
_RATE = Parameter(rate, None, "requests per second, such as rate=5 or --rate 5")
_BURSTINESS = Parameter(positive, "1", "shape of the gaps' gamma distribution; inf: constant gaps")
POISSON: Parameters = {"rate": _RATE, **_SHARED}
CONSTANT = POISSON
GAMMA: Parameters = {"rate": _RATE, "burstiness": Parameter(positive, None, _BURSTINESS.help), **_SHARED}
RAMP: Parameters = {
    "from": Parameter(rate, None, "requests per second at the start, such as from=1"),
    "to": Parameter(rate, None, "requests per second at the end, such as to=10"),
    "shape": Parameter(one_of("linear", "exponential"), "linear", "linear or exponential"),
    "burstiness": _BURSTINESS,
    **_SHARED,
}
DIURNAL: Parameters = {
    "rate": Parameter(rate, None, "mean requests per second, such as rate=5 or --rate 5"),
    "swing": Parameter(between(0, 1), "0.5", "how far the rate goes up and down, as a share of the mean"),
    "period": Parameter(seconds, "24h", "from peak to peak"),
    "burstiness": _BURSTINESS,
    **_SHARED,
}


@dataclass(frozen=True, slots=True)
class Shared:
    """Beginnings that prompts share: `count` different ones of `tokens` tokens, with ids from 0 on."""

    tokens: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if self.ids > MAX_ID:
            raise BadValue("prefixes", self.count, f"at most {MAX_ID:.0e} tokens of all beginnings together")

    @property
    def ids(self) -> int:
        """Ids that they take up; those of everything else lie above."""
        return self.tokens * self.count


def process(kind: str, given: dict[str, Any], size: int | None) -> Callable[[], Process]:
    """The arrivals of a generator that makes so many requests."""
    seed = given["seed"]
    if kind == "ramp":
        ends = given["from"], given["to"]
        if np.inf in ends:
            raise BadValue("ramp", "inf", "finite rates")
        return arrivals.ramp(*ends, given["shape"], given["burstiness"], seed, size or 1)
    if kind == "diurnal":
        if given["rate"] == np.inf or not given["period"]:
            raise BadValue("diurnal", "inf", "a finite rate and a period above 0")
        return arrivals.diurnal(given["rate"], given["swing"], given["period"], given["burstiness"], seed)
    burstiness = {"poisson": 1.0, "constant": np.inf}.get(kind, given.get("burstiness", 1.0))
    return arrivals.gamma(given["rate"], burstiness, seed, size)


def independent(prompt: Lengths, output: Lengths, shared: int) -> Pairs:
    """Lengths of prompt and answer that know nothing of each other."""
    if prompt.most + shared > MAX_TOKENS:
        raise BadValue("prompt", prompt.most + shared, f"at most {MAX_TOKENS:,} tokens with its prefix")
    return lambda randoms, many: (prompt.draw(randoms[0], many), output.draw(randoms[1], many))


def randoms(seed: int) -> Randoms:
    """Random numbers for lengths."""
    return stream(seed, _PROMPT_STREAM), stream(seed, _OUTPUT_STREAM)


def made(
    begin: Callable[[], Process], pairs: Pairs, requests: int | None, seed: int, shared: Shared
) -> Iterator[Requests]:
    """Requests in pieces, without end where their number is None."""
    timing, drawn, chosen = begin(), randoms(seed), stream(seed, _PREFIX_STREAM)
    done, used = 0, shared.ids
    while requests is None or done < requests:
        many = CHUNK if requests is None else min(CHUNK, requests - done)
        rows = np.zeros(many, dtype=REQUEST)
        rows["arrival_ns"] = timing.take(many)
        own, rows["output"] = pairs(drawn, many)
        rows["prompt"] = own + shared.tokens
        for name in ("delay_ns", "session", "made"):
            rows[name] = -1
        if shared.tokens:
            yield with_prefix(rows, own, chosen.integers(shared.count, size=many), shared, used)
            used += int(own.sum())
        else:
            yield Requests.unshared(rows)
        done += many


def with_prefix(rows: np.ndarray[Any, Any], own: Ints, which: Ints, shared: Shared, used: int) -> Requests:
    """Rows of two runs each: the shared beginning of that number, then tokens of their own with ids from `used` on."""
    segments = np.zeros((rows.size, 2), dtype=SEGMENT)
    segments["start"][:, 0], segments["length"][:, 0] = which * shared.tokens, shared.tokens
    segments["start"][:, 1], segments["length"][:, 1] = used + np.cumsum(own) - own, own
    return Requests(rows, segments.ravel(), np.arange(0, 2 * rows.size + 1, 2))
