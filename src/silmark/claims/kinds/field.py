"""`kind = "field"`: a system against the median of a field of rivals, by several metrics under several workloads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from silmark.claims import judge
from silmark.claims.fields import Fields
from silmark.claims.metrics import METRICS
from silmark.claims.sides import Side
from silmark.claims.spec import Cell, Outcome, Region, SideAnswer, Terms, Verdict
from silmark.figures import Interval
from silmark.figures.numbers import three
from silmark.workloads import WORKLOADS, Workload

_LEAST_RIVALS = 3
_ALONE = ("tpot_s", "ttft_s", "tokens_per_s_user")
"""Metrics of speed: asked of one user alone, for whom the machine goes as fast as it can."""


@dataclass(frozen=True, slots=True)
class Field:
    """Whether a system is worse (or better) than half of the field.

    Attributes:
        subject: the system.
        rivals: systems of fixed size; the subject never counts among them.
        worse: the claim says worse; False: better.
    """

    label: str
    subject: Side
    rivals: tuple[Side, ...]
    metrics: tuple[str, ...]
    workloads: tuple[str, ...]
    worse: bool

    @classmethod
    def read(cls, fields: Fields) -> Field:
        """Reads the table of a test."""
        model = fields.text("model")
        subject = Side.read(fields.inner("a"), model)
        test = cls(
            label=fields.text("label"),
            subject=subject,
            rivals=tuple(Side(on, model, on) for on in fields.texts("rivals", _LEAST_RIVALS)),
            metrics=fields.texts("metrics", 1),
            workloads=fields.texts("workloads", 1),
            worse=fields.choice("than_median", ("worse", "better")) == "worse",
        )
        for name, known in (("metrics", METRICS), ("workloads", WORKLOADS)):
            wrong = [one for one in fields.texts(name) if one not in known]
            if wrong:
                raise fields.bad(name, f"{wrong[0][:40]!r}; expected some of {', '.join(known)}")
        return test

    def run(self, terms: Terms) -> Outcome:
        """Every metric under every workload: the subject's interval against the median of the rivals that can."""
        cells: list[Cell] = []
        sides: list[SideAnswer] = []
        ranks: dict[str, list[tuple[int, int]]] = {}
        everyone = (self.subject, *(rival for rival in self.rivals if rival.on != self.subject.on))
        for metric in self.metrics:
            for name in self.workloads:
                shown = [one.answer(_asked(WORKLOADS[name], metric), metric, terms).shown(metric) for one in everyone]
                own, others = shown[0].value, [side.value.mid for side in shown[1:] if side.value is not None]
                cells.append(self._cell(metric, name, own, others))
                sides.append(replace(shown[0], label=f"{shown[0].label}: {METRICS[metric].words}, {name}"))
                if own is not None and others:
                    ranks.setdefault(metric, []).append((_rank(metric, own.mid, others), len(others) + 1))
        region = Region("workload", "metric", tuple(cells))
        verdict = judge.over(cells)
        found = judge.condition(region, "the numbers lie at the far end of their intervals")
        needs = f"{self.subject.label} keeps no promise of these workloads" if verdict is Verdict.UNTESTABLE else ""
        return Outcome(
            verdict,
            self.label,
            "place among the rivals",
            f"{self.subject.label} stands {_places(ranks)}; {judge.shares(region)}",
            condition=found if verdict is Verdict.ONLY_IF else "",
            needs=needs,
            sides=tuple(sides),
            region=region,
        )

    def _cell(self, metric: str, workload: str, own: Interval | None, others: list[float]) -> Cell:
        row = METRICS[metric].words
        if own is None or len(others) < _LEAST_RIVALS:
            return Cell(workload, row, Verdict.UNTESTABLE)
        value = own.scaled(1 / median(others))
        low_is_claimed = METRICS[metric].more is self.worse
        certain, never = (value.high < 1, value.low > 1) if low_is_claimed else (value.low > 1, value.high < 1)
        verdict = Verdict.HOLDS if certain else Verdict.FAILS if never else Verdict.ONLY_IF
        return Cell(workload, row, verdict, value)


def _asked(workload: Workload, metric: str) -> Workload:
    return replace(workload, users=1) if metric in _ALONE else workload


def _rank(metric: str, own: float, others: list[float]) -> int:
    return 1 + sum(one > own if METRICS[metric].more else one < own for one in others)


def _places(ranks: dict[str, list[tuple[int, int]]]) -> str:
    """`2 to 4 of 15 in $ per million tokens` for every metric."""
    said = []
    for metric, found in ranks.items():
        best, worst = min(rank for rank, _ in found), max(rank for rank, _ in found)
        span = f"{best}" if best == worst else f"{best} to {worst}"
        said.append(f"{span} of {three(max(of for _, of in found))} in {METRICS[metric].words}")
    return ", ".join(said)
