"""Reads a table that anybody may have written: CSV text, packed or not, bounded in size."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from silmark.errors import BadFile
from silmark.validation.operators.columns import Columns
from silmark.validation.rows import MAX_ROWS, unpacked

_MAX_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class Table:
    """A table's name, ids of its rows, and its cells.

    Attributes:
        name: of the file, without endings.
        ids: the column `row_id`, or name and number where there is none.
    """

    name: str
    ids: list[str]
    columns: Columns


def read(path: Path) -> Table:
    """Reads a .csv or .csv.gz file; raises BadFile with the line that does not fit."""
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    lines = csv.reader(io.StringIO(unpacked(path), newline=""), strict=True)
    try:
        header = next(lines, [])
        if not header or len(set(header)) < len(header) or len(header) > _MAX_COLUMNS:
            raise BadFile(path, f"the first line must name up to {_MAX_COLUMNS} different columns")
        cells: list[list[str]] = []
        for row in lines:
            if not row:
                continue
            if len(row) != len(header):
                raise BadFile(path, f"{len(row)} cells, the header has {len(header)}", f"line {lines.line_num}")
            if len(cells) == MAX_ROWS:
                raise BadFile(path, f"more than {MAX_ROWS:,} rows; divide it")
            cells.append(row)
    except csv.Error as error:
        raise BadFile(path, f"not CSV: {error}", f"line {lines.line_num}") from None
    columns = Columns({column: [row[at] for row in cells] for at, column in enumerate(header)})
    ids = columns.text("row_id") if "row_id" in header else [f"{name}:{row}" for row in range(len(cells))]
    return Table(name, ids, columns)
