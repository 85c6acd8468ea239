"""What a search found, as values, JSON of silmark.search/1 and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.figures.numbers import shown, si, three
from silmark.mapping import Plan
from silmark.planning.answer import Answer, Verdict
from silmark.planning.found import Found, Pool, served
from silmark.report.rows import speculation_document

SCHEMA = "silmark.search/1"


@dataclass(frozen=True, repr=False)
class Searched:
    """A question and what the search found.

    Attributes:
        question: what was asked, after defaults.
        answer: everything that was evaluated.
        notes: what a reader must know.
    """

    question: Mapping[str, Any]
    answer: Answer
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        best = ", ".join(f"{verdict.objective.name}: {verdict.winner.name}" for verdict in self.verdicts)
        return f"<{heading(self)}; best {best or self.reason}>"

    @property
    def chips(self) -> int:
        """All chips that there are."""
        return self.answer.chips

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The best plan of every objective with its runner-up; empty where no plan keeps the promises."""
        return self.answer.verdicts

    @property
    def frontier(self) -> tuple[Found, ...]:
        """Undominated plans by falling speed of a user; of many, some that are spread evenly."""
        return self.answer.shown

    @property
    def status(self) -> str:
        """Ok; infeasible (nothing fits, or no plan keeps the promises); cannot-run."""
        if self.answer.best:
            return "ok"
        refused = self.answer.tally.refused
        return (
            "cannot-run" if set(refused) == {"operators and formats"} and not self.answer.points.size else "infeasible"
        )

    @cached_property
    def reason(self) -> str:
        """Why not ok, else empty."""
        if self.answer.best:
            return ""
        if self.answer.nearest is not None:
            return f"no plan keeps the promises; the nearest, {self.answer.nearest.name}, {self.answer.nearest.misses}"
        if not self.answer.tally.tried:
            return "no plan divides the chips as asked"
        return (
            "no plan fits: " + "; ".join(refusals(self))
            if self.answer.tally.refused
            else "no split leaves chips to both pools"
        )

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.search/1."""
        answer = self.answer
        return {
            "schema": SCHEMA,
            "question": dict(self.question),
            "notes": list(self.notes),
            "status": self.status,
            "reason": self.reason,
            "tried": answer.tally.tried,
            "rejected": [
                {"kind": kind, "plans": count, "example": example}
                for kind, (count, example) in sorted(answer.tally.refused.items())
            ],
            "evaluated": answer.points.size,
            "best": [_verdict(verdict) for verdict in self.verdicts],
            "nearest": None if answer.nearest is None else found_document(answer.nearest),
            "frontier_points": int(answer.frontier.size),
            "frontier": [found_document(found) for found in self.frontier],
        }

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every evaluated point, one entry each: what `--parquet` writes."""
        answer, points = self.answer, self.answer.points
        decode, prefill = (
            np.array([served(curve.plan, curve.steady.serving) for curve in curves] or [""])
            for curves in (answer.decode, answer.prefill)
        )
        undominated = np.zeros(points.size, dtype=bool)
        undominated[answer.frontier] = True
        return {
            "mode": np.where(points.prefill < 0, "aggregated", "disaggregated"),
            "prefill_plan": np.where(points.prefill < 0, "", prefill[points.prefill]),
            "prefill_workers": points.senders,
            "plan": decode[points.decode],
            "workers": points.workers,
            "batch": points.batch,
            "ttft_s": points.ttft,
            "tpot_s": points.tpot,
            "tokens_per_s": points.rate,
            "power_w": points.watts,
            "usd_per_s": points.usd,
            "keeps": answer.kept,
            "frontier": undominated,
        }


def refusals(searched: Searched) -> list[str]:
    """How many plans were rejected for each kind of reason, with an example."""
    ordered = sorted(searched.answer.tally.refused.items(), key=lambda item: -item[1][0])
    return [f"{count} by {kind} ({example})" for kind, (count, example) in ordered]


