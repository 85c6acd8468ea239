"""Dollars per million tokens (or items) of an estimate."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.economics.bill import bill, figures, purchase
from silmark.estimation import Estimate
from silmark.figures import Figure, Interval

RATE = "throughput"
"""Name of the input that holds the tokens or items per second."""


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
    bought = purchase(answer.step_model.target)
    if bought is None:
        return None
    ledger = bill(bought, answer.chips, answer.power_w).over(RATE, answer.rate, 1e6)
    return Price(ledger.interval(), bought.basis, figures(bought))
