"""The picture of a search over training plans: step time against chips, the frontier, the best plans with bars."""

from __future__ import annotations

from pathlib import Path

from silmark.report.picture import saved
from silmark.report.search_training import SearchedTraining, heading

_MOST = 20_000
"""Points drawn; more would only darken the picture."""


def draw(searched: SearchedTraining, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for another ending."""
    plans, front = searched.answer.result.plans, searched.answer.frontier
    some = slice(None, None, max(1, plans.size // _MOST))
    with saved(path, (10, 7)) as axes:
        axes.plot(plans.jobs.chips[some], plans.step_s[some], ".", color="#4477aa", markersize=2, alpha=0.3)
        axes.plot(plans.jobs.chips[front], plans.step_s[front], color="black", linewidth=1, label="frontier")
        for verdict, mark in zip(searched.verdicts, "*D", strict=False):
            found, step = verdict.winner, verdict.winner.estimate.step_s
            axes.errorbar(
                found.job.chips,
                step.mid,
                yerr=[[step.mid - step.low], [step.high - step.mid]],
                fmt=mark,
                markersize=9,
                color="black",
                markerfacecolor="white",
                elinewidth=0.6,
                label=f"best {verdict.objective.label}: {found.job}",
            )
        axes.set(xscale="log", yscale="log", xlabel="chips that a plan uses", ylabel="step (s)")
        axes.set_title(heading(searched), fontsize=9)
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(loc="lower left", frameon=False, fontsize=8)
