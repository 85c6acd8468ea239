"""`kind = "quotient"`: a product of figures over another, against a bound; facts, sums of money, parts of a system.

A figure is named `chip:ID:KEY`, `system:ID:KEY`, `link:ID:KEY`, `terms:KEY` (what owning and running cost), `own:NAME`
(the claim's own file), or `metric:NAME:MODEL:SYSTEM` (what Silmark computes of a whole system).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from silmark import chips, systems
from silmark.claims import evidence
from silmark.claims.fields import Fields
from silmark.claims.kinds.ratio import read_bound
from silmark.claims.metrics import METRICS
from silmark.claims.sides import Side
from silmark.claims.spec import Bound, Outcome, SideAnswer, Terms, Verdict
from silmark.economics.terms import defaults
from silmark.errors import BadValue, UnknownName
from silmark.fabric.physical.catalog import technology
from silmark.figures import Figure, Grade, Interval
from silmark.figures.figure import quadrature
from silmark.figures.numbers import si, three
from silmark.workloads import WORKLOADS

_SMALLEST, _LARGEST = 1e-100, 1e100
_FACTORS = 8
_PARTS = {"chip": 3, "system": 3, "link": 3, "terms": 2, "own": 2, "metric": 4}
"""Places of figures, and how many words their names have."""


@dataclass(frozen=True, slots=True)
class Quotient:
    """`times` x the product of `over` / the product of `under`; a figure named twice counts twice.

    Attributes:
        counted: what the result counts, for tables.
        unit: SI unit of the result, "1" for a number.
    """

    label: str
    counted: str
    unit: str
    over: tuple[str, ...]
    under: tuple[str, ...]
    times: float
    bound: Bound

    @classmethod
    def read(cls, fields: Fields) -> Quotient:
        """Reads the table of a test."""
        test = cls(
            label=fields.text("label"),
            counted=fields.text("counted"),
            unit=fields.text("unit", "1"),
            over=fields.texts("over", 1),
            under=fields.texts("under"),
            times=fields.number("times", 1.0) or 1.0,
            bound=read_bound(fields),
        )
        if max(len(test.over), len(test.under)) > _FACTORS:
            raise fields.bad("over", f"expected at most {_FACTORS} figures on either side")
        for name in (*test.over, *test.under):
            place = name.partition(":")[0]
            if place not in _PARTS or len(name.split(":", _PARTS[place] - 1)) != _PARTS[place]:
                raise fields.bad(
                    "over",
                    f"{name[:60]!r}; expected chip:ID:KEY, system:ID:KEY, link:ID:KEY, terms:KEY, own:NAME or "
                    "metric:NAME:MODEL:SYSTEM",
                )
        return test

    def run(self, terms: Terms) -> Outcome:
        """Computes the quotient; figures derived from the claim cannot decide it."""
        used = {name: figure(name, terms) for name in (*self.over, *self.under)}
        value = self._value(used)
        verdict, needs, condition = self.bound.judge(value), "", ""
        if keys := evidence.circular(used, terms.names):
            verdict, needs = Verdict.UNTESTABLE, f"a source for {', '.join(keys)} that is not the claim itself"
        if verdict is Verdict.ONLY_IF:
            low, high = si(value.low, self.unit), si(value.high, self.unit)
            condition = f"{self.counted}: {self.bound.words(self.unit)}, where {low} to {high} is computed"
            if input_ := evidence.widest(used):
                condition += f"; least certain input: {input_}"
        said = f"{self.counted}: {self._number(value)}; claimed: {self.bound.words(self.unit)}"
        grade = max(one.grade for one in used.values())
        side = SideAnswer(self.counted, self._formula(), "", value, str(grade), used, unit=self.unit)
        return Outcome(verdict, self.label, self.counted, said, value, self.bound, condition, needs, (side,))

    def _value(self, used: dict[str, Figure]) -> Interval:
        above, below = [used[name] for name in self.over], [used[name] for name in self.under]
        mid = self.times * math.prod(f.value for f in above) / (math.prod(f.value for f in below) or math.inf)
        if not _SMALLEST < mid < _LARGEST:
            raise BadValue("over and under", self.label, "figures whose quotient is a number between 1e-100 and 1e100")
        powers = {name: self.over.count(name) - self.under.count(name) for name in used}
        low = quadrature(n * (used[k].log_low if n > 0 else used[k].log_high) for k, n in powers.items())
        high = quadrature(n * (used[k].log_high if n > 0 else used[k].log_low) for k, n in powers.items())
        return Interval.around(mid, low, high)

    def _formula(self) -> str:
        formula = " x ".join(self.over) + (" / (" + " x ".join(self.under) + ")" if self.under else "")
        return formula if self.times == 1 else f"{three(self.times)} x {formula}"

    def _number(self, value: Interval) -> str:
        low, mid, high = (si(one, self.unit) for one in (value.low, value.mid, value.high))
        return mid if low == high else f"{mid} ({low} to {high})"


def figure(name: str, terms: Terms) -> Figure:
    """The figure that a claim's file names; raises UnknownName for one that is nowhere or 0."""
    place, *rest = name.split(":", _PARTS[name.partition(":")[0]] - 1)
    found: Figure | None
    if place == "own":
        found = terms.figures.get(rest[0])
    elif place == "chip":
        found = chips.load(rest[0]).figures.get(rest[1])
    elif place == "system":
        found = systems.load(rest[0]).figures.get(rest[1])
    elif place == "link":
        found = technology(rest[0]).figures.get(rest[1])
    elif place == "terms":
        found = defaults().get(rest[0])
    else:
        found = _computed(name, rest[0], rest[1], rest[2], terms)
    if found is None or not found.value:
        raise UnknownName("figure", name, (), "`silmark chips show ID` lists what a chip's file gives")
    return found


def _computed(name: str, metric: str, model: str, on: str, terms: Terms) -> Figure | None:
    """A metric of a system under the workload `offline`, as a figure; None where there is no such number."""
    if metric not in METRICS:
        return None
    side = Side(name, model, on)
    value = side.answer(WORKLOADS["offline"], metric, terms).shown(metric).value
    if value is None:
        return None
    return Figure(
        name,
        value.mid,
        value.low,
        value.high,
        METRICS[metric].unit,
        "silmark-calibration",
        Grade.DERIVED,
        note="computed here",
    )
