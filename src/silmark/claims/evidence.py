"""Whether a prediction may decide a claim, and which of its inputs leaves it open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from silmark.chips import Chip
from silmark.estimation import Estimate
from silmark.figures import Figure, Grade
from silmark.figures.numbers import si

_MATTERS = 0.2
"""Width, in logarithms, below which an input leaves nothing open."""


def circular(figures: Mapping[str, Figure], names: Iterable[str]) -> tuple[str, ...]:
    """Keys of figures that were derived from the claim itself; such a figure cannot decide it."""
    wanted = set(names)
    return tuple(key for key, figure in sorted(figures.items()) if wanted & set(figure.origins))


def barred(label: str, answer: object, figures: Mapping[str, Figure], names: Iterable[str]) -> str:
    """Why numbers may not decide: they come from the claim itself, or from assumptions alone; empty if they may.

    Args:
        label: whose numbers.
        answer: the estimate behind them; anything else has no numbers to bar.
        figures: what went in.
        names: of the claim.
    """
    if not isinstance(answer, Estimate):
        return ""
    if keys := circular(figures, names):
        shown = [key.removeprefix("calibration.") for key in keys[:2]]
        more = f" and {len(keys) - 2} more figures" if len(keys) > 2 else ""
        return f"{', '.join(shown)}{more} of {label} {'are' if len(keys) > 1 else 'is'} computed back from this claim"
    plan = answer.step_model.plan
    return unpublished(label, answer.step_model.target.chip, plan.precision.compute, (plan.placement.weights,))


def unpublished(label: str, chip: Chip, compute: str, tiers: Sequence[str] = ("main", "sram")) -> str:
    """Why a chip's numbers may not decide where matrix peak and bandwidth of its weights are both assumed; else empty.

    Such a file stands for a chip of which nothing is published: its answers show what it would take, not what is.

    Args:
        label: whose numbers.
        chip: its figures.
        compute: format of the products.
        tiers: of memory from which the weights are read.
    """
    keys = (f"peak.{compute}", *(f"memory.{tier}.bandwidth" for tier in tiers))
    found = [chip.figures[key] for key in keys if key in chip.figures]
    if not found or any(figure.grade is not Grade.ASSUMED for figure in found):
        return ""
    return f"nothing is published of {label}: its rates are assumptions"


def least_certain(answer: object, metric: str, figures: Mapping[str, Figure]) -> str:
    """The input that leaves most open of what bounds a prediction, as words; empty if none does.

    Args:
        answer: the estimate; anything else leaves nothing open.
        metric: prices bear on dollars, and powers on joules and watts.
        figures: what went in.
    """
    if not isinstance(answer, Estimate):
        return ""
    resource = answer.bound_by.get("decode", answer.bound_by.get("forward", ""))
    bounds = {str(name): keys for name, keys in answer.step_model.mechanism.bounds.items()}
    keys = bounds.get(resource, set())
    words = {"usd_per_mtok": ("price.",), "joules": ("power.",), "power_w": ("power.",)}.get(metric, ())
    return widest({k: f for k, f in figures.items() if k in keys or any(word in k for word in words)})


def widest(figures: Mapping[str, Figure]) -> str:
    """The figure with the widest interval, as words; empty if none is uncertain."""
    open_ = {key: figure.log_low + figure.log_high for key, figure in figures.items()}
    if not open_ or max(open_.values()) < _MATTERS:
        return ""
    key = max(open_, key=lambda one: open_[one])
    figure = figures[key]
    return f"{key} ({si(figure.low, figure.unit)} to {si(figure.high, figure.unit)}, {figure.grade})"
