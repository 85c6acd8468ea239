"""Figure: a number with its unit, source, grade and interval; Interval: low, mid and high of a result."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any


class Grade(IntEnum):
    """How good the evidence for a number is; larger is worse. A result carries the worst that matters to it."""

    MEASURED = 0
    DATASHEET = 1
    PAPER = 2
    THIRD_PARTY = 3
    DERIVED = 4
    CLAIMED = 5
    ASSUMED = 6

    @classmethod
    def parse(cls, text: str) -> Grade:
        """Returns the grade of that name as written in data files; raises KeyError for any other word."""
        return cls[text.upper().replace("-", "_")]

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Interval:
    """Low, mid and high of a result; low and high bound 80 % of what would be measured."""

    low: float
    mid: float
    high: float

    @classmethod
    def around(cls, mid: float, log_low: float, log_high: float) -> Interval:
        """Interval from a mid value and (positive) widths in natural logarithms."""
        return cls(mid * math.exp(-log_low), mid, mid * math.exp(log_high))

    def at_least(self, floor: float) -> Interval:
        """The interval with nothing below a floor that physics sets."""
        return Interval(max(self.low, floor), max(self.mid, floor), max(self.high, floor))

    def at_most(self, ceiling: float) -> Interval:
        """The interval with nothing above a ceiling that physics sets."""
        return Interval(min(self.low, ceiling), min(self.mid, ceiling), min(self.high, ceiling))

    def inverse(self, scale: float = 1.0) -> Interval:
        """Scale / interval, with the bounds exchanged."""
        return Interval(scale / self.high, scale / self.mid, scale / self.low)

    def scaled(self, factor: float) -> Interval:
        """The interval times a positive factor."""
        return Interval(self.low * factor, self.mid * factor, self.high * factor)

    def as_dict(self) -> dict[str, float]:
        """The three numbers, as in the JSON schema."""
        return {"low": self.low, "mid": self.mid, "high": self.high}


@dataclass(frozen=True, slots=True)
class Figure:
    """One sourced number, held in SI.

    Attributes:
        key: dotted name inside its file, e.g. `memory.main.bandwidth`.
        value: the value in `unit` (SI).
        low, high: interval in the same unit; equal to value where no source disagrees.
        unit: SI unit.
        source: key into the table of sources.
        grade: evidence.
        shown, shown_bounds: the number and its interval in the unit of the file.
        note, date, derived_from: as the file says; `derived_from` names a claim.
    """

    key: str
    value: float
    low: float
    high: float
    unit: str
    source: str
    grade: Grade
    shown: str = ""
    shown_bounds: str = ""
    note: str = ""
    date: str = ""
    derived_from: str = ""
    alternatives: tuple[dict[str, Any], ...] = field(default=(), compare=False)

    @property
    def log_low(self) -> float:
        """ln(value / low): how far the truth may lie below, >= 0; as far as above where low is 0."""
        return math.log(self.value / self.low) if self.low > 0 and self.value > 0 else self.log_high

    @property
    def log_high(self) -> float:
        """ln(high / value): how far the truth may lie above, >= 0."""
        return math.log(self.high / self.value) if self.value > 0 else 0.0

    @property
    def origins(self) -> tuple[str, ...]:
        """Names of the claims that it was derived from: `claim:a, claim:b` gives a and b."""
        words = (word.strip() for word in self.derived_from.split(","))
        return tuple(word.removeprefix("claim:") for word in words if word.startswith("claim:"))

    def as_dict(self, key: str = "") -> dict[str, Any]:
        """The figure as in the JSON schemas, in SI."""
        return {
            "key": key or self.key,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "unit": self.unit,
            "source": self.source,
            "grade": str(self.grade),
            "note": self.note,
            "date": self.date,
            "derived_from": self.derived_from,
        }

    def at(self, value: float) -> Figure:
        """The same figure with another value and no interval, for what-if questions."""
        return replace(self, value=value, low=value, high=value, grade=Grade.ASSUMED, note="set by the question")


def quadrature(widths: Iterable[float]) -> float:
    """Root of the sum of squares: how independent relative uncertainties add."""
    return math.sqrt(sum(w * w for w in widths))
