"""How wrong a step time may be: residuals of the nearest validated class, and the inputs' own intervals.

The time of a step is a sum of parts, each bound by one resource. To first order a resource whose rate is
off by a factor f moves the total by f to the power of its share, so its width in logarithms counts with
that share. Figures of one resource describe the same rate from several sides (a peak, and the arrays and
clock that explain it): the widest counts. Resources are independent and add in quadrature. An input joins
only where it is more uncertain than the inputs of the class on which the residuals were taken, which were
datasheet figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from silmark.chips import Chip
from silmark.chips.mechanisms import Resource
from silmark.figures import Figure, Grade, assumptions
from silmark.figures.figure import quadrature
from silmark.figures.tables import packaged, read_figure, walk
from silmark.graph import Array
from silmark.step.cost import StepCost
from silmark.step.model import StepModel

_LEAST_WIDTH = 0.03
"""Repeats of one measurement differ by as much."""
_MATTERS = 0.1
"""Share of the time that makes a figure's grade count."""
_LINKS = ("system.scale_", "link.scale_", "assumed.scale_")
_TIERS = ("system.memory.", "link.host.", "assumed.link.host_share")
"""Beyond the chips: in the figures of a step model only where the cache lies there."""
_CLASS_WIDTH = 0.1
"""Widths (in logarithms) below this are what datasheet figures have anyway."""
_Share = TypeVar("_Share", float, Array)
"""A resource's share of one time, or of each of many."""


@cache
def _classes(kind: str = "classes") -> dict[str, Figure]:
    table = packaged("calibration")["residuals"].get(kind, {})
    return {key: read_figure("residuals.toml", key, leaf) for key, leaf in walk(table)}


def residual(chip: Chip, metric: str) -> Figure:
    """Measured over predicted for the nearest validated class: median, 10 % and 90 % quantile.

    Args:
        metric: ttft, tpot, throughput, latency or power.
    """
    classes = _classes()
    for name in (f"{chip.family}-{chip.evidence}", chip.evidence):
        if f"{name}.{metric}" in classes:
            return classes[f"{name}.{metric}"]
    return classes[f"none.{metric}"]


def between_plans(chip: Chip, metric: str) -> Figure:
    """Measured over predicted ratio of two plans of one model on such chips: 10 % and 90 % quantile around 1.

    Assumed where no pairs of plans were measured on chips of the family.

    Args:
        metric: tpot or throughput.
    """
    found = _classes("between_plans").get(f"{chip.family}-{chip.evidence}.{metric}")
    return found or assumptions("search")[f"between_plans.{metric}"]


def log_widths(step_model: StepModel, cost: StepCost, metric: str) -> tuple[float, float]:
    """Widths below and above, in natural logarithms, of a step time.

    Args:
        cost: of the steps whose time it is; the shares of its resources weigh the figures.
        metric: whose residuals to take.
    """
    below, above = zip(*log_terms(step_model, cost, metric).values(), strict=True)
    return quadrature(below), quadrature(above)


def log_terms(step_model: StepModel, cost: StepCost, metric: str) -> dict[str, tuple[float, float]]:
    """What `log_widths` adds in quadrature, below and above: `class` (its residuals), each resource, `maturity`."""
    return _terms(step_model, cost.shares(), metric)


def log_widths_each(step_model: StepModel, cost: StepCost, metric: str) -> tuple[Array, Array]:
    """`log_widths` of every single step of an array."""
    below, above = zip(*_terms(step_model, cost.shares_each(), metric).values(), strict=True)
    return np.sqrt(sum(np.square(term) for term in below)), np.sqrt(sum(np.square(term) for term in above))


def _terms(
    step_model: StepModel, shares: Mapping[Resource, _Share], metric: str
) -> dict[str, tuple[float | _Share, float | _Share]]:
    """What adds in quadrature, below and above: the class's residuals, each resource's figures, the maturity."""
    base = residual(step_model.target.chip, metric)
    # Quantiles of measured over predicted: of a rate, the high one is the short time.
    short, long = (1 / base.high, 1 / base.low) if metric == "throughput" else (base.low, base.high)
    found: dict[str, tuple[float | _Share, float | _Share]] = {
        "class": (max(_LEAST_WIDTH, -math.log(short)), max(_LEAST_WIDTH, math.log(long)))
    }
    for resource, share in shares.items():
        widths = [_widths(figure) for figure in _joining(step_model, resource, metric)]
        found[resource] = (
            share * max((low for low, _ in widths), default=0.0),
            share * max((high for _, high in widths), default=0.0),
        )
    if step_model.maturity is not None:
        on_chip = 1.0 - shares.get("link", 0.0)
        low, high = _widths(step_model.maturity)
        found["maturity"] = (on_chip * low, on_chip * high)
    return found


def grade(step_model: StepModel, cost: StepCost, metric: str) -> Grade:
    """The worst grade of what the error bar is made of: the class's residuals, and every figure that joins them.

    A figure counts where it sets more than a tenth of the time. A prediction is derived at best.
    """
    always, by_resource = _grades(step_model, cost, metric)
    return max([always, *(by_resource[r] for r, share in cost.shares().items() if share > _MATTERS)])


def grade_each(step_model: StepModel, cost: StepCost, metric: str) -> NDArray[np.int64]:
    """`grade` of every single step of an array."""
    always, by_resource = _grades(step_model, cost, metric)
    worst = np.full(cost.time_s.shape, int(always))
    for resource, share in cost.shares_each().items():
        worst = np.maximum(worst, np.where(share > _MATTERS, int(by_resource[resource]), 0))
    return worst


def _grades(step_model: StepModel, cost: StepCost, metric: str) -> tuple[Grade, dict[Resource, Grade]]:
    """The grade that every step has at best, and what each resource makes of it where it matters."""
    always = max(Grade.DERIVED, residual(step_model.target.chip, metric).grade)
    maturity = step_model.maturity
    if maturity is not None and maturity.low < maturity.high:
        always = max(always, maturity.grade)
    found = {r: max((f.grade for f in _joining(step_model, r, metric)), default=always) for r in cost.parts}
    return always, found


@lru_cache(maxsize=512)
def _joining(step_model: StepModel, resource: Resource, metric: str) -> tuple[Figure, ...]:
    """Figures that set a resource's time and are more uncertain than the inputs of the class.

    Residuals of the chip's own family, of rows or of points that the fits left out, hold the errors of the fitted
    parameters.
    """
    chip = step_model.target.chip
    base = residual(chip, metric)
    validated = base.grade < Grade.ASSUMED and base.key.startswith(f"{chip.family}-")
    keys = sorted(step_model.mechanism.bounds.get(resource, set()))
    if resource == "link":
        keys += [key for key in step_model.figures if key.startswith(_LINKS)]
        if step_model.tier is not None:
            keys += [key for key in step_model.figures if key.startswith(_TIERS) and not key.endswith(".capacity")]
    figures = [step_model.figures[k] for k in keys if not (validated and k.startswith("calibration."))]
    return tuple(figure for figure in figures if _uncertain(chip, figure))


def _uncertain(chip: Chip, figure: Figure) -> bool:
    narrow = max(figure.log_low, figure.log_high) < _CLASS_WIDTH
    return not narrow and not (chip.evidence == "measured" and figure.grade <= Grade.THIRD_PARTY)


def _widths(figure: Figure) -> tuple[float, float]:
    """How far time may lie below and above: a higher rate or share makes a shorter time."""
    return (figure.log_low, figure.log_high) if figure.unit == "s" else (figure.log_high, figure.log_low)
