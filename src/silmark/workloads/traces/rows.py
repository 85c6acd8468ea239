"""Rows of a trace on their way in: columns with what is wrong with each row, and requests cut and joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadFile, BadValue
from silmark.workloads.requests import REQUEST, Requests
from silmark.workloads.workload import MAX_TOKENS

Ints = NDArray[np.int64]
UNREAD: int = np.iinfo(np.int64).min
"""In a column: this cell holds no such number."""
CHUNK = 1 << 16
"""Rows of a piece of a trace."""
MAX_SEGMENTS = 1 << 18
"""Runs of tokens of a piece: where rows have many, a piece has fewer rows."""
MAX_ID = 1 << 50
"""Ids of tokens that a file states lie below it, ids that a reader has to invent above."""
LONGEST_NS = 10**9 * 366 * 86_400 * 10
"""Ten years: an arrival later than that is a timestamp of another kind."""
_LATEST_NS = 280 * LONGEST_NS // 10
_LARGEST_PRIORITY = (1 << 31) - 1
_NAMED = 3
"""Broken rows that a refusal names."""


class Fault(IntEnum):
    """What is wrong with a row; those from FAILED on are no mistakes but left out by a rule that the user knows."""

    NONE = 0
    FORM = 1
    ARRIVAL = 2
    LATE = 3
    PROMPT = 4
    OUTPUT = 5
    LONG = 6
    EARLIER = 7
    IDS = 8
    PRIORITY = 9
    FAILED = 16
    FILTERED = 17
    SHORT = 18


SENTENCES = {
    Fault.FORM: "not a row of this format",
    Fault.ARRIVAL: "arrival is not a time",
    Fault.LATE: "arrival is more than ten years after the first; are the times in another unit?",
    Fault.PROMPT: f"prompt is not a whole number of tokens from 1 to {MAX_TOKENS:,}",
    Fault.OUTPUT: f"output is not a whole number of tokens from 1 to {MAX_TOKENS:,}",
    Fault.LONG: "prompt and output exceed the context",
    Fault.EARLIER: "arrives before the row above it",
    Fault.IDS: "ids of tokens or blocks do not cover the prompt",
    Fault.PRIORITY: "priority is not a whole number of 32 bits",
    Fault.FAILED: "failed in the original: no response tokens",
    Fault.FILTERED: "left out by vLLM's filter",
    Fault.SHORT: "conversation without a question and an answer",
}
"""What answers and refusals say about each."""


@dataclass(slots=True)
class Columns:
    """Some rows as a reader found them; UNREAD where a cell holds nothing of its kind.

    Attributes:
        lines: line of the file, from 1.
        arrival_ns: nanoseconds from any origin; None where the format states no times.
        prompt, output: tokens.
        fault: a Fault each.
        session, priority, delay_ns, made: as in REQUEST; None for its default.
        segments, bounds: as in Requests; None where prompts share nothing.
    """

    lines: Ints
    arrival_ns: Ints | None
    prompt: Ints
    output: Ints
    fault: NDArray[np.int8]
    session: Ints | None = None
    priority: Ints | None = None
    delay_ns: Ints | None = None
    made: Ints | None = None
    segments: NDArray[np.void] | None = None
    bounds: Ints | None = None

    def blame(self, rows: NDArray[np.bool_], fault: Fault) -> None:
        """Notes a fault for those of the rows that have none yet."""
        self.fault[rows & (self.fault == Fault.NONE)] = fault


@dataclass(slots=True)
class Ledger:
    """Which rows of a file were left out, and why.

    Attributes:
        path: of the file, for messages.
        skip: leave broken rows out; else they end the reading.
        counts: rows by reason.
    """

    path: Path
    skip: bool
    counts: Counter[str] = field(default_factory=Counter)

    def settle(self, columns: Columns) -> NDArray[np.bool_]:
        """Which rows stay; raises BadFile for broken ones unless they are to be skipped."""
        faulty = np.flatnonzero(columns.fault != Fault.NONE)
        if faulty.size:
            broken = faulty[columns.fault[faulty] < Fault.FAILED]
            if broken.size and not self.skip:
                raise self._refusal(columns, broken)
            kinds, counts = np.unique(columns.fault[faulty], return_counts=True)
            for kind, count in zip(kinds, counts, strict=True):
                self.counts[SENTENCES[Fault(kind)]] += int(count)
        return np.asarray(columns.fault == Fault.NONE)

    def _refusal(self, columns: Columns, broken: NDArray[np.intp]) -> BadFile:
        first = "; ".join(
            f"line {columns.lines[row]:,}: {SENTENCES[Fault(columns.fault[row])]}" for row in broken[:_NAMED]
        )
        more = f"; and {broken.size - _NAMED:,} more soon after" if broken.size > _NAMED else ""
        return BadFile(self.path, f"{first}{more} (--bad-rows skip leaves such rows out and counts them)")


def nanoseconds(times: NDArray[np.float64]) -> Ints:
    """Times in nanoseconds as whole numbers; raises BadValue where 64 bits do not hold them."""
    last = times.max(initial=0)
    if not last < _LATEST_NS:
        raise BadValue("rate", f"{last / 1e9:.0e} s", "a trace of at most 280 years: a higher rate, or fewer requests")
    return np.round(times).astype(np.int64)


def check(columns: Columns, context: int | None) -> None:
    """Notes what is wrong with lengths and times, whatever the format."""
    for tokens, fault in ((columns.prompt, Fault.PROMPT), (columns.output, Fault.OUTPUT)):
        columns.blame((tokens < 1) | (tokens > MAX_TOKENS), fault)
    if columns.arrival_ns is not None:
        columns.blame(columns.arrival_ns == UNREAD, Fault.ARRIVAL)
    if columns.priority is not None:
        columns.blame((columns.priority < -_LARGEST_PRIORITY) | (columns.priority > _LARGEST_PRIORITY), Fault.PRIORITY)
    if context is not None:
        columns.blame(columns.prompt + columns.output > context, Fault.LONG)


def requests(columns: Columns, keep: NDArray[np.bool_]) -> Requests:
    """The rows that stay, with their arrivals as the file states them (0 where it states none)."""
    rows = np.zeros(columns.lines.size, dtype=REQUEST)
    rows["arrival_ns"] = 0 if columns.arrival_ns is None else columns.arrival_ns
    rows["prompt"], rows["output"] = np.where(keep, columns.prompt, 1), np.where(keep, columns.output, 1)
    for name, unknown in (("delay_ns", -1), ("priority", 0), ("session", -1), ("made", -1)):
        given = getattr(columns, name)
        rows[name] = unknown if given is None else np.where(keep, given, unknown)
    if columns.segments is None or columns.bounds is None:
        return Requests.unshared(rows[keep])
    return take(Requests(rows, columns.segments, columns.bounds), np.flatnonzero(keep))


def take(one: Requests, index: NDArray[np.intp]) -> Requests:
    """Those rows, in that order, with their segments."""
    if not one.segments.size:
        return Requests.unshared(one.rows[index])
    counts = np.diff(one.bounds)[index]
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    inside = np.arange(bounds[-1]) - np.repeat(bounds[:-1], counts)
    return Requests(one.rows[index], one.segments[np.repeat(one.bounds[:-1][index], counts) + inside], bounds)


def first(one: Requests, count: int) -> Requests:
    """The first rows."""
    if count >= one.rows.size:
        return one
    return one.part(0, count)


def joined(parts: Sequence[Requests]) -> Requests:
    """Pieces one after the other."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([0, *(part.segments.size for part in parts)])
    bounds = [np.zeros(1, dtype=np.int64), *(p.bounds[1:] + end for p, end in zip(parts, ends[:-1], strict=True))]
    return Requests(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.segments for part in parts]),
        np.concatenate(bounds),
    )
