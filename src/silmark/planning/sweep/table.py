"""Rows of a shard as Parquet bytes; needs pyarrow, which comes with silmark[sweep].

The same rows make the same bytes: one row group, words in the order of their first appearance, no time of writing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.errors import MissingExtra, SilmarkError
from silmark.planning.sweep.columns import COLUMNS
from silmark.planning.sweep.evaluate import STATUSES, Piece, Words, evaluate
from silmark.planning.sweep.grid import Grid
from silmark.planning.sweep.work import Work, package_digest


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


def encode(grid: Grid, pieces: Sequence[Piece]) -> bytes:
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


def _counts(pieces: Sequence[Piece]) -> dict[str, int]:
    """Rows by status."""
    total = dict.fromkeys(STATUSES, 0)
    for piece in pieces:
        status = piece.columns["status"]
        if isinstance(status, str):
            total[status] += piece.rows
        elif isinstance(status, Words):
            for word, count in zip(STATUSES, np.bincount(status.at, minlength=len(STATUSES)).tolist(), strict=True):
                total[word] += count
    return total


def _column(name: str, pieces: Sequence[Piece]) -> Any:  # noqa: ANN401 - an array of pyarrow's
    kind = COLUMNS[name].type
    if kind == "text":
        return _words(name, pieces)
    pa = arrow()
    numbers = _laid_out([piece.columns.get(name, math.nan) for piece in pieces], pieces)
    empty = np.isnan(numbers)
    if kind == "number":
        return pa.array(numbers, mask=empty)
    return pa.array(np.where(empty, 0, numbers).astype(np.int64), mask=empty)


def _words(name: str, pieces: Sequence[Piece]) -> Any:  # noqa: ANN401 - an array of pyarrow's
    known: dict[str, int] = {}
    places: list[Any] = []
    for piece in pieces:
        cells = piece.columns.get(name)
        if isinstance(cells, Words):
            used = np.unique(cells.at[cells.at >= 0])
            there = np.full(len(cells.words) + 1, -1)  # the last stands for no word
            there[used] = [known.setdefault(cells.words[at], len(known)) for at in used]
            places.append(there[cells.at])
        else:
            places.append(known.setdefault(cells, len(known)) if isinstance(cells, str) else -1)
    at = _laid_out(places, pieces).astype(np.int32)
    pa = arrow()
    return pa.DictionaryArray.from_arrays(pa.array(at, mask=at < 0), pa.array(list(known), type=pa.string()))


def _laid_out(cells: Sequence[Any], pieces: Sequence[Piece]) -> NDArray[Any]:
    """One array of all rows, from an array or a single number for each piece."""
    if not any(isinstance(one, np.ndarray) for one in cells):
        return np.repeat(np.array(cells), [piece.rows for piece in pieces])
    return np.concatenate(
        [
            one if isinstance(one, np.ndarray) else np.full(piece.rows, one)
            for one, piece in zip(cells, pieces, strict=True)
        ]
    )
