"""Tables of anybody, as CSV, JSON lines or Parquet: columns by their usual names, or as `--trace-columns` says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from silmark.errors import BadFile
from silmark.workloads.traces import lines
from silmark.workloads.traces.cells import Cells, exact, exact_time, fixed, timestamps
from silmark.workloads.traces.formats import parquet
from silmark.workloads.traces.formats.format import SHIFTS, Format, Reading
from silmark.workloads.traces.formats.tables import header, session_number, sessions, tables
from silmark.workloads.traces.records import Builder, Ties, by_line, first_keys, tokens
from silmark.workloads.traces.rows import UNREAD, Columns, Ints

ROLES = ("arrival", "prompt", "output", "session", "priority")
_NAMES: Mapping[str, Mapping[str, str]] = {
    "arrival": {
        "arrival_ns": "ns", "arrival_time_ns": "ns", "arrival_us": "us", "arrival_ms": "ms", "arrival_s": "s",
        "arrived_at": "s", "arrival": "s", "arrival_time": "s", "timestamp": "s", "time": "s",
    },
    "prompt": dict.fromkeys((
        "prompt", "prompt_tokens", "prompt_len", "input", "input_tokens", "input_toks", "input_length", "input_len",
        "num_prefill_tokens", "contexttokens", "isl",
    ), ""),
    "output": dict.fromkeys((
        "output", "output_tokens", "output_len", "output_toks", "output_length", "num_decode_tokens",
        "generatedtokens", "osl",
    ), ""),
    "session": dict.fromkeys(("session", "session_id", "conversation_id"), ""),
    "priority": {"priority": ""},
}  # fmt: skip
"""Role -> usual names of its column -> unit that the name means."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column is what.

    Attributes:
        names: role -> column; arrival is absent where the file states no times.
        shift: decimal places from arrivals to nanoseconds.
    """

    names: Mapping[str, str]
    shift: int


def roles(path: Path, known: Collection[str], reading: Reading) -> Roles:
    """Finds the columns; raises BadFile where there is no prompt or output."""
    lower = {name.lower(): name for name in known}
    found, unit = dict(reading.columns), reading.unit
    for role, usual in _NAMES.items():
        if role not in found:
            name = next((name for name in usual if name in lower), None)
            if name is not None:
                found[role] = lower[name]
    if unit is None:
        unit = _NAMES["arrival"].get(found.get("arrival", "").lower(), "s")
    for role, name in found.items():
        if name.lower() not in lower:
            raise BadFile(path, f"no column {name[:80]!r} for {role}; the file has {', '.join(known)[:200]}")
    missing = [role for role in ("prompt", "output") if role not in found]
    if missing:
        raise BadFile(
            path,
            f"no column for {' and '.join(missing)} among {', '.join(known)[:200]}; say which it is: "
            "--trace-columns prompt=NAME,output=NAME,arrival=NAME",
        )
    return Roles(found, SHIFTS[unit])


def read_csv(path: Path, reading: Reading) -> Iterator[Columns]:
    """Rows of a table with a header."""
    chosen = roles(path, header(path), reading)
    for table, cells in tables(path, chosen.names):
        yield Columns(
            table.lines,
            _times(cells["arrival"], chosen.shift) if "arrival" in cells else None,
            fixed(cells["prompt"], 0),
            fixed(cells["output"], 0),
            table.fault,
            session=sessions(cells["session"]) if "session" in cells else None,
            priority=_or_none(cells["priority"]) if "priority" in cells else None,
        )


def _times(cells: Cells, shift: int) -> Ints:
    """Arrivals as numbers of the unit, or as dates."""
    dated = cells.starts.size > 0 and exact_time(cells.text(0)) != UNREAD
    return timestamps(cells) if dated else fixed(cells, shift)


def _or_none(cells: Cells) -> Ints:
    """Priorities; 0 where a cell is empty."""
    return np.where(cells.ends > cells.starts, fixed(cells, 0), 0)


def read_jsonl(path: Path, reading: Reading) -> Iterator[Columns]:
    """Rows of one record per line."""
    chosen = roles(path, _keys(path), reading)
    names, builder = chosen.names, Builder()
    for line, one in by_line(path):
        if one is None or not all(names[role] in one for role in ("prompt", "output")):
            builder.broken(line)
        else:
            builder.add(
                line,
                (tokens(one, names["prompt"]), tokens(one, names["output"])),
                _moment(one.get(names["arrival"]), chosen.shift) if "arrival" in names else 0,
                ties=Ties(
                    session=session_number(one.get(names["session"])) if "session" in names else -1,
                    priority=tokens(one, names["priority"]) if one.get(names.get("priority", "")) is not None else 0,
                ),
            )
        if builder.full:
            yield builder.columns(timed="arrival" in names)
            builder = Builder()
    yield builder.columns(timed="arrival" in names)


def _keys(path: Path) -> list[str]:
    head = lines.head(path).lstrip()
    if not head.startswith(b"{"):
        raise BadFile(path, "not a JSON object", "line 1")
    return first_keys(head)


def _moment(value: Any, shift: int) -> int:  # noqa: ANN401 - any value of a JSON document
    number = exact(value, shift)
    return exact_time(value) if number == UNREAD and isinstance(value, str) else number


def read_parquet(path: Path, reading: Reading) -> Iterator[Columns]:
    """Rows of a Parquet file."""
    chosen = roles(path, parquet.names(path), reading)
    for start, columns in parquet.pieces(path, chosen.names, chosen.shift):
        prompt = columns["prompt"]
        yield Columns(
            np.arange(start, start + prompt.size),
            columns.get("arrival"),
            prompt,
            columns["output"],
            np.zeros(prompt.size, dtype=np.int8),
            session=np.maximum(columns["session"], -1) if "session" in columns else None,
            priority=columns.get("priority"),
        )


def _timed(names: Callable[[Path], list[str]]) -> Callable[[Path, Reading], bool]:
    """Whether a table has a column of arrivals."""
    return lambda path, reading: "arrival" in roles(path, names(path), reading).names


CSV = Format("csv", "lengths, what else its columns say", "csv", frozenset(), read_csv, _timed(header))
JSONL = Format("jsonl", "lengths, what else its keys say", "jsonl", frozenset(), read_jsonl, _timed(_keys))
PARQUET = Format(
    "parquet", "lengths, what else its columns say", "parquet", frozenset(), read_parquet, _timed(parquet.names)
)
