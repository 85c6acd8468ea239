"""Stream: a trace in pieces that somebody makes again whenever asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from silmark.workloads.requests import Requests


@dataclass(frozen=True, slots=True)
class Stream:
    """A trace (see `silmark.workloads.requests.Trace`).

    Attributes:
        name: as it is called in answers.
        size: requests in all; None where only reading to the end would tell.
        pieces: makes the requests, the same ones at every call.
        skipped: rows of the file that were left out in the latest reading, by reason.
        block: tokens behind an id of the trace's prompts; 1 where ids are tokens or there are none.
        notes: what an answer should say about it, such as its licence.
    """

    name: str
    size: int | None
    pieces: Callable[[], Iterator[Requests]]
    skipped: Counter[str] = field(default_factory=Counter)
    block: int = 1
    notes: tuple[str, ...] = ()

    def chunks(self) -> Iterator[Requests]:
        """The requests in order, from the start; no piece is empty."""
        return self.pieces()
