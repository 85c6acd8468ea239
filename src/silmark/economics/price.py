"""Dollars per million tokens (or items) of an estimate, with everything that its machines cost.

    own    (chips, hosts, network, interest, upkeep, hosting, electricity at work and idle) / throughput
    rent   hourly rent / throughput

`economics.bill` has the parts; `cost_rate` is the same for many plans at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from silmark.economics.bill import public
from silmark.economics.running import Machines
from silmark.estimation import Estimate
from silmark.figures import Figure, Interval


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens or items.

    Attributes:
        usd_per_million: dollars.
        basis: own or rent.
        figures: what it was computed from, by key.
    """

    usd_per_million: Interval
    basis: str
    figures: dict[str, Figure]


def price(answer: Estimate) -> Price | None:
    """Prices an estimate; None where neither a purchase price nor a rent of the chip is public."""
    found = public(Machines.of(answer))
    if found is None:
        return None
    return Price(found.per_million(answer.rate).interval(), found.basis, dict(found.figures))
