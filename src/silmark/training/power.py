"""Power of chips that train: at rest, more while matrix units work, something between in all other time, and hosts.

The shares of the limit are those of serving: matrix products draw what prompts draw, all else (memory, exchanges,
waiting in them) what decode steps draw.
"""

from __future__ import annotations

import math

from silmark.estimation.power import host_figure, hosts_w
from silmark.figures import Figure, Interval
from silmark.figures.figure import quadrature
from silmark.step import residual
from silmark.systems import Target
from silmark.training.timing import Timing

_MATRIX = ("matrix", "experts", "attention")
_SHARES = ("power.prefill_share", "power.decode_share")


def figures(target: Target) -> dict[str, Figure]:
    """The figures behind the power, by key."""
    found = {key: target.chip.figure(key) for key in ("power.tdp", *_SHARES)}
    return found | dict([host_figure(target)])


def power(target: Target, chips: int, timing: Timing) -> Interval:
    """Mean watts of so many chips and their hosts over a step.

    Residuals are those of measured chips in serving; limit, shares and hosts join with their part of the sum.
    """
    known, parts = figures(target), timing.parts
    limit, busy = known["power.tdp"].value * chips, sum(parts[name] for name in _MATRIX) / sum(parts.values())
    drawn = {key: limit * share * known[key].value for key, share in zip(_SHARES, (busy, 1.0 - busy), strict=True)}
    hosts, host_key = hosts_w(target, chips), host_figure(target)[0]
    at_work = sum(drawn.values())
    total = at_work + hosts
    weights = {**drawn, "power.tdp": at_work, host_key: hosts}
    base = residual(target.chip, "power")
    low = [math.log(1 / min(1.0, base.low)) * at_work / total]
    high = [math.log(max(1.0, base.high)) * at_work / total]
    low += [known[key].log_low * weight / total for key, weight in weights.items()]
    high += [known[key].log_high * weight / total for key, weight in weights.items()]
    return Interval.around(total, quadrature(low), quadrature(high))
