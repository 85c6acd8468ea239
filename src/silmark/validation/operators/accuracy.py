"""How wrong operators are: public rows against predictions made without them, and what is written from that.

Every trial (`trials`) fits the GPU mechanisms to some public rows, learns the curves from the same ones, and is judged
by others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from silmark.calibration import gpu, points
from silmark.calibration.engines import quantiles
from silmark.calibration.interval import of_new
from silmark.calibration.rows import Row, folder
from silmark.figures.tables import data_folder
from silmark.graph import Array
from silmark.validation.operators import bars, draft, rtx_attention, table
from silmark.validation.operators.columns import Columns
from silmark.validation.operators.curves import (
    KIN,
    LIKE,
    SEEN,
    UNSEEN,
    Curve,
    conditions,
    evidences,
    learn,
    measured_chips,
    shifts,
)
from silmark.validation.operators.kinds import KINDS, Kind
from silmark.validation.operators.trials import Trial, halves, trials

Rows = NDArray[np.intp]
LEAST_ROWS = 50
"""Fewer rows make no error bar of their own."""
FEWEST = 15
"""Fewer rows of a chip say nothing of it; it would weigh as much as any other."""
_CURVES = (
    "rows by conditions @ chip; pairs of ln(predicted seconds) and ln(measured / predicted) by conditions [@ chip]"
)
_ERRORS = (
    "ln(measured / predicted) by class of operators and evidence, rows in no fit and no curve, chips weighing alike"
)
_ASSUMED = {
    "kin.width": points.leaf(
        0.1, 0.05, 0.2, "1", source="silmark-assumption", grade="assumed",
        note="ln: siblings of one die beyond the scatter of one chip's rows; no two were measured in public",
    ),
    "kin.far": points.leaf(
        1.5, 1.0, 2.0, "1", source="silmark-assumption", grade="assumed",
        note="times the ln widths of unmeasured chips: kernels of which too few rows tell",
    ),
    "kin.foreign": points.leaf(
        2.0, 1.5, 3.0, "1", source="silmark-assumption", grade="assumed",
        note="the same for another vendor's chips: in logarithms, bars of whole models are 2 to 3 times as wide where "
        "no chip of the vendor was measured as where NVIDIA's others were",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Public:
    """A public table: rows that are not flagged as impossible.

    Attributes:
        seconds: measured, NaN where the row gives none.
        half: which half its shape belongs to.
    """

    kind: Kind
    columns: Columns
    seconds: Array
    half: Rows


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows: conditions, chips, ln(predicted seconds) by mechanisms, ln(measured / predicted), half of the shapes."""

    paths: NDArray[np.str_]
    chips: NDArray[np.str_]
    logs: Array
    errors: Array
    half: Rows

    def some(self, rows: NDArray[np.bool_]) -> Measured:
        """A part of the rows."""
        return Measured(self.paths[rows], self.chips[rows], self.logs[rows], self.errors[rows], self.half[rows])

    def curves(self) -> dict[str, Curve]:
        """What these rows teach."""
        return learn(self.paths.tolist(), self.chips.tolist(), self.logs, self.errors)

    def conditions(self) -> dict[str, int]:
        """What these rows were measured under and on."""
        return conditions(self.paths.tolist(), self.chips.tolist())


@dataclass(frozen=True, slots=True)
class Said:
    """What rows of one class of operators and evidence say, chips weighing alike.

    Attributes:
        error: median |ln(measured / predicted)|; bias: median of ln(measured / predicted).
        low, high: ends of the error bar that it makes: 10 % and 90 % quantile, or of chips that were never measured a
            prediction interval from those that were.
        by_chip: what was left of every chip's rows.
        seconds: what these rows measured.
    """

    kind: str
    evidence: str
    error: float
    bias: float
    low: float
    high: float
    by_chip: Mapping[str, Array]
    seconds: Mapping[str, Array]

    @property
    def rows(self) -> int:
        """Rows of all chips."""
        return sum(map(len, self.by_chip.values()))


def public(where: Path | None = None) -> list[Public]:
    """All public operator tables."""
    return [table_of(kind, table.read((where or folder()) / f"{kind.table}.csv.gz").columns) for kind in KINDS]


def table_of(kind: Kind, columns: Columns) -> Public:
    """One table; rows that are flagged as impossible count as not measured."""
    possible = np.array(columns.text("flag")) != "IMPOSSIBLE"
    return Public(kind, columns, np.where(possible, kind.measured(columns), np.nan), halves(columns))


