"""A table by columns: texts and numbers as arrays, so that a hundred thousand rows are predicted at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from silmark.graph import Array

Index = NDArray[np.intp]
_LARGEST = 1e12
"""No size of an operator is beyond this; larger numbers are taken for errors."""


class Columns:
    """Cells of a table by column name; rows keep their order."""

    def __init__(self, cells: Mapping[str, Sequence[str]]) -> None:
        self._cells = {name: list(values) for name, values in cells.items()}
        self._numbers: dict[str, Array] = {}
        self.rows = len(next(iter(self._cells.values()), ()))

    @property
    def names(self) -> frozenset[str]:
        """Names of the columns."""
        return frozenset(self._cells)

    def text(self, name: str) -> list[str]:
        """One column as it is written; empty texts where the table does not have it."""
        return self._cells.get(name) or [""] * self.rows

    def number(self, name: str, default: float = math.nan) -> Array:
        """One column as numbers from 0 to 1e12.

        Args:
            name: the column.
            default: where a cell is empty or the column is absent; what is no such number is NaN.
        """
        if name not in self._numbers:
            known: dict[str, float] = {}
            for cell in set(self.text(name)):
                known[cell] = _number(cell) if cell else math.inf
            self._numbers[name] = np.array([known[cell] for cell in self.text(name)], dtype=np.float64)
        found = self._numbers[name]
        return np.where(np.isinf(found), default, found)

    def having(self, name: str, values: Sequence[str]) -> Columns:
        """The table with one more column."""
        return Columns({**self._cells, name: values})

    def groups(self, *names: str) -> Iterator[tuple[tuple[str, ...], Index]]:
        """Values of some columns and the rows that have them, in the order of first appearance."""
        found: dict[tuple[str, ...], list[int]] = {}
        for row, key in enumerate(zip(*(self.text(name) for name in names), strict=True)):
            found.setdefault(key, []).append(row)
        for key, rows in found.items():
            yield key, np.array(rows, dtype=np.intp)


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if 0 <= value <= _LARGEST else math.nan
