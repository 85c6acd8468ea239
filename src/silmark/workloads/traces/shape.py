"""What is done to a trace before it is sent: other times, or a part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from silmark.errors import BadValue
from silmark.workloads.requests import Requests
from silmark.workloads.traces.rows import Ints, first, nanoseconds
from silmark.workloads.traces.stream import Stream

MAX_RATE = 1e6
MIN_RATE = 1e-6
RATE = f"a rate from {MIN_RATE:g} to {MAX_RATE:,.0f} requests per second, such as 5, 300/min, or inf: all at once"


class Arrivals(Protocol):
    """A process of arrivals that has begun."""

    def take(self, count: int) -> Ints:
        """The next arrivals, in nanoseconds from the start."""


def checked_rate(label: str, rate: float) -> float:
    """A rate in requests per second; raises BadValue. Infinite: all at once."""
    if not (MIN_RATE <= rate <= MAX_RATE or rate == float("inf")):
        raise BadValue(label, rate, RATE)
    return rate


def limited(trace: Stream, most: int) -> Stream:
    """The first so many requests."""

    def pieces() -> Iterator[Requests]:
        left = most
        for piece in trace.chunks():
            yield first(piece, left)
            left -= piece.rows.size
            if left <= 0:
                return

    return replace(trace, pieces=pieces, size=most if trace.size is None else min(most, trace.size))


def until(trace: Stream, seconds: float) -> Stream:
    """The requests that arrive before a time, with all that follow from them."""
    end = min(round(seconds * 1e9), np.iinfo(np.int64).max)

    def pieces() -> Iterator[Requests]:
        for piece in trace.chunks():
            late = np.flatnonzero((piece.rows["arrival_ns"] >= end) & (piece.rows["delay_ns"] < 0))
            if not late.size:
                yield piece
                continue
            if late[0]:
                yield first(piece, int(late[0]))
            return

    return replace(trace, pieces=pieces, size=None)


def span(trace: Stream) -> tuple[int, int, int]:
    """Requests that state an arrival, and the first and the last of these arrivals, by reading the trace once."""
    count, begin, end = 0, 0, 0
    for piece in trace.chunks():
        arrivals = piece.rows["arrival_ns"][piece.rows["delay_ns"] < 0]
        if arrivals.size:
            begin, end = (begin if count else int(arrivals[0])), int(arrivals[-1])
            count += arrivals.size
    return count, begin, end


def faster(trace: Stream, factor: float) -> Stream:
    """The same arrivals in 1/factor of the time: bursts stay bursts, but are shorter."""

    def pieces() -> Iterator[Requests]:
        for piece in trace.chunks():
            yield _timed(piece, nanoseconds(np.where(piece.rows["delay_ns"] < 0, piece.rows["arrival_ns"] / factor, 0)))

    return replace(trace, pieces=pieces)


def at_rate(trace: Stream, rate: float) -> Stream:
    """The same arrivals, all times stretched so that the mean rate is as asked.

    The trace is read once before, for its own rate: requests / (last - first arrival).
    """

    def pieces() -> Iterator[Requests]:
        count, begin, end = span(trace)
        if end == begin:
            raise BadValue("rate", rate, "a trace of several arrivals to stretch; or --arrivals poisson")
        yield from faster(trace, rate * (end - begin) / 1e9 / count).chunks()

    return replace(trace, pieces=pieces)


def retimed(trace: Stream, begin: Callable[[int], Arrivals]) -> Stream:
    """The same requests in the same order at the times of a process.

    Args:
        trace: read once before, to count its requests.
        begin: the process for so many requests, anew with every reading.
    """

    def pieces() -> Iterator[Requests]:
        process = begin(span(trace)[0])
        for piece in trace.chunks():
            stated = piece.rows["delay_ns"] < 0
            times = np.zeros(stated.size, dtype=np.int64)
            times[stated] = process.take(int(np.count_nonzero(stated)))
            yield _timed(piece, times)

    return replace(trace, pieces=pieces)


def _timed(piece: Requests, times: Ints) -> Requests:
    rows = piece.rows.copy()
    rows["arrival_ns"] = times
    return Requests(rows, piece.segments, piece.bounds)
