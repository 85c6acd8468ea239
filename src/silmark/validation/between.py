"""Between plans: how wrong the ratio of two predictions is that differ in the plan alone.

Two plans of one model on the same chips share part of their error - the engine, the kernels, the chip - and what each
has of its own comes twice, so the error of either says little about which is better. Here pairs of measured runs are
compared: same table, chip, model, formats, engine, version, lengths and nearly the same load per chip. Predictions are
those of fits that saw no row of the model, as the summary has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from silmark.calibration.engines import Sample
from silmark.graph import Array
from silmark.mapping import Plan
from silmark.validation import cross, names
from silmark.validation.classes import LEAST_CHIPS, LEAST_PER_CHIP, LEAST_ROWS, Class, borrowed, from_logs
from silmark.validation.grid import Grid
from silmark.validation.rows import Row
from silmark.validation.work import Work

METRICS = ("tpot", "throughput", "latency")
"""Idle first tokens have no pairs: each model was measured under one plan."""
_LEVEL = "model"
"""What the fits behind the predictions left out."""
_NEAR = 1.3
"""Factor between loads per chip that are nearly the same."""
_STEPS = (0.1, 0.3)
"""Predicted differences between which the order is counted."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measured plan.

    Attributes:
        place: everything that a pair has in common; it begins with chip and model.
        load: sequences in flight per chip; 0 where there are as many as fit.
        measured, predicted: ln of seconds, or of chip seconds per token where a rate was measured.
    """

    place: tuple[object, ...]
    family: str
    metric: str
    plan: Plan
    load: float
    measured: float
    predicted: float

    @property
    def chip(self) -> str:
        """Id."""
        return str(self.place[0])

    @property
    def model(self) -> str:
        """Name."""
        return str(self.place[1])


@dataclass(frozen=True, slots=True)
class Pair:
    """Two plans, the one first that is predicted to be better.

    Attributes:
        family: of the chip, with its evidence.
        gap: ln of the predicted score of the second over the first's, at least 0.
        measured: the same as measured.
    """

    chip: str
    family: str
    model: str
    metric: str
    gap: float
    measured: float

    @property
    def off(self) -> float:
        """Logarithm of the measured ratio over the predicted one."""
        return self.measured - self.gap

    @property
    def right(self) -> bool:
        """Whether the one that is predicted to be better was."""
        return self.measured > 0


def pairs(done: Iterable[tuple[Row, Work]], samples: Sequence[Sample], left: cross.Left) -> list[Pair]:
    """All pairs of plans among measured rows.

    Args:
        done: rows with the work behind them.
        samples: the same rows as fits want them, in the same order.
        left: what fits left of these samples that did not see them.
    """
    rests = {id(one): rest for metric in METRICS for one, rest in left.get((metric, _LEVEL), ())}
    found = (
        _run(row, work, one, rests[id(one)])
        for (row, work), one in zip(done, samples, strict=True)
        if id(one) in rests and names.counts(row)
    )
    return list(compared(found))


def _run(row: Row, work: Work, one: Sample, left: float) -> Run:
    """A row as a run; `left` is ln(measured / predicted) of its time."""
    plan, chip = work.step_model.plan, work.step_model.target.chip
    score = row.value if work.amount is None else (1 if row.per_gpu else plan.chips) / row.value
    place = (chip.id, one.levels["model"], row.table, row.hardware, row.model, row.precision, row.engine, row.version)
    return Run(
        place=(*place, row.metric, row.isl, row.osl),
        family=f"{chip.family}-{chip.evidence}",
        metric=work.kind,
        plan=plan,
        load=(row.concurrency or row.batch or 0) / plan.chips,
        measured=float(np.log(score)),
        predicted=float(np.log(score)) - left,
    )


def compared(runs: Iterable[Run]) -> Iterator[Pair]:
    """Pairs of runs with different plans at nearly the same load; repeats of a run count once, by their medians."""
    repeats: dict[tuple[object, ...], list[Run]] = {}
    for one in runs:
        repeats.setdefault((one.place, one.plan, one.load), []).append(one)
    places: dict[tuple[object, ...], list[Run]] = {}
    for same in repeats.values():
        measured, predicted = np.median([(one.measured, one.predicted) for one in same], axis=0).tolist()
        places.setdefault(same[0].place, []).append(replace(same[0], measured=measured, predicted=predicted))
    for mine in places.values():
        for one, other in combinations(mine, 2):
            if one.plan != other.plan and max(one.load, other.load) <= _NEAR * min(one.load, other.load):
                yield _pair(one, other)


def _pair(one: Run, other: Run) -> Pair:
    gap, measured = other.predicted - one.predicted, other.measured - one.measured
    if gap < 0:
        gap, measured = -gap, -measured
    return Pair(one.chip, one.family, one.model, one.metric, gap, measured)


def classes(found: Sequence[Pair]) -> list[Class]:
    """Errors of ratios by family and metric; as either plan may be first, quantiles are each other's inverse.

    Chips weigh alike and quantiles are widened as those of single predictions are. Where one chip alone has pairs its
    models stand for chips.
    """
    made = []
    for name, metric in sorted({(one.family, one.metric) for one in found}):
        mine = _of(found, name, metric)
        chips = _groups((one.chip, one.off) for one in mine)
        grade, groups = "measured", chips
        if len(chips) < LEAST_CHIPS:
            grade, groups = "derived", _groups((one.model, one.off) for one in mine if one.chip in chips)
        if len(groups) < LEAST_CHIPS or sum(map(len, chips.values())) < LEAST_ROWS:
            continue
        both = {key: np.concatenate([values, -values]) for key, values in groups.items()}
        what = "chips" if grade == "measured" else f"{len(groups)} models on one chip"
        why = f"pairs of runs that differ in the plan, of models that no fit saw; {what} weigh alike"
        one = from_logs(name, metric, both, why)
        made.append(replace(one, grade=grade, rows={chip: len(values) for chip, values in chips.items()}))
    have = {(one.name, one.metric) for one in made}
    made += [one for one in borrowed(made) if (one.name, one.metric) not in have]
    return sorted(made, key=lambda one: (one.name, METRICS.index(one.metric)))


def _of(found: Sequence[Pair], family: str, metric: str) -> list[Pair]:
    return [one for one in found if (one.family, one.metric) == (family, metric)]


def _groups(values: Iterable[tuple[str, float]]) -> dict[str, Array]:
    """Values by name, of names that have enough of them."""
    groups: dict[str, list[float]] = {}
    for name, value in values:
        groups.setdefault(name, []).append(value)
    return {name: np.array(groups[name]) for name in sorted(groups) if len(groups[name]) >= LEAST_PER_CHIP}


def grid(found: Sequence[Pair], made: Sequence[Class]) -> Grid:
    """By family and metric: the error of the ratio, and how often the predicted order is the measured one."""
    rows = []
    for one in made:
        mine = [pair for pair in _of(found, one.name, one.metric) if pair.chip in one.rows]
        if one.lent_by or not mine:
            continue
        gaps = np.array([pair.gap for pair in mine])
        bands = [*_bands(gaps), gaps > np.log(one.high)]
        right = np.array([pair.right for pair in mine])
        error = float(np.median([abs(pair.off) for pair in mine]))
        cells = (
            f"{len(one.rows)}",
            f"{len(mine):,}",
            f"{100 * np.expm1(error):.0f} %",
            f"{one.high:.2f}",
            f"{100 * np.mean(right):.0f} %",
        )
        rows.append((one.name, one.metric, *cells, *(_share(right[band]) for band in bands)))
    low, high = (f"{100 * step:.0f}" for step in _STEPS)
    bands_ = (f"below {low} %", f"{low} to {high} %", f"above {high} %", "beyond that factor")
    headers = ("class", "metric", "chips", "pairs", "median error of the ratio", "80 % within a factor of")
    return Grid("Pairs of plans", (*headers, "ordered rightly", *bands_), tuple(rows), 2)


def _bands(gaps: Array) -> list[Array]:
    edges = [-np.inf, *np.log1p(_STEPS), np.inf]
    return [(gaps > low) & (gaps <= high) for low, high in pairwise(edges)]


def _share(right: Array) -> str:
    return f"{100 * np.mean(right):.0f} % of {right.size:,}" if right.size else "-"
