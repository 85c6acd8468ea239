"""`kind = "level"`: a metric of one system reaches a value, and the arithmetic rate that the value would take."""

from __future__ import annotations

from dataclasses import dataclass

from silmark import models
from silmark.claims import evidence, judge
from silmark.claims.fields import Fields
from silmark.claims.kinds.ratio import read_bound
from silmark.claims.metrics import METRICS
from silmark.claims.sides import Side
from silmark.claims.spec import Bound, Cell, Outcome, Region, SideAnswer, Terms, Verdict
from silmark.claims.workload import Conditions
from silmark.figures.numbers import shown, si, three
from silmark.graph import count
from silmark.workloads import Step, Workload

_RATES = ("tokens_per_s", "total_tokens_per_s")


@dataclass(frozen=True, slots=True)
class Level:
    """Metric of one side against a bound in the metric's unit."""

    label: str
    metric: str
    side: Side
    conditions: Conditions
    bound: Bound

    @classmethod
    def read(cls, fields: Fields) -> Level:
        """Reads the table of a test."""
        return cls(
            label=fields.text("label"),
            metric=fields.choice("metric", METRICS),
            side=Side.read(fields.inner("a"), fields.text("model")),
            conditions=Conditions.read(fields),
            bound=read_bound(fields),
        )

    def run(self, terms: Terms) -> Outcome:
        """Computes the side in every condition."""
        words = METRICS[self.metric].words
        works = list(self.conditions.workloads())
        answers = [self.side.answer(work, self.metric, terms) for work in works]
        sides = [answer.shown(self.metric) for answer in answers]
        cells = tuple(self._cell(work, side) for work, side in zip(works, sides, strict=True))
        verdict, found, needs = judge.over(cells), "", ""
        at = judge.telling(cells, verdict)
        side = sides[at]
        region = Region("users", "prompts", cells) if len(cells) > 1 else None
        if hindered := evidence.barred(side.label, answers[at].found, side.figures, terms.names):
            verdict, needs = Verdict.UNTESTABLE, f"{self._needs(works[at])}; {hindered}"
        elif verdict is Verdict.UNTESTABLE:
            needs = side.lacks
        elif verdict is Verdict.ONLY_IF:
            found = judge.condition(region, self._open(side))
        said = self._said(works[at], side) + (f"; {judge.shares(region)}" if region else "")
        return Outcome(verdict, self.label, words, said, side.value, self.bound, found, needs, (side,), region)

    def map(self, terms: Terms) -> Region | None:
        """The same over 1 to 256 users and prompts of 256 to 32,768 tokens."""
        if models.load(self.side.model).kind != "decoder":
            return None
        sides = ((work, self.side.answer(work, self.metric, terms)) for work in self.conditions.fine())
        return Region("users", "prompts", tuple(self._cell(work, side.shown(self.metric)) for work, side in sides))

    def _open(self, side: SideAnswer) -> str:
        if side.value is None:
            return ""
        unit = METRICS[self.metric].unit
        low, high = si(side.value.low, unit), si(side.value.high, unit)
        return f"the value is {self.bound.words(unit)}, predicted {low} to {high}"

    def _cell(self, work: Workload, side: SideAnswer) -> Cell:
        column, row = f"{work.users or 'auto'}", f"{work.prompt:,}"
        if side.value is None:
            return Cell(column, row, Verdict.UNTESTABLE if side.able else Verdict.FAILS)
        return Cell(column, row, self.bound.judge(side.value), side.value)

    def _said(self, work: Workload, side: SideAnswer) -> str:
        unit = METRICS[self.metric].unit
        load = f"{work.users:,} in flight" if work.users else "as many in flight as suit it"
        claimed = self.bound.words(unit)
        got = shown(side.value, unit) if side.value else side.plan
        return f"{side.label}: {got} at {work.prompt:,} tokens in, {work.output:,} out, {load}; claimed: {claimed}"

    def _needs(self, work: Workload) -> str:
        """What would decide: for a rate of tokens with the sustained FLOP/s of each chip behind it."""
        if self.metric not in _RATES:
            return f"it would need {self.bound.words(METRICS[self.metric].unit)}, measured"
        per_token = request_flops(self.side.model, work) / work.output
        if self.metric == "total_tokens_per_s":
            per_token *= work.output / (work.prompt + work.output)
        chips = self.side.target_count()
        each = si(self.bound.edge * per_token / chips, "FLOP/s")
        claimed = f"{three(self.bound.edge)} {METRICS[self.metric].words}"
        return f"{claimed} take {each} of each of {chips} chips, sustained; a measured rate of that size would decide"


def request_flops(model: str, work: Workload) -> float:
    """FLOPs of one request: its prompt's pass and one decode step per answer token."""
    loaded = models.load(model)
    prompt = count(loaded.lower(Step.prefill(1, work.prompt)))
    answer = count(loaded.lower(Step.decode(1, work.prompt + work.output / 2)))
    return float(prompt.flops) + work.output * float(answer.flops)
