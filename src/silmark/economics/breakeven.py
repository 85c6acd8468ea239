"""Break-even: the price of one chip at which a system costs a given share of another's tokens.

A bill is linear in the price of a chip: total(p) = total(0) + p x slope. So the price that makes the total equal
ratio x baseline is

    p = (ratio x baseline - total(0)) / slope

Inputs that both systems share (years, tariff, interest) move together; throughputs and watts do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from silmark.economics.bill import Bill, bill
from silmark.economics.capital import Purchase
from silmark.economics.ledger import Array, Ledger, Values, log_widths
from silmark.economics.running import Machines
from silmark.economics.sample import around, draw, joined
from silmark.economics.terms import Terms
from silmark.estimation import Estimate
from silmark.figures import Figure, Grade, Interval
from silmark.figures.figure import quadrature

KEY = "chip.price.purchase"
_OTHER = "baseline "
_ALWAYS = 1e3
"""Stands for a utilisation that no machine reaches, however far beyond 1 it is."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The price below which a system keeps the asked ratio.

    Attributes:
        ratio: cost per token over the baseline's.
        price: USD per chip, 0 where even free chips cost more; the interval holds 80 % of the draws.
        reached: share of the draws in which some price above 0 keeps the ratio.
        free_ratio: the ratio that chips would keep if they cost nothing.
        baseline: USD per million tokens of the other system.
        misses: what promise the other system does not keep; it is then priced where it comes nearest.
    """

    ratio: float
    price: Interval
    reached: float
    free_ratio: float
    baseline: Interval
    misses: str


def priced_at_one(answer: Estimate, terms: Terms) -> Ledger:
    """USD per million tokens of a system whose chips cost one dollar each, hosts as a share of that."""
    dollar = Figure(KEY, 1.0, 1.0, 1.0, "USD", "", Grade.ASSUMED)
    paid = Purchase("own", {KEY: dollar}, 1.0, hosts=True)
    return bill(Machines.of(answer), terms, paid).per_million(answer.rate)


def break_even(answer: Estimate, terms: Terms, baseline: Estimate, other: Bill, ratio: float) -> BreakEven:
    """Solves for the price of a chip.

    Args:
        answer: the system whose chips have no price, or another one than is asked.
        terms: what both systems share.
        baseline: the system to compare with.
        other: its bill.
        ratio: cost per million tokens over the baseline's, such as 0.1 for a saving of 90 %.
    """
    mine, theirs = priced_at_one(answer, terms), renamed(other.per_million(baseline.rate), terms)
    inputs = joined((mine.inputs, theirs.inputs))
    middle = {key: interval.mid for key, interval in inputs.items()}
    draws = draw(inputs)
    found = _solve(mine, theirs, ratio, draws)
    mid = float(_solve(mine, theirs, ratio, middle))
    interval = around(mid, found)
    return BreakEven(
        ratio=ratio,
        price=Interval(max(0.0, interval.low), max(0.0, mid), max(0.0, interval.high)),
        reached=float(np.mean(found > 0)),
        free_ratio=float(mine.total({**middle, KEY: 0.0}) / theirs.total(middle)),
        baseline=theirs.interval(),
        misses=baseline.misses,
    )


_BUSY = "capital.utilisation"


def rent_below(own: Ledger, rent: Ledger) -> Interval | None:
    """The utilisation below which renting on demand is cheaper than owning; above 1: always.

    What is owned costs a / utilisation + b per hour of work, a rent the same at any. None where running what is owned
    alone costs more than the rent.

    Args:
        own, rent: USD per second of work of the same system.
    """
    inputs = joined((own.inputs, rent.inputs))
    middle = {key: interval.mid for key, interval in inputs.items()}
    draws = draw(inputs)

    def meeting(values: Values) -> Array:
        always = own.total({**values, _BUSY: 1.0})
        paid_idle = own.total({**values, _BUSY: 0.5}) - always
        spare = rent.total(values) - (always - paid_idle)
        return np.where(spare > 0, paid_idle / np.where(spare > 0, spare, 1.0), np.inf)

    mid = float(meeting(middle))
    return around(mid, np.minimum(meeting(draws), _ALWAYS)) if mid < _ALWAYS else None


def _solve(mine: Ledger, theirs: Ledger, ratio: float, values: Values) -> Array:
    fixed = mine.total({**values, KEY: 0.0})
    slope = mine.total({**values, KEY: 1.0}) - fixed
    return np.asarray((ratio * theirs.total(values) - fixed) / slope)


def quotient(mine: Ledger, other: Ledger, shared: Mapping[str, object]) -> Interval:
    """One cost over another, of two systems under the same terms.

    Args:
        mine, other: in the same unit.
        shared: names of inputs that both have in common: what they move on both sides cancels.
    """
    theirs = renamed(other, shared)
    here, there = mine.weights(), theirs.weights()
    low, high = [], []
    for key, interval in joined((mine.inputs, theirs.inputs)).items():
        weight = here.get(key, 0.0) - there.get(key, 0.0)
        below, above = log_widths(interval)
        low.append(weight * (below if weight > 0 else above))
        high.append(weight * (above if weight > 0 else below))
    return Interval.around(float(mine.total() / theirs.total()), quadrature(low), quadrature(high))


def renamed(ledger: Ledger, shared: Mapping[str, object]) -> Ledger:
    """A ledger whose own inputs have names apart from those of another system's."""
    names = {key: key if key in shared else _OTHER + key for key in ledger.inputs}
    lines = tuple(
        replace(line, inputs={names[key]: power for key, power in line.inputs.items()}) for line in ledger.lines
    )
    return Ledger(lines, {names[key]: interval for key, interval in ledger.inputs.items()})
