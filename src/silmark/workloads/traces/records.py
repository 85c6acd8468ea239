"""JSON of strangers: one record per line, or one array of records, in pieces; numbers keep all their digits."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from silmark.errors import BadFile
from silmark.workloads.requests import SEGMENT
from silmark.workloads.traces import lines
from silmark.workloads.traces.cells import exact
from silmark.workloads.traces.rows import CHUNK, MAX_ID, MAX_SEGMENTS, Columns, Fault

_KEY = re.compile(rb'"([^"\\\n]{1,80})"\s*:')
_OPENING = re.compile(r"[ \t\r\n]*\[?[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
Record = dict[str, Any]
Run = tuple[int, int]
"""First id and number of tokens whose ids count up."""


def _decimal(text: str) -> Decimal:
    """A fraction with all its digits; an exponent beyond all bounds is no number."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("nan")


_DECODER = json.JSONDecoder(parse_float=_decimal)


def parsed(text: str | bytes) -> Record | None:
    """One record; None where the text is none."""
    try:
        found = _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except (ValueError, RecursionError):  # ValueError: no JSON, no UTF-8, a number of thousands of digits
        return None
    return found if isinstance(found, dict) else None


def first_keys(head: bytes) -> list[str]:
    """Keys of the first record of a file, of which only the beginning may be at hand."""
    text = head.partition(b"\n")[0]
    record = parsed(text)
    return list(record) if record is not None else [key.decode("utf-8", "replace") for key in _KEY.findall(text)]


def by_line(path: Path) -> Iterator[tuple[int, Record | None]]:
    """Line number and record of every line that is not blank."""
    for start, block in lines.blocks(path):
        for number, text in enumerate(block.split(b"\n"), start):
            if text and not text.isspace():
                yield number, parsed(text)


def in_array(path: Path) -> Iterator[tuple[int, Record | None]]:
    """Line number and record of every element of the array that a file is, without ever holding the whole file."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    text, at, line, gap = "", 0, 1, _OPENING
    for part in chain(lines.parts(path), [b""]):
        text, at = text[at:] + decode(part, final=not part), 0
        while True:
            between = gap.match(text, at)
            if between is not None:
                line, at = line + between[0].count("\n"), between.end()
                gap = _BETWEEN if "[" in between[0] else gap
            if text.startswith("]", at):
                return
            try:
                found, end = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError):
                break
            # A number may go on in the next part: only what is followed by something is whole.
            if end == len(text):
                break
            yield line, found if isinstance(found, dict) else None
            line += text.count("\n", at, end)
            at = end
        if len(text) - at > lines.MAX_LINE:
            break
    raise BadFile(path, "not a JSON array of records, or one that breaks off", f"line {line:,}")


class Ties(NamedTuple):
    """What ties a row to others (see REQUEST)."""

    session: int = -1
    delay_ns: int = -1
    made: int = -1
    priority: int = 0


ALONE = Ties()


@dataclass(slots=True)
class Builder:
    """Collects rows one by one until a piece is full.

    Attributes:
        rows: line, prompt, output, arrival, fault, and ties of each.
        runs: of all rows, one after the other.
        bounds: where each row's runs begin and end.
    """

    rows: list[tuple[int, ...]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    bounds: list[int] = field(default_factory=lambda: [0])

    def add(
        self,
        line: int,
        lengths: tuple[int, int],
        arrival_ns: int = 0,
        runs: Sequence[Run] = (),
        ties: Ties = ALONE,
        fault: Fault = Fault.NONE,
    ) -> None:
        """One row; lengths are tokens of prompt and output."""
        self.rows.append((line, *lengths, arrival_ns, fault, *ties))
        self.runs.extend(runs)
        self.bounds.append(len(self.runs))

    def broken(self, line: int, fault: Fault = Fault.FORM) -> None:
        """A row that has to go."""
        self.add(line, (1, 1), fault=fault)

    @property
    def full(self) -> bool:
        """Whether the piece has to be handed on."""
        return len(self.rows) >= CHUNK or len(self.runs) >= MAX_SEGMENTS

    def columns(self, timed: bool = True) -> Columns:
        """What was collected."""
        table = np.array(self.rows, dtype=np.int64).reshape(-1, 5 + len(Ties._fields))
        lines, prompt, output, arrival, fault, *ties = (column.copy() for column in table.T)
        return Columns(
            lines,
            arrival if timed else None,
            prompt,
            output,
            fault.astype(np.int8),
            **dict(zip(Ties._fields, ties, strict=True)),
            segments=np.array(self.runs, dtype=SEGMENT) if self.runs else None,
            bounds=np.array(self.bounds, dtype=np.int64) if self.runs else None,
        )


def tokens(record: Record, key: str) -> int:
    """A number of tokens, UNREAD where the record has none."""
    return exact(record.get(key), 0)


def runs_of_blocks(ids: object, block: int, prompt: int, line: int) -> list[Run] | None:
    """Runs of tokens behind the ids of a prompt's blocks; None where they do not fit.

    Args:
        ids: of the blocks; neighbours in number become one run. Either all blocks have one, the last one being partly
            filled, or only full blocks do; the rest then has ids that no other line has.
        block: tokens of a block.
        prompt: tokens in all.
        line: of the file.
    """
    if not isinstance(ids, list) or len(ids) not in (-(-prompt // block), prompt // block):
        return None
    rest = prompt - len(ids) * block
    alone = [(MAX_ID + line * block, rest)] if rest > 0 else []
    if not ids:
        return alone
    if set(map(type, ids)) != {int} or min(ids) < 0 or max(ids) >= MAX_ID // block:
        return None
    cuts = [0, *(at for at, (one, other) in enumerate(pairwise(ids), 1) if other != one + 1), len(ids)]
    found = [(ids[start] * block, (end - start) * block) for start, end in pairwise(cuts)]
    start, length = found[-1]
    found[-1] = start, length + min(0, rest)
    return found + alone
