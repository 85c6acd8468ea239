"""What a search over training plans found: the best, who came second and why, and the frontier of time and chips."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from silmark.graph import Array
from silmark.planning.frontier import frontier, thinned
from silmark.planning.training.engine import Evaluated, Plans, evaluate, one_by_one
from silmark.planning.training.found import Found, why
from silmark.planning.training.space import Asked, space
from silmark.training import Job, TrainingEstimate, train
from silmark.training.estimate import cannot
from silmark.training.job import Whole

SHOWN = 10
"""Plans of the frontier that are shown with their error bars."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity to minimise: step time, or step time x chips."""

    name: str
    label: str
    per_chip: bool

    def score(self, plans: Plans) -> Array:
        """Of every plan."""
        return plans.step_s * plans.jobs.chips if self.per_chip else plans.step_s


OBJECTIVES = (Objective("speed", "tokens/s", per_chip=False), Objective("efficiency", "tokens/s/chip", per_chip=True))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best at an objective, the best plan of another tp x pp x dp, and why that lost."""

    objective: Objective
    winner: Found
    second: Found | None
    ratio: float
    why: str


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search found.

    Attributes:
        asked: the question.
        result: every plan that fits, and how many do not.
        reason: why there is no plan, empty if there is.
    """

    asked: Asked
    result: Evaluated
    reason: str = ""
    _found: dict[int, Found] = field(default_factory=dict, repr=False)

    def at(self, index: int) -> Found:
        """One plan in full."""
        if index not in self._found:
            estimate = train(self.asked.model, self.asked.target, self.result.plans.job(index))
            assert isinstance(estimate, TrainingEstimate)
            self._found[index] = Found(estimate)
        return self._found[index]

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The best of every objective; empty where no plan fits."""
        return tuple(self._verdict(objective) for objective in OBJECTIVES) if self.result.plans.size else ()

    def _verdict(self, objective: Objective) -> Verdict:
        plans, score = self.result.plans, objective.score(self.result.plans)
        first = _least(plans, score)
        same = np.ones(plans.size, dtype=np.bool_)
        for axis in ("tp", "pp", "dp"):
            values = getattr(plans.jobs, axis)
            same &= values == values[first]
        others = np.where(same, np.inf, score)
        second = _least(plans, others)
        winner = self.at(first)
        if not np.isfinite(others[second]):
            return Verdict(objective, winner, None, 1.0, "no other cut fits")
        scores = float(score[first]), float(score[second])
        loser = self.at(second)
        return Verdict(objective, winner, loser, scores[1] / scores[0], why(winner, loser, scores, objective.per_chip))

    @cached_property
    def frontier(self) -> Whole:
        """Indices of plans that no other plan beats in time with as many chips or fewer, by falling chips."""
        plans, chips = self.result.plans, self.result.plans.jobs.chips
        best = np.full(self.asked.target.count + 1, np.inf)
        np.minimum.at(best, chips, plans.step_s)
        equal = np.flatnonzero(plans.step_s <= best[chips] * (1 + _SAME))
        used = np.flatnonzero(np.isfinite(best))
        counts = used[frontier(-used.astype(np.float64), -best[used])][::-1]
        each = (equal[chips[equal] == count] for count in counts)
        return np.array([which[_simplest(plans, which)] for which in each], dtype=np.int64)

    @cached_property
    def shown(self) -> tuple[Found, ...]:
        """Some of the frontier in full, evenly along the logarithm of the chips."""
        chosen = thinned(self.frontier, self.result.plans.jobs.chips.astype(np.float64), SHOWN)
        return tuple(self.at(int(index)) for index in chosen)


def _least(plans: Plans, score: Array) -> int:
    """The plan of the smallest score; of equal ones the simplest."""
    which = np.flatnonzero(score <= score.min() * (1 + _SAME))
    return int(which[_simplest(plans, which)])


def _simplest(plans: Plans, which: Whole) -> int:
    """Of some plans the one with fewest chips, least interleaving, sharding and recomputation, by place."""
    jobs = plans.jobs
    chips = (jobs.tp[which] * jobs.pp[which]) * (jobs.dp[which] * jobs.cp[which])
    return int(np.lexsort((jobs.recompute[which], jobs.zero[which], jobs.interleave[which], chips))[0])


def search(asked: Asked) -> Answer:
    """Tries all plans."""
    never = cannot(asked.model, asked.target.chip, asked.base.precision)
    if never is not None:
        return Answer(asked, Evaluated(Plans.none(asked.base), 0, {}, None), never.reason)
    streams = asked.target.chip.family == "wafer"
    result = one_by_one(asked) if streams else evaluate(asked, space(asked))
    return Answer(asked, result, "" if result.plans.size else _nothing(asked, result.smallest))


def _nothing(asked: Asked, smallest: Job | None) -> str:
    """Why no plan fits: what the smallest one takes."""
    if smallest is None:
        return "no plan divides the model, the batch and the chips as its schedule needs"
    missing = train(asked.model, asked.target, smallest)
    assert not isinstance(missing, TrainingEstimate)
    return f"no plan fits; the smallest is {smallest}: {missing.reason}"
