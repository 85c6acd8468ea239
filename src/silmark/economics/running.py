"""What machines cost to run: electricity at work and idle, hosting of the power they may draw, upkeep.

electricity  watts x PUE x tariff, while the system works
idle         idle watts x PUE x tariff x (1 - utilisation) / utilisation, per second of work
hosting      limit of chips and hosts x rent of a kilowatt / utilisation
upkeep       price x share per year / utilisation
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from silmark.economics.capital import Asset
from silmark.economics.ledger import Line
from silmark.estimation import Estimate
from silmark.estimation.power import hosts_w, power_figures
from silmark.figures import Figure, Interval
from silmark.systems import Target

POWER = "power"
"""Name of the input that holds the watts of the whole system at work."""
IDLE = "idle power"
"""Name of the input that holds its watts without work."""
LIMIT = "power limit"
"""Name of the input that holds the watts that its place must provide."""
ELECTRICITY = "electricity"
"""Name of the line that holds electricity at work."""
_METER = {"electricity.pue": 1, "electricity.price": 1}


@dataclass(frozen=True, slots=True)
class Machines:
    """Chips with their share of the hosts, and what they draw at work.

    Attributes:
        target: chips and the units that they come in.
        chips: how many of them are paid.
        power_w: mean watts of chips and hosts together while they work.
        beyond: whether they exchange data with machines of another pool, outside their unit.
    """

    target: Target
    chips: float
    power_w: Interval
    beyond: bool = False

    @classmethod
    def of(cls, answer: Estimate) -> Machines:
        """The chips of an estimate's plan."""
        return cls(answer.step_model.target, answer.chips, answer.power_w)

    @property
    def networked(self) -> bool:
        """Whether every chip needs its port to other units."""
        return self.beyond or self.target.units > 1

    def watts(self) -> dict[str, Interval]:
        """Power at work, idle and at the limit, by the name of the input."""
        figures = power_figures(self.target)
        share, limit = figures["power.idle_share"], figures["power.tdp"]
        host = next((f for key, f in figures.items() if "host" in key), None)
        hosts, most = hosts_w(self.target, self.chips), limit.value * self.chips
        return {
            POWER: self.power_w,
            IDLE: _joined(most * share.value, share, hosts, host),
            LIMIT: _joined(most, limit, hosts, host),
        }


def electricity() -> Line:
    """Electricity at work."""
    return Line(ELECTRICITY, 1.0, {POWER: 1, **_METER})


def around_the_clock(assets: Sequence[Asset]) -> list[Line]:
    """What is paid whether the system works or not: idle electricity, hosting, upkeep and interest."""
    idle = "idle electricity"
    lines = [
        Line(idle, 1.0, {IDLE: 1, **_METER, "capital.utilisation": -1}),
        Line(idle, -1.0, {IDLE: 1, **_METER}),
        Line("hosting", 1.0, {LIMIT: 1, "hosting.price": 1, "capital.utilisation": -1}),
    ]
    lines += [asset.yearly("upkeep", "maintenance.share") for asset in assets]
    return lines + [asset.yearly("interest", "capital.interest", 0.5) for asset in assets]


def _joined(chips_w: float, chip: Figure, around_w: float, host: Figure | None) -> Interval:
    """Chips and hosts together; their bounds add as if they moved together, which is wide rather than narrow."""
    if chips_w + around_w <= 0:
        return Interval(0.0, 0.0, 0.0)
    low = chips_w * chip.low / chip.value if chip.value else chips_w
    high = chips_w * chip.high / chip.value if chip.value else chips_w
    if host is not None and host.value:
        low, high = low + around_w * host.low / host.value, high + around_w * host.high / host.value
    return Interval(low, chips_w + around_w, high)
