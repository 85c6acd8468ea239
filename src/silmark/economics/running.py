"""What machines cost to run: electricity at work and idle, hosting of the power they may draw, upkeep.

electricity  watts x PUE x tariff, while the system works
idle         idle watts x PUE x tariff x (1 - utilisation) / utilisation, per second of work
hosting      limit of chips and hosts x rent of a kilowatt / utilisation
upkeep       price x share per year / utilisation
"""

from __future__ import annotations

from collections.abc import Sequence

from silmark.economics.capital import Asset
from silmark.economics.ledger import Line
from silmark.estimation import Estimate
from silmark.estimation.power import host_w, power_figures
from silmark.figures import Figure, Interval

POWER = "power"
"""Name of the input that holds the watts of the whole system at work."""
IDLE = "idle power"
"""Name of the input that holds its watts without work."""
LIMIT = "power limit"
"""Name of the input that holds the watts that its place must provide."""
_METER = {"electricity.pue": 1, "electricity.price": 1}


def electricity() -> Line:
    """Electricity at work."""
    return Line("electricity", 1.0, {POWER: 1, **_METER})


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


def watts(answer: Estimate) -> dict[str, Interval]:
    """Power of the whole system at work, idle and at its limit."""
    model, replicas = answer.step_model, answer.step_model.plan.dp
    figures = power_figures(model)
    hosts, limit = host_w(model) * replicas, figures["power.tdp"]
    host = next((f for key, f in figures.items() if "host" in key), None)
    return {
        POWER: answer.power_w,
        IDLE: _joined(model.idle_w * replicas, figures["power.idle_share"], hosts, host),
        LIMIT: _joined(limit.value * answer.chips, limit, hosts, host),
    }


def _joined(chips_w: float, chip: Figure, hosts_w: float, host: Figure | None) -> Interval:
    """Chips and hosts together; their bounds add as if they moved together, which is wide rather than narrow."""
    if chips_w + hosts_w <= 0:
        return Interval(0.0, 0.0, 0.0)
    low = chips_w * chip.low / chip.value if chip.value else chips_w
    high = chips_w * chip.high / chip.value if chip.value else chips_w
    if host is not None and host.value:
        low, high = low + hosts_w * host.low / host.value, high + hosts_w * host.high / host.value
    return Interval(low, chips_w + hosts_w, high)
