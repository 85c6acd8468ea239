"""Products executed cell by cell on the layout that the schedule chose: what comes out, and in how many cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.machines.lowering import MatMul
from silmark.machines.systolic.dataflow import Dataflow
from silmark.machines.systolic.registers import accumulating, stationary
from silmark.machines.systolic.schedule import Layout
from silmark.numerics.arithmetic import Factored
from silmark.numerics.base import Arithmetic

Values = NDArray[Any]
MOST_STEPS = 1 << 30
"""Cells times cycles: about ten seconds."""


@dataclass(frozen=True, slots=True)
class Job:
    """One fold of one batch entry, or a share of its streamed rows.

    Attributes:
        batch: its entry.
        left, right: what it multiplies, as slices of (m, k) and (k, n).
    """

    batch: int
    left: tuple[slice, slice]
    right: tuple[slice, slice]


def steps(layout: Layout) -> int:
    """Cells times cycles of a product on all its units."""
    return layout.folds.rows * layout.folds.columns * layout.cycles * min(layout.units, layout.jobs)


def jobs(one: MatMul, layout: Layout, dataflow: Dataflow) -> list[Job]:
    """All jobs in order: batch entries, folds across, folds down, shares."""
    folds = layout.folds
    found = []
    for batch in range(one.batch):
        for across in range(folds.across):
            for down in range(folds.down):
                for share in range(layout.shares):
                    rows = slice(down * folds.rows, (down + 1) * folds.rows)
                    columns = slice(across * folds.columns, (across + 1) * folds.columns)
                    streamed = slice(share * folds.depth, (share + 1) * folds.depth)
                    match dataflow:
                        case "weight":
                            job = Job(batch, (streamed, rows), (rows, columns))
                        case "input":
                            job = Job(batch, (columns, rows), (rows, streamed))
                        case "output":
                            job = Job(batch, (rows, streamed), (streamed, columns))
                    found.append(job)
    return found


def multiply(
    arithmetic: Arithmetic, one: MatMul, left: Values, right: Values, layout: Layout, dataflow: Dataflow
) -> Values:
    """The product as the cells form it, rounded as the arithmetic does; every unit runs its jobs one after another.

    Raises:
        AssertionError: a unit took other than the cycles that the schedule counted.
    """
    whole = isinstance(arithmetic, Factored)
    if isinstance(arithmetic, Factored):
        left, lefts = arithmetic.left.elements(left, axis=-1)
        right, rights = arithmetic.right.elements(right, axis=-2)
        left, right = left.astype(np.int64), right.astype(np.int64)
    else:
        left, right = arithmetic.left.quantize(left, axis=-1), arithmetic.right.quantize(right, axis=-2)
    sums = np.zeros((one.batch, one.m, one.n), left.dtype)
    lefts3, rights3 = left.reshape(one.batch, one.m, one.k), right.reshape(one.batch, one.k, one.n)
    todo = jobs(one, layout, dataflow)
    for unit in range(min(layout.units, len(todo))):
        _run(todo[unit :: layout.units], lefts3, rights3, sums, layout, dataflow)
    out: Values = sums.reshape(*left.shape[:-1], one.n).astype(np.float32)
    if whole:
        out *= lefts[..., 0][..., None]
        out *= rights[..., 0, :][..., None, :]
    return np.asarray(arithmetic.out.quantize(out))


def _run(mine: list[Job], left: Values, right: Values, sums: Values, layout: Layout, dataflow: Dataflow) -> None:
    """One unit's jobs; adds their results to the sums, fold after fold."""
    folds = layout.folds
    lefts = [left[job.batch][job.left] for job in mine]
    rights = [right[job.batch][job.right] for job in mine]
    size, depth = (folds.rows, folds.columns), folds.depth
    match dataflow:
        case "weight":
            passed = stationary([_filled(x, depth, size[0]) for x in lefts], [_filled(w, *size) for w in rights])
        case "input":
            streams = [_filled(w.T, depth, size[0]) for w in rights]
            passed = stationary(streams, [_filled(x.T, *size) for x in lefts])
        case "output":
            passed = accumulating(
                [_filled(x, size[0], depth) for x in lefts], [_filled(w, depth, size[1]) for w in rights]
            )
    assert passed.cycles == folds.overlapped(len(mine)), (passed.cycles, folds)
    for job, x, w, result in zip(mine, lefts, rights, passed.results, strict=True):
        part = result.T if dataflow == "input" else result
        sums[job.batch][job.left[0], job.right[1]] += part[: len(x), : w.shape[1]]


def _filled(x: Values, rows: int, columns: int) -> Values:
    """The matrix in the upper left corner of zeros."""
    out = np.zeros((rows, columns), x.dtype)
    out[: x.shape[0], : x.shape[1]] = x
    return out
