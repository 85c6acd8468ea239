"""Cells of CSV text as numbers, whole columns at a time: where the separators are, then digit by digit.

Numbers are exact: a decimal fraction of a second becomes a whole number of nanoseconds without a detour through
floating point. What the array code does not take (signs, exponents, spaces) is read one by one by `exact`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.workloads.traces.rows import UNREAD, Fault, Ints

_LARGEST = 1 << 62
_MOST_DIGITS = 18
_WIDEST = 64
_NEWLINE, _COMMA, _RETURN, _ZERO, _POINT = 10, 44, 13, 48, 46
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d(?:\.\d{1,12})?)\s*(?:Z|([+-])(\d\d):?(\d\d))?", re.ASCII
)
_DAYS_TO_1970 = 719_163
_YEARS = (1900, 2200)
"""Nanoseconds since 1970 of these fit into 64 bits."""
_DATE_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15])
_DATE_MARKS = ((4, b"-"), (7, b"-"), (10, b" T"), (13, b":"), (16, b":"))


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of a block of text.

    Attributes:
        data: the block, uint8.
        starts, ends: of each row's cell.
    """

    data: NDArray[np.uint8]
    starts: Ints
    ends: Ints

    def text(self, row: int) -> str:
        """One cell, without the spaces around it; of an overlong one only the beginning."""
        start = int(self.starts[row])
        end = min(int(self.ends[row]), start + _WIDEST)
        return self.data[start:end].tobytes().decode("utf-8", "replace").strip()


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a block; blank lines are none.

    Attributes:
        columns: cells by position.
        lines: line number of each row.
        fault: FORM for rows with another number of cells, whose cells are empty.
    """

    columns: dict[int, Cells]
    lines: Ints
    fault: NDArray[np.int8]


def split(block: bytes, line: int, width: int, wanted: tuple[int, ...]) -> Table:
    """Cells of some columns.

    Args:
        block: whole lines.
        line: number of the first.
        width: cells of a row.
        wanted: positions of the columns.
    """
    if b'"' in block:
        block = _unquoted(block)
    data = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    commas = np.flatnonzero(data == _COMMA)
    before = np.searchsorted(commas, starts)
    count = np.diff(before, append=commas.size)
    ends = ends - ((ends > starts) & (data[ends - 1] == _RETURN))
    whole = (count == width - 1) & (ends > starts)
    rows = np.flatnonzero(ends > starts)
    regular = whole[rows]
    place = np.where(regular, before[rows], 0)
    commas = np.concatenate([commas, np.zeros(width, dtype=np.int64)])  # rows with too few cells look beyond the last
    cells = {}
    for column in wanted:
        left = starts[rows] if column == 0 else commas[place + column - 1] + 1
        right = ends[rows] if column == width - 1 else commas[place + column]
        cells[column] = Cells(data, np.where(regular, left, 0), np.where(regular, right, 0))
    fault = np.where(regular, Fault.NONE, Fault.FORM).astype(np.int8)
    return Table(cells, line + rows, fault)


def _unquoted(block: bytes) -> bytes:
    """The same lines without quotes; separators within quotes become spaces."""
    lines = block.decode("utf-8", "replace").split("\n")
    return "\n".join(",".join(cell.replace(",", " ") for cell in words(line)) for line in lines).encode()


def words(line: str) -> list[str]:
    """Cells of one line, without their quotes."""
    try:
        return next(iter(csv.reader([line.rstrip("\r").replace("\r", " ")])), [])
    except csv.Error:  # a cell of more than 128 KiB
        return []


def fixed(cells: Cells, shift: int) -> Ints:
    """Decimal numbers times 10^shift as whole numbers, UNREAD where a cell holds none.

    Digits beyond the shift are dropped where there is one (below a nanosecond) and refused where there is none (half a
    token).
    """
    width = cells.ends - cells.starts
    plain = (width > 0) & (width <= _MOST_DIGITS)
    value = np.zeros(width.size, dtype=np.int64)
    place = np.ones(width.size, dtype=np.int64)
    decimals = np.zeros(width.size, dtype=np.int64)
    points = np.zeros(width.size, dtype=np.int64)
    for back in range(1, int(width[plain].max(initial=0)) + 1):
        inside = plain & (width >= back)
        letter = cells.data[np.where(inside, cells.ends - back, 0)].astype(np.int64) - _ZERO
        point = inside & (letter == _POINT - _ZERO)
        digit = inside & (letter >= 0) & (letter <= 9)
        plain &= ~inside | digit | point
        value += np.where(digit, letter * place, 0)
        decimals[point] = back - 1
        points += point
        place = np.where(digit, place * 10, place)
    up = shift - decimals
    plain &= (points <= 1) & (width > points) & (value <= _LARGEST // 10 ** np.clip(up, 0, _MOST_DIGITS))
    down = 10 ** np.clip(-up, 0, _MOST_DIGITS)
    if shift == 0:
        plain &= value % down == 0
    found = np.where(plain, value * 10 ** np.clip(up, 0, _MOST_DIGITS) // down, UNREAD)
    for row in np.flatnonzero(~plain & (width > 0)):
        found[row] = exact(cells.text(int(row)), shift)
    return found


def exact(value: Any, shift: int) -> int:  # noqa: ANN401 - any value of a JSON document
    """One number times 10^shift, from text, int, float or Decimal; UNREAD where it is none."""
    if type(value) is int:
        return value * 10**shift if abs(value) < _LARGEST // 10**shift else UNREAD
    if isinstance(value, bool) or not isinstance(value, str | float | Decimal):
        return UNREAD
    try:
        number = Decimal(value[:_WIDEST] if isinstance(value, str) else value)
        if not number.is_finite() or number.adjusted() + shift > _MOST_DIGITS:
            return UNREAD
        if shift == 0 and number != number.to_integral_value():
            return UNREAD
        return int(number.scaleb(shift)) if number.adjusted() > -_WIDEST else 0
    except (InvalidOperation, ValueError):
        return UNREAD


def timestamps(cells: Cells) -> Ints:
    """Nanoseconds since 1970 of `2024-05-10 00:00:00.0099300+00:00` and the like, UNREAD where a cell holds none."""
    cells = Cells(cells.data, cells.starts, cells.ends - _universal(cells))
    width = cells.ends - cells.starts
    plain = (width >= 19) & (width <= 19 + 11)
    letters = cells.data[np.where(plain, cells.starts, 0)[:, None] + np.arange(19) * plain[:, None]]
    for at, allowed in _DATE_MARKS:
        plain &= np.isin(letters[:, at], np.frombuffer(allowed, dtype=np.uint8))
    digits = letters[:, _DATE_DIGITS].astype(np.int64) - _ZERO
    plain &= ((digits >= 0) & (digits <= 9)).all(axis=1)
    digits[~plain] = 0
    year, month, day, hour, minute = (
        digits[:, a:b] @ 10 ** np.arange(b - a)[::-1] for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12))
    )
    seconds = fixed(Cells(cells.data, np.where(plain, cells.starts + 17, 0), np.where(plain, cells.ends, 0)), 9)
    plain &= (seconds >= 0) & (seconds < 61 * 10**9) & (year >= _YEARS[0]) & (year <= _YEARS[1])
    plain &= (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60)
    months = np.where(plain, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    plain &= day <= ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    found = np.where(plain, (days * 86_400 + hour * 3600 + minute * 60) * 10**9 + seconds, UNREAD)
    for row in np.flatnonzero(~plain & (width > 0)):
        found[row] = exact_time(cells.text(int(row)))
    return found


def _universal(cells: Cells) -> Ints:
    """Letters at the end of each cell that say that its time is UTC: `Z`, or `+00:00`."""
    width = cells.ends - cells.starts
    zulu = (width > 19) & (cells.data[cells.ends - 1] == ord("Z"))
    offset = width > 19 + 5
    for back, letter in enumerate(b"00:00+", 1):
        offset &= cells.data[np.where(offset, cells.ends - back, 0)] == letter
    return np.where(zulu, 1, np.where(offset, 6, 0))


def exact_time(text: str) -> int:
    """One date and time, with its offset from UTC if it has one; UNREAD where it is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        return UNREAD
    year, month, day, hour, minute = (int(match[part]) for part in range(1, 6))
    second = exact(match[6], 9)
    try:
        days = date(year, month, day).toordinal() - _DAYS_TO_1970
    except ValueError:
        return UNREAD
    if not _YEARS[0] <= year <= _YEARS[1] or hour > 23 or minute > 59 or not 0 <= second < 61 * 10**9:
        return UNREAD
    offset = (int(match[8]) * 60 + int(match[9])) * (1 if match[7] == "+" else -1) if match[7] else 0
    return ((days * 1440 + hour * 60 + minute - offset) * 60) * 10**9 + second
