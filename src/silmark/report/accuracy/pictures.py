"""Pictures of a validation: predicted against measured, what is left as histograms, and how often error bars hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from silmark.errors import BadFile
from silmark.report.accuracy.series import Held, Panel, vendor
from silmark.report.picture import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
_HUES = {"NVIDIA": "YlGn", "AMD": "RdPu", "Intel": "Blues", "Google": "YlOrBr"}
_OTHER = "Greys"
"""Hue of all other vendors; chips of one vendor differ in lightness."""
_BAND = 2.0
"""Points between the dashed lines are at most this factor off."""
_FARTHEST = math.log(6.0)
"""Edge of a histogram; what lies beyond is counted in its last bar."""
_TARGET = (0.75, 0.85)
"""Share of rows that an 80 % bar should hold, with what few rows scatter by."""
_LEAST_REACH = 6.0
"""From the middle of a panel to its edges: every axis has a power of ten or two to be read by."""
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_RIGHT, _WRONG = "#228833", "#ee6677"


def scatter(panels: Sequence[Panel], path: Path, title: str) -> None:
    """Predicted against measured, one log-log panel per metric, coloured by vendor and chip.

    Args:
        panels: at least one.
        path: of a PNG.
        title: above all panels.
    """
    figure, axes = _figure(len(panels), title)
    colours = _colours(sorted({str(chip) for panel in panels for chip in np.unique(panel.chips)}))
    for one, panel in zip(axes, panels, strict=True):
        _points(one, panel, colours)
    handles = [_dot(colour, chip) for chip, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=COLUMNS, frameon=False, fontsize=7)
    _save(figure, path)


def _points(axes: Axes, panel: Panel, colours: dict[str, Any]) -> None:
    from matplotlib.ticker import NullFormatter  # noqa: PLC0415

    # In an order that is random and always the same: no chip lies on top of all others.
    order = np.random.default_rng(0).permutation(panel.measured.size)
    axes.scatter(
        panel.measured[order],
        panel.predicted[order],
        s=4 if order.size < 2000 else 1.5,
        c=[colours[chip] for chip in panel.chips[order].tolist()],
        alpha=0.6,
        linewidths=0,
        rasterized=True,
    )
    both = np.concatenate([panel.measured, panel.predicted])
    middle = math.sqrt(float(both.min() * both.max()))
    reach = max(1.5 * float(both.max()) / middle, _LEAST_REACH)
    ends = np.array([middle / reach, middle * reach])
    axes.plot(ends, ends, color="black", linewidth=0.8)
    for factor in (_BAND, 1 / _BAND):
        axes.plot(ends, ends * factor, color="black", linewidth=0.6, linestyle="--", alpha=0.5)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{panel.title}, {order.size:,} rows" + (f"\n{panel.note}" if panel.note else ""), fontsize=8)
    axes.set_xlabel(f"measured ({panel.unit})", fontsize=7)
    axes.set_ylabel(f"predicted ({panel.unit})", fontsize=7)
    axes.grid(visible=True, which="major", alpha=0.25)


def histograms(panels: Sequence[Panel], path: Path, title: str) -> None:
    """Measured over predicted, one panel per metric, with the range that holds the middle 80 % of the rows."""
    figure, axes = _figure(len(panels), title)
    edges = np.linspace(-_FARTHEST, _FARTHEST, 61)
    for one, panel in zip(axes, panels, strict=True):
        logs = panel.logs
        low, middle, high = np.quantile(logs, (0.1, 0.5, 0.9))
        one.axvspan(low, high, color="#4477aa", alpha=0.15)
        one.hist(np.clip(logs, edges[0], edges[-1]), bins=list(edges), color="#4477aa")
        one.axvline(0.0, color="black", linewidth=0.8)
        one.axvline(middle, color=_WRONG, linewidth=0.8)
        one.set_xticks([math.log(factor) for factor in _FACTORS], [f"{factor:g}" for factor in _FACTORS])
        one.set_yticks([])
        one.set_title(f"{panel.title}: median error {np.median(np.abs(logs)):.2f}", fontsize=8)
        said = f"80 %: {math.exp(low):.2f} to {math.exp(high):.2f}"
        one.set_xlabel(f"measured / predicted\n{said}", fontsize=7)
    _save(figure, path)


def coverage(classes: Sequence[Held], path: Path, title: str) -> None:
    """Share of rows inside of their 80 % error bar by class, with a dot per chip; the band is what is aimed at."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.24 * len(classes)), layout="constrained")
    where = np.arange(len(classes))[::-1]
    good = [_TARGET[0] <= one.share <= _TARGET[1] for one in classes]
    axes.axvspan(*_TARGET, color=_RIGHT, alpha=0.2)
    colours = [_RIGHT if right else _WRONG for right in good]
    axes.barh(where, [one.share for one in classes], color=colours, height=0.6, alpha=0.8)
    axes.axvline(0.8, color="black", linewidth=0.8)
    axes.set_yticks(where, [one.label for one in classes], fontsize=7)
    for y, one in zip(where, classes, strict=True):
        axes.plot(one.chips, [y] * len(one.chips), ".", color="black", markersize=4, alpha=0.7, clip_on=False)
        axes.text(1.015, y, f"{one.rows:,} rows, high/low {one.width:.2f}", va="center", fontsize=7)
    axes.set(xlim=(0, 1), xlabel="share of rows inside of their 80 % bar")
    axes.set_ylim(-0.6, len(classes) - 0.4)
    axes.set_title(title, fontsize=10)
    _save(figure, path)


def _colours(chips: Sequence[str]) -> dict[str, Any]:
    """A colour per chip: hue by vendor, lightness within it."""
    from matplotlib import colormaps  # noqa: PLC0415

    by_vendor: dict[str, list[str]] = {}
    for chip in chips:
        hue = _HUES.get(vendor(chip), _OTHER)
        by_vendor.setdefault(hue, []).append(chip)
    return {
        chip: colormaps[hue](1.0 - 0.6 * number / max(1, len(members) - 1))
        for hue, members in by_vendor.items()
        for number, chip in enumerate(members)
    }


def _dot(colour: Any, label: str) -> Any:  # noqa: ANN401 - matplotlib has no types of its own
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return Line2D([], [], marker="o", linestyle="", markersize=4, color=colour, label=label)


def _figure(panels: int, title: str) -> tuple[Figure, list[Axes]]:
    plt = pyplot()
    down = -(-panels // COLUMNS)
    across = min(COLUMNS, panels)
    figure, axes = plt.subplots(
        down, across, figsize=(3.2 * across, 3.0 * down + 0.9), layout="constrained", squeeze=False
    )
    figure.suptitle(title, fontsize=10)
    flat = list(axes.flat)
    for one in flat:
        one.tick_params(labelsize=6)
    for one in flat[panels:]:
        one.set_visible(False)
    return figure, flat[:panels]


def _save(figure: Figure, path: Path) -> None:
    try:
        # No date and no version of the library: the same rows give the same file.
        figure.savefig(path, dpi=110, metadata={"Software": None})
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be written") from None
    finally:
        pyplot().close(figure)
