"""Traces of requests: from words to a trace, and what it is like."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from silmark.api.question import Count, Duration, whole
from silmark.api.question import duration as _duration
from silmark.errors import BadValue
from silmark.report.trace import Shown
from silmark.workloads import traces
from silmark.workloads.traces import Asked, Stream
from silmark.workloads.traces.copies import MAX_COPIES
from silmark.workloads.traces.generators.parameters import MAX_REQUESTS, between, positive, seconds
from silmark.workloads.traces.spec import by_letters
from silmark.workloads.traces.statistics import USUAL_BLOCK, statistics
from silmark.workloads.workload import MAX_TOKENS

_MAX_BLOCK = 1 << 16


def opened(
    spec: str | Path,
    *,
    trace_format: str | None = None,
    trace_columns: str | Mapping[str, str] | None = None,
    time_unit: str | None = None,
    rate: str | float | None = None,
    arrivals: str | None = None,
    burstiness: str | float = 1.0,
    duration: Duration | None = None,
    limit: Count | None = None,
    copies: Count = 1,
    repeat: Count = 1,
    lengths: str | None = None,
    bad_rows: str = "refuse",
    unsorted: str = "refuse",
    context: Count | None = None,
    vllm_filter: bool = False,
    turns: str = "first",
    think: str = "0",
    letters_per_token: str | float | None = None,
    count: Callable[[str], int] | None = None,
    seed: Count = 0,
) -> Stream:
    """The trace that is meant.

    Args:
        spec: path of a file, name of a public trace, or a generator such as `poisson:rate=5,prompt=1024,output=256`.
        trace_format: of the file; recognised by its content if not given.
        trace_columns: of a plain table: `arrival=ts,prompt=in,output=out,session=user`, or a mapping.
        time_unit: of a table's arrivals: s, ms, us or ns.
        rate: requests per second; `2x` for twice the recorded rate; `inf` for all at once.
        arrivals: recorded, poisson, gamma or constant, in place of recorded ones.
        burstiness: of gamma arrivals, as `vllm bench serve --burstiness`.
        duration: requests that arrive later are left out.
        limit: most requests.
        copies: so many times the trace's users: copies on top of each other, shifted by less than a minute.
        repeat: the trace so many times, one after the other.
        lengths: another trace, whose lengths a generator draws.
        bad_rows: refuse a file with broken rows, or skip them and count.
        unsorted: refuse rows that arrive before the one above, or sort them in.
        context: longest prompt and output together.
        vllm_filter: leave out what `vllm bench` leaves out of ShareGPT and BurstGPT.
        turns: of a conversation in words: first, or all.
        think: time between a conversation's answer and its next question.
        letters_per_token: for files of words; a documented figure if not given.
        count: tokens of a text, for files of words, in place of letters.
        seed: of arrivals in place of recorded ones.
    """
    asked = Asked(
        format=trace_format or "",
        columns=_columns(trace_columns),
        unit=time_unit,
        rate="" if rate is None else str(rate).strip(),
        arrivals=arrivals or "",
        burstiness=positive("burstiness", str(burstiness)),
        duration_s=math.inf if duration is None else _duration("duration", duration),
        limit=None if limit is None else _most("limit", limit, MAX_REQUESTS),
        copies=_most("copies", copies, MAX_COPIES),
        repeat=_most("repeat", repeat, MAX_COPIES),
        lengths=lengths or "",
        bad_rows=bad_rows,
        unsorted=unsorted,
        context=None if context is None else _most("context", context, 2 * MAX_TOKENS),
        vllm_filter=vllm_filter,
        turns=turns,
        think_s=seconds("think", str(think)),
        count=count or by_letters(None if letters_per_token is None else _letters(letters_per_token)),
        seed=whole("seed", seed, least=0),
    )
    return traces.open(spec, asked)


def trace(spec: str | Path, *, block_size: Count | None = None, **words: Any) -> Shown:  # noqa: ANN401 - as `opened`
    """What a trace is like: lengths, arrivals, and what an endless prefix cache would have of its prompts.

    Args:
        spec, words: as in `opened`.
        block_size: tokens of a cached block; that of the trace's own ids if not given, else 16.
    """
    found = opened(spec, **words)
    usual = found.block if found.block > 1 else USUAL_BLOCK
    block = usual if block_size is None else _most("block-size", block_size, _MAX_BLOCK)
    return Shown(found.name, statistics(found, block), dict(found.skipped), found.notes)


def _letters(given: str | float) -> float:
    return between(0.1, 1000)("letters-per-token", str(given))


def _most(label: str, value: Count, most: int) -> int:
    """A whole number from 1 to a bound."""
    found = whole(label, value)
    if found > most:
        raise BadValue(label, value, f"at most {most:,}")
    return found


def _columns(given: str | Mapping[str, str] | None) -> dict[str, str]:
    """Role -> column from `prompt=in,output=out`."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    pairs = [part.partition("=") for part in given.split(",")]
    if not all(role.strip() and name.strip() for role, _, name in pairs):
        raise BadValue("trace-columns", given, "ROLE=COLUMN pairs, such as arrival=ts,prompt=in,output=out")
    return {role.strip(): name.strip() for role, _, name in pairs}
