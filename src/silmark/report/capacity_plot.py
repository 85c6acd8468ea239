"""Picture of capacities: requests per second of every system, and per dollar, with their error bars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from silmark.figures import Interval
from silmark.report.capacity import Borne, Capacities, heading
from silmark.report.picture import COLOURS, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(answer: Capacities, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for another ending."""
    rows = [row for row in reversed(answer.rows) if row.rate is not None]
    with panels(path, (14, 1.6 + 0.45 * max(2, len(rows))), (1, 1)) as (left, right):
        _bars(left, rows, lambda row: row.rate, "requests/s that keep the promises")
        _bars(right, rows, lambda row: row.per_dollar, "such requests per dollar")
        left.set_yticks(range(len(rows)), [row.target.name for row in rows], fontsize=8)
        right.set_yticks(range(len(rows)), [row.run.basis if row.run else "" for row in rows], fontsize=8)
        left.set_title(f"{heading(answer)} (bars: 80 %)", fontsize=9)


def _bars(axes: Axes, rows: list[Borne], number: Callable[[Borne], Interval | None], label: str) -> None:
    """A point with its error bar for every system that has the number."""
    highest = 0.0
    for at, row in enumerate(rows):
        found = number(row)
        if found is None:
            continue
        highest = max(highest, found.high)
        bar = [[found.mid - found.low], [found.high - found.mid]]
        axes.errorbar(found.mid, at, xerr=bar, fmt="o", color=COLOURS[row.target.chip.family], capsize=3)
        if row.decides:
            axes.annotate(row.decides, (found.mid, at), xytext=(4, 5), textcoords="offset points", fontsize=6)
    axes.set(xlabel=label, xlim=(0, 1.1 * highest or 1.0), ylim=(-0.6, len(rows) - 0.4))
    axes.grid(visible=True, axis="x", alpha=0.3)
