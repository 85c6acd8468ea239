"""How wrong operators are: public rows against predictions made without them, and what is written from that.

seen    every second row of a chip, corrected by its other rows
unseen  every row of a chip, corrected by the other chips' rows alone
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from silmark.calibration import points
from silmark.calibration.engines import quantiles
from silmark.calibration.rows import folder
from silmark.figures.tables import data_folder, packaged
from silmark.graph import Array
from silmark.validation.operators import bars, table
from silmark.validation.operators.columns import Columns
from silmark.validation.operators.curves import SEEN, UNSEEN, Curve, learn, shifts
from silmark.validation.operators.kinds import KINDS, Kind

Rows = NDArray[np.intp]
_CURVES = "pairs of ln(predicted seconds) and ln(measured / predicted), by conditions [@ chip or generation]"
_ERRORS = "ln(measured / predicted) by kind of operator and evidence, chips weighing alike"
_ASSUMED = {
    "kin.width": points.leaf(
        0.1, 0.05, 0.2, "1", source="silmark-assumption", grade="assumed",
        note="ln: siblings of one generation beyond the scatter of one chip's rows; no two were measured in public",
    ),
    "kin.far": points.leaf(
        1.5, 1.0, 2.0, "1", source="silmark-assumption", grade="assumed",
        note="times the ln widths of unmeasured chips, where engine or wiring were not measured on any chip either",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """Public rows: conditions and chips, ln(predicted seconds) by the mechanisms alone, ln(measured / predicted)."""

    paths: NDArray[np.str_]
    chips: NDArray[np.str_]
    logs: Array
    errors: Array

    def some(self, rows: Rows) -> Measured:
        """A part of the rows."""
        return Measured(self.paths[rows], self.chips[rows], self.logs[rows], self.errors[rows])

    def curves(self) -> dict[str, Curve]:
        """What these rows teach."""
        return learn(self.paths.tolist(), self.chips.tolist(), self.logs, self.errors)

    def left(self, known: Mapping[str, Curve]) -> Array:
        """ln(measured / corrected prediction)."""
        return self.errors - shifts(known, self.paths.tolist(), self.chips.tolist(), self.logs)[0]


@dataclass(frozen=True, slots=True)
class Said:
    """What rows of one kind of operator and evidence say, chips weighing alike.

    Attributes:
        error: median |ln(measured / predicted)|; bias: median of ln(measured / predicted).
        low, high: 10 % and 90 % quantile of it.
        by_chip: what was left of every chip's rows.
    """

    kind: str
    evidence: str
    error: float
    bias: float
    low: float
    high: float
    by_chip: Mapping[str, Array]

    @property
    def rows(self) -> int:
        """Rows of all chips."""
        return sum(map(len, self.by_chip.values()))


def measured(where: Path | None = None) -> Measured:
    """All public rows of the operator tables that are not flagged as impossible."""
    return joined([errors(kind, table.read((where or folder()) / f"{kind.table}.csv.gz").columns) for kind in KINDS])


def errors(kind: Kind, columns: Columns) -> Measured:
    """Rows of one table that can be predicted and are not flagged as impossible."""
    draft, seconds = kind.predict(columns), kind.measured(columns)
    possible = np.array(columns.text("flag")) != "IMPOSSIBLE"
    with np.errstate(all="ignore"):
        left = np.log(seconds / draft.seconds)
        every = Measured(np.array(draft.part), np.array(draft.chip), np.log(draft.seconds), left)
    return every.some(np.flatnonzero(np.isfinite(left) & possible))


def joined(parts: Sequence[Measured]) -> Measured:
    """Rows of several tables."""
    return Measured(
        np.concatenate([part.paths for part in parts]),
        np.concatenate([part.chips for part in parts]),
        np.concatenate([part.logs for part in parts]),
        np.concatenate([part.errors for part in parts]),
    )


def judge(rows: Measured) -> list[Said]:
    """Residuals by kind of operator and evidence; one chip alone cannot say how another one would fare."""
    kinds = np.array([bars.root(path) for path in rows.paths.tolist()])
    seen, unseen = _halves(rows), _without_chip(rows)
    found = []
    for kind in dict.fromkeys(kinds.tolist()):
        mine = kinds == kind
        chips = [str(chip) for chip in dict.fromkeys(rows.chips[mine].tolist())]
        for evidence, left in ((SEEN, seen), (UNSEEN, unseen)):
            if evidence == SEEN or len(chips) > 1:
                found.append(_said(kind, evidence, {chip: left[mine & (rows.chips == chip)] for chip in chips}))
    return found + _strangers(found)


def _halves(rows: Measured) -> Array:
    left = np.empty(rows.logs.size)
    half = np.arange(rows.logs.size) % 2
    for one in (0, 1):
        left[half == one] = rows.some(np.flatnonzero(half == one)).left(rows.some(np.flatnonzero(half != one)).curves())
    return left


def _without_chip(rows: Measured) -> Array:
    left = np.empty(rows.logs.size)
    for chip in np.unique(rows.chips).tolist():
        mine = rows.chips == chip
        left[mine] = rows.some(np.flatnonzero(mine)).left(rows.some(np.flatnonzero(~mine)).curves())
    return left


def _said(kind: str, evidence: str, by_chip: Mapping[str, Array]) -> Said:
    low, bias, high = quantiles(list(by_chip.values()))
    error = quantiles([np.abs(left) for left in by_chip.values()])[1]
    return Said(kind, evidence, error, bias, low, high, by_chip)


def _strangers(found: Sequence[Said]) -> list[Said]:
    """Kinds that one chip alone measured take the spread of the kinds that several did, about their own."""
    several = [one for one in found if one.evidence == UNSEEN]
    if not several:
        return []
    error, low, high = (float(np.median([getattr(one, side) for one in several])) for side in ("error", "low", "high"))
    known = {one.kind for one in several}
    return [
        Said(one.kind, UNSEEN, error, 0.0, min(one.low, low), max(one.high, high), {})
        for one in found
        if one.kind not in known
    ]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a written file holds besides these rows' own curves and quantiles.

    Attributes:
        command, data: how and on what it was made.
        curves, residuals: further entries, as the file writes them; these rows' own go before them.
    """

    command: str = "silmark validate --write"
    data: str = "measurements/public/ops_*"
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    residuals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def write(rows: Measured, said: Sequence[Said], folder_: Path | None = None, frame: Frame | None = None) -> list[Path]:
    """Writes curves and quantiles as `corrections/operators.toml` and `calibration/operators.toml`; returns both."""
    target, frame = folder_ or data_folder(), frame or Frame()
    head: dict[str, str | int] = {
        "family": bars.FILE,
        "date": datetime.now(UTC).date().isoformat(),
        "command": frame.command,
        "data": frame.data,
        "rows": rows.logs.size,
    }
    quantiles_ = {**frame.residuals, **{f"{one.kind} {one.evidence}": _quantiles(one) for one in said}}
    residuals = {f'residuals."{name}"': row for name, row in quantiles_.items()}
    own = {name: [x for pair in zip(c.at, c.shift, strict=True) for x in pair] for name, c in rows.curves().items()}
    files = [target / place / f"{bars.FILE}.toml" for place in ("corrections", "calibration")]
    points.write(files[0], {**head, "what": _CURVES}, {}, {"curves": {**frame.curves, **own}})
    points.write(files[1], {**head, "what": _ERRORS}, _ASSUMED, residuals)
    for stale in (packaged, bars.curves, bars.bars):
        stale.cache_clear()
    return files


def _quantiles(one: Said) -> dict[str, float]:
    return {
        "rows": float(one.rows), "chips": float(len(one.by_chip)), "median_error": one.error, "bias": one.bias,
        "q10": one.low, "q90": one.high,
    }  # fmt: skip
