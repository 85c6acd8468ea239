"""What a search over training plans found, as values, JSON of silmark.search-train/1 and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Interval
from silmark.figures.numbers import shown, si, three
from silmark.planning.training import Answer, Found, Verdict
from silmark.training.job import RECOMPUTE
from silmark.training.timing import WORDS

SCHEMA = "silmark.search-train/1"


@dataclass(frozen=True, repr=False)
class SearchedTraining:
    """A question and what the search found.

    Attributes:
        question: what was asked, after defaults.
        answer: every plan.
        tokens: of the whole run, None where only the step was asked for.
    """

    question: Mapping[str, Any]
    answer: Answer
    tokens: float | None = None

    def __repr__(self) -> str:
        best = ", ".join(f"{verdict.objective.name}: {verdict.winner.job}" for verdict in self.verdicts)
        return f"<{heading(self)}; best {best or self.reason}>"

    @property
    def status(self) -> Literal["ok", "cannot-run", "infeasible"]:
        """As in the other answers."""
        if not self.reason:
            return "ok"
        return "cannot-run" if self.reason.startswith("cannot") else "infeasible"

    @property
    def reason(self) -> str:
        """Why there is no plan, else empty."""
        return self.answer.reason

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The best plan of every objective with its runner-up."""
        return self.answer.verdicts

    @property
    def frontier(self) -> tuple[Found, ...]:
        """Plans that no other beats with as many chips or fewer; of many, some that are spread evenly."""
        return self.answer.shown

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.search-train/1; SI units, intervals as low, mid and high of 80 %."""
        result, front = self.answer.result, self.answer.frontier
        return {
            "schema": SCHEMA,
            "question": dict(self.question),
            "chip": self.answer.asked.target.chip.id,
            "system": self.answer.asked.target.system.id,
            "status": self.status,
            "reason": self.reason,
            "tried": result.tried,
            "fit": result.plans.size,
            "rejected": [{"reason": reason, "plans": number} for reason, number in _ordered(result.refused)],
            "best": [self._verdict(verdict) for verdict in self.verdicts],
            "frontier": [self._found(found) for found in self.frontier],
            "curve": {
                "chips": result.plans.jobs.chips[front].tolist(),
                "step_s": result.plans.step_s[front].tolist(),
            },
        }

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every plan that fits, one entry each: what `--parquet` writes."""
        plans = self.answer.result.plans
        jobs = plans.jobs
        undominated = np.zeros(plans.size, dtype=bool)
        undominated[self.answer.frontier] = True
        return {
            **{name: getattr(jobs, name) for name in ("tp", "pp", "dp", "cp", "micro", "interleave", "zero")},
            "recompute": np.array(RECOMPUTE)[jobs.recompute],
            "chips": jobs.chips,
            "step_s": plans.step_s,
            "tokens_per_s": self.answer.asked.base.tokens / plans.step_s,
            "memory_bytes": plans.bytes_,
            "frontier": undominated,
        }

    def _verdict(self, verdict: Verdict) -> dict[str, Any]:
        second = verdict.second
        return {
            "objective": verdict.objective.name,
            "plan": self._found(verdict.winner),
            "second": None if second is None else self._found(second),
            "ratio": verdict.ratio,
            "why": verdict.why,
        }

    def _found(self, found: Found) -> dict[str, Any]:
        job = found.job
        run = None if self.tokens is None else found.run(self.tokens)
        return {
            "text": str(job),
            **{name: getattr(job, name) for name in ("tp", "pp", "dp", "cp", "micro", "interleave", "zero")},
            "recompute": job.recompute,
            "chips": job.chips,
            "headroom_bytes": found.headroom,
            "usd_per_mtok": _bounds(found.usd_per_mtok),
            "price_basis": found.bill.basis if found.bill else None,
            "run": None
            if run is None
            else {
                "tokens": run.tokens,
                "days": run.days.as_dict(),
                "joules": run.joules.as_dict(),
                "usd": _bounds(run.usd),
            },
            "training": found.estimate.as_dict(),
        }


def heading(searched: SearchedTraining) -> str:
    """The question in one line."""
    asked = searched.question
    sizes = f"global batch {asked['global_batch']:,}, {asked['sequence']:,} tokens each"
    return f"{asked['model']} on {asked['on']}: training, {sizes}; coefficients of {asked['stack']}; 80 % intervals"


def summary(searched: SearchedTraining) -> list[str]:
    """How many plans were tried and why others were not: a line each."""
    result = searched.answer.result
    if not result.tried:
        return []
    lost = result.tried - result.plans.size
    lines = [f"{result.tried:,} plans: {result.plans.size:,} fit, {lost:,} rejected"]
    return lines + [f"  {number:>11,}  {reason}" for reason, number in _ordered(result.refused)]


HEADERS = ("chips", "step", "tokens/s", "MFU", "memory", "power/chip", "$/Mtok", "plan")
RUN_HEADERS = ("chips", "step", "MFU", "days", "energy", "$ of the run", "plan")


def table(searched: SearchedTraining, found: tuple[Found, ...]) -> tuple[list[str], list[list[str]]]:
    """Headers and a row per plan; with the tokens of a run, what the run takes."""
    if searched.tokens is None:
        return [*HEADERS], [_row(one) for one in found]
    return [*RUN_HEADERS], [_run_row(one, searched.tokens) for one in found]


def winners(searched: SearchedTraining) -> tuple[list[str], list[list[str]]]:
    """The same for the best plans and what bounds them."""
    best = tuple(verdict.winner for verdict in searched.verdicts)
    headers, rows = table(searched, best)
    ends = [[f.bill.basis if f.bill else "-", WORDS[f.estimate.bound_by], str(f.estimate.grade)] for f in best]
    labels = [verdict.objective.label for verdict in searched.verdicts]
    rows = [[label, *row, *end] for label, row, end in zip(labels, rows, ends, strict=True)]
    return ["best", *headers, "paid as", "bound by", "grade"], rows


def losers(searched: SearchedTraining) -> list[list[str]]:
    """The runner-up of each objective and why it lost."""
    return [[v.objective.label, _plan(v.second) if v.second else "-", v.why] for v in searched.verdicts]


def _row(found: Found) -> list[str]:
    answer, need = found.estimate, found.estimate.memory
    return [
        f"{found.job.chips:,}",
        shown(answer.step_s, "s"),
        three(answer.tokens_per_s.mid),
        f"{100 * answer.mfu.mid:.1f} %",
        f"{float(need.total) / 1e9:.3g} of {need.capacity / 1e9:.3g} GB" if need else "streamed",
        si(answer.power_w.mid / found.job.chips, "W"),
        shown(found.usd_per_mtok),
        _plan(found),
    ]


def _run_row(found: Found, tokens: float) -> list[str]:
    run = found.run(tokens)
    return [
        f"{found.job.chips:,}",
        shown(found.estimate.step_s, "s"),
        f"{100 * found.estimate.mfu.mid:.1f} %",
        shown(run.days),
        f"{three(run.joules.mid / 3.6e9)} MWh",
        shown(run.usd),
        _plan(found),
    ]


def _plan(found: Found) -> str:
    return f"{found.job}, micro batch {found.job.micro}"


def _bounds(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.as_dict()


def _ordered(refused: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(refused.items(), key=lambda item: -item[1])
