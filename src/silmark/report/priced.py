"""Priced: a system's costs for a model as a value; `as_dict` is the JSON of silmark.cost/1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from silmark.economics.breakeven import BreakEven
from silmark.economics.cost import Cost
from silmark.economics.ledger import Ledger
from silmark.economics.tornado import Bar, tornado

SCHEMA = "silmark.cost/1"


@dataclass(frozen=True, slots=True)
class Priced:
    """A system's costs for a model.

    Attributes:
        question: what was asked, after defaults.
        status: ok; infeasible or cannot-run, with the reason (a missed promise still has costs).
        cost: None where the plan cannot run.
        break_even: of the chip's price, where another system was named.
    """

    question: dict[str, Any]
    status: str
    reason: str
    cost: Cost | None
    break_even: BreakEven | None = None

    @property
    def tornado(self) -> tuple[Bar, ...]:
        """What each input moves, the most first."""
        return tornado(self.cost.per_million) if self.cost else ()

    @property
    def claims(self) -> tuple[str, ...]:
        """Claims of the vendor that the speed was derived from: what they say cannot be confirmed by it."""
        figures = self.cost.estimate.figures.values() if self.cost else ()
        found = (name.strip() for figure in figures for name in figure.derived_from.split(","))
        return tuple(sorted({name for name in found if name}))

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.cost/1; SI units, dollars per million tokens or items."""
        head = {"schema": SCHEMA, "question": self.question, "status": self.status, "reason": self.reason}
        return {**head, "cost": _cost(self.cost, self.tornado) if self.cost else None, "break_even": self._even()}

    def _even(self) -> dict[str, Any] | None:
        even = self.break_even
        if even is None:
            return None
        return {
            "ratio": even.ratio,
            "usd_per_chip": even.price.as_dict(),
            "reached": even.reached,
            "free_ratio": even.free_ratio,
            "baseline_usd_per_million": even.baseline.as_dict(),
            "baseline_misses": even.misses,
            "claims": list(self.claims),
        }


def _cost(found: Cost, bars: tuple[Bar, ...]) -> dict[str, Any]:
    answer, split = found.estimate, found.split
    per_input, per_output = split.of(found.usd_per_million) if split else (None, None)
    return {
        "basis": found.basis,
        "grade": str(found.grade),
        "counts": "output tokens" if split else "items",
        "rate": answer.rate.as_dict(),
        "chips": answer.chips,
        "usd_per_h": found.bill.ledger.interval().scaled(3600.0).as_dict(),
        "usd_per_million": found.usd_per_million.as_dict(),
        "parts": parts(found.per_million),
        "unit_usd": found.unit,
        "rent_below_utilisation": found.rent_below.as_dict() if found.rent_below else None,
        "usd_per_million_input": per_input.as_dict() if per_input else None,
        "usd_per_million_output": per_output.as_dict() if per_output else None,
        "prefill_share": split.prefill if split else None,
        "per_usd": found.tokens_per_usd.as_dict(),
        "joules": answer.joules.as_dict(),
        "joules_input_share": found.input_joules,
        "facility_joules": found.facility_joules.as_dict(),
        "per_facility_joule": found.facility_joules.inverse().as_dict(),
        "power_w": found.watts.as_dict(),
        "kgco2e_per_million": found.carbon.interval().as_dict(),
        "kgco2e_parts": {name: float(amount) for name, amount in found.carbon.amounts().items()},
        "tornado": [
            {"input": bar.key, "value": bar.value.as_dict(), "at_low": bar.at_low, "at_high": bar.at_high}
            for bar in bars
        ],
        "figures": [figure.as_dict(key) for key, figure in sorted(found.figures.items())],
    }


def parts(ledger: Ledger) -> list[dict[str, Any]]:
    """Each part of a ledger with its own interval and its share of the total."""
    total = float(ledger.total())
    return [
        {
            "name": name,
            "amount": ledger.only(name).interval().as_dict(),
            "share": float(amount) / total if total else 0.0,
        }
        for name, amount in ledger.amounts().items()
    ]
