"""Requests: rows of a trace as arrays, with what their tokens have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

REQUEST = np.dtype(
    [
        ("arrival_ns", np.int64),
        ("delay_ns", np.int64),
        ("prompt", np.int32),
        ("output", np.int32),
        ("priority", np.int32),
        ("session", np.int64),
        ("made", np.int64),
    ],
    align=True,
)
"""One request.

arrival_ns: nanoseconds from the start of the trace, in ascending order among rows that state it.
delay_ns: -1, or: the request is sent so long after the row before it was answered (a session's next turn, think time
    included) and arrival_ns is not read.
prompt, output: tokens; both at least 1.
priority: the lower, the sooner (vLLM); 0 where a trace knows none.
session: number that a session's requests share, -1 for none.
made: id of the first generated token, the following ones count up; -1 where nobody else will ever hold these tokens.
"""

SEGMENT = np.dtype([("start", np.int64), ("length", np.int64)], align=True)
"""So many tokens with ids that count up from `start`: equal ids are equal tokens, which a prefix cache can share."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Some rows of a trace.

    Attributes:
        rows: of dtype REQUEST.
        segments: of dtype SEGMENT, of all rows one after the other; a row without any shares its prompt with no one.
        bounds: row i has segments bounds[i] to bounds[i + 1]; int64, one longer than rows.
    """

    rows: NDArray[np.void]
    segments: NDArray[np.void]
    bounds: NDArray[np.int64]

    @classmethod
    def unshared(cls, rows: NDArray[np.void]) -> Requests:
        """Rows whose prompts have nothing in common."""
        return cls(rows, np.zeros(0, dtype=SEGMENT), np.zeros(rows.size + 1, dtype=np.int64))

    def part(self, first: int, end: int) -> Requests:
        """Rows `first` to `end`, the last one left out."""
        low, high = self.bounds[first], self.bounds[end]
        return Requests(self.rows[first:end], self.segments[low:high], self.bounds[first : end + 1] - low)


class Trace(Protocol):
    """Where requests come from: a file that is read in pieces, or a generator."""

    @property
    def name(self) -> str:
        """As it is called in answers."""

    @property
    def size(self) -> int | None:
        """Requests in all; None where only reading to the end would tell."""

    def chunks(self) -> Iterator[Requests]:
        """The requests in order, from the start; the same ones at every call."""
