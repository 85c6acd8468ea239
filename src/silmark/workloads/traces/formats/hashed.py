"""Rows whose prompts are given as ids of blocks: equal ids are equal tokens, so prefixes can be shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from silmark.workloads.traces.cells import exact
from silmark.workloads.traces.records import Builder, Record, Ties, by_line, runs_of_blocks, tokens
from silmark.workloads.traces.rows import Columns, Fault
from silmark.workloads.workload import MAX_TOKENS

_REMEMBERED = 1 << 20
"""Chats whose first request is known; of a chat that was silent for longer, the rest is a session of its own."""


class Hashed(NamedTuple):
    """Keys of a record."""

    arrival: str
    prompt: str
    output: str
    ids: str


def rows(path: Path, keys: Hashed, shift: int, block: int, chat: tuple[str, str] | None = None) -> Iterator[Columns]:
    """Rows of a file of one record per line.

    Args:
        path: the file.
        keys: of its records.
        shift: decimal places from its times to nanoseconds.
        block: tokens behind an id.
        chat: keys of a request's own number and of the one that it goes on with, where records have them.
    """
    roots: dict[int, int] = {}
    builder = Builder()
    for line, record in by_line(path):
        if record is None or not all(key in record for key in keys[:3]):
            builder.broken(line)
        else:
            _add(builder, line, record, keys, shift, block, _session(record, chat, roots) if chat else -1)
        if builder.full:
            yield builder.columns()
            builder = Builder()
    yield builder.columns()


def _add(builder: Builder, line: int, record: Record, keys: Hashed, shift: int, block: int, session: int) -> None:
    prompt, output = tokens(record, keys.prompt), tokens(record, keys.output)
    ids = record.get(keys.ids) or None
    runs = runs_of_blocks(ids, block, prompt, line) if ids is not None and 0 < prompt <= MAX_TOKENS else []
    fault = Fault.IDS if runs is None else Fault.NONE
    builder.add(line, (prompt, output), exact(record[keys.arrival], shift), runs or [], Ties(session), fault)


def _session(record: Record, chat: tuple[str, str], roots: dict[int, int]) -> int:
    """The first request of a chat, which stands for all of it."""
    own, parent = (exact(record.get(key), 0) for key in chat)
    root = roots.get(parent, parent) if parent >= 0 else own
    if own >= 0:
        roots[own] = root
        if len(roots) > _REMEMBERED:
            del roots[next(iter(roots))]
    return max(root, -1)
