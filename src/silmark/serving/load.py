"""Load: the requests of a trace, held to be sent again and again at other rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from silmark.errors import BadValue
from silmark.workloads.requests import Requests
from silmark.workloads.traces import Stream, shape
from silmark.workloads.traces.rows import joined

_PIECE = 256
"""Requests after which a run may be seen to be hopeless."""
MOST = 4_000_000
"""Requests that may be held: 200 MB."""


@dataclass(frozen=True, slots=True)
class Load:
    """Held requests.

    Attributes:
        stream: the requests in pieces, at their own times.
        rate: their own, in requests per second that state an arrival.
        requests: all of them.
        spoken: those whose answers have several tokens: a TPOT is theirs alone.
        prompt, output: mean tokens.
        chained: whether some wait for the answer of another.
    """

    stream: Stream
    rate: float
    requests: int
    spoken: int
    prompt: float
    output: float
    chained: bool

    @classmethod
    def held(cls, trace: Stream, most: int = MOST) -> Load:
        """The first requests of a trace, at most so many.

        Raises:
            BadValue: too many to hold, or all of them at one moment.
        """
        if trace.size is not None and trace.size > most:
            trace = shape.limited(trace, most)
        pieces: list[Requests] = []
        for piece in trace.chunks():
            pieces.append(piece)
            if sum(one.rows.size for one in pieces) > MOST:
                raise BadValue("trace", trace.name, f"at most {MOST:,} requests: cut it with --limit")
        whole = joined(pieces)
        stream = replace(trace, pieces=lambda: _cut(whole), size=whole.rows.size)
        count, first, last = shape.span(stream)
        if last == first:
            raise BadValue("trace", trace.name, "requests that arrive one after the other, so that there is a rate")
        rows = whole.rows
        return cls(
            stream,
            count * 1e9 / (last - first),
            rows.size,
            int(np.count_nonzero(rows["output"] > 1)),
            float(rows["prompt"].mean()),
            float(rows["output"].mean()),
            bool((rows["delay_ns"] >= 0).any()),
        )

    def at(self, rate: float) -> Stream:
        """The same requests at another rate, all gaps stretched alike; infinite: all at once."""
        return shape.faster(self.stream, rate / self.rate)


def _cut(whole: Requests) -> Iterator[Requests]:
    """The requests in small pieces."""
    for first in range(0, whole.rows.size, _PIECE):
        yield whole.part(first, min(first + _PIECE, whole.rows.size))
