"""Residual classes: what measured over predicted says about a whole family of chips.

Every chip of a class weighs the same, however many rows it has. The quantiles are then widened, in logarithms
around their median, until intervals made without a chip hold 80 % of that chip's rows on average: an error bar is
for chips that nobody has measured, too. Where one chip alone was measured its models are left out instead of it, and
where published points are few each point in turn; such a class is derived, not measured.

A chip whose software maturity has an interval enters with the spread around its own median only. By how much its
stack as a whole is slower or faster than said is what that interval is for, and both are joined in every error bar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from silmark.calibration.engines import quantiles
from silmark.chips import Chip, catalog
from silmark.graph import Array
from silmark.validation import points
from silmark.validation.score import Outcome, by_chip, logarithms

__all__ = ["Class", "assumed", "classes", "from_logs", "has_interval", "measured", "published", "quantiles", "widening"]

METRICS = ("ttft", "tpot", "throughput", "latency", "power")
LEAST_ROWS, LEAST_CHIPS = 20, 2
_LEAST_POINTS = 8
LEAST_PER_CHIP = 5
"""Fewer rows do not say how a chip spreads."""
_COVER = 0.8
_WIDEST = 2.5
"""Beyond this the chips of a class have nothing in common, and widening would only hide it."""


@dataclass(frozen=True, slots=True)
class Class:
    """Quantiles of measured over predicted for one class and metric.

    Attributes:
        low, value, high: 10 % quantile, median, 90 % quantile, widened.
        rows: rows by chip, empty if assumed.
        widened: factor on the logarithmic widths.
        held: share of a left-out chip's rows inside, mean over chips.
        why: the reason, if assumed; else what the rows are.
        grade: measured, or derived where one chip or a few points stand for others.
        lent_by: the metric whose rows these are, if not its own.
    """

    name: str
    metric: str
    low: float
    value: float
    high: float
    rows: Mapping[str, int]
    widened: float = 1.0
    held: float = 0.0
    why: str = ""
    grade: str = "measured"
    lent_by: str = ""

    @property
    def assumed(self) -> bool:
        """No rows stand behind it."""
        return not self.rows


def classes(outcomes: Sequence[Outcome]) -> list[Class]:
    """All classes, from rows where there are enough and assumed where the tool needs one anyway."""
    found = [*measured(outcomes), *published()]
    have = {(one.name, one.metric) for one in found}
    found += [one for one in borrowed(found) if (one.name, one.metric) not in have]
    have = {(one.name, one.metric) for one in found}
    return sorted(
        found + [one for one in assumed() if (one.name, one.metric) not in have],
        key=lambda one: (_ORDER.get(one.name, -1), one.name, METRICS.index(one.metric)),
    )


def measured(outcomes: Sequence[Outcome]) -> list[Class]:
    """Classes of families with measured rows."""
    names = sorted({f"{o.chip.family}-{o.chip.evidence}" for o in outcomes if o.counts})
    made = []
    for name in names:
        for metric in METRICS:
            mine = [
                o for o in outcomes if o.counts and o.metric == metric and f"{o.chip.family}-{o.chip.evidence}" == name
            ]
            chips = {key: rows for key, rows in by_chip(mine).items() if len(rows) >= LEAST_PER_CHIP}
            if sum(map(len, chips.values())) < LEAST_ROWS:
                continue
            own = any(has_interval(rows[0].chip) for rows in chips.values())
            why = "end-to-end rows; chips weigh alike" + (
                "; of chips whose maturity has an interval only the spread" if own else ""
            )
            if len(chips) >= LEAST_CHIPS:
                made.append(from_logs(name, metric, {key: _logs(rows) for key, rows in chips.items()}, why))
            elif not name.startswith("gpu-"):
                made += _one_chip(name, metric, *chips.items())
    return made


def _one_chip(name: str, metric: str, only: tuple[str, Sequence[Outcome]]) -> list[Class]:
    """A class of one measured chip: its models are left out in turn. None if it ran too few of them."""
    chip, rows = only
    logs, groups = _logs(rows), {}
    for model in sorted({one.row.model for one in rows}):
        groups[model] = logs[[one.row.model == model for one in rows]]
    groups = {model: values for model, values in groups.items() if len(values) >= LEAST_PER_CHIP}
    if len(groups) < LEAST_CHIPS:
        return []
    made = from_logs(name, metric, groups, f"end-to-end rows of {len(groups)} models on one chip; models weigh alike")
    rows_by_chip = {chip: sum(map(len, groups.values()))}
    return [replace(made, rows=rows_by_chip, grade="derived")] if made.held >= _COVER - _ROUNDING else []


def published() -> list[Class]:
    """Classes of published points that the fits left out: a family's own, and one of all chips for the others.

    They are widened until intervals made without a point hold it in 80 % of the cases, chips weighing alike. Leaving
    out whole chips would ask more than three or four of them can say.
    """
    found = points.logs(points.collect(), "tpot")
    families = {chip: f"{catalog.load(chip).family}-published" for chip in found}
    pools = {name: [chip for chip in found if families[chip] == name] for name in sorted(set(families.values()))}
    if len(found) >= LEAST_CHIPS:
        pools["published"] = list(found)
    made = []
    for name, chips in pools.items():
        logs = {chip: found[chip] for chip in chips}
        if sum(map(len, logs.values())) >= _LEAST_POINTS:
            one = from_logs(name, "tpot", logs, "published points that no fit used, or that it left out", single=True)
            made += [replace(one, grade="derived")] if one.held >= _COVER - _ROUNDING else []
    return made


def borrowed(found: Sequence[Class]) -> list[Class]:
    """Classes of a metric without rows, from a metric of the same steps: decoding is nearly all of a request.

    Only for families that are not GPUs, which have rows of their own for each metric. A batch's throughput is not
    borrowed from published points: they are of single users.
    """
    made = []
    for one in found:
        if one.name.startswith("gpu-") or (to := _LENDS.get(one.metric)) is None:
            continue
        made.append(
            replace(
                one,
                metric=to,
                grade="derived",
                lent_by=one.metric,
                why=f"as {one.metric}, of the same steps: {one.why}",
            )
        )
    return made


def has_interval(chip: Chip) -> bool:
    """Whether the chip's software maturity is uncertain by itself."""
    figure = chip.figure("software.maturity")
    return figure.low < figure.high


