"""Pictures of simulated runs: latencies and occupancy of one, load against latency of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from silmark.report.picture import panels
from silmark.report.served import ServeSim
from silmark.serving.metrics import in_use
from silmark.serving.run import Run

if TYPE_CHECKING:  # matplotlib and numba take half a second each
    from matplotlib.axes import Axes

    from silmark.serving.simulate import Simulation

_COLOURS = {"ttft": "#4477aa", "tpot": "#ee6677", "e2el": "#228833"}
_SENT = "sent_requests_per_s"
_POINTS = 2_000
"""Of a distribution's curve."""


def draw(answer: ServeSim, path: Path) -> None:
    """Writes the picture; its ending chooses the format. Raises BadValue for another ending."""
    several = len(answer.runs) > 1
    with panels(path, (14, 5), (1, 1) if several else (2, 1, 1)) as axes:
        if several:
            _latencies(axes[0], answer)
            _throughputs(axes[1], answer)
        else:
            _distributions(axes[0], answer)
            _over_time(axes[1], axes[2], answer.runs[0].simulation)
        axes[0].set_title(
            f"{answer.question['model']} on {answer.question['on']}\n{answer.question['trace']}", fontsize=9
        )
        for each in axes:
            each.grid(visible=True, which="major", alpha=0.3)


def _distributions(axes: Axes, answer: ServeSim) -> None:
    """Share of the requests below every latency, with the promises as lines."""
    shares = np.linspace(0.0, 100.0, _POINTS)
    for name, colour in _COLOURS.items():
        spread = answer.runs[0].spreads[f"{name}_s"]
        if spread.size:
            axes.plot(spread.percentiles(shares), shares, color=colour, label=name.upper())
    for limit in answer.slo.limits:
        axes.axvline(limit.seconds, color=_COLOURS[limit.metric], linestyle=":")
        axes.plot(limit.seconds, limit.percentile, "x", color=_COLOURS[limit.metric])
    axes.set(xscale="log", xlabel="seconds", ylabel="requests below (%)", ylim=(0, 101))
    axes.legend(frameon=False, loc="lower right")


def _over_time(requests: Axes, blocks: Axes, found: Simulation) -> None:
    """Requests running and waiting, and KV blocks in use."""
    samples = found.samples
    seconds = samples["time_ns"] * 1e-9
    for name, colour in (("running", "#228833"), ("waiting", "#ee6677")):
        requests.step(seconds, samples[name], where="post", color=colour, linewidth=0.8, label=name)
    requests.set(xlabel="seconds", ylabel="requests")
    requests.set_ylim(bottom=0)
    requests.legend(frameon=False)
    blocks.fill_between(seconds, 100 * in_use(found), step="post", alpha=0.5, color="grey")
    blocks.set(xlabel="seconds", ylabel="KV blocks in use (%)", ylim=(0, 101))


def _latencies(axes: Axes, answer: ServeSim) -> None:
    """Median and p99 of TTFT and TPOT over the rate."""
    for metric in ("ttft", "tpot"):
        for statistic, style in (("p50", "--"), ("p99", "-")):
            _curve(
                axes, answer.runs, f"{metric}_s.{statistic}", f"{metric.upper()} {statistic}", _COLOURS[metric], style
            )
    for limit in answer.slo.limits:
        axes.axhline(limit.seconds, color=_COLOURS[limit.metric], linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="requests/s sent", ylabel="seconds")
    axes.legend(frameon=False)


def _throughputs(axes: Axes, answer: ServeSim) -> None:
    """Requests answered, and those that keep the promises, over the rate."""
    _curve(axes, answer.runs, "requests_per_s", "answered", "#4477aa", "-")
    if answer.slo.limits:
        _curve(axes, answer.runs, "goodput_requests_per_s", f"good ({answer.slo})", "#228833", "-")
    rates = [rate for run in answer.runs if (rate := run.values[_SENT]) is not None]
    axes.plot(rates, rates, color="grey", linestyle=":", label="sent")
    axes.set(xlabel="requests/s sent", ylabel="requests/s", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)


def _curve(axes: Axes, runs: Sequence[Run], name: str, label: str, colour: str, style: str) -> None:
    """One metric over the rate, with error bars where there are any."""
    found = [(rate, i) for run in runs if (rate := run.values[_SENT]) and (i := run.interval(name)) is not None]
    if not found:
        return
    mids = [interval.mid for _, interval in found]
    bars = [[i.mid - i.low for _, i in found], [i.high - i.mid for _, i in found]]
    axes.errorbar([rate for rate, _ in found], mids, yerr=bars, color=colour, linestyle=style, marker=".", label=label)
