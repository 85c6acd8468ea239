"""What a second of work costs: own hardware (capital and electricity) where a price is known, else rent.

    own    (purchase / (years x utilisation) + power x PUE x electricity price)
    rent   hourly rent

Power is drawn only while the system works at the stated load; capital is paid all its life. Both are proportional to
the chips that a plan uses: a share of a unit costs its share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from silmark.economics.ledger import Array, Ledger, Line
from silmark.figures import Figure, Interval, assumptions
from silmark.systems import Target

POWER = "power"
"""Name of the input that holds the watts of the whole system."""
_HOSTS = "host.capital_share"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is paid for one chip of a target.

    Attributes:
        basis: own or rent.
        figure: name of the price among the inputs, and its figure.
        share: of that price that one chip takes: 1 for a chip's own price, 1 / chips for a unit's.
        hosts: whether hosts and network come on top, as a share of the chips' price.
    """

    basis: str
    key: str
    figure: Figure
    share: float
    hosts: bool


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


def purchase(target: Target) -> Purchase | None:
    """The price that holds for a target: its unit's, its chip's, then rents; None where none is public."""
    chip, unit = target.chip.figures, target.system.figures
    share = 1.0 / target.system.chips
    own = target.system.chip == target.chip.id  # a unit's price holds for the chip that it is sold with
    if "price.purchase" in unit and own:
        return Purchase("own", "system.price.purchase", unit["price.purchase"], share, hosts=False)
    if "price.purchase" in chip:
        return Purchase("own", "chip.price.purchase", chip["price.purchase"], 1.0, hosts=True)
    if "price.cloud" in chip:
        return Purchase("rent", "chip.price.cloud", chip["price.cloud"], 1.0, hosts=False)
    if "price.cloud" in unit:
        return Purchase("rent", "system.price.cloud", unit["price.cloud"], share, hosts=False)
    return None


def bill(bought: Purchase, chips: float, power_w: Interval) -> Ledger:
    """USD per second of work of so many chips that draw so many watts together."""
    return Ledger(
        _lines(bought, chips), {key: as_interval(figure) for key, figure in figures(bought).items()} | {POWER: power_w}
    )


def figures(bought: Purchase) -> dict[str, Figure]:
    """The figures behind a bill, by key."""
    found = {bought.key: bought.figure}
    if bought.basis == "own":
        terms = assumptions("economics")
        found |= {key: terms[key] for key in ("capital.years", "capital.utilisation")}
        found |= {key: terms[key] for key in ("electricity.price", "electricity.pue")}
    return found | ({_HOSTS: assumptions("economics")[_HOSTS]} if bought.hosts else {})


def _lines(bought: Purchase, chips: float) -> tuple[Line, ...]:
    pieces = chips * bought.share
    if bought.basis == "rent":
        return (Line("rent", pieces / 3600.0, {bought.key: 1}),)
    life = {"capital.years": -1, "capital.utilisation": -1}
    lines = [Line("chips", pieces, {bought.key: 1, **life})]
    if bought.hosts:
        lines.append(Line("hosts", pieces, {bought.key: 1, _HOSTS: 1, **life}))
    lines.append(Line("electricity", 1.0, {POWER: 1, "electricity.pue": 1, "electricity.price": 1}))
    return tuple(lines)


def cost_rate(target: Target) -> CostRate | None:
    """What a target costs per chip and per joule: the arithmetic of `price`, for thousands of plans at once.

    None where neither a purchase price nor a rent is public.
    """
    bought = purchase(target)
    if bought is None:
        return None
    ledger = bill(bought, 1.0, Interval(1.0, 1.0, 1.0))
    parts = {name: float(amount) for name, amount in ledger.amounts().items()}
    energy = parts.pop("electricity", 0.0)
    return CostRate(bought.basis, sum(parts.values()), energy)


def as_interval(figure: Figure) -> Interval:
    """The figure's value between its bounds, with as much room below as above where low is 0."""
    return Interval.around(figure.value, figure.log_low, figure.log_high)
