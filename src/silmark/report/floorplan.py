"""Picture of a run: the machine's floor plan coloured by how busy its units were, and what they did when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from silmark.machines.base import Tile
from silmark.machines.run import Event, Run
from silmark.report.picture import panels, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRACKS = 40
"""Lines of the timeline: the busiest; Perfetto shows all."""
_NAMED = 8
"""Names of events that get a colour of their own; the others share grey."""


def draw(tiles: Sequence[Tile], run: Run, title: str, path: Path) -> None:
    """Writes the picture; raises BadValue for a path that cannot be one."""
    with panels(path, (14, 6), (1.1, 1.0)) as (left, right):
        _plan(left, tiles, run)
        left.set_title(f"{title}: {run.cycles:,} cycles", loc="left", fontsize=10)
        _timeline(right, run)


def _plan(axes: Axes, tiles: Sequence[Tile], run: Run) -> None:
    colours = pyplot().get_cmap("YlOrRd")
    for tile in tiles:
        share = run.utilisation.get(tile.unit, 0.0)
        face = colours(0.08 + 0.92 * share) if tile.unit else "whitesmoke"
        corner, size = (tile.x, tile.y), (tile.width, tile.height)
        axes.add_patch(pyplot().Rectangle(corner, *size, facecolor=face, edgecolor="grey", linewidth=0.4))
        if tile.label:
            busy = f"\n{100 * share:.0f} %" if tile.unit else ""
            upright = tile.height > 2 * tile.width
            middle = (tile.x + tile.width / 2, tile.y + tile.height / 2)
            axes.text(*middle, tile.label + busy, ha="center", va="center", fontsize=7, rotation=90 if upright else 0,
                      color="white" if share > 0.75 else "black")  # fmt: skip
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_axis_off()


def _timeline(axes: Axes, run: Run) -> None:
    busy: dict[str, int] = {}
    work: dict[str, int] = {}
    for event in run.events:
        busy[event.track] = busy.get(event.track, 0) + event.cycles
        work[_stem(event)] = work.get(_stem(event), 0) + event.cycles
    kept = sorted(sorted(busy, key=lambda track: -busy[track])[:_TRACKS])
    named = sorted(work, key=lambda name: -work[name])[:_NAMED]
    palette = pyplot().get_cmap("tab10")
    for row, track in enumerate(kept):
        for index, name in enumerate([*named, None]):
            spans = [
                (event.start, event.cycles)
                for event in run.events
                if event.track == track and (_stem(event) if _stem(event) in named else None) == name
            ]
            colour = "lightgrey" if name is None else palette(index)
            axes.broken_barh(spans, (row - 0.4, 0.8), facecolors=colour)
    axes.set_yticks(range(len(kept)), kept, fontsize=7)
    axes.set_ylim(len(kept) - 0.5, -0.5)
    axes.set_xlabel("cycle")
    handles = [pyplot().Rectangle((0, 0), 1, 1, facecolor=palette(index)) for index in range(len(named))]
    axes.legend(handles, named, frameon=False, fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _stem(event: Event) -> str:
    """Events of one kind share a colour: what stands before the first space."""
    return event.name.partition(" ")[0]
