"""Support of a model by chips: documents and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from silmark.figures.numbers import si, three
from silmark.mapping.fallback import Spent, Support, Use
from silmark.mapping.support import FormatUse, formats_of
from silmark.report.wiring import Cells

_PHASES = {"prefill": "prompt", "decode": "decode", "forward": "pass"}
_WORTH = 1.005
"""A loss below half a percent is none."""


@dataclass(frozen=True, slots=True)
class SupportAnswer:
    """One model on chips.

    Attributes:
        question: what was asked, after defaults.
        rows: a chip each.
        notes: what a reader must know of the model.
    """

    question: dict[str, Any]
    rows: tuple[Support, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.support/1."""
        return {
            "schema": "silmark.support/1",
            "question": self.question,
            "notes": list(self.notes),
            "rows": [
                {
                    **short(row),
                    "operators": [_operators(use) for use in row.uses],
                    "formats": [format_use(use) for use in formats_of(row.chip)],
                }
                for row in self.rows
            ],
        }


def short(row: Support) -> dict[str, Any]:
    """One model on one chip, for documents."""
    return {
        "chip": row.chip.id,
        "chip_status": row.chip.status,
        "precision": str(row.precision),
        "weights": row.weights.use,
        "status": row.by,
        "reason": row.reason,
        "grade": None if row.grade is None else str(row.grade),
        "times_at_most": row.loss,
        "time_s": dict(row.total_s),
    }


def _operators(use: Use) -> dict[str, Any]:
    way = use.verdict.way
    return {
        "feature": use.feature,
        "names": list(use.names),
        "status": use.verdict.by,
        "on": way.on if way else "",
        "how": way.how if way else use.verdict.reason,
        "source": way.source if way else "",
        "grade": str(way.grade) if way else None,
        "spent": {
            phase: None if spent is None else {"time_s": spent.time_s, "peak_s": spent.peak_s}
            for phase, spent in use.spent.items()
        },
    }


def format_use(use: FormatUse) -> dict[str, Any]:
    """A number format on one chip, for documents."""
    known = use.use != "no"
    return {
        "format": use.name,
        "use": use.use,
        "rate": use.rate,
        "how": use.how,
        "source": use.source,
        "grade": str(use.grade) if known else None,
    }


def reference(answer: SupportAnswer) -> str:
    """The reference step in words."""
    context, batch = answer.question["context"], answer.question["batch"]
    if "decode" in answer.rows[0].total_s:
        return f"a prompt of {context:,} tokens, and a step of {batch:,} sequences with {context:,} tokens of context"
    return f"one pass over {batch:,} items"


def listing(answer: SupportAnswer) -> Cells:
    """One line per chip."""
    lines = [
        [
            row.chip.id,
            str(row.precision),
            row.by,
            *_losses(row),
            "-" if row.grade is None else str(row.grade),
            _why(row),
        ]
        for row in answer.rows
    ]
    return ["chip", "format", "runs", *_headers(answer), "grade", ""], lines


def _headers(answer: SupportAnswer) -> list[str]:
    return [f"{_PHASES[phase]} at most" for phase in answer.rows[0].total_s]


def _losses(row: Support) -> list[str]:
    return ["-" if row.by == "cannot" else times(loss) for loss in row.loss.values()]


def times(loss: float | None) -> str:
    """A loss as a factor."""
    return "-" if loss is None else f"x{three(loss)}" if loss >= _WORTH else "x1"


def _why(row: Support) -> str:
    """What a line ends with: why the chip cannot, or what falls back, and how weights are widened."""
    if row.by == "cannot":
        return row.reason
    slow = [use for use in row.uses if use.verdict.by == "fallback"]
    told = [f"{use.feature} on {use.verdict.way.on}" for use in slow if use.verdict.way]
    stored = row.weights
    if stored.name != row.precision.compute:
        told.append(f"{stored.name} weights: {stored.how or 'nothing is known of them here'}")
    return ", ".join(told)


def operators(row: Support) -> Cells:
    """Operators of one chip with their cost: seconds, share of the step, times their seconds at the chip's peaks."""
    headers = ["operators", "runs", "on"]
    for phase in row.total_s:
        headers += [_PHASES[phase], "share", "to peak"]
    lines = []
    for use in row.uses:
        way = use.verdict.way
        cells = [cell for phase, total in row.total_s.items() for cell in _spent(use.spent.get(phase), total)]
        told = [str(way.grade), way.how] if way else ["-", use.verdict.reason]
        lines.append([use.feature, use.verdict.by, way.on if way else "-", *cells, *told])
    return [*headers, "grade", ""], lines


def _spent(spent: Spent | None, total: float | None) -> list[str]:
    if spent is None:
        return ["-", "-", "-"]
    share = "-" if not total else f"{spent.time_s / total:.0%}"
    return [si(spent.time_s, "s"), share, f"x{three(spent.time_s / spent.peak_s)}" if spent.peak_s else "-"]


def formats(row: Support) -> Cells:
    """Number formats of one chip, those that it does nothing with left out."""
    lines = [
        [use.name, use.use, "-" if use.rate is None else f"x{three(use.rate)}", str(use.grade), use.how]
        for use in formats_of(row.chip)
        if use.use != "no"
    ]
    return ["format", "use", f"rate to {row.chip.precision}", "grade", ""], lines
