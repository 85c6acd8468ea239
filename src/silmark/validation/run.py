"""`silmark validate`: predict, compare, and on request write what engines add and the residual classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from silmark.calibration.rows import folder
from silmark.errors import BadFile, fitting
from silmark.figures.tables import packaged
from silmark.step import error
from silmark.validation import agreement, between, closed_loops, cross, engines, targets
from silmark.validation import write as files
from silmark.validation.classes import classes
from silmark.validation.report import Report
from silmark.validation.score import predicted, score

_LOG = logging.getLogger(__name__)


def run(write: bool = False, where: Path | None = None) -> Report:
    """Predicts every public row that can be predicted.

    Args:
        write: fit engines again and write residual classes. Error bars are then judged again, with the classes just
            written.
        where: folder of the tables; None for the one below SILMARK_DATA.

    Raises:
        BadValue: SILMARK_DATA does not lead to the measured rows.
        BadFile: a table is broken, or a file cannot be written.
        MissingExtra: scipy is not installed.
    """
    found = predicted(where=where)
    _LOG.info("fitting engines without each chip and model")
    every = found.samples()
    samples = [one for one in every if one.engine != engines.ASIDE]
    with fitting("cross-validation"):
        left = cross.leave_out(samples)
        if write:
            engines.write(samples, left)
            packaged.cache_clear()
        judged = cross.judge(left)
    parts = (*targets.served(judged), *targets.trained())
    scored = score(found)
    servers, loops = _servers(where)
    report = Report(
        scored,
        tuple(classes(scored.outcomes)),
        parts,
        judged,
        between.pairs(found.rows, every, left),
        servers,
        loops,
    )
    if not write:
        return report
    written = [files.residuals_file()]
    _put(written[0], files.residuals(report.classes, report.between))
    packaged.cache_clear()
    error._classes.cache_clear()
    report = replace(report, scored=score(found))
    written.append(engines.file())
    return replace(report, written=tuple(str(path) for path in written))


def _servers(where: Path | None) -> tuple[Sequence[agreement.Agreement], Sequence[closed_loops.Loops]]:
    """Simulated servers; none where the user's own tables are asked about, or the public ones lack them."""
    if where is not None or not (folder() / f"{agreement.TABLE}.csv.gz").is_file():
        return (), ()
    _LOG.info("simulating measured servers")
    return agreement.public(), closed_loops.public()


def _put(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise BadFile(path, problem.strerror or "cannot be written") from None
