"""Row and Comparison: one model's answer for every chip, as values; `as_dict` is the JSON of silmark.compare/1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from silmark.chips import Chip
from silmark.economics import Price
from silmark.estimation import Estimate, Serving
from silmark.figures import Figure, Interval
from silmark.quality import MEASURES, Quality

Status = Literal["ok", "infeasible", "cannot-run"]
SCHEMA = "silmark.compare/1"


@dataclass(frozen=True, slots=True)
class Row:
    """One chip's answer.

    Attributes:
        chip: the chip; its `status` says whether it is sold.
        status: ok; infeasible (nothing fits, or a promise is missed: then the nearest plan is given);
            cannot-run (an operator or format that the chip lacks).
        reason: why not ok, else empty.
        estimate, price: the figures, None where there are none.
        quality: what the chip's arithmetic does to the outputs of a stand-in model; None where not asked for, or
            where nobody says how the chip computes in the plan's format.
    """

    chip: Chip
    status: Status
    reason: str = ""
    estimate: Estimate | None = None
    price: Price | None = None
    quality: Quality | None = None

    @property
    def tokens_per_s_user(self) -> Interval | None:
        """Output tokens per second that one user sees: 1 / TPOT."""
        if self.estimate is None or self.estimate.tpot_s is None:
            return None
        return self.estimate.tpot_s.inverse()

    @property
    def per_chip(self) -> Interval | None:
        """Tokens (or items) per second and chip."""
        return None if self.estimate is None else self.estimate.rate.scaled(1 / self.estimate.chips)

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure behind the row, by key."""
        found = dict(self.estimate.figures) if self.estimate else {}
        return found | (self.price.figures if self.price else {})

    def sources(self) -> list[str]:
        """Keys of all sources behind the row, sorted."""
        figures = self.figures or dict(self.chip.figures)
        return sorted({figure.source for figure in figures.values()})

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The row as in the JSON schema; SI units, dollars per million.

        Args:
            explain: add every input figure with its interval, source and grade.
        """
        answer = self.estimate
        tokens = answer is not None and answer.tokens_per_s is not None
        usd = self.price.usd_per_million if self.price else None
        joules = answer.joules if answer else None
        return {
            "chip": self.chip.id,
            "chip_status": self.chip.status,
            "system": answer.step_model.target.system.id if answer else self.chip.system,
            "chips": answer.chips if answer else None,
            "status": self.status,
            "reason": self.reason,
            "grade": str(answer.grade) if answer else None,
            "ttft_s": _dict(answer.ttft_s if answer else None),
            "tpot_s": _dict(answer.tpot_s if answer else None),
            "itl_max_s": _dict(answer.itl_max_s if answer else None),
            "tokens_per_s_user": _dict(self.tokens_per_s_user),
            "tokens_per_s_chip": _dict(self.per_chip if tokens else None),
            "tokens_per_s": _dict(answer.tokens_per_s if answer else None),
            "latency_s": _dict(answer.latency_s if answer else None),
            "items_per_s": _dict(answer.items_per_s if answer else None),
            "power_w": _dict(answer.power_w if answer else None),
            "prefill_share": answer.prefill_share if answer else None,
            "joules_per_token": _dict(joules if tokens else None),
            "joules_per_item": _dict(None if tokens else joules),
            "usd_per_mtok": _dict(usd if tokens else None),
            "usd_per_mitem": _dict(None if tokens else usd),
            "price_basis": self.price.basis if self.price else None,
            "batch": answer.batch if answer else None,
            "batch_max": answer.batch_max if answer else None,
            "kv_tokens": answer.kv_tokens if answer else None,
            "plan": _plan(answer),
            "speculation": None if answer is None else speculation_document(answer.serving),
            "offload": _offload(answer),
            "bound_by": dict(answer.bound_by) if answer else None,
            "quality": self.quality.as_dict() if self.quality else None,
            "sources": self.sources(),
            "figures": [figure.as_dict(key) for key, figure in sorted(self.figures.items())] if explain else None,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """One question and every chip's answer, sorted as asked; `tokens` is False for models that make none.

    `standin` names the model whose outputs were compared where output quality was asked for.
    """

    question: Mapping[str, Any]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())
    tokens: bool = True
    standin: str = ""

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The document of silmark.compare/1."""
        rows = [row.as_dict(explain) for row in self.rows]
        return {"schema": SCHEMA, "question": dict(self.question), "notes": list(self.notes), "rows": rows}


def _dict(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.as_dict()


def speculation_document(serving: Serving) -> dict[str, Any] | None:
    """The draft model and how it is used, None without one."""
    used = serving.speculation
    if used is None:
        return None
    return {
        "draft": used.draft.model.name,
        "chips": used.draft.plan.replica_chips,
        "tokens": used.tokens,
        "acceptance": used.acceptance.as_dict(),
        "tokens_per_cycle": used.per_cycle().as_dict(),
    }


def _offload(answer: Estimate | None) -> dict[str, Any] | None:
    if answer is None or answer.restored is None:
        return None
    found = answer.restored
    return {"tier": found.tier, "share": found.share, "read_s": found.read_s, "sessions": found.sessions}


def _plan(answer: Estimate | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    plan = answer.step_model.plan
    return {
        "tp": plan.tp,
        "pp": plan.pp,
        "dp": plan.dp,
        "ep": plan.ep,
        "cp": plan.cp,
        "attention": plan.attention,
        "precision": str(plan.precision),
        "weights_in": plan.placement.weights,
        "kv_in": plan.placement.kv,
        "region": plan.placement.region or None,
    }


def standing(quality: Quality | None) -> str:
    """The measure that stands for a task, in a cell of another table."""
    if quality is None:
        return "-"
    name, value = quality.headline
    return "no numbers" if value is None else printed(name, value)


def printed(name: str, value: Interval) -> str:
    """A measure in a cell."""
    return "exact" if math.isinf(value.mid) else format(value.mid, MEASURES[name].form)
