"""Ported and Built: what leaving a stack, or making one's own chip, costs, as values with their JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from silmark.economics.cost import Cost
from silmark.economics.nre import BuildOrBuy
from silmark.economics.porting import Payback, Port
from silmark.figures import Figure, Interval
from silmark.report.priced import parts

PORT_SCHEMA = "silmark.port/1"
BUILD_SCHEMA = "silmark.build-or-buy/1"


@dataclass(frozen=True, slots=True)
class Ported:
    """What a port costs, and when it pays.

    Attributes:
        question: what was asked, after defaults.
        port: the port.
        months: engineer-months, upkeep included.
        old, new: what tokens cost on both systems, None where none were named.
        payback: when the port pays, None where none were named.
    """

    question: dict[str, Any]
    port: Port
    months: Interval
    old: Cost | None = None
    new: Cost | None = None
    payback: Payback | None = None

    @property
    def fleet(self) -> int:
        """Chips that share the port; 0 where none were named."""
        return int(self.question["fleet"] or 0)

    @property
    def days(self) -> Interval | None:
        """Days of work until the port is paid, on the named number of chips."""
        if not self.fleet or self.new is None or self.payback is None or self.payback.tokens is None:
            return None
        rate = self.new.estimate.rate.mid / self.new.estimate.chips * self.fleet
        return self.payback.tokens.scaled(1.0 / rate / 86_400.0)

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.port/1."""
        return {
            "schema": PORT_SCHEMA,
            "question": self.question,
            "facts": {stack.name: stack.facts for stack in (self.port.source, self.port.target)},
            "usd": self.port.usd.as_dict(),
            "engineer_months": self.months.as_dict(),
            "parts": parts(self.port.ledger),
            "usd_per_chip": self.port.usd.scaled(1.0 / self.fleet).as_dict() if self.fleet else None,
            "usd_per_million_old": self.old.usd_per_million.as_dict() if self.old else None,
            "usd_per_million_new": self.new.usd_per_million.as_dict() if self.new else None,
            "saving_usd_per_million": self.payback.saving.as_dict() if self.payback else None,
            "saves": self.payback.saves if self.payback else None,
            "tokens": bounds(self.payback.tokens) if self.payback else None,
            "days": bounds(self.days),
            "figures": _figures(self.port.figures),
        }


@dataclass(frozen=True, slots=True)
class Built:
    """What a chip of one's own costs against one that is bought.

    Attributes:
        question: what was asked, after defaults.
        found: the comparison.
        making: USD of one chip by part.
        project: USD spent once, by part.
        assumed: figures that the chip's file does not give.
        figures: what it was computed from, by key.
    """

    question: dict[str, Any]
    found: BuildOrBuy
    making: Mapping[str, float]
    project: Mapping[str, float]
    assumed: tuple[str, ...]
    figures: Mapping[str, Figure]

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.build-or-buy/1."""
        found = self.found
        return {
            "schema": BUILD_SCHEMA,
            "question": self.question,
            "once_usd": found.once.as_dict(),
            "once_parts": dict(self.project),
            "unit_usd": found.unit.as_dict(),
            "unit_parts": dict(self.making),
            "usd_per_million_own": found.own.as_dict(),
            "usd_per_million_once": found.spread.as_dict(),
            "usd_per_million_bought": found.bought.as_dict(),
            "chips": bounds(found.volume),
            "pays": found.pays,
            "saves": found.saves,
            "assumed": list(self.assumed),
            "figures": _figures(self.figures),
        }


def bounds(interval: Interval | None) -> dict[str, float | None] | None:
    """Low, mid and high; null where a bound is infinite, or there is no number."""
    if interval is None:
        return None
    return {name: value if math.isfinite(value) else None for name, value in interval.as_dict().items()}


def _figures(found: Mapping[str, Figure]) -> list[dict[str, Any]]:
    return [figure.as_dict(key) for key, figure in sorted(found.items())]
