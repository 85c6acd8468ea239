"""Figures that hold where a chip's or system's own file says nothing: `data/assumptions/*.toml`."""

from __future__ import annotations

from functools import cache

from silmark.figures.figure import Figure
from silmark.figures.tables import packaged, read_figure, walk


@cache
def assumptions(name: str) -> dict[str, Figure]:
    """Figures of one file (`engine`, `economics`) by dotted key."""
    return {key: read_figure(f"{name}.toml", key, leaf) for key, leaf in walk(packaged("assumptions")[name])}
