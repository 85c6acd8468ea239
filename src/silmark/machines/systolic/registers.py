"""The array cell by cell: every value sits in a register and moves to a neighbour at the end of a cycle.

What `dataflow` counts by formula happens here: results appear at the edge of the array in the cycle in which they would,
and the last of them says how long it took. Sums are rounded in the order in which they pass the cells.

A wave carries a mark with its first operand: the cell that sees it exchanges its two registers, so that the next fold's
still operand takes effect cell by cell behind the last operand of this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Passed:
    """What left the array.

    Attributes:
        results: of every fold.
        cycles: until the last of them had left.
    """

    results: list[Values]
    cycles: int


def stationary(streams: Sequence[Values], still: Sequence[Values]) -> Passed:
    """Streams (T, R) times still operands (R, C), fold by fold; partial sums move down and leave at the bottom.

    With weights still and activations streaming this is the weight-stationary array; with transposed activations still
    and transposed weights streaming, the input-stationary one, which leaves the transposed product.

    Args:
        streams: one per fold, all of one length.
        still: one per fold, of the array's size.
    """
    rows, columns = still[0].shape
    depth, period = len(streams[0]), max(len(streams[0]), rows)
    kind = still[0].dtype
    held, loading, moving, sums = (np.zeros((rows, columns), kind) for _ in range(4))
    marks = np.zeros((rows, columns), bool)
    results = [np.zeros((depth, columns), kind) for _ in still]
    column, row = np.arange(columns), np.arange(rows)
    left, cycle = len(still) * depth * columns, 0
    last = 0
    while left:
        # East: activations and marks move on by one column, and enter skewed by one cycle per row.
        fold, turn = np.divmod(cycle - rows - row, period)
        entering = (fold >= 0) & (fold < len(still)) & (turn < depth)
        moving[:, 1:], marks[:, 1:] = moving[:, :-1].copy(), marks[:, :-1].copy()
        moving[:, 0] = [streams[f][t, r] if e else 0 for f, t, r, e in zip(fold, turn, row, entering, strict=True)]
        marks[:, 0] = entering & (turn == 0)
        held = np.where(marks, loading, held)
        # South: partial sums move on by one row.
        sums[1:] = sums[:-1].copy()
        sums[0] = 0
        sums += held * moving
        # The next still operand is shifted in from the top, its last row first. It follows the wave: column c starts c
        # cycles later, and row r keeps what it has for r cycles more.
        fold, turn = np.divmod(cycle - column, period)
        shifting = (fold >= 0) & (fold < len(still)) & (turn < rows)
        pushed = [
            still[f][rows - 1 - t, c] if s else 0 for f, t, c, s in zip(fold, turn, column, shifting, strict=True)
        ]
        above = np.vstack([np.asarray(pushed, kind), loading[:-1]])
        loading = np.where(shifting & (row[:, None] <= turn), above, loading)
        # What the bottom row holds now is finished.
        fold, turn = np.divmod(cycle - (2 * rows - 1) - column, period)
        leaving = (fold >= 0) & (fold < len(still)) & (turn < depth)
        for c in column[leaving]:
            results[fold[c]][turn[c], c] = sums[-1, c]
        left -= int(leaving.sum())
        last = cycle if leaving.any() else last
        cycle += 1
    return Passed(results, last + 1)


def accumulating(lefts: Sequence[Values], rights: Sequence[Values]) -> Passed:
    """Rows of (R, T) from the west and columns of (T, C) from the north; each cell keeps its own sum.

    A finished sum goes into the cell's second register; when the bottom cell of a column has finished, the column's
    results are shifted out below, one per cycle, while the next fold accumulates.

    Args:
        lefts, rights: one per fold, all of one depth and of the array's size.
    """
    (rows, depth), columns = lefts[0].shape, rights[0].shape[1]
    period, kind = max(depth, rows), lefts[0].dtype
    east, south, sums, leaving = (np.zeros((rows, columns), kind) for _ in range(4))
    results = [np.zeros((rows, columns), kind) for _ in lefts]
    row, column = np.arange(rows), np.arange(columns)
    first_out = depth + rows - 1
    cycle, left, last = 0, len(lefts) * rows * columns, 0
    while left:
        # The columns whose bottom cell has finished shift one result out; rows that it has left wait for the next fold.
        fold, turn = np.divmod(cycle - first_out - column, period)
        shifting = (fold >= 0) & (fold < len(lefts)) & (turn < rows)
        for c in column[shifting]:
            results[fold[c]][rows - 1 - turn[c], c] = leaving[-1, c]
        above = np.vstack([leaving[:1], leaving[:-1]])
        leaving = np.where(shifting & (row[:, None] > turn), above, leaving)
        left -= int(shifting.sum())
        last = cycle if shifting.any() else last
        fold, turn = np.divmod(cycle - row, period)
        inside = (fold >= 0) & (fold < len(lefts)) & (turn < depth)
        east[:, 1:] = east[:, :-1].copy()
        east[:, 0] = [lefts[f][r, t] if i else 0 for f, t, r, i in zip(fold, turn, row, inside, strict=True)]
        fold, turn = np.divmod(cycle - column, period)
        inside = (fold >= 0) & (fold < len(lefts)) & (turn < depth)
        south[1:] = south[:-1].copy()
        south[0] = [rights[f][t, c] if i else 0 for f, t, c, i in zip(fold, turn, column, inside, strict=True)]
        place = (cycle - row[:, None] - column) % period
        sums = np.where(place == 0, 0, sums) + east * south
        leaving = np.where((place == depth - 1) & (cycle >= row[:, None] + column), sums, leaving)
        cycle += 1
    return Passed(results, last + 1)
