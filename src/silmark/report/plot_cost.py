"""A picture of costs: what each input moves, the most on top."""

from __future__ import annotations

from pathlib import Path

from silmark.errors import BadValue
from silmark.report.picture import saved
from silmark.report.priced import Priced

_MOST = 15
"""Bars that are drawn."""


def draw(answer: Priced, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for another ending."""
    if answer.cost is None:
        raise BadValue("plot", str(path), f"nothing, for there are no costs ({answer.reason})")
    asked, mid = answer.question, answer.cost.usd_per_million.mid
    bars = answer.tornado[:_MOST][::-1]
    names = [bar.key for bar in bars]
    with saved(path, (9.0, 5.0)) as axes:
        axes.barh(names, [bar.at_low - mid for bar in bars], left=mid, color="#66ccee", label="input at its low")
        axes.barh(names, [bar.at_high - mid for bar in bars], left=mid, color="#ee6677", label="input at its high")
        axes.axvline(mid, color="black", linewidth=0.8)
        axes.set_xlabel("$/Mtok" if answer.cost.split else "$/Mitem")
        axes.set_title(f"{asked['model']} on {asked['on']}, {asked['workload']}: {mid:.3g}")
        axes.legend(frameon=False)
