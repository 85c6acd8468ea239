"""Reads columns of a stranger's parquet file as texts; needs pyarrow, which comes with silmark[measurements]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from silmark.errors import BadFile, MissingExtra

MAX_UNPACKED = 1 << 30
"""Bytes of all columns, as the file itself states them."""
_LONGEST = 400


def read(path: Path, columns: Sequence[str], most: int) -> dict[str, list[str]]:
    """Cells of those of the columns that the file has.

    Args:
        path: the file.
        columns: names; others are not read.
        most: rows.

    Raises:
        BadFile: damaged, too large, or a column of neither words nor numbers.
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional dependency
        from pyarrow import parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtra("reading parquet tables", "measurements") from None
    try:
        with pq.ParquetFile(path, memory_map=False) as plain:
            meta, schema = plain.metadata, plain.schema_arrow
            unpacked = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
            if meta.num_rows > most or unpacked > MAX_UNPACKED:
                raise BadFile(path, f"more than {most:,} rows or {MAX_UNPACKED >> 30} GiB unpacked")
            wanted = [name for name in columns if name in schema.names]
            words = [name for name in wanted if _is_word(path, name, schema.field(name).type)]
        # A dictionary keeps each word once: a long one cannot be unpacked a million times.
        with pq.ParquetFile(path, memory_map=False, read_dictionary=words) as file:
            table = file.read(columns=wanted)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise BadFile(path, f"not a whole parquet file: {error}".partition("\n")[0]) from None
    return {name: _cells(path, name, table.column(name)) for name in wanted}


def _is_word(path: Path, name: str, kind: Any) -> bool:  # noqa: ANN401 - a type of pyarrow's
    from pyarrow import types  # noqa: PLC0415

    if types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind):
        return False
    if types.is_string(kind) or types.is_large_string(kind):
        return True
    raise BadFile(path, f"holds {kind}; expected words or numbers", name)


def _cells(path: Path, name: str, column: Any) -> list[str]:  # noqa: ANN401 - a column of pyarrow's
    found: list[str] = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            words = [word or "" for word in chunk.dictionary.to_pylist()]
            if any(len(word) > _LONGEST for word in words):
                raise BadFile(path, f"a word of more than {_LONGEST} letters", name)
            found += ["" if at is None else words[at] for at in chunk.indices.to_pylist()]
        else:
            found += ["" if cell is None or cell != cell else repr(cell) for cell in chunk.to_pylist()]  # noqa: PLR0124 - NaN
    return found
