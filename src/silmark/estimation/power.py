"""Power of a system in operation: idle chips, work on top of it, and the hosts around them."""

from __future__ import annotations

import math

from silmark.figures import Figure, Interval, assumptions
from silmark.figures.figure import quadrature
from silmark.step import StepModel, residual


def power_figures(step_model: StepModel) -> dict[str, Figure]:
    """The figures behind a system's power, by key."""
    target = step_model.target
    found = {key: target.chip.figure(key) for key in ("power.tdp", "power.idle_share", "power.decode_share")}
    host = target.system.figures.get("power.host")
    if host is None:
        return found | {"assumed.host.power_per_chip_share": assumptions("economics")["host.power_per_chip_share"]}
    return found | {"system.power.host": host}


def host_w(step_model: StepModel) -> float:
    """Host power of the replica: its share of its units' hosts."""
    target, chips = step_model.target, step_model.plan.replica_chips
    host = target.system.figures.get("power.host")
    if host is not None:
        return host.value * chips / target.system.chips
    share = assumptions("economics")["host.power_per_chip_share"].value
    return share * target.chip.si("power.tdp") * chips


def power(step_model: StepModel, dynamic_w: float) -> Interval:
    """Power of one replica that spends `dynamic_w` above idle.

    The residuals are those of chips; limit, shares and hosts join with their part of the sum, in quadrature.
    """
    hosts = host_w(step_model)
    mid = step_model.idle_w + dynamic_w + hosts
    parts = {
        "power.tdp": mid - hosts,
        "power.idle_share": step_model.idle_w,
        "power.decode_share": dynamic_w,
        "system.power.host": hosts,
        "assumed.host.power_per_chip_share": hosts,
    }
    base = residual(step_model.target.chip, "power")
    low = [math.log(1 / min(1.0, base.low)) * (mid - hosts) / mid]
    high = [math.log(max(1.0, base.high)) * (mid - hosts) / mid]
    for key, figure in power_figures(step_model).items():
        low.append(figure.log_low * parts[key] / mid)
        high.append(figure.log_high * parts[key] / mid)
    return Interval.around(mid, quadrature(low), quadrature(high))
