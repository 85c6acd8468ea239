"""The accuracy report: tables for a terminal, a page and a JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from silmark.validation import agreement, between, closed_loops, names, points, targets
from silmark.validation.classes import Class, has_interval
from silmark.validation.conditions import conditions
from silmark.validation.cross import Judged
from silmark.validation.grid import Grid
from silmark.validation.score import Outcome, Scored, by_chip, group, grouped

SCHEMA = "silmark.validate/1"
_RATES = ("throughput",)


@dataclass(frozen=True, slots=True)
class Report:
    """What `silmark validate` says.

    Attributes:
        scored: rows with and without predictions.
        classes: residual classes that these rows make.
        parts: what the summary is made of: rows that were left out of every fit, by class and chip.
        judged: the rows behind it, by kind of measurement and what was left out.
        pairs: runs that differ in the plan alone.
        servers, loops: simulated against measured servers, request by request, and with so many users at once.
        written: files that were written.
    """

    scored: Scored
    classes: tuple[Class, ...]
    parts: tuple[targets.Part, ...] = ()
    judged: Mapping[tuple[str, str], Sequence[Judged]] = field(default_factory=dict)
    pairs: Sequence[between.Pair] = ()
    servers: Sequence[agreement.Agreement] = ()
    loops: Sequence[closed_loops.Loops] = ()
    written: tuple[str, ...] = ()

    @property
    def used(self) -> int:
        """Rows that set residual classes."""
        return used(self.classes)

    @property
    def between(self) -> list[Class]:
        """Classes of ratios of two plans' predictions."""
        return between.classes(self.pairs)

    def between_grid(self) -> Grid:
        """How well two plans are told apart."""
        return between.grid(self.pairs, self.between)

    def grids(self) -> list[Grid]:
        """All tables, most general first."""
        outcomes = self.scored.outcomes
        about = [_overall(outcomes), _groups(outcomes), _conditions(outcomes), _maturity(outcomes)]
        met = [agreement.grid(self.servers)] if self.servers else []
        met += [closed_loops.grid(self.loops)] if self.loops else []
        return [points.grid(points.collect()), *met, *about, _classes(self.classes), _skipped(self.scored)]

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.validate/1."""
        outcomes = self.scored.outcomes
        keys = ("dataset", "chip", "metric", "engine")
        return {
            "schema": SCHEMA,
            "rows": len(outcomes),
            "groups": [
                {**dict(zip(keys, key, strict=True)), **asdict(group(rows))} for key, rows in grouped(outcomes).items()
            ],
            "chips": [
                {"chip": chip, "metric": metric, "median_error": error} for chip, metric, error in medians(outcomes)
            ],
            "median_error": overall(outcomes),
            "conditions": [
                {"metric": metric, "condition": what, "value": value, **asdict(group(rows))}
                for metric, what, value, rows in conditions(outcomes)
            ],
            "points": [
                {**asdict(one), "ratio": None if np.isnan(one.ratio) else one.ratio} for one in points.collect()
            ],
            "servers": [asdict(one) for one in self.servers],
            "closed_loops": [asdict(one) for one in self.loops],
            "classes": [asdict(one) for one in self.classes],
            "between_plans": [asdict(one) for one in self.between],
            "skipped": [
                {"dataset": table, "reason": reason, "rows": count}
                for (table, reason), count in sorted(self.scored.skipped.items())
            ],
        }


def medians(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, str, float]]:
    """(chip, metric, median error of its rows), own engines only."""
    for chip, rows in by_chip(one for one in outcomes if one.counts).items():
        for metric in sorted({one.metric for one in rows}):
            yield chip, metric, group([one for one in rows if one.metric == metric]).error


def overall(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Median over chips of their median error, by metric."""
    by_metric: dict[str, list[float]] = {}
    for _, metric, error in medians(outcomes):
        by_metric.setdefault(metric, []).append(error)
    return {metric: float(np.median(errors)) for metric, errors in sorted(by_metric.items())}


