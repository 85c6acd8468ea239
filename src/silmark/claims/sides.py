"""A side of a comparison: a system and what it runs, answered under one workload by the plan that suits it best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from silmark import models, systems
from silmark.claims.fields import Fields
from silmark.claims.metrics import METRICS
from silmark.claims.spec import SideAnswer, Terms
from silmark.estimation import Estimate
from silmark.estimation import estimate as run_estimate
from silmark.formats import Precision
from silmark.mapping import Infeasible
from silmark.mapping.candidates import Layout, least_chips, placements
from silmark.models import Model
from silmark.planning.space import Asked, Tally, divisors, plans
from silmark.step import Maturity, StepModel, compile_step
from silmark.systems import Target
from silmark.workloads import WORKLOADS, Workload

_MOST_USERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared.

    Attributes:
        label: for tables.
        model: what it runs.
        on: a system of fixed size such as `8x:h100`.
        precision: a format, or "default".
        users: sequences in flight in place of the test's; 0 for the test's.
        replica: chips of one replica; 0 for whatever suits the metric best.
    """

    label: str
    model: str
    on: str
    precision: str = "default"
    users: int = 0
    replica: int = 0

    @classmethod
    def read(cls, fields: Fields, model: str) -> Side:
        """Reads the table of one side."""
        on = fields.text("on")
        wanted = fields.text("model", model)
        if wanted.startswith("hf:"):
            raise fields.bad("model", "expected a model of the catalogue or a config.json; claims fetch nothing")
        side = cls(
            label=fields.text("label", on),
            model=wanted,
            on=on,
            precision=fields.text("precision", "default"),
            users=fields.whole("users", 0, _MOST_USERS) if "users" in fields.table else 0,
            replica=fields.whole("replica", 0, _MOST_USERS) if "replica" in fields.table else 0,
        )
        fields.done()
        return side

    def target_count(self) -> int:
        """Chips of the system of fixed size."""
        return systems.target(self.on).count

    def answer(self, workload: Workload, metric: str, terms: Terms) -> Answered:
        """The best estimate for a metric; a promise that cannot be kept is no answer.

        Args:
            workload: sequences in flight included, unless the side has its own.
            metric: name in METRICS.
            terms: maturity of the stacks.
        """
        asked = replace(workload, users=self.users) if self.users else workload
        model, target = models.load(self.model), systems.target(self.on)
        precision = Precision.of(target.chip.precision if self.precision == "default" else self.precision)
        best: Estimate | Infeasible = Infeasible("no plan of this size fits")
        for found in _evaluated(model, target, precision, self.replica, terms.maturity, asked):
            if isinstance(best, Infeasible) or (isinstance(found, Estimate) and _better(found, best, metric)):
                best = found
        if isinstance(best, Estimate) and best.misses:
            return Answered(self, Infeasible(best.misses))
        return Answered(self, best)


def _better(found: Estimate, best: Estimate, metric: str) -> bool:
    if bool(found.misses) != bool(best.misses):
        return not found.misses
    ours, theirs = METRICS[metric].read(found), METRICS[metric].read(best)
    if ours is None or theirs is None:
        return False
    return ours[0].mid > theirs[0].mid if METRICS[metric].more else ours[0].mid < theirs[0].mid


@lru_cache(maxsize=512)
def _evaluated(
    model: Model, target: Target, precision: Precision, replica: int, maturity: Maturity, asked: Workload
) -> tuple[Estimate | Infeasible, ...]:
    """Every plan of a system under one workload; tests of one claim ask the same of it by several metrics.

    A fixed number of users is divided evenly or not at all: a plan that rounds it up would be granted more of them.
    """
    every = _compiled(model, target, precision, replica, maturity)
    even = (one for one in every if isinstance(one, Infeasible) or (asked.users or 0) % one.plan.dp == 0)
    return tuple(one if isinstance(one, Infeasible) else run_estimate(one, asked, quick=True) for one in even)


@lru_cache(maxsize=128)
def _compiled(
    model: Model, target: Target, precision: Precision, replica: int, maturity: Maturity
) -> tuple[StepModel | Infeasible, ...]:
    """Every plan that uses all chips of a system, compiled: each is a candidate for whatever metric is asked.

    Those of the search, and the usual cut of each replica, which on machines that split layers has more stages than
    the model has layers.
    """
    asked = Asked(model, target, WORKLOADS["offline"], (precision,), maturity)
    found = list(plans(asked, Tally()))
    for place in placements(target.chip, model.kind):
        need = least_chips(model, target.chip, precision, place)
        sizes = [size for size in divisors(target.count) if size >= need]
        found += [Layout(size, target.count // size, place).plan(model, target, precision) for size in sizes]
    wanted = dict.fromkeys(plan for plan in found if not replica or plan.tp * plan.pp == replica)
    return tuple(compile_step(model, target, plan, maturity) for plan in wanted)


@dataclass(frozen=True, slots=True)
class Answered:
    """A side with its estimate, or the reason why it has none."""

    side: Side
    found: Estimate | Infeasible

    def shown(self, metric: str) -> SideAnswer:
        """The numbers behind a comparison by one metric."""
        if isinstance(self.found, Infeasible):
            return SideAnswer(self.side.label, self.side.on, self.found.reason, None, able=False)
        answer = self.found
        read = METRICS[metric].read(answer)
        target, plan = answer.step_model.target, answer.step_model.plan
        cut = f"TP{plan.tp} PP{plan.pp} x {plan.dp}, {plan.precision}, {answer.batch:,} in flight"
        value, figures = read if read is not None else (None, {})
        return SideAnswer(
            self.side.label,
            f"{plan.chips:,} x {target.chip.id}, {target.system.id}",
            cut,
            value,
            str(answer.grade) if value else "",
            {**answer.figures, **figures},
            counted=METRICS[metric].words,
            unit=METRICS[metric].unit,
        )
