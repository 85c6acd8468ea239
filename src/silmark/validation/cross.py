"""Cross-validation of end-to-end predictions: what is fitted without a chip, model, vendor or row, and predicts it.

row      one row in five left out: another configuration of what was measured
model    all rows of a model left out
chip     all rows of a chip left out
vendor   all rows of a vendor's chips left out
engine   all rows of an engine left out
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from silmark.calibration import engines
from silmark.calibration.engines import Sample
from silmark.calibration.interval import FULL, of_known, of_new
from silmark.graph import Array

LEVELS = ("row", "model", "chip", "vendor", "engine")
Pair = tuple[Sample, float]
"""A row and ln(measured / predicted) of it."""
Left = Mapping[tuple[str, str], Sequence[Pair]]
"""By kind of measurement and level."""
Widths = dict[tuple[str, str, str], tuple[float, float]]
"""Widths below and above in logarithms, by vendor, kind and level; "" for all vendors, and for all kinds."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One row against a prediction and an error bar made without it.

    Attributes:
        left: ln(measured / predicted).
        below, above: widths of the error bar in logarithms.
    """

    sample: Sample
    left: float
    below: float
    above: float

    @property
    def inside(self) -> bool:
        """Whether the error bar holds the measured number."""
        return -self.below <= self.left <= self.above


def leave_out(samples: Sequence[Sample]) -> Left:
    """Residuals of every kind and level that leaves rows to fit on."""
    found = {}
    for kind in sorted({one.kind for one in samples}):
        own = [one for one in samples if one.kind == kind]
        for level in LEVELS:
            pairs = engines.left_out(own, level)
            if len(pairs) >= FULL:
                found[kind, level] = pairs
    return found


def widths(left: Left) -> Widths:
    """Error bars by vendor, kind and level of what was not seen."""
    found: Widths = {}
    for (kind, level), pairs in left.items():
        found["", kind, level] = _sides(pairs, level)
        for vendor in sorted({one.levels["vendor"] for one, _ in pairs}):
            mine = _of_vendor(pairs, vendor, level)
            if mine:
                found[vendor, kind, level] = _sides(mine, level)
    for level in LEVELS:
        every = [pair for (_, other), pairs in left.items() if other == level for pair in pairs]
        if every:
            found["", "", level] = _sides(every, level, lambda one: one.kind)
    return found


def judge(left: Left) -> dict[tuple[str, str], list[Judged]]:
    """Every left-out row with an error bar that it had no part in."""
    judged = {}
    for (kind, level), pairs in left.items():
        parts = _parts(pairs, level)
        if level != "engine" and len(parts) > 1:
            judged[kind, level] = [one for part in parts for one in _judge(pairs, level, part)]
    return judged


def _parts(pairs: Sequence[Pair], level: str) -> list[set[int]]:
    """Places of the rows that are judged together: all rows of a member, or every second row."""
    if level == "row":
        return [set(range(first, len(pairs), 2)) for first in (0, 1)]
    members: dict[str, set[int]] = {}
    for place, (one, _) in enumerate(pairs):
        members.setdefault(_member(one, level), set()).add(place)
    return list(members.values())


def _judge(pairs: Sequence[Pair], level: str, part: Set[int]) -> list[Judged]:
    kept = [pair for place, pair in enumerate(pairs) if place not in part]
    known: dict[str, tuple[float, float]] = {}
    result = []
    for place in sorted(part):
        one, rest = pairs[place]
        vendor = one.levels["vendor"]
        if vendor not in known:
            known[vendor] = _sides(_of_vendor(kept, vendor, level) or kept, level)
        result.append(Judged(one, rest, *known[vendor]))
    return result


def _of_vendor(pairs: Sequence[Pair], vendor: str, level: str) -> list[Pair]:
    """A vendor's rows, if at least two members of the level have enough of them; else none."""
    mine = [pair for pair in pairs if pair[0].levels["vendor"] == vendor]
    counts = [len(rows) for rows in _grouped(mine, lambda one: _member(one, level)).values()]
    return mine if sum(1 for count in counts if count >= FULL) > 1 else []


def _sides(pairs: Sequence[Pair], level: str, within: Callable[[Sample], str] = lambda _: "") -> tuple[float, float]:
    groups = _grouped(pairs, lambda one: (within(one), _member(one, level)))
    return (of_known if level == "row" else of_new)(list(groups.values()))


def _grouped(pairs: Sequence[Pair], key: Callable[[Sample], object]) -> dict[object, Array]:
    groups: dict[object, list[float]] = {}
    for one, rest in pairs:
        groups.setdefault(key(one), []).append(rest)
    return {name: np.array(values) for name, values in groups.items()}


def _member(one: Sample, level: str) -> str:
    """What of a level a row belongs to; single rows are grouped by chip."""
    return one.engine if level == "engine" else one.levels["chip" if level == "row" else level]
