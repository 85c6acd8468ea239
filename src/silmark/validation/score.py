"""Predictions against measurements: ratios, and what groups of them say."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from silmark.calibration.engines import Sample
from silmark.chips import Chip
from silmark.graph import Array
from silmark.validation import engines, names, rows
from silmark.validation.predict import bar, work
from silmark.validation.rows import Row
from silmark.validation.work import Work

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row and its prediction.

    Attributes:
        ratio: measured over predicted, of a time, a rate or a power alike.
        inside: the measured number lies in the error bar.
        width: high over low of the error bar.
        counts: the row may set residuals, see `names.counts`.
    """

    row: Row
    chip: Chip
    metric: str
    ratio: float
    inside: bool
    width: float
    counts: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What a group of outcomes says.

    Attributes:
        error: median of |ln(measured / predicted)|; error_90: its 90 % quantile.
        ratio: median of measured over predicted.
        coverage: share of rows inside of their error bar; width: median of its high over low.
    """

    rows: int
    error: float
    error_90: float
    ratio: float
    coverage: float
    width: float


@dataclass(frozen=True, slots=True)
class Scored:
    """All outcomes, and rows without one by table and reason."""

    outcomes: tuple[Outcome, ...]
    skipped: Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Predicted:
    """Rows with the work behind them, and rows without by table and reason."""

    rows: tuple[tuple[Row, Work], ...]
    skipped: Counter[tuple[str, str]]

    def samples(self) -> list[Sample]:
        """The rows as fits of what engines add want them."""
        return [engines.sample(row, done) for row, done in self.rows]


def predicted(tables: Iterable[str] = rows.TABLES, where: Path | None = None) -> Predicted:
    """Predicts every row of the tables that can be predicted.

    Args:
        tables: names of public tables.
        where: folder of the tables; None for the one below SILMARK_DATA.
    """
    found: list[tuple[Row, Work]] = []
    skipped: Counter[tuple[str, str]] = Counter()
    for name in tables:
        _LOG.info("predicting %s", name)
        table = rows.read(name, where)
        skipped.update({(name, reason): count for reason, count in table.dropped.items()})
        for row in table.rows:
            done = work(row)
            if isinstance(done, str):
                skipped[name, done] += 1
            else:
                found.append((row, done))
    return Predicted(tuple(found), skipped)


def score(found: Predicted) -> Scored:
    """Compares predictions with what was measured."""
    return Scored(tuple(outcome(row, done) for row, done in found.rows), found.skipped)


def outcome(row: Row, done: Work) -> Outcome:
    """One row against its prediction."""
    # Error bars of answers are for engines of today: what the row's own engine adds to them is taken off.
    interval = bar(done).scaled(engines.relative(row, done))
    return Outcome(
        row=row,
        chip=done.step_model.target.chip,
        metric=done.kind,
        ratio=row.value / interval.mid,
        inside=interval.low <= row.value <= interval.high,
        width=interval.high / interval.low,
        counts=names.counts(row),
    )


def group(outcomes: Sequence[Outcome]) -> Group:
    """Statistics of at least one outcome."""
    logs = logarithms(outcomes)
    return Group(
        rows=len(outcomes),
        error=float(np.median(np.abs(logs))),
        error_90=float(np.quantile(np.abs(logs), 0.9)),
        ratio=float(np.exp(np.median(logs))),
        coverage=float(np.mean([o.inside for o in outcomes])),
        width=float(np.median([o.width for o in outcomes])),
    )


def grouped(outcomes: Iterable[Outcome]) -> dict[tuple[str, str, str, str], list[Outcome]]:
    """By table, chip, metric and engine, sorted."""
    groups: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for one in outcomes:
        key = (one.row.table, one.chip.id, one.metric, names.engine(one.row))
        groups.setdefault(key, []).append(one)
    return dict(sorted(groups.items()))


def by_chip(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """By chip, in order of id."""
    groups: dict[str, list[Outcome]] = {}
    for one in sorted(outcomes, key=lambda o: o.chip.id):
        groups.setdefault(one.chip.id, []).append(one)
    return groups


def logarithms(outcomes: Sequence[Outcome]) -> Array:
    """ln(measured / predicted)."""
    return np.log(np.array([one.ratio for one in outcomes], dtype=np.float64))
