"""Pictures of a comparison: speed per user against throughput per chip, and the rooflines behind it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.graph import Array, Attention, count
from silmark.mapping import Infeasible
from silmark.report.picture import COLOURS, panels
from silmark.report.rows import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROOFS = 6
"""Chips whose rooflines are drawn: the first rows of the table."""
_APART = (0.5, 0.22)
"""How far apart, in logarithms, two points must lie for both to carry their names."""


def draw(answer: Comparison, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for another ending."""
    rows = [row for row in answer.rows if row.estimate is not None]
    with panels(path, (16, 7), (3, 2)) as (left, right):
        from matplotlib.lines import Line2D  # noqa: PLC0415

        _speeds(left, rows, answer.tokens)
        families = sorted({row.chip.family for row in rows})
        handles = [Line2D([], [], marker="o", linestyle="", color=COLOURS[f], label=f) for f in families]
        left.legend(handles=handles, loc="best", frameon=False)
        left.set_title(
            f"{answer.question['model']}, {answer.question['workload']} (filled: keeps the promises; bars: 80 %)"
        )
        _rooflines(right, [row for row in rows if row.status == "ok" and not row.chip.cannot.get("gemm")][:_ROOFS])


def _speeds(axes: Axes, rows: list[Row], tokens: bool) -> None:
    """Speed per user against throughput per chip: a curve over batches, the chosen one with its error bars."""
    labels: list[tuple[float, float]] = []
    for row in rows:
        x, y = _point(axes, row)
        near = any(abs(math.log(x / a)) < _APART[0] and abs(math.log(y / b)) < _APART[1] for a, b in labels)
        if not near:
            labels.append((x, y))
            name = row.chip.id.split("-", 1)[-1]
            axes.annotate(name, (x, y), xytext=(5, 3), textcoords="offset points", fontsize=7)
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("tokens/s per user" if tokens else "1 / latency (1/s)")
    axes.set_ylabel("tokens/s per chip" if tokens else "items/s per chip")
    axes.grid(visible=True, which="major", alpha=0.3)


def _curve(row: Row) -> tuple[Array, Array] | None:
    """Speed per user and throughput per chip of the row's plan over all batches that fit."""
    answer = row.estimate
    assert answer is not None
    found = prepare(answer.step_model, replace(answer.workload, users=None))
    if isinstance(found, Infeasible):
        return None
    chips = answer.step_model.plan.replica_chips
    if isinstance(found, Mixture):
        return 1 / found.tpot, found.batches / found.tpot / chips
    return 1 / found.latency, found.rates / chips


def _rooflines(axes: Axes, rows: list[Row]) -> None:
    """The first chips' roofs (matrix peak, bandwidth of the tier that holds the weights) and where the phases lie."""
    for number, row in enumerate(rows):
        answer = row.estimate
        assert answer is not None
        model, plan = answer.step_model, answer.step_model.plan
        peak = row.chip.si(f"peak.{plan.precision.compute}", 0.0)
        bandwidth = row.chip.si(f"memory.{plan.placement.weights}.bandwidth", 0.0)
        if not peak or not bandwidth:
            continue
        colour = f"C{number}"
        ridge = peak / bandwidth
        edges = [min(0.1, ridge / 10), ridge, max(1e4, ridge * 10)]
        axes.plot(edges, [bandwidth * edges[0], peak, peak], color=colour, linewidth=1, label=row.chip.id)
        for phase, step in answer.steps().items():
            graph = model.sharded(step)
            work = count(graph)
            usual = plan.precision.kv_bytes
            cache = sum(count(op).kv * op.kv_bytes(usual) for op in graph if isinstance(op, Attention))
            moved = work.weights * plan.precision.weight_bytes + cache
            seconds = float(model.cost(step).time_s)
            marker = "o" if phase == "decode" else "^"
            axes.plot(
                float(work.flops / moved), float(work.flops) * model.depth / plan.pp / seconds, marker, color=colour
            )
    axes.set(xscale="log", yscale="log", xlabel="FLOP per byte of weights and cache", ylabel="FLOP/s per chip")
    axes.set_title("rooflines (triangle: prefill or pass, circle: decode)")
    axes.grid(visible=True, which="major", alpha=0.3)
    if rows:
        axes.legend(loc="lower right", frameon=False, fontsize=8)


def _point(axes: Axes, row: Row) -> tuple[float, float]:
    answer = row.estimate
    assert answer is not None
    assert row.per_chip is not None
    speed = row.tokens_per_s_user or (answer.latency_s.inverse() if answer.latency_s else None)
    assert speed is not None
    colour = COLOURS[row.chip.family]
    curve = _curve(row)
    if curve is not None:
        axes.plot(*curve, color=colour, linewidth=0.7, alpha=0.35)
    axes.errorbar(
        speed.mid,
        row.per_chip.mid,
        xerr=[[speed.mid - speed.low], [speed.high - speed.mid]],
        yerr=[[row.per_chip.mid - row.per_chip.low], [row.per_chip.high - row.per_chip.mid]],
        fmt="o",
        color=colour,
        markerfacecolor=colour if row.status == "ok" else "white",
        markersize=5,
        elinewidth=0.5,
        alpha=0.85,
    )
    return speed.mid, row.per_chip.mid
