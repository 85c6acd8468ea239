"""`silmark predict`: any table of questions in, one line per row out.

Tables of operators are recognised by their columns (`operators.kinds`), tables of whole models by their column
`metric`, tables of single requests by arrival and lengths. A row that cannot be predicted keeps its place, with the
reason.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from silmark.errors import BadFile
from silmark.validation import timelines
from silmark.validation.end_to_end import end_to_end
from silmark.validation.operators import bars, kinds, table
from silmark.validation.operators.table import Table

_US = 1e6


class Line(NamedTuple):
    """One line of the answer; numbers are empty where there is no prediction."""

    row_id: str
    low: str
    mid: str
    high: str
    grade: str
    why: str


HEADER = Line._fields


@dataclass(frozen=True, slots=True)
class Done:
    """What was predicted.

    Attributes:
        kind: of the table.
        reasons: rows without a number, by reason.
    """

    kind: str
    lines: Sequence[Line] | Sequence[timelines.Line]
    reasons: Counter[str]

    @property
    def answered(self) -> int:
        """Rows with a number."""
        return sum(1 for line in self.lines if line.mid)


def predict_table(path: Path) -> Done:
    """Predicts every row of a .csv or .csv.gz table, in microseconds for operators, else in the row's unit.

    Raises:
        BadFile: not a table, or none of the known kinds.
    """
    asked = table.read(path)
    kind = kinds.recognise(asked.columns.names)
    lines: Sequence[Line] | Sequence[timelines.Line]
    if kind is not None:
        name, lines = kind.name, _operators(asked, kind)
    elif "metric" in asked.columns.names:
        name, lines = "end-to-end", _end_to_end(asked)
    elif asked.columns.names >= timelines.COLUMNS:
        name, lines = "requests", timelines.predict(asked)
    else:
        known = ", ".join(one.name for one in kinds.KINDS)
        raise BadFile(path, f"its columns fit no kind of table; known are end-to-end (has metric), {known}", "header")
    return Done(name, lines, Counter(line.why for line in lines if not line.mid))


def write(lines: Sequence[Line] | Sequence[timelines.Line], path: Path) -> None:
    """Writes the lines under the names of their fields; raises BadFile if that is not possible."""
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            out = csv.writer(stream, lineterminator="\n")
            out.writerow(lines[0]._fields if lines else HEADER)
            out.writerows(lines)
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be written") from None


def _operators(asked: Table, kind: kinds.Kind) -> list[Line]:
    found = bars.apply(kind.predict(asked.columns))
    numbers = (column.tolist() for column in (found.low * _US, found.mid * _US, found.high * _US))
    return [_line(*cells) for cells in zip(asked.ids, *numbers, found.grade, found.why, strict=True)]


def _end_to_end(asked: Table) -> list[Line]:
    names = sorted(asked.columns.names)
    columns = [asked.columns.text(name) for name in names]
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
    answers = end_to_end(rows, asked.name)
    return [_line(row, a.low, a.mid, a.high, a.grade, a.why) for row, a in zip(asked.ids, answers, strict=True)]


def _line(row: str, low: float | None, mid: float | None, high: float | None, grade: str, why: str) -> Line:
    return Line(row, _cell(low), _cell(mid), _cell(high), grade, why)


def _cell(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"
