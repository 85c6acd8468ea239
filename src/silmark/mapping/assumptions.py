"""Assumptions about engines, sourced and graded like every other figure."""

from __future__ import annotations

from functools import cache

from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, walk


@cache
def engine() -> dict[str, Figure]:
    """Figures of `data/assumptions/engine.toml` by dotted key."""
    return {key: read_figure("engine.toml", key, leaf) for key, leaf in walk(packaged("assumptions")["engine"])}
