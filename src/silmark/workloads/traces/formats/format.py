"""What a format of trace files is, and what its reader is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from silmark.workloads.traces.rows import Columns

Kind = Literal["csv", "jsonl", "json", "parquet"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read.

    Attributes:
        columns: role (arrival, prompt, output, session, priority) -> name of its column, where a user says so.
        unit: of arrivals: s, ms, us or ns; None for what the format or the column's name says.
        vllm_filter: leave out what `vllm bench` leaves out of this kind of file.
        turns: of a conversation, `first` question and answer, or `all`.
        think_s: from an answer to the next question of a conversation, where turns are `all`.
        count: tokens of a text, for files that hold words.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    vllm_filter: bool = False
    turns: Literal["first", "all"] = "first"
    think_s: float = 0.0
    count: Callable[[str], int] = len


@dataclass(frozen=True, slots=True)
class Format:
    """One format of trace files.

    Attributes:
        name: as after `--trace-format`.
        holds: what a row knows, in a few words.
        kind: of file.
        keys: columns, or keys of the first record, by which it is recognised.
        read: rows of a file as columns, a piece at a time.
        timed: whether a file states when requests arrived.
        block: tokens behind an id of a row's prompt; 1 where ids are tokens or there are none.
    """

    name: str
    holds: str
    kind: Kind
    keys: frozenset[str]
    read: Callable[[Path, Reading], Iterator[Columns]]
    timed: Callable[[Path, Reading], bool] = lambda _path, _reading: True
    block: int = 1


SHIFTS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
"""Unit of times -> decimal places to nanoseconds."""
