"""Columns as a Parquet file; needs pyarrow, which comes with silmark[sweep]."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from silmark.errors import BadValue, MissingExtra


def write_parquet(columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Writes columns of equal length to a file.

    Raises:
        MissingExtra: pyarrow is not installed.
        BadValue: the file cannot be written.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional dependency
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtra("writing parquet", "sweep") from None
    try:
        parquet.write_table(pa.table(dict(columns)), path)
    except OSError as error:
        raise BadValue("parquet", str(path), f"a file that can be written ({error.strerror or error})") from None
