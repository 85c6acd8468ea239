"""`kind = "break_even"`: the price of a chip at which its tokens cost a given part of another's.

Both sides pay for everything (capital, interest, network, hosting, upkeep, electricity); what they share moves
together. Where the chip has no public price, the claim cannot be decided, unless it fails with chips for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from silmark.claims.fields import Fields
from silmark.claims.sides import Side
from silmark.claims.spec import Outcome, SideAnswer, Terms, Verdict
from silmark.claims.workload import Conditions
from silmark.economics.bill import bill
from silmark.economics.breakeven import BreakEven as Found
from silmark.economics.breakeven import break_even
from silmark.economics.rent import purchase
from silmark.economics.running import Machines
from silmark.economics.terms import defaults
from silmark.estimation import Estimate
from silmark.figures import Interval
from silmark.figures.numbers import shown, three
from silmark.mapping import Infeasible

_METRIC, _BEST = "usd_per_mtok", "rate_per_chip"
"""What is compared, and by what a plan is the best as long as the price of its chips is open."""
_NEVER = 0.1
"""Share of the draws below which no price above 0 keeps the ratio: the 80 % interval then lies at 0."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The price of one of `a`'s chips at which its tokens cost `share` of what `b`'s cost."""

    label: str
    share: float
    a: Side
    b: Side
    conditions: Conditions

    @classmethod
    def read(cls, fields: Fields) -> BreakEven:
        """Reads the table of a test."""
        model = fields.text("model")
        return cls(
            label=fields.text("label"),
            share=fields.wanted("share"),
            a=Side.read(fields.inner("a"), model),
            b=Side.read(fields.inner("b"), model),
            conditions=Conditions.read(fields),
        )

    def run(self, terms: Terms) -> Outcome:
        """Solves for the price; a public price is for `ratio` to judge."""
        work = next(self.conditions.workloads())
        load = f"{work.prompt:,} tokens in, {work.output:,} out"
        a, b = (side.answer(work, _BEST, terms) for side in (self.a, self.b))
        sides = (a.shown(_METRIC), b.shown(_METRIC))
        if isinstance(a.found, Infeasible):
            return self._outcome(Verdict.FAILS, f"{sides[0].label}: {a.found.reason} at {load}", sides)
        if isinstance(b.found, Infeasible) or sides[1].value is None:
            return self._outcome(Verdict.UNTESTABLE, sides[1].lacks, sides, needs=sides[1].lacks)
        found = self._solve(a.found, b.found)
        against = f"{sides[1].label} ({shown(found.baseline)} $ per million tokens)"
        if found.reached < _NEVER:
            free = three(found.free_ratio)
            said = f"at {load}, with chips for nothing, {sides[0].label} still costs {free} of {against}"
            return self._outcome(Verdict.FAILS, said, sides)
        said = (
            f"at {load} {sides[0].label} costs {three(self.share)} of {against} if one chip costs {_usd(found.price)}"
        )
        return self._outcome(Verdict.UNTESTABLE, said, sides, found.price, self._needs(found, a.found, sides[0]))

    def _solve(self, a: Estimate, b: Estimate) -> Found:
        shared = defaults()
        return break_even(a, shared, b, bill(Machines.of(b), shared, purchase(b.step_model.target)), self.share)

    def _needs(self, found: Found, answer: Estimate, side: SideAnswer) -> str:
        public = purchase(answer.step_model.target) is not None
        needs = f"{'' if public else 'no price is public; '}the claim needs at most {_usd(found.price)} a chip"
        if found.reached < 1 - _NEVER:
            needs += f" (in {100 * (1 - found.reached):.0f} % of the draws not even chips for nothing would do)"
        if side.origins:
            needs += f", granting the speeds that others of its maker's claims set ({', '.join(side.origins)})"
        return needs

    def _outcome(
        self,
        verdict: Verdict,
        said: str,
        sides: tuple[SideAnswer, ...],
        value: Interval | None = None,
        needs: str = "",
    ) -> Outcome:
        words = f"price of one chip at which the cost is {three(self.share)} of the other's"
        return Outcome(verdict, self.label, words, said, value, None, "", needs, sides)


def _usd(price: Interval) -> str:
    return f"${three(price.mid)} (${three(price.low)} to ${three(price.high)})"
