"""Dollars per million tokens (or items): own hardware where a price is known, else rent.

    own    (purchase / (years x utilisation) + power x PUE x electricity price) / rate
    rent   hourly rent / rate

Power is drawn only while the system works at the stated load; capital is paid all its life.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from silmark.estimation import Estimate
from silmark.figures import Figure, Interval, assumptions
from silmark.figures.figure import quadrature


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens or items.

    Attributes:
        usd_per_million: dollars.
        basis: own (capital and electricity) or rent.
        figures: what it was computed from, by key.
    """

    usd_per_million: Interval
    basis: str
    figures: dict[str, Figure]


def price(answer: Estimate) -> Price | None:
    """Prices an estimate; None where neither a purchase price nor a rent of the chip is public."""
    model = answer.step_model
    target, plan = model.target, model.plan
    known = {f"chip.{k}": f for k, f in target.chip.figures.items() if k.startswith("price.")}
    known |= {f"system.{k}": f for k, f in target.system.figures.items() if k.startswith("price.")}
    share = plan.chips / target.system.chips
    if "system.price.purchase" in known and not _other_chip(answer):
        return _own(answer, {"system.price.purchase": known["system.price.purchase"]}, share)
    if "chip.price.purchase" in known:
        host = assumptions("economics")["host.capital_share"]
        return _own(
            answer, {"chip.price.purchase": known["chip.price.purchase"], "host.capital_share": host}, plan.chips
        )
    for key, chips in (("chip.price.cloud", plan.chips), ("system.price.cloud", share)):
        if key in known:
            return _rent(answer, key, known[key], chips)
    return None


def _other_chip(answer: Estimate) -> bool:
    """A unit's price holds for the chip that it is sold with, not for the others of its `also` list."""
    target = answer.step_model.target
    return target.system.chip != target.chip.id


def _own(answer: Estimate, bought: dict[str, Figure], pieces: float) -> Price:
    """Price from what is bought: a unit, or chips and the share that their hosts add."""
    purchase, *hosts = bought.values()
    terms = assumptions("economics")
    years, busy = terms["capital.years"], terms["capital.utilisation"]
    tariff, pue = terms["electricity.price"], terms["electricity.pue"]
    each = purchase.value / (years.value * busy.value)
    chips, around = each * pieces, sum(each * pieces * host.value for host in hosts)
    capital = chips + around
    energy = answer.power_w.mid * pue.value * tariff.value
    mid = capital + energy
    low = [(f.log_low, capital) for f in (purchase,)] + [(f.log_high, capital) for f in (years, busy)]
    high = [(f.log_high, capital) for f in (purchase,)] + [(f.log_low, capital) for f in (years, busy)]
    low += [(f.log_low, energy) for f in (tariff, pue)] + [(math.log(answer.power_w.mid / answer.power_w.low), energy)]
    high += [(f.log_high, energy) for f in (tariff, pue)] + [
        (math.log(answer.power_w.high / answer.power_w.mid), energy)
    ]
    for host in hosts:
        low.append((host.log_low, around))
        high.append((host.log_high, around))
    figures = {**bought, **{k: f for k, f in terms.items() if not k.startswith("host.")}}
    return Price(_per_million(answer, mid, low, high), "own", figures)


def _rent(answer: Estimate, key: str, rent: Figure, pieces: float) -> Price:
    mid = rent.value * pieces / 3600.0
    return Price(_per_million(answer, mid, [(rent.log_low, mid)], [(rent.log_high, mid)]), "rent", {key: rent})


def _per_million(
    answer: Estimate, usd_per_s: float, low: list[tuple[float, float]], high: list[tuple[float, float]]
) -> Interval:
    rate = answer.rate
    widths_low = [width * part / usd_per_s for width, part in low] + [math.log(rate.high / rate.mid)]
    widths_high = [width * part / usd_per_s for width, part in high] + [math.log(rate.mid / rate.low)]
    return Interval.around(1e6 * usd_per_s / rate.mid, quadrature(widths_low), quadrature(widths_high))
