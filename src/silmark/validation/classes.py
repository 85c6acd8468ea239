"""Residual classes: what measured over predicted says about a whole family of chips.

Every chip of a class weighs the same, however many rows it has. The quantiles are then widened, in logarithms
around their median, until intervals made without a chip hold 80 % of that chip's rows on average: an error bar is
for chips that nobody has measured, too.

A chip whose software maturity has an interval enters with the spread around its own median only. By how much its
stack as a whole is slower or faster than said is what that interval is for, and both are joined in every error bar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from silmark.calibration.engines import quantiles
from silmark.chips import Chip
from silmark.figures.tables import packaged
from silmark.graph import Array
from silmark.validation.score import Outcome, by_chip, logarithms

__all__ = ["Class", "assumed", "classes", "from_logs", "has_interval", "measured", "published", "quantiles", "widening"]

METRICS = ("ttft", "tpot", "throughput", "latency", "power")
LEAST_ROWS, LEAST_CHIPS = 20, 2
_LEAST_POINTS = 10
_LEAST_PER_CHIP = 5
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

    @property
    def assumed(self) -> bool:
        """No rows stand behind it."""
        return not self.rows


def classes(outcomes: Sequence[Outcome]) -> list[Class]:
    """All classes, from rows where there are enough and assumed where the tool needs one anyway."""
    found = [*measured(outcomes), *published()]
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
            chips = {key: rows for key, rows in by_chip(mine).items() if len(rows) >= _LEAST_PER_CHIP}
            if sum(map(len, chips.values())) >= LEAST_ROWS and len(chips) >= LEAST_CHIPS:
                own = any(has_interval(rows[0].chip) for rows in chips.values())
                why = "end-to-end rows; chips weigh alike" + (
                    "; of chips whose maturity has an interval only the spread" if own else ""
                )
                made.append(from_logs(name, metric, {key: _logs(rows) for key, rows in chips.items()}, why))
    return made


def published() -> list[Class]:
    """The class of chips that were checked on published points only: errors of points that the fits left out.

    None where the chips spread so differently that one says nothing about the other.
    """
    fits = packaged("calibration")
    wafer = fits.get("wafer", {}).get("residuals", {}).get("decode.leave_one_model_out", ())
    streaming = fits.get("streaming", {}).get("residuals", {}).get("speed_with_point_left_out", {})
    logs = {
        "cerebras-wse-2": -np.log1p(np.array(wafer, dtype=np.float64)),
        "groq-groqchip-1": np.log(np.array(list(streaming.values()), dtype=np.float64)),
    }
    if min(map(len, logs.values())) == 0 or sum(map(len, logs.values())) < _LEAST_POINTS:
        return []
    made = from_logs("published", "tpot", logs, "points of papers and vendors that the fit left out")
    return [made] if made.held >= _COVER else []


def has_interval(chip: Chip) -> bool:
    """Whether the chip's software maturity is uncertain by itself."""
    figure = chip.figure("software.maturity")
    return figure.low < figure.high


def _logs(rows: Sequence[Outcome]) -> Array:
    logs = logarithms(rows)
    return logs - np.median(logs) if has_interval(rows[0].chip) else logs


def from_logs(name: str, metric: str, logs: Mapping[str, Array], why: str = "") -> Class:
    """A class from ln(measured / predicted) by chip."""
    widened, held = widening(list(logs.values()))
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


def widening(groups: Sequence[Array]) -> tuple[float, float]:
    """Smallest factor, from 1, at which intervals without a group hold 80 % of it; and what they then hold."""
    without = [quantiles([*groups[:i], *groups[i + 1 :]]) for i in range(len(groups))]

    def held(factor: float) -> float:
        shares = []
        for values, (low, middle, high) in zip(groups, without, strict=True):
            bottom, top = middle + factor * (low - middle), middle + factor * (high - middle)
            shares.append(float(np.mean((values >= bottom) & (values <= top))))
        return float(np.mean(shares))

    factors = np.arange(1.0, _WIDEST + 1e-9, 0.01)
    factor = next((float(f) for f in factors if held(f) >= _COVER), _WIDEST)
    return factor, held(factor)


_ORDER = {"measured": 1, "published": 2, "none": 3}
_NO_ROWS = "families without measured rows of their own"
_FEW = "fewer than two chips with points that a fit left out, or chips whose points spread too differently"
_NEVER = "never measured in public: a factor of two for times, less for power, which a supply bounds"
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