def measured(tables: Sequence[Public]) -> Measured:
    """Predictions of all rows that have a measured time, beside it."""
    parts = []
    for one in tables:
        found = one.kind.predict(one.columns)
        with np.errstate(all="ignore"):
            logs, errors = np.log(found.seconds), np.log(one.seconds / found.seconds)
        every = Measured(np.array(found.part), np.array(found.chip), logs, errors, one.half)
        parts.append(every.some(np.isfinite(errors)))
    columns = ("paths", "chips", "logs", "errors", "half")
    return Measured(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def refits(tables: Sequence[Public]) -> Callable[[Trial], Measured] | None:
    """What `judge` needs to predict rows anew in every trial, by GPU kernels that were fitted to the others.

    None where a table has too few rows to fit anything.
    """
    rows = {one.kind.table: _rows(one) for one in tables if one.kind.table in gpu.TABLES}
    if any(len(rows.get(name, ())) < LEAST_ROWS for name in gpu.TABLES):
        return None

    def again(trial: Trial) -> Measured:
        with gpu.refitted({name: tuple(filter(trial.keeps, some)) for name, some in rows.items()}):
            forget()
            found = measured(tables)
        forget()
        return found

    return again


def _rows(one: Public) -> list[Row]:
    """Rows of a table as fits read them."""
    names = sorted(one.columns.names)
    cells = zip(*(one.columns.text(name) for name in names), strict=True)
    flags = one.columns.text("flag")
    return [dict(zip(names, row, strict=True)) for row, flag in zip(cells, flags, strict=True) if flag != "IMPOSSIBLE"]


def forget() -> None:
    """Drops mechanisms that were built on other coefficients."""
    for kept in (draft.machine, rtx_attention.rates):
        kept.cache_clear()


def judge(rows: Measured, again: Callable[[Trial], Measured] | None = None) -> list[Said]:
    """Residuals by class of operators and evidence.

    Args:
        rows: all of them.
        again: predicts them under the fit of a trial, so that neither fit nor curves have seen what judges them; None:
            only the curves have not.
    """
    chips, counts = np.unique(rows.chips, return_counts=True)
    left: dict[tuple[str, str], dict[str, list[Array]]] = {}
    for trial in trials(chips[counts >= LEAST_ROWS].tolist()):
        found = again(trial) if again else rows
        saw, judges = trial.divide(found.half, found.chips)
        for (kind, evidence, chip), pair in _left(found.some(saw), found.some(judges)).items():
            if trial.admits(evidence):
                left.setdefault((kind, evidence), {}).setdefault(chip, []).append(pair)
    said = []
    for (kind, evidence), by_chip in sorted(left.items()):
        whole = {chip: np.concatenate(parts, axis=1) for chip, parts in by_chip.items()}
        enough = {chip: pairs for chip, pairs in whole.items() if pairs.shape[1] >= FEWEST}
        if enough:
            said.append(_said(kind, evidence, enough))
    return said


def _left(saw: Measured, judges: Measured) -> dict[tuple[str, str, str], Array]:
    """ln(measured / corrected prediction) and measured seconds [2, rows] by class, evidence and chip."""
    paths, chips = judges.paths.tolist(), judges.chips.tolist()
    moved = shifts(saw.curves(), paths, chips, judges.logs)
    known = saw.conditions()
    kinds = bars.classes(paths, np.exp(judges.logs + moved))
    labels = zip(kinds, evidences(known, measured_chips(known), paths, chips), chips, strict=True)
    rows: dict[tuple[str, str, str], list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    both = np.array([judges.errors - moved, np.exp(judges.logs + judges.errors)])
    return {label: both[:, members] for label, members in rows.items()}


def _said(kind: str, evidence: str, by_chip: Mapping[str, Array]) -> Said:
    left = {chip: pair[0] for chip, pair in by_chip.items()}
    low, bias, high = quantiles(list(left.values()))
    if evidence in (KIN, UNSEEN) and len(left) > 1:
        below, above = of_new(list(left.values()))
        low, high = -below, above
    error = quantiles([np.abs(errors) for errors in left.values()])[1]
    return Said(kind, evidence, error, bias, low, high, left, {chip: pair[1] for chip, pair in by_chip.items()})


def _tells(one: Said) -> bool:
    """Whether an error bar may rest on it: one chip alone cannot say how another one would fare."""
    return one.rows >= LEAST_ROWS and (len(one.by_chip) > 1 or one.evidence in (SEEN, LIKE))


@dataclass(frozen=True, slots=True)
class Frame:
    """What a written file holds besides these rows' own curves and quantiles.

    Attributes:
        command, data: how and on what it was made.
        curves, conditions, residuals: further entries, as the files write them; these rows' own go before them.
    """

    command: str = "silmark validate --write"
    data: str = "measurements/public/ops_*"
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    conditions: Mapping[str, float] = field(default_factory=dict)
    residuals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def write(rows: Measured, said: Sequence[Said], folder_: Path | None = None, frame: Frame | None = None) -> list[Path]:
    """Writes curves and quantiles as `corrections/operators.toml` and `calibration/operators.toml`; returns both."""
    target, frame = folder_ or data_folder(), frame or Frame()
    head = points.head(bars.FILE, frame.command, frame.data, rows.logs.size)
    quantiles_ = {**frame.residuals, **{f"{one.kind} {one.evidence}": _quantiles(one) for one in filter(_tells, said)}}
    residuals = {f'residuals."{name}"': row for name, row in quantiles_.items()}
    own = {name: [x for pair in zip(c.at, c.shift, strict=True) for x in pair] for name, c in rows.curves().items()}
    files = [target / place / f"{bars.FILE}.toml" for place in ("corrections", "calibration")]
    under = {**frame.conditions, **rows.conditions()}
    points.write(files[0], {**head, "what": _CURVES}, {}, {"measured": under, "curves": {**frame.curves, **own}})
    points.write(files[1], {**head, "what": _ERRORS}, _ASSUMED, residuals)
    bars.forget()
    return files


def _quantiles(one: Said) -> dict[str, float]:
    return {
        "rows": float(one.rows), "chips": float(len(one.by_chip)), "median_error": one.error, "bias": one.bias,
        "q10": one.low, "q90": one.high,
    }  # fmt: skip