def _overall(outcomes: Sequence[Outcome]) -> Grid:
    found = {(chip, metric): error for chip, metric, error in medians(outcomes)}
    total = overall(outcomes)
    chips = sorted({chip for chip, _ in found})
    rows = [(chip, *(_share(found.get((chip, metric))) for metric in total)) for chip in chips]
    rows.append(("median of chips", *(_share(error) for error in total.values())))
    return Grid("Median error by chip", ("chip", *total), tuple(rows), 1)


def _groups(outcomes: Sequence[Outcome]) -> Grid:
    rows = []
    for key, members in grouped(outcomes).items():
        said = group(members)
        numbers = (said.error, said.error_90, said.ratio, said.coverage, said.width)
        rows.append((*key, f"{said.rows:,}", *(f"{number:.2f}" for number in numbers)))
    headers = ("dataset", "chip", "metric", "engine", "rows", "error", "90 %", "ratio", "in bar", "high/low")
    return Grid("By dataset, chip, metric and engine", headers, tuple(rows), 4, detail=True)


def _conditions(outcomes: Sequence[Outcome]) -> Grid:
    rows = []
    for metric, what, value, members in conditions(outcomes):
        said = group(members)
        rows.append((metric, what, value, f"{said.rows:,}", f"{said.error:.2f}", f"{said.ratio:.2f}"))
    headers = ("metric", "condition", "value", "rows", "error", "ratio")
    return Grid("By condition", headers, tuple(rows), 3, detail=True)


def _classes(classes: Sequence[Class]) -> Grid:
    rows = []
    for one in classes:
        numbers = (one.low, one.value, one.high, one.high / one.low)
        rest = ("assumed", "", "") if one.assumed else (one.grade, f"{one.widened:.2f}", f"{one.held:.2f}")
        count = f"{sum(one.rows.values()):,} on {len(one.rows)}" if one.rows else "0"
        grade, widened, held = rest
        rows.append((one.name, one.metric, grade, count, *(f"{n:.2f}" for n in numbers), widened, held))
    headers = ("class", "metric", "grade", "rows on chips", "10 %", "median", "90 %", "high/low", "widened", "left out")
    return Grid("Residual classes, measured over predicted", headers, tuple(rows), 4)


def _maturity(outcomes: Sequence[Outcome]) -> Grid:
    """What the chips' maturity would have to be for the median of their rows to come out."""
    rows = []
    for chip_id, members in by_chip(o for o in outcomes if o.counts).items():
        figure = members[0].chip.figure("software.maturity")
        if not has_interval(members[0].chip):
            continue
        for key, mine in grouped(o for o in members if o.metric in ("latency", "throughput", "tpot")).items():
            ratio = group(mine).ratio
            needed = figure.value * (ratio if key[2] in _RATES else 1 / ratio)
            place = "inside" if figure.low <= needed <= figure.high else "outside"
            said = f"{figure.value:.2g} ({figure.low:.2g} to {figure.high:.2g})"
            rows.append((chip_id, key[0], key[2], key[3], said, place, f"{len(mine):,}", f"{needed:.2f}"))
    headers = ("chip", "dataset", "metric", "engine", "in its file", "interval", "rows", "these rows need")
    return Grid("Software maturity", headers, tuple(rows), 6, detail=True)


def _skipped(scored: Scored) -> Grid:
    rows = [
        (table, reason.replace("|", "/"), f"{count:,}") for (table, reason), count in sorted(scored.skipped.items())
    ]
    return Grid("Rows without a prediction", ("dataset", "why", "rows"), tuple(rows), 2, detail=True)


def _share(error: float | None) -> str:
    return "-" if error is None else f"{error:.2f}"


def engines() -> str:
    """The engines whose rows make classes, in words."""
    return ", ".join(dict.fromkeys(names.SERVERS.values()))


def used(classes: Sequence[Class]) -> int:
    """Rows that set the classes."""
    own = (one for one in classes if one.name.endswith("-measured") and not one.lent_by)
    return sum(sum(one.rows.values()) for one in own)
