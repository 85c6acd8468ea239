"""`kind = "ratio"`: one metric of two sides under the same conditions, and how many times one is the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from silmark import models
from silmark.claims import evidence, judge
from silmark.claims.fields import Fields
from silmark.claims.metrics import METRICS
from silmark.claims.sides import Answered, Side
from silmark.claims.spec import Bound, Cell, Outcome, Region, SideAnswer, Terms, Verdict
from silmark.claims.workload import Conditions
from silmark.estimation import Estimate
from silmark.figures import Interval
from silmark.figures.figure import quadrature
from silmark.figures.numbers import shown, si, three
from silmark.workloads import Workload


def read_bound(fields: Fields) -> Bound:
    """`least` and `most` of a test, at least one of them."""
    least, most = fields.number("least"), fields.number("most")
    if not (least or most):
        raise fields.bad("least", "give least = or most =, what the number must reach for the claim to hold")
    if least and most and least > most:
        raise fields.bad("least", f"{least:g} is above most = {most:g}")
    return Bound(least or 0.0, most or math.inf)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Metric of `a` over that of `b`."""

    label: str
    metric: str
    a: Side
    b: Side
    conditions: Conditions
    bound: Bound

    @classmethod
    def read(cls, fields: Fields) -> Ratio:
        """Reads the table of a test."""
        model = fields.text("model")
        return cls(
            label=fields.text("label"),
            metric=fields.choice("metric", METRICS),
            a=Side.read(fields.inner("a"), model),
            b=Side.read(fields.inner("b"), model),
            conditions=Conditions.read(fields),
            bound=read_bound(fields),
        )

    def run(self, terms: Terms) -> Outcome:
        """Computes both sides in every condition; a side that cannot keep a promise has no number there."""
        pairs = list(self._pairs(self.conditions.workloads(), terms))
        cells = tuple(self._cell(*pair) for pair in pairs)
        verdict, needs, found = judge.over(cells), "", ""
        at = judge.telling(cells, verdict)
        work, a, b = pairs[at]
        sides = (a.shown(self.metric), b.shown(self.metric))
        region = Region("users", "prompts", cells) if len(cells) > 1 else None
        hindered = [
            evidence.barred(s.label, one.found, s.figures, terms.names) for s, one in zip(sides, (a, b), strict=True)
        ]
        if any(hindered):
            verdict, needs = Verdict.UNTESTABLE, f"{self._needed(sides)}; {next(filter(None, hindered))}"
        elif verdict is Verdict.UNTESTABLE:
            needs = "; ".join(
                f"{s.label} gives no number: {s.plan or 'no price is public'}" for s in sides if not s.value
            )
        elif verdict is Verdict.ONLY_IF:
            found = judge.condition(region, self._open(cells[at], a, sides[0]))
        said = self._said(work, cells[at], sides) + (f"; {judge.shares(region)}" if region else "")
        words = f"{METRICS[self.metric].words}, ratio"
        return Outcome(verdict, self.label, words, said, cells[at].value, self.bound, found, needs, sides, region)

    def map(self, terms: Terms) -> Region | None:
        """The same over 1 to 256 users and prompts of 256 to 32,768 tokens."""
        if models.load(self.a.model).kind != "decoder":
            return None
        pairs = self._pairs(self.conditions.fine(), terms)
        return Region("users", "prompts", tuple(self._cell(*pair) for pair in pairs))

    def _pairs(self, works: Iterable[Workload], terms: Terms) -> Iterator[tuple[Workload, Answered, Answered]]:
        for work in works:
            yield work, self.a.answer(work, self.metric, terms), self.b.answer(work, self.metric, terms)

    def _cell(self, work: Workload, one: Answered, other: Answered) -> Cell:
        a, b = one.shown(self.metric), other.shown(self.metric)
        column, row = f"{work.users or 'auto'}", f"{work.prompt:,}"
        if b.value is None:
            return Cell(column, row, Verdict.UNTESTABLE)
        if a.value is None:  # it cannot, so the claim is not true of it here; without a price nothing is known
            return Cell(column, row, Verdict.UNTESTABLE if a.able else Verdict.FAILS)
        together = METRICS[self.metric].ratio
        if together and isinstance(one.found, Estimate) and isinstance(other.found, Estimate):
            value = together(one.found, other.found)
        else:
            value = over(a.value, b.value)
        return Cell(column, row, self.bound.judge(value), value)

    def _said(self, work: Workload, cell: Cell, sides: tuple[SideAnswer, SideAnswer]) -> str:
        unit = METRICS[self.metric].unit
        both = " against ".join(
            f"{one.label} {shown(one.value, unit) if one.value else f'(no number: {one.plan})'}" for one in sides
        )
        load = f"{work.users:,} in flight" if work.users else "as many in flight as suit each side"
        value = cell.value
        ratio = f": {three(value.mid)} times ({three(value.low)} to {three(value.high)})" if value else ""
        return f"{both}{ratio} at {work.prompt:,} tokens in, {work.output:,} out, {load}"

    def _open(self, cell: Cell, a: Answered, shown_: SideAnswer) -> str:
        """What would decide where the interval straddles the limit."""
        if cell.value is None:
            return ""
        input_ = evidence.least_certain(a.found, self.metric, shown_.figures)
        named = f"; least certain input: {input_}" if input_ else ""
        low, high = three(cell.value.low), three(cell.value.high)
        return f"the ratio is {self.bound.words('1')}, predicted {low} to {high}{named}"

    def _needed(self, sides: tuple[SideAnswer, SideAnswer]) -> str:
        other = sides[1].value
        if other is None:
            return f"{sides[1].label} gives no number"
        metric = METRICS[self.metric]
        wanted = si(other.mid * self.bound.edge, metric.unit)
        return f"it would need {'at least' if self.bound.least else 'at most'} {wanted} ({metric.words}), measured"


def over(a: Interval, b: Interval) -> Interval:
    """The quotient of two independent numbers; their relative errors add in quadrature."""
    below = quadrature([math.log(a.mid / a.low), math.log(b.high / b.mid)])
    above = quadrature([math.log(a.high / a.mid), math.log(b.mid / b.low)])
    return Interval.around(a.mid / b.mid, below, above)
