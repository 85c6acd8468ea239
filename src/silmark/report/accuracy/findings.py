"""One run of `silmark validate`: what was found about whole models, about operators, or both."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from silmark.calibration.rows import folder, given
from silmark.validation import rows, run, targets
from silmark.validation.grid import Grid
from silmark.validation.operators import accuracy
from silmark.validation.operators import report as operators
from silmark.validation.operators.accuracy import Measured, Said
from silmark.validation.operators.kinds import KINDS
from silmark.validation.report import SCHEMA, Report

_LOG = logging.getLogger(__name__)
Part = Literal["all", "models", "operators"]


@dataclass(frozen=True, slots=True)
class Findings:
    """What one run found.

    Attributes:
        models: whole models, None if they were not asked for.
        rows, said: operators and what their rows say, empty if they were not asked for.
        written: files that were written.
    """

    models: Report | None
    rows: Measured | None
    said: tuple[Said, ...]
    written: tuple[Path, ...] = ()

    def targets(self) -> list[targets.Line]:
        """The summary of what was judged, class by class."""
        models = self.models.parts if self.models else ()
        return targets.lines([*models, *targets.operators(self.said)])

    def summaries(self) -> list[Grid]:
        """The summary, and how well plans are told apart."""
        return [targets.grid(self.targets()), *([self.models.between_grid()] if self.models else [])]

    def grids(self) -> list[Grid]:
        """All tables, the summary first."""
        return [*self.summaries(), *self.model_grids(), *self.operator_grids()]

    def model_grids(self) -> list[Grid]:
        """Tables about whole models."""
        return self.models.grids() if self.models else []

    def operator_grids(self) -> list[Grid]:
        """Tables about operators, the shortest first."""
        return [summary(self.said), operators.grid(self.said)] if self.said else []

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.validate/1."""
        document: dict[str, Any] = self.models.as_dict() if self.models else {"schema": SCHEMA}
        document["targets"] = [asdict(one) for one in self.targets()]
        if self.said:
            document["operators"] = operators.as_dicts(self.said)
        return document


def find(part: Part = "all", where: Path | None = None, write: bool = False) -> Findings:
    """Predicts measured rows and judges the predictions.

    Args:
        part: whole models, operators, or all.
        where: a folder as `silmark.calibration.rows.given` takes it; None for SILMARK_DATA.
        write: fit engines again, and write residual classes and corrections of operators.

    Raises:
        BadValue: no folder of tables, or one that lacks some.
        BadFile: a table is broken, or a file cannot be written.
    """
    place = folder() if where is None else given(where, _tables(part))
    models = run(write, place) if part != "operators" else None
    written = [Path(path) for path in models.written] if models else []
    if part == "models":
        return Findings(models, None, (), tuple(written))
    _LOG.info("predicting operators")
    tables = accuracy.public(place)
    measured = accuracy.measured(tables)
    _LOG.info("judging operators without their own rows")
    said = accuracy.judge(measured, accuracy.refits(tables))
    written += accuracy.write(measured, said) if write else []
    return Findings(models, measured, tuple(said), tuple(written))


def _tables(part: Part) -> list[str]:
    models = [] if part == "operators" else list(rows.TABLES)
    return models + ([] if part == "models" else [kind.table for kind in KINDS])


def summary(said: tuple[Said, ...]) -> Grid:
    """Kinds of operators by evidence, chips weighing alike."""
    cells = []
    for one in said:
        if one.by_chip:
            inside = float(np.mean([line.coverage for line in operators.lines([one])]))
            numbers = (one.error, one.bias, inside, float(np.exp(max(0.0, one.high) - min(0.0, one.low))))
            counts = (f"{len(one.by_chip)}", f"{one.rows:,}")
            cells.append((one.kind, one.evidence, *counts, *(f"{number:.2f}" for number in numbers)))
    headers = ("operators", "evidence", "chips", "rows", "error", "bias", "in bar", "high/low")
    return Grid("Operators: ln(measured / predicted) by kind, chips weighing alike", headers, tuple(cells), 2)