def _logs(rows: Sequence[Outcome]) -> Array:
    logs = logarithms(rows)
    return logs - np.median(logs) if has_interval(rows[0].chip) else logs


def from_logs(name: str, metric: str, logs: Mapping[str, Array], why: str = "", single: bool = False) -> Class:
    """A class from ln(measured / predicted) by chip; `single` leaves out single points and not chips."""
    widened, held = widening(list(logs.values()), single)
    low, middle, high = quantiles(list(logs.values()))
    return Class(
        name=name,
        metric=metric,
        low=float(np.exp(middle + widened * (low - middle))),
        value=float(np.exp(middle)),
        high=float(np.exp(middle + widened * (high - middle))),
        rows={key: len(values) for key, values in logs.items()},
        widened=widened,
        held=held,
        why=why,
    )


def widening(groups: Sequence[Array], single: bool = False) -> tuple[float, float]:
    """Smallest factor, from 1, at which intervals without a group hold 80 % of it; and what they then hold.

    Args:
        groups: ln(measured / predicted) by chip.
        single: leave out one value of a group instead of the group.
    """
    cases: list[tuple[Array, Array, float]] = []
    for i, values in enumerate(groups):
        others = [*groups[:i], *groups[i + 1 :]]
        outs = [(values[j : j + 1], [np.delete(values, j)]) for j in range(len(values))] if single else [(values, [])]
        for out, rest in outs:
            kept = [group for group in (*others, *rest) if len(group)]
            cases.append((out, np.array(quantiles(kept)), 1.0 / len(outs)))
    total = sum(weight for _, _, weight in cases)

    def held(factor: float) -> float:
        share = 0.0
        for values, (low, middle, high), weight in cases:
            bottom, top = middle + factor * (low - middle), middle + factor * (high - middle)
            share += weight * float(np.mean((values >= bottom) & (values <= top)))
        return share / total

    factors = np.arange(1.0, _WIDEST + 1e-9, 0.01)
    factor = next((float(f) for f in factors if held(f) >= _COVER - _ROUNDING), _WIDEST)
    return factor, held(factor)


_ROUNDING = 1e-9
_LENDS = {"tpot": "latency", "latency": "tpot"}
_ORDER = {"measured": 1, "published": 2, "none": 3}
_NO_ROWS = "families without measured rows of their own"
_FEW = "fewer than two chips with points that a fit left out, or chips whose points spread too differently"
_NEVER = (
    "never measured in public, and too few chips that no fit saw (TPU v4, WSE-3) to say by how much such are off: a "
    "factor of two for times, less for power, which a supply bounds"
)
_ASSUMED = {
    "measured": (_NO_ROWS, {"ttft": (0.6, 1.7), "tpot": (0.7, 1.4), "throughput": (0.65, 1.4), "latency": (0.7, 1.5),
                            "power": (0.8, 1.2)}),
    "published": (_FEW, {"ttft": (0.5, 2.0), "tpot": (0.65, 1.55), "throughput": (0.5, 1.6), "latency": (0.6, 1.7),
                         "power": (0.75, 1.3)}),
    "none": (_NEVER, {"ttft": (0.5, 2.0), "tpot": (0.5, 2.0), "throughput": (0.5, 2.0), "latency": (0.5, 2.0),
                      "power": (0.6, 1.5)}),
}  # fmt: skip


def assumed() -> list[Class]:
    """The classes that no rows support, with the reason."""
    return [
        Class(name, metric, low, 1.0, high, {}, why=why)
        for name, (why, bounds) in _ASSUMED.items()
        for metric, (low, high) in bounds.items()
    ]
