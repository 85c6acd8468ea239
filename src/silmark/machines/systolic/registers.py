"""The array cell by cell: every value sits in a register and moves to a neighbour at the end of a cycle.

What `dataflow` counts by formula happens here: results appear at the edge of the array in the cycle in which they
would, and the last of them says how long it took. Sums are rounded in the order in which they pass the cells.

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
        results: of every fold, (folds, rows, columns).
        cycles: until the last of them had left.
    """

    results: Values
    cycles: int


@dataclass(frozen=True, slots=True)
class _Beat:
    """Something that happens at each of several ports once per cycle, for `length` cycles of each fold.

    Attributes:
        period: cycles from fold to fold.
        folds, length: as above.
        first: cycle in which it begins at each port.
    """

    period: int
    folds: int
    length: int
    first: Values

    def at(self, cycle: int) -> tuple[Values, Values, Values]:
        """Of each port: whether it happens, for which fold, the how manieth time (valid indices where it does not)."""
        fold, turn = np.divmod(cycle - self.first, self.period)
        happens = (fold >= 0) & (fold < self.folds) & (turn < self.length)
        return happens, np.where(happens, fold, 0), np.where(happens, turn, 0)


def stationary(streams: Sequence[Values], still: Sequence[Values]) -> Passed:
    """Streams (T, R) times still operands (R, C), fold by fold; partial sums move down and leave at the bottom.

    With weights still and activations streaming this is the weight-stationary array; with transposed activations still
    and transposed weights streaming, the input-stationary one, which leaves the transposed product.

    Args:
        streams: one per fold, all of one length.
        still: one per fold, of the array's size.
    """
    moving_in, fixed = np.stack(streams), np.stack(still)
    folds, rows, columns = fixed.shape
    depth = moving_in.shape[1]
    row, column = np.arange(rows), np.arange(columns)
    period = max(depth, rows)
    entry = _Beat(period, folds, depth, rows + row)
    refill = _Beat(period, folds, rows, column)
    exit_ = _Beat(period, folds, depth, 2 * rows - 1 + column)
    held, loading, moving, sums = (np.zeros((rows, columns), fixed.dtype) for _ in range(4))
    marks = np.zeros((rows, columns), bool)
    results = np.zeros((folds, depth, columns), fixed.dtype)
    left, cycle = results.size, 0
    while left:
        # East: streamed operands and marks move on by one column, and enter skewed by one cycle per row.
        happens, fold, turn = entry.at(cycle)
        moving = np.hstack([np.where(happens, moving_in[fold, turn, row], 0)[:, None], moving[:, :-1]])
        marks = np.hstack([(happens & (turn == 0))[:, None], marks[:, :-1]])
        held = np.where(marks, loading, held)
        # South: partial sums move on by one row.
        sums = np.vstack([np.zeros((1, columns), sums.dtype), sums[:-1]]) + held * moving
        # The next still operand is shifted in from the top, its last row first. It follows the wave: column c starts c
        # cycles later, and row r keeps what it has for r cycles more.
        happens, fold, turn = refill.at(cycle)
        above = np.vstack([fixed[fold, rows - 1 - turn, column], loading[:-1]])
        loading = np.where(happens & (row[:, None] <= turn), above, loading)
        # What the bottom row holds is finished.
        happens, fold, turn = exit_.at(cycle)
        results[fold[happens], turn[happens], column[happens]] = sums[-1, happens]
        left -= int(happens.sum())
        cycle += 1
    return Passed(results, cycle)


def accumulating(lefts: Sequence[Values], rights: Sequence[Values]) -> Passed:
    """Rows of (R, T) from the west and columns of (T, C) from the north; each cell keeps its own sum.

    A finished sum goes into the cell's second register; when the bottom cell of a column has finished, the column's
    results are shifted out below, one per cycle, while the next fold accumulates.

    Args:
        lefts, rights: one per fold, all of one depth and of the array's size.
    """
    west, north = np.stack(lefts), np.stack(rights)
    folds, rows, depth = west.shape
    columns = north.shape[2]
    row, column = np.arange(rows), np.arange(columns)
    period = max(depth, rows)
    entry_west, entry_north = _Beat(period, folds, depth, row), _Beat(period, folds, depth, column)
    turn_of_cell = _Beat(period, folds, depth, row[:, None] + column)
    exit_ = _Beat(period, folds, rows, depth + rows - 1 + column)
    east, south, sums, done = (np.zeros((rows, columns), west.dtype) for _ in range(4))
    results = np.zeros((folds, rows, columns), west.dtype)
    left, cycle = results.size, 0
    while left:
        # Columns whose bottom cell has finished shift one result out; rows that it has left wait for the next fold.
        happens, fold, turn = exit_.at(cycle)
        results[fold[happens], rows - 1 - turn[happens], column[happens]] = done[-1, happens]
        done = np.where(happens & (row[:, None] > turn), np.vstack([done[:1], done[:-1]]), done)
        left -= int(happens.sum())
        happens, fold, turn = entry_west.at(cycle)
        east = np.hstack([np.where(happens, west[fold, row, turn], 0)[:, None], east[:, :-1]])
        happens, fold, turn = entry_north.at(cycle)
        south = np.vstack([np.where(happens, north[fold, turn, column], 0), south[:-1]])
        happens, _, turn = turn_of_cell.at(cycle)
        sums = np.where(happens & (turn == 0), 0, sums) + east * south
        done = np.where(happens & (turn == depth - 1), sums, done)
        cycle += 1
    return Passed(results, cycle)
