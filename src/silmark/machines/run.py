"""What a machine answers: a run with its results, cycles and joules, or a refusal with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Figure, Interval

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a unit did.

    Attributes:
        track: the unit, one line of the timeline; `/` groups tracks: `chip 0/MXM 2`.
        name: what it did.
        start, cycles: from which cycle on and how long.
    """

    track: str
    name: str
    start: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Run:
    """One executed program.

    Attributes:
        outputs: float32 values by tensor, as the machine's arithmetic computed them.
        format: name of the arithmetic that ran.
        cycles: from the first instruction to the last result, at `clock_hz`.
        energy_j: joules by part of the machine, with the interval of the figures that they come from.
        utilisation: busy share of each unit over all cycles, 0 to 1.
        events: what the units did, for the timeline; long runs may keep the first ones only and say so in `facts`.
        facts: what a reader should know: `chips`, `memory_bytes`, ... in words or numbers.
        figures: every figure that was used, by key.
    """

    outputs: Mapping[str, Array]
    format: str
    cycles: int
    clock_hz: float
    energy_j: Mapping[str, Interval]
    utilisation: Mapping[str, float]
    events: tuple[Event, ...] = ()
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def time_s(self) -> float:
        """Cycles at the clock."""
        return self.cycles / self.clock_hz

    @property
    def total_j(self) -> Interval:
        """Energy of all parts; their uncertainties are taken to go together."""
        return total(self.energy_j.values())


@dataclass(frozen=True, slots=True)
class Refusal:
    """A program that a machine cannot run as it stands: an answer, not an error.

    Attributes:
        reason: what does not fit, with both numbers: "weights 436 MB > 231 MB of SRAM; at least 2 chips".
        cannot: the machine has no such operator at all; else the program is too large or does not tile.
    """

    reason: str
    cannot: bool = False


def joules(count: float, each: Figure) -> Interval:
    """Energy of so many events of a figure in J."""
    return Interval(count * each.low, count * each.value, count * each.high)


def total(parts: Iterable[Interval]) -> Interval:
    """Sum of intervals, bound by bound."""
    bounds = [(part.low, part.mid, part.high) for part in parts]
    return Interval(*(sum(column) for column in zip(*bounds, strict=True))) if bounds else Interval(0.0, 0.0, 0.0)
