"""Dollars per million tokens (or items) of an estimate, as a comparison shows them.

    own    (purchase / (years x utilisation) + power x PUE x electricity price) / throughput
    rent   hourly rent / throughput

Power is drawn only while the system works at the stated load; capital is paid all its life.
"""

from __future__ import annotations

from dataclasses import dataclass

from silmark.economics.bill import RATE, short
from silmark.estimation import Estimate
from silmark.figures import Figure, Interval

__all__ = ["RATE", "Price", "price"]


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens or items.

    Attributes:
        usd_per_million: dollars.
        basis: own (capital and electricity) or rent.
        figures: what it was computed from, by key.
    """

    usd_per_million: Interval
    basis: str
    figures: dict[str, Figure]


def price(answer: Estimate) -> Price | None:
    """Prices an estimate; None where neither a purchase price nor a rent of the chip is public."""
    found = short(answer.step_model.target, answer.chips, answer.power_w)
    if found is None:
        return None
    return Price(found.per_million(answer).interval(), found.basis, dict(found.figures))
