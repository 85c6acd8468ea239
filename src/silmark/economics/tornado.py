"""Tornado: what moving each input to its bounds does to a total, largest first."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.economics.ledger import Ledger
from silmark.figures import Interval


@dataclass(frozen=True, slots=True)
class Bar:
    """One input of a total.

    Attributes:
        key: the input.
        value: its interval.
        at_low, at_high: the total with this input at its low and at its high bound, all others in the middle.
    """

    key: str
    value: Interval
    at_low: float
    at_high: float

    @property
    def width(self) -> float:
        """How far apart the two totals are."""
        return abs(self.at_high - self.at_low)


def tornado(ledger: Ledger) -> tuple[Bar, ...]:
    """A bar for every input, the widest first."""
    bars = [
        Bar(key, value, float(ledger.total({key: value.low})), float(ledger.total({key: value.high})))
        for key, value in ledger.inputs.items()
    ]
    return tuple(sorted(bars, key=lambda bar: (-bar.width, bar.key)))
