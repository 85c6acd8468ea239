"""Cost: an estimate with all that it costs, in dollars, joules and carbon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from silmark.economics.bill import Bill, bill
from silmark.economics.breakeven import rent_below
from silmark.economics.energy import Watts, carbon, facility, input_share, watts
from silmark.economics.ledger import Ledger
from silmark.economics.rent import Pay, purchase
from silmark.economics.running import Machines
from silmark.economics.terms import Terms
from silmark.economics.tokens import Split, split
from silmark.estimation import Estimate
from silmark.figures import Figure, Grade, Interval

_MATTERS = 0.1
"""Weight above which a figure's grade counts, as it does for times."""


@dataclass(frozen=True)
class Cost:
    """What an estimate's system costs.

    Attributes:
        estimate: what the system does.
        terms: figures of the place and of the money.
        bill: dollars per second of work.
    """

    estimate: Estimate
    terms: Terms
    bill: Bill

    @property
    def basis(self) -> str:
        """How machines are paid: own, rent, reserved, spot; unpriced without them."""
        return self.bill.basis

    @cached_property
    def per_million(self) -> Ledger:
        """USD per million output tokens (or items)."""
        return self.bill.per_million(self.estimate.rate)

    @cached_property
    def usd_per_million(self) -> Interval:
        """Its total."""
        return self.per_million.interval()

    @property
    def grade(self) -> Grade:
        """The worst grade of the estimate and of the figures that move more than a tenth of the total."""
        weights = self.per_million.weights()
        matter = (figure.grade for key, figure in self.bill.figures.items() if abs(weights[key]) > _MATTERS)
        return max((self.estimate.grade, *matter))

    @property
    def tokens_per_usd(self) -> Interval:
        """Output tokens (or items) for a dollar."""
        return self.usd_per_million.inverse(1e6)

    @property
    def unit(self) -> dict[str, float] | None:
        """USD of one unit: its chips at their own price, and the rest; None unless both prices are known."""
        target = self.estimate.step_model.target
        whole, chip = (self.bill.figures.get("system.price.purchase"), target.chip.figures.get("price.purchase"))
        if whole is None or chip is None:
            return None
        chips = min(whole.value, chip.value * target.system.chips)
        return {"chips": chips, "hosts": whole.value - chips}

    @cached_property
    def rent_below(self) -> Interval | None:
        """The utilisation below which renting on demand is cheaper; None unless owned with a public rent as well."""
        rented = purchase(self.estimate.step_model.target, "rent", self.terms)
        if self.basis != "own" or rented is None:
            return None
        return rent_below(self.bill.ledger, bill(Machines.of(self.estimate), self.terms, rented).ledger)

    @cached_property
    def split(self) -> Split | None:
        """How cost divides over input and output tokens."""
        return split(self.estimate)

    @cached_property
    def watts(self) -> Watts:
        """Power at work, by cause."""
        return watts(self.estimate)

    @cached_property
    def input_joules(self) -> float | None:
        """Share of the joules that prompts take."""
        return input_share(self.estimate)

    @cached_property
    def facility_joules(self) -> Interval:
        """Joules per output token (or item) at the facility's meter."""
        return facility(self.estimate, self.terms).interval()

    @cached_property
    def carbon(self) -> Ledger:
        """Kilograms of CO2 equivalent per million output tokens (or items)."""
        return carbon(self.estimate, self.terms)

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Every figure of prices, place and carbon behind it, by key."""
        used = {key: self.terms[key] for key in self.carbon.inputs if key in self.terms}
        return {**self.bill.figures, **used}


def cost(answer: Estimate, terms: Terms, pay: Pay = "auto") -> Cost:
    """Prices an estimate in full; without a public price of that kind, only what runs it."""
    machines = Machines.of(answer)
    return Cost(answer, terms, bill(machines, terms, purchase(machines.target, pay, terms)))
