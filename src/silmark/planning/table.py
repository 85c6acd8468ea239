"""Columns as a Parquet file; needs pyarrow, which comes with silmark[sweep]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from silmark.errors import BadValue, MissingExtra


def write_parquet(columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Writes columns of equal length to a file; raises as `rows_of`."""
    with rows_of(path) as write:
        write(columns)


@contextmanager
def rows_of(path: Path) -> Iterator[Callable[[Mapping[str, NDArray[Any]]], None]]:
    """Writes rows to a file piece by piece, a row group each, so that they need not be in memory together.

    The block is given what writes a piece, all pieces with the same columns. No file is left if it fails.

    Raises:
        MissingExtra: pyarrow is not installed.
        BadValue: the file cannot be written.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional dependency
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtra("writing parquet", "sweep") from None
    files: list[Any] = []

    def write(columns: Mapping[str, NDArray[Any]]) -> None:
        table = pa.table(dict(columns))
        if not files:
            files.append(parquet.ParquetWriter(path, table.schema))
        files[0].write_table(table)

    try:
        yield write
        for file in files:
            file.close()
    except OSError as error:
        raise BadValue("parquet", str(path), f"a file that can be written ({error.strerror or error})") from None
    except BaseException:
        for file in files:
            file.close()
            path.unlink(missing_ok=True)
        raise
