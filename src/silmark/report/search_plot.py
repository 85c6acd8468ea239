"""Pictures of a search (every plan as a point, the frontier as a line, the best by name) and of fleets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from silmark.report.picture import COLOURS, saved
from silmark.report.search import Searched, heading
from silmark.report.size import Fleets
from silmark.report.size import heading as fleet_heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 20_000
"""Points drawn of each mode; more would only darken the picture."""
_MARKS = {"throughput": "*", "latency": "P", "cost": "D", "energy": "o"}


def draw(searched: Searched, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for another ending."""
    with saved(path, (10, 7)) as axes:
        _clouds(axes, searched)
        _frontier(axes, searched)
        _best(axes, searched)
        axes.set(xscale="log", yscale="log", xlabel="tokens/s per user", ylabel="tokens/s per chip")
        axes.set_title(heading(searched), fontsize=9)
        axes.grid(visible=True, which="major", alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", frameon=False, fontsize=8)


def draw_fleets(fleets: Fleets, path: Path) -> None:
    """Chips against dollars per hour of every fleet. Raises BadValue as `draw`."""
    with saved(path, (10, 7)) as axes:
        for row in fleets.rows:
            some = [fleet for fleet in (row.smallest, row.cheapest) if fleet and not math.isnan(fleet.usd_per_h)]
            if not some:
                continue
            places = [(fleet.chips, fleet.usd_per_h) for fleet in some]
            axes.plot(*zip(*places, strict=True), "o-", color=COLOURS[row.chip.family], markersize=5, linewidth=0.7)
            axes.annotate(row.chip.id, places[-1], xytext=(5, 3), textcoords="offset points", fontsize=7)
        axes.set(xscale="log", yscale="log", xlabel="chips", ylabel="$ per hour")
        axes.set_title(fleet_heading(fleets), fontsize=9)
        axes.grid(visible=True, which="major", alpha=0.3)


def _clouds(axes: Axes, searched: Searched) -> None:
    points, chips = searched.answer.points, searched.chips
    for label, colour, chosen in (
        ("disaggregated", "#ee6677", np.flatnonzero(points.prefill >= 0)),
        ("aggregated", "#4477aa", np.flatnonzero(points.prefill < 0)),
    ):
        some = chosen[:: max(1, chosen.size // _MOST)]
        if some.size:
            axes.plot(1.0 / points.tpot[some], points.rate[some] / chips, ".", color=colour, markersize=2, alpha=0.3)
            axes.plot([], [], "o", color=colour, markersize=5, label=label)


def _frontier(axes: Axes, searched: Searched) -> None:
    points, front = searched.answer.points, searched.answer.frontier
    if front.size:
        speed, rate = 1.0 / points.tpot[front], points.rate[front] / searched.chips
        axes.plot(speed, rate, color="black", linewidth=1.0, label="frontier (keeps the TTFT promise)")
    promise = searched.answer.work.tpot_s
    if np.isfinite(promise):
        axes.axvline(1.0 / promise, color="grey", linestyle="--", linewidth=0.8, label="TPOT promise")


def _best(axes: Axes, searched: Searched) -> None:
    for verdict in searched.verdicts:
        found, name = verdict.winner, verdict.objective.name
        x, y = found.per_user, found.per_chip
        axes.errorbar(
            x.mid,
            y.mid,
            xerr=[[x.mid - x.low], [x.high - x.mid]],
            yerr=[[y.mid - y.low], [y.high - y.mid]],
            fmt=_MARKS[name],
            markersize=9,
            color="black",
            markerfacecolor="white",
            elinewidth=0.6,
            label=f"best {name}: {found.name}",
        )
