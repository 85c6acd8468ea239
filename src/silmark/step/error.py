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
from functools import cache, lru_cache

from silmark.chips import Chip
from silmark.chips.mechanisms import Resource
from silmark.figures import Figure, Grade
from silmark.figures.figure import quadrature
from silmark.figures.tables import packaged, read_figure, walk
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


@cache
def _classes() -> dict[str, Figure]:
    table = packaged("calibration")["residuals"]["classes"]
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


def log_widths(step_model: StepModel, cost: StepCost, metric: str) -> tuple[float, float]:
    """Widths below and above, in natural logarithms, of a step time.

    Args:
        cost: of the steps whose time it is; the shares of its resources weigh the figures.
        metric: whose residuals to take.
    """
    chip = step_model.target.chip
    base = residual(chip, metric)
    # Quantiles of measured over predicted: of a rate, the high one is the short time.
    short, long = (1 / base.high, 1 / base.low) if metric == "throughput" else (base.low, base.high)
    below, above = [max(_LEAST_WIDTH, -math.log(short))], [max(_LEAST_WIDTH, math.log(long))]
    for resource, share in cost.shares().items():
        widths = [_widths(figure) for figure in _joining(step_model, resource, metric)]
        below.append(share * max((low for low, _ in widths), default=0.0))
        above.append(share * max((high for _, high in widths), default=0.0))
    if step_model.maturity is not None:
        on_chip = 1.0 - cost.shares().get("link", 0.0)
        low, high = _widths(step_model.maturity)
        below.append(on_chip * low)
        above.append(on_chip * high)
    return quadrature(below), quadrature(above)


def grade(step_model: StepModel, cost: StepCost, metric: str) -> Grade:
    """The worst grade of what the error bar is made of: the class's residuals, and every figure that joins them.

    A figure counts where it sets more than a tenth of the time. A prediction is derived at best.
    """
    grades = [Grade.DERIVED, residual(step_model.target.chip, metric).grade]
    for resource, share in cost.shares().items():
        if share > _MATTERS:
            grades += [figure.grade for figure in _joining(step_model, resource, metric)]
    maturity = step_model.maturity
    if maturity is not None and maturity.low < maturity.high:
        grades.append(maturity.grade)
    return max(grades)


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
