"""The validation as a folder for a browser: one page without script or outside address, and its pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

from silmark.errors import BadFile, BadValue
from silmark.report.accuracy import pictures, series
from silmark.report.accuracy.findings import Findings
from silmark.validation.grid import Grid

_LOG = logging.getLogger(__name__)
PAGE = "index.html"
_TEMPLATE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>How wrong is Silmark?</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 2rem; }
th, td { padding: .15rem .7rem .15rem 0; text-align: left; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { position: sticky; top: 0; background: #fff; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
div.wide { overflow-x: auto; }
img { max-width: 100%; }
summary { font-size: 1.17em; font-weight: bold; margin: 1rem 0; cursor: pointer; }
nav a { margin-right: 1rem; }
</style>
</head>
<body>
<h1>How wrong is Silmark?</h1>
<p>$about</p>
<p><b>error</b>: median of |ln(measured / predicted)|, so that 0.10 is about 10 %. <b>ratio</b>: median of measured over
predicted. <b>in bar</b>: share of rows inside of their 80 % error bar, 0.80 if the bars are right. <b>high/low</b>:
median width of these bars.</p>
<nav>$links</nav>
$body
</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class _Section:
    """One part of the page: an anchor, its title, and what stands below it as HTML."""

    key: str
    title: str
    body: str


def write(found: Findings, folder: Path) -> Path:
    """Writes index.html and its pictures; returns the page.

    Args:
        found: a run of the validation.
        folder: made where it does not exist; other files in it stay.

    Raises:
        BadValue: the folder cannot be made.
        BadFile: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadValue("html", str(folder), f"a folder that can be made ({error.strerror})") from None
    summary = _Section("summary", "Summary", _tables(found.summaries()))
    sections = [summary, *_models(found, folder), *_operators(found, folder)]
    text = _TEMPLATE.substitute(
        about=escape(_about(found)),
        links=" ".join(f'<a href="#{one.key}">{escape(one.title)}</a>' for one in sections),
        body="\n".join(f'<h2 id="{one.key}">{escape(one.title)}</h2>\n{one.body}' for one in sections),
    )
    page = folder / PAGE
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadFile(page, error.strerror or "cannot be written") from None
    return page


def _about(found: Findings) -> str:
    parts = []
    if found.models:
        scored = found.models.scored
        parts.append(f"{len(scored.outcomes):,} runs of whole models ({scored.skipped.total():,} without a prediction)")
    if found.said:
        parts.append(f"{found.rows.logs.size if found.rows else 0:,} operators")
    said = " and ".join(parts)
    return f"Predictions of Silmark against measurements: {said}. {datetime.now(UTC).date().isoformat()}."


def _models(found: Findings, folder: Path) -> Iterator[_Section]:
    if not found.models:
        return
    panels = series.of_models(found.models.judged)
    bars = list(series.held_by_models(found.models.judged))
    if panels:
        yield _Section("models", "Whole models: pictures", _drawn("models", panels, folder))
        yield _Section("models-bars", "Whole models: error bars", _held("models", bars, folder))
    yield _Section("models-tables", "Whole models: tables", _tables(found.model_grids()))


def _operators(found: Findings, folder: Path) -> Iterator[_Section]:
    if found.rows is None:
        return
    panels = series.of_operators(found.said)
    yield _Section("operators", "Operators: pictures", _drawn("operators", panels, folder))
    bars = list(series.held_by_operators(found.said))
    yield _Section("operators-bars", "Operators: error bars", _held("operators", bars, folder))
    yield _Section("operators-tables", "Operators: tables", _tables(found.operator_grids()))


def _drawn(name: str, panels: Sequence[series.Panel], folder: Path) -> str:
    _LOG.info("drawing %s", name)
    pictures.scatter(panels, folder / f"{name}-scatter.png", "Predicted against measured; dashed: off by a factor of 2")
    pictures.histograms(panels, folder / f"{name}-histogram.png", "Measured over predicted; shaded: 80 % of the rows")
    return _image(f"{name}-scatter.png", "Predicted against measured") + _image(
        f"{name}-histogram.png", "Histograms of measured over predicted"
    )


def _held(name: str, bars: Sequence[series.Held], folder: Path) -> str:
    pictures.coverage(
        bars, folder / f"{name}-coverage.png", "How often 80 % bars hold; dots: single chips; band: 75 to 85 %"
    )
    return _image(f"{name}-coverage.png", "Share of rows inside of their error bar by class")


def _image(name: str, text: str) -> str:
    return f'<p><img src="{name}" alt="{escape(text)}"></p>\n'


def _tables(grids: Sequence[Grid]) -> str:
    return "\n".join(map(table, grids))


def table(grid: Grid) -> str:
    """One table as HTML; long ones are folded away."""

    def line(cells: Sequence[str], tag: str) -> str:
        marks = [' class="n"' if at >= grid.numbers else "" for at in range(len(cells))]
        return "<tr>" + "".join(f"<{tag}{m}>{escape(c)}</{tag}>" for m, c in zip(marks, cells, strict=True)) + "</tr>"

    body = "\n".join(line(cells, "td") for cells in grid.rows)
    head = line(grid.headers, "th")
    whole = f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
    if grid.detail:
        return f"<details><summary>{escape(grid.title)}</summary>\n{whole}\n</details>"
    return f"<h3>{escape(grid.title)}</h3>\n{whole}"
