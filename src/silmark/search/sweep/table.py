"""Rows of a shard as Parquet bytes; needs pyarrow, which comes with silmark[sweep].

The same rows make the same bytes: one row group, words in the order of their first appearance, no time of writing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from silmark.errors import MissingExtra, SilmarkError
from silmark.search.sweep.columns import COLUMNS
from silmark.search.sweep.evaluate import STATUSES, Columns, Words, evaluate
from silmark.search.sweep.grid import Grid
from silmark.search.sweep.work import Work, package_digest


@dataclass(frozen=True, slots=True)
class Part:
    """An evaluated shard.

    Attributes:
        data: content of its Parquet file.
        counts: rows by status.
    """

    shard: int
    data: bytes
    counts: dict[str, int]


def arrow() -> Any:  # noqa: ANN401 - pyarrow has no types
    """The pyarrow module; raises MissingExtra."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional dependency
        import pyarrow.parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtra("silmark sweep", "sweep") from None
    return pa


def make(work: Work, shard: int, package: str) -> Part:
    """Evaluates a shard where a worker runs.

    Args:
        work: the sweep.
        shard: its number.
        package: digest of the package that planned the sweep; another one here would mix two versions' results.
    """
    if package_digest() != package:
        raise SilmarkError(
            "a worker has another version of Silmark or its data than the machine that started the sweep"
        )
    try:
        pieces = evaluate(work, shard)
    except SilmarkError as error:
        raise SilmarkError(str(error)) from None  # its subclasses do not travel between processes
    return Part(shard, encode(work.grid, pieces), _counts(pieces))


def encode(grid: Grid, pieces: Sequence[Columns]) -> bytes:
    """The bytes of a Parquet file with these rows."""
    pa = arrow()
    columns = {name: _column(name, pieces) for name in grid.columns}
    sink = io.BytesIO()
    pa.parquet.write_table(
        pa.table(columns),
        sink,
        row_group_size=grid.rows_per_file,
        compression="zstd",
        use_dictionary=[name for name in columns if COLUMNS[name].type == "text"],
        use_byte_stream_split=[name for name in columns if COLUMNS[name].type == "number"],
    )
    return sink.getvalue()


def rows_of(piece: Columns) -> int:
    """Rows of one plan's piece."""
    points = piece["point"]
    assert not isinstance(points, Words)
    return points.size


def _counts(pieces: Sequence[Columns]) -> dict[str, int]:
    total = np.zeros(len(STATUSES), dtype=np.int64)
    for piece in pieces:
        status = piece["status"]
        assert isinstance(status, Words)
        total += np.bincount(status.at, minlength=len(STATUSES))
    return dict(zip(STATUSES, total.tolist(), strict=True))


def _column(name: str, pieces: Sequence[Columns]) -> Any:  # noqa: ANN401 - an array of pyarrow's
    kind = COLUMNS[name].type
    if kind == "text":
        return _words(name, pieces)
    pa = arrow()
    nothing = (np.full(rows_of(piece), np.nan) for piece in pieces)
    numbers = np.concatenate([piece.get(name, none) for piece, none in zip(pieces, nothing, strict=True)])
    empty = np.isnan(numbers)
    if kind == "number":
        return pa.array(numbers, mask=empty)
    return pa.array(np.where(empty, 0, numbers).astype(np.int64), mask=empty)


def _words(name: str, pieces: Sequence[Columns]) -> Any:  # noqa: ANN401 - an array of pyarrow's
    known: dict[str, int] = {}
    places = []
    for piece in pieces:
        column = piece.get(name)
        if not isinstance(column, Words):
            places.append(np.full(rows_of(piece), -1, dtype=np.int32))
            continue
        used = np.unique(column.at[column.at >= 0])
        there = np.full(len(column.words) + 1, -1, dtype=np.int32)  # the last stands for no word
        there[used] = [known.setdefault(column.words[at], len(known)) for at in used]
        places.append(there[column.at])
    at = np.concatenate(places)
    pa = arrow()
    return pa.DictionaryArray.from_arrays(pa.array(at, mask=at < 0), pa.array(list(known), type=pa.string()))
