"""Power of a system in operation: idle chips, work on top of it, and the hosts around them."""

from __future__ import annotations

import math

from silmark.figures import Interval, assumptions
from silmark.figures.figure import quadrature
from silmark.step import StepModel, residual


def host_w(step_model: StepModel) -> float:
    """Host power of the replica: its share of its units' hosts."""
    target, plan = step_model.target, step_model.plan
    chips = plan.tp * plan.pp
    host = target.system.figures.get("power.host")
    if host is not None:
        return host.value * chips / target.system.chips
    share = assumptions("economics")["host.power_per_chip_share"].value
    return share * target.chip.si("power.tdp") * chips


def power(step_model: StepModel, dynamic_w: float) -> Interval:
    """Power of one replica that spends `dynamic_w` above idle.

    The interval joins the class's residual with the widths of the limit and shares, in quadrature.
    """
    chip = step_model.target.chip
    mid = step_model.idle_w + dynamic_w + host_w(step_model)
    base = residual(chip, "power")
    keys = ("power.tdp", "power.idle_share", "power.decode_share", "power.prefill_share")
    weights = (1.0, step_model.idle_w / mid, dynamic_w / mid, 0.0)
    figures = [(chip.figures[k], w) for k, w in zip(keys, weights, strict=True) if k in chip.figures]
    low = quadrature([math.log(1 / min(1.0, base.low)), *(w * f.log_low for f, w in figures)])
    high = quadrature([math.log(max(1.0, base.high)), *(w * f.log_high for f, w in figures)])
    return Interval.around(mid, low, high)
