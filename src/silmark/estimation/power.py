"""Power of a system in operation: idle chips, work on top of it, and the hosts around them."""

from __future__ import annotations

import math
from typing import TypeVar

from silmark.figures import Figure, Interval, assumptions
from silmark.figures.figure import quadrature
from silmark.graph import Array
from silmark.step import StepModel, residual
from silmark.systems import Target

_Watts = TypeVar("_Watts", float, Array)


def power_figures(target: Target) -> dict[str, Figure]:
    """The figures behind a system's power, by key."""
    found = {key: target.chip.figure(key) for key in ("power.tdp", "power.idle_share", "power.decode_share")}
    return found | dict([host_figure(target)])


def host_figure(target: Target) -> tuple[str, Figure]:
    """Watts of a unit's host, or the share of the chips' limit that is assumed for it; with its key."""
    host = target.system.figures.get("power.host")
    if host is None:
        return "assumed.host.power_per_chip_share", assumptions("economics")["host.power_per_chip_share"]
    return "system.power.host", host


def host_w(step_model: StepModel) -> float:
    """Host power of the replica: its share of its units' hosts."""
    return hosts_w(step_model.target, step_model.plan.replica_chips)


def hosts_w(target: Target, chips: float) -> float:
    """Power of the hosts of so many chips: their share of their units'."""
    key, figure = host_figure(target)
    if key == "system.power.host":
        return figure.value * chips / target.system.chips
    return figure.value * target.chip.si("power.tdp") * chips


def mean_w(step_model: StepModel, dynamic_w: _Watts) -> _Watts:
    """Power of one replica that spends `dynamic_w` above idle, without its interval; also for arrays."""
    return step_model.idle_w + dynamic_w + host_w(step_model)


def power(step_model: StepModel, dynamic_w: float) -> Interval:
    """Power of one replica that spends `dynamic_w` above idle.

    The residuals are those of chips; limit, shares and hosts join with their part of the sum, in quadrature.
    """
    hosts = host_w(step_model)
    mid = mean_w(step_model, dynamic_w)
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
    for key, figure in power_figures(step_model.target).items():
        low.append(figure.log_low * parts[key] / mid)
        high.append(figure.log_high * parts[key] / mid)
    return Interval.around(mid, quadrature(low), quadrature(high))
