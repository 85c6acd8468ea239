"""CSV files with a header: which column is where, and the cells of those that are wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadFile
from silmark.workloads.traces import lines
from silmark.workloads.traces.cells import Cells, Table, exact, fixed, split, words
from silmark.workloads.traces.rows import UNREAD, Ints

MAX_COLUMNS = 1000


def header(path: Path) -> list[str]:
    """Names of a file's columns."""
    return names_in(lines.head(path).lstrip(b"\r\n").partition(b"\n")[0])


def names_in(line: bytes) -> list[str]:
    """Names of a header line."""
    return [name.strip() for name in words(line.decode("utf-8", "replace").strip())]


def positions(path: Path, names: list[str], wanted: Mapping[str, str]) -> dict[str, int]:
    """Role -> position of its column, capitals or not; raises BadFile naming the columns that are missing."""
    known = {name.lower(): at for at, name in reversed(list(enumerate(names)))}
    missing = [name for name in wanted.values() if name.lower() not in known]
    if missing or len(names) > MAX_COLUMNS:
        raise BadFile(
            path,
            f"no column {', '.join(missing)}; the file has {', '.join(names)[:200]} (--trace-columns prompt=NAME,...)",
        )
    return {role: known[name.lower()] for role, name in wanted.items()}


def tables(path: Path, wanted: Mapping[str, str]) -> Iterator[tuple[Table, dict[str, Cells]]]:
    """Blocks of rows, each with the cells of the wanted columns by role."""
    places: dict[str, int] | None = None
    width = 0
    for line, block in lines.blocks(path):
        rows, first = block, line
        if places is None:
            top, _, rows = block.lstrip(b"\r\n").partition(b"\n")
            names, first = names_in(top), line + block.count(b"\n") - rows.count(b"\n")
            places, width = positions(path, names, wanted), len(names)
        if rows:
            table = split(rows, first, width, tuple(places.values()))
            yield table, {role: table.columns[at] for role, at in places.items()}


def equal(cells: Cells, word: bytes) -> NDArray[np.bool_]:
    """Which cells hold exactly that word."""
    same = cells.ends - cells.starts == len(word)
    for at, letter in enumerate(word):
        same &= cells.data[np.where(same, cells.starts + at, 0)] == letter
    return np.asarray(same)


def sessions(cells: Cells) -> Ints:
    """Sessions: numbers as they are, names as numbers of their own, -1 where there is none."""
    found = fixed(cells, 0)
    for row in np.flatnonzero((found == UNREAD) & (cells.ends > cells.starts)):
        found[row] = session_number(cells.text(int(row)))
    return np.maximum(found, -1)


def session_number(name: Any) -> int:  # noqa: ANN401 - any value of a JSON document
    """A number that stands for a session's name; -1 for none."""
    number = exact(name, 0)
    if number != UNREAD:
        return max(number, -1)
    if not isinstance(name, str) or not name:
        return -1
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=6).digest())
