"""The same trace several times: one after the other, or at once.

A copy is sent by other users: its sessions and the ids of its tokens are new, so that a cache helps a copy no more than
it helped the first. What users have in common, such as a system prompt, is then counted once per copy: hit rates of
copies are a little low, never high.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from silmark.errors import BadValue
from silmark.workloads.requests import Requests
from silmark.workloads.traces.rows import CHUNK, Ints, first, joined, take
from silmark.workloads.traces.stream import Stream

MAX_COPIES = 100_000
SPREAD_S = 60.0
"""Copies sent at once are shifted against each other by less than this: bursts of a few seconds are the doing of single
users and fall together by chance only, swings of minutes and hours are common to all."""
_GOLDEN = (5**0.5 - 1) / 2
_LARGEST = 1 << 62
_KEPT = 1 << 20
"""Rows and segments of a trace that is kept while it is repeated instead of being read again."""


@dataclass(slots=True)
class Extent:
    """What one reading of a trace takes up.

    Attributes:
        count: requests that state an arrival.
        begin, end: first and last of these arrivals, nanoseconds.
        sessions, ids: above all numbers of sessions and ids of tokens.
        size: rows and segments.
    """

    count: int = 0
    begin: int = 0
    end: int = 0
    sessions: int = 0
    ids: int = 0
    size: int = 0

    def see(self, piece: Requests) -> None:
        """Takes in a piece."""
        rows, segments = piece.rows, piece.segments
        arrivals = rows["arrival_ns"][rows["delay_ns"] < 0]
        if arrivals.size:
            self.begin = self.begin if self.count else int(arrivals[0])
            self.end, self.count = int(arrivals[-1]), self.count + arrivals.size
        made = rows["made"] >= 0
        self.size += rows.size + segments.size
        self.sessions = max(self.sessions, int(rows["session"].max(initial=-1)) + 1)
        self.ids = max(
            self.ids,
            int((segments["start"] + segments["length"]).max(initial=0)),
            int((rows["made"] + rows["output"])[made].max(initial=0)),
        )

    def moved(self, piece: Requests, number: int, later_ns: int) -> Requests:
        """A piece as the copy of that number sends it, so much later."""
        if max(max(self.ids, self.sessions) * (number + 1), self.end + later_ns) > _LARGEST:
            what = "ids of tokens, numbers of sessions or times"
            raise BadValue("copies", number + 1, f"at most {number:,}: {what} would not fit into 64 bits")
        rows, segments = piece.rows.copy(), piece.segments.copy()
        rows["arrival_ns"] += later_ns
        for name, step in (("session", self.sessions), ("made", self.ids)):
            rows[name] += np.where(rows[name] >= 0, number * step, 0)
        segments["start"] += number * self.ids
        return Requests(rows, segments, piece.bounds)


def repeated(trace: Stream, copies: int) -> Stream:
    """The trace several times, one after the other at its own rate.

    The first arrival of a copy follows the last one before by the trace's mean gap.
    """
    _check("repeat", copies)

    def pieces() -> Iterator[Requests]:
        whole, kept = Extent(), list[Requests]()
        for piece in trace.chunks():
            whole.see(piece)
            if whole.size <= _KEPT:
                kept.append(piece)
            yield piece
        period = whole.end - whole.begin + (whole.end - whole.begin) // max(1, whole.count - 1)
        for number in range(1, copies):
            for piece in kept if whole.size <= _KEPT else trace.chunks():
                yield whole.moved(piece, number, number * period)

    return replace(trace, pieces=pieces, size=_times(trace, copies), name=f"{trace.name}, {copies} times")


def at_once(trace: Stream, copies: int) -> Stream:
    """The trace sent by so many times its users: copies on top of each other, shifted by less than SPREAD_S.

    Copy k is shifted by the fractional part of k times the golden ratio, which spreads any number of copies evenly. The
    trace is read once before, for its sessions and ids. In its first and last minute not all copies are there.
    """
    _check("copies", copies)
    shifts = [round(number * _GOLDEN % 1 * SPREAD_S * 1e9) for number in range(copies)]

    def pieces() -> Iterator[Requests]:
        whole = Extent()
        for piece in trace.chunks():
            whole.see(piece)
        waiting: list[Requests] = []
        for piece in _small(trace.chunks(), max(1, CHUNK // copies)):
            waiting += [whole.moved(piece, number, later) for number, later in enumerate(shifts)]
            # Whatever is still to come arrives no earlier than what came last, unshifted.
            ready, rest = _parted(joined(waiting), int(_heads(piece)[-1]))
            waiting = [rest]
            if ready.rows.size:
                yield ready
        if waiting and waiting[0].rows.size:
            yield waiting[0]

    return replace(trace, pieces=pieces, size=_times(trace, copies), name=f"{trace.name}, {copies} at once")


def _check(label: str, copies: int) -> None:
    if not 1 <= copies <= MAX_COPIES:
        raise BadValue(label, copies, f"from 1 to {MAX_COPIES:,} copies")


def _times(trace: Stream, copies: int) -> int | None:
    return None if trace.size is None else trace.size * copies


def _small(pieces: Iterator[Requests], rows: int) -> Iterator[Requests]:
    """The same requests in pieces of about so many rows, chains whole."""
    for piece in pieces:
        if not piece.rows.size:
            continue
        heads = np.flatnonzero(piece.rows["delay_ns"] < 0)
        cuts = np.unique(
            heads[np.searchsorted(heads, np.arange(rows, piece.rows.size, rows), side="left") % heads.size]
        )
        for start, end in zip([0, *cuts[cuts > 0]], [*cuts[cuts > 0], piece.rows.size], strict=True):
            yield take(piece, np.arange(start, end))


def _heads(one: Requests) -> Ints:
    """For every row when its chain begins."""
    at = np.maximum.accumulate(np.where(one.rows["delay_ns"] < 0, np.arange(one.rows.size), 0))
    return np.asarray(one.rows["arrival_ns"][at])


def _parted(one: Requests, upto: int) -> tuple[Requests, Requests]:
    """By arrival, chains whole: what begins up to a time, and what begins later."""
    begins = _heads(one)
    order = np.argsort(begins, kind="stable")
    cut = int(np.searchsorted(begins[order], upto, side="right"))
    return first(take(one, order), cut), take(one, order[cut:])
