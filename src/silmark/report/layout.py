"""A rack layout's cables: how many of what, their power and price, with and without active copper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from silmark.fabric.physical.sums import more
from silmark.figures import Interval
from silmark.report.wiring import Cables, Cells, Way, dollars, plain

PLANS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("copper, active copper, optics", ("dac", "aec", "aoc")),
    ("copper, Taurus, optics", ("dac", "astera-taurus-800", "aoc")),
    ("copper, then optics", ("dac", "aoc")),
    ("optics only", ("aoc",)),
)
"""Ways to cable a rack: of the media named, each length takes the first that reaches."""


@dataclass(frozen=True, slots=True)
class Run:
    """So many cables of one length, and what there is for it."""

    count: int
    answer: Cables


@dataclass(frozen=True, slots=True)
class Bill:
    """One plan of a layout.

    Attributes:
        name: of the plan.
        used: cables by way.
        power_w, price_usd: of all; None where a length has no cable.
        longest_s: latency of the slowest cable.
        lost: lengths that nothing of the plan reaches.
    """

    name: str
    used: tuple[tuple[str, int], ...]
    power_w: Interval | None
    price_usd: Interval | None
    longest_s: Interval | None
    lost: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """All cables of a rack, and the plans for them."""

    question: dict[str, Any]
    runs: tuple[Run, ...]
    bills: tuple[Bill, ...]

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.layout/1."""
        bills = [
            {
                "name": one.name,
                "cables": dict(one.used),
                "power_w": one.power_w.as_dict() if one.power_w else None,
                "price_usd": one.price_usd.as_dict() if one.price_usd else None,
                "longest_s": one.longest_s.as_dict() if one.longest_s else None,
                "lost_m": list(one.lost),
            }
            for one in self.bills
        ]
        return {"schema": "silmark.layout/1", "question": self.question, "plans": bills}


def bill(name: str, media: Sequence[str], runs: Sequence[Run]) -> Bill:
    """What a plan of media comes to for all runs."""
    chosen = [(run, _first(run.answer, media)) for run in runs]
    lost = tuple(run.answer.question["length_m"] for run, way in chosen if way is None)
    used: Counter[str] = Counter()
    for run, way in chosen:
        used[way.name if way else "none"] += run.count
    fitted = [(run.count, way) for run, way in chosen if way]
    if lost:
        return Bill(name, tuple(used.items()), None, None, None, lost)
    power = more(*(way.power_w.scaled(count) for count, way in fitted if way.power_w))
    price = more(*(way.price_usd.scaled(count) for count, way in fitted if way.price_usd))
    longest = max((way.latency_s for _, way in fitted if way.latency_s), key=lambda interval: interval.mid)
    return Bill(name, tuple(used.items()), power, price, longest, ())


def _first(answer: Cables, media: Sequence[str]) -> Way | None:
    """The way over the first medium that reaches."""
    ways = {way.name: way for way in answer.ways if not way.training.lost}
    return next((ways[name] for name in media if name in ways), None)


def plans(found: Layout) -> Cells:
    """One line per plan."""
    lines = []
    for one in found.bills:
        cables = ", ".join(f"{count} {name}" for name, count in one.used)
        lost = f"nothing reaches {', '.join(f'{metres:.3g} m' for metres in one.lost)}" if one.lost else ""
        figures = [plain(one.power_w, "W"), dollars(one.price_usd), plain(one.longest_s, "s")]
        lines.append([one.name, cables, *figures, lost])
    return ["plan", "cables", "power", "price", "slowest", ""], lines
