"""The bar that the run of a chip carries which nobody has measured."""

from __future__ import annotations

from silmark.chips import Chip
from silmark.figures import Figure
from silmark.figures.numbers import si


def unverified(chip: Chip, rate: Figure, seconds: float) -> dict[str, str]:
    """A fact for the run: between what times it lies as its rate is known; empty for chips with evidence.

    Args:
        chip: one chip.
        rate: the figure that its cycles and clock were assumed with.
        seconds: at the figure's value.
    """
    if chip.evidence != "none":
        return {}
    fastest, slowest = seconds * rate.value / rate.high, seconds * rate.value / rate.low
    return {
        "unverified": f"nobody has measured {chip.id}; as its rate is known: {si(fastest, 's')} to {si(slowest, 's')}"
    }
