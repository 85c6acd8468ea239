"""What a second of work costs, and a million tokens: the ledger of a system that is owned or rented.

`bill` counts capital and electricity, or rent, as every chip of a comparison is priced; `in_full` counts all of it.
Costs are proportional to the chips that a plan uses: a share of a unit costs its share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from silmark.economics import running
from silmark.economics.capital import Asset, Purchase, bought, network
from silmark.economics.ledger import Array, Ledger, Line
from silmark.economics.rent import purchase
from silmark.economics.terms import Terms
from silmark.estimation import Estimate
from silmark.figures import Figure, Interval, assumptions
from silmark.systems import Target

__all__ = [
    "RATE",
    "Bill",
    "CostRate",
    "as_interval",
    "bill",
    "cost_rate",
    "figures",
    "in_full",
    "owned",
    "purchase",
    "short",
]

RATE = "throughput"
"""Name of the input that holds the tokens or items per second of the whole system."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars per second of work.

    Attributes:
        basis: own, rent, reserved, spot; unpriced where no price of that kind is public: then without machines.
        ledger: its parts, USD/s.
        figures: what it was computed from, by key.
    """

    basis: str
    ledger: Ledger
    figures: Mapping[str, Figure]

    def per_million(self, answer: Estimate) -> Ledger:
        """USD per million tokens (or items)."""
        return self.ledger.over(RATE, answer.rate, 1e6)


@dataclass(frozen=True, slots=True)
class CostRate:
    """Dollars per second of work, for any number of chips and watts.

    Attributes:
        basis: own or rent.
        usd_per_chip_s: capital (or rent) of one chip with its share of the unit.
        usd_per_j: electricity of one joule that the machines draw, facility counted; 0 where rent holds it.
    """

    basis: str
    usd_per_chip_s: float
    usd_per_j: float

    def at(self, chips: ArrayLike, power_w: ArrayLike) -> tuple[Array, Array]:
        """USD/s of capital or rent, and of electricity: arrays broadcast together."""
        capital = np.asarray(chips, dtype=float) * self.usd_per_chip_s
        return capital, np.asarray(power_w, dtype=float) * self.usd_per_j


def cost_rate(target: Target) -> CostRate | None:
    """What a target costs per chip and per joule: the arithmetic of `price`, for thousands of plans at once.

    None where neither a purchase price nor a rent is public.
    """
    found = short(target, 1.0, Interval(1.0, 1.0, 1.0))
    if found is None:
        return None
    parts = {name: float(amount) for name, amount in found.ledger.amounts().items()}
    energy = parts.pop("electricity", 0.0)
    return CostRate(found.basis, sum(parts.values()), energy)


def short(target: Target, chips: float, power_w: Interval) -> Bill | None:
    """Capital and electricity of so many chips at so many watts, or their rent; None without a public price."""
    paid = purchase(target)
    return None if paid is None else Bill(paid.basis, bill(paid, chips, power_w), figures(paid))


def bill(paid: Purchase, chips: float, power_w: Interval) -> Ledger:
    """USD per second of work: capital and electricity of so many chips at so many watts together, or their rent."""
    if paid.basis != "own":
        lines = [_rent(paid, chips)]
    else:
        lines = [*(asset.written_off() for asset in bought(paid, chips)), running.electricity()]
    return _join(lines, {**assumptions("economics"), **paid.inputs}, {running.POWER: power_w}).ledger


def figures(paid: Purchase) -> dict[str, Figure]:
    """The figures behind `bill`, by key."""
    known = {**assumptions("economics"), **paid.inputs}
    return {key: known[key] for key in bill(paid, 1.0, Interval(1.0, 1.0, 1.0)).inputs if key in known}


def in_full(answer: Estimate, terms: Terms, paid: Purchase | None) -> Bill:
    """Everything that an estimate's system costs.

    Args:
        answer: what it does.
        terms: figures of the place and of the money.
        paid: its price; None prices only what runs it.
    """
    if paid is None:
        return owned(answer, terms, (), {}, {}, basis="unpriced")
    if paid.basis != "own":
        return _join([_rent(paid, answer.chips)], {**terms, **paid.inputs}, {}, paid.basis)
    return owned(answer, terms, bought(paid, answer.chips), paid.inputs, {})


def owned(
    answer: Estimate,
    terms: Terms,
    assets: Sequence[Asset],
    priced: Mapping[str, Figure],
    results: Mapping[str, Interval],
    basis: str = "own",
) -> Bill:
    """What a system costs that was bought: its assets and the network between its units, and all that runs it.

    Args:
        answer: what it does.
        terms: figures of the place and of the money.
        assets: chips and hosts; none where no price is known, and then no network either.
        priced: figures that the assets read beside the terms.
        results: other inputs that they read.
        basis: own or unpriced.
    """
    wires, bandwidth = network(answer.step_model.target, answer.chips) if assets else ([], {})
    everything = [*assets, *wires]
    lines = [asset.written_off() for asset in everything]
    lines += [running.electricity(), *running.around_the_clock(everything)]
    return _join(lines, {**terms, **bandwidth, **priced}, {**running.watts(answer), **results}, basis)


def _rent(paid: Purchase, chips: float) -> Line:
    """A rent per hour; a reservation is paid through idle hours as well."""
    idle = {"capital.utilisation": -1} if paid.basis == "reserved" else {}
    return Line(paid.basis, chips * paid.share / 3600.0, {**dict.fromkeys(paid.inputs, 1), **idle})


def _join(
    lines: Sequence[Line], known: Mapping[str, Figure], results: Mapping[str, Interval], basis: str = "own"
) -> Bill:
    """Joins lines with the inputs that they read: figures, and results of an estimate."""
    used = dict.fromkeys(key for line in lines for key in line.inputs)
    behind = {key: known[key] for key in used if key not in results}
    inputs = {key: results[key] if key in results else as_interval(behind[key]) for key in used}
    return Bill(basis, Ledger(tuple(lines), inputs), behind)


def as_interval(figure: Figure) -> Interval:
    """The figure's value between its bounds, with as much room below as above where low is 0."""
    return Interval.around(figure.value, figure.log_low, figure.log_high)
