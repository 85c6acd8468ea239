"""The array: its cycle formulae against SCALE-Sim's own counts and against values that move cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.machines.systolic.dataflow import DATAFLOWS, Dataflow, Folds, fold
from silmark.machines.systolic.registers import accumulating, stationary

SCALE_SIM: tuple[tuple[Dataflow, int, int, int, int, int, int], ...] = (
    ("weight", 8, 4, 4, 4, 4, 18),
    ("weight", 5, 7, 9, 4, 3, 126),
    ("weight", 16, 8, 8, 8, 8, 38),
    ("weight", 30, 20, 50, 8, 16, 840),
    ("weight", 64, 64, 64, 16, 16, 1760),
    ("weight", 3, 40, 17, 8, 4, 630),
    ("output", 8, 4, 4, 4, 4, 20),
    ("output", 5, 7, 9, 4, 3, 84),
    ("output", 16, 8, 8, 8, 8, 44),
    ("output", 30, 20, 50, 8, 16, 576),
    ("output", 64, 64, 64, 16, 16, 1504),
    ("output", 3, 40, 17, 8, 4, 270),
    ("input", 8, 4, 4, 4, 4, 28),
    ("input", 5, 7, 9, 4, 3, 96),
    ("input", 16, 8, 8, 8, 8, 60),
    ("input", 30, 20, 50, 8, 16, 700),
    ("input", 64, 64, 64, 16, 16, 1760),
    ("input", 3, 40, 17, 8, 4, 174),
)
"""Dataflow, m, n, k, rows, columns, and the length of the demand matrices that SCALE-Sim 3.0.0 makes for it."""


@pytest.mark.parametrize(("dataflow", "m", "n", "k", "rows", "columns", "cycles"), SCALE_SIM)
def test_scale_sim(dataflow: Dataflow, m: int, n: int, k: int, rows: int, columns: int, cycles: int) -> None:
    """Equal but for output stationary, where its trace lets results leave R cycles before the last cell is done."""
    folds = fold(dataflow, m, n, k, rows, columns)
    assert folds.in_turn - (folds.count * rows if dataflow == "output" else 0) == cycles


sizes = st.integers(1, 7)


@given(rows=sizes, columns=sizes, depth=st.integers(1, 12), folds=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_cells_take_the_cycles_of_the_formula(rows: int, columns: int, depth: int, folds: int, seed: int) -> None:
    """Double-buffered folds, each product right to the last bit: nothing overtakes anything."""
    draw = np.random.default_rng(seed).integers
    formula = Folds(rows, columns, folds, 1, depth)
    streams = [draw(-99, 99, (depth, rows)) for _ in range(folds)]
    still = [draw(-99, 99, (rows, columns)) for _ in range(folds)]
    passed = stationary(streams, still)
    assert passed.cycles == formula.overlapped()
    assert np.array_equal(passed.results, np.stack(streams) @ np.stack(still))
    lefts = [draw(-99, 99, (rows, depth)) for _ in range(folds)]
    rights = [draw(-99, 99, (depth, columns)) for _ in range(folds)]
    passed = accumulating(lefts, rights)
    assert passed.cycles == formula.overlapped()
    assert np.array_equal(passed.results, np.stack(lefts) @ np.stack(rights))


@given(
    dataflow=st.sampled_from(DATAFLOWS), m=st.integers(1, 300), n=st.integers(1, 300), k=st.integers(1, 300),
    rows=st.integers(1, 64), columns=st.integers(1, 64),
)  # fmt: skip
def test_laws_of_folds(dataflow: Dataflow, m: int, n: int, k: int, rows: int, columns: int) -> None:
    folds = fold(dataflow, m, n, k, rows, columns)
    assert m * n * k <= folds.count * folds.depth * rows * columns
    assert m * n * k <= folds.overlapped() * rows * columns  # a cell multiplies once per cycle
    assert folds.alone <= folds.overlapped() <= folds.in_turn
    assert fold(dataflow, m + 1, n, k, rows, columns).in_turn >= folds.in_turn


def test_eight_rows_take_eight_cycles_more() -> None:
    """bf16[8,128] @ bf16[128,128] per 8 cycles, as jax-scaling-book gives for TPU v5e; stated tolerance: none."""
    before, after = (fold("weight", m, 128, 128, 128, 128).overlapped() for m in (128, 136))
    assert after - before == 8
