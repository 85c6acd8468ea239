"""Pictures of a comparison: speed per user against throughput per chip, with error bars."""

from __future__ import annotations

from pathlib import Path

from silmark.errors import BadValue
from silmark.report.rows import Comparison, Row

_FORMATS = (".png", ".svg", ".pdf")
_COLOURS = {
    "gpu": "#4477aa",
    "systolic": "#228833",
    "streaming": "#ee6677",
    "wafer": "#aa3377",
    "dimc": "#ccbb44",
    "photonic": "#66ccee",
    "thermodynamic": "#bbbbbb",
}


def draw(answer: Comparison, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for another ending."""
    if path.suffix.lower() not in _FORMATS:
        raise BadValue("plot", str(path), f"a file that ends in {', '.join(_FORMATS)}")
    if not path.parent.is_dir():
        raise BadValue("plot", str(path), "a path inside an existing folder")
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only pictures should cost

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415
    from matplotlib.lines import Line2D  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(11, 7), layout="constrained")
    rows = [row for row in answer.rows if row.estimate is not None]
    for row in rows:
        _point(axes, row)
    axes.set_xscale("log")
    axes.set_yscale("log")
    tokens = any(row.estimate and row.estimate.tokens_per_s for row in rows)
    axes.set_xlabel("tokens/s per user" if tokens else "1 / latency (1/s)")
    axes.set_ylabel("tokens/s per chip" if tokens else "items/s per chip")
    axes.set_title(
        f"{answer.question['model']}, {answer.question['workload']} (filled: keeps the promises; bars: 80 %)"
    )
    families = sorted({row.chip.family for row in rows})
    handles = [Line2D([], [], marker="o", linestyle="", color=_COLOURS[f], label=f) for f in families]
    axes.legend(handles=handles, loc="best", frameon=False)
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _point(axes, row: Row) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - matplotlib has no types here
    answer = row.estimate
    assert answer is not None
    assert row.per_chip is not None
    speed = row.tokens_per_s_user or (answer.latency_s.inverse() if answer.latency_s else None)
    assert speed is not None
    colour = _COLOURS[row.chip.family]
    axes.errorbar(
        speed.mid,
        row.per_chip.mid,
        xerr=[[speed.mid - speed.low], [speed.high - speed.mid]],
        yerr=[[row.per_chip.mid - row.per_chip.low], [row.per_chip.high - row.per_chip.mid]],
        fmt="o",
        color=colour,
        markerfacecolor=colour if row.status == "ok" else "white",
        elinewidth=0.6,
        alpha=0.85,
    )
    axes.annotate(
        row.chip.id.split("-", 1)[-1],
        (speed.mid, row.per_chip.mid),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=6.5,
    )
