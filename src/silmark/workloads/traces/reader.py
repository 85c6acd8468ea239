"""A trace file as requests: broken rows refused or counted, arrivals in order and from zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from silmark.errors import BadFile
from silmark.workloads.requests import Requests
from silmark.workloads.traces.formats import Format, Reading
from silmark.workloads.traces.rows import (
    CHUNK,
    LONGEST_NS,
    SENTENCES,
    UNREAD,
    Columns,
    Fault,
    Ledger,
    check,
    first,
    joined,
    requests,
    take,
)
from silmark.workloads.traces.stream import Stream


@dataclass(frozen=True, slots=True)
class Care:
    """What to do with rows that are not as they should be.

    Attributes:
        bad_rows: refuse the file, or skip them and count.
        unsorted: what a row is that arrives before the one above it: a bad row (refuse), or sort it in among at least
            65,536 rows around it.
        context: longest prompt and output together; None for no limit.
    """

    bad_rows: Literal["refuse", "skip"] = "refuse"
    unsorted: Literal["refuse", "sort"] = "refuse"
    context: int | None = None


def opened(name: str, path: Path, form: Format, reading: Reading, care: Care, timed: bool) -> Stream:
    """The trace of a file; its rows are checked while they are read. Without times there is nothing to sort."""
    skipped: Counter[str] = Counter()

    def pieces() -> Iterator[Requests]:
        skipped.clear()
        ledger = Ledger(path, care.bad_rows == "skip", skipped)
        sound = _sound(form.read(path, reading), ledger, care)
        found = False
        for piece in _sorted(sound, ledger) if timed and care.unsorted == "sort" else sound:
            if piece.rows.size:
                found = True
                yield piece
        if not found:
            lost = sum(skipped.values())
            raise BadFile(path, f"no request left: all {lost:,} rows were left out" if lost else "holds no requests")

    return Stream(name, None, pieces, skipped, form.block)


def _sound(columns: Iterator[Columns], ledger: Ledger, care: Care) -> Iterator[Requests]:
    """Rows without faults, their arrivals counted from the first."""
    origin: int | None = None
    latest = UNREAD
    for one in columns:
        check(one, care.context)
        if one.arrival_ns is not None:
            good = one.fault == Fault.NONE
            if origin is None and good.any():
                origin = int(one.arrival_ns[np.argmax(good)])
            since = one.arrival_ns - (origin or 0)
            one.blame(since > LONGEST_NS, Fault.LATE)
            if care.unsorted == "refuse":
                latest = _in_order(one, latest)
            else:
                one.blame(since < -LONGEST_NS, Fault.LATE)
            one.arrival_ns = since
        yield requests(one, ledger.settle(one))


def _in_order(one: Columns, latest: int) -> int:
    """Blames rows that arrive before one above them; returns the latest arrival so far."""
    assert one.arrival_ns is not None
    good = one.fault == Fault.NONE
    so_far = np.maximum.accumulate(np.where(good, one.arrival_ns, UNREAD))
    if so_far.size:
        one.blame(one.arrival_ns < np.maximum(so_far, latest), Fault.EARLIER)
        latest = max(latest, int(so_far[-1]))
    return latest


def _sorted(pieces: Iterator[Requests], ledger: Ledger) -> Iterator[Requests]:
    """The same rows by arrival, where none is more than a piece away from its place."""
    held: list[Requests] = []
    last: int | None = None
    origin = 0
    for piece in pieces:
        held.append(piece)
        if sum(one.rows.size for one in held) < 2 * CHUNK:
            continue
        whole = _by_arrival(held)
        cut = whole.rows.size - CHUNK
        ready, held = first(whole, cut), [take(whole, np.arange(cut, whole.rows.size))]
        origin = int(ready.rows["arrival_ns"][0]) if last is None else origin
        ready = _not_before(ready, last, ledger)
        last = int(ready.rows["arrival_ns"][-1]) if ready.rows.size else last
        yield _from(ready, origin)
    if held:
        whole = _by_arrival(held)
        if last is None and whole.rows.size:
            origin = int(whole.rows["arrival_ns"][0])
        yield _from(_not_before(whole, last, ledger), origin)


def _by_arrival(held: list[Requests]) -> Requests:
    whole = joined(held)
    return take(whole, np.argsort(whole.rows["arrival_ns"], kind="stable"))


def _not_before(ready: Requests, last: int | None, ledger: Ledger) -> Requests:
    """Drops, or refuses, rows whose place has already been handed out."""
    early = 0 if last is None else int(np.searchsorted(ready.rows["arrival_ns"], last))
    if not early:
        return ready
    if not ledger.skip:
        raise BadFile(ledger.path, f"{early:,} rows arrive before one that stands {CHUNK:,} rows above; sort the file")
    ledger.counts[SENTENCES[Fault.EARLIER]] += early
    return take(ready, np.arange(early, ready.rows.size))


def _from(ready: Requests, origin: int) -> Requests:
    """Arrivals counted from another origin."""
    ready.rows["arrival_ns"] -= origin
    return ready
