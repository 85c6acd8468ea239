"""Where a claim holds, as a picture: the predicted value over conditions, coloured by distance from the limit."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from silmark.claims import Finding, Outcome, Region, Verdict
from silmark.errors import BadValue
from silmark.figures.numbers import three
from silmark.report.picture import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_FORMATS = (".png", ".svg", ".pdf")
_REACH = 2.5
"""Logarithms of the distance from the limit at which the colour is full: a factor of twelve."""
_DARK = 2.0
"""Distance from which black letters cannot be read."""
_MARK = {Verdict.ONLY_IF: "//", Verdict.UNTESTABLE: "xx"}
_FLAT = {Verdict.FAILS: -_REACH, Verdict.HOLDS: _REACH}
"""Colours of cells without a number."""

Panel = tuple[Outcome, Region]


def panels(found: Finding) -> list[Panel]:
    """Tests of a claim that have a map, with it."""
    return [(outcome, found.maps[outcome.label]) for outcome in found.outcomes if outcome.label in found.maps]


def write(found: Finding, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for what cannot be written."""
    if path.suffix.lower() not in _FORMATS:
        raise BadValue("plot", str(path), f"a file that ends in {', '.join(_FORMATS)}")
    if not path.parent.is_dir():
        raise BadValue("plot", str(path), "a path inside an existing folder")
    drawn = panels(found)
    if not drawn:
        raise BadValue("plot", str(path), "a claim with a test over users and prompts; this one has none")
    canvas = _draw(found.claim.title, drawn)
    try:
        canvas.savefig(path, dpi=130)
    except OSError as error:
        raise BadValue("plot", str(path), f"a file that can be written ({error.strerror})") from None
    finally:
        _close(canvas)


def png(drawn: list[Panel]) -> bytes:
    """The picture as the bytes of a PNG, for a page that holds its pictures itself."""
    canvas = _draw("", drawn)
    stream = io.BytesIO()
    canvas.savefig(stream, format="png", dpi=80, metadata={"Software": None})
    _close(canvas)
    return stream.getvalue()


def _close(canvas: Canvas) -> None:
    pyplot().close(canvas)


def _draw(title: str, drawn: list[Panel]) -> Canvas:
    across = min(2, len(drawn))
    down = math.ceil(len(drawn) / across)
    canvas: Canvas
    canvas, axes = pyplot().subplots(
        down, across, figsize=(7.2 * across, 4.6 * down), layout="constrained", squeeze=False
    )
    for spare in axes.flat[len(drawn) :]:
        spare.set_axis_off()
    for (outcome, region), place in zip(drawn, axes.flat, strict=False):
        _panel(place, outcome, region)
    legend = "green: holds; red: fails; hatched: the 80 % interval straddles the limit; crossed: nothing to compare"
    canvas.suptitle(f"{title}\n{legend}" if title else legend, fontsize=9)
    return canvas


def _panel(axes: Axes, outcome: Outcome, region: Region) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    columns = list(dict.fromkeys(cell.column for cell in region.cells))
    rows = list(dict.fromkeys(cell.row for cell in region.cells))
    colours = np.full((len(rows), len(columns)), np.nan)
    for cell in region.cells:
        x, y = columns.index(cell.column), rows.index(cell.row)
        colours[y, x] = _FLAT.get(cell.verdict, math.nan)
        if cell.value is not None:
            colours[y, x] = _distance(outcome, cell.value.mid)
            ink = "white" if abs(colours[y, x]) > _DARK else "black"
            axes.text(x, y, three(cell.value.mid), ha="center", va="center", fontsize=6.5, color=ink)
        if cell.verdict in _MARK:
            square = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch=_MARK[cell.verdict], alpha=0.25, linewidth=0)
            axes.add_patch(square)
    axes.imshow(colours, cmap="RdYlGn", vmin=-_REACH, vmax=_REACH, aspect="auto", origin="lower")
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_xlabel(region.columns if region.columns != "users" else "sequences in flight")
    axes.set_ylabel(region.rows if region.rows != "prompts" else "tokens of a prompt")
    said = f"; limit {three(outcome.bound.edge)}" if outcome.bound else ""
    axes.set_title(f"{outcome.label}\n{outcome.metric}{said}", fontsize=8)


def _distance(outcome: Outcome, value: float) -> float:
    """Logarithm of how far a value lies on the good side of the limit, negative on the bad one."""
    bound = outcome.bound
    if bound is None:
        return math.nan
    far = math.log(max(value, 1e-300) / bound.edge)
    return max(-_REACH, min(_REACH, far if bound.least else -far))
