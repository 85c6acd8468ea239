"""What a second of work costs, and a million tokens: the ledger of machines that are owned or rented.

There is one bill: every price that Silmark shows, of one estimate or of thousands of plans, is its total. Costs are
proportional to the chips that a plan uses: a share of a unit costs its share.
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
from silmark.economics.running import Machines
from silmark.economics.terms import Terms, defaults
from silmark.figures import Figure, Interval
from silmark.systems import Target

__all__ = [
    "RATE",
    "Bill",
    "CostRate",
    "as_interval",
    "bill",
    "cost_rate",
    "owned",
    "public",
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

    def per_million(self, rate: Interval) -> Ledger:
        """USD per million tokens (or items) at so many per second."""
        return self.ledger.over(RATE, rate, 1e6)


@dataclass(frozen=True, slots=True)
class CostRate:
    """Dollars per second of work, for any number of chips and watts.

    Attributes:
        basis: own or rent.
        usd_per_chip_s: what one chip costs with its share of the unit, working or not: all but electricity at work.
        usd_per_j: electricity of one joule that the machines draw, facility counted; 0 where rent holds it.
    """

    basis: str
    usd_per_chip_s: float
    usd_per_j: float

    def at(self, chips: ArrayLike, power_w: ArrayLike) -> Array:
        """USD/s of so many chips that draw so many watts together; arrays broadcast."""
        fixed = np.asarray(chips, dtype=float) * self.usd_per_chip_s
        return np.asarray(fixed + np.asarray(power_w, dtype=float) * self.usd_per_j)


def cost_rate(target: Target, beyond: bool = False) -> CostRate | None:
    """What a target costs per chip and per joule: the arithmetic of `price`, for thousands of plans at once.

    None where neither a purchase price nor a rent is public; `beyond` as of `Machines`.
    """
    found = public(Machines(target, 1.0, Interval(1.0, 1.0, 1.0), beyond))
    if found is None:
        return None
    parts = {name: float(amount) for name, amount in found.ledger.amounts().items()}
    energy = parts.pop(running.ELECTRICITY, 0.0)
    return CostRate(found.basis, sum(parts.values()), energy)


def public(machines: Machines) -> Bill | None:
    """The bill at the price or rent that is public, with the terms that hold by default; None without a price."""
    paid = purchase(machines.target)
    return None if paid is None else bill(machines, defaults(), paid)


def bill(machines: Machines, terms: Terms, paid: Purchase | None) -> Bill:
    """Everything that machines cost.

    Args:
        machines: chips and what they draw.
        terms: figures of the place and of the money.
        paid: their price; None prices only what runs them.
    """
    if paid is None:
        return owned(machines, terms, (), {}, {}, basis="unpriced")
    if paid.basis != "own":
        return _join([_rent(paid, machines.chips)], {**terms, **paid.inputs}, {}, paid.basis)
    return owned(machines, terms, bought(paid, machines.chips), paid.inputs, {})


def owned(
    machines: Machines,
    terms: Terms,
    assets: Sequence[Asset],
    priced: Mapping[str, Figure],
    results: Mapping[str, Interval],
    basis: str = "own",
) -> Bill:
    """What machines cost that were bought: the assets and the network between units, and all that runs them.

    Args:
        machines: chips and what they draw.
        terms: figures of the place and of the money.
        assets: chips and hosts; none where no price is known, and then no network either.
        priced: figures that the assets read beside the terms.
        results: other inputs that they read.
        basis: own or unpriced.
    """
    wires, bandwidth = network(machines.target, machines.chips) if assets and machines.networked else ([], {})
    everything = [*assets, *wires]
    lines = [asset.written_off() for asset in everything]
    lines += [running.electricity(), *running.around_the_clock(everything)]
    return _join(lines, {**terms, **bandwidth, **priced}, {**machines.watts(), **results}, basis)


def _rent(paid: Purchase, chips: float) -> Line:
    """A rent per hour; a reservation is paid through idle hours as well."""
    idle = {"capital.utilisation": -1} if paid.basis == "reserved" else {}
    return Line(paid.basis, chips * paid.share / 3600.0, {**dict.fromkeys(paid.inputs, 1), **idle})


def _join(lines: Sequence[Line], known: Mapping[str, Figure], results: Mapping[str, Interval], basis: str) -> Bill:
    """Joins lines with the inputs that they read: figures, and results of an estimate."""
    used = dict.fromkeys(key for line in lines for key in line.inputs)
    behind = {key: known[key] for key in used if key not in results}
    inputs = {key: results[key] if key in results else as_interval(behind[key]) for key in used}
    return Bill(basis, Ledger(tuple(lines), inputs), behind)


def as_interval(figure: Figure) -> Interval:
    """The figure's value between its bounds, with as much room below as above where low is 0."""
    return Interval.around(figure.value, figure.log_low, figure.log_high)
