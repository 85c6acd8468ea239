"""Columns of a stranger's Parquet file as whole numbers, a piece at a time; needs pyarrow (silmark[sweep])."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from silmark.errors import BadFile, MissingExtra
from silmark.workloads.traces.rows import CHUNK, UNREAD, Ints

MAX_GROUP = 1 << 30
"""Bytes of one row group of the columns that are read, as the file itself states them."""
_LARGEST = float(1 << 62)


@contextmanager
def _file(path: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional dependency
        from pyarrow import parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtra("reading Parquet traces", "sweep") from None
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise BadFile(path, f"not a whole Parquet file: {error}".partition("\n")[0]) from None


def names(path: Path) -> list[str]:
    """Columns of the file."""
    with _file(path) as file:
        return list(file.schema_arrow.names)


def pieces(path: Path, wanted: Mapping[str, str], shift: int) -> Iterator[tuple[int, dict[str, Ints]]]:
    """Number of the first row, from 1, and columns by role: arrivals in nanoseconds, UNREAD where a cell holds none.

    Args:
        path: the file.
        wanted: role -> column.
        shift: decimal places from arrivals that are numbers to nanoseconds.
    """
    with _file(path) as file:
        meta = file.metadata
        for group in range(meta.num_row_groups):
            if meta.row_group(group).total_byte_size > MAX_GROUP:
                raise BadFile(path, f"a row group of more than {MAX_GROUP >> 30} GiB; write it in smaller ones")
        row = 1
        for batch in file.iter_batches(CHUNK, columns=sorted(set(wanted.values()))):
            found = {}
            for role, name in wanted.items():
                found[role] = _whole(path, name, batch.column(name), shift if role == "arrival" else 0)
            yield row, found
            row += batch.num_rows


def _whole(path: Path, name: str, column: Any, shift: int) -> Ints:  # noqa: ANN401 - a column of pyarrow's
    """A column times 10^shift; UNREAD for nulls and what is too large."""
    from pyarrow import types  # noqa: PLC0415

    kind = column.type
    empty = np.asarray(column.is_null())
    if types.is_timestamp(kind):
        unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        values = np.asarray(column.cast("int64").fill_null(0))
    elif types.is_integer(kind):
        unit = 10**shift
        values = np.asarray(column.fill_null(0))
        values = np.where(values.astype(np.float64) < _LARGEST, values, 0).astype(np.int64)
    elif types.is_floating(kind):
        scaled = np.asarray(column.fill_null(float("nan")), dtype=np.float64) * 10**shift
        usual = np.abs(scaled) < _LARGEST
        if not shift:
            usual &= scaled == np.round(scaled)
        return np.where(usual & ~empty, np.round(np.where(usual, scaled, 0)), UNREAD).astype(np.int64)
    else:
        raise BadFile(path, f"holds {kind}; expected numbers or timestamps", name)
    fits = np.abs(values) < (1 << 62) // unit
    return np.where(fits & ~empty, np.where(fits, values, 0) * unit, UNREAD)
