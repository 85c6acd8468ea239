"""Predictions beside measurements, ready to be drawn: one panel per metric, or per kind of operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark.chips import catalog
from silmark.graph import Array
from silmark.validation import targets
from silmark.validation.cross import Judged
from silmark.validation.operators.accuracy import Said
from silmark.validation.operators.curves import FAR, KIN, LIKE, SEEN, UNSEEN
from silmark.validation.operators.report import lines

LEAST_ROWS = 5
"""Fewer rows make no picture; the tables have them."""
_HARDEST = {
    "chip": "every chip left out",
    "model": "every model left out",
    "row": "one row in five left out",
    "generation": "every generation left out",
    "half": "half of the shapes left out",
}
"""What was left out of fits, the hardest question first."""
_WORDS = {
    SEEN: "measured",
    KIN: "never measured, a sibling was",
    LIKE: "measured under other kernels",
    UNSEEN: "never measured",
    FAR: "never measured, nor this kernel elsewhere",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """Points that are drawn together.

    Attributes:
        title: metric or kind of operator.
        unit: of both axes.
        chips: id per point.
        measured, predicted: in the unit.
        note: what the points stand for.
    """

    title: str
    unit: str
    chips: NDArray[np.str_]
    measured: Array
    predicted: Array
    note: str = ""

    @property
    def logs(self) -> Array:
        """ln(measured / predicted) per point."""
        return np.log(self.measured / self.predicted)


@dataclass(frozen=True, slots=True)
class Held:
    """How often the error bars of one class hold.

    Attributes:
        label: of the class.
        rows: behind it.
        share: inside of their bar; width: median of high over low.
        chips: the share of each chip's rows.
    """

    label: str
    rows: int
    share: float
    width: float
    chips: tuple[float, ...]


def of_models(judged: Mapping[tuple[str, str], Sequence[Judged]]) -> list[Panel]:
    """One panel per metric, the largest first: every chip predicted without its own rows where several were measured.

    A rate is drawn as the time of the work behind it.
    """
    panels = []
    for metric in dict.fromkeys(metric for metric, _ in judged):
        level = next((level for level in _HARDEST if (metric, level) in judged), "")
        rows = judged.get((metric, level), ())
        if len(rows) >= LEAST_ROWS:
            measured = np.array([one.sample.seconds for one in rows], dtype=np.float64)
            left = np.array([one.left for one in rows], dtype=np.float64)
            chips = np.array([one.sample.chip for one in rows])
            unit = "W" if metric == "power" else "s"
            panels.append(Panel(metric, unit, chips, measured, measured / np.exp(left), _HARDEST[level]))
    return sorted(panels, key=lambda panel: -panel.measured.size)


def of_operators(said: Sequence[Said]) -> list[Panel]:
    """One panel per class of operators: every generation predicted without its rows where several were measured."""
    best: dict[str, Said] = {}
    for one in said:
        if one.evidence in (SEEN, UNSEEN) and (one.evidence == UNSEEN or one.kind not in best):
            best[one.kind] = one
    return [_kind(one) for one in best.values()]


def _kind(said: Said) -> Panel:
    """Measured seconds of a class, and those seconds over what was left of measured over predicted."""
    chips = np.concatenate([np.full(errors.size, chip) for chip, errors in said.by_chip.items()])
    times = np.concatenate([said.seconds[chip] for chip in said.by_chip])
    note = _HARDEST["generation" if said.evidence == UNSEEN else "half"]
    return Panel(said.kind, "s", chips, times, times / np.exp(np.concatenate(list(said.by_chip.values()))), note)


def held_by_models(judged: Mapping[tuple[str, str], Sequence[Judged]]) -> Iterator[Held]:
    """By metric, and whether the chip was measured; error bars are made of other rows."""
    for metric in dict.fromkeys(metric for metric, _ in judged):
        for side, levels in targets.LEVELS.items():
            rows = next((judged[metric, level] for level in levels if (metric, level) in judged), ())
            if len(rows) >= LEAST_ROWS:
                by_chip: dict[str, list[bool]] = {}
                for one in rows:
                    by_chip.setdefault(one.sample.chip, []).append(one.inside)
                width = float(np.exp(np.median([one.below + one.above for one in rows])))
                share = float(np.mean([one.inside for one in rows]))
                chips = tuple(float(np.mean(inside)) for inside in by_chip.values())
                yield Held(f"{metric}, chip {_WORDS[side]}", len(rows), share, width, chips)


def held_by_operators(said: Sequence[Said]) -> Iterator[Held]:
    """By kind and evidence, chips weighing alike."""
    for one in said:
        found = list(lines([one]))
        if found:
            chips = tuple(line.coverage for line in found)
            yield Held(
                f"{one.kind}, chip {_WORDS[one.evidence]}", one.rows, float(np.mean(chips)), found[0].width, chips
            )


def vendor(chip: str) -> str:
    """Vendor of a chip of the catalogue."""
    return catalog.load(chip).vendor
