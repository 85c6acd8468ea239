"""Two snapshots beside each other: what moved, what appeared, what is gone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from silmark.report.snapshot import Bounds, Key, Snapshot
from silmark.validation.grid import Grid

SCHEMA = "silmark.changes/1"
TOLERANCE = 0.01
"""What moved by less is not listed."""
_LINES = 30
"""Lines of a table in a terminal; the JSON has all."""


@dataclass(frozen=True, slots=True)
class Move:
    """One number that both snapshots have."""

    key: Key
    before: Bounds
    after: Bounds

    @property
    def ratio(self) -> float:
        """After over before; infinite where one of them is 0."""
        return _ratio(self.before.mid, self.after.mid)

    @property
    def size(self) -> float:
        """|ln(after / before)|."""
        return abs(math.log(self.ratio)) if math.isfinite(self.ratio) else math.inf

    @property
    def moved(self) -> bool:
        """By more than the tolerance."""
        return self.size > math.log1p(TOLERANCE)

    @property
    def widened(self) -> bool:
        """The number is where it was, but an end of its error bar moved."""
        if self.moved:
            return False
        ends = ((self.before.low, self.after.low), (self.before.high, self.after.high))
        ratios = [_ratio(*pair) for pair in ends]
        return any(not math.isfinite(r) or abs(math.log(r)) > math.log1p(TOLERANCE) for r in ratios)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        ratio = self.ratio if math.isfinite(self.ratio) else None
        return {**self.key._asdict(), "before": list(self.before), "after": list(self.after), "ratio": ratio}


@dataclass(frozen=True, slots=True)
class Lone:
    """One number that only one snapshot has, and why the other one lacks it."""

    key: Key
    bounds: Bounds
    why: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.key._asdict(), "value": list(self.bounds), "why": self.why}


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed from one snapshot to another.

    Attributes:
        against: the older one in words.
        both: numbers that both have.
        appeared, disappeared: numbers that one of them has.
        plans: (question, chip, before, after) where the chosen plan is another one.
        same_grid: both were asked the same questions.
    """

    against: str
    both: tuple[Move, ...]
    appeared: tuple[Lone, ...]
    disappeared: tuple[Lone, ...]
    plans: tuple[tuple[str, str, str, str], ...]
    same_grid: bool

    @property
    def moved(self) -> list[Move]:
        """Numbers that moved by more than the tolerance, the largest moves first."""
        return sorted((one for one in self.both if one.moved), key=lambda one: (-one.size, one.key))

    @property
    def widened(self) -> list[Move]:
        """Numbers that stayed while their error bar changed."""
        return [one for one in self.both if one.widened]

    def headline(self) -> str:
        """The result in a sentence or two."""
        text = (
            f"Against {self.against}: {len(self.both):,} predictions compared, {len(self.moved):,} moved by more than "
            f"{TOLERANCE:.0%}, {len(self.widened):,} only in their error bars; {len(self.appeared):,} appeared, "
            f"{len(self.disappeared):,} disappeared; {len(self.plans):,} chips take another plan."
        )
        return text if self.same_grid else f"{text} The two were asked different grids of questions."

    def grids(self) -> list[Grid]:
        """Tables for a terminal; empty ones are left out."""
        moves = self.moved
        found = [
            _grouped("What moved", "number", self.both, _what),
            _grouped("On which chips", "chip", self.both, lambda one: one.key.chip),
            _largest(moves),
            _lone("Appeared", self.appeared),
            _lone("Disappeared", self.disappeared),
            _plans(self.plans),
        ]
        return [grid for grid in found if grid.rows]

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.changes/1: every number that changed."""
        return {
            "schema": SCHEMA,
            "against": self.against,
            "same_grid": self.same_grid,
            "tolerance": TOLERANCE,
            "compared": len(self.both),
            "moved": [one.as_dict() for one in self.moved],
            "only_in_error_bars": [one.as_dict() for one in self.widened],
            "appeared": [one.as_dict() for one in self.appeared],
            "disappeared": [one.as_dict() for one in self.disappeared],
            "plans": [dict(zip(("question", "chip", "before", "after"), one, strict=True)) for one in self.plans],
        }


def compare(before: Snapshot, after: Snapshot, against: str) -> Changes:
    """What changed from `before`, which `against` names, to `after`."""
    plans = [
        (question, chip, old.plan, new.plan)
        for (part, question, chip), old in before.answers.items()
        if (new := after.answers.get((part, question, chip))) and old.plan and new.plan and old.plan != new.plan
    ]
    return Changes(
        against,
        tuple(Move(key, old, after.numbers[key]) for key, old in before.numbers.items() if key in after.numbers),
        _only(after, before),
        _only(before, after),
        tuple(plans),
        before.grid == after.grid,
    )


def _only(here: Snapshot, there: Snapshot) -> tuple[Lone, ...]:
    """Numbers of one snapshot that the other one lacks, with its reason."""
    found = []
    for key, bounds in here.numbers.items():
        if key not in there.numbers:
            found.append(Lone(key, bounds, there.why(key)))
    return tuple(found)


def _ratio(before: float, after: float) -> float:
    if before == after:
        return 1.0
    return after / before if before > 0 and after > 0 else math.inf


def _what(one: Move) -> str:
    """Operators by kind of table, all else by the name of the number."""
    return f"{one.key.question} operators" if one.key.part == "operators" else one.key.number


def _grouped(title: str, header: str, both: Iterable[Move], name: Callable[[Move], str]) -> Grid:
    groups: dict[str, list[Move]] = {}
    for one in both:
        groups.setdefault(name(one), []).append(one)
    rows = []
    for group, members in groups.items():
        moves = [one for one in members if one.moved]
        bars = sum(one.widened for one in members)
        if moves or bars:
            rows.append((max((one.size for one in moves), default=0.0), group, members, moves, bars))
    rows.sort(key=lambda row: (-row[0], row[1]))
    cells = tuple(
        (group, f"{len(moves):,}", f"{len(members):,}", _median(moves), _factor(_extreme(moves)), f"{bars:,}")
        for _, group, members, moves, bars in rows
    )
    headers = (header, "moved", "of", "median", "farthest", "only bars")
    return _cut(Grid(f"{title}: after over before", headers, cells, 1))


def _median(moves: Sequence[Move]) -> str:
    """Median of after over before of what moved."""
    ratios = [one.ratio for one in moves if math.isfinite(one.ratio)]
    return _factor(float(np.median(ratios)) if ratios else None)


def _extreme(moves: Sequence[Move]) -> float | None:
    return max(moves, key=lambda one: one.size).ratio if moves else None


def _factor(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3g}" if abs(ratio - 1) > 0.2 else f"{ratio:.3f}"


def _largest(moves: Sequence[Move]) -> Grid:
    """One line per question and number, with the chip on which it moved farthest: one cause moves many chips."""
    groups: dict[tuple[str, str], list[Move]] = {}
    for one in moves:
        groups.setdefault((one.key.question, one.key.number), []).append(one)
    rows = []
    for (question, number), (first, *others) in groups.items():
        chips = first.key.chip + (f" and {len(others)} more" if others else "")
        values = (f"{first.before.mid:.4g}", f"{first.after.mid:.4g}", _factor(first.ratio))
        rows.append((question, number, chips, *values))
    headers = ("question", "number", "chip", "before", "after", "ratio")
    return _cut(Grid("Largest moves", headers, tuple(rows), 3))


def _lone(title: str, found: Sequence[Lone]) -> Grid:
    """By question and the other side's reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in found:
        groups.setdefault((one.key.question, one.why), []).append(one.key.chip)
    rows = []
    for (question, why), chips in sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        several = len(set(chips))
        rows.append((question, chips[0] if several == 1 else f"{several} chips", why or "-", f"{len(chips):,}"))
    headers = ("question", "chip", "without numbers on the other side because", "numbers")
    return _cut(Grid(title, headers, tuple(rows), 3))


def _plans(plans: Sequence[tuple[str, str, str, str]]) -> Grid:
    return _cut(Grid("Other plans", ("question", "chip", "before", "after"), tuple(plans), 4))


def _cut(grid: Grid) -> Grid:
    """The table's first lines, its title saying how many there are."""
    if len(grid.rows) <= _LINES:
        return grid
    title = f"{grid.title} (first {_LINES} of {len(grid.rows):,}; --json has all)"
    return Grid(title, grid.headers, grid.rows[:_LINES], grid.numbers)
