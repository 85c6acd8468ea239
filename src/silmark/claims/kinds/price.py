"""`kind = "break_even"`: the price of a chip at which its tokens cost a given part of another's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from silmark.chips import Chip
from silmark.claims.fields import Fields
from silmark.claims.sides import Answered, Side
from silmark.claims.spec import Outcome, Terms, Verdict
from silmark.claims.workload import Conditions
from silmark.economics import price
from silmark.estimation import Estimate
from silmark.figures import Figure, Grade, Interval
from silmark.figures.figure import quadrature
from silmark.figures.numbers import shown, three
from silmark.mapping import Infeasible

_PROBE_USD = 1e4
"""Two prices, this and twice this, give the straight line from price to cost."""


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
        metric = "usd_per_mtok"
        work = next(self.conditions.workloads())
        a, b = self.a.answer(work, metric, terms), self.b.answer(work, metric, terms)
        sides = (a.shown(metric), b.shown(metric))
        words = "price of one chip at which the claim holds"
        if isinstance(a.found, Infeasible):
            return Outcome(Verdict.FAILS, self.label, words, f"{sides[0].label}: {a.found.reason}", sides=sides)
        if sides[1].value is None:
            return Outcome(Verdict.UNTESTABLE, self.label, words, sides[1].lacks, needs=sides[1].lacks, sides=sides)
        fixed, slope = _line(a.found)
        wanted = sides[1].value.scaled(self.share)
        load = f"{work.prompt:,} tokens in, {work.output:,} out"
        if wanted.high <= fixed:
            said = (
                f"at {load} electricity alone costs {three(fixed)} $ per million tokens, "
                f"{three(self.share)} of {sides[1].label} is {shown(wanted)}"
            )
            return Outcome(Verdict.FAILS, self.label, words, said, sides=sides)
        limit = self._limit(a, wanted, fixed, slope)
        said = (
            f"at {load} {sides[0].label} costs {three(self.share)} of {sides[1].label} "
            f"({shown(sides[1].value)} $ per million tokens) if one chip is bought for ${shown(limit)}"
        )
        rests = sides[0].origins
        needs = (
            f"a public price; the claim needs at most ${three(limit.mid)} ({three(limit.low)} to {three(limit.high)})"
        )
        if rests:
            needs += f", granting the vendor's own speeds ({', '.join(rests)})"
        return Outcome(Verdict.UNTESTABLE, self.label, words, said, limit, None, "", needs, sides)

    def _limit(self, a: Answered, wanted: Interval, fixed: float, slope: float) -> Interval:
        """The price, off as the other's cost and the own rate are off; capital counts above the electricity."""
        assert isinstance(a.found, Estimate)
        rate = a.found.rate
        mid = max(wanted.mid - fixed, 0.01 * wanted.mid) / slope
        below = quadrature([math.log(wanted.mid / wanted.low), math.log(rate.mid / rate.low)])
        above = quadrature([math.log(wanted.high / wanted.mid), math.log(rate.high / rate.mid)])
        return Interval.around(mid, below, above)


def _line(answer: Estimate) -> tuple[float, float]:
    """Dollars per million tokens as a straight line over the price of one chip: (at no price, per dollar)."""
    one, two = (usd_per_million(answer, _PROBE_USD), usd_per_million(answer, 2 * _PROBE_USD))
    slope = (two - one) / _PROBE_USD
    return one - slope * _PROBE_USD, slope


def usd_per_million(answer: Estimate, usd: float) -> float:
    """Dollars per million tokens of an estimate if each of its chips were bought for so much."""
    model = answer.step_model
    target = model.target
    probe = Figure("price.purchase", usd, usd, usd, "USD", "silmark-assumption", Grade.ASSUMED)
    kept = {key: one for key, one in target.system.figures.items() if not key.startswith("price.")}
    chip: Chip = replace(target.chip, figures={**target.chip.figures, "price.purchase": probe})
    bought = replace(target, chip=chip, system=replace(target.system, figures=kept))
    found = price(replace(answer, step_model=replace(model, target=bought)))
    assert found is not None
    return found.usd_per_million.mid
