"""The generated parts of docs/accuracy.md and docs/accuracy-detail.md, and their two pictures.

A part stands between `<!-- accuracy:NAME -->` and `<!-- /accuracy:NAME -->`; all other text is left as it is. A run
about whole models alone leaves the parts about operators as they are, and the other way round; the summary is of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from silmark.errors import BadFile
from silmark.figures.tables import data_folder
from silmark.report.accuracy import pictures, series
from silmark.report.accuracy.findings import Findings
from silmark.validation import targets
from silmark.validation.grid import Grid

PAGES = ("accuracy.md", "accuracy-detail.md")
SCATTER, HISTOGRAM = "accuracy-scatter.png", "accuracy-histogram.png"


def folder() -> Path | None:
    """docs/ of the checkout that this package runs from, None where there is none."""
    path = data_folder().parents[2] / "docs"
    return path if all((path / name).is_file() for name in PAGES) else None


def write(found: Findings, docs: Path) -> list[Path]:
    """Writes what a run found into the pages, and draws their pictures if whole models and operators were judged.

    Raises:
        BadFile: a page lacks its markers, or cannot be read or written.
    """
    summary, detail = (docs / name for name in PAGES)
    made = {summary: _front(found), detail: _detail(found)}
    texts = {path: page(_read(path), parts, path) for path, parts in made.items()}
    for path, text in texts.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadFile(path, error.strerror or "cannot be written") from None
    return [*texts, *_pictures(found, docs / "img")]


def _pictures(found: Findings, img: Path) -> list[Path]:
    if found.models is None or found.rows is None:
        return []
    models = series.of_models(found.models.judged)
    operators = sorted(series.of_operators(found.said), key=lambda panel: -panel.measured.size)
    # A line of panels each, those with the most rows: the page is for a first look, the report of `--html` has all.
    shown = [*models[: pictures.COLUMNS], *operators[: pictures.COLUMNS]]
    pictures.scatter(shown, img / SCATTER, "Predicted against measured; dashed: off by a factor of 2")
    pictures.histograms(shown, img / HISTOGRAM, "Measured over predicted; shaded: the middle 80 % of the rows")
    return [img / SCATTER, img / HISTOGRAM]


def _front(found: Findings) -> dict[str, str]:
    """Parts of the first page: the summary, and short tables."""
    models, operators = found.model_grids(), found.operator_grids()
    parts = {}
    if models and operators:
        parts["summary"] = f"{_counted(found)}\n\n{_table(targets.grid(found.targets()))}"
    if found.models is not None:
        parts["plans"] = _table(found.models.between_grid())
    if models:
        parts["models"] = _tables([grid for grid in models if not grid.detail])
    if operators:
        parts["operators"] = _tables([grid for grid in operators if not grid.detail])
    return parts


def _detail(found: Findings) -> dict[str, str]:
    """Parts of the second page: long tables."""
    parts = {
        "models": _tables([grid for grid in found.model_grids() if grid.detail]),
        "operators": _tables([grid for grid in found.operator_grids() if grid.detail]),
    }
    return {name: text for name, text in parts.items() if text}


def _counted(found: Findings) -> str:
    assert found.models is not None
    assert found.rows is not None
    scored, used = found.models.scored, found.models.used
    return (
        f"{found.rows.logs.size:,} measured operators and {len(scored.outcomes):,} measured runs were predicted; "
        f"{used:,} of the runs set residual classes. {scored.skipped.total():,} runs have no prediction. "
        f"Date: {datetime.now(UTC).date().isoformat()}."
    )


def _tables(grids: Sequence[Grid]) -> str:
    return "\n\n".join(grid.markdown() for grid in grids)


def _table(grid: Grid) -> str:
    return grid.markdown().partition("\n\n")[2]


def page(before: str, parts: Mapping[str, str], path: Path | str = PAGES[0]) -> str:
    """A page with some of its parts replaced; raises BadFile if a part's markers are not there once each, in order."""
    for name, text in parts.items():
        start, end = f"<!-- accuracy:{name} -->", f"<!-- /accuracy:{name} -->"
        head, first, rest = before.partition(start)
        _, last, tail = rest.partition(end)
        if not (first and last) or start in rest or end in head + tail:
            raise BadFile(path, f"expected one {start} and one {end} after it")
        before = f"{head}{start}\n\n{text}\n\n{end}{tail}"
    return before


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadFile(path, "cannot be read as UTF-8 text") from None