def found_document(found: Found) -> dict[str, Any]:
    """One point as in the JSON schema."""
    return {
        "mode": found.mode,
        "pools": [_pool(pool) for pool in found.pools],
        "chips": found.chips,
        "ttft_s": found.ttft_s.as_dict(),
        "tpot_s": found.tpot_s.as_dict(),
        "tokens_per_s_user": found.per_user.as_dict(),
        "tokens_per_s_chip": found.per_chip.as_dict(),
        "tokens_per_s": found.tokens_per_s.as_dict(),
        "power_w": found.power_w.as_dict(),
        "joules_per_token": found.joules.as_dict(),
        "usd_per_mtok": found.usd_per_mtok.as_dict() if found.usd_per_mtok else None,
        "price_basis": found.price_basis or None,
        "grade": str(found.grade),
        "misses": found.misses,
        "chip_s_per_token": dict(found.chip_s),
        "sources": sorted({figure.source for figure in found.figures.values()}),
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "role": pool.role,
        "chip": pool.target.chip.id,
        "system": pool.target.system.id,
        "workers": pool.workers,
        "chips": pool.plan.chips,
        "plan": plan_document(pool.plan),
        "chunk": pool.serving.chunk,
        "offload": pool.serving.offload or None,
        "speculation": speculation_document(pool.serving),
        "batch": int(pool.batch),
        "busy": pool.busy,
        "bound_by": pool.bound_by,
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """How one worker is cut."""
    return {
        "text": str(plan),
        "tp": plan.tp,
        "cp": plan.cp,
        "pp": plan.pp,
        "ep": plan.ep,
        "ranks": plan.ranks,
        "precision": str(plan.precision),
        "weights_in": plan.placement.weights,
        "kv_in": plan.placement.kv,
        "region": plan.placement.region or None,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "objective": verdict.objective.name,
        "winner": found_document(verdict.winner),
        "runner_up": None if verdict.second is None else found_document(verdict.second),
        "why": verdict.why,
        "within_error_bar": verdict.alike,
        "other_mode": None if verdict.other is None else found_document(verdict.other),
    }


def heading(searched: Searched) -> str:
    """The question in one line."""
    asked = searched.question
    limits = (("TTFT", asked["ttft_s"]), ("TPOT", asked["tpot_s"]))
    promises = ", ".join(f"{name} {si(seconds, 's')}" for name, seconds in limits if seconds is not None)
    sizes = f"{asked['prompt']} tokens in, {asked['output']} out"
    where = asked["on"] or f"{asked['prefill_on']} (prefill) and {asked['decode_on']} (decode)"
    return f"{asked['model']} on {where}: {sizes}; {promises or 'no promise'}; 80 % intervals"


def summary(searched: Searched) -> str:
    """How much was tried."""
    answer = searched.answer
    text = f"tried {answer.tally.tried:,} plans, {answer.points.size:,} points; rejected {answer.tally.rejected:,}"
    return f"{text}: {'; '.join(refusals(searched))}" if answer.tally.rejected else text


COLUMNS = ("TTFT", "TPOT", "tok/s/user", "tok/s/chip", "J/token", "$/Mtok")


def cells(found: Found) -> list[str]:
    """The numbers of a row, as in COLUMNS."""
    return [
        shown(found.ttft_s, "s"),
        shown(found.tpot_s, "s"),
        shown(found.per_user),
        shown(found.per_chip),
        shown(found.joules, "J"),
        shown(found.usd_per_mtok),
    ]


def winners(searched: Searched) -> list[list[str]]:
    """Rows of the table of best plans: objective, plan, numbers, batch, what bounds it, grade."""
    return [
        [verdict.objective.name, verdict.winner.name, *cells(verdict.winner), *_loads(verdict.winner)]
        for verdict in searched.verdicts
    ]


def losers(searched: Searched) -> list[list[str]]:
    """Runners-up: objective, plan, why it lost."""
    return [
        [verdict.objective.name, verdict.second.name if verdict.second else "-", verdict.why]
        for verdict in searched.verdicts
    ]


def _loads(found: Found) -> list[str]:
    batch = f"{int(found.pools[-1].batch):,} x {found.pools[-1].workers}"
    bound = " > ".join(pool.bound_by for pool in found.pools)
    return [batch, bound, str(found.grade)]


def frontier_rows(searched: Searched) -> list[list[str]]:
    """Rows of the frontier: speed, rate, TTFT, dollars, plan, and what it is best at."""
    best: dict[int, list[str]] = {}
    for verdict in searched.verdicts:
        best.setdefault(id(verdict.winner), []).append(verdict.objective.name)
    return [
        [
            three(found.per_user.mid),
            three(found.per_chip.mid),
            si(found.ttft_s.mid, "s"),
            three(found.usd_per_mtok.mid) if found.usd_per_mtok else "-",
            found.name,
            ", ".join(best.get(id(found), [])) or found.misses,
        ]
        for found in searched.frontier
    ]
